"""The steps from a photo of handwriting to clean ink, each usable and showable alone.

Arrays go in and come out: a grey image is (H, W), float, from 0 (black) to 1 (white); a mask is
(H, W), bool, True on ink. The network does not read a mask: it reads grey. A mask serves to find
where on a photo a line stands (:mod:`crnn_lib.photos.finding`), and there no digit may be lost
because a threshold broke its stroke.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage import filters
from skimage.filters import rank

from crnn_lib.alphabet import as_number, check_whole
from crnn_lib.photos.files import ImageError

SMALL = 8_000  # pixels that are enough to know paper and light by
SIDE_PIXELS = 4_000  # to know whether the ink is the darker part
STROKE_PIXELS = 100_000  # to know how thick the strokes are
SAMPLE = 1_000_000  # values that are enough for a percentile
BORDER, BAND = 2.0, 0.08  # what the border counts beside the neighbourhoods; of the shorter side
REACHES = (1.0, 0.5, 0.25)  # of the neighbourhoods that vote on it, as shares of the shorter side
THICKEST = 0.35  # of the image's shorter side: what is wider is no stroke
WINDOWS = 3  # strokes side by side in a window: there is paper in it wherever it lies
LEVELS = 128  # of grey: more tell no more about a neighbourhood's median
CONTRAST = 0.1  # between ink and paper; less is noise
STEEPEST = 12.0  # degrees that writing may climb or fall and still be set straight
STEEPEST_SLANT = 1.2  # pixels to the right per pixel upwards that letters may lean
FEW_LETTERS = 1.5  # times as wide as high: less than a few letters has no slant of its own
GAIN = 1.08  # an angle must gather this much more than none, to be believed
PIECE = 24  # pixels: a rule that is not quite level is a staircase of pieces this long
SQUARE = np.ones((3, 3))  # patches hang together by edges and corners
LEAST_SPREAD = 1e-3  # standard deviation of a neighbourhood; an image with less is empty
_BILINEAR = Image.Resampling.BILINEAR


def polarity(grey: np.ndarray, *, crop: bool = False) -> tuple[np.ndarray, bool]:
    """Dark ink on light paper, whichever way it was.

    Ink is the smaller part, and far from the paper's brightness: the differences from the local
    median have their longer tail on the side of the ink. Neighbourhoods of three sizes vote: a
    small one does not see past a fat digit, a large one takes a shadow for ink.

    Parameters
    ----------
    grey : ndarray, (H, W)
    crop : bool
        The image is a crop. Then its border votes, too: it is paper all around where a thick pen
        left less paper than ink. Around a page may lie a dark table.

    Returns
    -------
    grey : ndarray, (H, W)
    turned : bool
        Whether the ink was the lighter one.

    >>> chalk = np.zeros((9, 9)); chalk[4, 3:6] = 1
    >>> polarity(chalk)[1], polarity(1 - chalk)[1]
    (True, False)
    """
    _require_grey(grey)
    small = _shrunk(grey, SIDE_PIXELS)
    vote, left = BORDER * _darkness_of_border(small) if crop else 0.0, len(REACHES)
    for reach in REACHES:
        difference = small - _local_median(small, reach)
        cubes = difference * difference * difference  # numpy's powers are slow
        vote += float(cubes.sum() / max(np.abs(cubes).sum(), 1e-9))
        left -= 1
        if abs(vote) > left:  # a vote is -1 to 1: those that are left change nothing
            break
    turned = vote > 0
    return (1 - grey if turned else grey), turned


def paper_of(grey: np.ndarray) -> np.ndarray:
    """The brightness of the paper under each pixel, (H, W): light and shadow without the ink.

    A grey closing, smoothed: the brightest of each neighbourhood, then the darkest of these. It
    fills dark marks that are narrower than the neighbourhood, half of the image's shorter side,
    however close they stand, and leaves the edge of a shadow where it is.
    """
    _require_grey(grey)
    small = _shrunk(grey)
    side = max(min(small.shape) // 2, 7) | 1
    calm = ndimage.uniform_filter(small, 3, mode="nearest")  # single bright pixels are noise
    paper = ndimage.maximum_filter(calm, side, mode="nearest")
    paper = ndimage.minimum_filter(paper, side, mode="nearest")
    paper = ndimage.gaussian_filter(paper, 2, mode="nearest")
    # noise lifts what is brightest; paper is as bright as most of it
    share = calm / np.maximum(paper, 1e-3)
    most = share[share > 0.8]
    if most.size:
        paper *= np.median(most)
    return _enlarged(paper, grey.shape)


def flatten(grey: np.ndarray, paper: np.ndarray | None = None) -> np.ndarray:
    """Even light: paper becomes 1, and ink is as dark as it is beside its own paper.

    Light falls on ink and paper alike, so the quotient does not know of it.

    Parameters
    ----------
    grey : ndarray, (H, W)
    paper : ndarray, (H, W), optional
        :func:`paper_of` ``grey``, where it is known already.

    Returns
    -------
    ndarray, (H, W), in [0, 1]
    """
    _require_grey(grey)
    if paper is not None and np.shape(paper) != grey.shape:
        raise ValueError(
            f"paper is as large as grey, {grey.shape}; got {np.shape(paper)}. paper_of makes it."
        )
    paper = paper_of(grey) if paper is None else paper
    return np.clip(grey / np.maximum(paper, 0.05), 0, 1).astype(np.float32)


def binarise(
    grey: np.ndarray, method: str = "sauvola", *, window: int | None = None, k: float = 0.2
) -> np.ndarray:
    """Ink or paper: a mask, True on ink.

    Otsu (1979) takes one threshold for the whole image: the best there is for scans and after
    :func:`flatten`, if the ink is of one darkness. Sauvola and Pietikainen (2000) take one for each
    pixel, from mean and spread around it: right where light, paper or ink change along the line,
    and slower. Here the spread counts against the image's own largest, so pale ink is found too.

    Parameters
    ----------
    grey : ndarray, (H, W)
        Dark ink on light paper.
    method : {"sauvola", "otsu"}
    window : int, optional
        Sauvola's neighbourhood in pixels, odd. Where it is all ink, a stroke comes out hollow: by
        default it is as wide as three of the thickest strokes, and at least a third of the image's
        shorter side, 15 to 61.
    k : float
        Sauvola's share: more leaves out more.
    """
    _require_grey(grey)
    if method == "otsu":
        if float(np.ptp(grey)) == 0:
            return np.zeros(grey.shape, bool)
        return grey <= filters.threshold_otsu(grey.astype(np.float64))
    if method != "sauvola":
        raise ValueError(f"method is 'sauvola' or 'otsu'; got {method!r}.")
    if not math.isfinite(as_number(k)):
        raise ValueError(f"k is a finite number; got {k!r:.80}.")
    if window is not None:
        check_whole(1, window=window)
    if window is None:
        window = max(math.ceil(WINDOWS * _thickest(grey)), min(max(min(grey.shape) // 3, 15), 61))
    mean, spread = _mean_and_spread(grey, window)
    step = math.ceil(math.sqrt(spread.size / SAMPLE))
    largest = float(np.percentile(spread[::step, ::step], 99))
    if largest < LEAST_SPREAD:
        return np.zeros(grey.shape, bool)
    # What is hardly darker than its surroundings is texture, however flat they are.
    return (grey < mean * (1 + k * (spread / largest - 1))) & (grey < mean - 0.5 * largest)


def stroke_width(mask: np.ndarray) -> float:
    """How thick the pen's strokes are, in pixels; 0 without ink.

    A stroke of width w and length l has an area of w * l and an outline of 2 * (w + l); from both w
    follows, for each patch of ink. The result is the width that has half of all outlines below it:
    a dark table around the sheet weighs no more than its outline.
    """
    _require_mask(mask)
    return _stroke_width_of(ndimage.label(mask, SQUARE)[0])


def _stroke_width_of(patches: np.ndarray) -> float:
    """:func:`stroke_width` of a mask whose patches are labelled, (H, W)."""
    return _middle(*_widths(patches, _sizes(patches, int(patches.max(initial=0)))))


def denoise(mask: np.ndarray, smallest: float | None = None) -> np.ndarray:
    """Drop specks: patches of ink with fewer pixels than a dot of the pen.

    Parameters
    ----------
    mask : ndarray, (H, W), bool
    smallest : float, optional
        Pixels that a patch needs to stay: by default twice the square of the stroke width.
    """
    _require_mask(mask)
    patches, count = ndimage.label(mask, SQUARE)
    sizes = _sizes(patches, count)
    if smallest is not None and not as_number(smallest) >= 0:
        raise ValueError(f"smallest is a number of pixels, 0 or more; got {smallest!r:.80}.")
    if smallest is None:
        smallest = 2 * _middle(*_widths(patches, sizes)) ** 2
    keep = sizes >= smallest
    keep[0] = False
    return keep[patches]


def find_rules(mask: np.ndarray, length: int | None = None, *, vertical: bool = True) -> np.ndarray:
    """Ruled lines and borders: long, thin runs along or across, a few degrees off at most.

    Parameters
    ----------
    mask : ndarray, (H, W), bool
    length : int, optional
        Pixels that a rule needs. It must be more than a digit's bar: by default 1.2 times the
        image's height, but no more than 0.7 times its width.
    vertical : bool
        Look for rules across as well, of four fifths of the image's height: a 1 of that height in
        a crop is taken for one.

    Returns
    -------
    ndarray, (H, W), bool
        True on rules, also where a digit crosses them.

    Raises
    ------
    ValueError
        If the mask is none, as all that takes one raises it.
    """
    _require_mask(mask)
    level, upright = _rules(mask, length, vertical)
    return level | upright


def remove_rules(
    mask: np.ndarray, length: int | None = None, *, vertical: bool = True
) -> np.ndarray:
    """Take rules out of a mask, and mend the digits that they cross.

    What was under a rule becomes ink again where ink touches the rule from both of its sides.
    Parameters are those of :func:`find_rules`.
    """
    _require_mask(mask)
    level, upright = _rules(mask, length, vertical)
    if not (level.any() or upright.any()):
        return mask
    rest = mask & ~level & ~upright
    return rest | _mended(rest, level) | _mended(rest.T, upright.T).T


def erase(grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Paint paper over a mask: (H, W) -> (H, W)."""
    _require_mask(mask)
    return np.where(ndimage.binary_dilation(mask, np.ones((3, 3))), paper_of(grey), grey)


def skew_of(mask: np.ndarray) -> float:
    """How far the writing falls to the right, in degrees; negative where it climbs.

    Upright writing fills fewer rows than skewed writing. So this is the angle at which its rows
    hold most: the sum of their squares is largest (Postl 1986). Ink less than twice as wide as
    it is high says nothing about the angle, and gives 0.
    """
    _require_mask(mask)
    return skew_of_points(*_points(mask))


def skew_of_points(x: np.ndarray, y: np.ndarray, gain: float = GAIN) -> float:
    """:func:`skew_of` for columns and rows of ink, (M,) each, whole numbers of pixels apart."""
    _require_points(x, y)
    if len(x) < 2 or np.ptp(x) < 2 * np.ptp(y):
        return 0.0
    angles = np.arange(-STEEPEST, STEEPEST + 0.1, 0.5)
    scores = _evenness(x, y, np.tan(np.radians(angles)))
    best, level = int(np.argmax(scores)), int(np.argmin(np.abs(angles)))
    return float(angles[best]) if scores[best] > gain * scores[level] else 0.0


def slant_of_points(x: np.ndarray, y: np.ndarray) -> float | None:
    """How far the writing leans: pixels to the right per pixel upwards, negative to the left.

    What :func:`skew_of_points` is for rows, for columns: upright writing fills fewer of them.

    Parameters
    ----------
    x, y : ndarray, (M,)
        Columns and rows of the ink of level writing, whole numbers of pixels apart.

    Returns
    -------
    float or None
        None of less than a few letters: a V or a slash leans by itself.
    """
    _require_points(x, y)
    if len(x) < 2:
        return None
    slants = np.arange(-STEEPEST_SLANT, STEEPEST_SLANT + 0.01, 0.1)
    best = float(slants[np.argmax(_evenness(y, x, -slants))])
    wide = np.ptp(x + best * y)  # once it stands upright
    return round(best, 1) if wide >= FEW_LETTERS * np.ptp(y) else None


def _evenness(x: np.ndarray, y: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """The sum of the squares of how much ink each row holds, once it falls less by each slope."""
    columns, rows = (np.asarray(values - values.min(), np.intp) for values in (x, y))
    high, wide = rows.max() + 1, columns.max() + 1
    ink = np.zeros((high + 2, wide), np.int8)
    ink[rows + 1, columns] = 1
    # a column of ink moves as a whole, and adds 1 to the rows from a run's start to its end
    changes = np.diff(ink, axis=0)  # (high + 1, wide)
    starts, ends = (np.nonzero(changes == change) for change in (1, -1))
    inked = ink.any(0)
    first = np.where(inked, ink.argmax(0) - 1, 0)
    moved = first - slopes[:, None] * np.arange(wide)  # (S, wide)
    moved -= moved[:, inked].min(1, keepdims=True)
    shifts = np.floor(moved).astype(np.intp) - first
    count = int(shifts[:, inked].max()) + high + 1  # of rows, at every slope
    shifts += count * np.arange(len(slopes))[:, None]
    added, taken = (
        np.bincount((shifts[:, column] + row).ravel(), minlength=count * len(slopes))
        for row, column in (starts, ends)
    )
    filled = (added - taken).reshape(len(slopes), count).cumsum(1).astype(float)
    return (filled**2).sum(1)  # (S,)


def deskew(grey: np.ndarray, degrees: float) -> np.ndarray:
    """Turn an image so that writing which falls by these degrees lies level.

    The result is as large as what was turned needs; corners are filled with the nearest paper.
    See :func:`rotation` for where each point goes.
    """
    _require_grey(grey)
    if not math.isfinite(as_number(degrees)):
        raise ValueError(f"degrees is a finite number; got {degrees!r:.80}.")
    if not degrees:
        return grey
    height, width = grey.shape
    matrix = rotation(degrees, (width, height))
    right, bottom = _turned_size(degrees, (width, height))
    return resample(grey, matrix, (bottom, right))


def rotation(degrees: float, size: tuple[int, int]) -> np.ndarray:
    """(3, 3): takes a point (x, y, 1) of :func:`deskew`'s result to the point of its source."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    middle = np.array(size) / 2
    result = np.eye(3)
    result[:2, :2] = turn
    result[:2, 2] = middle - turn @ (np.array(_turned_size(degrees, size)) / 2)
    return result


def scale_to(grey: np.ndarray, height: int) -> np.ndarray:
    """Resize to a height, proportions kept. Shrinking averages, so thin strokes survive."""
    _require_grey(grey)
    check_whole(1, height=height)
    width = max(round(grey.shape[1] * height / grey.shape[0]), 1)
    image = Image.fromarray(np.ascontiguousarray(grey, np.float32))
    return np.clip(np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)), 0, 1)


def resample(
    grey: np.ndarray, matrix: np.ndarray, shape: tuple[int, int], paper: np.ndarray | None = None
) -> np.ndarray:
    """Read an image at other places. Beyond its borders lies paper.

    Parameters
    ----------
    grey : ndarray, (H, W)
    matrix : ndarray, (3, 3)
        Takes a point (x, y, 1) of the result to the point of ``grey``. A pixel's middle is at
        half past its index. It may be a homography: what comes out is divided by its third number.
    shape : (int, int)
        Height and width of the result. Pixels should be about as large as those of ``grey``.
    paper : ndarray, (H, W), optional
        :func:`paper_of` ``grey``, where it is known already; else it is that of the part of
        ``grey`` that is read.
    """
    height, width = shape
    corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    corners = corners[:2] / corners[2]
    low = np.floor(corners.min(1)).astype(int) - 1  # (2,)
    high = np.ceil(corners.max(1)).astype(int) + 1
    part = _extended(grey, low, high)
    if (low < 0).any() or (high > grey.shape[::-1]).any():
        beyond = paper_of(part) if paper is None else _extended(paper, low, high)
        rows, columns = (np.arange(low[k], high[k]) for k in (1, 0))
        known = ((rows >= 0) & (rows < grey.shape[0]))[:, None] & (
            (columns >= 0) & (columns < grey.shape[1])
        )
        part = np.where(known, part, beyond).astype(np.float32, copy=False)
    moved = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]]) @ matrix
    moved = moved / moved[2, 2]
    way = Image.Transform.PERSPECTIVE if moved[2, :2].any() else Image.Transform.AFFINE
    numbers = moved.ravel()[: 8 if moved[2, :2].any() else 6].tolist()
    image = Image.fromarray(part).transform((width, height), way, numbers, _BILINEAR)
    return np.asarray(image)


# ---------------------------------------------------------------------------- pieces


def _require_grey(grey: np.ndarray) -> None:
    if not isinstance(grey, np.ndarray) or grey.ndim != 2 or not grey.size:
        shape = grey.shape if isinstance(grey, np.ndarray) else type(grey).__name__
        raise ValueError(f"grey is an array (H, W); got {shape}. to_grey makes one of any image.")
    if grey.dtype.kind != "f":
        raise ImageError(f"grey holds floats in [0, 1]; got {grey.dtype}. Use to_grey first")


def _require_points(x: np.ndarray, y: np.ndarray) -> None:
    if np.ndim(x) != 1 or np.shape(x) != np.shape(y):
        raise ValueError(
            f"x and y are columns and rows of the same ink, (M,) each; got {np.shape(x)} and "
            f"{np.shape(y)}."
        )


def _require_mask(mask: np.ndarray) -> None:
    """Raise a ValueError unless it is a mask: of other numbers, ~ and & make something else."""
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype != np.bool_:
        got = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise ValueError(
            f"mask is an array (H, W) of bool, True on ink; got {got}. binarise makes one, and so "
            "does mask > 0."
        )


def _shrunk(grey: np.ndarray, pixels: int = SMALL) -> np.ndarray:
    factor = math.ceil(math.sqrt(grey.size / pixels))
    image = Image.fromarray(np.ascontiguousarray(grey, np.float32))
    return np.asarray(image.reduce(factor) if factor > 1 else image)


def _enlarged(small: np.ndarray, shape: tuple[int, int], cell: float | None = None) -> np.ndarray:
    """Bilinear, to (H, W); each pixel of ``small`` stands for ``cell`` x ``cell`` of these."""
    if small.shape == shape:
        return small
    cell = cell or math.ceil(max(shape[0] / small.shape[0], shape[1] / small.shape[1]))
    box = (0, 0, shape[1] / cell, shape[0] / cell)
    image = Image.fromarray(small).resize(shape[::-1], Image.Resampling.BILINEAR, box=box)
    return np.asarray(image)


def _extended(grey: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The part from (x, y) ``low`` to ``high``; beyond the borders they are repeated."""
    if (low >= 0).all() and (high <= grey.shape[::-1]).all():
        part = grey[low[1] : high[1], low[0] : high[0]]
    else:
        columns, rows = (
            np.clip(np.arange(low[k], high[k]), 0, grey.shape[1 - k] - 1) for k in (0, 1)
        )
        part = grey.take(rows, 0).take(columns, 1)
    return part.astype(np.float32, copy=False)


def _darkness_of_border(grey: np.ndarray) -> float:
    """From -1, all of the border is lighter than Otsu's threshold, to 1, all of it is darker."""
    if float(np.ptp(grey)) == 0:
        return 0.0
    wide = math.ceil(BAND * min(grey.shape))  # more than the side of a box is thick
    dark = grey <= filters.threshold_otsu(grey)
    around = np.ones(grey.shape, bool)
    around[wide:-wide, wide:-wide] = False
    return 2 * float(dark[around].mean()) - 1


def _local_median(grey: np.ndarray, reach: float) -> np.ndarray:
    """The median of each pixel's neighbourhood, a share of the shorter side wide."""
    side = max(int(reach * min(grey.shape)), 15) | 1
    levels = np.round((LEVELS - 1) * np.clip(grey, 0, 1)).astype(np.uint16)
    return rank.median(levels, np.ones((side, side), np.uint8)).astype(np.float32) / (LEVELS - 1)


def _mean_and_spread(grey: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each pixel's neighbourhood, (H, W) each.

    They change slowly from pixel to pixel: a 16th of the window is a step that is small enough.
    """
    cell = max(window // 16, 1)
    grey = np.ascontiguousarray(grey, np.float32)
    mean, square = (
        ndimage.uniform_filter(
            np.asarray(Image.fromarray(values).reduce(cell)),
            round(window / cell) | 1,
            mode="mirror",
        )
        for values in (grey, grey * grey)
    )
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    return _enlarged(mean, grey.shape, cell), _enlarged(spread, grey.shape, cell)


def _thickest(grey: np.ndarray) -> float:
    """How thick the thickest strokes are, in pixels: wider than nine tenths of all outlines."""
    small = _shrunk(grey, STROKE_PIXELS)
    if float(np.ptp(small)) == 0:
        return 0.0
    dark = small <= filters.threshold_otsu(small)
    patches, count = ndimage.label(dark, SQUARE)
    widths, outlines = _widths(patches, _sizes(patches, count))
    strokes = widths <= THICKEST * min(small.shape)
    factor = max(grey.shape[0] / small.shape[0], grey.shape[1] / small.shape[1])
    return factor * _middle(widths[strokes], outlines[strokes], 0.9)


def _sizes(patches: np.ndarray, count: int) -> np.ndarray:
    """Pixels of the paper and of each patch: (count + 1,)."""
    return np.bincount(patches.ravel(), minlength=count + 1)


def _widths(patches: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The stroke width of each patch of ink and the length of its outline: (N,), (N,).

    An outline is as long as lines of four directions cross it often (Crofton; Cauchy 1850).
    """
    count, areas = len(sizes) - 1, sizes[1:]
    wide = np.zeros((patches.shape[0] + 2, patches.shape[1] + 2), patches.dtype)
    wide[1:-1, 1:-1] = patches
    crossings = np.zeros(count + 1)
    height, width = patches.shape
    here = wide[1:, 1 : width + 1]
    for there, weight in (
        (wide[:-1, 1 : width + 1], 1.0),
        (wide[:-1, 2:], math.sqrt(0.5)),
        (wide[:-1, :width], math.sqrt(0.5)),
    ):
        crossings += weight * _crossings(here, there, count)
    crossings += _crossings(wide[1:-1, 1:], wide[1:-1, :-1], count)
    outlines = np.maximum(np.pi / 8 * crossings[1:], 1)
    # the shorter side of a rectangle with this area and this outline; a square's, if there is none
    widths = (outlines - np.sqrt(np.maximum(outlines**2 - 16 * areas, 0))) / 4
    return np.maximum(widths, 1), outlines


def _crossings(here: np.ndarray, there: np.ndarray, count: int) -> np.ndarray:
    """How often each patch begins or ends between neighbours: (count + 1,)."""
    changes = np.flatnonzero((here == 0) != (there == 0))
    patches = (here + there).ravel()[changes]  # one of the two is 0
    return np.bincount(patches, minlength=count + 1)


def _middle(widths: np.ndarray, outlines: np.ndarray, share: float = 0.5) -> float:
    """The width that this share of all outlines stays below; 0 of nothing."""
    if not len(widths):
        return 0.0
    order = np.argsort(widths)
    total = np.cumsum(outlines[order])
    return float(widths[order][np.searchsorted(total, share * total[-1])])


def _rules(mask: np.ndarray, length: int | None, vertical: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rules along the rows, and rules along the columns."""
    if length is not None:
        check_whole(1, length=length)
    height, width = mask.shape
    level = _runs(mask, length or max(int(min(1.2 * height, 0.7 * width)), 16))
    if not vertical:
        return level, np.zeros_like(mask)
    return level, _runs(mask.T.copy(), length or max(int(0.8 * height), 16)).T  # rows lie together


def _runs(mask: np.ndarray, length: int) -> np.ndarray:
    """Thin runs along the rows that are at least this long, straight or nearly so."""
    piece = min(max(length // 4, 5), PIECE)
    level = _long_runs(_without_gaps(mask, 4), piece)
    if np.count_nonzero(level.any(0)) < length:  # no run can be long enough
        return np.zeros_like(level)
    thin = max(length // 10, 3)
    labels, count = ndimage.label(level, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    keep = np.zeros(count + 1, bool)
    for k, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        wide, high = columns.stop - columns.start, rows.stop - rows.start
        keep[k] = wide >= length and high <= thin + 0.1 * wide and sizes[k] <= thin * wide
    if not keep.any():
        return np.zeros_like(level)
    # where the run is thick, a digit's bar lies on it
    return keep[labels] & mask & ~_long_runs(level.T, thin + 1).T


def _run_ends(mask: np.ndarray, beside: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Where runs along the rows start and end, each row with paper ``beside`` it."""
    height, width = mask.shape
    wide = np.zeros((height, width + beside), bool)
    wide[:, :width] = mask
    changes = np.flatnonzero(np.diff(wide.ravel(), prepend=False, append=False))
    return changes[::2], changes[1::2], wide.shape


def _drawn_runs(starts: np.ndarray, ends: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A mask of runs that do not overlap, (H, W)."""
    change = np.zeros(shape[0] * shape[1] + 1, np.int8)
    change[starts] = 1
    change[ends] -= 1
    return np.cumsum(change[:-1], dtype=np.int8).astype(bool).reshape(shape)


def _long_runs(mask: np.ndarray, length: int) -> np.ndarray:
    """Runs along the rows that are at least this long: an opening with a bar."""
    starts, ends, shape = _run_ends(mask, 1)
    keep = ends - starts >= length
    return _drawn_runs(starts[keep], ends[keep], shape)[:, : mask.shape[1]]


def _without_gaps(mask: np.ndarray, gap: int) -> np.ndarray:
    """Gaps within the rows of up to so many pixels become ink: a closing with a bar."""
    starts, ends, shape = _run_ends(mask, gap + 1)
    if not len(starts):
        return mask
    apart = starts[1:] - ends[:-1] > gap
    starts, ends = starts[np.r_[True, apart]], ends[np.r_[apart, True]]
    return _drawn_runs(starts, ends, shape)[:, : mask.shape[1]]


def _mended(rest: np.ndarray, rules: np.ndarray) -> np.ndarray:
    """Pixels of rules along the rows that ink reaches from above and from below, or aslant."""
    if not rules.any():
        return rules
    down = np.array([[0, 0, 0], [0, 1, 0], [1, 1, 1]], bool)
    above, below = (
        ndimage.binary_propagation(rest, way, mask=rest | rules) for way in (down, down[::-1])
    )
    return above & below & rules


def _points(mask: np.ndarray, most: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of a mask's pixels, of many an even part."""
    y, x = np.nonzero(mask)
    every = max(len(x) // most, 1)
    return x[::every].astype(float), y[::every].astype(float)


def _turned_size(degrees: float, size: tuple[int, int]) -> tuple[int, int]:
    angle, (width, height) = math.radians(abs(degrees)), size
    wide = width * math.cos(angle) + height * math.sin(angle)
    return math.ceil(wide), math.ceil(width * math.sin(angle) + height * math.cos(angle))
