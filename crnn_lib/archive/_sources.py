"""What an archive holds: folders, files, and lists of files, here or in an object store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from crnn_lib.archive._ray import require
from crnn_lib.photos import natural_order, reason_of, unreadable_by_name

LIST = ".parquet"  #: a table with a column ``file`` names the files


def list_files(sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """The files that are meant, each once: as they are given, and in natural order in a folder.

    Parameters
    ----------
    sources : path or address, or several
        A folder stands for all files in it and in its subfolders that are images or PDF files by
        their names and that an installed package opens; hidden ones are left out. A ``.parquet``
        file is a list: its column ``file`` names the files. ``s3://`` and ``gs://`` addresses are
        listed with the credentials of the environment.

    Raises
    ------
    FileNotFoundError
        If a source is not there.
    ValueError
        If there is no image among all of them, or a list has no column ``file``.

    Examples
    --------
    >>> list_files("scans")  # doctest: +SKIP
    ['scans/1957/0001.png', 'scans/1957/0002.png']
    """
    return listed_and_skipped(sources)[0]


def listed_and_skipped(sources: Any) -> tuple[list[str], dict[str, str]]:
    """The files of :func:`list_files`, and why others of the sources are none of them."""
    if isinstance(sources, (str, os.PathLike)):
        sources = [sources]
    names = [os.fspath(source) for source in sources]
    found: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for name in names:
        for file in _files_of(name, skipped):
            found.setdefault(identity(file), file)
    if not found:
        left_out = f" ({len(skipped)} left out: {next(iter(skipped.values()))})" if skipped else ""
        raise ValueError(f"there is no image file in {', '.join(names) or 'nothing'}{left_out}")
    return list(found.values()), skipped


def identity(file: str, folder: str = "") -> str:
    """What a file is called from everywhere: an address, or a path from the root.

    ``scans/1.png``, ``./scans/1.png`` and a path through a link to the folder are one file.

    Parameters
    ----------
    file : path or address
    folder : path
        From where a path is seen; the working folder if left out.
    """
    if file.startswith("file://"):
        _, file = file_system(file)
    if not is_local(file):
        return file
    inside, name = os.path.split(os.path.join(folder, file))
    return os.path.join(os.path.realpath(inside), name)


def open_source(file: str) -> Any:
    """A file of :func:`list_files`, opened for reading bytes."""
    system, path = file_system(file)
    return system.open_input_file(path)


def is_local(file: str) -> bool:
    """Whether a name is a path on this machine rather than an address."""
    return "://" not in file


def _files_of(name: str, skipped: dict[str, str]) -> Iterator[str]:
    system, path = file_system(name)
    kinds = require("pyarrow.fs")
    entry = system.get_file_info(path)
    if entry.type == kinds.FileType.NotFound:
        raise FileNotFoundError(f"there is no file or folder {name}")
    if entry.type != kinds.FileType.Directory:
        yield from _listed(name) if name.endswith(LIST) else [name]
        return
    if is_local(name):
        files = list(_inside(str(PurePath(name)), skipped))
    else:
        prefix = name[: name.index("://") + 3]
        entries = system.get_file_info(kinds.FileSelector(path, recursive=True))
        files = [
            prefix + e.path
            for e in entries
            if e.type == kinds.FileType.File and "/." not in e.path[len(path) :]
        ]
    for file in sorted(files, key=natural_order):
        reason = _why_not(file)
        if reason is None:
            yield file
        else:
            skipped[file] = reason


def _inside(folder: str, skipped: dict[str, str]) -> Iterator[str]:
    """All files of a folder and of those in it, each folder once; hidden ones are left out."""

    def closed(error: OSError) -> None:
        skipped[error.filename] = reason_of(error)

    seen = set()
    for root, inner, names in os.walk(folder, onerror=closed, followlinks=True):
        place = os.path.realpath(root)
        inner[:] = [name for name in inner if not name.startswith(".") and place not in seen]
        if place not in seen:
            yield from (os.path.join(root, name) for name in names if not name.startswith("."))
        seen.add(place)


def _why_not(file: str) -> str | None:
    """Why a file of a folder is not read."""
    try:
        file.encode()
    except UnicodeEncodeError:  # a Parquet file cannot hold it
        return "its name is no text"
    return unreadable_by_name(file)


def _listed(name: str) -> Iterator[str]:
    try:
        table = require("pyarrow.parquet").ParquetFile(open_source(name))
    except ValueError as error:  # an ArrowInvalid is one
        raise ValueError(f"{name} is no Parquet file that lists files: {error}") from None
    if "file" not in table.schema_arrow.names:
        raise ValueError(
            f"{name} lists no files: it needs a column named file; its columns are "
            f"{', '.join(table.schema_arrow.names)}"
        )
    for batch in table.iter_batches(columns=["file"]):
        for file in batch.column(0).to_pylist():
            if file is None:
                continue
            if not isinstance(file, str):
                raise ValueError(f"{name} lists no files: its column file holds {file!r:.80}")
            yield file


def file_system(name: str) -> tuple[Any, str]:
    """pyarrow's file system for a path or an address, and the path within it."""
    kinds = require("pyarrow.fs")
    if is_local(name):
        return kinds.LocalFileSystem(), name
    return kinds.FileSystem.from_uri(name)
