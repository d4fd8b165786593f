"""A small network that reads single letters, and how a picture is laid before it.

Its weights come from data/make_letter_classifier.py, which trains it on fonts; it has not seen the
pen. It is asked which letter it sees. Capitals are folded into small letters, and I into l, since
nothing but custom tells them apart; digits, which many letters resemble, are not among the answers.
"""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from crnn_lib.handwriting.pen import WrittenWords

WEIGHTS = Path(__file__).with_suffix(".npz")
WINDOW = 42  # pixels on a side of what is looked at, of words that are 48 pixels high
FOOT = 28  # row of the baseline in it
SIDE = 32  # pixels on a side of what the network sees
CLASSES = string.ascii_lowercase


def class_of(character: str) -> int:
    """The class that a letter belongs to."""
    return CLASSES.index("l" if character == "I" else character.lower())


def on_line(written: WrittenWords) -> Tensor:
    """Words of one letter as they stand on their line, 48 pixels high: (N, 32, 32) in [0, 1].

    Size and place are kept: they tell an a from a q, and an i from a j.
    """
    squares = torch.zeros(len(written.images), WINDOW, WINDOW)
    for square, image, baseline in zip(squares, written.images, written.baselines, strict=True):
        columns = (image > 60).any(0).nonzero()[:, 0]
        middle = int(columns[0] + columns[-1] + 1) // 2
        left = max(0, WINDOW // 2 - middle)
        first = max(0, middle - WINDOW // 2)
        ink = image[:, first : first + WINDOW - left].float() / 255
        top = FOOT - round(float(baseline))
        low, high = max(0, -top), min(len(ink), WINDOW - top)
        square[top + low : top + high, left : left + ink.shape[1]] = ink[low:high]
    return interpolate(squares[:, None], SIDE, mode="bilinear", antialias=True)[:, 0]


def classifier() -> nn.Module:
    """The network: (M, 32, 32) in [0, 1] -> (M, classes)."""
    layers: list[nn.Module] = [nn.Unflatten(1, (1, SIDE))]
    for before, after in ((1, 16), (16, 32), (32, 48)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(768, len(CLASSES)))


def load_classifier() -> nn.Module:
    network = classifier()
    with np.load(WEIGHTS) as stored:
        network.load_state_dict({k: torch.from_numpy(v).float() for k, v in stored.items()})
    return network.eval()
