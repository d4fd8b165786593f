"""Wrong answers to the exercises of notebook 12, as people give them."""

from __future__ import annotations


def _parts(pixels, level):
    ink = [p for p in pixels if p <= level]
    paper = [p for p in pixels if p > level]
    return len(ink), len(paper), sum(paper) / len(paper) - sum(ink) / len(ink)


def without_sizes(pixels):
    return max(sorted(set(pixels))[:-1], key=lambda level: _parts(pixels, level)[2] ** 2)


def mean_level(pixels):
    return round(sum(pixels) / len(pixels))


def halfway(pixels):
    return (min(pixels) + max(pixels)) // 2


def ink_below(pixels):
    def spread(level):
        ink = [p for p in pixels if p < level]
        paper = [p for p in pixels if p >= level]
        return len(ink) * len(paper) * (sum(paper) / len(paper) - sum(ink) / len(ink)) ** 2

    return max(sorted(set(pixels))[1:], key=spread)


def _runs(counts, least):
    runs, start = [], None
    for row, count in enumerate([*counts, least - 1]):
        if count >= least and start is None:
            start = row
        elif count < least and start is not None:
            runs.append((start, row))
            start = None
    return runs


def _longest(runs):
    return max(runs, key=lambda run: run[1] - run[0], default=(0, 0))


def first_to_last(mask, least):
    runs = _runs(mask.sum(1).tolist(), least)
    return (runs[0][0], runs[-1][1]) if runs else (0, 0)


def inclusive(mask, least):
    top, bottom = _longest(_runs(mask.sum(1).tolist(), least))
    return top, max(bottom - 1, 0)


def lost_at_the_end(mask, least):
    return _longest([run for run in _runs(mask.sum(1).tolist(), least) if run[1] < len(mask)])


def more_than(mask, least):
    return _longest(_runs(mask.sum(1).tolist(), least + 1))


def of_columns(mask, least):
    return _longest(_runs(mask.sum(0).tolist(), least))


def last_of_equals(mask, least):
    return _longest(_runs(mask.sum(1).tolist(), least)[::-1])


def _picked(image, rows, columns):
    return image[rows][:, columns]


def from_corners(image, height):
    rows, columns = image.shape
    width = max(round(columns * height / rows), 1)
    at_row = [int(i * rows / height) for i in range(height)]
    return _picked(image, at_row, [int(j * columns / width) for j in range(width)])


def same_width(image, height):
    at_row = [int((i + 0.5) * image.shape[0] / height) for i in range(height)]
    return image[at_row]


def corners_aligned(image, height):
    rows, columns = image.shape
    width = max(round(columns * height / rows), 1)
    at_row = [round(i * (rows - 1) / max(height - 1, 1)) for i in range(height)]
    at_column = [round(j * (columns - 1) / max(width - 1, 1)) for j in range(width)]
    return _picked(image, at_row, at_column)


def width_cut(image, height):
    rows, columns = image.shape
    width = max(int(columns * height / rows), 1)
    at_row = [int((i + 0.5) * rows / height) for i in range(height)]
    return _picked(image, at_row, [int((j + 0.5) * columns / width) for j in range(width)])
