"""Ray and pyarrow, which this wing needs beyond the rest of the library."""

from __future__ import annotations

import importlib
import re
from contextlib import suppress
from types import ModuleType
from typing import Any

ATTEMPTS = 10  # to start Ray on this machine
RAYS = re.compile(r"(^|[/\\])ray([/\\:]|$)|\braylet\b|\bgcs_server\b")  # words of its commands


def require(name: str) -> ModuleType:
    """Import a module of the extra ``archive``.

    Raises
    ------
    ImportError
        If it is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"crnn_lib.archive needs {name.partition('.')[0]}, which is not installed "
            f'({error}). Install it with: pip install "crnn_lib[archive]"'
        ) from None


def start_ray(**options: Any) -> None:
    """``ray.init``, with patience: on a busy machine Ray gives up on itself after half a minute.

    What such an attempt has started by then would go on until this process ends, and keep the
    machine so busy that the next one fails, too. So it is ended first.
    """
    ray = require("ray")
    options = {"logging_level": "error", "log_to_driver": False, **options}
    for attempt in range(1, ATTEMPTS + 1):
        before = _processes()
        try:
            ray.init(**options)
            return
        except Exception as error:  # Ray raises a bare Exception
            ray.shutdown()
            for process in _processes() - before:
                with suppress(Exception):  # it may have ended by itself
                    process.kill()
            if "timed out during startup" not in str(error) or attempt == ATTEMPTS:
                raise


def _processes() -> set[Any]:
    """Ray's processes among this one's children and theirs. psutil comes with Ray."""
    try:
        psutil = importlib.import_module("psutil")
    except ImportError:
        return set()
    found = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it may have ended meanwhile
            if any(RAYS.search(word) for word in process.cmdline()):
                found.add(process)
    return found
