"""Worksheets on paper: tasks with gaps, drawn on pages of A4, once empty and once with answers.

A sheet is a list of tasks, a task a list of blocks. What a learner writes is a :class:`Gap`; it is
left white on the worksheet and filled in on the key. All lengths are in millimetres.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache

import matplotlib
import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle

WIDE, HIGH = 210.0, 297.0  # A4
LEFT, RIGHT, TOP, BOTTOM = 18.0, 192.0, 20.0, 280.0
SIZE, SMALL = 10.0, 8.5  # of letters, in points
LEADING = 5.0  # from one line of text to the next
MADE = datetime(2024, 1, 1, tzinfo=timezone.utc)  # a date of its own would change the file
SHADE = "#e4e4e4"  # behind an answer, so that a copy in grey shows it too
PROSE = FontProperties(family="DejaVu Sans")
STROKE = 0.13  # a heading is written twice, so far apart: a bold font would double each file


@dataclass(frozen=True)
class Gap:
    """What a learner fills in."""

    answer: str


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Lines:
    """Prompts, each with a rule to write its answer on."""

    rows: Sequence[tuple[str, Gap]]
    columns: int = 1


@dataclass(frozen=True)
class Table:
    """Boxes: a head, and rows of given words and gaps."""

    head: Sequence[str]
    rows: Sequence[Sequence[str | Gap]]
    widths: Sequence[float] | None = None  # of the columns; else all alike
    tall: float = 6.5


@dataclass(frozen=True)
class Pixels:
    """Squares of a small image; the key may show another one, in the place of an empty grid."""

    image: tuple[tuple[int, ...], ...]
    below: Sequence[Gap] = ()  # boxes under its columns
    answer: tuple[tuple[int, ...], ...] = ()
    side: float = 6.0


@dataclass(frozen=True, eq=False)
class Picture:
    """The ink of a line; the key marks columns of it."""

    ink: np.ndarray  # (H, W) in [0, 1]
    marks: tuple[tuple[int, int], ...]  # (start, end) of each bracket, in columns
    wide: float = 120.0


@dataclass(frozen=True)
class Space:
    """Empty rules to write on; the key has these lines there."""

    answers: Sequence[str]
    rules: int


@dataclass(frozen=True)
class Task:
    title: str
    blocks: Sequence[Words | Lines | Table | Pixels | Picture | Space]


@dataclass(frozen=True)
class Sheet:
    """The worksheet of one notebook; ``name`` is that of the notebook's file."""

    name: str
    title: str
    tasks: Sequence[Task]

    def digest(self) -> str:
        """Of all that is printed on worksheet and key, but for pictures."""
        content = json.dumps([self.title, [_plain(task) for task in self.tasks]])
        return hashlib.sha256(content.encode()).hexdigest()[:32]


def gaps(values: Sequence[object]) -> list[Gap]:
    """One gap for each value."""
    return [Gap(str(value)) for value in values]


def to_pdf(sheet: Sheet, key: bool) -> bytes:
    """A worksheet, or its key, as a PDF file. The same sheet gives the same bytes."""
    file = io.BytesIO()
    title = f"{sheet.title}: {'key' if key else 'worksheet'}"
    about = {"Title": title, "Keywords": sheet.digest(), "CreationDate": MADE}
    about |= {"Creator": None, "Producer": None}
    with matplotlib.rc_context({"pdf.fonttype": 3, "pdf.compression": 9}):
        with PdfPages(file, metadata=about) as pdf:
            for figure in draw(sheet, key):
                pdf.savefig(figure)
    return file.getvalue()


def digest_of(pdf: bytes) -> str:
    """The digest that stands in a PDF file; empty if there is none."""
    found = re.search(rb"/Keywords \(([0-9a-f]{32})\)", pdf)
    return found.group(1).decode() if found else ""


def draw(sheet: Sheet, key: bool) -> list[Figure]:
    """The pages of a worksheet or of its key."""
    page = _Page(sheet, key)
    for number, task in enumerate(sheet.tasks, 1):
        page.task(number, task)
    return page.finish()


# ---------------------------------------------------------------------------- drawing


class _Page:
    """Where the next thing goes."""

    def __init__(self, sheet: Sheet, key: bool) -> None:
        self.sheet, self.key = sheet, key
        self.figures: list[Figure] = []
        self.turn()

    def turn(self) -> None:
        """Begin a page."""
        figure = Figure(figsize=(WIDE / 25.4, HIGH / 25.4))
        self.axes = figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, WIDE), ylim=(HIGH, 0))
        self.axes.set_axis_off()
        self.figures.append(figure)
        self.write(LEFT, TOP, self.sheet.title, 13, bold=True)
        if self.key:
            self.box(RIGHT - 22, TOP - 6, 22, 8.5, SHADE)
            self.write(RIGHT - 11, TOP, "KEY", 12, bold=True, ha="center")
        elif len(self.figures) == 1:
            self.write(RIGHT - 70, TOP, "Name", SMALL)
            self.rule(RIGHT - 60, RIGHT, TOP + 0.6)
        self.rule(LEFT, RIGHT, TOP + 4, 0.8)
        self.y = TOP + 11

    def task(self, number: int, task: Task) -> None:
        tall = 9 + sum(self.height(block) for block in task.blocks)
        if self.y + tall > BOTTOM:
            if tall > BOTTOM - TOP - 11:
                raise ValueError(f"{self.sheet.name}, task {number} does not fit on a page")
            self.turn()
        self.write(LEFT, self.y, f"{number}  {task.title}", 10.5, bold=True)
        self.y += 6
        for block in task.blocks:
            getattr(self, type(block).__name__.lower())(block)
        self.y += 3

    def finish(self) -> list[Figure]:
        for number, figure in enumerate(self.figures, 1):
            foot = f"{self.sheet.name} · {number} of {len(self.figures)}"
            figure.axes[0].text(LEFT, HIGH - 9, foot, fontproperties=PROSE, size=7, color="0.35")
        return self.figures

    def height(self, block) -> float:
        if isinstance(block, Words):
            return LEADING * len(wrap(block.text, RIGHT - LEFT - 3)) + 1.5
        if isinstance(block, Lines):
            return 7.5 * -(-len(block.rows) // block.columns) + 2
        if isinstance(block, Table):
            return block.tall * (len(block.rows) + bool(block.head)) + 4
        if isinstance(block, Pixels):
            return block.side * (len(block.image) + bool(block.below)) + 5
        if isinstance(block, Picture):
            return block.wide * block.ink.shape[0] / block.ink.shape[1] + 10
        return 7.5 * block.rules + 3

    def words(self, block: Words) -> None:
        for line in wrap(block.text, RIGHT - LEFT - 3):
            self.write(LEFT, self.y, line)
            self.y += LEADING
        self.y += 1.5

    def lines(self, block: Lines) -> None:
        wide = (RIGHT - LEFT) / block.columns
        longest = max(width_of(prompt, SIZE) for prompt, _ in block.rows)
        for k, (prompt, gap) in enumerate(block.rows):
            column, row = k % block.columns, k // block.columns
            x, y = LEFT + column * wide, self.y + 7.5 * row + 1
            self.write(x, y, prompt)
            start = x + longest + 3
            self.rule(start, x + wide - 4, y + 1.2)
            if self.key:
                self.answer(start + 2, y, gap.answer, x + wide - 6 - start)
        self.y += self.height(block)

    def table(self, block: Table) -> None:
        count = len(block.head or block.rows[0])
        widths = block.widths or [min(34.0, (RIGHT - LEFT) / count)] * count
        if sum(widths) > RIGHT - LEFT + 0.1:
            raise ValueError(f"{self.sheet.name}: a table of {sum(widths)} mm is too wide")
        rows = [list(block.head)] * bool(block.head) + [list(row) for row in block.rows]
        y = self.y - 3
        for r, row in enumerate(rows):
            x = LEFT
            for cell, wide in zip(row, widths, strict=True):
                head = r == 0 and bool(block.head)
                self.box(x, y, wide, block.tall, "#f2f2f2" if head else None)
                middle = (x + wide / 2, y + block.tall / 2 + 1.3)
                if isinstance(cell, Gap):
                    if self.key:
                        self.box(x + 0.5, y + 0.5, wide - 1, block.tall - 1, SHADE, edge=False)
                        size = fitting(cell.answer, wide - 2, SIZE)
                        self.write(*middle, cell.answer, size, ha="center")
                else:
                    size = fitting(cell, wide - 2, SMALL if head else SIZE)
                    self.write(*middle, cell, size, ha="center")
                x += wide
            y += block.tall
        self.y += self.height(block)

    def pixels(self, block: Pixels) -> None:
        rows, columns = len(block.image), len(block.image[0])
        images = [(LEFT, block.image)]
        if block.answer:
            empty = tuple((0,) * len(block.answer[0]) for _ in block.answer)
            right = LEFT + block.side * (columns + 3)
            images.append((right, block.answer if self.key else empty))
        for x, image in images:
            for i, row in enumerate(image):
                for j, value in enumerate(row):
                    place = (x + j * block.side, self.y - 3 + i * block.side)
                    self.box(*place, block.side, block.side, "0.25" if value else None)
        for j, gap in enumerate(block.below):
            x, y = LEFT + j * block.side, self.y - 2 + rows * block.side
            self.box(x, y, block.side, block.side, SHADE if self.key else None)
            if self.key:
                middle = (x + block.side / 2, y + block.side / 2 + 1.3)
                self.write(*middle, gap.answer, SMALL, ha="center")
        self.y += self.height(block)

    def picture(self, block: Picture) -> None:
        high, wide = block.ink.shape
        scale = block.wide / wide
        tall = high * scale
        extent = (LEFT, LEFT + block.wide, self.y - 2 + tall, self.y - 2)
        look = {"cmap": "gray_r", "vmin": 0, "vmax": 1, "interpolation": "bilinear"}
        self.axes.imshow(block.ink, extent=extent, aspect="auto", **look)
        self.axes.set(xlim=(0, WIDE), ylim=(HIGH, 0))
        self.box(LEFT, self.y - 2, block.wide, tall)
        if self.key:
            for k, (start, end) in enumerate(block.marks):
                y = self.y + tall + 1 + 2 * (k % 2)
                self.rule(LEFT + start * scale, LEFT + end * scale, y, 1.6)
        self.y += self.height(block)

    def space(self, block: Space) -> None:
        if len(block.answers) > block.rules:
            raise ValueError(f"{self.sheet.name}: {len(block.answers)} answers need more rules")
        for k in range(block.rules):
            y = self.y + 7.5 * k + 1
            self.rule(LEFT, RIGHT, y + 1.2)
            if self.key and k < len(block.answers):
                self.answer(LEFT + 2, y, block.answers[k], RIGHT - LEFT - 4)
        self.y += self.height(block)

    def answer(self, x: float, y: float, text: str, room: float) -> None:
        size = fitting(text, room, SIZE)
        self.box(x - 1, y - 4, width_of(text, size) + 2, 5.2, SHADE, edge=False)
        self.write(x, y, text, size)

    def write(self, x, y, text, size=SIZE, bold: bool = False, **more) -> None:
        for shift in (0, STROKE)[: 1 + bold]:
            self.axes.text(x + shift, y, text, fontproperties=PROSE, size=size, **more)

    def rule(self, start: float, end: float, y: float, width: float = 0.4) -> None:
        self.axes.plot([start, end], [y, y], color="black", linewidth=width)

    def box(self, x, y, wide, tall, fill=None, edge: bool = True) -> None:
        look = {"facecolor": fill or "none", "edgecolor": "0.45" if edge else "none"}
        self.axes.add_patch(Rectangle((x, y), wide, tall, linewidth=0.5, **look))


def width_of(text: str, size: float) -> float:
    """Of a text as printed, in millimetres."""
    return sum(map(_advance, text)) * size * 25.4 / 72


@cache
def _advance(letter: str) -> float:
    """How far a letter moves the pen, in heights of its font."""
    face = get_font(findfont(PROSE))
    face.set_size(100, 72)
    return face.load_char(ord(letter)).linearHoriAdvance / 65536 / 100


def fitting(text: str, room: float, size: float) -> float:
    """The size at which a text fits into so many millimetres."""
    return min(size, size * room / max(width_of(text, size), 0.1))


def wrap(text: str, room: float) -> list[str]:
    """A paragraph in lines of at most so many millimetres."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if width_of(longer, SIZE) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _plain(value: object) -> object:
    if isinstance(value, Picture):  # its pixels may differ in their last bits
        return "picture"
    if dataclasses.is_dataclass(value):
        return [type(value).__name__, *(_plain(v) for v in vars(value).values())]
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
