"""Lines that go on: read frame after frame, with memory for what is not settled yet.

Beams and best paths of long lines are read so too, whether they come in pieces or whole. All that
is decided on the way is decided at certain frames, wherever the pieces were cut: so the answer is
the same, to the last bit.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np

from crnn_lib.ctc import NEVER
from crnn_lib.decoders._blocks import beam_room, empty_page
from crnn_lib.decoders._compiled.records import FINE, MISSING, WRONG, BeamRoom
from crnn_lib.decoders.fusion import Fusion, _no_arcs

LONG = 512  # frames of a line that are kept in any case
STEP = 256  # frames until it is looked again what is settled
UNENDING = 1 << 29  # frames of a line whose end is not in sight; fewer than UNREACHABLE
BLOCK = 256  # frames that are checked at once


class Window:
    """The last frames of a line: those that the labels in question still depend on."""

    def __init__(self, classes: int, blank: int, sums: tuple[float, float]) -> None:
        self.blank, self.sums = blank, sums
        self.fed = self.start = 0  # frames that came, and the first that is kept
        self.mass = 1.0  # of all frames
        self.status = FINE
        self.next_look = LONG
        self._log_p, self._p = np.empty((2, LONG + STEP, classes))
        self._peak = np.empty(LONG + STEP)
        self._page = empty_page(1, classes)

    def add(self, log_p: np.ndarray) -> int:
        """Take up to ``BLOCK`` frames, (T, C) float64; returns FINE, RISKY or WRONG."""
        from crnn_lib.decoders._compiled.scores import read_line

        kept, new = self.fed - self.start, len(log_p)
        if kept + new > len(self._p):
            room = 2 * (kept + new)
            self._log_p, self._p, self._peak = (
                np.concatenate([x[:kept], np.empty((room - kept, *x.shape[1:]))])
                for x in (self._log_p, self._p, self._peak)
            )
        own = slice(kept, kept + new)
        self._log_p[own] = log_p
        status, self.mass = read_line(
            self._log_p[own], self.blank, *self.sums, self.mass, self._p[own], self._peak[own],
            self._page.bits, self._page.powers,
        )  # fmt: skip
        self.fed += new
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

    def looked(self, stop: int, needed: int) -> None:
        """Give up what is before the frame that is needed, and say when to look again."""
        before, kept = self.start, self.fed - needed
        for x in (self._log_p, self._p, self._peak):
            x[:kept] = x[needed - before : needed - before + kept].copy()
        self.start = needed
        # what cannot be given up is looked at again when it has grown by half
        self.next_look = stop + max(STEP, (stop - needed) // 2 if needed == before else 0)


class Track:
    """How a label has got to some frame: all that its probability and its spans still need.

    The first ``done`` of its classes are summed up in one column, that of the last of them: their
    spans are known, and the frames before ``start`` are needed no more. ``label`` holds the others.
    Labels that begin alike share what they have done.
    """

    def __init__(self, parent: Track | None = None, tail: Sequence[int] = ()) -> None:
        self.label: list[int] = [*(parent.label if parent else ()), *tail]
        self.done, self.start, self.place = 0, 0, 0  # place: the frame after all that is done
        self._before, self._seen = -1, np.empty((3, 0))
        self._past: tuple | None = None  # pairs: those before, and classes and spans of some more
        if parent:
            self.done, self.start, self.place = parent.done, parent.start, parent.place
            self._before, self._seen, self._past = parent._before, parent._seen, parent._past

    def log_prob(self, window: Window, tail: Sequence[int], stop: int) -> float:
        """Of the label with a tail, if frame ``stop`` ends the line."""
        return self._sum(window, self._ahead(tail), stop, -1)[0]

    def read(
        self, window: Window, tail: Sequence[int], stop: int, spans: list | None = None
    ) -> tuple[tuple[int, ...], list[tuple[int, int, float]]]:
        """All classes of the label with a tail, and their spans; ``spans`` are those not done."""
        label = self._ahead(tail)
        if spans is None and len(label) == 1:
            spans = []
        if spans is None:
            aligned = self._align(window, label, stop)
            spans = self._traced(label, *aligned, len(aligned[0]) - 1, self._last)
        classes, past = label[1:].tolist(), self._past
        while past:
            past, (own, found) = past
            classes, spans = own + classes, found + spans
        return tuple(classes), spans

    def _ahead(self, tail: Sequence[int]) -> np.ndarray:
        """The classes that are not done, behind the last one that is, or -1."""
        return np.array([self._before, *self.label, *tail], np.int32)

    def _sum(
        self, window: Window, label: np.ndarray, stop: int, keep: int
    ) -> tuple[float, int, np.ndarray]:
        """Also the lowest column that counts in the end, and the entries of column ``keep``."""
        from crnn_lib.decoders._compiled.long import forward_window

        size, (p, _) = len(label) - 1, window.between(self.start, stop)
        kept, low = np.zeros((3, len(p) if keep >= 0 else 0)), np.zeros(1, np.int64)
        value = forward_window(
            p, window.blank, label, size, self._seen, self._seen.shape[1], keep, kept,
            np.empty((2, size + 1)), low,
        )  # fmt: skip
        return value, int(low[0]), kept

    def _align(
        self, window: Window, label: np.ndarray, stop: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The frames from ``place`` on, and how each state of the band was entered."""
        from crnn_lib.decoders._compiled.long import align_window

        _, log_p = window.between(self.place, stop)
        size, room = len(label) - 1, 64 * (len(log_p) + 1)
        band, work = np.empty((len(log_p) + 1, 3), np.int64), np.empty((2, size + 1))
        back = np.empty(room, np.uint8)
        while not align_window(log_p, window.blank, label, size, work, band, back):
            room *= 4
            back = np.empty(room, np.uint8)
        self._last = 2 * size - int(work[1, size] > work[0, size])
        return log_p, band, back

    def _traced(
        self, label: np.ndarray, log_p: np.ndarray, band: np.ndarray, back: np.ndarray, t: int,
        state: int,
    ) -> list[tuple[int, int, float]]:  # fmt: skip
        from crnn_lib.decoders._compiled.long import trace

        starts, ends = np.zeros((2, len(label)), np.int64)
        scores = np.zeros(len(label))
        trace(log_p, label, band, back, t, state, starts, ends, scores)
        found = zip(
            (starts[1:] + self.place).tolist(), (ends[1:] + self.place).tolist(),
            scores[1:].tolist(), strict=True,
        )  # fmt: skip
        return [span for span in found if span[1] > self.place]

    def advance(self, window: Window, stop: int, spans: list | None = None) -> int:
        """Do what can be done of the label, by the frames up to ``stop``: how many classes.

        Without ``spans``, those of the classes that are not done, they are found by alignment.
        """
        from crnn_lib.decoders._compiled.long import common_way

        label = self._ahead(())
        if len(label) == 1:
            return 0
        _, low, _ = self._sum(window, label, stop, -1)
        if low > 0 and spans is None:
            log_p, band, back = self._align(window, label, stop)
            found = np.empty(2, np.int64)
            common_way(len(log_p), len(label) - 1, band, back, found)
            t, state = found.tolist()
            low = min(low, state // 2) if t >= 0 else 0
            spans = self._traced(label, log_p, band, back, t, state) if low > 0 else []
        low = min(low, len(spans or []))
        if low == 0 or spans is None:
            return 0
        _, _, kept = self._sum(window, label, stop, low)
        self._past = self._past, (self.label[:low], spans[:low])
        self._before, self.label = self.label[low - 1], self.label[low:]
        self.done, self.place = self.done + low, spans[low - 1][1]
        counts = (kept[0] + kept[1] > 0).nonzero()[0]
        first = min(int(counts[0]) if len(counts) else kept.shape[1], self.place - self.start)
        self.start, self._seen = self.start + first, kept[:, first:].copy()
        return low


def agrees(log_prob: float, label: Sequence[int], log_p: np.ndarray, blank: int) -> bool:
    """Whether a label's log-probability is the same when its line is read from behind.

    Forwards and backwards other entries of the table are dropped. Where what was dropped matters,
    as in a line of noise whose label wants nearly every frame, the two do not come to the same.
    """
    from crnn_lib.decoders._compiled.long import forward_window

    turned, size = np.exp(log_p[::-1]), len(label)
    value = forward_window(
        turned, blank, np.array([-1, *label[::-1]], np.int32), size, np.empty((3, 0)), 0, -1,
        np.zeros((3, 0)), np.empty((2, size + 1)), np.zeros(1, np.int64),
    )  # fmt: skip
    return abs(value - log_prob) <= 1e-9 * max(1.0, abs(log_prob))


class BeamLine:
    """A beam over a line that goes on."""

    def __init__(
        self, classes: int, blank: int, width: int, fusion: Fusion | None,
        sums: tuple[float, float],
    ) -> None:  # fmt: skip
        from crnn_lib.decoders._compiled.beam import begin_beam  # numba: slow to import

        self.window = Window(classes, blank, sums)
        self.width, self.fusion = width, fusion
        self.room = beam_room(width, LONG + STEP, classes)
        room = self.room
        begin_beam(
            fusion.start if fusion else 0, room.trie, room.work, room.ints, room.merged, room.at,
            room.log_scale,
        )  # fmt: skip
        self._root_state, self._root_weight = (fusion.start if fusion else 0), 0.0
        self.label: list[int] = []  # what is settled
        self._tracks = {0: Track()}  # of the nodes that were in the beam at the last look

    @property
    def status(self) -> int:
        return self.window.status

    def add(self, log_p: np.ndarray) -> int:
        """Take frames, (T, C) float64, and read on as far as their number allows.

        What a language forbids depends on how many frames are left: the last ones wait.
        """
        for first in range(0, len(log_p), BLOCK):
            status = self.window.add(log_p[first : first + BLOCK])
            if status == WRONG:
                return status
            wait = self.fusion.farthest if self.fusion else 0
            self._read(self.window.fed - wait, UNENDING)
        return self.status

    def _read(self, stop: int, end: int) -> None:
        while int(self.room.at[0]) < stop and self.status == FINE:
            until = min(stop, self.window.next_look)
            self.window.status = self._advance(self.room, until, end)
            if self.status == FINE and until == self.window.next_look:
                self._look(until)

    def _advance(self, room: BeamRoom, stop: int, end: int) -> int:
        """Take the beam of a room to a frame."""
        from crnn_lib.decoders._compiled.beam import beam_frames

        window = self.window
        p, peak = window.probabilities()
        while True:
            arcs = self.fusion.arcs if self.fusion else _no_arcs()
            status = int(
                beam_frames(p, peak, window.start, stop, end, window.blank, self.width, arcs, room)
            )
            if status != MISSING or not self.fusion:
                return status
            self.fusion.reach(self.beam(room)[1])

    def beam(self, room: BeamRoom | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Nodes, states and masses of the prefixes in the beam, the best first."""
        room = room or self.room
        count, now = int(room.at[2]), int(room.at[6])
        return room.ints[now, :count], room.ints[2 + now, :count], room.work[6, :count]

    # What is settled ------------------------------------------------------------------------------

    def common(self, room: BeamRoom | None = None) -> int:
        """The node of the prefix that all prefixes in the beam begin with."""
        parents = (room or self.room).trie[0]
        nodes = {-int(node) for node in self.beam(room)[0]}
        heap = list(nodes)
        heapq.heapify(heap)
        while len(heap) > 1:  # a parent has a lower number than its children
            parent = -int(parents[-heapq.heappop(heap)])
            if parent not in nodes:
                nodes.add(parent)
                heapq.heappush(heap, parent)
        return -heap[0] if heap else 0

    def tail(self, node: int, room: BeamRoom | None = None) -> list[int]:
        """The classes of a node behind the settled ones."""
        trie, tail = (room or self.room).trie, []
        while node > 0:
            tail.append(int(trie[1, node]))
            node = int(trie[0, node])
        return tail[::-1]

    def _look(self, stop: int) -> None:
        """Settle what all prefixes share, and give up what none of them needs."""
        root = self.common()
        settled = self.tail(root)
        self.label += settled
        if self.fusion:
            for c in settled:
                self._root_state, gain = self.fusion.step(self._root_state, c)
                self._root_weight += gain
        tracks = {}
        for node in self.beam()[0].tolist():
            tracks[node] = Track(*self._on_track(node))
            tracks[node].advance(self.window, stop)
        self._tracks = tracks
        if tracks:
            self.window.looked(stop, min(track.start for track in tracks.values()))
        else:
            self.window.looked(stop, self.window.start)
        self._shrink(root, self.window.next_look - stop)

    def _on_track(self, node: int) -> tuple[Track, list[int]]:
        """The track that a prefix began on, and the classes behind it."""
        trie, tail = self.room.trie, []
        while node not in self._tracks:
            tail.append(int(trie[1, node]))
            node = int(trie[0, node])
        return self._tracks[node], tail[::-1]

    def _shrink(self, root: int, frames: int) -> None:
        """Keep of the trie what leads from the root to the beam, with room for some frames."""
        old, nodes = self.room.trie, self.beam()[0]
        kept = {root}
        for node in nodes.tolist():
            while node not in kept:
                kept.add(node)
                node = int(old[0, node])
        order = sorted(kept)
        number = {node: i for i, node in enumerate(order)}
        trie = np.full((4, len(order) + self.width * frames + 2), -1, np.int32)
        for i, node in enumerate(order[1:], 1):
            above = number[int(old[0, node])]
            trie[:, i] = above, old[1, node], -1, trie[2, above]
            trie[2, above] = i
        self._tracks = {number[node]: track for node, track in self._tracks.items()}
        nodes[:] = [number[node] for node in nodes.tolist()]
        self.room = self.room._replace(trie=trie)
        self.room.at[1] = len(order)

    # The end --------------------------------------------------------------------------------------

    def guess(self) -> tuple[list[int], list[int], float]:
        """What is certain behind the settled label, a guess at what follows, and its score."""
        node = self.common()
        certain, room = self.tail(node), self.room
        ended = self._ahead_of_time()
        if ended is not None and len(self.beam(ended)[0]):
            room = ended
        nodes = self.beam(room)[0]
        if not len(nodes):
            return certain, [], NEVER
        rest = self.tail(int(nodes[0]), room)[len(certain) :]
        return certain, rest, math.log(self.beam(room)[2][0]) + float(room.log_scale[0])

    def _ahead_of_time(self) -> BeamRoom | None:
        """The beam if the line ended here, where frames wait."""
        waiting = self.window.fed - int(self.room.at[0])
        if not waiting:
            return None
        room = BeamRoom(*(x.copy() for x in self.room))
        needed = int(room.at[1]) + self.width * waiting + 2
        if needed > room.trie.shape[1]:
            more = np.empty((4, needed - room.trie.shape[1]), np.int32)
            room = room._replace(trie=np.concatenate([room.trie, more], axis=1))
        if self._advance(room, self.window.fed, self.window.fed) != FINE:
            return None
        return room

    def finish(self, keep: int) -> list[tuple]:
        """The best labels, each with its spans, log-probability, score, and bound on all others."""
        window, fusion = self.window, self.fusion
        frames = window.fed
        self._read(frames, frames)
        if self.status != FINE:
            return []
        nodes, states, masses = self.beam()
        log_scale, rest, rows = float(self.room.log_scale[0]), window.mass, []
        for node, state, mass in zip(nodes.tolist(), states.tolist(), masses.tolist(), strict=True):
            tail, weight, last = self.tail(node), self._root_weight, self._root_state
            if fusion:
                for c in tail:
                    last, gain = fusion.step(last, c)
                    weight += gain
            rest -= math.exp(min(math.log(mass) + log_scale - weight, 0.0)) if mass > 0 else 0.0
            weight += float(fusion.arcs.ends_at[state]) if fusion else 0.0
            if weight > NEVER:
                track, behind = self._on_track(node)
                log_prob = track.log_prob(window, behind, frames)
                rows.append((log_prob + weight, log_prob, track, behind))
        rows.sort(key=lambda row: -round(row[0], 9))
        unseen = math.log(max(rest, 0.0) + 1e-12) + (fusion.most(frames) if fusion else 0.0)
        other = max([unseen, *(row[0] for row in rows[keep:])])
        best = []
        for i, (score, log_prob, track, behind) in enumerate(rows[:keep]):
            rivals = [other, *(row[0] for row in rows[:2] if row is not rows[i])]
            over = max(log_prob, 0.0)  # by rounding: no probability is above 1
            label, spans = track.read(window, behind, frames)
            best.append((label, spans, log_prob - over, score - over, max(rivals)))
        return best


class PathLine:
    """The best path of a line that goes on."""

    def __init__(self, classes: int, blank: int, sums: tuple[float, float]) -> None:
        self.window, self._track = Window(classes, blank, sums), Track()
        self.label: list[int] = []
        self._last = blank
        self._spans: list[tuple[int, int, float]] = []  # of the characters that are not done
        self._open = (0, 0.0)  # where the run began that goes on, and its score

    def add(self, log_p: np.ndarray) -> int:
        """Take frames, (T, C) float64."""
        window = self.window
        for first in range(0, len(log_p), BLOCK):
            block = log_p[first : first + BLOCK]
            status = window.add(block)
            if status == WRONG:
                return status
            best = block.argmax(1)
            scores = block[np.arange(len(block)), best]
            t = window.fed - len(block)
            for c, score in zip(best.tolist(), scores.tolist(), strict=True):
                if c != self._last:
                    self._close(t)
                    if c != window.blank:
                        self.label.append(c)
                        self._track.label.append(c)
                        self._open = (t, 0.0)
                    self._last = c
                self._open = (self._open[0], self._open[1] + score)
                t += 1
                if t == window.next_look:
                    done = self._track.advance(window, t, self._spans)
                    del self._spans[:done]
                    window.looked(t, self._track.start)
        return window.status

    def _close(self, t: int) -> None:
        if self._last != self.window.blank:
            self._spans.append((self._open[0], t, self._open[1]))

    def finish(self) -> tuple:
        """The label, its spans, log-probability, score, and a bound on all others."""
        window = self.window
        self._close(window.fed)
        self._last = window.blank
        log_prob = self._track.log_prob(window, (), window.fed)
        rest = max(window.mass - math.exp(log_prob), 0.0)
        bound = math.log(rest) if rest > 0.0 else NEVER
        log_prob = min(log_prob, 0.0)  # above it by rounding only
        label, spans = self._track.read(window, (), window.fed, self._spans)
        return label, spans, log_prob, log_prob, bound
