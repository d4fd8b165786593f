"""Printed numbers are no writing: calendars and tables of which a few numbers are by hand."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_faults import Sheet
from PIL import ImageFont

from crnn_lib import Reader
from crnn_lib.handwriting.fonts import printed_faces

FACES = {path.stem: str(path) for path in printed_faces()}


@pytest.fixture(scope="module")
def reader():
    return Reader.pretrained()


def a_calendar(r: np.random.Generator, face: str) -> tuple[Sheet, list[tuple[str, tuple]]]:
    """A month of which every third day has a number by hand below its printed one."""
    sheet, wide, high = Sheet(r, 1000, 700), 130, 110
    days = ImageFont.truetype(FACES[face], int(r.integers(20, 34)))
    written = []
    for day in range(1, 32):
        row, column = divmod(day + 1, 7)
        x, y = 45 + column * wide, 60 + row * high
        sheet.draw.rectangle([x, y, x + wide, y + high], outline=sheet.ink + 60, width=2)
        sheet.draw.text((x + 8, y + 5), str(day), fill=sheet.ink, font=days)
        if day % 3 == 0:
            text = sheet.digits(2, 3)
            written.append((text, sheet.write(text, x + 25, y + 74, int(r.integers(28, 40)))))
    return sheet, written


def a_table(r: np.random.Generator, face: str) -> tuple[Sheet, list[tuple[str, tuple]]]:
    """Five columns of printed numbers, and one by hand."""
    sheet, wide, high = Sheet(r, 1000, 700), 150, 52
    font, by_hand = ImageFont.truetype(FACES[face], 26), int(r.integers(6))
    written = []
    for row in range(12):
        for column in range(6):
            x, y = 45 + column * wide, 40 + row * high
            sheet.draw.rectangle([x, y, x + wide, y + high], outline=sheet.ink + 60, width=2)
            text = sheet.digits(1, 5)
            if column == by_hand:
                text = sheet.digits(2, 4)
                written.append((text, sheet.write(text, x + 15, y + high / 2, 32)))
            else:
                sheet.draw.text((x + 12, y + 10), text, fill=sheet.ink, font=font)
    return sheet, written


@pytest.mark.parametrize("draw", [a_calendar, a_table])
def test_of_a_page_of_printed_numbers_only_what_is_written_is_read(reader, draw):
    right, count, printed, read = 0, 0, 0, 0
    for seed, face in enumerate(["DejaVuSans", "DejaVuSerif-Bold", "STIXGeneral", "cmss10"]):
        sheet, written = draw(np.random.default_rng(seed), face)
        readings = [
            reading for reading in reader.read_page(np.asarray(sheet.image)) if reading.text
        ]
        middles = [reading.line.corners().mean(0) for reading in readings]
        left = set(range(len(readings)))
        for text, (x0, y0, x1, y1) in written:
            on_it = {
                k
                for k, (x, y) in enumerate(middles)
                if x0 <= x <= x1 and y0 <= y <= y1 and k in left
            }
            right += any(readings[k].text == text for k in on_it)
            left -= on_it
        count += len(written)
        printed += len(left)
        read += len(readings)
    assert right >= 0.9 * count
    assert printed <= 0.1 * read
