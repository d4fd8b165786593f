"""Make what notebook 14 measures on, and the model that it starts from.

    python data/make_capstone.py lines    crnn_lib/lessons/chapter14/hard_lines.npz, a minute
    python data/make_capstone.py model    data/runs/capstone.safetensors and its log, 8 minutes of
                                          one core

The hard lines are a file because all who compete must read the same pixels. A leaderboard made on
other lines is not comparable: make them anew only if there is a reason, and say so. New weights of
crnn-digits or crnn-photos are none, though they would choose a few other digits.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch

from crnn_lib import (
    CRNN,
    LineStyle,
    best_path,
    compose_lines,
    load_glyphs,
    load_model,
    save_model,
    train,
)
from crnn_lib.handwriting import Glyphs, LineBatch
from crnn_lib.lessons import chapter14
from crnn_lib.lessons.chapter14 import (
    FILE,
    GREYS,
    HARD,
    digest_of_lines,
    hard_lines,
    pack,
    small_config,
    which_are_read,
)
from crnn_lib.training import LineStream, TrainConfig

LINES, SEED = 1000, 55207
SURE = 0.99  # what both networks give a legible digit, at least
RUNS = Path(__file__).parent / "runs"
STEPS = 6000


def legible(glyphs: Glyphs) -> Glyphs:
    """The glyphs that both shipped networks read when they stand alone, and surely.

    What makes a hard line hard shall be the company of its digits, not a digit that nobody reads.
    """
    images = torch.zeros(len(glyphs), 1, 32, 32)
    images[:, 0, 2:30, 2:30] = glyphs.images / 255
    kept = torch.ones(len(glyphs), dtype=torch.bool)
    for name in ("crnn-digits", "crnn-photos"):
        with torch.inference_mode():
            read = best_path(*load_model(name)(images))
        for n, (h, label) in enumerate(zip(read, glyphs.labels.tolist(), strict=True)):
            kept[n] &= h.text == str(label) and math.exp(h.log_prob) > SURE
    return glyphs.subset(kept)


def compose() -> LineBatch:
    """The hard lines, before they are rounded to the file's greys."""
    glyphs = legible(load_glyphs("pen", "test", count=8000))
    return compose_lines(glyphs, LINES, HARD, torch.Generator().manual_seed(SEED))


def save_lines(lines: LineBatch, path: Path) -> None:
    """Lines in one file: ink of 16 levels, side by side, two rows in a byte."""
    inks = [lines.images[n, 0, :, :width] for n, width in enumerate(lines.widths.tolist())]
    ink = (GREYS * torch.cat(inks, 1)).round().to(torch.uint8).numpy()  # (H, sum of the widths)
    np.savez_compressed(
        path,
        ink=pack(ink),
        widths=lines.widths.numpy().astype(np.uint16),
        spans=lines.spans.numpy().astype(np.uint16),
        texts=np.array(lines.texts),
    )


def train_model() -> None:
    """A small CRNN on the pen's training hands. It never sees a hard line."""
    torch.set_num_threads(1)
    glyphs = load_glyphs("pen", "train", count=40_000)
    stream = LineStream(glyphs, LineStyle(length=(2, 8)), batch_size=32, seed=0)
    config = TrainConfig(steps=STEPS, learning_rate=6e-3, average=0.999, log_every=50)
    torch.manual_seed(0)
    model = CRNN(small_config())
    history = train(model, stream, config)
    history.save(RUNS / "capstone.json")
    provenance = {
        "command": "python data/make_capstone.py model",
        "glyphs": {"source": "pen", "split": "train", "count": len(glyphs)},
        "style": str(stream.style),
        "training": str(config),
    }
    path = RUNS / "capstone.safetensors"
    save_model(model, path, provenance=provenance, dtype=torch.float16)
    read = which_are_read(load_model(path), hard_lines())
    print(f"{path.name} reads {sum(read)} of {len(read)} hard lines")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("lines", "model"))
    if parser.parse_args().what == "model":
        train_model()
        return
    path = Path(chapter14.__file__).parent / FILE
    save_lines(compose(), path)
    print(f"{path.name}: {path.stat().st_size // 1000} kB, {digest_of_lines(hard_lines())}")


if __name__ == "__main__":
    main()
