"""What the shipped networks learn from."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.evaluation import evaluate
from crnn_lib.handwriting import load_glyphs
from crnn_lib.models import MARKS, CRNNConfig, describe_checkpoint, load_model
from crnn_lib.training import (
    PageLineStream,
    PhotoMixture,
    TrainConfig,
    WordStream,
    mixtures,
    photo_lines,
    photo_sample,
    train,
)
from crnn_lib.training.streams import _labels_of

RUNS = Path(__file__).parents[2] / "data" / "runs"


@pytest.fixture(scope="module")
def scanned():
    return load_glyphs("pen", "train", count=300)


@pytest.fixture(scope="module")
def stream(scanned):
    return photo_lines(scanned, 8, 1, PhotoMixture(writers=4, clean=0.25, pages=0))


def test_of_ten_batches_four_hold_the_articles_strips(stream):
    widths = [set(stream.batch(step).widths.tolist()) for step in range(20)]
    strips = [step for step, found in enumerate(widths) if found == {140}]
    assert strips == [0, 2, 4, 6, 10, 12, 14, 16]


def test_no_batch_comes_twice(stream):
    texts = [tuple(stream.batch(step).texts) for step in range(40)]
    assert len(set(texts)) == 40


def test_short_numbers_of_ones_are_not_rare(stream):
    texts = [text for step in range(1, 200, 10) for text in stream.batch(step).texts]
    few = [text for text in texts if 0 < len(text) <= 3 and text.count("1") >= len(text) / 2]
    assert len(few) > 0.02 * len(texts)


def test_marks_are_labelled_and_a_share_of_the_lines_holds_no_number(stream):
    alphabet = stream.streams[1].streams[0].lines.alphabet
    assert alphabet.characters == "0123456789" + MARKS
    texts = []
    for step in range(40):
        lines = stream.batch(step)
        texts += lines.texts
        assert _labels_of(lines) == [*map(alphabet.encode, lines.texts)]
        assert 0 <= float(lines.images.min()) and float(lines.images.max()) <= 1
    assert 0.02 < texts.count("") / len(texts) < 0.11
    assert sum("/" in text for text in texts) > 0.02 * len(texts)
    silent = photo_lines(
        load_glyphs("pen", count=100), 8, 1, PhotoMixture(4, marks="", textless=0, pages=0)
    )
    assert all(text.isdecimal() for step in range(10) for text in silent.batch(step).texts)


def test_a_batch_depends_on_seed_and_step_alone(scanned, stream):
    mixture = PhotoMixture(writers=4, clean=0.25, pages=0)
    again, other = (photo_lines(scanned, 8, seed, mixture) for seed in (1, 2))
    assert torch.equal(again.batch(11).images, stream.batch(11).images)
    assert again.batch(11).texts != other.batch(11).texts


def test_half_of_the_digits_are_scanned(stream):
    glyphs = stream.streams[1].streams[6].lines.glyphs
    assert glyphs.characters == "0123456789" and len(glyphs) == 2 * 4 * 40


def test_two_of_the_streams_are_written_as_words_are(stream):
    written = [s for s in stream.streams[1].streams if isinstance(s, WordStream)]
    assert len(written) == 2 and written[0].seed != written[1].seed
    lines = written[0].batch(0)
    assert lines.images.shape[2] == 32
    assert all(set(text) <= set("0123456789" + MARKS) and text for text in lines.texts)


def test_beside_them_a_detector_finds_lines_on_pages(scanned):
    mixed = photo_lines(scanned, 4, 1, PhotoMixture(writers=4)).streams[1]
    one, *others = (s for s in mixed.streams if isinstance(s, PageLineStream))
    # it gives four times as many lines as others
    assert len(mixed.streams) == 14 and len(others) == 3 and all(s is one for s in others)
    assert one.alphabet == mixed.streams[0].lines.alphabet and one.height == 32


def test_a_network_learns_from_it(stream):
    model = load_model("crnn-digits", alphabet=Alphabet("0123456789" + MARKS))
    history = train(model, stream, TrainConfig(steps=2, log_every=1))
    assert all(0 < loss < 20 for loss in history.loss)


def test_the_sample_is_fixed_and_its_hands_are_of_its_split(scanned, monkeypatch):
    one, again = (photo_sample(scanned, 20, 3) for _ in range(2))
    assert one.texts == again.texts and torch.equal(one.images, again.images)
    assert photo_sample(scanned, 20, 4).texts != one.texts
    hands = Mock(wraps=mixtures.pen_people)
    monkeypatch.setattr(mixtures, "pen_people", hands)
    for split in ("train", "test"):
        photo_sample(dataclasses.replace(scanned, split=split), 2, 3)
        assert hands.call_args.kwargs["split"] == split


def test_crnn_photos_reads_photographs_that_crnn_digits_does_not():
    lines = photo_sample(load_glyphs("pen", "test", count=1000), 200, 5)
    photos, digits = (
        evaluate(load_model(name), lines).exact_match for name in ("crnn-photos", "crnn-digits")
    )
    assert photos > 0.75 and photos > digits + 0.3


def test_the_weights_say_how_they_were_made():
    story = describe_checkpoint("crnn-photos")["provenance"]
    assert "--start crnn-photos --network photos --glyphs mnist" in story["command"]
    network = load_model("crnn-photos")
    assert network.alphabet == Alphabet("0123456789" + MARKS)
    assert network.config == CRNNConfig.photos()
    log = json.loads((RUNS / "crnn-photos.json").read_text())
    assert log["validation_step"][-1] == story["training"]["steps"]
    ended = log["validation_error_rate"][-1]
    mean = story["metrics"]["held_out_character_error_rate"]
    told = f"the mean misreads {100 * mean:.2f} % of characters, the run's end {100 * ended:.2f}"
    readme = " ".join((RUNS / "README.md").read_text().split())
    assert told in readme
    assert mean < 1.1 * ended
    (share,) = re.findall(r"--keep-start (0\.\d+)", story["command"])
    assert f"What ships is a mean, {share} of the weights from before this run" in readme
