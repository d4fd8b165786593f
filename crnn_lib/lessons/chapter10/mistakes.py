"""Wrong answers to the exercises of notebook 10, as people give them."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

# 10.1 ---------------------------------------------------------------------------------------------


def case_alone(text):
    return text.lower()


def case_kept(text):
    return "".join(c for c in text if c.isalnum())


def digits_lost(text):
    return "".join(c for c in text.lower() if c.isalpha())


def spaces_kept(text):
    return "".join(c for c in text.lower() if c.isalnum() or c == " ")


def ends_alone(text):
    return text.strip(".,;:!?'\"()-/& ").lower()


def some_marks(text):
    return "".join(c for c in text.lower() if c not in " .,!?")


def capitals(text):
    return "".join(c for c in text.upper() if c.isalnum())


# 10.2 ---------------------------------------------------------------------------------------------


def _distance(read, written, instead=1, swap=False, free_start=False, free_end=False):
    rows = [[0] * (len(read) + 1) if free_start else list(range(len(read) + 1))]
    for i in range(1, len(written) + 1):
        row = [i]
        for j in range(1, len(read) + 1):
            differ = read[j - 1] != written[i - 1]
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + instead * differ)
            crossed = i > 1 and j > 1 and read[j - 2] == written[i - 1]
            if swap and crossed and read[j - 1] == written[i - 2]:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return min(rows[-1]) if free_end else rows[-1][-1]


def place_by_place(read, written):
    return sum(a != b for a, b in zip(read, written, strict=False)) + abs(len(read) - len(written))


def common_places(read, written):
    return sum(a != b for a, b in zip(read, written, strict=False))


def no_replacing(read, written):
    return _distance(read, written, instead=2)


def swaps_for_one(read, written):
    return _distance(read, written, swap=True)


def anywhere_inside(read, written):
    return _distance(read, written, free_start=True, free_end=True)


def only_lost_ones(read, written):
    return sum(item not in read for item in written)


def lengths_apart(read, written):
    return abs(len(read) - len(written))


def letters_of_words(read, written):
    return (
        _distance(" ".join(read), " ".join(written))
        if type(read) is list
        else _distance(read, written)
    )


def as_a_rate(read, written):
    return _distance(read, written) / max(len(written), 1)


def ends_free(read, written):
    return _distance(read, written, free_end=True)


# 10.3 ---------------------------------------------------------------------------------------------


def _grouped(spans, flush=True, empty=False, include=False, lead=False):
    found, text, first, last = [], "", None, None
    begins = None
    for character, start, end in spans:
        if character == " ":
            if text or empty:
                found.append((text, start if first is None else first, end if include else last))
            text, first, last, begins = "", None, None, end
        else:
            if first is None:
                first = begins if lead and begins is not None else start
            text, last = text + character, end
    if flush and (text or empty):
        found.append((text, first, last))
    return [word if None not in word else (word[0], 0, 0) for word in found]


def last_word_lost(spans):
    return _grouped(spans, flush=False)


def empty_words(spans):
    return _grouped(spans, empty=True)


def up_to_the_space(spans):
    found = _grouped(spans)
    starts = [start for character, start, _ in spans if character == " "]
    return [
        (text, first, min((s for s in starts if s >= end), default=end))
        for text, first, end in found
    ]


def space_included(spans):
    return _grouped(spans, include=True)


def from_the_space_on(spans):
    return _grouped(spans, lead=True)


def starts_alone(spans):
    found, fresh = [], True
    for character, start, _end in spans:
        if character == " ":
            fresh = True
        elif fresh:
            found.append([character, start, start])
            fresh = False
        else:
            found[-1][0] += character
            found[-1][2] = start
    return [tuple(word) for word in found]


def wherever_a_gap_is(spans):
    found, last = [], None
    for character, start, end in spans:
        if character == " ":
            continue
        if last is not None and start == last:
            text, first, _ = found[-1]
            found[-1] = (text + character, first, end)
        else:
            found.append((character, start, end))
        last = end
    return found


def one_word(spans):
    letters = [span for span in spans if span[0] != " "]
    if not letters:
        return []
    return [("".join(span[0] for span in letters), letters[0][1], letters[-1][2])]


def places_of_characters(spans):
    found, fresh = [], True
    for place, (character, _start, _end) in enumerate(spans):
        if character == " ":
            fresh = True
        elif fresh:
            found.append((character, place, place + 1))
            fresh = False
        else:
            text, first, _ = found[-1]
            found[-1] = (text + character, first, place + 1)
    return found


# 10.4 ---------------------------------------------------------------------------------------------


def _losses(log_probs, words, **options):
    options = {"reduction": "sum"} | options
    return [
        F.ctc_loss(
            log_probs[:, None], torch.tensor([word]), (len(log_probs),), (len(word),), **options
        ).item()
        for word in words
    ]


def _best(scores):
    return scores.index(max(scores))


def _chosen(log_probs, words, counts, score, **options):
    """The place of the largest score, of those that are made of each word's loss and count."""
    losses = _losses(log_probs, words, **options)
    return _best([score(loss, n) for loss, n in zip(losses, counts, strict=True)])


def image_alone(log_probs, words, counts, weight):
    return _chosen(log_probs, words, counts, lambda loss, n: -loss)


def count_alone(log_probs, words, counts, weight):
    return _best(counts)


def without_logarithm(log_probs, words, counts, weight):
    return _chosen(log_probs, words, counts, lambda loss, n: weight * n - loss)


def weight_forgotten(log_probs, words, counts, weight):
    return _chosen(log_probs, words, counts, lambda loss, n: math.log(n) - loss)


def weight_on_the_image(log_probs, words, counts, weight):
    return _chosen(log_probs, words, counts, lambda loss, n: math.log(n) - weight * loss)


def loss_for_gain(log_probs, words, counts, weight):
    return _chosen(log_probs, words, counts, lambda loss, n: weight * math.log(n) + loss)


def least_score(log_probs, words, counts, weight):
    return _chosen(log_probs, words, counts, lambda loss, n: loss - weight * math.log(n))


def rare_ones_first(log_probs, words, counts, weight):
    return _chosen(log_probs, words, counts, lambda loss, n: -loss - weight * math.log(n))


def divided_by_length(log_probs, words, counts, weight):
    losses = [loss / len(word) for loss, word in zip(_losses(log_probs, words), words, strict=True)]
    return _best([weight * math.log(n) - loss for loss, n in zip(losses, counts, strict=True)])


def infinity_as_zero(log_probs, words, counts, weight):
    def right(loss, n):
        return weight * math.log(n) - loss

    return _chosen(log_probs, words, counts, right, zero_infinity=True)


def probability_and_logarithm(log_probs, words, counts, weight):
    return _chosen(log_probs, words, counts, lambda loss, n: math.exp(-loss) + weight * math.log(n))
