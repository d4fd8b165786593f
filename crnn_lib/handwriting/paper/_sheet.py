"""A sheet: lines on paper while they are being made, and how the writing is placed on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.handwriting._warping import INK


class Sheet:
    """Lines on paper, on which effects work one after the other.

    Attributes
    ----------
    grey : Tensor, (N, H, W)
        The paper and its print: 1 is white, 0 is black.
    ink : Tensor, (N, H, W)
        What a pen wrote: 0 is none, 1 covers the paper.
    dark : Tensor, (N,)
        How dark each line's pen is: 1 is black.
    widths : Tensor, (N,)
    spans : Tensor, (N, L, 2)
        Columns of each character's ink.
    first, last, top, bottom : Tensor, (N,)
        Columns and rows between which a line's ink stands: ``[first, last)``, ``[top, bottom)``.
    x, y : Tensor, (1, 1, W) and (1, H, 1)
        Columns and rows.
    """

    def __init__(
        self, ink: Tensor, widths: Tensor, spans: Tensor, generator: torch.Generator
    ) -> None:
        self.ink, self.widths, self.spans, self.generator = ink, widths, spans, generator
        self.count, self.height, self.width = ink.shape
        self.grey = torch.ones_like(ink)
        self.dark = torch.full((self.count,), 0.9)
        self.top, self.bottom = rows_of_ink(ink)
        self.first, self.last = columns_of_ink(ink)
        self.last = torch.minimum(self.last, widths)
        self.x = torch.arange(self.width, dtype=torch.float32)[None, None]
        self.y = torch.arange(self.height, dtype=torch.float32)[None, :, None]

    def uniform(self, like: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
        """One uniform number for each value of a tensor (M,), as (M, 1, 1)."""
        return low + (high - low) * torch.rand(len(like), 1, 1, generator=self.generator)

    def chance(self, like: Tensor, share: float) -> Tensor:
        """True for about this share: (M,) -> (M, 1, 1)."""
        return self.uniform(like) < share

    def integers(self, like: Tensor, count: int) -> Tensor:
        """A whole number below ``count`` for each value of a tensor (M,)."""
        return torch.randint(count, (len(like),), generator=self.generator)

    def darken(self, at: Tensor, cover: Tensor) -> None:
        """Darken the paper of some lines: the share of light that is left is 1 - cover."""
        self.grey[at] *= 1 - cover

    def add_ink(self, at: Tensor, ink: Tensor) -> None:
        """Add ink to some lines; where inks meet, the darker one stays."""
        self.ink[at] = torch.maximum(self.ink[at], ink)


def rows_of_ink(ink: Tensor) -> tuple[Tensor, Tensor]:
    """First row with ink, and the row after the last: (N, H, W) -> (N,), (N,)."""
    return _extent(ink.amax(2) >= INK)


def columns_of_ink(ink: Tensor) -> tuple[Tensor, Tensor]:
    """First column with ink, and the column after the last: (N, H, W) -> (N,), (N,)."""
    return _extent(ink.amax(1) >= INK)


def _extent(inked: Tensor) -> tuple[Tensor, Tensor]:
    inked = inked | ~inked.any(1, keepdim=True)  # a line without ink fills all of it
    return inked.int().argmax(1), inked.shape[1] - inked.flip(1).int().argmax(1)


def stroke(distance: Tensor, half: Tensor) -> Tensor:
    """Cover of a line of half a width, from the distance to its middle. Works in place."""
    return distance.abs_().neg_().add_(half + 0.5).clamp_(0, 1)


# ---------------------------------------------------------------------------- where lines stand


@dataclass(frozen=True)
class Placement:
    """Where each line's writing goes on its paper, one value per line.

    Attributes
    ----------
    widths : Tensor
        Of the paper, in pixels.
    across, down : Tensor
        Scale of the writing.
    middle : Tensor
        Column of the writing's middle on the paper.
    row, centre : Tensor
        Row of the writing's middle, before and after.
    angle, shear, bend, phase, pace, rise, spread : Tensor
        A turn, a slant, a curved baseline (pixels, radians, radians per pixel) and the two
        sides of a perspective: letters grow to the right, columns spread downwards.
    """

    widths: Tensor
    across: Tensor
    down: Tensor
    middle: Tensor
    row: Tensor
    centre: Tensor
    angle: Tensor
    shear: Tensor
    bend: Tensor
    phase: Tensor
    pace: Tensor
    rise: Tensor
    spread: Tensor

    def select(self, chosen: Tensor) -> Placement:
        return Placement(*(getattr(self, field.name)[chosen] for field in fields(self)))


def draw_placement(
    images: Tensor,
    widths: Tensor,
    strengths: dict[str, Tensor],
    room: tuple[Tensor, Tensor],
    generator: torch.Generator,
) -> Placement:
    """Draw where lines go: images (N, H, W), one strength (N,) for each way to place them.

    ``room`` is paper to leave on the left and right, in pixels, for what will stand there.
    """
    count, height = len(images), images.shape[1]

    def uniform(low: float = -1.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    top, bottom = rows_of_ink(images)
    body, row = (bottom - top).float(), (top + bottom) / 2
    size = strengths["size"]
    fill = 0.72 + size * uniform(-0.27, 0.23)  # of the height
    down = torch.where(size > 0, (fill * height / body).clamp(0.4, 2.2), 1.0)
    across = down * (1 + 0.2 * size * uniform())
    body = body * down
    slack = (height - body).clamp_min(0) / 2  # rows above and below, if they are shared alike
    shift = strengths["shift"] * uniform()
    centre = torch.where(size > 0, height / 2, row) + shift * (slack + 0.06 * height)
    give = slack + 0.05 * height  # so far may an end of the line leave the middle

    long = widths * across
    angle = strengths["turn"] * uniform() * math.radians(4)
    angle = torch.minimum(angle.abs(), torch.atan(2 * give / long)) * angle.sign()
    shear = 0.35 * strengths["shear"] * uniform()
    bend = strengths["curve"] * torch.minimum(give, torch.tensor(0.14 * height)) * uniform(0.2, 1)
    phase, pace = uniform(0, 2 * math.pi), uniform(1.5, 8.0) / long
    rise, spread = (0.18 * strengths["perspective"] * uniform() for _ in range(2))

    margins = [2 * height * strengths["margins"] * uniform(0, 1) ** 2 for _ in range(2)]
    lean = (shear.abs() + angle.abs()) * body / 2 + spread.abs() * long / 4
    left, right = (r + m + lean for r, m in zip(room, margins, strict=True))
    crop = strengths["crop"]
    if crop.any():
        first, last = columns_of_ink(images)
        free = first * across, (widths - last).clamp_min(0) * across
        sides = torch.rand(count, generator=generator)  # both, or one of them
        chosen = (crop > 0) & (sides < 0.75), (crop > 0) & ((sides < 0.5) | (sides > 0.75))
        cut = [height * (0.17 * crop * uniform(0, 1) ** 2 - 0.04 * uniform(0, 1)) for _ in range(2)]
        left, right = (
            torch.where(there, -beside - lost, old)
            for there, beside, lost, old in zip(chosen, free, cut, (left, right), strict=True)
        )
        high = (crop > 0) & (uniform(0, 1) < 0.6)
        taller = torch.where(high, height / body * uniform(0.95, 1.06), 1.0)
        across, down = across * taller.clamp_max(1.5), down * taller
        left, right = (torch.where(s < 0, s * taller.clamp_max(1.5), s) for s in (left, right))
        long = widths * across
        centre = torch.where(high, torch.full_like(centre, height / 2), centre)
    placed = torch.ceil(left + long + right - 1e-3).long()
    middle = left + long / 2
    return Placement(
        placed, across, down, middle, row, centre, angle, shear, bend, phase, pace, rise, spread
    )


def place_writing(
    images: Tensor, widths: Tensor, spans: Tensor, placement: Placement
) -> tuple[Tensor, Tensor]:
    """Put writing where a placement says: images (N, H, W) -> (N, H, W'), and its spans.

    The spans are those of the characters' middle rows: a slant may lead ink out of them.
    """
    count, height, width = images.shape
    p = placement
    wide = int(p.widths.max())
    x = torch.arange(wide)[None] + 0.5 - p.middle[:, None]  # (N, W') from the writing's middle
    y = torch.arange(height)[None] + 0.5 - p.centre[:, None]  # (N, H)
    cos, sin = torch.cos(p.angle)[:, None], torch.sin(p.angle)[:, None]
    half = (widths * p.across / 2)[:, None]
    bend = p.bend[:, None] * torch.sin(p.phase[:, None] + p.pace[:, None] * x)
    # torch measures an image in halves of its sides; the scales are folded into the terms
    over = (2 / (width * p.across))[:, None]
    under = (2 / (height * p.down))[:, None]
    grid = torch.empty(count, height, wide, 2)
    u = (over * cos * x)[:, None] + (over * (sin + p.shear[:, None]) * y)[:, :, None]
    u *= (1 + p.spread[:, None] * y / height)[:, :, None]
    torch.add(u, (widths / width - 1)[:, None, None], out=grid[..., 0])
    v = (under * (bend - sin * x))[:, None] + (under * cos * y)[:, :, None]
    v *= (1 + p.rise[:, None] * (x / half).clamp(-1, 1))[:, None]
    torch.add(v, (2 * p.row / height - 1)[:, None, None], out=grid[..., 1])
    placed = F.grid_sample(images[:, None], grid, mode="bilinear", align_corners=False)[:, 0]
    moved = p.middle[:, None, None] + (
        (spans - widths[:, None, None] / 2) * (p.across[:, None] * cos)[..., None]
    )
    moved = torch.minimum(moved.round().long().clamp_min(0), p.widths[:, None, None])
    return placed, moved * (spans[..., 1:] > 0)
