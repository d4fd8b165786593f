"""What notebook 02 draws: pairs that look alike, covered digits, an unrolled network, shares."""

from __future__ import annotations

import torch

from crnn_lib.lessons.chapter02 import look_alikes, plot_covered, plot_shares, plot_unrolled
from crnn_lib.plots import to_png


def test_pairs_come_in_the_order_of_their_likeness():
    first = torch.eye(3)
    second = torch.tensor([[0.0, 0.2, 1.0], [1.0, 0.1, 0.0]])
    assert look_alikes(first, second, 2) == [(0, 1), (2, 0)]


def test_covered_digits_keep_their_images():
    images = torch.full((2, 28, 28), 255, dtype=torch.uint8)
    figure = plot_covered(images, (16, 24))
    assert images.min() == 255 and to_png(figure)
    assert figure.get_label() == "What one sees is columns [16, 24) of 2 digits."
    assert "all of 2 digits" in plot_covered(images, (16, 24), cover=False).get_label()


def test_states_are_drawn_from_their_own_side():
    stripes = torch.rand(6, 28, 8)
    words = [text.get_text() for text in plot_unrolled(stripes).axes[0].texts]
    assert words.count("0") == 1 and {"h0", "h5", "stripe 5"} <= {*words} and "g0" not in words
    texts = plot_unrolled(stripes, both_ways=True).axes[0].texts
    left, right = sorted(text.get_position()[0] for text in texts if text.get_text() == "0")
    states = {text.get_text(): text.get_position()[0] for text in texts}
    assert left < states["h0"] == states["g0"] and states["g5"] < right


def test_shares_are_said():
    figure = plot_shares(no_memory=torch.tensor([0.25, 0.5]), GRU=torch.tensor([0.25, 1.0]))
    assert figure.get_label() == (
        "Named right: no memory 25% at the first stripe, 50% at the last; "
        "GRU 25% at the first stripe, 100% at the last."
    )
    assert [line.get_label() for line in figure.axes[0].lines] == ["no memory", "GRU"]
