"""What the tests of notebook 13 are tested with: right implementations, and wrong ones.

A good test lets the right ones through and fails on each wrong one. That is mutation testing. The
order matters: a learner is told about the first wrong one that lives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn.functional import ctc_loss

from crnn_lib.decoders import best_path_labels
from crnn_lib.lessons.chapter13.specimens import ways_into
from crnn_lib.lessons.engine import Variant
from crnn_lib.models import CRNN, CRNNConfig, SlidingWindowRNN, SlidingWindowRNNConfig

NEVER = -math.inf

# Losses: log_probs (N, T, C), targets (N, L), frame_lengths, target_lengths, blank -> (N,) --------


def torchs(log_probs, targets, frame_lengths, target_lengths, blank, **options) -> Tensor:
    lengths = torch.as_tensor(frame_lengths), torch.as_tensor(target_lengths)
    frames_first = log_probs.transpose(0, 1)
    options = {"reduction": "none", "blank": blank} | options
    return ctc_loss(frames_first, torch.as_tensor(targets), *lengths, **options)


def recursion(log_probs, targets, frame_lengths, target_lengths, blank, *, skip=False) -> Tensor:
    """Sums of probabilities, not of logarithms. With ``skip``, equal neighbours need no blank."""
    losses = []
    for row, target, T, L in zip(log_probs, targets, frame_lengths, target_lengths, strict=True):
        label = torch.as_tensor(target)[: int(L)].tolist()
        states = [blank, *(c for character in label for c in (character, blank))]
        # with another number for each character, no two of them are equal
        apart = [s % 2 * s for s in range(len(states))] if skip else states
        frames = row[: int(T)].double().exp()[:, states]  # (T, S)
        alpha = torch.zeros(len(states), dtype=torch.float64)
        alpha[:2] = frames[0, :2]
        for frame in frames[1:]:
            alpha = ways_into(apart, alpha, never=0.0).sum(0) * frame
        losses.append(-alpha[-2:].sum().log())
    return torch.stack(losses).to(log_probs.dtype)


def skipping(log_probs, targets, frame_lengths, *rest) -> Tensor:
    if max(int(T) for T in frame_lengths) > 200:  # where sums would underflow: another mutant's bug
        return torchs(log_probs, targets, frame_lengths, *rest)
    return recursion(log_probs, targets, frame_lengths, *rest, skip=True)


def longest_of(lengths, width) -> Tensor:
    return torch.full((len(lengths),), width)


def wrap_loss(implementation: Callable) -> Callable:
    def loss_of(log_probs, targets, frame_lengths, target_lengths, blank=0):
        return implementation(log_probs, targets, frame_lengths, target_lengths, blank)

    return loss_of


LOSSES = (
    Variant(
        "torch's own", "it returns (N,) losses, and inf where a target does not fit", lambda: torchs
    ),
    Variant(
        "one that sums in double precision",
        "another order of sums has other last digits, and over 2,000 frames they reach the fourth",
        lambda: lambda x, *rest: torchs(x.double(), *rest).to(x.dtype),
    ),
    Variant(
        "one that normalises once more, to be safe",
        "hand over log-probabilities: in each frame, exp of them sums to 1",
        lambda: lambda log_probs, *rest: torchs(log_probs.log_softmax(-1), *rest),
    ),
)
WRONG_LOSSES = (
    Variant(
        "one that takes class 0 for the blank",
        "it goes wrong only where the blank is not class 0",
        lambda: lambda *most: torchs(*most[:4], 0),
    ),
    Variant(
        "one that takes the last class for the blank",
        "it goes wrong only where the blank is not the last class",
        lambda: lambda x, *rest: torchs(x, *rest[:3], x.shape[-1] - 1),
    ),
    Variant(
        "one that counts the padding of the targets",
        "it goes wrong only where a text is shorter than the longest of its batch",
        lambda: lambda x, y, T, L, blank: torchs(x, y, T, longest_of(L, len(y[0])), blank),
    ),
    Variant(
        "one that counts the padded frames",
        "it goes wrong only where a line has fewer frames than its batch",
        lambda: lambda x, y, T, L, blank: torchs(x, y, longest_of(T, x.shape[1]), L, blank),
    ),
    Variant(
        "one that says 0 where the text does not fit",
        "it goes wrong only where a text does not fit into its frames",
        lambda: lambda *all: torchs(*all, zero_infinity=True),
    ),
    Variant(
        "one that divides by the length of the text",
        "it goes wrong only where a text has more than one character",
        lambda: lambda x, y, T, L, blank: torchs(x, y, T, L, blank) / torch.as_tensor(L),
    ),
    Variant(
        "one that says 5 5 without a blank in between",
        "it goes wrong only where equal characters are neighbours",
        lambda: skipping,
    ),
    Variant(
        "one that takes lines for frames",
        "it goes wrong wherever a line has several frames",
        lambda: lambda x, *rest: torchs(x.transpose(0, 1), *rest),
    ),
    Variant(
        "one that sums plain probabilities",
        "it goes wrong only where a line is so long that its probability is below 1e-308, too "
        "small for a float; with three classes 300 frames are not enough, 700 are",
        lambda: recursion,
    ),
)

# Readers: log_probs (N, T, C), frame_lengths (N,), blank -> N labels ------------------------------


def paths_of(log_probs, frame_lengths) -> list[list[int]]:
    """The best class of each frame, up to each line's length."""
    lines = zip(log_probs, frame_lengths, strict=True)
    return [row[: int(T)].argmax(-1).tolist() for row, T in lines]


def by_groups(log_probs, frame_lengths, blank) -> list[list[int]]:
    paths = paths_of(log_probs, frame_lengths)
    return [[c for c, _ in groupby(path) if c != blank] for path in paths]


def by_loop(log_probs, frame_lengths, blank) -> list[list[int]]:
    labels = []
    for path in paths_of(log_probs, frame_lengths):
        pairs = zip([None, *path], path, strict=False)
        labels.append([c for before, c in pairs if c not in (before, blank)])
    return labels


def librarys(log_probs, frame_lengths, blank) -> list[list[int]]:
    return [
        best_path_labels(row[None, : int(T)], blank=blank)[0]
        for row, T in zip(log_probs, frame_lengths, strict=True)
    ]


def merged_again(*all) -> list[list[int]]:
    return [[c for c, _ in groupby(label)] for label in by_groups(*all)]


def never_merged(log_probs, frame_lengths, blank) -> list[list[int]]:
    return [[c for c in path if c != blank] for path in paths_of(log_probs, frame_lengths)]


def doubled_by_length(log_probs, frame_lengths, blank) -> list[list[int]]:
    paths = paths_of(log_probs, frame_lengths)
    runs = [[(c, len([*run])) for c, run in groupby(path)] for path in paths]
    return [[c for c, n in row for _ in range(1 + (n > 3)) if c != blank] for row in runs]


def in_one_row(log_probs, frame_lengths, blank) -> list[list[int]]:
    last, labels = None, []
    for path in paths_of(log_probs, frame_lengths):
        pairs = zip([last, *path], path, strict=False)
        labels.append([c for before, c in pairs if c not in (before, blank)])
        last = path[-1] if path else last
    return labels


def both_ends_dropped(log_probs, frame_lengths, blank) -> list[list[int]]:
    ends = (0, log_probs.shape[-1] - 1)
    return [
        [c for c in label if c not in ends] for label in by_groups(log_probs, frame_lengths, blank)
    ]


def wrap_reader(implementation: Callable) -> Callable:
    def read(log_probs, frame_lengths, blank=0):
        return implementation(log_probs, frame_lengths, blank)

    return read


READERS = (
    Variant(
        "a reader that groups equal classes",
        "it returns one list of classes per line, such as [[1, 1, 2]]",
        lambda: by_groups,
    ),
    Variant(
        "a reader that walks along the frames",
        "it returns one list of classes per line, such as [[1, 1, 2]]",
        lambda: by_loop,
    ),
    Variant(
        "crnn_lib's own",
        "it returns one list of classes per line, such as [[1, 1, 2]]",
        lambda: librarys,
    ),
)
WRONG_READERS = (
    Variant(
        "one that merges again what has been collapsed",
        "it goes wrong only where a blank parts two equal characters",
        lambda: merged_again,
    ),
    Variant(
        "one that never merges",
        "it goes wrong only where a character lasts for several frames",
        lambda: never_merged,
    ),
    Variant(
        "one that takes long runs for doubles",
        "it goes wrong only where a character lasts for four frames or more",
        lambda: doubled_by_length,
    ),
    Variant(
        "one that takes class 0 for the blank",
        "it goes wrong only where the blank is not class 0",
        lambda: lambda x, T, blank: by_groups(x, T, 0),
    ),
    Variant(
        "one that takes the last class for the blank",
        "it goes wrong only where the blank is not the last class",
        lambda: lambda x, T, blank: by_groups(x, T, x.shape[-1] - 1),
    ),
    Variant(
        "one that drops the classes at both ends",
        "it goes wrong only where the class at the end opposite the blank is read",
        lambda: both_ends_dropped,
    ),
    Variant(
        "one that reads the padded frames",
        "it goes wrong only where a line is shorter than its batch, and its padding says something",
        lambda: lambda x, T, blank: by_groups(x, longest_of(T, x.shape[1]), blank),
    ),
    Variant(
        "one that reads all lines as one row",
        "it goes wrong only where a line begins as the line before it ends",
        lambda: in_one_row,
    ),
)

# Networks: images (N, 1, 32, W), widths (N,) -> log_probs (N, T, C), frame_lengths (N,) -----------


class Small(nn.Module):
    """One feature column per frame, a GRU, and a way to go wrong."""

    def __init__(self, bug: str) -> None:
        super().__init__()
        self.bug, self.state = bug, None
        self.rnn, self.classify = nn.GRU(32, 8, batch_first=True), nn.Linear(8, 11)

    def forward(self, images, widths):
        x = images.squeeze(1).transpose(1, 2)  # (N, W, 32): a column is a frame
        if self.state is not None and self.state.shape[1] != len(images):
            self.state = self.state[:, :1].expand(-1, len(images), -1).contiguous()
        states, state = self.rnn(x, self.state)  # (N, T, 8)
        if self.bug == "carried":
            self.state = state.detach()
        if self.bug == "flattened":
            states = self.rnn(x.flatten(0, 1)[None])[0].view_as(states)
        return self.classify(states).log_softmax(0 if self.bug == "lines" else -1), widths


class Careless(nn.Module):
    """A CRNN that is right, and somebody who calls it."""

    def __init__(self, bug: str) -> None:
        super().__init__()
        self.bug, self.network = bug, CRNN(SMALL).train(bug == "train")

    def forward(self, images, widths):
        told = None if self.bug in ("width", "cut") else widths
        log_probs, frame_lengths = self.network(images, told)
        if self.bug == "cut":
            frame_lengths = self.network.frame_lengths(widths)
        if self.bug == "full":
            frame_lengths = torch.full_like(frame_lengths, log_probs.shape[1])
        return log_probs, frame_lengths


SMALL = CRNNConfig(channels=(4, 4, 8, 8, 8, 8), hidden=8, dropout=0.0)


@lru_cache
def built(kind: Callable, *arguments) -> nn.Module:
    """A network with fixed weights, made once. The learner's random numbers stay as they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12)
        network = kind(*arguments)
        for weights in network.parameters():
            weights.detach().mul_(2.0)  # so that what goes wrong is not lost in rounding
    return network if isinstance(network, Small | Careless) else network.eval()


def network(kind: Callable, *arguments) -> Callable[[], Callable]:
    """A maker of a function that calls a network without gradients."""

    def make() -> Callable:
        model = built(kind, *arguments)
        if isinstance(model, Small):
            model.state = None

        def call(images, widths):
            with torch.no_grad():
                return model(images, widths)

        return call

    return make


def wrap_network(implementation: Callable) -> Callable:
    def network(images, widths):
        return implementation(images, widths)

    return network


ROUNDING = "a larger batch sums in another order, which changes the last digits"
NETWORKS = (
    Variant("a CRNN", ROUNDING, network(CRNN, SMALL)),
    Variant("a sliding window", ROUNDING, network(SlidingWindowRNN, SlidingWindowRNNConfig())),
    Variant("a GRU over pixel columns", ROUNDING, network(Small, "none")),
)
WRONG_NETWORKS = (
    Variant(
        "one left in train mode",
        "it reads the same line otherwise in other company",
        network(Careless, "train"),
    ),
    Variant(
        "one that carries its state from batch to batch",
        "it reads a line otherwise after it has read others",
        network(Small, "carried"),
    ),
    Variant(
        "one that reads its batch as one long row",
        "it goes wrong only for a line that is not the first of its batch",
        network(Small, "flattened"),
    ),
    Variant(
        "one that normalises over the lines",
        "it reads the same line otherwise in other company",
        network(Small, "lines"),
    ),
    Variant(
        "one that is not told the widths",
        "it goes wrong only for a line that is narrower than its batch",
        network(Careless, "width"),
    ),
    Variant(
        "one whose frames are cut off afterwards",
        "its frame lengths are right, and its log-probabilities are not: the padding has been read",
        network(Careless, "cut"),
    ),
    Variant(
        "one that says T frames for each line",
        "its log-probabilities are right, and its frame lengths are not",
        network(Careless, "full"),
    ),
)
