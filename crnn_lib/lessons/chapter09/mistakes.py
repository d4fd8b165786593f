"""Wrong answers to the exercises of notebook 09, as people give them."""

from __future__ import annotations

from itertools import groupby


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


def share_right(confidences, correct, refused):
    kept = _order(confidences)[refused:]
    return sum(correct[i] for i in kept) / len(kept)
