"""Where the lines stand on a photo, and how each becomes the grey image that a network reads.

A mask says where the ink is; patches of ink side by side are a line; the line's band is where the
bodies of its digits stand, so that dots, tails and specks do not set its size. The image is cut
from the grey photo itself, a little higher than the band, and every point of it can be followed
back to the photo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, overload

import numpy as np
from PIL import Image
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from crnn_lib.photos import steps
from crnn_lib.photos.files import ImageError, grey_and_size
from crnn_lib.photos.places import FILL, PhotoLine, Place, _cut_each, crop_views, to_lines

FIND_PIXELS = 1_000_000  # enough to find lines by
SMALLEST = 6  # pixels: no digit is lower
CROP_HEIGHT = 100  # an image no higher than this is a crop: one line and little else
CROP_ASPECT = 2.0  # so is one that is this many times as wide as it is high
MOST_PATCHES = 4000  # of ink; a page of handwriting has fewer
CROP_GAIN = 1.3  # as steps.GAIN: a crop holds few digits, and scribbles that are not level
LOWEST = 0.4  # of the highest line's height: what is lower is print or noise
TAIL = 0.02  # of the ink's pixels: beyond the band on either side
EDGE = 0.2  # of a word's image: ink that touches the border and stays in it is its neighbours'
STROKES = 5.0  # widths of a stroke: no word is lower
BOXED = 0.8  # of the border's height: ink that long along it is the side of a box
SIDES = 0.15  # of a word's height: paper beside its ink


@dataclass(frozen=True, eq=False)
class Step:
    """One stage of :func:`clean_photo`: its name, what it shows, and a sentence on it."""

    name: str
    image: np.ndarray
    words: str


@dataclass(frozen=True, eq=False)
class Trace:
    """All that :func:`clean_photo` did to a photo.

    Attributes
    ----------
    steps : tuple of Step
        Grey images and masks, in the order of the work.
    places : tuple of Place
        Of the lines, on the images of the steps.
    lines : tuple of PhotoLine
    """

    steps: tuple[Step, ...]
    places: tuple[Place, ...]
    lines: tuple[PhotoLine, ...]


@overload
def clean_photo(
    image,
    height: int = 32,
    *,
    fills: tuple[float, ...] = (FILL,),
    whole: bool = False,
    trace: Literal[False] = False,
) -> list[PhotoLine]: ...


@overload
def clean_photo(
    image,
    height: int = 32,
    *,
    fills: tuple[float, ...] = (FILL,),
    whole: bool = False,
    trace: Literal[True],
) -> Trace: ...


def clean_photo(
    image,
    height: int = 32,
    *,
    fills: tuple[float, ...] = (FILL,),
    whole: bool = False,
    trace: bool = False,
) -> list[PhotoLine] | Trace:
    """The lines of a photo, from top to bottom, as grey images.

    Parameters
    ----------
    image : path, PIL.Image.Image, ndarray or Tensor
        As for :func:`crnn_lib.photos.to_grey`: any photo, or a crop that holds one line.
    height : int
        Of the images: the network's ``config.height``.
    fills : tuple of float
        Share of the height that the bodies of the digits fill. Each line is cut once for each.
    whole : bool
        All that is written on the image is one word or line, and fills this share from its
        highest ink to its lowest: letters have no common height, as digits have.
    trace : bool
        Return every stage, to be shown by :func:`crnn_lib.plots.plot_steps`.

    Returns
    -------
    list of PhotoLine, or Trace
        With several fills, the images of a line follow each other.

    Raises
    ------
    ImageError
        If there is no ink, or no line, or it is no image.
    OSError
        If the file cannot be opened.
    """
    trace_ = clean_grey(*grey_and_size(image), height, fills=fills, whole=whole)
    return trace_ if trace else list(trace_.lines)


def clean_grey(
    original: np.ndarray,
    size: tuple[int, int],
    height: int = 32,
    *,
    fills: tuple[float, ...] = (FILL,),
    whole: bool = False,
    one: bool = False,
) -> Trace:
    """:func:`clean_photo` for what :func:`crnn_lib.photos.grey_and_size` makes of a photo.

    Parameters
    ----------
    original : ndarray, (H, W)
    size : (int, int)
        Width and height of the photo, before it was shrunk.
    height, fills, whole
        As for :func:`clean_photo`.
    one : bool
        A crop is one line, whatever stands apart on it.

    Returns
    -------
    Trace

    Raises
    ------
    ImageError
        As :func:`clean_photo`.
    """
    if min(original.shape) < SMALLEST:
        raise ImageError(f"{size[0]} x {size[1]} pixels are too few to hold a line")
    is_crop = whole or has_shape_of_crop(size)
    grey, turned = steps.polarity(original, crop=is_crop)
    paper = steps.paper_of(grey)
    flat = steps.flatten(grey, paper)
    factor = math.ceil(math.sqrt(flat.size / FIND_PIXELS))
    if factor > 1:
        flat = np.asarray(Image.fromarray(flat).reduce(factor))
    mask = steps.binarise(flat)
    contrast = float(np.median(flat[~mask]) - np.median(flat[mask])) if mask.any() else 0.0
    if contrast < steps.CONTRAST:
        raise ImageError("there is no ink on it: all of the image has about the same brightness")
    ruleless = steps.remove_rules(mask, vertical=not is_crop)
    ink = steps.denoise(ruleless)
    if whole:
        places = [find_whole(ink if ink.any() else mask)]
    else:
        places = _places_of(_Patches(ink), is_crop, one or size[1] <= CROP_HEIGHT)
    if not places:
        raise ImageError("no line of writing was found on it")
    views = _cut_each(
        lambda place: crop_views(grey, place.scaled(factor), height, fills, paper), places
    )
    lines = [line for of_line in views for line in to_lines(of_line, grey.shape, size)]
    stages = [Step("grey", original, f"{size[0]} x {size[1]} pixels, as brightness.")]
    if turned:
        stages.append(Step("turned", grey, "The ink was lighter than the paper: turned."))
    stages += [
        Step(
            "flattened",
            flat,
            "Divided by the paper's brightness: of a shadow only the edge is left.",
        ),
        Step("ink", mask, "Darker than its surroundings: ink."),
        Step("without rules", ruleless, "Long thin runs are rules; digits they cross are mended."),
        Step("without specks", ink, "What is smaller than a dot of the pen is dropped."),
    ]
    return Trace(tuple(stages), tuple(places), tuple(lines))


def has_shape_of_crop(size: tuple[int, int]) -> bool:
    """Whether an image of this width and height is a crop: one line and little else.

    >>> has_shape_of_crop((400, 90)), has_shape_of_crop((400, 300))
    (True, False)
    """
    width, height = size
    return height <= CROP_HEIGHT or width >= CROP_ASPECT * height


def find_lines(mask: np.ndarray) -> list[Place]:
    """Lines of writing on a photo, from top to bottom.

    Patches of ink that stand side by side, about equally high and no further apart than one and a
    half times their height, are one line. Lines much lower than the highest are print or noise;
    what is large and touches the photo's border is no writing.

    Parameters
    ----------
    mask : ndarray, (H, W), bool
        Ink without rules and specks.

    Returns
    -------
    list of Place
        Empty if nothing looks like a line.

    Raises
    ------
    ImageError
        If there are more than 4,000 patches.
    """
    patches = _Patches(mask)
    return _lines_of(patches, _like_writing(patches))


def _like_writing(patches: _Patches) -> np.ndarray:
    """Numbers of the patches that may be writing: neither small nor large and at the border."""
    height, width = patches.labels.shape
    box = patches.boxes  # (M, 4): top, left, bottom, right
    at_border = (box[:, :2] <= 1).any(1) | (box[:, 2:] >= [height - 1, width - 1]).any(1)
    large = (patches.heights > 0.4 * height) | (patches.widths > 0.4 * width)
    chosen = np.flatnonzero((patches.heights >= SMALLEST) & ~(at_border & large))
    if len(chosen) > MOST_PATCHES:
        raise ImageError(
            f"it shows {len(chosen):,} patches of ink: a texture or small print, and no lines of "
            "writing that could be told from it"
        )
    return chosen


def _lines_of(patches: _Patches, chosen: np.ndarray) -> list[Place]:
    """:func:`find_lines` among these patches."""
    places = [_place(patches, group, 0.5) for group in _groups_of(patches, chosen)]
    return sorted(places, key=lambda place: (place.corners()[:, 1].mean(), place.left))


def _groups_of(patches: _Patches, chosen: np.ndarray) -> list[np.ndarray]:
    """The patches of each line."""
    groups = [chosen[group] for group in _side_by_side(patches.boxes[chosen])]
    tall = [float(np.percentile(patches.heights[group], 75)) for group in groups]
    least = LOWEST * max(tall, default=0.0)
    return [group for group, high in zip(groups, tall, strict=True) if high >= least]


def stands_in_lines(mask: np.ndarray) -> bool:
    """Whether ink may stand in several lines: what :func:`find_lines` asks, and where it gives up.

    >>> mask = np.zeros((60, 40), bool)
    >>> mask[10:20, 5:35] = True
    >>> one = stands_in_lines(mask)
    >>> mask[40:50, 5:35] = True
    >>> one, stands_in_lines(mask)
    (False, True)
    """
    patches = _Patches(mask)
    try:
        return len(_groups_of(patches, _like_writing(patches))) > 1
    except ImageError:
        return True


def find_band(mask: np.ndarray) -> Place | None:
    """The one line of a crop: its band, and all of its width.

    Nothing is cut away at the sides but paper that is more than a digit's height from all ink.

    Returns
    -------
    Place or None
        None if no patch of ink is high enough for a digit of a crop.
    """
    return _band_of(_Patches(mask))


def _band_of(patches: _Patches) -> Place | None:
    """:func:`find_band` of a mask's patches."""
    height, width = patches.labels.shape
    if not len(patches.boxes) or patches.heights.max() < 0.25 * height:
        return None
    tall = np.flatnonzero(patches.heights >= 0.4 * patches.heights.max())
    place = _place(patches, tall, 0.0, CROP_GAIN)
    band = place.bottom - place.top
    if band < 0.3 * height:
        return None
    box = patches.boxes
    left, right = int(box[:, 1].min()) - band, int(box[:, 3].max()) + band
    # no paper is added at the sides: the side of a box would stand free and look like a 1
    return replace(place, left=max(left, 0), right=min(right, width))


def _places_of(patches: _Patches, is_crop: bool, one: bool) -> list[Place]:
    """The lines of a photo; of a crop its band, if it is one line."""
    chosen = _like_writing(patches)
    places = [] if is_crop and one else _lines_of(patches, chosen)
    if not is_crop or len(places) > 1:
        return places
    band = _band_of(patches)
    if band is None and one:
        places = _lines_of(patches, chosen)
    return [band or (places or [_whole(patches.labels)])[0]]


def find_whole(mask: np.ndarray) -> Place:
    """Where the one word or line of an image stands: around all of its ink.

    Patches at the upper or lower border that stay within :data:`EDGE` of the height are pieces of
    other lines. A dot or a dash gets the band of letters that its stroke would write.
    """
    height = len(mask)
    patches = _Patches(mask)
    box = patches.boxes
    above = (box[:, 0] <= 1) & (box[:, 2] <= EDGE * height)
    below = (box[:, 2] >= height - 1) & (box[:, 0] >= (1 - EDGE) * height)
    chosen = np.flatnonzero(~(above | below))
    if not len(chosen):
        chosen = np.arange(len(box))
    place = _place(patches, chosen, 0.0, CROP_GAIN, tail=0.0)
    least = STROKES * steps._stroke_width_of(patches.labels)
    more = max(least - (place.bottom - place.top), 0) / 2
    top, bottom = place.top - more, place.bottom + more
    beside = SIDES * (bottom - top)
    # beside the side of a box stands no paper, else it would stand free and look like a letter
    left = place.left - beside * (mask[:, :2].any(1).mean() < BOXED)
    right = place.right + beside * (mask[:, -2:].any(1).mean() < BOXED)
    return replace(place, left=left, right=right, top=top, bottom=bottom)


def _whole(image: np.ndarray) -> Place:
    """All of a crop, where its line is not found."""
    height, width = image.shape
    return Place(0, width, (1 - FILL) / 2 * height, (1 + FILL) / 2 * height)


# ---------------------------------------------------------------------------- pieces


class _Patches:
    """Connected patches of ink, the highest first: their boxes and sizes."""

    def __init__(self, mask: np.ndarray) -> None:
        self.labels, count = ndimage.label(mask, np.ones((3, 3)))
        found = [
            (rows.start, columns.start, rows.stop, columns.stop)
            for rows, columns in ndimage.find_objects(self.labels)
        ]
        boxes = np.array(found, int).reshape(-1, 4)
        heights = boxes[:, 2] - boxes[:, 0]
        self.numbers = np.argsort(-heights, kind="stable")
        self.boxes: np.ndarray = boxes[self.numbers]
        self.heights: np.ndarray = heights[self.numbers]
        self.widths = self.boxes[:, 3] - self.boxes[:, 1]
        self.count = count

    def points(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows of all ink of these patches."""
        wanted = np.zeros(self.count + 1, bool)
        wanted[self.numbers[chosen] + 1] = True
        y, x = np.nonzero(wanted[self.labels])
        return x + 0.5, y + 0.5


def _side_by_side(boxes: np.ndarray) -> list[np.ndarray]:
    """Groups of boxes that stand in one line."""
    count = len(boxes)
    if not count:
        return []
    top, left, bottom, right = (boxes[:, k].astype(np.float32) for k in range(4))
    high = bottom - top
    near = []
    for start in range(0, count, 256):  # some at a time: not all pairs are held at once
        some = slice(start, start + 256)
        common = np.minimum(bottom[some, None], bottom) - np.maximum(top[some, None], top)
        gap = np.maximum(left[some, None], left) - np.minimum(right[some, None], right)
        low, tall = np.minimum(high[some, None], high), np.maximum(high[some, None], high)
        fits = (common >= 0.4 * low) & (gap <= 1.5 * tall) & (low >= 0.3 * tall)
        near.append(sparse.csr_matrix(fits))
    _, group = csgraph.connected_components(sparse.vstack(near), directed=False)
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _place(
    patches: _Patches,
    group: np.ndarray,
    margin: float,
    gain: float = steps.GAIN,
    tail: float = TAIL,
) -> Place:
    """The place of a line: its angle, its band, and paper on both sides of its ink."""
    x, y = patches.points(group)
    degrees = steps.skew_of_points(x, y, gain)
    turn = Place(0, 0, 0, 0, degrees).matrix()[:2, :2]
    along, across = (np.stack([x, y], 1) @ turn).T  # (M,), (M,)
    top, bottom = np.quantile(across, (tail, 1 - tail))
    beside = margin * (bottom - top)
    return Place(along.min() - beside, along.max() + beside, top, bottom, degrees)
