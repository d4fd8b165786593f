"""The still figure beside the window explorer."""

from __future__ import annotations

import math

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from crnn_lib.ctc import minimum_frames
from crnn_lib.plots import ACCENT, WIDTH, canvas, draw_ink, say, styled


@styled
def plot_windows(
    image: Tensor, text: str, *, window: int = 8, stride: int = 4, frame: int | None = None
) -> Figure:
    """A line, and below it the stripes that a sliding window shows to the network.

    Parameters
    ----------
    image : Tensor, (1, H, W) or (H, W), in [0, 1]
        The line, ink bright on black.
    text : str
        What is written on it.
    window, stride : int
        Width of the window, and columns from one to the next.
    frame : int, optional
        The frame to mark, from 0; the middle one by default.
    """
    image = torch.as_tensor(image).detach().cpu()
    image = image[0] if image.ndim == 3 else image  # (H, W)
    height, width = image.shape
    frames = -(-max(width - window, 0) // stride) + 1
    frame = frames // 2 if frame is None else frame
    if not 0 <= frame < frames:
        raise ValueError(f"frame is 0 to {frames - 1} for these windows; got {frame}.")
    reach = (frames - 1) * stride + window
    padded = torch.nn.functional.pad(image, (0, max(reach - width, 0)))  # (H, W + padding)

    room = 72 * WIDTH - 16
    scale, gap = min(5.0, room / width), 4.0
    small = min(scale, max(1.0, (room + gap - gap * frames) / (frames * window)))
    per_row = min(frames, max(1, int((room + gap + 0.01) // (window * small + gap))))
    rows, pitch = math.ceil(frames / per_row), height * small + 16
    top = 6 + height * scale + 20
    figure, axes = canvas(room + 16, top + rows * pitch)
    draw_ink(axes, image, 8, 6, scale)
    mark = {"fill": False, "edgecolor": ACCENT, "linewidth": 2, "clip_on": False}
    across = min(window, width - frame * stride) * scale
    axes.add_patch(Rectangle((8 + frame * stride * scale, 6), across, height * scale, **mark))
    for t in range(frames):
        left = 8 + (t % per_row) * (window * small + gap)
        y = top + (t // per_row) * pitch
        draw_ink(axes, padded[:, t * stride : t * stride + window], left, y, small)
        if t == frame:
            axes.add_patch(Rectangle((left, y), window * small, height * small, **mark))
        if t in (0, frame, frames - 1):
            at = (left + window * small / 2, y + height * small + 9)
            axes.text(*at, str(t), ha="center", va="center", size=8)
    needed = minimum_frames([ord(c) for c in text])
    return say(
        figure,
        f"Windows of {window} columns, {stride} apart: {frames} frames over {width} columns. "
        f"{text} needs {needed}, so it {'fits' if frames >= needed else 'does not fit'}.",
    )
