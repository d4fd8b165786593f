"""The cases of notebook 13: each specimen with its cure, what only hides it, and a test.

A test takes a function of the specimen's kind and raises an AssertionError if it is wrong. It fails
on the specimen and on whatever only hides the symptom, and passes on the cure. The notebook
shows the tests' source; ``tests/test_lessons_chapter13.py`` holds them to this.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from crnn_lib.ctc import alignments, count_alignments
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.lessons.chapter13 import cures
from crnn_lib.lessons.chapter13 import specimens as wild
from crnn_lib.models import load_model


@dataclass(frozen=True)
class Case:
    """One bug.

    Attributes
    ----------
    symptom : str
        What one sees.
    specimen : callable
        The function that has the bug.
    cure : callable
        The same without the bug.
    cover_ups : tuple of callable
        The symptom is gone, the bug is not.
    test : callable
        Takes any of them; raises AssertionError for all but the cure.
    """

    symptom: str
    specimen: Callable
    cure: Callable
    cover_ups: tuple[Callable, ...]
    test: Callable

    def passes(self, function: Callable) -> bool:
        """Whether the test lets a function through."""
        try:
            self.test(function)
        except AssertionError:
            return False
        return True


def some_log_probs(count, frames, classes):
    """A batch that looks like a network's output: (N, T, C), always the same."""
    chance = torch.Generator().manual_seed(12)
    return torch.randn(count, frames, classes, generator=chance).log_softmax(-1)


def pen_lines(*texts):
    """Lines of these texts, written by the pen."""
    chance = torch.Generator().manual_seed(12)
    glyphs = load_glyphs("pen", "test", count=400)
    return compose_lines(glyphs, len(texts), LineStyle(), chance, texts=[*texts])


# The tests: the notebook shows them as they stand here --------------------------------------------


def test_scores_and_not_their_level(line_loss):
    scores = some_log_probs(1, 16, 11)[0]
    loss, shifted = line_loss(scores, [6, 6, 3, 1, 8]), line_loss(scores + 3, [6, 6, 3, 1, 8])
    assert loss >= 0 and torch.isclose(loss, shifted)


def test_company_changes_no_loss(batch_losses):
    log_probs = some_log_probs(1, 20, 11)
    alone = batch_losses(log_probs, [[8]])
    beside = batch_losses(log_probs.repeat(2, 1, 1), [[8], [6, 6, 3, 1, 8]])
    assert torch.isclose(alone[0], beside[0])


def test_what_does_not_fit_is_named(mean_loss):
    try:
        mean_loss(some_log_probs(2, 5, 11), [[6, 7, 3, 1, 8], [6, 6, 3, 1, 8]])
    except ValueError as error:
        assert "line 1" in str(error)
    else:
        raise AssertionError("line 1 needs six frames and has five: nobody was told")


def test_loss_that_one_can_compute_by_hand(reported_loss):
    flat = torch.zeros(2, 3, 3).log_softmax(-1)  # 27 alignments: 6 say [1], 5 say [1, 2]
    by_hand = (math.log(27 / 6) + math.log(27 / 5)) / 2
    assert math.isclose(reported_loss(flat, [[1], [1, 2]]), by_hand, rel_tol=1e-5)


def test_blank_at_both_ends(read_frames):
    for blank, one, two in ((0, 1, 10), (10, 0, 1)):
        alignment = torch.tensor([one, blank, one, two, two, blank])
        assert read_frames(F.one_hot(alignment, 11).float(), blank) == [one, one, two]


def test_doubles_with_a_blank_and_without(read_text):
    for frames, text in (([6, 0, 6], "55"), ([6, 6, 6, 6], "5"), ([6, 6, 0, 0, 6, 3], "552")):
        log_probs = (F.one_hot(torch.tensor(frames), 11) * 20.0).log_softmax(-1)
        assert read_text(log_probs) == text


def test_ten_classes_and_none_is_the_blank(encode):
    classes = [encode(digit) for digit in "0123456789"]
    assert sorted(classes) == [[c] for c in range(1, 11)]
    assert encode("55207") == [c for digit in "55207" for c in encode(digit)]


def test_every_label_once_with_its_probability(n_best):
    log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()  # by hand: a has 0.64, nothing 0.36
    found = [(tuple(label), round(math.exp(score), 2)) for label, score in n_best(log_probs, 4)]
    assert found == [((1,), 0.64), ((), 0.36)]


def test_alignment_is_the_best_of_all(align):
    for log_probs in some_log_probs(50, 6, 3):
        best = max(sum(log_probs[range(6), path]) for path in map(list, alignments([1, 2], 6)))
        assert torch.isclose(sum(log_probs[range(6), align(log_probs, [1, 2])]), best)


def test_long_line(loss):
    flat = torch.zeros(2000, 11).log_softmax(-1)
    exact = 2000 * math.log(11) - math.log(count_alignments([6, 6, 3, 1, 8], 2000))
    assert math.isclose(loss(flat, [6, 6, 3, 1, 8]), exact, rel_tol=1e-3)


def test_gradient_is_that_of_torch(loss):
    scores = torch.zeros(12, 11, requires_grad=True)
    ours = torch.autograd.grad(loss(scores.log_softmax(-1), [6, 6, 3, 1, 8]), scores)[0]
    line = scores.log_softmax(-1)[:, None], torch.tensor([[6, 6, 3, 1, 8]]), (12,), (5,)
    (right,) = torch.autograd.grad(F.ctc_loss(*line, reduction="sum"), scores)
    assert torch.allclose(ours, right, atol=1e-5)


def test_measuring_changes_nothing(share_right):
    network, lines = load_model("crnn-digits").train(), pen_lines("55207", "7", "3141592653")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    share_right(network, lines)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_line_reads_as_if_alone(read_batch):
    network, lines = load_model("crnn-digits").eval(), pen_lines("55207", "3141592653")
    alone, (T,) = read_batch(network, lines.select([0]))  # (1, T, C)
    beside, frame_lengths = read_batch(network, lines)  # (2, T, C)
    assert frame_lengths[0] == T and torch.allclose(alone[0], beside[0, :T], atol=1e-4)


def test_one_has_to_be_possible_and_deserved(accuracy):
    assert accuracy([[True, True], [True, True]], 2) == 1
    assert accuracy([[True, True], [True]], 2) == 1
    assert accuracy([[True, True], [False]], 2) == 2 / 3


CASES = (
    Case(
        "the loss is negative",
        wild.line_loss,
        cures.normalised_first,
        (cures.cut_at_zero(wild.line_loss), cures.without_its_sign(wild.line_loss)),
        test_scores_and_not_their_level,
    ),
    Case(
        "it is negative again",
        wild.batch_losses,
        cures.with_true_lengths,
        (cures.cut_at_zero(wild.batch_losses), cures.without_its_sign(wild.batch_losses)),
        test_company_changes_no_loss,
    ),
    Case(
        "fewer frames, lower loss",
        wild.mean_loss,
        cures.naming_what_does_not_fit,
        (cures.only_the_finite, cures.mean_over_lines),
        test_what_does_not_fit_is_named,
    ),
    Case(
        "two programs, two losses",
        wild.reported_loss,
        cures.mean_over_lines,
        (cures.times_the_mean_length,),
        test_loss_that_one_can_compute_by_hand,
    ),
    Case(
        "characters too many",
        wild.read_frames,
        cures.dropping_the_given_blank,
        (cures.dropping_both_ends,),
        test_blank_at_both_ends,
    ),
    Case(
        "missing double letters",
        wild.read_text,
        cures.merged_once,
        (cures.never_merged, cures.long_runs_are_doubles),
        test_doubles_with_a_blank_and_without,
    ),
    Case(
        "no 0 is ever read",
        wild.encode,
        cures.encode_from_one,
        (cures.nought_is_left_out,),
        test_ten_classes_and_none_is_the_blank,
    ),
    Case(
        "the same text three times",
        wild.n_best,
        cures.sums_of_paths,
        (cures.first_of_each_label,),
        test_every_label_once_with_its_probability,
    ),
    Case(
        "spans in odd places",
        wild.align,
        cures.with_the_maximum,
        (cures.likeliest_class_of_each_frame,),
        test_alignment_is_the_best_of_all,
    ),
    Case(
        "inf on long lines",
        wild.loss_by_sums,
        wild.loss_in_logs,  # right in value; the next case is about its gradient
        (cures.plus_something_small,),
        test_long_line,
    ),
    Case(
        "NaN after one step",
        wild.loss_in_logs,
        cures.with_a_finite_never,
        (cures.nan_set_to_nought,),
        test_gradient_is_that_of_torch,
    ),
    Case(
        "train 99, eval 10",
        wild.share_right,
        cures.in_eval_mode,
        (cures.without_gradients,),
        test_measuring_changes_nothing,
    ),
    Case(
        "depends on its neighbours",
        wild.read_batch,
        cures.told_the_widths,
        (cures.cut_afterwards,),
        test_line_reads_as_if_alone,
    ),
    Case(
        "never above 97.7 %",
        wild.accuracy,
        cures.counting_the_lines,
        (cures.full_batches_only,),
        test_one_has_to_be_possible_and_deserved,
    ),
)
