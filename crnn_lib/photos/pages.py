"""Whole pages: from a photo to the regions where its lines stand, by a detector's maps.

An overview of the photo says where the sheet lies and where large writing stands. A sheet whose
four edges are seen is laid flat; then a fine look, at about a megapixel, finds the lines. Where
many are small, a finer look takes its place. What two looks find is one line. Every point of a
page has its way back to the photo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from crnn_lib.models import MAPS
from crnn_lib.photos import steps
from crnn_lib.photos._pieces import CELL
from crnn_lib.photos.files import grey_and_size
from crnn_lib.photos.finding import SMALLEST
from crnn_lib.photos.places import Place, map_points
from crnn_lib.photos.regions import (
    Region,
    one_way,
    reading_order,
    regions_of,
    without_doubles,
)
from crnn_lib.photos.sheets import find_sheet, flat_sheet, is_aslant

PIXELS = 1_000_000  #: of a page that a detector looks at
SMALLER = (4, 2)  # times, along and across, are the looks before the fine one
TALLEST = 300.0  # pixels of a line in any look but the smallest
LEAST_SIDE = 48  # pixels of a look: on what is lower, nothing stands that a finer look cannot see
LOWEST = 24.0  # pixels of a line that a coarse look may find: the fine one sees smaller ones better
LEAST_MISSED = 14.0  # pixels of a line that a coarse look may find where the fine one sees none
SMALL = 16.0  # pixels: where most lines are lower than this, a finer look is worth its time
FINER = (1.4, 2.0)  # times, along and across, are the finer looks, whatever pixels the photo has
STROKE = 0.6  # of a line's height: in a number, some ink is so long without a gap
SHEETS = 0.5, 0.8  # probability of a sheet's cells, at least; the second if the first finds none
MARGIN = 0.02  # of a sheet's size: what is looked at beyond its edges


@dataclass(frozen=True, eq=False)
class PageLook:
    """One look of a detector at a page.

    Attributes
    ----------
    maps : dict of str to ndarray (h, w)
        As :func:`crnn_lib.photos.regions_of` takes them.
    matrix : ndarray, (3, 3)
        Takes a point (x, y, 1) of the page that was looked at to the photo.
    image : ndarray, (H, W)
        That page, grey.
    """

    maps: dict[str, np.ndarray]
    matrix: np.ndarray
    image: np.ndarray


def find_regions(image, detector) -> list[Region]:
    """The lines of writing on a photo, in reading order.

    Parameters
    ----------
    image : path, PIL.Image.Image, ndarray or Tensor
        As for :func:`crnn_lib.photos.to_grey`.
    detector : Detector
        Of :mod:`crnn_lib.models`.

    Returns
    -------
    list of Region
        Their ``corners()`` are in the photo's own pixels.

    Raises
    ------
    ImageError
        If it is no image.
    OSError
        If the file cannot be opened.
    """
    grey, size = grey_and_size(image)
    to_photo = np.diag([size[0] / grey.shape[1], size[1] / grey.shape[0], 1])
    regions, _ = find_on_grey(grey, detector)
    return [replace(region, matrix=to_photo @ region.matrix) for region in regions]


def find_on_grey(grey: np.ndarray, detector) -> tuple[list[Region], list[PageLook]]:
    """:func:`find_regions` for a grey image (H, W), and the looks that were taken at it."""
    height, width = grey.shape
    scale = min(math.sqrt(PIXELS / grey.size), 1.0)  # of the fine look
    looks = [
        look_at(grey, detector, np.diag([factor, factor, 1]), (width / factor, height / factor))
        for factor in (smaller / scale for smaller in SMALLER)
        if min(height, width) / factor >= LEAST_SIDE
    ]
    corners = _corners_of(looks[-1].maps["sheet"]) if looks else None
    if corners is not None and is_aslant(corners):
        corners = map_points(looks[-1].matrix, corners * CELL)
        matrix, (wide, high) = flat_sheet(corners)
        more = MARGIN * max(wide, high)
        finer = min(math.sqrt(PIXELS / (wide * high)), 1.0)
        matrix = matrix @ np.array([[1 / finer, 0, -more], [0, 1 / finer, -more], [0, 0, 1]])
        page = (wide + 2 * more) * finer, (high + 2 * more) * finer
    else:
        matrix, page = np.diag([1 / scale, 1 / scale, 1]), (width * scale, height * scale)
    coarse = [(look, regions_of(look.maps)) for look in looks]
    fine = look_at(grey, detector, matrix, page)
    found, speckled = regions_of(fine.maps), False
    if _are_small(found):
        found, speckled = _without_specks(found, matrix, grey, speckled)
    for finer in FINER:
        if not _are_small(found):
            break
        there = matrix @ np.diag([1 / finer, 1 / finer, 1])
        look = look_at(grey, detector, there, (finer * page[0], finer * page[1]))
        seen, speckled = _without_specks(regions_of(look.maps), there, grey, speckled)
        if len(seen) < len(found):  # on some photos, what is enlarged is lost
            break
        fine, found = look, seen
    matrix = fine.matrix
    regions: list[Region] = []
    missed: list[Region] = []  # by the fine look, if nothing else is there
    for look, of_look in (*coarse, (fine, found)):
        there = np.linalg.inv(matrix) @ look.matrix
        # small writing is for the fine look; what is too high for a look, for a smaller one
        lowest = LOWEST if look is not fine else 0.0
        highest = TALLEST if look not in looks[:1] else math.inf
        regions += [
            moved(region, there) for region in of_look if lowest <= region.height <= highest
        ]
        if look is not fine:
            missed += [moved(r, there) for r in of_look if LEAST_MISSED <= r.height < lowest]
    ordered = reading_order(one_way(without_doubles(regions, missed)))
    return [replace(region, matrix=matrix) for region in ordered], [*looks, fine]


def _corners_of(sheet: np.ndarray) -> np.ndarray | None:
    """As :func:`find_sheet`, of a map (h, w) of probabilities."""
    found = (find_sheet(sheet > least) for least in SHEETS)
    return next((corners for corners in found if corners is not None), None)


def look_at(grey: np.ndarray, detector, matrix: np.ndarray, size: tuple[float, float]) -> PageLook:
    """What a detector says of a page.

    Parameters
    ----------
    grey : ndarray, (H, W)
        The photo.
    detector : Detector
    matrix : ndarray, (3, 3)
        Takes a point (x, y, 1) of the page to the photo.
    size : (float, float)
        Width and height of the page; whole pixels are taken.
    """
    wide, high = (max(round(side), 2 * CELL) for side in size)
    image = _seen(grey, matrix, (high, wide))
    return PageLook(maps_of(image, detector), matrix, image)


@torch.inference_mode()
def maps_of(image: np.ndarray, detector) -> dict[str, np.ndarray]:
    """The maps of a page, each (h, w): probabilities, the direction, the logarithm of the height.

    Parameters
    ----------
    image : ndarray, (H, W), in [0, 1]
    detector : Detector
    """
    page = torch.from_numpy(np.array(image, np.float32))[None, None]
    out = detector(page)[0].float().cpu().numpy()  # (M, h, w)
    maps = dict(zip(MAPS, out, strict=True))
    for name in ("number", "word", "ends", "print", "marks", "sheet"):
        maps[name] = 1 / (1 + np.exp(-np.clip(maps[name], -30, 30)))
    return maps


def moved(region: Region, matrix: np.ndarray) -> Region:
    """The same region on another page, to which a homography leads."""
    corners = map_points(matrix, region.place.corners())
    start, end = (corners[0] + corners[3]) / 2, (corners[1] + corners[2]) / 2
    along, middle = end - start, corners.mean(0)
    length = float(np.linalg.norm(along))
    along = along / max(length, 1e-9)
    down = np.array([-along[1], along[0]])
    half = float((corners[2:] - corners[1::-1]).mean(0) @ down) / 2
    x, y = float(middle @ along), float(middle @ down)
    place = Place(
        x - length / 2,
        x + length / 2,
        y - half,
        y + half,
        math.degrees(math.atan2(along[1], along[0])),
    )
    return replace(region, place=place)


# ---------------------------------------------------------------------------- pieces


def _are_small(regions: list[Region]) -> bool:
    """Whether a finer look is worth its time."""
    return float(np.median([region.height for region in regions] or [SMALL])) < SMALL


def _without_specks(
    regions: list[Region], matrix: np.ndarray, grey: np.ndarray, speckled: bool
) -> tuple[list[Region], bool]:
    """Small regions of a page, and whether it is speckled: then those without long ink are none.

    Of small writing, some is as broken as specks; so they tell only where most regions are such.
    The matrix leads from the page to the photo.
    """
    writing = [r for r in regions if not _is_speck(r.place.corners(), matrix, grey)]
    speckled = speckled or 2 * len(writing) < len(regions)
    return (writing if speckled else regions), speckled


def _is_speck(corners: np.ndarray, matrix: np.ndarray, grey: np.ndarray) -> bool:
    """Whether no ink at a place is as long as a digit: a scanner's specks, which were enlarged.

    Its corners are on a page from which the matrix leads to the photo.
    """
    corners = map_points(matrix, corners)
    height = float(np.hypot(*(corners[3] - corners[0])))
    if height < SMALLEST:
        return True
    left, top = np.floor(corners.min(0)).astype(int).clip(0)
    right, bottom = np.ceil(corners.max(0)).astype(int).clip(0)
    box = grey[top:bottom, left:right]
    if not box.size:
        return False
    away = np.abs(box - np.median(box))
    labels, _ = ndimage.label(away > away.max() / 2, np.ones((3, 3)))
    pieces = ndimage.find_objects(labels)
    longest = max((max(s.stop - s.start for s in piece) for piece in pieces), default=0)
    return longest < STROKE * height


def _seen(grey: np.ndarray, matrix: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A page (H, W) of a photo, from pixels that are about as large as its own."""
    x, y = shape[1] / 2, shape[0] / 2
    middle, *around = map_points(matrix, [[x, y], [x + 1, y], [x, y + 1]])
    step = math.sqrt(abs(float(np.linalg.det(np.array(around) - middle))))
    if not matrix[2, :2].any() and not matrix[0, 1] and not matrix[1, 0]:
        right, bottom = map_points(matrix, [shape[::-1]])[0]
        left, top = map_points(matrix, [[0, 0]])[0]
        box = (max(left, 0), max(top, 0), min(right, grey.shape[1]), min(bottom, grey.shape[0]))
        return np.asarray(
            Image.fromarray(grey).resize(shape[::-1], Image.Resampling.BILINEAR, box=box)
        )
    if step > 1.5:
        factor = max(round(step), 2)
        grey = np.asarray(Image.fromarray(grey).reduce(factor))
        matrix = np.diag([1 / factor, 1 / factor, 1]) @ matrix
    return steps.resample(grey, matrix, shape)
