"""Where a character was read, how sure it is, and what else it could be."""

from __future__ import annotations

import math

import torch
import traitlets
from matplotlib.figure import Figure

from crnn_lib.ctc import character_posteriors, forced_alignment
from crnn_lib.handwriting import LineBatch
from crnn_lib.widgets.base import Explorer, bundle, encode, stylesheet
from crnn_lib.widgets.frozen import read_first

SHOWN = 4  # alternatives of a character


class WhereExplorer(Explorer):
    """Click a digit of a line that was read: its frames, its columns, its ink, its rivals.

    Parameters
    ----------
    model : CRNN or SlidingWindowRNN
        Reads the lines along their best paths.
    lines : LineBatch
        Up to 8 lines, with their true spans. A line that is read as nothing is left out.

    Attributes
    ----------
    line, character : int
        What is selected, from 0.

    Raises
    ------
    ValueError
        If there is no line of which anything was read, or if there are more than 8.
    """

    _esm = bundle("where.js")
    _css = stylesheet("where.css")
    words = (
        "The where explorer: click a digit of a line and see which pixels it was read from. Run "
        "the notebook in JupyterLab or Colab to use it."
    )

    lines = traitlets.List(traitlets.Dict()).tag(sync=True)
    line = traitlets.Int(0, min=0).tag(sync=True)
    character = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(self, model: torch.nn.Module, lines: LineBatch) -> None:
        if len(lines) > 8:
            raise ValueError(f"Up to 8 lines can be chosen from; got {len(lines)}.")
        described = [describe(model, lines.select([n])) for n in range(len(lines))]
        described = [line for line in described if line["characters"]]
        if not described:
            raise ValueError("The network reads nothing on any of these lines.")
        # it opens where there is most to see: on the character that the network doubts most
        sure = [min(c["sure"] for c in line["characters"]) for line in described]
        line = sure.index(min(sure))
        doubted = [c["sure"] for c in described[line]["characters"]].index(sure[line])
        super().__init__(lines=described, line=line, character=doubted)

    def still(self) -> Figure:
        """The explorer as it is now, as a figure."""
        from crnn_lib.widgets.stills import plot_where

        return plot_where(self)

    def __repr__(self) -> str:
        return f"WhereExplorer({len(self.lines)} lines)"


def describe(model: torch.nn.Module, one: LineBatch) -> dict:
    """One line, and each of its characters, as JSON-able values."""
    image, log_probs, edges, hypothesis = read_first(model, one)
    alphabet, characters = model.alphabet, []
    if hypothesis.label:
        places = forced_alignment(log_probs, hypothesis.label, blank=alphabet.blank)
        shares = character_posteriors(log_probs, hypothesis.label, blank=alphabet.blank).exp()
        # Characters can be held against their ink where all of them were read.
        inks = one.spans[0].tolist() if hypothesis.text == one.texts[0] else None
        for i, (place, share) in enumerate(zip(places, shares, strict=True)):
            best = share.argsort(descending=True, stable=True)[:SHOWN].tolist()
            names = ["" if c == alphabet.blank else alphabet.symbols[c] for c in best]
            characters.append(
                {
                    "symbol": alphabet.symbols[place.label],
                    "frames": [place.start, place.end],
                    "columns": [round(float(edges[f])) for f in (place.start, place.end)],
                    "ink": inks[i] if inks else None,
                    "sure": _rounded(share[place.label].item()),
                    "shares": [
                        (name, _rounded(p))
                        for name, p in zip(names, share[best].tolist(), strict=True)
                    ],
                }
            )
    return {
        "image": encode((255 * image).round(), "u1"),
        "width": image.shape[1],
        "height": len(image),
        "truth": one.texts[0],
        "read": hypothesis.text,
        "probability": _rounded(math.exp(hypothesis.log_prob)),
        "characters": characters,
    }


def _rounded(probability: float) -> float:
    """What is shown of it, the same on every processor; what is nearly 0 or 1 stays nearly so."""
    return min(max(round(probability, 4), 1e-5), 1 - 1e-5)
