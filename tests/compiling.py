"""Kernels that one worker of pytest-xdist compiles while the others wait and then load them.

Where nothing is compiled yet, as in a fresh checkout, each worker would do it: 27 CPU seconds.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows each compiles for itself
    fcntl = None


@contextlib.contextmanager
def locked(path: Path):
    """Hold a file that other processes wait for."""
    with path.open() as file:  # closed, it is let go of
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def take_turns(path: Path) -> None:
    """Let numba compile or load a kernel only in the process that holds the file."""
    try:
        from numba.core.dispatcher import Dispatcher
    except ImportError:
        return
    if fcntl is None:
        return
    compile, turn, waiting = Dispatcher.compile, threading.RLock(), []

    @functools.wraps(compile)
    def in_turn(self, signature):
        with turn, contextlib.ExitStack() as held:
            if not waiting:  # the kernels that a kernel calls are compiled in its turn
                held.enter_context(locked(path))
            waiting.append(self)
            held.callback(waiting.pop)
            return compile(self, signature)

    Dispatcher.compile = in_turn
