"""The book and the slides, built once for the tests of several folders."""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from pathlib import Path

import pytest
from conftest import ROOT

BOOK = ROOT / "book"
SERIES = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))


def _load(name: str, path: Path):
    """Import a script, which belongs to no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def load_build():
    """book/build.py."""
    return _load("book_build", BOOK / "build.py")


def load_lighten():
    """book/lighten.py."""
    return _load("book_lighten", BOOK / "lighten.py")


def load_slides():
    """book/teach/slides.py."""
    return _load("book_slides", BOOK / "teach" / "slides.py")


def need_sphinx():
    for name in ("sphinx", "myst_nb", "sphinx_book_theme"):
        pytest.importorskip(name, reason="the book needs Sphinx: pip install -e '.[book]'")


@lru_cache
def built_book(folder: Path):
    """The book, built once for all tests, and where it lies."""
    need_sphinx()
    return load_build().build(folder / "html"), folder / "html"


def book_folder(tmp_path_factory) -> Path:
    """The same folder for every file of tests."""
    return tmp_path_factory.getbasetemp() / "book"


@lru_cache
def built_slides(work: Path) -> Path:
    """The decks, made once for all tests; reveal.js is fetched where the book fetches MathJax."""
    pytest.importorskip("mdit_py_plugins", reason="slides need: pip install -e '.[book]'")
    why = load_build().fetch(work / "npm")
    if why:
        pytest.skip(f"reveal.js is not here: {why}")
    slides = load_slides()
    slides.write_decks(slides.notebooks([]), work / "slides", work / "npm" / "node_modules")
    return work / "slides"
