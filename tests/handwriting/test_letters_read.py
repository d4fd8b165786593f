"""The pen's letters, read by a network that has learned from fonts and never seen the pen."""

from __future__ import annotations

import string

import pytest
import torch
from conftest import seeded
from letter_classifier import (
    CLASSES,
    FOOT,
    SIDE,
    WEIGHTS,
    WINDOW,
    class_of,
    load_classifier,
    on_line,
)

from crnn_lib.handwriting.pen import TEXT_CHARACTERS, LetterBook, draw_words
from crnn_lib.handwriting.pen.forms import TEXT_FORMS

EACH = 30
# A form that is taken for another letter by whom nobody has taught it, and why it stays.
MISTAKEN = {("r", "school"): "the r of a joined hand, with a shoulder: an n, or a z"}


@pytest.fixture(scope="module")
def network():
    return load_classifier()


def are_read(network, letters, generator, book=None) -> torch.Tensor:
    """Whether each letter, written by a writer of its own, is read as what it is, (M,)."""
    images = on_line(draw_words(letters, generator, book=book))  # (M, 32, 32)
    with torch.inference_mode():
        return network(images).argmax(1) == torch.tensor([class_of(c) for c in letters])


def test_the_classifier_is_small_and_folds_what_only_size_tells_apart():
    assert WEIGHTS.stat().st_size <= 100_000
    assert class_of("Q") == class_of("q") and class_of("I") == class_of("l") != class_of("i")
    assert len(CLASSES) == 26 == len({class_of(c) for c in string.ascii_lowercase})


def test_a_letter_stands_on_its_line_in_what_the_classifier_sees():
    written = draw_words(["l", "g", "."], seeded(0))
    images = on_line(written)
    assert images.shape == (3, SIDE, SIDE) and images.max() <= 1
    line = FOOT * SIDE / WINDOW
    foot = [float((image > 0.3).any(1).nonzero()[-1]) for image in images]
    assert abs(foot[0] - line) < 3 and foot[1] > line + 2
    middle = [(image > 0.3).any(0).nonzero()[:, 0].float().mean() for image in images]
    assert all(abs(float(m) - SIDE / 2) < 2.5 for m in middle)


def test_nine_letters_of_ten_are_read_as_what_they_are(network):
    letters = list(string.ascii_letters * 60)  # n = 3,120
    right = are_read(network, letters, seeded(1)).view(60, 52).float().mean(0)
    assert right.mean() >= 0.9
    assert {c: float(r) for c, r in zip(string.ascii_letters, right, strict=True) if r < 0.6} == {}


def test_every_form_is_read_as_what_it_is(network):
    most = max(len(TEXT_FORMS[c]) for c in string.ascii_letters)
    poor = {}
    for place in range(most):  # a book of the first forms, one of the second ones, and so on
        chosen = {c: list(TEXT_FORMS[c])[place % len(TEXT_FORMS[c])] for c in TEXT_CHARACTERS}
        book = LetterBook({c: {name: TEXT_FORMS[c][name]} for c, name in chosen.items()})
        ours = [c for c in string.ascii_letters if place < len(TEXT_FORMS[c])]
        right = are_read(network, [c for c in ours for _ in range(EACH)], seeded(place), book)
        for c, share in zip(ours, right.view(-1, EACH).float().mean(1).tolist(), strict=True):
            if share < 0.6:
                poor[c, chosen[c]] = round(share, 2)
    assert set(poor) == set(MISTAKEN), poor
