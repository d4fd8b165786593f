"""Handwriting on paper, as a scanner sees it: lines of ink become grey photographs.

A network that has only seen white strokes on black takes the frame of a form for a 1. So it
learns from lines on paper: ruled, boxed, patterned, stamped, badly lit, and cut out a little too
large or too small. :func:`photograph` makes them; :func:`crnn_lib.inking.ink_of` is the way back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from crnn_lib import camera, printing, strokes_beside
from crnn_lib.inking import ink_of
from crnn_lib.lines import LineBatch
from crnn_lib.paper_styles import EFFECTS, Effect, PaperStyle
from crnn_lib.sheets import Sheet, place, plan
from crnn_lib.streams import Alternating, LineStream, seeded_generator

__all__ = ["EFFECTS", "Effect", "PaperStream", "PaperStyle", "ink_of", "join", "photograph"]

CHUNK = 96  # lines worked on at once: of like width, and few enough to stay in a core's cache


PLACING = ("size", "shift", "margins", "turn", "shear", "curve", "perspective")
BESIDE = ("underline", "scribble", "neighbours")
# The print comes before the pen on paper. But how dark a pattern may be depends on the pen.
PENS = ("weight", "faint", "skips", "mottle")
PRINT = ("tone", "fibre", "guilloche", "raster", "rules", "frame", "cells", "words", "currency")
PRINT += ("bleed", "stamp")
# What makes a line hard to read. Together it never gets worse than LIMIT of these at their worst.
HARM = ("faint", "skips", "mottle", "light", "blur", "motion", "resolution", "contrast", "noise")
HARM += ("bilevel", "jpeg")
LIMIT = 1.5
LEAST = 8  # pixels of paper per character: two frames of 4, so that CTC can spell 111
CAMERA = ("light", "blur", "motion", "resolution", "contrast", "noise", "gamma", "bilevel", "jpeg")


def photograph(lines: LineBatch, style: PaperStyle, generator: torch.Generator) -> LineBatch:
    """Lines as a scanner sees them on paper.

    Parameters
    ----------
    lines : LineBatch
        Ink bright on black, as :func:`crnn_lib.lines.compose_lines` writes it.
    style : PaperStyle
    generator : torch.Generator
        Source of all chance. The same state gives the same photographs.

    Returns
    -------
    LineBatch
        The same texts and targets. The images are grey: dark ink on lighter paper, padded with
        white on the right. None is narrower than 8 pixels a character. Spans follow the writing,
        to within the pixels that a slant moves it.
    """
    if not isinstance(generator, torch.Generator):
        raise TypeError(
            "photograph needs a torch.Generator for its randomness, for example "
            f"torch.Generator().manual_seed(0); got {type(generator).__name__}."
        )
    count = len(lines)
    if not count:
        return lines
    strengths = {name: _strengths(getattr(style, name), count, generator) for name in EFFECTS}
    harm = sum(strengths[name] for name in HARM)
    for name in HARM:
        strengths[name] = strengths[name] * (LIMIT / harm.clamp_min(LIMIT))
    ink, height = lines.images[:, 0], lines.images.shape[2]
    before, after, sign = _rooms(strengths, height, generator)
    placing = {name: strengths[name] for name in PLACING}
    placement = plan(ink, lines.widths, placing, (before + sign, after), generator)
    widths = placement.widths.maximum(LEAST * lines.target_lengths)
    placement = replace(placement, widths=widths)
    spans = torch.zeros_like(lines.spans)
    images = torch.ones(count, 1, height, int(widths.max()))
    for chunk in torch.argsort(widths, stable=True).split(CHUNK):
        narrow = lines.select(chunk)
        placed, moved = place(
            narrow.images[:, 0], narrow.widths, narrow.spans, placement.select(chunk)
        )
        sheet = Sheet(placed, widths[chunk], moved, generator)
        chosen = {name: values[chunk] for name, values in strengths.items()}
        _expose(sheet, chosen, before[chunk], after[chunk], sign[chunk])
        paper = sheet.x >= sheet.widths[:, None, None]  # (n, 1, w)
        images[chunk, 0, :, : sheet.width] = sheet.grey.clamp_(0, 1).masked_fill_(paper, 1.0)
        spans[chunk, : moved.shape[1]] = moved
    return LineBatch(images, widths, lines.targets, lines.target_lengths, lines.texts, spans)


def _strengths(effect: Effect, count: int, generator: torch.Generator) -> Tensor:
    """The strength of an effect on each line, (count,); 0 where it is off."""
    share, strength = torch.rand(2, count, generator=generator)
    strength = effect.low + (effect.high - effect.low) * strength
    return torch.where(share < effect.share, strength.clamp_min(1e-3), 0.0)


def _rooms(
    strengths: dict[str, Tensor], height: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels to leave free for a scribble before or after the number, and for a printed sign."""
    count = len(strengths["size"])
    long, side, wide = torch.rand(3, count, generator=generator)
    strength = strengths["scribble"]
    stroke = torch.where(strength > 0, height * (0.6 + 1.9 * strength * long), 0.0)
    before = side < 0.2
    sign = torch.where(strengths["currency"] > 0, height * (0.5 + 0.7 * wide), 0.0)
    return stroke * before, stroke * ~before, sign


def _expose(
    sheet: Sheet, strengths: dict[str, Tensor], before: Tensor, after: Tensor, sign: Tensor
) -> None:
    """All that happens to the lines of a sheet, in the order in which it happens to paper."""
    extra = {"scribble": (before, after), "currency": (sign,)}
    for module, names in ((strokes_beside, BESIDE + PENS), (printing, PRINT)):
        for name in names:
            _apply(getattr(module, name), sheet, strengths[name], *extra.get(name, ()))
    sheet.grey *= 1 - sheet.ink * sheet.dark[:, None, None]
    for name in CAMERA:
        _apply(getattr(camera, name), sheet, strengths[name])


def _apply(effect, sheet: Sheet, strength: Tensor, *extra: Tensor) -> None:
    at = torch.nonzero(strength)[:, 0]
    if len(at):
        effect(sheet, at, strength[at][:, None, None], *extra)


@dataclass(frozen=True)
class PaperStream:
    """A stream of lines that have gone through paper and camera, as ink again, for training.

    A batch depends on ``(seed, step)`` and the inner stream's seed alone.

    Parameters
    ----------
    lines : LineStream or Alternating
        Writes the lines.
    style : PaperStyle
    clean : float
        Share of the lines that stay as they were written.
    seed : int
    """

    lines: LineStream | Alternating
    style: PaperStyle
    clean: float = 0.08
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.clean <= 1:
            raise ValueError(f"clean is a share of the lines, 0 to 1; got {self.clean}.")

    @property
    def pool(self) -> int:
        """Batches that are made at once and sorted by width."""
        return self.lines.pool

    def batch(self, step: int) -> LineBatch:
        """The lines of one training step."""
        turn, place = divmod(step, self.pool)
        cached = self.__dict__.get("_cached")
        if cached is None or cached[0] != turn:
            cached = (turn, self._make_pool(turn))
            object.__setattr__(self, "_cached", cached)
        return cached[1][place]

    def _make_pool(self, turn: int) -> list[LineBatch]:
        steps = range(turn * self.pool, (turn + 1) * self.pool)
        parts = [self.lines.batch(step) for step in steps]
        blank = _blank(self.lines)
        lines = join(parts, blank)
        generator = seeded_generator(self.seed, turn, 1)
        untouched = torch.rand(len(lines), generator=generator) < self.clean
        photos = photograph(lines.select(~untouched), self.style, generator)
        written = lines.select(untouched)
        whole = join([photos, written], blank)
        clean = torch.arange(len(whole)) >= len(photos)
        order = torch.argsort(whole.widths, stable=True).split([len(part) for part in parts])
        made = []
        for chosen in torch.randperm(len(parts), generator=generator).tolist():
            batch = whole.select(order[chosen])
            ink = ink_of(batch.images, batch.widths)
            kept = clean[order[chosen]][:, None, None, None]
            images = torch.where(kept, batch.images, ink)
            made.append(replace(batch, images=images))
        return made


def _blank(lines: LineStream | Alternating) -> int:
    """The class with which targets are padded."""
    lines = lines.streams[0] if isinstance(lines, Alternating) else lines
    return lines.alphabet.blank if lines.alphabet else 0


def join(parts: list[LineBatch], blank: int = 0) -> LineBatch:
    """Several batches as one; all images get the width of the widest, black on the right."""
    parts = [part for part in parts if len(part)]
    width = max(part.images.shape[3] for part in parts)
    longest = max(part.targets.shape[1] for part in parts)
    count = sum(map(len, parts))
    first = parts[0]
    images = first.images.new_zeros(count, 1, first.images.shape[2], width)
    targets = first.targets.new_full((count, longest), blank)
    spans = first.spans.new_zeros(count, longest, 2)
    start = 0
    for part in parts:
        rows = slice(start, start + len(part))
        images[rows, :, :, : part.images.shape[3]] = part.images
        targets[rows, : part.targets.shape[1]] = part.targets
        spans[rows, : part.spans.shape[1]] = part.spans
        start += len(part)
    return LineBatch(
        images,
        torch.cat([part.widths for part in parts]),
        targets,
        torch.cat([part.target_lengths for part in parts]),
        [text for part in parts for text in part.texts],
        spans,
    )
