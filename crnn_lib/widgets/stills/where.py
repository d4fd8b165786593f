"""The where explorer as a still figure: for readers of a page on which no script runs."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from crnn_lib.plots import ACCENT, FAINT, INK, WIDTH, canvas, draw_ink, say, styled
from crnn_lib.widgets import WhereExplorer
from crnn_lib.widgets.base import decode


@styled
def plot_where(explorer: WhereExplorer) -> Figure:
    """A line, the columns from which each character was read, and where its ink is.

    Parameters
    ----------
    explorer : WhereExplorer
        Its selected line is drawn, its selected character marked.
    """
    line = explorer.lines[explorer.line]
    pixels = decode(line["image"], "u1") / 255
    scale = min((72 * WIDTH - 20) / line["width"], 4.0)
    room = max(line["width"] * scale, 330) + 20  # the key is as wide as that
    figure, axes = canvas(room, line["height"] * scale + 66)
    draw_ink(axes, pixels.reshape(line["height"], line["width"]), 10, 6, scale)
    below = line["height"] * scale + 12
    for i, character in enumerate(line["characters"]):
        selected = i == explorer.character
        start, end = (10 + scale * column for column in character["columns"])
        band = Rectangle((start, 6), end - start, line["height"] * scale)
        colour, alpha = (ACCENT, 0.5) if selected else ("#b59a2a", 0.35)
        band.set(facecolor=colour, alpha=alpha, linewidth=0)
        axes.add_patch(band)
        if selected:  # a border, which is seen without colours, too
            edge = {"fill": False, "edgecolor": ACCENT, "linewidth": 1.5, "linestyle": "--"}
            axes.add_patch(Rectangle((start, 6), end - start, line["height"] * scale, **edge))
        middle = (start + end) / 2
        if character["ink"]:
            left, right = (10 + scale * column for column in character["ink"])
            look = (
                {"color": ACCENT, "linewidth": 3}
                if selected
                else {"color": FAINT, "linewidth": 1.2}
            )
            bracket = ([left, left, right, right], [below, below + 5, below + 5, below])
            axes.plot(*bracket, **look)
            middle = (left + right) / 2
        sure = f"{100 * character['sure']:.3g} %"
        weight = "bold" if selected else "normal"
        name = {"fontsize": 10, "color": INK, "ha": "center", "weight": weight}
        axes.text(middle, below + 14, character["symbol"], **name)
        axes.text(middle, below + 27, sure, fontsize=7, color=FAINT, ha="center")
    key = "bands: the columns that name it    brackets: its ink    percentages: how sure it is"
    axes.text(10, below + 46, key, fontsize=8, color=FAINT)
    widths = [b - a for a, b in (c["columns"] for c in line["characters"])]
    inks = [b - a for a, b in (c["ink"] for c in line["characters"] if c["ink"])]
    words = (
        f"{line['read']}: bands of {sum(widths) / len(widths):.1f} columns on average, from which "
        "the characters were read. The brackets show where the ink really is"
    )
    return say(figure, f"{words}: {', '.join(map(str, inks))} columns." if inks else f"{words}.")
