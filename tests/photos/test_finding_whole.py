"""An image that holds one word: where it stands, however high its letters are."""

import numpy as np
import pytest
import torch

from crnn_lib import Alphabet
from crnn_lib.handwriting.pen import draw_words
from crnn_lib.models import CRNN
from crnn_lib.photos import Reader, clean_photo, find_whole


def word_photo(text, *, margin=12, seed=0, height=72):
    """A word on grey paper: (H, W) in [0, 1]. Ink reaches to within a margin of the borders."""
    image = draw_words([text], torch.Generator().manual_seed(seed), height=height).images[0]
    ink = image.numpy() / 255
    rows, columns = (np.flatnonzero((ink > 0.25).any(axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    noise = np.random.default_rng(seed).normal(0, 0.01, np.add(ink.shape, 2 * margin))
    return np.clip(0.8 - 0.6 * np.pad(ink, margin) + noise, 0, 1).astype(np.float32)


@pytest.mark.parametrize("text", ["nun", "lily", "bag", "Ty", "WON", "wow", "g", "if"])
def test_the_ink_fills_its_share_of_the_height(text):
    photo = word_photo(text)
    (line,) = clean_photo(photo, 40, fills=(0.8,), whole=True)
    dark = line.image[0].numpy() < 0.5
    rows = np.flatnonzero(dark.any(1))
    # a line that lies askew is set level, and is a little lower then
    assert 25 <= rows[-1] + 1 - rows[0] <= 34
    columns = np.flatnonzero(dark.any(0))
    assert columns[0] <= 10 and line.image.shape[2] - columns[-1] <= 11


def test_a_word_that_fills_its_image_is_no_higher_than_one_with_margins():
    tight, loose = (word_photo("oval", margin=m) for m in (1, 40))
    lines = [clean_photo(photo, 40, whole=True)[0] for photo in (tight, loose)]
    widths = [line.image.shape[2] for line in lines]
    assert abs(widths[0] - widths[1]) <= 5


def test_pieces_of_other_lines_do_not_count():
    photo = word_photo("rain", margin=24)
    alone = clean_photo(photo, 40, whole=True)[0]
    photo[:6, 30:34] = photo[-5:, 60:66] = 0.2  # a tail from above, a stem from below
    other = clean_photo(photo, 40, whole=True)[0]
    assert np.allclose(alone.corners(), other.corners(), atol=2)


def test_a_dot_does_not_fill_the_line():
    mask = np.zeros((40, 40), bool)
    mask[20:24, 18:22] = True
    place = find_whole(mask)
    assert place.bottom - place.top >= 12
    assert place.top < 20 and place.bottom > 24


def test_a_dash_is_ink_though_it_looks_like_a_rule():
    photo = np.full((40, 60), 0.8, np.float32)
    photo[19:22, 10:50] = 0.2
    (line,) = clean_photo(photo, 40, whole=True)
    assert (line.image[0] < 0.5).any()


def test_points_lead_back_to_the_photo():
    photo = word_photo("Ink", margin=20)
    (line,) = clean_photo(photo, 40, whole=True)
    rows, columns = np.nonzero(line.image[0].numpy() < 0.5)
    found = line.to_photo(np.stack([columns + 0.5, rows + 0.5], 1))
    edges = (*found.min(0), *(photo.shape[::-1] - found.max(0)))
    assert np.abs(np.array(edges) - 20).max() <= 3  # so far is the ink from the photo's borders


@pytest.mark.parametrize("boxed", [False, True])
def test_paper_lies_beside_a_word_that_reaches_its_borders_but_not_beside_a_box(boxed):
    photo = word_photo("oval", margin=1)
    if boxed:
        photo = np.pad(photo, 9, constant_values=0.8)
        photo[:, :2] = photo[:, -2:] = photo[:2] = photo[-2:] = 0.2
    (line,) = clean_photo(photo, 40, whole=True)
    columns = np.flatnonzero((line.image[0].numpy() < 0.5).any(0))
    beside = columns[0], line.image.shape[2] - 1 - columns[-1]
    assert max(beside) <= 1 if boxed else min(beside) >= 3


def test_a_network_that_knows_letters_reads_the_image_as_one_word():
    words, digits = Reader(CRNN(alphabet=Alphabet("abc")).eval()), Reader(CRNN().eval())
    assert words.whole and not digits.whole
    assert Reader(CRNN().eval(), whole=True).whole
    # two rows of digits are two lines of numbers, and one image of a word
    rows = np.full((300, 300), 0.8, np.float32)
    for top in (60, 180):
        for left in range(60, 240, 40):
            rows[top : top + 50, left : left + 5] = 0.2
    assert len(digits.read_page(rows)) == 2
    assert words.read(rows).line.size == (300, 300)
