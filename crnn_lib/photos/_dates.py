"""Slashes of dates: a stroke between two groups of digits leans like a 1, and a date tells which.

A network sees one stroke at a time and takes many a slash for a 1. Where two of the ones may be
slashes, by the network's own doubt, and a day, a month and a year then stand around them, they are
slashes. How much doubt that takes depends on the year: few numbers look like 181612000, with ones
in the right places and a year of four digits behind them, and most that do are dates.
"""

from __future__ import annotations

import re
from itertools import combinations

import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import best_path

MARK, STROKE = "/", "1"
#: By how much, in logarithms, two slashes together may be less probable than two ones.
WHOLE_YEAR, SHORT_YEAR = -14.0, -6.0
DATE = re.compile(r"(\d{1,2}|\d{4})/(\d{1,2})/(\d{1,2}|\d{4})")
YEAR = re.compile(r"19\d\d|20\d\d")


def is_date(text: str) -> bool:
    """Whether a text is a date with slashes, in any of the usual orders.

    >>> [is_date(text) for text in ("3/12/2019", "11/20/2019", "2019/3/1", "45/1/19", "3/12")]
    [True, True, True, False, False]
    """
    found = DATE.fullmatch(text)
    if found is None:
        return False
    first, second, third = found.groups()
    if len(first) == 4:
        first, third = third, first
    day, month = sorted((int(first), int(second)), reverse=True)
    return len(first) <= 2 and 1 <= month <= 12 and 1 <= day <= 31


def with_slashes(log_probs: Tensor, alphabet: Alphabet) -> Tensor:
    """A lattice in which two ones are slashes, if it reads as a date then; else itself.

    Parameters
    ----------
    log_probs : Tensor, (T, C)
        Of one line.
    alphabet : Alphabet
        The network's.

    Returns
    -------
    Tensor, (T, C)
        In the frames of a stroke that becomes a slash, the two classes are exchanged.
    """
    if MARK not in alphabet.characters or STROKE not in alphabet.characters:
        return log_probs
    slash, one = (alphabet.encode(character)[0] for character in (MARK, STROKE))
    best_classes = log_probs.argmax(1)
    if int(((best_classes == slash) | (best_classes == one)).sum()) < 2:  # each needs a frame
        return log_probs
    (read,) = best_path(log_probs[None], torch.tensor([len(log_probs)]), alphabet=alphabet)
    odds = {  # of a slash against a 1, for each stroke; nothing for what is read as a slash
        n: 0.0 if span.label == slash else _odds(log_probs[span.start : span.end], slash, one)
        for n, span in enumerate(read.spans)
        if span.label in (slash, one)
    }
    marks = {n for n, span in enumerate(read.spans) if span.label == slash}
    best, chosen = 0.0, None
    for pair in combinations(odds, 2):
        if not marks <= set(pair):  # a slash that was seen is one
            continue
        text = "".join(MARK if n in pair else c for n, c in enumerate(read.text))
        if not is_date(text):
            continue
        years = [part for part in text.split(MARK) if YEAR.fullmatch(part)]
        over = odds[pair[0]] + odds[pair[1]] - (WHOLE_YEAR if years else SHORT_YEAR)
        if over > best:
            best, chosen = over, pair
    if chosen is None:
        return log_probs
    exchanged = log_probs.clone()
    for n in chosen:
        span = read.spans[n]
        if span.label == one:
            exchanged[span.start : span.end, [slash, one]] = log_probs[
                span.start : span.end, [one, slash]
            ]
    return exchanged


def _odds(frames: Tensor, slash: int, one: int) -> float:
    """Log-odds of a slash against a 1, where they are best for it."""
    return float((frames[:, slash] - frames[:, one]).max())
