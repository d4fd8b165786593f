"""A window slides over a line: what the network sees, remembers and says, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from crnn_lib.ctc import minimum_frames
from crnn_lib.models import SlidingWindowRNN, run_rnn
from crnn_lib.widgets.base import Explorer, bundle, decode, encode, line_image, stylesheet


class WindowExplorer(Explorer):
    """Slide a window over a line; change its width and stride until the text no longer fits.

    Parameters
    ----------
    image : Tensor, (1, H, W) or (H, W), in [0, 1]
        The line, ink bright on black, without padding.
    text : str
        What is written on it.
    models : sequence of SlidingWindowRNN
        Networks, one per window and stride. Where one of them has the window and stride that are
        set, its hidden states and its classes are shown. Everywhere else the window and the
        number of frames are.
    window, stride : int, optional
        What to open with; the first network's, or 8 and 4.

    Attributes
    ----------
    frame : int
        The selected frame, from 0; it opens with the one in the middle.

    >>> explorer = WindowExplorer(torch.zeros(1, 32, 128), "55207")
    >>> explorer.frames, explorer.needed
    (31, 6)
    >>> explorer.window = explorer.stride = 32
    >>> explorer.frames, explorer.fits
    (4, False)
    """

    _esm = bundle("window.js")
    _css = stylesheet("window.css")
    words = (
        "The window explorer: a window slides over a line, and each position is one frame for the "
        "network. Run the notebook in JupyterLab or Colab to use it."
    )

    image = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    symbols = traitlets.List(traitlets.Unicode()).tag(sync=True)
    readings = traitlets.List(traitlets.Dict()).tag(sync=True)
    window = traitlets.Int(8, min=1).tag(sync=True)
    stride = traitlets.Int(4, min=1).tag(sync=True)
    frame = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(
        self,
        image: Tensor,
        text: str,
        models: Sequence[SlidingWindowRNN] = (),
        *,
        window: int | None = None,
        stride: int | None = None,
    ) -> None:
        image = line_image(image)
        if not image.is_floating_point() or image.min() < 0 or image.max() > 1:
            raise ValueError(
                f"image holds floats in [0, 1]; got {image.dtype} from {image.min().item():g} to "
                f"{image.max().item():g}. Divide bytes by 255."
            )
        models = [models] if isinstance(models, torch.nn.Module) else list(models)
        shapes = [(model.config.window, model.config.stride) for model in models]
        if len(set(shapes)) < len(shapes):
            raise ValueError(f"Each network needs a window and stride of its own; got {shapes}.")
        if len({model.alphabet for model in models}) > 1:
            raise ValueError("The networks have different alphabets; show one alphabet at a time.")
        first = shapes[0] if shapes else (8, 4)
        pixels = (255 * image).round().to(torch.uint8)  # (H, W)
        super().__init__(
            image=encode(pixels, "u1"),
            height=image.shape[0],
            width=image.shape[1],
            text=text,
            symbols=list(models[0].alphabet.symbols) if models else [],
            readings=[_read(model, image[None]) for model in models],
            window=first[0] if window is None else window,
            stride=first[1] if stride is None else stride,
        )
        self.frame = self.frames // 2

    def still(self) -> Figure:
        """The explorer as it is now, as a figure."""
        from crnn_lib.widgets.stills import plot_windows

        pixels = decode(self.image, "u1").reshape(self.height, -1)
        line = torch.from_numpy(pixels / np.float32(255))[None]
        shape = {"window": self.window, "stride": self.stride, "frame": self.frame}
        return plot_windows(line, self.text, **shape)

    @property
    def frames(self) -> int:
        """T: enough windows to reach the last column."""
        return -(-max(self.width - self.window, 0) // self.stride) + 1

    @property
    def needed(self) -> int:
        """Frames that the text needs: one per character, and a blank between equal neighbours."""
        return minimum_frames([ord(c) for c in self.text])

    @property
    def fits(self) -> bool:
        """Whether an alignment of T frames can collapse to the text."""
        return self.frames >= self.needed


def readable_units(states: Tensor, path: Sequence[int], blank: int) -> list[dict]:
    """Two units of a hidden state that can be read, searched for on one line.

    One *counts*: its state goes with the number of characters that the best path has named so far
    (the largest correlation, either way). One *remembers*: it keeps to a level of its own after
    each character (the largest share of its variance lies between the stretches from one character
    to the next, not within them). What is found holds for this line; another may find others.

    Parameters
    ----------
    states : Tensor, (T, h)
    path : sequence of int
        The most probable class of each frame.
    blank : int

    Returns
    -------
    list of dict
        ``unit`` (column of `states`), ``kind``, ``score`` in [0, 1], and whether it ``falls``.
        Empty if the path names fewer than two characters: then there is nothing to count.

    Examples
    --------
    >>> path = [0, 5, 0, 0, 7, 0]
    >>> counts, level = [0.0, 0.3, 0.3, 0.3, 0.6, 0.6], [0.1, 0.9, 0.8, 0.9, -0.5, -0.4]
    >>> found = readable_units(torch.tensor([counts, level]).T, path, 0)
    >>> [(one["kind"], one["unit"]) for one in found]
    [('counts', 0), ('remembers', 1)]
    """
    named, number = [], 0
    for t, c in enumerate(path):
        number += c != blank and (t == 0 or c != path[t - 1])
        named.append(number)
    if number < 2:
        return []
    values = states.double() - states.double().mean(0)  # (T, h)
    spread = values.square().sum(0).clamp_min(1e-12)
    count = torch.tensor(named, dtype=torch.float64)
    count -= count.mean()
    along = (count @ values) / (count.square().sum() * spread).sqrt()  # correlations (h,)
    counter = int(along.abs().argmax())
    groups = torch.nn.functional.one_hot(torch.tensor(named)).double()  # (T, characters + 1)
    groups = groups[:, groups.sum(0) > 0]
    means = (groups.T @ values) / groups.sum(0)[:, None]
    between = (groups.sum(0)[:, None] * means.square()).sum(0) / spread  # shares (h,)
    between[counter] = -1.0  # it is told already
    keeper = int(between.argmax())
    found = [
        ("counts", counter, abs(float(along[counter]))),
        ("remembers", keeper, float(between[keeper])),
    ]
    return [
        {"unit": unit, "kind": kind, "score": round(score, 2), "falls": bool(along[unit] < 0)}
        for kind, unit, score in found
        if len(path) > 2 and score > 0
    ]


@torch.no_grad()
def _read(model: SlidingWindowRNN, image: Tensor) -> dict:
    """Hidden states and log-probabilities of one line (1, H, W), as JSON-able values."""
    parameter = next(model.parameters())
    windows, frame_lengths = model.features(image[None].to(parameter))
    states = run_rnn(model.rnn, windows, frame_lengths)  # (1, T, h or 2 h)
    log_probs = model.classify(states).log_softmax(-1)[0]  # (T, C)
    # For the eye: a state is in [-1, 1], and units that peak in the same frame stand together.
    halves = states[0].chunk(1 + model.config.bidirectional, -1)  # (T, h) each
    states = torch.cat([half[:, half.argmax(0).argsort(stable=True)] for half in halves], -1)
    levels = (127.5 * (states + 1)).round().clamp(0, 255)  # (T, h or 2 h)
    return {
        "window": model.config.window,
        "stride": model.config.stride,
        "hidden": states.shape[-1],
        "directions": 1 + model.config.bidirectional,
        "blank": model.alphabet.blank,
        "states": encode(np.asarray(levels.cpu()), "u1"),
        "units": readable_units(states.cpu(), log_probs.argmax(-1).tolist(), model.alphabet.blank),
        "log_probs": encode(log_probs.float().cpu()),
    }
