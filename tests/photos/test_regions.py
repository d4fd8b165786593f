"""From maps to regions: where lines stand, which way they run, and in which order they are read."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from drawn_maps import common, corners_of, draw_maps, row
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn_lib.handwriting.pages import PageStyle, compose_pages
from crnn_lib.models import MAPS
from crnn_lib.photos import (
    Place,
    Region,
    _pieces,
    direction_of,
    one_way,
    reading_order,
    regions_of,
    without_doubles,
)
from crnn_lib.training import seeded_generator


def turned(lines, degrees, about=(600, 600)):
    """The same rows on a page that was turned about a point."""
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    result = []
    for line in lines:
        x, y = line["x"] - about[0], line["y"] - about[1]
        moved = {"x": about[0] + x * cos - y * sin, "y": about[1] + x * sin + y * cos}
        result.append({**line, **moved, "degrees": line["degrees"] + degrees})
    return result


def table(rows=6, columns=4, seed=0):
    """Numbers of several lengths in the cells of a table."""
    rng = np.random.default_rng(seed)
    return [
        row(230 + 240 * c + rng.uniform(-12, 12), 220 + 130 * r + rng.uniform(-4, 4),
            rng.uniform(30, 130), rng.uniform(22, 34))
        for r in range(rows)
        for c in range(columns)
    ]  # fmt: skip


@settings(max_examples=12)
@given(turn=st.sampled_from([0, 90, 180, 270]), skew=st.integers(-8, 8), seed=st.integers(0, 99))
def test_a_table_keeps_rows_and_columns_however_it_lies(turn, skew, seed):
    lines = turned(table(seed=seed), turn + skew)
    regions = regions_of(draw_maps((1200, 1200), lines))
    assert len(regions) == len(lines)
    for number, (region, line) in enumerate(zip(regions, lines, strict=True)):
        assert common(region.corners(), corners_of(line)) > 0.7
        assert (region.row, region.column) == divmod(number, 4)
        assert abs((region.place.degrees - line["degrees"] + 180) % 360 - 180) < 6
        assert region.score == pytest.approx(1) and region.kind == "number"


def ruled(maps, at, top, bottom):
    """Marks of upright rules at these x, from one y to another."""
    for x in at:
        maps["marks"][top // 4 : bottom // 4, x // 4] = 1
    return maps


def test_a_rule_between_the_cells_of_a_table_parts_what_ran_into_one():
    joined = row(300, 200, 320, 24)
    maps = ruled(draw_maps((400, 600), [joined]), (100, 220, 340, 460), 120, 280)
    maps["ends"][:] = 0
    found = regions_of(maps)
    assert [(r.row, r.column) for r in found] == [(0, 0), (0, 1), (0, 2)]
    edges = [edge for r in found for edge in (r.place.left, r.place.right)]
    assert edges == pytest.approx([140, 220, 220, 340, 340, 460], abs=8)


def test_a_rule_that_digits_touch_is_seen_above_and_below_them():
    maps = ruled(draw_maps((400, 600), [row(300, 200, 320, 24)]), (100, 220, 340, 460), 120, 280)
    maps["marks"][188 // 4 : 212 // 4] = 0  # there are digits
    maps["ends"][:] = 0
    edges = [edge for r in regions_of(maps) for edge in (r.place.left, r.place.right)]
    assert edges == pytest.approx([140, 220, 220, 340, 340, 460], abs=8)


def test_thick_rules_along_a_number_do_not_part_it():
    maps = draw_maps((400, 600), [row(300, 200, 320, 24)])
    maps["marks"][168 // 4 : 188 // 4] = maps["marks"][212 // 4 : 232 // 4] = 1
    assert len(regions_of(maps)) == 1


@pytest.mark.parametrize(
    ("at", "top", "bottom"),
    [
        ((300,), 40, 360),  # a margin
        (range(100, 500, 40), 184, 216),  # boxes for single digits
        (range(100, 500, 36), 40, 360),  # squared paper
        ((), 0, 0),
    ],
)
def test_rules_that_a_number_is_written_across_do_not_part_it(at, top, bottom):
    maps = ruled(draw_maps((400, 600), [row(300, 200, 320, 24)]), at, top, bottom)
    assert len(regions_of(maps)) == 1


def test_squares_that_are_wider_and_go_on_are_a_grid_with_a_number_each():
    """The same squares in a single row are boxes for the digits of one number."""
    at, maps = range(140, 461, 40), draw_maps((400, 600), [row(300, 200, 320, 24)])
    assert len(regions_of(ruled(maps, at, 180, 220))) == 1
    found = regions_of(ruled(maps, at, 140, 220))
    assert [region.column for region in found] == list(range(8))


def test_what_a_blurred_line_reaches_into_the_next_cell_is_no_line():
    maps = ruled(draw_maps((400, 600), [row(200, 200, 100, 24)]), (120, 240, 360), 120, 280)
    maps["ends"][:] = 0
    (found,) = regions_of(maps)
    assert found.place.right == pytest.approx(240, abs=8)


def doubtful(others, number, word=0.0, height=24):
    """The last region of a page: one line of which a detector is not sure, below others."""
    lines = [row(250, 60 * (n + 1), 160, high, kind=kind) for n, (high, kind) in enumerate(others)]
    maps = draw_maps((600, 500), [*lines, row(250, 540, 160, height)])
    place = maps["number"][500 // 4 :]
    maps["word"][500 // 4 :] = word * place
    place *= number
    found = regions_of(maps)
    return found[-1] if len(found) > sum(kind != "print" for _, kind in others) else None


def with_print(lines, printed, shape=(1200, 1200), hint=0.2):
    """Maps of these rows, of which a detector takes some for print."""
    maps = draw_maps(shape, lines)
    for k in printed:
        alone = draw_maps(shape, [lines[k]])["number"] > 0
        maps["print"][alone], maps["number"][alone] = 0.9, hint
    return maps


def test_a_number_in_the_midst_of_a_table_by_hand_is_not_printed():
    lines = table()
    regions = regions_of(with_print(lines, [6, 13, 23]))  # the last one is in a corner
    assert [(region.row, region.column) for region in regions] == [divmod(n, 4) for n in range(24)]


@pytest.mark.parametrize("first", [False, True])
def test_a_digit_that_looks_printed_is_of_its_number_if_enough_of_that_is_by_hand(first):
    maps = draw_maps((200, 400), [row(200, 100, 160, 40)])
    (whole,) = regions_of(maps)
    for share, length in ((0.5, 1.0), (0.75, 0.25)):  # of the number that looks printed
        neat = {name: values.copy() for name, values in maps.items()}
        columns = np.flatnonzero(maps["number"].any(0))
        columns = columns if first else columns[::-1]
        for column in columns[: round(share * len(columns))]:
            there = maps["number"][:, column] > 0
            neat["number"][there, column], neat["print"][there, column] = 0.1, 0.85
        (found,) = regions_of(neat)
        assert found.length == pytest.approx(length * whole.length, abs=4)
        assert found.score > 0.9  # as sure as what looks written


@pytest.mark.parametrize(
    "printed",
    [
        range(0, 24, 4),  # a column
        range(4),  # a row: heads
        (5, 6),  # beside each other
        (5, 9),  # below each other
        range(0, 24, 3),  # a third of all, nowhere side by side
    ],
)
def test_print_beside_print_stays_print(printed):
    assert len(regions_of(with_print(table(), printed))) == 24 - len(printed)


def test_print_that_looks_like_no_number_or_is_of_another_size_stays_print():
    assert len(regions_of(with_print(table(), [6], hint=0.0))) == 23
    lines = table()
    lines[6] |= {"height": 60.0}
    assert len(regions_of(with_print(lines, [6]))) == 23
    few = table(rows=3, columns=2)  # five numbers make no table
    assert len(regions_of(with_print(few, [3]))) == 5


def test_a_doubtful_line_is_believed_among_its_like():
    assert doubtful([], 0.55) is None
    many = [(24, "number")] * 6
    assert doubtful(many, 0.55).kind == "number"
    assert doubtful(many, 0.45, 0.5).kind == "number"
    assert doubtful(many, 0.3, 0.2) is None
    assert doubtful([], 0.7).score == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize("others", [[(24, "word")] * 6, [(44, "number")] * 6])
def test_a_doubtful_line_is_not_believed_where_the_rest_is_something_else(others):
    assert doubtful(others, 0.7) is None
    assert doubtful(others, 0.95).kind == "number"


def test_a_doubtful_number_among_print_of_its_height_is_print():
    days = [(24, "print")] * 6
    assert doubtful(days, 0.7) is None
    assert doubtful(days, 0.95).kind == "number"
    small = [(12, "print")] * 6  # labels: of what is written beside them they say nothing
    assert doubtful(small, 0.7).score == pytest.approx(0.7, abs=0.01)
    assert doubtful([*days[:3], *[(24, "number")] * 5], 0.58).kind == "number"


@pytest.mark.parametrize("turn", [0, 90, 184, 265])
def test_lines_whose_first_end_nobody_knows_all_begin_at_the_same(turn):
    """Where cosine and sine cancel out, a line lies as its cells do, a short one as the others."""
    lines = turned(table(), turn)
    maps = draw_maps((1200, 1200), lines)
    noise = np.random.default_rng(turn).normal(0, 0.02, (2, *maps["cos"].shape))
    for name, doubt in zip(("cos", "sin"), noise, strict=True):
        maps[name] = 0.05 * maps[name] + doubt
    regions = regions_of(maps)
    assert len(regions) == len(lines)
    for number, (region, line) in enumerate(zip(regions, lines, strict=True)):
        assert common(region.corners(), corners_of(line)) > 0.7
        assert (region.row, region.column) == divmod(number, 4)
        assert abs((region.place.degrees - line["degrees"] + 180) % 360 - 180) < 10


def test_single_digits_lie_as_the_page_does_whatever_a_blot_says():
    """They are higher than wide, the detector doubts which way they run, and a blot does not."""
    lines = [row(200 + 150 * c, 200 + 130 * r, 16, 30) for r in range(5) for c in range(5)]
    lines += [row(560, 980, 120, 30), row(300, 980, 120, 30)]  # two longer numbers
    blot = row(1000, 500, 180, 150, 90)
    maps = draw_maps((1200, 1200), [*lines, blot])
    for name in ("cos", "sin"):
        maps[name][:, :200] *= 0.05  # left of the blot
    regions = regions_of(maps)
    small = [region for region in regions if region.height < 60]
    assert len(small) == len(lines) and len(regions) == len(lines) + 1
    assert all(abs(region.place.degrees) < 6 for region in small)


def test_lines_that_stand_on_their_head_are_turned_as_the_page_lies():
    lines = [row(300, 100 + 90 * k, 200, 30, 3) for k in range(6)]
    regions = regions_of(draw_maps((700, 700), [*lines, row(560, 350, 160, 30, 90)]))
    upside = [
        replace(region, place=region.place.turned()) if k in (1, 4) else region
        for k, region in enumerate(regions)
    ]
    again = one_way(upside)
    for region, one in zip(regions, again, strict=True):
        assert np.allclose(region.corners(), one.corners())
    assert sum(abs(region.place.degrees - 90) < 6 for region in again) == 1  # that is no head


def test_a_sure_piece_is_turned_as_most_are():
    lines = [row(300, 100 + 90 * k, 200, 30) for k in range(6)]
    maps = draw_maps((700, 700), lines)
    high = slice(int((100 + 90 * 2 - 20) / 4), int((100 + 90 * 2 + 20) / 4))
    maps["cos"][high] *= -1  # the third line reads from the right
    assert all(abs(region.place.degrees) < 6 for region in regions_of(maps))


def test_an_empty_cell_keeps_its_column():
    lines = table()
    del lines[9], lines[6]
    regions = regions_of(draw_maps((1200, 1200), lines))
    places = [divmod(n, 4) for n in range(24) if n not in (9, 6)]
    # the second to be deleted stood before the first
    assert [(region.row, region.column) for region in regions] == places


def test_rows_of_no_table_count_their_lines():
    lines = [row(500, 100, 600, 40), row(250, 250, 200, 40), row(800, 255, 160, 40),
             row(420, 400, 500, 40)]  # fmt: skip
    regions = regions_of(draw_maps((600, 1200), lines))
    assert [(region.row, region.column) for region in regions] == [(0, 0), (1, 0), (1, 1), (2, 0)]


def test_lines_of_one_row_under_perspective_stay_together():
    lines = []
    for r in range(5):  # the rows fan out: the upper ones climb, the lower ones fall
        slope = (r - 2) * 2.5
        for x in (200, 600, 1000):
            y = 300 + 150 * r + (x - 600) * math.tan(math.radians(slope))
            lines.append(row(x, y, 220, 36, slope))
    regions = regions_of(draw_maps((1200, 1200), lines))
    assert [region.row for region in regions] == sorted([0, 1, 2, 3, 4] * 3)


def test_words_are_words():
    lines = [row(300, 100, 300, 40), row(300, 220, 300, 40, kind="word")]
    assert [region.kind for region in regions_of(draw_maps((320, 600), lines))] == [
        "number",
        "word",
    ]


@pytest.mark.parametrize("parted", [False, True])
def test_pieces_of_a_line_are_joined_unless_it_ends_between_them(parted):
    maps = draw_maps((200, 600), [row(300, 100, 400, 40)])
    maps["number"][:, 73:77] = 0  # a gap of 16 pixels in the middle
    if parted:
        maps["ends"][18:32, 73:77] = 1
    assert len(regions_of(maps)) == 1 + parted


def test_a_joint_compares_one_piece_with_the_others_and_not_all_with_all(monkeypatch):
    lines = [row(300, 40 + 60 * n, 400, 40) for n in range(12)]
    maps = draw_maps((760, 600), lines)
    maps["number"][:, 53:97:4] = 0  # eleven gaps in each line
    compared = []
    monkeypatch.setattr(
        _pieces,
        "_gaps",
        lambda *pair, gaps=_pieces._gaps: compared.append(gaps(*pair)) or compared[-1],
    )
    assert len(regions_of(maps)) == 12
    pieces = 12 * 12
    assert sum(map(len, compared)) <= (2 * pieces) ** 2


def test_a_rule_between_two_pieces_parts_them():
    maps = draw_maps((200, 600), [row(300, 100, 400, 40)])
    maps["number"][:, 73:77] = 0
    maps["marks"][:, 75] = 1
    assert len(regions_of(maps)) == 2


def test_pieces_of_other_heights_and_levels_stay_apart():
    lines = [row(150, 100, 200, 40), row(360, 100, 190, 90), row(566, 140, 190, 80)]
    maps = draw_maps((300, 800), lines)
    maps["ends"][:] = 0
    assert len(regions_of(maps)) == 3


def test_nothing_is_found_where_nothing_is():
    assert regions_of(draw_maps((100, 100), [])) == []
    assert reading_order([]) == [] and direction_of([]) == 0


def test_unsure_lines_are_left_out():
    maps = draw_maps((200, 600), [row(300, 100, 400, 40)])
    maps["number"] *= 0.6
    assert regions_of(maps, least=0.55) and not regions_of(maps, least=0.65)


def test_of_two_regions_on_one_line_the_better_one_stays():
    line, piece = Place(100, 500, 80, 120), Place(110, 300, 78, 122)
    other = Region(Place(100, 500, 180, 220), 0.7)
    kept = without_doubles([Region(piece, 0.9), Region(line, 0.9), other])
    assert [region.place for region in kept] == [line, other.place]


def test_the_direction_of_a_page_is_that_of_most_of_its_writing():
    lines = [Region(Place(0, 300, 0, 30, degrees), 0.9) for degrees in (88, 91, 93, 268, 2)]
    assert direction_of(lines) == pytest.approx(90.7, abs=1)


def test_the_true_maps_of_composed_pages_give_back_their_numbers():
    pages = compose_pages(50, PageStyle(split="test", height=(14, 48)), seeded_generator(3, 1))
    found, total = 0, 0
    for maps, lines in zip(pages.maps.numpy(), pages.rows, strict=True):
        regions = regions_of(dict(zip(MAPS, maps, strict=True)))
        for line in lines:
            if line.kind == "number" and line.visible > 0.9:
                best = max((common(r.corners(), line.corners) for r in regions), default=0)
                total, found = total + 1, found + (best >= 0.5)
    assert total > 150 and found >= 0.97 * total
