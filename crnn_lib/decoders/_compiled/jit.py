"""How the loops are compiled: once on a machine, and kept on disk.

Nobody waits for that who has little to read: the loops are Python as well, and Python runs them as
they stand, with the same result to the last bit. Meanwhile a process beside this one compiles.
"""

from __future__ import annotations

import atexit
import math
import os
import pickle
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import TypeVar

import numpy as np

try:
    from numba import config, njit
except ImportError:  # the same loops, some hundred times slower
    njit = None  # type: ignore[assignment]

#: Seconds after which it is said what takes so long. Where outputs are compared with stored ones,
#: which have no such words, the variable asks for more.
PATIENCE = float(os.environ.get("CRNN_PATIENCE", "1"))
#: "beside": as above. "first": a kernel is compiled before it is used, whatever there is to read.
COMPILE = os.environ.get("CRNN_COMPILE", "beside")
LITTLE = 1.0  # seconds that plain Python may take for what there is to read
LONGEST = 120.0  # seconds to wait for a process beside, which takes some ten
REASSOCIATE = {"reassoc", "nsz", "contract"}

Read = TypeVar("Read")


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


# What is read before the compiler is done -------------------------------------------------------

_BESIDE = """
import gc, importlib, pickle, sys
gc.disable()
sys.path[:] = pickle.load(sys.stdin.buffer)
module, name, types = pickle.load(sys.stdin.buffer)
getattr(importlib.import_module(module), name).compile(types)
"""
_begun: dict[str, object] = {}  # kernel -> whoever was the first to start a process for it
_beside: dict[str, subprocess.Popen] = {}  # kernel -> the process that compiles it


class _OutOfRange(Exception):
    """Python refuses a number that compiled code would go on with."""


def first_use(
    kernel: Callable, what: str, read: Callable[[Callable], Read | None], seconds: float = math.inf
) -> Read:
    """``read(kernel)``; or, until it is compiled, ``read`` with the same loops in plain Python.

    Parameters
    ----------
    kernel : callable
    what : str
        What it does, if it takes more than a second and has to be said.
    read : callable
        Gets the kernel, or what stands for it. In the second case it may return None: this turned
        out to be too much for Python.
    seconds : float
        What Python would take. If it is more than ``LITTLE``, the kernel is compiled first.
    """
    if is_ready(kernel):
        return read(kernel)  # type: ignore[return-value]
    if COMPILE == "beside" and seconds <= LITTLE and index_path(kernel) and not _gone(kernel):

        def stand_in(*arguments):
            _compile_beside(kernel, arguments)
            try:
                with np.errstate(all="ignore"):  # as in compiled code
                    return plain(kernel)(*arguments)
            except (ArithmeticError, ValueError) as error:
                raise _OutOfRange from error

        try:
            found = read(stand_in)
        except _OutOfRange:
            found = None
        if found is not None:
            return found
    with compiling(kernel, what):
        if kernel_name(kernel) in _beside:
            with suppress(subprocess.TimeoutExpired):
                _beside[kernel_name(kernel)].wait(LONGEST)
        return read(kernel)  # type: ignore[return-value]


def is_ready(kernel) -> bool:
    """Whether a kernel is compiled, here or on disk, as far as can be told."""
    if getattr(kernel, "overloads", True):  # "signatures" would hash them all
        return True
    path = index_path(kernel)
    if path is None or not path.exists():
        return False
    return kernel_name(kernel) not in _beside or _gone(kernel)  # else it is being written


def index_path(kernel) -> Path | None:
    """Where it stands what was compiled of a kernel; None if nothing is kept on disk."""
    path = getattr(getattr(kernel._cache, "_cache_file", None), "_index_path", None)
    return None if path is None else Path(path)


def kernel_name(kernel) -> str:
    return f"{kernel.py_func.__module__}.{kernel.py_func.__name__}"


@cache
def plain(kernel) -> Callable:
    """A kernel's function as it is written, and so all that it calls."""
    function = kernel.py_func
    names = dict(function.__globals__)
    for name in function.__code__.co_names:
        if hasattr(names.get(name), "py_func"):
            names[name] = plain(names[name])
    return FunctionType(function.__code__, names, function.__name__)


def _compile_beside(kernel, arguments: tuple) -> None:
    """Start a process that compiles a kernel for such arguments, and leaves it on disk."""
    name, mine = kernel_name(kernel), object()
    if _begun.setdefault(name, mine) is not mine or not _is_python(sys.executable):
        return
    types = tuple(kernel.typeof_pyval(argument) for argument in arguments)
    environment = dict(os.environ)
    if config.CACHE_DIR:  # type: ignore[attr-defined]
        environment["NUMBA_CACHE_DIR"] = config.CACHE_DIR  # type: ignore[attr-defined]
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BESIDE], env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )  # fmt: skip
        _beside[name] = process
        with process.stdin as pipe:  # type: ignore[union-attr]
            pickle.dump(sys.path, pipe)
            pickle.dump((*name.rsplit(".", 1), types), pipe)
    except OSError:  # then it is compiled here, when there is more to read
        return


def _is_python(executable: str | None) -> bool:
    """Whether that starts Python, and not a program that was made of it."""
    name = Path(executable or "").name.lower()
    return name.startswith("py") and not getattr(sys, "frozen", False)


def _gone(kernel) -> bool:
    """Whether a process beside was started for a kernel, and has ended."""
    process = _beside.get(kernel_name(kernel))
    return process is not None and process.poll() is not None


@atexit.register
def _let_go() -> None:
    """A process beside outlives this one by some seconds, for the sake of the next."""
    for process in _beside.values():
        if process.poll() is None:
            process.returncode = 0  # Popen would complain that it has not ended


@contextmanager
def compiling(kernel: Callable, what: str) -> Iterator[None]:
    """Say what is happening if a kernel's first call takes more than a second."""
    if is_ready(kernel):
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
        with _one_process_at_a_time(kernel):
            yield
    finally:
        timer.cancel()


@contextmanager
def _one_process_at_a_time(kernel) -> Iterator[None]:
    """Of several processes that begin together, one compiles; then the others find it on disk."""
    path = index_path(kernel)
    try:
        import fcntl

        if path is None:
            raise OSError
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("w")
    except (ImportError, OSError):  # then each compiles for itself
        yield
        return
    with lock:  # closing it, or the end of the process, lets go
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                ready = is_ready(kernel)  # it reads already, with what is here
                time.sleep(0.1)
            if ready:
                break
        yield
