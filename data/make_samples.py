"""Make data/lines and the picture in the README, with the built-in pen.

python data/make_samples.py

The lines are examples to try the reader on, not a measurement: their seed is one of four that were
tried, and with it all of them are read right.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from PIL import Image

from crnn_lib import LineStyle, best_path, compose_lines, load_glyphs, load_model
from crnn_lib.handwriting import LineBatch
from crnn_lib.plots import plot_posteriors
from crnn_lib.training import seeded_generator

DATA = Path(__file__).parent
TEXTS = ["55207", "18", "9074421", "0", "3141592653", "77", "2026", "1000000"]
SEED = 6
SCALE = 3  # the files are three times as large as what a network reads


def sample_lines() -> LineBatch:
    """The lines of data/lines: test glyphs of the pen, a little less crowded than the default."""
    glyphs, style = load_glyphs("pen", "test"), LineStyle(spacing=(-0.1, 0.3))
    return compose_lines(glyphs, len(TEXTS), style, seeded_generator(SEED), texts=TEXTS)


def main() -> None:
    lines = sample_lines()
    folder = DATA / "lines"
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(lines.texts):
        ink = lines.images[number, 0, :, : lines.widths[number]]
        paper = (255 - 225 * ink).round().byte().numpy()  # dark ink on light paper
        image = Image.fromarray(paper)
        size = (image.width * SCALE, image.height * SCALE)
        image.resize(size, Image.Resampling.BICUBIC).save(folder / f"{text}.png")

    model = load_model("crnn-digits")
    line = lines.select([0])
    with torch.inference_mode():
        log_probs, _ = model(line.images, line.widths)
    (hypothesis,) = best_path(log_probs, alphabet=model.alphabet)
    figure = plot_posteriors(line.images[0], log_probs[0], model=model)
    figure.savefig(DATA / "reading.png", dpi=110, metadata={"Software": None})
    print(f"Wrote {len(lines)} lines to {os.path.relpath(folder)}; 55207 reads {hypothesis.text}.")


if __name__ == "__main__":
    main()
