"""Learners' notebooks graded: which exercises are right, and what is wrong with the others.

The code of others is run, in a process of its own with a limit on its time and its memory, in an
empty folder. That stops accidents: a loop that never ends, a list that fills the memory, a cell
that fails. **It is no sandbox.** The code may read and write what you may, and use the network.
Grade the work of people you know, or do it in a container or on a machine that holds nothing else.

A verdict comes from a check made here on the function of the right name. What a notebook printed,
and what its outputs say, counts for nothing. Quizzes are not graded.
"""

from __future__ import annotations

import contextlib
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
FORKS = sys.platform == "linux"  # as the worker has it
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
    with contextlib.closing(_Workers()) as workers:
        for number, (path, learner) in enumerate(zip(paths, learners(paths), strict=True), 1):
            result = Result(path, learner)
            try:
                _grade(result, limits, workers)
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


def _grade(result: Result, limits: Limits, workers: _Workers) -> None:
    cells = read_cells(result.path)
    ids = [e.id for e in kernel.chapter_exercises(chapter_of(cells, result.path))]
    result.verdicts = dict.fromkeys(ids, "not attempted")
    sources = [source for kind, source in cells if kind == "code"]
    _run(result, sources, ids, limits, workers)


def _run(
    result: Result, sources: list[str], ids: list[str], limits: Limits, workers: _Workers
) -> None:
    """Run a notebook, again without what it had to be stopped in, until it comes to its end."""
    skip: set[int] = set()
    for _ in range(STOPS):
        left = [id for id in ids if result.verdicts[id] != "correct"]
        plan = {"cells": sources, "ids": left, "skip": sorted(skip), **vars(limits)}
        at, reason = _follow(result, plan, limits, workers)
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


def _follow(result: Result, plan: dict, limits: Limits, workers: _Workers) -> tuple[dict, str]:
    """Let a worker carry out a plan; what it did last, and why it was stopped."""
    token, at, done = secrets.token_hex(16), {}, False
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        workers.begin({**plan, "token": token, "folder": os.path.realpath(folder)})
        seconds = START
        try:
            while True:
                line = workers.lines.get(timeout=seconds)
                if not line:
                    status = workers.end_process(patience=30.0)
                    return at, "" if done else workers.why(at, status)
                stamp, _, text = line.partition(" ")
                if stamp != token:
                    continue
                message = json.loads(text)
                if "pid" in message:
                    workers.pid = message["pid"]
                    continue
                if "ended" in message:
                    workers.pid = None
                    return at, "" if done else workers.why(at, message["ended"])
                seconds = 30 + 3 * limits.seconds
                if "done" in message:
                    done = True
                    continue
                if "begin" in message or "check" in message:
                    at = message
                _take_down(result, message)
        except queue.Empty:
            if done:
                return at, ""
            return at, ENDLESS if at else f"it had not begun after {seconds:g} s"
        finally:
            workers.end()


def _take_down(result: Result, message: dict) -> None:
    if "verdict" in message:
        result.note(message["verdict"], message["status"], message["text"])
    elif "failed" in message:
        for id in message["ids"]:
            result.note(id, "error", f"its cell {message['text']}")
        if not message["ids"]:
            result.remarks[f"code cell {message['failed'] + 1}"] = message["text"]


class _Workers:
    """A process for each plan, one after the other: see :mod:`crnn_lib.lessons.grading.worker`.

    Attributes
    ----------
    lines : queue.Queue of str
        What the process says; an empty line at its end.
    pid : int or None
        Of the process that runs a notebook now.
    """

    def __init__(self) -> None:
        self.lines: queue.Queue[str] = queue.Queue()
        self.pid: int | None = None
        self._process: subprocess.Popen | None = None
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")

    def begin(self, plan: dict) -> None:
        """Hand over a plan; to a new process, if there is none or it has ended."""
        if self._process is None or self._process.poll() is not None:
            self.end_process()
            self._errors.seek(0)
            self._errors.truncate()
            self.lines = queue.Queue()
            self._process = _start(self._folder.name, self._errors)
            about = self._process.stdout, self.lines
            threading.Thread(target=_listen, args=about, daemon=True).start()
        about = self._process.stdin, json.dumps(plan) + "\n"
        threading.Thread(target=_hand_over, args=about, daemon=True).start()

    def why(self, at: dict, status: int) -> str:
        """Why a worker ended before its time, in words."""
        if not at:
            self._errors.seek(0)
            last = self._errors.read().strip().splitlines()[-1:] or [f"exit status {status}"]
            return last[0]
        if status < 0:
            name = signal.Signals(-status).name
            if name == "SIGXCPU":
                return ENDLESS
            return f"its process was ended by the system ({name}): out of memory?"
        return f"it ended its process (exit status {status})"

    def end(self) -> None:
        """End the worker and whatever it has started."""
        if not FORKS:
            self.end_process()
        elif self.pid is not None:
            _kill_group(self.pid)
        self.pid = None

    def close(self) -> None:
        self.end()
        self.end_process()
        self._errors.close()
        self._folder.cleanup()

    def end_process(self, patience: float = 0.0) -> int:
        """End the process that takes plans, if it does not end by itself; its exit status."""
        if self._process is None:
            return 0
        try:
            status = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        _kill_group(self._process.pid)  # what it has started may live on
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()
        self._process = None
        return status


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


def _listen(stream: TextIO, lines: queue.Queue) -> None:
    """Pass on what a process says."""
    with contextlib.suppress(OSError, ValueError), stream:
        for line in stream:
            lines.put(line)
    lines.put("")


def _hand_over(stream: TextIO, text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # the process died, or was stopped
        stream.write(text)
        stream.flush()


def _kill_group(pid: int) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _harmless(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
