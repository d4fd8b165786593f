"""What a network is given: its config and its lines, checked."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.alphabet import Alphabet, check_alphabet
from crnn_lib.models.layers import erase_padding, is_traced

LARGEST = 4096  # of any size in a config: what is larger would take all memory at the first line


def chosen_parts(
    config: Any, kinds: tuple[Any, ...], alphabet: Alphabet | None
) -> tuple[Any, Alphabet]:
    """Config and alphabet of a network, the defaults where none is given; or a TypeError.

    The first of the kinds is the one of the default.
    """
    config = kinds[0]() if config is None else config
    if not isinstance(config, kinds):
        names = " or a ".join(kind.__name__ for kind in kinds)
        hint = " The alphabet comes second: alphabet=..." * isinstance(config, (str, Alphabet))
        raise TypeError(f"config is a {names}; got {type(config).__name__}.{hint}")
    alphabet = Alphabet() if alphabet is None else alphabet
    check_alphabet(alphabet)
    return config, alphabet


def check_config(config) -> None:
    """Raise a ValueError for a field that is of another kind than its default, or out of range.

    A config may come from a file. Here it is refused with its field named; torch would accept some
    of it, and stumble at the first line.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not _is_like(value, field.default):
            raise ValueError(
                f"{field.name} of a {type(config).__name__} is like {field.default!r}, sizes up to "
                f"{LARGEST}, shares up to 1; got {value!r:.80}."
            )


def _is_like(value, example, least: int = 0) -> bool:
    if isinstance(example, tuple):  # JSON knows lists only
        return isinstance(value, (tuple, list)) and all(_is_like(v, example[0], 1) for v in value)
    if isinstance(example, (bool, str)):
        return type(value) is type(example)
    kinds, most = (int, LARGEST) if isinstance(example, int) else ((int, float), 1)
    return isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most


def prepare_lines(
    images: Tensor, widths: Tensor | None, height: int, minimum_width: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Check a batch, centre it on the height, erase its padding, widen what is too narrow.

    The images take on the dtype, which is that of the network's weights.
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"images is a tensor (N, 1, H, W); got {type(images).__name__}.")
    if images.ndim != 4 or images.shape[1] != 1:
        raise ValueError(
            f"images is a batch of lines (N, 1, H, W); got {tuple(images.shape)}. "
            "A single line (1, H, W) becomes a batch with image[None]."
        )
    if not images.is_floating_point():
        raise ValueError(
            f"images hold floats in [0, 1]; got {images.dtype}. Divide bytes by 255, once."
        )
    count, _, rows, columns = images.shape
    if rows > height:
        raise ValueError(
            f"This network reads lines up to {height} pixels high; got {rows}. Scale them down."
        )
    if not is_traced() and count and not rows * columns:
        raise ValueError(f"A line has a pixel at least; got {tuple(images.shape)}.")
    if widths is None:
        widths = torch.full((count,), columns, device=images.device)
    elif not isinstance(widths, Tensor) or widths.is_floating_point() or widths.dtype == torch.bool:
        got = widths.dtype if isinstance(widths, Tensor) else type(widths).__name__
        raise TypeError(f"widths is a tensor of whole pixels, one per line; got {got}.")
    elif not is_traced() and (
        widths.shape != (count,) or bool((widths > columns).any()) or bool((widths < 1).any())
    ):
        raise ValueError(
            f"widths holds one width per line, from 1 to {columns}; "
            f"got {widths.reshape(-1).tolist()[:8]} for {count} lines."
        )
    images = erase_padding(images.to(dtype), widths)
    above = (height - rows) // 2
    right: Any = torch.sym_max(minimum_width - columns, 0)  # a symbol under torch.export
    images = F.pad(images, (0, right, above, height - rows - above))  # (N, 1, height, W)
    return images, widths.long().clamp_min(minimum_width)
