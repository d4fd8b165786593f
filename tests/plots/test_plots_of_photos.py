"""Figures of photos: what they show and what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn_photos import page, photo, strokes
from matplotlib.figure import Figure

from crnn_lib.models import CRNN, CRNNConfig
from crnn_lib.photos import Reader, clean_photo
from crnn_lib.plots import plot_reading, plot_steps, to_png
from crnn_lib.plots.style import ACCENT

PHOTOS = {
    "crop": photo(strokes()),
    "page": photo(page([20, 170, 300])),
    "light": 1 - photo(strokes()),
}


@pytest.fixture(scope="module")
def reader():
    torch.manual_seed(0)
    model = CRNN(CRNNConfig(channels=(4, 8), strides=((2, 2), (2, 2)), hidden=8))
    return Reader(model)


def outlines(figure):
    """Closed curves in the accent's colour: corners in points."""
    lines = figure.axes[0].lines
    return [line.get_xydata() for line in lines if line.get_color() == ACCENT]


@pytest.mark.parametrize("name", PHOTOS)
def test_every_step_is_drawn_and_named(name):
    trace = clean_photo(PHOTOS[name], trace=True)
    figure = plot_steps(trace)
    assert isinstance(figure, Figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    for n, step in enumerate(trace.steps, 1):
        assert f"{n} {step.name}" in texts and step.name in figure.get_label()
    assert len(figure.axes[0].images) == len(trace.steps) + len(trace.lines)
    assert len(outlines(figure)) == len(trace.places)
    many = f"{len(trace.lines)} lines" if name == "page" else "one line"
    assert figure.get_label().startswith(f"From a photo to {many}: grey, ")
    low, high = figure.axes[0].get_ylim()[::-1]
    for image in figure.axes[0].images:
        left, right, bottom, top = image.get_extent()
        assert 0 <= left < right <= figure.axes[0].get_xlim()[1] + 1e-6
        assert low <= top < bottom <= high


@pytest.mark.parametrize("name", PHOTOS)
def test_a_reading_is_drawn_on_its_photo(name, reader):
    readings = reader.read_page(PHOTOS[name])
    figure = plot_reading(readings, PHOTOS[name])
    assert len(outlines(figure)) == len(readings)
    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    for outline in outlines(figure):
        assert left - 1e-6 <= outline[:, 0].min() and outline[:, 0].max() <= right + 1e-6
        assert top - 1e-6 <= outline[:, 1].min() and outline[:, 1].max() <= bottom + 1e-6
    drawn = [text.get_text() for text in figure.axes[0].texts]
    for reading in readings:
        assert (reading.text or "nothing") in figure.get_label()
        assert all(span.character in drawn for span in reading.spans)
    assert to_png(figure) == to_png(plot_reading(readings, PHOTOS[name]))


def test_a_refusal_is_said(reader):
    refusing = Reader(reader.model, refuse_below=1.0)
    figure = plot_reading(refusing.read(PHOTOS["crop"]), PHOTOS["crop"])
    assert "refused (probability 0.00)" in figure.get_label()


def test_a_large_photo_is_drawn_small(reader):
    large = np.kron(PHOTOS["crop"], np.ones((10, 10), np.float32))
    figure = plot_reading(reader.read(large), large)
    assert figure.axes[0].images[0].get_array().shape[0] < 600
