"""Labels of long lines: their probabilities and spans, in time that grows with the frames alone.

The forward algorithm fills a table of frames times characters. Of a long line nearly all of it is
empty: at each frame the label has got to about one place, and being far from there is too
improbable to matter. So only a band of the table is filled, around a *way* that is known: the
frames at which a beam has come to each character. What is dropped is added up. No alignment gains
by frames to come, so where the sum is far below the result, nothing was lost.

Being at the way's place is not the most probable thing in every line. Of noise a label wants nearly
every frame, and half-way it is far more probable to be behind, from where it cannot come to its end
any more. Therefore columns are weighed by what they still have to do: each column more counts as
``exp(tilt)``, with the smallest tilt that makes the way's place the heaviest of its neighbours.

A line is looked at through a *window*, frames from some point on. What is before it is summed up in
one column, that of a character which all labels in question share.
"""

from __future__ import annotations

import math

import numpy as np

from crnn_lib.decoders._compiled.jit import compiled, inner
from crnn_lib.decoders._compiled.records import GROW, LOG_GROW, REACH
from crnn_lib.decoders._compiled.scores import log_add

PAUSE = 4  # frames until it is looked again what can be dropped
SHRINK = 1.0 / GROW
LEAST, MOST = 1e-100, 1e120  # where one of the numbers is not between these, all are made to be
RARE, OFTEN = 1e-20, 1e20  # between these
FAR = 9  # powers by which a column may be behind the one before, so that products stay in range
AHEAD = 15  # more powers ahead, and it does not matter any more
POWERS = np.array([GROW**n for n in range(-AHEAD, FAR + 1)])
UNREACHED = 3  # no way leads there


@inner
def step(b, c, b_before, c_before, differs, ratio, x, q, new_b, new_c):
    """One frame on, for some columns at once. Returns how many are out of range now.

    In simple passes, each of which runs on several numbers at once.
    """
    for i in range(len(b)):
        new_b[i] = (b[i] + c[i]) * q
    for i in range(len(b)):
        new_c[i] = (b_before[i] + c_before[i] * differs[i]) * ratio[i]
    for i in range(len(b)):
        new_c[i] = (c[i] + new_c[i]) * x[i]
    out = 0
    for i in range(len(b)):
        total = new_b[i] + new_c[i]
        out += ((total < LEAST) & (total > 0.0)) | (total > MOST)
    return out


@inner
def between(powers):
    """What a number is to be multiplied by for a column that is so many powers behind."""
    return POWERS[int(powers) + AHEAD] if -AHEAD <= powers <= FAR else 0.0


@inner
def settle(b, c, power, ratio, low, high):
    """Bring all columns into range. Returns how many are far behind the one before."""
    moved = low > 0  # whether the column before has another power now
    for j in range(low, high + 1):
        total, before = b[j] + c[j], power[j]
        if total == 0.0 and j > 0:
            power[j] = power[j - 1]
        while 0.0 < total < RARE:
            b[j] *= GROW
            c[j] *= GROW
            total *= GROW
            power[j] += 1.0
        while total > OFTEN:
            b[j] *= SHRINK
            c[j] *= SHRINK
            total *= SHRINK
            power[j] -= 1.0
        now = power[j] != before
        if j > 0 and (moved or now):
            ratio[j] = between(power[j] - power[j - 1])
        moved = now
    far = 0
    for j in range(max(low, 1), high + 1):
        far += power[j] - power[j - 1] > FAR
    return far


@inner
def log_entry(b, c, power, j):
    """Logarithm of what a column has."""
    total = b[j] + c[j]
    return math.log(total) - power[j] * LOG_GROW if total > 0.0 else -math.inf


@inner
def tilt_for(before, own, behind, ahead, steps_behind, steps_ahead):
    """A tilt nearer to the smallest that makes a place the heaviest of its neighbours.

    ``behind`` and ``ahead`` are the logarithms of what columns have that are so many steps away.
    """
    least, most = -math.inf, math.inf
    if steps_behind > 0 and behind > -math.inf:
        least = (behind - own) / steps_behind
    if steps_ahead > 0 and ahead > -math.inf:
        most = (own - ahead) / steps_ahead
    if least > most:
        least = most = (least + most) / 2
    return before + (min(max(0.0, least), most) - before) / 2


@inner
def enter_far(b, c, power, ratio, label, j, high, x, new_b, new_c):
    """What enters a column from one that has far more: all that counts from then on, maybe."""
    before = b[j - 1] if label[j - 1] == label[j] else b[j - 1] + c[j - 1]
    entered = before * x[j]
    more, behind = entered, int(power[j] - power[j - 1])
    while behind > 0 and more < 1e200:
        more *= GROW
        behind -= 1
    if more < 1e200:
        new_c[j] += more
    else:
        new_b[j], new_c[j], power[j], ratio[j] = 0.0, entered, power[j - 1], 1.0
        if j < high:
            ratio[j + 1] = between(power[j + 1] - power[j])


@compiled
def two_most(p, blank, most):
    """The two most probable classes of each frame but the blank: ``most`` (2, T)."""
    for t in range(len(p)):
        first, second = 0.0, 0.0
        for c in range(p.shape[1]):
            x = p[t, c]
            if c != blank and x > second:
                first, second = max(first, x), min(first, x)
        most[0, t], most[1, t] = first, second


@compiled
def forward_window(
    p, blank, label, way, size, needed, depth, floors, slope, gains, seen, known, keep, kept, work,
    left, lost,
):  # fmt: skip
    """Logarithm of what the alignments of a label have that end with the window.

    Column j of the table is the label's first j characters in the window, ``label[1]`` to
    ``label[size]``, and ``way[j]`` the frame at which a known alignment comes to it. Column 0 is
    what came before: ``seen`` (3, known) holds its entries at the first frames, at a blank, on the
    character ``label[0]``, and the power of GROW to divide them by. If there was nothing before,
    ``label[0]`` is -1 and ``known`` 0. The last frame wants to be in column ``needed`` or beyond
    it: what cannot get there is left out. What is below the way's place by more than ``depth`` is
    dropped, and its logarithm added to ``lost`` (1,), which grows by the logarithm ``gains`` (T,)
    of each frame to come. Or, if ``floors`` (T,) is not empty, what is below that of its frame, by
    ``slope`` more for each column that is still to come; then nothing is added up. The entries of
    column ``keep`` are written to ``kept`` (3, T), where it is not empty: zeros before. The lowest
    column that is left in the end is written to ``left`` (1,). ``work`` is (8, size + 1).
    """
    # Entries at a blank and on the character, of this frame and of the one before.
    b, c, new_b, new_c = work[0], work[1], work[2], work[3]
    power, ratio, differs, x = work[4], work[5], work[6], work[7]
    for j in range(size + 1):
        b[j] = c[j] = new_b[j] = new_c[j] = power[j] = 0.0
        ratio[j] = 1.0
        differs[j] = 1.0 if j > 0 and label[j - 1] != label[j] else 0.0
    low, high, place, tilt, far, frames = 0, 0, 0, 0.0, 0, len(p)
    if label[0] < 0:
        b[0] = 1.0
    for t in range(frames):
        q = p[t, blank]
        if len(floors) == 0:
            lost[0] += gains[t]
        if high < size:
            high += 1
            b[high], c[high] = 0.0, 0.0
            power[high], ratio[high] = power[high - 1], 1.0
        first = needed - (frames - 1 - t)
        if first > size:  # nor can anything that comes later
            break
        start = max(low, 1, first)
        for j in range(start, high + 1):
            x[j] = p[t, label[j]]
        stop = max(start, high + 1)
        out = step(
            b[start:stop], c[start:stop], b[start - 1 : stop - 1], c[start - 1 : stop - 1],
            differs[start:stop], ratio[start:stop], x[start:stop], q,
            new_b[start:stop], new_c[start:stop],
        )  # fmt: skip
        if far > 0:
            for j in range(high, start - 1, -1):
                if power[j] - power[j - 1] > FAR:
                    enter_far(b, c, power, ratio, label, j, high, x, new_b, new_c)
        again = power[0]
        new_b[start - 1], new_c[start - 1] = 0.0, 0.0
        if low == 0 and first <= 0:
            if t < known:
                new_b[0], new_c[0], power[0] = seen[0, t], seen[1, t], seen[2, t]
            else:
                new_b[0] = (b[0] + c[0]) * q
                new_c[0] = c[0] * p[t, label[0]] if label[0] >= 0 else 0.0
                out += 0.0 < new_b[0] + new_c[0] < LEAST
        b, c, new_b, new_c = new_b, new_c, b, c
        low = max(low, min(first, high))
        if out + far > 0 or power[0] != again:
            far = settle(b, c, power, ratio, max(low, 1 if t < known else 0), high)
        if t % PAUSE:  # a few columns too many cost less than to look at the ends in each frame
            pass
        elif len(floors) > 0:
            while high > low:
                if log_entry(b, c, power, high) >= floors[t] + slope * (size - high):
                    break
                high -= 1
            while t >= known and low < high:
                if log_entry(b, c, power, low) >= floors[t] + slope * (size - low):
                    break
                b[low], c[low] = 0.0, 0.0
                low += 1
        else:
            while place < size and way[place + 1] <= t:
                place += 1
            own = log_entry(b, c, power, place) if place <= high else -math.inf
            if own > -math.inf:
                down, up = max(low, place - REACH), min(high, place + REACH)
                tilt = tilt_for(
                    tilt, own, log_entry(b, c, power, down), log_entry(b, c, power, up),
                    place - down, up - place,
                )  # fmt: skip
            while high > place:
                entry = log_entry(b, c, power, high)
                if entry + tilt * (high - place) >= own - depth:
                    break
                lost[0] = log_add(lost[0], entry)
                high -= 1
            while t >= known and low < place:
                entry = log_entry(b, c, power, low)
                if entry + tilt * (low - place) >= own - depth:
                    break
                lost[0] = log_add(lost[0], entry)
                b[low], c[low] = 0.0, 0.0
                low += 1
        if low <= keep <= high:
            kept[0, t], kept[1, t], kept[2, t] = b[keep], c[keep], power[keep]
    left[0] = low
    return log_entry(b, c, power, size) if high == size else -math.inf


@compiled
def align_window(log_p, blank, label, way, size, depth, gains, work, band, back, lost):
    """The most probable alignment of a label in a window; ties as in ``align``.

    A state is twice a column, less one for its character. If something came before, the frame
    before the window is the last one of the character ``label[0]``. Writes how each state of the
    band was entered, frame after frame, to ``back``, and to ``band`` (T + 1, 3) of each frame where
    this begins, its lowest column and its highest; to ``lost`` (1,) the most that was dropped, if
    it is more; it grows by the logarithm ``gains`` (T,) of each frame to come. Returns whether
    there was room. ``work`` is (2, size + 1).
    """
    blanks, chars = work[0], work[1]
    for j in range(size + 1):
        blanks[j] = -math.inf
        chars[j] = -math.inf
    low, high, used, place, tilt = 0, 0, 0, 0, 0.0
    if label[0] < 0:
        blanks[0] = 0.0
    else:
        chars[0] = 0.0
    for t in range(len(log_p)):
        q = log_p[t, blank]
        lost[0] += gains[t]
        if high < size:
            high += 1
        if used + 2 * (high - low + 1) > len(back):
            return False
        band[t, 0], band[t, 1], band[t, 2] = used, low, high
        for j in range(high, low - 1, -1):
            spot = used + 2 * (j - low)  # of its character; its blank is behind
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
            back[spot + 1] = (1 if over else 0) if blanks[j] > -math.inf else UNREACHED
            back[spot] = step if best > -math.inf else UNREACHED
        used += 2 * (high - low + 1)
        if t % PAUSE:
            continue
        while place < size and way[place + 1] <= t:
            place += 1
        own = max(blanks[place], chars[place])
        if own > -math.inf:
            down, up = max(low, place - REACH), min(high, place + REACH)
            tilt = tilt_for(
                tilt, own, max(blanks[down], chars[down]), max(blanks[up], chars[up]),
                place - down, up - place,
            )  # fmt: skip
        while high > place:
            entry = max(blanks[high], chars[high])
            if entry + tilt * (high - place) >= own - depth:
                break
            lost[0] = max(lost[0], entry)
            blanks[high] = chars[high] = -math.inf
            high -= 1
        while low < place:
            entry = max(blanks[low], chars[low])
            if entry + tilt * (low - place) >= own - depth:
                break
            lost[0] = max(lost[0], entry)
            blanks[low] = chars[low] = -math.inf
            low += 1
    band[len(log_p), 0], band[len(log_p), 1], band[len(log_p), 2] = used, low, high
    return True


@compiled
def best_score(log_p, blank, label, size, floors, slope, work):
    """What the most probable alignment of a whole line has: the table, but for its way.

    What is below ``floors`` (T,), by ``slope`` more for each column to come, is left out.
    """
    blanks, chars = work[0], work[1]
    for j in range(size + 1):
        blanks[j] = -math.inf
        chars[j] = -math.inf
    blanks[0] = 0.0
    low, high, frames = 0, 0, len(log_p)
    for t in range(frames):
        q = log_p[t, blank]
        high = min(size, high + 1)
        first = min(size - (frames - 1 - t), high)  # what is before cannot reach the end
        while low < first:
            blanks[low] = chars[low] = -math.inf
            low += 1
        for j in range(high, max(low, 1) - 1, -1):
            c = label[j]
            best = max(chars[j], blanks[j - 1])
            if label[j - 1] != c:
                best = max(best, chars[j - 1])
            blanks[j] = max(blanks[j], chars[j]) + q
            chars[j] = best + log_p[t, c]
        if low == 0:
            blanks[0] += q
        if t % PAUSE:
            continue
        while high > low:
            if max(blanks[high], chars[high]) >= floors[t] + slope * (size - high):
                break
            blanks[high] = chars[high] = -math.inf
            high -= 1
        while low < high:
            if max(blanks[low], chars[low]) >= floors[t] + slope * (size - low):
                break
            blanks[low] = chars[low] = -math.inf
            low += 1
    return max(blanks[size], chars[size])


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
def trace(log_p, label, band, back, t, state, spans):
    """Spans of the characters on the best way to a state at frame ``t``; ``spans`` is (N + 1, 3).

    Their first frames, the frames after the last, and their log-probabilities, from row 1 on.
    """
    j = 0
    while t >= 0:
        if state % 2:
            if (state + 1) // 2 != j:
                j = (state + 1) // 2
                spans[j, 1], spans[j, 2] = t + 1, 0.0
            spans[j, 0] = t
            spans[j, 2] += log_p[t, label[j]]
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
        if ends:  # and what was found is not on this way
            found[0] = -1
        elif low == high and found[0] < 0:
            found[0], found[1] = t, low
        low, high = step_back(band, back, t, low), step_back(band, back, t, high)
        if low < 0 or high < 0:
            return
