"""Lines on which no number stands: words, print, shapes, scribbles, textures, cut-off writing.

A network that has seen numbers alone reads a number in everything. So it learns from lines like
these too, whose label is empty, and tests count how often it falls for them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch.nn import functional as F

from crnn_lib.alphabet import Alphabet, check_generator, is_whole
from crnn_lib.handwriting._faces import load_face
from crnn_lib.handwriting._precision import single_precision
from crnn_lib.handwriting.glyphs import Glyphs
from crnn_lib.handwriting.lines import LineBatch, compose_lines
from crnn_lib.handwriting.pen import TEXT_CHARACTERS, draw_digits, draw_words
from crnn_lib.handwriting.styles import LineStyle
from crnn_lib.handwriting.texts import TextStyle, random_texts
from crnn_lib.handwriting.words import lines_of_words

#: What there may be instead of a number, and how often.
TEXTLESS = {
    "words": 0.28,
    "print": 0.16,
    "strokes": 0.18,
    "shapes": 0.16,
    "textures": 0.1,
    "cut": 0.08,
    "blank": 0.04,
}
WORDS = TextStyle(numbers=0.0, letters=0.0, marks=0.08)
LIKE_DIGITS = set("OoQDCcUuIiljJtTLSsZzBbgqGeaA|()")  # letters that some hand writes as a digit
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Bold"),
    *("DejaVuSerif-Italic", "DejaVuSansMono", "STIXGeneral", "STIXGeneralItalic", "cmr10"),
)
FINER = 3  # shapes are drawn so many times as large, then averaged


@single_precision()
def lines_without_text(
    count: int, generator: torch.Generator, *, height: int = 32, kinds: str | None = None
) -> LineBatch:
    """Lines with ink and no number on them.

    Parameters
    ----------
    count : int
        Number of lines N.
    generator : torch.Generator
        Source of all chance. The same state gives the same lines.
    height : int
        Of a line, in pixels.
    kinds : str, optional
        One of ``TEXTLESS``; without it each line is of one of them, as often as stands there.

        words
            By the pen. None is made of such letters only as look like digits: "oil" is left out.
        print
            Words in the fonts that matplotlib brings.
        strokes
            Ticks, arrows, crosses, brackets, waves, scribbles, signatures.
        shapes
            Rules, corners and sides of frames, polygons, circles cut off by the border or drawn
            with a compass, rings around nothing.
        textures
            Cloth, bricks, wood, stripes, stains.
        cut
            Numbers and words of which the border has left a quarter of the height at most.
        blank
            Nothing.

    Returns
    -------
    LineBatch
        Ink bright on black; every text is empty.

    Examples
    --------
    >>> lines = lines_without_text(20, torch.Generator().manual_seed(0))
    >>> set(lines.texts), lines.images.shape[2], lines.target_lengths.sum().item()
    ({''}, 32, 0)
    """
    check_generator(generator, "lines_without_text")
    if kinds is not None and kinds not in TEXTLESS:
        raise ValueError(f"kinds is one of {', '.join(TEXTLESS)}; got {kinds!r}.")
    if not is_whole(count) or count < 0 or not is_whole(height) or height < 16:
        raise ValueError(
            "count is 0 or more and height 16 pixels or more; got "
            f"count={count!r:.40}, height={height!r:.40}."
        )
    chance = random.Random(int(torch.randint(2**62, (1,), generator=generator)))
    shares = list(TEXTLESS.values())
    names = [kinds] * count if kinds else chance.choices(list(TEXTLESS), shares, k=count)
    images: list[np.ndarray] = [np.zeros((height, 1), np.float32)] * count
    for kind in TEXTLESS:
        places = [n for n, name in enumerate(names) if name == kind]
        if places:
            drawn = _MAKERS[kind](len(places), generator, chance, height)
            for place, image in zip(places, drawn, strict=True):
                images[place] = image
    widths = torch.tensor([image.shape[1] for image in images], dtype=torch.long)
    whole = torch.zeros(count, 1, height, int(widths.max()) if count else 1)
    for line, image in zip(whole, images, strict=True):
        line[0, :, : image.shape[1]] = torch.from_numpy(image)
    none = torch.zeros(count, 0, dtype=torch.long)
    lengths = torch.zeros(count, dtype=torch.long)
    return LineBatch(whole, widths, none, lengths, [""] * count, none[..., None].expand(-1, -1, 2))


# ---------------------------------------------------------------------------- writing


def _texts(count: int, generator: torch.Generator) -> list[str]:
    """Words that no hand makes look like numbers."""
    texts: list[str] = []
    while len(texts) < count:
        drawn = random_texts(2 * count, generator, WORDS)
        texts += [t for t in drawn if sum(c.isalpha() and c not in LIKE_DIGITS for c in t) >= 2]
    return texts[:count]


def _written_words(
    count: int, generator: torch.Generator, chance: random.Random, height: int
) -> list[np.ndarray]:
    texts = _texts(count, generator)
    texts = ["".join(c for c in t if c == " " or c in TEXT_CHARACTERS).strip() for t in texts]
    written = draw_words(texts, generator, height=round(1.6 * height))
    alphabet = Alphabet(TEXT_CHARACTERS + " ")
    lines = lines_of_words(written, alphabet, height=height, variety=1.0, generator=generator)
    return _rows(lines)


def _rows(lines: LineBatch) -> list[np.ndarray]:
    widths = lines.widths.tolist()
    return [i[0, :, :w].numpy() for i, w in zip(lines.images, widths, strict=True)]


def _printed(
    count: int, generator: torch.Generator, chance: random.Random, height: int
) -> list[np.ndarray]:
    images = []
    for text in _texts(count, generator):
        text = text.upper() if chance.random() < 0.25 else text
        face = load_face(chance.choice(FONTS), chance.randrange(round(0.4 * height), height))
        left, top, right, bottom = face.getbbox(text)
        canvas = Image.new("L", (math.ceil(right - left) + 2 * chance.randrange(1, 8), height))
        down = (height - bottom + top) / 2 + chance.uniform(-0.15, 0.15) * height
        at = ((canvas.width - right + left) / 2 - left, down - top)
        ImageDraw.Draw(canvas).text(at, text, fill=255, font=face)
        images.append(np.asarray(canvas, dtype=np.float32) / 255)
    return images


def _cut_off(
    count: int, generator: torch.Generator, chance: random.Random, height: int
) -> list[np.ndarray]:
    half = count // 2
    digits = torch.arange(10).repeat(max(half // 2, 4))
    glyphs = Glyphs(draw_digits(digits, generator), digits, "pen", "train")
    style = LineStyle(height=height, length=(2, 8))
    lines = _rows(compose_lines(glyphs, half, style, generator)) if half else []
    lines += _written_words(count - half, generator, chance, height)
    cut = []
    for image in lines:
        inked = np.flatnonzero(image.max(1) > 0.4)
        first, last = (int(inked[0]), int(inked[-1]) + 1) if len(inked) else (0, height)
        stays = max(round(chance.uniform(0.05, 0.25) * (last - first)), 1)
        kept = np.zeros_like(image)
        if chance.random() < 0.5:  # the foot of the line above, or the head of the one below
            kept[:stays] = image[last - stays : last]
        else:
            kept[height - stays :] = image[first : first + stays]
        cut.append(kept)
    return cut


# ---------------------------------------------------------------------------- strokes and shapes


class _Canvas:
    """A line on which strokes are drawn, in units of its height, and averaged to pixels."""

    def __init__(self, chance: random.Random, height: int, width: float) -> None:
        self.height, self.width = height, max(round(width * height), 4)
        size = (FINER * self.width, FINER * height)
        self.image = Image.new("L", size)
        self.draw = ImageDraw.Draw(self.image)
        self.scale = FINER * height
        self.thick = math.exp(chance.uniform(math.log(0.03), math.log(0.16)))

    def stroke(self, points: np.ndarray, thick: float | None = None) -> None:
        """A line through points (K, 2)."""
        wide = max(round((thick or self.thick) * self.scale), 2)
        at = [tuple(p) for p in (points * self.scale).tolist()]
        self.draw.line(at, fill=255, width=wide, joint="curve")
        for x, y in (at[0], at[-1]):
            r = wide / 2
            self.draw.ellipse([x - r, y - r, x + r, y + r], fill=255)

    def pixels(self) -> np.ndarray:
        large = np.asarray(self.image, dtype=np.float32) / 255
        return large.reshape(self.height, FINER, self.width, FINER).mean((1, 3))


def _smooth(points: np.ndarray, each: int = 10) -> np.ndarray:
    """A curve through points (K, 2), by Catmull and Rom."""
    p = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    t = np.linspace(0, 1, each, endpoint=False)[:, None]
    a, b, c, d = p[:-3, None], p[1:-2, None], p[2:-1, None], p[3:, None]
    curve = 0.5 * (
        2 * b + t * (c - a) + t**2 * (2 * a - 5 * b + 4 * c - d) + t**3 * (3 * (b - c) + d - a)
    )
    return np.concatenate([curve.reshape(-1, 2), points[-1:]])


def _shaken(points, chance: random.Random, much: float = 0.03) -> np.ndarray:
    points = np.asarray(points, dtype=float)
    return points + much * np.array([[chance.gauss(0, 1) for _ in p] for p in points])


def _tick(c: _Canvas, r: random.Random) -> None:
    x, w = r.uniform(0.1, 0.3), r.uniform(0.5, 0.9)
    points = [(x, r.uniform(0.45, 0.7)), (x + 0.28 * w, r.uniform(0.8, 0.95))]
    c.stroke(_shaken([*points, (x + w, r.uniform(0.02, 0.25))], r, 0.02))


def _arrow(c: _Canvas, r: random.Random) -> None:
    long, y = c.width / c.height - 0.3, r.uniform(0.35, 0.65)
    head = r.uniform(0.12, 0.3)
    ends = np.array([(0.15, y + r.uniform(-0.2, 0.2)), (0.15 + long, y)])
    if r.random() < 0.5:
        ends = ends[::-1]
    way = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    side = np.array([-way[1], way[0]])
    c.stroke(_shaken(ends, r, 0.01))
    barbs = [
        ends[1] - head * way + 0.7 * head * side,
        ends[1],
        ends[1] - head * way - 0.7 * head * side,
    ]
    c.stroke(_shaken(barbs, r, 0.01))


def _cross(c: _Canvas, r: random.Random) -> None:
    for k in range(r.choice([1, 1, 2, 3])):
        x = 0.15 + 0.9 * k
        c.stroke(_shaken([(x, 0.15), (x + 0.7, 0.85)], r))
        c.stroke(_shaken([(x + 0.7, 0.15), (x, 0.85)], r))


def _plus(c: _Canvas, r: random.Random) -> None:
    size = r.uniform(0.2, 0.4)
    x, y = 0.5, r.uniform(0.4, 0.6)
    c.stroke(_shaken([(x - size, y), (x + size, y)], r, 0.02))
    c.stroke(_shaken([(x, y - size), (x, y + size)], r, 0.02))


def _question(c: _Canvas, r: random.Random) -> None:
    hook = [(0.2, 0.3), (0.3, 0.1), (0.55, 0.08), (0.65, 0.25), (0.45, 0.45), (0.42, 0.65)]
    c.stroke(_smooth(_shaken(hook, r, 0.015)))
    c.stroke(np.array([(0.42, 0.85), (0.43, 0.87)]), 1.3 * c.thick)


def _brace(c: _Canvas, r: random.Random) -> None:
    x = np.array([0.5, 0.35, 0.33, 0.2, 0.33, 0.35, 0.5])
    y = np.array([0.02, 0.1, 0.38, 0.5, 0.62, 0.9, 0.98])
    c.stroke(_smooth(np.stack([x if r.random() < 0.5 else 0.7 - x, y], 1)))


def _wave(c: _Canvas, r: random.Random) -> None:
    long = c.width / c.height
    x = np.linspace(0.1, long - 0.1, 120)
    pace, tall = r.uniform(0.25, 1.2), r.uniform(0.05, 0.4)
    phase = x / pace + r.random()
    y = np.sin(2 * math.pi * phase) if r.random() < 0.6 else 4 * abs(phase % 1 - 0.5) - 1
    c.stroke(np.stack([x, r.uniform(0.4, 0.6) + tall * y * r.uniform(0.6, 1)], 1))


def _scribble(c: _Canvas, r: random.Random) -> None:
    long = c.width / c.height
    points = [
        (r.uniform(0.05, long - 0.05), r.uniform(0.05, 0.95)) for _ in range(r.randrange(6, 24))
    ]
    c.stroke(_smooth(np.array(points)))


def _signature(c: _Canvas, r: random.Random) -> None:
    long = c.width / c.height
    t = np.linspace(0, 1, 400)
    turns = r.uniform(3, 4 * long + 3)
    swing = sum(
        r.uniform(0.2, 1) / k * np.sin(2 * math.pi * (k * turns * t + r.random()))
        for k in (1, 1.7, 0.4)
    )
    loops = np.cos(2 * math.pi * (turns * t + r.random()))
    tall = 0.36 * (r.uniform(0.4, 1) ** (4 * t)) * swing / 1.6
    x = 0.1 + (long - 0.3) * t + r.uniform(0.05, 0.22) * loops
    y = 0.5 + tall + r.uniform(-0.1, 0.1) * t
    c.stroke(np.stack([x, y], 1))
    if r.random() < 0.5:
        under = [(0.1, 0.9), (long / 2, r.uniform(0.75, 0.95)), (long - 0.1, r.uniform(0.6, 0.9))]
        c.stroke(_smooth(np.array(under)))


def _spiral(c: _Canvas, r: random.Random) -> None:
    t = np.linspace(0, 1, 200)
    angle = 2 * math.pi * r.uniform(2.3, 5) * t
    x = 0.5 + 0.45 * t * np.cos(angle) + t * (c.width / c.height - 1) * r.random()
    c.stroke(np.stack([x, 0.5 + 0.45 * t * np.sin(angle)], 1))


def _rules(c: _Canvas, r: random.Random) -> None:
    long, slope = c.width / c.height, r.uniform(-0.03, 0.03)
    for _ in range(r.choice([1, 1, 2, 3])):
        y = r.uniform(0.03, 0.97)
        c.stroke(np.array([(-0.1, y), (long + 0.1, y + slope * long)]), 0.5 * c.thick)


def _frame(c: _Canvas, r: random.Random) -> None:
    """Some sides of a box, whose lines may go on: corners, tees, crossings."""
    long, thin = c.width / c.height, 0.6 * c.thick
    left, right = r.uniform(0, 0.15), long - r.uniform(0, 0.15)
    top, bottom = r.uniform(0, 0.2), 1 - r.uniform(0, 0.2)
    over = r.choice([0.0, 0.0, 2.0])
    rows = [y for y in (top, bottom) if r.random() < 0.75] or [top]
    columns = [x for x in (left, right) if r.random() < 0.75]
    columns += [r.uniform(left, right) for _ in range(r.choice([0, 0, 1, 3]))]
    for y in rows:
        c.stroke(np.array([(left - over, y), (right + over, y)]), thin)
    for x in columns:
        c.stroke(np.array([(x, top - over), (x, bottom + over)]), thin)


def _circle(c: _Canvas, r: random.Random) -> None:
    """A ring around something that is not there, wide or cut off, or one drawn with a compass."""
    long = c.width / c.height
    t = np.linspace(0, 2 * math.pi * r.uniform(0.97, 1.08), 160) + r.uniform(0, 6.3)
    kind = r.random()
    if kind < 0.4:
        across, down, y = long / 2 - 0.08, r.uniform(0.3, 0.48), 0.5
    elif kind < 0.85:
        across = down = r.uniform(0.6, 1.6)
        y = r.choice([0.0, 1.0, 0.5]) + r.uniform(-0.5, 0.5)
    else:
        across = down = r.uniform(0.4, 0.48)
        c.thick, y = min(c.thick, 0.06), 0.5
        t = np.linspace(0, 2 * math.pi, 160)
    x = long / 2 + r.uniform(-0.1, 0.1)
    c.stroke(np.stack([x + across * np.cos(t), y + down * np.sin(t)], 1))


def _polygon(c: _Canvas, r: random.Random) -> None:
    corners = r.choice([3, 3, 4, 4, 5, 6, 10])
    turn = 2 * math.pi * np.arange(corners) / corners + r.uniform(0, 2)
    reach = np.where(np.arange(corners) % 2, r.uniform(0.35, 0.6), 1.0) if corners == 10 else 1.0
    x = c.width / c.height / 2 + 0.44 * r.uniform(0.8, 1.3) * reach * np.cos(turn)
    points = np.stack([x, 0.5 + 0.44 * reach * np.sin(turn)], 1)
    if r.random() < 0.4:
        c.draw.polygon([tuple(p) for p in (points * c.scale).tolist()], fill=r.randrange(120, 256))
    else:
        c.stroke(np.concatenate([points, points[:2]]))


def _bars(c: _Canvas, r: random.Random) -> None:
    """Bars from border to border, as of a barcode or a fence."""
    x, slope = 0.0, r.choice([0.0, 0.0, r.uniform(-0.6, 0.6)])
    step = r.uniform(0.12, 0.5)
    while x < c.width / c.height:
        wide = r.uniform(0.03, 0.6 * step)
        c.stroke(np.array([(x + slope, -0.1), (x - slope, 1.1)]), wide)
        x += wide + step * r.uniform(0.6, 1.2)


def _blot(c: _Canvas, r: random.Random) -> None:
    for _ in range(r.choice([1, 1, 2, 4])):
        x, y = r.uniform(0.1, c.width / c.height), r.uniform(0.1, 0.9)
        a, b = r.uniform(0.05, 0.4), r.uniform(0.05, 0.4)
        box = [(x - a) * c.scale, (y - b) * c.scale, (x + a) * c.scale, (y + b) * c.scale]
        c.draw.ellipse(box, fill=r.randrange(100, 256))


Maker = Callable[[_Canvas, random.Random], None]
_STROKES: tuple[tuple[Maker, float, float, float], ...] = (  # weight, narrowest, widest
    (_tick, 2, 0.9, 1.6), (_arrow, 1.5, 1.2, 4), (_cross, 1.5, 1, 3), (_plus, 1, 1, 1.4),
    (_question, 1, 0.9, 1.4), (_brace, 1, 0.7, 1.2), (_wave, 2, 1.5, 6), (_scribble, 2.5, 1, 5),
    (_signature, 4, 2, 6), (_spiral, 0.7, 1.2, 4),
)  # fmt: skip
_SHAPES: tuple[tuple[Maker, float, float, float], ...] = (
    (_rules, 2, 1, 8), (_frame, 3, 0.8, 7), (_circle, 2.5, 1, 4), (_polygon, 2, 1, 1.6),
    (_bars, 1, 1.2, 5), (_blot, 1, 0.6, 3),
)  # fmt: skip


def _drawn(count: int, chance: random.Random, height: int, makers) -> list[np.ndarray]:
    images = []
    weights = [weight for _, weight, _, _ in makers]
    for make, _, narrow, wide in chance.choices(makers, weights, k=count):
        canvas = _Canvas(chance, height, chance.uniform(narrow, wide))
        make(canvas, chance)
        images.append(canvas.pixels())
    return images


def _draw_strokes(count, generator, chance, height) -> list[np.ndarray]:
    return _drawn(count, chance, height, _STROKES)


def _draw_shapes(count, generator, chance, height) -> list[np.ndarray]:
    return _drawn(count, chance, height, _SHAPES)


# ---------------------------------------------------------------------------- textures


def _noise(
    r: random.Random, shape: tuple[int, int], grain: float, stretch: float = 1.0
) -> np.ndarray:
    """Smooth noise with features of about ``grain`` pixels, deviation about 1."""
    seed = torch.Generator().manual_seed(r.getrandbits(62))
    rows, columns = (
        max(math.ceil(n / grain / s) + 2, 4) for n, s in zip(shape, (1, stretch), strict=True)
    )
    coarse = torch.randn(1, 1, rows, columns, generator=seed)
    fine = F.interpolate(coarse, size=shape, mode="bicubic", align_corners=False)
    return fine[0, 0].numpy()


def _texture(r: random.Random, height: int) -> np.ndarray:
    width = round(height * r.uniform(0.8, 6))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    turn = r.uniform(0, math.pi)
    across = math.cos(turn) * x + math.sin(turn) * y + r.uniform(0, 40)
    along = math.cos(turn) * y - math.sin(turn) * x + r.uniform(0, 40)
    kind = r.choice(["cloth", "bricks", "wood", "stripes", "stains", "checks", "grain"])
    if kind == "cloth":
        pitch = r.uniform(3, 9)
        ink = np.maximum(np.sin(2 * math.pi * across / pitch), np.sin(2 * math.pi * along / pitch))
    elif kind == "bricks":
        rise, long = r.uniform(0.35, 1.1) * height, r.uniform(0.8, 2.5) * height
        y, x = y + r.uniform(0, rise), x + r.uniform(0, long)
        x = x + long / 2 * (y // rise % 2)
        half = r.uniform(0.5, 2.5)
        mortar = np.minimum(abs(y % rise - rise / 2), abs(x % long - long / 2))
        ink = (half + 1 - mortar).clip(0, 1) * 2 - 1
        ink = ink if r.random() < 0.6 else -ink
    elif kind == "wood":
        bend = _noise(r, (height, width), r.uniform(15, 50), 4)
        ink = np.sin(2 * math.pi * (y + r.uniform(3, 9) * bend) / r.uniform(4, 12))
    elif kind == "stripes":
        ink = np.sin(2 * math.pi * across / r.uniform(4, 20)) + 0.2
    elif kind == "checks":
        pitch = r.uniform(5, 16)
        ink = np.sign(np.sin(math.pi * across / pitch) * np.sin(math.pi * along / pitch))
    else:
        ink = _noise(
            r, (height, width), r.uniform(4, 14) if kind == "stains" else r.uniform(1.2, 3)
        )
    ink = ink + r.uniform(0, 0.4) * _noise(r, (height, width), r.uniform(2, 12))
    return (r.uniform(0.6, 2) * ink + r.uniform(-0.4, 0.3)).clip(0, 1).astype(np.float32)


def _draw_textures(count, generator, chance, height) -> list[np.ndarray]:
    return [_texture(chance, height) for _ in range(count)]


def _draw_blank(count, generator, chance, height) -> list[np.ndarray]:
    widths = [round(height * chance.uniform(0.7, 6)) for _ in range(count)]
    return [np.zeros((height, width), np.float32) for width in widths]


_MAKERS: dict[str, Callable[[int, torch.Generator, random.Random, int], list[np.ndarray]]] = {
    "words": _written_words,
    "print": _printed,
    "strokes": _draw_strokes,
    "shapes": _draw_shapes,
    "textures": _draw_textures,
    "cut": _cut_off,
    "blank": _draw_blank,
}
