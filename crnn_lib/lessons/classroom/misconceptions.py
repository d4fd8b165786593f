"""Ten questions of the series as a test: taken before the series and after it, without replies.

Each question has two steps, an answer and its reason. Only both together count as understanding;
a right answer for a wrong reason is counted by itself. Answers go to a file of the learner's own,
and a class compares the two sittings of each learner.

Two-step items go back to Treagust (1988); the gain is Hake's (1998).
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from crnn_lib.lessons.classroom.rows import append_row, read_rows, require_date, require_name, today
from crnn_lib.lessons.engine import (
    TEXT_WIDTH,
    Option,
    Question,
    all_questions,
    letters,
    list_options,
    pick,
)
from crnn_lib.lessons.engine.quizzes import fill

KIND = "misconceptions"  # of these rows
FILE = "misconceptions.jsonl"
FOLDER = "my_results"
ITEMS = (
    "equal neighbours",
    "frames that a label needs",
    "a beam of width 1",
    "the target of the loss",
    "characters per frame",
    "a wider beam",
    "what zero_infinity does",
    "what the blank means",
    "how sure a reading is",
    "where the spike stands",
)
SITTINGS = ("before", "after")

UNDERSTOOD, LUCKY, WRONG = "understood", "right answer, wrong reason", "wrong answer"
MOVES = ("wrong to right", "right to wrong", "right twice", "wrong twice")
_MOVE = dict(zip(((False, True), (True, False), (True, True), (False, False)), MOVES, strict=True))


@dataclass(frozen=True)
class Sitting:
    """One learner's answers at one time.

    Attributes
    ----------
    name : str
        A name that need not be the learner's own; it joins the two sittings.
    when : {"before", "after"}
    answers : tuple of (str, str)
        Per question that was answered, its id and two letters: ``("equal neighbours", "cb")``.
    form : str
        Which wording of the questions; only equal forms are compared.
    date : str
    """

    name: str
    when: str
    answers: tuple[tuple[str, str], ...]
    form: str
    date: str

    def __post_init__(self) -> None:
        require_name(self.name)
        require_date(self.date)
        if self.when not in SITTINGS:
            raise ValueError(f"a sitting is before or after, and this is {self.when!r:.60}")

    def outcome(self, id: str) -> str:
        """What the answer to one question was worth. A question left out counts as wrong."""
        given = dict(self.answers).get(id)
        if given is None:
            return WRONG
        question = questions()[id]
        if not pick(question.answers, given[0]).right:
            return WRONG
        return UNDERSTOOD if pick(question.reasons, given[1]).right else LUCKY


def questions() -> dict[str, Question]:
    """The ten questions of the test, by id."""
    known = {question.id: question for question in all_questions()}
    return {id: known[id] for id in ITEMS}


def form() -> str:
    """Eight hex digits that change when the wording or the order of the options changes."""
    text = [
        (q.id, q.text, *(option.text for option in (*q.answers, *q.reasons)))
        for q in questions().values()
    ]
    return hashlib.sha256(repr(text).encode()).hexdigest()[:8]


def misconception_test(
    when: str | None = None, name: str = "", folder: str | os.PathLike[str] = FOLDER
):
    """The test as a form to fill in; *Save answers* writes them to a file and tells nothing else.

    Parameters
    ----------
    when : {"before", "after"}
        Whether the series lies ahead of you or behind you.
    name : str
        Any name that you will still know when you take the test again. Teachers need no real ones.
    folder : path
        Where the file goes. The file holds the name, the date and the letters, and is sent nowhere.

    Returns
    -------
    widget, or None where there are no widgets: then the questions are printed, and
    :func:`save_answers` takes the letters.
    """
    if when not in SITTINGS:
        print('misconception_test("before") or misconception_test("after"): which is it?')
        return None
    try:
        from crnn_lib.lessons.classroom.answer_form import AnswerForm
    except ImportError:  # no widgets here
        print(as_text())
        return None
    save = functools.partial(save_answers, folder=folder)
    return AnswerForm(when, questions(), name, save).widget


def as_text() -> str:
    """All questions with their answers and reasons, for paper or where there are no widgets."""
    parts = []
    for question in questions().values():
        parts.append(
            f"Question: {question.id}\n{fill(question.text, TEXT_WIDTH)}\n\nAnswer\n"
            f"{list_options(question.answers)}\n\nReason\n{list_options(question.reasons)}"
        )
    parts.append(
        'save_answers("before", "any name", {"equal neighbours": "cb", ...}) keeps the letters.'
    )
    return "\n\n".join(parts)


def save_answers(
    when: str,
    name: str,
    answers: Mapping[str, str],
    folder: str | os.PathLike[str] = FOLDER,
) -> Path:
    """Append one sitting to the learner's file.

    Parameters
    ----------
    answers : mapping
        Two letters for each question that was answered: ``{"equal neighbours": "cb"}``.
    """
    sitting = Sitting(require_name(name), when, _checked(answers), form(), today())
    row = {**vars(sitting), "answers": dict(sitting.answers)}
    return append_row(Path(folder) / FILE, KIND, row)


def load_sittings(*paths: str | os.PathLike[str]) -> tuple[list[Sitting], tuple[str, ...]]:
    """All sittings of files and folders, and a sentence for each row that could not be read."""
    found = read_rows(paths, KIND, parse_sitting)
    return list(found.values), found.problems


def parse_sitting(row: Mapping[str, Any]) -> Sitting:
    """A sitting from a row of a file."""
    for key in ("name", "when", "answers", "form", "date"):
        if key not in row:
            raise ValueError(f"a sitting needs {key}, and this row has none")
    if row["form"] != form():
        raise ValueError("these answers belong to another wording of the questions")
    return Sitting(row["name"], row["when"], _checked(row["answers"]), row["form"], row["date"])


def in_pairs(sittings: Iterable[Sitting]) -> list[tuple[Sitting, Sitting]]:
    """Each learner's first sitting before and last sitting after; who has only one is left out."""
    first: dict[str, Sitting] = {}
    last: dict[str, Sitting] = {}
    for sitting in sorted(sittings, key=lambda sitting: sitting.date):
        if sitting.when == "before":
            first.setdefault(sitting.name, sitting)
        else:
            last[sitting.name] = sitting
    return [(first[name], last[name]) for name in sorted(first.keys() & last.keys())]


@dataclass(frozen=True)
class Change:
    """What happened to one question in a class.

    Attributes
    ----------
    id : str
    moves : dict of str to int
        Learners by what they did, with the keys of ``MOVES``; right is understood.
    lucky : (int, int)
        Right answer, wrong reason: before and after.
    """

    id: str
    moves: dict[str, int]
    lucky: tuple[int, int]

    @property
    def learners(self) -> int:
        """How many answered both times."""
        return sum(self.moves.values())

    @property
    def understood(self) -> tuple[int, int]:
        """How many understood it before and after."""
        stayed = self.moves["right twice"]
        return stayed + self.moves["right to wrong"], stayed + self.moves["wrong to right"]

    @property
    def gain(self) -> float | None:
        """Hake's normalised gain; None if all had understood it before."""
        return normalised_gain(*self.understood, self.learners)


def changes(pairs: Iterable[tuple[Sitting, Sitting]]) -> list[Change]:
    """What happened to each question, over learners who took the test twice."""
    pairs = list(pairs)
    found = []
    for id in ITEMS:
        moves, lucky = dict.fromkeys(MOVES, 0), [0, 0]
        for pair in pairs:
            before, after = (sitting.outcome(id) for sitting in pair)
            key = before == UNDERSTOOD, after == UNDERSTOOD
            moves[_MOVE[key]] += 1
            lucky[0] += before == LUCKY
            lucky[1] += after == LUCKY
        found.append(Change(id, moves, (lucky[0], lucky[1])))
    return found


def normalised_gain(before: int, after: int, all: int) -> float | None:
    """Of what could still be gained, the share that was gained.

    >>> normalised_gain(6, 15, 24), normalised_gain(24, 24, 24)
    (0.5, None)
    """
    return None if before == all else (after - before) / (all - before)


def invented_class(learners: int, generator: torch.Generator) -> list[Sitting]:
    """Answers of a class that there never was, to try the figure out. Each name says so.

    Before the series an invented learner knows three questions in ten, after it seven in ten, and
    guesses at the others.
    """
    found = []
    for number in range(1, learners + 1):
        for when, known in (("before", 0.3), ("after", 0.7)):
            answers = {}
            for id, question in questions().items():
                knows = float(torch.rand((), generator=generator)) < known
                parts = (question.answers, question.reasons)
                answers[id] = "".join(_choose(part, knows, generator) for part in parts)
            name, date = f"invented {number}", "2026-01-01T00:00:00Z"
            found.append(Sitting(name, when, _checked(answers), form(), date))
    return found


def _choose(options: tuple[Option, ...], knows: bool, generator: torch.Generator) -> str:
    known = letters(options)
    right = next(letter for letter in known if pick(options, letter).right)
    return right if knows else known[int(torch.randint(len(known), (), generator=generator))]


def _checked(answers: Any) -> tuple[tuple[str, str], ...]:
    """Answers in the order of the questions, each with letters that there are."""
    if not isinstance(answers, Mapping):
        raise ValueError("answers are letters by question")
    unknown = sorted(set(map(str, answers)) - set(ITEMS))
    if unknown:
        raise ValueError(f"there is no question {unknown[0]!r:.60} in the test")
    kept = []
    for id, question in questions().items():
        if id in answers:
            given = answers[id]
            places = (letters(question.answers), letters(question.reasons))
            if not isinstance(given, str) or len(given) != 2:
                raise ValueError(f"{id} takes two letters, an answer and a reason: {given!r:.60}")
            for letter, known in zip(given, places, strict=True):
                if letter not in known:
                    raise ValueError(f"{id} has the letters {', '.join(known)}, not {letter!r}")
            kept.append((id, given))
    return tuple(kept)
