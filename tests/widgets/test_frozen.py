"""The frozen reader: what it holds is what the network says, and JavaScript reads it the same."""

from __future__ import annotations

import asyncio
import base64
import math
import random
import sys
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
import torch
from test_widgets import modules, run_in_node

from crnn_lib.ctc import collapse
from crnn_lib.decoders import best_path
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import CRNN, load_model
from crnn_lib.widgets import FrozenReader, StripMaker, pack, strip_maker

STOPS = (0.3, 0.0, -0.4)


def lines(texts=("55207",) * 3):
    glyphs = load_glyphs("pen", "test", count=100)
    return [
        compose_lines(
            glyphs,
            1,
            replace(LineStyle(), spacing=(stop, stop)),
            torch.Generator().manual_seed(3),
            texts=[text],
        )
        for stop, text in zip(STOPS, texts, strict=True)
    ]


@pytest.fixture(scope="module")
def model():
    return load_model("crnn-digits")


def test_each_stop_holds_what_the_network_says(model):
    made = lines()
    frozen = FrozenReader(model, made, STOPS, step=1)
    assert (frozen.text, frozen.step, frozen.height) == ("55207", 1, 32)
    for line, stop, step in zip(made, STOPS, frozen.steps, strict=True):
        with torch.no_grad():
            log_probs, lengths = model(line.images, line.widths)
        (expected,) = best_path(log_probs, lengths, alphabet=model.alphabet)
        T = int(lengths[0])
        assert step["stop"] == stop and step["frames"] == T == len(step["path"])
        assert "".join(collapse(step["path"], blank="-")) == expected.text
        assert step["probability"] == pytest.approx(math.exp(expected.log_prob), abs=6e-4)
        probs = np.frombuffer(base64.b64decode(step["probs"]), np.uint8).reshape(T, 11)
        assert np.abs(probs / 255 - log_probs[0, :T].exp().numpy()).max() <= 0.51 / 255
        assert 0 <= step["left"] < step["right"] <= step["width"]


def test_padding_of_a_batch_is_left_out(model):
    glyphs, generator = load_glyphs("pen", "test", count=100), torch.Generator().manual_seed(0)
    both = compose_lines(glyphs, 2, LineStyle(), generator, texts=["1", "55207207"])
    assert both.images.shape[-1] > int(both.widths[0])
    alone = FrozenReader(model, [both.select([0])], [0.0]).steps
    assert alone == FrozenReader(model, [both], [0.0]).steps


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (32, 10)])
def test_javascript_unpacks_what_python_packs(shape):
    image = np.random.default_rng(0).random(shape)
    logic = modules("unpack", of="line_view.js")
    cases = [[pack(image).tolist(), image.size]]
    (found,) = run_in_node(logic, "unpack(Uint8Array.from(c[0]), c[1])", cases)
    assert np.abs(np.array(found).reshape(shape) - image).max() <= 0.5 / 15 + 1e-9


def test_javascript_finds_the_runs():
    chance = random.Random(0)
    paths = ["", "-", "55-5", *("".join(chance.choices("-05", k=12)) for _ in range(200))]
    said = run_in_node(modules("runs", of="line_view.js"), 'runs(c, "-")', paths)
    for path, found in zip(paths, said, strict=True):
        expected, t = [], 0
        for symbol, run in groupby(path):
            length = len(list(run))
            expected += [[symbol, t, t + length]] * (symbol != "-")
            t += length
        assert found == expected


def test_what_does_not_fit_is_refused():
    model = CRNN().eval()
    with pytest.raises(ValueError, match="3 lines and 2 stops"):
        FrozenReader(model, lines(), STOPS[:2])
    with pytest.raises(ValueError, match="All lines say the same; got 507, 508"):
        FrozenReader(model, lines(("507", "508", "507")), STOPS)
    with pytest.raises(ValueError, match="step is 0 to 2 for 3 stops; got 3"):
        FrozenReader(model, lines(), STOPS, step=3)


# ------------------------------------------------------------------ the strip maker's


def test_strip_maker_freezes_as_it_stands(model):
    maker = StripMaker("207", model=model)
    maker.spacing.value = -0.38
    frozen = maker.frozen()
    stops = [step["stop"] for step in frozen.steps]
    assert len(stops) == 25 and stops[0] == -0.6 and stops[-1] == 0.6
    assert stops == sorted(stops) and stops[frozen.step] == -0.4
    maker.spacing.value = stops[4]  # what the sliders show at a stop is what was frozen there
    assert frozen.steps[4]["width"] == int(maker.line.widths[0])
    assert "".join(collapse(frozen.steps[4]["path"], blank="-")) == maker.hypothesis.text


def test_a_saved_notebook_gets_the_frozen_reader(model, monkeypatch):
    maker = StripMaker("207", model=model)
    data, metadata = maker._repr_mimebundle_()
    page, picture = data["text/html"], base64.b64decode(data["image/png"])
    assert page == maker.frozen().static_html(picture)
    assert page == maker._repr_mimebundle_()[0]["text/html"]
    assert metadata["image/png"]["alt"] == FrozenReader.words
    assert "text/html" not in StripMaker("207")._repr_mimebundle_()[0], "nobody reads it"
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert "text/html" not in maker._repr_mimebundle_()[0]


def test_the_live_strip_has_what_it_has_read_at_every_stop(model):
    maker = StripMaker("207", model=model)
    maker._repr_mimebundle_()
    frozen, stops = maker.frozen().steps, maker.view.stops
    assert [{**stop, **step} for step, stop in zip(frozen, stops, strict=True)] == stops
    assert [stop["spacing"] for stop in stops] == [step["stop"] for step in frozen]
    maker.spacing.value = 0.3
    (same,) = (stop for stop in stops if stop["spacing"] == 0.3)
    assert {**same, **maker.view.now} == same, "what Python reads later is what was there at once"


def test_at_rest_the_strip_reads_what_one_slider_can_reach(model, monkeypatch):
    monkeypatch.setattr(strip_maker, "QUIET", 0)
    monkeypatch.setattr(strip_maker, "HANDS", 1)
    maker = StripMaker("7", model=model)
    for slider in maker.sliders[:3]:
        slider.step = 0.3  # fewer stops

    async def rest():
        maker.slant.value = 0.4
        for _ in range(5):
            await asyncio.sleep(0.01)
        assert not maker.view.stops and not maker._readings, "nobody sees it"
        maker.view.seen = True  # as its page says
        while not maker.view.stops:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(rest(), 300))
    names = ("text", "spacing", "slant", "stroke", "hand")
    here = ("7", maker.spacing.value, 0.4, maker.stroke.value, maker.hand.value)
    made = [tuple(stop[name] for name in names) for stop in maker.view.stops]
    assert all(sum(a != b for a, b in zip(stop, here, strict=True)) <= 1 for stop in made)
    assert {stop[4] for stop in made} == {here[4] - 1, here[4], here[4] + 1}
    assert [len({stop[k] for stop in made} - {here[k]}) >= 4 for k in (1, 2, 3)] == [True] * 3
    stop = maker.view.stops[-1]
    for name in names[1:]:
        getattr(maker, name).value = stop[name]
    assert {**stop, **maker.view.now} == stop, "what is read later is what was there at once"


def test_nothing_to_freeze_is_said(model):
    with pytest.raises(ValueError, match="needs a strip, and a model"):
        StripMaker("207").frozen()
    with pytest.raises(ValueError, match="needs a strip, and a model"):
        StripMaker("no digits", model=model).frozen()
