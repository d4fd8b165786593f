"""What notebook 02 draws: covered digits, a network unrolled over its frames, shares by stripe."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.plots import ACCENT, CURVES, FAINT, INK, canvas, draw_ink, say, styled

ARROW = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}


def look_alikes(first: Tensor, second: Tensor, count: int) -> list[tuple[int, int]]:
    """The pairs of rows, one of each set, that are most alike; no row stands in two of them.

    Parameters
    ----------
    first, second : Tensor, (M, F) and (M', F)
    count : int

    Examples
    --------
    >>> import torch
    >>> look_alikes(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.1, 0.9]]), 1)
    [(1, 0)]
    """
    likeness = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T  # (M, M')
    pairs: list[tuple[int, int]] = []
    while len(pairs) < count:
        a, b = divmod(int(likeness.argmax()), likeness.shape[1])
        pairs.append((a, b))
        likeness[a] = likeness[:, b] = -2.0
    return pairs


@styled
def plot_covered(images: Tensor, window: tuple[int, int], *, cover: bool = True) -> Figure:
    """Glyphs of which only the columns of one window are shown.

    Parameters
    ----------
    images : Tensor, (M, 28, 28) uint8
    window : (int, int)
        The first column that is seen, and the first one after it that is not.
    cover : bool
        Whether the others are covered at all.
    """
    start, end = window
    figure, axes = canvas(92 * len(images) + 4, 92)
    for left, image in zip(range(4, 92 * len(images), 92), images.float() / 255, strict=True):
        if cover:
            image[:, :start] = image[:, end:] = 0
        draw_ink(axes, image, left, 4, 3)
        edge = {"fill": False, "edgecolor": ACCENT, "linewidth": 1.5}
        axes.add_patch(Rectangle((left + 3 * start, 4), 3 * (end - start), 84, **edge))
    seen = f"columns [{start}, {end}) of" if cover else "all of"
    return say(figure, f"What one sees is {seen} {len(images)} digits.")


@styled
def plot_unrolled(stripes: Tensor, *, both_ways: bool = False) -> Figure:
    """A recurrent network over its frames: stripes below, states above, a name from each state.

    Parameters
    ----------
    stripes : Tensor, (T, H, w) in [0, 1]
    both_ways : bool
        Draw a second row of states, which is filled from the right.
    """
    frames, height, width = stripes.shape
    pitch, box, scale = 76.0, 34.0, 64 / height
    rows = 2 if both_ways else 1
    top = 34.0
    low = top + rows * (box + 26)
    figure, axes = canvas(frames * pitch + 76, low + height * scale + 26)
    for t, stripe in enumerate(stripes):
        middle = 56 + (t + 0.5) * pitch
        axes.text(middle, 12, "name", ha="center", va="center", size=9)
        _arrow(axes, (middle, top - 2), (middle, 20))
        for row in range(rows):
            y = top + row * (box + 26)
            left = middle - box / 2
            axes.add_patch(Rectangle((left, y), box, box, facecolor="#f1eee6", edgecolor=INK))
            axes.text(middle, y + box / 2, f"{'hg'[row]}{t}", ha="center", va="center", size=10)
            rightwards, y = row == 0, y + box / 2
            ends = (
                [left - pitch + box, left] if rightwards else [left + box + pitch - box, left + box]
            )
            if t == (0 if rightwards else frames - 1):
                ends[0] = left - 30 if rightwards else left + box + 30
                at = ends[0] + (-8 if rightwards else 8)
                axes.text(at, y, "0", ha="center", va="center", size=10, color=ACCENT)
            _arrow(axes, (ends[0], y), (ends[1], y), color=ACCENT)
        for row in range(rows - 1):
            y = top + box + row * (box + 26)
            axes.plot([middle, middle], [y, y + 26], color=FAINT, linewidth=1, dashes=(2, 2))
        _arrow(axes, (middle, low - 2), (middle, low - 24))
        x = middle - width * scale / 2
        draw_ink(axes, stripe, x, low, scale)
        edge = {"fill": False, "edgecolor": FAINT, "linewidth": 0.8}
        axes.add_patch(Rectangle((x, low), width * scale, height * scale, **edge))
        axes.text(middle, low + height * scale + 14, f"stripe {t}", ha="center", size=8)
    said = "Each state h is made of its stripe and of the state to its left; the first begins at 0."
    if both_ways:
        said = "States from the left (h) and the right (g). A stripe feeds both; a name needs both."
    return say(figure, said)


def _arrow(axes: Axes, start: tuple, end: tuple, **style) -> None:
    axes.annotate("", xy=end, xytext=start, arrowprops=ARROW | style)


@styled
def plot_shares(**shares: Tensor) -> Figure:
    """The share of digits named right at each stripe, one curve for each network.

    Parameters
    ----------
    **shares : Tensor, (T,) in [0, 1]
    """
    figure = Figure(figsize=(6.5, 2.8), layout="constrained")
    axes = figure.subplots(subplot_kw={"xlabel": "stripe", "ylabel": "named right", "ylim": (0, 1)})
    for (name, share), (colour, dashes) in zip(shares.items(), CURVES, strict=False):
        style = {"color": colour, "marker": "o", "label": name.replace("_", " ")}
        axes.plot(range(len(share)), share, dashes, **style)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    ends = [
        f"{name.replace('_', ' ')} {share[0]:.0%} at the first stripe, {share[-1]:.0%} at the last"
        for name, share in shares.items()
    ]
    return say(figure, "Named right: " + "; ".join(ends) + ".")
