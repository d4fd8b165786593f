"""Compiled prefix beam search: the same beams as :func:`crnn_lib.decoders.prefix_beams` keeps."""

from __future__ import annotations

import math

import numpy as np

from crnn_lib.decoders._compiled.records import FINE, RISKY, BeamRoom
from crnn_lib.decoders._compiled.scores import (
    compiled,
    label_log_prob,
    read_line,
    spell,
    text_weight,
    write_spans,
)

TINY = 1e-290  # below this a beam's mass is at risk


@compiled
def rounded(x):
    """Round to 30 binary digits (Veltkamp), so that what is equal but for rounding is equal."""
    wide = x * 8388609.0  # 2 ** 23 + 1
    return wide - (wide - x)


@compiled
def round_log(x):
    """Nine decimals, so that what is equal but for rounding is equal."""
    return math.floor(x * 1e9 + 0.5)


@compiled
def insert(found, width, score, code, scores, codes):
    """Put a candidate into the sorted best ``width``; of equals the lower code goes first."""
    if found == width:
        j = width - 1
        if score < scores[j] or (score == scores[j] and code > codes[j]):
            return found
    else:
        j = found
        found += 1
    while j > 0 and (scores[j - 1] < score or (scores[j - 1] == score and codes[j - 1] > code)):
        scores[j], codes[j] = scores[j - 1], codes[j - 1]
        j -= 1
    scores[j], codes[j] = score, code
    return found


@compiled
def beam_room(width, longest, classes):
    """Memory for a beam of ``width`` prefixes over lines of at most ``longest`` frames."""
    return BeamRoom(
        np.empty((4, width * longest + 2), np.int32),
        np.empty((8, width)),
        np.empty((10, width), np.int32),
        np.empty(classes, np.int32),
        np.empty((width, classes), np.int32),
    )


@compiled
def beam_line(p, peak, blank, width, tables, room):
    """The best prefixes after the last frame: how many, and the logarithm of their scale.

    On return the room's ``ints[0]`` and ``ints[2]`` hold the beam's nodes and states, and
    ``work[6]`` their masses. ``peak`` (T,) is the probability of each frame's most probable class
    but the blank. A fused automaton multiplies each step by a factor, and needs frames to its end.
    """
    frames, classes = p.shape
    fused, step, factor, most = tables.fused, tables.step, tables.factor, tables.largest
    need, need_first, start = tables.need, tables.need_first, tables.start
    trie, work, ints = room.trie, room.work, room.ints
    active, merged = room.active, room.merged
    parent, last_of, child, sibling = trie[0], trie[1], trie[2], trie[3]
    # Copies of each, to write one while the other is read: a now, s if all stay, z the new beam.
    pb, pn, total, scores = work[0:3], work[3:6], work[6], work[7]
    node, state, last, up = ints[0:2], ints[2:4], ints[4:6], ints[6:8]  # up: the parent's place
    codes, moved = ints[8], ints[9]
    a, s, z, now, new = 0, 1, 2, 0, 1
    merged[:] = -1  # the last frame in which an extension of a prefix was in the beam itself
    parent[0], last_of[0], child[0], sibling[0] = -1, -1, -1, -1
    nodes, count, log_scale = 1, 1, 0.0
    shift = 1  # a code is a place in the beam that stays, or ``width`` and a place and a class
    while 1 << shift < classes:
        shift += 1
    node[0, 0], last[0, 0], state[0, 0], up[0, 0] = 0, -1, start, -1
    pb[0, 0], pn[0, 0], total[0] = 1.0, 0.0, 1.0
    if fused and need_first[start] > frames:
        return 0, 0.0, FINE
    for t in range(frames):
        q, left = p[t, blank], frames - 1 - t
        # 1. Prefixes that stay as they are, or are made from a parent that is in the beam too.
        found, in_place = 0, True
        for i in range(count):
            c = last[now, i]
            b, n = total[i] * q, 0.0
            if c >= 0:
                x = p[t, c]
                n = pn[a, i] * x
                if n < TINY and x > 0.0 and pn[a, i] > 0.0:
                    return 0, 0.0, RISKY
                u = up[now, i]
                if u >= 0:
                    mass = (pb[a, u] if last[now, u] == c else total[u]) * x
                    if fused:
                        mass *= factor[state[now, u], c]
                    n += mass
            if b < TINY and q > 0.0:
                return 0, 0.0, RISKY
            pb[s, i], pn[s, i] = b, n
            score = rounded(b + n)
            if fused:
                if b > 0.0:
                    if need_first[state[now, i]] > left:
                        score = 0.0
                elif need[state[now, i], max(c, 0)] > left:
                    score = 0.0
            if score == 0.0:
                in_place = False
                continue
            j = found
            found += 1
            while j > 0 and scores[j - 1] < score:
                scores[j], codes[j] = scores[j - 1], codes[j - 1]
                j -= 1
                in_place = False
            scores[j], codes[j] = score, i
        # 2. Classes that can bring in a new prefix, the most probable first.
        floor = scores[width - 1] * (1.0 - 1e-8) if found == width else 0.0
        reach = total[0] * (1.0 + 1e-8) * most
        if reach * peak[t] > floor:
            for i in range(count):
                if up[now, i] >= 0:
                    merged[up[now, i], last[now, i]] = t
            alive = 0
            for c in range(classes):
                x = p[t, c]
                if x * reach > floor and c != blank:
                    j = alive
                    while j > 0 and p[t, active[j - 1]] < x:
                        active[j] = active[j - 1]
                        j -= 1
                    active[j] = c
                    alive += 1
            for i in range(count):
                reach = total[i] * most
                if reach * peak[t] <= floor:
                    break
                for k in range(alive):
                    c = active[k]
                    x = p[t, c]
                    if reach * x <= floor:
                        break
                    if merged[i, c] == t:
                        continue
                    score = (pb[a, i] if last[now, i] == c else total[i]) * x
                    if score == 0.0:
                        continue
                    if fused:
                        after = step[state[now, i], c]
                        if after < 0 or need[after, c] > left:
                            continue
                        score *= factor[state[now, i], c]
                    if score < TINY:
                        return 0, 0.0, RISKY
                    score, code = rounded(score), width + (i << shift | c)
                    found = insert(found, width, score, code, scores, codes)
                    in_place = False
                    if found == width:
                        floor = scores[width - 1] * (1.0 - 1e-8)
        if found == 0:
            return 0, 0.0, FINE
        # 3. The new beam.
        if in_place:
            a, s = s, a
        else:
            moved[:count] = -1
            for j in range(found):
                if codes[j] < width:
                    moved[codes[j]] = j
            found_again = False
            for j in range(found):
                i = codes[j]
                if i < width:
                    node[new, j], state[new, j] = node[now, i], state[now, i]
                    last[new, j], u = last[now, i], up[now, i]
                    pb[z, j], pn[z, j] = pb[s, i], pn[s, i]
                    up[new, j] = moved[u] if u >= 0 else -1
                    continue
                i, c = (i - width) >> shift, (i - width) & ((1 << shift) - 1)
                score = (pb[a, i] if last[now, i] == c else total[i]) * p[t, c]
                if fused:
                    score *= factor[state[now, i], c]
                    state[new, j] = step[state[now, i], c]
                pb[z, j], pn[z, j], last[new, j], up[new, j] = 0.0, score, c, moved[i]
                above = node[now, i]
                k = child[above]
                while k >= 0 and last_of[k] != c:
                    k = sibling[k]
                if k < 0:
                    k = nodes
                    nodes += 1
                    parent[k], last_of[k], child[k] = above, c, -1
                    sibling[k] = child[above]
                    child[above] = k
                else:
                    found_again = True  # it left the beam once, and its children may be there yet
                node[new, j] = k
            a, z, now, new, count = z, a, new, now, found
            if found_again:
                for j in range(count):
                    for i in range(count):
                        if parent[node[now, j]] == node[now, i]:
                            up[now, j] = i
        scale = 1.0
        if scores[0] < 1e-30 or scores[0] > 1e30:
            scale = 1.0 / scores[0]
            log_scale -= math.log(scale)
        for j in range(count):
            if scale != 1.0:
                pb[a, j] *= scale
                pn[a, j] *= scale
            total[j] = pb[a, j] + pn[a, j]
    for j in range(count):
        node[0, j], state[0, j] = node[now, j], state[now, j]
    return count, log_scale, FINE


@compiled
def beam_batch(log_p, lengths, blank, width, keep, sums, tables, upper, results):
    """Decode some lines into ``results``; returns how many hypotheses, and their characters.

    A frame's probabilities may sum to ``sums``, (lowest, highest). ``upper`` is the most that the
    language can add to a label's log-probability.
    """
    longest, classes = log_p.shape[1], log_p.shape[2]
    fused, step, cost, ends_at = tables.fused, tables.step, tables.cost, tables.ends_at
    counts, statuses, sizes, scores = (
        results.counts, results.statuses, results.sizes, results.scores,
    )  # fmt: skip
    labels, spans, span_scores = results.labels, results.spans, results.span_scores
    p, bits = np.empty((longest, classes)), np.empty(longest * classes, np.int64)
    room = beam_room(width, longest, classes)
    trie, work, ints = room.trie, room.work, room.ints
    peak = np.empty(longest)
    rows = np.empty((2, longest + 1))
    back = np.empty((longest, 2 * longest + 1), np.uint8)
    texts, text_sizes = np.empty((width, longest), np.int32), np.empty(width, np.int32)
    lower, weight = np.empty(width), np.empty(width)
    top, top_log_p, top_score = np.empty(keep, np.int32), np.empty(keep), np.empty(keep)
    made = used = 0
    worst = 0.0
    for n in range(len(log_p)):
        frames = lengths[n]
        line, log_line = p[:frames], log_p[n, :frames]
        counts[n] = 0
        statuses[n], mass = read_line(log_line, blank, sums, line, peak, bits)
        if statuses[n] != FINE:
            continue
        count, log_scale, statuses[n] = beam_line(line, peak, blank, width, tables, room)
        if statuses[n] != FINE:
            continue
        # What the beam knows of each of its labels, and the rest, which may be any label's.
        rest, scale = mass, math.exp(log_scale)
        for i in range(count):
            text_sizes[i] = -1
            weight[i], lower[i] = 0.0, work[6, i] * scale
            if fused:
                text_sizes[i] = spell(trie, ints[0, i], texts[i])
                weight[i] = text_weight(texts[i], text_sizes[i], step, cost, tables.start)
                lower[i] = math.exp(math.log(work[6, i]) + log_scale - weight[i])
                weight[i] += ends_at[ints[2, i]]
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
                text_sizes[i] = spell(trie, ints[0, i], texts[i])
            log_prob = label_log_prob(line, log_line, blank, texts[i], text_sizes[i], rows)
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
            size = text_sizes[top[j]]
            sizes[made] = size
            rival = top_score[0] if j else (top_score[1] if kept > 1 else -math.inf)
            over = max(top_log_p[j], 0.0)  # by rounding: no probability is above 1
            scores[made, 0] = top_log_p[j] - over
            scores[made, 1] = top_score[j] - over
            scores[made, 2] = max(other, rival)
            made += 1
            labels[used : used + size] = texts[top[j], :size]
            write_spans(log_line, blank, labels, used, size, rows, back, spans, span_scores)
            used += size
        counts[n] = kept
    return made, used
