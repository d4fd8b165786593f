"""Wrong answers to the exercises of notebook 14, as people give them."""

from __future__ import annotations

import math

Z = 1.959964

# 14.1


def _sum(
    channels, rows, hidden, classes, *, bias=1, per_norm=2, gates=3, directions=2, gru_biases=2
):
    total, inputs = 0, 1
    for outputs in channels:
        total += 9 * inputs * outputs + bias * outputs + per_norm * outputs
        inputs = outputs
    weights = gates * hidden * (rows * inputs + hidden) + gru_biases * gates * hidden
    return total + directions * weights + directions * hidden * classes + bias * classes


def biases_forgotten(channels, rows, hidden, classes):
    return _sum(channels, rows, hidden, classes, bias=0, gru_biases=0)


def no_bias_before_a_norm(channels, rows, hidden, classes):
    return _sum(channels, rows, hidden, classes) - sum(channels)


def norms_forgotten(channels, rows, hidden, classes):
    return _sum(channels, rows, hidden, classes, per_norm=0)


def statistics_counted(channels, rows, hidden, classes):
    return _sum(channels, rows, hidden, classes, per_norm=4)


def one_direction(channels, rows, hidden, classes):
    return _sum(channels, rows, hidden, classes, directions=1)


def gru_in_one_direction(channels, rows, hidden, classes):
    return _sum(channels, rows, hidden, classes, directions=1) + hidden * classes


def one_gate(channels, rows, hidden, classes):
    return _sum(channels, rows, hidden, classes, gates=1)


def one_bias_per_gate(channels, rows, hidden, classes):
    return _sum(channels, rows, hidden, classes, gru_biases=1)


def rows_forgotten(channels, rows, hidden, classes):
    return _sum(channels, 1, hidden, classes)


def classes_see_one_direction(channels, rows, hidden, classes):
    return _sum(channels, rows, hidden, classes) - hidden * classes


# 14.2


def _centred(right, count, z=Z):
    share = right / count
    spread = z * math.sqrt(share * (1 - share) / count)
    return share, spread


def textbook(right, count):
    share, spread = _centred(right, count)
    return share - spread, share + spread


def textbook_clipped(right, count):
    share, spread = _centred(right, count)
    return max(share - spread, 0.0), min(share + spread, 1.0)


def in_percent(right, count):
    centre, spread = _wilson(right, count, Z)
    return 100 * (centre - spread), 100 * (centre + spread)


def spread_of_one_line(right, count):
    share = right / count
    spread = Z * math.sqrt(share * (1 - share))
    return share - spread, share + spread


def _wilson(right, count, z):
    share = right / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    inside = share * (1 - share) / count + (z / (2 * count)) ** 2
    return centre, z * math.sqrt(inside) / (1 + z * z / count)


def ninety_percent(right, count):
    centre, spread = _wilson(right, count, 1.644854)
    return centre - spread, centre + spread


def not_moved_to_the_middle(right, count):
    _, spread = _wilson(right, count, Z)
    return right / count - spread, right / count + spread


def not_scaled(right, count):
    centre, spread = _wilson(right, count, Z)
    scale = 1 + Z * Z / count
    return (centre - spread) * scale, (centre + spread) * scale


# 14.3


def one_side_only(only_a, only_b):
    total, less = only_a + only_b, min(only_a, only_b)
    return sum(math.comb(total, k) for k in range(less + 1)) / 2**total


def this_split_only(only_a, only_b):
    total = only_a + only_b
    return min(1.0, 2 * math.comb(total, only_a) / 2**total)


def above_one(only_a, only_b):
    return 2 * one_side_only(only_a, only_b)


def by_the_bell_curve(only_a, only_b):
    total = only_a + only_b
    return math.erfc(abs(only_a - only_b) / math.sqrt(2 * total)) if total else 1.0


def up_to_the_winner(only_a, only_b):
    total, more = only_a + only_b, max(only_a, only_b)
    return min(1.0, 2 * sum(math.comb(total, k) for k in range(more + 1)) / 2**total)


# 14.4


def _kept(entries, beats):
    places = range(len(entries))
    return [i for i in places if not any(beats(entries[j], entries[i]) for j in places if j != i)]


def both_have_to_be_better(entries):
    return _kept(entries, lambda a, b: a[0] < b[0] and a[1] > b[1])


def equals_beat_each_other(entries):
    return _kept(entries, lambda a, b: a[0] <= b[0] and a[1] >= b[1])


def most_lines_only(entries):
    return _kept(entries, lambda a, b: a[1] > b[1])


def smallest_only(entries):
    return _kept(entries, lambda a, b: a[0] < b[0])


def larger_is_better(entries):
    return _kept(
        entries, lambda a, b: a[0] >= b[0] and a[1] >= b[1] and (a[0] > b[0] or a[1] > b[1])
    )


def sorted_already(entries):
    kept, best = [], -1
    for place, (_, right) in enumerate(entries):
        if right > best:
            kept.append(place)
            best = right
    return kept


# 14.5


def _missing(sections, figures, blank, incomplete):
    return [name for name, text in sections if blank(text)] + ["figures"] * incomplete(figures)


def _is_blank(text):
    return not text.strip()


def _lacks(figures):
    return not figures or any(None in figure for figure in figures)


def spaces_are_text(sections, figures):
    return _missing(sections, figures, lambda text: not text, _lacks)


def nothing_measured_is_fine(sections, figures):
    return _missing(sections, figures, _is_blank, lambda fs: any(None in f for f in fs))


def one_whole_figure_is_enough(sections, figures):
    return _missing(sections, figures, _is_blank, lambda fs: all(None in f for f in fs))


def nought_is_nothing(sections, figures):
    return _missing(sections, figures, _is_blank, lambda fs: not fs or not all(map(all, fs)))


def figures_not_looked_at(sections, figures):
    return _missing(sections, figures, _is_blank, lambda fs: not fs)


def texts_not_looked_at(sections, figures):
    return ["figures"] * _lacks(figures)
