"""ResNet-18: torchvision's layers, made to leave the padding of a line alone.

He et al. (2016), "Deep Residual Learning for Image Recognition", https://arxiv.org/abs/1512.03385.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from crnn_lib.models._classifier import PhotoClassifier, Step
from crnn_lib.models.layers import erase_padding

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
# What the photographs of ImageNet were brought to: mean and deviation of red, green and blue.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Stem(nn.ModuleDict):
    """A convolution and a pool, which halve both sizes twice: (N, 3, H, W) -> (N, 64, H', W')."""

    def steps(self) -> list[Step]:
        return [Step(7, 2, 2, 3), Step(3, 2, 2, 1)]

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        conv, pool = self.steps()
        x, widths = self["conv"](erase_padding(x, widths)), conv.columns(widths)
        x = erase_padding(self["norm"](x).relu(), widths)  # (N, 64, H', W')
        x, widths = self["pool"](x), pool.columns(widths)
        return erase_padding(x, widths), widths


class _ResidualBlock(nn.Module):
    """What torchvision's BasicBlock does, with the padding erased before each convolution."""

    conv1: Any
    downsample: Any

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.conv1, self.bn1, self.conv2, self.bn2 = block.conv1, block.bn1, block.conv2, block.bn2
        self.downsample = block.downsample  # None where channels and size stay

    def steps(self) -> list[Step]:
        down, across = self.conv1.stride
        return [Step(3, down, across, 1), Step(3, 1, 1, 1)]

    def keep_width(self) -> None:
        """Let the stride halve the height alone."""
        if self.downsample is not None:
            stride = (self.conv1.stride[0], 1)
            self.conv1.stride = self.downsample[0].stride = stride

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        y, widths = self.conv1(x), self.steps()[0].columns(widths)
        y = erase_padding(self.bn1(y).relu(), widths)
        y = self.bn2(self.conv2(y))
        skipped = x if self.downsample is None else self.downsample(x)
        return erase_padding((y + skipped).relu(), widths), widths  # (N, C', H', W')


class ResNet18(PhotoClassifier):
    """The whole network, as torchvision has it: a photograph to 1,000 categories of ImageNet.

    :class:`crnn_lib.models.BackboneRNN` reads lines with its lower stages.

    Parameters
    ----------
    weights : {"imagenet", None}
        torchvision downloads ImageNet's (45 MB) unless they lie in torch's cache. None leaves them
        random.

    Raises
    ------
    OSError
        If they cannot be downloaded.
    """

    CHANNELS = (64, 64, 128, 256, 512)
    MEAN, DEVIATION = MEAN, DEVIATION

    @classmethod
    def cut(cls, stages: int) -> tuple[_Stem, nn.ModuleList]:
        """The stem, and the blocks of each stage after it; ``stages`` in all, of random weights."""
        from torchvision.models import resnet18

        trunk = resnet18(weights=None)
        stem = _Stem({"conv": trunk.conv1, "norm": trunk.bn1, "pool": trunk.maxpool})
        kept = (getattr(trunk, name) for name in STAGES[1:stages])
        return stem, nn.ModuleList(nn.ModuleList(map(_ResidualBlock, stage)) for stage in kept)

    def _head(self) -> tuple[nn.Module, int]:
        return nn.Identity(), self.CHANNELS[-1]

    @classmethod
    def _imagenet(cls) -> dict[str, Tensor]:
        from torchvision.models import ResNet18_Weights

        ours = {"conv1": "stem.conv", "bn1": "stem.norm", "fc": "classify"}
        ours |= {name: f"stages.{number}" for number, name in enumerate(STAGES[1:])}
        named = {}
        for name, value in ResNet18_Weights.IMAGENET1K_V1.get_state_dict().items():
            layer, _, rest = name.partition(".")
            named[f"{ours[layer]}.{rest}"] = value
        return named
