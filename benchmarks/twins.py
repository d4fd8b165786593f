"""Test glyphs that have a near-twin among the training glyphs.

MNIST and EMNIST were both cut from NIST's handprint forms, in different ways. A digit of MNIST's
training split may be the same piece of paper as a digit of EMNIST's test split. Such pairs are
found by comparing shapes, whatever the size and the sharpness of the images.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.handwriting import Glyphs

ALIKE = 0.98  # normalised correlation of two shapes from which on they count as twins
SIDE, FRAME = 20, 24  # the ink is scaled to 20 pixels, in a frame of 24


def shapes(images: Tensor) -> Tensor:
    """Glyphs as unit vectors of their ink's shape: (M, 28, 28) -> (M, 576)."""
    framed = torch.zeros(len(images), 1, FRAME, FRAME)
    for shape, image in zip(framed, images.float() / 255, strict=True):
        rows, columns = (torch.nonzero((image > 0.2).any(axis))[:, 0] for axis in (1, 0))
        if not len(rows):
            continue
        ink = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        scale = SIDE / max(ink.shape)
        height, width = (max(1, round(side * scale)) for side in ink.shape)
        ink = F.interpolate(
            ink[None, None], (height, width), mode="bilinear", antialias=True, align_corners=False
        )
        top, left = (FRAME - height) // 2, (FRAME - width) // 2
        shape[0, top : top + height, left : left + width] = ink[0, 0]
    tap = torch.tensor([0.25, 0.5, 0.25])
    blurred = F.conv2d(framed, torch.outer(tap, tap)[None, None], padding=1).flatten(1)
    centred = blurred - blurred.mean(1, keepdim=True)
    return centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-6)  # (M, 576)


def has_twin(test: Glyphs, training: Glyphs) -> Tensor:
    """Which test glyphs look like a training glyph: (M,) booleans.

    Ones are never counted: two strokes of different people are alike too often.
    """
    known = shapes(training.images)
    alike = torch.cat([(part @ known.T).amax(1) for part in shapes(test.images).split(200)])
    return (alike > ALIKE) & (test.labels != test.characters.index("1"))
