"""Every public name says what it is, to a reader, to ``help`` and to an editor."""

from __future__ import annotations

import importlib
import inspect
import os
import pydoc
import re
import subprocess
import sys

import pytest
from books import load_build
from conftest import ROOT

import crnn_lib

load_build()
import reference  # noqa: E402  of the book, which build.py put on the path

LESSONS = "crnn_lib.lessons"  # its engine is for those who write exercises


def public() -> dict[str, object]:
    """Dotted name -> what it is, for all names of the library's faces."""
    found = {}
    for wing, path in reference.wings(ROOT).items():
        module = importlib.import_module(wing)
        listed = (
            module.__all__ if path.is_dir() else reference.public_names(path.read_text("utf-8"))
        )
        found |= {f"{wing}.{name}": getattr(module, name) for name in listed}
    return found


NAMES = public()


def test_each_entry_of_the_reference_has_words():
    """Functions and classes have a docstring, constants a ``#:``."""
    pages = reference.pages(ROOT)
    rows = [row for page in pages.values() for row in re.findall(r"\* - (.+)\n +-(.*)", page)]
    assert len(rows) > 250
    assert [name for name, words in rows if not words.strip()] == []


def methods(of: type) -> list[tuple[str, object]]:
    own = [
        (n, inspect.unwrap(m.fget if isinstance(m, property) else m)) for n, m in vars(of).items()
    ]
    return [(n, m) for n, m in own if not n.startswith("_") and inspect.isfunction(m)]


@pytest.mark.parametrize("name", [n for n in NAMES if inspect.isclass(NAMES[n])])
def test_each_method_has_a_docstring(name):
    inherited = {n for base in NAMES[name].__mro__[1:] for n in vars(base)}
    bare = [n for n, m in methods(NAMES[name]) if not m.__doc__ and n not in inherited]
    assert bare == []


@pytest.mark.parametrize(
    "name", [n for n in NAMES if inspect.isfunction(NAMES[n]) and not n.startswith(LESSONS)]
)
def test_many_parameters_are_explained(name):
    """From four on they have a section; fewer may stand in the sentence."""
    given = inspect.signature(NAMES[name]).parameters
    words = inspect.getdoc(NAMES[name]) or ""
    section = re.search(
        r"^Parameters\n-{10}\n(.+?)(?:\n\n\w+\n---|\n\n>>>|\Z)", words, re.DOTALL | re.M
    )
    assert section or len(given) < 4
    for parameter in (
        re.findall(r"^([\w*][\w*, ]*?)(?: : .*)?$", section[1], re.M) if section else []
    ):
        for one in parameter.split(", "):
            assert one.lstrip("*") in given, f"{name} explains {one}, which it does not take"


def test_help_is_the_map():
    text = pydoc.plain(pydoc.render_doc(crnn_lib))
    for wing in ("alphabet", "ctc", "decoders", "cli"):
        assert re.search(rf"^ *``{wing}``", text, re.MULTILINE)
    text = pydoc.plain(pydoc.render_doc(crnn_lib.ctc))
    assert "Start here" in text
    assert {"ctc_loss", "forced_alignment"} <= set(dir(crnn_lib.ctc))


USER = """
from crnn_lib import CRNN, ctc_loss
from crnn_lib.decoders import best_path
reveal_type(ctc_loss)
reveal_type(CRNN)
best_path("55207")
"""


def test_type_checkers_see_the_names(tmp_path):
    pytest.importorskip("mypy", reason="this test needs mypy: pip install -e '.[dev]'")
    (tmp_path / "user.py").write_text(USER)
    # with the checkout's settings and cache: torch need not be looked at twice
    command = [sys.executable, "-m", "mypy", f"--config-file={ROOT / 'pyproject.toml'}"]
    command += [f"--cache-dir={ROOT / '.mypy_cache'}", "user.py"]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    said = ran.stdout
    assert re.search(r'user.py:4: note: Revealed type is "def \(log_probs: torch', said), said
    assert re.search(
        r'user.py:5: note: Revealed type is "def \(.*\) -> crnn_lib.models.crnn.CRNN"', said
    )
    assert re.search(
        r'user.py:6: error: Argument 1 to "best_path" has incompatible type "str"', said
    )


def test_editors_see_the_names():
    jedi = pytest.importorskip("jedi", reason="jedi comes with IPython")
    source = "from crnn_lib import CRNN, ctc_lo"
    script = jedi.Script(source, project=jedi.Project(ROOT))
    assert "ctc_loss" in [found.name for found in script.complete(1, len(source))]
    source = "import crnn_lib.decoders\ncrnn_lib.decoders.best_path"
    (found,) = jedi.Script(source, project=jedi.Project(ROOT)).goto(2, 22, follow_imports=True)
    assert found.module_path == ROOT / "crnn_lib" / "decoders" / "best.py"
