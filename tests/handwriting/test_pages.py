"""Composed pages: what is written on them lies where the maps and the corners say."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import seeded
from skimage.morphology import skeletonize

from crnn_lib.handwriting import fonts
from crnn_lib.handwriting.pages import PageStyle, _layouts, _sprites, compose_pages
from crnn_lib.handwriting.pages import _writing as writing
from crnn_lib.handwriting.pages._camera import place_sheet
from crnn_lib.handwriting.pages._page import Page
from crnn_lib.handwriting.pages._sprites import band_of_word, store
from crnn_lib.handwriting.pages.composing import _maps, _visible
from crnn_lib.handwriting.pages.styles import LAYOUTS
from crnn_lib.models import MAPS

PLAIN = PageStyle.plain()
AT = {name: n for n, name in enumerate(MAPS)}


def only(*layouts, base=PLAIN, **more):
    return replace(base, layouts=dict.fromkeys(layouts, 1.0), **more)


def blank_page(size=(256, 256), seed=0, turn=0):
    r = np.random.default_rng(seed)
    camera, _, area = place_sheet(r, PLAIN, size, turn)
    return Page(r, store(), size, area, camera)


def inside(corners, shape, grow=0.0):
    """Which pixels lie in a quadrilateral, grown on all sides by a share of its height."""
    c = np.asarray(corners)
    along = (c[1] - c[0]) / np.hypot(*(c[1] - c[0]))
    down = (c[3] - c[0]) / np.hypot(*(c[3] - c[0]))
    extra = grow * np.hypot(*(c[3] - c[0]))
    c = c + extra * np.stack([-along - down, along - down, along + down, down - along])
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    within = np.ones(shape, bool)
    for a, b in zip(c, np.roll(c, -1, 0), strict=True):
        within &= (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) >= 0
    return within


@pytest.fixture(scope="module")
def plain():
    return compose_pages(12, PLAIN, seeded(3), (320, 320))


@pytest.fixture(scope="module")
def turned():
    style = replace(PLAIN, turned=1.0, skew=5.0, perspective=0.15)
    return compose_pages(12, style, seeded(4), (320, 320))


@pytest.fixture(scope="module")
def rich():
    return compose_pages(24, PageStyle(), seeded(5), (256, 320))


# --- The maps and the ink ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "turned"])
def test_ink_lies_in_the_bands_and_bands_hold_ink(kind, request):
    pages = request.getfixturevalue(kind)
    lines = 0
    for image, rows in zip(pages.images[:, 0].numpy(), pages.rows, strict=True):
        ink = image < 0.75
        allowed = np.zeros_like(ink)
        for line in rows:
            alone = line.text.isdigit()  # a currency's sign stands before its digits
            allowed |= inside(line.corners, ink.shape, grow=0.6 if alone else 2.5)
            if line.visible == 1:
                assert ink[inside(line.corners, ink.shape)].mean() > 0.04, line.text
                lines += 1
        assert (ink & ~allowed).sum() <= 0.02 * ink.sum()
    assert lines > 60


def test_a_letter_has_numbers_among_its_words_each_where_its_ink_is():
    pages = compose_pages(6, only("letter"), seeded(6), (320, 320))
    kinds = {"number": 0, "word": 0}
    for image, rows in zip(pages.images[:, 0].numpy(), pages.rows, strict=True):
        ink = image < 0.75
        allowed = np.zeros_like(ink)
        for line in rows:
            assert any(c.isdigit() for c in line.text) == (line.kind == "number")
            allowed |= inside(line.corners, ink.shape, grow=1.0 if line.kind == "word" else 0.4)
            if line.visible == 1:
                kinds[line.kind] += 1
                if any(c.isalnum() for c in line.text):
                    assert ink[inside(line.corners, ink.shape)].mean() > 0.04, line.text
        assert (ink & ~allowed).sum() <= 0.05 * ink.sum()
    assert min(kinds.values()) > 15


def test_bodies_fill_their_band(plain):
    """From its upper to its lower edge: a band is neither too high nor too low for its digits."""
    spreads = []
    for image, rows in zip(plain.images[:, 0].numpy(), plain.rows, strict=True):
        for line in rows:
            if line.visible == 1 and line.text.isdigit():
                c = line.corners
                band = inside(c, image.shape, grow=0.25) & (image < 0.6)
                y, x = np.nonzero(band)
                height = np.hypot(*(c[3] - c[0]))
                along = (c[1] - c[0]) / np.hypot(*(c[1] - c[0]))
                down = (y + 0.5 - c[0][1]) * along[0] - (x + 0.5 - c[0][0]) * along[1]
                spreads.append((np.quantile(down, 0.98) - np.quantile(down, 0.02)) / height)
    assert len(spreads) > 40
    assert 0.8 < np.median(spreads) < 1.15
    assert np.quantile(spreads, 0.9) < 1.35


def test_a_core_lies_within_its_band_from_end_to_end(turned):
    for maps, rows in zip(turned.maps.numpy(), turned.rows, strict=True):
        core = (maps[[AT["number"], AT["word"]]] > 0).any(0)
        allowed = np.zeros_like(core)
        for line in rows:
            allowed |= inside(line.corners / 4, core.shape, grow=0.1)
            if line.visible == 1:
                middle = line.corners.mean(0) / 4
                assert core[int(middle[1]), int(middle[0])]
        assert not (core & ~allowed).any()


def test_maps_hold_direction_and_height_of_the_line_there(turned):
    for maps, rows in zip(turned.maps.numpy(), turned.rows, strict=True):
        for line in rows:
            if line.visible < 1:
                continue
            x, y = (line.corners.mean(0) / 4).astype(int)
            c = line.corners
            along = c[1] - c[0] + c[2] - c[3]
            along /= np.hypot(*along)
            direction = maps[[AT["cos"], AT["sin"]], y, x]
            assert direction @ along > 0.999
            height = np.hypot(*(c[3] - c[0]))
            assert np.exp(maps[AT["height"], y, x]) == pytest.approx(height, rel=0.12)


def test_corners_go_clockwise_from_where_the_text_begins(turned):
    ways = set()
    for rows in turned.rows:
        for line in rows:
            a, b, _, d = line.corners
            assert (b - a)[0] * (d - a)[1] - (b - a)[1] * (d - a)[0] > 0  # y points down
            ways.add(round(np.degrees(np.arctan2(*(b - a)[::-1])) / 90) % 4)
    assert ways == {1, 2, 3}


def test_reading_upside_down_begins_at_the_right():
    page = blank_page(turn=2)
    page.write("number", store().number(page.r, 3), 30, 40, 30)
    (line,) = page.lines
    left, right = line.corners[0], line.corners[1]
    assert right[0] < left[0] and line.corners[3][1] < left[1]


def test_pages_turn_with_their_maps_and_corners(plain):
    turns = [n % 4 for n in range(len(plain))]
    pages = plain.turned(turns)
    assert torch.equal(pages.turned([-turn % 4 for turn in turns]).maps, plain.maps)
    for maps, rows, turn in zip(pages.maps.numpy(), pages.rows, turns, strict=True):
        for line in rows:
            x, y = (line.corners.mean(0) / 4).astype(int)
            along = line.corners[1] - line.corners[0]
            assert maps[[AT["cos"], AT["sin"]], y, x] @ along > 0.99 * np.hypot(*along)
            assert round(np.degrees(np.arctan2(along[1], along[0])) / 90) % 4 == turn
    with pytest.raises(ValueError, match="One number of turns per page"):
        plain.turned([1])


def test_ends_part_neighbours_and_no_core(rich):
    ends, cores = rich.maps[:, AT["ends"]] > 0, (rich.maps[:, :2] > 0).any(1)
    assert ends.any() and not (ends & cores).any()
    page = blank_page()
    for x in (20, 72):
        page.register("number", "1", writing.band_at(x, 50, 40, 30))
    maps = _maps(page, None)
    ends, core = maps[AT["ends"], 16], maps[AT["number"], 16]
    assert core[6:14].all() and core[19:27].all()
    assert not core[15:18].any() and ends[15:18].all() and ends[3] and not ends[8]


def test_the_six_logits_maps_are_masks_and_lines_have_one_kind(rich):
    masks = rich.maps[:, :6]
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    kinds = rich.maps[:, [AT["number"], AT["word"], AT["print"]]].sum(1)
    assert kinds.max() == 1
    lengths = rich.maps[:, [AT["cos"], AT["sin"]]].square().sum(1).sqrt()
    assert torch.allclose(lengths, (kinds > 0).float(), atol=1e-4)


# --- What is a number and what is not ---------------------------------------------------------


@pytest.mark.parametrize("layout", ["text", "print", "bare"])
def test_pages_without_numbers_have_none(layout):
    style = only(layout, base=PageStyle())
    pages = compose_pages(6, style, seeded(7), (256, 256))
    assert not pages.maps[:, AT["number"]].any()
    assert all(line.kind == "word" for rows in pages.rows for line in rows)


def test_a_wall_is_no_sheet():
    pages = compose_pages(12, only("bare", base=PageStyle()), seeded(8), (128, 128))
    shares = pages.maps[:, AT["sheet"]].mean((1, 2))
    assert (shares == 0).any() and set(pages.layouts) == {"bare"}


def test_a_number_struck_out_is_a_mark():
    page = blank_page()
    for _ in range(3):
        writing.put_crossed(page, 40, 60, 40)
    maps = _maps(page, None)
    assert not page.lines and maps[AT["marks"]].sum() > 20
    assert not maps[: AT["ends"]].any()


def test_a_date_is_one_line_with_its_slashes():
    page = blank_page(size=(128, 512))
    while not page.lines or "/" not in page.lines[-1].text:
        writing.put_groups(page, 20, 40, 30, free=False)
    line = page.lines[-1]
    assert line.text.count("/") in (1, 2) and line.text.replace("/", "").isdigit()
    assert line.corners[1][0] - line.corners[0][0] > 60


@pytest.mark.parametrize("sign", "$€£%")
def test_the_sign_of_a_price_is_beside_its_number_and_a_mark(sign, monkeypatch):
    monkeypatch.setattr(writing, "_MONEY", {sign: writing._MONEY[sign]})
    for seed in range(12):
        page = blank_page((128, 512), seed)
        width = writing.put_price(page, 60, 40, 36, free=False)
        (line,) = page.lines
        assert line.text.replace(".", "").replace(",", "").isdigit()
        (left, top), (right, bottom) = line.corners.min(0), line.corners.max(0)
        marks = _maps(page, None)[AT["marks"]]
        rows = slice(int(top // 4), int(bottom // 4) + 1)
        beside = [marks[rows, : int(left // 4)].any(), marks[rows, int(right // 4) + 1 :].any()]
        assert sum(beside) == 1 and beside[1] >= (sign == "%")
        assert 0.4 * 36 < width - (right - left) < 1.4 * 36


def test_what_may_stand_in_a_date_stands_further_off_in_an_equation(monkeypatch):
    stroke = [(-1, 0), (1, 0)]
    counted = {sign: [stroke] * (9 if sign in "-:" else 1) for sign in writing._SIGNS}
    monkeypatch.setattr(writing, "_SIGNS", counted)
    closest = {True: [], False: []}  # with such a sign, and without
    for seed in range(40):
        page, strokes = blank_page((128, 1024), seed), []
        monkeypatch.setattr(page, "stroke", lambda *drawn, seen=strokes: seen.append(drawn))
        writing.put_equation(page, 20, 40, 36)
        ends = [(line.corners[:, 0].min(), line.corners[:, 0].max()) for line in page.lines]
        gaps = [b[0] - a[1] for a, b in itertools.pairwise(ends)]
        closest[len(strokes) >= 9] += [min(gaps) / 36] if gaps else []
    # a dash in a date has 0.7 heights of room at most
    assert min(closest[True]) > 1.1 > min(closest[False])


def test_a_row_of_boxes_is_one_number():
    pages = compose_pages(8, only("boxes"), seeded(9), (256, 256))
    texts = [line.text for rows in pages.rows for line in rows]
    assert any(len(text) > 3 for text in texts) and all(text.isdigit() for text in texts)


def test_cells_of_a_table_keep_row_and_column():
    pages = compose_pages(6, only("table"), seeded(10), (320, 320))
    seen = 0
    for rows in pages.rows:
        numbers = [line for line in rows if line.kind == "number"]
        for one in numbers:
            for other in numbers:
                a, b = one.corners.mean(0), other.corners.mean(0)
                if one.row < other.row and one.column == other.column:
                    assert a[1] < b[1]
                    seen += 1
                if one.row == other.row and one.column < other.column:
                    assert a[0] < b[0]
                    seen += 1
    assert seen > 30


def test_one_hand_writes_all_numbers_of_a_page():
    style = PageStyle(layouts={"table": 1.0}, one_hand=1.0, height=(11.0, 14.0))
    pages = compose_pages(6, style, torch.Generator().manual_seed(4), (448, 448))
    hands = [
        {sprite.text for sprites in numbers.values() for sprite in sprites}
        | {sprite.text for sprite in amounts}
        for numbers, amounts in store().hands
    ]
    whole = 0
    for rows in pages.rows:
        texts = {line.text for line in rows if line.kind == "number" and len(line.text) == 3}
        whole += len(texts) > 3 and any(texts <= hand for hand in hands)
    assert whole >= 3  # dates and numbers of digits apart are put together
    free = compose_pages(6, replace(style, one_hand=0.0), torch.Generator().manual_seed(2))
    texts = {line.text for rows in free.rows for line in rows if len(line.text) == 3}
    assert not any(texts <= hand for hand in hands)


def test_a_font_of_ones_own_that_lacks_a_mark_writes_no_page_alone(monkeypatch):
    font = replace(fonts.load_font(fonts.printed_faces()[0]), characters=frozenset("0123456789"))
    monkeypatch.setattr(fonts, "load_fonts", lambda split: [font])
    monkeypatch.setattr(fonts, "count_fonts", lambda: {"train": 1, "test": 0})
    assert len(_sprites._hands(seeded(0), "train")) == _sprites.HANDS


def test_rows_are_in_reading_order(plain):
    for rows in plain.rows:
        places = [(line.row, line.column) for line in rows]
        assert places == sorted(places)
        for one, other in zip(rows, rows[1:], strict=False):
            if one.row == other.row:
                assert one.corners[0][0] < other.corners[0][0]


def test_visible_is_the_share_of_a_band_within_the_photo():
    band = np.array([(-50, 10), (50, 10), (50, 30), (-50, 30)], float)
    assert _visible(band, (100, 100)) == pytest.approx(0.5, abs=0.07)
    assert _visible(band + (50, 0), (100, 100)) == 1


# --- Chance, sizes, wrong requests ------------------------------------------------------------


def test_the_same_seed_gives_the_same_pages():
    first, again = (compose_pages(4, PageStyle(), seeded(11), (128, 160)) for _ in range(2))
    other = compose_pages(4, PageStyle(), seeded(12), (128, 160))
    assert torch.equal(first.images, again.images) and torch.equal(first.maps, again.maps)
    assert not torch.equal(first.images, other.images)
    assert [[line.text for line in rows] for rows in first.rows] == [
        [line.text for line in rows] for rows in again.rows
    ]


def test_images_are_grey_in_0_to_1(rich):
    assert rich.images.shape == (24, 1, 256, 320) and rich.maps.shape == (24, len(MAPS), 64, 80)
    assert rich.images.dtype == torch.float32
    assert rich.images.min() >= 0 and rich.images.max() <= 1
    assert bool((rich.images.std((1, 2, 3)) > 0.002).all())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_fills_a_small_page_and_a_wide_one(layout):
    style = only(layout, base=PageStyle(edges=1.0))
    for size in ((64, 64), (96, 480)):
        pages = compose_pages(2, style, seeded(13), size)
        assert pages.layouts == [layout] * 2 and bool(pages.images.isfinite().all())


@pytest.mark.parametrize(
    "fault, match",
    [
        ({"layouts": {"poem": 1.0}}, "poem"),
        ({"layouts": {"notes": 0.0}}, "not all of them 0"),
        ({"height": (2.0, 9.0)}, "at least 4 pixels"),
        ({"turned": 1.5}, "turned is a share"),
        ({"split": "dev"}, "'dev'"),
        ({"clutter": -1.0}, "0 or more"),
    ],
)
def test_a_style_that_makes_no_sense_is_refused(fault, match):
    with pytest.raises(ValueError, match=match):
        PageStyle(**fault)


def test_a_request_that_makes_no_sense_is_refused():
    with pytest.raises(TypeError, match="torch.Generator"):
        compose_pages(1, PLAIN, None)
    with pytest.raises(ValueError, match="multiples of 4"):
        compose_pages(1, PLAIN, seeded(0), (130, 128))
    with pytest.raises(ValueError, match="0 or more"):
        compose_pages(-1, PLAIN, seeded(0))


# --- The band of a word -----------------------------------------------------------------------


def test_the_band_of_a_word_is_that_of_its_small_letters():
    ink = np.zeros((64, 120), np.uint8)
    ink[30:45, 10:110:4] = 255  # small letters
    ink[12:45, 20] = 255  # an ascender
    ink[30:58, 60] = 255  # a descender
    band = band_of_word(ink, 45.0)
    assert band[0].tolist() == [10, 30] and band[2].tolist() == [107, 45]


@pytest.mark.parametrize(
    "fault, match",
    [
        ({"layouts": {"notes": math.nan}}, "not all of them 0"),
        ({"layouts": ["notes"]}, "PageStyle.layouts has weights for notes"),
        ({"height": 20.0}, "at least 4 pixels; got 20.0"),
        ({"height": (20.0, math.nan)}, "at least 4 pixels"),
        ({"skew": math.nan}, "finite numbers, 0 or more"),
        ({"clutter": "a"}, "finite numbers, 0 or more"),
        ({"people": 2.5}, "people is a whole number of at least 0; got 2.5"),
        ({"dark": None}, "dark is a share from 0 to 1; got None"),
    ],
)
def test_a_style_of_pages_is_of_numbers(fault, match):
    with pytest.raises(ValueError, match=match):
        PageStyle(**fault)


def test_pages_are_asked_for_in_whole_numbers():
    for count in (2.5, "1", None, True):
        with pytest.raises(ValueError, match="count is a number of pages, 0 or more; got "):
            compose_pages(count, PLAIN, seeded(0))
    for size in (128, (128.0, 128.0), (128,), "ab", None):
        with pytest.raises(ValueError, match="multiples of 4 from 64 on; got "):
            compose_pages(1, PLAIN, seeded(0), size)
    with pytest.raises(TypeError, match="style is a PageStyle; got "):
        compose_pages(1, {}, seeded(0))


def test_in_an_equation_each_number_is_a_line_and_the_signs_are_marks():
    style = only("sums")
    generator = torch.Generator().manual_seed(3)
    batch = compose_pages(12, style, generator, (320, 448))
    beside = 0
    for rows, maps in zip(batch.rows, batch.maps.numpy(), strict=True):
        by_row: dict[int, list] = {}
        for line in rows:
            by_row.setdefault(line.row, []).append(line)
        for row in by_row.values():
            for left, right in itertools.pairwise(sorted(row, key=lambda line: line.column)):
                start, end = left.corners[1:3].mean(0), right.corners[[0, 3]].mean(0)
                high = left.corners[3, 1] - left.corners[0, 1]
                if end[0] - start[0] > 1.7 * high:
                    continue
                columns = slice(int(start[0] // 4), int(end[0] // 4) + 1)
                between = slice(int(left.corners[0, 1] // 4), int(left.corners[3, 1] // 4) + 1)
                beside += bool(maps[AT["marks"], between, columns].any())
    assert beside >= 20


def test_printed_squares_that_are_ringed_or_crossed_hold_no_number(monkeypatch):
    drawn = []
    mark_square = _layouts._mark_square
    monkeypatch.setattr(_layouts, "_mark_square", lambda *at: drawn.append(at) or mark_square(*at))
    batch = compose_pages(40, only("grid"), seeded(2), (256, 256))
    assert drawn
    page = blank_page()
    for k in range(6):
        _layouts._mark_square(page, 20, 20 + 30 * k, 28)
    maps = _maps(page, None)
    assert not page.lines and maps[AT["marks"]].sum() > 60
    assert not maps[: AT["ends"]].any() and len(batch) == 40


def test_a_tile_is_dark_with_light_numbers_on_it():
    style = only("grid", height=(28.0, 40.0))
    batch = compose_pages(24, style, torch.Generator().manual_seed(1), (320, 320))
    light = dark = 0
    for image, rows in zip(batch.images[:, 0].numpy(), batch.rows, strict=True):
        for line in rows:
            (left, top), (right, bottom) = line.corners.min(0), line.corners.max(0)
            box = image[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
            paper, ink = np.median(box), box.mean()
            light, dark = light + (ink > paper + 0.05), dark + (ink < paper - 0.05)
    assert light > 30 and dark > 30  # light ink on dark tiles, and dark on white paper


def mean_width(cover):
    """How wide strokes are in the mean, in pixels."""
    inked = np.asarray(cover) > 128
    return inked.sum() / skeletonize(inked).sum()


def test_a_fine_pen_has_thinner_strokes_and_breaks_none():
    widths, inks = [], []
    for bolder in (0.0, -0.8):
        page = blank_page((512, 512))
        page.bolder = bolder
        for n in range(40):
            sprite = page.store.number(np.random.default_rng(n), 2)
            page.write("number", sprite, 20 + 95 * (n % 5), 20 + 60 * (n // 5), 32)
        widths.append(mean_width(page.layers.pen))
        inks.append((np.asarray(page.layers.pen) > 64).sum())
    assert widths[1] < 0.8 * widths[0]
    assert inks[1] > 0.4 * inks[0]


def test_a_mouse_draws_large_digits_no_wider_than_small_ones():
    for height in (40, 100, 300):
        page = blank_page((512, 512))
        page.line = 3
        page.write("number", page.store.number(np.random.default_rng(1), 1), 20, 20, height)
        assert 2 <= mean_width(page.layers.pen) <= 3 * 2**0.5  # as on a diagonal
