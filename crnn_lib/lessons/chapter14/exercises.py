"""Exercises of notebook 14: the capstone."""

from __future__ import annotations

import math
from itertools import product

import torch

from crnn_lib.lessons.chapter14 import mistakes as wrong
from crnn_lib.lessons.chapter14.cases import (
    by_building,
    by_climbing,
    by_halving,
    by_marking,
    by_throwing_coins,
)
from crnn_lib.lessons.engine import (
    Attempt,
    Exercise,
    Mistake,
    Unreadable,
    as_count,
    as_label,
    as_number,
    as_tensor,
    compare,
    plural,
    show,
)

# 14.1 ---------------------------------------------------------------------------------------------


def crnn_parameters(channels, rows, hidden, classes):
    total, inputs = 0, 1
    for outputs in channels:
        total += 9 * inputs * outputs + outputs  # a 3 x 3 filter for each pair, and a bias
        total += 2 * outputs  # the norm's scale and shift
        inputs = outputs
    gates = 3 * hidden * (rows * inputs + hidden) + 2 * 3 * hidden  # torch has two biases a gate
    return total + 2 * gates + 2 * hidden * classes + classes


def check_crnn_parameters(attempt: Attempt) -> str:
    cases = [
        ([*channels], rows, hidden, classes)
        for channels in ((1,), (2,), (1, 2), (2, 3), (3, 2, 4))
        for rows, hidden, classes in product((1, 2), (1, 2), (2, 3))
    ]
    cases += [([32, 32, 64, 64, 96, 96], 4, 96, 11), ([12, 16, 24, 32, 48, 48], 2, 48, 11)]
    count = compare(
        attempt,
        cases,
        by_building,
        rule="add up the layers, weights and biases: convolutions (a bias for each channel), "
        "norms, both directions of the GRU, the linear layer",
        example=lambda case, got: (
            f"channels {show(case[0])}, {plural(case[1], 'row')}, hidden {case[2]}, "
            f"{plural(case[3], 'class')}: {got} instead of {by_building(*case)}"
        ),
    )
    return (
        f"All {count} networks have as many as torch counts. CRNN() has "
        f"{crnn_parameters([32, 32, 64, 64, 96, 96], 4, 96, 11):,}: now look which layer has most."
    )


# 14.2 ---------------------------------------------------------------------------------------------


def exact_match_interval(right, count):
    z, share = 1.959964, right / count
    centre = share + z**2 / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    scale = 1 + z**2 / count
    return (centre - spread) / scale, (centre + spread) / scale


def check_exact_match_interval(attempt: Attempt) -> str:
    cases = [(right, count) for count in range(1, 9) for right in range(count + 1)]
    cases += [(19, 20), (95, 100), (475, 500), (950, 1000), (0, 1000), (9500, 10_000)]
    count = compare(
        attempt,
        cases,
        by_halving,
        rule="the ends are the shares from which the count is 1.96 standard deviations away",
        example=lambda case, got: f"{case[0]} of {plural(case[1], 'line')}",
    )
    return (
        f"All {count} intervals are right, and none leaves [0, 1]. 950 of 1,000 lines may be luck "
        "by some 1.4 points to either side."
    )


# 14.3 ---------------------------------------------------------------------------------------------


def luck(only_a, only_b):
    total, less = only_a + only_b, min(only_a, only_b)
    ways = sum(math.comb(total, k) for k in range(less + 1))
    return min(1.0, 2 * ways / 2**total)


def check_luck(attempt: Attempt) -> str:
    cases = [(a, total - a) for total in range(9) for a in range(total + 1)]
    cases += [(5, 15), (15, 5), (20, 20), (9, 31), (40, 61), (61, 40)]
    count = compare(
        attempt,
        cases,
        by_throwing_coins,
        rule="of all ways in which so many coins can fall, the share that splits them as unevenly "
        "as this or more so",
        example=lambda case, got: f"{case[0]} lines only by a, {case[1]} only by b",
    )
    return (
        f"All {count} splits are right. Lines that both read or both miss say nothing about which "
        "is better, and there are mostly far more of them."
    )


# 14.4 ---------------------------------------------------------------------------------------------


def front(entries):
    def beats(a, b):
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    return [i for i, entry in enumerate(entries) if not any(beats(e, entry) for e in entries)]


def as_places(value: object) -> list[int]:
    """Places in any order, also from a set."""
    try:
        return sorted(as_label(sorted(value) if isinstance(value, set) else value))
    except Unreadable as error:
        raise Unreadable(str(error).replace("class indices", "places")) from None


def check_front(attempt: Attempt) -> str:
    pairs = [*product((1, 2, 3), (7, 8, 9))]
    cases = [([pair],) for pair in pairs[:2]]
    cases += [([a, b],) for a in pairs for b in pairs]
    generator = torch.Generator().manual_seed(13)
    for size in (3, 4, 6, 9):
        for _ in range(20):
            drawn = torch.randint(len(pairs), (size,), generator=generator).tolist()
            cases.append(([pairs[k] for k in drawn],))
    cases.append(([(852_475, 921), (90_419, 955), (483_947, 955), (21_000, 871), (9_000, 873)],))
    count = compare(
        attempt,
        cases,
        by_climbing,
        rule="keep an entry unless another one is no larger, reads no fewer lines, and differs",
        example=lambda case, got: f"(parameters, lines read): {show(case[0])}",
    )
    return (
        f"All {count} leaderboards have the right front. Whoever is not on it can be replaced "
        "without any loss."
    )


# 14.5 ---------------------------------------------------------------------------------------------


def missing(sections, figures):
    lacks = [name for name, text in sections if not text.strip()]
    if not figures or any(None in figure for figure in figures):
        lacks.append("figures")
    return lacks


def as_names(value: object) -> list[str]:
    """A list of names, sorted: their order does not matter."""
    if value is None:
        raise Unreadable("None: is a `return` missing?")
    if not isinstance(value, list | tuple | set) or not all(isinstance(x, str) for x in value):
        raise Unreadable(f"{show(value)}, where a list of names should be")
    return sorted(value)


def check_missing(attempt: Attempt) -> str:
    texts = ("", "  ", "Learning.")
    whole, lacking = (950, 1000, 1), ((950, None, 1), (950, 1000, None))
    several = [
        [whole],
        [],
        *([figure] for figure in lacking),
        [(0, 1000, 0)],
        [whole, lacking[0]],
        [lacking[1], whole],
        [whole, (0, 500, 2), (99, 100, 0)],
    ]
    cases = [([("limits", text)], figures) for figures in several for text in texts]
    cases += [
        ([("intended", one), ("harms", other)], figures)
        for one in texts
        for other in texts
        for figures in several
    ]
    count = compare(
        attempt,
        cases,
        by_marking,
        rule="name each section without words; and figures, if there is none or one lacks its "
        "number of lines or its seed",
        example=lambda case, got: f"sections {show(case[0])}, figures {show(case[1])}",
    )
    return f"All {count} cards are judged right. Whether what they say is true, no check can tell."


EXERCISES = (
    Exercise(
        id="14.1",
        title="parameters before building",
        task="Write crnn_parameters(channels, rows, hidden, classes): how many numbers a CRNN "
        "learns, with 3 x 3 convolutions, a norm after each, `rows` rows left for a GRU in both "
        "directions, and a linear layer.",
        check=check_crnn_parameters,
        returns=as_count,
        reference=crnn_parameters,
        mistakes=(
            Mistake("each layer has biases too", wrong.biases_forgotten),
            Mistake(
                "a norm would make up for a bias before it; these convolutions have theirs all "
                "the same",
                wrong.no_bias_before_a_norm,
            ),
            Mistake("a norm learns a scale and a shift for each channel", wrong.norms_forgotten),
            Mistake(
                "running means and variances are measured, not learned", wrong.statistics_counted
            ),
            Mistake(
                "the GRU runs in both directions, and the linear layer sees both",
                wrong.one_direction,
            ),
            Mistake("the GRU has weights for each direction", wrong.gru_in_one_direction),
            Mistake("a GRU has three gates, each with weights of its own", wrong.one_gate),
            Mistake(
                "torch's GRU has two biases for each gate: one for the input, one for the state",
                wrong.one_bias_per_gate,
            ),
            Mistake("a frame has rows times channels numbers", wrong.rows_forgotten),
            Mistake(
                "the linear layer sees both directions: 2 hidden", wrong.classes_see_one_direction
            ),
        ),
        hints=(
            "Go through the layers. From a to b channels, a 3 x 3 convolution has 9 a b weights "
            "and b biases; the norm after it has 2 b.",
            "One direction of a GRU with inputs i and hidden h: 3 gates, each with h (i + h) "
            "weights and 2 h biases. Here i is rows times the last channels.",
            "sum over the convolutions, + 2 * (3 * hidden * (i + hidden) + 6 * hidden), "
            "+ 2 * hidden * classes + classes",
        ),
    ),
    Exercise(
        id="14.2",
        title="the interval of an exact match",
        task="Write exact_match_interval(right, count): Wilson's interval (low, high), with "
        "z = 1.959964, as shares from 0 to 1.",
        check=check_exact_match_interval,
        returns=as_tensor,
        reference=exact_match_interval,
        mistakes=(
            Mistake(
                "share plus and minus 1.96 errors leaves [0, 1], and calls 1 of 1 certain",
                wrong.textbook,
            ),
            Mistake(
                "cutting at 0 and 1 hides the fault: 1 of 1 is still called certain",
                wrong.textbook_clipped,
            ),
            Mistake(
                "the ends are asked for as shares from 0 to 1, not in percent", wrong.in_percent
            ),
            Mistake(
                "this is the spread of one line, not of the share of so many",
                wrong.spread_of_one_line,
            ),
            Mistake(
                "95 % on both sides together is z = 1.96; 1.64 gives 90 %", wrong.ninety_percent
            ),
            Mistake(
                "the middle of the interval is not the share: it moves towards one half",
                wrong.not_moved_to_the_middle,
            ),
            Mistake("the ends lie too far out: Wilson's scale is missing", wrong.not_scaled),
        ),
        hints=(
            "Which true shares p would make the count an accident of less than 1.96 standard "
            "deviations? (share - p)**2 = z**2 * p * (1 - p) / count has two solutions.",
            "The middle is share + z**2 / (2 * count), the spread z times the root of "
            "share * (1 - share) / count + (z / (2 * count))**2.",
            "low, high = (middle - spread) / scale, (middle + spread) / scale, where scale is "
            "1 + z**2 / count.",
        ),
    ),
    Exercise(
        id="14.3",
        title="better, or luck",
        task="Write luck(only_a, only_b): the probability that fair coins split so many lines as "
        "unevenly as this, or more so, in favour of either.",
        check=check_luck,
        returns=as_number,
        reference=luck,
        mistakes=(
            Mistake(
                "either of the two could have been the luckier one: twice", wrong.one_side_only
            ),
            Mistake("or more unevenly: add up all splits beyond this one", wrong.this_split_only),
            Mistake("a probability is 1 at most", wrong.above_one),
            Mistake("so few lines are counted, not approximated", wrong.by_the_bell_curve),
            Mistake(
                "these are the splits up to the larger count: nearly all there are",
                wrong.up_to_the_winner,
            ),
        ),
        hints=(
            "Throw only_a + only_b coins: 2**total ways. In how many of them get the heads as few "
            "as min(only_a, only_b), or fewer?",
            "math.comb(total, k) ways have k heads. Sum over k from 0 to the smaller count, then "
            "do the same for the tails.",
            "min(1.0, 2 * sum(math.comb(total, k) for k in range(less + 1)) / 2**total)",
        ),
    ),
    Exercise(
        id="14.4",
        title="who is beaten by nobody",
        task="Write front(entries): entries are (parameters, lines read); return the places of "
        "those that no other entry beats.",
        check=check_front,
        returns=as_places,
        reference=front,
        mistakes=(
            Mistake(
                "it is enough to be better in one of the two, if the other is equal",
                wrong.both_have_to_be_better,
            ),
            Mistake("equal entries do not beat each other", wrong.equals_beat_each_other),
            Mistake("a smaller one that reads less is not beaten by that", wrong.most_lines_only),
            Mistake("a larger one that reads more is not beaten by that", wrong.smallest_only),
            Mistake("fewer parameters are better", wrong.larger_is_better),
            Mistake("the entries come in any order", wrong.sorted_already),
        ),
        hints=(
            "When can you throw entry b away because there is entry a? Write that as a function "
            "beats(a, b) first.",
            "a beats b if a[0] <= b[0] and a[1] >= b[1] and a != b.",
            "[i for i, b in enumerate(entries) if not any(beats(a, b) for a in entries)]",
        ),
    ),
    Exercise(
        id="14.5",
        title="what a card lacks",
        task="Write missing(sections, figures): the names of sections without words, and "
        "'figures' if there is no figure or one lacks a number. sections are (name, text), figures "
        "are (right, count, seed), with None for what is not known.",
        check=check_missing,
        returns=as_names,
        reference=missing,
        mistakes=(
            Mistake("spaces are no words", wrong.spaces_are_text),
            Mistake(
                "no figure at all is no whole card: any() and all() of nothing need a thought",
                wrong.nothing_measured_is_fine,
            ),
            Mistake(
                "each figure that is shown needs its lines and its seed",
                wrong.one_whole_figure_is_enough,
            ),
            Mistake("0 is a number, and it is known", wrong.nought_is_nothing),
            Mistake(
                "look into the figures: who knows what None stands for?",
                wrong.figures_not_looked_at,
            ),
            Mistake("look at the sections too", wrong.texts_not_looked_at),
        ),
        hints=(
            "Two questions: which sections have no words in them, and are the figures whole?",
            '"  ".strip() is empty, and so false. None in figure asks whether a number is unknown; '
            "a seed of 0 is known.",
            "Append 'figures' if not figures or any(None in figure for figure in figures).",
        ),
    ),
)
