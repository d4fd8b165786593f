"""What paper and camera do to reading: exact match for each effect at severities 1 to 5.

    python benchmarks/paper.py --weights crnn-digits --lines 300 --figure paper.png

Each effect of crnn_lib.handwriting.paper is alone on the paper. The lines are the same throughout,
and the same draws place each effect, so a row shows one effect growing.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch
from matplotlib.figure import Figure
from table import markdown_table

from crnn_lib import LineStyle, compose_lines, evaluate, load_glyphs, load_model
from crnn_lib.evaluation import wilson_interval
from crnn_lib.handwriting import Glyphs, LineBatch
from crnn_lib.handwriting.paper import EFFECTS, PaperStyle, photograph
from crnn_lib.photos import ink_of
from crnn_lib.plots import INK, say, styled, to_png
from crnn_lib.training import photo_sample, seeded_generator

TESTED, SEED, LENGTH = 500, 2026, (2, 8)
STRIPS = 10_000  # strips of the article, and amounts: where a point counts
SEVERITIES = (1, 2, 3, 4, 5)


def read_photos(model, lines: LineBatch, style: PaperStyle, *seeds: int) -> float:
    """Exact match on photographs of lines."""
    photos = photograph(lines, style, seeded_generator(*seeds))
    ink = dataclasses.replace(photos, images=ink_of(photos.images, photos.widths))
    return evaluate(model, ink).exact_match


def read_wholes(model, test: Glyphs, lines: LineBatch, seed: int) -> dict[str, float]:
    """Exact match on kinds of lines: without paper, and on whole styles of paper."""
    strips = LineStyle.article()
    still = dataclasses.replace(strips, rotation=0.0, glyph_size=(1.0, 1.0), translation=(0.0, 0.0))
    without = {
        "as written, without paper": lines,
        "the article's strips": compose_lines(test, STRIPS, strips, seeded_generator(seed, 3)),
        "the same without jitter": compose_lines(test, STRIPS, still, seeded_generator(seed, 3)),
    }
    for text in ("1", "11", "111"):
        without[f"`{text}` as written"] = compose_lines(
            test, len(lines), LineStyle(), seeded_generator(seed, 4), texts=[text] * len(lines)
        )
    without["amounts on `PaperStyle.cheque()`, half by the pen"] = photo_sample(test, STRIPS, seed)
    whole = {name: evaluate(model, lines).exact_match for name, lines in without.items()}
    for name in ("clean", "scanner", "cheque"):
        whole[f"`PaperStyle.{name}()`"] = read_photos(
            model, lines, getattr(PaperStyle, name)(), seed, 1
        )
    return whole


def read_effects(model, lines: LineBatch, seed: int) -> dict[str, list[float]]:
    """Exact match on each effect at each severity."""
    alone = {}
    for number, name in enumerate(EFFECTS):
        alone[name] = [
            read_photos(model, lines, PaperStyle.only(name, severity), seed, 2, number)
            for severity in SEVERITIES
        ]
        print(name, *(f"{match:.1%}" for match in alone[name]), flush=True)
    return alone


@styled
def plot_severities(alone: dict[str, list[float]], clean: float) -> Figure:
    """Exact match by effect and severity, the most harmful effect first."""
    names = sorted(alone, key=lambda name: sum(alone[name]))
    values = [alone[name] for name in names]
    figure = Figure(figsize=(5.2, 0.22 * len(names) + 0.9), layout="constrained")
    axes = figure.subplots()
    axes.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for row, matches in enumerate(values):
        for column, match in enumerate(matches):
            colour = "white" if match < 0.5 else INK
            label = f"{100 * match:.0f}"
            axes.text(column, row, label, ha="center", va="center", fontsize=8, color=colour)
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks(range(len(SEVERITIES)), SEVERITIES)
    axes.set(xlabel="severity", title=f"exact match in % (clean paper: {100 * clean:.0f})")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    worst = ", ".join(f"{name} ({alone[name][-1]:.0%})" for name in names[:3])
    return say(figure, f"Exact match by effect and severity; lowest at severity 5: {worst}.")


def run(
    weights: str = "crnn-photos",
    tested: int = TESTED,
    seed: int = SEED,
    figure: str | Path | None = None,
) -> str:
    torch.set_num_threads(1)
    model, test = load_model(weights), load_glyphs("auto", "test")
    lines = compose_lines(test, tested, LineStyle(length=LENGTH), seeded_generator(seed, 0))
    whole, alone = read_wholes(model, test, lines, seed), read_effects(model, lines, seed)
    if figure is not None:
        drawn = plot_severities(alone, whole["`PaperStyle.clean()`"])
        Path(figure).write_bytes(to_png(drawn))
        print(drawn.get_label())
    half = max(
        (high - low) / 2
        for low, high in (
            wilson_interval(round(match * tested), tested)
            for match in [*whole.values(), *(m for row in alone.values() for m in row)]
        )
    )
    rows = [[name, *(f"{match:.1%}" for match in matches)] for name, matches in alone.items()]
    return (
        f"## Paper\n\n`{weights}` on {test.source} ({test.split}) glyphs, {LENGTH[0]} to "
        f"{LENGTH[1]} digits, n = {tested:,} lines a cell ({STRIPS:,} strips and amounts), "
        f"seed {seed}, best path: exact match. "
        f"95 % intervals reach {100 * half:.1f} points to each side, or less.\n\n"
        + markdown_table(["paper", "exact match"], [[k, f"{v:.1%}"] for k, v in whole.items()])
        + "\n\nOne effect alone, at severities 1 to 5:\n\n"
        + markdown_table(["effect", *map(str, SEVERITIES)], rows)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="crnn-photos", help="a shipped model or a file")
    parser.add_argument("--lines", type=int, default=TESTED, help="lines for each cell")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--figure", metavar="PNG", help="draw the table to this file")
    given = parser.parse_args()
    print(run(given.weights, given.lines, given.seed, given.figure))


if __name__ == "__main__":
    main()
