"""The window explorer in a real browser: as a file, and in JupyterLab."""

from __future__ import annotations

import re

import pytest
import torch

from browser.harness import assert_accessible, assert_fits, assert_focus_is_seen
from crnn_lib.ctc import collapse
from crnn_lib.models import SlidingWindowRNN, SlidingWindowRNNConfig
from crnn_lib.widgets import WindowExplorer

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect
LINE = (torch.rand(1, 32, 128, generator=torch.Generator().manual_seed(0)) > 0.9).float()


def networks():
    """Untrained, so that classes change from frame to frame and from one to the other."""
    torch.manual_seed(0)
    shapes = [(8, 4), (16, 8)]
    models = [SlidingWindowRNN(SlidingWindowRNNConfig(window=w, stride=s)) for w, s in shapes]
    for model in models:
        for weight in (
            model.rnn.weight_ih_l0,
            model.rnn.weight_ih_l0_reverse,
            model.classify.weight,
        ):
            weight.data *= 8
    return models


@pytest.fixture
def explorer(show):
    explorer = WindowExplorer(LINE, "55207", networks())
    explorer.frame = 0
    page = show(explorer.static_html())
    return page.locator(".crnn-explorer.window")


def slide(explorer, name, value):
    explorer.get_by_role("slider", name=name, exact=True).fill(str(value))


def status(explorer):
    return explorer.locator(".status")


def test_opens_with_the_first_network(explorer):
    expect(status(explorer)).to_contain_text("Frame 0 of 31 sees columns [0, 8).")
    expect(explorer).to_have_class(re.compile("answers"))
    expect(explorer.locator(".sum")).to_contain_text("T = ⌈(128 − 8) / 4⌉ + 1 = 31 frames")
    expect(explorer.locator(".verdict")).to_contain_text("✓ 55207 fits: it needs 6 frames")


def test_curves_of_units_use_their_height(explorer):
    """A unit whose values differ little draws no flat line."""
    for name in ("counts", "remembers"):
        points = explorer.locator(f".curves .{name}").get_attribute("points").split()
        heights = [float(point.split(",")[1]) for point in points]
        assert max(heights) - min(heights) == pytest.approx(1.7, abs=0.01)


def test_drag_moves_the_window(explorer):
    box, mouse = explorer.locator(".paper").bounding_box(), explorer.page.mouse
    mouse.move(box["x"] + 20, box["y"] + 20)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 2, box["y"] + 40, steps=6)
    mouse.up()
    expect(status(explorer)).to_contain_text("Frame 15 of 31 sees columns [60, 68).")
    # below the line, over the classes, it is the same
    heat = explorer.locator(".posteriors")
    heat.click(position={"x": heat.bounding_box()["width"] - 3, "y": 9})
    expect(status(explorer)).to_contain_text("Frame 30 of 31")


def test_keys_do_what_the_mouse_does(explorer):
    line = explorer.get_by_role("slider", name="frame")
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        line.press(key)
    expect(status(explorer)).to_contain_text("Frame 2 of 31 sees columns [8, 16).")
    line.press("End")
    expect(line).to_have_attribute("aria-valuenow", "30")
    line.press("ArrowRight")
    expect(line).to_have_attribute("aria-valuenow", "30")
    line.press("Home")
    expect(line).to_have_attribute("aria-valuenow", "0")


def test_says_what_the_network_says(explorer):
    """Most likely class, frame by frame: those of the model in Python."""
    model = networks()[0]
    with torch.no_grad():
        log_probs = model(LINE[None])[0][0]  # (T, C)
    line = explorer.get_by_role("slider", name="frame")
    best = log_probs.argmax(-1).tolist()
    assert len(collapse(best)) > 3, "the networks of this test are too sure of one class"
    for t, frame in enumerate(log_probs.exp()):
        symbol = "blank" if best[t] == 0 else model.alphabet.symbols[best[t]]
        # ties in rounding aside, the percentage is Python's
        percent = float(100 * frame.max())
        said = status(explorer).inner_text()
        assert f"Frame {t} of 31" in said and f"Most likely: {symbol} (" in said
        shown = re.search(r"\((?:> )?(\d+)\s%\)", said).group(1)
        assert abs(float(shown) - percent) < 1
        line.press("ArrowRight")
    marks = explorer.locator(".marks > *")
    drawn = [mark.text_content() for mark in marks.all()]
    assert drawn == ["" if c == 0 else model.alphabet.symbols[c] for c in best]


def test_widening_the_stride_until_the_text_no_longer_fits(explorer):
    verdict = explorer.locator(".verdict")
    slide(explorer, "stride", 24)
    expect(verdict).to_contain_text("✓ 55207 fits: it needs 6 frames")
    expect(verdict).to_contain_text("T is 6. Between the windows, 80 columns of 128 are never seen")
    slide(explorer, "stride", 25)
    expect(verdict).to_contain_text("T is 6.")
    slide(explorer, "stride", 30)
    expect(verdict).to_contain_text("✗ 55207 does not fit: it needs 6 frames")
    expect(explorer.locator(".room .missing")).to_have_text(["7"])
    expect(explorer.locator(".overlay .gap")).to_have_count(4)


def test_states_are_shown_only_where_there_is_a_network(explorer):
    slide(explorer, "window", 9)
    expect(explorer).not_to_have_class(re.compile("answers"))
    expect(explorer.locator(".posteriors")).to_be_hidden()
    explorer.get_by_role("button", name="window 16, stride 8").click()
    expect(explorer.locator(".posteriors")).to_be_visible()
    expect(explorer.locator(".marks > *")).to_have_count(15)


def test_the_window_stays_where_it_is(explorer):
    line = explorer.get_by_role("slider", name="frame")
    for _ in range(3):
        line.press("PageUp")
    expect(status(explorer)).to_contain_text("sees columns [60, 68)")
    slide(explorer, "stride", 2)
    expect(status(explorer)).to_contain_text("sees columns [60, 68)")


def test_works_without_networks(show):
    page = show(WindowExplorer(LINE, "507").static_html())
    expect(page.locator(".status")).to_have_text("Frame 15 of 31 sees columns [60, 68).")
    expect(page.locator(".verdict")).to_contain_text("it needs 3 frames (one per character)")
    expect(page.locator(".posteriors")).to_be_hidden()


def test_classes_stay_readable_on_a_narrow_page(explorer):
    page = explorer.page
    page.set_viewport_size({"width": 400, "height": 900})
    marks = explorer.locator(".marks")
    expect(marks).to_have_attribute("viewBox", f"0 0 {marks.evaluate('m => m.clientWidth')} 22")
    assert_fits(page)
    assert marks.locator("text").first.bounding_box()["height"] > 12


def test_is_accessible(explorer):
    assert_accessible(explorer)
    assert_focus_is_seen(explorer)


# ------------------------------------------------------------------ in JupyterLab

CODE = """
import torch
from crnn_lib.widgets import WindowExplorer
from crnn_lib.models import SlidingWindowRNN
explorer = WindowExplorer(torch.rand(1, 32, 128), "55207", [SlidingWindowRNN()])
"""


@pytest.fixture(scope="module")
def notebook(lab, lab_page):
    return lab.open(lab_page, "window", CODE, "explorer.window, explorer.stride = 16, 8")


@pytest.fixture
def live(notebook):
    root = notebook.page.locator(".jp-OutputArea .crnn-explorer.window")
    expect(root).to_have_count(1)
    assert notebook.page.locator("[data-explorer]").count() == 0
    return root


def test_python_sees_what_the_reader_does(notebook, live):
    line = live.get_by_role("slider", name="frame")
    box = line.bounding_box()
    notebook.page.mouse.click(box["x"] + box["width"] / 4, box["y"] + 60)
    notebook.wait_for_python(frame=7)
    line.press("ArrowRight")
    notebook.wait_for_python(frame=8)
    slide(live, "stride", 30)
    notebook.wait_for_python(stride=30, window=8, frame=1)


def test_the_reader_sees_what_python_does(notebook, live):
    notebook.run(1)
    expect(live.locator(".sum")).to_contain_text("T = ⌈(128 − 16) / 8⌉ + 1 = 15 frames")


def test_shortcuts_do_not_touch_the_notebook(notebook, live):
    notebook.assert_shortcuts_stay_away(live)
