"""Exercises of notebook 04: the CTC loss, from its definition to its gradient."""

from __future__ import annotations

import math

import torch

from crnn_lib.lessons.chapter04 import mistakes as wrong
from crnn_lib.lessons.chapter04.cases import (
    LABELS,
    by_definition,
    gradients,
    lattices,
    look_up,
    product_of_probabilities,
    steps,
)
from crnn_lib.lessons.engine import (
    Attempt,
    Broken,
    Exercise,
    Mistake,
    as_number,
    as_tensor,
    compare,
    plural,
    words,
)

# 4.1 ----------------------------------------------------------------------------------------------


def alignment_log_prob(log_probs, alignment):
    return sum(log_probs[t, c] for t, c in enumerate(alignment))


def check_alignment_log_prob(attempt: Attempt) -> str:
    cases = [
        (log_probs, alignment)
        for log_probs in lattices(range(1, 4))
        for alignment in words(range(3), len(log_probs), shortest=len(log_probs))
    ]
    count = compare(
        attempt,
        cases,
        product_of_probabilities,
        rule="add up log_probs[t, alignment[t]] over all frames t",
    )
    return (
        f"All {count} alignments get the logarithm of the product of their probabilities. Frames "
        "are independent given the image: that is CTC's assumption, and it makes this sum possible."
    )


# 4.2 ----------------------------------------------------------------------------------------------


def label_probability(log_probs, label):
    from crnn_lib.ctc import alignments

    total = 0.0
    for alignment in alignments(label, len(log_probs)):  # none, if the label does not fit
        total += math.exp(sum(log_probs[t, c] for t, c in enumerate(alignment)))
    return total


def check_label_probability(attempt: Attempt) -> str:
    cases = [(log_probs, label) for log_probs in lattices(range(1, 5)) for label in LABELS]
    compare(
        attempt,
        cases,
        by_definition,
        rule="add up the probabilities of all alignments that collapse to the label",
    )
    for log_probs in lattices(range(2, 4)):
        labels = words((1, 2), len(log_probs))
        total = sum(attempt(log_probs, label) for label in labels)
        if not math.isclose(total, 1.0, rel_tol=1e-4):
            raise Broken(
                "the probabilities of all labels add up to 1", f"they add up to {total:.4g}"
            )
    return (
        f"It agrees with the definition in {len(cases)} cases, and over all labels it adds up to "
        "1. The CTC loss is minus the logarithm of this number."
    )


# 4.3 ----------------------------------------------------------------------------------------------


def log_sum_exp(values):
    largest = max(values)
    if largest == -math.inf:
        return -math.inf  # nothing is possible, and -inf - -inf would be nan
    return largest + math.log(sum(math.exp(value - largest) for value in values))


SHIFT = "subtract the largest value first: exp(-800) is 0 in a float, exp(800) too large for one"
NOTHING = "if all are -inf, the answer is -inf: -inf minus -inf is nan"


def check_log_sum_exp(attempt: Attempt) -> str:
    tame = [[math.log(p) for p in word] for word in words((0.1, 0.2, 0.7), 3, shortest=1)]
    wild = [[-800.0, -800.0], [-800.0, -801.0, -900.0], [800.0, 799.0], [-800.0, 0.0]]
    some = [[-math.inf, -1.0], [-2.0, -math.inf], [-math.inf, -800.0, -math.inf]]
    none = [[-math.inf], [-math.inf, -math.inf]]
    oracle = {
        id(v): torch.tensor(v).double().logsumexp(0).item() for v in tame + wild + some + none
    }
    for values in tame + wild + some + none:
        rule = SHIFT if values in wild else NOTHING if values in none else ""
        try:
            compare(
                attempt,
                [(values,)],
                lambda v, values=values: oracle[id(values)],
                rule=rule or "it is the logarithm of the sum of the exponentials",
            )
        except Broken as broken:
            if rule and " raises " in broken.rule:
                raise Broken(rule, "", broken.rule) from None
            raise
    return (
        "It survives sums that no float can hold, and states that cannot be reached. Every sum in "
        "CTC goes through this function."
    )


# 4.4 ----------------------------------------------------------------------------------------------


def alpha_step(alpha, states, emitted):
    new = torch.full_like(alpha, -math.inf)
    for s in range(len(states)):
        ways = [alpha[s]]  # stay
        if s >= 1:
            ways.append(alpha[s - 1])  # come from the state before
        if s >= 2 and states[s] != 0 and states[s] != states[s - 2]:
            ways.append(alpha[s - 2])  # pass the blank between different characters
        new[s] = torch.stack(ways).logsumexp(0) + emitted[s]
    return new


def check_alpha_step(attempt: Attempt) -> str:
    count = compare(
        attempt,
        [case for case, _ in steps()],
        look_up(steps()),
        rule="log-sum-exp over the ways into each state, plus its emission",
        example=lambda case, got: f"states {case[1].tolist()}",
    )
    return f"All {count} steps are right. T such steps take the place of millions of alignments."


# 4.5 ----------------------------------------------------------------------------------------------


def logit_gradient(log_probs, states, alpha, beta):
    through = alpha + beta  # log of the sum of all alignments through (t, s)
    occupancy = (through - through[0].logsumexp(0)).exp()  # (T, S), each frame adds up to 1
    gamma = torch.zeros_like(log_probs)
    for s, c in enumerate(states):
        gamma[:, c] += occupancy[:, s]  # several states have the same class
    return log_probs.exp() - gamma


def check_logit_gradient(attempt: Attempt) -> str:
    count = compare(
        attempt,
        [case for case, _ in gradients()],
        look_up(gradients()),
        rule="it is p minus gamma, (T, C): p = log_probs.exp(), and gamma the occupancy of classes",
        example=lambda case, got: f"states {case[1].tolist()}, {plural(len(case[0]), 'frame')}",
    )
    return (
        f"In {count} cases it is what autograd finds for the logits. Each frame is pushed from "
        "what the network says towards what the alignments want, and no harder than they differ."
    )


EXERCISES = (
    Exercise(
        id="4.1",
        title="one alignment",
        task="Write alignment_log_prob(log_probs, alignment): the log-probability of one "
        "alignment, from log_probs (T, C) and T class indices.",
        check=check_alignment_log_prob,
        returns=as_number,
        reference=alignment_log_prob,
        mistakes=(
            Mistake(
                "stay in log space: return the logarithm, not the probability",
                wrong.as_a_probability,
            ),
            Mistake("probabilities are multiplied, so logarithms are added", wrong.logs_multiplied),
            Mistake(
                "log_probs[:, alignment] takes each class in every frame; take one per frame",
                wrong.all_pairs,
            ),
            Mistake(
                "take frame t for the class at place t, not always the first",
                wrong.first_frame_only,
            ),
            Mistake(
                "take the classes of the alignment, not the most probable ones", wrong.best_classes
            ),
            Mistake("add up, and do not divide by the number of frames", wrong.averaged),
            Mistake("a blank has a probability too, and it counts", wrong.without_blanks),
            Mistake("this is the log-probability; the loss has the minus sign", wrong.negative),
        ),
        hints=(
            "What is the probability of 1 in frame 0 and, independently, of the blank in frame 1?",
            "Probabilities of independent frames are multiplied. What does that mean for "
            "logarithms?",
            "Go through t, c in enumerate(alignment) and add up log_probs[t, c].",
        ),
    ),
    Exercise(
        id="4.2",
        title="one label, the slow way",
        task="Write label_probability(log_probs, label): the probability of a label, by adding up "
        "its alignments. The blank is class 0. A label that does not fit has probability 0.",
        check=check_label_probability,
        returns=as_number,
        reference=label_probability,
        mistakes=(
            Mistake("add up all alignments, not only the best one", wrong.best_alignment_only),
            Mistake(
                "turn log-probabilities into probabilities before you add them up", wrong.logs_added
            ),
            Mistake(
                "alignments exclude each other, so add their probabilities",
                wrong.probabilities_multiplied,
            ),
            Mistake(
                "add up, and do not divide by the number of alignments", wrong.average_alignment
            ),
            Mistake("return the probability itself here, not its logarithm", wrong.in_log_space),
            Mistake(
                "an alignment counts if it collapses to the label: merge, then drop",
                wrong.collapsed_in_the_wrong_order,
            ),
        ),
        hints=(
            "Which alignments of two frames collapse to 1? Write them down, with their "
            "probabilities.",
            "alignments(label, frames) of crnn_lib.ctc lists them. Exercise 4.1 gives the "
            "log-probability of each.",
            "Add up math.exp(alignment_log_prob(log_probs, a)) for a in "
            "alignments(label, len(log_probs)).",
        ),
    ),
    Exercise(
        id="4.3",
        title="a sum in log space",
        task="Write log_sum_exp(values): the logarithm of the sum of the exponentials of a list of "
        "floats, even if they are -800, 800 or -inf.",
        check=check_log_sum_exp,
        returns=as_number,
        reference=log_sum_exp,
        mistakes=(
            Mistake(SHIFT, wrong.plain),
            Mistake(NOTHING, wrong.nan_for_nothing),
            Mistake("the largest value is not the whole sum", wrong.largest_only),
            Mistake(
                "adding logarithms multiplies: go back to probabilities for a sum",
                wrong.logs_summed,
            ),
            Mistake("add the largest value again at the end", wrong.largest_not_added_back),
            Mistake(
                "take the logarithm of the sum, with the largest value's 1 in it",
                wrong.skip_the_largest,
            ),
        ),
        hints=(
            "What is math.exp(-800)? And its logarithm?",
            "log(exp(a) + exp(b)) = m + log(exp(a - m) + exp(b - m)), for any m. Which m keeps the "
            "exponentials in range?",
            "Take m = max(values). If m is -inf, return -inf at once.",
        ),
    ),
    Exercise(
        id="4.4",
        title="one step forwards",
        task="Write alpha_step(alpha, states, emitted): alpha (S,) of the frame before, the "
        "states' classes (S,) with the blank 0, and their log-probabilities (S,) in this frame; "
        "return this frame's alpha (S,).",
        check=check_alpha_step,
        returns=as_tensor,
        reference=alpha_step,
        mistakes=(
            Mistake(
                "pass the blank between different characters: a third way in", wrong.never_passing
            ),
            Mistake(
                "the blank between equal characters may not be passed", wrong.passing_between_equals
            ),
            Mistake(
                "a character may not be passed, or it would be missing in the label",
                wrong.passing_characters,
            ),
            Mistake("staying in a state is a way into it", wrong.never_staying),
            Mistake("add up all ways in; the best alone is the Viterbi path", wrong.best_way_only),
            Mistake(
                "ways are alternatives: log-sum-exp, for adding logarithms multiplies",
                wrong.ways_multiplied,
            ),
            Mistake(
                "add the state's log-probability in this frame, `emitted`",
                wrong.without_the_emission,
            ),
            Mistake(
                "nothing comes before state 0; alpha[-1] is the last state", wrong.around_the_corner
            ),
            Mistake("read from the old alpha and write into a new one", wrong.in_place),
        ),
        hints=(
            "From which states can one come into a blank? Into a character?",
            "Into every state: from itself, and from the one before. Into a character also from "
            "two before, if the blank between may be left out. When may it?",
            "For each s collect alpha[s], alpha[s - 1] if s >= 1, and alpha[s - 2] if states[s] is "
            "not the blank and differs from states[s - 2]. Take their logsumexp, add emitted[s].",
        ),
    ),
    Exercise(
        id="4.5",
        title="the gradient",
        task="Write logit_gradient(log_probs, states, alpha, beta): the gradient (T, C) of the "
        "loss for the logits, p - gamma. beta leaves out the probability of its own frame.",
        check=check_logit_gradient,
        returns=as_tensor,
        reference=logit_gradient,
        mistakes=(
            Mistake("the loss falls where gamma is larger: it is p - gamma", wrong.other_sign),
            Mistake(
                "several states have the same class: add their occupancies up",
                wrong.last_state_wins,
            ),
            Mistake(
                "divide by the probability of the label, so that each frame adds up to 1",
                wrong.not_normalised,
            ),
            Mistake(
                "alpha has the emission, beta has not: the sum is right as it is",
                wrong.emission_taken_out,
            ),
            Mistake(
                "this is the gradient for log_probs; log_softmax adds p to it", wrong.for_log_probs
            ),
            Mistake("p is a probability: log_probs.exp()", wrong.without_exp),
            Mistake(
                "the loss of a line is no average over frames: divide by nothing",
                wrong.averaged_over_frames,
            ),
        ),
        hints=(
            "alpha + beta at (t, s) is the log of a sum. Of which alignments?",
            "(alpha + beta - log P).exp() is the share of the alignments that pass state s at "
            "frame t. log P is the logsumexp of alpha + beta over the states of any one frame.",
            "For each state s, add its share to column states[s] of gamma. The result is "
            "log_probs.exp() - gamma.",
        ),
    ),
)
