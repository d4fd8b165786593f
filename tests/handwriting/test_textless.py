"""Lines on which no number stands."""

from __future__ import annotations

import pytest
import torch
from conftest import seeded

from crnn_lib.handwriting import TEXTLESS, lines_without_text
from crnn_lib.handwriting.textless import LIKE_DIGITS, _texts


@pytest.mark.parametrize("kind", TEXTLESS)
def test_every_kind_has_an_empty_label_and_only_a_blank_one_no_ink(kind):
    lines = lines_without_text(12, seeded(1), height=24, kinds=kind)
    assert lines.texts == [""] * 12 and lines.target_lengths.tolist() == [0] * 12
    assert lines.targets.shape == (12, 0) and lines.spans.shape == (12, 0, 2)
    assert lines.images.shape == (12, 1, 24, int(lines.widths.max()))
    assert lines.images.dtype == torch.float32
    assert 0 <= lines.images.min() and lines.images.max() <= 1
    inked = lines.images.amax((1, 2, 3)) > 0.25
    assert inked.any() == (kind != "blank") and (kind == "cut" or inked.all() == inked.any())
    beyond = torch.arange(lines.images.shape[3]) >= lines.widths[:, None]
    assert not (lines.images[:, 0].amax(1) * beyond).any()
    assert len({tuple(image.flatten().tolist()) for image in lines.images}) > (kind != "blank")


def test_the_generator_decides_all():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one, again, other = (lines_without_text(20, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one.images, again.images) and torch.equal(one.widths, again.widths)
    assert one.images.shape != other.images.shape or not torch.equal(one.images, other.images)


def test_no_word_is_made_of_letters_alone_that_look_like_digits():
    for text in _texts(300, seeded()):
        assert sum(c.isalpha() and c not in LIKE_DIGITS for c in text) >= 2, text
        assert not any(c.isdigit() for c in text)


def test_of_cut_off_writing_a_quarter_stays_at_the_border():
    lines = lines_without_text(40, seeded(2), kinds="cut")
    rows = (lines.images[:, 0] > 0.4).any(2)  # (N, H)
    assert (rows.sum(1) <= 9).all()
    assert not rows[:, 9:-9].any()
    assert rows[:, 0].any() and rows[:, -1].any()


def test_none_at_all_and_bad_input():
    assert len(lines_without_text(0, seeded())) == 0
    with pytest.raises(ValueError, match="kinds is one of words, print, .*; got 'letters'"):
        lines_without_text(2, seeded(), kinds="letters")
    with pytest.raises(ValueError, match="height 16 pixels or more; got count=2, height=4"):
        lines_without_text(2, seeded(), height=4)
    with pytest.raises(TypeError, match="needs a torch.Generator"):
        lines_without_text(2, 0)


@pytest.mark.parametrize("number", [2.5, "3", None, True])
def test_numbers_of_lines_and_pixels_are_whole(number):
    generator = torch.Generator()
    with pytest.raises(ValueError, match="count is 0 or more and height 16 pixels or more; got "):
        lines_without_text(number, generator)
    with pytest.raises(ValueError, match="count is 0 or more and height 16 pixels or more; got "):
        lines_without_text(2, generator, height=16 * number if number == 2.5 else number)
