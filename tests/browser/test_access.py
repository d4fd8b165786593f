"""Every explorer for everybody: by keys alone, in words, in contrast, without motion."""

from __future__ import annotations

import re
from dataclasses import dataclass

import nbformat
import pytest

from browser.gallery import GALLERY
from browser.harness import FOCUSABLE, wait_for
from crnn_lib.widgets.base import FOLDER

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect
SERIOUS = ("serious", "critical")
PAGES = {"light": "#ffffff", "dark": "#111111"}
# Letters and digits are what these figures are about: a text of one character counts, too. Options
# that are given replace all of the check's own.
CONTRAST = {
    "ignoreLength": True,
    "ignoreUnicode": False,
    "ignorePseudo": False,
    "boldValue": 700,
    "boldTextPt": 14,
    "largeTextPt": 18,
    "contrastRatio": {"normal": {"expected": 4.5}, "large": {"expected": 3}},
    "pseudoSizeThreshold": 0.25,
    "shadowOutlineEmMax": 0.2,
    "textStrokeEmMin": 0.03,
}
CONTRAST_RULE = "color-contrast"
SETTINGS = {"checks": [{"id": CONTRAST_RULE, "options": CONTRAST}]}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice", "experimental"]


def findings(root, rules: list[str] = RULES) -> list[str]:
    """What axe-core has to say about an explorer, one line each: impact, rule, element, why."""
    axe = pytest.importorskip(
        "axe_playwright_python.base",
        reason="this test needs axe: pip install axe-playwright-python",
    )
    page = root.page
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe.AXE_SCRIPT)
        page.evaluate("(settings) => axe.configure(settings)", SETTINGS)
    found = root.evaluate(
        """async (node, runOnly) => {
            const moving = document.getAnimations().filter(
                ({ effect }) => effect.getComputedTiming().endTime < Infinity);
            await Promise.allSettled(moving.map(({ finished }) => finished)); // half faded is faint
            const { violations } = await axe.run(node, { runOnly, resultTypes: ["violations"] });
            return violations.flatMap(({ id, impact, nodes }) => nodes.map((found) => {
                const why = [...found.any, ...found.all, ...found.none].map((c) => c.message);
                return [impact, id, found.html.slice(0, 160), why.join("; ")];
            }));
        }""",
        rules,
    )
    return [" | ".join(map(str, one)) for one in found]


def in_theme(root, theme: str) -> None:
    root.page.evaluate("(colour) => { document.body.style.background = colour; }", PAGES[theme])
    expect(root).to_have_attribute("data-theme", theme)


def assert_nothing_serious(root, *, themes=("light", "dark")) -> None:
    """All rules once, which has the contrast of the first theme; then that of the others."""
    first, *others = themes
    in_theme(root, first)
    found = findings(root)
    bad = [f"{first}: {one}" for one in found if one.startswith(SERIOUS) or CONTRAST_RULE in one]
    for theme in others:
        in_theme(root, theme)
        bad += [f"{theme}: {one}" for one in findings(root, [CONTRAST_RULE])]
    assert not bad, "\n".join(bad)


def readout(root) -> str:
    """All that a screen reader is told of its own accord."""
    return " | ".join(root.locator("[aria-live], [role=alert]").all_text_contents())


FOCUSED = """(root) => {
    const node = document.activeElement;
    if (!root.contains(node)) return null;
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    return {
        name: node.getAttribute("aria-label"), place: [...root.querySelectorAll("*")].indexOf(node),
        ring: style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2,
        seen: box.width > 0 && box.height > 0 && style.visibility === "visible",
    };
}"""


def tab_to(root, name: str, most: int = 200) -> None:
    """Press Tab until something of that name has the focus, with a ring that is seen."""
    for _ in range(most):
        root.page.keyboard.press("Tab")
        focus = root.evaluate(FOCUSED)
        if focus and focus["name"].startswith(name):
            assert focus["ring"] and focus["seen"], focus
            return
    raise AssertionError(f"Tab never comes to {name!r}.")


@dataclass(frozen=True)
class Step:
    """Go to a control by Tab and press keys there."""

    name: str
    keys: tuple[str, ...]
    said: str | None  # what the readout, which must change, then says; None: it need not change
    stays: bool  # the control has the focus afterwards
    look: bool  # axe looks at what came of it


def step(
    name: str, *keys: str, said: str | None = None, stays: bool = True, look: bool = False
) -> Step:
    return Step(name, keys, said, stays, look)


def operate(root, step: Step) -> None:
    before = readout(root)
    tab_to(root, step.name)
    for key in step.keys:
        if len(key) > 1 and key.startswith("="):
            root.page.keyboard.type(key[1:])
        else:
            root.page.keyboard.press(key)
    if step.said is not None:
        try:
            wait_for(
                lambda: re.search(step.said, readout(root)) and readout(root) != before,
                f"{step.said!r}",
                root.page,
            )
        except AssertionError as error:
            raise AssertionError(f"{step}: it says {readout(root)!r}") from error
    if step.stays:  # where else would the next key go? In a notebook: to its commands
        focus = root.evaluate(FOCUSED)
        assert focus and focus["name"].startswith(step.name), f"{step.name!r} lost the focus"


ALL = "ControlOrMeta+a"  # of a text field; "=12" types 12
# Radio buttons: Tab comes to the one that is checked, arrows go to its neighbours.
WALKS = {
    "collapse": [
        step("alignment, typed", ALL, "=5-57-", said="5-57-"),
        step(
            "merge, then drop", "ArrowDown", said="wrong: the label is 557", stays=False, look=True
        ),
        step("Alignment 5", "Home", "ArrowRight", said="frame 1 of 5: blank"),
        step("Alignment 5", "5", said="Here both orders give 57"),
        step("one step back", "Enter", "Enter", said="one symbol per frame"),
        step("one step on", "Enter", said="Blanks dropped"),
        step("label", ALL, "=77777777", said="None: 77777777 needs 15 frames", look=True),
        step("frames T", "End", said="alignments of 40 frames collapse to 77777777"),
        step("next alignment", "Enter", said="lignment 2 of "),
        step("Show above", "Enter", said="frame 0 of 40: 7"),
    ],
    "window": [
        step("frame", "Home", said="Frame 0 of"),
        step("stride", "End", said="55207 does not fit", look=True),
        step("16 / 8", "Enter", said="55207 fits"),
        step("window", "ArrowRight", said=r"Frame \d+ of"),
    ],
    "lattice": [
        step("label whose probability", ALL, "=x", said="no class for “x”", look=True),
        step("label whose probability", ALL, "=aa", said="Click a disc"),
        step("Posteriors of", "ArrowRight", "ArrowDown", said="Frame 1: “a” has p"),
        step("Posteriors of", "+", said="Frame 1: “a” has p = 0.5"),
        step("gamma", "ArrowRight", said="the network gives it", stays=False),
        step("Trellis of aa", "End", "ArrowDown", said="Frame 2, "),
        step("Step: ", "Enter", said="Frame 0", look=True),
        step("frames computed", "End", said="Frame 2"),
        step("show the gradient", "Space"),
        step("Nudge", "Enter", said="Nudge 1: the loss goes"),
        step("Reset", "Enter", said="Click a disc"),
    ],
    "beam": [
        step("by hand", "ArrowDown", "ArrowDown", said="After frame 0", stays=False),
        step("beam width", "ArrowLeft", said="2 prefixes kept"),
        step("one frame on", "Enter", said="After frame 1"),
        step("frames read", "End", said="After frame"),
        step("one frame on", "Enter"),
        step("frames read, on the posteriors", "Home", said="No frame read"),
        step("frames read", "PageUp", said="After frame", look=True),
        step("beam width", "End", said="16 prefixes kept"),
    ],
    "film": [
        step("all blank", "Enter", said="29 of 29 frames say blank"),
        step("moment on the curve", "End", said="the line reads 55207", look=True),
        step("moment on the curve", "PageUp", "Home", said="After 0 steps"),
        step("the text", "Space", said="reads 55207"),
    ],
    "fusion": [
        step("language weight", "End", said="Weight 2.00"),
        step("bonus per character", "ArrowRight", said="bonus 0.1"),
        step("language weight, on the chart", "ArrowLeft", said="Weight 1.95", look=True),
        step("noughts", "ArrowDown", said="Weight 0.00", stays=False),
    ],
    "where": [
        step("character", "ArrowRight", said="Character 1, 5"),
        step("7, ", "Enter", said="Character 4, 7"),
        step("55207", "ArrowDown", said="reads 31", stays=False),
    ],
    "touch": [step("spacing", "Home", said="Spacing −0.30")],
    "frozen": [
        step("spacing", "ArrowLeft", said="Spacing 0.00"),
        step("frame of the lattice", "ArrowRight", "ArrowRight", said="Frame [01]: "),
    ],
    "pad": [
        step("frame of the posteriors", "ArrowRight", said="Frame 0 of"),
        step(
            "Writing area",
            "Space",
            *["ArrowRight"] * 5,
            "Space",
            said="Nobody reads here",
            look=True,
        ),
        step("undo", "Enter"),
        step("clear", "Enter", said=r"^\s*\|"),
    ],
    "machine": [
        step("Ink: frame", "Home", "ArrowRight", said="Frame 1 of 24: "),
        step(
            "Windows: frame", "ArrowRight", said=r"Frame 2 of 24: the window shows columns \d+ to"
        ),
        step("Features: frame", "ArrowUp", said="Frame 3 of 24: the strongest of the 4 here is"),
        step("Posteriors: frame", "End", said="Frame 23 of 24: blank > 99 %", look=True),
        step("Best path: frame", "ArrowLeft", said="Frame 22 of 24: taken: "),
        step(
            "Collapse: frame",
            "Home",
            *["ArrowRight"] * 3,
            said="Frame 3 .* digit 1, a 5, of this frame",
        ),
        step("Text: frame", *["ArrowRight"] * 4, said="Frame 7 of 24: 5, > 99 % sure", look=True),
        step("Text: frame", "Escape", said="Read as 55207, probability"),
        step("Write your own", "Enter", said="The sheet is empty", look=True),
        step("Posteriors: frame", "ArrowRight"),  # and nothing happens
        step("Write a number here", "Space", "ArrowDown", "Space", said="nobody reads", look=True),
        step("undo", "Enter", said="The sheet is empty"),
    ],
    "crnn-quiz": [
        step("a: ", "Space", "ArrowDown", "ArrowDown", stays=False),
        step("a: ", "Space", "ArrowDown", stays=False),
        step("Check", "Enter", said="Right, and for the right reason"),
    ],
}


@pytest.fixture(scope="module")
def pages():
    made: dict[str, str] = {}

    def html(name: str) -> str:
        if name not in made:
            made[name] = GALLERY[name]().static_html()
        return made[name]

    return html


AROUND = "<button aria-label='{0}'>{0}</button>"


@pytest.fixture
def opened(show, pages):
    """An explorer alone on a page, between two buttons; the focus is on the first."""

    def opened(name: str, **options):
        page = show(AROUND.format("before"), pages(name), AROUND.format("after"), **options)
        root = page.locator(f".crnn-explorer.{name}")
        expect(root).to_have_count(1)
        page.get_by_role("button", name="before").focus()
        return root

    return opened


# ------------------------------------------------------------------ by keys alone


@pytest.mark.parametrize("name", GALLERY)
def test_keys_alone_change_what_is_said_and_axe_finds_nothing(opened, name):
    """As it stands first; then after each step of a walk."""
    root = opened(name)
    assert_what_can_be_operated_says_what_it_is(root)
    assert_tab_goes_through_and_out_again(root)
    root.page.get_by_role("button", name="before").focus()
    assert_nothing_serious(root)
    for each in WALKS[name]:
        operate(root, each)
        if each.look or each is WALKS[name][-1]:
            assert_nothing_serious(root)


def assert_tab_goes_through_and_out_again(root) -> None:
    keyboard = root.page.keyboard
    stops = []
    for key in ("Tab", "Shift+Tab"):
        way = []
        keyboard.press(key)
        while focus := root.evaluate(FOCUSED):
            assert focus["ring"] and focus["seen"], focus
            way.append(focus["place"])
            assert len(way) < 80, "Tab does not come out"
            keyboard.press(key)
        after = "after" if key == "Tab" else "before"
        assert root.page.evaluate("document.activeElement.ariaLabel") == after
        stops.append(way)
        if key == "Tab":
            root.page.get_by_role("button", name="after").focus()
    there, back = stops
    assert there == sorted(there) and len(there) == len(set(there))
    assert back == there[::-1]
    missed = root.locator(FOCUSABLE).evaluate_all(
        """(nodes) => nodes.filter((n) => n.tabIndex >= 0 && !n.disabled && n.type !== "radio"
            && n.getClientRects().length).map((n) =>
                [...n.closest(".crnn-explorer").querySelectorAll("*")].indexOf(n))"""
    )
    assert set(missed) <= set(there)


def assert_what_can_be_operated_says_what_it_is(root) -> None:
    """A role for everything that has the focus; sliders with their values, in words as well."""
    for node in root.locator("canvas[tabindex], div[tabindex], svg[tabindex]").all():
        assert node.get_attribute("role") in ("slider", "application"), node
    for node in root.get_by_role("slider").all():
        low, now, high = (
            float(node.evaluate(f"(n) => n.ariaValue{end} ?? n.{own}"))
            for end, own in (("Min", "min"), ("Now", "value"), ("Max", "max"))
        )
        assert low <= now <= high
        assert node.get_attribute("aria-valuetext")
    assert root.locator("[role=img][tabindex], [aria-hidden=true] [tabindex='0']").count() == 0
    assert root.get_attribute("role") == "group" and root.get_attribute("aria-label")


def test_axe_sees_a_single_pale_character(opened):
    """What all of these tests stand on."""
    root = opened("touch")
    root.evaluate(
        "(node) => { node.append(Object.assign(document.createElement('b'), "
        "{ textContent: '7', style: 'color: #c8c8c8' })); }"
    )
    assert any("color-contrast" in one and ">7<" in one for one in findings(root))
    root.evaluate("(node) => { node.lastChild.outerHTML = '<div role=slider tabindex=0></div>'; }")
    assert any(one.startswith("critical | aria-required-attr") for one in findings(root))


# ------------------------------------------------------------------ without motion

MOVING = """(root) => [root, ...root.querySelectorAll("*")].flatMap((node) =>
    [null, "::before", "::after"].map((part) => getComputedStyle(node, part)).filter((style) =>
        [style.transitionDuration, style.animationDuration].some((s) => parseFloat(s) > 0)
    ).map(() => node.className))"""
WATCH = """(root) => {
    [...root.querySelectorAll("button")].find((b) => b.textContent.includes("Watch")).click();
    return new Promise((done) => queueMicrotask(() => queueMicrotask(() => done(
        [...root.querySelectorAll("[role=status]")].map((node) => node.textContent).join(" ")))));
}"""


@pytest.mark.parametrize("name", GALLERY)
def test_nothing_moves_for_those_who_ask_for_less_motion(opened, name):
    assert opened(name, reduced_motion="reduce").evaluate(MOVING) == []


def test_tiles_move_for_the_others(opened):
    assert opened("collapse").evaluate(MOVING)


@pytest.mark.parametrize(
    "name, end", [("collapse", "The label is 55207."), ("lattice", "Frame 2, ")]
)
def test_watching_goes_to_the_end_at_once(opened, name, end):
    """Before any timer can have fired. With motion it has only begun then."""
    assert end in opened(name, reduced_motion="reduce").evaluate(WATCH)
    assert end not in opened(name).evaluate(WATCH)


def test_whatever_plays_asks_first():
    for path in FOLDER.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        if re.search(r"setInterval|requestAnimationFrame|\.animate\(|smooth", text):
            assert "lessMotion()" in text, path.name


# ------------------------------------------------------------------ where explorers live


# In the second theme only the colours are others.
THEMES = pytest.mark.parametrize("theme, rules", [("light", RULES), ("dark", [CONTRAST_RULE])])


@THEMES
def test_axe_finds_nothing_serious_in_an_exported_page(show, pages, theme, rules):
    nbconvert = pytest.importorskip("nbconvert", reason="no nbconvert")
    cells = []
    for name in GALLERY:
        data = {"text/html": pages(name), "text/plain": name}
        output = nbformat.v4.new_output("display_data", data)
        cells.append(nbformat.v4.new_code_cell("explorer", outputs=[output]))
    exporter = nbconvert.HTMLExporter(require_js_url="", mathjax_url="", jquery_url="", theme=theme)
    page = show(exporter.from_notebook_node(nbformat.v4.new_notebook(cells=cells))[0])
    bad = []
    for name in GALLERY:
        root = page.locator(f".crnn-explorer.{name}")
        expect(root).to_have_attribute("data-theme", theme)
        bad += [f"{name}: {one}" for one in findings(root, rules) if one.startswith(SERIOUS)]
    assert not bad, "\n".join(bad)


CODE = """
from IPython.display import display
from crnn_lib import load_model
from crnn_lib.widgets import StripMaker
from tests.browser.gallery import GALLERY
made = {name: make() for name, make in GALLERY.items()}
explorer = made.pop("collapse")
for other in made.values():
    display(other)
display(StripMaker(model=load_model("crnn-digits")))
"""


LIVE = (*GALLERY, "strip")


@pytest.fixture(scope="module")
def notebook(lab, lab_page):
    opened = lab.open(lab_page, "access", CODE)
    expect(lab_page.locator(".jp-OutputArea .crnn-explorer")).to_have_count(len(LIVE))
    return opened


@THEMES
def test_axe_finds_nothing_serious_in_jupyterlab(notebook, theme, rules):
    page = notebook.page
    page.evaluate(
        "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
        f"JupyterLab {theme.title()}",
    )
    bad = []
    for name in LIVE:
        root = page.locator(f".jp-OutputArea .crnn-explorer.{name}")
        expect(root).to_have_attribute("data-theme", theme)
        bad += [f"{name}: {one}" for one in findings(root, rules) if one.startswith(SERIOUS)]
    assert not bad, "\n".join(bad)


INK = "(canvas) => canvas.toDataURL()"
# Another picture, and the words that are said are its own.
ANOTHER = """([picture, before]) => {
    const words = picture.closest(".strip").querySelector(".status").textContent;
    return picture.querySelector("canvas").toDataURL() !== before
        && picture.ariaLabel === `The strip: ${words}`;
}"""
# Moves a slider, and says what is seen after one frame of the screen.
ONE_FRAME = """async (root, [name, value]) => {
    const input = root.querySelector(`[aria-label="${name}"]`);
    input.value = value;
    input.dispatchEvent(new Event("input"));
    await new Promise(requestAnimationFrame);
    return [root.querySelector(".picture").toDataURL(), root.querySelector(".status").textContent,
            root.classList.contains("waiting")];
}"""


def test_a_step_of_the_strip_maker_takes_one_frame(notebook):
    """Ink, posteriors and text at once, of each slider; in either theme."""
    page = notebook.page
    strip = page.locator(".jp-OutputArea .crnn-explorer.strip")
    expect(strip).not_to_have_class(re.compile("waiting"))
    for theme, moved in (("Light", {"slant": 0.6, "stroke": 0.5}), ("Dark", {"hand": 7})):
        page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
            f"JupyterLab {theme}",
        )
        expect(strip).to_have_attribute("data-theme", theme.lower())
        for name, value in moved.items():
            expect(strip).to_have_attribute("data-near", re.compile(r"[1-9]\d\d"))  # at rest
            before = strip.locator(".picture").evaluate(INK)
            picture, words, waiting = strip.evaluate(ONE_FRAME, [name, value])
            assert picture != before and "read as" in words and not waiting, name
    expect(strip).to_have_attribute("data-near", re.compile(r"[1-9]\d\d"))
    seen = [strip.evaluate(ONE_FRAME, ["spacing", value]) for value in (0.6, -0.6)]
    assert [waiting for _, _, waiting in seen] == [False, False]
    widths = [int(words.split()[0]) for _, words, _ in seen]
    assert widths[0] > widths[1] and seen[0][0] != seen[1][0]
    assert all("read as" in words for _, words, _ in seen)
    for name, value in (("spacing", 0.15), ("slant", 0.1), ("stroke", 0), ("hand", 5)):
        strip.evaluate(ONE_FRAME, [name, value])
    field = strip.get_by_role("textbox")
    field.fill("31")  # nothing of it is read before: its ink comes with its reading
    expect(strip.locator(".status")).to_contain_text("read as 31")
    expect(strip).not_to_have_class(re.compile("waiting"))
    field.fill("55207")
    expect(strip.locator(".status")).to_contain_text("pixel columns")


def test_strip_maker_by_keys_alone(notebook):
    """It needs Python to write and to read; by keys all of it can be set."""
    page = notebook.page
    strip = page.locator(".jp-OutputArea .crnn-explorer.strip")
    picture = strip.get_by_role("img")
    strip.get_by_role("textbox").focus()
    page.keyboard.press("Shift+Tab")
    operate(strip, step("number", ALL, "=31", said=r"^\d+ pixel columns · read as 31"))
    operate(strip, step("spacing", "End", said="pixel columns"))
    for name in ("slant", "stroke", "hand"):
        before = picture.locator("canvas").evaluate(INK)
        operate(strip, step(name, "ArrowRight", "ArrowRight"))
        page.wait_for_function(ANOTHER, arg=[picture.element_handle(), before])
    operate(strip, step("number", ALL, "=x", said="Write 1 to 12 of these characters"))
    notebook.assert_shortcuts_stay_away(strip)
