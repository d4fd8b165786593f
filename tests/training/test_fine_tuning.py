"""Few lines of one's own teach a network that reads, and it forgets little."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from crnn_lib.alphabet import Alphabet
from crnn_lib.evaluation import evaluate
from crnn_lib.handwriting import LineStyle, LineVariation, compose_lines, pen_people
from crnn_lib.handwriting import glyphs as glyph_module
from crnn_lib.handwriting.pen import draw_words
from crnn_lib.models import CRNN, CRNNConfig, describe_checkpoint, load_model, save_model
from crnn_lib.photos import Reader, alphabet_of_folder, lines_of_folder
from crnn_lib.training import (
    LineSet,
    LineStream,
    TrainConfig,
    fine_tune,
    mixtures,
    old_lines,
    old_name,
    train,
)
from crnn_lib.training.fine_tuning import _least_widths, _OwnLines, _split
from crnn_lib.training.streams import _labels_of

TINY = CRNNConfig(channels=(4, 8), strides=((2, 2), (2, 2)), hidden=8)
WORDS = """the of and to in that he was it his is with as had you not be her on at by which have or
from this him but all she they were are my one so there been their we""".split()


@pytest.fixture(autouse=True)
def few_glyphs(monkeypatch):
    """The pen draws few glyphs instead of thousands, and nothing lies on the disk."""
    for split in ("train", "test"):
        monkeypatch.setitem(glyph_module.PEN_COUNT, split, 200)
    monkeypatch.setattr("crnn_lib.training.fine_tuning._OLD_WRITERS", 3)
    monkeypatch.delenv("CRNN_DATA", raising=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """40 words that one person wrote, and two rows that are of no use."""
    folder = tmp_path_factory.mktemp("own") / "my_words"
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    written = draw_words(WORDS[:40], generator, writers=[77] * 40, height=64)
    rows = ["file,text"]
    for n, (image, text) in enumerate(zip(written.images, written.texts, strict=True)):
        Image.fromarray(255 - np.pad(image.numpy(), 10)).save(folder / f"{n}.png")
        rows.append(f"{n}.png,{text}")
    rows.insert(8, "gone.png,cat")
    rows.append("3.png,")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def digits():
    """20 lines of digits, and their alphabet."""
    generator = torch.Generator().manual_seed(0)
    people = pen_people(5, generator).only("0123456789")
    return compose_lines(people, 20, LineStyle(length=(1, 4)), generator)


def tiny(alphabet=None):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return CRNN(TINY, alphabet)


# ---------------------------------------------------------------------------- the whole way


def test_ten_lines_from_a_folder_to_a_reader(folder, tmp_path):
    alphabet = alphabet_of_folder(folder)
    model = load_model("crnn-photos", alphabet=alphabet)
    with pytest.warns(UserWarning, match="2 of 42 rows"):
        lines = lines_of_folder(folder, model, skip_bad=True)
    config = TrainConfig(steps=60, learning_rate=2e-3, validate_every=20, patience=3)
    tuning = fine_tune(model, lines, config, batch_size=16)
    path = save_model(model, tmp_path / "mine.safetensors", provenance=tuning.provenance)
    reading = Reader.pretrained(path).read(folder / "0.png")

    assert set(reading.hypothesis.text) <= set(alphabet.characters)
    assert (len(tuning.learned_from), len(tuning.held_out)) == (32, 8)
    assert not set(tuning.learned_from.texts) & set(tuning.held_out.texts)
    assert tuning.before.character_error_rate > 0.8
    assert tuning.after.character_error_rate < 0.6
    again = evaluate(load_model(path), tuning.held_out)
    assert again.character_error_rate == tuning.after.character_error_rate
    story = describe_checkpoint(path)["provenance"]
    assert story["start"]["read_out"]["fresh"] == alphabet.characters
    assert story["lines"] == {"learned_from": 32, "held_out": 8}
    found = story["metrics"]["held_out_after"]
    assert found["n"] == 8
    assert found["character_error_rate"] == pytest.approx(again.character_error_rate, abs=1e-6)


def test_a_new_alphabet_learns_faster_from_rows_that_are_kept():
    alphabet = Alphabet("9876543210-.", blank=12)
    generator = torch.Generator().manual_seed(0)
    people = pen_people(20, generator).only(alphabet.characters)
    others = pen_people(10, generator, split="test").only(alphabet.characters)
    style = LineStyle(length=(1, 5))
    test = compose_lines(others, 60, style, generator, alphabet=alphabet)
    right = {}
    for name in ("rows kept", "from scratch"):
        torch.manual_seed(0)
        kept = load_model("crnn-digits", alphabet=alphabet)
        model = kept if name == "rows kept" else CRNN(kept.config, alphabet)
        lines = LineStream(people, style, 8, seed=2, alphabet=alphabet)
        train(model, lines, TrainConfig(steps=40, learning_rate=2e-3, precision="float32"))
        right[name] = evaluate(model, test).exact_match
    assert right["rows kept"] > 0.5 and right["from scratch"] < 0.1


# ---------------------------------------------------------------------------- held out


def test_each_line_is_learned_from_or_held_out(digits):
    for share, held in ((0.2, 4), (0.01, 1), (0.5, 10), (0, 0)):
        kept, out = _split(digits, share, seed=3)
        assert (len(kept), len(out)) == (20 - held, held)
        assert sorted(kept.texts + out.texts) == sorted(digits.texts)
    assert _split(digits, 0.2, 3)[1].texts == _split(digits, 0.2, 3)[1].texts
    assert _split(digits, 0.2, 3)[1].texts != _split(digits, 0.2, 4)[1].texts
    with pytest.raises(ValueError, match="1 lines are too few to hold 1 of them out"):
        _split(digits.select([0]), 0.2, 0)


def test_without_held_out_lines_training_goes_to_its_end(digits):
    model = tiny()
    config = TrainConfig(steps=3, validate_every=1, patience=1)
    tuning = fine_tune(model, digits, config, hold_out=0)
    assert tuning.before is None and tuning.after is None and not len(tuning.held_out)
    assert tuning.history.step == [3] and not tuning.history.validation_step
    assert repr(tuning) == "20 lines learned from in 3 steps"


def test_what_reads_worse_is_not_kept(digits, monkeypatch):
    model = tiny()
    train(model, LineSet(digits, 8), TrainConfig(steps=150, learning_rate=0.02))
    before = evaluate(model, digits).character_error_rate
    assert before < 0.9
    start = {name: value.clone() for name, value in model.state_dict().items()}
    harm = TrainConfig(steps=6, learning_rate=2.0, validate_every=2, patience=2, clip=100)
    tuning = fine_tune(model, digits, harm, hold_out=0.5)
    assert tuning.after is tuning.before
    assert all(torch.equal(value, start[name]) for name, value in model.state_dict().items())


def test_the_seed_decides_everything(digits):
    config = TrainConfig(steps=4, validate_every=2, patience=2)
    runs = []
    for seed in (0, 0, 1):
        model = tiny()
        fine_tune(model, digits, dataclasses.replace(config, seed=seed), batch_size=4, seed=seed)
        runs.append(model.state_dict())
    first, same, other = runs
    assert all(torch.equal(value, same[name]) for name, value in first.items())
    assert not torch.equal(first["classify.weight"], other["classify.weight"])


# ---------------------------------------------------------------------------- what a batch holds


def test_each_own_line_comes_up_once_an_epoch_and_old_lines_beside_it(digits):
    old = LineSet(digits.select([0]), 3)
    old_stream = type("Old", (), {"pool": 2, "batch": lambda self, step: old.batch(step)})()
    own = _OwnLines(digits, torch.zeros(20, dtype=torch.long), LineVariation(), 5, old_stream, 0, 0)
    assert own.pool == 2
    batches = [own.batch(step) for step in range(8)]
    assert all(batch.texts[5:] == [digits.texts[0]] for batch in batches)
    for epoch in (batches[:4], batches[4:]):
        assert sorted(t for b in epoch for t in b.texts[:5]) == sorted(digits.texts)
    assert torch.equal(own.batch(3).images, batches[3].images)
    texts = [[t for b in e for t in b.texts[:5]] for e in (batches[:4], batches[4:])]
    assert texts[0] != texts[1]


def test_variations_leave_labels_their_frames(digits):
    model = tiny()
    least = _least_widths(model, digits)
    for n, width in enumerate(least.tolist()):
        needed = int(model.frame_lengths(torch.tensor([width])))
        text = digits.texts[n]
        enough = len(text) + sum(a == b for a, b in zip(text, text[1:], strict=False))
        assert needed >= enough
        assert width == 1 or int(model.frame_lengths(torch.tensor([width - 1]))) < enough
    squeezed = LineVariation(width=(0.02, 0.05), plain=0)
    fine_tune(model, digits, TrainConfig(steps=3), variation=squeezed, hold_out=0)


# ---------------------------------------------------------------------------- old lines


@pytest.mark.parametrize("name", ["crnn-digits", "crnn-photos", "crnn-words"])
def test_old_lines_are_labelled_in_the_new_alphabet(name):
    alphabet = Alphabet(("th", *"9876543210", *"etaoinshr "), blank=3)
    stream = old_lines(name, alphabet, 3, seed=1, height=40)
    batches = [stream.batch(step) for step in (0, 1)]
    lines = batches[0]
    assert len(lines) and lines.images.shape[2] == 40
    assert _labels_of(lines) == [*map(alphabet.encode, lines.texts)]
    assert [*map(alphabet.decode, _labels_of(lines))] == lines.texts
    assert stream.batch(0).texts == lines.texts


def test_old_lines_that_cannot_be_spelled_are_left_out():
    stream = old_lines("crnn-photos", Alphabet("01x"), 8, seed=1)
    texts = [text for step in range(10) for text in stream.batch(step).texts]
    assert texts and set("".join(texts)) <= set("01")
    with pytest.raises(ValueError, match="shares no character.*--keep-old 0"):
        old_lines("crnn-photos", Alphabet("abc"), 8)
    with pytest.raises(ValueError, match="crnn-digits, crnn-photos, crnn-words; got 'mine'"):
        old_lines("mine", Alphabet(), 8)
    assert set("0aZ ,") <= set(mixtures.TEXT)


def test_which_old_lines_belong_to_weights():
    assert old_name("crnn-digits", {}) == "crnn-digits"
    assert old_name("a.safetensors", {"old": "crnn-photos"}) == "crnn-photos"
    assert old_name("a.safetensors", {"old": "what?"}) is None
    assert old_name("a.safetensors", {}) is None


def test_old_lines_are_mixed_in_and_read_before_and_after(digits):
    model = tiny(Alphabet("9876543210"))
    relabelled = dataclasses.replace(digits, targets=11 - digits.targets)
    relabelled.targets[digits.targets == 0] = 0
    config = TrainConfig(steps=2, validate_every=1, patience=2)
    tuning = fine_tune(model, relabelled, config, old="crnn-digits", keep_old=0.4, batch_size=10)
    assert tuning.old_before.n == tuning.old_after.n >= 50
    assert tuning.provenance["old"] == "crnn-digits" and tuning.provenance["keep_old"] == 0.4
    assert json.loads(json.dumps(tuning.provenance)) is not None
    told = repr(tuning).splitlines()
    assert told[0].startswith(
        "16 lines learned from in 2 steps; the best weights were there after "
    )
    assert told[1].startswith("4 held-out lines: CER ")
    assert told[2].startswith(f"{tuning.old_before.n} old lines: CER ")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"keep_old": 1.0}, "below 1; got 1.0"),
        ({"hold_out": -0.1}, "below 1; got 0.5 and -0.1"),
        ({"keep_old": "half"}, "below 1; got 'half'"),
        ({"hold_out": None}, "below 1; got 0.5 and None"),
        *(({"batch_size": n}, f"batch_size is a .* 1; got {n}") for n in (0, 2.5, None)),
    ],
)
def test_bad_shares_are_refused(change, message, digits):
    with pytest.raises(ValueError, match=message):
        fine_tune(tiny(), digits, **change)


def test_lines_that_cannot_be_learned_are_refused(digits):
    with pytest.raises(ValueError, match="does not have"):
        fine_tune(tiny(Alphabet("01")), digits)
    for alphabet in (Alphabet(blank=10), Alphabet("9876543210")):  # it learned what nobody wrote
        with pytest.raises(ValueError, match="Line 0, .* is not labelled in the model's alphabet"):
            fine_tune(tiny(alphabet), digits)
    with pytest.raises(TypeError, match="lines is a LineBatch, as lines_of_folder .*; got str"):
        fine_tune(tiny(), "my_words")
    narrow = dataclasses.replace(digits, widths=torch.ones_like(digits.widths))
    with pytest.raises(ValueError, match=r"Line \d+, '\d+', has 1 frames and its label needs \d"):
        fine_tune(tiny(), narrow)
