"""The slides in a real browser: from a file, without a network, with keys; nothing runs over."""

from __future__ import annotations

import pytest
from books import SERIES, book_folder, built_slides

from browser.harness import LIMIT, Watch

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright")
expect = sync_api.expect
pytestmark = pytest.mark.timeout(900)  # on a busy machine

# What reaches beyond the slide, and what would have to be scrolled.
OVER = """() => {
    const slide = Reveal.getCurrentSlide(), edge = slide.getBoundingClientRect(), found = [];
    for (const e of slide.querySelectorAll("*")) {
        if (e.closest("svg, mjx-container, iframe") || !e.checkVisibility()) continue;
        const box = e.getBoundingClientRect(), name = `${e.tagName} ${e.textContent.slice(0, 40)}`;
        if (box.bottom > edge.bottom + 1 || box.right > edge.right + 1) found.push(name);
        const flows = getComputedStyle(e).display !== "inline";
        if (flows && e.clientWidth && e.scrollWidth > e.clientWidth + 1) found.push(name);
    }
    if (slide.scrollHeight > slide.clientHeight + 1) found.push("the slide");
    return found;
}"""
MORE = "() => !Reveal.isLastSlide() || Reveal.availableFragments().next"


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    return built_slides(book_folder(tmp_path_factory))


@pytest.fixture
def project(chromium, decks):
    """A function that opens a deck from its file, offline, on a projector of 1280 x 720."""
    opened = []

    def project(stem: str):
        context = chromium.new_context(viewport={"width": 1280, "height": 720})
        context.set_offline(True)
        page = context.new_page()
        page.set_default_timeout(1000 * LIMIT)
        opened.append((context, Watch(page)))
        page.goto((decks / f"{stem}.html").as_uri())
        page.wait_for_function("window.Reveal?.isReady()")
        return page

    yield project
    for context, watch in opened:
        context.close()
        watch.assert_clean()


@pytest.mark.parametrize("stem", SERIES)
def test_no_slide_runs_over(project, stem):
    page = project(stem)
    page.add_style_tag(content="* { transition: none !important }")
    over = {}
    for _ in range(200):
        if found := page.evaluate(OVER):
            over[str(page.evaluate("Reveal.getIndices()"))] = found
        if not page.evaluate(MORE):
            break
        page.evaluate("Reveal.next()")
    assert over == {} and page.evaluate("Reveal.isLastSlide()")


def test_keys_lead_from_the_question_to_its_answer_and_back(project):
    page = project("03_collapsing_alignments")
    expect(page.locator("section.present h1")).to_have_text("Collapsing alignments")
    now = page.locator("section.predict.present")
    while now.count() == 0:
        page.keyboard.press("ArrowRight")
    answer = now.locator(".answer")
    expect(now.locator(".question")).to_be_visible()
    expect(answer).to_be_hidden()
    page.keyboard.press("Space")
    expect(answer).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(answer).to_be_hidden()
    page.keyboard.press("End")
    expect(page.locator("section.present h2")).to_have_text("Next")


def test_a_question_is_asked_in_two_steps(project):
    page = project("03_collapsing_alignments")
    asked = page.locator("section.quiz.present")
    while asked.count() == 0:
        page.evaluate("Reveal.next()")
    answers, reasons = asked.locator(".options > div").all()
    expect(answers.locator("li").first).to_be_visible()
    expect(reasons).not_to_have_class("fragment visible current-fragment")
    assert reasons.evaluate("(e) => getComputedStyle(e).visibility") == "hidden"
    page.keyboard.press("ArrowRight")
    expect(reasons.locator("li").first).to_be_visible()
    assert reasons.evaluate("(e) => getComputedStyle(e).visibility") == "visible"


def test_an_explorer_is_alive_on_its_slide(project):
    page = project("03_collapsing_alignments")
    while page.locator("section.play.present").count() == 0:
        page.evaluate("Reveal.next()")
    frame = page.locator("section.play.present iframe")
    inside = frame.content_frame.locator(".crnn-explorer.collapse")
    inside.get_by_role("textbox", name="alignment").first.fill("77-7")
    expect(inside.locator(".label").first).to_contain_text("77")
    box = frame.bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 720 and box["height"] > 500
    number = page.evaluate("Reveal.getIndices().h")
    page.keyboard.press("PageDown")  # from within the explorer
    page.wait_for_function(f"Reveal.getIndices().h === {number + 1}")


def test_formulas_are_drawn(project):
    page = project("04_the_ctc_loss")
    while page.locator("section.present mjx-container svg").count() == 0:
        assert page.evaluate(MORE)
        page.evaluate("Reveal.next()")
    formula = page.locator("section.present mjx-container").first
    assert formula.bounding_box()["width"] > 300
    assert page.locator("mjx-merror").count() == 0
