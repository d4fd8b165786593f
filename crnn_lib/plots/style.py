"""What all figures share: the look, the way to a notebook or a file, and a plain canvas.

Figures are made to be printed as well: dark ink on light paper, cividis for probabilities, and
nothing that only colour says.
"""

from __future__ import annotations

import base64
import functools
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

INK = "#1c1c22"  #: lines and words
BAR = "#4b4b57"  #: bars
FAINT = "#6f6f78"  #: axes, and what is beside the point
ACCENT = "#d1495b"  #: the one thing to look at
MARK = "#b3293e"  # the accent where it is text, which needs more contrast than a line
#: From paper to ink: the colours of a line of handwriting.
PAPER = LinearSegmentedColormap.from_list("paper", ["#f6f4ee", INK])
WIDTH = 8.0  #: inches; what a notebook has room for
DPI = 144
STYLE = {
    "font.size": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
}
#: Colour and dashes of overlaid curves, which differ in brightness as well as in hue.
CURVES = ((INK, "-"), (ACCENT, "--"), ("#8fb1da", "-."), ("#b59a2a", ":"))
MARKERS = "os^D"  # of their points


def show(figure: Figure, words: str | None = None) -> None:
    """Display a figure in a notebook and print its sentence under it.

    Parameters
    ----------
    figure : Figure
        What one of this module's functions returned.
    words : str, optional
        A sentence to use instead of the figure's own, for readers who do not see the figure.
        Give one where the figure's own would differ from machine to machine.
    """
    words = figure.get_label() if words is None else words
    if _in_notebook():
        from IPython.display import display

        data = base64.b64encode(to_png(figure)).decode("ascii")
        shape = {"width": round(96 * figure.get_figwidth()), "alt": words}
        bundle = {"image/png": data, "text/plain": "<Figure>"}
        display(bundle, raw=True, metadata={"image/png": shape})
    print(words)


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG file. The same figure gives the same bytes."""
    file = io.BytesIO()
    with matplotlib.style.context(STYLE, after_reset=True):
        figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


def _in_notebook() -> bool:
    # where nothing has imported IPython, nothing of IPython runs
    return "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None


def styled(function: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw with this module's style, whatever the user's is, and leave the user's alone."""

    @functools.wraps(function)
    def draw(*args, **kwargs) -> Figure:
        with matplotlib.style.context(STYLE, after_reset=True):
            return function(*args, **kwargs)

    return draw


def say(figure: Figure, words: str) -> Figure:
    """Give a figure its sentence."""
    figure.set_label(words)
    return figure


def in_one_sentence(parts: Sequence[str], named: Mapping[str, object]) -> str:
    """What is said of each curve; a name that the sentence begins with is left as it is."""
    words = "; ".join(parts) + "."
    return words if next(iter(named)) else words[0].upper() + words[1:]


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure on which one unit is one point; the origin is the upper left corner."""
    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    return figure, axes


def draw_ink(axes: Axes, image, left: float, top: float, scale: float) -> None:
    """Draw an image, ink dark on paper, into axes whose limits stay.

    Parameters
    ----------
    axes : Axes
    image : array_like, (H, W)
        Ink bright on black, 0 to 1.
    left, top : float
        Where its upper left corner comes, in the units of the axes.
    scale : float
        Units per pixel.
    """
    height, width = image.shape
    extent = (left, left + width * scale, top + height * scale, top)
    look = {"cmap": PAPER, "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    _lay_image(axes, np.asarray(image), extent, **look)


def _lay_image(axes: Axes, image, extent: tuple[float, float, float, float], **look) -> None:
    """An image from left to right and from bottom to top, in axes whose limits stay."""
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(image, extent=extent, aspect="auto", **look)
    axes.set(xlim=limits[0], ylim=limits[1])  # imshow changes them


def draw_grid(axes: Axes, axis: Literal["x", "y", "both"] = "y") -> None:
    """Faint lines at the ticks of an axis, behind all that is drawn."""
    axes.grid(axis=axis, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
