"""What ``_warping`` does, glyph by glyph instead of step by step, compiled by numba.

Between two steps of tensor code every glyph goes to memory and back, and most of a box is empty.
Here a glyph stays in the processor's cache until it is done, and only the part of its box that
can hold ink is computed. Rounding follows torch, operation by operation, so that the lines of a
seed are the same with and without numba.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numba.extending import intrinsic

RIM = np.uint32(2)  # empty pixels around a glyph: reading beside it then needs no test
F32, U32 = np.float32, np.uint32  # unsigned indices: numba need not ask whether one is negative
ZERO, HALF, ONE, TWO = F32(0), F32(0.5), F32(1), F32(2)


def _multiply_add(typing_context, a, b, c):
    """Return a * b + c, rounded once, as torch's vector code has it."""

    def build(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return a(a, b, c), build


multiply_add: Any = intrinsic(_multiply_add)


@njit(cache=True)
def _take_glyph(glyph, weight, ink, grown):
    """Copy a glyph into its rim, as floats, and widen or thin its strokes."""
    side, step = U32(len(glyph)), U32(1)
    for y in range(side):
        for x in range(side):
            ink[y + RIM, x + RIM] = F32(glyph[y, x]) / F32(255)
    if weight == 0:
        return
    sign = ONE if weight > 0 else -ONE
    amount = min(abs(weight), ONE)
    most = amount >= HALF  # torch.lerp starts from the nearer end
    share = amount - ONE if most else amount
    for y in range(RIM, side + RIM):
        for x in range(RIM, side + RIM):
            here = ink[y, x]
            best = max(here * sign, ink[y, x - step] * sign)
            best = max(best, ink[y, x + step] * sign)
            best = max(best, ink[y - step, x] * sign)
            best = max(best, ink[y + step, x] * sign) * sign
            grown[y, x] = multiply_add(share, best - here, best if most else here)
    for y in range(RIM, side + RIM):
        for x in range(RIM, side + RIM):
            ink[y, x] = grown[y, x]


@njit(cache=True)
def _find_part(glyph, reach, theta, height, width, columns):
    """Rows and columns of the box to which a glyph's ink can come: top, bottom, left, right."""
    side = len(glyph)
    columns[:] = 0
    first, last = side, -1
    for y in range(side):
        row = np.uint8(0)
        for x in range(side):
            row |= glyph[y, x]
            columns[x] |= glyph[y, x]
        if row:
            first, last = min(first, y), y
    if last < 0:
        return 0, 0, 0, 0
    west, east = 0, side - 1
    while not columns[west]:
        west += 1
    while not columns[east]:
        east -= 1
    # the ink's centre and how far it reaches, in halves of the glyph's side, as theta measures
    u, u_reach = (west + east + 1.0) / side - 1.0, (east - west + 2 * reach) / side
    v, v_reach = (first + last + 1.0) / side - 1.0, (last - first + 2 * reach) / side
    a, b, c = theta[0]
    d, e, f = theta[1]
    area = a * e - b * d
    if not 1e-12 < abs(area) < 1e12:
        return 0, 0, 0, 0  # a glyph without size, or with one that is no number
    x, x_reach = (e * (u - c) - b * (v - f)) / area, (abs(e) * u_reach + abs(b) * v_reach)
    y, y_reach = (a * (v - f) - d * (u - c)) / area, (abs(a) * v_reach + abs(d) * u_reach)
    x_reach, y_reach = x_reach / abs(area), y_reach / abs(area)
    left = max(math.ceil((x - x_reach + 1) * width / 2 - 0.5), 0)
    right = min(math.floor((x + x_reach + 1) * width / 2 + 0.5), width)
    top = max(math.ceil((y - y_reach + 1) * height / 2 - 0.5), 0)
    bottom = min(math.floor((y + y_reach + 1) * height / 2 + 0.5), height)
    if left >= right or top >= bottom:
        return 0, 0, 0, 0
    return top, bottom, left, right


@njit(cache=True)
def draw_boxes(inks, weight, theta, across, down, nearest, threshold, pixels, parts, extents):
    """Draw each glyph into its box; store the part that can hold ink, one after the other.

    inks (M, S, S) uint8, weight (M,), theta (M, 2, 3), across (box,) and down (H,): where the
    pixels of a box lie, from -1 to 1. Written are pixels (P,), parts (M, 5): where a part begins
    among the pixels, its top, bottom, left and right; extents (M, 2): columns with ink.
    """
    side = inks.shape[1]
    height, width = len(down), len(across)
    stride = U32(side) + RIM + RIM
    ink = np.zeros((stride, stride), F32)
    grown = np.zeros((stride, stride), F32)
    flat = ink.reshape(stride * stride)
    columns = np.empty(side, np.uint8)
    us, vs, brightest = np.empty(width, F32), np.empty(width, F32), np.empty(width, F32)
    half, low, high = F32(side / 2), -TWO, F32(side)
    start = 0
    for m in range(len(inks)):
        _take_glyph(inks[m], weight[m], ink, grown)
        # how far a pixel's light goes, with some room for rounding
        reach = (0.505 if nearest else 1.005) + (1 if weight[m] > 0 else 0)
        top, bottom, left, right = _find_part(inks[m], reach, theta[m], height, width, columns)
        parts[m, 0], parts[m, 1], parts[m, 2], parts[m, 3], parts[m, 4] = (
            start,
            top,
            bottom,
            left,
            right,
        )
        a, b, c = theta[m, 0]
        d, e, f = theta[m, 1]
        size = right - left
        xs, bright = across[left:right], brightest[:size]
        bright[:] = 0
        for y in range(top, bottom):
            row = pixels[start : start + size]
            start += size
            b_y, e_y = b * down[y], e * down[y]
            for k in range(U32(size)):
                us[k] = multiply_add(xs[k] * a + b_y + c + ONE, half, -HALF)
                vs[k] = multiply_add(xs[k] * d + e_y + f + ONE, half, -HALF)
            # In max(low, x) the bound comes first: it also replaces an x that is no number.
            if nearest:
                for k in range(U32(size)):
                    u, v = np.rint(us[k]), np.rint(vs[k])
                    i = U32(min(max(low, v), high) + TWO) * stride
                    i += U32(min(max(low, u), high) + TWO)
                    row[k] = flat[i]
                    bright[k] = max(bright[k], row[k])
            else:
                for k in range(U32(size)):
                    u, v = np.floor(us[k]), np.floor(vs[k])
                    east, south = us[k] - u, vs[k] - v
                    west, north = ONE - east, ONE - south
                    i = U32(min(max(low, v), high) + TWO) * stride
                    i += U32(min(max(low, u), high) + TWO)
                    j = i + stride
                    light = flat[i] * (north * west)
                    light = multiply_add(flat[i + U32(1)], north * east, light)
                    light = multiply_add(flat[j], south * west, light)
                    light = multiply_add(flat[j + U32(1)], south * east, light)
                    row[k] = min(max(light, ZERO), ONE)
                    bright[k] = max(bright[k], row[k])
        first, last = width // 2, width // 2  # a glyph without ink still takes a place
        for k in range(size):
            if bright[k] >= threshold:
                first = left + k
                break
        for k in range(size - 1, -1, -1):
            if bright[k] >= threshold:
                last = left + k
                break
        extents[m, 0], extents[m, 1] = first, last + 1
    return start


@njit(cache=True)
def lay_parts(pixels, parts, offsets, lengths, widths, images):
    """Lay the parts onto lines at their boxes' offsets; the brighter pixel stays.

    offsets (N, L), lengths (N,), widths (N,), images (N, H, W): black at first.
    """
    m = 0
    for n in range(len(lengths)):
        for place in range(lengths[n]):
            start, top, bottom, left, right = parts[m]
            offset, size = offsets[n, place], right - left
            from_x = max(left + offset, 0)
            to_x = min(right + offset, widths[n])
            m += 1
            if from_x >= to_x:
                continue
            start += from_x - offset - left
            for y in range(top, bottom):
                line = images[n, y, from_x:to_x]
                row = pixels[start : start + to_x - from_x]
                start += size
                for k in range(U32(to_x - from_x)):
                    line[k] = max(line[k], row[k])


@njit(cache=True)
def row_edges(pixels, parts, threshold, first, after):
    """First column with ink in each row of each box, and the column after the last.

    pixels (P,) and parts (M, 5) as :func:`draw_boxes` leaves them. Written are
    first and after, (M, H), in the rows that have ink.
    """
    for m in range(len(parts)):
        start, top, bottom, left, right = parts[m]
        for y in range(top, bottom):
            for x in range(right - left):
                if pixels[start + x] >= threshold:
                    first[m, y] = left + x
                    break
            for x in range(right - left - 1, -1, -1):
                if pixels[start + x] >= threshold:
                    after[m, y] = left + x + 1
                    break
            start += right - left
