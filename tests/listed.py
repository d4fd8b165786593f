"""The definition of CTC, carried out: what the fast routines are held against."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import product
from operator import getitem

import torch

from crnn_lib.ctc import collapse


def all_labels(log_probs: torch.Tensor, blank: int) -> dict[tuple[int, ...], float]:
    """The probability of every label, by listing every alignment."""
    frames = log_probs.double().exp().tolist()
    found: dict[tuple[int, ...], float] = defaultdict(float)
    for alignment in product(range(log_probs.shape[1]), repeat=len(frames)):
        p = math.prod(map(getitem, frames, alignment))
        if p > 0:
            found[tuple(collapse(alignment, blank=blank))] += p
    return found
