"""Exercises of notebook 06: the CRNN."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Sequence
from itertools import product
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crnn_lib.ctc import ctc_loss
from crnn_lib.lessons.chapter02.exercises import unlearned
from crnn_lib.lessons.chapter06 import mistakes as wrong
from crnn_lib.lessons.chapter06.network import Layers, erase, frames_of, recur
from crnn_lib.lessons.engine import (
    Attempt,
    Broken,
    Exercise,
    Mistake,
    Unreadable,
    as_count,
    as_it_is,
    as_number,
    as_tensor,
    compare,
    compare_at_work,
    plural,
    show,
)

# 6.1 ----------------------------------------------------------------------------------------------


def stack_frames(width, strides, padding):
    for stride in strides:
        width = (width + 2 * padding - 3) // stride + 1
    return width


def by_convolving(width: int, strides: list[int], padding: int) -> int:
    """Frames that torch's own convolutions leave, 0 if a line is too narrow: the oracle."""
    x = torch.zeros(1, 1, width)
    for stride in strides:
        if x.shape[-1] + 2 * padding < 3:
            return 0
        x = F.conv1d(x, torch.ones(1, 1, 3), stride=stride, padding=padding)
    return x.shape[-1]


def check_stack_frames(attempt: Attempt) -> str:
    small = [
        (width, list(strides), padding)
        for layers in (1, 2, 3)
        for width in range(3, 12)
        for strides in product((1, 2, 3) if layers < 3 else (1, 2), repeat=layers)
        for padding in (1, 0)
    ]
    real = [
        (160, [2, 1, 2, 1, 1, 1], 1),
        (140, [1, 1, 2, 1, 1, 2], 0),
        (168, [1, 1, 2, 1, 1, 2], 0),
    ]
    count = compare(
        attempt,
        [case for case in small + real if by_convolving(*case)],
        by_convolving,
        rule="one convolution after the other: count the places where its three columns can stand",
        example=lambda case, got: (
            f"{plural(case[0], 'column')}, strides {show(case[1])}, padding {case[2]}: "
            f"{plural(got, 'frame')} instead of {by_convolving(*case)}"
        ),
    )
    return (
        f"It agrees with torch's convolutions on all {count} stacks. A line of 140 columns gives "
        f"{stack_frames(140, [1, 1, 2, 1, 1, 2], 0)} frames in the article's network, one of 168 "
        f"gives {stack_frames(168, [1, 1, 2, 1, 1, 2], 0)}: compute it, and never type it in."
    )


# 6.2 ----------------------------------------------------------------------------------------------


class Plain(Layers):
    def forward(self, images):  # (N, 1, 32, W)
        x = self.look(images)  # (N, C', H', T)
        frames = x.permute(0, 3, 1, 2).flatten(2)  # (N, T, C' * H')
        states, _ = self.remember(frames)  # (N, T, 2 * 64)
        return self.classify(states).log_softmax(-1)  # (N, T, C)


def with_weights(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with weights that depend on the seed alone, its averages as after some steps."""
    network.load_state_dict(_weights(seed))  # which copies them
    return network.eval()


@functools.cache
def _weights(seed: int) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = Layers().state_dict()
        for name, values in weights.items():
            if "running" in name:
                values.uniform_(0.5, 1.5)
            elif "tracked" in name:
                values.fill_(30)
    return weights


def class_of(attempt: Attempt) -> None:
    """Raise Broken unless the answer is a class of networks with the notebook's layers."""
    if isinstance(attempt.answer, nn.Module):
        raise Broken("hand over the class itself, not a network made from it: no brackets")
    with torch.random.fork_rng(devices=[]):
        call = f"{attempt.name}()"
        network = attempt.run(attempt.answer, call, returns=as_it_is)
    names = ("look", "remember", "classify")
    if not isinstance(network, nn.Module) or not all(hasattr(network, name) for name in names):
        raise Broken("hand over the class, a subclass of Layers", call)


def reads(make: type) -> Callable:
    def network(images):
        return as_tensor(with_weights(make())(images))

    return network


def column_by_column(images: Tensor) -> Tensor:
    """One column after the other, and the softmax by hand: the oracle."""
    layers = with_weights(Layers())
    with torch.no_grad():
        x = layers.look(images)
        frames = torch.stack([x[..., t].flatten(1) for t in range(x.shape[-1])], 1)  # (N, T, F)
        scores = layers.classify(layers.remember(frames)[0]).double()  # (N, T, C)
    return scores - scores.exp().sum(-1, keepdim=True).log()


def noise(*sizes: tuple[int, int]) -> list[Tensor]:
    """Lines of noise (N, 1, 32, W), one batch for each (N, W)."""
    generator = torch.Generator().manual_seed(6)
    return [torch.rand(n, 1, 32, width, generator=generator) for n, width in sizes]


def check_forward(attempt: Attempt) -> str:
    with torch.random.fork_rng(devices=[]):
        class_of(attempt)
        count = compare_at_work(
            attempt,
            reads,
            [(images,) for images in noise((1, 4), (1, 12), (2, 8), (2, 20), (3, 28), (5, 20))],
            column_by_column,
            rule="look, then one frame for each column, then the GRU, then the classes",
            example=lambda case, got: (
                f"images of shape {tuple(case[0].shape)} give {tuple(got.shape)}"
            ),
        )
        if names := attempt.run(
            lambda: unlearned(with_weights(attempt.answer()), *noise((1, 12))),
            "network(images)",
            returns=as_it_is,
        ):
            raise Broken(
                "a loss on this answer cannot change the weights: something cuts the gradient off",
                f"no gradient reaches {names[0]}",
            )
    return (
        f"All {count} batches come out as when each column is carried over by itself. This is a "
        "whole CRNN: what follows trains it."
    )


# 6.3 ----------------------------------------------------------------------------------------------


def moved(columns, images, x):
    poked = images.clone()
    poked[0, :, :, x] += 1
    return (columns(poked) - columns(images)).abs().amax(2) > 1e-6  # (N, T)


def permuted(images):
    return images.permute(0, 3, 1, 2).flatten(2)


def mirrored(images):
    return torch.cat([permuted(images), -permuted(images)], 2)


def inverted(images):
    return -permuted(images)


def pooled(images):
    return permuted(F.avg_pool2d(images, 2))


def remembered(images):
    return permuted(images).cumsum(1)


def reshaped(images):
    return images.reshape(len(images), images.shape[3], -1)


def mixed(images):
    return images.reshape(images.shape[3], len(images), -1).transpose(0, 1)


def numbered(images):
    return F.pad(permuted(images), (1, 0), value=1.0)


def one_by_one(columns: Callable, images: Tensor, x: int) -> Tensor:
    """Frame by frame: does it hold another number? The oracle."""
    changed = images.clone()
    changed[0, 0, :, x] = -1 - changed[0, 0, :, x]
    before, after = columns(images).tolist(), columns(changed).tolist()
    pairs = zip(before, after, strict=True)
    return torch.tensor([[float(a != b) for a, b in zip(*pair, strict=True)] for pair in pairs])


def check_moved(attempt: Attempt) -> str:
    generator = torch.Generator().manual_seed(0)
    ways = (permuted, inverted, numbered, mirrored, pooled, remembered, reshaped, mixed)
    sizes = [(1, 2, 2, 0), (1, 2, 4, 3), (2, 4, 4, 1), (2, 4, 6, 2), (3, 6, 8, 5)]
    cases = [
        (way, 0.2 + 0.6 * torch.rand(n, 1, high, wide, generator=generator), x)
        for n, high, wide, x in sizes
        for way in ways
    ]
    for way in ways:
        images = 0.2 + 0.6 * torch.rand(2, 1, 4, 6, generator=generator)
        images[0, :, :, 1] = 0.0  # no ink
        cases.append((way, images, 1))
    count = compare(
        attempt,
        cases,
        lambda *case: one_by_one(*case).double(),
        rule="True where frame t of line n changes when column x of line 0 does, else False",
        example=lambda case, got: (
            f"columns = {case[0].__name__}, images of shape {tuple(case[1].shape)}, x = {case[2]}"
        ),
    )
    return (
        f"All {count} pokes are right. Whatever turns images into frames can be tested with it, "
        "trained or not."
    )


# 6.4 ----------------------------------------------------------------------------------------------


def learn(network, optimizer, lines):
    network.train()
    log_probs = network(lines.images)  # (N, T, C)
    loss = nn.CTCLoss()(
        log_probs.transpose(0, 1),  # (T, N, C)
        lines.targets,
        frames_of(lines.widths),
        lines.target_lengths,
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


LINES = SimpleNamespace(  # as many lines as frames: torch cannot tell one for the other
    images=noise((6, 24))[0],
    widths=torch.tensor([20, 17, 12, 24, 21, 16]),
    targets=F.pad(torch.tensor([[6, 6], [3, 1], [8, 0], [1, 10], [10, 2], [5, 0]]), (0, 4)),
    target_lengths=torch.tensor([2, 2, 1, 2, 2, 1]),
)
RATE = 0.02


def learns(learn: Callable) -> Callable:
    def calls_of_learn(count):
        """The losses, and how far the weights have gone."""
        network = with_weights(Plain())  # in eval mode
        start = nn.utils.parameters_to_vector(network.parameters()).detach()
        optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
        losses = [learn(network, optimizer, copy.copy(LINES)) for _ in range(count)]
        if any(isinstance(loss, Tensor) for loss in losses):
            raise Unreadable("a tensor, where a number should be")
        end = nn.utils.parameters_to_vector(network.parameters()).detach()
        gone = (end - start).norm().nan_to_num(math.inf).item()  # nan is not even equal to itself
        return [*map(as_number, losses), gone]

    return calls_of_learn


@functools.cache
def by_hand(count: int) -> list[float]:
    """With the loss of crnn_lib, and each step taken by hand: the oracle."""
    network = with_weights(Plain()).train()
    weights, losses = [*network.parameters()], []
    start = [w.detach().clone() for w in weights]
    for _ in range(count):
        lengths = torch.tensor([5, 5, 3, 6, 6, 4])
        loss = ctc_loss(network(LINES.images), LINES.targets, lengths, LINES.target_lengths)
        with torch.no_grad():
            for w, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                w -= RATE * slope
        losses.append(loss.item())
    gone = sum((w - s).square().sum().item() for w, s in zip(weights, start, strict=True))
    return [*losses, gone**0.5]


def check_learn(attempt: Attempt) -> str:
    def example(case, got) -> str:
        *losses, gone = got
        *wanted, far = by_hand(*case)
        texts = [", ".join(f"{x:.3f}" for x in row) for row in (losses, wanted)]
        return (
            f"the losses of {plural(case[0], 'step')} are {texts[0]} instead of {texts[1]}, "
            f"the weights have gone {gone:.4f} instead of {far:.4f}"
        )

    with torch.random.fork_rng(devices=[]):
        compare_at_work(
            attempt,
            learns,
            [(1,), (2,), (3,)],
            by_hand,
            rule="loss, zero_grad, backward, step: once each",
            example=example,
        )
    return (
        "Three steps go as those that are taken by hand, with the loss of notebook 04. The line "
        "for the loss call is all that CTC asks of a training loop."
    )


# 6.5 ----------------------------------------------------------------------------------------------


class Mended(Layers):
    def forward(self, images, widths):  # (N, 1, 32, W), (N,)
        x = erase(images, widths)
        for block, stride in zip(self.look, (2, 2, 1), strict=True):
            widths = (widths - 1) // stride + 1
            x = erase(block(x), widths)  # (N, C', H', W')
        frames = x.permute(0, 3, 1, 2).flatten(2)  # (N, T, C' * H')
        states = recur(self.remember, frames, widths)  # (N, T, 2 * 64)
        return self.classify(states).log_softmax(-1), widths  # (N, T, C), (N,)


def reads_lines(make: type) -> Callable:
    def network(images, widths):
        """Frames of each line, and what its own frames hold, one below the other."""
        answer = with_weights(make())(images, widths)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Unreadable(f"{show(answer)}, where a pair (log_probs, frame_lengths) should be")
        log_probs, lengths = as_tensor(answer[0]), as_tensor(answer[1])
        if log_probs.ndim != 3 or lengths.shape != widths.shape or len(log_probs) != len(widths):
            shapes = tuple(log_probs.shape), tuple(lengths.shape)
            raise Unreadable(f"the shapes {shapes[0]} and {shapes[1]}, not (N, T, C) and (N,)")
        if bool((lengths > log_probs.shape[1]).any()):
            raise Unreadable(
                f"{int(lengths.max())} as the frames of a line, and has {log_probs.shape[1]} in all"
            )
        own = [row[: int(n)] for row, n in zip(log_probs, lengths, strict=True)]
        return [lengths.long().tolist(), torch.cat(own)]

    return network


def each_alone(images: Tensor, widths: Tensor) -> list:
    """Each line by itself, cut to its width: the oracle."""
    own = [
        column_by_column(images[n : n + 1, :, :, :width])[0]
        for n, width in enumerate(widths.tolist())
    ]
    return [[len(frames) for frames in own], torch.cat(own)]


def check_mended(attempt: Attempt) -> str:
    cases = []
    for width, widths in ((12, [12]), (20, [12]), (12, [3]), (21, [13, 21]), (32, [32, 18, 25])):
        ink = noise((len(widths), width))[0]
        cases += [(erase(ink, torch.tensor(widths)), torch.tensor(widths))]  # black padding
        cases += [(ink, torch.tensor(widths))]  # old ink

    def example(case, got) -> str:
        images, widths = case
        lengths, alone = [int(n) for n in got[0]], each_alone(*case)
        if lengths != alone[0]:
            return f"widths {widths.tolist()} give {lengths} frames instead of {alone[0]}"
        if int(widths.min()) == images.shape[3]:
            return "a line alone, without padding"
        black = not bool((images - erase(images, widths)).any())
        what = "black padding" if black else "old ink in the padding"
        return f"lines {widths.tolist()} columns wide in a batch of {images.shape[3]}, {what}"

    with torch.random.fork_rng(devices=[]):
        class_of(attempt)
        count = compare_at_work(
            attempt,
            reads_lines,
            cases,
            each_alone,
            rule="read(x) == read(pad(x)): a line reads otherwise in this batch than alone",
            example=example,
        )
    return (
        f"read(x) == read(pad(x)) in all {count} batches, with black padding and with old ink: "
        "each line reads as if it were alone."
    )


# 6.6 ----------------------------------------------------------------------------------------------


def settle(network, batches):
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # from here on, the plain average over all batches
    network.train()
    with torch.no_grad():
        for images in batches:
            network(images)
    network.eval()


def settles(settle: Callable) -> Callable:
    def averages(batches):
        """Mean and variance in each norm after settling, and whether the network is in eval."""
        network = with_weights(Plain()).eval()
        settle(network, batches)
        stats = [values for name, values in network.named_buffers() if "running" in name]
        return [torch.cat(stats).double(), not network.training]

    return averages


def by_measuring(batches: Sequence[Tensor]) -> list:
    """Mean and variance of each batch in front of each norm, then their average: the oracle."""
    found: list[list[Tensor]] = []
    with torch.no_grad():
        for x in batches:
            found.append([])
            for convolution, activation, norm in with_weights(Layers()).look:
                x = activation(convolution(x))
                mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))  # (C',), (C',)
                found[-1] += [mean, variance]
                x = F.batch_norm(x, None, None, norm.weight, norm.bias, training=True)
    stats = [torch.cat(batch).double() for batch in found]
    return [torch.stack(stats).mean(0), True]


def check_settle(attempt: Attempt) -> str:
    def example(case, got) -> str:
        off = (got[0] - by_measuring(*case)[0]).abs().max().item()
        batches = f"after {plural(len(case[0]), 'batch')}"
        if off < 1e-3:
            return f"{batches} the averages are right, and the network is in train mode"
        return f"{batches} an average is off by {off:.2f}"

    with torch.random.fork_rng(devices=[]):
        count = compare_at_work(
            attempt,
            settles,
            [(noise(*[(2, 12)] * number),) for number in (1, 2, 3, 5)],
            by_measuring,
            rule="the plain average over these batches, and nothing of what was there before",
            example=example,
        )
    return (
        f"The averages are those of the batches, {count} times out of {count}, and the network is "
        "ready to read."
    )


UNMOVED = "the loss is right, and the weights stay: no step was taken, or none with a gradient"
LINES_FOR_TIME = "the GRU takes lines for time: it remembers from line to line, not along a line"
NOT_FORGOTTEN = "what the averages were before is still in them"
LAST_ONLY = "only the last batch counts here"

EXERCISES = (
    Exercise(
        id="6.1",
        title="frames of a stack",
        task="Write stack_frames(width, strides, padding): frames left of so many columns after "
        "3-wide convolutions, one for each stride, each padded by `padding` columns on both sides.",
        check=check_stack_frames,
        returns=as_count,
        reference=stack_frames,
        mistakes=(
            Mistake("the product of the strides is not all: the edges count too", wrong.divided),
            Mistake(
                "dividing and rounding up is right with padding 1 only; without padding, each "
                "convolution also loses columns at the edges",
                wrong.divided_and_rounded_up,
            ),
            Mistake("padding is added on both sides, so count it twice", wrong.padded_on_one_side),
            Mistake("padding makes the line wider before each convolution", wrong.never_padded),
            Mistake(
                "count the first place too: strides that fit, plus one", wrong.first_place_forgotten
            ),
            Mistake("a last stride that does not fit whole is not taken", wrong.rounded_up),
            Mistake(
                "each stride comes with its convolution, not at the end", wrong.strides_at_the_end
            ),
        ),
        hints=(
            "Take one convolution. The padded line has width + 2 * padding columns. At how many "
            "places can three columns stand side by side in it, if each step is `stride` wide?",
            "The last place starts at column width + 2 * padding - 3. The steps to it are that, "
            "divided by the stride and rounded down. The first place needs no step.",
            "for stride in strides: width = (width + 2 * padding - 3) // stride + 1",
        ),
    ),
    Exercise(
        id="6.2",
        title="forward, from images to log-probabilities",
        task="Write the forward of class Plain(Layers): images (N, 1, 32, W) in, log-probabilities "
        "(N, T, C) out. A frame's numbers stand channel by channel, each from top to bottom.",
        check=check_forward,
        reference=Plain,
        mistakes=(
            Mistake(
                "each frame holds pieces of many columns: the shape is right, and the numbers "
                "stand in the order in which they lay in memory",
                wrong.Reshaped,
            ),
            Mistake(
                "the numbers of one line stand in the frames of another: the shape is right, and "
                "lines are mixed",
                wrong.Mixed,
            ),
            Mistake(
                "a frame goes row by row here, and the task says channel by channel",
                wrong.RowsFirst,
            ),
            Mistake(
                "a frame has 48 numbers here where the GRU waits for 192: its rows are thrown "
                "together",
                wrong.RowsAveraged,
            ),
            Mistake(
                "a GRU answers with two things, its states and the last of them, and both are "
                "handed on",
                wrong.TupleKept,
            ),
            Mistake(
                "one answer comes out for the whole line: only one state is asked", wrong.LastState
            ),
            Mistake(
                "these are the states of the GRU, 128 for each frame: nobody has named a class yet",
                wrong.StatesReturned,
            ),
            Mistake(
                "these are scores: exponentiated, those of a frame do not add up to 1", wrong.Scores
            ),
            Mistake("these are probabilities, and their logarithms are asked", wrong.Probabilities),
            Mistake(
                "each class adds up to 1 over the frames; it is each frame that should, over its "
                "classes",
                wrong.OverTheFrames,
            ),
            Mistake(
                "each class adds up to 1 over the lines of the batch; it is each frame that "
                "should, over its classes",
                wrong.OverTheLines,
            ),
            Mistake("frames come first here, and lines should: (N, T, C)", wrong.TimeFirst),
            Mistake(LINES_FOR_TIME, wrong.TimeFirstInside),
            Mistake(LINES_FOR_TIME, wrong.TimeFirstAndBack),
        ),
        hints=(
            "Four steps: self.look(images) gives (N, C', H', T). Make it (N, T, C' * H'). Let "
            "self.remember read it, then self.classify. Print the shape after each.",
            "The axes have to change places before two of them become one: x.permute(0, 3, 1, 2) "
            "is (N, T, C', H'), and .flatten(2) joins the last two.",
            "self.remember(frames) returns the states of all frames, and the last state, which is "
            "not needed. The classes are the last axis: .log_softmax(-1).",
        ),
    ),
    Exercise(
        id="6.3",
        title="poke a column",
        task="Write moved(columns, images, x): columns turns images (N, 1, H, W) into frames "
        "(N, T, F). Change pixel column x of line 0, and return which frames changed: (N, T), "
        "True or False.",
        check=check_moved,
        returns=as_tensor,
        reference=moved,
        mistakes=(
            Mistake(
                "nothing ever moves: a second name for the images is no second picture, and both "
                "are poked",
                wrong.not_cloned,
            ),
            Mistake(
                "a column without ink is 0 already, and set to 0 it is as before",
                wrong.blackened,
            ),
            Mistake("column x is poked in every line, not in line 0 alone", wrong.all_lines_poked),
            Mistake("a row of pixels is poked here, not a column", wrong.row_poked),
            Mistake(
                "a frame counts here only if all of its numbers have changed", wrong.all_numbers
            ),
            Mistake(
                "one number up and one down cancel in a sum, and the frame has changed all the "
                "same",
                wrong.summed,
            ),
            Mistake("only the first number of each frame is compared", wrong.first_number),
            Mistake(
                "the other lines are left out, and whether they move is the question",
                wrong.line_0_only,
            ),
            Mistake(
                "there is an answer for each number; one for each frame is asked",
                wrong.every_number_told,
            ),
            Mistake(
                "this says which features changed in any frame, not which frames", wrong.other_axis
            ),
            Mistake("True stands where nothing has changed", wrong.unmoved),
        ),
        hints=(
            "Two pictures are needed: the images, and a copy in which one column differs. What "
            "does columns make of each?",
            "images.clone() is a copy. poked[0, :, :, x] is column x of line 0, all of its rows.",
            "Compare the two results, number by number, (N, T, F). A frame has moved if any of its "
            "F numbers differs.",
        ),
    ),
    Exercise(
        id="6.4",
        title="one step of learning",
        task="Write learn(network, optimizer, lines): one step on a batch of lines, in train mode. "
        "It returns the loss, as a number. frames_of(lines.widths) has each line's frames.",
        check=check_learn,
        reference=learn,
        mistakes=(
            Mistake(
                "the gradients of earlier steps are still there, and pile up", wrong.gradients_kept
            ),
            Mistake(UNMOVED, wrong.never_stepped),
            Mistake(UNMOVED, wrong.gradients_dropped),
            Mistake(
                "each step is taken with the gradient of the batch before, and the first with none",
                wrong.stepped_first,
            ),
            Mistake("the weights go uphill: the loss is made larger", wrong.uphill),
            Mistake(
                "the norms use their averages, as in reading: this is eval mode", wrong.in_eval_mode
            ),
            Mistake(
                "this loss is the sum over the lines, not divided by their lengths",
                wrong.summed_up,
            ),
            Mistake(
                "every line gets as many frames as the longest, and padding counts as part of it",
                wrong.longest_for_all,
            ),
            Mistake(
                "the loss is told the widths, which are pixels; it asks for frames",
                wrong.widths_for_frames,
            ),
            Mistake(
                "the two lengths are swapped: frames come before label lengths",
                wrong.lengths_swapped,
            ),
            Mistake("a width that does not divide by 4 loses a frame here", wrong.rounded_down),
            Mistake(
                "torch takes the first axis for time, and gets the lines there",
                wrong.not_transposed,
            ),
            Mistake(
                "class 10 is the digit 9, and here it is taken for the blank", wrong.blank_last
            ),
            Mistake(
                "the loss gets probabilities, and reads them as logarithms", wrong.softmax_again
            ),
            Mistake(
                "this is the loss as a tensor, with all that it was computed from; a number was "
                "asked",
                wrong.tensor_returned,
            ),
        ),
        hints=(
            "First network.train() and the loss: network(lines.images), then the call of the cell "
            "above. Then the three lines that every torch loop has.",
            "nn.CTCLoss()(log_probs.transpose(0, 1), lines.targets, frames_of(lines.widths), "
            "lines.target_lengths)",
            "optimizer.zero_grad(), loss.backward(), optimizer.step(), in this order. Then return "
            "loss.item().",
        ),
    ),
    Exercise(
        id="6.5",
        title="padding that is not read",
        task="Write the forward of class Mended(Layers): images and widths (N,) in; out come "
        "log-probabilities (N, T, C) and each line's frames (N,). What stands in the padding must "
        "not change what a line says.",
        check=check_mended,
        reference=Mended,
        mistakes=(
            Mistake(
                "the widths are only handed on: convolutions and GRU still read the padding",
                wrong.Ignored,
            ),
            Mistake(
                "the images are clean; the first block makes something else than 0 of their "
                "padding, and the next one reads it",
                wrong.OnlyImages,
            ),
            Mistake(
                "by the time the padding is erased, three blocks have read it; and the GRU from "
                "the right reads what is left in its place",
                wrong.OnlyTheEnd,
            ),
            Mistake(
                "clean at both ends: in between two blocks read padding, and after them the GRU",
                wrong.BothEnds,
            ),
            Mistake("the first block reads the padding of the images themselves", wrong.NotImages),
            Mistake(
                "the convolutions are mended; the GRU that comes from the right still walks "
                "through the padding first",
                wrong.NotPacked,
            ),
            Mistake("the GRU is mended; the convolutions still read the padding", wrong.OnlyPacked),
            Mistake(
                "after the first block a line is half as wide, and it is erased as if it were not",
                wrong.PixelsForFrames,
            ),
            Mistake(
                "a width that does not divide by 4 loses its last frame here", wrong.RoundedDown
            ),
            Mistake(
                "what comes back are widths in pixels; the frames were asked", wrong.WidthsReturned
            ),
            Mistake("the frames of each line do not come back", wrong.NoLengths),
        ),
        hints=(
            "Where can a number from the padding get into a line? Through each block, whose "
            "convolution looks one column to the right, and through the GRU from the right.",
            "Go through the blocks one by one: for block, stride in zip(self.look, (2, 2, 1)). "
            "After each, a line is (width - 1) // stride + 1 columns wide. Erase the rest there.",
            "erase(images, widths) before the first block and erase(block(x), widths) after each; "
            "recur(self.remember, frames, widths) in the place of the GRU's call.",
        ),
    ),
    Exercise(
        id="6.6",
        title="averages taken anew",
        task="Write settle(network, batches): replace the running averages of all BatchNorm2d "
        "layers by the plain average over these batches of images, then leave the network in eval "
        "mode.",
        check=check_settle,
        reference=settle,
        mistakes=(
            Mistake(NOT_FORGOTTEN, wrong.never_reset),
            Mistake(NOT_FORGOTTEN, wrong.plain_but_not_reset),
            Mistake(
                "each batch takes a tenth, and the rest is still 0 and 1: that is no plain average",
                wrong.momentum_kept,
            ),
            Mistake(LAST_ONLY, wrong.last_batch_only),
            Mistake(LAST_ONLY, wrong.reset_each_time),
            Mistake(
                "in eval mode a norm uses its averages and never changes them",
                wrong.looked_in_eval_mode,
            ),
            Mistake("the averages are those from before", wrong.nothing_looked_at),
            Mistake("the network is left in train mode", wrong.left_in_train_mode),
        ),
        hints=(
            "The norms are the layers of network.modules() that are nn.BatchNorm2d. They forget "
            "with layer.reset_running_stats().",
            "layer.momentum is the share that each new batch gets, 0.1. With None, torch takes the "
            "plain average over all batches.",
            "Reset and set the momentum; network.train(); with torch.no_grad() call network on "
            "each batch; network.eval().",
        ),
    ),
)
