"""Networks that turn an image of a line into log-probabilities, frame by frame.

Both networks keep one promise: the padding of a line never changes its reading. A batch holds
lines of unequal widths, padded on the right. Whatever stands there is erased before every layer
that could carry it to the left, so a line reads the same alone and in any company.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from crnn_lib.alphabet import Alphabet, check_whole
from crnn_lib.models._inputs import check_config, chosen_parts, prepare_lines
from crnn_lib.models.layers import (
    InstanceNorm,
    at_least_single,
    erase_padding,
    run_rnn,
    without_autocast,
)

KERNEL = 3  # every convolution is 3 x 3


@dataclass(frozen=True)
class CRNNConfig:
    """The shape of a :class:`CRNN`.

    Parameters
    ----------
    height : int
        Height of a line in pixels. Lower lines are centred on it.
    channels : tuple of int
        Output channels of each convolution.
    strides : tuple of (int, int)
        Stride of each convolution, down and across. The product of the strides across is the
        number of pixel columns per frame.
    padding : int
        Background pixels that each convolution adds on every side: 1 keeps the size, 0 shrinks it.
    norm : {"batch", "instance"}
        Normalisation after each convolution.
    negative_slope : float
        Slope of the activation for negative inputs. 0 is a ReLU.
    hidden : int
        Units of the GRU, per direction.
    layers : int
        Layers of the GRU.
    dropout : float
        Share of the features dropped before the GRU and before the read-out, while training.
    """

    height: int = 32
    channels: tuple[int, ...] = (32, 32, 64, 64, 96, 96)
    strides: tuple[tuple[int, int], ...] = (
        (2, 2),
        (1, 1),
        (2, 2),
        (1, 1),
        (2, 1),
        (1, 1),
    )
    padding: int = 1
    norm: str = "batch"
    negative_slope: float = 0.0
    hidden: int = 96
    layers: int = 1
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_config(self)
        check_whole(1, height=self.height, hidden=self.hidden, layers=self.layers)
        if not self.channels or len(self.channels) != len(self.strides):
            raise ValueError(
                f"Each convolution needs its channels and its stride; got {len(self.channels)} "
                f"channels and {len(self.strides)} strides."
            )
        if any(len(stride) != 2 for stride in self.strides):
            raise ValueError(f"A stride is a pair, down and across; got {self.strides!r:.80}.")
        if self.padding >= KERNEL:
            raise ValueError(f"padding is 0 to {KERNEL - 1} pixels; got {self.padding}.")
        if self.norm not in ("batch", "instance"):
            raise ValueError(f"norm is 'batch' or 'instance'; got {self.norm!r}.")
        # JSON knows lists only: a config read from a checkpoint is made hashable again
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "strides", tuple((down, across) for down, across in self.strides))

    @classmethod
    def large(cls) -> CRNNConfig:
        """The shape of ``crnn-digits``: twice the parameters, for long training runs."""
        return cls(channels=(32, 48, 64, 96, 128, 128), hidden=128)

    @classmethod
    def photos(cls) -> CRNNConfig:
        """The shape of ``crnn-photos``: hands differ more on photographs than on clean lines."""
        return cls(channels=(32, 48, 64, 96, 160, 192), hidden=192)

    @classmethod
    def words(cls) -> CRNNConfig:
        """The shape of ``crnn-words``: higher lines, since letters have more parts than digits."""
        return cls(
            height=40,
            channels=(32, 32, 64, 64, 96, 128, 128, 160),
            strides=((2, 2), (1, 1), (1, 1), (2, 2), (1, 1), (2, 1), (1, 1), (2, 1)),
            hidden=160,
            layers=2,
        )

    @classmethod
    def article(cls) -> CRNNConfig:
        """The network of the article this series grew from: 658 thousand parameters.

        Codingvision, "PyTorch CRNN: Seq2Seq Digits Recognition w/ CTC" (2020).
        """
        return cls(
            height=28,
            channels=(32, 32, 32, 64, 64, 64),
            strides=((1, 1), (1, 1), (2, 2), (1, 1), (1, 1), (2, 2)),
            padding=0,
            norm="instance",
            negative_slope=0.01,
            hidden=128,
            layers=2,
            dropout=0.0,
        )


class CRNN(nn.Module):
    """Convolutions look, a bidirectional GRU remembers, a linear layer names the class.

    The convolutions turn a line into a sequence of feature columns, one per frame. They follow
    LeNet-5 with two changes: pairs of 3 x 3 filters for each 5 x 5 one, and strides for pooling.
    The whole is Shi, Bai and Yao (2015), "An End-to-End Trainable Neural Network for Image-based
    Sequence Recognition", https://arxiv.org/abs/1507.05717.

    Parameters
    ----------
    config : CRNNConfig
    alphabet : Alphabet
        Sets the number of classes C.
    """

    def __init__(self, config: CRNNConfig | None = None, alphabet: Alphabet | None = None) -> None:
        super().__init__()
        config, alphabet = chosen_parts(config, (CRNNConfig,), alphabet)
        self.config, self.alphabet = config, alphabet
        inputs = (1, *config.channels[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, KERNEL, stride=stride, padding=config.padding)
            for i, o, stride in zip(inputs, config.channels, config.strides, strict=True)
        )
        norm = nn.BatchNorm2d if config.norm == "batch" else InstanceNorm
        self.norms = nn.ModuleList(norm(o) for o in config.channels)
        slope = config.negative_slope
        self.activation = nn.LeakyReLU(slope) if slope else nn.ReLU()
        rows = config.height
        for down, _ in config.strides:
            rows = _convolved_size(rows, down, config.padding)
        if rows < 1:
            raise ValueError(
                f"Lines {config.height} pixels high are too low for {len(config.strides)} "
                f"convolutions with padding {config.padding}: no row is left of them."
            )
        self.dropout = nn.Dropout(config.dropout)
        self.rnn = nn.GRU(
            rows * config.channels[-1],
            config.hidden,
            config.layers,
            batch_first=True,
            bidirectional=True,
        )
        self.classify = nn.Linear(2 * config.hidden, alphabet.num_classes)

    @property
    def minimum_width(self) -> int:
        """Pixel columns that one frame needs. Narrower lines are widened with background."""
        width = 1
        for _, across in reversed(self.config.strides):
            width = (width - 1) * across + KERNEL - 2 * self.config.padding
        return max(width, 1)

    def frame_lengths(self, widths: Tensor) -> Tensor:
        """Frames T of lines of these widths. Shape and dtype stay: ``(N,)`` integers."""
        widths = widths.clamp_min(self.minimum_width)
        for _, across in self.config.strides:
            widths = _convolved_size(widths, across, self.config.padding)
        return widths

    def receptive_field(self, frame: int) -> tuple[int, int]:
        """Pixel columns ``[start, end)`` that the convolutions show to one frame.

        The columns may reach beyond the line's borders. The GRU then adds memory of all others.
        Instance normalisation adds the mean and the variance of the whole line.
        """
        start, end = frame, frame + 1
        for _, across in reversed(self.config.strides):
            start = start * across - self.config.padding
            end = (end - 1) * across - self.config.padding + KERNEL
        return start, end

    def features(self, images: Tensor, widths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The feature columns that the GRU reads.

        Returns
        -------
        features : Tensor, (N, T, C' * H')
        frame_lengths : Tensor, (N,)
        """
        height, dtype = self.config.height, self.classify.weight.dtype
        x, widths = prepare_lines(images, widths, height, self.minimum_width, dtype)
        layers = zip(self.convolutions, self.norms, self.config.strides, strict=True)
        for convolution, norm, (_, across) in layers:
            x = self.activation(convolution(x))  # (N, C', H', W')
            widths = _convolved_size(widths, across, self.config.padding)
            x = norm(x, widths) if isinstance(norm, InstanceNorm) else norm(x)
            x = erase_padding(x, widths, in_place=True)
        return x.permute(0, 3, 1, 2).flatten(2), widths  # (N, T, C' * H')

    def forward(self, images: Tensor, widths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read a batch of lines.

        Parameters
        ----------
        images : Tensor, (N, 1, H, W)
            Ink bright on black, in [0, 1], padded on the right. Floats of any precision; they take
            on that of the weights.
        widths : Tensor, (N,), optional
            Width of each line in pixels. Without it every line is W wide.

        Returns
        -------
        log_probs : Tensor, (N, T, C)
            In the precision of the weights, but float32 at least. Each frame's classes are
            normalised. Frames beyond a line's own are meaningless.
        frame_lengths : Tensor, (N,), int64
            Frames of each line.
        """
        features, frame_lengths = self.features(images, widths)
        # the recurrence stays in the weights' precision, whatever autocast does around it
        with without_autocast(features.device):
            features = self.dropout(features.to(self.classify.weight.dtype))
            states = run_rnn(self.rnn, features, frame_lengths)  # (N, T, 2 h)
            scores = at_least_single(self.classify(self.dropout(states)))  # (N, T, C)
            return scores.log_softmax(-1), frame_lengths


def _convolved_size(size, stride: int, padding: int):
    """Size of a convolution's output: of rows, or of columns."""
    return (size + 2 * padding - KERNEL) // stride + 1
