"""Streams of words: fresh ones without end, and held-out samples."""

import pytest
import torch

from crnn_lib import Alphabet
from crnn_lib.ctc import frames_needed
from crnn_lib.handwriting import LineVariation, TextStyle, load_glyphs
from crnn_lib.models import CRNN
from crnn_lib.training import (
    LineStream,
    PaperStream,
    TrainConfig,
    WordStream,
    labels_fit,
    train,
    word_lines,
    word_sample,
)

LETTERS = Alphabet("abcdefghijklmnopqrstuvwxyz ")


def stream(**options):
    return WordStream(LETTERS, batch_size=4, pool=2, **options)


def test_a_batch_depends_on_seed_and_step_alone():
    one, other = stream(seed=3), stream(seed=3)
    late = one.batch(5)
    other.batch(0)
    again = other.batch(5)
    assert late.texts == again.texts and torch.equal(late.images, again.images)
    assert stream(seed=4).batch(5).texts != late.texts


def test_batches_are_ink_on_black_and_spelled_by_the_alphabet():
    for step in range(4):
        lines = stream().batch(step)
        assert lines.images.shape[:3] == (4, 1, 40)
        assert 0 <= float(lines.images.min()) and float(lines.images.max()) <= 1
        beyond = torch.arange(lines.images.shape[3]) >= lines.widths[:, None]
        assert float((lines.images[:, 0] * beyond[:, None]).max()) == 0
        assert float(lines.images.mean()) < 0.35  # ink is the smaller part
        for n, text in enumerate(lines.texts):
            assert LETTERS.decode(lines.targets[n, : lines.target_lengths[n]].tolist()) == text


def test_every_label_fits_into_frames_of_four_columns():
    narrow = stream(texts=TextStyle(words=0, names=0, numbers=0, letters=1, phrases=0))
    for lines in [narrow.batch(k) for k in range(6)] + [stream().batch(k) for k in range(6)]:
        assert (lines.widths // 4 >= frames_needed(lines.targets, lines.target_lengths)).all()
        assert labels_fit(CRNN(alphabet=LETTERS), lines).all()


def test_lines_that_are_varied_hold_their_labels_still():
    variation = LineVariation(slant=(0.5, 0.5), width=(0.5, 0.5), plain=0.0)
    plain, varied = stream().batch(0), stream(variation=variation, haste=1.0).batch(0)
    assert varied.images.shape[2] == 40 and varied.texts != [] and len(varied) == len(plain)
    narrow = stream(
        texts=TextStyle(words=0, names=0, numbers=0, letters=1, phrases=0), variation=variation
    )
    for lines in (varied, narrow.batch(0), narrow.batch(1)):
        assert labels_fit(CRNN(alphabet=LETTERS), lines).all()


def test_a_network_learns_from_it():
    network = CRNN(alphabet=LETTERS)
    history = train(network, stream(height=32), TrainConfig(steps=2, log_every=1))
    assert history.step == [1, 2]


def test_word_lines_hold_scanned_digits_once_in_eight_batches():
    digits = load_glyphs("pen", count=100)
    lines = word_lines(batch_size=4, scanned=digits, written={"pen": 1.0})
    kinds = [type(part) for part in lines.streams]
    assert kinds == [WordStream] * 7 + [PaperStream]
    assert isinstance(lines.streams[7].lines, LineStream)
    assert all(text.isdigit() for text in lines.batch(7).texts)
    seeds = {part.seed for part in lines.streams[:7]}
    assert len(seeds) == 7  # no two of them write the same words


def test_a_sample_is_the_same_every_time():
    one, again = word_sample(6, 5), word_sample(6, 5)
    assert len(one) == 6 and torch.equal(one.images, again.images)
    assert word_sample(6, 6).texts != one.texts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is a whole number of at least 1; got 0"),
        ({"clean": 1.5}, "clean is a share of the lines, 0 to 1; got 1.5"),
        ({"clean": "half"}, "clean is a share of the lines, 0 to 1; got 'half'"),
        ({"hands": ()}, "hands are shares"),
        ({"hands": (("pen", 0.0),)}, "hands are shares"),
        ({"hands": (("pen", "all"),)}, "hands are shares"),
        ({"hands": (("brush", 1.0),)}, "hands are 'pen', 'fonts', 'stroke-fonts'; got brush"),
    ],
)
def test_bad_streams_are_named(options, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        WordStream(LETTERS, **options)
