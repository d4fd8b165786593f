"""A notebook that was saved and is opened again, in real JupyterLab, when its kernel is gone."""

from __future__ import annotations

import json
import shutil

import pytest
from conftest import ROOT

from browser.harness import LIMIT, PATIENCE, SETTINGS, Lab, wait_for

NAME = "03_collapsing_alignments.ipynb"
VIEWPORT = {"width": 1280, "height": 1000}
TRACKER = "@jupyterlab/notebook-extension:tracker"
ALIVE = ".jp-OutputArea-output .crnn-explorer, .jp-OutputArea-output .crnn-quiz"
RUN_ALL = """() => {
    const { commands } = window.jupyterapp;
    commands.execute("notebook:clear-all-cell-outputs");
    commands.execute("notebook:run-all-cells");
}"""


def open_in(context, lab):
    page = context.new_page()
    page.set_default_timeout(1000 * LIMIT)
    lab.open_saved(page, NAME)
    return page


def widgets_of(path):
    """How many outputs of a saved notebook are widgets, and how many models are saved with it."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    outputs = [o for c in notebook["cells"] for o in c.get("outputs", []) if "data" in o]
    kind = "application/vnd.jupyter.widget-{}+json"
    saved = notebook["metadata"].get("widgets", {}).get(kind.format("state"), {"state": {}})
    return sum(kind.format("view") in o["data"] for o in outputs), len(saved["state"])


@pytest.mark.timeout(900)  # on a busy machine
def test_a_saved_notebook_lives_on_without_its_kernel(chromium, tmp_path):
    pytest.importorskip("jupyterlab", reason="this test needs JupyterLab: pip install jupyterlab")
    assert SETTINGS["@jupyter-widgets/jupyterlab-manager:plugin"] == {"saveState": True}
    with Lab(tmp_path) as lab:
        shutil.copy(ROOT / "notebooks" / NAME, lab.folder)
        assert widgets_of(lab.folder / NAME) == (0, 0), "as committed, it holds pages instead"
        lab.set(TRACKER, windowingMode="none")  # all cells are there, in sight or not
        context = chromium.new_context(viewport=VIEWPORT)
        context.add_init_script(PATIENCE)
        page = open_in(context, lab)
        page.evaluate(RUN_ALL)
        wait_for(lambda: _all_ran(page), "all cells", page, limit=600)
        count = page.locator(ALIVE).count()
        assert count >= 5
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        wait_for(lambda: widgets_of(lab.folder / NAME)[0] == count, "saved", page)
        assert widgets_of(lab.folder / NAME)[1] >= count
        page.close()
        lab.shut_kernels_down()

        lab.forget_preload()  # the new kernel knows of no explorers, and starts sooner
        page = open_in(context, lab)
        wait_for(lambda: page.locator(ALIVE).count() == count, "explorers", page)
        assert page.get_by_text("Error displaying widget").count() == 0
        explorer = page.locator(".crnn-explorer.collapse").first
        explorer.get_by_role("textbox", name="alignment").first.fill("77-7")
        wait_for(lambda: "77" in explorer.locator(".label").first.text_content(), "77", page)
        context.close()


def _all_ran(page) -> bool:
    return page.evaluate(
        """() => {
            const panel = window.jupyterapp.shell.currentWidget;
            const cells = [...panel.content.model.cells].filter((cell) => cell.type === "code");
            const idle = panel.sessionContext.session?.kernel?.status === "idle";
            return idle && cells.every((cell) => cell.executionState !== "running"
                && cell.executionCount !== null);
        }"""
    )
