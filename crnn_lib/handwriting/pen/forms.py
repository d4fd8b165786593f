"""Ways to write each digit: what the built-in pen makes of its copybook.

A form is kept as the few points its strokes run through. Everything that depends on the forms
alone, and not on the hand that writes them, is worked out here once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crnn_lib.handwriting.pen.copybook import HURRIED, MARKS, SCHOOL

SAMPLES = 112  # points on the curve of every glyph


@dataclass(frozen=True)
class Form:
    """One way to write a digit or a mark.

    Parameters
    ----------
    weight : float
        How common the form is among writers, relative to the other forms of its character.
    path : str
        Points ``x,y`` in percent of the writing box, y downwards, in writing order. The pen runs
        smoothly through them, turns sharply at a point with ``!``, and is lifted at ``/``.

    Examples
    --------
    >>> Form(1.0, "20,0 80,0! 40,100 / 30,50 70,50").strokes
    (((0.2, 0.0), (0.8, 0.0), (0.4, 1.0)), ((0.3, 0.5), (0.7, 0.5)))
    """

    weight: float
    path: str

    @property
    def strokes(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        """The points of each stroke, in units of the writing box."""
        return tuple(
            tuple((x, y) for x, y, _ in _parse_stroke(part)) for part in self.path.split("/")
        )


def _read_copybook(text: str) -> dict[str, dict[str, Form]]:
    forms: dict[str, dict[str, Form]] = {}
    for line in text.strip().splitlines():
        title, path = line.split(":")
        character, weight, name = title.split(maxsplit=2)
        forms.setdefault(character, {})[name] = Form(float(weight), path.strip())
    return dict(sorted(forms.items())) if "0" in forms else forms


_SCHOOL, _HURRIED, MARK_FORMS = map(_read_copybook, (SCHOOL, HURRIED, MARKS))
FORMS = {int(digit): forms for digit, forms in _SCHOOL.items()}  # digit -> name -> form
# the same, and what people add who write amounts all day
HURRIED_FORMS = {int(digit): {**_SCHOOL[digit], **forms} for digit, forms in _HURRIED.items()}
#: The marks that the pen can draw.
MARK_CHARACTERS = "".join(MARK_FORMS)

CROWDED = ("#", "$", "*", "=")

DIGITS = tuple(FORMS)
BOOKS: dict[str, Mapping[Any, dict[str, Form]]] = {
    "school": FORMS,
    "hurried": HURRIED_FORMS,
    "marks": MARK_FORMS,
}
NAMES = {  # one row per form
    book: tuple((key, name) for key in forms for name in forms[key])
    for book, forms in BOOKS.items()
}


@dataclass(frozen=True)
class FormTables:
    """A book as arrays: F forms of D digits, K points, S strokes, P samples of the curve."""

    first: Tensor  # (D,) row of each digit's first form
    cumulative: Tensor  # (D, forms) cumulative probabilities of the forms of a digit
    points: Tensor  # (F, K, 2)
    freedom: Tensor  # (F, K, 1) how freely a point moves: the ends of strokes most
    stroke: Tensor  # (F, K, S) which stroke a point belongs to, one-hot
    basis: Tensor  # (F, 2P, K) points -> curve, and the same with rounded corners
    joined: Tensor  # (F, P - 1)
    thickest: Tensor  # (D,) largest radius of the pen in pixels: crowded marks would become blots
    shake: Tensor  # (P, 12) quick waves along the line
    swell: Tensor  # (P, 5) slow waves along the line


@cache
def form_tables(book: str = "school") -> FormTables:
    """The arrays of a book: the digits as taught, as written in a hurry, or the marks."""
    shapes = [list(forms.values()) for forms in BOOKS[book].values()]  # per digit or mark
    compiled = [_compile(form, 4 if book == "marks" else 3) for forms in shapes for form in forms]
    most = max(len(points) for points, *_ in compiled)

    def padded(array: np.ndarray, axis: int) -> np.ndarray:
        widths = [(0, 0)] * array.ndim
        widths[axis] = (0, most - array.shape[axis])
        return np.pad(array, widths)

    def tensor(arrays: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(arrays).astype(np.float32))

    counts = [len(forms) for forms in shapes]
    cumulative = torch.ones((len(shapes), max(counts)), dtype=torch.float32)
    for row, forms in zip(cumulative, shapes, strict=True):
        weights = torch.tensor([form.weight for form in forms], dtype=torch.float32)
        row[: len(weights)] = weights.cumsum(0) / weights.sum()
        row[len(weights) - 1 :] = 1.0
    time = torch.linspace(0, math.pi, SAMPLES, dtype=torch.float32)[:, None]
    return FormTables(
        first=torch.tensor([0, *np.cumsum(counts)[:-1].tolist()]),
        cumulative=cumulative,
        points=tensor([padded(points, 0) for points, *_ in compiled]),
        freedom=tensor([padded(freedom, 0) for _, freedom, *_ in compiled]),
        stroke=tensor([padded(stroke, 0) for _, _, stroke, *_ in compiled]),
        basis=tensor([padded(basis, 1) for *_, basis, _ in compiled]),
        joined=tensor([joined for *_, joined in compiled]),
        thickest=torch.tensor([1.3 if key in CROWDED else 9.0 for key in BOOKS[book]]),
        shake=torch.cos(time * torch.arange(8, 32, 2)) / math.sqrt(6),
        swell=torch.cos(time * torch.arange(1, 6)) / math.sqrt(2.5),
    )


def _compile(form: Form, strokes: int) -> tuple[np.ndarray, ...]:
    """Arrays of one form: points, freedom, stroke, basis (2P, K), joined (P - 1,)."""
    points: list[tuple[float, float]] = []
    owner: list[int] = []
    middles: list[int] = []
    pieces: list[tuple[int, list[int]]] = []  # smooth runs between corners: stroke, point indices
    for stroke, text in enumerate(form.path.split("/")):
        run: list[int] = []
        parsed = _parse_stroke(text)
        for i, (x, y, corner) in enumerate(parsed):
            run.append(len(points))
            points.append((x, y))
            owner.append(stroke)
            if (corner and run[:-1]) or i == len(parsed) - 1:
                if len(run) == 2:  # a straight line: give it a middle, so that it can bow
                    a, b = run
                    run = [a, len(points), b]
                    middles.append(len(points))
                    points.append(tuple(np.mean([points[a], points[b]], axis=0)))
                    owner.append(stroke)
                pieces.append((stroke, run))
                run = [run[-1]]
    place = np.array(points)
    lengths = np.array(
        [np.linalg.norm(np.diff(place[run], axis=0), axis=1).sum() for _, run in pieces]
    )
    samples = np.maximum(4, np.floor(SAMPLES * lengths / lengths.sum()).astype(int))
    samples[lengths.argmax()] += SAMPLES - samples.sum()

    basis = np.zeros((SAMPLES, len(points)))
    stroke_of = np.zeros(SAMPLES, dtype=int)
    freedom = np.ones((len(points), 1))
    at = 0
    for (stroke, run), number in zip(pieces, samples, strict=True):
        basis[at : at + number, run] = _catmull_rom(len(run), number)
        stroke_of[at : at + number] = stroke
        at += number
    for stroke in set(owner):
        ends = [run for s, run in pieces if s == stroke]
        freedom[ends[0][0]] = freedom[ends[-1][-1]] = 1.4
    freedom[middles] = 0.5
    distance = np.arange(SAMPLES)[:, None] - np.arange(SAMPLES)
    smooth = np.exp(-0.5 * (distance / 5.0) ** 2) * (stroke_of[:, None] == stroke_of)
    smooth /= smooth.sum(1, keepdims=True)
    return (
        place,
        freedom,
        np.eye(strokes)[owner],
        np.concatenate([basis, smooth @ basis]),
        (np.diff(stroke_of) == 0).astype(float),
    )


def _catmull_rom(points: int, samples: int) -> np.ndarray:
    """Matrix (samples, points) from the points of a run to samples of the curve through them."""
    extended = np.zeros((points + 2, points))  # one point more at each end, straight on
    extended[1:-1] = np.eye(points)
    extended[0, :2] = (2, -1)
    extended[-1, -2:] = (-1, 2)
    t = np.linspace(0, points - 1, samples)
    i = np.minimum(t.astype(int), points - 2)
    t = (t - i)[:, None]
    return 0.5 * (
        2 * extended[i + 1]
        + t * (extended[i + 2] - extended[i])
        + t**2 * (2 * extended[i] - 5 * extended[i + 1] + 4 * extended[i + 2] - extended[i + 3])
        + t**3 * (3 * extended[i + 1] - extended[i] - 3 * extended[i + 2] + extended[i + 3])
    )


def _parse_stroke(text: str) -> list[tuple[float, float, bool]]:
    points = []
    for word in text.split():
        x, y = word.rstrip("!").split(",")
        points.append((float(x) / 100, float(y) / 100, word.endswith("!")))
    return points
