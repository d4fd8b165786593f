"""The beam explorer's Python side, and its still figure."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from test_widgets import modules, run_in_node

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


def test_characters_of_several_code_points_keep_their_classes():
    lattice = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    pieces = Alphabet(("th", "t", "e"), blank=1)
    explorer = BeamExplorer(lattice, pieces)
    explorer.frame = 9
    expected = prefix_beams(lattice.double(), blank=1, beam_width=3)
    assert explorer.alphabet == pieces
    assert list(explorer.beam) == [pieces.decode(label) for label in expected]


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


def test_the_figure_names_each_prefix_with_its_numbers_and_says_what_it_shows():
    explorer = BeamExplorer()
    explorer.choose("width 1")
    figure = plot_beam(explorer)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert {"start", "frame 0", "frame 1", "ab", "0.375"} <= set(words)
    at = words.index("ab")  # 0.5 * 0.4, all of it in its last character; 'b' has 0.07 and 0.2
    assert words[at - 1 : at + 2] == ["0.2", "ab", "0.2"] and {"0.07", "0.27"} <= set(words)
    assert figure.get_label() == (
        "A beam of 3 over 2 frames. Two prefixes merge into one: 2 times. At the end 'a' leads "
        "with 0.375."
    )
    explorer.choose("trained")
    assert "over 27 frames" in plot_beam(explorer).get_label()  # all of them


def test_whatever_flows_into_a_ribbon_is_the_ribbon_and_all_of_it_flows_on():
    """The river of the page: what is drawn adds up to the beam's own numbers, frame by frame."""
    generator = torch.Generator().manual_seed(2)
    cases = []
    for frames, classes, sharpness, width in ((2, 3, 1, 1), (9, 4, 2, 3), (12, 6, 4, 16)):
        logits = sharpness * torch.randn(frames, classes, generator=generator)
        log_probs = logits.double().log_softmax(-1)
        for blank in (0, classes - 1):
            size = {"frames": frames, "classes": classes, "blank": blank, "width": width}
            cases.append(size | {"logProbs": log_probs.flatten().tolist()})
    drawn = run_in_node(
        modules("river", of="river.js"),
        "river({ ...c, logProbs: Float64Array.from(c.logProbs) }, c.blank, c.width, "
        "{ full: 100, high: 150 })",
        cases,
    )
    for case, picture in zip(cases, drawn, strict=True):
        lattice = torch.tensor(case["logProbs"], dtype=torch.float64).view(-1, case["classes"])
        for t, column in enumerate(picture["columns"]):
            beam = prefix_beams(lattice[:t], blank=case["blank"], beam_width=case["width"])
            found = {tuple(node["label"]): node["blank"] + node["char"] for node in column}
            expected = {label: max(100 * math.exp(p), 1.6) for label, p in beam.items()}
            assert found == pytest.approx(expected, abs=1e-9)
            tops = [(node["top"], node["top"] + node["blank"] + node["char"]) for node in column]
            assert all(b[0] - a[1] > 2.9 for a, b in zip(tops, tops[1:], strict=False))
            into = [f for f in picture["flows"] if f["t"] == t - 1]
            away = [f for f in picture["flows"] + picture["dry"] if f["t"] == t]
            for node in column:
                key, end = node["key"], node["top"] + node["blank"] + node["char"]
                if t:
                    ends = [f for f in into if f["to"] == key]
                    for kind in ("blank", "char"):
                        parts = sum(f["h1"] for f in ends if f["ends"] == kind)
                        assert parts == pytest.approx(node[kind], abs=1e-6)
                    assert max(f["y1"] + f["h1"] for f in ends) == pytest.approx(end, abs=1e-6)
                if t < case["frames"]:
                    starts = sorted((f["y0"], f["h0"]) for f in away if f["from"] == key)
                    assert starts[0][0] == pytest.approx(node["top"])
                    assert sum(h for _, h in starts) == pytest.approx(end - node["top"], abs=1e-6)
                    below = [y for y, _ in starts[1:]] + [end]
                    for (y, h), following in zip(starts, below, strict=True):
                        assert y + h == pytest.approx(following, abs=1e-6)
