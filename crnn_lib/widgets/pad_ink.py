"""From strokes to pixels: what a pad shows, and the line a network reads.

A stroke is ``{"points": [[x, y], ...], "width": w, "erase": False}`` in units of the pad, y
downwards. Strokes are laid down in order; one that erases takes away what lies under it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 720, 300  # units of the pad
ROWS = 96  # of the line that is read: three times what a network sees; the reader scales it down
NETWORK_ROWS = 32  # for which the numbers below hold
INK = 0.4  # a pixel with this share of the ink's colour counts as ink where extents are measured
NETWORK_FILL = 0.72  # of the height of what a network sees: where its lines of training stood
BLOCK = 3  # pixels of a line, along and across, are one of the network's
INK_HEIGHT = 0.8  # share of a line's height that its ink fills, as in the lines of training
MARGIN = 6  # background before and after the ink
PEN = (2.5, 3.5)  # width of a stroke in a line of 32 rows, as in the lines of training
LOWEST = 40  # units; writing lower than this is not enlarged to a full line
FINE = 2  # dots along the side of a pixel


@dataclass(frozen=True)
class WrittenLine:
    """The writing on a pad as a line.

    Attributes
    ----------
    image : ndarray, (96, W), float32 in [0, 1]
        Ink bright on black. The ink fills 0.8 of the height, its strokes are as wide as in the
        lines of training, whatever pen was chosen.
    left : float
        Where the line's column 0 stands on the pad.
    scale : float
        Units of the pad per column.
    """

    image: np.ndarray
    left: float
    scale: float

    def to_pad(self, column: float) -> float:
        """Where a column of the line stands on the pad."""
        return self.left + self.scale * column


def draw(
    strokes: Sequence[dict],
    shape: tuple[int, int],
    *,
    left: float = 0.0,
    top: float = 0.0,
    zoom: float = 1.0,
    pen: tuple[float, float] = (0.0, math.inf),
) -> np.ndarray:
    """Rasterise strokes, with grey edges.

    Strokes are laid on a grid twice as fine, and a pixel is the mean of its four dots: two thin
    lines that run along either side of a pixel fill it together.

    Parameters
    ----------
    strokes : sequence of dict
    shape : (int, int)
        Rows and columns of the image.
    left, top : float
        The place on the pad that comes to the image's upper left corner.
    zoom : float
        Pixels per unit of the pad.
    pen : (float, float)
        The least and the largest width of a stroke in pixels. Erasing keeps its width.

    Returns
    -------
    ndarray, (H, W), float32 in [0, 1]
        Ink bright on black.

    Examples
    --------
    >>> stroke = {"points": [[2, 3], [8, 3]], "width": 2.0, "erase": False}
    >>> draw([stroke], (6, 10))[:, 5].tolist()  # rows 2 and 3
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    """
    rows, columns = shape
    dots = np.zeros((FINE * rows, FINE * columns), dtype=np.float32)
    for stroke in strokes:
        width = zoom * stroke["width"]
        if not stroke["erase"]:
            width = min(max(width, pen[0]), pen[1])
        places = np.asarray(stroke["points"], dtype=np.float64) - (left, top)  # (P, 2)
        places = FINE * zoom * places
        cover = np.zeros_like(dots) if stroke["erase"] else dots
        ends = places[1:] if len(places) > 1 else places
        for start, end in zip(places, ends, strict=False):
            _cover(cover, start, end, FINE * width / 2)
        if stroke["erase"]:
            dots *= 1 - cover
    return sum(dots[i::FINE, j::FINE] for i in range(FINE) for j in range(FINE)) / FINE**2


def _extent(strokes: Sequence[dict]) -> tuple[float, float, float, float] | None:
    """The box around the ink on the pad: left, top, right, bottom. None without ink."""
    if any(stroke["erase"] for stroke in strokes):  # what is left can only be seen
        seen = draw(strokes, (HEIGHT, WIDTH)) >= INK
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        if not len(rows):
            return None
        return float(columns[0]), float(rows[0]), columns[-1] + 1.0, rows[-1] + 1.0
    if not strokes:
        return None
    boxes = []
    for stroke in strokes:
        points, radius = np.asarray(stroke["points"], dtype=np.float64), stroke["width"] / 2
        boxes.append((*points.min(0) - radius, *points.max(0) + radius))
    left, top, right, bottom = zip(*boxes, strict=True)
    return float(min(left)), float(min(top)), float(max(right)), float(max(bottom))


def _cover(image: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float) -> None:
    """Lay a line with round ends on an image, (H, W): where both have ink, the darker stays."""
    low = np.floor(np.minimum(start, end) - radius - 1).astype(int).clip(0)
    high = np.ceil(np.maximum(start, end) + radius + 1).astype(int).clip(0)
    box = image[low[1] : high[1], low[0] : high[0]]  # (h, w)
    if not box.size:
        return
    # pixel [i, j] has its middle at (j + 0.5, i + 0.5)
    x = np.arange(low[0], low[0] + box.shape[1], dtype=np.float32) + 0.5 - start[0]  # (w,)
    y = (np.arange(low[1], low[1] + box.shape[0], dtype=np.float32) + 0.5 - start[1])[:, None]
    along, down = end - start
    length = along * along + down * down
    place = ((x * along + y * down) / length).clip(0, 1) if length else 0.0  # (h, w)
    distance = np.hypot(x - place * along, y - place * down)
    np.maximum(box, (radius + 0.5 - distance).clip(0, min(1, 2 * radius)), out=box)


def write_line(
    strokes: Sequence[dict], rows: int = ROWS, fill: float = INK_HEIGHT
) -> WrittenLine | None:
    """The line that the strokes make, or None where no ink is left.

    Parameters
    ----------
    strokes : sequence of dict
    rows : int
        Height of the line in pixels.
    fill : float
        Share of it that the ink fills.
    """
    extent = _extent(strokes)
    if extent is None:
        return None
    start, top, end, bottom = extent
    unit = rows / NETWORK_ROWS
    limits = (unit * PEN[0], unit * PEN[1])
    widths = [stroke["width"] for stroke in strokes if not stroke["erase"]]
    # The ink is as high as the path of the pen, and half a pen on either side. The path scales
    # with the writing, the pen only as far as its limits allow.
    tall, thick = fill * rows, sum(widths) / len(widths)
    zoom = tall / max(bottom - top, LOWEST)
    for _ in range(4):  # a fixed point: the pen depends on the zoom, and the zoom on the pen
        pen = min(max(zoom * thick, limits[0]), limits[1])
        zoom = (tall - pen) / max(bottom - top - thick, LOWEST - thick, 1)
    grow = (pen / zoom - thick) / 2  # units by which the pen reaches farther than was seen
    margin = unit * MARGIN / zoom + grow
    size = (rows, math.ceil(zoom * (end - start + 2 * margin)))
    middle = (top + bottom) / 2
    left = start - margin
    top = middle - rows / 2 / zoom
    image = draw(strokes, size, left=left, top=top, zoom=zoom, pen=limits)  # (rows, W)
    return WrittenLine(image, left, 1 / zoom)


def network_line(strokes: Sequence[dict], height: int = NETWORK_ROWS) -> WrittenLine | None:
    """The line as a network sees it, or None where no ink is left.

    What is drawn on a pad is clean ink. It needs none of the steps that a photo needs, and the page
    prepares it alike where no Python runs: the same pixels to 1/255.

    Parameters
    ----------
    strokes : sequence of dict
    height : int
        Of the network: ``model.config.height``.

    Returns
    -------
    WrittenLine or None
        Its image is ``(height, W)``.

    Examples
    --------
    >>> stroke = {"points": [[300, 40], [300, 180]], "width": 12, "erase": False}
    >>> network_line([stroke]).image.shape
    (32, 15)
    """
    line = write_line(strokes, BLOCK * height, NETWORK_FILL)
    if line is None:
        return None
    rest = -line.image.shape[1] % BLOCK
    blocks = np.pad(line.image, ((0, 0), (0, rest))).reshape(height, BLOCK, -1, BLOCK)
    return WrittenLine(blocks.mean((1, 3)), line.left, BLOCK * line.scale)  # (height, W)
