"""The list of words that ships, one's own, and a lexicon of them in the decoders."""

from __future__ import annotations

import gzip
import math
import string

import pytest
import torch

from crnn_lib import Alphabet, ctc_loss, exact_search, prefix_beam_search
from crnn_lib.language import (
    NGram,
    fit_share,
    lexicon,
    open_lexicon,
    parse_constraint,
    spelling_model,
    strings,
    with_capitals,
    word_counts,
    word_log_probs,
)

LETTERS = string.ascii_letters + "'"
ALPHABET = Alphabet(LETTERS)


def test_the_list_that_ships():
    counts = word_counts()
    assert len(counts) == 20_000 and list(counts)[0] == "the"
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert min(counts.values()) >= 1 and all(set(word) <= set(LETTERS) for word in counts)
    assert counts.keys() >= {"I", "don't", "London", "handwriting", "coffee"}
    assert not counts.keys() & {"The", "teh", "s", "T"}


def test_the_list_is_small_and_has_its_notice_beside_it():
    from crnn_lib.language.vocabulary import _SHIPPED

    assert (_SHIPPED / "english.txt.gz").stat().st_size <= 150_000
    notice = (_SHIPPED / "NOTICE.txt").read_text(encoding="utf-8")
    assert "Kevin Atkinson" in notice and "WordNet 3.0 Copyright 2006" in notice


def test_ones_own_list(tmp_path):
    text = "\ufeffhand 2\n\nwrite\t7\r\nread 2\n"
    plain, packed = tmp_path / "words.txt", tmp_path / "words.txt.gz"
    plain.write_text(text, encoding="utf-8")
    packed.write_bytes(gzip.compress(text.encode("utf-8")))
    for path in (plain, str(packed)):
        assert list(word_counts(path).items()) == [("write", 7), ("hand", 2), ("read", 2)]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"hand 2\nhand", "row 2: a row is a word and its count, 1 or more.*got 'hand'"),
        (b"hand 0", "row 1: a row is .*got 'hand 0'"),
        (b"left hand 3", "row 1: a row is"),
        (b"hand 2\nread 1\nhand 1", "row 3: 'hand' stands there twice"),
        (b"\n", "holds no words"),
        (b"\xff 3", "not a text file in UTF-8"),
    ],
)
def test_a_list_that_is_none_is_refused(content, message, tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        word_counts(path)


@pytest.mark.parametrize(
    "content",
    # without a time: what a test is called must not depend on when it is collected
    [b"hand 2", gzip.compress(b"hand 2\n" * 99, mtime=0)[:20]],
)
def test_a_damaged_archive_is_named(content, tmp_path):
    path = tmp_path / "words.txt.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="words.txt.gz is not a text file in UTF-8, or .gz of one"):
        word_counts(path)


def test_a_list_has_a_path():
    for source in (None, 5, ["hand"]):
        with pytest.raises(TypeError, match="source is 'english' or the path of .*; got "):
            word_counts(source)


def test_log_probs_are_shares_of_what_can_be_spelled():
    counts = {"the": 6, "hand": 3, "I": 1}
    assert word_log_probs(counts)["I"] == pytest.approx(math.log(0.1))
    small = word_log_probs(counts, string.ascii_lowercase)
    assert small == pytest.approx({"the": math.log(6 / 9), "hand": math.log(3 / 9)})
    with pytest.raises(ValueError, match="spelled with '0123456789'. Take a network that reads l"):
        word_log_probs(counts, "0123456789")


def test_words_by_name(tmp_path):
    english = parse_constraint("words:english", LETTERS)
    assert english.score("the") > english.score("hand") > english.score("handwriting") > -math.inf
    assert not english.accepts("teh")
    (tmp_path / "words.txt").write_text("on 3\nno 1\nIn 5\n")
    own = parse_constraint(f"words:{tmp_path / 'words.txt'}+length:2", "ino")
    assert list(strings(own, 3)) == ["no", "on"]
    assert own.score("on") == pytest.approx(math.log(3 / 4))


def test_weights_are_given_out_early_and_cost_few_states():
    """A step weighs what the likeliest word loses by it, so nothing is left to lose at a word's
    end unless a longer word is likelier."""
    chances = word_log_probs(word_counts())
    found, plain = lexicon(LETTERS, chances), lexicon(LETTERS, list(chances))
    for word in list(chances)[::97]:
        assert found.score(word) == pytest.approx(chances[word], abs=1e-9)
        assert not found.accepts(word + "qq")
    assert plain.num_states < found.num_states < 2 * plain.num_states
    assert found.final.max() == 0.0
    best = [
        max(chance for word, chance in chances.items() if word.startswith(letter))
        for letter in LETTERS[:26]
    ]
    first = found.log_weight[found.start, :26]
    assert first.tolist() == pytest.approx(best)


def noisy_lattices(words: list[str], frames: int, seed: int) -> torch.Tensor:
    """What a network that is not sure would say of these words, (N, T, C)."""
    generator = torch.Generator().manual_seed(seed)
    logits = 1.5 * torch.randn(len(words), frames, 1 + len(LETTERS), generator=generator)
    for n, word in enumerate(words):
        for i, label in enumerate(ALPHABET.encode(word)):
            at = (i + 0.5) * frames / len(word)
            logits[n, int(at), label] += 5.0
        logits[n, :, 0] += 2.0
    return logits.double().log_softmax(2)


@pytest.mark.parametrize("weight", [0.0, 0.6, 1.0])
def test_a_lexicon_in_the_decoders_agrees_with_scoring_every_word(weight):
    chances = word_log_probs(word_counts())
    chances = {word: chances[word] for word in list(chances)[::65][:300] if len(word) <= 14}
    words = list(chances)
    lattices = noisy_lattices(words[::15], 30, seed=55207)  # (N, T, C)
    labels = torch.nn.utils.rnn.pad_sequence(
        [torch.as_tensor(ALPHABET.encode(word)) for word in words], batch_first=True
    )  # (W, L)
    lengths = torch.tensor([len(word) for word in words])
    frames = torch.full((len(words),), lattices.shape[1])
    expected = []
    for lattice in lattices:
        every = lattice.expand(len(words), -1, -1)  # (W, T, C)
        losses = ctc_loss(every, labels, frames, lengths, reduction="none")  # (W,)
        scores = weight * torch.tensor(list(chances.values())) - losses
        expected.append((words[int(scores.argmax())], float(scores.max())))

    language = lexicon(LETTERS, chances)
    options = {"alphabet": ALPHABET, "language": language, "language_weight": weight}
    exact = exact_search(lattices, **options)
    beam = prefix_beam_search(lattices, beam_width=3000, **options)  # all prefixes
    for (word, score), proven, found in zip(expected, exact, beam, strict=True):
        assert proven.proven and proven.text == found.text == word
        assert proven.score == pytest.approx(score) and found.score == pytest.approx(score)
    free = [hypothesis.text for hypothesis in exact_search(lattices, alphabet=ALPHABET)]
    assert free != [word for word, _ in expected], "without a lexicon they are hard to read"


def test_all_words_in_the_decoders():
    """Of 20,000 words the exact search proves the best: neither a beam's nor the one that was
    written has a higher score."""
    chances = word_log_probs(word_counts())
    words = [word for word in list(chances)[::900] if len(word) <= 10]
    lattices = noisy_lattices(words, 24, seed=7)
    options = {"alphabet": ALPHABET, "language": lexicon(LETTERS, chances)}
    exact = exact_search(lattices, **options)
    beam = prefix_beam_search(lattices, beam_width=50, **options)
    assert all(one.proven for one in exact)
    for one, other, word, lattice in zip(exact, beam, words, lattices, strict=True):
        assert one.score >= other.score - 1e-9 and other.text in chances
        label = torch.as_tensor(ALPHABET.encode(word))[None]
        loss = ctc_loss(
            lattice[None], label, torch.tensor([24]), torch.tensor([len(word)]), reduction="sum"
        )
        assert one.score >= chances[word] - float(loss) - 1e-9


@pytest.mark.parametrize("many", [-1.2, 0.25, -3, "3"])
def test_what_is_no_count_is_refused(many):
    """Shares and log-probabilities stand in other mappings of words."""
    with pytest.raises(ValueError, match="Counts are whole numbers, 0 or more; 'hand' has "):
        word_log_probs({"hand": many})
    with pytest.raises(ValueError, match="Counts are whole numbers, 0 or more; 'hand' has "):
        spelling_model({"hand": many})


@pytest.mark.parametrize("words", [["hand", "land"], "hand", None])
def test_words_without_numbers_are_no_mapping(words):
    model = NGram.fit(["hand"], order=1, characters="adhn")
    for name, call in (
        ("counts", word_log_probs),
        ("counts", spelling_model),
        ("log_probs", with_capitals),
        ("log_probs", lambda words: open_lexicon(words, model)),
        ("log_probs", lambda words: fit_share(words, model, ["hand"])),
    ):
        with pytest.raises(TypeError, match=f"^{name} is a mapping of words to numbers, as word_"):
            call(words)
    for wrong in ("hand", None, model.automaton()):
        with pytest.raises(TypeError, match="model is an NGram, such as spelling_model"):
            open_lexicon({"hand": 0.0}, wrong)


def test_words_that_count_nothing_are_left_out():
    assert word_log_probs({"hand": 2, "land": 0}) == {"hand": 0.0}
    for counts in ({}, {"hand": 0}):
        with pytest.raises(ValueError, match="There are no words: all counts are 0, or none"):
            word_log_probs(counts)


def test_counts_are_no_log_probabilities():
    """With counts for log-probabilities a word weighed millions, or exp overflowed."""
    counts, model = {"an": 55207, "na": 3}, NGram.fit(["an"], characters="an")
    for take in (
        with_capitals,
        lambda words: open_lexicon(words, model),
        lambda words: fit_share(words, model, ["an"]),
    ):
        for words in (counts, {"an": math.nan}, {"an": None}, {"an": "-1"}, {"an": True}):
            with pytest.raises(ValueError, match="Log-probabilities are 0 or less; 'an' has "):
                take(words)
        with pytest.raises(TypeError, match="log_probs is a mapping of words to numbers"):
            take(["an"])
        take({"an": 1e-12, "na": -math.inf} if take is with_capitals else {"an": 1e-12})


@pytest.mark.parametrize("share", [None, "a", True, [0.5], math.nan])
def test_shares_of_words_are_numbers(share):
    model = NGram.fit(["an"], characters="an")
    with pytest.raises(ValueError, match="above 0 and below 1; got "):
        open_lexicon({"an": 0.0}, model, share=share)
    for shares in ({"capitalised": share}, {"capitals": share}):
        with pytest.raises(ValueError, match="The shares of capitals are 0 or more"):
            with_capitals({"an": 0.0}, **shares)


def test_a_list_without_a_name_is_no_folder():
    """The path of "" is the folder that one works in."""
    with pytest.raises(TypeError, match="source is 'english' or the path of a text file; got ''"):
        word_counts("")


@pytest.mark.parametrize("weight", [None, True, "1", [1.0], math.nan, math.inf, 1j])
def test_a_word_weighs_a_number(weight):
    with pytest.raises(ValueError, match="A log-weight is a finite number; '5' has "):
        lexicon("57", {"5": weight})


@pytest.mark.parametrize("words", [5, 2.5, True])
def test_words_stand_in_a_list(words):
    with pytest.raises(TypeError, match="words is a list of words, or a mapping of them; got "):
        lexicon("57", words)
