"""Exercises of notebook 09: where, and how sure."""

from __future__ import annotations

from itertools import groupby

import torch
from torch import Tensor

from crnn_lib.evaluation import expected_calibration_error
from crnn_lib.lessons.chapter09 import mistakes as wrong
from crnn_lib.lessons.engine import (
    Attempt,
    Exercise,
    Mistake,
    as_number,
    as_tensor,
    compare,
    plural,
    show,
    words,
)

# 9.1 ----------------------------------------------------------------------------------------------


def spans_of(alignment):
    spans, start = [], 0
    for end in range(1, len(alignment) + 1):
        if end == len(alignment) or alignment[end] != alignment[start]:  # a run ends here
            if alignment[start] != 0:
                spans.append((alignment[start], start, end))
            start = end
    return spans


def by_grouping(alignment: list[int]) -> Tensor:
    """Runs as the standard library finds them: the oracle."""
    runs = [list(run) for _, run in groupby(enumerate(alignment), key=lambda pair: pair[1])]
    found = [(run[0][1], run[0][0], run[-1][0] + 1) for run in runs if run[0][1] != 0]
    return as_tensor(found)


def check_spans_of(attempt: Attempt) -> str:
    cases = [(alignment,) for alignment in words([0, 1, 2], 5, shortest=1)]
    cases += [([0, 6, 6, 0, 6, 3, 3, 0, 1, 8, 0],), ([6, 0, 6, 3, 1, 8],)]
    count = compare(
        attempt,
        cases,
        by_grouping,
        rule="a span is a run of equal classes, from its first frame to behind its last",
        example=lambda case, got: f"{show(case[0])}",
    )
    return f"All {count} alignments are right. Half-open: end - start is the number of frames."


# 9.2 ----------------------------------------------------------------------------------------------


def calibration_error(confidences, correct, bins=10):
    total, error = len(confidences), 0
    for b in range(bins):
        inside = [
            i for i, c in enumerate(confidences) if b / bins < c <= (b + 1) / bins or c == b == 0
        ]
        if inside:
            sure = sum(confidences[i] for i in inside) / len(inside)
            right = sum(correct[i] for i in inside) / len(inside)
            error += len(inside) / total * abs(sure - right)
    return error


def by_the_library(confidences: list[float], correct: list[bool], bins: int = 10) -> float:
    """What crnn_lib.evaluation.calibration computes: the oracle."""
    return expected_calibration_error(confidences, correct, bins=bins)


def check_calibration_error(attempt: Attempt) -> str:
    cases = [([0.95], [True]), ([0.95], [False]), ([0.35, 0.95], [False, True])]
    cases += [([0.95, 0.92], [True, False]), ([0.95, 0.97, 0.15], [True, False, False])]
    cases += [([0.62, 0.68, 0.91, 0.99, 0.94], [True, False, True, True, False])]
    generator = torch.Generator().manual_seed(9)
    for size in (4, 6, 8, 12, 20, 40):
        for _ in range(4):
            values = torch.rand(size, generator=generator).sqrt()
            # not on the border of a bin, where rounding would decide
            values = ((values * 100).floor().clamp(0, 99) + 0.5) / 100
            right = torch.rand(size, generator=generator) < values**2
            cases.append((values.tolist(), right.tolist()))
    # borders that every float holds exactly
    cases += [([1.0], [False]), ([0.0], [True]), ([0.5, 0.55], [True, False])]
    cases += [([1.0, 0.95], [True, False]), ([0.0, 0.05], [True, False])]
    cases += [([0.0, 0.25, 0.3, 0.5, 0.75, 0.8, 1.0], [True, False] * 3 + [True], 4)]
    count = compare(
        attempt,
        cases,
        by_the_library,
        rule="in each bin, the mean confidence against the share that is right; bins weigh as many "
        "lines as they hold",
        example=lambda case, got: plural(len(case[0]), "line"),
    )
    return f"All {count} sets of lines are right. 0 means: of lines at 90 %, nine in ten are right."


# 9.3 ----------------------------------------------------------------------------------------------


def risk_after_refusal(confidences, correct, refused):
    order = sorted(range(len(confidences)), key=lambda i: confidences[i])
    kept = order[refused:]
    return sum(not correct[i] for i in kept) / len(kept)


def by_ranks(confidences: list[float], correct: list[bool], refused: int) -> float:
    """A line is refused if fewer than `refused` others are less sure: the oracle."""
    wrong_kept = kept = 0
    for c, right in zip(confidences, correct, strict=True):
        if sum(other < c for other in confidences) >= refused:
            kept += 1
            wrong_kept += not right
    return wrong_kept / kept


def check_risk_after_refusal(attempt: Attempt) -> str:
    cases = [([0.9], [False], 0), ([0.9, 0.3], [True, False], 1), ([0.3, 0.9], [False, True], 1)]
    cases += [([0.9, 0.3], [True, False], 0), ([0.9, 0.3, 0.5], [False, True, True], 1)]
    generator = torch.Generator().manual_seed(9)
    for size in (3, 4, 6, 10, 20):
        for refused in (0, 1, 2):
            for _ in range(3):
                values = torch.randperm(97, generator=generator)[:size].add(1) / 100
                right = torch.rand(size, generator=generator) < 0.7
                cases.append((values.tolist(), right.tolist(), refused))
    count = compare(
        attempt,
        cases,
        by_ranks,
        rule="leave out the least sure lines; of those that are left, the share that is wrong",
        example=lambda case, got: f"{plural(len(case[0]), 'line')}, {case[2]} refused",
    )
    return f"All {count} policies are right. Who refuses must also say how many were refused."


EXERCISES = (
    Exercise(
        id="9.1",
        title="spans of an alignment",
        task="Write spans_of(alignment): a list of (class, start, end), one for each character, "
        "with half-open frames. The blank is class 0.",
        check=check_spans_of,
        returns=as_tensor,
        reference=spans_of,
        mistakes=(
            Mistake(
                "a blank between two equal classes parts them: two spans", wrong.blanks_skipped
            ),
            Mistake("the end stands behind the last frame: half-open", wrong.last_frame_included),
            Mistake("blanks are no characters", wrong.blanks_kept),
            Mistake("a run has one span, however long it is", wrong.frame_by_frame),
            Mistake("the last run ends with the alignment", wrong.last_run_lost),
        ),
        hints=(
            "Write [0, 6, 6, 0, 6] on paper, frames counted from 0. Which frames belong to the "
            "first 6, which to the second?",
            "Go through the frames and remember where the current run began. A run ends where the "
            "class changes, or with the alignment.",
            "itertools.groupby does it too: groupby(enumerate(alignment), key=lambda p: p[1]).",
        ),
    ),
    Exercise(
        id="9.2",
        title="expected calibration error",
        task="Write calibration_error(confidences, correct, bins=10): bins of equal width, and in "
        "each the distance between mean confidence and share of right lines, weighed by its lines. "
        "A border belongs to the lower bin.",
        check=check_calibration_error,
        returns=as_number,
        reference=calibration_error,
        mistakes=(
            Mistake("a bin counts as much as it has lines", wrong.bins_alike),
            Mistake("too sure and too modest do not cancel: take distances", wrong.signed),
            Mistake(
                "compare with the mean confidence in the bin, not with its middle", wrong.middles
            ),
            Mistake("line by line it is another measure: compare means per bin", wrong.no_bins),
            Mistake("compare the bins, not the whole", wrong.one_bin),
            Mistake("a confidence of 1 belongs to the last bin", wrong.eleventh_bin),
            Mistake("a confidence on a border belongs to the lower bin", wrong.upper_bin),
            Mistake("a confidence of 0 belongs to a bin too", wrong.zero_lost),
        ),
        hints=(
            "Take one bin, say all lines surer than 0.9. What is their mean confidence? What share "
            "of them is right? The difference is this bin's error.",
            "Skip empty bins. Weigh each bin with its lines divided by all lines, and add up.",
            "error += len(inside) / total * abs(mean confidence - share right)",
        ),
    ),
    Exercise(
        id="9.3",
        title="refuse the least sure",
        task="Write risk_after_refusal(confidences, correct, refused): the share of wrong lines "
        "among those that are left when so many of the least sure ones are refused.",
        check=check_risk_after_refusal,
        returns=as_number,
        reference=risk_after_refusal,
        mistakes=(
            Mistake("refuse the least sure, not the surest", wrong.surest_refused),
            Mistake("divide by the lines that are left, not by all", wrong.of_all_lines),
            Mistake(
                "nobody knows the wrong ones beforehand: go by confidence", wrong.wrong_refused
            ),
            Mistake("the risk is the share that is wrong", wrong.share_right),
        ),
        hints=(
            "Sort the lines by confidence. Which end goes to a person?",
            "sorted(range(len(confidences)), key=lambda i: confidences[i]) puts the least sure "
            "line first. Leave out the first `refused`.",
            "kept = order[refused:], then the number of wrong ones in it, divided by len(kept).",
        ),
    ),
)
