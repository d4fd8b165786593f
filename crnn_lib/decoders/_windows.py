"""The last frames of a line that goes on, and how far labels have got in them.

A label's log-probability and its spans ask for all its frames. Most of these are settled long
before the line ends: what they have come to is kept, and they are given up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from crnn_lib.ctc import NEVER
from crnn_lib.decoders._compiled.records import DEPTH, FINE, GROW, LOG_GROW, REACH, WRONG

LONG = 512  # frames of a line that are kept in any case
STEP = 384  # frames until it is looked again what is settled
SLOPES = (-3.0, -1.0, 0.0, 1.0, 2.0, 3.0, 5.0)  # that are tried, to bound what frames can bring
BLOCK = 256  # frames that are checked at once

Tail = np.ndarray  # (2, N): classes that follow, and a frame for each
NOTHING: Tail = np.empty((2, 0), np.int32)
NOWHERE = np.empty(0)
Spans = np.ndarray  # (N, 3): first frames, frames after the last, and log-probabilities


class Window:
    """The last frames of a line: those that the labels in question still depend on."""

    def __init__(self, classes: int, blank: int, sums: tuple[float, float]) -> None:
        self.blank, self.sums = blank, sums
        self.fed = self.start = 0  # frames that came, and the first that is kept
        self.mass = 1.0  # of all frames
        self.status = FINE
        self.next_look = LONG + 1  # a line of LONG frames is kept whole
        # What was found since the last frame came, for labels that parted long ago and go on alike.
        self.aligned: dict[tuple, _Aligned] = {}
        self.summed: dict[tuple, list[tuple[np.ndarray, _Summed]]] = {}
        self._log_p, self._p = np.empty((2, LONG + STEP, classes))
        self._peak = np.empty(LONG + STEP)
        self._gains = np.empty((LONG + STEP, 2))

    def add(self, log_p: np.ndarray) -> int:
        """Take up to ``BLOCK`` frames, (T, C) float64; returns FINE, RISKY or WRONG."""
        from crnn_lib.decoders._compiled.scores import read_line

        kept, new = self.fed - self.start, len(log_p)
        if kept + new > len(self._p):
            room = 2 * (kept + new)
            self._log_p, self._p, self._peak, self._gains = (
                np.concatenate([x[:kept], np.empty((room - kept, *x.shape[1:]))])
                for x in (self._log_p, self._p, self._peak, self._gains)
            )
        own = slice(kept, kept + new)
        self._log_p[own] = log_p
        status, self.mass = read_line(
            self._log_p[own], self.blank, *self.sums, self.mass, self._p[own], self._peak[own]
        )
        if status != WRONG:
            self._gains[own] = _gains(self._p[own], self.blank)
        self.fed += new
        self.aligned, self.summed = {}, {}
        self.status = max(self.status, status)
        return status

    def probabilities(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the frames that are kept, and the most probable class but the blank of each."""
        kept = self.fed - self.start
        return self._p[:kept], self._peak[:kept]

    def between(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of some frames, and their logarithms."""
        own = slice(first - self.start, stop - self.start)
        return self._p[own], self._log_p[own]

    def gains(self, first: int, stop: int) -> np.ndarray:
        """Logarithms of the most by which some frames multiply, (T, 2).

        All alignments of a label together, and the best of them.
        """
        return self._gains[first - self.start : stop - self.start]

    def looked(self, stop: int, needed: int) -> None:
        """Give up what is before the frame that is needed, and say when to look again."""
        kept = self.fed - needed
        for x in (self._log_p, self._p, self._peak, self._gains):
            x[:kept] = x[needed - self.start : needed - self.start + kept].copy()
        self.start = needed
        # what could not be given up is looked at again when it has grown by half
        self.next_look = stop + max(STEP, (stop - needed) // 2)


class Track:
    """How a label has got to some frame: all that its probability and its spans still need.

    The first ``done`` of its classes are summed up in one column, that of the last of them: their
    spans are known, and the frames before ``start`` are needed no more. ``label`` holds the others,
    ``way`` a frame for each of them: an alignment of the label that is known.
    Labels that begin alike share what they have done.
    """

    def __init__(self, parent: Track | None = None, tail: Tail = NOTHING) -> None:
        self.label: list[int] = [*(parent.label if parent else ()), *tail[0].tolist()]
        self.way: list[int] = [*(parent.way if parent else ()), *tail[1].tolist()]
        self.done, self.start, self.place = 0, 0, 0  # place: the frame after all that is done
        self._before, self._seen = -1, np.empty((3, 0))
        self._past: tuple | None = None  # pairs: those before, and classes and spans of some more
        # What was dropped before frame ``_at``, at most: the logarithm of all alignments together,
        # and, from ``place`` on, the score of the best of them.
        self._lost, self._best_lost, self._at = NEVER, NEVER, 0
        self._behind = 0  # classes that are not done after a look, most likely
        if parent:
            self.done, self.start, self.place = parent.done, parent.start, parent.place
            self._before, self._seen, self._past = parent._before, parent._seen, parent._past
            self._lost, self._best_lost, self._at = parent._lost, parent._best_lost, parent._at

    def log_prob(self, window: Window, stop: int) -> tuple[float, bool]:
        """Of the label, if frame ``stop`` ends the line, and whether it is sure.

        It is sure if all that was dropped cannot show, however it went on.
        """
        label, way = self._ahead()
        found = self._sum(window, label, way, stop, -1, label.size - 1)
        lost = np.logaddexp(self._lost_by(window, stop)[0], found.lost)
        return found.log_prob, bool(lost < found.log_prob - 25.0)

    def read(
        self, window: Window, stop: int, spans: Spans | None = None
    ) -> tuple[tuple[int, ...], Spans, bool]:
        """All classes of the label, their spans, and whether these are sure.

        ``spans`` are those of the classes that are not done, if they are known.
        """
        (label, way), sure = self._ahead(), True
        if spans is None and len(label) == 1:
            spans = np.empty((0, 3))
            score = window.between(self.place, stop)[1][:, window.blank].sum()
            sure = bool(self._lost_by(window, stop)[1] < score)
        if spans is None:
            found = self._align(window, label, way, stop)
            spans = traced(label, found, len(found.log_p) - 1, found.last, self.place)
            sure = bool(max(self._lost_by(window, stop)[1], found.lost) < found.score)
        classes, pieces, past = [label[1:].tolist()], [spans], self._past
        while past:
            past, (own, before) = past
            classes.append(own)
            pieces.append(before)
        every = tuple(c for piece in reversed(classes) for c in piece)
        return every, np.concatenate(pieces[::-1]), sure

    def _lost_by(self, window: Window, stop: int) -> tuple[float, float]:
        """The most that can have become of what was dropped: all together, and the best."""
        if self._lost == NEVER and self._best_lost == NEVER:
            return NEVER, NEVER
        every, best = window.gains(self._at, stop).sum(0)
        return self._lost + every, self._best_lost + best

    def _ahead(self) -> tuple[np.ndarray, np.ndarray]:
        """The classes that are not done, behind the last one that is, or -1; and their way."""
        label = np.array([self._before, *self.label], np.int32)
        return label, np.array([-1, *self.way], np.int64)

    def _sum(
        self, window: Window, label: np.ndarray, way: np.ndarray, stop: int, keep: int, needed: int
    ) -> _Summed:
        """The forward algorithm up to a frame."""
        p, _ = window.between(self.start, stop)
        gains = window.gains(self.start, stop)[:, 0]
        way = way - self.start
        return _sum(p, window.blank, label, way, self._seen, keep, needed, DEPTH, gains)

    def _kept(
        self, window: Window, label: np.ndarray, way: np.ndarray, stop: int, low: int
    ) -> _Summed:
        """The same, with the entries of a column.

        All are sums of what came before. If that is some multiple of what came before another
        label, they are the same multiple.
        """
        key = self.start, stop, low, label.tobytes(), way.tobytes()
        for seen, summed in window.summed.setdefault(key, []):
            multiple = _multiple(self._seen, seen)
            if multiple:
                factor, power = multiple
                kept = np.stack([*(summed.kept[:2] * factor), summed.kept[2] + power])
                more = math.log(factor) - power * LOG_GROW
                return replace(summed, kept=kept, lost=summed.lost + more)
        summed = self._sum(window, label, way, stop, low, 0)
        window.summed[key].append((self._seen, summed))
        return summed

    def _align(self, window: Window, label: np.ndarray, way: np.ndarray, stop: int) -> _Aligned:
        """The best alignment of the frames from ``place`` on."""
        key = self.place, stop, label.tobytes(), way.tobytes()
        if key not in window.aligned:
            log_p = window.between(self.place, stop)[1]
            gains = window.gains(self.place, stop)[:, 1]
            found = _align(log_p, window.blank, label, way - self.place, DEPTH, gains)
            window.aligned[key] = found
        return window.aligned[key]

    def advance(self, window: Window, stop: int, spans: Spans | None = None) -> int:
        """Do what can be done of the label, by the frames up to ``stop``: how many classes.

        Without ``spans``, those of the classes that are not done, they are found by alignment.
        """
        from crnn_lib.decoders._compiled.long import common_way

        label, way = self._ahead()
        if len(label) == 1:
            return 0
        if spans is None:
            aligned, ends = self._align(window, label, way, stop), np.empty(2, np.int64)
            common_way(len(aligned.log_p), len(label) - 1, aligned.band, aligned.back, ends)
            t, state = ends.tolist()
            low, best_lost = state // 2 if t >= 0 else 0, aligned.lost
            spans = traced(label, aligned, t, state, self.place)
            # most often the band of all alignments ends here, too
            low = min(low, max(0, int(aligned.band[-1, 1]) - REACH))
        else:
            low, best_lost = max(0, len(spans) - self._behind), NEVER
        if low == 0:
            return 0
        summed = self._kept(window, label, way, stop, low)
        if summed.low < low:
            low = summed.low
            summed = self._kept(window, label, way, stop, low)
        self._behind = len(label) - 1 - summed.low + REACH  # a guess for the next time
        if low == 0:
            return 0
        self._past = self._past, (self.label[:low], spans[:low].copy())
        self._before = self.label[low - 1]
        self.label, self.way = self.label[low:], self.way[low:]
        done, place = spans[:low], int(spans[low - 1, 1])
        score = alignment_score(
            window.between(self.place, place)[1], window.blank, self.place, done
        )
        lost, best = self._lost_by(window, stop)
        self._lost = float(np.logaddexp(lost, summed.lost))
        self._best_lost, self._at = max(best, best_lost) - score, stop
        self.done, self.place = self.done + low, place
        kept = summed.kept
        counts = (kept[0] + kept[1] > 0).nonzero()[0]
        first = min(int(counts[0]) if len(counts) else kept.shape[1], self.place - self.start)
        self.start, self._seen = self.start + first, kept[:, first:].copy()
        return low


# Whole tables, and bands of them ------------------------------------------------------------------


@dataclass(frozen=True)
class _Summed:
    log_prob: float
    low: int  # the lowest column that counts in the end
    kept: np.ndarray  # (3, T): the entries of one column
    lost: float  # logarithm of what was dropped


@dataclass(frozen=True)
class _Aligned:
    log_p: np.ndarray  # (T, C): of the frames
    band: np.ndarray
    back: np.ndarray  # how each state of the band was entered
    last: int  # the state at the end
    score: float
    lost: float  # the best score that was dropped


def _multiple(one: np.ndarray, other: np.ndarray) -> tuple[float, float] | None:
    """By what entries (3, T) are others, but for rounding: a factor and a power. None if not."""
    if one.shape != other.shape or not one.size:
        return None
    at = int((other[0] + other[1]).argmax())
    power = one[2, at] - other[2, at]
    factor = float((one[0, at] + one[1, at]) / (other[0, at] + other[1, at]))
    with np.errstate(over="ignore", invalid="ignore"):
        same = other[:2] * factor * GROW ** (one[2] - other[2] - power)
    fits = factor > 0.0 and bool((np.abs(same - one[:2]) <= 1e-12 * one[:2] + 1e-200).all())
    return (factor, float(power)) if fits else None


def _sum(
    p: np.ndarray, blank: int, label: np.ndarray, way: np.ndarray, seen: np.ndarray, keep: int,
    needed: int, depth: float, gains: np.ndarray = NOWHERE, floors: np.ndarray = NOWHERE,
    slope: float = 0.0,
) -> _Summed:  # fmt: skip
    from crnn_lib.decoders._compiled.long import forward_window

    size, low, lost = len(label) - 1, np.zeros(1, np.int64), np.full(1, NEVER)
    kept = np.zeros((3, len(p) if keep >= 0 else 0))
    # Always the same types: for others the kernel would be compiled once more.
    way, gains = way.astype(np.int64, copy=False), np.ascontiguousarray(gains)
    value = forward_window(
        p, blank, label, way, size, needed, depth, floors, slope, gains, seen, seen.shape[1],
        keep, kept, np.empty((8, size + 1)), low, lost,
    )  # fmt: skip
    return _Summed(value, int(low[0]), kept, float(lost[0]))


def _align(
    log_p: np.ndarray, blank: int, label: np.ndarray, way: np.ndarray, depth: float,
    gains: np.ndarray,
) -> _Aligned:  # fmt: skip
    from crnn_lib.decoders._compiled.long import align_window

    size, room, lost = len(label) - 1, 256 * (len(log_p) + 1), np.full(1, NEVER)
    band, work = np.empty((len(log_p) + 1, 3), np.int64), np.empty((2, size + 1))
    back = np.empty(room, np.uint8)
    while not align_window(log_p, blank, label, way, size, depth, gains, work, band, back, lost):
        room *= 4
        back = np.empty(room, np.uint8)
        lost[0] = NEVER
    last = 2 * size - int(work[1, size] > work[0, size])
    return _Aligned(log_p, band, back, last, float(work[:, size].max()), float(lost[0]))


def whole_log_prob(
    log_p: np.ndarray, blank: int, label: Sequence[int], at_least: float = NEVER
) -> float:
    """Of a label on a whole line (T, C), with nothing left out that can show.

    It has ``at_least`` so much. What is below that by more than frames to come can bring is left
    out: see ``_floors``.
    """
    from crnn_lib.decoders._compiled.long import two_most
    from crnn_lib.decoders._compiled.scores import sum_of_logs

    p, classes, size = np.exp(log_p), np.array([-1, *label], np.int32), len(label)
    if ((p > 0.0) & (p < 1e-60)).any():  # a few frames, and the rest of a column is out of range
        return sum_of_logs(log_p, blank, classes[1:], size, np.empty((2, size + 1)))
    most = np.empty((2, len(p)))
    two_most(p, blank, most)
    with np.errstate(divide="ignore"):
        bounds = [
            (slope, np.log(p[:, blank] + max(1.0, up) * most[0] + min(1.0, up) * most[1]))
            for slope in SLOPES for up in (math.exp(slope),)
        ]  # fmt: skip
    floors, slope = _floors(bounds, size, at_least - 40.0)
    nothing = np.empty((3, 0))
    return _sum(
        p, blank, classes, classes, nothing, -1, size, math.inf, NOWHERE, floors, slope
    ).log_prob


def _floors(
    bounds: list[tuple[float, np.ndarray]], size: int, at_least: float
) -> tuple[np.ndarray, float]:
    """Below what an entry of a label's table cannot come to ``at_least`` in the end.

    From a place in the table a frame takes a mass on by a blank, by the character that it is on or
    by the next. Let each column more count ``exp(slope)``: then a frame multiplies by no more than
    the blank and the two most probable others, the first or second of them times ``exp(slope)``.
    What lacks m columns ends in the last one, so it has gained that of all frames, less m slopes.
    This holds for any slope; the best one bounds the whole line most tightly.

    Gets slopes with the logarithms of what frames multiply by, (T,). Returns a floor for each frame
    and the slope: an entry counts if it is above the floor by a slope for each column to come.
    """
    slope, gains = min(bounds, key=lambda bound: bound[1].sum() - size * bound[0])
    return at_least - (gains[::-1].cumsum()[::-1] - gains), slope


def whole_spans(log_p: np.ndarray, blank: int, label: Sequence[int], spans: Spans) -> Spans:
    """The spans of a label on the best alignment of a whole line (T, C), if these are not."""
    from crnn_lib.decoders._compiled.long import best_score

    classes, score = np.array([-1, *label], np.int32), alignment_score(log_p, blank, 0, spans)
    at_blank, others = log_p[:, blank], np.delete(log_p, blank, 1).max(1)
    bounds = [(slope, np.maximum(at_blank, others + max(0.0, slope))) for slope in SLOPES]
    floors, slope = _floors(bounds, len(label), score - 1e-9 * max(1.0, abs(score)))
    room = np.empty((2, len(classes)))
    best = best_score(log_p, blank, classes, len(label), floors, slope, room)
    depth, way = DEPTH, np.array([-1, *spans[:, 0]], np.int64)
    while alignment_score(log_p, blank, 0, spans) < best - 1e-9 * max(1.0, abs(best)):
        depth *= 2  # a band that is twice as wide
        found = _align(log_p, blank, classes, way, depth, np.zeros(len(log_p)))
        spans = traced(classes, found, len(log_p) - 1, found.last, 0)
    return spans


def _gains(p: np.ndarray, blank: int) -> np.ndarray:
    """For :meth:`Window.gains`, of frames (T, C)."""
    from crnn_lib.decoders._compiled.long import two_most

    most = np.empty((2, len(p)))
    two_most(p, blank, most)
    at_blank = p[:, blank]
    with np.errstate(divide="ignore"):
        return np.log(np.stack([at_blank + most[0] + most[1], np.maximum(at_blank, most[0])], 1))


def traced(label: np.ndarray, found: _Aligned, t: int, state: int, place: int) -> Spans:
    """Where the characters are on the best way to a state at frame ``t``; ``place`` is frame 0."""
    from crnn_lib.decoders._compiled.long import trace

    spans = np.zeros((len(label), 3))
    trace(found.log_p, label, found.band, found.back, t, state, spans)
    spans[:, :2] += place
    return spans[1 : (state + 1) // 2 + 1]


def alignment_score(log_p: np.ndarray, blank: int, place: int, spans: Spans) -> float:
    """Of frames (T, C) from ``place`` on: characters at their spans, and blanks elsewhere."""
    edges = np.zeros(len(log_p) + 1, np.int64)
    edges[spans[:, 0].astype(np.int64) - place] += 1
    edges[spans[:, 1].astype(np.int64) - place] -= 1
    at_blank = edges.cumsum()[:-1] == 0
    return float(log_p[at_blank, blank].sum() + spans[:, 2].sum())
