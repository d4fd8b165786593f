"""Make the pages of the book light: what a page loads before anything on it is touched.

- The theme draws its icons with a script of 1.5 MB, or with two fonts. The book has its own dozen
  (_static/icons.css), so the script and the fonts go.
- Most of what the theme's style sheet styles is on no page: rules for classes that neither a page
  nor a script names are left out.
- Formulas are drawn by a script of 2 MB: a page without one does not load it, and the others do as
  soon as a formula comes near. The index of the search is loaded by the search page alone.
- An image is loaded when it comes near. A figure that needs no more is stored with 256 colours at
  most, none of them off by more than an eye sees.
- The search shows what is around the words that it found. It reads the pages for that, which a page
  from a disk may not do; so their texts stand in one script, which only the search page loads.
"""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

SCRIPT = re.compile(r'\s*<script[^>]*src="[^"]*fontawesome\.js[^"]*"[^>]*></script>')
MATH = re.compile(r'\s*<script[^>]*src="([^"]*tex-svg\.js[^"]*)"[^>]*></script>')
INDEX = re.compile(r'\s*<script[^>]*src="[^"]*searchindex\.js[^"]*"[^>]*></script>')
FACES = re.compile(r"@font-face\{[^}]*fontawesome[^}]*\}")
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
WORD = re.compile(r"-?[A-Za-z_][\w-]*")
IMAGE = re.compile(r'<img ((?:[^>"]|"[^"]*")*?)\s*/?>')
HEAD_END = "</head>"
COLOURS, STEPS = 256, (1, 2, 4, 8)  # of a palette; of 256 levels, so many are one
SEARCH, TEXTS = "search.html", "_static/texts.js"
SILENT = {"script", "style", "svg", "nav", "button", "head"}
EMPTY = {"img", "br", "hr", "input", "link", "meta", "source", "wbr", "col", "area", "path"}


class _Text(HTMLParser):
    """The words of a page's article."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._open: list[str] = []  # what has been opened since the article, the article first

    def handle_starttag(self, tag, attrs):
        if tag in EMPTY:
            return
        classes = (dict(attrs).get("class") or "").split()
        if self._open or (tag == "article" and "bd-article" in classes):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data):
        if self._open and not SILENT & {*self._open} and data.strip():
            self.words.append(" ".join(data.split()))


def text_of(page: str) -> str:
    """What the article of a page says, in one line.

    >>> text_of('<article class="bd-article"><p>One <b>frame</b></p><style>p {}</style></article>')
    'One frame'
    """
    parser = _Text()
    parser.feed(page)
    return " ".join(parser.words)


def _closing(sheet: str, start: int) -> int:
    """Where the block ends whose brace stands at `start`."""
    depth = 0
    for place in re.finditer(r'[{}]|"[^"]*"|\'[^\']*\'', sheet[start:]):
        depth += {"{": 1, "}": -1}.get(place[0], 0)
        if depth == 0:
            return start + place.start()
    raise ValueError(f"A block is not closed: {sheet[start : start + 60]}")


def prune(sheet: str, words: set[str]) -> str:
    """A style sheet without the rules for classes that are not among some words.

    >>> prune(".a,.b .c{x:1}@media print{.c{x:2}.a:not(.c){x:3}}@font-face{x:4}", {"a", "b"})
    '.a{x:1}@media print{.a:not(.c){x:3}}@font-face{x:4}'
    """
    found, at = [], 0
    while (brace := sheet.find("{", at)) >= 0:
        head, end = sheet[at:brace], _closing(sheet, brace)
        *before, head = re.split(r"(?<=;)|(?<=\*/)", head)  # @charset and remarks
        found += before
        body, at = sheet[brace + 1 : end], end + 1
        if head.lstrip().startswith(("@media", "@supports", "@layer", "@container")):
            if inner := prune(body, words).strip():
                found.append(f"{head}{{{inner}}}")
        elif head.lstrip().startswith("@"):
            found.append(f"{head}{{{body}}}")
        else:
            # what :not(...) names may be missing; so may one of several in :is(...)
            parts = re.split(r",(?![^(]*\))", head)
            kept = [
                p
                for p in parts
                if {*CLASS.findall(re.sub(r":(not|is|where|has)\([^)]*\)", "", p))} <= words
            ]
            if kept:
                found.append(f"{','.join(kept)}{{{body}}}")
    return "".join(found) + sheet[at:]


def _late(image: re.Match) -> str:
    return image[0] if "loading=" in image[1] else f'<img {image[1]} loading="lazy" />'


def with_a_palette(png: bytes) -> bytes:
    """A figure with a palette, its colours off by 4 of 256 levels at most, or as it is."""
    image = Image.open(io.BytesIO(png))
    if "A" in image.getbands() and image.getchannel("A").getextrema()[0] < 255:
        return png
    pixels = np.asarray(image.convert("RGB")).astype(np.int32) @ (1 << 16, 1 << 8, 1)  # (H, W)
    found = np.zeros(1 << 24, bool)  # sorting the pixels would take ten times as long
    found[pixels] = True
    codes = np.flatnonzero(found)
    levels = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], 1)
    for step in STEPS:
        rounded = np.minimum((levels + step // 2) // step * step, 255)
        palette, numbers = np.unique(rounded, axis=0, return_inverse=True)
        if len(palette) <= COLOURS:
            number_of = np.zeros(1 << 24, np.uint8)
            number_of[codes] = numbers.ravel()
            figure = Image.fromarray(number_of[pixels], "P")
            figure.putpalette(palette.astype(np.uint8).tobytes())
            made = io.BytesIO()
            figure.save(made, "PNG", optimize=True)
            return min(png, made.getvalue(), key=len)
    return png


def lighten(html: Path) -> None:
    """Take from the pages in a folder what they can do without, and give the search its texts."""
    texts = {}
    for path in sorted(html.rglob("*.html")):
        page = path.read_text(encoding="utf-8")
        name = path.relative_to(html).as_posix()
        words = text_of(page)
        if words and "/_" not in f"/{name}":
            texts[name] = words
        page = IMAGE.sub(_late, SCRIPT.sub("", page))
        some = re.search(r'class="math\b', page)
        page = MATH.sub(r'\n<script data-draws="\1"></script>' if some else "", page)
        if name != SEARCH:
            page = INDEX.sub("", page)
        if name == SEARCH:
            page = page.replace(HEAD_END, f'<script src="{TEXTS}"></script>\n{HEAD_END}', 1)
        path.write_text(page, encoding="utf-8")
    for path in html.glob("_images/*.png"):
        path.write_bytes(with_a_palette(path.read_bytes()))
    for path in (*html.glob("_static/scripts/fontawesome*"), *html.rglob("fontawesome/webfonts/*")):
        path.unlink()
    sources = [*html.rglob("*.html"), *html.rglob("_static/**/*.js")]
    words = {word for path in sources for word in WORD.findall(path.read_text(encoding="utf-8"))}
    for path in html.glob("_static/styles/*.css"):
        sheet = FACES.sub("", path.read_text(encoding="utf-8"))
        path.write_text(prune(sheet, words), encoding="utf-8")
    # "</" would end the script; in JSON it may be written so
    said = json.dumps(texts, ensure_ascii=False, sort_keys=True).replace("</", "<\\/")
    (html / TEXTS).write_text(f"const BOOK_TEXTS = {said};\n", encoding="utf-8")
