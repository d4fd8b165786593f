"""Where each character is: the one best alignment of a known label (Viterbi).

A maximum in place of the sum that :mod:`crnn_lib.ctc.loss` takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from crnn_lib.ctc._checks import ROUNDING, check_batch, check_line, plain_label, warn_of_scores
from crnn_lib.ctc._sweep import BEST, pick_emissions, sweep_frames
from crnn_lib.ctc.definition import NEVER


@dataclass(frozen=True, slots=True)
class Span:
    """The frames of one character, half-open: ``start`` is the first, ``end`` is after the last.

    ``label`` is its class index, ``log_prob`` the sum of its log-probabilities over these frames.

    >>> Span(6, 3, 5, -0.25)
    Span(6 in [3, 5), log_prob=-0.25)
    """

    label: int
    start: int
    end: int
    log_prob: float

    def __repr__(self) -> str:
        return f"Span({self.label} in [{self.start}, {self.end}), log_prob={self.log_prob:.4g})"


def forced_alignment(log_probs: Tensor, label: Sequence[int], *, blank: int = 0) -> list[Span]:
    """Where each character of a known label is in one line (T, C): see :func:`forced_alignments`.

    >>> probs = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    >>> forced_alignment(probs.log(), [1])
    [Span(1 in [1, 3), log_prob=-0.5798)]
    """
    label = plain_label(label)
    batch = check_line(log_probs, label, blank)
    spans, scores = (x[0].tolist() for x in _best_alignments(log_probs[None], batch, blank))
    return [Span(c, start, end, p) for c, (start, end), p in zip(label, spans, scores, strict=True)]


def forced_alignments(
    log_probs: Tensor,
    targets: Tensor,
    frame_lengths: Tensor,
    target_lengths: Tensor,
    *,
    blank: int = 0,
) -> tuple[Tensor, Tensor]:
    """Where each character is, in the most probable alignment of each line (Viterbi).

    Ties go to the alignment that is further along the label, compared from the last frame
    backwards: a frame that could go to either of two neighbours goes to the later one.

    Parameters
    ----------
    log_probs, targets, frame_lengths, target_lengths, blank
        As for :func:`ctc_loss`.

    Returns
    -------
    spans : Tensor, (N, L, 2)
        Frames of each character, half-open. Zeros after the target length.
    span_log_probs : Tensor, (N, L)
        Sum of the character's log-probabilities over its span, float64. Zeros as above.

    Raises
    ------
    ValueError, TypeError
        As :func:`ctc_loss`; and if a label has probability 0, for it has no alignment.
    """
    batch = check_batch(log_probs, targets, frame_lengths, target_lengths, blank)
    return _best_alignments(log_probs, batch, blank)


def _best_alignments(
    log_probs: Tensor, batch: tuple[Tensor, Tensor, Tensor], blank: int
) -> tuple[Tensor, Tensor]:
    """The same of a checked batch: targets, frame_lengths, target_lengths."""
    (N, T, _), (targets, frame_lengths, target_lengths) = log_probs.shape, batch
    picked, repeats, _ = pick_emissions(
        log_probs, targets, frame_lengths, blank
    )  # (T, 1 + L, N), (L, N)
    L = len(repeats)
    emitted = picked.new_empty(T, 2 * L + 1, N)  # (T, S, N)
    emitted[:, 0::2], emitted[:, 1::2] = picked[:, :1], picked[:, 1:]
    best, ends = sweep_frames(emitted, repeats, torch.zeros_like(target_lengths), BEST)
    impossible = (ends.gather(0, target_lengths[None])[0] == NEVER).nonzero()
    if len(impossible):
        raise ValueError(
            f"Sample {int(impossible[0])}: its label has probability 0, so there is no alignment. "
            "log_probs is -inf where the label needs a class."
        )

    # How many states back the best way into each state of the next frame came from.
    reached = emitted.add_(best)  # (T, S, N)
    blanks, characters = reached[:, 0::2], reached[:, 1::2]
    over = blanks[:, 1:] < characters  # into the blank after a character: from that character
    moved = characters[:-1] < best[1:, 1::2]  # into a character: from elsewhere
    back = torch.zeros_like(emitted, dtype=torch.int8)
    back[:, 2::2] = over
    back[:-1, 1::2] = moved
    past = (moved[:, 1:] & over[:-1, :-1]).logical_and_(~repeats[1:])  # past the blank
    back[:-1, 3::2] += past.view(torch.int8)

    state = 2 * target_lengths[None]  # (1, N)
    way = state.new_empty(T, N)
    for steps, frame in zip(reversed(back.unbind()), reversed(way.split(1)), strict=True):
        state = torch.sub(state, steps.gather(0, state), out=frame)

    counts = way.new_zeros(2 * L + 1, N).scatter_add_(0, way, torch.ones_like(way))  # (S, N)
    ends = counts.cumsum(0)[1::2].T  # (N, L)
    spans = torch.stack([ends - counts[1::2].T, ends], 2)  # (N, L, 2)
    spans[spans[:, :, 0] == spans[:, :, 1]] = 0  # padding: every character has a frame
    visited = picked.gather(1, (way[:, None] + 1) // 2)[:, 0]  # (T, N), right for characters only
    span_log_probs = picked.new_zeros(counts.shape).scatter_add_(0, way, visited)[1::2].T  # (N, L)
    warn_of_scores(log_probs, frame_lengths, (span_log_probs > ROUNDING).any(1), 3)
    return spans, span_log_probs
