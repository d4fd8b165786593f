"""The where explorer's Python side, and its still figure."""

from __future__ import annotations

import base64
import math
from dataclasses import replace

import pytest
import torch

from crnn_lib.ctc import character_posteriors, forced_alignment, forward_backward
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import frame_edges, load_model
from crnn_lib.widgets import WhereExplorer
from crnn_lib.widgets.stills import plot_where


@pytest.fixture(scope="module")
def model():
    return load_model("crnn-digits")


@pytest.fixture(scope="module")
def lines():
    pen, chance = load_glyphs("pen", "test", count=300), torch.Generator().manual_seed(3)
    style = LineStyle(spacing=(0.2, 0.3))
    return compose_lines(pen, 2, style, chance, texts=["55207", "31"])


def test_it_holds_what_the_library_says(model, lines):
    explorer = WhereExplorer(model, lines)
    assert repr(explorer) == "WhereExplorer(2 lines)"
    for n, line in enumerate(explorer.lines):
        width = int(lines.widths[n])
        with torch.no_grad():
            log_probs = model(lines.images[n : n + 1, :, :, :width])[0][0]
        label = model.alphabet.encode(line["read"])
        spans, edges = forced_alignment(log_probs, label), frame_edges(model, len(log_probs))
        posteriors = character_posteriors(log_probs, label).exp()
        assert line["probability"] == pytest.approx(
            math.exp(forward_backward(log_probs, label).log_prob), abs=1e-4
        )
        for i, character in enumerate(line["characters"]):
            assert character["frames"] == [spans[i].start, spans[i].end]
            assert character["columns"] == [round(edges[f]) for f in character["frames"]]
            assert character["sure"] == pytest.approx(posteriors[i, label[i]].item(), abs=1e-4)
            shares = [p for _, p in character["shares"]]
            assert all(round(p, 5) == p and 0 < p < 1 for p in (*shares, character["sure"]))
            assert shares == sorted(shares, reverse=True) and sum(shares) <= 1 + 1e-3
            if line["read"] == line["truth"]:
                assert character["ink"] == lines.spans[n, i].tolist()
        assert len(base64.b64decode(line["image"])) == line["width"] * line["height"]


def test_it_opens_on_the_character_that_is_doubted_most(model, lines):
    explorer = WhereExplorer(model, lines)
    sure = {
        (n, i): character["sure"]
        for n, line in enumerate(explorer.lines)
        for i, character in enumerate(line["characters"])
    }
    assert (explorer.line, explorer.character) == min(sure, key=sure.get)


def test_a_line_of_which_nothing_is_read_is_left_out(model, lines):
    blank = torch.zeros_like(lines.images)
    blank[1] = lines.images[1]

    assert len(WhereExplorer(model, replace(lines, images=blank)).lines) == 1
    with pytest.raises(ValueError, match="reads nothing"):
        WhereExplorer(model, replace(lines, images=torch.zeros_like(blank)))


def test_too_many_lines_are_refused(model, lines):
    with pytest.raises(ValueError, match="Up to 8 lines can be chosen from; got 9"):
        WhereExplorer(model, lines.select([0] * 9))


def test_the_figure_marks_the_selected_character(model, lines):
    explorer = WhereExplorer(model, lines)
    explorer.line, explorer.character = 0, 2
    figure = plot_where(explorer)
    names = [text.get_text() for text in figure.axes[0].texts][:-1:2]  # the key comes last
    assert names == list(explorer.lines[0]["read"])
    assert figure.get_label().startswith(f"{explorer.lines[0]['read']}: bands of ")
