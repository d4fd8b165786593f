"""The drawing pad: write digits or words by hand, and watch a network read them."""

from __future__ import annotations

import base64
import binascii
import io
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from PIL import Image, ImageOps, UnidentifiedImageError

from crnn_lib.alphabet import Alphabet
from crnn_lib.models import describe_checkpoint, shipped_models
from crnn_lib.photos import DIGITS, FORMATS, PHOTOS, WORDS, ImageError, load_test_set, save_line
from crnn_lib.widgets.base import Explorer, bundle, encode, stylesheet
from crnn_lib.widgets.pad_ink import HEIGHT, WIDTH, WrittenLine, draw, write_line

if TYPE_CHECKING:
    from crnn_lib.photos import Reader

MOST_PIXELS = 20_000_000  # of a photo; the page shrinks what it sends
MOST_POINTS = 20_000  # of all strokes together
WARMING = [{"points": [[40, 20], [40, 70]], "width": 6, "erase": False}]


class DrawingPad(Explorer):
    """A canvas for mouse, pen and finger. After each stroke, a network reads what is written.

    Under the ink stand the characters, each below the ink it was read from, and the posteriors
    of all frames, aligned with the columns. A photo can be read in place of a drawing. What is
    written can be saved, with what it says, to a folder: a test set of one's own.

    Keys on the canvas: arrows move a cursor (two at once: diagonally; with Shift: finely), Space
    puts the pen down and lifts it, E changes between pen and eraser, Backspace undoes.

    Saving, and reading photos, need a running kernel. What is drawn is read without one too in the
    pages of the book, while it is being written, if a network that ships reads it.

    Parameters
    ----------
    read : Reader or callable, optional
        By default, a reader with the weights that ship; they are loaded when the pad is shown. A
        function takes an image and returns an object with ``text``, ``confidence`` (0 to 1),
        ``spans`` (one per character, with ``start`` and ``end`` in columns of the image, and
        ``log_prob``), ``log_probs`` ``(T, C)`` and ``edges`` ``(T + 1,)``, the borders of the
        frames in columns of the image. The image of a drawing is an array (H, W), from 0 (ink) to
        1 (paper); that of a photo is a Pillow image.
    folder : path
        Where lines are saved; made with the first of them.
    alphabet : Alphabet, optional
        Says what the C classes are; digits with the blank first by default.

    Attributes
    ----------
    strokes : list of dict
        ``{"points": [[x, y], ...], "width": w, "erase": False}`` in units of the pad, which is
        720 wide and 300 high. They can be set, too.
    image : ndarray, (300, 720), float32 in [0, 1]
        The pad as it is seen, ink bright on black.
    line : WrittenLine or None
        The line that the network reads; None where nothing is written.
    reading : object or None
        What ``read`` returned for what is on the pad now.
    text : str
        What was read; empty where nothing is.

    Examples
    --------
    >>> pad = DrawingPad()
    >>> pad.strokes = [{"points": [[300, 40], [300, 180]], "width": 12, "erase": False}]
    >>> pad.text
    '1'
    >>> pad.image.shape, pad
    ((300, 720), DrawingPad())
    """

    _esm = bundle("pad.js")
    _css = stylesheet("pad.css")
    words = (
        "The drawing pad: write with mouse, pen or finger, and a network reads it. "
        "Open it in the book, or run the notebook in JupyterLab or Colab."
    )

    strokes = traitlets.List(traitlets.Dict()).tag(sync=True)
    #: A photo as the page sends it: base64 text of an image file; empty for a drawing.
    photo = traitlets.Unicode("").tag(sync=True)
    #: Counts what was drawn and sent, so that the page knows which answer belongs to what it shows.
    revision = traitlets.Int(0).tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    #: What to save: ``{"text", "count"}``; the reply in ``saved`` carries the same count.
    wish = traitlets.Dict().tag(sync=True)
    saved = traitlets.Dict().tag(sync=True)
    pen = traitlets.Float(14.0, min=4.0, max=24.0).tag(sync=True)
    where = traitlets.Unicode().tag(sync=True)
    symbols = traitlets.List(traitlets.Unicode()).tag(sync=True)
    blank = traitlets.Int(0).tag(sync=True)
    #: Of the networks that ship, the one that reads here too where no kernel is, in a page of the
    #: book; empty for any other reader.
    network = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        read: Reader | Callable[[Any], Any] | None = None,
        *,
        folder: str | os.PathLike[str] = "my_test_set",
        alphabet: Alphabet | None = None,
    ) -> None:
        reader = getattr(read, "__self__", read)  # given itself, or its method
        if hasattr(reader, "read_page"):
            # a reader that drops marks has an alphabet without them
            known = getattr(reader, "alphabet", reader.model.alphabet)
            read, alphabet = _pad_reader(reader), alphabet or known
        if read is not None and not callable(read):
            raise TypeError(f"read is a Reader or a function; got {type(read).__name__}.")
        self.alphabet = alphabet or Alphabet()
        self.folder = Path(folder)
        self.reading: Any = None
        self._read = read
        self._kept: Path | None = None  # where the present drawing was saved
        symbols, blank = list(self.alphabet.symbols), self.alphabet.blank
        network = _shipped_name(None if read is None else reader)
        super().__init__(where=str(folder), symbols=symbols, blank=blank, network=network)
        self._seen: Any = (self.revision, self.strokes, self.photo)
        self.observe(self._look, ["revision", "strokes", "photo"])
        self.observe(self._save, ["wish"])

    @property
    def image(self) -> np.ndarray:
        """The pad as it is seen: (300, 720), float32 in [0, 1], ink bright on black."""
        return draw(self.strokes, (HEIGHT, WIDTH))

    @property
    def line(self) -> WrittenLine | None:
        """The line that the network reads."""
        return write_line(self.strokes)

    @property
    def text(self) -> str:
        """What was read."""
        return "" if self.reading is None else self.reading.text

    @property
    def picture(self) -> Image.Image | None:
        """The photo on the pad, upright, or None."""
        return _open_photo(self.photo) if self.photo else None

    def clear(self) -> None:
        """Take everything off the pad."""
        with self.hold_sync(), self.hold_trait_notifications():
            self.strokes, self.photo = [], ""

    def save(self, text: str) -> Path:
        """Save what is on the pad to the folder, with what it says.

        A drawing is saved as the line that the network reads, a photo as it is.

        Raises
        ------
        ValueError
            If nothing is on the pad, it was saved already, or the text has other characters than
            the network knows.
        """
        text = text.strip()
        strange = [c for c in text if c not in self.alphabet.characters]
        if not text or strange:
            what = f"“{strange[0]}” is none of them" if strange else "it is empty"
            known = self.alphabet.characters
            raise ValueError(f"Type what is written, in these characters: {known}; {what}.")
        if self._kept is not None:
            raise ValueError(f"This is saved already, as {self._kept.name}. Write the next one.")
        picture, line = self.picture, self.line
        if picture is None and line is None:
            raise ValueError("There is nothing on the pad to be saved. Write a number first.")
        image = line.image if picture is None else picture
        self._kept = save_line(self.folder, image, text, self.alphabet)
        return self._kept

    def _repr_mimebundle_(self, **kwargs):
        self._reader()  # here one waits anyway; not at the first stroke
        return super()._repr_mimebundle_(**kwargs)

    def _reader(self) -> Callable[[Any], Any]:
        if self._read is None:
            self._read = _pad_reader()
            self._read(1 - draw(WARMING, (96, 96)))  # the first call takes longer
        return self._read

    def _look(self, change: object = None) -> None:
        """Read what is on the pad, and tell the page."""
        seen = (self.revision, self.strokes, self.photo)
        if seen == self._seen:  # several traits changed at once, and each calls
            return
        self._seen, self._kept, self.reading = seen, None, None
        start = time.perf_counter()
        answer: dict[str, Any] = {"text": "", "error": ""}
        try:
            image, place = self._given()
            if image is not None:
                reader = self._reader()
                drawing = not self.photo and getattr(reader, "read_drawing", None)
                if drawing:
                    reading, line = drawing(self.strokes)
                    place = line.to_pad
                else:
                    reading = reader(image)
                self.reading = reading
                answer |= describe(reading, place, self.alphabet)
        except ImageError as error:
            answer["error"] = f"Nothing can be read here: {error}."
        except Exception as error:  # a page shows nothing of what a kernel raises
            answer["error"] = f"Reading failed. {type(error).__name__}: {error}"
        answer["seconds"] = time.perf_counter() - start
        answer["revision"] = self.revision
        self.answer = answer

    def _given(self) -> tuple[Any, Callable[[float], float]]:
        """The image to be read, and where its columns stand on the pad."""
        if self.photo:
            picture = _open_photo(self.photo)
            scale = min(WIDTH / picture.width, HEIGHT / picture.height)
            left = (WIDTH - scale * picture.width) / 2
            return picture, lambda column: left + scale * column
        line = self.line
        return (None, float) if line is None else (1 - line.image, line.to_pad)

    @traitlets.validate("strokes")
    def _well_formed(self, proposal):
        _check_strokes(proposal["value"])
        return proposal["value"]

    def _save(self, change: object) -> None:
        reply = {"count": self.wish.get("count", 0), "done": False}
        try:
            path = self.save(str(self.wish.get("text", "")))
            lines = len(load_test_set(self.folder))
            count = "1 line" if lines == 1 else f"{lines} lines"
            reply |= {"done": True, "words": f"Saved as {path.name}. {count} in {self.where}."}
        except (ValueError, OSError) as error:
            reply["words"] = str(error)
        self.saved = reply


def _pad_reader(reader: Reader | None = None) -> Callable[[Any], Any]:
    # imported late: all that it takes to read photos would delay every other explorer
    from crnn_lib.widgets.pad_reading import PadReader

    return PadReader(reader)


def _shipped_name(reader: Any) -> str:
    """The network that ships which a reader reads with; nothing if it is another."""
    shipped = shipped_models()
    if reader is None:
        return PHOTOS if PHOTOS in shipped else DIGITS
    own = getattr(getattr(reader, "model", None), "provenance", None)
    names = (name for name in (PHOTOS, WORDS, DIGITS) if name in shipped)
    same = (name for name in names if describe_checkpoint(name)["provenance"] == own)
    return next(same, "") if own else ""


def describe(reading: Any, place: Callable[[float], float], alphabet: Alphabet) -> dict[str, Any]:
    """A reading as the page takes it.

    Parameters
    ----------
    reading : object
        See :class:`DrawingPad`.
    place : callable
        From a column of the image to the pad.
    alphabet : Alphabet
    """
    log_probs = np.asarray(reading.log_probs, dtype=np.float64)  # (T, C)
    if log_probs.ndim != 2 or log_probs.shape[1] != alphabet.num_classes:
        raise ValueError(
            f"log_probs must be (T, {alphabet.num_classes}) for this alphabet; got "
            f"{log_probs.shape}."
        )
    edges = [place(float(edge)) for edge in reading.edges]
    marks = []
    for character, span in zip(reading.text, reading.spans, strict=True):
        start, end = place(float(span.start)), place(float(span.end))
        sure = math.exp(span.log_prob)
        marks.append({"text": character, "start": start, "end": end, "sure": sure})
    return {
        "text": reading.text,
        "refused": bool(getattr(reading, "refused", False)),
        "sure": float(reading.confidence),
        "marks": marks,
        "frames": len(log_probs),
        "left": edges[0],
        "right": edges[-1],
        "probs": encode(np.rint(255 * np.exp(log_probs)).clip(0, 255), "u1"),
    }


def _check_strokes(strokes: Sequence[dict]) -> None:
    total = 0
    for stroke in strokes:
        try:
            points = np.asarray(stroke["points"], dtype=np.float64)
            width, _ = float(stroke["width"]), bool(stroke["erase"])
        except (KeyError, TypeError, ValueError):
            points, width = np.zeros(0), 0.0
        good = points.ndim == 2 and points.shape[1:] == (2,) and len(points) > 0
        if not good or not np.isfinite(points).all() or not 0 < width <= HEIGHT:
            raise ValueError(
                'A stroke is {"points": [[x, y], ...], "width": w, "erase": False}, with numbers '
                f"in units of the pad; got {str(stroke)[:80]}."
            )
        total += len(points)
    if total > MOST_POINTS:
        raise ValueError(f"The strokes have {total} points; up to {MOST_POINTS} can be read.")


def _open_photo(text: str) -> Image.Image:
    """A photo from base64 text, upright and without transparency."""
    try:
        image = Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=FORMATS)
        if image.width * image.height > MOST_PIXELS:
            raise ImageError(f"the photo has more than {MOST_PIXELS / 1e6:g} million pixels")
        return ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, binascii.Error):
        raise ImageError("the file is no image (PNG, JPEG, GIF, BMP, TIFF, WebP or PPM)") from None
    except (OSError, SyntaxError) as error:
        raise ImageError(f"the image is damaged or cut off ({error})") from None
