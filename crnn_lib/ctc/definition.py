"""Connectionist temporal classification (CTC): how likely is a label, wherever it may stand?

A network gives one distribution over C classes for each of T frames. One class, the blank, means
"no character here". An *alignment* picks one class per frame; :func:`collapse` turns it into a
*label*. The probability of a label is the sum over all alignments that collapse to it.

Here they are listed and added, which is the definition and far too slow.
:mod:`crnn_lib.ctc.trellis` gets the same sum in T steps, :mod:`crnn_lib.ctc.loss` does so for a
batch, with the gradient, and :mod:`crnn_lib.ctc.spans` finds the one best alignment.

Graves, Fernandez, Gomez, Schmidhuber, "Connectionist Temporal Classification", ICML 2006.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, groupby, pairwise
from typing import Any

import torch
from torch import Tensor

from crnn_lib.alphabet import is_whole
from crnn_lib.ctc._checks import COLLAPSE_FIRST, ROUNDING, check_line, plain_label, warn_of_scores

NEVER = -math.inf  #: log 0: there is no way


def collapse(alignment: Iterable[int], *, blank: int = 0) -> list[int]:
    """Merge repeats, then drop blanks: alignment -> label.

    The order matters: a blank between two equal characters keeps them apart.

    >>> collapse([6, 6, 0, 6, 6, 3, 3, 3, 0, 0, 1, 8])
    [6, 6, 3, 1, 8]
    >>> "".join(collapse("55-55222--07", blank="-"))  # any symbols will do
    '55207'
    """
    return [c for c, _ in groupby(_symbols(alignment, blank)) if c != blank]


def states_of(alignment: Iterable, *, blank: object = 0) -> list[int]:
    """The way of an alignment through the states of its label, blanks around its characters.

    One state per frame, from 0 to 2L: even states are blanks, odd ones characters.

    >>> states_of("-5-52", blank="-")
    [0, 1, 2, 3, 5]
    """
    way, characters = [], 0
    for symbol, run in groupby(_symbols(alignment, blank)):
        characters += symbol != blank
        way += [2 * characters - (symbol != blank)] * len(list(run))
    return way


def _symbols(alignment: Any, blank: object) -> Iterable:
    """The symbols of one alignment; those of a tensor or an array as Python's numbers."""
    if not hasattr(alignment, "tolist"):
        if not isinstance(alignment, Iterable) or isinstance(alignment, (set, frozenset)):
            raise TypeError(f"An alignment is a class for each frame; got {alignment!r:.80}.")
        alignment = list(alignment)
        lines = any(isinstance(c, list) or getattr(c, "ndim", 0) for c in alignment)
        shape = f"a list of {len(alignment)}" if lines else ""
    else:
        shape = "" if getattr(alignment, "ndim", 1) == 1 else str(tuple(alignment.shape))
        alignment = alignment.tolist()
    if shape:
        raise ValueError(
            f"An alignment is one line's, (T,); got {shape}. Take the lines of a batch one by one."
        )
    kind = "no texts" if isinstance(blank, str) else "texts"
    if len(alignment) and all(isinstance(c, str) != isinstance(blank, str) for c in alignment):
        raise TypeError(
            f"The symbols of {alignment!r:.40} are {kind}, and none of them is the blank {blank!r}."
            " Name the one that is, such as blank='-'."
        )
    return alignment


def minimum_frames(label: Sequence[int]) -> int:
    """Frames of the shortest alignment: one per character, and a blank between equal neighbours.

    >>> minimum_frames([6, 6, 3, 1, 8])  # 5-5207
    6
    """
    label = plain_label(label)
    return len(label) + sum(a == b for a, b in pairwise(label))


def count_alignments(label: Sequence[int], frames: int) -> int:
    """Number of alignments of T ``frames`` that collapse to the label; 0 if it does not fit.

    An alignment is a row of 2L+1 runs: blank, character, blank, ..., blank. The shortest one takes
    L + R frames, R being the number of repeats. The other T - L - R frames go to any of the runs,
    which is a choice of C(T + L - R, T - L - R).

    >>> count_alignments([1], 3)  # 1--  11-  111  -1-  -11  --1
    6
    >>> count_alignments([6, 6, 3, 1, 8], 31)
    183579396
    """
    if not is_whole(frames):
        raise TypeError(f"frames is a whole number; got {frames!r:.80}.")
    label = plain_label(label)
    spare = frames - minimum_frames(label)
    return math.comb(spare + 2 * len(label), spare) if spare >= 0 else 0


def alignments(label: Sequence[int], frames: int, *, blank: int = 0) -> Iterator[tuple[int, ...]]:
    """All alignments of T ``frames`` that collapse to the label, lazily, each once.

    >>> [*alignments([1, 1], 4)]
    [(1, 0, 1, 0), (1, 0, 1, 1), (1, 0, 0, 1), (1, 1, 0, 1), (0, 1, 0, 1)]
    """
    if not is_whole(frames):
        raise TypeError(f"frames is a whole number; got {frames!r:.80}.")
    label = plain_label(label)
    if blank in label:
        raise ValueError(f"Label {label} contains the blank, class {blank}. {COLLAPSE_FIRST}")
    classes = _with_blanks(label, blank)
    shortest = [s % 2 for s in range(len(classes))]  # a character takes a frame, a blank need not,
    shortest[2:-1:2] = [int(a == b) for a, b in pairwise(label)]  # unless it parts equal ones
    slots = frames - sum(shortest) + len(classes) - 1

    def expand(bars: tuple[int, ...]) -> tuple[int, ...]:
        spare = [right - left - 1 for left, right in pairwise((-1, *bars, slots))]
        runs = zip(classes, shortest, spare, strict=True)
        return tuple(c for c, least, more in runs for _ in range(least + more))

    # The spare frames in a row, 2L bars among them: what stands between two bars goes to one run.
    return map(expand, combinations(range(slots), len(classes) - 1) if slots >= 0 else ())


def label_probability_brute_force(
    log_probs: Tensor, label: Sequence[int], *, blank: int = 0
) -> float:
    """Probability (not its logarithm) of a label under ``log_probs`` (T, C), by its definition.

    The oracle for all that follows; keep T below ten or so. 0 for a label that does not fit.
    Two frames, the blank at 0.6 and "a" at 0.4: aa 0.16, a- 0.24, -a 0.24.

    >>> import torch
    >>> log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    >>> round(label_probability_brute_force(log_probs, [1]), 6)
    0.64
    """
    label = plain_label(label)
    batch = check_line(log_probs, label, blank, must_fit=False)
    frames = log_probs.tolist()
    probability = math.fsum(
        math.exp(sum(frame[c] for frame, c in zip(frames, alignment, strict=True)))
        for alignment in alignments(label, len(frames), blank=blank)
    )
    above = torch.tensor([math.log(max(probability, 1.0)) > ROUNDING])
    warn_of_scores(log_probs[None], batch[1], above.to(log_probs.device), 2)
    return probability


def _with_blanks(label: list[int], blank: int) -> list[int]:
    """The label with a blank before, between and after its characters."""
    return [blank, *(c for character in label for c in (character, blank))]
