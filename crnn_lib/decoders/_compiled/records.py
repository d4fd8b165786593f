"""What the compiled loops take and fill, by name. Importing this does not import numba."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

FINE, RISKY, WRONG = 0, 1, 2  # what a line is: as it should be, out of range, not normalised
CHUNK = 8  # frames that are written at once: as many numbers as a line of cache holds
ROOM = 4_000_000  # frames of all prefixes that a search may remember: 64 MB
PREFIXES = 4_000_000  # that it may know of
DEPTH = 200 * math.log(10.0)  # of a long line's table, what is so far below is dropped: 1e-200
REACH = 8  # columns of it before and behind a place that are compared with it
GROW = 2.0**64  # its entries are numbers times a power of it, which changes no digit
LOG_GROW = 64 * math.log(2.0)
MISSING = 3  # the steps of a state that a beam has reached are to be made before it can go on
UNREAD = 4


class Arcs(NamedTuple):
    """A language over S states and E steps, as far as it was made: ``Fusion.arcs``.

    Without one, ``fused`` is False and the arrays have a single entry, or none.
    """

    fused: bool
    start: int
    largest: float  # of the factors
    first: np.ndarray  # (S,) int32: where a state's steps begin, -1 if they are not made yet
    size: np.ndarray  # (S,) int32: how many it has, the lower class first
    ends_at: np.ndarray  # (S,)
    near: np.ndarray  # (S,) int32: frames to an end, after a blank or another class
    nearest: np.ndarray  # (S,) int32: but after this class
    again: np.ndarray  # (S,) int32: it takes so many
    label: np.ndarray  # (E,) int32
    target: np.ndarray  # (E,) int32
    cost: np.ndarray  # (E,)
    factor: np.ndarray  # (E,)


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
    statuses: np.ndarray  # (N,) int32, FINE, RISKY or WRONG; before, UNREAD or MISSING
    sizes: np.ndarray  # (M,) int32, the length of each label
    scores: np.ndarray  # (M, 3): log-probability, score, the bound on all others
    labels: np.ndarray  # (L,) int32
    spans: np.ndarray  # (2, L) int32, starts and ends
    span_scores: np.ndarray  # (L,)
    at: np.ndarray  # (3,): lines, hypotheses and characters made


class Page(NamedTuple):
    """Memory for one line of T frames, used again for each.

    Where several lines are read side by side, ``p`` and ``peak`` have a row for each.
    """

    p: np.ndarray  # (T, C): its probabilities
    peak: np.ndarray  # (T,): each frame's most probable class but the blank
    rows: np.ndarray  # (2, T + 1)
    back: np.ndarray  # (T, 2T + 1) uint8


class BeamRoom(NamedTuple):
    """A beam of W prefixes at some frame, and the memory that it needs to go on.

    Of several beams, side by side, each array has a row for each.
    """

    trie: np.ndarray  # (5, nodes) int32: parent, last class, first child, next sibling, frame
    masses: np.ndarray  # (2W + 2,): at a blank and on a character, a zero, at a blank, a zero
    work: np.ndarray  # (8, W): masses on a character, new masses, scores, factors of last steps
    # (13, W + 1) uint32, for what has no sign is never an index from behind, which takes time:
    # nodes, states, last classes, places of the parents and of their masses that are passed on
    # (2 each), codes, and places in the new beam
    ints: np.ndarray
    active: np.ndarray  # (3, C) uint32: classes that may matter, and of one prefix they and steps
    merged: np.ndarray  # (W + 1, C) uint32
    at: np.ndarray  # (4,): frame, nodes, prefixes, and which copy of what has two is the beam's
    log_scale: np.ndarray  # (1,): of the masses


class BeamLists(NamedTuple):
    """What a beam of W prefixes holds at the end of a line of T frames, and the best K of it."""

    masses: np.ndarray  # of each line that is read, (1,) or more: of all of it
    texts: np.ndarray  # (W, T) int32
    text_sizes: np.ndarray  # (W,) int64
    lower: np.ndarray  # (W,): what the beam knows of each label's probability
    weight: np.ndarray  # (W,): what the language adds to it
    top: np.ndarray  # (K,) int64: places in the beam
    log_probs: np.ndarray  # (K,)
    scores: np.ndarray  # (K,)


class SearchRoom(NamedTuple):
    """Memory for one best-first search over T frames, of M prefixes, with F frames of paths."""

    tail: np.ndarray  # (T + 1,)
    mass: np.ndarray  # (C,)
    ways: np.ndarray  # (2, T)
    at_blank: np.ndarray  # (F,): the paths of the expanded prefixes, one's frames after another's
    at_char: np.ndarray  # (F,)
    nodes: np.ndarray  # (6, M) int32: parent, last class, row of paths, state, place, and the heap
    keys: np.ndarray  # (M,): of the heap
    weight: np.ndarray  # (M,): what the language has added
    text: np.ndarray  # (T,) int32


class View(NamedTuple):
    """Memory to look ahead through an outlook of G places, over T frames."""

    ahead: np.ndarray  # (G, T)
    logs: np.ndarray  # (T,)
    sweep: np.ndarray  # (2 + CHUNK, G)
    by_class: np.ndarray  # (C, T)
