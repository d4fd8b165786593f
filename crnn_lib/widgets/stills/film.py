"""The training film as a still figure: for readers of a page on which no script runs."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crnn_lib.plots import ACCENT, FAINT, INK, WIDTH, draw_ink, say, styled
from crnn_lib.widgets import TrainingFilm
from crnn_lib.widgets.base import decode

LEFT, RIGHT, GAP, ROW, TITLE, TICKS, CURVE = 40.0, 12.0, 44.0, 8.5, 34.0, 26.0, 70.0  # points
SCALE, LEAST = 2.0, 130.0  # of a pixel of the line; of a panel


@styled
def plot_film(film: TrainingFilm) -> Figure:
    """The line, what the network said of it at the moments that have a name, and the loss.

    Each moment stands under the ink, a column for each frame. The dots are the best path.

    Parameters
    ----------
    film : TrainingFilm
    """
    named = film.stations | {"the last moment": len(film.steps) - 1}
    classes = sorted(range(len(film.symbols)), key=lambda c: c != film.blank)  # the blank above
    limits = min(0.0, film.ends[0]), max(float(film.width), film.ends[1])
    room = 72 * WIDTH - LEFT - RIGHT
    wide = min(room, max((limits[1] - limits[0]) * SCALE, LEAST))
    beside = min(len(named), int((room + GAP) // (wide + GAP)))  # panels side by side
    under = math.ceil(len(named) / beside)
    ink, high = film.height * wide / (limits[1] - limits[0]), ROW * len(classes)
    total = 4 + ink + under * (TITLE + high + TICKS) + 26 + CURVE + 34
    figure = Figure(figsize=(WIDTH, total / 72))

    def panel(left: float, top: float, width: float, height: float) -> Axes:
        place = left / (72 * WIDTH), 1 - (top + height) / total
        return figure.add_axes((*place, width / (72 * WIDTH), height / total))

    pixels = decode(film.image, "u1") / 255
    for place in range(beside):
        paper = panel(LEFT + place * (wide + GAP), 4, wide, ink)
        paper.set(xlim=limits, ylim=(film.height, 0))
        draw_ink(paper, pixels.reshape(film.height, film.width), 0, 0, 1)
        paper.axis("off")
    probs = film.log_probs[list(named.values())].exp()[..., classes]  # (K, T, C)
    lit = set((probs.amax((0, 1)) > 0.1).nonzero().flatten().tolist())
    lit |= {classes.index(c) for c in film.label} | {0}
    readings, breaks = film.readings, "\n" if beside > 1 else ", "
    for number, (name, moment) in enumerate(named.items()):
        down, across = divmod(number, beside)
        top = 4 + ink + down * (TITLE + high + TICKS) + TITLE
        axes = panel(LEFT + across * (wide + GAP), top, wide, high)
        _draw_lattice(axes, film, probs[number].numpy(), limits)
        names = [film.symbols[classes[r]] if r else "blank" for r in sorted(lit)]
        axes.set_yticks([r + 0.5 for r in sorted(lit)], names, fontsize=7)
        read = readings[moment].text or "nothing"
        title = f"{name}: step {film.steps[moment]}{breaks}loss {film.losses[moment]:.2f}"
        axes.set_title(f"{title}, reads {read}", fontsize=9, loc="left", color=INK)
    curve, losses = panel(LEFT, total - 34 - CURVE, room, CURVE), film.losses.numpy()
    curve.plot(film.steps, losses, color=FAINT)
    marked = list(named.values())
    curve.plot([film.steps[m] for m in marked], losses[marked], "o", color=ACCENT, ms=4)
    curve.set(xlabel="step", ylabel="loss", ylim=(0, None), xlim=(0, film.steps[-1]))
    curve.set_title("the loss of this line, -log P", fontsize=9, loc="left", color=INK)
    story = ", ".join(f"{name} from step {film.steps[m]}" for name, m in film.stations.items())
    return say(
        figure,
        f"{film.text} at {len(film.steps)} moments of a training run: {story}. The loss falls from "
        f"{losses[0]:.1f} to {losses[-1]:.2f}.",
    )


def _draw_lattice(axes: Axes, film: TrainingFilm, probs: np.ndarray, limits: tuple) -> None:
    """What is said of each frame, (T, C), and the best path."""
    edges = np.linspace(*film.ends, film.frames + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    axes.pcolormesh(edges, np.arange(probs.shape[1] + 1), probs.T, cmap="cividis", vmin=0, vmax=1)
    axes.plot(middles, probs.argmax(1) + 0.5, "o", ms=2.2, mfc="white", mec=INK, mew=0.4)
    step = 5 if film.frames > 8 else 1
    axes.set(xlim=limits, ylim=(probs.shape[1], 0), xlabel="frame")
    axes.set_xticks(middles[::step], [str(t) for t in range(0, film.frames, step)], fontsize=7)
    axes.tick_params(length=2)
    axes.xaxis.labelpad = 1
