"""From a grey photograph of a line to what a network reads: ink about 1, paper about 0.

Training and reading use the same function, so a network never sees a grey that it did not learn
from. The paper is estimated around each pixel, so shadows and yellow paper vanish; two levels per
line, of its paper and of its ink, then stretch what is left. All that is measured is measured
on the line's own columns: padding changes nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.ctc import length_mask

BINS = 128  # of the histogram of darkness
REACH = 3  # cells: dark marks up to 2 * REACH cells wide are taken for ink, wider ones for paper
LEAST = 0.06  # smallest difference between ink and paper that is stretched to the full range


def ink_of(images: Tensor, widths: Tensor | int | None = None) -> Tensor:
    """Ink, bright on black, of grey photographs of lines with dark ink on lighter paper.

    Parameters
    ----------
    images : Tensor, (N, 1, H, W) or (1, H, W), in [0, 1]
        Black is 0. H and W are 2 or more.
    widths : Tensor (N,) or int, optional
        Width of each line in pixels; all of W by default. What lies beyond is ignored.

    Returns
    -------
    Tensor, of the shape of ``images``, float32 in [0, 1]
        About 1 on ink, about 0 on paper, and 0 beyond the width.

    Raises
    ------
    TypeError
        If the images are no floats, or the widths no whole numbers.
    ValueError
        For another shape, a width beyond the images, and NaN or infinity within a line.

    >>> paper = torch.full((1, 8, 8), 0.8)
    >>> paper[0, 2:6, 3] = 0.2
    >>> ink = ink_of(paper)
    >>> round(float(ink[0, 4, 3]), 4), round(float(ink[0, 4, 6]), 4)
    (1.0, 0.0)
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        got = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"ink_of takes a tensor of floats in [0, 1]; got {got}.")
    if images.ndim not in (3, 4) or images.shape[-3] != 1 or min(images.shape[-2:]) < 2:
        raise ValueError(
            "ink_of takes grey images (N, 1, H, W) or (1, H, W), of at least 2 x 2 pixels; got "
            f"{tuple(images.shape)}."
        )
    grey = images.reshape(-1, *images.shape[-2:]).float()  # (N, H, W)
    count, _, width = grey.shape
    if widths is None:
        widths = width
    try:
        widths = torch.as_tensor(widths, device=grey.device).expand(count)
    except (TypeError, ValueError, RuntimeError):  # texts, or of other lines
        raise ValueError(
            f"widths is one number, or one of each of {count} lines; got {widths!r:.80}."
        ) from None
    if widths.is_floating_point() or widths.dtype == torch.bool:
        raise TypeError(f"widths are whole numbers of pixels; got {widths.dtype}.")
    if count and not 1 <= int(widths.min()) <= int(widths.max()) <= width:
        raise ValueError(
            f"Each width is 1 to {width}, the images' width; got {int(widths.min())} to "
            f"{int(widths.max())}."
        )
    if not count:
        return images.float()
    inside = length_mask(widths, width)[:, None]  # (N, 1, W)
    grey = grey.masked_fill(~inside, 0.0)  # not a product: NaN times 0 is NaN
    finite = grey.isfinite().all(2).all(1)  # (N,)
    if not bool(finite.all()):
        raise ValueError(f"Line {int(finite.int().argmin())} of the images has NaN or infinity.")
    paper = _paper_of(grey, widths)  # (N, H, W)
    # Light falls on ink and paper alike: the quotient does not know how much of it there was.
    dark = ((paper - grey) / paper.clamp_min(0.05)).clamp_(0, 1)
    low, high = _levels(dark, inside)
    dark = ((dark - low[:, None, None]) / (high - low)[:, None, None]).clamp_(0, 1)
    return (dark * inside).view(images.shape)


def _paper_of(grey: Tensor, widths: Tensor) -> Tensor:
    """The brightness of the paper under each pixel: (N, H, W), black beyond the widths -> same.

    A grey closing on coarse cells: the brightest of each neighbourhood, then the darkest of
    these. It fills dark marks narrower than the neighbourhood and leaves edges of shadows where
    they are.
    """
    _, height, width = grey.shape
    cell = max(round(height / 16), 1)
    extra = (0, -grey.shape[2] % cell, 0, -height % cell)
    # means, not maxima: single white pixels of noise are not the paper
    bright = F.avg_pool2d(F.pad(grey[:, None], extra), cell)  # (N, 1, h, w)
    columns = torch.arange(bright.shape[-1], device=grey.device)
    rows = torch.arange(bright.shape[-2], device=grey.device)
    across = (widths[:, None] - cell * columns).clamp(0, cell).float() / cell  # (N, w)
    down = (height - cell * rows).clamp_max(cell).float() / cell  # (h,)
    filled = across[:, None, None] * down[:, None]  # (N, 1, h, w)
    bright = bright / filled.clamp_min(1e-6)
    cells = torch.div(widths + cell - 1, cell, rounding_mode="floor")  # (N,)
    beyond = (columns >= cells[:, None])[:, None, None]  # (N, 1, 1, w)
    window = 2 * REACH + 1
    bright = _pool(bright, window)
    bright = -_pool(-bright.masked_fill_(beyond, 2), window)
    # beyond the last cell stands a copy of it, as interpolation has it at the edge of an image
    last = torch.minimum(columns, cells[:, None] - 1)[:, None, None].expand_as(bright)
    bright = bright.gather(-1, last)
    bright = F.avg_pool2d(F.pad(bright, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    bright = bright.gather(-1, last)
    if cell > 1:
        bright = F.interpolate(bright, scale_factor=float(cell), mode="bilinear")
    return bright[:, 0, :height, :width]


def _pool(images: Tensor, window: int) -> Tensor:
    """The largest value in a square window about each pixel; rows first, then columns."""
    images = F.max_pool2d(images, (window, 1), stride=1, padding=(window // 2, 0))
    return F.max_pool2d(images, (1, window), stride=1, padding=(0, window // 2))


def _levels(dark: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """The darkness of each line's paper and of its ink: (N, H, W) -> (N,), (N,).

    Otsu's threshold (1979) splits the line's pixels in two such that the means of both parts lie
    as far apart as their sizes allow. The grain of the paper, up to a deviation above its mean,
    counts as paper.
    """
    count = len(dark)
    bins = (dark * (BINS - 0.01)).int()  # (N, H, W)
    bins += torch.arange(count, device=dark.device, dtype=torch.int32)[:, None, None] * (BINS + 1)
    bins = torch.where(inside, bins, count * (BINS + 1))  # beyond a line: a bin of its own
    counts = torch.bincount(bins.flatten(), minlength=count * (BINS + 1) + 1)
    counts = counts[:-1].view(count, BINS + 1)[:, :BINS].double()  # (N, BINS)
    # clean paper fills the first bin, and its darkness is 0
    values = torch.arange(BINS, device=dark.device, dtype=torch.float64) / BINS
    below, mass = counts.cumsum(1), (counts * values).cumsum(1)
    above, rest = below[:, -1:] - below, mass[:, -1:] - mass
    low, high = mass / below.clamp_min(1), rest / above.clamp_min(1)
    split = (below * above * (high - low) ** 2).argmax(1, keepdim=True)  # (N, 1)
    squares = (counts * values**2).cumsum(1) / below.clamp_min(1)
    grain = (squares - low**2).clamp_min(0).sqrt()
    low = torch.minimum(low + grain, torch.lerp(low, high, 0.4))
    low, high = (x.gather(1, split)[:, 0].float() for x in (low, high))
    return low, torch.maximum(high, low + LEAST)
