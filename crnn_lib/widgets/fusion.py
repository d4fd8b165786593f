"""What a network says of some texts, what a language says of them, and two knobs in between."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import forced_alignment
from crnn_lib.decoders import prefix_beam_search
from crnn_lib.handwriting import AmountStyle, random_amounts
from crnn_lib.language import NGram, WeightedAutomaton
from crnn_lib.widgets.base import Explorer, bundle, place_of, stylesheet
from crnn_lib.widgets.lattice import describe_line, stored_lines

BEAM = 100  # wide: the candidates are those of the network, so none may be lost on the way
MOST_WEIGHT = 2.0  #: of the language, as far as the knob turns
BONUSES = (-2.0, 4.0)

NOTES = {
    "noughts": "3500, whose last nought looks like a 6",
    "touching": "5000, in which the noughts touch",
    "not round": "3517: the network is right, and the language knows better",
}


class FusionExplorer(Explorer):
    """Ten candidates under the ink, what each costs, and the two knobs of log-linear fusion.

    ``score = log P_ctc + weight * log P_language + bonus * length``. A candidate's bar is its
    price: what the network asks, what the language adds, what the bonus gives back. Turn the
    weight and the bonus: the candidates are ranked anew at once. Over the weight, each candidate's
    score is a straight line. The chart shows how far each of them lies behind the best.

    Without arguments it opens on three lines of handwriting and a model of round amounts.

    Parameters
    ----------
    log_probs : Tensor or array, (T, C), optional
        What a network says about a line.
    language : WeightedAutomaton, optional
        What a language says about a text; needed with ``log_probs``.
    alphabet : Alphabet, optional
        What the C classes are; digits with the blank first by default.
    truth : str
        What the line says, if that is known. It is marked.
    image : Tensor or array, (H, W) or (1, H, W), optional
        The line, ink bright on black: floats in [0, 1], or bytes. Its frames divide it evenly.
    weight, bonus : float
        The knobs to open with: 0 to 2, and -2 to 4.

    Examples
    --------
    >>> explorer = FusionExplorer()
    >>> explorer.best
    '3506'
    >>> explorer.weight = 1.0
    >>> explorer.best
    '3500'
    """

    _esm = bundle("fusion_knobs.js")
    _css = stylesheet("fusion_knobs.css")
    words = (
        "The fusion explorer: ten candidates, what the network and the language say of them, and "
        "two knobs. Run the notebook in JupyterLab or Colab to use it."
    )

    lines = traitlets.List(traitlets.Dict()).tag(sync=True)
    line = traitlets.Int(0).tag(sync=True)
    weight = traitlets.Float(0.0, min=0.0, max=MOST_WEIGHT).tag(sync=True)
    bonus = traitlets.Float(0.0, min=BONUSES[0], max=BONUSES[1]).tag(sync=True)

    def __init__(
        self,
        log_probs: Tensor | np.ndarray | Sequence | None = None,
        language: WeightedAutomaton | None = None,
        alphabet: Alphabet | None = None,
        *,
        truth: str = "",
        image: Tensor | np.ndarray | None = None,
        weight: float = 0.0,
        bonus: float = 0.0,
    ) -> None:
        if (log_probs is None) != (language is None):
            raise ValueError("A line needs a language, and a language a line: give both or none.")
        if log_probs is None:
            if alphabet is not None or truth or image is not None:
                raise ValueError("An alphabet, a truth and an image need log_probs to belong to.")
            lines = disputed_lines()
        else:
            values = torch.as_tensor(np.asarray(log_probs), dtype=torch.float64)
            if values.ndim != 2:
                raise ValueError(f"log_probs is one line, (T, C); got {tuple(values.shape)}.")
            names = (language, alphabet or Alphabet(), truth)
            lines = [describe("line", "", values, *names, image)]
        super().__init__(lines=lines, weight=weight, bonus=bonus)

    def __repr__(self) -> str:
        count = len(self.lines[self.line]["candidates"])
        return f"FusionExplorer({count} candidates, weight {self.weight:g}, bonus {self.bonus:g})"

    def still(self) -> Figure:
        """The explorer as it is now, as a figure."""
        from crnn_lib.widgets.stills import plot_fusion

        return plot_fusion(self)

    def choose(self, name: str) -> None:
        """Go to the line of that name, with both knobs at 0."""
        line = place_of(name, self.lines)
        with self.hold_sync():
            self.line, self.weight, self.bonus = line, 0.0, 0.0

    @property
    def scores(self) -> dict[str, float]:
        """Each candidate's score with the knobs as they are, the best first."""
        candidates = self.lines[self.line]["candidates"]
        found = {c["text"]: score(c, self.weight, self.bonus) for c in candidates}
        return dict(sorted(found.items(), key=lambda pair: -round(pair[1], 9)))

    @property
    def best(self) -> str:
        """The text that these knobs choose."""
        return next(iter(self.scores))


def score(candidate: Mapping, weight: float, bonus: float) -> float:
    """The three terms added up. What the language forbids stays forbidden at any weight."""
    if candidate["language"] is None:
        return -math.inf
    by_length = bonus * len(candidate["text"])
    return candidate["network"] + weight * candidate["language"] + by_length


def describe(
    name: str,
    note: str,
    log_probs: Tensor,
    language: WeightedAutomaton,
    alphabet: Alphabet,
    truth: str,
    image: Tensor | np.ndarray | None = None,
    edges: Sequence[float] | None = None,
) -> dict:
    """A line as the explorer shows it: its ten most probable texts, and two opinions of each.

    Each candidate has the middles of its characters, in frames: those of its best alignment.
    """
    drawn = describe_line(name, note, log_probs, "", image, alphabet, edges)
    (found,) = prefix_beam_search(log_probs, alphabet=alphabet, beam_width=BEAM, n_best=10)
    candidates = []
    for hypothesis in found:
        said = language.score(hypothesis.text)
        said = round(said, 4) if said > -math.inf else None  # JSON has no infinity
        network = round(hypothesis.log_prob, 4)
        spans = forced_alignment(log_probs, hypothesis.label, blank=alphabet.blank)
        middles = [(span.start + span.end) / 2 for span in spans]
        found_one = {"text": hypothesis.text, "network": network, "language": said}
        candidates.append(found_one | {"middles": middles})
    line = {"name": name, "note": note, "truth": truth, "candidates": candidates}
    line |= {"frames": len(log_probs), "image": drawn["image"]}
    return line | {key: drawn[key] for key in ("rows", "span") if key in drawn}


@lru_cache(maxsize=1)
def round_amounts() -> WeightedAutomaton:
    """A model of amounts that mostly end in noughts, learned from 3,000 of them."""
    style = AmountStyle(digits_only=1.0, uniform=0.0, round=0.8)
    texts = random_amounts(3000, torch.Generator().manual_seed(8), style)
    return NGram.fit(texts, order=3).automaton()


@lru_cache(maxsize=1)
def _shipped_lines() -> tuple[dict, ...]:
    return tuple(
        describe(
            name,
            NOTES[name],
            torch.from_numpy(line["log_probs"]).double(),
            round_amounts(),
            Alphabet(),
            str(line["text"]),
            image=line["image"],
            edges=line["edges"],
        )
        for name, line in stored_lines("fusion.npz").items()
    )


def disputed_lines() -> list[dict]:
    """The lines that the explorer opens with; data/make_fusion.py makes them."""
    return [dict(line) for line in _shipped_lines()]
