"""The book's pages in a browser, from a disk: how soon they are there, and how fast a pad reads.

    python benchmarks/in_page.py                    of the book that make book made
    python benchmarks/in_page.py --book FOLDER

A mouse writes lines on the pads of notebooks 12 and 10 as fast as a screen follows a hand. Each
point that it adds is timed, from the pointer's event to the posteriors and text of the first
reading that knows it, and to the next frame of the screen, where the eye sees them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from table import markdown_table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "widgets")]
from browser.harness import ARGUMENTS, find_chromium  # noqa: E402
from written_lines import numbers, strokes_of  # noqa: E402

BOOK = ROOT / "book" / "_build" / "html"
SEED, TICK = 500, 1 / 60  # seconds between two places of the pointer


@dataclass(frozen=True)
class Sheet:
    """Where one writes: its page, what is written on, what is painted anew by each reading."""

    page: str
    sheet: str
    painted: str
    clear: str
    lines: Callable[[], list]


PAD = (".pad canvas.ink", ".pad .heat canvas", "clear the pad")
MACHINE = (".machine canvas.sheet-ink", ".machine .said", "Write your own")
SHEETS = {
    "crnn-photos on the pad": Sheet("notebooks/12_read_your_own.html", *PAD, lambda: digits()),
    "crnn-photos in the machine": Sheet("index.html", *MACHINE, lambda: digits()),
    "crnn-words on the pad": Sheet("notebooks/10_letters_and_words.html", *PAD, lambda: words()),
}
PATIENCE = 60_000  # ms
VIEW = {"width": 1280, "height": 900}
OPENED = ("index.html", "notebooks/04_the_ctc_loss.html", "notebooks/12_read_your_own.html")

# Notes when each place of the pointer came, when a reading began and when it was shown: posteriors
# are painted once for each reading, on a canvas that gets its width anew; the machine says a text.
WATCH = """(painted) => {
    const seen = { points: [], readings: [], waits: [], network: [] };
    let waiting = [], running = [], began = 0;
    addEventListener("pointermove", (event) => {
        if (event.buttons) waiting.push(event.timeStamp);
    }, true);
    const session = ort.InferenceSession.prototype, run = session.run;
    session.run = async function (...given) {
        [running, waiting, began] = [[...running, ...waiting], [], performance.now()];
        const found = await run.apply(this, given);
        seen.network.push(performance.now() - began);
        return found;
    };
    new MutationObserver(() => {
        const shown = performance.now(), done = running;
        running = [];
        seen.readings.push(shown);
        seen.points.push(...done.map((came) => shown - came));
        requestAnimationFrame(() => {
            const now = performance.now();
            seen.waits.push(...done.map((came) => now - came));
        });
    }).observe(document.querySelector(painted), { attributeFilter: ["width"], childList: true });
    globalThis.crnnSeen = seen;
}"""


def digits(count: int = 4) -> list[list[dict]]:
    """Lines of one to eight digits."""
    return [strokes for _, strokes in numbers(count, SEED)]


def words() -> list[list[dict]]:
    """Lines of seven letters."""
    return [strokes_of(word, SEED, book="letters") for word in ("library", "network")]


def write(page, sheet: str, strokes: list[dict]) -> float:
    """Write with the mouse, a place each tick; return the seconds in which the button was down."""
    box, down = page.locator(sheet).bounding_box(), 0.0
    zoom = box["width"] / 720
    for stroke in strokes:
        places = [(box["x"] + zoom * x, box["y"] + zoom * y) for x, y in stroke["points"]]
        page.mouse.move(*places[0])
        page.mouse.down()
        begun = due = time.perf_counter()
        for place in places[1:]:
            page.mouse.move(*place)
            due = max(due + TICK, time.perf_counter())
            time.sleep(due - time.perf_counter() if due > time.perf_counter() else 0)
        down += time.perf_counter() - begun
        page.mouse.up()
    return down


def time_reading(browser, book: Path, name: str) -> list[list[object]]:
    """Rows about one place where one writes and is read."""
    where = SHEETS[name]
    page = browser.new_page(viewport=VIEW)
    page.set_default_timeout(PATIENCE)
    page.goto((book / where.page).as_uri())
    page.locator(where.sheet).scroll_into_view_if_needed()
    begun = time.perf_counter()
    write(page, where.sheet, [{"points": [[300, 40 + 10 * k] for k in range(16)]}])
    page.wait_for_function("globalThis.ort && !document.querySelector('.machine.idle, .pad .none')")
    first = time.perf_counter() - begun
    page.evaluate(WATCH, where.painted)
    clear, down = page.get_by_role("button", name=where.clear), 0.0
    readings = 0
    for strokes in where.lines():
        clear.click()
        page.locator(where.sheet).scroll_into_view_if_needed()
        before = page.evaluate("crnnSeen.readings.length")
        down += write(page, where.sheet, strokes)
        readings += page.evaluate("crnnSeen.readings.length") - before
    seen = page.evaluate("crnnSeen")
    page.close()
    return [
        [f"{name}: first touch to first text, with all that is loaded for it", f"{first:.1f} s", 1],
        [f"{name}: pointer to text", *spread(seen["points"])],
        [f"{name}: pointer to the next frame of the screen", *spread(seen["waits"])],
        [f"{name}: the network alone", *spread(seen["network"])],
        [f"{name}: readings in a second of writing", f"{readings / down:.0f}", readings],
    ]


def spread(times: list[float]) -> tuple[str, int]:
    """Median and 95th percentile of milliseconds, and how many there are."""
    cuts = statistics.quantiles(times, n=20)
    return f"{statistics.median(times):.0f} ms, 95 %: {cuts[-1]:.0f} ms", len(times)


def time_pages(browser, book: Path, repeats: int = 5) -> list[list[object]]:
    """Rows about how soon pages are painted, and the machine of the front page is alive."""
    rows, alive = [], []
    for place in OPENED:
        painted = []
        for _ in range(repeats):
            page = browser.new_page(viewport=VIEW)
            page.set_default_timeout(PATIENCE)
            page.goto((book / place).as_uri())
            painted.append(
                page.evaluate(
                    """() => new Promise((done) => new PerformanceObserver((list) => {
                        for (const { name, startTime } of list.getEntries()) {
                            if (name === "first-contentful-paint") done(startTime);
                        }
                    }).observe({ type: "paint", buffered: true }))"""
                )
            )
            if place == "index.html":
                alive.append(page.evaluate(ALIVE))
            page.close()
        rows.append([f"{place}: first paint", *spread(painted)])
    rows.append(["the front page's machine is drawn and can be touched", *spread(alive)])
    return rows


# The machine has drawn its last stage: when, since the page was asked for.
ALIVE = """() => new Promise((done) => {
    const look = () => {
        const last = document.querySelector(".machine canvas.of-text");
        if (last?.getAttribute("aria-valuetext")) done(performance.now());
        else requestAnimationFrame(look);
    };
    look();
})"""


def run(book: Path = BOOK) -> str:
    if not (book / "_static" / "reading" / "here.js").is_file():
        raise SystemExit(f"{book} holds no book with a runtime. Run: make book")
    from playwright.sync_api import sync_playwright

    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("The pages are timed in Chromium or Chrome; there is none on the PATH.")
    before = os.getloadavg()[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        rows = time_pages(browser, book)
        for name in SHEETS:
            rows += time_reading(browser, book, name)
        browser.close()
    after = os.getloadavg()[0]
    return (
        "## In the page\n\nChromium, the book opened from a disk, one thread, no graphics "
        f"processor; seed {SEED}. Load of the machine's {os.cpu_count()} cores meanwhile: "
        f"{before:.1f} to {after:.1f}.\n\n" + markdown_table(["", "time", "n"], rows)
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--book", type=Path, default=BOOK, help="a folder that make book made")
    print(run(parser.parse_args().book.resolve()))
