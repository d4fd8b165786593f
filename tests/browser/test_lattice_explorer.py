"""The lattice explorer in a real browser: as a file, and in JupyterLab."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from browser.harness import assert_accessible, assert_fits, assert_focus_is_seen, wait_for
from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import forward_backward
from crnn_lib.widgets import LatticeExplorer

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect


@pytest.fixture
def real(show):
    return open_page(show, LatticeExplorer.trained())


@pytest.fixture
def by_hand(show):
    return open_page(show, LatticeExplorer.example())


def open_page(show, explorer, **options):
    root = show(explorer.static_html(), **options).locator(".crnn-explorer.lattice")
    expect(verdict(root)).not_to_have_text("")
    return root


def verdict(root):
    return root.locator(".verdict")


def test_the_list_of_a_small_lattice_stands_beside_it(by_hand):
    expect(by_hand).to_have_class(re.compile("beside"))
    pictures, listed = (by_hand.locator(part).bounding_box() for part in (".pictures", ".list"))
    assert listed["x"] >= pictures["x"] + pictures["width"]
    assert abs(listed["y"] - pictures["y"]) < 8


def loss(root):
    return root.locator(".loss")


def status(root):
    return root.locator("[role=status]")


def posteriors(root):
    return root.get_by_role("application", name="Posteriors")


def trellis(root):
    return root.get_by_role("application", name="Trellis")


def place(canvas, frame, row, frames, rows, above):
    """The middle of a cell. Names stand on the left (40 px), frame numbers below (20 or 18 px)."""
    box = canvas.bounding_box()
    column = (box["width"] - 42) / frames
    top, bottom = above
    height = (box["height"] - top - bottom) / rows
    return box["x"] + 40 + column * (frame + 0.5), box["y"] + top + height * (row + 0.5)


def disc(root, frame, state, frames, states):
    """A cell of the trellis."""
    return place(trellis(root), frame, state, frames, states, (4, 22))


def ink_of(canvas):
    """Share of a canvas that is not empty, and how many colours it has."""
    return canvas.evaluate(
        """(canvas) => {
            const { data } = canvas.getContext("2d")
                .getImageData(0, 0, canvas.width, canvas.height);
            const colours = new Set();
            let full = 0;
            for (let i = 0; i < data.length; i += 4) {
                if (data[i + 3] > 0) full++;
                colours.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
            }
            return [4 * full / data.length, colours.size];
        }"""
    )


def test_opens_on_a_real_line(real):
    explorer = LatticeExplorer.trained()
    expect(real.get_by_role("radio", name="trained")).to_be_checked()
    assert float(verdict(real).inner_text()) == pytest.approx(explorer.probability, rel=0.01)
    expect(loss(real)).to_have_text(f"loss {explorer.loss:.3g}")
    for canvas in (posteriors(real), trellis(real)):
        full, colours = ink_of(canvas)
        assert full > 0.6 and colours > 30
    expect(real.locator(".list")).to_be_hidden()


def test_classes_that_the_label_does_not_have_share_a_row(real):
    folded = posteriors(real).bounding_box()["height"]
    rest = place(posteriors(real), 3, 5, 27, 6, (58, 20))  # after the blank and 0, 2, 5, 7
    real.page.mouse.click(*rest)  # to change one of them, one has to see it
    expect(real.get_by_label("all classes")).to_be_checked()
    assert posteriors(real).bounding_box()["height"] > folded + 10
    real.get_by_label("all classes").uncheck()
    assert posteriors(real).bounding_box()["height"] == folded
    real.get_by_label("label whose probability").fill("12345")
    assert (
        posteriors(real).bounding_box()["height"] >= folded
    )  # the blank, five of them, and the rest
    posteriors(real).focus()
    for key in ("Home", "ArrowUp", "ArrowDown"):
        real.page.keyboard.press(key)
    expect(status(real)).to_contain_text("Frame 0: “1” has p = ")


@pytest.mark.parametrize("line", ["early", "confused", "trained"])
def test_what_one_nudges_by_is_in_view_with_what_it_does(real, line):
    page = real.page
    page.set_viewport_size({"width": 1280, "height": 720})
    real.get_by_role("radio", name=line).check()
    fits = "explorer and controls on one screen"
    wait_for(lambda: real.bounding_box()["height"] <= 720, fits, page)
    page.set_viewport_size({"width": 390, "height": 700})
    real.get_by_label("all classes").check()
    trellis(real).scroll_into_view_if_needed()
    page.mouse.wheel(0, 200)
    nudge, watch = (
        real.get_by_role("button", name=name) for name in ("one step down", "watch the")
    )
    for part in (verdict(real), loss(real), nudge, watch):
        expect(part).to_be_in_viewport(ratio=1)
    rate = real.get_by_role("slider", name="rate").bounding_box()
    assert abs(rate["y"] - nudge.bounding_box()["y"]) < 30, "one row, never two"


def test_words_begin_with_a_capital_and_a_percentage_stays_whole(real):
    trellis_of = LatticeExplorer.trained().trellis
    share = (trellis_of.alpha + trellis_of.beta - trellis_of.log_prob).exp()  # (T, S)
    t, s = ((share > 0.9996) & (share < 1 - 1e-7)).nonzero()[0].tolist()
    real.page.mouse.click(*disc(real, t, s, 27, 11))
    said = status(real).text_content()
    assert "more than 99.9\u00a0% of the probability passes here. α" in said
    real.get_by_role("radio", name="posterior").check()
    said = status(real).text_content()
    assert "gives it 0.99" in said and ". More than 99.9\u00a0% of the probability" in said


def test_a_link_lights_a_part_of_the_recursion(show):
    words = "<a href='#lattice?light=skip'>the skip</a>"
    page = show(words, LatticeExplorer.trained().static_html())
    root = page.locator(".crnn-explorer.lattice")
    expect(verdict(root)).not_to_have_text("")
    before = trellis(root).evaluate("(c) => c.toDataURL()")
    page.get_by_role("link", name="the skip").hover()
    wait_for(lambda: trellis(root).evaluate("(c) => c.toDataURL()") != before, "a light", page)
    page.mouse.move(5, 700)
    wait_for(lambda: trellis(root).evaluate("(c) => c.toDataURL()") == before, "none", page)
    page.get_by_role("link", name="the skip").focus()
    wait_for(lambda: trellis(root).evaluate("(c) => c.toDataURL()") != before, "by keys", page)


def test_the_trellis_is_saved_as_a_picture_that_stands_alone(real, tmp_path):
    with real.page.expect_download() as saved:
        real.get_by_role("button", name="Save as SVG").click()
    assert saved.value.suggested_filename == "trellis-55207.svg"
    saved.value.save_as(tmp_path / "trellis.svg")
    picture = ElementTree.parse(tmp_path / "trellis.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert [n.get("href")[:15] for n in picture.iter(f"{space}image")] == ["data:image/png;"]
    names = [n.text for n in picture.iter(f"{space}text")]
    assert names.count("5") >= 3 and "26" in names  # a class, two states; the last frame
    assert len(list(picture.iter(f"{space}path"))) > 100


def test_every_line_can_be_chosen(real):
    for name in ("early", "confused", "trained", "by hand"):
        real.get_by_role("radio", name=name).check()
        explorer = LatticeExplorer.trained()
        explorer.choose(name)
        expect(loss(real)).to_have_text(f"loss {explorer.loss:.3g}")
    expect(real.get_by_label("label whose probability")).to_have_value("a")
    expect(real.locator(".list li")).to_have_count(6)


def test_sum_and_recursion_agree_before_ones_eyes(by_hand):
    expect(verdict(by_hand)).to_have_text("0.72")
    expect(by_hand.locator(".list li .product")).to_have_text(
        ["0.24", "0.16", "0.16", "0.06", "0.06", "0.04"]
    )
    expect(by_hand.locator(".sum")).to_contain_text("sum 0.72")
    expect(by_hand.locator(".sum")).to_contain_text("0.36 + 0.36 = 0.72 ✓ the same")


def test_click_shows_the_paths_through_a_cell(by_hand):
    mouse = by_hand.page.mouse
    mouse.click(*disc(by_hand, 1, 1, 3, 3))
    expect(status(by_hand)).to_have_text(
        "Frame 1, “a”: 69.4 % of the probability passes here. α × β = 0.5 × 1 = 0.5, of 0.72."
    )
    expect(by_hand.locator(".list li.here")).to_have_count(4)
    expect(by_hand.get_by_text("4 of 6 through the ringed disc: 0.5 of 0.72")).to_be_visible()
    mouse.move(*disc(by_hand, 0, 0, 3, 3))  # pointing at another tells of it, and changes nothing
    expect(status(by_hand)).to_contain_text("Frame 0, blank: 77.8 %")
    expect(by_hand.locator(".list li.here")).to_have_count(4)
    mouse.click(*disc(by_hand, 1, 1, 3, 3))
    expect(by_hand.locator(".list li.here")).to_have_count(0)


def test_drag_changes_a_probability_and_all_that_follows(by_hand):
    mouse = by_hand.page.mouse
    x, y = place(posteriors(by_hand), 0, 1, 3, 2, (0, 20))  # "a" in frame 0
    mouse.move(x, y)
    mouse.down()
    mouse.move(x, y - 24, steps=4)  # 120 pixels are a probability of 1
    mouse.up()
    expect(verdict(by_hand)).to_have_text("0.74")  # 1 - .6 * .5 * .6 - .4 * .5 * .4
    expect(by_hand.locator(".sum")).to_contain_text("✓ the same")
    expect(status(by_hand)).to_contain_text("Frame 0: “a” has p = 0.4;")
    by_hand.get_by_role("button", name="undo all changes").click()
    expect(verdict(by_hand)).to_have_text("0.72")


def test_keys_do_what_the_mouse_does(by_hand):
    keyboard = by_hand.page.keyboard
    posteriors(by_hand).focus()
    keyboard.press("ArrowDown")
    for _ in range(4):
        keyboard.press("+")
    expect(verdict(by_hand)).to_have_text("0.74")
    expect(status(by_hand)).to_contain_text("Frame 0: “a” has p = 0.4;")
    for _ in range(4):
        keyboard.press("-")
    expect(verdict(by_hand)).to_have_text("0.72")
    trellis(by_hand).focus()
    for key in ("Home", "ArrowUp", "ArrowUp", "ArrowRight", "ArrowDown"):
        keyboard.press(key)
    expect(status(by_hand)).to_contain_text("Frame 1, “a”: 69.4 %")
    keyboard.press("End")
    expect(status(by_hand)).to_contain_text("Frame 2, “a”: 50 %")
    keyboard.press("Escape")
    expect(status(by_hand)).to_contain_text("Click a disc")


def test_label_is_edited_or_refused_with_a_reason(by_hand):
    field, fault = by_hand.get_by_label("label whose probability"), by_hand.get_by_role("alert")
    field.fill("aa")
    expect(verdict(by_hand)).to_have_text("0.04")
    expect(by_hand.locator(".list li b")).to_have_text(["a-a"])
    field.fill("aaa")
    expect(fault).to_contain_text("“aaa” does not fit: it needs 5 frames")
    expect(fault).to_contain_text("This line has 3.")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(verdict(by_hand)).to_have_text("0.04")
    field.fill("ab")
    expect(fault).to_have_text("There is no class for “b”. This line knows a.")
    field.fill("")
    expect(fault).to_be_hidden()
    expect(verdict(by_hand)).to_have_text("0.24")


def test_step_walks_the_recursion_in_words(by_hand):
    step = by_hand.get_by_role("button", name="compute one more frame")
    step.click()
    expect(by_hand.get_by_role("radio", name="alpha, from")).to_be_checked()
    expect(status(by_hand)).to_contain_text("Frame 0, blank: α = p = 0.8.")
    step.click()
    expect(status(by_hand)).to_contain_text(
        "Frame 1, “a”: α = p × (0.2 stay + 0.8 next) = 0.5 × 1 = 0.5."
    )
    step.click()
    expect(status(by_hand)).to_contain_text("At the end, the last α add up to P: 0.36 + 0.36 = 0.7")
    frames = by_hand.get_by_role("slider", name="frames computed")
    frames.press("ArrowLeft")
    expect(frames).to_have_attribute("aria-valuetext", "2 of 3")
    by_hand.get_by_role("radio", name="beta, from").check()
    expect(frames).to_have_attribute("aria-valuetext", "3 of 3")
    step.click()
    expect(status(by_hand)).to_contain_text("Frame 2, “a”: β = 1. A way may end here.")
    step.click()
    expect(status(by_hand)).to_contain_text("p × β of each state that may follow")


def test_forbidden_skip_is_explained(by_hand):
    by_hand.get_by_label("label whose probability").fill("aa")
    by_hand.get_by_role("radio", name="alpha, from").check()
    by_hand.page.mouse.click(*disc(by_hand, 2, 3, 3, 5))
    expect(status(by_hand)).to_contain_text("No skip: “a” follows “a”")


def test_watch_plays_to_the_end(by_hand):
    by_hand.page.clock.install()  # nobody waits for the animation
    by_hand.get_by_role("button", name="watch the recursion").click()
    expect(by_hand.get_by_role("button", name="watch the recursion")).to_have_text("❚❚ Pause")
    by_hand.page.clock.run_for(10_000)
    frames = by_hand.get_by_role("slider", name="frames computed")
    expect(frames).to_have_attribute("aria-valuetext", "3 of 3")
    expect(by_hand.get_by_role("button", name="watch the recursion")).to_have_text("▶ Watch")


def test_nudges_lower_the_loss_as_pythons_gradient_does(show):
    explorer = LatticeExplorer.early()
    root = open_page(show, explorer)
    nudge = root.get_by_role("button", name="one step down")
    losses = [explorer.loss]
    for k in range(3):
        nudge.click()
        expect(status(root)).to_contain_text(f"Nudge {k + 1}: the loss goes from")
        explorer.log_probs = (explorer.log_probs - explorer.gradient).log_softmax(1)
        losses.append(explorer.loss)
        expect(loss(root)).to_have_text(f"loss {losses[-1]:.3g}")
    assert losses == sorted(losses, reverse=True)
    expect(root.locator(".chart polyline")).to_have_count(1)
    root.get_by_role("slider", name="rate").press("End")
    for _ in range(25):
        nudge.click()
    wait_for(lambda: float(verdict(root).inner_text()) > 0.5, "a learned label", root.page)


def test_probability_zero_is_said(show):
    never = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).log()
    root = open_page(show, LatticeExplorer(never, "a", alphabet=Alphabet("a")))
    expect(loss(root)).to_have_text("loss ∞")
    expect(status(root)).to_contain_text("probability 0")
    posteriors(root).focus()
    root.page.keyboard.press("ArrowDown")
    root.page.keyboard.press("+")
    expect(verdict(root)).to_have_text("0.05")


@pytest.mark.parametrize("width", [420, 960])
def test_long_lines_and_narrow_pages_stay_inside(show, width):
    generator = torch.Generator().manual_seed(0)
    log_probs = torch.randn(120, 11, generator=generator).log_softmax(1)
    html = LatticeExplorer(log_probs, "5520755207").static_html()
    page = show(html)
    page.set_viewport_size({"width": width, "height": 900})
    expect(page.locator(".crnn-explorer.lattice .verdict")).to_contain_text("10⁻")
    assert_fits(page)


def test_is_accessible(real):
    assert_accessible(real)
    assert_focus_is_seen(real)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_draws_in_the_pages_colours(show, scheme):
    root = open_page(show, LatticeExplorer.confused(), color_scheme=scheme)
    expect(root).to_have_attribute("data-theme", scheme)
    names = trellis(root).evaluate(  # the strip on the left holds the names alone
        """(canvas) => {
            const scale = canvas.width / canvas.clientWidth;
            const { data } = canvas.getContext("2d")
                .getImageData(0, 0, Math.floor(36 * scale), canvas.height);
            let sum = 0, n = 0;
            for (let i = 0; i < data.length; i += 4) {
                if (data[i + 3] > 250) { sum += data[i]; n++; }
            }
            return sum / n;
        }"""
    )
    assert (names > 128) == (scheme == "dark")


def test_two_on_a_page_live_side_by_side(show):
    html = LatticeExplorer.example().static_html()
    roots = show(html, html).locator(".crnn-explorer.lattice")
    expect(roots).to_have_count(2)
    roots.nth(1).get_by_label("label whose probability").fill("aa")
    expect(verdict(roots.nth(1))).to_have_text("0.04")
    expect(verdict(roots.nth(0))).to_have_text("0.72")


# ------------------------------------------------------------------ in JupyterLab


@pytest.fixture(scope="module")
def notebook(lab, lab_page):
    code = "from crnn_lib.widgets import LatticeExplorer\nexplorer = LatticeExplorer.trained()"
    return lab.open(lab_page, "lattice", code, 'explorer.text = "5520"', "explorer.reset()")


@pytest.fixture
def live(notebook):
    """The explorer in JupyterLab: the widget, not the static page."""
    root = notebook.page.locator(".jp-OutputArea .crnn-explorer.lattice")
    expect(root).to_have_count(1)
    assert notebook.page.locator("[data-explorer]").count() == 0
    return root


def loss_in_python(state: dict) -> float:
    """From the traits as the kernel has them."""
    flat = np.frombuffer(base64.b64decode(state["encoded"]), "<f4").astype(np.float64)
    log_probs = torch.from_numpy(flat.reshape(-1, 11))
    return -forward_backward(log_probs, Alphabet().encode(state["text"])).log_prob


def shown_loss(root) -> float:
    return float(re.fullmatch(r"loss ([\d.]+)", loss(root).inner_text()).group(1))


def test_python_sees_what_the_reader_does(notebook, live):
    before = notebook.python
    trellis(live).focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        notebook.page.keyboard.press(key)
    notebook.wait_for_python(frame=2, row=1)
    notebook.page.keyboard.press("+")
    wait_for(
        lambda: notebook.python["encoded"] != before["encoded"], "new posteriors", notebook.page
    )
    assert shown_loss(live) == pytest.approx(loss_in_python(notebook.python), rel=0.01)
    live.get_by_label("all classes").check()
    canvas = posteriors(live)
    canvas.scroll_into_view_if_needed()
    frames = len(LatticeExplorer.trained().log_probs)
    box, mouse = canvas.bounding_box(), notebook.page.mouse
    x, y = box["x"] + 40 + (box["width"] - 42) / frames * 3.5, box["y"] + box["height"] - 30
    seen, dragged = notebook.python["encoded"], shown_loss(live)
    mouse.move(x, y)  # "9" in frame 3
    mouse.down()
    mouse.move(x, y - 60, steps=6)
    mouse.up()
    wait_for(lambda: shown_loss(live) > dragged + 0.3, "the loss rises", notebook.page)
    wait_for(
        lambda: abs(shown_loss(live) / loss_in_python(notebook.python) - 1) < 0.01,
        "Python's loss",
        notebook.page,
    )
    assert notebook.python["encoded"] != seen
    live.get_by_label("label whose probability").fill("207")
    notebook.wait_for_python(text="207")
    assert shown_loss(live) == pytest.approx(loss_in_python(notebook.python), rel=0.01)


def test_the_reader_sees_what_python_does(notebook, live):
    notebook.run(1)
    expect(live.get_by_label("label whose probability")).to_have_value("5520")
    assert shown_loss(live) == pytest.approx(loss_in_python(notebook.python), rel=0.01)
    notebook.run(2)
    expect(live.get_by_label("label whose probability")).to_have_value("55207")
    expect(verdict(live)).to_have_text(f"{LatticeExplorer.trained().probability:.3g}")


def test_shortcuts_do_not_touch_the_notebook(notebook, live):
    notebook.assert_shortcuts_stay_away(live)
