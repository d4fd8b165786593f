"""What this wing needs beyond the rest of the library."""

from __future__ import annotations

import importlib
from types import ModuleType


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
