"""One reader in several processes: each reads some files at once, and their rows come in order."""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch

FILES = 32  # of one task: enough lines for full batches of the network
WAITING = 2  # tasks for each process that are given out before their turn

_reader: Any  # the Reader of a process of the pool


def read_in_processes(reader: Any, paths: Sequence[str], workers: int) -> Iterator[Any]:
    """The rows of :meth:`crnn_lib.photos.Reader.read_many`, from so many processes."""
    if workers < 0:
        raise ValueError(f"workers is a number of processes, 0 or more; got {workers}.")
    try:
        packed = pickle.dumps(reader)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"This reader cannot be sent to other processes: {error}. A decoder that is a function "
            "of a module can, and functools.partial of it; or leave workers out."
        ) from None
    files, tasks = iter(paths), deque[Future]()
    # Not forked: torch's threads do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, spawn, initializer=_begin, initargs=(packed,))
    try:
        while True:
            while len(tasks) < WAITING * workers and (some := list(itertools.islice(files, FILES))):
                tasks.append(pool.submit(_read, some))
            if not tasks:
                return
            yield from pickle.loads(tasks.popleft().result())
    except BrokenProcessPool:
        raise RuntimeError(
            f"One of {workers} processes died while it read, as happens when the memory does not "
            "hold them all. Ask for fewer workers."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(packed: bytes) -> None:
    global _reader
    torch.set_num_threads(1)
    _reader = pickle.loads(packed)


def _read(paths: list[str]) -> bytes:
    # As bytes: tensors would be shared through files, of which a process may open a thousand.
    return pickle.dumps(list(_reader.read_many(paths)))
