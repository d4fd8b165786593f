"""Characters, class indices, and the blank between them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import Any

BLANK_SYMBOL = "-"


@dataclass(frozen=True)
class Alphabet:
    """The characters a network can read, and the class index of each.

    CTC adds one class that means "no character here": the blank. It takes the index ``blank``;
    the characters keep their order around it.

    A character is what one class stands for. It may take several code points: a Tamil letter with
    its vowel sign, or a piece of a word. Characters may contain each other, as "t" and "th"; then
    several labels spell one text, and :meth:`encode` gives one of them.

    Parameters
    ----------
    characters : str or tuple of str
        The characters, each once, in the order of their class indices. If each is one code point,
        the field holds them as a str, else as a tuple.
    blank : int
        Class index of the blank, from 0 (the default, as in torch) to ``len(characters)``.

    Examples
    --------
    >>> Alphabet().encode("55207")
    [6, 6, 3, 1, 8]
    >>> Alphabet(blank=10).encode("55207")
    [5, 5, 2, 0, 7]
    >>> Alphabet().decode([6, 6, 3, 1, 8])
    '55207'
    >>> Alphabet().num_classes
    11
    >>> Alphabet(("th", "e", "cat")).encode("thecat")
    [1, 2, 3]
    """

    characters: str | tuple[str, ...] = "0123456789"
    blank: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "characters", distinct_characters(self.characters, "an Alphabet"))
        if not self.characters:
            raise ValueError("Alphabet needs at least one character; got none.")
        if not is_whole(self.blank):
            raise TypeError(f"blank is a class index, a whole number; got {self.blank!r}.")
        object.__setattr__(self, "blank", index(self.blank))
        if not 0 <= self.blank <= len(self.characters):
            raise ValueError(
                f"blank is a class index from 0 to {len(self.characters)} for "
                f"{len(self.characters)} characters; got {self.blank}."
            )

    @property
    def num_classes(self) -> int:
        """Number of classes C, the blank included."""
        return len(self.characters) + 1

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """One printable symbol per class; the blank is drawn as ``-``."""
        before, after = self.characters[: self.blank], self.characters[self.blank :]
        return (*before, BLANK_SYMBOL, *after)

    @cached_property
    def _class_of(self) -> dict[str, int]:
        return {c: i + (i >= self.blank) for i, c in enumerate(self.characters)}

    @cached_property
    def _sizes(self) -> list[int]:
        """How long characters are, the longest first."""
        return sorted({len(c) for c in self.characters}, reverse=True)

    def split(self, text: str, *, strict: bool = True) -> list[str]:
        """Cut a text into the characters that spell it.

        If there are several ways, the one with the fewest characters is taken, and of those the
        one whose first character is the longest, then the second, and so on.

        Parameters
        ----------
        text : str
        strict : bool
            False: a code point that cannot be spelled stands for itself. As few do as possible.

        Raises
        ------
        ValueError
            If the text cannot be spelled.

        Examples
        --------
        To take the longest character each time would lead into a dead end here:

        >>> Alphabet(("th", "the", "em")).split("them")
        ['th', 'em']
        """
        if not isinstance(text, str):
            raise TypeError(f"A text is a str, such as '55207'; got {text!r:.80}.")
        end = len(text)
        unknown = end + 1  # costs more than any number of characters
        # What the rest of the text costs from each place on, and the size of its first character.
        cost, first = [0] * (end + 1), [1] * end
        for i in reversed(range(end)):
            cost[i] = cost[i + 1] + unknown
            for size in self._sizes:
                if i + size <= end and text[i : i + size] in self._class_of:
                    if cost[i + size] + 1 < cost[i]:  # of equals the longest, which comes first
                        cost[i], first[i] = cost[i + size] + 1, size
        pieces, i = [], 0
        while i < end:
            pieces.append(text[i : i + first[i]])
            i += first[i]
        if strict and cost[0] >= unknown:
            raise self._lacks(text, next(piece for piece in pieces if piece not in self._class_of))
        return pieces

    def encode(self, text: str | Sequence[str]) -> list[int]:
        """Turn a text into its label: one class index per character; see :meth:`split`.

        A list or tuple of characters is cut already.
        """
        if not isinstance(text, (str, list, tuple)):
            raise TypeError(f"A text is a str, such as '55207'; got {text!r:.80}.")
        pieces: Sequence[str] = text
        if isinstance(text, str) and not isinstance(self.characters, str):
            pieces = self.split(text)
        try:
            return [self._class_of[c] for c in pieces]
        except KeyError as error:
            raise self._lacks(text, error.args[0]) from None
        except TypeError:  # a list of lists
            raise TypeError(
                f"A text is a str, or a list of characters; got {text!r:.80}."
            ) from None

    def _lacks(self, text: str | Sequence[str], piece: str) -> ValueError:
        return ValueError(
            f"{text!r} has the character {piece!r}, which this alphabet ({self.characters!r}) does "
            "not have. Give one that has it, by alphabet=; load_model(..., alphabet=) gives it to "
            "a network that is there."
        )

    def decode(self, label: Iterable[int]) -> str:
        """Turn a label into its text.

        A label holds no blanks. To read an alignment, collapse it first
        (:func:`crnn_lib.ctc.collapse`).
        """
        if isinstance(label, str) or not isinstance(label, Iterable):
            raise TypeError(f"A label is a list of class indices; got {label!r:.80}.")
        given = label.tolist() if hasattr(label, "tolist") else list(label)
        if not isinstance(given, list):  # of one number
            raise TypeError(f"A label is a list of class indices; got {label!r:.80}.")
        for c in given if {*map(type, given)} - {int} else ():
            if not math.isfinite(as_number(c)) or c != int(c):
                raise ValueError(f"A label is of class indices, whole numbers; got {c!r:.80}.")
        label = [int(c) for c in given]
        for c in label:
            if c == self.blank:
                raise ValueError(
                    f"{label} contains the blank (class {self.blank}), so it is an alignment, "
                    "not a label. Collapse it first: crnn_lib.ctc.collapse(alignment, blank=...)."
                )
            if not 0 <= c < self.num_classes:
                raise ValueError(
                    f"{label} contains class {c}; this alphabet has classes 0 to "
                    f"{self.num_classes - 1}."
                )
        return "".join(self.symbols[c] for c in label)


def check_alphabet(alphabet: Alphabet) -> None:
    """Raise a TypeError if it is something else, such as the characters alone.

    Examples
    --------
    >>> check_alphabet("0123456789")
    Traceback (most recent call last):
    TypeError: alphabet is an Alphabet, which knows the blank, too, such as
    Alphabet('0123456789'); got '0123456789'.
    """
    if not isinstance(alphabet, Alphabet):
        raise TypeError(
            "alphabet is an Alphabet, which knows the blank, too, such as Alphabet('0123456789'); "
            f"got {alphabet!r:.80}."
        )


def is_whole(value: Any) -> bool:
    """Whether something is a whole number; True and False count nothing.

    >>> [is_whole(value) for value in (3, 3.0, "3", True)]
    [True, False, False, False]
    """
    try:
        index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)


def check_whole(least: int, **numbers: Any) -> None:
    """Raise a ValueError if one of the numbers, each under its name, is not whole, or too small.

    >>> check_whole(1, beam_width=True)
    Traceback (most recent call last):
    ValueError: beam_width is a whole number of at least 1; got True.
    """
    for name, value in numbers.items():
        if not is_whole(value) or index(value) < least:
            raise ValueError(f"{name} is a whole number of at least {least}; got {value!r:.80}.")


def as_number(value: Any) -> float:
    """One number as a float; NaN for what is none, such as a text, a truth value, or a list.

    A comparison with NaN is false, so one condition refuses all that is no number in a range.

    >>> [as_number(value) for value in (3, 0.5, "3", True, None, [1.0])]
    [3.0, 0.5, nan, nan, nan, nan]
    """
    several = getattr(value, "ndim", 0)
    if isinstance(value, bool) or several or not hasattr(value, "__float__"):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return math.nan


def check_generator(generator: Any, owner: str) -> None:
    """Raise a TypeError if it is no torch.Generator. ``owner`` says who draws from it.

    None would draw from the state that all of a program shares, and change it.
    """
    from torch import Generator  # late: who only spells needs no torch

    if not isinstance(generator, Generator):
        raise TypeError(
            f"{owner} needs a torch.Generator for its randomness, for example "
            f"torch.Generator().manual_seed(0); got {type(generator).__name__}."
        )


def listed_texts(texts: Any, of: str = "of texts") -> list[str]:
    """Texts as a list; a TypeError if they are none. ``of`` says what the list is one of."""
    if isinstance(texts, str):
        raise TypeError(f"texts is a list {of}, such as [{texts!r}]; got a str.")
    listed: list = list(texts) if isinstance(texts, Iterable) else [None]
    if not all(isinstance(text, str) for text in listed):
        raise TypeError(f"texts is a list {of}; got {texts!r:.80}.")
    return listed


def distinct_characters(characters: Sequence[str], owner: str) -> str | tuple[str, ...]:
    """Characters as a str if each is one code point, else as a tuple; checked.

    Raises
    ------
    TypeError, ValueError
        If one is no str, is empty or stands there twice. ``owner`` says whose they are.

    Examples
    --------
    >>> distinct_characters(["5", "0"], "an Alphabet"), distinct_characters(["th", "e"], "one")
    ('50', ('th', 'e'))
    """
    if not isinstance(characters, str):
        if not hasattr(characters, "__iter__"):
            raise TypeError(
                f"The characters of {owner} are a str or several; got {characters!r:.80}."
            )
        if isinstance(characters, (set, frozenset)):  # its order is another in each process
            raise TypeError(
                f"The characters of {owner} stand in an order, and a set has none: give "
                f"sorted(characters); got {characters!r:.80}."
            )
        characters = tuple(characters)
        for place, character in enumerate(characters):
            if not isinstance(character, str):
                raise TypeError(
                    f"The characters of {owner} are texts; number {place} is {character!r}."
                )
            if not character:
                raise ValueError(
                    f"A character of {owner} has at least one code point; number {place} of "
                    f"{characters!r:.200} is empty."
                )
    counts = Counter(characters)
    if len(counts) < len(characters):
        repeated = ", ".join(sorted(repr(c) for c, count in counts.items() if count > 1))
        raise ValueError(
            f"Each character may stand once in {owner}; {repeated} stands more often in "
            f"{characters!r:.200}."
        )
    if isinstance(characters, tuple) and all(len(c) == 1 for c in characters):
        return "".join(characters)
    return characters
