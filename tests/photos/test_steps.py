"""The steps from a photo to clean ink: what each does, and what it leaves alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from drawn_photos import digits, on_paper, photo, strokes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from crnn_lib import photos
from crnn_lib.handwriting.pen import draw_words
from crnn_lib.photos import (
    ImageError,
    binarise,
    denoise,
    deskew,
    erase,
    find_rules,
    flatten,
    remove_rules,
    scale_to,
    skew_of,
    skew_of_points,
    slant_of_points,
    steps,
    stroke_width,
)


def overlap(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


STEPS = {
    "polarity": lambda grey: photos.polarity(grey)[0],
    "paper_of": photos.paper_of,
    "flatten": photos.flatten,
    "otsu": lambda grey: photos.binarise(grey, "otsu"),
    "sauvola": photos.binarise,
    "denoise": lambda grey: photos.denoise(grey < 0.5),
    "find_rules": lambda grey: photos.find_rules(grey < 0.5),
    "remove_rules": lambda grey: photos.remove_rules(grey < 0.5),
    "erase": lambda grey: photos.erase(grey, grey < 0.5),
    "deskew": lambda grey: photos.deskew(grey, 0.0),
}


@settings(deadline=None, max_examples=40)
@given(
    name=st.sampled_from(sorted(STEPS)),
    height=st.sampled_from([1, 2, 3, 17, 60]),
    width=st.sampled_from([1, 2, 5, 40, 90]),
    kind=st.sampled_from(["black", "white", "grey", "noise"]),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_every_step_takes_every_size_and_keeps_it(name, height, width, kind, dtype):
    flat = {"black": 0.0, "white": 1.0, "grey": 0.5}.get(kind)
    noise = np.random.default_rng(height * width).random((height, width))
    grey = (noise if flat is None else np.full((height, width), flat)).astype(dtype)
    result = STEPS[name](grey)
    assert result.shape == (height, width)
    if result.dtype != bool:
        assert np.isfinite(result).all() and result.min() >= -1e-6 and result.max() <= 1 + 1e-6


@pytest.mark.parametrize("given", [np.zeros((3, 4, 3)), np.zeros((0, 4)), [[0.0]]])
def test_a_step_says_what_it_needs(given):
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        photos.flatten(given)


def test_bytes_are_refused_before_they_are_misread():
    with pytest.raises(ImageError, match="floats in"):
        photos.binarise(np.zeros((9, 9), np.uint8))


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 999),
    ink=st.floats(0.05, 0.5),
    shade=st.floats(0, 0.4),
    noise=st.floats(0, 0.03),
)
def test_polarity_turns_light_ink_and_only_that(seed, ink, shade, noise):
    dark = photo(strokes(seed=seed), ink=ink, shade=shade, noise=noise, seed=seed)
    grey, turned = photos.polarity(dark)
    assert not turned and grey is dark
    grey, turned = photos.polarity(1 - dark)
    assert turned and np.allclose(grey, dark, atol=1e-6)


@pytest.mark.parametrize("shade", [0.0, 0.3, 0.6])
def test_flatten_takes_the_shadow_and_leaves_the_ink(shade):
    mask = strokes()
    flat = photos.flatten(photo(mask, shade=shade))
    assert np.abs(np.median(flat[~mask]) - 1) < 0.05
    assert np.abs(flat[mask].mean() - 0.3 / 0.8) < 0.06
    assert np.abs(photos.flatten(flat) - flat).mean() < 0.02  # a second time changes little


def test_sauvola_reads_through_a_shadow_where_otsu_does_not():
    mask = strokes()
    shaded = photo(mask, shade=0.75)
    sauvola, otsu = (overlap(photos.binarise(shaded, how), mask) for how in ("sauvola", "otsu"))
    assert sauvola > 0.85 and otsu < 0.6
    even = photo(mask)
    assert overlap(photos.binarise(even, "otsu"), mask) > 0.95


@pytest.mark.parametrize("ink", [0.2, 0.5, 0.65, 0.72])
def test_sauvola_finds_pale_ink_as_well(ink):
    mask = strokes()
    assert overlap(photos.binarise(photo(mask, ink=ink)), mask) > 0.8


@pytest.mark.parametrize("kind", ["scan", "pencil", "shadow", "chalk", "white"])
@pytest.mark.parametrize("share", [0.03, 0.1, 0.2])
@pytest.mark.parametrize("height", [60, 300])
def test_strokes_of_every_width_stay_whole_on_every_paper(height, share, kind):
    """From a fine pen's to a fifth of the digit's height; none comes out hollow."""
    mask = digits("840", height, share * height)
    grey, turned = photos.polarity(on_paper(mask, kind))
    assert turned == (kind in ("chalk", "white"))
    ink = photos.binarise(photos.flatten(grey))
    core = ndimage.binary_erosion(mask) if share * height > 4 else mask
    near = ndimage.binary_dilation(mask)
    assert (ink & core).sum() > 0.9 * core.sum()
    assert (ink & near).sum() > 0.9 * ink.sum()


@pytest.mark.parametrize("thick", [1, 20, 60])
def test_thin_strokes_beside_thick_ones_stay(thick):
    mask = np.zeros((300, 900), bool)
    mask[:, :360] = np.pad(digits("1", 180, thick), ((0, 300), (0, 360)))[:300, :360]
    mask[60:260, 500:780] = np.pad(digits("84", 100, 3), ((0, 200), (0, 300)))[:200, :280]
    ink = photos.binarise(photos.flatten(on_paper(mask, "scan")))
    for part in (np.s_[:, :360], np.s_[:, 500:]):
        assert (ink & mask)[part].sum() > 0.9 * mask[part].sum()


def test_ink_at_the_border_is_ink():
    """A strip cut to its ink: digits touch all four borders."""
    mask = digits("840", 120, 18)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ink = photos.denoise(photos.remove_rules(photos.binarise(photos.flatten(photo(mask)))))
    assert overlap(ink, mask) > 0.9
    for side in (np.s_[:3], np.s_[-3:], np.s_[:, :3], np.s_[:, -3:]):
        assert (ink & mask)[side].sum() > 0.8 * mask[side].sum()


def test_an_unknown_threshold_is_refused():
    with pytest.raises(ValueError, match="'sauvola' or 'otsu'; got 'best'"):
        photos.binarise(np.zeros((9, 9)), "best")


@pytest.mark.parametrize("width", [2, 3, 5, 8, 12])
def test_stroke_width_is_that_of_a_bar(width):
    mask = np.zeros((80, 80), bool)
    mask[10:70, 30 : 30 + width] = True
    assert photos.stroke_width(mask) == pytest.approx(width, rel=0.25)


@pytest.mark.parametrize("side", [1, 4, 30])
def test_a_dot_is_as_wide_as_it_is(side):
    mask = np.zeros((50, 50), bool)
    mask[10 : 10 + side, 10 : 10 + side] = True
    assert photos.stroke_width(mask) == pytest.approx(side, rel=0.3)


def test_a_dark_table_does_not_set_the_width_of_the_strokes():
    mask = np.zeros((400, 600), bool)
    mask[:, :90] = True
    alone = digits("840", 100, 5)
    mask[100 : 100 + alone.shape[0], 150 : 150 + alone.shape[1]] |= alone
    assert photos.stroke_width(mask) == pytest.approx(5, rel=0.3)
    assert (photos.denoise(mask) == mask).all()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), share=st.floats(0, 0.01))
def test_denoise_drops_specks_only_and_once(seed, share):
    mask = strokes(seed=seed)
    rng = np.random.default_rng(seed)
    near = ndimage.binary_dilation(mask, iterations=2)
    specks = (rng.random(mask.shape) < share) & ~near
    cleaned = photos.denoise(mask | specks, smallest=30)
    assert (cleaned & mask == mask).all()
    assert (cleaned & ~mask).sum() <= 0.2 * specks.sum()
    assert (photos.denoise(cleaned, smallest=30) == cleaned).all()


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 99),
    row=st.integers(5, 54),
    thick=st.integers(1, 3),
    slope=st.floats(-0.03, 0.03),
)
def test_rules_go_and_the_digits_they_cross_stay(seed, row, thick, slope):
    mask = strokes(seed=seed)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    rule = (y - row - slope * (x - 120) >= 0) & (y - row - slope * (x - 120) < thick)
    result = photos.remove_rules(mask | rule)
    assert (result & rule & ~mask).sum() < 0.35 * (rule & ~mask).sum()
    assert (result & mask).sum() > 0.85 * mask.sum()
    assert not (result & ~(mask | rule)).any()


def test_digits_alone_are_no_rules():
    for seed in range(10):
        mask = strokes(seed=seed)
        assert not photos.find_rules(mask).any()
        assert photos.remove_rules(mask) is mask


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 30),
    share=st.floats(0, 1),
    length=st.integers(1, 12),
    seed=st.integers(0, 999),
)
def test_runs_are_opened_and_closed_as_morphology_has_it(height, width, share, length, seed):
    mask = np.random.default_rng(seed).random((height, width)) < share
    bar = np.ones((1, length))
    assert (steps._long_runs(mask, length) == ndimage.binary_opening(mask, bar)).all()
    beside = np.pad(mask, ((0, 0), (length, length)))
    closed = ndimage.binary_closing(beside, bar)[:, length : length + width]
    assert (steps._without_gaps(mask, length - 1) == closed).all()


def test_a_frame_is_found_on_all_sides():
    mask = np.zeros((120, 300), bool)
    mask[10:112, 20:280] = True
    mask[12:110, 22:278] = False
    assert (photos.find_rules(mask) == mask).mean() > 0.999


@pytest.mark.parametrize("degrees", [-8, -4, 0, 4, 6, 10])
def test_skew_is_measured_and_set_straight(degrees):
    mask = strokes()
    grey = photo(mask, noise=0)
    skewed = photos.deskew(grey, -degrees)
    assert photos.skew_of(skewed < 0.55) == pytest.approx(degrees, abs=0.8)
    level = photos.deskew(skewed, degrees)
    assert abs(photos.skew_of(level < 0.55)) <= 0.8


@pytest.mark.parametrize("seed, thick", [(0, 7), (1, 7), (2, 9)])
def test_a_thick_pen_leaves_less_paper_than_ink_and_is_ink_all_the_same(seed, thick):
    image = draw_words(["20125810"], torch.Generator().manual_seed(seed), height=72).images[0]
    ink = ndimage.maximum_filter(image.numpy() / 255, thick)
    rows, columns = (np.flatnonzero((ink > 0.25).any(axis)) for axis in (1, 0))
    ink = np.pad(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 6)
    assert 0.45 < (ink > 0.5).mean() < 0.55
    grey = 0.8 - 0.6 * ink
    assert not photos.polarity(grey, crop=True)[1]
    assert photos.polarity(1 - grey, crop=True)[1]


def test_a_box_around_the_writing_is_no_paper():
    grey = np.full((60, 200), 0.8)
    grey[20:40, 20:180:24] = grey[:3] = grey[-3:] = grey[:, :3] = grey[:, -3:] = 0.2
    assert not photos.polarity(grey, crop=True)[1]
    assert photos.polarity(1 - grey, crop=True)[1]


@pytest.mark.parametrize("slant", [-1.0, -0.5, 0.0, 0.3, 0.8])
def test_slant_is_measured(slant):
    down, across = np.mgrid[:60, :240]
    bars = (across + slant * (down - 30)) % 24 < 4
    rows, columns = np.nonzero(bars)
    assert photos.slant_of_points(columns, rows) == pytest.approx(slant, abs=0.05)


@pytest.mark.parametrize("wide", [1, 40])
def test_one_stroke_has_no_slant_of_its_own(wide):
    rows, columns = np.nonzero(np.eye(60, wide, dtype=bool))
    assert photos.slant_of_points(columns, rows) is None


@settings(deadline=None, max_examples=40)
@given(
    degrees=st.floats(-12, 12),
    x=st.floats(60, 180),
    y=st.floats(25, 35),
)
def test_rotation_says_where_a_point_came_from(degrees, x, y):
    grey = np.ones((60, 240), np.float32)
    grey[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] = 0
    turned = photos.deskew(grey, degrees)
    rows, columns = np.nonzero(turned < 0.5)
    found = np.array([columns.mean() + 0.5, rows.mean() + 0.5, 1])
    if degrees:
        found = photos.rotation(degrees, (240, 60)) @ found
    assert found[:2] == pytest.approx([int(x) + 0.5, int(y) + 0.5], abs=0.8)


def test_a_short_text_has_no_skew():
    mask = strokes()[:, 10:80]
    assert photos.skew_of(mask) == 0


@pytest.mark.parametrize("height", [1, 16, 32, 200])
def test_scale_to_keeps_proportions_and_mean(height):
    grey = photo(strokes())
    scaled = photos.scale_to(grey, height)
    assert scaled.shape == (height, max(round(240 * height / 60), 1))
    assert scaled.mean() == pytest.approx(grey.mean(), abs=0.02)


def test_resampling_with_the_identity_changes_nothing():
    grey = photo(strokes())
    assert np.allclose(photos.resample(grey, np.eye(3), grey.shape), grey, atol=1e-6)


def test_beyond_the_image_lies_paper():
    grey = photo(strokes())
    shifted = np.array([[1, 0, -50], [0, 1, -20], [0, 0, 1]], float)
    larger = photos.resample(grey, shifted, (100, 340))
    assert np.allclose(larger[20:80, 50:290], grey, atol=1e-5)
    beyond = np.ones(larger.shape, bool)
    beyond[20:80, 50:290] = False
    assert np.abs(larger[beyond] - 0.8).max() < 0.1


GREY = np.where(np.add.outer(np.arange(40) % 9 == 0, np.arange(90) % 17 == 0), 0.2, 0.9)
GREY = GREY.astype(np.float32)


@pytest.mark.parametrize(
    "step", [stroke_width, denoise, find_rules, remove_rules, skew_of, lambda m: erase(GREY, m)]
)
def test_a_mask_is_of_truth_values(step):
    """~ of bytes is no mask: rules were taken out of 255, and 253 was left of them."""
    mask = GREY < 0.5
    step(mask)
    step(mask[::-1, ::-1])
    for wrong in (255 * mask.astype(np.uint8), mask.astype(float), mask[0], mask.tolist(), None):
        with pytest.raises(
            ValueError, match=r"mask is an array \(H, W\) of bool, True on ink; got "
        ):
            step(wrong)


@pytest.mark.parametrize("number", ["3", None, math.nan, [3], (), np.ones(2)])
def test_numbers_of_the_steps_are_numbers(number):
    for step in (lambda: deskew(GREY, number), lambda: binarise(GREY, k=number)):
        with pytest.raises(ValueError, match="(degrees|k) is a finite number; got "):
            step()
    with pytest.raises(ValueError, match="height is a whole number of at least 1; got "):
        scale_to(GREY, number)
    if number is not None:
        with pytest.raises(ValueError, match="smallest is a number of pixels, 0 or more; got "):
            denoise(GREY < 0.5, number)
        with pytest.raises(ValueError, match="length is a whole number of at least 1; got "):
            find_rules(GREY < 0.5, number)
        with pytest.raises(ValueError, match="window is a whole number of at least 1; got "):
            binarise(GREY, window=number)


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"paper is as large as grey, \(40, 90\); got \(2, 2\)"):
        flatten(GREY, np.ones((2, 2)))
    for wrong in (None, [[0.5]], GREY[0]):
        for step in (flatten, lambda grey: deskew(grey, 0)):
            with pytest.raises(ValueError, match=r"grey is an array \(H, W\); got "):
                step(wrong)
    for points in ((np.ones(3), np.ones(2)), (5, 5), (np.ones((2, 2)), np.ones((2, 2)))):
        for step in (skew_of_points, slant_of_points):
            with pytest.raises(ValueError, match="columns and rows of the same ink"):
                step(*points)
