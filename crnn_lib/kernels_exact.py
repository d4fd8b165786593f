"""Compiled best-first search under :func:`crnn_lib.decoders.exact_search`; see :mod:`kernels`."""

from __future__ import annotations

import math

import numpy as np

from crnn_lib.kernels import (
    FINE,
    SOUND,
    WRONG,
    compiled,
    final_weight,
    label_log_prob,
    read_line,
    spell,
    text_weight,
    write_spans,
)
from crnn_lib.kernels_beam import beam_line

ROOM = 4_000_000  # frames of all prefixes that a search may remember: 64 MB


@compiled
def grown(array):
    """Twice the room along the first axis."""
    larger = np.empty((2 * array.shape[0],) + array.shape[1:], array.dtype)
    larger[: array.shape[0]] = array
    return larger


@compiled
def push(heap, keys, size, item, key):
    j = size
    while j > 0 and keys[(j - 1) // 2] < key:
        heap[j], keys[j] = heap[(j - 1) // 2], keys[(j - 1) // 2]
        j = (j - 1) // 2
    heap[j], keys[j] = item, key


@compiled
def pop(heap, keys, size):
    """Take out the first of ``size`` items, the one with the largest key."""
    first, item, key = heap[0], heap[size - 1], keys[size - 1]
    j = 0
    while 2 * j + 1 < size - 1:
        k = 2 * j + 1
        if k + 1 < size - 1 and keys[k + 1] > keys[k]:
            k += 1
        if keys[k] <= key:
            break
        heap[j], keys[j] = heap[k], keys[k]
        j = k
    heap[j], keys[j] = item, key
    return first


@compiled
def exact_line(
    p, blank, tail, budget, best, fused, step, cost, ends_at, need, start, most, most_more, base,
    parts, text,
):  # fmt: skip
    """Best-first prefix search (Graves 2006, section 3.2.1) for what beats a value ``best``.

    Values are probabilities, times ``exp(weight - base)`` if there is an automaton. Returns the
    best value, its length in ``text`` (-1: nothing beats ``best``), a bound on all other values,
    and whether the search came to its end within ``budget`` expansions.

    A prefix's mass is the probability that a label begins with it. The mass splits among the label
    that is the prefix and the prefixes one character longer. Those that cannot beat the best label
    so far are dropped; the one with the most mass left is split next.
    """
    frames, classes = p.shape
    parent = np.empty(256, np.int32)
    last, state = np.empty(256, np.int32), np.empty(256, np.int32)
    weight = np.empty(256)
    heap, keys = np.empty(256, np.int32), np.empty(256)
    # Of each expanded prefix: the mass of the paths that are it after frame t, ending in a blank
    # and not.
    row_of, at_blank, at_char = np.empty(256, np.int32), parts[0], parts[1]
    parent[0], last[0], state[0], weight[0], row_of[0] = -1, -1, start, 0.0, 0
    nodes, size, expanded = 1, 0, 0
    mass = np.empty(classes)
    other, best_node = 0.0, -1
    slack = 1e-12
    q = 1.0
    for t in range(frames):
        q *= p[t, blank]
    value, rest = q, tail[0] - q
    if fused:
        value = q * safe_exp(ends_at[start] - base)
        rest *= safe_exp(most_more[start] - base)
    if value > best:
        best, best_node = value, 0
    else:
        other = value
    rest += slack * safe_exp(most_more[start] - base) if fused else slack
    push(heap, keys, size, 0, rest)
    size += 1
    while size > 0 and keys[0] * (1.0 + 1e-9) >= best:
        if keys[0] <= 0.0:
            break
        if expanded == budget:
            other = max(other, keys[0])
            return best, write_text(parent, last, best_node, text), other, False
        v = pop(heap, keys, size)
        size -= 1
        if expanded == at_blank.shape[0]:
            at_blank, at_char = grown(at_blank), grown(at_char)
        b, n = at_blank[expanded], at_char[expanded]
        row_of[v] = expanded
        expanded += 1
        u, c = parent[v], last[v]
        if u < 0:
            total = 1.0
            for t in range(frames):
                total *= p[t, blank]
                b[t], n[t] = total, 0.0
        else:
            from_b, from_n = at_blank[row_of[u]], at_char[row_of[u]]
            repeat = last[u] == c
            b[0], n[0] = 0.0, (p[0, c] if u == 0 else 0.0)
            for t in range(1, frames):
                fresh = from_b[t - 1] + (0.0 if repeat else from_n[t - 1])
                n[t] = p[t, c] * (fresh + n[t - 1])
                b[t] = p[t, blank] * (b[t - 1] + n[t - 1])
        # The mass of all its children at once.
        for k in range(classes):
            mass[k] = p[0, k] * tail[1] if u < 0 else 0.0
        again, skipped, first = 0.0, 0.0, frames
        if u < 0:
            first = 0
        for t in range(1, frames):
            reach = (b[t - 1] + n[t - 1]) * tail[t + 1]
            if reach < 1e-12 * best and not fused:
                skipped += reach
                continue
            first = min(first, t)
            for k in range(classes):
                mass[k] += reach * p[t, k]
            if c >= 0:
                again += b[t - 1] * tail[t + 1] * p[t, c]
        if c >= 0:
            mass[c] = again
        for k in range(classes):
            if k == blank:
                continue
            prefix = (mass[k] + skipped) * (1.0 + slack)
            after, so_far, up_to, up_more, end = 0, 0.0, 1.0, 1.0, 1.0
            if fused:
                after = step[state[v], k]
                if after < 0:
                    continue
                so_far = weight[v] + cost[state[v], k]
                up_to = safe_exp(so_far + most[after] - base)
                up_more = safe_exp(so_far + most_more[after] - base)
                end = safe_exp(so_far + ends_at[after] - base)
            if prefix == 0.0:
                continue
            if prefix * up_to * (1.0 + 1e-9) < best:
                other = max(other, prefix * up_to)
                continue
            same, blanks, chars = k == c, 0.0, 0.0
            timely = 0.0  # what comes early enough for an accepted end
            if v == 0:
                chars = p[0, k]
                if fused and need[after, k] < frames:
                    timely = chars * tail[1]
            for t in range(max(first, 1), frames):
                fresh = (b[t - 1] + (0.0 if same else n[t - 1])) * p[t, k]
                if fused and need[after, k] < frames - t:
                    timely += fresh * tail[t + 1]
                blanks = p[t, blank] * (blanks + chars)
                chars = fresh + p[t, k] * chars
            prob = blanks + chars
            value = prob * end
            rest = max(prefix - prob, 0.0) + slack * prefix
            if fused:  # the label's own mass may be late, so it cannot be taken off this one
                rest = min(rest, timely * (1.0 + slack))
            rest *= up_more
            if nodes == parent.shape[0]:
                parent, last, state = grown(parent), grown(last), grown(state)
                weight, row_of = grown(weight), grown(row_of)
                heap, keys = grown(heap), grown(keys)
            parent[nodes], last[nodes], state[nodes], weight[nodes] = v, k, after, so_far
            if value > best:
                other = max(other, best if best_node >= 0 else 0.0)
                best, best_node = value, nodes
            else:
                other = max(other, value)
            if rest > 0.0 and rest * (1.0 + 1e-9) >= best:
                push(heap, keys, size, nodes, rest)
                size += 1
            else:
                other = max(other, rest)
            nodes += 1
    if size > 0:
        other = max(other, keys[0])
    return best, write_text(parent, last, best_node, text), other, True


@compiled
def write_text(parent, last, node, text):
    """Write a node's label; returns its length, or -1 if there is no node."""
    if node < 0:
        return -1
    size, k = 0, node
    while k > 0:
        size += 1
        k = parent[k]
    j, k = size, node
    while k > 0:
        j -= 1
        text[j] = last[k]
        k = parent[k]
    return size


@compiled
def safe_exp(x):
    return math.exp(min(x, 700.0))


@compiled
def exact_batch(
    log_p, lengths, blank, budget, low, high, fused, step, cost, factor, largest, ends_at, need,
    need_first, start, most, most_more, counts, statuses, proven, sizes, scores, labels, spans,
    span_scores,
):  # fmt: skip
    """Find the best label of some lines. Results as of :func:`beam_batch`, and what is proven."""
    longest, classes = log_p.shape[1], log_p.shape[2]
    p, bits = np.empty((longest, classes)), np.empty(classes, np.int64)
    width = 10 if fused else 1
    trie = np.empty((4, width * longest + 2), np.int32)
    work, ints = np.empty((8, width)), np.empty((10, width), np.int32)
    active, merged = np.empty(classes, np.int32), np.empty((width, classes), np.int32)
    peak, tail, text = np.empty(longest), np.empty(longest + 1), np.empty(longest, np.int32)
    rows, parts = np.empty((2, longest + 1)), np.empty((2, 64, longest))
    back = np.empty((longest, 2 * longest + 1), np.uint8)
    made = used = 0
    for n in range(len(log_p)):
        frames = lengths[n]
        line, log_line = p[:frames], log_p[n, :frames]
        counts[n], proven[n] = 0, False
        statuses[n], mass = read_line(log_line, blank, low, high, line, peak, bits)
        if statuses[n] == WRONG:
            continue
        # A label to start with: what it has, others must beat.
        size, weight = 0, 0.0
        if fused:
            count, _, status = beam_line(
                line, peak, blank, width, True, step, factor, largest, need, need_first, start,
                trie, work, ints, active, merged,
            )  # fmt: skip
            if status == FINE and need_first[start] > frames:
                proven[n] = True  # of nothing: no string that is accepted fits
                continue
            size, score = -1, -math.inf
            for i in range(count):
                length = spell(trie, ints[0, i], text)
                weight = text_weight(text, length, step, cost, start) + ends_at[ints[1, i]]
                log_prob = label_log_prob(line, log_line, blank, text, length, rows)
                if log_prob + weight > score:
                    size, score = length, log_prob + weight
                    labels[used : used + size] = text[:size]
            weight = score
        else:
            before = blank
            for t in range(frames):
                c = 0
                for k in range(1, classes):
                    if log_line[t, k] > log_line[t, c]:
                        c = k
                if c != before and c != blank:
                    labels[used + size] = c
                    size += 1
                before = c
        log_prob, score, bound = -math.inf, -math.inf, math.inf
        if size >= 0:
            log_prob = label_log_prob(line, log_line, blank, labels[used : used + size], size, rows)
            if fused:
                weight = text_weight(labels[used : used + size], size, step, cost, start)
                weight += final_weight(labels[used : used + size], size, step, ends_at, start)
            score = log_prob + weight
        prob = math.exp(log_prob)
        if not fused:
            rest = max(mass - prob, 0.0) + 1e-12
            bound = math.log(rest)
            proven[n] = prob > rest + 1e-9
        else:
            bound = math.log(mass) + most[start]
        base = 0.0
        if fused:
            base = score if size >= 0 else most[start]
        if frames == 0:
            proven[n], bound = True, -math.inf  # there is no other label
        sound = (prob > SOUND or size < 0) and (not fused or most[start] - base < 300.0)
        if not proven[n] and sound:
            tail[frames] = 1.0
            for t in range(frames - 1, -1, -1):
                total = 0.0
                for c in range(classes):
                    total += line[t, c]
                tail[t] = tail[t + 1] * total
            first = 0.0
            if size >= 0:
                first = (1.0 if fused else prob) * (1.0 - 2e-9)
            value, length, other, complete = exact_line(
                line, blank, tail, min(budget, ROOM // frames), first, fused, step, cost,
                ends_at, need, start, most, most_more, base, parts, text,
            )  # fmt: skip
            proven[n] = complete and other * (1.0 + 1e-9) < value
            bound = min(bound, math.log(other) + base if other > 0.0 else -math.inf)
            if length >= 0:
                size = length
                labels[used : used + size] = text[:size]
                log_prob = label_log_prob(line, log_line, blank, text, size, rows)
                weight = 0.0
                if fused:
                    weight = text_weight(text, size, step, cost, start)
                    weight += final_weight(text, size, step, ends_at, start)
                score = log_prob + weight
        if size < 0:
            continue
        counts[n], sizes[made] = 1, size
        scores[made, 0], scores[made, 1], scores[made, 2] = log_prob, score, bound
        made += 1
        write_spans(log_line, blank, labels, used, size, rows, back, spans, span_scores)
        used += size
    return made, used
