"""What an archive holds: folders, files, and lists of files, here or in an object store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from crnn_lib.archive._ray import require
from crnn_lib.photos import SUFFIXES

LIST = ".parquet"  #: a table with a column ``file`` names the files


def list_files(sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """The image files that are meant, each once, in the order given and by name within a folder.

    Parameters
    ----------
    sources : path or address, or several
        A folder stands for all image files in it and in its subfolders. A ``.parquet`` file is a
        list: its column ``file`` names the files. ``s3://`` and ``gs://`` addresses are listed
        with the credentials of the environment.

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
    if isinstance(sources, (str, os.PathLike)):
        sources = [sources]
    names = [os.fspath(source) for source in sources]
    found = list(dict.fromkeys(file for name in names for file in _files_of(name)))
    if not found:
        raise ValueError(f"there is no image file in {', '.join(names) or 'nothing'}")
    return found


def open_source(file: str) -> Any:
    """A file of :func:`list_files`, opened for reading bytes."""
    system, path = file_system(file)
    return system.open_input_file(path)


def is_local(file: str) -> bool:
    """Whether a name is a path on this machine rather than an address."""
    return "://" not in file


def _files_of(name: str) -> Iterator[str]:
    system, path = file_system(name)
    kinds = require("pyarrow.fs")
    entry = system.get_file_info(path)
    if entry.type == kinds.FileType.NotFound:
        raise FileNotFoundError(f"there is no file or folder {name}")
    if entry.type == kinds.FileType.Directory:
        prefix = "" if is_local(name) else name[: name.index("://") + 3]
        entries = system.get_file_info(kinds.FileSelector(path, recursive=True))
        files = [prefix + e.path for e in entries if e.type == kinds.FileType.File]
        yield from sorted(file for file in files if PurePosixPath(file).suffix.lower() in SUFFIXES)
    elif name.endswith(LIST):
        yield from _listed(name)
    else:
        yield name


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
