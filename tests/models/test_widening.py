"""A widened network reads as before, and learns with what it was given."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from crnn_lib.models import (
    CRNN,
    CRNNConfig,
    SlidingWindowRNN,
    SlidingWindowRNNConfig,
    widen_crnn,
)

TWO_LAYERS = CRNNConfig(channels=(4, 6, 6, 8, 8, 10), hidden=7, layers=2)


def worn(config: CRNNConfig) -> CRNN:
    """A network whose norms have seen something, so that none of their numbers is 0 or 1."""
    torch.manual_seed(3)
    model = CRNN(config)
    for _ in range(3):
        model(2 * torch.rand(4, 1, config.height, 70))
    for norm in model.norms:
        if config.norm == "batch":
            torch.nn.init.normal_(norm.weight)
            torch.nn.init.normal_(norm.bias)
    return model.eval()


@pytest.mark.parametrize(
    "config", [TWO_LAYERS, replace(TWO_LAYERS, norm="instance", negative_slope=0.01)]
)
def test_a_wider_network_reads_as_before_and_in_company(config):
    model = worn(config)
    channels = tuple(n + 3 for n in config.channels)
    wide = widen_crnn(model, replace(config, channels=channels, hidden=11))
    images, widths = torch.rand(3, 1, 32, 90), torch.tensor([90, 41, 66])
    (before, frames), (after, same) = model(images, widths), wide(images, widths)
    assert torch.equal(frames, same)
    torch.testing.assert_close(after, before, atol=2e-6, rtol=0)
    assert not wide.training and wide.alphabet == model.alphabet


def test_all_new_units_come_to_learn():
    leaky = replace(TWO_LAYERS, negative_slope=0.1)  # no unit is silent by chance
    model = worn(leaky)
    wide = widen_crnn(model, replace(leaky, channels=(6, 8, 8, 10, 10, 12), hidden=9)).train()
    before = {name: value.clone() for name, value in wide.named_parameters()}
    optimizer = torch.optim.SGD(wide.parameters(), 0.1)
    images = torch.rand(4, 1, 32, 60)
    for _ in range(2):  # at first only what leads from new units to old ones has a gradient
        optimizer.zero_grad()
        wide(images)[0][:, ::2, 1].sum().backward()
        optimizer.step()
    for name, value in wide.named_parameters():
        moved = (value != before[name]).float().mean()
        assert moved > 0.9, f"{name}: {moved:.2f} of it moved"


def test_widening_draws_by_its_seed_alone():
    model = worn(TWO_LAYERS)
    config = replace(TWO_LAYERS, hidden=9)
    torch.manual_seed(1)
    one = widen_crnn(model, config, seed=5)
    told = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), told)
    other = widen_crnn(model, config, seed=5)
    assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
    third = widen_crnn(model, config, seed=6)
    assert not torch.equal(one.rnn.weight_ih_l0, third.rnn.weight_ih_l0)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"hidden": 6}, "not narrowed"),
        ({"channels": (4, 6, 6, 8, 8, 9)}, "not narrowed"),
        ({"layers": 3}, "layers 2 -> 3"),
        ({"height": 28}, "height 32 -> 28"),
        ({"channels": (4,) * 7, "strides": ((1, 1),) * 7}, "strides"),
    ],
)
def test_only_more_units_of_the_same_layers_are_given(change, message):
    with pytest.raises(ValueError, match=message):
        widen_crnn(CRNN(TWO_LAYERS), replace(TWO_LAYERS, **change))


def test_what_is_no_crnn_is_named():
    model = CRNN(CRNNConfig(channels=(4, 4), strides=((4, 2), (4, 2)), hidden=8))
    for wrong in ("crnn-digits", None, SlidingWindowRNN()):
        with pytest.raises(TypeError, match="model is a CRNN; got "):
            widen_crnn(wrong, model.config)
    for wrong in (None, 12, SlidingWindowRNNConfig()):
        with pytest.raises(TypeError, match="config is a CRNNConfig; got "):
            widen_crnn(model, wrong)
