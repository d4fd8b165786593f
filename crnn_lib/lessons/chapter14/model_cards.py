"""A model card: what a model is for, from what it was made, how it reads, whom its errors hurt.

After Mitchell et al. (2019), "Model Cards for Model Reporting", https://arxiv.org/abs/1810.03993,
cut down to one page. What a program can know, such as the figures and the data, is filled in from
the file. What only people can say has to be written, and :func:`faults` names what is missing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Size

from crnn_lib.evaluation import wilson_interval
from crnn_lib.lessons.chapter14.challenge import hard_lines, which_are_read
from crnn_lib.lessons.classroom import measured
from crnn_lib.models import describe_checkpoint, shipped_models

SHORTEST = 20  # characters of a section: less is no sentence

#: Each section, and the question that it answers.
SECTIONS = {
    "reads": "What goes in, what comes out?",
    "made_from": "Which architecture, which data, which command?",
    "intended": "What is it for?",
    "not_for": "What is it not for?",
    "limits": "Where does it fail, and what was never tried?",
    "harms": "Who is hurt when it errs, and how can they object?",
}


@dataclass(frozen=True)
class Figure:
    """One measured number, with all that it takes to believe it.

    Attributes
    ----------
    what : str
        The lines, and how they were read: "the hard lines of notebook 14, best path".
    right, count : int
        So many lines of so many were read without a mistake.
    seed : int, optional
        Of the lines. ``None`` for lines from a file, which are always the same.
    """

    what: str
    right: int
    count: int
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.count or self.count < 1:
            raise ValueError(
                f"A figure is about at least one line, and 0 to all of them are read; got "
                f"{self.right} of {self.count}."
            )

    def __str__(self) -> str:
        low, high = wilson_interval(self.right, self.count)
        chosen = "from a file" if self.seed is None else f"seed {self.seed}"
        return (
            f"{100 * self.right / self.count:.1f} % exact match on {self.what} "
            f"(n = {self.count:,}, {chosen}, 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
        )


@dataclass(frozen=True)
class ModelCard:
    """What one has to know about a model before one uses it."""

    name: str
    reads: str = ""
    made_from: str = ""
    figures: tuple[Figure, ...] = ()
    intended: str = ""
    not_for: str = ""
    limits: str = ""
    harms: str = ""

    def __str__(self) -> str:
        """The card as Markdown."""
        parts = [f"### Model card: {self.name}"]
        for section, question in SECTIONS.items():
            text = getattr(self, section).strip() or "*nobody has written this yet*"
            parts.append(f"**{question}** {text}")
            if section == "made_from":
                rows = [f"- {figure}" for figure in self.figures] or ["- *nothing measured yet*"]
                parts.append("**How well does it read?**\n\n" + "\n".join(rows))
        return "\n\n".join(parts)


#: What the authors of this series say about the models that ship.
WRITTEN = {
    "crnn-digits": {
        "intended": "Learning how such readers work; clean lines of digits, bright on black, 32 "
        "pixels high, whose reading a person checks.",
        "not_for": "Photos (crnn-photos reads those). Decisions about people that nobody checks: "
        "grades, benefits, votes, medicine. Letters, signatures, finding out who wrote a line.",
        "limits": "Its training digits were cut from American forms of the 1990s and drawn by the "
        "pen of this library, then put side by side: no whole number by one hand was among them. "
        "On the pen's hands it reads far fewer lines than on EMNIST's. It has no class for what is "
        "no digit, and reads letters and scribbles as digits. Old age, tremor, other schools of "
        "writing were not measured.",
        "harms": "Whoever writes unlike the training hands is misread more often: a 1 with a long "
        "upstroke, a barred 7, a trembling hand. A wrong number looks as trustworthy as a right "
        "one. Show the image beside the reading, refuse below a threshold chosen on your own "
        "lines, and let people correct what was read of them.",
    },
    "crnn-photos": {
        "intended": "Reading handwritten amounts, dates and decimals from photos and scans, where "
        "a person checks what is refused and a sample of the rest.",
        "not_for": "Decisions about people that nobody checks: grades, benefits, votes, medicine. "
        "Letters, signatures, finding out who wrote a line.",
        "limits": "It learned from composed lines on rendered paper, in digits of MNIST, the pen "
        "and fonts, never from a photo of a whole number by one hand. Corrections and crossed-out "
        "digits are not in them. Among its lines were words, print, shapes and textures with "
        "nothing to read, all of them drawn; it still reads a number on some such things. Of the "
        "marks between digits it knows the point, the comma, the slash and the dash; a slash as "
        "steep as a 1 may be read as one.",
        "harms": "Whoever writes unlike the training hands is misread more often, and so is who "
        "has a poor camera. A wrong amount costs the one it is booked to. Show the image beside "
        "the reading, refuse below a threshold chosen on your own photos, and let people correct "
        "what was read of them.",
    },
    "crnn-words": {
        "intended": "Reading English words, names and numbers, one image each, where a person "
        "checks what is read: a search through scans, a first transcript.",
        "not_for": "Decisions about people that nobody checks: grades, benefits, votes, medicine. "
        "Signatures, finding out who wrote a line. Whole pages, other languages, accents.",
        "limits": "No real handwriting but single digits was among what it learned from: words "
        "were drawn by the pen of this library and in fonts that look handwritten. Joined hands "
        "are rare among them, and it reads them worst. Alone, 0 and O, 1, l and I, and small and "
        "capital letters of one shape cannot be told apart. Of its 81 characters none has an "
        "accent.",
        "harms": "Whoever writes unlike these hands is misread more often, and a name more often "
        "than a common word; a list of words makes another word of it. Show the image beside the "
        "reading, refuse below a threshold chosen on your own images, and let people correct what "
        "was read of them.",
    },
}


def model_card(name_or_path: str | os.PathLike[str], figures: Sequence[Figure] = ()) -> ModelCard:
    """What a file of weights says about itself, as a card.

    For the models that ship, the written sections are filled in. For a model of yours they are
    empty: write them with ``dataclasses.replace(card, intended="...")``.

    Parameters
    ----------
    name_or_path : str or path
        As for :func:`crnn_lib.models.load_model`.
    figures : sequence of Figure
        What you have measured, for example ``[on_hard_lines(model)]``. The metrics in the header
        of a file are not taken over: they do not say on how many lines they were measured.
    """
    story = describe_checkpoint(name_or_path)
    shipped = isinstance(name_or_path, str) and name_or_path in shipped_models()
    name = name_or_path if shipped else Path(name_or_path).name
    characters = story["alphabet"]["characters"]
    card = ModelCard(
        name=str(name),
        reads=f"An image of one line, ink bright on black, {story['config']['height']} pixels "
        f"high. Out comes a text of the characters {characters}, and how probable it is.",
        made_from=_made_from(story),
        figures=tuple(figures),
    )
    return replace(card, **WRITTEN.get(str(name), {})) if shipped else card


def on_hard_lines(model) -> Figure:
    """The exact match of a model on the hard lines of notebook 14."""
    read = which_are_read(model, hard_lines())
    return Figure("the hard lines of notebook 14, best path", sum(read), len(read))


def benchmarked(name: str) -> tuple[Figure, ...]:
    """What benchmarks/RESULTS.md says about how well a model reads; nothing if it says nothing."""
    try:
        section = measured("Reading")
    except FileNotFoundError:  # an installed package, and no network
        return ()
    head = re.search(r"`(\S+)` on (.+) glyphs, n = ([\d,]+) lines a row, seed (\d+)", section)
    if head is None or head[1] != name:
        return ()
    count, seed = int(head[3].replace(",", "")), int(head[4])
    rows = re.findall(r"^\| ([^|]+?) \| ([\d.]+)% \|", section, re.MULTILINE)
    return tuple(
        Figure(f"{what}, glyphs of {head[2]}", round(count * float(share) / 100), count, seed)
        for what, share in rows
    )


def faults(card: ModelCard) -> list[str]:
    """What a card still lacks, a sentence for each; an empty list for a whole card.

    >>> faults(ModelCard("mine", reads="An image of one line of digits."))[0]
    'made_from: nobody has written this yet. Which architecture, which data, which command?'
    """
    found = []
    for section, question in SECTIONS.items():
        text = getattr(card, section).strip()
        if len(text) < SHORTEST:
            lack = "this is too short to be of use" if text else "nobody has written this yet"
            found.append(f"{section}: {lack}. {question}")
    if not card.figures:
        found.append("figures: nothing is measured. A card without a figure is an advertisement.")
    elif max(figure.count for figure in card.figures) < 100:
        found.append("figures: fewer than 100 lines leave an interval of 20 points and more.")
    return found


def _made_from(story: dict[str, Any]) -> str:
    """Architecture, data, command and versions, as far as the header knows them."""
    numbers = sum(
        Size(tensor["shape"]).numel()
        for name, tensor in story["tensors"].items()
        if tensor["dtype"] != "I64" and "running" not in name
    )
    made = story["provenance"]
    parts = [f"A {story['architecture']} of {numbers:,} parameters."]
    glyphs = made.get("glyphs")
    if isinstance(glyphs, dict):
        source = str(glyphs.get("source", "unknown")).replace("+", " and ")
        parts.append(f"Training glyphs: {glyphs.get('count', 0):,} of {source}.")
    for key, words in (("command", "Command: `{}`."), ("date", "Date: {}.")):
        if isinstance(made.get(key), str):
            parts.append(words.format(made[key]))
    if len(parts) == 1:
        parts.append("The file does not say from what it was made.")
    versions = made.get("versions")
    if isinstance(versions, dict):
        parts.append(f"Made with {', '.join(f'{k} {v}' for k, v in sorted(versions.items()))}.")
    return " ".join(parts)
