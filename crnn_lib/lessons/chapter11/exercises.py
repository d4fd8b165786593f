"""Exercises of notebook 11: a pretrained network reads."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
    compare_at_work,
    plural,
    show,
    words,
)

if TYPE_CHECKING:
    from torchvision.models import ResNet

# 11.1 ---------------------------------------------------------------------------------------------


def keep_width(network):
    for stage in (network.layer2, network.layer3, network.layer4):
        first = stage[0]  # the one block of a stage that has strides
        first.conv1.stride = first.downsample[0].stride = (2, 1)
    return network


@functools.cache
def photo_network() -> ResNet:
    """torchvision's ResNet-18, of weights that are always the same."""
    from torchvision.models import resnet18  # it takes seconds, which no other exercise needs

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        return resnet18(weights=None).eval()


def columns_of(network: nn.Module, images: Tensor) -> Tensor:
    """What the layers before the pooling make of photographs: (N, 3, H, W) -> (N, 512, H', T)."""
    x = images
    for layer in list(network.children())[:-2]:
        x = layer(x)
    return x


def looks(keep_width: Callable) -> Callable:
    def features(images):
        """What a network sees after keep_width."""
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)  # of layers that are made anew
            network = keep_width(copy.deepcopy(photo_network()))
            if network is None:
                raise Unreadable("None: is a `return` missing?")
            if not isinstance(network, type(photo_network())):
                raise Unreadable(f"{show(network)}, where the network should be that was given")
            return as_tensor(columns_of(network.eval(), images))

    return features


def by_its_weights(images: Tensor) -> Tensor:
    """Each convolution by hand, with the strides that it should have: the oracle."""
    network = photo_network()

    def norm(x: Tensor, layer: Any) -> Tensor:
        values = layer.running_mean, layer.running_var, layer.weight, layer.bias
        return F.batch_norm(x, *values, eps=layer.eps)

    with torch.no_grad():
        x = F.conv2d(images, network.conv1.weight, None, 2, 3)
        x = F.max_pool2d(norm(x, network.bn1).relu(), 3, 2, 1)
        for number, stage in enumerate(
            (network.layer1, network.layer2, network.layer3, network.layer4)
        ):
            for place, block in enumerate(stage):
                strides = (2, 1) if number and not place else (1, 1)
                y = norm(F.conv2d(x, block.conv1.weight, None, strides, 1), block.bn1).relu()
                y = norm(F.conv2d(y, block.conv2.weight, None, 1, 1), block.bn2)
                if block.downsample is not None:
                    x = norm(
                        F.conv2d(x, block.downsample[0].weight, None, strides), block.downsample[1]
                    )
                x = (x + y).relu()
    return x.double()


def check_keep_width(attempt: Attempt) -> str:
    generator = torch.Generator().manual_seed(0)
    sizes = [(1, 32, 8), (1, 32, 64), (2, 32, 40), (1, 64, 24)]
    cases = [(torch.rand(n, 3, high, wide, generator=generator),) for n, high, wide in sizes]

    def example(case, got) -> str:
        shapes = tuple(case[0].shape), tuple(got.shape), tuple(by_its_weights(*case).shape)
        if shapes[1] == shapes[2]:
            return f"photographs {shapes[0]} give features of the right shape, of other numbers"
        return f"photographs {shapes[0]} give features {shapes[1]} instead of {shapes[2]}"

    count = compare_at_work(
        attempt,
        looks,
        cases,
        by_its_weights,
        rule="from layer2 on every stride halves the height alone, and the weights stay",
        example=example,
    )
    return (
        f"All {count} batches are seen as by the same weights with other strides. A frame is four "
        "columns now, and 512 numbers tall."
    )


# 11.2 ---------------------------------------------------------------------------------------------


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


# 11.3 ---------------------------------------------------------------------------------------------


def loss_of_scores(scores, targets, frame_lengths, target_lengths):
    log_probs = scores.log_softmax(-1).transpose(0, 1)  # (T, N, C), as torch wants it
    return torch.nn.functional.ctc_loss(
        log_probs, targets, frame_lengths, target_lengths, reduction="none"
    )


def by_enumeration(scores: Tensor, labels: list[list[int]], frame_lengths: Tensor) -> Tensor:
    """Add up the alignments of each line, one line at a time: the oracle."""
    losses = []
    for n, label in enumerate(labels):
        log_probs = scores[n, : int(frame_lengths[n])].double().log_softmax(-1)
        probability = label_probability_brute_force(log_probs, label, blank=0)
        losses.append(-math.log(probability) if probability else math.inf)
    return torch.tensor(losses)


def by_enumeration_of_targets(
    scores: Tensor, targets: Tensor, frame_lengths: Tensor, lengths: Tensor
) -> Tensor:
    """The same for labels in rows, padded: the oracle."""
    rows = zip(targets.tolist(), lengths.tolist(), strict=True)
    return by_enumeration(scores, [row[:length] for row, length in rows], frame_lengths)


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
        by_enumeration_of_targets,
        rule="torch's loss takes log-probabilities of shape (T, N, C), and one length per line",
        example=lambda case, got: f"scores of shape {tuple(case[0].shape)}",
    )
    return (
        f"All {count} batches agree with the sum over all alignments. No loss is negative "
        "any more, and a constant added to all scores of a frame changes nothing."
    )


# 11.4 ---------------------------------------------------------------------------------------------


def turned(text):
    half_turn = {}
    for a, b in "00 11 88 oo ss xx zz ll 69 bq dp nu mw".split():
        half_turn |= {a: b, b: a}
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
    pairs = ("69", "bq", "dp", "nu", "mw")
    shapes = {c: c for c in "018osxzl"} | {a: b for a, b in pairs} | {b: a for a, b in pairs}
    row = [shapes.get(character) for character in text]
    return None if None in row else "".join(row[::-1])


def check_turned(attempt: Attempt) -> str:
    cases = [(text,) for text in "0123456789abcdefghijklmnopqrstuvwxyz"]
    cases += [(a + b,) for a in "0168952" for b in "0168937"]
    cases += [(a + b,) for a in "bdnmoa" for b in "qpuwse"]
    texts = "619 55207 6009 98016 66999 pod sun mow swims noon dollop bud unpopular pound 9zoos"
    cases += [(text,) for text in texts.split()]
    count = compare(
        attempt,
        cases,
        by_turning,
        rule="after half a turn the last character comes first, and each is what it has become",
        example=lambda case, got: f"{case[0]!r}: {show(got)} instead of {show(by_turning(*case))}",
    )
    return (
        f"All {count} texts are right. A line turned by half a turn may say something, but seldom "
        "what its label says. The label would have to turn too."
    )


# 11.5 ---------------------------------------------------------------------------------------------


def freeze(stages, count):
    for number, stage in enumerate(stages):
        stage.requires_grad_(number >= count)
        stage.train(number >= count)


def small_stages() -> nn.ModuleList:
    """Four stages of a convolution and a norm, of weights that are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        stages = [
            nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
            for channels in (3, 4, 4, 4)
        ]
    return nn.ModuleList(stages)


def trains(freeze: Callable) -> Callable:
    def moved(counts):
        """Which weights, and which averages, a step of training moves: a row for each stage."""
        stages = small_stages().train()
        for count in counts:
            freeze(stages, count)
        before = [copy.deepcopy(stage.state_dict()) for stage in stages]
        x = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
        for stage in stages:
            x = stage(x)
        weights = [p for p in stages.parameters() if p.requires_grad]
        if x.requires_grad and weights:
            optimizer = torch.optim.SGD(weights, lr=0.1)
            x.square().mean().backward()
            optimizer.step()
        return [_changes(old, stage) for old, stage in zip(before, stages, strict=True)]

    return moved


def _changes(before: dict, stage: nn.Module) -> list[bool]:
    """Whether its weights are others now, those of the norm, and the norm's averages."""
    after = stage.state_dict()
    kinds = ("0.weight", "1.weight", "1.running_mean")
    return [not torch.equal(before[kind], after[kind]) for kind in kinds]


def by_counting(counts: list[int]) -> list[list[bool]]:
    """Only the last call counts, and its first stages stay: the oracle."""
    return [[False] * 3] * counts[-1] + [[True] * 3] * (4 - counts[-1])


def check_freeze(attempt: Attempt) -> str:
    cases = [([1],), ([2],), ([3],), ([4],), ([0],), ([2, 0],), ([3, 1],), ([1, 3],)]

    def example(case, got) -> str:
        calls = ", then ".join(f"freeze(stages, {count})" for count in case[0])
        pairs = zip(got, by_counting(*case), strict=True)
        number, row, right = next((n, a, b) for n, (a, b) in enumerate(pairs) if a != b)
        place = [a != b for a, b in zip(row, right, strict=True)].index(True)
        what = ("the weights", "the norm's weights", "the norm's averages")[place]
        return f"after {calls} a step {'moves' if row[place] else 'keeps'} {what} of stage {number}"

    count = compare_at_work(
        attempt,
        trains,
        cases,
        by_counting,
        rule="the first stages stay as they are, weights and averages; all others learn",
        example=example,
    )
    return (
        f"In all {count} networks the first stages are the same after a step of training, and the "
        "others are not. network.train() undoes half of it, so freeze again after each."
    )


EXERCISES = (
    Exercise(
        id="11.1",
        title="a trunk that keeps the width",
        task="Write keep_width(network): torchvision's ResNet-18 in, the same network out, whose "
        "layer2, layer3 and layer4 halve the height alone. No weight changes.",
        check=check_keep_width,
        reference=keep_width,
        seconds=30.0,
        mistakes=(
            Mistake(
                "the shortcut beside conv1 still halves the width, and the two no longer fit",
                wrong.shortcut_forgotten,
            ),
            Mistake("the height is to be halved as before, and it stays", wrong.no_stride),
            Mistake(
                "a stride is (down, across): this halves the width and keeps the height",
                wrong.across_for_down,
            ),
            Mistake(
                "the shape is right and the weights are gone: a new layer knows nothing",
                wrong.new_layers,
            ),
            Mistake("layer2 still halves the width", wrong.last_two_only),
            Mistake(
                "the first layer and the pool keep the width here too: four times as many frames "
                "as a text needs",
                wrong.stem_too,
            ),
            Mistake(
                "the strides are in front of these: the second convolution of a block has none",
                wrong.second_convolution,
            ),
            Mistake("the whole stage is left out: with it go its weights", wrong.stages_left_out),
        ),
        hints=(
            "print(network.layer2) shows which layers have stride=(2, 2). There are two of them in "
            "each of the three stages.",
            "Of each stage, the first block: its conv1, and the convolution on its shortcut, "
            "downsample[0]. A layer's stride can be set like any attribute.",
            "For each stage: stage[0].conv1.stride = stage[0].downsample[0].stride = (2, 1). In "
            "the end, return network.",
        ),
    ),
    Exercise(
        id="11.2",
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
        id="11.3",
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
        id="11.4",
        title="half a turn",
        task="Write turned(text): what a line of digits and small letters says after half a turn, "
        "or None if one of them is no character any more.",
        check=check_turned,
        returns=as_text_or_none,
        reference=turned,
        mistakes=(
            Mistake("after half a turn the last character comes first", wrong.not_reversed),
            Mistake(
                "the order is right, and each character stands as before: a 6 turns into a 9",
                wrong.only_reversed,
            ),
            Mistake(
                "6 becomes 9, and the next replacement makes a 6 of it again", wrong.one_by_one
            ),
            Mistake("pairs work both ways: q turns into b as b into q", wrong.one_way),
            Mistake("a stroke is a 1 from either side", wrong.one_is_lost),
            Mistake("one character that is none any more spoils the line: None", wrong.left_out),
            Mistake("what is no character any more was kept as it was", wrong.kept),
            Mistake("a turned 2 is no 2 in handwriting, and a 5 no 5", wrong.as_on_a_calculator),
            Mistake("this is a mirror, not half a turn: b there is d", wrong.mirrored),
            Mistake("say None, not an empty text, where nothing can be read", wrong.empty),
        ),
        hints=(
            "Write 6, 8, 601 and pod on paper, and turn the sheet upside down.",
            "Eight characters stay what they are, five pairs change places, all others are lost. "
            "And the line now starts at its other end.",
            'for a, b in "00 11 88 oo ss xx zz ll 69 bq dp nu mw".split(): half_turn |= {a: b, b: '
            "a}. Look each character up in half_turn, and join them in reversed order.",
        ),
    ),
    Exercise(
        id="11.5",
        title="frozen stages",
        task="Write freeze(stages, count): while the network trains, the first `count` stages stay "
        "as they are, their weights and the averages of their norms; all others learn.",
        check=check_freeze,
        reference=freeze,
        mistakes=(
            Mistake(
                "the weights stay and the norm's averages move: they follow every batch, without "
                "any gradient",
                wrong.weights_alone,
            ),
            Mistake("eval() keeps the averages and stops no gradient", wrong.averages_alone),
            Mistake(
                "the last stages are frozen here, and the first ones know the strokes",
                wrong.the_last_ones,
            ),
            Mistake("what was frozen once never learns again", wrong.never_thawed),
            Mistake("this is one stage more than asked", wrong.one_more),
            Mistake("this is one stage less than asked", wrong.one_less),
            Mistake(
                "a norm has a weight and a bias of its own, and they learn on", wrong.norms_learn
            ),
            Mistake("the norms of all stages are in eval mode", wrong.all_in_eval),
        ),
        hints=(
            "What changes in a stage during training? Weights by their gradients, and one more "
            "thing that has no gradient.",
            "stage.requires_grad_(False) keeps all its weights. The averages of its norms move as "
            "long as it is in train mode. Say both for each stage, also for those that learn.",
            "For the stage of that number: stage.requires_grad_(number >= count), and "
            "stage.train(number >= count).",
        ),
    ),
)
