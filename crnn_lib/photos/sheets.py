"""A sheet of paper on a photo: its four corners, and the sheet as seen from straight above.

The corners come from a map of where paper is. A homography takes the sheet's corners to those of a
rectangle, and all that is written on it lies flat then; its inverse is the way back (Hartley and
Zisserman 2004, chapter 4).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

LEAST = 0.08  # of the photo: a smaller sheet is a note, or none
FILLED = 0.93  # of the quadrilateral and of the sheet, what they share; less is no flat sheet
ASLANT = 0.02  # of a side's length: from this on, opposite sides tell of perspective
ROUND = 6.0  # degrees that two sides may differ from a right angle and be no perspective


def find_sheet(paper: np.ndarray) -> np.ndarray | None:
    """The corners of the largest sheet, if all its four edges are seen.

    Parameters
    ----------
    paper : ndarray, (H, W), bool
        True where the sheet is; holes, such as writing, do not matter.

    Returns
    -------
    ndarray, (4, 2), or None
        Corners (x, y), clockwise from the one nearest to the upper left. None if there is no
        sheet, if it reaches beyond the photo, or if it has no four straight edges.

    >>> paper = np.zeros((60, 80), bool)
    >>> paper[10:50, 20:60] = True
    >>> find_sheet(paper).round().tolist()
    [[20.0, 10.0], [60.0, 10.0], [60.0, 50.0], [20.0, 50.0]]
    """
    labels, count = ndimage.label(paper)
    if not count:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    sheet = ndimage.binary_fill_holes(labels == sizes.argmax() + 1)
    height, width = paper.shape
    area = int(sheet.sum())
    if area < LEAST * paper.size:
        return None
    border = np.concatenate([sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]])
    if border.sum() > 0.02 * 2 * (height + width):
        return None
    y, x = np.nonzero(sheet & ~ndimage.binary_erosion(sheet))
    corners = np.concatenate([np.stack([x + dx, y + dy], 1) for dx in (0, 1) for dy in (0, 1)])
    try:
        hull = corners[ConvexHull(corners).vertices].astype(float)
    except QhullError:
        return None
    edge = np.stack([x + 0.5, y + 0.5], 1)
    quad = _fitted(_four_corners(hull), edge)
    if quad is None:
        return None
    inside = _inside(quad, paper.shape)
    if (inside & sheet).sum() < FILLED * (inside | sheet).sum():
        return None
    middle = quad.mean(0)
    angles = np.arctan2(*(quad - middle).T[::-1])
    quad = quad[np.argsort(angles)]  # clockwise, for y grows downwards
    return np.roll(quad, -int(quad.sum(1).argmin()), 0)


def is_aslant(corners: np.ndarray) -> bool:
    """Whether a sheet is seen in perspective, and not merely turned."""
    sides = np.roll(corners, -1, 0) - corners
    lengths = np.linalg.norm(sides, axis=1)
    ways = sides / lengths[:, None]
    uneven = [abs(lengths[k] - lengths[k + 2]) / max(lengths[k], lengths[k + 2]) for k in (0, 1)]
    turns = np.degrees(np.arcsin(np.clip((ways * np.roll(ways, -1, 0)).sum(1), -1, 1)))
    return max(uneven) > ASLANT or float(np.abs(turns).max()) > ROUND


def flat_sheet(corners: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The way from a flat sheet to the photo that shows it.

    Parameters
    ----------
    corners : ndarray, (4, 2)
        Of the sheet on the photo, clockwise from its upper left.

    Returns
    -------
    matrix : ndarray, (3, 3)
        Takes a point (x, y, 1) of the flat sheet to the photo.
    size : (int, int)
        Width and height of the flat sheet: the mean lengths of its opposite edges.
    """
    lengths = np.linalg.norm(np.roll(corners, -1, 0) - corners, axis=1)
    wide = max(round(float(lengths[0] + lengths[2]) / 2), 1)
    high = max(round(float(lengths[1] + lengths[3]) / 2), 1)
    flat = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], float)
    return homography(flat, corners), (wide, high)


def homography(points: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The 3 x 3 matrix that takes four points to four others: (4, 2), (4, 2) -> (3, 3).

    >>> square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    >>> homography(square, 2 * square).round(6).tolist()
    [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
    """
    rows, values = [], []
    for (x, y), (u, v) in zip(points, images, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    solution = np.linalg.solve(np.array(rows, float), np.array(values, float))
    return np.append(solution, 1.0).reshape(3, 3) + 0.0


# ---------------------------------------------------------------------------- pieces


def _four_corners(hull: np.ndarray) -> np.ndarray:
    """A convex polygon with four corners around another: edges go where that adds least."""
    hull = hull.copy()
    while len(hull) > 4:
        count = len(hull)
        best, where, corner = np.inf, -1, None
        for k in range(count):
            a, b, c, d = (hull[(k + n) % count] for n in range(4))
            one, two = b - a, c - d
            cross = one[0] * two[1] - one[1] * two[0]
            if abs(cross) < 1e-9:
                continue
            t = ((d - a)[0] * two[1] - (d - a)[1] * two[0]) / cross
            meet = a + t * one  # where the edges beside the edge (b, c) meet
            if t < 1:
                continue
            added = abs((c - b)[0] * (meet - b)[1] - (c - b)[1] * (meet - b)[0])
            if added < best:
                best, where, corner = added, k, meet
        if corner is None:
            return hull[np.linspace(0, count - 1, 4).astype(int)]
        hull[(where + 1) % count] = corner
        hull = np.delete(hull, (where + 2) % count, 0)
    return hull


def _fitted(quad: np.ndarray, edge: np.ndarray) -> np.ndarray | None:
    """The quadrilateral whose sides go through the sheet's edge as it is seen."""
    if len(quad) < 4:
        return None
    reach = 0.02 * float(np.ptp(edge, axis=0).max()) + 2
    lines = []
    for a, b in zip(quad, np.roll(quad, -1, 0), strict=True):
        way = (b - a) / max(float(np.linalg.norm(b - a)), 1e-9)
        off = np.array([-way[1], way[0]])
        along, across = (edge - a) @ way, (edge - a) @ off
        length = float(np.linalg.norm(b - a))
        near = (np.abs(across) < reach) & (along > 0.05 * length) & (along < 0.95 * length)
        if near.sum() < 8:
            return None
        for _ in range(3):
            slope, level = np.polyfit(along[near], across[near], 1)
            far = np.abs(across - slope * along - level)
            keep = near & (far <= max(2 * float(np.median(far[near])), 0.75))
            if keep.sum() < 8:
                break
            near = keep
        # half a cell outwards: the edge's cells still belong to the sheet
        inner = float(np.sign((quad.mean(0) - a) @ off)) or 1.0
        lines.append((a + (level - 0.5 * inner) * off, way + slope * off))
    corners = []
    for (p, u), (q, v) in zip(lines, [lines[-1], *lines[:-1]], strict=True):
        cross = u[0] * v[1] - u[1] * v[0]
        if abs(cross) < 1e-6:
            return None
        t = ((q - p)[0] * v[1] - (q - p)[1] * v[0]) / cross
        corners.append(p + t * u)
    return np.array(corners)


def _inside(quad: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    signs = []
    for a, b in zip(quad, np.roll(quad, -1, 0), strict=True):
        signs.append((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]))
    inside = np.array(signs)
    return np.logical_or((inside >= 0).all(0), (inside <= 0).all(0))
