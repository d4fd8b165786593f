"""What the checks of notebook 02 say, and what it draws."""

from __future__ import annotations

import pytest
import torch

from crnn_lib.lessons.chapter02 import (
    EXERCISES,
    count_frames,
    look_alikes,
    plot_covered,
    plot_shares,
    plot_unrolled,
)
from crnn_lib.lessons.chapter02.exercises import CarryingReader, denormalised
from crnn_lib.lessons.engine import examine
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


class LastFrameEverywhere(CarryingReader):
    def forward(self, columns):
        log_probs = self.classify(self.rnn(columns)[0]).log_softmax(-1)
        return log_probs[:, -1:].repeat(1, columns.shape[1], 1)


class StateByChance(CarryingReader):
    def forward(self, columns):
        self.state = torch.rand(1, len(columns), self.rnn.hidden_size)
        return super().forward(columns)


@pytest.mark.parametrize(
    "id, answer, said",
    [
        ("2.1", lambda w, window, s: w // window, "not by their own width"),
        ("2.1", lambda w, window, s: count_frames(w, s, window), "have changed places"),
        ("2.2", lambda t, w, window, s: (t * s, w), "not all that is left"),
        ("2.2", lambda t, w, window, s: t * s, "the end is asked as well"),
        ("2.3", LastFrameEverywhere, "all frames of a line say the same"),
        ("2.3", StateByChance, "chance decides"),
    ],
)
def test_the_sentence_fits_the_mistake(id, answer, said):
    verdict = examine(next(e for e in EXERCISES if e.id == id), answer)
    assert verdict.status == "not yet" and said in verdict.text


def test_what_is_wrong_with_log_probabilities_is_told_apart():
    scores = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert denormalised(scores.log_softmax(2)) == ""
    words = [denormalised(x) for x in (scores, scores.softmax(2), scores.log_softmax(1))]
    assert ["no log-prob" in words[0], "probabilities;" in words[1], "frames" in words[2]] == [
        True
    ] * 3
