"""One page for everyone: a notebook says the same where there is no data as where there is."""

from __future__ import annotations

import re

import nbformat
import pytest
from conftest import load_executor

from crnn_lib.handwriting import available_sources

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
def test_a_notebook_says_the_same_without_data(path, tmp_path, monkeypatch):
    if not any(status.found and status.path for status in available_sources()):
        pytest.skip("there is no data here: nbval has compared the notebook without it already")
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
