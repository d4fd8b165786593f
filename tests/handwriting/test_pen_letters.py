"""The pen's letters, and the words that it writes with them."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
import torch
from conftest import seeded
from drawn_forms import draw_form
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn_lib.handwriting.pen import (
    MARK_CHARACTERS,
    TEXT_CHARACTERS,
    draw_letters,
    draw_words,
    form_tables,
    hands,
    letter_metrics,
)
from crnn_lib.handwriting.pen import words as module
from crnn_lib.handwriting.pen.forms import FLIGHT, NAMES, TEXT_FORMS
from crnn_lib.handwriting.pen.strokes import _end_at, _hands
from crnn_lib.handwriting.pen.words import _cut_corners, _links

LETTERS = string.ascii_letters


def who(joins: bool, seed: int = 0) -> list[int]:
    """Some writers who print, or who never lift the pen."""
    hand = hands(torch.arange(400), seeded(seed))
    chosen = hand.joining == 1 if joins else hand.joining == 0
    thin = chosen & (hand.radius < 1.6) & (hand.looseness < 0.03)
    return thin.nonzero()[:, 0].tolist()


def pieces(image: torch.Tensor) -> int:
    """How many separate pieces of ink an image (H, W) has."""
    ink = image > 60
    label = torch.where(ink, torch.arange(1.0, ink.numel() + 1).view_as(ink), 0.0)
    while True:  # the greatest label spreads over its piece
        grown = torch.nn.functional.max_pool2d(label[None, None], 3, 1, 1)[0, 0] * ink
        if torch.equal(grown, label):
            return len(torch.unique(label[ink]))
        label = grown


# ---------------------------------------------------------------------------- forms


def test_the_book_has_all_that_a_text_needs():
    assert set(TEXT_CHARACTERS) >= set(LETTERS + string.digits + ".,'-\"()!?:;/&" + MARK_CHARACTERS)
    assert len(set(TEXT_CHARACTERS)) == len(TEXT_CHARACTERS) and " " not in TEXT_CHARACTERS


@pytest.mark.parametrize("letter", LETTERS)
def test_every_letter_is_printed_and_taught_at_school_within_its_lines(letter):
    forms = TEXT_FORMS[letter]
    school = [name for name in forms if name.startswith("school")]
    assert 1 <= len(school) < len(forms)
    for name, form in forms.items():
        assert form.weight > 0
        for stroke in form.strokes:
            assert len(stroke) >= 2, name
            assert all(-0.2 < x < 1 and -0.1 < y < 1.5 for x, y in stroke), name
        heights = [y for stroke in form.strokes for _, y in stroke]
        if letter in "acemnorsuvwxz" and name != "school":  # a z of the school has a tail
            assert min(heights) >= 0.45 and max(heights) <= 1.03, name
        if letter in "bdhkl":
            assert min(heights) <= 0.11 and max(heights) <= 1.03, name
        if letter in "gjpqy":
            assert max(heights) >= 1.2, name


def test_what_is_easily_confused_has_more_forms():
    for letter in "adgqlrnmuvwbtfkhSZOI":
        assert len(TEXT_FORMS[letter]) >= 4, letter


@pytest.mark.parametrize("letter", TEXT_CHARACTERS[10:])
def test_each_form_of_a_letter_draws_a_picture_of_its_own(letter):
    pictures = [draw_form(letter, name, "letters") for name in TEXT_FORMS[letter]]
    least = 0.5 if letter == "." else 1.5  # a dot is a dot
    assert len(pictures) >= 2
    for i, picture in enumerate(pictures):
        assert picture.max() > 200
        border = torch.cat([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert border.max() < 128
        for other in pictures[:i]:
            assert (picture.float() - other.float()).abs().sum() > 255 * least


def test_school_letters_are_entered_and_left_where_a_neighbour_can_reach_them():
    table = form_tables("letters")
    for row, (letter, name) in enumerate(NAMES["letters"]):
        enter, leave = int(table.enter[row]), int(table.leave[row])
        if not letter.islower():
            continue
        assert (enter >= 0) == (leave >= 0) == name.startswith("school"), (letter, name)
        if enter < 0:
            continue
        (x0, y0), (x1, y1) = (table.basis[row] @ table.points[row])[[enter, leave]].tolist()
        assert 0.45 < y0 < 0.9 and 0.5 < y1 < 1.02, (letter, name)  # between x-line and line
        assert x1 > x0 + 0.1, (letter, name)
        ink = (table.basis[row] @ table.points[row])[enter:112]
        assert x1 > ink[:, 0].max() - 0.25, (letter, name)  # nothing is far to the right of it


# ---------------------------------------------------------------------------- glyphs


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**63 - 1), st.text(TEXT_CHARACTERS, max_size=6))
def test_a_seed_repeats_its_letters(seed, text):
    glyphs = draw_letters(text, seeded(seed))
    assert glyphs.shape == (len(text), 28, 28) and glyphs.dtype == torch.uint8
    assert torch.equal(glyphs, draw_letters(list(text), seeded(seed)))


@pytest.mark.parametrize("fill", [True, False])
def test_letters_have_ink_inside_the_picture_and_differ_between_writers(fill):
    glyphs = draw_letters([c for c in TEXT_CHARACTERS for _ in range(20)], seeded(1), fill=fill)
    assert (glyphs.flatten(1).amax(1) > 100).all()
    border = torch.cat([glyphs[:, 0], glyphs[:, -1], glyphs[:, :, 0], glyphs[:, :, -1]], 1)
    assert (border > 64).any(1).float().mean() < 0.02
    for own in glyphs.view(-1, 20, 28 * 28):
        assert len(torch.unique(own, dim=0)) == 20


def test_a_writer_resembles_himself_more_than_others():
    writers = torch.arange(200).repeat_interleave(2)
    for letter in "akgR":
        glyphs = draw_letters(letter * 400, seeded(3), writers=writers).float()
        ours, again = glyphs[::2], glyphs[1::2]  # (200, 28, 28) each
        same = (ours - again).abs().mean()
        assert same < 0.9 * (ours - again.roll(1, 0)).abs().mean(), letter


def test_a_writer_has_the_same_hand_for_digits_and_letters():
    thin, thick = hands(torch.arange(200), seeded()).radius.sort().indices[[5, -6]].tolist()
    ink = [draw_letters("l" * 40, seeded(), writers=[w] * 40).float().mean() for w in (thin, thick)]
    assert ink[1] > 1.5 * ink[0]
    digits = hands(torch.arange(50), seeded()).form  # (50, 10)
    assert torch.equal(_hands(torch.arange(50), 0, "letters").form[:, :10], digits)


def test_printers_print_and_joiners_join():
    table = form_tables("letters")
    school = torch.tensor([name.startswith("school") for _, name in NAMES["letters"]])
    small = school & table.small
    assert table.weights[0][small].sum() < 0.05 * table.weights[0][table.small].sum()
    assert table.weights[1][small].sum() > 0.9 * table.weights[1][table.small].sum()
    joins = hands(torch.arange(4000), seeded()).joins.float().mean()
    assert 0.35 < joins < 0.6


# ---------------------------------------------------------------------------- lines to stand on


def extent(glyphs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """First row with ink of each glyph, and the one after the last."""
    rows = (glyphs > 100).any(2)
    return rows.int().argmax(1).float(), 28 - rows.flip(1).int().argmax(1).float()


@pytest.mark.parametrize("writer", [3, 11, 20])
def test_a_writers_letters_stand_on_one_line_and_have_one_height(writer):
    metrics = letter_metrics([writer], seeded())
    radius = float(hands([writer], seeded()).radius) * 0.8
    tops, feet = {}, {}
    for letter in "acemnorsuvwxzbdhklgpqy":
        glyphs = draw_letters(letter * 60, seeded(), writers=[writer] * 60, fill=False)
        top, foot = extent(glyphs)
        tops[letter], feet[letter] = float(top.median()), float(foot.median())
    lines = {name: float(line[0]) for name, line in vars(metrics).items()}
    for letter in "acemnorsuvwx":
        assert abs(tops[letter] + radius - lines["x_line"]) < 2.2, letter
        assert abs(feet[letter] - 1 - radius - lines["baseline"]) < 2.2, letter
    heights = torch.tensor([feet[c] - tops[c] for c in "aceosuvx"])
    assert heights.max() - heights.min() <= 3
    for letter in "bdhkl":
        assert abs(tops[letter] + radius - lines["top"]) < 3, letter
        assert tops[letter] < min(tops[c] for c in "acemnorsuvwx") - 2
    for letter in "gpqy":
        assert feet[letter] > max(feet[c] for c in "acemnorsuvwx") + 2, letter


def test_metrics_differ_between_writers_as_their_letters_do():
    metrics = letter_metrics(torch.arange(300), seeded())
    assert (metrics.top < metrics.x_line).all() and (metrics.x_line < metrics.baseline).all()
    assert (metrics.foot > metrics.baseline + 2).all() and (metrics.foot < 28).all()
    low, high = (metrics.baseline - metrics.x_line).sort().indices[[3, -4]].tolist()
    heights = []
    for writer in (low, high):
        top, foot = extent(draw_letters("o" * 40, seeded(), writers=[writer] * 40, fill=False))
        heights.append((foot - top).mean())
    assert heights[1] > heights[0] + 1.5


def test_a_letter_fills_its_picture_unless_it_keeps_its_place():
    for fill, equal in ((True, True), (False, False)):
        small, capital = (extent(draw_letters(c * 200, seeded(2), fill=fill)) for c in "oO")
        ratio = (small[1] - small[0]).mean() / (capital[1] - capital[0]).mean()
        assert (ratio > 0.8) == equal


# ---------------------------------------------------------------------------- words


def test_words_have_their_height_and_the_spans_of_their_characters():
    texts = ["Quay", "7 boats & 12", "x", "jumped."]
    written = draw_words(texts, seeded(4), height=40)
    assert written.texts == texts and written.baselines.shape == (4,)
    for text, image, spans in zip(texts, written.images, written.spans, strict=True):
        assert image.dtype == torch.uint8 and len(image) == 40 and image.is_contiguous()
        assert spans.shape == (len(text), 2)
        assert (spans >= 0).all() and (spans <= image.shape[1]).all()
        assert (spans[:, 0] <= spans[:, 1]).all()
        assert (spans.float().mean(1).diff() > 0).all()  # from left to right
        edge = torch.cat([image[0], image[-1], image[:, 0], image[:, -1]])
        assert edge.max() < 100
        for character, (start, end) in zip(text, spans.tolist(), strict=True):
            if character != " ":
                assert image[:, start:end].max() > 100, character


words = st.text(TEXT_CHARACTERS + " ", min_size=1, max_size=12).map(str.strip).filter(len)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**63 - 1), st.lists(words, min_size=1, max_size=4), st.integers(20, 64))
def test_any_text_becomes_ink_inside_its_picture(seed, texts, height):
    written = draw_words(texts, seeded(seed), height=height)
    for text, image, spans in zip(texts, written.images, written.spans, strict=True):
        assert len(image) == height and image.max() > 60
        assert torch.cat([image[0], image[-1], image[:, 0], image[:, -1]]).max() < 128
        assert len(spans) == len(text) and (spans[:, 0] <= spans[:, 1]).all()
        assert 0 <= spans.min() and spans.max() <= image.shape[1]


def test_a_space_is_wide_and_empty():
    generator = seeded(5)
    written = draw_words(["nun nun"] * 50, generator)
    widths = torch.stack([spans[3, 1] - spans[3, 0] for spans in written.spans]).float()
    letters = torch.stack([spans[4, 0] - spans[2, 1] for spans in written.spans]).float()
    assert widths.median() > 4 and torch.equal(widths, letters.clamp_min(0))
    gaps = torch.stack([spans[1, 0] - spans[0, 1] for spans in written.spans]).float()
    assert widths.mean() > gaps.mean() + 4


def test_words_stand_on_their_baseline():
    written = draw_words(["monsoon"] * 80, seeded(6))
    for image, baseline in zip(written.images, written.baselines, strict=True):
        rows = (image > 100).any(1).nonzero()[:, 0]
        assert abs(int(rows[-1]) - float(baseline)) < 8
    feet = [
        int((i > 100).any(1).nonzero()[-1, 0]) - float(b)
        for i, b in zip(written.images, written.baselines, strict=True)
    ]
    assert abs(torch.tensor(feet).median()) < 2.5
    deep = draw_words(["gypsy"] * 80, seeded(6))
    feet = [
        int((i > 100).any(1).nonzero()[-1, 0]) - float(b)
        for i, b in zip(deep.images, deep.baselines, strict=True)
    ]
    assert torch.tensor(feet).median() > 6


def test_the_line_from_letter_to_letter_begins_and_ends_on_them():
    curve = torch.rand((5, 112, 2), generator=seeded()).cumsum(1)
    enter, leave = torch.tensor([3, 0, 9, 20, 1]), torch.tensor([100, 111, 60, 80, 111])
    links = _links(curve, enter, leave)
    for i in range(4):
        assert torch.allclose(links[i, 0], curve[i, leave[i]])
        assert torch.allclose(links[i, -1], curve[i + 1, enter[i + 1]])
        assert torch.linalg.vector_norm(links[i].diff(dim=0), dim=1).max() < 0.5 * (
            torch.linalg.vector_norm(links[i, -1] - links[i, 0])
        )


def test_who_joins_leaves_no_gap_and_who_prints_does():
    joiners, printers = who(True)[:25], who(False)[:25]
    assert len(joiners) == len(printers) == 25
    joined = draw_words(["alone"] * 25, seeded(), writers=joiners, height=64)
    printed = draw_words(["alone"] * 25, seeded(), writers=printers, height=64)
    assert sum(pieces(image) == 1 for image in joined.images) >= 20  # but for a printed letter
    assert sum(pieces(image) >= 3 for image in printed.images) >= 20


def test_words_in_capitals_are_printed_by_everybody():
    joiners = who(True)[:20]
    names = draw_words(["NAME"] * 20, seeded(), writers=joiners, height=64)
    assert sum(pieces(image) >= 3 for image in names.images) >= 16


def extremes(habit: str, count: int = 30) -> tuple[list[int], list[int]]:
    """The printers among 1,500 writers who have least, and most, of a habit."""
    hand = hands(torch.arange(1500), seeded())
    calm = (hand.joining == 0) & (hand.radius < 2) & (hand.looseness < 0.035)
    order = getattr(hand, habit).argsort()
    order = order[calm[order]].tolist()
    return order[:count], order[-count:]


def ink_rows(image: torch.Tensor, span: torch.Tensor) -> float:
    """Height in rows of the ink in the columns of one character."""
    rows = (image[:, span[0] : span[1]] > 100).any(1).nonzero()[:, 0]
    return float(rows[-1] - rows[0] + 1)


def heights_of(text: str, writers: list[int], place: int) -> float:
    """Mean height of one character of a text, by each of the writers."""
    written = draw_words([text] * len(writers), seeded(), writers=writers, height=64)
    each = zip(written.images, written.spans, strict=True)
    return sum(ink_rows(image, spans[place]) for image, spans in each) / len(writers)


def test_some_writers_end_their_words_flat():
    for writers, low, high in zip(extremes("fade"), (0.9, 0.5), (1.1, 0.87), strict=True):
        ratio = heights_of("nononono", writers, -1) / heights_of("nononono", writers, 0)
        assert low < ratio < high


def test_capitals_and_digits_have_their_own_heights():
    for habit, text in (("capital", "Hl"), ("figure", "7l")):
        low, high = (heights_of(text, w, 0) / heights_of(text, w, 1) for w in extremes(habit))
        assert low < 1 and high > low + 0.15, habit


def test_some_writers_spread_their_capitals_and_words():
    def gap(text: str, writers: list[int], place: int) -> float:
        written = draw_words([text] * len(writers), seeded(), writers=writers)
        return sum(float(s[place + 1, 0] - s[place, 1]) for s in written.spans) / len(writers)

    low, high = (gap("HELEN", writers, 1) for writers in extremes("spread"))
    assert high > low + 3
    low, high = (gap("Helen", writers, 1) for writers in extremes("spread"))
    assert abs(high - low) < 1.5, "a name that is no word of capitals is written as ever"
    widths = []
    for writers in extremes("space"):
        written = draw_words(["nun nun"] * 30, seeded(), writers=writers)
        widths.append(sum(float(spans[3, 1] - spans[3, 0]) for spans in written.spans) / 30)
    assert widths[1] > widths[0] + 5


def test_hands_in_haste_cut_corners_and_the_others_do_not():
    texts, writers = ["minimum"] * 60, range(60)
    calm = draw_words(texts, seeded(), writers=writers, haste=0.0)
    plain = draw_words(texts, seeded(), writers=writers)
    assert all(map(torch.equal, calm.images, plain.images))
    hasty = draw_words(texts, seeded(), writers=writers, haste=1.0)
    # arches that grow flat are shorter strokes
    ink = [[float(image.sum()) for image in w.images] for w in (calm, hasty)]
    assert sum(ink[1]) < 0.95 * sum(ink[0])
    for image, spans in zip(hasty.images, hasty.spans, strict=True):
        assert len(spans) == 7 and int(spans.max()) <= image.shape[1]
    with pytest.raises(ValueError, match="haste is a number from 0 to 1; got 2"):
        draw_words(texts, seeded(), haste=2)


def test_where_a_stroke_begins_or_ends_it_stays_in_haste():
    curve = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [5.0, 0.0], [6.0, 1.0], [7.0, 0.0]])
    joined = torch.tensor([[1.0, 1.0, 0.0, 1.0, 1.0]])  # two strokes, each with a corner
    (cut,) = _cut_corners(curve[None], joined, torch.tensor([3.0]))
    assert torch.equal(cut[[0, 2, 3, 5]], curve[[0, 2, 3, 5]])
    assert (cut[[1, 4], 1] < 0.1).all() and torch.allclose(cut[[1, 4], 0], curve[[1, 4], 0])
    (same,) = _cut_corners(curve[None], joined, torch.zeros(1))
    assert torch.equal(same, curve)


def test_a_broad_pen_is_thin_along_its_edge(monkeypatch):
    write = module._write_curves

    def ink(text: str, edge: float) -> float:
        """Ink of a text by 30 writers, all with a pen of this edge."""

        def with_pen(*args, **kwargs):
            hand, *rest = write(*args, **kwargs)
            return replace(hand, edge=torch.full_like(hand.edge, edge)), *rest

        monkeypatch.setattr(module, "_write_curves", with_pen)
        written = draw_words([text] * 30, seeded(), writers=list(range(30)), height=64)
        return sum(float(image.float().sum()) for image in written.images)

    rising, upright = (ink(text, 0.6) / ink(text, 0.0) for text in "/l")
    assert rising < 0.75 and rising < upright - 0.05 and upright < 0.95
    edge = hands(torch.arange(1500), seeded()).edge
    assert 0.5 < (edge == 0).float().mean() < 0.75 and edge.max() < 0.65


def test_dots_and_bars_go_astray_farther_than_other_strokes():
    table = form_tables("letters")
    for row, (letter, _) in enumerate(NAMES["letters"]):
        moved = table.stroke[row].amax(0)  # (S,)
        assert moved[0] == 1
        assert all(m in ((0, FLIGHT) if letter in ("i", "j", "t") else (0, 1)) for m in moved[1:])


def test_a_lone_letter_loses_part_of_its_tail_and_nothing_else():
    table = form_tables("letters")
    row = NAMES["letters"].index(("t", "school"))
    curve = (table.basis[row] @ table.points[row])[None, :112]
    leave, tail = table.leave[row][None], table.tail[row][None]
    assert 3 < int(tail) < 20 and int(leave) < 111, "the bar comes after it"
    ended = _end_at(curve, leave, tail.float())
    last = int(leave - tail)
    assert torch.equal(ended[:, : last + 1], curve[:, : last + 1])
    assert torch.equal(ended[:, int(leave) + 1 :], curve[:, int(leave) + 1 :])
    assert (ended[:, last : int(leave) + 1] == curve[:, [last]]).all()
    assert torch.equal(_end_at(curve, torch.tensor([-1]), torch.zeros(1)), curve)


def test_a_seed_repeats_its_words_and_the_process_plays_no_part():
    texts = ["one", "two words", "3"] * 60  # more than are written at once
    torch.manual_seed(1)
    first = draw_words(texts, seeded(2))
    torch.manual_seed(2)
    again = draw_words(texts, seeded(2))
    for a, b in zip(first.images + first.spans, again.images + again.spans, strict=True):
        assert torch.equal(a, b)
    assert len({image.numpy().tobytes() for image in first.images}) == len(texts)


def test_another_default_dtype_does_no_harm():
    glyphs, words = draw_letters("Quay", seeded()), draw_words(["Quay"], seeded())
    form_tables.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(glyphs, draw_letters("Quay", seeded()))
        assert torch.equal(words.images[0], draw_words(["Quay"], seeded()).images[0])
    finally:
        torch.set_default_dtype(torch.float32)
        form_tables.cache_clear()


def test_no_letters_and_no_words():
    assert draw_letters("", seeded()).shape == (0, 28, 28)
    written = draw_words([], seeded())
    assert written.images == [] and written.spans == [] and written.baselines.shape == (0,)


def test_bad_letters_and_words_are_named():
    with pytest.raises(ValueError, match="letters has ' '"):
        draw_letters("a b", seeded())
    with pytest.raises(ValueError, match="letters has 'ab'"):
        draw_letters(["ab"], seeded())
    with pytest.raises(ValueError, match="2 letters but 1 writers"):
        draw_letters("ab", seeded(), writers=[1])
    with pytest.raises(TypeError, match="sequence of texts"):
        draw_words("word", seeded())
    with pytest.raises(ValueError, match="texts has 'é'"):
        draw_words(["café"], seeded())
    for text in ("", " a", "a "):
        with pytest.raises(ValueError, match="ink at both ends"):
            draw_words([text], seeded())
    with pytest.raises(ValueError, match="2 texts, 1 writers"):
        draw_words(["a", "b"], seeded(), writers=[1])
    with pytest.raises(ValueError, match="at least 16"):
        draw_words(["a"], seeded(), height=8)
    with pytest.raises(TypeError, match="torch.Generator"):
        draw_letters("a", 0)
