"""Digits move together until they touch: what cutting makes of the line, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import nn

from crnn_lib.cutting import SPECK, Cut, CutReader, cut_line
from crnn_lib.evaluation import read_lines
from crnn_lib.handwriting import LineBatch
from crnn_lib.plots import plot_cuts
from crnn_lib.widgets.base import Explorer, bundle, decode, encode, stylesheet, text_of


class TouchExplorer(Explorer):
    """Move the digits of a line together and watch connected pieces melt into one another.

    The pieces are coloured and numbered. Below them stand the profile, with the cuts, and what
    each piece was read as. All readings are worked out beforehand, so no kernel is needed.

    Parameters
    ----------
    lines : sequence of LineBatch
        The same text again and again, the loosest first. Of each batch the first line is taken.
    spacings : sequence of float
        The spacing of each.
    reader : CutReader
        Reads by cutting.
    model : CRNN or SlidingWindowRNN, optional
        Reads the same lines whole.
    named : str
        What to call the model.

    Attributes
    ----------
    step : int
        The line that is shown, from 0; it opens with the first one.
    """

    _esm = bundle("touch.js")
    _css = stylesheet("touch.css")
    words = (
        "The touch explorer: the digits of a line move together until they touch, and cutting "
        "fails. Run the notebook in JupyterLab or Colab to use it."
    )

    text = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    speck = traitlets.Int(SPECK).tag(sync=True)
    steps = traitlets.List(traitlets.Dict()).tag(sync=True)
    named = traitlets.Unicode().tag(sync=True)
    step = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(
        self,
        lines: Sequence[LineBatch],
        spacings: Sequence[float],
        reader: CutReader,
        model: nn.Module | None = None,
        *,
        named: str = "CRNN, no cuts",
    ) -> None:
        if not len(lines) or len(spacings) != len(lines):
            raise ValueError(
                f"Each line has its spacing, and there is at least one line; got {len(lines)} "
                f"lines and {len(spacings)} spacings."
            )
        text = text_of(lines)
        lines = [line.select([0]) for line in lines]
        whole = [""] * len(lines)
        if model is not None:
            whole = [read_lines(model, line)[0].text for line in lines]
        read = [reader.read(line)[0] for line in lines]
        images = [_bytes_of(line) for line in lines]
        super().__init__(
            text=text,
            height=images[0].shape[0],
            named=named if model is not None else "",
            steps=[
                {
                    "spacing": float(spacing),
                    "width": image.shape[1],
                    "image": encode(image, "u1"),
                    "read": cut_text,
                    "whole": whole_text,
                    **_described(cut_line(image / np.float32(255))),
                }
                for spacing, image, cut_text, whole_text in zip(
                    spacings, images, read, whole, strict=True
                )
            ],
        )

    def still(self) -> Figure:
        """The line of the step that is shown, in pieces, each with what it was read as."""
        step = self.steps[self.step]
        pixels = decode(step["image"], "u1").reshape(self.height, -1)
        words = f"spacing {step['spacing']:.2f}: read as {step['read'] or 'nothing'}"
        return plot_cuts([pixels / np.float32(255)], [words], texts=[step["read"]])


def _bytes_of(line: LineBatch) -> np.ndarray:
    """One line as (H, W) uint8. Bytes from 128 on are what CutReader takes for ink."""
    return (255 * line.images[0, 0]).round().to(torch.uint8).numpy()


def _described(cut: Cut) -> dict:
    """A cut as JSON-able values: the owner of each connected piece, cuts, extents of the pieces."""
    numbers, places = np.unique(cut.components, return_index=True)
    groups = cut.joined.ravel()[places[numbers > 0]]  # the piece that each component belongs to
    order = {int(g): k for k, g in enumerate(_by_middle(cut.joined), 1)}
    return {
        "groups": [order[int(g)] for g in groups],
        "joined": len(order),
        "cuts": list(cut.columns),
        "pieces": [[int(x.min()), int(x.max()) + 1] for x in _columns(cut.pieces)],
    }


def _by_middle(labels: np.ndarray) -> list[int]:
    """The numbers in a label image, from left to right."""
    numbers = [int(n) for n in np.unique(labels) if n]
    return sorted(numbers, key=lambda n: np.nonzero(labels == n)[1].mean())


def _columns(pieces: np.ndarray) -> list[np.ndarray]:
    return [np.nonzero(pieces == n)[1] for n in range(1, int(pieces.max(initial=0)) + 1)]
