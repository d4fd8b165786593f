from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import threshold_otsu

from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.photos import ink_of
from crnn_lib.photos.ink import LEAST, _levels


@pytest.fixture(scope="module")
def ink() -> torch.Tensor:
    """Six clean lines, ink bright on black."""
    glyphs = load_glyphs("pen", count=200)
    style = LineStyle(length=(4, 4))
    return compose_lines(glyphs, 6, style, torch.Generator().manual_seed(1)).images


def noise(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------------------- padding


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(2, 70),
    width=st.integers(2, 90),
    padding=st.integers(1, 40),
    seed=st.integers(0, 99),
    filling=st.sampled_from((0.0, 1.0, None)),
)
def test_padding_changes_nothing(height, width, padding, seed, filling):
    line = noise(1, 1, height, width, seed=seed)
    line[..., height // 3 : height // 2 + 1, width // 4 : width // 2 + 1] *= 0.1
    beyond = noise(1, 1, height, padding, seed=seed + 100)
    if filling is not None:
        beyond = torch.full_like(beyond, filling)
    alone = ink_of(line)
    padded = ink_of(torch.cat([line, beyond], 3), torch.tensor([width]))
    torch.testing.assert_close(padded[..., :width], alone, atol=1e-5, rtol=0)
    assert not padded[..., width:].any()


def test_a_line_reads_the_same_alone_and_in_a_batch():
    images, widths = noise(5, 1, 32, 60), torch.tensor([60, 33, 2, 17, 59])
    together = ink_of(images, widths)
    for image, width, ink in zip(images, widths.tolist(), together, strict=True):
        torch.testing.assert_close(ink[..., :width], ink_of(image[..., :width]), atol=1e-5, rtol=0)
        torch.testing.assert_close(ink, ink_of(image, width), atol=1e-5, rtol=0)


# ---------------------------------------------------------------------------- paper and ink


def test_clean_lines_stay_what_they_are(ink):
    found = ink_of(1 - ink)
    assert found[ink == 0].max() < 0.02
    assert found[ink > 0.9].min() > 0.95
    assert torch.corrcoef(torch.stack([found.flatten(), ink.flatten()]))[0, 1] > 0.97


@pytest.mark.parametrize("brightness", (0.2, 0.5, 0.8))
@pytest.mark.parametrize("pen", (0.15, 0.4, 0.9))
def test_brightness_and_darkness_of_the_pen_do_not_matter(ink, brightness, pen):
    photo = brightness * (1 - pen * ink)
    torch.testing.assert_close(ink_of(photo), ink_of(1 - ink), atol=0.1, rtol=0)


def test_uneven_light_and_shadows_vanish(ink):
    width = ink.shape[3]
    light = torch.linspace(0.95, 0.5, width).expand(32, width).clone()
    light[:, width // 2 :] *= 0.6  # the edge of a shadow
    found = ink_of(0.9 * light * (1 - 0.8 * ink))
    assert found[ink == 0].mean() < 0.02
    assert found[ink > 0.95].mean() > 0.9


def test_grain_of_the_paper_is_mostly_gone(ink):
    photo = (0.8 * (1 - 0.8 * ink) + 0.06 * torch.randn_like(ink)).clamp(0, 1)
    found = ink_of(photo)
    assert found[ink == 0].mean() < 0.06
    assert found[ink > 0.95].mean() > 0.85


def test_empty_paper_has_no_ink():
    for level in (0.0, 0.3, 1.0):
        assert not ink_of(torch.full((2, 1, 32, 40), level)).any()
    grain = 0.8 + 0.002 * torch.randn(1, 32, 200, generator=torch.Generator().manual_seed(0))
    assert ink_of(grain).max() < 0.3, "a blank page is not stretched until it shows something"


def test_levels_are_those_about_otsus_threshold():
    dark = torch.from_numpy(
        np.random.default_rng(0).choice([0.1, 0.12, 0.15, 0.6, 0.7], (3, 20, 30)).astype("float32")
    )
    widths = (30, 22, 9)
    inside = torch.arange(30)[None, None] < torch.tensor(widths)[:, None, None]
    low, high = _levels(dark, inside)
    for image, width, a, b in zip(dark.numpy(), widths, low.tolist(), high.tolist(), strict=True):
        values = image[:, :width].ravel()
        split = threshold_otsu(values)
        paper, pen = values[values <= split], values[values > split]
        assert b == pytest.approx(pen.mean(), abs=0.01)
        assert a == pytest.approx(paper.mean() + paper.std(), abs=0.01)


def test_levels_keep_a_distance():
    low, high = _levels(torch.zeros(1, 8, 8), torch.ones(1, 1, 8, dtype=torch.bool))
    assert (low.item(), high.item()) == (0, pytest.approx(LEAST))


# ---------------------------------------------------------------------------- what may come in


@pytest.mark.parametrize("size", [(2, 2), (2, 9), (9, 2), (33, 31), (50, 200), (70, 3)])
def test_any_size_and_shape(size):
    images = noise(3, 1, *size)
    found = ink_of(images)
    assert found.shape == images.shape and found.dtype == torch.float32
    assert 0 <= found.min() and found.max() <= 1
    assert torch.equal(ink_of(images[1]), ink_of(images[1:2])[0])
    assert ink_of(images.double()).dtype == torch.float32


def test_the_input_is_left_alone():
    images = noise(2, 1, 32, 40)
    before = images.clone()
    ink_of(images, torch.tensor([40, 20]))
    assert torch.equal(images, before)


def test_no_lines():
    assert ink_of(torch.zeros(0, 1, 32, 40), torch.zeros(0, dtype=torch.long)).shape[0] == 0


@pytest.mark.parametrize("shape", [(32, 40), (2, 3, 32, 40), (1, 1, 1, 40), (1, 32, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"grey images \(N, 1, H, W\)"):
        ink_of(torch.zeros(shape))


@pytest.mark.parametrize("width", (0, 41))
def test_widths_outside_the_image_are_refused(width):
    with pytest.raises(ValueError, match="1 to 40"):
        ink_of(torch.zeros(1, 1, 32, 40), torch.tensor([width]))


@pytest.mark.parametrize("beyond", [math.nan, math.inf, -math.inf, 7.0])
def test_what_lies_beyond_a_line_may_be_anything(beyond):
    """NaN stayed NaN when it was multiplied by 0."""
    generator = torch.Generator().manual_seed(0)
    images, widths = torch.rand(2, 1, 32, 64, generator=generator), torch.tensor([64, 40])
    expected = ink_of(images, widths)
    images[1, :, :, 40:] = beyond
    assert torch.equal(ink_of(images, widths), expected)


@pytest.mark.parametrize(
    "images, widths, error, message",
    [
        (np.zeros((1, 8, 8), np.float32), None, TypeError, "tensor of floats in .* got ndarray"),
        (torch.zeros(1, 8, 8).byte(), None, TypeError, "tensor of floats in .* got torch.uint8"),
        (torch.full((1, 8, 8), math.nan), None, ValueError, "Line 0 of the images has NaN"),
        (torch.zeros(1, 8, 8), torch.tensor([8.0]), TypeError, "whole numbers of pixels; got"),
        (torch.zeros(1, 8, 8), True, TypeError, "whole numbers of pixels; got torch.bool"),
        (torch.zeros(2, 1, 8, 8), torch.tensor([8, 8, 8]), ValueError, "one of each of 2 lines"),
        (torch.zeros(1, 8, 8), "8", ValueError, "one of each of 1 lines; got '8'"),
    ],
)
def test_images_and_widths_are_checked(images, widths, error, message):
    with pytest.raises(error, match=message):
        ink_of(images, widths)
