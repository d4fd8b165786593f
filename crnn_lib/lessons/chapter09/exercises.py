"""Exercises of notebook 09: where, and how sure."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from crnn_lib.ctc import alignments, collapse, minimum_frames
from crnn_lib.evaluation import expected_calibration_error
from crnn_lib.lessons.chapter09 import mistakes as wrong
from crnn_lib.lessons.engine import (
    Attempt,
    Exercise,
    Mistake,
    Unreadable,
    as_label,
    as_number,
    compare,
    plural,
    show,
    words,
)

# 9.1 ----------------------------------------------------------------------------------------------


def best_alignment(log_probs, states):
    rows, back = log_probs.tolist(), []
    best = [rows[0][c] if s < 2 else -math.inf for s, c in enumerate(states)]
    for row in rows[1:]:
        came_from = []
        for s, c in enumerate(states):
            skips = s >= 2 and c != states[s - 2]
            ways = range(max(s - 1 - skips, 0), s + 1)
            came_from.append(max(ways, key=lambda k: best[k]))
        best = [best[k] + row[c] for k, c in zip(came_from, states, strict=True)]
        back.append(came_from)
    last = len(states) - 1
    path = [max(last, last - 1, key=lambda s: best[s])]
    for came_from in reversed(back):
        path.append(came_from[path[-1]])
    return [states[s] for s in reversed(path)]


def by_listing_alignments(log_probs: Tensor, states: list[int]) -> list[int]:
    """Every alignment of the label, one by one: the oracle."""
    every = alignments(states[1::2], len(log_probs), blank=0)
    return list(max(every, key=lambda a: sum(log_probs[t, c].item() for t, c in enumerate(a))))


# On each of these, one mistake alone gives another alignment, so it is called by its own name: the
# best state of each frame, an end in any state, a start in any, a skip over a character.
ONE_FAILS = (
    ([[0.1, 0.85, 0.05], [0.55, 0.4, 0.05], [0.05, 0.9, 0.05]], [0, 1, 0]),
    ([[0.05, 0.9, 0.05], [0.15, 0.8, 0.05]], [0, 1, 0, 2, 0]),
    ([[0.15, 0.05, 0.8], [0.05, 0.05, 0.9]], [0, 1, 0, 2, 0]),
    ([[0.9, 0.05, 0.05], [0.85, 0.1, 0.05], [0.05, 0.05, 0.9]], [0, 1, 0, 2, 0]),
)


def check_best_alignment(attempt: Attempt) -> str:
    generator = torch.Generator().manual_seed(9)
    cases = []
    for label in ([1], [1, 2], [1, 1], [2, 1, 1], [1, 2, 1]):
        states = [0, *(c for character in label for c in (character, 0))]
        for frames in range(minimum_frames(label), 7):
            for sharpness in (1.0, 2.0):
                noise = torch.randn(frames, 3, generator=generator, dtype=torch.float64)
                cases.append(((sharpness * noise).log_softmax(-1), states))
    for path, states in (([1, 0, 0, 1], [0, 1, 0]), ([1, 2, 0, 0, 1, 2], [0, 1, 0, 2, 0])):
        # the frames say the label twice, and no way leads from the end to the beginning
        noise = torch.randn(len(path), 3, generator=generator, dtype=torch.float64)
        twice = 4.0 * torch.nn.functional.one_hot(torch.tensor(path), 3) + noise
        cases.append((twice.log_softmax(-1), states))
    cases.sort(key=lambda case: (len(case[1]), len(case[0])))
    cases = [(torch.tensor(probs).double().log(), states) for probs, states in ONE_FAILS] + cases
    count = compare(
        attempt,
        cases,
        by_listing_alignments,
        rule=lambda case, got: (
            "an alignment has one class for each frame, blanks included"
            if len(got) != len(case[0])
            else "it collapses to another text: where it begins, which states it skips and where "
            "it ends are the rules of notebook 04"
            if collapse(got, blank=0) != case[1][1::2]
            else "alpha as in notebook 04, the largest way in place of their sum; remember in each "
            "state which way that was, and follow these back from the best end"
        ),
        example=lambda case, got: f"{plural(len(case[0]), 'frame')}, states {show(case[1])}",
    )
    return (
        f"All {count} are the best of all alignments of their label. That is Viterbi, "
        "and you wrote it."
    )


# 9.2 ----------------------------------------------------------------------------------------------


def spans_of(alignment):
    spans, start = [], 0
    for end in range(1, len(alignment) + 1):
        if end == len(alignment) or alignment[end] != alignment[start]:  # a run ends here
            if alignment[start] != 0:
                spans.append((alignment[start], start, end))
            start = end
    return spans


def as_spans(value: object) -> list[tuple[int, ...]]:
    """A list of (class, start, end), also of lists or a tensor's rows."""
    if isinstance(value, Tensor | np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        as_label(value)  # says what None, a number or an ellipsis is; a generator gets through
        raise Unreadable(f"{show(value)}, where a list of (class, start, end) should be")
    spans = []
    for item in value:
        span = tuple(as_label(item)) if isinstance(item, list | tuple | Tensor | np.ndarray) else ()
        if len(span) != 3:
            raise Unreadable(f"a list that holds {show(item)}, where (class, start, end) should be")
        spans.append(span)
    return spans


def by_grouping(alignment: list[int]) -> list[tuple[int, ...]]:
    """Runs as the standard library finds them: the oracle."""
    runs = [list(run) for _, run in groupby(enumerate(alignment), key=lambda pair: pair[1])]
    found = [(run[0][1], run[0][0], run[-1][0] + 1) for run in runs if run[0][1] != 0]
    return found


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


# 9.3 ----------------------------------------------------------------------------------------------


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


# 9.4 ----------------------------------------------------------------------------------------------


def risk_after_refusal(confidences, correct, refused):
    order = sorted(range(len(confidences)), key=lambda i: confidences[i])
    kept = order[refused:]
    return sum(not correct[i] for i in kept) / len(kept)


def by_ranks(confidences: list[float], correct: list[bool], refused: int) -> float:
    """A line is refused if fewer than `refused` others go before it: the oracle."""
    lines = [*zip(confidences, range(len(confidences)), strict=True)]
    kept = [
        right
        for line, right in zip(lines, correct, strict=True)
        if sum(other < line for other in lines) >= refused
    ]
    return kept.count(False) / len(kept)


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
                cases.append((values.tolist(), right.tolist(), size - 1))  # one line is left
    # lines that are as sure as each other, and all of them right or all of them wrong
    cases += [([0.3, 0.3, 0.9], [False, False, True], k) for k in (0, 1, 2)]
    cases += [([0.9, 0.4, 0.4, 0.2, 0.4], [False, True, True, False, True], k) for k in range(5)]
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
        title="the best alignment of a text",
        task="Write best_alignment(log_probs, states): from (T, C) log-probabilities and a label "
        "with blanks around its characters, as in notebook 04, the most probable alignment of that "
        "label: a list of one class per frame.",
        check=check_best_alignment,
        returns=as_label,
        reference=best_alignment,
        mistakes=(
            Mistake(
                "the text is given: an alignment that collapses to another text does not count",
                wrong.best_path_of_all,
            ),
            Mistake(
                "it ends in one of the last two states: elsewhere the text is not complete",
                wrong.ends_anywhere,
            ),
            Mistake(
                "it starts in one of the first two states: elsewhere the text has lost its "
                "beginning",
                wrong.begins_anywhere,
            ),
            Mistake(
                "that is a skip over a character: blanks may be left out, characters never",
                wrong.skips_characters,
            ),
            Mistake(
                "the best state of each frame alone need not be one way: begin at the end, and "
                "follow back where each came from",
                wrong.best_state_each_frame,
            ),
            Mistake(
                "only one way is wanted: compare the ways into a state, do not add them up",
                wrong.sums_for_maxima,
            ),
            Mistake(
                "the line may end in the last character or in the blank after it: whichever is "
                "better",
                wrong.ends_in_blank,
            ),
            Mistake("the line may begin with its first character", wrong.begins_in_blank),
            Mistake(
                "between two equal characters there is a blank, or they merge", wrong.skips_any
            ),
            Mistake("between different characters no blank is needed", wrong.never_skips),
            Mistake("following back gives the last frame first: turn it round", wrong.backwards),
            Mistake("return the class of each state, not its number", wrong.numbers_of_states),
        ),
        hints=(
            "Write down the alpha step of notebook 04 in logarithms, and put max in the place of "
            "the sum. Which number do you have after the last frame, and for which states?",
            "Beside the maximum keep, for each frame and state, the number of the state it came "
            "from: max(ways, key=lambda k: best[k]).",
            "Begin in the better one of the last two states. came_from[state] of the last frame is "
            "its state in the frame before, and so on; reverse what you collected.",
        ),
    ),
    Exercise(
        id="9.2",
        title="spans of an alignment",
        task="Write spans_of(alignment): a list of (class, start, end), one for each character, "
        "with half-open frames. The blank is class 0.",
        check=check_spans_of,
        returns=as_spans,
        reference=spans_of,
        mistakes=(
            Mistake(
                "a blank between two equal classes parts them: two spans", wrong.blanks_skipped
            ),
            Mistake("the end stands behind the last frame: half-open", wrong.last_frame_included),
            Mistake("blanks are no characters", wrong.blanks_kept),
            Mistake("a run has one span, however long it is", wrong.frame_by_frame),
            Mistake("the last run ends with the alignment", wrong.last_run_lost),
            Mistake("the first frame has the number 0", wrong.counted_from_1),
            Mistake("the class comes first, then start and end", wrong.class_last),
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
        id="9.3",
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
        id="9.4",
        title="refuse the least sure",
        task="Write risk_after_refusal(confidences, correct, refused): the share of wrong lines "
        "among those that are left when so many of the least sure ones are refused. At least one "
        "line is left.",
        check=check_risk_after_refusal,
        returns=as_number,
        reference=risk_after_refusal,
        mistakes=(
            Mistake("refuse the least sure, not the surest", wrong.surest_refused),
            Mistake("divide by the lines that are left, not by all", wrong.of_all_lines),
            Mistake(
                "so many lines are refused and no fewer, though others are as sure as they",
                wrong.ties_kept,
            ),
            Mistake(
                "so many lines are refused and no more, though others are as sure as they",
                wrong.ties_refused,
            ),
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
