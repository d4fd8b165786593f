"""The touch explorer without a browser: its state, and its JavaScript held against Python."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_widgets import modules, run_in_node

from crnn_lib.cutting import CutReader, DigitNet, column_profile, cut_line, find_components
from crnn_lib.evaluation import read_lines
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import CRNN
from crnn_lib.widgets import TouchExplorer

SPACINGS = (0.3, 0.0, -0.3)


def closer(texts=("507",) * 3, spacings=SPACINGS):
    glyphs = load_glyphs("pen", "test", count=100)
    return [
        compose_lines(
            glyphs,
            1,
            replace(LineStyle(), spacing=(spacing, spacing)),
            torch.Generator().manual_seed(1),
            texts=[text],
        )
        for spacing, text in zip(spacings, texts, strict=True)
    ]


@pytest.fixture(scope="module")
def readers():
    torch.manual_seed(0)
    return CutReader(DigitNet().eval()), CRNN().eval()


def test_each_step_holds_what_python_finds(readers):
    lines = closer()
    explorer = TouchExplorer(lines, SPACINGS, *readers)
    assert explorer.text == "507" and explorer.height == 32 and explorer.step == 0
    for line, spacing, step in zip(lines, SPACINGS, explorer.steps, strict=True):
        cut = cut_line(line.images[0, 0].numpy())
        assert step["spacing"] == spacing and step["width"] == int(line.widths[0])
        assert step["joined"] == len(np.unique(cut.joined)) - 1
        assert len(step["groups"]) == cut.components.max()
        assert step["cuts"] == list(cut.columns)
        assert len(step["pieces"]) == len(step["read"]) == cut.pieces.max()
        assert step["read"] == readers[0].read(line)[0]
        assert step["whole"] == read_lines(readers[1], line)[0].text
    assert explorer.steps[0]["joined"] > explorer.steps[-1]["joined"]


def test_each_step_is_drawn_with_a_digit_for_each_piece(readers):
    spacings = (0.3, -0.5)
    explorer = TouchExplorer(closer(("507",) * 2, spacings), spacings, readers[0])
    pieces = [len(step["pieces"]) for step in explorer.steps]
    assert pieces == [3, 2]  # at last two digits are one piece
    for step, count in enumerate(pieces):
        explorer.step = step
        (axes,) = explorer.still().axes
        assert len([text for text in axes.texts if text.get_weight() == "bold"]) == count


def test_the_page_is_repeatable(readers):
    one, other = (TouchExplorer(closer(), SPACINGS, *readers).static_html() for _ in range(2))
    assert one == other
    assert repr(TouchExplorer(closer(), SPACINGS, readers[0])) == "TouchExplorer()"


def test_what_does_not_fit_is_refused(readers):
    with pytest.raises(ValueError, match="3 lines and 2 spacings"):
        TouchExplorer(closer(), SPACINGS[:2], readers[0])
    with pytest.raises(ValueError, match="All lines say the same; got 507, 508"):
        TouchExplorer(closer(("507", "508"), SPACINGS[:2]), SPACINGS[:2], readers[0])


def test_javascript_finds_the_pieces_that_python_finds():
    chance = np.random.default_rng(0)
    images = [chance.integers(0, 256, (h, w)).astype(np.uint8) for h, w in ((1, 1), (5, 9), (8, 3))]
    images += [np.where(chance.random((12, 30)) < p, 255, 0).astype(np.uint8) for p in (0.2, 0.4)]
    images += [(255 * line.images[0, 0]).round().byte().numpy() for line in closer()]
    cases = [[i.ravel().tolist(), i.shape[1], i.shape[0], s] for i in images for s in (1, 6)]
    logic = modules("columnProfile", "findComponents", of="touch.js")
    said = run_in_node(logic, "[findComponents(...c), columnProfile(...c)]", cases)
    for (pixels, width, height, speck), (found, profile) in zip(cases, said, strict=True):
        image = np.array(pixels, np.float32).reshape(height, width) / np.float32(255)
        expected = find_components(image, speck=speck)
        assert found["labels"] == expected.ravel().tolist()
        assert found["count"] == expected.max()
        assert profile == column_profile(image).tolist()
