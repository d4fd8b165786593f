"""One line at many moments of a training run: how a smear becomes spikes, and spikes a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import ctc_loss
from crnn_lib.decoders import Hypothesis, best_path
from crnn_lib.widgets.base import Explorer, bundle, encode, line_image, stylesheet

FINEST = 1000  # a log-probability travels in whole thousandths, from -32 on
LEAST = -32.0


class TrainingFilm(Explorer):
    """Scrub or play a training run: what the network says about one line, moment by moment.

    Under the ink stand three strips, a column for each frame: what the network says (p), where the
    label needs it (gamma, the occupancy given the label), and what learning does about it, the
    gradient p - gamma of the loss (Graves et al. 2006, equation 16).

    Parameters
    ----------
    image : Tensor, (1, H, W) or (H, W), in [0, 1]
        The line, ink bright on black, without padding.
    text : str
        What is written on it.
    steps : sequence of int, (M,)
        Steps of training after which the line was read, growing.
    log_probs : sequence of Tensor, (M, T, C)
        What the network said of the line at each of these moments.
    alphabet : Alphabet, optional
    edges : sequence of float, (T + 1,), optional
        Columns between the frames, as :func:`crnn_lib.models.frame_edges` gives them; frames of
        equal width by default.

    Attributes
    ----------
    moment : int
        The moment that is shown, from 0.

    Raises
    ------
    ValueError
        If the shapes do not fit each other, or the text does not fit into the frames.

    Examples
    --------
    >>> film = TrainingFilm.recorded()
    >>> film.text, film.readings[-1].text
    ('55207', '55207')
    """

    _esm = bundle("film.js")
    _css = stylesheet("film.css")
    words = (
        "The training film: one line at many moments of a training run. Run the notebook in "
        "JupyterLab or Colab to play it."
    )

    image = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    label = traitlets.List(traitlets.Int()).tag(sync=True)
    symbols = traitlets.List(traitlets.Unicode()).tag(sync=True)
    blank = traitlets.Int().tag(sync=True)
    steps = traitlets.List(traitlets.Int()).tag(sync=True)
    frames = traitlets.Int().tag(sync=True)
    ends = traitlets.List(traitlets.Float()).tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    moment = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(
        self,
        image: Tensor,
        text: str,
        steps: Sequence[int],
        log_probs: Sequence[Tensor] | Tensor,
        *,
        alphabet: Alphabet | None = None,
        edges: Sequence[float] | None = None,
    ) -> None:
        alphabet = alphabet or Alphabet()
        image = line_image(image)
        shapes = {tuple(moment.shape) for moment in log_probs}
        if len(shapes) != 1 or len(log_probs) != len(steps):
            raise ValueError(
                f"Each of the {len(steps)} steps has one lattice (T, C), all of one shape; got "
                f"{len(log_probs)} of the shapes {sorted(shapes)}."
            )
        stacked = torch.stack([m.detach().cpu().double() for m in log_probs])  # (M, T, C)
        self.alphabet = alphabet
        #: What the network said, (M, T, C): float64, normalised, as coarse as it travels.
        self.log_probs = (stacked.clamp(min=LEAST) * FINEST).round().div(FINEST).log_softmax(2)
        label = alphabet.encode(text)
        #: Minus the log-probability of the text at each moment: (M,).
        self.losses = self._losses(label)
        frames = stacked.shape[1]
        edges = [0.0, float(image.shape[1])] if edges is None else edges
        super().__init__(
            image=encode((255 * image).round(), "u1"),
            width=image.shape[1],
            height=image.shape[0],
            text=text,
            label=list(label),
            symbols=list(alphabet.symbols),
            blank=alphabet.blank,
            steps=[int(step) for step in steps],
            frames=frames,
            ends=[float(edges[0]), float(edges[-1])],
            said=encode((stacked.clamp(min=LEAST) * FINEST).round(), "<i2"),
        )

    def _losses(self, label: Sequence[int]) -> Tensor:
        count, frames, _ = self.log_probs.shape
        targets = torch.tensor([list(label)] * count).view(count, -1)  # (M, L)
        lengths = torch.full((count,), frames), torch.full((count,), len(label))
        blank = self.alphabet.blank
        return ctc_loss(self.log_probs, targets, *lengths, blank=blank, reduction="none")

    @classmethod
    def recorded(cls) -> TrainingFilm:
        """The film that ships: 55207 and a small CRNN, 600 steps. data/make_film.py made it."""
        with np.load(Path(__file__).parent / "film.npz") as file:
            return cls(
                torch.from_numpy(file["image"]) / 255,
                str(file["text"]),
                file["steps"].tolist(),
                torch.from_numpy(file["log_probs"]).float(),
                edges=file["edges"].tolist(),
            )

    def still(self) -> Figure:
        """The explorer as it is now, as a figure."""
        from crnn_lib.widgets.stills import plot_film

        return plot_film(self)

    def __repr__(self) -> str:
        return f"TrainingFilm({self.text!r}, {len(self.steps)} moments)"

    @property
    def readings(self) -> list[Hypothesis]:
        """The best path at each moment: (M,)."""
        return best_path(self.log_probs, alphabet=self.alphabet)

    @property
    def stations(self) -> dict[str, int]:
        """The moments that have a name: the first one, and where each next phase begins.

        "first spikes" is the first moment at which something is read after nothing was, "all blank"
        the moment before it at which the blank is most probable, "the text" the first from which on
        the text is read. A phase that does not come is left out.
        """
        texts = [reading.text for reading in self.readings]
        found = {"the smear": 0}
        if "" in texts:
            silent = texts.index("")
            spikes = next((m for m in range(silent, len(texts)) if texts[m]), len(texts))
            blanks = self.log_probs[silent:spikes, :, self.blank].exp().mean(1)  # (M,)
            found["all blank"] = silent + int(blanks.argmax())
            if spikes < len(texts):
                found["first spikes"] = spikes
        wrong = [m for m, read in enumerate(texts) if read != self.text]
        right = wrong[-1] + 1 if wrong else 0
        if right < len(texts):
            found["the text"] = right
        return found
