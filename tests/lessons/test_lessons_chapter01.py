"""What the checks of notebook 01 promise, beyond what test_lessons.py asks of every chapter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crnn_lib.cutting import column_profile
from crnn_lib.lessons.chapter01 import exercises as chapter01
from crnn_lib.lessons.engine import examine

EXERCISES = {exercise.id: exercise for exercise in chapter01.EXERCISES}


def verdict(exercise_id, answer):
    return examine(EXERCISES[exercise_id], answer)


def test_references_agree_with_the_library():
    image = torch.rand(32, 90, generator=torch.Generator().manual_seed(0))
    assert chapter01.column_profile(image).tolist() == column_profile(image).tolist()


@pytest.mark.parametrize(
    "form",
    [
        lambda spans: np.array(spans).reshape(-1, 2),
        lambda spans: torch.tensor(spans),
        lambda spans: [list(span) for span in spans],
        tuple,
    ],
)
def test_spans_are_read_in_any_form(form):
    assert verdict("1.2", lambda p: form(chapter01.pieces(p))).status == "correct"


def test_flat_spans_are_refused():
    text = verdict("1.2", lambda p: [x for span in chapter01.pieces(p) for x in span]).text
    assert "a list that holds" in text
    assert text.startswith("these are single numbers; a piece is a pair (start, end).")


def test_spans_that_can_be_read_once_only_are_no_list():
    text = verdict("1.2", lambda profile: (span for span in chapter01.pieces(profile))).text
    assert "can be read once only" in text


def test_ten_nested_loops_are_not_needed():
    """The oracle tries every way; so may a learner, if it is right."""
    assert verdict("1.5", chapter01.over_all_ways).status == "correct"


def test_the_smallest_broken_digit_is_shown():
    text = verdict("1.3", chapter01.EXERCISES[2].mistakes[0].does).text
    assert "gap 0" in text or "gap 1" in text


def joined_in_pairs_and_cut_short(spans, gap):
    """Two mistakes in one: joined in pairs, and the last end wins."""
    merged, k = [], 0
    while k < len(spans):
        near = k + 1 < len(spans) and spans[k + 1][0] - spans[k][1] <= gap
        merged.append((spans[k][0], spans[k + near][1]))
        k += 1 + near
    return merged


@pytest.mark.parametrize(
    "id, answer, said",
    [
        ("1.1", lambda image: (image >= 0.5).double().mean(0), "a share of the rows"),
        ("1.1", lambda image: (image >= 0.5) * 1, "marked here, and not yet counted"),
        ("1.2", lambda p: [s for s in chapter01.pieces(p) if s[1] > s[0] + 1], "one column is a"),
        ("1.2", lambda p: [s for s in chapter01.pieces(p) if s[0]], "begin at the first column"),
        ("1.3", lambda spans, gap: list(spans), "nothing is joined here"),
        ("1.3", lambda spans, gap: chapter01.merge_close(spans, 0), "do not touch can be close"),
        (
            "1.3",
            joined_in_pairs_and_cut_short,
            "a span that ends inside the one before cuts it short here",
        ),
        ("1.4", lambda p, q, n: n * p + n * q - q, "multiplied, not added up"),
        ("1.4", lambda p, q, n: p**n * q ** (n - 1) * 100, "this is percent"),
        ("1.5", lambda score: max(chapter01.best_total(score), 0.0), "a total of 0"),
        ("1.5", lambda score: chapter01.best_total(score[:-1]), "has to reach the last cut"),
    ],
)
def test_the_sentence_fits_the_mistake(id, answer, said):
    found = verdict(id, answer)
    assert found.status == "not yet" and said in found.text


@pytest.mark.parametrize(
    "id, answer, rule",
    [
        # The first case that fails is answered as by a known mistake; the others are not.
        ("1.4", lambda p, q, n: min(p**n, q ** (n - 1)), "a line is right if each of its n digits"),
        ("1.5", lambda score: -2.5, "of all chains of pieces from the first cut to the last"),
    ],
)
def test_what_fits_by_chance_is_not_named(id, answer, rule):
    assert rule in verdict(id, answer).text
