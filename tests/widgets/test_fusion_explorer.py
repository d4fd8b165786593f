"""The fusion explorer's Python side: its lines are real, and say what they are said to say."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch

from crnn_lib.ctc import forced_alignment
from crnn_lib.decoders import prefix_beam_search
from crnn_lib.language import fixed_length
from crnn_lib.models import load_model
from crnn_lib.widgets import MOST_WEIGHT, FusionExplorer, round_amounts
from crnn_lib.widgets.base import FOLDER


@pytest.fixture(scope="module")
def stored():
    with np.load(FOLDER.parent / "fusion.npz") as file:
        return {key: file[key] for key in file.files}


def leaders(name: str, bonus: float = 0.0) -> list[str]:
    """Who leads from weight 0 on, one after another."""
    explorer, found = FusionExplorer(), []
    explorer.choose(name)
    explorer.bonus = bonus
    for weight in np.linspace(0, MOST_WEIGHT, 81):
        explorer.weight = float(weight)
        if found[-1:] != [explorer.best]:
            found.append(explorer.best)
    return found


@pytest.mark.parametrize("name", ["noughts", "touching", "not round"])
def test_the_lines_are_what_the_network_that_ships_says_of_their_ink(stored, name):
    """If this fails, the weights have changed: run data/make_fusion.py."""
    image = torch.from_numpy(stored[f"{name}/image"]).float() / 255
    with torch.inference_mode():
        log_probs = load_model("crnn-digits")(image[None, None])[0][0]
    np.testing.assert_allclose(log_probs, stored[f"{name}/log_probs"], atol=1e-3)
    line = {line["name"]: line for line in FusionExplorer().lines}[name]
    (found,) = prefix_beam_search(log_probs.double(), beam_width=100, n_best=10)
    language = round_amounts()
    for candidate, hypothesis in zip(line["candidates"], found, strict=True):
        assert candidate["network"] == pytest.approx(hypothesis.log_prob, abs=2e-3)
        assert candidate["language"] == pytest.approx(language.score(candidate["text"]), abs=1e-3)
        spans = forced_alignment(log_probs, [1 + int(c) for c in candidate["text"]])
        assert candidate["middles"] == [(span.start + span.end) / 2 for span in spans]
    assert len(base64.b64decode(line["image"])) % line["rows"] == 0


def test_each_line_asks_what_the_chapter_asks():
    assert leaders("noughts")[:2] == ["3506", "3500"]
    assert "5000" not in leaders("touching") and leaders("touching")[0] == "500"
    assert leaders("touching", bonus=1.0) == ["5000"]
    assert leaders("not round")[0] == "3517" and len(leaders("not round")) > 1


def test_an_image_goes_with_its_log_probs():
    line = torch.randn(4, 11, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    ink = torch.zeros(32, 20)
    ink[10:20, 5:9] = 1
    explorer = FusionExplorer(line, fixed_length("0123456789", 2), image=ink)
    assert explorer.lines[0]["rows"] == 14 and explorer.lines[0]["frames"] == 4
    with pytest.raises(ValueError, match="image need log_probs"):
        FusionExplorer(image=ink)
