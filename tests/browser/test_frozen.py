"""The frozen reader in a real browser, as a file."""

from __future__ import annotations

import pytest

from browser.harness import assert_accessible, assert_fits, assert_focus_is_seen
from crnn_lib.ctc import collapse
from crnn_lib.models import load_model
from crnn_lib.widgets import StripMaker

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect


@pytest.fixture(scope="module")
def python():
    return StripMaker("55207", model=load_model("crnn-digits")).frozen()


@pytest.fixture
def explorer(show, python):
    return show(python.static_html()).locator(".crnn-explorer.frozen")


def test_every_stop_shows_what_was_read(explorer, python):
    slider = explorer.get_by_role("slider", name="spacing")
    expect(slider).to_have_value(str(python.step))
    stops = [step["stop"] for step in python.steps]
    assert stops == sorted(stops), "to the right it is wider"
    texts = set()
    for n, step in enumerate(python.steps):
        slider.fill(str(n))
        text = "".join(collapse(step["path"], blank="-"))
        texts.add(text)
        spacing = f"{step['stop']:.2f}".replace("-", "−")
        expect(explorer.locator(".status")).to_contain_text(f"Spacing {spacing}: read as {text},")
        expect(explorer.locator(".answer b")).to_have_text(text)
        expect(explorer.locator(".answer")).to_contain_text("✓" if text == "55207" else "✗")
        expect(explorer.locator(".path span")).to_have_count(step["frames"])
        expect(explorer.locator(".marks b")).to_have_text(list(text))
    assert "55207" in texts and len(texts) > 1, "in the end it errs"


def test_a_frame_is_looked_at_with_mouse_and_keys(explorer, python):
    lattice = explorer.get_by_role("slider", name="frame of the lattice")
    path = python.steps[python.step]["path"]
    said = [next(i for i, symbol in enumerate(path) if symbol != "-"), 0]
    lattice.focus()
    for _ in range(said[0] + 1):
        lattice.press("ArrowRight")
    expect(explorer.locator(".status")).to_contain_text(f"Frame {said[0]}: 5 ")
    expect(explorer.locator(".path .now")).to_have_text("5")
    lattice.press("Home")
    expect(explorer.locator(".status")).to_contain_text("Frame 0: blank")
    box = lattice.bounding_box()
    explorer.page.mouse.click(box["x"] + box["width"] - 2, box["y"] + 20)
    expect(explorer.locator(".status")).to_contain_text(f"Frame {len(path) - 1}: blank")
    explorer.get_by_role("slider", name="spacing").press("Home")  # fewer frames: the last of them
    frames = python.steps[0]["frames"]
    expect(explorer.locator(".status")).to_contain_text(f"Frame {frames - 1}: ")


@pytest.mark.parametrize("width", [960, 380])
def test_ink_lattice_path_and_text_have_one_axis(explorer, python, width):
    explorer.page.set_viewport_size({"width": width, "height": 900})
    assert_fits(explorer.page)
    heat, step = explorer.locator(".heat").bounding_box(), python.steps[python.step]
    column = heat["width"] / step["frames"]
    tops = set()
    for t, symbol in enumerate(explorer.locator(".path span").all()):
        box = symbol.bounding_box()
        tops.add(box["y"])
        middle = box["x"] + box["width"] / 2 - heat["x"]
        assert middle / column == pytest.approx(t + 0.5, abs=0.1), "under its frame"
    assert len(tops) == 1, "one row, on a phone as well"
    ink = explorer.locator(".picture").bounding_box()
    left = (heat["x"] - ink["x"]) / ink["width"] * step["width"]
    assert left == pytest.approx(step["left"], abs=1)


def test_is_accessible(explorer):
    assert_accessible(explorer)
    assert_focus_is_seen(explorer)
