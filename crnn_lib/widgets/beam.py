"""A beam of prefixes: what it keeps, what it merges and what it loses, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import prefix_beams
from crnn_lib.widgets.base import Explorer, alphabet_of, bundle, decode, place_of, stylesheet
from crnn_lib.widgets.lattice import describe_line, image_of, shipped_lines

WIDEST = 16  # ribbons that can be told apart
TWO_CLASSES = np.log([[0.6, 0.4], [0.6, 0.4]])
THREE_CLASSES = np.log([[0.3, 0.5, 0.2], [0.35, 0.25, 0.4]])


class BeamExplorer(Explorer):
    """Prefix beam search as a river under the ink, one frame at a time.

    Each prefix is a ribbon as thick as its probability, in two shades: its alignments that end in
    a blank, and those that end in its last character. Step through the frames, change the width,
    and see what a frame does: prefixes stay, grow, flow together with another that grew into the
    same, or fade out. All alignments of a line have the probability 1 together, so what the river
    lacks of its first width is what the beam has dropped. Choose a ribbon for its numbers; below
    stands what best path has read so far.

    Without arguments it opens on two frames that can be computed by hand, and offers the lines of
    :class:`~crnn_lib.widgets.LatticeExplorer`.

    Parameters
    ----------
    log_probs : Tensor or array, (T, C), optional
        What a network says about a line. Each frame sums to 1.
    alphabet : Alphabet, optional
        Says what the C classes are; digits with the blank first by default.
    width : int
        The beam's width to open with, 1 to 16.

    Attributes
    ----------
    frame : int
        How many frames have been read, 0 to T.
    prefix : str or None
        The prefix that is looked at; None is the best one of the frame.

    Examples
    --------
    >>> explorer = BeamExplorer()
    >>> explorer
    BeamExplorer(2 frames, 2 classes, width 3)
    >>> explorer.frame = 2
    >>> {label: round(float(np.exp(p)), 2) for label, p in explorer.beam.items()}
    {'a': 0.64, '': 0.36}
    """

    _esm = bundle("beam.js")
    _css = stylesheet("beam.css")
    words = (
        "The beam explorer: prefixes grow, merge and die, frame by frame. Run the notebook in "
        "JupyterLab or Colab to use it."
    )

    lines = traitlets.List(traitlets.Dict()).tag(sync=True)
    line = traitlets.Int(0).tag(sync=True)
    width = traitlets.Int(3, min=1, max=WIDEST).tag(sync=True)
    frame = traitlets.Int(1, min=0).tag(sync=True)
    prefix = traitlets.Unicode(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        log_probs: Tensor | np.ndarray | Sequence | None = None,
        alphabet: Alphabet | None = None,
        *,
        width: int = 3,
    ) -> None:
        if log_probs is not None:
            lines = [describe_line("line", "", log_probs, "", None, alphabet or Alphabet(), None)]
        elif alphabet is not None:
            raise ValueError("An alphabet needs log_probs to belong to.")
        else:
            small = (
                ("by hand", "2 frames, 2 classes: best path reads nothing", TWO_CLASSES, "a"),
                (
                    "width 1",
                    "3 classes: best path reads ab, a beam of 1 does not",
                    THREE_CLASSES,
                    "ab",
                ),
            )
            lines = [
                describe_line(name, note, log_probs, "", None, Alphabet(characters), None)
                for name, note, log_probs, characters in small
            ]
            lines += [line for line in shipped_lines() if line["name"] != "by hand"]
        super().__init__(lines=lines, width=width)

    def __repr__(self) -> str:
        frames, classes = self.log_probs.shape
        return f"BeamExplorer({frames} frames, {classes} classes, width {self.width})"

    def still(self) -> Figure:
        """The explorer as it is now, as a figure."""
        from crnn_lib.widgets.stills import plot_beam

        return plot_beam(self)

    def choose(self, name: str) -> None:
        """Go to the line of that name."""
        line = place_of(name, self.lines)
        with self.hold_sync():
            self.line, self.frame, self.prefix = line, 1, None

    @property
    def alphabet(self) -> Alphabet:
        """What the classes are."""
        line = self.lines[self.line]
        return alphabet_of(line["symbols"], line["blank"])

    @property
    def log_probs(self) -> Tensor:
        """The log-probabilities of the line that is shown: (T, C), float64."""
        line = self.lines[self.line]
        flat = decode(line["encoded"]).astype(np.float64)
        return torch.from_numpy(flat.reshape(-1, len(line["symbols"])))

    @property
    def image(self) -> Tensor | None:
        """The ink of the line, (H, W) in [0, 1]; None if it has none."""
        return image_of(self.lines[self.line])

    @property
    def beam(self) -> dict[str, float]:
        """The prefixes in the beam after :attr:`frame` frames, with their log-probabilities."""
        alphabet = self.alphabet
        found = prefix_beams(
            self.log_probs[: self.frame], blank=alphabet.blank, beam_width=self.width
        )
        return {alphabet.decode(label): log_prob for label, log_prob in found.items()}
