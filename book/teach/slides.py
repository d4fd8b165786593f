"""Make a deck of slides for each notebook, to be projected in class.

    python book/teach/slides.py              all, into book/_build/slides
    python book/teach/slides.py 03 04        only these
    python book/teach/slides.py --output FOLDER

A deck is made from its notebook as it is stored; nothing is run. It has the notebook's question,
the idea of each section, its figures, each prediction (the question first, the answer one key
later), the questions, and the recap. It is one file that needs no network: reveal.js and MathJax,
fetched by npm as the book's package-lock.json says, are inside.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import re
import struct
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent)]

from build import BADGE, fetch  # noqa: E402

LEAST, MOST = 12, 20  # slides a lesson
GOALS, RECAP, NEXT, TEACHERS = "What you will be able to do", "Recap", "Next", "If you teach this"
PREDICT = re.compile(r"\*\*(Predict(?! →)[^*]*)\*\*")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
ASIDE = re.compile(r"\(|The (next |second )?cell ")  # what a reader of cells is told
WIDGET = re.compile(r"showStatic\('\w+', (?=\{)")
# What checks say before anybody has written anything is no part of a lecture.
CHECKS = re.compile(
    r"Exercise \d+\.\d+, |From here on, |Hint \d|\d+\.\d+  .* tr(y|ies)$|\d+ of \d+ exercises? "
)


# ------------------------------------------------------------------ what a notebook holds


@dataclass
class Part:
    """A piece of a notebook, in the order of reading.

    ``kind`` is heading, text, list, table, formula, fold, predict, picture, printed, explorer,
    question, exercise or pause. ``text`` is Markdown, or what was printed, or an explorer's HTML.
    """

    kind: str
    text: str = ""
    cell: str = ""
    section: str = ""
    folded: bool = False
    exercise: bool = False
    label: str = ""
    data: dict = field(default_factory=dict)


def parts_of(notebook: Path) -> list[Part]:
    """All that a deck may show, in its order."""
    found, section = [], ""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if "guard" in cell["metadata"].get("tags", []):
            continue
        read = _read_text if cell["cell_type"] == "markdown" else _read_outputs
        for part in read(cell, notebook):
            section = part.text if part.kind == "heading" else section
            part.cell, part.section = cell["id"], section
            found.append(part)
    return [part for part in found if part.section != TEACHERS]


def _read_text(cell: dict, notebook: Path) -> list[Part]:
    text = BADGE.sub("", "".join(cell["source"]))
    found, exercise = [], False
    for block in _blocks(text):
        if heading := re.match(r"#{1,2} (.+)", block):
            exercise = False
            found.append(Part("heading", plain(heading[1])))
        elif block.startswith("###"):
            exercise = "Exercise" in block
            if exercise:
                found.append(Part("exercise", plain(block.strip("# "))))
        elif block.startswith("<details"):
            found.append(Part("fold", re.sub("<summary>.*?</summary>|</?details>", "", block)))
        elif PREDICT.search(block):
            found += _predictions(block, found)
        elif re.search(r"\*\*[^*]*\b(lesson 1|break)\b[^*]*\*\*", block):
            found.append(Part("pause", block))
        elif image := re.match(r"!\[([^\]]*)\]\(([^)]+)\)$", block):
            picture = (notebook.parent / image[2]).resolve()
            found.append(Part("picture", image[1], data=_file(picture)))
        elif block != "---":
            kinds = {"|": "table", "$$": "formula", "- ": "list", "1. ": "list"}
            kind = next((k for start, k in kinds.items() if block.startswith(start)), "text")
            found.append(Part(kind, block, exercise=exercise))
    return found


def _blocks(text: str) -> list[str]:
    """Paragraphs; a fenced or displayed block is one, whatever is in it."""
    fenced = r"(^```.*?^```$|^\$\$.*?^\$\$$|^<details>.*?</details>$)"
    found = []
    for n, piece in enumerate(re.split(fenced, text, flags=re.M | re.S)):
        found += [piece] if n % 2 else re.split(r"\n\s*\n", piece)
    lines = [block.strip("\n") for block in found]
    return [block.strip() for block in lines if block.strip() and not block.startswith("    ")]


def _predictions(block: str, before: list[Part]) -> list[Part]:
    """The questions of a paragraph; what stands before the first one leads to it."""
    lead, *rest = PREDICT.split(block)
    if not lead.strip() and before and before[-1].kind == "text" and not before[-1].exercise:
        lead = before[-1].text
    found = []
    for label, text in zip(rest[::2], rest[1::2], strict=True):
        said, text = text[:1], text.strip(" ,:.\n")
        text = " ".join(s for s in sentences(text) if not ASIDE.match(s)) or text
        if said == " " and label[-1:].isalpha() and "?" not in text:  # "**Predict** the numbers."
            text = f"predict {text}"
        text += "" if text[-1:] in "?.!)" else "."
        label = label.strip(" .,:")
        found.append(Part("predict", text[:1].upper() + text[1:], label=label, data={"lead": lead}))
    return found


def _file(path: Path) -> dict:
    kind = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}[path.suffix]
    return {"kind": kind, "base64": base64.b64encode(path.read_bytes()).decode("ascii")}


def _read_outputs(cell: dict, notebook: Path) -> list[Part]:
    folded = bool(cell["metadata"].get("jupyter", {}).get("outputs_hidden"))
    found: list[Part] = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        page = "".join(data.get("text/html", ""))
        image = next((kind for kind in data if kind.startswith("image/")), None)
        if image and not page:  # an explorer has its picture beside it
            about = output.get("metadata", {}).get(image, {})
            content = "".join(data[image])
            if image == "image/svg+xml":
                content = base64.b64encode(content.encode()).decode("ascii")
            picture = {"kind": image, "base64": content.strip(), "width": about.get("width")}
            found.append(Part("picture", about.get("alt", ""), data=picture))
        elif page:
            widget = WIDGET.search(page)
            known = json.JSONDecoder().raw_decode(page, widget.end())[0] if widget else {}
            asked = "reasons" in known.get("content", {})
            kind, inside = ("question", known["content"]) if asked else ("explorer", {})
            found.append(Part(kind, page, data=inside))
        else:
            said = "".join(output.get("text", data.get("text/plain", "")))
            words = found[-1].text if found and found[-1].kind == "picture" else None
            lines = [x for x in said.rstrip().split("\n") if x != words and not CHECKS.match(x)]
            if any(lines) and "<Figure" not in said:
                found.append(Part("printed", "\n".join(lines).strip("\n")))
    for part in found:
        part.folded = folded
    return found


# ------------------------------------------------------------------ words


MARKDOWN = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, double_inline=True)
MARKDOWN.add_render_rule("math_inline", lambda self, t, i, *_: _formula(t[i].content, "()"))
MARKDOWN.add_render_rule("math_block", lambda self, t, i, *_: _formula(t[i].content, "[]"))


def _formula(content: str, ends: str) -> str:
    return f"\\{ends[0]}{html.escape(content)}\\{ends[1]}"


def plain(text: str) -> str:
    """Markdown as one reads it: no links, no emphasis, one space between words."""
    return " ".join(re.sub(r"[*`]", "", LINK.sub(r"\2", text)).split())


def to_html(text: str) -> str:
    """Markdown without links: a slide leads nowhere."""
    return MARKDOWN.render(LINK.sub(r"\2", text))


def inline(text: str) -> str:
    """A sentence."""
    return MARKDOWN.renderInline(" ".join(LINK.sub(r"\2", text).split()))


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph. What is set in bold stays whole."""
    found: list[str] = []
    for piece in re.split(r"(?<=[.!?])\s+|(?<=[.!?]\*\*)\s+|(?<=[.!?]\))\s+|(?<=:)\n+", text):
        last = found[-1] if found else ""
        if last.count("**") % 2 or last.count("(") > last.count(")"):
            found[-1] += " " + piece
        else:
            found.append(piece)
    return found


def opening(text: str, least: int = 45, most: int = 200) -> str:
    """The first sentences of a paragraph, so many that they say something."""
    said = ""
    for sentence in sentences(text):
        if said and (len(plain(said)) >= least or len(plain(f"{said} {sentence}")) > most):
            break
        said = f"{said} {sentence}".strip()
    return said


def ending(text: str, most: int = 230) -> str:
    """The last sentences of a paragraph: what leads to what follows."""
    said = ""
    for sentence in reversed(sentences(text)):
        if said and len(plain(f"{sentence} {said}")) > most:
            break
        said = f"{sentence} {said}".strip()
    return said


def idea(paragraphs: list[Part]) -> Part | None:
    """The paragraph with the key sentence of a section, cut down to that sentence.

    It is the shortest of those that are set in bold; without one, of those that explain a term;
    without a term, the first. A very short one takes the sentence before it along.
    """
    found = []
    for part in paragraphs:
        before = ""
        for sentence in sentences(part.text):
            whole = f"{before} {sentence}".strip() if len(plain(sentence)) < 60 else sentence
            before = sentence
            elsewhere = re.search("exercise|notebook|[Bb]elow|next cell|:$", whole)
            if 25 <= len(plain(whole)) <= 210 and not elsewhere:
                found.append((whole, part))
    found = found or [(opening(part.text), part) for part in paragraphs[:1]]
    bold = [p for p in found if re.search(r"\*\*[^*\[\]]{12,}\*\*", p[0])]
    terms = [p for p in found if "**" in p[0]]
    if not found:
        return None
    best = min(bold or terms or found[:1], key=lambda pair: len(plain(pair[0])))
    return Part("idea", best[0], section=best[1].section, data={"of": best[1]})


# ------------------------------------------------------------------ slides


@dataclass
class Slide:
    """A slide: its kind, the section that it stands in, and its pieces of HTML."""

    kind: str
    section: str
    body: list[str]
    spare: bool = False  # may go where there are too many
    text: str = ""  # of an idea
    note: str = ""  # beside the name of the section


def figure(part: Part) -> str:
    """A picture that fills what is left of a slide, and its sentence below."""
    size = f' style="max-width:{2.1 * part.data["width"]:.0f}px"' if part.data.get("width") else ""
    words = html.escape(part.text, quote=True)
    source = f"data:{part.data['kind']};base64,{part.data['base64']}"
    picture = f'<div class="picture"{size}><img alt="{words}" src="{source}"></div>'
    return f"<figure>{picture}<figcaption>{html.escape(part.text)}</figcaption></figure>"


def is_tall(part: Part, beside: bool) -> bool:
    """Whether a picture is larger with what is said of it beside it, not below."""
    start = base64.b64decode(part.data["base64"][:32])
    if not start.startswith(b"\x89PNG"):
        return False
    width, height = struct.unpack(">II", start[16:24])
    return width < (2.9 if beside else 2.0) * height


def printed(text: str, room: int, wide: int = 1080) -> str:
    """What a cell printed, as large as fits into so many pixels."""
    most = max(20, wide // 12)
    lines = [
        x
        for line in text.split("\n")
        for x in textwrap.wrap(
            line, most, subsequent_indent="  ", drop_whitespace=False, replace_whitespace=False
        )
        or [""]
    ]
    text = "\n".join(lines)
    size = min(30.0, wide / (0.61 * max(map(len, lines))), room / (1.35 * len(lines)))
    return f'<pre class="printed" style="font-size:{size:.1f}px">{html.escape(text)}</pre>'


def explorer(part: Part) -> str:
    """A page within the page: it keeps its own keys, and its pixels are its own."""
    style = "<style>body{margin:0;padding:1px 0 9px}</style>"
    source = html.escape(f"<!doctype html><meta charset='utf-8'>{style}{part.text}", quote=True)
    return f'<div class="explorer"><iframe title="Explorer" data-page="{source}"></iframe></div>'


def question(part: Part) -> list[str]:
    """A question of the series: its answers, and one key later the reasons."""
    steps = []
    for name, words in (("answers", "Which answer?"), ("reasons", "And why?")):
        options = "".join(
            f"<li><span>{'abcdefgh'[n]}</span><p>{inline(option['text'])}</p></li>"
            for n, option in enumerate(part.data[name])
        )
        hidden = ' class="fragment"' if steps else ""
        steps.append(f"<div{hidden}><h4>{words}</h4><ol>{options}</ol></div>")
    text = to_html(part.data["text"])
    return [f'<div class="asked">{text}</div>', f'<div class="options">{"".join(steps)}</div>']


def answers_of(parts: list[Part], n: int) -> list[Part]:
    """What shows the answer of prediction n: the outputs of one cell before the next prediction.

    A folded cell comes before all others.
    """
    after = parts[n + 1 :]
    while after and after[0].kind == "predict" and after[0].cell == parts[n].cell:
        after = after[1:]
    end = next((i for i, p in enumerate(after) if p.kind in ("predict", "pause")), len(after))
    kinds = ("picture", "printed", "explorer")
    # the reason is asked by the question that follows
    asked = parts[n].text.endswith("reason.")
    outputs = [p for p in after[:end] if p.kind in (("question",) if asked else kinds)]
    chosen = next((p.cell for p in outputs if p.folded), outputs[0].cell if outputs else "")
    return [p for p in outputs if p.cell == chosen]


def told_after(parts: list[Part], last: Part) -> str:
    """What the text says right after an answer."""
    for part in parts[parts.index(last) + 1 :]:
        if part.kind in ("heading", "predict", "pause") or part.exercise:
            break
        if part.kind == "text":
            return opening(part.text)
    return ""


def prediction(parts: list[Part], n: int, shown: set[int], said: set[str]) -> list[Slide]:
    """The slides of a prediction: the question, what answers it, and the figures beside that."""
    part = parts[n]
    answer = answers_of(parts, n)
    lead = ending(part.data["lead"]) if part.data["lead"].strip() else ""
    lead = " ".join(s for s in sentences(lead) if plain(s) not in said and not ASIDE.match(s))
    sizes = (("xl", 110), ("l", 220), ("m", 380), ("s", 1e9))
    size = next(name for name, most in sizes if len(part.text) <= most)
    asked = f'<p class="chip">{html.escape(part.label)}</p>'
    if lead:
        asked += f'<p class="lead">{inline(lead)}</p>'
    asked += f'<p class="question {size}" data-predict>{inline(part.text)}</p>'
    fresh = [p for p in answer if id(p) not in shown]
    shown.update(map(id, fresh))
    if fresh and fresh[0].kind == "question":
        body = [f'<p class="chip" data-predict>{html.escape(part.label)}</p>', *question(fresh[0])]
        return [Slide("quiz", part.section, body)]
    told = told_after(parts, answer[-1] if answer else part)
    said.update(map(plain, sentences(told)))
    beside = [p for p in parts[n + 1 : n + 3] if p.cell == part.cell]
    if beside and beside[0].kind == "list":  # it is asked of each of these
        asked += f'<div class="each">{to_html(beside[0].text)}</div>'
    slide = Slide("predict", part.section, [f'<div class="ask">{asked}</div>'])
    if beside and beside[-1].kind == "fold":
        answer = f'<div class="fold">{to_html(beside[-1].text)}</div>'
        slide.body.append(f'<div class="answer fragment">{answer}</div>')
        shown.difference_update(map(id, fresh))
        return [slide]
    if fresh and fresh[0].folded:  # a picture in sight before it belongs to the question
        for seen in parts[n + 1 : parts.index(fresh[0])]:
            if seen.kind == "picture" and id(seen) not in shown:
                slide.body.append(f'<div class="evidence">{figure(seen)}</div>')
                shown.add(id(seen))
                break
    slide.body += reveal(fresh, told)
    pictures = [p for p in fresh if p.kind == "picture"]
    rest = pictures if any(p.kind == "explorer" for p in fresh) else pictures[1:]
    return [slide, *(Slide("figure", part.section, [figure(p)]) for p in rest)]


def reveal(outputs: list[Part], told: str) -> list[str]:
    """What a prediction's answer shows: an explorer, or a picture, or what was printed.

    What is told of it stands below, or beside a high picture.
    """
    alive = next((p for p in outputs if p.kind == "explorer"), None)
    picture = next((p for p in outputs if p.kind == "picture"), None)
    lines = "\n".join(p.text for p in outputs if p.kind == "printed")
    words = [f'<p class="so">{inline(told)}</p>'] if told else []
    if alive:
        return [f'<div class="answer fragment">{explorer(alive)}</div>']
    if not picture:
        body = [printed(lines, 330), *words] if lines else words
        return [f'<div class="answer fragment">{"".join(body)}</div>'] if body else []
    if lines.count("\n") > 2 or len(lines) > 150:
        lines = lines.rpartition("\n")[2]
    row = is_tall(picture, bool(lines)) and bool(lines or words)
    if lines:
        words.insert(0, printed(lines, 160, 350) if row else printed(lines, 84))
    below = f'<div class="words">{"".join(words)}</div>' if row else "".join(words)
    return [f'<div class="answer fragment{" row" * row}">{figure(picture)}{below}</div>']


def slides_of(notebook: Path) -> list[Slide]:
    """The slides of a notebook."""
    parts = parts_of(notebook)
    title = parts[0].text
    asked = next((p.text for p in parts if p.section == title and p.kind == "text"), "")
    name, _, words = title.partition(" · ")
    opened = f"<p>{name}</p><h1>{words}</h1><p class='opening'>{inline(asked)}</p>"
    found = [Slide("title", "", [opened])]
    ideas = {}
    for section in dict.fromkeys(p.section for p in parts):
        texts = [p for p in parts if p.section == section and p.kind == "text" and not p.exercise]
        best = None if section in (title, GOALS, RECAP, NEXT) else idea(texts)
        if best:
            ideas[id(best.data["of"])] = best
    shown: set[int] = set()  # outputs
    said: set[str] = set()  # sentences
    for n, part in enumerate(parts):
        if part.kind == "predict":
            found += prediction(parts, n, shown, said)
        elif id(part) in ideas:
            best = ideas[id(part)]
            words = {plain(s) for s in sentences(best.text)}
            if not words <= said:
                said |= words
                body = [f'<p class="idea">{inline(best.text)}</p>']
                found.append(Slide("idea", part.section, body, spare=True, text=best.text))
        elif part.kind == "exercise":
            found += task(parts[n], parts[n + 1 :])
        elif part.kind == "list" and part.section in (GOALS, RECAP):
            found.append(Slide("card", part.section, [to_html(part.text)]))
        elif part.kind == "text" and part.section == NEXT:
            found.append(Slide("next", part.section, [f'<p class="idea">{inline(part.text)}</p>']))
        elif part.kind in ("table", "formula", "list") and not part.exercise:
            add_beside(found, part)
        elif part.kind == "pause":
            found.append(Slide("pause", "", [f"<h2>Break</h2><p>{inline(part.text)}</p>"]))
        elif part.kind == "picture" and id(part) not in shown:
            add_picture(found, part)
        elif part.kind == "printed" and id(part) not in shown:  # where there is little to show
            body = [printed(part.text, 400)]
            if told := told_after(parts, part):
                body.append(f'<p class="so">{inline(told)}</p>')
            found.append(Slide("printed", part.section, body))
        elif part.kind == "explorer" and id(part) not in shown:
            found.append(Slide("play", part.section, [explorer(part)]))
        elif part.kind == "question" and id(part) not in shown:
            found.append(Slide("quiz", part.section, question(part)))
    lessons = lessons_of(notebook)
    extra = [slide for slide in found if slide.kind == "printed"]
    for slide in extra[max(0, LEAST * lessons - (len(found) - len(extra))) :]:
        found.remove(slide)
    return thin_out(found, MOST * lessons)


def lessons_of(notebook: Path) -> int:
    """Whether a notebook is one lesson or two; its note for teachers says so."""
    return 1 + (b"Two lessons of" in notebook.read_bytes())


def task(part: Part, after: list[Part]) -> list[Slide]:
    """An exercise, as it is set."""
    texts = [p.text for p in after[:2] if p.kind == "text" and p.exercise]
    if not texts:
        return []
    told = texts[0] if len(texts[0]) > 160 else " ".join(texts)
    told = " ".join(s for s in sentences(told) if not re.search("Stuck|hint|solution", s))
    body = f'<p class="idea">{inline(opening(told, 320, 420))}</p>'
    return [Slide("exercise", part.section, [f'<p class="chip">{part.text}</p>{body}'], spare=True)]


def add_beside(slides: list[Slide], part: Part) -> None:
    """Put a table, a list or a formula on the slide of the idea that it follows.

    A formula is never left out, nor a list of rules that a section begins with.
    """
    last = slides[-1]
    body = f'<div class="beside {part.kind}">{to_html(part.text)}</div>'
    small = part.text.count("\n") <= 9 and len(part.text) < 700 or part.kind == "formula"
    alone = last.kind == "idea" and len(last.body) == 1 and "formula" not in last.body[0]
    if small and alone and last.section == part.section:
        last.body.append(body)
        last.spare = False
    elif part.kind == "formula" or (part.text.startswith("1.") and last.section != part.section):
        slides.append(Slide("idea", part.section, [body]))


def add_picture(slides: list[Slide], part: Part) -> None:
    """Put a figure on the slide of the idea that it follows, or on one of its own."""
    last = slides[-1]
    if last.kind == "idea" and last.section == part.section and len(last.body) == 1:
        last.body.append(figure(part))
        last.spare = False
    else:
        slides.append(Slide("figure", part.section, [figure(part)]))


def thin_out(slides: list[Slide], most: int) -> list[Slide]:
    """Leave out exercises, then ideas that stand alone, first where there is most to show.

    A short idea goes to the head of the slide after it. If that is not enough, figures that follow
    each other share a slide.
    """
    slides = list(slides)
    sections = [slide.section for slide in slides]
    spare = [slide for slide in slides if slide.spare]
    spare.sort(key=lambda slide: (slide.kind != "exercise", -sections.count(slide.section)))
    for left in spare:
        if len(slides) <= most:
            break
        n, alone = slides.index(left), [s.section for s in slides].count(left.section) == 1
        if alone:
            continue  # each section has a slide
        after = slides[n + 1] if n + 1 < len(slides) else left
        if left.text and after.section == left.section and len(plain(left.text)) < 130:
            after.note = left.text
        slides.pop(n)
    for first, second in list(zip(slides, slides[1:], strict=False)):
        alike = first.kind == second.kind == "figure" and first.section == second.section
        if len(slides) > most and alike and len(first.body) == 1:
            second.body = [*first.body, *second.body]
            second.note = first.note or second.note
            slides.remove(first)
    return slides


# ------------------------------------------------------------------ the file


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
{scripts}
</body>
</html>
"""
TYPESET = {"options": {"enableMenu": False}, "svg": {"fontCache": "local"}}


def to_page(slides: list[Slide], title: str, modules: Path) -> str:
    """One HTML file with all that it needs.

    Parameters
    ----------
    modules : Path
        The folder ``node_modules`` with reveal.js and MathJax.
    """
    sections = []
    for slide in slides:
        note = f" <span>{inline(slide.note)}</span>" if slide.note else ""
        head = f"<h2>{html.escape(slide.section)}{note}</h2>" if slide.section else ""
        body = "\n".join(slide.body)
        sections.append(f'<section class="{slide.kind}">\n{head}\n{body}\n</section>')
    body = "\n".join(sections)
    reveal = modules / "reveal.js" / "dist"
    scripts = [(reveal / "reveal.js").read_text(encoding="utf-8")]
    if re.search(r"\\[(\[]", body):
        scripts.append(f"window.MathJax = {json.dumps(TYPESET)};")
        scripts.append((modules / "mathjax" / "es5" / "tex-svg.js").read_text(encoding="utf-8"))
    scripts.append((HERE / "slides.js").read_text(encoding="utf-8"))
    style = (reveal / "reveal.css", HERE / "slides.css")
    return PAGE.format(
        title=html.escape(title),
        style="\n".join(path.read_text(encoding="utf-8") for path in style),
        slides=body,
        scripts="\n".join(f"<script>{_within_script(text)}</script>" for text in scripts),
    )


def _within_script(text: str) -> str:
    """A script must not hold its own end."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def notebooks(chosen: list[str]) -> list[Path]:
    """The notebooks of the series, or those whose names begin so."""
    found = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    return [p for p in found if not chosen or any(p.name.startswith(c) for c in chosen)]


def write_decks(chosen: list[Path], output: Path, modules: Path) -> None:
    """Write a file for each notebook into a folder."""
    output.mkdir(parents=True, exist_ok=True)
    for notebook in chosen:
        slides = slides_of(notebook)
        page = to_page(slides, parts_of(notebook)[0].text, modules)
        (output / f"{notebook.stem}.html").write_text(page, encoding="utf-8")
        print(f"{notebook.stem}: {len(slides)} slides, {len(page) / 1e6:.1f} MB")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, write the decks, and return the exit status."""
    parser = argparse.ArgumentParser(description="Make the slides.")
    parser.add_argument("--output", type=Path, default=ROOT / "book" / "_build" / "slides")
    parser.add_argument("names", nargs="*", help="only these, such as 03")
    options = parser.parse_args(arguments)
    work = ROOT / "book" / "_build" / "npm"
    if why := fetch(work):
        print(f"No slides: reveal.js is not here. {why[0].upper() + why[1:]}.", file=sys.stderr)
        return 1
    chosen = notebooks(options.names)
    if not chosen:
        print(f"No notebook begins with {' or '.join(options.names)}.", file=sys.stderr)
        return 1
    write_decks(chosen, options.output, work / "node_modules")
    print(f"They are in {options.output}. Open one in a browser; the arrow keys lead on.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
