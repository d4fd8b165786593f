"""Regions: where lines of writing stand on a page, and the order in which they are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from crnn_lib.photos._pieces import CELL, CORE, STEEP, in_company, pieces_of, taken_for_print
from crnn_lib.photos.places import Place, map_points

KINDS = ("number", "word")  # as a piece has their weights
LEAST_SCORE = 0.6  # how sure a line must be
SURE_NUMBER = 0.8  # how sure a table's numbers are, among which nothing is printed
TAKEN = 0.8  # the score of a number that was taken for print among these
NARROWEST = 0.12  # of its height: no line is shorter, not even a 1
CROSSING = 0.1  # of a table's rows that may reach across the gap between two columns
FILLED = 0.5  # of a table's cells that hold a line; else it is none
SAME_ROW = 0.5  # heights: how far lines of one row may stand above each other
DOUBT = 10.0  # heights: the length of lines that a level page is worth
COVERED = 0.4  # share of the smaller of two lines: what overlaps more is the same line


@dataclass(frozen=True, eq=False)
class Region:
    """Where a line of handwriting stands on a page, as a detector found it.

    Attributes
    ----------
    place : Place
        Its band on the page, and which way it runs.
    score : float
        How sure the detector is that such a line is there: the mean probability of its cells, and
        whether other lines of the page are alike, and not printed.
    kind : {"number", "word"}
    row, column : int
        Its place in the page's reading order, from 0.
    matrix : ndarray, (3, 3)
        Takes a point (x, y, 1) of the page to the photo; the page is the photo itself where it
        shows no sheet aslant.
    """

    place: Place
    score: float
    kind: str = "number"
    row: int = 0
    column: int = 0
    matrix: np.ndarray = field(default_factory=lambda: np.eye(3), repr=False)

    @property
    def height(self) -> float:
        """Of the bodies of its characters, in pixels of the page."""
        return self.place.bottom - self.place.top

    @property
    def length(self) -> float:
        """From its first character to its last, in pixels of the page."""
        return self.place.right - self.place.left

    def corners(self) -> np.ndarray:
        """(4, 2): the corners of its band on the photo, clockwise from where it begins."""
        return map_points(self.matrix, self.place.corners())


def regions_of(
    maps: Mapping[str, np.ndarray],
    *,
    cell: float = CELL,
    core: float = CORE,
    least: float = LEAST_SCORE,
) -> list[Region]:
    """The lines of writing that a detector's maps show, in reading order.

    Parameters
    ----------
    maps : mapping of str to ndarray (h, w)
        ``number``, ``word``, ``ends``, ``print`` and ``marks``: probabilities. ``cos``, ``sin``:
        the direction of the writing. ``height``: the logarithm of its height in pixels of the page.
        See :data:`crnn_lib.models.MAPS`.
    cell : float
        Pixels of the page for one cell of the maps.
    core : float
        Probability from which a cell belongs to a line.
    least : float
        How sure a line must be: the score that it needs.

    Returns
    -------
    list of Region
        On the page, in its pixels.
    """
    pieces = pieces_of(maps, core)
    chances = in_company(pieces, maps)
    found = [
        Region(piece.place().scaled(cell), float(of_kind.max()), KINDS[of_kind.argmax()])
        for piece, of_kind in zip(pieces, chances, strict=True)
    ]
    sure = [
        piece for piece, of_kind in zip(pieces, chances, strict=True) if of_kind[0] >= SURE_NUMBER
    ]
    found += [
        Region(piece.place().scaled(cell), TAKEN) for piece in taken_for_print(sure, maps, core)
    ]
    return reading_order(
        [r for r in found if r.score >= least and r.length >= NARROWEST * r.height]
    )


# ---------------------------------------------------------------------------- one line twice


def without_doubles(regions: Sequence[Region], doubted: Sequence[Region] = ()) -> list[Region]:
    """Of regions that cover each other, the best one: non-maximum suppression.

    What is longer and surer is better. All regions lie on the same page. One that is doubted stays
    only where it has no place in common with any of the others.
    """
    others = np.reshape([region.place.corners() for region in regions], (-1, 4, 2))
    alone = [region for region in doubted if not _overlaps(region, others).any()]
    regions = [*regions, *alone]
    worth = [region.length * region.height**0.5 * region.score**4 for region in regions]
    corners = np.reshape([region.place.corners() for region in regions], (-1, 4, 2))
    kept: list[int] = []
    for k in np.argsort([-value for value in worth], kind="stable"):
        if (_overlaps(regions[k], corners[kept]) < COVERED).all():
            kept.append(int(k))
    return [regions[k] for k in kept]


def _overlaps(one: Region, corners: np.ndarray) -> np.ndarray:
    """How much of a band and each of others, (M, 4, 2), is common, of the smaller one: 0 to 1.

    As seen along the first band.
    """
    seen = corners @ one.place.matrix()[:2, :2]  # (M, 4, 2)
    low, high = seen.min(1), seen.max(1)
    mine = one.place
    wide = np.minimum(high[:, 0], mine.right) - np.maximum(low[:, 0], mine.left)
    tall = np.minimum(high[:, 1], mine.bottom) - np.maximum(low[:, 1], mine.top)
    smaller = np.minimum(one.length * one.height, (high - low).prod(1))
    return wide.clip(0) * tall.clip(0) / np.maximum(smaller, 1e-9)


# ---------------------------------------------------------------------------- reading order


def direction_of(regions: Sequence[Region]) -> float:
    """Which way most of a page's writing runs, in degrees; 0 if there is none.

    A line counts as long as it is beside its height, so that no blot speaks for a page of digits.
    """
    if not regions:
        return 0.0
    angles = np.radians([region.place.degrees for region in regions])
    weights = np.array([region.length / region.height * region.score for region in regions])
    near = np.cos(angles[:, None] - angles).clip(0) ** 8  # (M, M)
    best = int((near @ weights).argmax())
    chosen = weights * (near[best] > 0.25)
    return math.degrees(math.atan2(chosen @ np.sin(angles), chosen @ np.cos(angles)))


def one_way(regions: Sequence[Region]) -> list[Region]:
    """Regions of one page, those turned that stand on their head as most of the page has it.

    Which of its ends comes first, a line of few digits hardly tells; a page does.
    """
    angle = math.radians(direction_of(regions))
    steep = math.cos(math.radians(STEEP))
    return [
        replace(region, place=region.place.turned())
        if math.cos(math.radians(region.place.degrees) - angle) < -steep
        else region
        for region in regions
    ]


def reading_order(regions: Sequence[Region]) -> list[Region]:
    """Regions of one page from the first to the last, with their rows and columns.

    Rows go from top to bottom, and within a row the lines from left to right, as seen by one who
    holds the page so that most of its writing stands upright. In a table a column's lines stand
    below each other, and their column counts the empty cells before them; elsewhere it counts the
    lines of the row.
    """
    if not regions:
        return []
    angle = direction_of(regions)
    turn = Place(0, 0, 0, 0, angle).matrix()[:2, :2]
    corners = np.stack([region.place.corners() @ turn for region in regions])  # (M, 4, 2)
    left, right = corners[..., 0].min(1), corners[..., 0].max(1)
    middle, high = corners.mean(1), np.array([region.height for region in regions])
    long = np.array([region.length for region in regions]) > 3 * high
    lean = np.radians([region.place.degrees - angle for region in regions])
    slope = np.where(long, np.tan(np.clip(np.arctan2(np.sin(lean), np.cos(lean)), -0.2, 0.2)), 0)
    rows = _rows(left, right, middle, high, slope)
    order = sorted(rows, key=lambda row: float(np.mean(middle[row, 1])))
    order = [sorted(row, key=lambda k: float(left[k])) for row in order]
    columns = _columns(order, left, right, middle)
    return [
        replace(regions[k], row=number, column=columns[k])
        for number, row in enumerate(order)
        for k in row
    ]


def _rows(
    left: np.ndarray, right: np.ndarray, middle: np.ndarray, high: np.ndarray, slope: np.ndarray
) -> list[list[int]]:
    """Numbers of the regions that stand in one row."""
    count = len(left)
    across = middle[None, :, 0] - middle[:, None, 0]  # (M, M): from one to the other
    down = middle[None, :, 1] - middle[:, None, 1]
    # under perspective each row has its slope, which is about that of the lines near by
    near = np.exp(-((down / (4 * high)) ** 2) - (across / (25 * high)) ** 2) * (right - left)
    slope = near @ slope / (near.sum(1) + DOUBT * high)  # few short lines tell little
    rise = down - across * (slope[:, None] + slope) / 2
    mean = (high[:, None] + high) / 2
    off = np.abs(rise) / mean
    common = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    narrow = np.minimum((right - left)[:, None], right - left)
    beside = (across > 0) & (common < 0.3 * narrow) & (off < SAME_ROW)
    cost = off + 0.01 * np.abs(across) / mean
    row_of = list(range(count))
    members = {k: [k] for k in range(count)}
    first, second = np.nonzero(beside)
    for k in np.argsort(cost[first, second], kind="stable"):
        a, b = row_of[first[k]], row_of[second[k]]
        if a == b:
            continue
        pairs = np.ix_(members[a], members[b])
        if (common[pairs] >= 0.3 * narrow[pairs]).any():  # two lines below each other
            continue
        for member in members[b]:
            row_of[member] = a
        members[a] += members.pop(b)
    return list(members.values())


def _columns(
    rows: list[list[int]], left: np.ndarray, right: np.ndarray, middle: np.ndarray
) -> dict[int, int]:
    """The column of each region: that of the table, if the rows make one.

    A table has gaps that run from top to bottom: places that hardly any row reaches across.
    """
    plain = {k: n for row in rows for n, k in enumerate(row)}
    row_of = {k: n for n, row in enumerate(rows) for k in row}
    if sum(len(row) > 1 for row in rows) < 2:
        return plain
    lean = _lean(rows, middle)
    low, high = left - lean * middle[:, 1], right - lean * middle[:, 1]
    edges = np.unique(np.concatenate([low, high]))
    between = (edges[1:] + edges[:-1]) / 2
    crossed = ((low[:, None] < between) & (high[:, None] > between)).sum(0)
    cuts = [float(x) for x, count in zip(between, crossed, strict=True) if not count]
    allowed = CROSSING * len(rows)
    for row in rows:  # two of a row are never in one column
        for a, b in zip(row, row[1:], strict=False):
            if any(high[a] <= cut <= low[b] for cut in cuts):
                continue
            there = (between >= min(high[a], low[b])) & (between <= max(high[a], low[b]))
            if not there.any() or crossed[there].min() > allowed:
                return plain
            cuts.append(float(between[there][crossed[there].argmin()]))
    column = np.searchsorted(np.sort(cuts), (low + high) / 2)
    _, column = np.unique(column, return_inverse=True)
    count = int(column.max()) + 1
    cells = {(row_of[k], int(column[k])) for k in plain}
    if len(cells) < len(plain) or len(plain) < FILLED * len(rows) * count:
        return plain
    return {k: int(column[k]) for k in plain}


def _lean(rows: list[list[int]], middle: np.ndarray) -> float:
    """How far columns lean: pixels to the right for each pixel down, as most neighbours say."""
    leans = []
    for row, below in zip(rows, rows[1:], strict=False):
        for k in row:
            next_ = min(below, key=lambda m: abs(middle[m, 0] - middle[k, 0]))
            down = middle[next_, 1] - middle[k, 1]
            if down > 0:
                leans.append((middle[next_, 0] - middle[k, 0]) / down)
    lean = float(np.median(leans)) if leans else 0.0
    return lean if abs(lean) < 0.3 else 0.0
