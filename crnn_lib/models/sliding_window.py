"""A recurrent network over a window that slides along the line: no convolutions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crnn_lib.alphabet import Alphabet, check_whole
from crnn_lib.models._inputs import check_config, chosen_parts, prepare_lines
from crnn_lib.models.layers import at_least_single, run_rnn, without_autocast


@dataclass(frozen=True)
class SlidingWindowRNNConfig:
    """The shape of a :class:`SlidingWindowRNN`.

    Parameters
    ----------
    height : int
        Height of a line in pixels. Lower lines are centred on it.
    window : int
        Width of the window in pixel columns.
    stride : int
        Pixel columns from one window to the next.
    cell : {"gru", "lstm"}
        The recurrent cell.
    hidden : int
        Units of the recurrent layer, per direction.
    layers : int
        Recurrent layers.
    bidirectional : bool
        Whether a second network reads the line from right to left.
    """

    height: int = 32
    window: int = 8
    stride: int = 4
    cell: str = "gru"
    hidden: int = 64
    layers: int = 1
    bidirectional: bool = True

    def __post_init__(self) -> None:
        check_config(self)
        if self.cell not in ("gru", "lstm"):
            raise ValueError(f"cell is 'gru' or 'lstm'; got {self.cell!r}.")
        check_whole(1, height=self.height, hidden=self.hidden, layers=self.layers)
        if self.window < 1 or self.stride < 1:
            raise ValueError(
                f"window and stride are at least 1 pixel; got {self.window} and {self.stride}."
            )


class SlidingWindowRNN(nn.Module):
    """A window of pixel columns slides over the line; a recurrent network watches.

    No convolutions: each frame is the window's raw pixels. Compare
    :class:`CRNN`, which replaces the raw pixels by learned features.

    Parameters
    ----------
    config : SlidingWindowRNNConfig
    alphabet : Alphabet
        Sets the number of classes C.
    """

    def __init__(
        self,
        config: SlidingWindowRNNConfig | None = None,
        alphabet: Alphabet | None = None,
    ) -> None:
        super().__init__()
        config, alphabet = chosen_parts(config, (SlidingWindowRNNConfig,), alphabet)
        self.config, self.alphabet = config, alphabet
        cell = nn.GRU if config.cell == "gru" else nn.LSTM
        self.rnn = cell(
            config.height * config.window,
            config.hidden,
            config.layers,
            batch_first=True,
            bidirectional=config.bidirectional,
        )
        self.classify = nn.Linear(config.hidden * (1 + config.bidirectional), alphabet.num_classes)

    def frame_lengths(self, widths: Tensor) -> Tensor:
        """Frames T of lines of these widths: enough windows to reach the last column."""
        return _windows((widths - self.config.window).clamp_min(0), self.config.stride)

    def receptive_field(self, frame: int) -> tuple[int, int]:
        """Pixel columns ``[start, end)`` under the window at one frame."""
        start = frame * self.config.stride
        return start, start + self.config.window

    def features(self, images: Tensor, widths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The windows' pixels, column by column.

        Returns
        -------
        windows : Tensor, (N, T, window * H)
        frame_lengths : Tensor, (N,)
        """
        window, stride = self.config.window, self.config.stride
        dtype = self.classify.weight.dtype
        x, widths = prepare_lines(images, widths, self.config.height, 1, dtype)
        frames = _windows(torch.sym_max(x.shape[-1] - window, 0), stride)
        x = F.pad(x, (0, window + (frames - 1) * stride - x.shape[-1]))
        x = x.squeeze(1).unfold(2, window, stride)  # (N, H, T, window)
        return x.permute(0, 2, 3, 1).flatten(2), self.frame_lengths(widths)  # (N, T, window * H)

    def forward(self, images: Tensor, widths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read a batch of lines. Parameters and returns are those of :meth:`CRNN.forward`."""
        windows, frame_lengths = self.features(images, widths)
        with without_autocast(windows.device):
            windows = windows.to(self.classify.weight.dtype)
            states = run_rnn(self.rnn, windows, frame_lengths)  # (N, T, h or 2 h)
            scores = at_least_single(self.classify(states))  # (N, T, C)
            return scores.log_softmax(-1), frame_lengths


def _windows(beyond_first, stride: int):
    """How many windows it takes to cover so many columns more than the first one does."""
    return (beyond_first + stride - 1) // stride + 1
