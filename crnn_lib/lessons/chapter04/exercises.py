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
    steps_backwards,
    steps_forwards,
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
        example=lambda case, got: f"label {case[1]}, {plural(len(case[0]), 'frame')}",
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


def alpha_step(alpha, states, emitted):
    new = []
    for s in range(len(states)):
        ways = alpha[s]  # stay
        if s >= 1:
            ways += alpha[s - 1]  # next
        if s >= 2 and states[s] != states[s - 2]:
            ways += alpha[s - 2]  # skip
        new.append(ways * emitted[s])
    return new


def check_alpha_step(attempt: Attempt) -> str:
    count = compare(
        attempt,
        [case for case, _ in steps_forwards()],
        look_up(steps_forwards()),
        rule="add up the ways into each state, and multiply by its probability in this frame",
        example=lambda case, got: f"states {case[1]}",
    )
    return f"All {count} steps are right. T such steps take the place of millions of alignments."


# 4.4 ----------------------------------------------------------------------------------------------


def log_sum_exp(values):
    largest = max(values)
    if largest == -math.inf:
        return -math.inf  # nothing is possible, and -inf - -inf would be nan
    return largest + math.log(sum(math.exp(value - largest) for value in values))


RANGE = "exp(-800) is 0 in a float, and exp(800) is too large for one: take no such exponential"
SUBTRACTED = "one value is -inf, and so is what is subtracted from it: -inf minus -inf is nan"
NOTHING = "where all are -inf, the answer is -inf; but -inf minus -inf is nan, and log 0 an error"


def check_log_sum_exp(attempt: Attempt) -> str:
    tame = [[math.log(p) for p in word] for word in words((0.1, 0.2, 0.7), 3, shortest=1)]
    wild = [[-800.0, -800.0], [-800.0, -801.0, -900.0], [800.0, 799.0], [-800.0, 0.0]]
    some = [[-math.inf, -1.0], [-2.0, -math.inf], [-math.inf, -800.0, -math.inf]]
    none = [[-math.inf], [-math.inf, -math.inf]]
    oracle = {
        tuple(values): torch.tensor(values).double().logsumexp(0).item()
        for values in tame + wild + some + none
    }
    plain = "it is the logarithm of the sum of the exponentials"
    for group, rule in ((tame, plain), (wild, RANGE), (some, plain), (none, NOTHING)):
        try:
            compare(
                attempt,
                [(values,) for values in group],
                lambda values: oracle[tuple(values)],
                rule=lambda case, got, rule=rule: (
                    SUBTRACTED if got != got and max(case[0]) > -math.inf else rule
                ),
            )
        except Broken as broken:
            if rule != plain and " raises " in broken.rule:
                raise Broken(rule, "", broken.rule) from None
            raise
    return (
        "It survives sums that no float can hold, and states that cannot be reached. Every sum in "
        "CTC goes through this function."
    )


# 4.5 ----------------------------------------------------------------------------------------------


def beta_step(beta, states, emitted):
    ahead = beta + emitted  # the frame after, and all that follows it
    new, last = [], len(states) - 1
    for s in range(len(states)):
        ways = [ahead[s]]  # stay
        if s + 1 <= last:
            ways.append(ahead[s + 1])  # next
        if s + 2 <= last and states[s] != states[s + 2]:
            ways.append(ahead[s + 2])  # skip
        new.append(torch.stack(ways).logsumexp(0))
    return torch.stack(new)


def check_beta_step(attempt: Attempt) -> str:
    count = compare(
        attempt,
        [case for case, _ in steps_backwards()],
        look_up(steps_backwards()),
        rule="log-sum-exp over the ways out of each state, each with the frame that it leads to",
        example=lambda case, got: f"states {case[1].tolist()}",
    )
    return f"All {count} steps are right. Alpha and beta meet in every frame."


# 4.6 ----------------------------------------------------------------------------------------------


def logit_gradient(log_probs, states, alpha, beta):
    through = alpha + beta  # log of the sum of all alignments through (t, s)
    by_state = (through - through[0].logsumexp(0)).exp()  # (T, S), each frame adds up to 1
    gamma = torch.zeros_like(log_probs)
    for s, c in enumerate(states):
        gamma[:, c] += by_state[:, s]  # several states have the same class
    return log_probs.exp() - gamma


def check_logit_gradient(attempt: Attempt) -> str:
    count = compare(
        attempt,
        [case for case, _ in gradients()],
        look_up(gradients()),
        rule="it is p minus gamma, (T, C): p = log_probs.exp(), and gamma added up for each class",
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
                "this is the probability; its logarithm was asked",
                wrong.as_a_probability,
            ),
            Mistake(
                "the logarithms are multiplied, as if they were probabilities",
                wrong.logs_multiplied,
            ),
            Mistake(
                "log_probs[:, alignment] takes each of these classes in every frame",
                wrong.all_pairs,
            ),
            Mistake(
                "all classes are looked up in frame 0",
                wrong.first_frame_only,
            ),
            Mistake(
                "these are the most probable classes, not those of the alignment",
                wrong.best_classes,
            ),
            Mistake("this is an average over the frames", wrong.averaged),
            Mistake(
                "the probabilities are added, as if one frame or another had to fit",
                wrong.probabilities_added,
            ),
            Mistake(
                "the blanks are left out, and they have a probability like any class",
                wrong.without_blanks,
            ),
            Mistake("the sign is turned: the minus belongs to the loss", wrong.negative),
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
            Mistake(
                "this is the best alignment alone; the others say the same text",
                wrong.best_alignment_only,
            ),
            Mistake(
                "the alignments are multiplied, as if all of them happened at once",
                wrong.probabilities_multiplied,
            ),
            Mistake("this is an average over the alignments", wrong.average_alignment),
            Mistake("this is log P; P was asked", wrong.in_log_space),
            Mistake(
                "logarithms are added here, which multiplies the probabilities", wrong.logs_added
            ),
            Mistake(
                "this is the loss, minus the logarithm of the probability", wrong.loss_returned
            ),
            Mistake(
                "these alignments were collapsed in the wrong order: `1-1` is not `1`",
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
        title="one step forwards",
        task="Write alpha_step(alpha, states, emitted): alpha of the frame before, the states' "
        "classes with the blank 0, and their probabilities in this frame, each a list with an "
        "entry for each state; return this frame's alpha.",
        check=check_alpha_step,
        returns=as_tensor,
        reference=alpha_step,
        mistakes=(
            Mistake(
                "there is no way past a blank here: every text would need one in each gap",
                wrong.never_skipping,
            ),
            Mistake(
                "an arrow leads from a character straight to its equal: the two would merge",
                wrong.skipping_between_equals,
            ),
            Mistake(
                "an arrow leads from blank to blank: the character between would be missing",
                wrong.skipping_characters,
            ),
            Mistake(
                "every state has a skip into it: characters get lost, and equals merge",
                wrong.skipping_everywhere,
            ),
            Mistake("no class can last for two frames here", wrong.never_staying),
            Mistake("no arrow leads from a state to the one after it", wrong.never_going_on),
            Mistake(
                "only the best way into a state is counted; the others are alternatives too",
                wrong.best_way_only,
            ),
            Mistake(
                "the ways into a state are multiplied, as if one came by all of them at once",
                wrong.ways_multiplied,
            ),
            Mistake("this frame's own probability is nowhere in it", wrong.without_the_emission),
            Mistake(
                "the frame's probability is added to the ways; both have to happen",
                wrong.emission_added,
            ),
            Mistake(
                "emitted has an entry for each state, and this takes them by the class's number",
                wrong.emitted_by_class,
            ),
            Mistake(
                "each way has the probability of the state that it comes from",
                wrong.emission_of_the_source,
            ),
            Mistake(
                "an arrow leads from the end of the label to its beginning: Python counts negative "
                "indices from the end",
                wrong.around_the_corner,
            ),
            Mistake(
                "an arrow leads from the end of the label to its beginning: Python counts negative "
                "indices from the end",
                wrong.next_around_the_corner,
            ),
            Mistake(
                "a state has read this frame's alpha of a state above it, not the old one",
                wrong.in_place,
            ),
            Mistake(
                "the new alpha is scaled to add up to 1, and what it added up to is lost",
                wrong.scaled,
            ),
        ),
        hints=(
            "From which states can one come into a blank? Into a character?",
            "Into every state: from itself, and from the one before. Into a character also from "
            "two before, if the blank between may be left out. When may it?",
            "For each s add up alpha[s], alpha[s - 1] if s >= 1, and alpha[s - 2] if s >= 2 and "
            "states[s] differs from states[s - 2]. Multiply the sum by emitted[s].",
        ),
    ),
    Exercise(
        id="4.4",
        title="a sum in log space",
        task="Write log_sum_exp(values): the logarithm of the sum of the exponentials of a list of "
        "floats, even if they are -800, 800 or -inf.",
        check=check_log_sum_exp,
        returns=as_number,
        reference=log_sum_exp,
        mistakes=(
            Mistake(RANGE, wrong.plain),
            Mistake(NOTHING, wrong.nan_for_nothing),
            Mistake(SUBTRACTED, wrong.mean_subtracted),
            Mistake("the largest value is taken for the whole sum", wrong.largest_only),
            Mistake(
                "the logarithms themselves are added, which multiplies the probabilities",
                wrong.logs_summed,
            ),
            Mistake(
                "all values were moved by the largest, and the answer was not moved back",
                wrong.largest_not_added_back,
            ),
            Mistake(
                "the sum of the others is added as it is, without its logarithm",
                wrong.skip_the_largest,
            ),
            Mistake("this is the sum itself, not its logarithm", wrong.without_the_log),
            Mistake("this is the logarithm of the average, not of the sum", wrong.log_mean_exp),
        ),
        hints=(
            "What is math.exp(-800)? And its logarithm?",
            "log(exp(a) + exp(b)) = m + log(exp(a - m) + exp(b - m)), for any m. Which m keeps the "
            "exponentials in range?",
            "Take m = max(values). If m is -inf, return -inf at once.",
        ),
    ),
    Exercise(
        id="4.5",
        title="one step backwards",
        task="Write beta_step(beta, states, emitted): log beta (S,) of the frame after, the "
        "states' classes (S,) with the blank 0, and their log-probabilities (S,) in the frame "
        "after; return this frame's log beta (S,).",
        check=check_beta_step,
        returns=as_tensor,
        reference=beta_step,
        mistakes=(
            Mistake(
                "the frame after is one of those still to come, and its probability is missing",
                wrong.beta_without_emission,
            ),
            Mistake(
                "each way has the probability of the state that it leaves, and leads to another",
                wrong.beta_emission_of_the_source,
            ),
            Mistake(
                "these are the arrows into a state, as for alpha; beta looks the other way",
                wrong.beta_with_alphas_arrows,
            ),
            Mistake(
                "an arrow leads from a character straight to its equal: the two would merge",
                wrong.beta_skipping_between_equals,
            ),
            Mistake(
                "an arrow leads from blank to blank: the character between would be missing",
                wrong.beta_skipping_characters,
            ),
            Mistake(
                "there is no way past a blank here: every text would need one in each gap",
                wrong.beta_never_skipping,
            ),
            Mistake(
                "every state has a skip out of it: characters get lost, and equals merge",
                wrong.beta_skipping_everywhere,
            ),
            Mistake(
                "the skip leads two states ahead, and was allowed by the state two before",
                wrong.beta_comparing_backwards,
            ),
            Mistake("no class can last for two frames here", wrong.beta_never_staying),
            Mistake(
                "only the best way out of a state is counted; the others are alternatives too",
                wrong.beta_best_way_only,
            ),
            Mistake(
                "adding the logarithms of the ways multiplies them, as if one took all at once",
                wrong.beta_ways_multiplied,
            ),
            Mistake(
                "an arrow leads from the end of the label to its beginning",
                wrong.beta_around_the_corner,
            ),
            Mistake("these are probabilities; log beta was asked", wrong.beta_as_probabilities),
            Mistake(
                "a state has read this frame's beta of a state below it, not the old one",
                wrong.beta_in_place,
            ),
        ),
        hints=(
            "Where can one go from a blank? From a character? Which states have no such way?",
            "Going on to a state costs its probability in the frame after; from there on, its old "
            "beta. In logarithms: beta + emitted, before anything is added up.",
            "With ahead = beta + emitted, collect ahead[s], ahead[s + 1] if there is one, and "
            "ahead[s + 2] if there is one and states[s] differs from states[s + 2]. Take their "
            "logsumexp.",
        ),
    ),
    Exercise(
        id="4.6",
        title="the gradient",
        task="Write logit_gradient(log_probs, states, alpha, beta): the gradient (T, C) of the "
        "loss for the logits, p - gamma. beta leaves out the probability of its own frame.",
        check=check_logit_gradient,
        returns=as_tensor,
        reference=logit_gradient,
        mistakes=(
            Mistake("the signs are turned: this way the loss rises", wrong.other_sign),
            Mistake(
                "several states have the same class, and only the last of them counts here",
                wrong.last_state_wins,
            ),
            Mistake(
                "gamma is divided by the sum over frames: here each state's shares add up to 1",
                wrong.normalised_over_frames,
            ),
            Mistake(
                "gamma is divided by the sum over all crossings, and each frame counts them all",
                wrong.normalised_over_all,
            ),
            Mistake(
                "this is alpha x beta, not its share: the frames of gamma do not add up to 1",
                wrong.not_normalised,
            ),
            Mistake(
                "P counts ways that end too early, so the frames of gamma do not add up to 1",
                wrong.divided_by_all_last_alphas,
            ),
            Mistake(
                "alpha x beta was divided by the frame's probability, which only alpha holds",
                wrong.emission_taken_out,
            ),
            Mistake(
                "alpha x beta was divided by the frame's probability, which only alpha holds",
                wrong.emission_taken_out_late,
            ),
            Mistake(
                "the frame's probability is in alpha already, and here it counts twice",
                wrong.emission_twice,
            ),
            Mistake("this is -gamma: what the network said is missing", wrong.for_log_probs),
            Mistake(
                "this is divided by p, as for the probabilities themselves; logits were asked",
                wrong.divided_by_p,
            ),
            Mistake(
                "this is divided by p, as for the probabilities themselves; logits were asked",
                wrong.for_probabilities,
            ),
            Mistake("gamma is taken from log p, not from p", wrong.without_exp),
            Mistake("gamma is left in logarithms", wrong.gamma_in_logs),
            Mistake("this is gamma itself", wrong.gamma_alone),
            Mistake(
                "this is divided by the number of frames; the loss adds nothing up over frames",
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
