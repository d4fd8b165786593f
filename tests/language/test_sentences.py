"""Sentences of words, and models of words over what is spelled: against adding up by hand."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from crnn_lib.language import (
    NGram,
    SparseAutomaton,
    hot_words,
    lexicon,
    read_arpa,
    sentences_of,
    word_language,
)

WORDS = ["a", "ab", "abb", "ba", "c"]


def texts(characters, longest):
    return ["".join(t) for n in range(longest + 1) for t in product(characters, repeat=n)]


@pytest.mark.parametrize("weights", [WORDS, {"a": -1.0, "ab": -2.0, "ba": 0.5}])
@pytest.mark.parametrize("cells", [1 << 22, 0])
def test_sentences_are_words_with_a_space_between_two(weights, cells, monkeypatch):
    monkeypatch.setattr("crnn_lib.language.constraints.MANY_CELLS", cells)
    language = sentences_of(weights)
    assert isinstance(language, SparseAutomaton) == (not cells)
    log_weights = weights if isinstance(weights, dict) else dict.fromkeys(weights, 0.0)
    accepted = 0
    for text in texts("abc ", 6):
        words = text.split(" ")
        expected = sum(log_weights.get(word, -math.inf) for word in words)
        assert language.score(text) == pytest.approx(expected)
        accepted += expected > -math.inf
    assert accepted > 10


def test_sentences_over_other_characters_and_other_spaces():
    language = sentences_of(WORDS, "|cbax", space="|")
    assert language.characters == "|cbax"
    assert language.accepts("ab|c") and not language.accepts("ab c")
    assert (language & hot_words({"c": 2.0}, space="|")).score("c|ab|c") == 4


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: sentences_of([]), "at least one word"),
        (lambda: sentences_of(["a b"]), "without the space ' '; got 'a b'"),
        (lambda: sentences_of([""]), "one character or more"),
        (lambda: sentences_of(["ab"], "ab"), "have no space ' '"),
        (lambda: sentences_of(["ab"], "a "), "'b' is not in 'a '"),
        (lambda: word_language([], model()), "at least one word"),
        (lambda: word_language(["a b"], model()), "without the space ' '; got 'a b'"),
        (lambda: word_language(["ab"], model(), "a "), "that are not there: 'b' is not in 'a '"),
        (lambda: word_language(["ab"], model(), "ab"), "that are not there: ' ' is not in 'ab'"),
        (lambda: word_language(["a", "q"], model(False)), "no '<unk>', .* 1 of the lexicon's 2"),
        (lambda: word_language(["a"], model(False), spelling=LETTERS), "leave out spelling"),
        (lambda: word_language(["a"], model(), unknown_weight=math.inf), "finite number; got inf"),
        (lambda: word_language(["a"], model(), ("ab", "a", " ")), "are one each, not"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
    with pytest.raises(TypeError, match="such as \\['ab'\\]"):
        word_language("ab", model())
    with pytest.raises(TypeError, match="such as \\['ab'\\]"):
        sentences_of("ab")


LETTERS = NGram.fit(["bab", "ca", "aab"], order=2, characters="abc")


def model(unknown=True, seed=5) -> SparseAutomaton:
    """Words "a", "ab", "ba", "c" with some bigrams; the numbers are any."""
    random = np.random.default_rng(seed)
    tokens = ("a", "ab", "ba", "c", "<unk>")[: 5 if unknown else 4]
    size = len(tokens)
    rows = [[*range(size)], [0, 2], [1, 3], [0, 1], [2]]
    column = [k for row in rows[:5] for k in row if k < size]
    first = np.cumsum([0, *(len([k for k in row if k < size]) for row in rows)])
    return SparseAutomaton(
        tokens,
        first,
        column,
        [min(k + 1, 4) for k in column],
        -random.exponential(2.0, len(column)),
        -random.exponential(1.0, 5),
        shorter=[-1, 0, 0, 0, 0],
        price=[0, *-random.exponential(1.0, 4)],
    )


def test_a_sentence_weighs_what_the_model_of_words_says():
    ngram = model()
    words = {"a": "a", "A": "a", "ab": "ab", "bab": "ba", "aba": "zebra"}
    language = word_language(words, ngram, "Aab ", unknown_weight=-0.25)
    accepted = 0
    for text in texts("Aab ", 6):
        written = text.split(" ") if text else []
        expected = -math.inf
        if set(written) <= words.keys():
            names = [words[word] for word in written]
            expected = ngram.score([n if n != "zebra" else "<unk>" for n in names])
            expected -= 0.25 * names.count("zebra")
        assert language.score(text) == pytest.approx(expected, abs=1e-9)
        accepted += expected > -math.inf
    assert accepted > 40 and language.most == ngram.most


def test_unknown_words_are_spelled():
    ngram = model()
    words = ["a", "ab", "ba", "abc"]  # the model does not list the last
    language = word_language(words, ngram, spelling=LETTERS, unknown_weight=-0.5)
    assert language.characters == " abc"
    for text in texts("abc ", 5):
        written = text.split(" ") if text else []
        expected, names = 0.0, []
        for word in written:
            names.append(word if word in ("a", "ab", "ba") else "<unk>")
            if word not in words:
                expected += LETTERS.log_prob(word) if word else -math.inf
            expected -= 0.5 * (names[-1] == "<unk>")
        expected += ngram.score(names)
        assert language.score(text) == pytest.approx(expected, abs=1e-9)


def test_all_words_of_an_arpa_file_are_the_lexicon(tmp_path):
    path = tmp_path / "words.arpa"
    path.write_text(
        "\\data\\\nngram 1=5\nngram 2=2\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\t-0.2\n-0.6\t</s>\n"
        "-0.7\tmy\t-0.1\n-0.9\thand\n\n\\2-grams:\n-0.3\t<s> my\n-0.2\tmy hand\n\n\\end\\\n"
    )
    language = word_language(None, path)
    assert language.characters == " adhmny"
    assert language.score("my hand") == pytest.approx(-1.1 * math.log(10))
    assert language.score("hand my") == pytest.approx(-(0.2 + 0.9 + 0.7 + 0.1 + 0.6) * math.log(10))
    assert not language.accepts("my my hat") and not language.accepts("my ")
    same = word_language(["my", "hand"], read_arpa(path))
    assert same.score("my hand") == language.score("my hand")


def test_what_the_decoders_ask_for_fits_together():
    for spelling in (None, LETTERS):
        language = word_language(["a", "ab", "ba", "cab"], model(), spelling=spelling)
        assert language.start == 0 and language.num_states is None
        states = [0]
        while True:
            alone = [language.arcs(np.array([state])) for state in states]
            new = {t for part in alone for t in part[2].tolist()} - set(states)
            if not new:
                break
            states += sorted(new)
        assert sorted(states) == list(range(len(states)))
        everything = np.array(states)
        together = language.arcs(everything)
        for i in range(4):
            assert together[i] == pytest.approx(np.concatenate([part[i] for part in alone]))
        for counts, columns, _, weights in alone:
            assert counts[0] == len(columns) and (np.diff(columns) > 0).all()
            assert np.isfinite(weights).all()
        # Distances are what a walk to the nearest end finds, and the greatest is told.
        ends = language.final_weights(everything) > -math.inf
        found = np.where(ends, 0, 99)
        for _ in range(10):
            for state, part in zip(states, alone, strict=True):
                nearest = min((found[states.index(t)] for t in part[2]), default=99)
                i = states.index(state)
                found[i] = min(found[i], nearest + 1)
        assert (language.distances(everything) == found).all()
        assert language.farthest >= found.max()


def test_a_beginning_weighs_what_the_likeliest_word_does():
    ngram = model()
    language = word_language(["ab", "ba"], ngram)
    alone = dict(zip(ngram.characters, ngram.without_context(), strict=True))
    _, columns, _, weights = language.arcs(np.array([language.start]))
    assert [language.characters[k] for k in columns] == ["a", "b"]
    assert weights.tolist() == [alone["ab"], alone["ba"]]


def test_a_large_lexicon_over_many_characters_is_sparse():
    characters = "".join(chr(0x4E00 + k) for k in range(6600))
    random = np.random.default_rng(0)
    words = sorted({"".join(random.choice(list(characters[:3000]), 3)) for _ in range(2000)})
    language = lexicon(characters, words)
    assert isinstance(language, SparseAutomaton)
    size = sum(getattr(language, n).nbytes for n in ("first", "column", "target", "weight"))
    assert size < 1 << 20
    assert all(language.accepts(word) for word in words[::50])
    assert not language.accepts(words[0][:2]) and not language.accepts("")


@pytest.mark.parametrize("space", ["", "  ", None, 5, ["a"]])
def test_a_space_is_one_code_point(space):
    for make in (sentences_of, lambda words, **k: word_language(words, read_arpa_of_words(), **k)):
        with pytest.raises(ValueError, match="space is one code point; got "):
            make(["my", "hand"], space=space)


def read_arpa_of_words():
    size = {"first": [0, 3], "column": [0, 1, 2], "target": [0, 0, 0]}
    return SparseAutomaton(("my", "hand", "<unk>"), **size, weight=[-1.0] * 3, final=[-1.0])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"words": 5}, TypeError, "words is a list of words, a mapping of them, or None; got 5"),
        ({"unknown_weight": "a"}, ValueError, "unknown_weight is a finite number; got 'a'"),
        ({"unknown_weight": math.nan}, ValueError, "unknown_weight is a finite number; got nan"),
        ({"spelling": "abc"}, TypeError, "spelling is an NGram, .* got 'abc'"),
        ({"spelling": 5}, TypeError, "spelling is an NGram, .* got 5"),
    ],
)
def test_parts_of_a_language_of_words_are_named(change, error, message):
    with pytest.raises(error, match=message):
        word_language(**{"words": ["my", "hand"], "ngram": read_arpa_of_words(), **change})
    with pytest.raises(TypeError, match="words is a list of words, or a mapping of them; got 5"):
        sentences_of(5)
