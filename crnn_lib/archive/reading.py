"""Read an archive: find lines in tasks, read them in actors, write parts; on one machine or many.

A file goes through three stages. Tasks on the CPU fetch it, decode it and find its lines. Actors,
each with a network of its own, read the lines of many files at once, those of like width together,
on a GPU if they are given one. A last task writes the rows. Ray Data streams blocks of files
through all stages at the same time, holds back a stage whose successor is behind, so that memory
is bounded, and runs again what was lost with a worker.
"""

from __future__ import annotations

import errno
import functools
import logging
import os
import pickle
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import torch

from crnn_lib.alphabet import check_whole, is_whole
from crnn_lib.archive import _parts, _sources
from crnn_lib.archive._ray import require, start_ray
from crnn_lib.photos import PHOTOS, Reader, Row, files_of, page_of, reason_of

FILES_PER_TASK = 128  #: found and read together: full batches of the network, few tasks for Ray
TASKS_PER_READER = 8  #: at least, where there are files enough
FILES_PER_PART = 1024  #: rows of a part stay some hundred kB


@dataclass(frozen=True)
class ArchiveReport:
    """What one call of :func:`read_archive` did.

    Attributes
    ----------
    files : int
        Files that were read now.
    errors : int
        Those of them that could not be read, or a page of which could not; the rows say why.
    rows : int
        Rows written, one a line of writing, or one for a file without any.
    parts : int
        Parquet files written.
    done_before : int
        Files that earlier calls had read.
    skipped : mapping of str to str
        Files of the folders that are not read, and why.
    """

    files: int
    errors: int
    rows: int
    parts: int
    done_before: int
    skipped: Mapping[str, str] = field(default_factory=dict)


def read_archive(
    sources: Any,
    out: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] = PHOTOS,
    options: Mapping[str, Any] | None = None,
    readers: int | tuple[int, int] | None = None,
    gpus: float = 0.0,
    files_per_task: int = FILES_PER_TASK,
    files_per_part: int = FILES_PER_PART,
    progress: bool = True,
) -> ArchiveReport:
    """Read all image files of some folders or lists into Parquet files.

    Called again, it goes on where it stopped: files whose rows are in ``out`` are left alone.
    A file that cannot be read is a row with its error. It is not tried again, unless all that it
    lacked was a package which has been installed since. A worker that dies costs time and no rows.

    Parameters
    ----------
    sources : path or address, or several
        As for :func:`list_files`.
    out : path or address
        Folder of the parts. All machines must see it: on a cluster a shared folder or ``s3://``.
    weights : str or path
        As for :meth:`crnn_lib.photos.Reader.pretrained`.
    options : mapping, optional
        Of :class:`crnn_lib.photos.Reader`, such as ``{"refuse_below": 0.9}``.
    readers : int or (int, int), optional
        Actors with a network, or from how many to how many. As many as there are processors if
        left out, or as GPUs. Without a GPU Ray lets one process find and read.
    gpus : float
        Share of a GPU that each of them gets.
    files_per_task, files_per_part : int
        How many files go through together at most, and how many are written together.
    progress : bool
        Ray's progress bars, on the error output.

    Returns
    -------
    ArchiveReport

    Raises
    ------
    ImportError
        If Ray is not installed.
    FileNotFoundError, ValueError
        As :func:`list_files`.
    OSError
        If ``out`` cannot be written to. What has been written stays, and the next call goes on.

    Notes
    -----
    On one machine Ray starts by itself. On a cluster, call ``ray.init(address="auto")`` first, or
    set ``RAY_ADDRESS``.

    Examples
    --------
    >>> read_archive("scans", "texts")  # doctest: +SKIP
    ArchiveReport(files=20000, errors=3, rows=61213, parts=20, done_before=0, skipped={})
    """
    check_whole(1, files_per_task=files_per_task, files_per_part=files_per_part)
    pool = None if readers is None else _pool_size(readers)
    ray = require("ray")
    data, arrow = require("ray.data"), require("pyarrow")
    files, skipped = _sources.listed_and_skipped(sources)
    out = _absolute(os.fspath(out))
    Reader.pretrained(weights, **(options or {}))  # whatever is wrong with them is said here
    system, path = _sources.file_system(out)
    system.create_dir(path, recursive=True)
    _parts.remove_unfinished(out)
    done, again = _parts.files_done(out)
    if again:
        _parts.forget_errors(out, again & {_sources.identity(file) for file in files})
    names = [file for file in files if _sources.identity(file) not in done]
    new = [_absolute(file) for file in names]
    before = len(files) - len(names)
    if not names:
        return ArchiveReport(0, 0, 0, 0, before, skipped)

    if not ray.is_initialized():
        start_ray()
    data.DataContext.get_current().enable_progress_bars = progress
    logging.getLogger("ray.data").setLevel(logging.INFO if progress else logging.ERROR)
    job = _Job(os.fspath(weights), dict(options or {}))
    if pool is None:
        cores = int(ray.cluster_resources().get("CPU", 2))
        cards = int(ray.cluster_resources().get("GPU", 0) / gpus) if gpus else 0
        pool = _pool_size(max(cards or cores, 1))
    low, high = pool
    files_per_task = _task_size(len(names), high, files_per_task)
    table = arrow.table({"name": names, "file": new})
    blocks = -(-len(names) // files_per_task)
    rows = (
        data.from_arrow([table.slice(k * files_per_task, files_per_task) for k in range(blocks)])
        .map_batches(job.find, batch_format="pyarrow", batch_size=files_per_task)
        .map_batches(
            _ReadLines,
            fn_constructor_args=(job,),
            batch_format="pyarrow",
            batch_size=files_per_task,
            compute=data.ActorPoolStrategy(min_size=min(low, blocks), max_size=min(high, blocks)),
            num_gpus=gpus or None,
        )
        .map_batches(
            functools.partial(_write, folder=out, seen_from=os.getcwd()),
            batch_format="pyarrow",
            batch_size=files_per_part,
            num_cpus=0,  # next to no work, and it must not wait until an actor gives up its core
        )
    )
    total = {"files": 0, "errors": 0, "rows": 0}
    written = 0
    try:
        for part in rows.iter_rows():
            written += 1
            for name in total:
                total[name] += part[name]
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, OSError):
            raise OSError(error.cause.errno or errno.EIO, str(error.cause)) from None
        raise
    return ArchiveReport(**total, parts=written, done_before=before, skipped=skipped)


@dataclass(frozen=True)
class _Job:
    """What to read with; travels to every worker."""

    weights: str
    options: dict[str, Any]

    def find(self, batch: Any) -> Any:
        """Stage 1: the lines of some files, or why there are none."""
        arrow = require("pyarrow")
        reader = _reader(pickle.dumps(self))
        files: list[bytes] = []  # all pages of each: what is apart might end in two parts
        for name, file in zip(batch["name"].to_pylist(), batch["file"].to_pylist(), strict=True):
            pages = [(name + page, lines, why) for page, lines, why in _find(reader, file)]
            files.append(pickle.dumps(pages, pickle.HIGHEST_PROTOCOL))
        return arrow.table({"pages": arrow.array(files, arrow.large_binary())})


class _ReadLines:
    """Stage 2: an actor that holds the network."""

    def __init__(self, job: _Job) -> None:
        self.reader = _reader(pickle.dumps(job))
        if torch.cuda.is_available():
            self.reader.model.to("cuda")

    def __call__(self, batch: Any) -> Any:
        arrow = require("pyarrow")
        files = [pickle.loads(pages) for pages in batch["pages"].to_pylist()]
        lines = [line for pages in files for _, found, _ in pages for line in found]
        readings = iter(self.reader.read_lines(lines))
        rows = []
        for pages in files:
            read = [
                Row(name, tuple(next(readings) for _ in found), error)
                for name, found, error in pages
            ]
            rows.append(pickle.dumps([row for page in read for row in _parts.rows_of(page)]))
        return arrow.table({"rows": arrow.array(rows, arrow.large_binary())})


def _write(batch: Any, folder: str, seen_from: str) -> Any:
    """Stage 3: the rows of some files, as one part."""
    arrow = require("pyarrow")
    files = [pickle.loads(rows) for rows in batch["rows"].to_pylist()]
    rows = [row for each in files for row in each]
    _parts.write_part(rows, folder, seen_from)
    errors = len({page_of(row["file"])[0] for row in rows if row["error"] is not None})
    return arrow.table({"files": [len(files)], "errors": [errors], "rows": [len(rows)]})


@functools.lru_cache(maxsize=1)
def _reader(job: bytes) -> Reader:
    """The reader of a worker, made once; a processor core is one worker's."""
    torch.set_num_threads(1)
    job_ = pickle.loads(job)
    return Reader.pretrained(job_.weights, **job_.options)


def _find(reader: Reader, file: str) -> Iterator[tuple[str, list, str | None]]:
    """For each page of a file what stands behind its name, its lines, and why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        here = file
        try:
            if not _sources.is_local(file):
                here = os.path.join(folder, PurePath(file).name)
                with _sources.open_source(file) as stream, open(here, "wb") as copy:
                    shutil.copyfileobj(stream, copy)
            pages = files_of(here)
        except (OSError, ValueError) as error:
            yield "", [], reason_of(error)
            return
        for page in pages:
            try:
                yield page[len(here) :], reader.find_lines(page), None
            except (OSError, ValueError) as error:
                yield page[len(here) :], [], reason_of(error)


def _absolute(file: str) -> str:
    """A worker may stand in another folder."""
    return os.path.abspath(file) if _sources.is_local(file) else file


def _task_size(files: int, readers: int, most: int) -> int:
    """How many files a task gets: so few that no reader reads on alone for long at the end."""
    return min(most, -(-files // (TASKS_PER_READER * readers)))


def _pool_size(readers: Any) -> tuple[int, int]:
    pool = tuple(readers) if isinstance(readers, (tuple, list)) else (readers, readers)
    if len(pool) != 2 or not all(map(is_whole, pool)) or not 1 <= pool[0] <= pool[1]:
        raise ValueError(
            f"readers is a number of actors, or from how many to how many; got {readers!r:.80}."
        )
    return pool
