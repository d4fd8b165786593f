"""Allow and block lists, hot words, and how languages combine: against counting by hand."""

from __future__ import annotations

import copy
import math
import operator
import pickle
import random
from itertools import product

import numpy as np
import pytest
import torch

from crnn_lib.language import (
    Mixture,
    NGram,
    SparseAutomaton,
    WeightedAutomaton,
    count_strings,
    draw_strings,
    fixed_length,
    hot_words,
    intersect,
    is_empty,
    lexicon,
    luhn,
    minimise,
    never,
    only,
    open_lexicon,
    parse_constraint,
    sentences_of,
    strings,
    union,
)


def texts(characters, longest):
    return ["".join(t) for n in range(longest + 1) for t in product(characters, repeat=n)]


# --- Allow and block lists ------------------------------------------------------------------------


@pytest.mark.parametrize("listed", ["ab", "b", "bx", ["a", "c"]])
def test_only_and_never_are_each_others_opposite(listed):
    allowed, blocked = only(listed).over("abc"), never(listed).over("abc")
    for text in texts("abc", 3):
        assert allowed.score(text) == (0 if set(text) <= set(listed) else -math.inf)
        assert blocked.score(text) == (0 if not set(text) & set(listed) else -math.inf)


def test_lists_of_code_points_and_of_characters():
    characters = ("th", "t", "h", "e", "eh")
    by_code_point, by_character = only("th").over(characters), only(["th", "e"]).over(characters)
    assert by_code_point.accepts(["th", "t", "h"]) and not by_code_point.accepts(["eh"])
    assert by_character.accepts(["th", "e"]) and not by_character.accepts(["t"])
    assert never("h").over(characters).accepts(["t", "e"])
    assert not never("h").over(characters).accepts(["eh"])
    assert never(["h"]).over(characters).accepts(["eh"])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: only(""), "only takes characters, such as '0123456789'; got ''"),
        (lambda: never([]), "never takes characters"),
        (lambda: only("xyz").over("abc"), "only\\('xyz'\\) allows none of the characters 'abc'"),
        (lambda: never("abc").over("abc"), "never\\('abc'\\) blocks all of the characters 'abc'"),
        (lambda: hot_words({}), "a mapping of words to bonuses, such as {'hand': 2.0}"),
        (lambda: hot_words(["hand"]), "a mapping of words to bonuses"),
        (lambda: hot_words({"": 1.0}), "neither begins nor ends with a space; got ''"),
        (lambda: hot_words({" a": 1.0}), "neither begins nor ends with a space; got ' a'"),
        (lambda: hot_words({"a": math.nan}), "finite number, or -inf; 'a' has nan"),
        (lambda: hot_words({"a": math.inf}), "finite number, or -inf; 'a' has inf"),
        (lambda: hot_words({"a": 1.0}, space="  "), "one code point or None"),
        (lambda: hot_words({"hand": 1.0}).over("adh"), "characters that are not there: 'n'"),
        (lambda: -1.0 * only("a").over("ab"), "finite number, 0 or more; got -1.0"),
        (lambda: math.inf * lexicon("ab", ["a"]), "finite number, 0 or more; got inf"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- Hot words ------------------------------------------------------------------------------------


def count(text, word):
    """How often a word stands in a text, also in itself."""
    return sum(text.startswith(word, i) for i in range(len(text)))


@pytest.mark.parametrize("seed", range(12))
def test_hot_words_add_their_bonus_as_often_as_they_stand_there(seed):
    rng = random.Random(seed)
    words = {"".join(rng.choices("ab", k=rng.randint(1, 4))) for _ in range(rng.randint(1, 5))}
    bonuses = {word: rng.choice([2.0, -1.5, 0.25, 3.0]) for word in sorted(words)}
    anywhere = hot_words(bonuses, space=None).over("ab ")
    whole = hot_words(bonuses).over(" ba")
    for text in texts("ab ", 6):
        expected = sum(bonus * count(text, word) for word, bonus in bonuses.items())
        assert anywhere.score(text) == pytest.approx(expected, abs=1e-12)
        expected = sum(bonuses.get(word, 0.0) for word in text.split(" "))
        assert whole.score(text) == pytest.approx(expected, abs=1e-12)


def test_hot_words_of_several_parts_overlap():
    language = hot_words({"a b": 1.0, "b a": 10.0, "b": 100.0}).over("ab ")
    assert language.score("a b a b") == pytest.approx(2 * 1 + 10 + 2 * 100)
    assert language.score("ab a b") == pytest.approx(1 + 100)


def test_hot_words_without_a_space_in_the_alphabet_are_whole_texts():
    language = hot_words({"hand": 2.0}).over("adhn")
    assert language.score("hand") == 2 and language.score("handhand") == 0


def test_a_bonus_of_minus_infinity_forbids_a_word():
    language = hot_words({"b": -math.inf, "aa": 1.0}).over("ab ")
    for text in texts("ab ", 5):
        words = text.split(" ")
        expected = -math.inf if "b" in words else float(words.count("aa"))
        assert language.score(text) == pytest.approx(expected)


def test_a_bonus_comes_bit_by_bit_and_is_taken_back():
    language = hot_words({"hand": 4.0}).over("adhn ")

    def so_far(text):
        state, total = language.start, 0.0
        for letter in text:
            state, weight = language.step(state, language.characters.index(letter))
            total += weight
        return total

    assert [so_far(text) for text in ("h", "ha", "han", "hand", "hand ")] == [1, 2, 3, 4, 4]
    assert [so_far(text) for text in ("haa", "handa", "ah")] == [0, 0, 0]


def test_hot_words_of_long_characters():
    characters = ("th", "e", "t", "h", "a", " ")
    language = hot_words({"the": 2.0}).over(characters)
    assert language.score(["th", "e"]) == language.score(["t", "h", "e"]) == 2
    assert language.score(["th", "e", "a"]) == 0


# --- Combined -------------------------------------------------------------------------------------


def test_rules_and_automata_combine_in_any_order():
    words = sentences_of({"ab": -1.0, "b": -2.0, "ca": -0.5}, "cab ")
    hot, letters = hot_words({"b": 3.0}), never("c")
    for language in (words & hot & letters, letters & (hot & words), (hot & letters) & words):
        for text in texts("abc ", 5):
            parts = words.score(text), 3.0 * text.split(" ").count("b")
            expected = -math.inf if "c" in text else sum(parts)
            assert language.score(text) == pytest.approx(expected)
    rule = hot & letters
    assert rule.over("ab ") is rule.over("ab ")


def test_weights_are_multiplied():
    words = lexicon("ab", {"ab": -1.0, "b": -2.0})
    half, nothing = 0.5 * words, 0 * words
    assert half.score("ab") == -0.5 and half.score("b") == -1 and not half.accepts("a")
    assert nothing.score("ab") == nothing.score("b") == 0 and not nothing.accepts("a")
    assert (2 * hot_words({"b": 3.0})).over("ab").score("b") == 6
    lazy = 0.5 * (words & as_sparse(words))
    assert lazy.score("ab") == -1 and not lazy.accepts("a")


def test_and_is_intersect():
    numbers, five = luhn("0123456789"), fixed_length("0123456789", 5)
    both, same = numbers & five, intersect(numbers, five)
    assert isinstance(both, WeightedAutomaton) and both.num_states == same.num_states
    assert (both.next_state == same.next_state).all()
    with pytest.raises(ValueError, match="same characters in the same order"):
        numbers & fixed_length("987", 2)
    with pytest.raises(TypeError):
        numbers & "055"


def test_a_mixture_combines_with_what_its_parts_combine_with():
    model = NGram.fit(["no", "on"], order=2, characters="no")
    mixture = open_lexicon({"on": 0.0}, model, share=0.5)
    for language in (mixture & only("o"), only("o") & mixture, mixture & only("o").over("no")):
        assert isinstance(language, Mixture)
        assert language.score("oo") == mixture.score("oo") and not language.accepts("on")
    assert (0.5 * mixture).score("on") == pytest.approx(0.5 * mixture.score("on"))


def as_sparse(automaton: WeightedAutomaton) -> SparseAutomaton:
    counts, columns, targets, weights = automaton.arcs(np.arange(automaton.num_states))
    first = np.append(0, counts.cumsum())
    return SparseAutomaton(
        automaton.characters, first, columns, targets, weights, automaton.final, automaton.start
    )


def random_automaton(seed, weighted=True):
    random = np.random.default_rng(seed)
    step = random.integers(-1, 5, (5, 3))
    weight = random.normal(size=step.shape) if weighted else np.zeros(step.shape)
    final = np.where(random.random(5) < 0.6, random.normal(size=5), -math.inf)
    return WeightedAutomaton("abc", step, weight, final)


@pytest.mark.parametrize("seed", range(6))
def test_states_made_when_reached_say_the_same_as_tables(seed):
    one, two = random_automaton(seed), random_automaton(seed + 100)
    tables, lazy = one & two, as_sparse(one) & as_sparse(two)
    assert lazy.num_states is None and lazy.start == 0
    for text in texts("abc", 5):
        assert lazy.score(text) == pytest.approx(tables.score(text))
    # All states at once, and what they promise.
    states = [0]
    for state in states:
        counts, columns, targets, weights = lazy.arcs(np.array([state]))
        assert len(columns) == len(targets) == len(weights) == counts[0]
        states += [t for t in dict.fromkeys(targets.tolist()) if t not in states]
    assert sorted(states) == list(range(len(states)))
    together = lazy.arcs(np.array(states))
    alone = [lazy.arcs(np.array([state])) for state in states]
    for i in range(4):
        assert together[i] == pytest.approx(np.concatenate([part[i] for part in alone]))
    far = {text: len(text) for text in texts("abc", 6) if lazy.accepts(text)}
    nearest = min(far.values(), default=math.inf)
    assert lazy.distances(np.array([lazy.start]))[0] <= nearest
    assert max((lazy.score(text) for text in far), default=-math.inf) <= lazy.most


@pytest.mark.parametrize("seed", range(6))
def test_a_sparse_automaton_is_its_tables(seed):
    tables = random_automaton(seed)
    sparse = as_sparse(tables)
    everything = np.arange(tables.num_states)
    assert sparse.num_states == tables.num_states
    assert (sparse.automaton().next_state == tables.next_state).all()
    for text in texts("abc", 4):
        assert sparse.score(text) == pytest.approx(tables.score(text))
    assert (sparse.distances(everything) == tables.distances(everything)).all()
    assert sparse.farthest == tables.farthest
    assert sparse.most == pytest.approx(tables.most)
    for a, b in zip(sparse.arcs(everything), tables.arcs(everything), strict=True):
        assert a == pytest.approx(b)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"first": [0, 1]}, "first must be \\(3,\\), for 2 states and 3 steps"),
        ({"first": [1, 2, 3]}, "first rises from 0 to the number of steps"),
        ({"column": [1, 1, 1]}, "column rises within each state, from 0 to 1"),
        ({"column": [0, 2, 1]}, "column rises within each state, from 0 to 1"),
        ({"target": [0, 2, 1]}, "target goes from -1 \\(forbidden\\) to 1"),
        ({"weight": [0, math.nan, 0]}, "weight holds log-weights"),
        ({"shorter": [0, 0]}, "shorter is a lower state for each one"),
        ({"begin": 2}, "begin is a state from 0 to 1; got 2"),
    ],
)
def test_sparse_tables_are_checked(change, message):
    good = {"first": [0, 2, 3], "column": [0, 1, 1], "target": [0, 1, 1], "weight": [0, 0, 0]}
    good |= {"final": [0, 0]}
    assert SparseAutomaton("ab", **good).accepts("abb")
    with pytest.raises(ValueError, match=message):
        SparseAutomaton("ab", **{**good, **change})


# --- As objects -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        only("ab "),
        never(["c"]),
        hot_words({"ab": 2.0, "b a": -1.0}),
        0.5 * hot_words({"ab": 2.0}) & never("c") & only("ab "),
    ],
)
def test_a_rule_can_be_sent_to_another_process(rule):
    for again in (pickle.loads(pickle.dumps(rule)), copy.deepcopy(rule)):
        for text in ("ab", "b a ab", "abc", ""):
            assert again.over("abc ").score(text) == rule.over("abc ").score(text)


def test_a_phrase_needs_its_space():
    """Without one in the alphabet it could never be read; at the ends none is needed."""
    assert hot_words({"b": 2.0}).over("ab").score("b") == 2.0
    assert hot_words({"a b": 2.0}).over("ab ").score("a b") == 2.0
    with pytest.raises(ValueError, match="hot word 'a b' has characters that are not there: ' '"):
        hot_words({"a b": 2.0}).over("ab")


def test_numbers_of_other_libraries_are_factors():
    words = lexicon("ab", {"ab": -2.0})
    for language in (words, Mixture((words,))):
        for factor in (0.5, np.float32(0.5), torch.tensor(0.5)):
            assert (factor * language).score("ab") == -1.0
        for wrong in ("0.5", -1, math.inf):
            with pytest.raises(ValueError, match="Log-weights are multiplied by a finite number"):
                wrong * language
    with pytest.raises(ValueError, match="Log-weights are multiplied by a finite number"):
        -1 * only("ab")  # at once, and not when it is used


def test_a_factor_stands_on_either_side_and_other_signs_say_what_to_write():
    words = lexicon("ab", {"ab": -2.0})
    lazy, digits = words & as_sparse(words), hot_words({"ab": 2.0})
    assert (words * 0.5).score("ab") == -1.0 and (lazy * 0.5).score("ab") == -2.0
    assert (Mixture((words,)) * 0.5).score("ab") == -1.0
    assert (digits * 0.5).over("ab").score("ab") == 1.0
    for language in (words, lazy, digits, Mixture((words,))):
        with pytest.raises(ValueError, match="multiplied by a finite number, 0 or more; got"):
            language * words
        for sign in (operator.or_, operator.add, operator.sub, operator.truediv):
            with pytest.raises(TypeError, match="first & second, .* union\\(first, second\\)"):
                sign(language, 2 if sign is operator.truediv else words)


def test_the_words_and_and_or_between_languages_say_what_to_write():
    """Of themselves they would be one of the two, without a word about the other."""
    words = lexicon("ab", {"ab": -2.0})
    lazy, model = words & as_sparse(words), NGram.fit(["ab"], characters="ab")
    for language in (words, as_sparse(words), lazy, never("x"), Mixture((words,)), model):
        for asked in (lambda one: one and words, lambda one: one or words, lambda one: not one):
            with pytest.raises(TypeError, match="Write first & second .*union.*`language is None`"):
                asked(language)
        assert language is not None and language in [words, language]
    for joined in (lambda: model & words, lambda: words & model, lambda: 0.5 * model):
        with pytest.raises(TypeError, match="its method automaton\\(\\) makes one"):
            joined()


@pytest.mark.parametrize(
    "ask",
    [
        lambda rule: rule.accepts("2"),
        lambda rule: rule.score("2"),
        lambda rule: list(strings(rule, 2)),
        lambda rule: is_empty(rule),
        lambda rule: rule.characters,
    ],
)
def test_a_rule_says_where_its_automaton_is(ask):
    with pytest.raises(AttributeError, match=r"rule.over\(characters\) is an automaton"):
        ask(never("1"))


@pytest.mark.parametrize(
    "wrong, kind, message",
    [
        (lambda: only(5), ValueError, "only takes characters, such as '0123456789'; got 5"),
        (lambda: never(None), ValueError, "never takes characters, such as 'lO'; got None"),
        (lambda: hot_words({"12": "2"}), ValueError, "or -inf; '12' has '2'"),
        (lambda: lexicon("12", {"12": "2"}), ValueError, "finite number; '12' has '2'"),
        (lambda: lexicon("12", ["12"]).score(12), TypeError, "a list of characters; got 12"),
        (lambda: lexicon("12", ["12"]).accepts([1, 2]), TypeError, r"characters; got \[1, 2\]"),
        (lambda: Mixture(lexicon("12", ["12"])), TypeError, "WeightedAutomaton that stands in no"),
        (lambda: parse_constraint(None, "12"), TypeError, "such as 'luhn\\+length:16'; got None"),
    ],
)
def test_what_is_none_of_a_language_is_named(wrong, kind, message):
    with pytest.raises(kind, match=message):
        wrong()


def test_what_is_asked_of_tables_is_asked_of_listed_steps_too():
    tables = lexicon("ab", ["a", "ab", "abb", "ba"]) & never("x").over("ab")
    listed = as_sparse(tables)
    lazy = 0.5 * listed & listed
    for language in (listed, lazy):
        assert list(strings(language, 9)) == list(strings(tables, 9)) == ["a", "ab", "ba", "abb"]
        assert [count_strings(language, n) for n in range(5)] == [0, 1, 2, 1, 0]
        assert not is_empty(language)
        assert is_empty(language & as_sparse(lexicon("ab", ["bb", "aba"])))
    assert minimise(listed).num_states == tables.num_states
    constraint = as_sparse(lexicon("ab", ["b"]))
    assert list(strings(union(constraint, listed), 3)) == ["a", "b", "ab", "ba", "abb"]
    with pytest.raises(TypeError, match="minimise needs all states at once, .* got _Both, whose"):
        minimise(lazy)
    with pytest.raises(TypeError, match="union takes an automaton; got str"):
        union(listed, "ab")
    with pytest.raises(ValueError, match="characters are drawn at once; got 2 strings of 1000000"):
        draw_strings(tables, 1_000_000_000, 2, torch.Generator())


def test_strings_come_one_by_one_however_long_they_may_be():
    endless = strings(only("ab").over("ab"), 10**9)
    assert [next(endless) for _ in range(4)] == ["", "a", "b", "aa"]


LISTED = {
    "characters": "57", "first": [0, 1, 1], "column": [0], "target": [1], "weight": [0.5],
    "final": [0.0, 0.0], "begin": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"column": [0.7]}, TypeError, "column holds whole numbers; got"),
        ({"target": [1.5]}, TypeError, "target holds whole numbers; got"),
        ({"first": [0, 0.5, 1]}, TypeError, "first holds whole numbers; got"),
        ({"weight": ["0.5"]}, TypeError, "weight holds numbers; got"),
        ({"final": [None, 0.0]}, TypeError, "final holds numbers; got"),
        ({"column": [[0]]}, ValueError, r"column must be \(1,\), for 2 states and 1 steps"),
        ({"final": [[0.0], [0.0]]}, ValueError, r"final must be \(2,\), for 2 states"),
        ({"begin": 0.0}, ValueError, "begin is a state from 0 to 1; got 0.0"),
        ({"begin": True}, ValueError, "begin is a state from 0 to 1; got True"),
    ],
)
def test_listed_steps_are_checked(change, error, message):
    """0.7 of a column was column 0, and a table of columns was looked at row by row."""
    assert SparseAutomaton(**LISTED).score("5") == 0.5
    with pytest.raises(error, match=message):
        SparseAutomaton(**{**LISTED, **change})


@pytest.mark.parametrize("bonus", [None, True, "2", [2.0], math.nan, math.inf, 1j])
def test_a_bonus_is_a_number(bonus):
    with pytest.raises(ValueError, match="A bonus is a finite number, or -inf; '57' has "):
        hot_words({"57": bonus})
