"""The one loop that reads, and networks that are wrapped."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from test_models import CONFIGS, build, noise
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import best_path
from crnn_lib.evaluation import evaluate
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import CRNN, load_model, read_batches, save_model, unwrap_model
from crnn_lib.photos import Reader

WRAPPERS = {
    "DataParallel": nn.DataParallel,
    "DistributedDataParallel": DistributedDataParallel,
    "AveragedModel": AveragedModel,
    "torch.compile": torch.compile,
    "two of them": lambda model: nn.DataParallel(AveragedModel(model)),
}


@pytest.fixture(scope="module")
def process_group(tmp_path_factory):
    """One process that joins itself, as DistributedDataParallel wants."""
    store = dist.FileStore(str(tmp_path_factory.mktemp("store") / "file"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def lines():
    generator = torch.Generator().manual_seed(0)
    return compose_lines(load_glyphs("pen", "test", count=100), 9, LineStyle(), generator)


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_wrapped_network_reads_and_is_saved(wrap, process_group, lines, tmp_path):
    model = load_model("crnn-digits")
    wrapped = wrap(model)
    bare = unwrap_model(wrapped)
    assert type(bare) is CRNN and bare.alphabet == model.alphabet
    assert evaluate(wrapped, lines) == evaluate(model, lines)
    paper = 1 - lines.select([0]).images[0]
    assert Reader(wrapped).read(paper).text == Reader(model).read(paper).text
    path = save_model(wrapped, tmp_path / "wrapped.safetensors", provenance={})
    again = load_model(path).state_dict()
    assert all(torch.equal(again[name], value) for name, value in model.state_dict().items())


def test_what_is_not_wrapped_stays():
    model = build(CONFIGS["crnn"])
    assert unwrap_model(model) is model


@pytest.mark.parametrize("blank", [0, 10])
def test_each_line_is_read_once_on_its_own_frames(blank):
    model = build(CONFIGS["crnn"], blank)
    images, widths = noise(6, 1, 32, 60), torch.tensor([60, 12, 33, 47, 5, 60])
    read = read_batches(
        model, [[4, 1], [5], [2, 0, 3]], lambda n: (images[n], widths[n]), best_path
    )
    read = list(read)
    assert [number for number, _, _ in read] == [4, 1, 5, 2, 0, 3]
    for number, hypothesis, log_probs in read:
        expected, frames = model(images[number, None, ..., : widths[number]])
        torch.testing.assert_close(log_probs, expected[0], atol=1e-5, rtol=0)
        (alone,) = best_path(expected, frames, alphabet=Alphabet(blank=blank))
        assert hypothesis.label == alone.label


def test_each_module_is_left_as_it_was():
    """Also between two batches, and after an error: frozen norms stay frozen, the rest learns."""
    model = build(CONFIGS["crnn"]).train()
    model.norms[0].eval()
    modes = [module.training for module in model.modules()]
    assert any(modes) and not all(modes)

    def decoder(log_probs, frame_lengths, *, alphabet):
        assert not any(module.training for module in model.modules())
        if len(log_probs) > 1:
            raise RuntimeError("two lines")
        return ["read"]

    images = noise(3, 1, 32, 40)
    load = lambda numbers: (images[numbers], torch.full((len(numbers),), 40))  # noqa: E731
    read = read_batches(model, [[0], [1, 2]], load, decoder)
    assert next(read)[1] == "read"
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(RuntimeError, match="two lines"):
        next(read)
    assert [module.training for module in model.modules()] == modes
