"""How paper, print and camera change lines: for each effect, how often and how strongly."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from crnn_lib.alphabet import as_number


@dataclass(frozen=True)
class Effect:
    """How often an effect is there, and how strong it is then.

    Parameters
    ----------
    share : float
        Share of the lines that have it, 0 to 1.
    low, high : float
        Range of its strength, drawn uniformly per line. 0 is next to nothing, 1 the worst through
        which a person still reads nearly every line.
    """

    share: float = 0.0
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        share, low, high = map(as_number, (self.share, self.low, self.high))
        if not (0 <= share <= 1 and 0 <= low <= high <= 1):
            raise ValueError(
                "An effect has a share in [0, 1] and strengths 0 <= low <= high <= 1; got "
                f"share={self.share!r:.40}, low={self.low!r:.40}, high={self.high!r:.40}."
            )


OFF = Effect()


@dataclass(frozen=True)
class PaperStyle:
    """What lines go through between the pen and the file. All effects are off by default.

    Parameters
    ----------
    size : Effect
        The writing fills 72 % of the height; at strength 1 it is 45 to 95 %, and up to a fifth
        wider or narrower.
    shift : Effect
        The writing stands high or low; at strength 1 the border may cut off 6 % of the height.
    margins : Effect
        Empty paper on the left and right, each up to twice the height at strength 1.
    turn : Effect
        The line rises or falls by up to 4 degrees, as far as its height leaves room.
    shear : Effect
        A slant of the whole line, up to 0.35 pixels per pixel to either side.
    curve : Effect
        A baseline that is a wave, up to 14 % of the height up and down.
    perspective : Effect
        Letters grow along the line, columns spread downwards, by up to 18 %.
    weight : Effect
        Strokes thinner or thicker, by up to a pixel on each side.
    faint : Effect
        A pale pen: its darkness goes from 0.9 down to 0.28.
    skips, mottle : Effect
        Gaps in the ink; ink of uneven density.
    underline : Effect
        One line or two under the number, or a wave, drawn by the same pen.
    scribble : Effect
        A long dash, a wave or a zigzag beside the number, mostly behind it, up to 2.5 heights
        long.
    neighbours : Effect
        Pieces of other lines, cut off by the border.
    tone, fibre : Effect
        Grey paper with clouds; its grain and fibres.
    guilloche, raster : Effect
        Security print in fine curves; a picture in halftone dots.
    rules : Effect
        Ruled lines under, through or above the writing: solid, dashed or dotted.
    border : Effect
        Some sides of a box, or all of them, or its corners.
    cells : Effect
        Bars between the digits.
    words : Effect
        Small print that reaches in from above or below.
    currency : Effect
        A printed sign before the amount.
    bleed : Effect
        Writing of the other side, mirrored.
    stamp : Effect
        Part of a round stamp, or a blot.
    light : Effect
        Uneven light, the edge of a shadow.
    blur, motion : Effect
        Out of focus, up to a deviation of 1.5 pixels; moved, up to 7 pixels.
    resolution : Effect
        Shrunk to as little as 42 % and enlarged again.
    noise : Effect
        Grain with a deviation of up to 0.09, single black and white pixels.
    contrast, gamma : Effect
        Grey in grey, down to 30 % of the contrast; middle greys off by up to a factor 2.3 in the
        exponent.
    bilevel : Effect
        Nearly black and white.
    jpeg : Effect
        Blocks of 5 to 8 pixels, coarsely quantised.
    crop : Effect
        Cut out too small: the ink touches the border on all sides or on some, and up to a sixth
        of the height is lost at an end, where a person still knows the digit.
    hollow : Effect
        Thick strokes of which a threshold has left the edges.
    chalk : Effect
        The grain of a pencil, of crayon or chalk: strokes in small crumbs.
    """

    size: Effect = OFF
    shift: Effect = OFF
    margins: Effect = OFF
    turn: Effect = OFF
    shear: Effect = OFF
    curve: Effect = OFF
    perspective: Effect = OFF
    weight: Effect = OFF
    faint: Effect = OFF
    skips: Effect = OFF
    mottle: Effect = OFF
    underline: Effect = OFF
    scribble: Effect = OFF
    neighbours: Effect = OFF
    tone: Effect = OFF
    fibre: Effect = OFF
    guilloche: Effect = OFF
    raster: Effect = OFF
    rules: Effect = OFF
    border: Effect = OFF
    cells: Effect = OFF
    words: Effect = OFF
    currency: Effect = OFF
    bleed: Effect = OFF
    stamp: Effect = OFF
    light: Effect = OFF
    blur: Effect = OFF
    motion: Effect = OFF
    resolution: Effect = OFF
    noise: Effect = OFF
    contrast: Effect = OFF
    gamma: Effect = OFF
    bilevel: Effect = OFF
    jpeg: Effect = OFF
    crop: Effect = OFF
    hollow: Effect = OFF
    chalk: Effect = OFF

    def __post_init__(self) -> None:
        for field in fields(self):
            effect = getattr(self, field.name)
            if not isinstance(effect, Effect):
                raise TypeError(
                    f"PaperStyle.{field.name} is an Effect, such as Effect(0.3, 0.2, 0.8); got "
                    f"{effect!r}."
                )

    @classmethod
    def clean(cls) -> PaperStyle:
        """Black ink on white paper, and nothing else."""
        return cls()

    @classmethod
    def only(cls, name: str, severity: int = 3) -> PaperStyle:
        """One effect on every line, at a severity of 1 to 5.

        >>> PaperStyle.only("blur", severity=2).blur
        Effect(share=1.0, low=0.4, high=0.4)
        """
        if name not in EFFECTS:
            raise ValueError(f"There is no effect {name!r}; there are {', '.join(EFFECTS)}.")
        if severity not in (1, 2, 3, 4, 5):
            raise ValueError(f"A severity is 1, 2, 3, 4 or 5; got {severity!r}.")
        return cls(**{name: Effect(1.0, severity / 5, severity / 5)})

    @classmethod
    def scanner(cls) -> PaperStyle:
        """Plain or ruled paper on a flat-bed scanner."""
        return cls(
            size=Effect(0.8, 0.2, 0.8),
            shift=Effect(0.5, 0.0, 0.6),
            margins=Effect(0.4, 0.0, 0.6),
            turn=Effect(0.4, 0.0, 0.4),
            weight=Effect(0.3, 0.0, 0.6),
            faint=Effect(0.5, 0.0, 0.5),
            mottle=Effect(0.4, 0.0, 0.6),
            tone=Effect(0.7, 0.0, 0.5),
            fibre=Effect(0.6, 0.0, 0.6),
            rules=Effect(0.25, 0.0, 0.6),
            light=Effect(0.3, 0.0, 0.4),
            blur=Effect(0.5, 0.1, 0.5),
            noise=Effect(0.5, 0.0, 0.4),
            jpeg=Effect(0.4, 0.0, 0.4),
        )

    @classmethod
    def page(cls) -> PaperStyle:
        """Words cut out of a page, scanned or photographed: their neighbours reach in."""
        return cls(
            size=Effect(0.95, 0.3, 1.0),
            shift=Effect(0.7, 0.0, 1.0),
            margins=Effect(0.4, 0.0, 0.6),
            turn=Effect(0.4, 0.0, 1.0),
            shear=Effect(0.5, 0.0, 1.0),
            curve=Effect(0.25, 0.0, 0.8),
            perspective=Effect(0.2, 0.0, 0.8),
            weight=Effect(0.5, 0.0, 0.8),
            faint=Effect(0.5, 0.0, 0.8),
            skips=Effect(0.12, 0.0, 0.7),
            mottle=Effect(0.35, 0.0, 0.8),
            underline=Effect(0.05, 0.0, 1.0),
            neighbours=Effect(0.15, 0.1, 0.8),
            tone=Effect(0.7, 0.0, 0.8),
            fibre=Effect(0.5, 0.0, 0.8),
            rules=Effect(0.15, 0.0, 0.8),
            border=Effect(0.08, 0.0, 0.8),
            bleed=Effect(0.08, 0.0, 0.6),
            light=Effect(0.3, 0.0, 0.8),
            blur=Effect(0.5, 0.1, 0.7),
            motion=Effect(0.05, 0.0, 0.4),
            resolution=Effect(0.25, 0.0, 0.7),
            noise=Effect(0.5, 0.0, 0.7),
            contrast=Effect(0.4, 0.0, 0.9),
            gamma=Effect(0.3, 0.0, 1.0),
            bilevel=Effect(0.15, 0.0, 1.0),
            jpeg=Effect(0.4, 0.0, 0.7),
        )

    @classmethod
    def photo(cls) -> PaperStyle:
        """Numbers of every kind, cut out of photos: a cheque's effects, other pens, tight crops."""
        return replace(
            cls.cheque(),
            crop=Effect(0.15, 0.0, 1.0),
            hollow=Effect(0.04, 0.0, 1.0),
            chalk=Effect(0.08, 0.0, 1.0),
        )

    @classmethod
    def cheque(cls) -> PaperStyle:
        """Amounts on cheques and forms, scanned or photographed: every effect, in moderation."""
        return cls(
            size=Effect(0.95, 0.3, 1.0),
            shift=Effect(0.8, 0.0, 1.0),
            margins=Effect(0.55, 0.0, 1.0),
            turn=Effect(0.5, 0.0, 1.0),
            shear=Effect(0.3, 0.0, 0.8),
            curve=Effect(0.25, 0.0, 0.8),
            perspective=Effect(0.2, 0.0, 1.0),
            weight=Effect(0.4, 0.0, 0.8),
            faint=Effect(0.6, 0.0, 0.9),
            skips=Effect(0.15, 0.0, 0.8),
            mottle=Effect(0.4, 0.0, 0.8),
            underline=Effect(0.08, 0.0, 1.0),
            scribble=Effect(0.12, 0.0, 1.0),
            neighbours=Effect(0.25, 0.1, 1.0),
            tone=Effect(0.8, 0.0, 1.0),
            fibre=Effect(0.5, 0.0, 1.0),
            guilloche=Effect(0.4, 0.0, 1.0),
            raster=Effect(0.22, 0.0, 1.0),
            rules=Effect(0.25, 0.0, 1.0),
            border=Effect(0.4, 0.0, 1.0),
            cells=Effect(0.06, 0.0, 0.8),
            words=Effect(0.12, 0.0, 1.0),
            currency=Effect(0.1, 0.0, 1.0),
            bleed=Effect(0.1, 0.0, 0.7),
            stamp=Effect(0.1, 0.0, 0.8),
            light=Effect(0.3, 0.0, 0.9),
            blur=Effect(0.5, 0.1, 0.7),
            motion=Effect(0.06, 0.0, 0.5),
            resolution=Effect(0.15, 0.0, 0.7),
            noise=Effect(0.5, 0.0, 0.8),
            contrast=Effect(0.4, 0.0, 0.9),
            gamma=Effect(0.3, 0.0, 1.0),
            bilevel=Effect(0.1, 0.0, 1.0),
            jpeg=Effect(0.4, 0.0, 0.8),
        )


#: What a ``PaperStyle`` can do to a line, each under its field's name.
EFFECTS = tuple(field.name for field in fields(PaperStyle))
#: Those that came later: where they are off they draw no chance, and older pictures stay.
LATER = ("crop", "hollow", "chalk")
