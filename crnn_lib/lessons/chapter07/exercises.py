"""Exercises of notebook 07: beam search."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from crnn_lib.ctc import collapse, label_probability_brute_force, minimum_frames
from crnn_lib.lessons.chapter07 import mistakes as wrong
from crnn_lib.lessons.engine import (
    Attempt,
    Exercise,
    Mistake,
    Unreadable,
    as_label,
    as_number,
    as_tensor,
    compare,
    plural,
    show,
    words,
)

# 7.1 ----------------------------------------------------------------------------------------------


def most_probable_label(log_probs):
    frames, classes = log_probs.shape
    found = {}
    for alignment in product(range(classes), repeat=frames):
        probability = math.exp(sum(log_probs[t, c].item() for t, c in enumerate(alignment)))
        label = tuple(collapse(alignment, blank=0))
        found[label] = found.get(label, 0) + probability
    return list(max(found, key=found.get))


def by_asking_each_label(log_probs: Tensor) -> list[int]:
    """One label after the other, each with its own sum over alignments: the oracle."""
    frames, classes = log_probs.shape
    labels = [w for w in words(range(1, classes), frames) if minimum_frames(w) <= frames]
    return max(labels, key=lambda w: label_probability_brute_force(log_probs, w, blank=0))


BY_HAND = torch.tensor([[0.6, 0.4], [0.6, 0.4]], dtype=torch.float64)
THREE = torch.tensor([[0.3, 0.5, 0.2], [0.35, 0.25, 0.4]], dtype=torch.float64)


def lattices(sizes: list[tuple[int, int]], each: int, sharpness: float) -> list[Tensor]:
    """Small random lattices (T, C), the smallest first."""
    generator = torch.Generator().manual_seed(7)
    return [
        (sharpness * torch.randn(*size, generator=generator, dtype=torch.float64)).log_softmax(-1)
        for size in sizes
        for _ in range(each)
    ]


def check_most_probable_label(attempt: Attempt) -> str:
    sizes = [(1, 2), (1, 3), (2, 2), (2, 3), (3, 2), (3, 3), (4, 3)]
    cases = [(BY_HAND.log(),), *((lattice,) for lattice in lattices(sizes, 6, 1.0))]
    count = compare(
        attempt,
        cases,
        by_asking_each_label,
        rule="add up the probabilities of all alignments that collapse to a label, then compare",
        example=lambda case, got: f"{plural(len(case[0]), 'frame')}: {show(got)}",
    )
    return (
        f"Right on all {count} lattices. With 31 frames and 11 classes there are "
        f"{11**31:.0e} alignments: that is why one searches."
    )


# 7.2 ----------------------------------------------------------------------------------------------


def one_frame(at_blank, at_char, p_blank, p_last, p_other):
    stays_at_blank = (at_blank + at_char) * p_blank
    stays_at_char = at_char * p_last
    repeated = at_blank * p_last  # a blank in between: the same character is a new one
    extended = (at_blank + at_char) * p_other
    return stays_at_blank, stays_at_char, repeated, extended


def by_collapsing(
    at_blank: float, at_char: float, p_blank: float, p_last: float, p_other: float
) -> Tensor:
    """Each history goes on in each way, and collapse says what became of it: the oracle."""
    histories = {"5-": at_blank, "5": at_char}
    emitted = {"-": p_blank, "5": p_last, "2": p_other}
    found: defaultdict[tuple[str, bool], float] = defaultdict(float)
    for (history, before), (symbol, p) in product(histories.items(), emitted.items()):
        label = "".join(collapse(history + symbol, blank="-"))
        found[label, symbol == "-"] += before * p
    kinds = (("5", True), ("5", False), ("55", False), ("52", False))
    return torch.tensor([found[kind] for kind in kinds], dtype=torch.float64)


def check_one_frame(attempt: Attempt) -> str:
    whole = [(1.0, 0.0, 0.5, 0.3, 0.2), (0.0, 1.0, 0.5, 0.3, 0.2), (0.24, 0.4, 0.6, 0.4, 0.0)]
    tenths = [0.1 * k for k in range(1, 8, 2)]
    cases = whole + [
        (a, b, p, q, round(1 - p - q, 6))
        for a, b in product(tenths, tenths)
        for p, q in ((0.5, 0.25), (0.125, 0.75), (0.25, 0.5))
        if a + b <= 1
    ]
    count = compare(
        attempt,
        cases,
        by_collapsing,
        rule="take an alignment that ends in a blank and one that does not, and go on with each",
        example=lambda case, got: (
            f"prefix 5, {case[0]:g} at a blank, {case[1]:g} at the 5; then - {case[2]:g}, "
            f"5 {case[3]:g}, 2 {case[4]:g}"
        ),
    )
    return (
        f"All {count} steps agree with what the alignments collapse to. These four lines are the "
        "whole of prefix beam search; the rest is bookkeeping."
    )


# 7.3 ----------------------------------------------------------------------------------------------


def beam_search(probs, beam_width):
    beam = {(): (1.0, 0.0)}  # prefix: its alignments that end in a blank, in its last character
    for frame in probs.tolist():
        grown = defaultdict(lambda: [0.0, 0.0])
        for prefix, (at_blank, at_char) in beam.items():
            grown[prefix][0] += (at_blank + at_char) * frame[0]
            for c, p in enumerate(frame[1:], start=1):
                repeats = prefix[-1:] == (c,)
                grown[(*prefix, c)][1] += (at_blank if repeats else at_blank + at_char) * p
                if repeats:
                    grown[prefix][1] += at_char * p
        best = sorted(grown, key=lambda prefix: sum(grown[prefix]), reverse=True)
        beam = {prefix: grown[prefix] for prefix in best[:beam_width]}
    return {prefix: sum(both) for prefix, both in beam.items()}


def as_beam(value: object) -> dict[tuple[int, ...], float]:
    """Labels and what a beam has seen of each; those of which it has seen nothing are left out."""
    if value is None:
        raise Unreadable("None: is a `return` missing?")
    if not isinstance(value, dict):
        raise Unreadable(f"{show(value)}, where a dictionary should be: label to probability")
    beam = {}
    for label, seen in value.items():
        if not isinstance(label, tuple):
            raise Unreadable(f"the key {show(label)}, where a label should be, as a tuple")
        if isinstance(seen, list | tuple) and len(seen) == 2:
            raise Unreadable("two numbers for a label: in the end, return their sum")
        probability = as_number(seen)
        if probability != 0:
            beam[tuple(as_label(label))] = probability
    return beam


def by_keeping_alignments(
    probs: Tensor, beam_width: int, allowed: Callable = lambda label: True
) -> dict[tuple[int, ...], float]:
    """Each alignment is kept, in a heap with those that collapse to the same: the oracle."""
    heaps: dict[tuple[int, ...], list[tuple[tuple[int, ...], float]]] = {(): [((), 1.0)]}
    for frame in probs.tolist():
        grown = defaultdict(list)
        for alignment, probability in [pair for heap in heaps.values() for pair in heap]:
            for c, p in enumerate(frame):
                longer = (*alignment, c)
                label = tuple(collapse(longer, blank=0))
                if allowed(label):
                    grown[label].append((longer, probability * p))
        total = {label: math.fsum(p for _, p in heap) for label, heap in grown.items()}
        best = sorted(total, key=total.__getitem__, reverse=True)[:beam_width]
        heaps = {label: grown[label] for label in best if total[label] > 0}
    return {label: math.fsum(p for _, p in heap) for label, heap in heaps.items()}


def why_another_beam(case: tuple, got: dict[tuple[int, ...], float]) -> str:
    """What to say of a beam whose mistake is not known."""
    if any(seen < 0 for seen in got.values()):
        return "these are logarithms: probabilities come in, and probabilities go out"
    if got and math.isclose(math.fsum(got.values()), 1.0, rel_tol=1e-9):
        return "what fell out of the beam is missing: the sums are not to be stretched to 1"
    return (
        "in each frame the four moves of 7.2 add to the two numbers of a prefix; then only the "
        "beam_width prefixes with the largest sums stay"
    )


def check_beam_search(attempt: Attempt) -> str:
    sizes = [(1, 2), (1, 3), (2, 2), (2, 3), (3, 2), (3, 3), (4, 3), (5, 3)]
    small = [lattice.exp() for lattice in lattices(sizes, 3, 1.0)]
    wide = [(probs, 1000) for probs in (BY_HAND, THREE, *small)]
    narrow = [(probs, width) for probs in (BY_HAND, THREE, *small) for width in (3, 2, 1)]
    count = compare(
        attempt,
        wide + narrow,
        by_keeping_alignments,
        rule=why_another_beam,
        example=lambda case, got: f"{plural(len(case[0]), 'frame')}, a beam of {case[1]}",
    )
    return (
        f"All {count} beams hold the labels, and the probabilities, that sorting single alignments "
        "gives. That is prefix beam search, and you wrote it."
    )


# 7.4 ----------------------------------------------------------------------------------------------


def begins_with(probs, prefix):
    states = [c for character in prefix for c in (0, character)]  # a blank before each character
    alpha, begun = [1.0] + [0.0] * (len(states) - 1), 0.0  # before the first frame
    for frame in probs.tolist():
        entered = []
        for s, c in enumerate(states):
            ways = alpha[s] + (alpha[s - 1] if s else 0.0)
            if s > 2 and c not in (0, states[s - 2]):
                ways += alpha[s - 2]  # between different characters no blank is needed
            entered.append(ways * frame[c])
        begun += entered[-1]  # the beginning is complete: whatever follows sums to 1
        alpha = [*entered[:-1], 0.0]
    return begun


def by_listing_beginnings(probs: Tensor, prefix: list[int]) -> float:
    """All alignments whose label begins like that, one by one: the oracle."""
    size, total = len(prefix), []
    for alignment in product(range(probs.shape[1]), repeat=len(probs)):
        if collapse(alignment, blank=0)[:size] == list(prefix):
            total.append(math.prod(probs[t, c].item() for t, c in enumerate(alignment)))
    return math.fsum(total)


def check_begins_with(attempt: Attempt) -> str:
    sizes = [(1, 2), (1, 3), (2, 3), (3, 3), (4, 3), (5, 3)]
    tables = [THREE, *(lattice.exp() for lattice in lattices(sizes, 2, 1.0))]
    cases = [
        (probs, prefix)
        for prefix in words((1, 2), 3, shortest=1)
        for probs in tables
        if max(prefix) < probs.shape[1]
    ]
    cases.sort(key=lambda case: (len(case[1]), len(case[0])))
    count = compare(
        attempt,
        cases,
        by_listing_beginnings,
        rule=lambda case, got: (
            "this is a logarithm: the probability itself is asked for"
            if got < 0
            else "add up, frame by frame, the probability of completing the beginning in that "
            "frame; whatever follows sums to 1"
        ),
        example=lambda case, got: f"{plural(len(case[0]), 'frame')}, beginning {show(case[1])}",
    )
    return (
        f"All {count} sums are those of the list. One pass over the frames bounds every label that "
        "begins like that, however many there are."
    )


# 7.5 ----------------------------------------------------------------------------------------------


def most_of_any_other(found):
    best, *others = sorted(found, reverse=True)
    unseen = 1 - sum(found)
    return max([unseen, *others])


def by_cases(found: list[float]) -> float:
    """All that is unseen may belong to one label, or a seen one is the rival: the oracle."""
    place = found.index(max(found))
    rivals = [p for i, p in enumerate(found) if i != place]
    rivals.append(1.0 - math.fsum(found))
    return max(rivals)


def check_most_of_any_other(attempt: Attempt) -> str:
    cases = [([0.7],), ([0.3],), ([0.5, 0.25],), ([0.25, 0.5],), ([0.4, 0.1],), ([0.45, 0.4],)]
    cases += [([0.1, 0.3, 0.2],), ([0.2, 0.2, 0.1],), ([0.625, 0.25, 0.125],), ([1.0],)]
    generator = torch.Generator().manual_seed(7)
    for size in (2, 3, 4, 5):
        for _ in range(6):
            shares = torch.rand(size + 1, generator=generator)
            shares = (64 * shares / shares.sum()).round() / 80  # some is always left unseen
            cases.append((shares[:size].tolist(),))
    count = compare(
        attempt,
        cases,
        by_cases,
        rule="a rival is a label that was seen, or one that has all of the unseen probability",
        example=lambda case, got: f"seen {show(case[0])}",
    )
    return (
        f"All {count} bounds hold. The best label is proven if it lies above its bound: with 0.7 "
        "one label is enough to know, with 0.3 the search has to go on."
    )


EXERCISES = (
    Exercise(
        id="7.1",
        title="the most probable label",
        task="Write most_probable_label(log_probs): from (T, C) log-probabilities, with the blank "
        "at class 0, the label with the highest probability, found by listing all alignments.",
        check=check_most_probable_label,
        returns=as_label,
        reference=most_probable_label,
        mistakes=(
            Mistake(
                "that is the most probable alignment: add up all that collapse to the same label",
                wrong.best_alignment,
            ),
            Mistake("add probabilities, not their logarithms", wrong.logs_added),
            Mistake("the label is the collapsed alignment, without blanks", wrong.not_collapsed),
            Mistake("probabilities decide, not the number of alignments", wrong.counted),
            Mistake("the empty label may be the best one", wrong.never_empty),
        ),
        hints=(
            "itertools.product(range(C), repeat=T) lists all alignments. What does each collapse "
            "to, and how probable is it?",
            "Keep a dictionary: label, as a tuple, to the sum of the probabilities. An alignment's "
            "probability is math.exp of the sum of its log-probabilities.",
            "found[label] = found.get(label, 0) + probability, and in the end "
            "list(max(found, key=found.get)).",
        ),
    ),
    Exercise(
        id="7.2",
        title="one prefix, one frame",
        task="Write one_frame(at_blank, at_char, p_blank, p_last, p_other): what becomes of the "
        "prefix 5. Return four numbers: it stays and ends in a blank, it stays and ends in its 5, "
        "it becomes 55, it becomes 52.",
        check=check_one_frame,
        returns=as_tensor,
        reference=one_frame,
        mistakes=(
            Mistake(
                "without a blank in between, 5 and 5 merge: 55 grows from at_blank alone",
                wrong.repeat_from_both,
            ),
            Mistake(
                "after a blank, another 5 is a new one: only at_char stays in its 5",
                wrong.stays_from_both,
            ),
            Mistake("whatever came before, a blank may follow", wrong.blank_after_blank),
            Mistake("whatever came before, another character may follow", wrong.other_after_char),
            Mistake(
                "it is the other way round: a blank in between makes the 5 a new one",
                wrong.exchanged,
            ),
        ),
        hints=(
            "Write down two alignments of the prefix 5: one that ends in a blank, 5-, and one that "
            "does not, 55. Append -, 5 and 2 to each, and collapse all six.",
            "5- and 5 give 55, a new prefix. 55 and 5 stay the prefix 5. With a 2 both become 52; "
            "with a blank both stay 5, and end in a blank.",
            "(at_blank + at_char) * p_blank, at_char * p_last, at_blank * p_last, "
            "(at_blank + at_char) * p_other",
        ),
    ),
    Exercise(
        id="7.3",
        title="the beam",
        task="Write beam_search(probs, beam_width): from (T, C) probabilities, with the blank at "
        "class 0, a dictionary: each label that is in the beam after the last frame, as a tuple, "
        "and the probability that the beam has seen of it.",
        check=check_beam_search,
        returns=as_beam,
        reference=beam_search,
        seconds=20.0,
        mistakes=(
            Mistake(
                "two ways may lead to the same prefix in one frame: add them, the second must not "
                "replace the first",
                wrong.replaced,
            ),
            Mistake(
                "the same character without a blank in between is no new one: that prefix grows "
                "from the number at the blank alone",
                wrong.new_without_a_blank,
            ),
            Mistake(
                "after a blank the same character is a new one: only what ends in the character "
                "stays the prefix it was",
                wrong.merged_over_a_blank,
            ),
            Mistake(
                "the last character may come again and the prefix stays what it was: that way is "
                "missing",
                wrong.never_held,
            ),
            Mistake(
                "a prefix lives on its two numbers together: rank it, and return it, by their sum",
                wrong.ranked_by_one_number,
            ),
            Mistake("only beam_width prefixes go on to the next frame", wrong.never_narrowed),
            Mistake("those with the largest sums stay in the beam", wrong.worst_kept),
            Mistake(
                "after the last frame, too, only beam_width labels are in the beam",
                wrong.narrowed_before,
            ),
            Mistake(
                "the empty prefix begins with 1 in one of its two numbers, and 0 in the other",
                wrong.begins_twice,
            ),
            Mistake(
                "a new character ends the prefix in a character: its way belongs to the second "
                "number, also after a blank",
                wrong.new_one_at_the_blank,
            ),
            Mistake(
                "what a prefix had before this frame is used up: each frame begins with nothing",
                wrong.kept_from_before,
            ),
            Mistake(
                "first every prefix grows, then the beam is narrowed: once a frame, not once a "
                "prefix",
                wrong.narrowed_too_often,
            ),
        ),
        hints=(
            "A dictionary is the beam: prefix, as a tuple, to its two numbers. It begins with the "
            "empty prefix, which has 1 and 0. For each frame, build a new dictionary from it.",
            "For each prefix and each class, one of the four moves of 7.2 says which prefix comes "
            "out and which of its two numbers grows. defaultdict(lambda: [0.0, 0.0]) lets you "
            "write += at once.",
            "sorted(grown, key=lambda prefix: sum(grown[prefix]), reverse=True)[:beam_width] are "
            "the prefixes that stay. After the last frame return their sums.",
        ),
    ),
    Exercise(
        id="7.4",
        title="the probability of a beginning",
        task="Write begins_with(probs, prefix): from (T, C) probabilities, with the blank at class "
        "0, the probability that the label begins with this prefix, a list of one or more classes.",
        check=check_begins_with,
        returns=as_number,
        reference=begins_with,
        mistakes=(
            Mistake(
                "the label may go on after its beginning: this is the label that ends there",
                wrong.ends_there,
            ),
            Mistake(
                "an alignment counts once, in the frame that completes the beginning: the last "
                "state must not be added again while it lasts",
                wrong.counted_again,
            ),
            Mistake(
                "only completions that last to the end are counted: the beginning may be complete "
                "long before",
                wrong.last_frame_only,
            ),
            Mistake("the first frame may complete it, too", wrong.first_frame_forgotten),
            Mistake(
                "between two equal characters there is a blank, or they merge",
                wrong.equal_without_a_blank,
            ),
            Mistake("between different characters no blank is needed", wrong.blank_always_needed),
            Mistake("blanks may come before the first character", wrong.begins_at_once),
            Mistake("add up all ways, not only the best one", wrong.best_way_only),
        ),
        hints=(
            "Take the forward pass of notebook 04 over the states blank, first character, blank, "
            "..., last character. There is no blank after the last one.",
            "In the frame in which an alignment enters the last state, the beginning is complete. "
            "Whatever the later frames say, the label begins with it.",
            "Before the first frame alpha is 1 in state 0. In each frame, add what enters the last "
            "state to the result, and put 0 in its place: it has been counted.",
        ),
    ),
    Exercise(
        id="7.5",
        title="the most that a rival can have",
        task="Write most_of_any_other(found): given the probabilities of the labels seen so far, "
        "the highest probability that any label but the best of them can have.",
        check=check_most_of_any_other,
        returns=as_number,
        reference=most_of_any_other,
        mistakes=(
            Mistake("a label that was seen may be the rival, too", wrong.only_unseen),
            Mistake("a label that was not seen yet may have all of the rest", wrong.only_seen),
            Mistake("what other seen labels have, no rival can have again", wrong.all_but_best),
            Mistake("a rival is one label: take the larger, not the sum", wrong.summed),
        ),
        hints=(
            "All probabilities of all labels sum to 1. How much is left for those not seen yet?",
            "In the worst case one single label has all that is left. Or the second best of those "
            "you saw is the rival.",
            "max of 1 - sum(found) and of the second largest in found, if there is one.",
        ),
    ),
)
