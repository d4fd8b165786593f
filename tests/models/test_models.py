from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from crnn_lib.alphabet import Alphabet
from crnn_lib.models import (
    CRNN,
    BackboneRNN,
    BackboneRNNConfig,
    CRNNConfig,
    InstanceNorm,
    ResNetRNN,
    SlidingWindowRNN,
    SlidingWindowRNNConfig,
    frame_edges,
)

BLANKS = (0, 10)
SIZES = ("height", "hidden", "layers")  # of a config, and at least 1


def narrow(config: CRNNConfig, **change) -> CRNNConfig:
    """The same geometry with few channels, so that a test is quick."""
    channels = tuple(range(3, 3 + len(config.channels)))
    return dataclasses.replace(config, channels=channels, hidden=5, **change)


CONFIGS = {
    "crnn": narrow(CRNNConfig()),
    # Leaky, as the article's: with so few channels all ReLUs of a layer may be off. What is left
    # is rounding noise, which each instance norm makes up to 1 / sqrt(eps) = 316 times larger.
    "crnn-instance": narrow(CRNNConfig(), norm="instance", negative_slope=0.2),
    "crnn-two-layers": narrow(CRNNConfig(), layers=2, negative_slope=0.2),
    "crnn-article": narrow(CRNNConfig.article()),
    "window": SlidingWindowRNNConfig(hidden=5),
    "window-1": SlidingWindowRNNConfig(window=1, stride=1, hidden=5, cell="lstm", layers=2),
    "window-one-way": SlidingWindowRNNConfig(window=10, stride=3, hidden=5, bidirectional=False),
    "window-lstm-one-way": SlidingWindowRNNConfig(
        window=7, stride=7, hidden=5, cell="lstm", bidirectional=False
    ),
    "window-gaps": SlidingWindowRNNConfig(window=2, stride=5, hidden=5),
}


def build(config, blank: int = 0, seed: int = 0) -> CRNN | SlidingWindowRNN:
    """A model in eval mode, its normalisation as if it had seen many lines."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CRNN if isinstance(config, CRNNConfig) else SlidingWindowRNN
        model = model(config, Alphabet(blank=blank)).eval()
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.3, 2)
                norm.bias.data.normal_()
        return model


@pytest.fixture(scope="module", params=CONFIGS)
def model(request):
    return build(CONFIGS[request.param])


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def alone(model, image: torch.Tensor, width: int) -> torch.Tensor:
    """Log-probabilities (T, C) of one line that is read by itself, without padding."""
    log_probs, frame_lengths = model(image[None, ..., :width])
    assert frame_lengths.tolist() == [log_probs.shape[1]]
    return log_probs[0]


# ---------------------------------------------------------------------------- sizes


def test_the_article_has_657739_parameters():
    model = CRNN(CRNNConfig.article())
    assert sum(p.numel() for p in model.parameters()) == 657_739
    log_probs, frame_lengths = model.eval()(noise(2, 1, 28, 140))
    # across: 140 -> 138 -> 136 -> 67 -> 65 -> 63 -> 31
    assert log_probs.shape == (2, 31, 11)
    assert frame_lengths.tolist() == [31, 31]


def test_the_default_has_a_frame_for_every_four_columns():
    model = CRNN()
    log_probs, frame_lengths = model.eval()(noise(2, 1, 32, 128), torch.tensor([128, 30]))
    assert log_probs.shape == (2, 32, 11)
    assert frame_lengths.tolist() == [32, 8]


def test_weights_that_ship_fit_into_two_megabytes():
    default, large = (
        sum(p.numel() for p in CRNN(config).parameters())
        for config in (CRNNConfig(), CRNNConfig.large())
    )
    assert 400_000 < default < large < 1_000_000  # two bytes each


def test_frame_lengths_are_those_of_the_output(model):
    widths = torch.arange(1, 301)
    expected = model.frame_lengths(widths)
    assert expected.shape == (300,) and expected.dtype == torch.int64
    assert bool((expected.diff() >= 0).all()) and expected.min() >= 1
    height = model.config.height
    with torch.inference_mode():
        for width, frames in zip(widths.tolist(), expected.tolist(), strict=True):
            features, frame_lengths = model.features(noise(1, 1, height, width))
            assert features.shape[1] == frames == int(frame_lengths)
        # and of narrower lines in a wide batch
        log_probs, frame_lengths = model(noise(300, 1, height, 300), widths)
    assert torch.equal(frame_lengths, expected)
    assert log_probs.shape == (300, expected[-1], 11)


def test_every_column_is_under_a_window():
    for window in (1, 2, 5, 8):
        for stride in range(1, window + 1):
            model = build(SlidingWindowRNNConfig(window=window, stride=stride, hidden=2))
            for width in range(1, 30):
                frames = int(model.frame_lengths(torch.tensor(width)))
                assert model.receptive_field(frames - 1)[1] >= width
                assert frames == 1 or model.receptive_field(frames - 2)[1] < width


def test_minimum_width_is_what_one_frame_needs():
    for config in (CRNNConfig(), CRNNConfig.article()):
        model = build(narrow(config))
        least = model.minimum_width
        assert int(model.frame_lengths(torch.tensor(least))) == 1
        sizes = [least - 1]
        for convolution in model.convolutions:
            kernel, stride, padding = (
                getattr(convolution, name)[1] for name in ("kernel_size", "stride", "padding")
            )
            sizes.append((sizes[-1] + 2 * padding - kernel) // stride + 1)
        assert min(sizes) < 1  # one column less is not enough
    assert build(CONFIGS["crnn"]).minimum_width == 1


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_configs_survive_json(config):
    again = type(config)(**json.loads(json.dumps(dataclasses.asdict(config))))
    assert again == config and hash(again) == hash(config)


@pytest.mark.parametrize("blank", (0, 3))
def test_the_alphabet_sets_the_classes(blank):
    for build_model in (CRNN, SlidingWindowRNN):
        model = build_model(alphabet=Alphabet("abc", blank=blank)).eval()
        assert model(noise(1, 1, 32, 40))[0].shape[2] == 4


# ---------------------------------------------------------------------------- the padding law


@torch.inference_mode()
def assert_each_reads_as_alone(model, images: torch.Tensor, widths: torch.Tensor) -> None:
    log_probs, frame_lengths = model(images, widths)
    for n, (width, frames) in enumerate(zip(widths, frame_lengths, strict=True)):
        expected = alone(model, images[n], width)
        torch.testing.assert_close(log_probs[n, :frames], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@given(
    widths=st.lists(st.integers(1, 70), min_size=1, max_size=5),
    padding=st.integers(0, 30),
    seed=st.integers(0, 1000),
)
@settings(max_examples=10, deadline=None)
def test_padding_never_changes_a_reading(config, blank, widths, padding, seed):
    """read(x) == read(pad(x)), whatever stands on the padding."""
    images = noise(len(widths), 1, config.height, max(widths) + padding, seed=seed)
    assert_each_reads_as_alone(build(config, blank), images, torch.tensor(widths))


@pytest.mark.parametrize("config", [CRNNConfig(), CRNNConfig.article()], ids=["crnn", "article"])
def test_padding_never_changes_a_reading_at_full_size(config):
    images, widths = noise(4, 1, config.height, 150), torch.tensor([150, 97, 40, 3])
    assert_each_reads_as_alone(build(config), images, widths)


@pytest.mark.parametrize("garbage", [0.0, 1.0, -50.0, 1e30, float("nan"), float("inf")])
def test_padding_may_hold_anything(model, garbage):
    images = noise(3, 1, model.config.height, 60)
    widths = torch.tensor([60, 41, 5])
    for n, width in enumerate(widths.tolist()):
        images[n, ..., width:] = garbage
    before = images.clone()
    assert_each_reads_as_alone(model, images, widths)
    torch.testing.assert_close(images, before, rtol=0, atol=0, equal_nan=True)


def test_no_gradient_flows_into_the_padding(model):
    images = noise(3, 1, model.config.height, 60).requires_grad_()
    widths = torch.tensor([60, 41, 5])
    log_probs, frame_lengths = model(images, widths)
    sum(log_probs[n, :t, 1].sum() for n, t in enumerate(frame_lengths)).backward()
    columns = images.grad.abs().amax((1, 2))  # (N, W)
    for n, width in enumerate(widths.tolist()):
        assert not columns[n, width:].any()
        assert columns[n, :width].any()


def test_instance_norm_keeps_the_law_while_training():
    model = build(narrow(CRNNConfig.article())).train()
    images = noise(2, 1, 28, 90)
    log_probs, frame_lengths = model(images, torch.tensor([90, 50]))
    expected = alone(model, images[1], 50)
    torch.testing.assert_close(log_probs[1, : frame_lengths[1]], expected, atol=1e-5, rtol=0)


def test_lines_do_not_know_each_other(model):
    """The order of a batch, its company and what was read before play no part."""
    images = noise(5, 1, model.config.height, 50)
    widths = torch.tensor([50, 20, 33, 8, 50])
    order = torch.tensor([3, 0, 4, 2, 1])
    with torch.inference_mode():
        first, frame_lengths = model(images, widths)
        again, _ = model(images, widths)
        shuffled, shuffled_lengths = model(images[order], widths[order])
        other, _ = model(torch.cat([images[:1], 1 - images[1:]]), widths)
    assert torch.equal(first, again)
    assert torch.equal(shuffled_lengths, frame_lengths[order])
    for place, n in enumerate(order.tolist()):
        frames = frame_lengths[n]
        torch.testing.assert_close(shuffled[place, :frames], first[n, :frames], atol=1e-5, rtol=0)
    torch.testing.assert_close(other[0], first[0], atol=1e-5, rtol=0)
    assert not torch.allclose(other[4], first[4], atol=1e-5)


def test_log_probs_are_normalised(model):
    with torch.inference_mode():
        log_probs, frame_lengths = model(
            noise(4, 1, model.config.height, 77), torch.tensor([77, 1, 30, 60])
        )
    assert log_probs.dtype == torch.float32
    assert frame_lengths.dtype == torch.int64
    sums = log_probs.logsumexp(-1)
    torch.testing.assert_close(sums, torch.zeros_like(sums), atol=1e-5, rtol=0)


def test_autocast_leaves_log_probs_in_single_precision(model):
    images = noise(2, 1, model.config.height, 50)
    widths = torch.tensor([50, 30])
    with torch.inference_mode():
        expected, _ = model(images, widths)
        with torch.autocast("cpu", torch.bfloat16):
            log_probs, _ = model(images, widths)
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs, expected, atol=0.1, rtol=0)


def test_lower_lines_are_centred():
    model = build(CONFIGS["crnn"])
    low = noise(2, 1, 21, 40)
    high = nn.functional.pad(low, (0, 0, 5, 6))  # 32 = 5 + 21 + 6
    with torch.inference_mode():
        assert torch.equal(model(low)[0], model(high)[0])


# ---------------------------------------------------------------------------- receptive fields


@pytest.mark.parametrize("geometry", [CRNNConfig(), CRNNConfig.article()], ids=["crnn", "article"])
def test_receptive_field_of_the_convolutions(geometry):
    """The columns with a gradient are those that receptive_field names.

    With batch normalisation: instance normalisation shows each frame the whole line's statistics.
    """
    model = build(narrow(geometry, norm="batch", negative_slope=0.3))
    assert_receptive_field(model, width=90)


@pytest.mark.parametrize("window, stride", [(8, 4), (1, 1), (10, 3), (2, 5)])
def test_receptive_field_of_a_window(window, stride):
    model = build(SlidingWindowRNNConfig(window=window, stride=stride, hidden=2))
    assert_receptive_field(model, width=40)


def assert_receptive_field(model, width: int) -> None:
    images = noise(1, 1, model.config.height, width).requires_grad_()
    features, _ = model.features(images)
    weights = noise(features.shape[2], seed=1)
    for frame in range(features.shape[1]):
        (gradient,) = torch.autograd.grad(features[0, frame] @ weights, images, retain_graph=True)
        columns = torch.nonzero(gradient.abs().amax((0, 1, 2)))[:, 0].tolist()
        start, end = model.receptive_field(frame)
        assert columns == list(range(max(start, 0), min(end, width)))


def test_a_two_way_network_shows_each_frame_the_whole_line():
    for config, sees_the_end in (("window", True), ("window-one-way", False)):
        model = build(CONFIGS[config])
        images = noise(1, 1, 32, 60).requires_grad_()
        model(images)[0][0, 0, 1].backward()
        assert bool(images.grad[..., -1].any()) == sees_the_end


# ---------------------------------------------------------------------------- instance norm


def test_instance_norm_is_torchs_where_nothing_is_padded():
    x = noise(3, 4, 5, 11) * 3 - 1
    expected = nn.InstanceNorm2d(4)(x)
    norm = InstanceNorm(4)
    torch.testing.assert_close(norm(x, torch.full((3,), 11)), expected)
    assert not list(norm.parameters())


def test_instance_norm_ignores_padding():
    x = noise(3, 4, 5, 11)
    widths = torch.tensor([11, 6, 1])
    normed = InstanceNorm(4)(x, widths)
    for n, width in enumerate(widths.tolist()):
        expected = nn.InstanceNorm2d(4)(x[n, None, ..., :width])[0]
        torch.testing.assert_close(normed[n, ..., :width], expected, atol=1e-5, rtol=1e-5)


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("build_model", [CRNN, SlidingWindowRNN])
@pytest.mark.parametrize(
    "images, widths, error, message",
    [
        (torch.zeros(1, 32, 50), None, ValueError, r"got \(1, 32, 50\).*image\[None\]"),
        (torch.zeros(2, 3, 32, 50), None, ValueError, r"\(N, 1, H, W\); got \(2, 3, 32, 50\)"),
        (torch.zeros(2, 1, 32, 50).byte(), None, ValueError, "got torch.uint8. Divide bytes"),
        (torch.zeros(2, 1, 33, 50), None, ValueError, "up to 32 pixels high; got 33"),
        (torch.zeros(2, 1, 32, 50).numpy(), None, TypeError, "got ndarray"),
        (torch.zeros(2, 1, 32, 50), torch.tensor([50]), ValueError, r"got \[50\] for 2 lines"),
        (torch.zeros(2, 1, 32, 50), torch.tensor([50, 0]), ValueError, r"from 1 to 50.*\[50, 0\]"),
        (torch.zeros(2, 1, 32, 50), torch.tensor([51, 5]), ValueError, r"from 1 to 50.*\[51, 5\]"),
        (torch.zeros(2, 1, 32, 50), torch.tensor([50.0, 5]), TypeError, "got torch.float32"),
        (torch.zeros(2, 1, 32, 50), [50, 5], TypeError, "got list"),
    ],
)
def test_bad_batches(build_model, images, widths, error, message):
    with pytest.raises(error, match=message):
        build_model()(images, widths)


@pytest.mark.parametrize(
    "config, change, message",
    [
        (CRNNConfig, {"norm": "layer"}, "'batch' or 'instance'; got 'layer'"),
        (CRNNConfig, {"hidden": 2.5}, "hidden of a CRNNConfig is like 96, .*; got 2.5"),
        (CRNNConfig, {"layers": True}, "layers of a CRNNConfig is like 1, .*; got True"),
        (CRNNConfig, {"dropout": math.nan}, "dropout of a CRNNConfig is like 0.1, .*; got nan"),
        (CRNNConfig, {"padding": 3}, "padding is 0 to 2 pixels; got 3"),
        (CRNNConfig, {"channels": (8, 8)}, "got 2 channels and 6 strides"),
        (CRNNConfig, {"channels": (), "strides": ()}, "got 0 channels and 0 strides"),
        (CRNNConfig, {"channels": (8,), "strides": ((2,),)}, "a pair, down and across; got ..2,"),
        *((CRNNConfig, {name: 0}, f"{name} is .* 1; got 0") for name in SIZES),
        *((SlidingWindowRNNConfig, {name: 0}, f"{name} is .* 1; got 0") for name in SIZES),
        (BackboneRNNConfig, {"hidden": 0}, "hidden is a whole number of at least 1; got 0"),
        (SlidingWindowRNNConfig, {"cell": "rnn"}, "'gru' or 'lstm'; got 'rnn'"),
        (SlidingWindowRNNConfig, {"window": 0}, "at least 1 pixel; got 0 and 4"),
        (SlidingWindowRNNConfig, {"stride": 0}, "at least 1 pixel; got 8 and 0"),
    ],
)
def test_bad_configs(config, change, message):
    with pytest.raises(ValueError, match=message):
        config(**change)


def test_a_line_too_low_for_its_convolutions():
    with pytest.raises(ValueError, match="Lines 4 pixels high are too low for 6 convolutions"):
        CRNN(dataclasses.replace(CRNNConfig.article(), height=4))


@pytest.mark.parametrize(
    "model", [CRNN(), CRNN(CRNNConfig.article()), SlidingWindowRNN()], ids=["crnn", "old", "window"]
)
def test_frames_stand_in_the_middle_of_what_they_see(model):
    edges = frame_edges(model, 5)
    assert len(edges) == 6 and (edges[1:] - edges[:-1]).tolist() == pytest.approx([4] * 5)
    for frame in range(5):
        start, end = model.receptive_field(frame)
        assert (edges[frame] + edges[frame + 1]) / 2 == pytest.approx((start + end) / 2)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (({"height": 32},), "config is a CRNNConfig; got dict"),
        ((SlidingWindowRNNConfig(),), "config is a CRNNConfig; got SlidingWindowRNNConfig"),
        (("0123",), "config is a CRNNConfig; got str. The alphabet comes second: alphabet="),
        ((Alphabet("0123"),), "got Alphabet. The alphabet comes second"),
        ((None, "0123"), "alphabet is an Alphabet, .*; got '0123'"),
    ],
)
def test_parts_of_a_network_are_named(arguments, message):
    with pytest.raises(TypeError, match=message):
        CRNN(*arguments)
    for other in (SlidingWindowRNN, BackboneRNN, ResNetRNN):
        with pytest.raises(TypeError, match="alphabet is an Alphabet"):
            other(None, "0123")
        with pytest.raises(
            TypeError, match=f"config is a {other.__name__}Config.*; got CRNNConfig"
        ):
            other(CRNNConfig())


def test_a_mask_is_no_width():
    """True was a width of one pixel."""
    with pytest.raises(TypeError, match="widths is a tensor of whole pixels, one per line; got "):
        SlidingWindowRNN()(torch.zeros(2, 1, 32, 20), torch.tensor([True, True]))


def test_lines_without_a_pixel_are_refused():
    """They had a frame, of nothing."""
    network = SlidingWindowRNN()
    for shape in ((1, 1, 32, 0), (2, 1, 0, 20)):
        with pytest.raises(ValueError, match="A line has a pixel at least; got "):
            network(torch.zeros(shape))
    assert network(torch.zeros(0, 1, 32, 0))[0].shape[0] == 0
    with pytest.raises(ValueError, match="widths holds one width per line"):
        network(torch.zeros(1, 1, 32, 20), torch.tensor(20))
