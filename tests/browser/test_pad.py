"""The drawing pad in a real browser: as a file without a kernel, and in JupyterLab."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from browser.harness import assert_accessible, assert_fits, assert_focus_is_seen, wait_for
from crnn_lib import Alphabet
from crnn_lib.widgets import DrawingPad, draw
from crnn_lib.widgets.pad_ink import HEIGHT, WIDTH
from crnn_lib.widgets.pad_reading import InkSpan, PadReading

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect

SEVEN = [(100, 70), (185, 66), (130, 230)]
CROSS = [(115, 150), (180, 146)]
ONE = [(250, 110), (285, 66), (283, 230)]
TURNS = [math.radians(12 * i) for i in range(31)]
ZERO = [(395 + 45 * math.sin(a), 148 - 80 * math.cos(a)) for a in TURNS]


def ink(pad):
    return pad.locator(".ink")


def status(pad):
    return pad.locator(".status")


def button(pad, name):
    return pad.get_by_role("button", name=name)


def places(pad, points):
    """Points of the pad on the screen."""
    box = ink(pad).bounding_box()
    zoom = box["width"] / WIDTH
    return [(box["x"] + zoom * x, box["y"] + zoom * y) for x, y in points]


def write(pad, *strokes):
    """As a hand does it, with the mouse."""
    mouse = pad.page.mouse
    ink(pad).scroll_into_view_if_needed()
    for stroke in strokes:
        first, *others = places(pad, stroke)
        mouse.move(*first)
        mouse.down()
        for place in others:
            mouse.move(*place, steps=1 if len(others) > 9 else 8)
        mouse.up()


def seen(pad):
    """Ink on the screen: where each pixel of the canvas is covered, (H, W) in [0, 1]."""
    rows, columns, data = ink(pad).evaluate(
        """(canvas) => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return [height, width, Array.from(data.filter((_, i) => i % 4 === 3)).join(" ")];
        }"""
    )
    return np.array(data.split(), dtype=float).reshape(rows, columns) / 255


def expect_ink(pad, least, most=1.0):
    wait_for(lambda: least <= seen(pad).mean() <= most, f"ink from {least} to {most}", pad.page)


# ------------------------------------------------------------------ without a kernel


@pytest.fixture
def pad(show):
    return show(DrawingPad().static_html()).locator(".crnn-explorer.pad")


def test_says_that_nobody_reads_and_lets_one_write(pad):
    expect(pad.locator(".nobody")).to_contain_text("No Python kernel runs on this page")
    expect(button(pad, "save to my test set")).to_be_disabled()
    expect(button(pad, "read a photo")).to_be_disabled()
    expect(pad.locator(".invitation")).to_be_visible()
    write(pad, SEVEN)
    expect(pad.locator(".invitation")).to_be_hidden()
    expect(status(pad)).to_contain_text("Nobody reads here")
    drawn = [{"points": SEVEN, "width": 14, "erase": False}]
    python = draw(drawn, (HEIGHT, WIDTH))
    page = seen(pad)
    shown = Image.fromarray(page.astype(np.float32)).resize((WIDTH, HEIGHT))
    # the page rounds the corner of the seven a little; Python's stroke is the same otherwise
    assert np.abs(np.asarray(shown) - python).mean() < 0.01
    assert abs(page.mean() - python.mean()) < 0.1 * python.mean()


def test_of_many_classes_those_are_shown_that_are_reached(show):
    alphabet = Alphabet("abcdefghijklmnopqrstuvwxyz ")
    log_probs = np.full((3, alphabet.num_classes), -9.0)
    for frame, character in enumerate("h i"):
        log_probs[frame, alphabet.encode(character)[0]] = -0.05
    spans = tuple(InkSpan(30 * k, 30 * k + 20, -0.05) for k in range(3))
    reading = PadReading("h i", 0.9, spans, log_probs, np.linspace(0, 90, 4))
    made = DrawingPad(lambda image: reading, alphabet=alphabet)
    made.strokes = [{"points": ONE, "width": 14, "erase": False}]
    pad = show(made.static_html()).locator(".crnn-explorer.pad")
    expect(pad.locator(".symbols span")).to_have_text(["-", "h", "i", "␣"])
    expect(pad.locator(".marks b")).to_have_text(["h", "␣", "i"])
    expect(pad).to_contain_text("3 frames, 4 of 28 classes: those that reach 5 %")
    expect(pad.locator(".invitation")).to_contain_text("Write a word here")


def test_undo_and_clear(pad):
    expect(button(pad, "undo")).to_be_disabled()
    write(pad, SEVEN, ONE)
    both = seen(pad).mean()
    button(pad, "undo").click()
    one = seen(pad).mean()
    assert 0 < one < both
    button(pad, "clear").click()
    assert seen(pad).max() == 0
    expect(button(pad, "clear")).to_be_disabled()
    button(pad, "undo").click()  # clearing can be undone, too
    assert seen(pad).mean() == one
    pad.page.keyboard.press("Control+z")
    assert seen(pad).max() == 0
    expect(button(pad, "undo")).to_be_disabled()


def test_eraser_and_width(pad):
    write(pad, [(100, 100), (600, 100)])
    thin = seen(pad).mean()
    pad.get_by_role("radio", name="eraser").check()
    write(pad, [(350, 20), (350, 280)])
    page = seen(pad)
    columns = page.max(0) > 0.5
    middle = len(columns) * 350 // WIDTH
    assert not columns[middle] and columns[middle // 2] and page.mean() < thin
    pad.get_by_role("radio", name="pen").check()
    pad.get_by_role("slider", name="width").fill("24")
    write(pad, [(100, 200), (600, 200)])
    rows = np.flatnonzero(seen(pad)[:, middle] > 0.5)
    assert abs(len(rows) * WIDTH / len(columns) - 24) < 2


def test_writes_with_keys_alone(pad):
    """Cursor, pen, eraser and undo; two arrows at once go diagonally."""
    page = pad.page
    ink(pad).focus()
    for key in [*["ArrowRight"] * 5, "Space", *["ArrowDown"] * 15, "Space"]:
        page.keyboard.press(key)
    rows, columns = np.nonzero(seen(pad) > 0.5)
    unit = seen(pad).shape[1] / WIDTH
    assert 120 <= (rows.max() - rows.min()) / unit <= 140  # 15 steps of 8, and the pen
    assert (columns.max() - columns.min()) / unit < 20
    expect(button(pad, "undo")).to_be_enabled()
    before = seen(pad).mean()
    page.keyboard.press("Space")
    page.keyboard.down("ArrowUp")
    page.keyboard.down("ArrowRight")
    for _ in range(6):
        page.keyboard.down("ArrowRight")  # the key repeats
    page.keyboard.up("ArrowUp")
    page.keyboard.up("ArrowRight")
    page.keyboard.press("Space")
    new_rows, new_columns = np.nonzero(seen(pad) > 0.5)
    assert seen(pad).mean() > before and (new_columns.max() - columns.max()) / unit > 40
    page.keyboard.press("Backspace")
    assert seen(pad).mean() == before
    page.keyboard.press("e")
    expect(pad.get_by_role("radio", name="eraser")).to_be_checked()
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    page.keyboard.press("Escape")


def test_writes_with_a_finger(show):
    page = show(DrawingPad().static_html(), has_touch=True)
    pad = page.locator(".crnn-explorer.pad")
    hand = page.context.new_cdp_session(page)
    (x0, y0), (x1, y1), (x2, y2) = places(pad, [(100, 100), (300, 100), (600, 250)])

    def touch(kind, *points):
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (x0, y0))
    touch("touchMove", ((x0 + x1) / 2, y1))
    touch("touchStart", ((x0 + x1) / 2, y1), (x2, y2))  # the ball of the thumb: leaves no ink
    touch("touchMove", (x1, y1), (x2 - 60, y2))
    touch("touchEnd")
    rows, columns = np.nonzero(seen(pad) > 0.5)
    height, width = seen(pad).shape
    assert rows.max() < height * 120 / HEIGHT
    assert columns.max() > width * 290 / WIDTH
    assert page.evaluate("scrollY") == 0


def test_is_accessible(pad):
    assert_accessible(pad)
    assert_focus_is_seen(pad)


def test_narrow_page_needs_no_scrolling(show):
    page = show(DrawingPad().static_html())
    page.set_viewport_size({"width": 400, "height": 900})
    pad = page.locator(".crnn-explorer.pad")
    assert_fits(page)
    write(pad, ONE)
    expect_ink(pad, 0.01)


# ------------------------------------------------------------------ in JupyterLab


CODE = """
from crnn_lib.widgets import DrawingPad
explorer = DrawingPad(folder="mine")
"""
# Lab may answer explorers beside a running cell, so it is the reader that keeps one waiting.
SLEEPY = """
import time
from pathlib import Path
quick = explorer._read
def read(image):
    while not Path("enough").exists():
        time.sleep(0.05)
    return quick(image)
explorer._read = read
"""


@pytest.fixture(scope="module")
def notebook(lab, lab_page):
    strokes = [{"points": points, "width": 14, "erase": False} for points in (ONE, ZERO)]
    show_strokes = f"explorer.strokes = {strokes!r}"
    return lab.open(lab_page, "pad", CODE, "explorer.clear()", show_strokes, SLEEPY)


@pytest.fixture
def live(notebook):
    root = notebook.page.locator(".jp-OutputArea .crnn-explorer.pad")
    expect(root).to_have_count(1)
    assert notebook.page.locator("[data-explorer]").count() == 0
    expect(root.locator(".nobody")).to_be_hidden()
    notebook.run(1)
    notebook.wait_for_python(strokes=[], photo="")
    expect(root.locator(".read")).to_have_text("–")
    root.get_by_role("radio", name="pen").check()
    yield root


def read(pad):
    return pad.locator(".read")


def test_reads_what_is_written(notebook, live):
    write(live, SEVEN)
    expect(read(live)).to_have_text("7")
    write(live, CROSS, ONE, ZERO)
    expect(read(live)).to_have_text("710")
    expect(status(live)).to_contain_text("Read as 710")
    python = notebook.python
    assert python["answer"]["text"] == "710" and len(python["strokes"]) == 4
    drawn = draw(python["strokes"], (HEIGHT, WIDTH))
    assert (
        np.abs(drawn - draw([_plain(s) for s in (SEVEN, CROSS, ONE, ZERO)], (HEIGHT, WIDTH))).mean()
        < 0.01
    )
    marks = live.locator(".mark")
    expect(marks.locator("b")).to_have_text(["7", "1", "0"])
    for mark, points in zip(marks.all(), (SEVEN, ONE, ZERO), strict=True):
        box, xs = mark.bounding_box(), [x for x, _ in places(live, points)]
        assert abs(box["x"] - min(xs)) < 16 and abs(box["x"] + box["width"] - max(xs)) < 16


def _plain(points):
    return {"points": points, "width": 14, "erase": False}


def test_undo_and_eraser_are_read_too(notebook, live):
    write(live, SEVEN, ONE, ZERO)
    expect(read(live)).to_have_text("710")
    button(live, "undo").click()
    expect(read(live)).to_have_text("71")
    live.get_by_role("radio", name="eraser").check()
    live.get_by_role("slider", name="width").fill("24")
    write(live, [(90, 90), (190, 90), (90, 140), (190, 190), (110, 240), (90, 60), (200, 60)])
    expect(read(live)).to_have_text("1")
    live.get_by_role("slider", name="width").fill("14")
    button(live, "clear").click()
    expect(read(live)).to_have_text("–")
    notebook.wait_for_python(strokes=[])


def test_keys_write_a_one(notebook, live):
    ink(live).focus()
    for key in [*["ArrowRight"] * 10, "Space", *["ArrowDown"] * 20, "Space"]:
        notebook.page.keyboard.press(key)
    expect(read(live)).to_have_text("1")
    frames = live.get_by_role("slider", name="frame of the posteriors")
    frames.press("Home")
    expect(status(live)).to_contain_text("Frame 0 of")
    expect(status(live)).to_contain_text("blank")
    frames.press("End")
    count = notebook.python["answer"]["frames"]
    expect(status(live)).to_contain_text(f"Frame {count - 1} of {count}")


def test_shows_what_python_draws(notebook, live):
    notebook.run(2)
    expect(read(live)).to_have_text("10")
    expect_ink(live, 0.01)


def test_saves_with_a_label(notebook, lab, live):
    expect(button(live, "save to my test set")).to_be_disabled()
    write(live, SEVEN, ONE)
    expect(read(live)).to_have_text("71")
    truth = live.get_by_label("what is written on the pad")
    truth.fill("7x")
    button(live, "save to my test set").click()
    expect(live.locator(".kept")).to_contain_text("“x” is none of them")
    truth.fill("71")
    truth.press("Enter")
    expect(live.locator(".kept")).to_contain_text("1 line in mine.")
    (path,) = (lab.folder / "mine").glob("71-*.png")
    rows = (lab.folder / "mine" / "labels.csv").read_text().splitlines()
    assert rows == ["file,text", f"{path.name},71"]
    expect(truth).to_have_value("")


def test_photo_is_read(notebook, live):
    drawn = draw([_plain(points) for points in (SEVEN, ONE, ZERO)], (HEIGHT, WIDTH))
    paper = Image.fromarray((230 - 180 * drawn).astype(np.uint8)).resize((3000, 1250))
    content = io.BytesIO()
    paper.save(content, "JPEG")
    file = {"name": "phone.jpg", "mimeType": "image/jpeg", "buffer": content.getvalue()}
    live.locator("input[type=file]").set_input_files(file)
    expect(read(live)).to_have_text("710")
    expect(live.locator(".photo")).to_be_visible()
    assert len(notebook.python["photo"]) < 400_000  # it was shrunk before it was sent
    write(live, SEVEN)
    expect(status(live)).to_contain_text("Clear it to write.")
    button(live, "clear").click()
    expect(live.locator(".photo")).to_be_hidden()
    broken = {"name": "x.heic", "mimeType": "image/heic", "buffer": b"nothing of the kind"}
    live.locator("input[type=file]").set_input_files(broken)
    expect(status(live)).to_contain_text("cannot open x.heic")


def test_busy_kernel_is_said_so(notebook, lab, live):
    notebook.run(3)
    write(live, ONE)
    expect(status(live)).to_contain_text("The kernel is busy")
    (lab.folder / "enough").touch()
    expect(read(live)).to_have_text("1")  # and then it answers


def test_shortcuts_do_not_touch_the_notebook(notebook, live):
    notebook.assert_shortcuts_stay_away(live)
