"""Figures of photos: the steps from a photo to a line, and what was read where."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from crnn_lib.photos import Reading, Trace, colours_and_size
from crnn_lib.plots.style import ACCENT, INK, MARK, WIDTH, _lay_image, canvas, say, styled

GAP, CAPTION = 10.0, 13.0  # points
TALLEST = 200.0  # points: a step's picture in a figure
SHOWN = 1_000_000  # pixels of a photo are enough for a figure


@styled
def plot_steps(trace: Trace) -> Figure:
    """Each stage from a photo to its lines, with the places of the lines on the last mask.

    Parameters
    ----------
    trace : Trace
        What ``clean_photo(photo, trace=True)`` returns.
    """
    height, width = trace.steps[0].image.shape
    room = 72 * WIDTH - 2 * GAP
    across = 1 if width > 4 * height else 2
    wide = (room - (across - 1) * GAP) / across
    scale = min(wide / width, TALLEST / height)
    wide, tall = width * scale, height * scale
    down = math.ceil(len(trace.steps) / across)
    images = [line.image[0].numpy() for line in trace.lines]
    line_scale = min(1.5, *(room / image.shape[1] for image in images))
    pitch = 32 * line_scale + 6
    top_of_lines = down * (tall + CAPTION + GAP) + CAPTION + GAP
    figure, axes = canvas(72 * WIDTH, top_of_lines + len(images) * pitch + GAP)
    for n, step in enumerate(trace.steps):
        left, top = GAP + n % across * (wide + GAP), GAP + n // across * (tall + CAPTION + GAP)
        axes.text(left, top + 6, f"{n + 1} {step.name}", fontsize=9, va="baseline")
        is_mask = step.image.dtype == bool
        shown = ~step.image if is_mask else step.image
        _picture(axes, shown, left, top + CAPTION - 3, scale * width / step.image.shape[1])
    per_pixel = scale * width / trace.steps[-1].image.shape[1]
    for place in trace.places:  # on the last step, in whose pixels they are
        corners = place.corners() * per_pixel + [left, top + CAPTION - 3]
        outline = np.vstack([corners, corners[:1]])
        axes.plot(outline[:, 0], outline[:, 1], color=ACCENT, linewidth=1.2)
    axes.text(GAP, top_of_lines - 5, _lines_name(len(images)), fontsize=9, va="baseline")
    for n, image in enumerate(images):
        _picture(axes, image, GAP, top_of_lines + n * pitch, line_scale)
    names = ", ".join(step.name for step in trace.steps)
    return say(figure, f"From a photo to {_lines_name(len(images))}: {names}.")


@styled
def plot_reading(readings: Reading | Sequence[Reading], photo) -> Figure:
    """A photo, a box around each line that was read, and the text above each character.

    Parameters
    ----------
    readings : Reading or sequence of Reading
        Of one photo: what ``reader.read(photo)`` or ``reader.read_page(photo)`` returned.
    photo : path, PIL.Image.Image, ndarray or Tensor
        The photo itself; readings do not keep it.
    """
    readings = [readings] if isinstance(readings, Reading) else list(readings)
    colours, size = colours_and_size(photo)
    factor = math.ceil(math.sqrt(colours.shape[0] * colours.shape[1] / SHOWN))
    image = Image.fromarray((255 * colours).astype(np.uint8)).reduce(factor)
    room = 72 * WIDTH - 2 * GAP
    scale = min(room / size[0], 500 / size[1])  # points per pixel of the photo
    above = 26.0
    below = GAP + 15.0 * len(readings)
    tall = size[1] * scale
    figure, axes = canvas(72 * WIDTH, above + tall + below)
    extent = (GAP, GAP + size[0] * scale, above + tall, above)
    _lay_image(axes, np.asarray(image), extent, interpolation="antialiased")
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
    said = []
    for n, reading in enumerate(readings):
        outline = reading.line.corners() * scale + [GAP, above]
        outline = np.vstack([outline, outline[:1]])
        axes.plot(outline[:, 0], outline[:, 1], color=ACCENT, linewidth=1)
        for span in reading.spans:
            x, y = span.box[:2].mean(0) * scale + [GAP, above]
            where = {"ha": "center", "va": "bottom", "fontsize": 10, "family": "monospace"}
            colour = {"color": MARK if reading.text is None else INK, "bbox": paper}
            axes.text(x, y - 2, span.character, **where, **colour)
        text = "refused" if reading.text is None else reading.text or "nothing"
        said.append(f"{text} (probability {reading.confidence:.2f})")
        number = f"{n + 1}: " if len(readings) > 1 else ""
        y = above + tall + 15 + 15 * n
        axes.text(GAP, y, number + said[-1], fontsize=10, va="baseline", family="monospace")
    return say(figure, f"{_lines_name(len(readings)).capitalize()} read: {'; '.join(said)}.")


def _lines_name(count: int) -> str:
    return "one line" if count == 1 else f"{count} lines"


def _picture(axes, image: np.ndarray, left: float, top: float, scale: float) -> None:
    """Draw brightness, (H, W), with its upper left corner at a point."""
    height, width = image.shape
    extent = (left, left + width * scale, top + height * scale, top)
    look = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "antialiased"}
    _lay_image(axes, image, extent, **look)
    axes.plot(
        [left, left + width * scale, left + width * scale, left, left],
        [top, top, top + height * scale, top + height * scale, top],
        color="#c8c8c8",
        linewidth=0.6,
    )
