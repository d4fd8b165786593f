"""The network in the page: from a disk, with nothing from elsewhere, it reads as Python does."""

from __future__ import annotations

import os
import re
import sys

import numpy as np
import pytest
from books import book_folder, built_book
from conftest import ROOT

from browser.harness import LIMIT, Watch, assert_fits
from crnn_lib.alphabet import Alphabet
from crnn_lib.widgets import DrawingPad, ReadingMachine, bundle, network_line
from crnn_lib.widgets.pad_reading import PadReader

sys.path.insert(0, str(ROOT / "tests" / "widgets"))
from written_lines import numbers, strokes_of  # noqa: E402

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright")
expect = sync_api.expect

CASES = int(os.environ.get("CRNN_CASES", "0"))
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>pad</title>
<body><script src="{root}/here.js"></script>{body}</body></html>"""
READER = "<script type='module'>{code}\nglobalThis.createReader = createReader;</script>"
READ = """async (all) => {
    globalThis.read ??= await createReader({ root: globalThis.crnnReading });
    const readings = [];
    for (const strokes of all) {
        const { image, features, logProbs, ...rest } = await read(strokes);
        const parts = { image: [...image.values], features: features.values.length };
        readings.push({ ...rest, ...parts, logProbs: [...logProbs] });
    }
    return readings;
}"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    built, book = built_book(book_folder(tmp_path_factory))
    folder = book / "_static" / "reading"
    if not folder.is_dir():
        pytest.skip(f"the book has no runtime: {[n for n in built.notes if 'pad' in n]}")
    return folder


@pytest.fixture
def show(chromium, root, tmp_path):
    """A function that opens a page from the disk, offline."""
    opened = []

    def show(body: str, **options):
        context = chromium.new_context(**options)
        context.set_offline(True)
        page = context.new_page()
        page.set_default_timeout(1000 * LIMIT)
        opened.append((context, Watch(page)))
        file = tmp_path / "page.html"
        file.write_text(PAGE.format(root=root.as_uri(), body=body), encoding="utf-8")
        page.goto(file.as_uri())
        return page

    yield show
    for context, watch in opened:
        context.close()
        watch.assert_clean()


def test_a_written_line_is_read_as_in_python(show):
    page = show(READER.format(code=bundle("reading.js")))
    lines = [*numbers(4, seed=9), ("55207", strokes_of("55207", 3))]
    reader = PadReader()
    readings = page.evaluate(READ, [strokes for _, strokes in lines])
    for (_, strokes), seen in zip(lines, readings, strict=True):
        reading, line = reader.read_drawing(strokes)
        np.testing.assert_allclose(seen["image"], network_line(strokes).image.ravel(), atol=1 / 255)
        assert seen["text"] == reading.text
        assert seen["confidence"] == pytest.approx(reading.confidence, abs=1e-4)
        probs = np.exp(np.reshape(seen["logProbs"], (seen["frames"], -1)))
        np.testing.assert_allclose(probs, reading.log_probs.exp(), rtol=0, atol=1e-4)
        assert [tuple(s["ink"]) for s in seen["spans"]] == [(s.start, s.end) for s in reading.spans]
        np.testing.assert_allclose(seen["edges"], reading.edges)
        assert seen["features"] == seen["frames"] * reader.reader.model.rnn.input_size
    assert readings[-1]["text"] == "55207"


def path_on(page, points, canvas="canvas.ink"):
    """Places on the screen of points in units of the pad."""
    box = page.locator(canvas).bounding_box()
    zoom = box["width"] / 720
    return [(box["x"] + zoom * x, box["y"] + zoom * y) for x, y in points]


def test_the_pad_reads_during_the_stroke(show):
    page = show(DrawingPad().static_html(), viewport={"width": 1000, "height": 900})
    loaded = []
    page.on("request", lambda request: loaded.append(request.url.rpartition("/")[2]))
    pad, read = page.locator(".crnn-explorer.pad"), page.locator(".pad .read")
    expect(pad.locator(".nobody")).to_be_hidden()
    expect(pad.get_by_role("button", name="save to my test set")).to_be_hidden()
    assert loaded == []  # what is not touched costs nothing
    (seven, *_), (one, *_) = strokes_of("7", 4), strokes_of("1", 4)
    places = path_on(page, [[x - seven["points"][0][0] + 120, y] for x, y in seven["points"]])
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
    expect(read).to_have_text("7")  # the button is still down
    files = {name for name in loaded if name.endswith(".js")}  # and the blob that one unpacks
    assert files == {"runtime.js", "crnn-photos.js"}
    page.mouse.up()
    expect(pad.locator(".status")).to_contain_text("Read as 7,")
    places = path_on(page, [[x - one["points"][0][0] + 330, y] for x, y in one["points"]])
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
    page.mouse.up()
    expect(read).to_have_text("71")
    expect(pad.locator(".mark b")).to_have_text(["7", "1"])
    box, marks = page.locator("canvas.ink").bounding_box(), pad.locator(".mark")
    middle = marks.nth(1).bounding_box()
    assert abs(middle["x"] + middle["width"] / 2 - box["x"] - 330 * box["width"] / 720) < 60
    pad.get_by_role("button", name="undo").click()
    expect(read).to_have_text("7")
    pad.get_by_role("button", name="clear").click()
    expect(read).to_have_text("–")


COUNT = """() => {
    const session = ort.InferenceSession.prototype, run = session.run;
    globalThis.runs = 0;
    session.run = async function (...given) {
        const found = await run.apply(this, given);
        globalThis.runs += 1;
        return found;
    };
}"""
FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def test_the_end_of_a_stroke_costs_no_reading_and_a_move_no_layout(show):
    """What was read during the stroke holds after it; only what a reading changes is laid out."""
    page = show(DrawingPad().static_html(), viewport={"width": 1000, "height": 900})
    browser = page.context.new_cdp_session(page)
    browser.send("Performance.enable")

    def layouts():
        metrics = browser.send("Performance.getMetrics")["metrics"]
        return next(m["value"] for m in metrics if m["name"] == "LayoutCount")

    points = strokes_of("7", 4)[0]["points"]
    places = path_on(page, [[x - points[0][0] + 120, y] for x, y in points])
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1])
    expect(page.locator(".pad .took")).to_have_text(re.compile(r"^in \d+ ms$"))
    page.evaluate(COUNT)
    before = layouts()
    for place in places[2:]:
        page.mouse.move(*place)
    expect(page.locator(".pad .read")).to_have_text("7")
    page.mouse.move(places[-1][0], places[-1][1] + 4)
    quiet = -1
    while (runs := page.evaluate("runs")) != quiet:  # the last point is read as well
        quiet = runs
        page.wait_for_timeout(200)
    page.evaluate(FRAMES)
    assert 0 < layouts() - before <= 1.5 * runs + 3
    page.mouse.up()
    expect(page.locator(".pad .status")).to_contain_text("Read as 7,")
    page.evaluate(FRAMES)
    assert page.evaluate("runs") == runs


def test_a_pad_for_many_characters_names_none_before_it_reads(show):
    alphabet = Alphabet("abcdefghijklmnopqrstuvwxyz0123456789")
    page = show(DrawingPad(alphabet=alphabet).static_html(), viewport={"width": 800, "height": 900})
    expect(page.locator(".pad .invitation")).to_contain_text("Write a word here")
    assert page.locator(".pad .symbols span").count() == 0
    assert page.locator(".pad").bounding_box()["height"] < 700


def test_the_pad_reads_what_keys_write(show):
    page = show(DrawingPad().static_html(), viewport={"width": 800, "height": 900})
    ink = page.locator("canvas.ink")
    ink.focus()
    ink.press("Space")
    for _ in range(16):
        ink.press("ArrowDown")
    expect(page.locator(".pad .read")).to_have_text("1")
    ink.press("Space")
    expect(page.locator(".pad .status")).to_contain_text("Read as 1")


def touch(finger, places):
    """One stroke, or one swipe, of a finger: a session of Chromium's protocol."""
    for kind, points in [
        ("touchStart", [places[0]]),
        *(("touchMove", [place]) for place in places[1:]),
        ("touchEnd", []),
    ]:
        touched = [{"x": x, "y": y} for x, y in points]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})


def test_the_pad_reads_what_a_finger_writes(show):
    page = show(DrawingPad().static_html(), viewport={"width": 390, "height": 844}, has_touch=True)
    finger = page.context.new_cdp_session(page)
    for stroke in strokes_of("207", 6):
        touch(finger, path_on(page, stroke["points"]))
    expect(page.locator(".pad .read")).to_have_text("207")
    assert_fits(page)


def test_a_book_without_its_networks_says_so(chromium, tmp_path):
    """The page names a folder that has lost its files."""
    here = f"<script>globalThis.crnnReading = {tmp_path.as_uri() + '/'!r};</script>"
    (tmp_path / "page.html").write_text(here + DrawingPad().static_html())
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(1000 * LIMIT)
    page.goto((tmp_path / "page.html").as_uri())
    page.locator("canvas.ink").click()
    expect(page.locator(".pad .status")).to_contain_text("could not be loaded; nobody reads here")
    expect(page.locator(".pad .nobody")).to_be_visible()
    context.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_written_lines_have_the_text_that_python_reads(show):
    """100 lines of 500, which make test-slow reads: of those one may differ, here none."""
    page = show(READER.format(code=bundle("reading.js")))
    lines, reader = numbers(500, seed=100)[: None if CASES >= 1000 else 100], PadReader()
    same = 0
    for start in range(0, len(lines), 50):
        part = [strokes for _, strokes in lines[start : start + 50]]
        texts = [seen["text"] for seen in page.evaluate(READ, part)]
        same += sum(
            text == reader.read_drawing(strokes)[0].text
            for text, strokes in zip(texts, part, strict=True)
        )
    assert same >= 0.998 * len(lines)


def test_the_machine_shows_what_one_writes(show):
    """55207 at first, loaded with the page; then one's own, read by the network in every stage."""
    machine = ReadingMachine()
    page = show(machine.static_html(), viewport={"width": 900, "height": 900})
    loaded = []
    page.on("request", lambda request: loaded.append(request.url))
    said, stages = page.locator(".machine .said"), page.locator(".machine .stage")
    expect(said).to_have_text("55207")
    expect(stages.locator("h3")).to_have_text(
        ["Ink", "Windows", "Features", "Posteriors", "Best path", "Collapse", "Text"]
    )
    assert loaded == []
    page.get_by_role("button", name="Write your own").click()
    strokes = strokes_of("318", 5)
    for stroke in strokes:
        box = page.locator("canvas.sheet-ink").bounding_box()
        zoom = box["width"] / 720
        places = [(box["x"] + zoom * x, box["y"] + zoom * y) for x, y in stroke["points"]]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()
    expect(said).to_have_text("318")
    expect(stages.nth(6).locator("p")).to_contain_text("It reads 318")
    posteriors = page.locator("canvas.of-posteriors")
    last = int(posteriors.get_attribute("aria-valuemax"))
    for key, frame in (("Home", 0), ("ArrowRight", 1), ("End", last)):
        posteriors.press(key)
        for stage in page.locator(".machine .stage canvas").all():  # one frame in all of them
            assert stage.get_attribute("aria-valuenow") == str(frame)
            assert stage.get_attribute("aria-valuetext").startswith(f"Frame {frame}: ")
    page.get_by_role("button", name="undo").click()
    expect(said).not_to_have_text("318")


def test_the_machine_reads_what_a_finger_writes(show):
    """At a phone's width: the first stroke takes the example's place, and the page stays."""
    machine = ReadingMachine()
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = show(machine.static_html(), **phone)
    finger, said = page.context.new_cdp_session(page), page.locator(".machine .said")
    expect(said).to_have_text("55207")
    written = [[[x, y + 12] for x, y in stroke["points"]] for stroke in machine.strokes[3:]]
    for k, points in enumerate(written):
        touch(finger, path_on(page, points, "canvas.sheet-ink"))
        expect(said).to_have_text(re.compile("^[^5]"))  # of the example nothing is left
        if k == 0:
            expect(said).to_have_text("2")
    expect(said).to_have_text("207")
    assert page.evaluate("scrollY") == 0
    posteriors = page.locator("canvas.of-posteriors")
    posteriors.scroll_into_view_if_needed()
    box = posteriors.bounding_box()
    touch(finger, [(box["x"] + box["width"] - 3, box["y"] + 20)])  # a stage can be touched, too
    last = posteriors.get_attribute("aria-valuemax")
    for stage in page.locator(".machine .stage canvas").all():
        expect(stage).to_have_attribute("aria-valuenow", last)
    expect(page.locator(".machine .status")).to_contain_text(f"Frame {last} of {int(last) + 1}: ")
    assert_fits(page)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_machine_moves_by_itself_only_where_it_may(show, motion):
    page = show(
        ReadingMachine().static_html(),
        viewport={"width": 390, "height": 844},
        reduced_motion=motion,
    )
    posteriors = page.locator("canvas.of-posteriors")
    expect(posteriors).to_have_attribute("aria-valuemax", "23")
    if motion == "reduce":
        # some steps' time, were it to move
        page.evaluate("() => new Promise((done) => setTimeout(done, 400))")
        assert posteriors.get_attribute("aria-valuetext").startswith("Posteriors. ")
    else:
        expect(posteriors).to_have_attribute("aria-valuetext", re.compile("^Frame "))
        expect(posteriors).to_have_attribute("aria-valuetext", re.compile("^Posteriors"))  # once
    assert_fits(page)


def test_the_front_page_shows_every_stage_and_reads(chromium, root):
    """In the book's own style, which must hide none of them."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_offline(True)
    page = context.new_page()
    page.set_default_timeout(1000 * LIMIT)
    watch = Watch(page)
    page.goto((root.parents[1] / "index.html").as_uri())
    canvases = page.locator(".machine .stage canvas")
    expect(canvases).to_have_count(7)
    for canvas in canvases.all():
        expect(canvas).to_be_visible()
    page.get_by_role("button", name="Write your own").click()
    places = [(0.5, 0.2 + 0.05 * k) for k in range(12)]
    box = page.locator("canvas.sheet-ink").bounding_box()
    for k, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if k == 0:
            page.mouse.down()
    expect(page.locator(".machine .said")).to_have_text("1")
    page.mouse.up()
    context.close()
    watch.assert_clean()
