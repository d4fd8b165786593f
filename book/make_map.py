"""Draw book/map.svg: the notebooks of the series, and which one builds on which.

    python book/make_map.py           write it
    python book/make_map.py --check   write nothing; exit 1 if the file is not what this would write

The titles come from the notebooks' first cells. The picture has a background of its own, so it can
be read on a dark page as well as on a light one, and on paper: what an arrow means is said by its
line, not by its colour.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
TARGET = BOOK / "map.svg"
ALT = (
    "A map of the notebooks 00 to 14, with arrows from each to those that build on it. One way "
    "goes from 00 through 01, 02, 03 and 04, the loss, to 07, 08 and 09, searches and how sure a "
    "reading is, and on to 10, words. Another goes from 00 by way of 05, the lines, to 06, the "
    "network, which needs 04 as well, and on to 11 and 12, your own handwriting. Both meet in 14, "
    "the last one."
)

WIDE, HIGH = 274, 62  # of a box
ACROSS, DOWN = 36, 44  # between boxes
MARGIN, FOOT = 26, 56
PAPER, INK, SOFT, BOX = "#fffefa", "#1c1c22", "#55555f", "#f4f1e9"
FONT = "Arial, 'Liberation Sans', 'Helvetica Neue', Roboto, 'Noto Sans', sans-serif"


@dataclass(frozen=True)
class Stop:
    """One notebook on the map.

    Attributes
    ----------
    column, row : int
        Where its box stands.
    about : str
        A few words below the title.
    needs : tuple of str
        Numbers of the notebooks that it builds on, short of those that these build on.
    recalls : tuple of str
        Numbers of notebooks of which a section uses a result.
    """

    column: int
    row: int
    about: str
    needs: tuple[str, ...] = ()
    recalls: tuple[str, ...] = ()


STOPS = {
    "00": Stop(0, 0, "one picture, one fact"),
    "01": Stop(1, 0, "cutting, and where it fails", ("00",)),
    "02": Stop(2, 0, "frames, and a memory", ("01",)),
    "03": Stop(2, 1, "merge repeats, drop blanks", ("02",)),
    "04": Stop(1, 1, "the sum over all alignments", ("03",)),
    "05": Stop(0, 1, "overlap, leakage, true labels", ("00",), ("04",)),
    "06": Stop(0, 2, "shapes, padding, training", ("04", "05")),
    "07": Stop(1, 2, "prefixes and proofs", ("04",), ("06",)),
    "08": Stop(2, 2, "weights, automata, priors", ("07",)),
    "09": Stop(1, 3, "places, confidence, refusal", ("06", "07")),
    "10": Stop(2, 3, "letters, spaces, a lexicon", ("08", "09")),
    "11": Stop(0, 3, "symptoms, cures, ImageNet", ("06",)),
    "12": Stop(0, 4, "from a photo to its text", ("11",), ("09",)),
    "13": Stop(2, 4, "silent bugs and their tests", ("09",)),
    "14": Stop(1, 4, "small models, used well", ("12", "13")),
}


def titles(root: Path = ROOT) -> dict[str, str]:
    """Number -> title of each notebook, as its first cell says it."""
    found = {}
    for path in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
        first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]
        heading = re.search(r"^# (\d\d) · (.+)$", "".join(first), re.MULTILINE)
        if heading is None or heading[1] != path.name[:2]:
            raise ValueError(
                f"{path.name} must begin with the heading '# {path.name[:2]} · Title'."
            )
        found[heading[1]] = heading[2].strip()
    return found


def corner(stop: Stop) -> tuple[int, int]:
    """The upper left corner of a box."""
    return MARGIN + stop.column * (WIDE + ACROSS), MARGIN + stop.row * (HIGH + DOWN)


def arrow(start: Stop, end: Stop, dashed: bool) -> str:
    """An arrow from the border of one box to that of another, straight or slanting."""
    (x0, y0), (x1, y1) = corner(start), corner(end)
    step = (end.column > start.column) - (end.column < start.column)
    if start.row == end.row:  # between neighbours
        x0, x1 = (x0 + WIDE, x1) if step > 0 else (x0, x1 + WIDE)
        y0 = y1 = y0 + HIGH // 2
    else:  # from the lower edge to the upper one, where a slanting one keeps beside an upright one
        x0 += WIDE // 2 + step * WIDE * 3 // 8
        x1 += WIDE // 2 - step * WIDE * 3 // 8
        y0 += HIGH
    style = ' stroke-dasharray="3 6"' if dashed else ""
    return f'<path d="M {x0} {y0} L {x1} {y1}"{style} marker-end="url(#tip)"/>'


def box(number: str, title: str, stop: Stop) -> list[str]:
    """A box with a number, a title and a few words."""
    x, y = corner(stop)
    return [
        f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="8" fill="{BOX}" '
        f'stroke="{INK}" stroke-width="1.5"/>',
        f'<text x="{x + 12}" y="{y + 27}" font-size="16" font-weight="700">{number}</text>',
        f'<text x="{x + 40}" y="{y + 27}" font-size="16" font-weight="600">{escape(title)}</text>',
        f'<text x="{x + 40}" y="{y + 47}" font-size="14" fill="{SOFT}">{escape(stop.about)}</text>',
    ]


def draw(titles: dict[str, str]) -> str:
    """The picture as the text of its file."""
    if titles.keys() != STOPS.keys():
        raise ValueError(
            f"The notebooks are {', '.join(sorted(titles))}, and the map has places for "
            f"{', '.join(sorted(STOPS))}. Add what is missing to STOPS."
        )
    width = 2 * MARGIN + 3 * WIDE + 2 * ACROSS
    rows = 1 + max(stop.row for stop in STOPS.values())
    height = 2 * MARGIN + rows * HIGH + (rows - 1) * DOWN + FOOT
    foot = height - MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-labelledby="title words">',
        '<title id="title">Map of the series</title>',
        f'<desc id="words">{escape(ALT)}</desc>',
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="11" '
        f'markerHeight="11" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M 0 0.5 L 10 5 L 0 9.5 z" fill="{INK}"/></marker></defs>',
        f'<rect x="1" y="1" width="{width - 2}" height="{height - 2}" rx="14" fill="{PAPER}" '
        f'stroke="{SOFT}"/>',
        f'<g fill="none" stroke="{INK}" stroke-width="1.8">',
    ]
    for stop in STOPS.values():
        lines += [arrow(STOPS[number], stop, False) for number in stop.needs]
        lines += [arrow(STOPS[number], stop, True) for number in stop.recalls]
    lines += ["</g>", f'<g font-family="{FONT}" fill="{INK}">']
    for number, stop in STOPS.items():
        lines += box(number, titles[number], stop)
    for x, words in ((MARGIN + 52, "builds on what it teaches"), (360, "uses a result of it")):
        lines.append(f'<text x="{x + 12}" y="{foot}" font-size="14" fill="{SOFT}">{words}</text>')
    lines += ["</g>", f'<g fill="none" stroke="{INK}" stroke-width="1.8">']
    for x, style in ((MARGIN, ""), (308, ' stroke-dasharray="3 6"')):
        lines.append(
            f'<path d="M {x} {foot - 4} L {x + 52} {foot - 4}"{style} marker-end="url(#tip)"/>'
        )
    return "\n".join([*lines, "</g>", "</svg>"]) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write or compare the file; return the exit status."""
    parser = argparse.ArgumentParser(description="Draw the map of the series.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on a change")
    check = parser.parse_args(arguments).check
    text = draw(titles())
    if check:
        same = TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text
        print("unchanged" if same else f"differs: run python book/{Path(__file__).name}")
        return 0 if same else 1
    TARGET.write_text(text, encoding="utf-8", newline="\n")
    print(f"Wrote {TARGET.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
