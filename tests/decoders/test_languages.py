"""Languages of several kinds in the decoders: they find the best of all alignments' sums."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from crnn_lib import Alphabet, exact_search, prefix_beam_search
from crnn_lib.ctc import collapse
from crnn_lib.language import hot_words, never, only, read_arpa, sentences_of, word_language

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
