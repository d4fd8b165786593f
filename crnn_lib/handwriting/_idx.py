"""idx files, in which MNIST and EMNIST come: their names, their header, their bytes.

The format is LeCun's: two zero bytes, the type (8: unsigned bytes), the number of dimensions, the
dimensions as big-endian 32-bit integers, then the values.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import IO

import numpy as np


def emnist_files(dataset: str, split: str) -> tuple[str, str]:
    """Names of the image file and the label file of one EMNIST split.

    >>> emnist_files("digits", "test")
    ('emnist-digits-test-images-idx3-ubyte', 'emnist-digits-test-labels-idx1-ubyte')
    """
    prefix = f"emnist-{dataset}-{split}"
    return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"


def mnist_files(split: str) -> tuple[str, str]:
    """Names of the image file and the label file of one MNIST split.

    >>> mnist_files("test")
    ('t10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte')
    """
    prefix = {"train": "train", "test": "t10k"}[split]
    return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"


def find_idx(folder: Path, name: str) -> Path | None:
    """Path of the idx file ``name`` in ``folder``, plain or as ``.gz``; None if none is whole."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            try:
                idx_shape(path)
            except ValueError:
                continue
            return path
    return None


def idx_shape(path: Path) -> tuple[int, ...]:
    """Shape of an idx file of unsigned bytes, plain or gzipped.

    The length of a plain file is held against its header, so that a file that was cut off is
    noticed before it is read.

    Raises
    ------
    ValueError
        If it is no such file, or is shorter or longer than its header says.
    """
    zipped = path.suffix == ".gz"
    try:
        with gzip.open(path) if zipped else open(path, "rb") as file:
            shape, head = read_header(file)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is no idx file of unsigned bytes: {error}.") from None
    size, expected = path.stat().st_size, len(head) + math.prod(shape)
    if not zipped and size != expected:
        raise ValueError(f"{path} is damaged: its header promises {expected} bytes, it has {size}.")
    return shape


def read_header(file: IO[bytes] | gzip.GzipFile) -> tuple[tuple[int, ...], bytes]:
    """Read the header of an idx file of unsigned bytes: its shape, and the header as it stands."""
    head = file.read(4)
    if len(head) < 4 or head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 3:
        raise ValueError(f"it starts with {head!r}")
    head += file.read(4 * head[3])
    if len(head) < 4 + 4 * head[3]:
        raise ValueError("it ends within its header")
    return tuple(int.from_bytes(head[i : i + 4], "big") for i in range(4, len(head), 4)), head


def read_idx(path: Path) -> np.ndarray:
    """Read an idx file of unsigned bytes, plain or gzipped.

    torchvision's reader knows no gzip and reports a damaged file with a bare assertion.

    Returns
    -------
    numpy.ndarray
        uint8, read-only. A plain file is mapped, not read: only what is used gets loaded.

    Raises
    ------
    ValueError
        If it is no such file, or is damaged.
    """
    shape = idx_shape(path)
    if path.suffix != ".gz":
        if math.prod(shape) == 0:  # nothing to map
            return np.zeros(shape, np.uint8)
        return np.memmap(path, np.uint8, "r", offset=4 + 4 * len(shape), shape=shape)
    try:
        with gzip.open(path) as file:
            _, head = read_header(file)
            values = np.frombuffer(file.read(), np.uint8)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if values.size != math.prod(shape):
        raise ValueError(
            f"{path} is damaged: its header promises {math.prod(shape)} values, it has "
            f"{values.size}."
        )
    return values.reshape(shape)
