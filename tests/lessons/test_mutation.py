"""No check calls a mutant of its reference correct: a sample here, all in tests/slow."""

from __future__ import annotations

import random

import pytest
from lessons import mutation

from crnn_lib.lessons.engine import Exercise, as_count, compare, kernel

EXERCISES = [e for chapter in kernel.chapters() for e in kernel.chapter_exercises(chapter)]
SAMPLE = 4  # of each exercise's mutants


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
def test_checks_refuse_mutants_of_their_references(exercise):
    mutants = mutation.mutants_of(exercise)
    known = mutation.explained(exercise)
    others = [m for m in mutants if not known & {"*", m.change}]
    some = random.Random(exercise.id).sample(others, min(SAMPLE, len(others)))
    exercise = mutation.in_time(exercise) if some else exercise
    assert [mutant.change for mutant in some if mutation.lives(exercise, mutant)] == []


def clipped(count, most):
    return min(count, most)


def test_a_weak_check_is_found_out():
    def check(attempt):
        cases = [(1, 3), (2, 3)]  # never above the most
        return str(compare(attempt, cases, lambda count, most: count, rule="count"))

    weak = Exercise("0.2", "clipping", "Write clipped.", check, (), clipped, returns=as_count)
    count, living = mutation.survivors(weak)
    assert count == 3
    assert [m.after for m in living] == ["return min(count, count)"]


def test_mutants_change_one_place_each():
    source = "def f(a, b):\n    if a < b:\n        a += 1\n    return a\n"
    changes = [mutant.change for mutant in mutation.mutants(source)]
    assert "if a < b: -> if a <= b:" in changes
    assert "if a < b: -> if not a < b:" in changes
    assert "a += 1 -> a -= 1" in changes and "a += 1 -> pass" in changes
    assert "return a -> return b" in changes
    assert len(changes) == len(set(changes))
