"""Lines of several words: all that a lexicon's words make, and how likely a model of words says.

:func:`sentences_of` puts words one after the other. :func:`word_language` gives each sentence the
probability that a model of words gives it, an ARPA file's for instance: a decoder that spells can
so use what is known of words. Its states are pairs, how far a word of the lexicon was read and
which words came before. There would be billions; those that a line reaches are made when it does.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from crnn_lib.alphabet import as_number, distinct_characters
from crnn_lib.language._numbers import Numbers
from crnn_lib.language._tries import Trie, add_word
from crnn_lib.language.arpa import UNKNOWN, read_arpa
from crnn_lib.language.automata import (
    FAR,
    NOWHERE,
    Arcs,
    Automaton,
    WeightedAutomaton,
    _entries,
)
from crnn_lib.language.constraints import _check_words, lexicon
from crnn_lib.language.ngrams import NGram
from crnn_lib.language.sparse import SparseAutomaton


def sentences_of(
    words: Iterable[str] | Mapping[str, float],
    characters: Sequence[str] | None = None,
    *,
    space: str = " ",
) -> Automaton:
    """One or more of some words, with one space between two.

    Parameters
    ----------
    words : iterable of str, or mapping of str to float
        As for :func:`lexicon`: a mapping gives each word its log-weight. A sentence weighs what its
        words weigh together.
    characters : str or sequence of str, optional
        The characters of the automaton, to combine it with others over the same. By default those
        of the words, in order, and the space.
    space : str
        What stands between words.

    Examples
    --------
    >>> language = sentences_of({"my": -1.0, "hand": -2.0})
    >>> [language.score(text) for text in ("hand", "my hand", "hand my my", "myhand", "my ")]
    [-2.0, -3.0, -4.0, -inf, -inf]
    """
    _check_words(words)
    words = words if isinstance(words, Mapping) else dict.fromkeys(words, 0.0)
    _require_no_space(words, space)
    if characters is None:
        characters = "".join(sorted({*"".join(words), space}))
    characters = distinct_characters(characters, "a language")
    if space not in characters:
        raise ValueError(f"The characters {characters!r:.200} have no space {space!r}.")
    found = lexicon(characters, words)
    place = list(characters).index(space)
    if isinstance(found, WeightedAutomaton):
        next_state, weight = found.next_state.copy(), found.log_weight.copy()
        ends = found.final > -math.inf
        next_state[ends, place], weight[ends, place] = found.start, found.final[ends]
        return WeightedAutomaton(characters, next_state, weight, found.final, found.start)
    assert isinstance(found, SparseAutomaton)
    at = (found.final > -math.inf).nonzero()[0]
    source = np.concatenate([np.repeat(np.arange(len(found.final)), np.diff(found.first)), at])
    column = np.concatenate([found.column, np.full(len(at), place)])
    target = np.concatenate([found.target, np.full(len(at), found.begin)])
    weight = np.concatenate([found.weight, found.final[at]])
    order = np.lexsort((column, source))
    first = source[order].searchsorted(np.arange(len(found.final) + 1))
    return SparseAutomaton(
        characters, first, column[order], target[order], weight[order], found.final, found.begin
    )


def _require_no_space(words: Iterable[str], space: str) -> None:
    if not isinstance(space, str) or len(space) != 1:
        raise ValueError(f"space is one code point; got {space!r:.80}.")
    for word in words:
        if not isinstance(word, str) or not word or space in word:
            raise ValueError(
                f"A word of a sentence is a text of one character or more, without the space "
                f"{space!r}; got {word!r}."
            )


def word_language(
    words: Iterable[str] | Mapping[str, str] | None,
    ngram: Automaton | str | os.PathLike[str],
    characters: Sequence[str] | None = None,
    *,
    space: str = " ",
    spelling: NGram | WeightedAutomaton | None = None,
    unknown_weight: float = 0.0,
) -> Automaton:
    """Sentences of a lexicon's words, each as likely as a model of words says.

    A text is words with one space between two, or empty. It weighs what the model says of its
    words and of its end. Words that the lexicon lacks can be read with ``spelling``: such a word
    weighs

        log p(<unk> | words before) + unknown_weight + spelling.log_prob(word).

    Before a word is complete, what it will weigh is not known. Its characters weigh what the
    likeliest word that goes on so weighs without context, as by :func:`lexicon`, and its end sets
    it right: the sum is exact.

    Parameters
    ----------
    words : iterable of str, mapping of str to str, or None
        The lexicon. A mapping says under which name the model knows what is written: ``{"Hand":
        "hand", "hand": "hand"}``. None: all words of the model.
    ngram : Automaton, or path
        A model over words, such as :func:`read_arpa` returns, or the ARPA file itself. Words of the
        lexicon that it does not list are read as its ``<unk>``.
    characters : str or sequence of str, optional
        The characters of the language, to combine it with others over the same. By default those of
        the words, and of ``spelling``, in order, and the space.
    space : str
        What stands between words.
    spelling : NGram or WeightedAutomaton, optional
        How unknown words are spelled, such as :func:`~crnn_lib.language.spelling_model`; an
        automaton's log-weight stands for ``log_prob``. Without it there are none.
    unknown_weight : float
        What is added to each unknown word, also to one of the lexicon.

    Returns
    -------
    Automaton
        Its states are made when a decoder reaches them.

    Raises
    ------
    ValueError
        If there is no word, a word contains the space or has characters that are not among
        ``characters``, or there are unknown words and the model has no ``<unk>``.

    Examples
    --------
    >>> model = SparseAutomaton(("my", "hand", "land", "<unk>"), [0, 4, 5], [0, 1, 2, 3, 1],
    ...     [1, 0, 0, 0, 0], np.log([0.2, 0.1, 0.3, 0.1, 0.7]), np.log([0.3, 0.3]),
    ...     shorter=[-1, 0], price=[0, math.log(0.3 / 0.9)])
    >>> language = word_language(["my", "hand", "land"], model)
    >>> [round(math.exp(language.score(text)), 4) for text in ("my hand", "my land", "hand my")]
    [0.042, 0.006, 0.006]
    >>> language.accepts("my Hand")
    False
    >>> opened = word_language(["my", "hand", "land"], model, spelling=NGram.fit(
    ...     ["Hand"], characters="Hadln"))
    >>> opened.accepts("my Hand"), opened.score("my hand") == language.score("my hand")
    (True, True)
    """
    if not isinstance(ngram, Automaton):
        path, ngram = ngram, read_arpa(ngram)
        if UNKNOWN not in ngram.characters:  # words of one letter each: it took them for letters
            opened = read_arpa(path, (*ngram.characters, UNKNOWN))
            ngram = opened if opened.without_context()[-1] > -math.inf else ngram
    known = {name: k for k, name in enumerate(ngram.characters) if name != UNKNOWN}
    if words is None:
        words = list(known)
    _check_words(words, "a mapping of them, or None")
    names = dict(words) if isinstance(words, Mapping) else {word: word for word in words}
    if not names:
        raise ValueError("A lexicon needs at least one word; this one is empty.")
    _require_no_space(names, space)
    unknown = list(ngram.characters).index(UNKNOWN) if UNKNOWN in ngram.characters else NOWHERE
    strangers = [word for word, name in names.items() if name not in known]
    if unknown == NOWHERE and (strangers or spelling is not None):
        raise ValueError(
            f"The model of words has no {UNKNOWN!r}, so unknown words have no probability: "
            + (
                f"{len(strangers)} of the lexicon's {len(names)}, such as {strangers[:5]!r}."
                if strangers
                else "leave out spelling."
            )
        )
    if not math.isfinite(as_number(unknown_weight)):
        raise ValueError(f"unknown_weight is a finite number; got {unknown_weight!r:.80}.")
    if spelling is not None and not isinstance(spelling, (NGram, WeightedAutomaton)):
        raise TypeError(
            f"spelling is an NGram, such as spelling_model makes, or a WeightedAutomaton; got "
            f"{spelling!r:.80}."
        )
    if characters is None:
        letters = {*"".join(names), space}
        if spelling is not None:
            letters |= set(spelling.characters)
        characters = "".join(sorted(letters))
    characters = distinct_characters(characters, "a language")
    if not isinstance(characters, str):
        raise ValueError(
            "Words are spelled in code points; the characters of the language are one each, not "
            f"{characters!r:.200}."
        )
    if missing := {*"".join(names), space} - set(characters):
        raise ValueError(
            f"The words need characters that are not there: {''.join(sorted(missing))!r} is not "
            f"in {characters!r:.200}."
        )
    tokens = {word: known.get(name, unknown) for word, name in names.items()}
    if isinstance(spelling, NGram):
        spelling = spelling.automaton()
    return _WordLanguage(tokens, ngram, characters, space, spelling, unknown, unknown_weight)


class _WordLanguage(Automaton):
    """A place in the spelling of a word, and a state of the model of words: see word_language.

    Places 0 to P - 1 are the nodes of the lexicon's trie, 0 between two words; P is the beginning
    of the text; behind it come the states of the spelling model, for words that have left the trie.
    """

    def __init__(
        self,
        tokens: dict[str, int],
        ngram: Automaton,
        characters: str,
        space: str,
        spelling: WeightedAutomaton | None,
        unknown: int,
        unknown_weight: float,
    ) -> None:
        self.characters, self.ngram = characters, ngram
        self.unknown, self.unknown_weight = unknown, unknown_weight
        size = len(characters)
        column = {letter: k for k, letter in enumerate(characters)}
        self.space = column[space]
        trie: Trie = [{}]
        ends = [add_word(trie, map(column.__getitem__, word))[-1] for word in tokens]
        self.nodes = len(trie)
        counts = np.array([len(row) for row in trie])
        self.first = np.append(0, counts.cumsum())
        self.column = np.array([k for row in trie for k in sorted(row)], np.int64)
        self.child = np.array([row[k] for row in trie for k in sorted(row)], np.int64)
        self.parent = np.repeat(np.arange(self.nodes), counts)[self.child.argsort()]
        self.token = np.full(self.nodes, NOWHERE)
        self.token[ends] = list(tokens.values())
        # What a word weighs without context, at the best, by the beginning of it.
        alone = self._alone()
        best = np.where(self.token == NOWHERE, -math.inf, alone[self.token])
        nearest = np.where(self.token == NOWHERE, FAR, 0)
        for node in range(self.nodes - 1, 0, -1):  # children stand after their parents
            above = self.parent[node - 1]
            best[above] = max(best[above], best[node])
            nearest[above] = min(nearest[above], nearest[node] + 1)
        # Unknown words, beside them: a node has a state of the spelling model and its log-weight.
        self.spelling: WeightedAutomaton | None = None
        self.spelled = np.full(self.nodes, -math.inf)
        self.spells = np.zeros(self.nodes, np.int64)
        if spelling is not None:
            self.spelling = _over(spelling, characters, self.space)
            self._spell()
            best = np.maximum(best, alone[unknown] + self.spelled)
            nearest[1:] = np.where(self.spelled[1:] > -math.inf, 0, nearest[1:])
            nearest[0] = min(nearest[0], 1)
        best[0] = 0.0
        # a word that cannot be, whatever comes before, weighs nothing until its end
        self.given = np.where(best > -math.inf, best, 0.0)
        outside = 0 if self.spelling is None else self.spelling.num_states
        self.places = self.nodes + 1 + outside
        self.near = np.concatenate([nearest, [0], np.zeros(outside, np.int64)])
        self.size = size
        self._states = Numbers()
        self.start = self._states.one(ngram.start * self.places + self.nodes)

    def _alone(self) -> np.ndarray:
        """Of each word of the model what it weighs without context, or at the beginning."""
        size = len(self.ngram.characters)
        if isinstance(self.ngram, SparseAutomaton):
            return self.ngram.without_context()
        weights = np.full(size, -math.inf)
        _, columns, _, found = self.ngram.arcs(np.array([self.ngram.start]))
        weights[columns] = found
        return weights

    def _spell(self) -> None:
        """Follow the spelling model into each node of the trie."""
        assert self.spelling is not None
        self.spells[0], self.spelled[0] = self.spelling.start, self.unknown_weight
        level = np.array([0])
        while len(level):
            many = self.first[level + 1] - self.first[level]
            steps = _entries(self.first[level], many)
            above, columns, below = np.repeat(level, many), self.column[steps], self.child[steps]
            after = self.spelling.next_state[self.spells[above], columns]
            self.spelled[below] = self.spelled[above] + np.where(
                after == NOWHERE, -math.inf, self.spelling.log_weight[self.spells[above], columns]
            )
            self.spells[below] = np.where(after == NOWHERE, 0, after)
            level = below

    def _split(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of some states the model's states, the places, and the nodes: P where there is none."""
        context, place = np.divmod(self._states.codes(states), self.places)
        node = np.where(place == self.nodes, 0, np.minimum(place, self.nodes))
        return context, place, node

    def arcs(self, states: np.ndarray) -> Arcs:
        context, place, node = self._split(states)
        steps = self._in_the_lexicon(context, node)
        parts = [steps]
        if self.spelling is not None:
            parts.append(self._beside_the_lexicon(context, place, node, steps))
        row, state, weight = self._ends(context, place, node)  # the space after a word
        if len(row) or self.spelling is not None:  # else there is one part, and it is in order
            parts.append((row, np.full(len(row), self.space), state * self.places, weight))
            steps = tuple(np.concatenate(pieces) for pieces in zip(*parts, strict=True))
            order = (steps[0] * self.size + steps[1]).argsort()
            steps = tuple(pieces[order] for pieces in steps)
        row, column, target, weight = steps
        counts = np.bincount(row, minlength=len(states))
        return counts, column, self._states.of(target), weight

    def _in_the_lexicon(self, context: np.ndarray, node: np.ndarray) -> tuple[np.ndarray, ...]:
        """Letters that go on with a word: their rows, columns, targets and weights."""
        at = (node < self.nodes).nonzero()[0]
        many = self.first[node[at] + 1] - self.first[node[at]]
        steps = _entries(self.first[node[at]], many)
        row, child = np.repeat(at, many), self.child[steps]
        weight = self.given[child] - self.given[node[row]]
        return row, self.column[steps], context[row] * self.places + child, weight

    def _beside_the_lexicon(
        self,
        context: np.ndarray,
        place: np.ndarray,
        node: np.ndarray,
        words: tuple[np.ndarray, ...],
    ) -> tuple[np.ndarray, ...]:
        """All other letters, which spell unknown words; those of ``words`` are left out."""
        assert self.spelling is not None
        inside = node < self.nodes
        at = inside.nonzero()[0]
        spells = place - self.nodes - 1
        spells[at] = self.spells[node[at]]
        after, weight = self.spelling.next_state[spells], self.spelling.log_weight[spells]
        here = np.zeros(len(node))  # what is due where a word leaves the lexicon
        _, word = self.ngram.follow(context[at], np.full(len(at), self.unknown))
        here[at] = word + self.spelled[node[at]] - self.given[node[at]]
        allowed = (after != NOWHERE) & (here > -math.inf)[:, None]
        allowed[words[0], words[1]] = False
        row, k = allowed.nonzero()
        target = context[row] * self.places + self.nodes + 1 + after[row, k]
        return row, k, target, weight[row, k] + here[row]

    def _ends(self, context: np.ndarray, place: np.ndarray, node: np.ndarray):
        """Where a word may end: which states, the model's states after it, what it weighs."""
        word = self.token[np.minimum(node, self.nodes - 1)]
        known = (node < self.nodes) & (word != NOWHERE)
        at = (known if self.spelling is None else node > 0).nonzero()[0]
        token = np.where(known[at], word[at], self.unknown)
        state, weight = self.ngram.follow(context[at], token)
        weight = weight + np.where(token == self.unknown, self.unknown_weight, 0.0)
        weight[known[at]] -= self.given[node[at][known[at]]]
        if self.spelling is not None:
            inside = (node[at] < self.nodes) & ~known[at]
            nodes, outside = node[at][inside], node[at] == self.nodes
            # ``spelled`` holds unknown_weight, too
            end = (
                self.spelled[nodes] - self.unknown_weight + self.spelling.final[self.spells[nodes]]
            )
            weight[inside] += end - self.given[nodes]
            weight[outside] = self.spelling.final[place[at][outside] - self.nodes - 1]
        possible = (weight > -math.inf) & (state != NOWHERE)
        return at[possible], state[possible], weight[possible]

    def final_weights(self, states: np.ndarray) -> np.ndarray:
        context, place, node = self._split(states)
        result = np.full(len(states), -math.inf)
        empty = place == self.nodes  # nothing was written
        result[empty] = self.ngram.final_weights(context[empty])
        at, state, weight = self._ends(context, place, node)
        result[at] = weight + self.ngram.final_weights(state)
        return result

    def distances(self, states: np.ndarray) -> np.ndarray:
        return self.near[self._states.codes(states) % self.places]

    @property
    def farthest(self) -> int:
        return int(self.near[self.near < FAR].max())

    @property
    def most(self) -> float:
        """A word adds no more than the model says of it, if it is not paid for being unknown."""
        return self.ngram.most if self.unknown_weight <= 0 else math.inf


def _over(automaton: WeightedAutomaton, characters: str, space: int) -> WeightedAutomaton:
    """The same over other characters, without the space; none that is not there is allowed."""
    shape = (automaton.num_states, len(characters))
    next_state, weight = np.full(shape, NOWHERE), np.full(shape, -math.inf)
    known = {c: k for k, c in enumerate(automaton.characters)}
    for k, character in enumerate(characters):
        if k != space and character in known:
            next_state[:, k] = automaton.next_state[:, known[character]]
            weight[:, k] = automaton.log_weight[:, known[character]]
    return WeightedAutomaton(characters, next_state, weight, automaton.final, automaton.start)
