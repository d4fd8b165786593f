"""MNIST's digits, resized and placed as EMNIST's are.

Both data sets were made from NIST's forms, by different steps. MNIST scales a digit until its ink
fills 20 of 28 pixels and puts its centre of mass in the middle. EMNIST scales until the longer
side of the ink fills 24 of 28 and puts the ink's box in the middle (Cohen et al. 2017, "EMNIST:
extending MNIST to handwritten letters"). A network that has seen one only takes the other for
writing of another size.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from crnn_lib.handwriting.glyphs import SIZE, Glyphs

EMNIST_BORDER = 2  #: pixels that EMNIST leaves on each side of the longer side of the ink
INK = 32  # of 255: what is darker may be the shade of resampling
_CHUNK = 4096  # glyphs at once


def resize_as_emnist(glyphs: Glyphs) -> Glyphs:
    """Scale and place each glyph's ink as EMNIST does.

    The longer side of the ink's box comes to fill 24 pixels, the other keeps its proportion, and
    the box stands in the middle. Resampled bicubically, as EMNIST is. A glyph without ink stays.

    Parameters
    ----------
    glyphs : Glyphs
        Such as MNIST's; glyphs of EMNIST change little.

    Returns
    -------
    Glyphs
        In the same order, with the same labels, writers and source.

    Examples
    --------
    >>> from crnn_lib import load_glyphs
    >>> resized = resize_as_emnist(load_glyphs("pen", "test", count=20))
    >>> rows = (resized.images > 32).any(dim=2)  # (20, 28)
    >>> columns = (resized.images > 32).any(dim=1)  # (20, 28)
    >>> bool((torch.maximum(rows.sum(1), columns.sum(1)) >= 22).all())
    True
    """
    if not len(glyphs):
        return glyphs
    return replace(
        glyphs, images=torch.cat([_resize(part) for part in glyphs.images.split(_CHUNK)])
    )


def _resize(images: Tensor) -> Tensor:
    """(M, 28, 28) uint8 to the same."""
    ink = images > INK
    top, bottom = _extent(ink.any(dim=2))  # (M,) each
    left, right = _extent(ink.any(dim=1))
    longer = torch.maximum(bottom - top, right - left)  # (M,)
    scale = longer / (SIZE - 2 * EMNIST_BORDER)  # pixels of the source per pixel of the result
    empty = ~ink.flatten(1).any(dim=1)
    scale[empty] = 1.0
    # grid_sample's coordinates run from -1 to 1 over the image's edges.
    theta = torch.zeros(len(images), 2, 3, dtype=torch.float32)
    theta[:, 0, 0] = theta[:, 1, 1] = scale
    theta[:, 0, 2] = (left + right) / SIZE - 1
    theta[:, 1, 2] = (top + bottom) / SIZE - 1
    theta[empty, :, 2] = 0.0
    grid = functional.affine_grid(theta, [len(images), 1, SIZE, SIZE], align_corners=False)
    resized = functional.grid_sample(
        images.float().unsqueeze(1), grid, mode="bicubic", align_corners=False
    )
    return resized.squeeze(1).round().clamp(0, 255).to(torch.uint8)


def _extent(filled: Tensor) -> tuple[Tensor, Tensor]:
    """First and one past the last filled place of each row of (M, 28); 0 and 28 if none is."""
    first = filled.float().argmax(dim=1)
    last = filled.flip(1).float().argmax(dim=1)
    return first.float(), (SIZE - last).float()
