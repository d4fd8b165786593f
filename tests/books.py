"""The book, built once for the tests of several folders."""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from pathlib import Path

import pytest
from conftest import ROOT

BOOK = ROOT / "book"


def load_build():
    """Import book/build.py, which is a script and belongs to no package."""
    if "book_build" not in sys.modules:
        spec = importlib.util.spec_from_file_location("book_build", BOOK / "build.py")
        sys.modules["book_build"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["book_build"])
    return sys.modules["book_build"]


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
