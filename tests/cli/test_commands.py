"""The command line, as a user meets it: what it prints, where, and how it exits."""

from __future__ import annotations

import csv
import functools
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from typed import run, save_tiny

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from conftest import ROOT

from crnn_lib.alphabet import Alphabet
from crnn_lib.cli import train as room
from crnn_lib.cli.arguments import _parser
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs, resize_as_emnist
from crnn_lib.handwriting import glyphs as glyph_module
from crnn_lib.models import (
    CRNN,
    CRNNConfig,
    describe_checkpoint,
    load_model,
    save_model,
    shipped_models,
)
from crnn_lib.photos import Reader
from crnn_lib.training import History, LineStream, PhotoMixture
from crnn_lib.training.streams import _labels_of


@pytest.fixture(autouse=True)
def few_glyphs(monkeypatch):
    """The pen draws 100 glyphs instead of thousands, and nothing lies on the disk."""
    for split in ("train", "test"):
        monkeypatch.setitem(glyph_module.PEN_COUNT, split, 100)
    monkeypatch.delenv("CRNN_DATA", raising=False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of line images, and of all that may lie between them."""
    folder = tmp_path_factory.mktemp("folder")
    glyphs = load_glyphs("pen", "test", count=100)
    generator = torch.Generator().manual_seed(0)
    lines = compose_lines(glyphs, 2, LineStyle(), generator, texts=["55207", "18"])
    for n, text in enumerate(lines.texts):
        ink = (255 * lines.images[n, 0, :, : lines.widths[n]].numpy()).astype(np.uint8)
        Image.fromarray(255 - ink).save(folder / f"{text}.png")
    Image.fromarray(ink).convert("RGB").save(folder / "bright.jpg")
    content = (folder / "55207.png").read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])
    (folder / "text.png").write_text("no image")
    Image.new("L", (1, 1)).save(folder / "pixel.png")
    Image.new("L", (200, 50), 255).save(folder / "blank.png")
    Image.new("1", (10_000, 10_000)).save(folder / "huge.png")
    (folder / "inner").mkdir()
    return folder


# A network that has learned nothing is sure of nothing; what it says is to be seen all the same.
ALL = ("--refuse-below", "0")


# ------------------------------------------------------------------ help and usage


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULE = "python -m crnn_lib"
COMMANDS = [["read"], ["label"], ["train"], ["evaluate"], ["export"], ["glyphs"]]
COMMANDS += [["glyphs", "list"], ["glyphs", "download"], ["glyphs", "preview"]]


@pytest.mark.parametrize("command", [[], *COMMANDS])
def test_help_fits_a_terminal_and_names_the_exit_status(command, capsys):
    status, out, err = run(capsys, *command, "--help")
    assert status == 0 and not err
    assert max(map(len, out)) <= 100
    assert not command or any(line.startswith("exit status: 0") for line in out)


@pytest.mark.parametrize("command", ["read", "label", "train", "evaluate", "export", "glyphs"])
def test_examples_of_the_help_are_valid_commands(command, capsys):
    _, out, _ = run(capsys, command, "--help")
    text = "\n".join(out).replace("\\\n", " ")
    examples = [line for line in text.splitlines() if line.startswith("  python -m crnn_lib")]
    assert len(examples) >= 2
    for example in examples:
        words = example.split(">")[0].split()[3:]
        assert _parser().parse_args(words).command.startswith(command)


def test_the_script_names_itself(tmp_path):
    """``crnn``, which an install makes, says crnn; ``python -m crnn_lib`` says that."""
    (tmp_path / "crnn").write_text(
        f"import pkgutil, sys\nsys.exit(pkgutil.resolve_name({PROJECT['scripts']['crnn']!r})())\n"
    )
    for start, name in (([str(tmp_path / "crnn")], "crnn"), (["-m", "crnn_lib"], MODULE)):
        for words in (["--help"], ["read", "--help"], ["read"]):
            ran = subprocess.run([sys.executable, *start, *words], capture_output=True, text=True)
            text = ran.stdout + ran.stderr
            assert ran.returncode == (0 if "--help" in words else 2), text
            assert text.startswith(f"usage: {name} ")
            other = MODULE if name == "crnn" else "\n  crnn "
            assert other not in text
    ran = subprocess.run(
        [sys.executable, str(tmp_path / "crnn"), "read", "none.png"], capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr.strip()) == (1, "none.png: there is no such file")


def test_help_needs_no_torch():
    code = "import sys; from crnn_lib.cli.arguments import _parser; _parser(); "
    code += "assert not {'torch', 'numpy', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ([], "COMMAND"),
        (["write"], "invalid choice: 'write'"),
        (["read"], "required: IMAGE"),
        (["train"], "required: --out"),
        (["train", "--out", "x", "--steps", "0"], "at least 1, got '0'"),
        (["train", "--out", "x", "--steps", "1e3"], "at least 1, got '1e3'"),
        (["train", "--out", "x", "--average", "1"], "below 1, got '1'"),
        (["train", "--out", "x", "--learning-rate", "nan"], "got 'nan'"),
        (["train", "--out", "x", "--learning-rate", "0"], "got '0'"),
        (["train", "--out", "x", "--glyphs", "minst"], "'minst' is no source of glyphs"),
        (["train", "--out", "x", "--glyphs", "mnist,,pen"], "'' is no source of glyphs"),
        (["train", "--out", "x", "--glyphs", "mnist:x"], "got 'x'"),
        (["train", "--out", "x", "--glyphs", "mnist:0"], "share of mnist is 0"),
        (["train", "--out", "x", "--glyphs", "pen,pen"], "pen is named twice"),
        (["train", "--out", "x", "--length", "9-3"], "such as 5 or 1-10, got '9-3'"),
        (["evaluate", "--length", "999999999"], "at most 1000 characters, got '999999999'"),
        (["train", "--out", "x", "--length", "0"], "such as 5 or 1-10, got '0'"),
        (["train", "--out", "x", "--style", "fancy"], "invalid choice: 'fancy'"),
        (["evaluate", "--count", "-1"], "got '-1'"),
        (["glyphs", "download", "pen"], "invalid choice: 'pen'"),
        (["glyphs", "preview", "pen"], "-o"),
    ],
)
def test_wrong_arguments_exit_with_2(arguments, complaint, capsys):
    status, out, err = run(capsys, *arguments)
    assert status == 2 and not out
    assert complaint in err[-1]


# ------------------------------------------------------------------ read


def test_read_prints_file_and_text_in_the_order_given(folder, weights, capsys):
    names = [str(folder / name) for name in ("55207.png", "18.png", "bright.jpg")]
    status, out, err = run(capsys, "read", "--weights", weights, *ALL, *names)
    assert status == 0 and not err
    reader = Reader.pretrained(weights, refuse_below=0)
    expected = [f"{name}\t{reader.read(name).text}" for name in names]
    assert out == expected
    assert run(capsys, "read", "--weights", weights, *ALL, *reversed(names))[1] == expected[::-1]


def test_read_names_what_it_cannot_read_and_reads_the_rest(folder, weights, capsys):
    names = sorted(path.name for path in folder.iterdir()) + ["none.png"]
    paths = [str(folder / name) for name in names]
    status, out, err = run(capsys, "read", "--weights", weights, *ALL, *paths)
    assert status == 1
    read = [line.split("\t")[0].rpartition("/")[2] for line in out]
    assert read == ["18.png", "55207.png", "bright.jpg"]
    told = dict(line.rpartition("/")[2].split(": ", 1) for line in err if "inner" not in line)
    assert list(told) == [n for n in names if n not in read and n != "inner"]
    assert told["none.png"] == "there is no such file"
    assert "damaged or cut off" in told["cut.png"]
    assert "not an image" in told["text.png"]
    assert "too few" in told["pixel.png"]
    assert "no ink" in told["blank.png"]
    assert "64 million" in told["huge.png"]
    (inner,) = [line for line in err if "inner" in line]
    assert inner.endswith("inner: it is a folder without image files")
    assert len(err) == len(names) - len(read)


def test_read_json_has_confidence_and_spans_in_the_files_pixels(folder, weights, capsys):
    name = str(folder / "55207.png")
    status, out, _ = run(capsys, "read", "--json", "--weights", weights, *ALL, name)
    assert status == 0
    (reading,) = map(json.loads, out)
    names = ["file", "text", "confidence", "status", "kind", "row", "column", "spans", "box"]
    assert list(reading) == names and reading["status"] == "read"
    expected = Reader.pretrained(weights, refuse_below=0).read(name)
    assert reading["text"] == expected.text
    assert reading["confidence"] == pytest.approx(expected.confidence, abs=1e-5)
    assert "".join(span["character"] for span in reading["spans"]) == expected.text
    width = Image.open(name).width
    assert all(0 <= span["start"] < span["end"] <= width for span in reading["spans"])
    starts = [span["start"] for span in reading["spans"]]
    assert starts == sorted(starts)


def test_read_opens_folders_and_writes_a_table(folder, weights, tmp_path, capsys):
    table = tmp_path / "texts.csv"
    status, out, err = run(capsys, "read", "--weights", weights, *ALL, "--csv", table, folder)
    assert status == 1
    images = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg"))
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [str(path) for path in images]
    good = [row for row in rows if not row["error"]]
    assert [f"{row['file']}\t{row['text']}" for row in good] == out
    assert [f"{row['file']}: {row['error']}" for row in rows if row["error"]] == err
    assert all(0 <= float(row["confidence"]) <= 1 for row in good) and len(good) == 3


def test_read_refuses_what_is_not_probable_enough(folder, weights, capsys):
    name = folder / "55207.png"
    options = ["--weights", weights, "--refuse-below", "0.9999"]
    status, out, err = run(capsys, "read", *options, name)
    assert status == 3 and out == [f"{name}\t[refused]"]
    assert len(err) == 1 and err[0].startswith(f"{name}: refused: ")
    status, out, _ = run(capsys, "read", *options, "--json", name)
    assert status == 3 and json.loads(out[0])["text"] is None


def test_read_draws_what_it_read(folder, weights, tmp_path, capsys):
    name, target = folder / "55207.png", tmp_path / "shown.png"
    before = name.read_bytes()
    assert run(capsys, "read", "--weights", weights, *ALL, "--show", target, name)[0] == 0
    assert Image.open(target).format == "PNG"
    for wrong in (name, tmp_path, tmp_path / "none" / "a.png", tmp_path / "a.jpg"):
        status, out, err = run(capsys, "read", "--weights", weights, *ALL, "--show", wrong, name)
        assert status == 1 and not out and "--show" in err[0]
    assert name.read_bytes() == before


def test_read_shows_each_of_several_images_where_it_runs(
    folder, weights, tmp_path, capsys, monkeypatch
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    names = [folder / "55207.png", tmp_path / "again.png"]
    names[1].write_bytes(names[0].read_bytes())
    assert run(capsys, "read", "--weights", weights, *ALL, *names, "--show")[0] == 0
    drawn = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert drawn == ["55207-read.png", "again-read.png"]


def test_read_without_such_weights(folder, tmp_path, capsys):
    picture = folder / "55207.png"
    status, out, err = run(capsys, "read", "--weights", tmp_path / "no.safetensors", picture)
    assert status == 1 and not out and len(err) == 1
    assert "There is no file" in err[0] and "These ship" in err[0]
    status, _, err = run(capsys, "read", "--weights", picture, picture)
    assert status == 1 and len(err) == 1 and "not a checkpoint" in err[0]


def test_read_as_a_program(folder, weights):
    command = [sys.executable, "-m", "crnn_lib", "read", "--threads", "1", "--weights", weights]
    files = [str(folder / "55207.png"), str(folder / "none.png")]
    done = subprocess.run([*command, *ALL, *files], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{files[0]}\t") and done.stdout.count("\n") == 1
    assert done.stderr == f"{files[1]}: there is no such file\n"


@pytest.mark.skipif("crnn-digits" not in shipped_models(), reason="no weights ship yet")
def test_shipped_weights_read_files(tmp_path, capsys):
    generator = torch.Generator().manual_seed(0)
    texts = [str(55207 + 1111 * k) for k in range(20)]
    glyphs = load_glyphs("pen", "test", count=200)
    style = LineStyle(spacing=(0.2, 0.4))
    lines = compose_lines(glyphs, 20, style, generator, texts=texts)
    for n, text in enumerate(texts):
        ink = Image.fromarray(lines.images[n, 0, :, : lines.widths[n]].numpy())
        ink = np.asarray(ink.resize((4 * ink.width, 4 * ink.height))).clip(0, 1)
        Image.fromarray((250 - 220 * ink).astype(np.uint8)).save(tmp_path / f"{text}.jpg")
    status, out, _ = run(capsys, "read", *(tmp_path / f"{text}.jpg" for text in texts))
    right = sum(line.endswith(f"{text}.jpg\t{text}") for line, text in zip(out, texts, strict=True))
    assert status == 0 and right >= 12


# ------------------------------------------------------------------ train

TRAIN = ["train", "--glyphs", "pen", "--network", "window", "--batch-size", "4", "--length", "1-3"]
TRAIN += ["--device", "cpu", "--seed", "3", "--checkpoint-every", "2", "--log-every", "1"]


def same_weights(first, second):
    a, b = load_model(first).state_dict(), load_model(second).state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_weights_are_there_where_the_history_cannot_be_written(tmp_path, capsys, monkeypatch):
    def full(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(History, "save", full)
    out = tmp_path / "a.safetensors"
    options = ["--steps", "1", "--out", out, "--history", tmp_path / "history.json"]
    status, said, err = run(capsys, *TRAIN, *options)
    assert status == 1 and said[-1].startswith("Wrote ") and "No space left" in err[0]
    assert load_model(out).alphabet.characters == "0123456789"


def test_train_writes_weights_history_and_how_they_came_to_be(tmp_path, capsys):
    out, history = tmp_path / "a.safetensors", tmp_path / "history.json"
    options = ["--steps", "4", "--out", out, "--history", history, "--half", "--average", "0.5"]
    options += ["--held-out", "0.2", "--validate-every", "2", "--validation-lines", "5"]
    status, said, err = run(capsys, *TRAIN, *options, f"--checkpoint={tmp_path / 'a.ckpt'}")
    assert status == 0, err
    assert said[0].startswith("Training SlidingWindowRNN (window, ")
    assert said[0].endswith("4 steps of 4 lines, style default, from 80 glyphs of pen.")
    assert said[1].startswith(f"Wrote {out} (") and "held out exact match" in said[1]
    assert History.load(history).step == [1, 2, 3, 4]
    assert History.load(history).validation_step == [2, 4]
    facts = describe_checkpoint(out)
    story = facts["provenance"]
    assert story["command"] == (
        f"python -m crnn_lib {' '.join(TRAIN)} --steps 4 --out a.safetensors "
        "--history history.json --half --average 0.5 --held-out 0.2 --validate-every 2 "
        "--validation-lines 5 --checkpoint=a.ckpt"
    )
    assert str(tmp_path) not in json.dumps(story)
    assert story["glyphs"] == {"source": "pen", "split": "train", "count": 80}
    assert story["styles"][0]["length"] == [1, 3] and story["training"]["average"] == 0.5
    assert {entry["dtype"] for entry in facts["tensors"].values()} == {"F16"}
    assert load_model(out)(torch.zeros(1, 1, 32, 40))[0].shape[2] == 11


def test_no_folder_of_this_machine_is_stored_with_weights():
    """Nor where an option's name is cut short, as argparse allows."""
    given = "train --o /me/a.safetensors --checkpoint /me/a --hist=/me/h.json --sta /me/b --log 5"
    assert _parser().parse_args(given.split()).history == "/me/h.json"
    told = "train --o a.safetensors --checkpoint a --hist=h.json --sta b --log 5"
    assert room._command(given.split()) == f"python -m crnn_lib {told}"


def test_train_learns_words_by_the_pen_where_no_font_is(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CRNN_DATA", str(tmp_path))
    weights = tmp_path / "words.safetensors"
    options = "--style words --network words --glyphs pen --steps 1 --batch-size 4"
    validation = "--validate-every 1 --validation-lines 4"
    out = run(capsys, "train", *options.split(), *validation.split(), "--out", weights)[1]
    assert out[0].endswith("style words, written by pen.")
    stored = load_model(weights)
    assert set("aZ9 ?") <= set(stored.alphabet.characters) and stored.config.height == 40
    provenance = describe_checkpoint(weights)["provenance"]
    assert "WordStream" in provenance["lines"]
    assert "held_out_character_error_rate" in provenance["metrics"]
    assert provenance["glyphs"] is None  # none were drawn


@pytest.mark.parametrize("count, shares", [(1, {"pen": 1}), (5, {"pen": 3, "fonts": 2})])
def test_words_are_validated_with_as_many_lines_as_were_asked_for(count, shares, monkeypatch):
    """Of one line each kind of hand wrote none, and of five two."""
    asked = {}
    monkeypatch.setattr(room.fonts, "count_fonts", lambda: {"train": 43, "test": 5})
    monkeypatch.setattr(room, "word_sample", lambda n, *_, hands, **__: asked.update({hands: n}))
    monkeypatch.setattr(room, "join_batches", lambda *_: None)
    words = ["train", "--out", "x", "--style", "words", "--validation-lines", str(count)]
    room._validation_lines(_parser().parse_args(words), None, Alphabet("ab"), 40)
    assert asked == shares


@pytest.mark.parametrize(
    "options, reason",
    [
        ("--style words --held-out 0.1", "--held-out has no effect on --style words"),
        ("--style words --length 5", "--length has no effect on --style words"),
        ("--style photos --length 1-5", "--length has no effect on --style photos"),
        ("--style words --glyphs pen,mnist", "with --style words the pen writes by itself"),
    ],
)
def test_train_refuses_what_a_style_makes_nothing_of(options, reason, tmp_path, capsys):
    out = tmp_path / "a.safetensors"
    status, said, err = run(capsys, "train", *options.split(), "--out", out)
    assert status == 1 and not said and reason in err[-1]


def test_train_is_repeatable_and_resumes_after_ctrl_c(tmp_path, capsys, monkeypatch):
    whole, again, parts = (tmp_path / f"{name}.safetensors" for name in ("whole", "again", "parts"))
    assert run(capsys, *TRAIN, "--steps", "5", "--out", whole)[0] == 0
    assert run(capsys, *TRAIN, "--steps", "5", "--out", again)[0] == 0
    assert same_weights(whole, again)

    checkpoint = tmp_path / "run.ckpt"
    command = [*TRAIN, "--steps", "5", "--out", parts, "--checkpoint", checkpoint]
    batch = LineStream.batch

    def interrupted(stream, step):
        if step == 3:
            raise KeyboardInterrupt
        return batch(stream, step)

    monkeypatch.setattr(LineStream, "batch", interrupted)
    status, _, err = run(capsys, *command)
    assert status == 130 and not parts.exists()
    assert err[-1] == f"Stopped. {checkpoint} holds 2 steps; the same command goes on from there."
    status, _, err = run(capsys, *TRAIN, "--steps", "5", "--out", parts)
    assert status == 130 and "it had no --checkpoint" in err[-1]
    monkeypatch.setattr(LineStream, "batch", batch)
    status, said, _ = run(capsys, *command)
    assert status == 0 and said[0].startswith("Resuming ")
    assert same_weights(whole, parts)
    checkpoint.write_text("my notes")
    monkeypatch.setattr(room, "_training_glyphs", lambda _: interrupted(None, 3))
    status, _, err = run(capsys, *command)
    assert status == 130 and err == [
        f"Stopped. {checkpoint} is no checkpoint of a training run; name another file."
    ]


def write_mnist(root, images):
    """MNIST's training files, of these images; they show 0 to 9, again and again."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    header = np.array([2051, *images.shape], ">i4").tobytes()
    (folder / "train-images-idx3-ubyte").write_bytes(header + images.tobytes())
    header = np.array([2049, len(images)], ">i4").tobytes()
    labels = (np.arange(len(images)) % 10).astype(np.uint8)
    (folder / "train-labels-idx1-ubyte").write_bytes(header + labels.tobytes())


def test_train_mixes_sources_by_their_shares(tmp_path, capsys):
    pixels = np.full((30, 28, 28), 7, np.uint8)  # 30 glyphs that cannot be the pen's
    write_mnist(tmp_path / "data", pixels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRNN_DATA", str(tmp_path / "data"))
        words = ["train", "--out", "x", "--glyphs", "mnist:3,pen:1"]
        mixed, held_out = room._training_glyphs(_parser().parse_args(words))
    assert held_out is None and mixed.source == "mnist+pen" and len(mixed) == 40
    is_mnist = (mixed.images == 7).all(2).all(1)
    assert int(is_mnist.sum()) == 30  # each once
    assert len(torch.unique(mixed.images[~is_mnist], dim=0)) == 10  # as many as its share


def test_as_emnist_resizes_mnists_digits_and_asks_for_them(tmp_path, capsys, monkeypatch):
    out = tmp_path / "a.safetensors"
    status, _, err = run(capsys, *TRAIN, "--steps", "1", "--out", out, "--as-emnist")
    assert status == 1 and "there are none among --glyphs pen: name mnist" in err[0]

    bars = np.zeros((40, 28, 28), np.uint8)
    bars[:, 9:14, 11:15] = 255
    write_mnist(tmp_path, bars)
    monkeypatch.setenv("CRNN_DATA", str(tmp_path))
    words = ["train", "--out", "x", "--glyphs", "mnist,pen", "--as-emnist", "--style", "varied"]
    options = _parser().parse_args(words)
    glyphs, _ = room._training_glyphs(options)
    (resized,) = resize_as_emnist(load_glyphs("mnist", "train").subset([0])).images
    assert int((glyphs.images == resized).flatten(1).all(1).sum()) == 40
    options.batch_size = 4
    lines = room._training_lines(options, glyphs, Alphabet(), 32)
    assert [stream.style.size for stream in lines.streams] == [
        (0.8 * 0.85, 1.15 * 1.1),
        (0.85, 1.1),
    ]


def test_train_holds_out_glyphs_it_never_trains_on():
    words = ["train", "--out", "x", "--glyphs", "pen", "--held-out", "0.3", "--seed", "5"]
    kept, held_out = room._training_glyphs(_parser().parse_args(words))
    assert (len(kept), len(held_out)) == (70, 30)
    assert torch.bincount(held_out.labels).tolist() == [3] * 10
    images = torch.cat([kept.images, held_out.images])
    assert len(torch.unique(images, dim=0)) == 100
    for share, count in (("0.01", 0), ("0.99", 100)):
        words[6] = share
        with pytest.raises(ValueError, match=f"--held-out {share} holds out {count} of the 100 gl"):
            room._training_glyphs(_parser().parse_args(words))


@pytest.mark.parametrize(
    "network, style",
    [("crnn", "article"), ("article", "default"), ("article", "varied"), ("large", "varied")],
)
def test_every_network_reads_every_style(network, style, tmp_path, capsys):
    out = tmp_path / "a.safetensors"
    command = ["train", "--glyphs", "pen", "--network", network, "--style", style, "--steps", "1"]
    assert run(capsys, *command, "--batch-size", "2", "--out", out)[0] == 0
    heights = [style["height"] for style in describe_checkpoint(out)["provenance"]["styles"]]
    expected = [min(28 if network == "article" else 32, 28 if style == "article" else 32)]
    assert heights == (expected if style != "varied" else [expected[0], 28])


@pytest.mark.parametrize(
    "option, target, reason",
    [
        ("--out", "none/a.safetensors", "there is no folder"),
        ("--out", "a.pt", "must end in .safetensors"),
        ("--out", ".", "is a folder"),
        ("--history", "none/h.json", "there is no folder"),
        ("--checkpoint", "none/c.ckpt", "there is no folder"),
    ],
)
def test_train_finds_out_first_that_it_cannot_write(option, target, reason, tmp_path, capsys):
    words = [*TRAIN, "--out", tmp_path / "a.safetensors", option, tmp_path / target]
    status, out, err = run(capsys, *words)
    assert status == 1 and not out and len(err) == 1
    assert reason in err[0] and option in err[0]


@pytest.mark.parametrize(
    "first, second", [("out", "history"), ("out", "checkpoint"), ("checkpoint", "history")]
)
def test_train_writes_no_file_over_another(first, second, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {
        "out": "a.safetensors",
        first: "b.safetensors",
        second: f"../{tmp_path.name}/b.safetensors",
    }
    words = [word for name, target in given.items() for word in (f"--{name}", target)]
    status, out, err = run(capsys, *TRAIN, *words)
    assert status == 1 and not out and len(err) == 1 and not list(tmp_path.iterdir())
    assert f"--{first}" in err[0] and f"--{second}" in err[0] and "both name" in err[0]


def test_train_refuses_a_checkpoint_of_another_run(tmp_path, capsys):
    options = ["--checkpoint", tmp_path / "run.ckpt", "--out", tmp_path / "a.safetensors"]
    assert run(capsys, *TRAIN, *options, "--steps", "2")[0] == 0
    status, _, err = run(capsys, *TRAIN, *options, "--steps", "3")
    assert status == 1 and "belongs to" in err[-1]


def test_train_keeps_a_share_of_the_weights_it_started_from(weights, tmp_path, capsys):
    ended, mixed = (tmp_path / f"{name}.safetensors" for name in ("ended", "mixed"))
    options = ["--start", weights, "--steps", "3", "--held-out", "0.2", "--validation-lines", "40"]
    options += [option for option in TRAIN[1:] if option not in ("--network", "window")]
    assert run(capsys, "train", *options, "--out", ended)[0] == 0
    assert run(capsys, "train", *options, "--keep-start", "0.25", "--out", mixed)[0] == 0
    first, last, found = (load_model(path).state_dict() for path in (weights, ended, mixed))
    for name, value in found.items():
        expected = 0.25 * first[name] + 0.75 * last[name]
        assert not value.is_floating_point() or torch.allclose(value, expected, atol=1e-6), name
    rates = [
        describe_checkpoint(path)["provenance"]["metrics"]["held_out_character_error_rate"]
        for path in (ended, mixed)
    ]
    assert rates[0] != rates[1]  # each file's figures are those of its own weights


def test_train_writes_lines_in_the_classes_of_the_network_it_starts_from(
    tmp_path, capsys, monkeypatch
):
    """In another order, or with the blank elsewhere, each line would teach another number."""
    other = CRNN(CRNNConfig(channels=(4, 8), strides=((2, 2), (2, 2))), Alphabet("9876543210", 10))
    start, taught = save_model(other, tmp_path / "start.safetensors", provenance={}), []

    def stop(model, lines, config, validation):
        taught.append((lines.batch(0), validation))
        raise ValueError("stopped here")

    monkeypatch.setattr("crnn_lib.cli.train.train_model", stop)
    options = ["--glyphs", "pen", "--held-out", "0.2", "--validation-lines", "4"]
    options += ["--start", start, "--out", tmp_path / "a.safetensors"]
    run(capsys, "train", *options)
    for lines in taught[0]:
        assert [*map(other.alphabet.decode, _labels_of(lines))] == lines.texts
    status, said, err = run(capsys, "train", *options[:2], *options[6:], "--style", "words")
    assert status == 1 and not said and len(taught) == 1
    assert "does not know a b c" in err[-1] and "lines of --style words hold them" in err[-1]


def test_train_can_keep_nothing_of_a_network_that_starts_anew(tmp_path, capsys):
    options = ["--keep-start", "0.25", "--steps", "1", "--out", tmp_path / "a.safetensors"]
    status, _, err = run(capsys, *TRAIN, *options)
    assert status == 1 and "--keep-start mixes in the weights of --start" in err[-1]


def test_train_can_widen_the_network_it_starts_from(tmp_path, capsys, monkeypatch):
    few = functools.partial(PhotoMixture, writers=20)  # instead of thousands
    monkeypatch.setattr(room, "PhotoMixture", few)
    out = tmp_path / "wide.safetensors"
    options = ["--style", "photos", "--glyphs", "pen", "--batch-size", "4", "--steps", "1"]
    start = ["--start", "crnn-digits", "--network", "photos"]
    status, told, _ = run(capsys, "train", *options, *start, "--out", out)
    assert status == 0 and "1,627,551 parameters" in told[0]
    assert load_model(out).config == CRNNConfig.photos()
    for network, why in (("window", "a CRNN can be widened"), ("words", "height 32 -> 40")):
        start = ["--start", "crnn-digits", "--network", network]
        status, _, err = run(capsys, "train", *options, *start, "--out", out)
        assert status == 1 and why in err[-1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_train_without_a_gpu_says_so(tmp_path, capsys):
    options = ["--device", "cuda", "--out", tmp_path / "a.safetensors"]
    status, _, err = run(capsys, *TRAIN, *options)
    assert status == 1 and "finds no GPU" in err[-1]


# ------------------------------------------------------------------ evaluate and glyphs


def test_evaluate_prints_the_report(weights, capsys, monkeypatch):
    threads = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    command = ["evaluate", "--weights", weights, "--glyphs", "pen", "--length", "2", "--count", "6"]
    status, out, err = run(capsys, *command)
    assert status == 0 and not err
    assert (
        out[0]
        == f"{weights} reads lines in the style default, written with pen test glyphs (seed 0)"
    )
    assert out[2].split() == ["lines", "6"]
    assert out[7].split()[:2] == ["2", "6"]
    assert not threads
    assert run(capsys, *command, "--threads", "2")[1] == out and threads == [2]


def test_glyphs_that_are_not_there(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CRNN_DATA", str(tmp_path))
    commands = [
        ["evaluate", "--weights", weights, "--glyphs", "mnist"],
        [*TRAIN, "--out", tmp_path / "a.safetensors", "--glyphs", "mnist"],
        ["glyphs", "preview", "mnist", "-o", tmp_path / "a.png"],
    ]
    for command in commands:
        status, _, err = run(capsys, *command)
        assert status == 1 and len(err) == 1
        assert "python -m crnn_lib glyphs download mnist" in err[0] and "11 MB" in err[0]


def test_glyphs_list_shows_what_is_there(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CRNN_DATA", str(tmp_path))
    status, out, _ = run(capsys, "glyphs", "list")
    assert status == 0
    rows = {tuple(line.split()[:2]): line.split(maxsplit=3)[2:] for line in out[1:-2]}
    assert rows["pen", "test"] == ["100", "drawn when asked for"]
    assert rows["mnist", "train"] == ["-", "not here: glyphs download mnist"]
    assert str(tmp_path) in out[-1]


def test_glyphs_download_stops_at_what_is_there(tmp_path, capsys, monkeypatch):
    asked = []
    monkeypatch.setenv("CRNN_DATA", str(tmp_path))
    monkeypatch.setattr(
        "crnn_lib.handwriting.downloads.download_mnist", lambda *a, **k: asked.append(a)
    )
    status, _, err = run(capsys, "glyphs", "download", "mnist", "--split", "test")
    assert [splits for _, splits in asked] == [("test",)]
    assert status == 1 and len(err) == 1  # the stand-in fetched nothing


def test_fonts_have_no_splits_to_fetch_alone(capsys, monkeypatch):
    monkeypatch.setattr("crnn_lib.cli.glyphs.fonts.download_fonts", pytest.fail)
    status, said, err = run(capsys, "glyphs", "download", "fonts", "--split", "train")
    assert status == 1 and not said and "--split is for glyphs: fonts are fetched" in err[-1]


def test_glyphs_preview_draws_a_png(tmp_path, capsys):
    out = tmp_path / "pen.png"
    status, said, _ = run(capsys, "glyphs", "preview", "pen", "-o", out, "--count", "40")
    assert status == 0 and said == [
        f"Wrote {out}: 40 glyphs of the characters 0123456789, row by row."
    ]
    assert Image.open(out).format == "PNG"
    status, _, err = run(capsys, "glyphs", "preview", "pen", "-o", tmp_path / "pen.pdf")
    assert status == 1 and "must end in .png" in err[-1]
    status, _, err = run(capsys, "glyphs", "preview", "pen", "-o", tmp_path / "none" / "pen.png")
    assert status == 1 and "there is no folder" in err[-1]
