"""Maps of pages as a faultless detector would make them, drawn from the rows that stand on them."""

from __future__ import annotations

import math

import numpy as np

NAMES = ("number", "word", "ends", "print", "marks", "sheet", "cos", "sin", "height")


def row(x, y, length, height, degrees=0.0, kind="number"):
    """One line: its middle on the page, its size, and which way it runs."""
    return {"x": x, "y": y, "length": length, "height": height, "degrees": degrees, "kind": kind}


def corners_of(line):
    """(4, 2): the corners of its band, clockwise from where it begins."""
    angle = math.radians(line["degrees"])
    along = np.array([math.cos(angle), math.sin(angle)]) * line["length"] / 2
    down = np.array([-math.sin(angle), math.cos(angle)]) * line["height"] / 2
    middle = np.array([line["x"], line["y"]])
    return np.stack([middle - along - down, middle + along - down, middle + along + down,
                     middle - along + down])  # fmt: skip


def draw_maps(shape, rows, cell=4):
    """``{name: (h, w)}`` for a page of this shape (H, W), at a quarter of its size."""
    high, wide = math.ceil(shape[0] / cell), math.ceil(shape[1] / cell)
    maps = {name: np.zeros((high, wide), np.float32) for name in NAMES}
    y, x = (np.mgrid[:high, :wide] + 0.5) * cell
    for line in rows:
        angle = math.radians(line["degrees"])
        dx, dy = x - line["x"], y - line["y"]
        along = dx * math.cos(angle) + dy * math.sin(angle)
        across = np.abs(dy * math.cos(angle) - dx * math.sin(angle))
        half, height = line["length"] / 2, line["height"]
        core = (np.abs(along) <= half) & (across <= max(0.25 * height, 0.6 * cell))
        body = (np.abs(along) <= half) & (across <= height / 2 + cell)
        beyond = (np.abs(along) > half) & (np.abs(along) <= half + max(0.3 * height, cell))
        maps[line["kind"]][core] = 1
        maps["ends"][beyond & (across <= height / 2)] = 1
        maps["cos"][body], maps["sin"][body] = math.cos(angle), math.sin(angle)
        maps["height"][body] = math.log(height)
    return maps


def area_of(polygon):
    """Of a polygon (M, 2)."""
    x, y = np.asarray(polygon, float).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def common(one, other):
    """Intersection over union of two convex polygons, (M, 2) and (N, 2)."""
    part = [tuple(point) for point in one]
    other = np.asarray(other, float)
    middle = other.mean(0)
    for a, b in zip(other, np.roll(other, -1, 0), strict=True):
        side = np.sign((b[0] - a[0]) * (middle[1] - a[1]) - (b[1] - a[1]) * (middle[0] - a[0]))
        kept = []
        for p, q in zip(part, part[1:] + part[:1], strict=True):
            u, v = (side * ((b[0] - a[0]) * (r[1] - a[1]) - (b[1] - a[1]) * (r[0] - a[0]))
                    for r in (p, q))  # fmt: skip
            if u >= 0:
                kept.append(p)
            if (u >= 0) != (v >= 0):
                t = u / (u - v)
                kept.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
        part = kept
        if len(part) < 3:
            return 0.0
    inner = area_of(part)
    return inner / (area_of(one) + area_of(other) - inner)
