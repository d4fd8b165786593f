"""The searches of this wing over whole batches: compiled, in blocks, on threads."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders._fusion import Fusion
from crnn_lib.decoders._lattices import first_frame, frame_log_sums, inside, tolerance
from crnn_lib.decoders.hypothesis import ROUNDING, Hypothesis, make_hypotheses

WRONG = 2  # a status in the kernels
BLOCK = 1 << 17  # numbers that a block's lattices hold: one MB


@lru_cache(maxsize=1)
def load_kernels() -> tuple[ModuleType, ModuleType]:
    """The compiled loops. numba takes a while to import, so nobody does before it is needed."""
    from crnn_lib.decoders._compiled import (
        beam as kernels_beam,
    )
    from crnn_lib.decoders._compiled import (
        exact as kernels_exact,
    )
    from crnn_lib.decoders._compiled import (
        scores as kernels,
    )

    if kernels.njit is None:
        warnings.warn(
            "numba is not installed, so decoding is some hundred times slower: pip install numba",
            RuntimeWarning,
            stacklevel=2,
        )
    return kernels_beam, kernels_exact


def compiles() -> bool:
    """Whether there is a compiler. If not, one warning says so."""
    return load_kernels()[0].njit is not None


@dataclass(frozen=True)
class Decoded:
    """A block of lines, decoded."""

    counts: np.ndarray  # (N,): hypotheses of each line
    statuses: np.ndarray  # (N,): FINE, RISKY or WRONG, as the kernels say
    settled: np.ndarray  # (N,): whether nothing is left to do
    hypotheses: list[Hypothesis]  # of all lines, one after the other


def beam_search_blocks(
    log_probs: Tensor,
    lengths: Tensor,
    alphabet: Alphabet,
    fusion: Fusion | None,
    *,
    width: int,
    n_best: int | None,
    threads: int,
) -> tuple[list, list[int]]:
    """Prefix beam search: what each line holds, and the lines that compiled code cannot hold."""
    kernels_beam, _ = load_kernels()
    tables = _tables(fusion)
    low, high = _normalised(log_probs.dtype)
    upper = 0.0 if fusion is None else fusion.most(log_probs.shape[1])
    keep = min(n_best or 1, width)

    def decode(log_p, sizes) -> Decoded:
        counts, statuses, rows = _results(len(log_p), keep, log_p.shape[1])
        made, used = kernels_beam.beam_batch(
            log_p, sizes, alphabet.blank, width, keep, low, high, *tables, upper, counts,
            statuses, *rows,
        )  # fmt: skip
        proven = rows[1][:made, 1] > rows[1][:made, 2] + ROUNDING
        hypotheses = _hypotheses(alphabet, rows, made, used, proven)
        return Decoded(counts, statuses, statuses != kernels_beam.RISKY, hypotheses)

    return _in_blocks(decode, log_probs, lengths, threads, n_best is None)


def exact_search_blocks(
    log_probs: Tensor,
    lengths: Tensor,
    alphabet: Alphabet,
    fusion: Fusion | None,
    *,
    budget: int,
    threads: int,
) -> tuple[list[Hypothesis | None], list[int]]:
    """Exact search: each line's hypothesis, if any, and the lines that are not settled."""
    _, kernels_exact = load_kernels()
    tables = _tables(fusion)
    low, high = _normalised(log_probs.dtype)
    whole = np.zeros(1, np.int32)
    pairs = (whole[None], whole, whole) if fusion is None else fusion.pairs

    def decode(log_p, sizes) -> Decoded:
        counts, statuses, rows = _results(len(log_p), 1, log_p.shape[1])
        proven = np.zeros(len(log_p), np.bool_)
        made, used = kernels_exact.exact_batch(
            log_p, sizes, alphabet.blank, budget, low, high, *tables, *pairs, counts, statuses,
            proven, *rows,
        )  # fmt: skip
        hypotheses = _hypotheses(alphabet, rows, made, used, proven[counts > 0])
        return Decoded(counts, statuses, proven, hypotheses)

    return _in_blocks(decode, log_probs, lengths, threads, True)


def _tables(fusion: Fusion | None) -> tuple:
    if fusion is None:
        whole, number = np.zeros((1, 1), np.int32), np.zeros((1, 1))
        return False, whole, number, number, 1.0, number[0], whole, whole[0], 0
    largest = float(fusion.factor.max(initial=0.0))
    return (
        True, fusion.step, fusion.cost, fusion.factor, largest, fusion.ends_at, fusion.need,
        fusion.need_first, fusion.start,
    )  # fmt: skip


def _normalised(dtype: torch.dtype) -> tuple[float, float]:
    return math.exp(-tolerance(dtype)), math.exp(tolerance(dtype))


def _results(lines: int, keep: int, frames: int) -> tuple:
    hypotheses, characters = lines * keep, lines * keep * frames
    rows = (
        np.empty(hypotheses, np.int32),
        np.empty((hypotheses, 3)),
        np.empty(characters, np.int32),
        np.empty((2, characters), np.int32),
        np.empty(characters),
    )
    return np.zeros(lines, np.int32), np.zeros(lines, np.int32), rows


def _hypotheses(alphabet, rows, made, used, proven) -> list[Hypothesis]:
    sizes, scores, labels, spans, span_scores = rows
    # Copies, for the hypotheses keep them, and the block has room for many more.
    return make_hypotheses(
        alphabet,
        sizes[:made],
        scores[:made],
        proven,
        labels[:used],
        spans[:, :used].copy(),
        span_scores[:used].copy(),
    )


def _in_blocks(
    decode: Callable, log_probs: Tensor, lengths: Tensor, threads: int, one_each: bool
) -> tuple[list, list[int]]:
    """Decode block by block. Returns what each line holds, and the lines that are not settled.

    Each line holds a list of hypotheses, or, with ``one_each``, one hypothesis or None.
    """
    count, frames, classes = log_probs.shape
    log_probs, lengths = log_probs.detach().cpu(), lengths.cpu().numpy()
    step = max(1, BLOCK // max(1, frames * classes))
    starts = range(0, count, step)

    def work(start: int) -> Decoded:
        block = log_probs[start : start + step].double().contiguous()
        return decode(block.numpy(), lengths[start : start + step])

    if threads > 1 and len(starts) > 1:
        with ThreadPoolExecutor(threads) as pool:
            blocks = list(pool.map(work, starts))
    else:
        blocks = map(work, starts)
    lines: list = []
    left: list[int] = []
    for start, block in zip(starts, blocks, strict=True):
        if (block.statuses == WRONG).any():
            refuse(log_probs, torch.from_numpy(lengths))
        if one_each and bool((block.counts == 1).all()):
            lines += block.hypotheses
        else:
            ends = block.counts.cumsum().tolist()
            rows = [block.hypotheses[i:j] for i, j in zip([0, *ends], ends, strict=False)]
            lines += [row[0] if row else None for row in rows] if one_each else rows
        left += (start + (~block.settled).nonzero()[0]).tolist()
    return lines, left


def refuse(log_probs: Tensor, lengths: Tensor) -> None:
    """Say which frame is not normalised, as an error."""
    within = inside(log_probs.shape[1], lengths)
    nan = log_probs.isnan().any(2) & within
    if bool(nan.any()):
        raise ValueError(f"log_probs holds NaN in {first_frame(nan)}.")
    frame_log_sums(log_probs, within)
    raise ValueError("A frame's probabilities do not sum to 1.")  # by less than can be shown


# Without compiled code ----------------------------------------------------------------------------
