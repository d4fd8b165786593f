"""Pages that show the faults of real photographs are found and read."""

from __future__ import annotations

import os

import pytest
from drawn_faults import KINDS, cases, rows_read

from crnn_lib.photos import ImageError, Reader

# of all variants; a case is right only if each of its rows is
ENOUGH = 0.5
FEW = (
    "plain",
    "a frame around the lines",
    "a sheet on a dark table",
    "a digit in a circle, one free",
    "one large digit, strokes about 12 wide",
)

CASES, MANY = int(os.environ.get("CRNN_CASES", "0")), 1000


@pytest.fixture(scope="module")
def reader():
    return Reader.pretrained()


def read(reader, page):
    try:
        return rows_read(reader.read_page(page))
    except ImageError:
        return []


def shares(reader, kind, count):
    """How many rows of a kind's cases are read, of how many."""
    right = total = 0
    for _, page, rows in cases(kind, count):
        found = read(reader, page)
        total += max(len(rows), 1)
        right += sum(row in found for row in rows) if rows else not found
    return right, total


@pytest.mark.parametrize("kind", FEW)
def test_some_of_each_common_fault_are_read(reader, kind):
    right, total = shares(reader, kind, 2)
    assert right >= ENOUGH * total


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_table_is_read_whichever_way_it_lies(reader, turn):
    _, page, rows = next(iter(cases("a table of numbers", 1, 1)))
    found = read(reader, page.rotate(turn, expand=True))
    assert len(found) == len(rows)
    assert sum(row in found for row in rows) >= ENOUGH * len(rows)


def test_hardly_a_cell_of_a_table_is_lost(reader):
    """Few neat digits among many by hand are not printed."""
    wrong = total = 0
    for _, page, rows in cases("a table of numbers", 5, 101):
        found = read(reader, page)
        cells = [[len(row.split()) for row in some] for some in (found, rows)]
        total += sum(cells[1])
        wrong += abs(len(found) - len(rows))
        wrong += sum(abs(a - b) for a, b in zip(*cells, strict=False))
    assert total > 150
    assert wrong <= 3  # 7 where such digits are taken for print


@pytest.mark.slow
@pytest.mark.skipif(CASES < MANY, reason="make test-slow reads twenty variants of each kind")
@pytest.mark.parametrize("kind", KINDS)
def test_most_variants_of_each_fault_are_read(reader, kind):
    right, total = shares(reader, kind, 20)
    assert right >= ENOUGH * total


def test_variants_are_what_their_seed_says():
    for kind in KINDS:
        if kind in ("some sixty numbers on one page", "a table of numbers"):
            continue  # the same code, at length
        (name, page, rows), (again, same, texts) = (next(iter(cases(kind, 1, 3))) for _ in "ab")
        assert (name, rows) == (again, texts) and page.tobytes() == same.tobytes()
        other = next(iter(cases(kind, 1, 4)))
        assert other[1].tobytes() != page.tobytes()
