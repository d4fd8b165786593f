"""Questions in two steps: the answer, then the reason.

A right answer for a wrong reason is a misconception too, so both get their own reply. The wrong
options are what people really say. Each question ends in a few lines of code that settle it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from string import ascii_lowercase
from textwrap import fill, indent

from crnn_lib.lessons.engine.exercise import plural

HEADLINES = {
    (True, True): "Right, and for the right reason.",
    (True, False): "The answer is right, the reason is not.",
    (False, True): "The reason is right, but the answer does not follow from it.",
    (False, False): "Neither the answer nor the reason.",
}
OUTCOMES = {
    (True, True): "right",
    (True, False): "right, the reason wrong",
    (False, True): "wrong, the reason right",
    (False, False): "wrong",
}
TEXT_WIDTH = 96  #: columns of what is printed

_given: dict[str, tuple[str, int]] = {}  # outcome of the last answer, and how many there were


@dataclass(frozen=True)
class Option:
    """One answer or reason, and the reply to whoever chooses it."""

    text: str
    reply: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question in two steps.

    ``id`` is a few words that name it. ``answers`` and ``reasons`` have one right option each, and
    get the letters a, b, c in their order. ``code`` settles the question; ``shows`` is what it
    prints, which a test compares.
    """

    id: str
    text: str
    answers: tuple[Option, ...]
    reasons: tuple[Option, ...]
    code: str
    shows: str


def ask(question: Question) -> str:
    """A question with its answers, as text."""
    return (
        f"Question: {question.id}\n{fill(question.text, TEXT_WIDTH)}\n\n"
        f"{list_options(question.answers)}\n\n"
        f'quiz("{question.id}", answer="...") asks for the reason.'
    )


def reply(question: Question, answer: str, reason: str) -> str:
    """The reply to an answer and a reason, as text."""
    chosen = pick(question.answers, answer), pick(question.reasons, reason)
    parts = [headline(question, answer, reason)]
    for letter, option in zip((answer, reason), chosen, strict=True):
        parts.append(fill(f"{letter}  {option.reply}", TEXT_WIDTH, subsequent_indent="   "))
    parts += [f"See for yourself:\n{indent(question.code, '    ')}", indent(question.shows, "    ")]
    return "\n".join(parts)


def headline(question: Question, answer: str, reason: str) -> str:
    """The reply in one sentence."""
    return HEADLINES[_right(question, answer, reason)]


def record(question: Question, answer: str, reason: str) -> None:
    """Remember an answer for ``progress``, as long as the kernel lives."""
    count = _given.get(question.id, ("", 0))[1] + 1
    _given[question.id] = (OUTCOMES[_right(question, answer, reason)], count)


def progress_rows(questions: Iterable[Question]) -> list[tuple[str, str, str, str]]:
    """Kind, name, outcome of the last answer and number of answers, of the questions answered."""
    rows = []
    for question in questions:
        if question.id in _given:
            outcome, count = _given[question.id]
            rows.append(("quiz", question.id, outcome, plural(count, "try")))
    return rows


def letters(options: tuple[Option, ...]) -> list[str]:
    """The letters of these options."""
    return list(ascii_lowercase[: len(options)])


def pick(options: tuple[Option, ...], letter: str) -> Option:
    """The option of a letter."""
    return options[ascii_lowercase.index(letter)]


def list_options(options: tuple[Option, ...]) -> str:
    """Options under their letters, as text."""
    lines = []
    for letter, option in zip(letters(options), options, strict=True):
        lines.append(fill(f"{letter}  {option.text}", TEXT_WIDTH, subsequent_indent="   "))
    return "\n".join(lines)


def reset() -> None:
    """Forget all answers, as a new kernel does."""
    _given.clear()


def _right(question: Question, answer: str, reason: str) -> tuple[bool, bool]:
    return pick(question.answers, answer).right, pick(question.reasons, reason).right
