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
        lambda spans: (list(span) for span in spans),
        tuple,
    ],
)
def test_spans_are_read_in_any_form(form):
    assert verdict("1.2", lambda p: form(chapter01.pieces(p))).status == "correct"


def test_flat_spans_are_refused():
    text = verdict("1.2", lambda p: [x for span in chapter01.pieces(p) for x in span]).text
    assert "a list that holds" in text


def test_ten_nested_loops_are_not_needed():
    """The oracle tries every way; so may a learner, if it is right."""
    assert verdict("1.5", chapter01.over_all_ways).status == "correct"


def test_the_smallest_broken_digit_is_shown():
    text = verdict("1.3", chapter01.EXERCISES[2].mistakes[0].does).text
    assert "gap 0" in text or "gap 1" in text
