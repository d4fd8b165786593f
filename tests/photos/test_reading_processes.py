"""Several processes that read: what a script lacks is said, and nobody waits for what nobody reads.

What they read with is a function of a script here, so that no process has to import torch.
"""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from crnn_lib.photos._processes import read_in_processes

HANGS = 120  # seconds after which a script is taken for one that never ends
SCRIPT = """
import os, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs behind a shell ignores it
from crnn_lib.photos._processes import FILES, read_in_processes

class Reads:
    def __init__(self):
        self.load = bytes(1_000_000)  # more than a pipe holds

    def __call__(self, paths):
        if "endless" in paths:
            threading.Event().wait()
        if "deadly" in paths:
            os._exit(1)
        return paths

def rows(last):
    return read_in_processes(Reads(), [*["1"] * FILES, last], 1)  # two tasks
"""
NO_GUARD = "print(list(read_in_processes(Reads(), ['1', '2'], 2)))"
STOPS_EARLY = """
if __name__ == "__main__":
    for row in rows("endless"):
        print(row)
        break
"""
STOPPED = """
if __name__ == "__main__":
    try:
        for row in rows("endless"):
            print(row, flush=True)
            os.killpg(0, signal.SIGINT)  # as a terminal does: all of them get it
    except KeyboardInterrupt:
        print("stopped")
"""
DIES = """
if __name__ == "__main__":
    try:
        print(list(rows("deadly")))
    except ChildProcessError as error:
        print(error)
"""


def run(script: Path, text: str) -> subprocess.CompletedProcess:
    script.write_text(SCRIPT + text)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(script)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=HANGS,
        env=environment,
        check=False,
        start_new_session=True,
    )


def test_a_script_without_a_guard_ends_and_says_so(tmp_path):
    done = run(tmp_path / "script.py", NO_GUARD)
    assert done.returncode == 1 and not done.stdout
    # other processes may say something after it
    (said,) = (row for row in done.stderr.splitlines() if row.startswith("ChildProcessError: "))
    assert 'below if __name__ == "__main__":' in said and "workers=2" in said


def test_who_stops_early_waits_for_nobody(tmp_path):
    done = run(tmp_path / "script.py", STOPS_EARLY)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Windows sends no signal to a group")
def test_ctrl_c_stops_all_of_them_without_a_word(tmp_path):
    done = run(tmp_path / "script.py", STOPPED)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\nstopped\n", "")


def test_a_process_that_dies_is_named(tmp_path):
    done = run(tmp_path / "script.py", DIES)
    assert done.stdout.startswith("One of 1 processes died while it read"), done.stderr


def test_a_function_that_only_this_process_has_is_named(monkeypatch):
    module = types.ModuleType("only_here")
    exec("def reads(paths):\n    return paths", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)
    with pytest.raises(ValueError, match=r"cannot be sent.*only_here.*into a file of its own"):
        list(read_in_processes(module.reads, ["1"], 1))


@pytest.mark.parametrize("workers", [-1, 1.5, "2"])
def test_workers_is_a_whole_number(workers):
    with pytest.raises(ValueError, match="workers is a"):
        next(read_in_processes(len, ["1"], workers))


def test_no_files_need_no_process():
    assert list(read_in_processes(len, [], 2)) == []
