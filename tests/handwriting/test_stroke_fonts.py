"""Letters of single-stroke fonts, which the pen writes with its writers' habits."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import sys
import tarfile

import pytest
import torch
from drawn_forms import draw_form

from crnn_lib.handwriting import DownloadError
from crnn_lib.handwriting.fonts import download_fonts, load_letterbook, packages
from crnn_lib.handwriting.pen import (
    TEXT_CHARACTERS,
    LetterBook,
    add_stroke_fonts,
    draw_letters,
    draw_words,
    form_tables,
    read_stroke_font,
)
from crnn_lib.handwriting.pen.forms import TEXT_FORMS

# Letters of a slanted font on lines of its own: capitals are 600 high, small letters 300, and at
# the height y all is 0.2 y farther to the right.
PATHS = {
    "H": "M 20 100 L 0 0 L 120 600 M 320 0 L 440 600 M 60 300 L 380 300",
    "I": "M 0 0 L 120 600",
    "l": "M 120 600 L 0 0",
    "i": "M 60 300 L 0 0 M 90 450 L 96 480",
    "n": "M 60 300 L 0 0 L 40 200 C 60 280 160 330 200 290 L 160 0",
    "x": "M 60 300 L 180 0 M 0 0 L 260 300",
    "u": "M -60 40 L 40 220 L 60 300 L 30 100 L 100 0 L 200 200 L 220 300 L 180 20 L 280 90",
    "g": "M 220 260 L 80 300 L 20 100 L 120 0 L 220 260 L 140 -200 L 20 -260",
}


def svg(paths: dict[str, str]) -> str:
    glyphs = "".join(f'<glyph unicode="{c}" d="{path}"/>' for c, path in paths.items())
    space = '<glyph unicode=" " horiz-adv-x="200"/><glyph unicode="7" d="M 0 600 L 300 600"/>'
    head = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><defs><font>'
    return f"{head}{glyphs}{space}</font></defs></svg>"


@pytest.fixture
def font(tmp_path):
    path = tmp_path / "font.svg"
    path.write_text(svg(PATHS))
    return path


def heights(form) -> tuple[float, float]:
    ys = [y for stroke in form.strokes for _, y in stroke]
    return min(ys), max(ys)


def test_letters_stand_upright_on_the_copybooks_lines(font):
    forms = read_stroke_font(font)
    assert set(forms) == set(PATHS), "letters, no digits and marks"
    assert heights(forms["H"]) == (0, 1) and heights(forms["l"]) == (0, 1)
    assert heights(forms["x"]) == (0.5, 1) and heights(forms["n"])[1] == 1
    assert heights(forms["g"])[0] == 0.5 and 1.25 < heights(forms["g"])[1] < 1.5
    ((top, foot),) = forms["l"].strokes
    assert top[1] == 0 and foot[1] == 1, "the hand goes down"
    assert abs(top[0] - foot[0]) < 0.02, "the slant is taken out"
    bars = [s for s in forms["H"].strokes if abs(s[0][1] - s[-1][1]) < 0.02]
    assert len(bars) == 1 and bars[0][0][0] < bars[0][-1][0], "from left to right"
    assert len(forms["i"].strokes) == 2


def test_few_points_keep_the_line(tmp_path):
    arc = " L ".join(f"{150 - 150 * c:.1f} {300 * s:.1f}" for c, s in circle(60))
    path = tmp_path / "round.svg"
    path.write_text(svg({**PATHS, "O": f"M {arc}", "C": f"M {arc} L 300 40 L 120 40"}))
    forms = read_stroke_font(path)
    (stroke,) = forms["O"].strokes
    assert 5 <= len(stroke) < 20
    assert all(y <= 1 for _, y in stroke) and heights(forms["O"])[0] < 0.52
    assert "!" not in forms["O"].path and "!" in forms["C"].path


def circle(points):
    turns = [torch.pi * i / points for i in range(points + 1)]
    return [(float(torch.cos(torch.tensor(t))), float(torch.sin(torch.tensor(t)))) for t in turns]


def test_a_letter_that_a_neighbour_can_enter_and_leave_is_joined(font):
    forms = read_stroke_font(font)
    assert [c for c, form in forms.items() if ">" in form.path] == ["u"]
    book = add_stroke_fonts({"mine": font})
    assert "school mine" in book.forms["u"] and "mine" in book.forms["n"]
    table, names = form_tables(book), [(c, n) for c in book.forms for n in book.forms[c]]
    row = names.index(("u", "school mine"))
    enter, leave = int(table.enter[row]), int(table.leave[row])
    curve = table.basis[row] @ table.points[row]
    assert 0 < enter < leave and float(curve[leave, 0]) > float(curve[enter, 0]) + 0.1


def test_a_letterbook_has_the_pens_own_forms_too(font):
    book = add_stroke_fonts({"mine": font})
    assert "".join(book.forms) == TEXT_CHARACTERS
    for character, forms in TEXT_FORMS.items():
        assert set(forms) <= set(book.forms[character])
    assert repr(book) == f"LetterBook({sum(map(len, TEXT_FORMS.values())) + len(PATHS)} forms)"
    assert draw_form("g", "mine", book).max() > 200
    assert torch.equal(draw_form("g", "round", book), draw_form("g", "round", "letters"))
    with pytest.raises(ValueError, match="forms of all TEXT_CHARACTERS"):
        LetterBook({"a": TEXT_FORMS["a"]})


def test_the_pen_writes_with_another_book(font):
    only = {c: dict(forms) for c, forms in TEXT_FORMS.items()}
    only["g"] = {"mine": read_stroke_font(font)["g"]}
    book, seed = LetterBook(only), torch.Generator().manual_seed
    glyphs = draw_letters("g" * 30, seed(0), book=book)
    assert glyphs.shape == (30, 28, 28) and len(torch.unique(glyphs, dim=0)) == 30
    assert torch.equal(glyphs, draw_letters("g" * 30, seed(0), book=book))
    assert not torch.equal(glyphs, draw_letters("g" * 30, seed(0)))
    texts = ["lung", "Hugging 7 dogs!"] * 10
    written = draw_words(texts, seed(1), book=book)
    again = draw_words(texts, seed(1), book=book)
    assert all(torch.equal(a, b) for a, b in zip(written.images, again.images, strict=True))
    assert [len(spans) for spans in written.spans] == [len(text) for text in texts]
    assert all(image.max() > 100 for image in written.images)


@pytest.mark.parametrize(
    "content, says",
    [
        ("no font", "is no SVG font"),
        (svg({"H": PATHS["H"]}), r"no font of strokes .* \['I', 'i', 'l', 'n', 'x'\]"),
        (
            svg({**PATHS, "n": "M 0 0 Q 1 1 2 2"}),
            "'n': the pen knows the commands M, L and C; got Q",
        ),
        (svg({**PATHS, "n": "M 0 0 L 100"}), "'n': the path breaks off"),
        (svg({**PATHS, "n": "L 0 0 L 100 10"}), "'n': the path breaks off"),
    ],
)
def test_what_is_no_stroke_font_is_named(tmp_path, content, says):
    (tmp_path / "wrong.svg").write_text(content)
    with pytest.raises(ValueError, match=says):
        read_stroke_font(tmp_path / "wrong.svg")


# ---------------------------------------------------------------------------- npm


def archive(extra: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    files = {f"svg_fonts/{name}": svg(PATHS).encode() for name in packages.STROKE_FONTS.values()}
    with tarfile.open(fileobj=buffer, mode="w:gz") as members:
        for name, content in {**files, "LICENSE": b"MIT" + extra, "other.js": b"no"}.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A stand-in for npm that packs what lies in a file; the other fonts are there already."""
    root = tmp_path / "root"
    (root / "fonts").mkdir(parents=True)
    lock = packages._HERE / "package-lock.json"
    (root / "fonts" / "package-lock.json").write_bytes(lock.read_bytes())
    packed = tmp_path / "packed.tgz"
    packed.write_bytes(archive())
    digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    monkeypatch.setattr(packages, "STROKE_INTEGRITY", f"sha512-{digest}")
    folder = tmp_path / "bin"
    folder.mkdir()
    script = f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncp {packed} hersheytext-2.0.0.tgz\n'
    (folder / "npm").write_text(script)
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    return root


shell = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for npm is a shell script")


@shell
def test_stroke_fonts_are_fetched_once_and_make_a_letterbook(npm, tmp_path):
    folder = download_fonts(npm) / "hersheytext"
    download_fonts(npm)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert len(asked) == 1 and asked[0].startswith("pack hersheytext@2.0.0 --ignore-scripts")
    names = {path.name for path in folder.iterdir()}
    assert names == {"LICENSE", "integrity", *packages.STROKE_FONTS.values()}
    book = load_letterbook(npm)
    assert {"allure", "sans", "script"} <= set(book.forms["n"])
    assert len(draw_words(["Hull"], torch.Generator().manual_seed(0), book=book).images) == 1


@shell
def test_another_archive_than_the_locked_one_is_refused(npm, tmp_path):
    (tmp_path / "packed.tgz").write_bytes(archive(b" changed"))
    with pytest.raises(DownloadError, match=r"another hersheytext@2.0.0 .* sha512-.*expected"):
        download_fonts(npm)
    assert not (npm / "fonts" / "hersheytext").exists()


def test_where_there_are_no_stroke_fonts_it_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="glyphs download fonts.*its own forms"):
        load_letterbook(tmp_path)


def test_their_licences_are_listed():
    text = (packages._HERE / "LICENCES.md").read_text(encoding="utf-8")
    for file in packages.STROKE_FONTS.values():
        kind, name = re.match(r"(EMS|Hershey)([A-Z][a-z]+)", file).groups()
        assert f"{kind} {name}" in text
    assert packages.STROKE_PACKAGE.replace("@", " ") in text
    assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", packages.STROKE_INTEGRITY)
