"""What can be written or printed on a page: a store of inks, each with the band of its bodies.

Drawing a number with the pen takes a millisecond, taking one from the store and bending it to its
place a tenth of that. A store is made once per process, from a seed of its own.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from crnn_lib.handwriting import fonts, pen
from crnn_lib.handwriting.amounts import SILENT, AmountStyle, random_amounts
from crnn_lib.handwriting.glyphs import Glyphs
from crnn_lib.handwriting.lines import compose_lines
from crnn_lib.handwriting.pen import WrittenWords
from crnn_lib.handwriting.people import pen_people
from crnn_lib.handwriting.styles import LineStyle
from crnn_lib.handwriting.texts import TextStyle, random_texts

PEOPLE, NUMBERS, WORDS, PRINTS, PASSAGES = 120, 1000, 700, 800, 160  # in a store
HANDS, MARKED = 24, 12  # who write a whole page alone; numbers of each with marks, and without:
PLAIN = {1: 24, 2: 14, 3: 10, 4: 8, 5: 4, 6: 4, 7: 3, 8: 3, 10: 2}  # by their length
FIGURES = 30, 30  # sets of printed numbers, and how many are in each
SCALE = 1.6  # of the glyphs in it: larger ones are drawn out of these
CAPITALS = 12  # of each letter
NUMERIC = frozenset("0123456789/.,-")  # what numbers, amounts and dates are written with
INK = 90  # of 255: from here on a pixel counts as ink
WORD_ROWS = 64  # pixels: height of a written word's picture
PRINT_SIZE = 36  # pixels, of printed sprites
LEANING = 0.3  # share of print that leans
LABELS = (
    "Name|Name:|Date|Date:|Amount|Total|Sum|No.|ID|Address|City|Street|Phone|Tel.|Zip|E-mail|"
    "Student|Class|Grade|Section|Page|Signature|Account|Pay to the order of|Dollars|Bank|Memo|"
    "Item|Price|Quantity|Invoice|Receipt|Code|Birth|Day|Month|Year|Question|Answer|Points|Score|"
    "TOTAL|CASH|FORM 12-B|Please print|Office use only|Time|From|To|kg|cm|Room|Weight|Height|"
    "Patient|Doctor|Meter|Reading|kWh|Monday|Tuesday|Friday|Remarks|Checked by|Part 1|a)|b)|c)|"
    "1.|2.|3.|4.|10.|I|II|III|IV|O|l|B|S|Z|x|y|%|$|EUR|+|=|Yes|No|Nr.|Datum|Betrag|Unterschrift"
).split("|")


@dataclass(frozen=True, eq=False)
class Sprite:
    """Ink that can be put on a page.

    Attributes
    ----------
    ink : Image
        Bright on black.
    band : array, (4, 2)
        Corners of the band in which the bodies stand, in pixels of the ink: x and y of the upper
        left, upper right, lower right and lower left one.
    text : str
    """

    ink: Image.Image
    band: np.ndarray
    text: str

    @property
    def aspect(self) -> float:
        """Width of the band for a height of 1."""
        along, down = self.band[1] - self.band[0], self.band[3] - self.band[0]
        return float(np.hypot(*along) / max(np.hypot(*down), 1e-6))


@dataclass(frozen=True, eq=False)
class Piece:
    """A word or a number of a passage.

    Attributes
    ----------
    kind : {"number", "word"}
    sprite : Sprite
    x, y : float
        Where the upper left corner of its band stands: from the passage's left end, and from the
        baseline downwards, in pixels of the sprite.
    height, slope : float
        Of its band.
    """

    kind: str
    sprite: Sprite
    x: float
    y: float
    height: float
    slope: float


@dataclass(frozen=True, eq=False)
class Store:
    """Sprites of all kinds. ``numbers`` are sorted by how many characters they have.

    ``figures`` are printed numbers in sets, each set in one face. A passage is a line of words with
    numbers among them, by one hand. ``hands`` are numbers and amounts by one hand each.
    """

    numbers: dict[int, list[Sprite]]
    amounts: list[Sprite]
    hands: list[tuple[dict[int, list[Sprite]], list[Sprite]]]
    words: list[Sprite]
    prints: list[Sprite]
    labels: list[Sprite]
    figures: list[list[Sprite]]
    passages: list[list[Piece]]

    def number(self, r: np.random.Generator, digits: int) -> Sprite:
        """A number of so many digits, without marks."""
        known = self.numbers[min(self.numbers, key=lambda n: abs(n - digits))]
        return known[r.integers(len(known))]

    def by_one_hand(self, r: np.random.Generator) -> Store:
        """The same, but that all numbers are by one hand."""
        numbers, amounts = self.hands[r.integers(len(self.hands))]
        return replace(self, numbers=numbers, amounts=amounts)


def store(split: str = "train", seed: int = 0, glyphs: Glyphs | None = None) -> Store:
    """The store of a split and a seed; the last few are kept."""
    return _store(split, seed, glyphs)


@functools.lru_cache(maxsize=3)
def _store(split: str, seed: int, glyphs: Glyphs | None) -> Store:
    generator = torch.Generator().manual_seed(40_000 + 2 * seed + (split == "test"))
    books = "hurried", "careless"
    people = Glyphs.concat(
        [pen_people(PEOPLE // 2, generator, split=split, book=book) for book in books]
    )
    if glyphs is not None:  # scanned digits as often as the pen's
        count = len(people.only(glyphs.characters))
        chosen = glyphs.subset(torch.randint(len(glyphs), (count,), generator=generator))
        people = Glyphs.concat([people, chosen])
    numbers = _by_length(_numbers(people, generator, split))
    faces = fonts.printed_faces(split)
    return Store(
        numbers=numbers,
        amounts=_amounts(people, generator, split),
        hands=_hands(generator, split),
        words=_words(generator, split),
        prints=_prints(generator, faces),
        labels=[_print(label, faces[n % len(faces)]) for n, label in enumerate(LABELS * 4)],
        figures=_figures(generator, faces),
        passages=_passages(generator, split),
    )


# ---------------------------------------------------------------------------- by hand


def _line_style(style: LineStyle, **more) -> LineStyle:
    """A style whose glyphs are drawn larger, on lines that are as much higher."""
    low, high = style.size
    return LineStyle(
        **{
            **vars(style),
            "height": 64,
            "size": (SCALE * low, SCALE * high),
            "wander": SCALE * style.wander,
            "climb": (SCALE * style.climb[0], SCALE * style.climb[1]),
            **more,
        }
    )


def _numbers(glyphs: Glyphs, generator: torch.Generator, split: str) -> list[Sprite]:
    """Digits only, in hands from neat to strung together."""
    sprites = []
    digits = glyphs.only("0123456789")
    for base in (LineStyle.amounts(), LineStyle().varied()):
        for length in (1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 10):
            style = _line_style(base, length=(length, length), one_hand=1.0)
            lines = compose_lines(digits, NUMBERS // 40, style, generator)
            sprites += _sprites(lines)
    texts = ["".join(map(str, n)) for n in _random_digits(NUMBERS // 3, generator)]
    return sprites + _of_texts(texts, generator, split)


def _by_length(numbers: list[Sprite]) -> dict[int, list[Sprite]]:
    by_length: dict[int, list[Sprite]] = {}
    for sprite in numbers:
        by_length.setdefault(len(sprite.text), []).append(sprite)
    return by_length


def _hands(
    generator: torch.Generator, split: str
) -> list[tuple[dict[int, list[Sprite]], list[Sprite]]]:
    """Numbers by one hand each, as a page has them: they are alike, and are no print for that.

    Half of them are in fonts, if there are any on this disk: the neatest.
    """
    known = fonts.load_fonts(split) if fonts.count_fonts()[split] else []
    known = [font for font in known if font.characters >= NUMERIC]  # one's own may lack a mark
    lengths = np.repeat(list(PLAIN), list(PLAIN.values()))
    r, hands = _chance(generator), []
    style = _line_style(LineStyle.amounts())
    for hand in range(HANDS):
        texts = ["".join(map(str, r.integers(0, 10, length))) for length in lengths]
        texts += [_date(r) if n % 2 else _decimal(r) for n in range(MARKED)]
        if hand % 2 and known:
            font = known[r.integers(len(known))]
            written = fonts.draw_words(texts, generator, fonts=[font], height=WORD_ROWS)
            sprites = _of_written(written)
        elif hand % 4:
            person = 2 * int(r.integers(2**40)) + (split == "test")
            writers = [person] * len(texts)
            written = pen.draw_words(texts, generator, writers=writers, height=WORD_ROWS)
            sprites = _of_written(written)
        else:
            book = "hurried", "careless", "school"
            glyphs = pen_people(1, generator, each=6, split=split, book=book[hand % 3])
            lines = compose_lines(glyphs, len(texts), style, generator, texts=texts, silent=SILENT)
            sprites = _sprites(lines, texts)
        both: tuple[list[Sprite], list[Sprite]] = [], []
        for sprite in sprites:
            both[not sprite.text.isdecimal()].append(sprite)
        hands.append((_by_length(both[0]), both[1] or both[0]))
    return hands


def _of_texts(texts: list[str], generator: torch.Generator, split: str) -> list[Sprite]:
    """Numbers written whole, each by another hand."""
    return [sprite for part in _written(texts, generator, split) for sprite in _of_written(part)]


def _of_written(written: WrittenWords) -> list[Sprite]:
    """Sprites of numbers; the band is that of their digits."""
    sprites = []
    for text, ink, spans, _ in _each(written):
        digits = [span for span, c in zip(spans.numpy(), text, strict=True) if c.isdigit()]
        band = band_of_digits(ink, np.array(digits))
        if band is not None:
            sprites.append(_cropped(ink, band, text))
    return sprites


def _written(texts: list[str], generator: torch.Generator, split: str) -> Iterator[WrittenWords]:
    """Texts by the pen, and in fonts that are on this disk."""
    cut = len(texts) // 2 if fonts.count_fonts()[split] else len(texts)
    yield pen.draw_words(texts[:cut], generator, height=WORD_ROWS)
    if cut < len(texts):
        yield fonts.draw_words(texts[cut:], generator, split=split, height=WORD_ROWS)


def _each(written: WrittenWords) -> Iterator[tuple]:
    """Text, ink, spans and baseline of each."""
    images = (image.numpy() for image in written.images)
    return zip(written.texts, images, written.spans, written.baselines.tolist(), strict=True)


def _random_digits(count: int, generator: torch.Generator) -> list[list[int]]:
    """Digits of numbers, most of them short."""
    lengths = 1 + torch.randint(1, 9, (count, 2), generator=generator).amin(1)
    digits = torch.randint(10, (count, 10), generator=generator).tolist()
    return [row[:n] for row, n in zip(digits, (lengths - 1).tolist(), strict=True)]


def _amounts(glyphs: Glyphs, generator: torch.Generator, split: str) -> list[Sprite]:
    """Amounts, dates and decimal numbers, with their marks."""
    count = NUMBERS // 4
    texts = random_amounts(count, generator, AmountStyle(digits_only=0.0))
    chance = _chance(generator)
    for n in range(0, count, 3):
        texts[n] = _date(chance) if n % 2 else _decimal(chance)
    style = _line_style(LineStyle.amounts())
    lines = compose_lines(glyphs, count, style, generator, texts=texts, silent=SILENT)
    more = [_date(chance) if n % 2 else _decimal(chance) for n in range(count // 3)]
    return _sprites(lines, texts) + _of_texts(more, generator, split)


def _chance(generator: torch.Generator) -> np.random.Generator:
    return np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))


def _date(r: np.random.Generator) -> str:
    separator = "/.-"[r.integers(3)]
    year = str(r.integers(1950, 2040))
    parts = [str(r.integers(1, 13)), str(r.integers(1, 32)), year if r.random() < 0.6 else year[2:]]
    return separator.join(p.zfill(2) if r.random() < 0.5 else p for p in parts)


def _decimal(r: np.random.Generator) -> str:
    places = int(r.integers(1, 3))
    return f"{r.integers(0, 10 ** int(r.integers(1, 4)))}{'.,'[r.integers(2)]}" + "".join(
        str(d) for d in r.integers(0, 10, places)
    )


def _sprites(lines, texts: list[str] | None = None) -> list[Sprite]:
    """Sprites of composed lines; those whose digits cannot be told from their marks are left."""
    images = (255 * lines.images[:, 0]).round().byte().numpy()
    sprites = []
    for n, text in enumerate(texts or lines.texts):
        ink = images[n, :, : int(lines.widths[n])]
        spans = lines.spans[n, : int(lines.target_lengths[n])].numpy()
        band = band_of_digits(ink, spans)
        if band is not None:
            sprites.append(_cropped(ink, band, text))
    return sprites


def band_of_digits(ink: np.ndarray, spans: np.ndarray) -> np.ndarray | None:
    """Corners (4, 2) of the band in which digits stand, from the columns (L, 2) of each."""
    tops, feet, middles = [], [], []
    for start, end in spans:
        rows = np.flatnonzero((ink[:, start:end] > INK).any(1))
        if len(rows):
            tops.append(rows[0])
            feet.append(rows[-1] + 1)
            middles.append((start + end) / 2)
    if not tops:
        return None
    x, y = np.array(middles), (np.array(tops) + np.array(feet)) / 2
    height = float(np.median(np.array(feet) - np.array(tops)))
    slope, at = np.polyfit(x, y, 1) if len(x) > 2 else (0.0, float(y.mean()))
    left, right = float(spans[0, 0]), float(spans[-1, 1])
    if height < 6 or right - left < 2:
        return None
    return _corners(left, right, slope, at, height)


def _corners(left: float, right: float, slope: float, at: float, height: float) -> np.ndarray:
    """Corners of a band about the line ``y = at + slope * x``."""
    half = height / 2
    return np.array(
        [
            (left, at + slope * left - half),
            (right, at + slope * right - half),
            (right, at + slope * right + half),
            (left, at + slope * left + half),
        ]
    )


def _words(generator: torch.Generator, split: str) -> list[Sprite]:
    """Words, names and single letters."""
    style = TextStyle(words=0.5, names=0.25, numbers=0, letters=0.1, phrases=0.15)
    known = "".join(c for c in pen.TEXT_CHARACTERS if not c.isdigit()) + " "
    texts = random_texts(WORDS, generator, style, characters=known)
    texts = [text for text in texts if any(c.isalpha() for c in text)]
    sprites = [
        _cropped(ink, band_of_word(ink, base), text)
        for part in _written(texts, generator, split)
        for text, ink, _, base in _each(part)
    ]
    return sprites + _capitals(generator)


def _capitals(generator: torch.Generator) -> list[Sprite]:
    """Single capitals and words of them, drawn and set as the digits are.

    A capital O or S is as good as a 0 or 5. What tells them from digits must be their company, and
    not how soft their edges are.
    """
    letters = "".join(c for c in pen.TEXT_CHARACTERS if c.isupper())
    places = torch.arange(len(letters)).repeat_interleave(CAPITALS)
    images = pen.draw_letters([letters[n] for n in places.tolist()], generator)
    glyphs = Glyphs(images, places, "pen", "train", letters)
    texts = random_texts(WORDS // 4, generator, TextStyle(numbers=0, marks=0, phrases=0, longest=9))
    texts = ["".join(c for c in text.upper() if c in letters) or "OK" for text in texts]
    style = _line_style(LineStyle().varied())
    return _sprites(compose_lines(glyphs, len(texts), style, generator, texts=texts))


def _passages(generator: torch.Generator, split: str) -> list[list[Piece]]:
    """Words with numbers among them, never two numbers side by side."""
    style = TextStyle(numbers=0, marks=0.1, letters=0.1, phrases=0)
    known = "".join(c for c in pen.TEXT_CHARACTERS if not c.isdigit())
    words = iter(random_texts(8 * PASSAGES, generator, style, characters=known))
    numbers = iter(_random_digits(8 * PASSAGES, generator))
    r, texts = _chance(generator), []
    for count in torch.randint(2, 9, (PASSAGES,), generator=generator).tolist():
        chance = torch.rand(count, generator=generator).tolist()
        tokens: list[str] = []
        for drawn in chance:
            after_number = bool(tokens) and _is_number(tokens[-1])
            if drawn < 0.1 and not after_number:
                tokens.append(_date(r) if drawn < 0.07 else _decimal(r))
            elif drawn < 0.4 and not after_number:
                tokens.append("".join(map(str, next(numbers))))
            else:
                tokens.append(next(words))
        texts.append(" ".join(tokens))
    return [
        _pieces_of(text, ink, spans.numpy(), base)
        for part in _written(texts, generator, split)
        for text, ink, spans, base in _each(part)
    ]


def _is_number(token: str) -> bool:
    return any(c.isdigit() for c in token)  # no word has one


def _pieces_of(text: str, ink: np.ndarray, spans: np.ndarray, baseline: float) -> list[Piece]:
    """The words and numbers of a written line, cut apart in the middle of its spaces."""
    gaps = [n for n, c in enumerate(text) if c == " "]
    cuts = [0, *(int(spans[n - 1, 1] + spans[n + 1, 0]) // 2 for n in gaps), ink.shape[1]]
    pieces = []
    for first, end, left, right in zip(
        [0, *(n + 1 for n in gaps)], [*gaps, len(text)], cuts, cuts[1:], strict=False
    ):
        token, part = text[first:end], ink[:, left:right]
        if not (part > INK).any():
            continue
        digits = [s - left for s, c in zip(spans[first:end], token, strict=True) if c.isdigit()]
        of_digits = band_of_digits(part, np.array(digits)) if digits else None
        band = band_of_word(part, baseline) if of_digits is None else of_digits
        along, down = band[1] - band[0], band[3] - band[0]
        pieces.append(
            Piece(
                "word" if of_digits is None else "number",
                _cropped(part, band, token),
                float(left + band[0, 0]),
                float(band[0, 1] - baseline),
                float(np.hypot(*down)),
                -float(np.arctan2(along[1], along[0])),
            )
        )
    return pieces


def band_of_word(ink: np.ndarray, baseline: float) -> np.ndarray:
    """Corners (4, 2) of the band of a word's small letters, or of its capitals if it has no others.

    Ascenders are few: from the baseline upwards the band ends where much less ink is in a row.
    """
    inked = ink > INK
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    base = int(np.clip(round(baseline), rows[0] + 4, rows[-1] + 1))
    profile = inked[rows[0] : base].sum(1)
    low = profile[-max(len(profile) // 3, 3) :]
    thin = np.flatnonzero(profile < 0.55 * np.median(low))
    thin = thin[thin < len(profile) - max(len(profile) // 4, 3)]
    top = rows[0] + (thin[-1] + 1 if len(thin) else 0)
    top = min(top, base - round(0.35 * (base - rows[0])))  # on a slope no row is full
    left, right = float(columns[0]), float(columns[-1] + 1)
    return _corners(left, right, 0.0, (top + base) / 2, float(max(base - top, 3)))


def _cropped(ink: np.ndarray, band: np.ndarray, text: str) -> Sprite:
    """A sprite cut to its ink, with a pixel around it."""
    rows, columns = np.flatnonzero((ink > 8).any(1)), np.flatnonzero((ink > 8).any(0))
    top, left = max(rows[0] - 1, 0), max(columns[0] - 1, 0)
    part = np.ascontiguousarray(ink[top : rows[-1] + 2, left : columns[-1] + 2])
    return Sprite(Image.fromarray(part), band - (left, top), text)


# ---------------------------------------------------------------------------- printed


def _prints(generator: torch.Generator, faces: list[Path]) -> list[Sprite]:
    """Words, lines and numbers in faces of print."""
    r = _chance(generator)
    style = TextStyle(words=0.25, names=0.1, numbers=0.3, letters=0.05, phrases=0.3)
    texts = random_texts(PRINTS, generator, style)
    for n in range(0, len(texts), 4):  # longer lines
        texts[n] = " ".join(texts[n : n + 3])
    return [_print(text, faces[r.integers(len(faces))], _lean(r)) for text in texts]


def _figures(generator: torch.Generator, faces: list[Path]) -> list[list[Sprite]]:
    """Printed numbers, as in calendars, tables and typed forms, and exercises such as "12 + 7 =".

    What tells them from numbers by hand is how even they are: no two digits of a hand are alike.
    Some sets lean, as in italics.
    """
    r, sets = _chance(generator), []
    for _ in range(FIGURES[0]):
        days = [str(r.integers(1, 32)) for _ in range(8)]
        marked = [_date(r), _decimal(r)]
        exercise = f"{r.integers(1, 100)} {'+-x:'[r.integers(4)]} {r.integers(1, 100)} ="
        # exercises come twice as often as a number
        known = [*"0123456789", *days, *marked, exercise, exercise]
        digits = _random_digits(FIGURES[1] - len(known), generator)
        face, lean = faces[r.integers(len(faces))], _lean(r)
        texts = known + ["".join(map(str, number)) for number in digits]
        sets.append([_print(text, face, lean) for text in texts])
    return sets


def _lean(r: np.random.Generator) -> float:
    """How far print leans to the right, as a share of its height: mostly not at all."""
    return r.uniform(0.1, 0.3) if r.random() < LEANING else 0.0


@functools.cache
def _font(path: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), PRINT_SIZE)


def _print(text: str, face: Path, lean: float = 0.0) -> Sprite:
    font = _font(face)
    small = any(c.islower() for c in text)
    top = -font.getbbox("x" if small else "H", anchor="ls")[1]
    left, above, right, below = font.getbbox(text, anchor="ls")
    image = Image.new("L", (int(right - left) + 4, int(below - above) + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - above), text, fill=255, font=font, anchor="ls")
    middle, start = 2 - above - top / 2, 2.0  # of the band
    if lean:
        shift = lean * image.height  # of the highest row; the lowest stays
        size = image.width + math.ceil(shift), image.height
        back = (1, lean, -shift, 0, 1, 0)
        image = image.transform(size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
        start += shift - lean * middle
    band = _corners(start, start + right - left, 0.0, middle, top)
    return Sprite(image, band, text)
