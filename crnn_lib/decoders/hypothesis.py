"""What a decoder returns: a label, its score, and where its characters are."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import Span
from crnn_lib.decoders.words import Word, _find_words, _Kept

# A proof must survive the rounding of its own arithmetic, which is float64.
ROUNDING = 1e-9


@dataclass(frozen=True, init=False)
class Hypothesis:
    """What a line may say, and how sure a decoder is of it.

    Attributes
    ----------
    label : tuple of int
        The text as class indices, without blanks.
    text : str
        The label in characters.
    log_prob : float
        The label's CTC log-probability: the sum over *all* its alignments. NaN if not asked for.
    spans : sequence of Span
        The frames ``[start, end)`` of each character: a tuple, or :class:`LateSpans`, which equal
        it.
    proven : bool
        Whether it is certain that no other label has a higher score.
    bound : float
        No other label has a score above this. NaN if not asked for.
    score : float
        What the decoder ranked by: ``log_prob``, and what the language adds to it. The same as
        ``log_prob`` if it is not given.
    words : tuple of Word
        See :meth:`split_words`.
    """

    label: tuple[int, ...]
    text: str
    log_prob: float
    spans: Sequence[Span]
    proven: bool
    bound: float
    score: float

    def __init__(
        self,
        label: tuple[int, ...],
        text: str,
        log_prob: float,
        spans: Sequence[Span],
        proven: bool = False,
        bound: float = math.nan,
        score: float | None = None,
    ) -> None:
        # All at once: to set frozen fields one by one takes three times as long.
        fields = self.__dict__
        fields["label"], fields["text"], fields["log_prob"] = label, text, log_prob
        fields["spans"], fields["proven"], fields["bound"] = spans, proven, bound
        fields["score"] = log_prob if score is None else score

    @property
    def words(self) -> tuple[Word, ...]:
        """The words between spaces, with their frames: :meth:`split_words` says what they hold."""
        if "_words" not in self.__dict__:
            self.__dict__["_words"] = self.split_words()
        return self.__dict__["_words"]

    def split_words(
        self, split: str | Sequence[str] = " ", *, lexicon: Collection[str] | Any | None = None
    ) -> tuple[Word, ...]:
        """The words of the text: where they are, how sure they are, and whether they are known.

        They are found when they are asked for. How sure a word is, is its probability given its
        neighbours, by the network alone: :func:`~crnn_lib.decoders.word_confidences`. That needs
        the frames, so the decoder has to be told to keep them, by ``words=True``.

        Parameters
        ----------
        split : str or sequence of str
            The characters that are in no word: those of the str, or those in the sequence. An empty
            one makes the text one word.
        lexicon : collection of str or automaton, optional
            The words that are known; says ``known`` of each.

        Raises
        ------
        ValueError
            If the characters of the text take several code points and the decoder kept nothing.

        Examples
        --------
        >>> import torch
        >>> from crnn_lib import Alphabet, best_path
        >>> line = torch.full((5, 4), 0.1)  # blank, "a", "b", " "
        >>> line[range(5), [1, 0, 3, 2, 2]] = 0.7
        >>> (h,) = best_path(line.log(), alphabet=Alphabet("ab "), words=True)
        >>> [(w.text, w.start, w.end, round(w.confidence, 2), w.known)
        ...  for w in h.split_words(lexicon={"a"})]
        [('a', 0, 1, 0.68, True), ('b', 3, 5, 0.76, False)]
        """
        kept = self.__dict__.get("_kept")
        if kept is not None:
            pieces = [kept.symbols[c] for c in self.label]
        elif len(self.text) == len(self.label):
            pieces = list(self.text)
        else:
            raise ValueError(
                f"The {len(self.label)} characters of this text take {len(self.text)} code "
                "points. Where its words are is known if the decoder was given words=True."
            )
        return _find_words(pieces, self.label, self.spans, kept, split, lexicon)

    def __getstate__(self) -> dict:
        """Words go along when it is copied or pickled, and not the frames that they are made of."""
        fields = dict(self.__dict__)
        if fields.pop("_kept", None) is not None:
            fields["_words"] = self.words
        return fields


class LateSpans(Sequence[Span]):
    """The spans of a label, made when they are looked at.

    Most readings are never asked where their characters are, and to make a span costs more than to
    find it. Until then they are rows of arrays which many hypotheses share. To whoever asks, these
    are a tuple: equal to one, hashed and shown as one, and pickled as one.

    Parameters
    ----------
    label : tuple of int
    columns : tuple of ndarray, (L,) each
        First frames, frames after the last, and log-probabilities, of many labels' characters.
    first : int
        Row of this label's first character.

    Examples
    --------
    >>> import numpy as np
    >>> spans = LateSpans((6, 3), (np.array([0, 2]), np.array([1, 4]), np.array([-0.5, -0.2])), 0)
    >>> spans, len(spans), spans == (Span(6, 0, 1, -0.5), Span(3, 2, 4, -0.2))
    ((Span(6 in [0, 1), log_prob=-0.5), Span(3 in [2, 4), log_prob=-0.2)), 2, True)
    """

    __slots__ = ("columns", "first", "label")

    def __init__(self, label: tuple[int, ...], columns: tuple, first: int) -> None:
        self.label, self.columns, self.first = label, columns, first

    def _made(self) -> tuple[Span, ...]:
        rows = slice(self.first, self.first + len(self.label))
        return tuple(map(Span, self.label, *(x[rows].tolist() for x in self.columns)))

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, place):
        return self._made()[place]

    def __iter__(self):
        return iter(self._made())

    def __eq__(self, other) -> bool:
        if isinstance(other, LateSpans):
            other = other._made()
        return self._made() == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._made())

    def __repr__(self) -> str:
        return repr(self._made())

    def __reduce__(self):
        return tuple, (self._made(),)


def _keep_frames(lines: list, log_probs: Tensor, lengths: Tensor, alphabet: Alphabet) -> list:
    """Give the hypotheses of each line its frames, for their words; the lines as they came."""
    for line, log_p, length in zip(lines, log_probs, lengths.tolist(), strict=True):
        found = line if isinstance(line, list) else [line]
        kept = _Kept(log_p[:length].detach().clone(), alphabet.symbols, alphabet.blank)
        for hypothesis in found:
            if hypothesis is not None:
                hypothesis.__dict__["_kept"] = kept
    return lines
