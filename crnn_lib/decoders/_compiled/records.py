"""What the compiled loops take and fill, by name. Importing this does not import numba."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FINE, RISKY, WRONG = 0, 1, 2  # what a line is: as it should be, out of range, not normalised


class Tables(NamedTuple):
    """A language over S states and C classes; see :class:`crnn_lib.decoders.Fusion`.

    Without one, ``fused`` is False and the tables have a single entry.
    """

    fused: bool
    step: np.ndarray  # (S, C) int32
    cost: np.ndarray  # (S, C)
    factor: np.ndarray  # (S, C)
    largest: float  # of the factors
    ends_at: np.ndarray  # (S,)
    need: np.ndarray  # (S, C) int32
    need_first: np.ndarray  # (S,) int32
    start: int


class Steps(NamedTuple):
    """The E allowed steps of a language over S states; see ``Fusion.steps``."""

    first: np.ndarray  # (S + 1,) int32: where each state's steps begin
    label: np.ndarray  # (E,) int32, rising within a state
    target: np.ndarray  # (E,) int32
    cost: np.ndarray  # (E,)
    ends_at: np.ndarray  # (S,)
    start: int


class Outlook(NamedTuple):
    """A coarser language, which bounds what a language can still gather, over G places.

    It reads whatever the language reads, and weighs each step and each end no less. All steps into
    a place have one class. Place 0 is the start, before any character.
    """

    first: np.ndarray  # (G + 1,) int32: where each place's steps begin
    label: np.ndarray  # (E,) int32, rising within a place
    target: np.ndarray  # (E,) int32
    factor: np.ndarray  # (E,)
    ends_at: np.ndarray  # (G,)
    last: np.ndarray  # (G,) int32: the class that leads there, -1 at the start


class Results(NamedTuple):
    """Decoded lines: per line, then per hypothesis, then per character, end to end."""

    counts: np.ndarray  # (N,) int32, hypotheses of each line
    statuses: np.ndarray  # (N,) int32, FINE, RISKY or WRONG
    sizes: np.ndarray  # (M,) int32, the length of each label
    scores: np.ndarray  # (M, 3): log-probability, score, the bound on all others
    labels: np.ndarray  # (L,) int32
    spans: np.ndarray  # (2, L) int32, starts and ends
    span_scores: np.ndarray  # (L,)


class BeamRoom(NamedTuple):
    """Memory for one beam of W prefixes, used again for each line."""

    trie: np.ndarray  # (4, nodes) int32: parent, last class, first child, next sibling
    work: np.ndarray  # (8, W)
    ints: np.ndarray  # (10, W) int32
    active: np.ndarray  # (C,) int32
    merged: np.ndarray  # (W, C) int32


class SearchRoom(NamedTuple):
    """Memory for one best-first search."""

    tail: np.ndarray  # (T + 1,)
    parts: np.ndarray  # (2, 64, T), for the first prefixes; more is found as it is needed
    text: np.ndarray  # (T,) int32
