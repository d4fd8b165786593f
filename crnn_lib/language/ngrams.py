"""Which character comes next? A model of strings that counts what followed what.

An n-gram model of order n predicts each character from the n - 1 before it. What it saw rarely it
mixes with what it knows of shorter contexts, down to knowing nothing, so no string has probability
0. How much of the mix comes from the shorter context is Witten and Bell's rule: the more different
characters have followed a context, the more likely is one more that has not,

    P(c | context) = (count(context c) + kinds(context) P(c | shorter context))
                     / (count(context) + kinds(context)).

Kneser and Ney's rule is better for words. It takes a discount from how many n-grams were seen once
and how many twice. With ten digits and some hundred texts there may be none, and it is undefined;
Witten and Bell's always holds.

Witten and Bell, "The Zero-Frequency Problem", IEEE Trans. Information Theory 37(4), 1991, method C;
the recursion is that of Chen and Goodman, "An Empirical Study of Smoothing Techniques", 1999.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from crnn_lib.alphabet import (
    Alphabet,
    check_generator,
    check_whole,
    distinct_characters,
    is_whole,
    listed_texts,
)
from crnn_lib.language.automata import WeightedAutomaton, _Operators, _reached
from crnn_lib.language.vocabulary import _check_counts

START = "\x02"  # stands before the first character, in contexts only
ORDERS = range(1, 6)
FORMAT, VERSION = "crnn_lib n-gram", 1


@dataclass(frozen=True, eq=False, repr=False)
class NGram(_Operators):
    """A character n-gram model. :meth:`fit` trains one.

    Parameters
    ----------
    characters : str or tuple of str
        The K characters of its texts, as an :class:`~crnn_lib.alphabet.Alphabet` has them.
    order : int
        Length n of the n-grams, 1 to 5.
    counts : dict of str to ndarray (K + 1,)
        How often each character, or the end (last), came after each of the longest contexts: n - 1
        characters, or fewer after the start of a text, which the character U+0002 marks. A context
        is a tuple of characters if they take several code points.

    Examples
    --------
    Order 1 knows no context. In three texts are two 5, one 7 and three ends: six symbols of three
    kinds. A third of 3 / (6 + 3) goes to each of the three, the rest by the counts:

    >>> model = NGram.fit(["5", "5", "7"], order=1, characters="57")
    >>> model.probabilities("") * 9
    array([3., 2., 4.])
    >>> round(math.exp(model.log_prob("57")) * 9**3, 9)  # 3 * 2 * 4
    24.0
    """

    characters: str | tuple[str, ...]
    order: int
    counts: dict

    _instead = (
        "An n-gram model is no language yet: its method automaton() makes one, as in "
        'model.automaton() & never("l").'
    )
    __and__ = __rand__ = __rmul__ = _Operators._no_operator

    def __post_init__(self) -> None:
        if not is_whole(self.order) or self.order not in ORDERS:
            raise ValueError(f"The order of an n-gram model is 1 to 5; got {self.order!r:.80}.")
        known = distinct_characters(self.characters, "an n-gram model")
        object.__setattr__(self, "characters", known)
        if not known:
            raise ValueError("An n-gram model needs characters; got none.")
        if START in self.characters:
            raise ValueError(
                "U+0002 marks the start of a text; it cannot be one of its characters."
            )

    def __repr__(self) -> str:
        return (
            f"NGram(order {self.order} over {self.characters!r}, "
            f"{len(self._distributions)} contexts)"
        )

    @classmethod
    def fit(
        cls,
        texts: Iterable[str] | Mapping[str, int],
        *,
        order: int = 3,
        characters: Sequence[str] = "0123456789",
    ) -> NGram:
        """Count the n-grams of some texts.

        Parameters
        ----------
        texts : iterable of str, or mapping of str to int
            At least one. A text that stands there twice counts twice; a mapping says how often each
            text counts: a whole number, 0 or more.
        order : int
            1 to 5. Each more knows more, and needs some ten times as many texts.
        characters : str or sequence of str
            All characters that may occur, also those that do not. Texts are cut into them as
            :meth:`crnn_lib.alphabet.Alphabet.split` does.

        Raises
        ------
        ValueError
            For a text with other characters, no text at all, a count that is none, or a wrong
            order.
        """
        empty = cls(distinct_characters(characters, "an n-gram model"), order, {})
        counts: dict = defaultdict(lambda: np.zeros(len(empty.characters) + 1, np.int64))
        times = texts if isinstance(texts, Mapping) else Counter(listed_texts(texts))
        _check_counts(times)
        for text, many in times.items():
            if not many:  # a context that nothing followed is none
                continue
            context = empty._history("")
            for column, piece in empty._pieces(text):
                counts[_cut(context, order)][column] += many
                context = _cut(context + piece, order)
            counts[_cut(context, order)][-1] += many
        if not counts:
            raise ValueError("An n-gram model needs at least one text to learn from.")
        return cls(empty.characters, order, dict(counts))

    # Histories are strings, and tuples where characters take several code points: both can be
    # sliced, added, and looked up.

    @cached_property
    def _alphabet(self) -> Alphabet:
        return Alphabet(self.characters, len(self.characters))  # classes 0 to K - 1

    def _piece(self, column: int):
        """A character, as a history of one."""
        return self.characters[column : column + 1]

    def _pieces(self, text: str) -> list[tuple]:
        """The columns of a text's characters, and each as a history of one."""
        return [(column, self._piece(column)) for column in self._alphabet.encode(text)]

    def _history(self, text: str):
        """The start, and a text after it."""
        history = START if isinstance(self.characters, str) else (START,)
        for _, piece in self._pieces(text):
            history += piece
        return history

    # What it says of a text -----------------------------------------------------------------------

    @cached_property
    def _distributions(self) -> dict:
        """P(character or end | context) for each context seen, the shorter ones included."""
        size = len(self.characters) + 1
        counts: dict = defaultdict(lambda: np.zeros(size, np.int64))
        for context, row in self.counts.items():
            for cut in range(len(context) + 1):  # what followed a context followed its suffixes
                counts[context[cut:]] += row
        found: dict = {}
        for context in sorted(counts, key=len):
            # A suffix of a context that was seen was seen too: so the shorter one is there.
            shorter = found[context[1:]] if context else np.full(size, 1 / size)
            row = counts[context]
            kinds = np.count_nonzero(row)
            found[context] = (row + kinds * shorter) / (row.sum() + kinds)
        return found

    def _state(self, history):
        """The longest end of a history that was seen as a context."""
        context = _cut(history, self.order)
        while context not in self._distributions:
            context = context[1:]
        return context

    def probabilities(self, text: str) -> np.ndarray:
        """What comes after the beginning of a text: (K + 1,), each character, and last the end."""
        return self._distributions[self._state(self._history(text))].copy()

    def log_prob(self, text: str) -> float:
        """Log-probability of a whole text: its characters, and that it ends there."""
        total, context = 0.0, self._state(self._history(""))
        for column, piece in self._pieces(text):
            total += math.log(self._distributions[context][column])
            context = self._state(context + piece)
        return total + math.log(self._distributions[context][-1])

    def perplexity(self, texts: Iterable[str]) -> float:
        """How many characters it hesitates between, on average, the end counted as one.

        ``exp(-sum of log_prob / (characters + ends))``; K + 1 for a model that knows nothing.
        """
        total, symbols = 0.0, 0
        for text in listed_texts(texts):
            total += self.log_prob(text)
            symbols += len(self._pieces(text)) + 1
        if not symbols:
            raise ValueError("There is no text to judge the model by.")
        return math.exp(-total / symbols)

    def automaton(self) -> WeightedAutomaton:
        """The same model as an automaton, for the beam search: ``score(text) == log_prob(text)``.

        A state is the longest end of what was read that was seen as a context. That is exact: for
        a context that was never seen, the mix is the shorter context's alone.
        """
        pieces = [self._piece(column) for column in range(len(self.characters))]
        found, rows = _reached(
            self._state(self._history("")),
            lambda context: (self._state(context + piece) for piece in pieces),
        )
        weights = np.log([self._distributions[context] for context in found])  # (S, K + 1)
        steps = np.array(rows, np.int32)
        return WeightedAutomaton(self.characters, steps, weights[:, :-1], weights[:, -1])

    def sample(self, generator: torch.Generator, *, longest: int = 1000) -> str:
        """Write a text, drawing each character from its distribution.

        Parameters
        ----------
        generator : torch.Generator
        longest : int
            Where to stop if the end was not drawn.
        """
        check_generator(generator, "sample")
        check_whole(0, longest=longest)
        text: list[str] = []
        context = self._state(self._history(""))
        while len(text) < longest:
            chance = torch.rand((), generator=generator, dtype=torch.float64).item()
            shares = self._distributions[context].cumsum()
            drawn = int((shares <= chance * shares[-1]).sum())
            if drawn == len(self.characters):
                break
            text.append(self.characters[drawn])
            context = self._state(context + self._piece(drawn))
        return "".join(text)

    # Files ----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the counts as JSON, with a check sum."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "characters": self.characters,
            "order": self.order,
            "counts": {c: self.counts[c].tolist() for c in sorted(self.counts)},
        }
        if isinstance(self.characters, tuple):  # a key of JSON is a str
            content["counts"] = [[c, self.counts[c].tolist()] for c in sorted(self.counts)]
        content["crc32"] = _check_sum(content)
        Path(path).write_text(json.dumps(content) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NGram:
        """Read a model that :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is damaged, or is something else.
        OSError
            If it cannot be read.
        """

        def refused(why: str) -> ValueError:
            return ValueError(
                f"{str(path)!r} is not an n-gram model that crnn_lib can load: {why}."
            )

        try:
            content = json.loads(Path(path).read_bytes().decode("utf-8"))
        except (ValueError, RecursionError):
            raise refused("it is damaged, or not JSON") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise refused(f"it does not say that its format is {FORMAT!r}")
        if content.get("version") != VERSION:
            raise refused(
                f"it is of version {content.get('version')!r}, this crnn_lib reads {VERSION}"
            )
        if content.pop("crc32", None) != _check_sum(content):
            raise refused("its check sum does not fit, so it was changed or damaged")
        try:
            characters, order, counts = (content[k] for k in ("characters", "order", "counts"))
            if isinstance(characters, list):
                characters = tuple(characters)
                counts = {tuple(context): row for context, row in counts}
            rows = {context: _row(row, len(characters)) for context, row in counts.items()}
            model = cls(characters, order, rows)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise refused(f"it does not hold counts ({error})") from None
        known = set(characters)
        for context in rows:
            inner = context[1:] if context[:1] == model._history("") else context
            full = len(context) == order - 1 or (context != inner and len(context) < order)
            if not full or not known.issuperset(inner):
                raise refused(f"{context!r} is no context of order {order}")
        if not rows:
            raise refused("it has no counts")
        return model


def _cut(history, order: int):
    """The last n - 1 characters: the context that a model of order n looks at."""
    return history[len(history) - order + 1 :] if len(history) >= order else history


def _row(values, size: int) -> np.ndarray:
    if not isinstance(values, list) or len(values) != size + 1 or not any(values):
        raise ValueError(f"{size + 1} counts expected for each context")
    if not all(type(value) is int and 0 <= value < 2**53 for value in values):
        raise ValueError("counts are whole numbers, 0 or more")
    return np.array(values, np.int64)


def _check_sum(content: dict) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())
