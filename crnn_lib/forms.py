"""Ways to write each digit: the copybook of the built-in pen.

A form is kept as the few points its strokes run through. Everything that depends on the forms
alone, and not on the hand that writes them, is worked out here once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

SAMPLES = 112  # points on the curve of every glyph


@dataclass(frozen=True)
class Form:
    """One way to write a digit.

    Parameters
    ----------
    weight : float
        How common the form is among writers, relative to the other forms of its digit.
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


# The copybook, a line per form: digit, weight, name, path.
_COPYBOOK = """
0 4 oval: 54,1 34,6 20,32 20,64 34,94 54,99 74,84 81,50 74,16 56,1 44,3
0 2 round: 56,4 28,10 8,38 10,72 34,96 66,94 90,68 90,34 70,8 48,4
0 1.5 overlapping: 66,16 46,1 26,18 18,58 32,94 56,98 78,74 80,36 64,8 42,2 26,14
0 1 open: 45,4 24,26 19,62 34,95 56,98 76,76 81,40 72,14 60,6
0 1 tail: 58,4 34,6 20,34 20,66 36,95 58,97 78,74 78,36 62,8 52,2 70,4 92,0
0 1 looped: 40,4 24,28 20,64 36,96 58,97 78,72 76,32 58,6 44,8 50,18 68,14 84,2
0 0.8 long start: 84,2 52,4 26,24 18,60 34,94 60,98 82,72 76,36 52,20 32,26
0 0.5 flat: 52,20 20,28 2,50 16,76 50,84 84,74 98,50 82,26 46,20
0 0.4 curl: 66,30 46,14 26,30 18,62 34,94 56,98 78,74 80,36 64,8 40,2 24,14
0 0.3 slashed: 54,1 34,6 20,34 20,66 34,94 54,99 74,84 81,50 74,16 52,1 / 84,8 18,94
1 6 plain: 52,0 50,50 48,100
1 1.5 flagged: 30,24 54,0! 52,50 50,100
1 1 flagged with foot: 28,20 52,0! 50,100 / 24,100 78,99
1 0.6 long flag: 14,42 56,0! 54,50 52,100
1 0.5 wide foot: 22,30 54,0! 52,50 50,100 / 8,98 92,96
1 0.3 level flag: 22,12 54,2! 52,50 48,100
1 0.2 foot: 50,0 50,100 / 28,100 74,100
2 3 swan: 20,22 34,5 56,0 75,12 74,34 54,64 20,97! 50,95 84,96
2 3 looped: 20,18 40,2 64,5 75,24 64,52 42,82 22,94 14,86 26,79 46,88 64,97 88,90
2 2 wave: 20,20 42,1 68,6 74,28 56,60 24,92! 42,88 62,96 86,92
2 2 big loop: 22,14 46,0 70,10 72,36 52,70 30,94 12,94 12,76 32,72 56,86 90,96
2 1.4 two loops: 44,36 22,22 38,0 68,4 74,28 52,64 26,92 10,84 22,70 48,86 94,92
2 1.2 tall loop: 26,18 48,0 72,8 74,34 54,76 30,98 12,90 18,66 46,58 76,62 100,64
2 1.2 reversed six: 22,26 38,4 64,2 77,26 64,66 38,98 14,90 18,66 44,58 68,76 90,96
2 0.8 falling end: 24,16 48,0 70,10 70,36 44,76 22,92 8,80 26,62 56,66 74,84 82,104
2 0.8 curled top: 40,32 24,20 36,2 66,4 76,26 58,60 22,97! 48,92 84,94
2 0.8 low start: 10,36 20,14 46,0 72,8 74,32 48,66 22,90 10,80 28,70 58,84 104,88
2 0.8 angular: 18,8 76,4! 54,44 18,96! 84,96
2 0.7 closed top: 48,44 28,30 32,4 62,0 76,22 60,56 24,96! 48,92 86,94
2 0.7 long foot: 24,24 44,2 62,10 60,40 34,78 16,98 8,90 20,84 56,94 100,86
2 0.5 short foot: 26,22 42,2 64,4 72,26 58,60 26,98! 44,96 62,98
2 0.3 crossed: 18,8 76,4! 54,44 18,96! 84,96 / 28,52 68,46
3 4 round: 22,12 46,0 70,8 72,28 58,42 40,47! 64,50 79,66 74,88 50,100 22,92
3 2 smooth: 24,10 50,0 72,14 66,36 50,47 70,56 77,78 56,99 20,92
3 1.5 looped: 22,14 48,0 72,12 68,34 46,48 34,50 44,42 68,52 78,74 58,98 20,92
3 1 flat top: 20,4 76,3! 44,40! 68,46 80,68 68,94 42,100 18,90
3 1 straight tail: 20,12 46,0 70,10 64,34 40,46! 64,52 72,70 56,90 30,104
3 1 deep: 18,8 50,0 74,14 60,38 36,44! 66,46 84,66 76,92 44,100 14,86
3 0.7 level top: 8,14 40,6 74,4 62,28 42,44! 66,48 78,70 62,96 34,100 20,92
3 0.7 big belly: 32,6 54,0 66,12 58,30 36,38! 68,40 90,64 76,94 44,100 12,88
3 0.7 small belly: 14,10 46,0 80,12 78,36 48,56! 66,60 72,76 56,96 30,98
3 0.6 m: 6,24 30,2 50,8 50,30 34,50! 60,36 82,48 80,72 58,100
3 0.5 lying: 10,30 40,4 62,10 54,36 36,52! 64,44 88,58 84,84 60,100
4 3 open: 26,4 20,50! 50,52 84,48 / 70,6 66,50 62,100
4 2 stem sticking out: 34,14 16,56! 50,56 92,50 / 72,0 66,50 60,100
4 2 rounded: 24,4 20,34 32,52 54,52 74,36 / 80,2 72,50 66,100
4 2 one stroke: 22,6 18,38 34,54 58,48 80,6! 72,50 66,100
4 1.5 closed: 62,0 38,32 12,64! 50,64 90,62 / 64,0 62,50 60,100
4 1 nearly closed: 52,2 26,32 18,54! 50,54 82,50 / 70,4 66,50 60,100
4 0.7 lightning: 46,0 18,58! 74,46! 64,72 54,100
4 0.7 low bar: 36,0 24,36 14,66! 50,66 88,62 / 66,24 62,60 58,100
4 0.6 round top: 48,4 30,22 18,48 36,57 62,50 78,8! 72,50 64,100
5 2.5 bar: 32,2 26,44! 48,36 74,48 77,74 56,98 18,92 / 32,3 82,0
5 2.5 one stroke: 82,2 34,3! 27,42! 48,36 74,50 75,78 54,98 18,92
5 2 snake: 82,4 54,2 34,16 32,36 56,48 74,64 70,88 46,100 14,90
5 1.8 closed belly: 80,4 38,4! 28,44! 54,36 78,56 72,88 46,100 22,84 28,64
5 1.5 slanting: 90,0 48,8! 34,42! 56,46 66,64 56,88 34,100 12,94
5 1 flying bar: 34,8 26,48! 48,40 74,52 76,78 54,100 16,92 / 46,2 96,-8
5 1 long bar: 30,18 24,50! 44,46 60,60 54,84 32,100 8,92 / 30,18 62,12 104,2
5 1 round belly: 96,0 48,6! 30,40! 58,38 80,58 64,88 32,98 10,84 12,66
5 0.7 flat: 112,0 40,8! 22,44! 56,40 82,52 74,80 40,96 -10,98
5 0.7 wide belly: 66,2 26,4! 20,36! 56,34 90,56 82,88 46,100 10,88
5 0.6 no bar: 44,0 26,42! 50,38 76,52 76,78 54,100 18,92
5 0.5 angular: 78,4 36,2! 28,44! 74,52 66,80 20,98
6 3 big loop: 62,0 38,22 22,58 28,90 52,100 76,84 72,60 50,50 26,68
6 2 small loop: 60,0 38,32 24,70 34,97 58,98 68,82 54,68 28,82
6 1.5 curved top: 76,8 56,0 34,18 22,54 28,88 52,100 76,82 70,58 48,52 26,70
6 1.5 straight: 66,0 42,36 24,72 38,98 64,94 72,72 54,60 30,78
6 1 spiral: 62,0 34,26 20,62 30,94 58,98 76,78 64,58 42,64 40,78
6 1 wide loop: 26,0 14,38 14,78 38,100 74,92 90,66 74,46 54,56 46,84
6 1 curled in: 30,0 18,44 22,84 48,100 76,86 80,56 62,44 46,60 50,92
6 1 open: 54,0 32,30 22,66 34,96 60,98 78,80 70,62 54,60
6 0.7 low loop: 44,0 32,40 24,82 42,100 72,96 82,80 66,70 34,86
6 0.7 thin: 58,0 44,34 34,76 44,98 60,92 60,74 48,70 38,84
6 0.7 leaning: 92,0 56,22 26,58 20,88 44,100 66,84 64,64 44,62 24,80
6 0.3 cradle: 40,0 22,36 18,78 44,100 78,88 84,66 68,58
7 4 plain: 16,6 48,4 82,4! 62,48 46,100
7 2 curved stem: 16,6 48,6 82,3! 58,38 46,100
7 2 rounded: 16,12 38,3 66,4 76,18 62,54 48,100
7 1.5 crossed: 16,6 48,4 82,4! 62,48 44,100 / 34,50 80,48
7 1.5 flagged: 18,22 20,4! 50,5 82,3! 60,50 46,100
7 1.2 deep hook: 12,38 24,6! 40,20 64,16 86,2! 66,50 52,100
7 1 hooked: 14,34 22,6! 36,14 58,10 82,4! 64,46 52,100
7 1 wavy: 14,16 28,2 52,8 84,0! 62,46 48,100
7 0.7 bent stem: 12,14 34,3 70,4 86,22 72,60 36,100
7 0.7 wide cross: 22,6 50,4 78,4! 62,50 50,100 / 14,54 88,46
7 0.7 arched: 16,30 22,8 50,0 74,12 72,42 56,70 44,100
7 0.5 flagged and crossed: 18,20 20,4! 50,5 82,3! 60,50 42,100 / 34,50 78,47
7 0.4 hooked and crossed: 14,24 22,2! 38,10 60,8 82,2! 62,50 50,100 / 30,58 84,50
7 0.15 with foot: 16,8 48,4 80,4! 60,50 46,100 / 26,100 66,98
8 4 s: 74,12 52,0 28,10 30,32 52,48 74,66 74,90 48,100 26,88 32,66 54,46 74,24 72,8
8 2 open top: 66,8 44,0 28,14 36,36 60,54 72,78 58,98 34,96 26,76 42,54 66,30 82,2
8 1.5 from the left: 30,14 28,30 52,48 72,68 70,92 48,100 28,90 30,68 52,48 74,26 66,4 46,0 28,14
8 1.2 thin bottom: 80,6 56,0 28,8 24,28 46,46 60,64 58,88 46,100 38,86 46,62 70,34 82,12 70,0
8 1 two circles: 52,0 30,10 32,36 52,46 72,34 72,10 50,0 / 52,46 26,60 26,88 52,99 78,88 76,60 50,46
8 1 long end: 60,10 40,4 26,18 36,36 60,54 70,76 56,98 34,96 26,78 42,58 68,34 100,0
8 1 narrow: 70,8 52,0 36,12 40,34 60,58 62,88 44,100 28,86 40,58 62,34 72,14 62,2
8 0.8 big top: 78,16 52,0 22,12 22,38 50,56 66,74 62,94 46,100 34,90 40,70 62,52 80,32 76,12
8 0.8 small top: 66,8 50,0 36,10 38,26 56,40 80,60 80,88 50,100 22,88 24,62 48,40 64,24 64,8
8 0.7 wide: 70,14 46,0 14,10 16,34 50,48 92,64 96,90 52,100 8,90 12,64 48,46 80,26 74,6
8 0.3 ribbon: 28,100 46,62 72,26 60,2 38,5 34,30 54,62 76,96
9 3 straight: 74,16 52,1 28,12 24,38 44,50 68,38 76,8! 73,54 70,100
9 2.5 leaning: 76,12 54,0 30,14 26,38 46,46 70,26 78,8! 62,54 46,100
9 2 curved tail: 74,16 52,1 28,12 24,38 44,50 68,36 76,10! 74,56 58,94 26,98
9 2 round: 70,36 44,48 24,32 34,6 60,0 76,20 74,54 62,100
9 1.3 capped: 88,4 54,2 28,16 28,36 48,44 70,30 78,10! 70,54 60,100
9 1.3 small loop: 72,8 56,0 38,6 36,24 50,34 68,22 74,6! 66,50 54,100
9 1 open: 62,4 38,8 24,32 36,48 60,40 76,6! 70,52 64,100
9 1 looped: 66,28 44,46 26,36 32,10 58,0 76,18 78,56 60,96 36,98 30,84 44,74
9 0.8 big loop: 80,14 54,0 22,10 12,34 30,54 60,48 80,14! 78,60 74,100
9 0.8 hanging: 82,6 44,4 24,22 34,40 62,34 80,8! 66,54 52,100
9 0.5 cup: 44,2 24,20 26,40 46,46 68,34 78,0! 72,50 62,100
"""


def _read_copybook(text: str) -> dict[int, dict[str, Form]]:
    forms: dict[int, dict[str, Form]] = {}
    for line in text.strip().splitlines():
        title, path = line.split(":")
        digit, weight, name = title.split(maxsplit=2)
        forms.setdefault(int(digit), {})[name] = Form(float(weight), path.strip())
    return forms


FORMS = _read_copybook(_COPYBOOK)  # digit -> name -> form

DIGITS = tuple(sorted(FORMS))
NAMES = tuple((digit, name) for digit in DIGITS for name in FORMS[digit])  # one row per form


@dataclass(frozen=True)
class FormTables:
    """All forms compiled to arrays; F forms, K points at most, P samples of the curve."""

    first: Tensor  # (10,) row of each digit's first form
    cumulative: Tensor  # (10, forms) cumulative probabilities of the forms of a digit
    points: Tensor  # (F, K, 2)
    freedom: Tensor  # (F, K, 1) how freely a point moves: the ends of strokes most
    stroke: Tensor  # (F, K, 3) which stroke a point belongs to, one-hot
    basis: Tensor  # (F, 2P, K) points -> curve, and the same with rounded corners
    joined: Tensor  # (F, P - 1)
    shake: Tensor  # (P, 12) quick waves along the line
    swell: Tensor  # (P, 5) slow waves along the line


@lru_cache(maxsize=1)
def form_tables() -> FormTables:
    forms = [FORMS[digit][name] for digit, name in NAMES]
    compiled = [_compile(form) for form in forms]
    most = max(len(points) for points, *_ in compiled)

    def padded(array: np.ndarray, axis: int) -> np.ndarray:
        widths = [(0, 0)] * array.ndim
        widths[axis] = (0, most - array.shape[axis])
        return np.pad(array, widths)

    def tensor(arrays: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(arrays).astype(np.float32))

    counts = [len(FORMS[digit]) for digit in DIGITS]
    cumulative = torch.ones((len(DIGITS), max(counts)), dtype=torch.float32)
    for digit in DIGITS:
        weights = torch.tensor([form.weight for form in FORMS[digit].values()], dtype=torch.float32)
        cumulative[digit, : len(weights)] = weights.cumsum(0) / weights.sum()
        cumulative[digit, len(weights) - 1 :] = 1.0
    time = torch.linspace(0, math.pi, SAMPLES, dtype=torch.float32)[:, None]
    return FormTables(
        first=torch.tensor([0, *np.cumsum(counts)[:-1].tolist()]),
        cumulative=cumulative,
        points=tensor([padded(points, 0) for points, *_ in compiled]),
        freedom=tensor([padded(freedom, 0) for _, freedom, *_ in compiled]),
        stroke=tensor([padded(stroke, 0) for _, _, stroke, *_ in compiled]),
        basis=tensor([padded(basis, 1) for *_, basis, _ in compiled]),
        joined=tensor([joined for *_, joined in compiled]),
        shake=torch.cos(time * torch.arange(8, 32, 2)) / math.sqrt(6),
        swell=torch.cos(time * torch.arange(1, 6)) / math.sqrt(2.5),
    )


def _compile(form: Form) -> tuple[np.ndarray, ...]:
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
        np.eye(3)[owner],
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
