"""Layers that keep the padding of a line out of its reading, and where their frames stand."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from crnn_lib.models.reading import unwrap_model


class InstanceNorm(nn.Module):
    """Each channel of each line to mean 0 and variance 1, over the line's own columns.

    ``torch.nn.InstanceNorm2d`` would count the padding too, and so let it change the reading.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor, widths: Tensor) -> Tensor:
        inside = _inside_line(x, widths)  # (N, 1, 1, W')
        count = (widths * x.shape[2]).view(-1, 1, 1, 1)
        dtype, x = x.dtype, at_least_single(x)  # a sum over a line is too much for half precision
        mean = (x * inside).sum((2, 3), keepdim=True) / count
        variance = ((x - mean).square() * inside).sum((2, 3), keepdim=True) / count
        return ((x - mean) * (variance + self.eps).rsqrt()).to(dtype)


def at_least_single(x: Tensor) -> Tensor:
    """Half precision becomes single; double stays."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _inside_line(x: Tensor, widths: Tensor) -> Tensor:
    """True where a column belongs to the line, False on its padding: (N, 1, 1, W)."""
    columns = torch.arange(x.shape[-1], device=x.device)
    return (columns < widths[:, None])[:, None, None]


def is_traced() -> bool:
    """Whether ``torch.export`` records the operations: no branch may then depend on a value."""
    return getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)()


def without_autocast(device: torch.device) -> AbstractContextManager:
    """A context in which what is computed keeps its precision, whatever autocast does around it."""
    # under it, torch.export would unroll a recurrent layer over the frames of the example
    return nullcontext() if is_traced() else torch.autocast(device.type, enabled=False)


def erase_padding(x: Tensor, widths: Tensor, *, in_place: bool = False) -> Tensor:
    """Zero the columns that belong to no line: (N, C', H', W').

    With ``in_place``, x itself may be changed: where no gradient is asked for, it is faster.
    """
    if not is_traced() and bool((widths >= x.shape[-1]).all()):
        return x
    if in_place and not is_traced() and not torch.is_grad_enabled() and x.device.type == "cpu":
        for line, width in zip(x, widths.tolist(), strict=True):
            line[..., width:] = 0
        return x
    # not a product: NaN times 0 is NaN, and padding may hold anything
    return torch.where(_inside_line(x, widths), x, 0)


def run_rnn(rnn: nn.RNNBase, features: Tensor, frame_lengths: Tensor) -> Tensor:
    """Run a recurrent layer over each line's own frames: (N, T, features) -> (N, T, states)."""
    frames = features.shape[1]
    if rnn.bidirectional and is_traced():
        return _run_both_ways(rnn, features, frame_lengths)
    if not rnn.bidirectional or not len(features):
        return rnn(features)[0]
    lengths = frame_lengths.cpu()
    shortest, longest = (int(length) for length in torch.aminmax(lengths))
    if shortest == longest:
        states = rnn(features[:, :longest])[0]
        return F.pad(states, (0, 0, 0, frames - longest)) if longest < frames else states
    if features.device.type == "cpu" and torch.is_grad_enabled():
        # the way back through packed lines is slow there
        states = _run_both_ways(rnn, features, frame_lengths)
        inside = torch.arange(frames) < frame_lengths[:, None]  # (N, T)
        return torch.where(inside[..., None], states, 0)
    # from right to left the padding comes first: packing starts every line at its own last frame
    packed = pack_padded_sequence(features, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(rnn(packed)[0], batch_first=True, total_length=frames)[0]


def _run_both_ways(rnn: nn.RNNBase, features: Tensor, frame_lengths: Tensor) -> Tensor:
    """The same without packing, which no exporter knows: each line's own frames are turned round.

    What runs from right to left is given every line back to front, its padding still last.
    """
    place = torch.arange(features.shape[1], device=features.device)
    last = frame_lengths[:, None] - 1
    turned = torch.where(place <= last, last - place, place)  # (N, T): its own inverse

    def turn(x: Tensor) -> Tensor:
        return x.gather(1, turned[..., None].expand(-1, -1, x.shape[-1]))

    for layer in range(rnn.num_layers):
        if layer and rnn.dropout:
            features = F.dropout(features, rnn.dropout, rnn.training)
        there = _run_one_way(rnn, features, f"l{layer}")
        back = turn(_run_one_way(rnn, turn(features), f"l{layer}_reverse"))
        features = torch.cat((there, back), -1)  # (N, T, 2 h)
    return features


def _run_one_way(rnn: nn.RNNBase, features: Tensor, which: str) -> Tensor:
    """One direction of one layer, from left to right: (N, T, features) -> (N, T, h)."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    weights = [getattr(rnn, f"{n}_{which}") for n in names if hasattr(rnn, f"{n}_{which}")]
    start: Any = features.new_zeros(1, features.shape[0], rnn.hidden_size)
    if isinstance(rnn, nn.LSTM):
        start = (start[..., : rnn.proj_size or None], start)
    run = getattr(torch, rnn.mode.lower())  # lstm, gru, rnn_tanh or rnn_relu
    # ..., one layer, no dropout, not training, one way, batch first
    return run(features, start, weights, rnn.bias, 1, 0.0, False, False, True)[0]


def frame_edges(model, frames: int) -> np.ndarray:
    """Borders of a line's frames in pixel columns: (T + 1,).

    A frame sees more than it stands for: its neighbours' fields overlap. What it stands for is
    the stretch about the middle of its receptive field, as wide as the step to the next frame.

    >>> from crnn_lib.models import SlidingWindowRNN
    >>> frame_edges(SlidingWindowRNN(), 3).tolist()  # windows of 8 columns, 4 apart
    [2.0, 6.0, 10.0, 14.0]
    """
    model = unwrap_model(model)
    (a, b), (c, d) = model.receptive_field(0), model.receptive_field(1)
    middle, step = (a + b) / 2, (c + d - a - b) / 2
    return middle + step * (np.arange(frames + 1) - 0.5)
