"""Words as lines: their height, their spans, the variety of hands."""

import math

import pytest
import torch
from conftest import seeded

from crnn_lib import Alphabet
from crnn_lib.handwriting import lines_of_words
from crnn_lib.handwriting.pen import TEXT_CHARACTERS, WrittenWords, draw_words

ALPHABET = Alphabet(TEXT_CHARACTERS + " ")
WORDS = ["nun", "lily", "Quay", "hop on", "I", "12.50", "wow", "bag"]


def written(texts=WORDS, seed=0, height=64):
    return draw_words(texts, seeded(seed), height=height)


def ink_rows(image):
    rows = (image >= 0.25).any(1).nonzero()[:, 0]
    return int(rows[0]), int(rows[-1]) + 1


def test_the_ink_of_every_word_takes_the_same_share_of_the_height():
    lines = lines_of_words(written(), ALPHABET, height=40)
    for n in range(len(WORDS)):
        top, bottom = ink_rows(lines.images[n, 0])
        assert abs(bottom - top - 32) <= 2, WORDS[n]
        assert abs((top + bottom) / 2 - 20) <= 1.5


@pytest.mark.parametrize("mark", [".", "-"])
def test_a_mark_alone_does_not_fill_the_line(mark):
    lines = lines_of_words(written([mark] * 20), ALPHABET, height=40)
    rows = [ink_rows(image) for image in lines.images[:, 0]]
    assert sum(bottom - top for top, bottom in rows) / 20 < 20  # the ink of letters takes 32


def test_texts_targets_and_spaces():
    lines = lines_of_words(written(), ALPHABET)
    assert lines.texts == WORDS
    assert lines.target_lengths.tolist() == [len(text) for text in WORDS]
    for n, text in enumerate(WORDS):
        assert lines.targets[n, : len(text)].tolist() == ALPHABET.encode(text)
        assert (lines.targets[n, len(text) :] == ALPHABET.blank).all()
    start, end = lines.spans[3, 3].tolist()  # the space of "hop on"
    between = lines.images[3, 0, :, start:end]
    assert end > start
    assert (between.amax(0) < 0.25).float().mean() > 0.5


@pytest.mark.parametrize("variety", [0.0, 1.0])
def test_spans_hold_each_letters_ink(variety):
    """Letters that stand free have no ink between their spans."""
    words = written(["l l l", "O O"], seed=3)
    lines = lines_of_words(words, ALPHABET, variety=variety, generator=seeded())
    for n, text in enumerate(lines.texts):
        columns = lines.images[n, 0].amax(0) >= 0.25
        inside = torch.zeros(len(columns), dtype=torch.bool)
        for place, character in enumerate(text):
            if character != " ":
                start, end = lines.spans[n, place].tolist()
                assert columns[start:end].any()
                inside[max(start - 2, 0) : end + 2] = True
        assert not (columns & ~inside).any()


def test_a_line_is_black_beyond_its_width():
    lines = lines_of_words(written(), ALPHABET, variety=1.0, generator=seeded())
    beyond = torch.arange(lines.images.shape[3]) >= lines.widths[:, None]
    assert float((lines.images[:, 0] * beyond[:, None]).max()) == 0
    assert int(lines.widths.max()) == lines.images.shape[3]


def test_variety_changes_the_shape_and_not_the_text():
    words = written()
    plain = lines_of_words(words, ALPHABET)
    other = lines_of_words(words, ALPHABET, variety=1.0, generator=seeded(1))
    assert other.texts == plain.texts and torch.equal(other.targets, plain.targets)
    assert (other.widths != plain.widths).any()
    again = lines_of_words(words, ALPHABET, variety=1.0, generator=seeded(1))
    assert torch.equal(other.images, again.images)


def test_many_words_come_back_in_their_order():
    texts = [WORDS[n % len(WORDS)] for n in range(150)]
    lines = lines_of_words(written(texts, height=48), ALPHABET)
    assert lines.texts == texts


def test_no_words_are_no_lines():
    none = WrittenWords([], [], torch.zeros(0), [])
    assert len(lines_of_words(none, ALPHABET)) == 0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="'Q'"):
        lines_of_words(written(["Quay"]), Alphabet("uay"))
    with pytest.raises(TypeError, match="variety draws at random and needs a torch.Generator"):
        lines_of_words(written(["a"]), ALPHABET, variety=0.5)
    with pytest.raises(ValueError, match="at least 8 pixels high; got height=4"):
        lines_of_words(written(["a"]), ALPHABET, height=4)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"written": ["nun"]}, TypeError, "written is what draw_words returns; got list"),
        ({"alphabet": "unl"}, TypeError, "alphabet is an Alphabet"),
        ({"height": 40.5}, ValueError, "at least 8 pixels high; got height=40.5"),
        ({"height": "40"}, ValueError, "at least 8 pixels high; got height='40'"),
        ({"variety": math.nan}, ValueError, "variety is a finite number, 0 or more; got nan"),
        ({"variety": -1.0}, ValueError, "variety is a finite number, 0 or more; got -1.0"),
        ({"variety": "a"}, ValueError, "variety is a finite number, 0 or more; got 'a'"),
        ({"variety": 1.0, "generator": 5}, TypeError, "needs a torch.Generator"),
    ],
)
def test_words_and_their_variety_are_checked(change, error, message):
    """With a variety of NaN every line was black."""
    written = draw_words(["nun"], torch.Generator().manual_seed(0))
    with pytest.raises(error, match=message):
        lines_of_words(**{"written": written, "alphabet": Alphabet("un"), **change})
