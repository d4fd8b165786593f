"""What is on the paper before the pen comes: texture, security print, rules, boxes, words.

Each function works on the lines ``at`` of a sheet with a strength (M, 1, 1) in [0, 1].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.handwriting.paper import _textures as textures
from crnn_lib.handwriting.paper._sheet import Sheet, stroke


def _window(sheet: Sheet, at: Tensor, bank: Tensor) -> Tensor:
    """A random window of a random texture for each line: (M, H, W)."""
    which = sheet.integers(at, len(bank))
    down, right = (sheet.uniform(at).flatten() for _ in range(2))
    return textures.windows(bank, (sheet.height, sheet.width), which, down, right)


def _pale(sheet: Sheet, at: Tensor) -> Tensor:
    """How dark a pattern may be beside a pen, so that a pale pen can still be read: (M, 1, 1)."""
    return sheet.dark[at][:, None, None].clamp(0.15, 0.9) / 0.9


def tone(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Paper that is not white, and clouds on it."""
    level = 0.4 * strength * sheet.uniform(at, 0.3, 1)
    clouds = _window(sheet, at, textures.clouds()[-4:])
    sheet.darken(at, (level + 0.03 * strength * clouds).clamp_(0, 0.6))


def fibre(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Grain and fibres of the paper."""
    amount = 0.07 * strength * _pale(sheet, at)
    sheet.darken(at, _window(sheet, at, textures.fibre()) * amount)


def guilloche(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Fine curves in families, as on cheques and bank notes."""
    amount = (0.08 + 0.3 * strength) * sheet.uniform(at, 0.5, 1) * _pale(sheet, at)
    sheet.darken(at, _window(sheet, at, textures.guilloche()) * amount)


def raster(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """A picture printed in dots."""
    amount = (0.06 + 0.26 * strength) * sheet.uniform(at, 0.5, 1) * _pale(sheet, at)
    sheet.darken(at, _window(sheet, at, textures.raster()) * amount)


def _dashes(sheet: Sheet, at: Tensor) -> Tensor:
    """Solid (half of them), dashed or dotted along x: (M, 1, W)."""
    period = sheet.uniform(at, 2.5, 12)
    phase = (sheet.x / period + sheet.uniform(at)).remainder(1)  # (M, 1, W)
    dashed = ((0.6 - phase) * period + 0.5).clamp(0, 1)
    return torch.where(sheet.chance(at, 0.5), dashed, torch.ones(()))


def rules(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """One to three ruled lines under, through or above the writing."""
    top, bottom = (edge[at].float()[:, None, None] for edge in (sheet.top, sheet.bottom))
    body = bottom - top
    below = bottom + sheet.uniform(at, -2.5, 4)
    anywhere = top + body * sheet.uniform(at, -0.1, 1.1)
    row = torch.where(sheet.chance(at, 0.6), below, anywhere)
    slope = torch.deg2rad(1.5 * strength * sheet.uniform(at, -1, 1))
    half = 0.1 + 0.8 * strength * sheet.uniform(at) ** 2
    darkness = 0.15 + 0.65 * strength * sheet.uniform(at)
    dashes = _dashes(sheet, at) * darkness
    tilt = slope * (sheet.x - sheet.widths[at][:, None, None] / 2)  # (M, 1, W)
    distance = sheet.y - (row + tilt)  # (M, H, W)
    spacing = sheet.uniform(at, 3, 1.2 * sheet.height)
    cover = torch.zeros_like(distance)
    more = sheet.uniform(at)
    for number, share in ((0, 1.0), (-1, 0.35), (1, 0.2)):
        line = stroke(distance - number * spacing, half)
        cover = torch.maximum(cover, line * (more < share))
    sheet.darken(at, cover * dashes)


def border(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """The sides of a box: some or all, cut to corner marks now and then.

    What lies outside the box may be darker, and a thick side is the border of the page.
    """
    y, x = sheet.y, sheet.x
    first, last = (c[at].float()[:, None, None] for c in (sheet.first, sheet.last))
    top, bottom = (r[at].float()[:, None, None] for r in (sheet.top, sheet.bottom))
    width, height = sheet.widths[at].float()[:, None, None], sheet.height
    lean = torch.deg2rad(2 * strength * sheet.uniform(at, -1, 1))
    half = 0.1 + 1.1 * strength * sheet.uniform(at) ** 1.5
    half = half + 1.5 * strength * sheet.uniform(at) * sheet.chance(at, 0.12)
    darkness = 0.2 + 0.7 * strength * sheet.uniform(at)
    # between the border and the writing, touching it here and there
    left = sheet.uniform(at) ** 1.3 * (first - 1 - 2 * half).clamp_min(0)
    right = width - 1 - sheet.uniform(at) ** 1.3 * (width - last - 2 - 2 * half).clamp_min(0)
    upper = sheet.uniform(at, -0.1, 1) * (top + 1).clamp_min(1.5)
    lower = height - 1 - sheet.uniform(at, -0.1, 1) * (height - bottom + 1).clamp_min(1.5)
    whole = sheet.chance(at, 0.35)
    sides = [whole | sheet.chance(at, share) for share in (0.5, 0.5, 0.55, 0.55)]
    tilt, shear = lean * (x - width / 2), lean * (y - height / 2)
    rows = torch.maximum(
        stroke(y - (upper + tilt), half) * sides[0], stroke(y - (lower + tilt), half) * sides[1]
    )
    columns = torch.maximum(
        stroke(x - (left - shear), half) * sides[2], stroke(x - (right - shear), half) * sides[3]
    )
    # half of the boxes end where their sides meet; the lines of the others go on
    ends = sheet.chance(at, 0.5)
    rows *= ~ends | ((x >= left - 1.5) & (x <= right + 1.5))
    upright = ~(ends & sides[0]) | (y >= upper - 1)
    upright &= ~(ends & sides[1]) | (y <= lower + 1)
    columns *= upright
    corner, reach = sheet.chance(at, 0.15), sheet.uniform(at, 3, 8)
    rows *= ~corner | (x <= left + reach) | (x >= right - reach)
    columns *= ~corner | (y <= upper + reach) | (y >= lower - reach)
    sheet.darken(at, torch.maximum(rows, columns) * darkness)
    inner = ((y - upper - tilt).clamp(0, 1) * (lower + tilt - y).clamp(0, 1)) * (
        (x - left + shear).clamp(0, 1) * (right - shear - x).clamp(0, 1)
    )
    outer = 0.35 * strength * sheet.uniform(at) * sheet.chance(at, 0.25)
    sheet.darken(at, (1 - inner) * outer * _pale(sheet, at))


def cells(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Thin bars between the digits, full or short, as on forms with a cell for each digit."""
    spans = sheet.spans[at].float()  # (M, L, 2)
    written = spans[..., 1] > 0
    between = (spans[:, :-1, 1] + spans[:, 1:, 0]) / 2 - 0.5  # (M, L - 1)
    room = spans[:, 1:, 0] - spans[:, :-1, 1]
    shown = written[:, 1:] & (room > -1)  # where digits overlap, no cell ever stood between them
    shown &= torch.rand(shown.shape, generator=sheet.generator) < 0.85
    half = 0.1 + 0.5 * strength * sheet.uniform(at)
    bars = stroke(sheet.x - between[..., None], half)  # (M, L - 1, W)
    bars = (bars * shown[..., None]).sum(1, keepdim=True).clamp_max_(1)  # (M, 1, W)
    start = torch.where(sheet.chance(at, 0.35), sheet.uniform(at, 0, 0.9), -1.0) * sheet.height
    darkness = 0.12 + 0.5 * strength * sheet.uniform(at)
    dotted = sheet.chance(at, 0.25) & (sheet.y.remainder(3) < 1)
    sheet.darken(at, bars * ((sheet.y >= start) & ~dotted) * darkness)


def bleed(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Writing of the other side shining through: mirrored, soft, faint."""
    others = sheet.ink[sheet.integers(at, sheet.count)].flip(-1)  # (M, H, W)
    across, down = (sheet.integers(at, n) for n in (sheet.width, sheet.height))
    columns = (torch.arange(sheet.width) + across[:, None]) % sheet.width
    rows = (torch.arange(sheet.height) + down[:, None]) % sheet.height
    others = others.gather(2, columns[:, None].expand_as(others))
    others = others.gather(1, rows[:, :, None].expand_as(others))
    soft = F.avg_pool2d(others[:, None], 3, stride=1, padding=1)[:, 0]
    sheet.darken(at, soft * (0.04 + 0.26 * strength) * sheet.uniform(at, 0.4, 1) * _pale(sheet, at))


def words(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """Small print that reaches into the crop from above or from below."""
    strips = textures.printed_words(sheet.height)
    which = sheet.integers(at, len(strips))
    under = sheet.chance(at, 0.45)
    top, bottom = (r[at].float()[:, None, None] for r in (sheet.top, sheet.bottom))
    # the strip's last row is the baseline of its words
    base = top * sheet.uniform(at, 0.4, 1) + 4 * strength * sheet.uniform(at)
    cap = textures.WORD_ROWS * sheet.uniform(at, 0.45, 0.8)
    foot = bottom + cap - 3 * strength * sheet.uniform(at)
    base = torch.where(under, foot, base).clamp(2, sheet.height + 12).round()
    down = (sheet.height + textures.WORD_ROWS - base) / (sheet.height + textures.WORD_ROWS + 1)
    right = sheet.uniform(at).flatten()
    size = (sheet.height, sheet.width)
    cover = textures.windows(strips, size, which, down.flatten(), right)
    darkness = 0.25 + 0.6 * strength * sheet.uniform(at)
    start = sheet.uniform(at, -1, 0.8) * sheet.widths[at][:, None, None]
    sheet.darken(at, cover * (sheet.x >= start) * darkness)


def currency(sheet: Sheet, at: Tensor, strength: Tensor, room: Tensor) -> None:
    """A printed sign in the paper left free before the amount: ``room`` pixels (N,)."""
    bank, wide = textures.signs()
    which = sheet.integers(at, len(bank))
    room = room[at]
    top, bottom = sheet.top[at], sheet.bottom[at]
    free = (room - 4).clamp_min(3)
    scale = torch.minimum(free / wide[which], (bottom - top) / textures.SIGN_ROWS)
    scale = (scale * sheet.uniform(at, 0.75, 1.05).flatten()).clamp_min(0.15)
    patch = math.ceil(float(room.max()))
    middle = (top + bottom) / 2 + sheet.uniform(at, -2, 2).flatten()
    theta = torch.zeros(len(at), 2, 3)
    theta[:, 0, 0] = patch / textures.SIGN_COLUMNS / scale
    theta[:, 1, 1] = sheet.height / textures.SIGN_ROWS / scale
    theta[:, 0, 2] = theta[:, 0, 0] - 1  # both images start at the left
    theta[:, 1, 2] = theta[:, 1, 1] * (1 - 2 * middle / sheet.height)
    size = [len(at), 1, sheet.height, patch]
    grid = F.affine_grid(theta, size, align_corners=False)
    drawn = F.grid_sample(bank[which][:, None], grid, align_corners=False)[:, 0]  # (M, H, patch)
    start = (sheet.first[at] - room + 1).clamp(0, max(sheet.width - patch, 0)).long()
    columns = (torch.arange(patch) + start[:, None]).clamp_max(sheet.width - 1)
    cover = torch.zeros(len(at), sheet.height, sheet.width)
    cover.scatter_(2, columns[:, None].expand_as(drawn), drawn)
    sheet.darken(at, cover * (0.3 + 0.6 * strength * sheet.uniform(at)))


def stamp(sheet: Sheet, at: Tensor, strength: Tensor) -> None:
    """A part of a round stamp or a blot, pale enough to read through."""
    width = sheet.widths[at].float()[:, None, None]
    radius = sheet.uniform(at, 0.3, 1.4) * sheet.height
    down = sheet.y - sheet.uniform(at, -0.6, 1.6) * sheet.height
    across = (sheet.x - sheet.uniform(at, -0.1, 1.1) * width) / sheet.uniform(at, 1, 1.8)
    away = (across**2 + down**2).sqrt() - radius  # (M, H, W) from the rim
    half = 0.4 + 0.8 * sheet.uniform(at)
    ring = stroke(away + 0, half)
    ring = torch.maximum(ring, stroke(away + sheet.uniform(at, 2.5, 6), half / 2))
    blot = (-away / 2 + 0.5).clamp_(0, 1)
    patchy = (0.75 + 0.35 * _window(sheet, at, textures.clouds()[:8])).clamp_(0, 1)
    cover = torch.where(sheet.chance(at, 0.7), ring, 0.6 * blot) * patchy
    sheet.darken(at, cover * (0.1 + 0.35 * strength) * sheet.uniform(at, 0.5, 1) * _pale(sheet, at))
