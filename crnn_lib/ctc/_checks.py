"""What the functions of CTC are given, checked: shapes, kinds of number, labels that fit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from operator import index

import torch
from torch import Tensor

from crnn_lib.alphabet import is_whole
from crnn_lib.ctc.lengths import check_integers, frames_needed, length_mask

ROUNDING = 1e-2  # by which the log of a frame's total probability may miss 0: what bfloat16 needs
COLLAPSE_FIRST = "A label has no blanks: collapse an alignment first; give the right blank."


def check_batch(
    log_probs: Tensor, targets, frame_lengths, target_lengths, blank: int, *, must_fit: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Targets (the blank as padding), frame_lengths, target_lengths as int64, or a clear error.

    Without ``must_fit`` a line may have fewer frames than its target needs.
    """
    _check_kind(log_probs)
    if log_probs.ndim != 3 or 0 in log_probs.shape:
        raise ValueError(f"log_probs must be (N, T, C), none 0; got {tuple(log_probs.shape)}.")
    (N, T, C), device = log_probs.shape, log_probs.device
    if not is_whole(blank) or not 0 <= blank < C:
        raise ValueError(f"blank must be one of the classes 0 to {C - 1}; got {blank!r}.")
    targets = check_integers("targets", targets, (N, None), device)
    L = targets.shape[1]
    frame_lengths = check_integers("frame_lengths", frame_lengths, (N,), device, T)
    target_lengths = check_integers("target_lengths", target_lengths, (N,), device, L)

    inside = length_mask(target_lengths, L)  # (N, L)
    wrong = ((targets == blank) | (targets < 0) | (targets >= C)) & inside
    if bool(wrong.any()):
        n, i = wrong.nonzero()[0].tolist()
        label = targets[n, : target_lengths[n]].tolist()
        fault = f"has class {label[i]}; there are classes 0 to {C - 1}."
        if label[i] == blank:
            fault = f"contains the blank, class {blank}. {COLLAPSE_FIRST}"
        raise ValueError(f"Sample {n}: target {label} {fault}")
    if must_fit:
        _check_targets_fit(targets, frame_lengths, target_lengths)

    if not bool(log_probs.detach().amax() < math.inf):  # NaN is not smaller either
        wrong = ~(log_probs.detach() < math.inf).all(2)  # (N, T)
        wrong &= length_mask(frame_lengths, T)
        if bool(wrong.any()):
            n, t = wrong.nonzero()[0].tolist()
            raise ValueError(f"Sample {n}: log_probs has NaN or +inf at frame {t}.")
    return targets.where(inside, blank), frame_lengths, target_lengths


def _check_kind(log_probs: Tensor) -> None:
    if not isinstance(log_probs, Tensor):
        raise TypeError(
            "log_probs must be a float32 or float64 tensor; got "
            f"{type(log_probs).__name__}. torch.as_tensor makes a tensor of it."
        )
    if log_probs.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"log_probs must be a float32 or float64 tensor; got {log_probs.dtype}.")


def _check_targets_fit(targets: Tensor, frame_lengths: Tensor, target_lengths: Tensor) -> None:
    """Raise a ValueError if a line has too few frames for its target: its loss would be infinite.

    It names the sample, its frames and the frames it needs. Shapes as for :func:`ctc_loss`.
    """
    needed = frames_needed(targets, target_lengths)  # (N,)
    short = frame_lengths < needed
    if bool(short.any()):
        n = int(short.nonzero()[0])
        length = int(target_lengths[n])
        raise ValueError(
            f"Sample {n} has {int(frame_lengths[n])} frames and its target needs {int(needed[n])}: "
            f"one for each of {length} characters, one more for each of {int(needed[n]) - length} "
            "repeats. Make the line wider, or the stride or the target smaller. ctc_loss leaves "
            "such lines out with zero_infinity=True."
        )


def check_line(
    log_probs: Tensor, label: Sequence[int], blank: int, *, must_fit: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """One line and its label, checked, as targets and lengths of a batch of one."""
    _check_kind(log_probs)
    if log_probs.ndim != 2:
        raise ValueError(f"log_probs of one line must be (T, C); got {tuple(log_probs.shape)}.")
    try:
        target = torch.tensor([plain_label(label)], dtype=torch.int64)  # (1, L)
    except (ValueError, RuntimeError):  # a number too large for torch, and for any alphabet
        raise ValueError(f"A label holds class indices; got {label!r:.80}.") from None
    lengths = [len(log_probs)], [target.shape[1]]
    return check_batch(log_probs[None], target, *lengths, blank, must_fit=must_fit)


def unnormalised(log_probs: Tensor, frame_lengths: Tensor) -> Tensor:
    """Which frames of which lines (N, T) hold no probabilities: their sum is not 1."""
    totals = log_probs.detach().double().logsumexp(2)  # (N, T)
    return ~(totals.abs() <= ROUNDING) & length_mask(frame_lengths, log_probs.shape[1])


def warn_of_scores(log_probs: Tensor, frame_lengths: Tensor, lines: Tensor, level: int) -> None:
    """Warn if one of these lines (N,), which seem more than certain, holds no probabilities.

    A sum of probabilities above 1 is a sure sign, and one that costs nothing to see; whether each
    frame is normalised takes a pass over all classes. ``level`` is that of the caller's caller, as
    for :func:`warnings.warn`.
    """
    if not bool(lines.any()):
        return
    wrong = unnormalised(log_probs[lines], frame_lengths[lines])  # (n, T)
    if not bool(wrong.any()):
        return
    n, t = wrong.nonzero()[0].tolist()
    n = int(lines.nonzero()[n])
    total = float(log_probs.detach()[n, t].double().logsumexp(0).exp())
    warnings.warn(
        f"Sample {n}: its label is more than certain, for the probabilities in frame {t} sum to "
        f"{total:.4g}, not to 1. log_probs are the logarithms of probabilities; of a network's "
        "scores (logits) they are scores.log_softmax(-1).",
        stacklevel=level + 1,
    )


def plain_label(label: Sequence[int]) -> list[int]:
    """A label as a list of Python integers."""
    ordered = not isinstance(label, (str, bytes, set, frozenset, dict))
    try:
        given = list(label.tolist() if hasattr(label, "tolist") else label)
        if ordered and not any(isinstance(c, bool) for c in given):
            return [index(c) for c in given]
    except TypeError:
        pass
    raise TypeError(
        f"A label is class indices, got {label!r:.80}. For a text: Alphabet().encode(text)."
    )
