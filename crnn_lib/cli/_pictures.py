"""Where the pictures of ``--show`` go: never in place of another photo's."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from crnn_lib.photos import page_of

ENDING = "-read.png"
DRAWN = "a picture that --show drew"  # why such a file is no photo
KEY = "crnn read"  # what a picture says of itself: which photo it shows


def save_picture(png: bytes, target: str, photo: str) -> None:
    """Write a picture of what was read on a photo, with the photo's name in it.

    Parameters
    ----------
    png : bytes
    target : str
        The PNG file.
    photo : str
        Whose picture it is.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    label = PngInfo()
    label.add_itxt(KEY, _identity(photo))
    file = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.save(file, "PNG", pnginfo=label)
    try:
        Path(target).write_bytes(file.getvalue())
    except OSError as error:
        raise OSError(f"--show {target} cannot be written ({error.strerror}).") from None


def check_picture(target: str) -> None:
    """Find out before the work that a picture would take the place of what nobody drew here.

    Raises
    ------
    FileExistsError
        If the file is there and no picture of an earlier run: ``--show a.png b.png`` names an
        image of the user's, which was meant to be read.
    """
    if os.path.lexists(target) and not _drawn_of(target):
        raise FileExistsError(
            f"--show {target} is there, and no picture of what was read: name a new file. To read "
            "it, too, give it before --show."
        )


def is_picture(name: str) -> bool:
    """Whether a file is a picture that ``crnn read --show`` drew, which it says of itself."""
    return name.lower().endswith(".png") and _drawn_of(name) is not None


def free_name(photo: str) -> str:
    """A file of the working folder for a photo's picture: a new one, or its own of an earlier run.

    ``photo.png`` gets ``photo-read.png``; where that shows another photo, as ``photo.jpg`` beside
    it, ``photo-png-read.png``, then ``photo-png-2-read.png`` and so on.
    """
    return next(name for name in _names(photo) if _is_free(name, photo))


def _names(photo: str) -> Iterator[str]:
    path, page = page_of(photo)
    kind = Path(path).suffix.lstrip(".").lower()
    stem = Path(path).stem + (f"-{page}" if page else "")
    yield f"{stem}{ENDING}"
    for n in itertools.count(1):
        yield f"{stem}-{kind}{f'-{n}' if n > 1 else ''}{ENDING}"


def _is_free(name: str, photo: str) -> bool:
    return not os.path.lexists(name) or _drawn_of(name) == _identity(photo)


def _drawn_of(name: str) -> str | None:
    """Which photo a picture shows, if an earlier run drew it."""
    try:
        with Image.open(name, formats=["PNG"]) as image:
            return image.info.get(KEY)
    except (OSError, ValueError, SyntaxError):  # whatever it is, it is not ours
        return None


def _identity(photo: str) -> str:
    path, page = page_of(photo)
    whole = os.path.realpath(path) + (f"#page={page}" if page else "")
    return whole.encode("utf-8", "backslashreplace").decode()
