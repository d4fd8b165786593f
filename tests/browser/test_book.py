"""The book in a real browser: from a disk and from a server, with nothing from anywhere else."""

from __future__ import annotations

import functools
import http.server
import re
import threading

import pytest
from books import book_folder, built_book

from browser.harness import LIMIT, Watch, assert_fits

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright")
expect = sync_api.expect


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return built_book(book_folder(tmp_path_factory))[1]


@pytest.fixture(scope="module")
def server(book):
    handler = functools.partial(Quiet, directory=str(book))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture
def browse(chromium, book):
    """A function that opens a page of the book, from the disk unless a server is named."""
    opened = []

    def browse(name: str, server: str = "", **options):
        context = chromium.new_context(viewport={"width": 1280, "height": 1000}, **options)
        context.set_offline(not server)
        page = context.new_page()
        page.set_default_timeout(1000 * LIMIT)
        opened.append((context, Watch(page)))
        page.goto(f"{server}{name}" if server else f"{book.as_uri()}/{name}")
        return page

    yield browse
    for context, watch in opened:
        context.close()
        watch.assert_clean()


def assert_alive(page, name):
    """Each explorer has taken its place, each image is there, and nothing is cut off."""
    state = page.evaluate(
        """() => ({
            dead: document.querySelectorAll("[data-explorer]:not([data-alive])").length,
            empty: [...document.querySelectorAll("[data-explorer]")]
                .filter((e) => !e.querySelector(".crnn-explorer")).length,
            lost: [...document.images].filter((i) => i.currentSrc && i.complete && !i.naturalWidth)
                .map((i) => i.currentSrc),
            wordless: [...document.images].filter((i) => i.checkVisibility() && !i.alt.trim())
                .map((i) => i.currentSrc),
        })"""
    )
    assert state == {"dead": 0, "empty": 0, "lost": [], "wordless": []}, name
    assert_fits(page, name)


@pytest.mark.timeout(900)  # on a busy machine
@pytest.mark.parametrize("way, width", [("disk", 1280), ("server", 420)])
def test_every_page_stands_alone(browse, book, server, way, width):
    names = [path.relative_to(book).as_posix() for path in sorted(book.rglob("*.html"))]
    base = server if way == "server" else f"{book.as_uri()}/"
    page = browse("index.html", server if way == "server" else "")
    page.set_viewport_size({"width": width, "height": 900})
    for name in names:
        page.goto(base + name)
        assert_alive(page, name)
    assert len(names) > 12


EXPLORERS = [  # page, kind, role and name of a part, what to do with it, and what is said where
    ("index", "frozen", "slider", "spacing", "fill 24", ".status", "Spacing 0.60"),
    ("00_start_here", "frozen", "slider", "spacing", "press Home", ".status", "Spacing −0.60"),
    ("01_why_not_cut", "touch", "slider", "spacing", "press Home", ".status", "Spacing −0.39"),
    ("02_sliding_windows_and_rnns", "window", "slider", "stride", "press End", ".status", "Frame"),
    ("03_collapsing_alignments", "collapse", "textbox", "alignment", "fill 77-7", ".label", "77"),
    ("04_the_ctc_loss", "lattice", "textbox", "label", "fill aa", ".verdict", "0.04"),
    ("07_beam_search", "beam", "slider", "beam width", "press Home", ".status", "1 prefix"),
    ("08_language_and_constraints", "fusion", "slider", "weight", "press End", ".status", "2.00"),
    ("09_where_and_how_sure", "where", "slider", "character", "press Home", ".status", "0, 3"),
]


@pytest.mark.parametrize("name, kind, role, part, deed, place, said", EXPLORERS)
def test_explorer_answers_without_a_kernel(browse, name, kind, role, part, deed, place, said):
    page = browse(f"{name}.html" if name == "index" else f"notebooks/{name}.html")
    explorer = page.locator(f".crnn-explorer.{kind}").first
    answer = explorer.locator(place).first
    before = answer.text_content()
    how, value = deed.split()
    control = explorer.get_by_role(role, name=part).first
    getattr(control, how)(value)
    expect(answer).to_contain_text(said)
    assert answer.text_content() != before

    # and with the mouse: a slider is clicked elsewhere, beside a text field the first button
    if role == "textbox":
        answer = explorer  # the button may show something else than the label
    said_last = answer.text_content()
    if role == "slider":
        box = control.bounding_box()
        far = 0.8 if control.get_attribute("aria-valuenow") == "0" else 0.3
        control.click(position={"x": far * box["width"], "y": box["height"] / 2})
    else:
        explorer.get_by_role("button", disabled=False).first.click()
    expect(answer).not_to_have_text(said_last)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_film_is_scrubbed_and_played_without_a_kernel(browse, width):
    """By mouse: the slider, the loss, the buttons. By keys: arrows, Home, End, Enter, Space."""
    page = browse("notebooks/06_the_crnn.html")
    page.set_viewport_size({"width": width, "height": 1000})
    film = page.locator(".crnn-explorer.film")
    status, read = film.locator(".status"), film.locator(".read")
    slider = film.get_by_role("slider", name="moment", exact=True)
    curve = film.get_by_role("slider", name="moment on the curve of the loss")
    last = int(slider.get_attribute("max"))

    def moment():
        number = int(slider.input_value())
        assert curve.get_attribute("aria-valuenow") == str(number)
        step = slider.get_attribute("aria-valuetext")  # "step 60"
        expect(status).to_contain_text(re.compile(f"^After {step[5:]} steps? the loss"))
        assert curve.get_attribute("aria-valuetext").startswith(f"{step}, loss ")
        return number

    def pull(control, start, end):
        """From one share of the width to another, with the button down."""
        control.scroll_into_view_if_needed()
        control.hover()  # waits until it stands still
        box = control.bounding_box()
        at = [
            (box["x"] + share * box["width"], box["y"] + box["height"] / 2)
            for share in (start, end)
        ]
        page.mouse.move(*at[0])
        page.mouse.down()
        page.mouse.move(*at[1], steps=5)
        page.mouse.up()

    for control in (slider, curve):
        pull(control, 0.1, 0.5)
        assert abs(moment() - last / 2) <= 0.05 * last
        halfway = status.text_content()
        pull(control, 0.5, 1.2)  # beyond the end
        assert moment() == last
        expect(read).to_have_class(re.compile("right"))
        assert status.text_content() != halfway

    for control in (slider, curve):
        control.press("Home")
        assert moment() == 0
        for key, there in (("ArrowRight", 1), ("ArrowUp", 2), ("ArrowLeft", 1), ("End", last)):
            control.press(key)
            assert moment() == there, key

    curve.press("Home")
    film.get_by_role("button", name="play", exact=True).click()
    expect(slider).not_to_have_value("0")
    film.get_by_role("button", name="pause").press("Space")
    stopped = moment()
    film.get_by_role("button", name="play", exact=True).press("Enter")
    expect(slider).not_to_have_value(str(stopped))
    curve.press("End")  # whoever takes hold of it stops the film
    expect(film.get_by_role("button", name="play", exact=True)).to_be_visible()
    assert moment() == last

    film.get_by_role("button", name="all blank").click()
    expect(read).to_have_text("nothing")
    canvas = film.locator(".paper canvas").bounding_box()
    assert canvas["height"] <= 260 and film.bounding_box()["width"] <= width


def test_a_question_is_answered_without_a_kernel(browse):
    card = browse("notebooks/03_collapsing_alignments.html").locator(".crnn-quiz").first
    for step, letter in enumerate("cb"):
        card.locator("fieldset").nth(step).locator(f"input[value={letter}]").check()
    card.get_by_role("button", name="Check answer and reason").click()
    expect(card.locator(".reply")).to_contain_text("Right, and for the right reason.")


def test_the_drawing_pad_reads_without_a_kernel(browse):
    pad = browse("notebooks/12_read_your_own.html").locator(".crnn-explorer.pad.here")
    expect(pad).to_contain_text("The network reads")


def test_dark_and_light(browse):
    page = browse("notebooks/03_collapsing_alignments.html", color_scheme="dark")
    html, explorer = page.locator("html"), page.locator(".crnn-explorer").first
    expect(html).to_have_attribute("data-theme", "dark")
    expect(explorer).to_have_attribute("data-theme", "dark")
    figure = page.locator(".cell_output img").first
    assert figure.evaluate("(i) => getComputedStyle(i).backgroundColor") == "rgb(255, 255, 255)"
    page.locator(".theme-switch-button").first.click()
    page.locator(".theme-change-button[data-mode=light]").first.click()
    expect(html).to_have_attribute("data-theme", "light")
    expect(explorer).to_have_attribute("data-theme", "light")
    page.wait_for_timeout(1000)  # Chromium keeps what a page stores a little later, elsewhere
    page.reload()
    expect(html).to_have_attribute("data-theme", "light")


def test_paper_is_light(browse):
    page = browse("notebooks/03_collapsing_alignments.html", color_scheme="dark")
    for media, theme in (("print", "light"), ("screen", "dark")):
        page.emulate_media(media=media)
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        expect(page.locator(".crnn-explorer").first).to_have_attribute("data-theme", theme)


@pytest.mark.parametrize("way", ["disk", "server"])
def test_search(browse, server, way):
    page = browse("notebooks/00_start_here.html", server if way == "server" else "")
    page.keyboard.press("Control+k")
    page.locator("#pst-search-dialog input").fill("plateau")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"search\.html\?q=plateau"))
    links = page.locator("#search-results li a")
    expect(links.filter(has_text="Glossary").first).to_be_visible()
    # from a disk as well: with the words around those that were found
    expect(page.locator("#search-results .context").first).to_contain_text(
        re.compile("plateau", re.I)
    )
    links.filter(has_text="Glossary").first.click()
    page.wait_for_url(re.compile(r"glossary\.html"))


def test_the_launch_menu_opens_on_notebooks_alone(browse):
    page = browse("notebooks/05_lines_from_emnist.html")
    page.locator(".dropdown-launch-buttons button").click()
    menu = page.locator(".dropdown-launch-buttons .dropdown-menu")
    expect(menu.locator("a")).to_have_text(
        [re.compile(name) for name in ("Colab", "Binder", "Kaggle")]
    )
    for link in menu.locator("a").all():
        expect(link).to_be_visible()
        assert "05_lines_from_emnist.ipynb" in link.get_attribute("href")
    assert browse("book/glossary.html").locator(".dropdown-launch-buttons").count() == 0


def test_formulas_are_drawn_from_the_book_itself(browse, book):
    if not (book / "_static" / "mathjax").is_dir():
        pytest.skip("the book was built without MathJax")
    probe = book / "probe.html"  # no page of the series has a formula that must stay
    script = "_static/mathjax/tex-svg.js"
    probe.write_text(f"<!doctype html><p>\\(e^{{-1}}\\)</p><script src='{script}'></script>")
    try:
        expect(browse("probe.html").locator("mjx-container svg")).to_be_visible()
    finally:
        probe.unlink()


def test_the_first_page_is_light_and_alive(browse, server):
    page = browse("index.html", server)
    page.wait_for_load_state("load")
    kinds = "['navigation', 'resource'].flatMap((k) => performance.getEntriesByType(k))"
    size = page.evaluate(f"{kinds}.reduce((sum, one) => sum + one.decodedBodySize, 0)")
    assert size <= 4_000_000
    assert page.locator(".crnn-explorer.frozen canvas").first.is_visible()
