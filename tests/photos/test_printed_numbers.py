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


def a_puzzle(r: np.random.Generator, face: str) -> tuple[Sheet, list[tuple[str, tuple]]]:
    """Nine by nine squares with a digit each or none, printed or by hand."""
    sheet, side, font = Sheet(r, 800, 800), 80, ImageFont.truetype(FACES[face], 48)
    written = []
    for row in range(9):
        for column in range(9):
            x, y = 40 + column * side, 40 + row * side
            sheet.draw.rectangle([x, y, x + side, y + side], outline=sheet.ink + 60, width=2)
            if r.random() < 0.3:
                sheet.draw.text((x + 25, y + 12), sheet.digits(1, 2), fill=sheet.ink, font=font)
            elif r.random() < 0.5:
                text = sheet.digits(1, 2)
                written.append((text, sheet.write(text, x + 22, y + side / 2, 46)))
    return sheet, written


def read_all(reader, draw) -> tuple[int, int, int, list[str]]:
    """Of a page in each of four faces: numbers by hand, those read, other readings, all texts."""
    count, right, others, texts = 0, 0, 0, []
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
        others += len(left)
        texts += [reading.text for reading in readings]
    return count, right, others, texts


@pytest.mark.parametrize("draw", [a_calendar, a_table])
def test_of_a_page_of_printed_numbers_only_what_is_written_is_read(reader, draw):
    count, right, printed, texts = read_all(reader, draw)
    assert right >= 0.9 * count
    assert printed <= 0.1 * len(texts)


def test_digits_in_the_squares_of_a_puzzle_are_numbers_of_their_own(reader):
    count, right, others, texts = read_all(reader, a_puzzle)
    assert right >= 0.65 * count
    assert others <= 0.25 * len(texts)
    assert sum(len(text) > 1 for text in texts) <= 0.15 * len(texts)


def test_a_low_table_is_no_crop_of_one_line(reader):
    """Of two rows, the upper one printed: by its shape it might be one line."""
    written, read = 0, 0
    for seed in range(6):
        sheet = Sheet(np.random.default_rng(seed), 900, 360)
        font = ImageFont.truetype(FACES["DejaVuSans"], 30)
        for column in range(7):
            x = 40 + column * 115
            sheet.draw.rectangle([x, 80, x + 115, 150], outline=sheet.ink, width=2)
            sheet.draw.rectangle([x, 150, x + 115, 250], outline=sheet.ink, width=2)
            sheet.draw.text((x + 25, 95), f"({'abcdefg'[column]})", fill=sheet.ink, font=font)
            sheet.write(sheet.digits(2, 3), x + 20, 200, 60)
            written += 2
        readings = reader.read_page(np.asarray(sheet.image))
        read += sum(len(reading.text or "") for reading in readings)
    assert 0.8 * written <= read <= written
