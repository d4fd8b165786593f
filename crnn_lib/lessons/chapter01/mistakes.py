"""Wrong answers to the exercises of notebook 01, as people give them."""

from __future__ import annotations

import math
from operator import add, mul

import torch

# 1.1


def of_rows(image):
    return (image >= 0.5).sum(1)


def brightness(image):
    return image.sum(0)


def brightness_of_the_ink(image):
    return (image * (image >= 0.5)).sum(0)


def any_ink(image):
    return (image >= 0.5).any(0).int()


def background(image):
    return (image < 0.5).sum(0)


def brighter_only(image):
    return (image > 0.5).sum(0)


def not_quite_black(image):
    return (image > 0).sum(0)


def of_the_whole_image(image):
    return (image >= 0.5).sum()


def marked_only(image):
    return image >= 0.5


def share_of_the_rows(image):
    return (image >= 0.5).float().mean(0)


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


def column_by_column(profile):
    return [(x, x + 1) for x, ink in enumerate(profile) if ink]


def columns_with_ink(profile):
    return [x for x, ink in enumerate(profile) if ink]


def counted_from_one(profile):
    return [(start + 1, end + 1) for start, end in _runs(profile)]


def first_one_forgotten(profile):
    return [(start, end) for start, end in _runs(profile) if start > 0]


def wide_ones_only(profile):
    return [(start, end) for start, end in _runs(profile) if end - start > 1]


def more_than_one_pixel(profile):
    return _runs([ink > 1 for ink in profile])


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
    return _merged(spans, gap, end_of=lambda before, own: own)


def from_start_to_start(spans, gap):
    return _merged(spans, gap, joins=lambda start, last, gap: start - last[0] <= gap)


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


def only_touching(spans, gap):
    return _merged(spans, 0)


def first_end_wins(spans, gap):
    return _merged(spans, gap, end_of=lambda before, own: before)


def overlaps_left_alone(spans, gap):
    return _merged(spans, gap, joins=lambda start, last, gap: 0 <= start - last[1] <= gap)


def as_they_came(spans, gap):
    return spans


def all_in_one(spans, gap):
    return [(spans[0][0], max(end for _, end in spans))] if spans else []


def widened(spans, gap):
    return [(start - gap, end + gap) for start, end in spans]


def pair_after_pair(spans, gap):
    found = []
    for (start, end), (after, last) in zip(spans, spans[1:], strict=False):
        found.append((start, last) if after - end <= gap else (start, end))
    return found


def _close(start, last, gap):
    return start - last[1] <= gap


def _merged(spans, gap, *, joins=_close, end_of=max):
    """Spans, merged by a rule of its own for which are close, and for where two of them end."""
    merged = []
    for start, end in spans:
        if merged and joins(start, merged[-1], gap):
            merged[-1] = (merged[-1][0], end_of(merged[-1][1], end))
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


def one_cut_only(p, q, n):
    return p**n * q


def summed_up(p, q, n):
    return 1 - (n * (1 - p) + (n - 1) * (1 - q))


def at_least_one(p, q, n):
    return 1 - (1 - p * q) ** n


def added(p, q, n):
    return n * p + (n - 1) * q


def added_powers(p, q, n):
    return p**n + q ** (n - 1)


def times_the_number(p, q, n):
    return n * p * (n - 1) * q


def changed_places(p, q, n):
    return p ** (n - 1) * q**n


def a_cut_at_both_ends(p, q, n):
    return p**n * q ** (n + 1)


def share_of_wrong_lines(p, q, n):
    return 1 - p**n * q ** (n - 1)


def in_percent(p, q, n):
    return 100 * p**n * q ** (n - 1)


def rounded(p, q, n):
    return round(p**n * q ** (n - 1), 2)


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


def _totals(score, *, choose=max, join=add, first=0.0):
    """The total up to each cut; by rules of its own for joining pieces, and for choosing a way."""
    best = [first]
    for j in range(1, len(score)):
        best.append(choose([join(best[i], score[i][j]) for i in range(j)]))
    return best


def least(score):
    return _totals(score, choose=min)[-1]


def summed_ways(score):
    return _totals(score, choose=lambda ways: torch.tensor(ways).logsumexp(0).item())[-1]


def probability(score):
    return math.exp(_totals(score)[-1])


def best_last_piece(score):
    at, total = len(score) - 1, 0.0
    while at:
        before = max(range(at), key=lambda i: score[i][at])
        total, at = total + score[before][at], before
    return total


def best_single_piece(score):
    return max(score[i][j] for j in range(1, len(score)) for i in range(j))


def every_piece(score):
    return sum(score[i][j] for j in range(1, len(score)) for i in range(j))


def multiplied(score):
    return _totals(score, join=mul, first=1.0)[-1]


def from_zeros(score):
    best = [0.0] * len(score)
    for j in range(1, len(score)):
        for i in range(j):
            best[j] = max(best[j], best[i] + score[i][j])
    return best[-1]


def one_cut_short(score):
    return _totals(score)[-2]


def from_right_to_left(score):
    return _totals([*zip(*score, strict=True)])[-1]


def per_piece(score):
    return _totals(score)[-1] / (len(score) - 1)
