"""Test sets of one's own: saved by several people, pooled, repaired, and read back."""

from __future__ import annotations

import io
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from crnn_lib.photos import load_test_set, save_line
from crnn_lib.photos._labels import TABLE

INK = np.zeros((40, 90), dtype=np.float32)
INK[10:30, 20:24] = 1.0


def test_what_is_saved_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.random((20 + 3 * i, 50 - i), dtype=np.float32) for i in range(4)]
    for image, text in zip(images, ["55207", "007", "1", "0"], strict=True):
        path = save_line(tmp_path / "mine", image, text)
        assert path.name.startswith(f"{text}-") and path.parent == tmp_path / "mine"
    lines = load_test_set(tmp_path / "mine")
    assert repr(lines) == "OwnLines(4 lines)"
    assert sorted(lines.texts) == ["0", "007", "1", "55207"]
    back = dict(zip(lines.texts, lines.images, strict=True))
    for image, text in zip(images, ["55207", "007", "1", "0"], strict=True):
        assert back[text].dtype == np.float32
        np.testing.assert_allclose(back[text], image, atol=0.5 / 255 + 1e-6)
    assert [path.name.split("-")[0] for path in lines.paths] == lines.texts


def test_folder_holds_complete_images_and_one_table(tmp_path):
    paths = [save_line(tmp_path, INK, "71") for _ in range(5)]
    assert len({path.name for path in paths}) == 5
    assert {p.name for p in tmp_path.iterdir()} == {TABLE, *(p.name for p in paths)}
    rows = (tmp_path / TABLE).read_text(encoding="utf-8").splitlines()
    assert rows == ["file,text", *(f"{path.name},71" for path in paths)]
    with Image.open(paths[0]) as image:  # dark on white, as paper is
        assert image.getpixel((0, 0)) == 255 and image.getpixel((21, 15)) == 0


def test_nothing_is_replaced(tmp_path, monkeypatch):
    tokens = iter(["aaaaaaaa", "aaaaaaaa", "aaaaaaaa", "bbbbbbbb"])
    monkeypatch.setattr("crnn_lib.photos.own_lines.secrets.token_hex", lambda count: next(tokens))
    first = save_line(tmp_path, INK, "7")
    before = first.read_bytes()
    assert save_line(tmp_path, 0 * INK, "7").name == "7-bbbbbbbb.png"
    assert first.read_bytes() == before
    assert len(load_test_set(tmp_path)) == 2


def test_folders_without_links_work_too(tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError("this file system has no links")

    monkeypatch.setattr("crnn_lib.photos.own_lines.os.link", refuse)
    test_nothing_is_replaced(tmp_path, monkeypatch)
    assert not list(tmp_path.glob(".*"))


def _save_ten(folder):
    for _ in range(10):
        save_line(folder, INK, "42")


def test_two_notebooks_may_save_at_once(tmp_path):
    context = multiprocessing.get_context("fork" if hasattr(__import__("os"), "fork") else None)
    workers = [context.Process(target=_save_ten, args=(tmp_path,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    rows = (tmp_path / TABLE).read_text(encoding="utf-8").splitlines()
    assert rows[0] == "file,text" and len(set(rows)) == len(rows) == 31
    assert load_test_set(tmp_path).texts == ["42"] * 30


def test_a_class_pools_its_folders(tmp_path):
    for name, texts in {"eva": ["1", "22"], "noor": ["333"]}.items():
        for text in texts:
            save_line(tmp_path / "class" / name, INK, text)
    both = tmp_path / "class"
    assert sorted(load_test_set(both).texts) == ["1", "22", "333"]
    assert load_test_set(both / "noor", both / "eva").texts[0] == "333"
    shutil.copytree(both / "eva", both / "copy of eva")
    assert len(load_test_set(both)) == 3  # a line that is there twice counts once
    everything = tmp_path / "one folder"  # all files in one: the tables overwrite each other
    everything.mkdir()
    for name in ("eva", "noor"):
        for path in (both / name).iterdir():
            shutil.copy(path, everything)
    assert sorted(load_test_set(everything).texts) == ["1", "22", "333"]


def test_table_may_be_corrected_by_hand_or_spreadsheet(tmp_path):
    wrong, zeros = save_line(tmp_path, INK, "17"), save_line(tmp_path, INK, "007")
    Image.new("RGB", (50, 20), "white").save(tmp_path / "from the phone.jpg")
    table = f"file;text\r\n{wrong.name};77\r\n{zeros.name};7\r\nfrom the phone.jpg;123"
    (tmp_path / TABLE).write_bytes(b"\xef\xbb\xbf" + table.encode())
    found = dict(zip([p.name for p in load_test_set(tmp_path).paths], [*"abc"], strict=True))
    lines = load_test_set(tmp_path)
    found = {p.name: text for p, text in zip(lines.paths, lines.texts, strict=True)}
    assert found == {wrong.name: "77", zeros.name: "007", "from the phone.jpg": "123"}
    more = save_line(tmp_path, INK, "5")  # goes on with the same separator, on a line of its own
    assert (tmp_path / TABLE).read_text(encoding="utf-8-sig").splitlines()[-1] == f"{more.name};5"
    assert len(load_test_set(tmp_path)) == 4


def test_an_empty_row_has_no_text_whatever_the_name_of_its_image_says(tmp_path):
    for text in ("0", "000", "7"):
        (tmp_path / text).mkdir()
        path = save_line(tmp_path / text, INK, text)
        (tmp_path / text / TABLE).write_text(f"file,text\n{path.name},\n")
        with pytest.raises(ValueError, match=f"line 2: '{path.name}': it has no text"):
            load_test_set(tmp_path / text)


def test_notebook_checkpoints_are_no_lines(tmp_path):
    path = save_line(tmp_path, INK, "5")
    hidden = tmp_path / ".ipynb_checkpoints"
    hidden.mkdir()
    shutil.copy(path, hidden / "6-00000000.png")
    assert load_test_set(tmp_path).texts == ["5"]


def test_photo_loses_what_the_camera_added(tmp_path):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    exif = picture.getexif()
    exif[0x010F] = "maker of the phone"
    content = io.BytesIO()
    picture.save(content, "JPEG", exif=exif)
    with Image.open(content) as photo:
        assert photo.getexif()[0x010F]
        path = save_line(tmp_path, photo, "12")
        pixels = np.asarray(photo)
    assert b"maker" not in path.read_bytes()
    with Image.open(path) as stored:
        assert not stored.getexif()
        np.testing.assert_array_equal(np.asarray(stored), pixels)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=50))
def test_any_text_is_stored_or_refused(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("set")
    try:
        save_line(folder, INK, text)
    except ValueError as error:
        assert "letters or digits" in str(error)
        assert not list(folder.iterdir())
    else:
        assert load_test_set(folder).texts == [text.strip()]


PEN = np.full((40, 90), 230, np.uint8)
PEN[10:30, 20:24] = 40


def turned(image):
    image = image.transpose(Image.Transpose.ROTATE_90)
    image.getexif()[0x0112] = 6
    return image


def on_nothing(ink):
    return Image.merge("RGBA", (*[Image.new("L", ink.size, 0)] * 3, ImageOps.invert(ink)))


FORMS = {  # one picture, as cameras, scanners and drawing programs keep it
    "turned": turned,
    "on nothing": on_nothing,
    "palette": lambda image: on_nothing(image).quantize(256, method=Image.Quantize.FASTOCTREE),
    "16 bits": lambda image: Image.fromarray(np.asarray(image).astype(np.uint16) * 257),
    "CMYK": lambda image: image.convert("RGB").convert("CMYK"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", ["saved here", "a file"])
def test_any_kind_of_image_comes_back_as_it_is_seen(form, way, tmp_path):
    image = FORMS[form](Image.fromarray(PEN))
    if way == "saved here":
        save_line(tmp_path, image, "1")
    else:
        kind = "tif" if form == "CMYK" else "png"
        image.save(tmp_path / f"a.{kind}", exif=image.getexif())
        (tmp_path / TABLE).write_text(f"file,text\na.{kind},1\n")
    (ink,) = load_test_set(tmp_path).images
    assert ink.shape == PEN.shape and ink.dtype == np.float32
    assert ink[20, 22] > 0.8 and ink[20, 60] < 0.12


@pytest.mark.parametrize("image", [INK[0], INK[:0], 2 * INK, INK * np.nan])
def test_no_other_images_are_stored(tmp_path, image):
    with pytest.raises(ValueError, match="ink in"):
        save_line(tmp_path / "set", image, "1")
    assert not (tmp_path / "set").exists()


def test_errors_say_what_to_do(tmp_path):
    with pytest.raises(TypeError, match="The text is a str, such as '0550'; got 550"):
        save_line(tmp_path, np.ones((9, 9)), 550)
    for image in ("line.png", Path("line.png"), None):
        with pytest.raises(TypeError, match="image is an array .* or a Pillow image; got "):
            save_line(tmp_path, image, "7")
    with pytest.raises(TypeError, match="alphabet is an Alphabet, .*; got '0123456789'"):
        save_line(tmp_path, np.zeros((3, 3)), "7", "0123456789")
    with pytest.raises(TypeError, match=r"each folder for itself.*load_test_set\(\*folders\)"):
        load_test_set([tmp_path, tmp_path])
    with pytest.raises(ValueError, match="at least one folder"):
        load_test_set()
    with pytest.raises(ValueError, match="There is no folder"):
        load_test_set(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no labelled line"):
        load_test_set(tmp_path)
    path = save_line(tmp_path, INK, "1")
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match="cannot be read as an image"):
        load_test_set(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="which is not there"):
        load_test_set(tmp_path)
    for start in ("picture,says\n1.png,1\n", "1.png\n", "\n", ""):
        (tmp_path / TABLE).write_text(start)
        with pytest.raises(ValueError, match="names the columns file and text"):
            load_test_set(tmp_path)
    (tmp_path / TABLE).write_bytes("file,text\n1.png,Zoë\n".encode("utf-16"))
    with pytest.raises(ValueError, match="not in UTF-8"):
        load_test_set(tmp_path)
    (tmp_path / TABLE).write_text("file,text\nx.png\n")
    with pytest.raises(ValueError, match="line 2"):
        load_test_set(tmp_path)
