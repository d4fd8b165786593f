"""Labels and settings of other libraries: what they said is recorded, with their versions."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from crnn_lib import Alphabet, best_path, decode
from crnn_lib.decoders import alphabet_from, from_pyctcdecode

ARPA = """\\data\\
ngram 1=6
ngram 2=4

\\1-grams:
-2.5\t<unk>
-99\t<s>\t-0.3
-0.9\t</s>
-0.7\tab\t-0.4
-1.1\ta\t-0.2
-0.8\tba\t-0.5

\\2-grams:
-0.3\t<s> ab
-0.2\tab ba
-0.6\tba </s>
-0.4\tba a

\\end\\
"""
TEXTS = ["ab", "ba", "a", "ab ba", "ba a", "ab ab ba", "bb", "ab bb", "bb ba a"]
SETTINGS = (
    {},
    {"alpha": 0.8, "beta": 0.0},
    {"alpha": 0.3, "beta": -0.5, "unk_score_offset": -2.0},
)
#: What the language model and the hot words ("ba a", weight 1.5) of pyctcdecode 0.5.0 with
#: kenlm 0.3.0 add to the score of these texts, in these settings.
GAINS = (
    [-0.3421, 1.0428, 0.1218, 3.2336, 3.0066, 3.4672, -14.2727, -13.2332, -9.8845],
    [-2.9473, -1.6315, -3.1052, -0.5263, -1.7894, -2.5525, -25.2363, -25.9732, -24.8152],
    [-1.6052, -0.1743, -0.7269, -0.2599, 0.204, -1.5197, -4.4374, -5.2137, -3.4045],
)


@pytest.fixture
def arpa(tmp_path):
    path = tmp_path / "words.arpa"
    path.write_text(ARPA)
    return path


@pytest.mark.parametrize("number", range(3))
def test_a_text_gains_what_pyctcdecode_gives_it(number, arpa):
    labels = ["", "a", "b", " "]
    settings = {**SETTINGS[number], "hotwords": ["ba a"], "hotword_weight": 1.5}
    language = from_pyctcdecode(labels, arpa, **settings).language
    gains = [language.score(text) for text in TEXTS]
    assert gains == pytest.approx(GAINS[number], abs=2e-4)  # recorded to four digits


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor])
def test_sure_lines_are_read_as_pyctcdecode_reads_them(array, arpa):
    """It returned each text, for the lattice that says it.

    The unknown words, too; here those are not sure enough: known ones score higher by 9 or more.
    """
    labels = ["", "a", "b", " "]
    decoder = from_pyctcdecode(labels, arpa)
    for text in TEXTS[:6]:
        scores = np.zeros((3 * len(text), 4))
        scores[:, 0] = 5.0
        for i, character in enumerate(text):
            scores[3 * i + 1, [0, labels.index(character)]] = 0.0, 5.0
        line = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        assert decoder.decode(array(line)) == text


def test_what_scores_highest_is_found(arpa):
    """Not always by pyctcdecode: its partial scores lose texts on the way."""
    decoder = from_pyctcdecode(["", "a", "b", " "], arpa, hotwords=["a"])
    random = np.random.default_rng(55207)
    for _ in range(5):
        scores = 2 * random.normal(size=(6, 4))
        line = torch.from_numpy(scores).log_softmax(1)
        (found,) = decoder.decode_batch(line[None], 2000)
        every = decode(line, alphabet=decoder.alphabet, kind="log_probs", beam_width=3000,
                       n_best=3000)[0]  # fmt: skip
        best = max(every, key=lambda h: h.log_prob + decoder.language.score(h.text))
        assert found.text == best.text
        gain = decoder.language.score(best.text)
        assert found.score == pytest.approx(best.log_prob + gain)


def test_without_a_model_there_are_hot_words_or_nothing():
    assert from_pyctcdecode(["", "a"]).language is None
    language = from_pyctcdecode(["", "a", "b", " "], hotwords=["a", "b"]).language
    assert language.over("ab ").score("a b c".replace(" c", "")) == 20
    with pytest.raises(ValueError, match="one code point each; got \\['ab'\\]"):
        from_pyctcdecode(["", "ab", "c"], "any.arpa")


def test_a_model_without_unk_knows_its_words_alone(tmp_path):
    path = tmp_path / "closed.arpa"
    path.write_text(ARPA.replace("ngram 1=6", "ngram 1=5").replace("-2.5\t<unk>\n", ""))
    decoder = from_pyctcdecode(["", "a", "b", " "], path)
    assert decoder.language.accepts("ab ba") and not decoder.language.accepts("bb")
    some = from_pyctcdecode(["", "a", "b", " "], path, unigrams=["ab"])
    assert some.language.accepts("ab ab") and not some.language.accepts("ba")
    nothing = torch.tensor([[0.0, 30.0, 0.0, 0.0]]).log_softmax(1)
    assert some.decode(nothing) == ""


@pytest.mark.parametrize(
    "labels, convention, characters, blank",
    [
        # pyctcdecode 0.5.0 turns these into the labels that stand in the comments
        (["a", "b", " ", ""], "pyctcdecode", "ab ", 3),  # a, b, space, blank
        (["|", "a", "[PAD]", "[UNK]"], "pyctcdecode", " a\u2047", 2),  # space, a, blank, \u2047
        (["_", "a", " "], "pyctcdecode", "a ", 0),  # blank, a, space
        (["a", " "], "pyctcdecode", "a ", 2),  # a, space, and a blank behind them
        (["", "_", " ", "|"], "pyctcdecode", "_ |", 0),  # where "" is, _ is a character
        (["-", "|", "e", "t", "'"], "torchaudio", " et'", 0),
        (["e", "t", "|", "-"], "torchaudio", "et ", 3),
        ([" ", "a", "b", "'"], "nemo", " ab'", 4),
        (["<unk>", "\u2581th", "e"], "nemo", ("\u2047", "\u2581th", "e"), 3),
        ({"[PAD]": 2, "|": 0, "a": 1, "[UNK]": 3}, "huggingface", " a\u2047", 2),
    ],
)
def test_labels_by_their_conventions(labels, convention, characters, blank):
    alphabet = alphabet_from(labels, convention)
    assert alphabet == Alphabet(characters, blank)
    assert alphabet.num_classes == len(labels) + (blank == len(labels))


#: transformers 5.24.0: Wav2Vec2CTCTokenizer("vocab.json").decode(classes) of this vocabulary
VOCABULARY = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "E": 5, "T": 6, "A": 7}
DECODED = {
    (0, 5, 5, 0, 5, 4, 4, 6, 0, 7, 0, 3, 1, 2): "EE TA<unk><s></s>",
    (6, 0, 6, 4, 0, 4, 7): "TT  A",
}


def sure(classes, count) -> torch.Tensor:
    scores = torch.zeros(len(classes), count)
    scores[range(len(classes)), list(classes)] = 20.0
    return scores.log_softmax(1)


def test_a_vocabulary_of_hugging_face_reads_as_its_tokenizer(tmp_path):
    path = tmp_path / "vocab.json"
    path.write_text(json.dumps(VOCABULARY))
    alphabet = alphabet_from(path, "huggingface")
    assert alphabet == alphabet_from(VOCABULARY, "huggingface")
    private = {"<unk>": "\u2047", "<s>": "\ue000", "</s>": "\ue001"}
    for classes, text in DECODED.items():
        (found,) = best_path(sure(classes, 8), alphabet=alphabet)
        for name, character in private.items():
            text = text.replace(name, character)
        assert found.text == text


def test_tokens_of_torchaudio_in_a_file(tmp_path):
    """flashlight-text 0.0.7, torchaudio's decoder: tokens 3, 2, 1, 3 without blanks and repeats."""
    path = tmp_path / "tokens.txt"
    path.write_text("-\n|\ne\nt\n")
    alphabet = alphabet_from(path, "torchaudio")
    (found,) = best_path(sure([0, 3, 0, 2, 2, 1, 0, 3, 3], 4), alphabet=alphabet)
    assert found.label == (3, 2, 1, 3) and found.text == "te t"


@pytest.mark.parametrize(
    "labels, convention, message",
    [
        (["a"], "keras", "convention is one of pyctcdecode, .*; got 'keras'"),
        (["a", "|"], "torchaudio", "one label is the blank, .*; 0 of"),
        (["<pad>", "[PAD]", "a"], "huggingface", "one label is the blank, .*; 2 of"),
        (
            {"a": 0, "<pad>": 2},
            "huggingface",
            "have the classes 0 to 1, .* got \\[0, 2\\]",
        ),
        ([], "nemo", "labels are texts, one for each class; got \\[\\]"),
        (["a", 1], "nemo", "labels are texts"),
        (["a", "a"], "nemo", "'a' stands more often"),
    ],
)
def test_labels_that_make_no_alphabet_are_refused(labels, convention, message):
    with pytest.raises(ValueError, match=message):
        alphabet_from(labels, convention)


@pytest.mark.parametrize(
    "content, convention, characters",
    [
        ("[PAD]\n[UNK]\na\nb\n", "huggingface", "\u2047ab"),  # rows, and no JSON
        ("\ufeff-\r\n|\r\na\r\n", "torchaudio", " a"),  # as Windows writes it
        ('\ufeff{\n "a": 0,\n "[PAD]": 1\n}', "huggingface", "a"),
        ('["[PAD]", "a"]', "huggingface", "a"),
        ('[\n "[PAD]",\n "a"\n]', "huggingface", "a"),
        ('{"a": "1", "[PAD]": "0"}', "huggingface", "a"),
    ],
)
def test_files_of_labels_as_they_are_written(content, convention, characters, tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(content.encode())
    assert alphabet_from(path, convention).characters == characters


@pytest.mark.parametrize(
    "content, message",
    [
        (b'{"a": 0,', "labels begins as JSON does, and is none"),
        (b"\xe9\n-\n", "labels is not a text file in UTF-8"),
        (b'{"eng": {"a": 0, "[PAD]": 1}}', "have the classes 0 to 0, each once; got .*'a'"),
        (b'{"a": 0.5, "[PAD]": 1}', r"have the classes 0 to 1, each once; got \[0.5, 1\]"),
        (b'{"a": null, "[PAD]": 1}', r"have the classes 0 to 1, each once; got \[None, 1\]"),
    ],
)
def test_files_that_hold_no_labels_are_named(content, message, tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        alphabet_from(path, "huggingface")


@pytest.mark.parametrize("name", ["unigrams", "hotwords"])
def test_one_word_is_no_list_of_its_letters(name, arpa):
    with pytest.raises(TypeError, match=rf"{name} is a list of words, such as \['ab'\]; got a str"):
        from_pyctcdecode(["", "a", "b", " "], arpa, **{name: "ab"})


@pytest.mark.parametrize("labels", [5, True, {"-", "a", "b"}, b"-ab", iter([]), np.ones(3)])
def test_labels_stand_in_the_order_of_the_classes(labels):
    """Those of a set came in another order in each process."""
    with pytest.raises(ValueError, match="labels are texts, one for each class; got "):
        alphabet_from(labels, "torchaudio")


def test_labels_may_be_an_array_or_be_read_once():
    expected = alphabet_from(["-", "a", "b"], "torchaudio")
    assert alphabet_from(iter(["-", "a", "b"]), "torchaudio") == expected
    assert alphabet_from(np.array(["-", "a", "b"]), "torchaudio") == expected


@pytest.mark.parametrize("name", ["alpha", "beta", "unk_score_offset"])
@pytest.mark.parametrize("number", [None, "1", True, [1.0], float("nan"), float("inf")])
def test_settings_are_numbers(name, number):
    """Without a model they were not even looked at."""
    with pytest.raises(ValueError, match=f"{name} is a finite number; got "):
        from_pyctcdecode(["", "5", "7"], **{name: number})


def test_words_are_listed_and_none_is_not_all(tmp_path):
    for name in ("unigrams", "hotwords"):
        for wrong in (5, [5], [None]):
            with pytest.raises(TypeError, match=f"{name} is a list of words; got "):
                from_pyctcdecode(["", "5", "7"], **{name: wrong})
    path = tmp_path / "model.arpa"
    path.write_text(ARPA)
    with pytest.raises(ValueError, match="A lexicon needs at least one word"):
        from_pyctcdecode(["", "a", "b", " "], path, unigrams=[])


def test_a_ported_decoder_reads_one_line():
    decoder = from_pyctcdecode(["", "5", "7"])
    line = torch.zeros(4, 3).log_softmax(1)
    assert decoder.decode(line) == decoder.decode(line.numpy()) == decoder.decode(line[None])
    with pytest.raises(TypeError, match="log_probs is a tensor or an array; got list"):
        decoder.decode(line.tolist())
    with pytest.raises(ValueError, match=r"decode reads one line, \(T, C\); got \(2, 4, 3\)"):
        decoder.decode(torch.stack([line, line]))
