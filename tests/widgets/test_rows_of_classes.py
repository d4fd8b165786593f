"""One order of rows in every picture that has one for each class, and one way for each spacing."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from browser.gallery import GALLERY, SPACINGS, line_of, touch
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from crnn_lib.alphabet import Alphabet
from crnn_lib.models import CRNN, SlidingWindowRNN, load_model
from crnn_lib.plots import plot_panels
from crnn_lib.widgets import (
    BeamExplorer,
    DrawingPad,
    FrozenReader,
    LatticeExplorer,
    ReadingMachine,
    StripMaker,
    TrainingFilm,
    WindowExplorer,
    encode,
)
from crnn_lib.widgets.base import FOLDER, Explorer

NODE = shutil.which("node")
# what the brightness of the colour map says, as the page has it: red + green + blue
BRIGHT = [112, 183, 240, 288, 340, 392, 437, 479, 514, 542]
LAST = Alphabet(blank=10)


def drawn(*explorers: Explorer, moves: tuple = ()) -> list[list[dict]]:
    """What the pages of explorers draw: at first, and after each move of a slider."""
    if NODE is None:
        pytest.skip("the explorers' JavaScript needs node on the PATH")
    cases = [{"code": str(e._esm), "state": e.state, "moves": moves} for e in explorers]
    page = Path(__file__).with_name("page.mjs")
    command = [NODE, "--no-warnings", str(page), str(FOLDER / "static.js")]
    ran = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


# ------------------------------------------------------------------ explorers that have such rows


def lattice(seed: int = 0, frames: int = 12, classes: int = 11) -> torch.Tensor:
    logits = torch.randn(frames, classes, generator=torch.Generator().manual_seed(seed))
    return logits.mul(2).log_softmax(1)


def beam(alphabet: Alphabet) -> tuple[Explorer, torch.Tensor]:
    explorer = BeamExplorer(lattice(), alphabet)
    return explorer, explorer.log_probs.exp()


def trellis(alphabet: Alphabet) -> tuple[Explorer, torch.Tensor]:
    explorer = LatticeExplorer(lattice(), "0123456789", alphabet=alphabet)
    return explorer, explorer.log_probs.exp()


def film(alphabet: Alphabet) -> tuple[Explorer, torch.Tensor]:
    lattices = [lattice(seed) for seed in range(3)]
    explorer = TrainingFilm(torch.zeros(8, 24), "552", range(3), lattices, alphabet=alphabet)
    return explorer, explorer.log_probs[explorer.moment].exp()


def frozen(alphabet: Alphabet) -> tuple[Explorer, torch.Tensor]:
    explorer = FrozenReader(CRNN(alphabet=alphabet).eval(), [line_of("55207")], [0.2])
    (step,) = explorer.steps
    said = lattice(frames=step["frames"]).exp()  # plainer than what an untrained network says
    explorer.steps = [{**step, "probs": as_bytes(said)}]
    return explorer, said


def strip(alphabet: Alphabet) -> tuple[Explorer, torch.Tensor]:
    view = StripMaker("52", model=CRNN(alphabet=alphabet).eval()).view
    said = lattice(frames=view.now["frames"]).exp()
    view.now = {**view.now, "probs": as_bytes(said)}
    return view, said


def pad(alphabet: Alphabet) -> tuple[Explorer, torch.Tensor]:
    said = {"log_probs": lattice(), "edges": range(13), "text": "", "spans": (), "confidence": 0.5}
    explorer = DrawingPad(lambda image: SimpleNamespace(**said), alphabet=alphabet)
    explorer.strokes = [{"points": [[300, 40], [300, 180]], "width": 12, "erase": False}]
    return explorer, said["log_probs"].exp()


def window(alphabet: Alphabet) -> tuple[Explorer, torch.Tensor]:
    torch.manual_seed(0)
    model, line = SlidingWindowRNN(alphabet=alphabet).eval(), line_of("55207").images[0]
    with torch.inference_mode():
        log_probs, _ = model(line[None], torch.tensor([line.shape[-1]]))
    return WindowExplorer(line, "55207", [model]), log_probs[0].exp()


def machine(alphabet: Alphabet) -> tuple[Explorer, torch.Tensor]:
    explorer = ReadingMachine()
    said = of_floats(explorer.example["logProbs"], 11)
    order = [Alphabet().symbols.index(symbol) for symbol in alphabet.symbols]
    encoded = encode(said[:, order].numpy())
    explorer.example = {**explorer.example, "logProbs": encoded}
    explorer.symbols, explorer.blank = list(alphabet.symbols), alphabet.blank
    return explorer, said[:, order].exp()


#: Class of its element on the page -> a function of the alphabet: an explorer, and p (T, C).
WITH_ROWS = {
    "beam": beam,
    "lattice": trellis,
    "film": film,
    "frozen": frozen,
    "strip": strip,
    "pad": pad,
    "window": window,
    "machine": machine,
}


def as_bytes(probs: torch.Tensor) -> str:
    return encode(np.rint(255 * probs.numpy()), "u1")


def of_floats(text: str, classes: int) -> torch.Tensor:
    values = np.frombuffer(base64.b64decode(text), "<f4").reshape(-1, classes)
    return torch.from_numpy(values.copy())


# ------------------------------------------------------------------ what was drawn, row by row


def value_of(brightness) -> np.ndarray:
    return np.interp(brightness, BRIGHT, np.linspace(0, 1, len(BRIGHT)))


def matrices(look: dict, frames: int) -> Iterator[tuple[list[str] | None, np.ndarray]]:
    """Pictures with a row for each class: the rows' names if they are known, and p (rows, T)."""
    for canvas in look["canvases"]:
        painted, rects = canvas["matrix"], canvas["rects"]
        if painted and painted["width"] == frames:  # a pixel for each value
            yield None, value_of(painted["sums"]).reshape(painted["height"], frames)
        heights = sorted({y for _, y, *_ in rects})
        if len(heights) < 2 or not canvas["texts"]:
            continue
        rows = []
        for height in heights:
            row = [rect for rect in rects if rect[1] == height]
            if all(re.fullmatch(r"rgb\(\d+,\d+,\d+\)", style) for *_, style, _ in row):
                sums = [sum(map(int, re.findall(r"\d+", style))) for *_, style, _ in row]
                rows.append(value_of(sums))
            else:  # a colour over its tile, as much as it is probable
                rows.append(np.array([alpha for *_, alpha in row[1::2]]))
        if {len(row) for row in rows} != {frames}:
            continue
        left = min(x for _, x, _ in canvas["texts"])
        names = sorted((y, text) for text, x, y in canvas["texts"] if x == left)
        yield [text for _, text in names], np.stack(rows)


def are_probabilities(rows: np.ndarray, probs: np.ndarray) -> bool:
    """Whether a picture has one row for each class, in any order."""
    apart = np.abs(rows[:, None] - probs.T[None]).max(2)  # (rows, C)
    return len(rows) == probs.shape[1] and sorted(apart.argmin(1)) == list(range(len(rows)))


@pytest.mark.parametrize("alphabet", [Alphabet(), LAST], ids=["blank first", "blank last"])
def test_the_blank_is_above_in_every_explorer(alphabet):
    made = {name: build(alphabet) for name, build in WITH_ROWS.items()}
    looks = drawn(*(explorer for explorer, _ in made.values()))
    for (name, (_, p)), (look,) in zip(made.items(), looks, strict=True):
        probs = p.numpy()
        found = [m for m in matrices(look, len(probs)) if are_probabilities(m[1], probs)]
        assert len(found) >= 1, f"{name} draws no row for each class"
        order = [alphabet.blank, *(c for c in range(11) if c != alphabet.blank)]
        words, rows = found[0]
        assert np.abs(rows - probs[:, order].T).max() < 0.02, name
        for names in [words] if words else look["symbols"]:
            assert names[0] in ("–", "-") and names[1:] == list("0123456789"), name


def test_no_other_explorer_has_a_row_for_the_blank():
    """A new explorer that draws one belongs above."""
    made = {
        name: build() for name, build in GALLERY.items() if name not in {*WITH_ROWS, "crnn-quiz"}
    }
    assert {"collapse", "fusion", "where", "touch"} == set(made)
    for name, (look,) in zip(made, drawn(*made.values()), strict=True):
        words = {text for names in look["symbols"] for text in names}
        words |= {text for canvas in look["canvases"] for text, *_ in canvas["texts"]}
        assert not words & {"–", "-"}, name


# ------------------------------------------------------------------ figures


def figure_rows(figure: Figure) -> list[list[tuple[float, np.ndarray]]]:
    """The pictures of probabilities in a figure: the rows of each, (height in it, p), from above.

    What stands over another within one column of frames and shows one lattice is one picture.
    """
    pictures = []
    for axes in figure.axes:
        rows = []
        for mesh in (part for part in axes.collections if isinstance(part, QuadMesh)):
            edges = mesh.get_coordinates()[:, 0, 1]
            values = np.asarray(mesh.get_array()).reshape(len(edges) - 1, -1)
            middles = (edges[1:] + edges[:-1]) / 2
            rows += [
                (axes.transData.transform((0, y))[1], row)
                for y, row in zip(middles, values, strict=True)
            ]
        for image in axes.images:
            if isinstance(image, AxesImage) and image.get_cmap().name == "cividis":
                _, _, bottom, top = image.get_extent()
                values = np.asarray(image.get_array())
                tall = (bottom - top) / len(values)
                rows += [
                    (axes.transData.transform((0, top + tall * (r + 0.5)))[1], row)
                    for r, row in enumerate(values)
                ]
        if rows and len(rows[0][1]) > 1:  # the key of the colours is no picture
            pictures.append(rows)
    if len(pictures) == 2 and len(pictures[1]) == 1:  # the blank's row, apart from the others
        pictures = [pictures[0] + pictures[1]]
    return [sorted(rows, key=lambda row: -row[0]) for rows in pictures]


@pytest.mark.parametrize("alphabet", [Alphabet(), LAST], ids=["blank first", "blank last"])
def test_the_blank_is_above_in_every_figure(alphabet):
    explorers = {name: build(alphabet) for name, build in WITH_ROWS.items()}
    stills = {name: (explorer.still(), p) for name, (explorer, p) in explorers.items()}
    said = lattice()
    stills["panels"] = plot_panels({"p": said.exp()}, alphabet=alphabet), said.exp()
    checked = set()
    for name, (figure, p) in stills.items():
        pictures = figure_rows(figure) if figure else []
        for rows in pictures:
            values = np.stack([row for _, row in rows])
            if name == "film" and np.abs(np.sort(values.sum(1)) - np.sort(p.sum(0))).max() > 1e-3:
                continue  # another moment
            order = [alphabet.blank, *(c for c in range(11) if c != alphabet.blank)]
            assert np.abs(values - p.numpy()[:, order].T).max() < 0.01, name
            checked.add(name)
    assert checked == {"film", "lattice", "frozen", "panels"}


# ------------------------------------------------------------------ spacing


def ends_of_spacing(explorer: Explorer) -> tuple[dict, dict]:
    _, left, right = drawn(explorer, moves=(("spacing", "min"), ("spacing", "max")))[0]
    return left, right


@pytest.mark.parametrize("name", ["touch", "frozen"])
@pytest.mark.parametrize("order", [1, -1], ids=["as given", "turned round"])
def test_right_is_wider_on_each_slider_of_spacing(name, order):
    explorer = touch() if name == "touch" else GALLERY["frozen"]()
    explorer.steps = explorer.steps[::order]
    left, right = ends_of_spacing(explorer)
    said = [look["sliders"]["spacing"]["said"].replace("−", "-") for look in (left, right)]
    assert [float(words) for words in said] == [min(SPACINGS), max(SPACINGS)]
    narrow, wide = (
        next(c["matrix"]["width"] for c in look["canvases"] if c["class"] == "picture")
        for look in (left, right)
    )
    assert narrow < wide, "the line is wider where the slider is further to the right"


def test_right_is_wider_on_the_strip_makers_slider():
    maker = StripMaker("55207", model=load_model("crnn-digits"))
    left, right = ends_of_spacing(maker.view)
    ends = [look["state"]["spacing"] for look in (left, right)]
    assert ends == [maker.spacing.min, maker.spacing.max]
    widths = []
    for value in ends:
        maker.spacing.value = value
        widths.append(int(maker.line.widths[0]))
    assert widths[0] < widths[1]


def test_no_other_explorer_has_a_slider_of_spacing():
    others = [build() for name, build in GALLERY.items() if name not in ("touch", "frozen")]
    for (look,) in drawn(*others):
        assert "spacing" not in look["sliders"]
