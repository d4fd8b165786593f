"""Where lines stand on a photo, how they are cut out, and the way back to the photo."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn_photos import page, photo, strokes
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crnn_lib import photos
from crnn_lib.photos import (
    ImageError,
    PhotoLine,
    Place,
    Trace,
    clean_photo,
    crop_line,
    find_band,
    find_lines,
)


def common(place, top, bottom):
    """Intersection over union of a place's band, in its middle, with rows [top, bottom)."""
    rows = place.corners()[:, 1]
    upper, lower = rows[:2].mean(), rows[2:].mean()
    return (min(bottom, lower) - max(top, upper)) / (max(bottom, lower) - min(top, upper))


BODY = (12, 48)  # rows of strokes() between which its ink stands


# ------------------------------------------------------------------ finding


@settings(deadline=None, max_examples=12)
@given(
    rows=st.sampled_from([[170], [20, 300], [10, 170, 330], [10, 110, 210, 310]]),
    seed=st.integers(0, 99),
    degrees=st.sampled_from([0.0, -4.0, 5.0]),
)
def test_lines_are_found_from_top_to_bottom(rows, seed, degrees):
    grey = photos.deskew(photo(page(rows, seed=seed), noise=0), -degrees)
    places = find_lines(grey < 0.55)
    assert len(places) == len(rows)
    tops = [place.corners()[:, 1].mean() for place in places]
    assert tops == sorted(tops)
    assert all(abs(place.degrees - degrees) < 1 for place in places)


def test_print_beside_the_writing_is_no_line():
    mask = page([150])
    mask[350:362, 50:500:8] = True  # small and even
    mask[0:400, 580:600] = True  # what lies beside the paper
    places = find_lines(mask)
    assert len(places) == 1 and common(places[0], 150 + BODY[0], 150 + BODY[1]) > 0.85


def test_nothing_is_found_where_nothing_is():
    assert find_lines(np.zeros((50, 90), bool)) == []
    assert find_lines(np.zeros((1, 1), bool)) == []
    assert find_band(np.zeros((50, 90), bool)) is None


def test_a_crop_without_anything_like_a_digit_is_read_whole():
    grey = np.full((60, 300), 0.8, np.float32)
    grey[28:32, 20:280:12] = grey[28:32, 21:280:12] = grey[28:32, 22:280:12] = 0.2
    (line,) = clean_photo(grey)
    assert line.corners()[[0, 2]] == pytest.approx(np.array([[0, 0], [300, 60]]), abs=1)


@pytest.mark.parametrize("thick", [4, 10, 16, 20])
@pytest.mark.parametrize("light", [False, True])
def test_a_single_fat_digit_is_found(thick, light):
    y, x = np.mgrid[:96, :72]
    ring = abs(np.hypot((x - 36) / 0.6, y - 48) - 44 + thick / 2) < thick / 2
    grey = photo(ring)
    trace = clean_photo(1 - grey if light else grey, trace=True)
    assert ("turned" in [step.name for step in trace.steps]) == light
    assert common(trace.places[0], 4, 92) > 0.85
    assert (trace.steps[-1].image == ring).mean() > 0.95


def test_a_wide_photo_with_a_small_line_is_cut_to_it():
    mask = np.zeros((200, 700), bool)
    mask[80:120, 200:440] = strokes(40, 240)
    (place,) = clean_photo(photo(mask), trace=True).places
    assert common(place, 88, 112) > 0.8 and place.left > 150 and place.right < 500


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 99), dots=st.integers(0, 6), rule=st.booleans())
def test_dots_and_specks_do_not_set_the_band(seed, dots, rule):
    mask = np.zeros((80, 300), bool)
    mask[10:70, 30:270] = strokes(seed=seed)
    rng = np.random.default_rng(seed)
    for x in rng.integers(10, 290, dots):
        mask[70:74, x : x + 4] = True
    if rule:
        mask[76:78] = True
    place = find_band(photos.denoise(photos.remove_rules(mask)))
    assert common(place, 10 + BODY[0], 10 + BODY[1]) > 0.85
    columns = np.flatnonzero(mask[20:60].any(0))
    assert place.left <= columns[0] and place.right > columns[-1]  # no digit is cut off


def test_a_crop_keeps_all_ink_at_its_borders():
    tight = strokes()[12:48, 25:205]
    place = find_band(tight)
    assert place.left <= 0 and place.right >= tight.shape[1]
    assert common(place, 0, 36) > 0.9


# ------------------------------------------------------------------ cutting, and the way back


@settings(deadline=None, max_examples=40)
@given(
    degrees=st.floats(-10, 10),
    fill=st.floats(0.4, 0.95),
    height=st.sampled_from([28, 32, 48]),
    x=st.integers(60, 180),
    y=st.integers(20, 40),
)
def test_a_point_of_the_line_is_found_again_on_the_image(degrees, fill, height, x, y):
    grey = np.ones((60, 240), np.float32)
    grey[y - 2 : y + 3, x - 2 : x + 3] = 0
    turn = Place(0, 0, 0, 0, degrees).matrix()[:2, :2]
    along, across = turn.T @ [x, y]
    place = Place(along - 90, along + 90, across - 25, across + 25, degrees)
    image, matrix = crop_line(grey, place, height, fill)
    assert image.shape[0] == height and image.min() >= 0 and image.max() <= 1
    unit = 50 / (fill * height)
    assert image.shape[1] == pytest.approx(180 / unit, abs=1)
    weight = 1 - image
    rows, columns = np.mgrid[:height, : image.shape[1]] + 0.5
    weight = weight * (weight > 0.2 * weight.max())
    spot = [(weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum(), 1]
    assert (matrix @ spot)[:2] == pytest.approx([x + 0.5, y + 0.5], abs=1.0)


def test_the_band_fills_its_share_of_the_height():
    grey = np.full((100, 300), 0.9, np.float32)
    grey[30:70, 50:250] = 0.1
    image, _ = crop_line(grey, Place(40, 260, 30, 70), 32, 0.75)
    dark = (image < 0.5).any(1)
    assert dark.sum() == 24 and dark[4:28].all()


def test_points_beyond_the_photo_are_brought_back_to_its_border():
    line = PhotoLine(torch.zeros(1, 32, 50), np.diag([4.0, 4, 1]), (150, 90))
    assert line.to_photo([[-5, -5], [10, 10], [500, 500]]).tolist() == [[0, 0], [40, 40], [150, 90]]
    assert line.box(2, 5).tolist() == [[8, 0], [20, 0], [20, 90], [8, 90]]


def test_turned_twice_is_the_line_itself():
    line = clean_photo(photo(strokes()))[0]
    turned = line.turned()
    width = line.image.shape[2]
    back = line.to_photo([[3, 5]])
    assert turned.to_photo([[width - 3, 32 - 5]]) == pytest.approx(back)
    assert torch.equal(turned.turned().image, line.image)
    assert np.allclose(turned.turned().matrix, line.matrix)


def test_a_line_too_long_is_refused():
    with pytest.raises(ImageError, match="too long for one line"):
        crop_line(np.ones((10, 50), np.float32), Place(0, 100_000, 0, 5), 32, 0.7)


def test_a_line_too_long_costs_no_other_line(monkeypatch):
    mask = page([40])
    mask[220:280, 60:540] = strokes(width=480)
    short, long = clean_photo(photo(mask))
    assert short.image.shape[2] < 220 < long.image.shape[2]
    monkeypatch.setattr("crnn_lib.photos.places.MAX_WIDTH", 220)
    with pytest.warns(UserWarning, match="one of 2 lines is left out.*too long"):
        (left,) = clean_photo(photo(mask))
    assert torch.equal(left.image, short.image)
    monkeypatch.setattr("crnn_lib.photos.places.MAX_WIDTH", 40)
    with pytest.warns(UserWarning), pytest.raises(ImageError, match="none of its 2 lines"):
        clean_photo(photo(mask))


# ------------------------------------------------------------------ the whole way


@pytest.mark.parametrize("scale", [0.6, 1, 3, 12])
def test_a_crop_gives_the_same_image_at_every_size(scale):
    grey = photo(strokes(), noise=0)
    image = Image.fromarray(grey).resize((int(240 * scale), int(60 * scale)))
    (line,), (plain,) = clean_photo(np.asarray(image).clip(0, 1)), clean_photo(grey)
    assert abs(line.image.shape[2] - plain.image.shape[2]) <= 4
    ours = torch.nn.functional.interpolate(line.image[None], plain.image.shape[1:])
    both = np.stack([ours[0].numpy().ravel(), plain.image.numpy().ravel()])
    assert np.corrcoef(both)[0, 1] > 0.85
    assert line.size == image.size
    corners = line.corners() / scale
    assert np.abs(corners - plain.corners()).max() < 6


def test_light_ink_gives_the_same_image():
    grey = photo(strokes())
    (dark,), (light,) = clean_photo(grey), clean_photo(1 - grey)
    assert np.allclose(dark.image, light.image, atol=1e-5)


def test_a_page_gives_an_image_for_each_line_and_each_view():
    grey = photo(page([20, 170, 300]), shade=0.3)
    lines = clean_photo(grey, fills=(0.6, 0.8))
    assert len(lines) == 6 and all(line.image.shape[:2] == (1, 32) for line in lines)
    tops = [line.corners()[:, 1].mean() for line in lines]
    assert abs(tops[0] - tops[1]) < 5 and tops[2] - tops[1] > 100
    for line in lines:
        assert 0.2 < float(line.image.min()) < 0.5 and float(line.image.max()) > 0.5


def test_a_trace_holds_every_step():
    grey = photo(page([170]))
    trace = clean_photo(grey, trace=True)
    assert isinstance(trace, Trace) and len(trace.lines) == len(trace.places) == 1
    names = ["grey", "flattened", "ink", "without rules", "without specks"]
    assert [step.name for step in trace.steps] == names
    turned = clean_photo(1 - grey, trace=True)
    assert [step.name for step in turned.steps] == [names[0], "turned", *names[1:]]
    assert all(step.words.endswith(".") and step.image.shape == grey.shape for step in trace.steps)


@pytest.mark.parametrize(
    "image, reason",
    [
        (np.full((60, 200), 0.8), "no ink"),
        (np.zeros((300, 200)), "no ink"),
        (0.8 + 0.01 * np.random.default_rng(0).normal(size=(60, 200)), "no ink"),
        (np.zeros((3, 90)), "90 x 3 pixels are too few"),
        (np.zeros((1, 1)), "1 x 1 pixels are too few"),
    ],
)
def test_an_empty_photo_is_refused(image, reason):
    with pytest.raises(ImageError, match=reason):
        clean_photo(np.clip(image, 0, 1))
