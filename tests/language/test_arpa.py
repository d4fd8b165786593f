"""ARPA models: against a reader of a few lines, against KenLM, and against what sums must be."""

from __future__ import annotations

import gzip
import math
import random
import re
from itertools import product

import numpy as np
import pytest

from crnn_lib.language import NGram, read_arpa

LN10 = math.log(10)
MARKS = ["<s>", "</s>", "<unk>"]


def random_model(path, tokens, order, seed, *, pruned=0.0, unknown=True) -> None:
    """A file with any numbers: what it lists is random, the prices may be above 0."""
    rng = random.Random(seed)
    known = [*tokens, *(["<unk>"] if unknown else [])]
    grams: list[dict] = [dict.fromkeys((w,) for w in ["<s>", "</s>", *known])]
    texts = [["<s>", *rng.choices(known, k=rng.randint(0, 6)), "</s>"] for _ in range(60)]
    for n in range(2, order + 1):
        grams.append({})
        for text in texts:
            for i in range(len(text) - n + 1):
                grams[-1][tuple(text[i : i + n])] = None
    for n in range(2, order):  # what longer ones begin with may be missing
        grams[n - 1] = {g: None for g in grams[n - 1] if rng.random() >= pruned}
    rows = ["", "\\data\\", *(f"ngram {n}={len(g)}" for n, g in enumerate(grams, 1)), ""]
    for n, listed in enumerate(grams, 1):
        rows.append(f"\\{n}-grams:")
        for gram in listed:
            log10 = -99 if gram == ("<s>",) else round(-2 * rng.random(), 4)
            price = f"\t{0.3 - rng.random():.4f}" if n < order and rng.random() < 0.8 else ""
            rows.append(f"{log10}\t{' '.join(gram)}{price if gram[-1] != '</s>' else ''}")
        rows.append("")
    path.write_text("\n".join([*rows, "\\end\\", ""]), encoding="utf-8")


def oracle(path):
    """log10 of a text's probability, by the definition and two dictionaries."""
    log10, price = {}, {}
    for line in path.read_text(encoding="utf-8").splitlines():
        number, _, rest = line.partition("\t")
        words, _, cost = rest.partition("\t")
        if words:
            log10[tuple(words.split(" "))] = float(number)
            price[tuple(words.split(" "))] = float(cost or 0)
    order = max(map(len, log10))

    def next_one(context, word):
        if (*context, word) in log10:
            return log10[(*context, word)]
        if not context:
            return -math.inf
        return price.get(context, 0.0) + next_one(context[1:], word)

    def score(words):
        seen, total = ("<s>",), 0.0
        for word in [*words, "</s>"]:
            word = word if (word,) in log10 else "<unk>"
            total += next_one(seen[max(0, len(seen) - order + 1) :], word)
            seen = (*seen, word)
        return total

    return score


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("pruned", [0.0, 0.4])
def test_texts_score_what_the_definition_says(order, pruned, tmp_path):
    path = tmp_path / "model.arpa"
    finite = 0
    for seed in range(4):
        unknown = seed % 2 == 0
        random_model(path, "abcdef", order, seed, pruned=pruned, unknown=unknown)
        characters = "fXabcdeY"
        model, expected = read_arpa(path, characters), oracle(path)
        tables = model.automaton()
        rng = random.Random(seed)
        for _ in range(40):
            text = "".join(rng.choices(characters if unknown else "abcdefX", k=rng.randint(0, 8)))
            score = expected(text) * LN10
            assert model.score(text) == pytest.approx(score, abs=1e-9)
            assert tables.score(text) == pytest.approx(score, abs=1e-9)
            finite += score > -math.inf
    assert finite > 100


SMALL = """
\\data\\
ngram 1=6
ngram 2=5
ngram 3=3

\\1-grams:
-1.2\t<unk>
-99\t<s>\t-0.25
-0.9\t</s>
-0.7\tfive\t-0.4
-0.8\ttwo\t-0.3
-1.1\tzero\t0.1

\\2-grams:
-0.2\t<s> five\t-0.15
-0.5\tfive five\t-0.05
-0.45\ttwo zero
-0.6\tzero </s>
-0.35\tfive two\t-0.2

\\3-grams:
-0.1\t<s> five five
-0.3\tfive five two
-0.22\tfive two zero

\\end\\
"""
#: What kenlm 0.3.0 says of them, with the beginning and the end of the sentence.
KENLM = {
    "": -1.15,
    "five": -1.65,
    "five five two zero": -1.42,
    "zero zero": -2.95,
    "seven": -2.35,
    "five seven two": -3.95,
    "two zero five five two zero": -3.72,
}


def test_a_model_of_words_scores_what_kenlm_has_said(tmp_path):
    path = tmp_path / "numbers.arpa"
    path.write_text(SMALL)
    model = read_arpa(path)
    assert model.characters == ("five", "two", "zero", "<unk>")
    for text, log10 in KENLM.items():
        words = [word if word != "seven" else "<unk>" for word in text.split()]
        assert model.score(words) == pytest.approx(log10 * LN10, abs=1e-6)
        assert oracle(path)(text.split()) == pytest.approx(log10, abs=1e-6)


def test_a_thousand_texts_score_what_kenlm_says(tmp_path):
    kenlm = pytest.importorskip("kenlm", reason="pip install kenlm builds it with a compiler")
    path, texts = tmp_path / "model.arpa", 0
    for seed in range(10):
        random_model(path, "abcdef", 2 + seed % 4, seed)
        model, peer = read_arpa(path, "abcdefX"), kenlm.Model(str(path))
        rng = random.Random(seed)
        for _ in range(100):
            text = rng.choices("abcdefX", k=rng.randint(0, 6))
            # KenLM holds single precision: seven digits of each number
            log10 = peer.score(" ".join(text))
            assert model.score(text) / LN10 == pytest.approx(log10, rel=1e-6, abs=1e-6)
            texts += 1
    assert texts == 1000


def as_arpa(model: NGram, path) -> None:
    """An n-gram model in the other form: what was seen is listed, the rest pays for it."""
    letters = [*model.characters, "</s>"]
    rows: dict[int, list[str]] = {}
    seen: dict = {}
    for context, row in model.counts.items():
        for cut in range(len(context) + 1):
            seen.setdefault(context[cut:], set()).update(
                letter for letter, count in zip(letters, row, strict=True) if count
            )
    seen[""] = set(letters)
    chances = {
        context: dict(zip(letters, model._distributions[context], strict=True)) for context in seen
    }
    named = {"\x02": "<s>"}
    for context, listed in seen.items():
        for letter in sorted(listed):
            gram, price = context + letter, ""
            if letter != "</s>" and gram in seen:
                left = 1 - sum(chances[gram][x] for x in seen[gram])
                rest = 1 - sum(chances[gram[1:]][x] for x in seen[gram])
                price = f"\t{math.log10(left / rest):.12f}" if rest > 1e-12 else ""
            tokens = [*(named.get(x, x) for x in context), letter]
            rows.setdefault(len(tokens), []).append(
                f"{math.log10(chances[context][letter]):.12f}\t{' '.join(tokens)}{price}"
            )
    left = 1 - sum(chances["\x02"][x] for x in seen["\x02"])
    rest = 1 - sum(chances[""][x] for x in seen["\x02"])
    rows[1].append(f"-99\t<s>\t{math.log10(left / rest):.12f}")
    lines = ["\\data\\", *(f"ngram {n}={len(rows[n])}" for n in sorted(rows)), ""]
    for n in sorted(rows):
        lines += [f"\\{n}-grams:", *rows[n], ""]
    path.write_text("\n".join([*lines, "\\end\\", ""]))


@pytest.mark.parametrize("order", [2, 3])
def test_probabilities_of_all_strings_sum_to_what_they_should(order, tmp_path):
    path = tmp_path / "model.arpa"
    source = NGram.fit(["abac", "cab", "bb", "a", "cacb"], order=order, characters="abc")
    as_arpa(source, path)
    model = read_arpa(path)
    for text in ("", "abac", "ccc", "bacab"):
        assert model.score(text) == pytest.approx(source.log_prob(text), abs=1e-9)
    ended = sum(
        math.exp(model.score("".join(text))) for n in range(5) for text in product("abc", repeat=n)
    )
    going_on = 0.0  # what has five characters or more
    for text in product("abc", repeat=5):
        state, total = model.start, 0.0
        for letter in text:
            state, weight = model.step(state, model.characters.index(letter))
            total += weight
        going_on += math.exp(total)
    assert 0.2 < ended < 1 and ended + going_on == pytest.approx(1, abs=1e-9)
    best = max(model.score("".join(t)) for n in range(5) for t in product("abc", repeat=n))
    assert best <= model.most <= 0


def test_files_come_gzipped_with_comments_and_with_other_line_ends(tmp_path):
    plain, packed, windows = (tmp_path / name for name in ("a.arpa", "a.arpa.gz", "w.arpa"))
    plain.write_text(SMALL)
    packed.write_bytes(gzip.compress(SMALL.encode()))
    windows.write_bytes(
        ("made by hand\n" + SMALL.replace("\t", " ")).replace("\n", "\r\n").encode()
    )
    texts = [["five", "two"], ["zero"], []]
    expected = [read_arpa(plain).score(text) for text in texts]
    for path in (packed, windows):
        assert [read_arpa(path).score(text) for text in texts] == expected


def test_a_space_is_the_token_that_one_names(tmp_path):
    path = tmp_path / "model.arpa"
    path.write_text(SMALL.replace("zero", "|").replace("five", "5").replace("two", "2"))
    model = read_arpa(path, space="|")
    assert model.characters == "52 "
    assert model.score("5 2") == read_arpa(path).score("5|2") > -math.inf
    assert read_arpa(path, "2 5", space="|").score("5 2") == model.score("5 2")
    with pytest.raises(ValueError, match="does not list the token '<space>'"):
        read_arpa(path, space="<space>")
    with pytest.raises(ValueError, match="lists none of the characters 'abc', but tokens such as"):
        read_arpa(path, "abc")


def test_without_marks_the_end_is_free_and_the_beginning_is_like_any_place(tmp_path):
    path = tmp_path / "model.arpa"
    path.write_text("\\data\\\nngram 1=2\n\\1-grams:\n-0.5 a\n-1 b\n\\end\\\n")
    model = read_arpa(path)
    assert model.score("ab") == pytest.approx(-1.5 * LN10)
    assert model.score("") == 0 and model.score("c") == -math.inf


@pytest.mark.parametrize(
    "old, new, message",
    [
        (
            "\\data\\",
            "data",
            r"line 1: expected an ARPA file, .* a line is '\\data\\'; got ''",
        ),
        ("ngram 2=5", "ngram 3=5", r"line 4: expected 'ngram 2=' and a number; got 'ngram 3=5'"),
        ("ngram 2=5", "bigrams: 5", r"line 4: expected '\\1-grams:'; got 'bigrams: 5'"),
        ("\\2-grams:", "2-grams:", r"line 15: expected '\\2-grams:'; got '2-grams:'"),
        ("ngram 1=6", "ngram 1=7", r"line 14: expected one of 7 1-grams: .*; got ''"),
        ("ngram 1=6", "ngram 1=5", r"line 13: expected '\\2-grams:'; got '-1.1\\tzero\\t0.1'"),
        ("-0.45\ttwo zero", "-0.45\ttwo", r"line 18: expected one of 5 2-grams.* 2 tokens"),
        ("-0.45\ttwo", "x\ttwo", r"line 18: expected a logarithm, a number, not 'x'"),
        ("-0.45\ttwo", "nan\ttwo", r"line 18: expected a logarithm of a probability, 0 or less"),
        ("-0.45\ttwo", "0.45\ttwo", r"line 18: expected a logarithm of a probability, 0 or less"),
        ("five\t-0.15", "five\tinf", r"line 16: expected a back-off weight, a finite number"),
        ("five\t-0.15", "five\t-inf", r"line 16: expected a back-off weight, a finite number"),
        ("five\t-0.15", "five\t?", r"line 16: expected a back-off weight, a number, not '\?'"),
        (
            "two zero\n-0.6",
            "two nine\n-0.6",
            r"line 18: expected tokens that are among the",
        ),
        ("-0.8\ttwo", "-0.8\tfive", r"line 12: expected a token that was not listed before"),
        ("five five\t-0.05", "five two\t-0.05", r"line 20: expected an n-gram that was not listed"),
        ("five two zero", "five two zero\t-1", r"line 25: expected a logarithm and 3 tokens, for"),
        ("\\end\\", "", r"'.*' ends in line 28; expected was '\\end\\'"),
        ("\\3-grams:\n-0.1", "-0.1", r"line 22: expected '\\3-grams:'; got '-0.1\\t<s> five five'"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_line(old, new, message, tmp_path):
    path = tmp_path / "broken.arpa"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read_arpa(path)


def test_what_is_no_text_is_told(tmp_path):
    path = tmp_path / "broken.arpa.gz"
    path.write_bytes(gzip.compress(SMALL.encode())[:-20])
    with pytest.raises(ValueError, match="is gzipped, and damaged"):
        read_arpa(path)
    path.write_bytes(SMALL.encode().replace(b"zero", b"z\xffro"))
    with pytest.raises(ValueError, match="line 13: expected a token in UTF-8"):
        read_arpa(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="line 1: expected an ARPA file"):
        read_arpa(path)
    with pytest.raises(FileNotFoundError):
        read_arpa(tmp_path / "none.arpa")
    for path in (None, 0):
        with pytest.raises(TypeError, match="path is that of a file, .*; got"):
            read_arpa(path)


# --- States that are made when they are reached ---------------------------------------------------


def walk(automaton, text):
    """A score by what the decoders ask for, one character after the other."""
    state, total = np.array([automaton.start]), 0.0
    for character in text:
        counts, columns, targets, weights = automaton.arcs(state)
        assert counts.tolist() == [len(columns)] and (np.diff(columns) > 0).all()
        at = columns.tolist().index(automaton.characters.index(character))
        total += weights[at]
        state = targets[at : at + 1]
    return total + automaton.final_weights(state)[0]


def test_large_models_number_their_states_as_they_are_reached(tmp_path, monkeypatch):
    path = tmp_path / "model.arpa"
    random_model(path, "abcdef", 4, 7)
    small = read_arpa(path)
    assert small.num_states == small.automaton().num_states > 100
    monkeypatch.setattr("crnn_lib.language.sparse.MANY_STEPS", 0)
    large = read_arpa(path)
    assert large.num_states is None and large.start == 0
    rng = random.Random(1)
    for _ in range(50):
        text = "".join(rng.choices("abcdef", k=rng.randint(0, 7)))
        expected = small.score(text)
        assert walk(small, text) == pytest.approx(expected)
        assert walk(large, text) == pytest.approx(expected)
        assert large.score(text) == pytest.approx(expected)
    everything = np.arange(small.num_states)
    counts, columns, targets, weights = small.arcs(everything)
    assert counts.tolist() == [6] * small.num_states  # no character is forbidden
    tables = small.automaton()
    assert (tables.next_state.reshape(-1) == targets).all()
    assert tables.log_weight.reshape(-1) == pytest.approx(weights)
    assert (small.distances(everything) == 0).all()


def test_a_mark_of_the_byte_order_is_no_part_of_the_file(tmp_path):
    path = tmp_path / "small.arpa"
    path.write_bytes(SMALL.encode("utf-8-sig").replace(b"\n", b"\r\n"))
    plain = tmp_path / "plain.arpa"
    plain.write_text(SMALL)
    for text in (["two"], ["five", "zero"], []):
        assert read_arpa(path).score(text) == read_arpa(plain).score(text) > -math.inf


@pytest.mark.parametrize("claimed", [9, 200_000, 10**13])
def test_a_file_that_claims_to_hold_more_is_told_where_it_holds_less(claimed, tmp_path):
    """Without room for what nobody wrote: 10**13 numbers are 80 TB."""
    path = tmp_path / "broken.arpa"
    path.write_text(re.sub("ngram 2=.*", f"ngram 2={claimed}", SMALL))
    with pytest.raises(ValueError, match=f"line 21: expected one of {claimed} 2-grams: a log"):
        read_arpa(path)
