"""Exact search in a lexicon and in a mixture: nothing is better than what it finds."""

from __future__ import annotations

import itertools
import math
import string

import numpy as np
import pytest
import torch

import crnn_lib.decoders.fusion as fusion_room
from crnn_lib import Alphabet, ctc_loss, exact_search, prefix_beam_search
from crnn_lib.ctc import collapse
from crnn_lib.decoders import fuse
from crnn_lib.language import (
    Mixture,
    NGram,
    WeightedAutomaton,
    lexicon,
    open_lexicon,
    spelling_model,
    with_capitals,
    word_counts,
    word_log_probs,
)

LETTERS = string.ascii_letters + "'-"


def word_lattices(words, alphabet, frames, noise, seed, rivals=1.0) -> torch.Tensor:
    """Peaks where the characters are, beside each a rival, and noise: (N, T, C) float64."""
    random = np.random.default_rng(seed)
    logits = noise * random.gumbel(size=(len(words), frames, alphabet.num_classes))
    logits[:, :, alphabet.blank] += 6.0
    for line, word in zip(logits, words, strict=True):
        for i, label in enumerate(alphabet.encode(word)):
            centre = (i + 0.5 + random.uniform(-0.25, 0.25)) * frames / len(word)
            peak = np.exp(-(((np.arange(frames) - centre) / 0.6) ** 2) / 2)
            line[:, alphabet.blank] -= 6.0 * peak
            line[:, label] += 8.0 * peak
            line[:, random.choice(alphabet.num_classes)] += rivals * random.uniform(4.0, 9.0) * peak
    return torch.from_numpy(logits).log_softmax(2)


@pytest.mark.parametrize("weight, noise", [(1.0, 0.3), (0.6, 1.0), (0.0, 1.3)])
def test_three_thousand_words_agree_with_scoring_every_one(weight, noise):
    alphabet = Alphabet(LETTERS, blank=len(LETTERS))
    chances = word_log_probs(word_counts())
    words = [word for word in list(chances)[::6] if len(word) <= 14][:3000]
    chances = {word: chances[word] for word in words}
    assert len(words) == 3000
    written = words[::250]
    lattices = word_lattices(written, alphabet, 32, noise, seed=55207)
    labels = torch.nn.utils.rnn.pad_sequence(
        [torch.as_tensor(alphabet.encode(word)) for word in words], batch_first=True
    )  # (W, L)
    sizes, frames = torch.tensor([len(word) for word in words]), torch.full((3000,), 32)
    found = exact_search(
        lattices,
        alphabet=alphabet,
        language=lexicon(LETTERS, chances),
        language_weight=weight,
    )
    for lattice, one in zip(lattices, found, strict=True):
        losses = ctc_loss(
            lattice.expand(3000, -1, -1),
            labels,
            frames,
            sizes,
            blank=alphabet.blank,
            reduction="none",
        )
        weights = torch.tensor(list(chances.values()), dtype=torch.float64)
        scores = weight * weights - losses  # (W,)
        best, second = scores.topk(2)[0].tolist()
        assert one.text == words[int(scores.argmax())] and one.proven
        assert one.score == pytest.approx(best, abs=1e-9)
        assert second <= one.bound + 1e-9 < best


# --- Against the list of all alignments -----------------------------------------------------------


def all_scores(line, alphabet, languages, weight=1.0) -> dict:
    """Label -> score, the best over some automata, by adding up every alignment."""
    probs: dict = {}
    p = line.exp().numpy()
    for alignment in itertools.product(range(p.shape[1]), repeat=len(p)):
        label = tuple(collapse(alignment, blank=alphabet.blank))
        way = math.prod(p[t, c] for t, c in enumerate(alignment))
        probs[label] = probs.get(label, 0.0) + way
    found = {}
    for label, prob in probs.items():
        gain = max(language.score(alphabet.decode(label)) for language in languages)
        if gain > -math.inf and prob > 0:
            found[label] = math.log(prob) + weight * gain
    return found


def random_language(characters, states, seed) -> WeightedAutomaton:
    random = np.random.default_rng(seed)
    step = random.integers(0, states, (states, len(characters)))
    step[random.random(step.shape) < 0.3] = -1
    final = np.where(random.random(states) < 0.5, -random.exponential(1.0, states), -math.inf)
    return WeightedAutomaton(characters, step, 0.5 - random.exponential(1.0, step.shape), final)


#: Limits on the steps of outlooks: which of them are looked through, one after the other.
LIMITS = {
    "fine": (10**6, 10**6, 10**6),
    "last": (-1, -1, -1),
    "last two": (-1, 10**6, -1),
    "all three": (-1, 10**6, 10**6),
}


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("seed", range(8))
def test_every_outlook_leads_to_the_same_best(limits, seed, monkeypatch):
    for name, limit in zip(("COARSE", "MOST", "FINE"), LIMITS[limits], strict=True):
        monkeypatch.setattr(fusion_room, name, limit)
    alphabet = Alphabet("abc", blank=seed % 4)
    language = random_language("abc", 2 + seed, seed)
    torch.manual_seed(seed)
    lines = (2 * torch.randn(6, 5, 4, dtype=torch.float64)).log_softmax(2)
    for line, one in zip(
        lines, exact_search(lines, alphabet=alphabet, language=language), strict=True
    ):
        scores = all_scores(line, alphabet, [language])
        if not scores:
            assert one is None
            continue
        best = max(scores, key=scores.get)
        assert one.label == best and one.proven
        assert one.score == pytest.approx(scores.pop(best), abs=1e-9)
        second = max(scores.values(), default=-math.inf)
        assert second <= one.bound + 1e-9 and one.bound < one.score


def test_places_of_an_outlook_with_as_many_steps_stand_side_by_side():
    fusion = fuse(lexicon("abc", ["a", "abc", "acb", "bcaba", "cab", "cabba"]), Alphabet("abc"))
    for outlook in (fusion._last_class, fusion._last_two_classes, fusion.fine_outlook):
        counts = np.diff(outlook.first)
        assert len(set(counts[1:])) > 1
        assert (np.diff(counts[1:]) >= 0).all()
        assert outlook.last[0] == -1, "the start comes first"


@pytest.mark.parametrize("seed", range(6))
def test_an_outlook_reads_what_the_language_reads_and_weighs_no_less(seed):
    alphabet = Alphabet("abc", blank=3)
    language = random_language("abc", 4 + seed, seed)
    fusion = fuse(language, alphabet, 0.7, 0.1)
    outlooks = [fusion._last_class, fusion._last_two_classes, fusion.fine_outlook]
    equal = 0
    for size in range(6):
        for label in itertools.product(range(3), repeat=size):
            weight = fusion.weight(label)
            weights = []
            for outlook in outlooks:
                place, gain = 0, 0.0
                for c in label:
                    steps = range(outlook.first[place], outlook.first[place + 1])
                    taken = [e for e in steps if outlook.label[e] == c]
                    if not taken:
                        gain = -math.inf
                        break
                    gain += math.log(outlook.factor[taken[0]])
                    place = outlook.target[taken[0]]
                    assert outlook.last[place] == c
                weights.append(gain + outlook.ends_at[place] if gain > -math.inf else gain)
            assert weights[0] >= weights[1] - 1e-12 >= weight - 2e-12
            assert weights[2] == pytest.approx(weight) or weight == weights[2] == -math.inf
            equal += weight > -math.inf
    assert equal or seed, "the first of them accepts something"


@pytest.mark.parametrize("budget", [0, 1, 3, 30])
@pytest.mark.parametrize("limits", ["last", "all three"])
def test_a_small_budget_is_told_and_its_bound_holds(budget, limits, monkeypatch):
    for name, limit in zip(("COARSE", "MOST", "FINE"), LIMITS[limits], strict=True):
        monkeypatch.setattr(fusion_room, name, limit)
    alphabet = Alphabet("abc")
    language = random_language("abc", 5, 3)
    torch.manual_seed(7)
    lines = torch.randn(10, 5, 4, dtype=torch.float64).log_softmax(2)
    found = exact_search(lines, alphabet=alphabet, language=language, budget=budget)
    for line, one in zip(lines, found, strict=True):
        scores = all_scores(line, alphabet, [language])
        assert one.score == pytest.approx(scores.pop(one.label), abs=1e-9)
        assert max(scores.values()) <= one.bound + 1e-9
        assert not one.proven or max(scores.values()) < one.score
    assert budget > 0 or not any(one.proven for one in found)


def test_a_lexicon_whose_words_do_not_fit_gives_nothing():
    alphabet = Alphabet("abc")
    flat = torch.full((2, 3, 4), -math.log(4), dtype=torch.float64)
    language = lexicon("abc", ["abab", "aab", "cc"])
    assert exact_search(flat[:, :2], alphabet=alphabet, language=language) == [None, None]
    one, other = exact_search(flat, [3, 2], alphabet=alphabet, language=language)
    assert one.text == "cc" and one.proven and other is None


def test_long_lines_of_sure_frames_are_proven_and_flat_ones_are_not_wrongly():
    """A thousand frames: products of floats need their scales."""
    alphabet = Alphabet("ab")
    logits = torch.zeros(2, 1000, 3, dtype=torch.float64)
    logits[0, :, 0] = 6.0
    logits[0, 5::10, 1], logits[0, 8::10, 2] = 12.0, 12.0
    every = np.zeros((1, 2), np.int32)
    language = WeightedAutomaton("ab", every, np.full((1, 2), -0.5), np.zeros(1))
    sure, flat = exact_search(logits.log_softmax(2), alphabet=alphabet, language=language)
    assert sure.text == "ab" * 100 and sure.proven
    assert not flat.proven and flat.bound >= flat.score


# --- Mixtures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("share", [0.1, 0.9])
@pytest.mark.parametrize("blank", [0, 1, 3])
def test_a_mixture_is_read_as_its_definition_says(weight, share, blank):
    alphabet = Alphabet("abc", blank=blank)
    chances = with_capitals(word_log_probs({"ab": 5, "cab": 2, "aa": 1, "b": 1}), capitalised=0,
                            capitals=0)  # fmt: skip
    model = NGram.fit(["ab", "ca", "bb", "c"], order=2, characters="abc")
    language = open_lexicon(chances, model, share=share)
    torch.manual_seed(blank)
    lines = (2 * torch.randn(8, 5, 4, dtype=torch.float64)).log_softmax(2)
    options = {"alphabet": alphabet, "language": language, "language_weight": weight}
    exact = exact_search(lines, **options)
    beams = prefix_beam_search(lines, beam_width=400, **options)
    lists = prefix_beam_search(lines, beam_width=400, n_best=5, **options)
    for line, one, beam, row in zip(lines, exact, beams, lists, strict=True):
        scores = all_scores(line, alphabet, [language], weight)
        ranked = sorted(scores, key=scores.get, reverse=True)
        assert one.label == beam.label == row[0].label == ranked[0] and one.proven
        assert one.score == pytest.approx(scores[ranked[0]], abs=1e-9)
        assert scores[ranked[1]] <= one.bound + 1e-9
        assert [h.label for h in row] == ranked[:5]
        assert [h.score for h in row] == pytest.approx([scores[r] for r in ranked[:5]])
        for h in [one, beam, *row]:
            others = [score for label, score in scores.items() if label != h.label]
            assert max(others) <= h.bound + 1e-9
            assert not h.proven or max(others) < h.score


def test_a_name_is_read_where_a_lexicon_alone_has_none():
    alphabet = Alphabet(LETTERS)
    counts = word_counts()
    chances = with_capitals(word_log_probs(counts))
    language = open_lexicon(chances, spelling_model(counts, characters=LETTERS))
    words = ["hand", "Quintus", "Wybranska"]
    assert "hand" in chances and not {"Quintus", "Wybranska"} & chances.keys()
    lattices = word_lattices(words, alphabet, 32, 0.2, seed=1, rivals=0.0)
    options = {"alphabet": alphabet, "language_weight": 0.3}
    closed = exact_search(lattices, language=language.parts[0], **options)
    opened = exact_search(lattices, language=language, **options)
    assert [h.text for h in opened] == words and all(h.proven for h in opened)
    assert closed[0].text == "hand" and closed[1].text in chances and closed[2].text in chances


def test_a_mixture_of_one_is_its_part():
    alphabet = Alphabet("abc")
    torch.manual_seed(0)
    lines = torch.randn(5, 6, 4, dtype=torch.float64).log_softmax(2)
    part = random_language("abc", 4, 0)
    assert exact_search(lines, alphabet=alphabet, language=Mixture((part,))) == exact_search(
        lines, alphabet=alphabet, language=part
    )
