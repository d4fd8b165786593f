"""What the checks of notebook 14 promise, beyond what test_lessons.py asks of every chapter."""

from __future__ import annotations

import pytest

from crnn_lib.evaluation import wilson_interval
from crnn_lib.lessons.chapter14 import count_parameters, sign_test, small_config
from crnn_lib.lessons.chapter14 import exercises as chapter14
from crnn_lib.lessons.engine import examine
from crnn_lib.models import CRNN, CRNNConfig

EXERCISES = {exercise.id: exercise for exercise in chapter14.EXERCISES}


def verdict(id, answer):
    return examine(EXERCISES[id], answer)


@pytest.mark.parametrize("config, rows", [(CRNNConfig(), 4), (CRNNConfig.large(), 4)])
def test_formula_counts_the_networks_of_the_library(config, rows):
    counted = chapter14.crnn_parameters(config.channels, rows, config.hidden, 11)
    assert counted == count_parameters(CRNN(config))
    small = small_config()
    assert chapter14.crnn_parameters(small.channels, 2, small.hidden, 11) == count_parameters(
        CRNN(small)
    )


def test_reference_and_library_give_the_same_interval_and_the_same_luck():
    for right, count in ((0, 5), (950, 1000), (7, 7)):
        assert chapter14.exact_match_interval(right, count) == pytest.approx(
            wilson_interval(right, count), abs=1e-12
        )
    assert chapter14.luck(60, 45) == sign_test(60, 45)


def test_library_functions_pass_as_answers():
    assert verdict("14.2", lambda right, count: wilson_interval(right, count)).status == "correct"
    assert verdict("14.3", sign_test).status == "correct"


def test_front_in_any_order_is_accepted_and_entries_are_not():
    def backwards(entries):
        return chapter14.front(entries)[::-1]

    assert verdict("14.4", backwards).status == "correct"
    assert verdict("14.4", lambda entries: set(chapter14.front(entries))).status == "correct"
    assert "a list of places should be" in verdict("14.4", lambda entries: 5).text
    text = verdict("14.4", lambda entries: [entries[i] for i in chapter14.front(entries)]).text
    assert "a list that holds a tuple of 2" in text


def test_names_may_come_as_a_set_but_not_as_one_text():
    assert verdict("14.5", lambda *a: set(chapter14.missing(*a))).status == "correct"
    assert "a list of names" in verdict("14.5", lambda *a: ", ".join(chapter14.missing(*a))).text


@pytest.mark.parametrize(
    "id, lazy",
    [
        ("14.1", lambda channels, rows, hidden, classes: 90_419),
        ("14.2", lambda right, count: (0.0, 1.0)),
        ("14.3", lambda only_a, only_b: 1.0),
        ("14.4", lambda entries: list(range(len(entries)))),
        ("14.5", lambda sections, figures: []),
    ],
)
def test_a_constant_answer_is_refused(id, lazy):
    assert verdict(id, lazy).status == "not yet"
