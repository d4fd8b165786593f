"""A notebook with every explorer, exported: the page on disk answers without kernel and network."""

from __future__ import annotations

import base64
import os
import subprocess
import sys

import nbformat
import pytest
from conftest import ROOT

from crnn_lib.lessons import quiz
from crnn_lib.widgets import CollapseExplorer, LatticeExplorer

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect
IMPORTS = """
from crnn_lib.lessons import quiz
from crnn_lib.widgets import CollapseExplorer, LatticeExplorer
""".strip()
EXPLORERS = {  # what a cell ends with, and what it stands for
    "CollapseExplorer()": CollapseExplorer,
    "LatticeExplorer.example()": LatticeExplorer.example,
    'quiz("equal neighbours")': lambda: quiz("equal neighbours"),
}


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The series' own executor runs it: one kernel for all."""
    path = tmp_path_factory.mktemp("exported") / "all.ipynb"
    cells = [nbformat.v4.new_code_cell(source) for source in (IMPORTS, *EXPLORERS)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    command = [sys.executable, str(ROOT / "notebooks" / "execute.py"), str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return path


def test_outputs_hold_the_pages(executed):
    _, *cells = nbformat.read(executed, as_version=4).cells
    for cell, make in zip(cells, EXPLORERS.values(), strict=True):
        (output,) = cell.outputs
        assert output.data.keys() - {"image/png"} == {"text/plain", "text/html"}
        assert output.data["text/plain"] == repr(make())
        picture = output.data.get("image/png")
        drawn = picture and base64.b64decode(picture)
        assert output.data["text/html"] == make().static_html(drawn)


def test_exported_notebook_works_without_kernel_and_network(show, executed):
    nbconvert = pytest.importorskip("nbconvert", reason="no nbconvert")
    # nbconvert's own page asks for require.js and MathJax; the explorers need neither
    exporter = nbconvert.HTMLExporter(require_js_url="", mathjax_url="", jquery_url="")
    page = show(exporter.from_filename(str(executed))[0])
    collapse = page.locator(".crnn-explorer.collapse")
    collapse.get_by_label("alignment, typed").fill("77-7")
    expect(collapse.locator(".result.label")).to_have_text("77")
    lattice = page.locator(".crnn-explorer.lattice")
    expect(lattice.locator(".verdict")).to_have_text("0.72")
    lattice.get_by_label("label whose probability").fill("aa")
    expect(lattice.locator(".verdict")).to_have_text("0.04")
    card = page.locator(".crnn-quiz")
    for step, letter in enumerate("cb"):
        card.locator("fieldset").nth(step).locator(f"input[value={letter}]").check()
    card.get_by_role("button", name="Check answer and reason").click()
    expect(card.locator(".reply")).to_contain_text("Right, and for the right reason.")
