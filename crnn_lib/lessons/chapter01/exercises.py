"""Exercises of notebook 01: why not cut?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import combinations, islice, pairwise, product

import numpy as np
import torch
from skimage.measure import label, regionprops
from torch import Tensor

from crnn_lib.lessons.chapter01 import mistakes as wrong
from crnn_lib.lessons.engine import (
    Attempt,
    Exercise,
    Mistake,
    Unreadable,
    as_number,
    as_pair,
    as_tensor,
    compare,
    plural,
    show,
)

# 1.1 ----------------------------------------------------------------------------------------------


def column_profile(image):
    return (image >= 0.5).sum(0)  # (W,)


def pixel_by_pixel(image: Tensor) -> Tensor:
    """Counted one pixel after the other: the oracle."""
    rows = image.tolist()
    width = image.shape[1]
    counts = [sum(1 for row in rows if row[x] >= 0.5) for x in range(width)]
    return torch.tensor(counts, dtype=torch.float64)


def check_column_profile(attempt: Attempt) -> str:
    generator = torch.Generator().manual_seed(0)
    sizes = [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 2), (3, 5), (6, 4), (8, 12)]
    cases = [
        (torch.randint(0, 5, size, generator=generator) / 4,) for size in sizes for _ in range(6)
    ]
    count = compare(
        attempt,
        cases,
        pixel_by_pixel,
        rule="count, for each column, the pixels that are at least 0.5 bright",
        example=lambda case, got: (
            f"an image of {plural(len(case[0]), 'row')} and {plural(case[0].shape[1], 'column')}"
        ),
    )
    return f"All {count} profiles are right. Where a profile is 0, nothing is harmed by a cut."


# 1.2 ----------------------------------------------------------------------------------------------


def pieces(profile):
    spans, start = [], None
    for x, ink in enumerate([*profile, 0]):  # a gap after the last column ends the last piece
        if ink and start is None:
            start = x
        if not ink and start is not None:
            spans.append((start, x))
            start = None
    return spans


def as_spans(value: object) -> list[tuple[int, int]]:
    """A list of pairs ``(start, end)``, also from a tensor or an array."""
    if isinstance(value, Tensor | np.ndarray):
        plain = as_tensor(value)
        if plain.numel() and plain.ndim != 2:
            raise Unreadable(
                f"something of shape {tuple(plain.shape)}, where a list of pairs should be"
            )
        value = plain.tolist() if plain.numel() else []
    if value is None:
        raise Unreadable("None: is a `return` missing?")
    if isinstance(value, Iterator):
        raise Unreadable("what can be read once only, where a list of pairs (start, end) should be")
    if isinstance(value, str | bytes | dict | set) or not isinstance(value, Iterable):
        raise Unreadable(f"{show(value)}, where a list of pairs (start, end) should be")
    found = []
    for item in islice(iter(value), 1000):
        try:
            found.append(as_pair(item))
        except Unreadable as error:
            raise Unreadable(f"a list that holds {error}") from None
    return found


def by_labelling(profile: list[int]) -> list[tuple[int, int]]:
    """The pieces that scikit-image finds: the oracle."""
    row = np.array(profile, dtype=bool)[None]
    boxes = [piece.bbox for piece in regionprops(label(row))] if row.any() else []
    return sorted((int(left), int(right)) for _, left, _, right in boxes)


def check_pieces(attempt: Attempt) -> str:
    small = [list(p) for width in range(0, 6) for p in product((0, 2), repeat=width)]
    chance = torch.Generator().manual_seed(0)
    large = [
        (torch.randint(0, 4, (width,), generator=chance) * keep).tolist()
        for width in (8, 12, 20)
        for keep in (torch.rand(width, generator=chance) < 0.7 for _ in range(8))
    ]
    count = compare(
        attempt,
        [(profile,) for profile in small + large],
        by_labelling,
        rule="a piece is a run of columns with ink, as long as it goes: (start, end), end excluded",
        example=lambda case, got: f"the profile {show(case[0])}",
    )
    return (
        f"The pieces of all {count} profiles are those that scikit-image finds. They are runs of "
        "columns; where one digit reaches over its neighbour without touching it, label() on the "
        "image still tells them apart, and a profile does not."
    )


# 1.3 ----------------------------------------------------------------------------------------------


def merge_close(spans, gap):
    merged = []
    for start, end in spans:
        if merged and start - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def by_painting(spans: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Paint the spans, fill the narrow gaps between them, and find runs: the oracle."""
    row = np.zeros(max((end for _, end in spans), default=0), dtype=bool)
    for start, end in spans:
        row[start:end] = True
    inked = np.nonzero(row)[0].tolist()
    for before, after in pairwise(inked):
        if after - before - 1 <= gap:
            row[before:after] = True
    return by_labelling(row.tolist())


def check_merge_close(attempt: Attempt) -> str:
    every = [(start, end) for start in range(5) for end in range(start + 1, 6)]
    cases = [([], 1), *(([span], 1) for span in every[:3])]
    cases += [(list(two), gap) for two in combinations(every, 2) for gap in (0, 1)]
    chance = torch.Generator().manual_seed(0)
    for number in (3, 3, 4, 5, 6) * 6:
        starts = torch.randint(0, 6 * number, (number,), generator=chance).sort().values.tolist()
        sizes = torch.randint(1, 8, (number,), generator=chance).tolist()
        spans = [(start, start + size) for start, size in zip(starts, sizes, strict=True)]
        cases += [(spans, gap) for gap in (0, 1, 3)]
    count = compare(
        attempt,
        cases,
        by_painting,
        rule="join neighbours with at most `gap` empty columns between them, and go on from there",
        example=lambda case, got: f"spans {show(case[0])}, gap {case[1]}",
    )
    return (
        f"All {count} lists are merged right. No gap is right for every hand: one that mends "
        "broken digits also joins neighbours that stand close."
    )


# 1.4 ----------------------------------------------------------------------------------------------


def expected_match(p, q, n):
    return p**n * q ** (n - 1)


def by_counting(p: float, q: float, n: int) -> float:
    """The sum over all ways in which names and cuts can come out right or wrong: the oracle."""
    chances = [p] * n + [q] * (n - 1)
    total = 0.0
    for outcome in product((True, False), repeat=len(chances)):
        weight = math.prod(c if good else 1 - c for c, good in zip(chances, outcome, strict=True))
        total += weight * all(outcome)
    return total


def check_expected_match(attempt: Attempt) -> str:
    cases = [
        (p, q, n) for n in (1, 2, 3, 5) for p in (1.0, 0.5, 0.98) for q in (1.0, 0.25, 0.9, 0.0)
    ]
    count = compare(
        attempt,
        cases,
        by_counting,
        rule="a line is right if each of its n digits and each of its n - 1 cuts is",
        example=lambda case, got: f"{plural(case[2], 'digit')}, p = {case[0]}, q = {case[1]}",
    )
    return (
        f"All {count} are right. Naming 98 % of digits and hitting 90 % of cuts makes "
        f"{expected_match(0.98, 0.9, 5):.1%} of five-digit lines."
    )


# 1.5 ----------------------------------------------------------------------------------------------


def best_total(score):
    best = [0.0]  # best[j]: of all ways to cut what lies before cut j, the best total
    for j in range(1, len(score)):
        best.append(max(best[i] + score[i][j] for i in range(j)))
    return best[-1]


def over_all_ways(score: list[list[float]]) -> float:
    """The best of all choices of cuts, one after the other: the oracle."""
    last = len(score) - 1
    totals = []
    for number in range(last):
        for chosen in combinations(range(1, last), number):
            totals.append(sum(score[i][j] for i, j in pairwise([0, *chosen, last])))
    return max(totals)


def check_best_total(attempt: Attempt) -> str:
    chance = torch.Generator().manual_seed(0)
    cases = []
    for last in (1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 10):
        for _ in range(4):
            drawn = -torch.randint(1, 40, (last + 1, last + 1), generator=chance).double() / 8
            # a piece over many cuts is rarely a digit, and neither is a sliver
            wide = (torch.arange(last + 1) - torch.arange(last + 1)[:, None] - 2).abs()
            cases.append(((drawn - 0.5 * wide).tolist(),))
    count = compare(
        attempt,
        cases,
        over_all_ways,
        rule="of all chains of pieces from the first cut to the last, give the best one's sum",
        example=lambda case, got: f"{len(case[0])} places to cut",
    )
    return (
        f"All {count} totals are the best there are. Eleven places, both ends among them, can be "
        "cut in 512 ways; your loop looks at 55 pieces."
    )


EXERCISES = (
    Exercise(
        id="1.1",
        title="ink per column",
        task="Write column_profile(image): for each column of an image (H, W), the number of its "
        "pixels that are at least 0.5 bright.",
        check=check_column_profile,
        returns=as_tensor,
        reference=column_profile,
        mistakes=(
            Mistake(
                "this is one number for each row, and the profile has one for each column",
                wrong.of_rows,
            ),
            Mistake("count pixels, do not add up their brightness", wrong.brightness),
            Mistake("count pixels, do not add up their brightness", wrong.brightness_of_the_ink),
            Mistake("count the pixels; whether there is ink at all is less", wrong.any_ink),
            Mistake("the ink is marked here, and not yet counted", wrong.marked_only),
            Mistake(
                "this is one number for the whole image, and the profile has one for each column",
                wrong.of_the_whole_image,
            ),
            Mistake("a share of the rows is no count of pixels", wrong.share_of_the_rows),
            Mistake("bright is ink and dark is background", wrong.background),
            Mistake("a pixel of exactly 0.5 is ink", wrong.brighter_only),
            Mistake(
                "pixels below 0.5 are the faint edge of a stroke, no ink", wrong.not_quite_black
            ),
        ),
        hints=(
            "image >= 0.5 is a tensor of the same shape, True where there is ink.",
            "The rows are dimension 0. Summing over it leaves one number for each column.",
            "return (image >= 0.5).sum(0)",
        ),
    ),
    Exercise(
        id="1.2",
        title="pieces of a profile",
        task="Write pieces(profile): the runs of columns with ink, as a list of pairs "
        "(start, end) from left to right; end does not belong to the run.",
        check=check_pieces,
        returns=as_spans,
        reference=pieces,
        mistakes=(
            Mistake(
                "the end is the first column without ink: it is not included", wrong.end_included
            ),
            Mistake("a run may reach the last column; it ends there too", wrong.last_one_forgotten),
            Mistake("give the end of a run, not its width", wrong.lengths_for_ends),
            Mistake("the runs with ink are wanted, not the gaps between them", wrong.gaps_instead),
            Mistake("a run goes on as long as there is ink, much or little", wrong.equal_columns),
            Mistake("an empty column ends a run", wrong.one_span),
            Mistake(
                "columns with ink that stand side by side are one piece", wrong.column_by_column
            ),
            Mistake(
                "these are single numbers; a piece is a pair (start, end)",
                wrong.columns_with_ink,
            ),
            Mistake("columns are counted from 0", wrong.counted_from_one),
            Mistake("a run may begin at the first column", wrong.first_one_forgotten),
            Mistake("a run of one column is a piece too", wrong.wide_ones_only),
            Mistake("one pixel of ink is ink, too", wrong.more_than_one_pixel),
        ),
        hints=(
            "Walk through the columns and remember where the current run began, None between runs.",
            "At a column with ink and no run: a run starts. At a column without ink and a run: it "
            "ends here. What about a run that is still open after the last column?",
            "Append a 0 to the profile, and every run is closed by an empty column.",
        ),
    ),
    Exercise(
        id="1.3",
        title="joining broken digits",
        task="Write merge_close(spans, gap): join spans with at most `gap` empty columns between "
        "them. Spans are pairs (start, end), sorted by start; they may overlap.",
        check=check_merge_close,
        returns=as_spans,
        reference=merge_close,
        mistakes=(
            Mistake("exactly `gap` empty columns are still close", wrong.less_than),
            Mistake("one empty column more than `gap` is not close any more", wrong.one_more),
            Mistake("what was joined may be close to the next one as well", wrong.in_pairs),
            Mistake(
                "a span that ends inside the one before cuts it short here", wrong.last_end_wins
            ),
            Mistake(
                "the gap goes from the end of one span to the start of the next",
                wrong.from_start_to_start,
            ),
            Mistake(
                "what was joined may reach further than the span before",
                wrong.against_the_span_before,
            ),
            Mistake("spans that do not touch can be close, too", wrong.only_overlapping),
            Mistake("spans that do not touch can be close, too", wrong.only_touching),
            Mistake(
                "what is joined ends where the later end is, not the earlier", wrong.first_end_wins
            ),
            Mistake("spans that overlap are joined as well", wrong.overlaps_left_alone),
            Mistake("nothing is joined here", wrong.as_they_came),
            Mistake("all is joined here, what is far apart too", wrong.all_in_one),
            Mistake("a span keeps its ends; only the gap to the next is filled", wrong.widened),
            Mistake("each span must come out once, alone or joined", wrong.pair_after_pair),
        ),
        hints=(
            "Build a new list. Each span either joins the last one in it or is appended to it.",
            "Between (a, b) and (c, d) lie c - b empty columns. Joined, they are (a, max(b, d)).",
            "if merged and start - merged[-1][1] <= gap: merged[-1] = (merged[-1][0], "
            "max(end, merged[-1][1])), else merged.append((start, end))",
        ),
    ),
    Exercise(
        id="1.4",
        title="how often a whole line is right",
        task="Write expected_match(p, q, n): the share of lines of n digits that are read without "
        "a mistake, if each digit is named right with probability p and each of the cuts between "
        "neighbours is right with probability q, all independent.",
        check=check_expected_match,
        returns=as_number,
        reference=expected_match,
        mistakes=(
            Mistake("a wrong cut spoils the line too", wrong.digits_only),
            Mistake("a right cut is not enough: the digits must be named right", wrong.cuts_only),
            Mistake("n digits have n - 1 cuts between them", wrong.a_cut_per_digit),
            Mistake("every digit has to be right, and every cut", wrong.one_of_each),
            Mistake("every digit has to be right, and every cut", wrong.one_cut_only),
            Mistake("independent chances are multiplied, not added up", wrong.summed_up),
            Mistake("independent chances are multiplied, not added up", wrong.added),
            Mistake("independent chances are multiplied, not added up", wrong.added_powers),
            Mistake("n times the chance is not the chance of n in a row", wrong.times_the_number),
            Mistake(
                "p and q have changed places: p belongs to the digits, q to the cuts",
                wrong.changed_places,
            ),
            Mistake("the two ends of a line need no cut", wrong.a_cut_at_both_ends),
            Mistake("this is the share of lines that are wrong", wrong.share_of_wrong_lines),
            Mistake("a share from 0 to 1 was asked, and this is percent", wrong.in_percent),
            Mistake("this is rounded; the share itself was asked", wrong.rounded),
            Mistake("all have to be right, not at least one", wrong.at_least_one),
            Mistake("an average says how many parts are right, not how many lines", wrong.averaged),
        ),
        hints=(
            "Two digits, both named right: p * p. And there is one cut between them.",
            "n digits, n - 1 cuts: multiply them all.",
            "return p**n * q ** (n - 1)",
        ),
    ),
    Exercise(
        id="1.5",
        title="the best of all ways to cut",
        task="Write best_total(score): score[i][j] says how much the ink from cut i to cut j looks "
        "like a digit (a log-probability). Of all ways from the first cut to the last one, give "
        "the largest sum of scores.",
        check=check_best_total,
        returns=as_number,
        reference=best_total,
        mistakes=(
            Mistake("cuts in between may be worth more than none", wrong.never_cut),
            Mistake("a candidate is no obligation: pieces may span several", wrong.cut_everywhere),
            Mistake(
                "the best next piece may leave a bad rest",
                wrong.best_next_piece,
            ),
            Mistake(
                "pieces must follow each other: the next one starts where the last one ended",
                wrong.best_pieces_anywhere,
            ),
            Mistake("there may be more than one cut", wrong.one_cut),
            Mistake("the largest sum is wanted; log-probabilities near 0 are good", wrong.least),
            Mistake("the best way is wanted, not all ways added up", wrong.summed_ways),
            Mistake("give the sum of the log-probabilities as it is", wrong.probability),
            Mistake("the best last piece may leave a bad rest", wrong.best_last_piece),
            Mistake("one piece is not the whole line", wrong.best_single_piece),
            Mistake("no way goes through all pieces at once: they overlap", wrong.every_piece),
            Mistake("these are log-probabilities: a chain adds them up", wrong.multiplied),
            Mistake("a total of 0 that no way has must not win", wrong.from_zeros),
            Mistake("the way has to reach the last cut", wrong.one_cut_short),
            Mistake("a piece goes from the earlier cut to the later one", wrong.from_right_to_left),
            Mistake("the sum is wanted, not the average of a piece", wrong.per_piece),
        ),
        hints=(
            "Let best[j] be the largest sum for the ink before cut j. Nothing lies before the "
            "first cut: best[0] = 0. What is the last piece of the best way to j?",
            "The last piece begins at some i before j, and what lies before i is cut as well as "
            "it can be: best[i] + score[i][j]. Take the largest over i.",
            "for j in range(1, len(score)): best.append(max(best[i] + score[i][j] for i in "
            "range(j))), then best[-1]",
        ),
    ),
)
