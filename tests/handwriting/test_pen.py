"""The built-in pen."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from conftest import seeded
from drawn_forms import draw_form
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn_lib.handwriting.pen import draw_digits, draw_marks, form_tables, hands
from crnn_lib.handwriting.pen.forms import (
    BOOKS,
    CARELESS_FORMS,
    FORMS,
    HURRIED_FORMS,
    MARK_CHARACTERS,
)
from crnn_lib.handwriting.pen.strokes import SHELVES, _hands


def every_digit(each: int) -> torch.Tensor:
    return torch.arange(10).repeat_interleave(each)


def test_every_digit_has_at_least_three_forms_and_their_points_are_near_the_box():
    assert sorted(FORMS) == list(range(10))
    for digit, forms in FORMS.items():
        assert len(forms) >= 3, digit
        for name, form in forms.items():
            assert form.weight > 0, (digit, name)
            for stroke in form.strokes:
                assert len(stroke) >= 2, (digit, name)
                assert all(-0.3 < x < 1.3 and -0.3 < y < 1.3 for x, y in stroke), (digit, name)


def test_the_forms_that_teaching_and_cheques_need_are_there():
    needed = {
        0: {"open", "overlapping", "tail", "slashed", "flat"},
        1: {"plain", "flagged", "flagged with foot"},
        2: {"looped"},
        3: {"round", "flat top"},
        4: {"open", "closed", "stem sticking out", "lightning"},
        5: {"flying bar", "no bar"},
        6: {"small loop", "big loop"},
        7: {"plain", "crossed", "flagged", "curved stem"},
        8: {"s", "two circles"},
        9: {"looped", "open"},
    }
    for digit, names in needed.items():
        assert names <= FORMS[digit].keys(), digit


@pytest.mark.parametrize("digit", range(10))
def test_each_form_draws_a_picture_of_its_own(digit):
    pictures = [draw_form(digit, name) for name in FORMS[digit]]
    for picture in pictures:
        assert picture.shape == (28, 28) and picture.dtype == torch.uint8
        assert picture.max() == 255
        rows = (picture > 64).any(1).nonzero()[:, 0]
        columns = (picture > 64).any(0).nonzero()[:, 0]
        height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
        assert 17 <= max(height, width) <= 24
    for i, picture in enumerate(pictures):
        for other in pictures[:i]:
            assert (picture.float() - other.float()).abs().sum() > 255 * 4


def test_seven_stands_upright():
    seven = draw_form(7, "plain").float()
    rows = (seven > 64).any(1).nonzero()[:, 0]
    top, bottom = seven[rows[0] + 1], seven[rows[-1] - 1]
    assert (top > 64).sum() > 2 * (bottom > 64).sum()  # the bar is at the top
    columns = torch.arange(28.0)
    assert (top @ columns) / top.sum() > (bottom @ columns) / bottom.sum() - 1.0


def test_shape_type_and_range():
    glyphs = draw_digits(torch.tensor([5, 5, 2, 0, 7]), seeded())
    assert glyphs.shape == (5, 28, 28)
    assert glyphs.dtype == torch.uint8
    assert glyphs.is_contiguous()
    assert (glyphs.flatten(1).amax(1) > 150).all()  # there is ink
    assert (glyphs.flatten(1).float().mean(1) < 128).all()  # on black


@pytest.mark.parametrize("empty", [[], torch.empty(0, dtype=torch.int64)])
def test_no_digits_give_no_glyphs(empty):
    assert draw_digits(empty, seeded()).shape == (0, 28, 28)
    assert draw_digits(empty, seeded(), writers=empty).shape == (0, 28, 28)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 9), max_size=6))
def test_a_seed_repeats_its_glyphs(seed, digits):
    assert torch.equal(draw_digits(digits, seeded(seed)), draw_digits(digits, seeded(seed)))


def test_seeds_calls_and_glyphs_differ():
    digits = [3] * 20
    generator = seeded(1)
    first, second = draw_digits(digits, generator), draw_digits(digits, generator)
    other = draw_digits(digits, seeded(2))
    every = torch.cat([first, second, other]).flatten(1)
    assert len(torch.unique(every, dim=0)) == 60


def test_the_random_state_of_the_process_plays_no_part():
    torch.manual_seed(1)
    before = draw_digits([5, 5, 2, 0, 7], seeded())
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(before, draw_digits([5, 5, 2, 0, 7], seeded()))
    assert torch.equal(state, torch.get_rng_state())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=8))
def test_habits_depend_on_seed_and_writer_alone(seed, company):
    generator = seeded(seed)
    alone = hands([42], generator)
    torch.rand(7, generator=generator)  # a generator that has been used is still the same seed's
    together = hands([*company, 42], generator)
    for field in fields(alone):
        assert torch.equal(getattr(alone, field.name)[0], getattr(together, field.name)[-1])


def test_writers_and_seeds_have_habits_of_their_own():
    hand = hands(torch.arange(500), seeded())
    elsewhere = hands(torch.arange(500), seeded(1))
    for field in fields(hand):
        ours, theirs = getattr(hand, field.name), getattr(elsewhere, field.name)
        assert not torch.equal(ours, theirs), field.name
        assert ours.float().std(0).min() > 0, field.name


def test_favourite_forms_follow_their_weights():
    favourites = hands(torch.arange(4000), seeded()).form  # (4000, 10)
    for digit, forms in FORMS.items():
        weights = torch.tensor([form.weight for form in forms.values()])
        counts = torch.bincount(favourites[:, digit], minlength=len(forms))
        assert len(counts) == len(forms)
        assert ((counts / 4000 - weights / weights.sum()).abs() < 0.035).all(), digit


def test_a_writer_resembles_himself_more_than_others():
    generator = seeded(3)
    digits = torch.full((400,), 4)
    glyphs = draw_digits(digits, generator, writers=torch.arange(400) // 2).float()
    ours, again = glyphs[::2], glyphs[1::2]  # (200, 28, 28) each
    same = (ours - again).abs().mean()
    different = (ours - again.roll(1, 0)).abs().mean()
    assert same < 0.85 * different


def test_a_writer_stays_the_same_in_other_company_and_in_later_calls():
    digits = torch.full((60,), 8)

    def thickness(glyphs):
        return glyphs.float().mean()

    thin, thick = hands(torch.arange(200), seeded()).radius.sort().indices[[5, -6]]
    generator = seeded()
    for _ in range(2):
        writers = torch.arange(1000, 1060)
        writers[:30] = thin
        light = thickness(draw_digits(digits, generator, writers=writers)[:30])
        writers[:30] = thick
        heavy = thickness(draw_digits(digits, generator, writers=writers)[:30])
        assert heavy > 1.5 * light


def test_without_writers_each_glyph_has_a_writer_of_its_own():
    generator = seeded()
    glyphs = draw_digits([1] * 300, generator).float()
    one = draw_digits([1] * 300, generator, writers=[7] * 300).float()
    ink = glyphs.mean((1, 2)), one.mean((1, 2))
    assert ink[0].std() / ink[0].mean() > 1.5 * ink[1].std() / ink[1].mean()


def test_ink_is_centred_sized_like_emnist_and_inside_the_picture():
    glyphs = draw_digits(every_digit(200), seeded(5))
    ink = glyphs > 64
    border = torch.cat([ink[:, 0], ink[:, -1], ink[:, :, 0], ink[:, :, -1]], 1).any(1)
    assert border.float().mean() < 0.02
    rows, columns = ink.any(2), ink.any(1)  # (M, 28)

    def extent(line):
        first = line.float().argmax(1)
        return first, 28 - line.flip(1).float().argmax(1)

    (top, bottom), (left, right) = extent(rows), extent(columns)
    longest = torch.maximum(bottom - top, right - left).float()
    assert 19 <= longest.median() <= 23
    assert ((longest >= 15) & (longest <= 26)).float().mean() > 0.98
    for low, high in ((top, bottom), (left, right)):
        middle = (low + high).float() / 2
        assert (middle.mean() - 14).abs() < 0.7
        assert ((middle - 14).abs() < 4.5).float().mean() > 0.98


def test_digits_differ_more_than_their_writers():
    glyphs = draw_digits(every_digit(150), seeded(6)).float().flatten(1) / 255
    fresh = draw_digits(every_digit(30), seeded(7)).float().flatten(1) / 255
    nearest = torch.cdist(fresh, glyphs).argmin(1)  # a nearest neighbour of another writer
    accuracy = (every_digit(150)[nearest] == every_digit(30)).float().mean()
    assert accuracy > 0.55  # chance is 0.1


def test_edges_are_grey():
    glyphs = draw_digits(every_digit(20), seeded())
    grey = ((glyphs > 20) & (glyphs < 235)).float().sum()
    assert 0.2 < grey / (glyphs > 20).float().sum() < 0.9


@pytest.mark.parametrize(
    ("digits", "writers", "error", "words"),
    [
        ([1, 10], None, ValueError, "10"),
        ([1, -1], None, ValueError, "-1"),
        ([[1, 2]], None, ValueError, r"\(1, 2\)"),
        (5, None, ValueError, "one dimension"),
        ([1.0, 2.0], None, TypeError, "float32"),
        ([True], None, TypeError, "bool"),
        ([1, 2], [1], ValueError, "2 digits but 1 writers"),
        ([1, 2], [1, 2, 3], ValueError, "2 digits but 3 writers"),
        ([1, 2], [0.5, 1.5], TypeError, "writers"),
        ([1, 2], [[1], [2]], ValueError, "writers"),
    ],
)
def test_bad_input_is_named(digits, writers, error, words):
    with pytest.raises(error, match=words):
        draw_digits(digits, seeded(), writers=writers)


@pytest.mark.parametrize("generator", [None, 0, "seed"])
def test_a_generator_is_needed(generator):
    with pytest.raises(TypeError, match="torch.Generator"):
        draw_digits([1], generator)


def test_other_integer_types_draw_the_same():
    wide = draw_digits(torch.tensor([5, 5, 2, 0, 7]), seeded())
    assert torch.equal(wide, draw_digits(torch.tensor([5, 5, 2, 0, 7]).to(torch.uint8), seeded()))
    assert torch.equal(wide, draw_digits((5, 5, 2, 0, 7), seeded()))


def test_another_default_dtype_does_no_harm():
    expected, form = draw_digits([5, 5, 2, 0, 7], seeded()), draw_form(7, "crossed")
    form_tables.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(expected, draw_digits([5, 5, 2, 0, 7], seeded()))
        assert torch.equal(form, draw_form(7, "crossed"))
    finally:
        torch.set_default_dtype(torch.float32)
        form_tables.cache_clear()


# ---------------------------------------------------------------------------- amounts


def test_the_hurried_book_adds_to_the_school_book():
    assert sorted(HURRIED_FORMS) == list(range(10))
    for digit, forms in HURRIED_FORMS.items():
        assert FORMS[digit].keys() < forms.keys()
    for name in ("separate long bar", "rising bar"):
        assert max(x for stroke in HURRIED_FORMS[5][name].strokes for x, _ in stroke) > 1.1


@pytest.mark.parametrize("book", ["hurried", "marks", "careless", "careless marks"])
def test_every_form_of_the_other_books_draws_a_picture_of_its_own(book):
    for key, forms in BOOKS[book].items():
        pictures = [draw_form(key, name, book) for name in forms]
        assert len(pictures) >= 3, key
        for i, picture in enumerate(pictures):
            assert picture.max() > 240, (key, i)
            border = torch.cat([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
            assert border.max() < 128, (key, list(forms)[i])
            for other in pictures[:i]:
                assert (picture.float() - other.float()).abs().sum() > 255 * 2, (key, i)


def rows_of_ink(glyphs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """First row with ink of each glyph, and the one after the last."""
    rows = (glyphs > 100).any(2)
    return rows.int().argmax(1), 28 - rows.flip(1).int().argmax(1)


def test_marks_stand_at_their_place_beside_a_digit():
    middle = {}
    for mark in MARK_CHARACTERS:
        glyphs = draw_marks([mark] * 100, seeded(1))
        assert (glyphs.flatten(1).amax(1) > 100).all(), mark
        top, bottom = rows_of_ink(glyphs)
        middle[mark] = ((top + bottom) / 2).mean().item()
    assert middle["."] > 20 and middle[","] > 20  # at the line
    assert all(11 < middle[mark] < 17 for mark in "-=/#$~")
    assert middle["'"] < 9
    (_, dots), (_, commas), (_, digits) = (
        rows_of_ink(
            draw_marks(m * 300, seeded(2)) if m in ".," else draw_digits([8] * 300, seeded())
        )
        for m in ".,8"
    )
    assert abs(dots.float().mean() - digits.float().mean()) < 1.5
    assert commas.float().mean() > digits.float().mean() + 0.5  # they descend


def test_a_writer_makes_marks_as_thick_as_digits():
    thin, thick = hands(torch.arange(200), seeded()).radius.sort().indices[[5, -6]].tolist()
    ink = [
        draw_marks("-" * 40, seeded(), writers=[who] * 40).float().mean() for who in (thin, thick)
    ]
    assert ink[1] > 1.4 * ink[0]
    assert torch.equal(draw_marks("-,=", seeded(4)), draw_marks(["-", ",", "="], seeded(4)))


def test_a_long_bar_does_not_shrink_its_digit():
    names = list(HURRIED_FORMS[5])
    short, long = (draw_form(5, names[names.index(n)], "hurried") for n in ("bar", "rising bar"))
    bowls = [(picture[14:] > 100).any(1).sum() for picture in (short, long)]
    assert abs(int(bowls[0]) - int(bowls[1])) <= 2
    assert (long > 100).any(0).sum() > (short > 100).any(0).sum() + 3


def test_bad_marks_and_books_are_named():
    with pytest.raises(ValueError, match="marks has '5'"):
        draw_marks("-5", seeded())
    with pytest.raises(ValueError, match="marks has '--'"):
        draw_marks(["--"], seeded())
    with pytest.raises(ValueError, match="2 marks but 1 writers"):
        draw_marks("--", seeded(), writers=[1])
    with pytest.raises(ValueError, match="'school', 'hurried' or 'careless'; got 'marks'"):
        draw_digits([1], seeded(), book="marks")
    with pytest.raises(ValueError, match="book is 'marks' or 'careless marks'; got 'careless'"):
        draw_marks("-", seeded(), book="careless")
    with pytest.raises(TypeError, match="torch.Generator"):
        draw_marks("-", 0)
    assert draw_marks("", seeded()).shape == (0, 28, 28)


# ---------------------------------------------------------------------------- careless forms


def test_the_careless_book_adds_to_the_hurried_book_and_leaves_the_others_alone():
    """A form more, or another shelf, would change every picture of an older book."""
    for digit in (0, 1, 2, 4, 5, 6, 7, 8, 9):
        assert len(CARELESS_FORMS[digit].keys() - HURRIED_FORMS[digit].keys()) >= 7, digit
    assert all(HURRIED_FORMS[d].items() <= CARELESS_FORMS[d].items() for d in range(10))
    sizes = {book: [len(forms) for forms in BOOKS[book].values()] for book in BOOKS}
    assert sizes["school"] == [10, 7, 15, 11, 9, 12, 12, 14, 11, 11]
    assert sizes["hurried"] == [19, 13, 20, 15, 16, 18, 17, 22, 15, 15]
    assert sizes["marks"] == [7, 6, 9, 8, 5, 4, 5, 4, 4, 6]
    assert SHELVES[:5] == ("school", "hurried", "marks", "letters", "a letterbook")


def test_who_has_no_time_writes_careless_forms_of_all_digits():
    hand = _hands(torch.arange(400), 0, "careless")
    known = torch.tensor([len(HURRIED_FORMS[d]) for d in range(10)])
    careless = hand.form >= known  # (W, 10) the book's own forms stand last
    own = [d for d in range(10) if d != 3]
    often, seldom = (careless[who][:, own].float().mean() for who in (hand.joins, ~hand.joins))
    assert often > 0.45 and seldom < 0.2
    assert (hand.loyalty >= 0.85).all()  # and whoever has a form keeps to it


def test_the_bowl_of_a_rho_stands_beside_its_stem():
    """A 9 as taught has its stem below the right of the bowl, a rho below the left."""

    def stem_and_bowl(picture: torch.Tensor) -> tuple[float, float]:
        rows = (picture > 100).nonzero()
        foot, top = rows[rows[:, 0] > 19], rows[rows[:, 0] < 12]
        return foot[:, 1].float().mean().item(), top[:, 1].float().mean().item()

    for name in ("rho", "leaning rho", "rho in one", "open rho", "rho with a hook"):
        stem, bowl = stem_and_bowl(draw_form(9, name, "careless"))
        assert stem < bowl - 1.5, name
    stem, bowl = stem_and_bowl(draw_form(9, "looped", "careless"))
    assert stem > bowl - 1.5


def test_slashes_of_the_careless_book_lean_every_way_and_are_long_and_short():
    glyphs = draw_marks("/" * 600, seeded(), book="careless marks") > 100
    top, bottom = rows_of_ink(glyphs * 255)
    height = (bottom - top).float()
    assert height.quantile(0.05) < 15 and height.quantile(0.95) > 23
    every, columns = torch.arange(600), torch.arange(28.0)
    first, last = (
        (glyphs[every, row] * columns).sum(1) / glyphs[every, row].sum(1)
        for row in (top, bottom - 1)
    )
    lean = (first - last) / (height - 1)
    assert (lean < 0).float().mean() > 0.05 and lean.quantile(0.95) > 0.9
