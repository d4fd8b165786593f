"""Amounts as people write them on forms and cheques: ``150.000,-``, ``2.500=``, ``#1.200#``.

Of all that is written only the digits are read. Dots, commas, dashes and currency signs are
*silent*: drawn, and no part of the label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from crnn_lib.handwriting._precision import single_precision

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
        if not self.lengths or min(self.lengths) < 0 or sum(self.lengths) <= 0:
            raise ValueError(
                f"AmountStyle.lengths are weights, not all of them 0; got {self.lengths}."
            )
        for name, value in vars(self).items():
            if name != "lengths" and not 0 <= value <= 1:
                raise ValueError(f"AmountStyle.{name} is a share from 0 to 1; got {value}.")


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
    style = style or AmountStyle()
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
