"""What pages are made of, and how often."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from crnn_lib.alphabet import as_number, check_whole
from crnn_lib.handwriting._shares import are_bounds, check_shares, check_weights

#: Layouts and how often each comes up. The last three have no number by hand.
LAYOUTS = {
    "notes": 0.08,
    "letter": 0.09,
    "lined": 0.07,
    "table": 0.1,
    "form": 0.11,
    "cheque": 0.05,
    "exam": 0.06,
    "calendar": 0.05,
    "boxes": 0.07,
    "grid": 0.08,
    "scattered": 0.07,
    "sums": 0.06,
    "items": 0.08,
    "axes": 0.04,
    "crop": 0.08,
    "large": 0.05,
    "text": 0.03,
    "print": 0.06,
    "bare": 0.05,
}


@dataclass(frozen=True)
class PageStyle:
    """How pages look. Ranges are ``(low, high)``; shares are probabilities from 0 to 1.

    Parameters
    ----------
    layouts : dict of str to float
        Weights of the layouts: notes, a letter with numbers among its words, lined (and squared)
        paper, table, form, cheque, exam sheet, calendar, boxes of single digits, a grid of squares
        or dark tiles with a number each, digits scattered among shapes, sums in columns and in
        lines, a list of items with numbers and quantities, the numbers at a graph's axes, a crop
        with one line, large digits,
        and three without a number by hand: text, print, and bare texture.
    height : (float, float)
        Height of the digits' bodies in pixels, log-uniform. The layouts crop and large go beyond.
    turned : float
        Share of the pages that lie on their side or upside down.
    one_hand : float
        Share of the pages whose numbers are all by one person. On the others each is by another,
        half of them with glyphs of a data set, if there are any.
    skew : float
        Standard deviation of the turn of the others, in degrees.
    perspective : float
        Largest difference between near and far, as a share of the size.
    edges : float
        Share of the pages on which the sheet ends within the photo.
    dark : float
        Share of the pages that are light on dark: chalk on a board, a white pen, a negative.
    markers, fineliners, pencils : float
        Shares of the pages written with a thick pen, with a thin one, and with a faint one.
    wires : float
        Share of the others on which all strokes are one to three pixels wide, however large the
        digits are, as a mouse draws them.
    shadows, folds, blurs, noises : float
        Shares of the pages that have such.
    compressed, thresholded : float
        Shares of the pages that went through JPEG, and that a scanner made black and white.
    clutter : float
        How much else lies around the numbers: 1 is usual, 0 is nothing.
    split : {"train", "test"}
        Which of the pen's people write. None belongs to both.
    people : int
        Each value stands for other people of the split, other words, other print.
    """

    layouts: dict[str, float] = field(default_factory=lambda: dict(LAYOUTS))
    height: tuple[float, float] = (11.0, 72.0)
    turned: float = 0.2
    one_hand: float = 0.5
    skew: float = 3.0
    perspective: float = 0.18
    edges: float = 0.4
    dark: float = 0.12
    markers: float = 0.18
    fineliners: float = 0.2
    wires: float = 0.12
    pencils: float = 0.15
    shadows: float = 0.4
    folds: float = 0.2
    blurs: float = 0.5
    noises: float = 0.7
    compressed: float = 0.25
    thresholded: float = 0.05
    clutter: float = 1.0
    split: str = "train"
    people: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.layouts, Mapping) or set(self.layouts) - set(LAYOUTS):
            raise ValueError(
                f"PageStyle.layouts has weights for {', '.join(LAYOUTS)}; got "
                f"{self.layouts!r:.200}."
            )
        check_weights("PageStyle.layouts", list(self.layouts.values()))
        if not are_bounds(self.height) or self.height[0] < 4:
            raise ValueError(
                f"PageStyle.height is (low, high), at least 4 pixels; got {self.height!r:.80}."
            )
        check_whole(0, people=self.people)
        if self.split not in ("train", "test"):
            raise ValueError(f"PageStyle.split is 'train' or 'test'; got {self.split!r}.")
        others = ("layouts", "height", "skew", "clutter", "split", "people")
        check_shares(self, [f.name for f in fields(self) if f.name not in others])
        if not all(0 <= as_number(n) < math.inf for n in (self.skew, self.clutter)):
            raise ValueError(
                "PageStyle.skew and clutter are finite numbers, 0 or more; got "
                f"{self.skew!r:.40} and {self.clutter!r:.40}."
            )

    @classmethod
    def plain(cls) -> PageStyle:
        """Notes on clean white paper, seen straight from above: what every finder should manage."""
        return cls(
            layouts={"notes": 1.0},
            height=(16.0, 40.0),
            turned=0.0,
            skew=0.0,
            perspective=0.0,
            edges=0.0,
            dark=0.0,
            markers=0.0,
            fineliners=0.0,
            wires=0.0,
            pencils=0.0,
            shadows=0.0,
            folds=0.0,
            blurs=0.0,
            noises=0.0,
            compressed=0.0,
            thresholded=0.0,
            clutter=0.0,
        )
