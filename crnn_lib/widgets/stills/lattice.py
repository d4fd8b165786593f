"""The lattice explorer as a still figure: for readers of a page on which no script runs.

Display it with :func:`crnn_lib.plots.show`, which prints the figure's sentence under it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from torch import Tensor

from crnn_lib.alphabet import BLANK_SYMBOL
from crnn_lib.ctc import Trellis, count_alignments
from crnn_lib.plots import FAINT, INK, PAPER, WIDTH, canvas, say, styled
from crnn_lib.widgets import LatticeExplorer
from crnn_lib.widgets.base import decode

LEFT, ROW, RUNG, IMAGE = 24.0, 11.0, 18.0, 62.0  # points
CIVIDIS = colormaps["cividis"]


@styled
def plot_lattice(explorer: LatticeExplorer | None = None) -> Figure:
    """A line, its posteriors, and the trellis of its label, as the explorer has them now.

    The area of a disc is the share of the label's probability that passes there; the width of a
    wire, the share that takes that step. If a cell is selected, a ring marks it.

    Parameters
    ----------
    explorer : LatticeExplorer, optional
        :meth:`LatticeExplorer.trained` by default.
    """
    explorer = LatticeExplorer.trained() if explorer is None else explorer
    log_probs, trellis, symbols = explorer.log_probs, explorer.trellis, explorer.alphabet.symbols
    (T, C), S = log_probs.shape, len(trellis.states)
    line = explorer.lines[explorer.line]
    column = min((72 * WIDTH - LEFT - 8) / T, 60.0)
    high = IMAGE if line["image"] else 0.0
    rows = high + (6 if high else 0)  # where the posteriors begin
    top = rows + C * ROW + 16
    figure, axes = canvas(LEFT + T * column + 8, top + S * RUNG + 18)

    if line["image"]:
        _draw_line(axes, line, column, T)
    order = sorted(range(C), key=lambda c: c != explorer.alphabet.blank)  # the blank above
    for row, c in enumerate(order):
        used = c in trellis.states and row > 0
        _name(axes, rows + (row + 0.5) * ROW, symbols[c], used, 8)
    _draw_matrix(axes, log_probs[:, order].exp(), rows, column)
    panel = Rectangle((LEFT, top), T * column, S * RUNG, color=CIVIDIS(0.0), linewidth=0)
    axes.add_patch(panel)
    for s, c in enumerate(trellis.states.tolist()):
        _name(axes, top + (s + 0.5) * RUNG, symbols[c], s % 2 == 1, 11)
    _draw_wires(axes, trellis, log_probs, top, column)
    _draw_discs(axes, trellis, top, column)
    step = 1 if column > 14 else 5
    for t in range(0, T, step):
        at = (LEFT + (t + 0.5) * column, top + S * RUNG + 8)
        axes.text(*at, str(t), ha="center", va="center", size=7, color=FAINT)

    label = explorer.alphabet.encode(explorer.text)
    count, total = count_alignments(label, T), math.exp(trellis.log_prob)
    number = f"{count:,}" if count < 1e12 else f"{count:.2g}"
    ways = "alignment adds" if count == 1 else "alignments add"
    words = f"The trellis of {explorer.text or 'the empty label'} in {T} frames: "
    words += f"{number} {ways} up to a probability of {total:.3g}."
    if explorer.cell is not None:
        t, s = explorer.cell
        at = (LEFT + (t + 0.5) * column, top + (s + 0.5) * RUNG)
        ring = Circle(at, min(column, RUNG) / 2, fill=False, edgecolor="white", linewidth=2)
        axes.add_patch(ring)
        share = math.exp(trellis.state_occupancy[t, s])
        words += f" {100 * share:.3g} % of it passes the ringed disc."
    return say(figure, words)


def _name(axes: Axes, y: float, symbol: str, used: bool, size: float) -> None:
    dash = "\N{EN DASH}" if symbol == BLANK_SYMBOL and not used else symbol
    look = {"weight": "bold" if used else "normal", "color": INK if used else FAINT}
    style = {"ha": "center", "va": "center_baseline", "family": "monospace", "size": size}
    axes.text(LEFT - 10, y, dash, **look, **style)


def _draw_line(axes: Axes, line: dict, column: float, frames: int) -> None:
    """The image, stretched so that its columns stand over their frames."""
    pixels = decode(line["image"], "u1").reshape(line["rows"], -1)
    start, end = (LEFT + x * column for x in line["span"])
    frame = Rectangle((LEFT, 0), frames * column, IMAGE, color=PAPER(0.0), linewidth=0)
    axes.add_patch(frame)
    limits = axes.get_xlim(), axes.get_ylim()
    look = {"cmap": PAPER, "vmin": 0, "vmax": 255, "interpolation": "bilinear", "aspect": "auto"}
    drawn = axes.imshow(pixels, extent=(start, end, IMAGE, 0), **look)
    drawn.set(zorder=1.5, clip_path=frame)
    axes.set(xlim=limits[0], ylim=limits[1])  # imshow changes them


def _draw_matrix(axes: Axes, probs: Tensor, top: float, column: float) -> None:
    T, C = probs.shape
    limits = axes.get_xlim(), axes.get_ylim()
    extent = (LEFT, LEFT + T * column, top + C * ROW, top)
    look = {"cmap": "cividis", "vmin": 0, "vmax": 1, "interpolation": "nearest", "aspect": "auto"}
    axes.imshow(probs.T.numpy(), extent=extent, **look)
    axes.set(xlim=limits[0], ylim=limits[1])
    white = {"color": "white", "linewidth": 0.5}
    axes.vlines(LEFT + column * np.arange(T + 1), top, top + C * ROW, **white)
    axes.hlines(top + ROW * np.arange(C + 1), LEFT, LEFT + T * column, **white)


def _draw_wires(axes: Axes, trellis: Trellis, log_probs: Tensor, top: float, column: float) -> None:
    """The steps of the trellis, as wide as the share of the probability that takes them."""
    states = trellis.states
    emitted = log_probs.double()[:, states]  # (T, S)
    wires, shares = [], []
    for back in (0, 1, 2):
        if trellis.log_prob == -math.inf or back >= len(states):
            break
        start, end = trellis.alpha[:-1], (trellis.beta + emitted)[1:]  # (T - 1, S)
        if back:
            start, end = start[:, :-back], end[:, back:]
        share = (start + end - trellis.log_prob).exp()  # (T - 1, S - back)
        if back == 2:  # past a blank only, and not between equal characters
            blanks = torch.arange(len(states) - 2) % 2 == 0
            share = share.masked_fill(blanks | (states[2:] == states[:-2]), 0.0)
        for t, s in (share > 2e-3).nonzero().tolist():
            ends = ((t, s), (t + 1, s + back))
            wires.append([(LEFT + (i + 0.5) * column, top + (j + 0.5) * RUNG) for i, j in ends])
            shares.append(float(share[t, s]))
    widths = [0.5 + 4 * share for share in shares]
    colours = [(*CIVIDIS(0.85)[:3], 0.3 + 0.5 * min(share, 1.0)) for share in shares]
    axes.add_collection(LineCollection(wires, linewidths=widths, colors=colours, zorder=2))


def _draw_discs(axes: Axes, trellis: Trellis, top: float, column: float) -> None:
    biggest = min(column, RUNG) / 2 - 0.5
    for t, frame in enumerate(trellis.state_occupancy.exp().tolist()):
        for s, share in enumerate(frame):
            if share > 1e-4:
                at = (LEFT + (t + 0.5) * column, top + (s + 0.5) * RUNG)
                size = max(0.8, biggest * math.sqrt(share))
                look = {"facecolor": CIVIDIS(0.3 + 0.7 * min(share, 1.0)), "zorder": 3}
                axes.add_patch(Circle(at, size, edgecolor=INK, linewidth=0.5, **look))
