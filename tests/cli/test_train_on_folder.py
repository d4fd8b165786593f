"""``train --lines``: from a stranger's folder to weights that ``read`` takes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from typed import run, save_tiny

from crnn_lib.alphabet import Alphabet
from crnn_lib.handwriting import glyphs as glyph_module
from crnn_lib.handwriting.pen import draw_words
from crnn_lib.models import CRNN, CRNNConfig, describe_checkpoint, load_model, save_model
from crnn_lib.training import History

WORDS = ["tea", "ten", "net", "eat", "ant", "tan", "neat", "tent", "10", "204"]


@pytest.fixture(autouse=True)
def few_glyphs(monkeypatch):
    """The pen draws few glyphs instead of thousands, and nothing lies on the disk."""
    for split in ("train", "test"):
        monkeypatch.setitem(glyph_module.PEN_COUNT, split, 100)
    monkeypatch.setattr("crnn_lib.training.fine_tuning._OLD_WRITERS", 3)
    monkeypatch.delenv("CRNN_DATA", raising=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A stranger's working directory, with ten words and their table."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_words").mkdir()
    written = draw_words(WORDS, torch.Generator().manual_seed(0), height=64)
    rows = ["file,text"]
    for n, (image, text) in enumerate(zip(written.images, WORDS, strict=True)):
        Image.fromarray(255 - np.pad(image.numpy(), 10)).save(tmp_path / "my_words" / f"{n}.png")
        rows.append(f"{n}.png,{text}")
    (tmp_path / "my_words" / "labels.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "my_words"


@pytest.fixture
def weights(tmp_path):
    return save_tiny(tmp_path, old="crnn-digits")


TRAIN = ["train", "--lines", "my_words/", "--out", "mine.safetensors", "--device", "cpu"]
QUICK = ["--steps", "4", "--validate-every", "2", "--batch-size", "6"]


def test_from_a_folder_to_a_reading(folder, weights, capsys):
    command = [*TRAIN, *QUICK, "--start", weights, "--alphabet", "auto", "--half"]
    status, said, err = run(capsys, *command, "--history", "history.json", "--patience", "1")
    assert status == 0, err
    assert said[0].startswith(f"Training CRNN ({weights}, ")
    assert "on 10 lines of my_words/: 14 characters, 4 of them new." in said[0]
    assert said[0].endswith(
        "At most 4 steps of 6 lines, 50% of them such as crnn-digits learned from."
    )
    assert said[1].startswith("8 lines learned from in 4 steps; the best weights were there after ")
    assert said[2].startswith("2 held-out lines: CER ") and " after; " in said[2]
    assert said[3].split()[1:4] == ["old", "lines:", "CER"]
    assert said[4].startswith("Wrote mine.safetensors (")
    facts = describe_checkpoint("mine.safetensors")
    story = facts["provenance"]
    assert facts["alphabet"] == {"characters": "0123456789aent", "blank": 0}
    assert {entry["dtype"] for entry in facts["tensors"].values()} <= {"F16", "I64"}
    assert story["command"].startswith(
        "python -m crnn_lib train --lines my_words --out mine.safetensors"
    )
    assert str(folder.parent) not in json.dumps(story)
    assert story["weights"] == "tiny.safetensors" and story["old"] == "crnn-digits"
    assert story["start"]["read_out"]["kept"] == "0123456789"
    assert story["metrics"]["held_out_after"]["n"] == 2
    assert History.load("history.json").validation_step[0] == 2

    status, read, err = run(capsys, "read", "--model", "mine.safetensors", "my_words/0.png")
    assert status == 0, err
    assert read[0].startswith("my_words/0.png\t")
    # and from there on, with the same old lines
    more = ["--start", "mine.safetensors", "--out", "more.safetensors", "--keep-old", "0.3"]
    status, said, err = run(capsys, *TRAIN, *QUICK, *more)
    assert status == 0, err
    assert "0 of them new" in said[0] and "30% of them such as crnn-digits" in said[0]


def test_label_lists_images_and_keeps_what_is_there(folder, weights, capsys):
    (folder / "more").mkdir()
    (folder / "0.png").rename(folder / "more" / "a, b.png")
    (folder / "notes.txt").write_text("no image")
    (folder / "labels.csv").write_text("text,writer,file\nten,me,1.png\n")
    status, said, err = run(capsys, "label", "my_words")
    assert (status, err) == (0, ["my_words: 1 left out (no image by its name): notes.txt"])
    assert said == ["my_words/labels.csv: 9 images are new. Open it and fill in its texts."]
    rows = (folder / "labels.csv").read_text().splitlines()
    assert rows[:3] == ["text,writer,file", "ten,me,1.png", ",,2.png"]
    assert rows[-1] == ',,"more/a, b.png"' and len(rows) == 11
    assert run(capsys, "label", "my_words")[1] == [
        "my_words/labels.csv: 0 images are new.",
        "my_words/labels.csv: 9 rows have no text: fill them in, or let --model NAME propose them.",
    ]
    status, _, err = run(capsys, *TRAIN, "--start", weights, "--alphabet", "auto")
    assert status == 1 and "9 of 10 rows" in err[0] and err[1] == "  row 3, 2.png: it has no text"

    (folder / "labels.csv").unlink()
    (folder / "broken.png").write_bytes(b"")
    status, said, err = run(capsys, "label", "my_words", "--model", "digits")
    assert err[0] == "my_words/broken.png: the file is empty"
    assert status == 1 and said[0].endswith("11 images are new. Open it and correct its texts.")
    rows = (folder / "labels.csv").read_text().splitlines()
    assert rows[0] == "file,text" and "broken.png," in rows
    proposed = dict(row.rsplit(",", 1) for row in rows[1:])
    assert proposed["8.png"].isdigit() and proposed["9.png"].isdigit()
    left = [*proposed.values()].count("")
    assert said[1:] == [
        f"my_words/labels.csv: {left} rows have no text: crnn-digits read nothing there."
    ]
    for wrong, words in (("nowhere", "no folder"), ("more_", "no image")):
        (folder / "more_").mkdir(exist_ok=True)
        status, _, err = run(capsys, "label", "nowhere" if wrong == "nowhere" else folder / wrong)
        assert status == 1 and words in err[0]


def test_label_proposes_texts_for_rows_that_have_none(folder, capsys):
    (folder / "labels.csv").write_text("file,text\n1.png,ten\n")
    assert run(capsys, "label", "my_words")[0] == 0
    Image.new("L", (90, 40), 255).save(folder / "white.png")
    status, said, err = run(capsys, "label", "my_words", "--model", "words")
    assert status == 1 and err[0].startswith("my_words/white.png: there is no ink on it")
    assert said == [
        "my_words/labels.csv: 1 image is new, 9 rows that had no text have one now. Open it and "
        "correct its texts.",
        "my_words/labels.csv: 1 row has no text: crnn-words read nothing there.",
    ]
    rows = dict(row.split(",") for row in (folder / "labels.csv").read_text().splitlines())
    assert rows.pop("1.png") == "ten" and rows.pop("white.png") == "" and rows.pop("file") == "text"
    assert len(rows) == 9 and all(rows.values())
    before = (folder / "labels.csv").read_bytes()
    assert run(capsys, "label", "my_words", "--model", "words")[1][0].endswith("0 images are new.")
    assert (folder / "labels.csv").read_bytes() == before


def test_label_leaves_out_what_show_has_drawn(folder, weights, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert run(capsys, "read", "0.png", "--show", "--weights", weights)[0] in (0, 3)
    (folder / "labels.csv").unlink()
    status, said, err = run(capsys, "label", ".")
    assert (status, said) == (0, ["labels.csv: 10 images are new. Open it and fill in its texts."])
    assert err == [".: 1 left out (a picture that --show drew): 0-read.png"]
    assert (folder / "0-read.png").exists()


def test_the_same_command_gives_the_same_weights(folder, weights, capsys):
    found = []
    for _ in range(2):
        command = [*TRAIN, *QUICK, "--start", weights, "--alphabet", "0123456789aent"]
        assert run(capsys, *command, "--keep-old", "0", "--seed", "4")[0] == 0
        found.append(load_model("mine.safetensors").state_dict())
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def test_bad_rows_are_named_before_training(folder, weights, capsys):
    with open(folder / "labels.csv", "a") as table:
        table.write("gone.png,tea\n1.png,ten\n")
    status, said, err = run(capsys, *TRAIN, "--start", weights)
    assert status == 1 and not said
    assert err[0].endswith("10 of 12 rows of my_words cannot be learned:")
    assert err[1].startswith("  row 2, 0.png, 'tea': the alphabet (0123456789) lacks 't', 'e', 'a'")
    assert "--alphabet" in err[-1] and "--skip-bad" in err[-1] and len(err) == 12
    status, said, err = run(capsys, *TRAIN, "--start", weights, "--alphabet", "auto")
    assert status == 1 and not said and "2 of 12 rows" in err[0]
    assert err[1:3] == [
        "  row 12, gone.png, 'tea': it names a file which is not there",
        "  row 13, 1.png, 'ten': the same file stands in row 3 already",
    ]
    command = [*TRAIN, *QUICK, "--start", weights, "--alphabet", "auto", "--skip-bad"]
    status, said, err = run(capsys, *command, "--keep-old", "0")
    assert status == 0 and "on 10 lines" in said[0] and "of 6 lines." in said[0]
    assert len(err) == 3


@pytest.mark.parametrize(
    "options, complaint",
    [
        (["--lines", "nowhere"], "There is no folder 'nowhere'"),
        (["--lines", "."], "holds no labelled line|names a file"),
        (["--alphabet", "aa"], "--alphabet: Each character may stand once"),
        (["--alphabet", "tean", "--keep-old", "0.5", "--skip-bad"], "shares no character"),
        (["--start", "nothing"], "There is no file 'nothing'"),
        (["--glyphs", "pen"], "--glyphs is for lines that are written afresh"),
        (["--style", "article"], "--style is for lines"),
        (["--keep-start", "0.3"], "--keep-start is for lines"),
        (["--held-out", "0", "--patience", "3"], "--patience needs lines that are held out"),
        (["--out", "mine.pt"], "must end in .safetensors"),
        (["--keep-old", "1"], "below 1, got '1'"),
    ],
)
def test_errors_say_what_to_do(options, complaint, folder, weights, capsys):
    (folder.parent / "labels.csv").write_text("0.png,tea\n")
    command = [*TRAIN, "--start", weights, "--alphabet", "auto", *options]
    status, said, err = run(capsys, *command)
    assert status in (1, 2) and not said
    assert any(part in "\n".join(err) for part in complaint.split("|")), err


@pytest.mark.parametrize(
    "option", [["--alphabet", "ab"], ["--keep-old", "0.5"], ["--skip-bad"], ["--patience", "2"]]
)
def test_options_of_a_folder_go_with_a_folder(option, tmp_path, capsys):
    status, _, err = run(capsys, "train", "--out", tmp_path / "a.safetensors", *option)
    assert status == 1 and f"{option[0]} goes with --lines" in err[-1]


def test_old_lines_of_unknown_weights(folder, capsys, tmp_path):
    alphabet = Alphabet("0124aent")
    model = CRNN(CRNNConfig(channels=(4, 8), strides=((2, 2), (2, 2)), hidden=8), alphabet)
    save_model(model, tmp_path / "other.safetensors", provenance={})
    command = [*TRAIN, *QUICK, "--start", "other.safetensors"]
    status, _, err = run(capsys, *command, "--keep-old", "0.5")
    assert status == 1 and "--keep-old: what other.safetensors learned from" in err[0]
    status, said, _ = run(capsys, *command, "--held-out", "0")
    assert (
        status == 0
        and said[1] == "10 lines learned from in 4 steps"
        and said[2].startswith("Wrote")
    )


def test_names_of_shipped_weights_may_be_short(tmp_path, monkeypatch):
    from crnn_lib.cli.arguments import _parser

    monkeypatch.chdir(tmp_path)
    options = _parser().parse_args(["read", "--model", "digits", "a.png"])
    assert options.weights == "crnn-digits"
    (tmp_path / "digits").touch()  # a file of that name is meant
    assert _parser().parse_args(["read", "--weights", "digits", "a.png"]).weights == "digits"
    options = _parser().parse_args(["train", "--out", "a.safetensors", "--start", "photos"])
    assert options.start == "crnn-photos"
