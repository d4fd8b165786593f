"""From posteriors to the probability of a label: the trellis, and what flows through it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import Trellis, forward_backward, minimum_frames
from crnn_lib.widgets.base import (
    Explorer,
    alphabet_of,
    bundle,
    decode,
    encode,
    place_of,
    stylesheet,
)

MOST_FRAMES, MOST_CLASSES = 256, 128  # more are no picture any longer
NOTES = {
    "early": "after 50 steps of training: a sea of blanks, first guesses in it",
    "confused": "the trained network reads a line whose digits overlap",
    "trained": "the trained network reads the line that the early one could not",
}


class LatticeExplorer(Explorer):
    """A line, its posteriors, and the trellis of a label under them.

    Drag a posterior, edit the label, step the recursion, follow the paths through a cell, nudge the
    posteriors down the gradient of the loss. Up to 8 frames, the sum over all alignments stands
    beside the recursion.

    Without arguments it opens on a real line: see :meth:`trained`, :meth:`early`,
    :meth:`confused`, and :meth:`example` for one that can be computed by hand.

    Parameters
    ----------
    log_probs : Tensor or array, (T, C), optional
        What a network says about a line. Each frame sums to 1, or has done so before.
    text : str
        The label whose probability is asked for.
    image : Tensor or array, (H, W) or (1, H, W), optional
        The line, ink bright on black: floats in [0, 1], or bytes.
    alphabet : Alphabet, optional
        Says what the C classes are; digits with the blank first by default.
    edges : sequence of float, (T + 1,), optional
        Borders of the frames in pixel columns, from :func:`crnn_lib.models.frame_edges`. Without
        it the frames divide the image evenly.

    Attributes
    ----------
    view : {"posterior", "alpha", "beta", "gamma"}
        What the trellis shows.
    frame, row : int
        The selected cell: frames from 0, rows of the trellis (states) from 0 to 2L. A row of -1
        selects none.
    known : int
        How many frames of alpha (from the left) or beta (from the right) are shown; 0 is all.

    Raises
    ------
    ValueError
        If the shapes do not fit each other, or the text does not fit the frames.

    Examples
    --------
    >>> explorer = LatticeExplorer.example()
    >>> explorer
    LatticeExplorer('a', 3 frames, 2 classes)
    >>> explorer.log_probs.exp()  # columns: blank and "a"
    tensor([[0.8000, 0.2000],
            [0.5000, 0.5000],
            [0.6000, 0.4000]])
    >>> round(explorer.probability, 4)  # all but --- (0.24) and a-a (0.04)
    0.72
    >>> explorer.text = "aa"  # a-a alone
    >>> round(explorer.probability, 4)
    0.04
    """

    _esm = bundle("lattice.js")
    _css = stylesheet("lattice.css")
    words = (
        "The lattice explorer: a line, the network's posteriors, and the CTC trellis of its label. "
        "Run the notebook in JupyterLab or Colab to use it."
    )

    #: Lines to choose from; each has a name, a note and all that is drawn of it.
    lines = traitlets.List(traitlets.Dict()).tag(sync=True)
    line = traitlets.Int(0).tag(sync=True)
    #: Log-probabilities (T, C) of the current line as base64 float32; :attr:`log_probs` has them.
    encoded = traitlets.Unicode("").tag(sync=True)
    text = traitlets.Unicode("").tag(sync=True)
    view = traitlets.Enum(("posterior", "alpha", "beta", "gamma"), "gamma").tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)
    row = traitlets.Int(-1).tag(sync=True)
    known = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        log_probs: Tensor | np.ndarray | Sequence | None = None,
        text: str = "55207",
        *,
        image: Tensor | np.ndarray | None = None,
        alphabet: Alphabet | None = None,
        edges: Sequence[float] | None = None,
    ) -> None:
        if log_probs is None:
            if image is not None or alphabet is not None or edges is not None:
                raise ValueError("An image, an alphabet or edges need log_probs to belong to.")
            lines, line = shipped_lines(), 3
        else:
            alphabet = alphabet or Alphabet()
            if isinstance(alphabet.characters, tuple):
                raise ValueError(
                    "The label is typed into the explorer code point by code point; the alphabet's "
                    f"characters take several: {alphabet.characters!r:.80}."
                )
            lines, line = [describe_line("line", "", log_probs, text, image, alphabet, edges)], 0
        text = lines[line]["text"] if log_probs is None else text
        super().__init__(lines=lines, line=line, encoded=lines[line]["encoded"], text=text)

    @classmethod
    def example(cls) -> LatticeExplorer:
        """3 frames of 2 classes, a label of one character: 0.72 by hand."""
        return cls._opened("by hand")

    @classmethod
    def early(cls) -> LatticeExplorer:
        """55207 as a network sees it after 50 steps of training."""
        return cls._opened("early")

    @classmethod
    def confused(cls) -> LatticeExplorer:
        """Overlapping digits, over which the trained network hesitates."""
        return cls._opened("confused")

    @classmethod
    def trained(cls) -> LatticeExplorer:
        """55207 as the trained network sees it: the line of :meth:`early`."""
        return cls._opened("trained")

    @classmethod
    def _opened(cls, name: str) -> LatticeExplorer:
        explorer = cls()
        explorer.choose(name)
        return explorer

    def __repr__(self) -> str:
        frames, classes = self.log_probs.shape
        return f"LatticeExplorer({self.text!r}, {frames} frames, {classes} classes)"

    def still(self) -> Figure:
        """The explorer as it is now, as a figure."""
        from crnn_lib.widgets.stills import plot_lattice

        return plot_lattice(self)

    def choose(self, name: str) -> None:
        """Go to the line of that name, as it was at first."""
        line = place_of(name, self.lines)
        first = self.lines[line]
        with self.hold_sync(), self.hold_trait_notifications():
            self.line, self.encoded, self.text = line, first["encoded"], first["text"]
            self.frame, self.row, self.known = 0, -1, 0

    def reset(self) -> None:
        """Undo all changes of the posteriors and of the label."""
        self.choose(self.lines[self.line]["name"])

    @property
    def alphabet(self) -> Alphabet:
        """What the classes are."""
        line = self.lines[self.line]
        return alphabet_of(line["symbols"], line["blank"])

    @property
    def log_probs(self) -> Tensor:
        """The log-probabilities as they stand now, after all dragging: (T, C), float32."""
        flat = decode(self.encoded).astype(np.float32)  # a copy, which may be changed
        return torch.from_numpy(flat.reshape(-1, len(self.lines[self.line]["symbols"])))

    @log_probs.setter
    def log_probs(self, log_probs) -> None:
        values = _checked(log_probs, self.alphabet)
        if values.shape != self.log_probs.shape:
            given, wanted = values.shape, tuple(self.log_probs.shape)
            raise ValueError(f"This line has log_probs of the shape {wanted}; got {given}.")
        self.encoded = encode(values)

    @property
    def image(self) -> Tensor | None:
        """The line without the paper above and below its ink, (H, W) in [0, 1]; None if none."""
        return image_of(self.lines[self.line])

    @property
    def edges(self) -> np.ndarray | None:
        """Borders of the frames in pixel columns of the image, (T + 1,); None without an image."""
        if self.image is None:
            return None
        start, end = self.lines[self.line]["span"]  # where the image lies, in frames
        frames = np.arange(len(self.log_probs) + 1)
        return (frames - start) * self.image.shape[1] / (end - start)

    @property
    def trellis(self) -> Trellis:
        """What forward-backward finds out about the label."""
        alphabet = self.alphabet
        return forward_backward(self.log_probs, alphabet.encode(self.text), blank=alphabet.blank)

    @property
    def log_prob(self) -> float:
        """Log-probability of the label."""
        return self.trellis.log_prob

    @property
    def probability(self) -> float:
        """Probability of the label."""
        return math.exp(self.log_prob)

    @property
    def loss(self) -> float:
        """The CTC loss: minus the label's log-probability."""
        return -self.log_prob

    @property
    def gradient(self) -> Tensor:
        """Gradient of the loss for the logits, (T, C): posteriors minus occupancy."""
        trellis = self.trellis
        if trellis.log_prob == -math.inf:
            return torch.zeros_like(trellis.occupancy)
        return self.log_probs.double().exp() - trellis.occupancy.exp()

    @property
    def cell(self) -> tuple[int, int] | None:
        """The selected cell of the trellis, (frame, state), or None."""
        return None if self.row < 0 else (self.frame, self.row)

    @traitlets.validate("text")
    def _fits(self, proposal):
        _check_text(proposal["value"], len(self.log_probs), self.alphabet)
        return proposal["value"]


@lru_cache(maxsize=2)
def stored_lines(file: str) -> dict[str, dict[str, np.ndarray]]:
    """Lines that ship in a file: name -> what -> array, stored as ``name/what``."""
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(Path(__file__).parent / file) as stored:
        for key in stored.files:
            name, what = key.split("/")
            found.setdefault(name, {})[what] = stored[key]
    return found


def shipped_lines() -> list[dict]:
    """The lines to choose from, the smallest first; data/make_lattices.py makes the others."""
    note = "3 frames, 2 classes: small enough for pencil and paper"
    by_hand = np.log([[0.8, 0.2], [0.5, 0.5], [0.6, 0.4]])
    lines = [describe_line("by hand", note, by_hand, "a", None, Alphabet("a"), None)]
    for name, line in stored_lines("lattices.npz").items():
        text, ours = str(line["text"]), (line["image"], Alphabet(), line["edges"])
        lines.append(describe_line(name, NOTES[name], line["log_probs"], text, *ours))
    return lines


def describe_line(name, note, log_probs, text, image, alphabet, edges) -> dict:
    """A line as the ES module takes it."""
    values = _checked(log_probs, alphabet)
    _check_text(text, len(values), alphabet)
    line = {"name": name, "note": note, "text": text, "encoded": encode(values)}
    line |= {"symbols": list(alphabet.symbols), "blank": alphabet.blank, "image": ""}
    if image is None:
        return line
    image = np.asarray(image)
    image = image[0] if image.ndim == 3 and len(image) == 1 else image
    if image.ndim != 2 or image.size == 0:
        raise ValueError(f"The image of one line is (H, W) or (1, H, W); got {image.shape}.")
    if image.dtype != np.uint8:
        image = np.rint(255 * np.clip(np.nan_to_num(image.astype(np.float64)), 0, 1))
    rows = np.flatnonzero(image.max(1) > 25)  # paper above and below the ink is cut off
    if len(rows):
        image = image[max(rows[0] - 2, 0) : rows[-1] + 3]
    edges = np.linspace(0, image.shape[1], len(values) + 1) if edges is None else np.asarray(edges)
    if edges.shape != (len(values) + 1,):
        raise ValueError(f"{len(values)} frames have {len(values) + 1} edges; got {edges.shape}.")
    step = (edges[-1] - edges[0]) / len(values)
    span = [float((column - edges[0]) / step) for column in (0, image.shape[1])]  # in frames
    return line | {"image": encode(image, "u1"), "rows": len(image), "span": span}


def image_of(line: dict) -> Tensor | None:
    """The picture of such a line, (H, W) in [0, 1]; None if it has none."""
    if not line["image"]:
        return None
    pixels = decode(line["image"], "u1")
    return torch.from_numpy(pixels.reshape(line["rows"], -1) / np.float32(255))


def _checked(log_probs, alphabet: Alphabet) -> np.ndarray:
    """Log-probabilities of one line as an array (T, C), or a clear error."""
    if isinstance(log_probs, Tensor):
        log_probs = log_probs.detach().cpu().float().numpy()
    values = np.asarray(log_probs, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != alphabet.num_classes or not len(values):
        raise ValueError(
            f"log_probs of one line must be (T, {alphabet.num_classes}) for the alphabet "
            f"{alphabet.characters!r} and its blank; got {values.shape}."
        )
    if len(values) > MOST_FRAMES or alphabet.num_classes > MOST_CLASSES:
        raise ValueError(
            f"Up to {MOST_FRAMES} frames of {MOST_CLASSES} classes can be drawn; got "
            f"{len(values)} of {alphabet.num_classes}."
        )
    sums = np.exp(values).sum(1)
    if not np.abs(sums - 1).max() < 1e-3:  # nor for NaN
        t = int(np.argmax(~(np.abs(sums - 1) < 1e-3)))
        raise ValueError(
            f"The probabilities of frame {t} sum to {sums[t]:.4g}, not to 1. Logits need a "
            "log_softmax, probabilities a log, first."
        )
    return values


def _check_text(text: str, frames: int, alphabet: Alphabet) -> None:
    needed = minimum_frames(alphabet.encode(text))
    if needed > frames:
        raise ValueError(
            f"{text!r} needs {needed} frames, {len(text)} for its characters and "
            f"{needed - len(text)} for blanks between equal neighbours; this line has {frames}."
        )
