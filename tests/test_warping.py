from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as vision

from crnn_lib.glyphs import load_glyphs
from crnn_lib.warping import blend, stroke_weight, warp

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
        warp(inks, (28, 28), one, zero, zero, mode=mode), inks, atol=1e-5, rtol=0
    )
    wide = warp(inks, (32, 40), one, zero, zero, mode=mode)  # a larger box: the glyph is centred
    torch.testing.assert_close(wide[:, 2:30, 6:34], inks, atol=1e-5, rtol=0)
    torch.testing.assert_close(wide.sum(), inks.sum())


@pytest.mark.parametrize(
    "mode, interpolation",
    [("nearest", InterpolationMode.NEAREST), ("bilinear", InterpolationMode.BILINEAR)],
)
def test_it_is_torchvisions_affine(inks, mode, interpolation):
    """The same scale, angle and shift, pixel by pixel."""
    draw = noise(4, len(inks), seed=1)
    scale, degrees = 0.8 + 0.3 * draw[0], 20 * draw[1] - 10
    right, down = (11.2 * draw[2] - 5.6).round(), (8.4 * draw[3] - 4.2).round()
    zero = per_glyph(0, len(inks))
    ours = warp(inks, (28, 28), scale, torch.deg2rad(degrees), zero, right, down, mode=mode)
    theirs = torch.stack(
        [
            vision.affine(
                inks[i, None],
                angle=degrees[i].item(),
                translate=[int(right[i]), int(down[i])],
                scale=scale[i].item(),
                shear=[0.0, 0.0],
                interpolation=interpolation,
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
    moved = warp(ink, (28, 28), one, zero, zero, torch.tensor([3.0]), torch.tensor([-2.0]))
    torch.testing.assert_close(moved, ink.roll((-2, 3), (1, 2)), atol=1e-5, rtol=0)


def test_slant_leans_to_the_right():
    bar = torch.zeros(1, 28, 28)
    bar[0, 4:24, 13:15] = 1
    one, zero = torch.ones(1), torch.zeros(1)
    leaning = warp(bar, (28, 28), one, zero, torch.tensor([0.3]))[0]
    centre = (leaning * torch.arange(28)).sum(1)[4:24] / leaning.sum(1)[4:24]  # per row
    # 0.3 pixels to the right per pixel upwards; rows count downwards
    torch.testing.assert_close(centre.diff(), torch.full((19,), -0.3), atol=1e-3, rtol=0)
    assert centre.mean() == pytest.approx(13.5, abs=1e-3)


def test_scale_is_about_the_centre():
    square = torch.zeros(1, 28, 28)
    square[0, 9:19, 9:19] = 1
    zero = torch.zeros(1)
    for scale in (0.5, 1.3, 2.0):
        scaled = warp(square, (28, 28), torch.tensor([scale]), zero, zero)
        assert scaled.sum() == pytest.approx(100 * scale**2, rel=0.05)
        torch.testing.assert_close(scaled, scaled.flip(1, 2), atol=1e-5, rtol=0)


def test_a_positive_angle_turns_clockwise():
    bar = torch.zeros(1, 28, 28)
    bar[0, 4:14, 13:15] = 1  # a hand that shows twelve o'clock
    turned = warp(bar, (28, 28), torch.ones(1), torch.tensor([torch.pi / 2]), torch.zeros(1))
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
    assert torch.equal(blend(boxes, offsets, written, width), expected)
    assert torch.equal(boxes, before)
