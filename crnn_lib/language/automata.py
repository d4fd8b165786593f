"""A language as a machine that reads one character after the other: a weighted automaton.

It is deterministic: from each state, each character leads to one state or nowhere. Every string has
at most one way through it, and the weights along this way add up to the string's log-weight. A
constraint is the special case in which all weights are 0: it says which strings may be, not how
likely they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np

from crnn_lib.alphabet import Alphabet, as_number, distinct_characters, is_whole
from crnn_lib.language._numbers import Numbers

NOWHERE = -1  #: in ``next_state``: no string goes on like this
FAR = 1 << 30  # characters that no text has: from there no string comes to an end
MANY_ROUNDS = 200  # after so many, what still grows is taken to grow for ever

Arcs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class _Operators:
    """What can be written between languages, and what to write in place of the rest."""

    _instead = (
        "Languages are combined by first & second, what both accept, and weighed by 0.5 * first. "
        "What one of two accepts is union(first, second), of constraints, or "
        "Mixture((first, second))."
    )

    def __mul__(self, factor: float):
        return self.__rmul__(factor)

    def __rmul__(self, factor: float):
        raise NotImplementedError

    def _no_operator(self, other: object):
        raise TypeError(self._instead)

    __or__ = __ror__ = __add__ = __radd__ = __sub__ = __truediv__ = _no_operator

    def __bool__(self) -> bool:
        # Python's own "first and second" is the second, without a word about the first
        raise TypeError(
            "A language is neither true nor false. Write first & second in place of `first and "
            "second`, union(first, second) in place of `first or second`, and `language is None` "
            "to ask whether there is one."
        )


class Automaton(_Operators):
    """What a text weighs, character by character: what the decoders take as ``language=``.

    :class:`WeightedAutomaton` has all its states in tables. Others make a state when it is first
    reached, such as :func:`~crnn_lib.language.word_language` and what ``&`` makes of it. States are
    whole numbers, given out from 0 on as they are named. What the decoders ask for takes and gives
    arrays, for many states at once.

    Two automata over the same characters are combined by ``first & second``: what both accept,
    their log-weights added up. ``0.5 * first`` has half the log-weights; with ``0 * first`` what
    it accepts weighs nothing.
    """

    characters: str | tuple[str, ...]
    start: int

    @property
    def num_states(self) -> int | None:
        """How many states there are; None if they are made when they are reached."""
        return None

    def arcs(self, states: np.ndarray) -> Arcs:
        """The steps out of some states, (M,): counts (M,), and of all E steps, state by state,
        columns (E,), rising within a state, targets (E,) and log-weights (E,), which are finite.
        """
        raise NotImplementedError

    def final_weights(self, states: np.ndarray) -> np.ndarray:
        """Log-weight of ending in each of some states, (M,); ``-inf`` where no string may."""
        raise NotImplementedError

    def distances(self, states: np.ndarray) -> np.ndarray:
        """How many characters it takes at least from each of some states to an end, (M,)."""
        return np.where(self.final_weights(states) > -math.inf, 0, 1)

    @property
    def farthest(self) -> int:
        """The greatest of all distances, or a bound on it."""
        return 1

    @property
    def most(self) -> float:
        """No string has a log-weight above this; ``inf`` if none is known."""
        return math.inf

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {character: k for k, character in enumerate(self.characters)}

    def step(self, state: int, column: int) -> tuple[int, float]:
        """The state after a character, given by its place, and the log-weight; -1 and ``-inf``."""
        _, columns, targets, weights = self.arcs(np.array([state]))
        at = int(columns.searchsorted(column))
        if at == len(columns) or columns[at] != column:
            return NOWHERE, -math.inf
        return int(targets[at]), float(weights[at])

    def follow(self, states: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One step from each of some states, (M,): targets and log-weights, as by :meth:`step`."""
        if not len(states):
            return np.zeros(0, np.int64), np.zeros(0)
        pairs = zip(states.tolist(), columns.tolist(), strict=True)
        targets, weights = zip(*(self.step(*pair) for pair in pairs), strict=True)
        return np.array(targets), np.array(weights)

    def score(self, text: str | Sequence[str]) -> float:
        """Log-weight of a string: its steps and its end. ``-inf`` if it is not accepted.

        If characters take several code points, a str is cut into them as
        :meth:`crnn_lib.alphabet.Alphabet.split` does; a sequence of characters is taken as it is.
        """
        if not isinstance(text, str) and not (
            isinstance(text, Sequence) and all(isinstance(c, str) for c in text)
        ):  # a label of class indices, perhaps, of which no number is a character
            raise TypeError(f"A text is a str, or a list of characters; got {text!r:.80}.")
        if isinstance(text, str) and isinstance(self.characters, tuple):
            text = Alphabet(self.characters).split(text, strict=False)
        state, total = self.start, 0.0
        for character in text:
            column = self._columns.get(character)
            if column is None:
                return -math.inf
            state, weight = self.step(state, column)
            if state == NOWHERE:
                return -math.inf
            total += weight
        return total + float(self.final_weights(np.array([state]))[0])

    def accepts(self, text: str | Sequence[str]) -> bool:
        """Whether the string may be at all."""
        return self.score(text) > -math.inf

    def __and__(self, other: Automaton) -> Automaton:
        return intersect(self, other) if isinstance(other, Automaton) else NotImplemented

    def __rmul__(self, factor: float) -> Automaton:
        return _Weighed(self, _check_factor(factor))


def _check_automaton(automaton: object, what: str) -> None:
    """Raise a TypeError if it is something else. ``what`` is the function that was given it."""
    if not isinstance(automaton, Automaton) and not hasattr(automaton, "over"):  # a rule says more
        raise TypeError(f"{what} takes automata; got {automaton!r:.80}.")


def _check_factor(factor: float) -> float:
    """A factor for log-weights: finite, 0 or more."""
    number = as_number(factor)
    if not 0 <= number < math.inf:
        raise ValueError(
            f"Log-weights are multiplied by a finite number, 0 or more; got {factor!r:.80}."
        )
    return number


@dataclass(frozen=True, eq=False)
class WeightedAutomaton(Automaton):
    """A weighted deterministic finite automaton over some characters.

    Parameters
    ----------
    characters : str or tuple of str
        The K characters it knows, each once, as an :class:`~crnn_lib.alphabet.Alphabet` has them.
        It accepts no string with any other.
    next_state : ndarray, (S, K), int32
        The state after reading a character in a state; -1 where that is forbidden.
    log_weight : ndarray, (S, K), float64
        Log-weight of each such step; finite wherever the step is allowed.
    final : ndarray, (S,), float64
        Log-weight of ending in each state; ``-inf`` where a string may not end.
    start : int
        The state before the first character.

    Examples
    --------
    Every string of one or two digits "5", of which the second costs half:

    >>> fives = WeightedAutomaton("5", [[1], [2], [-1]], [[0], [math.log(0.5)], [0]],
    ...                           [-math.inf, 0, 0])
    >>> [round(math.exp(fives.score(text)), 4) for text in ("", "5", "55", "555", "7")]
    [0.0, 1.0, 0.5, 0.0, 0.0]
    >>> fives.accepts("55"), fives.accepts("555")
    (True, False)
    """

    characters: str | tuple[str, ...]
    next_state: np.ndarray
    log_weight: np.ndarray
    final: np.ndarray
    start: int = 0

    def __post_init__(self) -> None:
        known = distinct_characters(self.characters, "an automaton")
        object.__setattr__(self, "characters", known)
        final = np.array(self.final, np.float64)
        if final.ndim != 1 or not len(final):
            raise ValueError(f"final has one weight per state, (S,); got {final.shape}.")
        shape = (len(final), len(self.characters))
        next_state = np.array(self.next_state)
        log_weight = np.array(self.log_weight, np.float64)
        for name, table in (("next_state", next_state), ("log_weight", log_weight)):
            if table.shape != shape:
                raise ValueError(
                    f"{name} must be (S, K) = {shape}, for {shape[0]} states and {shape[1]} "
                    f"characters; got {table.shape}."
                )
        if next_state.size and next_state.dtype.kind not in "iu":
            raise TypeError(f"next_state holds integers; got {next_state.dtype}.")
        if next_state.size and not NOWHERE <= next_state.min() <= next_state.max() < len(final):
            raise ValueError(
                f"next_state goes from -1 (forbidden) to {len(final) - 1}, the last of "
                f"{len(final)} states; got {next_state.min()} to {next_state.max()}."
            )
        if not is_whole(self.start) or not 0 <= self.start < len(final):
            raise ValueError(
                f"start is a state from 0 to {len(final) - 1}; got {self.start!r:.80}."
            )
        # A step of weight -inf is a forbidden one, and a forbidden one has this weight.
        next_state = np.where(log_weight == -math.inf, NOWHERE, next_state).astype(np.int32)
        log_weight[next_state == NOWHERE] = -math.inf
        for name, table in (("log_weight", log_weight), ("final", final)):
            if not (table < math.inf).all():  # NaN is not smaller either
                raise ValueError(f"{name} holds log-weights, finite or -inf; it has NaN or +inf.")
        for name, table in (
            ("next_state", next_state),
            ("log_weight", log_weight),
            ("final", final),
        ):
            table.flags.writeable = False
            object.__setattr__(self, name, table)

    @property
    def num_states(self) -> int:
        """Number of states S."""
        return len(self.final)

    def arcs(self, states: np.ndarray) -> Arcs:
        targets = self.next_state[states]  # (M, K)
        allowed = targets != NOWHERE
        columns = allowed.nonzero()[1]
        return allowed.sum(1), columns, targets[allowed], self.log_weight[states][allowed]

    def final_weights(self, states: np.ndarray) -> np.ndarray:
        return self.final[states]

    def distances(self, states: np.ndarray) -> np.ndarray:
        return self._distances[states]

    @cached_property
    def _distances(self) -> np.ndarray:
        """Of all states: (S,)."""
        found = np.where(self.final > -math.inf, 0, FAR)
        while True:  # the extra entry is where NOWHERE, -1, looks
            nearest = np.append(found, FAR)[self.next_state].min(1, initial=FAR)
            nearer = np.minimum(found, np.minimum(nearest + 1, FAR))
            if (nearer == found).all():
                return found
            found = nearer

    @property
    def farthest(self) -> int:
        return _farthest(self._distances)

    @cached_property
    def most(self) -> float:  # type: ignore[override]
        found = self.final
        for _ in range(MANY_ROUNDS):
            ahead = (self.log_weight + np.append(found, -math.inf)[self.next_state]).max(
                1, initial=-math.inf
            )
            better = np.maximum(found, ahead)
            if (better <= found + 1e-12).all():
                return float(found[self.start])
            found = better
        return math.inf if (self.log_weight > 0).any() else float(max(0.0, self.final.max()))

    def step(self, state: int, column: int) -> tuple[int, float]:
        return int(self.next_state[state, column]), float(self.log_weight[state, column])

    def __rmul__(self, factor: float) -> WeightedAutomaton:
        factor = _check_factor(factor)
        final, weight = (_times(factor, table) for table in (self.final, self.log_weight))
        return WeightedAutomaton(self.characters, self.next_state, weight, final, self.start)


def _farthest(distances: np.ndarray) -> int:
    """The greatest of all distances, (S,), of the states from which an end can be reached."""
    return int(distances[distances < FAR].max(initial=0))


def _times(factor: float, log_weights: np.ndarray) -> np.ndarray:
    """Log-weights times a factor; what is forbidden stays so."""
    allowed = log_weights > -math.inf
    return np.where(allowed, factor * np.where(allowed, log_weights, 0.0), -math.inf)


def _reached(
    start: Hashable, steps: Callable[[Any], Iterable[Hashable | None]]
) -> tuple[list, list[list[int]]]:
    """All states that can be reached, the start first, and where each one leads: their numbers.

    ``steps(state)`` are the states after it; None, which is NOWHERE, if it does not go on so.
    """
    number, found, rows = {start: 0}, [start], []
    for state in found:  # grows while it is read
        row = []
        for after in steps(state):
            if after is not None and after not in number:
                number[after] = len(found)
                found.append(after)
            row.append(NOWHERE if after is None else number[after])
        rows.append(row)
    return found, rows


def _entries(first: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Where the entries of some rows stand in a list: of each row ``many``, from ``first`` on.

    >>> _entries(np.array([7, 0]), np.array([2, 3]))
    array([7, 8, 0, 1, 2])
    """
    return np.repeat(first - (many.cumsum() - many), many) + np.arange(many.sum())


def _arcs_again(automaton: Automaton, states: np.ndarray) -> Arcs:
    """The steps out of states of which some come several times: each is asked for once."""
    each, which = np.unique(states, return_inverse=True)
    counts, columns, targets, weights = automaton.arcs(each)
    many = counts[which]  # (M,)
    steps = _entries((counts.cumsum() - counts)[which], many)
    return many, columns[steps], targets[steps].astype(np.int64), weights[steps]


# Combining ----------------------------------------------------------------------------------------


@overload
def intersect(first: WeightedAutomaton, *others: WeightedAutomaton) -> WeightedAutomaton: ...


@overload
def intersect(first: Automaton, *others: Automaton) -> Automaton: ...


def intersect(first, *others):
    """The strings that all of them accept; their log-weights add up. The same as ``first & other``.

    Of tables it makes tables, without useless states. If one of the automata makes its states when
    they are reached, the result does so too.

    >>> fives = WeightedAutomaton("57", [[1, -1], [2, -1], [-1, -1]], np.zeros((3, 2)), np.zeros(3))
    >>> pairs = WeightedAutomaton("57", [[1, 1], [0, 0]], np.zeros((2, 2)), [0, -math.inf])
    >>> both = fives & pairs
    >>> [text for text in ("", "5", "55", "57", "5555") if both.accepts(text)]
    ['', '55']
    """
    for automaton in (first, *others):
        _check_automaton(automaton, "intersect")
    for other in others:
        if isinstance(first, WeightedAutomaton) and isinstance(other, WeightedAutomaton):
            first = _side_by_side(first, other, both=True)
        else:
            first = _Both(first, other)
    return first


def _check_same_characters(one: Automaton, other: Automaton) -> None:
    if one.characters != other.characters:
        raise ValueError(
            "Automata are combined over the same characters in the same order; got "
            f"{one.characters!r:.200} and {other.characters!r:.200}."
        )


def _side_by_side(
    left: WeightedAutomaton, right: WeightedAutomaton, both: bool
) -> WeightedAutomaton:
    """Automaton of pairs of states; for a union one of the two may have dropped out."""
    _check_same_characters(left, right)
    # One state more each: that of an automaton that has dropped out.
    tables = [
        np.vstack([a.next_state, np.full((1, len(a.characters)), NOWHERE)]).astype(np.int64)
        for a in (left, right)
    ]
    width = right.num_states + 1
    out = left.num_states, right.num_states

    def after(pairs: np.ndarray) -> np.ndarray:
        one, two = tables[0][pairs // width], tables[1][pairs % width]  # (P, K)
        nowhere = (one == NOWHERE) | (two == NOWHERE)
        if not both:
            nowhere = (one == NOWHERE) & (two == NOWHERE)
            one, two = (np.where(x == NOWHERE, o, x) for x, o in zip((one, two), out, strict=True))
        return np.where(nowhere, NOWHERE, one * width + two)

    start = left.start * width + right.start
    pairs = frontier = np.array([start])
    while len(frontier):
        found = np.unique(after(frontier))
        frontier = np.setdiff1d(found[found != NOWHERE], pairs, assume_unique=True)
        pairs = np.union1d(pairs, frontier)
    targets = after(pairs)  # (P, K)
    next_state = np.where(targets == NOWHERE, NOWHERE, np.searchsorted(pairs, targets))
    one, two = pairs // width, pairs % width
    weights = [
        (np.vstack([a.log_weight, np.zeros(len(a.characters))]), np.append(a.final, -math.inf))
        for a in (left, right)
    ]
    if both:
        log_weight = weights[0][0][one] + weights[1][0][two]
        final = weights[0][1][one] + weights[1][1][two]
    else:
        log_weight = np.zeros(next_state.shape)
        final = np.maximum(weights[0][1][one], weights[1][1][two])
    log_weight[next_state == NOWHERE] = -math.inf
    number = int(np.searchsorted(pairs, start))
    return trim(WeightedAutomaton(left.characters, next_state, log_weight, final, number))


class _Both(Automaton):
    """Two automata that read side by side: a state is a pair of states, made when reached."""

    def __init__(self, left: Automaton, right: Automaton) -> None:
        _check_same_characters(left, right)
        self.characters, self.left, self.right = left.characters, left, right
        self._pairs = Numbers()
        self.start = self._pairs.one(left.start << 32 | right.start)

    def _sides(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pairs = self._pairs.codes(states)
        return pairs >> 32, pairs & (1 << 32) - 1

    def arcs(self, states: np.ndarray) -> Arcs:
        size = len(self.characters)
        keys, ends, gains = [], [], []
        for side, places in zip((self.left, self.right), self._sides(states), strict=True):
            many, columns, targets, weights = _arcs_again(side, places)
            keys.append(np.repeat(np.arange(len(states)), many) * size + columns)
            ends.append(targets)
            gains.append(weights)
        shared, one, two = np.intersect1d(keys[0], keys[1], assume_unique=True, return_indices=True)
        row, columns = np.divmod(shared, size)
        targets = self._pairs.of(ends[0][one] << 32 | ends[1][two])
        counts = np.bincount(row, minlength=len(states))
        return counts, columns, targets, gains[0][one] + gains[1][two]

    def final_weights(self, states: np.ndarray) -> np.ndarray:
        left, right = self._sides(states)
        return self.left.final_weights(left) + self.right.final_weights(right)

    def distances(self, states: np.ndarray) -> np.ndarray:
        left, right = self._sides(states)
        return np.maximum(self.left.distances(left), self.right.distances(right))

    @property
    def farthest(self) -> int:
        return max(self.left.farthest, self.right.farthest)

    @cached_property
    def most(self) -> float:  # type: ignore[override]
        return self.left.most + self.right.most if self.left.most > -math.inf else -math.inf


class _Around(Automaton):
    """An automaton with the states of another one: all that is not said is as there."""

    def __init__(self, inner: Automaton) -> None:
        self.inner, self.characters, self.start = inner, inner.characters, inner.start

    @property
    def num_states(self) -> int | None:
        return self.inner.num_states

    def final_weights(self, states: np.ndarray) -> np.ndarray:
        return self.inner.final_weights(states)

    def distances(self, states: np.ndarray) -> np.ndarray:
        return self.inner.distances(states)

    @property
    def farthest(self) -> int:
        return self.inner.farthest

    @property
    def most(self) -> float:
        return self.inner.most


class _Weighed(_Around):
    """An automaton whose log-weights are multiplied."""

    def __init__(self, inner: Automaton, factor: float) -> None:
        super().__init__(inner)
        self.factor = factor

    def arcs(self, states: np.ndarray) -> Arcs:
        counts, columns, targets, weights = self.inner.arcs(states)
        return counts, columns, targets, self.factor * weights

    def final_weights(self, states: np.ndarray) -> np.ndarray:
        return _times(self.factor, self.inner.final_weights(states))

    @property
    def most(self) -> float:
        return self.factor * self.inner.most if self.factor else 0.0

    def step(self, state: int, column: int) -> tuple[int, float]:
        target, weight = self.inner.step(state, column)
        return target, self.factor * weight if target != NOWHERE else weight


def trim(automaton: WeightedAutomaton) -> WeightedAutomaton:
    """Drop states that cannot be reached, and those from which no string is accepted.

    What is left of an automaton that accepts nothing is its start.
    """
    if not isinstance(automaton, WeightedAutomaton):
        raise TypeError(f"trim takes a WeightedAutomaton; got {automaton!r:.80}.")
    next_state = automaton.next_state
    reached = np.zeros(automaton.num_states, bool)
    frontier = np.array([automaton.start])
    while len(frontier):
        reached[frontier] = True
        after = np.unique(next_state[frontier])
        after = after[after != NOWHERE]
        frontier = after[~reached[after]]
    useful = automaton.final > -math.inf
    while True:
        # the extra entry is where NOWHERE, -1, looks
        leads = np.append(useful, False)[next_state].any(1) | useful
        if (leads == useful).all():
            break
        useful = leads
    keep = reached & useful
    keep[automaton.start] = True
    return _renumbered(automaton, np.where(keep, keep.cumsum() - 1, NOWHERE), keep.nonzero()[0])


def _renumbered(automaton, number: np.ndarray, kept: np.ndarray) -> WeightedAutomaton:
    """The kept states only, each state s called ``number[s]``, steps to NOWHERE forbidden."""
    next_state = np.append(number, NOWHERE)[automaton.next_state[kept]]
    return WeightedAutomaton(
        automaton.characters,
        next_state,
        np.where(next_state == NOWHERE, -math.inf, automaton.log_weight[kept]),
        automaton.final[kept],
        int(number[automaton.start]),
    )
