"""What has been read, in Parquet files that are there whole or not at all.

A part holds all rows of some files. Its name follows from the names of these files: whoever reads
them again, after a crash or beside a worker that was thought dead, writes the same part over the
first and no row twice. It is written beside its place and moved there when it is complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
import warnings
from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from crnn_lib.archive._ray import require
from crnn_lib.archive._sources import file_system, identity, is_local
from crnn_lib.photos import is_mended, page_of

if TYPE_CHECKING:
    from crnn_lib.photos import Row

#: Columns of the rows and their kinds: one row a line of writing, or one for a file without any.
SCHEMA = {
    "file": "string",
    "line": "int32",  # from 1, in reading order; null if there is none
    "row": "int32",  # of a table, from 0; null where there is no table
    "column": "int32",
    "text": "string",  # null if refused
    "confidence": "double",
    "kind": "string",  # number, word or nothing
    "box": "list<double>",  # x and y of four corners on the photo, clockwise
    "error": "string",  # why the file could not be read
}
PREFIX, SUFFIX, BROKEN = "part-", ".parquet", ".broken"
SEEN_FROM = b"seen_from"  # of a part's metadata: the folder from which its files' paths are seen


def rows_of(row: Row) -> list[dict[str, Any]]:
    """A file's readings as rows of the table."""
    empty = dict.fromkeys(SCHEMA)
    if not row.readings:
        return [{**empty, "file": row.path, "error": row.error}]
    return [
        {
            **empty,
            "file": row.path,
            "line": n,
            "row": reading.row,
            "column": reading.column,
            "text": reading.text,
            "confidence": reading.confidence,
            "kind": reading.kind,
            "box": [float(edge) for edge in reading.line.corners().ravel()],
        }
        for n, reading in enumerate(row.readings, 1)
    ]


def write_part(rows: Sequence[dict[str, Any]], folder: str, seen_from: str | None = None) -> str:
    """Write all rows of some files as one part; returns where.

    ``seen_from`` is the folder from which paths of files are seen, by default the working folder.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written to. Nothing half-written is left.
    """
    arrow = require("pyarrow")
    seen_from = os.getcwd() if seen_from is None else seen_from
    names = [seen_from, *sorted({row["file"] for row in rows})]
    key = hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()[:20]
    _, root = file_system(folder)
    target = f"{root}/{PREFIX}{key}{SUFFIX}"
    table = arrow.Table.from_pylist(list(rows), schema=_schema())
    _write(table.replace_schema_metadata({SEEN_FROM: os.fsencode(seen_from)}), folder, target)
    return target


def _write(table: Any, folder: str, target: str) -> None:
    """Write a part beside its place and move it there."""
    parquet = require("pyarrow.parquet")
    system, root = file_system(folder)
    unfinished = f"{root}/.{target.rpartition('/')[2]}.{uuid.uuid4().hex}"
    try:
        with system.open_output_stream(unfinished) as stream:
            parquet.write_table(table, stream, compression="zstd")
        system.move(unfinished, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            system.delete_file(unfinished)
        raise OSError(error.errno, f"{target} could not be written: {error}") from None


def _parts(folder: str) -> Iterator[tuple[str, Any]]:
    """The parts in a folder, by name, each with its file, opened.

    One that is broken, by a disk or by a copy that was cut off, is moved aside with a warning, so
    that its files are read again.

    Raises
    ------
    OSError
        If a part cannot be read at present, or a broken one not be moved. That says nothing of it.
    ValueError
        If it is whole, and no part of an archive.
    """
    arrow, parquet = require("pyarrow"), require("pyarrow.parquet")
    system, _ = file_system(folder)
    for path in _parquet_files(folder, PREFIX):
        try:  # first its bytes: whatever is wrong with them is no fault of disk or net
            with system.open_input_file(path) as file:
                content = file.read()
        except OSError as error:
            raise OSError(error.errno, f"{path} cannot be read ({error})") from None
        try:
            part = parquet.ParquetFile(arrow.BufferReader(content))
            part.read(columns=["file"])
        except MemoryError:
            raise
        except NotImplementedError as error:
            raise ValueError(f"this pyarrow does not know how to read {path} ({error})") from None
        except Exception as error:  # whatever pyarrow makes of a damaged file
            _move_aside(system, path, error)
            continue
        missing = [name for name in SCHEMA if name not in part.schema_arrow.names]
        if missing:
            raise ValueError(
                f"{path} is no part of an archive: it has no column {missing[0]}. Move it away, or "
                "name another folder."
            )
        yield path, part


def _move_aside(system: Any, path: str, fault: Exception) -> None:
    try:
        system.move(path, path + BROKEN)
    except OSError as error:
        raise OSError(
            error.errno, f"{path} is broken ({fault}) and cannot be moved aside ({error})"
        ) from None
    warnings.warn(
        f"{path} is broken ({fault}). It was moved to {path + BROKEN}; its files are read again.",
        stacklevel=2,
    )


def files_done(folder: str) -> tuple[set[str], set[str]]:
    """The files whose rows are in the folder, by their identities, and those to try again.

    A PDF file is done if its first page is: a file's pages are in one part. To try again is what
    could not be opened for want of a package that is there by now.
    """
    done: set[str] = set()
    again: set[str] = set()
    for _, part in _parts(folder):
        for name, error in set(_files_of(part)):
            file, page = page_of(name)
            if _is_mended(error):
                again.add(name)
            else:
                done.update({name, file} if page in (None, 1) else {name})
    return done, again


def forget_errors(folder: str, files: Container[str]) -> None:
    """Take out the rows of files to try again, before they get others.

    A part keeps its name and its other rows. Whoever stops now finds these files unread.

    Raises
    ------
    OSError
        If a part cannot be read at present, or not be written.
    """
    arrow = require("pyarrow")
    system, _ = file_system(folder)
    for path, part in _parts(folder):
        kept = [not (name in files and _is_mended(error)) for name, error in _files_of(part)]
        if not any(kept):
            system.delete_file(path)
        elif not all(kept):
            _write(part.read().filter(arrow.array(kept)), folder, path)


def _files_of(part: Any) -> list[tuple[str, str | None]]:
    """The identity of each row's file, and its error."""
    table = part.read(columns=["file", "error"])
    files, errors = (table.column(name).to_pylist() for name in ("file", "error"))
    names = set(files)
    place = _seen_from(part, names)
    known = {name: identity(name, place) for name in names}
    return [(known[name], error) for name, error in zip(files, errors, strict=True)]


def _is_mended(error: str | None) -> bool:
    return error is not None and is_mended(error)


def _seen_from(part: Any, names: set[str]) -> str:
    """From where the paths of a part's files are seen.

    It is the folder where the archive was read; the working folder if that is unknown, as in parts
    of earlier versions, or if the files are there no more: they were moved with the archive.
    """
    place = os.fsdecode((part.schema_arrow.metadata or {}).get(SEEN_FROM, b""))
    local = next((page_of(name)[0] for name in names if is_local(name)), "")
    return place if os.path.exists(os.path.join(place, local)) else ""


def read_rows(folder: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """All rows of an archive's folder, one dictionary each; columns as in :data:`SCHEMA`.

    A part that is broken is moved aside, with a warning. ``file`` is a path as it was given.

    For anything larger, ``pyarrow.dataset.dataset(folder)``, DuckDB and pandas read the folder as
    it is.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

    Examples
    --------
    >>> [row["text"] for row in read_rows("texts")]  # doctest: +SKIP
    ['55207', '48016']
    """
    system, root = file_system(os.fspath(folder))
    kinds = require("pyarrow.fs")
    if system.get_file_info(root).type != kinds.FileType.Directory:
        raise FileNotFoundError(f"there is no folder {os.fspath(folder)}")
    for _, part in _parts(os.fspath(folder)):
        for batch in part.iter_batches(columns=list(SCHEMA)):
            yield from batch.to_pylist()


def remove_unfinished(folder: str) -> None:
    """Remove what killed writers left."""
    system, _ = file_system(folder)
    for path in _parquet_files(folder, f".{PREFIX}", whole=False):
        system.delete_file(path)


def _parquet_files(folder: str, prefix: str, whole: bool = True) -> list[str]:
    system, root = file_system(folder)
    kinds = require("pyarrow.fs")
    entries = system.get_file_info(kinds.FileSelector(root, allow_not_found=True))
    names = ((entry.path, entry.path.rpartition("/")[2]) for entry in entries)
    return sorted(
        path
        for path, name in names
        if name.startswith(prefix) and (name.endswith(SUFFIX) if whole else SUFFIX in name)
    )


def _schema() -> Any:
    arrow = require("pyarrow")
    kinds = {
        "string": arrow.string(),
        "int32": arrow.int32(),
        "double": arrow.float64(),
        "list<double>": arrow.list_(arrow.float64()),
    }
    return arrow.schema([(name, kinds[kind]) for name, kind in SCHEMA.items()])
