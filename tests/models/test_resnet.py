"""The ResNet that reads: its width survives, padding changes nothing, stages freeze."""

from __future__ import annotations

import urllib.error

import pytest
import torch
import torchvision

from crnn_lib.evaluation import evaluate
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import ResNetRNN, ResNetRNNConfig, load_model, save_model
from crnn_lib.training import LineSet, LineStream, TrainConfig, train


def network(**config) -> ResNetRNN:
    torch.manual_seed(0)
    return ResNetRNN(ResNetRNNConfig(hidden=16, **config)).eval()


def test_a_line_of_160_columns_keeps_40_frames():
    log_probs, frame_lengths = network()(torch.rand(2, 1, 32, 160))
    assert log_probs.shape == (2, 40, 11) and frame_lengths.tolist() == [40, 40]
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2, 40))


def test_torchvisions_own_strides_would_leave_five_columns():
    trunk = torch.nn.Sequential(*list(torchvision.models.resnet18(weights=None).children())[:-2])
    assert trunk.eval()(torch.rand(1, 3, 32, 160)).shape[-1] == 5


@pytest.mark.parametrize("stages", range(1, 6))
@pytest.mark.parametrize("height", [8, 28, 32, 45])
def test_every_cut_and_height_gives_the_announced_frames(stages, height):
    model = network(stages=stages, height=height)
    for width in (1, 2, 5, 33):
        log_probs, frame_lengths = model(torch.rand(1, 1, height, width))
        assert log_probs.shape[1] == frame_lengths.item() == -(-width // 4)
        assert model.frame_lengths(torch.tensor([width])).item() == frame_lengths.item()


@pytest.mark.parametrize("stages", [1, 4, 5])
def test_padding_never_changes_a_reading(stages):
    model = network(stages=stages)
    for parameter in model.parameters():  # batch norms with shifts, so padding would not stay 0
        torch.nn.init.normal_(parameter, 0.0, 0.2)
    for width in (7, 30, 61):
        line = torch.rand(1, 1, 32, width)
        alone, _ = model(line)
        padded = torch.full((2, 1, 32, 90), float("nan"))
        padded[0, :, :, :width] = line
        padded[1] = torch.rand(1, 32, 90)
        together, lengths = model(padded, torch.tensor([width, 90]))
        assert lengths[0] == alone.shape[1]
        torch.testing.assert_close(together[:1, : alone.shape[1]], alone, atol=1e-4, rtol=1e-4)


def test_without_padding_the_trunk_is_torchvisions():
    model = network(stages=5)
    trunk = torchvision.models.resnet18(weights=None).eval()
    state = {k: v for k, v in trunk.state_dict().items() if not k.startswith("fc")}
    model.stem["conv"].load_state_dict({"weight": state["conv1.weight"]})
    model.stem["norm"].load_state_dict({k[4:]: v for k, v in state.items() if k[:4] == "bn1."})
    for number, stage in enumerate(model.stages, start=1):
        prefix = f"layer{number}."
        stage.load_state_dict(
            {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
        )
        if number > 1:
            getattr(trunk, f"layer{number}")[0].conv1.stride = (2, 1)
            getattr(trunk, f"layer{number}")[0].downsample[0].stride = (2, 1)
    line = torch.rand(1, 1, 32, 64)
    expected = torch.nn.Sequential(*list(trunk.children())[:-2])(
        (line - model.mean) / model.deviation
    )
    got, _ = model.features(line)
    torch.testing.assert_close(got, expected.permute(0, 3, 1, 2).flatten(2))


def test_the_receptive_field_is_where_gradients_come_from():
    model = network(stages=2)
    for frame in (20, 25):
        line = torch.rand(1, 1, 32, 200, requires_grad=True)
        model.features(line)[0][0, frame].sum().backward()
        seen = line.grad.abs().sum((0, 1, 2)).nonzero()[:, 0]
        start, end = model.receptive_field(frame)
        assert start <= seen.min() and seen.max() < end
        assert seen.min() - start <= 2 and end - 1 - seen.max() <= 2  # a pool may pick its middle


def test_frozen_stages_keep_weights_and_statistics():
    model = network()
    model.freeze(3)
    frozen = {k: v.clone() for k, v in model.state_dict().items() if k.startswith("stem")}
    frozen |= {k: v.clone() for k, v in model.state_dict().items() if k.startswith("stages.0")}
    learning = model.stages[2][0].conv1.weight.clone()
    pen = load_glyphs("pen", "train", count=200)
    stream = LineStream(pen, LineStyle(length=(1, 3)), batch_size=4)
    train(model, stream, TrainConfig(steps=3))
    state = model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in frozen.items())
    assert not torch.equal(model.stages[2][0].conv1.weight, learning)
    model.freeze(0)
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(ValueError, match="4 stages to freeze; got 5"):
        model.freeze(5)


def test_it_learns_a_few_lines_by_heart():
    torch.manual_seed(0)
    model = ResNetRNN(ResNetRNNConfig(stages=3, hidden=32, dropout=0.0))
    pen = load_glyphs("pen", "train", count=400)
    lines = compose_lines(pen, 8, LineStyle(length=(2, 3)), torch.Generator().manual_seed(0))
    train(model, LineSet(lines, batch_size=8), TrainConfig(steps=160, learning_rate=2e-3))
    assert evaluate(model, lines).exact_match == 1


def test_it_is_saved_and_loaded(tmp_path):
    model = network()
    save_model(model, tmp_path / "resnet.safetensors", provenance={"command": "a test"})
    again = load_model(tmp_path / "resnet.safetensors")
    line = torch.rand(1, 1, 32, 50)
    torch.testing.assert_close(again(line)[0], model(line)[0])


def test_without_a_network_the_weights_are_random_and_one_sentence_says_so(monkeypatch):
    def unreachable(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", "/nonexistent/cache")
    monkeypatch.setattr("os.makedirs", lambda *a, **k: None)
    with pytest.warns(UserWarning, match="could not be downloaded.*random weights"):
        model = ResNetRNN(pretrained=True)
    assert model.eval()(torch.rand(1, 1, 32, 40))[0].shape == (1, 10, 11)


def test_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="5 stages"):
        ResNetRNNConfig(stages=6)
    with pytest.raises(ValueError, match="at least 8"):
        ResNetRNNConfig(height=4)
