"""Log-probabilities of a batch of lines, checked: what every decoder begins with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet, check_alphabet, is_whole
from crnn_lib.ctc import check_integers


def check_lattices(
    log_probs: Tensor | np.ndarray,
    frame_lengths: Tensor | np.ndarray | Sequence[int] | None,
    alphabet: Alphabet | None = None,
) -> tuple[Tensor, Tensor]:
    """Shapes and types: log-probabilities (N, T, C) and frame lengths (N,), on one device.

    With an alphabet, C must be its number of classes.
    """
    if isinstance(log_probs, np.ndarray):
        if log_probs.dtype.kind == "f":
            log_probs = as_tensor(log_probs)
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
    count, frames, classes = log_probs.shape
    if alphabet is not None:
        check_alphabet(alphabet)
    if alphabet is not None and classes != alphabet.num_classes:
        raise ValueError(
            f"log_probs has {classes} classes; this alphabet has {alphabet.num_classes}, the "
            f"blank included. Expected (N, T, {alphabet.num_classes}); got {(*log_probs.shape,)}."
        )
    if frame_lengths is None:
        return log_probs, torch.full((count,), frames, device=log_probs.device)
    try:
        lengths = check_integers("frame_lengths", frame_lengths, (count,), log_probs.device, frames)
    except ValueError as error:
        shape = (*log_probs.shape,)
        raise ValueError(f"{error} log_probs is {shape}, batch first: (N, T, C).") from None
    return log_probs, lengths


def check_blank(blank: int, classes: int) -> None:
    """Raise a ValueError if it is none of so many classes."""
    if not is_whole(blank) or not 0 <= blank < classes:
        raise ValueError(f"blank is a class from 0 to {classes - 1}; got {blank!r:.80}.")


def as_tensor(array: np.ndarray) -> Tensor:
    """A native, contiguous copy: torch wants nothing else, and knows no long double."""
    kind = array.dtype.type if array.dtype.itemsize <= 8 else np.float64
    return torch.from_numpy(np.array(array, kind, order="C"))


def tolerance(log_probs: Tensor) -> float:
    """How far from 0 the logarithm of a frame's total probability may be.

    Of C classes, a flat frame has log-probabilities of -log(C). Rounding may shift them all the
    same way, by half a unit in the last digit: relatively, by half the type's ``eps``.
    """
    kind = torch.finfo(log_probs.dtype)
    return max(1e-3 if kind.bits >= 32 else 1e-2, kind.eps * math.log(log_probs.shape[-1]))


def frame_log_sums(log_probs: Tensor, within: Tensor, most: float | None = None) -> Tensor:
    """Log of each frame's total probability, (N, T): 0, or the lattice is refused.

    It may be off by ``most``, without it by the type's :func:`tolerance`.
    """
    # of probabilities plain sums will do; what overflows is far from 1
    log_sums = log_probs.double().exp().sum(2).log().masked_fill(~within, 0)
    off = ~(log_sums.abs() <= (tolerance(log_probs) if most is None else most))  # NaN as well
    if bool(off.any()):
        total = float(log_sums[off][0].exp())
        raise ValueError(
            f"The probabilities in {first_frame(off)} sum to {total:.4g}, not to 1. log_probs must "
            "be finite and normalised over the classes: scores.log_softmax(-1)."
        )
    return log_sums


def first_frame(mask: Tensor) -> str:
    """In words, the first frame where ``mask`` (N, T) is true."""
    line, frame = mask.nonzero()[0].tolist()
    return f"line {line}, frame {frame}"
