"""Wrong answers to the exercises of notebook 11, as people give them."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import ctc_loss
from torchvision.models import ResNet18_Weights


def every_frame_a_character(frames, symbols):
    return symbols**frames


def alignments(frames, symbols):
    return (symbols + 1) ** frames


def all_that_fit(frames, symbols):
    return sum(symbols**length for length in range(frames + 1))


def _texts(length, symbols, frames):
    return sum(
        symbols * math.comb(length - 1, repeats) * (symbols - 1) ** (length - 1 - repeats)
        for repeats in range(length)
        if length + repeats <= frames
    )


def without_the_empty_one(frames, symbols):
    return sum(_texts(length, symbols, frames) for length in range(1, frames + 1))


def only_the_longest(frames, symbols):
    return _texts(frames, symbols, frames) if frames else 1


def never_equal_neighbours(frames, symbols):
    return 1 + sum(symbols * (symbols - 1) ** (length - 1) for length in range(1, frames + 1))


def _loss(log_probs, targets, frame_lengths, target_lengths, reduction="none"):
    return ctc_loss(log_probs, targets, frame_lengths, target_lengths, reduction=reduction)


def raw(scores, *lengths):
    return _loss(scores.transpose(0, 1), *lengths)


def probabilities(scores, *lengths):
    return _loss(scores.softmax(-1).transpose(0, 1), *lengths)


def over_the_frames(scores, *lengths):
    return _loss(scores.log_softmax(1).transpose(0, 1), *lengths)


def over_the_lines(scores, *lengths):
    return _loss(scores.log_softmax(0).transpose(0, 1), *lengths)


def lines_first(scores, *lengths):
    return _loss(scores.log_softmax(-1), *lengths)


def averaged(scores, *lengths):
    return _loss(scores.log_softmax(-1).transpose(0, 1), *lengths, reduction="mean")


def summed(scores, *lengths):
    return _loss(scores.log_softmax(-1).transpose(0, 1), *lengths, reduction="sum")


def over_lengths(scores, *lengths):
    return _loss(scores.log_softmax(-1).transpose(0, 1), *lengths) / lengths[-1]


TURNS = {"0": "0", "1": "1", "6": "9", "8": "8", "9": "6"}


def not_reversed(text):
    return None if set(text) - set(TURNS) else "".join(TURNS[c] for c in text)


def only_reversed(text):
    return None if set(text) - set(TURNS) else text[::-1]


def one_is_lost(text):
    turns = {c: turned for c, turned in TURNS.items() if c != "1"}
    return None if set(text) - set(turns) else "".join(turns[c] for c in reversed(text))


def left_out(text):
    return "".join(TURNS[c] for c in reversed(text) if c in TURNS)


def as_on_a_calculator(text):
    turns = TURNS | {"2": "2", "5": "5"}
    return None if set(text) - set(turns) else "".join(turns[c] for c in reversed(text))


def empty(text):
    return "" if set(text) - set(TURNS) else "".join(TURNS[c] for c in reversed(text))


def _normalised(images, mean, deviation):
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (mean, deviation))
    return (images - mean) / deviation


MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def only_repeated(images):
    return images.repeat(1, 3, 1, 1)


def divided_again(images):
    return _normalised(images / 255, MEAN, DEVIATION)


def scaled_and_cropped(images):
    return ResNet18_Weights.IMAGENET1K_V1.transforms()(images.repeat(1, 3, 1, 1))


def divided_first(images):
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
    return images / deviation - mean


def one_mean(images):
    return _normalised(images, (0.485,) * 3, (0.229,) * 3)


def by_the_variance(images):
    return _normalised(images, MEAN, tuple(d * d for d in DEVIATION))


def halves(images):
    return _normalised(images, (0.5,) * 3, (0.5,) * 3)
