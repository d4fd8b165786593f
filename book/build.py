"""Build the book: the series as pages that need no kernel, no network and no server.

    python book/build.py                  into book/_build/html; open its index.html
    python book/build.py --output FOLDER
    python book/build.py --without-npm    formulas stay as they are written
    python book/build.py --strict         exit 1 if anything is missing

What Sphinx reads is a copy of the notebooks and pages, in which the folders are those of the
repository, and the library's reference, which reference.py makes of its faces. Formulas are drawn
by MathJax, fetched with npm as package-lock.json says, and served by the book itself. Without npm
or network they stay source text, and all else is the same. So it is with the runtime that lets the
drawing pad read in the page: see networks.py. Before the new pages replace the old
ones they are searched for what must not be there: see faults.py.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
sys.path[:0] = [str(BOOK), str(ROOT / "notebooks")]

import networks  # noqa: E402
import reference  # noqa: E402
from badges import BRANCH, doors, repository  # noqa: E402
from faults import faults  # noqa: E402
from lighten import lighten  # noqa: E402

FRONT = "book/index.md"
LIBRARY = "Reference"  # its pages are written by reference.py
SECTIONS = {  # of the contents; a page stands where it is named first
    "The series": ["notebooks/[0-9]*.ipynb"],
    "Beside it": [
        "book/glossary.md",
        "book/elsewhere.md",
        "book/archives.md",
        "book/further_reading.md",
    ],
    LIBRARY: [],
    "For teachers": ["book/teach/*.md", "book/*.md"],
}
SHOWN = {".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp"}
HANDED_OUT = {".pdf", ".csv"}  # files that a page offers
CODE = re.compile(r"(^```.*?^```$|^~~~.*?^~~~$|`[^`\n]*`)", re.DOTALL | re.MULTILINE)
BADGE = re.compile(r"\[!\[[^\]]*\]\(https?:[^)]*\)\]\([^)]*\)[ \t]*\n?|!\[[^\]]*\]\(https?:[^)]*\)")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
PREDICT = re.compile(r"^(?=\*\*Predict)", re.MULTILINE)
MACHINE = "<!-- the machine -->"  # the front page's own explorer, which no notebook has
EXPLORER = re.compile(r"^<!-- explorer: (\S+) (\d+) -->$", re.MULTILINE)


# ------------------------------------------------------------------ what Sphinx reads


@dataclass
class Stage:
    """A copy of the pages for Sphinx to read.

    Attributes
    ----------
    root, source : Path
        The checkout, and the folder to copy to.
    notes : list of str
        What a page names and the checkout does not have.
    """

    root: Path
    source: Path
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.places = {FRONT: "index.md"}  # file -> its copy
        self.sections = {}
        for name, patterns in SECTIONS.items():
            found = [path for pattern in patterns for path in self._found(pattern)]
            self.sections[name] = [path for path in found if path not in self.places]
            self.places |= {path: path for path in self.sections[name]}
        self.reference = reference.pages(self.root)
        self.linked = self.places | reference.links(self.root)
        self.sections[LIBRARY] = [place for place in self.reference if place == reference.FRONT]

    def _found(self, pattern: str) -> list[str]:
        paths = [path.relative_to(self.root).as_posix() for path in self.root.glob(pattern)]
        return sorted(paths, key=lambda path: (not path.endswith("/index.md"), path))

    def write(self) -> None:
        """Copy all pages, and the images and files that they show."""
        for path, place in self.places.items():
            text = (self.root / path).read_text(encoding="utf-8")
            if path.endswith(".ipynb"):
                text = json.dumps(self.notebook(json.loads(text), path))
            else:
                text = self.markdown(text, path)
            if path == FRONT:
                text += "".join(
                    _contents(self._top(pages), n) for n, pages in self.sections.items()
                )
            elif path.endswith("/index.md"):
                text += _contents([posixpath.basename(below) for below in self._below(path)])
            (self.source / place).parent.mkdir(parents=True, exist_ok=True)
            (self.source / place).write_text(text, encoding="utf-8")
        for place, text in self.reference.items():
            (self.source / place).parent.mkdir(parents=True, exist_ok=True)
            (self.source / place).write_text(text, encoding="utf-8")

    def _below(self, index: str) -> list[str]:
        """The pages beside an index.md, which has a table of contents of its own."""
        folder = posixpath.dirname(index)
        return [
            p for p in self.places if posixpath.dirname(p) == folder and p not in (index, FRONT)
        ]

    def _top(self, pages: list[str]) -> list[str]:
        below = {
            page for index in pages if index.endswith("/index.md") for page in self._below(index)
        }
        return [page for page in pages if page not in below]

    def notebook(self, content: dict, path: str) -> dict:
        """A notebook without what a page cannot use: badges, and the cell that installs."""
        cells = content["cells"]
        opened = [
            f"[{words.split()[-1]}]({address})"
            for words, address in doors(posixpath.basename(path), repository()).items()
        ]
        run = f"Read on, or run it on {', '.join(opened[:-1])} or {opened[-1]}."
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        if code and "crnn_lib" in _text(code[0]) and "install" in _text(code[0]):
            code[0]["metadata"].setdefault("tags", []).append("remove-cell")
        for cell in cells:
            if cell["cell_type"] == "markdown":
                text = self.markdown(_text(cell), path)
                cell["source"] = PREDICT.sub("{.predict}\n", text)
        if cells and cells[0]["cell_type"] == "markdown":
            cells[0]["source"] += f"\n\n{{.launch}}\n{run}\n"
        return content

    def markdown(self, text: str, path: str) -> str:
        """Text of a page with its links as they must be in the book."""
        parts = CODE.split(BADGE.sub("", text))
        parts[::2] = [LINK.sub(lambda m: self._link(m, path), part) for part in parts[::2]]
        text = EXPLORER.sub(lambda m: self._explorer(m, path), "".join(parts))
        return text.replace(MACHINE, _raw(_machine())) if MACHINE in text else text

    def _link(self, match: re.Match, path: str) -> str:
        image, words, link = match.groups()
        if not image:
            words = LINK.sub(lambda m: self._link(m, path), words)  # an image that is a link
        if re.match(r"#[a-z]+(-\d+)?\?", link):  # sets an explorer of the page: no heading
            return f'<a class="sets" href="{html.escape(link)}">{words}</a>'
        target, _, fragment = link.partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return f"{image}[{words}]({link})"
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(target)))
        file, kind = self.root / target, posixpath.splitext(target)[1].lower()
        if target.startswith("..") or not file.exists():
            self.notes.append(f"{path} names {link}, which is not there")
            return "" if image else words
        if target in self.linked:
            target = self.linked[target]
        elif kind in SHOWN | HANDED_OUT:
            (self.source / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, self.source / target)
        else:
            form = "tree" if file.is_dir() else "blob"
            where = f"{repository()}/{form}/{BRANCH}/{target}"
            return f"[{words}]({where}{'#' * bool(fragment)}{fragment})"
        there = posixpath.relpath(target, posixpath.dirname(self.places[path]) or ".")
        return f"{image}[{words}]({there}{'#' * bool(fragment)}{fragment})"

    def _explorer(self, match: re.Match, path: str) -> str:
        """An explorer out of a notebook's saved outputs, counted from 1."""
        name, number = match[1], int(match[2])
        file = self.root / posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"] if file.exists() else []
        outputs = [o.get("data", {}) for cell in cells for o in cell.get("outputs", [])]
        pages = ["".join(data["text/html"]) for data in outputs if "text/html" in data]
        if len(pages) < number:
            self.notes.append(f"{path} shows explorer {number} of {name}, which is not there")
            return ""
        return _raw(pages[number - 1])


def taken_along(notebook: str) -> str:
    """A notebook as it is downloaded: an explorer that was saved with its picture is the picture.

    What stands on the page, alive, comes again when the notebook runs; twice it would make the
    book heavy.
    """
    content = json.loads(notebook)
    for cell in content["cells"]:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output["data"].pop("text/html", None)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _raw(html: str) -> str:
    """HTML as a page of Markdown holds it."""
    return f"````````{{raw}} html\n{html}\n````````\n"


def _machine() -> str:
    """The machine of the front page, with what the network makes of its first line."""
    from crnn_lib.widgets import ReadingMachine

    return ReadingMachine().static_html()


def _contents(pages: list[str], name: str = "") -> str:
    caption = f":caption: {name}\n" if name else ""
    listed = "\n".join(pages)
    return f"\n```{{toctree}}\n:hidden:\n{caption}\n{listed}\n```\n" if pages else ""


def _text(cell: dict) -> str:
    return "".join(cell["source"])


# ------------------------------------------------------------------ MathJax


def fetch(folder: Path, wanted: Path = BOOK) -> str:
    """Fetch what package-lock.json lists, unless it is there; return why not, or nothing.

    Parameters
    ----------
    folder : Path
        Gets ``node_modules``, and a copy of the lock file that it was made from.
    wanted : Path
        The folder with package.json and package-lock.json.
    """
    lock = (wanted / "package-lock.json").read_bytes()
    done = folder / "done.json"  # written last
    if done.is_file() and done.read_bytes() == lock:
        return ""
    npm = shutil.which("npm")
    if npm is None:
        return "there is no npm"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(wanted / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    command += ["--fetch-retries=0", "--fetch-timeout=30000", "--loglevel=error"]
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return "npm did not answer within two minutes"
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if "error" in line]
        return f"npm failed: {lines[0] if lines else f'status {result.returncode}'}"
    done.write_bytes(lock)
    return ""


def place_mathjax(modules: Path, static: Path) -> None:
    """Copy the one file that draws formulas, with its licence."""
    package, target = modules / "node_modules" / "mathjax", static / "mathjax"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(package / "es5" / "tex-svg.js", target)
    shutil.copy(package / "LICENSE", target)


# ------------------------------------------------------------------ the whole


class BuildError(Exception):
    """The book cannot be built, or has faults."""


@dataclass(frozen=True)
class Built:
    """What was built, and what a reader of the pages will miss (``notes``)."""

    pages: int
    size: int  # bytes
    seconds: float
    notes: list[str]


def build(output: Path, *, root: Path = ROOT, work: Path | None = None, npm: bool = True) -> Built:
    """Build the book.

    Parameters
    ----------
    output : Path
        The folder of the pages. Replaced at the end, when all is well.
    root : Path
        The checkout to take pages from.
    work : Path, optional
        Where sources and JavaScript are kept; beside the output by default.
    npm : bool
        Whether to fetch MathJax, and the runtime of the networks.

    Raises
    ------
    BuildError
        If Sphinx is not installed or fails, or if the pages have faults.
    """
    start = time.perf_counter()
    work = output.parent if work is None else work
    source, vendor, fresh = work / "source", work / "vendor", output.with_name(output.name + ".new")
    for folder in (source, vendor, fresh, work / "doctrees"):
        shutil.rmtree(folder, ignore_errors=True)
    source.mkdir(parents=True)
    stage = Stage(root, source)
    stage.write()
    why = fetch(work / "npm") if npm else "npm was not asked"
    if not why:
        place_mathjax(work / "npm", vendor)
    silent = "npm was not asked"
    if npm:
        silent = fetch(work / "npm_runtime", networks.WANTED)
        silent = silent or networks.place(work / "npm_runtime", vendor / "reading")
    there = vendor if vendor.exists() else None
    complaints = run_sphinx(source, work / "doctrees", fresh, there)
    for path, place in stage.places.items():  # who downloads a page gets it as it was written
        text = (root / path).read_text(encoding="utf-8")
        if path.endswith(".ipynb"):
            text = taken_along(text)
        (fresh / "_sources" / place).write_text(text, encoding="utf-8")
    for rest in (*fresh.rglob("*.map"), *fresh.glob("_static/*.html")):  # of the theme's makers
        rest.unlink()
    shutil.rmtree(fresh / "_static" / "locales", ignore_errors=True)  # the theme's words elsewhere
    lighten(fresh)
    wrong = faults(fresh)
    if wrong:
        raise BuildError("The pages have faults:\n" + "\n".join(wrong))
    shutil.rmtree(output, ignore_errors=True)
    fresh.replace(output)
    notes = [*stage.notes, *complaints]
    if why:
        notes.append(f"Formulas are left as they are written: {why}.")
    if npm and silent:
        notes.append(f"Nobody reads what is written on a pad: {silent}")
    size = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    pages = sum(1 for _ in output.rglob("*.html"))
    return Built(pages, size, time.perf_counter() - start, notes)


def run_sphinx(source: Path, doctrees: Path, output: Path, vendor: Path | None) -> list[str]:
    """Let Sphinx write the pages; return what it complained about."""
    environment = {**os.environ, "BOOK_VENDOR": "" if vendor is None else str(vendor)}
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-c", str(BOOK), "-q", "--no-color"]
    command += ["-d", str(doctrees), str(source), str(output)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    said = result.stderr.replace(str(source) + os.sep, "").strip()
    if result.returncode and re.search("No module named|Could not import extension|theme", said):
        raise BuildError(
            f"{said.splitlines()[-1]}\nIs everything there that builds the book? "
            "Install it with: pip install -e '.[book]'"
        )
    if result.returncode:
        raise BuildError(f"Sphinx failed:\n{said}")
    # not what Python says about the libraries that Sphinx stands on
    return [line for line in said.splitlines() if re.search(r"\b(WARNING|ERROR): ", line)]


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, build, and return the exit status."""
    parser = argparse.ArgumentParser(description="Build the book.")
    parser.add_argument("--output", type=Path, default=BOOK / "_build" / "html")
    parser.add_argument("--without-npm", action="store_true", help="leave formulas as source text")
    parser.add_argument("--strict", action="store_true", help="exit 1 if anything is missing")
    options = parser.parse_args(arguments)
    output = options.output.resolve()
    try:
        built = build(output, npm=not options.without_npm)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    for note in built.notes:
        print(note, file=sys.stderr)
    print(f"{built.pages} pages, {built.size / 1e6:.1f} MB, in {built.seconds:.1f} s")
    print(f"Open {output / 'index.html'}")
    return 1 if options.strict and built.notes else 0


if __name__ == "__main__":
    sys.exit(main())
