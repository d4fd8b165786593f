"""A sheet of paper that becomes a test set: print it, write on it, photograph it, cut it up.

Four squares stand at the corners of the form; that at the upper left has a hole. They tell where
on a photo the page lies, however it was held. The homography that takes the form to the photo
then says where each box is, and the number printed above a box is its label.

>>> boxes()[0].text, len(boxes())
('55207', 12)
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from skimage.measure import label, regionprops
from skimage.transform import ProjectiveTransform, warp

from crnn_lib import photos
from crnn_lib.photos import ImageError, grey_and_size, save_line
from crnn_lib.plots import INK, say, styled

TEXTS = ("55207", "31", "9074421", "8800", "1000000", "64", "2026", "773")
TEXTS += ("5", "16395", "408", "119")
PAGE = (210.0, 297.0)  # millimetres; all lengths of the form are in millimetres
MARKS = np.array([(16, 22), (194, 22), (194, 262), (16, 262)], float)  # middles, clockwise
SIDE, HOLE = 9.0, 4.0  # of the squares, and of the hole in the first
COLUMNS, ROWS = (25.0, 108.0), 6
FIRST, PITCH = 44.0, 36.0  # the first row of boxes, and from one row to the next
WIDE, TALL = 77.0, 22.0  # of a box
INSIDE = 1.2  # left out on each side of a box: its border is no writing
PER_MM = 6  # pixels of what is cut out
NOTE = "Write each number into the box below it, then photograph the page."

DARK = 0.55  # of the paper's brightness: a printed mark is darker
SQUARE = (0.88, 1.035)  # how square a mark looks; a round blot is 1.05, a stroke far less
RING = (0.06, 0.45)  # share of the first mark that its hole takes, by its design 0.2
MOST = 8  # marks of each kind that are tried, the largest
MISFIT = 0.4  # how far the width of a mark, squared, may be from what its place says: a logarithm
FEWEST = 30  # pixels of a mark
WRITTEN = 0.003  # of a box's pixels are ink if somebody wrote in it


@dataclass(frozen=True)
class Box:
    """A box of the form and what is to be written in it, in millimetres from the upper left."""

    text: str
    left: float
    top: float

    def corners(self, margin: float = 0.0) -> np.ndarray:
        """(4, 2): corners (x, y), clockwise from the upper left, moved inwards by a margin."""
        left, top = self.left + margin, self.top + margin
        right, bottom = self.left + WIDE - margin, self.top + TALL - margin
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


@dataclass(frozen=True, eq=False)
class CutBox:
    """A box as it was found on a photo.

    Attributes
    ----------
    text : str
        What is printed above the box.
    image : ndarray, (H, W), float32 in [0, 1]
        What lies inside, grey, as if photographed from straight above.
    corners : ndarray, (4, 2)
        Where that is on the photo, in its own pixels, clockwise from the box's upper left.
    empty : bool
        Whether nothing is written in it.
    """

    text: str
    image: np.ndarray
    corners: np.ndarray
    empty: bool


def boxes(texts: Sequence[str] = TEXTS) -> tuple[Box, ...]:
    """The boxes of the form, row by row.

    Parameters
    ----------
    texts : sequence of str
        1 to 12 numbers; the form has a box for each.
    """
    if isinstance(texts, str) or not 1 <= len(texts) <= ROWS * len(COLUMNS):
        most = ROWS * len(COLUMNS)
        raise ValueError(f"A worksheet has 1 to {most} numbers, in a list; got {texts!r}.")
    places = itertools.product(range(ROWS), COLUMNS)
    return tuple(
        Box(text, left, FIRST + PITCH * row)
        for text, (row, left) in zip(texts, places, strict=False)
    )


@styled
def draw_worksheet(texts: Sequence[str] = TEXTS) -> Figure:
    """The form, on a page of A4: to be saved as PDF and printed, at any scale.

    Parameters
    ----------
    texts : sequence of str
        The numbers to be written, at most 12.
    """
    figure = Figure(figsize=(PAGE[0] / 25.4, PAGE[1] / 25.4))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, PAGE[0]), ylim=(PAGE[1], 0))
    axes.set_axis_off()
    for n, (x, y) in enumerate(MARKS):
        for side, colour in ((SIDE, "black"), (HOLE, "white"))[: 2 if n == 0 else 1]:
            corner = (x - side / 2, y - side / 2)
            axes.add_patch(Rectangle(corner, side, side, color=colour, linewidth=0))
    axes.text(PAGE[0] / 2, MARKS[0, 1] + 1.5, NOTE, ha="center", fontsize=11)
    for box in boxes(texts):
        look = {"fill": False, "edgecolor": "#9a9aa0", "linewidth": 0.7}
        axes.add_patch(Rectangle((box.left, box.top), WIDE, TALL, **look))
        axes.text(box.left, box.top - 1.6, box.text, fontsize=11, color=INK, family="monospace")
    return say(figure, f"A form with {len(texts)} boxes and a mark at each corner.")


def cut_worksheet(photo, texts: Sequence[str] = TEXTS) -> list[CutBox]:
    """Find a filled form on a photo and cut its boxes out.

    Parameters
    ----------
    photo : path, PIL.Image.Image, ndarray or Tensor
        As for :func:`crnn_lib.photos.to_grey`; held in any direction. All four corner marks
        are on it.
    texts : sequence of str
        The numbers of the form, as they were given to :func:`draw_worksheet`.

    Returns
    -------
    list of CutBox
        In the order of the texts.

    Raises
    ------
    ImageError
        If the marks are not found.
    """
    grey, size = grey_and_size(photo)
    to_photo = find_worksheet(grey)
    flat = photos.flatten(grey)
    shape = (round((TALL - 2 * INSIDE) * PER_MM), round((WIDE - 2 * INSIDE) * PER_MM))
    own_pixels = size[0] / grey.shape[1]  # a large photo was shrunk
    cuts = []
    for box in boxes(texts):
        corners = to_photo(box.corners(INSIDE))
        outside = (corners < 0).any() or (corners > grey.shape[::-1]).any()
        if outside:
            raise ImageError(f"the box of {box.text} is not on the photo; take all of the page")
        # a pixel's middle is at half past its index, here and on the photo
        half, origin = np.eye(3), np.diag([1 / PER_MM, 1 / PER_MM, 1])
        half[:2, 2] = -0.5
        origin[:2, 2] = np.array([box.left, box.top]) + INSIDE + 0.5 / PER_MM
        place = ProjectiveTransform(half @ to_photo.params @ origin)
        image = warp(grey, place, output_shape=shape, order=1, mode="edge")
        level = warp(flat, place, output_shape=shape, order=1, mode="edge")
        empty = bool((level < 0.75).mean() < WRITTEN)
        cuts.append(CutBox(box.text, image.astype(np.float32), corners * own_pixels, empty))
    return cuts


def save_worksheet(
    photo, folder: str | os.PathLike[str], texts: Sequence[str] = TEXTS
) -> list[Path]:
    """Add what is written on a form to a folder of labelled lines. Empty boxes are left out.

    Parameters
    ----------
    photo, texts
        As for :func:`cut_worksheet`.
    folder : path
        As for :func:`crnn_lib.photos.save_line`; :func:`crnn_lib.photos.load_test_set` reads
        it back.
    """
    written = [cut for cut in cut_worksheet(photo, texts) if not cut.empty]
    if not written:
        raise ImageError("the form was found, but nothing is written in its boxes")
    return [
        save_line(folder, Image.fromarray(np.round(255 * cut.image).astype(np.uint8)), cut.text)
        for cut in written
    ]


def find_worksheet(grey: np.ndarray) -> ProjectiveTransform:
    """The homography from the form, in millimetres, to a photo, in pixels.

    Four points fix it, so the shapes of the marks can test it: as the homography stretches the
    form at a mark, the mark must be stretched. Of all fours that look like marks, the one that
    passes best is taken. A mirror image does not pass.

    Parameters
    ----------
    grey : ndarray, (H, W), in [0, 1]

    Raises
    ------
    ImageError
        If no four marks fit.
    """
    first, others = _marks(grey)
    best, misfit = None, MISFIT
    for one, three in itertools.product(first, itertools.permutations(others, 3)):
        points = np.array([one[:2], *(mark[:2] for mark in three)])  # (4, 2), clockwise
        matrix = _homography(MARKS, points)
        if matrix is None:
            continue
        found = _misfit(matrix, np.array([one[2], *(mark[2] for mark in three)]))
        if found < misfit:
            best, misfit = matrix, found
    if best is None:
        raise ImageError(
            "no worksheet was found on it: of its corner marks it shows "
            f"{len(first)} with a hole and {len(others)} without, and no four that fit; photograph "
            "the whole page of data/photos/form.pdf, with some paper around the four squares"
        )
    return ProjectiveTransform(best)


# ---------------------------------------------------------------------------- pieces


def _marks(grey: np.ndarray) -> tuple[list[tuple], list[tuple]]:
    """What looks like the mark with the hole, and like the others: (x, y, covariance).

    A square seen aslant is a parallelogram. The area of any parallelogram is 12 times the square
    root of the determinant of its points' covariance; no view changes that.
    """
    dark = grey < DARK * photos.paper_of(grey)
    first, others = [], []
    for region in regionprops(label(dark, connectivity=1)):
        top, left, bottom, right = region.bbox
        if region.area < FEWEST or not 1 / 4 < (bottom - top) / (right - left) < 4:
            continue
        filled = region.image_filled
        area = float(filled.sum())
        if area < 0.4 * filled.size:  # a stroke; turned by 45 degrees, a square fills half
            continue
        y, x = np.nonzero(filled)
        spread = np.cov(x, y)  # (2, 2)
        squareness = area / (12 * np.sqrt(max(np.linalg.det(spread), 1e-9)))
        if not SQUARE[0] < squareness < SQUARE[1]:
            continue
        hole = 1 - region.area / area
        mark = (left + x.mean() + 0.5, top + y.mean() + 0.5, spread)
        if hole < 0.03:
            others.append(mark)
        elif RING[0] < hole < RING[1]:
            first.append(mark)
    for marks in (first, others):
        marks.sort(key=lambda mark: -np.linalg.det(mark[2]))
    return first[:MOST], others[:MOST]


def _homography(source: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    """(3, 3): takes four points (x, y) to four others; None where three lie on a line."""
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    try:
        solved = np.linalg.solve(np.array(rows), target.reshape(-1))
    except np.linalg.LinAlgError:
        return None
    return np.append(solved, 1.0).reshape(3, 3)


def _misfit(matrix: np.ndarray, spreads: np.ndarray) -> float:
    """How far the marks are from what a homography makes of the form's squares.

    Parameters
    ----------
    matrix : ndarray, (3, 3)
    spreads : ndarray, (4, 2, 2)
        Covariances of the points of each mark.

    Returns
    -------
    float
        In the worst direction of the worst mark, the logarithm of the quotient of the variances;
        infinite where the page is mirrored or the horizon runs through it.
    """
    w = MARKS @ matrix[2, :2] + matrix[2, 2]  # (4,)
    if (w <= 0).any() or np.linalg.det(matrix) <= 0:
        return np.inf
    points = (MARKS @ matrix[:2, :2].T + matrix[:2, 2]) / w[:, None]
    slopes = (matrix[:2, :2] - points[:, :, None] * matrix[2, :2]) / w[:, None, None]  # (4, 2, 2)
    expected = SIDE**2 / 12 * slopes @ slopes.transpose(0, 2, 1)
    quotients = np.linalg.eigvals(np.linalg.solve(expected, spreads)).real
    return float(np.abs(np.log(np.maximum(quotients, 1e-9))).max())
