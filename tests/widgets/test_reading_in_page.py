"""What the page does to read without Python, held against Python: pixels, folded marks, paths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_widgets import modules, run_in_node
from written_lines import numbers, strokes_of

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import best_path
from crnn_lib.models import fold_marks
from crnn_lib.widgets import DrawingPad, divide_ink, network_line
from crnn_lib.widgets.pad_reading import PadReader

ERASED = [{"points": [[250, 20], [260, 290]], "width": 30.0, "erase": True}]
PEAKS = [4.0, 11.5, 12.0, 40.25]


@pytest.mark.parametrize("height", [32, 40])
def test_the_line_has_the_same_pixels(height):
    cases = [strokes for _, strokes in numbers(8, seed=height)]
    cases += [strokes_of("471", 1) + ERASED, strokes_of("8", 2)[:1] + ERASED, ERASED, []]
    cases += [[{"points": [[50, 50]], "width": 9.0, "erase": False}]]
    imports = modules("networkLine", "divideInk", of="pad_ink.js")
    line = f"networkLine(c, {height})"
    found = run_in_node(
        imports,
        f"((l) => l && {{...l, values: [...l.values], parts: divideInk(l, {PEAKS})}})({line})",
        cases,
    )
    for strokes, seen in zip(cases, found, strict=True):
        line = network_line(strokes, height)
        if line is None:
            assert seen is None
            continue
        assert line.image.shape == (seen["rows"], seen["columns"])
        np.testing.assert_allclose(line.image.ravel(), seen["values"], rtol=0, atol=1 / 255)
        assert (seen["left"], seen["scale"]) == pytest.approx((line.left, line.scale))
        assert [tuple(part) for part in seen["parts"]] == divide_ink(line.image, PEAKS)
    assert found[-2] is found[-3] is None and found[-1]["columns"] < 40


LATTICE = "{frames: c.frames, classes: c.classes, logProbs: Float64Array.from(c.values)}"


@pytest.mark.parametrize("characters, blank", [("0123456789.,/-", 0), ("01-2/", 3), ("012", 3)])
def test_marks_are_folded_and_the_path_is_read_as_in_python(characters, blank):
    alphabet = Alphabet(characters, blank)
    chance = torch.Generator().manual_seed(blank)
    lattices = torch.randn(12, 25, alphabet.num_classes, generator=chance, dtype=torch.float64)
    lattices = (4 * lattices).log_softmax(-1)
    cases = [
        {"frames": 25, "classes": alphabet.num_classes, "values": one.flatten().tolist()}
        for one in lattices
    ]
    symbols = list(alphabet.symbols)
    folded = f"foldMarks({LATTICE}, {symbols}, {blank})"
    expression = f"((f) => ({{...f, logProbs: [...f.logProbs], read: readBestPath(f)}}))({folded})"
    found = run_in_node(modules("foldMarks", "readBestPath", of="reading.js"), expression, cases)
    wanted, left = fold_marks(lattices, alphabet)
    for one, seen, hypothesis in zip(wanted, found, best_path(wanted, alphabet=left), strict=True):
        assert (seen["symbols"], seen["blank"]) == (list(left.symbols), left.blank)
        np.testing.assert_allclose(one.flatten(), seen["logProbs"], rtol=0, atol=1e-12)
        read = seen["read"]
        assert (read["text"], tuple(read["label"])) == (hypothesis.text, hypothesis.label)
        assert read["path"] == one.argmax(-1).tolist()
        assert read["logProb"] == pytest.approx(hypothesis.log_prob, abs=1e-6)
        spans = [(s["label"], s["start"], s["end"]) for s in read["spans"]]
        assert spans == [(s.label, s.start, s.end) for s in hypothesis.spans]
        scores = [s["logProb"] for s in read["spans"]]
        assert scores == pytest.approx([s.log_prob for s in hypothesis.spans], abs=1e-6)


def test_drawings_are_read_as_well_as_lines_of_training():
    """No step of a photo's is taken, and none is missed."""
    reader = PadReader()
    lines = numbers(40, seed=2)
    right = sum(reader.read_drawing(strokes)[0].text == text for text, strokes in lines)
    assert right >= 36
    assert reader.read_drawing([]) is None and reader.read_drawing(ERASED) is None


def test_the_pad_knows_which_network_reads_without_python():
    assert DrawingPad().network in DrawingPad().static_html()
    assert DrawingPad().network.startswith("crnn-")
    reader = PadReader().reader
    assert DrawingPad(reader).network == DrawingPad().network
    assert DrawingPad(lambda image: None).network == ""
    reader.model.provenance = {"seed": 5}
    assert DrawingPad(reader).network == ""
