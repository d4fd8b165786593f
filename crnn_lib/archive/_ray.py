"""Ray and pyarrow, which this wing needs beyond the rest of the library."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

ATTEMPTS = 10  # to start Ray on this machine


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
    """``ray.init``, with patience: on a busy machine Ray gives up on itself after half a minute."""
    ray = require("ray")
    options = {"logging_level": "error", "log_to_driver": False, **options}
    for attempt in range(1, ATTEMPTS + 1):
        try:
            ray.init(**options)
            return
        except Exception as error:  # Ray raises a bare Exception
            ray.shutdown()
            if "timed out during startup" not in str(error) or attempt == ATTEMPTS:
                raise
