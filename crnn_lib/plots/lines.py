"""Figures: each function draws one idea, and says in one sentence what there is to see.

A function returns a matplotlib ``Figure`` and prints nothing. The sentence is the figure's label,
``figure.get_label()``. In a notebook, :func:`show` displays the figure and prints the sentence
under it; in a program, :func:`to_png` turns the figure into the bytes of a PNG file.

>>> from crnn_lib.evaluation import evaluate_texts
>>> from crnn_lib.plots import plot_confusions, show
>>> figure = plot_confusions(evaluate_texts(["55201"], ["55207"]))
>>> show(figure)
Characters read as others: 7 as 1 (once).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import best_path
from crnn_lib.handwriting import Glyphs, LineBatch
from crnn_lib.models import frame_edges
from crnn_lib.plots.runs import listed
from crnn_lib.plots.style import ACCENT, INK, MARK, WIDTH, canvas, draw_ink, say, styled

LETTER = 6.05  # points: width of a letter in a caption


@styled
def plot_lines(
    lines: LineBatch,
    *,
    readings: Sequence[str] | None = None,
    spans: bool = True,
    alphabet: Alphabet | None = None,
) -> Figure:
    """Lines, what is written on them, and how they were read.

    Parameters
    ----------
    lines : LineBatch
        All of them are drawn; ``lines.select(range(6))`` takes the first six.
    readings : sequence of str, optional
        One text per line. A wrong one is underlined, and its line has a bar and a cross.
    spans : bool
        Draw a bracket under the ink of each character.
    alphabet : Alphabet, optional
        Of the lines' targets: it cuts the texts into its characters, if these have several code
        points. Without it the brackets of such a line have no names.
    """
    _require_lines(lines, readings)
    height, room = lines.images.shape[2], 72 * WIDTH - 20  # points
    scale = min(2.0, room / int(lines.widths.max()))  # points per pixel
    above, below, gap = 16.0, 24.0 if spans else 4.0, 18.0
    places, right, row = [], 0.0, 0  # like words on a page
    for n, text in enumerate(lines.texts):
        reading = None if readings is None else readings[n]
        needs = max(int(lines.widths[n]) * scale, _caption_width(text, reading))
        if right and right + needs > room:
            right, row = 0.0, row + 1
        places.append((right + 10, row))
        right += needs + gap
    pitch = above + height * scale + below + 4
    wide = room + 20 if row else right - gap + 20
    figure, axes = canvas(wide, (row + 1) * pitch + 4)
    for n, (text, (left, row)) in enumerate(zip(lines.texts, places, strict=True)):
        top = row * pitch + above
        draw_ink(axes, lines.images[n, 0, :, : int(lines.widths[n])], left, top, scale)
        reading = None if readings is None else readings[n]
        _caption(axes, text, reading, left, top - 5)
        if reading is not None and reading != text:
            bar = Rectangle((left - 7, top), 3.5, height * scale, color=ACCENT, linewidth=0)
            axes.add_patch(bar)
        if spans:
            characters = text if alphabet is None else alphabet.split(text, strict=False)
            length = int(lines.target_lengths[n])
            if length not in (0, len(characters)):  # nobody knows which is which
                characters = [""] * length
            _brackets(axes, characters, lines.spans[n], left, top + height * scale + 3, scale)
    what = f"{len(lines)} lines: " if len(lines) > 1 else "One line: "
    words = what + listed(lines.texts, 8) + "."
    if readings is not None:
        right = sum(r == t for r, t in zip(readings, lines.texts, strict=True))
        words += f" Read right: {right} of {len(lines)}."
    elif spans:
        words += " A bracket marks the ink of each character."
    return say(figure, words)


@styled
def plot_glyphs(glyphs: Glyphs, count: int = 100) -> Figure:
    """A grid of glyphs: the first ones of each character, each character beside its own.

    Parameters
    ----------
    glyphs : Glyphs
    count : int
        About how many to draw; at least one of each character.
    """
    kinds = len(glyphs.characters)
    each = max(1, min(count // kinds, 14))
    groups = 1 if kinds <= 12 else max(1, 12 // each)  # characters side by side
    size, pitch, label = 32.0, 35.0, 18.0  # points
    rows = math.ceil(kinds / groups)
    figure, axes = canvas(groups * (label + each * pitch) + 6, rows * pitch + 6)
    total = 0
    for kind, character in enumerate(glyphs.characters):
        row, group = divmod(kind, groups)
        left, top = label + group * (label + each * pitch), row * pitch + 4
        where = (left - 5, top + size / 2)
        axes.text(*where, character, ha="right", va="center", fontsize=11, family="monospace")
        for image in glyphs.of(character).images[:each]:
            draw_ink(axes, image.float() / 255, left, top, size / 28)
            left, total = left + pitch, total + 1
    beside = "row by row" if groups == 1 else "each beside its name"
    return say(figure, f"{total} glyphs of the characters {glyphs.characters}, {beside}.")


@styled
def plot_receptive_field(model, image: Tensor, frames: Sequence[int] | None = None) -> Figure:
    """What the features of single frames see of a line.

    Parameters
    ----------
    model : CRNN or SlidingWindowRNN
    image : Tensor, (H, W) or (1, H, W)
    frames : sequence of int, optional
        By default three, spread over the line.
    """
    image = _line_image(image)
    height, width = image.shape
    count = int(model.frame_lengths(torch.tensor([width])))
    if frames is None:
        frames = sorted({count * k // 6 for k in (1, 3, 5)})
    if not len(frames) or not all(0 <= frame < count for frame in frames):
        raise ValueError(
            f"frames names some of this line's frames, 0 to {count - 1}; got {list(frames)}."
        )
    fields = [model.receptive_field(frame) for frame in frames]
    low = min(0, *(start for start, _ in fields))
    high = max(width, *(end for _, end in fields))
    scale = min(3.0, (72 * WIDTH - 20) / (high - low))
    step, top = 17.0, 8.0
    bottom, wide = top + height * scale, (high - low) * scale + 20
    figure, axes = canvas(wide, bottom + step * len(frames) + 8)
    origin = 10 - low * scale
    draw_ink(axes, image, origin, top, scale)
    for row, (frame, (start, end)) in enumerate(zip(frames, fields, strict=True)):
        left, right = origin + start * scale, origin + end * scale
        y = bottom + 12 + row * step
        band = {"color": ACCENT, "alpha": 0.1, "linewidth": 0}
        axes.add_patch(Rectangle((left, top), right - left, height * scale, **band))
        for x in (left, right):
            axes.plot([x, x], [top, y + 3], color=ACCENT, linewidth=1, dashes=(3, 2))
        axes.plot([left, right], [y, y], color=ACCENT, linewidth=3, solid_capstyle="butt")
        text = f"frame {frame}" if row else f"frame {frame}: {end - start} columns"
        fits = right + 6 + 5 * len(text) < wide
        side = {"ha": "left", "x": right + 6} if fits else {"ha": "right", "x": left - 6}
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        axes.text(y=y, s=text, va="center", bbox=paper, zorder=3, **side)
    sees = f"each frame sees {fields[0][1] - fields[0][0]} of the line's {width} pixel columns"
    if len(frames) > 1:
        gap = (fields[1][0] - fields[0][0]) / (frames[1] - frames[0])
        sees += f", {gap:g} further to the right than the frame before"
    return say(figure, f"{sees[0].upper()}{sees[1:]}. The line has {count} frames.")


@styled
def plot_posteriors(
    image: Tensor,
    log_probs: Tensor,
    *,
    model=None,
    alphabet: Alphabet | None = None,
) -> Figure:
    """A line, and under it what a network says about each frame, column under column.

    The blank's row stands above those of the characters.

    Parameters
    ----------
    image : Tensor, (H, W) or (1, H, W)
        The line, without padding.
    log_probs : Tensor, (T, C)
    model : CRNN or SlidingWindowRNN, optional
        Says where its frames stand, and gives the alphabet. Without it the frames are spread
        evenly over the line.
    alphabet : Alphabet, optional
    """
    image = _line_image(image)
    if log_probs.ndim != 2:
        raise ValueError(
            f"log_probs is that of one line, (T, C); got {tuple(log_probs.shape)}. "
            "Take log_probs[n, :frame_lengths[n]] from a batch."
        )
    if alphabet is None:
        alphabet = Alphabet() if model is None else model.alphabet
    log_probs = log_probs.detach().cpu().float()
    (hypothesis,) = best_path(log_probs, alphabet=alphabet, scores=False)
    frames = len(log_probs)
    height, width = image.shape
    edges = np.linspace(0, width, frames + 1) if model is None else frame_edges(model, frames)
    limits = min(0, edges[0]), max(width, edges[-1])
    margin = max(34, 10 + 5.8 * max(map(len, alphabet.symbols)))  # for the names of the rows
    around = margin + 56
    scale = min((72 * WIDTH - around) / (limits[1] - limits[0]), 3.6)  # points per pixel
    wide, tall = (limits[1] - limits[0]) * scale, height * scale
    row = 15.0  # points
    rows = [c for c in range(alphabet.num_classes) if c != alphabet.blank]
    total = tall + row * (len(rows) + 3.6) + 34
    figure = Figure(figsize=((wide + around) / 72, total / 72))

    def panel(top: float, high: float, left: float = margin, width: float = wide) -> Axes:
        place = (left / (wide + around), 1 - (top + high) / total)
        return figure.add_axes((*place, width / (wide + around), high / total))

    strip = panel(2, tall)
    heat = panel(tall + row * 3.4, row * len(rows))
    blank = panel(tall, row * 3)  # its row, and room above it for the text
    strip.set(xlim=limits, ylim=(height, 0))
    draw_ink(strip, image, 0, 0, 1)
    strip.set_axis_off()
    probs = log_probs.exp().T.numpy()  # (C, T)
    colours = {"cmap": "cividis", "vmin": 0, "vmax": 1}
    mesh = heat.pcolormesh(edges, np.arange(len(rows) + 1) - 0.5, probs[rows], **colours)
    blank.pcolormesh(edges, [-0.5, 0.5], probs[[alphabet.blank]], **colours)
    heat.set(xlim=limits, ylim=(len(rows) - 0.5, -0.5), yticks=range(len(rows)))
    heat.set_yticklabels([alphabet.symbols[c] for c in rows])
    blank.set(xlim=limits, ylim=(0.5, -2.5), yticks=[0], yticklabels=["blank"])
    middles = (edges[1:] + edges[:-1]) / 2
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if frames / n <= 25)
    heat.set_xticks(middles[::every], [str(t) for t in range(0, frames, every)])
    heat.set(xlabel="frame", xlim=limits)
    for axes in (heat, blank):
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
    heat.tick_params(axis="x", length=3)
    blank.set_xticks([])

    path = log_probs.argmax(1).tolist()
    dot = {"linestyle": "", "marker": "o", "color": ACCENT, "markeredgecolor": "white"}
    dot |= {"markersize": 4.5, "markeredgewidth": 0.8}
    on = [t for t, c in enumerate(path) if c != alphabet.blank]
    off = [t for t, c in enumerate(path) if c == alphabet.blank]
    heat.plot(middles[on], [rows.index(path[t]) for t in on], **dot)
    blank.plot(middles[off], [0] * len(off), **dot)
    for span in hypothesis.spans:
        left, right = edges[span.start], edges[span.end]
        blank.plot([left, left, right, right], [-0.65, -0.85, -0.85, -0.65], color=INK, linewidth=1)
        symbol = alphabet.symbols[span.label]
        blank.text((left + right) / 2, -1.0, symbol, ha="center", va="bottom", fontsize=11)
    beside = panel(tall + 2 * row, row * (len(rows) + 1.4), left=wide + margin + 10, width=8)
    bar = figure.colorbar(mesh, cax=beside, ticks=(0, 0.5, 1))
    bar.set_label("probability")
    bar.outline.set_visible(False)
    return say(
        figure,
        f"{frames} frames, {len(off)} of them blank on the best path (dots). Its "
        f"{len(hypothesis.spans)} runs read {hypothesis.text or 'nothing'}.",
    )


def _require_lines(lines: LineBatch, readings: Sequence[str] | None) -> None:
    if not len(lines):
        raise ValueError("There are no lines to draw.")
    if readings is not None and (isinstance(readings, str) or len(readings) != len(lines)):
        got = repr(readings) if isinstance(readings, str) else len(readings)
        raise ValueError(f"readings holds one text per line: {len(lines)} expected, got {got}.")


def _line_image(image: Tensor) -> Tensor:
    """One line as (H, W)."""
    if image.ndim not in (2, 3) or (image.ndim == 3 and len(image) != 1):
        raise ValueError(f"image is one line, (H, W) or (1, H, W); got {tuple(image.shape)}.")
    return image.detach().cpu().reshape(image.shape[-2:])


def _caption(axes: Axes, truth: str, reading: str | None, left: float, y: float) -> None:
    mono = {"family": "monospace", "fontsize": 10, "va": "baseline"}
    axes.text(left, y, truth, **mono)
    if reading is None:
        return
    x = left + LETTER * len(truth) + 8
    if reading == truth:
        axes.text(x, y, "\u2713", fontsize=10, va="baseline")
        return
    axes.text(x, y, "\u2717 read", fontsize=9, va="baseline", color=MARK, weight="bold")
    x, shown = x + 37, reading or "nothing"
    axes.text(x, y, shown, color=MARK, weight="bold", **mono)
    axes.plot([x, x + LETTER * len(shown)], [y + 2.5] * 2, color=ACCENT, linewidth=1)


def _caption_width(truth: str, reading: str | None) -> float:
    if reading is None:
        return LETTER * len(truth)
    more = 18 if reading == truth else 45 + LETTER * len(reading or "nothing")
    return LETTER * len(truth) + more


def _brackets(
    axes: Axes, text: Sequence[str], spans: Tensor, left: float, y: float, scale: float
) -> None:
    """A bracket under each character's ink; one that would touch its neighbour steps down."""
    before = -math.inf
    lower = False
    for character, (start, end) in zip(text, spans.tolist(), strict=False):
        x, right = left + start * scale, left + end * scale
        lower = not lower if x < before + 2 else False
        level = y + (4 if lower else 0)
        axes.plot([x, x, right, right], [y, level + 3, level + 3, y], color=INK, linewidth=0.9)
        where = ((x + right) / 2, y + 16)
        axes.text(*where, character, ha="center", va="baseline", fontsize=8, color=INK)
        before = right
