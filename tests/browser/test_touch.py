"""The touch explorer in a real browser: as a file, and in JupyterLab."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from browser.harness import assert_accessible, assert_fits, assert_focus_is_seen
from crnn_lib.cutting import CutReader, DigitNet
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.widgets import TouchExplorer

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect
SPACINGS = (0.3, 0.1, -0.1, -0.3, -0.4)
STYLE = replace(LineStyle(), spacing_jitter=0.0, slant=(0, 0), glyph_slant=0.0, rotation=0.0)


def closer():
    glyphs = load_glyphs("pen", "test", count=100)
    return [
        compose_lines(
            glyphs,
            1,
            replace(STYLE, spacing=(spacing, spacing)),
            torch.Generator().manual_seed(3),
            texts=["55207"],
        )
        for spacing in SPACINGS
    ]


def state():
    torch.manual_seed(0)
    explorer = TouchExplorer(closer(), SPACINGS, CutReader(DigitNet().eval()))
    # readings as a trained network might give them
    steps = [dict(step, whole="55207") for step in explorer.steps]
    steps[0]["read"] = "55207"
    explorer.steps, explorer.named = steps, "CRNN, no cuts"
    return explorer


@pytest.fixture
def python():
    return state()


@pytest.fixture
def explorer(show, python):
    return show(python.static_html()).locator(".crnn-explorer.touch")


def said(step):
    pieces = f"{step['joined']} connected piece" + "s" * (step["joined"] != 1)
    cuts = f"{len(step['cuts'])} cut" + "s" * (len(step["cuts"]) != 1)
    return f"{pieces}, {cuts}. Cut, then read: {step['read']}. CRNN, no cuts: 55207."


def test_opens_with_the_loosest_line(explorer, python):
    expect(explorer.locator(".status")).to_have_text(f"Spacing 0.30: {said(python.steps[0])}")
    expect(explorer.locator(".reading.cut")).to_contain_text("✓ right")
    expect(explorer.locator(".overlay .number")).to_have_count(python.steps[0]["joined"])


def test_every_stop_shows_what_python_found(explorer, python):
    slider = explorer.get_by_role("slider", name="spacing")
    for n, step in enumerate(python.steps):
        slider.fill(str(len(python.steps) - 1 - n))  # the widest is on the right
        spacing = f"{step['spacing']:.2f}".replace("-", "−")
        expect(explorer.locator(".status")).to_have_text(f"Spacing {spacing}: {said(step)}")
        expect(slider).to_have_attribute("aria-valuetext", spacing)
        expect(explorer.locator(".overlay .number")).to_have_count(step["joined"])
        expect(explorer.locator(".overlay .cutline")).to_have_count(len(step["cuts"]))
        expect(explorer.locator(".pieces text")).to_have_text(list(step["read"]))
        expect(explorer.locator(".profile rect")).to_have_count(step["width"])
    assert python.steps[-1]["joined"] < python.steps[0]["joined"]
    expect(explorer.locator(".reading.cut")).to_contain_text("✗ it says 55207")
    expect(explorer.locator(".reading.whole")).to_contain_text("✓ right")


def test_keys_move_the_digits(explorer):
    slider = explorer.get_by_role("slider", name="spacing")
    slider.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight"):
        slider.press(key)
    expect(explorer.locator(".status")).to_contain_text("Spacing 0.10:")
    slider.press("Home")
    expect(explorer.locator(".status")).to_contain_text("Spacing −0.40:")


def test_pieces_differ_in_colour(explorer, python):
    colours = explorer.locator("canvas.picture").evaluate(
        """(canvas) => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            const dark = new Set();
            for (let i = 0; i < data.length; i += 4) {
                if (Math.min(data[i], data[i + 1], data[i + 2]) < 70) {
                    dark.add([data[i], data[i + 1], data[i + 2]].map((v) => v >> 5).join());
                }
            }
            return dark.size;
        }"""
    )
    assert colours >= python.steps[0]["joined"]


def test_without_a_network_only_the_cut_is_read(show):
    torch.manual_seed(0)
    explorer = TouchExplorer(closer(), SPACINGS, CutReader(DigitNet().eval()))
    page = show(explorer.static_html())
    expect(page.locator(".reading.whole")).to_be_hidden()
    expect(page.locator(".status")).not_to_contain_text("CRNN")


def test_fits_a_narrow_page(explorer):
    page = explorer.page
    page.set_viewport_size({"width": 400, "height": 900})
    assert_fits(page)
    expect(explorer.locator(".captions")).to_be_hidden()


def test_is_accessible(explorer):
    assert_accessible(explorer)
    assert_focus_is_seen(explorer)


# ------------------------------------------------------------------ in JupyterLab

CODE = """
import torch
from dataclasses import replace
from crnn_lib.cutting import CutReader, DigitNet
from crnn_lib import LineStyle, compose_lines, load_glyphs
from crnn_lib.widgets.touch import TouchExplorer
glyphs, spacings = load_glyphs("pen", "test", count=100), (0.3, 0.0, -0.3)
lines = [
    compose_lines(glyphs, 1, replace(LineStyle(), spacing=(s, s)), torch.Generator(), texts=["507"])
    for s in spacings
]
explorer = TouchExplorer(lines, spacings, CutReader(DigitNet().eval()))
"""


@pytest.fixture(scope="module")
def notebook(lab, lab_page):
    return lab.open(lab_page, "touch", CODE, "explorer.step = 2")


@pytest.fixture
def live(notebook):
    root = notebook.page.locator(".jp-OutputArea .crnn-explorer.touch")
    expect(root).to_have_count(1)
    return root


def test_python_sees_what_the_reader_does(notebook, live):
    live.get_by_role("slider", name="spacing").fill("1")
    notebook.wait_for_python(step=1)


def test_the_reader_sees_what_python_does(notebook, live):
    notebook.run(1)
    expect(live.locator(".status")).to_have_text(re.compile("^Spacing −0.30:"))


def test_shortcuts_do_not_touch_the_notebook(notebook, live):
    notebook.assert_shortcuts_stay_away(live)
