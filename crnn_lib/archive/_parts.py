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
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from crnn_lib.archive._ray import require
from crnn_lib.archive._sources import file_system
from crnn_lib.photos import page_of

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


def write_part(rows: Sequence[dict[str, Any]], folder: str) -> str:
    """Write all rows of some files as one part; returns where.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written to. Nothing half-written is left.
    """
    arrow, parquet = require("pyarrow"), require("pyarrow.parquet")
    names = sorted({row["file"] for row in rows})
    key = hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()[:20]
    system, root = file_system(folder)
    target = f"{root}/{PREFIX}{key}{SUFFIX}"
    unfinished = f"{root}/.{PREFIX}{key}{SUFFIX}.{uuid.uuid4().hex}"
    table = arrow.Table.from_pylist(list(rows), schema=_schema())
    try:
        with system.open_output_stream(unfinished) as stream:
            parquet.write_table(table, stream, compression="zstd")
        system.move(unfinished, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            system.delete_file(unfinished)
        raise OSError(error.errno, f"{target} could not be written: {error}") from None
    return target


def parts_of(folder: str) -> list[str]:
    """The parts in a folder that can be read, by name.

    One that is broken, by a disk or by a copy that was cut off, is moved aside with a warning, so
    that its files are read again.
    """
    parquet = require("pyarrow.parquet")
    system, _ = file_system(folder)
    whole = []
    for path in _parquet_files(folder, PREFIX):
        try:
            with system.open_input_file(path) as file, parquet.ParquetFile(file) as part:
                for number in range(part.num_row_groups):
                    part.read_row_group(number, columns=["file"])
            whole.append(path)
        except Exception as error:  # whatever pyarrow makes of a damaged file
            system.move(path, path + BROKEN)
            warnings.warn(
                f"{path} is broken ({error}). It was moved to {path + BROKEN}; its files are read "
                "again.",
                stacklevel=2,
            )
    return whole


def files_done(folder: str) -> set[str]:
    """The files whose rows are in the folder; a PDF file is one, however many pages it has."""
    done: set[str] = set()
    for batch in _batches(folder, ["file"]):
        done.update(page_of(name)[0] for name in batch.column(0).to_pylist())
    return done


def read_rows(folder: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """All rows of an archive's folder, one dictionary each; columns as in :data:`SCHEMA`.

    A part that is broken is moved aside, with a warning.

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
    for batch in _batches(os.fspath(folder), list(SCHEMA)):
        yield from batch.to_pylist()


def _batches(folder: str, columns: list[str]) -> Iterator[Any]:
    parquet = require("pyarrow.parquet")
    system, _ = file_system(folder)
    for path in parts_of(folder):
        with system.open_input_file(path) as file, parquet.ParquetFile(file) as part:
            yield from part.iter_batches(columns=columns)


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
