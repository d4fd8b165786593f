"""The beam explorer's Python side, and its still figure."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import prefix_beams
from crnn_lib.widgets import BeamExplorer
from crnn_lib.widgets.stills import plot_beam


def test_it_opens_on_two_frames_by_hand_and_offers_the_shipped_lines():
    explorer = BeamExplorer()
    names = [line["name"] for line in explorer.lines]
    assert names == ["by hand", "width 1", "early", "confused", "trained"]
    explorer.frame = 2
    shares = {text: round(math.exp(p), 3) for text, p in explorer.beam.items()}
    assert shares == {"a": 0.64, "": 0.36}


def test_its_second_line_separates_width_1_from_best_path():
    explorer = BeamExplorer(width=1)
    explorer.choose("width 1")
    explorer.frame = 2
    assert list(explorer.beam) == ["a"]
    greedy = explorer.log_probs.argmax(1).tolist()
    assert explorer.alphabet.decode(greedy) == "ab"


def test_its_beam_is_the_decoders():
    lattice = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    alphabet = Alphabet("xyz", blank=3)
    explorer = BeamExplorer(lattice, alphabet, width=4)
    for frame in range(10):
        explorer.frame = frame
        expected = prefix_beams(lattice[:frame].double(), blank=3, beam_width=4)
        assert list(explorer.beam) == [alphabet.decode(label) for label in expected]
        np.testing.assert_allclose(list(explorer.beam.values()), list(expected.values()), atol=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"alphabet": Alphabet("ab")}, "needs log_probs"),
        ({"log_probs": torch.zeros(2, 3), "alphabet": Alphabet("ab")}, "sum to 3"),
        ({"log_probs": torch.zeros(2, 3)}, r"\(T, 11\)"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        BeamExplorer(**arguments)


def test_an_unknown_line_is_named():
    with pytest.raises(ValueError, match="there are by hand, width 1"):
        BeamExplorer().choose("nowhere")


def test_the_figure_has_a_box_for_each_prefix_and_says_what_it_shows():
    explorer = BeamExplorer()
    explorer.choose("width 1")
    figure = plot_beam(explorer)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert {"start", "frame 0", "frame 1", "ab", "0.375"} <= set(words)
    at = words.index("ab")  # 0.5 * 0.4, all of it in its last character; 'b' has 0.07 and 0.2
    assert words[at - 1] == "0.2" and {"0.07", "0.27"} <= set(words)
    assert figure.get_label() == (
        "A beam of 3 over 2 frames. Two prefixes merge into one: 2 times. At the end 'a' leads "
        "with 0.375."
    )
    explorer.choose("trained")
    assert "over 7 frames" in plot_beam(explorer).get_label()
