"""The four corners of a sheet, and the way between the flat sheet and the photo."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import polygon2mask

from crnn_lib.photos import find_sheet, flat_sheet, homography, is_aslant, map_points
from crnn_lib.photos.pages import _corners_of


def sheet_of(seed, bend=12.0, turn=0.6):
    """Corners of a sheet somewhere on a photo of 280 x 260, clockwise from its upper left."""
    rng = np.random.default_rng(seed)
    corners = np.array([[-90, -60], [90, -60], [90, 60], [-90, 60]]) * rng.uniform(0.6, 1, 2)
    corners = corners + rng.uniform(-bend, bend, (4, 2))
    angle = rng.uniform(-turn, turn)
    spin = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    corners = corners @ np.array(spin).T + [140, 130]
    return np.roll(corners, -int(corners.sum(1).argmin()), 0)


def mask_of(corners, shape=(260, 280)):
    return polygon2mask(shape, corners[:, ::-1] - 0.5)


@settings(max_examples=25)
@given(seed=st.integers(0, 9999))
def test_corners_are_found_to_a_pixel(seed):
    corners = sheet_of(seed)
    holes = np.random.default_rng(seed).random((260, 280)) > 0.02
    assert np.abs(find_sheet(mask_of(corners) & holes) - corners).max() < 1.0


@settings(max_examples=40)
@given(seed=st.integers(0, 9999))
def test_points_go_to_the_flat_sheet_and_back(seed):
    corners = sheet_of(seed, bend=30)
    matrix, (wide, high) = flat_sheet(corners)
    flat = np.array([[0, 0], [wide, 0], [wide, high], [0, high]])
    assert np.allclose(map_points(matrix, flat), corners)
    points = np.random.default_rng(seed).uniform(0, 1, (50, 2)) * [wide, high]
    assert np.allclose(map_points(np.linalg.inv(matrix), map_points(matrix, points)), points)


def test_a_sheet_that_reaches_beyond_the_photo_has_no_corners():
    paper = np.zeros((100, 140), bool)
    paper[20:80, 30:] = True
    assert find_sheet(paper) is None
    assert find_sheet(np.ones((100, 140), bool)) is None


def test_wood_that_looks_like_paper_does_not_run_into_a_sheet():
    sure = np.full((100, 80), 0.05)
    sure[20:80, 20:60] = 0.97
    sure[30:45, 55:] = 0.7  # a vein, from the sheet to the border
    assert find_sheet(sure > 0.5) is None
    corners = _corners_of(sure)
    assert np.abs(corners - [[20, 20], [60, 20], [60, 80], [20, 80]]).max() < 1
    sure[30:45, 55:] = 0.97
    assert _corners_of(sure) is None


def test_what_is_no_sheet_has_none():
    y, x = np.mgrid[:100, :140]
    assert find_sheet(np.hypot(x - 70, y - 50) < 40) is None
    assert find_sheet(np.zeros((100, 140), bool)) is None
    scrap = np.zeros((100, 140), bool)
    scrap[40:50, 40:55] = True
    assert find_sheet(scrap) is None


def test_a_turned_rectangle_is_not_aslant():
    corners = np.array([[0, 0], [100, 0], [100, 60], [0, 60]], float)
    for angle in (0, 0.3, -0.7):
        spin = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        assert not is_aslant(corners @ spin.T)
    assert is_aslant(corners + [[6, 0], [-6, 0], [0, 0], [0, 0]])


def test_a_homography_needs_four_points_that_are_not_on_one_line():
    line = np.array([[0, 0], [1, 1], [2, 2], [3, 3]], float)
    with pytest.raises(np.linalg.LinAlgError):
        homography(line, line)
