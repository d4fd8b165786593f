"""Compiled best-first search with a language, under :func:`crnn_lib.decoders.exact_search`."""

from __future__ import annotations

import math

import numpy as np

from crnn_lib.decoders._compiled.exact import (
    LOG_SOUND,
    SLACK,
    pop,
    push,
    row,
    write_rows,
    write_text,
)
from crnn_lib.decoders._compiled.jit import compiled, inner, inner_sum
from crnn_lib.decoders._compiled.records import CHUNK, FINE, ROOM, WRONG
from crnn_lib.decoders._compiled.scores import (
    label_log_prob,
    read_line,
    write_spans,
)


@inner
def look_ahead(p, blank, outlook, ahead, logs, rows):
    """Bounds on what the frames after each one can still bring, (G, T): for a place of the outlook.

    An alignment stands at frame t on the class that led to a place. What any one string that goes
    on from there can gather in the frames after t, probability and weights, summed over its
    alignments, is at most ``ahead[place, t] * exp(logs[t])``: where the string takes one step, the
    bound takes the best one, frame by frame. Returns the logarithm of the bound at the start.
    """
    frames = len(p)
    first, label, target, factor = outlook.first, outlook.label, outlook.target, outlook.factor
    ends_at, last, places = outlook.ends_at, outlook.last, len(outlook.ends_at)
    at_blank, entered, recent = rows[0], rows[1], rows[2:]  # recent: the last few frames
    log = -math.inf
    for j in range(places):
        log = max(log, ends_at[j])
    if log == -math.inf:
        return log
    now = recent[(frames - 1) % CHUNK]
    for j in range(places):
        at_blank[j] = now[j] = math.exp(ends_at[j] - log)
    logs[frames - 1] = log
    for t in range(frames - 2, -2, -1):
        # A place's row is written some frames at once: else most of the time goes into waiting.
        if (t + 1) % CHUNK == 0:
            for j in range(places):
                for i in range(min(CHUNK, frames - 1 - t)):
                    ahead[j, t + 1 + i] = recent[i, j]
        q, most = p[t + 1, blank], 0.0
        for j in range(1, places):
            entered[j] = p[t + 1, last[j]] * now[j]
        entered[0] = 0.0
        now = recent[t % CHUNK]
        for j in range(places):
            best, again, c = 0.0, 0.0, last[j]
            for e in range(first[j], first[j + 1]):
                value = factor[e] * entered[target[e]]
                if label[e] == c:
                    again = value  # the same character once more needs a blank before it
                else:
                    best = max(best, value)
            now[j] = q * at_blank[j] + entered[j] + best
            at_blank[j] = q * at_blank[j] + max(best, again)
            most = max(most, now[j], at_blank[j])
        if 0.0 < most < 1e-100 or most > 1e100:
            log += math.log(most)
            for j in range(places):
                at_blank[j] /= most
                now[j] /= most
        if t >= 0:
            logs[t] = log
    return math.log(at_blank[0]) + log if at_blank[0] > 0.0 else -math.inf


@inner_sum
def sum_of_products(x, y, z):
    total = 0.0
    for t in range(len(x)):
        total += x[t] * y[t] * z[t]
    return total


@inner
def fused_line(p, by_class, blank, budget, base, floor, steps, outlook, ahead, logs, room):
    """Best-first search for the label with the highest score, if it is above a ``floor``.

    Values are ``exp(score - base)``. Returns the best value, its length in ``room.text`` (-1:
    nothing beats the floor), a bound on all other values, and whether the search came to its end
    within ``budget`` expansions.

    Where a prefix begins to be one character longer, at each frame, the outlook bounds what can
    follow. The sum of these bounds is one for all labels that begin so (A*: Hart, Nilsson and
    Raphael 1968). The prefix with the highest bound is expanded next, those below the best label
    so far are dropped.
    """
    frames = len(p)
    parent, last, row_of = room.nodes[0], room.nodes[1], room.nodes[2]
    state, place, heap = room.nodes[3], room.nodes[4], room.nodes[5]
    keys, weight, at_blank, at_char = room.keys, room.weight, room.at_blank, room.at_char
    parent[0], last[0], state[0], place[0], weight[0] = -1, -1, steps.start, 0, 0.0
    nodes, size, expanded = np.int64(1), np.int64(0), np.int64(0)
    all_ways, from_blank = room.ways[0, :frames], room.ways[1, :frames]
    best, best_node, other = floor, -1, 0.0
    heap[0], keys[0] = 0, math.inf
    size += 1
    while size > 0 and keys[0] > 0.0 and keys[0] * (1.0 + 1e-9) >= best:
        if expanded == budget or nodes + by_class.shape[0] > len(keys):
            break
        v = pop(heap, keys, size)
        size -= 1
        row_of[v] = expanded
        write_rows(p, blank, v, parent, last, row_of, at_blank, at_char)
        b, n = row(at_blank, expanded, frames), row(at_char, expanded, frames)
        expanded += 1
        s, g = state[v], place[v]
        value = (b[frames - 1] + n[frames - 1]) * safe_exp(weight[v] + steps.ends_at[s] - base)
        if value > best:
            other = max(other, best if best_node >= 0 else 0.0)
            best, best_node = value, v
        else:
            other = max(other, value)
        before, scale = -math.inf, 0.0
        for t in range(frames):
            if logs[t] != before:
                before, scale = logs[t], safe_exp(logs[t] + weight[v] - base)
            from_blank[t] = scale * (b[t - 1] if t > 0 else (1.0 if v == 0 else 0.0))
            all_ways[t] = from_blank[t] + (scale * n[t - 1] if t > 0 else 0.0)
        edge = outlook.first[g]
        for e in range(steps.first[s], steps.first[s + 1]):
            k = steps.label[e]
            while outlook.label[edge] != k:  # both rise, and the outlook has all of them
                edge += 1
            j = outlook.target[edge]
            ways = from_blank if k == last[v] else all_ways
            bound = sum_of_products(ways, by_class[k, :frames], ahead[j, :frames])
            bound *= math.exp(steps.cost[e]) * (1.0 + SLACK)
            if bound * (1.0 + 1e-9) < best or bound == 0.0:
                other = max(other, bound)
                continue
            parent[nodes], last[nodes] = v, k
            state[nodes], place[nodes] = steps.target[e], j
            weight[nodes] = weight[v] + steps.cost[e]
            push(heap, keys, size, nodes, bound)
            size += 1
            nodes += 1
    complete = size == 0 or keys[0] == 0.0 or keys[0] * (1.0 + 1e-9) < best
    if size > 0:
        other = max(other, keys[0])
    return best, write_text(room.nodes, best_node, room.text), other, complete


@inner
def safe_exp(x):
    return math.exp(min(x, 700.0))


@inner
def label_weight(steps, label, size):
    """What a language adds to a label that it accepts."""
    state, weight = steps.start, 0.0
    for i in range(size):
        e = steps.first[state]
        while steps.label[e] != label[i]:
            e += 1
        weight += steps.cost[e]
        state = steps.target[e]
    return weight + steps.ends_at[state]


@compiled
def fused_batch(
    log_p, lengths, blank, budget, lowest, highest, floors, steps, outlook, page, room, view,
    results, complete, proven, bounds,
):  # fmt: skip
    """Find the labels with the highest scores, if above the ``floors`` (N,) of their lines.

    Results as of ``exact_batch``. Beside them, for each line: whether the search came to its end,
    whether what it found is proven, and a bound on the scores of all labels but that.
    """
    classes = log_p.shape[2]
    counts, statuses, scores = results.counts, results.statuses, results.scores
    text, labels, at = room.text, results.labels, results.at
    for n in range(len(log_p)):
        frames, made, used = lengths[n], at[1], at[2]
        line, log_line = page.p[:frames], log_p[n, :frames]
        counts[n], complete[n], proven[n] = 0, False, False
        statuses[n], _ = read_line(log_line, blank, lowest, highest, 1.0, line, page.peak)
        if statuses[n] == WRONG:
            continue
        base = steps.ends_at[steps.start]
        if frames > 0:
            base = look_ahead(line, blank, outlook, view.ahead, view.logs, view.sweep)
        if base == -math.inf:  # no string that is accepted fits
            complete[n] = proven[n] = statuses[n] == FINE
            bounds[n] = -math.inf if complete[n] else math.inf
            continue
        size, value, other = np.int64(0), 1.0, 0.0
        if frames > 0:
            for t in range(frames):
                for k in range(classes):
                    view.by_class[k, t] = line[t, k]
            value, size, other, complete[n] = fused_line(
                line, view.by_class, blank, min(budget, ROOM // frames), base,
                safe_exp(floors[n] - base), steps, outlook, view.ahead, view.logs, room,
            )  # fmt: skip
        else:
            complete[n] = True
        # What is far below the bound, or below what floats hold, has no proof from sums of floats.
        sound = value > 1e-130 and value < math.inf
        bounds[n] = math.log(other) + base if other > 0.0 else -math.inf
        if size >= 0:
            log_prob = label_log_prob(line, log_line, blank, text, size, page.rows)
            sound = sound and log_prob > LOG_SOUND
            bounds[n] = bounds[n] if sound else base
            scores[made, 2] = bounds[n]
            score = log_prob + label_weight(steps, text, size)
            over = max(log_prob, 0.0)  # by rounding: no probability is above 1
            scores[made, 0], scores[made, 1] = log_prob - over, score - over
            counts[n], results.sizes[made] = 1, size
            for j in range(size):
                labels[used + j] = text[j]
            write_spans(log_line, blank, used, size, page, results)
            at[1], at[2] = made + 1, used + size
        elif not sound:
            bounds[n] = base
        complete[n] = complete[n] and sound
        proven[n] = complete[n] and size >= 0 and other * (1.0 + 1e-9) < value
