"""Where a hand puts its glyphs: how ink follows ink, and how a line of amounts is strung together.

Printed type keeps columns apart. A hand does not: a dot lies under the bar of a 7, the bar of a 5
flies over its neighbour, noughts hang on one another. So distances are measured row by row, from
ink to ink, and a style says how far they count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.handwriting._warping import INK, Boxes, glyph_boxes, lay_boxes
from crnn_lib.handwriting.styles import LineStyle

FAR = 1000  # pixels; stands for a row without ink
REACH = 2  # rows; inks this far apart in height still keep their distance
TALL = 20  # pixels; height of a digit in its glyph


class Chance:
    """Uniform draws, one per glyph (M) or one per line, handed to its glyphs."""

    def __init__(self, written: Tensor, generator: torch.Generator) -> None:
        self.generator = generator
        self.line = torch.nonzero(written)[:, 0]  # (M,) the line of each glyph
        self.lines, self.glyphs = len(written), len(self.line)

    def per_glyph(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.glyphs, generator=self.generator)

    def per_line(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.lines, generator=self.generator)

    def per_line_and_glyph(self, line_range: tuple[float, float], jitter: float) -> Tensor:
        return self.per_line(*line_range)[self.line] + self.per_glyph(-jitter, jitter)


@dataclass(frozen=True)
class Script:
    """What is written on N lines of at most L characters: masks, all of them (N, L)."""

    written: Tensor  # there is a character
    silent: Tensor  # it is a mark: drawn, and not part of the label
    zero: Tensor  # it is a nought
    apart: Tensor  # a space was left before it


def write_by_hand(
    inks: Tensor, script: Script, style: LineStyle, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Write glyphs, (M, 28, 28) uint8, side by side: images, widths (N,) and spans (N, L, 2)."""
    written = script.written
    chance = Chance(written, generator)
    height, line = style.height, chance.line
    weight = chance.per_line_and_glyph(style.stroke, style.glyph_stroke)
    scale = chance.per_line(*style.size)[line] * chance.per_glyph(*style.glyph_size)
    slant = chance.per_line_and_glyph(style.slant, style.glyph_slant)
    angle = torch.deg2rad(chance.per_glyph(-style.rotation, style.rotation))
    column = torch.nonzero(written)[:, 1]  # (M,) place of each glyph in its line
    last = (written.sum(1) - 1).clamp_min(1)[line]
    along = column / last - 0.5  # (M,) from -0.5 to 0.5
    scale = scale * torch.exp(chance.per_line(*style.growth)[line] * along)
    phase, pace = chance.per_line(0, 2 * math.pi), chance.per_line(0.3, 1.2)
    wave = torch.sin(phase[line] + pace[line] * column)
    down = style.wander / 2 * (wave + chance.per_glyph(-1, 1))
    down = down - chance.per_line(*style.climb)[line] * along

    smaller, lower = _small_zeros(script, chance, style)
    down = down + scale * lower
    scale = scale * smaller

    steepest = max(abs(s) for s in style.slant) + style.glyph_slant
    turn = math.radians(min(style.rotation, 45))
    largest = style.size[1] * style.glyph_size[1] * math.exp(max(map(abs, style.growth)) / 2)
    widest = 28 * largest * (math.cos(turn) + math.sin(turn))
    box = 2 * math.ceil((widest + steepest * height) / 2)
    boxes = glyph_boxes(inks, weight, (height, box), scale, angle, slant, down=down, ink=INK)

    edges = _Edges.of(boxes)
    chained = _chains(script, chance, style)  # (N, L)
    starts, widths = _space_by_rows(edges, script, chained, chance, style)  # (N, L), (N,)
    at = torch.zeros(written.shape, dtype=torch.long)
    at[written] = edges.right - edges.left
    spans = torch.stack([starts, starts + at], -1) * written[..., None]  # (N, L, 2)

    offsets = torch.zeros(written.shape, dtype=torch.long)
    offsets[written] = starts[written] - edges.left
    images = lay_boxes(boxes, offsets, written, widths)
    hanging = torch.nonzero(chained[written])[:, 0]  # (J,) glyphs joined to the one before them
    if len(hanging):
        radius = _stroke_widths(inks[hanging].float() / 255) / 2 + weight[hanging]
        radius = (radius * scale[hanging]).clamp(0.6, 3.0)
        _join_noughts(images, edges, offsets[written], hanging, radius, chance)
    return images, widths, spans


@dataclass(frozen=True)
class _Edges:
    """Where the ink of each glyph begins and ends, in its box: of all rows, and of each."""

    left: Tensor  # (M,)
    right: Tensor  # (M,) the column after the last
    row_left: Tensor  # (M, H) FAR without ink
    row_right: Tensor  # (M, H) -FAR without ink

    @classmethod
    def of(cls, boxes: Boxes) -> _Edges:
        shape = (len(boxes), boxes.size[0])
        first, after = torch.full(shape, FAR), torch.full(shape, -FAR)
        if boxes.parts is not None:
            from crnn_lib.handwriting._compiled import row_edges

            arrays = (boxes.pixels.numpy(), boxes.parts.numpy(), INK, first.numpy(), after.numpy())
            row_edges(*arrays)
        elif len(boxes):
            ink = (boxes.pixels >= INK).to(torch.uint8)  # (M, H, box)
            there = ink.amax(2) > 0
            first[there] = ink.argmax(2)[there]
            after[there] = boxes.size[1] - ink.flip(2).argmax(2)[there]
        return cls(boxes.left, boxes.right, first, after)


def _small_zeros(script: Script, chance: Chance, style: LineStyle) -> tuple[Tensor, Tensor]:
    """Scale (M,) of the noughts at the end, and how far they go down, in pixels at scale 1."""
    chosen = chance.per_line(0, 1) < style.small_zeros
    factor = chance.per_line(*style.small_zero_size)
    raised = (chance.per_line(-1, 1)).clamp_min(0)  # half of them stand on the line
    most = torch.tensor([2, 3, 3, 99])[chance.per_line(0, 4).long().clamp_max(3)]
    run, nth = _ending_zeros(script)
    small = (run & (nth <= most[:, None]) & chosen[:, None])[script.written]  # (M,)
    factor, raised = factor[chance.line], raised[chance.line]
    lower = (1 - factor) * TALL / 2 * (1 - 2 * raised)
    return torch.where(small, factor, 1.0), torch.where(small, lower, 0.0)


def _ending_zeros(script: Script) -> tuple[Tensor, Tensor]:
    """Noughts with no other digit behind them, and their number counted from the end: (N, L)."""
    digit = script.written & ~script.silent
    others = (digit & ~script.zero).flip(1).cumsum(1).flip(1)  # (N, L) other digits from here on
    run = script.zero & (others == 0)
    return run, run.flip(1).cumsum(1).flip(1)


def _chains(script: Script, chance: Chance, style: LineStyle) -> Tensor:
    """Noughts that hang on the nought before them: (N, L)."""
    chosen = chance.per_line(0, 1) < style.joined_zeros
    pair = F.pad(script.zero[:, 1:] & script.zero[:, :-1], (1, 0)) & ~script.apart
    return pair & chosen[:, None]


def _space_by_rows(
    edges: _Edges, script: Script, chained: Tensor, chance: Chance, style: LineStyle
) -> tuple[Tensor, Tensor]:
    """Where each ink starts: (N, L), and how wide each line is: (N,)."""
    written = script.written
    second = torch.nonzero(written)[:, 1] > 0
    here = torch.nonzero(second)[:, 0]  # (P,) glyphs with one before them
    before, line = here - 1, chance.line[here]
    ink = edges.right - edges.left  # (M,)

    cut = torch.randint(style.cut_rows + 1, (chance.lines,), generator=chance.generator)
    by_row = _by_row(edges, before, here, cut[line], style.cut_rows)
    by_column = (edges.right[before] - edges.left[here]).float()
    larger, smaller = torch.maximum(ink[before], ink[here]), torch.minimum(ink[before], ink[here])
    by_row = torch.maximum(by_row, by_column - 0.75 * larger)
    share = torch.where(chained[written][here], 1.0, chance.per_line(*style.kerning)[line])
    pitch = torch.lerp(by_column, by_row, share)

    digits = script.written & ~script.silent
    mean = torch.zeros(written.shape)
    mean[written] = ink.float()
    mean = (mean * digits).sum(1) / digits.sum(1).clamp_min(1)  # (N,)
    tightest, loosest = style.spacing
    line_gap = chance.per_line(tightest, loosest)[line]
    jitter = style.spacing_jitter * (2 * torch.rand(len(here), generator=chance.generator) - 1)
    gap = (line_gap + jitter).clamp_min(tightest)
    silent = script.silent[written]
    gap = torch.where((silent[here] | silent[before]) & (gap > 0), 0.6 * gap, gap)
    touch = -0.2 * torch.rand(len(here), generator=chance.generator)
    gap = torch.where(chained[written][here], torch.minimum(gap, touch), gap)
    gap = torch.where(gap < 0, gap * smaller, gap * mean[line])
    spaces = chance.per_line(0.3, 0.9)[line] * mean[line]
    gap = gap + torch.where(script.apart[written][here], spaces, 0.0)

    steps = torch.zeros(written.shape)
    steps[written & (torch.arange(written.shape[1]) > 0)] = (
        pitch + gap - edges.left[before] + edges.left[here]
    )
    # A dot under an overhang is no wall: what follows it keeps away from what stands before it.
    place = torch.nonzero(written)[here, 1]  # (P,)
    across = place > 1
    third = here[across]
    over = torch.full(written.shape, -math.inf)
    over[line[across], place[across]] = (
        _by_row(edges, third - 2, third, cut[line[across]], style.cut_rows)
        + gap[across]
        - edges.left[third - 2]
        + edges.left[third]
    )
    widths = torch.zeros(written.shape)
    widths[written] = ink.float()
    starts = _keep_apart(steps, over, widths, script.silent, style)
    low, high = style.margin
    margins = torch.randint(low, high + 1, (chance.lines, 2), generator=chance.generator)
    starts = starts - torch.where(written, starts, FAR**2).amin(1, keepdim=True)
    starts = starts + margins[:, :1]
    ends = torch.where(written, starts + widths.long(), 0).amax(1)
    return starts, ends + margins[:, 1]


def _by_row(edges: _Edges, before: Tensor, here: Tensor, cut: Tensor, most: int) -> Tensor:
    """Distance of the boxes of two glyphs whose inks meet in some row: (P,) -> (P,).

    Of the rows that come closest, ``cut`` (P,), at most ``most``, may cut into each other.
    """
    behind = _over_rows(edges.row_right[before])  # (P, H)
    ahead = -_over_rows(-edges.row_left[here])
    nearest = (behind - ahead).topk(most + 1, dim=1).values  # (P, most + 1)
    return nearest.gather(1, cut[:, None])[:, 0]


def _over_rows(edges: Tensor) -> Tensor:
    """The furthest edge within REACH rows: (P, H) -> (P, H)."""
    return F.max_pool1d(edges[:, None].float(), 2 * REACH + 1, 1, REACH)[:, 0]


def _keep_apart(
    steps: Tensor, over: Tensor, widths: Tensor, silent: Tensor, style: LineStyle
) -> Tensor:
    """Starts (N, L) from the steps, but digits keep their pitch and marks their order.

    ``over`` is the least step from the last glyph but one, -inf where there is none.
    """
    pitch, order = style.minimum_pitch * style.height, 0.08 * style.height
    starts = [torch.zeros(len(steps))]
    digit = torch.where(silent[:, 0], -math.inf, widths[:, 0] / 2)  # centre of the last digit
    centre = widths[:, 0] / 2
    for here in range(1, steps.shape[1]):
        half = widths[:, here] / 2
        least = torch.where(
            silent[:, here], centre + order, (digit + pitch).maximum(centre + order)
        )
        start = (starts[-1] + steps[:, here]).maximum(least - half)
        if here > 1:
            start = start.maximum(starts[-2] + over[:, here])
        start = torch.ceil(start)
        centre = start + half
        digit = torch.where(silent[:, here], digit, centre)
        starts.append(start)
    return torch.stack(starts, 1).long()


# ---------------------------------------------------------------------------- chains of noughts


def _join_noughts(
    images: Tensor,
    edges: _Edges,
    offsets: Tensor,
    here: Tensor,
    radius: Tensor,
    chance: Chance,
) -> None:
    """Draw the strokes at the top that lead to some noughts (J,) from those before them."""
    height, count = images.shape[2], len(here)
    ends = [_top(edges, offsets, glyphs) for glyphs in (here - 1, here)]
    (x0, y0, half0), (x1, y1, half1) = ends
    u = torch.rand((count, 4), generator=chance.generator)
    x0, x1 = x0 + 0.7 * u[:, 0] * half0, x1 - 0.7 * u[:, 1] * half1
    y0, y1 = y0 + radius, y1 + radius
    sag = 5 * u[:, 2] - 3  # most of them bulge upwards or run straight
    t = torch.linspace(0, 1, 12)
    x = torch.lerp(x0[:, None], x1[:, None], t)  # (J, 12)
    y = torch.lerp(y0[:, None], y1[:, None], t) + sag[:, None] * 4 * t * (1 - t)
    first = (x.amin(1) - 4).floor()
    room = int((x.amax(1) - first).max()) + 6
    across = torch.arange(room) - (x - first[:, None])[..., None]  # (J, 12, room)
    along = torch.arange(height) - y[..., None]  # (J, 12, H)
    squares = along.square()[..., None] + across.square()[:, :, None]  # (J, 12, H, room)
    radius = radius * (0.7 + 0.3 * u[:, 3])  # quicker than the noughts, so thinner
    strokes = (radius[:, None, None] + 0.5 - squares.amin(1).sqrt()).clamp(0, 1)

    lines, starts = chance.line[here].tolist(), first.long().tolist()
    for stroke, line, start in zip(strokes.numpy(), lines, starts, strict=True):
        part = images[line, 0].numpy()[:, max(start, 0) : start + room]
        ink = stroke[:, max(-start, 0) :][:, : part.shape[1]]
        np.maximum(part, ink, out=part)


def _top(edges: _Edges, offsets: Tensor, glyphs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The highest ink of some glyphs, right and down in its line, and half the width: (J,) each."""
    rows = (edges.row_right[glyphs] > -FAR).to(torch.uint8).argmax(1)  # (J,)
    left, right = (e[glyphs, rows].float() for e in (edges.row_left, edges.row_right))
    half = (edges.right[glyphs] - edges.left[glyphs]) / 2
    return offsets[glyphs] + (left + right - 1) / 2, rows.float(), half


def _stroke_widths(ink: Tensor) -> Tensor:
    """Stroke width of some glyphs in pixels: (M, 28, 28) -> (M,)."""
    steps = ink.diff(dim=1)[:, :, :-1].square() + ink.diff(dim=2)[:, :-1].square()
    return 2 * ink.sum((1, 2)).clamp_min(1e-3) / steps.sqrt().sum((1, 2)).clamp_min(1e-3)  # 2 edges
