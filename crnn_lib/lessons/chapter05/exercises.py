"""Exercises of notebook 05: lines made from glyphs."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from crnn_lib.lessons.chapter05 import mistakes as wrong
from crnn_lib.lessons.engine import (
    Attempt,
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

# 5.1 ----------------------------------------------------------------------------------------------


def upright(stored):
    return stored.transpose(1, 2)  # rows become columns; the glyphs keep their order


def pixel_by_pixel(stored: Tensor) -> Tensor:
    """Row y, column x of a glyph is row x, column y of what is stored: the oracle."""
    count, height, width = stored.shape
    rows = [
        [[int(stored[m, x, y]) for x in range(height)] for y in range(width)] for m in range(count)
    ]
    return torch.tensor(rows, dtype=torch.float64)


MIRRORS = "a quarter turn is not enough: a transpose also mirrors"


def check_upright(attempt: Attempt) -> str:
    cases = [
        (torch.arange(count * 28**2).remainder(251).view(count, 28, 28).to(torch.uint8),)
        for count in (1, 2, 3, 28)
    ]
    compare(
        attempt,
        cases,
        pixel_by_pixel,
        rule="what stands in row x, column y of the file belongs in row y, column x of the glyph",
        example=lambda arguments, got: plural(len(arguments[0]), "glyph"),
    )
    return "Every pixel is in its place, and every glyph. Do it once: twice is as good as never."


# 5.2 ----------------------------------------------------------------------------------------------


def count_leaked(train, test):
    known = {image.numpy().tobytes() for image in train}
    return sum(image.numpy().tobytes() in known for image in test)


TINY = {  # the first pixels of three glyphs with the same amount of ink
    "A": [[0, 9], [9, 0]],
    "B": [[9, 0], [0, 9]],
    "C": [[9, 9], [0, 0]],
}


def stack(names) -> Tensor:
    """Glyphs by their names: (M, 28, 28), black but for a corner."""
    corners = torch.tensor([TINY[n] for n in names], dtype=torch.uint8).view(-1, 2, 2)
    return torch.nn.functional.pad(corners, (0, 26, 0, 26))


def names_of(images: Tensor) -> str:
    """The way back, for a sentence."""
    names = {str(pixels): name for name, pixels in TINY.items()}
    return " ".join(names[str(image[:2, :2].tolist())] for image in images) or "nothing"


def glyph_by_glyph(train: Tensor, test: Tensor) -> int:
    """Look through all of the training glyphs for each test glyph: the oracle."""
    return sum(any(torch.equal(image, other) for other in train) for image in test)


def check_count_leaked(attempt: Attempt) -> str:
    sets = [*words("ABC", 2, shortest=1), *"AAB ABA ABC BCA CCC".split()]
    pairs = sorted(product(sets, sets), key=lambda pair: len(pair[0]) + len(pair[1]))
    count = compare(
        attempt,
        [(stack(train), stack(test)) for train, test in pairs],
        glyph_by_glyph,
        rule="a test glyph is leaked if some training glyph has the same pixels",
        example=lambda arguments, got: (
            f"train on {names_of(arguments[0])}, test on {names_of(arguments[1])}: {got} leaked"
        ),
    )
    return (
        f"All {count} pairs of splits are counted right. It finds equal images only: the same "
        "digit, cropped or scaled anew, has other pixels."
    )


# 5.3 ----------------------------------------------------------------------------------------------


def paste(line, glyph, column):
    line, end = line.clone(), column + glyph.shape[1]
    line[:, column:end] = torch.maximum(line[:, column:end], glyph)
    return line


def brighter_of_two(line: Tensor, glyph: Tensor, column: int) -> Tensor:
    """Pixel by pixel in plain integers: the oracle."""
    result = [[int(value) for value in row] for row in line]
    for y, row in enumerate(glyph.tolist()):
        for x, value in enumerate(row):
            result[y][column + x] = max(result[y][column + x], value)
    return torch.tensor(result, dtype=torch.float64)


def as_bytes(value: object) -> Tensor:
    """A line, of the type that the task names."""
    if not isinstance(value, Tensor) or value.dtype != torch.uint8:
        kind = getattr(value, "dtype", type(value).__name__)
        raise Unreadable(
            f"the right numbers as {str(kind).removeprefix('torch.')}; the line that went in is "
            "uint8, one byte for each pixel, and so is the one that is asked for"
        )
    return value


def check_paste(attempt: Attempt) -> str:
    def bytes_(rows) -> Tensor:
        return torch.tensor(rows, dtype=torch.uint8)

    cases = [
        (bytes_([[before, 0]]), bytes_([[value]]), column)
        for before in (0, 200, 100)
        for value in (0, 100, 200)
        for column in (0, 1)
    ]
    generator = torch.Generator().manual_seed(0)
    for width in (2, 3):
        for column in range(6 - width):
            line, glyph = (
                torch.randint(256, (2, w), generator=generator).to(torch.uint8) for w in (5, width)
            )
            cases.append((line, glyph, column))
    count = compare(
        attempt,
        cases,
        brighter_of_two,
        rule="keep the brighter of the two pixels where they meet, and all other pixels",
        example=lambda arguments, got: (
            f"{show(arguments[1].tolist())} on "
            f"{show(arguments[0].tolist())} at column {arguments[2]}"
        ),
    )
    line, glyph, column = cases[-1]
    call = f"{attempt.name}(line, glyph, {column})"
    attempt.run(lambda: attempt.answer(line.clone(), glyph.clone(), column), call, as_bytes)
    return (
        f"All {count} pastes are right. No pixel gets darker, none exceeds 255, and the order of "
        "pasting does not matter: three things that a sum cannot promise."
    )


# 5.4 ----------------------------------------------------------------------------------------------


def ink_spans(glyphs, columns):
    spans = []
    for glyph, column in zip(glyphs, columns, strict=True):
        inked = (glyph >= 64).any(0).nonzero()  # (n, 1): its columns with ink
        spans.append((column + int(inked[0]), column + int(inked[-1]) + 1))
    return spans


def by_columns(glyphs: Tensor, columns: list[int]) -> Tensor:
    """Column by column in plain integers: the oracle."""
    spans = []
    for glyph, column in zip(glyphs.tolist(), columns, strict=True):
        bright = [max(row[x] for row in glyph) for x in range(len(glyph[0]))]
        there = [column + x for x, value in enumerate(bright) if value >= 64]
        spans.append((there[0], there[-1] + 1))
    return torch.tensor(spans, dtype=torch.float64)


def check_ink_spans(attempt: Attempt) -> str:
    generator = torch.Generator().manual_seed(0)
    cases = []
    for count, height, width in [(1, 1, 3), (1, 2, 4), (1, 5, 3), (2, 2, 4), (3, 4, 6), (3, 9, 5)]:
        for _ in range(8):
            values = torch.randint(4, (count, height, width), generator=generator)
            glyphs = torch.tensor([0, 0, 63, 64])[values]
            glyphs[:, -1, torch.randint(width, (1,), generator=generator)] = 255
            columns = torch.randint(30, (count,), generator=generator).tolist()
            cases.append((glyphs.to(torch.uint8), columns))
    count = compare(
        attempt,
        cases,
        by_columns,
        rule="from the first to the last column with ink, counted on the line, the end excluded",
        example=lambda case, got: f"{plural(len(case[0]), 'glyph')} at {show(case[1])}",
    )
    return f"All {count} lists of spans are right. This is what a page of handwriting never tells."


# 5.5 ----------------------------------------------------------------------------------------------


def ink_starts(widths, spacing, margin):
    starts, mean = [margin], sum(widths) / len(widths)
    for before, after in zip(widths, widths[1:], strict=False):
        measure = mean if spacing > 0 else min(before, after)
        starts.append(starts[-1] + before + spacing * measure)
    return starts


def from_the_left(widths: list[int], spacing: float, margin: int) -> Tensor:
    """Each start by itself, from all that lies to its left: the oracle."""
    inks = torch.tensor(widths, dtype=torch.float64)
    narrower = torch.minimum(inks[:-1], inks[1:])
    gaps = spacing * (narrower if spacing < 0 else inks.mean().expand_as(narrower))
    steps = [float(inks[:k].sum() + gaps[:k].sum()) for k in range(len(widths))]
    return margin + torch.tensor(steps, dtype=torch.float64)


def check_ink_starts(attempt: Attempt) -> str:
    lines = ([10], [10, 20], [20, 10], [4, 20, 9], [18, 4, 12], [15, 15, 17, 16, 13])
    cases = [
        (widths, spacing, margin)
        for widths in lines
        for spacing in (0.0, 0.5, -0.5, 0.25, -0.2)
        for margin in (3, 0)
    ]
    count = compare(
        attempt,
        cases,
        from_the_left,
        rule="each ink begins where the one before it ends, and a gap further on",
        example=lambda case, got: f"widths {show(case[0])}, spacing {case[1]}, margin {case[2]}",
    )
    return f"All {count} lines are set right. One number now leads from clear gaps to overlap."


EXERCISES = (
    Exercise(
        id="5.1",
        title="turn EMNIST upright",
        task="Write upright(stored): glyphs as EMNIST's file stores them, (M, 28, 28), come back "
        "with rows and columns of each glyph exchanged.",
        check=check_upright,
        returns=as_tensor,
        reference=upright,
        mistakes=(
            Mistake(MIRRORS, wrong.quarter_turn),
            Mistake(MIRRORS, wrong.other_quarter_turn),
            Mistake("a half turn leaves rows rows: they become columns", wrong.half_turn),
            Mistake("turned and mirrored, but along the other diagonal", wrong.other_diagonal),
            Mistake("all glyphs are to come back, and one did", wrong.first_glyph),
            Mistake("a mirror is not enough: a transpose also turns", wrong.mirrored),
            Mistake("a flip is not enough: a transpose also turns", wrong.upside_down),
            Mistake("axis 0 counts the glyphs: leave it where it is", wrong.all_axes),
            Mistake("axis 0 counts the glyphs: leave it where it is", wrong.first_two_axes),
            Mistake(
                "no pixel has moved: they lie as they were stored (a reshape moves none)",
                wrong.reshaped,
            ),
        ),
        hints=(
            "Look at a 7 in both rows of the figure. Its bar is the top row when upright. Where is "
            "that row in the file?",
            "Of the three axes (glyph, row, column) two change places. Axis 0 stays.",
            "stored.transpose(1, 2)",
        ),
    ),
    Exercise(
        id="5.2",
        title="count leaked glyphs",
        task="Write count_leaked(train, test): how many images of test, (M, 28, 28), have the same "
        "pixels as some image of train.",
        check=check_count_leaked,
        returns=as_count,
        reference=count_leaked,
        mistakes=(
            Mistake(
                "a glyph may be leaked from any place of the training set",
                wrong.at_the_same_place,
            ),
            Mistake("count a test glyph once, however often training has it", wrong.equal_pairs),
            Mistake("count a test glyph as often as the test uses it", wrong.different_ones),
            Mistake("count the test's glyphs, not the training's", wrong.training_glyphs),
            Mistake("equally much ink is not the same glyph", wrong.equally_bright),
            Mistake("these are pixels, and glyphs were to be counted", wrong.pixels_alike),
            Mistake("these are pixels, and glyphs were to be counted", wrong.pixels_in_place),
            Mistake(
                "a set tells tensors apart by which object they are, not by their pixels",
                wrong.by_identity,
            ),
            Mistake("a number of glyphs is asked for, not a share of them", wrong.as_a_share),
        ),
        hints=(
            "For each test image ask one question, yes or no: is it among the training images?",
            "Comparing each with each takes long for thousands. A Python set answers at once, but "
            "it holds no tensors. It does hold bytes: image.numpy().tobytes().",
            "known = {image.numpy().tobytes() for image in train}; then count the test images "
            "whose bytes are in known.",
        ),
    ),
    Exercise(
        id="5.3",
        title="paste with overlap",
        task="Write paste(line, glyph, column): a new line, (H, W) uint8, with the glyph, (H, w) "
        "uint8, laid over its columns from `column` on. The brighter pixel stays.",
        check=check_paste,
        returns=as_tensor,
        reference=paste,
        mistakes=(
            Mistake("bytes wrap: 200 + 100 is 44", wrong.added),
            Mistake("two strokes that cross are no brighter than one", wrong.added_and_clipped),
            Mistake("the black around a glyph must not erase what stands there", wrong.overwritten),
            Mistake("a pixel has become darker than it was", wrong.averaged),
            Mistake("only the pasted part comes back, not the line", wrong.only_the_overlap),
            Mistake("this keeps the less bright of two pixels, and ink is lost", wrong.less_bright),
            Mistake(
                "200 and 100 with their bits joined are 236, brighter than both", wrong.bits_joined
            ),
            Mistake("grey ink must not replace ink that is brighter", wrong.wherever_inked),
            Mistake("this is one column too far to the right", wrong.one_further),
            Mistake("behind the glyph's last column the line stays as it was", wrong.to_the_end),
            Mistake("beside the glyph's columns the line stays as it was", wrong.rest_is_lost),
        ),
        hints=(
            "Start with a copy, line.clone(). Which of its columns does the glyph touch?",
            "line[:, column : column + glyph.shape[1]] are the columns. What shall stand there if "
            "both have ink?",
            "torch.maximum(those columns, glyph) compares pixel by pixel. Assign it "
            "to the columns.",
        ),
    ),
    Exercise(
        id="5.4",
        title="where the ink lies",
        task="Write ink_spans(glyphs, columns): each glyph, (H, w) uint8, is laid on a line with "
        "its first column at its place in `columns`. Give the pair (start, end) of the line's "
        "columns that its ink takes, end excluded. Ink is at least 64 bright.",
        check=check_ink_spans,
        returns=as_tensor,
        reference=ink_spans,
        mistakes=(
            Mistake("the columns of the line are wanted, not those of the glyph", wrong.on_glyphs),
            Mistake("the end is the first column after the ink: it is excluded", wrong.last_inked),
            Mistake("this is the whole glyph, its empty columns too", wrong.whole_glyphs),
            Mistake(
                "an empty column between two with ink belongs to the span", wrong.columns_counted
            ),
            Mistake(
                "nonzero goes row by row: its first pixel need not be the leftmost, nor its last "
                "the rightmost",
                wrong.row_by_row,
            ),
            Mistake("a list is asked for, with a pair for each glyph", wrong.first_glyph_alone),
            Mistake("what is fainter than 64 is the edge of a stroke, no ink", wrong.any_grey),
            Mistake("a pixel of exactly 64 is ink", wrong.brighter_than_64),
            Mistake("these are rows with ink, and a span counts columns", wrong.of_rows),
            Mistake("give the end of the ink, not its width", wrong.start_and_width),
        ),
        hints=(
            "Which columns of a glyph have ink in any of their rows? That is one True or False "
            "for each column.",
            "nonzero() lists the places of the True ones. The first and the last are all you need. "
            "Then count on the line: add the glyph's column.",
            "inked = (glyph >= 64).any(0).nonzero(); the span goes from column + int(inked[0]) to "
            "column + int(inked[-1]) + 1.",
        ),
    ),
    Exercise(
        id="5.5",
        title="from gap to overlap",
        task="Write ink_starts(widths, spacing, margin): the column where each ink begins, from "
        "the widths of the inks. The first begins at `margin`. Between two inks lies a gap of "
        "spacing times the mean of all widths; below 0 they overlap, by that share of the "
        "narrower of the two. Do not round.",
        check=check_ink_starts,
        returns=as_tensor,
        reference=ink_starts,
        mistakes=(
            Mistake("a gap begins where the ink before it ends, not where it starts", wrong.no_ink),
            Mistake("an overlap is a share of the narrower of two inks", wrong.mean_always),
            Mistake("a gap is a share of the mean width of the line", wrong.narrower_always),
            Mistake("the narrower of two inks sets the overlap, not the wider", wrong.wider),
            Mistake("the margin comes before the first ink", wrong.no_margin),
            Mistake("spacing is a share of a width, not a number of columns", wrong.in_columns),
            Mistake("above 0 there is a gap, and below 0 an overlap", wrong.other_sign),
            Mistake("above 0 there is a gap, and below 0 an overlap", wrong.always_apart),
            Mistake("the mean is that of all inks, not of two neighbours", wrong.mean_of_two),
            Mistake(
                "the narrower of two neighbours sets their overlap, not the narrowest of the line",
                wrong.narrowest_of_all,
            ),
            Mistake("from ink to ink goes the width of the one before", wrong.own_width),
            Mistake("the margin comes once, before the first ink", wrong.margin_each_time),
            Mistake("there are as many starts as inks", wrong.one_too_many),
            Mistake("the mean is no whole number: // cuts it", wrong.whole_mean),
            Mistake("nothing is rounded yet: an ink may begin within a column", wrong.rounded),
            Mistake("this is where the inks end", wrong.ends),
            Mistake("this leaves out the first ink, which begins at the margin", wrong.first_less),
        ),
        hints=(
            "Two inks, 10 and 20 columns wide, margin 3, spacing 0: the second begins at 13. Where "
            "does it begin with spacing 0.5, and where with -0.5?",
            "The gap is 0.5 * 15 there, and -0.5 * 10. Go from ink to ink: start, plus width, plus "
            "gap is the next start.",
            "measure = sum(widths) / len(widths) if spacing > 0 else min(before, after); "
            "starts.append(starts[-1] + before + spacing * measure)",
        ),
    ),
)
