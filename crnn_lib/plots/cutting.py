"""Figures of cutting: pieces, profile and cuts of a line; exact match against the spacing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from crnn_lib.cutting import Cut, column_profile, cut_line
from crnn_lib.evaluation import wilson_interval
from crnn_lib.plots.style import (
    ACCENT,
    CURVES,
    FAINT,
    INK,
    MARK,
    MARKERS,
    WIDTH,
    _lay_image,
    canvas,
    draw_grid,
    draw_ink,
    say,
    styled,
)

# The explorer's. Neighbours differ in brightness too, and every piece has its number.
HUES = ("#004488", "#d67400", "#005844", "#c860b0", "#544600", "#7c7c8c")
PROFILE, BOX = 26.0, 56  # points: the profile of a line; the side of a piece in MNIST's form


@styled
def plot_cuts(
    images: Sequence, captions: Sequence[str] = (), *, texts: Sequence[str] = ()
) -> Figure:
    """Lines with their pieces coloured and numbered, the profile and the cuts below.

    Parameters
    ----------
    images : sequence of (H, W) arrays in [0, 1]
        One line each, without padding.
    captions : sequence of str, optional
        What stands above each line.
    texts : sequence of str, optional
        One digit per piece, to stand below it.
    """
    images = [np.asarray(image) for image in images]
    if not images:
        raise ValueError("images holds at least one line; got none.")
    for name, given in (("captions", captions), ("texts", texts)):
        several = isinstance(given, Sequence) and not isinstance(given, str)
        several = several and all(isinstance(text, str) for text in given)
        if not several or len(given) not in (0, len(images)):
            raise ValueError(
                f"{name} are one str for each of {len(images)} lines, or none; got {given!r:.80}."
            )
    cuts = [cut_line(image) for image in images]
    for n, (text, cut) in enumerate(zip(texts, cuts, strict=False)):
        if len(text) > (pieces := int(cut.pieces.max(initial=0))):
            raise ValueError(
                f"texts has one digit for each piece; number {n} is {text!r:.80}, and its line "
                f"was cut into {pieces}."
            )
    room = 72 * WIDTH - 16
    widest = max(image.shape[1] for image in images)
    per_row = 2 if len(images) > 3 else 1
    scale = min(3.0, (room / per_row - 24) / widest)
    tall = max(image.shape[0] for image in images) * scale
    pitch = 30 + tall + PROFILE + (20 if texts else 6)
    rows = -(-len(images) // per_row)
    width = per_row * (widest * scale + 24) + 8
    figure, axes = canvas(max(width, 260), rows * pitch + 4)
    for n, (image, cut) in enumerate(zip(images, cuts, strict=True)):
        left, top = 8 + (n % per_row) * (width - 8) / per_row, 28 + (n // per_row) * pitch
        if captions:
            axes.text(left, top - 15, captions[n], va="baseline")
        _draw_cut(axes, image, cut, left, top, scale, texts[n] if texts else "")
    counts = ", ".join(str(len(np.unique(cut.joined)) - 1) for cut in cuts)
    split = ", ".join(str(len(cut.columns)) for cut in cuts)
    return say(figure, f"Connected pieces: {counts}. Cuts at valleys of the profile: {split}.")


def _draw_cut(
    axes: Axes, image: np.ndarray, cut: Cut, left: float, top: float, scale: float, text: str
) -> None:
    height, width = image.shape
    draw_ink(axes, image, left, top, scale)
    numbers = [int(n) for n in np.unique(cut.joined) if n]
    before, raised = -np.inf, 0.0  # where the last number stands, and how much higher than most
    for k, number in enumerate(sorted(numbers, key=lambda n: _middle(cut.joined, n))):
        hue = HUES[k % len(HUES)]
        paper = LinearSegmentedColormap.from_list("piece", ["#f6f4ee", hue])
        own = np.ma.masked_where(cut.joined != number, image)
        extent = (left, left + width * scale, top + height * scale, top)
        _lay_image(axes, own, extent, cmap=paper, vmin=0, vmax=1, interpolation="nearest")
        at = left + (_middle(cut.joined, number) + 0.5) * scale
        raised = 8 - raised if at - before < 7 else 0.0  # two numbers never stand on each other
        before = at
        axes.text(at, top - 3 - raised, str(k + 1), ha="center", va="baseline", size=7, color=INK)
    bottom = top + height * scale + PROFILE
    profile = column_profile(image)
    for x, count in enumerate(profile):
        high = (PROFILE - 4) * count / max(profile.max(), 1)
        at = (left + x * scale, bottom - high)
        axes.add_patch(Rectangle(at, 0.85 * scale, high, color=FAINT, linewidth=0))
    for column in cut.columns:
        _draw_scissors(axes, left + column * scale, top, bottom)
    for number, digit in enumerate(text, 1):
        middle = left + (_middle(cut.pieces, number) + 0.5) * scale
        style = {"ha": "center", "va": "baseline", "family": "monospace", "weight": "bold"}
        axes.text(middle, bottom + 12, digit, **style)


def _draw_scissors(axes: Axes, x: float, top: float, bottom: float) -> None:
    """A dashed line where it is cut, seen on ink and on paper."""
    axes.plot([x, x], [top, bottom], color="white", linewidth=3)
    axes.plot([x, x], [top, bottom], color=ACCENT, linewidth=1.5, dashes=(3, 2))


def _draw_box(axes: Axes, image, left: float, top: float) -> None:
    """A piece in MNIST's form, (28, 28), with a frame around it."""
    draw_ink(axes, image, left, top, 2)
    edge = {"fill": False, "edgecolor": FAINT, "linewidth": 0.8}
    axes.add_patch(Rectangle((left, top), BOX, BOX, **edge))


def _middle(labels: np.ndarray, number: int) -> float:
    """Middle of the columns of one piece."""
    columns = np.nonzero((labels == number).any(0))[0]
    return float(columns[0] + columns[-1]) / 2


@styled
def plot_halves(
    image: np.ndarray, halves: Sequence[tuple[int, Tensor, str]], *, every: int = 5
) -> Figure:
    """Cuts through a line, each with what lies to its left and to its right.

    Parameters
    ----------
    image : (H, W) array in [0, 1]
        The line, without padding. Below it stands a ruler of its columns.
    halves : sequence of (int, Tensor, str)
        The first column right of a cut, the two parts in MNIST's form (2, 28, 28), and a caption.
    every : int
        Columns between two marks of the ruler.
    """
    image = np.asarray(image)
    height, width = image.shape
    scale, pitch = 5.0, 132.0  # points
    wide = max(width * scale + 24, pitch * len(halves) + 8)
    left, top = (wide - width * scale) / 2, 26.0
    bottom = top + height * scale
    figure, axes = canvas(wide, bottom + 46 + BOX + 8)
    draw_ink(axes, image, left, top, scale)
    for column in range(0, width + 1, every):
        x, long = left + column * scale, column % (2 * every) == 0
        axes.plot([x, x], [bottom, bottom + (6 if long else 3)], color=INK, linewidth=0.8)
        if long:
            axes.text(x, bottom + 15, str(column), ha="center", va="baseline", size=8)
    before, raised = -np.inf, 0.0
    for n, (column, boxes, caption) in enumerate(halves):
        x = left + column * scale
        raised = 9 - raised if x - before < 14 else 0.0  # numbers side by side do not touch
        before = x
        _draw_scissors(axes, x, top, bottom)
        axes.text(x, top - 4 - raised, str(column), ha="center", va="baseline", size=8, color=MARK)
        at = (wide - pitch * len(halves)) / 2 + pitch * n + 6
        axes.text(at + BOX + 2, bottom + 38, caption, ha="center", va="baseline")
        for side, half in enumerate(boxes):
            _draw_box(axes, half, at + side * (BOX + 4), bottom + 44)
    said = "; ".join(f"cut at column {column}: {caption}" for column, _, caption in halves)
    return say(figure, f"Two halves for each cut. {said[0].upper()}{said[1:]}.")


@styled
def plot_boxes(boxes: Tensor, names: Sequence[str]) -> Figure:
    """Pieces in MNIST's form, (M, 28, 28), each under what it was read as."""
    figure, axes = canvas(66 * len(boxes) + 8, 84)
    for n, (box, name) in enumerate(zip(boxes, names, strict=True)):
        _draw_box(axes, box, 8 + 66 * n, 22)
        axes.text(36 + 66 * n, 14, name, ha="center", family="monospace", size=11, color=INK)
    return say(figure, f"{len(boxes)} pieces, read as {', '.join(names)}.")


@styled
def plot_against_spacing(
    curves: Mapping[str, Mapping[float, float]],
    *,
    n: int | None = None,
    guess: Mapping[float, float] | None = None,
) -> Figure:
    """Exact match against the spacing of the digits, from clear gaps to overlap.

    Parameters
    ----------
    curves : mapping of str to mapping of float to float
        Name -> spacing -> share of the lines read right, up to three of them.
    n : int, optional
        Lines behind each point; draws 95 % intervals.
    guess : mapping of float to float, optional
        What somebody expected, in the same form as one curve.
    """
    if not 1 <= len(curves) <= len(CURVES):
        raise ValueError(f"One to {len(CURVES)} curves fit one figure; got {len(curves)}.")
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(-1, 0, color="#f1eee6", linewidth=0)
    for k, ((name, curve), (colour, dashes)) in enumerate(
        zip(curves.items(), CURVES, strict=False)
    ):
        spacings = sorted(curve, reverse=True)
        shares = np.array([curve[s] for s in spacings])
        style = {"color": colour, "marker": MARKERS[k], "markersize": 5, "label": name}
        axes.plot(spacings, 100 * shares, dashes, **style)
        if n is not None:
            low, high = np.array([wilson_interval(round(share * n), n) for share in shares]).T
            axes.fill_between(spacings, 100 * low, 100 * high, color=colour, alpha=0.15, lw=0)
    if guess:
        spacings = sorted(guess, reverse=True)
        shares = [100 * guess[s] for s in spacings]
        axes.plot(spacings, shares, ":", color=FAINT, marker="x", label="guess")
    spacings = [s for curve in curves.values() for s in curve]
    axes.set(xlim=(max(spacings) + 0.02, min(spacings) - 0.02), ylim=(0, 102))
    axes.set(xlabel="spacing: gaps (left), overlap (right)", ylabel="lines read right (%)")
    draw_grid(axes)
    axes.legend(loc="lower left", handlelength=3.2)
    ends = [
        f"{name}: {100 * curve[max(curve)]:.0f} % at spacing {max(curve):g}, "
        f"{100 * curve[min(curve)]:.0f} % at {min(curve):g}"
        for name, curve in curves.items()
    ]
    return say(figure, "Lines read right. " + "; ".join(ends) + ".")
