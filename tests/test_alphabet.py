from __future__ import annotations

import dataclasses
import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crnn_lib.alphabet import (
    BLANK_SYMBOL,
    Alphabet,
    as_number,
    check_alphabet,
    check_generator,
    check_whole,
    is_whole,
)

TEXT = "55207"


@st.composite
def alphabets(draw):
    characters = "".join(draw(st.lists(st.characters(), min_size=1, max_size=20, unique=True)))
    return Alphabet(characters, draw(st.integers(0, len(characters))))


def test_default_is_digits_with_the_blank_first():
    alphabet = Alphabet()
    assert alphabet.num_classes == 11
    assert alphabet.symbols == tuple("-0123456789")
    assert alphabet.encode(TEXT) == [6, 6, 3, 1, 8]


@pytest.mark.parametrize(
    "blank, label, symbols",
    [
        (0, [6, 6, 3, 1, 8], "-0123456789"),
        (10, [5, 5, 2, 0, 7], "0123456789-"),
        (3, [6, 6, 2, 0, 8], "012-3456789"),
    ],
)
def test_characters_keep_their_order_around_the_blank(blank, label, symbols):
    alphabet = Alphabet(blank=blank)
    assert "".join(alphabet.symbols) == symbols
    assert alphabet.encode(TEXT) == label
    assert alphabet.decode(label) == TEXT


@given(alphabets(), st.data())
def test_decode_undoes_encode(alphabet, data):
    text = data.draw(st.text(st.sampled_from(alphabet.characters), max_size=10))
    label = alphabet.encode(text)
    assert len(label) == len(text)
    assert alphabet.blank not in label
    assert alphabet.decode(label) == text


@given(alphabets())
def test_every_class_has_one_symbol(alphabet):
    assert len(alphabet.symbols) == alphabet.num_classes == len(alphabet.characters) + 1
    assert alphabet.symbols[alphabet.blank] == BLANK_SYMBOL
    classes = [c for c in range(alphabet.num_classes) if c != alphabet.blank]
    assert alphabet.decode(classes) == "".join(alphabet.characters)
    assert alphabet.encode(alphabet.characters) == classes


def test_the_empty_text_has_the_empty_label():
    assert Alphabet().encode("") == []
    assert Alphabet().decode([]) == ""


def test_a_hyphen_is_a_character_like_any_other():
    alphabet = Alphabet("0-9")
    assert alphabet.decode(alphabet.encode("9-0")) == "9-0"


def test_decode_takes_tensors_and_arrays():
    assert Alphabet().decode(np.array([6, 6, 3, 1, 8])) == TEXT
    assert Alphabet().decode(torch.tensor([6, 6, 3, 1, 8])) == TEXT


def test_alphabets_compare_and_hash_by_value_and_do_not_change():
    alphabet = Alphabet()
    assert alphabet.symbols  # the cached value must not enter the comparison
    assert alphabet == Alphabet() and hash(alphabet) == hash(Alphabet())
    assert alphabet != Alphabet(blank=10)
    with pytest.raises(dataclasses.FrozenInstanceError):
        alphabet.blank = 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("",), "at least one character"),
        (((),), "at least one character"),
        (("0120",), "'0' stands more"),
        ((("th", "e", "th"),), "'th' stands more"),
        ((("th", ""),), "number 1 of .* is empty"),
        (("0123456789", 11), "from 0 to 10 .* got 11"),
        (("0123456789", -1), "from 0 to 10 .* got -1"),
    ],
)
def test_a_senseless_alphabet_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Alphabet(*arguments)


def test_characters_are_texts():
    with pytest.raises(TypeError, match="number 1 is 5"):
        Alphabet(("th", 5))


# --- Characters of several code points ------------------------------------------------------------

tokens = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=5, unique=True)


def all_splits(text, characters):
    """Every way to spell a text."""
    if not text:
        return [()]
    return [
        (c, *rest)
        for c in characters
        if text.startswith(c)
        for rest in all_splits(text[len(c) :], characters)
    ]


@given(tokens, st.text("abc", max_size=8), st.booleans())
def test_a_text_is_spelled_with_the_fewest_characters(characters, text, last):
    """Of all ways to spell it; of equals, the one whose earlier characters are longer."""
    alphabet = Alphabet(tuple(characters), len(characters) if last else 0)
    ways = all_splits(text, characters)
    if not ways:
        with pytest.raises(ValueError, match="has the character"):
            alphabet.encode(text)
        loose = alphabet.split(text, strict=False)
        assert "".join(loose) == text and not set(loose) <= set(characters)
        return
    best = min(ways, key=lambda way: (len(way), [-len(c) for c in way]))
    assert alphabet.split(text) == alphabet.split(text, strict=False) == list(best)
    label = alphabet.encode(text)
    assert [alphabet.symbols[c] for c in label] == list(best) and alphabet.blank not in label
    assert alphabet.decode(label) == text


@given(tokens, st.data())
def test_every_label_has_its_text(characters, data):
    alphabet = Alphabet(tuple(characters), data.draw(st.integers(0, len(characters))))
    classes = [c for c in range(alphabet.num_classes) if c != alphabet.blank]
    label = data.draw(st.lists(st.sampled_from(classes), max_size=6))
    text = alphabet.decode(label)
    assert text == "".join(alphabet.symbols[c] for c in label)
    assert alphabet.decode(alphabet.encode(text)) == text
    for c in classes:  # a character spells itself, whatever others it holds
        assert alphabet.encode(alphabet.symbols[c]) == [c]


def test_what_cannot_be_spelled_stands_for_itself_and_little_does():
    alphabet = Alphabet(("th", "e", "cat"))
    assert alphabet.split("thexcatca", strict=False) == ["th", "e", "x", "cat", "c", "a"]
    for text, piece in (("thex", "x"), ("ca", "c"), ("t", "t")):
        with pytest.raises(ValueError, match=f"{text!r} has the character {piece!r}"):
            alphabet.encode(text)


def test_graphemes():
    """Tamil: the consonant m with the vowel sign i is one letter and two code points."""
    alphabet = Alphabet(("த", "மி", "ழ்"), blank=3)
    assert alphabet.encode("தமிழ்") == [0, 1, 2] and alphabet.decode([0, 1, 2]) == "தமிழ்"
    assert alphabet.num_classes == 4 and alphabet.symbols[1] == "மி"


def test_however_they_are_given_they_are_the_same_characters():
    assert Alphabet(tuple("0123")) == Alphabet(list("0123")) == Alphabet("0123")
    assert hash(Alphabet(("th", "e"))) == hash(Alphabet(["th", "e"]))
    assert Alphabet(("th", "e")) != Alphabet(("t", "he"))
    assert repr(Alphabet(("th", "e"))) == "Alphabet(characters=('th', 'e'), blank=0)"
    assert eval(repr(Alphabet(("th", "e"), 2))) == Alphabet(("th", "e"), 2)


def test_a_greedy_reader_would_be_lost():
    characters = ("a", "ab", "bc")
    for text in map("".join, product("abc", repeat=4)):
        if ways := all_splits(text, characters):
            assert len(Alphabet(characters).encode(text)) == min(map(len, ways))


def test_encode_names_the_unknown_character():
    message = r"'552O7' has the character 'O'.*Give one that has it, by alphabet="
    with pytest.raises(ValueError, match=message):
        Alphabet().encode("552O7")


@pytest.mark.parametrize("blank", [0, 4, 10])
def test_decode_refuses_an_alignment(blank):
    with pytest.raises(ValueError, match=rf"the blank \(class {blank}\).*[Cc]ollapse"):
        Alphabet(blank=blank).decode([5, blank, 5])


@pytest.mark.parametrize("c", [-1, 11])
def test_decode_refuses_classes_that_do_not_exist(c):
    with pytest.raises(ValueError, match=rf"contains class {c}; .* 0 to 10"):
        Alphabet().decode([1, c])


def test_a_blank_is_a_whole_number():
    for wrong in (1.5, "1", None, True, np.True_):
        with pytest.raises(
            TypeError, match=f"blank is a class index, a whole number; got {wrong!r}"
        ):
            Alphabet("ab", wrong)
    assert type(Alphabet("ab", np.int64(1)).blank) is int


@pytest.mark.parametrize("wrong", [0, -3, 2.0, "2", None, True, np.True_, torch.tensor(2.0)])
def test_counts_are_whole_numbers_that_are_large_enough(wrong):
    check_whole(1, beam_width=1, n_best=np.int8(3), threads=torch.tensor(2))
    with pytest.raises(ValueError, match="^n_best is a whole number of at least 1; got "):
        check_whole(1, beam_width=1, n_best=wrong)
    assert is_whole(wrong) == (wrong in (0, -3) and wrong is not False)


@pytest.mark.parametrize("wrong", ["0123456789", None, ("th", "e"), Alphabet])
def test_an_alphabet_is_more_than_its_characters(wrong):
    check_alphabet(Alphabet("ab"))
    with pytest.raises(TypeError, match="alphabet is an Alphabet, which knows the blank, too"):
        check_alphabet(wrong)


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda: Alphabet().encode(55207), "A text is a str, such as '55207'; got 55207"),
        (lambda: Alphabet().encode(None), "got None"),
        (lambda: Alphabet(None), "The characters of an Alphabet are a str or several; got None"),
        (lambda: Alphabet(5), "are a str or several; got 5"),
    ],
)
def test_a_number_is_no_text(wrong, message):
    with pytest.raises(TypeError, match=message):
        wrong()


def test_characters_that_are_cut_already_are_encoded_as_they_stand():
    alphabet = Alphabet(("th", "t", "h"))
    for sequence in (list, tuple):
        assert alphabet.encode(sequence(["t", "h"])) == [2, 3]
        assert alphabet.encode(sequence(["th"])) == alphabet.encode("th") == [1]
        assert alphabet.encode(alphabet.characters) == [1, 2, 3]
        with pytest.raises(ValueError, match="has the character 'the'"):
            alphabet.encode(sequence(["the"]))


def test_half_a_class_is_none():
    for label in ([1.0, 2], torch.tensor([1, 2]), np.array([1.0, 2.0]), iter((np.int8(1), 2))):
        assert Alphabet().decode(label) == "01"
    for wrong in (1.5, math.nan, math.inf, True, "2", [1]):
        with pytest.raises(ValueError, match="class indices, whole numbers; got "):
            Alphabet().decode([2, wrong])
    with pytest.raises(ValueError, match=r"whole numbers; got \[1, 2\]"):
        Alphabet().decode(torch.tensor([[1, 2]]))  # a batch


@pytest.mark.parametrize("wrong", [None, 5, "55207"])
def test_a_label_is_a_list(wrong):
    with pytest.raises(TypeError, match=f"A label is a list of class indices; got {wrong!r}"):
        Alphabet().decode(wrong)


# --- One number, and who draws ------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3.0), (0.5, 0.5), (np.float32(0.5), 0.5), (torch.tensor(2), 2.0), (math.inf, math.inf)],
)
def test_one_number_is_a_float(value, number):
    assert as_number(value) == number


@pytest.mark.parametrize(
    "value",
    [None, True, "1", b"1", [1.0], (1,), np.ones(1), torch.ones(1), 1j, 10**400, {}, math.nan],
)
def test_what_is_no_one_number_is_none(value):
    assert math.isnan(as_number(value))


def test_who_draws_says_so():
    check_generator(torch.Generator(), "a test")
    for wrong in (None, 5, np.random.default_rng(0), torch.Generator):
        with pytest.raises(TypeError, match="a test needs a torch.Generator for its randomness"):
            check_generator(wrong, "a test")


def test_characters_of_a_set_have_no_order():
    """In each process another class would stand for each of them."""
    for owner in (set("abc"), frozenset("abc")):
        with pytest.raises(TypeError, match="stand in an order, and a set has none"):
            Alphabet(owner)
    assert Alphabet(dict.fromkeys("ba")).characters == "ba"


@pytest.mark.parametrize("text", [None, 55, ["5"], b"55"])
def test_only_a_text_is_cut(text):
    with pytest.raises(TypeError, match="A text is a str"):
        Alphabet().split(text)
