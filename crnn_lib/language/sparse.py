"""Automata whose steps are listed, state by state, for many characters and for back-off models.

Tables of all states and all characters are mostly empty where states or characters are many: after
"handw" only an "r" goes on. Here a state has the steps that there are.

A back-off model of n-grams (Katz 1987) needs one thing more. It lists the n-grams that it knows.
What it does not list it finds in a shorter context, at a price, the back-off weight b of the longer
one:

    log p(w | context) = what is listed for "context w", if it is,
                         b(context) + log p(w | context without its first token), if not.

So a state is a context that something is listed for, and knows the next shorter one that is a state
too (as in Aho and Corasick 1975) and what it costs to go there. A model of a million n-grams is an
automaton with a million steps, not one with a hundred steps for each of its contexts. What a
decoder reaches is put together when it asks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from crnn_lib.alphabet import distinct_characters, is_whole
from crnn_lib.language._numbers import Numbers
from crnn_lib.language.automata import (
    FAR,
    MANY_ROUNDS,
    NOWHERE,
    Arcs,
    Automaton,
    WeightedAutomaton,
    _entries,
    _farthest,
)

MANY_STEPS = 1 << 22  # of all states and characters: beyond it states are made when reached
MOST_CELLS = 1 << 26  # of tables of all states and characters: 12 bytes each


@dataclass(frozen=True, eq=False)
class SparseAutomaton(Automaton):
    """A weighted automaton whose steps are listed state by state, perhaps with back-off.

    :func:`~crnn_lib.language.read_arpa` makes one, and :func:`~crnn_lib.language.lexicon` of many
    words over many characters. The decoders take it as they take a
    :class:`~crnn_lib.language.WeightedAutomaton`; of a large one they look at the states that they
    reach.

    Parameters
    ----------
    characters : str or tuple of str
        The K characters it knows; of a model of words these are words.
    first : ndarray, (S + 1,), int64
        State s has the steps ``first[s]`` to ``first[s + 1]``. S states, E steps.
    column : ndarray, (E,), int32
        Place of each step's character, rising within a state.
    target : ndarray, (E,), int32
        The state after it; -1 where that is forbidden, whatever shorter contexts say.
    weight : ndarray, (E,), float64
        Log-weight of each step.
    final : ndarray, (S,), float64
        Log-weight of ending in each state; ``-inf`` where a string may not end.
    begin : int
        The state before the first character.
    shorter : ndarray, (S,), int32, optional
        The state whose steps hold for all other characters, always a lower number. Where there is
        none, -1, what is not listed is forbidden: so it is in all states by default.
    price : ndarray, (S,), float64, optional
        What it adds to go to the shorter one, for each step that is taken from there.

    Examples
    --------
    After an "a", "b" is twice as likely; everything else is as without context, times 3 / 4:

    >>> model = SparseAutomaton("ab", first=[0, 2, 3], column=[0, 1, 1], target=[1, 0, 0],
    ...                          weight=np.log([0.5, 0.5, 0.625]), final=[0, 0],
    ...                         shorter=[-1, 0], price=[0, math.log(0.75)])
    >>> [round(math.exp(model.score(text)), 4) for text in ("a", "aa", "ab", "ba")]
    [0.5, 0.1875, 0.3125, 0.25]
    >>> model.automaton().score("ab") == model.score("ab")
    True
    """

    characters: str | tuple[str, ...]
    first: np.ndarray
    column: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    final: np.ndarray
    begin: int = 0
    shorter: np.ndarray = None  # type: ignore[assignment]
    price: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        known = distinct_characters(self.characters, "an automaton")
        object.__setattr__(self, "characters", known)
        if self.shorter is None:
            object.__setattr__(self, "shorter", np.full(np.size(self.final), NOWHERE))
        if self.price is None:
            object.__setattr__(self, "price", np.zeros(np.size(self.final)))
        kinds = {
            "first": np.int64, "column": np.int32, "target": np.int32, "weight": np.float64,
            "shorter": np.int32, "price": np.float64, "final": np.float64,
        }  # fmt: skip
        for name, kind in kinds.items():
            given = np.array(getattr(self, name))
            table = given.astype(kind) if given.dtype.kind in "iuf" else None
            if table is None or (kind != np.float64 and (table != given).any()):
                what = "numbers" if kind == np.float64 else "whole numbers"
                raise TypeError(f"{name} holds {what}; got {getattr(self, name)!r:.80}.")
            table.flags.writeable = False
            object.__setattr__(self, name, table)
        states, steps = self.final.size, self.column.size
        for name, size in (
            ("final", states),
            ("column", steps),
            ("first", states + 1),
            ("target", steps),
            ("weight", steps),
            ("shorter", states),
            ("price", states),
        ):
            if getattr(self, name).shape != (size,):
                raise ValueError(
                    f"{name} must be ({size},), for {states} states and {steps} steps; got "
                    f"{getattr(self, name).shape}."
                )
        if (
            not states
            or self.first[0]
            or self.first[-1] != steps
            or (np.diff(self.first) < 0).any()
        ):
            raise ValueError("first rises from 0 to the number of steps, for at least one state.")
        key = np.repeat(np.arange(states), np.diff(self.first)) * (len(known) + 1) + self.column
        inside = steps == 0 or 0 <= self.column.min() <= self.column.max() < len(known)
        if not inside or (np.diff(key) <= 0).any():
            raise ValueError(f"column rises within each state, from 0 to {len(known) - 1} at most.")
        if steps and not NOWHERE <= self.target.min() <= self.target.max() < states:
            raise ValueError(f"target goes from -1 (forbidden) to {states - 1}.")
        if (self.shorter < NOWHERE).any() or (self.shorter >= np.arange(states)).any():
            raise ValueError("shorter is a lower state for each one, or -1 where there is none.")
        if not is_whole(self.begin) or not 0 <= self.begin < states:
            raise ValueError(f"begin is a state from 0 to {states - 1}; got {self.begin!r:.80}.")
        for name in ("weight", "price", "final"):
            if not (getattr(self, name) < math.inf).all():  # NaN is not smaller either
                raise ValueError(f"{name} holds log-weights, finite or -inf; it has NaN or +inf.")

    def __repr__(self) -> str:
        return (
            f"SparseAutomaton({len(self.final)} states, {len(self.column)} steps over "
            f"{len(self.characters)} characters)"
        )

    # States have the numbers of the tables if a decoder may ask for all of them, else the order in
    # which it comes across them.

    @cached_property
    def _numbers(self) -> Numbers | None:
        return None if self._count_steps() <= MANY_STEPS else Numbers()

    def _count_steps(self) -> int:
        """A bound on the steps of all states, those of shorter contexts included."""
        own = np.diff(self.first)
        longer = self.shorter != NOWHERE
        return int(own[~longer].sum() + longer.sum() * len(self.characters))

    def _places(self, states: np.ndarray) -> np.ndarray:
        return states if self._numbers is None else self._numbers.codes(states)

    @property
    def num_states(self) -> int | None:
        """How many states there are; None if the model is large."""
        return len(self.final) if self._numbers is None else None

    @cached_property
    def start(self) -> int:  # type: ignore[override]
        """The state before the first character."""
        if self._numbers is None:
            return int(self.begin)
        return self._numbers.one(self.begin)

    def arcs(self, states: np.ndarray) -> Arcs:
        targets, weights = self._rows(self._places(states))
        allowed = targets != NOWHERE
        ends = targets[allowed].astype(np.int64)
        if self._numbers is not None:
            ends = self._numbers.of(ends)
        return allowed.sum(1), allowed.nonzero()[1], ends, weights[allowed]

    def _rows(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All steps of some states of the tables: targets and log-weights, (M, K) each."""
        chain = [np.asarray(states, np.int64)]  # each with its shorter one, and so on
        while (chain[-1] != NOWHERE).any():
            chain.append(np.where(chain[-1] == NOWHERE, NOWHERE, self.shorter[chain[-1]]))
        target = np.full((len(states), len(self.characters)), NOWHERE, np.int32)
        weight = np.full(target.shape, -math.inf)
        for places in reversed(chain[:-1]):
            rows = (places != NOWHERE).nonzero()[0]
            first = self.first[places[rows]]
            many = self.first[places[rows] + 1] - first
            steps = _entries(first, many)
            where = np.repeat(rows, many), self.column[steps]
            weight[rows] += self.price[places[rows], None]
            weight[where] = self.weight[steps]
            target[where] = self.target[steps]
        target[weight == -math.inf] = NOWHERE
        return target, weight

    def final_weights(self, states: np.ndarray) -> np.ndarray:
        return self.final[self._places(states)]

    def distances(self, states: np.ndarray) -> np.ndarray:
        return self._distances[self._places(states)]

    @cached_property
    def _distances(self) -> np.ndarray:
        """Of all states of the tables, (S,); of those with a shorter one a lower bound."""
        found = np.where(self.final > -math.inf, 0, FAR)
        while True:
            ahead = np.append(found, FAR)[self.target] + 1
            nearer = np.minimum(found, self._over_steps(np.minimum, ahead, FAR))
            nearer = np.minimum(nearer, np.append(nearer, FAR)[self.shorter])
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
            ahead = self.weight + np.append(found, -math.inf)[self.target]
            better = np.maximum(found, self._over_steps(np.maximum, ahead, -math.inf))
            by_shorter = self.price + np.append(better, -math.inf)[self.shorter]
            better = np.maximum(better, by_shorter)
            if (better <= found + 1e-12).all():
                return float(found[self.begin])
            found = better
        return math.inf

    def _over_steps(self, ufunc: np.ufunc, values: np.ndarray, empty: float) -> np.ndarray:
        """The least, or greatest, of some values (E,) over each state's own steps: (S,)."""
        result = np.full(len(self.final), empty, values.dtype)
        filled = self.first[:-1] < self.first[1:]
        if filled.any():
            result[filled] = ufunc.reduceat(values, self.first[:-1][filled])
        return result

    def follow(self, states: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place, columns = self._places(states).astype(np.int64), np.asarray(columns)
        target, weight = np.full(len(place), NOWHERE, np.int64), np.zeros(len(place))
        left = np.arange(len(place))
        while len(left):
            wanted = place[left] * len(self.characters) + columns[left]
            at = np.minimum(self._keys.searchsorted(wanted), len(self._keys) - 1)
            there = self._keys[at] == wanted
            found = left[there]
            weight[found] += self.weight[at[there]]
            target[found] = self.target[at[there]]
            left = left[~there]
            weight[left] += self.price[place[left]]
            place[left] = self.shorter[place[left]]
            left = left[place[left] != NOWHERE]
        target[weight == -math.inf] = NOWHERE
        weight[target == NOWHERE] = -math.inf
        if self._numbers is not None:
            target[target >= 0] = self._numbers.of(target[target >= 0])
        return target, weight

    @cached_property
    def _keys(self) -> np.ndarray:
        """State and column of each step, as one rising number: (E,); one more if there is none."""
        source = np.repeat(np.arange(len(self.final)), np.diff(self.first))
        return source * len(self.characters) + self.column if len(source) else np.full(1, -1)

    def step(self, state: int, column: int) -> tuple[int, float]:
        target, weight = self.follow(np.array([state]), np.array([column]))
        return int(target[0]), float(weight[0])

    def without_context(self) -> np.ndarray:
        """What each character weighs in state 0, which in a back-off model has no context: (K,)."""
        return self._rows(np.zeros(1, np.int64))[1][0]

    def automaton(self) -> WeightedAutomaton:
        """The same with all steps of all states in tables, (S, K): for small models.

        Raises
        ------
        ValueError
            If the tables would take more than a GB.
        """
        if len(self.final) * len(self.characters) > MOST_CELLS:
            raise ValueError(
                f"Tables of {len(self.final)} states and {len(self.characters)} characters would "
                "take more than a GB. The decoders take the model as it is."
            )
        target, weight = self._rows(np.arange(len(self.final)))
        return WeightedAutomaton(self.characters, target, weight, self.final, self.begin)
