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
    The log-weight of ending in each of them, (M,); ``-inf`` where no string may end.
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
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import NEVER
from crnn_lib.decoders._compiled.records import Outlook, Steps
from crnn_lib.language import NOWHERE, WeightedAutomaton, respell

UNREACHABLE = 1 << 30  # frames that no line has
# Steps of an outlook for every line, of the one between, and of one for hard lines
COARSE, MOST, FINE = 2_000, 20_000, 500_000


@dataclass(frozen=True, eq=False)
class Fusion:
    """An automaton over classes, its weights scaled. S states, C classes.

    Attributes
    ----------
    step : ndarray, (S, C), int32
        The state after a class; -1 where that is forbidden, and for the blank.
    cost : ndarray, (S, C)
        What a step adds to the score: language weight times log-weight, and the length bonus.
    ends_at : ndarray, (S,)
        What ending there adds; ``-inf`` if no string may.
    start : int
    """

    step: np.ndarray
    cost: np.ndarray
    ends_at: np.ndarray
    start: int

    @cached_property
    def factor(self) -> np.ndarray:
        """``exp(cost)``, for decoders that multiply: (S, C)."""
        return np.exp(self.cost)

    @cached_property
    def fits_floats(self) -> bool:
        """Whether all factors are numbers that products can be made of."""
        steps = self.cost[self.step >= 0]
        return not steps.size or bool(np.abs(steps).max() < 400)

    @cached_property
    def need(self) -> np.ndarray:
        """Frames that a string needs from a state to an accepted end, (S, C), int32.

        The column is the class of the frame before, as an alignment stands on it.
        """
        rows = np.arange(len(self.step))
        need = np.where(np.isfinite(self.ends_at)[:, None], 0, UNREACHABLE).repeat(self.classes, 1)
        while True:
            via = self._frames_via(need)  # (S, C)
            nearest = via.argmin(1)
            best = via[rows, nearest]
            via[rows, nearest] = UNREACHABLE
            best_but_nearest = via.min(1)
            # Any other class comes right after; the same class needs a blank before it.
            new = np.minimum(need, best[:, None])
            again = np.minimum(best + 1, best_but_nearest)
            new[rows, nearest] = np.minimum(need[rows, nearest], again)
            if (new == need).all():
                return need.astype(np.int32)
            need = new

    @cached_property
    def need_first(self) -> np.ndarray:
        """The same where the frame before is a blank, or there is none: (S,), int32."""
        here = np.where(np.isfinite(self.ends_at), 0, UNREACHABLE)
        return np.minimum(here, self._frames_via(self.need).min(1)).astype(np.int32)

    def _frames_via(self, need: np.ndarray) -> np.ndarray:
        columns = np.arange(self.classes)
        return np.where(
            self.step >= 0, np.minimum(1 + need[self.step, columns], UNREACHABLE), UNREACHABLE
        )

    @cached_property
    def steps(self) -> Steps:
        """The allowed steps alone, state by state, of each the lower class first."""
        state, label = (self.step >= 0).nonzero()
        first = np.searchsorted(state, np.arange(len(self.step) + 1)).astype(np.int32)
        target, cost = self.step[state, label], self.cost[state, label]
        return Steps(first, label.astype(np.int32), target, cost, self.ends_at, self.start)

    def outlooks(self, budget: int) -> list[tuple[Outlook, int]]:
        """What to look through, one after the other, and how many prefixes to expand with each.

        The language seen through its last class, through its last two classes, and as it is: each
        costs more and bounds better. With one a search goes on for about as long as it takes to
        look through the next, so that it is never much slower than with the right one.
        """
        ways = np.unique(self.steps.target.astype(np.int64) * self.classes + self.steps.label)
        counts = np.diff(self.steps.first)
        fine = int(counts[ways // self.classes].sum()) + int(counts[self.start])
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
        steps, factor, states = self.steps, np.exp(self.steps.cost), len(self.step)
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
            moves = np.union1d(moves, seen[-1][0])
            if len(moves) > most:
                return None
            found = np.unique(key_after * states + target)
            frontier = np.setdiff1d(found, ways, assume_unique=True)
            ways = np.union1d(ways, frontier)
        move, key_after, weight = (np.concatenate(columns) for columns in zip(*seen, strict=True))
        which = np.searchsorted(moves, move)
        target, best = np.zeros(len(moves), np.int64), np.zeros(len(moves))
        target[which] = key_after  # one key and one class lead to one key
        np.maximum.at(best, which, weight)
        key, state = np.divmod(ways, states)
        keys, place = np.unique(key, return_inverse=True)
        ends_at = np.full(len(keys), NEVER)
        np.maximum.at(ends_at, place.reshape(-1), self.ends_at[state])
        from_key, label = np.divmod(moves, self.classes)
        first = np.searchsorted(from_key, np.append(keys, keys[-1] + 1))
        return Outlook(
            first.astype(np.int32),
            label.astype(np.int32),
            np.searchsorted(keys, target).astype(np.int32),
            best,
            ends_at,
            last(keys).astype(np.int32),
        )

    @property
    def classes(self) -> int:
        """Classes of the network, the blank included."""
        return self.step.shape[1]

    def most(self, length: int) -> float:
        """The best that any string of at most so many characters can gather."""
        most = self.ends_at
        for _ in range(length):
            ahead = np.where(self.step >= 0, self.cost + most[self.step], NEVER)
            new = np.maximum(self.ends_at, ahead.max(1))
            if (new == most).all():
                break
            most = new
        return float(most[self.start])

    # For one label at a time, and slowly:

    def state_after(self, label: Sequence[int]) -> int:
        """Where a label leads, or ``NOWHERE``."""
        state = self.start
        for c in label:
            state = int(self.step[state, c]) if state != NOWHERE else NOWHERE
        return state

    def weight(self, label: Sequence[int], *, end: bool = True) -> float:
        """What a label adds to its score; ``-inf`` if it is not accepted."""
        steps = (self.weights_after(label[:i])[c] for i, c in enumerate(label))
        total = float(sum(steps))
        if total == NEVER or not end:
            return total
        return total + float(self.ends_at[self.state_after(label)])

    def weights_after(self, label: Sequence[int]) -> list[float]:
        """What each class would add after a label: C numbers."""
        state = self.state_after(label)
        return self.cost[state].tolist() if state != NOWHERE else [NEVER] * self.classes

    def fits(self, label: Sequence[int], at_blank: bool, left: int) -> bool:
        """Whether a label can still become an accepted one in the frames that are left."""
        state = self.state_after(label)
        if at_blank or not label:
            return bool(self.need_first[state] <= left)
        return bool(self.need[state, label[-1]] <= left)


def fuse(
    language: WeightedAutomaton | None,
    alphabet: Alphabet,
    language_weight: float = 1.0,
    length_bonus: float = 0.0,
) -> Fusion | None:
    """Tables for a language over the classes of an alphabet. None if nothing is to be added.

    Where the alphabet's characters take several code points and the language's do not, the language
    reads them one code point after the other (:func:`crnn_lib.language.respell`).

    Parameters
    ----------
    language : WeightedAutomaton, optional
    alphabet : Alphabet
    language_weight, length_bonus : float
        As for :func:`~crnn_lib.decoders.prefix_beam_search`. The bonus is one per character of the
        alphabet.

    Raises
    ------
    TypeError
        If the language is no :class:`WeightedAutomaton`.
    ValueError
        If none of its characters are in the alphabet, or a weight is not finite or negative.
    """
    if language is not None and not isinstance(language, WeightedAutomaton):
        raise TypeError(
            f"language is a Mixture, a WeightedAutomaton or None; got {type(language).__name__}."
        )
    if not 0 <= language_weight < math.inf:
        raise ValueError(
            f"language_weight is a finite number, 0 or more; got {language_weight}. A weight of "
            "0 keeps what the language forbids and forgets what it prefers."
        )
    if not math.isfinite(length_bonus):
        raise ValueError(f"length_bonus is a finite number per character; got {length_bonus}.")
    if language is None:
        if length_bonus == 0:
            return None
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
    return _fuse(language, alphabet, float(language_weight), float(length_bonus))


@lru_cache(maxsize=8)
def _fuse(language, alphabet, language_weight, length_bonus) -> Fusion:
    if isinstance(language.characters, str) and isinstance(alphabet.characters, tuple):
        language = respell(language, alphabet.characters)
    states, classes = language.num_states, alphabet.num_classes
    step = np.full((states, classes), NOWHERE, np.int32)
    cost = np.full((states, classes), NEVER)
    known = set(alphabet.characters)  # "th" is in the str "other", and is none of its characters
    for column, character in enumerate(language.characters):
        if character in known:
            (c,) = alphabet.encode(character)  # no other spelling has fewer characters
            step[:, c] = language.next_state[:, column]
            allowed = step[:, c] >= 0
            weights = language.log_weight[allowed, column]
            cost[allowed, c] = language_weight * weights + length_bonus
    ends_at = np.full(states, NEVER)
    accepted = language.final > NEVER
    ends_at[accepted] = language_weight * language.final[accepted]
    return Fusion(step, cost, ends_at, int(language.start))
