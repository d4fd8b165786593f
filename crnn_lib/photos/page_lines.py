"""The lines of a photo as a network reads them: cut out where a detector found them.

A crop that holds one line keeps its own way, that of :func:`crnn_lib.photos.clean_photo`: whoever
cut it out has said where the line is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from crnn_lib.photos import steps
from crnn_lib.photos._pieces import CELL
from crnn_lib.photos.files import ImageError, grey_and_size
from crnn_lib.photos.finding import (
    CROP_HEIGHT,
    SMALLEST,
    clean_grey,
    has_shape_of_crop,
    stands_in_lines,
)
from crnn_lib.photos.pages import PageLook, find_on_grey
from crnn_lib.photos.places import PhotoLine, Place, _cut_each, crop_views, to_lines
from crnn_lib.photos.regions import Region, direction_of

BESIDE = 0.5  # heights of paper that are cut out beside a line
MARKED = 0.5  # probability from which a cell holds a rule or another mark
APART = 1.5  # heights between two numbers of a crop that are no single line
FAR, LENGTHY = 2.5, 2.0  # heights: two numbers of a low crop stand so far apart and are so long
LETTERS, STANDING = 200, 0.9  # cells of print, and the mean cosine that says which way it runs
BAND = 2.0  # times the height of the highest region: what is higher is more than a line's ink
ALONG = 0.4  # of its length: so much of it the regions cover then
SHARED = 0.3  # of a number's height: two that share less of it stand below each other
SLIMMEST = 1 / 16  # of a square as high as the crop: the cells of a 1
DOUBTED = 0.2  # what the surest cells must reach for a photo to be read though no line was found
LARGE = 0.3  # of a photo's smaller side: from this height on, a line may be part of a digit
MOST_PARTS = 4  # of a digit that were taken for lines
CONNECTED = 0.95  # share of a photo's ink in one digit
PART = 0.8  # of a digit's height: a region that is lower holds a part of it
WORD, NO_NUMBER = 0.8, 0.2  # a crop is a word if a cell says so by the first, none the second


def cut_lines(
    image,
    detector,
    views: Mapping[str, tuple[int, tuple[float, ...]]],
    *,
    quarters: int = 0,
) -> list[tuple[PhotoLine, ...]]:
    """Find the lines of a photo and cut them out, in reading order.

    Parameters
    ----------
    image : path, PIL.Image.Image, ndarray or Tensor
        As for :func:`crnn_lib.photos.to_grey`.
    detector : Detector
        Of :mod:`crnn_lib.models`.
    views : mapping of str to (int, tuple of float)
        For each kind of line that is wanted, ``"number"`` or ``"word"``: the height of its images
        in pixels, and the shares of it that the bodies of the characters fill, one view for each.
    quarters : int
        Show the photo to the detector turned to the left by so many quarters of a turn; the lines
        still lie where they are on the photo.

    Returns
    -------
    list of tuple of PhotoLine
        The views of each line.

    Raises
    ------
    ImageError
        If there is no line of these kinds, or it is no image.
    OSError
        If the file cannot be opened.
    """
    grey, size = grey_and_size(image)
    if min(grey.shape) < SMALLEST:
        raise ImageError(f"{size[0]} x {size[1]} pixels are too few to hold a line")
    if not quarters % 4:
        return _cut(grey, size, detector, views)
    turned = np.ascontiguousarray(np.rot90(grey, quarters))
    lines = _cut(turned, size[::-1] if quarters % 2 else size, detector, views)
    back = np.eye(3)
    for turn in range(quarters % 4):
        back = back @ np.array([[0, -1, size[turn % 2]], [1, 0, 0], [0, 0, 1]], float)
    return [
        tuple(replace(view, matrix=back @ view.matrix, size=size) for view in line)
        for line in lines
    ]


def cut_word(
    image,
    detector,
    height: int,
    fills: tuple[float, ...],
    views: Mapping[str, tuple[int, tuple[float, ...]]],
) -> list[tuple[PhotoLine, ...]]:
    """Cut out the one word or line of an image; if it is a page of several lines, cut out these.

    It is one if its ink stands in several lines and the detector sees them below each other, too.

    Parameters
    ----------
    image, detector, views
        As for :func:`cut_lines`, which cuts out the lines of a page.
    height, fills
        As for :func:`crnn_lib.photos.clean_photo`, which cuts out a word.

    Returns
    -------
    list of tuple of PhotoLine

    Raises
    ------
    ImageError
        If there is no ink, or it is no image.
    OSError
        If the file cannot be opened.
    """
    grey, size = grey_and_size(image)
    trace = clean_grey(grey, size, height, fills=fills, whole=True)
    if stands_in_lines(trace.steps[-1].image):
        with suppress(ImageError):  # the detector sees none of them
            lines = _cut(grey, size, detector, views)
            if len({line[0].row for line in lines}) > 1:
                return lines
    return [trace.lines]


def _cut(
    grey: np.ndarray,
    size: tuple[int, int],
    detector,
    views: Mapping[str, tuple[int, tuple[float, ...]]],
) -> list[tuple[PhotoLine, ...]]:
    """:func:`cut_lines` of a grey image (H, W)."""
    regions, looks = find_on_grey(grey, detector)
    wanted = [region for region in regions if region.kind in views]
    if "number" in views and has_shape_of_crop(size) and _is_one_line(wanted, size):
        if line := _crop(grey, size, wanted, looks[-1], *views["number"]):
            return [line]
    if not wanted:
        if "number" in views and (line := _only_line(grey, size, looks[-1], *views["number"])):
            return [line]
        others = sorted({f"{region.kind}s" for region in regions})
        if others:
            hint = "; crnn-words reads words" if "words" in others else ""
            raise ImageError(f"nothing but {' and '.join(others)} was found on it{hint}")
        raise ImageError("no line of writing was found on it")
    if "number" in views and (
        line := _large_digit(grey, size, wanted, looks[-1], *views["number"])
    ):
        return [line]
    both = _BothWays(grey)
    stands = _stands(wanted, looks[-1])
    cut = _cut_each(
        lambda region: _views_of(region, regions, looks[-1], both, size, *views[region.kind]),
        wanted,
    )
    return [tuple(replace(view, stands=stands) for view in line) for line in cut]


def _stands(regions: list[Region], look: PageLook) -> bool:
    """Whether the print of a page says that its numbers are the right way up.

    Digits hardly tell, nor do words by hand; of printed letters the detector knows.
    """
    written = look.maps["print"] > MARKED
    if written.sum() < LETTERS:
        return False
    angle = math.radians(direction_of(regions))
    cos, sin = (float(look.maps[name][written].mean()) for name in ("cos", "sin"))
    return cos * math.cos(angle) + sin * math.sin(angle) > STANDING


class _BothWays:
    """A photo, and its negative if somebody asks for it."""

    def __init__(self, grey: np.ndarray) -> None:
        self.grey = grey

    @cached_property
    def negative(self) -> np.ndarray:
        return 1 - self.grey


def _is_one_line(regions: list[Region], size: tuple[int, int]) -> bool:
    """Whether an image with a crop's shape holds one line, in however many pieces it was found."""
    found = [(region.place.corners(), region.height) for region in regions]
    if size[1] <= CROP_HEIGHT:  # here single digits may stand anywhere, but no two long numbers
        found.sort(key=lambda one: float(one[0][:, 0].min()))
        return not any(
            right[:, 0].min() - left[:, 0].max() > FAR * max(high, other)
            and min(np.ptp(left[:, 0]), np.ptp(right[:, 0])) > LENGTHY * max(high, other)
            for (left, high), (right, other) in itertools.pairwise(found)
        )
    for k, (one, high) in enumerate(found):
        for other, low in found[:k]:
            gap, beyond = (
                max(one[:, axis].min(), other[:, axis].min())
                - min(one[:, axis].max(), other[:, axis].max())
                for axis in (0, 1)
            )
            if gap > APART * max(high, low) or -beyond < SHARED * min(high, low):
                return False
    return True


def _crop(
    grey: np.ndarray,
    size: tuple[int, int],
    regions: list[Region],
    look: PageLook,
    height: int,
    fills: tuple[float, ...],
) -> tuple[PhotoLine, ...] | None:
    """The one line of a crop, and what the detector says of it: its surest cells.

    None if its ink is far higher than the regions all along it: they lie in a table or a frame.
    """
    trace = clean_grey(grey, size, height, fills=fills, one=True)
    place = trace.places[0].scaled(len(grey) / len(trace.steps[-1].image))  # in the photo's pixels
    corners = [region.corners() for region in regions]
    highest = max((float(np.hypot(*(c[3] - c[0]))) for c in corners), default=math.inf)
    long = sum(float(np.hypot(*(c[1] - c[0]))) for c in corners)
    if place.bottom - place.top > BAND * highest and long > ALONG * (place.right - place.left):
        return None
    return _crop_of(trace.lines, look)


def _crop_of(lines: tuple[PhotoLine, ...], look: PageLook) -> tuple[PhotoLine, ...]:
    """The views of a crop's line, with what the detector says of it."""
    number, word = (_surest(look.maps[kind]) for kind in ("number", "word"))
    is_word = word > WORD and number < NO_NUMBER
    kind, score = ("word", word) if is_word else ("number", number)
    return tuple(
        replace(line, kind=kind, score=score, row=0, column=0, crop=True) for line in lines
    )


def _only_line(
    grey: np.ndarray,
    size: tuple[int, int],
    look: PageLook,
    height: int,
    fills: tuple[float, ...],
) -> tuple[PhotoLine, ...] | None:
    """The one line of a photo on which the detector is sure of none, if it holds one and no more.

    Then it is a crop of another shape: a number in the middle of a square. How probable it is that
    a number stands there, the surest cells say, as of all crops.
    """
    if _surest(look.maps["number"]) < DOUBTED:
        return None
    try:
        trace = clean_grey(grey, size, height, fills=fills)
    except ImageError:
        return None
    return _crop_of(trace.lines, look) if len(trace.places) == 1 else None


def _large_digit(
    grey: np.ndarray,
    size: tuple[int, int],
    regions: list[Region],
    look: PageLook,
    height: int,
    fills: tuple[float, ...],
) -> tuple[PhotoLine, ...] | None:
    """The one digit that a photo shows, if the detector saw no more than parts of it.

    So it is where nearly all ink hangs together, and reaches far beyond the regions.
    """
    if len(regions) > MOST_PARTS or any(region.kind != "number" for region in regions):
        return None
    highest = max(region.height for region in regions)  # in pixels of the page
    if highest < LARGE * min(look.image.shape):
        return None
    try:
        trace = clean_grey(grey, size, height, fills=fills)
    except ImageError:
        return None
    ink = trace.steps[-1].image
    labels, count = ndimage.label(ink, np.ones((3, 3)))
    if len(trace.places) != 1 or not count:
        return None
    shares = np.bincount(labels[ink]) / ink.sum()
    rows = np.flatnonzero((labels == shares.argmax()).any(1))
    seen = highest / look.image.shape[0]
    if shares.max() < CONNECTED or seen > PART * np.ptp(rows) / len(ink):
        return None
    return _crop_of(trace.lines, look)


def _surest(cells: np.ndarray) -> float:
    """What as many cells of a crop reach as the slimmest digit has."""
    count = min(max(int(SLIMMEST * cells.shape[0] ** 2), 1), cells.size)
    return float(np.partition(cells, -count, axis=None)[-count])


def _views_of(
    region: Region,
    all_regions: list[Region],
    look: PageLook,
    both: _BothWays,
    size: tuple[int, int],
    height: int,
    fills: tuple[float, ...],
) -> tuple[PhotoLine, ...]:
    """A region's views, each with dark ink on light paper, whichever it was on the photo."""
    place = _with_paper(region, all_regions, look)
    views = crop_views(both.grey, place, height, fills, None, region.matrix)
    if steps.polarity(views[0][0], crop=True)[1]:
        views = crop_views(both.negative, place, height, fills, None, region.matrix)
    lines = to_lines(views, both.grey.shape, size)
    kind, score, row, column = region.kind, region.score, region.row, region.column
    return tuple(replace(line, kind=kind, score=score, row=row, column=column) for line in lines)


def _with_paper(region: Region, others: list[Region], look: PageLook) -> Place:
    """A region's place with paper beside it: up to the next line, and up to a rule."""
    place, band = region.place, region.height
    marks = look.maps["marks"]
    axes = place.matrix()
    edges = []
    for edge, way in ((place.left, -1), (place.right, 1)):
        reach = BESIDE * band
        for other in others:
            if other is region or other.row != region.row:
                continue
            along = (other.place.corners() @ axes[:2, :2])[:, 0]
            gap = way * (along - edge)
            if gap.max() > 0:
                reach = min(reach, max(float(gap.min()), 0.0) / 2)
        steps_out = np.arange(0, reach, CELL / 2)
        levels = np.linspace(place.top, place.bottom, 5)
        along, across = np.meshgrid(edge + way * steps_out, levels)
        points = np.stack([along.ravel(), across.ravel(), np.ones(along.size)])
        x, y = ((axes @ points)[:2] / CELL).astype(int)
        inside = (x >= 0) & (y >= 0) & (x < marks.shape[1]) & (y < marks.shape[0])
        marked = np.zeros(along.size, bool)
        marked[inside] = marks[y[inside], x[inside]] > MARKED
        marked = marked.reshape(along.shape)
        # the side of a table's cell stands upright, that of a ring is bent: on all of its height
        if marked.any(1).mean() > 0.7:
            reach = float(steps_out[marked.any(0).argmax()])
        edges.append(edge + way * reach)
    return replace(place, left=edges[0], right=edges[1])


def direction_of_lines(lines: Sequence[tuple[PhotoLine, ...]]) -> float:
    """Which way most of a page's lines run, in degrees."""
    angles = np.radians([line[0].degrees() for line in lines])
    weights = np.array([float(line[0].image.shape[2]) for line in lines])
    near = np.cos(angles[:, None] - angles).clip(0) ** 8  # (M, M)
    chosen = weights * (near[int((near @ weights).argmax())] > 0.25)
    return math.degrees(math.atan2(chosen @ np.sin(angles), chosen @ np.cos(angles)))


def turned_page(lines: Sequence[tuple[PhotoLine, ...]]) -> list[tuple[PhotoLine, ...]]:
    """The lines of a page that was taken upside down, in the order in which they are read then."""
    rows: dict[int, list[int]] = {}
    for line in lines:
        rows.setdefault(line[0].row or 0, []).append(line[0].column or 0)
    plain = all(sorted(row) == list(range(len(row))) for row in rows.values())
    last = max(max(row) for row in rows.values())
    result = []
    for line in reversed(lines):
        row, column = line[0].row or 0, line[0].column or 0
        there = max(rows) - row, (len(rows[row]) - 1 if plain else last) - column
        result.append(tuple(replace(v.turned(), row=there[0], column=there[1]) for v in line))
    return result
