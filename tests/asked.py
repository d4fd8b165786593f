"""Whether a notebook, run by nbval, asks where the data are.

One that never asks says the same with data and without them, and needs no second run to show it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

# Runs in the kernel before the notebook does. Who hands the whole environment on, or lets another
# Python run, has asked as well: what becomes of it is not seen here.
WATCH = """
import os, sys

class Watched(type(os.environ)):
    asked = False

    def __getitem__(self, name):
        if name == "CRNN_DATA":
            reader = sys._getframe(1)
            while reader.f_globals["__name__"] in ("collections.abc", "_collections_abc"):
                reader = reader.f_back
            # these go through all names, for their own
            Watched.asked |= not reader.f_globals["__name__"].startswith(("numba.", "tqdm."))
        return super().__getitem__(name)

processes = ("os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system")

def hear(event, details):
    if (
        event in processes
        or (event == "subprocess.Popen" and "python" in str(details[:2]))
        or (event == "import" and details[0].startswith("multiprocessing.popen_"))
    ):
        Watched.asked = True

os.environ.__class__ = Watched
sys.addaudithook(hear)
"""
ASKED = "type(__import__('os').environ).asked"


class DataAsked:
    """Watches the kernels of nbval.

    Attributes
    ----------
    asked : dict
        Path of a notebook whose cells have all passed -> whether one of them asked.
    """

    def __init__(self) -> None:
        self.asked: dict[Path, bool] = {}
        self._passed: dict[Path, int] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item):
        yield  # the kernel is there now
        if item.path.suffix == ".ipynb" and item.cell_num == 0:
            ask(item.parent.kernel.kc, f"exec({WATCH!r}, {{}})")
            self._passed[item.path] = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        yield
        if item.path in self._passed:
            self._passed[item.path] += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item, nextitem):
        if nextitem is not None and nextitem.path == item.path:
            return
        cells = getattr(getattr(item.parent, "nb", None), "cells", ())
        if self._passed.pop(item.path, 0) == sum(cell.cell_type == "code" for cell in cells) > 0:
            self.asked[item.path] = ask(item.parent.kernel.kc, "", ASKED) == "True"


def ask(client, code: str, expression: str = "None") -> str:
    """Run code in a kernel, unseen by its notebook; return what an expression then is."""
    reply = client.execute(
        code, silent=True, user_expressions={"asked": expression}, reply=True, timeout=300
    )
    answer = reply["content"]["user_expressions"]["asked"]
    assert answer["status"] == "ok", answer
    return answer["data"]["text/plain"]
