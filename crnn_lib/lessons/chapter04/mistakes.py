"""Wrong answers to the exercises of notebook 04, as people give them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from crnn_lib import ctc
from crnn_lib.lessons.engine import words


def summed(log_probs: Tensor, alignment) -> float:
    """What is right: the log-probability of an alignment."""
    return sum(log_probs[t, c].item() for t, c in enumerate(alignment))


def as_a_probability(log_probs, alignment):
    return math.exp(summed(log_probs, alignment))


def logs_multiplied(log_probs, alignment):
    return math.prod(log_probs[t, c].item() for t, c in enumerate(alignment))


def all_pairs(log_probs, alignment):
    return log_probs[:, alignment].sum()


def first_frame_only(log_probs, alignment):
    return log_probs[0, alignment].sum()


def best_classes(log_probs, alignment):
    return log_probs.max(1).values.sum()


def averaged(log_probs, alignment):
    return summed(log_probs, alignment) / len(alignment)


def without_blanks(log_probs, alignment):
    return sum(log_probs[t, c] for t, c in enumerate(alignment) if c != 0)


def negative(log_probs, alignment):
    return -summed(log_probs, alignment)


def scores(log_probs: Tensor, label: list[int]) -> list[float]:
    """Log-probability of each alignment of the label."""
    found = ctc.alignments(label, len(log_probs))
    return [summed(log_probs, a) for a in found]


def best_alignment_only(log_probs, label):
    return math.exp(max(scores(log_probs, label), default=-math.inf))


def logs_added(log_probs, label):
    return sum(scores(log_probs, label))


def probabilities_multiplied(log_probs, label):
    return math.exp(sum(scores(log_probs, label)))


def average_alignment(log_probs, label):
    found = scores(log_probs, label)
    return sum(map(math.exp, found)) / max(len(found), 1)


def in_log_space(log_probs, label):
    total = sum(map(math.exp, scores(log_probs, label)))
    return math.log(total) if total else -math.inf


def drop_then_merge(alignment):
    kept = [c for c in alignment if c]
    return [c for i, c in enumerate(kept) if not i or c != kept[i - 1]]


def collapsed_in_the_wrong_order(log_probs, label):
    every = words(range(log_probs.shape[1]), len(log_probs), shortest=len(log_probs))
    return sum(math.exp(summed(log_probs, a)) for a in every if drop_then_merge(a) == label)


def plain(values):
    return torch.tensor(values, dtype=torch.float64).exp().sum().log()


def nan_for_nothing(values):
    values = torch.tensor(values, dtype=torch.float64)
    return values.max() + (values - values.max()).exp().sum().log()


def largest_only(values):
    return max(values)


def logs_summed(values):
    return sum(values)


def largest_not_added_back(values):
    return nan_for_nothing(values) - max(values) if max(values) > -math.inf else -math.inf


def skip_the_largest(values):
    rest = sorted(values)[:-1]
    return max(values) + sum(math.exp(v - max(values)) for v in rest if v > -math.inf)


def step(alpha, states, emitted, *, may_pass, combine=lambda ways: ways.logsumexp(0), wrap=False):
    """One step with a rule of its own for passing, and for combining the ways."""
    new = torch.full_like(alpha, -math.inf)
    for s in range(len(states)):
        ways = [alpha[s]]
        if s >= 1 or wrap:
            ways.append(alpha[s - 1])
        if s >= 2 and may_pass(states, s):
            ways.append(alpha[s - 2])
        new[s] = combine(torch.stack(ways)) + emitted[s]
    return new


def right_pass(states, s):
    return states[s] != 0 and states[s] != states[s - 2]


def never_passing(alpha, states, emitted):
    return step(alpha, states, emitted, may_pass=lambda states, s: False)


def passing_between_equals(alpha, states, emitted):
    return step(alpha, states, emitted, may_pass=lambda states, s: states[s] != 0)


def passing_characters(alpha, states, emitted):
    return step(alpha, states, emitted, may_pass=lambda states, s: True)


def never_staying(alpha, states, emitted):
    return step(alpha, states, emitted, may_pass=right_pass, combine=lambda w: w[1:].logsumexp(0))


def best_way_only(alpha, states, emitted):
    return step(alpha, states, emitted, may_pass=right_pass, combine=lambda ways: ways.max())


def ways_multiplied(alpha, states, emitted):
    return step(alpha, states, emitted, may_pass=right_pass, combine=lambda ways: ways.sum())


def without_the_emission(alpha, states, emitted):
    return step(alpha, states, torch.zeros_like(emitted), may_pass=right_pass)


def around_the_corner(alpha, states, emitted):
    return step(alpha, states, emitted, may_pass=right_pass, wrap=True)


def in_place(alpha, states, emitted):
    alpha = alpha.clone()
    for s in range(len(states)):
        ways = [alpha[s], *alpha[max(s - 1, 0) : s]]
        if s >= 2 and right_pass(states, s):
            ways.append(alpha[s - 2])
        alpha[s] = torch.stack(ways).logsumexp(0) + emitted[s]
    return alpha


def other_sign(log_probs, states, alpha, beta):
    return -gradient_with(log_probs, states, alpha, beta)


def gradient_with(log_probs, states, alpha, beta, *, add=True, divide=True, emission=False):
    through = alpha + beta
    if emission:
        through = through - log_probs[:, states]
    total = through[0].logsumexp(0) if divide else 0.0
    occupancy, gamma = (through - total).exp(), torch.zeros_like(log_probs)
    for s, c in enumerate(states):
        gamma[:, c] = (gamma[:, c] if add else 0.0) + occupancy[:, s]
    return log_probs.exp() - gamma


def last_state_wins(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta, add=False)


def not_normalised(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta, divide=False)


def emission_taken_out(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta, emission=True)


def for_log_probs(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta) - log_probs.exp()


def without_exp(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta) - log_probs.exp() + log_probs


def averaged_over_frames(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta) / len(log_probs)
