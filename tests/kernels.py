"""Kernels, and workers of pytest-xdist, forked from a process that has imported torch and numba.

Each notebook has a process of its own, in its own folder and environment, as ever. Only what most
of its start goes into is not done again: four CPU seconds a notebook, seven a worker. All share the
one process that they are forked from. matplotlib is not imported beforehand, for it asks then what
is going to draw.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import secrets
import select
import signal
import socket
import subprocess
import sys
import types

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


class Forks:
    """The process that others are forked from, started when the first is asked for.

    Parameters
    ----------
    address : str, optional
        Of one that another process started.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address, self._process = address, None

    @property
    def address(self) -> str:
        if self._address is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            atexit.register(self._end)
            self._address = self._process.stdout.readline().strip()
        return self._address

    def __call__(self, command, environment, folder, files) -> Forked:
        """Fork what ``python`` with that command would be; files are its first three."""
        asked = json.dumps([command, dict(environment), str(folder)]).encode()
        with socket.socket(socket.AF_UNIX) as to:
            to.connect(f"\0{self.address}")
            socket.send_fds(to, [asked], files)
            to.shutdown(socket.SHUT_WR)
            with to.makefile() as answer:
                return Forked(int(answer.read()))

    def _end(self) -> None:
        self._process.stdin.close()
        self._process.wait()  # so that its CPU time, and that of its forks, is counted as ours


class Launcher:
    """Takes the place of jupyter_client's ``launch_kernel``.

    Parameters
    ----------
    plain : callable
        jupyter_client's own, for all that is no IPython kernel of this Python.
    forks : Forks
    """

    def __init__(self, plain, forks: Forks) -> None:
        self.plain, self.forks = plain, forks

    def __call__(self, command, *, env=None, cwd=None, stderr=None, **others):
        quiet = getattr(stderr, "name", None) == os.devnull  # as nbval has it
        if (
            command[:3] != LAUNCHED
            or any(others.values())
            or not (stderr is None or quiet)
            or not hasattr(os, "pidfd_open")
        ):
            return self.plain(command, env=env, cwd=cwd, stderr=stderr, **others)
        environment = os.environ if env is None else env
        with open(os.devnull, "r+b", buffering=0) as nothing:
            said = nothing.fileno() if quiet else 2
            files = [nothing.fileno(), said, said]
            return self.forks(command[1:], environment, cwd or os.getcwd(), files)


def fork_workers(forks: Forks) -> None:
    """Let pytest-xdist fork its workers; each finds the address of the forks in ``CRNN_FORKS``."""
    from execnet import gateway_io

    class Popen2IOMaster(gateway_io.Popen2IOMaster):
        def __init__(self, args, execmodel) -> None:
            if args != [sys.executable, "-u", "-c", gateway_io.popen_bootstrapline]:
                super().__init__(args, execmodel)
                return
            (its_stdin, stdin), (stdout, its_stdout) = os.pipe(), os.pipe()
            environment = {**os.environ, "CRNN_FORKS": forks.address}
            self.popen = forks(args[2:], environment, os.getcwd(), [its_stdin, its_stdout, 2])
            os.close(its_stdin)
            os.close(its_stdout)
            to, back = open(stdin, "wb"), open(stdout, "rb")
            gateway_io.Popen2IO.__init__(self, to, back, execmodel=execmodel)

    gateway_io.Popen2IOMaster = Popen2IOMaster


def serve() -> None:
    """Fork for whoever asks, until the standard input ends."""
    del sys.path[0]  # the tests
    address = f"crnn-{secrets.token_hex(16)}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"\0{address}")
    listener.listen()
    print(address, flush=True)
    for name in BEFOREHAND:
        with contextlib.suppress(ImportError):  # a kernel says what is not there
            importlib.import_module(name)
    with contextlib.suppress(ImportError, AttributeError):
        target = importlib.import_module("numba.core.registry").cpu_target
        target.typing_context.refresh()
        target.target_context.refresh()
    gc.freeze()
    signal.signal(signal.SIGCHLD, reap)
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        asker, _ = listener.accept()
        with asker:
            text, files, _, _ = socket.recv_fds(asker, 2**16, 3)
            while more := asker.recv(2**16):
                text += more
            if os.fork() == 0:
                listener.close()
                become(*json.loads(text), files, asker)
                return
        for file in files:
            os.close(file)


def reap(*_) -> None:
    """Let go of the forks that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def become(command: list[str], environment: dict, folder: str, files: list[int], asker) -> None:
    """Be what ``python`` with that command would be."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    asker.sendall(str(os.getpid()).encode())  # who kills its group from here on kills nothing else
    asker.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    kind, what, *arguments = command
    sys.argv = [kind, *arguments]
    if kind == "-c":
        sys.modules["__main__"] = types.ModuleType("__main__")
        exec(what, vars(sys.modules["__main__"]))
    else:
        os.environ["JPY_PARENT_PID"] = str(os.getppid())
        sys.path.insert(0, folder)
        runpy.run_module(what, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve()
