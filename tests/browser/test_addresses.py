"""Links that set an explorer, and addresses that hold its state: as a page, and in JupyterLab."""

from __future__ import annotations

import pytest

from browser.harness import wait_for
from crnn_lib.widgets import BeamExplorer, CollapseExplorer

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect
SEVEN = "beam?line=confused&width=2&frame=14&prefix=557"


def fragment(page) -> str:
    return page.evaluate("location.hash")


def test_a_link_in_a_sentence_sets_an_explorer(show):
    words = f"<p>Take <a href='#{SEVEN}'>that frame</a> or <a href='#beam-2?width=5'>more</a>.</p>"
    page = show(words, BeamExplorer().static_html(), BeamExplorer().static_html())
    one, two = page.locator(".beam").all()
    page.get_by_role("link", name="that frame").press("Enter")
    expect(one.locator("h4")).to_contain_text("After frame 13")
    expect(one.get_by_role("slider", name="beam width")).to_have_attribute("aria-valuetext", "2")
    expect(one.get_by_role("radio", name="confused")).to_be_checked()
    expect(one.locator(".card")).to_contain_text("557")
    assert fragment(page) == f"#{SEVEN}"
    page.get_by_role("link", name="more").click()
    expect(two.get_by_role("slider", name="beam width")).to_have_attribute("aria-valuetext", "5")
    expect(two.get_by_role("radio", name="by hand")).to_be_checked()
    expect(one.get_by_role("slider", name="beam width")).to_have_attribute("aria-valuetext", "2")


def test_what_a_reader_does_is_in_the_address_and_comes_back_with_it(show):
    page = show(BeamExplorer().static_html())
    page.get_by_role("radio", name="early").check()
    page.get_by_role("slider", name="frames read", exact=True).fill("9")
    page.get_by_role("application", name="The beam as a river").press("ArrowUp")
    wait_for(lambda: "prefix=" in fragment(page), "the address", page)
    assert fragment(page).startswith("#beam?frame=9&line=early&prefix=")
    said = page.locator(".status").text_content()
    page.reload()
    expect(page.locator(".status")).to_have_text(said)


def test_an_address_that_asks_for_what_is_not_there_changes_nothing_else(show):
    page = show(
        "<a href='#beam?line=nowhere&width=many&colour=red&frame=2'>x</a>",
        "<a href='#glossary'>y</a>",
        BeamExplorer().static_html(),
    )
    page.get_by_role("link", name="x").click()
    expect(page.locator("h4")).to_contain_text("After frame 1")
    expect(page.get_by_role("radio", name="by hand")).to_be_checked()
    expect(page.get_by_role("slider", name="beam width")).to_have_attribute("aria-valuetext", "3")
    page.get_by_role("link", name="y").click()
    assert fragment(page) == "#glossary"


def test_a_frame_without_an_address_of_its_own_has_none_to_write_to(show):
    """As in a deck of slides; what it cannot do must not be an error either."""
    page = show("<iframe style='width: 900px; height: 700px'></iframe>")
    html = BeamExplorer().static_html()
    page.locator("iframe").evaluate("(frame, html) => { frame.srcdoc = html; }", html)
    inside = page.frame_locator("iframe")
    inside.get_by_role("radio", name="early").check()
    expect(inside.locator(".status")).to_contain_text("After frame 0")
    page.wait_for_function("new Promise((done) => setTimeout(() => done(true), 400))")
    assert fragment(page) == ""


def test_text_and_truth_come_back_too(show):
    page = show(
        "<a href='#collapse?alignment=5-57&drop_first=true&step=2'>x</a>",
        CollapseExplorer().static_html(),
    )
    page.get_by_role("link", name="x").click()
    expect(page.locator(".collapse .status").first).to_contain_text("57 is wrong: the label is 557")


def test_a_link_in_jupyterlab_sets_the_live_explorer(lab, lab_page):
    text = f"Take [that frame](#{SEVEN})."
    code = "from crnn_lib.widgets import BeamExplorer\nexplorer = BeamExplorer()\n"
    show_link = f"from IPython.display import Markdown\nMarkdown({text!r})"
    notebook = lab.open(lab_page, "addresses", code, show_link)
    live = lab_page.locator(".jp-OutputArea .crnn-explorer.beam")
    expect(live).to_have_count(1)
    notebook.run(1)
    before = lab_page.url
    lab_page.get_by_role("link", name="that frame").click()
    notebook.wait_for_python(line=3, width=2, frame=14, prefix="557")
    expect(live.locator(".card")).to_contain_text("557")
    assert lab_page.url == before  # the address there is JupyterLab's own
