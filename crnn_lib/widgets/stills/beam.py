"""The beam explorer as a still figure: for readers of a page on which no script runs."""

from __future__ import annotations

import math

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from crnn_lib.decoders import prefix_beams
from crnn_lib.plots import ACCENT, FAINT, INK, WIDTH, canvas, say, styled
from crnn_lib.widgets import BeamExplorer

FRAMES = 7  # columns that fit
ROW, BOX, TOP = 26.0, 17.0, 26.0  # points


@styled
def plot_beam(explorer: BeamExplorer | None = None) -> Figure:
    """The prefixes of a beam after each frame, and which of them come from which.

    The width of a box is the prefix's share of the probability in the beam. Where two lines meet,
    two prefixes have merged.

    Parameters
    ----------
    explorer : BeamExplorer, optional
        Its line and width are drawn, up to the first 7 frames.
    """
    explorer = BeamExplorer() if explorer is None else explorer
    log_probs, alphabet = explorer.log_probs, explorer.alphabet
    frames = min(len(log_probs), FRAMES)
    beams = [
        prefix_beams(log_probs[:t], blank=alphabet.blank, beam_width=explorer.width)
        for t in range(frames + 1)
    ]
    tallest = max(map(len, beams))
    room = 72 * WIDTH - 20
    pitch = room / (frames + 1)
    most = min(pitch - 34, 90.0)
    figure, axes = canvas(room + 20, TOP + tallest * ROW + 8)

    def place(t: int, rank: int) -> tuple[float, float]:
        return 10 + t * pitch, TOP + rank * ROW + ROW / 2

    merged = 0
    for t in range(1, frames + 1):
        before = list(beams[t - 1])
        for rank, label in enumerate(beams[t]):
            parents = [p for p in {label: 0, label[:-1]: 0} if p in beams[t - 1]]
            merged += len(parents) > 1
            for parent in parents:
                x, y = place(t - 1, before.index(parent))
                end = place(t, rank)
                axes.plot(
                    [x + most + 3, end[0] - 3],
                    [y, end[1]],
                    color=ACCENT if len(parents) > 1 else FAINT,
                    linewidth=2.4 if len(parents) > 1 else 0.9,
                    solid_capstyle="round",
                )
    for t, beam in enumerate(beams):
        x, _ = place(t, 0)
        title = f"frame {t - 1}" if t else "start"
        axes.text(x, 12, title, fontsize=8, color=FAINT, va="center")
        largest = max(beam.values())
        for rank, (label, log_prob) in enumerate(beam.items()):
            x, y = place(t, rank)
            share = math.exp(log_prob - largest)
            style = {"boxstyle": "round,pad=0,rounding_size=3", "linewidth": 0}
            axes.add_patch(FancyBboxPatch((x, y - BOX / 2), most, BOX, color="#ece9e1", **style))
            width = max(most * share, 2)
            axes.add_patch(FancyBboxPatch((x, y - BOX / 2), width, BOX, color="#cfc4a3", **style))
            text = alphabet.decode(label) or "∅"
            axes.text(x + 5, y, text, fontsize=9, color=INK, va="center", weight="bold")
            number = f"{math.exp(log_prob):.2g}"
            axes.text(x + most - 3, y, number, fontsize=7.5, color=INK, va="center", ha="right")
    best = next(iter(beams[-1]))
    return say(
        figure,
        f"A beam of {explorer.width} over {frames} frames: {merged} times two prefixes merge into "
        f"one. At the end {alphabet.decode(best) or 'the empty text'!r} leads with "
        f"{math.exp(beams[-1][best]):.2g}.",
    )
