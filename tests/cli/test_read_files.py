"""``crnn read`` and what people give it: folders, odd names, full disks, closed pipes."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from drawn_photos import photo, strokes
from PIL import Image
from typed import run, save_tiny

from crnn_lib.archive import ArchiveReport
from crnn_lib.cli import _pictures
from crnn_lib.cli import read as room
from crnn_lib.cli.arguments import PROG
from crnn_lib.photos import PhotoLine, Reading, Row


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


GREY = (255 * photo(strokes())).astype(np.uint8)


def draw(path):
    Image.fromarray(GREY).save(path)
    return path


def reading(text, confidence=0.9, row=None, column=None, guess=None):
    """What a reader might say of a line, without a reader."""
    line = PhotoLine(torch.zeros(1, 32, 60), np.eye(3), (60, 32))
    hypothesis = type("H", (), {"text": text if guess is None else guess})()
    made = Reading(text, confidence, (), line, torch.zeros(1, 11), hypothesis)
    return Reading(**{**vars(made), "row": row, "column": column})


class Says:
    """A reader that says the same of every file."""

    def __init__(self, *readings):
        self.readings = readings
        self.alphabet = type("A", (), {"characters": "0123456789"})()

    def read_many(self, files, progress, workers):
        return (Row(file, self.readings) for file in files)


@pytest.fixture
def says(monkeypatch):
    def say(*readings):
        monkeypatch.setattr(room.Reader, "pretrained", lambda *a, **k: Says(*readings))

    return say


# ------------------------------------------------------------------ what a line without a text is


def test_a_line_without_a_text_is_a_word_a_reason_and_an_exit_status(says, here, capsys):
    says(reading("55207"), reading("", 0.99), reading(None, 0.2, guess="1"))
    options = ["--refuse-below", "0.5", "--csv", "a.csv"]
    status, out, err = run(capsys, "read", draw(here / "a.png"), *options)
    assert status == 3
    assert [line.split("\t")[1] for line in out] == ["55207", "[nothing]", "[refused]"]
    assert len(err) == 2 and "line 2: nothing" in err[0] and "line 3: refused" in err[1]
    assert "probability is 0.2, below --refuse-below 0.5: '1'" in err[1]
    with open("a.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["read", "nothing", "refused"]
    assert [row["text"] for row in rows] == ["55207", "", ""]
    status, out, _ = run(capsys, "read", here / "a.png", "--json")
    assert [json.loads(line)["status"] for line in out] == ["read", "nothing", "refused"]


@pytest.mark.parametrize("text", ["", "1"])
def test_an_empty_text_is_refused_as_any_other(text, says, here, capsys):
    says(reading(None, 0.3, guess=text))
    status, out, err = run(capsys, "read", draw(here / "a.png"), "--refuse-below", "0.5")
    assert status == 3 and out[0].endswith("\t[refused]")
    assert err[0].endswith(f"refused: its probability is 0.3, below --refuse-below 0.5: {text!r}")


def test_a_constraint_that_fits_with_a_probability_near_0_is_refused(says, here, capsys):
    says(reading("19201209", 2e-7))
    name = draw(here / "a.png")
    status, out, err = run(capsys, "read", name, "--constraint", "date")
    assert status == 3 and out == [f"{name}\t[refused]"]
    assert "--constraint date allows '19201209' at best, and its probability is 2e-07" in err[0]
    status, out, _ = run(capsys, "read", name)  # without one it is what the network says
    assert status == 0 and out == [f"{name}\t19201209"]


def test_a_file_that_fails_outweighs_a_line_without_text(says, here, capsys):
    says(reading(""))
    (here / "empty").mkdir()
    assert run(capsys, "read", draw(here / "a.png"), here / "empty")[0] == 1


# ------------------------------------------------------------------ tables

CELLS = [
    reading("12", row=0, column=0),
    reading("7", row=0, column=2),
    reading("", row=1, column=1),
    reading("3", row=1, column=1),
    reading("999"),
]


def test_json_has_rows_and_columns(says, here, capsys):
    says(*CELLS)
    _, out, _ = run(capsys, "read", draw(here / "a.png"), "--json")
    places = [(one["row"], one["column"], one["kind"]) for one in map(json.loads, out)]
    assert places == [(one.row, one.column, "number") for one in CELLS]


def test_a_table_is_written_as_a_table(says, here, capsys):
    says(*CELLS)
    first, second = draw(here / "a.png"), draw(here / "b.png")
    run(capsys, "read", first, "--csv", "one.csv", "--table")
    grid = [["12", "", "7"], ["", "[nothing] 3", ""], ["999", "", ""]]
    with open("one.csv", newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == grid
    run(capsys, "read", first, second, "--csv", "two.csv", "--table")
    with open("two.csv", newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            [str(name), *line] for name in (first, second) for line in grid
        ]


def test_a_table_needs_a_file(here, capsys):
    status, out, err = run(capsys, "read", draw(here / "a.png"), "--table")
    assert status == 1 and not out and "add --csv FILE" in err[0]


# ------------------------------------------------------------------ pictures


def test_no_picture_of_another_photo_is_overwritten(says, here, capsys):
    says(reading("1"))
    (here / "in").mkdir()
    names = [draw(here / "in" / name) for name in ("photo.png", "photo.jpg")]
    (here / "other").mkdir()
    names.append(draw(here / "other" / "photo.png"))
    (here / "photo-jpg-read.png").write_text("my notes")
    assert run(capsys, "read", *names, "--show")[0] == 0
    made = sorted(path.name for path in here.glob("*.png"))
    expected = ["photo-jpg-2-read.png", "photo-jpg-read.png", "photo-png-read.png"]
    assert made == [*expected, "photo-read.png"]
    assert (here / "photo-jpg-read.png").read_text() == "my notes"
    for name in reversed(names):  # each finds its own picture again
        assert run(capsys, "read", name, "--show")[0] == 0
    assert sorted(path.name for path in here.glob("*.png")) == made
    with Image.open("photo-read.png") as picture:
        assert picture.info[_pictures.KEY] == str(names[0])


def test_a_picture_that_cannot_be_written_is_named(says, here, capsys, monkeypatch):
    says(reading("1"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_pictures.Path, "write_bytes", full)
    status, _, err = run(capsys, "read", draw(here / "a.png"), "--show")
    assert status == 1
    assert "--show a-read.png cannot be written (No space left on device)" in err[-1]


def test_pictures_of_an_earlier_run_are_no_photos(says, here, capsys):
    says(reading("1"))
    for name in ("a.png", "form-read.png"):  # the second is no picture of ours
        draw(here / name)
    for _ in range(2):
        status, out, err = run(capsys, "read", ".", "--show")
        assert status == 0 and [line.split("\t")[0] for line in out] == [
            "./a.png",
            "./form-read.png",
        ]
    assert err == [".: 2 left out (a picture that --show drew): a-read.png, form-read-read.png"]


def test_a_picture_is_no_photo_whatever_it_is_called(says, here, capsys):
    says(reading("1"))
    run(capsys, "read", draw(here / "a.png"), "--show", "read.PNG")
    _, out, err = run(capsys, "read", ".")
    assert out == ["./a.png\t1"]
    assert err == [".: 1 left out (a picture that --show drew): read.PNG"]


def test_what_a_user_has_made_is_not_overwritten(says, here, capsys):
    says(reading("1"))
    first, second = draw(here / "a.png"), draw(here / "b.png")
    before = first.read_bytes()
    status, out, err = run(capsys, "read", "--show", first, second)  # both were to be read
    assert status == 1 and not out and "a.png is there, and no picture of what was read" in err[0]
    assert first.read_bytes() == before
    for _ in range(2):  # a picture of an earlier run may be drawn again
        assert run(capsys, "read", second, "--show", "c.png")[0] == 0
    (here / "labels.csv").write_text("file,text\na.png,7\n")
    status, _, err = run(capsys, "read", second, "--csv", "labels.csv")
    assert status == 1 and "would overwrite what the images are labelled with" in err[0]
    assert (here / "labels.csv").read_text() == "file,text\na.png,7\n"
    status, _, err = run(capsys, "read", second, "--csv", "d.png", "--show", "d.png")
    assert status == 1 and "--csv and --show both name d.png" in err[0]


@pytest.mark.parametrize("kind", ["png", "JPG", "tif", "pdf", "heic"])
def test_a_table_takes_the_place_of_no_image(kind, says, here, capsys):
    says(reading("1"))
    scans = [here / f"{name}.{kind}" for name in "abc"]
    for scan in scans:
        Image.fromarray(GREY).save(scan, "PNG")
    for words in (["--csv", *scans], [".", "--csv", scans[0]], scans + ["--csv", scans[0]]):
        status, out, err = run(capsys, "read", *words)
        assert status == 1 and not out and f"a.{kind} would overwrite an image" in err[0]
        assert scans[0].read_bytes() == scans[1].read_bytes()
    status, _, err = run(capsys, "read", scans[0], "--csv", "new/")
    assert status == 1 and err == [f"{PROG} read: --csv new/ is a folder; name a file."]


def test_options_that_an_archive_has_no_use_for_are_named(says, here, capsys):
    says(reading("1"))
    for option in (["--threads", 2], ["--workers", 2], ["--show"]):
        given = ["read", draw(here / "a.png"), "--engine", "ray", "--out", "texts", *option]
        status, out, err = run(capsys, *given)
        assert status == 1 and not out and f"{option[0]} is for reading without it" in err[0]


def test_what_an_archive_leaves_out_is_said(says, here, capsys, monkeypatch):
    says(reading("1"))
    report = ArchiveReport(2, 0, 3, 1, 0, {"in/a.txt": "no image by its name"})
    monkeypatch.setattr("crnn_lib.archive.read_archive", lambda *_, **__: report)
    status, out, err = run(capsys, "read", "in", "more", "--engine", "ray", "--out", "texts")
    assert status == 0 and out[0].startswith("2 files read")
    assert err == ["in more: 1 left out (no image by its name): in/a.txt"]


def test_a_process_that_died_is_said_in_one_line(says, here, capsys, monkeypatch):
    says(reading("1"))

    def dies(self, files, progress, workers):
        yield Row(files[0], self.readings)
        raise ChildProcessError("One of 2 processes died while it read.")

    monkeypatch.setattr(Says, "read_many", dies)
    options = ["--csv", "a.csv", "--workers", 2]
    status, out, err = run(capsys, "read", draw(here / "a.png"), *options)
    assert (
        status == 1
        and len(out) == 1
        and err[0].endswith("read: One of 2 processes died while it read.")
    )
    assert "a.png,1,1," in (here / "a.csv").read_text(encoding="utf-8")


# ------------------------------------------------------------------ folders and names


def test_what_a_folder_skips_is_said(says, here, capsys):
    says(reading("1"))
    (here / "in").mkdir()
    draw(here / "in" / "a.png").rename(here / "in" / "a.JPE")
    for name in ("notes.txt", "labels.csv", ".hidden"):
        (here / "in" / name).write_text("x")
    for k in range(7):
        (here / "in" / f"{k}.docx").write_text("x")
    (here / "in" / "empty").mkdir()
    (here / "in" / "more").mkdir()
    draw(here / "in" / "more" / "b.png")
    status, out, err = run(capsys, "read", here / "in")
    assert status == 0 and [line.rpartition("/")[2] for line in out] == ["a.JPE\t1"]
    files = "in: 9 left out (no image by its name): 0.docx, 1.docx, 2.docx, 3.docx, 4.docx, ..."
    assert err[0].endswith(files)
    assert err[1].endswith("in: 1 left out (a folder in the folder; name it to read it): more")
    _, out, _ = run(capsys, "read", here / "in", "--json")
    first, *lines = map(json.loads, out)
    assert first.keys() == {"file", "skipped"} and first["file"] == str(here / "in")
    assert len(first["skipped"]) == 10 and first["skipped"]["notes.txt"] == "no image by its name"
    assert [line["text"] for line in lines] == ["1"]
    _, told, _ = run(capsys, "read", "--help")
    assert '{"file": FOLDER, "skipped": {NAME: REASON, ...}}' in " ".join(told)


def test_what_cannot_be_read_is_an_object_and_a_row_too(here, capsys):
    (here / "broken.png").write_bytes(b"no image")
    (here / "empty").mkdir()
    names = [draw(here / "a.png"), here / "broken.png", here / "gone.png", here / "empty"]
    status, out, err = run(capsys, "read", *names, "--json", "--csv", "a.csv")
    objects = [json.loads(line) for line in out]
    reasons = {one["file"]: one["error"] for one in objects if "error" in one}
    assert status == 1 and {one["file"] for one in objects} == set(map(str, names))
    assert list(reasons) == [str(names[3]), str(names[1]), str(names[2])]
    assert reasons[str(names[2])] == "there is no such file"
    assert err == [f"{name}: {reason}" for name, reason in reasons.items()]
    with open("a.csv", newline="", encoding="utf-8") as file:
        assert {
            row["file"]: row["error"] for row in csv.DictReader(file) if row["error"]
        } == reasons
    _, told, _ = run(capsys, "read", "--help")
    assert '{"file": NAME, "error": REASON}' in " ".join(told)


@pytest.mark.parametrize("name", ["zwei Zahlen.png", "число ٣.png", "tab\tnew\nline.png", "🖊.png"])
def test_any_name_is_read_and_printed_on_one_line(name, says, here, capsys):
    says(reading("1"))
    draw(here / "a.png").rename(here / name)
    status, out, err = run(capsys, "read", name, "--csv", "a.csv")
    assert status == 0 and not err and len(out) == 1 and out[0].endswith("\t1")
    assert out[0].count("\t") == 1
    with open("a.csv", newline="", encoding="utf-8") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [name]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no text")
def test_a_name_that_is_no_text(says, here, capsys):
    says(reading("1"))
    raw = os.fsencode(here) + b"/\xff.png"
    draw(here / "a.png").rename(os.fsdecode(raw))
    status, out, _ = run(capsys, "read", ".", "--csv", "a.csv", "--json")
    assert status == 0 and json.loads(out[-1])["text"] == "1"
    assert "\\udcff.png" in (here / "a.csv").read_text(encoding="utf-8")


# ------------------------------------------------------------------ the whole way


def test_a_clumsy_user_is_told_what_is_wrong(weights, here, capsys):
    (here / "empty.png").write_bytes(b"")
    (here / "folder").mkdir()
    draw(here / "good.png")
    draw(here / "locked.png").chmod(0)
    given = ["empty.png", "folder", "nowhere/a.png", "good.png/inner.png", "", "good.png"]
    status, out, err = run(capsys, "read", "--weights", weights, *given)
    assert status == 1
    assert [line.split("\t")[0] for line in out] == ["good.png"]
    said = "\n".join(err)
    assert "empty.png: the file is empty" in said
    assert "folder: it is a folder without image files" in said
    assert "nowhere/a.png: there is no such file" in said
    assert "good.png/inner.png: cannot be opened (Not a directory)" in said


def test_a_pipe_that_closes_early_is_no_fault(weights, here):
    draw(here / "a.png")
    command = [sys.executable, "-m", "crnn_lib", "read", "--threads", "1", "--weights", weights]
    command += ["--csv", "a.csv", *["a.png"] * 3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 1 and "Traceback" not in said
    assert (here / "a.csv").read_text(encoding="utf-8").startswith("file,line,text")
