"""From photo to text: one line, a page, a folder; how sure, and where."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crnn_lib.decoders import Hypothesis, best_path
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import CRNN, CRNNConfig, Detector, read_batches, save_model, shipped_models
from crnn_lib.photos import ImageError, Reader, files_of, ink_of
from crnn_lib.photos import reader as module

ROOT = Path(__file__).parents[2]
TEXTS = ["55207", "18", "9074421", "333", "2026", "40"]


@pytest.fixture(scope="module")
def lines():
    generator = torch.Generator().manual_seed(0)
    glyphs = load_glyphs("pen", "test", count=200)
    style = LineStyle(spacing=(0.2, 0.4))
    return compose_lines(glyphs, len(TEXTS), style, generator, texts=TEXTS)


@pytest.fixture(scope="module")
def crops(lines):
    """Each line at 64 pixels on grey paper."""
    crops = []
    for n in range(len(TEXTS)):
        ink = Image.fromarray(lines.images[n, 0, :, : lines.widths[n]].numpy())
        ink = np.asarray(ink.resize((2 * ink.width, 64))).clip(0, 1)
        noise = np.random.default_rng(n).normal(0, 0.01, ink.shape)
        crops.append((0.8 - 0.5 * ink + noise).clip(0, 1).astype(np.float32))
    return crops


@pytest.fixture(scope="module")
def tiny():
    """A small network that has learned nothing: as good as any for the plumbing."""
    torch.manual_seed(0)
    return CRNN(CRNNConfig(channels=(4, 8), strides=((2, 2), (2, 2)), hidden=8)).eval()


def page_of(crops, *chosen):
    page = np.full((120 * len(chosen) + 60, 600), 0.8, np.float32)
    for k, n in enumerate(chosen):
        crop = crops[n]
        page[40 + 120 * k : 104 + 120 * k, 80 : 80 + crop.shape[1]] = crop
    return page


shipped = pytest.mark.skipif("crnn-digits" not in shipped_models(), reason="no weights ship yet")


@shipped
def test_crops_are_read(crops):
    reader = Reader.pretrained("crnn-digits")
    texts = [reader.read(crop).text for crop in crops]
    assert sum(a == b for a, b in zip(texts, TEXTS, strict=True)) >= 4


@shipped
def test_a_page_is_read_from_top_to_bottom(crops):
    reader = Reader.pretrained("crnn-digits")
    page = page_of(crops, 2, 0, 3)
    readings = reader.read_page(page)
    alone = [reader.read(crops[n]).text for n in (2, 0, 3)]
    assert len(readings) == 3
    assert sum(r.text == text for r, text in zip(readings, alone, strict=True)) >= 2
    with pytest.raises(ImageError, match="3 lines of writing .* read_page"):
        reader.read(page)


@shipped
def test_a_line_upside_down_is_turned_where_that_is_far_surer(crops):
    reader = Reader.pretrained("crnn-digits", turn=True)
    assert not any(reader.read(crop).upside_down for crop in crops)
    readings = [reader.read(crop[::-1, ::-1].copy()) for crop in crops]
    turned = [n for n, reading in enumerate(readings) if reading.upside_down]
    assert turned
    for n in turned:
        upright, width = reader.read(crops[n]), crops[n].shape[1]
        assert readings[n].text == upright.text
        for here, there in zip(readings[n].spans, upright.spans, strict=True):
            assert here.start == pytest.approx(width - there.end, abs=3)


def test_a_reading_is_what_network_and_decoder_say(crops, tiny):
    reading = Reader(tiny).read(crops[0])
    log_probs, _ = tiny(ink_of(reading.line.image[None]))
    (hypothesis,) = best_path(log_probs)
    assert reading.text == hypothesis.text == reading.hypothesis.text
    assert reading.confidence == pytest.approx(math.exp(hypothesis.log_prob), rel=1e-4)
    assert torch.allclose(reading.log_probs, log_probs[0], atol=1e-5)
    assert "".join(span.character for span in reading.spans) == reading.text
    assert repr(reading) == f"Reading({reading.text!r}, confidence {reading.confidence:.3f})"


@shipped
def test_spans_lie_on_the_digits_of_the_photo(lines, crops):
    reader = Reader.pretrained("crnn-digits")
    page = page_of(crops, 0)
    for image, left in ((crops[0], 0), (page, 80)):
        reading = reader.read(image)
        assert reading.text == "55207"
        for span, (start, end) in zip(reading.spans, lines.spans[0, :5].tolist(), strict=True):
            middle = (span.start + span.end) / 2 - left
            assert 2 * start - 12 <= middle <= 2 * end + 12
            assert 0 <= span.start < span.end <= image.shape[1]
            assert span.box.shape == (4, 2)


def test_company_never_changes_a_reading(crops, tiny, tmp_path):
    names = []
    for n, crop in enumerate(crops):
        names.append(tmp_path / f"{n}.png")
        Image.fromarray((255 * crop).astype(np.uint8)).save(names[-1])
    reader = Reader(tiny)
    rows = list(reader.read_many([tmp_path]))
    assert [row.path for row in rows] == [str(name) for name in names]
    for name, row in zip(names, rows, strict=True):
        (together,), alone = row.readings, reader.read(name)
        assert together.text == alone.text and row.text == alone.text
        assert torch.allclose(together.log_probs, alone.log_probs, atol=1e-4)
        assert together.confidence == pytest.approx(alone.confidence, rel=1e-3)


def test_processes_read_what_one_reads(crops, tiny, tmp_path, monkeypatch):
    for n, crop in enumerate(crops):
        Image.fromarray((255 * crop).astype(np.uint8)).save(tmp_path / f"{n}.png")
    (tmp_path / "broken.png").write_bytes(b"nothing of the kind")
    reader = Reader(tiny)
    monkeypatch.setattr("crnn_lib.photos._processes.FILES", 3)  # so that both have some
    here, there = (list(reader.read_many([tmp_path], workers=n)) for n in (0, 2))
    assert [(row.path, row.text, row.error) for row in there] == [
        (row.path, row.text, row.error) for row in here
    ]
    for one, other in zip(here, there, strict=True):
        for a, b in zip(one.readings, other.readings, strict=True):
            assert torch.allclose(a.log_probs, b.log_probs, atol=1e-4)
    with pytest.raises(ValueError, match="workers"):
        next(reader.read_many([tmp_path], workers=-1))
    with pytest.raises(ValueError, match="cannot be sent"):
        next(Reader(tiny, decoder=lambda *_, **__: []).read_many([tmp_path], workers=1))


def test_views_are_averaged_over_labels(crops, tiny):
    fills = (0.6, 0.72, 0.85)
    reading = Reader(tiny, fills=fills).read(crops[0])
    singles = [Reader(tiny, fills=(fill,)).read(crops[0]) for fill in fills]
    means = {}
    for label in {single.hypothesis.label for single in singles}:
        total = 0.0
        for single in singles:
            frames = single.log_probs.double()[:, None]
            target, sizes = torch.tensor([label]), (torch.tensor([len(frames)]),)
            loss = torch.nn.functional.ctc_loss(frames, target, *sizes, torch.tensor([len(label)]))
            total += math.exp(-float(loss) * max(len(label), 1))
        means[label] = total / 3
    best = max(means, key=means.get)
    assert reading.hypothesis.label == best
    assert reading.confidence == pytest.approx(means[best], rel=1e-4)


def test_an_improbable_text_is_refused_and_still_known(crops, tiny):
    plain = Reader(tiny).read(crops[0])
    refused = Reader(tiny, refuse_below=1.0).read(crops[0])
    assert refused.text is None and refused.hypothesis.text == plain.text
    assert refused.confidence == plain.confidence
    kept = Reader(tiny, refuse_below=plain.confidence).read(crops[0])
    assert kept.text == plain.text


@pytest.mark.parametrize(("each", "kept"), [(0.99, True), (0.9, True), (0.8, False)])
def test_a_long_line_is_as_probable_as_ten_of_its_characters(crops, tiny, each, kept):
    """A hundred digits that are each certain are read, though one of them is soon wrong."""
    reader = Reader(tiny)
    line = replace(reader.find_lines(crops[0])[0][0], row=0, column=0, score=0.95)
    log_probs = torch.zeros(300, 11)

    def reading(count, reader=reader):
        text = "7" * count
        found = Hypothesis((8,) * count, text, count * math.log(each), ())
        return reader._choose((line,), [(found, log_probs)])

    long = reading(100)
    assert long.text == ("7" * 100 if kept else None)
    assert long.confidence == pytest.approx(each**100 * module.certainty(0.95))
    assert reading(10).text == ("7" * 10 if kept else None)
    assert reading(100, Reader(tiny, refuse_below=0.4)).text is None


def test_a_decoder_is_given_the_alphabet_and_its_answer_kept(crops, tiny):
    asked = []

    def decoder(log_probs, frame_lengths, *, alphabet, word):
        asked.append((log_probs.shape, frame_lengths.tolist(), alphabet))
        return [None] * len(log_probs) if word is None else best_path(log_probs, frame_lengths)

    reading = Reader(tiny, decoder=partial(decoder, word=1)).read(crops[0])
    assert reading.text is not None and asked[0][2] is tiny.alphabet
    nothing = Reader(tiny, decoder=partial(decoder, word=None)).read(crops[0])
    assert nothing.text is None and nothing.confidence == 0 and nothing.hypothesis is None
    assert Reader(tiny, decoder=partial(decoder, word=None), fills=(0.6, 0.8)).read(crops[0])


@pytest.mark.parametrize(
    "options, complaint",
    [
        ({"refuse_below": 2}, "0 to 1; got 2"),
        ({"fills": ()}, "at least one"),
        ({"fills": (0.7, 7)}, "0.2 to 1"),
    ],
)
def test_wrong_options_are_refused(options, complaint, tiny):
    with pytest.raises(ValueError, match=complaint):
        Reader(tiny, **options)


@pytest.mark.parametrize("share", ["0.5", None, (0.5,), np.ones(2), True, math.nan, -0.1])
@pytest.mark.parametrize("name", ["refuse_below", "sure"])
def test_a_probability_is_one_number(name, share, tiny):
    if share is not None:
        with pytest.raises(ValueError, match=f"^{name} is a probability, 0 to 1; got "):
            Reader(tiny, **{name: share})
    for number in (0, 1, 0.5, np.float32(0.5), torch.tensor(0.5)):
        assert getattr(Reader(tiny, **{name: number}), name) == number


@pytest.mark.parametrize(
    "option, message",
    [
        (
            {"decoder": "beam"},
            "a function such as crnn_lib.decoders.prefix_beam_search; got 'beam'",
        ),
        ({"decoder": None}, "got None"),
        ({"detector": "page-detector"}, r"detector=load_detector\('page-detector'\)"),
        ({"detector": CRNN()}, "a CRNN reads them: load_detector"),
        ({"detector": 3}, "detector is a network, such as load_detector.*; got 3"),
        ({"words": "crnn-words"}, r"words is a Reader, such as Reader.pretrained\('crnn-words'\)"),
        ({"words": CRNN()}, "words is a Reader"),
        ({"turn": "no"}, "turn is True or False; got 'no'"),
        ({"whole": 0}, "whole is True or False; got 0"),
    ],
)
def test_options_of_a_wrong_kind_say_what_to_give(option, message, tiny):
    with pytest.raises(TypeError, match=message):
        Reader(tiny, **option)


@pytest.mark.parametrize(
    "fills", [0.7, "0.7", ("0.7",), None, (True,), (math.nan,), np.zeros((2, 2))]
)
def test_fills_are_shares(fills, tiny):
    with pytest.raises(ValueError, match="fills holds shares from 0.2 to 1, at least one; got"):
        Reader(tiny, fills=fills)
    assert Reader(tiny, fills=np.array([0.5, 0.75])).fills == (0.5, 0.75)


@pytest.mark.parametrize(
    "model, message",
    [
        ("crnn-photos", r"'crnn-photos' a name: Reader.pretrained\('crnn-photos', ...\) loads it"),
        (Path("mine.safetensors"), r"Reader.pretrained\('mine.safetensors', ...\)"),
        (Detector(), "a detector only finds them"),
        (None, r"with an alphabet, such as CRNN\(\) or load_model.*got NoneType"),
        (torch.nn.Linear(2, 2), "got Linear"),
    ],
)
def test_what_is_no_network_that_reads_is_no_reader(model, message):
    with pytest.raises(TypeError, match=message):
        Reader(model)


@pytest.mark.parametrize(
    "paths, message",
    [
        ("photos", r"such as \['photos'\]; got a single"),
        (Path("photos"), r"such as \['photos'\]; got a single"),
        (None, "got NoneType"),
        (Image.new("L", (9, 9)), "got Image. read and read_page take one image"),
    ],
)
def test_one_path_is_no_list_of_paths(paths, message, tiny):
    with pytest.raises(TypeError, match=message):
        Reader(tiny).read_many(paths)  # at once, not when the first row is asked for


def test_many_images_are_no_paths(tiny, tmp_path):
    for image in (np.ones((40, 90)), Image.new("L", (9, 9)), 3, None):
        with pytest.raises(TypeError, match="files and folders; number 1 is "):
            next(Reader(tiny).read_many([tmp_path / "none.png", image]))
    for workers in (True, 1.5, "2", -1):
        with pytest.raises(ValueError, match="workers is a whole number of at least 0; got"):
            Reader(tiny).read_many([], workers=workers)


def test_a_network_from_a_file_and_one_in_place_of_another(tiny, tmp_path, monkeypatch):
    path = save_model(tiny, tmp_path / "tiny.safetensors", provenance={})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Reader.pretrained(path, refuse_below=0.5).refuse_below == 0.5
    monkeypatch.setattr(module, "shipped_models", lambda: ("crnn-digits",))
    asked = []
    monkeypatch.setattr(module, "load_model", lambda name: asked.append(name) or tiny)
    with pytest.warns(UserWarning, match="crnn-photos is not installed"):
        Reader.pretrained()
    monkeypatch.setattr(module, "shipped_models", lambda: ("crnn-digits", "crnn-photos"))
    Reader.pretrained()
    assert asked == ["crnn-digits", "crnn-photos"]


# ------------------------------------------------------------------ many files


def test_a_folder_of_many_files_gives_as_many_rows(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "AHEAD", 16)
    good = np.full((12, 24), 220, np.uint8)
    good[2:10, 8:11] = good[2:10, 15:18] = 30
    Image.fromarray(good).save(tmp_path / "good.png")
    content = (tmp_path / "good.png").read_bytes()
    (tmp_path / "good.png").unlink()
    kinds = {
        "good": content,
        "cut": content[: len(content) // 2],
        "empty": b"",
        "text": b"no image",
    }
    names = []
    for n in range(250):
        kind = "good" if n % 4 else ["cut", "empty", "text"][n // 4 % 3]
        names.append(f"{n:03} {kind}.png")
        (tmp_path / names[-1]).write_bytes(kinds[kind])
    (tmp_path / "notes.md").write_text("left out")
    held = []
    reader, load = Reader(tiny), module._load
    monkeypatch.setattr(
        module, "_load", lambda all, some: held.append(len(some)) or load(all, some)
    )
    rows = list(reader.read_many([tmp_path]))
    assert [row.path for row in rows] == [str(tmp_path / name) for name in names]
    texts = {row.text for row in rows if " good" in row.path}
    assert len(texts) == 1 and max(held) <= 16 * len(reader.fills)
    reasons = {"cut": "damaged", "empty": "empty", "text": "not an image"}
    for row in rows:
        kind = row.path.rsplit(" ", 1)[1].removesuffix(".png")
        assert (row.error is None) == (kind == "good") == bool(row.readings)
        assert kind == "good" or reasons[kind] in row.error


def test_what_cannot_be_opened_costs_its_own_row(tiny, crops, tmp_path):
    Image.fromarray((255 * crops[0]).astype(np.uint8)).save(tmp_path / "a.png")
    names = [tmp_path / "none.png", tmp_path / "a.png", tmp_path / "b.png"]
    first, second, third = Reader(tiny).read_many(names)
    assert first.error == third.error == "there is no such file" and second.error is None
    with pytest.raises(FileNotFoundError):
        Reader(tiny).read(tmp_path / "none.png")


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "inner.png").mkdir()
    with pytest.raises(ImageError, match="without image files"):
        files_of(tmp_path)
    assert files_of(tmp_path / "any.txt") == [str(tmp_path / "any.txt")]


def test_batches_hold_every_line_once_and_stay_small(monkeypatch):
    monkeypatch.setattr(module, "COLUMNS", 100)
    widths = [10, 70, 30, 10, 150, 20, 55, 45]
    batches = list(module._batches(widths))
    assert sorted(n for batch in batches for n in batch) == list(range(8))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(widths[n] for n in batch) <= 100


def test_a_network_sees_few_shapes(tiny, monkeypatch):
    """torch keeps something for each shape, so many shapes would be much memory."""
    shapes, look = set(), tiny.forward
    monkeypatch.setattr(tiny, "forward", lambda x, w: shapes.add(x.shape) or look(x, w))
    for seed in range(30):
        widths = np.random.default_rng(seed).integers(30, 120, 1 + 3 * seed).tolist()
        images = [torch.rand(1, 32, width) for width in widths]
        load = partial(module._load, images)
        read = list(read_batches(tiny, module._batches(widths), load, best_path))
        assert sorted(number for number, _, _ in read) == list(range(len(widths)))
    assert {shape[0] for shape in shapes} <= {1, 2, 4, 8, 16, 32, 64}
    assert {shape[3] for shape in shapes} <= {32, 64, 96, 128}
