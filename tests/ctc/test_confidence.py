from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from listed import all_labels

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import (
    Temperature,
    character_confidences,
    character_posteriors,
    collapse,
    ctc_loss,
    fit_temperature,
    label_variants,
    minimum_frames,
)
from crnn_lib.decoders import best_path

BLANKS = (0, 3)  # of 4 classes


def lattice(frames: int, classes: int, seed: int, *, sharpness: float = 2.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(frames, classes, generator=generator, dtype=torch.float64)
    return (scores * sharpness).log_softmax(1)  # (T, C)


def variants_of(label: tuple[int, ...], place: int, classes: int, blank: int):
    """Label with each class in that place; the blank's is the label without the place."""
    for c in range(classes):
        middle = () if c == blank else (c,)
        yield label[:place] + middle + label[place + 1 :]


# ---------------------------------------------------------------- characters


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_variants_are_those_of_brute_force(frames, blank):
    log_probs = lattice(frames, 4, seed=frames)
    probabilities = all_labels(log_probs, blank)
    assert math.fsum(probabilities.values()) == pytest.approx(1)
    for label in probabilities:
        target = torch.tensor([label], dtype=torch.int64)
        variants = label_variants(
            log_probs[None], target, [frames], [len(label)], blank=blank
        ).exp()
        for i in range(len(label)):
            expected = [probabilities.get(v, 0.0) for v in variants_of(label, i, 4, blank)]
            assert variants[0, i].tolist() == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("blank", BLANKS)
def test_posteriors_are_shares_of_brute_force(blank):
    log_probs = lattice(5, 4, seed=7)
    probabilities = all_labels(log_probs, blank)
    for label in probabilities:
        posteriors = character_posteriors(log_probs, label, blank=blank).exp()
        assert posteriors.shape == (len(label), 4)
        for i in range(len(label)):
            shares = [probabilities.get(v, 0.0) for v in variants_of(label, i, 4, blank)]
            expected = [share / math.fsum(shares) for share in shares]
            assert posteriors[i].tolist() == pytest.approx(expected, rel=1e-9, abs=1e-15)


def random_batch(seed: int, blank: int, *, lines: int = 5, frames: int = 12, classes: int = 5):
    generator = torch.Generator().manual_seed(seed)
    log_probs = torch.stack([lattice(frames, classes, seed + n) for n in range(lines)])
    others = torch.tensor([c for c in range(classes) if c != blank])
    targets = others[torch.randint(len(others), (lines, 5), generator=generator)]
    lengths = torch.randint(0, 6, (lines,), generator=generator)
    needs = torch.tensor(
        [minimum_frames(t[:n].tolist()) for t, n in zip(targets, lengths, strict=True)]
    )
    frame_lengths = needs + torch.randint(0, 3, (lines,), generator=generator)
    frame_lengths = frame_lengths.clamp(min=1)
    return log_probs, targets, frame_lengths, lengths


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 4, 2]))
def test_variants_of_a_batch_are_what_the_loss_says_of_each_label(seed, blank):
    log_probs, targets, frame_lengths, lengths = random_batch(seed, blank)
    variants = label_variants(log_probs, targets, frame_lengths, lengths, blank=blank)
    assert variants.shape == (*targets.shape, log_probs.shape[2])
    for n, (target, length, frames) in enumerate(
        zip(targets.tolist(), lengths.tolist(), frame_lengths.tolist(), strict=True)
    ):
        label = tuple(target[:length])
        for i in range(length):
            for c, variant in enumerate(variants_of(label, i, log_probs.shape[2], blank)):
                expected = -math.inf
                if minimum_frames(variant) <= frames:
                    ids = torch.tensor([variant], dtype=torch.int64)
                    expected = -ctc_loss(
                        log_probs[n : n + 1], ids, [frames], [len(variant)], blank=blank
                    ).item() * max(1, len(variant))
                assert variants[n, i, c].item() == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert bool((variants[n, length:] == -math.inf).all())


@pytest.mark.parametrize("blank", [0, 4])
def test_what_stands_in_the_padding_does_not_matter(blank):
    log_probs, targets, frame_lengths, lengths = random_batch(3, blank)
    expected = character_confidences(log_probs, targets, frame_lengths, lengths, blank=blank)
    spoiled, other = log_probs.clone(), targets.clone()
    for n in range(len(targets)):
        spoiled[n, frame_lengths[n] :] = math.nan
        other[n, lengths[n] :] = blank
    spoiled = torch.cat([spoiled, torch.full_like(spoiled[:, :3], math.nan)], 1)
    found = character_confidences(spoiled, other, frame_lengths, lengths, blank=blank)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("blank", [0, 4])
def test_the_line_and_the_batch_agree(blank):
    log_probs, targets, frame_lengths, lengths = random_batch(11, blank)
    confidences = character_confidences(log_probs, targets, frame_lengths, lengths, blank=blank)
    for n, (length, frames) in enumerate(zip(lengths.tolist(), frame_lengths, strict=True)):
        label = targets[n, :length].tolist()
        rows = character_posteriors(log_probs[n, :frames], label, blank=blank)
        assert torch.allclose(rows.logsumexp(1), torch.zeros(length, dtype=torch.float64))
        own = [rows[i, c].item() for i, c in enumerate(label)]
        assert confidences[n, :length].tolist() == pytest.approx(own)
        assert bool((confidences[n, length:] == 0).all())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_no_character_is_less_sure_than_the_whole_reading(seed):
    log_probs = lattice(20, 11, seed)
    (hypothesis,) = best_path(log_probs)
    rows = character_posteriors(log_probs, hypothesis.label)
    for row, c in zip(rows, hypothesis.label, strict=True):
        assert hypothesis.log_prob <= row[c].item() + 1e-9 <= 1e-9 + 1e-9


def test_the_doubtful_character_is_found():
    """55207, in which only the last character is unclear: it may be a 1 or a 7."""
    alphabet = Alphabet()
    probabilities = torch.full((9, 11), 1e-4)
    for frame, symbol in enumerate("5-520-7--"):
        probabilities[frame, alphabet.symbols.index(symbol)] = 1.0
    probabilities[6, alphabet.symbols.index("1")] = 0.5
    log_probs = (probabilities / probabilities.sum(1, keepdim=True)).log()
    posteriors = character_posteriors(log_probs, alphabet.encode("55207")).exp()
    own = [posteriors[i, c].item() for i, c in enumerate(alphabet.encode("55207"))]
    assert all(p > 0.99 for p in own[:4])
    assert own[4] == pytest.approx(2 / 3, abs=0.01)
    assert posteriors[4, alphabet.encode("1")[0]].item() == pytest.approx(1 / 3, abs=0.01)


def test_a_label_without_probability_has_no_confidence():
    log_probs = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]).log()
    batch = (log_probs[None], [[2, 0]], [2], [1])
    assert character_confidences(*batch).tolist() == [[-math.inf, 0.0]]
    certain = torch.tensor([[0.0, 0.0, 1.0]]).log()
    assert character_posteriors(certain, [2]).exp().tolist() == [[0.0, 0.0, 1.0]]


def test_an_empty_label_has_no_characters():
    log_probs = lattice(4, 4, seed=0)
    assert character_posteriors(log_probs, []).shape == (0, 4)
    assert character_confidences(log_probs[None], torch.zeros(1, 0).long(), [4], [0]).shape == (
        1,
        0,
    )


def test_long_lines_stay_finite():
    """Of a label whose probability is beyond every float."""
    log_probs = lattice(500, 11, seed=2, sharpness=4.0)
    (hypothesis,) = best_path(log_probs)
    label = torch.as_tensor(hypothesis.label[:20])
    lengths = torch.tensor([500]), torch.tensor([20])
    assert ctc_loss(log_probs[None], label[None], *lengths, reduction="sum") > 1000
    rows = character_posteriors(log_probs, label)
    assert bool(rows.isfinite().all())


def test_labels_that_do_not_fit_are_refused():
    log_probs = lattice(2, 4, seed=0)
    with pytest.raises(ValueError, match="has 2 frames and its target needs 3"):
        character_posteriors(log_probs, [1, 1])
    with pytest.raises(ValueError, match="contains the blank"):
        character_posteriors(log_probs, [1, 0])


# ---------------------------------------------------------------- temperature


def labelled_lines(count: int, seed: int, truth: float, blank: int):
    """Lattices, and a label of each, drawn as the lattice at temperature ``truth`` says."""
    generator = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(count, 6, 4, generator=generator, dtype=torch.float64)
    honest = (scores / truth).softmax(2)  # (N, T, C)
    drawn = torch.multinomial(honest.flatten(0, 1), 1, generator=generator).view(count, 6)
    labels = [collapse(alignment, blank=blank) for alignment in drawn]
    lengths = torch.tensor([len(label) for label in labels])
    targets = torch.full((count, 6), blank)
    for n, label in enumerate(labels):
        targets[n, : len(label)] = torch.tensor(label, dtype=torch.int64)
    return scores.log_softmax(2), targets, torch.full((count,), 6), lengths


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("truth", [0.5, 1.0, 2.5])
def test_the_temperature_of_drawn_labels_is_found(truth, blank):
    batch = labelled_lines(3000, 5, truth, blank)
    temperature = fit_temperature(*batch, blank=blank)
    assert temperature.value == pytest.approx(truth, rel=0.06)
    assert temperature.loss_after <= temperature.loss_before


def test_the_fitted_temperature_is_a_minimum():
    log_probs, *batch = labelled_lines(200, 8, 1.7, 0)
    temperature = fit_temperature(log_probs, *batch)

    def loss(value):
        return ctc_loss(Temperature(value)(log_probs), *batch, reduction="none").mean().item()

    assert temperature.loss_before == pytest.approx(loss(1.0))
    assert temperature.loss_after == pytest.approx(loss(temperature.value))
    for value in (0.06, 0.3, 0.7, 0.95, 1.05, 1.5, 4.0, 19.0):
        assert loss(temperature.value) <= loss(temperature.value * value) + 1e-12


def test_a_temperature_leaves_the_best_path_alone():
    log_probs = lattice(30, 11, seed=4)
    cool = Temperature(1.0)(log_probs)
    assert torch.allclose(cool, log_probs)
    (before,) = best_path(log_probs)
    for value in (0.2, 5.0):
        scaled = Temperature(value)(log_probs)
        assert torch.allclose(scaled.logsumexp(1), torch.zeros(30, dtype=torch.float64))
        (after,) = best_path(scaled)
        assert after.text == before.text
        assert (after.log_prob > before.log_prob) == (value < 1)


def test_no_temperature_mends_a_label_of_probability_0():
    log_probs = torch.tensor([[[0.5, 0.5, 0.0]]]).log()
    with pytest.raises(ValueError, match="A label has probability 0"):
        fit_temperature(log_probs, [[2]], [1], [1])


@pytest.mark.parametrize(
    "value", [None, "2", True, [2.0], np.ones(2), torch.ones(2), 0, -1.0, math.nan, math.inf]
)
def test_a_temperature_is_one_number_and_so_is_a_tolerance(value):
    with pytest.raises(ValueError, match="A temperature is a number above 0; got "):
        Temperature(value)
    log_probs = torch.full((1, 1, 2), 0.5).log()
    with pytest.raises(ValueError, match="tolerance is a relative precision between 0 and 1; got "):
        fit_temperature(log_probs, [[1]], [1], [1], tolerance=value)
