"""The cures of notebook 13's specimens, and what only hides their symptoms.

What hides a symptom is what people really do about it, and the tests of
:mod:`crnn_lib.lessons.chapter13.cases` tell it from the cure.
"""

from __future__ import annotations

import math
from itertools import groupby

import torch
from torch.nn import functional as F

from crnn_lib.ctc import collapse, forward_backward, minimum_frames
from crnn_lib.decoders import best_path, prefix_beams
from crnn_lib.lessons.chapter13 import specimens as wild

# What makes it right ------------------------------------------------------------------------------


def normalised_first(scores, label):
    return wild.line_loss(scores.log_softmax(-1), label)


def with_true_lengths(log_probs, labels):
    lengths = torch.full((len(labels),), log_probs.shape[1]), torch.tensor([*map(len, labels)])
    longest = max(map(len, labels))
    targets = torch.tensor([label + [1] * (longest - len(label)) for label in labels])
    return F.ctc_loss(log_probs.transpose(0, 1), targets, *lengths, reduction="none")


def naming_what_does_not_fit(log_probs, labels):
    for n, label in enumerate(labels):
        if minimum_frames(label) > log_probs.shape[1]:
            raise ValueError(f"line {n} needs {minimum_frames(label)} frames: {label}")
    return with_true_lengths(log_probs, labels).mean()


def mean_over_lines(log_probs, labels):
    return with_true_lengths(log_probs, labels).mean()


def dropping_the_given_blank(log_probs, blank):
    return collapse(log_probs.argmax(-1), blank=blank)


def merged_once(log_probs):
    return best_path(log_probs)[0].text


def encode_from_one(text):
    return [1 + int(character) for character in text]


def sums_of_paths(log_probs, width):
    return [*prefix_beams(log_probs, beam_width=width).items()]


def with_the_maximum(log_probs, label):
    states = [0, *(c for character in label for c in (character, 0))]
    score, back = torch.full((len(states),), -math.inf), []
    score[:2] = log_probs[0, states[:2]]
    for frame in log_probs[1:]:
        best, steps = wild.ways_into(states, score).max(0)
        back.append(steps.tolist())
        score = best + frame[states]
    path = [len(states) - 1 - int(score[-2] > score[-1])]
    for steps in reversed(back):
        path.append(path[-1] - steps[path[-1]])
    return [states[s] for s in reversed(path)]


def with_a_finite_never(log_probs, label):
    never, states = -1e30, [0, *(c for character in label for c in (character, 0))]
    alpha = torch.cat([log_probs[0, states[:2]], torch.full((len(states) - 2,), never)])
    for frame in log_probs[1:]:
        alpha = wild.ways_into(states, alpha, never).logsumexp(0) + frame[states]
    return -alpha[-2:].logsumexp(0)


def in_eval_mode(network, lines):
    was_training = network.training
    network.eval()
    share = wild.share_right(network, lines)
    network.train(was_training)
    return share


def told_the_widths(network, lines):
    with torch.no_grad():
        return network(lines.images, lines.widths)


def counting_the_lines(batches, batch_size):
    return sum(map(sum, batches)) / sum(map(len, batches))


# What only hides the symptom ----------------------------------------------------------------------


def cut_at_zero(function):
    return lambda *arguments: function(*arguments).clamp(min=0)


def without_its_sign(function):
    return lambda *arguments: function(*arguments).abs()


def only_the_finite(log_probs, labels):
    losses = with_true_lengths(log_probs, labels)
    return losses[losses.isfinite()].mean()


def times_the_mean_length(log_probs, labels):
    return wild.reported_loss(log_probs, labels) * sum(map(len, labels)) / len(labels)


def dropping_both_ends(log_probs, blank):
    return [c for c in collapse(log_probs.argmax(-1), blank=blank) if 0 < c < 10]


def never_merged(log_probs):
    return "".join("-0123456789"[c] for c in log_probs.argmax(-1) if c)


def long_runs_are_doubles(log_probs):
    runs = [(c, len([*run])) for c, run in groupby(log_probs.argmax(-1).tolist())]
    return "".join("-0123456789"[c] * (1 + (frames > 3)) for c, frames in runs if c)


def nought_is_left_out(text):
    return [int(character) for character in text if character != "0"]


def first_of_each_label(log_probs, width):
    kept = {}
    for label, score in wild.n_best(log_probs, width):
        kept.setdefault(tuple(label), score)
    return [*kept.items()]


def likeliest_class_of_each_frame(log_probs, label):
    return forward_backward(log_probs, label).occupancy.argmax(-1).tolist()


def plus_something_small(log_probs, label):
    return -((-wild.loss_by_sums(log_probs, label)).exp() + 1e-30).log()


def nan_set_to_nought(log_probs, label):
    log_probs.register_hook(torch.nan_to_num)
    return wild.loss_in_logs(log_probs, label)


def without_gradients(network, lines):
    with torch.no_grad():
        return wild.share_right(network, lines)


def cut_afterwards(network, lines):
    log_probs, _ = wild.read_batch(network, lines)
    return log_probs, network.frame_lengths(lines.widths)


def full_batches_only(batches, batch_size):
    full = [batch for batch in batches if len(batch) == batch_size]
    return wild.accuracy(full, batch_size)
