"""Fixtures of the browser tests: one Chromium; one JupyterLab and its page; a page per test.

Where CRNN_SCREENSHOTS names a folder, each test leaves there what its page showed in the end.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from browser.harness import ARGUMENTS, PATIENCE, Lab, Watch, find_chromium


def pytest_collection_modifyitems(items):
    here = f"{Path(__file__).parent}{os.sep}"
    for item in items:
        if str(item.path).startswith(here):  # hooks see the items of all folders
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    folder, chromium = os.environ.get("CRNN_SCREENSHOTS"), item.funcargs.get("chromium")
    if folder and chromium and call.when == "call":  # pages are closed after it
        pages = [page for context in chromium.contexts for page in context.pages]
        name = re.sub(r"[^\w.-]+", "_", f"{item.path.stem}-{item.name}")
        if pages:
            pages[-1].screenshot(path=Path(folder) / f"{name}.png")
    return report


# Of this package, not of the session: Playwright's event loop must not run under other tests.
@pytest.fixture(scope="package")
def chromium():
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="the browser tests need playwright: pip install playwright"
    )
    path = find_chromium()
    if path is None:
        pytest.skip("the browser tests need Chromium or Chrome on the PATH")
    sync_api.expect.set_options(timeout=300_000)  # ends what hangs; a busy machine is slow
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def lab(tmp_path_factory):
    pytest.importorskip("jupyterlab", reason="this test needs JupyterLab: pip install jupyterlab")
    with Lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="package")
def watched_page(chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 1400})
    context.add_init_script(PATIENCE)
    page = context.new_page()
    yield page, Watch(page)
    context.close()


@pytest.fixture(scope="module")
def lab_page(watched_page):
    """The page of all tests in JupyterLab; each file hears of its own complaints."""
    page, watch = watched_page
    watch.errors.clear()
    watch.outside.clear()
    yield page
    watch.assert_clean()


@pytest.fixture
def show(chromium, tmp_path):
    """A function that writes HTML to a file and opens it, offline; it returns the page."""
    opened = []

    def show(*parts: str, offline: bool = True, **options):
        context = chromium.new_context(viewport={"width": 960, "height": 1100}, **options)
        context.set_offline(offline)
        page = context.new_page()
        opened.append((context, Watch(page)))
        path = tmp_path / f"page{len(opened)}.html"
        path.write_text("<!doctype html><meta charset='utf-8'>" + "".join(parts), encoding="utf-8")
        page.goto(path.as_uri())
        return page

    yield show
    for context, watch in opened:
        context.close()
        watch.assert_clean()
