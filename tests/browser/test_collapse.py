"""The collapse explorer in a real browser: as a file, and in JupyterLab."""

from __future__ import annotations

import re

import pytest

from browser.harness import assert_accessible, assert_fits, assert_focus_is_seen, wait_for
from crnn_lib.widgets import CollapseExplorer

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect


@pytest.fixture
def explorer(show):
    page = show(CollapseExplorer().static_html(), reduced_motion="reduce")
    return page.locator(".crnn-explorer.collapse")


def label(explorer):
    return explorer.locator(".result.label")


def frame(explorer, index):
    return explorer.locator(f".tile.row0[data-frame='{index}']")


def click_frame(explorer, index):
    box = frame(explorer, index).bounding_box()
    page = explorer.page
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_opens_with_the_line_of_the_series(explorer):
    """At its first step: what becomes of the line is still to be found out."""
    said = explorer.locator("[role=status]").first
    expect(explorer.locator(".tile.row0")).to_have_count(12)
    expect(label(explorer)).to_have_text("")
    expect(said).to_have_text("55-55222--07: one symbol per frame. Next: merge repeats.")
    for _ in range(2):
        explorer.get_by_role("button", name="one step on").click()
    expect(label(explorer)).to_have_text("55207")
    expect(said).to_have_text("55-55222--07 → 5-52-07 → 55207. The label is 55207.")


def test_looking_at_a_frame_gives_nothing_away(explorer):
    explorer.locator(".stage").press("ArrowRight")
    expect(explorer.locator(".which")).to_have_text("frame 1 of 12: 5")
    expect(label(explorer)).to_have_text("")


@pytest.mark.parametrize("text, T", [("7", 1), ("820", 40), ("55207", 20)])
def test_a_count_stands_over_its_own_bar(explorer, text, T):
    explorer.get_by_label("label", exact=True).fill(text)
    chart = explorer.get_by_role("slider", name="frames T")
    chart.press("Home")
    for _ in range(T - 1):
        chart.press("ArrowRight")
    count, bar = (chart.locator(part).bounding_box() for part in (".number", ".bar.now"))
    assert count["x"] <= bar["x"] + bar["width"] / 2 <= count["x"] + count["width"]
    middle = count["x"] + count["width"] / 2 - bar["x"] - bar["width"] / 2
    inside = chart.bounding_box()
    edge = min(
        count["x"] - inside["x"], inside["x"] + inside["width"] - count["x"] - count["width"]
    )
    assert abs(middle) < 2 or edge < 6, "moved only as far as the page ends"


def test_one_alignment_collapses(explorer):
    explorer.get_by_label("label", exact=True).fill("7")
    explorer.get_by_role("slider", name="frames T").press("Home")
    said = "1 alignment of 1 frame collapses to 7. The shortest takes 1 frame."
    expect(explorer.get_by_text(said)).to_be_visible()


@pytest.mark.parametrize("size", [(1280, 720), (390, 844)])
def test_the_board_and_the_way_back_fit_a_screen(explorer, size):
    page = explorer.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    assert_fits(page)
    box = explorer.bounding_box()
    if size[1] == 720:
        assert box["height"] <= 720
    watch, palette = (explorer.locator(part) for part in (".head .main", ".palette"))
    reach = palette.bounding_box()["y"] + palette.bounding_box()["height"]
    assert watch.bounding_box()["y"] >= 0 and reach <= size[1]


def test_on_a_phone_each_row_stands_under_its_name(explorer):
    explorer.page.set_viewport_size({"width": 390, "height": 844})
    for _ in range(2):
        explorer.get_by_role("button", name="one step on").click()
    names, tiles = explorer.locator(".side"), explorer.locator(".tile:not(.gone):not(.fallen)")
    expect(label(explorer)).to_have_text("55207")
    below = sorted({round(box["y"]) for box in (tile.bounding_box() for tile in tiles.all())})
    above = [round(name.bounding_box()["y"]) for name in names.all()]
    assert len(below) == 3
    for k in range(3):
        assert above[k] + 16 <= below[k]
        assert k == 0 or above[k] >= below[k - 1] + 40  # a tile's height


def test_click_and_palette_change_a_frame(explorer):
    click_frame(explorer, 2)
    expect(explorer.locator(".which")).to_have_text("frame 2 of 12: blank")
    explorer.get_by_role("button", name="set 5").click()
    expect(label(explorer)).to_have_text("5207")


def test_keys_do_what_the_mouse_does(explorer):
    explorer.locator(".stage").focus()
    for key in ("ArrowRight", "ArrowRight", "5"):
        explorer.page.keyboard.press(key)
    expect(label(explorer)).to_have_text("5207")
    expect(explorer.locator(".which")).to_have_text("frame 3 of 12: 5")
    explorer.page.keyboard.press("ArrowUp")
    expect(label(explorer)).to_have_text("56" + "5207")
    explorer.page.keyboard.press("Backspace")
    expect(explorer.locator(".which")).to_have_text("frame 2 of 11: 5")


def test_typing_ignores_what_is_no_symbol(explorer):
    explorer.get_by_label("alignment, typed").fill("1x-1 1")
    expect(label(explorer)).to_have_text("11")
    explorer.get_by_label("alignment, typed").fill("")
    expect(label(explorer)).to_have_text("nothing")


def test_wrong_order_is_seen_where_it_matters(explorer):
    explorer.get_by_label("drop, then merge").check()
    expect(label(explorer)).to_have_text("5207")
    expect(explorer).to_have_class(re.compile("wrong"))
    explorer.get_by_role("button", name="Example 5-5").click()
    expect(explorer.locator("[role=status]").first).to_contain_text("5 is wrong: the label is 55.")
    explorer.get_by_role("button", name="Example 55: ").click()
    expect(explorer).not_to_have_class(re.compile("wrong"))


def test_steps_show_one_rule_at_a_time(show):
    explorer = show(CollapseExplorer().static_html()).locator(".crnn-explorer.collapse")
    back, on = (explorer.get_by_role("button", name=f"one step {way}") for way in ("back", "on"))
    expect(back).to_be_disabled()
    expect(explorer.locator(".side1 .result")).to_have_text("")
    on.click()
    expect(explorer.locator(".side1 .result")).to_have_text("5-52-07")
    expect(label(explorer)).to_have_text("")
    on.click()
    expect(label(explorer)).to_have_text("55207")
    expect(on).to_be_disabled()
    back.click()
    expect(label(explorer)).to_have_text("")
    explorer.page.clock.install()  # nobody waits for the animation
    explorer.get_by_role("button", name="watch it").click()
    expect(explorer.locator(".side1 .result")).to_have_text("")
    explorer.page.clock.run_for(10_000)
    expect(label(explorer)).to_have_text("55207")


def test_repeats_merge_and_blanks_fall(show):
    """With motion: tiles of one run end in one place, and the blank in none."""
    page = show(CollapseExplorer("55-").static_html())
    page.get_by_role("button", name="one step on").click()
    tiles = page.locator(".tile.row1")
    page.wait_for_function("document.getAnimations().every((a) => a.playState == 'finished')")
    one, other = tiles.nth(0).bounding_box(), tiles.nth(1).bounding_box()
    assert abs(one["x"] - other["x"]) < 1
    page.get_by_role("button", name="one step on").click()
    expect(page.locator(".tile.row2").nth(2)).to_have_css("opacity", "0")
    expect(page.locator(".tile.row2").nth(0)).to_have_css("opacity", "1")


def test_counts_and_browses_the_alignments(explorer):
    chart = explorer.get_by_role("slider", name="frames T")
    strip = explorer.locator(".strip")
    box = chart.bounding_box()
    explorer.page.mouse.click(box["x"] + box["width"] * 30.5 / 40, box["y"] + 40)
    expect(chart).to_have_attribute("aria-valuetext", "31 frames: 183,579,396 alignments")
    for _ in range(3):
        chart.press("PageDown")
    expect(chart).to_have_attribute("aria-valuetext", "1 frame: 0 alignments")
    expect(explorer.get_by_text("None: 55207 needs 6 frames")).to_be_visible()
    for _ in range(6):
        chart.press("ArrowRight")
    expect(strip).to_have_attribute("data-alignment", "5-5207-")
    explorer.get_by_role("button", name="next alignment").click()
    expect(strip).to_have_attribute("data-alignment", "5-52077")
    explorer.get_by_role("slider", name="alignment", exact=True).press("End")
    expect(strip).to_have_attribute("data-alignment", "-5-5207")
    explorer.get_by_role("button", name="collapse this alignment above").click()
    expect(explorer.locator(".tile.row0")).to_have_count(7)
    expect(label(explorer)).to_have_text("55207")


def test_drag_over_the_chart(explorer):
    chart = explorer.get_by_role("slider", name="frames T")
    box, mouse = chart.bounding_box(), explorer.page.mouse
    mouse.move(box["x"] + 300, box["y"] + 60)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 19.5 / 40, box["y"] + 90, steps=5)
    mouse.up()
    expect(chart).to_have_attribute("aria-valuenow", "20")


def test_what_does_not_fit_is_explained(explorer):
    explorer.get_by_role("slider", name="frames T").press("Home")
    told = explorer.locator(".status").nth(1)
    expect(told).to_have_text(
        "None: 55207 needs 6 frames, 5 characters and 1 blank between equal neighbours. T is 1."
    )
    explorer.get_by_label("label", exact=True).fill("507")
    expect(told).to_have_text("None: 507 needs 3 frames, 3 characters. T is 1.")


def test_letters_of_the_chart_stay_as_large_on_a_narrow_page(explorer):
    chart, page = explorer.locator(".chart"), explorer.page
    page.set_viewport_size({"width": 400, "height": 900})
    expect(chart).to_have_attribute("viewBox", f"0 0 {chart.evaluate('c => c.clientWidth')} 128")
    assert_fits(page)
    inside = chart.bounding_box()
    for text in chart.locator("text").all():
        box = text.bounding_box()
        assert box["height"] > 12
        assert box["x"] >= inside["x"] - 1
        assert box["x"] + box["width"] <= inside["x"] + inside["width"] + 1


def test_is_accessible(explorer):
    assert_accessible(explorer)
    assert_focus_is_seen(explorer)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_follows_the_page_rather_than_the_system(show, scheme):
    html = CollapseExplorer().static_html()
    page = show(html, color_scheme=scheme)
    root = page.locator(".crnn-explorer")
    expect(root).to_have_attribute("data-theme", scheme)
    page.evaluate("document.body.style.background = '#111'")
    expect(root).to_have_attribute("data-theme", "dark")
    page.evaluate("document.body.style.background = '#fff'")
    expect(root).to_have_attribute("data-theme", "light")


def test_two_on_a_page_live_side_by_side(show):
    html = CollapseExplorer().static_html()
    page = show(html, html)
    roots = page.locator(".crnn-explorer")
    expect(roots).to_have_count(2)
    roots.nth(1).get_by_label("alignment, typed").fill("7")
    expect(label(roots.nth(1))).to_have_text("7")
    expect(roots.nth(0).get_by_label("alignment, typed")).to_have_value("55-55222--07")
    expect(label(roots.nth(0))).to_have_text("")


# ------------------------------------------------------------------ in JupyterLab


@pytest.fixture(scope="module")
def notebook(lab, lab_page):
    code = "from crnn_lib.widgets import CollapseExplorer\nexplorer = CollapseExplorer()"
    return lab.open(lab_page, "collapse", code, 'explorer.alignment = "1-1"', "explorer.label")


@pytest.fixture
def live(notebook):
    """The explorer in JupyterLab: the widget, not the static page."""
    root = notebook.page.locator(".jp-OutputArea .crnn-explorer.collapse")
    expect(root).to_have_count(1)
    assert notebook.page.locator("[data-explorer]").count() == 0
    return root


def test_python_sees_what_the_reader_does(notebook, live):
    live.get_by_label("alignment, typed").fill("55-55222--07")
    notebook.wait_for_python(alignment="55-55222--07")
    click_frame(live, 2)
    notebook.wait_for_python(frame=2)
    live.locator(".stage").press("5")
    notebook.wait_for_python(alignment="55555222--07", frame=3)
    expect(label(live)).to_have_text("5207")


def test_the_reader_sees_what_python_does(notebook, live):
    notebook.run(1)
    expect(label(live)).to_have_text("11")
    expect(live.locator(".tile.row0")).to_have_count(3)


def test_shortcuts_do_not_touch_the_notebook(notebook, live):
    notebook.assert_shortcuts_stay_away(live)


def test_without_the_attribute_they_would(notebook, live):
    """The test before this one can fail: JupyterLab still looks for what explorers carry."""
    before = len(notebook.cells)
    live.locator(".stage").evaluate("(node) => node.removeAttribute('data-lm-suppress-shortcuts')")
    live.locator(".stage").focus()
    notebook.page.keyboard.press("b")
    wait_for(lambda: len(notebook.cells) == before + 1, "a new cell", notebook.page)
