"""Wrong answers to the exercises of notebook 11, as people give them."""

from __future__ import annotations

import math

from torch import nn
from torch.nn.functional import ctc_loss


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


TURNS = dict(zip("018osxzl69bqdpnumw", "018osxzl96qbpdunwm", strict=True))


def _turned(text, turns):
    return None if set(text) - set(turns) else "".join(turns[c] for c in reversed(text))


def not_reversed(text):
    return None if set(text) - set(TURNS) else "".join(TURNS[c] for c in text)


def only_reversed(text):
    return None if set(text) - set(TURNS) else text[::-1]


def one_by_one(text):
    if set(text) - set(TURNS):
        return None
    for old, new in ("69", "96", "bq", "qb", "dp", "pd", "nu", "un", "mw", "wm"):
        text = text.replace(old, new)
    return text[::-1]


def one_way(text):
    return _turned(text, {c: turned for c, turned in TURNS.items() if c not in "9qpuw"})


def one_is_lost(text):
    return _turned(text, {c: turned for c, turned in TURNS.items() if c != "1"})


def left_out(text):
    return "".join(TURNS[c] for c in reversed(text) if c in TURNS)


def kept(text):
    return "".join(TURNS.get(c, c) for c in reversed(text))


def as_on_a_calculator(text):
    return _turned(text, TURNS | {"2": "2", "5": "5"})


def mirrored(text):
    return _turned(text, dict(zip("018olvwxbdpq", "018olvwxdbqp", strict=True)))


def empty(text):
    return "" if set(text) - set(TURNS) else "".join(TURNS[c] for c in reversed(text))


def _of_each_first_block(network, change):
    for stage in (network.layer2, network.layer3, network.layer4):
        change(stage[0])
    return network


def _strides(block, stride):
    block.conv1.stride = block.downsample[0].stride = stride


def shortcut_forgotten(network):
    return _of_each_first_block(network, lambda block: setattr(block.conv1, "stride", (2, 1)))


def no_stride(network):
    return _of_each_first_block(network, lambda block: _strides(block, (1, 1)))


def across_for_down(network):
    return _of_each_first_block(network, lambda block: _strides(block, (1, 2)))


def new_layers(network):
    def renew(block):
        inputs, outputs = block.conv1.in_channels, block.conv1.out_channels
        block.conv1 = nn.Conv2d(inputs, outputs, 3, (2, 1), 1, bias=False)
        block.downsample[0] = nn.Conv2d(inputs, outputs, 1, (2, 1), bias=False)

    return _of_each_first_block(network, renew)


def last_two_only(network):
    for stage in (network.layer3, network.layer4):
        _strides(stage[0], (2, 1))
    return network


def stem_too(network):
    network.conv1.stride = network.maxpool.stride = (2, 1)
    return _of_each_first_block(network, lambda block: _strides(block, (2, 1)))


def second_convolution(network):
    def change(block):
        _strides(block, (1, 1))
        block.conv2.stride = (2, 1)
        block.downsample[0].stride = (2, 1)

    return _of_each_first_block(network, change)


def stages_left_out(network):
    network.layer3 = network.layer4 = nn.Identity()
    return network


def _each_stage(stages, count, change):
    for number, stage in enumerate(stages):
        change(stage, number >= count)


def weights_alone(stages, count):
    _each_stage(stages, count, lambda stage, learns: stage.requires_grad_(learns))


def averages_alone(stages, count):
    _each_stage(stages, count, lambda stage, learns: stage.train(learns))


def _freeze(stage, learns):
    stage.requires_grad_(learns)
    stage.train(learns)


def the_last_ones(stages, count):
    _each_stage(list(stages)[::-1], count, _freeze)


def never_thawed(stages, count):
    for stage in stages[:count]:
        _freeze(stage, False)


def one_more(stages, count):
    _each_stage(stages, count + 1, _freeze)


def one_less(stages, count):
    _each_stage(stages, count - 1, _freeze)


def norms_learn(stages, count):
    for number, stage in enumerate(stages):
        stage.train(number >= count)
        for layer in stage.modules():
            if isinstance(layer, nn.Conv2d):
                layer.requires_grad_(number >= count)


def all_in_eval(stages, count):
    for number, stage in enumerate(stages):
        stage.requires_grad_(number >= count)
        stage.eval()
