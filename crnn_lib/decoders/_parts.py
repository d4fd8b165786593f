"""A mixture of languages in the decoders: each part is searched, and the best of all is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from crnn_lib.decoders.hypothesis import ROUNDING, Hypothesis


def best_of_parts(
    rows: Sequence[Sequence[Hypothesis]], unseen: Sequence[float] | None = None
) -> list[Hypothesis]:
    """What the parts of a mixture read on one line, the best first, each label once.

    Parameters
    ----------
    rows : sequence of sequence of Hypothesis
        What each part has found, the best first.
    unseen : sequence of float, optional
        Bounds on all scores of the parts that have found nothing. Without it there are none.
    """
    best: dict[tuple[int, ...], Hypothesis] = {}
    for h in (h for row in rows for h in row):
        if h.label not in best or h.score > best[h.label].score:
            best[h.label] = h
    nothing = unseen or [math.inf] * len(rows)
    merged = []
    for h in sorted(best.values(), key=lambda h: -h.score):
        bounds = []
        for row, empty in zip(rows, nothing, strict=True):
            own = [other.bound for other in row if other.label == h.label]
            bounds.append(own[0] if own else max(row[0].score, row[0].bound) if row else empty)
        bound = max(bounds)
        merged.append(replace(h, bound=bound, proven=h.score > bound + 0.99 * ROUNDING))
    return merged
