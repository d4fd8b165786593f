"""A language as a machine that reads one character after the other: a weighted automaton.

It is deterministic: from each state, each character leads to one state or nowhere. Every string has
at most one way through it, and the weights along this way add up to the string's log-weight. A
constraint is the special case in which all weights are 0: it says which strings may be, not how
likely they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from crnn_lib.alphabet import Alphabet, distinct_characters

NOWHERE = -1  #: in ``next_state``: no string goes on like this


@dataclass(frozen=True, eq=False)
class WeightedAutomaton:
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
        if not 0 <= self.start < len(final):
            raise ValueError(f"start is a state from 0 to {len(final) - 1}; got {self.start}.")
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

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {character: k for k, character in enumerate(self.characters)}

    def score(self, text: str | Sequence[str]) -> float:
        """Log-weight of a string: its steps and its end. ``-inf`` if it is not accepted.

        If characters take several code points, a str is cut into them as
        :meth:`crnn_lib.alphabet.Alphabet.split` does; a sequence of characters is taken as it is.
        """
        if isinstance(text, str) and isinstance(self.characters, tuple):
            text = Alphabet(self.characters).split(text, strict=False)
        state, total = self.start, 0.0
        for character in text:
            column = self._columns.get(character)
            if column is None or self.next_state[state, column] == NOWHERE:
                return -math.inf
            total += float(self.log_weight[state, column])
            state = self.next_state[state, column]
        return total + float(self.final[state])

    def accepts(self, text: str | Sequence[str]) -> bool:
        """Whether the string may be at all."""
        return self.score(text) > -math.inf
