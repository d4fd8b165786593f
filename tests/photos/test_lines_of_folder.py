"""A folder of labelled images, as strangers make them, becomes lines; what is wrong is named."""

from __future__ import annotations

import os
import pickle
import shutil
import unicodedata

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crnn_lib.alphabet import Alphabet
from crnn_lib.handwriting.pen import draw_words
from crnn_lib.models import CRNN, CRNNConfig, load_detector
from crnn_lib.photos import (
    FILL,
    BadRows,
    ImageError,
    Reader,
    alphabet_of_folder,
    fill_texts,
    ink_of,
    lines_of_folder,
    lines_of_photos,
    list_images,
    load_test_set,
    save_line,
    unlabelled_in,
    unlisted_in,
)

WORDS = ["cat", "Anna", "tea pot", "No. 7", "quick", "jam"]
LETTERS = Alphabet("".join(sorted(set("".join(WORDS)))), blank=3)


def test_the_name_of_an_image_may_begin_with_a_space(pictures, tmp_path):
    Image.fromarray(pictures[0]).save(tmp_path / " a, b.png")
    assert len(list_images(tmp_path)) == 1 and list_images(tmp_path) == []
    (tmp_path / "labels.csv").write_text('file,text\n" a, b.png", cat\n')
    assert lines_of_folder(tmp_path, alphabet=LETTERS).texts == ["cat"]


def test_rows_of_a_table_are_in_natural_order(pictures, tmp_path):
    names = ["1.png", "2.png", "10.png", "11.png", "folder 2/1.png", "folder 10/1.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pictures[0]).save(tmp_path / name)
    (tmp_path / "form.pdf").write_bytes(b"")  # pages of PDF files are images, too
    found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert found == [*names[:4], "form.pdf", *names[4:]]
    (tmp_path / "labels.csv").write_text("form.pdf,7\n")  # and need no header to be known
    assert len(list_images(tmp_path)) == len(names)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_texts_are_proposed_for_rows_that_have_none(pictures, tmp_path, end, mark):
    """And all other rows stay to the byte, whatever program wrote the table."""
    names = ["a, b.png", " c.png", "d.png", "e.png", "0-0123abcd.png", "g.png"]
    for name in names:
        Image.fromarray(pictures[0]).save(tmp_path / name)
    rows = [
        'text;file;"who; when"',
        ";a, b.png; me",
        "; c.png;you",
        '  cat ;d.png;"me; too"',
        ";e.png",
        ";0-0123abcd.png;",
        ";gone.png;",
        "",
        ";g.png;",
    ]
    table = tmp_path / "labels.csv"
    table.write_bytes((mark + end.join(rows) + 2 * end).encode())
    without = ["a, b.png", " c.png", "e.png", "0-0123abcd.png", "g.png"]
    assert [path.name for path in unlabelled_in(tmp_path)] == without

    said = dict(zip(names, ["a; b", '"c"', "never", " e\te ", "0", ""], strict=True))
    filled = fill_texts(tmp_path, lambda path: said[path.name] or None)
    assert [path.name for path in filled] == without[:-1]
    rows[1:3] = ['"a; b";a, b.png; me', '"""c"""; c.png;you']
    rows[4:6] = ["e e;e.png", "0;0-0123abcd.png;"]
    assert table.read_bytes() == (mark + end.join(rows) + 2 * end).encode()
    assert [path.name for path in unlabelled_in(tmp_path)] == ["g.png"]
    texts = dict(zip(names, ["a; b", '"c"', "cat", "e e", "0", ""], strict=True))
    asked = []
    assert fill_texts(tmp_path, asked.append, skip=lambda path: path.name != "g.png") == []
    assert [path.name for path in asked] == ["g.png"]
    (tmp_path / "g.png").unlink()
    rows[-1] = rows[-3] = ""
    table.write_bytes((mark + end.join(rows)).encode())
    found = load_test_set(tmp_path)
    assert dict(zip([p.name for p in found.paths], found.texts, strict=True)) == {
        name: texts[name] for name in names[:-1]
    }


def test_what_was_read_before_a_fault_is_kept_and_what_was_written_meanwhile(pictures, tmp_path):
    for n in range(4):
        Image.fromarray(pictures[0]).save(tmp_path / f"{n}.png")
    list_images(tmp_path)
    table = tmp_path / "labels.csv"

    def read(path):
        if path.name == "2.png":  # meanwhile somebody fills in the first row, and adds one
            text = table.read_text().replace("0.png,\n", "0.png,mine\n")
            table.write_text(text + "3.png,again\n")
            raise KeyboardInterrupt
        return f"text of {path.name}"

    with pytest.raises(KeyboardInterrupt):
        fill_texts(tmp_path, read)
    assert table.read_text().splitlines() == [
        *("file,text", "0.png,mine", "1.png,text of 1.png", "2.png,", "3.png,", "3.png,again")
    ]


@pytest.mark.parametrize("function", [list_images, fill_texts])
def test_who_proposes_texts_is_a_function(function, pictures, tmp_path):
    Image.fromarray(pictures[0]).save(tmp_path / "1.png")
    with pytest.raises(TypeError, match="read is a function from a path to a text"):
        function(tmp_path, "crnn-words")
    assert not (tmp_path / "labels.csv").exists()
    with pytest.raises(ValueError, match="There is no folder"):
        function(tmp_path / "none", lambda path: "7")


@pytest.mark.parametrize("folder", [None, 5, b"lines"])
@pytest.mark.parametrize(
    "function",
    [
        *(lines_of_folder, alphabet_of_folder, load_test_set, list_images),
        *(unlabelled_in, unlisted_in, lambda folder: fill_texts(folder, str)),
        lambda folder: save_line(folder, np.zeros((9, 9)), "7"),
    ],
)
def test_a_folder_is_a_path(function, folder):
    with pytest.raises(TypeError, match=f"folder is the path of a folder; got {folder}"):
        function(folder)


def test_what_gets_no_row_is_named(pictures, tmp_path, monkeypatch):
    """A row of what no package opens could not be learned, and one of an odd name not be read."""
    packages = {"pypdfium2": None}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: packages.get(name, True))
    (tmp_path / "more").mkdir()
    for name in ("form.pdf", "two\nlines.png", "more/notes.txt", "more/labels.csv", ".hidden.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "more" / "labels.csv").write_text("file,text\n")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    with open(odd, "wb"):
        unlisted = unlisted_in(tmp_path)
    missing = "PDF files need one more package: pip install pypdfium2"
    assert unlisted == {
        "form.pdf": missing,
        "two\nlines.png": "its name has several lines",
        os.path.basename(odd): "its name is no text",
        "more/notes.txt": "no image by its name",
    }
    with pytest.raises(ValueError, match=r"holds no image: .* \(not form.pdf: PDF files need one"):
        list_images(tmp_path)
    Image.fromarray(pictures[0]).save(tmp_path / "more" / "a.png")
    assert [path.name for path in list_images(tmp_path)] == ["a.png"]
    packages.clear()
    assert [path.name for path in list_images(tmp_path)] == ["form.pdf"]
    with pytest.raises(ValueError, match="no folder"):
        unlisted_in(tmp_path / "nowhere")


def test_pages_of_a_tiff_are_images_of_their_own(pictures, tmp_path):
    pages = [Image.fromarray(picture) for picture in pictures[:2]]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    assert [path.name for path in list_images(tmp_path)] == ["scan.tif#page=1", "scan.tif#page=2"]
    assert list_images(tmp_path) == []
    table = tmp_path / "labels.csv"
    table.write_text("scan.tif#page=1,cat\nscan.tif#page=2,Anna\n")  # no header, as a hand writes
    assert lines_of_folder(tmp_path, alphabet=LETTERS).texts == ["cat", "Anna"]
    assert list_images(tmp_path) == []
    table.write_text("file,text\nscan.tif,cat\nscan.tif#page=3,cat\n")
    with pytest.raises(BadRows) as raised:
        lines_of_folder(tmp_path, alphabet=LETTERS)
    reasons = [row.reason for row in raised.value.rows]
    assert "it has 2 pages; name one" in reasons[0] and "and no page 3" in reasons[1]


@pytest.fixture(scope="module")
def pictures():
    """Words by the pen, dark on white with a border, as uint8 arrays."""
    written = draw_words(WORDS, torch.Generator().manual_seed(1), height=64)
    return [255 - np.pad(image.numpy(), 8) for image in written.images]


@pytest.fixture
def folder(pictures, tmp_path):
    """Images of several formats, one in a folder within; no table yet."""
    (tmp_path / "more").mkdir()
    names = ["0.png", "1.jpg", "2.bmp", "3.png", "more/4.png", "more/5.webp"]
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(tmp_path / name)
    return tmp_path, names


def table(rows, separator=",", header="file,text"):
    quoted = [f'{file}{separator}"{text}"' for file, text in rows]
    head = [header.replace(",", separator)] if header else []
    return "\n".join([*head, *quoted]) + "\n"


def test_a_folder_becomes_what_its_photos_become(folder):
    path, names = folder
    (path / "labels.csv").write_text(table(zip(names, WORDS, strict=True)))
    lines = lines_of_folder(path, alphabet=LETTERS, height=40)
    expected = lines_of_photos([path / name for name in names], WORDS, LETTERS, height=40)
    assert lines.texts == WORDS and lines.images.shape[2] == 40
    for name in ("images", "widths", "targets", "target_lengths", "spans"):
        assert torch.equal(getattr(lines, name), getattr(expected, name)), name
    for row, length, text in zip(lines.targets, lines.target_lengths, WORDS, strict=True):
        assert LETTERS.decode(row[:length]) == text and (row[length:] == LETTERS.blank).all()
    ink = lines.images[0, 0, :, : lines.widths[0]]
    assert 0.03 < float((ink > 0.5).float().mean()) < 0.5  # ink is bright, and the lesser part


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", ["file,text", "File, Text", None])
@pytest.mark.parametrize("mark, ending", [(b"", "\n"), (b"\xef\xbb\xbf", "\r\n")])
def test_tables_as_programs_write_them(folder, separator, header, mark, ending):
    path, names = folder
    text = table(zip(names[1:3], WORDS[1:3], strict=True), separator, header)
    (path / "labels.csv").write_bytes(mark + text.replace("\n", ending).encode())
    assert lines_of_folder(path, alphabet=LETTERS).texts == WORDS[1:3]


def test_texts_keep_their_commas_and_quotes(folder):
    path, names = folder
    texts = ['say "a, b"', "it's;", 'a"b', "é"]
    rows = ['"say ""a, b"""', "it's;", 'a"b', "e\u0301"]
    lines = [f"{name},{row}" for name, row in zip(names[:4], rows, strict=True)]
    (path / "labels.csv").write_text("\n".join(["file,text", *lines]), encoding="utf-8")
    assert lines_of_folder(path, alphabet=alphabet_of_folder(path)).texts == texts


def test_other_columns_tables_within_and_windows_names(folder):
    path, names = folder
    (path / "labels.csv").write_text(f"writer,text,file\nme,cat,{names[0]}\n,jam,more\\5.webp,,\n")
    (path / "more" / "labels.csv").write_text("4.png,quick\n")
    assert lines_of_folder(path, alphabet=LETTERS).texts == ["cat", "jam", "quick"]


def test_all_bad_rows_are_named_at_once(folder, pictures):
    path, names = folder
    Image.new("L", (90, 40), 255).save(path / "blank.png")
    (path / "broken.png").write_bytes((path / names[0]).read_bytes()[:90])
    (path / "words.png").write_text("no image")
    (path / "empty.png").write_bytes(b"")
    (path / "copy.png").write_bytes((path / names[0]).read_bytes())
    rows = [
        ("file,text", None),
        (f"{names[0]},cat", None),
        (f"{names[1]},Ännü", "lacks 'Ä', 'n', 'ü'"),
        ("", None),
        ("blank.png,cat", "no ink"),
        ("broken.png,cat", "damaged or cut off"),
        ("words.png,cat", "not an image"),
        ("empty.png,cat", "empty"),
        ("gone.png,cat", "not there"),
        (f"{names[2]},  ", "has no text"),
        (f"{names[3]}", "has no text"),
        (",cat", "names no file"),
        (f"{names[0]},cat", "stands in row 2 already"),
        ("copy.png,cat", "the same as 0.png"),
        (f"{names[4]},cat, a", "double quotes"),
        (f'{names[4]},"cat', "quotes do not close"),
        (f"{names[4]},{'cat' * 100}", "300 characters"),
        (f"{names[4]},c\x07t", "nobody can write"),
        (f"{names[5]},tac", None),
    ]
    (path / "labels.csv").write_text("\n".join(row for row, _ in rows), encoding="utf-8")
    alphabet = Alphabet("act")
    with pytest.raises(BadRows) as caught:
        lines_of_folder(path, alphabet=alphabet)
    expected = [(n, reason) for n, (_, reason) in enumerate(rows, 1) if reason]
    found = caught.value.rows
    assert [row.row for row in found] == [n for n, _ in expected]
    message = str(caught.value).splitlines()
    assert message[0] == f"{len(found)} of {len(rows) - 2} rows of {path} cannot be learned:"
    for row, (number, reason), told in zip(found, expected, message[1:], strict=False):
        assert reason in row.reason and told == f"  {row}" and told.startswith(f"  row {number}, ")
    assert found[0].file == names[1] and found[0].text == "Ännü"
    assert "alphabet=" in message[-1] and "--alphabet" in message[-1]
    assert "skip_bad=True" in message[-1] and "--skip-bad" in message[-1]

    assert caught.value.lines.texts == ["cat", "tac"]
    with pytest.warns(UserWarning, match=f"{len(found)} of {len(rows) - 2} rows") as warned:
        lines = lines_of_folder(path, alphabet=alphabet, skip_bad=True)
    assert lines.texts == ["cat", "tac"] and len(warned) == 1
    assert all(str(row) in str(warned[0].message) for row in found)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.rows == found


def test_a_page_of_words_is_no_line_of_digits(folder, pictures):
    path, _ = folder
    page = np.pad(np.vstack([pictures[0]] * 3), 50, constant_values=255)
    Image.fromarray(page).save(path / "page.png")
    (path / "labels.csv").write_text("page.png,7\n")
    with pytest.raises(BadRows, match="row 1, page.png, '7': nothing but words was"):
        lines_of_folder(path)


def test_a_line_is_cut_as_the_reader_cuts_it(folder):
    path, names = folder
    phone = "55207-phone.jpg"  # a whole photo, on which the detector finds the line
    shutil.copy(ROOT / "data" / "photos" / phone, path)
    for name, text, alphabet in (
        (names[5], "7", Alphabet("71")),
        (names[5], "cat", Alphabet("act")),
        (phone, "55207", Alphabet()),
    ):
        (path / "labels.csv").write_text(f"{name},{text}\n")
        lines = lines_of_folder(path, alphabet=alphabet)
        reader = Reader(CRNN(None, alphabet), fills=(FILL,), detector=load_detector())
        (line,) = reader.find_lines(path / name)
        assert torch.equal(lines.images[0], ink_of(line[0].image))


def test_a_page_is_no_word(folder, pictures):
    path, _ = folder
    gap = np.full((60, max(p.shape[1] for p in pictures)), 255, np.uint8)
    wide = [
        np.pad(p, ((0, 0), (0, gap.shape[1] - p.shape[1])), constant_values=255) for p in pictures
    ]
    page = np.vstack([part for picture in wide[:4] for part in (picture, gap)])
    Image.fromarray(np.pad(page, 50, constant_values=255)).save(path / "page.png")
    (path / "labels.csv").write_text("page.png,cat\n")
    with pytest.raises(BadRows, match="lines were found on it, and one is expected"):
        lines_of_folder(path, alphabet=LETTERS)


def test_labels_too_long_for_their_images_are_named(folder):
    path, names = folder
    (path / "labels.csv").write_text(f"{names[0]},{'ct' * 60}\n{names[1]},cc\n")
    model = CRNN(CRNNConfig(height=40), Alphabet("ct"))
    with pytest.raises(BadRows, match=r"row 1, 0.png, 'ctct.*frames, and the text needs 120") as e:
        lines_of_folder(path, model)
    assert len(e.value.rows) == 1 and e.value.lines.images.shape[2] == 40
    assert lines_of_folder(path, alphabet=Alphabet("ct")).texts[1] == "cc"  # no model, no frames
    with pytest.raises(ValueError, match="load_model"):
        lines_of_folder(path, model, alphabet=Alphabet("tc"))


def test_nothing_is_left(folder):
    path, names = folder
    (path / "labels.csv").write_text(f"{names[0]},cat\n")
    with pytest.raises(BadRows, match="1 of 1 rows") as caught:
        lines_of_folder(path, skip_bad=True)  # the ten digits
    assert caught.value.lines is None
    with pytest.raises(ValueError, match="no folder"):
        lines_of_folder(path / "nowhere")
    with pytest.raises(ValueError, match="no labelled line"):
        lines_of_folder(path / "more")


def test_the_alphabet_of_a_folder(folder):
    path, names = folder
    (path / "labels.csv").write_text(f"{names[0]},cab7\n{names[1]},zoo\ngone.png,x\n")
    assert alphabet_of_folder(path) == Alphabet("7abcoz")
    start = Alphabet("9876543210", blank=10)
    assert alphabet_of_folder(path, start) == Alphabet("9876543210abcoz", blank=10)
    pieces = alphabet_of_folder(path, Alphabet(("ca", "oo")))
    assert pieces == Alphabet(("ca", "oo", "7", "b", "z"))
    with pytest.warns(UserWarning, match="gone.png"):
        lines = lines_of_folder(path, alphabet=pieces, skip_bad=True)
    assert lines.texts == ["cab7", "zoo"]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=210), st.sampled_from([",", ";", "\t"]))
def test_what_save_line_stores_is_read_back(tmp_path_factory, text, separator):
    folder = tmp_path_factory.mktemp("set")
    (folder / "labels.csv").write_text(f"file{separator}text\n")
    ink = np.zeros((40, 90), dtype=np.float32)
    ink[10:30, 20:24] = 1.0
    everything = Alphabet("".join(sorted({*" a", *text, *unicodedata.normalize("NFC", text)})))
    try:
        save_line(folder, ink, text, everything)
    except ValueError as error:
        assert "1 to 200" in str(error)
        assert len(list(folder.iterdir())) == 1
    else:
        (read,) = load_test_set(folder).texts
        lines = lines_of_folder(folder, alphabet=everything)
        assert lines.texts == [read] and save_line(folder, ink, read, everything).exists()


def test_save_line_refuses_what_the_alphabet_lacks(tmp_path):
    ink = np.zeros((40, 90), dtype=np.float32)
    with pytest.raises(ValueError, match=r"lacks 'A', 'n', 'a'.*alphabet="):
        save_line(tmp_path / "set", ink, "Anna")
    with pytest.raises(ValueError, match=r"\(An\) lacks 'a'.*alphabet="):
        save_line(tmp_path / "set", ink, "Anna", Alphabet("An"))
    assert not (tmp_path / "set").exists()
    assert save_line(tmp_path / "set", ink, "Anna", Alphabet("Ana")).name.startswith("Anna-")
    assert save_line(tmp_path / "set", ink, "a/n", Alphabet("an/")).name.startswith("line_")
    with pytest.raises(ValueError, match=r"lacks 'A', 'n', 'a'.*alphabet="):
        lines_of_photos([ink], ["Anna"])
    with pytest.raises(ImageError, match="no ink"):
        lines_of_photos([ink], ["Anna"], Alphabet("Ana"))
