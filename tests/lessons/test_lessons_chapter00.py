"""How the check of notebook 00 answers, and what it does not say."""

from __future__ import annotations

import pytest

from crnn_lib.lessons import chapter00
from crnn_lib.lessons.engine import examine


def said(answer):
    return examine(chapter00.EXERCISES[0], answer).text


@pytest.mark.parametrize("answer", [lambda text: 5, lambda text: len(text.split())])
def test_a_mistake_that_fits_one_case_only_is_not_named(answer):
    """5 is the sum of the digits of '5', and 1 what a set finds in '55': by chance."""
    assert "count every digit of the text" in said(answer)


def test_the_example_says_what_the_answer_was():
    assert said(lambda text: len(set(text))).startswith("'55' was given 1 digit: ")
    assert "this is the number that the text writes" in said(int)
