"""A test set of one's own: a folder of line images, and a table of what is written on them.

Each learner collects a folder; a class puts the folders side by side, or all files into one. The
names of the images say what is written there too, so nothing is lost when tables overwrite each
other or a spreadsheet turns ``007`` into 7.
"""

from __future__ import annotations

import csv
import io
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch.nn import functional as F

from crnn_lib.alphabet import Alphabet
from crnn_lib.handwriting import LineBatch
from crnn_lib.photos.files import FORMATS, ImageError
from crnn_lib.photos.finding import clean_photo
from crnn_lib.photos.ink import ink_of

TABLE = "labels.csv"
COLUMNS = ("file", "text")
LONGEST = 40  # characters
_NAMED = re.compile(r"([0-9A-Za-z]+)-[0-9a-f]{8}\.png")


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
        as it is, without what a camera adds to it (place, time, owner).
    text : str
        What is written there: 1 to 40 letters or digits.

    Returns
    -------
    Path
        The new file: the text, a random number, ``.png``.

    Raises
    ------
    ValueError
        If the text or the image cannot be stored.
    """
    text = text.strip()
    if not re.fullmatch(rf"[0-9A-Za-z]{{1,{LONGEST}}}", text):
        raise ValueError(
            f"A line of a test set says 1 to {LONGEST} letters or digits, without spaces; "
            f"got {text!r}."
        )
    content = _png(image)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        path = folder / f"{text}-{secrets.token_hex(4)}.png"
        try:
            _write_new(path, content)
            break
        except FileExistsError:
            continue
    _append(folder / TABLE, path.name, text)
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
    images, texts, paths, names = [], [], [], set()
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise ValueError(f"There is no folder {str(folder)!r}.")
        found = _labelled(folder)
        if not found:
            raise ValueError(
                f"The folder {str(folder)!r} holds no labelled line: no {TABLE}, and no image "
                "named like 55207-0123abcd.png."
            )
        for path, text in found:
            if _NAMED.fullmatch(path.name):
                if path.name in names:
                    continue
                names.add(path.name)
            images.append(_darkness(path))
            texts.append(text)
            paths.append(path)
    return OwnLines(images, texts, paths)


def _labelled(folder: Path) -> list[tuple[Path, str]]:
    """Image files and their texts, in a folder and the folders in it; hidden ones are left out."""
    found = {}
    for root, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        place = Path(root)
        for name in sorted(files):
            if named := _NAMED.fullmatch(name):
                found[place / name] = named[1]
        if TABLE not in files:
            continue
        for name, text in _rows(place / TABLE):
            path = place / name
            if not path.is_file():
                raise ValueError(f"{place / TABLE} names {name!r}, which is not there.")
            said = found.get(path, "")
            # a spreadsheet takes 007 for a number and stores 7
            eaten = said.startswith("0") and said.lstrip("0") == text.lstrip("0")
            found[path] = said if eaten else text
    return sorted(found.items(), key=lambda item: str(item[0]))


def _rows(table: Path) -> list[tuple[str, str]]:
    lines = table.read_text(encoding="utf-8-sig").splitlines()  # spreadsheets write a mark first
    separator = ";" if lines and ";" in lines[0] else ","
    reader = csv.DictReader(lines, delimiter=separator)
    if not set(COLUMNS) <= set(reader.fieldnames or ()):
        raise ValueError(
            f"{table} must start with a row that names the columns {' and '.join(COLUMNS)}; "
            f"got {lines[:1]}."
        )
    rows = []
    for row in reader:
        name, text = ((row[column] or "").strip() for column in COLUMNS)
        if not name or not text:
            raise ValueError(f"{table}, line {reader.line_num}: a file and its text are needed.")
        rows.append((name, text))
    return rows


def _png(image: np.ndarray | Image.Image) -> bytes:
    if not isinstance(image, Image.Image):
        image = np.asarray(image, dtype=np.float32)
        if image.ndim != 2 or not image.size or not ((image >= 0) & (image <= 1)).all():
            raise ValueError(f"image holds ink in [0, 1], (H, W); got the shape {image.shape}.")
        image = Image.fromarray((255 - 255 * image).round().astype(np.uint8))
    content = io.BytesIO()
    plain = image if image.mode in ("L", "RGB") else image.convert("RGB")
    plain = Image.fromarray(np.asarray(plain))  # the pixels alone
    plain.save(content, "PNG")
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


def _append(table: Path, name: str, text: str) -> None:
    try:
        with table.open("x", encoding="utf-8") as file:
            file.write(",".join(COLUMNS) + "\n")
    except FileExistsError:
        pass
    with table.open("rb+") as file:
        start = file.readline()
        file.seek(0, os.SEEK_END)
        broken = False
        if file.tell():
            file.seek(-1, os.SEEK_END)
            broken = file.read(1) != b"\n"  # an editor may leave the last line open
    separator = ";" if b";" in start else ","
    with table.open("a", encoding="utf-8", newline="") as file:
        file.write("\n" * broken + f"{name}{separator}{text}\n")  # one write: nothing comes between


def _darkness(path: Path) -> np.ndarray:
    try:
        with Image.open(path, formats=FORMATS) as image:
            grey = np.asarray(image.convert("L"), dtype=np.float32)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"{path} cannot be read as an image ({error}).") from None
    return 1 - grey / 255  # (H, W)


def lines_of_photos(
    photos: Sequence, texts: Sequence[str], alphabet: Alphabet | None = None, height: int = 32
) -> LineBatch:
    """Labelled photos as a network sees them: found, cut out, and made bright ink on black.

    They take the way that :class:`crnn_lib.photos.Reader` takes, so that a network learns from
    what it will have to read.

    Parameters
    ----------
    photos : sequence of path, PIL.Image.Image, ndarray or Tensor
        Each holds one line.
    texts : sequence of str
        What is written on each.
    alphabet : Alphabet, optional
        Of the network; the ten digits by default.
    height : int
        Of the lines: the network's ``config.height``.

    Returns
    -------
    LineBatch
        Nobody knows where the single digits stand, so all spans are 0.

    Raises
    ------
    ImageError
        If a photo holds no line, or several.

    >>> import numpy as np
    >>> paper = np.full((60, 200), 0.8, np.float32)
    >>> paper[10:50, 90:96] = 0.2
    >>> lines = lines_of_photos([paper], ["1"])
    >>> lines.texts, lines.targets.tolist()
    (['1'], [[2]])
    """
    alphabet = alphabet or Alphabet()
    if len(photos) != len(texts) or not len(texts):
        raise ValueError(
            f"Each photo has one text, and there is at least one; got {len(photos)} photos and "
            f"{len(texts)} texts."
        )
    labels = [torch.tensor(alphabet.encode(text), dtype=torch.long) for text in texts]
    images = []
    for photo, text in zip(photos, texts, strict=True):
        name = os.fspath(photo) if isinstance(photo, (str, os.PathLike)) else f"the photo of {text}"
        try:
            found = clean_photo(photo, height)
        except ImageError as error:
            raise ImageError(f"{name}: {error}") from None
        if len(found) != 1:
            raise ImageError(f"{name}: {len(found)} lines were found on it, and one is expected")
        images.append(found[0].image)  # (1, H, W)
    widths = torch.tensor([image.shape[2] for image in images])
    lengths = torch.tensor([len(label) for label in labels])
    widest, longest = int(widths.max()), int(lengths.max())
    grey = torch.stack([F.pad(image, (0, widest - image.shape[2])) for image in images])
    targets = torch.full((len(labels), longest), alphabet.blank)
    for row, label in zip(targets, labels, strict=True):
        row[: len(label)] = label
    spans = torch.zeros(len(labels), longest, 2, dtype=torch.long)
    return LineBatch(ink_of(grey, widths), widths, targets, lengths, list(texts), spans)
