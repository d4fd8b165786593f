"""One page for everyone: a notebook says the same where there is no data as where there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import nbformat
import pytest
from asked import ASKED, WATCH
from conftest import load_executor

from crnn_lib.handwriting import available_sources, fonts, load_glyphs

execute = load_executor()
PICTURES = ("image/png", "image/svg+xml")  # may show a real digit or the pen's


def what_is_said(notebook: nbformat.NotebookNode) -> list[tuple[str, list]]:
    """Source and outputs of each cell that nbval compares, less pictures, times and addresses."""
    patterns = execute.sanitizers()

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if key not in PICTURES}
        if isinstance(value, list):
            return [plain(item) for item in value]
        for pattern, replacement in patterns if isinstance(value, str) else ():
            value = pattern.sub(replacement, value)
        return value

    return [
        (cell.source, plain(cell.outputs))
        for cell in notebook.cells
        if cell.cell_type == "code" and "nbval-ignore-output" not in cell.metadata.get("tags", [])
    ]


@pytest.mark.parametrize("path", execute.series(), ids=lambda path: path.stem)
def test_a_notebook_says_the_same_without_data(path, tmp_path, monkeypatch, request):
    if not any(status.found and status.path for status in available_sources()):
        pytest.skip("there is no data here: nbval has compared the notebook without it already")
    if request.config.pluginmanager.get_plugin("data-asked").asked.get(path) is False:
        return  # nbval has just compared all of it, and nothing in it asked for data
    monkeypatch.setenv("CRNN_DATA", str(tmp_path))
    ran = nbformat.reads(execute.execute(path), as_version=4)
    stored = nbformat.read(path, as_version=4)
    for (source, now), (_, before) in zip(what_is_said(ran), what_is_said(stored), strict=True):
        assert now == before, f"this cell says something else without data:\n{source}"


def test_this_would_see_a_sentence_that_depends_on_data():
    cell = nbformat.v4.new_code_cell("print(n)")
    said = []
    for n in (98, 95):
        cell.outputs = [nbformat.v4.new_output("stream", text=f"{n} % are right\n")]
        said.append(what_is_said(nbformat.v4.new_notebook(cells=[cell])))
    assert said[0] != said[1] and re.search("98 %", str(said[0]))


ASKING = {
    "os.environ['CRNN_DATA']": True,
    "os.environ.get('CRNN_DATA')": True,
    "os.getenv('CRNN_DATA')": True,
    "'CRNN_DATA' in os.environ": True,
    "dict(os.environ)": True,
    "os.system('true')": True,
    "subprocess.run([sys.executable, '-c', '0'])": True,
    "subprocess.run('python3 -c 0', shell=True)": True,
    "multiprocessing.get_context('spawn').Process(target=int).start()": True,
    "os.environ.get('HOME')": False,
    "subprocess.run(['git', '--version'])": False,
}


def test_whatever_asks_for_data_in_a_kernel_is_heard():
    """Each in a process of its own that has forked from one, so that Python starts but once."""
    code = f"""
import multiprocessing, subprocess
def hears(expression):
    reading, writing = os.pipe()
    if os.fork() == 0:
        exec({WATCH!r}, {{}})
        eval(expression)
        os.write(writing, str({ASKED}).encode())
        os._exit(0)
    os.wait()
    return os.read(reading, 9).decode()
import os, sys
print([hears(expression) for expression in {list(ASKING)!r}])
"""
    heard = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ, CRNN_DATA="."), stdout=subprocess.PIPE,
        text=True, check=True, timeout=300,
    )  # fmt: skip
    assert heard.stdout.splitlines()[-1] == str([str(asks) for asks in ASKING.values()])


def test_whatever_the_library_has_from_a_disk_asks_for_data(monkeypatch, tmp_path):
    class Watched(type(os.environ)):
        def __getitem__(self, name):
            asked.append(name)
            return super().__getitem__(name)

    asked = []
    monkeypatch.setenv("CRNN_DATA", str(tmp_path))
    monkeypatch.setattr(os.environ, "__class__", Watched)
    for what in (
        available_sources,
        fonts.count_fonts,
        lambda: load_glyphs("auto", "test", count=1),
    ):
        asked.clear()
        what()
        assert "CRNN_DATA" in asked
    asked.clear()
    load_glyphs("pen", "test", count=1)
    assert "CRNN_DATA" not in asked
