"""Amounts as people write them."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn_lib.handwriting import AmountStyle, LineStyle, NumberStyle, random_amounts, random_numbers
from crnn_lib.handwriting.amounts import SILENT

PLAIN = AmountStyle(digits_only=1.0)
MARKED = AmountStyle(digits_only=0.0)


def write(count: int, style: AmountStyle | None = None, seed: int = 0) -> list[str]:
    return random_amounts(count, torch.Generator().manual_seed(seed), style)


def spoken(text: str) -> str:
    return "".join(c for c in text if c not in SILENT)


def share(texts: list[str], pattern: str) -> float:
    return sum(bool(re.search(pattern, text)) for text in texts) / len(texts)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**62), st.integers(0, 30))
def test_an_amount_is_digits_and_silent_characters(seed, count):
    texts = write(count, seed=seed)
    assert len(texts) == count
    for text in texts:
        assert set(text) <= set("0123456789" + SILENT)
        assert 1 <= len(spoken(text)) <= len(AmountStyle().lengths)
    assert texts == write(count, seed=seed)


def test_the_global_state_plays_no_part_and_seeds_differ():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert write(50) != write(50, seed=1)
    assert torch.equal(torch.get_rng_state(), state)


def test_lengths_follow_their_weights():
    style = AmountStyle(lengths=(0, 1, 0, 3))
    for marks in (0.0, 1.0):
        lengths = [len(spoken(text)) for text in write(3000, replace(style, digits_only=marks))]
        assert set(lengths) == {2, 4}
        assert lengths.count(4) / 3000 == pytest.approx(0.75, abs=0.04)


def test_each_share_is_kept():
    texts = write(6000)
    assert 0.47 < share(texts, r"^\d+$") < 0.6  # half of them, and a few by chance
    assert share(write(500, PLAIN), r"^\d+$") == 1
    uniform = write(6000, replace(PLAIN, uniform=1.0))
    assert share(uniform, "^0") == pytest.approx(0.1, abs=0.02)
    digits = "".join(uniform)
    assert all(digits.count(c) / len(digits) == pytest.approx(0.1, abs=0.02) for c in "0123456789")
    exact = write(6000, replace(PLAIN, uniform=0.0, round=0.0, lengths=(0, 0, 0, 1)))
    assert share(exact, "^0") == 0 and share(exact, "00$") == pytest.approx(0.01, abs=0.01)
    rounded = write(6000, replace(PLAIN, uniform=0.0, round=1.0, lengths=(0, 0, 0, 0, 1)))
    assert share(rounded, "00$") > 0.9 and share(rounded, "000$") > 0.4
    assert share(rounded, "5000?$") > 0.1


@pytest.mark.parametrize(
    "change, pattern",
    [
        ({"around": 1.0}, r"^([#*=-]|\*\*|##|//?)[\d., ']+\1$"),
        ({"around": 0.0, "ending": 1.0, "beginning": 0.0}, r"^\d[\d., ']*[-=/~.,* ]+$"),
        ({"around": 0.0, "ending": 0.0, "beginning": 1.0}, r"^[$#=*/-][.]?[\d ,.']*\d$"),
        ({"around": 0.0, "ending": 0.0, "beginning": 0.0}, r"^\d([\d., ']*\d)?$"),
    ],
)
def test_marks_stand_where_their_share_puts_them(change, pattern):
    texts = write(1500, replace(MARKED, **change))
    assert {text for text in texts if not re.match(pattern, text)} == set()


def test_ones_are_short_and_mostly_ones():
    few = write(3000, replace(PLAIN, ones=1.0))
    assert {len(text) for text in few} == {1, 2, 3}
    assert "".join(few).count("1") > 0.5 * len("".join(few))
    assert share(few, r"^11?$") > 0.25
    assert share(write(3000, PLAIN), r"^11?$") < 0.03


def test_thousands_and_cents():
    bare = replace(MARKED, ending=0.0, beginning=0.0, around=0.0)
    grouped = write(2000, replace(bare, grouped=1.0, cents=0.0))
    pattern = r"^(\d{1,3}|\d{1,3}([., '])\d{3}(\2\d{3})*)$"
    assert {text for text in grouped if not re.match(pattern, text)} == set()
    assert {c for text in grouped for c in text} >= set("., '")
    cents = write(2000, replace(bare, grouped=0.0, cents=1.0, lengths=(0, 0, 0, 0, 1)))
    assert {text for text in cents if not re.match(r"^\d{3}[.,]\d\d$", text)} == set()
    assert share(cents, "00$") > 0.5
    # what is written as digits is label: the cents too
    assert {len(spoken(text)) for text in cents} == {5}


@pytest.mark.parametrize(
    "change, words",
    [
        ({"lengths": ()}, "lengths are weights"),
        ({"lengths": (0.0, 0.0)}, "not all of them 0"),
        ({"lengths": (1.0, -1.0)}, "lengths"),
        ({"cents": 1.5}, "cents is a share from 0 to 1; got 1.5"),
        ({"round": -0.1}, "round"),
    ],
)
def test_bad_styles_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        AmountStyle(**change)


# ---------------------------------------------------------------------------- other numbers

NUMBERS = {
    "dates": r"\d{1,4}([-/. ])\d{1,4}(\1\d{2,4})?",
    "decimals": r"\d{1,4}[.,]\d{1,3}",
    "phones": r"\d{2,5}/\d{3,7}|\d{2,4}(([- .])\d{2,4}(\2\d{2,4})?)",
    "fractions": r"\d{1,3}[-/]\d{1,3}",
    "thousands": r"\d{1,3}([., '])\d{3}(\1\d{3})?([.,]\d\d)?",
    "ones": r"\d{1,4}",
}


def only(kind: str) -> NumberStyle:
    return NumberStyle(**{name: float(name == kind) for name in NUMBERS})


@pytest.mark.parametrize("kind", NUMBERS)
def test_each_kind_of_number_has_its_pattern(kind):
    texts = random_numbers(300, torch.Generator().manual_seed(1), only(kind))
    assert {text for text in texts if not re.fullmatch(NUMBERS[kind], text)} == set()
    assert texts == random_numbers(300, torch.Generator().manual_seed(1), only(kind))
    assert len(set(texts)) > (20 if kind == "ones" else 150)


def test_dates_are_days_of_a_calendar_and_ones_are_mostly_ones():
    dates = random_numbers(400, torch.Generator().manual_seed(2), only("dates"))
    whole = [re.split(r"[-/. ]", date) for date in dates]
    for parts in (p for p in whole if len(p) == 3 and len(p[0]) < 3):
        assert sorted(map(int, parts[:2]))[0] <= 12 and max(map(int, parts[:2])) <= 31
    assert 0.3 < share(dates, "/") < 0.75
    ones = "".join(random_numbers(400, torch.Generator().manual_seed(2), only("ones")))
    assert ones.count("1") / len(ones) > 0.75


def test_weights_of_numbers_are_checked():
    with pytest.raises(ValueError, match="dates, decimals, .* weights, not all of them 0"):
        NumberStyle(0, 0, 0, 0, 0, 0)
    with pytest.raises(ValueError, match="weights"):
        NumberStyle(dates=-1.0)


@pytest.mark.parametrize("count", [True, 2.5, "3", -1, None])
@pytest.mark.parametrize("function", [random_amounts, random_numbers])
def test_a_count_is_a_whole_number(function, count):
    with pytest.raises(ValueError, match="count is a whole number of at least 0; got"):
        function(count, torch.Generator())


@pytest.mark.parametrize("weight", [math.nan, math.inf, "1", None, True])
def test_weights_are_finite_numbers(weight):
    """By NaN chance draws the last kind, always."""
    with pytest.raises(ValueError, match="weights, not all of them 0"):
        NumberStyle(dates=weight)
    for lengths in ((1.0, weight), weight):
        with pytest.raises(ValueError, match="lengths are weights"):
            AmountStyle(lengths=lengths)


@pytest.mark.parametrize("function", [random_amounts, random_numbers])
def test_chance_is_the_callers(function):
    """None drew from torch's own state, which all of a program shares."""
    before = torch.get_rng_state()
    for wrong in (None, 5):
        with pytest.raises(TypeError, match=f"{function.__name__} needs a torch.Generator"):
            function(3, wrong)
    assert torch.equal(torch.get_rng_state(), before)
    for style in ({}, 0, "", LineStyle()):
        with pytest.raises(TypeError, match="style is an? (Amount|Number)Style; got "):
            function(3, torch.Generator(), style)
