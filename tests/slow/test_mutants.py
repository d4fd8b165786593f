"""Every mutant of every reference solution, through its check. A minute or two of computing."""

from __future__ import annotations

import os

import pytest
from lessons import mutation

from crnn_lib.lessons.engine import kernel


@pytest.mark.skipif(
    not os.environ.get("CRNN_CASES"), reason="all mutants: make test-slow; here a sample is tried"
)
def test_no_mutant_lives_unexplained():
    total, alive, holes, stale = 0, 0, [], []
    for chapter in kernel.chapters():
        for exercise in kernel.chapter_exercises(chapter):
            count, living = mutation.survivors(exercise)
            total, alive = total + count, alive + len(living)
            holes += [(exercise.id, m.change) for m in mutation.unexplained(exercise, living)]
            gone = mutation.explained(exercise) - {"*"} - {mutant.change for mutant in living}
            stale += [(exercise.id, change) for change in gone]
    assert holes == []
    assert stale == [], "explained, but they do not live"
    print(f"{total} mutants, {alive} of them do the same as the reference, or are another test")
