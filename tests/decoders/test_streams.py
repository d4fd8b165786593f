"""Lines that come in pieces: the same answer wherever they were cut, and what is settled stays."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import ctc_loss, forced_alignment
from crnn_lib.decoders import (
    BestPath,
    PrefixBeam,
    _windows,
    best_path,
    prefix_beam_search,
)
from crnn_lib.language import Mixture, NGram, SparseAutomaton, WeightedAutomaton, lexicon


@pytest.fixture
def early(monkeypatch):
    """Lines count as long from twelve frames on, so that short ones try all that long ones do."""
    for name, frames in (("LONG", 12), ("STEP", 6), ("BLOCK", 5)):
        monkeypatch.setattr(_windows, name, frames)


def log_prob_of(line, label, blank):
    targets = torch.tensor([label], dtype=torch.long).reshape(1, -1)
    sizes = torch.tensor([len(line)]), torch.tensor([len(label)])
    return -float(ctc_loss(line[None].double(), targets, *sizes, blank=blank, reduction="none"))


def lattice(frames, classes, seed, sharp):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(frames, classes, generator=generator, dtype=torch.float64)
    return (sharp * scores).log_softmax(-1)


def pairs_of(length, characters):
    """Strings of an even number of characters up to a length."""
    step = np.full((length + 1, len(characters)), -1)
    step[:length] = np.arange(1, length + 1)[:, None]
    final = np.where(np.arange(length + 1) % 2 == 0, 0.0, -math.inf)
    return WeightedAutomaton(characters, step, np.zeros(step.shape), final)


def languages(characters):
    words = lexicon(characters, {"a": -1.0, "ab": -0.5, "abcab": -0.2, "ccb" * 5: 0.0})
    model = NGram.fit(["abc", "cab", "bca"], order=2, characters=characters).automaton()
    return [None, model, pairs_of(14, characters), Mixture((words, model))]


def read_in_pieces(stream, line, sizes):
    """The text that was settled on the way, and what the stream has read in the end."""
    settled, first = "", 0
    for size in sizes:
        progress = stream.feed(line[first : first + size])
        settled += progress.settled
        first += size
    return settled, stream.finish()


@pytest.mark.parametrize("seed", range(20))
def test_a_beam_reads_the_same_wherever_a_line_is_cut(seed, early):
    """10 lattices each, with every cut in two, and in pieces of one size: 200 in all."""
    rng = np.random.default_rng(seed)
    alphabet = Alphabet("abc", (0, 3)[seed % 2])
    language = languages("abc")[seed // 2 % 4]
    options = {"alphabet": alphabet, "language": language, "beam_width": 1 + seed % 5}
    if seed % 3 == 0:
        options["n_best"] = 3
    for n in range(10):
        frames = int(rng.integers(0, 15) if n < 5 else rng.integers(15, 40))
        line = lattice(frames, 4, 100 * seed + n, rng.uniform(0.5, 5))
        whole = prefix_beam_search(line, **options)[0]
        plain = prefix_beam_search(line, **options, reference=True)[0]
        best, expected = (x[0] if isinstance(x, list) and x else x for x in (whole, plain))
        if expected and expected != []:
            assert best.label == expected.label
            assert best.log_prob == pytest.approx(expected.log_prob, abs=1e-9)
            # of what it need not score it knows less
            assert math.exp(best.bound) >= math.exp(expected.bound) - 1e-9
            spans = forced_alignment(line, best.label, blank=alphabet.blank) if best.label else []
            assert [(s.start, s.end) for s in best.spans] == [(s.start, s.end) for s in spans]
        cuts = range(frames + 1) if n % 5 == 0 else [int(rng.integers(frames + 1))]
        pieces = [[cut, frames - cut] for cut in cuts]
        size = 1 + n % 7
        pieces.append([size] * (frames // size) + [frames % size])
        for sizes in pieces:
            settled, read = read_in_pieces(PrefixBeam(**options), line, sizes)
            assert read == whole
            for h in read if isinstance(read, list) else [read]:
                assert h is None or h.text.startswith(settled)


@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("seed", range(5))
def test_a_best_path_reads_the_same_wherever_a_line_is_cut(seed, blank, early):
    alphabet = Alphabet("abc", blank)
    for frames in (0, 1, 11, 12, 13, 30, 47):
        line = lattice(frames, 4, seed + frames, 1 + seed)
        (whole,) = best_path(line, alphabet=alphabet)
        for cut in range(frames + 1):
            settled, read = read_in_pieces(BestPath(alphabet), line, [cut, frames - cut])
            assert read == whole and settled == whole.text
        settled, read = read_in_pieces(BestPath(alphabet), line, [1] * frames)
        assert read == whole and settled == whole.text
        if frames:
            assert whole.log_prob == pytest.approx(log_prob_of(line, whole.label, blank % 4))


def peaked_line(frames, classes, seed, *, doubt=0.0):
    """Every fourth frame a character, the others blank, with noise; some of them in doubt."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(frames, classes))
    logits[:, 0] += 8.0
    logits[2::4, 0] -= 8.0
    for t in range(2, frames, 4):
        one, other = rng.choice(np.arange(1, classes), 2, replace=False)
        logits[t, one] += 9.0
        if rng.random() < doubt:
            logits[t, other] += 8.5
    return torch.from_numpy(logits).log_softmax(-1)


def test_a_long_line_is_forgotten_as_it_settles_and_scored_as_a_whole():
    """3,000 frames: what is kept of them stays small, and the loss agrees on what was read."""
    line, alphabet = peaked_line(3000, 6, 1, doubt=0.2), Alphabet("abcde")
    beam, path, kept = PrefixBeam(alphabet, beam_width=4), BestPath(alphabet), []
    texts = ["", ""]
    for rows in line.split(90):
        for i, stream in enumerate((beam, path)):
            texts[i] += stream.feed(rows).settled
            window = stream._lines[0].window
            kept.append(window.fed - window.start)
    assert max(kept) < 1500
    found, best = beam.finish(), path.finish()
    assert found == prefix_beam_search(line, alphabet=alphabet, beam_width=4)[0]
    assert best == best_path(line, alphabet=alphabet)[0]
    assert best.text == texts[1] and found.text.startswith(texts[0]) and texts[0]
    for h in (found, best):
        assert h.log_prob == pytest.approx(log_prob_of(line, h.label, 0), abs=1e-9)
    spans = forced_alignment(line, found.label, blank=0)
    assert [(s.label, s.start, s.end) for s in found.spans] == [
        (s.label, s.start, s.end) for s in spans
    ]
    assert [s.log_prob for s in found.spans] == pytest.approx([s.log_prob for s in spans])


@pytest.mark.parametrize("frames", [511, 512, 513])
def test_lines_around_the_length_from_which_frames_are_given_up(frames):
    """One of 512 frames is the longest that is read by the code for short lines."""
    line, alphabet = peaked_line(frames, 3, 2), Alphabet("ab")
    beam, path = PrefixBeam(alphabet, beam_width=2), BestPath(alphabet)
    for rows in line.split(300):
        beam.feed(rows)
        path.feed(rows)
    best = path.finish()
    assert len(best.text) == (frames + 1) // 4 and best == best_path(line, alphabet=alphabet)[0]
    assert beam.finish() == prefix_beam_search(line, alphabet=alphabet, beam_width=2)[0]


@pytest.mark.parametrize("frames", [5, 40])
@pytest.mark.parametrize("large", [False, True])
def test_a_line_that_leaves_its_language_holds_nothing(frames, large, early, monkeypatch):
    """The third frame says "b" for sure, and the language knows no "b": nothing is left to read."""
    if large:  # as of a large model: its states are made when they are reached
        monkeypatch.setattr("crnn_lib.language.sparse.MANY_STEPS", 0)
    line, alphabet = lattice(frames, 3, 1, 1.0), Alphabet("ab")
    line[2] = torch.tensor([-math.inf, -math.inf, 0.0])
    language = SparseAutomaton("ab", [0, 1], [0], [0], [0.0], [0.0])  # any number of "a"
    assert (language.num_states is None) == large
    for n_best, nothing in ((None, None), (2, [])):
        options = {"alphabet": alphabet, "language": language, "n_best": n_best}
        assert prefix_beam_search(line, **options)[0] == nothing
        settled, read = read_in_pieces(PrefixBeam(**options), line, [2, 1, frames - 3])
        assert settled == "" and read == nothing


@pytest.mark.parametrize("decoder", [best_path, prefix_beam_search])
def test_a_long_line_of_noise_has_its_true_score(decoder):
    """Its label wants nearly every frame: what is improbable half-way is all that there is."""
    noise = np.random.default_rng(1).gumbel(size=(1000, 30))
    line, alphabet = (
        torch.from_numpy(noise).log_softmax(1),
        Alphabet("abcdefghijklmnopqrstuvwxyz012"),
    )
    (h,) = decoder(line, alphabet=alphabet)
    assert len(h.label) > 900
    assert h.log_prob == pytest.approx(log_prob_of(line, h.label, 0), rel=1e-12)
    spans = forced_alignment(line, h.label, blank=0)
    if decoder is prefix_beam_search:
        assert [(s.start, s.end) for s in h.spans] == [(s.start, s.end) for s in spans]


def test_a_guess_looks_through_the_frames_that_wait():
    """A language that wants six characters holds the beam back; the guess does not wait."""
    alphabet = Alphabet("ab")
    line = torch.full((12, 3), 0.01, dtype=torch.float64)
    line[range(12), [1, 0, 2, 0, 1, 0, 2, 0, 1, 0, 2, 0]] = 0.98
    stream = PrefixBeam(alphabet, language=pairs_of(6, "ab"))
    first = stream.feed(line[:8].log())
    assert first.guess == "abab"
    assert first.settled + stream.feed(line[8:].log()).guess in ("ababab", "")
    assert stream.finish().text == "ababab"


def test_what_is_fed_is_checked():
    good = lattice(4, 11, 0, 1.0)
    for stream in (PrefixBeam(), BestPath()):
        stream.feed(good)
        with pytest.raises(ValueError, match="This line's frames are torch.float64; got"):
            stream.feed(good.float())
        with pytest.raises(ValueError, match="frames of one line"):
            stream.feed(torch.zeros(2, 3, 11).log_softmax(-1).double())
        with pytest.raises(ValueError, match="10 classes; this alphabet has 11"):
            stream.feed(good[:, 1:])
        with pytest.raises(ValueError, match="after 4 frames: .*line 0, frame 2 sum to"):
            stream.feed(good + torch.tensor([[0.0], [0.0], [1.0], [0.0]]))
        with pytest.raises(ValueError, match="finished"):
            stream.feed(good)
    for kind in (PrefixBeam, BestPath):
        empty = kind()
        assert empty.finish().text == ""
        with pytest.raises(ValueError, match="finished already"):
            empty.finish()
    with pytest.raises(ValueError, match="beam_width is a whole number"):
        PrefixBeam(beam_width=0)


def test_numbers_that_floats_cannot_hold_are_read_if_the_line_is_short(early):
    line = lattice(10, 4, 3, 2.0)
    line[:, 2] = -700.0
    line = torch.cat([line, line]).log_softmax(-1)
    options = {"alphabet": Alphabet("abc"), "beam_width": 3}
    stream = PrefixBeam(**options)
    stream.feed(line[:10])
    assert stream.finish() == prefix_beam_search(line[:10], **options)[0]
    stream = PrefixBeam(**options)
    with pytest.raises(ValueError, match="set such classes to -inf"):
        stream.feed(line)
    assert prefix_beam_search(line, **options)[0].text  # a whole line is left to slower code


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("frames", [8, 40])
@pytest.mark.parametrize("named", [False, True])
def test_a_copy_of_a_stream_reads_on_by_itself(frames, named, again, early):
    line, alphabet = lattice(frames, 3, 7, 3.0), Alphabet("ab")
    options = {"language": NGram.fit(["ab", "ba"], characters="ab").automaton()} if named else {}
    for make, read in (
        (
            lambda: PrefixBeam(alphabet, **options),
            lambda x: prefix_beam_search(x, alphabet=alphabet, **options),
        ),
        (lambda: BestPath(alphabet), lambda x: best_path(x, alphabet=alphabet)),
    ):
        stream = make()
        stream.feed(line[: frames // 2])
        fork = again(stream)
        fork.feed(line[frames // 2 : -1])
        stream.feed(line[frames // 2 :])
        assert fork.finish() == read(line[:-1])[0]
        assert stream.finish() == read(line)[0]
