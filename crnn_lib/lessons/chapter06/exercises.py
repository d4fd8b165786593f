"""Exercises of notebook 06: the CRNN."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.ctc import minimum_frames
from crnn_lib.lessons.chapter06 import mistakes as wrong
from crnn_lib.lessons.engine import (
    Attempt,
    Exercise,
    Mistake,
    Unreadable,
    as_count,
    as_label,
    as_tensor,
    compare,
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


def stack_field(strides):
    field = 1
    for stride in reversed(strides):  # from the frame back to the pixels
        field = (field - 1) * stride + 3
    return field


def by_gradient(strides: list[int]) -> int:
    """Input columns on which one output depends, as torch finds them: the oracle."""
    x = torch.zeros(1, 1, 8 * math.prod(strides) + 8 * sum(strides), requires_grad=True)
    y = x
    for stride in strides:
        y = F.conv1d(y, torch.ones(1, 1, 3), stride=stride)
    y[0, 0, 0].backward()
    return int((x.grad != 0).sum())


def check_stack_field(attempt: Attempt) -> str:
    cases = [
        (list(strides),)
        for layers in (1, 2, 3, 4)
        for strides in product((1, 2, 3) if layers < 4 else (1, 2), repeat=layers)
    ]
    cases += [([2, 1, 2, 1, 1, 1],), ([1, 1, 2, 1, 1, 2],)]
    count = compare(
        attempt,
        cases,
        by_gradient,
        rule="go from the frame back to the pixels, one convolution at a time",
        example=lambda case, got: (
            f"strides {show(case[0])}: {plural(got, 'column')} instead of {by_gradient(*case)}"
        ),
    )
    return (
        f"All {count} stacks see what torch's gradient says they see. The earlier a stride comes, "
        "the wider all later convolutions look."
    )


# 6.3 ----------------------------------------------------------------------------------------------


def choose_strides(label, pitch):
    strides = [1] * 6
    width, needs = pitch * len(label), minimum_frames(label)
    for i in range(6):
        width = math.ceil(width / 2)  # frames, if this convolution takes two columns a step
        if width < needs:
            break
        strides[i] = 2
    return strides


def as_strides(value: object) -> list[int]:
    """Six strides of 1 or 2. Their order does not change the number of frames: large ones first."""
    strides = as_label(value)
    if len(strides) != 6 or not set(strides) <= {1, 2}:
        raise Unreadable(f"{show(strides)}, where six strides of 1 or 2 should be")
    return sorted(strides, reverse=True)


def by_trying(label: list[int], pitch: int) -> list[int]:
    """Of all strides with frames enough, those with the fewest frames: the oracle."""
    choices = [[2] * twos + [1] * (6 - twos) for twos in range(7)]
    width, needs = pitch * len(label), minimum_frames(label)
    enough = [strides for strides in choices if by_convolving(width, strides, 1) >= needs]
    return max(enough, key=math.prod)


def check_choose_strides(attempt: Attempt) -> str:
    texts = ["1", "11", "12", "111", "122", "11111", "55207", "1112223334"]
    labels = [[int(digit) for digit in text] for text in texts]
    cases = [(label, pitch) for label in labels for pitch in (2, 3, 4, 5, 8, 10, 16, 28)]

    def example(case, got) -> str:
        label, pitch = case
        frames = by_convolving(pitch * len(label), got, 1)
        return (
            f"{show(label)}, {pitch} columns for each character: strides {show(got)} leave "
            f"{plural(frames, 'frame')}, and it needs {minimum_frames(label)}"
        )

    count = compare(
        attempt,
        cases,
        by_trying,
        rule="stride as far as frames enough are left, and no further",
        example=example,
    )
    return (
        f"All {count} choices fit, and none could stride further. It is a limit, not advice: a "
        "network reads better with a few frames to spare for each character."
    )


# 6.4 ----------------------------------------------------------------------------------------------


def read_out(x, weight):
    frames = x.permute(0, 3, 1, 2).flatten(2)  # (N, T, C' * H')
    return (frames @ weight.T).log_softmax(-1)  # (N, T, C)


def column_by_column(x: Tensor, weight: Tensor) -> Tensor:
    """One line, one frame, one class at a time, in plain numbers: the oracle."""
    count, channels, height, width = x.shape
    log_probs = torch.zeros(count, width, len(weight), dtype=torch.float64)
    for n, t in product(range(count), range(width)):
        column = [float(x[n, c, h, t]) for c in range(channels) for h in range(height)]
        scores = [math.fsum(map(float.__mul__, column, row)) for row in weight.double().tolist()]
        total = math.log(math.fsum(map(math.exp, scores)))
        log_probs[n, t] = torch.tensor([score - total for score in scores])
    return log_probs


def check_read_out(attempt: Attempt) -> str:
    generator = torch.Generator().manual_seed(0)
    sizes = [(1, 1, 1, 1, 2), (1, 1, 1, 2, 2), (1, 2, 1, 2, 2), (1, 1, 2, 3, 2), (2, 2, 1, 3, 2)]
    sizes += [(1, 2, 2, 3, 3), (2, 2, 3, 4, 3), (3, 2, 2, 5, 4)]
    cases = [
        (
            torch.randint(-2, 3, (n, c, h, t), generator=generator).float(),
            torch.randint(-1, 2, (classes, c * h), generator=generator).float(),
        )
        for n, c, h, t, classes in sizes
        for _ in range(4)
    ]
    count = compare(
        attempt,
        cases,
        column_by_column,
        rule="frame t of line n is made of column t of line n, and of nothing else",
        example=lambda case, got: f"features of shape {tuple(case[0].shape)}",
    )
    return (
        f"All {count} batches are right: each frame is its own column, and its classes sum to 1. "
        "Both bugs keep the shape, so no shape test could have found them."
    )


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
        title="receptive field of a stack",
        task="Write stack_field(strides): how many pixel columns one frame sees through 3-wide "
        "convolutions with these strides, the first one next to the pixels.",
        check=check_stack_field,
        returns=as_count,
        reference=stack_field,
        mistakes=(
            Mistake("strides widen what later convolutions see", wrong.two_per_layer),
            Mistake("neighbouring threes overlap, so they do not add up", wrong.three_per_layer),
            Mistake("go backwards: begin with the last convolution", wrong.forwards),
            Mistake(
                "a stride spreads what comes after its convolution, not its own three columns",
                wrong.own_stride_counted,
            ),
            Mistake("that is the step from frame to frame; a frame sees more", wrong.only_the_step),
            Mistake(
                "n columns lie n - 1 steps apart: scale the steps, then add 3",
                wrong.whole_field_scaled,
            ),
        ),
        hints=(
            "Go backwards. One frame is one column after the last convolution. How many columns "
            "of its input does that convolution look at?",
            "Say `field` columns are needed after a convolution. The first and the last of them "
            "lie field - 1 steps apart; before the convolution, each step is `stride` columns.",
            "field = 1; for stride in reversed(strides): field = (field - 1) * stride + 3",
        ),
    ),
    Exercise(
        id="6.3",
        title="strides that leave frames enough",
        task="Write choose_strides(label, pitch): six strides across, each 1 or 2, that leave as "
        "few frames as possible of a line with `pitch` columns for each character, and yet enough.",
        check=check_choose_strides,
        returns=as_strides,
        reference=choose_strides,
        mistakes=(
            Mistake(
                "equal neighbours need a blank between them: use minimum_frames",
                wrong.repeats_forgotten,
            ),
            Mistake("only equal neighbours need a blank", wrong.blank_in_every_gap),
            Mistake("stride 1 everywhere wastes frames", wrong.never_strided),
            Mistake("one choice does not fit all: look at label and pitch", wrong.as_shipped),
            Mistake("exactly as many frames as needed are enough", wrong.one_frame_to_spare),
            Mistake("stop before the frames are too few, not after", wrong.one_too_far),
        ),
        hints=(
            "How wide is the line, and how many frames does its label need? minimum_frames(label) "
            "counts the blanks between equal neighbours too.",
            "A padded convolution with stride 2 leaves half of the columns, rounded up: "
            "math.ceil(width / 2). Take one more such stride as long as that is enough.",
            "Begin with [1] * 6. For each place: halve the width; if it is less than needed, stop; "
            "else put a 2 there.",
        ),
    ),
    Exercise(
        id="6.4",
        title="find the two bugs",
        task="Mend read_out(x, weight): from features (N, C', H', T) to log-probabilities "
        "(N, T, C). A frame's numbers stand channel by channel, each from top to bottom.",
        check=check_read_out,
        returns=as_tensor,
        reference=read_out,
        mistakes=(
            Mistake(
                "frame t is column t: reshape only deals the numbers out anew, permute moves "
                "axes. The log_softmax has to go over the classes too",
                wrong.flattened,
            ),
            Mistake(
                "frame t is column t: reshape only deals the numbers out anew, permute moves axes",
                wrong.reshaped,
            ),
            Mistake(
                "a frame's classes sum to 1: log_softmax goes over them", wrong.over_the_frames
            ),
            Mistake("a frame's classes sum to 1: log_softmax goes over them", wrong.over_the_lines),
            Mistake("keep channels before rows: the weights count on that order", wrong.rows_first),
            Mistake("lines come first, then frames: (N, T, C)", wrong.time_first),
            Mistake(
                "scores are no log-probabilities yet: a log_softmax is missing",
                wrong.not_normalised,
            ),
            Mistake("log-probabilities are wanted, not probabilities", wrong.probabilities),
        ),
        hints=(
            "Print the shapes: all are right. Then change one column of x, and look which frames "
            "of the result change. And exponentiate: what sums to 1?",
            "reshape keeps the order of the numbers in memory. To make time the second axis, the "
            "axes have to move: permute. And dim 1 of (N, T, C) is not the classes.",
            "frames = x.permute(0, 3, 1, 2).flatten(2), then (frames @ weight.T).log_softmax(-1)",
        ),
    ),
)
