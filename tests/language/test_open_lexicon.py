"""An open lexicon: its sums, its share, and its capitals."""

from __future__ import annotations

import math
import string

import numpy as np
import pytest

from crnn_lib.language import (
    Mixture,
    NGram,
    WeightedAutomaton,
    fit_share,
    fixed_length,
    lexicon,
    open_lexicon,
    parse_constraint,
    spelling_model,
    strings,
    with_capitals,
    word_counts,
    word_log_probs,
)

COUNTS = {"on": 5, "no": 2, "noon": 1, "In": 2}
CHARACTERS = "Iino"


def total(automaton: WeightedAutomaton) -> float:
    """What all strings weigh together, however long: a system of linear equations."""
    step = np.zeros((automaton.num_states,) * 2)
    states, columns = (automaton.next_state >= 0).nonzero()
    np.add.at(
        step,
        (states, automaton.next_state[states, columns]),
        np.exp(automaton.log_weight[states, columns]),
    )
    mass = np.linalg.solve(np.eye(len(step)) - step, np.exp(automaton.final))
    return float(mass[automaton.start])


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_mixture_adds_up_to_one(order, share):
    chances = word_log_probs(COUNTS)
    model = NGram.fit(COUNTS, order=order, characters=CHARACTERS)
    assert total(model.automaton()) == pytest.approx(1)
    words, others = open_lexicon(chances, model, share=share).parts
    assert total(others) == pytest.approx(1 - share)
    in_both = sum(math.exp(others.score(word)) for word in chances)
    assert total(words) + total(others) - in_both == pytest.approx(1)


def test_each_string_has_the_mixtures_probability():
    chances = word_log_probs(COUNTS)
    model = NGram.fit(COUNTS, order=2, characters=CHARACTERS)
    language = open_lexicon(chances, model, share=0.7)
    for text in strings(fixed_length(CHARACTERS, 2), 2):
        expected = 0.3 * math.exp(model.log_prob(text))
        expected += 0.7 * math.exp(chances[text]) if text in chances else 0
        assert math.exp(language.score(text)) == pytest.approx(expected)
        assert language.accepts(text)


@pytest.mark.parametrize("share", [0, 1, -0.5, math.nan])
def test_a_share_out_of_range_is_refused(share):
    model = NGram.fit(["on"], order=1, characters=CHARACTERS)
    with pytest.raises(ValueError, match="share of the words is above 0 and below 1"):
        open_lexicon({"on": 0.0}, model, share=share)


def test_a_mixture_is_of_automata():
    with pytest.raises(TypeError, match="A mixture is of automata; got str"):
        Mixture(("on",))
    with pytest.raises(ValueError, match="at least one part"):
        Mixture(())


def test_the_fitted_share_is_the_likeliest():
    chances = word_log_probs(COUNTS)
    model = NGram.fit(COUNTS, order=2, characters=CHARACTERS)
    texts = ["on"] * 6 + ["no", "In", "nonno", "ii"]

    def log_likelihood(share: float) -> float:
        """With the two texts more that are counted, one of either kind."""
        language = open_lexicon(chances, model, share=share)
        return sum(map(language.score, texts)) + math.log(share * (1 - share))

    fitted = fit_share(chances, model, texts)
    shares = np.linspace(0.01, 0.99, 99)
    best = shares[np.argmax([log_likelihood(share) for share in shares])]
    assert fitted == pytest.approx(best, abs=0.011)
    assert log_likelihood(fitted) >= max(map(log_likelihood, shares))


def test_a_share_is_never_all_or_nothing():
    model = NGram.fit(["on"], order=2, characters=CHARACTERS)
    assert 0.8 < fit_share({"on": 0.0}, model, ["on"] * 20) < 1
    assert 0 < fit_share({"on": 0.0}, model, ["ino"] * 20) < 0.06
    with pytest.raises(ValueError, match="no text to fit"):
        fit_share({"on": 0.0}, model, [])
    with pytest.raises(TypeError, match="list of texts"):
        fit_share({"on": 0.0}, model, "on")


def test_capitals_take_their_shares_and_leave_the_sum():
    chances = word_log_probs({"bill": 6, "Bill": 2, "I": 1, "don't": 1})
    found = {form: math.exp(c) for form, c in with_capitals(chances).items()}
    assert sum(found.values()) == pytest.approx(1)
    assert found["bill"] == pytest.approx(0.6 * 0.8)
    assert found["Bill"] == pytest.approx(0.6 * 0.15 + 0.2 * 0.95)
    assert found["BILL"] == pytest.approx(0.8 * 0.05)
    assert found["I"] == pytest.approx(0.1) and found["DON'T"] == pytest.approx(0.005)
    assert with_capitals(chances, capitalised=0, capitals=0) == pytest.approx(chances)
    for shares in ({"capitals": -0.1}, {"capitalised": 1.0}, {"capitals": math.nan}):
        with pytest.raises(ValueError, match="shares of capitals are 0 or more"):
            with_capitals(chances, **shares)


def test_the_lexicon_by_name():
    english = lexicon("english")
    counts = word_counts("english")
    states, columns = (english.next_state >= 0).nonzero()
    factor = np.exp(english.log_weight[states, columns])
    mass = np.exp(english.final)  # of what goes on from each state, in up to 30 characters
    for _ in range(30):
        after = factor * mass[english.next_state[states, columns]]
        mass = np.exp(english.final) + np.bincount(states, after, english.num_states)
    assert mass[english.start] == pytest.approx(1)
    hand = math.log(counts["hand"] / sum(counts.values()))
    assert english.score("hand") == pytest.approx(hand + math.log(0.8))
    assert english.score("Hand") == pytest.approx(hand + math.log(0.15))
    assert english.score("HAND") == pytest.approx(hand + math.log(0.05))
    assert not english.accepts("hAND") and not english.accepts("handd")


def test_the_lexicon_by_file(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\ufeffAda\r\n\nGrace\n", encoding="utf-8")
    assert word_counts(path) == {"Ada": 1, "Grace": 1}
    for source in (path, str(path)):
        names = lexicon(source)
        assert math.exp(names.score("Ada")) == pytest.approx(0.5 * 0.95)
        assert math.exp(names.score("GRACE")) == pytest.approx(0.5 * 0.05)
    path.write_text("Ada 3\nGrace 1\n", encoding="utf-8")
    assert math.exp(lexicon(path).score("Ada")) == pytest.approx(0.75 * 0.95)


@pytest.mark.parametrize(
    "content, message",
    [
        ("Ada 3\nGrace\n", "row 2: a row is a word and its count.* got 'Grace'"),
        ("Ada Lovelace\n", "row 1: a row is a word and its count.*every row is a word alone"),
        ("Ada\nGrace\nAda\n", "row 3: 'Ada' stands there twice"),
    ],
)
def test_a_file_that_is_half_a_list_is_refused(content, message, tmp_path):
    path = tmp_path / "names.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        lexicon(path)


def test_a_list_that_is_not_there_is_named_with_the_way_out():
    with pytest.raises(ValueError, match="no list of words 'german': write 'english', or"):
        lexicon("german")
    with pytest.raises(TypeError, match="characters and words, or the name of a list alone"):
        lexicon(["on", "no"])


def test_what_is_in_no_lexicon_is_spelled_like_names_and_numbers():
    model = spelling_model(word_counts())
    for likely, unlikely in [
        ("Handel", "ldeHan"),
        ("McKinstry", "MrsctyKin"),
        ("4711", "4h1"),
        ("12.50", "1.250"),
        ("hand,", ",hand"),
    ]:
        assert model.log_prob(likely) > model.log_prob(unlikely), likely
    small = spelling_model({"hand": 3, "Ida": 1}, characters="adhnI")
    assert small.characters == "adhnI" and small.log_prob("hand") > small.log_prob("dnah")


def test_open_as_a_constraint(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("on 3\nno 1\nnot 5\n")
    language = parse_constraint(f"open:{path}+length:2", "inoNO1")
    assert language.score("on") > language.score("no") > language.score("oi") > -math.inf
    assert language.score("ON") > language.score("NI") and language.accepts("11")
    assert not language.accepts("noon")
    with pytest.raises(ValueError, match="more than one open lexicon"):
        parse_constraint(f"open:{path}+open:{path}", "ino")
    with pytest.raises(ValueError, match="No string satisfies"):
        parse_constraint(f"open:{path}+length:2+length:3", "ino")
    letters = parse_constraint(f"open:{path}", string.ascii_lowercase)
    assert letters.accepts("quay") and not letters.accepts("Quay")
