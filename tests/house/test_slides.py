"""The slides: each deck has all that its notebook shows and asks, in one file that stands alone.

What needs reveal.js skips where npm cannot fetch it.
"""

from __future__ import annotations

import base64
import html
import json
import re
from html.parser import HTMLParser

import pytest
from books import SERIES, book_folder, built_slides, load_slides
from conftest import ROOT

pytest.importorskip("mdit_py_plugins", reason="slides need a Markdown reader: install '.[book]'")
slides = load_slides()
every_notebook = pytest.mark.parametrize("stem", SERIES)


def cells_of(stem):
    return json.loads((ROOT / "notebooks" / f"{stem}.ipynb").read_text(encoding="utf-8"))["cells"]


def deck_of(stem):
    return slides.slides_of(ROOT / "notebooks" / f"{stem}.ipynb")


def whole(deck):
    return "\n".join(piece for slide in deck for piece in slide.body)


def words(page):
    """What one reads on a slide."""
    text = re.sub(r"<[^>]+>", "", re.sub(r'data-page="[^"]*"', "", page))
    return " ".join(html.unescape(text).split())


@every_notebook
def test_a_lesson_has_twelve_to_twenty_slides(stem):
    lessons = slides.lessons_of(ROOT / "notebooks" / f"{stem}.ipynb")
    assert 12 * lessons <= len(deck_of(stem)) <= 20 * lessons


@every_notebook
def test_it_begins_with_the_question_and_ends_with_the_recap(stem):
    deck = deck_of(stem)
    assert deck[0].kind == "title" and stem[:2] in deck[0].body[0]
    assert [s.kind for s in deck if s.section == "Recap"] == ["card"]
    assert {"If you teach this"}.isdisjoint(s.section for s in deck)


@every_notebook
def test_every_section_is_there(stem):
    text = "\n\n".join("".join(c["source"]) for c in cells_of(stem) if c["cell_type"] == "markdown")
    sections = {slides.plain(name) for name in re.findall(r"^## (.+)$", text, re.MULTILINE)}
    shown = {slide.section for slide in deck_of(stem)}
    assert sections - {slides.TEACHERS} - shown == set()


@every_notebook
def test_every_prediction_is_asked_before_it_is_answered(stem):
    text = [
        re.sub(r"<details>.*?</details>", "", "".join(c["source"]), flags=re.DOTALL)
        for c in cells_of(stem)
        if c["cell_type"] == "markdown"
    ]
    asked = [
        m[1] for cell in text for m in re.finditer(r"\*\*Predict(?! →)[^*]*\*\*([^\n]+)", cell)
    ]
    deck = deck_of(stem)
    assert whole(deck).count("data-predict") == len(asked)
    for question in asked:
        if question.strip().endswith(":"):
            continue  # asked by the question card below it
        at = " ".join(slides.plain(question).lstrip(" ,:.").split()[:5]).rstrip(".:").lower()
        heads = [words(s.body[0]).lower() for s in deck if "data-predict" in s.body[0]]
        assert any(at in head for head in heads), question  # not where the answer appears
    for slide in deck:
        if slide.kind == "predict":
            assert all("fragment" in piece for piece in slide.body[1:] if "evidence" not in piece)


@every_notebook
def test_most_predictions_have_an_answer(stem):
    asked = [slide for slide in deck_of(stem) if slide.kind == "predict"]
    assert all('class="answer' in slide.body[-1] for slide in asked)


@every_notebook
def test_every_figure_is_there_once_with_its_sentence(stem):
    page = whole(deck_of(stem))
    for cell in cells_of(stem):
        for output in cell.get("outputs", []):
            for kind, content in output.get("data", {}).items():
                # an explorer's picture stands for it where no page is shown
                if kind == "image/png" and "text/html" not in output["data"]:
                    source = f"data:image/png;base64,{''.join(content).strip()}"
                    assert page.count(source) == 1
                    sentence = output["metadata"][kind]["alt"]
                    assert f"<figcaption>{html.escape(sentence)}</figcaption>" in page


@every_notebook
def test_every_explorer_and_question_is_there(stem):
    page = whole(deck_of(stem))
    questions = explorers = 0
    for cell in cells_of(stem):
        for output in cell.get("outputs", []):
            stored = "".join(output.get("data", {}).get("text/html", ""))
            if '"reasons": [' in stored:
                questions += 1
            elif stored:
                explorers += 1
                assert html.escape(stored, quote=True) in page
    assert page.count('class="asked"') == questions
    assert page.count('class="explorer"') == explorers


@every_notebook
def test_a_question_does_not_hold_its_answer(stem):
    for part in slides.parts_of(ROOT / "notebooks" / f"{stem}.ipynb"):
        if part.kind == "question":
            page = "".join(slides.question(part))
            for name in ("answers", "reasons"):
                for option in part.data[name]:
                    assert slides.plain(option["text"]) in words(page)
                    assert slides.plain(option["reply"]) not in words(page)
            first, _, second = page.partition('class="fragment"')
            assert "And why?" in second and "Which answer?" in first


@every_notebook
def test_nothing_leads_elsewhere(stem):
    for slide in deck_of(stem):
        page = re.sub(r'data-page="[^"]*"|src="data:[^"]*"', "", "".join(slide.body))
        assert "<a " not in page and "http" not in page and "](" not in page


# ------------------------------------------------------------------ of small notebooks


def write(path, *cells):
    path.write_text(json.dumps({"cells": list(cells)}), encoding="utf-8")
    return path


def text_cell(source, id="t"):
    return {"cell_type": "markdown", "id": id, "metadata": {}, "source": source}


def code_cell(*outputs, id="c", **metadata):
    return {"cell_type": "code", "id": id, "metadata": metadata, "source": "", "outputs": outputs}


def said(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8) + bytes([0, 0, 4, 0, 0, 0, 1, 0])).decode()


def shown(alt):
    about = {"image/png": {"alt": alt, "width": 400}}
    return {"output_type": "display_data", "data": {"image/png": PIXEL}, "metadata": about}


FOLDED = {"collapsed": True, "jupyter": {"outputs_hidden": True}}


def test_the_folded_output_is_the_answer_and_a_figure_in_sight_belongs_to_the_question(tmp_path):
    notebook = write(
        tmp_path / "a.ipynb",
        text_cell("# 00 · A\n\nHow?"),
        text_cell("## B\n\nSix lines.\n\n**Predict.** Which are `7`s?"),
        code_cell(said("Exercise 0.1, not attempted: write it.\n"), id="c0"),
        code_cell(shown("Six lines, covered."), said("Six lines, covered.\n"), id="c1"),
        code_cell(said("three\n"), id="c2", **FOLDED),
        text_cell("Three of them. That is half."),
    )
    (slide,) = [s for s in slides.slides_of(notebook) if s.kind == "predict"]
    ask, evidence, answer = slide.body
    assert "Six lines." in ask and "Which are <code>7</code>s?" in ask
    assert "Six lines, covered." in evidence and "fragment" not in evidence
    assert ">three</pre>" in answer and "Three of them. That is half." in answer
    assert "not attempted" not in "".join(slide.body)


def test_what_is_asked_of_a_list_and_answered_in_a_fold(tmp_path):
    fold = "<details><summary>Open</summary>\n\n1. **Harmless.**\n\n2. Not.\n\n</details>"
    notebook = write(
        tmp_path / "a.ipynb",
        text_cell("# 00 · A\n\nHow?"),
        text_cell(f"## B\n\n**Predict** for each: does it hurt?\n\n1. One.\n2. Two.\n\n{fold}"),
        code_cell(shown("Another thing."), said("Another thing.\n")),
    )
    deck = slides.slides_of(notebook)
    ask, answer = deck[1].body
    assert "For each: does it hurt?" in ask and "Two." in ask and "Harmless" not in ask
    assert "fragment" in answer and "Harmless" in answer and "Open" not in answer
    assert "Another thing." in deck[2].body[0]


def test_what_is_tagged_guard_never_appears(tmp_path):
    notebook = write(
        tmp_path / "a.ipynb",
        text_cell("# 00 · A\n\nHow?"),
        text_cell("## B\n\n**Predict.** What?"),
        code_cell(said("all is well\n"), tags=["guard"]),
        code_cell(said("17\n"), id="d"),
    )
    page = whole(slides.slides_of(notebook))
    assert "all is well" not in page and ">17</pre>" in page


def test_the_text_below_a_prediction_is_not_on_its_slide_before_the_answer(tmp_path):
    notebook = write(
        tmp_path / "a.ipynb",
        text_cell("# 00 · A\n\nHow?"),
        text_cell("## B\n\n**Predict.** How many?\n\nThe next paragraph."),
        text_cell("## C\n\n**It is the sum of them all.**"),
    )
    deck = slides.slides_of(notebook)
    assert "The next" not in deck[1].body[0]
    assert deck[-1].section == "C" and "It is the sum of them all." in deck[-1].body[0]


def test_formulas_are_left_to_mathjax(tmp_path):
    notebook = write(
        tmp_path / "a.ipynb",
        text_cell("# 00 · A\n\nHow is $a < b_1 * c_2 * d$?"),
        text_cell("## B\n\n$$\nx^2 \\\\\n\ny\n$$"),
    )
    deck = slides.slides_of(notebook)
    assert r"\(a &lt; b_1 * c_2 * d\)" in deck[0].body[0]
    assert "x^2 \\\\" in deck[1].body[0] and r"\[" in deck[1].body[0]


def test_too_many_slides_give_up_ideas_before_figures(tmp_path):
    figures = [[shown(f"Figure {n}."), said(f"Figure {n}.")] for n in range(3)]
    cells = [text_cell("# 00 · A\n\nHow?")]
    for n in range(17):
        cells.append(
            text_cell(f"## S{n}\n\nThis is the idea of section {n}.\n\n**Predict.** What?")
        )
        cells.append(code_cell(said(f"{n}\n"), id=f"c{n}"))
    cells.append(text_cell("## Last\n\n### All"))
    cells += [code_cell(*pair, id=f"f{n}") for n, pair in enumerate(figures)]
    deck = slides.slides_of(write(tmp_path / "a.ipynb", *cells))
    assert len(deck) == 20
    page = whole(deck)
    assert all(f"Figure {n}." in page for n in range(3)) and page.count("data-predict") == 17


def test_a_long_line_is_broken_and_small_print_grows():
    assert "font-size:30.0px" in slides.printed("17", 300)
    broken = slides.printed("word " * 60, 300)
    assert broken.count("\n") >= 3 and float(re.search(r"size:([\d.]+)px", broken)[1]) > 15


def test_it_is_said_why_there_are_none(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(slides, "fetch", lambda folder: "there is no npm")
    assert slides.main(["--output", str(tmp_path / "decks")]) == 1
    assert capsys.readouterr().err == "No slides: reveal.js is not here. There is no npm.\n"
    assert not (tmp_path / "decks").exists()
    monkeypatch.setattr(slides, "fetch", lambda folder: "")
    assert slides.main(["77"]) == 1
    assert "No notebook begins with 77" in capsys.readouterr().err


# ------------------------------------------------------------------ the files


class Loads(HTMLParser):
    """What a page would fetch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        named = [values.get(name) or "" for name in ("src", "href", "srcset", "poster", "data")]
        self.found += [value for value in named if value and not value.startswith("data:")]
        if values.get("data-page"):
            self.feed_page(values["data-page"])

    def feed_page(self, page):
        inner = Loads()
        inner.feed(page)
        self.found += inner.found


def test_a_deck_is_one_file_that_asks_for_nothing(tmp_path_factory):
    folder = built_slides(book_folder(tmp_path_factory))
    decks = sorted(path.stem for path in folder.glob("*.html"))
    assert decks == SERIES
    for path in folder.glob("*.html"):
        page = path.read_text(encoding="utf-8")
        loads = Loads()
        loads.feed(page)
        assert loads.found == [], path.name
        assert not re.search(r"@import|url\((?!['\"]?(data:|#))", page.split("</style>")[0])
        formula = re.search(r"\\[(\[]", whole(deck_of(path.stem)))
        assert ("window.MathJax = " in page) == bool(formula), "only decks with formulas carry it"
        assert path.stat().st_size < 4e6


def test_a_script_cannot_end_itself():
    assert "</script" not in slides._within_script("a = '</script>'")


def test_make_knows_it():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^slides: setup\n\t\$\(PY\) book/teach/slides.py", makefile, re.MULTILINE)
