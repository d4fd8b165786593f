"""What notebooks 00 and 05 show and ask: flips, captions, stored glyphs, the strip maker."""

from __future__ import annotations

import math

import pytest
import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.handwriting import Glyphs, LineStyle, compose_lines, load_glyphs
from crnn_lib.lessons.chapter00 import exercises as chapter00
from crnn_lib.lessons.chapter05 import (
    FLIPS,
    captioned,
    flip_lines,
    in_a_row,
    in_equal_parts,
    stored_glyphs,
)
from crnn_lib.lessons.chapter05 import exercises as chapter05
from crnn_lib.lessons.engine import examine
from crnn_lib.models import CRNN, CRNNConfig
from crnn_lib.plots import plot_lines
from crnn_lib.widgets import StripMaker
from crnn_lib.widgets.strip_maker import LONGEST

BY_ID = {e.id: e for e in (*chapter00.EXERCISES, *chapter05.EXERCISES)}


def say(id: str, answer) -> tuple[str, str]:
    verdict = examine(BY_ID[id], answer)
    return verdict.status, verdict.text


def lines(count=3, seed=0, **style):
    generator = torch.Generator().manual_seed(seed)
    return compose_lines(load_glyphs("pen", count=200), count, LineStyle(**style), generator)


# ------------------------------------------------------------------ the exercises
# tests/test_lessons.py runs every check against its stub, its reference and its mistakes.


def test_the_trivial_exercise_takes_pythons_own_len():
    assert say("0.1", len) == (
        "correct",
        "All 40 texts were counted right, 55207 among them.",
    )


def test_upright_is_what_the_loader_does():
    stored, _ = stored_glyphs(7)
    assert chapter05.upright(stored).shape == (7, 28, 28)
    assert say("5.1", lambda stored: stored.mT)[0] == "correct"
    assert say("5.1", lambda stored: stored.numpy().swapaxes(1, 2))[0] == "correct"


def test_turning_and_then_mirroring_is_a_transpose():
    assert say("5.1", lambda s: torch.rot90(s, -1, (1, 2)).flip(2))[0] == "correct"


def test_leak_counters_of_other_make_pass():
    def by_comparing(train, test):
        return sum(bool((train == image).all((1, 2)).any()) for image in test)

    assert say("5.2", by_comparing)[0] == "correct"


def test_splits_of_the_pen_share_no_glyph():
    train, test = (load_glyphs("pen", split).images for split in ("train", "test"))
    assert chapter05.count_leaked(train, test) == 0
    assert chapter05.count_leaked(train, train[:50]) == 50


def test_paste_in_place_is_told_to_work_on_a_copy():
    def in_place(line, glyph, column):
        end = column + glyph.shape[1]
        line[:, column:end] = torch.maximum(line[:, column:end], glyph)
        return line

    status, text = say("5.3", in_place)
    assert status == "not yet" and "changes what it was given" in text


def test_summed_bytes_are_named_with_their_numbers():
    _, text = say("5.3", BY_ID["5.3"].mistakes[0].does)
    assert "bytes wrap: 200 + 100 is 44" in text and "[[44, 0]]" in text


def test_spans_and_starts_are_those_of_the_line_generator():
    batch = lines(20, 1, spacing_jitter=0.0, minimum_pitch=0.0, spacing=(-0.2, -0.2))
    for n, length in enumerate(batch.target_lengths.tolist()):
        spans = batch.spans[n, :length]
        widths = (spans[:, 1] - spans[:, 0]).tolist()
        steps = torch.tensor(chapter05.ink_starts(widths, -0.2, 0)).diff()
        # the generator measures ink in fractions of a column, spans are whole columns
        assert torch.allclose(steps, spans[:, 0].diff().to(steps), atol=1.5)
    stored = (batch.images[:1, 0] * 255).round().to(torch.uint8)  # (1, H, W)
    assert chapter05.ink_spans(stored, [0])[0] == (
        int(batch.spans[0, 0, 0]),
        int(batch.spans[0, int(batch.target_lengths[0]) - 1, 1]),
    )


@pytest.mark.parametrize("spacing, columns", [(0.2, 3), (-0.25, -3)])
def test_the_notebooks_two_inks_lie_so_far_apart(spacing, columns):
    _, start = chapter05.ink_starts([12, 18], spacing, 0)
    assert start - 12 == columns


def test_ink_wherever_the_glyph_has_some_is_not_taken_for_pasting_its_black():
    rules = {m.does.__name__: m.rule for m in BY_ID["5.3"].mistakes}
    for name in ("overwritten", "wherever_inked"):
        does = next(m.does for m in BY_ID["5.3"].mistakes if m.does.__name__ == name)
        assert rules[name] in say("5.3", does)[1]
    assert rules["overwritten"] != rules["wherever_inked"]


def test_arrays_are_starts_and_spans_too():
    as_tensors = lambda *all: torch.tensor(chapter05.ink_spans(*all))  # noqa: E731
    assert say("5.4", as_tensors)[0] == "correct"
    assert say("5.5", lambda *all: tuple(chapter05.ink_starts(*all)))[0] == "correct"


# ------------------------------------------------------------------ what the notebook looks at


def test_stored_glyphs_lie_on_their_side(tmp_path, monkeypatch):
    monkeypatch.setenv("CRNN_DATA", str(tmp_path))  # nothing is there
    stored, origin = stored_glyphs(5)
    assert torch.equal(stored.mT, load_glyphs("pen", "test", count=5).images)
    assert "transposed" in origin


def test_stored_glyphs_come_from_the_file_if_there_is_one(tmp_path, monkeypatch):
    raw = torch.arange(3 * 28 * 28).remainder(256).byte().view(3, 28, 28)
    folder = tmp_path / "EMNIST" / "raw"
    folder.mkdir(parents=True)
    header = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (3, 28, 28))
    name = "emnist-digits-test-images-idx3-ubyte"
    (folder / name).write_bytes(header + raw.numpy().tobytes())
    labels = b"\0\0\x08\x01" + (3).to_bytes(4, "big") + bytes(3)
    (folder / "emnist-digits-test-labels-idx1-ubyte").write_bytes(labels)
    monkeypatch.setenv("CRNN_DATA", str(tmp_path))
    stored, origin = stored_glyphs(2)
    assert torch.equal(stored, raw[:2]) and origin == f"read from {name}"
    assert torch.equal(load_glyphs("emnist", "test").images[:2], stored.mT)


@pytest.mark.parametrize("flip", FLIPS)
def test_flipping_lines_twice_changes_nothing(flip):
    batch = lines(4)
    once, twice = flip_lines(batch, flip), flip_lines(flip_lines(batch, flip), flip)
    assert not torch.equal(once.images, batch.images)
    assert torch.equal(twice.images, batch.images) and torch.equal(twice.spans, batch.spans)


@pytest.mark.parametrize("flip", FLIPS)
def test_flipped_ink_stays_in_its_spans_and_out_of_the_padding(flip):
    batch = flip_lines(lines(4, spacing=(0.3, 0.5), spacing_jitter=0.0), flip)
    for n, width in enumerate(batch.widths.tolist()):
        assert not batch.images[n, ..., width:].any()
        for start, end in batch.spans[n, : int(batch.target_lengths[n])].tolist():
            assert 0 <= start < end <= width
            assert batch.images[n, 0, :, start].max() >= 0.25  # ink begins here
            assert batch.images[n, 0, :, end - 1].max() >= 0.25


def test_unknown_flip_is_refused():
    with pytest.raises(ValueError, match="'left-right', 'upside-down', 'half turn'; got 'up'"):
        flip_lines(lines(1), "up")


def test_equal_parts_separate_the_articles_strips_only():
    generator = torch.Generator().manual_seed(0)
    pen = load_glyphs("pen", count=200)
    assert in_equal_parts(compose_lines(pen, 50, LineStyle.article(), generator)).all()
    mixed = compose_lines(pen, 50, LineStyle(), generator)
    parts = in_equal_parts(mixed)
    assert 0 < parts.sum() < 25
    n = int(parts.nonzero()[-1])
    length, width = int(mixed.target_lengths[n]), int(mixed.widths[n])
    for place, (start, end) in enumerate(mixed.spans[n, :length].tolist()):
        assert place * width <= start * length and end * length <= (place + 1) * width


def test_captions_stand_over_images_of_any_width():
    batch = lines(1)
    shown = captioned({"a line": batch, "ink": torch.ones(32, 5)})
    assert shown.texts == ["a line", "ink"]
    assert shown.widths.tolist() == [int(batch.widths[0]), 5]
    assert shown.images[1].sum() == 32 * 5
    assert plot_lines(shown, spans=False).get_label() == "2 lines: a line, ink."


def test_glyphs_in_a_row_stand_in_their_order():
    images = torch.zeros(3, 28, 28, dtype=torch.uint8)
    images[1] = 255
    row = in_a_row(images)
    assert row.shape == (28, 84) and row.max() == 1
    assert row[:, 28:56].min() == 1 and row.sum() == 28 * 28


# ------------------------------------------------------------------ the strip maker


@pytest.fixture(scope="module")
def reader():
    torch.manual_seed(0)
    return CRNN(CRNNConfig(channels=(4, 4, 4), strides=((2, 2),) * 3, hidden=4)).eval()


def test_strip_maker_writes_what_is_typed():
    maker = StripMaker("55207")
    before = bytes(maker.picture.value)
    assert repr(maker) == "StripMaker('55207')" and before.startswith(b"\x89PNG")
    maker.text.value = "12"
    assert maker.line.texts == ["12"] and maker.picture.value != before
    assert maker.words.value == f"{int(maker.line.widths[0])} pixel columns"
    assert repr(maker) == "StripMaker('12')"


@pytest.mark.parametrize("text", ["", "   ", "5a", "<b>", "٣", "1" * (LONGEST + 1)])
def test_strip_maker_keeps_its_strip_when_it_cannot_write(text):
    maker = StripMaker("55207")
    before = maker.picture.value
    maker.text.value = text
    assert maker.line.texts == ["55207"] and maker.picture.value == before
    assert maker.words.value == "Write 1 to 12 of these characters: 0123456789"


def test_strip_maker_moves_only_what_the_slider_names():
    maker = StripMaker("00000")
    widths, inks = [], []
    for spacing in (0.6, 0.2, -0.2, -0.6):
        maker.spacing.value = spacing
        widths.append(int(maker.line.widths[0]))
        inks.append((maker.line.spans[0, :, 1] - maker.line.spans[0, :, 0]).tolist())
    assert inks == inks[:1] * 4
    assert widths == sorted(widths, reverse=True) and len(set(widths)) == 4


@pytest.mark.parametrize("name, low, high", [("stroke", -0.8, 1.0), ("slant", 0.0, 0.8)])
def test_strip_maker_sliders_do_what_they_say(name, low, high):
    maker, ink = StripMaker("000"), []
    for value in (low, high):
        getattr(maker, name).value = value
        spans = maker.line.spans[0]
        ink.append(
            float(
                maker.line.images.sum() if name == "stroke" else (spans[:, 1] - spans[:, 0]).sum()
            )
        )
    assert ink[1] > 1.2 * ink[0]


def test_strip_maker_reads_with_the_models_own_alphabet(reader):
    maker = StripMaker("55207", model=reader)
    hypothesis = maker.hypothesis
    sure = math.exp(hypothesis.log_prob)
    assert f"read as {hypothesis.text or 'nothing'}, probability {sure:.2f}" in maker.words.value
    last = CRNN(reader.config, Alphabet(blank=10)).eval()
    maker = StripMaker("55207", model=last)
    assert 10 not in maker.hypothesis.label


def test_strip_maker_writes_with_other_glyphs():
    letters = Glyphs(
        torch.full((2, 28, 28), 255, dtype=torch.uint8), torch.tensor([0, 1]), "x", "test", "a<"
    )
    maker = StripMaker("a<a", glyphs=letters)
    assert maker.line.texts == ["a<a"]
    maker.text.value = "5"
    assert maker.words.value == "Write 1 to 12 of these characters: a&lt;"
