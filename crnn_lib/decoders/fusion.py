"""A language, made ready for a decoder: tables over the classes of an alphabet.

An automaton speaks of characters; a decoder thinks in classes and frames. It also has to know
early what can still come to an accepted end: how many frames a string needs from here on (a
repeated character needs a blank in between), and how much weight it can gather at best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import NEVER
from crnn_lib.language import NOWHERE, WeightedAutomaton, respell

UNREACHABLE = 1 << 30  # frames that no line has


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
    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The pairs of a state and a class that leads to it, all int32.

        First (S, C): the pair that a step leads to, -1 where it is forbidden. Then the state and
        the class of each pair.
        """
        steps = self.step >= 0
        places = (self.step.astype(np.int64) * self.classes + np.arange(self.classes))[steps]
        found, which = np.unique(places, return_inverse=True)
        entry = np.full(self.step.shape, NOWHERE, np.int32)
        entry[steps] = which
        state, label = np.divmod(found, self.classes)
        return entry, state.astype(np.int32), label.astype(np.int32)

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
        raise TypeError(f"language is a WeightedAutomaton or None; got {type(language).__name__}.")
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
