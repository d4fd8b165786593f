from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from listed import all_labels

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import Span
from crnn_lib.decoders import best_path, best_path_labels

BLANKS = pytest.mark.parametrize("blank", [0, 2, 4])  # first, in the middle, last
CLASSES = 5


def alphabet_with(blank):
    return Alphabet("0123456789"[: CLASSES - 1], blank)


def lattice(count, frames, classes=CLASSES, *, seed=0, sharp=2.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, frames, classes, generator=generator, dtype=dtype)
    return (sharp * scores).log_softmax(-1)


def read_slowly(log_probs, frames, blank):
    """The best path of one line, frame by frame: its label and its spans."""
    spans, before = [], blank
    for t in range(frames):
        row = log_probs[t].tolist()
        c = row.index(max(row))
        if c != blank:
            if c == before:
                last = spans[-1]
                spans[-1] = (c, last[1], t + 1, last[3] + row[c])
            else:
                spans.append((c, t, t + 1, row[c]))
        before = c
    return tuple(span[0] for span in spans), spans


# --- Against the slow loop and the definition -----------------------------------------------------


@BLANKS
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_best_path_agrees_with_a_loop_over_frames(blank, data):
    count, frames = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 12))
    lengths = data.draw(st.lists(st.integers(0, frames), min_size=count, max_size=count))
    log_probs = lattice(count, frames, seed=data.draw(st.integers(0, 2**32)))
    hypotheses = best_path(log_probs, torch.tensor(lengths), alphabet=alphabet_with(blank))
    assert len(hypotheses) == count
    for n, hypothesis in enumerate(hypotheses):
        label, spans = read_slowly(log_probs[n], lengths[n], blank)
        assert hypothesis.label == label
        assert hypothesis.text == alphabet_with(blank).decode(label)
        assert [(s.label, s.start, s.end) for s in hypothesis.spans] == [s[:3] for s in spans]
        assert [s.log_prob for s in hypothesis.spans] == pytest.approx([s[3] for s in spans])
    labels = best_path_labels(log_probs, lengths, blank=blank)
    assert labels == [list(h.label) for h in hypotheses]


@BLANKS
@pytest.mark.parametrize("seed", range(12))
def test_scores_are_those_of_the_definition(blank, seed):
    """Log-probability, bound and proof against all C^T alignments, at several sharpnesses."""
    frames = 1 + seed % 5
    log_probs = lattice(6, frames, seed=seed, sharp=0.5 + seed % 4)
    for n, hypothesis in enumerate(best_path(log_probs, alphabet=alphabet_with(blank))):
        labels = all_labels(log_probs[n], blank)
        p = labels.pop(hypothesis.label)
        most = max(labels.values())
        assert math.exp(hypothesis.log_prob) == pytest.approx(p, rel=1e-9)
        assert math.exp(hypothesis.bound) == pytest.approx(1 - p, rel=1e-9)
        assert most <= math.exp(hypothesis.bound) + 1e-12
        assert hypothesis.proven == (p > 0.5)
        if hypothesis.proven:
            assert p > most


def test_both_proven_and_unproven_lines_occur():
    hypotheses = best_path(lattice(200, 4, sharp=3.0), alphabet=alphabet_with(0))
    assert 20 < sum(h.proven for h in hypotheses) < 180


def test_the_best_path_need_not_be_the_best_label():
    """The 2 x 3 example of Hannun's and Scheidl's kind: P(a) = 0.64 beats P('') = 0.36."""
    probs = torch.tensor([[0.4, 0.0, 0.6], [0.4, 0.0, 0.6]])
    (hypothesis,) = best_path(probs.log(), alphabet=Alphabet("ab", blank=2))
    assert hypothesis.text == "" and hypothesis.spans == ()
    assert math.exp(hypothesis.log_prob) == pytest.approx(0.36)
    assert math.exp(hypothesis.bound) == pytest.approx(0.64)
    assert not hypothesis.proven


@pytest.mark.parametrize("blank", [0, 10])
def test_55207(blank):
    alphabet = Alphabet(blank=blank)
    symbols = "-55-552---0077-"  # collapses to 55207
    alignment = torch.tensor([alphabet.symbols.index(s) for s in symbols])
    log_probs = torch.where(torch.eye(11, dtype=torch.bool)[alignment], 0.9, 0.01).log()
    (hypothesis,) = best_path(log_probs, alphabet=alphabet)
    assert hypothesis.text == "55207"
    assert [(s.start, s.end) for s in hypothesis.spans] == [
        (1, 3),
        (4, 6),
        (6, 7),
        (10, 12),
        (12, 14),
    ]
    assert hypothesis.spans[0] == Span(
        alphabet.encode("5")[0], 1, 3, pytest.approx(2 * math.log(0.9))
    )
    assert hypothesis.log_prob > len(symbols) * math.log(0.9)  # more than its best alignment


# --- Padding, batches, and kinds of input ---------------------------------------------------------


@BLANKS
@pytest.mark.parametrize("garbage", [math.nan, math.inf, -math.inf, 1e30, 0.0])
def test_frames_beyond_a_line_are_ignored(blank, garbage):
    alphabet = alphabet_with(blank)
    log_probs, lengths = lattice(6, 9), torch.tensor([9, 4, 0, 1, 8, 5])
    alone = [
        best_path(log_probs[n : n + 1, :length], alphabet=alphabet)[0]
        for n, length in enumerate(lengths.tolist())
    ]
    for n, length in enumerate(lengths.tolist()):
        log_probs[n, length:] = garbage
    together = best_path(log_probs, lengths, alphabet=alphabet)
    labels = best_path_labels(log_probs, lengths, blank=blank)
    for one, other, label in zip(together, alone, labels, strict=True):
        assert one.label == other.label == tuple(label)
        assert one.log_prob == pytest.approx(other.log_prob, rel=1e-12)
        assert one.proven == other.proven
        assert [dataclasses.replace(s, log_prob=0) for s in one.spans] == [
            dataclasses.replace(s, log_prob=0) for s in other.spans
        ]


@BLANKS
def test_a_line_without_frames_reads_nothing(blank):
    alphabet = alphabet_with(blank)
    for log_probs, lengths in (
        (torch.zeros(2, 0, CLASSES), None),
        (torch.full((2, 3, CLASSES), math.nan), [0, 0]),
    ):
        for hypothesis in best_path(log_probs, lengths, alphabet=alphabet):
            assert (hypothesis.label, hypothesis.text, hypothesis.spans) == ((), "", ())
            assert (hypothesis.log_prob, hypothesis.bound) == (0.0, -math.inf)
            assert hypothesis.proven  # there is no other label
        assert best_path_labels(log_probs, lengths, blank=blank) == [[], []]


def test_an_empty_batch_gives_an_empty_list():
    for lengths in (None, torch.zeros(0, dtype=torch.long), []):
        assert best_path(torch.zeros(0, 7, 11), lengths) == []
        assert best_path_labels(torch.zeros(0, 7, 11), lengths) == []


@BLANKS
def test_only_blanks_read_nothing(blank):
    log_probs = torch.full((1, 6, CLASSES), 0.01)
    log_probs[:, :, blank] = 0.96
    (hypothesis,) = best_path(log_probs.log(), alphabet=alphabet_with(blank))
    assert hypothesis.label == () and hypothesis.proven
    assert math.exp(hypothesis.log_prob) == pytest.approx(0.96**6)


@BLANKS
def test_of_equal_classes_the_lowest_wins(blank):
    (hypothesis,) = best_path(
        torch.full((1, 3, CLASSES), -math.log(CLASSES)), alphabet=alphabet_with(blank)
    )
    assert hypothesis.label == (() if blank == 0 else (0,))
    probs = torch.tensor([0.1, 0.35, 0.1, 0.35, 0.1]).repeat(64, 40, 1)
    for label in best_path_labels(probs.log(), blank=0):
        assert label == [1]


def test_certain_lattices_with_log_zero():
    alignment = torch.tensor([1, 1, 0, 1, 3])
    log_probs = torch.nn.functional.one_hot(alignment, CLASSES).double().log()
    (hypothesis,) = best_path(log_probs, alphabet=alphabet_with(0))
    assert hypothesis.label == (1, 1, 3)
    assert hypothesis.proven and hypothesis.log_prob == 0 and hypothesis.bound == -math.inf
    assert all(span.log_prob == 0 for span in hypothesis.spans)


def test_a_half_proves_nothing():
    log_probs = torch.tensor([[0.5, 0.5]], dtype=torch.float64).log()
    (hypothesis,) = best_path(log_probs, alphabet=Alphabet("0"))
    assert not hypothesis.proven
    assert hypothesis.log_prob == pytest.approx(hypothesis.bound)


def test_tensors_arrays_and_single_lines_read_alike():
    log_probs = lattice(3, 8)
    expected = best_path(log_probs, alphabet=alphabet_with(0))
    array = log_probs.numpy()
    readings = [
        best_path(array, alphabet=alphabet_with(0)),
        best_path(array, np.array([8, 8, 8], dtype=np.int32), alphabet=alphabet_with(0)),
        best_path(array[::-1].astype(">f8")[::-1], [8, 8, 8], alphabet=alphabet_with(0)),
        best_path(log_probs.requires_grad_(), alphabet=alphabet_with(0)),
        best_path(
            log_probs.transpose(0, 1).contiguous().transpose(0, 1), alphabet=alphabet_with(0)
        ),
        [best_path(line, alphabet=alphabet_with(0))[0] for line in log_probs],
        [best_path(line, [8], alphabet=alphabet_with(0))[0] for line in array],
    ]
    for reading in readings:
        assert [h.label for h in reading] == [h.label for h in expected]
        assert [h.log_prob for h in reading] == pytest.approx([h.log_prob for h in expected])


def test_the_input_stays_as_it_is():
    log_probs = lattice(3, 8)
    before = log_probs.clone()
    array = log_probs.numpy()
    array.flags.writeable = False
    best_path(array, [8, 2, 0], alphabet=alphabet_with(0))
    best_path(log_probs, [8, 2, 0], alphabet=alphabet_with(0))
    best_path_labels(log_probs, [8, 2, 0])
    assert torch.equal(log_probs, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_single_and_half_precision_are_taken(dtype):
    log_probs = lattice(20, 30, sharp=4.0).to(dtype)
    hypotheses = best_path(log_probs, alphabet=alphabet_with(0))
    exact = best_path(log_probs.double().log_softmax(-1), alphabet=alphabet_with(0))
    assert [h.label for h in hypotheses] == [h.label for h in exact]
    tolerance = 1e-4 if dtype == torch.float32 else 0.3
    assert [h.log_prob for h in hypotheses] == pytest.approx(
        [h.log_prob for h in exact], abs=tolerance
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_reads_the_same():
    log_probs, lengths = lattice(20, 30), torch.arange(11, 31)
    expected = best_path(log_probs, lengths, alphabet=alphabet_with(2))
    found = best_path(log_probs.cuda(), lengths, alphabet=alphabet_with(2))
    assert [h.label for h in found] == [h.label for h in expected]
    assert [h.log_prob for h in found] == pytest.approx([h.log_prob for h in expected])


def test_scores_can_be_left_out():
    log_probs = lattice(4, 9)
    with_scores = best_path(log_probs, alphabet=alphabet_with(0))
    without = best_path(log_probs, alphabet=alphabet_with(0), scores=False)
    for one, other in zip(with_scores, without, strict=True):
        assert (one.label, one.text, one.spans) == (other.label, other.text, other.spans)
        assert math.isnan(other.log_prob) and math.isnan(other.bound) and not other.proven


def test_labels_need_no_normalised_scores():
    scores = torch.randn(5, 9, CLASSES, generator=torch.Generator().manual_seed(3))
    normalised = best_path(scores.log_softmax(-1), alphabet=alphabet_with(2))
    assert best_path_labels(scores, blank=2) == [list(h.label) for h in normalised]


def test_a_hypothesis_does_not_change():
    (hypothesis,) = best_path(lattice(1, 4), alphabet=alphabet_with(0))
    with pytest.raises(dataclasses.FrozenInstanceError):
        hypothesis.text = "55207"
    assert hash(hypothesis) == hash(dataclasses.replace(hypothesis))


# --- What is refused ------------------------------------------------------------------------------

GOOD = torch.zeros(2, 3, 11).log_softmax(-1)


@pytest.mark.parametrize(
    "log_probs, lengths, error, message",
    [
        ([[0.0] * 11], None, TypeError, "a tensor or an array; got list"),
        (torch.zeros(2, 3, 11, dtype=torch.long), None, TypeError, "floating-point.*int64"),
        (np.zeros((2, 3, 11), dtype=int), None, TypeError, "floating-point.*int64"),
        (torch.zeros(11), None, ValueError, r"\(N, T, C\).* got \(11,\)"),
        (torch.zeros(1, 2, 3, 11), None, ValueError, r"got \(1, 2, 3, 11\)"),
        (torch.zeros(2, 3, 0), None, ValueError, r"got \(2, 3, 0\)"),
        (torch.zeros(2, 3, 10), None, ValueError, "10 classes; this alphabet has 11"),
        (GOOD, [3], ValueError, r"shape \(2,\); got \(1,\).*batch first"),
        (GOOD, [[3, 3]], ValueError, r"shape \(2,\); got \(1, 2\)"),
        (GOOD, 3, ValueError, r"shape \(2,\); got \(\)"),
        (GOOD, [3, 4], ValueError, "Sample 1: frame_lengths must be 0 to 3; got 4"),
        (GOOD, [3, -1], ValueError, "Sample 1: frame_lengths must be 0 to 3; got -1"),
        (GOOD, torch.tensor([3.0, 2.0]), TypeError, "must hold integers; got torch.float32"),
        (torch.randn(2, 3, 11), None, ValueError, "line 0, frame 0 sum to .*log_softmax"),
        (GOOD.exp(), None, ValueError, "sum to .*not to 1"),
    ],
)
def test_bad_input_is_refused(log_probs, lengths, error, message):
    with pytest.raises(error, match=message):
        best_path(log_probs, lengths)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("c", [0, 5, 10])
def test_nan_and_infinity_are_refused_where_they_stand(value, c):
    log_probs = GOOD.clone()
    log_probs[1, 2, c] = value
    with pytest.raises(ValueError, match="line 1, frame 2"):
        best_path(log_probs)
    best_path(log_probs, [3, 2])  # beyond the line they do no harm
    if math.isnan(value):
        with pytest.raises(ValueError, match="NaN in line 1, frame 2"):
            best_path_labels(log_probs)


def test_a_frame_without_any_probability_is_refused():
    log_probs = GOOD.clone()
    log_probs[1, 1] = -math.inf
    with pytest.raises(ValueError, match="line 1, frame 1 sum to 0, not to 1"):
        best_path(log_probs)


@pytest.mark.parametrize("blank", [-1, 11])
def test_labels_refuse_a_blank_that_is_no_class(blank):
    with pytest.raises(ValueError, match=f"from 0 to 10; got {blank}"):
        best_path_labels(GOOD, blank=blank)
