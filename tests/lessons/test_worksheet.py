"""The worksheet: written on by the pen, photographed aslant, found and cut up again."""

import importlib.util

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.path import Path
from PIL import Image
from scipy import ndimage
from skimage.transform import ProjectiveTransform, warp

from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.lessons.classroom import (
    boxes,
    cut_worksheet,
    draw_worksheet,
    find_worksheet,
    save_worksheet,
)
from crnn_lib.lessons.classroom.worksheet import INSIDE, MARKS, PAGE, TALL, TEXTS, WIDE, _homography
from crnn_lib.photos import ImageError, load_test_set

SCALE = 4  # pixels per millimetre of the rendered page


def page_of(texts=TEXTS):
    """The form as a printer prints it: (H, W) in [0, 1]."""
    figure = draw_worksheet(texts)
    figure.set_dpi(25.4 * SCALE)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].mean(2) / 255


def written(texts=TEXTS, seed=0):
    """The form with pen digits in its boxes, and where their ink is, in millimetres."""
    page = page_of(texts)
    pen = load_glyphs("pen", "test")
    lines = compose_lines(
        pen, len(texts), LineStyle(), torch.Generator().manual_seed(seed), texts=texts
    )
    for n, box in enumerate(boxes(texts)):
        ink = lines.images[n, 0, :, : lines.widths[n]].numpy()
        high = round(0.7 * TALL * SCALE)
        size = (min(round(ink.shape[1] * high / 32), round(0.9 * WIDE * SCALE)), high)
        drawn = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC))
        left, top = round((box.left + 4) * SCALE), round((box.top + 3.5) * SCALE)
        part = page[top : top + drawn.shape[0], left : left + drawn.shape[1]]
        part *= 1 - 0.8 * drawn.clip(0, 1)
    return page


def taken(page, corners, shape, noise=0.02, seed=0):
    """A photo of a page whose corners come to these places; and the true homography from mm."""
    w, h = PAGE
    true = ProjectiveTransform(_homography(np.array([(0, 0), (w, 0), (w, h), (0, h)]), corners))
    to_page = np.diag([SCALE, SCALE, 1.0]) @ np.linalg.inv(true.params)
    half = np.eye(3)
    half[:2, 2] = 0.5
    back = np.eye(3)
    back[:2, 2] = -0.5
    place = ProjectiveTransform(back @ to_page @ half)
    photo = warp(page, place, output_shape=shape, order=1, cval=0.35)  # the table is grey
    photo = ndimage.gaussian_filter(photo, 0.7)
    y, x = np.mgrid[: shape[0], : shape[1]]
    light = 0.95 - 0.35 * x / shape[1] - 0.15 * (y > x + 0.2 * shape[0])  # and a shadow's edge
    chance = np.random.default_rng(seed)
    photo = photo * light + noise * chance.standard_normal(shape)
    return photo.clip(0, 1).astype(np.float32), true


def overlap(one, other):
    """Intersection over union of two quadrilaterals, on a fine grid."""
    both = np.vstack([one, other])
    low, high = both.min(0), both.max(0)
    x, y = np.meshgrid(np.linspace(low[0], high[0], 200), np.linspace(low[1], high[1], 200))
    points = np.stack([x.ravel(), y.ravel()], 1)
    a, b = (Path(quad).contains_points(points) for quad in (one, other))
    return (a & b).sum() / (a | b).sum()


HELD = {
    "straight": [(60, 50), (860, 50), (860, 1180), (60, 1180)],
    "aslant": [(90, 120), (850, 60), (930, 1150), (40, 1230)],
    "turned": [(1200, 80), (1240, 890), (70, 860), (90, 50)],  # a quarter to the right
    "upside down": [(870, 1190), (60, 1150), (110, 70), (820, 110)],
}


@pytest.fixture(scope="module")
def filled():
    return written()


@pytest.mark.parametrize("name", HELD)
def test_all_boxes_are_found_however_the_page_is_held(filled, name):
    shape = (960, 1290) if name == "turned" else (1290, 960)
    photo, true = taken(filled, np.array(HELD[name], float), shape)
    cuts = cut_worksheet(photo)
    assert [cut.text for cut in cuts] == list(TEXTS)
    for cut, box in zip(cuts, boxes(), strict=True):
        assert overlap(cut.corners, true(box.corners(INSIDE))) > 0.97
        # the corners come in the box's own order, so nothing is cut out upside down
        assert np.abs(cut.corners - true(box.corners(INSIDE))).max() < 4
        assert not cut.empty


def test_what_is_cut_out_is_what_was_written(filled):
    photo, _ = taken(filled, np.array(HELD["turned"], float), (960, 1290), noise=0.0)
    for cut, box in zip(cut_worksheet(photo), boxes(), strict=True):
        rows = slice(round((box.top + INSIDE) * SCALE), round((box.top + TALL - INSIDE) * SCALE))
        columns = slice(
            round((box.left + INSIDE) * SCALE), round((box.left + WIDE - INSIDE) * SCALE)
        )
        truth = Image.fromarray(filled[rows, columns].astype(np.float32))
        truth = np.asarray(truth.resize(cut.image.shape[::-1]))
        assert np.corrcoef(truth.ravel(), cut.image.ravel())[0, 1] > 0.8, box.text


def test_a_folder_is_made_of_what_is_filled_in(tmp_path):
    page = written(("12", "345"))
    empty = page_of(("12", "345", "6"))
    page = np.minimum(page, empty)  # a third box, in which nothing is written
    photo, _ = taken(page, np.array(HELD["aslant"], float), (1290, 960))
    Image.fromarray((255 * photo).astype(np.uint8)).save(tmp_path / "photo.jpg", quality=85)
    paths = save_worksheet(tmp_path / "photo.jpg", tmp_path / "set", ("12", "345", "6"))
    assert [path.name.partition("-")[0] for path in paths] == ["12", "345"]
    lines = load_test_set(tmp_path / "set")
    assert sorted(lines.texts) == ["12", "345"]
    assert all(0.02 < (image > 0.6).mean() < 0.6 for image in lines.images)


def test_large_photos_keep_their_own_pixels(filled):
    photo, true = taken(filled, np.array(HELD["aslant"], float), (1290, 960))
    large = Image.fromarray((255 * photo).astype(np.uint8)).resize((2880, 3870))
    for cut, box in zip(cut_worksheet(large), boxes(), strict=True):
        assert overlap(cut.corners, 3 * true(box.corners(INSIDE))) > 0.97


def test_an_empty_form_has_nothing_to_save(tmp_path):
    photo, _ = taken(page_of(), np.array(HELD["aslant"], float), (1290, 960))
    assert all(cut.empty for cut in cut_worksheet(photo))
    with pytest.raises(ImageError, match="nothing is written in its boxes"):
        save_worksheet(photo, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_other_photos_are_refused(filled):
    pen = load_glyphs("pen", "test")
    line = compose_lines(pen, 1, LineStyle(), torch.Generator().manual_seed(0), texts=["55207"])
    cut_off, _ = taken(filled, np.array(HELD["aslant"], float), (1290, 960))
    blot = np.ones((600, 500))
    for x, y in ((60, 60), (430, 70), (440, 520), (70, 500)):  # four squares, none with a hole
        blot[y : y + 30, x : x + 30] = 0.1
    for photo in (1 - line.images[0, 0].numpy(), cut_off[:900], blot, np.full((400, 300), 0.8)):
        with pytest.raises(ImageError, match="no worksheet was found"):
            cut_worksheet(photo.astype(np.float32))


def test_a_mirror_image_is_refused(filled):
    photo, _ = taken(filled, np.array(HELD["straight"], float), (1290, 960))
    with pytest.raises(ImageError, match="no worksheet was found"):
        cut_worksheet(np.ascontiguousarray(photo[:, ::-1]))


@settings(max_examples=5, deadline=None)
@given(st.lists(st.floats(-60, 60), min_size=8, max_size=8), st.integers(0, 3))
def test_any_view_is_undone(filled, shifts, turns):
    corners = np.array(HELD["straight"], float) * 0.8 + 100 + np.reshape(shifts, (4, 2))
    photo, true = taken(filled, corners, (1290, 960))
    width, height = 960, 1290
    for _ in range(turns):  # numpy turns to the left: (x, y) comes to (y, width - x)
        photo = np.ascontiguousarray(np.rot90(photo))
        turn = np.array([[0, 1, 0], [-1, 0, width], [0, 0, 1]], float)
        true = ProjectiveTransform(turn @ true.params)
        width, height = height, width
    found = find_worksheet(photo)
    assert np.abs(found(MARKS) - true(MARKS)).max() < 3


def test_texts_are_checked():
    for texts in ((), "55207", ["1"] * 13):
        with pytest.raises(ValueError, match="1 to 12 numbers"):
            boxes(texts)


def test_the_form_as_a_file_is_the_same_each_time():
    spec = importlib.util.spec_from_file_location("make_form", ROOT / "data" / "make_form.py")
    make_form = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_form)
    one, other = (make_form.to_pdf(draw_worksheet()) for _ in range(2))
    assert one == other and one.startswith(b"%PDF-")
    assert b"D:20240101" in one
    committed = make_form.FORM.read_bytes()
    assert committed.startswith(b"%PDF-") and b"D:20240101" in committed
