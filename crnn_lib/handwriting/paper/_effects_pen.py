"""What the pen does besides the digits: thick and pale strokes, gaps, underlines, dashes, and
pieces of the writing next to a line.

Each function works on the lines ``at`` of a sheet with a strength (M, 1, 1) in [0, 1].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.handwriting._warping import stroke_weight
from crnn_lib.handwriting.paper import _textures as textures
from crnn_lib.handwriting.paper._sheet import Sheet, rows_of_ink, stroke


def weight(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Thinner and sharper, or thicker strokes: up to a pixel on each side."""
    amount = strength * sheet.uniform(at, -1, 1)
    ink = stroke_weight(sheet.ink[at], amount.clamp_min(0).flatten())
    # the soft edge of a stroke goes, its middle stays: no stroke is lost
    thin = (-amount).clamp_min(0)
    sheet.ink[at] = ((ink - 0.5 * thin) / (1 - 0.5 * thin)).clamp_(0, 1)


def faint(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """A pale pen."""
    sheet.dark[at] = (0.9 - 0.62 * strength * sheet.uniform(at, 0.7, 1)).flatten()


def skips(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Gaps where the pen left the paper or its ball stuck."""
    bank = textures.clouds()[:8]
    which = sheet.integers(at, len(bank))
    down, right = (sheet.uniform(at).flatten() for _ in range(2))
    noise = textures.windows(bank, (sheet.height, sheet.width), which, down, right)
    gaps = ((noise - (2.4 - 1.3 * strength)) * 3).clamp_(0, 1)
    sheet.ink[at] *= 1 - 0.85 * gaps


def mottle(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Ink that lies thick here and thin there."""
    bank = textures.clouds()[:12]
    which = sheet.integers(at, len(bank))
    down, right = (sheet.uniform(at).flatten() for _ in range(2))
    noise = textures.windows(bank, (sheet.height, sheet.width), which, down, right)
    sheet.ink[at] *= (1 - strength * (0.25 + 0.2 * noise)).clamp_(0.15, 1)


def hollow(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Thick strokes of which a threshold has left the edges."""
    amount = 0.3 + 0.9 * strength * sheet.uniform(at)
    ink = stroke_weight(sheet.ink[at], amount.flatten())[:, None]
    inner = -F.max_pool2d(-ink, 3, stride=1, padding=1)  # (M, 1, H, W)
    sheet.ink[at] = (ink * (1 - sheet.uniform(at, 0.6, 1)[:, None] * inner))[:, 0].clamp_(0, 1)


def chalk(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Crumbs: the grain of the paper or board shows in the stroke."""
    bank = torch.cat([textures.grain(), textures.clouds()[:4]])
    which = sheet.integers(at, len(bank))
    down, right = (sheet.uniform(at).flatten() for _ in range(2))
    noise = textures.windows(bank, (sheet.height, sheet.width), which, down, right)
    bare = ((noise - 1.2 + 1.1 * strength) * 1.5).clamp_(0, 1)
    sheet.ink[at] *= 1 - (0.4 + 0.45 * strength) * bare


def _piece(sheet: Sheet, source: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Other lines' ink, shifted: rows (M, H) and columns (M, W) of it, black where it has none."""
    inside = ((rows >= 0) & (rows < sheet.height))[:, :, None]
    inside = inside & ((columns >= 0) & (columns < sheet.width))[:, None]
    rows, columns = rows.clamp(0, sheet.height - 1), columns.clamp(0, sheet.width - 1)
    return sheet.ink[source[:, None, None], rows[:, :, None], columns[:, None]] * inside


def neighbours(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Strokes of other writing cut off by the border: above, below, left or right.

    At the sides a piece has no more than a third of a digit's width, and it leaves a gap to the
    line's own digits: a person sees that it belongs to something else.
    """
    source = sheet.integers(at, sheet.count)
    side = sheet.uniform(at).flatten()
    y, x = torch.arange(sheet.height), torch.arange(sheet.width)
    top, bottom = rows_of_ink(sheet.ink[source])
    reach = strength * sheet.uniform(at, 0.4, 1)  # (M, 1, 1)
    deep = (reach.flatten() * 0.28 * sheet.height).round().long().clamp_min(1)
    above, below = side < 0.3, (side >= 0.3) & (side < 0.6)
    left = (side >= 0.6) & (side < 0.8)
    drift = sheet.integers(at, sheet.width) - sheet.width // 2
    free = torch.where(left, sheet.first[at], sheet.widths[at] - sheet.last[at])
    wide = (reach.flatten() * 0.24 * sheet.height).round().long().clamp_min(1)
    wide = torch.minimum(wide, (free - 3).clamp_min(0))
    lift = sheet.integers(at, sheet.height) - sheet.height // 2
    down = torch.where(above, bottom - deep, torch.where(below, top + deep - sheet.height, lift))
    across = torch.where(
        above | below,
        drift,
        torch.where(left, sheet.last[source] - wide, sheet.first[source] + wide - sheet.widths[at]),
    )
    piece = _piece(sheet, source, y + down[:, None], x + across[:, None])
    # a piece from the side ends where it was cut: nothing of it stands beyond the gap
    start, end = wide[:, None, None], (sheet.widths[at] - wide)[:, None, None]
    beside = torch.where(left[:, None, None], sheet.x < start, sheet.x >= end)
    piece *= (above | below)[:, None, None] | beside
    sheet.add_ink(at, piece * sheet.uniform(at, 0.6, 1))


def _bent(sheet: Sheet, at: Tensor, size: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """A wave along x and its slope's stretch: (M, 1, W) each; size and length in pixels."""
    turn = 2 * math.pi * (sheet.x / length + sheet.uniform(at))
    slope = 2 * math.pi * size / length * torch.cos(turn)
    return size * torch.sin(turn), (1 + slope**2).sqrt()


def _between(sheet: Sheet, start: Tensor, end: Tensor) -> Tensor:
    """1 from one column to another, with soft ends: (M, 1, W)."""
    return (torch.minimum(sheet.x - start, end - sheet.x) + 1).clamp(0, 1)


def underline(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """A line drawn by hand under the number: single, double or wavy; it may touch the digits."""
    first, last = (c[at].float()[:, None, None] for c in (sheet.first, sheet.last))
    bottom = sheet.bottom[at].float()[:, None, None]
    long = last - first
    start = first + long * sheet.uniform(at, -0.2, 0.25)
    end = last + long * sheet.uniform(at, -0.25, 0.25)
    wavy = sheet.chance(at, 0.3)
    size = torch.where(wavy, sheet.uniform(at, 0.6, 1.8), sheet.uniform(at, 0, 0.8))
    length = torch.where(wavy, sheet.uniform(at, 8, 18), sheet.uniform(at, 40, 160))
    bend, stretch = _bent(sheet, at, size, length)
    slope = 0.05 * strength * sheet.uniform(at, -1, 1)
    row = bottom + sheet.uniform(at, -3, 2) * strength + 1 - strength
    row = torch.minimum(row, torch.tensor(sheet.height - 1.5))
    half = 0.3 + 0.8 * strength * sheet.uniform(at)
    distance = (sheet.y - (row + bend + slope * (sheet.x - start))) / stretch
    second = stroke(distance - sheet.uniform(at, 2.5, 4.5), half)
    drawn = torch.maximum(stroke(distance, half), second * sheet.chance(at, 0.3))
    sheet.add_ink(at, drawn * _between(sheet, start, end))


def scribble(sheet: Sheet, at: Tensor, strength: Tensor, before: Tensor, after: Tensor) -> None:
    """A long dash, two dashes, a wave or a zigzag in the paper left free beside the number.

    ``before`` and ``after`` (N,) are the pixels left free for it; where both are, it is drawn
    after the number.
    """
    first, last = (c[at].float()[:, None, None] for c in (sheet.first, sheet.last))
    behind = (after[at] > 0)[:, None, None]
    gap = sheet.uniform(at, 1.5, 6)
    start = torch.where(behind, last + gap, first - before[at][:, None, None] + 1)
    end = torch.where(behind, last + after[at][:, None, None] - 2, first - gap)
    kind = sheet.uniform(at)
    waves = (kind > 0.45) & (kind < 0.8)
    size = torch.where(waves, sheet.uniform(at, 1.5, 5), sheet.uniform(at, 0, 0.7))
    length = torch.where(waves, sheet.uniform(at, 8, 26), sheet.uniform(at, 40, 160))
    bend, stretch = _bent(sheet, at, size, length)
    pace, tall = sheet.uniform(at, 5, 14), sheet.uniform(at, 3, 8)
    phase = (sheet.x / pace + sheet.uniform(at)).remainder(1)
    zigzag = tall * ((2 * phase - 1).abs() - 0.5)
    pointed = kind >= 0.8
    bend = torch.where(pointed, zigzag, bend)
    stretch = torch.where(pointed, (1 + (2 * tall / pace) ** 2).sqrt(), stretch)
    top, bottom = (r[at].float()[:, None, None] for r in (sheet.top, sheet.bottom))
    row = top + (bottom - top) * sheet.uniform(at, 0.3, 0.8)
    slope = 0.12 * strength * sheet.uniform(at, -1, 1)
    half = sheet.uniform(at, 0.4, 1.1)
    distance = (sheet.y - (row + bend + slope * (sheet.x - start))) / stretch
    drawn = stroke(distance + 0, half)
    twice = (kind > 0.25) & (kind < 0.45)
    drawn = torch.maximum(drawn, stroke(distance - sheet.uniform(at, 3, 6), half) * twice)
    sheet.add_ink(at, drawn * _between(sheet, start, end))
