"""What notebook 06 and its checks promise, beyond what test_lessons.py asks of every chapter."""

from __future__ import annotations

import functools
import http.server
import inspect
import json
import re
import threading

import pytest
import torch
from conftest import ROOT
from torch import nn

from crnn_lib import LineStyle, compose_lines, load_glyphs
from crnn_lib.lessons.chapter06 import exercises as chapter06
from crnn_lib.lessons.chapter06 import mistakes as mistakes06
from crnn_lib.lessons.chapter06 import network as typed
from crnn_lib.lessons.classroom import records
from crnn_lib.lessons.engine import examine
from crnn_lib.models import CRNN, CRNNConfig
from crnn_lib.plots import plot_plateau
from crnn_lib.training import History, LineStream

EXERCISES = {exercise.id: exercise for exercise in chapter06.EXERCISES}
NOTEBOOK = json.loads((ROOT / "notebooks" / "06_the_crnn.ipynb").read_text(encoding="utf-8"))
SOURCES = ["".join(cell["source"]) for cell in NOTEBOOK["cells"]]
SHAPE = CRNNConfig(channels=(16, 32, 48), strides=((2, 2), (2, 2), (2, 1)), hidden=64, dropout=0.0)


def verdict(exercise_id, answer):
    return examine(EXERCISES[exercise_id], answer)


@pytest.mark.parametrize("config", [CRNNConfig(), CRNNConfig.article()], ids=["ours", "article"])
def test_frames_agree_with_the_real_network(config):
    model = CRNN(config)
    across = [stride for _, stride in config.strides]
    for width in (model.minimum_width, 57, 140, 160):
        frames = chapter06.stack_frames(width, across, config.padding)
        assert frames == int(model.frame_lengths(torch.tensor(width)))


def test_bare_bugs_keep_the_shape_so_a_shape_test_passes():
    images = torch.rand(2, 1, 32, 40)
    right = chapter06.with_weights(chapter06.Plain())(images)
    for bug in (mistakes06.Reshaped, mistakes06.Mixed, mistakes06.OverTheFrames):
        wrong = chapter06.with_weights(bug())(images)
        assert wrong.shape == right.shape and not torch.allclose(wrong, right)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_the_librarys_network_is_the_mended_one(training):
    mended, library = chapter06.with_weights(chapter06.Mended()).train(training), CRNN(SHAPE)
    weights = {}
    for name, values in mended.state_dict().items():
        name = re.sub(r"look\.(\d)\.0", r"convolutions.\1", name.replace("remember", "rnn"))
        weights[re.sub(r"look\.(\d)\.2", r"norms.\1", name)] = values
    library.train(training).load_state_dict(weights)
    images, widths = torch.rand(3, 1, 32, 60), torch.tensor([60, 33, 12])
    (ours, lengths), (theirs, frames) = mended(images, widths), library(images, widths)
    assert lengths.equal(frames)
    for a, b, n in zip(ours, theirs, lengths, strict=True):
        assert torch.allclose(a[:n], b[:n], atol=1e-5)


def test_a_wrong_forward_is_not_called_right_for_its_company():
    class OnlyAlone(chapter06.Layers):  # right for a batch of one line, mixes the others
        def forward(self, images):
            log_probs = chapter06.Plain.forward(self, images)
            return log_probs.roll(1, 0)

    assert verdict("6.2", OnlyAlone).status == "not yet"
    assert verdict("6.2", chapter06.Plain()).text.startswith("hand over the class itself")
    assert "a subclass of Layers" in verdict("6.2", nn.Module).text


def test_weights_that_cannot_learn_are_named():
    class Detached(chapter06.Layers):
        def forward(self, images):
            with torch.no_grad():
                return chapter06.Plain.forward(self, images)

    assert "something cuts the gradient off" in verdict("6.2", Detached).text


# ------------------------------------------------------------------ what the notebook types


@pytest.mark.parametrize("name", ["block", "Layers", "erase", "recur"])
def test_the_notebook_types_what_the_checks_build_on(name):
    assert any(inspect.getsource(getattr(typed, name)).strip() in source for source in SOURCES)


def test_the_listing_is_the_network_and_the_step_of_the_exercises():
    (listing,) = re.findall(r"```python\n(import torch\n.+?)```", "\n".join(SOURCES), re.DOTALL)
    assert "crnn_lib" not in listing and len(listing.splitlines()) <= 45
    style = LineStyle(length=(2, 2), spacing=(0.1, 0.5))
    stream = LineStream(load_glyphs("pen", "train"), style, batch_size=8, seed=0)
    torch.manual_seed(0)
    names = {"stream": stream}
    exec(listing.replace("range(600)", "range(3)"), names)
    torch.manual_seed(0)
    network = chapter06.Plain()
    optimizer = torch.optim.Adam(network.parameters(), lr=4e-3)
    losses = [chapter06.learn(network, optimizer, stream.batch(step)) for step in range(3)]
    assert names["loss"].item() == pytest.approx(losses[-1], rel=1e-5)


def test_the_network_that_ships_is_seven_times_as_large():
    yours, ships = chapter06.Layers(), CRNN(CRNNConfig.large())
    sizes = [sum(p.numel() for p in network.parameters()) for network in (ships, yours)]
    assert round(sizes[0] / sizes[1]) == 7
    assert "seven times as large as yours" in "\n".join(SOURCES)


def test_a_frame_sees_less_than_most_digits_and_the_whole_of_a_7():
    glyphs, chance = load_glyphs("pen", "test"), torch.Generator().manual_seed(2)
    lines = compose_lines(glyphs, 2, LineStyle(), chance, texts=["55207", "11111"])
    spans = lines.spans[0].tolist()
    widths = sorted(end - start for start, end in spans)
    assert f"digits of this line are {widths[0]} to {widths[-1]} columns wide" in "".join(SOURCES)
    (start, end), (low, high) = spans[4], CRNN(SHAPE).receptive_field(30)
    assert low <= start and end <= high, "the 7"
    low, high = CRNN(SHAPE).receptive_field(20)
    assert spans[2][0] < low < spans[2][1] < high <= spans[3][0], "a piece of the 2, and the gap"


def test_what_each_line_buys_is_what_the_record_holds():
    record = json.loads((ROOT / "data" / "runs" / "ablation.json").read_text(encoding="utf-8"))
    read = {name: torch.tensor(runs).double() / 10 for name, runs in record["read"].items()}
    gains = {name: runs - read["plain loop"] for name, runs in read.items()}
    halves = {name: 2.571 * gain.std() / 6**0.5 for name, gain in gains.items()}
    assert len(record["seeds"]) == 6 and record["test_lines"] == 1000
    alone = ("clipping", "schedule", "averaging")
    assert max(alone, key=lambda name: gains[name].mean()) == "averaging"
    apart = gains["averaging"] - gains["clipping"]
    assert abs(apart.mean()) < 2.571 * apart.std() / 6**0.5, "six runs do not part them"
    held = [name for name in alone if gains[name].mean() > halves[name]]
    assert held == ["clipping", "averaging"], "the interval of the schedule holds 0"
    assert gains["all three"].mean() < gains["averaging"].mean()
    assert -60 < gains["reshape for permute"].mean() < -40
    before = torch.tensor(record["read_before_settling"]["plain loop"]).double() / 10
    assert (read["plain loop"] - before).mean().abs() < 0.5


def test_old_ink_is_another_lines():
    glyphs, chance = load_glyphs("pen", "test"), torch.Generator().manual_seed(0)
    lines = compose_lines(glyphs, 3, LineStyle(length=(1, 3)), chance)
    inked, black = (typed.pad(lines, columns=20, old_ink=ink) for ink in (True, False))
    for n, width in enumerate(lines.widths.tolist()):
        assert inked.images[n, :, :, :width].equal(lines.images[n, :, :, :width])
        assert not black.images[n, :, :, width:].any()
        other = torch.nn.functional.pad(lines.images[n - 1], (0, 20))[..., : inked.images.shape[-1]]
        assert inked.images[n, :, :, width:].equal(other[:, :, : other.shape[-1] - width])
    assert inked.images.shape == black.images.shape and inked.widths.equal(lines.widths)


def test_the_plateau_is_named_where_it_is():
    figure = plot_plateau([10, 20, 30], [3.0, 2.5, 0.5], [0.97, 1.0, 0.8], [0.0, 0.0, 0.6])
    assert figure.get_label().startswith("Nearly all frames say blank from step 10 to 20; the loss")
    assert "60 % of the lines are read" in figure.get_label()
    never = plot_plateau([1, 2], [1.0, 0.5], [0.5, 0.5], [0, 1]).get_label()
    assert never.startswith("At no moment do nearly all frames say blank; the loss")


# ------------------------------------------------------------------ records


def test_recorded_run_is_found_in_the_checkout():
    history = History.load(records.project_file("data/runs/crnn-digits.json"))
    assert history.step == sorted(history.step)
    assert len(history.step) == len(history.loss) == len(history.exact_match)


def test_missing_file_of_a_checkout_is_named_and_not_downloaded(monkeypatch):
    monkeypatch.setattr(records, "ADDRESS", "http://127.0.0.1:9/")
    with pytest.raises(FileNotFoundError, match="git checkout data/runs/none.json"):
        records.project_file("data/runs/none.json")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package without a checkout, and a server that has the project's files."""
    served, elsewhere = tmp_path / "served", tmp_path / "site-packages"
    served.mkdir()
    elsewhere.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(served))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(records, "ROOT", elsewhere)
    monkeypatch.setattr(records, "ADDRESS", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("no_proxy", "*")
    yield served
    server.shutdown()
    server.server_close()


def test_installed_package_downloads_a_record(installed):
    (installed / "run.json").write_text('{"step": [55207]}')
    assert History.load(records.project_file("run.json")).step == [55207]
    with pytest.raises(FileNotFoundError, match=r"none.json.*Check the network"):
        records.project_file("none.json")


def test_section_of_the_results_is_cut_out(installed):
    (installed / "benchmarks").mkdir()
    text = (
        "# Measured\n\n<!-- protocol -->\n## The article's protocol\n\n| a |\n\n*when*\n"
        "<!-- end -->\n\n<!-- speed -->\n## Speed\n\nfast\n<!-- end -->\n"
    )
    (installed / "benchmarks" / "RESULTS.md").write_text(text)
    assert records.measured("The article's protocol") == "| a |\n\n*when*"
    assert records.measured("Speed") == "fast"
    assert "not measured yet" in records.measured("Height")
