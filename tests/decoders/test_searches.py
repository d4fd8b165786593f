"""Prefix beam search and exact search against the definition, on lattices small enough to list."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from listed import all_labels

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import ctc_loss, forced_alignment
from crnn_lib.decoders import (
    BestPath,
    Fusion,
    PrefixBeam,
    _blocks,
    best_path,
    decode,
    exact_search,
    fuse,
    prefix_beam_search,
    prefix_beams,
)
from crnn_lib.language import NGram, WeightedAutomaton, lexicon, luhn

BLANKS = pytest.mark.parametrize("blank", [0, -1])
CHARACTERS = "0123456789"


def alphabet_of(classes, blank):
    return Alphabet(CHARACTERS[: classes - 1], blank % classes)


def random_lattices(count, frames, classes, *, seed=0, sharp=2.0):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, frames, classes, generator=generator, dtype=torch.float64)
    return (sharp * scores).log_softmax(-1)


def log_prob_of(line, label, blank):
    """The label's log-probability, by the tested loss."""
    size = torch.tensor([len(label)])
    batch = torch.tensor([label], dtype=torch.long), torch.tensor([len(line)]), size
    return -float(ctc_loss(line[None].double(), *batch, blank=blank, reduction="none"))


def random_automaton(characters, states, seed, *, weighted=True):
    """Steps at random, some of them missing, some states no end."""
    generator = np.random.default_rng(seed)
    shape = (states, len(characters))
    step = generator.integers(0, states, shape)
    step[generator.random(shape) < 0.3] = -1
    weight = -generator.exponential(1.0, shape) if weighted else np.zeros(shape)
    final = -generator.exponential(1.0, states) if weighted else np.zeros(states)
    final[generator.random(states) < 0.5] = -math.inf
    return WeightedAutomaton(characters, step, weight, final)


def adversarial(blank, classes=4, frames=5):
    """Lattices on which decoders trip: (T, C) each."""
    flat = torch.full((frames, classes), -math.log(classes), dtype=torch.float64)
    certain = torch.full((frames, classes), -math.inf, dtype=torch.float64)
    other = (blank + 1) % classes
    certain[:, other] = 0.0
    alternating = certain.clone()
    alternating[1::2] = -math.inf
    alternating[1::2, blank] = 0.0
    blanks = torch.full((frames, classes), -math.inf, dtype=torch.float64)
    blanks[:, blank] = 0.0
    halves = torch.full((frames, classes), -math.inf, dtype=torch.float64)
    halves[:, [blank, other]] = math.log(0.5)
    no_blank = flat.clone()
    no_blank[:, blank] = -math.inf
    no_blank = no_blank.log_softmax(-1)
    underflow = torch.full((frames, classes), -900.0, dtype=torch.float64)
    underflow[:, blank] = 0.0
    ties = torch.full((frames, classes), math.log(0.1 / (classes - 2)), dtype=torch.float64)
    ties[:, [blank, other]] = math.log(0.45)
    return {
        "flat": flat,
        "certain": certain,
        "alternating": alternating,
        "blanks": blanks,
        "halves": halves,
        "no blank": no_blank,
        "underflow": underflow,
        "ties": ties,
    }


ADVERSARIAL = list(adversarial(0))


def same(fast, slow):
    """Two readings of one line, hypothesis by hypothesis."""
    assert [h.label for h in fast] == [h.label for h in slow]
    assert [h.text for h in fast] == [h.text for h in slow]
    assert [h.log_prob for h in fast] == pytest.approx([h.log_prob for h in slow], abs=1e-9)
    assert [h.score for h in fast] == pytest.approx([h.score for h in slow], abs=1e-9)
    for one, other in zip(fast, slow, strict=True):
        assert [s.label for s in one.spans] == list(one.label)
        assert [(s.start, s.end) for s in one.spans] == [(s.start, s.end) for s in other.spans]
        assert [s.log_prob for s in one.spans] == pytest.approx([s.log_prob for s in other.spans])


# --- Prefix beam search ---------------------------------------------------------------------------


@BLANKS
@pytest.mark.parametrize("seed", range(10))
def test_a_wide_beam_finds_the_true_n_best(blank, seed):
    """10 x 2 x 8 lattices: every label in order of its probability, and nothing else."""
    classes, frames = 2 + seed % 3, 1 + seed % 5
    alphabet = alphabet_of(classes, blank)
    lattices = random_lattices(8, frames, classes, seed=seed, sharp=0.5 + seed % 4)
    read = prefix_beam_search(lattices, alphabet=alphabet, beam_width=2000, n_best=2000)
    for line, hypotheses in zip(lattices, read, strict=True):
        labels = all_labels(line, alphabet.blank)
        assert [math.exp(h.log_prob) for h in hypotheses] == pytest.approx(
            sorted(labels.values(), reverse=True), rel=1e-9
        )
        assert {h.label for h in hypotheses} == labels.keys()
        for h in hypotheses:
            assert math.exp(h.log_prob) == pytest.approx(labels[h.label], rel=1e-9)
            others = [p for label, p in labels.items() if label != h.label]
            assert max(others, default=0) <= math.exp(h.bound) * (1 + 1e-9)
            if h.proven:
                assert math.exp(h.log_prob) > max(others, default=0)


@BLANKS
@pytest.mark.parametrize("width", [1, 2, 3, 10, 25])
def test_compiled_and_plain_beams_are_the_same(blank, width):
    for seed, (frames, classes) in enumerate([(1, 3), (7, 2), (12, 4), (25, 11)]):
        alphabet = alphabet_of(classes, blank)
        for sharp in (0.3, 2.0, 6.0):
            lattices = random_lattices(4, frames, classes, seed=seed, sharp=sharp)
            lengths = [frames, frames // 2, 1, 0]
            options = {"alphabet": alphabet, "beam_width": width, "n_best": 5}
            fast = prefix_beam_search(lattices, lengths, **options)
            slow = prefix_beam_search(lattices, lengths, **options, reference=True)
            for one, other in zip(fast, slow, strict=True):
                same(one, other)


@BLANKS
@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("width", [1, 3, 10, 200])
def test_adversarial_lattices_read_the_same(blank, name, width):
    line = adversarial(blank % 4)[name]
    options = {"alphabet": alphabet_of(4, blank), "beam_width": width, "n_best": 200}
    (fast,) = prefix_beam_search(line, **options)
    (slow,) = prefix_beam_search(line, **options, reference=True)
    same(fast, slow)
    labels = all_labels(line, blank % 4)
    if name == "underflow":
        assert fast[0].label == () and fast[0].proven
        return
    assert len(fast) == min(width, len(labels))
    for h in fast:
        assert math.exp(h.log_prob) == pytest.approx(labels[h.label], rel=1e-9)


@BLANKS
def test_the_beams_masses_are_those_of_the_alignments_it_has_seen(blank):
    """With room for all prefixes, these are all alignments."""
    alphabet = alphabet_of(3, blank)
    (line,) = random_lattices(1, 5, 3, seed=4)
    beams = prefix_beams(line, blank=alphabet.blank, beam_width=500)
    labels = all_labels(line, alphabet.blank)
    assert {label: pytest.approx(math.exp(p)) for label, p in beams.items()} == labels
    narrow = prefix_beams(line, blank=alphabet.blank, beam_width=3)
    assert len(narrow) == 3
    assert all(math.exp(p) <= labels[label] * (1 + 1e-12) for label, p in narrow.items())
    assert any(math.exp(p) < labels[label] * (1 - 1e-3) for label, p in narrow.items())


@BLANKS
def test_scores_are_true_even_where_the_beam_lost_mass(blank):
    lattices = random_lattices(20, 30, 6, seed=5, sharp=1.5)
    alphabet = alphabet_of(6, blank)
    for line, h in zip(lattices, prefix_beam_search(lattices, alphabet=alphabet), strict=True):
        assert h.log_prob == pytest.approx(log_prob_of(line, h.label, alphabet.blank), abs=1e-10)
        spans = forced_alignment(line, h.label, blank=alphabet.blank)
        assert [(s.label, s.start, s.end) for s in h.spans] == [
            (s.label, s.start, s.end) for s in spans
        ]
        assert [s.log_prob for s in h.spans] == pytest.approx([s.log_prob for s in spans])


@BLANKS
@pytest.mark.parametrize("width", [2, 6])
def test_a_thousand_frames(blank, width):
    """Far beyond what a product of probabilities can hold: exp(-745) is 0 in a float64."""
    alphabet = alphabet_of(8, blank)
    lattices = random_lattices(1, 1000, 8, seed=6, sharp=0.4)
    options = {"alphabet": alphabet, "beam_width": width}
    fast = prefix_beam_search(lattices, **options)
    slow = prefix_beam_search(lattices, **options, reference=True)
    for line, one, other in zip(lattices, fast, slow, strict=True):
        assert one.label == other.label and len(one.label) > 100
        expected = log_prob_of(line, one.label, alphabet.blank)
        assert one.log_prob == pytest.approx(expected, rel=1e-12) and expected < -800
        assert not one.proven


def test_a_repeated_character_needs_its_blank():
    """55207 on 15 frames, and the same without the blank between the fives."""
    alphabet = Alphabet()
    for symbols, text in (("-55-552---0077-", "55207"), ("-55555-2--0077-", "5207")):
        alignment = torch.tensor([alphabet.symbols.index(s) for s in symbols])
        line = torch.where(torch.eye(11, dtype=torch.bool)[alignment], 0.9, 0.01).log()
        for (h,) in (prefix_beam_search(line), exact_search(line)):
            assert h.text == text
            assert h.log_prob == pytest.approx(log_prob_of(line, h.label, 0), abs=1e-9)


# --- With a language ------------------------------------------------------------------------------


@BLANKS
@pytest.mark.parametrize("seed", range(20))
def test_fused_scores_are_those_of_the_definition(blank, seed):
    """Log-probability, weight times language, bonus times length: over every label there is."""
    classes, frames = 3 + seed % 2, 1 + seed % 5
    alphabet = alphabet_of(classes, blank)
    language = random_automaton(alphabet.characters, 1 + seed % 6, seed, weighted=seed % 3 > 0)
    weight, bonus = (1.0, 0.6, 2.5)[seed % 3], (0.0, -0.4, 0.7)[(seed // 3) % 3]
    lattices = random_lattices(6, frames, classes, seed=seed, sharp=1 + seed % 3)
    options = {"alphabet": alphabet, "language": language}
    options |= {"language_weight": weight, "length_bonus": bonus}
    wide = prefix_beam_search(lattices, **options, beam_width=2000, n_best=2000)
    slow = prefix_beam_search(lattices, **options, beam_width=2000, n_best=2000, reference=True)
    exact = exact_search(lattices, **options)
    for line, fast, plain, best in zip(lattices, wide, slow, exact, strict=True):
        scores = {}
        for label, p in all_labels(line, alphabet.blank).items():
            text = alphabet.decode(label)
            if language.accepts(text):
                scores[label] = math.log(p) + weight * language.score(text) + bonus * len(label)
        assert {h.label: pytest.approx(h.score, abs=1e-9) for h in fast} == scores
        ranked = sorted(scores.values(), reverse=True)
        assert [h.score for h in fast] == pytest.approx(ranked, abs=1e-9)
        same(fast, plain)
        assert (best is None) == (not scores)
        if scores:
            assert best.score == pytest.approx(ranked[0], abs=1e-9)
            assert best.proven
            assert best.log_prob == pytest.approx(
                log_prob_of(line, best.label, alphabet.blank), abs=1e-9
            )
            for h in [*fast, best]:
                others = [s for label, s in scores.items() if label != h.label]
                assert max(others, default=-math.inf) <= h.bound + 1e-9
                if h.proven:
                    assert h.score > max(others, default=-math.inf)


@pytest.mark.parametrize("seed", range(60))
def test_narrow_fused_beams_are_the_same_compiled_and_plain(seed):
    """Prefixes leave the beam and come back, beside children that stayed."""
    rng = np.random.default_rng(seed)
    classes, frames = int(rng.integers(2, 7)), int(rng.integers(1, 16))
    alphabet = alphabet_of(classes, (0, -1)[seed % 2])
    scores = rng.normal(size=(4, frames, classes)) * rng.exponential(3)
    if seed % 3 == 0:
        gone = rng.random(scores.shape) < 0.3
        gone[..., rng.integers(classes)] = False
        scores[gone] = -np.inf
    lattices = torch.from_numpy(scores).log_softmax(-1)
    language = random_automaton(alphabet.characters, 1 + seed % 7, seed) if seed % 4 else None
    options = {"alphabet": alphabet, "language": language, "beam_width": int(rng.integers(1, 12))}
    options |= {"n_best": 3, "language_weight": rng.choice([0, 0.5, 3.0])}
    options |= {"length_bonus": rng.choice([0, 0.5, -1.0])}
    fast = prefix_beam_search(lattices, **options)
    slow = prefix_beam_search(lattices, **options, reference=True)
    for one, other in zip(fast, slow, strict=True):
        same(one, other)


def of_length(length, characters=CHARACTERS):
    step = np.full((length + 1, len(characters)), -1)
    step[:length] = np.arange(1, length + 1)[:, None]
    final = np.full(length + 1, -math.inf)
    final[length] = 0
    return WeightedAutomaton(characters, step, np.zeros(step.shape), final)


@BLANKS
@pytest.mark.parametrize("width", [1, 2, 10])
def test_the_beam_holds_no_prefix_that_cannot_end(blank, width):
    """However narrow it is, it comes to an accepted end, and at the last moment if need be."""
    alphabet = alphabet_of(5, blank)
    for frames in range(1, 8):
        lattices = random_lattices(2, frames, 5, seed=frames)
        for length in (1, 2, 3, 5):
            language = of_length(length, alphabet.characters)
            options = {"alphabet": alphabet, "language": language, "beam_width": width}
            fast = prefix_beam_search(lattices, **options)
            slow = prefix_beam_search(lattices, **options, reference=True)
            for one, other in zip(fast, slow, strict=True):
                assert (one is None) == (other is None) == (length > frames)
                if one is not None:
                    assert one.label == other.label and len(one.label) == length


@BLANKS
def test_frames_for_the_blanks_between_repeats_are_counted(blank):
    """55 needs three frames, and 555 five."""
    alphabet = alphabet_of(3, blank)
    fives = of_length(3, "1")
    for frames in range(7):
        lattices = random_lattices(5, frames, 3, seed=frames)
        options = {"alphabet": alphabet, "language": fives}
        for width in (1, 10):
            read = prefix_beam_search(lattices, **options, beam_width=width)
            assert {h and h.text for h in read} == ({None} if frames < 5 else {"111"})
        assert {h and h.text for h in exact_search(lattices, **options)} == (
            {None} if frames < 5 else {"111"}
        )
    need = fuse(fives, alphabet).need
    five = alphabet.encode("1")[0]
    assert need[:, five].tolist() == [6, 4, 2, 0]
    assert fuse(fives, alphabet).need_first.tolist() == [5, 3, 1, 0]


def test_nothing_accepted_gives_nothing():
    lattices = random_lattices(3, 4, 11)
    for language in (of_length(9), WeightedAutomaton("5", [[-1]], [[0.0]], [-math.inf])):
        assert prefix_beam_search(lattices, language=language) == [None] * 3
        assert prefix_beam_search(lattices, language=language, n_best=3) == [[], [], []]
        assert exact_search(lattices, language=language) == [None] * 3
    only_empty = WeightedAutomaton("5", [[-1]], [[0.0]], [-0.5])
    for h in prefix_beam_search(lattices, language=only_empty) + exact_search(
        lattices, language=only_empty
    ):
        assert h.text == "" and h.score == pytest.approx(h.log_prob - 0.5)


def test_a_weight_of_nought_keeps_the_constraint_only():
    lattices = random_lattices(30, 8, 4, seed=8)
    alphabet = alphabet_of(4, 0)
    weighted = random_automaton("012", 4, 3)
    plain = WeightedAutomaton(
        "012", weighted.next_state, np.zeros(weighted.log_weight.shape),
        np.where(weighted.final > -math.inf, 0.0, -math.inf),
    )  # fmt: skip
    one = exact_search(lattices, alphabet=alphabet, language=weighted, language_weight=0)
    other = exact_search(lattices, alphabet=alphabet, language=plain)
    assert [h and h.label for h in one] == [h and h.label for h in other]
    assert any(h is not None for h in one)


def test_extreme_weights_are_left_to_logarithms():
    alphabet = alphabet_of(3, 0)
    heavy = WeightedAutomaton("01", [[0, 0]], [[-2000.0, -1000.0]], [0.0])
    lattices = random_lattices(4, 5, 3, seed=9)
    lattices[:, :, 0] = -math.inf  # no blank: at least one character
    lattices = lattices.log_softmax(-1)
    for line, h in zip(
        lattices, prefix_beam_search(lattices, alphabet=alphabet, language=heavy), strict=True
    ):
        assert h.text == "1" and h.score == pytest.approx(h.log_prob - 1000)
        assert h.log_prob == pytest.approx(float(line[:, 2].sum()))
    for h in exact_search(lattices, alphabet=alphabet, language=heavy):
        assert h.text == "1" and h.score == pytest.approx(h.log_prob - 1000)


# --- Exact search ---------------------------------------------------------------------------------


@BLANKS
@pytest.mark.parametrize("seed", range(20))
def test_exact_search_proves_the_best_label(blank, seed):
    classes, frames = 2 + seed % 3, 1 + seed % 6
    alphabet = alphabet_of(classes, blank)
    lattices = random_lattices(10, frames, classes, seed=seed, sharp=0.5 + seed % 4)
    for line, h in zip(lattices, exact_search(lattices, alphabet=alphabet), strict=True):
        labels = all_labels(line, alphabet.blank)
        best = max(labels, key=labels.get)
        assert h.label == best and h.proven
        assert math.exp(h.log_prob) == pytest.approx(labels.pop(best), rel=1e-9)
        second = max(labels.values(), default=0)
        assert second <= math.exp(h.bound) * (1 + 1e-9) < math.exp(h.log_prob)


@BLANKS
@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("budget", [0, 1, 10, 10_000])
def test_exact_search_is_never_silently_wrong(blank, name, budget):
    line = adversarial(blank % 4)[name]
    (h,) = exact_search(line, alphabet=alphabet_of(4, blank), budget=budget)
    labels = all_labels(line, blank % 4)
    p = labels.pop(h.label)
    others = max(labels.values(), default=0)
    assert math.exp(h.log_prob) == pytest.approx(p, rel=1e-9)
    assert others <= math.exp(h.bound) * (1 + 1e-9)
    if h.proven:
        assert p > others
    elif budget == 10_000:  # all that it cannot prove is that one of several equals is the best
        assert p == pytest.approx(others, rel=1e-9)


def test_some_ties_are_left_unproven():
    halves = torch.tensor([[0.5, 0.5]], dtype=torch.float64).log()
    (h,) = exact_search(halves, alphabet=Alphabet("0"))
    assert not h.proven and h.bound == pytest.approx(h.log_prob)


@BLANKS
def test_a_spent_budget_is_told(blank):
    """A flat lattice of 40 frames: the best label is beyond reach, and the bound says so."""
    alphabet = alphabet_of(4, blank)
    lattices = random_lattices(5, 40, 4, seed=11, sharp=0.3)
    few, many = (exact_search(lattices, alphabet=alphabet, budget=b) for b in (20, 2000))
    beams = prefix_beam_search(lattices, alphabet=alphabet)
    for line, one, other, beam in zip(lattices, few, many, beams, strict=True):
        assert not one.proven and not other.proven
        assert other.bound <= one.bound
        for h in (one, other):
            assert h.score >= beam.score - 1e-9
            assert h.bound >= h.log_prob
            assert h.log_prob == pytest.approx(log_prob_of(line, h.label, alphabet.blank))


def test_a_long_flat_line_ends_in_time():
    flat = torch.full((1, 1000, 11), -math.log(11), dtype=torch.float64)
    (h,) = exact_search(flat)
    assert not h.proven and h.bound == pytest.approx(0, abs=1e-6)
    assert h.log_prob == pytest.approx(log_prob_of(flat[0], h.label, 0))


@pytest.mark.parametrize("decoder", [prefix_beam_search, exact_search])
def test_the_best_path_need_not_be_the_best_label(decoder):
    probs = torch.tensor([[0.4, 0.0, 0.6], [0.4, 0.0, 0.6]])
    (h,) = decoder(probs.log(), alphabet=Alphabet("ab", blank=2))
    assert h.text == "a" and h.proven
    assert math.exp(h.log_prob) == pytest.approx(0.64)
    assert math.exp(h.bound) == pytest.approx(0.36)


# --- Both, on many lattices -----------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_lattices_of_all_kinds(data):
    """200 lattices an example: zeros, ties, sharp and flat ones, lines of several lengths."""
    classes, frames = data.draw(st.integers(2, 6)), data.draw(st.integers(0, 12))
    alphabet = alphabet_of(classes, data.draw(st.sampled_from([0, -1])))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    scores = rng.normal(size=(200, frames, classes)) * rng.exponential(4, (200, 1, 1))
    coarse = rng.random(200) < 0.3
    scores[coarse] = np.round(scores[coarse])  # ties
    gone = rng.random(scores.shape) < rng.choice([0, 0.3, 0.7], (200, 1, 1))
    gone[..., rng.integers(classes)] = False  # one class is always left
    scores[gone] = -np.inf
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    lattices = torch.from_numpy(scores.astype(dtype)).log_softmax(-1)
    lengths = rng.integers(0, frames + 1, 200)
    read = {
        "best": best_path(lattices, lengths, alphabet=alphabet),
        "beam": prefix_beam_search(lattices, lengths, alphabet=alphabet),
        "exact": exact_search(lattices, lengths, alphabet=alphabet, budget=300),
    }
    for hypotheses in read.values():
        assert len(hypotheses) == 200
        for h, length in zip(hypotheses, lengths, strict=True):
            assert h.log_prob <= 1e-4 * max(1, length) and not math.isnan(h.bound)
            assert len(h.label) <= length
            edges = [edge for span in h.spans for edge in (span.start, span.end)]
            assert edges == sorted(edges) and all(s.start < s.end <= length for s in h.spans)
    for one, beam, exact in zip(*read.values(), strict=True):
        assert exact.score >= max(one.log_prob, beam.score) - 1e-6
        if exact.proven:
            for other in (one, beam):
                assert other.label == exact.label or other.log_prob < exact.log_prob
        if beam.proven:
            assert exact.label == beam.label


# --- Characters of several code points ------------------------------------------------------------

LONG = ("th", "e", "cat", "t")  # "th" holds "t"


def spelled(alphabet, label):
    return "".join(alphabet.symbols[c] for c in label)


@BLANKS
def test_long_characters_stay_in_their_lines(blank):
    """Texts of several lines are made at once; each gets its own, whatever its characters."""
    alphabet = Alphabet(LONG, blank % 5)
    texts = ["thecat", "cate", "", "te", "thth", "t"]
    lattices = torch.full((len(texts), 13, 5), 0.01, dtype=torch.float64)
    for n, text in enumerate(texts):
        label = alphabet.encode(text)
        lattices[n, range(1, 2 * len(label), 2), label] = 1.0
        lattices[n, 0 : 2 * len(label) : 2, alphabet.blank] = 1.0
        lattices[n, 2 * len(label) :, alphabet.blank] = 1.0
    log_probs = lattices.log().log_softmax(-1)
    for read in (
        best_path(log_probs, alphabet=alphabet),
        prefix_beam_search(log_probs, alphabet=alphabet),
        prefix_beam_search(log_probs, alphabet=alphabet, reference=True),
        exact_search(log_probs, alphabet=alphabet),
        [h for (h,) in prefix_beam_search(log_probs, alphabet=alphabet, n_best=1)],
        decode(log_probs, alphabet=alphabet, kind="log_probs", decoder="exact"),
    ):
        assert [h.text for h in read] == texts
        for h in read:
            assert h.label == tuple(alphabet.encode(h.text))
            assert [(s.label, s.start) for s in h.spans] == [
                (c, 2 * i + 1) for i, c in enumerate(h.label)
            ]


@BLANKS
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_long_characters_change_the_text_and_nothing_else(blank, data):
    """The same lattices with characters of one code point: the same labels, scores and spans."""
    tokens = data.draw(st.lists(st.text("ab5", min_size=1, max_size=3), min_size=2, max_size=4,
                                unique=True))  # fmt: skip
    classes = len(tokens) + 1
    alphabet, plain = Alphabet(tuple(tokens), blank % classes), alphabet_of(classes, blank)
    frames, seed = data.draw(st.integers(1, 7)), data.draw(st.integers(0, 999))
    lattices = random_lattices(4, frames, classes, seed=seed, sharp=1.5)
    automaton = random_automaton(plain.characters, 3, seed)
    over_tokens = WeightedAutomaton(
        tuple(tokens), automaton.next_state, automaton.log_weight, automaton.final
    )
    for decoder, options in (
        (best_path, {}),
        (prefix_beam_search, {"n_best": 4}),
        (prefix_beam_search, {"n_best": 4, "reference": True}),
        (exact_search, {}),
    ):
        pairs = [({}, {})]
        if decoder is not best_path:
            pairs.append(({"language": automaton}, {"language": over_tokens}))
        for short, long in pairs:
            expected = decoder(lattices, alphabet=plain, **options, **short)
            read = decoder(lattices, alphabet=alphabet, **options, **long)
            for one, other in zip(read, expected, strict=True):
                one, other = (x if isinstance(x, list) else [x] for x in (one, other))
                for h, known in zip(one, other, strict=True):
                    if known is None:
                        assert h is None
                        continue
                    assert dataclasses.replace(h, text="") == dataclasses.replace(known, text="")
                    assert h.text == spelled(alphabet, h.label)


@BLANKS
@pytest.mark.parametrize("seed", range(6))
def test_a_language_of_letters_reads_long_characters(blank, seed):
    """A list, a check digit, a model of letters: over every label there is, by its text."""
    alphabet = Alphabet(("5", "55", "0", "505")[: 3 + seed % 2], blank % (4 + seed % 2))
    lattices = random_lattices(4, 1 + seed % 3, alphabet.num_classes, seed=seed, sharp=1.0)
    languages = [
        lexicon("50", {"55": -0.5, "505": -1.0, "5055": 0.0, "0": -2.0}),
        lexicon(alphabet.characters, {"55": -0.5, "505": -1.0, "5055": 0.0, "0": -2.0}),
        luhn("0123456789"),
        NGram.fit(["505", "55", "5"], order=2, characters="50").automaton(),
    ]
    for language in languages:
        options = {"alphabet": alphabet, "language": language}
        wide = prefix_beam_search(lattices, **options, beam_width=200, n_best=200)
        slow = prefix_beam_search(lattices, **options, beam_width=200, n_best=200, reference=True)
        exact = exact_search(lattices, **options)
        for line, fast, plain, best in zip(lattices, wide, slow, exact, strict=True):
            scores = {}
            for label, p in all_labels(line, alphabet.blank).items():
                text = spelled(alphabet, label)
                weight = language.score(
                    text if isinstance(language.characters, str)
                    else [alphabet.symbols[c] for c in label]
                )  # fmt: skip
                if weight > -math.inf:
                    scores[label] = math.log(p) + weight
            assert {h.label: pytest.approx(h.score, abs=1e-9) for h in fast} == scores
            same(fast, plain)
            assert (best is None) == (not scores)
            if scores:
                assert best.score == pytest.approx(max(scores.values()), abs=1e-9)


def test_a_long_character_is_not_found_inside_a_str():
    """ "th" is part of the str "brother", and none of its characters."""
    lattices = random_lattices(2, 5, 8)
    language = lexicon(("th", "e", "r"), ["there", "er"])
    for h in prefix_beam_search(lattices, alphabet=Alphabet("brothea"), language=language):
        assert h.text == "er"


# --- The objects, the input, the threads ----------------------------------------------------------


def test_hypotheses_are_plain_frozen_data():
    (h,) = prefix_beam_search(random_lattices(1, 9, 11, sharp=3.0))
    (again,) = prefix_beam_search(random_lattices(1, 9, 11, sharp=3.0))
    assert h == again and hash(h) == hash(again) and "spans=(Span(" in repr(h)
    assert pickle.loads(pickle.dumps(h)) == h == copy.deepcopy(h)
    assert type(pickle.loads(pickle.dumps(h)).spans) is tuple  # and not the whole block's arrays
    assert dataclasses.replace(h, text="x").spans == h.spans
    assert h.spans == tuple(h.spans) and tuple(h.spans) == h.spans and h.spans != h.label
    assert h.spans != dataclasses.replace(h, spans=h.spans[1:]).spans
    assert [*h.spans[-2:], h.spans[0]] == [*tuple(h.spans)[-2:], tuple(h.spans)[0]]
    with pytest.raises(dataclasses.FrozenInstanceError):
        h.spans = ()
    with pytest.raises(AttributeError, match="no attribute 'span'"):
        _ = h.span
    (one,) = best_path(random_lattices(1, 9, 11, sharp=3.0))
    assert one.score == one.log_prob


@pytest.mark.parametrize("decoder", [prefix_beam_search, exact_search])
def test_threads_and_blocks_change_nothing(decoder, monkeypatch):
    lattices = random_lattices(150, 20, 11, sharp=3.0)
    lengths = torch.arange(150) % 21
    one = decoder(lattices, lengths)
    monkeypatch.setattr(_blocks, "BLOCK", 20 * 20 * 11)  # 20 lines
    assert decoder(lattices, lengths, threads=3) == decoder(lattices, lengths) == one
    assert [decoder(lattices[n], lengths[n : n + 1])[0] for n in range(0, 150, 30)] == one[::30]


@pytest.mark.parametrize("decoder", [prefix_beam_search, exact_search])
def test_kinds_of_input(decoder):
    lattices = random_lattices(3, 8, 11, sharp=3.0)
    expected = decoder(lattices)
    assert decoder(lattices.numpy()) == expected
    assert decoder(lattices.numpy().astype(np.longdouble)) == expected
    assert decoder(lattices.clone().requires_grad_()) == expected
    assert decoder(lattices.transpose(0, 1).contiguous().transpose(0, 1)) == expected
    assert decoder(torch.zeros(0, 5, 11)) == []
    for empty in (torch.zeros(2, 0, 11), torch.full((2, 3, 11), math.nan)):
        for h in decoder(empty, [0, 0]):
            assert (h.text, h.log_prob, h.spans, h.proven) == ("", 0.0, (), True)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        labels = [h.label for h in decoder(lattices.to(dtype))]
        assert labels == [h.label for h in expected]


GOOD = torch.zeros(2, 3, 11).log_softmax(-1)


@pytest.mark.parametrize("decoder", [prefix_beam_search, exact_search])
@pytest.mark.parametrize(
    "log_probs, options, error, message",
    [
        ([[0.0] * 11], {}, TypeError, "a tensor or an array; got list"),
        (torch.zeros(2, 3, 10), {}, ValueError, "10 classes; this alphabet has 11"),
        (GOOD, {"frame_lengths": [3]}, ValueError, r"shape \(2,\); got \(1,\).*batch first"),
        (GOOD, {"frame_lengths": "33"}, TypeError, "frame_lengths must hold integers; got '33'"),
        (GOOD, {"frame_lengths": [None, 3]}, TypeError, "frame_lengths must hold integers"),
        (torch.randn(2, 3, 11), {}, ValueError, "line 0, frame 0 sum to .*log_softmax"),
        (GOOD.exp(), {}, ValueError, "sum to .*not to 1"),
        (GOOD, {"threads": 0}, ValueError, "threads is a whole number of at least 1; got 0"),
        (GOOD, {"language": "luhn"}, TypeError, "a Rule, a Mixture or None; got str"),
        (GOOD, {"language_weight": -1}, ValueError, "0 or more; got -1"),
        (GOOD, {"length_bonus": math.inf}, ValueError, "finite number per character; got inf"),
        (GOOD, {"language": of_length(2, "ab")}, ValueError, "they share none"),
    ],
)
def test_bad_input_is_refused(decoder, log_probs, options, error, message):
    with pytest.raises(error, match=message):
        decoder(log_probs, **options)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.5])
def test_a_bad_frame_is_named(value):
    log_probs = random_lattices(300, 9, 11)
    log_probs[217, 4, 3] = value
    for decoder in (prefix_beam_search, exact_search):
        with pytest.raises(ValueError, match="line 217, frame 4"):
            decoder(log_probs)
        decoder(log_probs, [4] * 300)  # beyond the line it does no harm
    with pytest.raises(ValueError, match="line 217, frame 4"):
        prefix_beam_search(log_probs, reference=True)


def test_numbers_out_of_range_are_refused():
    for name in ("beam_width", "n_best", "threads"):
        for value in (0, -1, 2.5, True):
            with pytest.raises(ValueError, match=f"{name} is a whole number"):
                prefix_beam_search(GOOD, **{name: value})
    with pytest.raises(ValueError, match="budget is a whole number of at least 0; got -1"):
        exact_search(GOOD, budget=-1)


# --- decode ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("decoder", ["best-path", "beam", "exact"])
def test_decode_takes_other_layouts_and_kinds(decoder):
    logits = torch.randn(4, 9, 11, generator=torch.Generator().manual_seed(1))
    log_probs = logits.log_softmax(-1)
    direct = {"best-path": best_path, "beam": prefix_beam_search, "exact": exact_search}[decoder]
    expected = [h.label for h in direct(log_probs)]
    for values, options in (
        (logits, {}),
        (logits.numpy(), {}),
        (log_probs, {"kind": "log_probs"}),
        (log_probs.exp(), {"kind": "probs"}),
        (logits.transpose(0, 1), {"layout": "TNC"}),
        (logits.permute(0, 2, 1), {"layout": "NCT"}),
    ):
        assert [h.label for h in decode(values, decoder=decoder, **options)] == expected
    assert decode(logits[0], layout="TNC", decoder=decoder)[0].label == expected[0]


@pytest.mark.parametrize(
    "values, options, error, message",
    [
        (torch.zeros(2, 11, 7), {}, ValueError, "7 classes as NTC.*is the layout right?"),
        (torch.zeros(2, 5, 7), {}, ValueError, r"has 11, the blank included\.$"),
        (torch.full((2, 5, 11), math.nan), {}, ValueError, r"NaN at index \[0, 0, 0\]"),
        (torch.zeros(2, 5, 11), {"kind": "log_probs"}, ValueError, "sum to 11, not to 1"),
        (torch.zeros(2, 5, 11), {"kind": "scores"}, ValueError, "got 'scores'"),
        (torch.zeros(2, 5, 11), {"layout": "TCN"}, ValueError, "got 'TCN'"),
        (torch.zeros(2, 5, 11), {"decoder": "greedy"}, ValueError, "got 'greedy'"),
        (torch.zeros(11), {}, ValueError, r"got \(11,\)"),
        (GOOD.exp(), {}, ValueError, "are probabilities.*kind='probs'"),
        (GOOD, {"kind": "probs"}, ValueError, "are below 0.*kind='log_probs'"),
        ([[0.0]], {}, TypeError, "got list"),
    ],
)
def test_decode_refuses(values, options, error, message):
    with pytest.raises(error, match=message):
        decode(values, **options)


@pytest.mark.parametrize("decoder", ["best-path", "beam", "exact"])
@pytest.mark.parametrize("layout", ["NTC", "TNC", "NCT"])
def test_decode_ignores_what_stands_beyond_a_line(layout, decoder):
    logits = torch.randn(2, 6, 11, generator=torch.Generator().manual_seed(1))
    expected = decode(logits, [4, 6], decoder=decoder)
    axes = {"NTC": (0, 1, 2), "TNC": (1, 0, 2), "NCT": (0, 2, 1)}[layout]
    for kind, values in (
        ("logits", logits),
        ("log_probs", logits.log_softmax(-1)),
        ("probs", logits.softmax(-1)),
    ):
        for padding in (math.nan, -1.0, -math.inf):
            padded = values.clone()
            padded[0, 4:] = padding
            options = {"layout": layout, "kind": kind, "decoder": decoder}
            found = decode(padded.permute(axes), [4, 6], **options)
            assert [h.label for h in found] == [h.label for h in expected]
    line = torch.cat([logits[0, :4], torch.full((2, 11), math.nan)])
    options = {"layout": layout, "decoder": decoder}
    (found,) = decode(line.T if layout == "NCT" else line, [4], **options)
    assert found.label == expected[0].label
    with pytest.raises(ValueError, match="holds NaN at index"):
        decode(line.T if layout == "NCT" else line, [5], **options)


def test_what_is_no_alphabet_is_named():
    for read in (best_path, prefix_beam_search, exact_search, decode):
        with pytest.raises(TypeError, match="alphabet is an Alphabet, .*; got '0123456789'"):
            read(GOOD, alphabet="0123456789")
    for stream in (PrefixBeam, BestPath):
        with pytest.raises(TypeError, match="alphabet is an Alphabet"):
            stream("0123456789")


def test_what_is_no_language_is_named_with_what_makes_one():
    for language, way in (("luhn", "parse_constraint"), (NGram.fit(["5"]), r"automaton\(\)")):
        with pytest.raises(TypeError, match=f"Rule, a Mixture or None; got .* {way}"):
            prefix_beam_search(GOOD, language=language)


def test_a_search_with_a_language_can_be_copied():
    """A lock belongs to one object; copies have one each."""
    fusion = fuse(lexicon("ab", ["ab", "ba"]), Alphabet("ab"))
    for again in (pickle.loads(pickle.dumps(fusion)), copy.deepcopy(fusion)):
        assert again.weight((1, 2)) == 0.0 and again.most(5) == fusion.most(5)


def test_what_a_language_can_gather_is_the_same_for_all_threads(monkeypatch):
    """Of many threads that ask at the same time, each length is computed once."""
    fusion = fuse(lexicon("a", {"a" * n: float(n) for n in range(1, 9)}), Alphabet("a"))
    gather = Fusion._gather

    def slowly(self):
        time.sleep(0.01)
        gather(self)

    monkeypatch.setattr(Fusion, "_gather", slowly)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fusion.most, [8, 3, 8, 5]))
    assert found == [8.0, 3.0, 8.0, 5.0]
    assert [fusion.most(n) for n in range(1, 9)] == list(range(1, 9))


def peaked(count, frames, classes, generator):
    """Logits like a trained network's: one class far above the others in each frame."""
    best = torch.randint(classes, (count, frames, 1), generator=generator)
    noise = torch.randn(count, frames, classes, generator=generator)
    return noise + 9 * torch.zeros_like(noise).scatter_(2, best, 1.0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_probabilities_are_told_from_logits_and_logs_from_both(dtype):
    logits = peaked(20, 9, 11, torch.Generator().manual_seed(2))
    probs = logits.softmax(-1).to(dtype)
    expected = [h.label for h in decode(logits)]
    assert [h.label for h in decode(probs, kind="probs")] == expected
    assert [h.label for h in decode(logits.log_softmax(-1).to(dtype))] == expected  # harmless
    padded = probs.clone()
    padded[:, 7:] = 0
    for values in (probs, padded):
        with pytest.raises(ValueError, match="given as logits, and are probabilities"):
            decode(values)
    with pytest.raises(ValueError, match=r"below 0: values has .* at index \[0, 0, 0\]"):
        decode(probs.log(), kind="probs")
    assert len(decode(torch.zeros(2, 3, 11, dtype=dtype))) == 2  # flat logits sum to 0


@pytest.mark.parametrize("decoder", [best_path, prefix_beam_search, exact_search])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_many_classes_in_few_digits(decoder, dtype):
    """A flat frame of 5,001 classes: bfloat16 gives each a log-probability off by 0.014."""
    alphabet = Alphabet("".join(map(chr, range(0x4E00, 0x4E00 + 5000))))
    logits = torch.zeros(1, 2, 5001)
    logits[0, 0, 7] = 5.0
    log_probs = logits.to(dtype).log_softmax(-1)
    (h,) = decoder(log_probs, alphabet=alphabet)
    assert set(h.label) <= {7, 1} and h.log_prob <= 0
    off = log_probs.clone()
    off[0, 1] += 0.08
    with pytest.raises(ValueError, match="line 0, frame 1 sum to"):
        decoder(off, alphabet=alphabet)


def test_no_log_probability_is_above_zero():
    """A float32 frame may sum to a little more than 1, and a certain label with it."""
    peaks = peaked(200, 40, 11, torch.Generator().manual_seed(3)) * 4
    lattices = (peaks.double().log_softmax(-1) + 4e-7).float()
    lattices[0, :, 1:], lattices[0, :, 0] = -30.0, 9e-4
    for decoder in (best_path, prefix_beam_search, exact_search):
        read = decoder(lattices)
        assert max(h.log_prob for h in read) == 0 and read[0].proven
        assert all(h.score == h.log_prob for h in read)
    (h,) = prefix_beam_search(lattices[0], reference=True)
    assert h.log_prob == h.score == 0


# --- Without numba --------------------------------------------------------------------------------

WITHOUT_NUMBA = """
import sys, warnings
asked = []
class NoNumba:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "numba":
            asked.append(name)
            raise ImportError(name)
sys.meta_path.insert(0, NoNumba)
import torch
from crnn_lib.decoders import exact_search, prefix_beam_search
assert not asked  # it takes a while, so nobody does before it is needed
lattices = torch.randn(3, 6, 11, generator=torch.Generator().manual_seed(2)).log_softmax(-1)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    beams = prefix_beam_search(lattices) + prefix_beam_search(lattices)
    exact = exact_search(lattices)
assert asked
print([str(w.message) for w in caught])
print([h.text for h in beams[:3]], [h.text for h in exact], all(h.proven for h in exact))
"""


def test_numba_is_asked_for_late_and_without_it_all_works_and_warns_once():
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMBA], capture_output=True, text=True, check=True
    )
    warned, read = result.stdout.splitlines()
    assert warned.count("numba is not installed") == 1 and warned.count("', '") == 0
    lattices = torch.randn(3, 6, 11, generator=torch.Generator().manual_seed(2)).log_softmax(-1)
    beams, exact = prefix_beam_search(lattices), exact_search(lattices)
    assert read == f"{[h.text for h in beams]} {[h.text for h in exact]} True"


def test_a_beam_is_as_wide_as_there_are_prefixes_or_is_refused():
    torch.manual_seed(2)
    alphabet, line = Alphabet("ab"), torch.randn(1, 4, 3, dtype=torch.float64).log_softmax(2)
    wide, wider = (
        prefix_beam_search(line, alphabet=alphabet, beam_width=width, n_best=width)[0]
        for width in (100, 10**30)
    )
    assert wide == wider and [h.score for h in wide] == [h.score for h in wider]
    many = torch.randn(1, 31, 3).log_softmax(2)
    for width in (10**9, 10**30):
        with pytest.raises(ValueError, match="beam of .* prefixes on 31 frames .* than 2 GB"):
            prefix_beam_search(many, alphabet=alphabet, beam_width=width)
        with pytest.raises(ValueError, match=f"beam of {width} prefixes .* than 2 GB"):
            PrefixBeam(alphabet, beam_width=width).feed(many[0])
    few, all_of_it = (exact_search(line, alphabet=alphabet, budget=b) for b in (10_000, 10**30))
    assert few == all_of_it


@pytest.mark.parametrize(
    "number", [None, "1", True, [1.0], np.ones(2), torch.ones(2), math.nan, 1j]
)
def test_weights_of_a_language_are_numbers(number):
    alphabet, lattice = alphabet_of(4, 0), random_lattices(1, 5, 4)
    for search in (
        partial(prefix_beam_search, lattice),
        partial(exact_search, lattice),
        partial(fuse, None),
        PrefixBeam,
    ):
        with pytest.raises(ValueError, match="language_weight is a finite number, 0 or more; got "):
            search(alphabet=alphabet, language_weight=number)
        with pytest.raises(ValueError, match="length_bonus is a finite number per character; got "):
            search(alphabet=alphabet, length_bonus=number)


def test_numbers_of_tensors_are_numbers():
    """They went to the compiler as they were, which knows no tensor."""
    alphabet, lattice = alphabet_of(4, 0), random_lattices(1, 5, 4)
    three, one = torch.tensor(3), np.int64(1)
    found = prefix_beam_search(
        lattice, alphabet=alphabet, beam_width=three, n_best=three, threads=one
    )
    assert found == prefix_beam_search(lattice, alphabet=alphabet, beam_width=3, n_best=3)
    hundred = torch.tensor(100)
    assert exact_search(lattice, alphabet=alphabet, budget=hundred, threads=three) == exact_search(
        lattice, alphabet=alphabet, budget=100
    )
    stream = PrefixBeam(alphabet, beam_width=three, n_best=three)
    stream.feed(lattice[0])
    assert stream.finish() == found[0]


@pytest.mark.parametrize("alphabet", ["", 0, [], (), {}, False])
def test_what_is_empty_is_no_alphabet(alphabet):
    """It stood for the ten digits."""
    lattice = random_lattices(1, 5, 11)
    for read in (best_path, prefix_beam_search, exact_search, decode):
        with pytest.raises(TypeError, match="alphabet is an Alphabet"):
            read(lattice, alphabet=alphabet)
    for stream in (PrefixBeam, BestPath):
        with pytest.raises(TypeError, match="alphabet is an Alphabet"):
            stream(alphabet)
    with pytest.raises(TypeError, match="alphabet is an Alphabet"):
        fuse(None, alphabet, 1.0, 0.5)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"blank": -1}, ValueError, "blank is a class from 0 to 2; got -1"),
        ({"blank": 3}, ValueError, "blank is a class from 0 to 2; got 3"),
        ({"blank": True}, ValueError, "blank is a class from 0 to 2; got True"),
        ({"beam_width": 0}, ValueError, "beam_width is a whole number of at least 1; got 0"),
        ({"beam_width": -1}, ValueError, "beam_width is a whole number of at least 1; got -1"),
        ({"beam_width": None}, ValueError, "beam_width is a whole number of at least 1; got None"),
        ({"log_probs": [[0.5]]}, TypeError, "log_probs is a tensor or an array; got list"),
        ({"log_probs": torch.zeros(2, 4, 3)}, ValueError, r"one line, \(T, C\); got \(2, 4, 3\)"),
    ],
)
def test_the_definition_of_the_beam_is_checked_too(change, error, message):
    """A blank of -1 was the last class, blank and character in one."""
    with pytest.raises(error, match=message):
        prefix_beams(**{"log_probs": random_lattices(1, 4, 3)[0], **change})
