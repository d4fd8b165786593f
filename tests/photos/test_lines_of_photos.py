"""Labelled photos become the lines that a reader would read."""

from pathlib import Path

import numpy as np
import pytest
import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.evaluation import evaluate, read_lines
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import load_model
from crnn_lib.photos import (
    ImageError,
    Reader,
    clean_photo,
    ink_of,
    lines_of_photos,
    load_test_set,
    save_line,
)
from crnn_lib.training import LineSet, TrainConfig, train

TEXTS = ["55207", "1", "9074421", "88"]


@pytest.fixture(scope="module")
def photos():
    pen = load_glyphs("pen", "test")
    lines = compose_lines(
        pen, 4, LineStyle(height=64), torch.Generator().manual_seed(5), texts=TEXTS
    )
    pairs = zip(lines.images, lines.widths.tolist(), strict=True)
    return [0.9 - 0.8 * image[0, :, :width].numpy() for image, width in pairs]


def test_lines_are_what_the_reader_reads(photos):
    lines = lines_of_photos(photos, TEXTS)
    for n, photo in enumerate(photos):
        (line,) = clean_photo(photo)
        width = line.image.shape[2]
        assert int(lines.widths[n]) == width
        alone = ink_of(line.image)
        assert torch.allclose(lines.images[n, :, :, :width], alone, atol=1e-5)
        assert not lines.images[n, :, :, width:].any()
    model = load_model("crnn-digits")
    reader = Reader(model)
    read = [hypothesis.text for hypothesis in read_lines(model, lines)]
    assert read == [reader.read(photo).hypothesis.text for photo in photos]


def test_targets_are_the_alphabets(photos):
    for alphabet in (Alphabet(), Alphabet("9876543210", blank=10)):
        lines = lines_of_photos(photos, TEXTS, alphabet)
        for target, length, text in zip(
            lines.targets, lines.target_lengths.tolist(), TEXTS, strict=True
        ):
            assert alphabet.decode(target[:length].tolist()) == text
            assert (target[length:] == alphabet.blank).all()


def test_a_folder_can_be_learned(photos, tmp_path):
    for photo, text in zip(photos, TEXTS, strict=True):
        save_line(tmp_path, (1 - photo).clip(0, 1), text)
    own = load_test_set(tmp_path)
    lines = lines_of_photos(own.paths, own.texts)
    model = load_model("crnn-digits")
    assert evaluate(model, lines).n == 4
    history = train(model, LineSet(lines, 4), TrainConfig(steps=3, learning_rate=1e-4, log_every=1))
    assert all(np.isfinite(history.loss))


def test_faults_are_named(photos, tmp_path):
    for wrong, error, message in (
        (
            (photos[:2], "12"),
            TypeError,
            "texts is a list with one entry for each line; got one of str",
        ),
        (("12", ["1", "2"]), TypeError, "photos is a list .* got one of str alone"),
        ((Path("1.png"), ["1"]), TypeError, "photos is a list"),
        ((photos[:2], ["1", 2]), TypeError, "A text is a str, such as '0550'; number 1 is 2"),
        ((photos[:1], ["1"], "0123"), TypeError, "alphabet is an Alphabet, .*; got '0123'"),
        ((photos[:1], ["1"], None, True), ValueError, "height is a whole number .* got True"),
        ((photos[:1], ["1"], None, 0), ValueError, "height is a whole number of at least 1; got 0"),
    ):
        with pytest.raises(error, match=message):
            lines_of_photos(*wrong)
    with pytest.raises(ValueError, match="4 photos and 3 texts"):
        lines_of_photos(photos, TEXTS[:3])
    with pytest.raises(ValueError, match="at least one"):
        lines_of_photos([], [])
    with pytest.raises(ImageError, match="the photo of 7: .*no ink"):
        lines_of_photos([np.full((60, 200), 0.7, np.float32)], ["7"])
    page = np.vstack([photos[0], np.full((60, photos[0].shape[1]), 0.9), photos[0]])
    with pytest.raises(ImageError, match="2 lines were found"):
        lines_of_photos([page.astype(np.float32)], ["55207"])
