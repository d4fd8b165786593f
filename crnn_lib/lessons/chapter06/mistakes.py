"""Wrong answers to the exercises of notebook 06, as people give them."""

from __future__ import annotations

import math

import torch


def divided(width, strides, padding):
    return width // math.prod(strides)


def divided_and_rounded_up(width, strides, padding):
    return math.ceil(width / math.prod(strides))


def padded_on_one_side(width, strides, padding):
    for stride in strides:
        width = (width + padding - 3) // stride + 1
    return width


def never_padded(width, strides, padding):
    for stride in strides:
        width = (width - 3) // stride + 1
    return width


def first_place_forgotten(width, strides, padding):
    for stride in strides:
        width = (width + 2 * padding - 3) // stride
    return width


def rounded_up(width, strides, padding):
    for stride in strides:
        width = math.ceil((width + 2 * padding - 3) / stride) + 1
    return width


def strides_at_the_end(width, strides, padding):
    for _ in strides:
        width = width + 2 * padding - 2
    return math.ceil(width / math.prod(strides))


def two_per_layer(strides):
    return 1 + 2 * len(strides)


def three_per_layer(strides):
    return 3 * len(strides)


def forwards(strides):
    field = 1
    for stride in strides:
        field = (field - 1) * stride + 3
    return field


def own_stride_counted(strides):
    field, step = 1, 1
    for stride in strides:
        step *= stride
        field += 2 * step
    return field


def only_the_step(strides):
    return math.prod(strides)


def whole_field_scaled(strides):
    field = 1
    for stride in reversed(strides):
        field = field * stride + 2
    return field


def largest(label, pitch, needs):
    """Six strides of 1 or 2, as large as these needs allow; the large ones first."""
    twos = 0
    while twos < 6 and math.ceil(pitch * len(label) / 2 ** (twos + 1)) >= needs:
        twos += 1
    return [2] * twos + [1] * (6 - twos)


def repeats_of(label):
    return sum(a == b for a, b in zip(label[:-1], label[1:], strict=True))


def repeats_forgotten(label, pitch):
    return largest(label, pitch, len(label))


def blank_in_every_gap(label, pitch):
    return largest(label, pitch, 2 * len(label) + 1)


def never_strided(label, pitch):
    return [1] * 6


def as_shipped(label, pitch):
    return [2, 1, 2, 1, 1, 1]


def one_frame_to_spare(label, pitch):
    return largest(label, pitch, len(label) + repeats_of(label) + 1)


def one_too_far(label, pitch):
    strides = largest(label, pitch, len(label) + repeats_of(label))
    twos = min(strides.count(2) + 1, 6)
    return [2] * twos + [1] * (6 - twos)


def reshaped(x, weight):
    n, c, h, t = x.shape
    return (x.reshape(n, t, c * h) @ weight.T).log_softmax(-1)


def flattened(x, weight):
    n, c, h, t = x.shape
    return (x.flatten(1).view(n, t, c * h) @ weight.T).log_softmax(1)


def over_the_frames(x, weight):
    return (x.permute(0, 3, 1, 2).flatten(2) @ weight.T).log_softmax(1)


def over_the_lines(x, weight):
    return (x.permute(0, 3, 1, 2).flatten(2) @ weight.T).log_softmax(0)


def rows_first(x, weight):
    return (x.permute(0, 3, 2, 1).flatten(2) @ weight.T).log_softmax(-1)


def time_first(x, weight):
    return (x.permute(3, 0, 1, 2).flatten(2) @ weight.T).log_softmax(-1)


def not_normalised(x, weight):
    return x.permute(0, 3, 1, 2).flatten(2) @ weight.T


def probabilities(x, weight):
    return torch.softmax(x.permute(0, 3, 1, 2).flatten(2) @ weight.T, -1)
