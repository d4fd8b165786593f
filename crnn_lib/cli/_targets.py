"""Files that a command is to write, looked at before the work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def check_target(option: str, target: str | None, keep: Sequence[str] = ()) -> None:
    """Find out before the work, not after it, that its file cannot or must not be written.

    A table of labels that is there is never overwritten.

    Parameters
    ----------
    option : str
        What the user called it, as in ``"--csv"``.
    target : str or None
        The file; None if there is none to write.
    keep : sequence of str
        Files that must not be overwritten.
    """
    if target is None:
        return
    folder = Path(target).parent
    if Path(target).is_dir():
        raise IsADirectoryError(f"{option} {target} is a folder; name a file.")
    if not folder.is_dir():
        raise FileNotFoundError(f"{option} {target}: there is no folder {folder}.")
    if any(Path(name).resolve() == Path(target).resolve() for name in keep):
        raise ValueError(f"{option} {target} would overwrite an image that is to be read.")
    if Path(target).name == "labels.csv" and Path(target).exists():
        raise FileExistsError(
            f"{option} {target} would overwrite what the images are labelled with; name another "
            "file."
        )
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{option} {target}: no permission to write in {folder}.")
