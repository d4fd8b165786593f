"""The training film as a still figure: for readers of a page on which no script runs."""

from __future__ import annotations

import base64

import numpy as np
from matplotlib.figure import Figure

from crnn_lib.plots import ACCENT, FAINT, INK, WIDTH, draw_ink, say, styled
from crnn_lib.widgets import TrainingFilm


@styled
def plot_film(film: TrainingFilm) -> Figure:
    """The line, what the network said of it at the moments that have a name, and the loss.

    Parameters
    ----------
    film : TrainingFilm
    """
    named = film.stations | {"the last moment": len(film.steps) - 1}
    rows = [c for c in range(len(film.symbols)) if c != film.blank] + [film.blank]
    figure = Figure(figsize=(WIDTH, 2.6 + 1.0 * len(named)), layout="constrained")
    ratios = [1.5, *[1.0] * len(named), 0.9]
    panels = figure.subplots(len(ratios), 1, height_ratios=ratios)
    pixels = np.frombuffer(base64.b64decode(film.image), np.uint8) / 255
    paper = panels[0]
    draw_ink(paper, pixels.reshape(film.height, film.width), 0, 0, 1)
    paper.set(xlim=(0, film.width), ylim=(film.height, 0), aspect="auto")
    paper.axis("off")
    readings, edges = film.readings, np.linspace(*film.ends, film.frames + 1)
    for axes, (name, moment) in zip(panels[1:-1], named.items(), strict=True):
        probs = film.log_probs[moment].exp().numpy().T[rows]  # (C, T)
        axes.pcolormesh(edges, np.arange(len(rows) + 1), probs, cmap="cividis", vmin=0, vmax=1)
        path = [rows.index(c) for c in film.log_probs[moment].argmax(1).tolist()]
        middles = (edges[1:] + edges[:-1]) / 2
        axes.plot(middles, np.array(path) + 0.5, "o", ms=2.2, mfc="white", mec=INK, mew=0.4)
        axes.set(xlim=(0, film.width), ylim=(len(rows), 0), xticks=[])
        wanted = sorted({rows.index(c) for c in film.label} | {len(rows) - 1})
        names = [film.symbols[rows[r]] if rows[r] != film.blank else "blank" for r in wanted]
        axes.set_yticks([r + 0.5 for r in wanted], names, fontsize=7)
        read = readings[moment].text or "nothing"
        title = f"{name}: step {film.steps[moment]}, loss {film.losses[moment]:.2f}, reads {read}"
        axes.set_title(title, fontsize=9, loc="left", color=INK)
    curve, losses = panels[-1], film.losses.numpy()
    curve.plot(film.steps, losses, color=FAINT)
    marked = list(named.values())
    curve.plot([film.steps[m] for m in marked], losses[marked], "o", color=ACCENT, ms=4)
    curve.set(xlabel="step", ylabel="loss", ylim=(0, None), xlim=(0, film.steps[-1]))
    story = ", ".join(f"{name} from step {film.steps[m]}" for name, m in film.stations.items())
    return say(
        figure,
        f"{film.text} at {len(film.steps)} moments of a training run: {story}. The loss falls from "
        f"{losses[0]:.1f} to {losses[-1]:.2f}.",
    )
