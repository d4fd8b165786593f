"""One reader in several processes: each reads some files at once; their rows come in order."""

from __future__ import annotations

import multiprocessing
import operator
import pickle
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

# torch is imported by a reader that is unpickled, not here: a Ctrl-C while a new process imports
# it would be told with all the lines that this process had come to.

FILES = 32  # of one task at most: enough lines for full batches of the network
WAITING = 2  # tasks for each process that are given out before their turn
UNSENT = (
    "This reader cannot be sent to other processes: {}. A decoder can if it is a function of a "
    "module, or functools.partial of one; a function that is defined in a notebook, or below "
    'if __name__ == "__main__":, cannot. Put it into a file of its own and import it, or leave '
    "workers out."
)
NOT_STARTED = (
    "A process ended before it had read anything; what it said stands above. In a script, the line "
    'that asks for workers={} belongs below if __name__ == "__main__":, for each process imports '
    "the script. If it does stand there, the memory may not hold them all: ask for fewer."
)
DIED = (
    "One of {} processes died while it read, as happens when the memory does not hold them all. "
    "Ask for fewer workers."
)

_reads: Any  # how a process of the pool reads files, or a sentence that says why it cannot


class _NoReader(Exception):
    """A process could not make the reader that it was sent."""


def read_in_processes(
    reads: Callable[[list[str]], Iterable[Any]], paths: Sequence[str], workers: int
) -> Iterator[Any]:
    """The rows that ``reads`` makes of files, a method of a reader, from so many processes."""
    try:
        workers = operator.index(workers)
    except TypeError:
        raise ValueError(f"workers is a whole number; got {workers!r}.") from None
    if workers < 0:
        raise ValueError(f"workers is a number of processes, 0 or more; got {workers}.")
    try:
        packed = pickle.dumps(reads)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(UNSENT.format(error)) from None
    if not paths:
        return
    size = min(FILES, -(-len(paths) // workers))  # of a task: each process gets one
    tasks = [list(paths[start : start + size]) for start in range(0, len(paths), size)]
    with tempfile.TemporaryDirectory(prefix="crnn_lib-") as folder:
        # In a file: an argument of a new process may be no larger than a pipe. If the process ends
        # before it has taken one, whoever starts it waits without end.
        file = Path(folder, "reader")
        file.write_bytes(packed)
        yield from _rows(str(file), tasks, min(workers, len(tasks)))


def _rows(file: str, tasks: list[list[str]], workers: int) -> Iterator[Any]:
    given, waiting, begun, ended = iter(tasks), deque[Future](), False, False
    # Not forked: torch's threads do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, spawn, initializer=_begin, initargs=(file,))
    try:
        while True:
            while len(waiting) < WAITING * workers and (task := next(given, None)):
                waiting.append(pool.submit(_read, task))
            if not waiting:
                ended = True
                return
            rows = pickle.loads(waiting.popleft().result())
            begun = True
            yield from rows
    except _NoReader as error:
        raise ValueError(UNSENT.format(error)) from None
    except BrokenProcessPool:
        raise ChildProcessError((DIED if begun else NOT_STARTED).format(workers)) from None
    finally:
        if not ended:  # after Ctrl-C, or at the end of a pipe, nobody waits for what is still read
            for process in list((pool._processes or {}).values()):
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(file: str) -> None:
    global _reads
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a process without a word
    try:
        _reads = pickle.loads(Path(file).read_bytes())
    except Exception as error:  # whatever a reader holds imports modules of the user
        _reads = str(error)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _read(paths: list[str]) -> bytes:
    if isinstance(_reads, str):
        raise _NoReader(_reads)
    # As bytes: tensors would be shared through files, of which a process may open a thousand.
    return pickle.dumps(list(_reads(paths)))
