"""Ways to write each digit, letter and mark: what the built-in pen makes of its copybooks.

A form is kept as the few points its strokes run through. Everything that depends on the forms
alone, and not on the hand that writes them, is worked out here once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from crnn_lib.handwriting.pen.copybook import (
    CARELESS,
    CARELESS_MARKS,
    HURRIED,
    MARKS,
    SCHOOL,
)
from crnn_lib.handwriting.pen.letterbook import LETTERS, PUNCTUATION

SAMPLES = 112  # points on the curve of every glyph
DOT = 0.16  # a stroke shorter than that, in heights of a capital, is a dot
FLIGHT = 2.2  # how much farther than other strokes the dot of an i and the bar of a t go astray


@dataclass(frozen=True)
class Form:
    """One way to write a digit, a letter or a mark.

    Parameters
    ----------
    weight : float
        How common the form is among writers, relative to the other forms of its character.
    path : str
        Points ``x,y`` in percent of the writing box, y downwards, in writing order. The pen runs
        smoothly through them, turns sharply at a point with ``!``, and is lifted at ``/``. The
        first ``>`` stands where a neighbour's line enters, one at the end of a stroke where the
        pen may leave for the next letter.

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
        title, path = line.rsplit(":", 1)
        character, weight, name = title.split(maxsplit=2)
        forms.setdefault(character, {})[name] = Form(float(weight), path.strip())
    return dict(sorted(forms.items())) if "0" in forms else forms


_SCHOOL, _HURRIED, MARK_FORMS = map(_read_copybook, (SCHOOL, HURRIED, MARKS))
_CARELESS, _CARELESS_MARKS = map(_read_copybook, (CARELESS, CARELESS_MARKS))
FORMS = {int(digit): forms for digit, forms in _SCHOOL.items()}  # digit -> name -> form
# the same, and what people add who write amounts all day
HURRIED_FORMS = {int(digit): {**_SCHOOL[digit], **forms} for digit, forms in _HURRIED.items()}
# the same, and what is left of digits when nobody has time
CARELESS_FORMS = {
    digit: {**forms, **_CARELESS.get(str(digit), {})} for digit, forms in HURRIED_FORMS.items()
}
CARELESS_MARK_FORMS = {
    mark: {**forms, **{f"careless {n}": form for n, form in _CARELESS_MARKS.get(mark, {}).items()}}
    for mark, forms in MARK_FORMS.items()
}
#: The marks that the pen can draw.
MARK_CHARACTERS = "".join(MARK_FORMS)

_LETTERS, _PUNCTUATION = map(_read_copybook, (LETTERS, PUNCTUATION))
# whatever a text needs; the digits first, so that a writer's favourites are those of the school
TEXT_FORMS = {
    **{str(digit): forms for digit, forms in FORMS.items()},
    **_LETTERS,
    **MARK_FORMS,
    **_PUNCTUATION,
}
#: The characters that :func:`draw_letters` can draw: digits, letters and marks.
TEXT_CHARACTERS = "".join(TEXT_FORMS)

CROWDED = ("#", "$", "*", "=")

DIGITS = tuple(FORMS)
BOOKS: dict[str, Mapping[Any, dict[str, Form]]] = {
    "school": FORMS,
    "hurried": HURRIED_FORMS,
    "marks": MARK_FORMS,
    "letters": TEXT_FORMS,
    "careless": CARELESS_FORMS,
    "careless marks": CARELESS_MARK_FORMS,
}
MARK_BOOKS = ("marks", "careless marks")
HASTE = (0.4, 4.0)  # how much more often who takes time, and who has none, writes a careless form


@dataclass(frozen=True, eq=False, repr=False)
class LetterBook:
    """Forms of all characters of a text, to write with instead of the pen's own.

    Attributes
    ----------
    forms : mapping of str to mapping of str to Form
        Character, name of the form, form; the characters are ``TEXT_CHARACTERS``, in their order. A
        form of a small letter whose name begins with "school" is a joined hand's.
    """

    forms: Mapping[str, Mapping[str, Form]]

    def __post_init__(self) -> None:
        if "".join(self.forms) != TEXT_CHARACTERS or not all(self.forms.values()):
            raise ValueError("A LetterBook needs forms of all TEXT_CHARACTERS, in their order.")

    def __repr__(self) -> str:
        return f"LetterBook({sum(map(len, self.forms.values()))} forms)"


Book: TypeAlias = str | LetterBook  # a name of BOOKS, or a letterbook of one's own


def _book_forms(book: Book) -> Mapping[Any, Mapping[str, Form]]:
    """The forms of a book: character or digit -> name -> form."""
    return book.forms if isinstance(book, LetterBook) else BOOKS[book]


def _names_of(book: Book) -> tuple[tuple[Any, str], ...]:
    """Character and name of each form, one per row of the book's tables."""
    return tuple((key, name) for key, forms in _book_forms(book).items() for name in forms)


def _has_letters(book: Book) -> bool:
    """Whether a book is one of letters, which stand on a line."""
    return book == "letters" or isinstance(book, LetterBook)


NAMES = {book: _names_of(book) for book in BOOKS}


@dataclass(frozen=True)
class FormTables:
    """A book as arrays: F forms of D digits, K points, S strokes, P samples of the curve."""

    first: Tensor  # (D,) row of each digit's first form
    weights: Tensor  # (2, F) how common each form is: with those who print, with those who join
    cumulative: Tensor  # (2, D, forms) cumulative probabilities of the forms of a digit
    points: Tensor  # (F, K, 2)
    freedom: Tensor  # (F, K, 1) how freely a point moves: the ends of strokes most
    stroke: Tensor  # (F, K, S) how far a point goes with each stroke: 0 with those of others
    basis: Tensor  # (F, 2P, K) points -> curve, and the same with rounded corners
    joined: Tensor  # (F, P - 1)
    dots: Tensor  # (F, P) 1 on dots, where the pen rests: they take more ink than lines
    small: Tensor  # (F,) whether its height is that of small letters
    capital: Tensor  # (F,) whether it is a capital
    figure: Tensor  # (F,) whether it is a digit
    enter: Tensor  # (F,) the sample that a neighbour's line comes to, -1 where none can
    leave: Tensor  # (F,) the sample from which the pen goes on to the next letter, or -1
    tail: Tensor  # (F,) how many samples before it belong to the line that leads there
    thickest: Tensor  # (D,) largest radius of the pen in pixels: crowded marks would become blots
    shake: Tensor  # (P, 12) quick waves along the line
    swell: Tensor  # (P, 5) slow waves along the line


@cache
def form_tables(book: Book = "school") -> FormTables:
    """The arrays of a book: digits as taught, as written in a hurry, the marks, or the letters."""
    book_of = _book_forms(book)
    shapes = [list(forms.values()) for forms in book_of.values()]  # per digit or mark
    letters = _has_letters(book)
    strokes = 4 if letters or book in MARK_BOOKS else 3
    compiled = [_compile(form, strokes, letters) for forms in shapes for form in forms]
    most = max(len(points) for points, *_ in compiled)

    def padded(array: np.ndarray, axis: int) -> np.ndarray:
        widths = [(0, 0)] * array.ndim
        widths[axis] = (0, most - array.shape[axis])
        return np.pad(array, widths)

    def tensor(arrays: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(arrays).astype(np.float32))

    counts = [len(forms) for forms in shapes]
    weights = torch.tensor(
        [
            [forms[name].weight * share for share in _tastes(key, name, book)]
            for key, forms in book_of.items()
            for name in forms
        ],
        dtype=torch.float32,
    ).T  # (2, F)
    cumulative = torch.ones((2, len(shapes), max(counts)), dtype=torch.float32)
    for key, ours in enumerate(weights.split(counts, 1)):
        cumulative[:, key, : counts[key]] = ours.cumsum(1) / ours.sum(1, keepdim=True)
        cumulative[:, key, counts[key] - 1 :] = 1.0
    stroke = tensor([padded(stroke, 0) for _, _, stroke, *_ in compiled])
    flying = torch.tensor([key in ("i", "j", "t") for key, _ in _names_of(book)])
    stroke[flying, :, 1:] *= FLIGHT
    time = torch.linspace(0, math.pi, SAMPLES, dtype=torch.float32)[:, None]
    return FormTables(
        first=torch.tensor([0, *np.cumsum(counts)[:-1].tolist()]),
        weights=weights,
        cumulative=cumulative,
        points=tensor([padded(points, 0) for points, *_ in compiled]),
        freedom=tensor([padded(freedom, 0) for _, freedom, *_ in compiled]),
        stroke=stroke,
        basis=tensor([padded(basis, 1) for _, _, _, basis, *_ in compiled]),
        joined=tensor([joined for *_, joined, _, _ in compiled]),
        dots=tensor([dots for *_, dots, _ in compiled]),
        small=torch.tensor([str(key).islower() for key, _ in _names_of(book)]),
        capital=torch.tensor([str(key).isupper() for key, _ in _names_of(book)]),
        figure=torch.tensor([str(key).isdigit() for key, _ in _names_of(book)]),
        enter=torch.tensor([ends[0] for *_, ends in compiled]),
        leave=torch.tensor([ends[1] for *_, ends in compiled]),
        tail=torch.tensor([ends[2] for *_, ends in compiled]),
        thickest=torch.tensor([_thickest(key) for key in book_of]),
        shake=torch.cos(time * torch.arange(8, 32, 2)) / math.sqrt(6),
        swell=torch.cos(time * torch.arange(1, 6)) / math.sqrt(2.5),
    )


def _thickest(key: Any) -> float:
    if not str(key).isalpha():
        return 1.3 if key in CROWDED else 9.0
    return 1.5 if key in "aegkmswABEGHKMNRSWX" else 1.9


def _tastes(key: Any, name: str, book: Book) -> tuple[float, float]:
    """How much more often a form is written by who prints, and by who joins letters.

    Who joins letters is in a hurry, and writes careless digits: all of them.
    """
    if book == "careless":
        return HASTE if name in _CARELESS.get(str(key), {}) else (1.0, 1.0)
    if not str(key).isalpha():
        return 1.0, 1.0
    if name.startswith("school"):
        return 0.02, 1.0
    return 1.0, 0.02 if key.islower() else 0.6


def _compile(form: Form, strokes: int, keep_ends: bool) -> tuple[Any, ...]:
    """Of one form: points, freedom, stroke, basis (2P, K), joined (P - 1,), dots (P,), its ends."""
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
    long = np.bincount([stroke for stroke, _ in pieces], lengths)  # (S,)
    samples = np.maximum(4, np.floor(SAMPLES * lengths / lengths.sum()).astype(int))
    samples[lengths.argmax()] += SAMPLES - samples.sum()

    basis = np.zeros((SAMPLES, len(points)))
    stroke_of = np.zeros(SAMPLES, dtype=int)
    freedom = np.ones((len(points), 1))
    enter, leave, tail = -1, -1, 0
    words = form.path.split("/")[0].split()
    opening = words.index(">") if ">" in words[:-1] else -1  # the first point that is entered
    leaving = [text.split()[-1] == ">" for text in form.path.split("/")]
    at = 0
    for (stroke, run), number in zip(pieces, samples, strict=True):
        basis[at : at + number, run] = _catmull_rom(len(run), number)
        stroke_of[at : at + number] = stroke
        if opening in run[:-1]:
            enter = at + round(run.index(opening) * (number - 1) / (len(run) - 1))
        at += number
        if leaving[stroke]:
            leave, tail = at - 1, (number - 1) // (len(run) - 1)
    for stroke in set(owner):
        ends = [run for s, run in pieces if s == stroke]
        freedom[ends[0][0]] = freedom[ends[-1][-1]] = 1.4
    freedom[middles] = 0.5
    smooth = _smooth_strokes(stroke_of) if keep_ends else _average_strokes(stroke_of)
    return (
        place,
        freedom,
        np.eye(strokes)[owner],
        np.concatenate([basis, smooth @ basis]),
        (np.diff(stroke_of) == 0).astype(float),
        (long[stroke_of] < DOT).astype(float),
        (enter, leave, tail),
    )


def _average_strokes(stroke_of: np.ndarray) -> np.ndarray:
    """Matrix (P, P) that averages a curve along each of its strokes, which shortens them."""
    distance = np.arange(SAMPLES)[:, None] - np.arange(SAMPLES)
    smooth = np.exp(-0.5 * (distance / 5.0) ** 2) * (stroke_of[:, None] == stroke_of)
    return smooth / smooth.sum(1, keepdims=True)


def _smooth_strokes(stroke_of: np.ndarray) -> np.ndarray:
    """Matrix (P, P) that does so and keeps their ends: the bars of letters are short as it is."""
    smooth = np.zeros((SAMPLES, SAMPLES))
    for stroke in set(stroke_of.tolist()):
        at = np.flatnonzero(stroke_of == stroke)
        count = len(at)
        reach = min(12, count - 1)
        mirrored = np.zeros((count + 2 * reach, count))  # beyond an end the curve turns about it
        mirrored[reach : reach + count] = np.eye(count)
        for k in range(1, reach + 1):
            mirrored[reach - k, [0, k]] = (2, -1)
            mirrored[reach + count - 1 + k, [-1, -1 - k]] = (2, -1)
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / 4.0) ** 2)
        rows = [kernel @ mirrored[i : i + 2 * reach + 1] for i in range(count)]
        smooth[np.ix_(at, at)] = np.stack(rows) / kernel.sum()
    return smooth


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
    for word in text.replace(">", " ").split():
        x, y = word.rstrip("!").split(",")
        points.append((float(x) / 100, float(y) / 100, word.endswith("!")))
    return points
