"""Building automata, combining them, and asking what they accept.

Two automata read a string side by side if one state stands for a pair of states: that gives the
strings both accept (:func:`intersect`) or at least one does (:func:`union`). All functions return
new automata without useless states.

Hopcroft, Motwani, Ullman, "Introduction to Automata Theory, Languages, and Computation", ch. 4.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache
from typing import Any, overload

import numpy as np
import torch

from crnn_lib.alphabet import check_generator, check_whole, distinct_characters, is_whole
from crnn_lib.language._tries import Trie, add_word
from crnn_lib.language.automata import (
    FAR,
    NOWHERE,
    Arcs,
    Automaton,
    WeightedAutomaton,
    _arcs_again,
    _Around,
    _check_automaton,
    _reached,
    _renumbered,
    _side_by_side,
    trim,
)
from crnn_lib.language.sparse import MOST_CELLS, SparseAutomaton

# Building -----------------------------------------------------------------------------------------


def explore(
    characters: Sequence[str],
    start: Hashable,
    step: Callable[[Any, str], Hashable | None],
    accepts: Callable[[Any], bool],
) -> WeightedAutomaton:
    """The smallest automaton of a machine that is given as two functions.

    A state may be anything hashable that says all that matters about the characters read so far.

    Parameters
    ----------
    characters : str or sequence of str
    start : hashable
        State before the first character.
    step : callable
        ``step(state, character)``: the state after it, None if no accepted string goes on so. It
        must lead to finitely many states.
    accepts : callable
        ``accepts(state)``: whether a string may end here.

    Examples
    --------
    Numbers that are multiples of three. What matters is the remainder:

    >>> threes = explore("0123456789", 0, lambda r, c: (10 * r + int(c)) % 3, lambda r: r == 0)
    >>> threes.num_states, threes.accepts("55206"), threes.accepts("55207")
    (3, True, False)
    """
    characters = distinct_characters(characters, "an automaton")
    found, rows = _reached(start, lambda state: (step(state, c) for c in characters))
    next_state = np.array(rows, np.int32).reshape(len(found), len(characters))
    final = np.array([0.0 if accepts(state) else -math.inf for state in found])
    log_weight = np.zeros(next_state.shape)
    return minimise(WeightedAutomaton(characters, next_state, log_weight, final))


@overload
def respell(automaton: WeightedAutomaton, characters: Sequence[str]) -> WeightedAutomaton: ...


@overload
def respell(automaton: Automaton, characters: Sequence[str]) -> Automaton: ...


def respell(automaton, characters):
    """The same strings and weights, spelled with characters that may take several code points.

    Such a character is read one code point after the other. A string that the characters spell in
    several ways is accepted in each of them. The decoders do so where a language knows code points
    and the network longer characters. Of an automaton whose states are made when they are reached,
    the result does so, too.

    Parameters
    ----------
    automaton : Automaton
        Its own characters are one code point each.
    characters : str or sequence of str

    Examples
    --------
    >>> fives = explore("057", 0, lambda n, c: n + (c == "5") if n < 2 else None, lambda n: n == 2)
    >>> pairs = respell(fives, ("5", "05", "55"))
    >>> pairs.accepts("0505"), pairs.accepts("55"), pairs.accepts(["5", "5"]), pairs.accepts("5")
    (True, True, True, False)
    """
    _check_automaton(automaton, "respell")
    if not isinstance(automaton.characters, str):
        raise ValueError(
            "respell takes an automaton whose characters are one code point each; got "
            f"{automaton.characters!r:.200}."
        )
    characters = distinct_characters(characters, "an automaton")
    if not isinstance(automaton, WeightedAutomaton):
        return _Respelled(automaton, characters)
    column = {letter: k for k, letter in enumerate(automaton.characters)}
    shape = (automaton.num_states, len(characters))
    next_state, log_weight = np.full(shape, NOWHERE), np.full(shape, -math.inf)
    for k, character in enumerate(characters):
        if column.keys() >= set(character):
            state, weight = np.arange(shape[0]), np.zeros(shape[0])
            for letter in character:
                weight = weight + automaton.log_weight[state, column[letter]]
                state = np.append(automaton.next_state[:, column[letter]], NOWHERE)[state]
                weight[state == NOWHERE] = -math.inf
            next_state[:, k], log_weight[:, k] = state, weight
    return trim(
        WeightedAutomaton(characters, next_state, log_weight, automaton.final, automaton.start)
    )


class _Respelled(_Around):
    """An automaton over code points that is read in longer characters. Its states are the same."""

    def __init__(self, inner: Automaton, characters: str | tuple[str, ...]) -> None:
        super().__init__(inner)
        self.characters = characters
        self._longest = max(map(len, characters), default=1)
        column = {letter: k for k, letter in enumerate(inner.characters)}
        # A trie of the characters: what follows each node by a letter, and which character it ends.
        trie: Trie = [{}]
        ends = {
            add_word(trie, map(column.__getitem__, character))[-1]: k
            for k, character in enumerate(characters)
            if column.keys() >= set(character)
        }
        self._after = np.full((len(trie), len(column)), NOWHERE)
        for node, row in enumerate(trie):
            self._after[node, list(row)] = list(row.values())
        self._ends = np.array([ends.get(node, NOWHERE) for node in range(len(trie))])
        self._goes_on = (self._after != NOWHERE).any(1)

    def arcs(self, states: np.ndarray) -> Arcs:
        rows, node = np.arange(len(states)), np.zeros(len(states), np.int64)
        state, total = np.asarray(states), np.zeros(len(states))
        found: list[tuple[np.ndarray, ...]] = []
        while True:  # a letter more of all characters that are begun
            many, columns, targets, weights = _arcs_again(self.inner, state)
            after = self._after[np.repeat(node, many), columns]
            spelled = after != NOWHERE
            node, state = after[spelled], targets[spelled]
            rows = np.repeat(rows, many)[spelled]
            total = (np.repeat(total, many) + weights)[spelled]
            ended = self._ends[node] != NOWHERE
            found.append(tuple(x[ended] for x in (rows, self._ends[node], state, total)))
            on = self._goes_on[node]
            rows, node, state, total = rows[on], node[on], state[on], total[on]
            if not len(rows):
                break
        row, column, target, weight = (np.concatenate(x) for x in zip(*found, strict=True))
        order = np.lexsort((column, row))
        counts = np.bincount(row, minlength=len(states))
        return counts, column[order], target[order], weight[order]

    def distances(self, states: np.ndarray) -> np.ndarray:
        letters = self.inner.distances(states)
        return np.where(letters < FAR, -(-letters // self._longest), FAR)

    @property
    def farthest(self) -> int:
        return -(-self.inner.farthest // self._longest)


def minimise(automaton: Automaton) -> WeightedAutomaton:
    """Merge states that nothing tells apart (Moore 1956).

    States start in one class if they end alike and weigh each step alike; a class is split as long
    as a character leads to different classes from it. Without weights the result is the smallest
    automaton there is. With weights it is correct, but weights that could be moved along the way
    may keep states apart.
    """
    tables = trim(_tables(automaton, "minimise"))
    if is_empty(tables):
        return tables
    columns = [tables.final, *tables.log_weight.T]
    classes = _classes(np.unique(column, return_inverse=True)[1] for column in columns)
    while True:
        after = np.append(classes, NOWHERE)[tables.next_state]  # (S, K)
        finer = _classes([classes, *(after + 1).T])
        if finer.max() == classes.max():
            break
        classes = finer
    _, first = np.unique(classes, return_index=True)
    # classes are numbered as their first states are, so that the start stays in front
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return _renumbered(tables, rank[classes], first[order])


def _classes(columns) -> np.ndarray:
    """Number the distinct rows of a table that is given by its columns, (S,) integers each."""
    rows = np.zeros(1, np.int64)
    for column in columns:
        rows = rows * (int(column.max(initial=0)) + 1) + column.astype(np.int64)
        rows = np.unique(rows, return_inverse=True)[1].reshape(-1)
    return rows


# Combining ----------------------------------------------------------------------------------------


def union(first: Automaton, *others: Automaton) -> WeightedAutomaton:
    """The strings that at least one of some constraints accepts.

    Raises a ValueError for automata with weights: a string that two of them accept would have two.
    """
    found, *left = (_tables(automaton, "union") for automaton in (first, *others))
    for automaton in (found, *left):
        weights = (automaton.log_weight, automaton.final)
        if any(((w != 0) & (w > -math.inf)).any() for w in weights):
            raise ValueError("union takes constraints, whose weights are all 0; this one has more.")
    for automaton in left:
        found = minimise(_side_by_side(found, automaton, both=False))
    return found


# Asking -------------------------------------------------------------------------------------------


def is_empty(automaton: Automaton) -> bool:
    """Whether no string at all is accepted."""
    _check_automaton(automaton, "is_empty")
    frontier = np.array([automaton.start])
    seen = set(frontier.tolist())
    while len(frontier):
        if (automaton.final_weights(frontier) > -math.inf).any():
            return False
        frontier = frontier[automaton.distances(frontier) < FAR]
        new = set(automaton.arcs(frontier)[2].tolist()) - seen
        seen |= new
        frontier = np.array(sorted(new), np.int64)
    return True


def count_strings(automaton: Automaton, length: int) -> int:
    """Exact number of accepted strings of one length.

    A vector of Python integers, the strings that lead to each state, takes ``length`` steps.

    >>> any_digits = explore("0123456789", 0, lambda s, c: 0, lambda s: True)
    >>> count_strings(any_digits, 30) == 10**30
    True
    """
    _check_automaton(automaton, "count_strings")
    _require_length(length)
    after = _targets(automaton)
    ways = {automaton.start: 1}
    for _ in range(length):
        so_far, ways = ways, {}
        for state, count in so_far.items():
            for target, characters in Counter(after(state).values()).items():
                ways[target] = ways.get(target, 0) + count * characters
        if not ways:
            return 0
    ends = automaton.final_weights(np.array(list(ways))) > -math.inf
    return sum(count for count, end in zip(ways.values(), ends, strict=True) if end)


def _targets(automaton: Automaton) -> Callable[[int], dict[int, int]]:
    """A function: from a state to where each column leads. Each state is asked for once."""

    @cache
    def after(state: int) -> dict[int, int]:
        _, columns, targets, _ = automaton.arcs(np.array([state]))
        return dict(zip(columns.tolist(), targets.tolist(), strict=True))

    return after


def strings(automaton: Automaton, longest: int) -> Iterator[str]:
    """All accepted strings of up to ``longest`` characters: short ones first, then in order.

    The order of the characters is the automaton's. Lazy: no time is lost on dead ends. What longer
    characters spell in several ways comes once for each.
    """
    _check_automaton(automaton, "strings")
    _require_length(longest)
    after = _targets(automaton)

    def written(state: int, left: int) -> Iterator[str]:
        if not left:
            yield ""
            return
        for k, target in after(state).items():
            if target in good[left - 1]:
                for rest in written(target, left - 1):
                    yield automaton.characters[k] + rest

    reached = [{automaton.start}]  # reached[n]: by n characters
    while reached[-1] and len(reached) <= longest + 1:
        ends = automaton.final_weights(np.array(list(reached[-1]))) > -math.inf
        good = [{state for state, end in zip(reached[-1], ends, strict=True) if end}]
        for states in reversed(reached[:-1]):  # good[n]: from there n more characters end well
            good.append({s for s in states if not good[-1].isdisjoint(after(s).values())})
        if good[-1]:
            yield from written(automaton.start, len(reached) - 1)
        reached.append({target for state in reached[-1] for target in after(state).values()})


def draw_string(automaton: Automaton, length: int, generator: torch.Generator) -> str:
    """Draw one of the accepted strings of one length, with probability as its weight.

    Without weights all of them are equally likely.

    Parameters
    ----------
    automaton : Automaton
    length : int
    generator : torch.Generator

    Raises
    ------
    ValueError
        If no string of this length is accepted.

    Examples
    --------
    >>> threes = explore("0123456789", 0, lambda r, c: (10 * r + int(c)) % 3, lambda r: r == 0)
    >>> int(draw_string(threes, 20, torch.Generator().manual_seed(0))) % 3
    0
    """
    return draw_strings(automaton, length, 1, generator)[0]


def draw_strings(
    automaton: Automaton, length: int, count: int, generator: torch.Generator
) -> list[str]:
    """Draw several strings, independently; each as :func:`draw_string` does.

    Parameters
    ----------
    automaton : Automaton
        Its weights say how likely a string is, among those of this length.
    length, count : int
        Characters of a string, and how many strings.
    generator : torch.Generator
    """
    _require_length(length)
    check_whole(0, count=count)
    check_generator(generator, "draw_strings")
    if count * length > MOST_CELLS:
        raise ValueError(
            f"At most {MOST_CELLS} characters are drawn at once; got {count} strings of {length}."
        )
    tables = _tables(automaton, "draw_strings")
    ahead = [tables.final]  # ahead[n][s]: log of the total weight of n more characters from s
    for _ in range(length):
        weights = tables.log_weight + np.append(ahead[-1], -math.inf)[tables.next_state]
        ahead.append(np.logaddexp.reduce(weights, axis=1, initial=-math.inf))  # (S,)
    if ahead[length][tables.start] == -math.inf:
        raise ValueError(f"This automaton accepts no string of {length} characters.")
    chances = torch.rand(count, length, generator=generator, dtype=torch.float64).numpy()
    states, texts = np.full(count, tables.start), [""] * count
    for place in range(length):
        after = np.append(ahead[length - place - 1], -math.inf)[tables.next_state[states]]
        weights = tables.log_weight[states] + after  # (count, K)
        shares = np.exp(weights - weights.max(1, keepdims=True)).cumsum(1)
        chosen = (shares <= chances[:, place, None] * shares[:, -1:]).sum(1)
        states = tables.next_state[states, chosen]
        texts = [t + tables.characters[k] for t, k in zip(texts, chosen, strict=True)]
    return texts


def _tables(automaton: Automaton, what: str) -> WeightedAutomaton:
    """The automaton with all its states in tables, which some questions need."""
    if isinstance(automaton, SparseAutomaton):
        return automaton.automaton()
    if not isinstance(automaton, WeightedAutomaton):
        raise TypeError(
            f"{what} needs all states at once, as a WeightedAutomaton or a small SparseAutomaton "
            f"has them; got {type(automaton).__name__}, whose states are made when they are "
            "reached."
            if isinstance(automaton, Automaton)
            else f"{what} takes an automaton; got {type(automaton).__name__}."
        )
    return automaton


def _require_length(length: int) -> None:
    if not is_whole(length) or length < 0:
        raise ValueError(f"A length is a number of characters, 0 or more; got {length!r:.80}.")
