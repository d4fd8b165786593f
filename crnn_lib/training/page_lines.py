"""Lines for training as a detector cuts them out of whole pages, with what else lies there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from crnn_lib.alphabet import Alphabet, check_alphabet, check_whole
from crnn_lib.handwriting import Glyphs, LineBatch
from crnn_lib.handwriting.pages import PageStyle, WrittenLine, compose_pages
from crnn_lib.models import Detector
from crnn_lib.photos import VIEWS, ImageError, PhotoLine, cut_lines, labelled_batch, map_points
from crnn_lib.training.streams import _deal_by_width, _LastPool, _with_room, seeded_generator

AT_ONCE = 8  # pages
IN_VAIN = 400  # pages without a line, after which none is expected any more
LINES_OF_A_STORE = 16_000  # then others write
WHOLE, TOUCHED = 0.8, 0.1  # shares of a number's band within a line's: all of it, any of it
LOW = 0.55  # of a line's band: a number that is lower is not what was found


@dataclass(frozen=True)
class PageLineStream:
    """Lines that a detector finds on composed pages, without end: numbers, and what it mistakes.

    Beside a number there may be rules, print, and its neighbours. What was found where no number
    by hand stands has an empty label; so the network that reads learns to correct the one that
    finds. A line that holds a part of a number, or several, is left out. A batch depends on the
    detector and ``(seed, step)`` alone.

    Parameters
    ----------
    detector : Detector
    glyphs : Glyphs, optional
        Digits from a data set, as for :func:`crnn_lib.handwriting.pages.compose_pages`.
    batch_size : int
    seed : int
    pool : int
        Batches made at once and sorted by width.
    alphabet : Alphabet
        Signs that it lacks are written and not labelled.
    style : PageStyle
        Its people change in the course of the stream. The pages lie upright.
    size : (int, int)
        Height and width of the pages.
    height : int
        Of a line, in pixels.
    """

    detector: Detector = field(repr=False)
    glyphs: Glyphs | None = None
    batch_size: int = 64
    seed: int = 0
    pool: int = 4
    alphabet: Alphabet = Alphabet()
    style: PageStyle = field(default_factory=PageStyle)
    size: tuple[int, int] = (384, 384)
    height: int = 32
    _last_pool: _LastPool = field(default_factory=_LastPool, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.detector, Detector):
            raise TypeError(
                "detector is a Detector, such as load_detector(); got "
                f"{type(self.detector).__name__}."
            )
        check_alphabet(self.alphabet)
        check_whole(1, height=self.height, batch_size=self.batch_size, pool=self.pool)

    def batch(self, step: int) -> LineBatch:
        """The lines of one training step."""
        return self._last_pool.batch(step, self.pool, self._cut_pool)

    def _cut_pool(self, turn: int) -> list[LineBatch]:
        generator = seeded_generator(self.seed, turn)
        count = self.batch_size * self.pool
        store = self.style.people + 1000 * self.seed + turn * count // LINES_OF_A_STORE
        style = replace(self.style, people=store, turned=0.0)
        lines: list[tuple[torch.Tensor, str]] = []
        in_vain = 0
        while len(lines) < count:
            pages = compose_pages(AT_ONCE, style, generator, self.size, glyphs=self.glyphs)
            for image, rows in zip(pages.images[:, 0].numpy(), pages.rows, strict=True):
                found = self._lines_of(image, rows, generator)
                in_vain = 0 if found else in_vain + 1
                lines += found
            if in_vain > IN_VAIN:
                raise ValueError(
                    f"On {in_vain} pages in a row the detector found no line: it has not learned "
                    f"to, or pages of layouts {', '.join(self.style.layouts)} hold none."
                )
        images, texts = zip(*lines[:count], strict=True)
        batch = _with_room(labelled_batch(list(images), list(texts), self.alphabet))
        return _deal_by_width(batch, [self.batch_size] * self.pool, generator)

    def _lines_of(
        self, image: np.ndarray, rows: tuple[WrittenLine, ...], generator: torch.Generator
    ) -> list[tuple[torch.Tensor, str]]:
        """What is found on a page, a view of each line and its text."""
        views = {"number": (self.height, VIEWS)}
        try:
            found = cut_lines(image, self.detector, views)
        except ImageError:  # there is none
            return []
        numbers = [line for line in rows if line.kind == "number"]
        looks = torch.randint(len(VIEWS), (len(found),), generator=generator).tolist()
        labelled = []
        for line, look in zip(found, looks, strict=True):
            text = text_on(line[look], VIEWS[look], numbers)
            if text is not None:
                known = "".join(sign for sign in text if sign in self.alphabet.characters)
                labelled.append((line[look].image, known))
        return labelled


def text_on(line: PhotoLine, fill: float, numbers: list[WrittenLine]) -> str | None:
    """The number that stands on a line, "" if there is none; None if one is there in part.

    Parameters
    ----------
    line : PhotoLine
    fill : float
        Share of its image's height in which its bodies stand.
    numbers : list of WrittenLine
        All of the page.
    """
    to_line = np.linalg.inv(line.matrix)
    _, height, width = line.image.shape
    top, bottom = (1 - fill) / 2 * height, (1 + fill) / 2 * height
    touched = []
    for number in numbers:
        corners = map_points(to_line, number.corners)
        (left, upper), (right, lower) = corners.min(0), corners.max(0)
        wide = min(right, width) - max(left, 0)
        high = min(lower, bottom) - max(upper, top)
        share = max(wide, 0) * max(high, 0) / ((right - left) * (lower - upper))
        if share > TOUCHED:
            runs = corners[1, 0] > corners[0, 0] and lower - upper > LOW * (bottom - top)
            touched.append((number, runs and share > WHOLE and number.visible > 0.95))
    if not touched:
        return ""
    (number, whole), *others = touched
    return number.text if whole and not others else None
