"""What a decoder returns: a label, its score, and where its characters are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import Span

# A proof must survive the rounding of its own arithmetic, which is float64.
ROUNDING = 1e-9


@dataclass(frozen=True)
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
    spans : tuple of Span
        The frames ``[start, end)`` of each character. Decoders that search make them when they are
        first looked at.
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
    spans: tuple[Span, ...]
    proven: bool = False
    bound: float = math.nan
    score: float | None = None

    def __post_init__(self) -> None:
        if self.score is None:
            object.__setattr__(self, "score", self.log_prob)

    def __getattr__(self, name: str):
        """Only asked for what is missing: the spans, until someone wants them."""
        if name != "spans" or "_block" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        (starts, ends), scores = self.__dict__.pop("_block")
        first = self.__dict__.pop("_first")
        rows = slice(first, first + len(self.label))
        columns = (x[rows].tolist() for x in (starts, ends, scores))
        spans = tuple(Span(*row) for row in zip(self.label, *columns, strict=True))
        object.__setattr__(self, "spans", spans)
        return spans

    def __getstate__(self) -> dict:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def make_hypotheses(
    alphabet: Alphabet,
    sizes: np.ndarray,
    scores: np.ndarray,
    proven: np.ndarray,
    labels: np.ndarray,
    spans: np.ndarray,
    span_scores: np.ndarray,
) -> list[Hypothesis]:
    """Many hypotheses at once, as cheaply as Python can.

    Parameters
    ----------
    sizes : (M,)
        Characters of each.
    scores : (M, 3)
        Log-probability, score, bound.
    proven : (M,)
    labels : (L,)
        Their labels, end to end.
    spans : (2, L)
        Starts and ends.
    span_scores : (L,)
        Log-probabilities of the spans.
    """
    flat = labels.tolist()
    text = "".join(map(alphabet.symbols.__getitem__, flat))
    block = spans, span_scores
    # A frozen dataclass sets its fields one by one, slowly; here they go in together.
    new, made, first = Hypothesis.__new__, [], 0
    for size, (log_prob, score, bound), sure in zip(
        sizes.tolist(), scores.tolist(), proven.tolist(), strict=True
    ):
        hypothesis = new(Hypothesis)
        end = first + size
        fields = hypothesis.__dict__
        fields["label"] = tuple(flat[first:end])
        fields["text"] = text[first:end]
        fields["log_prob"] = log_prob
        fields["proven"] = sure
        fields["bound"] = bound
        fields["score"] = score
        fields["_block"] = block
        fields["_first"] = first
        made.append(hypothesis)
        first = end
    return made
