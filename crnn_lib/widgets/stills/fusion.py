"""The fusion explorer as a still figure: for readers of a page on which no script runs."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from crnn_lib.plots import ACCENT, FAINT, INK, WIDTH, say, styled
from crnn_lib.widgets import MOST_WEIGHT, FusionExplorer, score

DEPTH = 8.0  # how far behind the best the chart reaches
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
    for reign in reigns:
        axes.plot(WEIGHTS[reign], behind[best[reign[0]], reign], color=ACCENT, linewidth=3)
        text = allowed[best[reign[0]]]["text"] or "nothing"
        if len(reign) > 0.04 * len(WEIGHTS):
            mark = " (true)" if text == line["truth"] else ""
            middle = WEIGHTS[reign].mean()
            axes.text(middle, 0.35, text + mark, ha="center", fontsize=9, weight="bold")
    axes.set(
        xlim=(0, MOST_WEIGHT), ylim=(-DEPTH, 1.1), xlabel="weight of the language",
        ylabel="score, behind the best", yticks=(0, -2, -4, -6, -8),
    )  # fmt: skip
    axes.set_title(line["note"], loc="left", fontsize=9, color=FAINT)
    told = [
        f"{allowed[best[reign[0]]]['text'] or 'nothing'} from weight {WEIGHTS[reign[0]]:.2f} on"
        for reign in reigns
    ]
    return say(
        figure,
        f"{len(allowed)} candidates, bonus {explorer.bonus:g}. The best is {', then '.join(told)}.",
    )
