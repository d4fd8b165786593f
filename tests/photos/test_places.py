"""Lines cut out of flat sheets, and the exact way back to a photo that shows them aslant."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn_lib.photos import (
    PhotoLine,
    Place,
    crop_line,
    crop_views,
    flat_sheet,
    map_points,
    to_lines,
    turned_page,
)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 9999),
    degrees=st.floats(-10, 10),
    fill=st.floats(0.5, 0.9),
    x=st.floats(0.25, 0.75),
    y=st.floats(0.3, 0.7),
)
def test_a_point_of_a_sheet_seen_aslant_is_found_again(seed, degrees, fill, x, y):
    corners = np.array([[40, 30], [360, 30], [360, 230], [40, 230]], float)
    corners += np.random.default_rng(seed).uniform(-25, 25, (4, 2))
    page, (wide, high) = flat_sheet(corners)
    spot = np.array([x * wide, y * high])
    (there,) = map_points(page, spot)
    rows, columns = np.mgrid[:260, :400] + 0.5
    grey = 1 - np.exp(-((columns - there[0]) ** 2 + (rows - there[1]) ** 2) / 8).astype(np.float32)
    turn = Place(0, 0, 0, 0, degrees).matrix()[:2, :2]
    along, across = turn.T @ spot
    place = Place(along - 60, along + 60, across - 20, across + 20, degrees)
    image, matrix = crop_line(grey, place, 48, fill, page=page)
    weight = (1 - image) * (image < 0.8)
    down, right = np.mgrid[:48, : image.shape[1]] + 0.5
    middle = [(weight * right).sum() / weight.sum(), (weight * down).sum() / weight.sum()]
    assert np.abs(map_points(matrix, [middle])[0] - there).max() < 1.0


def test_views_are_what_each_fill_gives_alone():
    grey = np.random.default_rng(0).uniform(0.2, 0.9, (120, 300)).astype(np.float32)
    place = Place(40, 260, 45, 80, 4.0)
    views = crop_views(grey, place, 32, (0.6, 0.85))
    for fill, (image, matrix) in zip((0.6, 0.85), views, strict=True):
        alone, way = crop_line(grey, place, 32, fill)
        assert image.shape == alone.shape
        corners = [[0, 0], [image.shape[1], 32]]
        assert np.allclose(map_points(matrix, corners), map_points(way, corners), atol=1e-6)
        assert np.abs(image - alone).mean() < 0.02


def test_a_tall_strip_takes_no_more_memory_than_a_photo(monkeypatch):
    """A column of the line is as wide as hundreds of pixels of the strip."""
    asked = []

    def resample(grey, matrix, shape, paper):
        asked.append(shape)
        return np.zeros(shape, np.float32)

    monkeypatch.setattr("crnn_lib.photos.steps.resample", resample)
    for high, wide in ((20_000, 20_000), (2000, 2000), (64, 12_000)):
        crop_views(np.zeros((2, 2), np.float32), Place(0, wide, 0, high), 32, (0.6, 0.72, 0.85))
    pixels = [np.prod(shape) for shape in asked]
    assert max(pixels) < 16_100_000
    assert pixels[1] > 2000 * 2000  # a photo is not read more coarsely than it is


def test_a_line_says_how_it_lies():
    def line(degrees):
        return to_lines(
            [(np.ones((32, 90)), Place(0, 0, 0, 0, degrees).matrix())], (99, 99), (99, 99)
        )[0]

    for degrees in (0, 12, -88, 179):
        assert line(degrees).degrees() == pytest.approx(degrees)
        assert abs(abs(line(degrees).turned().degrees() - degrees) - 180) < 1e-6


def test_a_place_that_is_turned_is_the_same_band_from_its_other_end():
    place = Place(40, 260, 45, 80, 14.0)
    turned = place.turned()
    assert np.allclose(turned.corners(), place.corners()[[2, 3, 0, 1]])
    assert turned.degrees == -166 and turned.turned() == place


def test_a_page_upside_down_is_read_from_its_other_end():
    def line(row, column):
        return (PhotoLine(torch.zeros(1, 32, 50), np.eye(3), (90, 90), row=row, column=column),)

    def places(lines):
        return [(line[0].row, line[0].column) for line in lines]

    rows = [line(0, 0), line(1, 0), line(1, 1), line(2, 0)]
    assert places(turned_page(rows)) == [(0, 0), (1, 0), (1, 1), (2, 0)]
    table = [line(0, 0), line(0, 2), line(1, 1), line(1, 2)]
    assert places(turned_page(table)) == [(0, 0), (0, 1), (1, 0), (1, 2)]


def test_points_and_places_are_named():
    for matrix, points in ((np.eye(2), [[1, 2]]), (np.eye(3), [1, 2, 3]), (None, [[1, 2]])):
        with pytest.raises(ValueError, match=r"A matrix \(3, 3\) takes points \(M, 2\) to others"):
            map_points(matrix, points)
    grey, place = np.ones((40, 90), np.float32), Place(10, 80, 10, 30)
    with pytest.raises(TypeError, match="place is a Place; got "):
        crop_line(grey, (10, 80, 10, 30), 32, 0.7)
    for height in (0, -1, 2.5, "32", None):
        with pytest.raises(ValueError, match="height is a whole number of at least 1; got "):
            crop_line(grey, place, height, 0.7)
    for fill in (0, -1.0, math.nan, "0.7", None):
        with pytest.raises(ValueError, match="fill is a share of the height, above 0; got "):
            crop_line(grey, place, 32, fill)
