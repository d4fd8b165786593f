"""Learners' notebooks graded: which exercises are right, and what is wrong with the others.

The code of others is run, in a process of its own with a limit on its time and its memory, in an
empty folder. That stops accidents: a loop that never ends, a list that fills the memory, a cell
that fails. **It is no sandbox.** The code may read and write what you may, and use the network.
Grade the work of people you know, or do it in a container or on a machine that holds nothing else.

A verdict comes from a check made here on the function of the right name. What a notebook printed,
and what its outputs say, counts for nothing. Quizzes are not graded.
"""

from __future__ import annotations

import csv
import json
import os
import queue
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from crnn_lib.lessons.engine import kernel

LARGEST = 64_000_000  # bytes of a notebook
START = 180.0  # seconds that the process may take to begin
STOPS = 6  # so often a notebook may have to be stopped before the rest is left
ORDER = ("not attempted", "error", "timeout", "not yet", "correct")  # the best of several counts
STATED = re.compile(r"""(?:Exercise\s+|\bcheck\(\s*["'])(\d+\.\d+)""")
ENDLESS = "it did not end, and was stopped"
#: What is said before learners' code runs.
WARNING = (
    "This runs the notebooks' code with limits on time and memory, but it is no sandbox: the code "
    "may do on this machine whatever you may. Grade the work of people you know."
)


class UnreadableNotebook(ValueError):
    """A file that cannot be graded; the message says why."""


@dataclass(frozen=True)
class Limits:
    """What one notebook may use.

    Attributes
    ----------
    seconds : float
        Of computing, for each cell and for each check. A busy machine is no fault, so by the
        clock it may take three times as long and half a minute more; then it sleeps, or hangs.
    megabytes : int
        Memory beyond what Python and torch take themselves.
    """

    seconds: float = 20.0
    megabytes: int = 2048


@dataclass
class Result:
    """What came of one notebook.

    Attributes
    ----------
    path : Path
    learner : str
    verdicts : dict of str to str
        One of :data:`ORDER` for each exercise of the notebook's chapter.
    remarks : dict of str to str
        What is to be said of an exercise, by its id; of a cell or of the whole, by other keys.
    unreadable : str
        Why nothing could be graded; else empty.
    """

    path: Path
    learner: str
    verdicts: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    unreadable: str = ""

    @property
    def correct(self) -> int:
        return sum(verdict == "correct" for verdict in self.verdicts.values())

    def note(self, id: str, verdict: str, text: str) -> None:
        """Take a verdict down, unless there is a better one."""
        if ORDER.index(verdict) >= ORDER.index(self.verdicts.get(id, ORDER[0])):
            self.verdicts[id] = verdict
            self.remarks.pop(id, None)
            if verdict != "correct" and text:
                self.remarks[id] = text.split("\n  ")[0].strip()


def grade(
    paths: Iterable[str | os.PathLike[str]],
    limits: Limits = Limits(),
    progress: Callable[[str], None] = lambda line: None,
) -> Iterator[Result]:
    """Grade notebooks, one after the other, in their order.

    Parameters
    ----------
    paths : iterable of path
        Notebooks.
    limits : Limits
    progress : callable
        Gets a line for each notebook.

    Yields
    ------
    Result
        One for each path, whatever the file holds.
    """
    paths = [Path(path) for path in paths]
    for number, (path, learner) in enumerate(zip(paths, learners(paths), strict=True), 1):
        result = Result(path, learner)
        try:
            _grade(result, limits)
            said = f"{result.correct} of {len(result.verdicts)} correct"
        except UnreadableNotebook as error:
            result.unreadable = said = str(error)
        progress(f"{number} of {len(paths)}  {path}: {said}")
        yield result


def find_notebooks(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Paths as they are; of a folder all notebooks in it and below it, by name."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(path.rglob("*.ipynb"))
            found += [p for p in inside if ".ipynb_checkpoints" not in p.parts]
        else:
            found.append(path)
    return found


def learners(paths: Iterable[Path]) -> list[str]:
    """A name for each notebook: that of its file; with its folder where two files share one.

    >>> learners([Path("anna.ipynb"), Path("ben/03.ipynb"), Path("eva/03.ipynb")])
    ['anna', 'ben/03', 'eva/03']
    """
    paths = list(paths)
    count = Counter(path.stem for path in paths)
    return [
        path.stem if count[path.stem] == 1 else path.with_suffix("").as_posix() for path in paths
    ]


def read_cells(path: Path) -> list[tuple[str, str]]:
    """The cells of a notebook as pairs of kind and source.

    Raises
    ------
    UnreadableNotebook
        If it is not there, too large, no notebook, or without code.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise UnreadableNotebook(
                f"{size / 1e6:.0f} MB; at most {LARGEST // 1_000_000} are read: clear its outputs"
            )
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UnreadableNotebook(f"cannot be opened: {error.strerror or error}") from None
    except RecursionError:
        raise UnreadableNotebook("no notebook: it nests too deeply") from None
    except ValueError as error:
        what = "the file is empty" if size == 0 else f"no JSON, or cut off ({error})"
        raise UnreadableNotebook(f"no notebook: {what}") from None
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        old = isinstance(content, dict) and "worksheets" in content
        hint = ", of an old format: open it in Jupyter and save it" if old else ": it has no cells"
        raise UnreadableNotebook(f"no notebook{hint}")
    cells = []
    for cell in content["cells"]:
        source = cell.get("source", "") if isinstance(cell, dict) else ""
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if isinstance(source, str) and isinstance(cell, dict):
            cells.append((str(cell.get("cell_type")), source))
    if not any(kind == "code" and source.strip() for kind, source in cells):
        raise UnreadableNotebook("there is no code in it")
    return cells


def chapter_of(cells: Iterable[tuple[str, str]], path: Path) -> str:
    """The chapter whose exercises a notebook holds: most of those it names, else by file name.

    Raises
    ------
    UnreadableNotebook
        If there is none.
    """
    ids = {id for _, source in cells for id in STATED.findall(source)}
    counts = Counter(id.partition(".")[0] for id in sorted(ids))
    known = [chapter for chapter, _ in counts.most_common() if chapter in kernel.chapters()]
    if known:
        return known[0]
    by_name = re.search(r"\d{2}(?=_)", path.stem)
    if by_name and str(int(by_name[0])) in kernel.chapters():
        return str(int(by_name[0]))
    raise UnreadableNotebook("no exercise of the series was found in it")


def write_csv(results: Iterable[Result], file: TextIO) -> None:
    """A row for each notebook, a column for each exercise that any of them has."""
    results = list(results)
    ids = {id for result in results for id in result.verdicts}
    ids = sorted(ids, key=lambda id: [int(part) for part in id.split(".")])
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["learner", "file", "correct", "of", *ids, "remarks"])
    for result in results:
        keys = [id for id in ids if id in result.remarks]  # in their order, then all others
        keys += [key for key in result.remarks if key not in keys]
        remarks = result.unreadable or "; ".join(f"{key}: {result.remarks[key]}" for key in keys)
        verdicts = [result.verdicts.get(id, "") for id in ids]
        counts = ["", ""] if result.unreadable else [result.correct, len(result.verdicts)]
        row = [result.learner, result.path.as_posix(), *counts, *verdicts, remarks]
        writer.writerow([_harmless(value) for value in row])


# ---------------------------------------------------------------------------- one notebook


def _grade(result: Result, limits: Limits) -> None:
    cells = read_cells(result.path)
    ids = [e.id for e in kernel.chapter_exercises(chapter_of(cells, result.path))]
    result.verdicts = dict.fromkeys(ids, "not attempted")
    sources = [source for kind, source in cells if kind == "code"]
    _run(result, sources, ids, limits)


def _run(result: Result, sources: list[str], ids: list[str], limits: Limits) -> None:
    """Run a notebook, again without what it had to be stopped in, until it comes to its end."""
    skip: set[int] = set()
    for _ in range(STOPS):
        left = [id for id in ids if result.verdicts[id] != "correct"]
        plan = {"cells": sources, "ids": left, "skip": sorted(skip), **vars(limits)}
        at, reason = _follow(result, plan, limits)
        if not reason:
            return
        verdict = "timeout" if reason == ENDLESS else "error"
        if "check" in at:
            result.note(at["check"], verdict, reason)
            ids = [id for id in ids if id != at["check"]]
        elif "begin" in at:
            skip.add(at["begin"])
            for id in at["ids"]:
                result.note(id, verdict, reason)
            result.remarks[f"code cell {at['begin'] + 1}"] = reason
        else:
            raise UnreadableNotebook(f"could not be run: {reason}")
    result.remarks["notebook"] = f"stopped {STOPS} times; what was left was not run"


def _follow(result: Result, plan: dict, limits: Limits) -> tuple[dict, str]:
    """Start a worker and take down what it tells; what it did last, and why it was stopped."""
    token, at = secrets.token_hex(16), {}
    plan = {**plan, "token": token}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with open(os.path.join(folder, ".errors"), "w+", encoding="utf-8") as errors:
            work = os.path.join(folder, "work")
            os.mkdir(work)
            process = _start(work, errors)
            lines: queue.Queue[str] = queue.Queue()
            threading.Thread(target=_talk, args=(process, plan, lines), daemon=True).start()
            try:
                seconds = START
                while True:
                    line = lines.get(timeout=seconds)
                    if not line:
                        process.wait()
                        return at, _why(process.returncode, errors, at)
                    stamp, _, text = line.partition(" ")
                    if stamp != token:
                        continue
                    message = json.loads(text)
                    if "done" in message:
                        return at, ""
                    seconds = 30 + 3 * limits.seconds
                    if "begin" in message or "check" in message:
                        at = message
                    _take_down(result, message)
            except queue.Empty:
                return at, ENDLESS if at else f"it had not begun after {seconds:g} s"
            finally:
                _end(process)


def _take_down(result: Result, message: dict) -> None:
    if "verdict" in message:
        result.note(message["verdict"], message["status"], message["text"])
    elif "failed" in message:
        for id in message["ids"]:
            result.note(id, "error", f"its cell {message['text']}")
        if not message["ids"]:
            result.remarks[f"code cell {message['failed'] + 1}"] = message["text"]


def _start(folder: str, errors: TextIO) -> subprocess.Popen:
    home = str(Path(__file__).resolve().parents[3])
    search = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    quiet = {"MPLBACKEND": "Agg", "TQDM_DISABLE": "1", "PYTHONHASHSEED": "0"}
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "crnn_lib.lessons.grading.worker"],
        cwd=folder,
        env={**os.environ, **quiet, **threads, "PYTHONPATH": os.pathsep.join(search)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def _talk(process: subprocess.Popen, plan: dict, lines: queue.Queue) -> None:
    """Hand the plan over and pass on what comes back; an empty line at the end."""
    try:
        with process.stdin as stream:
            json.dump(plan, stream)
        for line in process.stdout:
            lines.put(line)
    except (OSError, ValueError):  # the worker died, or was stopped
        pass
    lines.put("")


def _end(process: subprocess.Popen) -> None:
    """End a worker and whatever it has started."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    process.kill()
    process.wait()


def _why(status: int, errors: TextIO, at: dict) -> str:
    """Why a worker ended before its time, in words."""
    if not at:
        errors.seek(0)
        last = errors.read().strip().splitlines()[-1:] or [f"exit status {status}"]
        return last[0]
    if status < 0:
        name = signal.Signals(-status).name
        if name == "SIGXCPU":
            return ENDLESS
        return f"its process was ended by the system ({name}): out of memory?"
    return f"it ended its process (exit status {status})"


def _harmless(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
