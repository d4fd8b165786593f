"""Wrong answers to the exercises of notebook 07, as people give them."""

from __future__ import annotations

import math
from itertools import product

from crnn_lib.ctc import collapse


def best_alignment(log_probs):
    return collapse(log_probs.argmax(-1).tolist(), blank=0)


def _summed(log_probs, value, label_of=lambda alignment: tuple(collapse(alignment, blank=0))):
    found = {}
    for alignment in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        log_prob = sum(log_probs[t, c].item() for t, c in enumerate(alignment))
        label = label_of(alignment)
        found[label] = found.get(label, 0) + value(log_prob)
    return found


def logs_added(log_probs):
    found = _summed(log_probs, float)
    return list(max(found, key=found.get))


def not_collapsed(log_probs):
    found = _summed(log_probs, math.exp, tuple)
    return list(max(found, key=found.get))


def counted(log_probs):
    found = _summed(log_probs, lambda log_prob: 1)
    return list(max(found, key=found.get))


def never_empty(log_probs):
    found = _summed(log_probs, math.exp)
    found.pop(())
    return list(max(found, key=found.get))


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


def only_unseen(found):
    return 1 - sum(found)


def only_seen(found):
    return max([0.0, *sorted(found)[:-1]])


def all_but_best(found):
    return 1 - max(found)


def summed(found):
    return 1 - sum(found) + max([0.0, *sorted(found)[:-1]])
