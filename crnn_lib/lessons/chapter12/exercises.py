"""Exercises of notebook 12: read your own."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops
from torch import Tensor

from crnn_lib.lessons.chapter12 import mistakes as wrong
from crnn_lib.lessons.engine import (
    Attempt,
    Exercise,
    Mistake,
    as_count,
    as_pair,
    as_tensor,
    compare,
    plural,
    show,
)

# 12.1 ---------------------------------------------------------------------------------------------


def best_threshold(pixels):
    def spread(level):
        ink = [p for p in pixels if p <= level]
        paper = [p for p in pixels if p > level]
        between = sum(paper) / len(paper) - sum(ink) / len(ink)
        return len(ink) * len(paper) * between**2

    levels = sorted(set(pixels))[:-1]  # above the last level no paper would be left
    return max(levels, key=spread)


def by_scikit_image(pixels: list[int]) -> int:
    """Its threshold has all pixels up to it on one side, as ours: the oracle."""
    return int(threshold_otsu(np.array(pixels, dtype=np.uint8)))


def grey_levels() -> list[tuple[list[int]]]:
    """Pixels of ink and paper, few first; none that can be parted in two ways as well."""
    chance = np.random.default_rng(11)
    cases = [([10, 200],), ([200, 10, 20],), ([0, 110, 120, 100],), ([40, 200, 210, 190, 205],)]
    cases += [([0, 3, 4],), ([13, 8, 5, 0],)]
    for size in (5, 8, 12, 20, 40):
        for _ in range(8):
            dark = chance.normal(70, 25, max(size // 5, 1))
            light = chance.normal(190, 20, size - len(dark))
            pixels = np.concatenate([dark, light]).round().clip(0, 255).astype(int)
            if len(set(_spreads(pixels))) == len(_spreads(pixels)):
                cases.append((chance.permutation(pixels).tolist(),))
    return cases


def _spreads(pixels: np.ndarray) -> list[float]:
    found = []
    for level in np.unique(pixels)[:-1]:
        ink, paper = pixels[pixels <= level], pixels[pixels > level]
        found.append(round(len(ink) * len(paper) * float(paper.mean() - ink.mean()) ** 2, 3))
    return found


def parts_alike(case: tuple[list[int]], got: int, right: int) -> bool:
    """Whether both levels call the same pixels ink: between two of them, all levels do."""
    return [p <= got for p in case[0]] == [p <= right for p in case[0]]


def check_best_threshold(attempt: Attempt) -> str:
    count = compare(
        attempt,
        grey_levels(),
        by_scikit_image,
        rule="try each level: the product of both counts and the squared distance of the means",
        example=lambda case, got: f"{plural(len(case[0]), 'pixel')} {show(case[0])}",
        agrees=parts_alike,
    )
    return (
        f"All {count} thresholds agree with scikit-image. It needs no loop over the pixels: sums "
        "that run along the histogram give both counts and both means of every level at once."
    )


# 12.2 ---------------------------------------------------------------------------------------------


def band(mask, least):
    counts = mask.sum(1).tolist() + [0]  # (H + 1,): a last row without ink ends the last run
    start, best = None, (0, 0)
    for row, count in enumerate(counts):
        if count >= least and start is None:
            start = row
        elif count < least and start is not None:
            if row - start > best[1] - best[0]:
                best = (start, row)
            start = None
    return best


def by_labels(mask: np.ndarray, least: int) -> tuple[int, int]:
    """Connected rows, as scikit-image labels them; the first of the largest: the oracle."""
    rows = mask.sum(1) >= least
    runs = regionprops(label(rows[:, None].repeat(3, 1)))
    best = max(runs, key=lambda run: run.area, default=None)
    return (best.bbox[0], best.bbox[2]) if best is not None else (0, 0)


def masks() -> list[tuple[np.ndarray, int]]:
    """Masks with a line of writing and what disturbs it, small ones first."""
    cases = []
    for rows in ("0110", "11011100", "0111", "10111", "0111020110", "0000", "112211"):
        height, least = len(rows), 2 if "2" in rows else 1
        mask = np.zeros((height, height + 1), dtype=bool)
        for row, count in enumerate(map(int, rows)):
            mask[row, 1 : 1 + count] = True
        cases.append((mask, least))
    chance = np.random.default_rng(11)
    for height, width in ((6, 8), (9, 12), (14, 20)):
        for _ in range(8):
            mask = chance.random((height, width)) < 0.7 * chance.random((height, 1))
            cases.append((mask, width // 4))
    return cases


def check_band(attempt: Attempt) -> str:
    count = compare(
        attempt,
        masks(),
        by_labels,
        rule="find the longest run of neighbouring rows that hold at least so many pixels of ink",
        example=lambda case, got: (
            f"rows with {', '.join(map(str, case[0].sum(1).tolist()))} pixels, least {case[1]}"
        ),
    )
    return (
        f"All {count} bands are right. `clean_photo` also looks which patches stand side by side, "
        "so that two lines at different angles stay two."
    )


# 12.3 ---------------------------------------------------------------------------------------------


def scale_to(image, height):
    rows, columns = image.shape
    width = max(round(columns * height / rows), 1)
    at_row = [int((i + 0.5) * rows / height) for i in range(height)]
    at_column = [int((j + 0.5) * columns / width) for j in range(width)]
    return image[at_row][:, at_column]


def by_intervals(image: np.ndarray, height: int) -> Tensor:
    """In which pixel does the middle of the new one lie? In exact fractions: the oracle."""
    rows, columns = image.shape
    width = max(round(columns * height / rows), 1)

    def source(place: int, new: int, old: int) -> int:
        middle = Fraction(2 * place + 1, 2 * new) * old
        return next(k for k in range(old) if k <= middle < k + 1)

    return torch.tensor(
        [
            [float(image[source(i, height, rows), source(j, width, columns)]) for j in range(width)]
            for i in range(height)
        ],
        dtype=torch.float64,
    )


def pictures() -> list[tuple[np.ndarray, int]]:
    """Images with a different value in each pixel, and a new height."""
    sizes = [(1, 1, 2), (2, 2, 1), (2, 2, 4), (2, 4, 1), (3, 3, 2), (3, 6, 5), (4, 4, 3)]
    sizes += [
        (3, 4, 2),
        (4, 5, 7),
        (4, 10, 8),
        (5, 7, 3),
        (6, 9, 4),
        (8, 20, 6),
        (10, 1, 4),
        (7, 12, 16),
        (19, 6, 10),
        (10, 19, 11),
    ]
    return [
        (np.arange(rows * columns).reshape(rows, columns) / 4.0, height)
        for rows, columns, height in sizes
    ]


def check_scale_to(attempt: Attempt) -> str:
    count = compare(
        attempt,
        pictures(),
        by_intervals,
        rule="a new pixel has the value of the old one in which its own middle lies",
        example=lambda case, got: f"{case[0].shape[0]} x {case[0].shape[1]} to height {case[1]}",
    )
    return (
        f"All {count} pictures are right. Each new pixel looks at one old pixel only; the next "
        "cell shows what that does to thin strokes."
    )


EXERCISES = (
    Exercise(
        id="12.1",
        title="the threshold between ink and paper",
        task="Write best_threshold(pixels): of a list of grey levels, the level t for which ink "
        "(p <= t) and paper (p > t) differ most: count of ink times count of paper times the "
        "squared distance of their means.",
        check=check_best_threshold,
        returns=as_count,
        reference=best_threshold,
        mistakes=(
            Mistake("the sizes of both parts count, too", wrong.without_sizes),
            Mistake("the mean of all is pulled towards the larger part", wrong.mean_level),
            Mistake("halfway from the darkest to the lightest, one speck decides", wrong.halfway),
            Mistake("a pixel of level t itself is ink: p <= t", wrong.ink_below),
        ),
        hints=(
            "Try each level that occurs, but for the lightest: above it no paper is left.",
            "For a level: two lists, ink and paper. Their lengths, their means. Which level makes "
            "len(ink) * len(paper) * (mean of paper - mean of ink) ** 2 largest?",
            "max(sorted(set(pixels))[:-1], key=spread), with spread a function of the level.",
        ),
    ),
    Exercise(
        id="12.2",
        title="the band of a line",
        task="Write band(mask, least): the half-open rows (top, bottom) of the longest run of "
        "neighbouring rows that hold at least `least` (1 or more) pixels of ink each; the first "
        "such run if several are as long, and (0, 0) if there is none. mask is (H, W), True on "
        "ink.",
        check=check_band,
        returns=as_pair,
        reference=band,
        mistakes=(
            Mistake(
                "a row without enough ink ends a run, and here it was bridged", wrong.first_to_last
            ),
            Mistake("rows are half-open: bottom is the row after the last", wrong.inclusive),
            Mistake("a run may reach the last row of the image", wrong.lost_at_the_end),
            Mistake("at least so many: a row with exactly that many counts", wrong.more_than),
            Mistake("these are counts of columns, not of rows", wrong.of_columns),
            Mistake("of several runs as long, this is not the first", wrong.last_of_equals),
        ),
        hints=(
            "mask.sum(1) is the row profile: how much ink each row holds.",
            "Walk through the rows. Remember where the present run began; when a row has too "
            "little ink, the run is over: is it the longest so far?",
            "Append a 0 to the counts, so that a run at the lower border ends as well.",
        ),
    ),
    Exercise(
        id="12.3",
        title="scaling to a height, the cheap way",
        task="Write scale_to(image, height): an image (H, W) with so many rows and in proportion "
        "max(round(W * height / H), 1) columns. Pixel i of n lies in the old row "
        "int((i + 0.5) * H / n); columns likewise.",
        check=check_scale_to,
        returns=as_tensor,
        reference=scale_to,
        mistakes=(
            Mistake("a new pixel's border was looked up, not its middle", wrong.from_corners),
            Mistake("the picture has lost its proportions: its width stayed", wrong.same_width),
            Mistake(
                "the borders of the image coincide, not the middles of its outermost pixels",
                wrong.corners_aligned,
            ),
            Mistake("the width was cut off, not rounded", wrong.width_cut),
        ),
        hints=(
            "First the new width. Then a list of old rows, one for each new row.",
            "[int((i + 0.5) * H / height) for i in range(height)] are the rows; for the columns "
            "put in W and the new width.",
            "image[rows][:, columns]",
        ),
    ),
)
