"""Whole lines, varied: the same text, in the line's height, repeatable, and never too narrow."""

from __future__ import annotations

import math

import pytest
import torch

from crnn_lib.handwriting import LineStyle, LineVariation, compose_lines, load_glyphs, vary_lines

STILL = LineVariation(
    slant=(0, 0), size=(1, 1), width=(1, 1), climb=(0, 0), down=(0, 0), stroke=(0, 0), plain=0
)


@pytest.fixture(scope="module")
def lines():
    generator = torch.Generator().manual_seed(0)
    return compose_lines(load_glyphs("pen", count=200), 24, LineStyle(size=(0.8, 1)), generator)


def one(lines, generator_seed=1, **change):
    variation = LineVariation(**{**STILL.__dict__, **change})
    return vary_lines(lines, variation, torch.Generator().manual_seed(generator_seed))


def centres(lines):
    """Mean row and mean column of each line's ink."""
    ink = lines.images[:, 0]
    mass = ink.sum((1, 2))
    rows, columns = torch.arange(ink.shape[1]) + 0.5, torch.arange(ink.shape[2]) + 0.5
    return (ink.sum(2) @ rows) / mass, (ink.sum(1) @ columns) / mass


def test_without_variation_lines_stay(lines):
    still = one(lines)
    assert torch.equal(still.widths, lines.widths)
    assert torch.allclose(still.images, lines.images, atol=1e-4)
    plain = one(lines, slant=(0.2, 0.3), plain=1.0)
    for name in ("images", "widths", "spans", "targets"):
        assert torch.equal(getattr(plain, name), getattr(lines, name)), name


def test_texts_height_and_padding(lines):
    varied = vary_lines(lines, LineVariation(), torch.Generator().manual_seed(2))
    assert varied.texts == lines.texts and torch.equal(varied.targets, lines.targets)
    assert varied.images.shape[2] == 32 and varied.images.shape[3] == int(varied.widths.max())
    assert 0 <= float(varied.images.min()) and float(varied.images.max()) <= 1
    for image, width in zip(varied.images, varied.widths, strict=True):
        assert not image[..., width:].any()
    changed = (varied.spans != lines.spans).any(2).any(1)
    assert not varied.spans[changed].any() and 0 < int(changed.sum()) < len(lines)


def test_the_generator_decides(lines):
    first, same, other = (one(lines, seed, slant=(-0.3, 0.3)) for seed in (4, 4, 5))
    assert torch.equal(first.images, same.images) and torch.equal(first.widths, same.widths)
    assert not torch.equal(first.widths, other.widths)
    with pytest.raises(TypeError, match="torch.Generator"):
        vary_lines(lines, STILL, None)


def test_each_range_does_what_its_name_says(lines):
    rows, columns = centres(lines)
    lower = one(lines, down=(0.05, 0.05))
    assert ((centres(lower)[0] - rows) > 0.4).float().mean() > 0.8
    wider = one(lines, width=(1.5, 1.5))
    assert torch.equal(wider.widths, (1.5 * lines.widths).ceil().long())
    assert torch.allclose(centres(wider)[1], 1.5 * columns, atol=1.0)
    thick, thin = one(lines, stroke=(0.8, 0.8)), one(lines, stroke=(-0.8, -0.8))
    inks = [batch.images.sum((1, 2, 3)) for batch in (thin, lines, thick)]
    assert (inks[0] < inks[1]).all() and (inks[1] < inks[2]).all()
    small = one(lines, size=(0.7, 0.7))
    assert (small.images.amax(3)[:, 0] > 0.3).sum(1).float().mean() < 0.8 * (
        lines.images.amax(3)[:, 0] > 0.3
    ).sum(1).float().mean()


def test_slant_leans_to_the_right_and_climb_rises():
    lines = compose_lines(
        load_glyphs("pen", count=200),
        8,
        LineStyle(size=(0.8, 0.8), slant=(0, 0)),
        torch.Generator().manual_seed(3),
        texts=["1111111111"] * 8,
    )
    leaning = one(lines, slant=(0.3, 0.3)).images[:, 0]
    columns = torch.arange(leaning.shape[2]).float()
    upper, lower = ((part.sum(1) @ columns) / part.sum((1, 2)) for part in leaning.split(16, 1))
    straight = lines.images[:, 0]
    columns = torch.arange(straight.shape[2]).float()
    above, below = ((part.sum(1) @ columns) / part.sum((1, 2)) for part in straight.split(16, 1))
    assert ((upper - lower) - (above - below) > 1).all()
    rising = one(lines, climb=(0.2, 0.2))
    rows = torch.arange(32).float()
    for image, width in zip(rising.images[:, 0], rising.widths.tolist(), strict=True):
        first, last = image[:, : width // 3], image[:, width - width // 3 : width]
        heights = [float(part.sum(1) @ rows / part.sum()) for part in (first, last)]
        assert heights[0] > heights[1] + 1  # rows count downwards


def test_no_ink_leaves_the_line(lines):
    wild = one(lines, size=(0.7, 1.6), down=(-0.5, 0.5), climb=(-0.1, 0.1))
    tall = (lines.images[:, 0].amax(2) >= 0.25).sum(1)
    found = (wild.images[:, 0].amax(2) >= 0.25).sum(1)
    assert (found >= 0.65 * tall).all()
    # nothing is cut: a line that was shrunk to fit has about the ink that its scale leaves
    edges = wild.images[:, 0, [0, -1]].amax((1, 2))
    assert (edges < 1).float().mean() > 0.9


def test_lines_stay_wide_enough(lines):
    least = (0.9 * lines.widths).long()
    narrow = LineVariation(width=(0.3, 0.4), plain=0)
    generator = torch.Generator().manual_seed(0)
    assert (vary_lines(lines, narrow, generator, least=least).widths >= least).all()
    assert (vary_lines(lines, narrow, generator).widths < least).any()


@pytest.mark.parametrize(
    "change, message",
    [({"slant": (1, 0)}, "slant is"), ({"size": (0, 1)}, "above 0"), ({"plain": 2}, "0 to 1")],
)
def test_bad_variations_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        LineVariation(**change)


def test_what_is_varied_is_checked(lines):
    generator = torch.Generator()
    with pytest.raises(TypeError, match="lines is a LineBatch; got None"):
        vary_lines(None, LineVariation(), generator)
    with pytest.raises(TypeError, match="variation is a LineVariation; got None"):
        vary_lines(lines, None, generator)
    for least in (torch.ones(1), torch.ones(len(lines), 1), 5, [5] * len(lines)):
        with pytest.raises(ValueError, match="least is a tensor of one width per line"):
            vary_lines(lines, LineVariation(), generator, least=least)
    for plain in (None, "1", math.nan, True):
        with pytest.raises(ValueError, match="plain is a share of the lines, 0 to 1; got "):
            LineVariation(plain=plain)
