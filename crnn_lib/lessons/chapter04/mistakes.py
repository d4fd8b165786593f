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


def probabilities_added(log_probs, alignment):
    return sum(log_probs[t, c].exp() for t, c in enumerate(alignment))


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


def loss_returned(log_probs, label):
    return -in_log_space(log_probs, label)


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


def mean_subtracted(values):
    values = torch.tensor(values, dtype=torch.float64)
    return values.mean() + (values - values.mean()).exp().sum().log()


def largest_only(values):
    return max(values)


def logs_summed(values):
    return sum(values)


def largest_not_added_back(values):
    return nan_for_nothing(values) - max(values) if max(values) > -math.inf else -math.inf


def skip_the_largest(values):
    rest = sorted(values)[:-1]
    return max(values) + sum(math.exp(v - max(values)) for v in rest if v > -math.inf)


def without_the_log(values):
    return sum(math.exp(value) for value in values)


def log_mean_exp(values):
    return torch.tensor(values, dtype=torch.float64).logsumexp(0) - math.log(len(values))


def right_skip(states, s):
    return states[s] != states[s - 2]


def step(alpha, states, emitted, *, skips=right_skip, combine=sum, first=(1, 2)):
    """One step with a rule of its own for skips, and for combining the ways.

    ``first`` holds the first state that has an arrow from one before, and from two before.
    """
    new = []
    for s in range(len(states)):
        ways = [alpha[s]]
        if s >= first[0]:
            ways.append(alpha[s - 1])
        if s >= first[1] and skips(states, s):
            ways.append(alpha[s - 2])
        new.append(combine(ways) * emitted[s])
    return new


def never_skipping(alpha, states, emitted):
    return step(alpha, states, emitted, skips=lambda states, s: False)


def skipping_between_equals(alpha, states, emitted):
    return step(alpha, states, emitted, skips=lambda states, s: states[s] != 0)


def any_skip_but_equals(states, s):
    return states[s] == 0 or right_skip(states, s)


def skipping_characters(alpha, states, emitted):
    return step(alpha, states, emitted, skips=any_skip_but_equals)


def skipping_everywhere(alpha, states, emitted):
    return step(alpha, states, emitted, skips=lambda states, s: True)


def never_going_on(alpha, states, emitted):
    return step(alpha, states, emitted, first=(len(states), 2))


def never_staying(alpha, states, emitted):
    return step(alpha, states, emitted, combine=lambda ways: sum(ways[1:]))


def best_way_only(alpha, states, emitted):
    return step(alpha, states, emitted, combine=max)


def ways_multiplied(alpha, states, emitted):
    return step(alpha, states, emitted, combine=math.prod)


def without_the_emission(alpha, states, emitted):
    return step(alpha, states, [1.0] * len(states))


def emission_added(alpha, states, emitted):
    ways = without_the_emission(alpha, states, emitted)
    return [way + e for way, e in zip(ways, emitted, strict=True)]


def emitted_by_class(alpha, states, emitted):
    return step(alpha, states, [emitted[c] for c in states])


def emission_of_the_source(alpha, states, emitted):
    weighted = [a * e for a, e in zip(alpha, emitted, strict=True)]
    return without_the_emission(weighted, states, emitted)


def around_the_corner(alpha, states, emitted):
    return step(alpha, states, emitted, first=(0, 0))


def next_around_the_corner(alpha, states, emitted):
    return step(alpha, states, emitted, first=(0, 2))


def in_place(alpha, states, emitted):
    alpha = list(alpha)
    for s in range(len(states)):
        ways = [alpha[s], *alpha[max(s - 1, 0) : s]]
        if s >= 2 and right_skip(states, s):
            ways.append(alpha[s - 2])
        alpha[s] = sum(ways) * emitted[s]
    return alpha


def scaled(alpha, states, emitted):
    new = step(alpha, states, emitted)
    return [a / (sum(new) or 1.0) for a in new]


def back(beta, states, emitted, *, skips=right_skip, combine=None, wrap=False):
    """One step backwards in logarithms: the same from the right, with the frame after in it."""
    ahead, last, new = beta + emitted, len(states) - 1, torch.full_like(beta, -math.inf)
    combine = combine or (lambda ways: ways.logsumexp(0))
    for s in range(len(states)):
        ways = [ahead[s]]
        if s + 1 <= last or wrap:
            ways.append(ahead[(s + 1) % len(states)])
        if s + 2 <= last and skips(states, s + 2):
            ways.append(ahead[s + 2])
        new[s] = combine(torch.stack(ways))
    return new


def beta_without_emission(beta, states, emitted):
    return back(beta, states, torch.zeros_like(emitted))


def beta_emission_of_the_source(beta, states, emitted):
    return beta_without_emission(beta, states, emitted) + emitted


def beta_with_alphas_arrows(beta, states, emitted):
    turned = (x.flip(0) for x in (beta, states, emitted))
    return back(*turned).flip(0)


def beta_skipping_between_equals(beta, states, emitted):
    return back(beta, states, emitted, skips=lambda states, s: states[s] != 0)


def beta_skipping_characters(beta, states, emitted):
    return back(beta, states, emitted, skips=any_skip_but_equals)


def beta_never_skipping(beta, states, emitted):
    return back(beta, states, emitted, skips=lambda states, s: False)


def beta_skipping_everywhere(beta, states, emitted):
    return back(beta, states, emitted, skips=lambda states, s: True)


def beta_comparing_backwards(beta, states, emitted):
    return back(beta, states, emitted, skips=lambda states, s: states[s - 2] != states[s - 4])


def beta_never_staying(beta, states, emitted):
    return back(
        beta,
        states,
        emitted,
        combine=lambda w: w[1:].logsumexp(0) if len(w) > 1 else w[0] - math.inf,
    )


def beta_best_way_only(beta, states, emitted):
    return back(beta, states, emitted, combine=lambda ways: ways.max())


def beta_ways_multiplied(beta, states, emitted):
    return back(beta, states, emitted, combine=lambda ways: ways.sum())


def beta_around_the_corner(beta, states, emitted):
    return back(beta, states, emitted, wrap=True)


def beta_as_probabilities(beta, states, emitted):
    return back(beta, states, emitted).exp()


def beta_in_place(beta, states, emitted):
    beta = beta.clone()
    for s in reversed(range(len(states))):
        ways = [beta[k] + emitted[k] for k in (s, s + 1) if k < len(states)]
        if s + 2 < len(states) and right_skip(states, s + 2):
            ways.append(beta[s + 2] + emitted[s + 2])
        beta[s] = torch.stack(ways).logsumexp(0)
    return beta


def other_sign(log_probs, states, alpha, beta):
    return -gradient_with(log_probs, states, alpha, beta)


def gamma_of(log_probs, states, alpha, beta, *, add=True, divide=True, late=0.0, early=0.0):
    """Gamma of each class; ``early`` and ``late`` times the emission, before and after log P."""
    through, emitted = alpha + beta, log_probs[:, states]
    through = through + early * emitted
    total = through[0].logsumexp(0) if divide else 0.0
    by_state, gamma = (through - total + late * emitted).exp(), torch.zeros_like(log_probs)
    for s, c in enumerate(states):
        gamma[:, c] = (gamma[:, c] if add else 0.0) + by_state[:, s]
    return gamma


def gradient_with(log_probs, *case, **how):
    return log_probs.exp() - gamma_of(log_probs, *case, **how)


def last_state_wins(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta, add=False)


def not_normalised(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta, divide=False)


def divided_by_all_last_alphas(log_probs, states, alpha, beta):
    shares = (alpha + beta - alpha[-1].logsumexp(0)).exp()
    return log_probs.exp() - summed_by_class(log_probs, states, shares)


def normalised_over_frames(log_probs, states, alpha, beta):
    through = alpha + beta
    shares = (through - through.logsumexp(0)).exp().nan_to_num()
    return log_probs.exp() - summed_by_class(log_probs, states, shares)


def normalised_over_all(log_probs, states, alpha, beta):
    through = alpha + beta
    shares = (through - through.flatten().logsumexp(0)).exp()
    return log_probs.exp() - summed_by_class(log_probs, states, shares)


def summed_by_class(log_probs, states, shares):
    return torch.zeros_like(log_probs).index_add(1, states, shares)


def emission_taken_out(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta, early=-1.0)


def emission_taken_out_late(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta, late=-1.0)


def emission_twice(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta, late=1.0)


def for_log_probs(log_probs, states, alpha, beta):
    return -gamma_of(log_probs, states, alpha, beta)


def divided_by_p(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta) / log_probs.exp()


def for_probabilities(log_probs, states, alpha, beta):
    return -gamma_of(log_probs, states, alpha, beta) / log_probs.exp()


def without_exp(log_probs, states, alpha, beta):
    return log_probs - gamma_of(log_probs, states, alpha, beta)


def gamma_in_logs(log_probs, states, alpha, beta):
    return log_probs.exp() - gamma_of(log_probs, states, alpha, beta).log()


def gamma_alone(log_probs, states, alpha, beta):
    return gamma_of(log_probs, states, alpha, beta)


def averaged_over_frames(log_probs, states, alpha, beta):
    return gradient_with(log_probs, states, alpha, beta) / len(log_probs)
