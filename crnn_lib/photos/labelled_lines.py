"""Labelled images become lines to learn from: a list of photos, or a folder with its table.

A row from which nothing can be learned is named with its reason, and all such rows together.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from crnn_lib.alphabet import Alphabet, check_alphabet, check_whole
from crnn_lib.ctc import minimum_frames
from crnn_lib.handwriting import LineBatch, encode_texts
from crnn_lib.models import load_detector, reading_network
from crnn_lib.photos._labels import Label, labels_of, lack_of, unknown_in, without_doubles
from crnn_lib.photos.files import ImageError, page_of
from crnn_lib.photos.finding import clean_photo
from crnn_lib.photos.ink import ink_of
from crnn_lib.photos.page_lines import cut_lines, cut_word
from crnn_lib.photos.places import FILL, PhotoLine

PHOTO = (str, bytes, os.PathLike, Image.Image)  # what is one photo, and no list of them
WAY_OUT = (
    "An alphabet that has such characters is given by alphabet= (on the command line by "
    "--alphabet, where auto takes all that the labels hold). "
)
SHOWN = 100  # bad rows that a message names; a table with more was made by a faulty program


def lines_of_photos(
    photos: Sequence, texts: Sequence[str], alphabet: Alphabet | None = None, height: int = 32
) -> LineBatch:
    """Labelled photos as a network sees them: found, cut out, and made bright ink on black.

    They take the way that :meth:`crnn_lib.photos.Reader.pretrained` takes, with the detector that
    ships, so that a network learns from what it will have to read. Only which way up a line is that
    stands on its side, a reader asks its network; here the detector says it.

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
    alphabet = Alphabet() if alphabet is None else alphabet
    check_alphabet(alphabet)
    check_whole(1, height=height)
    for name, given, single in (("photos", photos, PHOTO), ("texts", texts, str)):
        if isinstance(given, single):
            raise TypeError(
                f"{name} is a list with one entry for each line; got one of "
                f"{type(given).__name__} alone. Put it into a list."
            )
    photos, texts = list(photos), list(texts)
    if len(photos) != len(texts) or not texts:
        raise ValueError(
            f"Each photo has one text, and there is at least one; got {len(photos)} photos and "
            f"{len(texts)} texts."
        )
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"A text is a str, such as '0550'; number {number} is {text!r:.80}.")
        unknown = unknown_in(text, alphabet)
        if unknown:
            raise ValueError(
                f"{text[:50]!r}: {lack_of(unknown, alphabet)}. Pass alphabet= with all that the "
                "texts hold."
            )
    images = []
    detector = _shipped_detector()
    for photo, text in zip(photos, texts, strict=True):
        name = os.fspath(photo) if isinstance(photo, (str, os.PathLike)) else f"the photo of {text}"
        try:
            images.append(_line_of(photo, height, alphabet, detector))
        except ImageError as error:
            raise ImageError(f"{name}: {error}") from None
    return labelled_batch(images, texts, alphabet)


def _shipped_detector() -> nn.Module | None:
    try:
        return load_detector()
    except FileNotFoundError:  # then lines are found by rules of thumb, as by the Reader
        return None


def _line_of(photo, height: int, alphabet: Alphabet, detector: nn.Module | None) -> Tensor:
    """The one line of a photo, grey: (1, H, W), cut as :meth:`crnn_lib.photos.Reader.find_lines`.

    With letters it is all that is on the photo.
    """
    letters = any(character.isalpha() for character in alphabet.characters)
    views = {"number": (height, (FILL,))}
    found: list[tuple[PhotoLine, ...]]
    if detector is None:
        found = [(line,) for line in clean_photo(photo, height, whole=letters)]
    elif letters:
        views["word"] = views["number"]
        found = cut_word(photo, detector, height, (FILL,), views)
    else:
        found = cut_lines(photo, detector, views)
    if len(found) != 1:
        raise ImageError(f"{len(found)} lines were found on it, and one is expected")
    return found[0][0].image


def labelled_batch(images: list[Tensor], texts: Sequence[str], alphabet: Alphabet) -> LineBatch:
    """Grey lines and what is written on them, as a network sees them.

    Parameters
    ----------
    images : list of Tensor, (1, H, W) each
        Of one height, as :attr:`PhotoLine.image`; at least one.
    texts : list of str
    alphabet : Alphabet

    Returns
    -------
    LineBatch
        Nobody knows where the single characters stand, so all spans are 0.
    """
    targets, lengths = encode_texts(texts, alphabet)
    widths = torch.tensor([image.shape[2] for image in images])
    widest = int(widths.max())
    grey = torch.stack([F.pad(image, (0, widest - image.shape[2])) for image in images])
    spans = targets.new_zeros(*targets.shape, 2)
    return LineBatch(ink_of(grey, widths), widths, targets, lengths, list(texts), spans)


@dataclass(frozen=True)
class BadRow:
    """A row of a table from which nothing can be learned.

    Attributes
    ----------
    table : Path or None
        The ``labels.csv``; None for an image whose text is in its name.
    row : int or None
        Its number, counted from 1 as a spreadsheet does; the header is row 1.
    file : str
        The image, as seen from the folder.
    text : str
    reason : str
    """

    table: Path | None
    row: int | None
    file: str
    text: str
    reason: str

    def __str__(self) -> str:
        place = f"row {self.row}, " if self.row else ""
        text = f", {self.text[:50]!r}" if self.text else ""
        return f"{place}{self.file or 'no file'}{text}: {self.reason}"


class BadRows(ValueError):
    """Rows of a folder's tables from which nothing can be learned: all of them, with reasons.

    Attributes
    ----------
    rows : tuple of BadRow
    lines : LineBatch or None
        The lines of all other rows; None if there are none.
    """

    def __init__(
        self,
        folder: Path,
        count: int,
        rows: Sequence[BadRow],
        lines: LineBatch | None,
        way_out: str = "",
    ) -> None:
        self.rows, self.lines = tuple(rows), lines
        several = len({row.table for row in rows}) > 1
        told, table = [], None
        for row in self.rows[:SHOWN]:
            if several and row.table not in (None, table):
                told.append(f"  {row.table}")
                table = row.table
            told.append(f"  {row}")
        if len(rows) > SHOWN:
            told.append(f"  and {len(rows) - SHOWN} more")
        super().__init__(
            f"{len(rows)} of {count} rows of {folder} cannot be learned:\n"
            + "\n".join(told)
            + f"\n{way_out}Mend them, or leave them out: skip_bad=True (on the command line "
            "--skip-bad)."
        )

    def __reduce__(self):  # its arguments are no message: without this it cannot be pickled
        return _rebuilt, (str(self), self.rows, self.lines)


def _rebuilt(message: str, rows: tuple[BadRow, ...], lines: LineBatch | None) -> BadRows:
    error = BadRows.__new__(BadRows, message)
    error.args, error.rows, error.lines = (message,), rows, lines
    return error


def lines_of_folder(
    folder: str | os.PathLike[str],
    model: nn.Module | None = None,
    *,
    alphabet: Alphabet | None = None,
    height: int = 32,
    skip_bad: bool = False,
) -> LineBatch:
    """The labelled images of a folder, as a network sees them, to learn from.

    A table ``labels.csv`` in the folder says what is written on each image: a column ``file``, a
    column ``text``; other columns are ignored. Without a header there are these two. It is in
    UTF-8, its cells separated by commas, semicolons or tabs; a text that holds the separator
    stands in double quotes. Files may lie in folders within, which may have tables of their own.
    Each image holds one line, or one word, dark on light or the reverse. It is found, cut out and
    made ink as by :func:`lines_of_photos`.

    Parameters
    ----------
    folder : path
    model : nn.Module, optional
        The network that is to learn. It says the alphabet and the height; and labels that need
        more frames than it has for their images are named.
    alphabet : Alphabet, optional
        Without a model: the classes of the targets; by default the ten digits.
    height : int
        Without a model: of the lines, in pixels.
    skip_bad : bool
        Leave bad rows out and warn of them.

    Returns
    -------
    LineBatch
        In the order of the rows. All spans are 0: nobody knows where the characters stand.

    Raises
    ------
    BadRows
        If there are rows with a text that is empty or has characters unknown to the alphabet, a
        file that is missing, stands there twice or holds no line, or a label too long for its
        image. It names them all; with ``skip_bad``, only if no other row is left.
    ValueError
        If there is no such folder, or no table in it that can be read.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from crnn_lib.photos import save_line
    >>> folder = tempfile.mkdtemp()
    >>> ink = np.zeros((50, 120), np.float32)
    >>> ink[10:40, 58:62] = 1
    >>> _ = save_line(folder, ink, "I", Alphabet("I"))
    >>> lines_of_folder(folder, alphabet=Alphabet("HIJ")).texts
    ['I']
    >>> lines_of_folder(folder, alphabet=Alphabet("abc"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    crnn_lib.photos.labelled_lines.BadRows: 1 of 1 rows of ... cannot be learned: ...
    """
    frame_lengths = None
    if model is not None:
        network = reading_network(model)
        if alphabet is not None and alphabet != network.alphabet:
            raise ValueError(
                "The alphabet is the model's own. For another one load the model with it: "
                "load_model(name, alphabet=...)."
            )
        alphabet, height = network.alphabet, network.config.height
        frame_lengths = network.frame_lengths
    alphabet = Alphabet() if alphabet is None else alphabet
    check_alphabet(alphabet)
    check_whole(1, height=height)
    labels = without_doubles(labels_of(folder))
    images: list[Tensor] = []
    texts: list[str] = []
    bad: list[BadRow] = []
    seen: dict[tuple[bytes, int | None], str] = {}
    lacking = False
    detector = _shipped_detector()
    for label in tqdm(labels, desc="images", unit="file", disable=None):  # on a terminal
        image, reason = None, label.reason
        if reason is None and (unknown := unknown_in(label.text, alphabet)):
            lacking, reason = True, lack_of(unknown, alphabet)
        if reason is None:
            image, reason = _image_of(label, height, alphabet, detector, seen)
        if image is not None and frame_lengths is not None:
            frames = int(frame_lengths(torch.tensor([image.shape[2]])))
            needed = minimum_frames(alphabet.encode(label.text))
            if frames < needed:
                reason = (
                    f"the image, {image.shape[2]} pixels wide at a height of {height}, gives "
                    f"{frames} frames, and the text needs {needed}: does it hold all of it?"
                )
        if reason is not None:
            bad.append(
                BadRow(label.table, label.row, _seen_from(folder, label), label.text, reason)
            )
        elif image is not None:
            images.append(image)
            texts.append(label.text)
    lines = labelled_batch(images, texts, alphabet) if images else None
    if bad:
        found = BadRows(Path(folder), len(labels), bad, lines, WAY_OUT if lacking else "")
        if not skip_bad or lines is None:
            raise found
        warnings.warn(str(found).rpartition("\n")[0], stacklevel=2)
    assert lines is not None  # there is at least one label, and none is bad
    return lines


def _seen_from(folder: str | os.PathLike[str], label: Label) -> str:
    """The image of a label, by its way from the folder; nothing where a row names none."""
    if label.table is not None and label.path == label.table.parent:
        return ""
    inside = label.path.is_relative_to(folder)
    return str(label.path.relative_to(folder) if inside else label.path)


def _image_of(
    label: Label,
    height: int,
    alphabet: Alphabet,
    detector: nn.Module | None,
    seen: dict[tuple[bytes, int | None], str],
) -> tuple[Tensor | None, str | None]:
    """The grey line of a label's image, or why there is none."""
    try:
        file, page = page_of(label.path)
        content = hashlib.sha256(Path(file).read_bytes()).digest(), page
        if content in seen:
            return None, f"the image is the same as {seen[content]}"
        seen[content] = label.path.name
        return _line_of(label.path, height, alphabet, detector), None
    except (OSError, ValueError) as error:
        return None, str(error)


def alphabet_of_folder(folder: str | os.PathLike[str], start: Alphabet | None = None) -> Alphabet:
    """All characters that the labels of a folder hold, for ``load_model(..., alphabet=...)``.

    Parameters
    ----------
    folder : path
        As for :func:`lines_of_folder`.
    start : Alphabet, optional
        The alphabet of the network to start from. All of it is kept, and what is new follows it:
        so the network can still read what it could.

    Returns
    -------
    Alphabet
        New characters in the order of their code points.

    Raises
    ------
    ValueError
        If the folder holds no label.
    """
    if start is not None:
        check_alphabet(start)
    texts = [label.text for label in labels_of(folder) if label.reason is None]
    known = start.characters if start else ""
    pieces = {c for text in texts for c in (unknown_in(text, start) if start else text)}
    if not pieces and not known:
        raise ValueError(f"No row of {str(folder)!r} has both an image and a text.")
    new = sorted(pieces)
    blank = start.blank if start else 0
    return Alphabet(known + "".join(new) if isinstance(known, str) else (*known, *new), blank)
