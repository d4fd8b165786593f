"""What layouts put on a page: numbers, words, print, and marks that are neither."""

from __future__ import annotations

import itertools
import math

import numpy as np

from crnn_lib.handwriting.pages._page import APART, FINER, Page, band_at
from crnn_lib.handwriting.pages._sprites import Sprite

SEPARATORS = ("/", "/", "/", "-", ".", ":", " ", ",")


def between(r: np.random.Generator, low: float, high: float) -> float:
    """Log-uniform."""
    return math.exp(r.uniform(math.log(low), math.log(max(high, low * 1.001))))


def digits_of(r: np.random.Generator, most: int = 10) -> int:
    """How many digits a number has: short ones are common."""
    return int(min(r.choice([1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 10]), most))


def put_number(
    page: Page,
    x: float,
    y: float,
    height: float,
    *,
    free: bool = True,
    digits: int | None = None,
    widest: float = math.inf,
    cell: tuple[int, int] | None = None,
) -> float | None:
    """A number of some kind at (x, y); its width, or None if there is no room."""
    r = page.r
    slope, stretch = r.normal(0, 0.02), r.uniform(0.85, 1.15)
    chance = r.random()
    if digits is None and chance < 0.14:
        return put_groups(page, x, y, height, free=free, widest=widest, cell=cell)
    if digits is None and chance > 0.95:
        return put_apart(page, x, y, height, free=free, widest=widest, cell=cell)
    if digits is None and chance > 0.91:
        return put_price(page, x, y, height, free=free, widest=widest, cell=cell)
    if digits is None and chance < 0.3:
        sprite = page.store.amounts[r.integers(len(page.store.amounts))]
    else:
        sprite = page.store.number(r, digits or digits_of(r))
    most = len(sprite.text)
    while sprite.aspect * stretch * height > widest and most > 1:
        most -= 1
        sprite = page.store.number(r, most)
    if sprite.aspect * stretch * height > widest:
        return None
    return page.write(
        "number", sprite, x, y, height, slope=slope, stretch=stretch, free=free, cell=cell
    )


def put_apart(page, x, y, height, *, free=True, widest=math.inf, cell=None) -> float | None:
    """A number whose digits stand apart, as in a form's fields; less so than two numbers."""
    r = page.r
    sprites = [page.store.number(r, 1) for _ in range(r.integers(2, 9))]
    gaps = height * r.uniform(0.2, 0.55) * r.uniform(0.7, 1.0, len(sprites))
    gaps[-1] = 0.0
    width = sum(s.aspect * height for s in sprites) + gaps.sum()
    if width > widest:
        return None
    if free and not page.room(x, y - 0.25 * height, width, 1.5 * height, APART * height):
        return None
    at = x
    for sprite, gap in zip(sprites, gaps.tolist(), strict=True):
        shift = r.normal(0, 0.04) * height
        at += (page.write("number", sprite, at, y + shift, height, text="") or 0) + gap
    text = "".join(sprite.text for sprite in sprites)
    page.register("number", text, band_at(x, y, at - x, height), cell)
    return at - x


def put_groups(page, x, y, height, *, free=True, widest=math.inf, cell=None) -> float | None:
    """Groups of digits with separators: dates above all, in which a slash leans as it likes.

    The last group may be long, as in a telephone number.
    """
    r = page.r
    date = r.random() < 0.6
    lengths = [1 + int(r.random() < 0.5) for _ in range(2)] + [2 * int(r.integers(1, 3))]
    if not date:
        lengths = [int(r.integers(1, 4)) for _ in range(r.integers(2, 4))]
        if r.random() < 0.3:
            lengths[-1] = int(r.integers(4, 8))
    sprites = [page.store.number(r, n) for n in lengths]
    mark = SEPARATORS[r.integers(4 if date else len(SEPARATORS))]
    gap = height * (r.uniform(0.25, 0.7) if mark in "/-" else r.uniform(0.2, 0.5))
    width = _width_of(sprites, height, gap)
    if width > widest:
        return None
    if free and not page.room(x, y - 0.25 * height, width, 1.5 * height, APART * height):
        return None
    _write_groups(page, sprites, mark, gap, x, y, height, cell)
    return width


def put_price(page, x, y, height, *, free=True, widest=math.inf, cell=None) -> float | None:
    """A number and the sign of a currency or of percent close to it, which is none of it."""
    r = page.r
    sign = list(_MONEY)[r.integers(len(_MONEY))]
    before = bool(r.random() < {"$": 0.8, "£": 0.8, "€": 0.3}.get(sign, 0.0))
    sprites = [page.store.number(r, int(r.integers(1, 5)))]
    if r.random() < 0.6:
        sprites.append(page.store.number(r, 2))
    gap = height * r.uniform(0.2, 0.5)
    half = height * r.uniform(0.3, 0.5)
    room = 1.4 * half + height * r.uniform(0.15, 0.6)  # for the sign
    width = _width_of(sprites, height, gap) + room
    if width > widest:
        return None
    if free and not page.room(x, y - 0.25 * height, width, 1.5 * height, APART * height):
        return None
    _write_groups(page, sprites, ".,"[r.integers(2)], gap, x + room * before, y, height, cell)
    middle = x + (0.7 * half if before else width - 0.7 * half), y + height / 2
    for path in _MONEY[sign]:
        points = np.array(path) * (0.7 * half, half) + middle
        page.stroke(points + r.normal(0, 0.05 * half, points.shape), page.thick * height)
    return width


def _width_of(sprites: list[Sprite], height: float, gap: float) -> float:
    return sum(s.aspect * height for s in sprites) + gap * (len(sprites) - 1)


def _write_groups(page: Page, sprites: list[Sprite], mark, gap, x, y, height, cell) -> None:
    """Numbers side by side with a separator between, which are one number."""
    r = page.r
    upright = r.random() < 0.25
    lean = r.normal(0, 0.04) if upright else r.uniform(-0.05, 0.6)
    at, beyond = x, r.uniform(-0.15, 0.4)
    for n, sprite in enumerate(sprites):
        at += page.write("number", sprite, at, y, height, text="") or 0
        if n < len(sprites) - 1:
            _separator(page, mark, at + gap / 2, y, height, lean, beyond)
            at += gap
    text = mark.join(sprite.text for sprite in sprites)
    page.register("number", text, band_at(x, y, at - x, height), cell)


def _separator(page: Page, mark: str, x, y, height, lean, beyond) -> None:
    r, line = page.r, page.thick * height
    foot, middle = y + height, y + height / 2
    if mark == "/":
        up, down = (beyond + r.normal(0, 0.08) for _ in range(2))
        half = 0.5 * lean * height
        points = [(x + half, y - up * height), (x + r.normal(0, 0.03) * height, middle)]
        page.stroke([*points, (x - half, foot + down * height)], line)
    elif mark == "-":
        half = height * r.uniform(0.1, 0.22)
        page.stroke([(x - half, middle), (x + half, middle + r.normal(0, 0.05) * height)], line)
    elif mark == ",":
        page.stroke([(x, foot - line), (x - 0.1 * height, foot + 0.2 * height)], line)
    elif mark in ".:":
        for at in (foot,) if mark == "." else (foot, middle):
            page.stroke([(x, at - line), (x + 0.3 * line, at)], 1.4 * line)


def put_word(page, x, y, height, *, free=True, widest=math.inf) -> float | None:
    """A word by the pen, its small letters as high as ``height``."""
    r = page.r
    sprite = _fitting(r, page.store.words, widest / height)
    if sprite is None:
        return None
    return page.write(
        "word",
        sprite,
        x,
        y,
        height,
        slope=r.normal(0, 0.03),
        stretch=r.uniform(0.8, 1.2),
        free=free,
    )


def put_beside(page: Page, x, y, height, *, widest: float = math.inf) -> float | None:
    """A number and a word side by side, as in "12 kg" or "Room 7"; the width of both."""
    r = page.r
    word = page.store.words[r.integers(len(page.store.words))]
    number = page.store.number(r, digits_of(r, 5))
    small, gap = height * r.uniform(0.5, 0.8), height * r.uniform(0.35, 0.9)
    wide = number.aspect * height, word.aspect * small
    if sum(wide) + gap > widest:
        return None
    if not page.room(x, y, sum(wide) + gap, 1.2 * height, APART * height):
        return None
    first = bool(r.random() < 0.5)  # the number
    foot = y + height
    page.write("number", number, x if first else x + wide[1] + gap, y, height)
    page.write("word", word, x + wide[0] + gap if first else x, foot - small, small)
    return sum(wide) + gap


def put_quantity(
    page: Page, x, y, height, *, free: bool = False, widest: float = math.inf
) -> float | None:
    """A number and its unit, a letter or two close behind it, or "m =" before: "12 g" is no 129."""
    r = page.r
    number = page.store.number(r, digits_of(r, 5))
    if r.random() < 0.4:
        number = page.store.amounts[r.integers(len(page.store.amounts))]
    short = [s for s in page.store.words if len(s.text) <= 2 and s.text.isalpha()]
    which = r.random()  # the name, the unit, or both
    at, parts = x, []
    for is_name in (True, False):
        if which < 0.6 if is_name else 0.25 < which:
            letters = short[r.integers(len(short))]
            small = height * r.uniform(0.45, 0.75) / (1.4 if letters.text.isupper() else 1.0)
            gap = height * r.uniform(0.2, 0.6) * (is_name is False)
            parts.append((letters, at + gap, small))
            at += gap + letters.aspect * small
        if is_name:
            if parts:
                sign = at + height * r.uniform(0.15, 0.5)
                at = sign + height * r.uniform(0.5, 1.0)  # beyond the sign
            start, at = at, at + number.aspect * height
    if at - x > widest:
        return None
    if free and not page.room(x, y, at - x, 1.2 * height, APART * height):
        return None
    if which < 0.6:
        for level in (0.45, 0.62):
            foot = y + height * level + r.normal(0, 0.02) * height
            page.stroke([(sign, foot), (sign + 0.3 * height, foot)], page.thick * height)
    page.write("number", number, start, y, height)
    for letters, left, small in parts:
        page.write("word", letters, left, y + height - small, small)
    return at - x


def put_equation(page: Page, x, y, height, *, widest: float = math.inf) -> float | None:
    """Numbers in a line with signs between: "31 x 53 = 1643", each number for itself."""
    r, line = page.r, page.thick * height
    signs = ["+-x:÷"[r.integers(5)] for _ in range(1 + int(r.random() < 0.2))]
    signs += ["="] * int(r.random() < 0.8)
    numbers = [page.store.number(r, int(r.integers(1, 4))) for _ in range(len(signs) + 1)]
    if signs[-1] == "=" and r.random() < 0.4:
        del numbers[-1]  # what comes out is left open
    # A minus or a colon as close as in a date would part what put_groups joins.
    apart = r.uniform(0.5, 0.9) if {"-", ":"} & {*signs} else r.uniform(0.1, 0.5)
    half, gap = height * r.uniform(0.15, 0.3), height * apart
    step = 2 * (gap + half)
    if sum(s.aspect * height for s in numbers) + len(signs) * step > widest:
        return None
    at, middle = x, y + height * r.uniform(0.45, 0.6)
    for n, number in enumerate(numbers):
        at += page.write("number", number, at, y + r.normal(0, 0.03) * height, height) or 0
        if n < len(signs):
            for path in _SIGNS[signs[n]]:
                points = np.array(path) * half + (at + step / 2, middle)
                page.stroke(points + r.normal(0, 0.08 * half, points.shape), line)
            at += step
    return at - x


def put_item(page: Page, x, y, height) -> float:
    """The number of an item of a list: "3.", "3)", "(3)", "3:", in a ring or a box, or bare."""
    r, line = page.r, page.thick * height
    sprite = page.store.number(r, 1 + int(r.random() < 0.3))
    how = r.choice(["bare", ".", ")", ")", "()", ":", "ring", "box"])
    gap = height * (r.uniform(0.15, 0.6) if how != "ring" else r.uniform(0.3, 0.5))
    lean = r.normal(0.08, 0.1)  # of parentheses
    wide, start = sprite.aspect * height, x + (gap + 0.2 * height) * (how in ("()", "ring", "box"))
    page.write("number", sprite, start, y, height)
    end, middle = start + wide, (start + wide / 2, y + height / 2)
    if how in ".:":
        _separator(page, how, end + gap, y, height, 0.0, 0.0)
    for side, at in ((1, end + gap), (-1, start - gap)):
        if how == "()" or (how == ")" and side == 1):
            turn = np.linspace(-1.1, 1.1, 12)
            high, bend = height * r.uniform(0.55, 0.8), height * r.uniform(0.15, 0.5)
            bow = at + side * bend * (np.cos(turn) - 0.7) - lean * high * turn
            bow = np.stack([bow, middle[1] + high * turn], 1)
            page.stroke(bow, line)
    if how == "ring":
        page.ring(*middle, wide + 2.2 * gap, height + 2 * gap, line)
    if how == "box":
        page.frame(start - gap, y - gap, wide + 2 * gap, height + 2 * gap, line, pen=True)
    return end + 2 * gap - x


def put_marked(page: Page, x, y, height, *, widest: float = math.inf) -> float | None:
    """A number of any length with a ring or a frame around it, or a stroke or two below."""
    r = page.r
    sprite = page.store.number(r, digits_of(r, 8))
    wide, line = sprite.aspect * height, height * page.thick * r.uniform(0.3, 1.2)
    edge = height * r.uniform(0.3, 0.8)
    if wide + 2 * edge > widest:
        return None
    if not page.room(x, y - edge, wide + 2 * edge, height + 2 * edge):
        return None
    page.write("number", sprite, x + edge, y, height)
    how = r.random()
    if how < 0.5:
        page.ring(x + edge + wide / 2, y + height / 2, wide + 2 * edge,
                  height + 1.6 * edge, line)  # fmt: skip
    elif how < 0.75:
        page.frame(x, y - 0.6 * edge, wide + 2 * edge, height + 1.2 * edge, line, pen=True)
    else:
        for k in range(int(r.integers(1, 3))):
            foot = y + height * (1.12 + 0.18 * k) + r.normal(0, 0.02) * height
            page.stroke([(x + 0.5 * edge, foot), (x + wide + 1.5 * edge, foot)], line)
    return wide + 2 * edge


def put_print(page, x, y, height, *, free=True, label=False, widest=math.inf) -> float | None:
    """A printed label or a line of print, its small letters as high as ``height``."""
    known = page.store.labels if label else page.store.prints
    sprite = _fitting(page.r, known, widest / height)
    if sprite is None:
        return None
    return page.write("print", sprite, x, y, height, free=free)


def put_figure(page, x, y, height, *, free=True, widest=math.inf) -> float | None:
    """A printed number, its digits as high as ``height``."""
    sprite = _fitting(page.r, page.figures, widest / height)
    if sprite is None:
        return None
    return page.write("print", sprite, x, y, height, free=free)


def put_barcode(page: Page, x, y, width, height) -> None:
    """Printed bars side by side, which look like ones; or a field of printed squares."""
    r, draw = page.r, page.layers.draw_rules
    across = int(r.integers(20, 60))
    down = across if r.random() < 0.4 else 1
    width = height if down > 1 else width
    steps = np.linspace(0, 1, across + 1)
    for top, bottom in itertools.pairwise(np.linspace(0, 1, down + 1)):
        for k in np.flatnonzero(r.random(across) < 0.5):
            left, right = x + width * steps[[k, k + 1]]
            high, low = y + height * top, y + height * bottom
            seen = FINER * page.seen([(left, high), (right, high), (right, low), (left, low)])
            draw.polygon(seen.ravel().tolist(), fill=255)


def _fitting(r, sprites: list[Sprite], aspect: float) -> Sprite | None:
    """One of the sprites, no wider than that for its height; None if a few tries find none."""
    for _ in range(8):
        sprite = sprites[r.integers(len(sprites))]
        if 1.2 * sprite.aspect <= aspect:
            return sprite
    return None


def put_signature(page: Page, x, y, height) -> None:
    """A name that is hardly written: loops that run out into a stroke."""
    r = page.r
    count = int(r.integers(5, 12))
    t = np.linspace(0, count * 2 * np.pi, 16 * count)
    rise = np.interp(t, np.linspace(0, t[-1], count), height * r.uniform(0.15, 1, count) ** 1.5)
    run = height * r.uniform(0.25, 0.6)
    px = x + run * t / 6.3 + 0.5 * run * np.cos(t + r.uniform(0, 6)) * r.uniform(0.6, 1.4)
    py = y + height / 2 - rise * np.sin(t) * 0.6 - r.uniform(0, 0.3) * (px - x)
    page.stroke(np.stack([px, py], 1), page.thick * height * r.uniform(0.3, 0.7))
    band = band_at(x, y + 0.25 * height, float(px.max() - x), 0.5 * height)
    page.register("word", "", band)
    if r.random() < 0.5:
        ends = [
            (x - 0.2 * height, y + 1.1 * height),
            (px.max() + height, y + r.normal(1, 0.2) * height),
        ]
        page.stroke(ends, page.thick * height * 0.4)


def put_scribble(page: Page, x, y, width, height) -> None:
    """Strokes to and fro that mean nothing, or strike something out."""
    r = page.r
    count = int(r.integers(4, 14))
    walk = np.cumsum(r.normal(0, 1, (count, 2)), 0)
    walk[:, 0] += np.linspace(0, 3, count) * r.integers(0, 3)
    walk = (walk - walk.min(0)) / (np.ptp(walk, axis=0) + 1e-6)
    t = np.linspace(0, count - 1, 8 * count)
    bell = np.hanning(9) / np.hanning(9).sum()
    smooth = [
        np.convolve(np.pad(np.interp(t, range(count), w), 4, "edge"), bell, "valid") for w in walk.T
    ]
    points = np.stack(smooth, 1) * (width, height) + (x, y)
    page.stroke(points, page.thick * between(r, 8, 40))


def _directions(angles: np.ndarray) -> list[tuple[float, float]]:
    """Points at these angles on a circle of radius 1."""
    return [(np.cos(a), np.sin(a)) for a in angles]


_TURN = np.linspace(0, 2 * np.pi, 33)
_ROUND = np.stack([np.cos(_TURN), np.sin(_TURN)], 1)
#: What people draw or print beside numbers: closed curves above all, that are no 0. Each is a few
#: strokes; (0, 0) is its top left, (1, 1) its bottom right. Chance picks by place in this table.
_SHAPES: dict[str, list] = {
    "circle": [],  # put_shape makes its strokes, and those of the box and the arc
    "box": [],
    "triangle": [[(0, 1), (0.5, 0), (1, 1), (0, 1)]],
    "arrow": [[(0, 0.5), (1, 0.5)], [(0.75, 0.25), (1, 0.5), (0.75, 0.75)]],
    "tick": [[(0, 0.6), (0.3, 1), (1, 0)]],
    "cross": [[(0, 0), (1, 1)], [(1, 0), (0, 1)]],
    "star": [_directions(np.arange(6) * 0.8 * np.pi)],
    "arc": [],
    "brace": [[(0.5, 0), (0.2, 0.2), (0.2, 0.4), (0, 0.5), (0.2, 0.6), (0.2, 0.8), (0.5, 1)]],
    "plus": [[(0, 0.5), (1, 0.5)], [(0.5, 0), (0.5, 1)]],
    "equals": [[(0, 0.3), (1, 0.3)], [(0, 0.7), (1, 0.7)]],
    "tally": [[(k / 4, 0), (k / 4 - 0.05, 1)] for k in range(4)] + [[(-0.2, 0.9), (1, 0.1)]],
    "root": [[(0, 0.6), (0.2, 1), (0.4, 0), (1.5, 0)]],
    "heart": [
        0.5 - np.stack([-16 * np.sin(_TURN) ** 3, 13 * np.cos(_TURN) - 5 * np.cos(2 * _TURN)
                        - 2 * np.cos(3 * _TURN) - np.cos(4 * _TURN)], 1) / 34
    ],
    "face": [0.5 + 0.5 * _ROUND, *([(x, 0.35), (x, 0.42)] for x in (0.35, 0.65)),
             0.5 + 0.28 * _ROUND[2:15]],
    "flower": [0.5 + _ROUND * (0.36 + 0.14 * np.cos(5 * _TURN))[:, None], 0.5 + 0.1 * _ROUND],
    "spiral": [0.5 + np.tile(_ROUND[1:], (3, 1)) * np.linspace(0, 0.5, 96)[:, None]],
    "house": [[(0.1, 1), (0.1, 0.45), (0.5, 0), (0.9, 0.45), (0.9, 1), (0.1, 1)],
              [(0.4, 1), (0.4, 0.65), (0.6, 0.65), (0.6, 1)]],
    "wave": [np.stack([_TURN / 6.3, 0.5 + 0.25 * np.sin(3 * _TURN)], 1)],
    "drop": [np.stack([0.5 + 0.35 * np.sin(_TURN) * np.sin(_TURN / 2) ** 1.5,
                       0.5 - 0.5 * np.cos(_TURN)], 1)],
}  # fmt: skip


#: Signs between numbers, within a square from -1 to 1.
_SIGNS: dict[str, list] = {
    "+": [[(-1, 0), (1, 0)], [(0, -1), (0, 1)]],
    "-": [[(-1, 0), (1, 0)]],
    "x": [[(-0.8, -0.8), (0.8, 0.8)], [(0.8, -0.8), (-0.8, 0.8)]],
    ":": [[(0, -0.7), (0.1, -0.6)], [(0, 0.7), (0.1, 0.8)]],
    "÷": [[(-1, 0), (1, 0)], [(0, -0.8), (0.1, -0.7)], [(0, 0.8), (0.1, 0.9)]],
    "=": [[(-1, -0.4), (1, -0.4)], [(-1, 0.4), (1, 0.4)]],
}

#: Signs close to a number, within a square from -1 to 1.
_MONEY: dict[str, list] = {
    "$": [[(0.6, -0.6), (0.1, -0.8), (-0.5, -0.7), (-0.6, -0.3), (0.5, 0.2), (0.6, 0.6),
           (0, 0.8), (-0.6, 0.6)], [(0, -1.1), (0, 1.1)]],
    "€": [0.2 + np.stack([0.8 * np.cos(_TURN[5:29]), -0.2 + np.sin(_TURN[5:29])], 1),
          [(-1, -0.2), (0.4, -0.2)], [(-1, 0.2), (0.3, 0.2)]],
    "£": [[(0.5, -0.6), (0.2, -0.95), (-0.2, -0.8), (-0.3, -0.3), (-0.2, 0.4), (-0.5, 0.9),
           (0.6, 0.85)], [(-0.6, 0), (0.3, 0)]],
    "%": [[(0.6, -1), (-0.6, 1)], 0.35 * _ROUND - (0.6, 0.6), 0.35 * _ROUND + (0.6, 0.6)],
}  # fmt: skip


def put_shape(page: Page, x, y, size) -> None:
    """A circle, box, triangle, arrow, sign, heart, face or the like, drawn or printed."""
    r, pen = page.r, bool(page.r.random() < 0.7)
    line = size * r.uniform(0.02, 0.14)
    wide = size * r.uniform(0.7, 1.5)
    shape = list(_SHAPES)[r.integers(len(_SHAPES))]
    if shape == "circle":
        page.ring(x + wide / 2, y + size / 2, wide, size, line, pen=pen)
        return
    if shape == "box":
        page.frame(x, y, wide, size, line, pen=pen)
        return
    bend = r.uniform(1.5, 5)  # drawn for all, so that a seed keeps its pages
    paths = [_directions(np.linspace(0, bend, 20))] if shape == "arc" else _SHAPES[shape]
    any_way = shape in ("arrow", "arc", "brace")
    turn = r.uniform(0, 2 * np.pi) if any_way else r.normal(0, 0.1)
    spin = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    for path in paths:
        points = (np.array(path) - 0.5) * (wide, size) @ spin.T + (x, y) + size / 2
        page.stroke(points + r.normal(0, 0.02 * size, points.shape), line, pen=pen)


def put_crossed(page: Page, x, y, height) -> None:
    """A number struck out: no number any more."""
    r = page.r
    sprite = page.store.number(r, digits_of(r, 5))
    width = page.write("crossed", sprite, x, y, height, free=True)
    if width is None:
        return
    line = page.thick * height * r.uniform(0.8, 1.3)
    if r.random() < 0.3:
        put_scribble(page, x - 0.1 * height, y, width + 0.2 * height, height)
    for _ in range(r.integers(1, 4)):
        left, right = r.uniform(0, 1, 2) * height + y
        page.stroke([(x - 0.2 * height, left), (x + width + 0.2 * height, right)], line)


def put_stamp(page: Page, x, y, size) -> None:
    """A rubber stamp or a logo: rings or a frame with print between them."""
    r, known = page.r, page.store.labels
    cover = int(r.uniform(80, 255))
    line = max(0.02 * size, 0.7)
    if r.random() < 0.5:
        page.ring(x + size / 2, y + size / 2, size, size, line, pen=False, cover=cover)
        page.ring(
            x + size / 2, y + size / 2, 0.75 * size, 0.75 * size, line, pen=False, cover=cover
        )
    else:
        page.frame(x, y + 0.25 * size, size, 0.5 * size, line, cover=cover)
    sprite = known[r.integers(len(known))]
    high = min(0.2 * size, 0.6 * size / sprite.aspect)
    wide = sprite.aspect * high
    slope = r.normal(0, 0.15)
    page.write("print", sprite, x + (size - wide) / 2, y + (size - high) / 2, high, slope=slope)


def put_logo(page: Page, x, y, size) -> None:
    """Filled forms, as emblems are made of."""
    r, draw = page.r, page.layers.draw_rules
    for _ in range(r.integers(1, 4)):
        count = int(r.integers(3, 24))
        turn = np.sort(r.uniform(0, 2 * np.pi, count))
        reach = size / 2 * r.uniform(0.6, 1, count)
        points = np.stack(
            [x + size / 2 + reach * np.cos(turn), y + size / 2 + reach * np.sin(turn)], 1
        )
        seen = FINER * page.seen(points)
        draw.polygon(seen.ravel().tolist(), fill=int(r.choice([0, 120, 255])))
        size *= 0.6


def clutter(page: Page, amount: float) -> None:
    """What else lies around on a sheet."""
    r = page.r

    def some(mean: float):
        return range(r.poisson(mean * amount))

    left, top, right, bottom = page.area
    for _ in some(2.5):
        x, y = r.uniform(left - 20, right - 20), r.uniform(top, bottom)
        height = between(r, 4, 22 if r.random() < 0.85 else 80)
        if r.random() < 0.25:
            put_figure(page, x, y, 1.4 * height)
        else:
            put_print(page, x, y, height, label=r.random() < 0.6)
    for _ in some(2.0):
        x, y = r.uniform(left - 20, right - 20), r.uniform(top, bottom)
        put_word(page, x, y, between(r, 6, 40))
    for _ in some(0.8):
        size = between(r, 12, 110)
        place = page.anywhere(size, size)
        if place:
            put_shape(page, *place, size)
    for _ in some(0.25):
        size = between(r, 25, 120)
        place = page.anywhere(2 * size, size)
        if place:
            put_signature(page, place[0], place[1], 0.6 * size)
    for _ in some(0.2):
        size = between(r, 15, 80)
        place = page.anywhere(2 * size, size)
        if place:
            put_scribble(page, *place, 2 * size, size)
    for _ in some(0.2):
        size = between(r, 30, 120)
        place = page.anywhere(size, size)
        if place:
            (put_stamp, put_logo)[r.integers(2)](page, *place, size)
    for _ in some(0.12):
        height = between(r, 20, 70)
        place = page.anywhere(3 * height, height)
        if place:
            put_barcode(page, *place, 3 * height, height)
    for _ in some(0.3):
        height = between(r, 9, 50)
        place = page.anywhere(3 * height, 1.5 * height)
        if place:
            put_crossed(page, place[0], place[1], height)
    for _ in some(0.4):
        rule(page)


def rule(page: Page) -> None:
    """A straight line across the sheet, as a printed rule or a pen's."""
    r = page.r
    left, top, right, bottom = page.area
    line, cover = between(r, 0.5, 3), int(r.uniform(70, 255))
    if r.random() < 0.7:
        y = r.uniform(top, bottom)
        ends = [(left - 50, y), (right + 50, y + r.normal(0, 2))]
    else:
        x = r.uniform(left, right)
        ends = [(x, top - 50), (x + r.normal(0, 2), bottom + 50)]
    page.stroke(ends, line, pen=r.random() < 0.15, cover=cover)
