"""Trials of the decoders: lattices of all kinds, and options that nobody should give."""

from __future__ import annotations

import math

import numpy as np
import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import ctc_loss, minimum_frames
from crnn_lib.decoders import best_path, best_path_labels, decode, exact_search, prefix_beam_search
from crnn_lib.language import NGram, WeightedAutomaton, parse_constraint

REFUSALS = (ValueError, TypeError)
SECONDS, MEGABYTES = 30, 1000

ALPHABETS = [
    *(Alphabet(), Alphabet(blank=10), Alphabet("0"), Alphabet("5", 1), Alphabet("01", 1)),
    *(Alphabet("aé語", 2), Alphabet("0123456789.,-", 3)),
]
CONSTRAINTS = ["luhn", "date", "length:5", "length:2-", "length:0-3", "isbn13", "pattern:5*07"]
CONSTRAINTS += ["amount:552.07", "luhn+length:6", "pattern:??+length:2-7"]


def prepare(folder):
    texts = ["55207", "5520", "7", "1234567", "552", "0"]
    languages = [parse_constraint(words, "0123456789") for words in CONSTRAINTS]
    languages.append(NGram.fit(texts, order=3).automaton())
    lattice = torch.zeros(1, 3, 11).log_softmax(-1)
    for language in (None, languages[0]):  # compile
        prefix_beam_search(lattice, language=language)
        exact_search(lattice, language=language)
    return languages


def attempt(chance, languages) -> str:
    alphabet = chance.choice(ALPHABETS)
    draw = np.random.default_rng(chance.getrandbits(64))
    values = lattices(chance, draw, alphabet.num_classes)
    given, frame_lengths = in_some_form(chance, values), lengths(chance, draw, values)
    if isinstance(given, torch.Tensor):  # in few digits, perhaps
        values = given.detach().double().numpy()
    elif isinstance(given, np.ndarray):
        values = given.astype(np.float64)
    language = any_language(chance, draw, alphabet, languages)
    options = {}
    if language is not None:
        options["language"] = language
    if chance.random() < 0.2:
        options["language_weight"] = some(chance, [0, 0.5, 2.0, 50.0, 1e300], [-1.0, math.nan])
    if chance.random() < 0.2:
        options["length_bonus"] = some(chance, [0.5, -3.0, 40.0, -1e300], [math.inf, math.nan])
    if chance.random() < 0.1:
        options["threads"] = some(chance, [1, 2], [0, 1.5, None])
    name = chance.choice(["best", "labels", "beam", "beam", "exact", "exact", "decode"])
    if name == "labels":
        labels = best_path_labels(given, frame_lengths, blank=alphabet.blank)
        assert all(alphabet.blank not in label for label in labels)
        return "labels"
    if name == "best":
        scores = chance.random() < 0.9
        found = best_path(given, frame_lengths, alphabet=alphabet, scores=scores)
        check(found, values, frame_lengths, alphabet, None, scores)
        return "best path"
    if name == "decode":
        options = {"layout": some(chance, ["NTC", "NTC", "TNC", "NCT"], ["CTN", None])}
        options["kind"] = some(chance, ["logits", "logits", "log_probs", "probs"], ["scores"])
        options["decoder"] = some(chance, ["best-path", "beam", "exact"], ["best"])
        for hypothesis in decode(given, frame_lengths, alphabet=alphabet, **options):
            assert hypothesis.text == alphabet.decode(hypothesis.label)
        return "decoded"
    if name == "exact":
        options["budget"] = some(chance, [0, 1, 20, 300, 2000], [-1, 2.5, "many"])
        found = exact_search(given, frame_lengths, alphabet=alphabet, **options)
        check(found, values, frame_lengths, alphabet, language)
        return "exact"
    options["beam_width"] = some(chance, [1, 2, 3, 10, 50], [0, True, None])
    options["reference"] = values.size < 300 and chance.random() < 0.3
    if chance.random() < 0.3:
        options["n_best"] = some(chance, [1, 3, 100], [0, -2, 1.5])
    found = prefix_beam_search(given, frame_lengths, alphabet=alphabet, **options)
    if "n_best" in options:
        for ranked in found:
            scores = [hypothesis.score for hypothesis in ranked]
            assert len(ranked) <= options["n_best"]
            assert scores == sorted(scores, reverse=True) or near_ties(scores), scores
        found = [ranked[0] if ranked else None for ranked in found]
    check(found, values, frame_lengths, alphabet, language)
    return "beam"


def some(chance, sound: list, wrong: list):
    """One of the sound ones, or now and then one that is to be refused."""
    return chance.choice(wrong if chance.random() < 0.03 else sound)


def near_ties(scores) -> bool:
    return all(a >= b - 1e-8 for a, b in zip(scores, scores[1:], strict=False))


def check(found, values, frame_lengths, alphabet, language, scores: bool = True) -> None:
    """What must hold of any hypothesis, whatever it was found in."""
    values = values if values.ndim == 3 else values[None]
    count, frames, _ = values.shape
    lengths = [frames] * count if frame_lengths is None else [int(n) for n in frame_lengths]
    assert len(found) == count
    for line, length, hypothesis in zip(values, lengths, found, strict=True):
        if hypothesis is None:
            assert language is not None
            continue
        label = list(hypothesis.label)
        assert minimum_frames(label) <= length
        assert hypothesis.text == alphabet.decode(label)
        assert language is None or language.accepts(hypothesis.text)
        places = [edge for span in hypothesis.spans for edge in (span.start, span.end)]
        assert places == sorted(places) and all(0 <= place <= length for place in places)
        assert [span.label for span in hypothesis.spans] == label
        if not scores:
            assert math.isnan(hypothesis.log_prob) and not hypothesis.proven
            continue
        assert hypothesis.log_prob <= 0.02 * (length + 1)  # the input may be rounded that much
        assert not hypothesis.proven or hypothesis.score >= hypothesis.bound - 1e-9
        if 0 < length <= 40:  # the score is the label's own, by the other road
            line = torch.from_numpy(np.array(line[:length], np.float64))[None]
            batch = (torch.tensor([label], dtype=torch.long), [length], [len(label)])
            loss = float(ctc_loss(line, *batch, blank=alphabet.blank, reduction="none"))
            near = math.isclose(-loss, hypothesis.log_prob, rel_tol=1e-4, abs_tol=1e-3)
            assert near or -loss == hypothesis.log_prob, (loss, hypothesis.log_prob)


# ---------------------------------------------------------------------------- what is given


def lattices(chance, draw, classes: int) -> np.ndarray:
    """Log-probabilities (N, T, C) or (T, C), float64, most of them sound."""
    frames = chance.choice([0, 1, 2, 3, 7, 12, 25, 40])
    count = chance.choice([0, 1, 1, 1, 2, 3, 5])
    if chance.random() < 0.02:
        frames, count = chance.choice([300, 800, 2000]), 1
    if chance.random() < 0.03:
        classes = chance.choice([0, 1, 2, 64])  # mostly not the alphabet's
    shape = (count, frames, classes)
    kind = chance.choice(
        ["flat", "noise", "network", "network", "certain", "ties", "blanks", "tiny"]
    )
    logits = draw.normal(size=shape) * chance.choice([0.1, 1, 3, 30])
    if kind == "flat":
        logits = np.zeros(shape)
    elif kind in ("network", "blanks") and logits.size:
        best = draw.integers(0, classes, (count, frames))
        logits += 12.0 * (np.arange(classes) == (0 if kind == "blanks" else best[..., None]))
    elif kind == "ties":
        logits = np.round(logits)
    elif kind == "tiny":
        logits = logits * 300
    if not logits.size:
        return logits if chance.random() < 0.8 or not count else logits[0]
    with np.errstate(all="ignore"):
        values = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    if kind == "certain":  # one class each frame, the others never
        values = np.where(values == values.max(-1, keepdims=True), 0.0, -np.inf)
    hostile(chance, draw, values)
    return values[0] if count == 1 and chance.random() < 0.5 else values


def hostile(chance, draw, values: np.ndarray) -> None:
    """Now and then, spoil some numbers in place."""
    if chance.random() < 0.85:
        return
    n, t, c = (int(draw.integers(0, size)) for size in values.shape)
    kind = chance.choice(
        ["nan", "inf", "never", "frame of never", "all never", "scaled", "shifted"]
    )
    if kind in ("nan", "inf", "never"):
        values[n, t, c] = {"nan": np.nan, "inf": np.inf, "never": -np.inf}[kind]
    elif kind == "frame of never":
        values[n, t] = -np.inf
    elif kind == "all never":
        values[:] = -np.inf
    elif kind == "scaled":
        values *= chance.choice([0.5, 2.0, -1.0, 1e300])
    else:
        values += chance.choice([1e-4, 0.01, 1.0, -5.0, 1e308])


def in_some_form(chance, values: np.ndarray):
    """The same numbers as another program may hold them."""
    if chance.random() < 0.03:
        return chance.choice([values.tolist(), None, "55207", np.zeros(values.shape, int)])
    with np.errstate(all="ignore"):
        values = values.astype(chance.choice(["f2", "f4", "f4", "f8", ">f4", ">f8", "g"]))
    layout = chance.choice(["plain", "plain", "fortran", "strided", "reversed", "locked"])
    if layout == "fortran":
        values = np.asfortranarray(values)
    elif layout == "strided":
        values = np.repeat(values, 2, axis=-1)[..., ::2]
    elif layout == "reversed":
        values = values[..., ::-1].copy()[..., ::-1]
    elif layout == "locked":
        values = values.copy()
        values.flags.writeable = False
    if chance.random() < 0.4 or values.dtype == np.longdouble:
        return values
    tensor = torch.from_numpy(np.array(values, values.dtype.type, order="C"))
    form = chance.choice(["plain", "transposed", "bfloat16", "learns", "half", "strided"])
    if form == "transposed":
        tensor = tensor.mT.contiguous().mT
    elif form == "strided":
        tensor = tensor.repeat_interleave(2, -2)[..., ::2, :]
    elif form == "learns":
        tensor = tensor.requires_grad_()
    elif form in ("bfloat16", "half"):
        tensor = tensor.to(torch.bfloat16 if form == "bfloat16" else torch.half)
    return tensor


def lengths(chance, draw, values: np.ndarray):
    """Frame lengths that fit, or nearly."""
    if values.ndim == 2 or chance.random() < 0.4:
        return None
    count, frames, _ = values.shape
    found = draw.integers(0, frames + 1, count)
    odd = chance.random()
    if odd < 0.02:
        return chance.choice(["5", [None] * count, [[1], [1, 2]], -1, {}, [10**30] * count])
    if odd < 0.04:
        found = found + chance.choice([-1, 1, 2**40])
    elif odd < 0.06:
        found = np.append(found, 1)
    elif odd < 0.07:
        return found + 0.5
    form = chance.choice(["array", "tensor", "list", "int32", "uint8"])
    if form == "tensor":
        return torch.from_numpy(found)
    if form == "list":
        return found.tolist()
    return found.astype({"array": np.int64, "int32": np.int32, "uint8": np.uint8}[form])


def any_language(chance, draw, alphabet, languages):
    """None, one of some real languages, or a random automaton."""
    if chance.random() < 0.5:
        return None
    if alphabet.characters.startswith("0123456789") and chance.random() < 0.6:
        return chance.choice(languages)
    if chance.random() < 0.05:
        return chance.choice(["luhn", languages, chance.choice(languages)])
    states = chance.randint(1, 6)
    characters = "".join(
        chance.sample(alphabet.characters, chance.randint(1, len(alphabet.characters)))
    )
    after = draw.integers(-1, states, (states, len(characters)))
    weights = draw.normal(size=after.shape) * chance.choice([0, 1, 100, 1000])
    final = np.where(draw.random(states) < 0.5, draw.normal(size=states), -np.inf)
    return WeightedAutomaton(characters, after, weights, final, chance.randrange(states))
