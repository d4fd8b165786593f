"""The fusion explorer as a still figure: for readers of a page on which no script runs."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crnn_lib.plots import ACCENT, FAINT, INK, WIDTH, say, styled
from crnn_lib.widgets import MOST_WEIGHT, FusionExplorer, score

DEPTH = 8.0  # how far behind the best the chart reaches
APART = 0.68  # of two labels, in the same unit
WEIGHTS = np.linspace(0, MOST_WEIGHT, 401)


@styled
def plot_fusion(explorer: FusionExplorer | None = None) -> Figure:
    """How far each candidate lies behind the best one, over the weight of the language.

    Parameters
    ----------
    explorer : FusionExplorer, optional
        Its line and its bonus are drawn.
    """
    explorer = FusionExplorer() if explorer is None else explorer
    line = explorer.lines[explorer.line]
    allowed = [c for c in line["candidates"] if c["language"] is not None]
    if not allowed:
        raise ValueError("The language forbids all candidates of this line: nothing to draw.")
    scores = np.array([[score(c, w, explorer.bonus) for w in WEIGHTS] for c in allowed])  # (M, W)
    behind = scores - scores.max(0)
    best = behind.argmax(0)
    reigns = np.split(np.arange(len(WEIGHTS)), np.flatnonzero(np.diff(best)) + 1)

    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    axes = figure.subplots()
    for candidate, curve in zip(allowed, behind, strict=True):
        is_true = candidate["text"] == line["truth"]
        look = {"color": INK, "linewidth": 1.8} if is_true else {"color": FAINT, "linewidth": 0.9}
        axes.plot(WEIGHTS, curve, **look)
    _label(axes, [c["text"] or "nothing" for c in allowed], behind)
    for reign in reigns:
        axes.plot(WEIGHTS[reign], behind[best[reign[0]], reign], color=ACCENT, linewidth=3)
        text = allowed[best[reign[0]]]["text"] or "nothing"
        if len(reign) > 0.04 * len(WEIGHTS):
            mark = " (true)" if text == line["truth"] else ""
            middle = WEIGHTS[reign].mean()
            axes.text(middle, 0.35, text + mark, ha="center", fontsize=9, weight="bold")
    axes.set(
        xlim=(0, MOST_WEIGHT), ylim=(-DEPTH, 1.1), xlabel="weight of the language",
        yticks=(0, -2, -4, -6, -8),
    )  # fmt: skip
    axes.set_ylabel("score, behind the best", labelpad=30)
    axes.tick_params(axis="y", pad=34)
    axes.set_title(line["note"], loc="left", fontsize=9, color=FAINT)
    told = [
        f"{allowed[best[reign[0]]]['text'] or 'nothing'} from weight {WEIGHTS[reign[0]]:.2f} on"
        for reign in reigns
    ]
    return say(
        figure,
        f"{len(allowed)} candidates, bonus {explorer.bonus:g}. The best is {', then '.join(told)}.",
    )


def _label(axes: Axes, texts: list[str], behind: np.ndarray) -> None:
    """Each curve's text where it leaves the chart on the right, else where it begins."""
    for edge, x, side in ((-1, MOST_WEIGHT, "left"), (0, 0.0, "right")):
        seen = [k for k in range(len(texts)) if behind[k, edge] > -DEPTH]
        if not edge:
            seen = [k for k in seen if behind[k, -1] <= -DEPTH]  # the others have their label
        seen.sort(key=lambda k: -behind[k, edge])
        heights = list(behind[seen, edge])
        for i in range(1, len(seen)):  # from the top: none closer than APART to the one above
            heights[i] = min(heights[i], heights[i - 1] - APART)
        lowest = -DEPTH
        for i in reversed(range(len(seen))):  # from the bottom: none below the chart
            heights[i] = max(heights[i], lowest)
            lowest = heights[i] + APART
        for k, height in zip(seen, heights, strict=True):
            place = (x + (0.03 if edge else -0.03) * MOST_WEIGHT, height)
            look = {"fontsize": 7.5, "color": INK, "ha": side, "va": "center"}
            leader = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.5, "shrinkB": 0}
            where = {"annotation_clip": False, "arrowprops": leader}
            axes.annotate(texts[k], (x, behind[k, edge]), place, **look, **where)
