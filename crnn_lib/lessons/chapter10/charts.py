"""Figures of notebook 10: twins, words on their line, and what a list of words gains and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from torch import Tensor

from crnn_lib.handwriting import LineBatch
from crnn_lib.plots import ACCENT, CURVES, FAINT, INK, WIDTH, canvas, draw_ink, say, styled

TALL = 30.0  # points that a line is high


@styled
def plot_twins(lines: LineBatch, columns: int = 8) -> Figure:
    """Pictures of texts that look alike, each under what its writer wrote.

    Parameters
    ----------
    lines : LineBatch
        As many of each text as there are columns, text after text.
    columns : int
    """
    pitch, rows = 72 * WIDTH / columns, -(-len(lines) // columns)
    figure, axes = canvas(72 * WIDTH, rows * (TALL + 22))
    for n, text in enumerate(lines.texts):
        row, column = divmod(n, columns)
        wide = int(lines.widths[n])
        image = lines.images[n, 0, :, :wide]
        scale = min(TALL / image.shape[0], (pitch - 8) / wide)
        left, top = column * pitch + 4, row * (TALL + 22) + 16
        axes.text(left, top - 3, text, size=9, color=INK, va="bottom", family="monospace")
        draw_ink(axes, image, left, top, scale)
    kinds = list(dict.fromkeys(lines.texts))
    return say(figure, f"{columns} hands each: {', '.join(kinds)}.")


@styled
def plot_words(image: Tensor, words: Sequence[tuple[str, float, float]]) -> Figure:
    """A line, and a bracket under the columns of each of its words.

    Parameters
    ----------
    image : Tensor, (H, W)
        Ink bright on black.
    words : sequence of (str, float, float)
        Each word with its first column and the one behind its last.
    """
    scale = min(72 * WIDTH / image.shape[1], 1.6)
    tall = scale * image.shape[0]
    figure, axes = canvas(72 * WIDTH, tall + 34)
    draw_ink(axes, image, 0, 4, scale)
    y = tall + 12
    words = [(t, max(start, 0), min(end, image.shape[1])) for t, start, end in words]
    for text, start, end in words:
        axes.plot(
            [scale * start, scale * start, scale * end, scale * end],
            [y - 4, y, y, y - 4],
            color=ACCENT,
            linewidth=1.4,
        )
        axes.text(scale * (start + end) / 2, y + 4, text, size=9, color=INK, ha="center", va="top")
    said = ", ".join(f"{text!r} in columns {start:.0f} to {end:.0f}" for text, start, end in words)
    return say(figure, f"{len(words)} words: {said}.")


@styled
def plot_trust(shares: Mapping[str, Sequence[float]], doubts: Sequence[float]) -> Figure:
    """What is read right, if a list's word stands unless the free reading is so much likelier.

    Parameters
    ----------
    shares : mapping of str to sequence of float
        For each kind of text the share that is read right, one number for each doubt.
    doubts : sequence of float
        How much more probable the free reading has to be, as a logarithm, to be taken.
    """
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    axes = figure.add_subplot()
    for (name, values), (colour, dashes) in zip(shares.items(), CURVES, strict=False):
        axes.plot(
            doubts, [100 * v for v in values], dashes, color=colour, label=name, linewidth=1.8
        )
    axes.set_xlabel("the free reading stands if it is e to this times more probable")
    axes.set_ylabel("read right, %")
    axes.set_ylim(0, 100)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.legend()
    said = "; ".join(
        f"{name} from {100 * v[0]:.0f} % at {doubts[0]:g} to {100 * v[-1]:.0f} % at {doubts[-1]:g}"
        for name, v in shares.items()
    )
    return say(figure, f"Read right: {said}.")
