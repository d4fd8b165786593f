"""A window slides over a line: what the network sees, remembers and says, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import traitlets
from torch import Tensor

from crnn_lib.ctc import minimum_frames
from crnn_lib.models import SlidingWindowRNN, run_rnn
from crnn_lib.widgets.base import Explorer, bundle, encode, stylesheet


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
        image = torch.as_tensor(image).detach().cpu()
        if image.ndim == 2:
            image = image[None]  # (1, H, W)
        if image.ndim != 3 or len(image) != 1 or not image.numel():
            raise ValueError(f"image is one line, (1, H, W); got the shape {tuple(image.shape)}.")
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
        pixels = (255 * image[0]).round().to(torch.uint8)  # (H, W)
        super().__init__(
            image=encode(pixels, "u1"),
            height=image.shape[1],
            width=image.shape[2],
            text=text,
            symbols=list(models[0].alphabet.symbols) if models else [],
            readings=[_read(model, image) for model in models],
            window=first[0] if window is None else window,
            stride=first[1] if stride is None else stride,
        )
        self.frame = self.frames // 2

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


@torch.no_grad()
def _read(model: SlidingWindowRNN, image: Tensor) -> dict:
    """Hidden states and log-probabilities of one line, as JSON-able values."""
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
        "log_probs": encode(log_probs.float().cpu()),
    }
