"""What a line does to the pixels of its glyphs: widen, thin, scale, turn, slant, shift, blend."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


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


def warp(
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
    right, down = (torch.as_tensor(shift).expand(count) for shift in (right, down))
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    # From an output pixel (x, y), measured from the centre, back to the input: undo the shift,
    # the slant (x + slant * y), the turn and the scale.
    #   u = cos * (x + slant * y) + sin * y        v = -sin * (x + slant * y) + cos * y
    from_x = torch.stack([cos, -sin], 1)  # (M, 2)
    from_y = torch.stack([cos * slant + sin, cos - sin * slant], 1)  # (M, 2)
    shifted = from_x * right[:, None] + from_y * down[:, None]  # (M, 2)
    # torch measures both images in halves of their sides
    theta = torch.stack([from_x * width, from_y * height, -2 * shifted], 2) / side  # (M, 2, 3)
    grid = F.affine_grid(theta, [count, 1, height, width], align_corners=False)
    warped = F.grid_sample(inks[:, None], grid, mode=mode, align_corners=False)
    return warped.squeeze(1).clamp_(0, 1)  # (M, height, width)


def blend(boxes: Tensor, offsets: Tensor, written: Tensor, width: int) -> Tensor:
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
