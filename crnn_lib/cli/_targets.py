"""Files that a command is to write, looked at before the work."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from crnn_lib.photos import SUFFIXES


def check_target(
    option: str, target: str | None, keep: Sequence[str] = (), *, picture: bool = False
) -> None:
    """Find out before the work, not after it, that its file cannot or must not be written.

    A table of labels that is there is never overwritten, nor an image by what is none: of ``--csv
    *.png`` a shell makes the first image the table.

    Parameters
    ----------
    option : str
        What the user called it, as in ``"--csv"``.
    target : str or None
        The file; None if there is none to write.
    keep : sequence of str
        Files that must not be overwritten.
    picture : bool
        Whether a picture is written.

    Raises
    ------
    OSError, ValueError
        If so.
    """
    if target is None:
        return
    folder = Path(target).parent
    if Path(target).is_dir() or target.endswith(("/", os.sep)):
        raise IsADirectoryError(f"{option} {target} is a folder; name a file.")
    if not folder.is_dir():
        raise FileNotFoundError(f"{option} {target}: there is no folder {folder}.")
    if any(Path(name).resolve() == Path(target).resolve() for name in keep):
        raise ValueError(f"{option} {target} would overwrite an image that is to be read.")
    is_image = Path(target).suffix.lower() in SUFFIXES
    if is_image and not picture and os.path.lexists(target):
        raise FileExistsError(
            f"{option} {target} would overwrite an image: right after {option} stands the name of "
            "the file to write."
        )
    if Path(target).name == "labels.csv" and Path(target).exists():
        raise FileExistsError(
            f"{option} {target} would overwrite what the images are labelled with; name another "
            "file."
        )
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{option} {target}: no permission to write in {folder}.")


def check_distinct(targets: Mapping[str, str | None]) -> None:
    """Find out before the work that of two files to write one would take the other's place.

    Parameters
    ----------
    targets : mapping of str to str or None
        The files by their options; None where there is none to write.

    Raises
    ------
    ValueError
        If two options name one file.
    """
    seen: dict[str, str] = {}
    for option, target in targets.items():
        if target is None:
            continue
        other = seen.setdefault(os.path.realpath(target), option)
        if other != option:
            raise ValueError(
                f"{other} and {option} both name {target}; give each a file of its own."
            )
