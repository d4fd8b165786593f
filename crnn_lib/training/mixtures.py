"""What the networks that ship learn from: mixtures of glyphs, of lines, and of paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from crnn_lib.alphabet import Alphabet, check_whole
from crnn_lib.handwriting import (
    SILENT,
    AmountStyle,
    Glyphs,
    LineBatch,
    LineStyle,
    LineVariation,
    NumberStyle,
    TextStyle,
    compose_lines,
    fonts,
    pen,
    pen_people,
    random_amounts,
)
from crnn_lib.handwriting.paper import Effect, PaperStyle, photograph
from crnn_lib.models import MARKS, load_detector
from crnn_lib.photos import ink_of
from crnn_lib.training.page_lines import PageLineStream
from crnn_lib.training.streams import (
    Alternating,
    LineStream,
    Mixed,
    PaperStream,
    Stream,
    TextlessStream,
    WordStream,
    seeded_generator,
)

POOL = 4  # batches a stream composes at once: there are ten streams
# What hands of the pen and of data sets leave out: whole lines that lean, stretch, thicken.
VARIED_NUMBERS = LineVariation(
    slant=(-0.3, 0.5),
    size=(0.85, 1.0),
    width=(0.7, 1.35),
    climb=(-0.06, 0.06),
    down=(-0.05, 0.05),
    stroke=(-0.4, 0.6),
    plain=0.6,
)
# Written in one go, as words are: numbers, dates, and prices with the marks between their digits.
WRITTEN_NUMBERS = TextStyle(words=0, names=0, numbers=1, letters=0, phrases=0, longest=14)
TEXT = pen.TEXT_CHARACTERS + " "  #: what ``crnn-words`` reads
HANDS = {"pen": 0.4, "fonts": 0.42, "stroke-fonts": 0.18}  #: that wrote what it learned from
ONES = NumberStyle(dates=0, decimals=0, phones=0, fractions=0, thousands=0, ones=1)


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
    marks : str
        The marks that are labelled; all others are drawn and not labelled.
    textless : int
        Of the ten streams that are mixed on paper, how many hold no number.
    pages : int
        Streams beside these ten whose lines the detector that ships finds on composed pages.
    size : (float, float)
        Least and largest size of the glyphs on strips, as for :meth:`LineStyle.varied`.
    """

    writers: int = 4000
    clean: float = 0.15
    ones: float = 0.08
    marks: str = MARKS
    textless: int = 1
    pages: int = 4
    size: tuple[float, float] = (0.95, 1.2)

    def __post_init__(self) -> None:
        if not 0 <= self.textless <= 4:
            raise ValueError(f"textless is 0 to 4 of ten streams; got {self.textless}.")
        check_whole(0, pages=self.pages)


def photo_lines(
    scanned: Glyphs, batch_size: int, seed: int, mixture: PhotoMixture | None = None
) -> Alternating:
    """Lines from which a network learns to read photos of numbers.

    Of ten batches four hold the article's strips without paper, so that clean lines stay as easy as
    they were: two of them with the article's habits and digits of several sizes, two varied in all.
    The other six are mixed on paper: amounts, dates and other numbers with marks between their
    digits, digits written freely, and ones written close, these without paper; lines on which no
    number stands; and lines that the detector found on composed pages. On paper half of the digits
    are scanned ones, half the pen's, careless forms among them; on the strips all are scanned.

    Parameters
    ----------
    scanned : Glyphs
        Digits from a data set, such as MNIST's.
    batch_size : int
    seed : int
    mixture : PhotoMixture, optional

    Returns
    -------
    Alternating
        Its lines are labelled with the digits and the mixture's marks, in this order.
    """
    mixture = mixture or PhotoMixture()
    people = pen_people(mixture.writers, seeded_generator(seed, 3), book="careless")
    drawn = people.only(scanned.characters)
    repeated = scanned.subset(torch.arange(len(drawn)) % len(scanned))
    digits, all_signs = Glyphs.concat([repeated, drawn]), Glyphs.concat([repeated, people])
    alphabet, paper = Alphabet(scanned.characters + mixture.marks), PaperStyle.photo()
    still = replace(paper, size=Effect(), shift=Effect(), crop=Effect())  # borders stay borders

    def stream(glyphs: Glyphs, style: LineStyle, number: int, pool: int = 2, **more) -> LineStream:
        return LineStream(glyphs, style, batch_size, seed + number, pool, alphabet, **more)

    def strung(number: int, amounts: AmountStyle | NumberStyle) -> LineStream:
        varied = VARIED_NUMBERS
        return stream(all_signs, written, number, amounts=amounts, variation=varied)

    def on_paper(lines: LineStream | TextlessStream, style: PaperStyle = paper) -> PaperStream:
        return PaperStream(lines, style, mixture.clean, lines.seed)

    amounts, written = AmountStyle(ones=mixture.ones), LineStyle.amounts()
    close = replace(LineStyle().varied(), spacing=(-0.3, 0.15))
    freely = LineStyle().varied()
    in_words = _in_haste(
        alphabet,
        texts=WRITTEN_NUMBERS,
        height=written.height,
        batch_size=batch_size,
        variation=VARIED_NUMBERS,
        paper=paper,
        clean=mixture.clean,
        pool=2,
    )
    numbers: list[Stream] = [
        *(on_paper(strung(k, amounts)) for k in range(3)),
        on_paper(strung(10, NumberStyle())),
        stream(digits, freely, 13),
        stream(all_signs, close, 12, amounts=ONES),
        on_paper(stream(digits, freely, 5)),
        *(replace(in_words, seed=seed + 30 + k) for k in range(2)),
        on_paper(stream(digits, freely, 11)),
    ]
    others = [
        on_paper(TextlessStream(written.height, batch_size, seed + 20 + k, 2, alphabet), still)
        for k in range(mixture.textless)
    ]
    found: list[Stream] = []
    if mixture.pages:
        found = [PageLineStream(load_detector(), scanned, batch_size, seed + 40, 2, alphabet)]
    found *= mixture.pages  # one that stands several times gives as many batches
    mixed = Mixed((*numbers[: 10 - mixture.textless], *others, *found), seed)
    varied = LineStyle.article().varied(mixture.size)
    sized = replace(LineStyle.article(), size=varied.size)
    strips = [stream(scanned, (sized, varied)[k % 2], 6 + k, POOL) for k in range(4)]
    turns = (0, None, 1, None, 2, None, 3, None, None, None)
    return Alternating(tuple(mixed if turn is None else strips[turn] for turn in turns))


def _in_haste(alphabet: Alphabet, hands: Mapping[str, float] | None = None, **more) -> WordStream:
    """Words of hands in haste, by default of all that are on this disk, or of the pen alone."""
    if hands is None:
        hands = HANDS if fonts.count_fonts()["train"] else {"pen": 1.0}
    return WordStream(alphabet, hands=tuple(hands.items()), haste=1.0, **more)


def photo_sample(
    scanned: Glyphs, count: int, seed: int, *, book: str = "hurried", marks: str = ""
) -> LineBatch:
    """Photographed amounts, a fixed set: half of the digits are scanned ones, half the pen's.

    Parameters
    ----------
    scanned : Glyphs
        Digits from a data set. Their split also says which of the pen's writers write: those of
        ``"test"`` write no line of training.
    count : int
        Number of lines.
    seed : int
    book : {"hurried", "careless", "school"}
        The forms of the pen's writers.
    marks : str
        The marks that are labelled.

    Returns
    -------
    LineBatch
        Ink bright on black, as :func:`crnn_lib.photos.ink_of` leaves it.
    """
    generator = seeded_generator(seed, 2)
    writers = max(len(scanned) // 40, 20)  # as many digits as there are scanned ones
    people = pen_people(writers, generator, split=scanned.split, book=book)
    glyphs = Glyphs.concat([scanned, people])
    lines = compose_lines(
        glyphs,
        count,
        LineStyle.amounts(),
        generator,
        texts=random_amounts(count, generator),
        alphabet=Alphabet(scanned.characters + marks),
        silent=SILENT,
    )
    photos = photograph(lines, PaperStyle.cheque(), generator)
    return replace(photos, images=ink_of(photos.images, photos.widths))


# Hands lean further, and write wider, closer, thinner and thicker, than those of fonts and pen.
VARIED_WORDS = LineVariation(
    slant=(-0.35, 0.65),
    size=(0.8, 1.0),
    width=(0.65, 1.4),
    climb=(-0.06, 0.06),
    down=(-0.05, 0.05),
    stroke=(-0.5, 0.7),
    plain=0.5,
)


def word_lines(
    alphabet: Alphabet | None = None,
    batch_size: int = 32,
    seed: int = 0,
    *,
    height: int = 40,
    scanned: Glyphs | None = None,
    written: Mapping[str, float] | None = None,
) -> Alternating:
    """Words from which a network learns to read what people write.

    Of eight batches seven hold words, names and numbers, by the pen, in fonts, and by the pen with
    letters of single-stroke fonts. Some of the pen's hands are in haste, and half of these lines
    are varied. The eighth batch holds numbers of scanned digits, which real people wrote.

    Parameters
    ----------
    alphabet : Alphabet, optional
        By default all that the pen can write, and the space.
    batch_size : int
    seed : int
    height : int
        Of a line, in pixels.
    scanned : Glyphs, optional
        Digits from a data set, such as EMNIST's; without them all batches hold words.
    written : mapping of str to float, optional
        The shares of the hands, as :class:`WordStream` has them. By default those of ``HANDS``,
        or the pen alone where no font is on this disk.
    """
    alphabet = alphabet or Alphabet(TEXT)
    words = _in_haste(
        alphabet, written, variation=VARIED_WORDS, height=height, batch_size=batch_size
    )
    if scanned is None:
        return Alternating((replace(words, seed=seed),))
    style = replace(LineStyle(height=height).varied(), length=(1, 6))
    digits = LineStream(scanned, style, batch_size, seed + 7, POOL, alphabet)
    streams = [replace(words, seed=seed + number) for number in range(7)]
    return Alternating((*streams, PaperStream(digits, PaperStyle.page(), 0.1, seed)))


def word_sample(
    count: int,
    seed: int,
    *,
    alphabet: Alphabet | None = None,
    height: int = 40,
    hands: str = "pen",
    split: str = "test",
) -> LineBatch:
    """Photographed words, a fixed set, in hands that write no line of training.

    Parameters
    ----------
    count : int
    seed : int
        Another one than that of training: the pen's people are other people then.
    alphabet : Alphabet, optional
    height : int
    hands : {"pen", "fonts", "stroke-fonts"}
    split : str
        Of the fonts.

    Returns
    -------
    LineBatch
        Ink bright on black, as :func:`crnn_lib.photos.ink_of` leaves it.
    """
    stream = WordStream(
        alphabet or Alphabet(TEXT),
        hands=((hands, 1.0),),
        split=split,
        height=height,
        variety=0.0,
        batch_size=count,
        seed=seed,
        pool=1,
    )
    return stream.batch(0)
