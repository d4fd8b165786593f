from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pickle
import tracemalloc
import zipfile

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save as save_tensors

from crnn_lib.alphabet import Alphabet
from crnn_lib.models import (
    CRNN,
    CRNNConfig,
    SlidingWindowRNN,
    SlidingWindowRNNConfig,
    atomic_write,
    checkpoints,
    describe_checkpoint,
    load_model,
    save_model,
    shipped_models,
    widen_crnn,
)
from crnn_lib.models.checkpoints import MAX_HEADER_BYTES

PROVENANCE = {"data": "mnist", "command": "train --steps 100", "exact_match": 0.5, "date": "2026"}
DESCENDING = Alphabet("9876543210", blank=10)
SMALL = CRNNConfig(channels=(4, 6), strides=((2, 2), (2, 1)), hidden=5, dropout=0.0)


def small_model(config=SMALL, alphabet=None, seed=0):
    """A model whose every tensor, running statistics too, is unlike a fresh one's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CRNN(config, alphabet)
        model.train()(torch.rand(4, 1, config.height, 40))
    return model.eval()


def images(height=32):
    return torch.rand(3, 1, height, 60, generator=torch.Generator().manual_seed(1))


MODELS = {
    "crnn": small_model,
    "crnn, blank last": lambda: small_model(alphabet=Alphabet(blank=10)),
    "crnn, other characters": lambda: small_model(alphabet=Alphabet("aé語", blank=1)),
    "crnn, long characters": lambda: small_model(alphabet=Alphabet(("th", "நி", "e"), blank=2)),
    "article": lambda: CRNN(dataclasses.replace(CRNNConfig.article(), hidden=8)).eval(),
    "sliding window": lambda: SlidingWindowRNN(SlidingWindowRNNConfig(hidden=7)).eval(),
    "sliding window, lstm": lambda: SlidingWindowRNN(
        SlidingWindowRNNConfig(hidden=7, cell="lstm", bidirectional=False, layers=2)
    ).eval(),
}


@pytest.fixture
def saved(tmp_path):
    return save_model(small_model(), tmp_path / "small.safetensors", provenance=PROVENANCE)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A checkpoint that tests only read; its bytes; a path for changed copies."""
    folder = tmp_path_factory.mktemp("kept")
    path = save_model(small_model(), folder / "kept.safetensors", provenance=PROVENANCE)
    return path.read_bytes(), folder / "changed.safetensors"


def parts(content: bytes) -> tuple[dict, bytes]:
    start = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:start]), content[start:]


def joined(header: dict, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def forged(content: bytes, change) -> bytes:
    """The checkpoint after ``change(header, metadata)``, with a checksum that fits again."""
    header, data = parts(content)
    metadata = header["__metadata__"]
    change(header, metadata)
    if "sha256" in metadata:
        del metadata["sha256"]
        text = json.dumps(header, sort_keys=True).encode()
        metadata["sha256"] = hashlib.sha256(text + b"\0" + data).hexdigest()
    return joined(header, data)


# --- There and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_reads_exactly_as_the_saved_one(name, tmp_path):
    model = MODELS[name]()
    path = save_model(model, tmp_path / "model.safetensors", provenance=PROVENANCE)
    loaded = load_model(path)
    assert type(loaded) is type(model)
    assert (loaded.config, loaded.alphabet) == (model.config, model.alphabet)
    assert hash(loaded.config) == hash(model.config)
    assert not loaded.training
    widths = torch.tensor([60, 31, 47])
    x = images(model.config.height)
    with torch.no_grad():
        for ours, theirs in zip(loaded(x, widths), model(x, widths), strict=True):
            assert torch.equal(ours, theirs)
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key


def test_half_precision_halves_the_file_and_keeps_the_reading(tmp_path):
    model = small_model(dataclasses.replace(SMALL, hidden=64))
    full = save_model(model, tmp_path / "full.safetensors", provenance={})
    half = save_model(model, tmp_path / "half.safetensors", provenance={}, dtype=torch.float16)
    assert half.stat().st_size < 0.55 * full.stat().st_size
    loaded = load_model(half)
    for key, value in loaded.state_dict().items():
        assert value.dtype == model.state_dict()[key].dtype, key
        torch.testing.assert_close(value, model.state_dict()[key], rtol=1e-3, atol=1e-6)
    with torch.no_grad():
        difference = (loaded(images())[0] - model(images())[0]).abs().max()
    assert 0 < difference < 0.01
    again = save_model(loaded, tmp_path / "again.safetensors", provenance={}, dtype=torch.float16)
    assert again.read_bytes() == half.read_bytes()


def test_saving_changes_nothing_in_the_model(tmp_path):
    model = small_model().train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    save_model(model, tmp_path / "m.safetensors", provenance=PROVENANCE, dtype=torch.float16)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_the_same_model_gives_the_same_bytes(tmp_path):
    one, two = (
        save_model(small_model(), tmp_path / f"{n}.safetensors", provenance=PROVENANCE)
        for n in (1, 2)
    )
    assert one.read_bytes() == two.read_bytes()


def test_loading_leaves_the_global_random_numbers_alone(saved):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    load_model(saved)
    assert torch.equal(torch.rand(3), expected)


def test_a_loaded_model_can_be_trained_on(saved):
    model = load_model(saved).train()
    model(images())[0].sum().backward()
    assert all(p.grad is not None and p.is_leaf for p in model.parameters())


def test_provenance_comes_back_with_the_versions(saved):
    provenance = load_model(saved).provenance
    assert PROVENANCE.items() <= provenance.items()
    assert provenance["versions"]["torch"] == str(torch.__version__)
    assert provenance["versions"].keys() == {"crnn_lib", "torch"}


def test_saving_a_loaded_model_again_keeps_its_first_versions(saved, tmp_path):
    model = load_model(saved)
    story = {**model.provenance, "versions": {"torch": "of long ago"}}
    path = save_model(model, tmp_path / "again.safetensors", provenance=story)
    assert load_model(path).provenance == story


def test_describe_tells_the_story_without_the_weights(saved):
    model = small_model()
    story = describe_checkpoint(saved)
    assert story["architecture"] == "CRNN"
    assert story["config"] == json.loads(json.dumps(dataclasses.asdict(SMALL)))
    assert story["alphabet"] == {"characters": "0123456789", "blank": 0}
    assert PROVENANCE.items() <= story["provenance"].items()
    assert story["numbers"] == sum(value.numel() for value in model.state_dict().values())
    shapes = {key: entry["shape"] for key, entry in story["tensors"].items()}
    assert shapes == {key: tuple(value.shape) for key, value in model.state_dict().items()}


def test_other_readers_of_safetensors_can_open_a_checkpoint(saved):
    safetensors = pytest.importorskip("safetensors")
    with safetensors.safe_open(saved, "pt") as file:
        assert file.metadata()["architecture"] == "CRNN"
        assert file.get_tensor("classify.weight").dtype == torch.float32
    header_bytes = int.from_bytes(saved.read_bytes()[:8], "little")
    assert header_bytes % 8 == 0  # the tensors are aligned


# --- Another alphabet -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "old, new, kept, fresh",
    [
        (Alphabet(), Alphabet("9876543210", blank=10), "9876543210", ""),
        (Alphabet(blank=10), Alphabet("a7b-", blank=2), "7", "ab-"),
        (Alphabet("-é7", blank=1), Alphabet("7-"), "7-", ""),
        (Alphabet(("th", "e")), Alphabet("et", blank=2), "e", "t"),
        (Alphabet("e"), Alphabet(("th", "e"), blank=1), ["e"], ["th"]),
    ],
)
def test_another_alphabet_keeps_the_rows_of_shared_characters(old, new, kept, fresh, tmp_path):
    model = small_model(alphabet=old)
    path = save_model(model, tmp_path / "old.safetensors", provenance=PROVENANCE)
    changed = load_model(path, alphabet=new)
    assert changed.alphabet == new and not changed.training
    for name, weights in changed.state_dict().items():
        if not name.startswith("classify."):
            assert torch.equal(weights, model.state_dict()[name]), name
    for name in ("weight", "bias"):
        before, after = getattr(model.classify, name), getattr(changed.classify, name)
        assert torch.equal(after[new.blank], before[old.blank])
        for character in kept:
            assert torch.equal(after[new.encode(character)[0]], before[old.encode(character)[0]])
    story = changed.provenance
    change = story.pop("read_out")
    assert (change["kept"], change["fresh"], change["seed"]) == (kept, fresh, 0)
    assert change["from"] == dataclasses.asdict(old)
    assert change["sha256"] == describe_checkpoint(path)["sha256"]
    assert story == load_model(path).provenance  # and all that it told before
    again = save_model(changed, tmp_path / "new.safetensors", provenance=changed.provenance)
    assert load_model(again)(images())[0].shape[2] == new.num_classes


def test_new_rows_are_drawn_by_their_seed_and_are_as_large_as_the_others():
    many = Alphabet("".join(map(chr, range(0x100, 0x300))) + "0123456789")
    before = torch.random.get_rng_state()
    models = [load_model("crnn-digits", alphabet=many, seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), before)
    first, same, other = (model.classify.weight.detach() for model in models)
    assert torch.equal(first, same) and not torch.equal(first[1], other[1])
    assert torch.equal(first[513:], other[513:])  # the digits are no matter of chance
    fresh, kept = first[1:513], first[513:]
    assert float(fresh.std() / kept.std()) == pytest.approx(1, abs=0.02)
    assert float(fresh.mean() - kept.mean()) == pytest.approx(0, abs=0.02 * float(kept.std()))


def test_the_same_alphabet_changes_nothing(saved):
    model = load_model(saved, alphabet=Alphabet())
    assert "read_out" not in model.provenance
    assert torch.equal(model.classify.weight, load_model(saved).classify.weight)


def test_digits_that_stand_elsewhere_are_read_as_before():
    plain, moved = load_model("crnn-digits"), load_model("crnn-digits", alphabet=DESCENDING)
    lines = torch.rand(2, 1, 32, 90, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = plain(lines)[0], moved(lines)[0]
    order = [10, *range(9, -1, -1)]  # the blank, then 0 to 9
    assert torch.allclose(a, b[..., order], atol=1e-5)


# --- Names ----------------------------------------------------------------------------------------


@pytest.fixture
def a_shipped_model(tmp_path, monkeypatch):
    """A library whose weights folder holds one model."""
    (tmp_path / "weights").mkdir()
    save_model(small_model(), tmp_path / "weights" / "tiny.safetensors", provenance=PROVENANCE)
    (tmp_path / "weights" / "README.md").write_text("not a model")
    monkeypatch.setattr(checkpoints.resources, "files", lambda package: tmp_path)
    monkeypatch.chdir(tmp_path)


def test_a_shipped_model_loads_by_its_name(a_shipped_model):
    assert shipped_models() == ("tiny",)
    assert load_model("tiny").config == SMALL
    assert describe_checkpoint("tiny")["architecture"] == "CRNN"


def test_a_shipped_name_wins_over_a_file_beside_it(a_shipped_model, tmp_path):
    (tmp_path / "tiny").write_text("something else")
    assert load_model("tiny").config == SMALL


@pytest.mark.parametrize("name", ["crnn-letters", "missing.safetensors"])
def test_an_unknown_name_lists_what_ships(a_shipped_model, name):
    with pytest.raises(FileNotFoundError, match=rf"'{name}'.*These ship: tiny\."):
        load_model(name)


def test_a_name_cannot_leave_the_weights_folder(a_shipped_model):
    with pytest.raises(FileNotFoundError):
        load_model("../weights/tiny")


def test_every_shipped_model_loads_and_is_small():
    for name in shipped_models():
        model = load_model(name)
        assert model.provenance.keys() - {"versions"}
        with torch.no_grad():
            log_probs, _ = model(images(model.config.height))
        assert torch.isfinite(log_probs).all()


def test_a_folder_is_not_a_checkpoint(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        load_model(tmp_path)


# --- What cannot be saved -------------------------------------------------------------------------


def test_only_the_librarys_models_are_saved(tmp_path):
    class Other(CRNN):
        pass

    for model in (torch.nn.Linear(2, 2), Other(SMALL), None):
        with pytest.raises(TypeError, match="save_model saves a CRNN or a SlidingWindowRNN"):
            save_model(model, tmp_path / "m.safetensors", provenance={})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"path": "m.pt"}, ValueError, r"ends in \.safetensors"),
        ({"path": "no/m.safetensors"}, FileNotFoundError, "folder does not exist"),
        ({"provenance": "mnist"}, TypeError, "provenance is a dict"),
        ({"provenance": {"data": object()}}, ValueError, "plain JSON.*object"),
        ({"provenance": {"loss": float("nan")}}, ValueError, "plain JSON"),
        ({"provenance": {"log": "x" * MAX_HEADER_BYTES}}, ValueError, "the provenance: shorten"),
        ({"dtype": torch.int8}, ValueError, "float32 or torch.float16; got torch.int8"),
    ],
)
def test_bad_arguments_are_refused_before_a_file_appears(tmp_path, arguments, error, message):
    arguments = {"path": "m.safetensors", "provenance": {}, **arguments}
    path = tmp_path / arguments.pop("path")
    with pytest.raises(error, match=message):
        save_model(small_model(), path, **arguments)
    assert not list(tmp_path.iterdir())


def test_a_large_alphabet_is_stored(tmp_path):
    characters = "".join(map(chr, range(0x20000, 0x20000 + 60_000)))  # each beyond U+FFFF
    config = dataclasses.replace(SMALL, hidden=1)
    model = CRNN(config, Alphabet(characters)).eval()
    path = save_model(model, tmp_path / "m.safetensors", provenance={})
    assert load_model(path).alphabet == model.alphabet


def test_an_alphabet_too_large_is_named(tmp_path):
    model = CRNN(SMALL, Alphabet(tuple(f"{n:09}" for n in range(80_000))))
    with pytest.raises(ValueError, match="allowed. Most of it is the alphabet: shorten that"):
        save_model(model, tmp_path / "m.safetensors", provenance={})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverged_model_is_not_saved(tmp_path, value):
    model = small_model()
    with torch.no_grad():
        model.classify.bias[3] = value
    with pytest.raises(ValueError, match=r"classify\.bias holds NaN or infinity"):
        save_model(model, tmp_path / "m.safetensors", provenance={})


def test_weights_too_large_for_half_precision_are_not_turned_into_infinity(tmp_path):
    model = small_model()
    with torch.no_grad():
        model.classify.bias[3] = 1e5
    with pytest.raises(ValueError, match=r"classify\.bias holds 1e\+05, too large"):
        save_model(model, tmp_path / "m.safetensors", provenance={}, dtype=torch.float16)
    save_model(model, tmp_path / "m.safetensors", provenance={})


# --- Writing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(saved, monkeypatch, broken):
    before = saved.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(small_model(seed=1), saved, provenance={})
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_saving_replaces_an_older_checkpoint(saved):
    save_model(small_model(seed=1), saved, provenance={"data": "pen"})
    assert load_model(saved).provenance["data"] == "pen"
    assert list(saved.parent.iterdir()) == [saved]


def test_atomic_write_takes_text_paths_and_empty_content(tmp_path):
    atomic_write(str(tmp_path / "empty"), b"")
    assert (tmp_path / "empty").read_bytes() == b""


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_checkpoint_has_the_permissions_of_any_new_file(saved, tmp_path):
    (tmp_path / "other").write_bytes(b"")
    assert saved.stat().st_mode == (tmp_path / "other").stat().st_mode


# --- What is refused ------------------------------------------------------------------------------


def assert_refused(path, content: bytes, message: str, *, by_describe=True):
    path.write_bytes(content)
    for read in (load_model, describe_checkpoint) if by_describe else (load_model,):
        with pytest.raises(ValueError, match=message) as caught:
            read(path)
        text = str(caught.value)
        assert text.startswith(f"{str(path)!r} is not a checkpoint that crnn_lib can load: ")
        assert text.endswith(".") and "\n" not in text.strip()


class Bomb:
    def __reduce__(self):
        return (os.abort, ())


def foreign_files(tmp_path) -> dict[str, tuple[bytes, str]]:
    torch.save(small_model().state_dict(), tmp_path / "zip.pt")
    torch.save(
        small_model().state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False
    )
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "55207")
    other = save_tensors({"weight": torch.zeros(2)}, metadata={"format": "pt"})
    plain = save_tensors({"weight": torch.zeros(2)})
    return {
        "empty": (b"", "it is empty"),
        "one byte": (b"7", "safetensors header"),
        "random": (torch.randint(0, 256, (4096,)).to(torch.uint8).numpy().tobytes(), "safetensors"),
        "zeros": (bytes(4096), "safetensors header"),
        "torch.save": ((tmp_path / "zip.pt").read_bytes(), "looks like a pickle.*run code"),
        "torch.save, old": ((tmp_path / "old.pt").read_bytes(), "looks like a pickle"),
        "pickle": (pickle.dumps(Bomb()), "looks like a pickle"),
        "zip": ((tmp_path / "a.zip").read_bytes(), "looks like a pickle"),
        "web page": (b"\n<!DOCTYPE html><html>404</html>", "looks like a web page"),
        "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        "other project": (other, "another project"),
        "no metadata": (plain, "another project"),
        "JSON, no object": (joined([], b""), "safetensors header"),
        "JSON, too deep": ((9000).to_bytes(8, "little") + b"[" * 9000, "safetensors header"),
        "not JSON": ((8).to_bytes(8, "little") + b"{'a': 1}", "safetensors header"),
        "not UTF-8": ((8).to_bytes(8, "little") + b'{"\xff\xff": 1', "safetensors header"),
    }


FOREIGN = [
    *("empty", "one byte", "random", "zeros", "torch.save", "torch.save, old", "pickle", "zip"),
    *("web page", "git lfs", "other project", "no metadata", "JSON, no object"),
    *("JSON, too deep", "not JSON", "not UTF-8"),
]


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_refused(kind, tmp_path):
    files = foreign_files(tmp_path)
    assert files.keys() == set(FOREIGN)
    assert_refused(tmp_path / "model.safetensors", *files[kind])


def test_every_truncation_is_refused(kept):
    content, path = kept
    header = 8 + int.from_bytes(content[:8], "little")
    for length in (0, 1, 7, 8, 9, header - 1, header, header + 1, len(content) - 1):
        assert_refused(path, content[:length], "truncated|empty|does not begin")
    assert_refused(path, content + b"\0", "too long")


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(position=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), tensors=st.booleans())
@example(position=0.0, flip=8, tensors=False)
def test_a_changed_byte_is_never_silently_wrong(kept, position, flip, tensors):
    content, path = kept
    start = 8 + int.from_bytes(content[:8], "little")
    low, high = (start, len(content)) if tensors else (0, start)
    index = low + int(position * (high - low))
    changed = bytearray(content)
    changed[index] ^= flip
    path.write_bytes(changed)
    try:
        model = load_model(path)
    except ValueError as error:
        assert str(path) in str(error)
        return
    # Only the white space that fills the header up can change without harm.
    assert not content[index : index + 1].strip() and not changed[index : index + 1].strip()
    expected = small_model()
    assert (model.config, model.alphabet) == (expected.config, expected.alphabet)
    assert PROVENANCE.items() <= model.provenance.items()
    for key, value in expected.state_dict().items():
        assert torch.equal(model.state_dict()[key], value)


def test_every_byte_of_the_header_is_protected(kept):
    content, path = kept
    start = 8 + int.from_bytes(content[:8], "little")
    end = len(content[:start].rstrip(b" "))
    for index in range(0, end, 7):
        changed = bytearray(content)
        changed[index] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="is not a checkpoint"):
            load_model(path)


def set_metadata(**entries):
    return lambda header, metadata: metadata.update(
        {k: v if isinstance(v, str) else json.dumps(v) for k, v in entries.items()}
    )


def changed_config(**fields):
    return lambda header, metadata: metadata.update(
        config=json.dumps({**json.loads(metadata["config"]), **fields})
    )


def rename(old, new):
    return lambda header, metadata: header.update({new: header.pop(old)})


# Files that a newer library, another model or a joker might write, each with a checksum that fits.
FORGERIES = {
    "newer format": (set_metadata(format_version="2"), "format version 2.*upgrade crnn_lib"),
    "odd format": (set_metadata(format_version="one"), "format version is 'one'"),
    "endless format": (set_metadata(format_version="9" * 9000), "format version is '999"),
    "other architecture": (set_metadata(architecture="ResNet"), "'ResNet'.*knows CRNN and"),
    "architecture without end": (set_metadata(architecture="[" * 50_000), r"'\[{500,600} \.\.\."),
    "config of another": (set_metadata(architecture="SlidingWindowRNN"), "has no field"),
    "config no JSON": (set_metadata(config="{"), "config in its header is not a JSON object"),
    "config a list": (set_metadata(config=[1]), "config in its header is not a JSON object"),
    "config unknown field": (changed_config(heads=4), "CRNNConfig has no field 'heads'"),
    "config wider": (changed_config(hidden=6), "'rnn.weight_ih_l0'.*config asks for F32 or F16"),
    "config deeper": (changed_config(layers=2), "lacks the tensor 'rnn.bias_hh_l1'"),
    "config other norm": (changed_config(norm="instance"), "also has the tensor 'norms"),
    "config unknown norm": (changed_config(norm="group"), "its config is no CRNNConfig"),
    "config too shallow": (changed_config(channels=[4]), "its config is no CRNNConfig"),
    "config text": (changed_config(hidden="5"), "hidden of a CRNNConfig is like .* got '5'"),
    "config list": (changed_config(negative_slope=[0.1]), "negative_slope of a CRNNConfig"),
    "config no stride": (changed_config(strides=[[2, 0], [2, 1]]), "strides of a CRNNConfig"),
    "config endless stride": (changed_config(strides=[[2, 2**62], [2, 1]]), "strides of a CRNN"),
    "config wide padding": (changed_config(padding=4000), "padding is 0 to 2 pixels; got 4000"),
    "config null": (changed_config(channels=None), "its config is no CRNNConfig"),
    "config huge": (changed_config(hidden=4000), "config asks for"),
    "config vast": (changed_config(hidden=10**7), "hidden of a CRNNConfig .* got 10000000"),
    "config endless": (changed_config(layers=4000), "4000 layers, but"),
    "alphabet longer": (
        set_metadata(alphabet={"characters": "0123456789a", "blank": 0}),
        "'classify.weight'",
    ),
    "alphabet repeats": (set_metadata(alphabet={"characters": "00", "blank": 0}), "alphabet is"),
    "alphabet of numbers": (set_metadata(alphabet={"characters": [0, 1], "blank": 0}), "are texts"),
    "alphabet of lists": (set_metadata(alphabet={"characters": [["0"]], "blank": 0}), "are texts"),
    "alphabet with nothing": (
        set_metadata(alphabet={"characters": ["0", ""], "blank": 0}),
        "empty",
    ),
    "alphabet repeats tokens": (
        set_metadata(alphabet={"characters": ["th", "th"], "blank": 0}),
        "alphabet is none .*once",
    ),
    "alphabet of tokens, shorter": (
        set_metadata(alphabet={"characters": ["th", "e"], "blank": 0}),
        "'classify.weight'",
    ),
    "alphabet an object": (set_metadata(alphabet={"characters": {}, "blank": 0}), "characters and"),
    "alphabet no blank": (set_metadata(alphabet={"characters": "01"}), "characters and a blank"),
    "provenance a text": (set_metadata(provenance='"x"'), "provenance in its header"),
    "tensor missing": (rename("classify.bias", "bias"), "lacks the tensor 'classify.bias'"),
    "tensor of another kind": (
        lambda header, _: header["classify.bias"].update(dtype="I32"),
        "'classify.bias' is I32",
    ),
    "tensor overlaps": (
        lambda header, _: header["norms.0.bias"].update(
            data_offsets=header["norms.0.weight"]["data_offsets"]
        ),
        "safetensors cannot read it",
    ),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_forgeries_with_a_fitting_checksum_are_refused(kind, kept):
    content, path = kept
    change, message = FORGERIES[kind]
    assert_refused(path, forged(content, change), message, by_describe=False)


@pytest.mark.parametrize("key", ["architecture", "config", "alphabet", "provenance", "sha256"])
def test_missing_metadata_is_refused(kept, key):
    content, path = kept
    content = forged(content, lambda header, metadata: metadata.pop(key))
    assert_refused(path, content, f"its header has no {key}")


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {"dtype": "F32", "shape": [2]},
        {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 8]},
        {"dtype": 32, "shape": [2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [10**30], "data_offsets": [0, 8]},
    ],
)
def test_a_tensor_that_is_none_is_refused(kept, entry):
    content, path = kept
    content = forged(content, lambda header, _: header.update({"classify.bias": entry}))
    assert_refused(path, content, "its header does not describe the tensor 'classify.bias'")


def test_the_forger_forges_well(kept):
    """Without this, a forgery might be refused for its checksum alone."""
    content, path = kept
    path.write_bytes(forged(content, lambda *_: None))
    assert load_model(path).config == SMALL
    content = forged(content, set_metadata(alphabet={"characters": "abcdefghij", "blank": 10}))
    path.write_bytes(content)
    assert load_model(path).alphabet == Alphabet("abcdefghij", blank=10)


def test_an_older_config_without_a_newer_field_takes_its_default(kept):
    content, path = kept

    def drop(header, metadata):
        config = json.loads(metadata["config"])
        assert config.pop("padding") == 1
        metadata["config"] = json.dumps(config)

    path.write_bytes(forged(content, drop))
    assert load_model(path).config == SMALL


def claim_header_of(length):
    return lambda content: length.to_bytes(8, "little") + content[8:]


def claim_offsets(content):
    return forged(content, lambda h, _: h["classify.bias"].update(data_offsets=[0, 2**62]))


def claim_shapes(content):
    """All that a config of 4000 hidden units asks for, 400 MB and more, on no bytes at all."""

    def change(header, metadata):
        changed_config(hidden=4000)(header, metadata)
        config = CRNNConfig(**json.loads(metadata["config"]))
        with torch.device("meta"):
            expected = CRNN(config).state_dict()
        for key, value in expected.items():
            header[key]["shape"] = list(value.shape)

    return forged(content, change)


@pytest.mark.parametrize(
    "claim",
    [claim_header_of(2**64 - 1), claim_header_of(2**40), claim_offsets, claim_shapes],
    ids=["header of 2^64", "header of 2^40", "tensors of 2^62", "model of 4000 units"],
)
def test_false_claims_cost_no_memory(kept, claim):
    resource = pytest.importorskip("resource")
    content, path = kept
    path.write_bytes(claim(content))
    with pytest.raises(ValueError):
        load_model(path)  # once, so that all code is loaded
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    with pytest.raises(ValueError, match="is not a checkpoint"):
        load_model(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * len(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_numbers_beyond_64_bits_are_counted(kept):
    content, path = kept
    claim = {"shape": [2**40, 2**40]}
    path.write_bytes(forged(content, lambda header, _: header["classify.bias"].update(claim)))
    assert describe_checkpoint(path)["numbers"] > 2**80


def test_nothing_is_unpickled(kept, monkeypatch, tmp_path):
    def forbidden(*_, **__):
        raise AssertionError("unpickled")

    content, path = kept
    monkeypatch.setattr(pickle, "load", forbidden)
    monkeypatch.setattr(pickle, "loads", forbidden)
    monkeypatch.setattr(torch, "load", forbidden)
    path.write_bytes(content)
    load_model(path)
    assert_refused(path, pickle.dumps(Bomb()), "looks like a pickle")


@pytest.mark.parametrize("wrong", [None, 2.5, "0", [1]])
def test_what_is_no_seed_no_device_and_no_path_is_named(wrong, tmp_path):
    with pytest.raises(TypeError, match="seed is a whole number; got "):
        load_model("crnn-digits", seed=wrong)
    with pytest.raises(TypeError, match="seed is a whole number; got "):
        widen_crnn(CRNN(), CRNNConfig(), seed=wrong)
    if wrong is not None:
        with pytest.raises(ValueError, match="Weights are stored as torch.float32 or"):
            save_model(CRNN(), tmp_path / "a.safetensors", provenance={}, dtype=wrong)
    if not isinstance(wrong, str):
        with pytest.raises(TypeError, match="path is that of a .safetensors file; got "):
            save_model(CRNN(), wrong, provenance={})
    with pytest.raises(ValueError, match="device is one of torch, such as 'cuda'; got "):
        load_model("crnn-digits", device="gpu0" if wrong is None else wrong)
