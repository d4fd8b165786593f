"""Words drawn with fonts. Matplotlib brings a font, so that all but two tests need no download."""

from __future__ import annotations

import json
import re
import shutil
import string
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

from crnn_lib.cli.arguments import main
from crnn_lib.handwriting import DownloadError, fonts
from crnn_lib.handwriting.fonts import draw_words, load_font, load_fonts, load_letterbook
from crnn_lib.handwriting.pen.forms import TEXT_FORMS

DEJAVU = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
PACKAGES = Path(fonts.__file__).parent


@pytest.fixture
def root(tmp_path):
    """A root with two fonts of one's own, one of which has the name of a held-out one."""
    own = tmp_path / "fonts" / "own"
    own.mkdir(parents=True)
    shutil.copy(DEJAVU, own / "Mine.TTF")
    shutil.copy(DEJAVU, own / "dkg.ttf")
    (own / "notes.txt").write_text("no font")
    return tmp_path


def generator(seed=55207):
    return torch.Generator().manual_seed(seed)


def without(characters, path):
    """A font that lacks some characters."""
    font = TTFont(DEJAVU)
    keep = Subsetter(Options(notdef_outline=True))
    keep.populate(text="".join(chr(c) for c in range(32, 127) if chr(c) not in characters))
    keep.subset(font)
    font.save(path)
    return load_font(path)


# ---------------------------------------------------------------- what a font is


def test_a_font_is_measured():
    font = load_font(DEJAVU)
    assert font.name == "dejavusans" and font.split == "train" and not font.joined
    assert font.characters >= set("Quay 55207é") and "€" not in font.characters  # not Latin-1
    assert 0.7 < font.capital < 0.8 and 0.5 < font.x_height < 0.6
    assert 0.07 < font.stroke < 0.13  # its stems are 0.09


def test_a_font_says_what_it_lacks(tmp_path):
    lacking = without("qQ!", tmp_path / "lacking.ttf")
    assert load_font(DEJAVU).characters >= set("qQ!") and not lacking.characters & set("qQ!")
    with pytest.raises(ValueError, match=r"No font of the 1 can write 'quay!': none has '!q'"):
        draw_words(["quay!"], generator(), fonts=[lacking])
    both = [lacking, load_font(DEJAVU)]
    fonts_used = draw_words(["quay!"] * 8, generator(), fonts=both)
    assert len(fonts_used.images) == 8  # by the other one
    other = without("a", tmp_path / "other.ttf")
    with pytest.raises(ValueError, match="none has all its characters together"):
        draw_words(["quay"], generator(), fonts=[lacking, other])


@pytest.mark.parametrize("content", [b"", b"no font", DEJAVU.read_bytes()[:2000]])
def test_what_is_no_font_is_refused(content, tmp_path):
    (tmp_path / "broken.ttf").write_bytes(content)
    with pytest.raises(OSError, match="broken.ttf"):
        load_font(tmp_path / "broken.ttf")


def test_splits_share_no_font(root):
    assert [font.name for font in load_fonts("train", root)] == ["mine"]
    assert [font.name for font in load_fonts("test", root)] == ["dkg"]
    assert fonts.count_fonts(root) == {"train": 1, "test": 1}
    with pytest.raises(ValueError, match="split must be one of"):
        load_fonts("validation", root)


def test_faces_of_print_are_no_hands_and_have_splits(tmp_path):
    held_out = fonts.PRINTED_HELD_OUT[0]
    for name in ("mine", held_out):
        folder = tmp_path / "fonts" / "printed" / name
        folder.mkdir(parents=True)
        shutil.copy(DEJAVU, folder / f"{name}.ttf")
        (folder / "LICENSE").write_text("of the font")
    brought = len(fonts.MATPLOTLIB_FACES)
    for split, name in (("train", "mine"), ("test", held_out)):
        faces = fonts.printed_faces(split, tmp_path)
        assert [path.stem for path in faces] == [*fonts.MATPLOTLIB_FACES, name]
        assert all(path.is_file() for path in faces)
    assert len(fonts.printed_faces("train", tmp_path / "empty")) == brought
    assert fonts.count_fonts(tmp_path) == {"train": 0, "test": 0}
    with pytest.raises(ValueError, match="split must be one of"):
        fonts.printed_faces("validation", tmp_path)


def test_where_there_are_no_fonts_it_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"glyphs download fonts.* fonts of your own"):
        load_fonts("train", tmp_path)


# ---------------------------------------------------------------- words


def test_words_are_ink_on_black_with_room_around():
    texts = ["Quay", "minimum", "(why?)", "55207", "the quick fox", "ÿ", "mathematicians" * 4]
    for height in (16, 32, 48, 64):
        written = draw_words(texts, generator(height), fonts=[load_font(DEJAVU)], height=height)
        assert written.texts == texts and len(written.baselines) == len(texts)
        for image, spans, text in zip(written.images, written.spans, texts, strict=True):
            assert image.dtype == torch.uint8 and image.shape[0] == height
            assert spans.shape == (len(text), 2) and spans.dtype == torch.int64
            assert image.max() > 200 and image[:, 0].max() < 60 and image[:, -1].max() < 60
            assert image[0].max() < 60 and image[-1].max() < 60, "nothing is cut off"
            assert (image == 0).float().mean() > 0.3
        capitals = written.baselines / height
        assert ((capitals > 0.3) & (capitals < 1)).all()


def test_columns_of_a_character_hold_its_ink():
    texts = ["illicit", "Wander", "lilt ill"]
    written = draw_words(texts * 20, generator(1), fonts=[load_font(DEJAVU)])
    for image, spans, text in zip(written.images, written.spans, written.texts, strict=True):
        ink = image.float().sum(0).numpy()
        covered = np.zeros(len(ink), bool)
        for character, (start, end) in zip(text, spans.tolist(), strict=True):
            assert 0 <= start <= end <= len(ink)
            covered[start:end] = True
            if character != " ":
                assert end > start and ink[start:end].sum() > 0
        assert ink[covered].sum() > 0.8 * ink.sum()
        middles = spans.float().mean(1)
        assert (middles.diff() > 0).all(), "from left to right"
    blank = written.spans[2][4]
    assert written.images[2][:, blank[0] : blank[1]].float().mean() < 30


def test_the_generator_decides_and_words_vary():
    font = load_font(DEJAVU)
    one, same = (draw_words(["hand"] * 30, generator(7), fonts=[font]) for _ in range(2))
    assert all(a.equal(b) for a, b in zip(one.images, same.images, strict=True))
    assert len({image.shape[1] for image in one.images}) > 10, "width"
    mass = [float(image.float().mean()) for image in one.images]
    assert max(mass) > 1.3 * min(mass), "weight"
    joined = draw_words(["hand"] * 30, generator(7), fonts=[replace(font, joined=True)])
    widths = [[image.shape[1] for image in words.images] for words in (one, joined)]
    assert widths[0] != widths[1], "a font that does not join has other gaps"


@pytest.mark.parametrize("texts", [[""], [" hand"], ["hand "]])
def test_texts_need_ink_at_both_ends(texts):
    with pytest.raises(ValueError, match="needs ink at both ends"):
        draw_words(texts, generator(), fonts=[load_font(DEJAVU)])


def test_other_bad_calls_are_named(root):
    with pytest.raises(TypeError, match="got the text 'hand' itself"):
        draw_words("hand", generator())
    with pytest.raises(ValueError, match="at least 16 rows; got 8"):
        draw_words(["hand"], generator(), fonts=[load_font(DEJAVU)], height=8)
    with pytest.raises(ValueError, match="at least one Font"):
        draw_words(["hand"], generator(), fonts=[])


# ---------------------------------------------------------------- npm


def test_every_font_is_locked_and_no_host_is_named():
    listed = json.loads((PACKAGES / "package.json").read_text())
    wanted = listed["dependencies"]
    text = (PACKAGES / "package-lock.json").read_text()
    assert "resolved" not in text and "registry" not in text
    locked = json.loads(text)["packages"]
    assert locked.pop("")["dependencies"] == wanted and len(locked) == len(wanted) == 43 + 48
    for name, version in wanted.items():
        package = locked[f"node_modules/{name}"]
        assert package["version"] == version and package["integrity"].startswith("sha512-")
    rows = re.findall(
        r"^\| .+? \| (\S+) \| (\S+) \| (\S+) \| .+ \|$",
        (PACKAGES / "LICENCES.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )[1:]  # without the head
    assert rows == [
        (name, version, locked[f"node_modules/{name}"]["license"])
        for name, version in wanted.items()
    ]
    assert {licence for *_, licence in rows} == {"OFL-1.1", "Apache-2.0"}
    names = {name.rpartition("/")[2] for name in wanted}
    printed = set(listed["printed"])
    assert len(printed) == 48 and printed < names
    assert set(fonts.HELD_OUT) - names == {"dkg", "dkgit", "dkgbd", "dkgbi", "delphine"}
    assert not set(fonts.HELD_OUT) & printed and set(fonts.PRINTED_HELD_OUT) < printed


def fake_npm(folder, script, monkeypatch):
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for npm is a shell script")
def test_a_failure_of_npm_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    fake_npm(tmp_path / "bin", 'echo "npm error code ENOTFOUND" >&2; exit 1', monkeypatch)
    with pytest.raises(DownloadError, match=r"npm failed \(npm error code ENOTFOUND\).*your own"):
        fonts.download_fonts(tmp_path)
    left = {path.name for path in (tmp_path / "fonts").iterdir()}
    assert left <= {".download.lock"}


def test_without_npm_it_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv("CRNN_DATA", str(tmp_path))
    assert main(["glyphs", "download", "fonts"]) == 1
    assert "there is no npm. Install Node.js" in capsys.readouterr().err


def test_the_command_line_lists_fonts(root, monkeypatch, capsys):
    monkeypatch.setenv("CRNN_DATA", str(root))
    assert main(["glyphs", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["fonts", "train", "1", "fonts", str(root / "fonts")] in rows
    shutil.rmtree(root / "fonts")
    assert main(["glyphs", "list"]) == 0
    assert re.search(r"fonts +test +- +not here: glyphs download fonts", capsys.readouterr().out)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """A root with the real fonts, fetched once: npm takes ten CPU seconds."""
    root = tmp_path_factory.mktemp("fetched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRNN_DATA", str(root))
        try:
            assert fonts.download_fonts() == root / "fonts"
        except DownloadError as error:
            pytest.skip(f"the fonts cannot be fetched here: {error}")
    return root


@pytest.mark.slow
def test_fonts_come_by_name_and_write(fetched, monkeypatch, capsys):
    monkeypatch.setenv("CRNN_DATA", str(fetched))
    folder = fetched / "fonts"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["glyphs", "download", "fonts"]) == 0, "what is there is not fetched again"
    assert "fonts: 36 to train with, 7 held out" in capsys.readouterr().out
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 4_000_000
    train, test = load_fonts("train"), load_fonts("test")
    assert len({font.name for font in train + test}) == 43
    faces = [set(fonts.printed_faces(split)) for split in ("train", "test")]
    assert [len(of_split) for of_split in faces] == [16 + 34, 16 + 14] and len(
        set.union(*faces)
    ) == 64
    assert all((font.path.parent / "LICENSE").is_file() for font in train + test)
    joined = {font.name for font in train + test if font.joined}
    assert {"sacramento", "dancing-script"} <= joined and "kalam" not in joined
    for font in train + test:
        assert font.characters >= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        )
        for seed in range(3):
            written = draw_words(["Quayside", "minimum"], generator(seed), fonts=[font])
            for image in written.images:
                share = float((image > 127).float().mean())
                assert 0.01 < share < 0.35, f"{font.name}: neither lost nor a blot"


@pytest.mark.slow
def test_the_real_stroke_fonts_become_forms(fetched):
    book = load_letterbook(fetched)
    own = sum(map(len, TEXT_FORMS.values()))
    assert sum(map(len, book.forms.values())) > own + 370
    for letter in string.ascii_letters:
        assert len(book.forms[letter]) >= len(TEXT_FORMS[letter]) + 4
