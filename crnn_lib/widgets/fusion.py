"""What a network says of some texts, what a language says of them, and two knobs in between."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
import traitlets
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import prefix_beam_search
from crnn_lib.handwriting import AmountStyle, random_amounts
from crnn_lib.language import NGram, WeightedAutomaton
from crnn_lib.widgets.base import Explorer, bundle, stylesheet

BEAM = 100  # wide: the candidates are those of the network, so none may be lost on the way
MOST_WEIGHT = 2.0  #: of the language, as far as the knob turns
BONUSES = (-2.0, 4.0)

# Small lattices, frame by frame: what the network sees there; the rest of a frame is blank.
NOUGHTS = ({"3": 0.97}, {}, {"5": 0.95}, {}, {"0": 0.97}, {}, {"6": 0.55, "0": 0.41}, {})
TOUCHING = ({"5": 0.98}, {}, {"0": 0.96}, {}, {"0": 0.95}, {"0": 0.45}, {"0": 0.95}, {})
TRUE = ({"3": 0.97}, {}, {"5": 0.96}, {}, {"1": 0.71, "0": 0.27}, {}, {"7": 0.80, "0": 0.17}, {})


class FusionExplorer(Explorer):
    """Ten candidates of a beam, three terms each, and the two knobs of log-linear fusion.

    ``score = log P_ctc + weight * log P_language + bonus * length``. Turn the weight and the bonus:
    the candidates are ranked anew at once. Over the weight, each candidate's score is a straight
    line. The chart shows how far each of them lies behind the best.

    Without arguments it opens on three small lines and a model of round amounts.

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
        weight: float = 0.0,
        bonus: float = 0.0,
    ) -> None:
        if (log_probs is None) != (language is None):
            raise ValueError("A line needs a language, and a language a line: give both or none.")
        if log_probs is None:
            if alphabet is not None or truth:
                raise ValueError("An alphabet and a truth need log_probs to belong to.")
            lines = small_lines()
        else:
            values = torch.as_tensor(np.asarray(log_probs), dtype=torch.float64)
            if values.ndim != 2:
                raise ValueError(f"log_probs is one line, (T, C); got {tuple(values.shape)}.")
            lines = [describe("line", "", values, language, alphabet or Alphabet(), truth)]
        super().__init__(lines=lines, weight=weight, bonus=bonus)

    def __repr__(self) -> str:
        count = len(self.lines[self.line]["candidates"])
        return f"FusionExplorer({count} candidates, weight {self.weight:g}, bonus {self.bonus:g})"

    def choose(self, name: str) -> None:
        """Go to the line of that name, with both knobs at 0."""
        names = [line["name"] for line in self.lines]
        if name not in names:
            raise ValueError(f"There is no line {name!r} here; there are {', '.join(names)}.")
        with self.hold_sync():
            self.line, self.weight, self.bonus = names.index(name), 0.0, 0.0

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
) -> dict:
    """A line as the explorer shows it: its ten most probable texts, and two opinions of each."""
    (found,) = prefix_beam_search(log_probs, alphabet=alphabet, beam_width=BEAM, n_best=10)
    candidates = []
    for hypothesis in found:
        said = language.score(hypothesis.text)
        said = round(said, 4) if said > -math.inf else None  # JSON has no infinity
        network = round(hypothesis.log_prob, 4)
        candidates.append({"text": hypothesis.text, "network": network, "language": said})
    return {"name": name, "note": note, "truth": truth, "candidates": candidates}


@lru_cache(maxsize=1)
def round_amounts() -> WeightedAutomaton:
    """A model of amounts that mostly end in noughts, learned from 3,000 of them."""
    style = AmountStyle(digits_only=1.0, uniform=0.0, round=0.8)
    texts = random_amounts(3000, torch.Generator().manual_seed(8), style)
    return NGram.fit(texts, order=3).automaton()


@lru_cache(maxsize=1)
def _small_lines() -> tuple[dict, ...]:
    rows = (
        ("noughts", "3500, whose last nought looks like a 6", NOUGHTS, "3500"),
        ("touching", "5000, in which two noughts touch", TOUCHING, "5000"),
        ("not round", "3517: the network is right, and the language knows better", TRUE, "3517"),
    )
    return tuple(
        describe(name, note, small_lattice(frames), round_amounts(), Alphabet(), truth)
        for name, note, frames, truth in rows
    )


def small_lines() -> list[dict]:
    """The lines that the explorer opens with."""
    return [dict(line) for line in _small_lines()]


def small_lattice(frames: Sequence[Mapping[str, float]]) -> Tensor:
    """A lattice (T, 11) from what each frame sees; what is not named has one in a thousand."""
    probs = torch.full((len(frames), 11), 1e-3, dtype=torch.float64)
    for row, seen in zip(probs, frames, strict=True):
        for character, probability in seen.items():
            row[1 + int(character)] = probability
        row[0] = 1 - row[1:].sum()
    return probs.log()
