"""Wrong answers to the exercises of notebook 08, as people give them."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise

import torch


def _ranked(candidates, score):
    return [c[0] for c in sorted(candidates, key=score, reverse=True)]


def _allowed_first(candidates, score):
    return _ranked(candidates, lambda c: -math.inf if c[2] == -math.inf else score(*c))


def bonus_per_text(candidates, weight, bonus):
    return _allowed_first(candidates, lambda _, network, lang: network + weight * lang + bonus)


def network_weighed_too(candidates, weight, bonus):
    return _allowed_first(
        candidates, lambda text, n, lang: (1 - weight) * n + weight * lang + bonus * len(text)
    )


def multiplied(candidates, weight, bonus):
    return _allowed_first(candidates, lambda text, n, lang: n * weight * lang + bonus * len(text))


def shared_by_length(candidates, weight, bonus):
    return _allowed_first(candidates, lambda text, n, lang: (n + weight * lang) / len(text) + bonus)


def no_logarithms(candidates, weight, bonus):
    return _allowed_first(
        candidates,
        lambda text, n, lang: math.exp(n) + weight * math.exp(lang) + bonus * len(text),
    )


def weight_on_both(candidates, weight, bonus):
    return _allowed_first(candidates, lambda text, n, lang: (n + lang) * weight + bonus * len(text))


def forbidden_left_out(candidates, weight, bonus):
    allowed = [c for c in candidates if c[2] > -math.inf]
    return _ranked(allowed, lambda c: c[1] + weight * c[2] + bonus * len(c[0]))


def forbidden_for_nothing(candidates, weight, bonus):
    def score(candidate):
        text, network, language = candidate
        return network + bonus * len(text) + (weight * language if language > -math.inf else 0.0)

    return _ranked(candidates, score)


def no_language(candidates, weight, bonus):
    return _ranked(candidates, lambda c: c[1] + bonus * len(c[0]))


def weight_on_network(candidates, weight, bonus):
    return _ranked(candidates, lambda c: weight * c[1] + c[2] + bonus * len(c[0]))


def worst_first(candidates, weight, bonus):
    return _ranked(candidates, lambda c: -(c[1] + weight * c[2] + bonus * len(c[0])))


def long_is_dear(candidates, weight, bonus):
    return _allowed_first(candidates, lambda text, n, lang: n + weight * lang - bonus * len(text))


def allowed_at_zero(candidates, weight, bonus):
    added = [(c, weight * c[2] if weight else 0.0) for c in candidates]
    return [c[0] for c, w in sorted(added, key=lambda p: p[0][1] + p[1] + bonus * len(p[0][0]))][
        ::-1
    ]


def _twice(digit):
    return 2 * digit - 9 * (digit > 4)


def _luhn(digits, doubled=_twice):
    """The sum from the right, perhaps with something else in the place of doubling."""
    return sum(doubled(int(c)) if k % 2 else int(c) for k, c in enumerate(reversed(digits)))


def from_the_left(digits):
    return _luhn(digits[::-1]) % 10 == 0


def first_doubled(digits):
    return (sum(map(_twice, map(int, digits[::2]))) + sum(map(int, digits[1::2]))) % 10 == 0


def doubled_alone(digits):
    return sum(map(_twice, map(int, digits[-2::-2]))) % 10 == 0


def last_doubled(digits):
    return _luhn(f"{digits}0") % 10 == 0


def nines_kept(digits):
    return _luhn(digits, lambda d: 2 * d) % 10 == 0


def remainder_by_nine(digits):
    return _luhn(digits, lambda d: 2 * d % 9) % 10 == 0


def nine_always(digits):
    return _luhn(digits, lambda d: 2 * d - 9) % 10 == 0


def ten_kept(digits):
    return _luhn(digits, lambda d: 2 * d - 9 * (2 * d > 10)) % 10 == 0


def sum_is_ten(digits):
    return _luhn(digits) == 10


def compared_with_the_others(digits):
    return _luhn(f"{digits[:-1]}0") % 10 == int(digits[-1])


def each_doubled(digits):
    return sum(map(_twice, map(int, digits))) % 10 == 0


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


def digit_alone(remainder, digit):
    return digit % 7


def quotient(remainder, digit):
    return (10 * remainder + digit) // 7


def times_the_digit(remainder, digit):
    return 10 * remainder * digit % 7


def plain_product(remainder, digit):
    return remainder * digit % 7


def by_ten(remainder, digit):
    return (10 * remainder + digit) % 10


def reduced_too_early(remainder, digit):
    return 10 * remainder % 7 + digit


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


def _carried(probs, beam_width, first, step, accepts, *, wrong=""):
    """The beam with a rule, each state beside its two numbers; what is wrong has a name."""
    beam = {(): (1.0, 0.0, first)}
    for frame in probs.tolist():
        grown = {}

        def add(prefix, at_blank, at_char, state, grown=grown):
            before = grown.get(prefix, (0.0, 0.0)) if wrong != "written over" else (0.0, 0.0)
            grown[prefix] = (before[0] + at_blank, before[1] + at_char, state)

        for prefix, (at_blank, at_char, state) in beam.items():
            add(prefix, (at_blank + at_char) * frame[0], 0.0, state)
            is_over = False  # no class behind a forbidden one is looked at
            for c, p in enumerate(frame[1:], start=1):
                repeats = prefix[-1:] == (c,)
                after = step(first if wrong == "from the first" else state, c)
                if repeats and wrong != "moved":
                    add(prefix, 0.0, at_char * p, state)
                elif repeats and after is not None:
                    add(prefix, 0.0, at_char * p, after)
                is_over = is_over or after is None
                if is_over and wrong == "stopped":
                    break
                if (after is None and wrong != "went on") or (
                    is_over and wrong == "stopped growing"
                ):
                    continue
                is_old = wrong == "old state" or after is None
                new = at_blank if repeats and wrong != "both" else at_blank + at_char
                add((*prefix, c), 0.0, new * p, state if is_old else after)
        if wrong == "early":
            best = sorted(grown, key=lambda prefix: sum(grown[prefix][:2]), reverse=True)
            best = [prefix for prefix in best[:beam_width] if accepts(grown[prefix][2])]
        else:
            best = sorted(grown, key=lambda prefix: sum(grown[prefix][:2]), reverse=True)
        width = None if wrong == "all kept" else beam_width
        beam = {prefix: grown[prefix] for prefix in best[:width]}
    found = {prefix: sum(row[:2]) for prefix, row in beam.items() if accepts(row[2])}
    total = (sum(found.values()) or 1.0) if wrong == "stretched" else 1.0
    return {prefix: p / total for prefix, p in found.items()}


def moved_with_each_frame(probs, beam_width, first, step, accepts):
    return _carried(probs, beam_width, first, step, accepts, wrong="moved")


def filtered_after_each_frame(probs, beam_width, first, step, accepts):
    return _carried(probs, beam_width, first, step, accepts, wrong="early")


def always_from_the_first(probs, beam_width, first, step, accepts):
    return _carried(probs, beam_width, first, step, accepts, wrong="from the first")


def goes_on_without_a_state(probs, beam_width, first, step, accepts):
    return _carried(probs, beam_width, first, step, accepts, wrong="went on")


def stopped_at_the_first_none(probs, beam_width, first, step, accepts):
    return _carried(probs, beam_width, first, step, accepts, wrong="stopped")


def stopped_growing(probs, beam_width, first, step, accepts):
    return _carried(probs, beam_width, first, step, accepts, wrong="stopped growing")


def state_of_the_shorter(probs, beam_width, first, step, accepts):
    return _carried(probs, beam_width, first, step, accepts, wrong="old state")


def written_over(probs, beam_width, first, step, accepts):
    return _carried(probs, beam_width, first, step, accepts, wrong="written over")


def grown_from_both(probs, beam_width, first, step, accepts):
    return _carried(probs, beam_width, first, step, accepts, wrong="both")


def all_kept(probs, beam_width, first, step, accepts):
    return _carried(probs, beam_width, first, step, accepts, wrong="all kept")


def stretched(probs, beam_width, first, step, accepts):
    return _carried(probs, beam_width, first, step, accepts, wrong="stretched")


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


def _counts(texts, characters, pairs_of=pairwise):
    """How often each pair stands there, or what is taken for the pairs of a text."""
    counts = torch.zeros(len(characters), len(characters), dtype=torch.float64)
    for first, second in (pair for text in texts for pair in pairs_of(text)):
        counts[characters.index(first), characters.index(second)] += 1
    return counts


def _shares(counts):
    return counts / counts.sum(1, keepdim=True)


def once_per_text(texts, characters):
    return _shares(_counts(texts, characters, lambda text: set(pairwise(text))) + 1)


def every_other_pair(texts, characters):
    return _shares(_counts(texts, characters, lambda t: zip(t[::2], t[1::2], strict=False)) + 1)


def first_pair_alone(texts, characters):
    return _shares(_counts(texts, characters, lambda text: [*pairwise(text)][:1]) + 1)


def character_with_itself(texts, characters):
    return _shares(_counts(texts, characters, lambda text: zip(text, text, strict=True)) + 1)


def seen_or_not(texts, characters):
    return _shares(_counts(texts, characters).clamp(max=1) + 1)


def characters_counted(texts, characters):
    counts = torch.tensor([1.0 + sum(text.count(c) for text in texts) for c in characters])
    return (counts / counts.sum()).expand(len(characters), -1)


def turned_afterwards(texts, characters):
    return _shares(_counts(texts, characters) + 1).T


def one_of_the_ones(texts, characters):
    counts = _counts(texts, characters)
    return (counts + 1) / (counts.sum(1, keepdim=True) + 1)


def counts_alone(texts, characters):
    return _counts(texts, characters) + 1


def logarithms(texts, characters):
    return _shares(_counts(texts, characters) + 1).log()


def softmax_of_counts(texts, characters):
    return (_counts(texts, characters) + 1).softmax(1)


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
    return _shares(_counts(texts, characters).T + 1)


def sums_across(texts, characters):
    counts = _counts(texts, characters) + 1
    return counts / counts.sum(1)


def joined(texts, characters):
    return _shares(_counts(["".join(texts)], characters) + 1)


def ones_not_counted(texts, characters):
    counts = _counts(texts, characters)
    return (counts + 1) / counts.sum(1, keepdim=True).clamp(min=1)
