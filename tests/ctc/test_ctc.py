"""Everything in crnn_lib.ctc against its definition: a sum, or a maximum, over all alignments."""

from __future__ import annotations

import itertools
import math
import re
import warnings
from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import crnn_lib.ctc.loss as loss_room
from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import (
    Span,
    alignments,
    check_integers,
    collapse,
    count_alignments,
    ctc_loss,
    forced_alignment,
    forced_alignments,
    forward_backward,
    frames_needed,
    label_probability_brute_force,
    length_mask,
    minimum_frames,
    states_of,
)
from crnn_lib.ctc._checks import ROUNDING

settings.register_profile("ctc", deadline=None)  # a busy machine is no error
settings.load_profile("ctc")

# --- Random cases ---------------------------------------------------------------------------------


@st.composite
def cases(draw, longest=7, most_classes=4):
    """A generator, T, C, blank and a label that fits. The blank is anywhere."""
    classes = draw(st.integers(2, most_classes))
    blank = draw(st.integers(0, classes - 1))
    frames = draw(st.integers(1, longest))
    characters = [c for c in range(classes) if c != blank]
    label = draw(st.lists(st.sampled_from(characters), max_size=frames))
    while minimum_frames(label) > frames:
        label.pop()
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    return generator, frames, classes, blank, label


def random_log_probs(*shape, generator, dtype=torch.float64, scale=1.0):
    logits = torch.randn(shape, generator=generator, dtype=dtype) * scale
    return logits.log_softmax(-1)


def random_batch(n, frames, classes, longest, blank, generator, scale=1.0, dtype=torch.float64):
    """Logits, targets, and lengths that differ, all feasible, with repeats and an empty label."""
    logits = torch.randn((n, frames, classes), generator=generator, dtype=dtype) * scale
    targets = torch.randint(0, classes - 1, (n, longest), generator=generator)
    targets += targets >= blank
    target_lengths = torch.randint(0, longest + 1, (n,), generator=generator)
    target_lengths[0], target_lengths[-1] = longest, 0
    needed = torch.tensor(
        [minimum_frames(t[:k]) for t, k in zip(targets, target_lengths, strict=True)]
    )
    spare = (torch.rand(n, generator=generator) * (frames - needed + 1)).long()
    return logits, targets, needed + spare, target_lengths


def torch_loss(log_probs, targets, frame_lengths, target_lengths, **options):
    """torch's loss, batch first."""
    return F.ctc_loss(
        log_probs.transpose(0, 1),  # (T, N, C)
        targets,
        frame_lengths,
        target_lengths,
        **options,
    )


def gradient_for_logits(loss, logits, *batch, **options):
    logits = logits.detach().clone().requires_grad_()
    loss(logits.log_softmax(-1), *batch, **options).sum().backward()
    return logits.grad


# --- 1. Alignments and labels ---------------------------------------------------------------------


@pytest.mark.parametrize("blank", [0, 10])
def test_the_example_of_the_series(blank):
    alphabet = Alphabet(blank=blank)
    alignment = [alphabet.symbols.index(symbol) for symbol in "55-55222--07"]
    assert alphabet.decode(collapse(alignment, blank=blank)) == "55207"
    assert collapse("55-55222--07", blank="-") == list("55207")
    assert collapse("555222--07", blank="-") == list("5207")  # no blank, no double 5


@pytest.mark.parametrize("convert", [list, tuple, iter, np.array, torch.tensor])
def test_collapse_takes_any_sequence_and_gives_plain_integers(convert):
    label = collapse(convert([0, 2, 2, 0, 2, 1]))
    assert label == [2, 2, 1]
    assert all(type(c) is int for c in label)


def test_collapse_of_nothing():
    assert collapse([]) == collapse([0, 0]) == []


def test_several_lines_and_texts_without_their_blank_are_refused():
    """They came back as they were, repeats and blanks merged nowhere."""
    lines = [[0, 1, 1], [1, 1, 0]]
    rows = [(kind(lines), r"\(2, 3\)") for kind in (torch.tensor, np.array)]
    rows += [(kind(lines[:1]), r"\(1, 3\)") for kind in (torch.tensor, np.array)]
    for several, shape in (*rows, (lines, "a list of 2"), (list(rows[0][0]), "a list of 2")):
        for read in (collapse, states_of):
            said = rf"one line's, \(T,\); got {shape}. Take the lines of a batch one by one"
            with pytest.raises(ValueError, match=said):
                read(several)
    for read in (collapse, states_of):
        with pytest.raises(TypeError, match="none of them is the blank 0. Name the one that is"):
            read("--55-5")
    assert collapse(list(torch.tensor([0, 1, 1]))) == [1]


@pytest.mark.parametrize("blank", [0, 1, 2])
@pytest.mark.parametrize("frames", range(7))
def test_alignments_are_exactly_those_that_collapse_to_the_label(frames, blank):
    expected = defaultdict(set)
    for alignment in itertools.product(range(3), repeat=frames):
        expected[tuple(collapse(alignment, blank=blank))].add(alignment)
    for label, wanted in expected.items():
        found = list(alignments(label, frames, blank=blank))
        assert len(found) == len(set(found)) == count_alignments(label, frames)
        assert set(found) == wanted
        shorter = list(alignments(label, minimum_frames(label), blank=blank))
        assert len(shorter) == 1 and minimum_frames(label) <= frames
        assert not list(alignments(label, minimum_frames(label) - 1, blank=blank))


@given(st.lists(st.integers(1, 3), max_size=5), st.integers(0, 9))
def test_count_is_the_closed_form(label, frames):
    repeats = minimum_frames(label) - len(label)
    fits = frames >= len(label) + repeats
    n, k = frames + len(label) - repeats, frames - len(label) - repeats
    assert count_alignments(label, frames) == (math.comb(n, k) if fits else 0)
    assert count_alignments(label, frames) == sum(1 for _ in alignments(label, frames))


def test_alignments_are_lazy():
    label = Alphabet().encode("55207")
    assert count_alignments(label, 1000) > 10**23
    assert collapse(next(alignments(label, 1000))) == label


@given(cases())
@settings(max_examples=60)
def test_brute_force_is_the_sum_over_all_sequences_of_classes(case):
    generator, frames, classes, blank, label = case
    frames = min(frames, 5)
    log_probs = random_log_probs(frames, classes, generator=generator)
    probs = log_probs.exp().tolist()
    total = sum(
        math.prod(row[c] for row, c in zip(probs, alignment, strict=True))
        for alignment in itertools.product(range(classes), repeat=frames)
        if collapse(alignment, blank=blank) == label
    )
    found = label_probability_brute_force(log_probs, label, blank=blank)
    assert found == pytest.approx(total, rel=1e-12)


def test_probabilities_of_all_labels_add_up_to_one():
    log_probs = random_log_probs(4, 3, generator=torch.Generator().manual_seed(0))
    labels = {tuple(collapse(a)) for a in itertools.product(range(3), repeat=4)}
    total = sum(label_probability_brute_force(log_probs, label) for label in labels)
    assert total == pytest.approx(1, rel=1e-12)


# --- 2. Forward-backward, and the loss, against brute force ---------------------------------------


def class_posteriors(log_probs, label, blank):
    """By the definition: (T, C)."""
    gamma = torch.zeros_like(log_probs)
    rows = torch.arange(len(log_probs))
    for alignment in alignments(label, len(log_probs), blank=blank):
        gamma[rows, list(alignment)] += log_probs[rows, list(alignment)].sum().exp()
    return gamma / label_probability_brute_force(log_probs, label, blank=blank)


@given(cases())
@settings(max_examples=300)
def test_forward_backward_and_loss_equal_brute_force(case):
    generator, frames, classes, blank, label = case
    log_probs = random_log_probs(frames, classes, generator=generator, scale=2.0)
    expected = math.log(label_probability_brute_force(log_probs, label, blank=blank))
    gamma = class_posteriors(log_probs, label, blank)

    trellis = forward_backward(log_probs, label, blank=blank)
    assert trellis.log_prob == pytest.approx(expected, rel=1e-12, abs=1e-14)
    assert collapse(trellis.states, blank=blank) == label
    assert trellis.alpha.shape == trellis.beta.shape == (frames, 2 * len(label) + 1)
    through = (trellis.alpha + trellis.beta).logsumexp(1)  # every alignment, at every frame
    torch.testing.assert_close(through, torch.full_like(through, expected), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(trellis.occupancy.exp(), gamma, rtol=1e-11, atol=1e-14)
    ones = torch.ones(frames, dtype=torch.float64)
    torch.testing.assert_close(trellis.state_occupancy.exp().sum(1), ones)

    leaf = log_probs[None].requires_grad_()
    targets = torch.tensor([label], dtype=torch.int64)
    loss = ctc_loss(leaf, targets, [frames], [len(label)], blank=blank, reduction="sum")
    loss.backward()
    assert loss.item() == pytest.approx(-expected, rel=1e-12, abs=1e-14)
    torch.testing.assert_close(leaf.grad[0], -gamma, rtol=1e-11, atol=1e-14)


def test_alpha_includes_the_emission_and_beta_does_not():
    log_probs = random_log_probs(3, 3, generator=torch.Generator().manual_seed(1))
    trellis = forward_backward(log_probs, [2])
    assert trellis.alpha[0].tolist() == [log_probs[0, 0], log_probs[0, 2], -math.inf]
    assert trellis.beta[-1].tolist() == [-math.inf, 0, 0]


# --- 3. The loss, against torch and against itself ------------------------------------------------


@pytest.mark.parametrize("blank", [0, 4, 10])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_value_and_gradient_for_logits_equal_torch(blank, seed, reduction):
    generator = torch.Generator().manual_seed(seed)
    logits, *batch = random_batch(24, 31, 11, 6, blank, generator, scale=1.0 + 2 * seed)
    options = {"blank": blank, "reduction": reduction}
    ours, theirs = (f(logits.log_softmax(-1), *batch, **options) for f in (ctc_loss, torch_loss))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)
    ours, theirs = (
        gradient_for_logits(f, logits, *batch, **options) for f in (ctc_loss, torch_loss)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.* more than certain")  # of scores, on purpose
@pytest.mark.parametrize("plain_sums", [True, False])
@pytest.mark.parametrize("blank", [0, 3])
def test_gradcheck_for_log_probs_and_for_logits(blank, plain_sums, monkeypatch):
    if not plain_sums:
        monkeypatch.setattr(loss_room, "MOST_WAYS", -1.0)
    logits, *batch = random_batch(4, 7, 4, 3, blank, torch.Generator().manual_seed(7))
    for inner in (torch.Tensor.clone, lambda x: x.log_softmax(-1)):
        leaf = logits.clone().requires_grad_()  # not normalised: a partial derivative needs no sum
        for reduction in ("mean", "none"):

            def loss(x, inner=inner, reduction=reduction):
                return ctc_loss(inner(x), *batch, blank=blank, reduction=reduction)

            assert torch.autograd.gradcheck(loss, leaf)


def test_the_gradient_for_log_probs_is_true_and_that_of_torch_is_not():
    logits, *batch = random_batch(6, 9, 5, 3, 0, torch.Generator().manual_seed(3))
    log_probs = logits.log_softmax(-1)
    grads = []
    for loss in (ctc_loss, torch_loss):
        leaf = log_probs.clone().requires_grad_()
        loss(leaf, *batch, reduction="sum").backward()
        grads.append(leaf.grad)
    inside = torch.arange(9) < batch[1][:, None]
    surplus = log_probs.exp() * inside[:, :, None]
    torch.testing.assert_close(grads[1], grads[0] + surplus, rtol=1e-9, atol=1e-12)
    assert (grads[1] - grads[0]).abs().max() > 0.1

    def torch_sum(x):
        return torch_loss(x, *batch, reduction="sum")

    assert not torch.autograd.gradcheck(
        torch_sum, log_probs.requires_grad_(), raise_exception=False
    )
    assert torch.autograd.gradcheck(lambda x: torch_sum(x.log_softmax(-1)), logits.requires_grad_())


@pytest.mark.parametrize("plain_sums", [True, False])
def test_float32_is_float64_but_for_its_rounding(plain_sums, monkeypatch):
    if not plain_sums:
        monkeypatch.setattr(loss_room, "MOST_WAYS", -1.0)
    logits, *batch = random_batch(64, 31, 11, 5, 0, torch.Generator().manual_seed(0))
    logits = logits.float()
    exact = gradient_for_logits(torch_loss, logits.double(), *batch, reduction="sum")
    ours = gradient_for_logits(ctc_loss, logits, *batch, reduction="sum")
    assert ours.dtype == torch.float32
    assert (ours - exact).abs().max() <= 1e-6
    loss = ctc_loss(logits.log_softmax(-1), *batch, reduction="none")
    assert loss.dtype == torch.float32
    exact = torch_loss(logits.double().log_softmax(-1), *batch, reduction="none")
    torch.testing.assert_close(loss.double(), exact, rtol=3e-7, atol=0)


def test_second_derivatives_of_a_product():
    """Two frames, two classes: all alignments but two blanks collapse to "a", -log(1 - p0 p0')."""
    scores = torch.zeros(2, 2, dtype=torch.float64)

    def loss(x):
        return ctc_loss(x.log_softmax(-1)[None], [[1]], [2], [1], reduction="sum")

    def by_hand(x):
        probs = x.softmax(-1)
        return -(1 - probs[0, 0] * probs[1, 0]).log()

    for function in (loss, by_hand):
        row = torch.autograd.functional.hessian(function, scores)[0, 0].flatten()
        expected = torch.tensor([1, -1, 4, -4], dtype=torch.float64) / 36
        torch.testing.assert_close(row, expected)


@pytest.mark.filterwarnings("ignore:.* more than certain")  # of scores, on purpose
@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("inner", ["log_probs", "logits"])
def test_gradgradcheck(blank, inner):
    logits, *batch = random_batch(3, 5, 4, 2, blank, torch.Generator().manual_seed(8))
    logits[0, :, :2] *= 3.0
    leaf = logits.requires_grad_()

    def losses(x):
        x = x.log_softmax(-1) if inner == "logits" else x.clone()
        return ctc_loss(x, *batch, blank=blank, reduction="none")

    assert torch.autograd.gradgradcheck(losses, leaf)
    (first,) = torch.autograd.grad(losses(leaf).sum(), leaf)  # by the fast way
    (again,) = torch.autograd.grad(losses(leaf).sum(), leaf, create_graph=True)
    torch.testing.assert_close(first, again, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("blank", [0, 3])
def test_second_derivatives_of_lines_that_cannot_be_or_are_unlikely(blank):
    logits, *batch = random_batch(4, 8, 4, 3, blank, torch.Generator().manual_seed(9))
    log_probs = logits.mul(300.0).log_softmax(-1)
    log_probs[1] = -math.inf  # probability 0
    log_probs[2, :, (blank + 1) % 4] -= math.inf
    batch[1][3] = batch[2][3] = 8  # 8 characters do not fit 6 frames
    batch[0] = F.pad(batch[0], (0, 5), value=(blank + 1) % 4)
    batch[1][3] = 6
    leaf = log_probs.requires_grad_()
    loss = ctc_loss(leaf, *batch, blank=blank, reduction="sum", zero_infinity=True)
    fast = torch.autograd.grad(loss, leaf, retain_graph=True)[0]
    slow = torch.autograd.grad(loss, leaf, create_graph=True)[0]
    torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-12)
    assert fast[0].any() and not fast[1].any() and not fast[3].any()
    second = torch.autograd.grad(slow.square().sum(), leaf)[0]
    assert second.isfinite().all() and not second[1].any() and not second[3].any()


@pytest.mark.parametrize("blank", [0, 10])
@pytest.mark.parametrize("rounded", [torch.float32, torch.bfloat16, torch.float64])
def test_rounding_never_makes_a_loss_negative(rounded, blank):
    """Nearly certain lines: each frame's rounded probabilities may sum to a little more than 1."""
    logits = torch.randn(200, 9, 11, generator=torch.Generator().manual_seed(2)).double()
    label = [c for c in (5, 2, 7) if c != blank]
    alignment = torch.tensor([blank, 5, 5, blank, 2, blank, 7, 7, blank])
    logits[:, range(9), alignment] += 20.0
    log_probs = logits.to(rounded).log_softmax(-1)
    for dtype in {torch.promote_types(rounded, torch.float32), torch.float64}:
        batch = [label] * 200, [9] * 200, [3] * 200
        leaf = log_probs.to(dtype).detach().clone().requires_grad_()
        losses = ctc_loss(leaf, *batch, blank=blank, reduction="none")
        exact = torch_loss(logits.log_softmax(-1), *map(torch.tensor, batch), blank=blank,
                           reduction="none")  # fmt: skip
        assert losses.min() >= 0 and (losses - exact).abs().max() < 9 * ROUNDING
        losses.sum().backward()  # and the gradient still says where to go
        assert leaf.grad.isfinite().all() and leaf.grad[:, 1, 5].max() < -0.9
    raw = torch_loss(log_probs.double(), *map(torch.tensor, batch), blank=blank, reduction="none")
    assert rounded == torch.float64 or raw.min() < 0  # this is what is put right


def test_scores_that_are_no_probabilities_may_have_a_negative_loss():
    scores = torch.full((2, 3, 2), 1.0)
    with pytest.warns(UserWarning, match="^Sample 0: its label is more than certain"):
        losses = ctc_loss(scores, [[1]] * 2, [3, 3], [1, 1], reduction="none")
    assert losses.tolist() == pytest.approx([-3 - math.log(6)] * 2)


@pytest.mark.parametrize("blank", [0, 10])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_logits_in_place_of_log_probabilities_are_named(blank, reduction):
    """Such a loss has no floor: it falls and falls, and the network learns nothing."""
    logits, *batch = random_batch(4, 9, 11, 3, blank, torch.Generator().manual_seed(4))
    logits[:3] = logits[:3].log_softmax(-1)
    logits[3, 0], logits[3, 1:] = logits[3, 0].log_softmax(-1), logits[3, 1:] + 3.0
    leaf = logits.clone().requires_grad_()
    with pytest.warns(UserWarning) as caught:
        loss = ctc_loss(leaf, *batch, blank=blank, reduction=reduction)
    (warning,) = caught
    assert warning.filename == __file__  # the line that is to be mended
    total = logits[3, 1].exp().sum().item()
    assert "Sample 3: its label is more than certain" in str(warning.message)
    assert f"in frame 1 sum to {total:.4g}, not to 1" in str(warning.message)
    assert "scores.log_softmax(-1)" in str(warning.message)
    theirs = torch_loss(logits, *batch, blank=blank, reduction=reduction)  # has the same value
    torch.testing.assert_close(loss.detach(), theirs)
    loss.sum().backward()
    assert leaf.grad.isfinite().all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ctc_loss(logits.log_softmax(-1), *batch, blank=blank, reduction=reduction)


def test_what_stands_after_a_line_is_no_reason_to_warn():
    log_probs = torch.tensor([[[0.0, -40.0], [5.0, 5.0]]])  # certain; padding that sums to 297
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ctc_loss(log_probs, torch.zeros(1, 0).long(), [1], [0]) == 0


@pytest.mark.parametrize(
    "function",
    [
        lambda scores: forward_backward(scores, [1]),
        lambda scores: forced_alignment(scores, [1]),
        lambda scores: forced_alignments(scores[None], [[1]], [4], [1]),
        lambda scores: label_probability_brute_force(scores, [1]),
    ],
)
def test_whoever_says_how_probable_a_label_is_warns_of_scores(function):
    scores = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)) + 1.0
    with pytest.warns(UserWarning, match="^Sample 0: its label is more than certain") as caught:
        function(scores)
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(scores.log_softmax(-1))
        function(torch.tensor([[0.0, -90.0, -90.0], [-90.0, 0.0, -90.0]] * 2).log_softmax(-1))


@pytest.mark.parametrize("blank", [0, 4])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_zero_infinity_is_that_of_torch(blank, reduction):
    generator = torch.Generator().manual_seed(12)
    logits, *batch = random_batch(12, 14, 6, 5, blank, generator)
    batch[1][2:5] = torch.tensor([0, 1, 4])  # frames, too few for the label
    batch[2][2:5] = 5
    logits[7, :, (blank + 2) % 6] = -math.inf  # has probability 0 where the label needs the class
    batch[0][7, 0], batch[2][7] = (blank + 2) % 6, 1
    batch[1][7] = 14
    options = {"blank": blank, "reduction": reduction, "zero_infinity": True}
    ours, theirs = (f(logits.log_softmax(-1), *batch, **options) for f in (ctc_loss, torch_loss))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)
    if reduction == "none":
        assert (ours == 0).nonzero()[:, 0].tolist() == [2, 3, 4, 7]
    finite = logits.clamp(min=-1e4)  # torch's log_softmax has no gradient at -inf
    ours, theirs = (
        gradient_for_logits(f, finite, *batch, **options) for f in (ctc_loss, torch_loss)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert not ours[2:5].any()
    with pytest.raises(ValueError, match="Sample 2 has 0 frames.*zero_infinity=True"):
        ctc_loss(logits.log_softmax(-1), *batch, blank=blank)


def spy_on_ways(monkeypatch):
    """The list of (ways, lines, with_gradient) that the loss goes through."""
    seen, original = [], loss_room.losses_and_occupancies

    def losses(batch, blank, ways, with_gradient):
        seen.append((ways, len(batch[0]), with_gradient))
        return original(batch, blank, ways, with_gradient)

    monkeypatch.setattr(loss_room, "losses_and_occupancies", losses)
    return seen


@pytest.mark.parametrize("blank", [0, 10])
def test_unlikely_lines_take_logarithms_and_the_others_do_not(blank, monkeypatch):
    seen = spy_on_ways(monkeypatch)
    logits, targets, _, lengths = random_batch(
        16, 31, 11, 5, blank, torch.Generator().manual_seed(5)
    )
    frame_lengths = torch.full((16,), 31)
    logits[::2] *= 200.0  # very sure, and mostly wrong
    batch = targets, frame_lengths, lengths
    ours = ctc_loss(logits.log_softmax(-1), *batch, blank=blank, reduction="none")
    assert [ways for ways, *_ in seen] == [loss_room.SUM, loss_room.LOG_SUM]
    assert 4 <= seen[1][1] <= 8
    theirs = torch_loss(logits.log_softmax(-1), *batch, blank=blank, reduction="none")
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    ours = gradient_for_logits(ctc_loss, logits, *batch, blank=blank, reduction="sum")
    theirs = gradient_for_logits(torch_loss, logits, *batch, blank=blank, reduction="sum")
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@given(st.integers(0, 2**32), st.sampled_from([30.0, 100.0, 300.0, 1000.0]), st.integers(1, 12))
@settings(max_examples=60)
def test_no_line_is_too_unlikely(seed, scale, frames):
    generator = torch.Generator().manual_seed(seed)
    logits, *batch = random_batch(8, max(frames, 5), 3, 3, 2, generator, scale=scale)
    ours, theirs = (
        f(logits.log_softmax(-1), *batch, blank=2, reduction="none") for f in (ctc_loss, torch_loss)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_the_best_way_counts_even_if_plain_sums_lose_it_from_both_ends():
    # Way A (all blanks, then 1 late) pays 700 digits in the middle. Way B (1 throughout) pays 310
    # digits at the start and again at the end: float64 has dropped it where A is still at 1.
    tens = math.log(10)
    log_probs = torch.full((6, 3), -2000 * tens, dtype=torch.float64)
    log_probs[:, 0] = torch.tensor([0.0, 0, -350, -350, 0, 0]) * tens
    log_probs[:, 1] = torch.tensor([-155.0, -155, 0, 0, -155, -155]) * tens
    leaf = log_probs[None].requires_grad_()
    loss = ctc_loss(leaf, [[1]], [6], [1], reduction="sum")
    loss.backward()
    exact = forward_backward(log_probs, [1])
    assert loss.item() == pytest.approx(-exact.log_prob, rel=1e-13)
    torch.testing.assert_close(leaf.grad[0], -exact.occupancy.exp(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("blank", [0, 10])
def test_two_thousand_frames(dtype, blank, monkeypatch):
    seen = spy_on_ways(monkeypatch)
    generator = torch.Generator().manual_seed(11)
    logits, *batch = random_batch(3, 2000, 11, 120, blank, generator, dtype=dtype)
    batch[1][0] = 2000
    ours = ctc_loss(logits.log_softmax(-1), *batch, blank=blank, reduction="none")
    exact = torch_loss(logits.double().log_softmax(-1), *batch, blank=blank, reduction="none")
    tolerance = 1e-12 if dtype == torch.float64 else 1e-6
    torch.testing.assert_close(ours.double(), exact, rtol=tolerance, atol=tolerance)
    grad = gradient_for_logits(ctc_loss, logits, *batch, blank=blank, reduction="sum")
    exact = gradient_for_logits(torch_loss, logits.double(), *batch, blank=blank, reduction="sum")
    tolerance = 1e-9 if dtype == torch.float64 else 2e-5
    torch.testing.assert_close(grad.double(), exact, rtol=tolerance, atol=tolerance)
    assert {ways for ways, *_ in seen} == {loss_room.LOG_SUM}


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("text", [[], [1], [1, 1, 1], [1, 3, 3, 1]])
def test_the_shortest_line_has_one_alignment(text, blank):
    label = [c if c != blank else 4 for c in text]
    frames = max(minimum_frames(label), 1)
    leaf = random_log_probs(1, frames, 5, generator=torch.Generator().manual_seed(2))
    leaf.requires_grad_()
    (alignment,) = alignments(label, frames, blank=blank)
    loss = ctc_loss(leaf, torch.tensor([label]).long(), [frames], [len(label)], blank=blank)
    loss.backward()
    picked = leaf.detach()[0, torch.arange(frames), list(alignment)].sum().item()
    assert loss.item() == pytest.approx(-picked / max(len(label), 1), rel=1e-12)
    expected = -F.one_hot(torch.tensor(alignment), 5).double() / max(len(label), 1)
    torch.testing.assert_close(leaf.grad[0], expected)


@given(cases(), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=60)
def test_padding_changes_nothing_whatever_it_holds(case, more_frames, more_targets):
    generator, frames, classes, blank, label = case
    log_probs = random_log_probs(1, frames, classes, generator=generator)
    padded = F.pad(log_probs, (0, 0, 0, more_frames), value=math.nan)
    targets = torch.tensor([label], dtype=torch.int64)
    padded_targets = F.pad(targets, (0, more_targets), value=-100)
    lengths = [frames], [len(label)]
    short, long = log_probs.clone().requires_grad_(), padded.clone().requires_grad_()
    a = ctc_loss(short, targets, *lengths, blank=blank)
    b = ctc_loss(long, padded_targets, *lengths, blank=blank)
    a.backward()
    b.backward()
    assert a.item() == pytest.approx(b.item(), rel=1e-13, abs=1e-15)
    torch.testing.assert_close(long.grad[:, :frames], short.grad, rtol=1e-12, atol=1e-14)
    assert not long.grad[:, frames:].any()
    spans, scores = forced_alignments(log_probs, targets, *lengths, blank=blank)
    spans_padded, scores_padded = forced_alignments(padded, padded_targets, *lengths, blank=blank)
    assert torch.equal(spans_padded[:, : len(label)], spans)
    assert torch.equal(scores_padded[:, : len(label)], scores)
    assert not spans_padded[:, len(label) :].any() and not scores_padded[:, len(label) :].any()


@given(cases())
@settings(max_examples=40)
def test_where_the_blank_stands_among_the_classes_does_not_matter(case):
    generator, frames, classes, blank, label = case
    log_probs = random_log_probs(frames, classes, generator=generator)
    order = [blank, *(c for c in range(classes) if c != blank)]  # the blank goes first
    moved, moved_label = log_probs[:, order], [order.index(c) for c in label]
    a, b = forward_backward(log_probs, label, blank=blank), forward_backward(moved, moved_label)
    assert a.log_prob == pytest.approx(b.log_prob, rel=1e-13, abs=1e-15)
    torch.testing.assert_close(a.occupancy[:, order], b.occupancy, rtol=1e-12, atol=1e-12)
    spans = forced_alignment(log_probs, label, blank=blank)
    moved_spans = forced_alignment(moved, moved_label)
    assert [(s.start, s.end) for s in spans] == [(s.start, s.end) for s in moved_spans]


def test_a_label_of_probability_zero_has_an_infinite_loss_and_no_gradient():
    log_probs = random_log_probs(3, 4, 3, generator=torch.Generator().manual_seed(4))
    log_probs[1, :, 2] = -math.inf
    targets, lengths = torch.tensor([[2, 1]] * 3), ([4, 4, 4], [2, 2, 2])
    leaf = log_probs.requires_grad_()
    losses = ctc_loss(leaf, targets, *lengths, reduction="none")
    assert losses.isinf().tolist() == [False, True, False] and losses[1] > 0
    losses.sum().backward()
    assert leaf.grad.isfinite().all()
    assert [bool(g.any()) for g in leaf.grad] == [True, False, True]
    trellis = forward_backward(log_probs[1], [2, 1])
    assert trellis.log_prob == -math.inf and not trellis.occupancy.exp().any()
    with pytest.raises(ValueError, match="Sample 1.*probability 0"):
        forced_alignments(log_probs, targets, *lengths)


def test_some_minus_infinities_leave_the_rest_exact():
    logits = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    logits[0, 0, 1] = logits[0, 3, 0] = logits[0, 4, :2] = -math.inf
    log_probs = logits.log_softmax(-1)
    expected = -math.log(label_probability_brute_force(log_probs[0], [1, 2]))
    leaf = logits.clone().requires_grad_()
    loss = ctc_loss(leaf.log_softmax(-1), [[1, 2]], [5], [2], reduction="sum")
    loss.backward()
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    expected = log_probs[0].exp() - class_posteriors(log_probs[0], [1, 2], 0)
    torch.testing.assert_close(leaf.grad[0], expected)


def test_a_certain_line_has_loss_zero():
    log_probs = torch.full((1, 3, 3), -math.inf)
    log_probs[0, [0, 1, 2], [1, 0, 1]] = 0.0
    loss = ctc_loss(log_probs, [[1, 1]], [3], [2], reduction="none")
    assert loss.item() == 0 and math.copysign(1, loss.item()) == 1
    assert [(s.start, s.end, s.log_prob) for s in forced_alignment(log_probs[0], [1, 1])] == [
        (0, 1, 0.0),
        (2, 3, 0.0),
    ]


def test_the_backward_half_is_left_out_where_no_gradient_is_wanted(monkeypatch):
    seen = spy_on_ways(monkeypatch)
    leaf = random_log_probs(1, 4, 3, generator=torch.Generator()).requires_grad_()
    with torch.no_grad():
        without = ctc_loss(leaf, [[1]], [4], [1])
    with_gradient = ctc_loss(leaf, [[1]], [4], [1])
    assert [wanted for *_, wanted in seen] == [False, True]
    assert without.item() == with_gradient.item()


# --- 4. Forced alignment --------------------------------------------------------------------------


def best_spans(log_probs, label, blank):
    """By the definition: among all best alignments, the furthest along from the end backwards."""
    rows = log_probs.tolist()
    best = max(
        alignments(label, len(rows), blank=blank),
        key=lambda a: (
            sum(row[c] for row, c in zip(rows, a, strict=True)),
            states_of(a, blank=blank)[::-1],
        ),
    )
    way = states_of(best, blank=blank)
    for k in range(len(label)):
        frames = [t for t, state in enumerate(way) if state == 2 * k + 1]
        yield frames[0], frames[-1] + 1, sum(rows[t][label[k]] for t in frames)


@given(cases(), st.booleans())
@settings(max_examples=300)
def test_forced_alignment_equals_brute_force_ties_included(case, ties):
    generator, frames, classes, blank, label = case
    if ties:  # small integers: sums are exact, and equal sums are everywhere
        log_probs = -torch.randint(0, 3, (frames, classes), generator=generator).double()
    else:
        log_probs = random_log_probs(frames, classes, generator=generator)
    spans = forced_alignment(log_probs, label, blank=blank)
    assert [s.label for s in spans] == label
    expected = list(best_spans(log_probs, label, blank))
    assert [(s.start, s.end) for s in spans] == [e[:2] for e in expected]
    assert [s.log_prob for s in spans] == pytest.approx([e[2] for e in expected], rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("blank", [0, 5, 10])
def test_a_batch_is_its_lines(blank, dtype):
    generator = torch.Generator().manual_seed(blank)
    logits, *batch = random_batch(20, 40, 11, 6, blank, generator, dtype=dtype, scale=3.0)
    log_probs = logits.log_softmax(-1)
    spans, scores = forced_alignments(log_probs, *batch, blank=blank)
    losses = ctc_loss(log_probs, *batch, blank=blank, reduction="none")
    assert spans.shape == (20, 6, 2) and scores.shape == (20, 6) and scores.dtype == torch.float64
    for n, (target, frames, length) in enumerate(zip(*batch, strict=True)):
        line, label = log_probs[n, :frames], target[:length].tolist()
        if not frames:
            continue
        one = forced_alignment(line, label, blank=blank)
        assert [[s.start, s.end] for s in one] == spans[n, :length].tolist()
        assert [s.log_prob for s in one] == scores[n, :length].tolist()
        trellis = forward_backward(line, label, blank=blank)
        assert losses[n].item() == pytest.approx(-trellis.log_prob, rel=1e-6, abs=1e-9)
        # What the spans say is an alignment of the label.
        alignment = [blank] * int(frames)
        for span in one:
            assert 0 <= span.start < span.end <= frames
            assert set(alignment[span.start : span.end]) == {blank}
            alignment[span.start : span.end] = [span.label] * (span.end - span.start)
        assert collapse(alignment, blank=blank) == label


def test_forced_alignment_of_two_thousand_frames():
    label = [1 + k % 10 for k in range(200)]
    log_probs = torch.full((2000, 11), -5.0)
    log_probs[:, 0] = -1.0
    rows = torch.arange(5, 2000, 10)
    log_probs[rows, torch.tensor(label)] = -0.1
    spans = forced_alignment(log_probs, label)
    assert [(s.start, s.end) for s in spans] == [(t, t + 1) for t in rows.tolist()]


def test_a_tie_goes_to_what_is_further_along():
    # One "a" in three equal frames: from the last frame backwards, the last blank comes first.
    assert forced_alignment(torch.zeros(3, 2), [1]) == [Span(1, 0, 1, 0.0)]


def test_a_span_is_readable_and_frozen():
    span = Span(6, 3, 5, -0.25)
    assert repr(span) == "Span(6 in [3, 5), log_prob=-0.25)"
    with pytest.raises(AttributeError):
        span.start = 4


def test_an_empty_label():
    log_probs = random_log_probs(6, 3, generator=torch.Generator().manual_seed(6))
    assert forced_alignment(log_probs, []) == []
    assert forward_backward(log_probs, []).log_prob == pytest.approx(log_probs[:, 0].sum().item())
    losses = ctc_loss(log_probs[None].repeat(2, 1, 1), torch.ones(2, 0).long(), [6, 0], [0, 0])
    assert losses.item() == pytest.approx(-log_probs[:, 0].sum().item() / 2)


# --- 5. What is refused ---------------------------------------------------------------------------

GOOD = {
    "log_probs": torch.full((2, 4, 3), -math.log(3)),
    "targets": torch.tensor([[1, 2], [2, 0]]),
    "frame_lengths": torch.tensor([4, 3]),
    "target_lengths": torch.tensor([2, 1]),
}
WITH_NAN, WITH_INF = torch.zeros(2, 4, 3), torch.zeros(2, 4, 3)
WITH_NAN[1, 2, 0] = math.nan
WITH_INF[0, 3, 2] = math.inf


@pytest.mark.parametrize("function", [ctc_loss, forced_alignments])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"frame_lengths": [4, 0]}, ValueError, "Sample 1 has 0 frames and its target needs 1"),
        ({"frame_lengths": [4, 5]}, ValueError, "Sample 1: frame_lengths must be 0 to 4; got 5"),
        ({"frame_lengths": [-1, 3]}, ValueError, "Sample 0: frame_lengths must be 0 to 4; got -1"),
        ({"frame_lengths": [4]}, ValueError, "frame_lengths must have the shape (2,); got (1,)"),
        ({"frame_lengths": [4.0, 3.0]}, TypeError, "frame_lengths must hold integers"),
        ({"target_lengths": [2, 3]}, ValueError, "Sample 1: target_lengths must be 0 to 2; got 3"),
        ({"target_lengths": "21"}, TypeError, "target_lengths must hold integers; got '21'"),
        ({"targets": [[1, 2], [2]]}, TypeError, "targets must hold integers; got [[1, 2], [2]]"),
        ({"target_lengths": 2}, ValueError, "target_lengths must have the shape (2,); got ()"),
        ({"target_lengths": [2, 2]}, ValueError, "Sample 1: target [2, 0] contains the blank"),
        ({"targets": [[1, 2], [3, 0]]}, ValueError, "Sample 1: target [3] has class 3"),
        ({"targets": [[1, -1], [2, 0]]}, ValueError, "Sample 0: target [1, -1] has class -1"),
        ({"targets": [1, 2, 2]}, ValueError, "targets must have the shape (2, L); got (3,)"),
        ({"targets": torch.ones(2, 2)}, TypeError, "targets must hold integers"),
        ({"log_probs": torch.zeros(4, 3)}, ValueError, "log_probs must be (N, T, C), none 0"),
        ({"log_probs": torch.zeros(2, 0, 3)}, ValueError, "log_probs must be (N, T, C), none 0"),
        ({"log_probs": torch.zeros(2, 4, 3).half()}, TypeError, "float32 or float64"),
        ({"log_probs": np.zeros((2, 4, 3))}, TypeError, "float32 or float64 tensor"),
        ({"log_probs": [[[0.0]]]}, TypeError, "float32 or float64 tensor; got list"),
        ({"log_probs": WITH_NAN}, ValueError, "Sample 1: log_probs has NaN or +inf at frame 2"),
        ({"log_probs": WITH_INF}, ValueError, "Sample 0: log_probs has NaN or +inf at frame 3"),
        ({"blank": 3}, ValueError, "blank must be one of the classes 0 to 2; got 3"),
        ({"blank": -1}, ValueError, "blank must be one of the classes 0 to 2; got -1"),
        ({"blank": False}, ValueError, "blank must be one of the classes 0 to 2; got False"),
        ({"blank": 0.0}, ValueError, "blank must be one of the classes 0 to 2; got 0.0"),
    ],
)
def test_bad_input_gets_one_clear_error(function, change, error, message):
    function(**GOOD)
    with pytest.raises(error, match=re.escape(message)):
        function(**{**GOOD, **change})


@pytest.mark.parametrize("blank", [0, 10])
def test_a_target_that_does_not_fit_is_named(blank):
    label = Alphabet(blank=blank).encode("55207")
    message = "has 5 frames and its target needs 6: one for each of 5 characters, one more for each"
    log_probs = torch.zeros(3, 8, 11)
    lengths = torch.tensor([8, 5, 3]), torch.tensor([5, 5, 5])
    for function in (ctc_loss, forced_alignments):
        with pytest.raises(ValueError, match=f"Sample 1 {message}"):
            function(log_probs, [label] * 3, *lengths, blank=blank)
    for function in (forward_backward, forced_alignment):
        with pytest.raises(ValueError, match=f"Sample 0 {message}"):
            function(log_probs[0, :5], label, blank=blank)
    assert label_probability_brute_force(log_probs[0, :5], label, blank=blank) == 0
    assert count_alignments(label, 5) == 0 and not list(alignments(label, 5, blank=blank))


ONE_LINE = (forward_backward, forced_alignment, label_probability_brute_force)


@pytest.mark.parametrize("function", ONE_LINE)
def test_one_line_is_checked_like_a_batch(function):
    for label in ([1], [1, 2, 1]):  # the second one was said to have probability 0
        with pytest.raises(ValueError, match=r"one line must be \(T, C\); got \(1, 4, 3\)"):
            function(torch.zeros(1, 4, 3), label)
    for label in ([1, 0], [0] * 5):
        with pytest.raises(ValueError, match="contains the blank, class 0"):
            function(torch.zeros(4, 3), label)
    with pytest.raises(ValueError, match="has class 3; there are classes 0 to 2"):
        function(torch.zeros(4, 3), [3])
    with pytest.raises(ValueError, match=r"holds class indices; got \[1000000"):
        function(torch.zeros(4, 3), [10**30])
    with pytest.raises(TypeError, match="Alphabet"):
        function(torch.zeros(4, 3), "12")
    with pytest.raises(TypeError, match="class indices"):
        function(torch.zeros(4, 3), [1.5])
    with pytest.raises(ValueError, match="blank must be one of the classes 0 to 2; got 0.5"):
        function(torch.zeros(4, 3), [1], blank=0.5)


def test_other_refusals():
    with pytest.raises(ValueError, match="contains the blank, class 2"):
        alignments([1, 2], 5, blank=2)
    for frames in (True, "3", 2.5):
        for function in (count_alignments, alignments):
            with pytest.raises(TypeError, match="frames is a whole number; got"):
                function([1], frames)
    with pytest.raises(ValueError, match="reduction must be"):
        ctc_loss(**GOOD, reduction="max")


def test_lengths_of_a_batch():
    generator = torch.Generator().manual_seed(1)
    _, targets, _, lengths = random_batch(30, 20, 4, 6, 0, generator)
    expected = [minimum_frames(t[:k]) for t, k in zip(targets, lengths, strict=True)]
    assert frames_needed(targets, lengths).tolist() == expected
    for row, length in zip(length_mask(lengths, 6), lengths.tolist(), strict=True):
        assert row.tolist() == [i < length for i in range(6)]
    assert length_mask(torch.tensor([], dtype=torch.int64), 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([1, 2], ValueError, "lengths must have the shape (3,); got (2,)"),
        ([1, 2, 5], ValueError, "Sample 2: lengths must be 0 to 4; got 5"),
        ([True, False, True], TypeError, "lengths must hold integers; got torch.bool"),
        (torch.ones(3) * 1j, TypeError, "lengths must hold integers; got torch.complex64"),
        (None, TypeError, "lengths must hold integers; got None"),
    ],
)
def test_integers_are_checked_by_name(values, error, message):
    assert check_integers("lengths", np.array([0, 4, 1], np.int16), (3,), most=4).tolist() == [
        0,
        4,
        1,
    ]
    assert check_integers("lengths", [], (0,), most=4).dtype == torch.int64
    with pytest.raises(error, match=re.escape(message)):
        check_integers("lengths", values, (3,), most=4)


# --- Other kinds of arrays ------------------------------------------------------------------------


@pytest.mark.parametrize("convert", [list, tuple, iter, torch.tensor, np.array])
def test_states_are_those_of_any_sequence(convert):
    way = states_of(convert([0, 2, 2, 0, 2, 1]))
    assert way == [0, 1, 1, 2, 3, 5] and {type(state) for state in way} == {int}


@pytest.mark.parametrize("function", ONE_LINE)
def test_what_is_no_tensor_is_named(function):
    for rows, kind in ((np.log([[0.5, 0.5]]), "ndarray"), ([[-0.7, -0.7]], "list"), (5, "int")):
        with pytest.raises(TypeError, match=rf"tensor; got {kind}\. torch\.as_tensor makes"):
            function(rows, [1])
    with pytest.raises(TypeError, match=r"float64 tensor; got torch.float16"):
        function(torch.zeros(1, 2, dtype=torch.float16), [1])


@pytest.mark.parametrize("blank", [0, 2])
def test_a_label_may_be_read_once(blank):
    """It is read twice: the second time nothing was left, and "" was scored without a word."""
    label = [1, 1] if blank == 0 else [1, 0]
    log_probs = torch.randn(6, 3, generator=torch.Generator().manual_seed(blank)).log_softmax(1)
    trellis = forward_backward(log_probs, iter(label), blank=blank)
    assert trellis.log_prob == forward_backward(log_probs, label, blank=blank).log_prob
    spans = forced_alignment(log_probs, iter(label), blank=blank)
    assert spans == forced_alignment(log_probs, label, blank=blank)
    probability = label_probability_brute_force(log_probs, iter(label), blank=blank)
    assert probability == pytest.approx(math.exp(trellis.log_prob))
    assert count_alignments(iter(label), 6) == count_alignments(label, 6)


@pytest.mark.parametrize("label", [{1, 2}, {1: 2}, b"12", "", "12", [True], [1, False], 5, None])
def test_a_label_is_whole_numbers_in_an_order(label):
    functions = (minimum_frames, lambda x: count_alignments(x, 9), lambda x: alignments(x, 9))
    for function in (*functions, *(lambda x, f=f: f(torch.zeros(9, 3), x) for f in ONE_LINE)):
        with pytest.raises(TypeError, match="A label is class indices"):
            function(label)


def test_arrays_from_the_end_and_of_another_byte_order_are_integers():
    log_probs = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0)).log_softmax(2)
    targets, lengths = np.array([[2, 1], [3, 3]]), np.array([5, 6])
    expected = ctc_loss(log_probs, targets, lengths, [2, 2])
    fixed = targets.copy(), lengths.copy()
    for array in fixed:
        array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in (
            (np.ascontiguousarray(targets[::-1, ::-1])[::-1, ::-1], lengths[::-1].copy()[::-1]),
            (targets.astype(">i4"), lengths.astype(np.uint16)),
            fixed,
        ):
            assert torch.equal(ctc_loss(log_probs, *given, [2, 2]), expected)


@pytest.mark.parametrize("function", [collapse, states_of])
def test_symbols_of_another_kind_than_the_blank_are_refused(function):
    with pytest.raises(TypeError, match="are texts, and none of them is the blank 0"):
        function(["5", "-", "5"])
    with pytest.raises(TypeError, match="are no texts, and none of them is the blank '-'"):
        function([5, 0, 5], blank="-")
    assert function([], blank="-") == [] and len(function(["a", None, "a"], blank=None)) > 1
    for wrong in (None, 5, {0, 1}):
        with pytest.raises(TypeError, match="An alignment is a class for each frame; got "):
            function(wrong)
