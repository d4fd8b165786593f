"""Letters that lean far, set as most people's lean: a second try where a network is in doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from crnn_lib.photos import steps
from crnn_lib.photos.ink import ink_of
from crnn_lib.photos.places import PhotoLine

USUAL = 0.15  # slant, in pixels to the right per pixel upwards: of most people's letters
LEAST = 0.2  # that a slant differs from the usual one; what differs less is left as it is
BESIDE = 0.15  # of the image's height: paper beside the ink


def steadied(views: tuple[PhotoLine, ...]) -> tuple[PhotoLine, ...] | None:
    """The views of a line with letters that lean as most do.

    Returns
    -------
    tuple of PhotoLine, or None
        None if they do already, or there is too little ink to tell.
    """
    if not all(len(_ink_points(view)[0]) for view in views):
        return None
    slant = steps.slant_of_points(*_ink_points(views[len(views) // 2]))
    if slant is None or abs(slant - USUAL) < LEAST:
        return None
    return tuple(_sheared(view, slant - USUAL) for view in views)


def _ink_points(line: PhotoLine) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.nonzero(ink_of(line.image)[0].numpy() > 0.5)
    return columns, rows


def _sheared(line: PhotoLine, slant: float) -> PhotoLine:
    """A line whose letters lean less to the right, by so many pixels per pixel upwards."""
    columns, rows = _ink_points(line)
    height = line.image.shape[1]
    upright = columns + slant * rows
    left = int(upright.min() - BESIDE * height)
    width = int(upright.max() + BESIDE * height) + 1 - left
    shear = np.array([[1, -slant, left], [0, 1, 0], [0, 0, 1]])
    grey = np.clip(steps.resample(line.image[0].numpy(), shear, (height, width)), 0, 1)
    return replace(line, image=torch.from_numpy(grey)[None], matrix=line.matrix @ shear)
