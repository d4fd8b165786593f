"""Words of a reading: their frames, and confidences against the list of all alignments."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from listed import all_labels

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import (
    best_path,
    exact_search,
    prefix_beam_search,
    word_confidences,
)
from crnn_lib.language import lexicon


def lattices(count, frames, classes, seed, sharp=1.5):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, frames, classes, generator=generator, dtype=torch.float64)
    return (sharp * scores).log_softmax(-1)


def by_list(labels, label, first, last, separators):
    """The equation of the room, over the list of all labels."""
    total = 0.0
    for other, p in labels.items():
        behind = len(label) - last
        v = other[first : len(other) - behind]
        fits = len(other) >= first + behind and other[:first] == label[:first]
        if fits and other[len(other) - behind :] == label[last:] and not separators & set(v):
            total += p
    return labels[label] / total


@pytest.mark.parametrize("blank", [0, 1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_confidences_are_those_of_the_definition(blank, seed):
    """Every word of every label that there is: in front, behind, between, and alone."""
    frames, classes = 5, 4
    space = next(c for c in (2, 3) if c != blank)
    (line,) = lattices(1, frames, classes, seed)
    labels = all_labels(line, blank)
    tried = 0
    for label in labels:
        cuts = [-1, *(i for i, c in enumerate(label) if c == space), len(label)]
        places = [(a + 1, b) for a, b in zip(cuts, cuts[1:], strict=False) if a + 1 < b]
        found = word_confidences(line, label, places, [space], blank=blank)
        assert found == pytest.approx(
            [by_list(labels, label, *place, {space}) for place in places], rel=1e-9
        )
        tried += len(places)
    assert tried > 100


def test_two_kinds_of_separators_need_no_blank_between_them():
    (line,) = lattices(1, 5, 4, 9)
    labels = all_labels(line, 0)
    for label in ((2, 1, 3), (3, 1, 2), (2, 1, 2), (1, 2, 1), (1, 3)):
        cuts = [-1, *(i for i, c in enumerate(label) if c in (2, 3)), len(label)]
        places = [(a + 1, b) for a, b in zip(cuts, cuts[1:], strict=False) if a + 1 < b]
        found = word_confidences(line, label, places, [2, 3])
        expected = [by_list(labels, label, *place, {2, 3}) for place in places]
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("decoder", [best_path, prefix_beam_search, exact_search])
def test_words_have_the_frames_of_their_characters(decoder):
    alphabet = Alphabet("ab ")
    batch = lattices(40, 12, 4, 5, sharp=3.0)
    lengths = torch.arange(40) % 13
    words = 0
    for n, h in enumerate(decoder(batch, lengths, alphabet=alphabet, words=True)):
        assert [w.text for w in h.words] == [x for x in h.text.split(" ") if x]
        for w in h.words:
            inside = [s for s in h.spans if w.start <= s.start < w.end]
            assert "".join(alphabet.symbols[s.label] for s in inside) == w.text
            assert (w.start, w.end) == (inside[0].start, inside[-1].end)
            assert w.known is None and w.span(0.5) == (w.start / 2, w.end / 2)
        line = batch[n, : lengths[n]]
        (alone,) = decoder(line, alphabet=alphabet, words=True)
        assert [w.confidence for w in alone.words] == pytest.approx([w.confidence for w in h.words])
        assert all(0 < w.confidence <= 1 for w in h.words)
        words += len(h.words)
    assert words > 40


def test_words_of_n_best_lists_and_of_other_separators():
    alphabet = Alphabet("ab-")
    (row,) = prefix_beam_search(
        lattices(1, 5, 4, 6), alphabet=alphabet, n_best=30, beam_width=200, words=True
    )
    labels = all_labels(lattices(1, 5, 4, 6)[0], 0)
    assert len(row) == 30
    for h in row:
        pieces = h.split_words("-", lexicon={"a", "ab"})
        assert [w.text for w in pieces] == [x for x in h.text.split("-") if x]
        assert [w.known for w in pieces] == [w.text in ("a", "ab") for w in pieces]
        known = h.split_words("-", lexicon=lexicon("ab", ["a", "ab"]))
        assert known == pieces
        if h.text and "-" not in h.text:
            assert pieces[0].confidence == pytest.approx(
                by_list(labels, h.label, 0, len(h.label), {3}), rel=1e-9
            )
        for w in h.split_words("")[:1]:  # nothing is beside it: its share of all that there is
            assert w.text == h.text
            assert w.confidence == pytest.approx(math.exp(h.log_prob), rel=1e-9)


def test_words_without_frames_are_not_sure_and_copies_keep_theirs():
    alphabet = Alphabet(("th", "e", " "))
    batch = lattices(6, 9, 4, 7, sharp=3.0)
    for h, plain in zip(
        best_path(batch, alphabet=alphabet, words=True),
        best_path(batch, alphabet=alphabet),
        strict=True,
    ):
        assert h == plain and [w.text for w in h.words] == [x for x in h.text.split(" ") if x]
        for again in (pickle.loads(pickle.dumps(h)), copy.deepcopy(h)):
            assert again.words == h.words and "_kept" not in again.__dict__
        if "th" in plain.text:
            with pytest.raises(ValueError, match="words=True"):
                _ = plain.words
    (h,) = best_path(torch.tensor([[0.1, 0.7, 0.2]]).log(), alphabet=Alphabet("a "))
    assert h.words[0].text == "a" and math.isnan(h.words[0].confidence)
    (empty,) = best_path(torch.zeros(1, 0, 3), alphabet=Alphabet("a "), words=True)
    assert empty.words == ()


def test_the_name_of_a_list_is_no_list():
    """Of a str, "in" would look for a piece of it."""
    (h,) = best_path(torch.eye(3).log_softmax(-1), alphabet=Alphabet("an"), words=True)
    with pytest.raises(TypeError, match=r"lexicon\('english'\) makes; got a str"):
        h.split_words(lexicon="english")


def test_a_lexicon_may_be_read_once():
    """The second word was looked for behind the first one: known words were unknown."""
    line = torch.full((5, 4), 0.1)
    line[range(5), [1, 0, 3, 2, 2]] = 0.7
    (hypothesis,) = best_path(line.log(), alphabet=Alphabet("ab "), words=True)
    for words in (["b", "a"], iter(["b", "a"]), (word for word in "ba"), {"a": 1, "b": 2}):
        assert [word.known for word in hypothesis.split_words(lexicon=words)] == [True, True]
    for wrong in (5, True, 2.5):
        with pytest.raises(TypeError, match="lexicon is a collection of words or an automaton"):
            hypothesis.split_words(lexicon=wrong)
    for wrong in (None, 5, [5], [None]):
        with pytest.raises(TypeError, match="split is a str of the characters that are in no word"):
            hypothesis.split_words(wrong)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"log_probs": [[0.0]]}, TypeError, r"log_probs is a tensor \(T, C\); got list"),
        ({"places": 5}, TypeError, "places is a sequence; got 5"),
        ({"places": [5]}, ValueError, "some of the label's 2 characters; got 5"),
        ({"places": [(0, 3)]}, ValueError, r"A place is \(first, last\), .* got \(0, 3\)"),
        ({"places": [(1, 1)]}, ValueError, r"A place is \(first, last\), .* got \(1, 1\)"),
        ({"places": [(-1, 1)]}, ValueError, r"A place is \(first, last\), .* got \(-1, 1\)"),
        ({"separators": 3}, TypeError, "separators is a sequence; got 3"),
        ({"separators": [4]}, ValueError, "separators are classes from 0 to 3; got"),
        ({"separators": [-1]}, ValueError, "separators are classes from 0 to 3; got"),
        ({"separators": [0.5]}, ValueError, "separators are classes from 0 to 3; got"),
    ],
)
def test_words_that_a_label_does_not_have_are_refused(change, error, message):
    (line,) = lattices(1, 5, 4, 0)
    good = {"log_probs": line, "label": [1, 2], "places": [(0, 2)], "separators": [3]}
    assert word_confidences(**good) == word_confidences(**{**good, "label": iter([1, 2])})
    with pytest.raises(error, match=message):
        word_confidences(**{**good, **change})
