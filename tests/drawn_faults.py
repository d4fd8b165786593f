"""Faults of real photographs, drawn: pages with numbers on them, and what is written there.

Each kind has as many variants as one asks for: other numbers, sizes, places, turns and papers. A
case is ``(name, page, rows)``; the rows are those of the page from top to bottom, the numbers of a
row with blanks between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from crnn_lib.decoders import best_path
from crnn_lib.handwriting import Glyphs, LineStyle, compose_lines, pen_people
from crnn_lib.models import load_model

Case = tuple[str, Image.Image, list[str]]


@cache
def people() -> Glyphs:
    """Hands of the pen that trained nothing, and of these the digits that are legible alone.

    What is drawn here are faults of photos, not of hands. Legible is what ``crnn-digits`` reads
    with a probability above 0.99. Only hands with all ten digits are left.
    """
    drawn = pen_people(90, torch.Generator().manual_seed(77), split="test").only("0123456789")
    images = torch.nn.functional.pad(drawn.images, (6, 6, 2, 2))[:, None] / 255  # (M, 1, 32, 40)
    with torch.inference_mode():
        read = best_path(load_model("crnn-digits")(images)[0])
    texts = [drawn.characters[label] for label in drawn.labels.tolist()]
    legible = [
        n
        for n, (h, text) in enumerate(zip(read, texts, strict=True))
        if h.text == text and h.log_prob > math.log(0.99)
    ]
    drawn = drawn.subset(legible)
    assert drawn.writers is not None
    written = {(w, c) for w, c in zip(drawn.writers.tolist(), drawn.labels.tolist(), strict=True)}
    whole = [all((w, c) in written for c in range(10)) for w in drawn.writers.tolist()]
    return drawn.subset([n for n, is_whole in enumerate(whole) if is_whole])


class Sheet:
    """A sheet of paper that can be written on."""

    def __init__(self, r: np.random.Generator, width: int, height: int) -> None:
        self.r = r
        self.paper, self.ink = int(r.integers(190, 250)), int(r.integers(20, 90))
        self.image = Image.new("L", (width, height), self.paper)
        self.draw = ImageDraw.Draw(self.image)

    def number(self, text: str, height: int) -> Image.Image:
        """A number in one hand, its bodies about as high as that."""
        style = LineStyle(
            height=64, size=(1.4, 1.7), margin=(6, 10), spacing=(0.0, 0.3), one_hand=1.0
        )
        seed = int(self.r.integers(2**31))
        lines = compose_lines(people(), 1, style, torch.Generator().manual_seed(seed), texts=[text])
        cover = lines.images[0, 0, :, : int(lines.widths[0])].numpy()
        rows = np.flatnonzero((cover > 0.35).any(1))
        scale = height / (rows[-1] + 1 - rows[0])
        size = max(round(cover.shape[1] * scale), 1), max(round(cover.shape[0] * scale), 1)
        return Image.fromarray((255 * cover).astype(np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )

    def write(self, text: str, x: float, y: float, height: int) -> tuple[int, int, int, int]:
        """Write a number whose middle line is at ``y``; returns the box of its ink."""
        cover = self.number(text, height)
        corner = round(x), round(y - cover.height / 2)
        self.image.paste(self.ink, corner, cover)
        left, top, right, bottom = cover.point(lambda v: 255 * (v > 90)).getbbox()
        return corner[0] + left, corner[1] + top, corner[0] + right, corner[1] + bottom

    def digits(self, low: int = 2, high: int = 6) -> str:
        return "".join(str(d) for d in self.r.integers(0, 10, self.r.integers(low, high)))


def notes(r: np.random.Generator, count: int = 3, size=(1200, 900)) -> tuple[Sheet, list[str]]:
    """Some numbers below each other."""
    sheet = Sheet(r, *size)
    height = int(r.integers(34, 62))
    texts = [sheet.digits() for _ in range(count)]
    for n, text in enumerate(texts):
        y = 180 + 200 * n + r.uniform(-20, 20)
        sheet.write(text, r.uniform(200, size[0] / 2), y, height)
    return sheet, texts


def plain(r):
    sheet, rows = notes(r)
    return sheet.image, rows


def sliver(r):
    """A dark sliver of what lies beside the sheet."""
    sheet, rows = notes(r)
    y, high, wide = r.uniform(0, 500), r.uniform(150, 400), r.uniform(2, 9)
    x = 0 if r.random() < 0.5 else 1200 - wide
    sheet.draw.rectangle([x, y, x + wide, y + high], fill=int(r.integers(20, 90)))
    return sheet.image, rows


def border_line(r):
    sheet, rows = notes(r)
    x = r.choice([0, 1, 1198, 1199])
    y = r.uniform(0, 500)
    sheet.draw.line([x, y, x, y + r.uniform(200, 400)], fill=int(r.integers(60, 150)))
    return sheet.image, rows


def frame(r):
    sheet, rows = notes(r)
    left, top = r.uniform(20, 150, 2)
    sheet.draw.rectangle(
        [left, min(top, 90), 1200 - r.uniform(10, 150), 900 - r.uniform(10, 120)],
        outline=int(r.integers(40, 110)),
        width=int(r.integers(1, 6)),
    )
    return sheet.image, rows


def on_table(r, degrees: float = 0.0):
    sheet, rows = notes(r)
    table = int(r.integers(30, 110))
    page = Image.new("L", (1800, 1400), table)
    turned = sheet.image.convert("LA").rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    x, y = r.integers(60, 1800 - turned.width - 40), r.integers(60, 1400 - turned.height - 40)
    page.paste(turned.convert("L"), (int(x), int(y)), turned.getchannel("A"))
    return page, rows


def turned_on_table(r):
    return on_table(r, r.uniform(2, 8) * r.choice([-1, 1]))


def on_cloth(r):
    sheet, rows = notes(r)
    cell = int(r.integers(10, 24))
    small = r.normal(r.uniform(70, 120), 35, (1400 // cell + 2, 1800 // cell + 2))
    cloth = ndimage.zoom(small, cell, order=1)[:1400, :1800].clip(0, 255).astype(np.uint8)
    page = Image.fromarray(cloth)
    share = r.uniform(0.75, 1.1)
    small_sheet = sheet.image.resize((round(1200 * share), round(900 * share)))
    page.paste(small_sheet, (int(r.integers(60, 400)), int(r.integers(60, 350))))
    return page, rows


def boxed_and_free(r):
    sheet = Sheet(r, 1200, 900)
    height = int(r.integers(36, 64))
    rows = [sheet.digits(3, 6), sheet.digits(3, 6)]
    left, top, right, bottom = sheet.write(
        rows[0], r.uniform(150, 500), r.uniform(180, 300), height
    )
    gap = r.uniform(0.35, 0.8) * height
    sheet.draw.rectangle(
        [left - gap, top - gap, right + gap, bottom + gap],
        outline=sheet.ink,
        width=int(r.integers(2, 5)),
    )
    sheet.write(rows[1], r.uniform(150, 600), r.uniform(520, 740), height)
    return sheet.image, rows


def circled_digit(r):
    sheet = Sheet(r, 1200, 900)
    height = int(r.integers(48, 90))
    rows = [str(r.integers(2, 10)), str(r.integers(2, 10))]
    box = np.array(sheet.write(rows[0], r.uniform(200, 700), r.uniform(200, 320), height), float)
    middle, reach = (box[:2] + box[2:]) / 2, height * r.uniform(1.0, 1.5)
    wide = reach * r.uniform(0.9, 1.2)
    sheet.draw.ellipse(
        [middle[0] - wide, middle[1] - reach, middle[0] + wide, middle[1] + reach],
        outline=sheet.ink,
        width=int(r.integers(2, 5)),
    )
    sheet.write(rows[1], r.uniform(200, 900), r.uniform(560, 720), height)
    return sheet.image, rows


def table(r):
    across, down = int(r.integers(4, 7)), int(r.integers(6, 11))
    wide, high = int(r.integers(110, 170)), int(r.integers(44, 60))
    sheet = Sheet(r, across * wide + 120, down * high + 100)
    line = {"fill": int(r.integers(60, 130)), "width": int(r.integers(1, 4))}
    for n in range(across + 1):
        sheet.draw.line([60 + n * wide, 50, 60 + n * wide, 50 + down * high], **line)
    for n in range(down + 1):
        sheet.draw.line([60, 50 + n * high, 60 + across * wide, 50 + n * high], **line)
    rows = []
    for n in range(down):
        cells = [sheet.digits(2, 4) for _ in range(across)]
        for m, text in enumerate(cells):
            place = 60 + m * wide + 0.18 * wide, 50 + (n + 0.5) * high
            sheet.write(text, *place, round(0.5 * high))
        rows.append(" ".join(cells))
    return sheet.image, rows


def scribble(r):
    sheet, rows = notes(r)
    ends = [r.uniform(80, 300), r.uniform(740, 860), r.uniform(350, 600), r.uniform(740, 860)]
    sheet.draw.line(ends, fill=sheet.ink, width=int(r.integers(2, 6)))
    x, y = r.uniform(650, 800), r.uniform(700, 740)
    box = [x, y, x + r.uniform(150, 300), y + r.uniform(80, 150)]
    sheet.draw.arc(box, 0, int(r.integers(200, 330)), fill=sheet.ink, width=int(r.integers(2, 6)))
    return sheet.image, rows


def printed_words(r):
    sheet, rows = notes(r)
    words = r.choice(["Name: Anna Smith", "Total amount due", "Section B", "Invoice to: Miller"])
    font = ImageFont.load_default(size=int(r.integers(28, 48)))
    sheet.draw.text((r.uniform(80, 500), r.uniform(30, 70)), str(words), font=font, fill=40)
    return sheet.image, rows


def words_alone(r):
    sheet = Sheet(r, 900, 200)
    words = r.choice(["Hello my name is Ann", "See you tomorrow", "Milk and bread", "Best wishes"])
    font = ImageFont.load_default(size=int(r.integers(50, 76)))
    sheet.draw.text((50, r.uniform(30, 70)), str(words), font=font, fill=sheet.ink)
    return sheet.image, []


def slashed_date(r, lean: float):
    sheet = Sheet(r, 1200, 170)
    height = int(r.integers(50, 80))
    groups = [str(r.integers(1, 32)), str(r.integers(1, 13)), str(r.integers(1950, 2030))]
    x, lean = 50.0, lean * height / 60
    for n, group in enumerate(groups):
        _, top, right, bottom = sheet.write(group, x, 85, height)
        x = right + 0.2 * height
        if n < 2:
            sheet.draw.line(
                [x, bottom + r.uniform(0, 6), x + lean, top - r.uniform(0, 6)],
                fill=sheet.ink,
                width=int(r.integers(3, 6)),
            )
            x += lean + 0.1 * height
    return sheet.image.crop((0, 0, int(x) + 50, 170)), ["".join(groups)]


def large_digit(r, thick: int):
    """One 8 or 0 that fills its photo, with strokes so thick for a width of 430 pixels."""
    sheet = Sheet(r, 430, 620)
    thick = round(thick * r.uniform(0.8, 1.2))
    x = r.uniform(-25, 25)
    look = {"outline": int(r.integers(40, 110)), "width": thick}
    if r.random() < 0.5:
        sheet.draw.ellipse([90 + x, 60, 340 + x, 560], **look)
        return sheet.image, ["0"]
    sheet.draw.ellipse([110 + x, 40, 320 + x, 290], **look)
    sheet.draw.ellipse([80 + x, 290 - thick // 2, 350 + x, 580], **look)
    return sheet.image, ["8"]


def cut_to_ink(r, twice: bool = False):
    sheet = Sheet(r, 2600, 220)
    texts, x, boxes = [sheet.digits(7, 11) for _ in range(1 + twice)], 30.0, []
    height = int(r.integers(70, 110))
    for text in texts:
        boxes.append(sheet.write(text, x, 110, height))
        x = boxes[-1][2] + 3.5 * height
    edges = np.array(boxes)
    crop = sheet.image.crop((0, edges[:, 1].min(), edges[:, 2].max() + 30, edges[:, 3].max()))
    return crop, [" ".join(texts)]


def lying_page(r, degrees: int):
    sheet, rows = notes(r)
    return sheet.image.rotate(degrees, expand=True), rows


def many_numbers(r):
    down, pitch = int(r.integers(26, 31)), int(r.integers(74, 90))
    sheet = Sheet(r, 1200, down * pitch + 80)
    height, rows = int(r.integers(28, 36)), []
    for n in range(down):
        pair = [sheet.digits(3, 6) for _ in range(2)]
        for m, text in enumerate(pair):
            sheet.write(text, 100 + 550 * m, 60 + (n + 0.3) * pitch, height)
        rows.append(" ".join(pair))
    return sheet.image, rows


#: Each kind of fault, and what draws one of it.
KINDS: dict[str, Callable] = {
    "plain": plain,
    "a dark sliver at a border": sliver,
    "a thin line at a border": border_line,
    "a frame around the lines": frame,
    "a sheet on a dark table": on_table,
    "a turned sheet on a dark table": turned_on_table,
    "a sheet on a patterned cloth": on_cloth,
    "one number in a box, one free": boxed_and_free,
    "a digit in a circle, one free": circled_digit,
    "a table of numbers": table,
    "a scribble below": scribble,
    "printed words above": printed_words,
    "words alone": words_alone,
    **{
        f"a date with slashes leaning {lean}": (lambda r, lean=lean: slashed_date(r, lean))
        for lean in (0, 10, 18, 28)
    },
    **{
        f"one large digit, strokes about {thick} wide": (lambda r, w=thick: large_digit(r, w))
        for thick in (12, 30, 50)
    },
    "a line cut to its ink": cut_to_ink,
    "two numbers cut to their ink": lambda r: cut_to_ink(r, True),
    "a page turned by 90 degrees": lambda r: lying_page(r, 90),
    "a page turned by 180 degrees": lambda r: lying_page(r, 180),
    "a page turned by 270 degrees": lambda r: lying_page(r, 270),
    "some sixty numbers on one page": many_numbers,
}


def cases(kind: str, count: int, seed: int = 0) -> Iterator[Case]:
    """Variants of a kind; the same seed gives the same ones."""
    number = list(KINDS).index(kind)
    for n in range(count):
        r = np.random.default_rng([seed, number, n])
        page, rows = KINDS[kind](r)
        noise = r.normal(0, r.uniform(0, 5), (page.height, page.width))
        noisy = (np.asarray(page, np.float32) + noise).clip(0, 255).astype(np.uint8)
        yield f"{kind}, {n}", Image.fromarray(noisy), rows


def rows_read(readings) -> list[str]:
    """The rows of a page's readings, as those of a case."""
    rows: dict[int, list[str]] = {}
    for reading in readings:
        if reading.text:
            rows.setdefault(reading.row or 0, []).append(reading.text)
    return [" ".join(rows[number]) for number in sorted(rows)]
