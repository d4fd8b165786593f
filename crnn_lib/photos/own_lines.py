"""A test set of one's own: a folder of line images, and a table of what is written on them.

Each learner collects a folder; a class puts the folders side by side, or all files into one. The
names of the images say what is written there too, so nothing is lost when tables overwrite each
other or a spreadsheet turns ``007`` into 7.
"""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from crnn_lib.alphabet import Alphabet, check_alphabet
from crnn_lib.photos._labels import (
    LONGEST,
    NAMED,
    TABLE,
    Label,
    append_row,
    fault_of,
    labels_of,
    lack_of,
    tidy,
    unknown_in,
)
from crnn_lib.photos.files import ImageError, natural_order, to_grey

LONGEST_NAME = 40  # characters of a text that an image is called after


@dataclass(frozen=True, eq=False, repr=False)
class OwnLines:
    """Lines somebody wrote, and what they say.

    Attributes
    ----------
    images : list of ndarray, (H, W), float32 in [0, 1]
        How dark each pixel is: ink bright on black, if the paper was light.
    texts : list of str
    paths : list of Path
        The image files.
    """

    images: list[np.ndarray]
    texts: list[str]
    paths: list[Path]

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return f"OwnLines({len(self)} lines)"


def save_line(
    folder: str | os.PathLike[str],
    image: np.ndarray | Image.Image,
    text: str,
    alphabet: Alphabet | None = None,
) -> Path:
    """Add one line to a folder: an image of its own, and a row in the folder's table.

    The image is complete before it gets its name, no file is ever replaced, and the table is only
    appended to. Several notebooks may save into one folder.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    image : ndarray (H, W) in [0, 1], or a Pillow image
        An array holds ink, bright on black, and is stored dark on white. A Pillow image is stored
        as it is, upright, without what a camera adds to it (place, time, owner); what is neither
        grey nor RGB becomes grey.
    text : str
        What is written there, at most 200 characters. It is stored composed (NFC), with single
        spaces.
    alphabet : Alphabet, optional
        Of the network that shall learn from the line; the ten digits by default, as in
        :func:`lines_of_photos`.

    Returns
    -------
    Path
        The new file. Its name is the text, if that is short and of plain letters and digits, and
        a random number: ``55207-0123abcd.png``.

    Raises
    ------
    ValueError
        If the image cannot be stored, or the text is empty, too long, or not in the alphabet.
    """
    if not isinstance(text, str):  # a number would have lost its leading zeros
        raise TypeError(f"The text is a str, such as '0550'; got {text!r:.80}.")
    if not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"folder is the path of a folder; got {folder!r:.80}.")
    text = tidy(text)
    fault = fault_of(text)
    if fault is not None:
        raise ValueError(
            f"A line says 1 to {LONGEST} letters or digits or other characters that can be seen; "
            f"{fault}: {text[:50]!r}."
        )
    alphabet = Alphabet() if alphabet is None else alphabet
    check_alphabet(alphabet)
    unknown = unknown_in(text, alphabet)
    if unknown:
        raise ValueError(
            f"{text[:50]!r} cannot be learned: {lack_of(unknown, alphabet)}. Pass alphabet= with "
            "all letters or digits that the lines hold."
        )
    content = _png(image)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    plain = len(text) <= LONGEST_NAME and text.isascii() and text.isalnum()
    while True:
        number = secrets.token_hex(4)
        path = folder / (f"{text}-{number}.png" if plain else f"line_{number}.png")
        try:
            _write_new(path, content)
            break
        except FileExistsError:
            continue
    append_row(folder / TABLE, path.name, text)
    return path


def load_test_set(*folders: str | os.PathLike[str]) -> OwnLines:
    """Read back the lines of one or several folders, and of all folders in them.

    The table says what a line says; an image that is not in the table says it in its name. An
    image that is there twice, in copies of one folder, counts once.

    Parameters
    ----------
    *folders : path

    Returns
    -------
    OwnLines
        In the order of the folders, then of the file names.

    Raises
    ------
    ValueError
        If a folder is missing or holds no line, or a file of the table is missing or damaged.
    """
    if not folders:
        raise ValueError("load_test_set needs at least one folder.")
    for folder in folders:
        if isinstance(folder, Iterable) and not isinstance(folder, (str, bytes)):
            raise TypeError(
                "load_test_set takes each folder for itself: load_test_set('one', 'two'); got "
                f"{folder!r:.80}. Of a list of them: load_test_set(*folders)."
            )
    images, texts, paths, names = [], [], [], set()
    for folder in folders:
        found = {label.path: label for label in labels_of(folder)}  # a later row mends earlier ones
        for label in sorted(found.values(), key=lambda label: natural_order(label.path.as_posix())):
            if label.reason is not None:
                raise ValueError(f"{label.table}, line {label.row}: {_named(label)}.")
            if NAMED.fullmatch(label.path.name):
                if label.path.name in names:
                    continue
                names.add(label.path.name)
            images.append(_darkness(label.path))
            texts.append(label.text)
            paths.append(label.path)
    return OwnLines(images, texts, paths)


def _named(label: Label) -> str:
    """The file of a label, what it says, and what is wrong with that."""
    words = [repr(label.path.name)] if label.path.name else []
    words += [repr(label.text[:50])] if label.text else []
    return f"{', '.join(words)}: {label.reason}" if words else f"{label.reason}"


def _png(image: np.ndarray | Image.Image) -> bytes:
    if isinstance(image, (str, bytes, os.PathLike)) or image is None:
        raise TypeError(
            f"image is an array (H, W) of ink or a Pillow image; got {image!r:.80}. "
            "PIL.Image.open opens a file."
        )
    if not isinstance(image, Image.Image):
        image = np.asarray(image, dtype=np.float32)
        if image.ndim != 2 or not image.size or not ((image >= 0) & (image <= 1)).all():
            raise ValueError(f"image holds ink in [0, 1], (H, W); got the shape {image.shape}.")
        image = Image.fromarray((255 - 255 * image).round().astype(np.uint8))
    content = io.BytesIO()
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        pixels = np.asarray(ImageOps.exif_transpose(image))  # these alone
    else:  # as it will be read: laid on paper, and 16 bits not cut off at 8
        pixels = (255 * to_grey(image)).round().astype(np.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("xb") as file:
            file.write(content)
        try:
            os.link(partial, path)  # unlike a rename, this never replaces what is there
        except FileExistsError:
            raise
        except OSError:  # network folders know no links
            with path.open("xb") as file:
                file.write(content)
    finally:
        partial.unlink(missing_ok=True)


def _darkness(path: Path) -> np.ndarray:
    try:
        return 1 - to_grey(path)  # (H, W)
    except (OSError, ImageError) as error:
        raise ValueError(f"{path} cannot be read as an image ({error}).") from None
