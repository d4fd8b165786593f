"""The misconception test as a form: choose an answer, then a reason, for each question; save once.

Nothing on it says what is right. The options stand in a text above the letters, for a radio
button's own label does not wrap. JupyterLab keeps the arrow keys to itself, so whoever uses the
keyboard alone takes :func:`crnn_lib.lessons.classroom.save_answers` instead.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from pathlib import Path

import ipywidgets

from crnn_lib.lessons.engine import Option, Question, letters

WIDE = {"width": "100%", "max_width": "46em"}
WORDS = {"before": "before the series", "after": "after the series"}


class AnswerForm:
    """All questions on one page.

    Parameters
    ----------
    when : {"before", "after"}
    questions : mapping of str to Question
    name : str
        Stands in the field for it.
    save : callable
        ``save(when, name, answers)`` writes two letters for each question and returns the file.

    Attributes
    ----------
    widget : ipywidgets.VBox
        What a notebook shows.
    choices : dict of str to (RadioButtons, RadioButtons)
        Letters of answer and reason, by question.
    reasons : dict of str to VBox
        What appears once an answer is chosen.
    """

    def __init__(
        self,
        when: str,
        questions: Mapping[str, Question],
        name: str,
        save: Callable[[str, str, dict[str, str]], Path],
    ) -> None:
        self.when, self._save = when, save
        self.choices, self.reasons = {}, {}
        head = f"<b>Ten questions, {WORDS[when]}.</b> Leave out what you do not know."
        rows = [ipywidgets.HTML(head)]
        for id, question in questions.items():
            title = f"<b>{html.escape(id)}</b><br>{html.escape(question.text)}"
            answer, answers = _part(f"{id}, answer", title, question.answers)
            reason, reasons = _part(f"{id}, reason", "Because:", question.reasons)
            reasons.layout.display = "none"
            answer.observe(_reveal(reasons), names="value")
            self.choices[id], self.reasons[id] = (answer, reason), reasons
            rows += [answers, reasons]
        self.name = ipywidgets.Text(value=name, description="Name", placeholder="any name")
        self.button = ipywidgets.Button(description="Save answers")
        self.button.on_click(lambda _: self.save())
        self.said = ipywidgets.HTML("")
        self.widget = ipywidgets.VBox([*rows, self.name, self.button, self.said])

    @property
    def answers(self) -> dict[str, str]:
        """Two letters for each question that has both an answer and a reason."""
        return {
            id: answer.value + reason.value
            for id, (answer, reason) in self.choices.items()
            if answer.value and reason.value
        }

    def save(self) -> None:
        """Append the answers to the learner's file, and say so."""
        given = self.answers
        if not given:
            self._say("Nothing is saved: no question has both an answer and a reason yet.")
            return
        try:
            path = self._save(self.when, self.name.value, given)
        except (ValueError, OSError) as error:
            self._say(f"Nothing is saved: {error}.")
            return
        self._say(f"{len(given)} of {len(self.choices)} answers saved in {path}.")

    def _say(self, words: str) -> None:
        self.said.value = f'<span role="status">{html.escape(words)}</span>'


def _part(
    name: str, text: str, options: tuple[Option, ...]
) -> tuple[ipywidgets.RadioButtons, ipywidgets.VBox]:
    """The letters to choose from, and these under the options in words."""
    known = letters(options)
    items = [
        f"<div><b>{letter}</b>&ensp;{html.escape(option.text)}</div>"
        for letter, option in zip(known, options, strict=True)
    ]
    words = f'<div style="line-height: 1.5">{text}{"".join(items)}</div>'
    radio = ipywidgets.RadioButtons(
        options=known, value=None, description=name, style={"description_width": "8em"}
    )
    return radio, ipywidgets.VBox([ipywidgets.HTML(words), radio], layout=dict(WIDE))


def _reveal(reasons: ipywidgets.VBox):
    def show(change) -> None:
        reasons.layout.display = None if change["new"] else "none"

    return show
