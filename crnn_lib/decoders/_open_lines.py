"""Lines that go on: read frame after frame, with memory for what is not settled yet.

Beams and best paths of long lines are read so too, whether they come in pieces or whole. All that
is decided on the way is decided at certain frames, wherever the pieces were cut: so the answer is
the same, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from crnn_lib.ctc import NEVER
from crnn_lib.decoders import _windows
from crnn_lib.decoders._blocks import beam_room
from crnn_lib.decoders._compiled.records import FINE, MISSING, WRONG, BeamRoom
from crnn_lib.decoders._windows import (
    NOTHING,
    Tail,
    Track,
    Window,
    whole_log_prob,
    whole_spans,
)
from crnn_lib.decoders.fusion import Fusion, _no_arcs

UNENDING = 1 << 29  # frames of a line whose end is not in sight; fewer than UNREACHABLE
# Tails, the last class first: of pairs, what the first holds comes first.
Rope = Tail | tuple | None


class BeamLine:
    """A beam over a line that goes on."""

    def __init__(
        self, classes: int, blank: int, width: int, fusion: Fusion | None,
        sums: tuple[float, float],
    ) -> None:  # fmt: skip
        from crnn_lib.decoders._compiled.beam import begin_beam  # numba: slow to import

        self.window = Window(classes, blank, sums)
        self.width, self.fusion = width, fusion
        self.room = beam_room(width, _windows.LONG + _windows.STEP, classes)
        room = self.room
        begin_beam(
            fusion.start if fusion else 0, blank, room.trie, room.masses, room.work, room.ints,
            room.merged, room.at, room.log_scale,
        )  # fmt: skip
        self._root_state, self._root_weight = (fusion.start if fusion else 0), 0.0
        self.label: list[int] = []  # what is settled
        # Of the node that all nodes in the beam came from at the last look. Of these too, where it
        # is too far back.
        self._tracks = {0: Track()}
        self._between: dict[int, Rope] = {}  # what a node's parent has not above it any more
        self.sure = True  # whether nothing that was dropped can matter for what finish() gives

    @property
    def status(self) -> int:
        return self.window.status

    def add(self, log_p: np.ndarray) -> int:
        """Take frames, (T, C) float64, and read on as far as their number allows.

        What a language forbids depends on how many frames are left: the last ones wait.
        """
        for first in range(0, len(log_p), _windows.BLOCK):
            status = self.window.add(log_p[first : first + _windows.BLOCK])
            if status == WRONG:
                return status
            wait = self.fusion.farthest if self.fusion else 0
            self._read(self.window.fed - wait, UNENDING)
        return self.status

    def _read(self, stop: int, end: int) -> None:
        while int(self.room.at[0]) < stop and self.status == FINE:
            until = min(stop, self.window.next_look)
            self.window.status = self._advance(self.room, until, end)
            if self.status == FINE and not len(self.beam()[0]):
                # What the language accepts does not come any more, whatever follows.
                self.room.at[0] = until
                if until == self.window.next_look:
                    self.window.looked(until, until)
            elif self.status == FINE and until == self.window.next_look:
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
        count, now = int(room.at[2]), int(room.at[3])
        return room.ints[now, :count], room.ints[2 + now, :count], room.masses[:count]

    # What is settled ------------------------------------------------------------------------------

    def common(self, room: BeamRoom | None = None) -> int:
        """The node of the prefix that all prefixes in the beam begin with."""
        from crnn_lib.decoders._compiled.tries import common_node

        room = room or self.room
        return int(common_node(room.trie, self.beam(room)[0], np.zeros(room.at[1], np.uint8)))

    def tail(self, node: int, room: BeamRoom | None = None) -> list[int]:
        """The classes of a node behind the settled ones."""
        return _flat(self._climb(node, {0}, room)[1])[0].tolist()

    def _climb(
        self, node: int, ends: Collection[int], room: BeamRoom | None = None
    ) -> tuple[int, Rope]:
        """The nearest of some nodes that leads to a node, or 0, and what is behind it."""
        from crnn_lib.decoders._compiled.tries import climb

        room = room or self.room
        stops = np.zeros(room.at[1], np.bool_)
        rope: Rope = None
        stops[[0, *(k for k in ends if k < len(stops)), *self._between]] = True
        found = np.empty((2, len(stops)), np.int32)
        while node != 0 and node not in ends:
            if node in self._between:
                rope = rope, (room.trie[1::3, node, None].copy(), self._between[node])
                node = int(room.trie[0, node])
            else:
                node, size = climb(room.trie, node, stops, found)
                rope = rope, found[:, :size].copy()
        return node, rope

    def _look(self, stop: int) -> None:
        """Settle what all prefixes share, and give up what none of them needs."""
        from crnn_lib.decoders._compiled.tries import KEPT, mark_nodes

        root = self.common()
        settled = self.tail(root)
        self.label += settled
        if self.fusion:
            for c in settled:
                self._root_state, gain = self.fusion.step(self._root_state, c)
                self._root_weight += gain
        nodes, flags = self.beam()[0], np.zeros(self.room.at[1], np.uint8)
        mark_nodes(self.room.trie, nodes, root, flags)
        kept = {int(node): None for node in (flags >= KEPT).nonzero()[0]}  # parents come first
        children: dict[int, list[int]] = {node: [] for node in kept}
        above, between = {}, {}
        for node in kept:
            if node != root:
                above[node], between[node] = self._parent(node, kept)
                children[above[node]].append(node)
        self._tracks = self._followed(root, stop, set(nodes.tolist()), children)
        starts = [track.start for track in self._tracks.values()]
        self.window.looked(stop, min(starts, default=self.window.start))
        self._shrink(above, between, self.window.next_look - stop)

    def _parent(self, node: int, kept: Collection[int]) -> tuple[int, Rope]:
        """The nearest node above that is kept, and what is between."""
        above, rope = int(self.room.trie[0, node]), self._between.get(node)
        if above not in kept:
            above, more = self._climb(above, kept)
            rope = rope, more
        return above, rope

    def _followed(
        self, node: int, stop: int, nodes: Collection[int], children: dict[int, list[int]]
    ) -> dict[int, Track]:
        """Tracks up to a frame, so that each of the ``nodes`` from this one on has one behind it.

        One does for many, unless that needs frames from far back: then they share little.
        """
        track = self._on_track(node)
        if track is not None and track.start >= self.window.start:
            track.advance(self.window, stop)
            if track.start >= stop - _windows.LONG or not children[node]:
                return {node: track}
        found = {node: track} if node in nodes and track is not None else {}
        for child in children[node]:
            while child not in nodes and len(children[child]) == 1:
                child = children[child][0]
            found |= self._followed(child, stop, nodes, children)
        return found

    def _tracked(self, node: int) -> Track:
        """The track of a node in the beam."""
        track = self._on_track(node)
        assert track is not None, node  # a look leaves none without
        return track

    def _on_track(self, node: int) -> Track | None:
        """A node's track, from the nearest that leads there, if one does."""
        above, rope = self._climb(node, self._tracks)
        track = self._tracks.get(above)
        return Track(track, _flat(rope)) if track else None

    def _shrink(self, above: dict[int, int], between: dict[int, Rope], frames: int) -> None:
        """Keep some nodes of the trie, below those above them, with room for some frames."""
        old, number = self.room.trie, {node: i for i, node in enumerate(above, 1)}
        trie = np.full((5, len(above) + self.width * frames + 3), -1, np.int32)
        for node, i in number.items():
            up = number.get(above[node], 0)
            trie[:, i] = up, old[1, node], -1, trie[2, up], old[4, node]
            trie[2, up] = i
        self._between = {number[n]: rope for n, rope in between.items() if rope is not None}
        self._tracks = {number.get(node, 0): track for node, track in self._tracks.items()}
        nodes = self.beam()[0]
        nodes[:] = [number.get(node, 0) for node in nodes.tolist()]
        self.room = self.room._replace(trie=trie)
        self.room.at[1] = len(number) + 1

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
            more = np.empty((5, needed - room.trie.shape[1]), np.int32)
            room = room._replace(trie=np.concatenate([room.trie, more], axis=1))
        if self._advance(room, self.window.fed, self.window.fed) != FINE:
            return None
        return room

    def finish(self, keep: int, log_p: np.ndarray | None = None) -> list[tuple]:
        """The best labels, each with its spans, log-probability, score, and bound on all others.

        With all frames, (T, C) float64, what is not sure is looked at again with nothing left out.
        """
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
            weight += fusion.ends_at(state) if fusion else 0.0
            if weight > NEVER:
                log_prob, sure = self._tracked(node).log_prob(window, frames)
                self.sure &= sure
                rows.append((log_prob + weight, log_prob, weight, node))
        rows.sort(key=_by_score)
        if log_p is not None and not self.sure:
            exact = [self._whole(log_p, row) for row in rows[:keep]]
            if exact != rows[:keep]:
                exact += [self._whole(log_p, row) for row in rows[keep:]]
                rows = sorted(exact, key=_by_score)
        unseen = math.log(max(rest, 0.0) + 1e-12) + (fusion.most(frames) if fusion else 0.0)
        other = max([unseen, *(row[0] for row in rows[keep:])])
        best = []
        for i, (score, log_prob, _, node) in enumerate(rows[:keep]):
            rivals = [other, *(row[0] for row in rows[:2] if row is not rows[i])]
            over = max(log_prob, 0.0)  # by rounding: no probability is above 1
            label, spans, sure = self._tracked(node).read(window, frames)
            self.sure &= sure
            if log_p is not None and not sure:
                spans = whole_spans(log_p, window.blank, label, spans)
            best.append((label, spans, log_prob - over, score - over, max(rivals)))
        return best

    def _whole(self, log_p: np.ndarray, row: tuple) -> tuple[float, float, float, int]:
        """A score, a log-probability, what the language adds, and a node: by the whole line."""
        _, log_prob, weight, node = row
        label = self.label + self.tail(node)
        exact = _checked(log_prob, whole_log_prob(log_p, self.window.blank, label, log_prob))
        return exact + weight, exact, weight, node


def _by_score(row: tuple) -> float:
    return -round(row[0], 9)


def _flat(rope: Rope) -> Tail:
    """What a rope holds, in the order of reading."""
    pieces, waiting = [NOTHING], [rope]
    while waiting:
        piece = waiting.pop()
        if isinstance(piece, tuple):
            waiting += piece[1], piece[0]
        elif piece is not None:
            pieces.append(piece)
    return np.concatenate(pieces, axis=1)[:, ::-1]


def _checked(value: float, exact: float) -> float:
    """The value, or the exact one if they differ by more than rounding."""
    return value if math.isclose(value, exact, rel_tol=1e-9, abs_tol=1e-9) else exact


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
        for first in range(0, len(log_p), _windows.BLOCK):
            block = log_p[first : first + _windows.BLOCK]
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
                        self._track.way.append(t)
                        self._open = (t, 0.0)
                    self._last = c
                self._open = (self._open[0], self._open[1] + score)
                t += 1
                if t == window.next_look:
                    done = self._track.advance(window, t, np.array(self._spans).reshape(-1, 3))
                    del self._spans[:done]
                    window.looked(t, self._track.start)
        return window.status

    def _close(self, t: int) -> None:
        if self._last != self.window.blank:
            self._spans.append((self._open[0], t, self._open[1]))

    def finish(self, log_p: np.ndarray | None = None) -> tuple:
        """The label, its spans, log-probability, score, and a bound on all others.

        With all frames, (T, C) float64, what is not sure is summed again with nothing left out.
        """
        window = self.window
        self._close(window.fed)
        self._last = window.blank
        log_prob, self.sure = self._track.log_prob(window, window.fed)
        if log_p is not None and not self.sure:
            exact = whole_log_prob(log_p, window.blank, self.label, log_prob)
            log_prob = _checked(log_prob, exact)
        rest = max(window.mass - math.exp(log_prob), 0.0)
        bound = math.log(rest) if rest > 0.0 else NEVER
        log_prob = min(log_prob, 0.0)  # above it by rounding only
        label, spans, _ = self._track.read(window, window.fed, np.array(self._spans).reshape(-1, 3))
        return label, spans, log_prob, log_prob, bound
