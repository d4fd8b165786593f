"""Make the sample pages in data/pages: a cheque, a form, a table, and a form as a phone sees it.

python data/make_pages.py

They are rendered. No camera took them. Labels are print, numbers and words are by the pen of this
library: each page by one person, who wrote no number that a network learned from. The layouts are
none of those that the page-detector learned from. All comes from one seed, SEED, which was set
before anything was read, and no page was replaced afterwards.
"""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from crnn_lib import LineStyle, compose_lines
from crnn_lib.handwriting import pen_people
from crnn_lib.handwriting.pen import draw_words
from crnn_lib.photos import homography
from crnn_lib.training import seeded_generator

PAGES = Path(__file__).parent / "pages"
SEED = 0
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # as every matplotlib has them
STYLE = LineStyle(
    height=64, size=(1.5, 1.7), spacing=(0.0, 0.25), one_hand=1.0, margin=(4, 6), wander=2.5
)
INK = 0.75  # share of the light that the pen's ink takes
NAMES = ("Anna Miller", "Tom Becker", "Maria Lopez", "John Walker")
TOWNS = ("Oakfield", "Riverton", "Newport", "Hillside")
FIELDS: tuple = (  # of the form: label, and how many digits, or what else is written
    (("Name", NAMES), ("Customer no.", (6, 8))),
    (("Town", TOWNS), ("Postal code", (5, 5))),
    (("Date of birth", "date"), ("Telephone", (7, 9))),
    (("Meter no.", (6, 7)), ("Reading", (4, 6))),
    (("Persons", (1, 1)), ("Floor space (sq m)", (2, 3))),
    (("Amount due", "amount"), ("Date", "date")),
)
UNITS = (
    "nought one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ROWS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
COLUMNS = ("Visitors", "Tickets", "Cash", "Card")


class Sheet:
    """A sheet of paper that is printed, and filled in by one person."""

    def __init__(self, seed: int, width: int, height: int) -> None:
        self.generator = seeded_generator(SEED, seed)
        self.chance = np.random.default_rng([SEED, seed])
        self.people = pen_people(1, self.generator, each=12, marks=6, split="test")
        self.writer = int(self.chance.integers(1000))
        self.page = np.full((height, width), 0.94, np.float32)
        self.written: list[tuple[int, int, str, str]] = []  # row, column, kind, text

    def print(self, text: str, x: float, y: float, size: int, font: str = "DejaVuSans") -> None:
        """Print a text whose base line is at ``y``."""
        cover = Image.new("L", self.page.shape[::-1])
        face = ImageFont.truetype(str(FONTS / f"{font}.ttf"), size)
        ImageDraw.Draw(cover).text((x, y), text, fill=255, font=face, anchor="ls")
        self._ink(np.asarray(cover, np.float32) / 255, 0.6)

    def line(self, x0: float, y0: float, x1: float, y1: float, width: int = 2) -> None:
        cover = Image.new("L", self.page.shape[::-1])
        ImageDraw.Draw(cover).line([x0, y0, x1, y1], fill=255, width=width)
        self._ink(np.asarray(cover, np.float32) / 255, 0.45)

    def box(self, x: float, y: float, wide: float, high: float) -> None:
        for a, b, c, d in ((0, 0, 1, 0), (0, 1, 1, 1), (0, 0, 0, 1), (1, 0, 1, 1)):
            self.line(x + a * wide, y + b * high, x + c * wide, y + d * high)

    def number(self, text: str, x: float, y: float, high: float, at: tuple[int, int]) -> None:
        """Write a number whose digits are about so high, and whose middle is at ``y``."""
        lines = compose_lines(self.people, 1, STYLE, self.generator, texts=[text])
        ink = lines.images[0, 0, :, : int(lines.widths[0])].numpy()
        self._put(ink, x, y, high / (1.4 * 28))  # size 1.6 of 28 rows, of which digits fill 7/8
        self.written.append((*at, "number", text))

    def word(self, text: str, x: float, y: float, high: float, at: tuple[int, int]) -> None:
        """Write a word whose capitals are about so high."""
        words = draw_words([text], self.generator, writers=[self.writer], height=64)
        self._put(words.images[0].numpy() / 255, x, y, high / 32)
        self.written.append((*at, "word", text))

    def digits(self, few: int, many: int) -> str:
        count = int(self.chance.integers(few, many + 1))
        first = self.chance.integers(1, 10)
        return f"{first}" + "".join(map(str, self.chance.integers(0, 10, count - 1)))

    def date(self, first: int, last: int) -> str:
        day, month = self.chance.integers(1, (29, 13))
        return f"{day}/{month}/{self.chance.integers(first, last + 1)}"

    def amount(self) -> str:
        return f"{self.digits(2, 4)},-"

    def _put(self, ink: np.ndarray, x: float, y: float, scale: float) -> None:
        size = max(round(ink.shape[1] * scale), 1), max(round(ink.shape[0] * scale), 1)
        image = Image.fromarray(ink.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
        cover = np.zeros_like(self.page)
        top = round(y - size[1] / 2 + self.chance.uniform(-2, 2))
        left = round(x + self.chance.uniform(0, 8))
        part = cover[top : top + size[1], left : left + size[0]]
        part[:] = np.clip(np.asarray(image), 0, 1)[: part.shape[0], : part.shape[1]]
        self._ink(cover, INK)

    def _ink(self, cover: np.ndarray, dark: float) -> None:
        self.page *= 1 - dark * cover


def spelled(number: int) -> str:
    """A whole number from 1 to 9999 in words.

    >>> spelled(2417)
    'two thousand four hundred seventeen'
    """
    words = []
    for size, name in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            words += [UNITS[number // size], name]
        number %= size
    if number >= 20:
        words.append(TENS[number // 10 - 2])
        number %= 10
    return " ".join(words + [UNITS[number]] * (number > 0))


def cheque(seed: int) -> Sheet:
    sheet = Sheet(seed, 1200, 540)
    sheet.box(20, 20, 1160, 500)
    sheet.print("First Valley Bank", 60, 90, 40, "DejaVuSerif-Bold")
    sheet.print("12 Station Road", 60, 122, 20, "DejaVuSerif")
    sheet.print("Date", 770, 100, 22)
    sheet.line(830, 106, 1140, 106)
    sheet.number(sheet.date(2024, 2026), 845, 84, 38, (0, 0))
    sheet.print("Pay to", 60, 220, 22)
    sheet.line(150, 226, 800, 226)
    sheet.word(str(sheet.chance.choice(NAMES)), 200, 204, 40, (1, 0))
    sheet.box(850, 170, 290, 70)
    sheet.print("$", 865, 218, 32)
    amount = sheet.amount()
    sheet.number(amount, 900, 204, 42, (1, 1))
    sheet.print("Dollars", 1050, 316, 22)
    sheet.line(60, 322, 1030, 322)
    sheet.word(spelled(int(amount.rstrip(",-"))), 100, 300, 36, (2, 0))
    sheet.print("Signature", 640, 450, 22)
    sheet.line(770, 456, 1140, 456)
    sheet.word(str(sheet.chance.choice(NAMES)), 820, 430, 46, (3, 0))
    sheet.print("000417   0094210   55", 60, 500, 24, "DejaVuSansMono")
    return sheet


def form(seed: int) -> Sheet:
    sheet = Sheet(seed, 1000, 1050)
    sheet.print("Water meter, yearly reading", 50, 90, 40, "DejaVuSerif-Bold")
    sheet.print("Please write in block letters and return by post.", 50, 130, 20, "DejaVuSerif")
    for row, fields in enumerate(FIELDS):
        for column, (label, what) in enumerate(fields):
            x, y = 50 + 460 * column, 180 + 135 * row
            sheet.print(label, x, y + 18, 20)
            sheet.box(x, y + 28, 430, 68)
            place = x + 20, y + 62
            if what == "date":
                born = label != "Date"
                text = sheet.date(1950, 2005) if born else sheet.date(2024, 2026)
                sheet.number(text, *place, 40, (row, column))
            elif what == "amount":
                sheet.number(sheet.amount(), *place, 40, (row, column))
            elif what in (NAMES, TOWNS):
                sheet.word(str(sheet.chance.choice(what)), *place, 38, (row, column))
            else:
                few, many = what
                sheet.number(sheet.digits(few, many), *place, 40, (row, column))
    sheet.print("We thank you.", 50, 1020, 20, "DejaVuSerif")
    return sheet


def table(seed: int) -> Sheet:
    sheet = Sheet(seed, 1100, 800)
    left, top, wide, high = 220, 170, 200, 72
    sheet.print("Museum, week 14", 50, 80, 36, "DejaVuSerif-Bold")
    for column, label in enumerate(COLUMNS):
        sheet.print(label, left + wide * column + 20, top - 16, 24)
    for row, label in enumerate(ROWS):
        y = top + high * (row + 0.5)
        sheet.print(label, 60, y + 8, 24)
        for column in range(len(COLUMNS)):
            if row and sheet.chance.random() < 0.15:
                continue  # an empty cell
            text = sheet.digits(1, 3 if column < 2 else 5)
            sheet.number(text, left + wide * column + 25, y, 38, (row, column))
    for row in range(len(ROWS) + 1):
        sheet.line(50, top + high * row, left + wide * 4, top + high * row)
    for column in range(len(COLUMNS) + 1):
        x = left + wide * column
        sheet.line(x, top, x, top + high * len(ROWS))
    sheet.line(50, top, 50, top + high * len(ROWS))
    return sheet


def scanned(sheet: Sheet) -> np.ndarray:
    """A sheet on a scanner's glass, turned by a fraction of a degree."""
    degrees = sheet.chance.uniform(-0.8, 0.8)
    page = ndimage.rotate(sheet.page, degrees, reshape=False, order=1, mode="nearest")
    page = ndimage.gaussian_filter(page, 0.6)
    return page + 0.012 * sheet.chance.standard_normal(page.shape).astype(np.float32)


def photographed(sheet: Sheet) -> np.ndarray:
    """A sheet on a wooden table, seen aslant, with a lamp above and the shadow of a hand."""
    chance, (high, wide) = sheet.chance, sheet.page.shape
    height, width = 1400, 1300
    y, x = np.mgrid[:height, :width].astype(np.float32)
    rings = ndimage.gaussian_filter1d(chance.standard_normal((height, 1)), 3, axis=0) * 0.5
    grain = ndimage.gaussian_filter(chance.standard_normal((height, width)), (1, 40))
    photo = 0.33 + 0.05 * np.sin(y / 60 + 2 * np.sin(x / 700)) + 0.08 * rings + 0.3 * grain
    sheet_at = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], float)
    ideal = np.array([[190, 190], [1120, 160], [1210, 1230], [110, 1260]], float)
    corners = ideal + chance.uniform(-30, 30, (4, 2))
    way = tuple(homography(corners, sheet_at).ravel()[:8])  # from the photo to the sheet
    how = (width, height), Image.Transform.PERSPECTIVE, way, Image.Resampling.BICUBIC
    seen = np.asarray(Image.fromarray(sheet.page).transform(*how))
    there = np.asarray(Image.fromarray(np.ones_like(sheet.page)).transform(*how))
    there = ndimage.gaussian_filter(there, 1)
    photo = photo * (1 - 0.35 * ndimage.gaussian_filter(there, 18)) * (1 - there) + seen * there
    light = 0.95 - 0.25 * np.hypot(x / width - 0.3, y / height - 0.2)
    edge = x + 0.4 * y - width * chance.uniform(1.0, 1.2)
    photo = photo * light * (1 - 0.3 / (1 + np.exp(-edge / 25)))
    photo = ndimage.gaussian_filter(photo, 0.8)
    return photo + 0.012 * chance.standard_normal(photo.shape)


def pages() -> dict[str, tuple[Sheet, bytes]]:
    """Names of the files, with the sheet that each shows and its bytes."""
    made = {
        "cheque.jpg": (cheque(1), scanned),
        "form.jpg": (form(2), scanned),
        "form-phone.jpg": (form(3), photographed),
        "table.jpg": (table(4), scanned),
    }
    return {name: (sheet, _bytes(take(sheet))) for name, (sheet, take) in made.items()}


def _bytes(grey: np.ndarray) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(np.round(255 * np.clip(grey, 0, 1)).astype(np.uint8))
    image.save(file, "JPEG", quality=70, optimize=True)
    return file.getvalue()


def main() -> None:
    PAGES.mkdir(exist_ok=True)
    with open(PAGES / "written.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["file", "row", "column", "kind", "text"])
        for name, (sheet, content) in pages().items():
            (PAGES / name).write_bytes(content)
            rows.writerows([name, *written] for written in sheet.written)
            print(f"Wrote {os.path.relpath(PAGES / name)}, {len(content):,} bytes.")


if __name__ == "__main__":
    main()
