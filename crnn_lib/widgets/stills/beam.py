"""The beam explorer as a still figure: for readers of a page on which no script runs."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from crnn_lib.decoders import prefix_beams
from crnn_lib.plots import ACCENT, FAINT, INK, WIDTH, canvas, say, styled
from crnn_lib.widgets import BeamExplorer

FRAMES = 7  # columns that fit
ROW, BOX, TOP, KEY = 34.0, 26.0, 26.0, 20.0  # points
BLANK, CHARACTER = "#e3dcc6", "#a8986a"  # the two numbers of a prefix
BESIDE = {"va": "center", "ha": "right"}


def _arrow(axes: Axes, start: tuple, end: tuple, heavy: bool) -> None:
    angle = math.degrees(math.atan2(start[1] - end[1], end[0] - start[0]))  # y points down
    head = {"marker": (3, 0, angle - 90), "markersize": 8 if heavy else 5, "markevery": [1]}
    look = {"color": ACCENT, "linewidth": 2.4} if heavy else {"color": FAINT, "linewidth": 0.9}
    axes.plot(*zip(start, end, strict=True), markeredgewidth=0, **head, **look)


@styled
def plot_beam(explorer: BeamExplorer | None = None) -> Figure:
    """The prefixes of a beam after each frame, and which of them come from which.

    A box has the prefix's two numbers as two bars: its alignments that end in a blank, and those
    that end in its last character. All bars have one scale: a full one is 1. Where two heavy arrows
    enter a box, two prefixes have merged into one.

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
    room = 72 * WIDTH - 44
    pitch = room / (frames + 1)
    most = min(pitch - 40, 120.0)
    figure, axes = canvas(room + 44, TOP + tallest * ROW + KEY)

    def place(t: int, rank: int) -> tuple[float, float]:
        return 34 + t * pitch, TOP + rank * ROW + ROW / 2

    merged = 0
    for t in range(1, frames + 1):
        before = list(beams[t - 1])
        for rank, label in enumerate(beams[t]):
            parents = [p for p in {label: 0, label[:-1]: 0} if p in beams[t - 1]]
            merged += len(parents) > 1
            for parent in parents:
                x, y = place(t - 1, before.index(parent))
                end, fall = place(t, rank), 0.0
                if len(parents) > 1:  # side by side, so that no two arrows make one zigzag
                    fall = -6.0 if parent == min(parents, key=before.index) else 6.0
                _arrow(axes, (x + most + 3, y), (end[0] - 29, end[1] + fall), len(parents) > 1)
    for t, beam in enumerate(beams):
        x, _ = place(t, 0)
        title = f"frame {t - 1}" if t else "start"
        axes.text(x, 12, title, fontsize=8, color=FAINT, va="center")
        for rank, (label, log_prob) in enumerate(beam.items()):
            x, y = place(t, rank)
            both = math.exp(log_prob)
            at_blank = 1.0  # nothing read so far counts as ending in a blank
            if t:
                before = math.exp(beams[t - 1].get(label, -math.inf))
                at_blank = before * math.exp(log_probs[t - 1, alphabet.blank])
            numbers = (at_blank, BLANK), (max(both - at_blank, 0.0), CHARACTER)
            text = alphabet.decode(label) or "∅"
            for row, (number, colour) in enumerate(numbers):
                top, high = y - BOX / 2 + row * BOX / 2, BOX / 2 - 1
                width = most * number
                axes.add_patch(Rectangle((x, top), most, high, color="#f4f2ec", linewidth=0))
                axes.add_patch(Rectangle((x, top), width, high, color=colour, linewidth=0))
                if number > 1e-9 and most > 60:
                    where = (x + most - 3, top + high / 2)
                    axes.text(*where, f"{number:.3g}", fontsize=7.5, color=INK, **BESIDE)
            axes.text(x - 3, y - 4, text, fontsize=9, color=INK, weight="bold", **BESIDE)
            if most > 60:
                axes.text(x - 3, y + 8, f"{both:.3g}", fontsize=7.5, color=INK, **BESIDE)
    for column, (name, colour) in enumerate(
        (("ends in a blank", BLANK), ("in its last character", CHARACTER))
    ):
        x, y = 24 + 110 * column, TOP + tallest * ROW + 10
        axes.add_patch(Rectangle((x, y - 4), 12, 8, color=colour, linewidth=0))
        axes.text(x + 17, y, name, fontsize=8, color=FAINT, va="center")
    _arrow(axes, (265, y), (287, y), True)
    axes.text(296, y, "two prefixes become one", fontsize=8, color=FAINT, va="center")
    best = next(iter(beams[-1]))
    name, value = alphabet.decode(best) or "the empty text", math.exp(beams[-1][best])
    return say(
        figure,
        f"A beam of {explorer.width} over {frames} frames. Two prefixes merge into one: {merged} "
        f"time{'s' * (merged != 1)}. At the end {name!r} leads with {value:.3g}.",
    )
