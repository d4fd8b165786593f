"""Figures of notebook 08: the automaton of Luhn, ways through it, and what a rule corrected."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from crnn_lib.handwriting import LineBatch
from crnn_lib.plots import ACCENT, CURVES, FAINT, INK, WIDTH, canvas, draw_ink, say, styled

DIGITS = "0123456789"
Step = Callable[[tuple[int, bool], str], tuple[int, bool]]


@styled
def plot_luhn(step: Step) -> Figure:
    """The 20 states of Luhn's rule for numbers of even length, and the arrows from two of them.

    Parameters
    ----------
    step : callable
        ``step((remainder, doubled), digit)`` gives the next state.
    """
    figure, axes = canvas(72 * WIDTH, 250)
    columns = {True: 130.0, False: 430.0}

    def place(remainder: int, doubled: bool) -> tuple[float, float]:
        return columns[doubled], 40.0 + 21.5 * remainder

    for doubled in (True, False):
        for remainder in DIGITS:
            x, y = place(int(remainder), doubled)
            ends = doubled and remainder == "0"
            colour, width = (ACCENT, 2.2) if ends else (FAINT, 0.9)
            axes.plot(x, y, "o", ms=15, mfc="white", mec=colour, mew=width, zorder=3)
            axes.text(x, y, remainder, fontsize=9, ha="center", va="center", zorder=4)
        words = "the next digit is doubled" if doubled else "the next digit counts as it is"
        axes.text(columns[doubled], 14, words, fontsize=9, ha="center", va="center", color=INK)
    for digit in DIGITS:
        (x, y), (right, end) = place(0, True), place(*step((0, True), digit))
        _arrow(axes, (x + 9, y), (right - 9, end), color=INK, linewidth=0.8)
        axes.text(right - 36, end - (end - y) * 0.1, digit, fontsize=8, color=INK, **CHIP)
    (x, y), (left, end) = place(9, False), place(*step((9, False), "1"))
    bent = {"connectionstyle": "arc3,rad=-0.3", "linestyle": "--"}
    _arrow(axes, (x - 9, y), (left + 4, end + 9), color=ACCENT, linewidth=1.6, **bent)
    axes.text(x - 82, y - 2, "1", fontsize=9, color=ACCENT, weight="bold", **CHIP)
    axes.text(
        columns[True] - 16, 40, "begins here,\nmay end here", fontsize=8, ha="right", va="center"
    )
    return say(
        figure,
        "20 states. From remainder 0 each of the ten digits leads to another remainder: doubled, "
        "less 9 if need be. From 9 a plain 1 leads back to 0 (red). The other arrows are these, "
        "moved round.",
    )


CHIP = {
    "ha": "center",
    "va": "center",
    "bbox": {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none"},
}


def _arrow(axes: Axes, start: tuple, end: tuple, **look) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=7, **look))


@styled
def plot_ways(step: Step, texts: Sequence[str]) -> Figure:
    """How far ways through the automaton are from that of the first text, counted in a circle.

    Parameters
    ----------
    step : callable
        As for :func:`plot_luhn`.
    texts : sequence of str
        Of one length; the first is the right number.
    """
    ways = []
    for text in texts:
        states = [(0, True)]
        for digit in text:
            states.append(step(states[-1], digit))
        ways.append([remainder for remainder, _ in states])
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    axes = figure.subplots()
    told = []
    for text, way, (colour, dashes) in zip(texts, ways, CURVES, strict=False):
        apart = [(one - right) % 10 for one, right in zip(way, ways[0], strict=True)]
        axes.plot(apart, dashes, color=colour, linewidth=1.8, drawstyle="steps-mid", label=text)
        told.append(f"{text} ends {apart[-1]} apart" if text != texts[0] else f"{text} is right")
    axes.set(
        xlabel="digits read", ylabel="remainders apart", yticks=range(0, 10, 2), ylim=(-0.5, 9.5)
    )
    figure.legend(loc="outside right", frameon=False, handlelength=3.2)
    return say(figure, f"{'; '.join(told)}.")


@styled
def plot_corrections(lines: LineBatch, *readings: Sequence[str], names: Sequence[str]) -> Figure:
    """Lines, and what several readers say of each digit; where they differ, it is marked.

    Parameters
    ----------
    lines : LineBatch
        With as many characters in each line as each of its readings has.
    *readings : sequence of str
        One text per line, from each reader.
    names : sequence of str
        Of the readers, to stand beside their rows.
    """
    room = 72 * WIDTH - 110
    scale = min(2.0, room / int(lines.widths.max()))
    high = lines.images.shape[2] * scale
    pitch = high + 15 * len(readings) + 16
    figure, axes = canvas(72 * WIDTH, pitch * len(lines) + 4)
    differ = 0
    for n in range(len(lines)):
        top = n * pitch + 4
        draw_ink(axes, lines.images[n, 0, :, : int(lines.widths[n])], 100, top, scale)
        told = [reading[n] for reading in readings]
        for row, (name, text) in enumerate(zip(names, told, strict=True)):
            y = top + high + 10 + 15 * row
            axes.text(92, y, name, fontsize=8, color=FAINT, ha="right", va="center")
            for k, character in enumerate(text):
                x = 100 + scale * lines.spans[n, k].float().mean().item()
                same = len({one[k] for one in told}) == 1
                look = {"color": INK} if same else {"color": ACCENT, "weight": "bold"}
                axes.text(x, y, character, fontsize=9.5, ha="center", va="center", **look)
        for k in range(len(told[0])):
            if len({one[k] for one in told}) > 1:
                differ += 1
                left, right = (100 + scale * x for x in lines.spans[n, k].tolist())
                box = Rectangle((left - 2, top), right - left + 4, pitch - 14, fill=False)
                box.set(edgecolor=ACCENT, linewidth=1.4, linestyle="--")
                axes.add_patch(box)
    return say(
        figure, f"{len(lines)} lines; the readers differ in {differ} digits, which are boxed."
    )
