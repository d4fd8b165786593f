"""A network that marks where on a page somebody has written, and how it is to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crnn_lib.alphabet import is_whole

#: What the network says of each place, in the order of its outputs. The first six are logits: a
#: number's body, a word's body, the border where a line ends, print, other marks, the sheet. The
#: last three hold where there is writing: the direction in which it is read, as cosine and sine of
#: its turn (clockwise, from the photo's right), and the log of its bodies' height in pixels.
MAPS = ("number", "word", "ends", "print", "marks", "sheet", "cos", "sin", "height")

STRIDE = 4  # pixels for one of the maps
WINDOW = 16  # pixels of the squares whose mean and deviation stand for what is around
USUAL = 3.0  # log of a body's height that an untrained network begins with
COARSEST = 32  # pixels of the deepest layer's step


@dataclass(frozen=True)
class DetectorConfig:
    """The shape of a :class:`Detector`.

    Parameters
    ----------
    channels : tuple of int
        Of the layers that halve the page: at 1/2, 1/4, 1/8, 1/16 and 1/32 of its size.
    deep, fine : int
        Channels on the way back: at 1/16, and from 1/8 to 1/4.
    """

    channels: tuple[int, ...] = (16, 32, 48, 64, 72)
    deep: int = 48
    fine: int = 32

    def __post_init__(self) -> None:
        if isinstance(self.channels, list):  # as JSON has them
            object.__setattr__(self, "channels", tuple(self.channels))
        channels = self.channels if isinstance(self.channels, tuple) else ()
        sizes = (*channels, self.deep, self.fine)
        if len(channels) != 5 or not all(is_whole(size) and size >= 1 for size in sizes):
            raise ValueError(
                "A Detector has five numbers of channels, and all are at least 1; got "
                f"channels={self.channels!r:.80}, deep={self.deep!r:.40}, fine={self.fine!r:.40}."
            )


class Detector(nn.Module):
    """Marks writing, pixel by pixel, at a quarter of the page's size.

    It halves the page five times to see far, and comes back to a quarter with what it saw on the
    way (Lin et al., 2017, "Feature pyramid networks"). It looks at the page twice: as it is
    against the page's mean and deviation, and against those of the surroundings, in which shadows
    are gone. There are no fully connected layers, so pages may have any size.

    Bodies from 8 to 160 pixels high are marked. A page should be scaled to about a megapixel;
    what is larger than that on it is found on the page scaled to a third.

    Parameters
    ----------
    config : DetectorConfig, optional

    Examples
    --------
    >>> maps = Detector()(torch.rand(1, 1, 120, 200))
    >>> dict(zip(MAPS, maps[0]))["number"].shape
    torch.Size([30, 50])
    """

    def __init__(self, config: DetectorConfig | None = None) -> None:
        super().__init__()
        config = DetectorConfig() if config is None else config
        if not isinstance(config, DetectorConfig):
            raise TypeError(f"config is a DetectorConfig; got {config!r:.80}.")
        self.config = config
        self.provenance: dict[str, Any] = {}
        a, b, c, d, e = config.channels
        self.to_half = _step(2, a, stride=2, kernel=5)
        self.to_quarter = _step(a, b, stride=2)
        self.to_eighth = nn.Sequential(_step(b, c, stride=2), _step(c, c))
        self.to_sixteenth = nn.Sequential(_step(c, d, stride=2), _step(d, d))
        self.to_deepest = nn.Sequential(_step(d, e, stride=2), _step(e, e))
        deep, fine = config.deep, config.fine
        self.more_quarter, self.more_eighth = _More(b), _More(c)
        self.more_joined, self.more_marked = _More(fine), _More(fine)
        self.from_deepest, self.from_sixteenth = _step(e, deep, kernel=1), _step(d, deep, kernel=1)
        self.from_eighth, self.from_quarter = _step(c, deep, kernel=1), _step(b, fine, kernel=1)
        self.join_sixteenth, self.join_eighth = _step(deep, deep), _step(deep, fine)
        self.join_quarter = _step(fine, fine)
        self.mark = nn.Conv2d(fine, len(MAPS), 1)
        begin = torch.zeros(len(MAPS))
        begin[:5] = -3.0  # little of a page is ink
        begin[MAPS.index("height")] = USUAL
        self.mark.bias = nn.Parameter(begin)

    def forward(self, images: Tensor) -> Tensor:
        """Mark pages.

        Parameters
        ----------
        images : Tensor, (N, 1, H, W)
            Grey in [0, 1], dark on light or light on dark.

        Returns
        -------
        Tensor, (N, M, ceil(H / 4), ceil(W / 4))
            :data:`MAPS`: six of logits, then cosine, sine and log height as they are.
        """
        if not isinstance(images, Tensor) or not images.is_floating_point():
            got = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise TypeError(f"A Detector takes a tensor of floats in [0, 1]; got {got}.")
        if images.ndim != 4 or images.shape[1] != 1 or 0 in images.shape[2:]:
            raise ValueError(
                f"A Detector takes grey pages (N, 1, H, W); got the shape {tuple(images.shape)}."
            )
        height, width = images.shape[2:]
        below, right = -height % COARSEST, -width % COARSEST
        x = normalised(F.pad(images, (0, right, 0, below), mode="replicate"))  # (N, 2, H', W')
        quarter = self.more_quarter(self.to_quarter(self.to_half(x)))
        eighth = self.more_eighth(self.to_eighth(quarter))
        sixteenth = self.to_sixteenth(eighth)
        deepest = self.to_deepest(sixteenth)
        x = self.join_sixteenth(self.from_sixteenth(sixteenth) + _twice(self.from_deepest(deepest)))
        x = self.more_joined(self.join_eighth(self.from_eighth(eighth) + _twice(x)))
        x = self.more_marked(self.join_quarter(self.from_quarter(quarter) + _twice(x)))
        maps = self.mark(x)  # (N, M, H' / 4, W' / 4)
        return maps[:, :, : -(-height // STRIDE), : -(-width // STRIDE)]


def normalised(images: Tensor) -> Tensor:
    """Pages (N, 1, H, W) against their own mean and against their surroundings': (N, 2, H, W).

    H and W are multiples of 16. The surroundings of a place are the squares of 16 pixels about
    it, 80 pixels across, the middle ones counting most.
    """
    mean = images.mean((2, 3), keepdim=True)
    spread = images.std((2, 3), keepdim=True)
    whole = (images - mean) / (spread + 0.05)
    squares = torch.cat([images, images.square()], 1)
    squares = F.avg_pool2d(squares, WINDOW)  # (N, 2, H / 16, W / 16)
    for _ in range(2):
        squares = F.avg_pool2d(squares, 3, 1, 1, count_include_pad=False)
    squares = F.interpolate(
        squares, size=images.shape[2:], mode="bilinear", align_corners=False
    )  # (N, 2, H, W)
    local, square = squares[:, :1], squares[:, 1:]
    deviation = (square - local.square()).clamp_min(0).sqrt()
    return torch.cat([whole, (images - local) / (deviation + 0.03)], 1)


class _More(nn.Module):
    """One more layer of the same size, whose findings are added (He et al., 2016).

    It begins as one that finds nothing, so a network that has learned can be given more layers.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.conv(x)))


def _step(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
