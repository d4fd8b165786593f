"""Under :mod:`crnn_lib.ctc`: one sweep over the frames of a whole batch of lines.

:mod:`crnn_lib.ctc.trellis` does the same for one line, frame by frame as the paper writes it.
Shapes: lines N, frames T, classes C, label length L, states S = 2L + 1. The lines come last, so
that each step of the sweep is one torch call for all of them. What comes in has been checked.
"""

from __future__ import annotations

import torch
from torch import Tensor

from crnn_lib.ctc.definition import NEVER
from crnn_lib.ctc.lengths import length_mask

# How to add up ways, how to go one frame on, no way, and the way of no frames. One sweep serves all
# three: plain sums are fastest, sums of logarithms have no limits, a maximum finds the best way.
SUM = torch.add, torch.mul, 0.0, 1.0
LOG_SUM = torch.logaddexp, torch.add, NEVER, 0.0
BEST = torch.maximum, torch.add, NEVER, 0.0


def losses_and_occupancies(
    batch: tuple[Tensor, ...], blank: int, ways: tuple, with_gradient: bool
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Losses (N,), occupancies (N, T, C) or None, and the scaled sum over all alignments (N,).

    ``batch`` is log_probs (N, T, C), targets (N, L), frame_lengths (N,) and target_lengths (N,).
    Most of the time goes into the number of torch calls. So the backward pass is the forward pass
    of the mirrored lines, and both run side by side, as one batch of 2N lines.
    """
    log_probs, targets, frame_lengths, target_lengths = batch
    (N, T, _), L = log_probs.shape, targets.shape[1]
    picked, repeats, padding = pick_emissions(
        log_probs, targets, frame_lengths, blank
    )  # (T, 1 + L, N), (L, N), (N, T, 1)
    scale = picked.new_zeros(T, N)
    if ways is SUM:  # nothing above 1: per frame and line, by the most likely class of the label
        scale = picked.amax(1).clamp(min=torch.finfo(picked.dtype).min)  # (T, N)
        picked = picked.sub_(scale[:, None]).exp_()
    emitted = picked.new_empty(T, 2 * L + 1, 2 * N if with_gradient else N)  # (T, S, N)
    emitted[:, 0::2, :N], emitted[:, 1::2, :N] = picked[:, :1], picked[:, 1:]
    first = torch.zeros_like(target_lengths)
    if with_gradient:
        emitted[:, :, N:] = emitted[:, :, :N].flip(0, 1)
        repeats = torch.cat([repeats, mirror_repeats(repeats)], 1)  # (L, 2N)
        first = torch.cat([first, L - target_lengths])  # (2N,)
    entered, ends = sweep_frames(
        emitted, repeats, first, ways, with_gradient
    )  # (T, S, 2N) or (0, S, N), (L + 1, 2N)
    total = ends[:, :N].gather(0, target_lengths[None])[0]  # (N,)
    log_prob = (total.log() if ways is SUM else total) + scale.sum(0)  # (N,)
    losses = (0.0 - log_prob).to(log_probs.dtype)  # 0, not -0, for certainty
    if not with_gradient:
        return losses, None, total

    # Into a state from the past, the frame itself, and into the state from the future.
    times = ways[1]
    gamma = entered[:, :, N:].flip(0, 1)  # (T, S, N)
    times(gamma, entered[:, :, :N], out=gamma)
    times(gamma, emitted[:, :, :N], out=gamma)
    if ways is SUM:
        gamma = gamma.div_(total).to(log_probs.dtype)
    else:
        gamma = gamma.sub_(total.where(total > NEVER, 0.0)).to(log_probs.dtype).exp_()
    occupancies = torch.zeros_like(log_probs, memory_format=torch.contiguous_format)
    where = targets[:, None].expand(N, T, L)
    occupancies.scatter_add_(2, where, gamma[:, 1::2].permute(2, 0, 1))  # (N, T, C)
    occupancies[:, :, blank] += gamma[:, 0::2].sum(1).T
    if padding is not None:
        occupancies.masked_fill_(padding, 0.0)
    return losses, occupancies, total


def pick_emissions(
    log_probs: Tensor, targets: Tensor, frame_lengths: Tensor, blank: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Log-probabilities of blank and characters (T, 1 + L, N); which ones are repeats (L, N).

    Padding frames become certain blanks. Only the last state goes through them, in one way, for
    nothing: so all lines end at T. Third comes their mask (N, T, 1), None if there are none.
    """
    (N, T, _), L = log_probs.shape, targets.shape[1]
    classes = torch.cat([targets.new_full((N, 1), blank), targets], 1)  # (N, 1 + L)
    picked = log_probs.detach().gather(2, classes[:, None].expand(N, T, 1 + L))  # (N, T, 1 + L)
    padding = None
    if bool((frame_lengths < T).any()):
        padding = ~length_mask(frame_lengths, T)[:, :, None]
        picked.masked_fill_(padding, NEVER)[:, :, :1].masked_fill_(padding, 0.0)
    picked = picked.permute(1, 2, 0).to(torch.float64, memory_format=torch.contiguous_format)
    return picked, (targets == classes[:, :-1]).T, padding


def mirror_repeats(repeats: Tensor) -> Tensor:
    """The repeats (L, N) of the same labels read from the right."""
    return torch.cat([repeats, torch.zeros_like(repeats[:1])])[1:].flip(0)


def sweep_frames(
    emitted: Tensor, repeats: Tensor, first: Tensor, ways: tuple, keep: bool = True
) -> tuple[Tensor, Tensor]:
    """One pass over the frames, from the blank before character ``first`` of each line.

    Returns what enters each state at each frame, before its emission (T, S, N), nothing of it
    unless told to ``keep`` it, and what there is after the last frame for labels that end before
    character 0 to L (L + 1, N).
    """
    plus, times, zero, one = ways
    _, S, N = emitted.shape
    rows = emitted.new_full((1 + S, N), zero)  # on top, a character that never was
    before, blanks, characters, now = rows[:-1:2], rows[1::2], rows[2::2], rows[1:]
    blanks.scatter_(0, first[None], one)
    into = emitted.new_empty(S, N)
    into_blanks, into_characters = into[0::2], into[1::2]
    blank_itself, blank_passed, via = blanks[:-1], into_blanks[:-1], into_blanks[:-1]
    any_repeats = bool(repeats.any())
    if any_repeats:
        via = torch.empty_like(characters)
    entered = torch.empty_like(emitted if keep else emitted[:0])
    rooms = entered.unbind() if keep else [into] * len(emitted)
    for saved, emission in zip(rooms, emitted.unbind(), strict=True):
        plus(blanks, before, out=into_blanks)  # from the blank itself, from the character before
        if any_repeats:  # both ways lead past the blank too, but to a repeat the first one only
            torch.where(repeats, blank_itself, blank_passed, out=via)
        plus(characters, via, out=into_characters)
        if keep:
            saved.copy_(into)
        times(into, emission, out=now)
    return entered, plus(blanks, before)
