"""The pages in data/pages: made by their script, small, and read as their README says."""

import csv
import importlib.util
import io
import re
from collections import Counter, defaultdict

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from crnn_lib import Reader

PAGES = ROOT / "data" / "pages"
README = " ".join((PAGES / "README.md").read_text(encoding="utf-8").split())


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_pages", ROOT / "data" / "make_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def written():
    """Of each file the rows of written.csv."""
    rows = defaultdict(list)
    with open(PAGES / "written.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows[row["file"]].append(row)
    return rows


def test_there_are_four_small_pages_and_each_says_what_is_on_it(written):
    files = sorted(PAGES.glob("*.jpg"))
    assert [path.name for path in files] == sorted(written)
    assert len(files) == 4
    assert all(path.stat().st_size <= 120_000 for path in files)


def test_the_script_makes_the_cheque_that_is_there(script, written):
    sheet = script.cheque(1)
    rows = [tuple(map(str, row)) for row in sheet.written]
    assert rows == [tuple(row.values())[1:] for row in written["cheque.jpg"]]
    made = Image.open(io.BytesIO(script._bytes(script.scanned(sheet))))
    there = Image.open(PAGES / "cheque.jpg")
    assert made.size == there.size
    apart = np.abs(np.asarray(made, float) - np.asarray(there, float))
    assert apart.mean() < 2  # levels of 255: another JPEG or font library rounds differently


@pytest.mark.parametrize(
    "number, words",
    [(7, "seven"), (30, "thirty"), (115, "one hundred fifteen"), (2042, "two thousand forty two")],
)
def test_amounts_are_spelled(script, number, words):
    assert script.spelled(number) == words


def test_as_many_numbers_are_read_as_the_readme_says(written):
    least, among = map(int, re.search(r"At least (\d+) of the (\d+) numbers", README).groups())
    reader, right, numbers = Reader.pretrained(), {}, 0
    for name, rows in written.items():
        texts = [re.sub(r"\D", "", row["text"]) for row in rows if row["kind"] == "number"]
        read = Counter(reading.text for reading in reader.read_page(PAGES / name))
        right[name] = sum((read & Counter(texts)).values())
        numbers += len(texts)
    assert numbers == among
    assert sum(right.values()) >= least
    assert right["form-phone.jpg"] >= 8  # as the project's README says of its first picture
