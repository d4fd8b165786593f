"""Small cases for the exercises of notebook 04, and their answers by definition: the oracles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Tensor

from crnn_lib import ctc
from crnn_lib.lessons.engine import words

LABELS = ([1], [1, 1], [1, 2], [2, 1, 1], [])


def lattices(frames: range, *, classes: int = 3) -> Iterator[Tensor]:
    """Log-probabilities (T, C), float64; the probabilities are whole tenths. Short ones first."""
    generator = torch.Generator().manual_seed(0)
    for length in frames:
        for _ in range(3):
            spread = torch.randint(classes, (length, 10 - classes), generator=generator)
            tenths = torch.stack([row.bincount(minlength=classes) for row in spread]) + 1
            yield (tenths / 10.0).double().log()


def product_of_probabilities(log_probs: Tensor, alignment: list[int]) -> float:
    """The definition, in probabilities: the oracle."""
    rows = log_probs.exp().tolist()
    return math.log(math.prod(row[c] for row, c in zip(rows, alignment, strict=True)))


def by_definition(log_probs: Tensor, label: list[int]) -> float:
    """Sum over all C^T alignments, and look where each one goes: the oracle."""
    rows = log_probs.exp().tolist()
    every = words(range(log_probs.shape[1]), len(rows), shortest=len(rows))
    return math.fsum(
        math.prod(row[c] for row, c in zip(rows, alignment, strict=True))
        for alignment in every
        if ctc.collapse(alignment) == label
    )


@cache
def steps_forwards() -> tuple[tuple[tuple, Tensor], ...]:
    """Arguments of one step forwards, as lists of probabilities, and its result."""
    found = []
    for log_probs, trellis in trellises():
        alpha, states = trellis.alpha.exp(), trellis.states.tolist()
        emitted = log_probs[:, states].exp()  # (T, S)
        for t in range(1, len(log_probs)):
            found.append(((alpha[t - 1].tolist(), states, emitted[t].tolist()), alpha[t]))
    return tuple(found)


@cache
def steps_backwards() -> tuple[tuple[tuple, Tensor], ...]:
    """Arguments of one step backwards, as tensors of logarithms, and its result."""
    found = []
    for log_probs, trellis in trellises():
        emitted = log_probs[:, trellis.states]  # (T, S)
        for t in reversed(range(len(log_probs) - 1)):
            case = (trellis.beta[t + 1], trellis.states, emitted[t + 1])
            found.append((case, trellis.beta[t]))
    return tuple(found)


def trellises() -> Iterator[tuple[Tensor, ctc.Trellis]]:
    """Lines of 2 to 4 frames, and the trellis of each label that fits."""
    for log_probs in lattices(range(2, 5)):
        for label in ([1], [1, 2], [1, 1], [1, 1, 2], []):
            if ctc.minimum_frames(label) <= len(log_probs):
                yield log_probs, ctc.forward_backward(log_probs, label)


@cache
def gradients() -> tuple[tuple[tuple, Tensor], ...]:
    """Arguments of the gradient, and the gradient that autograd finds."""
    found = []
    for log_probs in lattices(range(1, 5)):
        for label in LABELS:
            if ctc.minimum_frames(label) <= len(log_probs):
                trellis = ctc.forward_backward(log_probs, label)
                case = (log_probs.clone(), trellis.states, trellis.alpha, trellis.beta)
                found.append((case, by_autograd(log_probs, label)))
    return tuple(found)


def look_up(known: tuple[tuple[tuple, Tensor], ...]) -> Callable:
    """The oracle that knows the results of these very arguments."""
    return lambda *case: next(right for other, right in known if other[0] is case[0])


def by_autograd(log_probs: Tensor, label: list[int]) -> Tensor:
    """Derive minus the log of the definition, by the logits under a log_softmax."""
    logits = log_probs.clone().requires_grad_()
    normal, frames = logits.log_softmax(-1), torch.arange(len(log_probs))
    every = ctc.alignments(label, len(log_probs))
    total = torch.stack([normal[frames, torch.tensor(a)].sum() for a in every]).logsumexp(0)
    return torch.autograd.grad(-total, logits)[0]
