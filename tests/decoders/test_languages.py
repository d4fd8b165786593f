"""Languages of several kinds in the decoders: they find the best of all alignments' sums."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from crnn_lib import Alphabet, exact_search, prefix_beam_search
from crnn_lib.ctc import collapse
from crnn_lib.language import (
    Automaton,
    SparseAutomaton,
    WeightedAutomaton,
    hot_words,
    lexicon,
    never,
    only,
    read_arpa,
    respell,
    sentences_of,
    word_language,
)

ARPA = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-2\t<unk>
-99\t<s>\t-0.3
-0.7\t</s>
-0.5\ta\t-0.4
-0.6\tb\t-0.1

\\2-grams:
-0.2\t<s> b
-0.3\tb a
-0.9\ta </s>

\\end\\
"""


def languages(path):
    path.write_text(ARPA)
    letters = read_arpa(path, "ab ")
    return {
        "hot": hot_words({"ab": 2.0, "b": -1.0}),
        "hot anywhere": hot_words({"ab": 2.0, "ba": 1.5}, space=None),
        "lists": only("ab") & never("b"),
        "sentences": sentences_of({"a": -1.0, "ab": -0.5}),
        "letters": letters,
        "words": word_language(None, path),
        "unknown words": word_language(["a"], path, spelling=letters.automaton()),
        "all of it": 0.5 * word_language(None, path) & hot_words({"b": 2.0}) & never("x"),
    }


NAMES = [
    "hot", "hot anywhere", "lists", "sentences", "letters", "words", "unknown words", "all of it"
]  # fmt: skip


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_best_of_all_alignments_is_found(name, large, tmp_path, monkeypatch):
    if large:  # no tables: states are made when they are reached
        monkeypatch.setattr("crnn_lib.language.sparse.MANY_STEPS", 0)
    language = languages(tmp_path / "model.arpa")[name]
    alphabet = Alphabet("ba ", blank=3)
    score = language.over("ba ").score if hasattr(language, "over") else language.score
    torch.manual_seed(3)
    lines = (2 * torch.randn(4, 5, 4, dtype=torch.float64)).log_softmax(2)
    options = {"alphabet": alphabet, "language": language, "language_weight": 0.8}
    beams = prefix_beam_search(lines, beam_width=500, **options)
    exact = exact_search(lines, **options)
    for line, beam, one in zip(lines, beams, exact, strict=True):
        probs: dict = {}
        p = line.exp().tolist()
        for alignment in itertools.product(range(4), repeat=5):
            label = tuple(collapse(alignment, blank=3))
            way = math.prod(p[t][c] for t, c in enumerate(alignment))
            probs[label] = probs.get(label, 0.0) + way
        gains = {label: score(alphabet.decode(label)) for label in probs}
        scores = {k: math.log(probs[k]) + 0.8 * g for k, g in gains.items() if g > -math.inf}
        best = max(scores, key=scores.__getitem__)
        for found in (beam, one):
            assert found.label == best
            assert found.score == pytest.approx(scores[best], abs=1e-9)
            assert found.score == pytest.approx(found.log_prob + 0.8 * gains[best], abs=1e-9)
            others = [s for label, s in scores.items() if label != best]
            assert not found.proven or max(others, default=-math.inf) < found.score
        if name in ("hot", "hot anywhere", "lists", "sentences"):
            assert one.proven


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_longer_characters_read_any_language_letter_by_letter(name, large, tmp_path, monkeypatch):
    """A beam that holds all labels scores each as its text, however its characters cut that."""
    if large:
        monkeypatch.setattr("crnn_lib.language.sparse.MANY_STEPS", 0)
    language = languages(tmp_path / "model.arpa")[name]
    alphabet = Alphabet(("a ", "ab", "b", "a"), blank=1)
    score = language.over("ab ").score if hasattr(language, "over") else language.score
    torch.manual_seed(5)
    line = (2 * torch.randn(4, 5, dtype=torch.float64)).log_softmax(1)
    probs: dict = {}
    for alignment in itertools.product(range(5), repeat=4):
        label = tuple(collapse(alignment, blank=1))
        way = math.exp(sum(float(line[t, c]) for t, c in enumerate(alignment)))
        probs[label] = probs.get(label, 0.0) + way
    gains = {label: score(alphabet.decode(label)) for label in probs}
    scores = {k: math.log(p) + 0.8 * gains[k] for k, p in probs.items() if gains[k] > -math.inf}
    assert len(scores) > 1
    options = {"alphabet": alphabet, "language": language, "language_weight": 0.8}
    (found,) = prefix_beam_search(line, beam_width=500, n_best=500, **options)
    assert {h.label: pytest.approx(h.score, abs=1e-9) for h in found} == scores
    (best,) = exact_search(line, **options)
    assert best.label == found[0].label == max(scores, key=scores.__getitem__)


def test_respelled_states_are_those_of_the_tables():
    """The same language, made when it is reached and at once."""
    letters = lexicon("abx", {"ab": -1.0, "abab": -2.0, "ba": -0.5, "": -3.0, "xab": 0.25})
    lazy = respell(0.5 * SparseAutomaton(*sparse(letters)), ("ba", "ab", "xa", "b", "abz"))
    tables = respell(0.5 * letters, ("ba", "ab", "xa", "b", "abz"))
    assert not isinstance(lazy, WeightedAutomaton) and lazy.num_states == letters.num_states
    for size in range(4):
        for pieces in itertools.product(lazy.characters, repeat=size):
            assert lazy.score(pieces) == pytest.approx(tables.score(pieces), abs=1e-12)
    # no distance is above the true one: one character may take several letters
    states = np.arange(letters.num_states)
    assert (lazy.distances(states) <= letters.distances(states)).all()
    assert lazy.farthest == -(-letters.farthest // 3)


def sparse(automaton):
    """What a SparseAutomaton is made from."""
    counts, columns, targets, weights = automaton.arcs(np.arange(automaton.num_states))
    first = np.append(0, counts.cumsum())
    return automaton.characters, first, columns, targets, weights, automaton.final, automaton.start


class Asked(Automaton):
    """An automaton that makes its states when they are reached, and notes which are asked for."""

    def __init__(self, inner):
        self.characters, self.start, self.inner = inner.characters, inner.start, inner
        self.steps, self.ends = [], []

    def arcs(self, states):
        self.steps.append(states.tolist())
        return self.inner.arcs(states)

    def final_weights(self, states):
        self.ends.append(states.tolist())
        return self.inner.final_weights(states)

    def distances(self, states):
        return self.inner.distances(states)

    @property
    def farthest(self):
        return self.inner.farthest


@pytest.mark.parametrize("nodes", [0, 250, 1 << 20])
def test_lines_are_taken_side_by_side_and_ask_for_states_together(nodes, monkeypatch):
    monkeypatch.setattr("crnn_lib.decoders.beam.NODES", nodes)
    random = np.random.default_rng(4)
    words = {"".join(random.choice(list("abc"), 6)): -random.random() for _ in range(200)}
    lines = torch.from_numpy(2 * random.normal(size=(7, 12, 4))).log_softmax(2)
    frames = torch.tensor([12, 12, 0, 9, 12, 5, 12])
    options = {"alphabet": Alphabet("abc"), "beam_width": 8, "n_best": 3}
    language = Asked(lexicon("abc", words))
    together = prefix_beam_search(lines, frames, language=language, **options)
    for n, found in enumerate(together):
        alone = prefix_beam_search(
            lines[n : n + 1], frames[n : n + 1], language=lexicon("abc", words), **options
        )[0]
        assert [(h.label, h.log_prob, h.score) for h in found] == [
            (h.label, h.log_prob, h.score) for h in alone
        ]
        assert [tuple(h.spans) for h in found] == [tuple(h.spans) for h in alone]
    assert [len(found) > 0 for found in together] == (frames >= 6).tolist()
    assert language.ends == language.steps  # only of what a beam has reached
    asked = [state for states in language.steps for state in states]
    assert len(asked) == len(set(asked)) > 50
    if nodes > 250:  # all lines go on before any is waited for twice
        assert len(language.steps) <= 13
    else:
        assert len(language.steps) > 13
