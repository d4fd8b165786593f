"""The words of a reading: where they are, and how sure each of them is.

A word is sure if nothing else would fit between its neighbours. Let a label be *a w b*: a word w,
what is before it with its separator, and what is behind it with its own. Then its confidence is

    P(a w b) / sum over v of P(a v b),

where v are all strings without a separator, the empty one included, and P sums over all alignments,
as always with CTC. The sum over v needs no list: between the two separators any frame may be
anything but a separator, so one number goes from frame to frame.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from crnn_lib.alphabet import is_whole
from crnn_lib.ctc import NEVER, forward_backward


@dataclass(frozen=True)
class Word:
    """A word of a reading.

    Attributes
    ----------
    text : str
    start, end : int
        Its frames ``[start, end)``, from the first of its first character to the last of its last.
    confidence : float
        The probability that it is this word, given what is before and behind it. NaN if the
        decoder did not keep what that needs: ``words=True``.
    known : bool or None
        Whether the lexicon has it; None without a lexicon.

    Examples
    --------
    >>> word = Word("ab", 4, 9, 0.75)
    >>> word.span(4)  # in pixels, if a frame is four of them
    (16, 36)
    """

    text: str
    start: int
    end: int
    confidence: float
    known: bool | None = None

    def span(self, scale: float = 1) -> tuple[float, float]:
        """Where it is, in other units: ``scale`` is how many pixels, or seconds, a frame is."""
        return self.start * scale, self.end * scale


@dataclass(frozen=True, eq=False)
class _Kept:
    """What a decoder keeps of a line for its words: log-probabilities (T, C) and symbols (C,)."""

    log_probs: Tensor
    symbols: Sequence[str]
    blank: int


def _find_words(
    pieces: Sequence[str],
    label: Sequence[int],
    spans: Sequence[Any],
    kept: _Kept | None,
    split: str | Sequence[str],
    lexicon: Collection[str] | Any | None,
) -> tuple[Word, ...]:
    """The words of a label whose characters spell ``pieces``."""
    separators = set(split) if isinstance(split, Iterable) else {None}
    if not all(isinstance(separator, str) for separator in separators):
        raise TypeError(
            f"split is a str of the characters that are in no word, or several; got {split!r:.80}."
        )
    if isinstance(lexicon, Iterator):  # each word would be looked for behind the one before
        lexicon = set(lexicon)
    cuts = [i for i, piece in enumerate(pieces) if piece in separators]
    places = [
        (first, last)
        for first, last in zip([0, *(i + 1 for i in cuts)], [*cuts, len(pieces)], strict=True)
        if first < last
    ]
    if kept is None:
        confidences = [math.nan] * len(places)
    else:
        apart = [c for c, symbol in enumerate(kept.symbols) if symbol in separators]
        confidences = word_confidences(
            kept.log_probs, label, places, [c for c in apart if c != kept.blank], blank=kept.blank
        )
    texts = ["".join(pieces[first:last]) for first, last in places]
    known: list[bool | None] = [None] * len(texts)
    if isinstance(lexicon, str):
        raise TypeError(
            f"lexicon is a collection of words, such as {{{lexicon!r}}}, or an automaton, such as "
            f"lexicon({lexicon!r}) makes; got a str."
        )
    if lexicon is not None and not hasattr(lexicon, "accepts"):
        if not isinstance(lexicon, Container):
            raise TypeError(
                f"lexicon is a collection of words or an automaton; got {lexicon!r:.80}."
            )
    if lexicon is not None:
        accepts = lexicon.accepts if hasattr(lexicon, "accepts") else lexicon.__contains__
        known = [bool(accepts(text)) for text in texts]
    rows = zip(texts, places, confidences, known, strict=True)
    return tuple(
        Word(text, spans[first].start, spans[last - 1].end, confidence, knows)
        for text, (first, last), confidence, knows in rows
    )


def word_confidences(
    log_probs: Tensor,
    label: Sequence[int],
    places: Sequence[tuple[int, int]],
    separators: Sequence[int],
    *,
    blank: int = 0,
) -> list[float]:
    """How sure words are, given their neighbours: see the equation above.

    Parameters
    ----------
    log_probs : Tensor, (T, C)
    label : sequence of int
    places : sequence of (int, int)
        The characters ``[first, last)`` of each word. What stands beside them are separators, or
        the label's ends.
    separators : sequence of int
        The classes that are in no word.
    blank : int

    Examples
    --------
    One frame, and nothing beside the word: its share of all that is no separator.

    >>> import torch
    >>> line = torch.tensor([[0.1, 0.6, 0.1, 0.2]]).log()  # blank, "a", "b", " "
    >>> [round(p, 3) for p in word_confidences(line, [1], [(0, 1)], [3])]
    [0.75]
    """
    if not isinstance(log_probs, Tensor):
        raise TypeError(f"log_probs is a tensor (T, C); got {type(log_probs).__name__}.")
    for name, given in (("places", places), ("separators", separators)):
        if not isinstance(given, Iterable):
            raise TypeError(f"{name} is a sequence; got {given!r:.80}.")
    places, separators = list(places), list(separators)
    if not places:
        return []
    line = log_probs.detach().cpu().double()
    label = list(label)
    trellis = forward_backward(line, label, blank=blank)
    size = len(trellis.states) // 2
    for place in places:
        first, last = place if np.shape(place) == (2,) else (0, 0)
        if not is_whole(first) or not is_whole(last) or not 0 <= first < last <= size:
            raise ValueError(
                f"A place is (first, last), some of the label's {size} characters; got "
                f"{place!r:.80}."
            )
    if not all(is_whole(c) and 0 <= c < line.shape[1] for c in separators):
        raise ValueError(
            f"separators are classes from 0 to {line.shape[1] - 1}; got {separators!r:.80}."
        )
    alpha, beta, values = trellis.alpha.numpy(), trellis.beta.numpy(), line.numpy()
    inside = np.ones(values.shape[1], bool)
    inside[[blank, *separators]] = False
    frames, q = len(values), values[:, blank]
    any_character = np.logaddexp.reduce(values[:, inside], axis=1, initial=NEVER)  # (T,)
    firsts, lasts = np.array(places).T
    whole = firsts == 0  # nothing is before it
    before, after = 2 * firsts, 2 * lasts + 1  # the blank before it, the separator behind it
    on_blank, on_character = alpha[:, before], alpha[:, np.maximum(before - 1, 0)]  # (T, W)
    on_character[:, whole] = NEVER
    to_end = lasts == len(label)
    follows = np.where(to_end, 0, np.append(label, -1)[lasts])  # its class, where there is one
    same = np.append(label, -1)[firsts - 1] == follows  # two separators need a blank between them
    on_to = np.where(to_end, NEVER, values[:, follows] + beta[:, np.minimum(after, 2 * len(label))])
    start = np.where(whole, 0.0, NEVER)  # before the first frame
    entered, within, total = start, np.full(len(places), NEVER), np.full(len(places), NEVER)
    empty = start
    for t in range(frames):
        # The frame is the separator behind: after some characters, or after none.
        total = np.logaddexp(total, np.logaddexp(within, empty) + on_to[t])
        within = np.logaddexp(
            entered + any_character[t], within + np.logaddexp(any_character[t], q[t])
        )
        entered = np.logaddexp(on_blank[t], on_character[t])
        empty = np.where(same & ~whole, on_blank[t], entered)
    total = np.where(to_end, np.logaddexp(within, entered), total)
    return np.exp(np.minimum(trellis.log_prob - total, 0.0)).tolist()
