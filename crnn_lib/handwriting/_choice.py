"""Which of many are chosen: by indices of any kind, a slice, or a mask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor


def chosen_places(indices: Any, count: int, what: str) -> Tensor:
    """Places (M,) of what is chosen out of so many, int64. ``what`` is the name of one of them."""
    if isinstance(indices, slice):
        indices = range(*indices.indices(count))
    if not isinstance(indices, Tensor):
        indices = _as_tensor(indices)
    if indices.ndim == 1 and not len(indices):  # an empty list is one of floats to torch
        return torch.zeros(0, dtype=torch.int64)
    if indices.dtype == torch.bool:
        if indices.shape != (count,):
            got = len(indices) if indices.ndim == 1 else tuple(indices.shape)
            raise ValueError(f"A mask has {count} values, one per {what}; got {got}.")
        return torch.nonzero(indices)[:, 0]
    if indices.is_floating_point() or indices.is_complex() or indices.ndim != 1:
        raise TypeError(
            f"indices are whole numbers in a row, (M,), a slice, or a mask of the {count} "
            f"{what}s; got {indices.dtype}, {tuple(indices.shape)}."
        )
    indices = indices.long()
    beyond = (indices < -count) | (indices >= count)
    if bool(beyond.any()):
        raise IndexError(
            f"There are {count} {what}s, 0 to {count - 1}, or from the end -1 to -{count}; got "
            f"{int(indices[beyond][0])}."
        )
    return indices


def _as_tensor(indices: Any) -> Tensor:
    """Numbers or truth values, of whatever holds them."""
    several = isinstance(indices, Iterable) and not isinstance(indices, (str, bytes, np.ndarray))
    try:
        array = np.array(list(indices) if several else indices)
    except (TypeError, ValueError):  # rows of unequal length
        array = np.array(None)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"indices are whole numbers, a slice or a mask; got {indices!r:.80}.")
    return torch.from_numpy(array)
