"""The lengths of a batch's lines: checked, as masks, and the frames that its labels need."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """True for what belongs to each line, False for its padding: lengths (N,) -> (N, size).

    >>> length_mask(torch.tensor([2, 0, 3]), 3)
    tensor([[ True,  True, False],
            [False, False, False],
            [ True,  True,  True]])
    """
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def frames_needed(targets: Tensor, target_lengths: Tensor) -> Tensor:
    """:func:`minimum_frames` of a batch: targets (N, L), target_lengths (N,) -> (N,).

    >>> frames_needed(torch.tensor([[5, 5, 2], [7, 0, 0]]), torch.tensor([3, 1]))
    tensor([4, 1])
    """
    inside = length_mask(target_lengths, targets.shape[1])[:, 1:]  # (N, L - 1)
    repeats = ((targets[:, 1:] == targets[:, :-1]) & inside).sum(1)
    return target_lengths + repeats


def check_integers(
    name: str, values, shape: tuple[int | None, ...], device=None, most: int | None = None
) -> Tensor:
    """Integers as an int64 tensor, or a clear error that begins with their name.

    Parameters
    ----------
    name : str
        What they are, for the error.
    values : Tensor, ndarray or sequence
    shape : tuple
        The shape that they must have. None stands for any size.
    device : torch.device, optional
        Where the tensor shall be.
    most : int, optional
        Each must be 0 to ``most``.

    Raises
    ------
    TypeError
        If they are no integers.
    ValueError
        For another shape, or a value beyond the limits, which is named by its place.

    Examples
    --------
    >>> check_integers("frame_lengths", [31, 40], (2,), most=40)
    tensor([31, 40])
    >>> check_integers("frame_lengths", [31, 41], (2,), most=40)
    Traceback (most recent call last):
    ValueError: Sample 1: frame_lengths must be 0 to 40; got 41.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        values = values.astype(np.int64)  # torch takes no view from the end, no other byte order
    try:
        given = torch.as_tensor(values, device=device)
    except (TypeError, ValueError, RuntimeError):  # texts, None, rows of unequal length
        raise TypeError(f"{name} must hold integers; got {values!r:.80}.") from None
    if given.numel() and (
        given.is_floating_point() or given.is_complex() or given.dtype == torch.bool
    ):
        raise TypeError(f"{name} must hold integers; got {given.dtype}.")
    fits = given.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, given.shape, strict=True)
    )
    if not fits:
        wanted = str(shape).replace("None", "L")
        raise ValueError(f"{name} must have the shape {wanted}; got {tuple(given.shape)}.")
    given = given.long()
    if most is not None and given.numel() and not 0 <= int(given.min()) <= int(given.max()) <= most:
        n = int(((given < 0) | (given > most)).nonzero()[0, 0])
        raise ValueError(f"Sample {n}: {name} must be 0 to {most}; got {int(given[n])}.")
    return given
