"""The training film's Python side, its JavaScript held against it, and its still figure."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_widgets import modules, run_in_node

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import forward_backward
from crnn_lib.widgets import TrainingFilm
from crnn_lib.widgets.base import FOLDER
from crnn_lib.widgets.stills import plot_film


@pytest.fixture(scope="module")
def film():
    return TrainingFilm.recorded()


def small(moments=3, frames=6, blank=0, text="11", seed=0):
    """A film of noise, with the blank at either end."""
    alphabet = Alphabet("012", blank=blank)
    chance = torch.Generator().manual_seed(seed)
    lattices = torch.randn(moments, frames, 4, generator=chance).mul(3).log_softmax(2)
    return TrainingFilm(torch.zeros(8, 24), text, range(moments), lattices, alphabet=alphabet)


def test_the_recording_tells_the_whole_story(film):
    assert repr(film) == f"TrainingFilm('55207', {len(film.steps)} moments)"
    assert len(film.steps) >= 60 and film.steps == sorted(set(film.steps)) and film.steps[0] == 0
    assert [*film.stations] == ["the smear", "all blank", "first spikes", "the text"]
    assert [*film.stations.values()] == sorted(film.stations.values())
    path = film.log_probs[film.stations["all blank"]].argmax(1)
    assert (path == film.blank).all()
    assert film.losses[-1] < 0.5 < 10 < film.losses[0]
    assert (FOLDER.parent / "film.npz").stat().st_size <= 100_000


def test_coarse_numbers_are_near_the_true_ones(film):
    fine = torch.randn(4, 9, 4, generator=torch.Generator().manual_seed(1)).log_softmax(2)
    made = TrainingFilm(torch.zeros(8, 24), "0", range(4), fine, alphabet=Alphabet("012"))
    assert (made.log_probs - fine.double()).abs().max() < 2e-3


TELL = """
const tell = (c) => {
    const all = momentsOf(c.said, c.steps.length, c.frames, c.symbols.length);
    const found = all.map((line) => forwardBackward(line, c.label, c.blank));
    const texts = all.map((line) => readAlong(bestClasses(line), c.symbols, c.blank));
    const blanks = all.map((line) => meanProbability(line, c.blank));
    const last = found.at(-1);
    return {
        losses: found.map((f) => -f.logProb), texts, stations: stationsOf(texts, blanks, c.text),
        gradient: [...last.gradient],
    };
};
"""


@pytest.mark.parametrize("blank", [0, 3])
def test_javascript_finds_what_python_finds(film, blank):
    names = ("momentsOf", "bestClasses", "meanProbability", "readAlong", "stationsOf")
    logic = modules(*names, of="film.js") + modules("forwardBackward", of="ctc.js") + TELL
    for one in (film, small(blank=blank, text="11"), small(blank=blank, text="2", seed=5)):
        asked = {name: getattr(one, name) for name in ("said", "steps", "frames", "symbols")}
        asked |= {"label": one.label, "blank": one.blank, "text": one.text}
        (found,) = run_in_node(logic, "tell(c)", [asked])
        assert found["losses"] == pytest.approx(one.losses.tolist(), abs=1e-6)
        assert found["texts"] == [reading.text for reading in one.readings]
        assert dict(map(tuple, found["stations"])) == one.stations
        trellis = forward_backward(one.log_probs[-1], one.label, blank=one.blank)
        gradient = one.log_probs[-1].exp() - trellis.occupancy.exp()
        assert found["gradient"] == pytest.approx(gradient.flatten().tolist(), abs=1e-9)


def test_what_does_not_fit_is_named():
    image, lattice = torch.zeros(8, 24), torch.zeros(6, 11).log_softmax(1)
    with pytest.raises(ValueError, match="Each of the 2 steps has one lattice .* got 1 of the"):
        TrainingFilm(image, "1", [0, 1], [lattice])
    with pytest.raises(ValueError, match=r"shapes \[\(5, 11\), \(6, 11\)\]"):
        TrainingFilm(image, "1", [0, 1], [lattice, lattice[:5]])
    with pytest.raises(ValueError, match="7 frames|needs 7|6 frames"):
        TrainingFilm(image, "1111", [0], [lattice])
    with pytest.raises(ValueError, match=r"image is one line, \(1, H, W\)"):
        TrainingFilm(torch.zeros(2, 8, 24), "1", [0], [lattice])


def test_a_phase_that_does_not_come_is_left_out():
    certain = torch.full((5, 11), -9.0)
    certain[:, 3] = 0.0  # reads 2 from the beginning
    film = TrainingFilm(torch.zeros(8, 24), "2", [0, 1], [certain.log_softmax(1)] * 2)
    assert film.stations == {"the smear": 0, "the text": 0}


def test_the_figure_shows_each_station(film):
    figure = plot_film(film)
    panels = [axes for axes in figure.axes if axes.get_xlabel() == "frame"]
    titles = [axes.get_title(loc="left") for axes in panels]
    assert [title.partition(":")[0] for title in titles] == [*film.stations, "the last moment"]
    assert titles[-1].endswith("reads 55207")
    named = {label.get_text() for label in panels[0].get_yticklabels()}
    lit = film.log_probs[film.stations["first spikes"]].exp().amax(0) > 0.1
    assert named >= {"blank", *"55207"} | {film.symbols[c] for c in lit[1:].nonzero().flatten() + 1}
    paper, under = (axes.get_window_extent() for axes in (figure.axes[0], panels[0]))
    assert paper.width == pytest.approx(under.width)  # each frame stands under its columns
    pixel = figure.axes[0].transData.transform([[0, 0], [1, 1]])
    assert np.ptp(abs(pixel[1] - pixel[0])) == pytest.approx(0.0, abs=1e-6)  # pixels are square
    assert figure.get_label().startswith(f"55207 at {len(film.steps)} moments of a training run")
