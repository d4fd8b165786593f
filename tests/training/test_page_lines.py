"""Lines of composed pages, as a detector finds them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.evaluation import evaluate
from crnn_lib.handwriting import join_batches, load_glyphs
from crnn_lib.handwriting.pages import PageStyle, WrittenLine
from crnn_lib.models import MARKS, load_detector, load_model
from crnn_lib.photos import PhotoLine
from crnn_lib.training import Mixed, PageLineStream, TextlessStream, TrainConfig, text_on, train
from crnn_lib.training.streams import _labels_of

SIGNS = Alphabet("0123456789" + MARKS)
FILL = 0.5


def a_number(left, top, right, bottom, text="55207", visible=1.0):
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)
    return WrittenLine(text, "number", corners, 0, 0, visible)


def a_line(width=200, scale=2.0, x=100.0, y=50.0):
    """A line of 40 rows, whose bodies fill the rows 10 to 30, twice as large on its photo."""
    matrix = np.array([[scale, 0, x], [0, scale, y], [0, 0, 1.0]])
    return PhotoLine(torch.zeros(1, 40, width), matrix, (1000, 1000), "number", 0.9)


WITHIN = (150, 72, 300, 108)  # of the band, which reaches from (100, 70) to (500, 110)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([], ""),
        ([a_number(*WITHIN)], "55207"),
        ([a_number(600, 72, 700, 108)], ""),  # beside it
        ([a_number(150, 112, 300, 150)], ""),  # below it
        ([a_number(*WITHIN), a_number(150, 112, 300, 150)], "55207"),
        ([a_number(*WITHIN), a_number(350, 72, 450, 108)], None),  # two
        ([a_number(450, 72, 600, 108)], None),  # a third of it
        ([a_number(150, 82, 300, 98)], None),  # far lower than what was found
        ([a_number(*WITHIN, visible=0.8)], None),  # the photo cuts it
        ([a_number(300, 108, 150, 72)], None),  # upside down
    ],
)
def test_a_line_has_the_text_of_the_one_number_that_stands_on_it(numbers, text):
    assert text_on(a_line(), FILL, numbers) == text


@pytest.fixture(scope="module")
def stream():
    glyphs = load_glyphs("pen", "train", count=400)
    return PageLineStream(load_detector(), glyphs, 8, 0, 2, SIGNS)


@pytest.fixture(scope="module")
def lines(stream):
    return join_batches([stream.batch(step) for step in range(4)], SIGNS.blank)


def test_lines_are_labelled_with_the_numbers_and_some_with_nothing(lines):
    assert len(lines) == 32 and lines.images.shape[1:3] == (1, 32)
    assert 0 <= float(lines.images.min()) and float(lines.images.max()) <= 1
    assert (lines.widths >= 8 * lines.target_lengths).all()
    assert _labels_of(lines) == [*map(SIGNS.encode, lines.texts)]
    assert 0 < lines.texts.count("") < 16 and len(set(lines.texts)) > 15


def test_crnn_photos_reads_most_of_its_numbers(lines):
    numbers = lines.select(lines.target_lengths > 0)
    assert evaluate(load_model("crnn-photos"), numbers).exact_match > 0.5


def test_a_batch_depends_on_seed_and_step_alone(stream):
    again = dataclasses.replace(stream)
    assert torch.equal(again.batch(3).images, stream.batch(3).images)


def test_they_mix_with_others_and_a_network_learns_from_them(stream):
    mixed = Mixed((stream, stream, TextlessStream(32, 8, 0, 2, SIGNS)))
    history = train(load_model("crnn-photos"), mixed, TrainConfig(steps=2, log_every=1))
    assert all(0 <= loss < 20 for loss in history.loss)


def test_what_is_no_detector_and_what_is_no_size_are_named():
    with pytest.raises(TypeError, match=r"detector is a Detector.* got str"):
        PageLineStream("page-detector")
    with pytest.raises(ValueError, match="pool"):
        PageLineStream(load_detector(), pool=0)


def test_a_detector_that_finds_nothing_is_named(monkeypatch):
    monkeypatch.setattr("crnn_lib.training.page_lines.IN_VAIN", 10)
    detector = load_detector()
    torch.nn.init.zeros_(next(detector.parameters()))
    style = PageStyle(layouts={"notes": 1.0})
    with pytest.raises(ValueError, match=r"On 16 pages in a row.* layouts notes hold none"):
        PageLineStream(detector, batch_size=4, style=style).batch(0)
