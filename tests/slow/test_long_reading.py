"""The reader over 100,000 lines (500 in ``make test``): memory stays flat, and so do answers."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import CRNN, CRNNConfig, shipped_models
from crnn_lib.photos import Reader
from slow.figures import record
from slow.trials import CASES, FULL, MEGABYTE, MINUTES, resident, start_method

LINES = int(os.environ.get("CRNN_LINES", 10 * CASES))
PAGES, ROWS, TALL = 40, 12, 26  # files; lines on each; pixels from one line to the next
EVERY = 50 if CASES >= FULL else 4  # pages from one look at the memory to the next
SETTLED = 0.2  # of the run is over before the slope is measured: buffers have found their size
STEEPEST = 100  # bytes a line: 10 MB in 100,000 lines
MOST_GROWN = 250 * MEGABYTE  # and never more than this above the first look
WINDOWS = 8  # of the run, each with its least look: what a batch needs comes and goes


def write_pages(folder: Path) -> list[str]:
    """Pages of small lines, each with other digits and another width; one file is no image."""
    generator = torch.Generator().manual_seed(0)
    style = LineStyle(length=(1, 4))
    lines = compose_lines(load_glyphs("pen", "test", count=300), PAGES * ROWS, style, generator)
    paths = []
    for number in range(PAGES):
        page = np.full((ROWS * TALL + 10, 90 + number), 0.85, np.float32)
        for row in range(ROWS):
            n = number * ROWS + row
            ink = Image.fromarray(lines.images[n, 0, :, : lines.widths[n]].numpy())
            ink = np.asarray(ink.resize((min(ink.width // 2, page.shape[1] - 12), 16)))
            page[row * TALL + 8 : row * TALL + 24, 6 : 6 + ink.shape[1]] -= 0.6 * ink
        paths.append(str(folder / f"page{number}.png"))
        Image.fromarray(np.round(255 * page.clip(0, 1)).astype(np.uint8)).save(paths[-1])
    broken = folder / "broken.png"
    broken.write_bytes(Path(paths[0]).read_bytes()[:300])
    return [*paths, str(broken)]


def read_on(folder: str, wanted: int, results) -> None:
    """Read until so many lines are read; tell how much memory that took on the way."""
    torch.set_num_threads(1)
    pages = write_pages(Path(folder))
    if wanted >= 100_000 and "crnn-photos" in shipped_models():
        reader, network = Reader.pretrained(fills=(0.72,)), "crnn-photos"
    else:
        torch.manual_seed(0)
        tiny = CRNNConfig(channels=(4, 8), strides=((2, 2), (2, 2)), hidden=8)
        reader, network = Reader(CRNN(tiny), fills=(0.72,)), "an untrained network"
    once = {row.path: row.text for row in reader.read_many(pages)}
    each = sum(len(row.readings) for row in reader.read_many(pages))
    rounds = -(-wanted // each)
    lines, looks = 0, []
    started, begun = time.process_time(), time.monotonic()
    for number, row in enumerate(reader.read_many(pages * rounds)):
        assert row.text == once[row.path], "the same page reads otherwise"
        assert (row.error is None) == (not row.path.endswith("broken.png"))
        lines += len(row.readings)
        if number % EVERY == 0:
            looks.append((lines, resident()))
        if number % 400 == 0:
            print(lines, "lines,", resident() // MEGABYTE, "MB", flush=True)
        if time.monotonic() - begun > 60 * MINUTES:
            break
    looks.append((lines, resident()))
    results.send((lines, looks, time.process_time() - started, network))


@pytest.mark.timeout(3 * 3600)
def test_memory_stays_flat_over_many_lines(tmp_path):
    context = start_method()
    ours, theirs = context.Pipe()
    process = context.Process(target=read_on, args=(str(tmp_path), LINES, theirs), daemon=True)
    process.start()
    theirs.close()
    lines, looks, seconds, network = ours.recv()
    process.join(60)
    assert lines >= LINES or MINUTES < 1e9
    settled = [(n, memory) for n, memory in looks if n >= SETTLED * lines]
    slope = slope_of(floors(settled))
    grown = max(memory for _, memory in looks) - looks[0][1]
    assert grown < MOST_GROWN
    if lines >= 100_000:  # over fewer lines the slope is that of the allocator's moods
        assert slope < STEEPEST, f"{slope:.0f} bytes more with each line"
    figures = {
        "lines": lines,
        "network": network,
        "bytes_per_line": round(slope, 1),
        "megabytes_grown": round(grown / MEGABYTE, 1),
        "megabytes_at_the_end": round(looks[-1][1] / MEGABYTE),
        "cpu_milliseconds_per_line": round(1000 * seconds / lines, 2),
    }
    record("reading", "lines", figures)


def floors(looks: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The least look of each window, at the window's end."""
    size = -(-len(looks) // WINDOWS)
    windows = [looks[k : k + size] for k in range(0, len(looks), size)]
    return [(window[-1][0], min(memory for _, memory in window)) for window in windows]


def slope_of(looks: list[tuple[int, int]]) -> float:
    """Bytes per line, by least squares."""
    lines, memory = np.array(looks, float).T
    return float(np.polyfit(lines - lines.mean(), memory, 1)[0])


def test_a_leak_would_be_seen_among_what_comes_and_goes():
    draw = np.random.default_rng(0)
    lines = np.arange(20_000, 100_000, 600)
    in_use = 5e8 + draw.exponential(20 * MEGABYTE, len(lines)) * (draw.random(len(lines)) < 0.7)
    assert abs(slope_of(floors([*zip(lines, in_use, strict=True)]))) < STEEPEST
    assert slope_of(floors([*zip(lines, in_use + 150 * lines, strict=True)])) > STEEPEST
