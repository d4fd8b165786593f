"""What an augmentation shows a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crnn_lib.handwriting import LineBatch


def flipped(lines: LineBatch, axes: Sequence[int]) -> LineBatch:
    """The same lines with other images, and the same texts: each flipped within its own width.

    Parameters
    ----------
    lines : LineBatch
    axes : sequence of int
        Of an image (1, H, W): 2 is a mirror at its side, 1 one below it, both are half a turn.
    """
    images = lines.images.clone()
    for image, width in zip(images, lines.widths.tolist(), strict=True):
        image[..., :width] = image[..., :width].flip(tuple(axes))
    return replace(lines, images=images)
