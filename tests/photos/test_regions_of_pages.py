"""Composed pages and regions agree: from the true maps of a page come the lines that are on it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from drawn_maps import common, corners_of, draw_maps, row

from crnn_lib.handwriting.pages import PageStyle, compose_pages
from crnn_lib.models import MAPS, load_detector
from crnn_lib.photos import ImageError, find_regions, page_lines, regions_of

LAYOUTS = ("notes", "form", "exam", "boxes", "scattered", "sums", "lined")
STYLE = PageStyle(height=(16.0, 60.0), layouts=dict.fromkeys(LAYOUTS, 1.0))


def found_in(maps, rows, kind="number"):
    """Lines of a kind that are wholly on the page, and how well a region covers each of them."""
    regions = [r for r in regions_of(dict(zip(MAPS, maps.numpy(), strict=True))) if r.kind == kind]
    lines = [line for line in rows if line.kind == kind and line.visible > 0.95]
    shares = []
    for line in lines:
        best = max((common(line.corners, r.corners()) for r in regions), default=0.0)
        shares.append(best)
    return lines, regions, shares


@pytest.mark.parametrize("turned", [0.0, 1.0])
def test_true_maps_give_back_the_numbers(turned):
    style = replace(STYLE, turned=turned)
    pages = compose_pages(24, style, torch.Generator().manual_seed(15), (320, 320))
    written, found, said, upright = 0, 0, 0, 0
    for maps, rows in zip(pages.maps, pages.rows, strict=True):
        lines, regions, shares = found_in(maps, rows)
        cut = sum(line.kind == "number" and line.visible <= 0.95 for line in rows)
        written += len(lines)
        found += sum(share >= 0.5 for share in shares)
        said += max(len(regions) - cut, 0)
        for line in lines:
            best = max(regions, key=lambda r: common(line.corners, r.corners()), default=None)
            if best is not None and common(line.corners, best.corners()) >= 0.5:
                along, true = (c[1] - c[0] for c in (best.corners(), line.corners))
                upright += along @ true > 0.9 * np.hypot(*along) * np.hypot(*true)
    assert written > 60
    assert found >= 0.95 * written
    assert said <= 1.05 * written
    assert upright >= 0.98 * found


def test_who_looks_for_numbers_among_words_is_told_what_reads_words(monkeypatch):
    word, look = SimpleNamespace(kind="word"), SimpleNamespace(maps={"number": np.zeros((9, 9))})
    monkeypatch.setattr(page_lines, "find_on_grey", lambda grey, detector: ([word], [look]))
    with pytest.raises(ImageError, match="nothing but words was found on it; crnn-words reads"):
        page_lines.cut_lines(np.ones((400, 400), np.float32), None, {"number": (32, (0.6,))})


def striped(side):
    """A photo with ink wherever one looks."""
    page = np.ones((side, side), np.float32)
    page[:, ::5] = 0.2
    return page


class Seer:
    """A detector without faults, of a photo with these rows; and the shapes of its looks.

    On pages wider than the widest it sees but one row.
    """

    def __init__(self, rows, width, widest=9999):
        self.rows, self.width, self.widest, self.shapes = rows, width, widest, []

    def __call__(self, page):
        shape = tuple(page.shape[2:])
        self.shapes.append(shape)
        scale = shape[1] / self.width
        sizes = ("x", "y", "length", "height")
        scaled = [line | {key: scale * line[key] for key in sizes} for line in self.rows]
        scaled = scaled if shape[1] <= self.widest else scaled[:1]
        maps = draw_maps(shape, scaled)
        maps["sheet"][:] = 1
        for name in ("number", "word", "ends", "print", "marks", "sheet"):
            maps[name] = 20 * maps[name] - 10  # logits
        return torch.from_numpy(np.stack([maps[name] for name in MAPS]))[None]


@pytest.mark.parametrize(
    ("side", "height", "looks"),
    [
        (1000, 30, [250, 500, 1000]),  # of the usual size
        (1000, 12, [250, 500, 1000, 1400]),  # small, and then no longer
        (2000, 26, [250, 500, 1000, 1400]),
        (2000, 18, [250, 500, 1000, 1400, 2000]),
    ],
)
def test_small_writing_is_looked_at_more_finely_and_found_where_it_is(side, height, looks):
    rows = [row(side / 2, side * y, 8 * height, height, 4.0) for y in (0.3, 0.5, 0.7)]
    seer = Seer(rows, side)
    regions = find_regions(striped(side), seer)
    assert seer.shapes == [(n, n) for n in looks]
    assert len(regions) == len(rows)
    for line, region in zip(rows, regions, strict=True):
        assert np.abs(corners_of(line) - region.corners()).max() <= 4 * side / looks[-1]


def test_one_small_line_among_many_costs_no_finer_look():
    rows = [row(500, y, 300, 40) for y in (200, 350, 500, 650)] + [row(500, 800, 90, 12)]
    seer = Seer(rows, 1000)
    assert len(find_regions(np.ones((1000, 1000), np.float32), seer)) == 5
    assert seer.shapes[-1] == (1000, 1000)


def test_a_finer_look_that_sees_fewer_lines_is_not_taken():
    rows = [row(500, y, 100, 12) for y in (300, 500, 700)]
    seer = Seer(rows, 1000, widest=1000)
    assert len(find_regions(striped(1000), seer)) == 3
    assert seer.shapes[-1] == (1400, 1400)


@pytest.mark.parametrize(("height", "count"), [(36, 3), (24, 1)])
def test_what_the_fine_look_does_not_see_at_all_a_coarse_one_may_find(height, count):
    """At half the size the lines are 18 and 12 pixels high; those of 12 are left."""
    rows = [row(500, y, 200, height) for y in (300, 500, 700)]
    regions = find_regions(striped(1000), Seer(rows, 1000, widest=500))
    assert len(regions) == count
    for line, region in zip(rows, regions, strict=False):
        assert np.abs(corners_of(line) - region.corners()).max() <= 8


def test_specks_of_a_scanner_are_no_small_writing():
    """Enlarged, two pixels look like a digit; here a finer look alone finds 37 of such."""
    style = replace(PageStyle.plain(), height=(11.0, 13.0))
    pages = compose_pages(1, style, torch.Generator().manual_seed(7), (600, 600))
    scan = np.where(pages.images[0, 0].numpy() > 0.6, 1, 0).astype(np.float32)
    chance = np.random.default_rng(7).random(scan.shape) < 0.0015
    specks = np.where(chance | np.roll(chance, 1, 1), 0, scan).astype(np.float32)
    detector = load_detector()
    assert len(find_regions(specks, detector)) <= len(find_regions(scan, detector)) + 4


def test_a_line_too_long_costs_no_other_line_of_a_page():
    rows = [row(500, 300, 300, 40), row(500, 600, 900, 12)]
    views = {"number": (32, (0.72,))}
    page = np.ones((1000, 1000), np.float32)
    page[::7, ::9] = 0.2
    assert len(page_lines.cut_lines(page, Seer(rows, 1000), views)) == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crnn_lib.photos.places.MAX_WIDTH", 1000)
        with pytest.warns(UserWarning, match="one of 2 lines is left out"):
            (line,) = page_lines.cut_lines(page, Seer(rows, 1000), views)
    assert line[0].corners().mean(0) == pytest.approx([500, 300], abs=5)


@pytest.mark.parametrize(
    ("degrees", "count", "stands"), [(0, 3, True), (180, 3, False), (0, 1, False)]
)
def test_print_says_which_way_up_a_page_lies(degrees, count, stands):
    """One short line of it says too little; if it runs the other way, the reading decides."""
    numbers = [row(300, y, 160, 40) for y in (200, 400, 600)]
    printed = [
        row(700, 200 * n, 300 if count > 1 else 100, 24, degrees, "print") for n in (1, 2, 3)
    ]
    seer = Seer(numbers + printed[:count], 1000)
    lines = page_lines.cut_lines(striped(1000), seer, {"number": (32, (0.72,))})
    assert [line[0].stands for line in lines] == [stands] * 3


class RingSeer(Seer):
    """It also sees a ring around the middle of the photo, as wide as that."""

    def __init__(self, rows, width, ring):
        super().__init__(rows, width)
        self.ring = ring

    def __call__(self, page):
        maps = super().__call__(page)
        marks, wide = maps[0, MAPS.index("marks")], maps.shape[3]
        y, x = (np.mgrid[: marks.shape[0], :wide] + 0.5) * self.width / wide - self.width / 2
        around = np.hypot(x / self.ring[0], y / self.ring[1])
        marks[torch.from_numpy(np.abs(around - 1) < 0.08)] = 10
        return maps


def test_paper_beside_a_number_ends_where_a_ring_around_it_begins():
    rows = [row(500, 500, 160, 60), row(500, 900, 160, 60)]
    views = {"number": (32, (0.72,))}
    ringed, free = page_lines.cut_lines(striped(1000), RingSeer(rows, 1000, (110, 70)), views)
    wide, open_ = (np.ptp(line[0].corners()[:, 0]) for line in (ringed, free))
    assert open_ == pytest.approx(160 + 60, abs=12)  # half a height of paper on each side
    assert 160 - 8 < wide < 2 * 110 - 20
