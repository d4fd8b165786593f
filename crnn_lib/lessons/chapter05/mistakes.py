"""Wrong answers to the exercises of notebook 05, as people give them."""

from __future__ import annotations

from itertools import accumulate, pairwise

import torch


def quarter_turn(stored):
    return torch.rot90(stored, 1, (1, 2))


def other_quarter_turn(stored):
    return torch.rot90(stored, -1, (1, 2))


def half_turn(stored):
    return torch.rot90(stored, 2, (1, 2))


def other_diagonal(stored):
    return torch.rot90(stored, 1, (1, 2)).flip(2)


def first_glyph(stored):
    return stored[0].T


def mirrored(stored):
    return stored.flip(2)


def upside_down(stored):
    return stored.flip(1)


def all_axes(stored):
    return stored.permute(2, 1, 0)


def first_two_axes(stored):
    return stored.transpose(0, 1)


def reshaped(stored):
    return stored.reshape(stored.shape[0], stored.shape[2], stored.shape[1])


def at_the_same_place(train, test):
    return sum(bool((a == b).all()) for a, b in zip(train, test, strict=False))


def equal_pairs(train, test):
    return sum(bool((a == b).all()) for a in train for b in test)


def different_ones(train, test):
    return len({a.numpy().tobytes() for a in train} & {b.numpy().tobytes() for b in test})


def training_glyphs(train, test):
    known = {image.numpy().tobytes() for image in test}
    return sum(image.numpy().tobytes() in known for image in train)


def equally_bright(train, test):
    return sum(int(image.sum()) in {int(other.sum()) for other in train} for image in test)


def pixels_alike(train, test):
    return int(torch.isin(test, train).sum())


def pixels_in_place(train, test):
    return int((train == test).sum())


def by_identity(train, test):
    known = set(train)
    return sum(image in known for image in test)


def as_a_share(train, test):
    return sum(any(torch.equal(a, b) for a in train) for b in test) / len(test)


def _pasted(line, glyph, column, meet):
    """The line with the glyph at a column, and a rule of its own for where the two meet."""
    line, end = line.clone(), column + glyph.shape[1]
    line[:, column:end] = meet(line[:, column:end], glyph)
    return line


def added(line, glyph, column):
    return _pasted(line, glyph, column, torch.add)


def added_and_clipped(line, glyph, column):
    return _pasted(line.int(), glyph, column, torch.add).clamp(max=255)


def overwritten(line, glyph, column):
    return _pasted(line, glyph, column, lambda before, ink: ink)


def averaged(line, glyph, column):
    return _pasted(line.int(), glyph, column, lambda before, ink: (before + ink) // 2)


def less_bright(line, glyph, column):
    return _pasted(line, glyph, column, torch.minimum)


def bits_joined(line, glyph, column):
    return _pasted(line, glyph, column, torch.bitwise_or)


def wherever_inked(line, glyph, column):
    return _pasted(line, glyph, column, lambda before, ink: torch.where(ink > 0, ink, before))


def one_further(line, glyph, column):
    return _pasted(line, glyph, column + 1, torch.maximum)


def to_the_end(line, glyph, column):
    line = line.clone()
    line[:, column:] = torch.maximum(line[:, column:], glyph)
    return line


def rest_is_lost(line, glyph, column):
    result, end = torch.zeros_like(line), column + glyph.shape[1]
    result[:, column:end] = torch.maximum(line[:, column:end], glyph)
    return result


def only_the_overlap(line, glyph, column):
    return torch.maximum(line[:, column : column + glyph.shape[1]], glyph)


def on_glyphs(glyphs, columns):
    return _spans(glyphs, [0] * len(glyphs))


def last_inked(glyphs, columns):
    return [(start, end - 1) for start, end in _spans(glyphs, columns)]


def whole_glyphs(glyphs, columns):
    return [(x, x + glyph.shape[1]) for glyph, x in zip(glyphs, columns, strict=True)]


def any_grey(glyphs, columns):
    return _spans(glyphs, columns, 1)


def brighter_than_64(glyphs, columns):
    return _spans(glyphs, columns, 65)


def of_rows(glyphs, columns):
    return _spans(glyphs.mT, columns)


def start_and_width(glyphs, columns):
    return [(start, end - start) for start, end in _spans(glyphs, columns)]


def columns_counted(glyphs, columns):
    inked = [(glyph >= 64).any(0) for glyph in glyphs]
    starts = [x + int(there.int().argmax()) for x, there in zip(columns, inked, strict=True)]
    return [(start, start + int(there.sum())) for start, there in zip(starts, inked, strict=True)]


def row_by_row(glyphs, columns):
    found = [(glyph >= 64).nonzero()[:, 1].tolist() for glyph in glyphs]
    return [(x + there[0], x + there[-1] + 1) for x, there in zip(columns, found, strict=True)]


def first_glyph_alone(glyphs, columns):
    return _spans(glyphs, columns)[0]


def _spans(glyphs, columns, least=64):
    found = [(glyph >= least).any(0).nonzero()[:, 0].tolist() for glyph in glyphs]
    return [(x + there[0], x + there[-1] + 1) for x, there in zip(columns, found, strict=True)]


def no_ink(widths, spacing, margin):
    return _starts([0] * len(widths), _gaps(widths, spacing), margin)


def mean_always(widths, spacing, margin):
    return _starts(widths, [spacing * sum(widths) / len(widths)] * (len(widths) - 1), margin)


def narrower_always(widths, spacing, margin):
    return _starts(widths, [spacing * min(pair) for pair in pairwise(widths)], margin)


def wider(widths, spacing, margin):
    gaps = [spacing * max(pair) for pair in pairwise(widths)]
    return _starts(widths, gaps if spacing < 0 else _gaps(widths, spacing), margin)


def no_margin(widths, spacing, margin):
    return _starts(widths, _gaps(widths, spacing), 0)


def in_columns(widths, spacing, margin):
    return _starts(widths, [spacing] * (len(widths) - 1), margin)


def other_sign(widths, spacing, margin):
    return _starts(widths, [-gap for gap in _gaps(widths, spacing)], margin)


def always_apart(widths, spacing, margin):
    return _starts(widths, _gaps(widths, spacing, abs(spacing)), margin)


def mean_of_two(widths, spacing, margin):
    gaps = [spacing * sum(pair) / 2 for pair in pairwise(widths)]
    return _starts(widths, gaps if spacing > 0 else _gaps(widths, spacing), margin)


def narrowest_of_all(widths, spacing, margin):
    gaps = [spacing * min(widths)] * (len(widths) - 1)
    return _starts(widths, gaps if spacing < 0 else _gaps(widths, spacing), margin)


def own_width(widths, spacing, margin):
    return _starts(widths[1:], _gaps(widths, spacing), margin)


def margin_each_time(widths, spacing, margin):
    return _starts(widths, [margin + gap for gap in _gaps(widths, spacing)], margin)


def one_too_many(widths, spacing, margin):
    measure = sum(widths) / len(widths) if spacing > 0 else min(widths)
    return _starts(widths, [*_gaps(widths, spacing), spacing * measure], margin)


def whole_mean(widths, spacing, margin):
    gaps = [spacing * (sum(widths) // len(widths))] * (len(widths) - 1)
    return _starts(widths, gaps if spacing > 0 else _gaps(widths, spacing), margin)


def rounded(widths, spacing, margin):
    return [round(x) for x in _starts(widths, _gaps(widths, spacing), margin)]


def ends(widths, spacing, margin):
    starts = _starts(widths, _gaps(widths, spacing), margin)
    return [start + width for start, width in zip(starts, widths, strict=True)]


def first_less(widths, spacing, margin):
    return _starts(widths, _gaps(widths, spacing), margin)[1:]


def _gaps(widths, spacing, share=None):
    mean, share = sum(widths) / len(widths), spacing if share is None else share
    return [share * (mean if spacing > 0 else min(pair)) for pair in pairwise(widths)]


def _starts(widths, gaps, margin):
    steps = [width + gap for width, gap in zip(widths, gaps, strict=False)]
    return list(accumulate(steps, initial=margin))
