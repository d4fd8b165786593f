"""Masks and photos of strokes, drawn for the tests of several wings."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage


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


FORMS = {  # polylines in a box of 1 x 1, as a pen goes
    "0": [[(0.5, 0), (0.9, 0.2), (1, 0.5), (0.9, 0.8), (0.5, 1), (0.1, 0.8), (0, 0.5), (0.1, 0.2)]],
    "1": [[(0.2, 0.25), (0.6, 0), (0.6, 1)]],
    "2": [[(0, 0.25), (0.2, 0.03), (0.7, 0), (0.95, 0.25), (0.7, 0.55), (0, 1), (1, 0.97)]],
    "4": [[(0.5, 0), (0, 0.65), (1, 0.62)], [(0.75, 0.35), (0.7, 1)]],
    "8": [
        [(0.5, 0.45), (0.1, 0.2), (0.5, 0), (0.9, 0.2), (0.5, 0.45)],
        [(0.5, 0.45), (0.05, 0.75), (0.5, 1), (0.95, 0.75), (0.5, 0.45)],
    ],
}
FORMS["0"][0].append(FORMS["0"][0][0])


def digits(text, height, thick):
    """A mask of digits with strokes so many pixels thick, and paper around: (H, W), bool."""
    wide, high, margin = 0.6 * (height - thick), height - thick, 0.3 * height
    pitch = wide + thick + 0.35 * height
    image = Image.new("1", (int(2 * margin + len(text) * pitch), int(height + 2 * margin)))
    for k, digit in enumerate(text):
        left, top = margin + thick / 2 + k * pitch, margin + thick / 2
        for stroke in FORMS[digit]:
            points = [(left + wide * x, top + high * y) for x, y in stroke]
            ImageDraw.Draw(image).line(points, fill=1)
    return ndimage.distance_transform_edt(~np.asarray(image)) <= max(thick / 2, 0.5)


def on_paper(mask, kind, seed=0):
    """A mask as a scan, pencil, a page in shadow, chalk on a board, or white on black."""
    rng = np.random.default_rng(seed)
    height, width = mask.shape
    ink = ndimage.gaussian_filter(mask.astype(float), 0.6)
    if kind == "scan":
        grey = 0.95 - 0.85 * ink
    elif kind == "pencil":
        grey = 0.85 - 0.22 * ink * (1 - 0.3 * rng.random(mask.shape))
    elif kind == "shadow":
        grey = (0.85 - 0.6 * ink) * np.linspace(1, 0.5, width)
    elif kind == "chalk":
        cover = ndimage.gaussian_filter(rng.random(mask.shape), 1)
        cover = (cover - cover.min()) / np.ptp(cover)
        smear = ndimage.zoom(rng.random((4, 5)), (height / 4 + 1, width / 5 + 1), order=1)
        grey = 0.2 + 0.08 * smear[:height, :width] + 0.55 * ink * (0.5 + 0.5 * cover)
    else:
        grey = 0.05 + 0.9 * ink
    noise = 0.02 if kind == "chalk" else 0.01
    return (grey + noise * rng.normal(size=mask.shape)).clip(0, 1).astype(np.float32)
