"""What a scanner or a camera makes of a sheet: light, blur, few pixels, JPEG, noise.

Each function works on the lines ``at`` of a sheet with a strength (M, 1, 1) in [0, 1].
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.handwriting.paper import _textures as textures
from crnn_lib.handwriting.paper._sheet import Sheet

RADIUS = 3  # pixels to each side that a blur mixes in


def light(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Light from one side, and for a third of the lines the edge of a shadow."""
    x = sheet.x / sheet.widths[at][:, None, None] - 0.5
    y = sheet.y / sheet.height - 0.5
    fall = 1 - 0.3 * strength * sheet.uniform(at)
    across, down = sheet.uniform(at, -1, 1), sheet.uniform(at, -0.7, 0.7)
    lit = (fall + 0.35 * strength * across * x) + 0.25 * strength * down * y
    turn = sheet.uniform(at, 0, 2 * math.pi)
    soft = sheet.uniform(at, 1.5, 10)
    along = torch.cos(turn) * (sheet.x - sheet.widths[at][:, None, None] * sheet.uniform(at))
    edge = along + torch.sin(turn) * (sheet.y - sheet.height * sheet.uniform(at))
    shadow = (edge / soft + 0.5).clamp_(0, 1) * (0.5 * strength * sheet.chance(at, 0.35))
    sheet.grey[at] *= lit.clamp_(0.25, 1.2) * (1 - shadow)


def _spread(images: Tensor, weights: Tensor, dim: int) -> Tensor:
    """Mix each pixel with those beside it: (M, H, W), weights (M, RADIUS + 1) from the middle."""
    size = images.shape[dim]
    sides = (0, 0, RADIUS, RADIUS) if dim == 1 else (RADIUS, RADIUS, 0, 0)
    padded = F.pad(images[:, None], sides, mode="replicate")[:, 0]
    mixed = images * weights[:, 0, None, None]
    for step in range(1, RADIUS + 1):
        weight = weights[:, step, None, None]
        pair = padded.narrow(dim, RADIUS - step, size) + padded.narrow(dim, RADIUS + step, size)
        mixed.addcmul_(pair, weight)
    return mixed


def _bell(sigma: Tensor) -> Tensor:
    """Weights of a normal distribution about 0: (M, 1, 1) -> (M, RADIUS + 1), sum 1 both sides."""
    step = torch.arange(RADIUS + 1)
    weights = torch.exp(-(step**2) / (2 * sigma.flatten()[:, None].clamp_min(0.05) ** 2))
    return weights / (2 * weights.sum(1, keepdim=True) - weights[:, :1])


def blur(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Out of focus."""
    weights = _bell(1.5 * strength)
    sheet.grey[at] = _spread(_spread(sheet.grey[at], weights, 1), weights, 2)


def motion(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Moved while the picture was taken: along the line (two of three) or across it."""
    half = 3.0 * strength.flatten()[:, None]
    weights = (half + 0.5 - torch.arange(RADIUS + 1)).clamp(0, 1)
    weights = weights / (2 * weights.sum(1, keepdim=True) - weights[:, :1])
    along = sheet.chance(at, 2 / 3).flatten()
    for chosen, dim, part in ((along, 2, weights), (~along, 1, 0.7 * weights)):
        if bool(chosen.any()):
            part = part / (2 * part.sum(1, keepdim=True) - part[:, :1])
            index = at[chosen]
            sheet.grey[index] = _spread(sheet.grey[index], part[chosen], dim)


def resolution(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Few pixels: shrunk, and enlarged again."""
    levels = (0.85, 0.72, 0.6, 0.5, 0.42)
    level = (strength.flatten() * len(levels) - 1e-4).long().clamp(0, len(levels) - 1)
    coarse = sheet.chance(at, 0.2).flatten()
    for number, factor in enumerate(levels):
        size = (max(round(sheet.height * factor), 2), max(round(sheet.width * factor), 2))
        index = at[level == number]
        if len(index):
            shrunk = F.interpolate(sheet.grey[index][:, None], size, mode="area")
            full = (sheet.height, sheet.width)
            grown = F.interpolate(shrunk, full, mode="bilinear", align_corners=False)
            blocks = coarse[level == number]
            grown[blocks] = F.interpolate(shrunk[blocks], full, mode="nearest")
            sheet.grey[index] = grown[:, 0]


@functools.cache
def _cosines(size: int) -> Tensor:
    """The matrix of the discrete cosine transform (DCT-II, orthonormal)."""
    k, n = torch.arange(size)[:, None], torch.arange(size)[None]
    matrix = torch.cos(math.pi * (2 * n + 1) * k / (2 * size)) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


def jpeg(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Blocks of coarse cosines, as JPEG stores them.

    A crop of 50 rows shrinks to 32, and its blocks with it: they are 5 to 8 pixels wide here.
    """
    sizes = (5, 6, 8)
    chosen = sheet.integers(at, len(sizes))
    for number, size in enumerate(sizes):
        mine = chosen == number
        if not bool(mine.any()):
            continue
        index = at[mine]
        step = strength[mine][..., None, None]  # (m, 1, 1, 1, 1)
        matrix = _cosines(size)
        high, wide = (math.ceil(n / size) for n in (sheet.height, sheet.width))
        extra = (0, wide * size - sheet.width, 0, high * size - sheet.height)
        padded = F.pad(sheet.grey[index][:, None], extra, mode="replicate")[:, 0]
        blocks = padded.view(-1, high, size, wide, size).transpose(2, 3)  # (m, h, w, s, s)
        waves = matrix @ blocks @ matrix.T
        order = torch.arange(size)
        coarse = 1 + 0.9 * (order[:, None] + order) * 8 / size  # fine detail is kept least
        coarse = (0.004 + 0.055 * step) * coarse * size / 8
        blocks = matrix.T @ (torch.round(waves / coarse) * coarse) @ matrix
        joined = blocks.transpose(2, 3).reshape(len(index), high * size, wide * size)
        sheet.grey[index] = joined[:, : sheet.height, : sheet.width]


def noise(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Grain of the sensor; for a fifth of the lines, single black and white pixels as well."""
    bank = textures.grain()
    which = sheet.integers(at, len(bank))
    down, right = (sheet.uniform(at).flatten() for _ in range(2))
    grain = textures.windows(bank, (sheet.height, sheet.width), which, down, right)
    pepper = grain * (grain.abs() > 2.75 - 0.4 * strength)
    grain = grain * (0.09 * strength) + 0.25 * strength * pepper * sheet.chance(at, 0.2)
    sheet.grey[at] += grain * sheet.dark[at][:, None, None].clamp_min(0.3)


def contrast(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Grey in grey."""
    share = 1 - 0.7 * strength * sheet.uniform(at, 0.6, 1)
    sheet.grey[at] = sheet.grey[at] * share + (1 - share) * sheet.uniform(at, 0.1, 0.9)


def gamma(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Middle greys too light or too dark."""
    power = 2 ** (1.2 * strength * sheet.uniform(at, -1, 1))
    sheet.grey[at] = sheet.grey[at].clamp(1e-3, 1) ** power


def bilevel(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """A scan that is nearly black and white, as archives of cheques keep them."""
    grey = sheet.grey[at]
    ordered = grey[:, ::2, ::2].flatten(1).sort(dim=1).values
    paper, ink = (ordered[:, int(share * ordered.shape[1])] for share in (0.6, 0.02))
    level = torch.lerp(paper[:, None, None], ink[:, None, None], sheet.uniform(at, 0.3, 0.55))
    steep = 2 + 8 * strength
    contrast = (paper - ink).clamp_min(0.05)[:, None, None]
    sheet.grey[at] = ((grey - level) * (steep / contrast) + 0.5).clamp_(0, 1)
