"""Masks and photos of strokes, drawn for the tests of several wings."""

from __future__ import annotations

import numpy as np


def strokes(height=60, width=240, seed=0):
    """A mask of some upright strokes and rings, like digits: (H, W), bool."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    mask = np.zeros((height, width), bool)
    for k, middle in enumerate(range(30, width - 20, 32)):
        if k % 2:
            mask |= (abs(x - middle) < 2.5) & (abs(y - height / 2) < height * 0.3)
        else:
            ring = np.hypot((x - middle) / 0.6, y - height / 2)
            mask |= abs(ring - height * 0.27) < 2.5 + rng.random()
    return mask


def photo(mask, paper=0.8, ink=0.3, noise=0.01, shade=0.0, seed=0):
    rng = np.random.default_rng(seed)
    height, width = mask.shape
    light = 1 - shade * np.linspace(0, 1, width)
    grey = np.where(mask, ink, paper) * light + rng.normal(0, noise, mask.shape)
    return np.clip(grey, 0, 1).astype(np.float32)


def page(rows, height=400, width=600, seed=0):
    """A mask with a line of strokes, 60 pixels high, at each of these rows."""
    mask = np.zeros((height, width), bool)
    for n, row in enumerate(rows):
        mask[row : row + 60, 150:390] = strokes(seed=seed + n)
    return mask
