"""The beam explorer as a still figure: for readers of a page on which no script runs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import prefix_beams
from crnn_lib.plots import FAINT, INK, WIDTH, canvas, draw_ink, say, styled
from crnn_lib.widgets import BeamExplorer

LEFT, AFTER, TOP, KEY = 26.0, 88.0, 24.0, 40.0  # points: margins, and what stands under the river
FULL, GAP, LEAST = 150.0, 17.0, 1.0  # a probability of 1; between ribbons; the thinnest one
BLANK, CHARACTER = "#e3dcc6", "#a8986a"  # the two parts of a prefix
HALO = [withStroke(linewidth=2.5, foreground="#fbfaf6")]
NUMBERED = 3  # up to so many frames, each part has its number

Label = tuple[int, ...]


@dataclass
class _Node:
    """A prefix after a frame: its rank and its two probabilities, and where it is drawn."""

    rank: int
    at_blank: float
    at_char: float
    top: float = 0.0

    @property
    def scale(self) -> float:
        """Points per probability: what is in the beam is seen, however improbable it is."""
        return max((self.at_blank + self.at_char) * FULL, LEAST) / (self.at_blank + self.at_char)

    @property
    def split(self) -> float:
        return self.top + self.scale * self.at_blank

    @property
    def bottom(self) -> float:
        return self.top + self.scale * (self.at_blank + self.at_char)


@dataclass
class _Flow:
    """What flows from a prefix into one of the next frame: a probability, and its two ends."""

    source: Label
    target: Label
    at_blank: bool  # whether its alignments end in a blank then
    mass: float
    start: float = 0.0
    end: float = 0.0


def _upwards(label: Label) -> tuple[int, ...]:
    """Sorts prefixes from above: a prefix lies under all that grow from it."""
    return (*(-c for c in label), 1)


def _river(log_probs: Tensor, alphabet: Alphabet, width: int) -> tuple[list[dict], list[list]]:
    """The kept prefixes at each border between frames, and what flows between the borders."""
    blank, columns, flows = alphabet.blank, [{(): _Node(0, 1.0, 0.0)}], []
    for t in range(1, len(log_probs) + 1):
        before, p = columns[-1], log_probs[t - 1].exp().tolist()
        beam = prefix_beams(log_probs[:t], blank=blank, beam_width=width)
        column, found = {}, []
        for rank, (label, log_prob) in enumerate(beam.items()):
            stood, parent = before.get(label), before.get(label[:-1]) if label else None
            at_blank = (stood.at_blank + stood.at_char) * p[blank] if stood else 0.0
            column[label] = _Node(rank, at_blank, max(math.exp(log_prob) - at_blank, 0.0))
            if stood:
                found.append(_Flow(label, label, True, at_blank))
                if label:
                    found.append(_Flow(label, label, False, stood.at_char * p[label[-1]]))
            if parent:
                repeats = label[-2:-1] == label[-1:]
                grows = parent.at_blank + (0.0 if repeats else parent.at_char)
                found.append(_Flow(label[:-1], label, False, grows * p[label[-1]]))
        columns.append(dict(sorted(column.items(), key=lambda item: _upwards(item[0]))))
        flows.append([flow for flow in found if flow.mass > 0])
    return columns, flows


def _lay_out(columns: list[dict], flows: list[list]) -> float:
    """Give everything its place; return the height of the river."""
    bottoms = []
    for column in columns:
        y = 0.0
        for node in column.values():
            node.top, y = y, y + node.bottom - node.top + GAP
        bottoms.append(y - GAP)
    for column, bottom in zip(columns, bottoms, strict=True):
        for node in column.values():
            node.top += (max(bottoms) - bottom) / 2
    for before, after, found in zip(columns, columns[1:], flows, strict=False):
        out = {label: node.top for label, node in before.items()}
        into = {label: node.bottom for label, node in after.items()}
        # out of a prefix: what grows above what ends in a blank, that above the last character
        for flow in sorted(
            found,
            key=lambda f: (f.source == f.target, not f.at_blank, _upwards(f.target)),
        ):
            flow.start = out[flow.source]
            out[flow.source] += flow.mass * before[flow.source].scale
        # into one, from below: what has grown, then its own; its upper part ends in a blank
        for flow in sorted(found, key=lambda f: len(f.source)):
            if flow.at_blank:
                flow.end = after[flow.target].top
            else:
                into[flow.target] -= flow.mass * after[flow.target].scale
                flow.end = into[flow.target]
    return max(bottoms)


def _ribbon(axes: Axes, x: tuple, upper: tuple, lower: tuple, colour: str, outline: float) -> None:
    middle = sum(x) / 2
    bends = [[(x[0], y[0]), (middle, y[0]), (middle, y[1]), (x[1], y[1])] for y in (upper, lower)]
    curve = [Path.CURVE4] * 3
    path = Path(
        [*bends[0], *bends[1][::-1], bends[0][0]], [Path.MOVETO, *curve, Path.LINETO, *curve, 79]
    )
    axes.add_patch(PathPatch(path, facecolor=colour, linewidth=0))
    if outline:
        for bend in bends:  # two prefixes flow into one: a line on either side
            line = Path(bend, [Path.MOVETO, *curve]).interpolated(1).to_polygons(closed_only=False)
            axes.plot(*line[0].T, color=INK, linewidth=outline)


def _name(axes: Axes, columns: list[dict], alphabet: Alphabet, x, top: float) -> None:
    """Write prefixes beside their ribbons: all of them in a short line, else those at the end."""
    last = len(columns) - 1
    for t, column in enumerate(columns):
        if not 0 < t == last and not 0 < last <= NUMBERED:
            continue
        for label, node in column.items():
            middle, text = top + (node.top + node.bottom) / 2, alphabet.decode(label) or "∅"
            look = {"color": INK, "va": "center", "path_effects": HALO}
            parts = ((node.at_blank, node.top, node.split), (node.at_char, node.split, node.bottom))
            for number, upper, lower in parts if last <= NUMBERED and t else ():
                if number > 1e-9 and lower - upper > 6:
                    where = (x(t) - 4, top + (upper + lower) / 2)
                    axes.text(*where, f"{number:.3g}", fontsize=7.5, ha="right", **look)
            if t and t < last:
                axes.plot(
                    [x(t), x(t)], [top + node.top, top + node.bottom], color=FAINT, linewidth=0.8
                )
            beside = x(t) + 5
            axes.text(beside, middle - 5, text, fontsize=9, weight="bold", **look)
            both = node.at_blank + node.at_char
            axes.text(beside, middle + 6, f"{both:.3g}", fontsize=7.5, **look)
    if last <= NUMBERED:
        return
    for label in {label for column in columns[:-1] for label in column}:  # once, where it is widest
        wide = [(c[label].bottom - c[label].top if label in c else 0.0) for c in columns[:-1]]
        near = [t for t, w in enumerate(wide) if w > 0.75 * max(wide)]
        if max(wide) > 14:
            t = near[len(near) // 2]
            node, text = columns[t][label], alphabet.decode(label) or "∅"
            where = max(x(t), LEFT + 12), top + (node.top + node.bottom) / 2
            look = {"color": INK, "va": "center", "ha": "center", "path_effects": HALO}
            axes.text(*where, text, fontsize=10, weight="bold", **look)


@styled
def plot_beam(explorer: BeamExplorer | None = None) -> Figure:
    """A beam as a river: how probable its prefixes are after each frame, and where they come from.

    A ribbon is as thick as the probability of its prefix, in two shades: the upper part has the
    alignments that end in a blank, the lower part those that end in its last character. Where two
    outlined ribbons flow together, two prefixes merge into one. What the beam drops is missing on
    the right.

    Parameters
    ----------
    explorer : BeamExplorer, optional
        Its line and width are drawn.
    """
    explorer = BeamExplorer() if explorer is None else explorer
    log_probs, alphabet = explorer.log_probs, explorer.alphabet
    frames = len(log_probs)
    columns, flows = _river(log_probs, alphabet, explorer.width)
    high = _lay_out(columns, flows)
    pitch = (72 * WIDTH - LEFT - AFTER) / frames
    image, span = explorer.image, explorer.lines[explorer.line].get("span", (0.0, 0.0))
    scale = 0.0 if image is None else pitch * (span[1] - span[0]) / image.shape[1]
    top = TOP + (0.0 if image is None else scale * len(image) + 8)
    figure, axes = canvas(72 * WIDTH, top + high + KEY)

    def x(t: float) -> float:
        return LEFT + pitch * t

    if frames <= NUMBERED:
        axes.text(x(0), 10, "start", fontsize=8, color=FAINT, va="center", ha="center")
    for t in range(frames):
        if pitch > 20 or t % 5 == 0:
            name = f"frame {t}" if pitch > 60 else str(t)
            axes.text(x(t + 0.5), 10, name, fontsize=8, color=FAINT, va="center", ha="center")
    if image is not None:
        draw_ink(axes, image, x(span[0]), 19, scale)

    merged = 0
    for t, found in enumerate(flows):
        ways: dict[Label, set] = {}
        for flow in found:
            ways.setdefault(flow.target, set()).add(flow.source)
        merged += sum(len(sources) > 1 for sources in ways.values())
        for flow in found:
            one, other = columns[t][flow.source], columns[t + 1][flow.target]
            upper = (top + flow.start, top + flow.end)
            lower = (upper[0] + flow.mass * one.scale, upper[1] + flow.mass * other.scale)
            seen = len(ways[flow.target]) > 1 and lower[1] - upper[1] > 2
            outline = (1.4 if frames <= NUMBERED else 0.7) if seen else 0.0
            colour = BLANK if flow.at_blank else CHARACTER
            _ribbon(axes, (x(t), x(t + 1) + 0.3), upper, lower, colour, outline)  # no seams
    _name(axes, columns, alphabet, x, top)
    y = top + high + 24
    for column, (name, colour) in enumerate(
        (("ends in a blank", BLANK), ("in its last character", CHARACTER))
    ):
        axes.add_patch(Rectangle((LEFT + 104 * column, y - 4), 12, 8, color=colour, linewidth=0))
        axes.text(LEFT + 17 + 104 * column, y, name, fontsize=8, color=FAINT, va="center")
    axes.plot(
        [LEFT + 226, LEFT + 248], [y, y], color=INK, linewidth=1.4 if frames <= NUMBERED else 0.7
    )
    words = "outlined: two prefixes flow into one"
    axes.text(LEFT + 254, y, words, fontsize=8, color=FAINT, va="center")
    best, node = min(columns[-1].items(), key=lambda item: item[1].rank)
    name, value = alphabet.decode(best) or "the empty text", node.at_blank + node.at_char
    return say(
        figure,
        f"A beam of {explorer.width} over {frames} frames. Two prefixes merge into one: {merged} "
        f"time{'s' * (merged != 1)}. At the end {name!r} leads with {value:.3g}.",
    )
