"""Places on a photo, and the lines that are cut out there: each point has its way back.

A place is a rectangle, turned, on a page that lies flat. The page may be the photo itself or what
a sheet on it looks like from above: then a homography, a 3 x 3 matrix, leads from the page to the
photo (Hartley and Zisserman 2004, chapter 2).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from crnn_lib.alphabet import as_number, check_whole
from crnn_lib.photos import steps
from crnn_lib.photos.files import ImageError

FILL = 0.72  #: share of the image's height that the bodies of the digits fill
MAX_WIDTH = 8192  # of a line: some 400 characters
MAX_PART = 16_000_000  # pixels that are read for one line; a photo has fewer

_Found = TypeVar("_Found")
_Views = TypeVar("_Views")


def map_points(matrix: np.ndarray, points) -> np.ndarray:
    """Points (x, y) through a homography: (3, 3), (M, 2) -> (M, 2).

    >>> map_points(np.array([[1, 0, 0], [0, 1, 0], [0, 0.5, 1]]), [[4, 2]]).tolist()
    [[2.0, 1.0]]
    """
    points = np.asarray(points, float)
    if points.size % 2 or np.shape(matrix) != (3, 3):
        raise ValueError(
            "A matrix (3, 3) takes points (M, 2) to others; got the shapes "
            f"{np.shape(matrix)} and {points.shape}."
        )
    points = points.reshape(-1, 2)
    x, y, w = matrix @ np.c_[points, np.ones(len(points))].T
    return np.stack([x / w, y / w], 1)


@dataclass(frozen=True)
class Place:
    """Where a line stands on an image, after turning about the image's origin.

    Attributes
    ----------
    left, right : float
        From where to where the image is cut, along the line.
    top, bottom : float
        The band: from where to where the bodies of the digits reach.
    degrees : float
        How far the line falls to the right.
    """

    left: float
    right: float
    top: float
    bottom: float
    degrees: float = 0.0

    def matrix(self) -> np.ndarray:
        """(3, 3): takes (x, y, 1) along and across the line to the image's (x, y, 1)."""
        angle = math.radians(self.degrees)
        cos, sin = math.cos(angle), math.sin(angle)
        return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])

    def corners(self) -> np.ndarray:
        """(4, 2): the corners of the band on the image, clockwise from the upper left."""
        x, y = (self.left, self.right, self.right, self.left), (self.top, self.bottom)
        points = np.array([x, (y[0], y[0], y[1], y[1]), (1, 1, 1, 1)], float)
        return (self.matrix() @ points)[:2].T

    def turned(self) -> Place:
        """The same band, read from its other end."""
        left, right, top, bottom = -self.right, -self.left, -self.bottom, -self.top
        return Place(left, right, top, bottom, self.degrees % 360 - 180)

    def scaled(self, factor: float) -> Place:
        """The same place on an image that is larger by a factor."""
        left, right, top, bottom = (
            factor * edge for edge in (self.left, self.right, self.top, self.bottom)
        )
        return replace(self, left=left, right=right, top=top, bottom=bottom)


@dataclass(frozen=True, eq=False)
class PhotoLine:
    """One line of a photo as a network reads it, and the way back.

    Attributes
    ----------
    image : Tensor, (1, H, W), float32 in [0, 1]
        Grey: dark ink on light paper, as photographed. :func:`crnn_lib.photos.ink_of` makes bright
        ink of it.
    matrix : ndarray, (3, 3)
        Takes a point (x, y, 1) of the line to the photo, in the photo's own pixels: what comes out
        is divided by its third number, which is 1 unless a sheet was seen aslant.
    size : (int, int)
        Width and height of the photo.
    kind : {"number", "word"}
        What stands there, as a detector says.
    score : float
        How sure the detector is that a line of this kind stands there; 1 where none was asked.
    crop : bool
        Whether the whole photo was taken for one line, as whoever cut it out has meant it.
    stands : bool
        Whether print on the page says that its lines are the right way up.
    row, column : int or None
        The line's place on the page or in its table, from 0; None where no detector was asked.
    """

    image: Tensor
    matrix: np.ndarray
    size: tuple[int, int]
    kind: str = "number"
    score: float = 1.0
    row: int | None = None
    column: int | None = None
    crop: bool = False
    stands: bool = False

    def to_photo(self, points) -> np.ndarray:
        """Points (x, y) of the line on the photo: (M, 2) -> (M, 2), never beyond its borders."""
        return np.clip(map_points(self.matrix, points), 0, self.size)

    def box(self, start: float, end: float) -> np.ndarray:
        """Corners of the columns ``[start, end)`` on the photo: (4, 2), clockwise."""
        height = self.image.shape[1]
        return self.to_photo([[start, 0], [end, 0], [end, height], [start, height]])

    def corners(self) -> np.ndarray:
        """Corners of the line on the photo: (4, 2), clockwise."""
        return self.box(0, self.image.shape[2])

    def degrees(self) -> float:
        """How far the line falls to the right on the photo; 180 where it stands on its head."""
        _, height, width = self.image.shape
        ends = map_points(self.matrix, [[0, height / 2], [width, height / 2]])
        along = ends[1] - ends[0]
        return math.degrees(math.atan2(along[1], along[0]))

    def turned(self) -> PhotoLine:
        """The same line upside down."""
        _, height, width = self.image.shape
        half_turn = np.array([[-1, 0, width], [0, -1, height], [0, 0, 1]], float)
        return replace(self, image=self.image.flip(1, 2), matrix=self.matrix @ half_turn)


def crop_line(
    grey: np.ndarray,
    place: Place,
    height: int,
    fill: float,
    paper: np.ndarray | None = None,
    page: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a line out, level and scaled; beyond the image's borders lies paper.

    Parameters
    ----------
    grey : ndarray, (H, W)
        The photo.
    place : Place
        Where the line stands on it.
    height : int
        Pixels of what is returned.
    fill : float
        Share of the height that the bodies of the digits get.
    paper : ndarray, optional
        Brightness of the paper under each pixel of ``grey``.
    page : ndarray, (3, 3), optional
        Takes a point (x, y, 1) of the page that ``place`` speaks of to ``grey``. By default
        ``grey`` is that page.

    Returns
    -------
    image : ndarray, (height, W)
    matrix : ndarray, (3, 3)
        Takes a point (x, y, 1) of the line to ``grey``.
    """
    return crop_views(grey, place, height, (fill,), paper, page)[0]


def crop_views(
    grey: np.ndarray,
    place: Place,
    height: int,
    fills: Sequence[float],
    paper: np.ndarray | None = None,
    page: np.ndarray | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """:func:`crop_line` for several fills: the photo is turned once, and then scaled for each.

    Parameters
    ----------
    grey : ndarray, (H, W)
    place : Place
        Of the line, on the page.
    height : int
        Of the images.
    fills : sequence of float
        Share of the height that the line's band fills, one for each image.
    paper : ndarray, (H, W), optional
        Brightness of the paper, for what lies beyond the photo.
    page : ndarray, (3, 3), optional
        Takes points of the page to the photo, if the page was laid flat.

    Returns
    -------
    list of (ndarray, ndarray)
        For each fill the image, (height, W), and the matrix, (3, 3), that takes its points to the
        photo.
    """
    if not isinstance(place, Place):
        raise TypeError(f"place is a Place; got {place!r:.80}.")
    check_whole(1, height=height)
    for fill in fills:
        if not 0 < as_number(fill) < math.inf:
            raise ValueError(f"fill is a share of the height, above 0; got {fill!r:.80}.")
    band = place.bottom - place.top
    page = np.eye(3) if page is None else page
    middle = place.corners().mean(0)
    # pixels of the photo for one of the page, where the line stands
    around = map_points(page, middle + [[0, 0], [0.5, 0], [0, 0.5]])
    fine = max(math.sqrt(abs(np.linalg.det(around[1:] - around[0]))) * 2, 1e-6)
    sizes = []  # of each view: pixels of the page per pixel of the line, and its width
    for fill in fills:
        unit = band / (fill * height)
        wide = max(round((place.right - place.left) / unit), 1)
        if wide > MAX_WIDTH:
            raise ImageError(
                f"its ink is {place.right - place.left:.0f} pixels wide and "
                f"{band:.0f} high; that is too long for one line: cut it into shorter ones"
            )
        sizes.append((unit, wide))
    coarsest, longest = max(unit for unit, _ in sizes), max(unit * wide for unit, wide in sizes)
    fine = min(fine, math.sqrt(MAX_PART / (longest * height * coarsest)))
    left, centre = place.left * fine, (place.top + place.bottom) / 2 * fine
    right = left + longest * fine
    above = height / 2 * coarsest * fine
    column, row = math.floor(left), math.floor(centre - above)
    there = page @ place.matrix() @ np.diag([1 / fine, 1 / fine, 1])
    there = there @ np.array([[1, 0, column], [0, 1, row], [0, 0, 1]], float)
    shape = math.ceil(centre + above) - row, math.ceil(right) - column
    part = Image.fromarray(steps.resample(grey, there, shape, paper))
    views = []
    for unit, wide in sizes:
        unit *= fine
        x, y = left - column, centre - height / 2 * unit - row
        box = (x, max(y, 0.0), x + wide * unit, min(y + height * unit, shape[0]))
        # this filter averages over all that a pixel covers, so thin strokes survive shrinking
        image = part.resize((wide, height), Image.Resampling.BILINEAR, box=box)
        matrix = there @ np.array([[unit, 0, x], [0, unit, y], [0, 0, 1]])
        views.append((np.clip(np.array(image), 0, 1), matrix))
    return views


def _cut_each(cut: Callable[[_Found], _Views], found: Sequence[_Found]) -> list[_Views]:
    """What is cut out for each line that was found; one that cannot be costs itself alone.

    Of it a warning tells, or the error where there is no other.
    """
    lines = []
    for one in found:
        try:
            lines.append(cut(one))
        except ImageError as error:
            if len(found) == 1:
                raise
            warnings.warn(f"one of {len(found)} lines is left out: {error}", stacklevel=2)
    if found and not lines:
        raise ImageError(f"none of its {len(found)} lines can be cut out: they are too long")
    return lines


def to_lines(
    views: Sequence[tuple[np.ndarray, np.ndarray]], shape: tuple[int, ...], size: tuple[int, int]
) -> tuple[PhotoLine, ...]:
    """What :func:`crop_views` returns as lines, with the way back to the photo.

    Parameters
    ----------
    views : sequence of (ndarray, ndarray)
    shape : (int, int)
        Height and width of the grey image they were cut from.
    size : (int, int)
        Width and height of the photo before that image was made of it.
    """
    to_photo = np.diag([size[0] / shape[1], size[1] / shape[0], 1])
    return tuple(
        PhotoLine(torch.from_numpy(np.ascontiguousarray(image))[None], to_photo @ matrix, size)
        for image, matrix in views
    )
