"""Pages with writing on them, as a camera sees them, and maps of what is where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from crnn_lib.alphabet import check_generator, is_whole
from crnn_lib.handwriting.glyphs import Glyphs
from crnn_lib.handwriting.pages import _camera, _layouts, _sprites
from crnn_lib.handwriting.pages._page import FINER, Page, Placed
from crnn_lib.handwriting.pages.styles import PageStyle
from crnn_lib.models import MAPS

STRIDE = 4  # pixels of the photo for one of the maps
CORE = 0.6  # share of the bodies' band that the maps fill
ENDS = 0.25  # of the bodies' height: width of the border at the ends of a line
NEAR = 0.3  # of the bodies' height: lines nearer than twice this have a border between them
INKED = 16  # mean cover, of 255, from which on a mark is seen
KINDS = ("number", "word", "print")


@dataclass(frozen=True, eq=False)
class WrittenLine:
    """A line that is written on a page.

    Attributes
    ----------
    text : str
        With the marks between its digits; "" for a signature.
    kind : {"number", "word"}
    corners : array, (4, 2)
        x and y, in the photo's pixels, of the corners of the band in which its bodies stand:
        digits from head to foot, small letters. They go clockwise from the text's own upper left.
    row, column : int
        Its place in reading order; in a table, its cell.
    visible : float
        Share of the band that is within the photo.
    """

    text: str
    kind: str
    corners: np.ndarray
    row: int
    column: int
    visible: float


@dataclass(frozen=True, eq=False, repr=False)
class PageBatch:
    """Pages, and what is on them.

    Attributes
    ----------
    images : Tensor, (N, 1, H, W), float32 in [0, 1]
        Grey, as photographed.
    maps : Tensor, (N, M, H / 4, W / 4), float32
        One for each of :data:`crnn_lib.models.MAPS`.
    rows : list of tuple of WrittenLine
        The lines of each page in reading order.
    layouts : list of str
        The layout of each page.
    """

    images: Tensor
    maps: Tensor
    rows: list[tuple[WrittenLine, ...]]
    layouts: list[str]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        count, _, height, width = self.images.shape
        lines = sum(map(len, self.rows))
        return f"PageBatch({count} pages of {height} x {width} pixels, {lines} lines)"

    def turned(self, turns: Sequence[int]) -> PageBatch:
        """The same pages, each turned clockwise by so many quarter turns.

        Only square pages can be turned by odd numbers of them.
        """
        if len(turns) != len(self):
            raise ValueError(f"One number of turns per page: {len(self)}, not {len(turns)}.")
        images, maps, rows = self.images.clone(), self.maps.clone(), []
        cos, sin = MAPS.index("cos"), MAPS.index("sin")
        side = float(self.images.shape[3])
        for n, turn in enumerate(turns):
            images[n] = torch.rot90(self.images[n], -turn, (1, 2))
            maps[n] = torch.rot90(self.maps[n], -turn, (1, 2))
            lines = self.rows[n]
            for _ in range(turn % 4):
                maps[n, cos], maps[n, sin] = -maps[n, sin], maps[n, cos].clone()
                lines = tuple(_quarter_turned(line, side) for line in lines)
            rows.append(lines)
        return PageBatch(images, maps, rows, self.layouts)


def compose_pages(
    count: int,
    style: PageStyle | None = None,
    generator: torch.Generator | None = None,
    size: tuple[int, int] = (384, 384),
    *,
    glyphs: Glyphs | None = None,
) -> PageBatch:
    """Make pages as people photograph them.

    Parameters
    ----------
    count : int
        Number of pages N.
    style : PageStyle, optional
    generator : torch.Generator
        Source of all chance. The same state gives the same pages.
    size : (int, int)
        Height and width of the photos in pixels, multiples of 4. The heights of a style are
        pixels of the photo, so a larger page holds more.
    glyphs : Glyphs, optional
        Digits from a data set, which nobody knows the writers of: half of the numbers that are
        not by one hand are written with them, the others by the pen.

    Returns
    -------
    PageBatch

    Examples
    --------
    >>> batch = compose_pages(2, PageStyle.plain(), torch.Generator().manual_seed(1), (256, 320))
    >>> batch.images.shape, batch.maps.shape
    (torch.Size([2, 1, 256, 320]), torch.Size([2, 9, 64, 80]))
    >>> sorted({line.kind for line in batch.rows[0]})
    ['number', 'word']
    """
    style = PageStyle() if style is None else style
    if not isinstance(style, PageStyle):
        raise TypeError(f"style is a PageStyle; got {style!r:.80}.")
    check_generator(generator, "compose_pages")
    if not is_whole(count) or count < 0:
        raise ValueError(f"count is a number of pages, 0 or more; got {count!r:.80}.")
    sides = tuple(size) if isinstance(size, Iterable) else ()
    if len(sides) != 2 or not all(is_whole(n) and n >= 64 and n % STRIDE == 0 for n in sides):
        raise ValueError(
            f"size is (height, width), multiples of {STRIDE} from 64 on; got {size!r:.80}."
        )
    store = _sprites.store(style.split, style.people, glyphs)
    seeds = torch.randint(2**62, (count,), generator=generator).tolist()
    made = [_compose(style, np.random.default_rng(seed), store, size) for seed in seeds]
    height, width = size
    images = torch.empty(count, 1, height, width)
    maps = torch.empty(count, len(MAPS), height // STRIDE, width // STRIDE)
    for n, (photo, labels, _, _) in enumerate(made):
        images[n, 0], maps[n] = torch.from_numpy(photo), torch.from_numpy(labels)
    return PageBatch(images, maps, [lines for *_, lines, _ in made], [kind for *_, kind in made])


def _compose(style: PageStyle, r: np.random.Generator, store: _sprites.Store, size):
    names = list(style.layouts)
    weights = np.array([style.layouts[name] for name in names], dtype=float)
    layout = names[r.choice(len(names), p=weights / weights.sum())]
    turn = int(r.integers(1, 4)) if r.random() < style.turned else 0
    camera, sheet, area = _camera.place_sheet(r, style, size, turn)
    thick, bolder, line = r.uniform(0.05, 0.11), 0.0, 0
    if r.random() < style.markers:
        bolder = r.uniform(0.8, 3.0)
        thick = 0.1 + 0.035 * bolder
    elif r.random() < style.fineliners:
        bolder = -r.uniform(0.4, 0.9)
        thick = r.uniform(0.02, 0.05)
    elif r.random() < style.wires:
        thick, line = r.uniform(0.02, 0.05), int(r.integers(1, 4))
    store = store.by_one_hand(r) if r.random() < style.one_hand else store
    page = Page(r, store, size, area, camera, thick, bolder, line)
    _layouts.BY_NAME[layout](page, style)
    bare = layout == "bare" and r.random() < 0.8
    left, top, right, bottom = sheet
    corners = page.seen([(left, top), (right, top), (right, bottom), (left, bottom)])
    inside = np.array([(0, 0), (size[1], 0), (size[1], size[0]), (0, size[0])])
    mask = None if _contains(corners, inside) else _camera.sheet_mask(size, corners)
    photo = _camera.expose(r, style, page.layers, None if bare else mask, bare)
    if bare:
        mask = np.zeros(size, np.float32)
    return photo, _maps(page, mask), _in_order(page), layout


def _contains(quad: np.ndarray, points: np.ndarray) -> bool:
    """Whether all points lie within a convex quadrilateral whose corners go clockwise."""
    along = np.roll(quad, -1, 0) - quad
    to = points[:, None] - quad
    return bool((along[:, 0] * to[..., 1] - along[:, 1] * to[..., 0] >= 0).all())


# ---------------------------------------------------------------------------- the maps


def _maps(page: Page, mask: np.ndarray | None) -> np.ndarray:
    """The maps of a page, (M, H / 4, W / 4)."""
    height, width = page.size
    index = Image.new("I", (width, height))  # 1 + place of the line whose core it is
    draw = ImageDraw.Draw(index)
    for n, line in enumerate(page.lines, 1):
        draw.polygon(_within(line.corners, CORE).ravel().tolist(), fill=n)
    at = np.asarray(index)[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]

    kinds, cosines, sines, heights = _of_lines(page.lines)
    maps = np.zeros((len(MAPS), *at.shape), np.float32)
    for n, kind in enumerate(KINDS):
        maps[MAPS.index(kind)] = kinds[at] == n
    maps[MAPS.index("ends")] = _ends(page, at.shape) & (at == 0)
    maps[MAPS.index("marks")] = _marks(page)
    sheet = np.ones_like(mask) if mask is None else mask
    maps[MAPS.index("sheet")] = 1.0
    if mask is not None:
        maps[MAPS.index("sheet")] = sheet[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE] > 0.5
    for name, values in (("cos", cosines), ("sin", sines), ("height", heights)):
        maps[MAPS.index(name)] = values[at]
    return maps


def _of_lines(lines: list[Placed]) -> tuple[np.ndarray, ...]:
    """Kind, cosine, sine and log height of each line, the first being that of no line."""
    kinds, cosines, sines, heights = [-1], [0.0], [0.0], [0.0]
    for line in lines:
        along = line.corners[[1, 2]].mean(0) - line.corners[[0, 3]].mean(0)
        down = line.corners[[2, 3]].mean(0) - line.corners[[0, 1]].mean(0)
        long = max(float(np.hypot(*along)), 1e-6)
        kinds.append(KINDS.index(line.kind))
        cosines.append(along[0] / long)
        sines.append(along[1] / long)
        heights.append(np.log(max(abs(along[0] * down[1] - along[1] * down[0]) / long, 1.0)))
    return tuple(np.array(a, np.float32) for a in (kinds, cosines, sines, heights))


def _within(corners: np.ndarray, share: float) -> np.ndarray:
    """The middle part of a band, as high as a share of it and as long."""
    rest = (1 - share) / 2
    upper, lower = corners[:2], corners[[3, 2]]
    return np.concatenate([upper + rest * (lower - upper), (lower - rest * (lower - upper))[::-1]])


def _ends(page: Page, shape) -> np.ndarray:
    """Borders at the ends of lines by hand, and where two of them stand close."""
    beyond = Image.new("1", (page.size[1], page.size[0]))
    draw = ImageDraw.Draw(beyond)
    close = np.zeros(shape, np.uint8)
    for line in page.lines:
        if line.kind == "print":
            continue
        c = line.corners
        high = float(np.hypot(*(c[3] - c[0])))
        along = (c[1] - c[0]) / max(float(np.hypot(*(c[1] - c[0]))), 1e-6)
        down = (c[3] - c[0]) / max(high, 1e-6)
        step = max(ENDS * high, STRIDE + 1) * along
        draw.polygon(np.stack([c[0], c[0] - step, c[3] - step, c[3]]).ravel().tolist(), fill=1)
        draw.polygon(np.stack([c[1], c[1] + step, c[2] + step, c[2]]).ravel().tolist(), fill=1)
        a, d = NEAR * high * along, NEAR * high * down
        grown = np.stack([c[0] - a - d, c[1] + a - d, c[2] + a + d, c[3] - a + d]) / STRIDE - 0.5
        one = Image.new("L", (shape[1], shape[0]))
        ImageDraw.Draw(one).polygon(grown.ravel().tolist(), fill=1)
        close += np.asarray(one)
    at_ends = np.asarray(beyond)[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    return at_ends | (close > 1)


def _marks(page: Page) -> np.ndarray:
    """Where a square of the photo holds a mark's ink."""
    layers = page.layers
    finer = (_covered(image, FINER) for image in (layers.strokes, layers.rules))
    return np.maximum(np.maximum(*finer), _covered(layers.crossed, 1)) > INKED


def _covered(image: Image.Image, finer: int) -> np.ndarray:
    """Mean cover of each square that is one place of the maps."""
    return np.asarray(image.reduce(STRIDE * finer))


# ---------------------------------------------------------------------------- the rows


def _in_order(page: Page) -> tuple[WrittenLine, ...]:
    """The lines by hand, from top to bottom and from left to right as the sheet lies."""
    lines = [line for line in page.lines if line.kind != "print"]
    celled = [line for line in lines if line.cell is not None]
    if len(celled) == len(lines) and lines:
        lines.sort(key=lambda line: line.cell or (0, 0))
        return tuple(_written(line, *(line.cell or (0, 0)), page.size) for line in lines)
    rows: list[list[Placed]] = []
    for line in sorted(lines, key=lambda line: line.at[1]):
        if rows and line.at[1] - rows[-1][0].at[1] < 0.5 * min(line.at[2], rows[-1][0].at[2]):
            rows[-1].append(line)
        else:
            rows.append([line])
    return tuple(
        _written(line, i, j, page.size)
        for i, row in enumerate(rows)
        for j, line in enumerate(sorted(row, key=lambda line: line.at[0]))
    )


def _quarter_turned(line: WrittenLine, height: float) -> WrittenLine:
    """A line of a page of that height, which was turned clockwise by 90 degrees."""
    x, y = line.corners.T
    return replace(line, corners=np.stack([height - y, x], 1))


def _written(line: Placed, row: int, column: int, size) -> WrittenLine:
    return WrittenLine(
        line.text, line.kind, line.corners, row, column, _visible(line.corners, size)
    )


def _visible(corners: np.ndarray, size) -> float:
    """Share of a band that lies within the photo, from a grid of points on it."""
    u, v = np.meshgrid((np.arange(16) + 0.5) / 16, (np.arange(4) + 0.5) / 4)
    u, v = u.reshape(-1, 1), v.reshape(-1, 1)
    points = (corners[0] * (1 - u) + corners[1] * u) * (1 - v) + v * (
        corners[3] * (1 - u) + corners[2] * u
    )
    return float(((points >= 0) & (points <= (size[1], size[0]))).all(1).mean())
