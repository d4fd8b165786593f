from __future__ import annotations

import json
import math
from collections import Counter
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn_lib.language import NGram
from crnn_lib.language.ngrams import _check_sum

CHARACTERS = "057"
texts = st.lists(st.text(CHARACTERS, max_size=6), min_size=1, max_size=8)
orders = st.integers(1, 5)


def all_strings(longest: int) -> list[str]:
    return ["".join(s) for n in range(longest + 1) for s in product(CHARACTERS, repeat=n)]


def witten_bell(corpus: list[str], order: int, history: str, symbol: str) -> Fraction:
    """P(symbol | history) by the formula, counting from the texts each time, in exact fractions.

    ``^`` starts a text and ``$`` ends it.
    """
    context = history[len(history) - order + 1 :] if order <= len(history) else history
    marked = [f"^{text}$" for text in corpus]

    def probability(context: str) -> Fraction:
        followers = Counter(
            text[i] for text in marked for i in range(1, len(text)) if text[:i].endswith(context)
        )
        shorter = probability(context[1:]) if context else Fraction(1, len(CHARACTERS) + 1)
        if not followers:
            return shorter
        kinds = len(followers)
        return (followers[symbol] + kinds * shorter) / (followers.total() + kinds)

    return probability(context)


@settings(deadline=None, max_examples=40)
@given(texts, orders, st.text(CHARACTERS, max_size=5))
def test_probabilities_are_those_of_the_formula(corpus, order, beginning):
    model = NGram.fit(corpus, order=order, characters=CHARACTERS)
    expected = [witten_bell(corpus, order, "^" + beginning, s) for s in CHARACTERS + "$"]
    assert sum(expected) == 1
    assert model.probabilities(beginning).tolist() == pytest.approx([float(p) for p in expected])


@settings(deadline=None, max_examples=40)
@given(texts, orders)
def test_every_context_sums_to_one_and_leaves_nothing_out(corpus, order):
    model = NGram.fit(corpus, order=order, characters=CHARACTERS)
    for beginning in all_strings(4):  # far more contexts than were seen
        shares = model.probabilities(beginning)
        assert shares.shape == (4,) and (shares > 0).all()
        assert math.fsum(shares) == pytest.approx(1, abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(texts, orders)
def test_the_automaton_is_the_model(corpus, order):
    model = NGram.fit(corpus, order=order, characters=CHARACTERS)
    automaton = model.automaton()
    for text in [*all_strings(4), *corpus, "057" * 5]:
        assert automaton.score(text) == pytest.approx(model.log_prob(text), abs=1e-10)
    steps = np.exp(automaton.log_weight).sum(1) + np.exp(automaton.final)
    assert steps == pytest.approx(np.ones(automaton.num_states))


@settings(deadline=None, max_examples=30)
@given(texts, orders)
def test_the_probability_of_a_text_is_the_product_of_its_parts(corpus, order):
    model = NGram.fit(corpus, order=order, characters=CHARACTERS)
    for text in corpus:
        parts = [model.probabilities(text[:i])[CHARACTERS.index(c)] for i, c in enumerate(text)]
        expected = math.prod(parts) * model.probabilities(text)[-1]
        assert math.exp(model.log_prob(text)) == pytest.approx(expected)


def test_all_texts_share_one():
    model = NGram.fit(["57", "5", "057"], order=3, characters=CHARACTERS)
    automaton = model.automaton()
    # The weight that has ended, and the weight still on its way, after each character.
    standing = np.eye(automaton.num_states)[automaton.start]
    ended = 0.0
    for length in range(8):
        ending = float(standing @ np.exp(automaton.final))
        texts = ["".join(s) for s in product(CHARACTERS, repeat=length)]
        assert ending == pytest.approx(math.fsum(math.exp(model.log_prob(t)) for t in texts))
        ended += ending
        after = np.zeros_like(standing)
        np.add.at(after, automaton.next_state, standing[:, None] * np.exp(automaton.log_weight))
        standing = after
        assert ended + standing.sum() == pytest.approx(1)
    assert ended > 0.9


def test_the_start_is_a_context_of_its_own():
    model = NGram.fit(["57", "57", "507"], order=2, characters=CHARACTERS)
    assert model.probabilities("")[1] > 0.8  # each text begins with a 5
    assert model.probabilities("5")[1] < 0.2  # and never holds two
    alone = NGram.fit(["57"], order=1, characters=CHARACTERS)
    assert alone.probabilities("").tolist() == alone.probabilities("575").tolist()


def test_perplexity():
    corpus = ["5", "57", "0577"]
    model = NGram.fit(corpus, order=2, characters=CHARACTERS)
    total = sum(model.log_prob(text) for text in corpus)
    assert model.perplexity(corpus) == pytest.approx(math.exp(-total / (7 + 3)))
    assert 1 < model.perplexity(corpus) < 4
    # A model that saw each symbol equally often knows nothing: it hesitates between all of them.
    flat = NGram.fit(["057"], order=1, characters=CHARACTERS)
    assert flat.perplexity(["5", "", "70"]) == pytest.approx(4)


def test_more_context_fits_better():
    corpus = ["0577"] * 20 + ["7750"] * 20
    by_order = [NGram.fit(corpus, order=n, characters=CHARACTERS) for n in range(1, 5)]
    perplexities = [model.perplexity(corpus) for model in by_order]
    assert perplexities == sorted(perplexities, reverse=True)


def test_samples_follow_the_model():
    model = NGram.fit(["5", "57", "0577", ""], order=3, characters=CHARACTERS)
    generator = torch.Generator().manual_seed(7)
    drawn = Counter(model.sample(generator) for _ in range(4000))
    for text in ("", "5", "57", "0577"):
        share = math.exp(model.log_prob(text))
        assert abs(drawn[text] - 4000 * share) < 4 * math.sqrt(4000 * share)
    again = torch.Generator().manual_seed(7)
    assert sum(Counter(model.sample(again) for _ in range(10)).values()) == 10
    one, two = (model.sample(torch.Generator().manual_seed(3)) for _ in range(2))
    assert one == two
    assert len(model.sample(torch.Generator().manual_seed(1), longest=0)) == 0


@settings(deadline=None, max_examples=25)
@given(texts, orders)
def test_a_model_survives_its_file(tmp_path_factory, corpus, order):
    path = tmp_path_factory.mktemp("ngram") / "model.json"
    model = NGram.fit(corpus, order=order, characters=CHARACTERS)
    model.save(path)
    loaded = NGram.load(path)
    assert (loaded.characters, loaded.order) == (CHARACTERS, order)
    for text in all_strings(3):
        assert loaded.log_prob(text) == model.log_prob(text)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.lists(st.integers(0, 2), max_size=6), min_size=1, max_size=6), orders)
def test_long_characters_are_counted_like_short_ones(tmp_path_factory, rows, order):
    """No text of these can be cut in two ways, so a letter for each gives the same model."""
    path = tmp_path_factory.mktemp("ngram") / "model.json"
    long_characters = ("th", "e", "cat")
    long, short = (
        NGram.fit(["".join(c[k] for k in row) for row in rows], order=order, characters=c)
        for c in (long_characters, CHARACTERS)
    )
    long.save(path)
    loaded, automaton = NGram.load(path), long.automaton()
    assert loaded.characters == automaton.characters == long_characters
    for row in product(range(3), repeat=3):
        text, plain = ("".join(c[k] for k in row) for c in (long_characters, CHARACTERS))
        assert long.log_prob(text) == loaded.log_prob(text) == short.log_prob(plain)
        assert automaton.score(text) == pytest.approx(short.log_prob(plain))
        assert long.probabilities(text).tolist() == short.probabilities(plain).tolist()
        assert long.perplexity([text]) == short.perplexity([plain])
    drawn = [m.sample(torch.Generator().manual_seed(5)) for m in (long, short)]
    for k, character in enumerate(CHARACTERS):
        drawn[1] = drawn[1].replace(character, long_characters[k])
    assert drawn[0] == drawn[1]


def test_a_file_with_any_byte_changed_is_refused_or_means_the_same(tmp_path):
    path = tmp_path / "model.json"
    model = NGram.fit(["552"], order=2, characters="25")
    model.save(path)
    intact = path.read_bytes()
    for place in range(len(intact)):
        for flip in (1, 16, 128):
            damaged = bytearray(intact)
            damaged[place] ^= flip
            path.write_bytes(damaged)
            try:
                loaded = NGram.load(path)
            except ValueError as error:
                assert "is not an n-gram model that crnn_lib can load" in str(error)
            else:  # a line break may become another kind of white space
                assert json.loads(damaged) == json.loads(intact)
                assert loaded.log_prob("55207") == model.log_prob("552")
    for cut in range(0, len(intact) - 2, 7):
        path.write_bytes(intact[:cut])
        with pytest.raises(ValueError, match="damaged, or not JSON"):
            NGram.load(path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format": "other"}, "does not say that its format"),
        ({"version": 2}, "of version 2, this crnn_lib reads 1"),
        ({"order": 3}, "no context of order 3"),
        ({"order": 2.0}, "does not hold counts"),
        ({"characters": "01234x6789"}, "no context of order 2"),
        ({"characters": "01"}, "11 counts|3 counts"),
        ({"counts": {}}, "it has no counts"),
        ({"counts": [1, 2]}, "does not hold counts"),
        ({"counts": {"5": [-1] + [1] * 10}}, "whole numbers, 0 or more"),
        ({"counts": {"5": [0] * 11}}, "counts expected"),
        ({"counts": {"5": [1.5] * 11}}, "whole numbers"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path, change, message):
    path = tmp_path / "model.json"
    NGram.fit(["55207"], order=2).save(path)
    content = json.loads(path.read_text())
    content.update(change)
    del content["crc32"]
    path.write_text(json.dumps(content | {"crc32": _check_sum(content)}))
    with pytest.raises(ValueError, match=message):
        NGram.load(path)


def test_the_file_of_a_usual_model_is_small(tmp_path):
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randint(10**6, (2000,), generator=generator).tolist()
    NGram.fit(map(str, numbers), order=4).save(tmp_path / "model.json")
    assert (tmp_path / "model.json").stat().st_size < 60_000


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: NGram.fit([]), ValueError, "at least one text"),
        (lambda: NGram.fit("55207"), TypeError, r"such as \['55207'\]"),
        (lambda: NGram.fit({"5": 0}), ValueError, "at least one text"),
        (lambda: NGram.fit({"5": -1}), ValueError, "whole numbers, 0 or more; '5' has -1"),
        (lambda: NGram.fit({"5": 0.5}), ValueError, "whole numbers, 0 or more; '5' has 0.5"),
        (lambda: NGram.fit(["5S"]), ValueError, "'5S' has the character 'S'"),
        (lambda: NGram.fit(["5"], order=0), ValueError, "1 to 5; got 0"),
        (lambda: NGram.fit(["5"], order=6), ValueError, "1 to 5; got 6"),
        (lambda: NGram.fit(["5"], order=True), ValueError, "1 to 5; got True"),
        (lambda: NGram.fit(["5"], order=2.0), ValueError, "1 to 5; got 2.0"),
        (lambda: NGram.fit({"5": True}), ValueError, "whole numbers, 0 or more; '5' has True"),
        (lambda: NGram.fit(["5"], characters="55"), ValueError, "'5' stands more often in '55'"),
        (lambda: NGram.fit(["5"], characters="5\x02"), ValueError, "marks the start"),
        (lambda: NGram.fit(["5"]).log_prob("5a"), ValueError, "has the character 'a'"),
        (lambda: NGram.fit(["5"]).probabilities("a"), ValueError, "has the character 'a'"),
        (lambda: NGram.fit(["5"]).perplexity([]), ValueError, "no text to judge"),
        (lambda: NGram.fit(["5"]).perplexity("55"), TypeError, r"such as \['55'\]"),
        (lambda: NGram.fit(["5"]).sample(7), TypeError, "torch.Generator"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_text_that_counts_nothing_teaches_nothing():
    some, none = NGram.fit({"57": 2, "75": 0}, order=3), NGram.fit({"57": 2}, order=3)
    for beginning in ("", "5", "7", "75"):
        assert some.probabilities(beginning).tolist() == none.probabilities(beginning).tolist()


@pytest.mark.parametrize("longest", [-1, 2.5, "9", None, True])
def test_where_to_stop_is_a_whole_number(longest):
    model = NGram.fit(["5"], characters=CHARACTERS)
    with pytest.raises(ValueError, match="longest is a whole number of at least 0; got "):
        model.sample(torch.Generator(), longest=longest)
    with pytest.raises(TypeError, match="sample needs a torch.Generator"):
        model.sample(None)
