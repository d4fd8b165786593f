"""Glyphs: images of single characters, from one of several sources.

===================  ===========================================  ========  ======
source               what                                         training  test
===================  ===========================================  ========  ======
``emnist``           EMNIST digits                                240,000   40,000
``emnist-mnist``     EMNIST in MNIST's format                     60,000    10,000
``emnist-balanced``  EMNIST digits and letters, 47 characters     112,800   18,800
``emnist-letters``   EMNIST letters, capitals counted as small    124,800   20,800
``emnist-byclass``   EMNIST digits and letters, 62 characters     697,932   116,323
``emnist-bymerge``   the same with the 47 of ``emnist-balanced``  697,932   116,323
``mnist``            MNIST                                        60,000    10,000
``pen``              digits of :mod:`crnn_lib.handwriting.pen`    10,000    2,000
``auto``             the best of the digits that is on this disk
===================  ===========================================  ========  ======

In ``emnist-balanced`` and ``emnist-bymerge`` the small letters that look like their capitals (c, i,
j, k, l, m, o, p, s, u to z) are counted with them, as ``C`` and so on.

The pen draws as many as one asks for; the figures are what it draws if one does not ask.

The two splits of a source share no glyph. Two sources may: MNIST and EMNIST were both made from
NIST's forms, and some of EMNIST's test digits are MNIST's training digits, scaled anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import check_generator, check_whole
from crnn_lib.handwriting._choice import chosen_places
from crnn_lib.handwriting._idx import emnist_files, find_idx, idx_shape, mnist_files, read_idx

SIZE = 28  #: pixels on a side of a glyph
SPLITS = ("train", "test")
SOURCES = (
    "emnist",
    "emnist-mnist",
    "emnist-balanced",
    "emnist-letters",
    "emnist-byclass",
    "emnist-bymerge",
    "mnist",
    "pen",
)
PEN_COUNT = {"train": 10_000, "test": 2_000}

_EMNIST_PART = {  # what the archive calls it
    source: {"emnist": "digits"}.get(source, source.removeprefix("emnist-"))
    for source in SOURCES
    if source.startswith("emnist")
}
_LETTERS = ("emnist-balanced", "emnist-letters", "emnist-byclass", "emnist-bymerge")
_AUTO = {"train": ("emnist", "mnist", "emnist-mnist"), "test": ("emnist", "emnist-mnist", "mnist")}
_SEED = 55207  # of subsets and of the pen, where the caller passes no generator


@dataclass(frozen=True, eq=False, repr=False)
class Glyphs:
    """Images of single characters and what they show.

    Parameters
    ----------
    images : Tensor
        (M, 28, 28) uint8, upright, ink bright on black.
    labels : Tensor
        (M,) int64, each an index into ``characters``.
    source : str
        Where they come from, as in ``"mnist"`` or ``"mnist+pen"``.
    split : str
        ``"train"`` or ``"test"``.
    characters : str
        The characters that the labels count through.
    writers : Tensor, optional
        (M,) int64, who wrote each glyph: equal numbers, one hand. -1 where nobody knows.

    Examples
    --------
    >>> glyphs = Glyphs(torch.zeros(3, 28, 28, dtype=torch.uint8), torch.tensor([5, 5, 2]),
    ...                 source="pen", split="train")
    >>> glyphs
    Glyphs(3 of '0123456789', source='pen', split='train')
    >>> len(glyphs.of("5"))
    2
    """

    images: Tensor
    labels: Tensor
    source: str
    split: str
    characters: str = "0123456789"
    writers: Tensor | None = None

    def __post_init__(self) -> None:
        images, labels, characters = self.images, self.labels, self.characters
        for name, value, dtype in (
            ("images", images, torch.uint8),
            ("labels", labels, torch.int64),
        ):
            if not isinstance(value, Tensor) or value.dtype != dtype:
                got = value.dtype if isinstance(value, Tensor) else type(value).__name__
                raise TypeError(f"{name} must be a tensor of {dtype}; got {got}.")
        if images.ndim != 3 or images.shape[1:] != (SIZE, SIZE):
            raise ValueError(f"images must be (M, 28, 28); got {tuple(images.shape)}.")
        if labels.shape != images.shape[:1]:
            raise ValueError(
                f"labels must be ({len(images)},), one per image; got {tuple(labels.shape)}."
            )
        if self.writers is not None and not isinstance(self.writers, Tensor):
            raise TypeError(f"writers must be a tensor; got {type(self.writers).__name__}.")
        if self.writers is not None and self.writers.shape != labels.shape:
            raise ValueError(
                f"writers must be ({len(images)},), one per image; got {tuple(self.writers.shape)}."
            )
        _require(self.split, SPLITS, "split")
        known = isinstance(characters, str)
        if not known or not characters or len(set(characters)) < len(characters):
            raise ValueError(f"characters must hold each character once; got {characters!r:.80}.")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(characters):
            raise ValueError(
                f"labels must be 0 to {len(characters) - 1}, indices into {characters!r}; they "
                f"run from {int(labels.min())} to {int(labels.max())}."
            )

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return (
            f"Glyphs({len(self)} of {self.characters!r}, source={self.source!r}, "
            f"split={self.split!r})"
        )

    def subset(self, indices: Tensor | Sequence[int] | slice) -> Glyphs:
        """The glyphs at these indices, or where a boolean mask is true."""
        chosen = chosen_places(indices, len(self), "glyph")
        return Glyphs(
            self.images[chosen],
            self.labels[chosen],
            self.source,
            self.split,
            self.characters,
            None if self.writers is None else self.writers[chosen],
        )

    def of(self, character: str) -> Glyphs:
        """The glyphs that show one character."""
        known = isinstance(character, str) and character in self.characters
        if not known or len(character) != 1:
            raise ValueError(f"No glyph shows {character!r}; there are {self.characters!r}.")
        return self.subset(self.labels == self.characters.index(character))

    def only(self, characters: str) -> Glyphs:
        """The glyphs of these characters, which the labels then count through."""
        if not isinstance(characters, str):
            raise TypeError(f"characters is a str, such as '057'; got {characters!r:.80}.")
        places = torch.tensor([characters.find(c) for c in self.characters])
        kept = self.subset(places[self.labels] >= 0)
        return replace(kept, labels=places[kept.labels], characters=characters)

    @cached_property
    def by_character(self) -> tuple[Tensor, Tensor]:
        """Indices sorted by label (M,), and how many glyphs each character has."""
        counts = torch.bincount(self.labels, minlength=len(self.characters))
        return torch.argsort(self.labels, stable=True), counts

    @cached_property
    def by_writer(self) -> tuple[Tensor, Tensor, Tensor]:
        """Row of each glyph's writer (M,), indices sorted by writer and label (M,), counts (W, C).

        Glyphs of unknown writers count as one writer's.
        """
        writers = torch.zeros_like(self.labels) if self.writers is None else self.writers
        rows = torch.unique(writers, return_inverse=True)[1]  # (M,)
        keys = rows * len(self.characters) + self.labels
        size = (int(rows.max()) + 1) * len(self.characters) if len(rows) else 0
        counts = torch.bincount(keys, minlength=size).view(-1, len(self.characters))
        return rows, torch.argsort(keys, stable=True), counts

    @classmethod
    def concat(cls, parts: Sequence[Glyphs]) -> Glyphs:
        """Glyphs of several sources as one, in order; all of one split.

        The characters of the parts are united and the labels renumbered to match.
        """
        listed = list(parts) if isinstance(parts, Iterable) else [None]
        if not all(isinstance(part, Glyphs) for part in listed):
            raise TypeError(f"concat takes a list of Glyphs; got {parts!r:.80}.")
        parts = listed
        if not parts:
            raise ValueError("concat needs at least one Glyphs; got none.")
        splits = sorted({part.split for part in parts})
        if len(splits) > 1:
            raise ValueError(
                "Training and test glyphs must stay apart; concat got both. Join them split by "
                "split."
            )
        characters = "".join(dict.fromkeys("".join(part.characters for part in parts)))
        labels = [
            torch.tensor([characters.index(c) for c in part.characters])[part.labels]
            for part in parts
        ]
        source = "+".join(dict.fromkeys(part.source for part in parts))
        images = torch.cat([part.images for part in parts])  # (M, 28, 28)
        writers = None
        if any(part.writers is not None for part in parts):
            unknown = [torch.full_like(part.labels, -1) for part in parts]
            known = [
                u if p.writers is None else p.writers for p, u in zip(parts, unknown, strict=True)
            ]
            writers = torch.cat(known)
        return cls(images, torch.cat(labels), source, splits[0], characters, writers)


@dataclass(frozen=True)
class SourceStatus:
    """Whether one split of one source is on this disk: how many glyphs, and where."""

    source: str
    split: str
    found: bool
    count: int
    path: Path | None  # of the image file, or where it would be; None for the pen


def load_glyphs(
    source: str = "auto",
    split: str = "train",
    root: str | Path | None = None,
    download: bool = False,
    count: int | None = None,
    generator: torch.Generator | None = None,
) -> Glyphs:
    """Load the glyphs of one source.

    Parameters
    ----------
    source : str
        One of the table above. ``"auto"`` takes what it finds first on disk, and never downloads:
        for training ``emnist``, ``mnist``, ``emnist-mnist``, for testing ``emnist``,
        ``emnist-mnist``, ``mnist``, and else the pen. The result's ``source`` says which it was.
    split : str
        ``"train"`` or ``"test"``.
    root : str or Path, optional
        Where the data lie, in torchvision's layout; :func:`data_root` by default.
    download : bool
        Fetch what is missing (:mod:`crnn_lib.handwriting.downloads`): 562 MB for EMNIST, 11 MB
        for MNIST.
    count : int, optional
        That many glyphs, drawn at random without repetition; all by default. The pen draws 10,000
        for training and 2,000 for testing by default, and as many of each digit.
    generator : torch.Generator, optional
        What draws the subset, and what moves the pen. Without it both are always the same.

    Returns
    -------
    Glyphs

    Raises
    ------
    FileNotFoundError
        If the source is not on disk and ``download`` is false.
    ValueError
        If there is no such source or split, if ``count`` is more than there are, or if a file is
        damaged.
    crnn_lib.handwriting.DownloadError
        If the download fails.

    Examples
    --------
    >>> load_glyphs("pen", "test", count=20)
    Glyphs(20 of '0123456789', source='pen', split='test')
    """
    _require(source, ("auto", *SOURCES), "source")
    _require(split, SPLITS, "split")
    check_whole(1, count=1 if count is None else count)
    if generator is not None:
        check_generator(generator, "load_glyphs")
    if source == "auto":
        if download:
            raise ValueError(
                'source "auto" takes what is on disk and never downloads. Name the source to '
                'download: "mnist" (11 MB) or "emnist" (562 MB).'
            )
        folder = _root(root)
        on_disk = (name for name in _AUTO[split] if all(_find(name, split, folder)))
        source = next(on_disk, "pen")
    if source == "pen":  # which asks for no folder
        return _draw(split, PEN_COUNT[split] if count is None else count, generator)
    folder = _root(root)
    if download:
        _download(source, split, folder)
    return _load(source, split, folder, count, generator)


def _root(root: str | Path | None) -> Path:
    return data_root() if root is None else Path(root).expanduser()


def data_root() -> Path:
    """Folder of the data: ``CRNN_DATA``, else ``data/`` of the checkout, else the user's cache."""
    if os.environ.get("CRNN_DATA"):
        return Path(os.environ["CRNN_DATA"]).expanduser()
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file() or (checkout / ".git").exists():
        return checkout / "data"
    from platformdirs import user_cache_path

    return user_cache_path("crnn_lib", appauthor=False)


def available_sources(root: str | Path | None = None) -> list[SourceStatus]:
    """What is there of every source and split; downloads nothing and reads only headers."""
    root = _root(root)
    statuses = []
    for source in SOURCES:
        for split in SPLITS:
            if source == "pen":
                statuses.append(SourceStatus(source, split, True, PEN_COUNT[split], None))
                continue
            images, labels = _find(source, split, root)
            if images and labels:
                statuses.append(SourceStatus(source, split, True, idx_shape(images)[0], images))
            else:
                folder, (name, _) = _files(source, split, root)
                statuses.append(SourceStatus(source, split, False, 0, folder / name))
    return statuses


def _files(source: str, split: str, root: Path) -> tuple[Path, tuple[str, str]]:
    """Folder, and names of the image and the label file."""
    if source == "mnist":
        return root / "MNIST" / "raw", mnist_files(split)
    return root / "EMNIST" / "raw", emnist_files(_EMNIST_PART[source], split)


def _find(source: str, split: str, root: Path) -> tuple[Path | None, Path | None]:
    folder, (images, labels) = _files(source, split, root)
    return find_idx(folder, images), find_idx(folder, labels)


def _download(source: str, split: str, root: Path) -> None:
    from crnn_lib.handwriting.downloads import download_emnist, download_mnist

    if source == "mnist":
        download_mnist(root, (split,))
    else:
        download_emnist(root, _EMNIST_PART[source], (split,))


def _load(
    source: str, split: str, root: Path, count: int | None, generator: torch.Generator | None
) -> Glyphs:
    folder, names = _files(source, split, root)
    paths = _find(source, split, root)
    for name, path in zip(names, paths, strict=True):
        if path is None:
            for damaged in (folder / name, folder / f"{name}.gz"):
                if damaged.is_file():
                    idx_shape(damaged)  # says what is wrong with it
            size = "11 MB" if source == "mnist" else "562 MB"
            instead = 'use source "pen"'
            if source in _LETTERS:
                instead = "draw letters with crnn_lib.handwriting.pen.draw_letters"
            raise FileNotFoundError(
                f"{folder / name} (or .gz) is not there: call load_glyphs({source!r}, {split!r}, "
                f"download=True) to fetch {size}, or {instead}, which needs no file."
            )
    images, labels = (read_idx(path) for path in paths if path)
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise ValueError(
            f"{paths[0]} {images.shape} and {paths[1]} {labels.shape} do not belong together: "
            "expected (M, 28, 28) and (M,). Delete both and fetch them again."
        )
    if count is not None:
        if count > len(images):
            raise ValueError(f"{source} has {len(images)} {split} glyphs; count asks for {count}.")
        picked = torch.randperm(len(images), generator=generator or _generator(split))[:count]
        images, labels = images[picked.numpy()], labels[picked.numpy()]
    if source != "mnist":
        images = images.swapaxes(1, 2)  # EMNIST's files hold every image transposed
    characters = _characters(source, folder)
    place = np.full(256, -1)  # of each label that a file may have
    place[list(characters)] = np.arange(len(characters))
    for label in labels[place[labels] < 0][:1]:
        raise ValueError(
            f"{paths[1]} has the label {label}, which stands for no character: those of {source} "
            f"are {min(characters)} to {max(characters)}. Delete it and fetch it again."
        )
    return Glyphs(
        torch.from_numpy(np.array(images, order="C")),  # (M, 28, 28)
        torch.from_numpy(place[labels].astype(np.int64)),  # (M,)
        source,
        split,
        "".join(characters.values()),
    )


def _characters(source: str, folder: Path) -> dict[int, str]:
    """The character of each label that a source's files have, in order."""
    if source not in _LETTERS:
        return dict(enumerate("0123456789"))
    part = _EMNIST_PART[source]
    mapping = folder / f"emnist-{part}-mapping.txt"
    if not mapping.is_file():  # torchvision's own download leaves the mapping out
        from torchvision.datasets import EMNIST

        classes = enumerate(EMNIST.classes_split_dict[part])
        return {label: name for label, name in classes if name != "N/A"}
    rows = [line.split() for line in mapping.read_text(encoding="ascii").splitlines()]
    # A label and the codes of its characters: of "letters" both cases, the small one last.
    code = {int(row[0]): int(row[-1]) for row in rows if row}
    return {label: chr(code[label]) for label in sorted(code)}


def _draw(split: str, count: int, generator: torch.Generator | None) -> Glyphs:
    """Let the pen write; every glyph by another writer, and none of them in both splits."""
    from crnn_lib.handwriting.pen import draw_digits

    generator = generator or _generator(split)
    digits = torch.arange(count)[torch.randperm(count, generator=generator)] % 10  # (M,)
    # Even numbers write for training, odd ones for testing, whatever the seed.
    writers = 2 * torch.randint(2**61, (count,), generator=generator) + (split == "test")  # (M,)
    return Glyphs(draw_digits(digits, generator, writers=writers), digits, "pen", split)


def _generator(split: str) -> torch.Generator:
    return torch.Generator().manual_seed(_SEED + SPLITS.index(split))


def _require(value: str, allowed: Sequence[str], name: str) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {value!r}.")
