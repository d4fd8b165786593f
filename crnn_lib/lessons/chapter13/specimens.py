"""The specimens of notebook 13: small functions, each with one bug of public code.

Each re-creates a bug that was first met in somebody's repository (the notebook names it), in a few
lines of our own. They run without an error, and all of them are wrong. The docstrings say what
the functions promise, not what they do. :mod:`crnn_lib.lessons.chapter13.cases` mends them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from itertools import groupby

import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from crnn_lib.ctc import collapse
from crnn_lib.decoders import best_path


def show_source(specimen: Callable) -> None:
    """Print a function's code."""
    print(inspect.getsource(specimen).rstrip())


def learn(loss_of, label, classes=11):
    """Learn one line of 16 frames: no network, its scores are free numbers.

    Returns the loss at each of 201 steps, to one decimal, and the label that is read at the end.
    """
    scores, losses = torch.zeros(16, classes, dtype=torch.float64), []  # (T, C)
    for _ in range(201):
        scores = scores.detach().requires_grad_()
        loss = loss_of(scores, label)
        losses.append(round(loss.item(), 1) + 0.0)
        scores = scores - torch.autograd.grad(loss, scores)[0]
    return losses, collapse(scores.argmax(-1))


# Symptoms in the loss -----------------------------------------------------------------------------


def line_loss(scores, label):
    """CTC loss of one line, from what the network returns: (T, C)."""
    lengths = torch.tensor([len(scores)]), torch.tensor([len(label)])
    return F.ctc_loss(scores[:, None], torch.tensor([label]), *lengths, reduction="sum")


def batch_losses(log_probs, labels):
    """CTC loss of each line. log_probs: (N, T, C), normalised. labels: N lists."""
    targets = pad_sequence([torch.tensor(label) for label in labels], batch_first=True)
    count, longest = targets.shape
    lengths = torch.full((count,), log_probs.shape[1]), torch.full((count,), longest)
    return F.ctc_loss(log_probs.transpose(0, 1), targets, *lengths, reduction="none")


def mean_loss(log_probs, labels):
    """Mean CTC loss of the lines. log_probs: (N, T, C), normalised. labels: N lists."""
    targets = pad_sequence([torch.tensor(label) for label in labels], batch_first=True)
    lengths = torch.full((len(labels),), log_probs.shape[1]), torch.tensor([*map(len, labels)])
    frames_first = log_probs.transpose(0, 1)
    return F.ctc_loss(frames_first, targets, *lengths, reduction="none", zero_infinity=True).mean()


def reported_loss(log_probs, labels):
    """Minus log P(label), as the mean over the lines. log_probs: (N, T, C). labels: N lists."""
    targets = pad_sequence([torch.tensor(label) for label in labels], batch_first=True)
    lengths = torch.full((len(labels),), log_probs.shape[1]), torch.tensor([*map(len, labels)])
    return F.ctc_loss(log_probs.transpose(0, 1), targets, *lengths, reduction="mean")


# Symptoms in the text -----------------------------------------------------------------------------


def read_frames(log_probs, blank):
    """The label of one line, (T, C), by best path."""
    best = log_probs.argmax(-1).tolist()
    return [c for c, _ in groupby(best) if c]


def read_text(log_probs):
    """The text of one line, (T, C)."""
    (found,) = best_path(log_probs)
    return "".join(character for character, _ in groupby(found.text))


def encode(text):
    """Class indices of a text of digits. Class 0 is the blank."""
    return [int(character) for character in text]


def n_best(log_probs, width):
    """The most probable labels of one line, (T, C), with their log-probabilities."""
    beam = [((), 0.0)]
    for frame in log_probs.tolist():
        longer = [((*path, c), score + p) for path, score in beam for c, p in enumerate(frame)]
        beam = sorted(longer, key=lambda pair: -pair[1])[:width]
    return [(collapse(path), score) for path, score in beam]


def align(log_probs, label):
    """The most probable alignment of a label: one class for each of T frames."""
    states = [0, *(c for character in label for c in (character, 0))]
    score, back = torch.full((len(states),), -math.inf), []
    score[:2] = log_probs[0, states[:2]]
    for frame in log_probs[1:]:
        ways = ways_into(states, score)  # (3, S): stay, next, skip
        back.append(ways.argmax(0).tolist())
        score = ways.logsumexp(0) + frame[states]
    s = len(states) - 1 - int(score[-2] > score[-1])
    path = [s]
    for steps in reversed(back):
        path.append(s := s - steps[s])
    return [states[s] for s in reversed(path)]


def ways_into(states, score, never=-math.inf):
    """What each state had, the one before, and the one before that if it may be skipped: (3, S)."""
    before = torch.cat([score.new_full((2,), never), score])
    barred = torch.tensor([s < 2 or states[s] == states[s - 2] for s in range(len(states))])
    return torch.stack([score, before[1:-1], before[:-2].masked_fill(barred, never)])


# inf and NaN --------------------------------------------------------------------------------------


def loss_by_sums(log_probs, label):
    """Minus log P(label) of one line, (T, C): the recursion of notebook 04."""
    states = [0, *(c for character in label for c in (character, 0))]
    alpha = torch.zeros(len(states), dtype=log_probs.dtype)
    alpha[:2] = log_probs[0, states[:2]].exp()
    for frame in log_probs[1:]:
        alpha = ways_into(states, alpha, never=0.0).sum(0) * frame[states].exp()
    return -alpha[-2:].sum().log()


def loss_in_logs(log_probs, label):
    """Minus log P(label) of one line, (T, C), in logarithms."""
    states = [0, *(c for character in label for c in (character, 0))]
    never = torch.full((len(states) - 2,), -math.inf, dtype=log_probs.dtype)
    alpha = torch.cat([log_probs[0, states[:2]], never])
    for frame in log_probs[1:]:
        alpha = ways_into(states, alpha).logsumexp(0) + frame[states]
    return -alpha[-2:].logsumexp(0)


# Fine in training, bad in the test ----------------------------------------------------------------


def share_right(network, lines):
    """Share of the lines that a network reads without a mistake."""
    log_probs, frame_lengths = network(lines.images, lines.widths)
    read = best_path(log_probs.detach(), frame_lengths, scores=False)
    return sum(h.text == text for h, text in zip(read, lines.texts, strict=True)) / len(lines)


def read_batch(network, lines):
    """Log-probabilities (N, T, C) and frame lengths (N,) of a batch, padded on the right."""
    with torch.no_grad():
        log_probs, frame_lengths = network(lines.images)
    return log_probs, frame_lengths


def accuracy(batches, batch_size):
    """Share of the lines read right. batches: for each a list of True and False."""
    right = sum(sum(batch) for batch in batches)
    return right / (len(batches) * batch_size)
