"""The where explorer in a real browser."""

from __future__ import annotations

import pytest
import torch

from browser.harness import assert_accessible, assert_fits, assert_focus_is_seen
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import load_model
from crnn_lib.widgets import WhereExplorer

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect


@pytest.fixture(scope="module")
def made():
    lines = compose_lines(
        load_glyphs("pen", "test", count=300),
        2,
        LineStyle(spacing=(0.2, 0.3)),
        torch.Generator().manual_seed(3),
        texts=["55207", "31"],
    )
    explorer = WhereExplorer(load_model("crnn-digits"), lines)
    explorer.line = explorer.character = 0
    return explorer


@pytest.fixture
def explorer(show, made):
    return show(made.static_html()).locator(".crnn-explorer.where")


def span(pair):
    return f"[{pair[0]}, {pair[1]})"


def test_keys_and_clicks_go_from_character_to_character(explorer, made):
    characters = made.lines[0]["characters"]
    status, paper = explorer.locator(".status"), explorer.get_by_role("slider", name="character")
    for i, character in enumerate(characters):
        expect(status).to_contain_text(f"Character {i}, {character['symbol']}: frames ")
        expect(status).to_contain_text(f"columns {span(character['columns'])}")
        expect(explorer.locator("dd").first).to_have_text(span(character["frames"]))
        paper.press("ArrowRight")
    expect(paper).to_have_attribute("aria-valuenow", str(len(characters) - 1))
    box, first = paper.bounding_box(), characters[0]["columns"]
    middle = sum(first) / 2 / made.lines[0]["width"]
    paper.click(position={"x": middle * box["width"], "y": 20})
    expect(paper).to_have_attribute("aria-valuenow", "0")
    explorer.locator(".characters button").nth(1).click()
    expect(paper).to_have_attribute("aria-valuenow", "1")


def test_pixels_of_a_short_line_stay_square(explorer, made):
    explorer.get_by_role("radio", name=made.lines[1]["read"]).check()
    box, line = explorer.locator(".paper").bounding_box(), made.lines[1]
    assert box["width"] / box["height"] == pytest.approx(
        line["width"] / (line["height"] + 10), rel=0.02
    )


def test_shares_are_those_of_python(explorer, made):
    shares = made.lines[0]["characters"][0]["shares"]
    names = explorer.locator(".share .mono").all_inner_texts()
    assert names == [name or "∅" for name, _ in shares]


def test_another_line(explorer, made):
    explorer.get_by_role("radio", name=made.lines[1]["read"], exact=True).check()
    expect(explorer.locator(".characters button")).to_have_count(len(made.lines[1]["characters"]))
    expect(explorer.locator(".status")).to_contain_text(f"reads {made.lines[1]['read']}")


def test_fits_a_narrow_page_and_is_accessible(explorer):
    assert_accessible(explorer)
    assert_focus_is_seen(explorer)
    explorer.page.set_viewport_size({"width": 400, "height": 900})
    assert_fits(explorer.page)


# ------------------------------------------------------------------ in JupyterLab

CODE = """
import torch
from crnn_lib import load_model
from crnn_lib import LineStyle, compose_lines, load_glyphs
from crnn_lib.widgets import WhereExplorer
lines = compose_lines(load_glyphs("pen", "test", count=300), 1, LineStyle(spacing=(0.2, 0.3)),
                      torch.Generator().manual_seed(3), texts=["55207"])
explorer = WhereExplorer(load_model("crnn-digits"), lines)
explorer.character = 0
"""


def test_python_and_page_stay_together(lab, lab_page):
    notebook = lab.open(lab_page, "where", CODE, "explorer.character = 0")
    live = lab_page.locator(".jp-OutputArea .crnn-explorer.where")
    expect(live).to_have_count(1)
    live.get_by_role("slider", name="character").press("ArrowRight")
    notebook.wait_for_python(character=1)
    live.locator(".characters button").nth(2).click()
    notebook.wait_for_python(character=2)
    notebook.run(1)
    expect(live.get_by_role("slider", name="character")).to_have_attribute("aria-valuenow", "0")
    notebook.assert_shortcuts_stay_away(live)
