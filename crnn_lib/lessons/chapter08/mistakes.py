"""Wrong answers to the exercises of notebook 08, as people give them."""

from __future__ import annotations

import torch


def _ranked(candidates, score):
    return [c[0] for c in sorted(candidates, key=score, reverse=True)]


def bonus_per_text(candidates, weight, bonus):
    return _ranked(candidates, lambda c: c[1] + (weight * c[2] if weight else min(c[2], 0)) + bonus)


def no_language(candidates, weight, bonus):
    return _ranked(candidates, lambda c: c[1] + bonus * len(c[0]))


def weight_on_network(candidates, weight, bonus):
    return _ranked(candidates, lambda c: weight * c[1] + c[2] + bonus * len(c[0]))


def worst_first(candidates, weight, bonus):
    return _ranked(candidates, lambda c: -(c[1] + weight * c[2] + bonus * len(c[0])))


def long_is_dear(candidates, weight, bonus):
    return _ranked(candidates, lambda c: c[1] + weight * c[2] - bonus * len(c[0]))


def allowed_at_zero(candidates, weight, bonus):
    added = [(c, weight * c[2] if weight else 0.0) for c in candidates]
    return [c[0] for c, w in sorted(added, key=lambda p: p[0][1] + p[1] + bonus * len(p[0][0]))][
        ::-1
    ]


def from_the_left(digits):
    total = 0
    for place, character in enumerate(digits):
        digit = int(character)
        if place % 2 == 1:
            digit = 2 * digit - 9 * (digit > 4)
        total += digit
    return total % 10 == 0


def last_doubled(digits):
    total = 0
    for place, character in enumerate(reversed(digits)):
        digit = int(character)
        if place % 2 == 0:
            digit = 2 * digit - 9 * (digit > 4)
        total += digit
    return total % 10 == 0


def nines_kept(digits):
    total = 0
    for place, character in enumerate(reversed(digits)):
        total += int(character) * (2 if place % 2 == 1 else 1)
    return total % 10 == 0


def all_plain(digits):
    return sum(map(int, digits)) % 10 == 0


def sum_of_digits(remainder, digit):
    return (remainder + digit) % 7


def shifted_digit(remainder, digit):
    return (remainder + 10 * digit) % 7


def not_reduced(remainder, digit):
    return 10 * remainder + digit


def remainder_alone(remainder, digit):
    return 10 * remainder % 7


def _counts(texts, characters):
    counts = torch.zeros(len(characters), len(characters), dtype=torch.float64)
    for text in texts:
        for first, second in zip(text, text[1:], strict=False):
            counts[characters.index(first), characters.index(second)] += 1
    return counts


def unseen_never(texts, characters):
    counts = _counts(texts, characters)
    return counts / counts.sum(1, keepdim=True).clamp(min=1)


def columns_sum(texts, characters):
    counts = _counts(texts, characters) + 1
    return counts / counts.sum(0, keepdim=True)


def table_sums(texts, characters):
    counts = _counts(texts, characters) + 1
    return counts / counts.sum()


def transposed(texts, characters):
    counts = _counts(texts, characters).T + 1
    return counts / counts.sum(1, keepdim=True)


def joined(texts, characters):
    counts = _counts(["".join(texts)], characters) + 1
    return counts / counts.sum(1, keepdim=True)


def ones_not_counted(texts, characters):
    counts = _counts(texts, characters)
    return (counts + 1) / counts.sum(1, keepdim=True).clamp(min=1)
