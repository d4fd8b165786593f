"""The misconception test: ten questions, two sittings, and what changed between them."""

from __future__ import annotations

import functools
import html
import sys

import pytest
import torch

from crnn_lib.lessons.chapter14 import charts as capstone_charts
from crnn_lib.lessons.chapter14 import load_board
from crnn_lib.lessons.classroom import (
    AnswerForm,
    Sitting,
    changes,
    in_pairs,
    load_sittings,
    misconception_test,
    misconceptions,
    normalised_gain,
    rows,
    save_answers,
)
from crnn_lib.lessons.classroom.misconceptions import ITEMS, LUCKY, UNDERSTOOD, WRONG
from crnn_lib.lessons.engine import quizzes

DATES = {"before": "2026-01-01T00:00:00Z", "after": "2026-02-01T00:00:00Z"}


def letters_for(id, right_answer=True, right_reason=True):
    question = misconceptions.questions()[id]
    chosen = ""
    for options, wanted in ((question.answers, right_answer), (question.reasons, right_reason)):
        chosen += next(
            c for c in quizzes.letters(options) if quizzes.pick(options, c).right == wanted
        )
    return chosen


KINDS = {
    "+": lambda id: letters_for(id),
    "?": lambda id: letters_for(id, right_reason=False),
    "r": lambda id: letters_for(id, right_answer=False),
    "-": lambda id: letters_for(id, False, False),
}


def sitting(name, when, kind, date=None):
    """One kind of answer to all questions; "0" answers none."""
    answers = () if kind == "0" else tuple((id, KINDS[kind](id)) for id in ITEMS)
    return Sitting(name, when, answers, misconceptions.form(), date or DATES[when])


# ------------------------------------------------------------------ one sitting


@pytest.mark.parametrize(
    "kind, outcome",
    [("+", UNDERSTOOD), ("?", LUCKY), ("r", WRONG), ("-", WRONG), ("0", WRONG)],
)
def test_only_answer_and_reason_together_are_understanding(kind, outcome):
    made = sitting("anna", "before", kind)
    assert {made.outcome(id) for id in ITEMS} == {outcome}


def test_answers_come_back_from_the_file(tmp_path):
    given = {"equal neighbours": "cb", "where the spike stands": "aa"}
    path = save_answers("before", "the owls", given, tmp_path)
    (made,), problems = load_sittings(path)
    assert dict(made.answers) == given and made.name == "the owls" and not problems
    assert path.name == "misconceptions.jsonl"


@pytest.mark.parametrize(
    "answers, reason",
    [
        (
            {"two intervals that overlap": "aa"},
            "no question 'two intervals that overlap' in the test",
        ),
        ({"equal neighbours": "c"}, "two letters"),
        ({"equal neighbours": "zz"}, "equal neighbours has the letters a, b, c, d, not 'z'"),
        ({"equal neighbours": None}, "two letters"),
        ("equal neighbours", "letters by question"),
    ],
)
def test_what_is_no_answer_is_refused(tmp_path, answers, reason):
    with pytest.raises(ValueError, match=reason):
        save_answers("before", "anna", answers, tmp_path)
    assert not list(tmp_path.iterdir())


def test_broken_rows_and_other_wordings_are_named(tmp_path, monkeypatch):
    path = save_answers("before", "anna", {"equal neighbours": "cb"}, tmp_path)
    with path.open("a") as file:
        file.write('{"half\n[]\n')
    monkeypatch.setattr(misconceptions, "form", lambda: "00000000")
    save_answers("after", "anna", {"equal neighbours": "cb"}, tmp_path)
    monkeypatch.undo()
    found, problems = load_sittings(tmp_path)
    assert len(found) == 1 and len(problems) == 3
    assert "another wording of the questions" in problems[2]


def test_one_folder_may_hold_both_kinds_of_results(tmp_path):
    save_answers("before", "anna", {"equal neighbours": "cb"}, tmp_path)
    row = {"name": "anna", "parameters": 7}
    rows.append_row(tmp_path / "leaderboard.jsonl", "leaderboard", row)
    found, problems = load_sittings(tmp_path)
    assert len(found) == 1 and not problems
    assert len(load_board(tmp_path).problems) == 1, "of its own kind, and no entry"


# ------------------------------------------------------------------ a class


def test_first_before_and_last_after_count_and_half_learners_are_left_out():
    early, late = sitting("a", "before", "-"), sitting("a", "before", "+", "2026-01-09T00:00:00Z")
    one, two = sitting("a", "after", "-"), sitting("a", "after", "+", "2026-03-01T00:00:00Z")
    alone = [sitting("b", "before", "+"), sitting("c", "after", "+")]
    assert in_pairs([two, late, one, early, *alone]) == [(early, two)]


def test_moves_are_counted():
    kinds = ["-+", "?+", "r+", "+-", "+?", "++", "--", "??"]
    pairs = [(sitting(k, "before", k[0]), sitting(k, "after", k[1])) for k in kinds]
    for change in changes(pairs):
        assert change.moves == {
            "wrong to right": 3,
            "right to wrong": 2,
            "right twice": 1,
            "wrong twice": 2,
        }
        assert change.lucky == (2, 2) and change.learners == 8
        assert change.understood == (3, 4) and change.gain == pytest.approx(1 / 5)
    assert [change.id for change in changes(pairs)] == list(ITEMS)


def test_gain():
    assert normalised_gain(0, 10, 10) == 1 and normalised_gain(5, 0, 10) == -1
    assert normalised_gain(10, 9, 10) is None


def test_figure_says_the_sums_and_draws_a_row_for_each_question():
    chance = torch.Generator().manual_seed(0)
    found = changes(in_pairs(misconceptions.invented_class(24, chance)))
    figure = capstone_charts.plot_change(found)
    right = sum(c.moves["wrong to right"] for c in found)
    assert f"24 learners, 10 questions: {right} times" in figure.get_label()
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == list(ITEMS)
    bars = figure.axes[0].patches
    assert sum(bar.get_width() for bar in bars if bar.get_width() > 0) == right
    with pytest.raises(ValueError, match="both before and after"):
        capstone_charts.plot_change(changes([]))


def test_an_invented_class_says_so_and_is_always_the_same():
    one, other = (
        misconceptions.invented_class(3, torch.Generator().manual_seed(1)) for _ in range(2)
    )
    assert one == other and len(one) == 6
    assert all(made.name.startswith("invented ") for made in one)


# ------------------------------------------------------------------ the form


def form_for(when, name, folder):
    save = functools.partial(save_answers, folder=folder)
    return AnswerForm(when, misconceptions.questions(), name, save)


def test_form_saves_what_was_chosen_and_tells_nothing(tmp_path):
    form = form_for("before", "anna", tmp_path)
    answers, reasons = form.choices["equal neighbours"]
    assert form.reasons["equal neighbours"].layout.display == "none"
    form.button.click()
    assert "Nothing is saved" in form.said.value and not list(tmp_path.iterdir())
    answers.value = "c"
    assert form.reasons["equal neighbours"].layout.display is None
    reasons.value = "b"
    form.choices["frames that a label needs"][0].value = "a"  # no reason: not an answer yet
    form.button.click()
    assert "1 of 10 answers saved" in form.said.value
    (made,), _ = load_sittings(tmp_path)
    assert dict(made.answers) == {"equal neighbours": "cb"} and made.when == "before"
    parts = [part for part in form.widget.children if hasattr(part, "children")]
    shown = " ".join(html.unescape(part.children[0].value) for part in parts)
    for question in misconceptions.questions().values():
        for option in question.answers + question.reasons:
            assert option.text in shown and option.reply not in shown


def test_form_without_a_name_asks_for_one(tmp_path):
    form = form_for("after", "", tmp_path)
    form.choices["equal neighbours"][0].value, form.choices["equal neighbours"][1].value = "c", "b"
    form.save()
    assert "a name has 1 to 40 characters" in form.said.value and not list(tmp_path.iterdir())


def test_the_question_is_asked_when_nobody_says_which_sitting(capsys):
    assert misconception_test() is None
    assert "which is it?" in capsys.readouterr().out
    assert type(misconception_test("before")).__name__ == "VBox"


def test_without_widgets_all_questions_are_printed(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "crnn_lib.lessons.classroom.answer_form", None)
    assert misconception_test("before") is None
    said = capsys.readouterr().out
    assert all(f"Question: {id}\n" in said for id in ITEMS) and "save_answers(" in said
