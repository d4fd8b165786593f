"""The one loop that reads, and networks that are wrapped."""

from __future__ import annotations

import itertools
from collections import defaultdict
from functools import partial

import pytest
import torch
import torch.distributed as dist
from test_models import CONFIGS, build, noise
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import collapse
from crnn_lib.decoders import best_path
from crnn_lib.evaluation import evaluate
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import (
    CRNN,
    MARKS,
    fold_marks,
    load_model,
    read_batches,
    save_model,
    unwrap_model,
    without_marks,
)
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


@pytest.mark.parametrize("within", [True, False])
def test_a_line_that_holds_nan_is_named(within):
    """Beyond a line's own width there may be anything."""
    images = noise(3, 1, 32, 90)
    images[1, 0, 7, 30 if within else 80] = torch.nan
    load = lambda numbers: (images[numbers], torch.full((len(numbers),), 60))  # noqa: E731
    read = read_batches(CRNN(), [[0, 2], [2, 1]], load, lambda scores, counts, **_: [*scores])
    assert [next(read)[0] for _ in range(2)] == [0, 2]
    if within:
        with pytest.raises(ValueError, match="makes NaN of line 1: its image holds NaN"):
            next(read)
    else:
        assert [number for number, *_ in read] == [2, 1]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_decoder_of_ones_own_gives_a_result_for_each_line(count):
    load = lambda numbers: (noise(2, 1, 32, 40), torch.tensor([40, 30]))  # noqa: E731
    read = read_batches(build(CONFIGS["crnn"]), [[0, 1]], load, lambda *_, **__: ["55207"] * count)
    with pytest.raises(ValueError, match=f"one result per line, 2; got {count}"):
        next(read)


# ---------------------------------------------------------------------------- marks


def probabilities_of_texts(log_probs, alphabet, dropped=""):
    """Every text of a small lattice with its probability, from the list of all alignments."""
    texts: dict[str, float] = defaultdict(float)
    for alignment in itertools.product(range(alphabet.num_classes), repeat=len(log_probs)):
        text = alphabet.decode(collapse(alignment, blank=alphabet.blank))
        chance = sum(float(row[c]) for row, c in zip(log_probs, alignment, strict=True))
        texts["".join(c for c in text if c not in dropped)] += torch.tensor(chance).exp().item()
    return dict(texts)


@pytest.mark.parametrize("blank", range(5))
@pytest.mark.parametrize("characters", ["12/-", "/1-2", "-/21"])
def test_folding_marks_adds_up_all_texts_that_differ_by_marks(characters, blank):
    alphabet = Alphabet(characters, blank)
    log_probs = noise(4, alphabet.num_classes).double().mul(9).log_softmax(-1)
    folded, digits = fold_marks(log_probs, alphabet)
    assert digits.characters == "".join(c for c in characters if c.isdigit())
    assert digits.symbols == tuple(
        s for i, s in enumerate(alphabet.symbols) if s not in "/-" or i == blank
    )
    expected = probabilities_of_texts(log_probs, alphabet, MARKS)
    assert probabilities_of_texts(folded, digits) == pytest.approx(expected)
    assert folded.exp().sum(-1).tolist() == pytest.approx([1] * 4)


def test_a_dash_between_equal_digits_keeps_them_apart():
    alphabet = Alphabet("1-")
    lattice = torch.full((3, 3), -1e4)
    lattice[[0, 1, 2], [1, 2, 1]] = 0.0  # 1, dash, 1
    folded, digits = fold_marks(lattice[None], alphabet)
    (hypothesis,) = best_path(folded, torch.tensor([3]), alphabet=digits)
    assert hypothesis.text == "11"


def test_what_has_no_marks_is_not_touched():
    log_probs = noise(2, 5, 11)
    assert fold_marks(log_probs, Alphabet()) == (log_probs, Alphabet())
    folded, alphabet = fold_marks(noise(5, 4), Alphabet(("th", "e", ".")), ".")
    assert alphabet == Alphabet(("th", "e")) and folded.shape == (5, 3)


def test_marks_that_cannot_happen_fold_to_the_blank_alone():
    log_probs = torch.tensor([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]).log()
    folded, _ = fold_marks(log_probs, Alphabet("1/"))
    assert torch.equal(folded, log_probs[:, :2])  # -inf where neither can happen, and no NaN


def test_a_lattice_of_other_classes_and_an_alphabet_of_marks_are_refused():
    with pytest.raises(ValueError, match=r"alphabet's 12 classes, .* got the shape \(5, 11\)"):
        fold_marks(noise(5, 11), Alphabet("0123456789/"))
    with pytest.raises(ValueError, match="'./' has marks only"):
        fold_marks(noise(5, 3), Alphabet("./"))


def test_marks_and_alphabets_are_named():
    lattice, alphabet = torch.zeros(3, 4).log_softmax(1), Alphabet("1/.")
    for marks in (None, [".", "/"], 5, {"/"}):
        for fold in (partial(fold_marks, lattice), without_marks):
            with pytest.raises(TypeError, match="marks is a str of characters, such as './'; got "):
                fold(alphabet, marks)
    for wrong in ("1/.", None):
        for fold in (lambda a: fold_marks(lattice, a), without_marks):
            with pytest.raises(TypeError, match="alphabet is an Alphabet"):
                fold(wrong)
    for wrong in (lattice.numpy(), lattice.long(), [[0.0]]):
        with pytest.raises(TypeError, match="log_probs is a tensor of floating-point numbers"):
            fold_marks(wrong, alphabet)
