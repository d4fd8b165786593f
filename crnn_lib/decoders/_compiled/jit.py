"""How the loops are compiled: once on a machine, and kept on disk."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

try:
    from numba import config, njit
except ImportError:  # the same loops, some hundred times slower
    njit = None  # type: ignore[assignment]

#: Seconds after which it is said what takes so long. Where outputs are compared with stored ones,
#: which have no such words, the variable asks for more.
PATIENCE = float(os.environ.get("CRNN_PATIENCE", "1"))
REASSOCIATE = {"reassoc", "nsz", "contract"}


def compiled(function):
    """Compile at the first call, and keep the result on disk if there is a place for it."""
    return _compiled(function)


def inner(function):
    """The same for what only other compiled functions call: there is less to compile."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def inner_sum(function):
    """The same for one whose sums may be added up in any order, so several at once."""
    return _compiled(function, fastmath=REASSOCIATE, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _compiled(function, **options):
    if njit is None:
        return function
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # neither beside the code nor in the user's folder
        pass
    before, folder = getattr(config, "CACHE_DIR", ""), own_folder()
    if folder is None:
        return njit(**options)(function)
    try:
        config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
        return njit(cache=True, **options)(function)
    except RuntimeError:
        return njit(**options)(function)
    finally:
        config.CACHE_DIR = before  # type: ignore[attr-defined]


def own_folder() -> Path | None:
    """A folder for temporary files that belongs to this user and to nobody else."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    folder = Path(tempfile.gettempdir(), f"crnn_lib-compiled-{user}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    if hasattr(os, "getuid") and (
        found.st_uid != user or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077
    ):
        return None  # somebody else's, who could put code there
    return folder if os.access(folder, os.W_OK) else None


def is_on_disk(kernel) -> bool:
    """Whether it was compiled before, as far as can be told."""
    index = getattr(getattr(kernel._cache, "_cache_file", None), "_index_path", None)
    return index is not None and Path(index).exists()


@contextmanager
def first_use(kernel, what: str):
    """Say what is happening if a kernel's first call takes more than a second."""
    if getattr(kernel, "signatures", True) or is_on_disk(kernel):
        yield
        return

    def say() -> None:
        print(
            f"Compiling {what} for this machine: some seconds, once per installation.",
            file=sys.stderr,
            flush=True,
        )

    timer = threading.Timer(PATIENCE, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
