"""Exercises of notebook 03: collapsing alignments, and the way back."""

from __future__ import annotations

import math
from itertools import groupby

from crnn_lib import ctc
from crnn_lib.lessons.chapter03 import mistakes as wrong
from crnn_lib.lessons.engine import (
    Attempt,
    Broken,
    Exercise,
    Mistake,
    as_count,
    as_label,
    compare,
    plural,
    show,
    words,
)

# 3.1 ----------------------------------------------------------------------------------------------


def collapse(alignment, *, blank=0):
    label, last = [], blank
    for c in alignment:
        if c != last and c != blank:  # a run counts once, and a blank ends it
            label.append(c)
        last = c
    return label


def draw(alignment, blank: int = 0) -> str:
    """An alignment as a learner writes it: class indices in a row, the blank as ``-``.

    >>> draw([1, 0, 1])
    '1-1'
    """
    return "".join("-" if c == blank else str(c) for c in alignment)


def name(classes, blank: int = 0) -> str:
    """The same in a sentence; it may be empty."""
    return f"`{draw(classes, blank)}`" if len(classes) else "nothing"


def check_collapse(attempt: Attempt) -> str:
    count = 0
    for blank in (0, 2):

        def became(arguments, got, blank=blank):
            return f"{name(arguments[0], blank)} became {name(got, blank)}"

        count += compare(
            attempt,
            ((word,) for word in [*words(range(3), 5, shortest=1), []]),
            ctc.collapse,
            blank=blank,
            rule="merge repeats, then drop blanks, and nothing else",
            example=became,
        )
    count += compare(
        attempt,
        ((word,) for word in words(range(3), 3)),
        ctc.collapse,
        rule="without a word about the blank, it is class 0",
        example=lambda arguments, got: f"{name(arguments[0])} became {name(got)}",
    )
    return (
        f"All {count} alignments of up to five frames become the right label, with the blank at "
        "either end of the classes. The blank between two equal characters is what keeps 55 whole."
    )


# 3.2 ----------------------------------------------------------------------------------------------


def minimum_frames(label):
    repeats = sum(label[i] == label[i + 1] for i in range(len(label) - 1))
    return len(label) + repeats


def shortest_by_search(label: list[int]) -> int:
    """The fewest frames, found by trying alignments out: the oracle."""
    frames = 0
    while next(ctc.alignments(label, frames), None) is None:
        frames += 1
    return frames


def check_minimum_frames(attempt: Attempt) -> str:
    count = compare(
        attempt,
        ((word,) for word in [*words((1, 2, 3), 5, shortest=1), []]),
        shortest_by_search,
        rule="one frame for each character, and one more for each pair of equal neighbours",
        example=lambda arguments, got: f"{name(arguments[0])} in {plural(got, 'frame')}",
    )
    return (
        f"All {count} labels fit into exactly so many frames and into no fewer. A line that gives "
        "fewer frames than its label needs cannot be learned from."
    )


# 3.3 ----------------------------------------------------------------------------------------------


def stretch(label, frames, *, blank=0):
    alignment = []
    for c in label:
        if alignment and alignment[-1] == c:
            alignment.append(blank)  # keeps the two apart
        alignment.append(c)
    return alignment + [blank] * (frames - len(alignment))


def check_stretch(attempt: Attempt) -> str:
    count = 0
    for blank in (0, 2):
        characters = [c for c in range(3) if c != blank]
        labels = [*words(characters, 4, shortest=1), []]
        cases = [
            (label, ctc.minimum_frames(label) + spare) for spare in range(4) for label in labels
        ]
        for label, frames in sorted(cases, key=lambda case: (not case[0], case[1])):
            count += 1
            got = attempt(label, frames, blank=blank)
            detail = f"{attempt.call} gives {show(got)}."
            if len(got) != frames:
                raise Broken(
                    "an alignment has one class for each frame, no more and no fewer",
                    f"{plural(len(got), 'class')} for {plural(frames, 'frame')}",
                    detail,
                )
            back = ctc.collapse(got, blank=blank)
            if back == label:
                continue
            if draw_runs(label) == back:
                rule = "equal neighbours of the label merge here"
            elif blank != 0 and [c for c in back if c] == [c for c in label if c]:
                rule = "class 0 need not be the blank: here it is a character"
            else:
                rule = "the alignment has to collapse to the label that was asked for"
            raise Broken(rule, f"{name(got, blank)} collapses to {name(back, blank)}", detail)
    if ctc.collapse(got := attempt([1, 2], 4), blank=0) != [1, 2] or len(got) != 4:
        detail = f"{attempt.call} gives {show(got)}."
        raise Broken("without a word about the blank, it is class 0", name(got), detail)
    return (
        f"All {count} alignments have the wanted length and collapse to their label. There are "
        "many more of each: any answer with these two properties passes."
    )


def draw_runs(label: list[int]) -> list[int]:
    """What is left of a label whose equal neighbours have merged."""
    return [c for c, _ in groupby(label)]


# 3.4 ----------------------------------------------------------------------------------------------


def count_alignments(label, frames):
    repeats = sum(label[i] == label[i + 1] for i in range(len(label) - 1))
    spare = frames - len(label) - repeats
    if spare < 0:
        return 0
    runs = 2 * len(label) + 1  # blank, character, blank, ..., blank
    return math.comb(spare + runs - 1, spare)  # spare frames, handed out to the runs


def by_listing(label: list[int], frames: int) -> int:
    """How many of all C^T alignments collapse to the label: the oracle."""
    classes = range(max(label, default=0) + 1)
    return sum(ctc.collapse(word) == label for word in words(classes, frames, shortest=frames))


def check_count_alignments(attempt: Attempt) -> str:
    labels = ([1], [1, 1], [1, 2], [1, 1, 1], [1, 1, 2], [1, 2, 1], [])
    cases = [(label, frames) for label in labels for frames in range(1, 8)]
    compare(
        attempt,
        cases,
        by_listing,
        rule="count the ways to hand out the spare frames to the 2L+1 runs",
        example=lambda arguments, got: (
            f"{name(arguments[0])} in {plural(arguments[1], 'frame')} gives {got} instead of "
            f"{by_listing(*arguments)}"
        ),
    )
    label = [6, 6, 3, 1, 8]
    compare(
        attempt,
        [(label, 31)],
        ctc.count_alignments,
        rule="it is right for small cases only: a float rounds counts as large as this one",
    )
    return (
        f"It agrees with listing them for {len(cases)} small cases, and 55207 has 183,579,396 "
        "alignments of 31 frames. Summing over them one by one is out of the question; notebook 04 "
        "finds the way around."
    )


EXERCISES = (
    Exercise(
        id="3.1",
        title="collapse an alignment",
        task="Write collapse(alignment, *, blank=0): class indices in, the label out, as a list.",
        check=check_collapse,
        returns=as_label,
        reference=collapse,
        mistakes=(
            Mistake("a blank between equal characters keeps them two", wrong.drop_then_merge),
            Mistake("a run of one class is one character", wrong.only_drop),
            Mistake("a blank is no character of the label", wrong.only_merge),
            Mistake("the blank is the class `blank`, which need not be 0", wrong.drop_class_0),
            Mistake("a character may come back later", wrong.each_class_once),
        ),
        hints=(
            "There are two rules, and their order matters. Say them aloud before you write them.",
            "Go through the frames and remember the class of the frame before. When is a frame the "
            "beginning of a new character?",
            "A frame begins a character if its class is not the blank and differs from the class "
            "of the frame before. Remember blanks too: after one, the same class begins anew.",
        ),
    ),
    Exercise(
        id="3.2",
        title="the fewest frames",
        task="Write minimum_frames(label): the number of frames of its shortest alignment.",
        check=check_minimum_frames,
        returns=as_count,
        reference=minimum_frames,
        mistakes=(
            Mistake(
                "equal neighbours need a blank between them, and it takes a frame",
                wrong.one_per_character,
            ),
            Mistake("a blank is needed between equal neighbours only", wrong.blanks_everywhere),
            Mistake("a blank is needed between equal neighbours only", wrong.blanks_between_all),
            Mistake(
                "only neighbours merge: equal characters further apart need no blank",
                wrong.equal_anywhere,
            ),
            Mistake(
                "count pairs of equal neighbours: 111 has two, and needs two blanks",
                wrong.groups_of_repeats,
            ),
        ),
        hints=(
            "Write the shortest alignments of 12, 11 and 111 by hand.",
            "A label without equal neighbours is its own shortest alignment. What does 11 need?",
            "It is len(label) plus the number of places where label[i] == label[i + 1].",
        ),
    ),
    Exercise(
        id="3.3",
        title="one alignment of a label",
        task="Write stretch(label, frames, *, blank=0): any one alignment with so many frames that "
        "collapses to the label. The frames always suffice.",
        check=check_stretch,
        returns=as_label,
        reference=stretch,
        mistakes=(
            Mistake("equal neighbours of the label merge here", wrong.pad_with_blanks),
            Mistake("an alignment has one class for each frame", wrong.pad_with_the_last),
            Mistake("an alignment has one class for each frame", wrong.blanks_around_all),
            Mistake("an alignment has one class for each frame", wrong.shortest_only),
            Mistake(
                "class 0 need not be the blank: here it is a character", wrong.pad_with_class_0
            ),
        ),
        hints=(
            "Begin with the shortest alignment (exercise 3.2 counts its frames). Then make it "
            "longer.",
            "Which class can stand at the end, as often as you like, without changing the label?",
            "Append the characters one by one; before a character that equals the last one, append "
            "a blank. Fill up with blanks until there are enough frames.",
        ),
    ),
    Exercise(
        id="3.4",
        title="how many alignments",
        task="Write count_alignments(label, frames): how many alignments collapse to the label, "
        "without listing them; 0 if it does not fit.",
        check=check_count_alignments,
        returns=as_count,
        reference=count_alignments,
        mistakes=(
            Mistake(
                "equal neighbours use up a frame for the blank between them", wrong.without_repeats
            ),
            Mistake(
                "blanks may stand before, between and after the characters, too",
                wrong.without_blanks,
            ),
            Mistake(
                "spare frames may go to the L+1 runs of blanks as well", wrong.only_characters_grow
            ),
            Mistake(
                "the spare frames are all alike: it matters how many a run gets, not which",
                wrong.ordered_handouts,
            ),
        ),
        hints=(
            "List the alignments of 1 in three frames: there are six. How many runs of equal "
            "symbols can an alignment of one character have at most?",
            "An alignment is a row of 2L+1 runs: blank, character, blank, ..., blank. Give each "
            "its least number of frames. The frames that are left may go to any run.",
            "S equal things go to K places in math.comb(S + K - 1, S) ways. Here K = 2L+1, and S "
            "is frames - minimum_frames(label).",
        ),
    ),
)
