"""Wrong answers to the exercises of notebook 09, as people give them."""

from __future__ import annotations

import math
from itertools import groupby

import torch


def best_path_of_all(log_probs, states):
    return log_probs.argmax(-1).tolist()


def _trellis(log_probs, states, skip=lambda a, b: a != b, add=max, begins=2, over=False):
    """The best of each frame and state, and which state it came from."""
    rows = log_probs.tolist()
    best = [[row if s < begins else -math.inf for s, row in enumerate(rows[0][c] for c in states)]]
    back = []
    for row in rows[1:]:
        last, froms, new = best[-1], [], []
        for s, c in enumerate(states):
            ways = [s, s - 1] if s else [s]
            if s >= 2 and (c != 0 or over) and skip(c, states[s - 2]):
                ways.append(s - 2)
            froms.append(max(ways, key=lambda k, last=last: last[k]))
            new.append(add([last[k] for k in ways]) + row[c])
        best.append(new)
        back.append(froms)
    return best, back


def _followed(states, best, back, ends=2):
    path = [max(range(len(states) - ends, len(states)), key=lambda s: best[-1][s])]
    for froms in reversed(back):
        path.append(froms[path[-1]])
    return path[::-1]


def _way(log_probs, states, ends=2, **broken):
    return [states[s] for s in _followed(states, *_trellis(log_probs, states, **broken), ends)]


def best_state_each_frame(log_probs, states):
    best, _ = _trellis(log_probs, states)
    return [states[max(range(len(states)), key=row.__getitem__)] for row in best]


def sums_for_maxima(log_probs, states):
    def log_sum(ways):
        return torch.tensor(ways, dtype=torch.float64).logsumexp(0).item()

    return _way(log_probs, states, add=log_sum)


def ends_in_blank(log_probs, states):
    return _way(log_probs, states, ends=1)


def begins_in_blank(log_probs, states):
    return _way(log_probs, states, begins=1)


def ends_anywhere(log_probs, states):
    return _way(log_probs, states, ends=len(states))


def begins_anywhere(log_probs, states):
    return _way(log_probs, states, begins=len(states))


def skips_characters(log_probs, states):
    return _way(log_probs, states, skip=lambda a, b: True, over=True)


def skips_any(log_probs, states):
    return _way(log_probs, states, skip=lambda a, b: True)


def never_skips(log_probs, states):
    return _way(log_probs, states, skip=lambda a, b: False)


def backwards(log_probs, states):
    return _way(log_probs, states)[::-1]


def numbers_of_states(log_probs, states):
    return _followed(states, *_trellis(log_probs, states))


def _runs(alignment):
    start = 0
    for label, run in groupby(alignment):
        end = start + len(list(run))
        yield label, start, end
        start = end


def blanks_skipped(alignment):
    kept = [(t, c) for t, c in enumerate(alignment) if c != 0]
    spans = []
    for label, run in groupby(kept, key=lambda pair: pair[1]):
        run = list(run)
        spans.append((label, run[0][0], run[-1][0] + 1))
    return spans


def last_frame_included(alignment):
    return [(c, start, end - 1) for c, start, end in _runs(alignment) if c != 0]


def blanks_kept(alignment):
    return list(_runs(alignment))


def frame_by_frame(alignment):
    return [(c, t, t + 1) for t, c in enumerate(alignment) if c != 0]


def last_run_lost(alignment):
    return [(c, start, end) for c, start, end in _runs(alignment) if c and end < len(alignment)]


def counted_from_1(alignment):
    return [(c, start + 1, end + 1) for c, start, end in _runs(alignment) if c]


def class_last(alignment):
    return [(start, end, c) for c, start, end in _runs(alignment) if c]


def _bins(confidences, correct, bins):
    for b in range(bins):
        inside = [i for i, c in enumerate(confidences) if b / bins < c <= (b + 1) / bins]
        if inside:
            sure = sum(confidences[i] for i in inside) / len(inside)
            right = sum(correct[i] for i in inside) / len(inside)
            yield len(inside) / len(confidences), sure, right, (b + 0.5) / bins


def bins_alike(confidences, correct, bins=10):
    gaps = [abs(sure - right) for _, sure, right, _ in _bins(confidences, correct, bins)]
    return sum(gaps) / len(gaps)


def signed(confidences, correct, bins=10):
    return sum(w * (sure - right) for w, sure, right, _ in _bins(confidences, correct, bins))


def middles(confidences, correct, bins=10):
    return sum(w * abs(mid - right) for w, _, right, mid in _bins(confidences, correct, bins))


def no_bins(confidences, correct, bins=10):
    pairs = zip(confidences, correct, strict=True)
    return sum(abs(c - right) for c, right in pairs) / len(confidences)


def one_bin(confidences, correct, bins=10):
    return abs(sum(confidences) - sum(correct)) / len(confidences)


def _in_bin(confidences, correct, bins, bin_of):
    sure, right = [0.0] * bins, [0] * bins
    for c, good in zip(confidences, correct, strict=True):
        sure[bin_of(c)] += c
        right[bin_of(c)] += good
    return sum(abs(s - r) for s, r in zip(sure, right, strict=True)) / len(confidences)


def eleventh_bin(confidences, correct, bins=10):
    return _in_bin(confidences, correct, bins, lambda c: int(c * bins))


def upper_bin(confidences, correct, bins=10):
    return _in_bin(confidences, correct, bins, lambda c: min(int(c * bins), bins - 1))


def zero_lost(confidences, correct, bins=10):
    return sum(w * abs(sure - right) for w, sure, right, _ in _bins(confidences, correct, bins))


def _order(confidences):
    return sorted(range(len(confidences)), key=lambda i: confidences[i])


def surest_refused(confidences, correct, refused):
    kept = _order(confidences)[: len(confidences) - refused]
    return sum(not correct[i] for i in kept) / len(kept)


def of_all_lines(confidences, correct, refused):
    kept = _order(confidences)[refused:]
    return sum(not correct[i] for i in kept) / len(confidences)


def wrong_refused(confidences, correct, refused):
    mistakes = sum(not right for right in correct)
    return max(mistakes - refused, 0) / (len(correct) - refused)


def ties_kept(confidences, correct, refused):
    threshold = sorted(confidences)[refused]
    kept = [right for c, right in zip(confidences, correct, strict=True) if c >= threshold]
    return 1 - sum(kept) / len(kept)


def ties_refused(confidences, correct, refused):
    threshold = sorted(confidences)[refused - 1] if refused else -1.0
    kept = [right for c, right in zip(confidences, correct, strict=True) if c > threshold]
    return 1 - sum(kept) / len(kept)


def share_right(confidences, correct, refused):
    kept = _order(confidences)[refused:]
    return sum(correct[i] for i in kept) / len(kept)
