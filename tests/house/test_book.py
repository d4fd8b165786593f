"""The book: what Sphinx reads, what must not be in the pages, and the whole, built once.

What needs Sphinx skips where it is not installed; what needs MathJax, where npm cannot fetch it.
"""

from __future__ import annotations

import ast
import html
import importlib
import inspect
import io
import json
import posixpath
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from books import BOOK, book_folder, built_book, load_build, load_lighten, need_sphinx
from conftest import REPOSITORY, ROOT
from PIL import Image

SERIES = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))


build = load_build()


# ------------------------------------------------------------------ what Sphinx reads


def notebook(*cells):
    named = [{**cell, "id": f"c{n}"} for n, cell in enumerate(cells)]
    about = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    return json.dumps({"cells": named, "metadata": about, "nbformat": 4, "nbformat_minor": 5})


def text_cell(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code_cell(source, outputs=()):
    kind = {"cell_type": "code", "metadata": {}, "execution_count": 1}
    return {**kind, "source": source, "outputs": list(outputs)}


SETUP = "import subprocess  # pip install\nimport crnn_lib"
BADGES = "[![Open](https://x.org/a.svg)](https://x.org) [![Go](https://y.org/b.svg)](https://y.org)"


@pytest.fixture
def checkout(tmp_path):
    """A small checkout with a page of each kind."""
    root = tmp_path / "checkout"
    page = {"output_type": "execute_result", "execution_count": 1, "metadata": {}}
    page["data"] = {"text/html": ["<style>p{}</style>", "<p>a\n\nb `c`</p>"], "text/plain": "E()"}
    files = {
        "notebooks/00_a.ipynb": notebook(
            text_cell(f"{BADGES}\n\n# 00\n\nSee [b](01_b.ipynb#frames)."),
            code_cell(SETUP),
            text_cell("Some words.\n\n**Predict.** How many?"),
            code_cell("E()", [page]),
        ),
        "notebooks/01_b.ipynb": notebook(text_cell("# 01\n\n## Frames"), code_cell(SETUP)),
        "book/index.md": "# Front\n\n[a](../notebooks/00_a.ipynb) ![words](../data/x.svg)\n",
        "book/glossary.md": "# Glossary\n\n### frame\n\n[up](index.md)\n",
        "book/teach/index.md": "# Teach\n",
        "book/teach/00_a.md": "# Notes\n\nA [frame](../glossary.md#frame).\n",
        "data/x.svg": '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>',
        "data/x.py": "x = 1\n",
        "data/sheet.pdf": "%PDF-1.4\n",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    return root


@pytest.fixture
def stage(checkout, tmp_path):
    return build.Stage(checkout, tmp_path / "source")


@pytest.mark.parametrize(
    "page, written, expected",
    [
        ("book/index.md", "[a](../notebooks/00_a.ipynb)", "[a](notebooks/00_a.ipynb)"),
        ("book/index.md", "[f](glossary.md#frame)", "[f](book/glossary.md#frame)"),
        ("book/glossary.md", "[up](index.md)", "[up](../index.md)"),
        ("book/teach/00_a.md", "[f](../glossary.md#frame)", "[f](../glossary.md#frame)"),
        ("notebooks/00_a.ipynb", "[b](01_b.ipynb#x)", "[b](01_b.ipynb#x)"),
        ("book/index.md", "![w](../data/x.svg)", "![w](data/x.svg)"),
        ("book/index.md", "[![w](../data/x.svg)](map.svg)", "![w](data/x.svg)"),
        ("book/index.md", "[![w](../data/x.svg)](index.md)", "[![w](data/x.svg)](index.md)"),
        ("book/teach/00_a.md", "[s](../../data/sheet.pdf)", "[s](../../data/sheet.pdf)"),
        ("book/index.md", "[c](../data/x.py#L1)", f"[c]({REPOSITORY}/blob/main/data/x.py#L1)"),
        ("book/index.md", "[d](../data)", f"[d]({REPOSITORY}/tree/main/data)"),
        ("book/index.md", "[x](https://x.org/a) [y](#there)", "[x](https://x.org/a) [y](#there)"),
        ("book/index.md", "`f[i](x)` and\n```\n[a](b.md)\n```", None),
        ("book/index.md", "to come: [c](02_c.ipynb)", "to come: c"),
        ("book/index.md", "![map](map.svg) here", " here"),
        ("notebooks/00_a.ipynb", f"{BADGES}\n# 00", "# 00"),
        ("notebooks/00_a.ipynb", "![far](https://x.org/a.png)!", "!"),
    ],
)  # fmt: skip
def test_links_lead_where_they_should_in_the_book(stage, page, written, expected):
    assert stage.markdown(written, page) == (written if expected is None else expected)


def test_what_is_not_there_is_noted(stage):
    stage.markdown("[c](02_c.ipynb#x), ![map](../book/map.svg)", "notebooks/00_a.ipynb")
    stage.markdown("[out](../../../etc/hosts)", "book/index.md")
    assert stage.notes == [
        "notebooks/00_a.ipynb names 02_c.ipynb#x, which is not there",
        "notebooks/00_a.ipynb names ../book/map.svg, which is not there",
        "book/index.md names ../../../etc/hosts, which is not there",
    ]


def test_pages_stand_in_their_places_with_what_they_show(stage, tmp_path):
    stage.write()
    source = tmp_path / "source"
    front = (source / "index.md").read_text()
    contents = re.findall(r":caption: (.+)\n\n((?:\S+\n)+)```", front)
    assert [(name, pages.split()) for name, pages in contents] == [
        ("The series", ["notebooks/00_a.ipynb", "notebooks/01_b.ipynb"]),
        ("Beside it", ["book/glossary.md"]),
        ("For teachers", ["book/teach/index.md"]),
    ]
    assert "\n\n00_a.md\n```" in (source / "book/teach/index.md").read_text()
    copies = {p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()}
    pages = {page for _, group in contents for page in group.split()}
    assert copies == pages | {"index.md", "data/x.svg", "book/teach/00_a.md"}
    assert stage.notes == []


def test_the_reference_follows_the_faces(checkout, tmp_path):
    files = {
        "__init__.py": '"""A library.\n\n===  ===\n``ctc``  frames\n``cli``  words\n===  ===\n"""',
        "__init__.pyi": "from .ctc import loss as loss\n",
        "ctc/__init__.py": '"""CTC: :mod:`~crnn_lib.ctc.rules`, :mod:`~crnn_lib.ctc.losses`."""',
        "ctc/__init__.pyi": "from .losses import loss as loss\nfrom .rules import NEVER as NEVER\n",
        "ctc/losses.py": 'def loss(x):\n    """How wrong\n    it is.\n\n    More."""\n',
        "ctc/rules.py": "#: No way\n#: at all.\nNEVER = -1\n",
        "cli/__init__.py": "",
    }
    for name, content in files.items():
        path = checkout / "crnn_lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    stage = build.Stage(checkout, tmp_path / "source")
    stage.write()
    assert stage.sections["Reference"] == ["reference/index.rst"]
    front, page = (tmp_path / f"source/reference/{n}.rst" for n in ("index", "ctc"))
    assert re.findall(r"\* - (.+)\n +- (.+)", front.read_text()) == [
        (":doc:`ctc`", "frames"),
        ("``cli``", "words"),
        (":py:obj:`~crnn_lib.ctc.loss`", ":doc:`ctc`"),
    ]
    text = page.read_text()
    assert re.findall(r"\* - (.+)\n +- (.+)", text) == [
        (":py:obj:`~crnn_lib.ctc.NEVER`", "No way at all."),
        (":py:obj:`~crnn_lib.ctc.loss`", "How wrong it is."),
    ], "in the order of the docstring"
    assert ".. py:data:: NEVER\n   :value: -1" in text
    assert ".. autofunction:: crnn_lib.ctc.loss" in text
    assert stage.markdown("[it](../crnn_lib)", "book/index.md") == "[it](reference/index.rst)"
    (checkout / "crnn_lib/ctc/rules.py").write_text("")
    with pytest.raises(LookupError, match="lists NEVER, which its room does not define"):
        build.Stage(checkout, tmp_path / "source")


def test_a_notebook_loses_what_a_page_cannot_use(stage, tmp_path, checkout):
    before = (checkout / "notebooks/00_a.ipynb").read_bytes()
    stage.write()
    first, setup, words, shown = json.loads((tmp_path / "source/notebooks/00_a.ipynb").read_text())[
        "cells"
    ]
    assert "svg" not in first["source"] and first["source"].lstrip().startswith("# 00\n")
    assert re.search(r"\n\{\.launch\}\nRead on, or run it on \[Colab\]\(\S+00_a", first["source"])
    assert setup["metadata"]["tags"] == ["remove-cell"]
    assert words["source"] == "Some words.\n\n{.predict}\n**Predict.** How many?"
    assert "tags" not in shown["metadata"] and len(shown["outputs"]) == 1
    assert (checkout / "notebooks/00_a.ipynb").read_bytes() == before


def test_an_explorer_comes_out_of_a_notebook(stage):
    text = "Try.\n\n<!-- explorer: ../notebooks/00_a.ipynb 1 -->\n\nWell?"
    fence = "`" * 8
    page = "<style>p{}</style><p>a\n\nb `c`</p>"
    assert stage.markdown(text, "book/index.md").startswith(
        f"Try.\n\n{fence}{{raw}} html\n{page}\n{fence}\n"
    )
    assert stage.markdown(text.replace("1 -->", "2 -->"), "book/index.md") == "Try.\n\n\n\nWell?"
    assert stage.notes == [
        "book/index.md shows explorer 2 of ../notebooks/00_a.ipynb, which is not there"
    ]


# ------------------------------------------------------------------ what must not be there

HEAD = "<!doctype html><meta charset='utf-8'>"


@pytest.mark.parametrize(
    "body, sentence",
    [
        (
            "<script src='https://cdn.org/x.js'></script>",
            "p.html loads https://cdn.org/x.js, which",
        ),
        ("<img src='//cdn.org/x.png' alt='a line'>", "loads //cdn.org/x.png, which is not part"),
        ("<link rel='stylesheet' href='http://cdn.org/x.css'>", "loads http://cdn.org/x.css"),
        ("<style>@import 'https://cdn.org/x.css';</style>", "loads https://cdn.org/x.css"),
        ("<style>p { background: url(https://cdn.org/x.png) }</style>", "https://cdn.org/x.png"),
        ("<img srcset='https://cdn.org/x.png 2x' src='here.svg' alt='a line'>", "cdn.org/x.png"),
        ("<img src='/here.svg' alt='a line'>", "loads /here.svg, which is not part of the book"),
        ("<img src='gone.svg' alt='a line'>", "loads gone.svg, which is not there"),
        ("<img src='here.svg'>", "p.html: an image has no words: here.svg"),
        ("<img src='here.svg' alt=' '>", "an image has no words"),
        ("<img src='here.svg' alt='_images/9af3.png'>", "an image has no words"),
    ],
)
def test_a_fault_in_a_page_is_seen(tmp_path, body, sentence):
    (tmp_path / "here.svg").write_text("<svg/>")
    (tmp_path / "p.html").write_text(HEAD + body)
    (fault,) = build.faults(tmp_path)
    assert sentence in fault


def test_a_good_page_has_no_faults(tmp_path):
    (tmp_path / "a b.svg").write_text("<svg/>")
    (tmp_path / "s.css").write_text(
        "p { background: url('a b.svg') url(data:image/png;base64,AA) }"
    )
    body = "<link rel='stylesheet' href='s.css?v=1'><img src='a%20b.svg' alt='55207, read right'>"
    body += "<a href='https://x.org'>out</a><link rel='canonical' href='https://x.org'>"
    body += "<img src='data:image/png;base64,AA' alt='four lines'><script>'url(https://x)'</script>"
    (tmp_path / "p.html").write_text(HEAD + body)
    assert build.faults(tmp_path) == []


def test_a_book_that_is_too_large_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["faults"], "LIMIT", 1e5)
    (tmp_path / "large.bin").write_bytes(bytes(200_000))
    assert build.faults(tmp_path) == ["the book has 0.2 MB; 0.1 are the most"]


# ------------------------------------------------------------------ what npm fetches


@pytest.mark.parametrize("folder", [BOOK, BOOK / "runtime"], ids=["book", "runtime"])
def test_every_package_is_locked_to_its_content(folder):
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert locked.pop("")["dependencies"] == wanted
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version, "exact, not a range"
    for package in locked.values():
        assert package["integrity"].startswith("sha512-") and "resolved" not in package


def fake_npm(folder, script, monkeypatch):
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for npm is a shell script")
def test_a_failure_of_npm_is_told_and_tried_again(tmp_path, monkeypatch):
    broken = 'echo "npm error code ENOTFOUND" >&2; exit 1'
    fake_npm(tmp_path / "broken", broken, monkeypatch)
    assert build.fetch(tmp_path / "npm") == "npm failed: npm error code ENOTFOUND"
    fake_npm(tmp_path / "good", 'echo "$*" >> log; mkdir -p node_modules', monkeypatch)
    assert build.fetch(tmp_path / "npm") == build.fetch(tmp_path / "npm") == ""
    (call,) = (tmp_path / "npm" / "log").read_text().splitlines()
    assert call.startswith("ci --ignore-scripts ")


def test_no_npm_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert build.fetch(tmp_path / "npm") == "there is no npm"


FORMULA = "# Front\n\nA line has probability $e^{-1} < 1$, or\n\n$$\n\\alpha_t(s) = 0.64\n$$\n"


def test_without_npm_formulas_stay_as_they_are_written(checkout, tmp_path):
    need_sphinx()
    (checkout / "book/index.md").write_text(FORMULA)
    built = build.build(tmp_path / "out" / "html", root=checkout, npm=False)
    assert built.notes == ["Formulas are left as they are written: npm was not asked."]
    page = (tmp_path / "out" / "html" / "index.html").read_text()
    assert '<code class="math">e^{-1} &lt; 1</code>' in page
    assert '<pre class="math">\\alpha_t(s) = 0.64</pre>' in page.replace("\n", "")
    assert "tex-svg" not in page
    assert not (tmp_path / "out" / "html" / "_static" / "mathjax").exists()


def test_a_fault_stops_the_build_and_the_old_book_stays(checkout, tmp_path):
    need_sphinx()
    old = tmp_path / "out" / "html"
    old.mkdir(parents=True)
    (old / "index.html").write_text("the old one")
    with (checkout / "book/glossary.md").open("a") as file:
        file.write("\n![](../data/x.svg)\n")
    with pytest.raises(build.BuildError, match="glossary.html: an image has no words"):
        build.build(old, root=checkout, npm=False)
    assert (old / "index.html").read_text() == "the old one"


# ------------------------------------------------------------------ the whole book


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return built_book(book_folder(tmp_path_factory))[1]


def test_nothing_is_missing(tmp_path_factory):
    built, _ = built_book(book_folder(tmp_path_factory))
    assert [note for note in built.notes if not note.startswith("Formulas are left")] == []


def test_pages_with_formulas_draw_them_and_only_those_load_what_does(tmp_path_factory):
    built, book = built_book(book_folder(tmp_path_factory))
    for note in built.notes:
        if note.startswith("Formulas are left"):
            pytest.skip(note)
    static = book / "_static" / "mathjax"
    assert sorted(path.name for path in static.iterdir()) == ["LICENSE", "tex-svg.js"]
    pages = {path: path.read_text(encoding="utf-8") for path in book.rglob("*.html")}
    loads = r'<script data-draws="[./]*_static/mathjax/tex-svg.js'  # when it comes near
    drawn = {path for path, page in pages.items() if re.search(loads, page)}
    assert drawn == {path for path, page in pages.items() if re.search(r"\\[(\[]", page)}
    assert 0 < len(drawn) < len(pages) / 2


def test_the_book_is_whole_and_small(book):
    assert build.faults(book) == []
    assert sys.modules["faults"].LIMIT == 35_000_000
    assert sum(path.stat().st_size for path in book.rglob("*") if path.is_file()) <= 35_000_000
    assert [path.stem for path in sorted(book.glob("notebooks/*.html"))] == SERIES
    pages = {path.stem for path in (*BOOK.glob("[!i]*.md"), *BOOK.glob("teach/*.md"))}
    assert {path.stem for path in book.rglob("book/**/*.html")} == pages


def outputs(name):
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [output for cell in cells for output in cell.get("outputs", [])]


@pytest.mark.parametrize("name", SERIES)
def test_every_figure_has_the_words_that_were_saved_with_it(book, name):
    page = (book / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
    shown = [
        html.unescape(alt) for alt in re.findall(r'<img alt="([^"]*)" src="\.\./_images', page)
    ]
    saved = [
        o["metadata"]["image/png"]["alt"]
        for o in outputs(name)
        if "image/png" in o.get("data", {}) and "text/html" not in o["data"]  # not an explorer's
    ]
    assert shown[: len(saved)] == saved or sorted(shown) == sorted(saved)


@pytest.mark.parametrize("name", SERIES)
def test_every_explorer_is_on_its_page(book, name):
    page = (book / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
    saved = [
        "".join(o["data"]["text/html"]) for o in outputs(name) if "text/html" in o.get("data", {})
    ]
    keys = [key for text in saved for key in re.findall(r'<div data-explorer="(\w+)"', text)]
    assert re.findall(r'<div data-explorer="(\w+)"', page) == keys


def test_there_are_explorers_of_every_kind(book):
    pages = "".join(p.read_text(encoding="utf-8") for p in book.glob("notebooks/*.html"))
    kinds = ("beam", "collapse", "crnn-quiz", "frozen", "fusion", "lattice", "pad", "touch")
    for kind in (*kinds, "where", "window"):
        assert re.search(rf'mount\(\{{ model, el \}}, "{kind}"', pages), kind


@pytest.mark.parametrize("name", SERIES)
def test_a_notebook_opens_elsewhere_and_can_be_taken_along(book, name):
    page = html.unescape((book / "notebooks" / f"{name}.html").read_text(encoding="utf-8"))
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    badges = re.findall(r"\]\((https://[^\s)]+ipynb)\)", "".join(notebook["cells"][0]["source"]))
    assert len(badges) == 3
    for address in badges:
        assert page.count(f'href="{address}"') == 2, "in the menu, and below the title"
    assert "find_spec" not in page, "the cell that installs is for notebooks"
    taken = book / "_sources" / "notebooks" / f"{name}.ipynb"
    same = json.loads(taken.read_text(encoding="utf-8"))
    for cell, kept in zip(notebook["cells"], same["cells"], strict=True):
        for output, other in zip(cell.get("outputs", []), kept.get("outputs", []), strict=True):
            if {"image/png", "text/html"} <= output.get("data", {}).keys():  # an explorer
                assert "text/html" not in other["data"]
                other["data"]["text/html"] = output["data"]["text/html"]
    assert same == notebook, "a picture stands for an explorer; all else is as it is"
    assert f'href="../_sources/notebooks/{name}.ipynb"' in page


def faces():
    """Dotted name -> face, of each wing and of what it holds, without the answers of chapters."""
    found = {"crnn_lib": importlib.import_module("crnn_lib")}
    for path in sorted((ROOT / "crnn_lib").rglob("__init__.pyi")):
        name = ".".join(path.parent.relative_to(ROOT).parts)
        if ".chapter" not in name:
            found[name] = importlib.import_module(name)
    return found


def test_every_public_name_has_one_entry(book):
    entries = {}
    for page in book.glob("reference/*.html"):
        for name in re.findall(r'<dt class="sig[^>]* id="([\w.]+)"', page.read_text("utf-8")):
            assert name not in entries, f"{name} stands in {entries[name]} and {page.name}"
            entries[name] = page.name
    known = faces()
    for module, face in known.items():
        for name in face.__all__:
            if not inspect.ismodule(getattr(face, name)):
                homes = [f for f in known if f.startswith(module) and f"{f}.{name}" in entries]
                assert homes or f"crnn_lib.alphabet.{name}" in entries, f"{module}.{name}"
    assert entries["crnn_lib.cutting.cut_line"] == "cutting.html"
    assert entries["crnn_lib.photos.Reader.read"] == "photos.html"


def test_an_entry_has_signature_docstring_example_and_source(book):
    page = (book / "reference/ctc.html").read_text("utf-8")
    (entry,) = re.findall(
        r'<dt class="sig[^>]* id="crnn_lib.ctc.ctc_loss">.*?</dd></dl>', page, re.S
    )
    words = html.unescape(re.sub("<[^>]+>", "", entry))
    for wanted in ("log_probs: Tensor", "reduction: str = 'mean'", "Parameters", ">>> "):
        assert wanted in words
    assert f'href="{REPOSITORY}/blob/main/crnn_lib/ctc/loss.py#L' in entry


@pytest.mark.parametrize("name", SERIES)
def test_what_a_notebook_imports_first_leads_to_its_entry(book, name):
    page = (book / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
    found = re.findall(r'<a class="entry" href="\.\./reference/\S+#(?:\w+-)?([\w.]+)">', page)
    assert len(found) == len(set(found)), "once"
    imported = set()
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and "find_spec" not in "".join(cell["source"]):
            lines = "".join(cell["source"]).splitlines()
            source = "\n".join(x for x in lines if not x.lstrip().startswith(("%", "!")))
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("crnn_lib"):
                    if ".chapter" not in node.module:  # answers
                        imported |= {alias.name for alias in node.names}
    imported -= {n for n in imported if n.startswith("chapter")}
    assert imported == {entry.rpartition(".")[2] for entry in found}


def test_every_link_between_pages_leads_somewhere(book):
    ids, lost = {}, []
    pages = {path: path.read_text(encoding="utf-8") for path in book.rglob("*.html")}
    for path, page in pages.items():
        ids[path] = set(re.findall(r'\bid="([^"]+)"', page))
    for path, page in pages.items():
        for link in set(re.findall(r'<a [^>]*href="([^"]+)"', page)):
            target, _, fragment = html.unescape(link).partition("#")
            if re.match("[a-z]+:", target):
                continue
            place = path if not target else Path(posixpath.normpath(path.parent / unquote(target)))
            if re.match(
                r"[a-z]+(-\d+)?\?", fragment
            ):  # it sets an explorer: tests/house/test_links
                found = "data-explorer=" in pages.get(place, "")
            else:
                found = not fragment or unquote(fragment) in ids.get(place, ())
            if not place.is_file() or not found:
                lost.append(f"{path.relative_to(book)}: {link}")
    assert lost == []


def test_the_search_knows_the_pages(book):
    index = (book / "searchindex.js").read_text(encoding="utf-8")
    assert index.startswith("Search.setIndex(")
    for name in SERIES:
        assert f'"notebooks/{name}"' in index
    assert "plateau" in index and "staticModel" not in index
    assert not re.search(r"[\w+/]{100}", index), "data of an explorer"
    assert '"crnn_lib.ctc"' in index and "ctc_loss" in index


def test_pages_are_put_on_the_web_as_they_are_built_here():
    yaml = pytest.importorskip("yaml")
    text = (ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    steps = jobs["build"]["steps"]
    assert "python book/build.py --strict" in [step.get("run") for step in steps]
    assert {"path": "book/_build/html"} in [step.get("with") for step in steps]
    assert jobs["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert build.main.__module__ == "book_build" and (BOOK / "build.py").is_file()


# ------------------------------------------------------------------ weight


def test_what_no_page_needs_is_left_out(tmp_path):
    lighten = load_lighten()
    styles, scripts = tmp_path / "_static" / "styles", tmp_path / "_static" / "scripts"
    for folder in (styles, scripts):
        folder.mkdir(parents=True)
    (scripts / "fontawesome.js").write_text("/* icons */")
    (scripts / "menu.js").write_text('node.classList.add("shown")')
    sheet = "@charset 'utf-8';.used,.unused{x:1}.shown:not(.absent){x:2}.absent{x:3}"
    (styles / "theme.css").write_text(sheet + "@media print{.absent{x:4}}a{x:5}")
    head = "<head><script defer src='' ></script></head>".replace("''", '"_static/scripts/{}.js"')
    body = '<article class="bd-article used"><p>One <b>frame</b></p><img alt="a" src="b.png">'
    body += "</article>"
    (tmp_path / "index.html").write_text(head.format("fontawesome") + body)
    (tmp_path / "search.html").write_text(head.format("menu"))
    lighten.lighten(tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "fontawesome" not in page and not (scripts / "fontawesome.js").exists()
    assert '<img alt="a" src="b.png" loading="lazy" />' in page
    expected = "@charset 'utf-8';.used{x:1}.shown:not(.absent){x:2}a{x:5}"
    assert (styles / "theme.css").read_text() == expected
    assert (tmp_path / "_static" / "texts.js").read_text() == (
        'const BOOK_TEXTS = {"index.html": "One frame"};\n'
    )
    assert '<script src="_static/texts.js"></script>' in (tmp_path / "search.html").read_text()


def png_of(levels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_a_figure_has_a_palette_if_no_eye_sees_it():
    with_a_palette = load_lighten().with_a_palette
    chance = np.random.default_rng(0)
    grey = chance.integers(0, 256, (60, 80, 1)).repeat(3, 2)
    soft = np.clip(grey + chance.integers(-1, 2, (60, 80, 3)), 0, 255)  # a thousand shades
    for levels, most in ((grey, 0), (soft // 8 * 8 + soft % 3, 4)):
        before = png_of(levels)
        light = with_a_palette(before)
        image = Image.open(io.BytesIO(light))
        assert len(light) < len(before) and image.mode == "P"
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - levels).max() <= most
    coloured = png_of(chance.integers(0, 256, (60, 80, 3)))
    clear = png_of(np.dstack([grey, grey[..., :1] // 2]))
    assert with_a_palette(coloured) == coloured and with_a_palette(clear) == clear


def loaded(page: Path) -> int:
    """Bytes of a page and of what it loads before anything on it is touched or scrolled to."""
    text, total = page.read_text(encoding="utf-8"), page.stat().st_size
    names = re.findall(r'<script[^>]* src="([^":]+)"', text)
    names += re.findall(r'<link[^>]* href="([^":]+\.css[^"]*)"', text)
    names += re.findall(r'<img(?![^>]*loading="lazy")[^>]* src="([^":]+)"', text)
    return total + sum((page.parent / name.split("?")[0]).stat().st_size for name in set(names))


def test_a_page_is_light_before_it_is_touched(book):
    sizes = {page.stem: loaded(page) for page in book.glob("notebooks/*.html")}
    heavy = {name: size for name, size in sizes.items() if size > 700_000}
    assert len(sizes) == len(SERIES) and not heavy


def test_words_under_a_figure_are_its_caption(book):
    page = (book / "notebooks" / "04_the_ctc_loss.html").read_text(encoding="utf-8")
    said = [o["metadata"]["image/png"]["alt"] for o in outputs("04_the_ctc_loss") if figure_of(o)]
    captions = [html.unescape(c) for c in re.findall(r'<p class="figure-words">(.*?)</p>', page)]
    assert said and set(captions) == set(said)
    printed = "".join(re.findall(r"<pre>.*?</pre>", page, re.DOTALL))
    assert not [words for words in said if html.escape(words) in printed]


def figure_of(output: dict) -> bool:
    return "image/png" in output.get("data", {}) and "text/html" not in output["data"]
