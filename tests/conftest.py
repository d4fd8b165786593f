"""What every test shares: one environment for all kernels, and a limit on the notebooks' time."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib
import pytest

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = re.search(
    r'^Repository = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
).group(1)
# An absolute path that makes sense on one machine only, and is not the tail of an address.
MACHINE_PATH = re.compile(r"(?<![\w.$~/-])/(?:home|Users|root|work|opt|srv|mnt|tmp)/[\w./-]*")


def load_executor():
    """Import notebooks/execute.py, which is a script and belongs to no package."""
    if "execute" not in sys.modules:
        spec = importlib.util.spec_from_file_location("execute", ROOT / "notebooks" / "execute.py")
        sys.modules["execute"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["execute"])
    return sys.modules["execute"]


# nbval's kernels inherit this process's environment, so it must be the one in which the
# committed outputs were made. This file is read before torch and tqdm are.
os.environ.update(load_executor().KERNEL_ENV)
os.environ.pop("MPLBACKEND", None)  # a kernel chooses its own
matplotlib.use("Agg")


class NotebookClock:
    """Fails the cell with which a notebook, or the whole series, takes too long.

    A plugin of its own, because hooks of this file see no items outside tests/.
    """

    def __init__(self) -> None:
        self.per_notebook = float(os.environ.get("CRNN_NOTEBOOK_SECONDS", 60))
        self.per_series = 8 * self.per_notebook
        self.seconds: dict[Path, float] = defaultdict(float)
        self.told: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if item.path.suffix == ".ipynb":
            self.seconds[item.path] += call.duration
            limits = {
                item.path.name: (self.seconds[item.path], self.per_notebook),
                "the series": (sum(self.seconds.values()), self.per_series),
            }
            for name, (spent, limit) in limits.items():
                if spent > limit and name not in self.told and call.when == "call":
                    if report.passed:
                        self.told.add(name)
                        report.outcome = "failed"
                        report.longrepr = (
                            f"{name} takes longer than {limit:g} s. Do less in the cells, or load "
                            "what takes long from a file. On a busy machine, "
                            "CRNN_NOTEBOOK_SECONDS=300 allows more."
                        )
        return report

    def pytest_terminal_summary(self, terminalreporter):
        if self.seconds:
            terminalreporter.section("seconds per notebook")
            for path, spent in sorted(self.seconds.items()):
                terminalreporter.line(f"{spent:6.1f}  {path.name}")
            terminalreporter.line(f"{sum(self.seconds.values()):6.1f}  together")


def pytest_configure(config):
    config.pluginmanager.register(NotebookClock())
