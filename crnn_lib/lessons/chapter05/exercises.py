"""Exercises of notebook 05: lines made from glyphs."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from crnn_lib.lessons.chapter05 import mistakes as wrong
from crnn_lib.lessons.chapter05.strips import BECOMES
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
        for value in (100, 200)
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


def after_flip(text, flip):
    if any(digit not in BECOMES[flip] for digit in text):
        return None
    digits = [BECOMES[flip][digit] for digit in text]
    if flip != "upside-down":
        digits.reverse()  # left and right have changed places
    return "".join(digits)


def as_text(value: object) -> str | None:
    """A text, or None."""
    if value is not None and not isinstance(value, str):
        raise Unreadable(f"{show(value)}, where a text or None should be")
    return value


def place_by_place(text: str, flip: str) -> str | None:
    """Send each digit to the place where its ink goes: the oracle."""
    result = [""] * len(text)
    for place, digit in enumerate(text):
        if digit not in BECOMES[flip]:
            return None
        goes_to = place if flip == "upside-down" else len(text) - 1 - place
        result[goes_to] = BECOMES[flip][digit]
    return "".join(result)


def five_digit_numbers() -> dict[str, tuple[int, int]]:
    """Per flip: how many of 00000 to 99999 keep their label, and how many get another one."""
    texts = [f"{number:05}" for number in range(100_000)]
    counts = {}
    for flip in BECOMES:
        after = [after_flip(text, flip) for text in texts]
        same = sum(a == b for a, b in zip(after, texts, strict=True))
        counts[flip] = same, sum(a is not None for a in after) - same
    return counts


def check_after_flip(attempt: Attempt) -> str:
    texts = ["".join(word) for word in words("0123456789", 2, shortest=1)]
    texts += ["55207", "69069", "01825", "13803"]
    count = compare(
        attempt,
        [(text, flip) for text in texts for flip in BECOMES],
        place_by_place,
        rule="look each digit up, and think of where on the line it ends up",
        example=lambda arguments, got: (
            f"{arguments[0]} ({arguments[1]}) {'is no number' if got is None else f'reads {got!r}'}"
        ),
    )
    kept = ", ".join(f"{same} {flip}" for flip, (same, _) in five_digit_numbers().items())
    return (
        f"All {count} flips are right. Of the 100000 numbers with five digits these keep their "
        f"label: {kept}. So no flip is an augmentation for digits."
    )


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
        title="what a flip does to a label",
        task="Write after_flip(text, flip): the number that a flipped line shows, or None if "
        "one of its digits has become no digit. BECOMES[flip][digit] is what a digit becomes.",
        check=check_after_flip,
        returns=as_text,
        reference=after_flip,
        mistakes=(
            Mistake("left and right change places, and the digits with them", wrong.order_kept),
            Mistake("upside-down leaves left and right alone", wrong.always_reversed),
            Mistake(
                "a digit that becomes no digit makes the whole line no number",
                wrong.unreadable_kept,
            ),
            Mistake(
                "a digit that becomes no digit makes the whole line no number",
                wrong.unreadable_dropped,
            ),
            Mistake("a digit may become another digit", wrong.digits_unchanged),
            Mistake(
                "a line may become another number, and that is a number too", wrong.only_survivors
            ),
        ),
        hints=(
            "Write 18 on paper and hold it against a mirror. What does it say?",
            "First the digits: if one is missing in BECOMES[flip], return None. Else look each up.",
            'Then their order: "left-right" and "half turn" exchange left and right, so reverse '
            'it. "upside-down" does not.',
        ),
    ),
)
