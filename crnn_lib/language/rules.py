"""Rules for texts of whatever characters: allow and block lists, hot words.

A :class:`Rule` becomes an automaton when its characters are known: those of the alphabet, when a
decoder takes it, or those of the language that it is combined with.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from crnn_lib.alphabet import as_number, distinct_characters
from crnn_lib.language._tries import Trie, add_word
from crnn_lib.language.algebra import respell
from crnn_lib.language.automata import (
    NOWHERE,
    Automaton,
    WeightedAutomaton,
    _check_factor,
    _Operators,
)
from crnn_lib.language.mixtures import Mixture

Characters = str | tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Rule(_Operators):
    """A language that is given its characters later: what :func:`only` and its like return.

    The decoders take it as ``language=``. ``first & second`` is what both accept, their log-weights
    added up, where the second may also be an automaton or a mixture; ``0.5 * rule`` has half the
    log-weights.

    Parameters
    ----------
    build : callable
        ``build(characters)``: the automaton over some characters, a str or a tuple of str.

    Examples
    --------
    >>> rule = only("0123456789") & hot_words({"007": 2.0})
    >>> language = rule.over("0123456789abc")
    >>> language.score("1 007"), language.score("1007"), language.score("007")
    (-inf, 0.0, 2.0)
    """

    build: Callable[[Characters], Automaton]
    _made: dict[Characters, Automaton] = field(default_factory=dict, repr=False)

    def over(self, characters: Sequence[str]) -> Automaton:
        """The automaton over some characters, made once.

        Raises
        ------
        ValueError
            If the rule makes no sense there: a hot word cannot be spelled, nothing is allowed.
        """
        known = distinct_characters(characters, "a language")
        if known not in self._made:
            self._made[known] = self.build(known)
        return self._made[known]

    if not TYPE_CHECKING:  # only for what is missing, of which type checkers know by themselves

        def __getattr__(self, name: str):
            raise AttributeError(
                f"A rule has no {name!r}. rule.over(characters) is an automaton, which has all "
                "that can be asked of a language."
            )

    def __and__(self, other):
        if isinstance(other, Rule):
            return Rule(partial(_build_both, self, other))
        if isinstance(other, Automaton):
            return self.over(other.characters) & other
        if isinstance(other, Mixture):
            return Mixture(tuple(self & part for part in other.parts))
        return NotImplemented

    __rand__ = __and__

    def __rmul__(self, factor: float) -> Rule:
        return Rule(partial(_build_weighed, self, _check_factor(factor)))


# What builds is a function of this module and what it is given: a rule can be sent to a process.


def _build_both(first: Rule, second: Rule, characters: Characters) -> Automaton:
    return first.over(characters) & second.over(characters)


def _build_weighed(rule: Rule, factor: float, characters: Characters) -> Automaton:
    return factor * rule.over(characters)


def only(allowed: Sequence[str]) -> Rule:
    """Texts of these characters alone: an allow list.

    Parameters
    ----------
    allowed : str or sequence of str
        A str is a list of code points: a longer character is allowed if all of its are. Of a
        sequence, each entry is a character. What the alphabet lacks is allowed in vain.

    Examples
    --------
    >>> language = only("0123456789.-").over("0123456789.abc")
    >>> language.accepts("55.207"), language.accepts("55a")
    (True, False)
    """
    return Rule(partial(_build_only, allowed, _listed(allowed, "only", "0123456789")))


def _build_only(
    allowed: Sequence[str], listed: set[str], characters: Characters
) -> WeightedAutomaton:
    inside = [set(c) <= listed if isinstance(allowed, str) else c in listed for c in characters]
    return _one_state(characters, inside, f"only({allowed!r:.200}) allows none")


def never(blocked: Sequence[str]) -> Rule:
    """Texts without any of these characters: a block list.

    Parameters
    ----------
    blocked : str or sequence of str
        A str is a list of code points: a longer character is blocked if one of its is. Of a
        sequence, each entry is a character.

    Examples
    --------
    >>> language = never("lO").over("0123456789lOI")
    >>> language.accepts("I10"), language.accepts("lO")
    (True, False)
    """
    return Rule(partial(_build_never, blocked, _listed(blocked, "never", "lO")))


def _build_never(
    blocked: Sequence[str], listed: set[str], characters: Characters
) -> WeightedAutomaton:
    free = [not (set(c) & listed if isinstance(blocked, str) else c in listed) for c in characters]
    return _one_state(characters, free, f"never({blocked!r:.200}) blocks all")


def _listed(characters: Sequence[str], name: str, example: str) -> set[str]:
    listed = set(characters) if isinstance(characters, Iterable) else set()
    if not listed or not all(isinstance(c, str) and c for c in listed):
        raise ValueError(f"{name} takes characters, such as {example!r}; got {characters!r:.200}.")
    return listed


def _one_state(characters: Characters, allowed: list[bool], otherwise: str) -> WeightedAutomaton:
    """Texts of the characters that are allowed. ``otherwise`` says what it means if none is."""
    if not any(allowed):
        raise ValueError(f"{otherwise} of the characters {characters!r:.200}.")
    step = np.where(allowed, 0, NOWHERE)[None]
    return WeightedAutomaton(characters, step, np.zeros(step.shape), np.zeros(1))


def hot_words(bonuses: Mapping[str, float], *, space: str | None = " ") -> Rule:
    """Words that are likelier than they look: each one that is read adds its bonus to the score.

    A text's score is what it would be without, plus the bonus of every word as often as the word
    stands there, no more and no less. A bonus of 2 makes a word ``exp(2)``, some seven times,
    likelier; one below 0 makes it rarer, and ``-math.inf`` forbids it.

    All words are looked for at the same time (Aho and Corasick 1975). The part of a word that was
    read has the same part of the bonus, so that a beam does not lose the word before its end; what
    was given too early is taken back.

    Parameters
    ----------
    bonuses : mapping of str to float
        Log-weights. A word may have several parts, as "New York" has.
    space : str, optional
        What stands between words: only whole words count, between spaces or at an end of the text.
        It need not be in the alphabet, unless a word has several parts. None: they count inside of
        words, too.

    Examples
    --------
    >>> language = hot_words({"hand": 2.0, "land": -1.0}).over("adhln ")
    >>> [language.score(text) for text in ("hand", "hand hand land", "handland", "and")]
    [2.0, 3.0, 0.0, 0.0]
    >>> hot_words({"an": 1.0}, space=None).over("adhln").score("handland")
    2.0
    """
    if not isinstance(bonuses, Mapping) or not bonuses:
        raise ValueError(
            "hot_words takes a mapping of words to bonuses, such as {'hand': 2.0}; got "
            f"{bonuses!r:.200}."
        )
    if space is not None and (not isinstance(space, str) or len(space) != 1):
        raise ValueError(f"space is one code point or None; got {space!r}.")
    given = {}
    for word, bonus in bonuses.items():
        if not isinstance(word, str) or not word or word.strip(space or "") != word:
            raise ValueError(
                f"A hot word has letters, and neither begins nor ends with a space; got {word!r}."
            )
        if not as_number(bonus) < math.inf:  # NaN is not smaller either
            raise ValueError(f"A bonus is a finite number, or -inf; {word!r} has {bonus!r}.")
        given[word] = float(bonus)
    return Rule(partial(_build_hot_words, given, space))


def _build_hot_words(
    given: dict[str, float], space: str | None, characters: Characters
) -> WeightedAutomaton:
    letters = "".join(dict.fromkeys("".join(characters)))
    for word in given:
        if missing := "".join(sorted(set(word) - set(letters))):
            raise ValueError(
                f"The hot word {word!r} has characters that are not there: {missing!r} is not "
                f"in {characters!r:.200}."
            )
    found = _search_for(given, letters, space)
    return found if isinstance(characters, str) else respell(found, characters)


def _search_for(bonuses: dict[str, float], letters: str, space: str | None) -> WeightedAutomaton:
    """What all occurrences of some words add up to, over code points."""
    pad = space or ""
    column = {letter: k for k, letter in enumerate(letters)}
    outside = len(letters)  # the column of a space that only the ends of a text have
    trie: Trie = [{}]
    ways = [add_word(trie, [column.get(c, outside) for c in pad + word + pad]) for word in bonuses]
    gain, credit = [0.0] * len(trie), [0.0] * len(trie)
    for (word, bonus), (*before, end) in zip(bonuses.items(), ways, strict=True):
        for depth, node in enumerate(before):
            read = max(0, depth - len(pad))  # letters of the word, up to this node
            credit[node] = max(credit[node], bonus * read / len(word))
        gain[end] += bonus
    # From the shortest on: where a text goes on that is no longer the beginning of a word.
    size = len(letters) + 1
    step, shorter = np.zeros((len(trie), size), np.int64), [0] * len(trie)
    queue = deque([0])
    while queue:
        node = queue.popleft()
        for k in range(size):
            back = int(step[shorter[node], k]) if node else 0
            child = trie[node].get(k)
            step[node, k] = back if child is None else child
            if child is not None:
                shorter[child] = back
                gain[child] += gain[back]
                credit[child] = max(credit[child], credit[back])
                queue.append(child)
    gains, credits = np.array(gain), np.array(credit)
    weight = gains[step] + credits[step] - credits[:, None]
    start, final = 0, -credits
    if space is not None:
        border = column.get(space, outside)
        start = int(step[0, border])
        final = gains[step[:, border]] - credits
    return WeightedAutomaton(letters, step[:, :outside], weight[:, :outside], final, start)
