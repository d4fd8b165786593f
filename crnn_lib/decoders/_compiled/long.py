"""Labels of long lines: their probabilities and spans, in time that grows with the frames alone.

The forward algorithm fills a table of frames times characters. Of a long line nearly all of it is
empty: at each frame the label has got to about one place, and being far from there is too
improbable to matter. So only a band of the table is filled. What has less than 1e-200 of its
frame's largest entry is dropped; for it to matter after all, the frames that follow would have to
make it 1e200 times as probable as what was kept.

A line is looked at through a *window*, frames from some point on. What is before it is summed up in
one column, that of a character which all labels in question share.
"""

from __future__ import annotations

import math

from crnn_lib.decoders._compiled.jit import compiled

LEAST = 1e-200  # of the largest entry of a frame: what is below is dropped
LOG_LEAST = math.log(LEAST)
SMALL, GROW = 2.0**-300, 2.0**300  # powers of two change no digit
UNREACHED = 3  # no way leads there


@compiled
def forward_window(p, blank, label, size, seen, known, keep, kept, work, left):
    """Logarithm of what the alignments of a label have that end with the window.

    Column j of the table is the label's first j characters in the window, ``label[1]`` to
    ``label[size]``. Column 0 is what came before: ``seen`` (3, known) holds its entries at the
    first frames, at a blank, on the character ``label[0]``, and the exponent of GROW to divide
    them by. If there was nothing before, ``label[0]`` is -1 and ``known`` 0. The entries of column
    ``keep`` are written to ``kept`` (3, T), if it is not -1, the lowest column that is left in the
    end to ``left`` (1,). ``work`` is (2, size + 1).
    """
    blanks, chars, exponent = work[0], work[1], 0.0
    for j in range(size + 1):
        blanks[j] = 0.0
        chars[j] = 0.0
    low, high = 0, 0
    if label[0] < 0:
        blanks[0] = 1.0
    for t in range(len(p)):
        q, top = p[t, blank], 0.0
        if high < size:
            high += 1
        for j in range(high, max(low, 1) - 1, -1):
            c = label[j]
            into = chars[j] + blanks[j - 1]
            if label[j - 1] != c:
                into += chars[j - 1]
            blanks[j] = (blanks[j] + chars[j]) * q
            chars[j] = into * p[t, c]
            top = max(top, blanks[j], chars[j])
        if low == 0:
            if t < known:
                shift = GROW ** (seen[2, t] - exponent)  # all entries by the same power
                exponent = seen[2, t]
                if shift != 1.0:
                    top *= shift
                    for j in range(1, high + 1):
                        blanks[j] *= shift
                        chars[j] *= shift
                blanks[0], chars[0] = seen[0, t], seen[1, t]
            else:
                blanks[0] = (blanks[0] + chars[0]) * q
                chars[0] *= p[t, label[0]] if label[0] >= 0 else 0.0
            top = max(top, blanks[0], chars[0])
        if top == 0.0:
            if t + 1 < known:
                continue
            left[0] = low
            return -math.inf
        least = top * LEAST
        while high > low and blanks[high] < least and chars[high] < least:
            blanks[high] = chars[high] = 0.0
            high -= 1
        while t >= known and low < high and blanks[low] < least and chars[low] < least:
            blanks[low] = chars[low] = 0.0
            low += 1
        if t < known:
            pass  # as the column that came before was scaled
        elif top < SMALL:
            exponent += 1.0
            for j in range(low, high + 1):
                blanks[j] *= GROW
                chars[j] *= GROW
        elif top > GROW:
            exponent -= 1.0
            for j in range(low, high + 1):
                blanks[j] *= SMALL
                chars[j] *= SMALL
        if keep >= 0:
            kept[0, t], kept[1, t], kept[2, t] = blanks[keep], chars[keep], exponent
    left[0] = low
    last = blanks[size] + chars[size]
    return math.log(last) - exponent * math.log(GROW) if last > 0.0 else -math.inf


@compiled
def align_window(log_p, blank, label, size, work, band, back):
    """The most probable alignment of a label in a window; ties as in ``align``.

    A state is twice a column, less one for its character. If something came before, the frame
    before the window is the last one of the character ``label[0]``. Writes how each state of the
    band was entered, frame after frame, to ``back``, and to ``band`` (T + 1, 3) of each frame where
    this begins, its lowest column and its highest. Returns whether there was room.
    """
    blanks, chars = work[0], work[1]
    for j in range(size + 1):
        blanks[j] = -math.inf
        chars[j] = -math.inf
    low, high, used = 0, 0, 0
    if label[0] < 0:
        blanks[0] = 0.0
    else:
        chars[0] = 0.0
    for t in range(len(log_p)):
        q, top = log_p[t, blank], -math.inf
        if high < size:
            high += 1
        if used + 2 * (high - low + 1) > len(back):
            return False
        band[t, 0], band[t, 1], band[t, 2] = used, low, high
        for j in range(high, low - 1, -1):
            place = used + 2 * (j - low)  # of its character; its blank is behind
            over = chars[j] > blanks[j]
            from_blank = chars[j] if over else blanks[j]
            best, step = -math.inf, UNREACHED
            if j > 0:
                c = label[j]
                best, step = blanks[j - 1], 1
                if label[j - 1] != c and chars[j - 1] > best:
                    best, step = chars[j - 1], 2
                if chars[j] >= best:
                    best, step = chars[j], 0
                best += log_p[t, c]
            blanks[j], chars[j] = from_blank + q, best
            back[place + 1] = (1 if over else 0) if blanks[j] > -math.inf else UNREACHED
            back[place] = step if best > -math.inf else UNREACHED
            top = max(top, blanks[j], best)
        used += 2 * (high - low + 1)
        least = top + LOG_LEAST
        while high > low and blanks[high] < least and chars[high] < least:
            blanks[high] = chars[high] = -math.inf
            high -= 1
        while low < high and blanks[low] < least and chars[low] < least:
            blanks[low] = chars[low] = -math.inf
            low += 1
    band[len(log_p), 0], band[len(log_p), 1], band[len(log_p), 2] = used, low, high
    return True


@compiled
def step_back(band, back, t, state):
    """The state at the frame before: that from which one was entered, -1 if none was."""
    low, high = band[t, 1], band[t, 2]
    column = (state + 1) // 2
    if column < low or column > high:
        return -1
    step = int(back[band[t, 0] + state - 2 * low + 1])
    return -1 if step == UNREACHED else state - step


@compiled
def trace(log_p, label, band, back, t, state, starts, ends, scores):
    """Spans of the characters on the best way to a state at frame ``t``; starts and ends from 1."""
    j = 0
    while t >= 0:
        if state % 2:
            if (state + 1) // 2 != j:
                j = (state + 1) // 2
                ends[j], scores[j] = t + 1, 0.0
            starts[j] = t
            scores[j] += log_p[t, label[j]]
        else:
            j = 0
        state = step_back(band, back, t, state)
        t -= 1


@compiled
def common_way(frames, size, band, back, found):
    """The latest frame, and the state there, through which all best ways go: ``found`` (2,).

    The ways to whatever state the band holds at the end of the window, and to the last column at
    any frame. No two of them cross, so the lowest and the highest are enough. -1 if there is none.
    """
    found[0] = -1
    low, high = -1, -1
    for t in range(frames - 1, -1, -1):
        if t == frames - 1:  # the lowest that is left after it
            low = 2 * band[frames, 1] - 1
            while low < 2 * size and (low < 0 or step_back(band, back, t, low) < 0):
                low += 1
        ends = False
        for state in range(2 * size - 1, 2 * size + 1):
            if step_back(band, back, t, state) >= 0:
                high = state
                ends = True
        if high < 0:
            return
        if low == high and not ends:
            found[0], found[1] = t, low
            return
        low, high = step_back(band, back, t, low), step_back(band, back, t, high)
        if low < 0 or high < 0:
            return
