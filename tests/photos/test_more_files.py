"""HEIC photos, pages of PDF and TIFF files, pipes; what a folder holds and skips."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import sys
import threading

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from crnn_lib import photos
from crnn_lib.photos import ImageError, files_of, grey_and_size, skipped_in, to_grey
from crnn_lib.photos.files import ORIENTATION

heic = pytest.mark.skipif(
    importlib.util.find_spec("pillow_heif") is None,
    reason="HEIC photos need pillow-heif (pip install pillow-heif)",
)
pdf = pytest.mark.skipif(
    importlib.util.find_spec("pypdfium2") is None,
    reason="PDF pages need pypdfium2 (pip install pypdfium2)",
)

PICTURE = np.full((60, 120), 230, np.uint8)
PICTURE[10:30, 20:50] = 40


@pytest.fixture
def document(tmp_path):
    """Three pages, the second on its side, written by Pillow."""
    pages = [Image.fromarray(page) for page in (PICTURE, PICTURE.T.copy(), 255 - PICTURE)]
    pages[0].save(tmp_path / "form.pdf", save_all=True, append_images=pages[1:], resolution=100)
    pages[0].save(tmp_path / "one.PDF", format="PDF", resolution=100)
    return tmp_path


@heic
@pytest.mark.parametrize("turn", [1, 6])
def test_a_heic_photo_is_opened_upright(turn, tmp_path):
    import pillow_heif

    image = Image.fromarray(PICTURE if turn == 1 else np.rot90(PICTURE).copy()).convert("RGB")
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    pillow_heif.from_pillow(image).save(tmp_path / "photo.heic", quality=90, exif=exif.tobytes())
    grey, size = grey_and_size(tmp_path / "photo.heic")
    assert size == (120, 60) and grey.shape == (60, 120)
    assert np.abs(grey - PICTURE / 255).mean() < 0.03


@heic
def test_a_damaged_heic_photo_is_refused_in_one_line(tmp_path):
    import pillow_heif

    path = tmp_path / "photo.heic"
    pillow_heif.from_pillow(Image.fromarray(PICTURE).convert("RGB")).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match="damaged|not an image") as raised:
        to_grey(path)
    assert "\n" not in str(raised.value)


@pdf
def test_pages_of_a_pdf_are_read_one_by_one(document):
    form = str(document / "form.pdf")
    pages = files_of(form)
    assert pages == [f"{form}#page={n}" for n in (1, 2, 3)]
    shapes = [to_grey(page).shape for page in pages]
    expected = [(120, 240), (240, 120), (120, 240)]  # 100 dots of the page are 200 here
    assert np.abs(np.subtract(shapes, expected)).max() <= 1  # a page's size is in points
    first, last = to_grey(pages[0]), to_grey(pages[2])
    assert first[40, 70] < 0.3 < 0.8 < first[100, 200]
    assert last[40, 70] > 0.7 > 0.2 > last[100, 200]
    one = str(document / "one.PDF")
    assert files_of(one) == [one] and np.abs(to_grey(one) - first).max() < 0.02


@pdf
@pytest.mark.parametrize(
    "page, complaint",
    [("", "3 pages; name one, as in"), ("#page=4", "no page 4"), ("#page=0", "no page 0")],
)
def test_a_page_that_is_not_there_is_refused(page, complaint, document):
    with pytest.raises(ImageError, match=complaint):
        to_grey(f"{document / 'form.pdf'}{page}")


@pdf
def test_a_damaged_pdf_is_refused_in_one_line(document):
    broken = document / "broken.pdf"
    broken.write_bytes((document / "form.pdf").read_bytes()[:200])
    assert files_of(broken) == [str(broken)]
    with pytest.raises(ImageError) as raised:
        to_grey(broken)
    assert "damaged or cut off" in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "content, package, install",
    [
        (b"%PDF-1.7\n", "pypdfium2", "PDF files need one more package: pip install pypdfium2"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "pillow_heif", "HEIC files .* pip install pillow-heif"),
    ],
)
def test_a_missing_package_is_named(content, package, install, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / ("a.pdf" if package == "pypdfium2" else "a.heic")
    path.write_bytes(content)
    assert files_of(path) == [str(path)]
    with pytest.raises(ImageError, match=install):
        to_grey(path)


def test_pages_of_a_tiff_are_read_one_by_one(tmp_path):
    scan = str(tmp_path / "scan.TIF")
    pages = [Image.fromarray(page) for page in (PICTURE, PICTURE[:, :90].copy(), 255 - PICTURE)]
    pages[0].save(scan, "TIFF", save_all=True, append_images=pages[1:])
    assert files_of(scan) == [f"{scan}#page={n}" for n in (1, 2, 3)] == files_of(tmp_path)
    for page, path in zip(pages, files_of(scan), strict=True):
        assert np.allclose(to_grey(path), np.asarray(page) / 255)
        assert grey_and_size(path)[1] == page.size
    for page, complaint in [
        ("", "3 pages; name one, as in"),
        ("#page=4", "3 pages, and no page 4"),
    ]:
        with pytest.raises(ImageError, match=complaint):
            to_grey(scan + page)
    one = str(tmp_path / "one.tiff")
    pages[0].save(one)
    assert files_of(one) == [one] and to_grey(f"{one}#page=1").shape == PICTURE.shape
    with pytest.raises(ImageError, match="it has 1 page, and no page 2"):
        to_grey(f"{one}#page=2")


def test_each_page_of_a_tiff_is_turned_by_its_own_entry(tmp_path):
    scan = tmp_path / "scan.tif"
    with TiffImagePlugin.AppendingTiffWriter(scan) as file:
        for image, turn in ((PICTURE, 1), (np.rot90(PICTURE).copy(), 6)):
            Image.fromarray(image).save(file, "TIFF", tiffinfo={ORIENTATION: turn})
            file.newFrame()
    for path in files_of(scan):
        grey, size = grey_and_size(path)
        assert size == (120, 60) and np.allclose(grey, PICTURE / 255)


def test_a_smaller_copy_in_a_tiff_is_no_page(tmp_path):
    scan = tmp_path / "scan.tif"
    with TiffImagePlugin.AppendingTiffWriter(scan) as file:
        for image, kind in ((PICTURE[::4, ::4].copy(), 1), (PICTURE, 0), (PICTURE, 4)):
            Image.fromarray(image).save(file, "TIFF", tiffinfo={254: kind})
            file.newFrame()
    assert files_of(scan) == [str(scan)]
    assert np.allclose(to_grey(scan), PICTURE / 255)


def test_a_damaged_tiff_is_left_for_to_grey_to_refuse(tmp_path):
    broken = tmp_path / "broken.tif"
    Image.fromarray(PICTURE).save(broken)
    broken.write_bytes(broken.read_bytes()[:100])
    assert files_of(broken) == [str(broken)]
    with pytest.raises(ImageError, match="damaged|not an image"):
        to_grey(broken)


@pdf
def test_a_page_is_named_whatever_the_file_is_called(document):
    odd = (document / "form.pdf").rename(document / "form.png")
    with pytest.raises(ImageError, match=r"name one, as in (.*form.png#page=1)") as raised:
        to_grey(odd)
    told = re.search(r"as in (.*)$", str(raised.value))
    assert told is not None and np.abs(np.subtract(to_grey(told[1]).shape, (120, 240))).max() <= 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("kind", ["PNG", "TIFF", pytest.param("PDF", marks=pdf)])
def test_a_pipe_is_read_as_a_file_is(kind, tmp_path):
    content = io.BytesIO()
    Image.fromarray(PICTURE).save(content, kind, resolution=200)
    pipe = tmp_path / "pipe.tif"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(content.getvalue()), daemon=True)
    writer.start()
    (path,) = files_of(pipe)  # looks at no content: what is read of a pipe is gone
    grey = to_grey(path)
    writer.join()
    assert grey[20, 30] < 0.3 < 0.8 < grey[5, 5]


@pytest.mark.parametrize("said", ["one\nline", "one\r\n  line\n"])
def test_what_a_decoder_says_of_damage_is_told_on_one_line(said, tmp_path, monkeypatch):
    def stumble(*_):
        raise RuntimeError(said)

    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    monkeypatch.setattr("crnn_lib.photos.files._colours", stumble)
    with pytest.raises(ImageError) as raised:
        to_grey(tmp_path / "a.png")
    assert str(raised.value) == "the image is damaged or cut off (one line)"


def test_a_file_may_be_called_like_a_page(tmp_path):
    path = tmp_path / "odd.pdf#page=1"
    Image.fromarray(PICTURE).save(path, format="PNG")
    assert photos.page_of(path) == (str(path), None)
    assert to_grey(path).shape == PICTURE.shape


def test_a_folder_gives_its_images_and_names_the_rest(tmp_path):
    names = ("b.JPE", "a.png", ".png", "._a.png", "c.heic", "notes.txt", "d.jfif")
    for name in names:
        (tmp_path / name).write_bytes(b"")
    for name in ("empty", "scans"):
        (tmp_path / name).mkdir()
    (tmp_path / "scans" / "1.tif").write_bytes(b"")
    found = [os.path.basename(file) for file in files_of(tmp_path)]
    assert found == ["a.png", "b.JPE", "c.heic", "d.jfif"]
    assert list(skipped_in(tmp_path)) == ["notes.txt", "scans"]


def test_files_are_listed_as_people_count(tmp_path):
    names = ["1.png", "02.png", "2.png", "10.png", "10b.png", "scan 9.jpg", "scan 10.jpg"]
    for name in reversed(names):
        (tmp_path / name).write_bytes(b"")
        (tmp_path / f"{name}.txt").write_bytes(b"")
    assert [os.path.basename(file) for file in files_of(tmp_path)] == names
    assert list(skipped_in(tmp_path)) == [f"{name}.txt" for name in names]
