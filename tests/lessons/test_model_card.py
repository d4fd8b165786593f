"""Model cards: facts from the file, judgements from people, and what is missing has a name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from crnn_lib.lessons.chapter14 import (
    Figure,
    ModelCard,
    count_parameters,
    faults,
    model_card,
    small_config,
)
from crnn_lib.lessons.chapter14 import model_cards as cards
from crnn_lib.models import CRNN, load_model, save_model, shipped_models

FIGURE = Figure("the hard lines", 955, 1000)


@pytest.fixture
def mine(tmp_path):
    torch.manual_seed(0)
    model = CRNN(small_config(4, 4))
    story = {"command": "python train.py", "glyphs": {"source": "mnist+pen", "count": 60_000}}
    return model, save_model(model, tmp_path / "mine.safetensors", provenance=story)


@pytest.mark.parametrize("name", [n for n in shipped_models() if n in cards.WRITTEN])
def test_cards_of_shipped_models_lack_nothing_but_figures(name):
    card = model_card(name)
    assert [text.partition(":")[0] for text in faults(card)] == ["figures"]
    assert faults(replace(card, figures=(FIGURE,))) == []
    text = str(replace(card, figures=(FIGURE,)))
    parameters = sum(p.numel() for p in load_model(name).parameters())
    assert f"Model card: {name}" in text and f"{parameters:,} parameters" in text
    assert "python -m crnn_lib train" in text and "mnist" in text


def test_every_shipped_model_has_its_card():
    assert set(shipped_models()) <= set(cards.WRITTEN)


def test_card_of_ones_own_model_has_the_facts_and_asks_for_the_rest(mine):
    model, path = mine
    card = model_card(path)
    assert f"{count_parameters(model):,} parameters" in card.made_from
    assert "60,000 of mnist and pen" in card.made_from and "`python train.py`" in card.made_from
    assert [text.partition(":")[0] for text in faults(card)] == [
        "intended",
        "not_for",
        "limits",
        "harms",
        "figures",
    ]
    assert "*nobody has written this yet*" in str(card) and "*nothing measured yet*" in str(card)


def test_a_file_that_says_nothing_is_said_to(tmp_path):
    path = save_model(CRNN(small_config(4, 4)), tmp_path / "x.safetensors", provenance={})
    assert "The file does not say from what it was made." in model_card(path).made_from


def test_a_path_named_like_a_shipped_model_gets_no_written_card(tmp_path):
    path = save_model(CRNN(small_config(4, 4)), tmp_path / "crnn-digits.safetensors", provenance={})
    assert model_card(path).harms == ""


def test_a_word_is_no_section_and_ten_lines_are_no_figure():
    card = ModelCard("x", *["A sentence that says something."] * 2, (Figure("mine", 9, 10),))
    found = {text.partition(":")[0]: text for text in faults(replace(card, harms="none"))}
    assert "too short" in found["harms"] and "fewer than 100" in found["figures"]
    assert "reads" not in found and "intended" in found


def test_a_figure_says_all_that_it_takes_to_believe_it():
    text = str(Figure("five digits", 950, 1000, seed=7))
    assert text == (
        "95.0 % exact match on five digits (n = 1,000, seed 7, 95 % interval 93.5 to 96.2 %)"
    )
    with pytest.raises(ValueError, match="got 5 of 4"):
        Figure("x", 5, 4)


def test_figures_of_the_benchmarks_are_read(monkeypatch):
    section = (
        "`crnn-digits` on emnist-mnist (test) glyphs, n = 10,000 lines a row, seed 2026, best "
        "path.\n\n| lines | exact match | x |\n| --- | --- | --- |\n"
        "| five digits | 97.38% | y |\n| one to ten | 97.23% | z |\n"
    )
    monkeypatch.setattr(cards, "measured", lambda title: section)
    first, second = cards.benchmarked("crnn-digits")
    assert (first.right, first.count, first.seed) == (9738, 10_000, 2026)
    assert second.what == "one to ten, glyphs of emnist-mnist (test)"
    assert cards.benchmarked("crnn-photos") == ()
    monkeypatch.setattr(cards, "measured", lambda title: "not measured yet")
    assert cards.benchmarked("crnn-digits") == ()
