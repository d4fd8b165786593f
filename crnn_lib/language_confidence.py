"""How sure is a reading among those that a language allows?

A reader that knows the check digit compares a reading only with the others that have a right check
digit. The probability of all of these together is :func:`language_log_probs`; a reading's share of
it is how sure it is. The share can be near 1 where the label's own probability is small, because a
string that cannot be has taken the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.automata import NOWHERE, WeightedAutomaton
from crnn_lib.ctc_batch import NEVER
from crnn_lib.fusion import fuse
from crnn_lib.lattices import check_lattices, frame_log_sums, inside

BLOCK = 1 << 17  # numbers that are worked on at once


@torch.no_grad()
def language_log_probs(
    log_probs: Tensor | np.ndarray,
    frame_lengths: Tensor | np.ndarray | Sequence[int] | None = None,
    *,
    language: WeightedAutomaton,
    alphabet: Alphabet | None = None,
    language_weight: float = 1.0,
    length_bonus: float = 0.0,
) -> Tensor:
    """Sum of what all strings of a language have together, as a logarithm, for each line.

    For a constraint it is the log-probability that the line holds any string that satisfies it. In
    general the sum is over exp(score), the score being that of
    :func:`crnn_lib.decoders.prefix_beam_search`; so ``exp(hypothesis.score - this)`` is how sure a
    hypothesis is, given the language.

    The forward pass of CTC, with the automaton's states in place of the label's: all alignments are
    summed that are in the same state, and end in the same class. It takes O(T S C) for each line.

    Parameters
    ----------
    log_probs : Tensor or ndarray, (N, T, C) or (T, C)
    frame_lengths : (N,) integers, optional
        As for :func:`crnn_lib.decoders.best_path`.
    language : WeightedAutomaton
    alphabet : Alphabet, optional
    language_weight, length_bonus : float
        Those that the decoder had.

    Returns
    -------
    Tensor, (N,), float64
        ``-inf`` where no string of the language has any probability.

    Raises
    ------
    ValueError
        As :func:`crnn_lib.decoders.prefix_beam_search`.

    Examples
    --------
    One frame says 1 with 0.5, 7 with 0.3 and nothing with 0.2. A language that knows only the 7 has
    0.3, and in it the 7 is certain. If the empty string is allowed too, the 7 has 0.3 of 0.5:

    >>> from crnn_lib.constraints import lexicon
    >>> frame = torch.tensor([[0.2, 0.5, 0.3]]).log()
    >>> options = {"alphabet": Alphabet("17")}
    >>> language_log_probs(frame, language=lexicon("17", ["7"]), **options).exp()
    tensor([0.3000], dtype=torch.float64)
    >>> language_log_probs(frame, language=lexicon("17", ["7", ""]), **options).exp()
    tensor([0.5000], dtype=torch.float64)
    """
    alphabet = alphabet or Alphabet()
    log_probs, frame_lengths = check_lattices(log_probs, frame_lengths, alphabet)
    frame_log_sums(log_probs, inside(log_probs.shape[1], frame_lengths))
    fusion = fuse(language, alphabet, language_weight, length_bonus)
    device = log_probs.device
    step = torch.as_tensor(fusion.step, device=device).long()  # (S, C)
    states, classes = step.shape
    source = (step != NOWHERE).flatten().nonzero()[:, 0]  # (E,) the allowed steps
    arrival = step.flatten()[source] * classes + source % classes  # (E,) state and class after it
    cost = torch.as_tensor(fusion.cost, device=device).flatten()[source]  # (E,)
    ends_at = torch.as_tensor(fusion.ends_at, device=device)  # (S,)
    size = max(1, BLOCK // (states * classes))
    parts = [
        _forward(
            part.double(), lengths, alphabet.blank, fusion.start, source, arrival, cost, ends_at
        )
        for part, lengths in zip(log_probs.split(size), frame_lengths.split(size), strict=True)
    ]
    return torch.cat(parts)


def _forward(log_probs, frame_lengths, blank, start, source, arrival, cost, ends_at) -> Tensor:
    (N, T, C), S = log_probs.shape, len(ends_at)
    at_blank = log_probs.new_full((N, S), NEVER)
    at_blank[:, start] = 0.0
    at_char = log_probs.new_full((N, S, C), NEVER)
    where = arrival.expand(N, -1)
    for t in range(T):
        going = (t < frame_lengths)[:, None]  # (N, 1)
        frame = log_probs[:, t].where(going, 0.0)  # padding may hold anything
        either = torch.logaddexp(at_blank, at_char.logsumexp(2))  # (N, S)
        # A character may follow a blank, or any other character: not itself.
        ways = torch.logaddexp(at_blank[:, :, None], _all_but_one(at_char))  # (N, S, C)
        ways = ways.flatten(1)[:, source] + cost  # (N, E)
        entered = _sum_by(ways, where, S * C).view(N, S, C)
        new_char = torch.logaddexp(at_char, entered) + frame[:, None]
        at_char = new_char.where(going[:, :, None], at_char)
        at_blank = (either + frame[:, blank, None]).where(going, at_blank)
    return (torch.logaddexp(at_blank, at_char.logsumexp(2)) + ends_at).logsumexp(1)


def _all_but_one(values: Tensor) -> Tensor:
    """For each entry of the last dimension, the sum of all others, as logarithms.

    One taken from the sum leaves the others, except for the largest: it may be nearly all of the
    sum, and what is left would have no digits. So its others are summed by themselves.
    """
    peak, best = values.max(-1, keepdim=True)
    shift = peak.where(peak > NEVER, 0.0)
    shares = (values - shift).exp()
    others = (shares.sum(-1, keepdim=True) - shares).clamp_min(0.0).log() + shift
    of_best = values.scatter(-1, best, NEVER).logsumexp(-1, keepdim=True)
    return others.scatter(-1, best, of_best)


def _sum_by(values: Tensor, where: Tensor, size: int) -> Tensor:
    """Sums of logarithms (N, E) by place: (N, size)."""
    N = len(values)
    peak = values.new_full((N, size), NEVER).scatter_reduce(1, where, values, "amax")
    shift = peak.where(peak > NEVER, 0.0)
    total = torch.zeros_like(peak).scatter_add_(1, where, (values - shift.gather(1, where)).exp())
    return total.log() + shift
