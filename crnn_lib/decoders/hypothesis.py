"""What a decoder returns: a label, its score, and where its characters are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crnn_lib.ctc import Span

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
