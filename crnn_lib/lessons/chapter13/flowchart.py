"""The debugging chart of notebook 13: from a symptom to its cause, one question at a time.

The chart is data, so that it can be drawn, printed as words, and held against the notebook.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from crnn_lib.plots import BAR, INK, canvas, say, styled


@dataclass(frozen=True)
class Step:
    """One question on the way.

    Attributes
    ----------
    question : str
    stop : {"yes", "no"}
        The answer that ends the search; with the other one it goes on.
    cure : str
        What to do then.
    where : str
        Case, or notebook, that tells more.
    """

    question: str
    stop: str
    cure: str
    where: str


CHART: dict[str, tuple[Step, ...]] = {
    "the loss is negative": (
        Step(
            "Does exp of each frame's classes sum to 1?",
            "no",
            "Scores, not log-probabilities: log_softmax over the classes.",
            "case 1",
        ),
        Step(
            "Is the blank among the labels?",
            "yes",
            "Give true target lengths. Let the characters begin after the blank.",
            "cases 2 and 7",
        ),
        Step(
            "Is it as small as -0.000001?",
            "yes",
            "Rounding. Leave it alone.",
            "a loss of 0",
        ),
    ),
    "the loss is inf": (
        Step(
            "Which lines? Do they have fewer frames than minimum_frames?",
            "yes",
            "Smaller stride, wider line, or mend the text. Not zero_infinity.",
            "case 3",
        ),
        Step(
            "Only long lines?",
            "yes",
            "Sums of probabilities underflow: sum in logarithms.",
            "case 10",
        ),
        Step(
            "Is there a -inf in the log-probabilities?",
            "yes",
            "A softmax was 0 before its log was taken: use log_softmax.",
            "notebook 04",
        ),
    ),
    "the loss is NaN": (
        Step(
            "Was it inf one step before?",
            "yes",
            "Then that is the question: see above.",
            "the loss is inf",
        ),
        Step(
            "Is the first loss fine, and the first gradient NaN?",
            "yes",
            "-inf minus -inf: a finite number, -1e30, for what cannot be reached.",
            "case 11",
        ),
        Step(
            "Is there a NaN in the images?",
            "no",
            "The step was too large: clip the gradient, lower the rate.",
            "TrainConfig",
        ),
    ),
    "all blanks": (
        Step(
            "Is the loss still falling?",
            "yes",
            "The plateau at the beginning. Wait.",
            "notebook 06",
        ),
        Step(
            "Can it learn 32 lines by heart?",
            "no",
            "Something between image and loss is broken: poke a column.",
            "notebook 06",
        ),
        Step(
            "Is the blank the same class in the loss and in the reader?",
            "no",
            "Hand one alphabet to both. Test at both ends.",
            "case 5",
        ),
    ),
    "missing double letters": (
        Step(
            "Is there a blank between them before the collapse?",
            "yes",
            "The reader merges twice, or drops the blanks first.",
            "case 6",
        ),
        Step(
            "Are there frames enough for all doubles?",
            "no",
            "Stride less. Count with minimum_frames, not with len.",
            "case 3",
        ),
        Step(
            "Were there doubles among the training texts?",
            "no",
            "Put them there. Of random texts of five digits, two in three have none.",
            "notebook 05",
        ),
    ),
    "train 99, eval 10": (
        Step(
            "Do the same lines read alike in train() and in eval()?",
            "no",
            "A forgotten eval(), or averages that have not settled.",
            "case 12",
        ),
        Step(
            "Does a line read as if it were alone?",
            "no",
            "Padding, a carried state, a wrong axis.",
            "case 13",
        ),
        Step(
            "Does a perfect reader get 1.0?",
            "no",
            "Divide by the lines that were read.",
            "case 14",
        ),
    ),
}
REST = "None of these? Then it may be the data: other hands, other paper. Notebooks 05 and 12."

LEFT, BOX, GAP, TALL, PITCH = 98, 148, 12, 40, 106  # points


@styled
def plot_flowchart(chart: dict[str, tuple[Step, ...]] = CHART) -> Figure:
    """One row per symptom, its questions from left to right, and below each what to do."""
    height = 8 + PITCH * len(chart) + 16
    figure, axes = canvas(LEFT + 3 * BOX + 2 * GAP - 12, height)
    for row, (symptom, steps) in enumerate(chart.items()):
        top = 8 + row * PITCH
        _box(axes, 4, top, LEFT - 22, TALL, symptom, 12, face=INK, colour="white", bold=True)
        before = LEFT - 18
        for k, step in enumerate(steps):
            left = LEFT + k * (BOX + GAP)
            _arrow(axes, (before, top + TALL / 2), (left, top + TALL / 2))
            _box(axes, left, top, BOX - 16, TALL, step.question, 29, face="#f1eee6")
            before, down = left + BOX - 16, left + 24
            _arrow(axes, (down, top + TALL), (down, top + TALL + 15))
            axes.text(down + 5, top + TALL + 11, step.stop, size=8, weight="bold", color=INK)
            text = f"{step.cure}\n"
            _box(axes, left, top + TALL + 15, BOX - 16, TALL, text, 31, face="white")
            at = (left + 4, top + 2 * TALL + 11)
            axes.text(*at, f"→ {step.where}", size=7.5, style="italic", color=BAR)
            if k + 1 < len(steps):
                other = "no" if step.stop == "yes" else "yes"
                axes.text(
                    before + 14, top + TALL / 2 - 5, other, size=8, weight="bold", ha="center"
                )
    axes.text(LEFT, height - 8, REST, size=8.5, va="baseline")
    return say(figure, f"A chart of {len(chart)} symptoms: {', '.join(chart)}. In words:")


def flowchart_in_words(chart: dict[str, tuple[Step, ...]] = CHART) -> str:
    """The same chart as text, for reading aloud and for those who do not see the figure."""
    lines = []
    for symptom, steps in chart.items():
        lines.append(f"{symptom.upper()}")
        for number, step in enumerate(steps, 1):
            text = f"{number}. {step.question} If {step.stop}: {step.cure} ({step.where})"
            lines += textwrap.wrap(text, 96, initial_indent="  ", subsequent_indent="     ")
    return "\n".join([*lines, REST])


def _box(axes: Axes, left, top, width, height, text, columns, *, face, colour=INK, bold=False):
    style = {"boxstyle": "round,pad=0,rounding_size=4", "linewidth": 0.9}
    axes.add_patch(
        FancyBboxPatch((left, top), width, height, facecolor=face, edgecolor=INK, **style)
    )
    lines = "\n".join(textwrap.wrap(text, columns))
    weight = "bold" if bold else "normal"
    if face == "white":  # room for the line that says where
        axes.text(left + 4, top + 3, lines, va="top", size=7.5, color=colour, linespacing=1.05)
        return
    middle = (left + width / 2, top + height / 2)
    axes.text(*middle, lines, ha="center", va="center", size=8, color=colour, weight=weight)


def _arrow(axes: Axes, start, end):
    look = {"arrowstyle": "-|>", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=look | {"mutation_scale": 7})
