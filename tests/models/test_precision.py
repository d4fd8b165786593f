"""The networks in half, single and double precision, whatever torch's default dtype is."""

from __future__ import annotations

import pytest
import torch
from test_models import CONFIGS, build, noise

from crnn_lib.models import ResNetRNN, ResNetRNNConfig, load_model, save_model

NAMES = ("crnn", "crnn-article", "window", "window-lstm-one-way", "resnet")
HALVES = (torch.float16, torch.bfloat16)


def network(name: str):
    """A small network in evaluation mode."""
    if name != "resnet":
        return build(CONFIGS[name])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ResNetRNN(ResNetRNNConfig(stages=2, hidden=5)).eval()


@pytest.fixture
def double_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", NAMES)
def test_padding_never_changes_a_reading_in_double(name):
    model = network(name).double()
    images, widths = noise(3, 1, model.config.height, 60).double(), torch.tensor([60, 41, 5])
    with torch.inference_mode():
        log_probs, frame_lengths = model(images, widths)
        assert log_probs.dtype == torch.float64
        for n, (width, frames) in enumerate(zip(widths, frame_lengths, strict=True)):
            alone, _ = model(images[n, None, ..., :width])
            torch.testing.assert_close(log_probs[n, :frames], alone[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_of_a_network_is_right(name):
    model = network(name).double()
    widths = torch.tensor([14, 9])
    images = noise(2, 1, model.config.height, 14).double().requires_grad_()
    weight, bias = model.classify.weight, model.classify.bias

    def read(images, *_):
        log_probs, frame_lengths = model(images, widths)
        return [line[:frames] for line, frames in zip(log_probs, frame_lengths, strict=True)]

    inputs = (images, weight, bias, *model.rnn.parameters())
    assert torch.autograd.gradcheck(read, inputs, fast_mode=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_a_network_in_half_precision_says_nearly_the_same(name, dtype):
    """Its scores are rounded; the softmax is not, so that each frame's classes still sum to 1."""
    model = network(name)
    images, widths = noise(3, 1, model.config.height, 60), torch.tensor([60, 41, 5])
    with torch.inference_mode():
        expected, _ = model(images, widths)
        log_probs, frame_lengths = model.to(dtype)(images, widths)
    assert log_probs.dtype == torch.float32
    sums = log_probs.logsumexp(-1)
    torch.testing.assert_close(sums, torch.zeros_like(sums), atol=1e-6, rtol=0)
    for n, frames in enumerate(frame_lengths):
        found, truth = log_probs[n, :frames], expected[n, :frames]
        torch.testing.assert_close(found, truth, atol=10 * torch.finfo(dtype).eps, rtol=0)


def test_softmax_in_half_precision_would_not_sum_to_one():
    """Why log_softmax is computed in single precision: 5,001 classes, as a word model has."""
    scores = torch.randn(20, 5001, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert (scores.log_softmax(-1).float().exp().sum(-1) - 1).abs().max() > 0.01
    assert (scores.float().log_softmax(-1).exp().sum(-1) - 1).abs().max() < 1e-5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("given", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_images_take_on_the_precision_of_the_weights(name, given):
    model = network(name)
    images = noise(2, 1, model.config.height, 30).to(given)
    with torch.inference_mode():
        log_probs, _ = model(images)
        assert torch.equal(log_probs, model(images.float())[0])
    assert log_probs.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_under_another_default_dtype(name, double_by_default, tmp_path):
    model = network(name)
    assert model.classify.weight.dtype == torch.float64
    single = noise(2, 1, model.config.height, 30).float()
    log_probs, _ = model(single, torch.tensor([30, 20]))
    assert log_probs.dtype == torch.float64
    path = save_model(model, tmp_path / "m.safetensors", provenance={})
    again = load_model(path)
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    found, _ = again(single, torch.tensor([30, 20]))
    torch.testing.assert_close(found.double(), log_probs, atol=1e-4, rtol=0)


def test_a_network_that_ships_reads_the_same_in_all_precisions():
    model = load_model("crnn-digits")
    images = noise(4, 1, model.config.height, 120)
    with torch.inference_mode():
        expected, _ = model(images)
        best = expected.argmax(-1)
        clear = expected.topk(2).values.diff().abs()[..., 0] > 0.5
        for dtype in (torch.float64, *HALVES):
            log_probs, _ = load_model("crnn-digits").to(dtype)(images)
            assert torch.equal(log_probs.argmax(-1)[clear], best[clear])
