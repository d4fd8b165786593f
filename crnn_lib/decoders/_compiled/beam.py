"""Compiled prefix beam search: the same beams as :func:`crnn_lib.decoders.prefix_beams` keeps."""

from __future__ import annotations

import math

import numpy as np

from crnn_lib.decoders._compiled.jit import compiled, inner
from crnn_lib.decoders._compiled.records import FINE, MISSING, RISKY, UNREAD, BeamRoom
from crnn_lib.decoders._compiled.scores import (
    label_log_prob,
    read_line,
    spell,
    write_spans,
)

# What is below the first counts as that, which does not show in a prefix that has more than the
# second: in a long pause, alignments that still are on its last character.
TINY, SAFE = 1e-290, 1e-260


@inner
def rounded(x):
    """Round to 30 binary digits (Veltkamp), so that what is equal but for rounding is equal."""
    wide = x * 8388609.0  # 2 ** 23 + 1
    return wide - (wide - x)


@inner
def round_log(x):
    """Nine decimals, so that what is equal but for rounding is equal."""
    return math.floor(x * 1e9 + 0.5)


@inner
def find(labels, first, size, all_classes, blank, c):
    """Which of a state's steps, ``size`` from ``first`` on, reads a class; -1 if none does."""
    if size == all_classes:  # in order, and only the blank is left out
        return first + c - (1 if c > blank else 0)
    low, high = first, first + size
    while low < high:
        middle = (low + high) >> 1
        if labels[middle] < c:
            low = middle + 1
        else:
            high = middle
    return low if low < first + size and labels[low] == c else -1


@compiled
def begin_beam(start, blank, trie, masses, work, ints, merged, at, log_scale):
    """The beam before the first frame: the empty prefix alone."""
    merged[:] = 0
    masses[:] = 0.0
    trie[:, 0] = -1
    width = ints.shape[1] - 1
    half = width + 1
    masses[0], masses[half], work[0, 0], work[6, 0] = 1.0, 1.0, 0.0, 1.0
    ints[0, 0], ints[2, 0], ints[4, 0] = 0, start, blank
    ints[6, 0], ints[8, 0], ints[11, width] = width, width, width
    at[0], at[1], at[2], at[3] = 0, 1, 1, 0
    log_scale[0] = 0.0


@compiled
def beam_frames(p, peak, start, stop, end, blank, width, arcs, room):
    """Take a beam over the frames up to ``stop`` of a line that has ``end`` frames.

    ``p`` holds the probabilities of the frames from ``start`` on, ``peak`` of each its most
    probable class but the blank. Returns what the line is; MISSING if a state has no steps yet:
    then the beam stands where they are needed, and goes on when it is called again.

    On return the room's ``ints[0]`` and ``ints[2]``, or the copies beside them (``at[3]``), hold
    the beam's nodes and states, and ``masses`` their masses. Each step of a fused automaton
    multiplies by a factor, and a prefix needs frames to its end.
    """
    classes = p.shape[1]
    fused, most, full = arcs.fused, arcs.largest, classes - 1
    firsts, sizes, labels = arcs.first, arcs.size, arcs.label
    near, nearest, again = arcs.near, arcs.nearest, arcs.again
    trie, masses, work, ints, at = room.trie, room.masses, room.work, room.ints, room.at
    active, merged = room.active, room.merged
    # Of what is written while the other is read there are two copies: now, and new.
    nodes, count, now = at[1], at[2], at[3]
    half = width + 1
    log_scale = room.log_scale[0]
    shift = 1  # a code is a place in the beam that stays, or ``width`` and a place and a class
    while 1 << shift < classes:
        shift += 1
    t, status = at[0], FINE
    while True:
        if fused:
            if t == 0 and near[arcs.start] > end:
                count = 0
            for i in range(count):
                if firsts[ints[2 + now, i]] < 0:
                    status = MISSING
        if status != FINE or t >= stop:
            break
        new, row, left = 1 - now, t - start, end - 1 - t
        q = p[row, blank]
        # 1. Prefixes that stay as they are, or are made from a parent that is in the beam too.
        # Most often all stay in their order, so it is looked at before anything is moved.
        least = TINY if q > 0.0 else 0.0
        found, in_place, risky, previous = count, True, False, math.inf
        for i in range(count):
            x, before = p[row, ints[4 + now, i]], work[0, i]
            b, n = masses[i] * q, before * x
            b = b if b > least else least
            n = TINY if (n < TINY) & (x > 0.0) & (before > 0.0) else n
            n += masses[ints[8 + now, i]] * x * work[6 + now, i]
            risky |= (b + n > 0.0) & (b + n < SAFE)
            work[1, i], work[2, i] = b, n
            score = rounded(b + n)
            if fused:
                state = ints[2 + now, i]
                needed = near[state]  # frames, from here to an accepted end
                if b == 0.0 and ints[4 + now, i] == nearest[state]:
                    needed = again[state]
                if needed > left:
                    score = 0.0
            work[5, i], ints[10, i] = score, i
            in_place &= (score > 0.0) & (score <= previous)
            previous = score
        if risky:
            return RISKY
        if not in_place:
            for i in range(1, count):
                j, score = i, work[5, i]
                while j > 0 and work[5, j - 1] < score:
                    work[5, j], ints[10, j] = work[5, j - 1], ints[10, j - 1]
                    j -= 1
                work[5, j], ints[10, j] = score, i
            while found > 0 and work[5, found - 1] == 0.0:
                found -= 1
        # 2. Classes that can bring in a new prefix.
        floor = work[5, width - 1] * (1.0 - 1e-8) if found == width else 0.0
        reach = masses[0] * (1.0 + 1e-8) * most if count > 0 else 0.0
        if reach * peak[row] > floor:
            small = False
            for i in range(count):
                # in this frame the extension of that prefix is in the beam itself
                merged[ints[6 + now, i], ints[4 + now, i]] = t + 1
            alive = 0
            for k in range(classes):
                active[0, alive] = k
                alive += (p[row, k] * reach > floor) & (k != blank)
            for i in range(count):
                total = masses[i]
                reach = total * most
                if reach * peak[row] <= floor:
                    break
                # Without branches, which nobody could foretell: what goes on to the next round.
                last, state, tried, listed = ints[4 + now, i], 0, 0, False
                if fused:
                    state = ints[2 + now, i]
                    listed = sizes[state] < alive
                if listed:
                    first = int(firsts[state])
                    for k in range(first, first + int(sizes[state])):
                        c = np.uint32(labels[k])
                        active[1, tried], active[2, tried] = c, k
                        tried += (p[row, c] * reach > floor) & (merged[i, c] != t + 1)
                else:
                    kept = 0
                    for k in range(alive):
                        c = active[0, k]
                        matters = p[row, c] * reach > floor
                        active[0, kept], active[1, tried] = c, c
                        kept += matters  # else for no later prefix
                        tried += matters & (merged[i, c] != t + 1)
                    alive = kept
                for k in range(tried):
                    c = active[1, k]
                    score = (masses[half + i] if last == c else total) * p[row, c]
                    if score == 0.0:
                        continue
                    if fused:
                        e = np.int64(active[2, k])
                        if not listed:
                            e = find(
                                labels, int(firsts[state]), int(sizes[state]), full, blank,
                                np.int64(c),
                            )  # fmt: skip
                            if e < 0:
                                continue
                        after = arcs.target[e]
                        if (again[after] if c == nearest[after] else near[after]) > left:
                            continue
                        score *= arcs.factor[e]
                    if score < TINY:
                        small = True
                        continue
                    # They come in the order of their codes, and of equals the first stays first.
                    score = rounded(score)
                    if found == width:
                        j = width - 1
                        if score <= work[5, j]:
                            continue
                    else:
                        j = found
                        found += 1
                    while j > 0 and work[5, j - 1] < score:
                        work[5, j], ints[10, j] = work[5, j - 1], ints[10, j - 1]
                        j -= 1
                    work[5, j], ints[10, j] = score, width + (i << shift | c)
                    in_place = False
                    if found == width:
                        floor = work[5, width - 1] * (1.0 - 1e-8)
            if small and found < width:
                return RISKY
        if found == 0:
            count = 0
            break
        # 3. The new beam.
        kept = 1
        if not in_place:
            kept = 3
            for i in range(count):
                ints[11, i] = width
            for j in range(found):
                if ints[10, j] < width:
                    ints[11, ints[10, j]] = j
            returned = 0
            for j in range(found):
                i = ints[10, j]
                if i < width:
                    ints[new, j], ints[2 + new, j] = ints[now, i], ints[2 + now, i]
                    u, place = ints[6 + now, i], ints[11, ints[6 + now, i]]
                    ints[4 + new, j], ints[6 + new, j] = ints[4 + now, i], place
                    ints[8 + new, j] = ints[8 + now, i] + place - u
                    work[3, j], work[4, j] = work[1, i], work[2, i]
                    work[6 + new, j] = work[6 + now, i]
                    continue
                i, c = (i - width) >> shift, (i - width) & ((1 << shift) - 1)
                repeats, gain = ints[4 + now, i] == c, 1.0
                if fused:
                    state = ints[2 + now, i]
                    e = find(
                        labels, int(firsts[state]), int(sizes[state]), full, blank, np.int64(c)
                    )
                    gain = arcs.factor[e]
                    ints[2 + new, j] = arcs.target[e]
                work[3, j], work[6 + new, j] = 0.0, gain
                work[4, j] = (masses[half + i] if repeats else masses[i]) * p[row, c] * gain
                place = ints[11, i]
                ints[4 + new, j], ints[6 + new, j] = c, place
                ints[8 + new, j] = place + (half if repeats else 0)
                above = ints[now, i]
                k = trie[2, above]
                while k >= 0 and trie[1, k] != c:
                    k = trie[3, k]
                if k < 0:
                    k = nodes
                    nodes += 1
                    trie[0, k], trie[1, k], trie[2, k] = above, c, -1
                    trie[3, k], trie[4, k] = trie[2, above], t
                    trie[2, above] = k
                else:  # it left the beam once, and its children may be there yet
                    ints[12, returned] = j
                    returned += 1
                ints[new, j] = k
            now, count = new, found
            for k in range(returned):
                i = ints[12, k]
                for j in range(count):
                    if trie[0, ints[now, j]] == ints[now, i]:
                        repeats = ints[4 + now, j] == ints[4 + now, i]
                        ints[6 + now, j], ints[8 + now, j] = i, i + (half if repeats else 0)
        scale = 1.0
        if work[5, 0] < 1e-30 or work[5, 0] > 1e30:
            scale = 1.0 / work[5, 0]
            log_scale -= math.log(scale)
        for j in range(count):
            b, n = work[kept, j] * scale, work[kept + 1, j] * scale
            masses[half + j], work[0, j], masses[j] = b, n, b + n
        t += 1
    at[0], at[1], at[2], at[3] = t, nodes, count, now
    room.log_scale[0] = log_scale
    return status


@inner
def label_weight(arcs, all_classes, blank, text, size):
    """What the steps of a label add to its score."""
    state, weight = arcs.start, 0.0
    for j in range(size):
        first, count = arcs.first[state], arcs.size[state]
        e = find(arcs.label, first, count, all_classes, blank, np.int64(text[j]))
        weight += arcs.cost[e]
        state = int(arcs.target[e])
    return weight


@compiled
def beam_batch(
    log_p, lengths, blank, width, keep, lowest, highest, arcs, upper, page, rooms, lists, results
):
    """Decode some lines into ``results``, from line ``results.at[0]`` on.

    Returns MISSING if a state has no steps yet, to be called again when it has them, else FINE.
    Meanwhile the lines behind are begun, as many as there are rooms: their states are missing, too.
    A frame's probabilities may sum to between ``lowest`` and ``highest``. ``upper`` is the most
    that the language can add to a label's log-probability.
    """
    classes, fused = log_p.shape[2], arcs.fused
    start = np.int64(0)  # a literal would have beam_frames compiled once more
    counts, statuses, sizes, scores, at = (
        results.counts, results.statuses, results.sizes, results.scores, results.at,
    )  # fmt: skip
    labels, whole = results.labels, lists.masses
    texts, text_sizes, top = lists.texts, lists.text_sizes, lists.top
    lower, weight, top_log_p, top_score = lists.lower, lists.weight, lists.log_probs, lists.scores
    worst = 0.0
    for n in range(at[0], len(log_p)):
        if n - at[0] == len(rooms.at):
            break
        frames, k = lengths[n], n % len(rooms.at)
        line, log_line, peak = page.p[k, :frames], log_p[n, :frames], page.peak[k]
        room = BeamRoom(
            rooms.trie[k], rooms.masses[k], rooms.work[k], rooms.ints[k], rooms.active[k],
            rooms.merged[k], rooms.at[k], rooms.log_scale[k],
        )  # fmt: skip
        masses, ints = room.masses, room.ints
        if statuses[n] == UNREAD:
            counts[n] = 0
            statuses[n], whole[k] = read_line(log_line, blank, lowest, highest, 1.0, line, peak)
            if statuses[n] == FINE:
                begin_beam(
                    arcs.start, blank, room.trie, masses, room.work, ints, room.merged, room.at,
                    room.log_scale,
                )  # fmt: skip
                statuses[n] = MISSING
        if statuses[n] == MISSING:
            statuses[n] = beam_frames(line, peak, start, frames, frames, blank, width, arcs, room)
        if statuses[n] == MISSING or at[0] < n:  # results come in the order of the lines
            continue
        at[0] = n + 1
        if statuses[n] != FINE:
            continue
        # What the beam knows of each of its labels, and the rest, which may be any label's.
        count, now, log_scale = room.at[2], room.at[3], room.log_scale[0]
        rest, scale = whole[k], math.exp(log_scale)
        for i in range(count):
            text_sizes[i] = -1
            weight[i], lower[i] = 0.0, masses[i] * scale
            if fused:
                text_sizes[i] = spell(room.trie, ints[now, i], texts[i])
                weight[i] = label_weight(arcs, classes - 1, blank, texts[i], text_sizes[i])
                lower[i] = math.exp(math.log(masses[i]) + log_scale - weight[i])
                weight[i] += arcs.ends_at[ints[2 + now, i]]
            rest -= lower[i]
        rest = max(rest, 0.0) + 1e-12
        unseen = rest  # the most that a label can have which was given up, where all weigh alike
        other, kept = (math.log(rest) + upper if fused else -math.inf), 0
        for i in range(count):
            if weight[i] == -math.inf:
                continue
            if kept == keep:
                above = lower[i] + rest
                if not fused and above < worst:
                    unseen = max(unseen, above)
                    continue
                if fused and math.log(above) + weight[i] < top_score[kept - 1] - 1e-8:
                    other = max(other, math.log(above) + weight[i])
                    continue
            if text_sizes[i] < 0:
                text_sizes[i] = spell(room.trie, ints[now, i], texts[i])
            log_prob = label_log_prob(line, log_line, blank, texts[i], text_sizes[i], page.rows)
            score = log_prob + weight[i]
            if kept == keep:
                if round_log(score) <= round_log(top_score[kept - 1]):
                    other = max(other, score)
                    continue
                other = max(other, top_score[kept - 1])
                j = kept - 1
            else:
                j = kept
                kept += 1
            while j > 0 and round_log(top_score[j - 1]) < round_log(score):
                top[j], top_log_p[j], top_score[j] = top[j - 1], top_log_p[j - 1], top_score[j - 1]
                j -= 1
            top[j], top_log_p[j], top_score[j] = i, log_prob, score
            worst = math.exp(top_log_p[kept - 1]) * (1.0 - 1e-8)
        if not fused:
            other = max(other, math.log(unseen))
        for j in range(kept):
            size, made, used = text_sizes[top[j]], at[1], at[2]
            sizes[made] = size
            rival = top_score[0] if j else (top_score[1] if kept > 1 else -math.inf)
            over = max(top_log_p[j], 0.0)  # by rounding: no probability is above 1
            scores[made, 0] = top_log_p[j] - over
            scores[made, 1] = top_score[j] - over
            scores[made, 2] = max(other, rival)
            for k in range(size):
                labels[used + k] = texts[top[j], k]
            write_spans(log_line, blank, used, size, page, results)
            at[1], at[2] = made + 1, used + size
        counts[n] = kept
    return FINE if at[0] == len(log_p) else MISSING
