"""The views of a line: which are asked, none of them twice, and short cuts that change nothing."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from crnn_lib import Reader, load_model
from crnn_lib.ctc import ctc_loss
from crnn_lib.handwriting import lines_of_words
from crnn_lib.handwriting.pen import draw_words
from crnn_lib.photos import polarity, skew_of, steps


@pytest.fixture(scope="module")
def model():
    return load_model("crnn-words")


@pytest.fixture(scope="module")
def photos(model):
    """Four words, each (H, W): dark on light."""
    written = draw_words(["seven", "Anna", "wigwam", "1984"], torch.Generator().manual_seed(5))
    lines = lines_of_words(written, model.alphabet, height=64)
    rows = zip(lines.images, lines.widths.tolist(), strict=True)
    return [(0.9 - 0.7 * image[0, :, :width]).numpy() for image, width in rows]


@pytest.fixture
def looks(model):
    """How many views the network is given at each call."""
    counts = []
    handle = model.register_forward_pre_hook(lambda _, given: counts.append(len(given[0])))
    yield counts
    handle.remove()


@pytest.mark.parametrize(
    ("sure", "fills", "asked"),
    [
        (0, (0.35, 0.42, 0.5), [1]),
        (1, (0.35, 0.42, 0.5), [1, 2]),
        (1, (0.42,), [1]),
        (1, (0.35, 0.42), [1, 1]),
    ],
)
def test_a_view_is_asked_once_and_the_others_only_in_doubt(
    model, photos, looks, sure, fills, asked
):
    Reader(model, sure=sure, fills=fills).read(photos[0])
    assert looks == asked


def test_many_lines_are_asked_together(model, photos, looks):
    reader = Reader(model, sure=1)
    readings = reader.read_lines([reader.find_lines(photo)[0] for photo in photos])
    assert looks[:2] == [4, 8]  # what leans far is looked at once more after that
    assert sum(looks[2:]) < 12
    alone = reader.read(photos[3])
    assert alone.text == readings[3].text
    assert alone.confidence == pytest.approx(readings[3].confidence, abs=1e-4)


def test_the_confidence_is_the_mean_of_all_views_and_the_best_of_them_is_shown(model, photos):
    reader = Reader(model, sure=1)
    for photo in photos[:2]:
        (views,) = reader.find_lines(photo)
        reading = reader.read_lines([views])[0]
        label = model.alphabet.encode(reading.text)
        apart = [reader.read_lines([(view,)])[0] for view in views]
        shares = [probability(one.log_probs, label) for one in apart]
        assert reading.confidence == pytest.approx(np.mean(shares), abs=1e-5)
        pairs = zip(apart, shares, strict=True)
        own = [share if one.text == reading.text else -1 for one, share in pairs]
        assert reading.line is views[int(np.argmax(own))]


def probability(log_probs, label):
    sizes = torch.tensor([len(log_probs)]), torch.tensor([len(label)])
    return math.exp(-float(ctc_loss(log_probs[None], torch.tensor([label]), *sizes)) * len(label))


def test_a_sure_reader_says_the_same_texts(model, photos):
    usual, all_views = Reader(model), Reader(model, sure=1)
    assert [usual.read(p).text for p in photos] == [all_views.read(p).text for p in photos]


@pytest.mark.parametrize("sure", [-0.1, 1.5, float("nan")])
def test_sure_is_a_probability(model, sure):
    with pytest.raises(ValueError, match="sure is a probability"):
        Reader(model, sure=sure)


def test_the_boxes_are_those_of_the_line(model, photos):
    reading = Reader(model).read(photos[1])
    assert len(reading.spans) == len(reading.text)
    for span in reading.spans:
        x = [point[0] for point in span.box]
        assert span.start <= min(x) + 1 and max(x) - 1 <= span.end
        assert span.box.shape == (4, 2)


# ------------------------------------------------------------------ short cuts in cleaning


class NeverDecided(tuple):
    """Neighbourhoods of which so many seem to be left that every vote is counted."""

    def __len__(self):
        return 100


def test_votes_that_change_nothing_are_left_out(photos, monkeypatch):
    chance = np.random.default_rng(2)
    images = [*photos, *(1 - photo for photo in photos)]
    images += [photo * np.linspace(0.3, 1, photo.shape[1]) for photo in photos]
    images += [chance.random((40, 70)) for _ in range(6)]  # hardly decided
    images = [np.asarray(image, np.float32) for image in images]
    shortly = [polarity(image)[1] for image in images]
    monkeypatch.setattr(steps, "REACHES", NeverDecided(steps.REACHES))
    assert shortly == [polarity(image)[1] for image in images]
    assert shortly[:8] == 4 * [False] + 4 * [True]


def angle_by_definition(mask):
    """:func:`skew_of`, point by point."""
    y, x = np.nonzero(mask)
    if np.ptp(x) < 2 * np.ptp(y):
        return 0.0
    angles = np.arange(-steps.STEEPEST, steps.STEEPEST + 0.1, 0.5)
    scores = []
    for angle in angles:
        places = y - math.tan(math.radians(angle)) * x
        rows = np.floor(places - places.min() + 1e-9).astype(int)
        scores.append(float((np.bincount(rows).astype(float) ** 2).sum()))
    level = int(np.argmin(np.abs(angles)))
    best = int(np.argmax(scores))
    return float(angles[best]) if scores[best] > steps.GAIN * scores[level] else 0.0


def test_the_angle_found_by_runs_is_that_of_the_points(photos):
    found = []
    for line in (np.hstack(photos[:2]), np.hstack(photos)):
        for turn in (-9, -4, 0, 3, 8):
            mask = ndimage.rotate(line < 0.5, turn, order=0)
            found.append(skew_of(mask))
            assert found[-1] == angle_by_definition(mask)
    assert len(set(found)) > 5


def test_scattered_ink_has_the_same_angle_too():
    chance = np.random.default_rng(3)
    for share in (0.002, 0.05, 0.4):
        mask = chance.random((30, 200)) < share
        assert skew_of(mask) == angle_by_definition(mask)
