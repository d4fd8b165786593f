"""Wrong answers to the exercises of notebook 08, as people give them."""

from __future__ import annotations

from collections import defaultdict

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


def first_doubled(digits):
    doubled = [2 * d - 9 * (d > 4) for d in map(int, digits[::2])]
    return (sum(doubled) + sum(map(int, digits[1::2]))) % 10 == 0


def doubled_alone(digits):
    doubled = [2 * d - 9 * (d > 4) for d in map(int, digits[-2::-2])]
    return sum(doubled) % 10 == 0


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


def _ruled(probs, width, first, step, accepts, *, lasts=None, at_end=True, early=False, may=None):
    """The beam with a rule, whose rules can be broken one by one."""
    beam, state_of = {(): (1.0, 0.0)}, {(): first}
    for frame in probs.tolist():
        grown = defaultdict(lambda: [0.0, 0.0])
        for prefix, (at_blank, at_char) in beam.items():
            grown[prefix][0] += (at_blank + at_char) * frame[0]
            for c, p in enumerate(frame[1:], start=1):
                repeats = prefix[-1:] == (c,)
                state = (may or step)(state_of[prefix], c)
                if repeats and (lasts is None or state is not None):
                    grown[prefix][1] += at_char * p
                    if lasts == "moved" and at_char > 0:
                        state_of[prefix] = state
                if state is not None:
                    state_of[(*prefix, c)] = state
                    grown[(*prefix, c)][1] += (at_blank if repeats else at_blank + at_char) * p
        left = [prefix for prefix in grown if not early or accepts(state_of[prefix])]
        best = sorted(left, key=lambda prefix: sum(grown[prefix]), reverse=True)[:width]
        beam = {prefix: grown[prefix] for prefix in best}
    kept = beam if not at_end else [prefix for prefix in beam if accepts(state_of[prefix])]
    return {prefix: sum(beam[prefix]) for prefix in kept}


def moved_while_it_lasts(probs, beam_width, first, step, accepts):
    return _ruled(probs, beam_width, first, step, accepts, lasts="moved")


def stopped_while_it_lasts(probs, beam_width, first, step, accepts):
    return _ruled(probs, beam_width, first, step, accepts, lasts="stopped")


def never_accepted(probs, beam_width, first, step, accepts):
    return _ruled(probs, beam_width, first, step, accepts, at_end=False)


def accepted_too_early(probs, beam_width, first, step, accepts):
    return _ruled(probs, beam_width, first, step, accepts, early=True)


def _free(state, c):
    return state


def judged_at_the_end(probs, beam_width, first, step, accepts):
    found = _ruled(probs, beam_width, first, step, accepts, may=_free, at_end=False)
    kept = {}
    for label, p in found.items():
        state = first
        for c in label:
            state = None if state is None else step(state, c)
        if state is not None and accepts(state):
            kept[label] = p
    return kept


def one_state_for_all(probs, beam_width, first, step, accepts):
    beam, state = {(): (1.0, 0.0)}, first
    for frame in probs.tolist():
        grown = defaultdict(lambda: [0.0, 0.0])
        for prefix, (at_blank, at_char) in beam.items():
            grown[prefix][0] += (at_blank + at_char) * frame[0]
            for c, p in enumerate(frame[1:], start=1):
                repeats = prefix[-1:] == (c,)
                if repeats:
                    grown[prefix][1] += at_char * p
                after = step(state, c)
                if after is not None:
                    state = after
                    grown[(*prefix, c)][1] += (at_blank if repeats else at_blank + at_char) * p
        best = sorted(grown, key=lambda prefix: sum(grown[prefix]), reverse=True)[:beam_width]
        beam = {prefix: grown[prefix] for prefix in best}
    return {prefix: sum(both) for prefix, both in beam.items() if accepts(state)}


def rule_forgotten(probs, beam_width, first, step, accepts):
    return _ruled(probs, beam_width, first, step, accepts, may=_free, at_end=False)


def nought_is_no_state(probs, beam_width, first, step, accepts):
    return _ruled(probs, beam_width, first, lambda s, c: step(s, c) or None, accepts)


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


def sums_across(texts, characters):
    counts = _counts(texts, characters) + 1
    return counts / counts.sum(1)


def joined(texts, characters):
    counts = _counts(["".join(texts)], characters) + 1
    return counts / counts.sum(1, keepdim=True)


def ones_not_counted(texts, characters):
    counts = _counts(texts, characters)
    return (counts + 1) / counts.sum(1, keepdim=True).clamp(min=1)
