"""Long lines fill a band of the table: the same as the whole table, or it is said."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import ctc_loss, forced_alignment
from crnn_lib.decoders import BestPath, PrefixBeam, _windows, best_path, prefix_beam_search
from crnn_lib.language import lexicon

KINDS = (
    "noise",
    "flat",
    "peaky",
    "repeated",
    "noise, then peaky",
    "forbidden",
    "no blanks",
    "many blanks",
    "extreme",
)


def scores_of(kind: str, frames: int, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Logits of a line, (T, C), the blank first."""
    scores = rng.normal(size=(frames, classes))
    if kind in ("noise", "no blanks", "many blanks"):
        scores = rng.gumbel(size=scores.shape) * (rng.uniform(0.3, 3) if kind == "noise" else 1.0)
        scores[:, 0] += {"no blanks": -12.0, "many blanks": 6.0}.get(kind, 0.0)
    elif kind == "flat":
        scores *= 1e-3 * (rng.random() < 0.5)
    elif kind == "peaky":
        scores[:, 0] += 9.0
        for t in range(2, frames, int(rng.integers(2, 6))):
            scores[t, rng.integers(1, classes)] += rng.uniform(5, 20)
    elif kind == "repeated":
        scores[:, 0] += 6.0
        for i, t in enumerate(range(1, frames, 2)):
            scores[t, 1 + i % min(2, classes - 1)] += 12.0
    elif kind == "noise, then peaky":
        half = frames // 2
        parts = [scores_of(k, n, classes, rng) for k, n in (("noise", half), ("peaky", frames))]
        scores = np.concatenate(parts)[:frames]
    elif kind == "forbidden":
        scores = rng.gumbel(size=scores.shape) * 2
        scores[rng.random(scores.shape) < 0.3] = -np.inf
        scores[np.arange(frames), rng.integers(0, classes, frames)] = 0.0
    elif kind == "extreme":
        scores *= 30
    return scores


def whole_log_prob(line, label):
    targets = torch.tensor([label], dtype=torch.long).reshape(1, -1)
    sizes = torch.tensor([len(line)]), torch.tensor([len(label)])
    loss = ctc_loss(line[None].double(), targets, *sizes, blank=0, reduction="none")
    return min(-float(loss), 0.0)


def alignment(line, spans):
    rows = np.array([(s.start, s.end, s.log_prob) for s in spans]).reshape(-1, 3)
    return _windows.alignment_score(line.numpy(), 0, 0, rows)


@pytest.mark.parametrize("depth", [460.0, 20.0])
@pytest.mark.parametrize("kind", KINDS)
def test_a_band_gives_what_the_whole_table_gives(kind, depth, monkeypatch):
    """Whole lines always. Streams, which cannot look again, do or warn, as narrow bands show."""
    for name, value in (("LONG", 24), ("STEP", 12), ("BLOCK", 7), ("DEPTH", depth)):
        monkeypatch.setattr(_windows, name, value)
    rng, sure = np.random.default_rng([KINDS.index(kind), int(depth)]), 0
    for n in range(4):
        classes, frames = int(rng.integers(2, 9)), int(rng.integers(40, 110))
        line = torch.from_numpy(scores_of(kind, frames, classes, rng)).log_softmax(1)
        alphabet = Alphabet("abcdefgh"[: classes - 1])
        options = {"alphabet": alphabet, "beam_width": 1 + n}
        pairs = (
            (prefix_beam_search(line, **options)[0], PrefixBeam(**options)),
            (best_path(line, alphabet=alphabet)[0], BestPath(alphabet)),
        )
        for h, stream in pairs:
            assert h.log_prob == pytest.approx(whole_log_prob(line, h.label), rel=1e-9, abs=1e-9)
            for rows in line.split(9):
                stream.feed(rows)
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                read = stream.finish()
            assert read.label == h.label and (read == h or told)
            sure += not told
            if isinstance(stream, PrefixBeam):
                best = forced_alignment(line, h.label, blank=0) if h.label else []
                # where several are the best but for rounding, any of them will do
                assert alignment(line, h.spans) == pytest.approx(alignment(line, best), abs=1e-9)
    assert sure == 8 or depth < 100  # the warning is for what can be wrong


def test_a_word_that_comes_twice_is_scored_by_both_if_the_line_is_whole():
    """The language accepts it once. Half-way, to wait for the second is improbable by 1e214."""
    logits = np.full((620, 2), -9.0)
    logits[:, 0] = 0.0
    logits[5:60] = logits[400:455] = (-9.0, 0.0)
    line, alphabet = torch.from_numpy(logits).log_softmax(1), Alphabet("a")
    options = {"alphabet": alphabet, "language": lexicon("a", ["a"]), "beam_width": 4}
    (h,) = prefix_beam_search(line, **options)
    expected = whole_log_prob(line, h.label)
    assert h.text == "a" and h.log_prob == pytest.approx(expected, rel=1e-12)
    stream = PrefixBeam(**options)
    for rows in line.split(100):
        stream.feed(rows)
    with pytest.warns(RuntimeWarning, match="what was forgotten of it could matter"):
        read = stream.finish()
    assert read.text == "a" and read.log_prob == pytest.approx(expected - math.log(2))


@pytest.mark.parametrize("kind", ["beam", "path"])
def test_what_was_forgotten_of_ordinary_frames_cannot_matter(kind, monkeypatch):
    """Some characters are doubtful: the line has less in the end than what was dropped had."""
    monkeypatch.setattr(_windows, "DEPTH", 60.0)
    rng = np.random.default_rng(2)
    logits = rng.gumbel(size=(3000, 8)) * 0.4
    logits[:, 0] += 7.0
    labels = rng.integers(1, 8, 375)
    logits[4::8, 0] -= 7.0
    logits[np.arange(4, 3000, 8), labels] += 7.0
    logits[np.arange(4, 3000, 64), labels[::8] % 7 + 1] += 6.8
    line, alphabet = torch.from_numpy(logits).log_softmax(1), Alphabet("abcdefg")
    stream = PrefixBeam(alphabet, beam_width=3) if kind == "beam" else BestPath(alphabet)
    for rows in line.split(100):
        stream.feed(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        h = stream.finish()
    found = whole_log_prob(line, h.label)
    assert h.log_prob == pytest.approx(found, rel=1e-12) and found < -40


@pytest.mark.parametrize("kind", ["beam", "path"])
def test_noise_is_scored_and_forgotten_as_it_comes(kind):
    """2,000 frames whose label wants nearly all of them; half-way, it is improbable to keep up."""
    noise = np.random.default_rng(1).gumbel(size=(2000, 12))
    line, alphabet = torch.from_numpy(noise).log_softmax(1), Alphabet("abcdefghijk")
    stream = PrefixBeam(alphabet, beam_width=2) if kind == "beam" else BestPath(alphabet)
    kept = []
    for rows in line.split(100):
        stream.feed(rows)
        window = stream._lines[0].window
        kept.append(window.fed - window.start)
    assert max(kept) < 1200
    with pytest.warns(RuntimeWarning, match="so improbable"):
        h = stream.finish()
    assert len(h.label) > 1500 and h.log_prob < -1500
    exact = _windows.whole_log_prob(line.numpy(), 0, h.label)
    assert h.log_prob == pytest.approx(exact, rel=1e-12)
    assert h.log_prob == pytest.approx(whole_log_prob(line, h.label), rel=1e-12)


def test_what_a_whole_table_gives_does_not_depend_on_what_is_known_of_it():
    """Numbers over a thousand orders of magnitude, and frames that nothing can pass."""
    rng = np.random.default_rng(3)
    for scale in (1.0, 40.0, 90.0):
        logits = rng.gumbel(size=(150, 4)) * scale
        logits[rng.random(logits.shape) < 0.2] = -np.inf
        logits[np.arange(150), rng.integers(0, 4, 150)] = 0.0
        line = torch.from_numpy(logits).log_softmax(1).clamp_min(-450.0)
        for label in ([], [1], [1, 2, 3] * 30, [2, 2, 1] * 20, [3] * 75):
            expected = whole_log_prob(line, label)
            for known in (-math.inf, expected - 1.0, expected):
                found = _windows.whole_log_prob(line.numpy(), 0, label, known)
                assert found == pytest.approx(expected, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("beam_width", [1, 4])
def test_a_long_pause_leaves_no_line_to_slower_code(beam_width):
    """After 80 frames, to be on the last character still is less than floats can tell from 0."""
    logits = np.full((700, 4), -9.0)
    logits[:, 0] = 0.0
    logits[[3, 300, 690]] = np.eye(4)[[1, 2, 2]] * 9 - 9.0
    line, options = torch.from_numpy(logits).log_softmax(1), {"alphabet": Alphabet("abc")}
    options["beam_width"] = beam_width
    stream = PrefixBeam(**options)
    for rows in line.split(100):
        stream.feed(rows)
    (h,) = prefix_beam_search(line, **options)
    assert stream.finish() == h and h.text == "abb"
    assert h.log_prob == pytest.approx(whole_log_prob(line, h.label), rel=1e-12)
    (short,) = prefix_beam_search(line[:400], **options)
    (plain,) = prefix_beam_search(line[:400], **options, reference=True)
    assert short.label == plain.label and short.log_prob == pytest.approx(plain.log_prob)
