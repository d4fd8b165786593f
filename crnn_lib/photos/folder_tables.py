"""The table of a folder with labelled images: which images have a row, and which rows a text.

A folder that has no table yet gets one: a row for each image, and a text where one is proposed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from crnn_lib.photos._labels import (
    NO_TEXT,
    TABLE,
    Label,
    append_row,
    folder_of,
    labels_in,
    put_texts,
    tidy,
)
from crnn_lib.photos.files import SUFFIXES, natural_order, pages_of, unreadable_by_name


def list_images(
    folder: str | os.PathLike[str],
    read: Callable[[Path], str | None] | None = None,
    *,
    skip: Callable[[Path], bool] | None = None,
) -> list[Path]:
    """Give each image of a folder a row in its ``labels.csv``; the texts are yours to fill in.

    Rows that are there stay as they are. Images in folders within get rows too, and each page of a
    PDF or TIFF file of several does.

    Parameters
    ----------
    folder : path
    read : callable, optional
        Proposes a text for an image, or None. Without it texts are left empty, and
        :func:`lines_of_folder` names each row that still is.
    skip : callable, optional
        Says of an image that it is to get no row.

    Returns
    -------
    list of Path
        The images that got a row.

    Raises
    ------
    ValueError
        If there is no such folder, it holds no image, or a table in it cannot be read.

    See Also
    --------
    fill_texts : Proposes texts for the rows that are there and have none.
    unlisted_in : The files that get no row, and why.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> Image.new("L", (90, 40)).save(folder / "one.png")
    >>> [path.name for path in list_images(folder)], list_images(folder)
    (['one.png'], [])
    >>> (folder / "labels.csv").read_text().split()
    ['file,text', 'one.png,']
    """
    if read is not None:
        _check_callable(read)
    images, unlisted = _images_in(folder)
    if not images:
        why = f" (not {next(iter(unlisted))}: {next(iter(unlisted.values()))})" if unlisted else ""
        raise ValueError(f"The folder {str(folder)!r} holds no image: {', '.join(SUFFIXES)}{why}.")
    folder = Path(folder)
    known = {os.path.realpath(label.path) for label in labels_in(folder)}
    new = [path for path in images if os.path.realpath(path) not in known]
    new = [path for path in new if skip is None or not skip(path)]
    for path in tqdm(new, desc="images", unit="file", disable=None):  # on a terminal
        text = "" if read is None else tidy(read(path) or "")
        append_row(folder / TABLE, path.relative_to(folder).as_posix(), text)
    return new


def unlabelled_in(folder: str | os.PathLike[str]) -> list[Path]:
    """The images whose row in a ``labels.csv`` has no text yet, in the order of the rows.

    Raises
    ------
    ValueError
        If there is no such folder, or a table in it cannot be read.
    """
    return [label.path for label in _without_text(folder)]


def fill_texts(
    folder: str | os.PathLike[str],
    read: Callable[[Path], str | None],
    *,
    skip: Callable[[Path], bool] | None = None,
) -> list[Path]:
    """Propose a text for each row of a folder's tables that has none; all else stays as it is.

    Parameters
    ----------
    folder : path
        As for :func:`list_images`, which gives images their rows.
    read : callable
        Proposes a text for an image; None or an empty one changes nothing.
    skip : callable, optional
        Says of an image that its row is to stay without a text.

    Returns
    -------
    list of Path
        The images whose rows got a text.

    Raises
    ------
    ValueError
        If there is no such folder, or a table in it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> Image.new("L", (90, 40)).save(folder / "one.png")
    >>> _ = list_images(folder)
    >>> [path.name for path in fill_texts(folder, lambda path: "55207")]
    ['one.png']
    >>> (folder / "labels.csv").read_text().split()
    ['file,text', 'one.png,55207']
    """
    _check_callable(read)
    found: dict[Label, str] = {}
    try:
        for label in tqdm(_without_text(folder), desc="rows", unit="file", disable=None):
            if skip is None or not skip(label.path):
                text = tidy(read(label.path) or "")
                if text:
                    found[label] = text
    finally:  # what was read before Ctrl-C is kept
        filled = [
            label
            for table in dict.fromkeys(label.table for label in found)
            for label in put_texts([label for label in found if label.table == table], found)
        ]
    return [label.path for label in filled]


def _without_text(folder: str | os.PathLike[str]) -> list[Label]:
    return [label for label in labels_in(folder_of(folder)) if label.reason == NO_TEXT]


def _check_callable(read: object) -> None:
    if not callable(read):
        raise TypeError(
            "read is a function from a path to a text, such as "
            f"lambda path: reader.read(path).text or ''; got {read!r:.80}."
        )


def unlisted_in(folder: str | os.PathLike[str]) -> dict[str, str]:
    """What :func:`list_images` gives no row, by its way from the folder, and why.

    Files that are no images by their names or that no installed package opens, names that a table
    cannot hold, and folders that cannot be looked into. Hidden ones are not named.

    Raises
    ------
    ValueError
        If there is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "notes.txt").touch()
    >>> unlisted_in(folder)
    {'notes.txt': 'no image by its name'}
    """
    return _images_in(folder)[1]


def _images_in(folder: str | os.PathLike[str]) -> tuple[list[Path], dict[str, str]]:
    """The images of a folder and of those in it, page by page; the other files, and why not."""
    folder = folder_of(folder)
    images: list[Path] = []
    unlisted: dict[str, str] = {}

    def closed(error: OSError) -> None:
        unlisted[os.path.relpath(error.filename, folder)] = f"cannot be opened ({error.strerror})"

    for root, inner, files in os.walk(folder, onerror=closed):
        inner[:] = sorted((n for n in inner if not n.startswith(".")), key=natural_order)
        for name in sorted((n for n in files if not n.startswith(".")), key=natural_order):
            path = Path(root, name)
            reason = unreadable_by_name(name) or _unlistable(path.relative_to(folder))
            if reason is None:
                images += [Path(page) for page in pages_of(path)]
            elif name != TABLE:
                unlisted[str(path.relative_to(folder))] = reason
    return images, unlisted


def _unlistable(path: Path) -> str | None:
    """Why a name cannot stand in a table, a row to a line."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return "its name is no text"
    return "its name has several lines" if {"\n", "\r"} & set(str(path)) else None
