"""Whole batches for the searches: compiled, in blocks, on threads, and back as hypotheses."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import length_mask
from crnn_lib.decoders._compiled.records import (
    CHUNK,
    PREFIXES,
    ROOM,
    UNREAD,
    WRONG,
    BeamLists,
    BeamRoom,
    Outlook,
    Page,
    Results,
    SearchRoom,
    View,
)
from crnn_lib.decoders._lattices import first_frame, frame_log_sums, tolerance
from crnn_lib.decoders.hypothesis import ROUNDING, Hypothesis, LateSpans

BLOCK = 1 << 17  # numbers that a block's lattices hold: one MB
INTEGERS = 1 << 29  # that a beam may need: 2 GB, and places in it are 32 bits


@lru_cache(maxsize=1)
def compiles() -> bool:
    """Whether there is a compiler. If not, one warning says so."""
    from crnn_lib.decoders._compiled.jit import njit

    if njit is None:
        warnings.warn(
            "numba is not installed, so decoding is some hundred times slower: pip install numba",
            RuntimeWarning,
            stacklevel=2,
        )
    return njit is not None


def empty_results(lines: int, keep: int, frames: int) -> Results:
    """Room for at most ``keep`` hypotheses of each line."""
    hypotheses, characters = lines * keep, lines * keep * frames
    return Results(
        counts=np.zeros(lines, np.int32),
        statuses=np.full(lines, UNREAD, np.int32),
        sizes=np.empty(hypotheses, np.int64),
        scores=np.empty((hypotheses, 3)),
        labels=np.empty(characters, np.int32),
        spans=np.empty((2, characters), np.int32),
        span_scores=np.empty(characters),
        at=np.zeros(3, np.int64),
    )


def empty_page(frames: int, classes: int, *lines: int) -> Page:
    """Room for a line, or for so many."""
    return Page(
        p=np.empty((*lines, frames, classes)),
        peak=np.empty((*lines, frames)),
        rows=np.empty((2, frames + 1)),
        back=np.empty((frames, 2 * frames + 1), np.uint8),
    )


def widest(width: int, frames: int, classes: int) -> int:
    """A beam's width, or as many prefixes as there can be on so many frames if that is less."""
    prefixes, longer = 1, 1
    for _ in range(frames):
        if prefixes >= width:
            break
        longer *= classes - 1
        prefixes += longer
    return min(width, prefixes)


def beam_room(width: int, frames: int, classes: int, *lines: int) -> BeamRoom:
    """Room for a beam of ``width`` prefixes over so many frames, or for one of each line."""
    if width * max(5 * frames, 2 * classes) > INTEGERS:
        raise ValueError(
            f"A beam of {width} prefixes on {frames} frames of {classes} classes would take more "
            "than 2 GB. What a beam can find it mostly finds with a beam_width of 10 to 1,000."
        )
    return BeamRoom(
        trie=np.empty((*lines, 5, width * frames + 2), np.int32),
        masses=np.empty((*lines, 2 * width + 2)),
        work=np.empty((*lines, 8, width)),
        ints=np.empty((*lines, 13, width + 1), np.uint32),
        active=np.empty((*lines, 3, classes), np.uint32),
        merged=np.empty((*lines, width + 1, classes), np.uint32),
        at=np.zeros((*lines, 4), np.int64),
        log_scale=np.zeros((*lines, 1)),
    )


def beam_lists(width: int, keep: int, frames: int, lines: int = 1) -> BeamLists:
    """Room for what a beam holds at the end, and for the mass of so many lines."""
    return BeamLists(
        masses=np.empty(lines),
        texts=np.empty((width, frames), np.int32),
        text_sizes=np.empty(width, np.int64),
        lower=np.empty(width),
        weight=np.empty(width),
        top=np.empty(keep, np.int64),
        log_probs=np.empty(keep),
        scores=np.empty(keep),
    )


def search_room(budget: int, frames: int, classes: int) -> SearchRoom:
    """Room for a best-first search. Most of it is never touched, and takes no memory."""
    paths = min(budget * frames, ROOM)
    prefixes = min(2 + budget * classes, PREFIXES) + classes
    return SearchRoom(
        tail=np.empty(frames + 1),
        mass=np.empty(classes),
        ways=np.empty((2, frames)),
        at_blank=np.empty(paths),
        at_char=np.empty(paths),
        nodes=np.empty((6, prefixes), np.int32),
        keys=np.empty(prefixes),
        weight=np.empty(prefixes),
        text=np.empty(frames, np.int32),
    )


def view_of(outlook: Outlook, frames: int, classes: int) -> View:
    """Room to look ahead."""
    places = len(outlook.ends_at)
    return View(
        ahead=np.empty((places, frames)),
        logs=np.empty(frames),
        sweep=np.empty((2 + CHUNK, places)),
        by_class=np.empty((classes, frames)),
    )


def filled(results: Results) -> tuple[np.ndarray, ...]:
    """What was written: sizes and scores of hypotheses, labels, spans and their scores.

    Spans are copied, for the hypotheses keep them, and the block has room for many more.
    """
    _, made, used = results.at.tolist()
    return (
        results.sizes[:made],
        results.scores[:made],
        results.labels[:used],
        results.spans[:, :used].copy(),
        results.span_scores[:used].copy(),
    )


def make_hypotheses(
    alphabet: Alphabet,
    proven: np.ndarray,
    sizes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    spans: np.ndarray,
    span_scores: np.ndarray,
) -> list[Hypothesis]:
    """Many hypotheses at once. Of each (M,): whether it is proven, its size, its scores (M, 3).

    Their characters stand end to end: classes (L,), starts and ends (2, L), log-probabilities (L,).
    """
    flat, lasts = labels.tolist(), sizes.cumsum().tolist()
    pieces = list(map(alphabet.symbols.__getitem__, flat))
    text, cuts = "".join(pieces), lasts
    if len(text) > len(pieces):  # some characters take several code points
        places = [0, *accumulate(map(len, pieces))]
        cuts = [places[last] for last in lasts]
    columns = *spans, span_scores
    made, first, start = [], 0, 0
    for last, cut, (log_prob, score, bound), sure in zip(
        lasts, cuts, scores.tolist(), proven.tolist(), strict=True
    ):
        label = tuple(flat[first:last])
        where = LateSpans(label, columns, first)
        made.append(Hypothesis(label, text[start:cut], log_prob, where, sure, bound, score))
        first, start = last, cut
    return made


def as_hypotheses(alphabet: Alphabet, rows: list[tuple]) -> list[Hypothesis]:
    """Of rows (label, spans, log-probability, score, bound on all others)."""
    labels = [c for label, *_ in rows for c in label]
    spans = np.array([span for _, spans, *_ in rows for span in spans]).reshape(-1, 3)
    scores = np.array([row[2:] for row in rows]).reshape(-1, 3)
    return make_hypotheses(
        alphabet,
        scores[:, 1] > scores[:, 2] + ROUNDING,
        np.array([len(label) for label, *_ in rows], np.int64),
        scores,
        np.array(labels, np.int64),
        spans[:, :2].T.astype(np.int64),
        spans[:, 2],
    )


@dataclass(frozen=True)
class Decoded:
    """A block of lines, decoded."""

    counts: np.ndarray  # (N,): hypotheses of each line
    statuses: np.ndarray  # (N,): FINE, RISKY or WRONG, as the kernels say
    settled: np.ndarray  # (N,): whether nothing is left to do
    hypotheses: list[Hypothesis]  # of all lines, one after the other


def in_blocks(
    decode: Callable[..., Decoded],
    log_probs: Tensor,
    lengths: Tensor,
    threads: int,
    n_best: int | None,
    *columns: np.ndarray,
) -> tuple[list, list[int]]:
    """Decode block by block. Returns what each line holds, and the lines that are not settled.

    Each line holds a list of at most ``n_best`` hypotheses; without it, one hypothesis or None.
    ``decode`` gets a block's lattices, its lengths, and its rows of what else there is for each
    line.
    """
    count, frames, classes = log_probs.shape
    log_probs, sizes = log_probs.detach().cpu(), lengths.cpu().numpy()
    one_each, wide = n_best is None, max(classes, n_best or 1)
    step = max(1, BLOCK // max(1, frames * wide))
    starts = range(0, count, step)

    def work(start: int) -> Decoded:
        block = log_probs[start : start + step].double().contiguous()
        rows = (column[start : start + step] for column in (sizes, *columns))
        return decode(block.numpy(), *rows)

    blocks: Iterable[Decoded] = map(work, starts)
    if threads > 1 and len(starts) > 1:
        with ThreadPoolExecutor(threads) as pool:
            blocks = list(pool.map(work, starts))
    lines: list = []
    left: list[int] = []
    for start, block in zip(starts, blocks, strict=True):
        if (block.statuses == WRONG).any():
            refuse(log_probs, torch.from_numpy(sizes))
        if one_each and bool((block.counts == 1).all()):
            lines += block.hypotheses
        else:
            ends = block.counts.cumsum().tolist()
            rows = [block.hypotheses[i:j] for i, j in zip([0, *ends], ends, strict=False)]
            lines += [row[0] if row else None for row in rows] if one_each else rows
        left += (start + (~block.settled).nonzero()[0]).tolist()
    return lines, left


def sums_allowed(log_probs: Tensor) -> tuple[float, float]:
    """Between what numbers the sum of a frame's probabilities may be, for the compiled loops."""
    most = tolerance(log_probs)
    return math.exp(-most), math.exp(most)


def refuse(log_probs: Tensor, lengths: Tensor) -> None:
    """Say which frame is not normalised, as an error."""
    within = length_mask(lengths, log_probs.shape[1])
    nan = log_probs.isnan().any(2) & within
    if bool(nan.any()):
        raise ValueError(f"log_probs holds NaN in {first_frame(nan)}.")
    frame_log_sums(log_probs, within)
    raise ValueError("A frame's probabilities do not sum to 1.")  # by less than can be shown
