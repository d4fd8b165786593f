"""Exercises of notebook 10: letters and words."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import torch
from torch import Tensor

from crnn_lib.ctc import label_probability_brute_force
from crnn_lib.evaluation import edit_counts
from crnn_lib.lessons.chapter10 import mistakes as wrong
from crnn_lib.lessons.engine import (
    Attempt,
    Exercise,
    Mistake,
    Unreadable,
    as_count,
    as_label,
    compare,
    plural,
    show,
    words,
)

# 10.1 ---------------------------------------------------------------------------------------------


def folded(text):
    return "".join(c for c in text.lower() if c.isalnum())


def as_text(value: object) -> str:
    """What :func:`folded` returns."""
    if type(value) is not str:
        raise Unreadable(f"{show(value)}, where a text should be")
    return value


def by_a_list(text: str) -> str:
    """One character after the other is looked up: the oracle."""
    kept = "abcdefghijklmnopqrstuvwxyz0123456789"
    small = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", kept, strict=False))
    return "".join(small.get(c, c) for c in text if small.get(c, c) in kept)


def check_folded(attempt: Attempt) -> str:
    texts = ["a", "A", "Ab", "a1", "a.", "it's", "a b", "", ".", "7", "No. 9", "$1.99", "O'Neil"]
    texts += ["e-mail", "(Anna)", '"Yes!"', "B/C", "R & D", "15:30", "x?y", "AT&T", "Mr. Oh", "#1"]
    texts += ["two words", " a ", "M;N"]
    count = compare(
        attempt,
        [(text,) for text in texts],
        by_a_list,
        rule="small letters and digits stay, in their order; all else goes",
        example=lambda case, got: f"{case[0]!r}: {show(got)} instead of {by_a_list(*case)!r}",
    )
    return (
        f"All {count} texts are folded. Two texts that differ in case or marks alone are now equal."
    )


# 10.2 ---------------------------------------------------------------------------------------------


def edits(read, written):
    row = list(range(len(read) + 1))  # nothing written yet: all that was read is too much
    for i, right in enumerate(written, 1):
        last, row = row, [i]
        for j, found in enumerate(read, 1):
            row.append(min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (found != right)))
    return row[-1]


def by_rapidfuzz(read: str | list[str], written: str | list[str]) -> int:
    """What crnn_lib.evaluation counts: the oracle."""
    return edit_counts(read, written).total


def check_edits(attempt: Attempt) -> str:
    short = ["".join("ab"[c] for c in label) for label in words([0, 1], 3, shortest=0)]
    cases: list[tuple] = sorted(product(short, short), key=lambda pair: sum(map(len, pair)))
    cases += [("abcd", "acbd"), ("modem", "modern"), ("dean", "clean"), ("55207", "5207")]
    cases += [("handwriting", "hamdwniting"), ("xabcy", "abc"), ("abc", "xabcy")]
    lists = [
        ("the cat", "the cat"),
        ("the cat", "the dog"),
        ("cat", "the cat"),
        ("a cat", "a cart"),
    ]
    lists += [("cat the", "the cat"), ("the old cat", "the cat"), ("", "the cat")]
    cases += [(one.split(), other.split()) for one, other in lists]
    count = compare(
        attempt,
        cases,
        by_rapidfuzz,
        rule="the fewest of: one put in place of another, one too many, one too few",
        example=lambda case, got: f"{show(case[0])} read, {show(case[1])} written",
    )
    return (
        f"All {count} distances are right, of texts and of lists of words. That is the distance "
        "of Levenshtein (1966)."
    )


# 10.3 ---------------------------------------------------------------------------------------------


def words_of(spans):
    found, inside = [], False  # inside: the character before belongs to this word
    for character, start, end in spans:
        if character == " ":
            inside = False
        elif inside:
            text, first, _ = found[-1]
            found[-1] = (text + character, first, end)
        else:
            found.append((character, start, end))
            inside = True
    return found


def as_words(value: object) -> list[tuple[str, int, int]]:
    """A list of (word, start, end)."""
    if not isinstance(value, list | tuple):
        as_label(value)  # says what None, a number or an ellipsis is; a generator gets through
        raise Unreadable(f"{show(value)}, where a list of (word, start, end) should be")
    found = []
    for item in value:
        if not isinstance(item, list | tuple) or len(item) != 3 or type(item[0]) is not str:
            raise Unreadable(f"a list that holds {show(item)}, where (word, start, end) should be")
        found.append((item[0], as_count(item[1]), as_count(item[2])))
    return found


def by_splitting(spans: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """The text is split, and each word finds its characters again: the oracle."""
    text, found, place = "".join(character for character, _, _ in spans), [], 0
    for word in text.split():
        place = text.index(word, place)
        found.append((word, spans[place][1], spans[place + len(word) - 1][2]))
        place += len(word)
    return found


def check_words_of(attempt: Attempt) -> str:
    def spans(text: str, gap: int = 3) -> list[tuple[str, int, int]]:
        return [(c, 5 + (4 + gap) * k, 9 + (4 + gap) * k) for k, c in enumerate(text)]

    texts = ["a", "ab", "a b", "ab cd", "to be", "I am 7", "one two three", "x y z", ""]
    cases = [(spans(text, gap),) for gap in (3, 0) for text in texts]
    cases += [(spans(text),) for text in ("a  b", "ab ", " ab", "to  be ", " ")]
    chance = np.random.default_rng(10)
    for text in ("no. 9", "of the hand", "go on", "ab c de"):
        edges = np.cumsum(chance.integers(1, 9, 2 * len(text))).tolist()
        cases.append(([(c, *edges[2 * k : 2 * k + 2]) for k, c in enumerate(text)],))
    count = compare(
        attempt,
        cases,
        by_splitting,
        rule="a word goes from the start of its first character to the end of its last; a space "
        "belongs to none",
        example=lambda case, got: f"{''.join(c for c, _, _ in case[0])!r}: {show(case[0])}",
    )
    return f"All {count} lines fall into their words. Nobody measured a gap."


# 10.4 ---------------------------------------------------------------------------------------------


def best_word(log_probs, words, counts, weight):
    scores = []
    for word, count in zip(words, counts, strict=True):
        loss = torch.nn.functional.ctc_loss(
            log_probs[:, None],  # (T, 1, C)
            torch.tensor([word]),
            (len(log_probs),),
            (len(word),),
            reduction="sum",
        )
        scores.append(weight * math.log(count) - loss.item())
    return scores.index(max(scores))


def _scores(log_probs: Tensor, words: list, counts: list, weight: float) -> list[float]:
    chances = [float(label_probability_brute_force(log_probs, w, blank=0)) for w in words]
    return [
        math.log(chance) + weight * math.log(count) if chance else -math.inf
        for chance, count in zip(chances, counts, strict=True)
    ]


def by_listing(log_probs: Tensor, words: list, counts: list, weight: float) -> int:
    """All alignments of each word, added up: the oracle."""
    scores = _scores(log_probs, words, counts, weight)
    return scores.index(max(scores))


def check_best_word(attempt: Attempt) -> str:
    chance = torch.Generator().manual_seed(10)
    flat = torch.zeros(2, 3, dtype=torch.float64).log_softmax(-1)
    sure = torch.tensor([[0.1, 0.8, 0.1]], dtype=torch.float64).log()
    cases: list[tuple] = [
        (sure, [[1], [2]], [1, 1], 1.0),  # the picture decides
        (sure, [[1], [2]], [1, 100], 1.0),  # the counts decide
        (sure, [[1], [2]], [1, 100], 0.25),  # they would, with their whole weight
        (sure, [[1], [2]], [1, 3], 2.0),  # they do, with twice their weight
        (flat, [[1], [1, 1]], [2, 3], 0.5),  # 1 1 needs three frames
        (flat, [[1, 2], [1]], [2, 1], 1.0),
    ]
    while len(cases) < 60:
        frames, number = (int(torch.randint(2, 6, (), generator=chance)) for _ in range(2))
        log_probs = torch.randn(frames, 4, generator=chance, dtype=torch.float64)
        every = [w for w in words([1, 2, 3], 3, shortest=1)]
        order = torch.randperm(len(every), generator=chance)[:number].tolist()
        counts = (10 ** (3 * torch.rand(number, generator=chance))).ceil().long().tolist()
        case = (
            (2 * log_probs).log_softmax(-1),
            [list(every[k]) for k in order],
            counts,
            (0.0, 0.5, 1.0, 2.0)[len(cases) % 4],
        )
        best = sorted(_scores(*case))
        if len(best) > 1 and best[-1] - best[-2] > 0.01:  # no tie that rounding would decide
            cases.append(case)
    count = compare(
        attempt,
        cases,
        by_listing,
        rule="the largest sum of log P(word | picture) and weight times log(count)",
        example=lambda case, got: (
            f"{plural(len(case[0]), 'frame')}, words {show(case[1])}, counts {show(case[2])}, "
            f"weight {case[3]:g}"
        ),
    )
    return (
        f"All {count} choices are right. A prior of the words and a likelihood of the picture, "
        "added as logarithms: Bayes' rule, with a weight."
    )


EXERCISES = (
    Exercise(
        id="10.1",
        title="a folded text",
        task="Write folded(text): its letters and digits alone, the letters small.",
        check=check_folded,
        returns=as_text,
        reference=folded,
        mistakes=(
            Mistake("marks have to go too, not the case alone", wrong.case_alone),
            Mistake("A and a are to be the same: the case is still there", wrong.case_kept),
            Mistake("digits stay: 15:30 is 1530", wrong.digits_lost),
            Mistake("a space is no letter either", wrong.spaces_kept),
            Mistake("marks go from the middle as well: it's is its", wrong.ends_alone),
            Mistake("there are more marks than these: keep a list of what stays", wrong.some_marks),
            Mistake("small letters are asked for, not capitals", wrong.capitals),
        ),
        hints=(
            "Two steps: make all letters small, then go through the characters and keep some.",
            "'A'.lower() is 'a', and '7'.isalnum() is True.",
            "''.join(c for c in text.lower() if ...).",
        ),
    ),
    Exercise(
        id="10.2",
        title="how many edits",
        task="Write edits(read, written): the fewest edits from what is written to what was read. "
        "An edit puts one item in the place of another, adds one, or takes one away. Items are the "
        "characters of two texts, or the words of two lists.",
        check=check_edits,
        returns=as_count,
        reference=edits,
        mistakes=(
            Mistake(
                "one lost character moves all that follow: compare the best way, not place by "
                "place",
                wrong.place_by_place,
            ),
            Mistake(
                "what is left over at the end of the longer one counts too", wrong.common_places
            ),
            Mistake("one in the place of another is one edit, not two", wrong.no_replacing),
            Mistake("two neighbours that change places are two edits", wrong.swaps_for_one),
            Mistake(
                "what stands before or behind what fits counts too: the first row is 0, 1, 2, ...",
                wrong.anywhere_inside,
            ),
            Mistake("an item may be there, and at the wrong place", wrong.only_lost_ones),
            Mistake("equal lengths need not be equal texts", wrong.lengths_apart),
            Mistake("of two lists count the words, not their letters", wrong.letters_of_words),
            Mistake("the number of edits is asked for, not their share", wrong.as_a_rate),
            Mistake(
                "the last number of the last row: there all of both is used up", wrong.ends_free
            ),
        ),
        hints=(
            "Think of a table: D[i][j] edits take the first i items of what is written to the "
            "first j of what was read. What is D[0][j], and what is D[i][0]?",
            "The last step to D[i][j] came from D[i-1][j] (one lost), from D[i][j-1] (one too "
            "many), or from D[i-1][j-1] (free if the two items are equal).",
            "Keep the last row and the present one. A row begins with [i], and each further number "
            "is min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (found != right)).",
        ),
    ),
    Exercise(
        id="10.3",
        title="words at their spaces",
        task="Write words_of(spans): from a list of (character, start, end) the list of (word, "
        "start, end), parted at the spaces. Several spaces part as one does, and a space at an end "
        "parts nothing.",
        check=check_words_of,
        returns=as_words,
        reference=words_of,
        mistakes=(
            Mistake("no space comes after the last word: it is a word too", wrong.last_word_lost),
            Mistake("between two spaces there is no word", wrong.empty_words),
            Mistake(
                "a word ends where its last character ends, not where the space begins",
                wrong.up_to_the_space,
            ),
            Mistake("the space's columns belong to no word", wrong.space_included),
            Mistake(
                "a word starts where its first character starts, not where the space ends",
                wrong.from_the_space_on,
            ),
            Mistake("a word reaches to the end of its last character", wrong.starts_alone),
            Mistake(
                "letters of one word may stand apart: the space is a character, look for it",
                wrong.wherever_a_gap_is,
            ),
            Mistake("words are parted where a space was read", wrong.one_word),
            Mistake("columns are asked for, not places in the text", wrong.places_of_characters),
        ),
        hints=(
            "Go through the characters once. Which three things do you have to remember of the "
            "word that is being read?",
            "A character begins a word if nothing is there yet, or a space came before. Otherwise "
            "it makes the last word longer, and moves its end.",
            "Keep found, a list of (word, start, end), and inside = False. At a space: inside = "
            "False. Else, if inside: replace found[-1]; if not: append, inside = True.",
        ),
    ),
    Exercise(
        id="10.4",
        title="the word that fits best",
        task="Write best_word(log_probs, words, counts, weight): the place in the list of the word "
        "with the largest log P(word | picture) + weight * log(count). log_probs is (T, C), the "
        "blank is class 0; words are lists of classes, counts how often people write each.",
        check=check_best_word,
        returns=as_count,
        reference=best_word,
        mistakes=(
            Mistake("the counts are to have a say", wrong.image_alone),
            Mistake("the picture is to have a say", wrong.count_alone),
            Mistake("take the logarithm of the count", wrong.without_logarithm),
            Mistake("the counts have a weight", wrong.weight_forgotten),
            Mistake("the weight is for the counts, not for the picture", wrong.weight_on_the_image),
            Mistake("a loss is minus log P: the smaller it is, the better", wrong.loss_for_gain),
            Mistake("that is the worst word of all", wrong.least_score),
            Mistake("a word that people write more often is to gain by it", wrong.rare_ones_first),
            Mistake(
                "divided by the length of its word, a loss is no longer minus log P",
                wrong.divided_by_length,
            ),
            Mistake(
                "a word that needs more frames than there are is impossible, not certain",
                wrong.infinity_as_zero,
            ),
            Mistake(
                "a probability and a logarithm do not add up: both as logarithms",
                wrong.probability_and_logarithm,
            ),
        ),
        hints=(
            "Notebook 06 has called a loss that is minus log P(text | picture). What is the score "
            "of one word, then?",
            "torch.nn.functional.ctc_loss takes log_probs[:, None], torch.tensor([word]), one "
            "number of frames and one length. Its reduction must not divide.",
            "scores.append(weight * math.log(count) - loss.item()), then "
            "scores.index(max(scores)).",
        ),
    ),
)
