"""Where the ink of each row of a glyph begins and ends, compiled by numba."""

from __future__ import annotations

from numba import njit


@njit(cache=True)
def row_edges(pixels, parts, threshold, first, after):
    """First column with ink in each row of each box, and the column after the last.

    pixels (P,) and parts (M, 5) as :func:`crnn_lib.warp_kernels.draw` leaves them. Written are
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
