"""Lines of handwriting, composed from glyphs, with their ground truth.

A line is made as a hand makes it: one slant, one size and one stroke weight for the whole line,
small accidents for each glyph, and a spacing that goes from a clear gap to real overlap. The ink
decides what overlaps, not the 28-pixel cell a glyph comes in. Where inks meet, the brighter pixel
stays, so nothing wraps and nothing gets darker.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from crnn_lib.alphabet import (
    Alphabet,
    check_alphabet,
    check_generator,
    check_whole,
    is_whole,
    listed_texts,
)
from crnn_lib.ctc import length_mask
from crnn_lib.handwriting._choice import chosen_places
from crnn_lib.handwriting._placement import Chance, Script, write_by_hand
from crnn_lib.handwriting._precision import single_precision
from crnn_lib.handwriting._warping import INK, glyph_boxes, lay_boxes
from crnn_lib.handwriting.glyphs import Glyphs
from crnn_lib.handwriting.people import choose_glyphs
from crnn_lib.handwriting.styles import LineStyle


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
        chosen = chosen_places(indices, len(self), "line")
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


@single_precision()
def compose_lines(
    glyphs: Glyphs,
    count: int,
    style: LineStyle,
    generator: torch.Generator,
    *,
    texts: Sequence[str] | None = None,
    alphabet: Alphabet | None = None,
    silent: str = "",
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
        A space between words needs no glyph: it is a gap, and a label if the alphabet has it.
    alphabet : Alphabet, optional
        Sets the class indices of the targets. By default all characters of the glyphs that are
        not silent, with blank 0. A character of several code points takes as many glyphs.
    silent : str
        Characters that are drawn and are no part of the label: the dots, dashes and currency
        signs around an amount. A space, if silent, needs no glyph: it keeps its neighbours apart.
        Those that the ``alphabet`` has are labelled all the same; they still stand where marks do.

    Returns
    -------
    LineBatch
        With silent characters, its texts, targets and spans are those of the others:
        ``"150.000,-"`` is labelled ``"150000"``.
    """
    check_generator(generator, "compose_lines")
    if not is_whole(count) or count < 0:
        raise ValueError(f"count is a number of lines, 0 or more; got {count!r:.80}.")
    for name, value, kind, example in (
        ("glyphs", glyphs, Glyphs, "load_glyphs('pen')"),
        ("style", style, LineStyle, "LineStyle()"),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"{name} is a {kind.__name__}, such as {example}; got {value!r:.80}.")
    if alphabet is not None:
        check_alphabet(alphabet)
    if not isinstance(silent, str):
        raise TypeError(f"silent is a str of characters, such as '.,-'; got {silent!r:.80}.")
    if texts is not None:
        texts = listed_texts(texts, "with one text per line")
    known = "".join(c for c in glyphs.characters if c not in silent)
    if not known:
        raise ValueError(
            f"Some characters must be labelled; all of the glyphs' are silent: {silent!r}."
        )
    alphabet = alphabet or Alphabet(known)
    unlabelled = "".join(c for c in silent if c not in alphabet.characters)
    apart = None
    spaced = None  # the texts with the spaces that are labelled
    if texts is None:
        characters, lengths = _random_characters(count, len(known), style, generator)
        symbols = np.array(list(known))[characters.numpy()].tolist()
        texts = ["".join(s[:n]) for s, n in zip(symbols, lengths.tolist(), strict=True)]
        characters = torch.tensor([glyphs.characters.index(c) for c in known])[characters]
    else:
        gaps = " " not in glyphs.characters and any(" " in text for text in texts)
        if gaps and " " not in silent and " " in alphabet.characters:
            _check_gaps(texts)
            if style.cell is not None:
                raise ValueError(
                    "A style of fixed cells has no gaps to be read as spaces: leave out cell, or "
                    "write without spaces."
                )
            spaced = list(texts)
        characters, lengths, apart = _given_characters(
            texts, count, glyphs, silent, spaces=spaced is not None
        )
        texts = [text.replace(" ", "") for text in texts] if spaced else list(texts)
    written = length_mask(lengths, characters.shape[1])  # (N, L)

    is_silent = torch.tensor([c in silent for c in glyphs.characters])[characters] & written

    inks = choose_glyphs(glyphs, characters, written, is_silent, style.one_hand, generator)
    if style.cell is not None:
        images, widths, spans = _write_in_cells(inks, written, style, style.cell, generator)
    elif silent or style.strung or spaced:
        is_zero = torch.tensor([c == "0" for c in glyphs.characters])[characters]
        if apart is None:
            apart = torch.zeros_like(written)
        script = Script(written, is_silent, written & is_zero, apart)
        images, widths, spans = write_by_hand(inks, script, style, generator)
    else:
        images, widths, spans = _write_by_ink(inks, written, style, generator)

    if unlabelled:  # leave out what is not labelled
        left_out = torch.tensor([c in unlabelled for c in glyphs.characters])[characters]
        spoken = written & ~left_out
        lengths = spoken.sum(1)
        short = length_mask(lengths, int(lengths.max()) if count else 0)
        characters, spans = (_compact(x, spoken, short) for x in (characters, spans))
        written = short
        texts = [text.translate(dict.fromkeys(map(ord, unlabelled))) for text in texts]
    if isinstance(alphabet.characters, tuple):
        targets, lengths, spans = _label_pieces(texts, spans, alphabet)
    else:
        classes = torch.tensor(
            [-1 if c in unlabelled else alphabet.encode(c)[0] for c in glyphs.characters]
        )
        targets = torch.where(written, classes[characters], alphabet.blank)
    if spaced is not None:
        targets, lengths, spans = _label_spaces(spaced, targets, spans, alphabet)
        texts = spaced
    return LineBatch(images, widths, targets, lengths, texts, spans)


# ---------------------------------------------------------------------------- what is written


def _random_characters(
    count: int, num_characters: int, style: LineStyle, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    low, high = style.length
    lengths = torch.randint(low, high + 1, (count,), generator=generator)
    return torch.randint(num_characters, (count, high), generator=generator), lengths


def _check_gaps(texts: Sequence[str]) -> None:
    """A space that is labelled stands alone, between two inks."""
    bad = next((text for text in texts if text != " ".join(text.split())), None)
    if bad is not None:
        raise ValueError(
            f"A space that is labelled stands alone between two characters; got {bad!r}. "
            '" ".join(text.split()) mends a text.'
        )


def _given_characters(
    texts: Sequence[str], count: int, glyphs: Glyphs, silent: str, spaces: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Characters (N, L), lengths (N,), and before which a space was left (N, L)."""
    if len(texts) != count:
        raise ValueError(f"texts holds one text per line: {count} expected, got {len(texts)}.")
    if "" in texts:
        raise ValueError("A line has at least one character; one of the texts is empty.")
    if silent:
        unspoken = next((text for text in texts if not text.strip(silent)), None)
        if unspoken is not None:
            raise ValueError(
                f"A line has at least one character that is labelled; got {unspoken!r}."
            )
    known = Alphabet(glyphs.characters, blank=len(glyphs.characters))
    spaces = spaces or (" " in silent and " " not in glyphs.characters)
    labels = [known.encode(text.replace(" ", "") if spaces else text) for text in texts]
    lengths = torch.tensor([len(label) for label in labels], dtype=torch.long)
    most = max(map(len, labels), default=1)
    rows = [label + [0] * (most - len(label)) for label in labels]
    characters = torch.tensor(rows, dtype=torch.long).view(count, most)
    apart = torch.zeros(characters.shape, dtype=torch.bool)
    for n, text in enumerate(texts):
        if spaces and " " in text:
            apart[n, [len(part) for part in _heads(text.strip())]] = True
    return characters, lengths, apart


def _heads(text: str) -> list[str]:
    """What stands before each space of a text, without spaces.

    >>> _heads("$ 12 300")
    ['$', '$12']
    """
    return [text[:i].replace(" ", "") for i, character in enumerate(text) if character == " "]


def _label_pieces(
    texts: list[str], spans: Tensor, alphabet: Alphabet
) -> tuple[Tensor, Tensor, Tensor]:
    """Targets, lengths and spans where a character of the alphabet takes several glyphs.

    Spans of glyphs (N, L, 2) become those of characters (N, L', 2), from first to last ink.
    """
    pieces = [alphabet.split(text) for text in texts]
    targets, lengths = encode_texts(texts, alphabet)
    joined = spans.new_zeros(*targets.shape, 2)
    for n, line in enumerate(pieces):
        glyphs = spans[n, : len(texts[n])].split([len(piece) for piece in line])
        joined[n, : len(line), 0] = torch.stack([part[:, 0].min() for part in glyphs])
        joined[n, : len(line), 1] = torch.stack([part[:, 1].max() for part in glyphs])
    return targets, lengths, joined


def _label_spaces(
    texts: list[str], targets: Tensor, spans: Tensor, alphabet: Alphabet
) -> tuple[Tensor, Tensor, Tensor]:
    """Targets, lengths and spans with the spaces in: a space has the columns between two inks."""
    (space,) = alphabet.encode(" ")
    pieces = [alphabet.split(text) for text in texts]
    lengths = torch.tensor([len(line) for line in pieces], dtype=torch.long)
    longest = max(map(len, pieces), default=0)
    labelled = torch.full((len(texts), longest), alphabet.blank)
    columns = spans.new_zeros(len(texts), longest, 2)
    for n, line in enumerate(pieces):
        gap = torch.tensor([piece == " " for piece in line])
        inked = int((~gap).sum())
        labelled[n, : len(line)][gap] = space
        labelled[n, : len(line)][~gap] = targets[n, :inked]
        columns[n, : len(line)][~gap] = spans[n, :inked]
        for place in gap.nonzero()[:, 0].tolist():
            start, end = int(columns[n, place - 1, 1]), int(columns[n, place + 1, 0])
            columns[n, place] = torch.tensor([start, max(start, end)])
    return labelled, lengths, columns


def _compact(values: Tensor, kept: Tensor, place: Tensor) -> Tensor:
    """Move the kept values of each line to its beginning: (N, L, ...) -> (N, L', ...)."""
    moved = values.new_zeros(*place.shape, *values.shape[2:])
    moved[place] = values[kept]
    return moved


# ---------------------------------------------------------------------------- how it is written


def _write_by_ink(
    inks: Tensor, written: Tensor, style: LineStyle, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Write glyphs side by side, their ink deciding the distance."""
    chance = Chance(written, generator)
    height = style.height
    weight = chance.per_line_and_glyph(style.stroke, style.glyph_stroke)
    scale = chance.per_line(*style.size)[chance.line] * chance.per_glyph(*style.glyph_size)
    slant = chance.per_line_and_glyph(style.slant, style.glyph_slant)
    angle = torch.deg2rad(chance.per_glyph(-style.rotation, style.rotation))
    column = torch.nonzero(written)[:, 1]  # (M,) place of each glyph in its line
    phase, pace = chance.per_line(0, 2 * math.pi), chance.per_line(0.3, 1.2)
    wave = torch.sin(phase[chance.line] + pace[chance.line] * column)
    down = style.wander / 2 * (wave + chance.per_glyph(-1, 1))

    steepest = max(abs(s) for s in style.slant) + style.glyph_slant
    turn = math.radians(min(style.rotation, 45))
    widest = 28 * style.size[1] * style.glyph_size[1] * (math.cos(turn) + math.sin(turn))
    box = 2 * math.ceil((widest + steepest * height) / 2)
    boxes = glyph_boxes(inks, weight, (height, box), scale, angle, slant, down=down, ink=INK)

    at = torch.zeros(written.shape, dtype=torch.long)  # (N, L) ink widths, then ink starts
    at[written] = boxes.right - boxes.left
    starts, widths = _space(at, written, chance, style)
    spans = torch.stack([starts, starts + at], -1) * written[..., None]  # (N, L, 2)

    offsets = torch.zeros(written.shape, dtype=torch.long)
    offsets[written] = starts[written] - boxes.left
    # an edge too faint for ink may reach beyond the margin: lay_boxes cuts it off
    return lay_boxes(boxes, offsets, written, widths), widths, spans


def _space(
    ink_widths: Tensor, written: Tensor, chance: Chance, style: LineStyle
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


def _write_in_cells(
    inks: Tensor, written: Tensor, style: LineStyle, cell: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Put each glyph into a cell of its own; what leaves the cell is cut off."""
    chance = Chance(written, generator)
    angle = torch.deg2rad(chance.per_glyph(-style.rotation, style.rotation))
    right, down = (torch.round(chance.per_glyph(-s, s) * 28) for s in style.translation)
    scale = chance.per_line(*style.size)[chance.line] * chance.per_glyph(*style.glyph_size)
    slant = chance.per_line_and_glyph(style.slant, style.glyph_slant)
    weight = chance.per_line_and_glyph(style.stroke, style.glyph_stroke)
    shape, mode = (style.height, cell), style.interpolation
    boxes = glyph_boxes(inks, weight, shape, scale, angle, slant, right, down, mode, ink=INK)

    offsets = (cell * torch.arange(written.shape[1])).expand(written.shape)  # (N, L)
    widths = cell * written.sum(1)
    spans = torch.zeros(*written.shape, 2, dtype=torch.long)
    spans[written] = torch.stack([boxes.left, boxes.right], 1)
    spans = (spans + offsets[..., None]) * written[..., None]
    return lay_boxes(boxes, offsets, written, widths), widths, spans


def encode_texts(texts: Sequence[str], alphabet: Alphabet) -> tuple[Tensor, Tensor]:
    """The labels of texts, as a :class:`LineBatch` holds them.

    Parameters
    ----------
    texts : sequence of str, N of them
    alphabet : Alphabet

    Returns
    -------
    targets : Tensor, (N, S), int64
        Class indices, and the blank beyond the end of the shorter ones.
    lengths : Tensor, (N,), int64

    Raises
    ------
    TypeError
        If the texts are no list of them, or the alphabet is its characters alone.
    ValueError
        If a text has a character that the alphabet lacks.

    Examples
    --------
    >>> encode_texts(["552", "7"], Alphabet())
    (tensor([[6, 6, 3],
            [8, 0, 0]]), tensor([3, 1]))
    """
    check_alphabet(alphabet)
    encoded = [alphabet.encode(text) for text in listed_texts(texts)]
    labels = [torch.tensor(label, dtype=torch.long) for label in encoded]
    lengths = torch.tensor([len(label) for label in labels], dtype=torch.long)
    if not labels:
        return torch.empty(0, 0, dtype=torch.long), lengths
    return pad_sequence(labels, batch_first=True, padding_value=alphabet.blank), lengths


def join_batches(parts: list[LineBatch], blank: int = 0) -> LineBatch:
    """Several batches as one; all images get the width of the widest, black on the right.

    Raises
    ------
    TypeError, ValueError
        If a part is no batch, none has a line, or their lines are not all of one height.
    """
    check_whole(0, blank=blank)
    given = list(parts) if isinstance(parts, Iterable) else [None]
    if not all(isinstance(part, LineBatch) for part in given):
        raise TypeError(f"parts is a list of LineBatch; got {parts!r:.80}.")
    parts = [part for part in given if len(part)]
    heights = sorted({part.images.shape[2] for part in parts})
    if len(heights) != 1:
        raise ValueError(f"parts have lines, all of one height; got the heights {heights}.")
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
