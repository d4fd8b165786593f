"""The map of the series is what its script draws, of the notebooks that are there."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from conftest import ROOT, load_executor

SERIES = {path.name[:2]: path for path in load_executor().series()}
SPEC = importlib.util.spec_from_file_location("make_map", ROOT / "book" / "make_map.py")
make_map = sys.modules["make_map"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make_map)
STOPS = make_map.STOPS


def prose(number):
    cells = json.loads(SERIES[number].read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def before(number):
    """All notebooks that one builds on, over any number of arrows."""
    needs = set(STOPS[number].needs)
    return needs.union(*map(before, needs))


def test_the_file_is_what_the_script_draws(capsys):
    assert make_map.TARGET.read_text(encoding="utf-8") == make_map.draw(make_map.titles())
    assert make_map.main(["--check"]) == 0


def test_a_changed_title_is_seen():
    titles = make_map.titles()
    other = make_map.draw({**titles, "03": "Collapsing paths"})
    assert other != make_map.draw(titles)
    with pytest.raises(ValueError, match="Add what is missing to STOPS"):
        make_map.draw({**titles, "99": "One more"})


def test_a_notebook_without_its_number_is_refused(tmp_path):
    (tmp_path / "notebooks").mkdir()
    page = {"cells": [{"cell_type": "markdown", "source": ["# 04 · Another"]}]}
    (tmp_path / "notebooks" / "03_x.ipynb").write_text(json.dumps(page), encoding="utf-8")
    with pytest.raises(ValueError, match="03_x.ipynb must begin with the heading '# 03 · Title'"):
        make_map.titles(tmp_path)


def test_arrows_point_forward_and_none_is_there_twice():
    for number, stop in STOPS.items():
        assert all(other < number for other in (*stop.needs, *stop.recalls))
        for need in stop.needs:
            others = set(stop.needs) - {need}
            assert need not in set().union(*map(before, others)), f"{need} to {number} is implied"
        assert not set(stop.recalls) & before(number), number
    assert before("14") >= {"04", "06", "09"} and not before("00")


@pytest.mark.parametrize("number", [n for n in STOPS if n != "00"])
def test_a_notebook_names_those_it_builds_on(number):
    text = prose(number)
    for other in (*STOPS[number].needs, *STOPS[number].recalls):
        assert re.search(rf"[Nn]otebooks? [^.\n]*\b{other}\b|\({other}\b", text), other


def test_boxes_stand_apart_and_hold_their_words():
    places = [(stop.column, stop.row) for stop in STOPS.values()]
    assert len(set(places)) == len(places)
    assert 9 * max(map(len, make_map.titles().values())) <= make_map.WIDE - 40  # pixels
    assert max(len(stop.about) for stop in STOPS.values()) <= 32


def test_picture_can_be_read_without_colours():
    """One ink: the two kinds of arrows differ in their line, and all text is dark on light."""
    text = make_map.TARGET.read_text(encoding="utf-8")
    picture = ElementTree.fromstring(text)
    colours = set(re.findall(r"#[0-9a-f]{6}", text))
    assert colours == {make_map.PAPER, make_map.INK, make_map.SOFT, make_map.BOX}

    def light(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ink in (make_map.INK, make_map.SOFT):
        for paper in (make_map.PAPER, make_map.BOX):
            assert (light(paper) + 0.05) / (light(ink) + 0.05) > 4.5
    arrows = [p for p in picture.iter() if p.get("marker-end")]
    dashed = [p for p in arrows if p.get("stroke-dasharray")]
    assert len(dashed) == 1 + sum(len(stop.recalls) for stop in STOPS.values())  # and the legend's
    assert len(arrows) - len(dashed) == 1 + sum(len(stop.needs) for stop in STOPS.values())


def test_picture_is_described_wherever_it_stands():
    picture = ElementTree.parse(make_map.TARGET).getroot()
    names = {child.tag.split("}")[1]: child.text for child in picture}
    assert picture.get("role") == "img" and names["desc"] == make_map.ALT and names["title"]
    for page in (prose("00"), (ROOT / "README.md").read_text(encoding="utf-8")):
        (words,) = re.findall(r"!\[([^\]]*)\]\([^)]*book/map\.svg\)", page)
        assert " ".join(words.split()) == make_map.ALT
