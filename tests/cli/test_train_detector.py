"""``crnn train --detector``: weights, log and provenance of a detector of writing."""

from __future__ import annotations

import json

import pytest

from crnn_lib.cli.arguments import main
from crnn_lib.handwriting import glyphs as glyph_module
from crnn_lib.models import load_detector

SHORT = ["train", "--detector", "--glyphs", "pen", "--steps", "1", "--batch-size", "2"]


@pytest.fixture(autouse=True)
def few_glyphs(monkeypatch):
    """The pages draw writers of their own: of the pen's glyphs only the source is asked."""
    monkeypatch.setitem(glyph_module.PEN_COUNT, "train", 100)


@pytest.mark.slow
def test_a_short_run_writes_weights_and_log(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("crnn_lib.cli._pages.VALIDATION_PAGES", 1)
    monkeypatch.setattr("crnn_lib.cli._pages.SIZE", (96, 96))
    assert main([*SHORT, "--out", "mine.safetensors", "--history", "log.json", "--half"]) == 0
    told = capsys.readouterr().out
    assert "Training Detector (new" in told and "Wrote mine.safetensors" in told
    story = load_detector("mine.safetensors").provenance
    assert story["command"].startswith("python -m crnn_lib train --detector")
    assert story["batch_size"] == 2 and story["metrics"].keys() >= {"number", "turn"}
    log = json.loads((tmp_path / "log.json").read_text())
    assert log["step"] == [1] and log["validation_step"] == [1]
    again = [*SHORT, "--out", "more.safetensors", "--start", "mine.safetensors"]
    assert main(again) == 0


@pytest.mark.parametrize("more", [["--style", "photos"], ["--length", "5"], ["--network", "large"]])
def test_options_for_lines_are_refused(more, tmp_path, capsys):
    assert main([*SHORT, "--out", str(tmp_path / "mine.safetensors"), *more]) != 0
    assert "leave out --detector" in capsys.readouterr().err
