"""What styles are made of: weights, relative to each other, and shares, from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from crnn_lib.alphabet import as_number


def check_weights(what: str, weights: Sequence[float]) -> None:
    """Raise a ValueError unless one can draw by these weights."""
    numbers = [as_number(weight) for weight in weights] if isinstance(weights, Iterable) else []
    if not all(0 <= number < math.inf for number in numbers) or not sum(numbers) > 0:
        raise ValueError(
            f"{what} are weights, not all of them 0: finite numbers, 0 or more; got "
            f"{weights!r:.80}."
        )


def are_bounds(bounds: Any) -> bool:
    """Whether something is two numbers, the second not below the first."""
    try:
        low, high = map(as_number, bounds)
    except (TypeError, ValueError):  # no two
        return False
    return -math.inf < low <= high < math.inf


def check_shares(style: object, names: Iterable[str]) -> None:
    """Raise a ValueError that names the first of a style's fields that is no probability."""
    for name in names:
        value = getattr(style, name)
        if not 0 <= as_number(value) <= 1:
            raise ValueError(
                f"{type(style).__name__}.{name} is a share from 0 to 1; got {value!r:.80}."
            )
