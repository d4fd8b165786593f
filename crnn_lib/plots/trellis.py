"""The loss in pictures: alignments as ways through a trellis, and panels of what frames say.

The trellis has a row for each state of the label, blanks around its characters, and a column for
each frame (Graves et al., 2006, figure 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from crnn_lib.alphabet import BLANK_SYMBOL, Alphabet, check_alphabet
from crnn_lib.ctc import collapse, states_of
from crnn_lib.plots.style import ACCENT, FAINT, INK, MARK, WIDTH, canvas, draw_ink, say, styled

BLUE = "#2b5c9e"
WAYS = ((INK, "-", 2.2), (BLUE, (0, (3, 1.4)), 2.2), ("#8a6d00", ":", 2.2))  # one look a way
LEFT, COLUMN, RUNG, TOP, GAP = 26.0, 26.0, 17.0, 20.0, 22.0  # points
LETTER = 6.7  # points: width of a letter of size 11
NAME = 5.8  # the same of the name of a row
ROW, PANEL_LEFT, PANEL_RIGHT = 13.0, 46.0, 52.0


@styled
def plot_trellis(
    text: str | Sequence[str],
    *panels: Sequence[str | Sequence[str]],
    forbidden: int | None = None,
    alphabet: Alphabet | None = None,
) -> Figure:
    """Alignments of a text as ways through its states, one panel for each list of alignments.

    Parameters
    ----------
    text : str or sequence of str
        The label. Its states are its characters with a blank in every gap.
    *panels : sequence of alignments
        As one writes them, such as ``"-5-52207"``, or as a list of symbols, one for each frame; at
        most three a panel, all of the same number of frames.
    forbidden : int, optional
        A frame. From it to the next, each skip between equal characters is drawn in red in the last
        panel: it is not allowed.
    alphabet : Alphabet, optional
        Cuts texts and alignments into its characters, if these have several code points. By default
        each code point is one.

    Raises
    ------
    TypeError
        If a panel is one alignment alone.
    ValueError
        If an alignment does not collapse to the text, or has another number of frames.
    """
    if alphabet is not None:
        check_alphabet(alphabet)
    for panel in panels:
        if isinstance(panel, str):
            raise TypeError(f"Each panel is a list of alignments, such as [{panel!r}]; got a str.")
    if not panels or not all(1 <= len(panel) <= len(WAYS) for panel in panels):
        raise ValueError(f"Each panel is a list of 1 to {len(WAYS)} alignments; got {panels}.")
    label = _cut(text, alphabet)
    panels = tuple([_cut(alignment, alphabet) for alignment in panel] for panel in panels)
    frames = len(panels[0][0])
    symbols = {symbol for part in (label, *chain(*panels)) for symbol in part}
    told = ("" if all(len(symbol) == 1 for symbol in symbols) else " ").join
    for alignment in (a for panel in panels for a in panel):
        collapsed = collapse(alignment, blank=BLANK_SYMBOL)
        if tuple(collapsed) != label or len(alignment) != frames:
            raise ValueError(
                f"{told(alignment)!r} has {len(alignment)} frames and collapses to "
                f"{told(collapsed)!r}; here are alignments of {frames} frames of {told(label)!r}."
            )
    if forbidden is not None and not 0 <= forbidden < frames - 1:
        raise ValueError(f"forbidden is a frame from 0 to {frames - 2}; got {forbidden}.")
    states = [BLANK_SYMBOL, *(symbol for c in label for symbol in (c, BLANK_SYMBOL))]
    rows = max(map(len, panels))
    margin = LEFT + LETTER * (max(map(len, states)) - 1)
    column = min(COLUMN, (72 * WIDTH / len(panels) - margin - GAP) / frames)
    pitch = margin + frames * column + GAP
    wide, tall = len(panels) * pitch, TOP + len(states) * RUNG
    figure, axes = canvas(wide, tall + 10 + 14 * rows)
    words = [f"The {len(states)} states of {told(label)}, from top to bottom, and {frames} frames."]
    for number, panel in enumerate(panels):
        left = number * pitch + margin
        _grid(axes, states, frames, left, column)
        ways = [states_of(alignment, blank=BLANK_SYMBOL) for alignment in panel]
        for k, (alignment, way) in enumerate(zip(panel, ways, strict=True)):
            _draw_way(axes, alignment, way, (left, column, tall), k)
        words.append(_say_ways([*map(told, panel)], ways, states))
        if (met := _meeting(ways)) is not None:
            at = _place(left, column, met, ways[0][met])
            axes.add_patch(Circle(at, 8, fill=False, edgecolor=INK, linewidth=1.6, zorder=5))
    if forbidden is not None:
        for s in range(3, len(states), 2):
            if states[s] == states[s - 2]:
                _draw_forbidden(axes, left, column, forbidden, s)
                words.append(
                    f"In red: the skip from one {states[s]} to the next {states[s]}, which is "
                    "forbidden."
                )
    return say(figure, " ".join(words))


def _cut(text: str | Sequence[str], alphabet: Alphabet | None) -> tuple[str, ...]:
    """The symbols of a text or an alignment, one by one."""
    if isinstance(text, str) and alphabet is not None:
        return tuple(alphabet.split(text, strict=False))  # the blank is none of its characters
    return tuple(text)


def _place(left: float, column: float, frame: int, state: int) -> tuple[float, float]:
    return left + (frame + 0.5) * column, TOP + (state + 0.5) * RUNG


def _grid(axes: Axes, states: Sequence[str], frames: int, left: float, column: float) -> None:
    dots = np.array([_place(left, column, t, s) for t in range(frames) for s in range(len(states))])
    axes.plot(*dots.T, linestyle="", marker="o", markersize=2.2, color=FAINT, alpha=0.3)
    for s, symbol in enumerate(states):
        look = {"weight": "bold", "color": INK} if s % 2 else {"color": FAINT}
        y = _place(left, column, 0, s)[1]
        x = left - 9 - LETTER / 2 * (len(symbol) - 1)
        axes.text(x, y, symbol, ha="center", va="center_baseline", fontsize=11, **look)
    for t in range(frames):
        axes.text(
            _place(left, column, t, 0)[0], TOP - 8, str(t), ha="center", fontsize=8, color=FAINT
        )


def _draw_way(
    axes: Axes, alignment: Sequence[str], way: list[int], place: tuple[float, float, float], k: int
) -> None:
    """The way, and the alignment under it; later ways lie a little beside the earlier ones."""
    (left, column, bottom), (colour, dashes, width) = place, WAYS[k]
    points = np.array([_place(left, column, t, s) for t, s in enumerate(way)]) + (0, 2.4 * k)
    axes.plot(*points.T, color=colour, linestyle=dashes, linewidth=width, zorder=3 + k)
    axes.plot(*points.T, color=colour, linestyle="", marker="os^"[k], markersize=6, zorder=3 + k)
    y = bottom + 14 + 14 * k
    sample = [left - 17, left - 2]
    axes.plot(sample, [y - 3.5] * 2, color=colour, linestyle=dashes, linewidth=width)
    size = min(11.0, 11 * column / (LETTER * max(map(len, alignment)) + 2))
    look = {"ha": "center", "fontsize": size, "family": "monospace", "color": colour}
    for t, symbol in enumerate(alignment):
        axes.text(_place(left, column, t, 0)[0], y, symbol, **look)


def _draw_forbidden(axes: Axes, left: float, column: float, frame: int, state: int) -> None:
    start = _place(left, column, frame, state - 2)
    end = _place(left, column, frame + 1, state)
    look = {"arrowstyle": "-|>,head_width=0.3", "color": ACCENT, "linewidth": 2.4}
    look |= {"linestyle": (0, (4, 2)), "shrinkA": 4, "shrinkB": 0, "mutation_scale": 12}
    axes.annotate("", end, start, arrowprops=look, zorder=6)
    middle = [(a + b) / 2 for a, b in zip(start, end, strict=True)]
    cross = {"marker": "x", "markersize": 8, "markeredgewidth": 2.2, "linestyle": ""}
    axes.plot(*middle, color=MARK, zorder=7, **cross)
    where = (start[0] - 4, end[1] + 0.8 * RUNG)
    axes.text(*where, "forbidden", va="center", fontsize=9, color=MARK, weight="bold")


def _meeting(ways: list[list[int]]) -> int | None:
    """The first frame from which on all ways are one; None for a single way, or if there is none.

    >>> _meeting([[0, 1, 2, 3], [1, 1, 2, 3]]), _meeting([[0, 1]])
    (1, None)
    """
    differ = [t for t, states in enumerate(zip(*ways, strict=True)) if len({*states}) > 1]
    return differ[-1] + 1 if differ and differ[-1] + 1 < len(ways[0]) else None


def _say_ways(panel: Sequence[str], ways: list[list[int]], states: Sequence[str]) -> str:
    if len(panel) == 1:
        return f"One alignment: {panel[0]}."
    met = _meeting(ways)
    where = "" if met is None else f" meet in frame {met}, state {ways[0][met]}"
    where += "" if met is None else f" ({states[ways[0][met]]}), and go on as one"
    return f"{' and '.join(panel)}{where}."


@styled
def plot_panels(
    panels: Mapping[str, Tensor],
    *,
    image: Tensor | None = None,
    edges: Sequence[float] | None = None,
    characters: str | Sequence[str] | None = None,
    most: float = 1.0,
    alphabet: Alphabet | None = None,
) -> Figure:
    """The ink, and under it what is said of each frame, panel under panel, the blank above.

    Probabilities are drawn as brightness. A panel that holds negative numbers, such as a gradient,
    is drawn as triangles: blue and upwards where a step down the gradient raises the class, red and
    downwards where it lowers it; their area is the size of the number. The title has the key.

    Parameters
    ----------
    panels : mapping of str to Tensor, (T, C)
        Title -> numbers. All have the same shape.
    image : Tensor, (H, W) or (1, H, W), optional
        The line.
    edges : sequence of float, (T + 1,), optional
        Borders of the frames in pixel columns; by default the frames divide the line evenly.
    characters : str or sequence of str, optional
        Draw the rows of these only (and the blank's); all by default.
    most : float
        The probability that is drawn brightest; what is above looks the same.
    alphabet : Alphabet, optional

    Raises
    ------
    ValueError
        If the panels' shapes differ, or do not fit the alphabet.
    """
    alphabet = alphabet or Alphabet()
    shapes = {tuple(numbers.shape) for numbers in panels.values()}
    if len(shapes) != 1 or {len(s) for s in shapes} != {2} or min(min(s) for s in shapes) < 1:
        raise ValueError(f"All panels have one shape (T, C); got {sorted(shapes)}.")
    (frames, classes) = shapes.pop()
    if classes != alphabet.num_classes:
        raise ValueError(
            f"The alphabet {alphabet.characters!r} and its blank are {alphabet.num_classes} "
            f"classes; the panels have {classes}."
        )
    rows = alphabet.encode(alphabet.characters if characters is None else characters)
    image = None if image is None else image.detach().cpu().reshape(image.shape[-2:])
    width = frames if image is None else image.shape[1]
    edges = np.linspace(0, width, frames + 1) if edges is None else np.asarray(edges)
    limits = min(0.0, float(edges[0])), max(float(width), float(edges[-1]))
    margin = max(PANEL_LEFT, 10 + NAME * max(len(alphabet.symbols[c]) for c in rows))
    wide = 72 * WIDTH - margin - PANEL_RIGHT
    ink = 0.0 if image is None else image.shape[0] * min(wide / (limits[1] - limits[0]), 2.2)
    high = ROW * (len(rows) + 1.5)
    total = 4 + ink + len(panels) * (high + 20) + 24
    figure = Figure(figsize=(WIDTH, total / 72))

    def panel(top: float, height: float) -> Axes:
        place = margin / (72 * WIDTH), 1 - (top + height) / total
        axes = figure.add_axes((*place, wide / (72 * WIDTH), height / total))
        axes.set(xlim=limits)
        return axes

    if image is not None:
        axes = panel(4, ink)
        axes.set(ylim=(image.shape[0], 0))
        draw_ink(axes, image, 0, 0, 1)
        axes.set_axis_off()
    top = 4 + ink
    for title, numbers in panels.items():
        top += 20
        axes = panel(top, high)
        numbers = numbers.detach().cpu().double().numpy()  # (T, C)
        signed = bool((numbers < 0).any())
        key = "  (▲ will rise, ▼ will fall)" * signed
        axes.set_title(title + key, loc="left", fontsize=10, pad=4)
        drawn = _triangles if signed else _brightness
        mesh = drawn(axes, numbers[:, rows], numbers[:, [alphabet.blank]], edges, most)
        places = [0, *(r + 1.5 for r in range(len(rows)))]
        axes.set(ylim=(len(rows) + 1, -0.5))
        axes.set_yticks(places, ["blank", *(alphabet.symbols[c] for c in rows)])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_xticks([])
        if mesh is not None:
            bar = figure.add_axes(
                ((margin + wide + 8) / (72 * WIDTH), 1 - (top + high) / total)
                + (7 / (72 * WIDTH), high / total)
            )
            figure.colorbar(mesh, cax=bar, ticks=(0, most)).outline.set_visible(False)
            bar.set_yticklabels(["0", f"{most:g}" + " +" * (most < 1)])
        top += high
    step = next(n for n in (1, 2, 5, 10, 20, 50, 100, 10**9) if frames / n <= 32)
    middles = (edges[1:] + edges[:-1]) / 2
    axes.set_xticks(middles[::step], [str(t) for t in range(0, frames, step)])
    axes.set_xlabel("frame")
    over = "" if image is None else "The line, and under it "
    return say(figure, f"{over}{frames} frames: {', then '.join(panels)}.")


def _brightness(axes: Axes, rows, blank, edges, most: float):
    look = {"cmap": "cividis", "vmin": 0, "vmax": most}
    axes.pcolormesh(edges, np.arange(rows.shape[1] + 1) + 1.0, rows.T, **look)
    return axes.pcolormesh(edges, [-0.5, 0.5], blank.T, **look)


def _triangles(axes: Axes, rows, blank, edges, most: float) -> None:
    values = np.concatenate([blank, rows], axis=1)  # (T, 1 + R)
    places = np.array([0, *(r + 1.5 for r in range(rows.shape[1]))])
    middles = (edges[1:] + edges[:-1]) / 2
    column = 72 * WIDTH / len(middles)
    biggest = np.abs(values).max() or 1.0
    for sign, marker, colour in ((-1, "^", BLUE), (1, "v", MARK)):
        t, r = np.nonzero(sign * values > 0.02 * biggest)
        area = np.abs(values[t, r]) / biggest * min(ROW, column) ** 2
        axes.scatter(middles[t], places[r], s=area, marker=marker, color=colour, linewidth=0)
    for y in places:
        axes.hlines(y + 0.5, edges[0], edges[-1], color=FAINT, linewidth=0.4, alpha=0.25)
