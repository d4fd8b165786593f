"""The machine of the front page: what it shows before anybody has written."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch

from crnn_lib.widgets import ReadingMachine, network_line
from crnn_lib.widgets.pad_reading import PadReader


@pytest.fixture(scope="module")
def machine():
    return ReadingMachine()


def test_its_first_line_is_read_by_the_network_that_ships(machine):
    reading, line = PadReader().read_drawing(machine.strokes)
    example = machine.example
    assert machine.text == reading.text == "55207" and reading.confidence > 0.9
    image = np.frombuffer(base64.b64decode(example["image"]), np.uint8)
    np.testing.assert_allclose(image / 255, line.image.ravel(), atol=0.5 / 255 + 1e-6)
    lattice = np.frombuffer(base64.b64decode(example["logProbs"]), "<f4")
    np.testing.assert_allclose(lattice, reading.log_probs.flatten(), atol=1e-5)
    assert len(reading.log_probs) == example["frames"]
    assert line.image.shape == network_line(machine.strokes, machine.height).image.shape
    edges = example["first"] + example["step"] * np.arange(example["frames"] + 1)
    np.testing.assert_allclose(edges, reading.edges)


def test_its_features_are_those_of_the_network(machine):
    network = PadReader().reader.model
    line = network_line(machine.strokes, machine.height)
    with torch.inference_mode():
        features, _ = network.features(torch.from_numpy(line.image)[None, None])
    columns = features[0].unflatten(1, (machine.width, machine.rows)).numpy()
    shown = np.frombuffer(base64.b64decode(machine.example["features"]), np.uint8)
    shown = shown.reshape(len(columns), len(machine.channels), machine.rows)
    for k, channel in enumerate(machine.channels):
        own, seen = columns[:, channel], shown[:, k] / 255
        assert seen.min() == 0 and seen.max() == 1  # from silent to its loudest
        assert np.corrcoef(own.ravel(), seen.ravel())[0, 1] > 0.999
        assert (seen.max(1) > 0.2).sum() >= 4, "a feature that is hardly heard shows nothing"
    assert len(set(machine.channels)) == 4


def test_equal_machines_make_equal_pages(machine):
    assert machine.static_html() == ReadingMachine().static_html()
    assert repr(machine) == "ReadingMachine()"
    start, end, step = machine.field
    assert end - start > step > 0
