"""What networks for photographs have in common, so that a reader can be cut from any of them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn


class Step(NamedTuple):
    """A layer that sees more than one pixel: a convolution or a pool.

    Attributes
    ----------
    kernel : int
    down, across : int
        Its stride, over rows and over columns.
    before : int
        Columns of padding on the left. On the right there are enough for every stride that begins.
    """

    kernel: int
    down: int
    across: int
    before: int

    def columns(self, widths: Any) -> Any:
        """Columns that lines of these widths have after it: a share, rounded up."""
        return (widths + self.across - 1) // self.across

    def rows(self, height: int) -> int:
        """Rows that are left of so many."""
        return (height + self.down - 1) // self.down


class PhotoClassifier(nn.Module):
    """A network that says which of ImageNet's 1,000 categories a photograph shows.

    Its stem and its blocks take ``(x, widths)`` and return both as the next block needs them. They
    erase the padding of lines before any layer that would carry it to the left.

    Attributes
    ----------
    CHANNELS : tuple of int
        After each stage, the stem first.
    MEAN, DEVIATION : tuple of float
        What photographs are brought to: of red, green and blue.
    """

    stem: Any
    stages: Any  # a ModuleList of ModuleLists of blocks
    CHANNELS: ClassVar[tuple[int, ...]]
    MEAN: ClassVar[tuple[float, ...]]
    DEVIATION: ClassVar[tuple[float, ...]]

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.stem, self.stages = self.cut(len(self.CHANNELS))
        self.head, channels = self._head()
        self.classify = nn.Linear(channels, 1000)
        if weights is not None:
            self.load_state_dict(self.stored(weights))

    @classmethod
    @abstractmethod
    def cut(cls, stages: int) -> tuple[Any, nn.ModuleList]:
        """The stem, and the blocks of each stage after it; ``stages`` in all, of random weights."""

    @classmethod
    @abstractmethod
    def _imagenet(cls) -> dict[str, Tensor]:
        """ImageNet's weights by the names of :meth:`state_dict`."""

    @abstractmethod
    def _head(self) -> tuple[nn.Module, int]:
        """What stands between the last stage and the mean over all pixels, and its channels."""

    @classmethod
    def stored(cls, weights: str) -> dict[str, Tensor]:
        """The weights of that name, as :meth:`load_state_dict` takes them.

        Parameters
        ----------
        weights : {"imagenet"}
        """
        if weights != "imagenet":
            raise ValueError(f"weights is 'imagenet' or None; got {weights!r}.")
        return cls._imagenet()

    def forward(self, photos: Tensor) -> Tensor:
        """Score photographs.

        Parameters
        ----------
        photos : Tensor, (N, 3, H, W)
            Red, green, blue in [0, 1]. It was trained on 224 x 224; others do.

        Returns
        -------
        Tensor, (N, 1000)
            A score for each category: logits.
        """
        if photos.ndim != 4 or photos.shape[1] != 3 or not photos.is_floating_point():
            raise ValueError(
                f"photos is a batch (N, 3, H, W) of floats in [0, 1]; got {photos.dtype}, "
                f"{tuple(photos.shape)}. Divide bytes by 255; a single photo becomes a batch with "
                "photo[None]."
            )
        mean, deviation = (
            photos.new_tensor(values).view(1, 3, 1, 1) for values in (self.MEAN, self.DEVIATION)
        )
        x = (photos - mean) / deviation
        widths = torch.full((len(x),), x.shape[-1], device=x.device)
        x, widths = self.stem(x, widths)
        for stage in self.stages:
            for block in stage:
                x, widths = block(x, widths)  # (N, C', H', W')
        return self.classify(self.head(x).mean((2, 3)))
