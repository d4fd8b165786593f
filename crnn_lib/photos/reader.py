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
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from crnn_lib.alphabet import Alphabet, check_whole
from crnn_lib.ctc import ctc_loss, minimum_frames
from crnn_lib.decoders import Hypothesis, best_path
from crnn_lib.models import (
    fold_marks,
    frame_edges,
    load_detector,
    load_model,
    read_batches,
    reading_network,
    shipped_models,
    without_marks,
)
from crnn_lib.photos._dates import MARK, with_slashes
from crnn_lib.photos._processes import read_in_processes
from crnn_lib.photos._slant import steadied
from crnn_lib.photos.files import ImageError, files_of
from crnn_lib.photos.finding import PhotoLine, clean_photo
from crnn_lib.photos.ink import ink_of
from crnn_lib.photos.page_lines import cut_lines, cut_word, direction_of_lines, turned_page

PHOTOS = "crnn-photos"  #: the weights that read photographs of numbers
WORDS = "crnn-words"  #: the weights that read words, names and numbers
DIGITS = "crnn-digits"  #: the weights that read clean lines only
#: Shares of an image's height that bodies fill; one view alone reads two lines of 100 worse.
VIEWS = (0.6, 0.72, 0.85)
WORD_FILLS = (0.35, 0.42, 0.5)  # of small letters: above and below them others reach out
TURNED = 0.7  # cosine of a page's direction: what is steeper may stand on its head
STEEPNESS, EVEN = 15.5, 0.73  # fitted to the numbers of composed pages
CROP_STEEPNESS, CROP_EVEN = 7.0, 0.3  # the same for crops, of which the surest cells speak
SURE = 0.97  # probability from which one view of a line is enough
SURE_WORD = 0.9  # the same for a word
IMPROBABLE = 0.15  # a line on a page whose text is less probable gets the text None
CROP_IMPROBABLE = 0.1  # the same for a crop: somebody meant it to be read
USUAL = 10  # characters: of a longer line, so many of them must be that probable, not all at once
NO_NUMBER = 0.5  # how well a line reads, whichever way up, that is no number
READABLE = 0.9  # mean confidence of a page below which it may stand on its head
RARE = math.log(1.5)  # the detector is rarely wrong: upside down must be more probable by this
SETTLED = 6.0  # difference of log-probabilities from which no more lines are asked
ASKED = 24  # lines of a page, at most, that say at a time which way is up
AHEAD = 256  # files whose lines are held at once, to be sorted by width
STEP = 32  # columns: a batch is as wide as a multiple of this
COLUMNS = 1 << 15  # of all lines of one batch together: what bounds the network's memory
STEADIER = 0.1  # letters that lean less must be more probable by this much
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
        None if the reader refused: it was less probable than ``refuse_below`` asks. What it would
        have said is in ``hypothesis.text``.
    confidence : float
        The probability of this text, over all its alignments; with several views their mean. Where
        a detector found the line, times the probability that a number is written there at all.
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
        """The texts of its lines, with a blank in between; those without a text are left out."""
        return " ".join(reading.text for reading in self.readings if reading.text)


class Reader:
    """Reads photos with a network.

    Parameters
    ----------
    model : CRNN or SlidingWindowRNN
        Its input is bright ink on black, as :func:`crnn_lib.photos.ink_of` makes it.
    decoder : callable, optional
        ``decoder(log_probs, frame_lengths, alphabet=...)`` returns a list of Hypothesis, as all of
        :mod:`crnn_lib.decoders` do. ``functools.partial`` adds options.
    refuse_below : float, optional
        A line whose text is less probable gets the text None. If left out it is 0.15 for a line
        that a detector found and 0.1 for a crop, and nothing is refused where there is no detector.
        Then a long line is asked how probable ten of its characters are, by their geometric mean:
        of a hundred digits that are each certain, one is soon wrong.
    fills : tuple of float
        One view of each line for each value: the share of the image's height that the bodies of
        the digits fill. With several, every view proposes its text, and the text that is most
        probable in the mean over all views wins.
    sure : float, optional
        If the middle view is read with this probability, the others are not asked. By default 0.97,
        and 0.9 for words; benchmarks/latency.py counts the texts that the others would change.
    turn : bool
        Read each line upside down as well, and take that where it is far more probable. A 6 upside
        down is a 9, and 0, 1 and 8 look alike: a line of these alone cannot be told apart.
    whole : bool, optional
        All that is written on an image is one word or line, unless the detector sees that it is a
        page of several. By default so for a network that knows letters, which have no common height
        as digits have.
    detector : Detector, optional
        Finds the lines of a page; see :func:`crnn_lib.photos.find_regions`. Without one they are
        found by rules of thumb, :func:`crnn_lib.photos.clean_photo`.
    marks : {"drop", "keep"}, optional
        What becomes of points, commas, slashes and dashes, if the network knows them: they part
        digits and are left out of the text, or stand in it, so that 40.5 is not 405. By default
        they are dropped by a reader of numbers, and kept by one that knows letters.
    words : Reader, optional
        Reads the words on a page, such as ``Reader.pretrained("crnn-words")``. Without one they are
        left out.

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
        refuse_below: float | None = None,
        fills: Sequence[float] = VIEWS,
        sure: float | None = None,
        turn: bool = False,
        whole: bool | None = None,
        detector=None,
        marks: str | None = None,
        words: Reader | None = None,
    ) -> None:
        if isinstance(model, (str, os.PathLike)):
            raise TypeError(
                f"model is a network, and {os.fspath(model)!r} a name: "
                f"Reader.pretrained({os.fspath(model)!r}, ...) loads it, with the same options."
            )
        self.model = reading_network(model).eval()
        _check_options(decoder, fills, detector, words)
        for name, share in (("refuse_below", refuse_below), ("sure", sure)):
            if share is not None and not _is_share(share):
                raise ValueError(f"{name} is a probability, 0 to 1; got {share!r:.80}.")
        for name, choice in (("turn", turn), ("whole", False if whole is None else whole)):
            if not isinstance(choice, (bool, np.bool_)):
                raise TypeError(f"{name} is True or False; got {choice!r:.80}.")
        self.decoder, self.refuse_below, self.turn = decoder, refuse_below, turn
        self.fills = tuple(fills)
        letters = any(symbol.isalpha() for symbol in self.model.alphabet.symbols)
        self.whole = letters if whole is None else whole
        self.sure = sure if sure is not None else SURE_WORD if self.whole else SURE
        self.detector, self.words = detector, words
        marks = marks or ("keep" if letters else "drop")
        if marks not in ("drop", "keep"):
            raise ValueError(f'marks is "drop" or "keep"; got {marks!r}.')
        self.marks = marks

    @classmethod
    def pretrained(cls, name: str | os.PathLike[str] = PHOTOS, **options) -> Reader:
        """A reader with weights that ship, or with those of a ``.safetensors`` file.

        Options are those of :class:`Reader`. Where ``crnn-photos`` is not installed,
        ``crnn-digits`` takes its place with a warning: it knows clean lines only. The detector that
        ships finds the lines of pages, unless another is given.
        """
        if name == PHOTOS and PHOTOS not in shipped_models():
            warnings.warn(
                f"{PHOTOS} is not installed; reading with {DIGITS}, which knows clean lines only.",
                stacklevel=2,
            )
            name = DIGITS
        reader = cls(load_model(name), **options)
        if "detector" not in options:
            with suppress(FileNotFoundError):  # then lines are found by rules of thumb
                reader.detector = load_detector()
        return reader

    @property
    def alphabet(self) -> Alphabet:
        """Of the texts: the network's, without the marks if they are dropped."""
        known = self.model.alphabet
        return without_marks(known) if self.marks == "drop" else known

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
        """All lines of a photo in reading order: rows from top to bottom, and from left to right.

        Raises
        ------
        ImageError
            If there is no line on it.
        OSError
            If the file cannot be opened.
        """
        return self.read_lines(self.find_lines(image, whole=False))

    def read_many(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        progress: bool = False,
        workers: int = 0,
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
        workers : int
            Processes that read at the same time, such as ``os.cpu_count()``, each with this reader
            and one thread. 0 reads here. A script that asks for some has its own first line below
            ``if __name__ == "__main__":``, for each process imports the script.

        Raises
        ------
        TypeError
            If it is one path, or holds something else than paths.
        ValueError
            If workers is no whole number from 0 on, or this reader cannot be sent to another
            process, as with a decoder that a notebook defines.
        ChildProcessError
            If a process died, as when the memory does not hold them all.
        """
        if isinstance(paths, (str, bytes, os.PathLike)):
            raise TypeError(
                f"paths is a list of files and folders, such as [{os.fspath(paths)!r}]; got a "
                "single path."
            )
        if not isinstance(paths, Iterable):
            raise TypeError(
                f"paths is a list of files and folders; got {type(paths).__name__}. read and "
                "read_page take one image."
            )
        check_whole(0, workers=workers)
        return self._rows(paths, progress, workers)

    def _rows(
        self, paths: Iterable[str | os.PathLike[str]], progress: bool, workers: int
    ) -> Iterator[Row]:
        files = []
        for number, path in enumerate(paths):
            if not isinstance(path, (str, bytes, os.PathLike)):
                raise TypeError(
                    f"paths is a list of files and folders; number {number} is "
                    f"{type(path).__name__}. read and read_page take one image."
                )
            files += files_of(path)
        here = self._read_here
        rows = read_in_processes(here, files, workers) if workers else here(files)
        with tqdm(total=len(files), unit="file", disable=None if progress else True) as bar:
            for row in rows:
                bar.update()
                yield row

    def _read_here(self, paths: Sequence[str]) -> Iterator[Row]:
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
                yield Row(os.fspath(path), tuple(next(readings) for _ in lines), why)

    # ------------------------------------------------------------------ the pieces

    def find_lines(self, image, *, whole: bool | None = None) -> list[tuple[PhotoLine, ...]]:
        """The first half of a reading: the lines of a photo, each in as many views as ``fills``.

        It needs the detector, and the network that reads to tell which way up a page lies. It may
        run elsewhere than :meth:`read_lines`.

        Parameters
        ----------
        image : path, PIL.Image.Image, ndarray or Tensor
        whole : bool, optional
            Take all that is written on the image for one line, whatever a detector would say; the
            reader's own habit if left out.
        """
        height, fills = self.model.config.height, self.fills
        if self.detector is None or whole:
            whole = self.whole if whole is None else whole
            images = clean_photo(image, height, fills=fills, whole=whole)
            count = len(fills)
            return [tuple(images[k : k + count]) for k in range(0, len(images), count)]
        views = {"number": (height, fills)}
        if self._of_words is not None:
            views["word"] = (self._of_words.model.config.height, WORD_FILLS)
        if whole is None and self.whole:
            lines = cut_word(image, self.detector, height, fills, views)
            if len(lines) == 1:
                return lines
        else:
            lines = cut_lines(image, self.detector, views)
        lines = self._upright(lines)
        if quarters := round(direction_of_lines(lines) / 90) % 4:
            with suppress(ImageError):  # a detector sees best what stands
                return cut_lines(image, self.detector, views, quarters=quarters)
        return lines

    @property
    def _of_words(self) -> Reader | None:
        """Who reads the words of a page."""
        return self.words or (self if self.whole else None)

    def _upright(self, lines: list[tuple[PhotoLine, ...]]) -> list[tuple[PhotoLine, ...]]:
        """The lines of a page, turned if it seems to lie on its side or to stand on its head.

        A detector sees along which way writing runs; which of both ends is the first, digits
        hardly tell. The way that reads better is taken.
        """
        level = math.cos(math.radians(direction_of_lines(lines))) > TURNED
        if level and (len(lines) < 2 or lines[0][0].stands):
            return lines
        every = math.ceil(len(lines) / ASKED)
        asked = lines[::every]
        worth = self._worth(asked)
        if level and worth >= len(asked) * math.log(READABLE):
            return lines
        other = turned_page(lines)[::-1]  # the same lines in the same order
        gain = self._worth(other[::every]) - worth
        for first in range(1, every):  # single digits tell little: then others are asked as well
            if abs(gain) >= SETTLED:
                break
            gain += self._worth(other[first::every]) - self._worth(lines[first::every])
        return other[::-1] if gain > RARE else lines

    def _worth(self, lines: Sequence[tuple[PhotoLine, ...]]) -> float:
        """How well lines read, by one look at each: the sum of the lines' log-likelihoods.

        Where a number stands, a line is worth the probability of its text. Where the detector is
        wrong, that says nothing, and what reads as nothing is as good either way up.
        """
        worth = 0.0
        readers = {"number": self} | ({"word": self._of_words} if self._of_words else {})
        for kind, reader in readers.items():
            seen = [(line[len(line) // 2],) for line in lines if line[0].kind == kind]
            for (view,), reading in zip(seen, reader._read_views(seen), strict=True):
                sure = certainty(view.score, crop=view.crop)
                found = reading.hypothesis
                fit = math.exp(found.log_prob) if found is not None and found.text else 0.0
                worth += math.log(max(sure * fit + (1 - sure) * NO_NUMBER, 1e-2))
        return worth

    def read_lines(self, lines: list[tuple[PhotoLine, ...]]) -> list[Reading]:
        """The second half: lines as :meth:`find_lines` returns them, of any photos, to readings."""
        if self.words is not None:
            kinds = [line[0].kind for line in lines]
            chosen = [k for k, kind in enumerate(kinds) if kind == "word"]
            words = iter(self.words.read_lines([lines[k] for k in chosen]))
            numbers = iter(self._read_turned([line for line in lines if line[0].kind != "word"]))
            return [next(words if kind == "word" else numbers) for kind in kinds]
        return self._read_turned(lines)

    def _read_turned(self, lines: list[tuple[PhotoLine, ...]]) -> list[Reading]:
        upright = self._read_steadied(lines)
        if not self.turn:
            return upright
        turned = self._read_steadied([tuple(view.turned() for view in line) for line in lines])
        return [
            replace(other, upside_down=True) if other.confidence > one.confidence + SURER else one
            for one, other in zip(upright, turned, strict=True)
        ]

    def _read_steadied(self, lines: list[tuple[PhotoLine, ...]]) -> list[Reading]:
        """Each line as it was written; where that leaves a doubt, also with letters that lean less.

        The other is taken if it is plainly surer.
        """
        readings = self._read_views(lines)
        others = {
            n: steady
            for n, (reading, line) in enumerate(zip(readings, lines, strict=True))
            if not self._is_sure(reading.hypothesis) and (steady := steadied(line)) is not None
        }
        for n, other in zip(others, self._read_views(list(others.values())), strict=True):
            if other.confidence > readings[n].confidence + STEADIER:
                readings[n] = other
        return readings

    def _read_views(self, lines: Sequence[tuple[PhotoLine, ...]]) -> list[Reading]:
        """The middle view of each line, and the others where that leaves a doubt."""
        middles = [len(line) // 2 for line in lines]
        seen: list[tuple[PhotoLine, ...]] = [
            (line[k],) for line, k in zip(lines, middles, strict=True)
        ]
        looks = self._look_at(seen)
        unsure = [n for n, ((found, _),) in enumerate(looks) if not self._is_sure(found)]
        others = [lines[n][: middles[n]] + lines[n][middles[n] + 1 :] for n in unsure]
        for n, more in zip(unsure, self._look_at(others), strict=True):
            seen[n] = lines[n]
            looks[n] = more[: middles[n]] + looks[n] + more[middles[n] :]
        return [self._choose(*pair) for pair in zip(seen, looks, strict=True)]

    def _is_sure(self, hypothesis: Hypothesis | None) -> bool:
        """Whether one view has said enough: no other view is asked then."""
        return hypothesis is not None and math.exp(hypothesis.log_prob) >= self.sure

    def _look_at(self, lines: Sequence[tuple[PhotoLine, ...]]) -> list[list[tuple]]:
        """Of each line, of each of its views: what is decoded, and the lattice."""
        images = [view.image for line in lines for view in line]
        results: list = [None] * len(images)
        views = max((len(line) for line in lines), default=1)
        batches = _batches([image.shape[2] for image in images], views)
        load = partial(_load, images)
        for n, hypothesis, log_probs in read_batches(self.model, batches, load, self._decode):
            results[n] = hypothesis, log_probs
        left = iter(results)
        return [list(itertools.islice(left, len(line))) for line in lines]

    def _decode(self, log_probs: Tensor, frame_lengths: Tensor, *, alphabet: Alphabet) -> list:
        known = self.model.alphabet
        if not self.whole and MARK in known.characters:
            log_probs = log_probs.clone()  # (N, T, C)
            for n, frames in enumerate(frame_lengths.tolist()):
                log_probs[n, :frames] = with_slashes(log_probs[n, :frames], known)
        log_probs, alphabet = self._folded(log_probs)
        return self.decoder(log_probs, frame_lengths, alphabet=alphabet)

    def _folded(self, log_probs: Tensor) -> tuple[Tensor, Alphabet]:
        """A lattice, (..., C), and its alphabet, without the marks that are dropped."""
        known = self.model.alphabet
        return fold_marks(log_probs, known) if self.marks == "drop" else (log_probs, known)

    def _choose(self, views: tuple[PhotoLine, ...], results: list) -> Reading:
        """One reading of the views of a line."""
        labels = list(dict.fromkeys(found.label for found, _ in results if found is not None))
        view, confidence = 0, 0.0
        if labels and len(views) > 1:
            each = torch.stack(
                [self._probabilities(own, frames, labels) for own, frames in results]
            )
            means = each.mean(0)  # (labels,)
            confidence, winner = float(means.max()), int(means.argmax())
            own = [found is not None and found.label == labels[winner] for found, _ in results]
            view = int(torch.where(torch.tensor(own), each[:, winner], -1.0).argmax())
        elif labels:
            confidence = math.exp(results[0][0].log_prob)
        (hypothesis, log_probs), line = results[view], views[view]
        where = line.row, line.column
        if hypothesis is None:  # the decoder's language accepts nothing that fits
            return Reading(None, 0.0, (), line, log_probs, None, False, line.kind, *where)
        kind = line.kind if hypothesis.text else "nothing"
        if any(character.isalpha() for character in hypothesis.text):
            kind = "word"  # where no detector looked, only the text tells
        each = max(confidence, 1e-300) ** (1 / max(len(hypothesis.text), 1))  # of its characters
        if hypothesis.text:
            sure = certainty(line.score, crop=line.crop and line.kind == "number")
            confidence *= sure if self.whole or line.kind == "number" else 1 - sure
        if self.refuse_below is not None:
            refused = confidence < self.refuse_below
        else:  # a page has much that is no number: what is this improbable is none
            least = 0.0 if line.row is None else CROP_IMPROBABLE if line.crop else IMPROBABLE
            refused = confidence * each ** min(USUAL - len(hypothesis.text), 0) < least
        text = None if refused else hypothesis.text
        spans = self._spans(hypothesis, line, len(log_probs))
        return Reading(text, confidence, spans, line, log_probs, hypothesis, False, kind, *where)

    def _probabilities(
        self, own: Hypothesis | None, log_probs: Tensor, labels: list[tuple[int, ...]]
    ) -> Tensor:
        """The probability of each label on one view, 0 where it does not fit: (labels,)."""
        probabilities = torch.zeros(len(labels), dtype=torch.float64)
        if own is not None:  # what the decoder has said of its own label is not summed again
            probabilities[labels.index(own.label)] = math.exp(own.log_prob)
        fitting = [
            k
            for k, label in enumerate(labels)
            if minimum_frames(label) <= len(log_probs) and (own is None or label != own.label)
        ]
        chosen = [torch.tensor(labels[k], dtype=torch.long) for k in fitting]
        if chosen:
            if not self.whole:
                log_probs = with_slashes(log_probs, self.model.alphabet)
            log_probs, alphabet = self._folded(log_probs)
            loss = ctc_loss(
                log_probs.double().expand(len(chosen), -1, -1),  # (labels, T, C)
                pad_sequence(chosen, batch_first=True),
                torch.full((len(chosen),), len(log_probs)),
                torch.tensor([len(label) for label in chosen]),
                blank=alphabet.blank,
                reduction="none",
            )
            probabilities[fitting] = (-loss).exp()
        return probabilities

    def _spans(self, hypothesis: Hypothesis, line: PhotoLine, frames: int) -> tuple:
        width, height = line.size[0], line.image.shape[1]
        symbols, spans = self.alphabet.symbols, []
        ends = np.array([(span.start, span.end) for span in hypothesis.spans], int).reshape(-1, 2)
        across = frame_edges(self.model, frames)[ends][:, [0, 1, 1, 0]]  # (M, 4)
        points = np.stack([across, np.broadcast_to((0, 0, height, height), across.shape)], 2)
        boxes = line.to_photo(points.reshape(-1, 2)).reshape(-1, 4, 2)
        for span, box in zip(hypothesis.spans, boxes, strict=True):
            start = min(max(math.floor(box[:, 0].min()), 0), width - 1)
            end = min(max(math.ceil(box[:, 0].max()), start + 1), width)
            spans.append(CharacterSpan(symbols[span.label], start, end, box))
        return tuple(spans)


def certainty(score: float, *, crop: bool = False) -> float:
    """How probable it is that a number stands where a detector gave this score.

    Of a crop a number is expected, so its surest cells are enough.

    >>> [round(certainty(score), 2) for score in (0.65, 0.75, 0.85, 0.95, 1.0)]
    [0.22, 0.58, 0.87, 0.97, 1.0]
    >>> [round(certainty(score, crop=True), 2) for score in (0.0, 0.2, 0.3, 0.6, 0.9)]
    [0.11, 0.33, 0.5, 0.89, 0.99]
    """
    if score >= 1:
        return 1.0
    steepness, even = (CROP_STEEPNESS, CROP_EVEN) if crop else (STEEPNESS, EVEN)
    return 1 / (1 + math.exp(-steepness * (score - even)))


def _is_share(value: Any, least: float = 0.0) -> bool:
    """Whether something is a number, not below ``least`` and not above 1."""
    try:
        return not isinstance(value, bool) and bool(least <= value <= 1)
    except (TypeError, ValueError, RuntimeError):  # no number, or several
        return False


def _check_options(decoder: Any, fills: Any, detector: Any, words: Any) -> None:
    """Raise an error if an option of a :class:`Reader` is of a wrong kind."""
    if not callable(decoder):
        raise TypeError(
            "decoder is a function such as crnn_lib.decoders.prefix_beam_search; got "
            f"{decoder!r:.80}."
        )
    shares = tuple(fills) if isinstance(fills, Iterable) else ()
    if not shares or not all(_is_share(share, 0.2) for share in shares):
        raise ValueError(f"fills holds shares from 0.2 to 1, at least one; got {fills!r:.80}.")
    if isinstance(detector, (str, os.PathLike)):
        raise TypeError(f"detector is a network: detector=load_detector({os.fspath(detector)!r}).")
    if hasattr(detector, "alphabet"):
        raise TypeError(
            f"detector finds lines, and a {type(detector).__name__} reads them: load_detector() "
            "loads the one that ships."
        )
    if detector is not None and not callable(detector):
        raise TypeError(f"detector is a network, such as load_detector(); got {detector!r:.80}.")
    if words is not None and not isinstance(words, Reader):
        raise TypeError(
            f"words is a Reader, such as Reader.pretrained({WORDS!r}); got {words!r:.80}."
        )


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


def _batches(widths: list[int], views: int = 1) -> Iterator[list[int]]:
    """Numbers of images, in batches of similar width that stay within :data:`COLUMNS`.

    Their sizes are powers of two, times the views of a line where there are so many left. torch
    keeps what it has prepared for every shape that it has seen, some hundred kB each: few shapes
    keep the memory flat over many files.
    """
    left = sorted(range(len(widths)), key=widths.__getitem__)
    while left:
        views = views if len(left) >= views else 1
        size = views << ((len(left) // views).bit_length() - 1)
        while size > views and size * widths[left[size - 1]] > COLUMNS:
            size = views * (size // views // 2)
        if size > 1 and size * widths[left[size - 1]] > COLUMNS:
            size = 1
        yield left[:size]
        left = left[size:]
