from __future__ import annotations

import importlib.util
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from crnn_lib.handwriting import Glyphs, LineStyle, compose_lines, load_glyphs
from crnn_lib.handwriting import _warping as warping
from crnn_lib.handwriting._warping import (
    INK,
    Boxes,
    blend_boxes,
    glyph_boxes,
    lay_boxes,
    stroke_weight,
    warp_glyphs,
)

CROSS = torch.tensor([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=torch.bool).numpy()


@pytest.fixture(scope="module")
def inks() -> torch.Tensor:
    return load_glyphs("pen", count=60).images.float() / 255


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def per_glyph(value: float, count: int) -> torch.Tensor:
    return torch.full((count,), float(value))


# ---------------------------------------------------------------------------- stroke weight


def test_one_pixel_wider_is_a_dilation_and_one_thinner_an_erosion(inks):
    inks = torch.cat([inks[:5], noise(3, 28, 28)])  # the noise has ink on its border
    wide, thin = (stroke_weight(inks, per_glyph(w, len(inks))) for w in (1, -1))
    for ink, w, t in zip(inks, wide, thin, strict=True):
        dilated = ndimage.grey_dilation(ink.numpy(), footprint=CROSS, mode="constant", cval=0)
        eroded = ndimage.grey_erosion(ink.numpy(), footprint=CROSS, mode="constant", cval=0)
        assert torch.equal(w, torch.from_numpy(dilated))
        torch.testing.assert_close(t, torch.from_numpy(eroded), atol=1e-6, rtol=0)


def test_weights_between_are_between(inks):
    before = inks.clone()
    weights = torch.linspace(-1, 1, 21)
    written = torch.stack([stroke_weight(inks, w.expand(len(inks))) for w in weights])
    assert torch.equal(inks, before)  # the glyphs themselves stay as they are
    assert torch.equal(written[10], inks)
    assert bool((written.diff(dim=0) >= -1e-6).all())  # brightness grows with the weight
    assert written.min() >= -1e-6 and written.max() <= 1 + 1e-6
    torch.testing.assert_close(written[15], torch.lerp(inks, written[20], 0.5))


def test_each_glyph_has_its_own_weight(inks):
    weights = torch.tensor([-0.5, 0.0, 0.7])
    together = stroke_weight(inks[:3], weights)
    for ink, weight, written in zip(inks, weights, together, strict=False):
        assert torch.equal(stroke_weight(ink[None], weight[None])[0], written)


# ---------------------------------------------------------------------------- warp


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_doing_nothing_changes_nothing(inks, mode):
    one, zero = per_glyph(1, len(inks)), per_glyph(0, len(inks))
    torch.testing.assert_close(
        warp_glyphs(inks, (28, 28), one, zero, zero, mode=mode), inks, atol=1e-5, rtol=0
    )
    wide = warp_glyphs(
        inks, (32, 40), one, zero, zero, mode=mode
    )  # a larger box: the glyph is centred
    torch.testing.assert_close(wide[:, 2:30, 6:34], inks, atol=1e-5, rtol=0)
    torch.testing.assert_close(wide.sum(), inks.sum())


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_it_is_torchvisions_affine(inks, mode):
    """The same scale, angle and shift, pixel by pixel."""
    # not when it is collected: it takes seconds
    from torchvision.transforms import InterpolationMode, functional

    draw = noise(4, len(inks), seed=1)
    scale, degrees = 0.8 + 0.3 * draw[0], 20 * draw[1] - 10
    right, down = (11.2 * draw[2] - 5.6).round(), (8.4 * draw[3] - 4.2).round()
    zero = per_glyph(0, len(inks))
    ours = warp_glyphs(inks, (28, 28), scale, torch.deg2rad(degrees), zero, right, down, mode=mode)
    theirs = torch.stack(
        [
            functional.affine(
                inks[i, None],
                angle=degrees[i].item(),
                translate=[int(right[i]), int(down[i])],
                scale=scale[i].item(),
                shear=[0.0, 0.0],
                interpolation=InterpolationMode(mode),
            )[0]
            for i in range(len(inks))
        ]
    )
    if mode == "nearest":  # a point half-way between two pixels may be rounded either way
        assert (ours == theirs).float().mean() > 0.9999
    else:
        torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=0)


def test_shift():
    ink = torch.zeros(1, 28, 28)
    ink[0, 10:14, 8:12] = 1
    one, zero = torch.ones(1), torch.zeros(1)
    moved = warp_glyphs(ink, (28, 28), one, zero, zero, torch.tensor([3.0]), torch.tensor([-2.0]))
    torch.testing.assert_close(moved, ink.roll((-2, 3), (1, 2)), atol=1e-5, rtol=0)


def test_slant_leans_to_the_right():
    bar = torch.zeros(1, 28, 28)
    bar[0, 4:24, 13:15] = 1
    one, zero = torch.ones(1), torch.zeros(1)
    leaning = warp_glyphs(bar, (28, 28), one, zero, torch.tensor([0.3]))[0]
    centre = (leaning * torch.arange(28)).sum(1)[4:24] / leaning.sum(1)[4:24]  # per row
    # 0.3 pixels to the right per pixel upwards; rows count downwards
    torch.testing.assert_close(centre.diff(), torch.full((19,), -0.3), atol=1e-3, rtol=0)
    assert centre.mean() == pytest.approx(13.5, abs=1e-3)


def test_scale_is_about_the_centre():
    square = torch.zeros(1, 28, 28)
    square[0, 9:19, 9:19] = 1
    zero = torch.zeros(1)
    for scale in (0.5, 1.3, 2.0):
        scaled = warp_glyphs(square, (28, 28), torch.tensor([scale]), zero, zero)
        assert scaled.sum() == pytest.approx(100 * scale**2, rel=0.05)
        torch.testing.assert_close(scaled, scaled.flip(1, 2), atol=1e-5, rtol=0)


def test_a_positive_angle_turns_clockwise():
    bar = torch.zeros(1, 28, 28)
    bar[0, 4:14, 13:15] = 1  # a hand that shows twelve o'clock
    turned = warp_glyphs(bar, (28, 28), torch.ones(1), torch.tensor([torch.pi / 2]), torch.zeros(1))
    assert turned[0, 13:15, 14:24].mean() > 0.99  # three o'clock


# ---------------------------------------------------------------------------- blend


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_blend_keeps_the_brightest_pixel_and_wraps_nothing(data):
    count, longest = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    lengths = data.draw(st.lists(st.integers(0, longest), min_size=count, max_size=count))
    written = torch.arange(longest) < torch.tensor(lengths)[:, None]  # (N, L)
    height, box, width = 3, 6, data.draw(st.integers(1, 25))
    boxes = noise(int(written.sum()), height, box, seed=data.draw(st.integers(0, 99)))
    offsets = torch.zeros(written.shape, dtype=torch.long)
    places = st.integers(-box, width)  # also where a box sticks out of its line
    for n, i in written.nonzero().tolist():
        offsets[n, i] = data.draw(places)

    expected = torch.zeros(count, 1, height, width)
    for glyph, (n, i) in zip(boxes, written.nonzero().tolist(), strict=True):
        for column in range(box):
            x = int(offsets[n, i]) + column
            if 0 <= x < width:
                expected[n, 0, :, x] = torch.maximum(expected[n, 0, :, x], glyph[:, column])
    before = boxes.clone()
    assert torch.equal(blend_boxes(boxes, offsets, written, width), expected)
    assert torch.equal(boxes, before)


# ---------------------------------------------------------------------------- in one go

needs_numba = pytest.mark.skipif(not importlib.util.find_spec("numba"), reason="needs numba")
NO_NUMBER = [float("nan"), float("inf"), -float("inf"), 1e38, 1e-38, 0.0]


@contextmanager
def without_numba():
    with mock.patch.object(warping, "_kernels", lambda: None):
        yield


def dense(boxes: Boxes) -> torch.Tensor:
    """The pixels of boxes, those between the parts too: (M, height, width)."""
    if boxes.parts is None:
        return boxes.pixels
    pixels = torch.zeros(len(boxes), *boxes.size)
    for box, (start, top, bottom, left, right) in zip(pixels, boxes.parts.tolist(), strict=True):
        part = boxes.pixels[start : start + (bottom - top) * (right - left)]
        box[top:bottom, left:right] = part.view(bottom - top, right - left)
    return pixels


def assert_close(ours: torch.Tensor, theirs: torch.Tensor, mode: str) -> None:
    """Equal but for rounding; a point half-way between two pixels may be rounded either way."""
    far = (ours - theirs).abs() > 1e-5
    assert ours.shape == theirs.shape
    assert far.float().mean().item() <= (1e-3 if mode == "nearest" else 0), far.sum()


@needs_numba
def test_numba_is_used():
    assert warping._kernels() is not None


@st.composite
def placed_glyphs(draw):
    """Arguments of glyph_boxes: from a speck to a full glyph, from tiny to beyond the box."""
    count, seed = draw(st.integers(1, 6)), draw(st.integers(0, 2**16))
    u = noise(12, count, seed=seed)
    inks = (noise(count, 28, 28, seed=seed + 1) * 256).to(torch.uint8)
    inks *= noise(count, 28, 28, seed=seed + 2) < u[0, :, None, None]
    rows, columns = torch.arange(28)[:, None], torch.arange(28)
    inside = (rows >= 28 * u[1, :, None, None]) & (rows <= 28 * u[2, :, None, None])
    inside = inside & (columns >= 28 * u[3, :, None, None]) & (columns <= 28 * u[4, :, None, None])
    inks *= inside | (u[5] < 0.5)[:, None, None]
    weight = (3 * u[6] - 1.5) * draw(st.sampled_from([0, 1])) * (u[7] < 0.8)
    size = draw(st.integers(1, 45)), draw(st.integers(1, 60))
    scale = 0.02 + draw(st.sampled_from([1.1, 4])) * u[8]
    angle = draw(st.sampled_from([0, 0.2, 3.2])) * (2 * u[9] - 1)
    slant = draw(st.sampled_from([0, 1.5])) * (2 * u[10] - 1)
    right, down = 40 * u[11] - 20, 40 * u[0] - 20
    mode = draw(st.sampled_from(["nearest", "bilinear"]))
    return inks, weight, size, scale, angle, slant, right, down, mode


@needs_numba
@given(placed_glyphs(), st.integers(1, 60), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_the_compiled_way_is_the_way_of_torch(glyphs, width, seed):
    inks, weight, *rest = glyphs
    before = inks.clone()
    ours = glyph_boxes(*glyphs, ink=INK)
    with without_numba():
        theirs = glyph_boxes(*glyphs, ink=INK)
    assert ours.parts is not None and theirs.parts is None
    pixels = warp_glyphs(stroke_weight(inks.float() / 255, weight), *rest)
    assert torch.equal(theirs.pixels, pixels)
    assert_close(dense(ours), pixels, glyphs[-1])
    if glyphs[-1] == "bilinear":
        assert torch.equal(ours.left, theirs.left) and torch.equal(ours.right, theirs.right)

    # all of them on two lines, also where a box sticks out
    count = len(inks)
    written = torch.arange(count) < torch.tensor([count // 2, count - count // 2])[:, None]
    box = ours.size[1]
    offsets = (noise(2, count, seed=seed) * (width + box + 1)).long() - box
    widths = torch.tensor([width, (width + 1) // 2])
    images = lay_boxes(ours, offsets, written, widths)
    with without_numba():
        assert_close(images, lay_boxes(theirs, offsets, written, widths), glyphs[-1])
    assert not images[1, ..., widths[1] :].any()
    assert torch.equal(inks, before)


@needs_numba
@pytest.mark.parametrize(
    "style",
    [
        LineStyle(),
        LineStyle.article(),
        LineStyle().varied(),
        replace(LineStyle.article().varied(), length=(1, 4), interpolation="bilinear"),
    ],
    ids=["default", "article", "varied", "cells"],
)
def test_a_seed_gives_the_same_lines_without_numba(style):
    glyphs = load_glyphs("pen", count=300)
    ours = compose_lines(glyphs, 700, style, torch.Generator().manual_seed(8))
    with without_numba():
        theirs = compose_lines(glyphs, 700, style, torch.Generator().manual_seed(8))
    assert ours.texts == theirs.texts
    for name in ("widths", "targets", "target_lengths", "spans"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    assert_close(ours.images, theirs.images, style.interpolation)


@pytest.mark.parametrize("with_numba", [True, False])
def test_the_extent_of_a_box_is_its_ink(with_numba):
    inks = torch.zeros(3, 28, 28, dtype=torch.uint8)
    inks[0, 5:9, 10:14] = 200
    inks[1, 5:9, 10:14] = 50  # too faint for ink
    one, zero = torch.ones(3), torch.zeros(3)
    place = mock.patch.object(warping, "_kernels", warping._kernels if with_numba else lambda: None)
    with place:
        boxes = glyph_boxes(inks, zero, (30, 40), one, zero, zero, 4.0, -2.0, ink=INK)
        written = torch.ones(3, 1, dtype=torch.bool)
        images = lay_boxes(boxes, torch.full((3, 1), -15), written, torch.tensor([7, 20, 20]))
        with pytest.raises(ValueError, match="2 glyphs are written; there are 3 boxes"):
            lay_boxes(boxes, torch.zeros(2, 1), written[:2], torch.tensor([7, 20]))
    assert len(boxes) == 3
    assert boxes.left.tolist() == [20, 20, 20] and boxes.right.tolist() == [24, 21, 21]
    assert images.shape == (3, 1, 30, 20)
    lit = (images > 0.1).nonzero()
    assert lit[lit[:, 0] == 0].amin(0).tolist() == [0, 0, 4, 5]
    assert lit[lit[:, 0] == 0].amax(0).tolist() == [0, 0, 7, 6]  # cut off at its width
    assert lit[lit[:, 0] == 1].amax(0).tolist() == [1, 0, 7, 8]


@needs_numba
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_numbers_without_sense_reach_no_foreign_memory(mode):
    inks = (noise(20, 28, 28) * 256).to(torch.uint8)
    written = torch.ones(20, 1, dtype=torch.bool)
    for place in range(6):
        for value in NO_NUMBER:
            values = torch.zeros(6, 20)
            values[0] = 1
            values[place] = value
            scale, angle, slant, right, down, weight = values
            boxes = glyph_boxes(
                inks, weight, (28, 40), scale, angle, slant, right, down, mode, ink=INK
            )
            assert 0 <= boxes.left.min() and boxes.right.max() <= 40
            assert bool((boxes.left < boxes.right).all())
            for offset in (-(10**12), -20, 10**12):
                offsets = torch.full((20, 1), offset)
                images = lay_boxes(boxes, offsets, written, torch.full((20,), 30))
                assert images.shape == (20, 1, 28, 30)


def test_numba_is_imported_when_needed_and_may_be_missing():
    code = """
import sys, torch
from crnn_lib.handwriting import Glyphs, LineStyle, compose_lines
assert "numba" not in sys.modules
sys.modules["numba"] = None  # as if it were not installed
images = torch.arange(2 * 784).remainder(251).view(2, 28, 28).to(torch.uint8)
glyphs = Glyphs(images, torch.tensor([0, 1]), "test", "train", "01")
lines = compose_lines(glyphs, 4, LineStyle(), torch.Generator().manual_seed(1))
print(round(lines.images.double().sum().item(), 2), lines.spans.sum().item())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    images = torch.arange(2 * 784).remainder(251).view(2, 28, 28).to(torch.uint8)
    glyphs = Glyphs(images, torch.tensor([0, 1]), "test", "train", "01")
    lines = compose_lines(glyphs, 4, LineStyle(), torch.Generator().manual_seed(1))
    light, spans = ran.stdout.split()
    assert float(light) == pytest.approx(lines.images.double().sum().item(), abs=0.1)
    assert int(spans) == lines.spans.sum().item()
