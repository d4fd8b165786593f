"""What a notebook calls: check, hint, solution, yours, quiz, progress.

The state lasts like the kernel.

An exercise ``"4.2"`` stands in the tuple ``EXERCISES`` of ``chapter04/exercises.py``, a question in
``QUESTIONS`` of ``chapter04/questions.py``.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from crnn_lib.lessons.engine import quizzes
from crnn_lib.lessons.engine.exercise import Exercise, examine, plural

LESSONS = "crnn_lib.lessons"
NOT_ATTEMPTED = "not attempted"
_NAMES = (
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
    "two intervals that overlap",
)
FORMERLY = {f"M-{number}": name for number, name in enumerate(_NAMES, 1)}  # in older notebooks
_verdicts: dict[str, str] = {}  # the best so far, by id
_tries: Counter[str] = Counter()
_hints: Counter[str] = Counter()


def check(id: str, answer: object = None) -> None:
    """Check an answer to an exercise and print the verdict. Never raises.

    Parameters
    ----------
    id : str
        As in ``"4.2"``.
    answer : callable
        The function or class that the exercise asks for.
    """
    exercise = find_exercise(id)
    if isinstance(exercise, str):
        print(exercise)
        return
    verdict = examine(exercise, answer)
    _tries[exercise.id] += verdict.status != NOT_ATTEMPTED
    if _verdicts.get(exercise.id) != "correct":
        _verdicts[exercise.id] = verdict.status
    print(f"Exercise {exercise.id}, {verdict.status}: {verdict.text}")


def hint(id: str, number: int | None = None) -> None:
    """Print the next hint of an exercise, or a certain one, counted from 1."""
    exercise = find_exercise(id)
    if isinstance(exercise, str):
        print(exercise)
        return
    count = len(exercise.hints)
    if number is None:
        number = _hints[exercise.id] % (count + 1) + 1
        _hints[exercise.id] += 1
        if number > count:
            print(
                f'That was the last hint. solution("{exercise.id}") shows an answer; '
                f'hint("{exercise.id}") begins again.'
            )
            return
    if type(number) is not int or not 1 <= number <= count:
        print(f"Exercise {exercise.id} has the hints 1 to {count}; this asks for {number!r}.")
        return
    print(f"Hint {number} of {count}: {exercise.hints[number - 1]}")


def solution(id: str) -> None:
    """Print the source of an answer that passes the check, with the imports that it needs."""
    exercise = find_exercise(id)
    print(exercise if isinstance(exercise, str) else source_of(exercise.reference))


def yours(id: str, answer: Callable) -> Callable:
    """The learner's answer if it passes its check, else the reference; prints which one.

    For cells that build on an exercise, so that a notebook runs with the exercise unsolved.
    """
    exercise = find_exercise(id)
    if isinstance(exercise, str):
        raise ValueError(exercise)
    name = exercise.reference.__name__
    if examine(exercise, answer).status == "correct":
        print(f"From here on, {name} is yours.")
        return answer
    print(f"From here on, {name} is the one of solution({exercise.id!r}), until yours is correct.")
    return exercise.reference


def source_of(reference) -> str:
    """The source of a function or class that stands in a chapter, to be pasted anywhere."""
    source = inspect.getsource(reference).rstrip()
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    around = vars(sys.modules[reference.__module__])
    imports = {_import_of(name, around[name]) for name in names & {*around}} - {None}
    return "\n".join([*sorted(imports), "\n", source]) if imports else source


def _import_of(name: str, value) -> str | None:
    """The line that imports it; None for what the notebook itself defines."""
    if inspect.ismodule(value):
        return f"import {value.__name__}" + (f" as {name}" if name != value.__name__ else "")
    module = getattr(value, "__module__", LESSONS)
    if module.startswith(LESSONS):
        return None
    return f"from {module.split('._')[0]} import {name}"  # skimage.measure._label is not public


def quiz(id: str, answer: str | None = None, reason: str | None = None):
    """Ask a question, or reply to an answer.

    Parameters
    ----------
    id : str
        Its name, as in ``"equal neighbours"``.
    answer, reason : str, optional
        Letters of the options. Without both, the question appears as a card to click; it works in
        an exported page as well. With an answer alone, the reasons are printed; with both, the
        reply.
    """
    question = find_question(id)
    if isinstance(question, str):
        print(question)
        return None
    if answer is None and reason is None:
        try:
            from crnn_lib.lessons.engine.card import Card
        except ImportError:  # no widgets here
            print(quizzes.ask(question))
            return None
        return Card(question)
    for name, options, chosen in (
        ("answer", question.answers, answer),
        ("reason", question.reasons, reason),
    ):
        known = quizzes.letters(options)
        if name == "reason" and chosen is None:
            print(f"Your answer is {answer}. And the reason?\n\n{quizzes.list_options(options)}\n")
            print(f'quiz("{question.id}", answer="{answer}", reason="...")')
            return None
        if chosen not in known:
            print(f"{name} is one of the letters {', '.join(known)}; got {chosen!r}.")
            return None
    print(quizzes.reply(question, answer, reason))
    quizzes.record(question, answer, reason)
    return None


def progress() -> None:
    """Print what has been checked and answered since the kernel started, chapter by chapter."""
    chapters = sorted({id.partition(".")[0] for id in {*_verdicts, *_hints}}, key=int)
    exercises = [exercise for chapter in chapters for exercise in chapter_exercises(chapter)]
    rows = [
        (e.id, e.title, _verdicts.get(e.id, NOT_ATTEMPTED), plural(_tries[e.id], "try"))
        for e in exercises
    ]
    rows += quizzes.progress_rows(all_questions())
    if not rows:
        print("Nothing has been checked since this kernel started.")
        return
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
        print("  ".join([*cells, row[3]]).rstrip())
    solved = sum(_verdicts.get(e.id) == "correct" for e in exercises)
    if exercises:
        print(f"{solved} of {plural(len(exercises), 'exercise')} correct")


def find_exercise(id: str) -> Exercise | str:
    """The exercise of this id; if there is none, a sentence that lists those there are."""
    chapter = str(id).partition(".")[0]
    for exercise in chapter_exercises(chapter):
        if exercise.id == str(id):
            return exercise
    ids = [e.id for c in chapters() for e in chapter_exercises(c)]
    return f"There is no exercise {id!r}. There are {', '.join(ids)}."


def chapters() -> list[str]:
    """Numbers of the chapters that have exercises, without leading zeros."""
    return [str(number) for number in _folders("exercises")]


def chapter_exercises(chapter: str) -> tuple[Exercise, ...]:
    """The exercises of one chapter; none if there is no such chapter."""
    if chapter not in chapters():
        return ()
    return _room(int(chapter), "exercises").EXERCISES


def find_question(id: str) -> quizzes.Question | str:
    """The question of this id; if there is none, a sentence that lists those there are."""
    questions = all_questions()
    for question in questions:
        if question.id == str(id):
            return question
    if str(id) in FORMERLY:
        return f'This question has a name now: quiz("{FORMERLY[str(id)]}").'
    names = ", ".join(f'"{question.id}"' for question in questions)
    return f"There is no question {id!r}. There are {names}."


def all_questions() -> list[quizzes.Question]:
    """The questions of all notebooks, in their order."""
    rooms = [_room(number, "questions") for number in _folders("questions")]
    return [question for room in rooms for question in room.QUESTIONS]


def reset() -> None:
    """Forget everything, as a new kernel does."""
    for memory in (_verdicts, _tries, _hints):
        memory.clear()
    quizzes.reset()


def _folders(room: str) -> list[int]:
    """Numbers of the chapters that have such a room, in their order."""
    found = Path(__file__).parents[1].glob(f"chapter[0-9][0-9]/{room}.py")
    return sorted(int(path.parent.name[-2:]) for path in found)


def _room(number: int, room: str) -> ModuleType:
    return importlib.import_module(f"{LESSONS}.chapter{number:02}.{room}")
