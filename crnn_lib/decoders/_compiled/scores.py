"""Compiled loops under :mod:`crnn_lib.decoders`, one line at a time; numba makes them fast.

They get probabilities, not logarithms: ``p`` is (T, C), without the frames beyond the line. What a
float64 cannot hold is noticed and left to slower code, never lost: a frame's probabilities sum to
1, so what weighs x on its way never grows beyond x, and numbers below 1e-308 cannot matter for a
sum above 1e-250.
"""

from __future__ import annotations

import math

import numpy as np

from crnn_lib.decoders._compiled.jit import compiled, inner
from crnn_lib.decoders._compiled.records import FINE, RISKY, WRONG

SOUND = 1e-250  # a sum of paths above this has lost nothing to speak of


@inner
def exponentials(x, out):
    """``exp(x)`` for a row of numbers, to the last digit or the one before; below -708 it is 0.

    Without branches, so that it runs on several numbers at once: 2 ** k is k + 1023 in a number's
    exponent, and the rest, at most log(2) / 2, goes through the series.
    """
    for i in range(len(x)):
        y = x[i] if x[i] > -708.0 else (-708.0 if x[i] <= -708.0 else x[i])
        y = 1.0 if y > 1.0 else y
        k = np.floor(y * 1.4426950408889634 + 0.5)
        r = (y - k * 0.6931471803691238) - k * 1.9082149292705877e-10
        s = 1.0 / 39916800 + r * (1.0 / 479001600)
        s = 1.0 / 3628800 + r * s
        s = 1.0 / 362880 + r * s
        s = 1.0 / 40320 + r * s
        s = 1.0 / 5040 + r * s
        s = 1.0 / 720 + r * s
        s = 1.0 / 120 + r * s
        s = 1.0 / 24 + r * s
        s = 1.0 / 6 + r * s
        s = 0.5 + r * s
        power = np.int64((np.int64(k) + 1023) << 52).view(np.float64)
        s = (1.0 + r * (1.0 + r * s)) * power
        out[i] = s if x[i] > -708.0 else (0.0 if x[i] <= -708.0 else x[i])


@compiled
def read_line(log_p, blank, lowest, highest, mass, p, peak):
    """Turn a line into probabilities and check it: every frame sums to 1, none is too small.

    To 1, or between ``lowest`` and ``highest``.

    Writes ``p`` (T, C) and each frame's most probable class but the blank, ``peak`` (T,). Returns
    what the line is, and ``mass`` times all sums.
    """
    frames, classes = log_p.shape
    status = FINE
    exponentials(log_p.ravel(), p.ravel())
    # Four frames at once: each is added up in its own order, while the others' sums are on the way.
    for first in range(0, frames, 4):
        last = min(first + 4, frames)
        i, j, k = min(first + 1, last - 1), min(first + 2, last - 1), last - 1
        total, total_i, total_j, total_k = 0.0, 0.0, 0.0, 0.0
        most, most_i, most_j, most_k, least = 0.0, 0.0, 0.0, 0.0, 1.0
        for c in range(classes):
            x, y, z, w = p[first, c], p[i, c], p[j, c], p[k, c]
            total, total_i, total_j, total_k = total + x, total_i + y, total_j + z, total_k + w
            least = min(least, min(min(x, y), min(z, w)))
            if c != blank:
                most, most_i = max(most, x), max(most_i, y)
                most_j, most_k = max(most_j, z), max(most_k, w)
        peak[first], peak[i], peak[j], peak[k] = most, most_i, most_j, most_k
        for t in range(first, last):
            if t == k:
                total = total_k
            elif t == i:
                total = total_i
            elif t == j:
                total = total_j
            if not lowest <= total <= highest:  # NaN is neither
                return WRONG, 0.0
            mass *= total
        if least < 1e-200:
            for t in range(first, last):
                for c in range(classes):
                    if p[t, c] < 1e-200 and log_p[t, c] > -math.inf:
                        status = RISKY
    return status, mass


# Scores and spans of a known label ----------------------------------------------------------------


@inner
def label_prob(p, blank, label, length, work):
    """Probability of a label: the forward algorithm, plain sums. 0 if it does not fit."""
    frames = len(p)
    blanks, chars = work[0], work[1]  # after each character, and on it; blanks[0] is before all
    for j in range(length + 1):
        blanks[j] = 0.0
        chars[j] = 0.0
    blanks[0] = 1.0
    for t in range(frames):
        q = p[t, blank]
        last = min(length, t + 1)
        first = max(1, length - (frames - 1 - t))  # what is before cannot reach the end
        for j in range(last, first - 1, -1):
            c = label[j - 1]
            into = chars[j] + blanks[j - 1]
            if j > 1 and label[j - 2] != c:
                into += chars[j - 1]
            blanks[j] = (blanks[j] + chars[j]) * q
            chars[j] = into * p[t, c]
        blanks[first - 1] = (blanks[first - 1] + chars[first - 1]) * q
    return blanks[length] + (chars[length] if length else 0.0)


@inner
def log_add(x, y):
    if x < y:
        x, y = y, x
    return x if y == -math.inf else x + math.log1p(math.exp(y - x))


@inner
def label_log_prob(p, log_p, blank, label, length, work):
    """Log-probability of a label: plain sums if they can hold it, else sums of logarithms."""
    prob = label_prob(p, blank, label, length, work)
    return math.log(prob) if prob > SOUND else sum_of_logs(log_p, blank, label, length, work)


@compiled
def sum_of_logs(log_p, blank, label, length, work):
    """The same in logarithms alone, slowly: nothing is too small for one."""
    frames = len(log_p)
    blanks, chars = work[0], work[1]
    for j in range(length + 1):
        blanks[j] = -math.inf
        chars[j] = -math.inf
    blanks[0] = 0.0
    for t in range(frames):
        q = log_p[t, blank]
        first = max(1, length - (frames - 1 - t))  # what is before cannot reach the end
        for j in range(min(length, t + 1), first - 1, -1):
            c = label[j - 1]
            into = log_add(chars[j], blanks[j - 1])
            if j > 1 and label[j - 2] != c:
                into = log_add(into, chars[j - 1])
            blanks[j] = log_add(blanks[j], chars[j]) + q
            chars[j] = into + log_p[t, c]
        if first == 1:
            blanks[0] += q
    return log_add(blanks[length], chars[length])


@inner
def align(log_p, blank, label, length, work, back, starts, ends, scores):
    """Spans of a label on its best alignment; ties as in :func:`crnn_lib.ctc.forced_alignments`."""
    frames = len(log_p)
    blanks, chars = work[0], work[1]
    for j in range(length + 1):
        blanks[j] = -math.inf
        chars[j] = -math.inf
    blanks[0] = 0.0
    # back[t, 2j]: blank j was entered from its character. back[t, 2j - 1]: character j was
    # entered from itself (0), from the blank before it (1) or from the character before (2).
    for t in range(frames):
        q = log_p[t, blank]
        last = min(length, t + 1)
        first = max(1, length - (frames - 1 - t))
        for j in range(last, first - 1, -1):
            c = label[j - 1]
            best, step = blanks[j - 1], 1
            if j > 1 and label[j - 2] != c and chars[j - 1] > best:
                best, step = chars[j - 1], 2
            if chars[j] >= best:
                best, step = chars[j], 0
            over = chars[j] > blanks[j]
            blanks[j] = (chars[j] if over else blanks[j]) + q
            chars[j] = best + log_p[t, c]
            back[t, 2 * j] = over
            back[t, 2 * j - 1] = step
        over = chars[first - 1] > blanks[first - 1]
        blanks[first - 1] = (chars[first - 1] if over else blanks[first - 1]) + q
        back[t, 2 * first - 2] = over
    state = 2 * length
    if length and chars[length] > blanks[length]:
        state -= 1
    for t in range(frames - 1, -1, -1):
        if state % 2:
            j = state // 2  # counts from 0 here
            if t == frames - 1 or ends[j] == 0:
                ends[j] = t + 1
                scores[j] = 0.0
            starts[j] = t
            scores[j] += log_p[t, label[j]]
        state -= back[t, state]


# Labels as the searches hold them ----------------------------------------------------------------


@inner
def spell(trie, node, text):
    """Write a node's label; returns its length. A trie has parents in row 0, classes in row 1."""
    size, k = 0, node
    while k > 0:
        size += 1
        k = trie[0, k]
    j, k = size, node
    while k > 0:
        j -= 1
        text[j] = trie[1, k]
        k = trie[0, k]
    return size


@inner
def write_spans(log_p, blank, used, size, page, results):
    """Where the characters are of a label that stands in the results from ``used`` on."""
    for j in range(used, used + size):
        results.spans[1, j] = 0
    align(
        log_p, blank, results.labels[used:], size, page.rows, page.back,
        results.spans[0, used:], results.spans[1, used:], results.span_scores[used:],
    )  # fmt: skip
