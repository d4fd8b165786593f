"""Make data/lattices: what the network says about 55207 at three moments of its life.

    python data/make_lattices.py

- early: after 50 steps of training. A sea of blanks, and first guesses in it.
- trained: the weights that ship read the same line.
- confused: the weights that ship read a line whose digits overlap. Of many such lines, it is the
  one whose probability comes closest to one half.

All lines are drawn by the built-in pen. Run it again when the weights change; it takes half a
minute. The package gets the same three in one file, so that the explorer finds them wherever it
is installed.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

from crnn_lib import (
    CRNN,
    LineStyle,
    best_path,
    compose_lines,
    forward_backward,
    load_glyphs,
    load_model,
    train,
    widgets,
)
from crnn_lib.handwriting import LineBatch
from crnn_lib.models import frame_edges
from crnn_lib.training import LineStream, TrainConfig, seeded_generator

FOLDER = Path(__file__).parent / "lattices"
PACKED = Path(widgets.__file__).parent / "lattices.npz"
TEXT = "55207"
STEPS = 50
FRAMES = range(25, 33)  # wide enough to be a line, narrow enough for a screen
CANDIDATES = 300
# Neat for the line that is read well. Overlapping, and slanted one by one, for the other.
NEAT = LineStyle(spacing=(0.0, 0.15), margin=(4, 6), size=(0.95, 1.05))
CROWDED = LineStyle(spacing=(-0.3, -0.2), size=(1.05, 1.15), margin=(4, 6), minimum_pitch=0.0)


def train_early() -> CRNN:
    """A network that has seen 50 batches of lines."""
    torch.manual_seed(0)  # of its first weights
    model = CRNN()
    lines = LineStream(load_glyphs("pen", "train"), LineStyle(), batch_size=32, seed=0)
    train(model, lines, TrainConfig(steps=STEPS))
    return model


def read(model: nn.Module, lines: LineBatch, number: int) -> dict[str, np.ndarray]:
    """One line, alone, as it is stored."""
    line = lines.select([number])
    image = line.images[:, :, :, : int(line.widths[0])]  # (1, 1, H, W)
    with torch.inference_mode():
        log_probs, _ = model(image)
    log_probs = log_probs[0]  # (T, C)
    return {
        "log_probs": log_probs.numpy().astype(np.float32),
        "text": np.array(TEXT),
        "image": (255 * image[0, 0]).round().byte().numpy(),
        "edges": frame_edges(model, len(log_probs)).astype(np.float32),
    }


def probability(model: nn.Module, stored: dict[str, np.ndarray]) -> float:
    alphabet = model.alphabet
    log_probs = torch.from_numpy(stored["log_probs"])
    lattice = forward_backward(log_probs, alphabet.encode(TEXT), blank=alphabet.blank)
    return math.exp(lattice.log_prob)


def candidates(style: LineStyle, seed: int) -> LineBatch:
    glyphs = load_glyphs("pen", "test")
    generator = seeded_generator(55207, seed)
    return compose_lines(glyphs, CANDIDATES, style, generator, texts=[TEXT] * CANDIDATES)


def choose(model: nn.Module, lines: LineBatch, wanted: float) -> int:
    """The line of a handy width whose label has the probability that comes closest."""
    frames = model.frame_lengths(lines.widths).tolist()
    handy = [n for n, count in enumerate(frames) if count in FRAMES]
    return min(handy, key=lambda n: abs(probability(model, read(model, lines, n)) - wanted))


def main() -> None:
    torch.set_num_threads(1)  # the same numbers on every run
    trained, early = load_model("crnn-digits"), train_early()
    neat, crowded = candidates(NEAT, 1), candidates(CROWDED, 2)
    line = choose(trained, neat, 0.97)
    stored = {
        "early": read(early, neat, line),
        "confused": read(trained, crowded, choose(trained, crowded, 0.5)),
        "trained": read(trained, neat, line),
    }
    FOLDER.mkdir(exist_ok=True)
    for name, arrays in stored.items():
        np.savez_compressed(FOLDER / f"{name}.npz", **arrays)
        model = early if name == "early" else trained
        log_probs = torch.from_numpy(arrays["log_probs"])
        (hypothesis,) = best_path(log_probs[None], alphabet=model.alphabet)
        print(
            f"{name}: {len(log_probs)} frames, reads {hypothesis.text or 'nothing'!r}, "
            f"P({TEXT}) = {probability(model, arrays):.4g}"
        )
    packed = {f"{name}/{key}": a for name, arrays in stored.items() for key, a in arrays.items()}
    np.savez_compressed(PACKED, **packed)
    size = sum(path.stat().st_size for path in (PACKED, *FOLDER.glob("*.npz")))
    print(f"Wrote {os.path.relpath(FOLDER)} and {os.path.relpath(PACKED)}, {size} bytes.")


if __name__ == "__main__":
    main()
