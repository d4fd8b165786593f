"""Exercises of notebook 11: a pretrained ResNet reads."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor

from crnn_lib.ctc import label_probability_brute_force, minimum_frames
from crnn_lib.lessons.chapter11 import mistakes as wrong
from crnn_lib.lessons.engine import (
    Attempt,
    Exercise,
    Mistake,
    Unreadable,
    as_count,
    as_tensor,
    compare,
    plural,
    show,
    words,
)

# 11.1 ---------------------------------------------------------------------------------------------


def count_texts(frames, symbols):
    texts = 1  # the empty one
    for length in range(1, frames + 1):
        for repeats in range(length):
            if length + repeats <= frames:
                places = math.comb(length - 1, repeats)
                texts += symbols * places * (symbols - 1) ** (length - 1 - repeats)
    return texts


def by_listing(frames: int, symbols: int) -> int:
    """Every label is written down and measured: the oracle."""
    labels = words(range(1, symbols + 1), frames)
    return sum(minimum_frames(label) <= frames for label in labels)


def check_count_texts(attempt: Attempt) -> str:
    sizes = sorted(product(range(7), (1, 2, 3, 4)), key=lambda size: size[1] ** size[0])
    cases = [*sizes, (1, 10), (2, 10), (3, 10), (4, 10)]
    count = compare(
        attempt,
        cases,
        by_listing,
        rule="L characters with r equal neighbours need L + r frames: count the texts that fit",
        example=lambda case, got: (
            f"{plural(case[0], 'frame')}, {plural(case[1], 'character')}: "
            f"{show(got)} instead of {by_listing(*case)} texts"
        ),
    )
    return (
        f"All {count} counts agree with the list of all texts. One frame says {count_texts(1, 10)} "
        f"texts, five say {count_texts(5, 10):,}, and 55207 is not among them."
    )


# 11.2 ---------------------------------------------------------------------------------------------


def loss_of_scores(scores, targets, frame_lengths, target_lengths):
    log_probs = scores.log_softmax(-1).transpose(0, 1)  # (T, N, C), as torch wants it
    return torch.nn.functional.ctc_loss(
        log_probs, targets, frame_lengths, target_lengths, reduction="none"
    )


def by_enumeration(scores: Tensor, targets: Tensor, frame_lengths: Tensor, lengths: Tensor):
    """The probabilities of all alignments, added up: the oracle."""
    losses = []
    for n in range(len(scores)):
        frames, label = int(frame_lengths[n]), targets[n, : int(lengths[n])].tolist()
        log_probs = scores[n, :frames].double().log_softmax(-1)
        probability = label_probability_brute_force(log_probs, label, blank=0)
        losses.append(-math.log(float(probability)))
    return torch.tensor(losses)


def check_loss_of_scores(attempt: Attempt) -> str:
    generator = torch.Generator().manual_seed(0)
    cases = []
    # as many lines as frames first: there a forgotten transpose is silent
    for count, frames, classes in (
        (1, 1, 2),
        (2, 2, 2),
        (3, 3, 3),
        (1, 2, 2),
        (2, 3, 3),
        (3, 4, 3),
    ):
        for _ in range(3):
            scores = torch.randint(-2, 3, (count, frames, classes), generator=generator).float()
            lengths = torch.randint(1, min(frames, 2) + 1, (count,), generator=generator)
            targets = torch.ones(count, int(lengths.max()), dtype=torch.long)
            targets[:, 1:] = 2 if classes > 2 else 1
            if classes == 2:  # a single character that is no blank: one of it fits everywhere
                lengths = torch.ones_like(lengths)
            cases.append((scores, targets, torch.full((count,), frames), lengths))
    count = compare(
        attempt,
        cases,
        by_enumeration,
        rule="torch's loss takes log-probabilities of shape (T, N, C), and one length per line",
        example=lambda case, got: f"scores of shape {tuple(case[0].shape)}",
    )
    return (
        f"All {count} batches agree with the sum over all alignments. No loss is negative "
        "any more, and a constant added to all scores of a frame changes nothing."
    )


# 11.3 ---------------------------------------------------------------------------------------------


def turned(text):
    half_turn = {"0": "0", "1": "1", "6": "9", "8": "8", "9": "6"}
    if any(character not in half_turn for character in text):
        return None
    return "".join(half_turn[character] for character in reversed(text))


def as_text_or_none(value: object) -> str | None:
    """What :func:`turned` returns."""
    if value is not None and type(value) is not str:
        raise Unreadable(f"{show(value)}, where a text or None should be")
    return value


def by_turning(text: str) -> str | None:
    """Turn a row of printed shapes and look each one up: the oracle."""
    shapes = {"0": "0", "1": "1", "6": "9", "9": "6", "8": "8"}
    row = [shapes.get(character) for character in text]
    return None if None in row else "".join(row[::-1])


def check_turned(attempt: Attempt) -> str:
    cases = [(text,) for text in [*"0123456789"]]
    cases += [(a + b,) for a in "0168952" for b in "0168937"]
    cases += [("619",), ("55207",), ("1",), ("6009",), ("98016",), ("80896",), ("66999",)]
    count = compare(
        attempt,
        cases,
        by_turning,
        rule="after half a turn the last character comes first, and 6 has become 9",
        example=lambda case, got: f"{case[0]!r}: {show(got)} instead of {show(by_turning(*case))}",
    )
    return (
        f"All {count} texts are right. A line turned by half a turn may read as a number, but not "
        "as the number of its label. The label would have to turn too."
    )


# 11.4 ---------------------------------------------------------------------------------------------


def like_a_photograph(images):
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return (images - mean) / deviation  # (N, 1, H, W) and (1, 3, 1, 1) give (N, 3, H, W)


def channel_by_channel(images: Tensor) -> Tensor:
    """One channel of one line at a time: the oracle."""
    colours = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
    return torch.stack(
        [
            torch.stack([(line[0] - mean) / deviation for mean, deviation in colours])
            for line in images
        ]
    )


def check_like_a_photograph(attempt: Attempt) -> str:
    generator = torch.Generator().manual_seed(0)
    sizes = [(1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1), (3, 2, 2), (2, 3, 4), (3, 3, 3)]
    cases = [(torch.zeros(1, 1, 1, 1),), (torch.ones(1, 1, 1, 1),)]
    cases += [(torch.rand(n, 1, h, w, generator=generator),) for n, h, w in sizes]
    count = compare(
        attempt,
        cases,
        channel_by_channel,
        rule="each of three channels is the grey image minus its mean, divided by its deviation",
        example=lambda case, got: f"images of shape {tuple(case[0].shape)}",
    )
    return (
        f"All {count} batches look as the photographs of ImageNet looked to the network: three "
        "channels, each with about mean 0 and deviation 1 over all photographs."
    )


EXERCISES = (
    Exercise(
        id="11.1",
        title="texts that so many frames can say",
        task="Write count_texts(frames, symbols): how many texts over so many characters, the "
        "empty one included, have an alignment of so many frames.",
        check=check_count_texts,
        returns=as_count,
        reference=count_texts,
        mistakes=(
            Mistake(
                "each frame may also be blank, and repeats merge", wrong.every_frame_a_character
            ),
            Mistake("different alignments may say the same text: count texts", wrong.alignments),
            Mistake(
                "equal neighbours need a frame more, for the blank between them", wrong.all_that_fit
            ),
            Mistake("the empty text can be said too", wrong.without_the_empty_one),
            Mistake("shorter texts fit too", wrong.only_the_longest),
            Mistake(
                "equal neighbours do fit, if there are frames enough", wrong.never_equal_neighbours
            ),
        ),
        hints=(
            "How many texts of two characters are there with equal characters, how many with "
            "different ones? How many frames does each kind need?",
            "A text of L characters with r equal neighbours needs L + r frames. Choose which r of "
            "the L - 1 gaps have equal neighbours; the first character is free, and at each other "
            "gap symbols - 1 characters differ.",
            "Add symbols * math.comb(L - 1, r) * (symbols - 1) ** (L - 1 - r) for all L and r with "
            "L + r <= frames, and 1 for the empty text.",
        ),
    ),
    Exercise(
        id="11.2",
        title="a loss from scores",
        task="Mend loss_of_scores(scores, targets, frame_lengths, target_lengths): one CTC loss "
        "per line from raw scores (N, T, C), with the blank at class 0.",
        check=check_loss_of_scores,
        returns=as_tensor,
        reference=loss_of_scores,
        mistakes=(
            Mistake(
                "raw scores are no log-probabilities: a frame's classes do not sum to 1", wrong.raw
            ),
            Mistake(
                "torch's loss takes logarithms, and these are probabilities", wrong.probabilities
            ),
            Mistake(
                "the classes of a frame do not sum to 1: it was normalised along another axis",
                wrong.over_the_frames,
            ),
            Mistake(
                "the classes of a frame do not sum to 1: it was normalised along another axis",
                wrong.over_the_lines,
            ),
            Mistake("torch takes lines for frames here, and frames for lines", wrong.lines_first),
            Mistake("one loss per line is wanted, not their mean", wrong.averaged),
            Mistake("one loss per line is wanted, not their sum", wrong.summed),
            Mistake(
                "divided by the length of its text, a loss is no longer minus log P",
                wrong.over_lengths,
            ),
        ),
        hints=(
            "What must the classes of one frame add up to, before torch's loss can take their "
            "logarithms?",
            "log_softmax over the classes, the last axis. Then look up the order of the axes in "
            "torch.nn.functional.ctc_loss, and what its reduction does by default.",
            "log_probs = scores.log_softmax(-1).transpose(0, 1), and reduction='none'.",
        ),
    ),
    Exercise(
        id="11.3",
        title="half a turn",
        task="Write turned(text): what a line of digits says after half a turn, or None if one of "
        "its digits is none any more.",
        check=check_turned,
        returns=as_text_or_none,
        reference=turned,
        mistakes=(
            Mistake("after half a turn the last character comes first", wrong.not_reversed),
            Mistake("a 6 turns into a 9, and a 9 into a 6", wrong.only_reversed),
            Mistake("a stroke is a 1 from either side", wrong.one_is_lost),
            Mistake("one digit that is none any more spoils the line: None", wrong.left_out),
            Mistake("a turned 2 is no 2 in handwriting, and a 5 no 5", wrong.as_on_a_calculator),
            Mistake("say None, not an empty text, where nothing can be read", wrong.empty),
        ),
        hints=(
            "Write 6, 8 and 601 on paper, and turn the sheet upside down.",
            "0, 1 and 8 stay what they are, 6 and 9 change places, all others are lost. And the "
            "line now starts at its other end.",
            "Look each character up in {'0': '0', '1': '1', '6': '9', '8': '8', '9': '6'}, and "
            "join them in reversed order.",
        ),
    ),
    Exercise(
        id="11.4",
        title="as ImageNet was",
        task="Write like_a_photograph(images): from grey lines (N, 1, H, W) in [0, 1] to what the "
        "pretrained trunk saw: (N, 3, H, W), normalised by ImageNet's mean and deviation.",
        check=check_like_a_photograph,
        returns=as_tensor,
        reference=like_a_photograph,
        mistakes=(
            Mistake(
                "three channels alone are not enough: they are as they were", wrong.only_repeated
            ),
            Mistake("the pixels are in [0, 1] already", wrong.divided_again),
            Mistake(
                "torchvision's way to prepare a photograph also scales and crops it to 224 x 224: "
                "a line is not square",
                wrong.scaled_and_cropped,
            ),
            Mistake("the mean was subtracted in other units than it is in", wrong.divided_first),
            Mistake("each channel has a mean of its own", wrong.one_mean),
            Mistake("this was divided by the variance", wrong.by_the_variance),
            Mistake("these numbers are not ImageNet's", wrong.halves),
        ),
        hints=(
            "The numbers stand in crnn_lib/models/resnet.py: MEAN and DEVIATION. There are three "
            "of each, and your image has one channel.",
            "Give both the shape (1, 3, 1, 1). torch then repeats the one channel by itself.",
            "(images - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1)",
        ),
    ),
)
