"""Figures of training runs and of errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crnn_lib.evaluation import Report, wilson_interval
from crnn_lib.plots.style import (
    BAR,
    CURVES,
    FAINT,
    MARKERS,
    WIDTH,
    draw_grid,
    in_one_sentence,
    say,
    styled,
)
from crnn_lib.training import History


@styled
def plot_history(histories: History | Mapping[str, History]) -> Figure:
    """Loss, exact match and learning rate of one training run, or of several.

    Parameters
    ----------
    histories : History or mapping of str to History
        With several, the keys name the curves.
    """
    if isinstance(histories, History):
        histories = {"": histories}
    if not histories or any(not history.step for history in histories.values()):
        raise ValueError("There is nothing to draw: a history holds no step.")
    if len(histories) > len(CURVES):
        raise ValueError(f"Up to {len(CURVES)} histories fit one figure; got {len(histories)}.")
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.4))
    validated = False
    for k, (name, history) in enumerate(histories.items()):
        colour, dashes = CURVES[k]
        for axes, values in zip(panels, (history.loss, history.exact_match), strict=False):
            values = np.array(values)
            axes.plot(history.step, values, color=colour, linewidth=0.7, alpha=0.3)
            smooth = _smooth(values)
            axes.plot(history.step, smooth, dashes, color=colour, linewidth=1.8, label=name)
        panels[2].plot(history.step, history.learning_rate, dashes, color=colour, linewidth=1.5)
        if history.validation_step:
            validated = True
            match = history.validation_exact_match
            style = {"markerfacecolor": "white", "markersize": 6, "clip_on": False, "zorder": 3}
            panels[1].plot(history.validation_step, match, MARKERS[k], color=colour, **style)
    panels[0].set(ylabel="loss", yscale="log")
    _plain_log_ticks(panels[0])
    panels[1].set(ylabel="exact match", ylim=(0, 1), yticks=(0, 0.5, 1))
    panels[1].set_yticklabels(["0 %", "50 %", "100 %"])
    panels[2].set(ylabel="learning\nrate", xlabel="step", ylim=(0, None))
    panels[2].set_xlim(0, max(history.step[-1] for history in histories.values()))
    for axes in panels:
        draw_grid(axes)
    if len(histories) > 1:
        panels[0].legend(loc="upper right", handlelength=3.2)
    if validated:
        what = "circles" if len(histories) == 1 else "marks"
        note = f"{what}: lines that were held out"
        panels[1].text(0.99, 0.06, note, ha="right", fontsize=8, transform=panels[1].transAxes)
    parts = []
    for name, history in histories.items():
        loss, match = _smooth(np.array(history.loss)), _smooth(np.array(history.exact_match))
        parts.append(
            f"{name + ': ' if name else ''}in {history.step[-1]} steps the loss goes from "
            f"{history.loss[0]:.2g} to {loss[-1]:.2g}, exact match ends at {100 * match[-1]:.0f} %"
        )
    return say(figure, in_one_sentence(parts, histories))


@styled
def plot_plateau(
    steps: Sequence[int], losses: Sequence[float], blanks: Sequence[float], read: Sequence[float]
) -> Figure:
    """The beginning of a run: its loss, the share of blanks, and the share of lines read.

    Parameters
    ----------
    steps : sequence of int
    losses : sequence of float
    blanks : sequence of float
        Share of the frames whose best class is the blank.
    read : sequence of float
        Share of the lines that are read without a mistake.
    """
    figure = Figure(figsize=(WIDTH, 4.0), layout="constrained")
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    shares = {"frames that\nsay blank": blanks, "lines read": read}
    for k, (name, values) in enumerate({"loss": losses, **shares}.items()):
        axes = panels[k]
        axes.plot(steps, values, CURVES[k][1], color=CURVES[k][0], linewidth=1.8)
        axes.set(ylabel=name)
        draw_grid(axes)
        if k:
            axes.set(ylim=(0, 1.02), yticks=(0, 0.5, 1))
            axes.set_yticklabels(["0 %", "50 %", "100 %"])
    flat = [step for step, share in zip(steps, blanks, strict=True) if share >= 0.95]
    if flat:
        for axes in panels:
            axes.axvspan(flat[0], flat[-1], color=FAINT, alpha=0.15, linewidth=0)
        panels[0].text(flat[-1], max(losses), " nearly all frames say blank", va="top", fontsize=9)
    panels[0].set(ylim=(0, None))
    panels[2].set(xlabel="step", xlim=(0, steps[-1]))
    blank = "At no moment do nearly all frames say blank"
    if flat:
        blank = f"Nearly all frames say blank from step {flat[0]} to {flat[-1]}"
    return say(
        figure,
        f"{blank}; the loss goes from {losses[0]:.1f} to "
        f"{losses[-1]:.2f}, and {100 * read[-1]:.0f} % of the lines are read in the end.",
    )


def _smooth(values: np.ndarray) -> np.ndarray:
    """A running mean over a twelfth of the curve, shorter at its ends."""
    half = len(values) // 25
    summed = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    reach = np.minimum(half, np.minimum(place, len(values) - 1 - place))
    return (summed[place + reach + 1] - summed[place - reach]) / (2 * reach + 1)


def _plain_log_ticks(axes: Axes) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, written out."""
    low, high = axes.get_ylim()
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 50 else (1,)
    ticks = [step * 10.0**power for power in powers for step in steps]
    axes.set_yticks([tick for tick in ticks if low <= tick <= high])
    axes.set_yticks([], minor=True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


@styled
def plot_errors_by_length(reports: Report | Mapping[str, Report]) -> Figure:
    """The share of lines read wrong, for each length of the truth, with 95 % intervals.

    Parameters
    ----------
    reports : Report or mapping of str to Report
        With several, the keys name the curves.
    """
    if isinstance(reports, Report):
        reports = {"": reports}
    if not 1 <= len(reports) <= len(CURVES):
        raise ValueError(f"One to {len(CURVES)} reports fit one figure; got {len(reports)}.")
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = figure.subplots()
    parts = []
    for k, (name, report) in enumerate(reports.items()):
        shift = 0.12 * (k - (len(reports) - 1) / 2)
        lengths = np.array([row.length for row in report.by_length])
        wrong = np.array([1 - row.exact_match for row in report.by_length])
        intervals = [
            wilson_interval(row.n - round(row.n * row.exact_match), row.n)
            for row in report.by_length
        ]
        spread = np.abs(np.array(intervals).T - wrong)  # (2, lengths)
        _draw_shares(axes, k, name, lengths + shift, wrong, spread)
        parts.append(
            f"{name + ': ' if name else ''}{report.n - report.n_exact} of {report.n} lines are "
            f"read wrong, {100 * wrong[0]:.1f} % of those with {_characters(lengths[0])} and "
            f"{100 * wrong[-1]:.1f} % of those with {_characters(lengths[-1])}"
        )
    axes.set(xlabel="characters in the line", ylabel="lines read wrong (%)", ylim=(0, None))
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=20)
    draw_grid(axes)
    if len(reports) > 1:
        axes.legend(loc="upper left", handlelength=3.2)
    return say(figure, in_one_sentence(parts, reports))


@styled
def plot_confusions(report: Report, count: int = 10) -> Figure:
    """The characters that were most often read as another one.

    Parameters
    ----------
    report : Report
    count : int
        How many pairs to draw at most.
    """
    pairs = report.confusions[:count]
    figure = Figure(figsize=(WIDTH, 0.5 + 0.24 * max(len(pairs), 2)), layout="constrained")
    axes = figure.subplots()
    if not pairs:
        axes.text(0.5, 0.5, "no character was read as another", ha="center")
        axes.set_axis_off()
        return say(figure, "No character was read as another one.")
    axes.barh(range(len(pairs)), [pair.count for pair in pairs], color=BAR, height=0.66)
    for row, pair in enumerate(pairs):
        axes.text(pair.count, row, f" {pair.count}", va="center")
    names = [f"{pair.truth} read as {pair.prediction}" for pair in pairs]
    axes.set_yticks(range(len(pairs)), names, fontsize=9, family="monospace")
    axes.set(ylim=(len(pairs) - 0.5, -0.5), xticks=[])
    axes.margins(x=0.06)
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.tick_params(length=0)
    often = [f"{p.truth} as {p.prediction} ({_times(p.count)})" for p in pairs]
    return say(figure, f"Characters read as others: {listed(often, 3)}.")


def _draw_shares(axes: Axes, k: int, name: str, x, shares: np.ndarray, spread: np.ndarray) -> None:
    """The k-th curve of a figure: shares in per cent, with their intervals (2, points)."""
    colour, dashes = CURVES[k]
    axes.errorbar(
        x,
        100 * shares,
        100 * spread,
        color=colour,
        linestyle=dashes,
        marker=MARKERS[k],
        markersize=5,
        capsize=3,
        linewidth=1.5,
        elinewidth=1,
        label=name,
    )


def listed(items: Sequence[str], most: int) -> str:
    """The first items in words, and how many more there are.

    >>> listed(["5", "2", "0"], 2)
    '5, 2 and 1 more'
    """
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _characters(count: int) -> str:
    return f"{count} character" + ("" if count == 1 else "s")


@styled
def plot_pretraining(record: Mapping) -> Figure:
    """What networks that begin with other weights read, while they learn and in the end.

    Parameters
    ----------
    record : mapping
        What ``data/make_pretraining.py`` writes: ``minutes`` of a core for each run, the ``batch``,
        and ``runs``, each with its ``start``, the number of ``words`` that it learned from, its
        ``curve`` (step, CER) and what it read of ``fonts`` in the end (``cer``, ``cer_interval``).
        Of runs that differ in their seed alone the end is drawn as their mean, with a bar from the
        least to the greatest; that of a single run as its rate, with its interval.

    Raises
    ------
    ValueError
        If there is no run, or there are more starts than a figure can tell apart.
    """
    runs = record["runs"]
    starts = list(dict.fromkeys(run["start"] for run in runs))
    styles = [*CURVES, (FAINT, (0, (3, 1, 1, 1)))]
    if not 1 <= len(starts) <= len(styles):
        raise ValueError(
            f"Runs of one to {len(styles)} starts fit one figure; got {len(starts)} starts."
        )
    sizes = sorted({run["words"] for run in runs})
    shown = max(sizes, key=lambda size: (sum(run["words"] == size for run in runs), size))
    found = {
        start: {
            size: same
            for size in sizes
            if (same := [r for r in runs if (r["start"], r["words"]) == (start, size)])
        }
        for start in starts
    }
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    during, ended = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for k, start in enumerate(starts):
        (colour, dashes), marker = styles[k], (*MARKERS, "v")[k]
        look = {"color": colour, "markersize": 4, "markerfacecolor": "white", "linewidth": 1.5}
        for number, run in enumerate(found[start].get(shown, [])):
            steps, rates = np.array(run["curve"]).T
            name = None if number else start
            words = steps * record["batch"]
            during.plot(words, 100 * rates, linestyle=dashes, marker=marker, label=name, **look)
        for size, same in found[start].items():
            rates = [100 * run["fonts"]["cer"] for run in same]
            place, mean = sizes.index(size) + 0.13 * (k - (len(starts) - 1) / 2), np.mean(rates)
            reach = 100 * np.array(same[0]["fonts"]["cer_interval"]) if len(same) == 1 else rates
            spread = [[mean - min(reach)], [max(reach) - mean]]
            ended.errorbar([place], [mean], spread, marker=marker, capsize=3, **look)
    during.set(xlabel=f"words seen, of {shown:,}", ylabel="CER on words of other fonts (%)")
    during.set(ylim=(0, 105), xlim=(0, None))
    during.xaxis.set_major_formatter("{x:,.0f}")
    ended.set(xlabel="words to learn from", xlim=(-0.5, len(sizes) - 0.5))
    ended.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    for axes in (during, ended):
        draw_grid(axes)
    figure.legend(loc="outside upper center", ncols=len(starts), handlelength=3.2)
    parts = []
    for start in starts:
        told = [
            f"{100 * sum(run['fonts']['cer'] for run in same) / len(same):.0f} % of {size:,}"
            for size, same in found[start].items()
        ]
        parts.append(f"{start}: {', '.join(told)}")
    return say(
        figure,
        f"CER after {record['minutes']:g} minutes of a core each, by the words to learn from. "
        f"{'; '.join(parts)}.",
    )
