"""``crnn train --detector``: weights, log and provenance of a detector of writing."""

from __future__ import annotations

import json

import pytest
import torch

from crnn_lib.cli.arguments import main
from crnn_lib.handwriting import Glyphs
from crnn_lib.models import load_detector

SHORT = ["train", "--detector", "--glyphs", "pen", "--steps", "1", "--batch-size", "2"]


def few(source: str, characters: str) -> Glyphs:
    """A glyph of each character."""
    count = len(characters)
    images = torch.full((count, 28, 28), 7, dtype=torch.uint8)
    return Glyphs(images, torch.arange(count), source, "train", characters)


@pytest.fixture
def pages(monkeypatch):
    """What a run would write its pages with; nothing is trained."""
    written = []

    def stop(**options):
        written.append(options["glyphs"])
        raise ValueError("stopped here")

    monkeypatch.setattr("crnn_lib.cli._pages.PageStream", stop)
    return written


@pytest.mark.slow
def test_a_short_run_writes_weights_and_log(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("crnn_lib.cli._pages.VALIDATION_PAGES", 1)
    monkeypatch.setattr("crnn_lib.cli._pages.SIZE", (96, 96))
    assert main([*SHORT, "--out", "mine.safetensors", "--history", "log.json", "--half"]) == 0
    told = capsys.readouterr().out
    assert "Training Detector (new" in told and "pixels, written by the pen." in told
    assert "Wrote mine.safetensors" in told
    story = load_detector("mine.safetensors").provenance
    assert story["command"].startswith("python -m crnn_lib train --detector")
    assert story["glyphs"] is None and story["training"]["average"] == 0.998
    assert story["batch_size"] == 2 and story["metrics"].keys() >= {"number", "turn"}
    log = json.loads((tmp_path / "log.json").read_text())
    assert log["step"] == [1] and log["validation_step"] == [1]
    again = [*SHORT, "--out", "more.safetensors", "--start", "mine.safetensors"]
    assert main(again) == 0
    assert main([*again[:-3], "mean.safetensors", *again[-2:], "--keep-start", "0.25"]) == 0
    start, end, mean = (
        load_detector(f"{name}.safetensors").state_dict() for name in ("mine", "more", "mean")
    )
    for name, weights in mean.items():
        if weights.is_floating_point():
            torch.testing.assert_close(weights, 0.75 * end[name] + 0.25 * start[name])


@pytest.mark.parametrize("more", [["--style", "photos"], ["--length", "5"], ["--network", "large"]])
def test_options_for_lines_are_refused(more, tmp_path, capsys):
    assert main([*SHORT, "--out", str(tmp_path / "mine.safetensors"), *more]) != 0
    assert "leave out --detector" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["pen", "auto"])
def test_the_pen_writes_pages_without_glyphs(source, pages, tmp_path, monkeypatch):
    """They have writers of their own, and what is drawn beside them nobody would read."""
    drawn = []

    def draw(digits, *_, **__):
        drawn.append(len(digits))
        return torch.zeros(len(digits), 28, 28, dtype=torch.uint8)

    monkeypatch.setenv("CRNN_DATA", str(tmp_path))  # where no data lie
    monkeypatch.setattr("crnn_lib.handwriting.pen.draw_digits", draw)
    main(["train", "--detector", "--glyphs", source, "--out", str(tmp_path / "a.safetensors")])
    assert pages == [None] and sum(drawn) <= 1


def test_pages_hold_digits_of_data_sets(pages, tmp_path, monkeypatch, capsys):
    """Of letters beside them fewer numbers would be scanned ones, and of letters alone none."""
    sets = {"emnist-balanced": "0123456789ABCab", "emnist-letters": "abc", "mnist": "0123456789"}
    monkeypatch.setattr("crnn_lib.cli.train.glyphs_on_disk", lambda name, _: few(name, sets[name]))

    def train(source: str) -> str:
        out = str(tmp_path / "a.safetensors")
        assert main(["train", "--detector", "--glyphs", source, "--out", out]) == 1
        return capsys.readouterr().err

    train("emnist-balanced")
    assert pages[0].characters == "0123456789" and pages[0].labels.tolist() == list(range(10))
    assert "emnist-letters has no digits" in train("emnist-letters")
    assert "with --detector the pen writes by itself" in train("mnist:3,pen:1")
    assert len(pages) == 1
