"""A ResNet-18 that reads: its trunk cut and restrided so that the width of a line survives."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from crnn_lib.alphabet import Alphabet
from crnn_lib.models._inputs import check_config, prepare_lines
from crnn_lib.models.layers import at_least_single, erase_padding, run_rnn

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
CHANNELS = (64, 64, 128, 256, 512)
# What the photographs of ImageNet were brought to: mean and deviation of red, green and blue.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ResNetRNNConfig:
    """The shape of a :class:`ResNetRNN`.

    Parameters
    ----------
    height : int
        Height of a line in pixels. Lower lines are centred on it.
    stages : int
        Stages of ResNet-18 that are kept, 1 (the stem alone) to 5 (all). Each has features of its
        own: strokes in the first, parts of digits in the third. The last ones know cats from cars.
    hidden : int
        Units of the LSTM, per direction.
    dropout : float
        Share of the features dropped before the LSTM and before the read-out, while training.
    """

    height: int = 32
    stages: int = 4
    hidden: int = 128
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_config(self)
        if not 1 <= self.stages <= len(STAGES):
            raise ValueError(
                f"A ResNet-18 has {len(STAGES)} stages ({', '.join(STAGES)}); got "
                f"stages={self.stages}."
            )
        if self.height < 8:
            raise ValueError(f"Lines are at least 8 pixels high; got height={self.height}.")


class ResNetRNN(nn.Module):
    """ResNet-18 looks, a bidirectional LSTM remembers, a linear layer names the class.

    He et al. (2016), "Deep Residual Learning for Image Recognition", made the trunk for photographs
    that hold one thing: it halves the width five times and averages over what is left. A line of
    160 pixels would keep 5 columns, fewer than it has digits to tell. Here the width is halved
    twice, in the stem; from then on only the height is. The kernels stay as they are, so weights
    learned on ImageNet fit.

    Parameters
    ----------
    config : ResNetRNNConfig
    alphabet : Alphabet
        Sets the number of classes C.
    pretrained : bool
        Start with torchvision's ImageNet weights. They are downloaded (45 MB) unless they lie in
        torch's cache. Where that fails, a warning says so and the weights stay random.
    """

    mean: Tensor
    deviation: Tensor
    stem: Any  # a ModuleDict
    stages: Any  # a ModuleList of Sequentials of torchvision's BasicBlock

    def __init__(
        self,
        config: ResNetRNNConfig | None = None,
        alphabet: Alphabet | None = None,
        *,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        self.config = config = config or ResNetRNNConfig()
        self.alphabet = alphabet = alphabet or Alphabet()
        trunk = _resnet18(pretrained)
        self.stem = nn.ModuleDict({"conv": trunk.conv1, "norm": trunk.bn1, "pool": trunk.maxpool})
        self.stages = nn.ModuleList(getattr(trunk, name) for name in STAGES[1 : config.stages])
        rows = _halved(_halved(config.height))
        for stage in self.stages[1:]:
            # stages 2 to 4 begin with a stride of 2 both ways: keep it for the height alone
            stage[0].conv1.stride = stage[0].downsample[0].stride = (2, 1)
            rows = _halved(rows)
        self.dropout = nn.Dropout(config.dropout)
        self.rnn = nn.LSTM(
            rows * CHANNELS[config.stages - 1], config.hidden, batch_first=True, bidirectional=True
        )
        self.classify = nn.Linear(2 * config.hidden, alphabet.num_classes)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), False)

    def freeze(self, stages: int) -> None:
        """Keep the first ``stages`` stages as they are; all else learns.

        Their batch normalisation keeps its statistics too: :meth:`train` leaves it in eval mode.
        ``freeze(0)`` lets everything learn again.
        """
        if not 0 <= stages <= self.config.stages:
            raise ValueError(
                f"This network has {self.config.stages} stages to freeze; got {stages}."
            )
        for number, stage in enumerate((self.stem, *self.stages)):
            stage.requires_grad_(number >= stages)
        self.train(self.training)

    def train(self, mode: bool = True) -> ResNetRNN:
        """Set training mode, but for the stages that are frozen."""
        super().train(mode)
        for stage in (self.stem, *self.stages):
            if not any(parameter.requires_grad for parameter in stage.parameters()):
                stage.eval()
        return self

    def frame_lengths(self, widths: Tensor) -> Tensor:
        """Frames T of lines of these widths: a fourth, rounded up."""
        return _halved(_halved(widths))

    def receptive_field(self, frame: int) -> tuple[int, int]:
        """Pixel columns ``[start, end)`` that the convolutions show to one frame."""
        start, end = frame, frame + 1
        for stage in self.stages:
            start, end = start - 2 * len(stage), end + 2 * len(stage)  # two 3 x 3 per block
        start, end = 2 * start - 1, 2 * (end - 1) + 2  # the pool, 3 wide
        return 2 * start - 3, 2 * (end - 1) + 4  # the first convolution, 7 wide

    def features(self, images: Tensor, widths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The feature columns that the LSTM reads.

        Returns
        -------
        features : Tensor, (N, T, C' * H')
        frame_lengths : Tensor, (N,)
        """
        dtype = self.classify.weight.dtype
        x, widths = prepare_lines(images, widths, self.config.height, 1, dtype)
        x = erase_padding((x - self.mean) / self.deviation, widths)  # (N, 3, H, W)
        x, widths = self.stem["conv"](x), _halved(widths)
        x = erase_padding(self.stem["norm"](x).relu(), widths)  # (N, 64, H', W')
        x, widths = self.stem["pool"](x), _halved(widths)
        x = erase_padding(x, widths)
        for stage in self.stages:
            for block in stage:
                x = _residual(block, x, widths)  # (N, C', H', T)
        return x.permute(0, 3, 1, 2).flatten(2), widths  # (N, T, C' * H')

    def forward(self, images: Tensor, widths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read a batch of lines; as :meth:`crnn_lib.models.CRNN.forward`."""
        features, frame_lengths = self.features(images, widths)
        with torch.autocast(features.device.type, enabled=False):
            features = self.dropout(features.to(self.classify.weight.dtype))
            states = run_rnn(self.rnn, features, frame_lengths)  # (N, T, 2 h)
            scores = at_least_single(self.classify(self.dropout(states)))  # (N, T, C)
            return scores.log_softmax(-1), frame_lengths


def _residual(block: Any, x: Tensor, widths: Tensor) -> Tensor:
    """What torchvision's BasicBlock does, with the padding erased before each convolution."""
    y = erase_padding(block.bn1(block.conv1(x)).relu(), widths)
    y = block.bn2(block.conv2(y))
    skipped = x if block.downsample is None else block.downsample(x)
    return erase_padding((y + skipped).relu(), widths)


def _halved(size):
    """Size after a stride of 2 with the padding that keeps the rest: rounded up."""
    return (size + 1) // 2


def _resnet18(pretrained: bool) -> Any:
    from torchvision.models import ResNet18_Weights, resnet18

    if pretrained:
        try:
            return resnet18(weights=ResNet18_Weights.IMAGENET1K_V1)
        except OSError as error:  # URLError is one
            warnings.warn(
                f"The ImageNet weights could not be downloaded ({error}). This ResNetRNN starts "
                "from random weights; connect to the internet once to have them.",
                stacklevel=3,
            )
    return resnet18(weights=None)
