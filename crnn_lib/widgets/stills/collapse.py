"""What explorers show, as still figures: for readers of a page on which no script runs.

Display them with :func:`crnn_lib.plots.show`, which prints the figure's sentence under it.
"""

from __future__ import annotations

from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon

from crnn_lib.alphabet import BLANK_SYMBOL
from crnn_lib.ctc import collapse
from crnn_lib.plots import ACCENT, FAINT, INK, canvas, say, styled

TILE, PITCH, ROW, SIDE = 24.0, 29.0, 54.0, 96.0  # points


@styled
def plot_collapse(alignment: str = "55-55222--07", *, drop_first: bool = False) -> Figure:
    """How an alignment becomes its label, rule by rule.

    Parameters
    ----------
    alignment : str
        One symbol per frame, the blank drawn as ``-``.
    drop_first : bool
        The classic mistake: drop blanks, then merge repeats.
    """
    if not alignment:
        raise ValueError("alignment is empty; give one symbol per frame, such as '55-55222--07'.")
    blank = [symbol == BLANK_SYMBOL for symbol in alignment]
    frames = [i for i in range(len(alignment)) if not (drop_first and blank[i])]
    runs = [list(run) for _, run in groupby(frames, key=lambda i: alignment[i])]
    # where the tiles of each row stand, and the frames that a tile of the next row comes from
    rows: list[list[tuple[float, str]]] = [[(i, symbol) for i, symbol in enumerate(alignment)]]
    merged = [((run[0] + run[-1]) / 2, alignment[run[0]]) for run in runs]
    if drop_first:
        rows += [[(i, alignment[i]) for i in frames], merged]
        bands = [[(i, i, i) for i in frames], [(r[0], r[-1], (r[0] + r[-1]) / 2) for r in runs]]
    else:
        rows += [merged, [(x, s) for x, s in merged if s != BLANK_SYMBOL]]
        bands = [[(r[0], r[-1], (r[0] + r[-1]) / 2) for r in runs], [(x, x, x) for x, _ in rows[2]]]

    figure, axes = canvas(SIDE + PITCH * len(alignment) + 8, 2 * ROW + TILE + 16)
    right = "".join(collapse(alignment, blank=BLANK_SYMBOL))
    texts = ["".join(symbol for _, symbol in row) for row in rows]
    lost = texts[2] != right
    names = ["1. drop blanks", "2. merge repeats"] if drop_first else []
    names = ["alignment", *(names or ["1. merge repeats", "2. drop blanks"])]
    for r, (row, name) in enumerate(zip(rows, names, strict=True)):
        top = 6 + r * ROW
        axes.text(4, top + TILE / 2, name, va="bottom", weight="bold")
        text = (texts[r] or "nothing") + ("  \N{BALLOT X}" if lost and r == 2 else "")
        text = text if r else f"{len(alignment)} frames"
        axes.text(4, top + TILE / 2 + 3, text, va="top", family="DejaVu Sans Mono")
        for from_, to, middle in bands[r - 1] if r else ():
            crosses = drop_first and r == 2 and any(blank[from_:to])
            _draw_band(axes, from_, to, middle, top, crosses)
        for place, symbol in row:
            _draw_tile(axes, SIDE + PITCH * (place + 0.5), top, symbol)
    rules = (
        "drop blanks, {}; merge repeats, {}" if drop_first else "merge repeats, {}; drop blanks, {}"
    )
    words = f"{alignment}: " + rules.format(*(text or "nothing" for text in texts[1:]))
    if lost:
        words += f". Wrong: the label is {right}, and a blank fell before it could part equals"
    return say(figure, words + ".")


def _draw_tile(axes: Axes, x: float, top: float, symbol: str) -> None:
    is_blank = symbol == BLANK_SYMBOL
    axes.add_patch(
        FancyBboxPatch(
            (x - TILE / 2, top),
            TILE,
            TILE,
            boxstyle="round,pad=0,rounding_size=4",
            facecolor="white",
            edgecolor=FAINT if is_blank else INK,
            linestyle="--" if is_blank else "-",
        )
    )
    style = {"ha": "center", "va": "center_baseline", "size": 12, "family": "monospace"}
    axes.text(x, top + TILE / 2, symbol, color=FAINT if is_blank else INK, weight="bold", **style)


def _draw_band(
    axes: Axes, start: float, end: float, middle: float, top: float, crosses: bool
) -> None:
    """From the frames of a run down to its one tile; in the accent where it bridges a blank."""
    half, above = TILE / 2, top - ROW + TILE
    left, right, x = (SIDE + PITCH * (place + 0.5) for place in (start, end, middle))
    corners = [(left - half, above), (right + half, above), (x + half, top), (x - half, top)]
    look = {"facecolor": INK, "alpha": 0.12, "linewidth": 0}
    if crosses:
        look = {"facecolor": "#f0c3ca", "edgecolor": ACCENT, "linestyle": "--", "linewidth": 1.2}
    axes.add_patch(Polygon(corners, closed=True, zorder=0, **look))
