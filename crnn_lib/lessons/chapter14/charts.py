"""Figures of notebook 14: the leaderboard, and what a class has learned."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from crnn_lib.lessons.chapter14.leaderboard import Board, Entry, front
from crnn_lib.lessons.classroom import Change
from crnn_lib.lessons.engine import plural
from crnn_lib.plots import ACCENT, BAR, FAINT, INK, WIDTH, draw_grid, say, styled

MOVED = {"wrong to right": (BAR, ""), "right to wrong": (ACCENT, "////")}


@styled
def plot_leaderboard(board: Board) -> Figure:
    """Parameters against exact match, with 95 % intervals, the bar, and who is beaten by nobody."""
    if not board.entries:
        raise ValueError("There is nothing to draw: the leaderboard has no entry.")
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    axes = figure.subplots()
    best = front(board.entries)
    floor = _floor(board)
    placed: list[Entry] = []
    for entry in sorted(board.entries, key=lambda entry: -entry.exact_match):
        low, high = (100 * end for end in entry.interval)
        match = 100 * entry.exact_match
        style = {"color": INK, "markersize": 6, "capsize": 3, "elinewidth": 1}
        style["markerfacecolor"] = INK if match >= 100 * board.bar else "white"
        name = entry.name
        if match < floor:  # what reads next to nothing must not flatten the rest
            match, low, high, name = floor, floor, floor, f"{name} ({match:.0f} %)"
        fmt = "v" if match == floor else "o"
        spread = [[match - low], [high - match]]
        axes.errorbar(entry.parameters, match, spread, fmt=fmt, clip_on=False, **style)
        crowded = any(_near(entry, other) for other in placed)
        axes.annotate(
            name,
            (entry.parameters, match),
            (7, -11 if crowded else 5),
            textcoords="offset points",
            fontsize=8,
        )
        placed.append(entry)
    axes.plot(
        [entry.parameters for entry in best],
        [100 * entry.exact_match for entry in best],
        color=FAINT,
        drawstyle="steps-post",
        linewidth=1,
        zorder=0,
    )
    axes.axhline(100 * board.bar, color=ACCENT, linewidth=1.2, linestyle="--", zorder=0)
    axes.annotate(
        f"{100 * board.bar:.0f} %",
        (0, 100 * board.bar),
        (3, 3),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        fontsize=8,
        color=ACCENT,
    )
    sizes = [entry.parameters for entry in board.entries]
    axes.set(xscale="log", xlabel="parameters", ylabel="hard lines read (%)", ylim=(floor, 100.4))
    axes.set_xlim(min(sizes) / 1.6, max(sizes) * 2.2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    draw_grid(axes)
    winner = board.winner
    words = f"{plural(len(board.entries), 'entry')} by size and by lines read. "
    words += f"Beaten by nobody: {', '.join(entry.name for entry in best)}. "
    if winner is None:
        words += f"Nobody reads {100 * board.bar:.0f} % yet."
    else:
        words += f"The smallest that reads {100 * board.bar:.0f} %: {winner.name}, with "
        words += f"{winner.parameters:,} parameters."
    return say(figure, words)


@styled
def plot_change(changes: Sequence[Change]) -> Figure:
    """How a class moved, question by question: to the right who now understands, to the left who
    no longer does. Beside it the share that understood, before and after, and the lucky ones.

    Parameters
    ----------
    changes : sequence of Change
        As :func:`crnn_lib.lessons.classroom.changes` returns them.
    """
    if not changes or not changes[0].learners:
        raise ValueError(
            "There is nothing to compare: nobody has taken the test both before and after, under "
            "one name."
        )
    all = changes[0].learners
    figure = Figure(figsize=(WIDTH, 0.9 + 0.32 * len(changes)), layout="constrained")
    moved, shares = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for row, change in enumerate(changes):
        for name, sign in (("wrong to right", 1), ("right to wrong", -1)):
            count = change.moves[name]
            colour, hatch = MOVED[name]
            style = {"color": colour, "hatch": hatch, "edgecolor": "white", "height": 0.66}
            moved.barh(row, sign * count, label=name if row == 0 else None, **style)
            if count:
                side = {"ha": "left" if sign > 0 else "right", "va": "center", "fontsize": 8}
                moved.text(sign * count, row, f" {count} ", **side)
        before, after = (100 * count / all for count in change.understood)
        lucky = 100 * change.lucky[1] / all
        first = row == 0
        shares.plot([before, after], [row, row], color=FAINT, linewidth=1.2, zorder=1)
        shares.plot(before, row, "o", color=INK, markerfacecolor="white", label="before" * first)
        shares.plot(after, row, "o", color=INK, label="after" * first)
        shares.plot(lucky, row, "x", color=ACCENT, label="after: right, wrong reason" * first)
    moved.set_yticks(range(len(changes)), [change.id for change in changes])
    moved.set(ylim=(len(changes) - 0.4, -0.6), xlabel=f"learners of {all} who moved")
    reach = max(max(c.moves["wrong to right"], c.moves["right to wrong"]) for c in changes)
    moved.set_xlim(-1.2 * max(reach, 1), 1.2 * max(reach, 1))
    moved.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    moved.xaxis.get_major_locator().set_params(integer=True)
    moved.axvline(0, color=INK, linewidth=0.8)
    shares.set(xlim=(-4, 104), xlabel="understood (% of the class)", xticks=(0, 50, 100))
    draw_grid(shares, "x")
    for axes in (moved, shares):
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=7.5,
                    columnspacing=1.0, handletextpad=0.4)  # fmt: skip
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    right, wrong = (sum(c.moves[name] for c in changes) for name in MOVED)
    lucky = [sum(c.lucky[k] for c in changes) for k in (0, 1)]
    return say(
        figure,
        f"{plural(all, 'learner')}, {plural(len(changes), 'question')}: "
        f"{right} times somebody moved from wrong to right, {wrong} times from right to wrong. "
        f"Right answers for a wrong reason: {lucky[0]} before, {lucky[1]} after.",
    )


def _floor(board: Board) -> float:
    """Where the axis begins, in per cent: tens below the entries that are worth a look."""
    worth = [e.exact_match for e in board.entries if e.exact_match >= board.bar - 0.3]
    return 10 * math.floor(10 * min([*worth, board.bar - 0.05]))


def _near(one: Entry, other: Entry) -> bool:
    """Whether the names of two entries would stand on each other."""
    sizes = one.parameters / other.parameters
    return 0.6 < sizes < 1.7 and abs(one.exact_match - other.exact_match) < 0.01
