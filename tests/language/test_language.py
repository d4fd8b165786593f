"""The language of every automaton, held against an oracle that shares no code with it."""

from __future__ import annotations

import datetime
import fnmatch
import math
import random
import re
from collections import Counter
from decimal import Decimal
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn_lib import Alphabet, language
from crnn_lib.language import (
    NGram,
    WeightedAutomaton,
    amount,
    count_strings,
    draw_string,
    draw_strings,
    explore,
    fixed_length,
    intersect,
    is_empty,
    isbn,
    isbn10,
    isbn13,
    iso_date,
    length_between,
    lexicon,
    luhn,
    minimise,
    parse_constraint,
    pattern,
    respell,
    strings,
    trim,
    union,
)
from crnn_lib.language.automata import NOWHERE

DIGITS = "0123456789"
SHUFFLED = "-7.3901X5,26 84"  # characters come in any order, and there may be more of them
LUHN, ISBN13, ISBN10, ISBN = luhn(SHUFFLED), isbn13(DIGITS), isbn10(SHUFFLED), isbn(SHUFFLED)


def all_strings(characters: str, longest: int) -> list[str]:
    return ["".join(s) for n in range(longest + 1) for s in product(characters, repeat=n)]


def as_set(automaton: WeightedAutomaton, longest: int) -> set[str]:
    found = list(strings(automaton, longest))
    assert len(found) == len(set(found))
    return set(found)


# ---------------------------------------------------------------- algebra


@st.composite
def automata(draw, weighted: bool = True, characters: str = "ab"):
    size = draw(st.integers(1, 5))
    steps = st.lists(st.integers(-1, size - 1), min_size=size, max_size=size)
    weights = st.sampled_from([0.0, -0.5, 1.25] if weighted else [0.0])
    next_state = np.array([draw(steps) for _ in characters]).T
    log_weight = [[draw(weights) for _ in characters] for _ in range(size)]
    final = [draw(st.one_of(st.just(-math.inf), weights)) for _ in range(size)]
    start = draw(st.integers(0, size - 1))
    return WeightedAutomaton(characters, next_state, log_weight, final, start)


@settings(deadline=None, max_examples=30)
@given(automata())
def test_trimmed_and_minimal_automata_say_the_same(automaton):
    for smaller in (trim(automaton), minimise(automaton)):
        assert smaller.num_states <= automaton.num_states
        for text in all_strings("ab", 6):
            assert smaller.score(text) == pytest.approx(automaton.score(text))
    accepted = [text for text in all_strings("ab", 5) if automaton.accepts(text)]
    assert is_empty(automaton) == (not accepted)  # five states accept a string of four, or none
    assert list(strings(automaton, 5)) == accepted
    for length in range(6):
        assert count_strings(automaton, length) == sum(len(text) == length for text in accepted)


@settings(deadline=None, max_examples=30)
@given(automata(weighted=False))
def test_the_smallest_automaton_has_one_state_for_each_future(automaton):
    """Myhill and Nerode: as many states as there are different sets of accepted endings."""
    futures = set()
    for text in all_strings("ab", 5):
        endings = frozenset(e for e in all_strings("ab", 5) if automaton.accepts(text + e))
        futures.add(endings)
    futures.discard(frozenset())
    assert minimise(automaton).num_states == max(1, len(futures))


@settings(deadline=None, max_examples=30)
@given(automata(), automata(), automata())
def test_intersection_adds_the_log_weights(first, second, third):
    found = intersect(first, second, third)
    for text in all_strings("ab", 5):
        expected = first.score(text) + second.score(text) + third.score(text)
        assert found.score(text) == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(automata(weighted=False), automata(weighted=False), automata(weighted=False))
def test_union_accepts_what_one_of_them_accepts(first, second, third):
    found = union(first, second, third)
    for text in all_strings("ab", 5):
        expected = any(a.accepts(text) for a in (first, second, third))
        assert found.score(text) == (0.0 if expected else -math.inf)


def test_what_accepts_nothing_shrinks_to_its_start():
    nothing = intersect(fixed_length(DIGITS, 3), fixed_length(DIGITS, 4))
    assert is_empty(nothing) and nothing.num_states == 1
    assert count_strings(nothing, 3) == 0 and not list(strings(nothing, 4))
    assert is_empty(minimise(nothing)) and is_empty(intersect(nothing, luhn(DIGITS)))
    assert as_set(union(nothing, fixed_length("0123456789", 1)), 3) == set(DIGITS)


def test_automata_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match="same characters in the same order"):
        intersect(fixed_length("01", 1), fixed_length("10", 1))
    with pytest.raises(ValueError, match="union takes constraints"):
        union(fixed_length("01", 1), lexicon("01", {"0": -1.0}))
    for call in (count_strings, lambda a, n: list(strings(a, n))):
        with pytest.raises(ValueError, match="0 or more; got -1"):
            call(fixed_length("01", 1), -1)


def test_drawn_strings_follow_their_weights():
    weights = {"55": 0.0, "07": math.log(3.0), "20": math.log(4.0), "5": 5.0}
    words = lexicon(DIGITS, weights)
    drawn = Counter(draw_strings(words, 2, 8000, torch.Generator().manual_seed(1)))
    assert set(drawn) == {"55", "07", "20"}
    for word, count in drawn.items():
        share = math.exp(weights[word]) / 8
        assert abs(count - 8000 * share) < 4 * math.sqrt(8000 * share * (1 - share))


def test_drawn_strings_are_uniform_without_weights_and_repeat_with_the_seed():
    threes = explore(DIGITS, 0, lambda r, c: (10 * r + int(c)) % 3, lambda r: r == 0)
    drawn = Counter(draw_strings(threes, 2, 6800, torch.Generator().manual_seed(2)))
    assert set(drawn) == {f"{n:02}" for n in range(0, 100, 3)}
    assert all(130 < count < 280 for count in drawn.values())  # 200 expected, 14 its deviation
    first = draw_string(threes, 12, torch.Generator().manual_seed(3))
    assert first == draw_string(threes, 12, torch.Generator().manual_seed(3)) and len(first) == 12
    with pytest.raises(ValueError, match="no string of 1 characters"):
        draw_string(fixed_length(DIGITS, 2), 1, torch.Generator())
    with pytest.raises(TypeError, match="torch.Generator"):
        draw_string(threes, 2, 7)


# ---------------------------------------------------------------- constraints


def luhn_holds(text: str) -> bool:
    """The rule as textbooks give it, from the right."""
    if len(text) < 2 or not text.isdigit():
        return False
    total = 0
    for place, digit in enumerate(reversed(text)):
        value = int(digit) * (2 if place % 2 else 1)
        total += sum(int(d) for d in str(value))
    return total % 10 == 0


def test_luhn_accepts_what_the_textbook_accepts():
    expected = {text for text in all_strings(DIGITS, 5) if luhn_holds(text)}
    assert as_set(luhn(DIGITS), 5) == expected
    assert as_set(luhn(DIGITS, 4), 5) == {text for text in expected if len(text) == 4}
    known = ("79927398713", "4111111111111111", "79927398710")
    assert [luhn(DIGITS).accepts(number) for number in known] == [True, True, False]


@settings(deadline=None)
@given(st.text(DIGITS, min_size=2, max_size=25))
def test_luhn_of_long_numbers(text):
    assert LUHN.accepts(text) == luhn_holds(text)
    assert sum(LUHN.accepts(text[:-1] + digit) for digit in DIGITS) == 1


def test_luhn_finds_every_wrong_digit_and_nearly_every_swap():
    """What check digits are for. Only 09 and 90 may be swapped unnoticed."""
    automaton = luhn(DIGITS)
    number = "4539578763621486"
    assert automaton.accepts(number)
    for i, right in enumerate(number):
        for wrong in set(DIGITS) - {right}:
            assert not automaton.accepts(number[:i] + wrong + number[i + 1 :])
    for a, b in product(DIGITS, repeat=2):
        text = next(t for t in (f"{a}{b}{c}" for c in DIGITS) if automaton.accepts(t))
        swapped = b + a + text[2:]
        assert automaton.accepts(swapped) == (a == b or {a, b} == {"0", "9"})


def test_luhn_counts():
    card = luhn(DIGITS, 16)
    assert count_strings(card, 16) == 10**15
    assert [count_strings(card, n) for n in (15, 17)] == [0, 0]
    assert [count_strings(luhn(DIGITS), n) for n in range(4)] == [0, 0, 10, 100]


def isbn13_holds(text: str) -> bool:
    if not re.fullmatch("97[89][0-9]{10}", text):
        return False
    return (sum(map(int, text[::2])) + 3 * sum(map(int, text[1::2]))) % 10 == 0


def isbn10_holds(text: str) -> bool:
    if not re.fullmatch("[0-9]{9}[0-9X]", text):
        return False
    values = [10 if c == "X" else int(c) for c in text]
    return sum(place * value for place, value in enumerate(values, 1)) % 11 == 0


@settings(deadline=None)
@given(st.text(DIGITS, min_size=9, max_size=9), st.sampled_from(["978", "979", "977"]))
def test_isbn_of_random_numbers(nine, prefix):
    thirteen = [prefix + nine + digit for digit in DIGITS]
    ten = [nine + digit for digit in DIGITS + "X"]
    assert [ISBN13.accepts(t) for t in thirteen] == [isbn13_holds(t) for t in thirteen]
    assert [ISBN10.accepts(t) for t in ten] == [isbn10_holds(t) for t in ten]
    assert sum(ISBN10.accepts(t) for t in ten) == 1
    for text in thirteen + ten:
        assert ISBN.accepts(text) == (isbn13_holds(text) or isbn10_holds(text))


def test_isbn_counts():
    assert count_strings(ISBN13, 13) == 2 * 10**9
    assert count_strings(ISBN10, 10) == 10**9
    assert [count_strings(ISBN, n) for n in (9, 10, 12, 13)] == [0, 10**9, 0, 2 * 10**9]
    # Without the X the numbers whose check digit is ten are left out: count them another way.
    sums = np.array([1] + [0] * 10, dtype=object)
    for weight in range(1, 10):
        sums = sum(np.roll(sums, weight * digit) for digit in range(10))
    ten = next(r for r in range(11) if (r + 10 * 10) % 11 == 0)
    assert count_strings(isbn10(DIGITS), 10) == 10**9 - sums[ten]
    assert [*strings(isbn10(DIGITS), 9)] == []


def test_dates_are_the_days_of_the_calendar():
    days = [
        datetime.date.fromordinal(n)
        for n in range(
            datetime.date(1900, 1, 1).toordinal(), datetime.date(2099, 12, 31).toordinal() + 1
        )
    ]
    plain = {f"{d:%Y%m%d}" for d in days}
    assert as_set(iso_date(DIGITS), 12) == plain
    assert as_set(iso_date(SHUFFLED), 12) == plain | {d.isoformat() for d in days}


def test_dates_of_all_years():
    every = iso_date(DIGITS + "-", first_year=1, last_year=9999)
    assert count_strings(every, 8) == count_strings(every, 10) == datetime.date.max.toordinal()
    for text in ("0001-01-01", "15821010", "9999-12-31"):
        assert every.accepts(text)
    assert not every.accepts("00000101")


@pytest.mark.parametrize("first, last", [(2024, 2024), (1999, 2001), (1896, 1904)])
def test_dates_of_some_years(first, last):
    found = as_set(iso_date(DIGITS, first_year=first, last_year=last), 8)
    one = datetime.timedelta(days=1)
    day, expected = datetime.date(first, 1, 1), set()
    while day.year <= last:
        expected.add(f"{day:%Y%m%d}")
        day += one
    assert found == expected


def amount_holds(text: str, maximum, decimals: int = 2) -> bool:
    if not re.fullmatch(rf"(0|[1-9][0-9]*)([.,][0-9]{{{decimals}}})?", text):
        return False
    return maximum is None or Decimal(text.replace(",", ".")) <= Decimal(str(maximum))


# A few digits would do for the test, but all ten are needed: so the strings are drawn from a grid.
AMOUNTS = [
    whole + end
    for whole in ["", *all_strings(DIGITS, 3)[1:], "1000", "5520", "0005", "99999"]
    for end in ("", ".", ".5", ".00", ".07", ".08", ",99", ".070", "..00", ".0.")
]


@pytest.mark.parametrize("maximum", [None, 0, 7, 552, "55.2", "552.07", "99,99", 100, 5520])
def test_amounts(maximum):
    automaton = amount(DIGITS + ".,", maximum)
    limit = maximum if maximum is None else str(maximum).replace(",", ".")
    for text in AMOUNTS:
        assert automaton.accepts(text) == amount_holds(text, limit), text
    assert as_set(amount(DIGITS, maximum), 4) == {
        text for text in all_strings(DIGITS, 4) if amount_holds(text, limit)
    }


def test_amounts_with_other_decimals():
    automaton = amount("0123456789,", "5.5", decimals=1)
    texts = all_strings("0456,", 4)
    assert {t for t in texts if automaton.accepts(t)} == {
        t for t in texts if amount_holds(t, "5.5", 1)
    }
    assert count_strings(amount(DIGITS, 1234), 4) == 235
    assert count_strings(amount(DIGITS), 30) == 9 * 10**29


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text("abc", max_size=5), min_size=1, max_size=12))
def test_a_lexicon_accepts_its_words_with_as_few_states_as_can_be(words):
    automaton = lexicon("abc", words)
    assert as_set(automaton, 6) == set(words)
    assert automaton.num_states == minimise(automaton).num_states == trim(automaton).num_states


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.text("abc", max_size=4), st.sampled_from([0.0, -1.5, 2.0]), min_size=1))
def test_a_lexicon_gives_words_their_weights(weights):
    automaton = lexicon("abc", weights)
    for text in all_strings("abc", 4):
        assert automaton.score(text) == weights.get(text, -math.inf)


@settings(deadline=None, max_examples=30)
@given(st.text("57?*", max_size=7))
def test_patterns_are_those_of_the_shell(wildcard):
    automaton = pattern("57", wildcard)
    for text in all_strings("57", 7):
        assert automaton.accepts(text) == fnmatch.fnmatchcase(text, wildcard)


@pytest.mark.parametrize("least, most", [(0, 0), (0, 2), (3, 3), (2, 4), (0, None), (3, None)])
def test_lengths(least, most):
    found = as_set(length_between("57", least, most), 6)
    longest = 6 if most is None else most
    assert found == {t for t in all_strings("57", 6) if least <= len(t) <= longest}
    if most == least:
        assert as_set(fixed_length("57", least), 6) == found


@pytest.mark.parametrize(
    "build",
    [
        luhn,
        isbn,
        isbn13,
        iso_date,
        amount,
        lambda c: pattern(c, "5?*7"),
        lambda c: lexicon(c, ["55207"]),
        lambda c: length_between(c, 2, 5),
    ],
)
def test_constraints_weigh_nothing_and_keep_the_characters(build):
    automaton = build(SHUFFLED)
    assert automaton.characters == SHUFFLED
    allowed = automaton.next_state != NOWHERE
    assert (automaton.log_weight[allowed] == 0).all()
    assert set(automaton.final.tolist()) <= {0.0, -math.inf}
    assert trim(automaton).num_states == automaton.num_states


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: luhn("012345678"), "luhn needs characters that are not there: '9'"),
        (lambda: luhn(DIGITS, 1), "2 digits or more; got length 1"),
        (lambda: isbn13("abc"), "isbn13 needs characters"),
        (lambda: iso_date("01"), "a date needs characters that are not there: '23456789'"),
        (lambda: iso_date(DIGITS, first_year=0), "from 1 to 9999"),
        (lambda: iso_date(DIGITS, first_year=2030, last_year=1990), "got 2030 to 1990"),
        (lambda: amount("12"), "an amount needs characters"),
        (lambda: amount(DIGITS, -1), "maximum is an amount"),
        (lambda: amount(DIGITS, "1.234"), "at most 2 decimals; got '1.234'"),
        (lambda: amount(DIGITS, "much"), "got 'much'"),
        (lambda: amount(DIGITS, decimals=0), "1 or more; got 0"),
        (lambda: amount(DIGITS, decimals=True), "1 or more; got True"),
        (lambda: amount(DIGITS, decimals=2.0), "1 or more; got 2.0"),
        (lambda: iso_date(DIGITS, first_year=True), "whole numbers .* got True to 2099"),
        (lambda: iso_date(DIGITS, last_year="2030"), "whole numbers .* got 1900 to '2030'"),
        (lambda: fixed_length(DIGITS, True), "whole number .* got True to True"),
        (lambda: fixed_length(DIGITS, "5"), "whole number .* got '5' to '5'"),
        (lambda: length_between(DIGITS, 1.0, 3), "whole number .* got 1.0 to 3"),
        (lambda: length_between(DIGITS, 0, True), "whole number .* got 0 to True"),
        (lambda: luhn(DIGITS, 16.0), "2 digits or more; got length 16.0"),
        (lambda: count_strings(luhn(DIGITS), True), "0 or more; got True"),
        (lambda: next(strings(luhn(DIGITS), 2.5)), "0 or more; got 2.5"),
        (lambda: draw_strings(luhn(DIGITS), 4, True, None), "count is a whole number .* got True"),
        (lambda: lexicon(DIGITS, ["55207", "5S"]), "the word '5S' needs .* 'S' is not in"),
        (lambda: lexicon(DIGITS, []), "at least one word"),
        (lambda: lexicon(DIGITS, {"5": math.nan}), "finite number; '5' has nan"),
        (lambda: pattern(DIGITS, "55x"), "'x' is not in"),
        (lambda: pattern("5*", "5*"), "wildcards"),
        (lambda: length_between(DIGITS, 1, 10**11), "at most 10000 characters; got 100000000000"),
        (lambda: fixed_length(DIGITS, 10**11), "at most 10000 characters; got 100000000000"),
        (lambda: length_between(DIGITS, 3, 2), "0 <= least <= most; got 3 to 2"),
        (lambda: fixed_length(DIGITS, -1), "got -1 to -1"),
    ],
)
def test_bad_constraints_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_one_text_is_not_a_lexicon():
    with pytest.raises(TypeError, match=r"such as \['55207'\]"):
        lexicon(DIGITS, "55207")


# ---------------------------------------------------------------- characters of several code points


def all_rows(characters, longest):
    """All sequences of characters, as tuples."""
    return [row for n in range(longest + 1) for row in product(characters, repeat=n)]


@settings(deadline=None, max_examples=30)
@given(automata(), st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4,
                            unique=True))  # fmt: skip
def test_a_respelled_automaton_weighs_the_text(automaton, characters):
    """However a text is cut, it weighs what its code points weigh."""
    respelled = respell(automaton, characters)
    for row in all_rows(characters, 3):
        assert respelled.score(row) == pytest.approx(automaton.score("".join(row)))
    assert respelled.score("c") == respelled.score(["c"]) == -math.inf


DIGIT_PAIRS = (*DIGITS, "55", "78", "97", "07", "00", "12", "-", ".")


@pytest.mark.parametrize(
    "build, longest",
    [
        (luhn, 3),
        (lambda characters: luhn(characters, 4), 4),
        (amount, 3),
        (lambda characters: amount(characters, "55.20"), 4),
        (lambda characters: lexicon(characters, {"5507": -1.0, "78": -2.5, "": 0.0}), 4),
    ],
)
def test_constraints_read_long_characters_as_texts(build, longest):
    long, short = build(DIGIT_PAIRS), build(DIGITS + "-.")
    assert long.characters == DIGIT_PAIRS
    characters = ("5", "0", "7", "2", "55", "78", "07", "00", ".")  # 9 ** 4 rows are enough
    rows = all_rows(characters, longest)
    assert [long.score(row) for row in rows] == [short.score("".join(row)) for row in rows]
    assert any(len(row) > 1 and max(map(len, row)) > 1 for row in rows if long.accepts(row))


@pytest.mark.parametrize(
    "build, row",
    [
        (isbn13, ["97", "8", "0", "3", "0", "6", "4", "0", "6", "1", "5", "7"]),
        (isbn10, ["0", "3", "0", "6", "4", "0", "6", "1", "5", "2"]),
        (iso_date, ["2", "0", "07", "12", "0", "5"]),
        (iso_date, ["2", "0", "07", "-", "12", "-", "0", "5"]),
    ],
)
def test_books_and_days_in_long_characters(build, row):
    found = build(DIGIT_PAIRS)
    assert found.accepts(row) and build(DIGITS + "-").accepts("".join(row))
    assert not found.accepts([*row[:-1], "0"]) and not found.accepts([*row, "55"])


def fits(pieces, wildcard):
    """Whether characters fit a pattern, where ? and * stand for whole characters."""
    if not wildcard:
        return not pieces
    if wildcard[0] == "*" and fits(pieces, wildcard[1:]):
        return True
    if not pieces:
        return False
    if wildcard[0] in "*?":
        return fits(pieces[1:], wildcard if wildcard[0] == "*" else wildcard[1:])
    size = len(pieces[0])
    return wildcard.startswith(pieces[0]) and fits(pieces[1:], wildcard[size:])


@settings(deadline=None, max_examples=40)
@given(st.text("abc?*", max_size=5))
def test_patterns_of_long_characters(wildcard):
    characters = ("a", "ab", "bc", "c", "b")
    shape = pattern(characters, wildcard)
    for row in all_rows(characters, 3):
        assert shape.accepts(row) == fits(row, wildcard)


def test_lengths_count_characters():
    found = fixed_length(("th", "e", "cat"), 2)
    assert found.accepts("the") and found.accepts("catcat") and not found.accepts("thecat")
    assert [*strings(found, 2)][:4] == ["thth", "the", "thcat", "eth"]
    assert count_strings(found, 2) == 9
    drawn = draw_strings(found, 2, 50, torch.Generator().manual_seed(1))
    assert set(drawn) <= set(strings(found, 2)) and len(set(drawn)) > 5


def test_what_long_characters_cannot_spell_is_told():
    with pytest.raises(ValueError, match="'cate' has the character 't'"):
        lexicon(("th", "e", "ca", "hat"), ["the", "cate"])
    with pytest.raises(ValueError, match="'x' is not in"):
        lexicon(("th", "e"), ["thex"])
    with pytest.raises(ValueError, match="one code point each; got"):
        respell(fixed_length(("th", "e"), 2), ("the",))
    with pytest.raises(ValueError, match="same characters"):
        intersect(fixed_length(("th", "e"), 2), fixed_length("the", 2))
    with pytest.raises(ValueError, match="'th' stands more often"):
        length_between(("th", "e", "th"), 1)


def test_constraints_by_name_in_long_characters(tmp_path):
    characters = ("5", "55", "2", "0", "07", *"1346789")
    found = parse_constraint("luhn+length:3", characters)
    assert found.characters == characters
    assert found.accepts(["55", "2", "0"]) == luhn(DIGITS).accepts("5520")
    assert found.accepts(["5", "5", "07"]) == luhn(DIGITS).accepts("5507")
    for row in product(["55", "2", "0", "07", "8"], repeat=3):
        assert found.accepts(row) == luhn(DIGITS).accepts("".join(row))
    path = tmp_path / "model.json"
    model = NGram.fit(["55207", "5520"], order=3)
    model.save(path)
    language = parse_constraint(f"ngram:{path}", characters)
    assert language.score(["55", "2", "07"]) == pytest.approx(model.log_prob("55207"))


# ---------------------------------------------------------------- from a line of text


@pytest.mark.parametrize(
    "constraint, same, longest",
    [
        ("luhn", luhn(DIGITS), 4),
        ("length:3", fixed_length(DIGITS, 3), 4),
        ("length:1-3", length_between(DIGITS, 1, 3), 4),
        ("length:2-", length_between(DIGITS, 2), 4),
        ("isbn+length:10+pattern:00000*", intersect(isbn10(DIGITS), pattern(DIGITS, "00000*")), 10),
        ("isbn13+pattern:97800000*", intersect(isbn13(DIGITS), pattern(DIGITS, "97800000*")), 13),
        ("date:2024-2025", iso_date(DIGITS, first_year=2024, last_year=2025), 8),
        ("date:2024", iso_date(DIGITS, first_year=2024, last_year=2024), 8),
        ("amount:50", amount(DIGITS, 50), 4),
        ("amount + length:2", intersect(amount(DIGITS), fixed_length(DIGITS, 2)), 4),
        ("luhn+length:4", luhn(DIGITS, 4), 5),
    ],
)
def test_constraints_by_name(constraint, same, longest):
    found = as_set(parse_constraint(constraint, DIGITS), longest)
    assert found and found == as_set(same, longest)


def test_dates_by_name():
    assert parse_constraint("date", DIGITS).accepts("19000101")
    assert parse_constraint("date", DIGITS + "-").accepts("2099-12-31")


def test_a_lexicon_by_name(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\ufeff55207\n\n 7 \r\n55207\n", encoding="utf-8")
    assert as_set(parse_constraint(f"lexicon:{path}", DIGITS), 6) == {"55207", "7"}
    path.write_text("\n")
    with pytest.raises(ValueError, match="holds no words"):
        parse_constraint(f"lexicon:{path}", DIGITS)
    path.write_bytes(b"\xff55207")
    with pytest.raises(ValueError, match="not a text file in UTF-8"):
        parse_constraint(f"lexicon:{path}", DIGITS)
    for name in ("lexicon", "words", "open", "ngram"):
        none = rf"'{name}:.*none.txt' cannot be read \(No such file or directory\). Write {name}:"
        with pytest.raises(FileNotFoundError, match=none):
            parse_constraint(f"{name}:{tmp_path / 'none.txt'}", DIGITS)


def test_an_n_gram_model_by_name(tmp_path):
    path = tmp_path / "model.json"
    model = NGram.fit(["55207", "552"], order=2)
    model.save(path)
    both = parse_constraint(f"ngram:{path}+length:5", DIGITS)
    assert both.score("55207") == pytest.approx(model.log_prob("55207"))
    assert not both.accepts("552")
    with pytest.raises(ValueError, match="was trained on the characters '0123456789'"):
        parse_constraint(f"ngram:{path}", "01")


@pytest.mark.parametrize(
    "constraint, message",
    [
        ("", "'' is not a constraint. There are: luhn: a number"),
        ("lune", "'lune' is not a constraint"),
        ("luhn+", "'' is not a constraint"),
        ("luhn:16", "luhn takes no argument; .* write luhn\\+length:16"),
        ("length", "lacks what comes after the colon. Write length:5"),
        ("length:", "lacks what comes after"),
        ("length:five", "'length:five' cannot be understood. Write length:5"),
        ("length:-3", "cannot be understood"),
        ("length:3-2", "got 3 to 2"),
        ("date:1990-", "cannot be understood. Write date:DD/MM/YYYY"),
        ("date:2030-1990", "got 2030 to 1990"),
        ("amount:lots", "got 'lots'"),
        ("pattern:5S", "'S' is not in"),
        ("luhn+length:1", r"No string satisfies 'luhn\+length:1'"),
        ("isbn13+length:10", "No string satisfies"),
    ],
)
def test_what_cannot_be_understood_is_refused(constraint, message):
    with pytest.raises(ValueError, match=message):
        parse_constraint(constraint, DIGITS)


def test_every_constraint_is_explained():
    for name, words in language.CONSTRAINTS.items():
        assert words.startswith(name)


def test_the_chapter_offers_what_it_names():
    assert all(hasattr(language, name) for name in language.__all__)


@pytest.mark.parametrize("seed", range(5))
def test_numbers_drawn_from_a_constraint_satisfy_it(seed):
    generator = torch.Generator().manual_seed(seed)
    text = draw_string(parse_constraint("luhn+length:16", DIGITS), 16, generator)
    assert luhn_holds(text) and len(text) == 16
    noise = random.Random(seed)
    i = noise.randrange(16)
    assert not luhn_holds(text[:i] + str((int(text[i]) + noise.randint(1, 9)) % 10) + text[i + 1 :])


@pytest.mark.parametrize("maximum", ["1,000", "1.000", "25.000,00", "1,000.00", Decimal("5.200")])
def test_a_thousand_is_no_one_with_three_decimals(maximum):
    """ "1,000" was taken for 1: no amount above it was read."""
    for limit in (
        lambda: amount(DIGITS, maximum),
        lambda: parse_constraint(f"amount:{maximum}", DIGITS),
    ):
        with pytest.raises(ValueError, match="maximum is an amount such as 552 or '552.07'"):
            limit()
    assert amount(DIGITS, "1000").accepts("999") and amount(DIGITS, 1000.0).accepts("1000")
    assert amount(DIGITS, Decimal("1E+3")).accepts("1000")


MADE = [
    lambda characters: fixed_length(characters, 2),
    lambda characters: pattern(characters, "5*"),
    luhn,
    isbn,
    isbn10,
    isbn13,
    iso_date,
    lambda characters: language.date_in_order(characters, "DD/MM/YYYY"),
    lambda characters: amount(characters, 500),
    lambda characters: lexicon(characters, ["55"]),
    lambda characters: explore(characters, 0, lambda s, c: s, lambda s: True),
    lambda characters: parse_constraint("luhn", characters),
]


@pytest.mark.parametrize("make", MADE)
def test_characters_may_be_read_once(make):
    assert make(iter(DIGITS)).characters == make(DIGITS).characters == DIGITS


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("characters", [None, 5, [5, 7], Alphabet(DIGITS), set(DIGITS)])
def test_what_is_no_characters_is_named(make, characters):
    with pytest.raises(TypeError, match="The characters of a.* (are|stand)"):
        make(characters)


@pytest.mark.parametrize("wrong", [None, 5, "luhn", DIGITS, NGram.fit(["5"])])
def test_what_is_no_automaton_is_named(wrong):
    fives = fixed_length(DIGITS, 2)
    generator = torch.Generator()
    for ask in (
        minimise,
        trim,
        is_empty,
        lambda a: count_strings(a, 2),
        lambda a: next(strings(a, 2)),
        lambda a: draw_string(a, 2, generator),
        lambda a: union(fives, a),
        lambda a: intersect(fives, a),
        lambda a: intersect(a, fives),
        lambda a: respell(a, DIGITS),
    ):
        with pytest.raises(TypeError, match="takes? (an? )?(WeightedA|a)utomat"):
            ask(wrong)


@pytest.mark.parametrize("start", [None, True, "0", 0.0, 2, -1])
def test_a_start_is_a_state(start):
    with pytest.raises(ValueError, match="start is a state from 0 to 1; got "):
        WeightedAutomaton("5", [[1], [-1]], [[0], [0]], [0, 0], start)


def test_a_pattern_is_a_text():
    for wrong in (None, 5, ["5", "*"]):
        with pytest.raises(TypeError, match="A pattern is a text"):
            pattern(DIGITS, wrong)
