"""Image files of clean lines: to what a network reads, and back to the file's own pixels.

Clean means: one line of text, ink and paper of even colour, and nothing else in the picture. All
else is for :mod:`crnn_lib.reader`.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from crnn_lib.photo_files import ImageError, colours_and_size

MAX_WIDTH = 8192  # of a line as the network reads it: some 400 characters
INK_HEIGHT = 0.8  # share of a line's height that its ink fills, as in the lines of training
MARGIN = 6  # background before and after the ink, in pixels of the network's line
CONTRAST = 0.12  # between ink and paper, in [0, 1]; less is noise
PALE = 0.1  # a pixel with less than this share of the ink's colour becomes paper
INK = 0.4  # a pixel with this share of the ink's colour counts as ink where extents are measured


@dataclass(frozen=True)
class LineImage:
    """One line as a network reads it, and where its columns stand in the file.

    Attributes
    ----------
    image : Tensor, (1, H, W), float32 in [0, 1]
        Ink bright on black.
    left : float
        Column of the file at which the line's column 0 starts.
    scale : float
        Columns of the file per column of the line.
    size : (int, int)
        Width and height of the file's image in pixels.
    """

    image: Tensor
    left: float
    scale: float
    size: tuple[int, int]

    def to_file(self, column: float) -> int:
        """The file's column for a column of the line."""
        return min(max(round(self.left + self.scale * column), 0), self.size[0])


def load_line(path: str | os.PathLike[str], height: int = 32) -> LineImage:
    """Read a clean image of one line from a file.

    Parameters
    ----------
    path : path
        PNG, JPEG, GIF, BMP, TIFF, WebP or PPM: grey, colour, palette, transparent, 16 bits. Dark
        ink on light paper or the reverse.
    height : int
        Height of the line in pixels: ``model.config.height``.

    Raises
    ------
    ImageError
        If there is no line to be read in the file.
    OSError
        If the file cannot be opened.
    """
    colours, size = colours_and_size(path)  # (H', W', 3)
    shrunk = size[0] / colours.shape[1]
    ink = separate_ink(colours)  # (H', W')
    dark = ink >= INK
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    start, end = int(columns[0]), int(columns[-1]) + 1
    tall = round(INK_HEIGHT * height)
    wide = max(round((end - start) * tall / (bottom - top)), 1)
    if wide + 2 * MARGIN > MAX_WIDTH:
        raise ImageError(
            f"its ink is {end - start} pixels wide and {bottom - top} high; that is too long for "
            "one line"
        )
    down, across = (bottom - top) / tall, (end - start) / wide  # pixels of the file per pixel
    above = (height - tall) // 2
    paper = math.ceil(max((above + 1) * down, MARGIN * across)) + 1
    canvas = Image.fromarray(np.pad(ink.astype(np.float32), paper))
    left, upper = start + paper - MARGIN * across, top + paper - above * down
    whole = wide + 2 * MARGIN
    # this filter averages over all that a pixel covers, so thin strokes survive shrinking
    line = canvas.resize(
        (whole, height),
        Image.Resampling.BILINEAR,
        box=(left, upper, left + whole * across, upper + height * down),
    )
    line = torch.from_numpy(np.array(line))[None]  # (1, H, W)
    line = (line / line.max()).clamp_(0, 1)  # shrinking makes thin strokes pale
    return LineImage(line, shrunk * (start - MARGIN * across), shrunk * across, size)


def separate_ink(colours: np.ndarray) -> np.ndarray:
    """How much ink is on each pixel: 0 is the colour of the paper, 1 the colour of the ink.

    The paper is what most of the image's border shows; it may be darker than the ink.

    Parameters
    ----------
    colours : ndarray, (H, W, 3), in [0, 1]

    Returns
    -------
    ndarray, (H, W)

    Raises
    ------
    ImageError
        If the image is too small, or has no ink: all pixels have about the same colour.
    """
    height, width, _ = colours.shape
    if min(height, width) < 2:
        raise ImageError(f"{width} x {height} pixels are too few to hold a line")
    k = max(min(height, width) // 50, 1)
    border = (colours[:k], colours[-k:], colours[k:-k, :k], colours[k:-k, -k:])
    paper = np.median(np.concatenate([part.reshape(-1, 3) for part in border]), axis=0)  # (3,)
    distance = np.abs(colours - paper).max(2)  # (H, W)
    # A few dots of dust must not pass for the ink's colour, nor must a small "1" be missed.
    rank = min(max(distance.size // 5000, 1), 32)
    farthest = float(np.partition(distance, -rank, axis=None)[-rank])
    if farthest < CONTRAST:
        raise ImageError("there is no ink on it: all of the image has about the same colour")
    axis = np.median(colours[distance > farthest / 2], axis=0) - paper  # (3,) from paper to ink
    share = (colours - paper) @ axis / (axis @ axis)  # (H, W)
    return np.where(share < PALE, 0.0, np.minimum(share, 1.0))


def frame_edges(model, frames: int) -> np.ndarray:
    """Borders of a line's frames in pixel columns: (T + 1,).

    A frame sees more than it stands for: its neighbours' fields overlap. What it stands for is
    the stretch about the middle of its receptive field, as wide as the step to the next frame.

    >>> from crnn_lib.models import SlidingWindowRNN
    >>> frame_edges(SlidingWindowRNN(), 3).tolist()  # windows of 8 columns, 4 apart
    [2.0, 6.0, 10.0, 14.0]
    """
    (a, b), (c, d) = model.receptive_field(0), model.receptive_field(1)
    middle, step = (a + b) / 2, (c + d - a - b) / 2
    return middle + step * (np.arange(frames + 1) - 0.5)
