from __future__ import annotations

import dataclasses
import math
from collections import Counter
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn_lib.alphabet import Alphabet
from crnn_lib.evaluation import (
    EditCounts,
    edit_counts,
    evaluate_texts,
    substituted_characters,
    wilson_interval,
)

# Few characters, so that repeats and ties are common.
texts = st.text("012", max_size=7)
pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=12)


def all_shortest_counts(prediction: str, truth: str) -> set[EditCounts]:
    """Every (S, I, D) of a shortest way from the truth to the prediction, by recursion."""

    @cache
    def ways(i: int, j: int) -> frozenset[EditCounts]:
        if i == len(truth) and j == len(prediction):
            return frozenset([EditCounts(0, 0, 0)])
        found = set()
        if i < len(truth) and j < len(prediction):
            differ = int(truth[i] != prediction[j])
            found |= {EditCounts(s + differ, n, d) for s, n, d in ways(i + 1, j + 1)}
        if j < len(prediction):
            found |= {EditCounts(s, n + 1, d) for s, n, d in ways(i, j + 1)}
        if i < len(truth):
            found |= {EditCounts(s, n, d + 1) for s, n, d in ways(i + 1, j)}
        best = min(sum(counts) for counts in found)
        return frozenset(counts for counts in found if sum(counts) == best)

    return set(ways(0, 0))


@given(texts, texts)
def test_counts_are_those_of_the_shortest_way_with_most_substitutions(prediction, truth):
    expected = max(all_shortest_counts(prediction, truth))  # tuples: substitutions come first
    counts = edit_counts(prediction, truth)
    assert counts == expected
    assert counts.total == sum(counts)


@given(texts, texts)
def test_swapping_the_texts_swaps_insertions_and_deletions(prediction, truth):
    substitutions, insertions, deletions = edit_counts(prediction, truth)
    assert edit_counts(truth, prediction) == (substitutions, deletions, insertions)


@given(texts, texts, texts)
def test_the_edit_distance_is_a_metric(a, b, c):
    assert (edit_counts(a, b).total == 0) == (a == b)
    assert edit_counts(a, c).total <= edit_counts(a, b).total + edit_counts(b, c).total


@given(texts, texts)
def test_counts_stay_in_their_bounds(prediction, truth):
    substitutions, insertions, deletions = counts = edit_counts(prediction, truth)
    assert min(counts) >= 0
    assert insertions - deletions == len(prediction) - len(truth)
    assert abs(len(prediction) - len(truth)) <= counts.total <= max(len(prediction), len(truth))
    assert substitutions + deletions <= len(truth)
    assert substitutions + insertions <= len(prediction)


@pytest.mark.parametrize(
    "prediction, truth, expected",
    [
        ("55207", "55207", (0, 0, 0)),
        ("5207", "55207", (0, 0, 1)),
        ("552077", "55207", (0, 1, 0)),
        ("25", "52", (2, 0, 0)),
        ("0123", "1230", (0, 1, 1)),
        ("", "55207", (0, 0, 5)),
        ("55207", "", (0, 5, 0)),
        ("", "", (0, 0, 0)),
        ("é", "e", (1, 0, 0)),
        ("😀😀", "😀", (0, 1, 0)),
    ],
)
def test_counts_one_can_check_by_hand(prediction, truth, expected):
    assert edit_counts(prediction, truth) == expected


@given(texts, texts)
def test_substituted_characters_are_as_many_as_counted_and_in_order(prediction, truth):
    substituted = substituted_characters(prediction, truth)
    assert len(substituted) == edit_counts(prediction, truth).substitutions
    assert all(t != p for t, p in substituted)
    for text, side in ((truth, 0), (prediction, 1)):
        rest = iter(text)
        assert all(pair[side] in rest for pair in substituted)  # a subsequence of the text


@pytest.mark.parametrize(
    "prediction, truth, expected",
    [
        ("55201", "55207", [("7", "1")]),
        ("25", "52", [("5", "2"), ("2", "5")]),
        ("5201", "55207", [("7", "1")]),
        ("55207", "55207", []),
        ("3", "12", [("1", "3")]),
        ("0123", "1230", []),
    ],
)
def test_substituted_characters_one_can_check_by_hand(prediction, truth, expected):
    assert substituted_characters(prediction, truth) == expected


@given(pairs)
def test_a_report_adds_up(lines):
    predictions, truths = [p for p, _ in lines], [t for _, t in lines]
    report = evaluate_texts(predictions, truths, max_wrong=5)
    counts = [edit_counts(p, t) for p, t in lines]
    assert report.n == len(lines)
    assert report.n_exact == sum(p == t for p, t in lines)
    assert report.exact_match == report.n_exact / report.n
    assert report.characters == sum(map(len, truths))
    assert report.substitutions == sum(c.substitutions for c in counts)
    assert report.insertions == sum(c.insertions for c in counts)
    assert report.deletions == sum(c.deletions for c in counts)
    assert report.edits == sum(c.total for c in counts)

    assert sum(c.count for c in report.confusions) == report.substitutions
    expected = Counter(pair for p, t in lines for pair in substituted_characters(p, t))
    assert {(c.truth, c.prediction): c.count for c in report.confusions} == expected
    frequencies = [c.count for c in report.confusions]
    assert frequencies == sorted(frequencies, reverse=True)

    wrong = [(i, t, p) for i, (p, t) in enumerate(lines) if p != t]
    assert list(report.wrong) == wrong[:5]

    assert [row.length for row in report.by_length] == sorted(set(map(len, truths)))
    for row in report.by_length:
        chosen = [(p, t) for p, t in lines if len(t) == row.length]
        alone = evaluate_texts([p for p, _ in chosen], [t for _, t in chosen])
        assert (row.n, row.exact_match) == (alone.n, alone.exact_match)
        assert row.character_error_rate == alone.character_error_rate
    assert str(report)


@given(pairs)
def test_long_characters_count_like_short_ones(lines):
    """A letter for each gives the same report, in letters."""
    alphabet = Alphabet(("th", "e", "cat"))

    def long(text):
        return "".join(alphabet.characters["012".index(c)] for c in text)

    read, written = zip(*lines, strict=True)
    short = evaluate_texts(read, written, max_wrong=3)
    report = evaluate_texts(
        [*map(long, read)], [*map(long, written)], alphabet=alphabet, max_wrong=3
    )
    assert {(long(t), long(p), n) for t, p, n in short.confusions} == set(report.confusions)
    assert [(i, long(t), long(p)) for i, t, p in short.wrong] == [*report.wrong]
    same = dataclasses.replace(short, confusions=report.confusions, wrong=report.wrong)
    assert same == report and "lines" in str(report)
    for prediction, truth in lines:
        pieces = [[alphabet.characters["012".index(c)] for c in t] for t in (prediction, truth)]
        assert edit_counts(*pieces) == edit_counts(prediction, truth)
        assert substituted_characters(*map(tuple, pieces)) == [
            (long(t), long(p)) for t, p in substituted_characters(prediction, truth)
        ]


def test_a_grapheme_is_one_character():
    """Tamil mi, the consonant m with a vowel sign, read as m alone: one of three characters."""
    alphabet = Alphabet(("த", "மி", "ம", "ழ்"))
    report = evaluate_texts(["தமழ்"], ["தமிழ்"], alphabet=alphabet)
    assert report.characters == 3 and report.confusions == (("மி", "ம", 1),)
    by_code_point = evaluate_texts(["தமழ்"], ["தமிழ்"])
    assert by_code_point.characters == 5 and by_code_point.deletions == 1


def test_what_an_alphabet_cannot_spell_counts_by_code_points():
    alphabet = Alphabet(("th", "e", "cat"))
    report = evaluate_texts(["the", "thexy"], ["thex", "the"], alphabet=alphabet)
    assert (report.characters, report.insertions, report.deletions) == (5, 2, 1)


@given(pairs, st.randoms())
def test_the_order_of_the_lines_does_not_matter(lines, random):
    def figures(lines):
        report = evaluate_texts([p for p, _ in lines], [t for _, t in lines])
        return dataclasses.replace(report, wrong=())

    shuffled = list(lines)
    random.shuffle(shuffled)
    assert figures(lines) == figures(shuffled)


def test_the_character_error_rate_is_not_the_mean_of_the_lines_rates():
    report = evaluate_texts(["1", "555555555"], ["7", "555555555"])
    assert report.character_error_rate == 1 / 10  # the mean of 1/1 and 0/9 would be 1/2


def test_insertions_can_push_the_character_error_rate_above_one():
    assert evaluate_texts(["777"], ["7"]).character_error_rate == 2.0


def test_empty_truths():
    silent = evaluate_texts([""], [""])
    assert (silent.exact_match, silent.character_error_rate) == (1.0, 0.0)
    noisy = evaluate_texts(["7"], [""])
    assert (noisy.exact_match, noisy.character_error_rate) == (0.0, math.inf)
    assert "inf %" in str(noisy)
    mixed = evaluate_texts(["7", "55207"], ["", "55207"])
    assert mixed.character_error_rate == 1 / 5
    assert [row.character_error_rate for row in mixed.by_length] == [math.inf, 0.0]


def test_the_table_is_fixed():
    report = evaluate_texts(["55207", "55201", "", "17"], ["55207", "55207", "0", "1"])
    assert str(report) == (
        "lines                  4\n"
        "exact match      25.00 %   95 % interval 4.56 to 69.94 %\n"
        "character error  25.00 %   3 edits on 12 characters: 1 substituted, 1 inserted, "
        "1 deleted\n"
        "\n"
        "length     lines   exact match   character error\n"
        "     1         2      0.00 %        100.00 %\n"
        "     5         2     50.00 %         10.00 %\n"
        "\n"
        "most often confused: '7' as '1' 1x\n"
        "\n"
        "wrong lines (3 of 3)\n"
        "     1   '55207' read as '55201'\n"
        "     2   '0' read as ''\n"
        "     3   '1' read as '17'"
    )


def test_a_perfect_report_lists_no_errors():
    report = evaluate_texts(["55207"] * 3, ["55207"] * 3)
    assert report.exact_match == 1.0 and report.wrong == () and report.confusions == ()
    assert "confused" not in str(report) and "wrong" not in str(report)


def test_a_report_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        evaluate_texts(["7"], ["7"]).n = 2


@pytest.mark.parametrize(
    "predictions, truths, error, message",
    [
        (["7"], ["7", "1"], ValueError, "1 predictions and 2 truths"),
        ([], [], ValueError, "both lists are empty"),
        ("7", ["7"], TypeError, "predictions is one text, '7'"),
        (["7"], "7", TypeError, "truths is one text, '7'"),
        (["7", 7], ["7", "7"], TypeError, r"predictions\[1\] must be a str; got int: 7"),
        (["7"], [None], TypeError, r"truths\[0\] must be a str; got NoneType"),
    ],
)
def test_bad_lists_are_refused(predictions, truths, error, message):
    with pytest.raises(error, match=message):
        evaluate_texts(predictions, truths)


def test_only_texts_are_compared():
    with pytest.raises(TypeError, match="A character of prediction must be a str; got int"):
        edit_counts([6, 6, 3, 1, 8], "55207")
    with pytest.raises(TypeError, match="truth must be a str; got int"):
        substituted_characters("55207", 55207)


# Wilson's formula, evaluated by hand for z = 1.959964 and rounded to four digits.
@pytest.mark.parametrize(
    "successes, trials, low, high",
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (1776, 2000, 0.8734, 0.9011),
    ],
)
def test_wilson_interval_matches_known_values(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=6e-5)


@given(st.integers(1, 10_000), st.data())
def test_wilson_interval_solves_its_equation(trials, data):
    successes = data.draw(st.integers(0, trials))
    share, z = successes / trials, 1.959964
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= share <= high <= 1
    assert low < high
    for end in (low, high):  # |share - end| is z standard deviations of a binomial around end
        assert (share - end) ** 2 == pytest.approx(z * z * end * (1 - end) / trials, abs=1e-12)
    mirrored = wilson_interval(trials - successes, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(
    "successes, trials", [(0, 0), (3, 2), (-1, 2), ("1", 2), (1, None), (1.5, 2), (True, 1)]
)
def test_wilson_interval_refuses_impossible_counts(successes, trials):
    with pytest.raises(ValueError, match="at least one trial"):
        wilson_interval(successes, trials)


@pytest.mark.parametrize("z", [None, "a", True, [1.0], math.nan, -1.0, math.inf])
def test_standard_deviations_are_a_number(z):
    with pytest.raises(ValueError, match="z is a number of standard deviations, 0 or more; got "):
        wilson_interval(1, 2, z=z)


def test_texts_that_are_none_are_named():
    for texts in (None, 5, {"55", "7"}):
        for name, pair in (("predictions", (texts, ["5"])), ("truths", (["5"], texts))):
            with pytest.raises(TypeError, match=f"{name} is a list with one text per line; got "):
                evaluate_texts(*pair)
    with pytest.raises(TypeError, match="alphabet is an Alphabet"):
        evaluate_texts(["5"], ["7"], alphabet="0123456789")
    for many in (None, 2.5, "3", True, -1):
        with pytest.raises(ValueError, match="max_wrong is a whole number of at least 0; got "):
            evaluate_texts(["5"], ["7"], max_wrong=many)
