"""The beam explorer in a real browser: its search is Python's, as a file, and in JupyterLab."""

from __future__ import annotations

import base64
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from browser.harness import assert_accessible, assert_fits, assert_focus_is_seen
from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import best_path, prefix_beams
from crnn_lib.widgets import BeamExplorer, CollapseExplorer, bundle

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect


@pytest.fixture
def explorer(show):
    return show(BeamExplorer().static_html()).locator(".crnn-explorer.beam")


def status(explorer):
    return explorer.locator(".status")


def slide(explorer, name, value):
    explorer.get_by_role("slider", name=name, exact=True).fill(str(value))


def shown(explorer):
    """The prefixes in the table that are kept, and those that die."""
    rows = explorer.locator(".prefix:not(.head)")
    texts = rows.locator(".label").all_inner_texts()
    dying = [("dies" in (name or "")) for name in rows.evaluate_all("r => r.map(n => n.className)")]
    kept = [text for text, dies in zip(texts, dying, strict=True) if not dies]
    return kept, [text for text, dies in zip(texts, dying, strict=True) if dies]


def random_lattices():
    """Flat, sharp, with ties and with impossible classes; the blank at either end."""
    generator = torch.Generator().manual_seed(0)
    for frames, classes, sharpness in ((1, 2, 1), (4, 3, 1), (6, 4, 3), (9, 11, 5), (5, 3, 0)):
        for blank in (0, classes - 1):
            logits = sharpness * torch.randn(frames, classes, generator=generator).double()
            logits[0, 1 - (blank == 1)] = -torch.inf if frames > 4 else 0.0
            yield logits.log_softmax(-1), blank


def test_each_step_is_that_of_python(show):
    cases = [
        {"logProbs": lattice.flatten().tolist(), "frames": len(lattice), "blank": blank}
        | {"classes": lattice.shape[1], "width": width}
        for lattice, blank in random_lattices()
        for width in (1, 2, 5, 100)
    ]
    code = base64.b64encode(bundle("prefixes.js").encode()).decode()
    steps = show("<p></p>").evaluate(
        """async ([code, cases]) => {
            const module = await import("data:text/javascript;base64," + code);
            return cases.map(({ logProbs, ...rest }) => {
                const lattice = { ...rest, logProbs: Float64Array.from(logProbs) };
                const steps = module.beamSteps(lattice, rest.blank, rest.width);
                return [steps.map((s) => s.filter((p) => p.kept).map((p) => [p.label, p.total])),
                        module.bestPathLabel(lattice, rest.blank, rest.frames)];
            });
        }""",
        [code, cases],
    )
    for case, (found, greedy) in zip(cases, steps, strict=True):
        lattice = torch.tensor(case["logProbs"], dtype=torch.float64).view(-1, case["classes"])
        options = {"blank": case["blank"], "beam_width": case["width"]}
        for t, step in enumerate(found):
            expected = prefix_beams(lattice[:t], **options)
            assert [tuple(label) for label, _ in step] == list(expected), (case, t)
            totals = [total for _, total in step]
            assert totals == pytest.approx(list(expected.values()), abs=1e-9)
        alphabet = Alphabet("abcdefghij"[: case["classes"] - 1], case["blank"])
        assert tuple(greedy) == best_path(lattice, alphabet=alphabet)[0].label


def test_opens_on_two_frames_by_hand(explorer):
    expect(explorer.locator(".soft").first).to_contain_text("best path reads nothing")
    assert shown(explorer) == (["∅", "a"], [])
    slide(explorer, "frames read", 2)
    assert shown(explorer) == (["a", "∅"], [])
    expect(explorer.locator(".merged")).to_have_text("stays  ⋈  ∅ + a")
    expect(explorer.locator(".verdict")).to_contain_text("≠")
    expect(explorer.locator(".verdict")).to_contain_text("The beam has seen 0.640 of its 0.640.")
    expect(status(explorer)).to_contain_text("Best: a, 0.640. Best path: nothing.")


def test_a_narrow_beam_loses(explorer):
    slide(explorer, "beam width", 1)
    assert shown(explorer) == (["∅"], ["a"])
    slide(explorer, "frames read", 2)
    assert shown(explorer) == (["∅"], ["a"])
    expect(explorer.locator(".verdict")).to_contain_text("0.360 of its 0.360")


def test_keys_step_and_widen(explorer):
    heat = explorer.get_by_role("slider", name="frames read, on the posteriors")
    heat.press("ArrowRight")
    expect(heat).to_have_attribute("aria-valuenow", "2")
    heat.press("ArrowRight")
    expect(heat).to_have_attribute("aria-valuenow", "2")
    heat.press("Home")
    expect(status(explorer)).to_have_text(
        "No frame read: the empty prefix has all of the probability."
    )
    heat.press("ArrowDown")
    expect(explorer.get_by_role("slider", name="beam width")).to_have_attribute(
        "aria-valuetext", "2"
    )


def test_a_click_on_the_posteriors_reads_up_to_there(explorer):
    explorer.get_by_role("radio", name="confused").check()
    heat = explorer.locator(".heat")
    box = heat.bounding_box()
    heat.click(position={"x": box["width"] * 13.5 / 25, "y": 20})
    expect(heat).to_have_attribute("aria-valuenow", "14")
    expect(explorer.locator("h4")).to_contain_text("After frame 13")
    expect(explorer.locator(".label").nth(1)).to_have_text("552")


# ------------------------------------------------------------------ the river


@pytest.fixture
def river(explorer):
    explorer.get_by_role("radio", name="confused").check()
    slide(explorer, "frames read", 25)
    return explorer.get_by_role("application", name="The beam as a river")


def test_the_river_lies_under_the_ink_frame_by_frame(explorer, river):
    """Ink, posteriors and river have one axis; the thickest ribbon's name stands on it."""
    left, right = (
        river.evaluate(
            """(bed, side) => Math.max(...[...bed.querySelectorAll("path[data-to]")]
                .map((n) => n.getBoundingClientRect()[side] * (side === "left" ? -1 : 1)))""",
            side,
        )
        for side in ("left", "right")
    )
    heat = explorer.locator(".heat").bounding_box()
    assert -left == pytest.approx(heat["x"], abs=1.5)
    assert right == pytest.approx(heat["x"] + heat["width"], abs=1.5)
    paper = explorer.locator(".paper").bounding_box()
    assert paper["x"] == heat["x"] and paper["width"] == heat["width"]
    names = river.locator("text:not(.tick)").all_text_contents()
    assert {"∅", "5", "55", "552", "55207", "5527"} <= set(names)
    assert any(name.startswith("55207 0.513") for name in names)


def test_a_ribbon_that_is_chosen_tells_its_story(explorer, river):
    ribbons = river.locator("path[data-to='6,6,8']")  # 557
    box = ribbons.nth(3).bounding_box()
    explorer.page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    card = explorer.locator(".card")
    expect(card).to_contain_text("557")
    expect(card).to_contain_text("of 3 in the beam. Frame 17 drops it.")
    slide(explorer, "frames read", 25)
    expect(card).to_have_text("557was dropped in frame 17.")
    expect(river.get_by_text("✗")).to_have_count(1)
    expect(status(explorer)).to_contain_text("Selected: 557, not in the beam.")


def test_keys_walk_from_ribbon_to_ribbon(explorer, river):
    card = explorer.locator(".card .name")
    expect(card).to_have_text("55207")
    river.press("ArrowDown")
    expect(card).to_have_text("55201")  # under the best one
    river.press("ArrowUp")
    river.press("ArrowUp")
    expect(card).to_have_text("5527")
    river.press("ArrowLeft")
    expect(explorer.locator("h4")).to_contain_text("After frame 23")
    expect(card).to_have_text("5527")
    river.press("Escape")
    expect(card).to_have_text("55207")


def test_the_card_has_the_numbers_of_the_row(explorer):
    slide(explorer, "frames read", 2)
    card = explorer.locator(".card")
    expect(card).to_contain_text("ends in a blank 0.240")
    expect(card).to_contain_text("+ ends in a 0.400")
    expect(card).to_contain_text("= 0.640")
    expect(card).to_contain_text("Two ways flow together: it stays, ∅ + a.")
    table = explorer.get_by_role("table")
    expect(table).to_be_hidden()
    explorer.get_by_role("button", name="All in numbers").click()
    expect(table.get_by_role("row").nth(1)).to_contain_text("0.640")


def test_watching_reads_frame_by_frame_and_with_less_motion_at_once(show):
    page = show(BeamExplorer().static_html(), reduced_motion="reduce")
    page.get_by_role("button", name="watch the beam").click()
    expect(page.locator(".status")).to_contain_text("After frame 1: ")
    page = show(BeamExplorer().static_html())
    page.get_by_role("radio", name="trained").check()
    page.get_by_role("button", name="watch the beam").click()
    pause = page.get_by_role("button", name="Pause")
    expect(page.locator(".status")).to_contain_text("After frame 2: ")
    pause.click()
    expect(pause).to_have_count(0)


def test_the_river_is_saved_as_a_picture_that_stands_alone(explorer, river, tmp_path):
    with explorer.page.expect_download() as saved:
        explorer.get_by_role("button", name="Save as SVG").click()
    assert saved.value.suggested_filename == "beam-confused.svg"
    saved.value.save_as(tmp_path / "river.svg")
    picture = ElementTree.parse(tmp_path / "river.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    inks = [node.get("href") for node in picture.iter(f"{space}image")]
    assert len(inks) == 2 and all(ink.startswith("data:image/png;base64,") for ink in inks)
    assert sum("data-to" in node.attrib for node in picture.iter(f"{space}path")) > 25
    assert "55207 0.513" in {node.text for node in picture.iter(f"{space}text")}


def test_the_river_is_saved_as_it_flows(show, tmp_path):
    page = show(BeamExplorer().static_html())
    explorer = page.locator(".crnn-explorer.beam")
    explorer.get_by_role("radio", name="trained").check()
    frames = int(explorer.locator(".heat").get_attribute("aria-valuemax"))
    with page.expect_download() as saved:
        explorer.get_by_role("button", name="Save as GIF").click()
    assert saved.value.suggested_filename == "beam-trained.gif"
    expect(status(explorer)).to_contain_text(f"saved: {frames + 1} pictures")
    expect(explorer.locator(".heat")).to_have_attribute("aria-valuenow", "1")  # as before
    saved.value.save_as(tmp_path / "river.gif")
    with Image.open(tmp_path / "river.gif") as film:
        assert film.n_frames == frames + 1 and film.info["loop"] == 0
        bright, delays = [], []  # how much water there is; grey water and words are paler or fewer
        for t in range(film.n_frames):
            film.seek(t)
            delays.append(film.info["duration"])
            red = np.asarray(film.convert("RGB"))[..., 0]
            bright.append(int((red[-200:, :-120] > 180).sum()))
    assert set(delays[:-1]) == {delays[0]} and delays[-1] == 2500
    assert np.corrcoef(bright, range(frames + 1))[0, 1] > 0.95 and bright[-1] > 5 * bright[0]


@pytest.mark.parametrize("size", [(1280, 720), (390, 844)])
def test_ink_river_and_card_fit_a_screen(explorer, river, size):
    page = explorer.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    expect(river).to_be_in_viewport(ratio=1)
    tops = [explorer.locator(part).bounding_box() for part in (".tools", ".card", ".verdict")]
    assert tops[0]["y"] >= 0 and tops[2]["y"] + tops[2]["height"] <= size[1]
    assert_fits(page)


HOST = "<style>.card { display: flex; flex-direction: column; background: #fff }</style>"


def test_a_book_with_cards_of_its_own_and_a_later_explorer_changes_nothing(show):
    """A sheet of styles comes with each explorer; the last on a page has the last word."""
    later = CollapseExplorer().static_html()
    page = show(HOST, BeamExplorer().static_html(), later, color_scheme="dark")
    page.set_viewport_size({"width": 720, "height": 900})
    explorer = page.locator(".crnn-explorer.beam")
    style = explorer.locator(".card").evaluate("(node) => getComputedStyle(node).background")
    assert style.startswith("rgba(0, 0, 0, 0)")
    words = [part.bounding_box() for part in explorer.locator(".card > *").all()]
    assert words[1]["x"] > words[0]["x"] + words[0]["width"]  # one beside the other
    steps = [explorer.get_by_role("button", name=f"one frame {to}") for to in ("back", "on")]
    back, on = (step.bounding_box() for step in steps)
    assert back["y"] == on["y"] and back["x"] < on["x"]


def test_fits_a_narrow_page_and_is_accessible(explorer):
    assert_accessible(explorer)
    assert_focus_is_seen(explorer)
    page = explorer.page
    page.set_viewport_size({"width": 400, "height": 900})
    explorer.get_by_role("radio", name="confused").check()
    assert_fits(page)


# ------------------------------------------------------------------ in JupyterLab

CODE = "from crnn_lib.widgets import BeamExplorer\nexplorer = BeamExplorer()\n"


def test_python_and_page_stay_together(lab, lab_page):
    notebook = lab.open(lab_page, "beam", CODE, "explorer.width = 2")
    live = lab_page.locator(".jp-OutputArea .crnn-explorer.beam")
    expect(live).to_have_count(1)
    live.get_by_role("slider", name="frames read", exact=True).fill("2")
    notebook.wait_for_python(frame=2, width=3)
    live.get_by_role("radio", name="trained").check()
    notebook.wait_for_python(line=4, frame=1)
    live.get_by_role("slider", name="frames read, on the posteriors").press("ArrowRight")
    notebook.wait_for_python(frame=2)
    notebook.run(1)
    expect(live.get_by_role("slider", name="beam width")).to_have_attribute("aria-valuetext", "2")
    notebook.assert_shortcuts_stay_away(live)
