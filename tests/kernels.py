"""Kernels that are forked from a process in which torch, numba and IPython are imported already.

Each notebook has a process of its own, in its own folder and environment, as ever. Only what most
of its start goes into is not done again: four CPU seconds a notebook. matplotlib is not imported
beforehand, for it asks then what is going to draw.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys

# numba looks through all that it can compile before the first kernel is loaded; torch imports its
# compiler where the first optimizer is made.
BEFOREHAND = ("ipykernel.kernelapp", "torch", "torch._dynamo", "numba", "scipy.ndimage")
LAUNCHED = [sys.executable, "-m", "ipykernel_launcher"]


class Forked:
    """What jupyter_client needs of a ``subprocess.Popen``, for a process that is no child."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        try:
            self._ends = os.pidfd_open(pid)
        except ProcessLookupError:
            self.returncode = 0  # nobody can know

    def poll(self) -> int | None:
        if self.returncode is None:
            self._wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None and not self._wait(timeout):
            raise subprocess.TimeoutExpired(LAUNCHED, timeout)
        return self.returncode

    def _wait(self, timeout: float | None) -> bool:
        ended = bool(select.select([self._ends], [], [], timeout)[0])
        if ended:
            os.close(self._ends)
            self.returncode = 0
        return ended

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._ends, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class Launcher:
    """Takes the place of jupyter_client's ``launch_kernel``.

    Parameters
    ----------
    plain : callable
        jupyter_client's own, for all that is no IPython kernel of this Python.
    """

    def __init__(self, plain) -> None:
        self.plain = plain
        self._process: subprocess.Popen | None = None

    def __call__(self, command, *, env=None, cwd=None, stderr=None, **others):
        quiet = getattr(stderr, "name", None) == os.devnull  # as nbval has it
        if (
            command[:3] != LAUNCHED
            or any(others.values())
            or not (stderr is None or quiet)
            or not hasattr(os, "pidfd_open")
        ):
            return self.plain(command, env=env, cwd=cwd, stderr=stderr, **others)
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            atexit.register(self._end, self._process)
        environment = dict(os.environ if env is None else env)
        asked = command[2:], environment, cwd or os.getcwd(), quiet
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()))

    @staticmethod
    def _end(process: subprocess.Popen) -> None:
        process.stdin.close()
        process.wait()  # so that its CPU time, and that of its kernels, is counted as ours


def serve() -> None:
    """Fork a kernel for each line of the standard input."""
    del sys.path[0]  # the tests
    for name in BEFOREHAND:
        with contextlib.suppress(ImportError):  # a kernel says what is not there
            importlib.import_module(name)
    with contextlib.suppress(ImportError, AttributeError):
        target = importlib.import_module("numba.core.registry").cpu_target
        target.typing_context.refresh()
        target.target_context.refresh()
    signal.signal(signal.SIGCHLD, reap)
    for line in iter(sys.stdin.readline, ""):
        if os.fork() == 0:
            become(*json.loads(line))
            break


def reap(*_) -> None:
    """Let go of the kernels that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def become(command: list[str], environment: dict[str, str], folder: str, quiet: bool) -> None:
    """Be what ``python -m`` with that command would be."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.write(1, f"{os.getpid()}\n".encode())  # from here on, who kills its group kills nothing else
    with open(os.devnull, "r+b", buffering=0) as nothing:
        os.dup2(nothing.fileno(), 0)
        if quiet:
            os.dup2(nothing.fileno(), 2)
    os.dup2(2, 1)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment, JPY_PARENT_PID=str(os.getppid()))
    sys.path.insert(0, folder)
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve()
