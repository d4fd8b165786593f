"""The ResNet that reads. What it shares with other backbones is in test_backbone.py."""

from __future__ import annotations

import pytest
import torch

from crnn_lib.models import ResNetRNN, ResNetRNNConfig, load_model, save_model


def network(**config) -> ResNetRNN:
    torch.manual_seed(0)
    return ResNetRNN(ResNetRNNConfig(hidden=16, **config)).eval()


def test_a_line_of_160_columns_keeps_40_frames():
    log_probs, frame_lengths = network()(torch.rand(2, 1, 32, 160))
    assert log_probs.shape == (2, 40, 11) and frame_lengths.tolist() == [40, 40]
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2, 40))


@pytest.fixture
def theirs():
    from torchvision.models import resnet18  # not when it is collected: it takes seconds

    return resnet18(weights=None).eval()


def test_torchvisions_own_strides_would_leave_five_columns(theirs):
    trunk = torch.nn.Sequential(*list(theirs.children())[:-2])
    assert trunk(torch.rand(1, 3, 32, 160)).shape[-1] == 5


def test_without_padding_the_trunk_is_torchvisions(theirs):
    model = network(stages=5)
    state = {k: v for k, v in theirs.state_dict().items() if not k.startswith("fc")}
    model.stem["conv"].load_state_dict({"weight": state["conv1.weight"]})
    model.stem["norm"].load_state_dict({k[4:]: v for k, v in state.items() if k[:4] == "bn1."})
    for number, stage in enumerate(model.stages, start=1):
        prefix = f"layer{number}."
        stage.load_state_dict(
            {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
        )
        if number > 1:
            getattr(theirs, f"layer{number}")[0].conv1.stride = (2, 1)
            getattr(theirs, f"layer{number}")[0].downsample[0].stride = (2, 1)
    line = torch.rand(1, 1, 32, 64)
    expected = torch.nn.Sequential(*list(theirs.children())[:-2])(
        (line - model.mean) / model.deviation
    )
    got, _ = model.features(line)
    torch.testing.assert_close(got, expected.permute(0, 3, 1, 2).flatten(2))


def test_it_is_saved_and_loaded(tmp_path):
    model = network()
    save_model(model, tmp_path / "resnet.safetensors", provenance={"command": "a test"})
    again = load_model(tmp_path / "resnet.safetensors")
    line = torch.rand(1, 1, 32, 50)
    torch.testing.assert_close(again(line)[0], model(line)[0])


def test_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="5 stages"):
        ResNetRNNConfig(stages=6)
    with pytest.raises(ValueError, match="at least 8"):
        ResNetRNNConfig(height=4)
