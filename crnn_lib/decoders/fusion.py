"""A language, made ready for a decoder: its steps over the classes of an alphabet.

An automaton speaks of characters; a decoder thinks in classes and frames. It also has to know
early what can still come to an accepted end: how many frames a string needs from here on (a
repeated character needs a blank in between), and how much weight it can gather at best.

**What a decoder asks of a language.** A :class:`~crnn_lib.language.WeightedAutomaton`, whose tables
are whole, or any object that makes its states when they are reached:

``characters`` : str or tuple of str
    The K characters it knows, each once. A *column* is a place in them.
``start`` : int
    The state before the first character. States are whole numbers, given out from 0 on without
    gaps as they are first named. A number, once given, means the same state for good.
``num_states`` : int or None
    How many states there are, if all are numbered from the beginning; else None. With a number, all
    of them are asked for at once; ``exact_search`` needs that for its proofs.
``arcs(states)``
    The steps out of some states, (M,) int64, each state once: four arrays ``counts`` (M,),
    ``columns`` (E,), ``targets`` (E,), ``log_weights`` (E,). Those of the first state come first,
    ``counts`` says how many they are; within a state the columns rise. What is not among them is
    forbidden. All log-weights are finite. A state is asked for once and its answer kept.
``final_weights(states)``
    The log-weight of ending in each of them, (M,); ``-inf`` where no string may end. It is asked
    for with their steps.
``distances(states)``
    The least number of characters from each of them to an accepted end, (M,). A lower bound will
    do, such as 0 where a string may end: then a beam may keep what comes to no end in time.
``farthest`` : int
    The greatest of all distances, or a bound on it.
``most`` : float
    No string that is accepted has a log-weight above this: 0 for probabilities, ``inf`` if unknown.
    ``proven`` rests on it.

Arrays go in and out, never single states: a decoder asks for all states that a frame has reached.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from threading import Lock
from typing import Any

import numpy as np

from crnn_lib.alphabet import Alphabet, as_number, check_alphabet
from crnn_lib.ctc import NEVER
from crnn_lib.decoders._compiled.records import Arcs, Outlook, Steps
from crnn_lib.language import NOWHERE, Rule, WeightedAutomaton, respell

UNREACHABLE = 1 << 30  # frames that no line has
# Steps of an outlook for every line, of the one between, and of one for hard lines
COARSE, MOST, FINE = 2_000, 20_000, 500_000
UNKNOWN = -1  # where the steps of a state begin that no line has reached yet
STATE_COLUMNS = "first", "size", "ends_at", "near", "nearest", "again"
STEP_COLUMNS = "label", "target", "cost", "factor"
_HINTS = {  # what is no language yet, and what makes one of it
    "str": " parse_constraint makes one of a text.",
    "NGram": " Its method automaton() makes one.",
}


class Fusion:
    """An automaton over classes, its weights scaled; :func:`fuse` makes one.

    Only the allowed steps are kept, of each state the lower class first. Of an automaton whose
    states are made when they are reached, the steps of a state are asked for when a beam gets
    there, once, and kept for the next line.

    Attributes
    ----------
    classes : int
        Classes of the network, the blank included.
    start : int
        The state before the first class.
    whole : bool
        Whether all states are here.
    fits_floats : bool
        Whether all factors are numbers that products can be made of.
    """

    def __init__(
        self,
        language,
        class_of: np.ndarray,
        classes: int,
        language_weight: float = 1.0,
        length_bonus: float = 0.0,
    ) -> None:
        """``class_of`` (K,) is the class of each of the language's characters; -1: it has none."""
        self.classes, self.start = classes, int(language.start)
        self.whole, self.fits_floats = language.num_states is not None, True
        self._language, self._class_of = language, class_of
        self._weight, self._bonus, self._lock = language_weight, length_bonus, Lock()
        self._named = self._made = 0  # states that have a number, and steps
        self.arcs = _no_arcs(self.start)._replace(fused=True)
        self._name(language.num_states if self.whole else self.start + 1)
        if self.whole:
            self.reach(np.arange(self._named))
            self._count_frames()

    def __getstate__(self) -> dict:
        """A copy has a lock of its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state, _lock=Lock())

    # Its states and steps -------------------------------------------------------------------------

    def reach(self, states: np.ndarray) -> None:
        """Have the steps of some states at hand."""
        with self._lock:
            states = np.unique(states[self.arcs.first[states] == UNKNOWN]).astype(np.int64)
            if not len(states):
                return
            counts, columns, targets, weights = self._language.arcs(states)
            final = np.asarray(self._language.final_weights(states), np.float64)
            row, label = np.repeat(np.arange(len(states)), counts), self._class_of[columns]
            known = label >= 0
            row, label, target = row[known], label[known], targets[known]
            order = np.lexsort((label, row))
            row, label, target = row[order], label[order], target[order]
            cost = self._weight * weights[known][order] + self._bonus
            if len(targets):
                self._name(int(targets.max()) + 1)
            first, made = self._made, self._made + len(label)
            with np.errstate(over="ignore"):  # what is beyond a float is read in logarithms
                factor = np.exp(cost)
            largest = max(self.arcs.largest, float(factor.max(initial=0.0)))
            self.arcs = arcs = self.arcs._replace(
                largest=largest, **_grown(self.arcs, STEP_COLUMNS, made)
            )
            own = slice(first, made)
            arcs.label[own], arcs.target[own] = label, target
            arcs.cost[own], arcs.factor[own] = cost, factor
            arcs.size[states] = counts = np.bincount(row, minlength=len(states))
            ends = final > NEVER
            arcs.ends_at[states] = np.where(ends, self._weight * np.where(ends, final, 0.0), NEVER)
            # last: others take it to say that all of a state is here
            arcs.first[states] = first + counts.cumsum() - counts
            self._made = made
            self.fits_floats &= bool((np.abs(cost) < 400).all())

    def _name(self, count: int) -> None:
        """Have room for so many states, and ask of each new one how far it is to an end."""
        new = np.arange(self._named, count)
        if not len(new):
            return
        self.arcs = arcs = self.arcs._replace(**_grown(self.arcs, STATE_COLUMNS, count))
        arcs.first[new], arcs.size[new], arcs.nearest[new] = UNKNOWN, 0, -1
        if not self.whole:  # else they are counted in frames
            arcs.near[new] = arcs.again[new] = np.minimum(
                self._language.distances(new), UNREACHABLE
            )
        self._named = count

    @property
    def steps(self) -> Steps:
        """All steps, state by state. Only of a whole language."""
        arcs, states, made = self.arcs, self._named, self._made
        first = np.append(arcs.first[:states], np.int32(made))
        label, target, cost = arcs.label[:made], arcs.target[:made], arcs.cost[:made]
        return Steps(first, label, target, cost, arcs.ends_at[:states], self.start)

    # Frames to an end -----------------------------------------------------------------------------

    def _count_frames(self) -> None:
        """How many frames a string needs from each state, by relaxation.

        After a blank that is a state's ``near``. After a class it is the same, but for the class
        that begins the nearest way, ``nearest``: it needs a blank first, or another way, ``again``.
        """
        steps, arcs = self.steps, self.arcs
        own = slice(self._named)
        arcs.near[own] = arcs.again[own] = np.where(steps.ends_at > NEVER, 0, UNREACHABLE)
        starts = arcs.size[own].nonzero()[0]  # states with steps
        if not len(starts):
            return
        firsts = steps.first[starts]
        owner = np.repeat(np.arange(len(starts)), arcs.size[starts])
        label, target = steps.label.astype(np.int64), steps.target
        stays = np.isfinite(steps.ends_at[starts])
        while True:
            via = np.minimum(1 + self._frames(target, steps.label), UNREACHABLE)
            best, first_label = np.divmod(
                np.minimum.reduceat(via.astype(np.int64) << 32 | label, firsts), 1 << 32
            )
            others = np.where(label == first_label[owner], UNREACHABLE, via)
            second = np.minimum(np.minimum.reduceat(others, firsts), best + 1)
            best, second = np.where(stays, 0, best), np.where(stays, 0, second)
            if (best == arcs.near[starts]).all() and (second == arcs.again[starts]).all():
                return
            arcs.near[starts], arcs.nearest[starts] = best, first_label
            arcs.again[starts] = second

    def _frames(self, state: np.ndarray, label: np.ndarray) -> np.ndarray:
        arcs = self.arcs
        return np.where(label == arcs.nearest[state], arcs.again[state], arcs.near[state])

    @property
    def need(self) -> np.ndarray:
        """Frames that a string needs from a state to an accepted end, (S, C), int32.

        The column is the class of the frame before, as an alignment stands on it.
        """
        states, classes = np.arange(self._named)[:, None], np.arange(self.classes)[None]
        return self._frames(states, classes).astype(np.int32)

    @property
    def need_first(self) -> np.ndarray:
        """The same where the frame before is a blank, or there is none: (S,), int32."""
        return self.arcs.near[: self._named].copy()

    @cached_property
    def farthest(self) -> int:
        """The most frames that any state, from which there is an end, needs to it."""
        if not self.whole:
            return int(self._language.farthest)
        again = self.arcs.again[: self._named]
        return int(again[again < UNREACHABLE].max(initial=0))

    # How exact search looks ahead ---------------------------------------------------------------

    def outlooks(self, budget: int) -> list[tuple[Outlook, int]]:
        """What to look through, one after the other, and how many prefixes to expand with each.

        The language seen through its last class, through its last two classes, and as it is: each
        costs more and bounds better. With one a search goes on for about as long as it takes to
        look through the next, so that it is never much slower than with the right one.
        """
        fine = self._fine_steps
        if fine <= COARSE:
            return [(self.fine_outlook, budget)]
        outlooks = [self._last_class]
        if self._last_two_classes:
            outlooks.append(self._last_two_classes)
        if fine <= FINE:
            outlooks.append(self.fine_outlook)
        plan, left = [], budget
        for i, outlook in enumerate(outlooks):
            most = left
            if i + 1 < len(outlooks):  # an expansion takes as long as some four steps
                most = min(len(outlooks[i + 1].label) // 4, left // 2)
            plan.append((outlook, most))
            left -= most
        return plan

    @cached_property
    def _fine_steps(self) -> int:
        """How many steps the finest outlook has."""
        steps = self.steps
        ways = _distinct(steps.target.astype(np.int64) * self.classes + steps.label)
        counts = np.diff(steps.first)
        return int(counts[ways // self.classes].sum()) + int(counts[self.start])

    @cached_property
    def _last_class(self) -> Outlook:
        return self._some(self._outlook(lambda key, label, state: label + 1, lambda key: key - 1))

    @cached_property
    def _last_two_classes(self) -> Outlook | None:
        base = self.classes + 1  # a history is a number of two digits; 0: nothing before
        return self._outlook(
            lambda key, label, state: key % base * base + label + 1,
            lambda key: key % base - 1,
            MOST,
        )

    @cached_property
    def fine_outlook(self) -> Outlook:
        """The language as it is: a place of it is a state and the class that led there."""
        return self._some(
            self._outlook(
                lambda key, label, state: state.astype(np.int64) * self.classes + label + 1,
                lambda key: np.where(key == 0, -1, (key - 1) % self.classes),
            )
        )

    @staticmethod
    def _some(outlook: Outlook | None) -> Outlook:
        if outlook is None:
            raise AssertionError("without a limit there is always an outlook")
        return outlook

    def _outlook(self, after: Callable, last: Callable, most: float = math.inf) -> Outlook | None:
        """Merge all ways of the language that have the same key, which begins as 0.

        ``after(key, label, state)`` is the key behind a step, ``last(key)`` the class it ends in.
        None if there are more than ``most`` steps between keys.
        """
        steps, states = self.steps, self._named
        with np.errstate(over="ignore"):
            factor = np.exp(steps.cost)
        ways = frontier = np.array([self.start], np.int64)  # key * states + state
        seen: list[tuple] = []
        moves = np.zeros(0, np.int64)
        while len(frontier):
            key, state = np.divmod(frontier, states)
            counts = steps.first[state + 1] - steps.first[state]
            edge = np.arange(counts.sum()) + np.repeat(
                steps.first[state] - (counts.cumsum() - counts), counts
            )
            key, label = np.repeat(key, counts), steps.label[edge]
            target = steps.target[edge]
            key_after = after(key, label, target)
            seen.append((key * self.classes + label, key_after, factor[edge]))
            moves = _distinct(moves, seen[-1][0])
            if len(moves) > most:
                return None
            found = _distinct(key_after * states + target)
            frontier = np.setdiff1d(found, ways, assume_unique=True)
            ways = _distinct(ways, frontier)
        move, key_after, weight = (np.concatenate(columns) for columns in zip(*seen, strict=True))
        which = np.searchsorted(moves, move)
        target, best = np.zeros(len(moves), np.int64), np.zeros(len(moves))
        target[which] = key_after  # one key and one class lead to one key
        np.maximum.at(best, which, weight)
        key, state = np.divmod(ways, states)
        keys, place = np.unique(key, return_inverse=True)
        ends_at = np.full(len(keys), NEVER)
        np.maximum.at(ends_at, place.reshape(-1), steps.ends_at[state])
        from_key, label = np.divmod(moves, self.classes)
        counts = np.diff(np.searchsorted(from_key, np.append(keys, keys[-1] + 1)))
        # Places with as many steps stand side by side: a loop over them is then soon foretold.
        order = np.append(0, 1 + counts[1:].argsort(kind="stable"))
        number = order.argsort()  # of each key
        by_place = number[np.searchsorted(keys, from_key)].argsort(kind="stable")
        return Outlook(
            np.append(0, counts[order].cumsum()).astype(np.int32),
            label[by_place].astype(np.int32),
            number[np.searchsorted(keys, target[by_place])].astype(np.int32),
            best[by_place],
            ends_at[order],
            last(keys[order]).astype(np.int32),
        )

    # The most that a string can gather ------------------------------------------------------------

    def most(self, length: int) -> float:
        """The best that any string of at most so many characters can gather."""
        if not self.whole:
            top = self._language.most
            return self._weight * max(top, 0.0) + max(self._bonus, 0.0) * length
        with self._lock:  # each length once, whoever asks
            gains = self._gains
            while len(gains) <= length and (len(gains) < 2 or not self._gathered):
                self._gather()
        return gains[min(length, len(gains) - 1)]

    @cached_property
    def _gains(self) -> list[float]:
        """By length, as far as it was asked for; the last holds for all that are longer."""
        ends_at = self.arcs.ends_at[: self._named]
        self._ahead, self._gathered = ends_at, False
        return [float(ends_at[self.start])]

    def _gather(self) -> None:
        """One character more."""
        steps, size = self.steps, self.arcs.size[: self._named]
        new, starts = steps.ends_at.copy(), size.nonzero()[0]
        if len(starts):
            ahead = steps.cost + self._ahead[steps.target]
            new[starts] = np.maximum(new[starts], np.maximum.reduceat(ahead, steps.first[starts]))
        self._gathered = bool((new == self._ahead).all())
        self._ahead = new
        self._gains.append(float(new[self.start]))

    # For one label at a time, and slowly ----------------------------------------------------------

    def step(self, state: int, c: int) -> tuple[int, float]:
        """Where a class leads, or ``NOWHERE``, and what it adds."""
        if state == NOWHERE:
            return NOWHERE, NEVER
        arcs, first, end = self._own(state)
        at = first + int(arcs.label[first:end].searchsorted(c))
        if at == end or arcs.label[at] != c:
            return NOWHERE, NEVER
        return int(arcs.target[at]), float(arcs.cost[at])

    def _own(self, state: int) -> tuple[Arcs, int, int]:
        """The steps, and which of them are a state's."""
        self.reach(np.array([state]))
        first = int(self.arcs.first[state])
        return self.arcs, first, first + int(self.arcs.size[state])

    def state_after(self, label: Sequence[int]) -> int:
        """Where a label leads, or ``NOWHERE``."""
        state = self.start
        for c in label:
            state, _ = self.step(state, c)
        return state

    def weight(self, label: Sequence[int], *, end: bool = True) -> float:
        """What a label adds to its score; ``-inf`` if it is not accepted."""
        state, total = self.start, 0.0
        for c in label:
            state, gain = self.step(state, c)
            total += gain
        return total if total == NEVER or not end else total + self.ends_at(state)

    def ends_at(self, state: int) -> float:
        """What ending in a state adds."""
        return float(self._own(state)[0].ends_at[state])

    def weights_after(self, label: Sequence[int]) -> list[float]:
        """What each class would add after a label: C numbers."""
        weights, state = [NEVER] * self.classes, self.state_after(label)
        if state != NOWHERE:
            arcs, first, end = self._own(state)
            for c, cost in zip(arcs.label[first:end], arcs.cost[first:end], strict=True):
                weights[c] = float(cost)
        return weights

    def fits(self, label: Sequence[int], at_blank: bool, left: int) -> bool:
        """Whether a label can still become an accepted one in the frames that are left."""
        state = np.array(self.state_after(label))
        if at_blank or not label:
            return bool(self.arcs.near[state] <= left)
        return bool(self._frames(state, np.array(label[-1])) <= left)


def _distinct(*numbers: np.ndarray) -> np.ndarray:
    """``np.unique`` of whole numbers, sorted: NumPy 2.3 hashes them, in ten times as long."""
    found = np.sort(np.concatenate(numbers))
    first = np.ones(len(found), bool)
    first[1:] = found[1:] != found[:-1]
    return found[first]


def _no_arcs(start: int = 0) -> Arcs:
    """No language: one state, so that there is something to look at, and no step."""
    state = {name: np.zeros(1, np.int32) for name in STATE_COLUMNS}
    step = {name: np.zeros(1, np.int32) for name in STEP_COLUMNS}
    real = {name: np.zeros(1) for name in ("ends_at", "cost", "factor")}
    return Arcs(False, start, 1.0, **(state | step | real))


def _grown(arcs: Arcs, names: tuple[str, ...], count: int) -> dict[str, Any]:
    """Some of the arrays with room for so many entries; if it was too small, twice as much."""
    columns = {}
    for name in names:
        column = getattr(arcs, name)
        if count > len(column):
            larger = np.empty(max(count, 2 * len(column)), column.dtype)
            larger[: len(column)] = column
            columns[name] = larger
    return columns


def fuse(
    language,
    alphabet: Alphabet,
    language_weight: float = 1.0,
    length_bonus: float = 0.0,
) -> Fusion | None:
    """A language over the classes of an alphabet. None if nothing is to be added.

    Made once, and kept with the language. Where the alphabet's characters take several code points
    and the language's do not, the language reads them one code point after the other
    (:func:`crnn_lib.language.respell`).

    Parameters
    ----------
    language : WeightedAutomaton or what has its methods, optional
        See above what a decoder asks of it.
    alphabet : Alphabet
    language_weight, length_bonus : float
        As for :func:`~crnn_lib.decoders.prefix_beam_search`. The bonus is one per character of the
        alphabet.

    Raises
    ------
    TypeError
        If the language is no automaton.
    ValueError
        If none of its characters are in the alphabet, or a weight is not finite or negative.
    """
    check_alphabet(alphabet)
    if isinstance(language, Rule):
        language = language.over(alphabet.characters)
    if language is not None and not hasattr(language, "arcs"):
        raise TypeError(
            "language is an Automaton, a Rule, a Mixture or None; got "
            f"{type(language).__name__}." + _HINTS.get(type(language).__name__, "")
        )
    if not 0 <= as_number(language_weight) < math.inf:
        raise ValueError(
            f"language_weight is a finite number, 0 or more; got {language_weight!r:.80}. A weight "
            "of 0 keeps what the language forbids and forgets what it prefers."
        )
    if not math.isfinite(as_number(length_bonus)):
        raise ValueError(
            f"length_bonus is a finite number per character; got {length_bonus!r:.80}."
        )
    if language is None and length_bonus == 0:
        return None
    return _fuse(language, alphabet, float(language_weight), float(length_bonus))


@lru_cache(maxsize=8)
def _fuse(language, alphabet, language_weight, length_bonus) -> Fusion:
    if language is None:
        anything = np.zeros((1, len(alphabet.characters)))
        language = WeightedAutomaton(
            alphabet.characters, anything.astype(np.int32), anything, np.zeros(1)
        )
    shared = set(language.characters) & {*alphabet.characters, *"".join(alphabet.characters)}
    if language.characters and not shared:
        raise ValueError(
            f"The language knows the characters {language.characters!r}, the alphabet has "
            f"{alphabet.characters!r}: they share none. Build the language over the alphabet's."
        )
    if isinstance(language.characters, str) and isinstance(alphabet.characters, tuple):
        language = respell(language, alphabet.characters)
    # "th" is in the str "other", and is none of its characters; its class is that of no spelling
    known = set(alphabet.characters)
    class_of = [alphabet.encode(c)[0] if c in known else -1 for c in language.characters]
    return Fusion(
        language, np.array(class_of, np.int32), alphabet.num_classes, language_weight, length_bonus
    )
