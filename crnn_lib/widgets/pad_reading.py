"""How the drawing pad reads: one line in, text, spans of ink and posteriors out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import Hypothesis
from crnn_lib.models import fold_marks, frame_edges, shipped_models
from crnn_lib.photos import DIGITS, FILL, PHOTOS, Reader, ink_of
from crnn_lib.widgets.pad_ink import INK, WrittenLine, network_line


@dataclass(frozen=True)
class InkSpan:
    """Columns ``[start, end)`` of an image in which the ink of one character stands."""

    start: float
    end: float
    log_prob: float


@dataclass(frozen=True)
class PadReading:
    """What a network reads on a line.

    Attributes
    ----------
    text : str
    confidence : float
        Probability of the text.
    spans : tuple of InkSpan
        One per character, in columns of the image.
    log_probs : Tensor, (T, C)
    edges : ndarray, (T + 1,)
        Borders of the frames in columns of the image.
    refused : bool
        Whether the reader was too unsure to say the text.
    """

    text: str
    confidence: float
    spans: tuple[InkSpan, ...]
    log_probs: Tensor
    edges: np.ndarray
    refused: bool = False


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: for one short line, waiting for others takes longer than reading.

    On a busy machine, such as one that a class shares, it takes twenty times as long.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class PadReader:
    """A :class:`crnn_lib.photos.Reader` that also says which ink it read as what.

    The reader's own spans are the frames in which the network saw a character: one or two. The
    ink of that character reaches farther.

    Parameters
    ----------
    reader : Reader, optional
        By default, one with the weights that ship.
    """

    def __init__(self, reader: Reader | None = None) -> None:
        name = PHOTOS if PHOTOS in shipped_models() else DIGITS
        # one look, not three: the answer is to come while one writes
        self.reader = reader or Reader.pretrained(name, fills=(FILL,))

    def __call__(self, image: Any) -> PadReading:
        """Read a drawing or a photo: whatever the reader takes."""
        with one_thread():
            reading = self.reader.read(image)
        line, hypothesis = reading.line, reading.hypothesis
        middle = line.image.shape[1] / 2
        ink = ink_of(line.image)[0].numpy()  # (H, W)
        edges = frame_edges(self.reader.model, len(reading.log_probs))

        def columns(places: Sequence[float]) -> np.ndarray:
            # unlike line.to_photo, this may leave the photo: so do the frames at its borders
            points = np.array([[x, middle, 1] for x in places]).reshape(-1, 3)
            return (points @ line.matrix.T)[:, 0]

        spans = []
        for span in ink_spans(hypothesis, edges, ink):
            # upside down, it is the other way round
            start, end = sorted(columns((span.start, span.end)).tolist())
            spans.append(InkSpan(start, end, span.log_prob))
        return PadReading(
            "" if hypothesis is None else hypothesis.text,
            reading.confidence,
            tuple(spans),
            self._folded(reading.log_probs)[0],
            columns(edges),
            refused=reading.text is None,
        )

    def _folded(self, log_probs: Tensor) -> tuple[Tensor, Alphabet]:
        """A lattice without the marks, where the reader drops them; and what its classes are."""
        known = self.reader.model.alphabet
        return fold_marks(log_probs, known) if self.reader.marks == "drop" else (log_probs, known)

    @property
    def alphabet(self) -> Alphabet:
        """Of the texts that it reads."""
        return self._folded(torch.zeros(1, self.reader.model.alphabet.num_classes))[1]

    def read_drawing(self, strokes: Sequence[dict]) -> tuple[PadReading, WrittenLine] | None:
        """Read strokes, and say which line they made; None where no ink is.

        No step of a photo's is needed, and none is taken: the page does the same without Python.
        Of the reader its network, decoder, marks and ``refuse_below`` count.
        """
        reader, network = self.reader, self.reader.model
        line = network_line(strokes, network.config.height)
        if line is None:
            return None
        image = torch.from_numpy(line.image)
        device = next(network.parameters()).device
        with one_thread(), torch.inference_mode():
            log_probs = network(image[None, None].to(device))[0].cpu()  # (1, T, C)
            log_probs, alphabet = self._folded(log_probs)
            (hypothesis,) = reader.decoder(log_probs, alphabet=alphabet)
        edges = frame_edges(network, log_probs.shape[1])
        spans = ink_spans(hypothesis, edges, line.image)
        sure = 0.0 if hypothesis is None else math.exp(hypothesis.log_prob)
        text = "" if hypothesis is None else hypothesis.text
        refused = hypothesis is None or sure < (reader.refuse_below or 0.0)
        return PadReading(text, sure, spans, log_probs[0], edges, refused), line


def ink_spans(
    hypothesis: Hypothesis | None, edges: np.ndarray, image: np.ndarray
) -> tuple[InkSpan, ...]:
    """Which ink was read as which character, in columns of the image, (H, W)."""
    found = () if hypothesis is None else hypothesis.spans
    peaks = [(edges[span.start] + edges[span.end]) / 2 for span in found]
    extents = zip(found, divide_ink(image, peaks), strict=True)
    return tuple(InkSpan(*extent, span.log_prob) for span, extent in extents)


def divide_ink(image: np.ndarray, peaks: Sequence[float]) -> list[tuple[float, float]]:
    """Which columns of ink belong to which character.

    Between two neighbours, the ink is parted at the column that has least of it, the one nearest
    to the middle of the two if several have as little. A character whose spike stands before its
    ink keeps that ink: where ink is left for both, the cut leaves some on either side.

    Parameters
    ----------
    image : ndarray, (H, W), in [0, 1]
    peaks : sequence of float
        A column within each character, from left to right.

    Returns
    -------
    list of (float, float)
        Columns ``[start, end)``, cut down to the ink in them.

    >>> divide_ink(np.array([[0, 1, 1, 0, 0, 1, 0]]), [1.5, 5.5])
    [(1.0, 3.0), (5.0, 6.0)]
    >>> divide_ink(np.array([[0, 0, 1, 1, 0, 1, 0]]), [0.5, 5.5])
    [(2.0, 4.0), (5.0, 6.0)]
    """
    if not len(peaks):
        return []
    amount = image.sum(0)  # (W,)
    wide = len(amount)
    dark = (image >= INK).any(0)
    cuts = [0]
    for one, other in zip(peaks[:-1], peaks[1:], strict=True):
        low = min(max(math.floor(one), cuts[-1]), wide)
        high = min(max(math.ceil(other), low), wide)
        left = cuts[-1] + np.flatnonzero(dark[cuts[-1] :])
        if len(left) > 1:
            low = min(max(low, int(left[0]) + 1), int(left[-1]))
            high = min(max(high, low), int(left[-1]))
        columns = np.arange(low, high + 1)
        least = np.append(amount, 0)[columns].round(3)
        columns = columns[least == least.min()]
        cuts.append(int(columns[np.abs(columns - (one + other) / 2).argmin()]))
    cuts.append(wide)
    extents = []
    for peak, start, end in zip(peaks, cuts[:-1], cuts[1:], strict=True):
        inside = np.flatnonzero(dark[start:end])
        if len(inside):
            extents.append((float(start + inside[0]), float(start + inside[-1] + 1)))
        else:  # the network saw a character where no ink is
            extents.append((float(peak), float(peak)))
    return extents
