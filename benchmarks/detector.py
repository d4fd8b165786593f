"""How many written numbers the detector finds on composed pages, and what else it takes for such.

    python benchmarks/detector.py                             the weights that ship
    python benchmarks/detector.py --weights mine.safetensors --pages 40

The pages' seed and people are in no training. A number is found if a region of the kind "number"
covers it with an intersection over union of at least 0.5. A region is false if it finds none.
Numbers of which a part is beyond the photo's border count in neither.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from table import markdown_table

from crnn_lib.evaluation import wilson_interval
from crnn_lib.handwriting.pages import PageBatch, PageStyle, compose_pages
from crnn_lib.models import Detector, load_detector
from crnn_lib.photos import find_on_grey

SEED, ENOUGH, WHOLE = 20_261, 0.5, 0.95
SIZES = {384: 150, 1000: 30}  # pixels of a page's side: how many such pages


def area(polygon) -> float:
    """Of a polygon (M, 2)."""
    x, y = np.asarray(polygon).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def common_area(one: np.ndarray, other: np.ndarray) -> float:
    """Of two convex polygons with corners clockwise (Sutherland and Hodgman, 1974)."""
    part = [tuple(point) for point in one]
    for a, b in zip(other, np.roll(other, -1, 0), strict=True):
        kept = []
        for p, q in zip(part, part[1:] + part[:1], strict=True):
            p_side, q_side = (
                (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) for x, y in (p, q)
            )
            if p_side >= 0:
                kept.append(p)
            if p_side * q_side < 0:
                t = p_side / (p_side - q_side)
                kept.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
        part = kept
        if not part:
            return 0.0
    return area(part)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    both = common_area(one, other)
    return both / max(area(one) + area(other) - both, 1e-9)


def count_lines(pages: PageBatch, detector: Detector) -> dict[str, np.ndarray]:
    """Numbers written, found, regions said, and false ones, for each layout."""
    counts: dict[str, np.ndarray] = {}
    for image, rows, layout in zip(pages.images[:, 0], pages.rows, pages.layouts, strict=True):
        regions = [
            r.corners() for r in find_on_grey(image.numpy(), detector)[0] if r.kind == "number"
        ]
        written = [line for line in rows if line.kind == "number"]
        whole = [line.corners for line in written if line.visible >= WHOLE]
        cut = [line.corners for line in written if line.visible < WHOLE]
        found, good = 0, set()
        for corners in whole:
            shares = [overlap(corners, region) for region in regions]
            if shares and max(shares) >= ENOUGH:
                found += 1
                good.add(int(np.argmax(shares)))
        others = [region for n, region in enumerate(regions) if n not in good]
        false = sum(
            all(common_area(c, region) < 0.2 * area(region) for c in cut) for region in others
        )
        counts.setdefault(layout, np.zeros(4, int))
        counts[layout] += (len(whole), found, len(good) + false, false)
    return counts


def share(part: int, whole: int) -> str:
    if not whole:
        return "-"
    low, high = wilson_interval(part, whole)
    return f"{100 * part / whole:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def megapixel_seconds(detector: Detector, repeats: int = 7) -> float:
    """CPU seconds for a page of a megapixel, the median."""
    page, seconds = torch.rand(1, 1, 1000, 1000), []
    with torch.inference_mode():
        for _ in range(repeats):
            started = time.process_time()
            detector(page)
            seconds.append(time.process_time() - started)
    return float(np.median(seconds))


def run(weights: str = "page-detector", pages: int | None = None) -> str:
    torch.set_num_threads(1)
    detector = load_detector(weights)
    header = ("pages", "numbers", "found at IoU 0.5", "false of all that was found")
    rows, layouts = [], []
    for side, count in SIZES.items():
        count = pages or count
        generator = torch.Generator().manual_seed(SEED)
        batch = compose_pages(count, PageStyle(split="test"), generator, (side, side))
        counts = count_lines(batch, detector)
        written, found, said, false = sum(counts.values())
        name = f"{count} of {side} x {side}"
        rows.append((name, written, share(found, written), share(false, said)))
        if side == min(SIZES):
            layouts = [
                (name, n[0], share(n[1], n[0]), share(n[3], n[2]))
                for name, n in sorted(counts.items())
            ]
    return f"""## Finding numbers on pages

`{weights}` on composed pages (`PageStyle(split="test")`, seed {SEED}), with 95 % intervals. A page
of a megapixel takes {1000 * megapixel_seconds(detector):.0f} ms of one core.

{markdown_table(header, rows)}

By layout, on the smaller pages:

{markdown_table(("layout", *header[1:]), layouts)}
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="page-detector", metavar="NAME_OR_FILE")
    parser.add_argument("--pages", type=int, metavar="N", help="of each size")
    options = parser.parse_args()
    print(run(options.weights, options.pages))
