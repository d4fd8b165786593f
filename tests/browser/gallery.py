"""One of each explorer, made without a download: for tests that ask the same of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from crnn_lib.cutting import CutReader, DigitNet
from crnn_lib.handwriting import LineBatch, LineStyle, compose_lines, load_glyphs
from crnn_lib.lessons import quiz
from crnn_lib.models import SlidingWindowRNN, SlidingWindowRNNConfig, load_model
from crnn_lib.widgets import (
    BeamExplorer,
    CollapseExplorer,
    DrawingPad,
    Explorer,
    FrozenReader,
    FusionExplorer,
    LatticeExplorer,
    ReadingMachine,
    TouchExplorer,
    TrainingFilm,
    WhereExplorer,
    WindowExplorer,
)

SPACINGS = (0.3, 0.0, -0.3)


def line_of(*texts: str, spacing: float = 0.2) -> LineBatch:
    """Lines of the pen; the same for the same texts."""
    style = replace(LineStyle(), spacing=(spacing, spacing))
    generator = torch.Generator().manual_seed(3)
    return compose_lines(
        load_glyphs("pen", "test", count=200), len(texts), style, generator, texts=list(texts)
    )


def window() -> WindowExplorer:
    torch.manual_seed(0)
    shapes = [(8, 4), (16, 8)]
    models = [SlidingWindowRNN(SlidingWindowRNNConfig(window=w, stride=s)) for w, s in shapes]
    return WindowExplorer(line_of("55207").images[0], "55207", models)


def touch() -> TouchExplorer:
    torch.manual_seed(0)
    lines = [line_of("55207", spacing=spacing) for spacing in SPACINGS]
    explorer = TouchExplorer(lines, SPACINGS, CutReader(DigitNet().eval()))
    # of the whole line, one reading is wrong, the others are right
    wholes = ("5527", *("55207" for _ in SPACINGS[1:]))
    steps = zip(explorer.steps, wholes, strict=True)
    explorer.steps = [dict(step, whole=whole) for step, whole in steps]
    explorer.named = "CRNN, no cuts"
    return explorer


def pad() -> DrawingPad:
    """With a one on it, and the answer of the weights that ship."""
    made = DrawingPad()
    made.strokes = [{"points": [[300, 40], [300, 180]], "width": 12, "erase": False}]
    assert made.text == "1"
    return made


def where() -> WhereExplorer:
    made = WhereExplorer(load_model("crnn-digits"), line_of("55207", "31"))
    made.line = made.character = 0
    return made


def frozen() -> FrozenReader:
    lines = [line_of("55207", spacing=spacing) for spacing in SPACINGS]
    return FrozenReader(load_model("crnn-digits"), lines, SPACINGS)


#: Class of its element on the page -> a function that makes it.
GALLERY: dict[str, Callable[[], Explorer]] = {
    "collapse": CollapseExplorer,
    "window": window,
    "lattice": LatticeExplorer.example,
    "film": TrainingFilm.recorded,
    "beam": BeamExplorer,
    "fusion": FusionExplorer,
    "where": where,
    "touch": touch,
    "frozen": frozen,
    "pad": pad,
    "machine": ReadingMachine,
    "crnn-quiz": lambda: quiz("equal neighbours"),
}
