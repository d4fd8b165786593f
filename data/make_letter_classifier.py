"""Make tests/handwriting/letter_classifier.npz: a small network that reads single letters of fonts.

    python -m crnn_lib glyphs download fonts
    python data/make_letter_classifier.py

It has never seen the pen, so it can judge whether the pen's letters are what they should be. It
learns from letters of the fonts, leaned and widened as hands do, and is then held to letters that
the pen draws. The tests load the weights that it leaves and hold its figure. It takes three minutes
on one core.
"""

from __future__ import annotations

import string
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from crnn_lib.handwriting import pen
from crnn_lib.handwriting.fonts import draw_words, load_fonts
from crnn_lib.training import seeded_generator

TESTS = Path(__file__).parent.parent / "tests" / "handwriting"
sys.path.insert(0, str(TESTS))

from letter_classifier import (  # noqa: E402
    CLASSES,
    FOOT,
    SIDE,
    WEIGHTS,
    WINDOW,
    class_of,
    classifier,
    on_line,
)

CHARACTERS = string.ascii_letters
EACH = 400  # glyphs of each character
EPOCHS = 16
BATCH = 128
SEED = 0


def draw_fonts(split: str, each: int, seed: int) -> tuple[Tensor, Tensor]:
    """Letters of the fonts (M, 32, 32) in [0, 1], and their classes (M,)."""
    generator, fonts = seeded_generator(seed), load_fonts(split)
    images, labels = [], []
    for character in CHARACTERS:
        written = draw_words([character] * each, generator, fonts=fonts)
        images.append(on_line(written))
        labels += [class_of(character)] * each
    return torch.cat(images), torch.tensor(labels)


def vary(images: Tensor, generator: torch.Generator) -> Tensor:
    """Lean, turn, widen, scale and shift letters (M, 32, 32), which then stand as they stood."""
    u = torch.rand((len(images), 6), generator=generator)
    lean, turn = 0.65 * u[:, 0] - 0.2, 0.2 * u[:, 1] - 0.1
    wide, high = torch.exp(0.6 * u[:, 2] - 0.3), torch.exp(0.3 * u[:, 3] - 0.15)
    right, down = 0.16 * u[:, 4] - 0.08, 0.12 * u[:, 5] - 0.06
    line = 2 * FOOT / WINDOW - 1  # the baseline stays where it is
    to_x = torch.stack([1 / wide, lean + turn, right - (lean + turn) * line], 1)
    to_y = torch.stack([-turn, 1 / high, down + line - line / high], 1)
    grid = nn.functional.affine_grid(
        torch.stack([to_x, to_y], 1), [len(images), 1, SIDE, SIDE], align_corners=False
    )
    return nn.functional.grid_sample(images[:, None], grid, align_corners=False)[:, 0]


def fit(images: Tensor, labels: Tensor) -> nn.Module:
    generator = seeded_generator(SEED)
    network = classifier()
    steps = EPOCHS * (len(images) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(images), generator=generator)
        for chosen in order[: steps // EPOCHS * BATCH].split(BATCH):
            varied = vary(images[chosen], generator)
            loss = nn.functional.cross_entropy(
                network(varied), labels[chosen], label_smoothing=0.05
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


@torch.no_grad()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    found = torch.cat([network(part).argmax(1) for part in images.split(1000)])
    return float((found == labels).float().mean())


def main() -> None:
    torch.manual_seed(SEED)
    network = fit(*draw_fonts("train", EACH, SEED))
    weights = {k: v.numpy().astype(np.float16) for k, v in network.state_dict().items()}
    np.savez(WEIGHTS, **weights)
    print(f"{WEIGHTS.name}: {WEIGHTS.stat().st_size} bytes, {len(CLASSES)} classes")
    held_out = accuracy(network, *draw_fonts("test", 50, SEED + 1))
    print(f"letters of held-out fonts: {held_out:.1%} right (n = {50 * len(CHARACTERS)})")
    letters = list(CHARACTERS * 60)
    images = on_line(pen.draw_words(letters, seeded_generator(SEED + 1)))
    right = accuracy(network, images, torch.tensor([class_of(c) for c in letters]))
    print(f"letters of the pen: {right:.1%} right (n = {len(letters)})")


if __name__ == "__main__":
    main()
