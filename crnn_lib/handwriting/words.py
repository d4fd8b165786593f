"""Words that a pen or a font has written, as lines: cut to their ink, all of one height."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from crnn_lib.alphabet import Alphabet, as_number, check_alphabet, is_whole
from crnn_lib.handwriting._precision import single_precision
from crnn_lib.handwriting._warping import INK
from crnn_lib.handwriting.lines import LineBatch, encode_texts, join_batches
from crnn_lib.handwriting.pen import WrittenWords

FILL = 0.8  # share of a line's height that the ink takes
LARGEST = 1.4  # x-heights as high as the ink may get: a dot does not fill a line
MARGIN = 4  # pixels beside the ink
CELL = 10  # pixels between two points of the unrest
CHUNK = 48  # words worked on at once: of like width, so that little is padding


@single_precision()
def lines_of_words(
    written: WrittenWords,
    alphabet: Alphabet,
    *,
    height: int = 40,
    variety: float = 0.0,
    generator: torch.Generator | None = None,
) -> LineBatch:
    """Lines of one height, from words as large as they were written.

    A word that somebody cuts out of a page ends where its ink ends: "nun" fills its image as
    "lily" does. So each word's ink takes the same share of the height, however high its letters
    are. A mark without letters, such as a dot, stays smaller.

    Parameters
    ----------
    written : WrittenWords
        N words of :func:`crnn_lib.handwriting.pen.draw_words` or
        :func:`crnn_lib.handwriting.fonts.draw_words`.
    alphabet : Alphabet
        The classes of the targets; the space among them, if a text has one.
    height : int
        Height of the lines in pixels.
    variety : float
        Makes other hands of these: the word grows wider or narrower, ascenders, bodies and
        descenders longer or shorter, each for itself; letters run wide here and narrow there, and
        all of it is a little uneven. 0 leaves the words as they are, 1 goes as far as a person
        reads easily.
    generator : torch.Generator, optional
        The source of all chance, for a variety above 0.

    Returns
    -------
    LineBatch

    Raises
    ------
    ValueError
        If a character is not in the alphabet.

    Examples
    --------
    >>> from crnn_lib.handwriting.pen import draw_words
    >>> written = draw_words(["nun", "lily"], torch.Generator().manual_seed(0))
    >>> lines = lines_of_words(written, Alphabet("ilnuy"))
    >>> lines.images.shape[2], lines.texts
    (40, ['nun', 'lily'])
    """
    if not isinstance(written, WrittenWords):
        raise TypeError(f"written is what draw_words returns; got {type(written).__name__}.")
    check_alphabet(alphabet)
    if not is_whole(height) or height < 8:
        raise ValueError(f"A line of words is at least 8 pixels high; got height={height!r:.80}.")
    if not 0 <= as_number(variety) < math.inf:
        raise ValueError(f"variety is a finite number, 0 or more; got {variety!r:.80}.")
    if variety and not isinstance(generator, torch.Generator):
        raise TypeError(
            "variety draws at random and needs a torch.Generator, for example "
            "generator=torch.Generator().manual_seed(0)."
        )
    count = len(written.texts)
    if not count:
        none, empty = torch.zeros(0, dtype=torch.long), torch.zeros(0, 0, dtype=torch.long)
        spans = torch.zeros(0, 0, 2, dtype=torch.long)
        return LineBatch(torch.zeros(0, 1, height, 1), none, empty, none, [], spans)
    by_width = torch.argsort(torch.tensor([image.shape[1] for image in written.images]))
    parts = [
        _lines_of_like_width(_chosen(written, chunk.tolist()), alphabet, height, variety, generator)
        for chunk in by_width.split(CHUNK)
    ]
    return join_batches(parts, alphabet.blank).select(torch.argsort(by_width))


def _chosen(written: WrittenWords, places: list[int]) -> WrittenWords:
    return WrittenWords(
        [written.images[n] for n in places],
        [written.spans[n] for n in places],
        written.baselines[places],
        [written.texts[n] for n in places],
    )


def _lines_of_like_width(
    written: WrittenWords,
    alphabet: Alphabet,
    height: int,
    variety: float,
    generator: torch.Generator | None,
) -> LineBatch:
    count = len(written.texts)
    targets, lengths = encode_texts(written.texts, alphabet)
    columns = [image.T for image in written.images]  # (W_i, H) each
    ink = pad_sequence(columns, batch_first=True).transpose(1, 2).float() / 255  # (N, H, W)
    top, bottom = _extents(ink.amax(2) >= INK)
    left, right = _extents(ink.amax(1) >= INK)

    def normal(spread: float) -> Tensor:
        """One number for each word, at most two deviations from 0: (N, 1)."""
        if not variety:
            return torch.zeros(count, 1)
        drawn = torch.randn(count, 1, generator=generator).clamp(-2, 2)
        return variety * spread * drawn

    # Rows. Three zones, cut at the baseline and half way up from it, grow by factors of their own.
    base = torch.minimum(torch.maximum(written.baselines, top + 0.5), bottom)
    marks = torch.stack([top, (top + base) / 2, base, bottom], 1)  # (N, 4)
    zones = (marks[:, 1:] - marks[:, :-1]) * torch.cat([normal(0.22) for _ in range(3)], 1).exp()
    grown = F.pad(zones.cumsum(1), (1, 0))  # (N, 4) the same marks, after
    body = grown[:, 2].clamp_min(1.0)
    x_height = torch.maximum(0.3 * ink.shape[1] / LARGEST * torch.ones(count), grown[:, 3])
    scale = FILL * height / torch.maximum(x_height, body)  # lines' pixels for one of the words'
    first = (height - grown[:, 3] * scale) / 2
    y = (torch.arange(height) + 0.5 - first[:, None]) / scale[:, None]  # (N, height)
    rows = _piecewise(y, grown, marks)

    # Columns. A slow wave makes letters wide here and narrow there.
    across = scale[:, None] * normal(0.15).exp()  # (N, 1)
    wide = (right - left)[:, None] * across + 2 * MARGIN  # (N, 1)
    widths = wide[:, 0].ceil().long()
    x = torch.arange(int(widths.max())) + 0.5 - MARGIN  # (W')
    wave = torch.zeros(count, 1)
    if variety:
        length = height * (1.5 + 3 * torch.rand(count, 1, generator=generator))
        phase = 2 * math.pi * torch.rand(count, 1, generator=generator)
        bend = normal(0.12) * length / (2 * math.pi)
        ends = wide - 2 * MARGIN
        turn = 2 * math.pi / length
        wave = bend * (torch.sin(phase + turn * x) - torch.sin(phase))
        last = bend * (torch.sin(phase + turn * ends) - torch.sin(phase))
        wave = wave - last * (x / ends)  # both ends stay where they are
    sources = (x + wave) / across + left[:, None]  # (N, W')

    grid = torch.stack(
        [
            (2 / ink.shape[2] * sources - 1)[:, None].expand(-1, height, -1),
            (2 / ink.shape[1] * rows - 1)[:, :, None].expand(-1, -1, len(x)),
        ],
        -1,
    )  # (N, height, W', 2)
    if variety:
        assert generator is not None
        coarse = (2, height // CELL + 2, len(x) // CELL + 2)
        unrest = (
            torch.randn(count, *coarse, generator=generator) * normal(1.0).abs()[..., None, None]
        )
        unrest = F.interpolate(unrest, (height, len(x)), mode="bilinear", align_corners=True)
        unrest = 0.012 * height / scale[:, None, None, None] * unrest  # pixels of the words'
        grid = grid + unrest.permute(0, 2, 3, 1) * torch.tensor(
            [2 / ink.shape[2], 2 / ink.shape[1]]
        )
    images = F.grid_sample(ink[:, None], grid, mode="bilinear", align_corners=False)
    inside = torch.arange(len(x)) < widths[:, None]
    images = images * inside[:, None, None]

    edges = pad_sequence([span.float() for span in written.spans], batch_first=True)  # (N, L, 2)
    found = torch.searchsorted(sources.contiguous(), edges.flatten(1).contiguous())
    spans = torch.minimum(found, widths[:, None]).view(edges.shape)
    spans = spans * (torch.arange(edges.shape[1]) < lengths[:, None])[..., None]
    return LineBatch(images, widths, targets, lengths, list(written.texts), spans)


def _extents(inked: Tensor) -> tuple[Tensor, Tensor]:
    """First place with ink and the place after the last: (N, P) -> (N,), (N,); all if none has."""
    inked = inked | ~inked.any(1, keepdim=True)
    first = inked.int().argmax(1).float()
    return first, inked.shape[1] - inked.flip(1).int().argmax(1).float()


def _piecewise(x: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """What a broken line through knots gives: (N, P), (N, K) twice -> (N, P).

    Beyond its ends it goes on with slope 1, so that no piece without length can repeat its edge.
    """
    far = torch.tensor([-1e4, 1e4])
    knots, values = (
        torch.cat([ends[:, :1] + far[:1], ends, ends[:, -1:] + far[1:]], 1)
        for ends in (knots, values)
    )
    piece = torch.searchsorted(knots[:, 1:-1].contiguous(), x.contiguous())  # (N, P)
    x0, x1 = knots.gather(1, piece), knots.gather(1, piece + 1)
    y0, y1 = values.gather(1, piece), values.gather(1, piece + 1)
    return y0 + (x - x0) * (y1 - y0) / (x1 - x0).clamp_min(1e-6)
