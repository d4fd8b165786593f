"""Wrong answers to the exercises of notebook 01, as people give them."""

from __future__ import annotations

import math

import torch

# 1.1


def of_rows(image):
    return (image >= 0.5).sum(1)


def brightness(image):
    return image.sum(0)


def any_ink(image):
    return (image >= 0.5).any(0).int()


def background(image):
    return (image < 0.5).sum(0)


def brighter_only(image):
    return (image > 0.5).sum(0)


def not_quite_black(image):
    return (image > 0).sum(0)


# 1.2


def end_included(profile):
    return [(start, end - 1) for start, end in _runs(profile)]


def last_one_forgotten(profile):
    spans, start = [], None
    for x, ink in enumerate(profile):
        if ink and start is None:
            start = x
        if not ink and start is not None:
            spans.append((start, x))
            start = None
    return spans


def lengths_for_ends(profile):
    return [(start, end - start) for start, end in _runs(profile)]


def gaps_instead(profile):
    return _runs([not ink for ink in profile])


def equal_columns(profile):
    spans = []
    for x, ink in enumerate(profile):
        if ink and spans and spans[-1][1] == x and profile[x - 1] == ink:
            spans[-1] = (spans[-1][0], x + 1)
        elif ink:
            spans.append((x, x + 1))
    return spans


def one_span(profile):
    inked = [x for x, ink in enumerate(profile) if ink]
    return [(inked[0], inked[-1] + 1)] if inked else []


def _runs(profile):
    padded = [0, *map(bool, profile), 0]
    starts = [x for x in range(len(profile)) if padded[x + 1] and not padded[x]]
    ends = [x for x in range(1, len(profile) + 1) if padded[x] and not padded[x + 1]]
    return list(zip(starts, ends, strict=True))


# 1.3


def less_than(spans, gap):
    return _merged(spans, gap - 1)


def one_more(spans, gap):
    return _merged(spans, gap + 1)


def in_pairs(spans, gap):
    merged, k = [], 0
    while k < len(spans):
        (start, end), after = spans[k], spans[k + 1] if k + 1 < len(spans) else None
        if after and after[0] - end <= gap:
            merged.append((start, max(end, after[1])))
            k += 2
        else:
            merged.append((start, end))
            k += 1
    return merged


def last_end_wins(spans, gap):
    merged = []
    for start, end in spans:
        if merged and start - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def from_start_to_start(spans, gap):
    merged = []
    for start, end in spans:
        if merged and start - merged[-1][0] <= gap:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def against_the_span_before(spans, gap):
    merged = []
    for k, (start, end) in enumerate(spans):
        if k and start - spans[k - 1][1] <= gap:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def only_overlapping(spans, gap):
    return _merged(spans, -1)


def _merged(spans, gap):
    merged = []
    for start, end in spans:
        if merged and start - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


# 1.4


def digits_only(p, q, n):
    return p**n


def cuts_only(p, q, n):
    return q ** (n - 1)


def a_cut_per_digit(p, q, n):
    return p**n * q**n


def one_of_each(p, q, n):
    return p * q


def summed_up(p, q, n):
    return 1 - (n * (1 - p) + (n - 1) * (1 - q))


def at_least_one(p, q, n):
    return 1 - (1 - p * q) ** n


def averaged(p, q, n):
    return (n * p + (n - 1) * q) / (2 * n - 1)


# 1.5


def never_cut(score):
    return score[0][-1]


def cut_everywhere(score):
    return sum(score[i][i + 1] for i in range(len(score) - 1))


def best_next_piece(score):
    last, at, total = len(score) - 1, 0, 0.0
    while at < last:
        after = max(range(at + 1, last + 1), key=lambda j: score[at][j])
        total, at = total + score[at][after], after
    return total


def best_pieces_anywhere(score):
    last = len(score) - 1
    return sum(max(score[i][j] for i in range(j)) for j in range(1, last + 1))


def one_cut(score):
    last = len(score) - 1
    return max([score[0][last], *(score[0][k] + score[k][last] for k in range(1, last))])


def least(score):
    best = [0.0]
    for j in range(1, len(score)):
        best.append(min(best[i] + score[i][j] for i in range(j)))
    return best[-1]


def summed_ways(score):
    best = [0.0]
    for j in range(1, len(score)):
        ways = torch.tensor([float(best[i] + score[i][j]) for i in range(j)])
        best.append(ways.logsumexp(0).item())
    return best[-1]


def probability(score):
    best = [0.0]
    for j in range(1, len(score)):
        best.append(max(best[i] + score[i][j] for i in range(j)))
    return math.exp(best[-1])
