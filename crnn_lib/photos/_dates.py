"""Slashes of dates: a stroke between two groups of digits leans like a 1, and a date tells which.

A network sees one stroke at a time and takes many a slash for a 1. Where its own doubt allows two
slashes with a day and a month around them, they are slashes.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import best_path

MARK = "/"
WEIGHT = 3.0  # added to the log of a slash's odds: it may be 20 times less probable than a 1
DATE = re.compile(r"(\d{1,2}|\d{4})/(\d{1,2})/(\d{1,2}|\d{4})")


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
    """A lattice in which slashes are more probable, if it reads as a date then; else itself.

    Parameters
    ----------
    log_probs : Tensor, (T, C)
        Of one line.
    alphabet : Alphabet
        The network's.

    Returns
    -------
    Tensor, (T, C)
    """
    if MARK not in alphabet.characters:
        return log_probs
    slash = alphabet.encode(MARK)[0]
    leaning = log_probs.clone()
    leaning[:, slash] += WEIGHT
    if int((leaning.argmax(1) == slash).sum()) < 2:  # two slashes need a frame each
        return log_probs
    leaning = leaning.log_softmax(1)
    read = best_path(leaning[None], torch.tensor([len(leaning)]), alphabet=alphabet)[0]
    return leaning if is_date(read.text) else log_probs
