"""A reader that needs no kernel: its lines and lattices are worked out beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor, nn

from crnn_lib.decoders import Hypothesis, best_path
from crnn_lib.handwriting import LineBatch
from crnn_lib.models import frame_edges
from crnn_lib.plots import plot_posteriors
from crnn_lib.widgets.base import (
    Explorer,
    alphabet_of,
    bundle,
    decode,
    encode,
    stylesheet,
    text_of,
)


class FrozenReader(Explorer):
    """Drag a slider through lines that a network has read: the ink, the lattice, the text.

    Everything that needs the network is worked out when the explorer is made. So it works in a
    saved notebook and in the book, where no kernel runs.

    Parameters
    ----------
    model : CRNN or SlidingWindowRNN
        Reads the lines along their best paths.
    lines : sequence of LineBatch
        The same text at each stop of the slider. Of each batch the first line is taken.
    stops : sequence of float
        What the slider shows at each line.
    name : str
        What the slider changes.
    note : str
        A sentence for below, such as what only a running notebook can do.
    step : int
        The stop to open with, from 0.

    Attributes
    ----------
    frame : int
        The frame that is looked at; -1 for none.

    Raises
    ------
    ValueError
        If there is no line, if lines and stops differ in number, or lines in text.
    """

    _esm = bundle("frozen.js")
    _css = stylesheet("line_view.css", "frozen.css")
    words = (
        "The frozen reader: a line is pushed together stop by stop, and a network reads it. It "
        "works in a browser that runs scripts."
    )

    text = traitlets.Unicode().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    symbols = traitlets.List(traitlets.Unicode()).tag(sync=True)
    blank = traitlets.Int().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    steps = traitlets.List(traitlets.Dict()).tag(sync=True)
    step = traitlets.Int(0, min=0).tag(sync=True)
    frame = traitlets.Int(-1, min=-1).tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        lines: Sequence[LineBatch],
        stops: Sequence[float],
        *,
        name: str = "spacing",
        note: str = "",
        step: int = 0,
    ) -> None:
        if not len(lines) or len(lines) != len(stops):
            raise ValueError(
                f"Each stop has its line, and there is at least one; got {len(lines)} lines and "
                f"{len(stops)} stops."
            )
        text = text_of(lines)
        if not 0 <= step < len(stops):
            raise ValueError(f"step is 0 to {len(stops) - 1} for {len(stops)} stops; got {step}.")
        super().__init__(
            text=text,
            name=name,
            note=note,
            symbols=list(model.alphabet.symbols),
            blank=model.alphabet.blank,
            height=lines[0].images.shape[2],
            steps=[
                {"stop": float(stop), **describe(model, line)}
                for stop, line in zip(stops, lines, strict=True)
            ],
            step=step,
        )

    def still(self) -> Figure:
        """The line of the stop that is shown, and its posteriors."""
        step = self.steps[self.step]
        packed = decode(step["image"], "u1")
        levels = np.stack([packed >> 4, packed & 15], -1).ravel()[: step["width"] * self.height]
        image = torch.from_numpy(levels.reshape(self.height, -1) / np.float32(15))
        probs = decode(step["probs"], "u1").reshape(step["frames"], -1)  # (T, C)
        bytes_apart = torch.from_numpy(np.maximum(probs, 0.5) / np.float32(255))
        log_probs = bytes_apart.log().log_softmax(-1)  # they were rounded to bytes
        alphabet = alphabet_of(self.symbols, self.blank)
        return plot_posteriors(image, log_probs, alphabet=alphabet)

    def __repr__(self) -> str:
        return f"FrozenReader({self.text!r}, {len(self.steps)} stops)"


@torch.no_grad()
def read_first(model: nn.Module, lines: LineBatch) -> tuple[Tensor, Tensor, np.ndarray, Hypothesis]:
    """The first line of a batch: its image (H, W), its lattice (T, C), the borders of the frames
    in columns of the image, and its best path.
    """
    width = int(lines.widths[0])
    images = lines.images[:1, :, :, :width]  # (1, 1, H, W)
    log_probs, _ = model(images, lines.widths[:1])  # (1, T, C)
    (hypothesis,) = best_path(log_probs, alphabet=model.alphabet)
    edges = frame_edges(model, log_probs.shape[1]).clip(0, width)
    return images[0, 0], log_probs[0], edges, hypothesis


def describe(model: nn.Module, line: LineBatch) -> dict:
    """The first line of a batch and its lattice as JSON-able values.

    The image has 16 grey levels, two pixels in a byte. The posteriors are bytes, 255 for 1; the
    best path is exact: one symbol per frame.
    """
    image, log_probs, edges, hypothesis = read_first(model, line)
    path = log_probs.argmax(-1).tolist()
    return {
        "width": image.shape[1],
        "image": encode(pack(image.numpy()), "u1"),
        "frames": len(log_probs),
        "left": float(edges[0]),
        "right": float(edges[-1]),
        "probs": encode((255 * log_probs.exp()).round(), "u1"),
        "path": "".join(model.alphabet.symbols[c] for c in path),
        "probability": round(math.exp(hypothesis.log_prob), 3),
    }


def pack(image: np.ndarray) -> np.ndarray:
    """Pixels in [0, 1], rows first, as 16 levels: the first of a pair in the upper four bits.

    >>> pack(np.array([[1.0, 0.0, 0.2]])).tolist()
    [240, 48]
    """
    levels = np.rint(15 * np.asarray(image, dtype=np.float64)).astype(np.uint8).ravel()
    levels = np.append(levels, np.zeros(len(levels) % 2, np.uint8))
    return levels[0::2] << 4 | levels[1::2]
