"""The series as one book: links lead somewhere, notebooks follow each other, words are explained.

Addresses on the web are not fetched, only looked at.
"""

from __future__ import annotations

import json
import posixpath
import re
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from conftest import REPOSITORY, ROOT, load_executor

from crnn_lib import widgets

SERIES = load_executor().series()
PAGES = sorted(
    path
    for pattern in ("*.md", "book/*.md", "book/teach/*.md", "data/**/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
)
GLOSSARY = ROOT / "book" / "glossary.md"
TARGET = re.compile(r"\]\(\s*<?([^()\s<>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
FENCED = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.DOTALL | re.MULTILINE)
TERM = re.compile(r"\[([^\]]+)\]\(\.\./book/glossary\.md#([^)]+)\)")
OWN = re.compile(
    re.escape(REPOSITORY.removeprefix("https://github.com/")) + r"/blob/main/([^\s?#]+)"
)


# ------------------------------------------------------------------ what a page holds


@lru_cache
def prose(path: Path) -> str:
    """The Markdown of a page, or of all Markdown cells of a notebook, without blocks of code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return FENCED.sub("", text)


def links(path: Path) -> list[str]:
    """What the links and images of a page point to."""
    return TARGET.findall(re.sub(r"`[^`\n]+`", "x", prose(path)))


def slug(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)  # a link is its words
    words = re.sub(r"[`*]", "", words).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


@lru_cache
def anchors(path: Path) -> frozenset[str]:
    """All anchors of a page; of equal headings the second one gets a -1, the third one a -2."""
    found: list[str] = []
    for heading in re.findall(r"^#{1,6} +(.+?)[ #]*$", prose(path), re.MULTILINE):
        found.append(slug(heading))
    return frozenset(f"{s}-{n}" if (n := found[:k].count(s)) else s for k, s in enumerate(found))


@pytest.mark.parametrize(
    "heading, anchor",
    {
        "character error rate": "character-error-rate",
        "Sayre's paradox": "sayres-paradox",
        "`zero_infinity`": "zero_infinity",
        "n-best list": "n-best-list",
        "Where, and how sure": "where-and-how-sure",
        "Why [not](x.md) *cut*?": "why-not-cut",
    }.items(),
)
def test_slugs_are_githubs(heading, anchor):
    assert slug(heading) == anchor


def test_equal_headings_get_different_anchors(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Next\n\n## Next\n\n```\n# code\n```\n\n### A `b`\n", encoding="utf-8")
    assert anchors(page) == {"next", "next-1", "a-b"}


# ------------------------------------------------------------------ where links lead


#: What an explorer is called in an address, which is its class on the page.
EXPLORERS = {
    "beam": "BeamExplorer",
    "collapse": "CollapseExplorer",
    "fusion": "FusionExplorer",
    "lattice": "LatticeExplorer",
    "touch": "TouchExplorer",
    "film": "TrainingFilm",
    "where": "WhereExplorer",
    "window": "WindowExplorer",
}


def address_fault(link: str) -> str | None:
    """What is wrong with a link that sets an explorer of its page, or None."""
    kind, asked = re.fullmatch(r"#([a-z]+)(?:-\d+)?\?(.*)", link).groups()
    if kind not in EXPLORERS:
        return f"sets an explorer {kind!r}, and there are {', '.join(EXPLORERS)}"
    explorer = getattr(widgets, EXPLORERS[kind])
    known = {*explorer.class_traits(sync=True), *(["light"] if kind == "lattice" else [])}
    unknown = [name for name, _ in parse_qsl(asked, keep_blank_values=True) if name not in known]
    return f"sets {unknown[0]!r}, which {explorer.__name__} does not have" if unknown else None


def fault(page: Path, link: str) -> str | None:
    """What is wrong with a link, or None."""
    if re.match(r"[a-z][a-z0-9+.-]*:", link, re.IGNORECASE):
        parts = urlsplit(link)
        if parts.scheme != "https" or not re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?", parts.netloc):
            return "is no https address"
        missing = [name for name in OWN.findall(unquote(link)) if not (ROOT / name).exists()]
        return f"names {missing[0]}, which this repository does not have" if missing else None
    if re.match(r"#[a-z]+(-\d+)?\?", link):
        return address_fault(link)
    name, _, anchor = link.partition("#")
    target = page if not name else page.parent / unquote(name)
    inside = posixpath.normpath(posixpath.join(page.parent.as_posix(), unquote(name)))
    if not target.exists():
        return "leads to no file"
    if not Path(inside).is_relative_to(ROOT) and page.is_relative_to(ROOT):
        return "leads out of the repository"
    if anchor and anchor not in anchors(target.resolve()):
        return f"leads to a heading that {target.name} does not have"
    return None


@pytest.mark.parametrize("page", [*PAGES, *SERIES], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    faults = {link: wrong for link in links(page) if (wrong := fault(page, link))}
    assert not faults, f"{page.name}: {faults}"


@pytest.mark.parametrize(
    "link",
    ["no_such.md", "README.md#no-such-heading", "#nor-this", "http://a.org", "https://nowhere"]
    + ["#nobody?width=2", "#beam?colour=red"]
    + [f"{REPOSITORY}/blob/main/no_such.ipynb", "../outside.md", "ftp://a.org/x"],
)
def test_a_broken_link_is_seen(link):
    assert fault(ROOT / "README.md", link)


def test_links_are_found_where_they_stand(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "[![badge](a.svg)](https://b.org/x) [`code`](c.md#d) `[no](e.md)`\n"
        "```\n[no](f.md)\n```\n![two\nlines](g.png)",
        encoding="utf-8",
    )
    assert links(page) == ["a.svg", "https://b.org/x", "c.md#d", "g.png"]


# ------------------------------------------------------------------ one after the other


def title(path: Path) -> str:
    """A notebook's number and title, as its first heading gives them."""
    return re.search(r"^# (.+)$", prose(path), re.MULTILINE).group(1)


def sections(path: Path) -> dict[str, str]:
    """Heading -> text of the sections of a notebook."""
    parts = re.split(r"^## +(.+)$", prose(path), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)
def test_title_has_the_files_number(path):
    assert re.match(rf"{path.name[:2]} · \S", title(path))


@pytest.mark.parametrize("path, following", list(pairwise(SERIES)), ids=lambda path: path.stem)
def test_next_leads_to_the_following_notebook(path, following):
    last = list(sections(path).items())[-1]
    assert last[0] == "Next"
    found = re.findall(r"\[([^\]]+)\]\(([^)]+\.ipynb)\)", last[1])
    assert found == [(title(following), following.name)]


@pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)
def test_notebooks_open_and_close_alike(path):
    headings = list(sections(path))
    kept = [
        h for h in headings if h in ("What you will be able to do", "Recap", "If you teach this")
    ]
    assert kept == ["What you will be able to do", "Recap", "If you teach this"]
    assert headings[0] == kept[0]
    assert len(re.findall(r"^- ", sections(path)["Recap"], re.MULTILINE)) >= 3
    note = sections(path)["If you teach this"]
    for wanted in (r"\bminutes\b", r"\bquestion to ask\b", r"\b[Cc]ommon wrong answers?\b"):
        assert re.search(wanted, note), f"the note for teachers lacks {wanted}"


def table(page: Path) -> dict[str, tuple[str, str]]:
    """Number -> title and question, from a page's table of the series."""
    rows = re.findall(r"^\| (\d\d)(?: \|)? (.+?) \| (.+?) \|$", plain(page), re.MULTILINE)
    return {number: (name, question) for number, name, question in rows}


def plain(page: Path) -> str:
    return re.sub(r"\[([^\[\]]+)\]\([^)]+\)", r"\1", prose(page))


@pytest.mark.parametrize("name", ["README.md", "book/index.md", SERIES[0].name])
def test_tables_of_the_series_agree(name):
    page = SERIES[0] if name == SERIES[0].name else ROOT / name
    listed = table(page)
    assert [f"{number} · {words}" for number, (words, _) in sorted(listed.items())] == [
        title(path) for path in SERIES
    ]
    assert listed == table(ROOT / "README.md"), "one question for each notebook, everywhere"


# ------------------------------------------------------------------ the glossary


def entries() -> dict[str, str]:
    """Term -> its text."""
    parts = re.split(r"^### +(.+)$", prose(GLOSSARY), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def uses() -> dict[str, list[str]]:
    """Anchor of a term -> the numbers of the notebooks that link it, in their order."""
    found: dict[str, list[str]] = {}
    for path in SERIES:
        for _, anchor in TERM.findall(prose(path)):
            found.setdefault(anchor, []).append(path.name[:2])
    return found


def test_glossary_is_in_alphabetical_order():
    terms = [term.strip("`").casefold() for term in entries()]
    assert terms == sorted(terms) and len(terms) == len(set(terms)) >= 50


def test_each_term_is_linked_where_it_is_taught():
    linked = uses()
    for term, text in entries().items():
        (taught,) = re.findall(r"\*Taught\s+in\s+\[(\d\d)\]", text)
        where = linked.get(slug(term), [])
        assert taught in where, f"{term}: notebook {taught} teaches it and does not link it"
        assert where[0] <= taught, f"{term}: taught in {taught}, first linked in {where[0]}"


def test_each_entry_leads_to_the_notebook_of_its_number():
    for term, text in entries().items():
        for number, name in re.findall(r"\[(\d\d)\]\(\.\./notebooks/([^)]+)\)", text):
            assert name.startswith(number), term


@pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)
def test_a_notebook_links_a_term_once(path):
    linked = [anchor for _, anchor in TERM.findall(prose(path))]
    assert {anchor for anchor in linked if linked.count(anchor) > 1} == set()


def test_each_entry_is_short():
    lengths = {t: len(text.split("*Taught")[0].split()) for t, text in entries().items()}
    assert {t: n for t, n in lengths.items() if not 10 <= n <= 60} == {}


# ------------------------------------------------------------------ one word for each thing
# Left: what must not stand in the prose. Right: what stands there instead.

INSTEAD = {
    r"\btime[- ]?steps?\b": "frame",
    r"\blabell?ings?\b": "label",
    r"\bground-truth\b": "ground truth",
    r"\bgreedy (?:decod|search)\w*": "best path",
    r"\bbeam size\b": "beam width",
    r"\bnull (?:class|label|symbol)\b": "blank",
    r"\bCTC paths?\b": "alignment",
    r"\bpre-trained\b": "pretrained",
    r"\bmini-?batch": "batch",
    r"\bLet's\b|\blet's\b": "a plain verb",
    "—": "a comma, a colon or a full stop",
    r"\b\w*[a-z](?:maliz|ogniz|imiz|nariz)(?:e|es|ed|ing|ation)\b": "British spelling",
    r"\b(?:colors?|colored|gray|grays|centers?|centered|behavior)\b": "British spelling",
}
BOOK = [*SERIES, ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))]


def own_words(path: Path) -> str:
    """The prose of a page without code, addresses, titles of links to elsewhere and quotations."""
    text = re.sub(r"`[^`\n]+`", "", prose(path))
    text = re.sub(r"\[[^\[\]]*\]\(https:[^)]*\)", "", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.MULTILINE)
    return re.sub(r"\"[^\"]{1,200}\"", "", text)


def strangers(text: str) -> list[str]:
    """Words of a text that another word of the series has the place of."""
    return [f"{m[0]}: {word}" for p, word in INSTEAD.items() for m in re.finditer(p, text)]


@pytest.mark.parametrize("path", BOOK, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_one_word_for_each_thing(path):
    text = own_words(path)
    if path.name == "further_reading.md":  # says of a remark of others that it is about this
        text = text.replace("greedy search is a beam of width 1", "")
    assert strangers(text) == []


@pytest.mark.parametrize(
    "text",
    ["each time step", "timesteps", "the labelling", "greedy decoding", "a beam size of 3"]
    + [
        "the null class",
        "ground-truth text",
        "Let's see",
        "so — here",
        "normalize",
        "gray",
        "colored",
    ]
    + ["binarization", "a pre-trained network", "mini-batch", "the CTC path", "recognizes"],
)
def test_a_stranger_is_seen(text):
    assert strangers(text)


@pytest.mark.parametrize(
    "text",
    ["this time, steps", "each step takes time", "labelled lines", "best path", "a greedy reader"]
    + ["normalise", "grey", "the colour", "sizes", "a prize", "pretrained", "batch"],
)
def test_the_words_of_the_series_are_not_strangers(text):
    assert strangers(text) == []


@pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)
def test_strips_are_the_articles(path):
    """A line in fixed cells is a strip, as the article makes them; all others are lines."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and re.search(r"\bstrips?\b", text):
            assert re.search(r"\barticle", text), text[:200]


@pytest.mark.parametrize(
    "path",
    [*sorted((ROOT / "crnn_lib" / "photos").glob("*.py")), ROOT / "crnn_lib/plots/photos.py"],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_what_a_photo_holds_are_lines(path):
    text = path.read_text(encoding="utf-8")
    assert re.findall(r".*\b_?strips?\b(?!\().*", text) == []
