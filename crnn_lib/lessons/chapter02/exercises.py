"""Exercises of notebook 02: sliding windows and recurrent networks."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from crnn_lib.lessons.chapter02 import mistakes as wrong
from crnn_lib.lessons.chapter02.mistakes import CarryingReader
from crnn_lib.lessons.engine import (
    Attempt,
    Broken,
    Exercise,
    Mistake,
    as_count,
    as_it_is,
    as_pair,
    as_tensor,
    compare,
    plural,
    same,
)

# 2.1 ----------------------------------------------------------------------------------------------


def count_frames(width, window, stride):
    beyond_first = max(width - window, 0)  # columns that the first window leaves
    return 1 + math.ceil(beyond_first / stride)


def by_sliding(width: int, window: int, stride: int) -> int:
    """Slide until a window reaches the last column: the oracle."""
    frames = 1
    while (frames - 1) * stride + window < width:
        frames += 1
    return frames


def sizes() -> list[tuple[int, int, int]]:
    """Width, window and stride; the stride skips no column.

    The small ones come first, but those that a window covers alone come last.
    """
    every = [
        (width, window, stride)
        for width in range(1, 17)
        for window in range(1, 6)
        for stride in range(1, window + 1)
    ]
    return sorted(every, key=lambda sizes: sizes[0] < sizes[1])


def check_count_frames(attempt: Attempt) -> str:
    count = compare(
        attempt,
        sizes(),
        by_sliding,
        rule="one window at the start, and one more for each stride until the last column is seen",
        example=lambda sizes, got: (
            f"{plural(sizes[0], 'column')} with window {sizes[1]} and stride {sizes[2]} give "
            f"{plural(got, 'frame')} instead of {by_sliding(*sizes)}"
        ),
    )
    return (
        f"It agrees with sliding step by step for {count} sizes. The number of frames is what "
        "limits how much a line may say, so it is worth knowing before training."
    )


# 2.2 ----------------------------------------------------------------------------------------------


def columns_of(frame, width, window, stride):
    start = frame * stride
    return start, min(start + window, width)  # the last window may reach beyond the line


def by_looking(frame: int, width: int, window: int, stride: int) -> tuple[int, int]:
    """Lay the window on a line of numbered columns and see which are in it: the oracle."""
    seen = list(range(width))[frame * stride :][:window]
    return seen[0], seen[-1] + 1


def check_columns_of(attempt: Attempt) -> str:
    cases = [(frame, *size) for size in sizes() for frame in range(by_sliding(*size))]
    compare(
        attempt,
        cases,
        by_looking,
        rule="these are not the columns under the window of this frame",
        example=lambda case, got: (
            f"frame {case[0]} of {plural(case[1], 'column')} with window {case[2]} "
            f"and stride {case[3]}"
        ),
    )
    return (
        f"All {len(cases)} frames see the right columns. Neighbours share window - stride of them: "
        "that is how a digit on the border is seen whole by someone."
    )


# 2.3 ----------------------------------------------------------------------------------------------


class RepairedReader(CarryingReader):
    def forward(self, columns):
        states, _ = self.rnn(columns)  # without a state, each line begins with zeros
        return self.classify(states).log_softmax(-1)


CARRIED = "begin each batch without memory of the one before"
NEIGHBOURS = "a line's reading must not depend on which other lines are in its batch"
FORGETFUL = "forget between lines, but remember within a line"
NORMALISED = "these are no log-probabilities: those of a frame's classes do not add up to 1"
PROBABILITIES = "these are probabilities; their logarithms are asked"
WRONG_AXIS = "the logarithms are taken over the frames, and not over the classes"
SHAPE = "log-probabilities of shape (N, T, C) are asked: a row for each frame"
SAME_EVERYWHERE = "all frames of a line say the same: the state of each frame is asked"
BY_CHANCE = "chance decides: each call draws new numbers"
UNLEARNABLE = "nothing can be learned from this answer: no gradient comes back from it"


def denormalised(log_probs: Tensor) -> str:
    """What is wrong with log-probabilities (N, T, C), or nothing."""
    one = torch.ones((), dtype=log_probs.dtype)
    if same(log_probs.exp().sum(-1), one.expand(log_probs.shape[:2])):
        return ""
    if same(log_probs.sum(-1), one.expand(log_probs.shape[:2])):
        return PROBABILITIES
    over_frames = log_probs.exp().sum(1)
    return WRONG_AXIS if same(over_frames, one.expand(over_frames.shape)) else NORMALISED


def unlearned(network: nn.Module, *inputs: Tensor) -> list[str]:
    """Weights of a network that a loss on its answer could not change."""
    answer, weights = network(*inputs), dict(network.named_parameters())
    if not isinstance(answer, Tensor) or not answer.requires_grad:
        return [*weights]
    found = torch.autograd.grad(answer[..., 0].sum(), [*weights.values()], allow_unused=True)
    return [name for name, gradient in zip(weights, found, strict=True) if gradient is None]


def check_repaired_reader(attempt: Attempt) -> str:
    generator = torch.Generator().manual_seed(0)
    columns = torch.randn(3, 5, 4, generator=generator)  # (N, T, height)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build = f"reader = {attempt.name}(4, 8, 3)"
        if isinstance(attempt.answer, nn.Module):
            raise Broken("hand over the class itself, not a reader made from it: no brackets")
        reader = attempt.run(lambda: attempt.answer(4, 8, 3), build, returns=as_it_is)
        if not isinstance(reader, nn.Module):
            raise Broken("hand over the class, a subclass of CarryingReader", build)

        def read(batch: Tensor, what: str = "columns") -> Tensor:
            log_probs = attempt.run(lambda: reader(batch.clone()), f"reader({what})", as_tensor)
            wanted, got = (*batch.shape[:2], 3), tuple(log_probs.shape)
            if got != wanted:
                raise Broken(SHAPE, f"reader({what}) has the shape {got}, not {wanted}")
            if rule := denormalised(log_probs):
                total = log_probs[0, 0].exp().sum().item()
                raise Broken(
                    rule, f"exp of the first frame of reader({what}) adds up to {total:.4g}"
                )
            return log_probs

        for mode in (True, False):
            attempt.run(lambda mode=mode: reader.train(mode), "reader.train()", returns=as_it_is)
            first = read(columns)
            name = "training" if mode else "evaluation"
            if not same(first, read(columns)):
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(1)
                    second = read(columns)
                    torch.manual_seed(1)
                    if same(second, read(columns)):
                        raise Broken(BY_CHANCE, "the same batch read twice gives two answers")
                raise Broken(CARRIED, f"in {name}, the same batch read twice gives two answers")
            alone = torch.cat([read(line[None], "one line") for line in columns])
            if not same(first, alone):
                raise Broken(NEIGHBOURS, "a line alone and in a batch gives two answers")
        if names := attempt.run(
            lambda: unlearned(reader.train(), columns.clone()), "reader(columns)", returns=as_it_is
        ):
            raise Broken(UNLEARNABLE, f"no gradient reaches {names[0]}")
        if same(first, first[:, :1].expand(first.shape)):
            raise Broken(SAME_EVERYWHERE, "a line of 5 different columns")
        changed = columns.clone()
        changed[:, 0] += 1.0
        if same(first[:, -1], read(changed)[:, -1]):
            raise Broken(FORGETFUL, "another first column changes nothing at the last frame")
    return (
        "The same line gives the same answer: twice, alone, in any company, in training and in "
        "evaluation. It still remembers within the line."
    )


# 2.4 ----------------------------------------------------------------------------------------------


REVERSE = "both networks read from the left here"


def read_both_ways(rightwards, leftwards, columns):
    right = rightwards(columns)[0]  # (N, T, hidden)
    left = leftwards(columns.flip(1))[0].flip(1)  # reverse, read, and turn back
    return torch.cat([right, left], 2)  # (N, T, 2 * hidden)


def in_one_network(rightwards: nn.GRU, leftwards: nn.GRU, columns: Tensor) -> Tensor:
    """The same weights in torch's own bidirectional GRU: the oracle."""
    size, hidden = rightwards.input_size, rightwards.hidden_size
    both = nn.GRU(size, hidden, batch_first=True, bidirectional=True)
    weights = {name: w for name, w in rightwards.named_parameters()}
    weights |= {f"{name}_reverse": w for name, w in leftwards.named_parameters()}
    both.load_state_dict(weights)
    with torch.no_grad():
        return both(columns)[0].double()


def check_read_both_ways(attempt: Attempt) -> str:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = [nn.GRU(2, 2, batch_first=True) for _ in range(2)]
        sizes = [(lines, frames) for frames in (2, 3, 5) for lines in (1, 2, 3)]
        compare(
            attempt,
            [(*networks, torch.randn(*size, 2).round(decimals=1)) for size in sizes],
            in_one_network,
            rule="read the columns once from each side, and join the two states of each frame",
            example=lambda arguments, got: (
                f"{plural(len(arguments[2]), 'line')} of {plural(arguments[2].shape[1], 'frame')}"
            ),
        )
    return (
        "It equals torch's bidirectional GRU with the same weights. Each frame now knows what "
        "stands before it and what comes after it."
    )


EXERCISES = (
    Exercise(
        id="2.1",
        title="how many frames",
        task="Write count_frames(width, window, stride): how many windows it takes until the last "
        "column is seen. The last window may reach beyond the line.",
        check=check_count_frames,
        returns=as_count,
        reference=count_frames,
        mistakes=(
            Mistake(
                "a last window that is only partly on the line counts too", wrong.whole_windows_only
            ),
            Mistake("a line narrower than the window has one frame", wrong.no_narrow_lines),
            Mistake("a line narrower than the window has one frame", wrong.none_for_narrow_lines),
            Mistake(
                "stop when a window reaches the last column: it has a width",
                wrong.windows_without_width,
            ),
            Mistake(
                "stop when a window reaches the last column: it has a width",
                wrong.steps_without_width,
            ),
            Mistake("count the first window too", wrong.without_the_first),
            Mistake("windows move by the stride, not by their own width", wrong.side_by_side),
            Mistake(
                "windows move by the stride, not by their own width", wrong.whole_ones_side_by_side
            ),
            Mistake("the window before has reached the last column already", wrong.one_too_many),
            Mistake("window and stride have changed places", wrong.changed_places),
        ),
        hints=(
            "Take width 10, window 4, stride 3 and draw it. Which columns has the first window "
            "left for the others?",
            "The first window sees `window` columns. Each further one adds `stride` columns. How "
            "many are needed for the rest? Round up.",
            "1 + math.ceil(rest / stride), where rest is width - window, but never below 0.",
        ),
    ),
    Exercise(
        id="2.2",
        title="which columns a frame sees",
        task="Write columns_of(frame, width, window, stride): the pair (start, end) of pixel "
        "columns of the line that this frame sees, counted from 0, end not included.",
        check=check_columns_of,
        returns=as_pair,
        reference=columns_of,
        mistakes=(
            Mistake(
                "the end is not included: it is the column after the last one", wrong.end_included
            ),
            Mistake(
                "the end is not included: it is the column after the last one",
                wrong.last_column_lost,
            ),
            Mistake(
                "end where the line ends, if the window reaches beyond it", wrong.beyond_the_line
            ),
            Mistake("windows move by the stride, not by their own width", wrong.steps_of_a_window),
            Mistake(
                "a frame sees `window` columns; the stride only moves it",
                wrong.as_wide_as_the_stride,
            ),
            Mistake("frames are counted from 0", wrong.frames_from_one),
            Mistake("return start and end, not start and length", wrong.start_and_length),
            Mistake("frame t begins at column t * stride; it is not centred there", wrong.centred),
            Mistake(
                "frame t begins at column t * stride; it is not centred there",
                wrong.centred_anywhere,
            ),
            Mistake(
                "the last window stays where its step put it, even beyond the line",
                wrong.pushed_back,
            ),
            Mistake("a frame sees its window only, not all that is left", wrong.to_the_end),
            Mistake("columns are counted from 0", wrong.columns_from_one),
            Mistake("each frame begins at a place of its own", wrong.always_the_first),
            Mistake("the end is asked as well", wrong.start_only),
            Mistake("give the two ends, not all the columns between them", wrong.every_column),
        ),
        hints=(
            "Where does frame 0 begin? Frame 1? Frame t?",
            "The window begins at frame * stride. It ends `window` columns later, unless the line "
            "ends first.",
            "(frame * stride, min(frame * stride + window, width))",
        ),
    ),
    Exercise(
        id="2.3",
        title="a reader that carries its state along",
        task="Repair CarryingReader: write a subclass RepairedReader with a forward of its own, "
        "whose answer depends on the line alone.",
        check=check_repaired_reader,
        reference=RepairedReader,
        mistakes=(
            Mistake(CARRIED, wrong.CarryingReader),
            Mistake(CARRIED, wrong.FreshForOtherSizes),
            Mistake(CARRIED, wrong.FreshInEvaluation),
            Mistake(FORGETFUL, wrong.FreshForEachColumn),
            Mistake(NEIGHBOURS, wrong.FromLineToLine),
            Mistake(NORMALISED, wrong.WithoutLogSoftmax),
            Mistake(PROBABILITIES, wrong.Probabilities),
            Mistake(WRONG_AXIS, wrong.OverTheFrames),
            Mistake(SHAPE, wrong.OneAnswerForTheLine),
            Mistake(SAME_EVERYWHERE, wrong.LastStateEverywhere),
            Mistake(BY_CHANCE, wrong.ByChance),
            Mistake(BY_CHANCE, wrong.NewNetwork),
            Mistake(UNLEARNABLE, wrong.WithoutGradients),
            Mistake(UNLEARNABLE, wrong.StatesDetached),
        ),
        hints=(
            "Read the same batch twice with a CarryingReader. What does it remember, and from "
            "where?",
            "self.state outlives the call. Within a line it is the GRU itself that remembers.",
            "nn.GRU begins with zeros if it gets no state: self.rnn(columns). Drop the state that "
            "it returns.",
        ),
    ),
    Exercise(
        id="2.4",
        title="reading both ways",
        task="Write read_both_ways(rightwards, leftwards, columns): two GRUs (batch_first) read "
        "columns (N, T, F) from either side; join their states to (N, T, 2 * hidden), those of "
        "rightwards first.",
        check=check_read_both_ways,
        returns=as_tensor,
        reference=read_both_ways,
        mistakes=(
            Mistake(REVERSE, wrong.never_reversed),
            Mistake(
                "what leftwards knows at place t belongs to another frame", wrong.not_turned_back
            ),
            Mistake(
                "the columns were read from the left, and only their states turned round",
                wrong.only_turned_back,
            ),
            Mistake(REVERSE, wrong.batch_reversed),
            Mistake(
                "the pixels of each column were reversed, and not the columns",
                wrong.features_reversed,
            ),
            Mistake(
                "the pixels of each column were reversed, and not the columns",
                wrong.features_reversed_and_back,
            ),
            Mistake(
                "the numbers of a state were reversed as well, and not only the frames",
                wrong.state_reversed_too,
            ),
            Mistake(
                "the states stand one after the other, not side by side", wrong.one_after_the_other
            ),
            Mistake("two states that were added cannot be told apart any more", wrong.added),
            Mistake("two states that were averaged cannot be told apart any more", wrong.averaged),
            Mistake("these are two results, and they are not joined", wrong.never_joined),
            Mistake(
                "the states were laid along a dimension of their own", wrong.along_a_new_dimension
            ),
            Mistake("leftwards has one state for all frames here, its last", wrong.last_state_only),
            Mistake(
                "this is the last state of each; the states of all frames are asked",
                wrong.last_states,
            ),
            Mistake(
                "at each frame, first the state of rightwards, then that of leftwards",
                wrong.leftwards_first,
            ),
            Mistake(
                "rightwards reads the columns as they are; leftwards reads them reversed",
                wrong.networks_swapped,
            ),
            Mistake("rightwards reads from both sides here", wrong.rightwards_twice),
            Mistake("leftwards reads from both sides here", wrong.leftwards_twice),
            Mistake("the line comes out from right to left", wrong.all_turned_back),
            Mistake("both begin without a state: leftwards does not go on", wrong.carried_over),
            Mistake("both read the columns, not each other's states", wrong.one_on_the_other),
        ),
        hints=(
            "A network reads from left to right only. How can the line be given to it so that it "
            "reads from the right?",
            "columns.flip(1) reverses the frames. In which order are the states that come out?",
            "Flip the columns, read, flip the states back, and torch.cat the two results along the "
            "last dimension.",
        ),
    ),
)
