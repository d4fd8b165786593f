"""What must not be in the pages of the book."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

LIMIT = 35 * 10**6  # bytes of the whole book, networks and their runtime included


class _Page(HTMLParser):
    """Collects what a page loads, and its images without words."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.wordless: list[str] = []
        self.style = False

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        loaded = [values.get(name, "") for name in ("src", "poster", "data")]
        relations = values.get("rel", "").split()
        if tag == "link" and {"stylesheet", "preload", "icon", "preconnect"} & {*relations}:
            loaded.append(values.get("href", ""))
        loaded += [one.split()[0] for one in values.get("srcset", "").split(",") if one.strip()]
        self.loads += filter(None, loaded)
        if tag == "img" and not _says_something(values.get("alt", "")):
            self.wordless.append(values.get("src", "")[:100])
        self.style = tag == "style"

    def handle_data(self, data):
        if self.style:
            self.loads += _addresses(data)


def _says_something(alt: str) -> bool:
    """Whether an alternative text is one, and not the name of a file."""
    return len(alt.strip()) >= 4 and not re.fullmatch(r"\S+\.(png|jpe?g|svg|gif|webp)", alt.strip())


def _addresses(css: str) -> list[str]:
    found = re.findall(r"@import\s+[\"']([^\"']+)|url\(\s*[\"']?([^\"')]+)", css)
    return [one or other for one, other in found]


def _outside(address: str) -> bool:
    return re.match(r"(?:https?:)?//", address) is not None


def faults(html: Path) -> list[str]:
    """What is wrong with the pages in a folder, a sentence for each.

    Nothing is loaded from elsewhere or by an absolute path, each image has words, files that are
    loaded are there, and the whole has at most 35 MB.
    """
    found = []
    files = [path for path in html.rglob("*") if path.is_file()]
    for file in sorted(files):
        name = file.relative_to(html).as_posix()
        if file.suffix == ".html":
            page = _Page()
            page.feed(file.read_text(encoding="utf-8"))
            found += [f"{name}: an image has no words: {image}" for image in page.wordless]
            loads = page.loads
        elif file.suffix == ".css":
            loads = _addresses(file.read_text(encoding="utf-8"))
        else:
            continue
        for address in loads:
            if _outside(address) or address.startswith("/"):
                found.append(f"{name} loads {address[:100]}, which is not part of the book")
            elif not address.startswith(("data:", "#")):
                if not (file.parent / unquote(re.split("[?#]", address)[0])).is_file():
                    found.append(f"{name} loads {address[:100]}, which is not there")
    size = sum(file.stat().st_size for file in files)
    if size > LIMIT:
        found.append(f"the book has {size / 1e6:.1f} MB; {LIMIT / 1e6:.3g} are the most")
    return found
