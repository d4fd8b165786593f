"""Letters that lean far, set as most people's lean, and the way back to the photo."""

import numpy as np
import pytest
import torch
from PIL import Image

from crnn_lib import Reader
from crnn_lib.handwriting.pen import draw_words
from crnn_lib.photos import PhotoLine
from crnn_lib.photos._slant import USUAL, steadied

HEIGHT, FEET = 40, np.arange(100, 300, 24)


def leaning_bars(slant):
    """A line of upright strokes that lean, as dark ink: (1, H, W)."""
    grey = np.full((HEIGHT, 400), 0.8, np.float32)
    down = np.arange(4, HEIGHT - 4)
    for foot in FEET:
        for thick in range(4):
            across = np.round(foot + thick + slant * (HEIGHT - 1 - down)).astype(int)
            grey[down, across] = 0.2
    return torch.from_numpy(grey)[None]


def starts(row):
    """Where the strokes begin in a row of pixels."""
    return np.flatnonzero(np.diff((row < 0.5).astype(int), prepend=0) == 1)


@pytest.mark.parametrize("slant", [-0.6, 0.6, 1.0])
def test_letters_are_made_to_lean_alike_and_lead_back_to_their_strokes(slant):
    line = PhotoLine(leaning_bars(slant), np.diag([2.0, 2.0, 1.0]), (800, 2 * HEIGHT))
    (steady,) = steadied((line,))
    rows = steady.image[0].numpy()
    high, low = starts(rows[8]), starts(rows[HEIGHT - 9])
    assert len(high) == len(low) == len(FEET)
    leans = (high - low) / (HEIGHT - 17)
    assert np.abs(leans - USUAL).max() < 0.08
    back = steady.to_photo([(column + 0.5, HEIGHT - 8.5) for column in low])
    there = 2 * (FEET + slant * 8 + 0.5)
    assert np.abs(back[:, 0] - there).max() <= 3
    assert np.allclose(back[:, 1], 2 * (HEIGHT - 8.5))


def test_what_leans_as_most_do_stays_and_so_does_a_stroke_alone():
    plain = PhotoLine(leaning_bars(USUAL), np.eye(3), (400, HEIGHT))
    assert steadied((plain,)) is None
    slash = np.full((HEIGHT, 60), 0.8, np.float32)
    down = np.arange(4, HEIGHT - 4)
    slash[down, 50 - down] = slash[down, 51 - down] = 0.2
    assert steadied((PhotoLine(torch.from_numpy(slash)[None], np.eye(3), (60, HEIGHT)),)) is None


def test_a_view_without_ink_is_left_alone():
    line = PhotoLine(leaning_bars(0.9), np.eye(3), (400, HEIGHT))
    empty = PhotoLine(torch.full((1, HEIGHT, 400), 0.8), np.eye(3), (400, HEIGHT))
    assert steadied((empty, line, line)) is None and steadied((line, line, line)) is not None


def leaning_word(text, slant):
    """A word of the pen on grey paper that leans: (H, W)."""
    image = draw_words([text], torch.Generator().manual_seed(1), height=96).images[0].numpy()
    ink = np.pad(image, ((20, 20), (110, 110)))
    shear = (1, slant, -slant * len(ink) / 2, 0, 1, 0)
    way = Image.Transform.AFFINE, shear, Image.Resampling.BICUBIC
    ink = np.asarray(Image.fromarray(ink).transform(ink.shape[::-1], *way)) / 255
    return np.float32(0.8 - 0.6 * ink)


@pytest.mark.parametrize("name, text", [("crnn-words", "mountain"), ("crnn-photos", "5520718")])
def test_what_leans_far_is_read(name, text):
    reader = Reader.pretrained(name)
    assert reader.read(leaning_word(text, 0.0)).text == text
    reading = reader.read(leaning_word(text, 0.8))
    assert reading.text == text
    boxes = np.array([span.box for span in reading.spans])
    lean = (boxes[:, 1, 0] - boxes[:, 2, 0]) / (boxes[:, 2, 1] - boxes[:, 1, 1])
    assert (lean > 0.5).all(), "the boxes lean as the letters do"
