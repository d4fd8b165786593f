"""Oracles for the exercises of notebook 14: the right answers, by other means."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.lessons.engine import as_tensor
from crnn_lib.models import CRNN, CRNNConfig


@functools.cache
def _by_building(channels: tuple[int, ...], rows: int, hidden: int, classes: int) -> int:
    with torch.device("meta"):  # shapes without numbers
        config = CRNNConfig(
            height=rows, channels=channels, strides=((1, 1),) * len(channels), hidden=hidden
        )
        model = CRNN(config, Alphabet("0123456789abcdef"[: classes - 1]))
    return sum(p.numel() for p in model.parameters())


def by_building(channels: list[int], rows: int, hidden: int, classes: int) -> int:
    """What torch counts in a network of that shape: the oracle."""
    return _by_building(tuple(channels), rows, hidden, classes)


def by_halving(right: int, count: int) -> Tensor:
    """The shares p for which the count is 1.96 standard deviations off, by halving: the oracle."""
    share, z = right / count, 1.959964

    def far(p: float) -> bool:
        return (share - p) ** 2 > z * z * p * (1 - p) / count

    ends = []
    for outside in (0.0, 1.0):
        near = share
        if share == outside:
            ends.append(outside)
            continue
        for _ in range(60):
            middle = (outside + near) / 2
            outside, near = (middle, near) if far(middle) else (outside, middle)
        ends.append(near)
    return as_tensor(ends)


def by_throwing_coins(only_a: int, only_b: int) -> float:
    """Add coin after coin to all splits there are, then count the uneven ones: the oracle."""
    ways = {0: 1}  # lines of a minus lines of b -> number of ways
    for _ in range(only_a + only_b):
        further: dict[int, int] = {}
        for difference, number in ways.items():
            for step in (-1, 1):
                further[difference + step] = further.get(difference + step, 0) + number
        ways = further
    uneven = sum(n for difference, n in ways.items() if abs(difference) >= abs(only_a - only_b))
    return uneven / sum(ways.values())


def by_climbing(entries: list[tuple[int, int]]) -> list[int]:
    """From the smallest size up, the best of each size, if it is a new record: the oracle."""
    kept, record = [], -1
    for size in sorted({size for size, _ in entries}):
        best = max(right for s, right in entries if s == size)
        if best > record:
            kept += [i for i, entry in enumerate(entries) if entry == (size, best)]
            record = best
    return sorted(kept)


def by_marking(sections: list[tuple[str, str]], figures: list[tuple]) -> list[str]:
    """Cross out what is there: the oracle."""
    lacks = {name for name, _ in sections} | {"figures"}
    lacks -= {name for name, text in sections if text.split()}
    known = [sum(number is not None for number in figure) for figure in figures]
    if known and min(known) == 3:
        lacks.remove("figures")
    return sorted(lacks)
