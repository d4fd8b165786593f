"""Whole pages: lines found and read, drawn faults, and the time and memory that a photo takes.

    python benchmarks/pages.py                    all of it
    python benchmarks/pages.py faults --count 2   the drawn faults alone, two variants of each
    python benchmarks/pages.py time

Composed pages and faults come from seeds that trained nothing and that no threshold was chosen on.
The variants of thin large digits and of turned pages were looked at while their faults were mended.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from table import markdown_table

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))  # where the faults are drawn
from drawn_faults import KINDS, Sheet, cases, rows_read
from drawn_maps import common

from crnn_lib import Reader
from crnn_lib.evaluation import wilson_interval
from crnn_lib.handwriting import TEXTLESS, lines_without_text
from crnn_lib.handwriting.pages import PageStyle, compose_pages
from crnn_lib.handwriting.paper import PaperStyle, photograph
from crnn_lib.photos import ImageError, find_regions
from crnn_lib.training import seeded_generator

SEED, PAGES, SIZE, VARIANTS, NOTHING = 4202, 100, (1024, 1024), 20, 2000
SAME = 0.5  # intersection over union from which a region is a line's
MEGAPIXELS = (1, 4, 12, 25, 50)
TOUCHED = 0.15  # from which a region has to do with a line at all
HIGH = 16  # pixels: lower numbers, blurred and with noise, nobody reads for certain
LINES = (10, 50, 100, 200)
REPEATS = 5


def read(reader: Reader, page) -> list:
    try:
        return reader.read_page(page)
    except ImageError:
        return []


def read_composed(reader: Reader, count: int = PAGES) -> str:
    """Numbers of composed pages that are found and read, and what else is read for such."""
    batch = compose_pages(count, PageStyle(split="test"), seeded_generator(SEED, 1), SIZE)
    total = found = right = regions_ = apart = said = false = sure = 0
    high = found_high = right_high = 0
    for image, lines in zip(batch.images[:, 0].numpy(), batch.rows, strict=True):
        regions = [r for r in find_regions(image, reader.detector) if r.kind == "number"]
        readings = [reading for reading in read(reader, image) if reading.text]
        numbers = [line for line in lines if line.kind == "number"]
        for line in numbers:
            if line.visible < 0.95:
                continue
            digits = "".join(character for character in line.text if character.isdigit())
            is_found = any(common(r.corners(), line.corners) >= SAME for r in regions)
            is_right = any(r.text == digits and covers(r, line) for r in readings)
            total, found, right = total + 1, found + is_found, right + is_right
            if np.hypot(*(line.corners[3] - line.corners[0])) >= HIGH:
                high, found_high = high + 1, found_high + is_found
                right_high += is_right
        regions_ += len(regions)
        apart += sum(
            all(common(r.corners(), line.corners) < TOUCHED for line in numbers) for r in regions
        )
        nowhere = [r for r in readings if not any(covers(r, line) for line in numbers)]
        said, false = said + len(readings), false + len(nowhere)
        sure += sum(r.confidence >= 0.5 for r in nowhere)
    rows = [
        ("numbers found", *share(found, total)),
        ("numbers read without a mistake", *share(right, total)),
        (f"numbers at least {HIGH} pixels high, found", *share(found_high, high)),
        ("these read without a mistake", *share(right_high, high)),
        ("regions where no number is", *share(apart, regions_)),
        ("readings where no number is", *share(false, said)),
        ("such readings with confidence 0.5 or more", *share(sure, said)),
    ]
    table = markdown_table(["", "share", "95 % interval", "n"], rows)
    return f"{count} composed pages of {SIZE[1]} x {SIZE[0]} pixels, seed {SEED}.\n\n{table}"


def covers(reading, line) -> bool:
    """Whether what was read is about where a line stands: its image is higher than the line."""
    return common(reading.line.corners(), line.corners) >= TOUCHED


def share(part: int, whole: int) -> tuple[str, str, int]:
    low, high = wilson_interval(part, whole) if whole else (0.0, 1.0)
    return f"{part / max(whole, 1):.1%}", f"{low:.1%} to {high:.1%}", whole


def read_faults(reader: Reader, count: int = VARIANTS) -> str:
    """How many variants of each drawn fault are read without a mistake."""
    rows, right = [], 0
    for kind in KINDS:
        hits = sum(rows_read(read(reader, page)) == rows_ for _, page, rows_ in cases(kind, count))
        rows.append((kind, f"{hits} of {count}"))
        right += hits
        print(*rows[-1], sep="\t", file=sys.stderr, flush=True)
    rows.append(("**all**", f"**{right} of {count * len(KINDS)}**"))
    return "Pages of which every row is right, and none is read that is not there.\n\n" + (
        markdown_table(["drawn fault", "right"], rows)
    )


def read_nothing(reader: Reader, count: int = NOTHING) -> str:
    """How often a number is read on crops that hold none: words, print, shapes, textures."""
    rows, sure, said, total = [], 0, 0, 0
    for n, (kind, share_) in enumerate(TEXTLESS.items()):
        lines = lines_without_text(
            round(count * share_), seeded_generator(SEED, 10 + n), height=64, kinds=kind
        )
        photos = photograph(lines, PaperStyle.photo(), seeded_generator(SEED, 20 + n))
        crops = [
            image[0, :, :width].numpy()
            for image, width in zip(photos.images, photos.widths.tolist(), strict=True)
        ]
        readings = [reading for crop in crops for reading in read(reader, crop) if reading.text]
        high = sum(reading.confidence >= 0.5 for reading in readings)
        rows.append((kind, f"{len(readings)}", f"{high}", len(crops)))
        said, sure, total = said + len(readings), sure + high, total + len(crops)
    rows.append(("**all**", f"**{said}**", f"**{share(sure, total)[0]}**", total))
    header = ["crops without a number", "read as one", "with confidence 0.5 or more", "n"]
    return f"Photographed crops on which no number stands.\n\n{markdown_table(header, rows)}"


def page_of(lines: int, height: int = 900, width: int = 1200) -> np.ndarray:
    """A page with so many numbers, in as many columns as they need."""
    sheet = Sheet(np.random.default_rng(SEED), width, height)
    across = max(round((lines / 10) ** 0.5), 1)
    down = -(-lines // across)
    high = int(min(40, 0.45 * height / down))
    for n in range(lines):
        x, y = width * (n % across + 0.15) / across, height * (n // across + 0.6) / (down + 0.5)
        sheet.write(sheet.digits(3, 6), x, y, high)
    return np.asarray(sheet.image)


def seconds(run: Callable, repeats: int = REPEATS) -> float:
    """Processor time, of one thread: the median of some."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times)


def measure_time(reader: Reader) -> str:
    """A crop, a page, and how the time grows with a photo's pixels and lines."""
    sheet = Sheet(np.random.default_rng(SEED), 420, 80)
    sheet.write("4829301", 20, 40, 48)
    crop, page = np.asarray(sheet.image), page_of(10)
    single = seconds(lambda: reader.read(crop), 20)
    whole = seconds(lambda: reader.read_page(page))
    rows = [
        ("a crop of seven digits", f"{1000 * single:.0f} ms"),
        ("a page of a megapixel, ten lines", f"{1000 * whole:.0f} ms"),
    ]
    for megapixels in MEGAPIXELS[1:]:
        wide = round((megapixels * 1e6 * 4 / 3) ** 0.5)
        large = Image.fromarray(page).resize((wide, round(0.75 * wide)))
        spent = seconds(lambda large=large: reader.read_page(large), 2)
        rows.append((f"the same page, {megapixels} megapixels", f"{spent / whole:.1f} times that"))
    for lines in LINES[1:]:
        many = page_of(lines)
        spent = seconds(lambda many=many: reader.read_page(many), 2)
        rows.append((f"{lines} lines on a megapixel", f"{spent / whole:.1f} times that"))
    return "Processor time of one thread.\n\n" + markdown_table(["", "time"], rows)


def measure_memory() -> str:
    """The largest memory that a process holds that reads one photo of so many pixels."""
    rows = []
    for megapixels in (1, 50):
        command = [sys.executable, __file__, "one", "--count", str(megapixels)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows.append((f"{megapixels} megapixels", f"{int(said) / 1e6:.0f} MB"))
    return "Largest memory of a process that reads one photo, torch and all.\n\n" + (
        markdown_table(["photo", "memory"], rows)
    )


def read_one(megapixels: int) -> None:
    """Read one photo, and print the largest memory in bytes."""
    wide = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    large = Image.fromarray(page_of(10)).resize((wide, round(0.75 * wide)))
    read(Reader.pretrained(), large)
    print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def run() -> str:
    torch.set_num_threads(1)
    reader = Reader.pretrained()
    parts = [
        read_composed(reader),
        read_faults(reader),
        read_nothing(reader),
        measure_time(reader),
        measure_memory(),
    ]
    return "## Whole pages\n\n" + "\n\n".join(parts)


PARTS = {
    "composed": (read_composed, PAGES),
    "faults": (read_faults, VARIANTS),
    "nothing": (read_nothing, NOTHING),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=(*PARTS, "time", "memory", "one"))
    parser.add_argument("--count", type=int, help="pages, variants of each fault, or crops")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.part == "one":
        read_one(options.count or 1)
    elif options.part == "memory":
        print(measure_memory())
    elif options.part == "time":
        print(measure_time(Reader.pretrained()))
    elif options.part:
        measure, usual = PARTS[options.part]
        print(measure(Reader.pretrained(), options.count or usual))
    else:
        print(run())
