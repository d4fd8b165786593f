"""How lines are written: the ranges from which each line draws its habits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from crnn_lib.alphabet import as_number, is_whole
from crnn_lib.handwriting._shares import are_bounds, check_shares

RANGES = (
    *("length", "spacing", "size", "glyph_size", "slant", "stroke", "margin"),
    *("kerning", "growth", "climb", "small_zero_size"),
)
SHARES = ("one_hand", "small_zeros", "joined_zeros")
WHOLE = ("length", "margin")
SCALES = ("size", "glyph_size", "small_zero_size")
AMOUNTS = (
    *("spacing_jitter", "minimum_pitch", "glyph_slant", "rotation", "glyph_stroke", "wander"),
)


@dataclass(frozen=True)
class LineStyle:
    """How lines are written. Ranges are ``(low, high)``, drawn uniformly.

    Parameters
    ----------
    height : int
        Height of a line in pixels.
    length : (int, int)
        Characters per line, both ends included.
    spacing : (float, float)
        Gap between neighbouring inks, once per line. Negative values overlap: -0.3 hides 30 % of
        the narrower ink's width. Positive values are shares of the line's mean ink width.
    spacing_jitter : float
        How far a single gap may differ from its line's spacing. It never goes below the range.
    minimum_pitch : float
        Least distance between the centres of neighbouring inks, in line heights. It keeps two
        thin strokes from becoming one.
    size : (float, float)
        Scale of a line's glyphs.
    glyph_size : (float, float)
        Scale of a single glyph, on top of its line's.
    slant : (float, float)
        Pixels to the right per pixel upwards, once per line.
    glyph_slant : float
        How far a single glyph may differ from its line's slant.
    rotation : float
        Largest turn of a single glyph, in degrees.
    stroke : (float, float)
        Stroke weight, once per line: -1 erodes one pixel on each side, +1 adds one.
    glyph_stroke : float
        How far a single glyph may differ from its line's stroke weight.
    wander : float
        How far a glyph may leave the line's middle, in pixels: half of it a wave along the line,
        half of it at random.
    margin : (int, int)
        Background before the first and after the last ink, in pixels.
    cell : int, optional
        Width of fixed cells. Each glyph is then cut to its own cell, and cells stand side by
        side: spacing, pitch and margin do not apply.
    translation : (float, float)
        Only with ``cell``: largest shift of a glyph in its cell, right and down, as a share of
        28 pixels. Whole pixels only.
    interpolation : {"bilinear", "nearest"}
        How glyphs are resampled.
    one_hand : float
        Share of the lines that one person writes, if the glyphs know their writers. Glyphs of
        unknown writers pass for one person's.
    kerning : (float, float)
        How far distances are measured row by row from ink to ink (1) rather than from column to
        column (0), once per line: at 1 a dot lies under the bar of a 7.
    cut_rows : int
        With kerning, so many of the closest rows may cut into each other, drawn once per line:
        the bar of a 5 then flies into its neighbour.
    growth : (float, float)
        How much the glyphs grow from the first to the last, as a logarithm: 0.1 is a tenth.
    climb : (float, float)
        Pixels that the last glyph stands higher than the first.
    small_zeros : float
        Share of the lines whose last noughts are written smaller.
    small_zero_size : (float, float)
        How much smaller.
    joined_zeros : float
        Share of the lines whose neighbouring noughts hang together.
    """

    height: int = 32
    length: tuple[int, int] = (1, 10)
    spacing: tuple[float, float] = (-0.3, 0.5)
    spacing_jitter: float = 0.1
    minimum_pitch: float = 0.3
    size: tuple[float, float] = (0.8, 1.15)
    glyph_size: tuple[float, float] = (0.92, 1.08)
    slant: tuple[float, float] = (-0.15, 0.35)
    glyph_slant: float = 0.1
    rotation: float = 6.0
    stroke: tuple[float, float] = (-0.4, 0.6)
    glyph_stroke: float = 0.2
    wander: float = 2.0
    margin: tuple[int, int] = (2, 10)
    cell: int | None = None
    translation: tuple[float, float] = (0.0, 0.0)
    interpolation: str = "bilinear"
    one_hand: float = 0.0
    kerning: tuple[float, float] = (0.0, 0.0)
    cut_rows: int = 0
    growth: tuple[float, float] = (0.0, 0.0)
    climb: tuple[float, float] = (0.0, 0.0)
    small_zeros: float = 0.0
    small_zero_size: tuple[float, float] = (0.55, 0.9)
    joined_zeros: float = 0.0

    def __post_init__(self) -> None:
        for name in RANGES:
            bounds = getattr(self, name)
            if not are_bounds(bounds):
                raise ValueError(f"LineStyle.{name} is (low, high); got {bounds!r:.80}.")
            if name in WHOLE and not all(map(is_whole, bounds)):
                raise ValueError(f"LineStyle.{name} is of whole numbers; got {bounds!r:.80}.")
            if name in SCALES and not bounds[0] > 0:
                raise ValueError(f"LineStyle.{name} is of scales above 0; got {bounds!r:.80}.")
        if not 0 <= self.kerning[0] <= self.kerning[1] <= 1:
            raise ValueError(f"LineStyle.kerning is from 0 to 1; got {self.kerning!r:.80}.")
        for name in AMOUNTS:
            if not 0 <= as_number(getattr(self, name)) < math.inf:
                raise ValueError(
                    f"LineStyle.{name} is a finite number, 0 or more; got "
                    f"{getattr(self, name)!r:.80}."
                )
        if not is_whole(self.cut_rows) or self.cut_rows < 0:
            raise ValueError(
                f"LineStyle.cut_rows is a number of rows, 0 or more; got {self.cut_rows!r:.80}."
            )
        if self.cell is not None and (not is_whole(self.cell) or self.cell < 1):
            raise ValueError(
                f"LineStyle.cell is a number of pixels, at least 1, or None; got {self.cell!r:.80}."
            )
        if not all(are_bounds((0, shift)) for shift in self._shifts()):
            raise ValueError(
                "LineStyle.translation is the largest shift to the right and down, 0 or more; got "
                f"{self.translation!r:.80}."
            )
        if self.length[0] < 1:
            raise ValueError(f"A line has at least one character; got length={self.length}.")
        if not is_whole(self.height) or self.height < 1 or self.margin[0] < 0:
            raise ValueError(
                "A line is at least 1 pixel high and its margins at least 0 pixels wide; got "
                f"height={self.height} and margin={self.margin}."
            )
        if self.interpolation not in ("bilinear", "nearest"):
            raise ValueError(
                f"interpolation is 'bilinear' or 'nearest'; got {self.interpolation!r}."
            )

        check_shares(self, SHARES)

    def _shifts(self) -> tuple[object, object]:
        """The two shifts of the translation; two that are none, if they are not two."""
        try:
            right, down = self.translation
        except (TypeError, ValueError):
            return None, None
        return right, down

    @property
    def strung(self) -> bool:
        """Whether the hand does more than set glyph beside glyph."""
        habits = (*self.kerning, self.cut_rows, *self.growth, *self.climb)
        return any(habits) or self.small_zeros > 0 or self.joined_zeros > 0

    @classmethod
    def amounts(cls) -> LineStyle:
        """Amounts as people write them on forms, receipts and cheques: tight, strung together.

        The texts are those of :func:`crnn_lib.handwriting.random_amounts`.
        """
        return cls(
            length=(1, 8),
            spacing=(-0.1, 0.45),
            spacing_jitter=0.12,
            minimum_pitch=0.25,
            size=(0.75, 1.3),
            glyph_size=(0.9, 1.1),
            slant=(-0.2, 0.4),
            glyph_slant=0.06,
            rotation=5.0,
            stroke=(-0.5, 0.6),
            glyph_stroke=0.1,
            wander=1.6,
            margin=(2, 12),
            one_hand=0.85,
            kerning=(0.0, 1.0),
            cut_rows=5,
            growth=(-0.2, 0.2),
            climb=(-3.0, 3.0),
            small_zeros=0.2,
            joined_zeros=0.25,
        )

    @classmethod
    def article(cls) -> LineStyle:
        """The strips of the article this series grew from: 28 x 140, five fixed cells.

        Each digit is turned by up to 10 degrees, scaled by 0.8 to 1.1, and shifted by up to 20 %
        to the side and 15 % up or down, resampled to the nearest pixel:
        ``torchvision.transforms.RandomAffine(10, (0.2, 0.15), (0.8, 1.1))``. What leaves its
        cell is lost.
        """
        return cls(
            height=28,
            length=(5, 5),
            size=(1.0, 1.0),
            glyph_size=(0.8, 1.1),
            slant=(0.0, 0.0),
            glyph_slant=0.0,
            rotation=10.0,
            stroke=(0.0, 0.0),
            glyph_stroke=0.0,
            wander=0.0,
            cell=28,
            translation=(0.2, 0.15),
            interpolation="nearest",
        )

    def varied(self, size: tuple[float, float] = (0.95, 1.2)) -> LineStyle:
        """This style with more variety, to train readers of other people's hands.

        Parameters
        ----------
        size : (float, float)
            Factors of the least and of the largest size of a line's glyphs. They grow by a fifth
            if left out: EMNIST's digits fill 24 of their 28 pixels, MNIST's 20.
        """
        (small, large), (thin, thick), (left, right) = self.size, self.stroke, self.slant
        return replace(
            self,
            size=(size[0] * small, size[1] * large),
            stroke=(min(thin, -0.4), max(thick, 0.6)),
            glyph_stroke=max(self.glyph_stroke, 0.2),
            slant=(min(left, -0.15), max(right, 0.35)),
            glyph_slant=max(self.glyph_slant, 0.1),
        )
