"""The cutting reader against brute force, and on lines whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from crnn_lib.cutting import (
    BOX,
    CutReader,
    boxes_of,
    column_profile,
    cut_line,
    find_components,
    find_valleys,
    join_parts,
    normalise_digits,
    split_wide,
    train_digit_net,
)
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs, pen_people
from crnn_lib.plots import plot_against_spacing, plot_boxes, plot_cuts, plot_halves, to_png

UPRIGHT = LineStyle(
    length=(5, 5), slant=(0, 0.1), glyph_slant=0.0, rotation=2.0, wander=0.0, spacing_jitter=0.0
)
small = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 7), st.integers(1, 9)),
    elements=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)
few = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def glyphs():
    return load_glyphs("pen", "test", count=400)


@pytest.fixture(scope="module")
def reader():
    pen = load_glyphs("pen", "train", count=2000)
    chance = torch.Generator().manual_seed(0)
    return CutReader(train_digit_net(pen, chance, style=UPRIGHT, count=1500, epochs=2))


def lines_at(glyphs, spacing, count=20, seed=0, **changes):
    style = replace(UPRIGHT, spacing=(spacing, spacing), **changes)
    return compose_lines(glyphs, count, style, torch.Generator().manual_seed(seed))


def inks(lines):
    pairs = zip(lines.images[:, 0].numpy(), lines.widths.tolist(), strict=True)
    return [image[:, :width] for image, width in pairs]


def bars(*spans, height=20, width=60):
    """An image with upright bars, each (left, right, top, bottom)."""
    image = np.zeros((height, width), np.float32)
    for left, right, top, bottom in spans:
        image[top:bottom, left:right] = 1
    return image


# ------------------------------------------------------------------ the steps


@few
@given(small)
def test_components_are_those_of_a_search(image):
    found = find_components(image, speck=1)
    ink = {tuple(at) for at in np.argwhere(image >= 0.5).tolist()}
    assert {tuple(at) for at in np.argwhere(found > 0).tolist()} == ink
    for y, x in ink:
        for v in (y - 1, y, y + 1):
            for u in (x - 1, x, x + 1):
                if (v, u) in ink:
                    assert found[v, u] == found[y, x], "neighbours share a number"
    numbers = sorted(set(found.ravel().tolist()) - {0})
    assert numbers == list(range(1, len(numbers) + 1))
    for number in numbers:  # each number is one piece: what a walk from one pixel reaches
        own = {tuple(at) for at in np.argwhere(found == number).tolist()}
        walk = [next(iter(own))]
        reached = set(walk)
        while walk:
            y, x = walk.pop()
            near = {(v, u) for v in (y - 1, y, y + 1) for u in (x - 1, x, x + 1)}
            walk += (near & own) - reached
            reached |= near & own
        assert reached == own


def test_specks_are_left_out():
    image = bars((5, 8, 2, 18), (20, 22, 4, 6))
    assert find_components(image).max() == 1
    assert find_components(image, speck=4).max() == 2


def test_a_low_part_joins_the_tall_piece_whose_ink_is_nearest():
    image = bars((5, 8, 2, 18), (10, 15, 2, 4), (18, 21, 2, 18))
    joined = join_parts(find_components(image))
    assert joined[3, 12] == joined[10, 6] != joined[10, 19]


def test_a_profile_counts_ink():
    assert column_profile(bars((1, 3, 0, 5), width=5)).tolist() == [0, 5, 5, 0, 0]


@few
@given(st.lists(st.integers(0, 9), min_size=4, max_size=40), st.integers(1, 4))
def test_valleys_are_inside_and_in_order(profile, count):
    cuts = find_valleys(profile, count)
    assert len(cuts) == count - 1
    assert all(0 < cut < len(profile) for cut in cuts)
    assert cuts == sorted(cuts)


def test_a_valley_near_the_middle_is_found():
    assert find_valleys([5, 5, 5, 5, 5, 1, 5, 5, 5, 5, 5, 5], 2) == [5]
    assert find_valleys([5, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5], 2) == [6], "too far away to count"


def test_a_wide_piece_is_split_where_it_is_thin():
    image = bars((5, 15, 2, 18), (15, 18, 9, 11), (18, 28, 2, 18), (40, 50, 2, 18))
    pieces, columns = split_wide(find_components(image))
    (column,) = columns
    assert 15 <= column <= 18
    assert pieces[5, 6] == 1 and pieces[5, 25] == 2 and pieces[5, 45] == 3


@few
@given(small)
def test_no_ink_gets_lost(image):
    cut = cut_line(image)
    for labels in (cut.joined, cut.pieces):
        assert ((labels > 0) == (cut.components > 0)).all()
    assert set(np.unique(cut.pieces)) - {0} == set(range(1, int(cut.pieces.max()) + 1))


@pytest.mark.parametrize("wrong", [torch.zeros(1, 32, 90), np.zeros(9), "55207", None])
def test_what_is_not_one_line_is_named(wrong):
    for step in (column_profile, find_components, cut_line):
        with pytest.raises(ValueError, match=r"one image, \(H, W\), .*lines.images\[n, 0\]"):
            step(wrong)


def test_a_figure_of_no_lines_is_none():
    with pytest.raises(ValueError, match="images holds at least one line; got none"):
        plot_cuts([])


def test_line_without_ink_has_no_pieces():
    cut = cut_line(np.zeros((32, 40), np.float32))
    assert cut.pieces.max() == 0 and cut.columns == ()
    assert boxes_of(np.zeros((32, 40)), cut.pieces).shape == (0, 28, 28)


# ------------------------------------------------------------------ MNIST's form


@pytest.mark.parametrize("height, width", [(8, 16), (24, 6), (13, 13)])
def test_boxes_fill_twenty_pixels_around_their_centre_of_mass(height, width):
    image = torch.zeros(1, 40, 60)
    image[0, 5 : 5 + height, 30 : 30 + width] = 1
    (box,) = normalise_digits(image)
    rows, columns = (torch.nonzero((box >= 0.5).any(dim)).flatten() for dim in (1, 0))
    sides = [int(side.max() - side.min()) + 1 for side in (rows, columns)]
    wanted = [BOX * side / max(height, width) for side in (height, width)]
    assert sides == pytest.approx(wanted, abs=1)
    mass = box.sum()
    for dim in (0, 1):
        middle = (box.sum(dim) * torch.arange(28)).sum() / mass
        assert middle.item() == pytest.approx(13.5, abs=0.2)


def test_a_box_does_not_depend_on_where_its_ink_stood():
    glyph = torch.rand(1, 12, 9, generator=torch.Generator().manual_seed(0))
    here, there = torch.zeros(1, 32, 60), torch.zeros(1, 32, 60)
    here[:, 3:15, 4:13], there[:, 17:29, 41:50] = glyph, glyph
    assert torch.allclose(normalise_digits(here), normalise_digits(there), atol=1e-4)


# ------------------------------------------------------------------ reading


def test_clear_gaps_give_one_piece_per_digit(glyphs):
    counts = [cut_line(image).pieces.max() for image in inks(lines_at(glyphs, 0.3, 40))]
    assert counts.count(5) >= 32


def test_reads_clear_gaps_and_fails_at_overlap(glyphs, reader):
    shares = {}
    for spacing in (0.3, -0.3):
        lines = lines_at(glyphs, spacing, 60)
        said = reader.read(lines)
        shares[spacing] = sum(a == b for a, b in zip(said, lines.texts, strict=True)) / 60
    assert shares[0.3] > 0.5 and shares[-0.3] < shares[0.3] / 2


def test_padding_changes_nothing(glyphs, reader):
    lines = lines_at(glyphs, 0.2, 6, length=(1, 6))
    alone = [reader.read(lines.select([n]))[0] for n in range(6)]
    assert reader.read(lines) == alone
    assert reader.read(lines.select([])) == []


def test_training_is_repeatable(glyphs):
    def trained():
        return train_digit_net(glyphs, torch.Generator().manual_seed(3), count=100, epochs=1)

    one, other = trained().state_dict(), trained().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_only_digits_are_named():
    """A mark was no literal for int()."""
    chance = torch.Generator().manual_seed(0)
    with pytest.raises(ValueError, match=r"A DigitNet names digits, .* glyphs\.only\("):
        train_digit_net(pen_people(1, chance), chance, count=4)


# ------------------------------------------------------------------ figures


def test_halves_stand_under_a_ruler():
    halves = [(10, torch.rand(2, 28, 28), "60, 0.97"), (12, torch.rand(2, 28, 28), "20, 0.66")]
    figure = plot_halves(torch.rand(32, 36).numpy(), halves)
    assert figure.get_label().endswith("Cut at column 10: 60, 0.97; cut at column 12: 20, 0.66.")
    places = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert {"0", "10", "20", "30", "12", "60, 0.97"} <= {*places}
    (low,) = [text.get_position()[1] for text in figure.axes[0].texts if text.get_text() == "12"]
    assert low == min(y for _, y in places.values())  # 12 is raised beside 10


def test_figures_say_what_they_show(glyphs):
    lines = lines_at(glyphs, 0.3, 4)
    figure = plot_cuts(inks(lines), lines.texts, texts=lines.texts)
    counts = [len(np.unique(cut_line(image).joined)) - 1 for image in inks(lines)]
    assert figure.get_label().startswith(f"Connected pieces: {', '.join(map(str, counts))}.")
    assert to_png(figure)
    for wrong in (5, "5", ["5"] * 3, [5, 5, 5, 5], None):
        for name in ("captions", "texts"):
            with pytest.raises(ValueError, match=f"{name} are one str for each of 4 lines"):
                plot_cuts(inks(lines), **{name: wrong})
    with pytest.raises(ValueError, match=r"number 1 is '5520755207', and its line was cut into \d"):
        plot_cuts(inks(lines), texts=["", "5520755207", "", ""])
    figure = plot_boxes(torch.rand(3, 28, 28), ["5", "0", "7"])
    assert figure.get_label() == "3 pieces, read as 5, 0, 7." and to_png(figure)


def test_curves_say_where_they_begin_and_end():
    curves = {"cut": {0.3: 0.9, -0.3: 0.1}, "whole": {0.3: 0.95, -0.3: 0.94}}
    figure = plot_against_spacing(curves, n=100, guess={0.3: 1.0, -0.3: 0.5})
    said = figure.get_label()
    assert "cut: 90 % at spacing 0.3, 10 % at -0.3" in said
    assert "whole: 95 % at spacing 0.3, 94 % at -0.3" in said
    (axes,) = figure.axes
    left, right = axes.get_xlim()
    assert left > right, "gaps stand on the left"
    with pytest.raises(ValueError, match="One to"):
        plot_against_spacing({})


def test_the_default_dtype_does_no_harm():
    glyphs = load_glyphs("pen", count=40)
    torch.set_default_dtype(torch.float64)
    try:
        generator = torch.Generator().manual_seed(0)
        network = train_digit_net(glyphs, generator, count=64, epochs=1)
        lines = compose_lines(glyphs, 3, LineStyle(), generator)
        boxes = normalise_digits(lines.images[:, 0])
        texts = CutReader(network).read(lines)
    finally:
        torch.set_default_dtype(torch.float32)
    assert boxes.dtype == torch.float32 and torch.equal(boxes, normalise_digits(lines.images[:, 0]))
    assert texts == CutReader(network).read(lines)
