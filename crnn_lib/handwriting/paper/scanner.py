"""Handwriting on paper, as a scanner sees it: lines of ink become grey photographs.

A network that has only seen white strokes on black takes the side of a box for a 1. So it
learns from lines on paper: ruled, boxed, patterned, stamped, badly lit, and cut out a little too
large or too small. :func:`photograph` makes them; :func:`crnn_lib.photos.ink_of` is the way back.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from crnn_lib.alphabet import check_generator
from crnn_lib.handwriting._precision import single_precision
from crnn_lib.handwriting.lines import LineBatch
from crnn_lib.handwriting.paper import _effects_camera, _effects_pen, _effects_print
from crnn_lib.handwriting.paper._sheet import Sheet, draw_placement, place_writing
from crnn_lib.handwriting.paper.styles import EFFECTS, LATER, Effect, PaperStyle

CHUNK = 96  # lines worked on at once: of like width, and few enough to stay in a core's cache


PLACING = ("size", "shift", "margins", "turn", "shear", "curve", "perspective", "crop")
# What happens to a line on paper, in this order. What stands beside it comes first. The print comes
# before the pen on paper; but how dark a pattern may be depends on the pen.
ON_PAPER = {
    "underline": _effects_pen.underline,
    "scribble": _effects_pen.scribble,
    "neighbours": _effects_pen.neighbours,
    "weight": _effects_pen.weight,
    "faint": _effects_pen.faint,
    "skips": _effects_pen.skips,
    "mottle": _effects_pen.mottle,
    "hollow": _effects_pen.hollow,
    "chalk": _effects_pen.chalk,
    "tone": _effects_print.tone,
    "fibre": _effects_print.fibre,
    "guilloche": _effects_print.guilloche,
    "raster": _effects_print.raster,
    "rules": _effects_print.rules,
    "border": _effects_print.border,
    "cells": _effects_print.cells,
    "words": _effects_print.words,
    "currency": _effects_print.currency,
    "bleed": _effects_print.bleed,
    "stamp": _effects_print.stamp,
}
IN_CAMERA = {
    "light": _effects_camera.light,
    "blur": _effects_camera.blur,
    "motion": _effects_camera.motion,
    "resolution": _effects_camera.resolution,
    "contrast": _effects_camera.contrast,
    "noise": _effects_camera.noise,
    "gamma": _effects_camera.gamma,
    "bilevel": _effects_camera.bilevel,
    "jpeg": _effects_camera.jpeg,
}
# What makes a line hard to read. Together it never gets worse than LIMIT of these at their worst.
HARM = (
    *("faint", "skips", "mottle", "light", "blur", "motion", "resolution", "contrast", "noise"),
    *("bilevel", "jpeg", "hollow", "chalk"),
)
LIMIT = 1.5
LEAST = 8  # pixels of paper per character: two frames of 4, so that CTC can spell 111


@single_precision()
def photograph(lines: LineBatch, style: PaperStyle, generator: torch.Generator) -> LineBatch:
    """Lines as a scanner sees them on paper.

    Parameters
    ----------
    lines : LineBatch
        Ink bright on black, as :func:`crnn_lib.handwriting.compose_lines` writes it.
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
    check_generator(generator, "photograph")
    for name, value, kind in (("lines", lines, LineBatch), ("style", style, PaperStyle)):
        if not isinstance(value, kind):
            raise TypeError(f"{name} is a {kind.__name__}; got {value!r:.80}.")
    count = len(lines)
    if not count:
        return lines
    strengths = {
        name: _strengths(getattr(style, name), count, generator)
        if name not in LATER or getattr(style, name).share
        else torch.zeros(count)
        for name in EFFECTS
    }
    for name in ("scribble", "currency"):  # there is no room for them where nothing is left
        strengths[name] = strengths[name].masked_fill(strengths["crop"] > 0, 0.0)
    harm = sum((strengths[name] for name in HARM), torch.zeros(count))
    for name in HARM:
        strengths[name] = strengths[name] * (LIMIT / harm.clamp_min(LIMIT))
    ink, height = lines.images[:, 0], lines.images.shape[2]
    before, after, sign = _rooms(strengths, height, generator)
    placing = {name: strengths[name] for name in PLACING}
    placement = draw_placement(ink, lines.widths, placing, (before + sign, after), generator)
    widths = placement.widths.maximum(LEAST * lines.target_lengths)
    placement = replace(placement, widths=widths)
    spans = torch.zeros_like(lines.spans)
    images = torch.ones(count, 1, height, int(widths.max()))
    for chunk in torch.argsort(widths, stable=True).split(CHUNK):
        narrow = lines.select(chunk)
        placed, moved = place_writing(
            narrow.images[:, 0], narrow.widths, narrow.spans, placement.select(chunk)
        )
        sheet = Sheet(placed, widths[chunk], moved, generator)
        chosen = {name: values[chunk] for name, values in strengths.items()}
        _expose_sheet(sheet, chosen, before[chunk], after[chunk], sign[chunk])
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


def _expose_sheet(
    sheet: Sheet, strengths: dict[str, Tensor], before: Tensor, after: Tensor, sign: Tensor
) -> None:
    """All that happens to the lines of a sheet, in the order in which it happens to paper."""
    extra = {"scribble": (before, after), "currency": (sign,)}
    for name, effect in ON_PAPER.items():
        _apply_effect(effect, sheet, strengths[name], *extra.get(name, ()))
    sheet.grey *= 1 - sheet.ink * sheet.dark[:, None, None]
    for name, effect in IN_CAMERA.items():
        _apply_effect(effect, sheet, strengths[name])


def _apply_effect(effect, sheet: Sheet, strength: Tensor, *extra: Tensor) -> None:
    at = torch.nonzero(strength)[:, 0]
    if len(at):
        effect(sheet, at, strength[at][:, None, None], *extra)
