"""From log-probabilities to text: which label does a lattice hold?

A lattice gives one distribution over C classes for each of T frames. A label's probability is
the sum over all alignments that collapse to it (:mod:`crnn_lib.ctc`), so the most probable label
is hard to find. :func:`best_path` takes the most probable alignment instead, and collapses it. That
is fast, usually right, and sometimes provably right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import Span, ctc_loss

# A proof must survive the rounding of its own arithmetic, which is float64.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Hypothesis:
    """What a line may say, and how sure a decoder is of it.

    Attributes
    ----------
    label : tuple of int
        The text as class indices, without blanks.
    text : str
        The label in characters.
    log_prob : float
        The label's CTC log-probability: the sum over *all* its alignments. NaN if not asked for.
    spans : tuple of Span
        The frames ``[start, end)`` of each character.
    proven : bool
        Whether it is certain that no other label is more probable.
    bound : float
        No other label has a log-probability above this. NaN if not asked for.
    """

    label: tuple[int, ...]
    text: str
    log_prob: float
    spans: tuple[Span, ...]
    proven: bool = False
    bound: float = math.nan


@torch.no_grad()
def best_path(
    log_probs: Tensor | np.ndarray,
    frame_lengths: Tensor | np.ndarray | Sequence[int] | None = None,
    *,
    alphabet: Alphabet | None = None,
    scores: bool = True,
) -> list[Hypothesis]:
    """Read each line along its most probable alignment.

    The most probable class of each frame, repeats merged, blanks dropped (Graves et al. 2006,
    section 3.2). If classes tie in a frame, the lowest class index wins.

    The label's log-probability then comes from one forward pass for the whole batch. It also
    settles some lines for good: all other labels share what is left, log(1 - p), so a label with
    more than half of the probability is the most probable one. That sets ``proven``.

    Parameters
    ----------
    log_probs : Tensor or ndarray, (N, T, C) or (T, C)
        Natural logarithms of normalised probabilities. ``(T, C)`` is a batch of one line.
    frame_lengths : (N,) integers, optional
        Frames of each line; what stands beyond them is ignored. Without it every line has T.
    alphabet : Alphabet, optional
        The characters and the blank; ``Alphabet()`` by default.
    scores : bool
        False skips the forward pass: ``log_prob`` and ``bound`` are NaN, ``proven`` is False.

    Returns
    -------
    list of Hypothesis
        One per line. The spans are the runs of the alignment; a span's log-probability is the
        sum over its frames. A line without frames reads ``""``.

    Raises
    ------
    ValueError
        If the shapes do not fit each other or the alphabet, or a frame holds NaN or is not
        normalised.

    Examples
    --------
    Two frames, and a blank with probability 0.6 in each. The best alignment is all blank. It has
    probability 0.36, but the label ``0`` has 0.64:

    >>> log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    >>> (hypothesis,) = best_path(log_probs, alphabet=Alphabet("0"))
    >>> hypothesis.text, round(math.exp(hypothesis.log_prob), 4), hypothesis.proven
    ('', 0.36, False)
    >>> round(math.exp(hypothesis.bound), 4)
    0.64
    """
    alphabet = alphabet or Alphabet()
    log_probs, frame_lengths = _batch(log_probs, frame_lengths)
    count, frames, classes = log_probs.shape
    if classes != alphabet.num_classes:
        raise ValueError(
            f"log_probs has {classes} classes; this alphabet has {alphabet.num_classes}, the "
            f"blank included. Expected (N, T, {alphabet.num_classes}); got {(*log_probs.shape,)}."
        )
    inside = _inside(frames, frame_lengths)  # (N, T)
    log_sums = _frame_log_sums(log_probs, inside)  # (N, T)
    path, best = _best_classes(log_probs, inside, alphabet.blank)  # (N, T), (N, T)
    starts, ends = _runs(path, alphabet.blank)  # (N, T), (N, T)
    labels = path[starts]  # all lines' labels, end to end
    lengths = starts.sum(1)  # (N,)

    if scores and count and frames:
        log_prob = _label_log_probs(log_probs, labels, frame_lengths, lengths, alphabet.blank)
        # The lattice's whole mass: 1, but for the rounding of whoever normalised it.
        mass = log_sums.sum(1).exp()  # (N,)
        prob = log_prob.exp()
        rest = (mass - prob).clamp_min(0)
        proven = (prob > rest + ROUNDING).tolist()
        log_prob, bound = log_prob.tolist(), rest.log().tolist()
    elif scores:
        log_prob, bound, proven = [0.0] * count, [-math.inf] * count, [True] * count
    else:
        log_prob, bound, proven = [math.nan] * count, [math.nan] * count, [False] * count

    summed = torch.cat([best.new_zeros(count, 1), best.cumsum(1)], dim=1)  # (N, T + 1)
    row, start = starts.nonzero(as_tuple=True)
    end = ends.nonzero()[:, 1] + 1  # runs do not nest: the k-th end closes the k-th start
    run_log_prob = summed[row, end] - summed[row, start]
    spans = [
        Span(*run)
        for run in zip(
            labels.tolist(), start.tolist(), end.tolist(), run_log_prob.tolist(), strict=True
        )
    ]
    hypotheses, done = [], 0
    for n, length in enumerate(lengths.tolist()):
        own = tuple(spans[done : done + length])
        label = tuple(span.label for span in own)
        text = alphabet.decode(label)
        hypotheses.append(Hypothesis(label, text, log_prob[n], own, proven[n], bound[n]))
        done += length
    return hypotheses


@torch.no_grad()
def best_path_labels(
    log_probs: Tensor | np.ndarray,
    frame_lengths: Tensor | np.ndarray | Sequence[int] | None = None,
    *,
    blank: int = 0,
) -> list[list[int]]:
    """Only the labels of :func:`best_path`, for evaluation while training.

    Scores of any scale will do: they need not be normalised.

    Parameters
    ----------
    log_probs : Tensor or ndarray, (N, T, C) or (T, C)
    frame_lengths : (N,) integers, optional
    blank : int
        Class index of the blank.

    Examples
    --------
    >>> alignment = torch.tensor([6, 6, 0, 6, 3, 3, 1, 8])  # 55-5220 7 -> 55207
    >>> best_path_labels(torch.nn.functional.one_hot(alignment, 11).float())
    [[6, 6, 3, 1, 8]]
    """
    log_probs, frame_lengths = _batch(log_probs, frame_lengths)
    if not 0 <= blank < log_probs.shape[2]:
        raise ValueError(f"blank is a class from 0 to {log_probs.shape[2] - 1}; got {blank}.")
    path, _ = _best_classes(log_probs, _inside(log_probs.shape[1], frame_lengths), blank)
    starts, _ = _runs(path, blank)
    labels, lengths = path[starts].tolist(), starts.sum(1).tolist()
    result, done = [], 0
    for length in lengths:
        result.append(labels[done : done + length])
        done += length
    return result


def _batch(log_probs, frame_lengths) -> tuple[Tensor, Tensor]:
    """Check shapes and types: log-probabilities (N, T, C) and frame lengths (N,), one device."""
    if isinstance(log_probs, np.ndarray):
        if log_probs.dtype.kind == "f":  # a native, contiguous copy: torch wants nothing else
            log_probs = torch.from_numpy(np.array(log_probs, log_probs.dtype.type, order="C"))
    elif not isinstance(log_probs, Tensor):
        raise TypeError(f"log_probs is a tensor or an array; got {type(log_probs).__name__}.")
    if not isinstance(log_probs, Tensor) or not log_probs.is_floating_point():
        raise TypeError(f"log_probs holds floating-point numbers; got {log_probs.dtype}.")
    if log_probs.ndim == 2:
        log_probs = log_probs[None]  # (1, T, C)
    if log_probs.ndim != 3 or not log_probs.shape[2]:
        raise ValueError(
            f"log_probs is (N, T, C), or (T, C) for one line; got {(*log_probs.shape,)}."
        )
    count, frames, _ = log_probs.shape
    if frame_lengths is None:
        return log_probs, torch.full((count,), frames, device=log_probs.device)
    lengths = torch.as_tensor(frame_lengths)
    if lengths.shape != (count,):
        raise ValueError(
            f"frame_lengths has one number per line: expected {(count,)}, got "
            f"{(*lengths.shape,)} for log_probs {(*log_probs.shape,)}, batch first: (N, T, C)."
        )
    if count and (lengths.is_floating_point() or lengths.is_complex()):
        raise TypeError(f"frame_lengths holds integers; got {lengths.dtype}.")
    lengths = lengths.to(log_probs.device, torch.int64)
    if count and not 0 <= int(lengths.min()) <= int(lengths.max()) <= frames:
        raise ValueError(f"frame_lengths go from 0 to T = {frames}; got {lengths.tolist()[:8]}.")
    return log_probs, lengths


def _inside(frames: int, frame_lengths: Tensor) -> Tensor:
    """True where a frame belongs to its line: (N, T)."""
    return torch.arange(frames, device=frame_lengths.device) < frame_lengths[:, None]


def _best_classes(log_probs: Tensor, inside: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """Each frame's best class and its float64 score, (N, T) each; beyond a line: blank and 0."""
    best, path = log_probs.max(2)  # of equals the first; NaN wins over every number
    best = best.double().masked_fill(~inside, 0)
    if bool(best.isnan().any()):
        raise ValueError(f"log_probs holds NaN in {_first(best.isnan())}.")
    return path.masked_fill(~inside, blank), best


def _runs(path: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """Where runs of one character start and where they end, (N, T) each."""
    edge = path.new_full((len(path), 1), blank)
    changes = torch.cat([edge, path], 1) != torch.cat([path, edge], 1)  # (N, T + 1)
    character = path != blank
    return changes[:, :-1] & character, changes[:, 1:] & character


def _frame_log_sums(log_probs: Tensor, inside: Tensor) -> Tensor:
    """Log of each frame's total probability, (N, T): 0, or the lattice is refused."""
    log_sums = log_probs.double().logsumexp(2).masked_fill(~inside, 0)
    tolerance = 1e-3 if torch.finfo(log_probs.dtype).bits >= 32 else 1e-2
    off = ~(log_sums.abs() <= tolerance)  # catches NaN as well
    if bool(off.any()):
        total = float(log_sums[off][0].exp())
        raise ValueError(
            f"The probabilities in {_first(off)} sum to {total:.4g}, not to 1. log_probs must be "
            "finite and normalised over the classes: scores.log_softmax(-1)."
        )
    return log_sums


def _first(mask: Tensor) -> str:
    line, frame = mask.nonzero()[0].tolist()
    return f"line {line}, frame {frame}"


def _label_log_probs(
    log_probs: Tensor, labels: Tensor, frame_lengths: Tensor, lengths: Tensor, blank: int
) -> Tensor:
    """CTC log-probability of one label per line: (N,)."""
    longest = int(lengths.max())
    targets = labels.new_full((len(lengths), longest), blank)  # (N, L), padded with the blank
    targets[torch.arange(longest, device=labels.device) < lengths[:, None]] = labels
    log_probs = log_probs.double()  # the loss comes in the dtype of its input
    return -ctc_loss(log_probs, targets, frame_lengths, lengths, blank=blank, reduction="none")
