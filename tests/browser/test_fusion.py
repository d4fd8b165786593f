"""The fusion explorer in a real browser: as a file."""

from __future__ import annotations

import re

import pytest
import torch

from browser.harness import assert_accessible, assert_fits, assert_focus_is_seen, wait_for
from crnn_lib.language import fixed_length, pattern
from crnn_lib.widgets import FusionExplorer

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect


@pytest.fixture
def explorer(show):
    page = show(FusionExplorer().static_html())
    return page.locator(".crnn-explorer.fusion")


def slide(explorer, name, value):
    explorer.get_by_role("slider", name=name, exact=True).fill(str(value))


def status(explorer):
    return explorer.locator(".status")


def texts(explorer):
    return explorer.locator(".candidate:not(.head) .text .mono").all_inner_texts()


def test_opens_as_the_network_ranks(explorer):
    expect(status(explorer)).to_contain_text("Weight 0.00, bonus 0.0: 3506, which is wrong")
    assert texts(explorer) == list(FusionExplorer().scores)
    assert not any(explorer.locator(".moved").all_inner_texts()[1:])


@pytest.mark.parametrize("line", ["noughts", "touching", "not round"])
@pytest.mark.parametrize("weight, bonus", [(0.5, 0.0), (1.0, 2.0), (2.0, -1.5), (0.25, 4.0)])
def test_ranks_as_python_does(explorer, line, weight, bonus):
    explorer.get_by_role("radio", name=line).check()
    slide(explorer, "language weight", weight)
    slide(explorer, "bonus per character", bonus)
    python = FusionExplorer()
    python.choose(line)
    python.weight, python.bonus = weight, bonus
    assert texts(explorer) == list(python.scores)
    shown = explorer.locator(".candidate:not(.head) .total").all_inner_texts()
    for number, score in zip(shown, python.scores.values(), strict=True):
        assert abs(float(number.replace("−", "-")) - score) < 0.006


def test_keys_and_mouse_turn_the_knobs(explorer):
    chart = explorer.get_by_role("slider", name="language weight, on the chart")
    chart.press("ArrowRight")
    chart.press("ArrowUp")
    expect(status(explorer)).to_contain_text("Weight 0.05, bonus 0.1")
    chart.press("End")
    expect(chart).to_have_attribute("aria-valuenow", "2")
    chart.press("ArrowRight")
    expect(chart).to_have_attribute("aria-valuenow", "2")
    box = chart.bounding_box()
    chart.click(position={"x": box["width"] / 2, "y": 60})
    expect(status(explorer)).to_contain_text("Weight 1.00, bonus 0.1: 3500, which is right.")


def test_another_line_resets_the_knobs(explorer):
    slide(explorer, "language weight", 1.5)
    explorer.get_by_role("radio", name="touching").check()
    expect(status(explorer)).to_contain_text("Weight 0.00, bonus 0.0: 500, which is wrong")
    slide(explorer, "bonus per character", 1)
    expect(status(explorer)).to_contain_text("5000, which is right")
    expect(explorer.locator(".reigns span")).to_have_text(["5000 ✓"])


def test_candidates_stand_under_the_ink_that_they_were_read_from(explorer):
    paper = explorer.locator(".paper").bounding_box()
    line = FusionExplorer().lines[0]
    for row, candidate in zip(explorer.locator(".price").all(), line["candidates"], strict=False):
        letters = row.locator(".letters span")
        assert letters.all_inner_texts() == list(candidate["text"])
        for letter, middle in zip(letters.all(), candidate["middles"], strict=True):
            box = letter.bounding_box()
            place = (box["x"] + box["width"] / 2 - paper["x"]) / paper["width"]
            assert place == pytest.approx(middle / line["frames"], abs=0.01)
    expect(explorer.locator(".price .other").first).to_have_text("0")  # 3500 beside 3506


def test_a_price_is_what_the_network_asks_and_what_the_language_adds(explorer):
    def end(row):
        return float(row.locator(".end").evaluate("n => parseFloat(n.style.left)"))

    first, second = explorer.locator(".price").all()[:2]
    expect(first.locator(".language")).to_have_attribute("style", re.compile("width:0%"))
    assert end(first) < end(second)
    slide(explorer, "language weight", 1)
    widths = first.locator("i").evaluate_all("(n) => n.map((one) => parseFloat(one.style.width))")
    assert len(widths) == 2 and all(width > 1 for width in widths)
    assert sum(widths) == pytest.approx(end(first), abs=0.1)
    expect(first).to_contain_text("✓")


def test_each_curve_has_its_name_where_it_leaves_the_chart(explorer):
    left, right = explorer.locator(".names.left"), explorer.locator(".names.right")
    expect(right.locator("span").first).to_have_text("3500")
    expect(left.locator("span").first).to_have_text("3506")
    for side in (left, right):
        tops = [name.bounding_box()["y"] for name in side.locator("span").all()]
        assert all(b - a > 14 for a, b in zip(tops, tops[1:], strict=False))


def test_what_is_forbidden_stays_last(show):
    generator = torch.Generator().manual_seed(0)
    line = torch.randn(4, 11, generator=generator, dtype=torch.float64).log_softmax(-1)
    explorer = FusionExplorer(line, fixed_length("0123456789", 2))
    root = show(explorer.static_html()).locator(".crnn-explorer.fusion")
    never = root.locator(".candidate.never")
    count = sum(score == float("-inf") for score in explorer.scores.values())
    assert 0 < count < 10
    expect(never).to_have_count(count)
    assert all(len(text) == 2 for text in texts(root)[:-count])
    expect(never.first).to_contain_text("forbidden")
    slide(root, "bonus per character", 4)
    expect(never).to_have_count(count)


def test_all_forbidden(show):
    line = torch.zeros(3, 11, dtype=torch.float64).log_softmax(-1)
    explorer = FusionExplorer(line, pattern("0123456789", "555555"))
    root = show(explorer.static_html()).locator(".crnn-explorer.fusion")
    expect(status(root)).to_have_text("The language forbids all candidates.")


def test_fits_a_narrow_page(explorer):
    page = explorer.page
    page.set_viewport_size({"width": 390, "height": 844})
    assert_fits(page)
    for part in (".paper", ".prices", ".chart"):
        expect(explorer.locator(part)).to_be_in_viewport(ratio=1)
    explorer.get_by_role("button", name="All in numbers").click()
    texts_fit = "(nodes) => nodes.every((n) => n.getClientRects().length && n.offsetHeight < 30)"
    assert explorer.locator(".candidate .text").evaluate_all(texts_fit)
    expect(explorer.locator(".candidate").first.locator(".bar")).to_be_hidden()


def test_is_accessible(explorer):
    assert_accessible(explorer)
    assert_focus_is_seen(explorer)


def test_class_of_the_root(explorer):
    expect(explorer).to_have_class(re.compile("fusion"))
    expect(explorer).to_have_attribute("role", "group")


# ------------------------------------------------------------------ in JupyterLab

CODE = "from crnn_lib.widgets import FusionExplorer\nexplorer = FusionExplorer()\n"


def test_python_and_page_stay_together(lab, lab_page):
    notebook = lab.open(lab_page, "fusion", CODE, "explorer.weight = 0.5")
    live = lab_page.locator(".jp-OutputArea .crnn-explorer.fusion")
    expect(live).to_have_count(1)
    slide(live, "language weight", 1)
    notebook.wait_for_python(weight=1)
    live.get_by_role("slider", name="bonus per character").press("ArrowRight")
    wait_for(lambda: notebook.python["bonus"] > 0, "a bonus in Python", lab_page)
    notebook.run(1)
    expect(live.get_by_role("slider", name="language weight", exact=True)).to_have_value("0.5")
    notebook.assert_shortcuts_stay_away(live)
