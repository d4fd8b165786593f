"""Compiled best-first search under :func:`crnn_lib.decoders.exact_search`."""

from __future__ import annotations

import math

import numpy as np

from crnn_lib.decoders._compiled.beam import beam_line, beam_room
from crnn_lib.decoders._compiled.records import FINE, WRONG, Ahead, SearchRoom
from crnn_lib.decoders._compiled.scores import (
    SOUND,
    compiled,
    final_weight,
    label_log_prob,
    read_line,
    spell,
    text_weight,
    write_spans,
)

ROOM = 4_000_000  # frames of all prefixes that a search may remember: 64 MB
LOG_SOUND = math.log(SOUND)
SLACK = 1e-12  # more than rounding takes from a sum


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
def masses_ahead(p, blank, tables, pairs, result):
    """What all accepted continuations weigh together, from each place on: probability and weights.

    A place is a frame t and a pair: a state of the automaton, and the class it was entered by, as
    an alignment stands on it. Writes ``result.masses`` (T, pairs), each row to be multiplied by the
    exponential of its number in ``result.logs`` (T,). Returns the logarithm of what all strings
    weigh.
    """
    frames, classes = p.shape
    factor, ends_at, start = tables.factor, tables.ends_at, tables.start
    entry, pair_state, pair_class = pairs.entry, pairs.state, pairs.label
    ahead, logs, at_blank, sums = result.masses, result.logs, result.sums[0], result.sums[1]
    states, count = len(ends_at), len(pair_state)
    log = -math.inf
    for i in range(states):
        log = max(log, ends_at[i])
    if log == -math.inf:
        return log
    for i in range(states):
        at_blank[i] = math.exp(ends_at[i] - log)
    for j in range(count):
        ahead[frames - 1, j] = at_blank[pair_state[j]]
    logs[frames - 1] = log
    for t in range(frames - 2, -2, -1):
        q, most = p[t + 1, blank], 0.0
        for i in range(states):
            total = 0.0
            for c in range(classes):
                if entry[i, c] >= 0:
                    total += factor[i, c] * p[t + 1, c] * ahead[t + 1, entry[i, c]]
            sums[i] = total
        if t >= 0:
            for j in range(count):
                i, c = pair_state[j], pair_class[j]
                x = p[t + 1, c]
                # The same class at once is the same character; the sum is a bound, so round up.
                total = sums[i] * (1.0 + 1e-15)
                if entry[i, c] >= 0:
                    total = max(total - factor[i, c] * x * ahead[t + 1, entry[i, c]], 0.0)
                ahead[t, j] = q * at_blank[i] + x * ahead[t + 1, j] + total
                most = max(most, ahead[t, j])
        for i in range(states):
            at_blank[i] = q * at_blank[i] + sums[i]
            most = max(most, at_blank[i])
        if 0.0 < most < 1e-100 or most > 1e100:
            log += math.log(most)
            for i in range(states):
                at_blank[i] /= most
            if t >= 0:
                for j in range(count):
                    ahead[t, j] /= most
        if t >= 0:
            logs[t] = log
    return math.log(at_blank[start]) + log if at_blank[start] > 0.0 else -math.inf


@compiled
def exact_line(p, blank, budget, best, log_mass, base, tables, entry, future, room):
    """Best-first prefix search (Graves 2006, section 3.2.1) for what beats a value ``best``.

    Values are probabilities, times ``exp(weight - base)`` if there is an automaton; ``log_mass`` is
    the logarithm of what all labels have together. Returns the best value, its length in
    ``room.text`` (-1: nothing beats ``best``), a bound on all other values, and whether the search
    came to its end within ``budget`` expansions.

    A prefix's mass is what all labels that begin with it have together. It splits among the label
    that is the prefix and the prefixes one character longer. Those that cannot beat the best label
    so far are dropped; the one with the most mass left is split next.
    """
    frames, classes = p.shape
    fused, step, cost, factor = tables.fused, tables.step, tables.cost, tables.factor
    ends_at, start, ahead, logs = tables.ends_at, tables.start, future.masses, future.logs
    tail, parts, text = room.tail, room.parts, room.text
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
    value, rest = 1.0, tail[0]
    for t in range(frames):
        value *= p[t, blank]
    if fused:
        value *= safe_exp(ends_at[start] - base)
        rest = safe_exp(log_mass - base)
    rest = max(rest - value, 0.0) + SLACK * rest
    if value > best:
        best, best_node = value, 0
    else:
        other = value
    push(heap, keys, size, 0, rest)
    size += 1
    while size > 0 and keys[0] > 0.0 and keys[0] * (1.0 + 1e-9) >= best:
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
        # The mass of all its children at once: each enters at frame t, from a path that was here.
        mass[:] = 0.0
        again, skipped, first = 0.0, 0.0, frames
        before = -math.inf
        for t in range(frames):
            if fused:
                if logs[t] != before:
                    before, scale = logs[t], safe_exp(logs[t] + weight[v] - base)
            else:
                scale = tail[t + 1]
            from_blank, from_char = (1.0 if u < 0 else 0.0), 0.0
            if t > 0:
                from_blank, from_char = b[t - 1], n[t - 1]
            both = (from_blank + from_char) * scale
            if both == 0.0:
                continue
            if not fused:
                if both < 1e-12 * best:
                    skipped += both
                    continue
                first = min(first, t)
                for k in range(classes):
                    mass[k] += both * p[t, k]
                if c >= 0:
                    again += from_blank * scale * p[t, c]
            else:
                first = min(first, t)
                for k in range(classes):
                    j = entry[state[v], k]
                    if j >= 0:
                        ways = from_blank * scale if k == c else both
                        mass[k] += ways * p[t, k] * ahead[t, j]
        if not fused and c >= 0:
            mass[c] = again
        for k in range(classes):
            after, so_far, end = 0, 0.0, 1.0
            prefix = (mass[k] + skipped) * (1.0 + SLACK)
            if fused:
                after = step[state[v], k]
                if after < 0:
                    continue
                prefix *= factor[state[v], k]
                so_far = weight[v] + cost[state[v], k]
                end = safe_exp(so_far + ends_at[after] - base)
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
            value = (blanks + chars) * end
            rest = max(prefix - value, 0.0) + SLACK * prefix
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
            if rest * (1.0 + 1e-9) >= best:
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
def exact_batch(log_p, lengths, blank, budget, sums, tables, pairs, results, proven):
    """Find the best label of some lines. Results as of ``beam_batch``, and what is proven."""
    longest, classes = log_p.shape[1], log_p.shape[2]
    fused, step, cost, start = tables.fused, tables.step, tables.cost, tables.start
    ends_at = tables.ends_at
    counts, statuses, sizes, scores = (
        results.counts, results.statuses, results.sizes, results.scores,
    )  # fmt: skip
    labels, spans, span_scores = results.labels, results.spans, results.span_scores
    p, bits = np.empty((longest, classes)), np.empty(longest * classes, np.int64)
    width = 10 if fused else 1
    beam = beam_room(width, longest, classes)
    tail, text = np.empty(longest + 1), np.empty(longest, np.int32)
    room = SearchRoom(tail, np.empty((2, 64, longest)), text)
    peak, rows = np.empty(longest), np.empty((2, longest + 1))
    back = np.empty((longest, 2 * longest + 1), np.uint8)
    ahead = Ahead(
        np.empty((longest if fused else 1, len(pairs.state))),
        np.empty(longest),
        np.empty((2, len(ends_at))),
    )
    made = used = 0
    for n in range(len(log_p)):
        frames = lengths[n]
        line, log_line = p[:frames], log_p[n, :frames]
        counts[n], proven[n] = 0, False
        statuses[n], mass = read_line(log_line, blank, sums, line, peak, bits)
        if statuses[n] == WRONG:
            continue
        # A label to start with: what it has, others must beat.
        size, log_mass = 0, math.log(mass)
        if fused:
            size, log_mass = -1, ends_at[start]
            if frames > 0:
                log_mass = masses_ahead(line, blank, tables, pairs, ahead)
            if log_mass == -math.inf:
                proven[n] = statuses[n] == FINE  # of nothing: no string that is accepted fits
                continue
            count, _, _ = beam_line(line, peak, blank, width, tables, beam)
            top = -math.inf
            for i in range(count):
                length = spell(beam.trie, beam.ints[0, i], text)
                weight = text_weight(text, length, step, cost, start) + ends_at[beam.ints[2, i]]
                log_prob = label_log_prob(line, log_line, blank, text, length, rows)
                if log_prob + weight > top:
                    size, top = length, log_prob + weight
                    labels[used : used + size] = text[:size]
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
        log_prob, score, share, bound = -math.inf, -math.inf, 0.0, log_mass
        if size >= 0:
            label = labels[used : used + size]
            log_prob = label_log_prob(line, log_line, blank, label, size, rows)
            score = log_prob
            if fused:
                score += text_weight(label, size, step, cost, start)
                score += final_weight(label, size, step, ends_at, start)
            # With more than half of the mass, nothing can beat it.
            share = math.exp(score - log_mass)
            rest = max(1.0 - share, 0.0) + SLACK
            bound += math.log(rest)
            proven[n] = share > rest + 1e-9
        base = 0.0
        if fused:
            base = score if size >= 0 else log_mass
        sound = (log_prob > LOG_SOUND or size < 0) and (not fused or log_mass - base < 300.0)
        if not proven[n] and sound:
            tail[frames] = 1.0
            for t in range(frames - 1, -1, -1):
                total = 0.0
                for c in range(classes):
                    total += line[t, c]
                tail[t] = tail[t + 1] * total
            first = 0.0
            if size >= 0:  # a little less, so that the search comes across this label too
                first = math.exp(score - base) * (1.0 - 2e-9)
            most = min(budget, ROOM // frames)
            value, length, other, complete = exact_line(
                line, blank, most, first, log_mass, base, tables, pairs.entry, ahead, room
            )
            proven[n] = complete and other * (1.0 + 1e-9) < value
            bound = min(bound, math.log(other) + base if other > 0.0 else -math.inf)
            if length >= 0:
                size = length
                labels[used : used + size] = text[:size]
                log_prob = label_log_prob(line, log_line, blank, text, size, rows)
                score = log_prob
                if fused:
                    score += text_weight(text, size, step, cost, start)
                    score += final_weight(text, size, step, ends_at, start)
        if size < 0:
            continue
        counts[n], sizes[made] = 1, size
        over = max(log_prob, 0.0)  # by rounding: no probability is above 1
        scores[made, 0], scores[made, 1], scores[made, 2] = log_prob - over, score - over, bound
        made += 1
        write_spans(log_line, blank, labels, used, size, rows, back, spans, span_scores)
        used += size
    return made, used
