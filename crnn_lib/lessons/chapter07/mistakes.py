"""Wrong answers to the exercises of notebook 07, as people give them."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import product

from crnn_lib.ctc import collapse, label_probability_brute_force


def best_alignment(log_probs):
    return collapse(log_probs.argmax(-1).tolist(), blank=0)


def _summed(log_probs, value, label_of=lambda alignment: tuple(collapse(alignment, blank=0))):
    found = {}
    for alignment in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        log_prob = sum(log_probs[t, c].item() for t, c in enumerate(alignment))
        label = label_of(alignment)
        found[label] = found.get(label, 0) + value(log_prob)
    return found


def _best_label(found):
    return list(max(found, key=found.get))


def logs_added(log_probs):
    return _best_label(_summed(log_probs, float))


def not_collapsed(log_probs):
    return _best_label(_summed(log_probs, math.exp, tuple))


def counted(log_probs):
    return _best_label(_summed(log_probs, lambda log_prob: 1))


def never_empty(log_probs):
    found = _summed(log_probs, math.exp)
    found.pop(())
    return _best_label(found)


def repeat_from_both(at_blank, at_char, p_blank, p_last, p_other):
    both = at_blank + at_char
    return both * p_blank, at_char * p_last, both * p_last, both * p_other


def stays_from_both(at_blank, at_char, p_blank, p_last, p_other):
    both = at_blank + at_char
    return both * p_blank, both * p_last, at_blank * p_last, both * p_other


def blank_after_blank(at_blank, at_char, p_blank, p_last, p_other):
    both = at_blank + at_char
    return at_blank * p_blank, at_char * p_last, at_blank * p_last, both * p_other


def other_after_char(at_blank, at_char, p_blank, p_last, p_other):
    both = at_blank + at_char
    return both * p_blank, at_char * p_last, at_blank * p_last, at_char * p_other


def exchanged(at_blank, at_char, p_blank, p_last, p_other):
    both = at_blank + at_char
    return both * p_blank, at_blank * p_last, at_char * p_last, both * p_other


def _beam(
    probs, width, rank=sum, keep=slice, start=(1.0, 0.0), repeats=(1, 0), holds=(0, 1),
    new_at=1, from_before=False, at_last=True,
):  # fmt: skip
    """A beam whose rules can be broken one by one.

    ``repeats`` and ``holds`` say how much of its two numbers a prefix gives to a repeated character
    as a new one, and as the same one; ``new_at`` which number of the new one gets it. The beam may
    begin each frame with what it had before, and may not be narrowed after the last.
    """
    beam = {(): start}
    for t, frame in enumerate(probs.tolist()):
        old = {prefix: [*both] for prefix, both in beam.items()} if from_before else {}
        grown = defaultdict(lambda: [0.0, 0.0], old)
        for prefix, (at_blank, at_char) in beam.items():
            grown[prefix][0] += (at_blank + at_char) * frame[0]
            for c, p in enumerate(frame[1:], start=1):
                again = prefix[-1:] == (c,)
                give = repeats if again else (1, 1)
                place = new_at if again else 1
                grown[(*prefix, c)][place] += (give[0] * at_blank + give[1] * at_char) * p
                if again:
                    grown[prefix][1] += (holds[0] * at_blank + holds[1] * at_char) * p
        best = sorted(grown, key=lambda prefix: rank(grown[prefix]), reverse=True)
        kept = best[keep(width)] if at_last or t + 1 < len(probs) else best
        beam = {prefix: tuple(grown[prefix]) for prefix in kept}
    return {prefix: rank(both) for prefix, both in beam.items()}


def replaced(probs, beam_width):
    beam = {(): (1.0, 0.0)}
    for frame in probs.tolist():
        grown = {}
        for prefix, (at_blank, at_char) in beam.items():
            held = at_char * frame[prefix[-1]] if prefix else 0.0
            grown[prefix] = ((at_blank + at_char) * frame[0], held)
            for c, p in enumerate(frame[1:], start=1):
                before = at_blank if prefix[-1:] == (c,) else at_blank + at_char
                grown[(*prefix, c)] = (0.0, before * p)
        best = sorted(grown, key=lambda prefix: sum(grown[prefix]), reverse=True)
        beam = {prefix: grown[prefix] for prefix in best[:beam_width]}
    return {prefix: sum(both) for prefix, both in beam.items()}


def new_without_a_blank(probs, beam_width):
    return _beam(probs, beam_width, repeats=(1, 1))


def merged_over_a_blank(probs, beam_width):
    return _beam(probs, beam_width, repeats=(0, 0), holds=(1, 1))


def never_held(probs, beam_width):
    return _beam(probs, beam_width, holds=(0, 0))


def ranked_by_one_number(probs, beam_width):
    return _beam(probs, beam_width, rank=max)


def never_narrowed(probs, beam_width):
    return _beam(probs, beam_width, keep=lambda width: slice(None))


def worst_kept(probs, beam_width):
    return _beam(probs, beam_width, keep=lambda width: slice(-width, None))


def narrowed_before(probs, beam_width):
    return _beam(probs, beam_width, at_last=False)


def begins_twice(probs, beam_width):
    return _beam(probs, beam_width, start=(1.0, 1.0))


def new_one_at_the_blank(probs, beam_width):
    return _beam(probs, beam_width, new_at=0)


def kept_from_before(probs, beam_width):
    return _beam(probs, beam_width, from_before=True)


def narrowed_too_often(probs, beam_width):
    beam = {(): (1.0, 0.0)}
    for frame in probs.tolist():
        grown = {}
        for prefix, (at_blank, at_char) in beam.items():
            for c, p in enumerate(frame):
                again = c > 0 and prefix[-1:] == (c,)
                longer = (*prefix, c) if c else prefix
                before = at_blank if again else at_blank + at_char
                one = grown.get(longer, (0.0, 0.0))
                grown[longer] = (
                    (one[0], one[1] + before * p) if c else (one[0] + before * p, one[1])
                )
                if again:
                    one = grown.get(prefix, (0.0, 0.0))
                    grown[prefix] = (one[0], one[1] + at_char * p)
            best = sorted(grown, key=lambda prefix: sum(grown[prefix]), reverse=True)
            grown = {prefix: grown[prefix] for prefix in best[:beam_width]}
        beam = grown
    return {prefix: sum(both) for prefix, both in beam.items()}


def _pass(probs, prefix, *, skip=lambda a, b: a != b, add=lambda ways: sum(ways), lead=True):
    """The forward pass over the states of a beginning; yields alpha of each frame."""
    states = [c for character in prefix for c in (0, character)]
    alpha = [1.0] + [0.0] * (len(states) - 1)
    for frame in probs.tolist():
        entered = []
        for s, c in enumerate(states):
            ways = [alpha[s]] if s or lead else []
            ways += [alpha[s - 1]] if s else []
            if s > 2 and c != 0 and skip(c, states[s - 2]):
                ways.append(alpha[s - 2])
            entered.append(add([*ways, 0.0]) * frame[c])
        yield entered
        alpha = entered


def _completed(probs, prefix, **broken):
    """What enters the last state from elsewhere, frame by frame."""
    last, begun = 0.0, 0.0
    for alpha, frame in zip(_pass(probs, prefix, **broken), probs.tolist(), strict=True):
        begun += alpha[-1] - last * frame[prefix[-1]]
        last = alpha[-1]
    return begun


def ends_there(probs, prefix):
    return label_probability_brute_force(probs.double().log(), prefix, blank=0)


def counted_again(probs, prefix):
    return sum(alpha[-1] for alpha in _pass(probs, prefix))


def last_frame_only(probs, prefix):
    return [*_pass(probs, prefix)][-1][-1]


def first_frame_forgotten(probs, prefix):
    first = next(_pass(probs, prefix))[-1]
    return _completed(probs, prefix) - first


def equal_without_a_blank(probs, prefix):
    return _completed(probs, prefix, skip=lambda a, b: True)


def blank_always_needed(probs, prefix):
    return _completed(probs, prefix, skip=lambda a, b: False)


def begins_at_once(probs, prefix):
    return _completed(probs, prefix, lead=False)


def best_way_only(probs, prefix):
    best = 0.0
    for alignment in product(range(probs.shape[1]), repeat=len(probs)):
        if collapse(alignment, blank=0)[: len(prefix)] == list(prefix):
            p = math.prod(probs[t, c].item() for t, c in enumerate(alignment))
            best = max(best, p)
    return best


def only_unseen(found):
    return 1 - sum(found)


def only_seen(found):
    return max([0.0, *sorted(found)[:-1]])


def all_but_best(found):
    return 1 - max(found)


def summed(found):
    return 1 - sum(found) + max([0.0, *sorted(found)[:-1]])
