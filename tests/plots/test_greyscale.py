"""Figures on paper without colours: what a colour tells apart, something else does, too."""

from __future__ import annotations

import importlib
import inspect
import io
import itertools
import pkgutil
import typing

import numpy as np
import pytest
import torch
from drawn_photos import photo, strokes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image
from skimage.color import rgb2lab

import crnn_lib
from crnn_lib import plots
from crnn_lib.alphabet import Alphabet
from crnn_lib.evaluation import evaluate_texts, reliability, risk_coverage
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import CRNN, CRNNConfig, load_model
from crnn_lib.photos import Reader, clean_photo
from crnn_lib.plots import to_png
from crnn_lib.plots.cutting import HUES
from crnn_lib.plots.style import CURVES
from crnn_lib.training import History
from crnn_lib.widgets import LatticeExplorer, TouchExplorer, TrainingFilm, WhereExplorer, stills

HUE, GREY = 15.0, 12.0  # of CIE L*a*b*: apart in a and b; apart in L, which is all that is printed
WIDER = 1.7  # a line that much wider than another is seen to be


def glyphs():
    return load_glyphs("pen", "test", count=100)


def lines(*texts, **style):
    generator = torch.Generator().manual_seed(3)
    return compose_lines(glyphs(), len(texts), LineStyle(**style), generator, texts=list(texts))


def tiny():
    torch.manual_seed(0)
    return CRNN(CRNNConfig(channels=(4, 8), strides=((2, 2), (2, 2)), hidden=8)).eval()


def history(factor):
    steps = list(range(10, 410, 10))
    loss = [factor * 3.0 * 0.9**k for k in range(40)]
    match = [k / 40 / factor for k in range(40)]
    return History(steps, loss, match, [0.004] * 40, [0.0] * 40, [200], [0.5 / factor], [0.1])


def posteriors():
    line = lines("55207")
    symbols = Alphabet().symbols
    path = torch.tensor([symbols.index(symbol) for symbol in "-55--5--22---0---7-"])
    probs = torch.full((len(path), 11), 0.005)
    probs[torch.arange(len(path)), path] = 0.95
    image = line.images[0, :, :, : line.widths[0]]
    return plots.plot_posteriors(image, probs.log())


def confidences():
    generator = torch.Generator().manual_seed(0)
    sure = torch.rand(400, generator=generator)
    right = torch.rand(400, generator=generator) < sure
    return sure.tolist(), right.tolist()


def where(character=1):
    explorer = WhereExplorer(load_model("crnn-digits"), lines("55207"))
    explorer.line, explorer.character = 0, character
    return stills.plot_where(explorer)


def lattice():
    explorer = LatticeExplorer.trained()
    explorer.frame, explorer.row = 3, 3
    return stills.plot_lattice(explorer)


def photo_reading():
    picture = photo(strokes())
    reader = Reader(tiny())
    readings = [reader.read(picture), Reader(tiny(), refuse_below=1.0).read(picture)]
    return plots.plot_reading(readings, picture)


def panels():
    said = torch.randn(12, 11, generator=torch.Generator().manual_seed(0)).softmax(1)
    numbers = {"said": said, "difference": said - said.roll(1, 0)}
    return plots.plot_panels(numbers, image=lines("55207").images[0], characters="5207")


def names(things):
    return dict(zip(("CRNN", "window", "cuts", "people"), things, strict=False))


TEXTS = ["55207", "18", "9074421"]
REPORT = evaluate_texts(["55201", "18", "901"], ["55207", "18", "907"])
SHARES = ({0.2: 0.9 - k / 10, 0.0: 0.7 - k / 10, -0.2: 0.3} for k in range(4))
STARTS = ("random", "imagenet", "imagenet frozen", "crnn", "crnn-digits")
PRETRAINING = {
    "minutes": 2,
    "batch": 32,
    "runs": [
        {
            "start": start,
            "words": words,
            "curve": [[100, 0.9], [200, 0.8 - k / 10], [300, 0.6 - k / 10]],
            "fonts": {"cer": 0.6 - k / 10, "cer_interval": [0.58 - k / 10, 0.61 - k / 10]},
        }
        for words in (50, 500)
        for k, start in enumerate(STARTS)
    ],
}
#: The function -> as it draws the most that it has to tell apart.
DRAWN = {
    plots.plot_lines: lambda: plots.plot_lines(lines(*TEXTS), readings=["55207", "13", ""]),
    plots.plot_glyphs: lambda: plots.plot_glyphs(glyphs()),
    plots.plot_receptive_field: lambda: plots.plot_receptive_field(
        tiny(), lines("55207").images[0]
    ),
    plots.plot_posteriors: posteriors,
    plots.plot_trellis: lambda: plots.plot_trellis(
        "55", ["5-55"], ["5-55", "-5-5", "55-5"], forbidden=0
    ),
    plots.plot_panels: panels,
    plots.plot_plateau: lambda: plots.plot_plateau(
        range(4), (9, 3, 2, 1), (0.1, 1, 1, 0.8), (0, 0, 0, 0.5)
    ),
    plots.plot_history: lambda: plots.plot_history(names(map(history, (1, 1.2, 1.5, 2)))),
    plots.plot_errors_by_length: lambda: plots.plot_errors_by_length(names([REPORT] * 4)),
    plots.plot_confusions: lambda: plots.plot_confusions(REPORT),
    plots.plot_pretraining: lambda: plots.plot_pretraining(PRETRAINING),
    plots.plot_cuts: lambda: plots.plot_cuts(
        [lines("5520718", spacing=(0.4, 0.5)).images[0, 0]], texts=["5520718"]
    ),
    plots.plot_halves: lambda: plots.plot_halves(
        torch.rand(32, 40).numpy(), [(c, torch.rand(2, 28, 28), "20, 0.66") for c in (10, 12, 30)]
    ),
    plots.plot_boxes: lambda: plots.plot_boxes(torch.rand(3, 28, 28), "552"),
    plots.plot_against_spacing: lambda: plots.plot_against_spacing(
        names(SHARES), n=100, guess={0.2: 0.8, -0.2: 0.5}
    ),
    plots.plot_reliability: lambda: plots.plot_reliability(reliability(*confidences())),
    plots.plot_risk_coverage: lambda: plots.plot_risk_coverage(
        names([risk_coverage(*confidences())] * 4)
    ),
    plots.plot_steps: lambda: plots.plot_steps(clean_photo(photo(strokes()), trace=True)),
    plots.plot_reading: photo_reading,
    stills.plot_collapse: lambda: stills.plot_collapse(drop_first=True),
    stills.plot_windows: lambda: stills.plot_windows(lines("507").images[0], "507"),
    stills.plot_lattice: lattice,
    stills.plot_beam: stills.plot_beam,
    stills.plot_fusion: stills.plot_fusion,
    stills.plot_where: where,
    stills.plot_film: lambda: stills.plot_film(TrainingFilm.recorded()),
}
NAMED = {function.__name__: function for function in DRAWN}


@pytest.fixture(scope="module")
def drawn():
    made: dict[str, Figure] = {}

    def figure(name: str) -> Figure:
        if name not in made:
            made[name] = DRAWN[NAMED[name]]()
        return made[name]

    return figure


def test_every_figure_function_of_the_library_is_here():
    """Those of the lessons draw what one chapter needs, and are tested there."""
    found = set()
    for module in pkgutil.walk_packages(crnn_lib.__path__, "crnn_lib."):
        if "lessons" in module.name or module.name.endswith("__main__"):
            continue
        for name, function in inspect.getmembers(importlib.import_module(module.name)):
            if name.startswith("plot_") and inspect.isfunction(function):
                assert typing.get_type_hints(function)["return"] is Figure
                found.add(name)
    assert found == NAMED.keys()


# ------------------------------------------------------------------ lightness


def lab(colour, alpha=None) -> np.ndarray:
    """Lightness, a and b of a colour on white paper."""
    *rgb, opacity = to_rgba(colour, alpha)
    mixed = opacity * np.array(rgb) + (1 - opacity)
    return rgb2lab(mixed.reshape(1, 1, 3)).ravel()


def grey(figure: Figure) -> np.ndarray:
    """The figure as a printer without colours prints it: lightness, 0 to 255."""
    return np.asarray(Image.open(io.BytesIO(to_png(figure))).convert("L"), dtype=float)


def looks(axes) -> list[tuple]:
    """What is drawn, one by one: its kind, its colour and everything else that is seen of it."""
    found = []
    for line in axes.lines:
        if line.get_alpha() is not None and line.get_alpha() <= 0.3:
            continue  # the raw values behind a curve that is smoothed
        dashes = line.get_linestyle(), str(line._unscaled_dash_pattern)
        marker = line.get_marker(), to_hex(line.get_markerfacecolor())
        if line.get_linestyle() in ("None", "", " "):
            dashes = "none"
        if line.get_marker() in ("None", "", " ", None):
            marker = "none"
        alpha = line.get_alpha()
        found.append(("line", lab(line.get_color(), alpha), line.get_linewidth(), dashes, marker))
    for patch in axes.patches:
        width = patch.get_linewidth()
        edge = (patch.get_linestyle(), to_hex(patch.get_edgecolor())) if width else "none"
        if not patch.get_fill():
            found.append(("frame", lab(patch.get_edgecolor()), width, edge, patch.get_hatch()))
        else:
            colour = lab(patch.get_facecolor())
            found.append(("patch", colour, width, edge, patch.get_hatch()))
    for dots in axes.collections:
        if isinstance(dots, PathCollection):
            for colour in np.unique(dots.get_facecolor(), axis=0):
                found.append(("dots", lab(colour), 0, str(dots.get_paths()), ""))
    return found


def apart(one: tuple, other: tuple) -> bool:
    """Whether two things of one kind can be told apart without their hues."""
    if one[3:] != other[3:] or abs(one[1][0] - other[1][0]) >= GREY:
        return True
    thin, thick = sorted((one[2], other[2]))
    return thick >= WIDER * thin > 0


@pytest.mark.parametrize("name", NAMED)
def test_what_a_hue_tells_apart_is_told_apart_in_grey(drawn, name):
    for axes in drawn(name).axes:
        for one, other in itertools.combinations(looks(axes), 2):
            if one[0] == other[0] and np.hypot(*(one[1] - other[1])[1:]) > HUE:
                assert apart(one, other), f"{one}\nand\n{other}\nare the same without colour"


@pytest.mark.parametrize("name", NAMED)
def test_colour_maps_go_from_dark_to_light(drawn, name):
    for mappable in drawn(name).findobj(lambda a: isinstance(a, ScalarMappable)):
        if mappable.get_array() is None or np.ndim(mappable.get_array()) == 3:  # a photo
            continue
        ramp = rgb2lab(mappable.cmap(np.linspace(0, 1, 33))[None, :, :3])[0, :, 0]
        assert np.ptp(ramp) > 30
        assert (np.diff(ramp) > 0).all() or (np.diff(ramp) < 0).all()


@pytest.mark.parametrize("name", NAMED)
def test_entries_of_a_legend_differ_in_grey(drawn, name):
    figure = drawn(name)
    printed = grey(figure)  # drawing also gives everything its place
    for axes in figure.axes:
        legend, samples = axes.get_legend(), []
        for text in legend.get_texts() if legend else ():
            box = text.get_window_extent()  # its sample stands on its left
            row, right = round(printed.shape[0] - (box.y0 + box.y1) / 2), round(box.x0) - 4
            samples.append(printed[row - 9 : row + 9, right - 66 : right])
            assert samples[-1].min() < 200, "no sample there"
        for one, other in itertools.combinations(samples, 2):
            assert np.abs(one - other).max() > 60


def contrast(one, other) -> float:
    """That of WCAG 2, 1 to 21."""

    def luminance(colour):
        rgb = np.array(to_rgba(colour)[:3])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_wcag():
    assert contrast("black", "white") == pytest.approx(21)
    assert contrast("#767676", "white") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("name", NAMED)
def test_words_stand_out_from_the_paper(drawn, name):
    for text in drawn(name).findobj(Text):
        if text.get_text().strip() and text.get_visible():
            assert contrast(text.get_color(), "white") >= 4.5, text


# ------------------------------------------------------------------ one by one


def test_curves_differ_in_more_than_hue():
    for (one, dashes), (other, others) in itertools.combinations(CURVES, 2):
        assert dashes != others
        assert abs(lab(one)[0] - lab(other)[0]) > 5


def test_pieces_next_to_each_other_differ_in_lightness_and_have_numbers():
    hues = HUES
    for k, hue in enumerate(hues):
        assert abs(lab(hue)[0] - lab(hues[k - 1])[0]) >= GREY
    figure = DRAWN[plots.plot_cuts]()
    pieces = [image for image in figure.axes[0].images if image.cmap.name == "piece"]
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert len(pieces) > len(hues) - 1
    assert texts[: len(pieces)] == [str(k + 1) for k in range(len(pieces))]


def test_the_explorers_pieces_have_the_colours_of_the_figure():
    hues = (f"[{', '.join(str(round(255 * c)) for c in to_rgba(h)[:3])}]" for h in HUES)
    assert f"const HUES = [{', '.join(hues)}];" in TouchExplorer._esm


@pytest.mark.parametrize("k", range(5))
def test_the_selected_character_is_seen_in_grey(k):
    """Its band is framed and its bracket is wide: the grey pictures differ where it stands."""
    one, other = grey(where(k)), grey(where((k + 1) % 5))
    assert (np.abs(one - other) > 60).sum() > 300


def test_merging_is_seen_in_grey():
    figure = stills.plot_beam()
    widths = {round(line.get_linewidth(), 2) for line in figure.axes[0].lines}
    assert len(widths) == 2 and max(widths) >= WIDER * min(widths)


def test_a_check_that_sees_nothing_would_be_worth_nothing():
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], color="#d1495b")
    axes.plot([1, 0], color="#8a8a90")  # another hue, the same grey
    red, faint = looks(axes)
    assert np.hypot(*(red[1] - faint[1])[1:]) > HUE and not apart(red, faint)
    axes.lines[1].set_linestyle("--")
    assert apart(*looks(axes))
    axes.add_patch(Rectangle((0, 0), 1, 1, facecolor="#d1495b"))
    axes.add_patch(Rectangle((1, 0), 1, 1, facecolor="#8a8a90"))
    assert not apart(*looks(axes)[2:])
