"""Small files of rows that only grow: results of learners, to be put side by side in a class.

A file holds one JSON object per line. Adding a row never touches those that are there, so nothing
a learner has done is lost: not when two notebooks write at once, not when the machine stops in the
middle of a row. What cannot be read is named and left where it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

SUFFIX = ".jsonl"
LONGEST_ROW = 20_000  # bytes; true rows have some hundreds
LONGEST_NAME = 40


@dataclass(frozen=True)
class Rows:
    """What was found in some files: the rows that could be read, and a sentence for each other."""

    values: tuple[Any, ...]
    problems: tuple[str, ...]


def append_row(path: str | os.PathLike[str], kind: str, row: dict[str, Any]) -> Path:
    """Add one row at the end of a file; the file and its folder are made if they are not there.

    ``kind`` is written into the row, so that rows of several kinds may share a folder or a file.
    The row goes to the disk in one write. If the last row there is unfinished, the new one begins
    on a line of its own.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise ValueError(f"A file of rows ends in {SUFFIX}; got {path.name!r}.")
    text = json.dumps({"kind": kind, **row}, sort_keys=True, allow_nan=False, ensure_ascii=False)
    line = text.encode("utf-8")
    if len(line) > LONGEST_ROW:
        raise ValueError(f"A row has up to {LONGEST_ROW} bytes; this one has {len(line)}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    try:
        size = os.lseek(handle, 0, os.SEEK_END)
        unfinished = False
        if size:
            os.lseek(handle, size - 1, os.SEEK_SET)
            unfinished = os.read(handle, 1) != b"\n"
        whole = b"\n" * unfinished + line + b"\n"
        if os.write(handle, whole) < len(whole):
            raise OSError(f"{path} could not take the whole row: is the disk full?")
        os.fsync(handle)
    finally:
        os.close(handle)
    return path


def read_rows(
    paths: Iterable[str | os.PathLike[str]], kind: str, parse: Callable[[dict[str, Any]], Any]
) -> Rows:
    """Read the rows of one kind of files, and of all files of rows in folders; each of them once.

    Parameters
    ----------
    paths : iterable of path
        A file that is not there has no rows: nobody has written to it yet.
    parse : callable
        Turns a JSON object into a value, and raises ``ValueError`` with a reason if it is none.
    """
    values: dict[Any, None] = {}  # keeps the order, drops copies
    problems = []
    for path in _files(paths):
        try:
            content = path.read_bytes()
        except OSError as error:
            problems.append(f"{path.name} cannot be read ({error.strerror}); it is left out.")
            continue
        for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                row = _object(line)
                if row.pop("kind", kind) == kind:
                    values[parse(row)] = None
            except ValueError as error:
                problems.append(
                    f"{path.name}, line {number}: {error}. It stays in the file and is left out."
                )
    return Rows(tuple(values), tuple(problems))


def merge_rows(
    into: str | os.PathLike[str],
    paths: Iterable[str | os.PathLike[str]],
    kind: str,
    parse: Callable[[dict[str, Any]], Any],
    row_of: Callable[[Any], dict[str, Any]],
) -> Rows:
    """Append to a file the rows of others that it does not have yet; what was added, what failed.

    The others stay as they are.
    """
    have = set(read_rows([into], kind, parse).values)
    others = [path for path in _files(paths) if path.resolve() != Path(into).resolve()]
    found = read_rows(others, kind, parse)
    added = tuple(value for value in found.values if value not in have)
    for value in added:
        append_row(into, kind, row_of(value))
    return Rows(added, found.problems)


def today() -> str:
    """Now, in UTC, to the second: ``2026-11-21T16:30:00Z``."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def require_name(name: object) -> str:
    """A name that a table can show: what people would write on a list on the wall.

    >>> require_name("  the owls ")
    'the owls'
    """
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= LONGEST_NAME:
        raise ValueError(f"a name has 1 to {LONGEST_NAME} characters, and this is {name!r:.60}")
    if not name.isprintable():
        raise ValueError(f"a name has printable characters only, and this is {name!r:.60}")
    return name.strip()


def require_date(date: object) -> str:
    """A point in time as :func:`today` writes it."""
    try:
        datetime.strptime(str(date), "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise ValueError(f"a date looks like 2026-11-21T16:30:00Z, and this is {date!r:.60}") from (
            None
        )
    return str(date)


def _files(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The files themselves, and those in folders in the order of their names."""
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        inside = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
        found.update(dict.fromkeys(p for p in inside if p.is_file()))
    return list(found)


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > LONGEST_ROW:
        raise ValueError(f"a row has up to {LONGEST_ROW} bytes, and this has {len(line)}")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("this is no whole JSON object") from None
    if not isinstance(row, dict):
        raise ValueError("this is JSON, but no object")
    return row
