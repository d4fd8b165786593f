"""The card that a question appears on: clickable, with a kernel or without."""

from __future__ import annotations

import html

import traitlets

from crnn_lib.lessons.engine import quizzes
from crnn_lib.widgets import Explorer, bundle, stylesheet


class Card(Explorer):
    """A question to click: an answer, then a reason, then the reply.

    Parameters
    ----------
    question : Question

    Attributes
    ----------
    given : list of str
        The letters of answer and reason, once both are given.
    """

    _esm = bundle("quiz.js")
    _css = stylesheet("quiz.css")

    content = traitlets.Dict().tag(sync=True)
    given = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, question: quizzes.Question) -> None:
        self.question = question
        self.words = html.escape(quizzes.ask(question)).replace("\n", "<br>")
        names = ("wrong_wrong", "wrong_right", "right_wrong", "right_right")
        headlines = zip(names, sorted(quizzes.HEADLINES), strict=True)
        super().__init__(
            content={
                "id": question.id,
                "text": question.text,
                "answers": [vars(option) for option in question.answers],
                "reasons": [vars(option) for option in question.reasons],
                "headlines": {name: quizzes.HEADLINES[key] for name, key in headlines},
                "code": question.code,
                "shows": question.shows,
            }
        )
        self.observe(self._record, names="given")

    def __repr__(self) -> str:
        return quizzes.ask(self.question)

    @traitlets.validate("given")
    def _known(self, proposal):
        chosen = proposal["value"]
        parts = (self.question.answers, self.question.reasons)
        known = len(chosen) == 2 and all(
            letter in quizzes.letters(options)
            for letter, options in zip(chosen, parts, strict=True)
        )
        if chosen and not known:
            raise ValueError(f"given is a letter for the answer and one for the reason: {chosen!r}")
        return chosen

    def _record(self, change) -> None:
        if change["new"]:
            quizzes.record(self.question, *change["new"])
