"""ONNX files: what onnxruntime reads with them is what torch reads."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT

from crnn_lib.alphabet import Alphabet
from crnn_lib.cli.arguments import main
from crnn_lib.decoders import best_path, decode
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import (
    CRNN,
    BackboneRNN,
    BackboneRNNConfig,
    CRNNConfig,
    Detector,
    ResNetRNN,
    ResNetRNNConfig,
    SlidingWindowRNN,
    SlidingWindowRNNConfig,
    export_onnx,
    frame_edges,
    load_model,
)

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

NETWORKS = {
    "crnn": lambda: CRNN(),
    "large": lambda: CRNN(CRNNConfig.large(), Alphabet("0123456789", blank=10)),
    "words": lambda: CRNN(CRNNConfig.words(), Alphabet("abcdefghijklmnopqrstuvwxyz", blank=13)),
    "article": lambda: CRNN(CRNNConfig.article()),
    "window": lambda: SlidingWindowRNN(),
    "window, lstm": lambda: SlidingWindowRNN(SlidingWindowRNNConfig(cell="lstm", layers=2)),
    "window, one way": lambda: SlidingWindowRNN(SlidingWindowRNNConfig(bidirectional=False)),
    "efficientnet": lambda: BackboneRNN(BackboneRNNConfig(stages=4, hidden=16)),
    "resnet": lambda: ResNetRNN(ResNetRNNConfig(stages=2, hidden=16)),
}
BATCHES = ([33, 75], [160, 21, 99], [128], [97, 96, 5, 1], [300, 7])


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options)


def run(session, images, widths):
    return session.run(None, {"images": images.numpy(), "widths": widths.numpy()})


@pytest.fixture(scope="module", params=NETWORKS)
def exported(request, tmp_path_factory):
    torch.manual_seed(len(request.param))
    network = NETWORKS[request.param]().eval()
    for norm in network.modules():  # as after training
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(norm.running_mean, 0.0, 0.1)
            torch.nn.init.uniform_(norm.running_var, 0.5, 1.5)
    path = export_onnx(network, tmp_path_factory.mktemp("onnx") / "a.onnx", features=True)
    return network, session_of(path)


def test_log_probs_are_those_of_torch(exported):
    """At eleven widths, alone and in padded batches."""
    network, session = exported
    for widths in map(torch.tensor, BATCHES):
        images = torch.rand(len(widths), 1, network.config.height, int(widths.max()))
        with torch.no_grad():
            expected, lengths = network(images, widths)
            columns, _ = network.features(images, widths)
        log_probs, frame_lengths, features = run(session, images, widths)
        assert frame_lengths.tolist() == lengths.tolist()
        assert log_probs.dtype == np.float32 and log_probs.shape == expected.shape
        for n, frames in enumerate(lengths):
            np.testing.assert_allclose(log_probs[n, :frames], expected[n, :frames], 1e-6, 1e-5)
            np.testing.assert_allclose(features[n, :frames], columns[n, :frames], 1e-4, 1e-3)


def test_padding_changes_nothing(exported):
    """read(x) == read(pad(x)), whatever stands in the padding."""
    network, session = exported
    image = torch.rand(1, 1, network.config.height, 90)
    alone, frames, _ = run(session, image, torch.tensor([90]))
    noise = torch.rand(1, 1, network.config.height, 61)
    noise[..., 5] = torch.nan
    padded = torch.cat((image, noise), 3)
    other = torch.rand_like(padded)
    log_probs, lengths, _ = run(session, torch.cat((other, padded)), torch.tensor([151, 90]))
    assert lengths[1] == frames[0]
    np.testing.assert_allclose(log_probs[1, : frames[0]], alone[0, : frames[0]], 0, 1e-5)


@pytest.fixture(scope="module")
def digits():
    return load_model("crnn-digits")


@pytest.fixture(scope="module")
def lines():
    glyphs = load_glyphs("pen", "test", count=200)
    return compose_lines(glyphs, 12, LineStyle(), torch.Generator().manual_seed(3))


@pytest.mark.parametrize("half", [False, True])
def test_decode_takes_what_onnxruntime_gives(digits, lines, tmp_path, half):
    path = export_onnx(digits, tmp_path / "digits.onnx", half)
    log_probs, frame_lengths = run(session_of(path), lines.images, lines.widths)
    with torch.no_grad():
        expected, lengths = digits(lines.images, lines.widths)
    for n, frames in enumerate(lengths):
        np.testing.assert_allclose(log_probs[n, :frames], expected[n, :frames], 1e-6, 1e-5)
    found = decode(log_probs, frame_lengths, kind="log_probs", decoder="best-path")
    wanted = best_path(expected, lengths, alphabet=digits.alphabet)
    assert [h.text for h in found] == [h.text for h in wanted]
    assert sum(h.text == text for h, text in zip(found, lines.texts, strict=True)) >= 10


def test_half_precision_halves_the_file(digits, tmp_path):
    full, half = (
        export_onnx(digits, tmp_path / f"{k}.onnx", k == "half") for k in ("full", "half")
    )
    assert half.stat().st_size < 0.52 * full.stat().st_size


def test_metadata_tell_what_is_needed_to_go_on(tmp_path):
    network = CRNN(CRNNConfig(channels=(4,), strides=((2, 4),), hidden=4), Alphabet("ab", blank=1))
    session = session_of(export_onnx(network, tmp_path / "ab.onnx"))
    story = session.get_modelmeta().custom_metadata_map
    assert Alphabet(**json.loads(story["alphabet"])) == network.alphabet
    assert json.loads(story["symbols"]) == ["a", "-", "b"] and story["blank"] == "1"
    assert CRNNConfig(**json.loads(story["config"])) == network.config
    frames = json.loads(story["frames"])
    edges = frames["first"] + frames["step"] * np.arange(6)
    np.testing.assert_allclose(edges, frame_edges(network, 5))
    assert network.training  # it was asked to be written, not to be changed
    images, widths = session.get_inputs()
    assert images.shape == ["N", 1, 32, "W"] and widths.shape == ["N"]


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(TypeError, match="export_onnx writes a CRNN or a .*; got Detector"):
        export_onnx(Detector(), tmp_path / "a.onnx")
    with pytest.raises(ValueError, match=r"ends in \.onnx"):
        export_onnx(CRNN(), tmp_path / "a.pt")
    with pytest.raises(FileNotFoundError, match="folder does not exist"):
        export_onnx(CRNN(), tmp_path / "no" / "a.onnx")
    with pytest.raises(TypeError, match=r"path is that of a \.onnx file; got None"):
        export_onnx(CRNN(), None)


def test_without_onnx_the_way_to_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'crnn_lib\[export\]'"):
        export_onnx(CRNN(), tmp_path / "a.onnx")


def test_command_writes_a_file(tmp_path, capsys):
    path = tmp_path / "digits.onnx"
    assert main(["export", "--weights", "digits", "--half", "--out", str(path)]) == 0
    assert "1.7 MB, 11 classes" in capsys.readouterr().out
    onnx.checker.check_model(onnx.load(path))
    assert main(["export", "--out", str(tmp_path / "digits.pt")]) == 1
    assert "must end in .onnx" in capsys.readouterr().err


def test_the_recipe_of_the_book_runs(tmp_path, monkeypatch):
    page = (ROOT / "book" / "elsewhere.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    found: dict = {}
    exec(compile(recipe, "elsewhere.md", "exec"), found)
    assert found["texts"] == ["1", ""]


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [
        SlidingWindowRNN(SlidingWindowRNNConfig(cell="lstm", hidden=4)),
        CRNN(CRNNConfig(channels=(4, 8), strides=((2, 2), (2, 2)), hidden=4, layers=2)),
    ],
    ids=["lstm", "gru"],
)
def test_torch_export_takes_lines_of_one_width(network):
    """Any number of them, of any widths within; torch.export unrolls a recurrence over its frames,
    so the columns of the batch are those of the example."""
    network.eval()
    batch = ({0: torch.export.Dim.DYNAMIC},) * 2
    example = (torch.rand(3, 1, 32, 32), torch.tensor([32, 20, 7]))
    program = torch.export.export(network, example, dynamic_shapes=batch).module()
    images, widths = torch.rand(5, 1, 32, 32), torch.tensor([32, 20, 7, 9, 31])
    with torch.no_grad():
        expected, lengths = network(images, widths)
        log_probs, frame_lengths = program(images, widths)
    assert frame_lengths.tolist() == lengths.tolist()
    for n, frames in enumerate(lengths):
        torch.testing.assert_close(
            log_probs[n, :frames], expected[n, :frames], rtol=1e-6, atol=1e-5
        )
