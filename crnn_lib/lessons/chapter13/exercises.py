"""Exercises of notebook 13: bugs in the wild.

Two ask to mend a function, and three to write a test. A test is run on right implementations, which
it has to let through, and on wrong ones, on which it has to fail.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crnn_lib.lessons.chapter11.exercises import by_enumeration
from crnn_lib.lessons.chapter13 import mistakes as wrong
from crnn_lib.lessons.chapter13 import mutants
from crnn_lib.lessons.engine import Attempt, Exercise, Mistake, as_tensor, compare, show, try_out

# 13.1 ---------------------------------------------------------------------------------------------


def line_losses(scores, labels, frame_lengths):
    targets = nn.utils.rnn.pad_sequence([torch.tensor(x) for x in labels], batch_first=True)
    L = torch.tensor([len(label) for label in labels])
    log_probs = scores.log_softmax(-1).transpose(0, 1)  # (T, N, C)
    return F.ctc_loss(log_probs, targets, frame_lengths, L, reduction="none")


def check_line_losses(attempt: Attempt) -> str:
    chance = torch.Generator().manual_seed(0)
    batches = [([[1]], [1]), ([[1]], [2]), ([[1, 2]], [2]), ([[1, 1]], [2])]
    batches += [([[1], [1]], [3, 2]), ([[1], [2, 1]], [3, 3]), ([[2, 1], [1]], [4, 2])]
    batches += [([[1, 1], [1, 2]], [2, 2]), ([[2, 2], [1, 2, 1], [1]], [4, 4, 3])]
    batches += [([[1, 2], [2, 2, 2], [2], [1, 1]], [5, 5, 1, 3])]
    cases = []
    for labels, lengths in batches:
        for level in (0, 4, -4):
            size = (len(labels), max(lengths), 3)
            scores = torch.randint(-2, 3, size, generator=chance).float() + level
            cases.append((scores, labels, torch.tensor(lengths)))
    count = compare(
        attempt,
        cases,
        by_enumeration,
        rule="each loss is minus log P of the line's own label in the line's own frames",
        example=lambda case, got: (
            f"labels {show(case[1])} in {show(case[2].tolist())} frames of {case[0].shape[1]}"
        ),
    )
    names = getattr(getattr(attempt.answer, "__code__", None), "co_names", ())
    left = [name for name in ("clamp", "relu", "abs", "maximum") if name in names]
    remark = f" The {left[0]} does nothing any more; it would hide the next fault." if left else ""
    return (
        f"All {count} batches agree with the sum over all alignments. No loss is below 0, none "
        "depends on the company, and a line that does not fit has the loss inf, for all to see."
        + remark
    )


# 13.2, 13.3, 13.5: tests are tested ---------------------------------------------------------------


def loss_test(loss_of):
    chance = torch.Generator().manual_seed(0)
    long, few = torch.zeros(1, 2000, 3).log_softmax(-1), torch.tensor([2000])
    for blank, one, two in ((0, 1, 2), (2, 0, 1)):
        log_probs = torch.randn(4, 6, 3, generator=chance).log_softmax(-1)  # (N, T, C)
        targets = torch.tensor([[one, one, two], [one, two, two], [two, one, one], [one] * 3])
        T, L = torch.tensor([6, 5, 3, 4]), torch.tensor([3, 2, 1, 3])  # the last does not fit
        for x, y, *lengths in ((log_probs, targets, T, L), (long, targets[:1], few, L[:1])):
            right = F.ctc_loss(x.transpose(0, 1), y, *lengths, blank=blank, reduction="none")
            if not torch.allclose(loss_of(x, y, *lengths, blank), right, rtol=1e-3):
                return False
    return True


def check_loss_test(attempt: Attempt) -> str:
    try_out(attempt, "loss_of", mutants.wrap_loss, mutants.LOSSES, mutants.WRONG_LOSSES)
    return (
        f"{len(mutants.LOSSES)} right losses pass, and all {len(mutants.WRONG_LOSSES)} wrong ones "
        "fail. The oracle was the small part; what finds bugs is the batch."
    )


def reader_test(read):
    for blank, a, z in ((0, 1, 4), (4, 0, 3)):  # z stands at the end opposite the blank
        first = [a, a, blank, a, a, a, a, a, z]  # aaz
        second = [z, blank, a, blank, blank, z, z, a, a]  # zaz in 7 frames, then padding
        log_probs = F.one_hot(torch.tensor([first, second]), 5).float().log_softmax(-1)
        if read(log_probs, torch.tensor([9, 7]), blank) != [[a, a, z], [z, a, z]]:
            return False
    return True


def check_reader_test(attempt: Attempt) -> str:
    try_out(attempt, "read", mutants.wrap_reader, mutants.READERS, mutants.WRONG_READERS)
    return (
        f"{len(mutants.READERS)} right readers pass, and all {len(mutants.WRONG_READERS)} wrong "
        "ones fail. Two lines, chosen well, are enough."
    )


# 13.4 ---------------------------------------------------------------------------------------------


def log_add(a, b):
    a, b = a.clamp(min=-1e30), b.clamp(min=-1e30)  # clamped elements get the gradient 0
    return torch.logaddexp(a, b)


def with_gradients(function: Callable) -> Callable:
    """A function that returns the value and both gradients, one under the other: (3, S)."""

    def log_add(a: Tensor, b: Tensor):
        a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
        value = function(a, b)
        if not isinstance(value, Tensor) or value.shape != a.shape:
            return value
        gradients = (torch.zeros_like(a), torch.zeros_like(b))
        if value.requires_grad:
            gradients = torch.autograd.grad(value.sum(), (a, b), materialize_grads=True)
        value = value.detach()
        return torch.stack([value.masked_fill(value < -1e20, -math.inf), *gradients])

    return log_add


def in_plain_numbers(a: Tensor, b: Tensor) -> Tensor:
    """Value and gradients of each element with math: the oracle."""
    columns = []
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        top, bottom = max(x, y), min(x, y)
        if top == -math.inf:
            columns.append((-math.inf, 0.0, 0.0))
            continue
        value = top + math.log1p(math.exp(bottom - top))
        columns.append((value, math.exp(x - value), math.exp(y - value)))
    return torch.tensor(columns, dtype=torch.float64).T


TOO_LATE = (
    "the value is right, and the gradient is nan: it comes from -inf minus -inf. where or "
    "nan_to_num afterwards come too late, because backwards 0 times nan is nan"
)
TOO_LARGE = "exp(800) is inf, and exp(-800) is 0"


def rule_of_log_add(case: tuple[Tensor, Tensor], got: object) -> str:
    """What to say of a result that is no known mistake's (nan is equal to nothing)."""
    right = in_plain_numbers(*case)
    if isinstance(got, Tensor) and got.shape == right.shape:
        if not torch.allclose(got[0], right[0]) and 800 in torch.cat(case).abs():
            return TOO_LARGE
        if got[0].isnan().any():
            return "-inf minus -inf is nan, forwards as well as backwards"
        if got[1:].isnan().any():
            return TOO_LATE
    return "the value is log(exp(a) + exp(b)), the gradients are the shares of a and b in it"


def check_log_add(attempt: Attempt) -> str:
    named = tuple(Mistake(m.rule, with_gradients(m.does)) for m in attempt.mistakes)
    inner = Attempt(
        with_gradients(attempt.answer), log_add, attempt.returns, attempt.seconds, named
    )
    inner.name = attempt.name
    pairs = [*product((0.0, -1.0, 2.5, -800.0), repeat=2)]
    pairs += product((800.0, 0.0, -20_000.0), repeat=2)
    pairs += [(-math.inf, 0.0), (0.0, -math.inf), (-math.inf, -math.inf)]
    cases = [(torch.tensor([x]), torch.tensor([y])) for x, y in pairs]
    cases += [tuple(torch.tensor(pairs).T)]
    try:
        count = compare(
            inner,
            [(a.double(), b.double()) for a, b in cases],
            in_plain_numbers,
            rule=rule_of_log_add,
            example=lambda case, got: (
                f"a = {show(case[0].tolist())}, b = {show(case[1].tolist())}; the rows are value, "
                "gradient of a, gradient of b"
            ),
        )
    finally:
        attempt.tell_calls_of(inner)
    return (
        f"Value and both gradients are right in all {count} cases. What cannot be reached has the "
        "value -inf (or as good as), and the gradient 0."
    )


# 13.5 ---------------------------------------------------------------------------------------------


def company_test(network):
    chance = torch.Generator().manual_seed(0)
    images = torch.rand(3, 1, 32, 80, generator=chance)  # the padding holds old ink, too
    widths = torch.tensor([48, 80, 40])
    beside, frame_lengths = network(images, widths)  # (3, T, C), (3,)
    for n in (2, 0):
        alone, (T,) = network(images[n : n + 1, :, :, : widths[n]], widths[n : n + 1])
        if frame_lengths[n] != T or not torch.allclose(beside[n, :T], alone[0, :T], atol=1e-4):
            return False
    return True


def check_company_test(attempt: Attempt) -> str:
    try_out(attempt, "network", mutants.wrap_network, mutants.NETWORKS, mutants.WRONG_NETWORKS)
    return (
        f"{len(mutants.NETWORKS)} right networks pass, and all {len(mutants.WRONG_NETWORKS)} wrong "
        "ones fail. It needs no training, no label and no oracle: as alone, so in company."
    )


EXERCISES = (
    Exercise(
        id="13.1",
        title="a loss in need of repair",
        task="Mend line_losses(scores, labels, frame_lengths): the CTC loss of each line, (N,), "
        "from raw scores (N, T, C), lists of classes and (N,) frames. The blank is class 0. inf "
        "where a label does not fit.",
        check=check_line_losses,
        returns=as_tensor,
        reference=line_losses,
        mistakes=(
            Mistake(
                "a loss below 0 says that no probabilities went in. Cutting it off changes the "
                "number and nothing else",
                wrong.cut_at_zero,
            ),
            Mistake(
                "a loss below 0 says that no probabilities went in. Without its sign it grows when "
                "the network learns",
                wrong.without_its_sign,
            ),
            Mistake(
                "raw scores are no log-probabilities: a frame's classes do not sum to 1", wrong.raw
            ),
            Mistake(
                "the classes of a frame do not sum to 1: it was normalised along another axis",
                wrong.over_frames,
            ),
            Mistake(
                "torch's loss takes logarithms, and these are probabilities", wrong.probabilities
            ),
            Mistake("the padding of the labels was counted as characters", wrong.padding_counted),
            Mistake(
                "the padding of the lines was counted as frames",
                wrong.frames_of_the_batch,
            ),
            Mistake(
                "0 would mean that the line is read perfectly. It does not fit: its loss is inf",
                wrong.nought_for_inf,
            ),
            Mistake("one loss per line, also for those that do not fit", wrong.left_out),
            Mistake("one loss per line is wanted, not their mean", wrong.averaged),
            Mistake(
                "divided by the length of its label, a loss is no longer minus log P",
                wrong.over_lengths,
            ),
        ),
        hints=(
            "There are five faults. Begin with the last line: which symptoms do zero_infinity and "
            "clamp hide, and where do these come from?",
            "The scores need a log_softmax over the classes. T and L are the lengths of each line "
            "and of each label: one is an argument, the other can be counted.",
            "scores.log_softmax(-1).transpose(0, 1), frame_lengths as they come, "
            "torch.tensor([len(label) for label in labels]); no zero_infinity and no clamp.",
        ),
    ),
    Exercise(
        id="13.2",
        title="a test for losses",
        task="Write loss_test(loss_of): True if loss_of(log_probs, targets, frame_lengths, "
        "target_lengths, blank) gives the right CTC losses (N,), False if it has a bug. "
        "log_probs is (N, T, C), normalised; the loss is inf where a target does not fit.",
        check=check_loss_test,
        reference=loss_test,
        seconds=20.0,
        mistakes=(
            Mistake(mutants.WRONG_LOSSES[0].advice, wrong.only_not_negative),
            Mistake(mutants.WRONG_LOSSES[0].advice, wrong.only_blank_first),
            Mistake(mutants.WRONG_LOSSES[1].advice, wrong.only_blank_last),
            Mistake(mutants.WRONG_LOSSES[2].advice, wrong.only_equal_lengths),
            Mistake(mutants.WRONG_LOSSES[4].advice, wrong.only_what_fits),
            Mistake(mutants.WRONG_LOSSES[6].advice, wrong.no_doubles),
            Mistake(mutants.WRONG_LOSSES[8].advice, wrong.only_short_lines),
            Mistake(mutants.LOSSES[1].advice, wrong.to_the_last_digit),
            Mistake(mutants.LOSSES[2].advice, wrong.with_scores),
            Mistake("return True or False, or let assert decide", wrong.without_return),
        ),
        hints=(
            "torch.nn.functional.ctc_loss is right and a good oracle: call it with (T, N, C), the "
            "blank and reduction='none', and compare with torch.allclose.",
            "Now the batch. Unequal frame_lengths, unequal target_lengths, equal neighbours, a "
            "target that does not fit; all of it with the blank at 0 and at C - 1.",
            "And a long line: torch.zeros(1, 2000, 3).log_softmax(-1). Give allclose an rtol of "
            "1e-3 there, since float32 adds up 2,000 roundings.",
        ),
    ),
    Exercise(
        id="13.3",
        title="a test for readers",
        task="Write reader_test(read): True if read(log_probs, frame_lengths, blank) returns the "
        "labels of best path, a list of lists, for log_probs (N, T, C); False if it has a bug.",
        check=check_reader_test,
        reference=reader_test,
        seconds=20.0,
        mistakes=(
            Mistake(mutants.WRONG_READERS[0].advice, wrong.no_double),
            Mistake(mutants.WRONG_READERS[1].advice, wrong.one_frame_each),
            Mistake(mutants.WRONG_READERS[2].advice, wrong.short_runs),
            Mistake(mutants.WRONG_READERS[3].advice, wrong.reader_blank_first),
            Mistake(mutants.WRONG_READERS[5].advice, wrong.ends_unused),
            Mistake(mutants.WRONG_READERS[6].advice, wrong.all_frames_used),
            Mistake(mutants.WRONG_READERS[7].advice, wrong.one_line_at_a_time),
            Mistake("return True or False, or let assert decide", wrong.no_return),
        ),
        hints=(
            "Write down an alignment, make log_probs of it with F.one_hot(torch.tensor([path]), "
            "C).float().log_softmax(-1), and compare what is read with what you expect.",
            "The alignment needs a double with a blank in between, and a character that lasts for "
            "five frames. A second line should be shorter than the first.",
            "Let the second line begin with the character that ends the first, let its padding say "
            "something, and do all of it with the blank at 0 and at C - 1, using the other end.",
        ),
    ),
    Exercise(
        id="13.4",
        title="adding what is impossible",
        task="Mend log_add(a, b): log(exp(a) + exp(b)) for two tensors, with the right gradients: "
        "also 0 and not nan where both are -inf. The value there is -inf, or below -1e20.",
        check=check_log_add,
        returns=as_tensor,
        reference=log_add,
        mistakes=(
            Mistake(TOO_LATE, wrong.as_it_was),
            Mistake(TOO_LATE, wrong.chosen_afterwards),
            Mistake(TOO_LATE, wrong.cleaned_afterwards),
            Mistake(
                "something small hides log 0 and changes all small numbers: exp(-800) is 0, too",
                wrong.plus_something_small,
            ),
            Mistake(TOO_LARGE, wrong.as_defined),
            Mistake("-20,000 is a value like any other, and it was cut off", wrong.floor_too_high),
            Mistake("without a gradient nothing is learned", wrong.detached),
            Mistake("the larger of the two is not their sum", wrong.larger),
        ),
        hints=(
            "Print the gradient: a = torch.tensor([-math.inf], requires_grad=True), the same for "
            "b, torch.logaddexp(a, b).backward(). -inf minus -inf is nan.",
            "A number far below all others does what -inf is for: -1e30. It can be added and "
            "subtracted. clamp gives its place the gradient 0.",
            "torch.logaddexp(a.clamp(min=-1e30), b.clamp(min=-1e30))",
        ),
    ),
    Exercise(
        id="13.5",
        title="a test without right answers",
        task="Write company_test(network): True if network(images, widths), which returns "
        "log_probs (N, T, C) and frame_lengths (N,), reads each line as if it were alone; False "
        "if not. images are (N, 1, 32, W), widths (N,) whole numbers.",
        check=check_company_test,
        reference=company_test,
        seconds=20.0,
        mistakes=(
            Mistake(mutants.WRONG_NETWORKS[0].advice, wrong.same_batch_twice),
            Mistake(mutants.WRONG_NETWORKS[2].advice, wrong.first_line_only),
            Mistake(mutants.WRONG_NETWORKS[4].advice, wrong.equal_widths),
            Mistake(mutants.WRONG_NETWORKS[0].advice, wrong.only_lengths),
            Mistake(mutants.WRONG_NETWORKS[6].advice, wrong.only_log_probs),
            Mistake(mutants.ROUNDING, wrong.exactly_alike),
            Mistake("return True or False, or let assert decide", wrong.nothing_returned),
        ),
        hints=(
            "You need no text and no trained weights: torch.rand(2, 1, 32, 80) is a batch of two "
            "lines, and widths says how much of each is the line.",
            "Read line 1 alone, cut to its own width: images[1:2, :, :, :48]. Read both together. "
            "Compare the frame lengths, and the log-probabilities of its own frames.",
            "frame_lengths[1] == T and torch.allclose(beside[1, :T], alone[0, :T], atol=1e-4). Do "
            "it for the first line, too.",
        ),
    ),
)
