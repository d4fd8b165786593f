"""What the networks that ship learn from: mixtures of glyphs, of lines, and of paper."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.handwriting import (
    SILENT,
    AmountStyle,
    Glyphs,
    LineBatch,
    LineStyle,
    compose_lines,
    pen_people,
    random_amounts,
)
from crnn_lib.handwriting.paper import PaperStyle, photograph
from crnn_lib.photos import ink_of
from crnn_lib.training.streams import Alternating, LineStream, PaperStream, seeded_generator

POOL = 4  # batches a stream composes at once: there are ten streams


@dataclass(frozen=True)
class PhotoMixture:
    """How often each kind of line comes up while a network learns to read photos.

    Parameters
    ----------
    writers : int
        Writers of the pen. Each writes every digit four times.
    clean : float
        Share of the lines on paper that stay as they were written.
    ones : float
        Share of the amounts that are short and mostly ones. With too few of them a network
        learns from the borders that an upright stroke is never a digit.
    """

    writers: int = 4000
    clean: float = 0.15
    ones: float = 0.08


def photo_lines(
    scanned: Glyphs, batch_size: int, seed: int, mixture: PhotoMixture | None = None
) -> Alternating:
    """Lines from which a network learns to read photos of amounts.

    Of ten batches five hold amounts on paper, one holds digits written freely on paper, and four
    the article's strips without paper, so that clean lines stay as easy as they were: two of them
    with the article's habits and digits of several sizes, two varied in all. On paper half of the
    digits are scanned ones, half the pen's; on the strips all are scanned.

    Parameters
    ----------
    scanned : Glyphs
        Digits from a data set, such as MNIST's.
    batch_size : int
    seed : int
    mixture : PhotoMixture, optional
    """
    mixture = mixture or PhotoMixture()
    pen = pen_people(mixture.writers, seeded_generator(seed, 3))
    drawn = pen.only(scanned.characters)
    repeated = scanned.subset(torch.arange(len(drawn)) % len(scanned))
    digits, all_signs = Glyphs.concat([repeated, drawn]), Glyphs.concat([repeated, pen])
    alphabet, paper = Alphabet(scanned.characters), PaperStyle.cheque()

    def stream(glyphs: Glyphs, style: LineStyle, number: int, **more) -> LineStream:
        return LineStream(glyphs, style, batch_size, seed + number, POOL, alphabet, **more)

    def on_paper(lines: LineStream) -> PaperStream:
        return PaperStream(lines, paper, mixture.clean, lines.seed)

    written = AmountStyle(ones=mixture.ones)
    amounts = [
        on_paper(stream(all_signs, LineStyle.amounts(), k, amounts=written)) for k in range(5)
    ]
    freely = on_paper(stream(digits, LineStyle().varied(), 5))
    varied = LineStyle.article().varied()
    sized = replace(LineStyle.article(), size=varied.size)
    strips = [stream(scanned, (sized, varied)[k % 2], 6 + k) for k in range(4)]
    others: list[LineStream | PaperStream] = [*strips, freely]
    turns = zip(amounts, others, strict=True)
    return Alternating(tuple(lines for turn in turns for lines in turn))


def photo_sample(scanned: Glyphs, count: int, seed: int) -> LineBatch:
    """Photographed amounts, a fixed set: half of the digits are scanned ones, half the pen's.

    Parameters
    ----------
    scanned : Glyphs
        Digits from a data set. Their split also says which of the pen's writers write: those of
        ``"test"`` write no line of training.
    count : int
        Number of lines.
    seed : int

    Returns
    -------
    LineBatch
        Ink bright on black, as :func:`crnn_lib.photos.ink_of` leaves it.
    """
    generator = seeded_generator(seed, 2)
    writers = max(len(scanned) // 40, 20)  # as many digits as there are scanned ones
    pen = pen_people(writers, generator, split=scanned.split)
    glyphs = Glyphs.concat([scanned, pen])
    lines = compose_lines(
        glyphs,
        count,
        LineStyle.amounts(),
        generator,
        texts=random_amounts(count, generator),
        alphabet=Alphabet(scanned.characters),
        silent=SILENT,
    )
    photos = photograph(lines, PaperStyle.cheque(), generator)
    return replace(photos, images=ink_of(photos.images, photos.widths))
