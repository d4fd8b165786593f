"""Exercises of notebook 08: language and constraints."""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import product

import torch
from torch import Tensor

from crnn_lib.language import luhn
from crnn_lib.lessons.chapter07.exercises import as_beam, by_keeping_alignments, lattices
from crnn_lib.lessons.chapter08 import mistakes as wrong
from crnn_lib.lessons.engine import (
    Attempt,
    Broken,
    Exercise,
    Mistake,
    Unreadable,
    as_count,
    as_tensor,
    compare,
    plural,
    show,
    words,
)


def as_texts(value: object) -> list[str]:
    """A list of texts, also from a tuple."""
    if type(value) not in (list, tuple) or any(type(text) is not str for text in value):
        raise Unreadable(f"{show(value)}, where a list of texts should be")
    return list(value)


def as_yes_or_no(value: object) -> bool:
    """True or False, nothing else that would pass for one."""
    if type(value) is not bool:
        raise Unreadable(f"{show(value)}, where True or False should be")
    return value


# 8.1 ----------------------------------------------------------------------------------------------


def rerank(candidates, weight, bonus):
    def score(candidate):
        text, network, language = candidate
        if language == -math.inf:
            return -math.inf  # 0 * -inf is nan: what is forbidden stays forbidden
        return network + weight * language + bonus * len(text)

    return [candidate[0] for candidate in sorted(candidates, key=score, reverse=True)]


def by_duels(candidates: list[tuple[str, float, float]], weight: float, bonus: float) -> list[str]:
    """Whoever wins more duels stands further ahead: the oracle."""

    def wins(one: tuple[str, float, float], other: tuple[str, float, float]) -> bool:
        if -math.inf in (one[2], other[2]):
            return one[2] > other[2]
        by_length = bonus * (len(one[0]) - len(other[0]))
        return one[1] - other[1] + weight * (one[2] - other[2]) + by_length > 0

    won = {one[0]: sum(wins(one, other) for other in candidates) for one in candidates}
    return sorted(won, key=won.get, reverse=True)


def candidate_lists() -> list[tuple[list[tuple[str, float, float]], float, float]]:
    """Candidates with no two scores alike, the small lists first."""
    pair = [("55207", -1.0, -9.0), ("55201", -0.5, -12.0)]
    short = [("500", -0.5, -4.0), ("5000", -1.0, -5.0)]
    never = [("55207", -2.0, -6.0), ("55201", -0.5, -math.inf)]
    cases = [(pair, 0.0, 0.0), (pair, 1.0, 0.0), (pair, 0.125, 0.0), (short, 1.0, 0.0)]
    cases += [(short, 1.0, 2.0), (short, 0.0, 1.0), (never, 1.0, 0.0), (never, 0.0, 0.0)]
    cases.append((never[::-1], 0.0, 0.0))  # 0 times infinity is no number, wherever it stands
    generator = torch.Generator().manual_seed(8)
    texts = ["5", "52", "552", "5520", "55207", "7", "07", "207"]
    for size, weight, bonus in product((3, 4, 5), (0.25, 1.0), (0.0, 1.5, -0.75)):
        chosen = torch.randperm(len(texts), generator=generator)[:size].tolist()
        numbers = -8 * torch.rand(size, 2, generator=generator, dtype=torch.float64)
        rows = [
            (texts[k], *map(float, row)) for k, row in zip(chosen, numbers.tolist(), strict=True)
        ]
        cases.append((rows, weight, bonus))
    return cases


def _why_another_order(case: tuple, got: list[str]) -> str:
    candidates, weight, _ = case
    if weight == 0 and any(language == -math.inf for _, _, language in candidates):
        return (
            "at weight 0, 0 * -inf is nan, which is neither larger nor smaller than any score: the "
            "order is chance. A forbidden text comes last at any weight"
        )
    return "add network + weight * language + bonus * length, and put the largest first"


def check_rerank(attempt: Attempt) -> str:
    count = compare(
        attempt,
        candidate_lists(),
        by_duels,
        rule=_why_another_order,
        example=lambda case, got: f"weight {case[1]:g}, bonus {case[2]:g}",
    )
    return f"Right on all {count} lists. The decoder does the same to whole beams, frame by frame."


# 8.2 ----------------------------------------------------------------------------------------------


def passes_luhn(digits):
    total = 0
    for place, character in enumerate(reversed(digits)):
        digit = int(character)
        if place % 2 == 1:
            digit = 2 * digit - 9 * (digit > 4)
        total += digit
    return total % 10 == 0


def check_passes_luhn(attempt: Attempt) -> str:
    automaton = luhn("0123456789")
    cases = [("".join(word),) for word in words("0123456789", 2, shortest=2)]
    cases += [("55202",), ("55207",), ("4111111111111111",), ("4111111111111112",)]
    generator = torch.Generator().manual_seed(8)
    for length in (3, 4, 5, 8, 15, 16):
        for _ in range(12):
            digits = torch.randint(10, (length - 1,), generator=generator).tolist()
            start = "".join(map(str, digits))
            right = next(c for c in "0123456789" if automaton.accepts(start + c))
            cases += [(start + right,), (start + str(digits[0]),)]
    count = compare(
        attempt,
        cases,
        automaton.accepts,
        rule="from the right, double every second digit, take 9 off what has two digits, and add "
        "all of them: the sum ends in 0",
        example=lambda case, got: case[0],
    )
    return f"All {count} numbers are judged as the automaton judges them."


# 8.3 ----------------------------------------------------------------------------------------------


def next_state(remainder, digit):
    return (10 * remainder + digit) % 7


def by_whole_number(remainder: int, digit: int) -> int:
    """A number with that remainder is written down, and the digit behind it: the oracle."""
    number = next(n for n in range(21, 28) if n - 7 * (n // 7) == remainder)
    longer = int(f"{number}{digit}")
    return longer - 7 * (longer // 7)


def check_next_state(attempt: Attempt) -> str:
    cases = sorted(product(range(7), range(10)), key=sum)
    compare(
        attempt,
        cases,
        by_whole_number,
        rule="one more digit makes of the number n the number 10 n + digit: take its remainder",
        example=lambda case, got: f"remainder {case[0]}, then a {case[1]}",
    )
    return (
        f"All {len(cases)} arrows are right. Seven states suffice for numbers of any length: the "
        "remainder is all that has to be remembered."
    )


# 8.4 ----------------------------------------------------------------------------------------------


def beam_with_rule(probs, beam_width, first, step, accepts):
    beam, state_of = {(): (1.0, 0.0)}, {(): first}
    for frame in probs.tolist():
        grown = defaultdict(lambda: [0.0, 0.0])
        for prefix, (at_blank, at_char) in beam.items():
            grown[prefix][0] += (at_blank + at_char) * frame[0]
            for c, p in enumerate(frame[1:], start=1):
                repeats = prefix[-1:] == (c,)
                if repeats:
                    grown[prefix][1] += at_char * p
                state = step(state_of[prefix], c)
                if state is not None:
                    state_of[(*prefix, c)] = state
                    grown[(*prefix, c)][1] += (at_blank if repeats else at_blank + at_char) * p
        best = sorted(grown, key=lambda prefix: sum(grown[prefix]), reverse=True)
        beam = {prefix: grown[prefix] for prefix in best[:beam_width]}
    return {prefix: sum(both) for prefix, both in beam.items() if accepts(state_of[prefix])}


def even_sum(state: int, c: int) -> int:
    """the classes sum to an even number"""
    return (state + c) % 2


def at_most_two(state: int, c: int) -> int | None:
    """no more than two characters, and two in the end"""
    return state + 1 if state < 2 else None


def never_2_after_1(state: int, c: int) -> int | None:
    """a 2 never follows a 1, and the last is a 2"""
    return None if (state, c) == (1, 2) else c


def never_1_after_2(state: int, c: int) -> int | None:
    """a 1 never follows a 2, and the last is a 2"""
    return None if (state, c) == (2, 1) else c


def is_0(state: int) -> bool:
    return state == 0


def is_2(state: int) -> bool:
    return state == 2


#: First state, step, and which states are accepted at the end.
RULES = (
    (0, even_sum, is_0),
    (0, at_most_two, is_2),
    (0, never_2_after_1, is_2),
    (0, never_1_after_2, is_2),  # forbids a class, and not the one behind it
)


def by_judging_each_prefix(
    probs: Tensor, beam_width: int, first: int, step: Callable, accepts: Callable
) -> dict[tuple[int, ...], float]:
    """Alignments in heaps, as in 7.3; each prefix is judged anew from its beginning: the oracle."""

    def state_after(label: Iterable[int]) -> int | None:
        state = first
        for c in label:
            state = None if state is None else step(state, c)
        return state

    found = by_keeping_alignments(probs, beam_width, lambda label: state_after(label) is not None)
    return {label: p for label, p in found.items() if accepts(state_after(label))}


def what_was_asked(attempt: Attempt, probs: Tensor, width: int, rule: tuple) -> str:
    """What step or accepts was asked that is no question for them, in words; or nothing."""
    first, step, accepts = rule
    classes, states = set(), []

    def asked_step(state: int, c: int) -> int | None:
        classes.add(int(c))
        return step(state, c)

    def asked_accepts(state: object) -> bool:
        states.append(state)
        return accepts(state)

    with contextlib.suppress(Broken):
        attempt(probs, width, first, asked_step, asked_accepts)
    if 0 in classes:
        if probs.shape[1] - 1 in classes:
            return "step was asked about class 0: a blank is no new character, the state stays"
        return "step was asked about the class before the one meant: the classes count from 0"
    if any(isinstance(state, (tuple, list)) for state in states):
        return "accepts was asked about a prefix: it judges the state of one"
    return ""


def check_beam_with_rule(attempt: Attempt) -> str:
    sizes = [(1, 3), (2, 3), (3, 3), (4, 3), (5, 3)]
    tables = [lattice.exp() for lattice in lattices(sizes, 2, 1.0)]
    cases = [
        (probs, width, *rule) for probs in tables for rule in RULES for width in (1000, 4, 2, 1)
    ]
    try:
        count = compare(
            attempt,
            cases,
            by_judging_each_prefix,
            rule="a prefix takes a new character only where step gives a state, and in the end "
            "only accepted prefixes count; all else, and the sums too, are as in 7.3",
            example=lambda case, got: (
                f"the rule: {case[3].__doc__}; {plural(len(case[0]), 'frame')}, a beam of {case[1]}"
            ),
        )
    except Broken as broken:
        with attempt.aside():
            broken.rule = what_was_asked(attempt, tables[2], 4, RULES[0]) or broken.rule
        raise
    return (
        f"All {count} beams keep to their rule. Whatever can be said by an automaton, your search "
        "can now be told."
    )


# 8.5 ----------------------------------------------------------------------------------------------


def bigram_table(texts, characters):
    counts = torch.ones(len(characters), len(characters))
    for text in texts:
        for first, second in zip(text, text[1:], strict=False):
            counts[characters.index(first), characters.index(second)] += 1
    return counts / counts.sum(1, keepdim=True)


def by_looking_for_pairs(texts: list[str], characters: str) -> Tensor:
    """Each pair is looked for in each text: the oracle."""
    rows = []
    for first in characters:
        found = [
            1 + sum(text[i : i + 2] == first + second for text in texts for i in range(len(text)))
            for second in characters
        ]
        rows.append([count / sum(found) for count in found])
    return torch.tensor(rows, dtype=torch.float64)


def _why_another_table(case: tuple, got: Tensor) -> str:
    if got.shape == (len(case[1]),) * 2 and bool(got.isnan().any()):
        return (
            "a row in which no pair was seen is 0 / 0, and that is nan: each count begins at 1, "
            "not at 0"
        )
    return "row by row: one more than how often this character followed, over the row's sum"


def check_bigram_table(attempt: Attempt) -> str:
    cases = [([], "57"), (["5"], "57"), (["57"], "57"), (["55", "7"], "57"), (["577"], "57")]
    cases += [(["75", "55"], "57"), (["55207"], "0257"), (["500", "50", "2000"], "0257")]
    generator = torch.Generator().manual_seed(8)
    for size in (3, 5, 10):
        characters = "0123456789"[:size]
        for count in (2, 5, 20):
            lengths = torch.randint(1, 7, (count,), generator=generator).tolist()
            drawn = [torch.randint(size, (n,), generator=generator).tolist() for n in lengths]
            cases.append(([("".join(characters[k] for k in text)) for text in drawn], characters))
    count = compare(
        attempt,
        cases,
        by_looking_for_pairs,
        rule=_why_another_table,
        example=lambda case, got: f"texts {show(case[0])}",
    )
    return f"All {count} tables agree. Each row sums to 1, and no pair has probability 0."


def with_a_slip(texts: list[str], generator: torch.Generator) -> list[str]:
    """Each number with one of its digits replaced by another, as a hasty writer would."""
    slips = []
    for text in texts:
        place, more = (int(torch.randint(n, (), generator=generator)) for n in (len(text), 9))
        digit = (int(text[place]) + 1 + more) % 10  # any but the right one
        slips.append(f"{text[:place]}{digit}{text[place + 1 :]}")
    return slips


EXERCISES = (
    Exercise(
        id="8.1",
        title="two opinions, one ranking",
        task="Write rerank(candidates, weight, bonus): candidates are (text, log P_ctc, "
        "log P_language); return the texts, the highest score first.",
        check=check_rerank,
        returns=as_texts,
        reference=rerank,
        mistakes=(
            Mistake("the bonus counts once for each character", wrong.bonus_per_text),
            Mistake("the language has a say, too", wrong.no_language),
            Mistake(
                "the weight belongs to the language, not to the network", wrong.weight_on_network
            ),
            Mistake("the highest score comes first", wrong.worst_first),
            Mistake("the bonus is added: it helps long texts", wrong.long_is_dear),
            Mistake(
                "the weight is for the language alone: the network keeps all of its say",
                wrong.network_weighed_too,
            ),
            Mistake("the weight belongs to the language, not to the network", wrong.weight_on_both),
            Mistake("the three terms are added, not multiplied", wrong.multiplied),
            Mistake("nothing is divided by the length of the text", wrong.shared_by_length),
            Mistake("the logarithms are added as they are", wrong.no_logarithms),
            Mistake("a forbidden text comes last, it is not left out", wrong.forbidden_left_out),
            Mistake(
                "a forbidden text costs more than any other, and here nothing at all",
                wrong.forbidden_for_nothing,
            ),
            Mistake("what the language forbids stays forbidden at weight 0", wrong.allowed_at_zero),
        ),
        hints=(
            "A candidate's score is one sum of three terms. sorted(..., key=..., reverse=True) "
            "puts the highest first.",
            "The length is len(text). And 0 * -math.inf is nan, which no sort can handle: what is "
            "forbidden gets the score -math.inf at once.",
            "score = network + weight * language + bonus * len(text), unless language == -math.inf",
        ),
    ),
    Exercise(
        id="8.2",
        title="the check digit",
        task="Write passes_luhn(digits): whether the string of digits has a right check digit. "
        "From the right, every second digit is doubled, less 9 if that has two digits; the sum "
        "of all ends in 0.",
        check=check_passes_luhn,
        returns=as_yes_or_no,
        reference=passes_luhn,
        mistakes=(
            Mistake(
                "count from the right: from the left it fits numbers of odd length only",
                wrong.from_the_left,
            ),
            Mistake(
                "count from the right: from the left it fits numbers of even length only",
                wrong.first_doubled,
            ),
            Mistake("the sum of all digits counts, the doubled ones too", wrong.doubled_alone),
            Mistake("the last digit is not doubled, the one before it is", wrong.last_doubled),
            Mistake("take 9 off a doubled digit that has two digits", wrong.nines_kept),
            Mistake("every second digit is doubled", wrong.all_plain),
            Mistake("every second digit is doubled, not each", wrong.each_doubled),
            Mistake("9 doubled, less 9, is 9: a remainder by 9 is 0", wrong.remainder_by_nine),
            Mistake("9 goes off where doubling made two digits, and only there", wrong.nine_always),
            Mistake("10 has two digits, too", wrong.ten_kept),
            Mistake("a sum of 0, 20 or 30 ends in 0 as well as 10 does", wrong.sum_is_ten),
            Mistake(
                "the check digit is a part of the sum, and not what the others sum to",
                wrong.compared_with_the_others,
            ),
        ),
        hints=(
            "Try 55202 on paper: from the right 2, 2 * 0, 2, 2 * 5 - 9, 5. What is the sum?",
            "for place, character in enumerate(reversed(digits)): the odd places are doubled.",
            "2 * digit - 9 * (digit > 4) doubles and takes the 9 off; in the end "
            "return total % 10 == 0.",
        ),
    ),
    Exercise(
        id="8.3",
        title="an automaton for multiples of 7",
        task="Write next_state(remainder, digit): a number is read from left to right, what was "
        "read so far leaves this remainder by 7. Which one is left after one more digit?",
        check=check_next_state,
        returns=as_count,
        reference=next_state,
        mistakes=(
            Mistake("a digit behind a number makes it ten times as large", wrong.sum_of_digits),
            Mistake("the number read so far is shifted, not the new digit", wrong.shifted_digit),
            Mistake("a state is a remainder by 7: there are seven of them", wrong.not_reduced),
            Mistake("the new digit counts, too", wrong.remainder_alone),
            Mistake("what was read before the new digit counts, too", wrong.digit_alone),
            Mistake("a quotient is no state: what is left over is", wrong.quotient),
            Mistake("the new digit is added, not multiplied", wrong.times_the_digit),
            Mistake("the new digit is added, not multiplied", wrong.plain_product),
            Mistake("the last digit is the remainder by 10; here it is by 7", wrong.by_ten),
            Mistake(
                "the sum has a remainder, too: a state goes from 0 to 6", wrong.reduced_too_early
            ),
        ),
        hints=(
            "You have read 55, then comes a 2. How does 552 come from 55 and 2?",
            "552 = 10 * 55 + 2, and remainders go along with sums and products.",
            "(10 * remainder + digit) % 7",
        ),
    ),
    Exercise(
        id="8.4",
        title="the automaton in the beam",
        task="Write beam_with_rule(probs, beam_width, first, step, accepts): the beam of 7.3, in "
        "which each prefix carries a state. The empty prefix has the state first. step(state, c) "
        "gives the state after one more character, or None if none may follow; accepts(state) says "
        "whether a label may end there. Return the accepted labels as 7.3 does.",
        check=check_beam_with_rule,
        returns=as_beam,
        reference=beam_with_rule,
        seconds=20.0,
        mistakes=(
            Mistake(
                "a character that lasts for another frame is no new one: the state stays",
                wrong.moved_while_it_lasts,
            ),
            Mistake(
                "a character that lasts for another frame is no new one: the state stays",
                wrong.moved_with_each_frame,
            ),
            Mistake(
                "a character that lasts may always last: the rule is asked for new ones only",
                wrong.stopped_while_it_lasts,
            ),
            Mistake(
                "in the end a prefix has to be accepted: ask accepts once, after the last frame",
                wrong.never_accepted,
            ),
            Mistake(
                "what is not accepted yet may still become so: ask accepts after the last frame, "
                "not before",
                wrong.accepted_too_early,
            ),
            Mistake(
                "what is not accepted yet may still become so: ask accepts after the last frame, "
                "not before",
                wrong.filtered_after_each_frame,
            ),
            Mistake(
                "where step gives None, the prefix does not exist, and takes no place in the beam",
                wrong.judged_at_the_end,
            ),
            Mistake(
                "each prefix has a state of its own: it comes from the state of the prefix that "
                "grew",
                wrong.one_state_for_all,
            ),
            Mistake(
                "each prefix has a state of its own: it comes from the state of the prefix that "
                "grew",
                wrong.always_from_the_first,
            ),
            Mistake(
                "a longer prefix has the state after its new character, not the one before it",
                wrong.state_of_the_shorter,
            ),
            Mistake(
                "where step gives None, no longer prefix exists, with whatever state",
                wrong.goes_on_without_a_state,
            ),
            Mistake(
                "that one class may not follow says nothing of the classes after it",
                wrong.stopped_at_the_first_none,
            ),
            Mistake(
                "that one class may not follow says nothing of the classes after it",
                wrong.stopped_growing,
            ),
            Mistake(
                "where two ways lead to the same prefix, both count: here the last one does",
                wrong.written_over,
            ),
            Mistake(
                "a repeated character is new after a blank only: from the other number it lasts",
                wrong.grown_from_both,
            ),
            Mistake("more prefixes stay than beam_width after a frame", wrong.all_kept),
            Mistake(
                "the sums of 7.3 were asked for: what the rule forbids is not shared out",
                wrong.stretched,
            ),
            Mistake("the rule is to be asked, not only the lattice", wrong.rule_forgotten),
            Mistake(
                "0 may be a state like any other: only None means that nothing may follow",
                wrong.nought_is_no_state,
            ),
        ),
        hints=(
            'Begin with your beam of 7.3; solution("7.3") prints one. Which of its four moves make '
            "a new character? Only there is step asked.",
            "Keep the states in a second dictionary, prefix to state. The state of a longer prefix "
            "is step(state of the prefix, c).",
            "if state is not None: note the longer prefix's state, and let it grow as before. In "
            "the end leave out the labels whose state is not accepted.",
        ),
    ),
    Exercise(
        id="8.5",
        title="what follows what",
        task="Write bigram_table(texts, characters): a tensor (K, K) whose row i says how likely "
        "each character comes after character i. Each count begins at 1; each row sums to 1.",
        check=check_bigram_table,
        returns=as_tensor,
        reference=bigram_table,
        mistakes=(
            Mistake(
                "begin each count at 1, or what was not seen is impossible", wrong.unseen_never
            ),
            Mistake("each row sums to 1, not each column", wrong.columns_sum),
            Mistake("each row sums to 1, not the whole table", wrong.table_sums),
            Mistake("the row is the character before, the column the one after", wrong.transposed),
            Mistake("the end of a text is not followed by the beginning of the next", wrong.joined),
            Mistake("the ones that were added belong to the row's sum", wrong.ones_not_counted),
            Mistake("the ones that were added belong to the row's sum", wrong.one_of_the_ones),
            Mistake("these are counts: no row sums to 1 yet", wrong.counts_alone),
            Mistake(
                "the row is the character before, the column the one after",
                wrong.turned_afterwards,
            ),
            Mistake("these are logarithms; probabilities were asked for", wrong.logarithms),
            Mistake(
                "softmax raises e to each count; a count is to be divided by the row's sum",
                wrong.softmax_of_counts,
            ),
            Mistake("a pair counts as often as it occurs", wrong.once_per_text),
            Mistake("a pair counts as often as it occurs", wrong.seen_or_not),
            Mistake("pairs share a character: 577 has 57, and 77 as well", wrong.every_other_pair),
            Mistake("a text may have more than one pair", wrong.first_pair_alone),
            Mistake(
                "pairs are counted: what follows what, not how often each occurs",
                wrong.characters_counted,
            ),
            Mistake("a character is not its own successor", wrong.character_with_itself),
            Mistake(
                "the row sums have the shape (K,), and divide along columns: which of them meets "
                "which count?",
                wrong.sums_across,
            ),
        ),
        hints=(
            "Start from torch.ones(K, K), and add 1 for each pair of neighbours in each text.",
            "zip(text, text[1:]) gives the pairs; characters.index(first) is the row.",
            "counts / counts.sum(1, keepdim=True) divides each row by its own sum.",
        ),
    ),
)
