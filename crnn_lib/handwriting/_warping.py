"""What a line does to the pixels of its glyphs: widen, thin, scale, turn, slant, shift, blend.

:func:`stroke_weight`, :func:`warp_glyphs` and :func:`blend_boxes` do it one after the other, with
torch. :func:`glyph_boxes` and :func:`lay_boxes` do the same in one go, compiled by numba where it
is installed and with those three where it is not. The pixels are the same, but for rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.ctc import length_mask

INK = 0.25  # a pixel at least this bright counts as ink where extents are measured


@dataclass(frozen=True, eq=False, repr=False)
class Boxes:
    """Glyphs as they will stand on their lines, each in a box of its own.

    Attributes
    ----------
    size : (int, int)
        Height and width of a box.
    left, right : Tensor, (M,)
        First column with ink, and the column after the last. A glyph without ink has one: the
        middle one.
    pixels : Tensor
        (M, height, width); with ``parts``, only these, one after the other: (P,).
    parts : Tensor, (M, 5), optional
        Where a glyph's part begins among the pixels, and its top, bottom, left and right.
    """

    size: tuple[int, int]
    left: Tensor
    right: Tensor
    pixels: Tensor
    parts: Tensor | None = None

    def __len__(self) -> int:
        return len(self.left)


def glyph_boxes(
    inks: Tensor,
    weight: Tensor,
    size: tuple[int, int],
    scale: Tensor,
    angle: Tensor,
    slant: Tensor,
    right: Tensor | float = 0.0,
    down: Tensor | float = 0.0,
    mode: str = "bilinear",
    *,
    ink: float,
) -> Boxes:
    """Widen or thin, then scale, turn, slant and shift: (M, 28, 28) uint8 -> M boxes.

    A column has ink where a pixel is at least as bright as ``ink``.
    """
    kernels = _kernels()
    if kernels is None:
        inks = stroke_weight(inks.float() / 255, weight)
        warped = warp_glyphs(inks, size, scale, angle, slant, right, down, mode)  # (M, *size)
        return Boxes(size, *ink_extent(warped, ink), warped)
    (height, width), count = size, len(inks)
    theta = _sources(inks.shape[-1], size, scale, angle, slant, right, down)
    # Of these pixels only the first are written; the system gives memory when that happens.
    pixels = np.empty(count * height * width, np.float32)
    parts, extents = np.empty((count, 5), np.int64), np.empty((count, 2), np.int64)
    end = kernels.draw_boxes(
        inks.contiguous().numpy(),
        weight.float().contiguous().numpy(),
        theta.float().contiguous().numpy(),
        *(_centres(side).numpy() for side in (width, height)),
        mode == "nearest",
        np.float32(ink),
        pixels,
        parts,
        extents,
    )
    left, right = torch.from_numpy(extents).unbind(1)
    return Boxes(size, left, right, torch.from_numpy(pixels[:end]), torch.from_numpy(parts))


def lay_boxes(boxes: Boxes, offsets: Tensor, written: Tensor, widths: Tensor) -> Tensor:
    """Lay boxes onto lines at their offsets; the brighter pixel stays.

    M boxes, offsets (N, L), written (N, L), widths (N,) -> images (N, 1, H, W). Beyond its width
    a line is black.
    """
    lengths, width = written.sum(1), max(widths.tolist(), default=0)
    if int(lengths.sum()) != len(boxes):
        raise ValueError(f"{int(lengths.sum())} glyphs are written; there are {len(boxes)} boxes.")
    kernels = _kernels()
    if boxes.parts is None or kernels is None:
        blended = blend_boxes(boxes.pixels, offsets, written, width)
        blended *= length_mask(widths, width)[:, None, None]
        return blended
    # numpy's zeros, unlike torch's, cost nothing until they are written
    images = np.zeros((len(written), boxes.size[0], width), np.float32)
    arrays = (boxes.pixels, boxes.parts, offsets.contiguous(), lengths, widths.contiguous())
    kernels.lay_parts(*(array.numpy() for array in arrays), images)
    return torch.from_numpy(images)[:, None]


@cache
def _kernels() -> Any:
    """The compiled way, or None where it is not to be had. Numba is imported when first needed."""
    try:
        import numba

        from crnn_lib.handwriting import _compiled as warp_kernels
    except (ImportError, RuntimeError):  # the latter where numba may write its cache nowhere
        return None
    return None if getattr(numba.config, "DISABLE_JIT", False) else warp_kernels


def ink_extent(boxes: Tensor, ink: float) -> tuple[Tensor, Tensor]:
    """First column with ink, and the column after the last: (M, H, box) -> (M,), (M,)."""
    width = boxes.shape[-1]
    profile = boxes.amax(1) >= ink  # (M, box)
    profile[:, width // 2] |= ~profile.any(1)  # a glyph without ink still takes a place
    return profile.int().argmax(1), width - profile.flip(1).int().argmax(1)


def stroke_weight(inks: Tensor, weight: Tensor) -> Tensor:
    """Widen (weight > 0) or thin (weight < 0) strokes by up to a pixel: (M, 28, 28)."""
    if not bool(weight.any()):
        return inks
    # thinning ink is widening the background: flip the sign, widen, flip back
    sign = weight.sign()[:, None, None]
    signed = inks * sign
    padded = F.pad(signed, (1, 1, 1, 1))  # (M, 30, 30)
    grown = signed.clone()
    for shifted in (
        padded[:, 1:-1, :-2],
        padded[:, 1:-1, 2:],
        padded[:, :-2, 1:-1],
        padded[:, 2:, 1:-1],
    ):
        torch.maximum(grown, shifted, out=grown)
    return torch.lerp(inks, grown * sign, weight.abs().clamp_max(1)[:, None, None])


def warp_glyphs(
    inks: Tensor,
    size: tuple[int, int],
    scale: Tensor,
    angle: Tensor,
    slant: Tensor,
    right: Tensor | float = 0.0,
    down: Tensor | float = 0.0,
    mode: str = "bilinear",
) -> Tensor:
    """Scale, turn, slant and shift glyphs about their centres: (M, 28, 28) -> (M, *size)."""
    height, width = size
    count, side = len(inks), inks.shape[-1]
    if not count:
        return inks.new_zeros(0, height, width)  # affine_grid refuses an empty batch
    theta = _sources(side, size, scale, angle, slant, right, down)
    grid = F.affine_grid(theta, [count, 1, height, width], align_corners=False)
    warped = F.grid_sample(inks[:, None], grid, mode=mode, align_corners=False)
    return warped.squeeze(1).clamp_(0, 1)  # (M, height, width)


def _sources(
    side: int,
    size: tuple[int, int],
    scale: Tensor,
    angle: Tensor,
    slant: Tensor,
    right: Tensor | float,
    down: Tensor | float,
) -> Tensor:
    """Where in a glyph the pixels of its box come from, as affine_grid wants it: (M, 2, 3)."""
    height, width = size
    right, down = (torch.as_tensor(shift).expand(len(scale)) for shift in (right, down))
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    # From an output pixel (x, y), measured from the centre, back to the input: undo the shift,
    # the slant (x + slant * y), the turn and the scale.
    #   u = cos * (x + slant * y) + sin * y        v = -sin * (x + slant * y) + cos * y
    from_x = torch.stack([cos, -sin], 1)  # (M, 2)
    from_y = torch.stack([cos * slant + sin, cos - sin * slant], 1)  # (M, 2)
    shifted = from_x * right[:, None] + from_y * down[:, None]  # (M, 2)
    # torch measures both images in halves of their sides
    return torch.stack([from_x * width, from_y * height, -2 * shifted], 2) / side


def _centres(pixels: int) -> Tensor:
    """Where the pixels of a side lie, from -1 to 1, as affine_grid computes it: (pixels,).

    >>> _centres(4)
    tensor([-0.7500, -0.2500,  0.2500,  0.7500])
    """
    return torch.linspace(-1, 1, pixels) * (pixels - 1) / pixels


def blend_boxes(boxes: Tensor, offsets: Tensor, written: Tensor, width: int) -> Tensor:
    """Lay glyph boxes onto lines at their offsets; the brighter pixel stays.

    boxes (M, H, box), offsets (N, L), written (N, L) -> images (N, 1, H, width).
    """
    _, height, box = boxes.shape
    lengths = written.sum(1)
    # longest first: the lines that have an l-th glyph are then the first ones, a view and no copy
    order = torch.argsort(lengths, descending=True, stable=True)
    numbers = lengths.cumsum(0) - lengths  # (N,) each line's first glyph
    # a box may stick out of its line, though its ink does not: leave room on both sides
    canvas = torch.zeros(len(written), height, width + 2 * box)
    columns = offsets[order] + box  # (N, L)
    for place in range(written.shape[1]):
        count = int((lengths > place).sum())
        index = columns[:count, place, None] + torch.arange(box)  # (count, box)
        index = index[:, None].expand(-1, height, -1)
        part = canvas[:count]
        ink = boxes[numbers[order[:count]] + place]
        part.scatter_(2, index, torch.maximum(part.gather(2, index), ink))
    images = torch.empty(len(written), 1, height, width)
    images[order, 0] = canvas[:, :, box : box + width]
    return images
