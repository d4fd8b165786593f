"""What people write: words, names, numbers, single letters, and a few of them in a row."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from crnn_lib.alphabet import (
    as_number,
    check_generator,
    check_whole,
    distinct_characters,
    is_whole,
)
from crnn_lib.handwriting._shares import check_shares, check_weights
from crnn_lib.language import word_counts

KINDS = ("words", "names", "numbers", "letters", "phrases")
ENDINGS = ",,,,....;:?!"  # a comma and a full stop are the commonest
AROUND = ('""', '""', "()", "''")
PATTERNS = (  # of numbers: 9 is any digit, 1 any but 0
    *("9", "9", "19", "19", "199", "199", "1999", "1999", "19999", "199999"),
    *("19.99", "1.9", "0.9", "199.99", "1,999", "1,999.99", "19:99", "9:99"),
    *("19/9/99", "9/19", "19.1.2019", "2019-09-19", "1999-9", "#19", "$19", "$1.99", "No. 9"),
    *("(199) 999-9999", "199-9999", "19 999", "199 999"),
)


@dataclass(frozen=True)
class TextStyle:
    """What is written. Weights are relative to each other; shares are from 0 to 1.

    Parameters
    ----------
    words, names, numbers, letters, phrases : float
        Weights of the kinds: a word of the lexicon; a name that no lexicon holds, made of parts
        of words; a number, date, time or price; one to three letters or marks; two or three
        words with spaces between them.
    temper : float
        A word is drawn with its count to this power: 1 as often as people write it, so that one
        word of ten is "the" or "a"; 0 all words alike.
    capitals : float
        Share of the words that are written in capitals. Names are so three times as often.
    initial : float
        Share of the other words that begin with a capital.
    marks : float
        Share of the words with a mark behind them or marks around them.
    longest : int
        Characters of a text at most.
    """

    words: float = 0.58
    names: float = 0.14
    numbers: float = 0.12
    letters: float = 0.06
    phrases: float = 0.1
    temper: float = 0.7
    capitals: float = 0.14
    initial: float = 0.14
    marks: float = 0.16
    longest: int = 20

    def __post_init__(self) -> None:
        check_weights(f"TextStyle's {', '.join(KINDS)}", [getattr(self, kind) for kind in KINDS])
        check_shares(self, ("capitals", "initial", "marks"))
        if not 0 <= as_number(self.temper) <= 1:
            raise ValueError(f"TextStyle.temper is from 0 to 1; got {self.temper!r:.80}.")
        if not is_whole(self.longest) or self.longest < 1:
            raise ValueError(
                "A text has a whole number of characters, at least one; got "
                f"longest={self.longest!r:.80}."
            )


def random_texts(
    count: int,
    generator: torch.Generator,
    style: TextStyle | None = None,
    *,
    characters: str | Sequence[str] | None = None,
    lexicon: str | Mapping[str, int] = "english",
) -> list[str]:
    """Texts as people write them.

    Parameters
    ----------
    count : int
        How many.
    generator : torch.Generator
        Source of all chance.
    style : TextStyle, optional
    characters : str or sequence of str, optional
        Texts that these cannot spell are drawn again. By default all that the lexicon and the
        style bring.
    lexicon : str or mapping of str to int
        Words with their counts, or what :func:`crnn_lib.language.word_counts` takes.

    Returns
    -------
    list of str
        No text is empty, begins or ends with a space.

    Raises
    ------
    ValueError
        If hardly any text can be spelled with ``characters``.

    Examples
    --------
    >>> random_texts(4, torch.Generator().manual_seed(1), TextStyle(marks=0), characters="aeinst")
    ['in', 'aan', 'is', 'state']
    """
    check_whole(0, count=count)
    check_generator(generator, "random_texts")
    style = TextStyle() if style is None else style
    if not isinstance(style, TextStyle):
        raise TypeError(f"style is a TextStyle; got {style!r:.80}.")
    if characters is not None:
        distinct_characters(characters, "random_texts")
    if not isinstance(lexicon, (str, Mapping)):
        raise TypeError(
            f"lexicon is a mapping of words to counts, or 'english'; got {lexicon!r:.80}."
        )
    known = None if characters is None else frozenset(characters)
    frozen = lexicon if isinstance(lexicon, str) else tuple(lexicon.items())
    words: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    if style.words or style.names or style.phrases:  # numbers alone need no word
        words, weights = _word_weights(frozen, style.temper, known)
    chance = random.Random(int(torch.randint(2**62, (1,), generator=generator)))
    kinds = chance.choices(KINDS, [getattr(style, kind) for kind in KINDS], k=count)
    signs = "".join(sorted(known or _SIGNS))
    texts = []
    for kind in kinds:
        for _ in range(1000):
            text = _draw(kind, words, weights, signs, style, chance)
            if len(text) <= style.longest and (known is None or known.issuperset(text)):
                break
            kind = chance.choices(KINDS, [getattr(style, kind) for kind in KINDS])[0]
        else:
            raise ValueError(
                f"1000 texts were drawn, and none has at most {style.longest} characters that are "
                f"all among {signs!r}. Choose another TextStyle or lexicon."
            )
        texts.append(text)
    return texts


_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz&?!$#"


@lru_cache(maxsize=8)
def _word_weights(
    lexicon: str | tuple[tuple[str, int], ...], temper: float, known: frozenset[str] | None
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The words that can be spelled, and their cumulative weights."""
    counts = word_counts(lexicon) if isinstance(lexicon, str) else dict(lexicon)
    if known is not None:
        counts = {word: n for word, n in counts.items() if known.issuperset(word)}
    if not counts:
        raise ValueError(
            f"The lexicon has no word of the characters {''.join(sorted(known or ()))!r}."
        )
    return tuple(counts), tuple(itertools.accumulate(n**temper for n in counts.values()))


def _draw(
    kind: str,
    words: tuple[str, ...],
    weights: tuple[float, ...],
    signs: str,
    style: TextStyle,
    chance: random.Random,
) -> str:
    if kind == "numbers":
        return _number(chance)
    if kind == "letters":
        return "".join(chance.choices(signs, k=chance.choice((1, 1, 1, 2, 3)))).strip() or "A"
    if kind == "names":
        first, last = chance.choices(words, cum_weights=weights, k=2)
        cut, rest = (len(part) * chance.uniform(0.3, 0.8) for part in (first, last))
        name = (first[: round(cut) + 1] + last[round(rest) :]).lower()
        capitals = chance.random() < min(3 * style.capitals, 1)
        return name.upper() if capitals else name[:1].upper() + name[1:]
    length = 1 if kind == "words" else chance.choice((2, 2, 3))
    drawn = chance.choices(words, cum_weights=weights, k=length)
    capitals = chance.random() < style.capitals
    drawn = [_dressed(word, capitals, style, chance) for word in drawn]
    return " ".join(drawn)


def _dressed(word: str, capitals: bool, style: TextStyle, chance: random.Random) -> str:
    """A word with its case and its marks."""
    if capitals:
        word = word.upper()
    elif chance.random() < style.initial:
        word = word[:1].upper() + word[1:]
    if chance.random() >= style.marks:
        return word
    way = chance.random()
    if way < 0.6:
        return word + chance.choice(ENDINGS)
    if way < 0.8:
        return word + ("'S" if capitals else "'s")
    around = chance.choice(AROUND)
    return around[0] + word + around[1]


def _number(chance: random.Random) -> str:
    """A pattern with its digits filled in."""
    least = {"9": 0, "1": 1}
    return "".join(
        str(chance.randint(least[sign], 9)) if sign in least else sign
        for sign in chance.choice(PATTERNS)
    )
