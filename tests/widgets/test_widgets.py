"""Explorers without a browser: their traits, their pages, and JavaScript held against Python."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import alignments, collapse, count_alignments, minimum_frames
from crnn_lib.models import SlidingWindowRNN, SlidingWindowRNNConfig
from crnn_lib.plots import to_png
from crnn_lib.widgets import CollapseExplorer, WindowExplorer, bundle, encode
from crnn_lib.widgets.base import FOLDER
from crnn_lib.widgets.stills import plot_collapse, plot_windows

NODE = shutil.which("node")
LINE = torch.rand(1, 32, 109, generator=torch.Generator().manual_seed(0))


def run_in_node(imports: str, expression: str, cases: list) -> list:
    """Evaluate an expression in ``c`` for each case, with the modules as they are on disk."""
    if NODE is None:
        pytest.skip("holding JavaScript against Python needs node on the PATH")
    script = f"""
        {imports}
        import {{ readFileSync }} from "node:fs";
        const cases = JSON.parse(readFileSync(0, "utf8"));
        console.log(JSON.stringify(cases.map((c) => ({expression}))));
    """
    command = [NODE, "--no-warnings", "--input-type=module", "--eval", script]
    done = subprocess.run(
        command, input=json.dumps(cases), capture_output=True, text=True, cwd=FOLDER
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def modules(*names: str, of: str) -> str:
    return f'import {{ {", ".join(names)} }} from "{(FOLDER / of).as_uri()}";'


def texts(count: int, symbols: str, longest: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return ["".join(chance.choices(symbols, k=chance.randrange(longest + 1))) for _ in range(count)]


# ------------------------------------------------------------------ JavaScript against Python


def test_collapse_and_the_wrong_order():
    cases = ["", "-", "5-5", "55", "55-55222--07", *texts(400, "-012", 14, seed=0)]
    logic = modules("collapse", "dropThenMerge", of="alignments.js")
    found = run_in_node(logic, "[collapse(c), dropThenMerge(c)]", cases)
    explorer = CollapseExplorer()
    for alignment, (right, wrong) in zip(cases, found, strict=True):
        explorer.alignment, explorer.drop_first = alignment, False
        assert explorer.label == right == "".join(collapse(alignment, blank="-"))
        explorer.drop_first = True
        assert explorer.label == wrong


def test_rows_of_the_collapse():
    cases = texts(200, "-01", 12, seed=1)
    logic = modules("stages", of="alignments.js")
    found = run_in_node(logic, "[stages(c, false), stages(c, true)]", cases)
    for orders in found:
        for order in orders:
            for row, text in enumerate(order["texts"]):
                # tiles in one place are one; what is no longer there is not in the text
                tiles = [tile for tile in order["tiles"] if tile["there"][row]]
                places = {tile["places"][row]: tile["symbol"] for tile in tiles}
                assert "".join(places[x] for x in sorted(places)) == text
                places = [tile["places"][row] for tile in tiles]
                assert places == sorted(places), "no tile overtakes another"


def test_minimum_frames_and_counts():
    cases = [
        [text, T] for text in ["", "55207", *texts(60, "01", 12, seed=2)] for T in range(1, 41)
    ]
    logic = modules("minimumFrames", "countAlignments", of="counting.js")
    found = run_in_node(logic, "[minimumFrames(c[0]), countAlignments(c[0], c[1])]", cases)
    for (text, frames), (needed, count) in zip(cases, found, strict=True):
        assert needed == minimum_frames([ord(c) for c in text])
        assert count == count_alignments([ord(c) for c in text], frames)  # every digit of it


def test_the_largest_counts_are_exact():
    cases = ["0" * n for n in range(13)] + ["01" * 6, "012" * 4, "0123456789"]
    found = run_in_node(
        modules("countAlignments", of="counting.js"), "countAlignments(c, 40)", cases
    )
    assert found == [count_alignments([ord(c) for c in text], 40) for text in cases]
    assert max(found) > 1e14 and max(found) < 2**53


def test_counts_of_long_lines_are_those_of_python():
    labels = [[6, 6, 3, 1, 8], [1, 2] * 20, [7] * 40, []]
    cases = [[label, T] for T in (1, 60, 256) for label in labels]
    logic = modules("countAlignments", of="counting.js")
    found = run_in_node(logic, "countAlignments(...c)", cases)
    assert found == pytest.approx([count_alignments(*case) for case in cases], rel=1e-12)
    assert max(found) > 2**53


def test_numbered_alignments_are_pythons():
    cases = [[text, T] for text in ("", "5", "55", "57", "552", "505") for T in range(1, 8)]
    logic = modules("alignmentAt", of="alignments.js")
    logic += modules("countAlignments", of="counting.js")
    every = "Array.from({ length: countAlignments(...c) }, (_, n) => alignmentAt(...c, n))"
    for (text, T), found in zip(cases, run_in_node(logic, every, cases), strict=True):
        listed = alignments([int(c) for c in text], T, blank=-1)
        assert found == ["".join("-" if s < 0 else str(s) for s in a) for a in listed]


def test_alignments_with_large_numbers_collapse_to_their_label():
    chance = random.Random(3)
    cases = []
    for text in ["55207", *texts(50, "0123456789", 12, seed=3)]:
        T = chance.randrange(max(1, minimum_frames([ord(c) for c in text])), 41)
        count = count_alignments([ord(c) for c in text], T)
        cases += [[text, T, n] for n in (0, chance.randrange(count), count - 1)]
    found = run_in_node(modules("alignmentAt", of="alignments.js"), "alignmentAt(...c)", cases)
    for (text, T, _), alignment in zip(cases, found, strict=True):
        assert len(alignment) == T and "".join(collapse(alignment, blank="-")) == text


def test_windows_are_the_networks():
    chance = random.Random(4)
    cases = [
        [chance.randrange(1, 200), chance.randrange(1, 65), chance.randrange(1, 65)]
        for _ in range(300)
    ]
    logic = modules("frameCount", "gaps", "frameAt", of="window.js")
    expression = """{ T: frameCount(...c), gaps: gaps(...c), at: Array.from(
        { length: frameCount(...c) }, (_, t) => frameAt(t * c[2] + c[1] / 2, ...c)) }"""
    for (width, window, stride), found in zip(
        cases, run_in_node(logic, expression, cases), strict=True
    ):
        model = SlidingWindowRNN(SlidingWindowRNNConfig(window=window, stride=stride, hidden=1))
        T = int(model.frame_lengths(torch.tensor(width)))
        explorer = WindowExplorer(torch.zeros(32, width), "1", window=window, stride=stride)
        assert found["T"] == T == explorer.frames
        assert found["at"] == list(range(T)), "a window's middle belongs to its own frame"
        seen = np.zeros(width + window + stride, bool)
        for t in range(T):
            seen[slice(*model.receptive_field(t))] = True
        unseen = {column for start, end in found["gaps"] for column in range(start, end)}
        assert unseen == set(np.flatnonzero(~seen[:width]).tolist())


@pytest.mark.parametrize("name", ["collapse.js", "window.js"])
def test_bundles_are_modules(name):
    if NODE is None:
        pytest.skip("checking JavaScript needs node on the PATH")
    code = bundle("static.js") + bundle(name)  # as a page has it: no name is declared twice
    command = [NODE, "--input-type=module", "--check", "-"]
    done = subprocess.run(command, input=code, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'from "./' not in code and "export default { render };" in code


def test_floats_and_bytes_arrive_in_javascript():
    numbers = [0.0, -1.5, 3.25, 1e-3]
    logic = modules("decodeFloats", "decodeBytes", of="common.js")
    found = run_in_node(logic, "[...decodeFloats(c)]", [encode(numbers)])
    np.testing.assert_array_equal(np.float32(found[0]), np.float32(numbers))
    assert run_in_node(logic, "[...decodeBytes(c)]", [encode([0, 255, 7], "u1")]) == [[0, 255, 7]]


# ------------------------------------------------------------------ what an explorer is


def explorers():
    return [CollapseExplorer(), WindowExplorer(LINE, "55207")]


@pytest.mark.parametrize("explorer", explorers(), ids=repr)
def test_offers_a_widget_and_a_page(explorer):
    data, _ = explorer._repr_mimebundle_()
    kinds = {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert data.keys() == kinds
    assert data["text/plain"] == repr(explorer) == f"{type(explorer).__name__}()"
    assert data["text/html"] == explorer.static_html(base64.b64decode(data["image/png"]))


@pytest.mark.parametrize("one, other", [*zip(explorers(), explorers(), strict=True)])
def test_equal_states_give_equal_pages(one, other):
    assert one.model_id != other.model_id
    assert one.static_html() == other.static_html()
    other.frame = 1
    assert one.static_html() != other.static_html()


@pytest.mark.parametrize("explorer", explorers(), ids=repr)
def test_page_needs_nothing_else(explorer):
    html = explorer.static_html()
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"\bimport\b", html) and html.count("</script") == 1
    assert explorer.words in html
    assert explorer.state == json.loads(json.dumps(explorer.state))


def test_state_may_hold_html():
    explorer = CollapseExplorer("</-!", text="<", characters="<!/")
    assert explorer.static_html().count("</script") == 1
    assert "</-!" not in explorer.static_html()


def test_a_bundle_holds_each_module_once():
    code = bundle("window.js", "collapse.js")
    assert code.count("export function cividis") == code.count("export function alignmentAt") == 1


@settings(max_examples=30)
@given(st.text("-0123456789", max_size=40), st.text("0123456789", max_size=12), st.integers(1, 40))
def test_collapse_explorer_takes_all_that_fits(alignment, text, frames):
    explorer = CollapseExplorer(alignment, text, frames)
    assert explorer.alignment == alignment
    assert explorer.label == "".join(collapse(alignment, blank="-"))
    assert explorer.count == count_alignments([int(c) for c in text], frames)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"alignment": "5x5"}, "alignment '5x5' has 'x'; it is made of '-0123456789'"),
        ({"text": "5-5"}, "text '5-5' has '-'; it is made of '0123456789'"),
        ({"alignment": "5" * 41}, "at most 40 symbols here; got 41"),
        ({"text": "5" * 13}, "at most 12 symbols here; got 13"),
        ({"frames": 41}, "frames is 1 to 40 here; got 41"),
        ({"frames": 0}, "frames is 1 to 40 here; got 0"),
        ({"characters": "0-"}, "contain '-', which draws the blank"),
    ],
)
def test_collapse_explorer_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        CollapseExplorer(**arguments)


@pytest.mark.parametrize("blank", [0, 10])
@pytest.mark.parametrize("cell, bidirectional", [("gru", True), ("lstm", False)])
def test_window_explorer_carries_what_the_network_says(blank, cell, bidirectional):
    config = SlidingWindowRNNConfig(cell=cell, hidden=5, bidirectional=bidirectional)
    model = SlidingWindowRNN(config, Alphabet(blank=blank)).eval()
    (reading,) = WindowExplorer(LINE, "55207", [model]).readings
    with torch.no_grad():
        log_probs, frame_lengths = model(LINE[None])
    sent = np.frombuffer(base64.b64decode(reading["log_probs"]), "<f4")
    np.testing.assert_allclose(sent.reshape(-1, 11), log_probs[0].numpy(), atol=1e-6)
    assert reading["blank"] == blank and len(sent) == 11 * int(frame_lengths)
    states = base64.b64decode(reading["states"])
    assert reading["hidden"] == 5 * (1 + bidirectional)
    assert len(states) == reading["hidden"] * int(frame_lengths)


def test_window_explorer_opens_with_its_first_network():
    shapes = [(16, 8), (8, 4)]
    models = [SlidingWindowRNN(SlidingWindowRNNConfig(window=w, stride=s)) for w, s in shapes]
    explorer = WindowExplorer(LINE, "55207", models)
    assert (explorer.window, explorer.stride) == (16, 8)
    assert [(r["window"], r["stride"]) for r in explorer.readings] == shapes
    assert WindowExplorer(LINE, "55207", models[1]).window == 8


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            (torch.zeros(2, 32, 100), "1"),
            r"image is one line, \(1, H, W\); got the shape \(2, 32, 100\)",
        ),
        ((torch.full((32, 100), 200, dtype=torch.uint8), "1"), "Divide bytes by 255"),
        ((2 * torch.ones(32, 100), "1"), "floats in \\[0, 1\\]"),
        ((LINE, "1", [SlidingWindowRNN(), SlidingWindowRNN()]), "a window and stride of its own"),
        (
            (
                LINE,
                "1",
                [
                    SlidingWindowRNN(),
                    SlidingWindowRNN(SlidingWindowRNNConfig(stride=8), Alphabet(blank=10)),
                ],
            ),
            "different alphabets",
        ),
    ],
)
def test_window_explorer_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        WindowExplorer(*arguments)


# ------------------------------------------------------------------ still figures


def test_collapse_figure_says_what_it_shows():
    figure = plot_collapse()
    assert figure.get_label() == "55-55222--07: merge repeats, 5-52-07; drop blanks, 55207."
    wrong = plot_collapse(drop_first=True).get_label()
    assert "merge repeats, 5207. Wrong: the label is 55207" in wrong
    assert "Wrong" not in plot_collapse("55-2", drop_first=True).get_label()
    drawn = [text.get_text() for text in figure.axes[0].texts if len(text.get_text()) == 1]
    assert "".join(drawn) == "55-55222--07" + "5-52-07" + "55207"
    assert to_png(figure).startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="alignment is empty"):
        plot_collapse("")


def test_window_figure_has_one_stripe_per_frame():
    figure = plot_windows(LINE, "55207", window=8, stride=4)
    assert figure.get_label() == (
        "Windows of 8 columns, 4 apart: 27 frames over 109 columns. 55207 needs 6, so it fits."
    )
    line, *stripes = figure.axes[0].images
    assert len(stripes) == 27
    np.testing.assert_array_equal(stripes[3].get_array(), LINE[0, :, 12:20])
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "13", "26"]
    assert plot_windows(LINE, "55207", window=30, stride=40).get_label().endswith("does not fit.")
    assert to_png(figure).startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="frame is 0 to 26"):
        plot_windows(LINE, "55207", frame=27)
