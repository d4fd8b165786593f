"""From a photo to what is written on it: find the lines, make ink of them, read, say how sure.

>>> reader = Reader.pretrained("crnn-digits")
>>> reading = reader.read("data/lines/55207.png")  # doctest: +SKIP
>>> reading.text, round(reading.confidence, 2)  # doctest: +SKIP
('55207', 1.0)
"""

from __future__ import annotations

import itertools
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from crnn_lib.ctc import ctc_loss, minimum_frames
from crnn_lib.decoders import Hypothesis, best_path
from crnn_lib.models import frame_edges, load_model, read_batches, shipped_models, unwrap_model
from crnn_lib.photos.files import SUFFIXES, ImageError
from crnn_lib.photos.finding import PhotoLine, clean_photo
from crnn_lib.photos.ink import ink_of

PHOTOS = "crnn-photos"  #: the weights that read photographs of numbers
WORDS = "crnn-words"  #: the weights that read words, names and numbers
DIGITS = "crnn-digits"  #: the weights that read clean lines only
VIEWS = (0.6, 0.72, 0.85)  # shares of the image's height; one alone reads two lines of 100 worse
AHEAD = 256  # files whose lines are held at once, to be sorted by width
STEP = 32  # columns: a batch is as wide as a multiple of this
COLUMNS = 1 << 15  # of all lines of one batch together: what bounds the network's memory
SURER = 0.5  # upside down must be more probable by this much to be believed


@dataclass(frozen=True, eq=False)
class CharacterSpan:
    """Where the network saw one character.

    Attributes
    ----------
    character : str
    start, end : int
        Columns of the photo, half-open: ``[start, end)``.
    box : ndarray, (4, 2)
        Corners (x, y) on the photo, clockwise from the character's upper left: as high as the
        line that was read, and turned with it.
    """

    character: str
    start: int
    end: int
    box: np.ndarray


@dataclass(frozen=True, eq=False)
class Reading:
    """What is written on a line of a photo.

    Attributes
    ----------
    text : str or None
        None if the reader refused: its confidence was below ``refuse_below``. What it would have
        said is in ``hypothesis.text``.
    confidence : float
        The probability of this text, over all its alignments; with several views their mean.
    spans : tuple of CharacterSpan
        On the photo, with its own pixels.
    line : PhotoLine
        The grey image of the line that was read, and where it lies on the photo.
    log_probs : Tensor, (T, C)
        What the network said of the line.
    hypothesis : Hypothesis or None
        What the decoder made of that. None, and the text None, if its language fits nowhere.
    upside_down : bool
        Whether the line was turned by half a turn to be read.
    kind : str
        ``"number"``, ``"word"``, or ``"nothing"`` if there is no text on the line.
    row, column : int or None
        Of the page or its table, from 0; None where nothing tells them.
    """

    text: str | None
    confidence: float
    spans: tuple[CharacterSpan, ...]
    line: PhotoLine
    log_probs: Tensor
    hypothesis: Hypothesis | None
    upside_down: bool = False
    kind: str = "number"
    row: int | None = None
    column: int | None = None

    def __repr__(self) -> str:
        return f"Reading({self.text!r}, confidence {self.confidence:.3f})"


@dataclass(frozen=True, eq=False)
class Row:
    """One file of many: its lines' readings, or why there are none."""

    path: str
    readings: tuple[Reading, ...]
    error: str | None = None

    @property
    def text(self) -> str:
        """The texts of its lines, with a blank in between; nothing for a refused one."""
        return " ".join(reading.text or "" for reading in self.readings)


class Reader:
    """Reads photos with a network.

    Parameters
    ----------
    model : CRNN or SlidingWindowRNN
        Its input is bright ink on black, as :func:`crnn_lib.photos.ink_of` makes it.
    decoder : callable, optional
        ``decoder(log_probs, frame_lengths, alphabet=...)`` returns a list of Hypothesis, as all of
        :mod:`crnn_lib.decoders` do. ``functools.partial`` adds options.
    refuse_below : float
        A line whose text is less probable gets the text None.
    fills : tuple of float
        One view of each line for each value: the share of the image's height that the bodies of
        the digits fill. With several, every view proposes its text, and the text that is most
        probable in the mean over all views wins.
    turn : bool
        Read each line upside down as well, and take that where it is far more probable. A 6 upside
        down is a 9, and 0, 1 and 8 look alike: a line of these alone cannot be told apart.

    Examples
    --------
    >>> import torch
    >>> from crnn_lib.models import CRNN
    >>> paper = torch.full((60, 200), 0.8)
    >>> paper[10:50, 40:46] = 0.2
    >>> reading = Reader(CRNN().eval(), refuse_below=0.99).read(paper)
    >>> reading.text is None  # this network has learned nothing
    True
    """

    def __init__(
        self,
        model,
        *,
        decoder: Callable[..., list[Hypothesis]] = best_path,
        refuse_below: float = 0.0,
        fills: Sequence[float] = VIEWS,
        turn: bool = False,
        whole: bool | None = None,
    ) -> None:
        if not 0 <= refuse_below <= 1:
            raise ValueError(f"refuse_below is a probability, 0 to 1; got {refuse_below}.")
        if not fills or not all(0.2 <= fill <= 1 for fill in fills):
            raise ValueError(f"fills holds shares from 0.2 to 1, at least one; got {fills}.")
        self.model = unwrap_model(model).eval()
        self.decoder, self.refuse_below, self.turn = decoder, refuse_below, turn
        self.fills = tuple(fills)
        letters = any(symbol.isalpha() for symbol in self.model.alphabet.symbols)
        self.whole = letters if whole is None else whole

    @classmethod
    def pretrained(cls, name: str | os.PathLike[str] = PHOTOS, **options) -> Reader:
        """A reader with weights that ship, or with those of a ``.safetensors`` file.

        Options are those of :class:`Reader`. Where ``crnn-photos`` is not installed,
        ``crnn-digits`` takes its place with a warning: it knows clean lines only.
        """
        if name == PHOTOS and PHOTOS not in shipped_models():
            warnings.warn(
                f"{PHOTOS} is not installed; reading with {DIGITS}, which knows clean lines only.",
                stacklevel=2,
            )
            name = DIGITS
        return cls(load_model(name), **options)

    def read(self, image) -> Reading:
        """The one line of a photo or of a crop; with a network that knows letters, the one word.

        Parameters
        ----------
        image : path, PIL.Image.Image, ndarray or Tensor
            As for :func:`crnn_lib.photos.to_grey`.

        Raises
        ------
        ImageError
            If there is no ink, no line, or more than one; :meth:`read_page` reads them all.
        OSError
            If the file cannot be opened.
        """
        readings = self.read_lines(self.find_lines(image))
        if len(readings) > 1:
            raise ImageError(
                f"{len(readings)} lines of writing were found on it; read_page reads them all, or "
                "crop the photo to one"
            )
        return readings[0]

    def read_page(self, image) -> list[Reading]:
        """All lines of a photo, from top to bottom."""
        return self.read_lines(self.find_lines(image, whole=False))

    def read_many(
        self, paths: Iterable[str | os.PathLike[str]], *, progress: bool = False
    ) -> Iterator[Row]:
        """Read many files, one row each, in their order.

        Lines of similar width are read together. No more than some hundred files' lines are held
        at once, however many files there are. A file that cannot be read costs its own row only.

        Parameters
        ----------
        paths : iterable of path
            Files, and folders: of these every image file, by name.
        progress : bool
            Show a bar on the error output.
        """
        paths = [file for path in paths for file in files_of(path)]
        bar = tqdm(total=len(paths), unit="file", disable=None if progress else True)
        with bar:
            files = iter(paths)
            while chunk := list(itertools.islice(files, AHEAD)):
                found: list[list[tuple[PhotoLine, ...]]] = []
                reasons: list[str | None] = []
                for path in chunk:
                    try:
                        found.append(self.find_lines(path))
                        reasons.append(None)
                    except (OSError, ValueError) as error:
                        found.append([])
                        reasons.append(reason_of(error))
                readings = iter(self.read_lines([line for lines in found for line in lines]))
                for path, lines, why in zip(chunk, found, reasons, strict=True):
                    own = tuple(next(readings) for _ in lines)
                    bar.update()
                    yield Row(os.fspath(path), own, why)

    # ------------------------------------------------------------------ the pieces

    def find_lines(self, image, *, whole: bool | None = None) -> list[tuple[PhotoLine, ...]]:
        """The first half of a reading: the lines of a photo, each in as many views as ``fills``.

        It needs no network, and may run elsewhere than :meth:`read_lines`.

        Parameters
        ----------
        image : path, PIL.Image.Image, ndarray or Tensor
        whole : bool, optional
            Take all that is written on the image for one line; the reader's own habit if left out.
        """
        whole = self.whole if whole is None else whole
        images = clean_photo(image, self.model.config.height, fills=self.fills, whole=whole)
        count = len(self.fills)
        return [tuple(images[k : k + count]) for k in range(0, len(images), count)]

    def read_lines(self, lines: list[tuple[PhotoLine, ...]]) -> list[Reading]:
        """The second half: lines as :meth:`find_lines` returns them, of any photos, to readings."""
        upright = self._read_views(lines)
        if not self.turn:
            return upright
        turned = self._read_views([tuple(view.turned() for view in line) for line in lines])
        return [
            replace(other, upside_down=True) if other.confidence > one.confidence + SURER else one
            for one, other in zip(upright, turned, strict=True)
        ]

    def _read_views(self, lines: list[tuple[PhotoLine, ...]]) -> list[Reading]:
        images = [view.image for line in lines for view in line]
        results: list = [None] * len(images)
        batches = _batches([image.shape[2] for image in images])
        load = partial(_load, images)
        for n, hypothesis, log_probs in read_batches(self.model, batches, load, self.decoder):
            results[n] = hypothesis, log_probs
        count = len(self.fills)
        return [
            self._choose(line, results[n * count : (n + 1) * count]) for n, line in enumerate(lines)
        ]

    def _choose(self, views: tuple[PhotoLine, ...], results: list) -> Reading:
        """One reading of the views of a line."""
        labels = list(dict.fromkeys(found.label for found, _ in results if found is not None))
        view, confidence = 0, 0.0
        if labels and len(views) > 1:
            each = torch.stack([self._probabilities(frames, labels) for _, frames in results])
            means = each.mean(0)  # (labels,)
            confidence, winner = float(means.max()), int(means.argmax())
            own = [found is not None and found.label == labels[winner] for found, _ in results]
            view = int(torch.where(torch.tensor(own), each[:, winner], -1.0).argmax())
        elif labels:
            confidence = math.exp(results[0][0].log_prob)
        hypothesis, log_probs = results[view]
        if hypothesis is None:  # the decoder's language accepts nothing that fits
            return Reading(None, 0.0, (), views[view], log_probs, None)
        text = None if confidence < self.refuse_below else hypothesis.text
        spans = self._spans(hypothesis, views[view], len(log_probs))
        return Reading(text, confidence, spans, views[view], log_probs, hypothesis)

    def _probabilities(self, log_probs: Tensor, labels: list[tuple[int, ...]]) -> Tensor:
        """The probability of each label on one view, 0 where it does not fit: (labels,)."""
        fitting = [k for k, label in enumerate(labels) if minimum_frames(label) <= len(log_probs)]
        chosen = [torch.tensor(labels[k], dtype=torch.long) for k in fitting]
        probabilities = torch.zeros(len(labels), dtype=torch.float64)
        if chosen:
            loss = ctc_loss(
                log_probs.double().expand(len(chosen), -1, -1),  # (labels, T, C)
                pad_sequence(chosen, batch_first=True),
                torch.full((len(chosen),), len(log_probs)),
                torch.tensor([len(label) for label in chosen]),
                blank=self.model.alphabet.blank,
                reduction="none",
            )
            probabilities[fitting] = (-loss).exp()
        return probabilities

    def _spans(self, hypothesis: Hypothesis, line: PhotoLine, frames: int) -> tuple:
        edges = frame_edges(self.model, frames)
        width = line.size[0]
        spans = []
        for span in hypothesis.spans:
            box = line.box(edges[span.start], edges[span.end])
            start = min(max(math.floor(box[:, 0].min()), 0), width - 1)
            end = min(max(math.ceil(box[:, 0].max()), start + 1), width)
            character = self.model.alphabet.symbols[span.label]
            spans.append(CharacterSpan(character, start, end, box))
        return tuple(spans)


def files_of(path: str | os.PathLike[str]) -> list[str]:
    """The file itself, or all image files of a folder, by name; folders within are left out.

    Raises
    ------
    ImageError
        If it is a folder without image files.
    """
    if not os.path.isdir(path):
        return [os.fspath(path)]
    entries = sorted(Path(path).iterdir())
    files = [str(e) for e in entries if e.suffix.lower() in SUFFIXES and not e.is_dir()]
    if not files:
        raise ImageError("it is a folder without image files")
    return files


def reason_of(error: Exception) -> str:
    """Why a file could not be read, as half a sentence."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError):
        return f"cannot be opened ({error.strerror or error})"
    return str(error)


def _load(images: list[Tensor], numbers: list[int]) -> tuple[Tensor, Tensor]:
    """Some grey lines as ink: (N, 1, H, W), and their widths (N,)."""
    widths = torch.tensor([images[n].shape[2] for n in numbers])
    widest = math.ceil(int(widths.max()) / STEP) * STEP
    batch = torch.stack([F.pad(images[n], (0, widest - images[n].shape[2])) for n in numbers])
    return ink_of(batch, widths), widths


def _batches(widths: list[int]) -> Iterator[list[int]]:
    """Numbers of lines, in batches of similar width that stay within :data:`COLUMNS`.

    Their sizes are powers of two. torch keeps what it has prepared for every shape that it has
    seen, some hundred kB each: few shapes keep the memory flat over many files.
    """
    left = sorted(range(len(widths)), key=widths.__getitem__)
    while left:
        size = 1 << (len(left).bit_length() - 1)
        while size > 1 and size * widths[left[size - 1]] > COLUMNS:
            size //= 2
        yield left[:size]
        left = left[size:]
