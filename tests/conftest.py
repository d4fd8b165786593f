"""What every test shares: one environment for all kernels, and who runs what in parallel."""

from __future__ import annotations

import gc
import importlib.util
import os
import re
import sys
from collections import defaultdict
from pathlib import Path

import hypothesis
import matplotlib
import pytest
from asked import DataAsked

ROOT = Path(__file__).resolve().parent.parent
collect_ignore = ["quick/rfc3987_syntax.py"]  # nobody is to import it
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


def seeded(seed: int = 0):
    """A generator of random numbers."""
    import torch  # not before the environment is set

    return torch.Generator().manual_seed(seed)


# nbval's kernels inherit this process's environment, so it must be the one in which the
# committed outputs were made. This file is read before torch and tqdm are.
os.environ.update(load_executor().KERNEL_ENV)
os.environ.pop("MPLBACKEND", None)  # a kernel chooses its own
os.environ["CRNN_COMPILE"] = "first"  # what is tested are the compiled loops, not their stand-ins
matplotlib.use("Agg")

if (ROOT / "crnn_lib").is_dir():  # elsewhere there are other notebooks, without torch
    import compiling
    import kernels
    from jupyter_client.provisioning import local_provisioner

    local_provisioner.launch_kernel = kernels.Launcher(local_provisioner.launch_kernel)
    if "PYTEST_XDIST_WORKER" in os.environ:
        compiling.take_turns(ROOT / "pyproject.toml")

# An example that takes long says that the machine is busy, not that something is wrong.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


BOOK = ("book", "slides", "reading", "exported", "reopened")
PAGES = (
    "tests/cli/test_train_detector.py",
    "tests/handwriting/test_pages.py",
    "tests/photos/test_regions.py",
    "tests/photos/test_regions_of_pages.py",
    "tests/training/test_detecting.py",
    "tests/training/test_mixtures.py",
    "tests/training/test_page_lines.py",
    "crnn_lib/handwriting/pages/composing.py",
    "crnn_lib/training/detecting.py",
)


def group_of(nodeid: str) -> str:
    """What one worker of pytest-xdist runs, one after the other, so that it is built up once."""
    path = nodeid.partition("::")[0]
    if path.endswith(tuple(f"/test_{name}.py" for name in BOOK)) and path.startswith(
        ("tests/browser/", "tests/house/")
    ):
        return "book"  # one Chromium, one built book, its decks
    if "/browser/" in path:
        return "lab"  # one Chromium, one JupyterLab
    if path in PAGES:
        return "pages"  # what is written on them is drawn once, in four CPU seconds
    if path.endswith("/test_without_data.py") and nodeid.endswith("]"):
        stem = nodeid.rpartition("[")[2].removesuffix("]")
        return f"notebooks/{stem}.ipynb"  # it needs to know what nbval saw there
    return path


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One worker more than there are cores: those with a browser often wait for their pages."""
    found = yield
    return found if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else found + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out whole groups. By a scheduler, for marks of groups are lost on pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


# Modules and thousands of tests stay to the end: nothing looks for garbage among them, neither
# while they are made, which takes a third less time, nor ever after.
gc.disable()


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items):
    """Begin with what takes longest, so that no worker is left alone with it."""

    def rank(item) -> int:
        group = group_of(item.nodeid)
        if group in ("book", "lab"):
            return 0
        if group.endswith(".ipynb"):
            return 1 if item.path.suffix == ".ipynb" else 2
        return 3

    items.sort(key=rank)


class NotebookSeconds:
    """Tells how long each notebook took. Nobody fails for it: a busy machine is slow.

    A plugin of its own, because hooks of this file see no items outside tests/.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report):
        path = report.nodeid.partition("::")[0]
        if path.endswith(".ipynb"):
            self.seconds[Path(path).name] += report.duration

    def pytest_terminal_summary(self, terminalreporter):
        if self.seconds:
            terminalreporter.section("seconds per notebook")
            for name, spent in sorted(self.seconds.items()):
                terminalreporter.line(f"{spent:6.1f}  {name}")
            terminalreporter.line(f"{sum(self.seconds.values()):6.1f}  together")


def pytest_configure(config):
    config.pluginmanager.register(NotebookSeconds())
    config.pluginmanager.register(DataAsked(), "data-asked")
