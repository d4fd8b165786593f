"""What notebook 05 looks at: glyphs as stored, flipped lines, equal parts, captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.ctc import length_mask
from crnn_lib.handwriting import LineBatch, available_sources, load_glyphs

AXES = {"left-right": (2,), "upside-down": (1,), "half turn": (1, 2)}  # of an image (1, H, W)
FLIPS = tuple(AXES)


def stored_glyphs(count: int = 12) -> tuple[Tensor, str]:
    """Glyphs as EMNIST's files hold them, (count, 28, 28), and where they come from.

    Where no EMNIST is on disk, the pen's glyphs are transposed in its place.
    """
    for status in available_sources():
        if status.found and status.source.startswith("emnist") and status.split == "test":
            upright = load_glyphs(status.source, "test").images[:count]
            return upright.transpose(1, 2).contiguous(), f"read from {status.path.name}"
    pen = load_glyphs("pen", "test", count=count).images
    return pen.transpose(1, 2).contiguous(), "no EMNIST on this disk: the pen's glyphs, transposed"


def in_a_row(images: Tensor) -> Tensor:
    """Glyphs side by side: (M, 28, 28) uint8 -> (28, 28 M) in [0, 1]."""
    return images.permute(1, 0, 2).flatten(1).float() / 255


def flip_lines(lines: LineBatch, flip: str) -> LineBatch:
    """The ink of lines mirrored or turned; texts and targets stay, right or wrong.

    Parameters
    ----------
    lines : LineBatch
    flip : str
        One of :data:`FLIPS`.
    """
    if flip not in FLIPS:
        raise ValueError(f"flip is one of {', '.join(map(repr, FLIPS))}; got {flip!r}.")
    spans = lines.spans
    if flip != "upside-down":
        written = length_mask(lines.target_lengths, spans.shape[1])  # (N, L)
        spans = (lines.widths[:, None, None] - spans.flip(2)) * written[..., None]
    return replace(lines, images=flip_images(lines, AXES[flip]), spans=spans)


def flip_images(lines: LineBatch, axes: Sequence[int]) -> Tensor:
    """The images of lines, (N, 1, H, W), each flipped within its own width."""
    images = lines.images.clone()
    for image, width in zip(images, lines.widths.tolist(), strict=True):
        image[..., :width] = image[..., :width].flip(tuple(axes))  # padding stays on the right
    return images


def in_equal_parts(lines: LineBatch) -> Tensor:
    """Whether cutting a line into L equal parts separates its L inks: (N,) booleans."""
    parts = lines.target_lengths[:, None]  # (N, 1)
    place = torch.arange(lines.spans.shape[1])  # (L,)
    low, high = (lines.widths[:, None] * (place + i) / parts for i in (0, 1))  # (N, L)
    inside = (low <= lines.spans[..., 0]) & (lines.spans[..., 1] <= high)
    return (inside | (place >= parts)).all(1)


def captioned(
    images: Mapping[str, Tensor | LineBatch], spans: Sequence[tuple[int, int]] = ()
) -> LineBatch:
    """Images with captions, for ``plot_lines(..., spans=False)``.

    Parameters
    ----------
    images : mapping of str to Tensor, (H, W) in [0, 1], or LineBatch
        Of a batch its first line is taken. All have the same height.
    spans : sequence of (int, int), optional
        Where the characters of all of them lie, as in ``LineBatch.spans``.
    """
    lines = []
    for image in images.values():
        if isinstance(image, LineBatch):
            image = image.images[0, 0, :, : int(image.widths[0])]
        lines.append(image)
    widths = torch.tensor([line.shape[1] for line in lines])
    padded = [F.pad(line, (0, int(widths.max()) - line.shape[1])) for line in lines]
    none = torch.zeros(len(lines), 0, dtype=torch.long)
    return LineBatch(
        torch.stack(padded)[:, None],  # (N, 1, H, W)
        widths,
        none,
        torch.zeros(len(lines), dtype=torch.long),
        list(images),
        torch.tensor([list(spans)] * len(lines), dtype=torch.long).view(len(lines), -1, 2),
    )
