"""Layers that keep the padding of a line out of its reading, and where their frames stand."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

KERNEL = 3  # every convolution of the CRNN is 3 x 3
LARGEST = 4096  # of any size in a config: what is larger would take all memory at the first line


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


class InstanceNorm(nn.Module):
    """Each channel of each line to mean 0 and variance 1, over the line's own columns.

    ``torch.nn.InstanceNorm2d`` would count the padding too, and so let it change the reading.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor, widths: Tensor) -> Tensor:
        inside = inside_line(x, widths)  # (N, 1, 1, W')
        count = (widths * x.shape[2]).view(-1, 1, 1, 1)
        x = x.float()
        mean = (x * inside).sum((2, 3), keepdim=True) / count
        variance = ((x - mean).square() * inside).sum((2, 3), keepdim=True) / count
        return (x - mean) * (variance + self.eps).rsqrt()


def convolved_size(size, stride: int, padding: int):
    """Size of a convolution's output: of rows, or of columns."""
    return (size + 2 * padding - KERNEL) // stride + 1


def inside_line(x: Tensor, widths: Tensor) -> Tensor:
    """True where a column belongs to the line, False on its padding: (N, 1, 1, W)."""
    columns = torch.arange(x.shape[-1], device=x.device)
    return (columns < widths[:, None])[:, None, None]


def erase_padding(x: Tensor, widths: Tensor) -> Tensor:
    """Zero the columns that belong to no line: (N, C', H', W')."""
    if bool((widths >= x.shape[-1]).all()):
        return x
    # not a product: NaN times 0 is NaN, and padding may hold anything
    return torch.where(inside_line(x, widths), x, 0)


def prepare_lines(
    images: Tensor, widths: Tensor | None, height: int, minimum_width: int
) -> tuple[Tensor, Tensor]:
    """Check a batch, centre it on the height, erase its padding, widen what is too narrow."""
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
    if widths is None:
        widths = torch.full((count,), columns, device=images.device)
    elif not isinstance(widths, Tensor) or widths.is_floating_point():
        got = widths.dtype if isinstance(widths, Tensor) else type(widths).__name__
        raise TypeError(f"widths is a tensor of whole pixels, one per line; got {got}.")
    elif widths.shape != (count,) or bool((widths > columns).any()) or bool((widths < 1).any()):
        raise ValueError(
            f"widths holds one width per line, from 1 to {columns}; "
            f"got {widths.tolist()[:8]} for {count} lines."
        )
    images = erase_padding(images, widths)
    above = (height - rows) // 2
    right = max(minimum_width - columns, 0)
    images = F.pad(images, (0, right, above, height - rows - above))  # (N, 1, height, W)
    return images, widths.long().clamp_min(minimum_width)


def recur(rnn: nn.RNNBase, features: Tensor, frame_lengths: Tensor) -> Tensor:
    """Run a recurrent layer over each line's own frames: (N, T, features) -> (N, T, states)."""
    frames = features.shape[1]
    if not rnn.bidirectional or bool((frame_lengths == frames).all()):
        return rnn(features)[0]
    # from right to left the padding comes first: packing starts every line at its own last frame
    packed = pack_padded_sequence(
        features, frame_lengths.cpu(), batch_first=True, enforce_sorted=False
    )
    return pad_packed_sequence(rnn(packed)[0], batch_first=True, total_length=frames)[0]


def frame_edges(model, frames: int) -> np.ndarray:
    """Borders of a line's frames in pixel columns: (T + 1,).

    A frame sees more than it stands for: its neighbours' fields overlap. What it stands for is
    the stretch about the middle of its receptive field, as wide as the step to the next frame.

    >>> from crnn_lib.models import SlidingWindowRNN
    >>> frame_edges(SlidingWindowRNN(), 3).tolist()  # windows of 8 columns, 4 apart
    [2.0, 6.0, 10.0, 14.0]
    """
    (a, b), (c, d) = model.receptive_field(0), model.receptive_field(1)
    middle, step = (a + b) / 2, (c + d - a - b) / 2
    return middle + step * (np.arange(frames + 1) - 0.5)
