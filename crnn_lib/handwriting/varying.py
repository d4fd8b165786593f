"""Lines that are there already, written a little differently: few lines become many.

What :class:`crnn_lib.handwriting.LineStyle` does to glyphs before a line is composed of them is
done here to whole lines, whose glyphs nobody has cut out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.alphabet import as_number, check_generator
from crnn_lib.handwriting._precision import single_precision
from crnn_lib.handwriting._shares import are_bounds
from crnn_lib.handwriting._warping import INK, stroke_weight
from crnn_lib.handwriting.lines import LineBatch

RANGES = ("slant", "size", "width", "climb", "down", "stroke")


@dataclass(frozen=True)
class LineVariation:
    """How far lines may be changed. Ranges are ``(low, high)``, drawn uniformly for each line.

    None of it makes another text of a line. A mirror or a half turn would: that is why there are
    none.

    Parameters
    ----------
    slant : (float, float)
        Pixels to the right per pixel upwards, beyond the slant that a line has.
    size : (float, float)
        Scale of the line.
    width : (float, float)
        Scale along the line alone, on top of its size.
    climb : (float, float)
        How much higher the last column stands than the first, as a share of the height.
    down : (float, float)
        Shift downwards, as a share of the height. Ink that would leave the line stays in it.
    stroke : (float, float)
        Stroke weight: -1 erodes one pixel on each side, +1 adds one.
    plain : float
        Share of the lines that stay as they are.
    """

    slant: tuple[float, float] = (-0.25, 0.25)
    size: tuple[float, float] = (0.85, 1.1)
    width: tuple[float, float] = (0.85, 1.2)
    climb: tuple[float, float] = (-0.08, 0.08)
    down: tuple[float, float] = (-0.06, 0.06)
    stroke: tuple[float, float] = (-0.4, 0.5)
    plain: float = 0.15

    def __post_init__(self) -> None:
        for name in RANGES:
            bounds = getattr(self, name)
            if not are_bounds(bounds):
                raise ValueError(f"LineVariation.{name} is (low, high); got {bounds!r:.80}.")
        if self.size[0] <= 0 or self.width[0] <= 0:
            raise ValueError(
                f"size and width are scales above 0; got {self.size} and {self.width}."
            )
        if not 0 <= as_number(self.plain) <= 1:
            raise ValueError(f"plain is a share of the lines, 0 to 1; got {self.plain!r:.80}.")


@single_precision()
def vary_lines(
    lines: LineBatch,
    variation: LineVariation,
    generator: torch.Generator,
    *,
    least: Tensor | None = None,
) -> LineBatch:
    """Other writings of the same lines.

    Parameters
    ----------
    lines : LineBatch
    variation : LineVariation
    generator : torch.Generator
        Source of all chance. The same state gives the same lines.
    least : Tensor, (N,), optional
        Columns that each line keeps at least, so that its label still has the frames it needs.

    Returns
    -------
    LineBatch
        Of the same height, texts and targets. Its spans are 0 where a line was changed: a slant
        leaves no columns to a character.

    Examples
    --------
    >>> from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
    >>> generator = torch.Generator().manual_seed(0)
    >>> glyphs = load_glyphs("pen", count=100)
    >>> lines = compose_lines(glyphs, 2, LineStyle(), generator, texts=["55207", "18"])
    >>> other = vary_lines(lines, LineVariation(plain=0), generator)
    >>> other.texts, bool((other.widths == lines.widths).all())
    (['55207', '18'], False)
    """
    check_generator(generator, "vary_lines")
    for name, value, kind in (("lines", lines, LineBatch), ("variation", variation, LineVariation)):
        if not isinstance(value, kind):
            raise TypeError(f"{name} is a {kind.__name__}; got {value!r:.80}.")
    if least is not None:
        given = least if isinstance(least, Tensor) else None
        if given is None or given.shape != lines.widths.shape:
            shape = type(least).__name__ if given is None else tuple(given.shape)
            raise ValueError(
                f"least is a tensor of one width per line, ({len(lines)},); got {shape}."
            )
    count, _, height, full = lines.images.shape
    if not count:
        return lines

    def draw(bounds: tuple[float, float]) -> Tensor:
        return bounds[0] + (bounds[1] - bounds[0]) * torch.rand(count, generator=generator)

    slant, size, width, climb, down, stroke = (draw(getattr(variation, n)) for n in RANGES)
    plain = torch.rand(count, generator=generator) < variation.plain
    widths = lines.widths.float()
    climb, down = height * climb, height * down  # pixels

    # All ink stays in the line: it shrinks if it must, and is shifted no further than it can.
    ink = lines.images[:, 0] >= INK  # (N, H, W)
    rows = ink.any(2)
    top = rows.int().argmax(1).float() - height / 2  # (N,) from the middle of the height
    bottom = height / 2 - rows.flip(1).int().argmax(1).float()
    tallest = (height - climb.abs()) / (bottom - top).clamp_min(1)
    size = torch.minimum(size, tallest.clamp_min(variation.size[0]))
    highest = -height / 2 - (size * top - climb.abs() / 2)
    lowest = height / 2 - (size * bottom + climb.abs() / 2)
    down = torch.minimum(torch.maximum(down, highest), torch.maximum(lowest, highest))

    along = size * width
    if least is not None:
        along = torch.maximum(along, least / widths)
    room = (slant.abs() * height / 2).ceil()  # beside the line, for what leans out of it
    new = torch.where(plain, widths, (along * widths + 2 * room).ceil())  # (N,)

    # From an output pixel, measured from the middle of its line, back to the input:
    #   v = (v' - down + climb * u' / width) / size        u = (u' + slant * size * v) / along
    x = torch.arange(int(new.max())) + 0.5 - new[:, None] / 2  # (N, W') u'
    y = torch.arange(height) + 0.5 - height / 2  # (H) v'
    lift = (climb[:, None] * x / new[:, None])[:, None]  # (N, 1, W')
    v = (y[:, None] - down[:, None, None] + lift) / size[:, None, None]  # (N, H, W')
    u = (x[:, None] + (slant * size)[:, None, None] * v) / along[:, None, None]
    grid = torch.stack(
        [2 * (u + widths[:, None, None] / 2) / full - 1, 2 * (v + height / 2) / height - 1], -1
    )  # (N, H, W', 2)
    images = stroke_weight(lines.images[:, 0], stroke)[:, None].clamp(0, 1)
    varied = F.grid_sample(images, grid, mode="bilinear", align_corners=False)
    varied = varied * (torch.arange(varied.shape[3]) < new[:, None])[:, None, None]
    kept = F.pad(lines.images, (0, max(varied.shape[3] - full, 0)))[..., : varied.shape[3]]
    return replace(
        lines,
        images=torch.where(plain[:, None, None, None], kept, varied),
        widths=new.long(),
        spans=lines.spans * plain[:, None, None],
    )
