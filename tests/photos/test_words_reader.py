"""The weights that read words: what they read, where, and how sure they are."""

import json

import numpy as np
import pytest
import torch

from crnn_lib import Reader, load_model
from crnn_lib.evaluation import evaluate_texts, expected_calibration_error, read_lines
from crnn_lib.handwriting import TextStyle, lines_of_words, random_texts
from crnn_lib.handwriting.paper import PaperStyle, photograph
from crnn_lib.handwriting.pen import draw_words
from crnn_lib.models import describe_checkpoint, shipped_models
from crnn_lib.photos import ImageError
from crnn_lib.training import word_sample

ALL = ("crnn-digits", "crnn-photos", "crnn-words")


@pytest.fixture(scope="module")
def model():
    return load_model("crnn-words")


@pytest.fixture(scope="module")
def lines():
    """By people who wrote no training line."""
    return word_sample(600, 77)


@pytest.fixture(scope="module")
def found(model, lines):
    return read_lines(model, lines)


def photos_of(texts, seed=0, height=64):
    """Grey photographs of words, each (H, W) in [0, 1], by people who wrote no training line."""
    generator = torch.Generator().manual_seed(seed)
    alphabet = load_model("crnn-words").alphabet
    lines = lines_of_words(draw_words(texts, generator, height=128), alphabet, height=height)
    photos = photograph(lines, PaperStyle.scanner(), generator)
    widths = photos.widths.tolist()
    return [image[0, :, :w].numpy() for image, w in zip(photos.images, widths, strict=True)]


def test_three_networks_ship():
    assert set(shipped_models()) == set(ALL)


def test_the_alphabet_has_letters_digits_marks_and_the_space(model):
    characters = set(model.alphabet.characters)
    assert set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") <= characters
    assert set(".,'-\"()!?:;/& ") <= characters
    assert model.alphabet.num_classes == 82


def test_it_reads_people_who_wrote_none_of_its_training(lines, found):
    report = evaluate_texts([h.text for h in found], lines.texts)
    assert report.character_error_rate < 0.1
    assert report.exact_match > 0.65


def test_what_has_letters_is_a_word_and_no_number():
    reader = Reader.pretrained("crnn-words")
    kinds = [reader.read(photo).kind for photo in photos_of(["window", "1942"])]
    assert kinds == ["word", "number"]


def test_it_reads_photographs_of_words_with_spaces_and_capitals():
    generator = torch.Generator().manual_seed(5)
    texts = random_texts(60, generator, TextStyle(letters=0, marks=0))
    reader = Reader.pretrained("crnn-words")
    readings = [reader.read(photo) for photo in photos_of(texts)]
    right = [reading.text == text for reading, text in zip(readings, texts, strict=True)]
    assert np.mean(right) > 0.6
    spaced = [r for r, t, ok in zip(readings, texts, right, strict=True) if ok and " " in t]
    assert spaced
    for reading in spaced:
        starts = [span.start for span in reading.spans]
        assert [span.character for span in reading.spans] == list(reading.text)
        assert starts == sorted(starts)


def page_of(rows, seed=0):
    """Words on a sheet, a row below the other: (H, W), grey."""
    lines = [photos_of(row, seed + k) for k, row in enumerate(rows)]
    width = max(sum(word.shape[1] + 50 for word in line) for line in lines)
    page = np.full((100 * len(lines) + 80, width + 80), np.median(lines[0][0]), np.float32)
    for k, line in enumerate(lines):
        left = 40
        for word in line:
            page[40 + 100 * k :, left:][: word.shape[0], : word.shape[1]] = word
            left += word.shape[1] + 50
    return page


ROWS = [["window", "garden"], ["house", "paper"], ["river", "bread"]]


@pytest.mark.parametrize("turned", [0, 2])
def test_a_page_is_not_taken_for_one_word(turned):
    """Its words are read where the detector finds them, row by row."""
    page = np.rot90(page_of(ROWS), turned).copy()
    reader = Reader.pretrained("crnn-words")
    readings = reader.read_lines(reader.find_lines(page))
    assert [r.row for r in readings] == sorted(r.row for r in readings)
    assert len({r.row for r in readings}) == 3
    right = {reading.text for reading in readings} & {word for row in ROWS for word in row}
    assert len(right) >= 4
    with pytest.raises(ImageError, match=f"{len(readings)} lines of writing were found on it"):
        reader.read(page)
    assert len(reader.find_lines(page, whole=True)) == 1  # who says so is believed


def test_no_word_is_taken_for_a_page(lines):
    """However its letters stand apart, it is cut as it was without a detector."""
    some = lines.select(range(100))
    images = [i[0, :, :w].numpy() for i, w in zip(some.images, some.widths, strict=True)]
    images += photos_of(["i j", "No. 7: (x)", "t i l l", "a-b;c", "Jill's"], height=128)
    looking, plain = Reader.pretrained("crnn-words"), Reader.pretrained("crnn-words", detector=None)
    for image in images:
        (found,), (expected,) = looking.find_lines(image), plain.find_lines(image)
        assert all(torch.equal(a.image, b.image) for a, b in zip(found, expected, strict=True))


def test_a_line_reads_the_same_alone_and_in_company(model, lines, found):
    alone = [read_lines(model, lines.select([n]))[0].text for n in range(24)]
    assert [h.text for h in found[:24]] == alone


def test_confidence_is_about_how_often_it_is_right(lines, found):
    right = [h.text == text for h, text in zip(found, lines.texts, strict=True)]
    confidence = [float(np.exp(h.log_prob)) for h in found]
    assert expected_calibration_error(confidence, right) < 0.1


def test_the_header_says_how_it_came_to_be():
    story = describe_checkpoint("crnn-words")["provenance"]
    assert story["command"].startswith("python -m crnn_lib train --style words")
    assert "stroke-fonts" in story["lines"] and story["glyphs"]["source"] == "mnist"
    assert "/" not in json.dumps(story["command"])
