"""What the checks of notebook 06 promise, beyond what test_lessons.py asks of every chapter."""

from __future__ import annotations

import functools
import http.server
import threading

import pytest
import torch
from torch import nn

from crnn_lib.ctc import minimum_frames
from crnn_lib.lessons.chapter06 import exercises as chapter06
from crnn_lib.lessons.chapter06 import mistakes as mistakes06
from crnn_lib.lessons.classroom import records
from crnn_lib.lessons.engine import examine
from crnn_lib.models import CRNN, CRNNConfig
from crnn_lib.training import History

EXERCISES = {exercise.id: exercise for exercise in chapter06.EXERCISES}


def verdict(exercise_id, answer):
    return examine(EXERCISES[exercise_id], answer)


@pytest.mark.parametrize("config", [CRNNConfig(), CRNNConfig.article()], ids=["ours", "article"])
def test_references_agree_with_the_real_network(config):
    model = CRNN(config)
    across = [stride for _, stride in config.strides]
    for width in (model.minimum_width, 57, 140, 160):
        frames = chapter06.stack_frames(width, across, config.padding)
        assert frames == int(model.frame_lengths(torch.tensor(width)))
    start, end = model.receptive_field(10)
    assert end - start == chapter06.stack_field(across)


def test_read_out_agrees_with_the_real_network():
    torch.manual_seed(0)
    model = CRNN(CRNNConfig(dropout=0.0)).eval()
    x = torch.rand(2, 3, 4, 5)
    weight = torch.rand(11, 12)
    frames = x.permute(0, 3, 1, 2).flatten(2)
    layer = nn.Linear(12, 11, bias=False)
    with torch.no_grad():
        layer.weight.copy_(weight)
        expected = layer(frames).log_softmax(-1)
        # the order of a frame's numbers is that of CRNN.features
        images = torch.rand(2, 1, 32, 40)
        features, _ = model.features(images)
    assert torch.allclose(chapter06.read_out(x, weight), expected, atol=1e-6)
    assert features.shape == (2, 10, 96 * 4)


def test_any_order_of_the_strides_is_accepted():
    def late(label, pitch):
        return chapter06.choose_strides(label, pitch)[::-1]

    assert verdict("6.3", late).status == "correct"


def test_too_few_frames_are_shown_with_the_smallest_example():
    text = verdict("6.3", mistakes06.repeats_forgotten).text
    assert "[1, 1], 2 columns for each character" in text
    assert f"and it needs {minimum_frames([1, 1])}" in text


def test_strides_other_than_1_and_2_are_refused():
    text = verdict("6.3", lambda label, pitch: [4, 1, 1, 1, 1, 1]).text
    assert "where six strides of 1 or 2 should be" in text


def test_bare_bugs_keep_the_shape_so_a_shape_test_passes():
    x, weight = torch.rand(2, 3, 4, 5), torch.rand(6, 12)
    right = chapter06.read_out(x, weight)
    for bug in (mistakes06.reshaped, mistakes06.over_the_frames, mistakes06.flattened):
        assert bug(x, weight).shape == right.shape
        assert not torch.allclose(bug(x, weight), right)


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
