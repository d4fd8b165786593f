"""Random texts: what they are made of, and that they can be spelled."""

import math
import re
from collections import Counter

import pytest
import torch
from conftest import seeded

from crnn_lib.handwriting import TextStyle, random_texts
from crnn_lib.handwriting.pen import TEXT_CHARACTERS
from crnn_lib.language import word_counts


def only(kind, **more):
    """A style of one kind, with nothing added to it."""
    weights = {name: 0.0 for name in ("words", "names", "numbers", "letters", "phrases")}
    plain = {"capitals": 0.0, "initial": 0.0, "marks": 0.0}
    return TextStyle(**{**weights, kind: 1.0, **plain, **more})


def test_words_are_those_of_the_lexicon_by_their_counts():
    texts = random_texts(3000, seeded(), only("words", temper=1.0))
    counts = word_counts()
    assert set(texts) <= set(counts)
    expected = 3000 * counts["the"] / sum(counts.values())
    assert abs(Counter(texts)["the"] - expected) < 5 * expected**0.5
    alike = random_texts(3000, seeded(), only("words", temper=0.0))
    assert Counter(alike)["the"] <= 3


def test_case_and_marks_come_as_often_as_the_style_says():
    texts = random_texts(4000, seeded(1), only("words", capitals=0.5))
    share = sum(text == text.upper() and text.lower() != text for text in texts) / 4000
    assert 0.47 < share < 0.56  # "I" and "a" are capitals now and then anyway
    marked = random_texts(4000, seeded(2), only("words", marks=0.25))
    # no word of the lexicon has a mark but an apostrophe
    dressed = [text for text in marked if re.search(r"[^A-Za-z']|'s$|^'", text)]
    assert 0.21 < len(dressed) / 4000 < 0.29


def test_numbers_have_digits_and_letters_are_few():
    numbers = random_texts(500, seeded(), only("numbers"))
    assert all(re.search(r"\d", text) for text in numbers)
    assert {"$", ".", ":", "/", "-", " "} <= set("".join(numbers))
    assert {len(text) for text in random_texts(300, seeded(), only("letters"))} == {1, 2, 3}


def test_names_are_in_no_lexicon_and_phrases_have_spaces():
    known = {word.lower() for word in word_counts()}
    names = random_texts(400, seeded(), only("names"))
    assert sum(name.lower() in known for name in names) < 0.3 * len(names)
    assert all(name[0] == name[0].upper() for name in names)
    phrases = random_texts(200, seeded(), only("phrases"))
    assert {text.count(" ") for text in phrases} == {1, 2}


def test_texts_keep_to_the_characters_and_the_length():
    texts = random_texts(400, seeded(), TextStyle(longest=9), characters="abcdeilnorst 0123")
    assert max(map(len, texts)) <= 9
    assert set("".join(texts)) <= set("abcdeilnorst 0123")
    assert all(text == text.strip() and text for text in texts)
    everything = random_texts(4000, seeded())
    assert set("".join(everything)) <= set(TEXT_CHARACTERS + " ")


def test_the_same_seed_gives_the_same_texts():
    assert random_texts(50, seeded(4)) == random_texts(50, seeded(4))
    assert random_texts(50, seeded(4)) != random_texts(50, seeded(5))


def test_a_lexicon_of_ones_own():
    texts = random_texts(100, seeded(), only("words"), lexicon={"Zürich": 3, "Genf": 1})
    assert set(texts) == {"Zürich", "Genf"}


def test_numbers_need_no_word_of_the_lexicon():
    texts = random_texts(200, seeded(), only("numbers"), characters="0123456789.")
    assert set("".join(texts)) == set("0123456789.") and "." in "".join(texts)


def test_what_cannot_be_written_is_said():
    with pytest.raises(ValueError, match="no word of the characters 'qz'"):
        random_texts(1, seeded(), characters="zq")
    with pytest.raises(ValueError, match="1000 texts were drawn"):
        random_texts(1, seeded(), only("phrases"), characters="aeinst")
    with pytest.raises(ValueError, match="weights, not all of them 0"):
        TextStyle(words=0, names=0, numbers=0, letters=0, phrases=0)
    with pytest.raises(ValueError, match="TextStyle.marks is a share from 0 to 1; got 1.5"):
        TextStyle(marks=1.5)
    with pytest.raises(ValueError, match="TextStyle.temper is from 0 to 1; got -0.5"):
        TextStyle(temper=-0.5)
    with pytest.raises(ValueError, match="longest=0"):
        TextStyle(longest=0)
    for count in (True, 2.5, "3", -1, None):
        with pytest.raises(ValueError, match="count is a whole number of at least 0; got"):
            random_texts(count, seeded())


def test_chance_and_words_are_the_callers():
    before = torch.get_rng_state()
    for wrong in (None, 5):
        with pytest.raises(TypeError, match="random_texts needs a torch.Generator"):
            random_texts(3, wrong)
    assert torch.equal(torch.get_rng_state(), before)
    generator = torch.Generator()
    for lexicon in (["hand"], 5, None):
        with pytest.raises(TypeError, match="lexicon is a mapping of words to counts"):
            random_texts(3, generator, lexicon=lexicon)
    with pytest.raises(TypeError, match="The characters of random_texts are"):
        random_texts(3, generator, characters=5)
    with pytest.raises(TypeError, match="style is a TextStyle; got "):
        random_texts(3, generator, {})


@pytest.mark.parametrize(
    "change, message",
    [
        ({"words": math.nan}, "weights, not all of them 0"),
        ({"temper": "a"}, "TextStyle.temper is from 0 to 1; got 'a'"),
        ({"temper": math.nan}, "TextStyle.temper is from 0 to 1; got nan"),
        ({"longest": 2.5}, "longest=2.5"),
        ({"longest": "9"}, "longest='9'"),
        ({"capitals": None}, "TextStyle.capitals is a share from 0 to 1; got None"),
    ],
)
def test_a_style_of_texts_is_of_numbers(change, message):
    with pytest.raises(ValueError, match=message):
        TextStyle(**change)
