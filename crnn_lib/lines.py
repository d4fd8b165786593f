"""Lines of handwriting, composed from glyphs, with their ground truth.

A line is made as a hand makes it: one slant, one size and one stroke weight for the whole line,
small accidents for each glyph, and a spacing that goes from a clear gap to real overlap. The ink
decides what overlaps, not the 28-pixel cell a glyph comes in. Where inks meet, the brighter pixel
stays, so nothing wraps and nothing gets darker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.alphabet import Alphabet
from crnn_lib.glyphs import Glyphs
from crnn_lib.styles import LineStyle
from crnn_lib.warping import blend, stroke_weight, warp

INK = 0.25  # a pixel at least this bright counts as ink where extents are measured


@dataclass(frozen=True, eq=False, repr=False)
class LineBatch:
    """Lines and what is written on them.

    Attributes
    ----------
    images : Tensor, (N, 1, H, W), float32 in [0, 1]
        Ink bright on black, padded with black on the right.
    widths : Tensor, (N,)
        Width of each line in pixels.
    targets : Tensor, (N, L)
        Labels as class indices, padded with the blank.
    target_lengths : Tensor, (N,)
        Characters of each line.
    texts : list of str
    spans : Tensor, (N, L, 2)
        Pixel columns ``[start, end)`` of each character's ink. Zero on padding.
    """

    images: Tensor
    widths: Tensor
    targets: Tensor
    target_lengths: Tensor
    texts: list[str]
    spans: Tensor

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        count, _, height, width = self.images.shape
        return f"LineBatch({count} lines of {height} x up to {width} pixels)"

    def select(self, indices: Sequence[int] | Tensor | slice) -> LineBatch:
        """Some of the lines, in the order of the indices, without columns that none needs.

        A boolean mask chooses the lines where it is true.
        """
        if isinstance(indices, slice):
            indices = range(*indices.indices(len(self)))
        chosen = torch.as_tensor(indices)
        if chosen.dtype == torch.bool:
            if chosen.shape != (len(self),):
                raise ValueError(f"A mask has {len(self)} values, one per line; got {len(chosen)}.")
            chosen = torch.nonzero(chosen)[:, 0]
        chosen = chosen.long()
        widths, lengths = self.widths[chosen], self.target_lengths[chosen]
        width, longest = (max(x.tolist(), default=0) for x in (widths, lengths))
        return LineBatch(
            self.images[chosen, :, :, :width],
            widths,
            self.targets[chosen, :longest],
            lengths,
            [self.texts[i] for i in chosen.tolist()],
            self.spans[chosen, :longest],
        )


def compose_lines(
    glyphs: Glyphs,
    count: int,
    style: LineStyle,
    generator: torch.Generator,
    *,
    texts: Sequence[str] | None = None,
    alphabet: Alphabet | None = None,
) -> LineBatch:
    """Write lines with glyphs.

    Parameters
    ----------
    glyphs : Glyphs
        Each character is drawn with one of its glyphs, chosen at random.
    count : int
        Number of lines N.
    style : LineStyle
    generator : torch.Generator
        Source of all chance. The same state gives the same lines.
    texts : sequence of str, optional
        What to write: one text per line. Without it, lengths and characters are drawn uniformly.
    alphabet : Alphabet, optional
        Sets the class indices of the targets. Digits with blank 0 by default.

    Returns
    -------
    LineBatch
    """
    if not isinstance(generator, torch.Generator):
        raise TypeError(
            "compose_lines needs a torch.Generator for its randomness, for example "
            f"torch.Generator().manual_seed(0); got {type(generator).__name__}."
        )
    if count < 0:
        raise ValueError(f"count is a number of lines, 0 or more; got {count}.")
    alphabet = alphabet or Alphabet(glyphs.characters)
    if texts is None:
        characters, lengths = _random_characters(count, len(glyphs.characters), style, generator)
        symbols = np.array(list(glyphs.characters))[characters.numpy()]
        texts = ["".join(s[:n]) for s, n in zip(symbols, lengths.tolist(), strict=True)]
    else:
        characters, lengths = _given_characters(texts, count, glyphs)
        texts = list(texts)
    classes = torch.tensor([alphabet.encode(c)[0] for c in glyphs.characters])
    written = torch.arange(characters.shape[1]) < lengths[:, None]  # (N, L)
    targets = torch.where(written, classes[characters], alphabet.blank)

    inks = _choose_glyphs(glyphs, characters[written], generator)  # (M, 28, 28)
    if style.cell is not None:
        images, widths, spans = _in_cells(inks, written, style, generator)
    else:
        images, widths, spans = _by_ink(inks, written, style, generator)
    return LineBatch(images, widths, targets, lengths, texts, spans)


# ---------------------------------------------------------------------------- what is written


def _random_characters(
    count: int, num_characters: int, style: LineStyle, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    low, high = style.length
    lengths = torch.randint(low, high + 1, (count,), generator=generator)
    return torch.randint(num_characters, (count, high), generator=generator), lengths


def _given_characters(texts: Sequence[str], count: int, glyphs: Glyphs) -> tuple[Tensor, Tensor]:
    if isinstance(texts, str):
        raise TypeError(f"texts is a list with one text per line, such as [{texts!r}]; got a str.")
    if len(texts) != count:
        raise ValueError(f"texts holds one text per line: {count} expected, got {len(texts)}.")
    if "" in texts:
        raise ValueError("A line has at least one character; one of the texts is empty.")
    known = Alphabet(glyphs.characters, blank=len(glyphs.characters))
    labels = [known.encode(text) for text in texts]
    lengths = torch.tensor([len(label) for label in labels], dtype=torch.long)
    characters = torch.zeros(count, max(map(len, labels), default=1), dtype=torch.long)
    for row, label in zip(characters, labels, strict=True):
        row[: len(label)] = torch.tensor(label)
    return characters, lengths


def _choose_glyphs(glyphs: Glyphs, characters: Tensor, generator: torch.Generator) -> Tensor:
    """One glyph for each character, as floats: (M,) -> (M, 28, 28)."""
    by_character, counts = glyphs.by_character
    missing = torch.unique(characters[counts[characters] == 0]).tolist()
    if missing:
        names = "".join(glyphs.characters[i] for i in missing)
        raise ValueError(f"These glyphs ({glyphs.source}) have no image of {names!r}.")
    chance = torch.rand(len(characters), generator=generator, dtype=torch.float64)
    within = (chance * counts[characters]).long()
    chosen = by_character[(counts.cumsum(0) - counts)[characters] + within]
    return glyphs.images[chosen].float() / 255


# ---------------------------------------------------------------------------- how it is written


class _Chance:
    """Uniform draws, one per glyph (M) or one per line, handed to its glyphs."""

    def __init__(self, written: Tensor, generator: torch.Generator) -> None:
        self.generator = generator
        self.line = torch.nonzero(written)[:, 0]  # (M,) the line of each glyph
        self.lines, self.glyphs = len(written), len(self.line)

    def per_glyph(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.glyphs, generator=self.generator)

    def per_line(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.lines, generator=self.generator)

    def both(self, line_range: tuple[float, float], jitter: float) -> Tensor:
        return self.per_line(*line_range)[self.line] + self.per_glyph(-jitter, jitter)


def _by_ink(
    inks: Tensor, written: Tensor, style: LineStyle, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Write glyphs side by side, their ink deciding the distance."""
    chance = _Chance(written, generator)
    height = style.height
    inks = stroke_weight(inks, chance.both(style.stroke, style.glyph_stroke))
    scale = chance.per_line(*style.size)[chance.line] * chance.per_glyph(*style.glyph_size)
    slant = chance.both(style.slant, style.glyph_slant)
    angle = torch.deg2rad(chance.per_glyph(-style.rotation, style.rotation))
    column = torch.nonzero(written)[:, 1]  # (M,) place of each glyph in its line
    phase, pace = chance.per_line(0, 2 * math.pi), chance.per_line(0.3, 1.2)
    wave = torch.sin(phase[chance.line] + pace[chance.line] * column)
    down = style.wander / 2 * (wave + chance.per_glyph(-1, 1))

    steepest = max(abs(s) for s in style.slant) + style.glyph_slant
    turn = math.radians(min(style.rotation, 45))
    widest = 28 * style.size[1] * style.glyph_size[1] * (math.cos(turn) + math.sin(turn))
    box = 2 * math.ceil((widest + steepest * height) / 2)
    boxes = warp(inks, (height, box), scale, angle, slant, down=down)  # (M, H, box)

    left, right = _ink_extent(boxes)
    at = torch.zeros(written.shape, dtype=torch.long)  # (N, L) ink widths, then ink starts
    at[written] = right - left
    starts, widths = _space(at, written, chance, style)
    spans = torch.stack([starts, starts + at], -1) * written[..., None]  # (N, L, 2)

    offsets = torch.zeros(written.shape, dtype=torch.long)
    offsets[written] = starts[written] - left
    images = blend(boxes, offsets, written, int(widths.max()) if len(widths) else 0)
    # an edge too faint for ink may reach beyond the margin; padding is black all the same
    images *= (torch.arange(images.shape[-1]) < widths[:, None])[:, None, None]
    return images, widths, spans


def _space(
    ink_widths: Tensor, written: Tensor, chance: _Chance, style: LineStyle
) -> tuple[Tensor, Tensor]:
    """Where each ink starts: (N, L), and how wide each line is: (N,)."""
    tightest, loosest = style.spacing
    mean = (ink_widths.sum(1) / written.sum(1).clamp_min(1))[:, None]
    line_gap = chance.per_line(tightest, loosest)[:, None]
    jitter = torch.rand(written.shape, generator=chance.generator) * 2 - 1
    share = (line_gap + style.spacing_jitter * jitter).clamp_min(tightest)[:, 1:]
    before, here = ink_widths[:, :-1], ink_widths[:, 1:]
    gap = torch.where(share < 0, share * torch.minimum(before, here), share * mean)
    # ceil: an overlap of 0.3 hides at most 30 % of the narrower ink, never a pixel more
    pitch = torch.ceil(gap).long() + before  # from one ink's start to the next one's
    least = math.ceil(style.minimum_pitch * style.height) + torch.div(
        before - here, 2, rounding_mode="floor"
    )
    steps = torch.maximum(pitch, least).clamp_min(1)
    low, high = style.margin
    margins = torch.randint(low, high + 1, (chance.lines, 2), generator=chance.generator)
    starts = F.pad(steps, (1, 0)).cumsum(1) + margins[:, :1]
    ends = torch.where(written, starts + ink_widths, 0).amax(1)
    return starts, ends + margins[:, 1]


def _ink_extent(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """First column with ink, and the column after the last: (M, H, box) -> (M,), (M,)."""
    width = boxes.shape[-1]
    profile = boxes.amax(1) >= INK  # (M, box)
    profile[:, width // 2] |= ~profile.any(1)  # a glyph without ink still takes a place
    return profile.int().argmax(1), width - profile.flip(1).int().argmax(1)


def _in_cells(
    inks: Tensor, written: Tensor, style: LineStyle, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Put each glyph into a cell of its own; what leaves the cell is cut off."""
    chance = _Chance(written, generator)
    cell, height = style.cell, style.height
    angle = torch.deg2rad(chance.per_glyph(-style.rotation, style.rotation))
    right, down = (torch.round(chance.per_glyph(-s, s) * 28) for s in style.translation)
    scale = chance.per_line(*style.size)[chance.line] * chance.per_glyph(*style.glyph_size)
    slant = chance.both(style.slant, style.glyph_slant)
    inks = stroke_weight(inks, chance.both(style.stroke, style.glyph_stroke))
    cells = warp(
        inks, (height, cell), scale, angle, slant, right, down, mode=style.interpolation
    )  # (M, H, cell)

    lengths = written.sum(1)
    images = torch.zeros(*written.shape, height, cell)  # (N, L, H, cell)
    images[written] = cells
    images = images.permute(0, 2, 1, 3).flatten(2).unsqueeze(1)  # (N, 1, H, L * cell)

    spans = torch.zeros(*written.shape, 2, dtype=torch.long)
    spans[written] = torch.stack(_ink_extent(cells), 1)
    spans = (spans + cell * torch.arange(written.shape[1])[:, None]) * written[..., None]
    return images, lengths * cell, spans
