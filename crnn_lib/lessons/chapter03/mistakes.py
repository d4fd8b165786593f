"""Wrong answers to the exercises of notebook 03, as people give them."""

from __future__ import annotations

import math
from itertools import groupby

from crnn_lib import ctc


def drop_then_merge(alignment, *, blank=0):
    return [c for c, _ in groupby(c for c in alignment if c != blank)]


def only_drop(alignment, *, blank=0):
    return [c for c in alignment if c != blank]


def only_merge(alignment, *, blank=0):
    return [c for c, _ in groupby(alignment)]


def drop_class_0(alignment, *, blank=0):
    return ctc.collapse(alignment, blank=0)


def each_class_once(alignment, *, blank=0):
    return list(dict.fromkeys(c for c in alignment if c != blank))


def one_per_character(label):
    return len(label)


def blanks_everywhere(label):
    return 2 * len(label) + 1


def blanks_between_all(label):
    return max(2 * len(label) - 1, 0)


def equal_anywhere(label):
    return 2 * len(label) - len(set(label))


def groups_of_repeats(label):
    return len(label) + sum(len(list(run)) > 1 for _, run in groupby(label))


def pad_with_blanks(label, frames, *, blank=0):
    return [*label, *[blank] * (frames - len(label))]


def parted(label, blank):
    """The label with a blank between equal neighbours: its shortest alignment."""
    return list(next(ctc.alignments(label, ctc.minimum_frames(label), blank=blank)))


def pad_with_the_last(label, frames, *, blank=0):
    alignment = parted(label, blank)
    return alignment + alignment[-1:] * (frames - len(alignment))


def blanks_around_all(label, frames, *, blank=0):
    alignment = [blank]
    for c in label:
        alignment += [c, blank]
    return alignment + [blank] * (frames - len(alignment))


def shortest_only(label, frames, *, blank=0):
    return parted(label, blank)


def pad_with_class_0(label, frames, *, blank=0):
    alignment = parted(label, blank)
    return alignment + [0] * (frames - len(alignment))


def without_repeats(label, frames):
    return math.comb(frames + len(label), 2 * len(label)) if frames >= len(label) else 0


def without_blanks(label, frames):
    return math.comb(frames - 1, len(label) - 1) if frames >= len(label) > 0 else int(not label)


def only_characters_grow(label, frames):
    spare = frames - ctc.minimum_frames(label)
    return math.comb(spare + len(label), spare) if spare >= 0 else 0


def ordered_handouts(label, frames):
    spare = frames - ctc.minimum_frames(label)
    return (2 * len(label) + 1) ** spare if spare >= 0 else 0
