"""The detector of writing: any size of page, both polarities, and a file of its own."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from crnn_lib.models import (
    CRNN,
    MAPS,
    Detector,
    DetectorConfig,
    describe_checkpoint,
    load_detector,
    load_model,
    normalised,
    save_model,
    shipped_models,
)

SMALL = DetectorConfig(channels=(4, 6, 8, 8, 8), deep=8, fine=6)


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return Detector(SMALL).eval()


def pages(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_network_is_small():
    assert sum(parameter.numel() for parameter in Detector().parameters()) <= 300_000


def test_layers_that_are_added_begin_as_layers_that_find_nothing():
    grown = Detector(SMALL).eval()
    page = pages(1, 1, 64, 96)
    with torch.no_grad():
        before = grown(page)
        for name, parameter in grown.named_parameters():
            if name.startswith("more_") and "conv" in name:
                parameter.fill_(7.0)  # whatever they hold, it does not count yet
        assert torch.equal(grown(page), before)
        grown.more_marked.norm.weight.fill_(1.0)
        assert not torch.equal(grown(page), before)


@pytest.mark.parametrize("size", [(32, 32), (33, 70), (1, 1), (100, 9), (128, 260)])
def test_maps_are_a_quarter_of_any_size(small, size):
    with torch.no_grad():
        maps = small(pages(2, 1, *size))
    assert maps.shape == (2, len(MAPS), -(-size[0] // 4), -(-size[1] // 4))
    assert maps.isfinite().all()


def test_a_page_of_one_tone_gives_finite_maps(small):
    for tone in (0.0, 0.5, 1.0):
        with torch.no_grad():
            assert small(torch.full((1, 1, 64, 64), tone)).isfinite().all()


def test_pages_of_a_batch_do_not_see_each_other(small):
    batch = pages(3, 1, 64, 96)
    with torch.no_grad():
        alone = torch.cat([small(page[None]) for page in batch])
        assert torch.allclose(small(batch), alone, atol=1e-4)


def test_a_darker_and_paler_photo_is_the_same_to_it():
    page = pages(1, 1, 64, 64)
    one, other = normalised(page), normalised(0.3 + 0.5 * page)
    whole = (one - other).abs()
    assert whole.max() < 0.6 and whole.mean() < 0.1


def test_a_shadow_is_gone_from_the_local_view():
    """Ruled paper under light that falls to a fifth: the paper is as light everywhere."""
    page = torch.ones(1, 1, 128, 1024)
    page[..., ::8] = 0.6
    shaded = page * torch.linspace(1.0, 0.2, 1024)
    whole, local = normalised(shaded)[0]
    tones = [view[40:80].mean(0) for view in (whole, local)]
    spreads = []
    for tone in tones:
        rules, paper = tone[40:-40:8], tone[44:-36:8]
        spreads.append(float(paper.std() / (paper - rules).mean()))
    assert 5 * spreads[1] < spreads[0]


def test_what_is_no_grey_page_is_refused(small):
    for shape in ((1, 3, 64, 64), (64, 64), (1, 64, 64)):
        with pytest.raises(ValueError, match=r"\(N, 1, H, W\); got the shape"):
            small(torch.zeros(shape))


# --- Its file ---------------------------------------------------------------------------------


def test_what_was_saved_is_loaded(small, tmp_path):
    path = save_model(small, tmp_path / "d.safetensors", provenance={"command": "none"})
    again = load_detector(path)
    page = pages(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.allclose(again(page), small(page), atol=1e-4)  # of another memory format
    assert again.config == SMALL and again.provenance["command"] == "none" and not again.training
    assert describe_checkpoint(path)["architecture"] == "Detector"


def test_half_precision_halves_the_file(small, tmp_path):
    whole = save_model(small, tmp_path / "a.safetensors", provenance={})
    half = save_model(small, tmp_path / "b.safetensors", provenance={}, dtype=torch.float16)
    assert half.stat().st_size < 0.7 * whole.stat().st_size
    page = pages(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.allclose(load_detector(half)(page), small(page), atol=0.05)


def test_readers_and_detectors_are_not_taken_for_each_other(small, tmp_path):
    detector = save_model(small, tmp_path / "d.safetensors", provenance={})
    reader = save_model(CRNN(), tmp_path / "r.safetensors", provenance={})
    for name in (detector, "page-detector"):
        call = (
            rf"load_detector\({re.escape(repr(str(name)))}\) loads it, for Reader\(..., detector="
        )
        with pytest.raises(ValueError, match=call) as caught:
            load_model(name)
        assert all(model in str(caught.value) for model in shipped_models())
    for name in (reader, "crnn-digits"):
        given = re.escape(repr(str(name)))
        call = rf"load_model\({given}\) loads it, and Reader.pretrained\({given}\) reads"
        with pytest.raises(ValueError, match=call):
            load_detector(name)


@pytest.mark.parametrize("wrong", [None, 3, CRNN()])
def test_what_is_loaded_has_a_name_or_a_file(wrong):
    for load in (load_model, load_detector, describe_checkpoint):
        with pytest.raises(TypeError, match="by its name or from a .safetensors file; got"):
            load(wrong)


def test_a_damaged_file_is_refused(small, tmp_path):
    path = save_model(small, tmp_path / "d.safetensors", provenance={})
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        load_detector(path)


def test_no_detector_is_among_the_networks_that_read():
    for name in shipped_models():
        assert "Detector" != describe_checkpoint(name)["architecture"]


@pytest.mark.parametrize(
    "change",
    [
        {"channels": "abcde"}, {"channels": 5}, {"channels": None}, {"channels": (2.5,) * 5},
        {"channels": (True,) * 5}, {"channels": (4, 4, 4, 4, 0)}, {"channels": (8, 8)},
        {"deep": 2.5}, {"deep": "a"}, {"deep": 0}, {"fine": None}, {"fine": True},
    ],
)  # fmt: skip
def test_a_shape_is_of_whole_numbers(change):
    with pytest.raises(ValueError, match="five numbers of channels, and all are at least 1; got "):
        DetectorConfig(**change)
    assert DetectorConfig(channels=[4] * 5).channels == (4,) * 5


def test_a_detector_takes_a_config_and_floats():
    for config in ("page-detector", (16, 32, 48, 64, 72), 0):
        with pytest.raises(TypeError, match="config is a DetectorConfig; got "):
            Detector(config)
    detector = Detector(DetectorConfig((4,) * 5, 4, 4))
    for images in (np.zeros((1, 1, 64, 64), np.float32), torch.zeros(1, 1, 64, 64).byte(), None):
        with pytest.raises(TypeError, match="a tensor of floats in \\[0, 1\\]; got "):
            detector(images)
    with pytest.raises(ValueError, match="grey pages"):
        detector(torch.zeros(1, 1, 0, 64))
