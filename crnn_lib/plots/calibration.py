"""Charts of how honest confidences are, in the style of :mod:`crnn_lib.plots.runs`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crnn_lib.evaluation import Reliability, RiskCoverage
from crnn_lib.plots.style import (
    ACCENT,
    BAR,
    CURVES,
    FAINT,
    INK,
    MARKERS,
    draw_grid,
    in_one_sentence,
    say,
    styled,
)

PANEL = 3.6  # inches


@styled
def plot_reliability(found: Reliability | Mapping[str, Reliability]) -> Figure:
    """How often a reading is right, for each confidence, and how many readings there are.

    Each point is a bin: its mean confidence, the share of its lines that is right, and the 95 %
    interval of that share. Honest confidences lie on the diagonal. The bars below count the lines
    of each bin, on a logarithmic scale.

    Parameters
    ----------
    found : Reliability or mapping of str to Reliability
        Up to three, drawn side by side; the keys are their titles.
    """
    if isinstance(found, Reliability):
        found = {"": found}
    if not 1 <= len(found) <= 3:
        raise ValueError(f"One to three sets of bins fit one figure; got {len(found)}.")
    figure = Figure(figsize=(PANEL * len(found) * 0.92 + 0.4, 4.4), layout="constrained")
    panels = figure.subplots(2, len(found), sharex=True, squeeze=False, height_ratios=(3.2, 1))
    most = max(b.n for each in found.values() for b in each.bins)
    parts = []
    for k, ((name, each), upper, lower) in enumerate(
        zip(found.items(), panels[0], panels[1], strict=True)
    ):
        _draw_reliability(upper, each)
        _draw_counts(lower, each, most)
        upper.set_title(name, fontsize=10, loc="left")
        if not k:
            upper.set_ylabel("lines read right")
            lower.set_ylabel("lines")
        else:
            upper.tick_params(labelleft=False)
            lower.tick_params(labelleft=False)
        parts.append(
            f"{name + ': ' if name else ''}confidence and accuracy are "
            f"{100 * each.expected_error:.1f} points apart on average, over {each.n} lines"
        )
    return say(figure, in_one_sentence(parts, found))


def _draw_reliability(axes: Axes, found: Reliability) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, dashes=(4, 3), zorder=1)
    axes.text(
        0.04, 0.09, "honest", rotation=45, color=FAINT, fontsize=8, transform_rotates_text=True
    )
    bins = [b for b in found.bins if b.n]
    x, y = np.array([b.confidence for b in bins]), np.array([b.accuracy for b in bins])
    spread = np.abs(np.array([b.interval for b in bins]).T - y)  # (2, bins)
    axes.vlines(x, x, y, color=ACCENT, linewidth=5, alpha=0.4, zorder=2)
    look = {"color": INK, "markersize": 4.5, "capsize": 2.5, "elinewidth": 0.9}
    axes.errorbar(x, y, spread, fmt="o", zorder=3, clip_on=False, **look)
    axes.set(xlim=(0, 1), ylim=(0, 1), yticks=(0, 0.25, 0.5, 0.75, 1))
    axes.set_yticklabels(["0 %", "25 %", "50 %", "75 %", "100 %"])
    draw_grid(axes, "both")


def _draw_counts(axes: Axes, found: Reliability, most: int) -> None:
    edges = np.array([found.bins[0].low, *(b.high for b in found.bins)])
    axes.bar(
        edges[:-1],
        [b.n for b in found.bins],
        np.diff(edges) * 0.92,
        align="edge",
        color=BAR,
        linewidth=0,
    )
    axes.set(
        yscale="log", ylim=(0.7, 1.6 * most), xlabel="confidence", xticks=(0, 0.25, 0.5, 0.75, 1)
    )
    ticks = [10**k for k in range(7) if 10**k <= 1.6 * most]
    axes.set_yticks(ticks[:: max(1, (len(ticks) + 2) // 3)])
    axes.set_yticks([], minor=True)
    axes.set_xticklabels(["0", "0.25", "0.5", "0.75", "1"])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


@styled
def plot_risk_coverage(
    curves: RiskCoverage | Mapping[str, RiskCoverage], *, refuse: float | None = 0.05
) -> Figure:
    """How many of the lines still read are wrong, if the least sure ones are refused.

    Parameters
    ----------
    curves : RiskCoverage or mapping of str to RiskCoverage
        With several, the keys name the curves.
    refuse : float, optional
        A share of refused lines to mark; None marks none.
    """
    if isinstance(curves, RiskCoverage):
        curves = {"": curves}
    if not 1 <= len(curves) <= len(CURVES):
        raise ValueError(f"One to {len(CURVES)} curves fit one figure; got {len(curves)}.")
    if refuse is not None and not 0 <= refuse < 1:
        raise ValueError(f"refuse is a share of the lines, from 0 to below 1; got {refuse}.")
    figure = Figure(figsize=(5.6, 3.2), layout="constrained")
    axes = figure.subplots()
    parts, highest = [], 0.0
    for k, (name, curve) in enumerate(curves.items()):
        colour, dashes = CURVES[k]
        coverage, risk = 100 * np.array(curve.coverage), 100 * np.array(curve.risk)
        axes.plot(coverage, risk, dashes, color=colour, linewidth=1.6, label=name, zorder=2)
        highest = max(highest, risk[-1], *risk[coverage >= 20])
        said = f"{name + ': ' if name else ''}{risk[-1]:.1f} % of all lines are read wrong"
        if refuse is not None:
            fits = np.nonzero(coverage >= 100 * (1 - refuse) - 1e-9)[0][0]
            axes.plot(coverage[fits], risk[fits], MARKERS[k], color=colour, markersize=6, zorder=3)
            said += (
                f", {risk[fits]:.1f} % once the least sure {100 - coverage[fits]:.3g} % are refused"
            )
        parts.append(said)
    if refuse:
        axes.axvline(100 * (1 - refuse), color=FAINT, linewidth=1, dashes=(4, 3), zorder=1)
        note = f"{100 * refuse:g} % refused "
        axes.text(100 * (1 - refuse), 1.12 * highest, note, ha="right", fontsize=8, va="top")
    axes.set(xlabel="lines read (%)", ylabel="of those, read wrong (%)")
    axes.set(xlim=(0, 100), ylim=(0, 1.15 * highest if highest else 1))
    draw_grid(axes)
    if len(curves) > 1:
        axes.legend(loc="upper left", handlelength=3.2)
    return say(figure, in_one_sentence(parts, curves))
