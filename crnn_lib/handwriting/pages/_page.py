"""A page while it is being written: a sheet, the camera above it, and layers of ink.

Layouts speak in pixels of the sheet, upright. The camera is a homography that takes them to the
photo's, with the sheet's turn and slope and what is far made smaller. Ink is drawn where it is
seen, so it stays sharp, and the corners of each line are known exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat
from scipy import ndimage
from skimage.morphology import skeletonize

from crnn_lib.handwriting.pages._sprites import Sprite, Store

FINER = 2  # strokes and rules are drawn so many times as large: PIL's lines have no soft edges
PAD = 2.0  # pixels that stay free around what takes a place
APART = 0.6  # heights between two lines in a row: with less they would be one line
LEAST_CORE = 0.3  # of the ink: strokes with less of it inside are thin as they are
FINEST = 0.08  # of a line's height: strokes of a width in pixels are never wider
MOST_BOLD = 1.4  # pixels of the store, in numbers and words
CELL = 4  # pixels of the grid that knows what is taken


@dataclass(frozen=True, eq=False)
class Placed:
    """A line that stands on the page: its band in the photo's pixels, and where it was meant."""

    kind: str
    text: str
    corners: np.ndarray  # (4, 2)
    at: tuple[float, float, float]  # middle x, y and height on the sheet
    cell: tuple[int, int] | None = None  # row and column, where the layout has such


@dataclass
class Layers:
    """Cover of each kind of ink, 0 to 255."""

    size: tuple[int, int]  # width, height
    pen: Image.Image = field(init=False)  # numbers and words
    crossed: Image.Image = field(init=False)  # by the pen, and neither number nor word
    print: Image.Image = field(init=False)
    strokes: Image.Image = field(init=False)  # marks by the pen, finer
    rules: Image.Image = field(init=False)  # marks of the print, finer
    tiles: Image.Image = field(init=False)  # where paper and ink change their tones, finer

    def __post_init__(self) -> None:
        finer = FINER * self.size[0], FINER * self.size[1]
        self.pen, self.crossed, self.print = (Image.new("L", self.size) for _ in range(3))
        self.strokes, self.rules, self.tiles = (Image.new("L", finer) for _ in range(3))
        self.draw_strokes = ImageDraw.Draw(self.strokes)
        self.draw_rules = ImageDraw.Draw(self.rules)
        self.draw_tiles = ImageDraw.Draw(self.tiles)


class Page:
    """A sheet under a camera, and what has been put on it.

    Parameters
    ----------
    r : numpy.random.Generator
    store : Store
    size : (int, int)
        Height and width of the photo.
    area : (float, float, float, float)
        Left, top, right, bottom of what may be written on, in pixels of the sheet.
    camera : array, (3, 3)
        Takes the sheet's pixels to the photo's.
    thick : float
        Width of the pen's strokes for digits that are 1 high.
    bolder : float
        How far strokes are widened, in pixels of the store; from 0 to -1, how much of their rim is
        taken away.
    line : int
        Pixels of the photo that the strokes of numbers and words are wide, or less where they are
        low; 0 leaves them.
    """

    def __init__(self, r, store: Store, size, area, camera, thick=0.09, bolder=0.0, line=0):
        self.r, self.store, self.size, self.area, self.camera = r, store, size, area, camera
        self.thick, self.bolder, self.line = thick, bolder, line
        self.figures = store.figures[r.integers(len(store.figures))]  # one face for all of a page
        self.layers = Layers((size[1], size[0]))
        self.lines: list[Placed] = []
        left, top, right, bottom = area
        self.taken = np.zeros(
            (int((bottom - top) // CELL) + 1, int((right - left) // CELL) + 1), dtype=bool
        )

    # ------------------------------------------------------------------ geometry

    def seen(self, points) -> np.ndarray:
        """Points (n, 2) of the sheet, in the photo's pixels."""
        points = np.asarray(points, dtype=float)
        x = points @ self.camera[:, :2].T + self.camera[:, 2]
        return x[:, :2] / x[:, 2:]

    def room(self, x: float, y: float, width: float, height: float, beside: float = 0.0) -> bool:
        """Whether a place is free, and so much beside it; if so, it is taken from now on."""
        left, top, right, bottom = self.area
        if x < left or y < top or x + width > right or y + height > bottom:
            return False
        low, high = y - PAD - top, y + height + PAD - top
        first, last = x - PAD - beside - left, x + width + PAD + beside - left
        rows = slice(int(max(low, 0) // CELL), int(high // CELL) + 1)
        columns = slice(int(max(first, 0) // CELL), int(last // CELL) + 1)
        if self.taken[rows, columns].any():
            return False
        self.taken[rows, columns] = True
        return True

    def anywhere(self, width: float, height: float, tries: int = 6) -> tuple[float, float] | None:
        """A free place for something of that size, or None."""
        left, top, right, bottom = self.area
        for _ in range(tries):
            x = self.r.uniform(left, max(right - width, left + 1))
            y = self.r.uniform(top, max(bottom - height, top + 1))
            if self.room(x, y, width, height):
                return x, y
        return None

    # ------------------------------------------------------------------ sprites

    def lay(self, layer: str, sprite: Sprite, band: np.ndarray) -> None:
        """Put a sprite's ink where its band lies at ``band``, (4, 2) in pixels of the sheet."""
        goal = self.seen(band)
        bold = 0.0 if layer == "print" else self.bolder
        if len(sprite.text) > 1:
            bold = min(bold, MOST_BOLD)  # or the digits run into each other
        bend = _affine(sprite.band, goal)  # (2, 3), from the sprite to the photo
        ink = sprite.ink
        if bold < 0:
            ink, bold = _thinner(ink, -bold), 0.0
        scale = math.sqrt(abs(np.linalg.det(bend[:, :2])))
        if scale < 0.7:  # shrink well first: bending alone would skip pixels
            small = (max(round(ink.width * scale), 2), max(round(ink.height * scale), 2))
            bend = bend @ np.diag([ink.width / small[0], ink.height / small[1], 1.0])
            ink = ink.resize(small, Image.Resampling.BOX, reducing_gap=2.0)
        ends = np.array([(0, 0), (ink.width, 0), (ink.width, ink.height), (0, ink.height)])
        corners = ends @ bend[:, :2].T + bend[:, 2]
        room = 2 + math.ceil(3 * bold * scale)
        low = np.maximum(np.floor(corners.min(0)).astype(int) - room, 0)
        high = np.minimum(np.ceil(corners.max(0)).astype(int) + room, self.layers.size)
        if (high - low < 1).any():
            return
        back = np.linalg.inv(np.vstack([bend, [0, 0, 1]]))[:2]
        back[:, 2] += back[:, :2] @ low
        drawn = ink.transform(
            tuple((high - low).tolist()),
            Image.Transform.AFFINE,
            tuple(back.ravel()),
            Image.Resampling.BILINEAR,
        )
        if self.line and layer != "print":
            tall = float(np.hypot(*(goal[3] - goal[0])))
            drawn = _traced(drawn, max(min(self.line, round(FINEST * tall)), 1))
        elif scale > 1.2 or bold:  # edges of a smooth enlargement are where it crosses a level
            drawn = self._harder(drawn, scale, bold)
        canvas = getattr(self.layers, layer)
        box = (*low.tolist(), *high.tolist())
        canvas.paste(ImageChops.lighter(canvas.crop(box), drawn), box)

    def _harder(self, drawn: Image.Image, scale: float, bold: float) -> Image.Image:
        level = 128.0
        if bold:  # a blurred stroke is wider at a lower level
            drawn = drawn.filter(ImageFilter.GaussianBlur(bold * scale))
            level = 40.0
        gain = max(scale, 2.0 * scale * bold, 1.5)
        table = np.clip((np.arange(256) - level) * gain + 128, 0, 255)
        table[0] = 0
        return drawn.point(table.astype(np.uint8).tolist())

    def write(
        self,
        kind: str,
        sprite: Sprite,
        x: float,
        y: float,
        height: float,
        *,
        slope: float = 0.0,
        stretch: float = 1.0,
        free: bool = False,
        text: str | None = None,
        cell: tuple[int, int] | None = None,
    ) -> float | None:
        """Write with the upper left corner of the bodies' band at (x, y).

        Parameters
        ----------
        kind : {"number", "word", "print", "crossed"}
        free : bool
            Leave it if something is there already, or if it would leave the area.
        text : str, optional
            What it is part of; "" for a part that the caller registers with its whole.

        Returns
        -------
        float or None
            Its width; None if it was left.
        """
        width = stretch * sprite.aspect * height
        if free and not self.room(x, y - 0.25 * height, width, 1.5 * height, APART * height):
            return None
        band = band_at(x, y, width, height, slope)
        self.lay({"number": "pen", "word": "pen"}.get(kind, kind), sprite, band)
        if kind != "crossed" and text != "":
            self.register(kind, text or sprite.text, band, cell)
        return width

    def register(self, kind: str, text: str, band: np.ndarray, cell=None) -> None:
        """Note that a line stands at a band (4, 2) of the sheet."""
        corners = self.seen(band)
        if (corners.max(0) > 0).all() and (corners.min(0) < self.layers.size).all():
            middle, height = band.mean(0), float(np.hypot(*(band[3] - band[0])))
            at = (float(middle[0]), float(middle[1]), height)
            self.lines.append(Placed(kind, text, corners, at, cell))

    # ------------------------------------------------------------------ strokes

    def stroke(self, points, width: float, *, pen: bool = True, cover: int = 255) -> None:
        """A line through points (n, 2) of the sheet, by the pen or printed; width in pixels."""
        draw = self.layers.draw_strokes if pen else self.layers.draw_rules
        seen = (FINER * self.seen(points)).ravel().tolist()
        draw.line(seen, fill=cover, width=max(round(FINER * width), 1), joint="curve")

    def ring(self, x, y, width, height, line: float, *, pen: bool = True, cover: int = 255) -> None:
        """An ellipse about the middle (x, y), closed as well as a hand does it."""
        turn = np.linspace(0, 2 * np.pi, 40) + self.r.uniform(0, 6)
        if pen:
            turn = turn[: self.r.integers(36, 41)]
        wobble = 1 + (0.05 if pen else 0.0) * np.sin(2 * turn + self.r.uniform(0, 6))
        points = np.stack([x + width / 2 * wobble * np.cos(turn), y + height / 2 * np.sin(turn)], 1)
        self.stroke(points, line, pen=pen, cover=cover)

    def tile(self, x, y, width, height) -> None:
        """A rectangle in which all is light on dark, or dark on light if the page is dark."""
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        seen = FINER * self.seen(corners)
        self.layers.draw_tiles.polygon(seen.ravel().tolist(), fill=255)

    def frame(self, x, y, width, height, line: float, *, pen: bool = False, cover: int = 255):
        """A rectangle."""
        points = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
        if pen:
            points = np.array(points) + self.r.normal(0, 0.02 * height, (5, 2))
        self.stroke(points, line, pen=pen, cover=cover)


def band_at(x: float, y: float, width: float, height: float, slope: float = 0.0) -> np.ndarray:
    """Corners (4, 2) of a band from its upper left one, rising by ``slope`` to the right."""
    along = width * np.array([math.cos(slope), -math.sin(slope)])
    down = height * np.array([math.sin(slope), math.cos(slope)])
    corner = np.array([x, y], dtype=float)
    return np.stack([corner, corner + along, corner + along + down, corner + down])


def _thinner(ink: Image.Image, share: float) -> Image.Image:
    """Ink without a share of its rim; as it is where that would be most of it."""
    core = ink.filter(ImageFilter.MinFilter(3))
    if ImageStat.Stat(core).sum[0] < LEAST_CORE * ImageStat.Stat(ink).sum[0]:
        return ink
    return Image.blend(ink, core, share)


def _traced(drawn: Image.Image, width: int) -> Image.Image:
    """Strokes as a mouse draws them: their middle lines, so many pixels wide."""
    lines = skeletonize(np.asarray(drawn) > 128)
    return Image.fromarray(255 * ndimage.maximum_filter(lines.astype(np.uint8), width))


def _affine(source: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The affine map (2, 3) that fits best from four points to four points."""
    ones = np.hstack([source, np.ones((4, 1))])
    return np.linalg.lstsq(ones, goal, rcond=None)[0].T
