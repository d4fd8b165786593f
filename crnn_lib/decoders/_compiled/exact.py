"""Compiled best-first search under :func:`crnn_lib.decoders.exact_search`."""

from __future__ import annotations

import math

import numpy as np

from crnn_lib.decoders._compiled.jit import compiled, inner
from crnn_lib.decoders._compiled.records import ROOM, WRONG
from crnn_lib.decoders._compiled.scores import (
    SOUND,
    label_log_prob,
    read_line,
    spell,
    write_spans,
)

LOG_SOUND = math.log(SOUND)
SLACK = 1e-12  # more than rounding takes from a sum


@inner
def push(heap, keys, size, item, key):
    j = size
    while j > 0 and keys[(j - 1) // 2] < key:
        heap[j], keys[j] = heap[(j - 1) // 2], keys[(j - 1) // 2]
        j = (j - 1) // 2
    heap[j], keys[j] = item, key


@inner
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


@inner
def exact_line(p, blank, budget, best, room):
    """Best-first prefix search (Graves 2006, section 3.2.1) for what beats a probability ``best``.

    Returns the best probability, its length in ``room.text`` (-1: nothing beats ``best``), a bound
    on all others, and whether the search came to its end within ``budget`` expansions.

    A prefix's mass is what all labels that begin with it have together. It splits among the label
    that is the prefix and the prefixes one character longer. Those that cannot beat the best label
    so far are dropped; the one with the most mass left is split next.
    """
    frames, classes = p.shape
    tail, mass, at_blank, at_char = room.tail, room.mass, room.at_blank, room.at_char
    parent, last, row_of = room.nodes[0], room.nodes[1], room.nodes[2]
    heap, keys = room.nodes[5], room.keys
    parent[0], last[0], row_of[0] = -1, -1, 0
    nodes, size, expanded = np.int64(1), np.int64(0), np.int64(0)  # of literals it compiles more
    other, best_node = 0.0, -1
    value, rest = 1.0, tail[0]
    for t in range(frames):
        value *= p[t, blank]
    rest = max(rest - value, 0.0) + SLACK * rest
    if value > best:
        best, best_node = value, 0
    else:
        other = value
    heap[0], keys[0] = 0, rest
    size += 1
    while size > 0 and keys[0] > 0.0 and keys[0] * (1.0 + 1e-9) >= best:
        if expanded == budget or nodes + classes > len(keys):
            other = max(other, keys[0])
            return best, write_text(room.nodes, best_node, room.text), other, False
        v = pop(heap, keys, size)
        size -= 1
        row_of[v] = expanded
        write_rows(p, blank, v, parent, last, row_of, at_blank, at_char)
        b, n = row(at_blank, expanded, frames), row(at_char, expanded, frames)
        expanded += 1
        u, c = parent[v], last[v]
        # The mass of all its children at once: each enters at frame t, from a path that was here.
        mass[:] = 0.0
        again, skipped, first = 0.0, 0.0, frames
        for t in range(frames):
            from_blank, from_char = (1.0 if u < 0 else 0.0), 0.0
            if t > 0:
                from_blank, from_char = b[t - 1], n[t - 1]
            both = (from_blank + from_char) * tail[t + 1]
            if both == 0.0:
                continue
            if both < 1e-12 * best:
                skipped += both
                continue
            first = min(first, t)
            for k in range(classes):
                mass[k] += both * p[t, k]
            if c >= 0:
                again += from_blank * tail[t + 1] * p[t, c]
        if c >= 0:
            mass[c] = again
        for k in range(classes):
            prefix = (mass[k] + skipped) * (1.0 + SLACK)
            if k == blank or prefix == 0.0:
                continue
            if prefix * (1.0 + 1e-9) < best:
                other = max(other, prefix)
                continue
            blanks, chars = 0.0, (p[0, k] if u < 0 else 0.0)
            for t in range(max(first, 1), frames):
                fresh = b[t - 1] + (0.0 if k == c else n[t - 1])
                blanks = p[t, blank] * (blanks + chars)
                chars = p[t, k] * (fresh + chars)
            value = blanks + chars
            rest = max(prefix - value, 0.0) + SLACK * prefix
            parent[nodes], last[nodes] = v, k
            if value > best:
                other = max(other, best if best_node >= 0 else 0.0)
                best, best_node = value, nodes  # type: ignore[assignment]
            else:
                other = max(other, value)
            if rest * (1.0 + 1e-9) >= best:
                push(heap, keys, size, nodes, rest)
                size += 1
            else:
                other = max(other, rest)
            nodes += 1
    if size > 0:
        other = max(other, keys[0])
    return best, write_text(room.nodes, best_node, room.text), other, True


@inner
def row(flat, number, frames):
    return flat[number * frames : (number + 1) * frames]


@inner
def write_rows(p, blank, v, parent, last, row_of, at_blank, at_char):
    """A prefix's forward variables, from its parent's: paths at a blank and on the character."""
    frames, u, c = len(p), parent[v], last[v]
    own, above = np.int64(row_of[v]), np.int64(row_of[max(u, 0)])
    b, n = row(at_blank, own, frames), row(at_char, own, frames)
    if u < 0:
        total = 1.0
        for t in range(frames):
            total *= p[t, blank]
            b[t], n[t] = total, 0.0
        return
    from_b, from_n = row(at_blank, above, frames), row(at_char, above, frames)
    repeat = last[u] == c
    b[0], n[0] = 0.0, (p[0, c] if u == 0 else 0.0)
    for t in range(1, frames):
        fresh = from_b[t - 1] + (0.0 if repeat else from_n[t - 1])
        n[t] = p[t, c] * (fresh + n[t - 1])
        b[t] = p[t, blank] * (b[t - 1] + n[t - 1])


@inner
def write_text(nodes, node, text):
    """Write a node's label; returns its length, or -1 if there is no node."""
    return spell(nodes, node, text) if node >= 0 else -1


@compiled
def exact_batch(log_p, lengths, blank, budget, lowest, highest, page, room, results, proven):
    """Find the best label of some lines, and whether it is proven. Sums as in ``beam_batch``."""
    classes = log_p.shape[2]
    counts, statuses, scores = results.counts, results.statuses, results.scores
    labels, tail, at = results.labels, room.tail, results.at
    for n in range(len(log_p)):
        frames, made, used = lengths[n], at[1], at[2]
        line, log_line, label = page.p[:frames], log_p[n, :frames], labels[used:]
        counts[n], proven[n] = 0, False
        statuses[n], mass = read_line(log_line, blank, lowest, highest, 1.0, line, page.peak)
        if statuses[n] == WRONG:
            continue
        # The best path's label comes first: what it has, others must beat.
        size, log_mass, before = np.int64(0), math.log(mass), blank
        for t in range(frames):
            c = 0
            for k in range(1, classes):
                if log_line[t, k] > log_line[t, c]:
                    c = k
            if c != before and c != blank:
                label[size] = c
                size += 1
            before = c
        log_prob = label_log_prob(line, log_line, blank, label, size, page.rows)
        # With more than half of the mass, nothing can beat it.
        share = math.exp(log_prob - log_mass)
        rest = max(1.0 - share, 0.0) + SLACK
        bound = log_mass + math.log(rest)
        proven[n] = share > rest + 1e-9
        if not proven[n] and log_prob > LOG_SOUND:
            tail[frames] = 1.0
            for t in range(frames - 1, -1, -1):
                total = 0.0
                for c in range(classes):
                    total += line[t, c]
                tail[t] = tail[t + 1] * total
            # A little less, so that the search comes across this label too.
            first = math.exp(log_prob) * (1.0 - 2e-9)
            most = min(budget, ROOM // frames)
            value, length, other, complete = exact_line(line, blank, most, first, room)
            proven[n] = complete and other * (1.0 + 1e-9) < value
            bound = min(bound, math.log(other) if other > 0.0 else -math.inf)
            if length >= 0:
                size = length
                for j in range(size):
                    label[j] = room.text[j]
                log_prob = label_log_prob(line, log_line, blank, label, size, page.rows)
        counts[n], results.sizes[made] = 1, size
        log_prob = min(log_prob, 0.0)  # by rounding only: no probability is above 1
        scores[made, 0], scores[made, 1], scores[made, 2] = log_prob, log_prob, bound
        write_spans(log_line, blank, used, size, page, results)
        at[1], at[2] = made + 1, used + size
