"""What styles are made of: weights, relative to each other, and shares, from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any


def check_weights(what: str, weights: Sequence[float]) -> None:
    """Raise a ValueError unless one can draw by these weights."""
    if not weights or min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(f"{what} are weights, not all of them 0; got {weights}.")


def are_bounds(bounds: Any) -> bool:
    """Whether something is two numbers, the second not below the first."""
    try:
        return len(bounds) == 2 and bool(-math.inf < bounds[0] <= bounds[1] < math.inf)
    except (TypeError, ValueError, KeyError):  # no numbers, or no two
        return False


def check_shares(style: object, names: Iterable[str]) -> None:
    """Raise a ValueError that names the first of a style's fields that is no probability."""
    for name in names:
        value = getattr(style, name)
        if isinstance(value, str) or not 0 <= value <= 1:
            raise ValueError(
                f"{type(style).__name__}.{name} is a share from 0 to 1; got {value!r:.80}."
            )
