"""Amounts as people write them on forms and cheques: ``150.000,-``, ``2.500=``, ``#1.200#``; and
other numbers with something between their digits: ``3/12/2026``, ``40.5``, ``555-0142``.

Dots, commas, dashes and currency signs are *silent*: drawn, and no part of the label, unless the
alphabet has them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from crnn_lib.alphabet import check_generator, check_whole
from crnn_lib.handwriting._precision import single_precision
from crnn_lib.handwriting._shares import check_shares, check_weights

SILENT = ".,-=/#$'*~ "  #: all that can stand in an amount and is no digit

_ENDINGS = {
    "-": 3, "--": 0.7, ",-": 3, ".-": 3, "=": 3, "//": 0.3, ".=": 1.5, ",=": 0.7,
    " -": 1, " =": 0.7, "~": 0.7, "---": 0.4, "-=": 0.3, ".": 0.7, "*": 0.3,
}  # fmt: skip
_BEGINNINGS = {"$": 4, "$ ": 3, "$.": 0.7, "#": 1, "=": 1, "-": 1, "*": 0.3}
_AROUND = {"#": 3, "##": 0.4, "*": 0.5, "**": 0.3, "=": 1, "-": 0.7, "//": 0.3}
_SEPARATORS = {".": 6, ",": 2, "'": 1, " ": 2}


@dataclass(frozen=True)
class AmountStyle:
    """How amounts are written. Shares are probabilities from 0 to 1.

    Parameters
    ----------
    lengths : tuple of float
        Weights of 1, 2, 3, ... digits.
    digits_only : float
        Share for which marks do not come into question. Others may have none by chance.
    uniform : float
        Share of the amounts whose digits are all drawn uniformly, the first one too: numbers.
    round : float
        Share of the others that end in noughts: 500, 35000, 1200.
    grouped : float
        Of those with marks and four digits or more, the share with a separator of thousands.
    cents : float
        Of those with marks, the share that ends in a comma or dot and two digits. They are
        written as digits, so they are part of the label: ``"500,00"`` reads 50000.
    ending, beginning, around : float
        Of those with marks, the shares with a stroke at the end, with a sign before the first
        digit, and with the same sign at both ends.
    ones : float
        Share of the amounts that are cut to one, two or three digits, most of them 1. Amounts
        like 1 and 11 are rare, and their strokes look like the sides of a box.
    """

    lengths: tuple[float, ...] = (0.4, 1.0, 2.2, 2.6, 2.6, 2.4, 2.0, 0.8)
    digits_only: float = 0.5
    uniform: float = 0.3
    round: float = 0.6
    grouped: float = 0.75
    cents: float = 0.12
    ending: float = 0.6
    beginning: float = 0.25
    around: float = 0.12
    ones: float = 0.0

    def __post_init__(self) -> None:
        check_weights("AmountStyle.lengths", self.lengths)
        check_shares(self, [name for name in vars(self) if name != "lengths"])


@dataclass(frozen=True)
class NumberStyle:
    """Which numbers are written, as weights relative to each other.

    Parameters
    ----------
    dates : float
        Three groups, or a month and a year, between slashes, dashes, points or spaces.
    decimals : float
        A point or a comma before one to three digits.
    phones : float
        Long numbers in groups of two to four digits, or in two with a slash between them.
    fractions : float
        Two small numbers with a slash or a dash between them: a fraction, a range, a score.
    thousands : float
        Groups of three, as in 1.250.000,50.
    ones : float
        One to four digits, most of them 1, with nothing between them.
    """

    dates: float = 0.5
    decimals: float = 0.25
    phones: float = 0.12
    fractions: float = 0.04
    thousands: float = 0.08
    ones: float = 0.05

    def __post_init__(self) -> None:
        check_weights(f"NumberStyle's {', '.join(vars(self))}", list(vars(self).values()))


def random_numbers(
    count: int, generator: torch.Generator, style: NumberStyle | None = None
) -> list[str]:
    """Numbers with what stands between their digits: dates, decimals, telephone numbers.

    Parameters
    ----------
    count : int
        How many.
    generator : torch.Generator
        Source of all chance.
    style : NumberStyle, optional

    Returns
    -------
    list of str
        Digits and characters of ``SILENT``. They begin and end with a digit.

    Examples
    --------
    >>> dates = NumberStyle(1, 0, 0, 0, 0, 0)
    >>> random_numbers(3, torch.Generator().manual_seed(1), dates)
    ['07/07/35', '11.10', '25.12']
    """
    check_whole(0, count=count)
    check_generator(generator, "random_numbers")
    style = NumberStyle() if style is None else style
    if not isinstance(style, NumberStyle):
        raise TypeError(f"style is a NumberStyle; got {style!r:.80}.")
    chance = random.Random(int(torch.randint(2**62, (1,), generator=generator)))
    kinds = chance.choices(list(vars(style)), list(vars(style).values()), k=count)
    return [_WRITERS[kind](chance) for kind in kinds]


def _date(r: random.Random) -> str:
    separator = r.choices("/-. ", (6, 2, 2.5, 0.5))[0]
    day, month = r.randrange(1, 32), r.randrange(1, 13)
    year = r.choice([r.randrange(1900, 2100), r.randrange(2000, 2040)])
    padded = r.random() < 0.5
    two = [f"{n:02d}" if padded else str(n) for n in (day, month)]
    short = f"{year % 100:02d}" if r.random() < 0.4 else str(year)
    kind = r.random()
    if kind < 0.1:
        return separator.join([str(year), f"{month:02d}", f"{day:02d}"])
    if kind < 0.2:
        return separator.join([two[1], short])
    if kind < 0.3:
        return separator.join(two)
    return separator.join([*(two if r.random() < 0.6 else two[::-1]), short])


def _digits(r: random.Random, count: int, first: str = "123456789") -> str:
    return r.choice(first) + "".join(r.choices("0123456789", k=count - 1))


def _decimal(r: random.Random) -> str:
    whole = "0" if r.random() < 0.2 else _digits(r, r.choice([1, 1, 2, 2, 3, 4]))
    return whole + r.choices(".,", (3, 2))[0] + _digits(r, r.choice([1, 1, 2, 2, 3]), "0123456789")


def _phone(r: random.Random) -> str:
    separator = r.choices("-/ .", (4, 4, 3, 1))[0]
    lengths = [r.choice([2, 3, 3, 4]) for _ in range(r.choice([2, 2, 3]))]
    if separator == "/":
        lengths = [r.randrange(2, 6), r.randrange(3, 8)]
    return separator.join(_digits(r, length, "0123456789") for length in lengths)


def _fraction(r: random.Random) -> str:
    first, second = (_digits(r, r.choice([1, 1, 2, 2, 3])) for _ in range(2))
    return first + r.choices("/-", (3, 1))[0] + second


def _thousands(r: random.Random) -> str:
    dot, comma = r.choice([(".", ","), (",", "."), (" ", ","), ("'", ".")])
    groups = [_digits(r, r.choice([1, 2, 3])), *(f"{r.randrange(1000):03d}" for _ in range(2))]
    text = dot.join(groups[: r.choice([2, 2, 3])])
    return text + (comma + f"{r.randrange(100):02d}" if r.random() < 0.4 else "")


def _ones(r: random.Random) -> str:
    return "".join(r.choices("1" * 40 + "0234567891", k=r.choice([1, 2, 2, 3, 3, 4])))


_WRITERS = {
    "dates": _date,
    "decimals": _decimal,
    "phones": _phone,
    "fractions": _fraction,
    "thousands": _thousands,
    "ones": _ones,
}


@single_precision()
def random_amounts(
    count: int, generator: torch.Generator, style: AmountStyle | None = None
) -> list[str]:
    """Amounts with their marks.

    Parameters
    ----------
    count : int
        How many.
    generator : torch.Generator
        Source of all chance.
    style : AmountStyle, optional

    Returns
    -------
    list of str
        Digits and characters of ``SILENT``, and at least one digit each.

    Examples
    --------
    >>> only_digits = AmountStyle(lengths=(0, 0, 1), digits_only=1.0, uniform=1.0)
    >>> [len(text) for text in random_amounts(3, torch.Generator().manual_seed(0), only_digits)]
    [3, 3, 3]
    """
    check_whole(0, count=count)
    check_generator(generator, "random_amounts")
    style = AmountStyle() if style is None else style
    if not isinstance(style, AmountStyle):
        raise TypeError(f"style is an AmountStyle; got {style!r:.80}.")
    weights = torch.tensor(style.lengths, dtype=torch.float64)
    if not count:
        return []
    lengths = torch.multinomial(weights, count, replacement=True, generator=generator) + 1
    most = len(style.lengths)
    digits = torch.randint(10, (count, most), generator=generator)
    if style.ones:
        few = torch.rand(count, generator=generator) < style.ones
        lengths[few] = torch.randint(1, min(3, most) + 1, (int(few.sum()),), generator=generator)
        upright = few[:, None] & (torch.rand(digits.shape, generator=generator) < 0.6)
        digits[upright] = 1
    chances = torch.rand((count, 11), generator=generator, dtype=torch.float64)
    rows = zip(lengths.tolist(), digits.tolist(), chances.tolist(), strict=True)
    return [_amount(drawn[:length], chance, style) for length, drawn, chance in rows]


def _amount(drawn: list[int], chance: list[float], style: AmountStyle) -> str:
    """One amount from uniform digits and eleven uniform numbers."""
    uniform, rounding, noughts, marked, around, ending, beginning, cents, grouped, a, b = chance
    length = len(drawn)
    if uniform >= style.uniform:
        drawn[0] = drawn[0] or 1 + int(9 * noughts)
        if rounding < style.round:
            # at least one digit stays, and often two: 15000, 200; a 5 before the noughts now and
            # then: 3500
            kept = 1 + int(min(3, length) * noughts)
            drawn[kept:] = [0] * (length - kept)
            if kept < length - 1 and rounding < 0.2 * style.round:
                drawn[kept] = 5
    text = "".join(map(str, drawn))
    if marked < style.digits_only:
        return text

    tail = ""
    if cents < style.cents and length > 2:
        text, tail = text[:-2], ("," if a < 0.7 else ".") + ("00" if b < 0.6 else text[-2:])
    if len(text) > 3 and grouped < style.grouped:
        separator = _pick_by_weight(_SEPARATORS, grouped / style.grouped)
        groups = [text[max(0, end - 3) : end] for end in range(len(text), 0, -3)]
        text = separator.join(reversed(groups))
    text += tail
    if around < style.around:
        sign = _pick_by_weight(_AROUND, a)
        return sign + text + sign
    if ending < style.ending:
        text += _pick_by_weight(_ENDINGS, a)
    if beginning < style.beginning:
        text = _pick_by_weight(_BEGINNINGS, b) + text
    return text


def _pick_by_weight(weights: Mapping[str, float], chance: float) -> str:
    """The key on which a uniform number falls."""
    left = chance * sum(weights.values())
    for key, weight in weights.items():
        left -= weight
        if left < 0:
            return key
    return key
