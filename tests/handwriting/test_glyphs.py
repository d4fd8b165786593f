from __future__ import annotations

import dataclasses
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crnn_lib.handwriting import Glyphs, available_sources, data_root, load_glyphs
from crnn_lib.handwriting import glyphs as module
from crnn_lib.handwriting._idx import emnist_files, find_idx, idx_shape, mnist_files, read_idx
from crnn_lib.handwriting.glyphs import SOURCES

DATA = os.environ.get("CRNN_DATA")
REAL_EMNIST = DATA and find_idx(Path(DATA) / "EMNIST/raw", emnist_files("mnist", "test")[0])
REAL_MNIST = DATA and find_idx(Path(DATA) / "MNIST/raw", mnist_files("train")[0])


LETTERS = "emnist-letters"


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def idx(values: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return head + values.astype(np.uint8).tobytes()


def seven() -> np.ndarray:
    """A 7 as one would see it: a bar along the top, a stem that goes down to the left."""
    image = np.zeros((28, 28), np.uint8)
    image[5:8, 6:22] = 255
    for row in range(8, 24):
        image[row, 22 - row // 2 : 25 - row // 2] = 255
    return image


def looks_like_a_seven(images: torch.Tensor) -> bool:
    """The corner at the top right has much more ink than the end at the bottom left.

    Transposing or turning by 180 degrees swaps the two.
    """
    ink = images.double().sum(0)  # (28, 28)
    return bool(ink[:14, 14:].sum() > 1.3 * ink[14:, :14].sum())


def put(root: Path, source: str, split: str, images: np.ndarray, labels, zipped=False) -> None:
    """Write a source as its archive has it: EMNIST's images transposed."""
    folder = root / ("MNIST" if source == "mnist" else "EMNIST") / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    part = "digits" if source == "emnist" else source.removeprefix("emnist-")
    names = mnist_files(split) if source == "mnist" else emnist_files(part, split)
    if source != "mnist":
        images = images.swapaxes(1, 2)
    for name, values in zip(names, (images, np.asarray(labels)), strict=True):
        content = idx(values)
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content) if zipped else content)


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)


# --- Glyphs --------------------------------------------------------------------------------------


def some(labels=(5, 5, 2, 0, 7), source="pen", split="train", characters="0123456789") -> Glyphs:
    images = torch.zeros(len(labels), 28, 28, dtype=torch.uint8)
    images[:, 0, 0] = torch.arange(len(labels))  # each image names its place
    return Glyphs(images, torch.tensor(labels, dtype=torch.int64), source, split, characters)


def test_length_and_repr():
    assert len(some()) == 5
    assert repr(some()) == "Glyphs(5 of '0123456789', source='pen', split='train')"


def test_glyphs_of_one_character():
    assert some().of("5").images[:, 0, 0].tolist() == [0, 1]
    assert some().of("7").labels.tolist() == [7]
    assert len(some().of("9")) == 0
    for wrong in ("x", "", "55"):
        with pytest.raises(ValueError, match="No glyph shows"):
            some().of(wrong)


@pytest.mark.parametrize(
    "indices, places",
    [
        ([4, 0, 0], [4, 0, 0]),
        (torch.tensor([1, 3]), [1, 3]),
        (np.array([-1]), [4]),
        (torch.tensor([True, False, False, True, False]), [0, 3]),
        ([True, False, False, True, False], [0, 3]),
        (slice(1, 3), [1, 2]),
        ([], []),
    ],
)
def test_subset(indices, places):
    subset = some().subset(indices)
    assert subset.images[:, 0, 0].tolist() == places
    assert subset.labels.tolist() == [(5, 5, 2, 0, 7)[place] for place in places]
    assert (subset.source, subset.split) == ("pen", "train")


def test_subset_beyond_the_end():
    with pytest.raises(IndexError):
        some().subset([5])


@given(st.lists(st.tuples(st.permutations("0123AB"), st.integers(1, 6)), min_size=1, max_size=4))
def test_concat_keeps_what_every_glyph_shows(parts):
    glyphs = []
    for i, (order, size) in enumerate(parts):
        characters = "".join(order[:size])
        labels = [k % size for k in range(7)]
        glyphs.append(some(labels, source=f"s{i}", characters=characters))
    joined = Glyphs.concat(glyphs)
    assert len(joined) == 7 * len(parts)
    assert joined.source == "+".join(f"s{i}" for i in range(len(parts)))
    shown = [g.characters[k] for g in glyphs for k in g.labels.tolist()]
    assert [joined.characters[k] for k in joined.labels.tolist()] == shown
    assert joined.images[:, 0, 0].tolist() == list(range(7)) * len(parts)


def test_concat_names_each_source_once_and_keeps_the_splits_apart():
    assert Glyphs.concat([some(source="mnist"), some(), some()]).source == "mnist+pen"
    with pytest.raises(ValueError, match="stay apart"):
        Glyphs.concat([some(split="train"), some(split="test")])
    with pytest.raises(ValueError, match="at least one"):
        Glyphs.concat([])


@pytest.mark.parametrize(
    "change, error, says",
    [
        ({"images": torch.zeros(2, 28, 28)}, TypeError, "torch.uint8; got torch.float32"),
        ({"images": noise(2)}, TypeError, "got ndarray"),
        ({"labels": torch.tensor([5, 5], dtype=torch.int32)}, TypeError, "torch.int64"),
        ({"images": torch.zeros(2, 1, 28, 28, dtype=torch.uint8)}, ValueError, "(2, 1, 28, 28)"),
        ({"images": torch.zeros(2, 32, 28, dtype=torch.uint8)}, ValueError, "(2, 32, 28)"),
        ({"labels": torch.tensor([5])}, ValueError, "one per image"),
        ({"labels": torch.tensor([5, 10])}, ValueError, "from 5 to 10"),
        ({"labels": torch.tensor([-1, 5])}, ValueError, "from -1 to 5"),
        ({"split": "validation"}, ValueError, "'train', 'test'"),
        ({"characters": ""}, ValueError, "each character once"),
        ({"characters": "01234556789"}, ValueError, "each character once"),
    ],
)
def test_bad_glyphs_are_refused(change, error, says):
    good = {
        "images": torch.zeros(2, 28, 28, dtype=torch.uint8),
        "labels": torch.tensor([5, 5]),
        "source": "pen",
        "split": "train",
    }
    Glyphs(**good)
    with pytest.raises(error) as caught:
        Glyphs(**{**good, **change})
    assert says in str(caught.value)


# --- reading files -------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("source", [name for name in SOURCES if name not in ("pen", LETTERS)])
def test_every_file_source_comes_upright(tmp_path, source, zipped):
    images = np.stack([noise(1)[0], seven(), noise(1, 1)[0]])
    put(tmp_path, source, "test", images, [1, 7, 9], zipped)
    glyphs = load_glyphs(source, "test", root=tmp_path)
    assert np.array_equal(glyphs.images.numpy(), images)
    assert glyphs.images.is_contiguous()
    assert glyphs.labels.tolist() == [1, 7, 9] and glyphs.labels.dtype == torch.int64
    assert (glyphs.source, glyphs.split) == (source, "test")
    assert looks_like_a_seven(glyphs.of("7").images)
    assert not looks_like_a_seven(glyphs.of("7").images.mT)


def test_loaded_glyphs_leave_the_file_alone(tmp_path):
    put(tmp_path, "mnist", "test", noise(3), [1, 7, 9])
    load_glyphs("mnist", "test", root=tmp_path).images.zero_()
    assert np.array_equal(load_glyphs("mnist", "test", root=tmp_path).images.numpy(), noise(3))


def test_characters_of_emnist_balanced(tmp_path):
    put(tmp_path, "emnist-balanced", "train", noise(2), [0, 46])
    standard = load_glyphs("emnist-balanced", "train", root=tmp_path).characters
    assert standard == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"
    mapping = tmp_path / "EMNIST/raw/emnist-balanced-mapping.txt"
    mapping.write_text("".join(f"{i} {ord(c)}\r\n" for i, c in enumerate(standard[::-1])))
    assert load_glyphs("emnist-balanced", "train", root=tmp_path).characters == standard[::-1]


@pytest.mark.parametrize("mapped", [False, True])
def test_letters_of_emnist_are_counted_from_one_and_fold_capitals(tmp_path, mapped):
    images = np.stack([noise(1)[0], seven(), noise(1, 1)[0]])
    put(tmp_path, LETTERS, "train", images, [26, 1, 13])
    if mapped:  # the archive's own: label, capital, small letter
        rows = [f"{i + 1} {65 + i} {97 + i}\r\n" for i in range(26)]
        (tmp_path / "EMNIST/raw/emnist-letters-mapping.txt").write_text("".join(rows))
    glyphs = load_glyphs(LETTERS, "train", root=tmp_path)
    assert glyphs.characters == "abcdefghijklmnopqrstuvwxyz"
    assert [glyphs.characters[i] for i in glyphs.labels.tolist()] == ["z", "a", "m"]
    assert np.array_equal(glyphs.images.numpy(), images)
    assert looks_like_a_seven(glyphs.of("a").images)
    assert torch.equal(glyphs.only("ma").labels, torch.tensor([1, 0]))


def test_characters_of_byclass_and_bymerge(tmp_path):
    everything = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    merged = "".join(c for c in everything if c not in "cijklmopsuvwxyz")
    for source, characters in (("emnist-byclass", everything), ("emnist-bymerge", merged)):
        put(tmp_path, source, "test", noise(3), [10, 0, len(characters) - 1])
        glyphs = load_glyphs(source, "test", root=tmp_path)
        assert glyphs.characters == characters
        shown = [characters[i] for i in glyphs.labels.tolist()]
        assert shown == ["A", "0", characters[-1]]
        mapping = tmp_path / f"EMNIST/raw/{source}-mapping.txt"
        rows = [f"{i} {ord(c)}\n" for i, c in enumerate(characters)]
        mapping.write_text("".join(rows[::-1]))  # the order of the rows plays no part
        assert load_glyphs(source, "test", root=tmp_path).characters == characters


def test_a_label_that_stands_for_nothing_is_named(tmp_path):
    put(tmp_path, LETTERS, "train", noise(3), [1, 0, 26])
    with pytest.raises(ValueError, match="label 0, which .* of emnist-letters are 1 to 26"):
        load_glyphs(LETTERS, "train", root=tmp_path)
    put(tmp_path, "mnist", "train", noise(3), [1, 200, 2])
    with pytest.raises(ValueError, match="label 200"):
        load_glyphs("mnist", "train", root=tmp_path)


def test_count_picks_at_random_and_repeatably(tmp_path):
    images = np.zeros((200, 28, 28), np.uint8)
    images[:, 3, 5] = np.arange(200)
    put(tmp_path, "emnist", "train", images, np.arange(200) % 10)

    def pick(seed=None, count=50):
        which = None if seed is None else generator(seed)
        glyphs = load_glyphs("emnist", "train", root=tmp_path, count=count, generator=which)
        places = glyphs.images[:, 3, 5].tolist()
        assert glyphs.labels.tolist() == [place % 10 for place in places]
        return places

    assert pick() == pick() and pick(1) == pick(1) and pick(1) != pick(2)
    assert len(set(pick())) == 50 and pick() != sorted(pick())
    assert pick(count=20) == pick()[:20]
    assert sorted(pick(count=200)) == list(range(200))
    with pytest.raises(ValueError, match="has 200 train glyphs; count asks for 201"):
        pick(count=201)


@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_files_are_reported(tmp_path, zipped):
    put(tmp_path, "mnist", "train", noise(9), range(9), zipped)
    suffix = ".gz" if zipped else ""
    path = tmp_path / f"MNIST/raw/{mnist_files('train')[0]}{suffix}"
    whole = path.read_bytes()
    for broken in (whole[:-1], whole[: len(whole) // 2], whole[:9], b"", b"<html>"):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=str(path)):
            load_glyphs("mnist", "train", root=tmp_path)


def test_files_that_do_not_belong_together(tmp_path):
    put(tmp_path, "mnist", "train", noise(9), range(8))
    with pytest.raises(ValueError, match="do not belong together"):
        load_glyphs("mnist", "train", root=tmp_path)


def test_idx_of_other_types_is_refused(tmp_path):
    path = tmp_path / "floats"
    path.write_bytes(b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0")
    with pytest.raises(ValueError, match="no idx file of unsigned bytes"):
        idx_shape(path)
    path.write_bytes(idx(np.zeros((0, 28, 28))))
    assert read_idx(path).shape == (0, 28, 28)


# --- which source --------------------------------------------------------------------------------


def test_auto_takes_the_best_on_disk(tmp_path):
    def auto(split):
        return load_glyphs(source="auto", split=split, root=tmp_path, count=2).source

    order = {
        "train": ("emnist-mnist", "mnist", "emnist"),
        "test": ("mnist", "emnist-mnist", "emnist"),
    }
    for split, worst_to_best in order.items():
        assert auto(split) == "pen"
        put(tmp_path, "emnist-balanced", split, noise(3), [1, 7, 46])
        assert auto(split) == "pen"
        for source in worst_to_best:
            put(tmp_path, source, split, noise(3), [1, 7, 9])
            assert auto(split) == source


def test_auto_passes_over_what_is_not_whole(tmp_path):
    put(tmp_path, "mnist", "train", noise(3), [1, 7, 9])
    put(tmp_path, "emnist", "train", noise(3), [1, 7, 9])
    images = tmp_path / "EMNIST/raw" / emnist_files("digits", "train")[0]
    images.write_bytes(images.read_bytes()[:-1])
    assert load_glyphs(root=tmp_path).source == "mnist"


def test_auto_never_downloads(tmp_path):
    with pytest.raises(ValueError, match="never downloads"):
        load_glyphs("auto", root=tmp_path, download=True)


def test_available_sources(tmp_path):
    put(tmp_path, "mnist", "test", noise(3), [1, 7, 9])
    put(tmp_path, "emnist", "train", noise(4), [1, 7, 9, 9], zipped=True)
    statuses = {(s.source, s.split): s for s in available_sources(tmp_path)}
    assert set(statuses) == {(source, split) for source in SOURCES for split in ("train", "test")}
    found = {key: s.count for key, s in statuses.items() if s.found}
    assert found == {
        ("mnist", "test"): 3,
        ("emnist", "train"): 4,
        ("pen", "train"): 10_000,
        ("pen", "test"): 2_000,
    }
    assert statuses["emnist", "train"].path.name == "emnist-digits-train-images-idx3-ubyte.gz"
    assert statuses["mnist", "train"].path == tmp_path / "MNIST/raw/train-images-idx3-ubyte"


def test_a_missing_source_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        load_glyphs("emnist", "test", root=tmp_path)
    message = str(caught.value)
    assert str(tmp_path / "EMNIST/raw/emnist-digits-test-images-idx3-ubyte") in message
    assert "download=True" in message and '"pen"' in message
    with pytest.raises(FileNotFoundError, match="11 MB"):
        load_glyphs("mnist", root=tmp_path)
    with pytest.raises(FileNotFoundError, match="562 MB, or draw letters with .*draw_letters"):
        load_glyphs(LETTERS, root=tmp_path)


def test_bad_arguments():
    with pytest.raises(ValueError, match="'emnist-bymerge', 'mnist', 'pen'; got 'kmnist'"):
        load_glyphs("kmnist")
    with pytest.raises(ValueError, match="'train', 'test'; got 'val'"):
        load_glyphs("pen", "val")
    for count in (0, True, "3", 2.5):
        with pytest.raises(ValueError, match=f"count is .* at least 1; got .?{count}"):
            load_glyphs("pen", count=count)


def test_data_root(tmp_path, monkeypatch):
    monkeypatch.setenv("CRNN_DATA", str(tmp_path))
    assert data_root() == tmp_path
    put(tmp_path, "mnist", "test", noise(3), [1, 7, 9])
    assert len(load_glyphs("mnist", "test")) == 3

    package = tmp_path / "somewhere" / "crnn_lib"
    (package / "handwriting").mkdir(parents=True)
    monkeypatch.setattr(module, "__file__", str(package / "handwriting" / "glyphs.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("CRNN_DATA")
        else:
            monkeypatch.setenv("CRNN_DATA", unset)
        assert data_root().name == "crnn_lib" and data_root() != package
    (package.parent / "pyproject.toml").touch()
    assert data_root() == package.parent / "data"


# --- the pen -------------------------------------------------------------------------------------


def test_the_pen_writes_as_many_of_each_digit():
    for split, each in (("train", 1000), ("test", 200)):
        glyphs = load_glyphs("pen", split)
        assert torch.bincount(glyphs.labels).tolist() == [each] * 10
        assert (glyphs.source, glyphs.split, glyphs.characters) == ("pen", split, "0123456789")
        assert glyphs.labels[:50].tolist() != sorted(glyphs.labels[:50].tolist())
        assert looks_like_a_seven(glyphs.of("7").images)
        assert not looks_like_a_seven(glyphs.of("7").images.mT)


def test_the_pen_repeats_itself_for_the_same_seed_only():
    def draw(**options):
        return load_glyphs("pen", count=40, **options).images

    assert torch.equal(draw(), draw())
    assert torch.equal(draw(generator=generator(1)), draw(generator=generator(1)))
    assert not torch.equal(draw(generator=generator(1)), draw(generator=generator(2)))


@pytest.mark.parametrize("seed", [None, 0])
def test_training_and_test_glyphs_of_the_pen_have_other_writers(monkeypatch, seed):
    from crnn_lib.handwriting import pen

    seen = {}
    draw = pen.draw_digits

    def watch(digits, which, *, writers):
        seen[split] = set(writers.tolist())
        return draw(digits, which, writers=writers)

    monkeypatch.setattr(pen, "draw_digits", watch)
    images = {}
    for split in ("train", "test"):
        which = None if seed is None else generator(seed)
        glyphs = load_glyphs("pen", split, count=300, generator=which)
        images[split] = {image.numpy().tobytes() for image in glyphs.images}
    assert len(seen["train"]) == len(seen["test"]) == 300
    assert not seen["train"] & seen["test"] and not images["train"] & images["test"]


# --- real data -----------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL_EMNIST, reason="CRNN_DATA has no EMNIST test digits in MNIST's format")
def test_real_emnist_digits_are_upright():
    glyphs = load_glyphs("emnist-mnist", "test")
    assert torch.bincount(glyphs.labels).tolist() == [1000] * 10
    sevens = glyphs.of("7").images
    assert looks_like_a_seven(sevens) and not looks_like_a_seven(sevens.mT)
    assert glyphs.images[:, [0, -1]].float().mean() < 1  # ink is bright on black


@pytest.mark.skipif(not REAL_MNIST, reason="CRNN_DATA has no MNIST training digits")
def test_real_mnist_digits_are_upright():
    glyphs = load_glyphs("mnist", "train")
    assert len(glyphs) == 60_000 and int(torch.bincount(glyphs.labels).min()) == 5421
    sevens = glyphs.of("7").images
    assert looks_like_a_seven(sevens) and not looks_like_a_seven(sevens.mT)


def test_writers_stay_with_their_glyphs():
    images, labels = torch.zeros(4, 28, 28, dtype=torch.uint8), torch.tensor([0, 1, 1, 0])
    known = Glyphs(images, labels, "a", "train", "01", torch.tensor([7, 7, 9, 9]))
    assert known.subset([3, 0]).writers.tolist() == [9, 7]
    assert known.of("1").writers.tolist() == [7, 9]
    rows, order, counts = known.by_writer
    assert rows.tolist() == [0, 0, 1, 1] and order.tolist() == [0, 1, 3, 2]
    assert counts.tolist() == [[1, 1], [1, 1]]
    unknown = Glyphs(images, labels, "b", "train", "10")
    assert unknown.writers is None and unknown.by_writer[2].tolist() == [[2, 2]]
    both = Glyphs.concat([known, unknown])
    assert both.writers.tolist() == [7, 7, 9, 9, -1, -1, -1, -1]
    assert both.by_writer[2].tolist() == [[2, 2], [1, 1], [1, 1]]
    assert Glyphs.concat([unknown, unknown]).writers is None
    with pytest.raises(ValueError, match="writers must be .4,., one per image; got .3,"):
        Glyphs(images, labels, "a", "train", "01", torch.arange(3))


def test_only_keeps_some_characters_and_counts_them_anew():
    images = torch.arange(6, dtype=torch.uint8).view(6, 1, 1).expand(6, 28, 28)
    glyphs = Glyphs(images, torch.tensor([0, 1, 2, 2, 1, 0]), "pen", "test", "abc")
    kept = glyphs.only("cb")
    assert kept.characters == "cb" and kept.labels.tolist() == [1, 0, 0, 1]
    assert kept.images[:, 0, 0].tolist() == [1, 2, 3, 4]


def test_parts_of_glyphs_are_named():
    with pytest.raises(TypeError, match="writers must be a tensor; got list"):
        dataclasses.replace(some(), writers=[1, 2, 3, 4, 5])
    for characters in (5, None, list("0123456789")):
        with pytest.raises(ValueError, match="characters must hold each character once; got "):
            dataclasses.replace(some(), characters=characters)
    for wrong in (5, None, ["5"]):
        with pytest.raises(TypeError, match="characters is a str, such as '057'; got "):
            some().only(wrong)
        with pytest.raises(ValueError, match="No glyph shows"):
            some().of(wrong)
    for parts in (some(), None, [some(), None], ["5"]):
        with pytest.raises(TypeError, match="concat takes a list of Glyphs; got "):
            Glyphs.concat(parts)
    for generator in (5, "0"):
        with pytest.raises(TypeError, match="load_glyphs needs a torch.Generator"):
            load_glyphs("pen", count=5, generator=generator)
