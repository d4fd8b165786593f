"""The built-in pen: digits, letters and marks drawn from strokes, with nothing to download.

A *form* is one way to write a digit, kept as the few points its strokes run through. A *hand* is
what a writer does to every form: slant, width, pen, tremor, favourite forms. A glyph is a form,
written by a hand, with the small accidents of the moment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from crnn_lib.handwriting._precision import single_precision
from crnn_lib.handwriting.pen.forms import (
    MARK_BOOKS,
    MARK_CHARACTERS,
    SAMPLES,
    TEXT_CHARACTERS,
    Book,
    LetterBook,
    _book_forms,
    _has_letters,
    _names_of,
    form_tables,
)

SIZE = 28  # pixels on a side of a glyph
CHUNK = 256  # glyphs drawn at once: their arrays then fit in the processor's cache
BLUR = 0.9  # pixels; radius of the soft minimum over the points of a stroke
LINE_SCALE = 0.78  # of a hand's size: what leaves room for tails below the line
LINE_MIDDLE = 0.72  # place in the writing box that is the middle of the picture then
DIGIT_BOOKS = ("school", "hurried", "careless")
# Each book's habits are drawn from a shelf of their own. The order is part of every picture.
SHELVES = ("school", "hurried", "marks", "letters", "a letterbook", "careless", "careless marks")


@dataclass(frozen=True)
class Hand:
    """The habits of W writers, one tensor entry each.

    A length is in pixels, a share is relative to the height or the radius.
    """

    form: Tensor  # (W, D) int64, favourite form of each digit: its place in FORMS[digit]
    loyalty: Tensor  # (W,) probability of writing the favourite rather than any form
    slant: Tensor  # (W,) how far the top leans to the right, per unit of height
    width: Tensor  # (W,) factor on the natural width of the forms
    turn: Tensor  # (W,) rotation in radians, clockwise
    roundness: Tensor  # (W,) how far corners are worn down: 0 keeps them
    looseness: Tensor  # (W,) standard deviation of the points of a form, share of the height
    tremor: Tensor  # (W,) standard deviation of the shaking of the line, pixels
    radius: Tensor  # (W,) half the width of the line, pixels
    softness: Tensor  # (W,) width of the line's grey edge, pixels
    pressure: Tensor  # (W,) change of the radius along a stroke, share of the radius
    nib: Tensor  # (W,) how much thicker downstrokes are than upstrokes, share of the radius
    size: Tensor  # (W,) height or width of the ink, whichever is larger, pixels
    x_height: Tensor  # (W,) height of small letters, share of the height of capitals
    tail: Tensor  # (W,) factor on the natural depth of what hangs below the line
    joining: Tensor  # (W,) probability of going on to the next letter without lifting the pen
    lead_in: Tensor  # (W,) probability of the upstroke before a letter that none is joined to
    gap: Tensor  # (W,) space between two letters, share of the height of small letters
    wander: Tensor  # (W,) standard deviation of a letter's distance from the line, share of height
    capital: Tensor  # (W,) height of capitals, share of that of ascenders
    figure: Tensor  # (W,) the same of digits
    spread: Tensor  # (W,) factor on the gap between letters of a word in capitals
    space: Tensor  # (W,) factor on the natural space between words
    fade: Tensor  # (W,) how much lower and narrower a word's last letters are than its first, share
    sway: Tensor  # (W,) standard deviation of a letter's slant in a word
    climb: Tensor  # (W,) slope of the line, downwards to the right
    edge: Tensor  # (W,) how much a broad pen's width depends on the direction, share of the radius

    @property
    def joins(self) -> Tensor:
        """(W,) whether a writer has the forms of a joined hand."""
        return self.joining > 0.5


@dataclass(frozen=True)
class LetterMetrics:
    """Where the letters of W writers stand in a glyph that keeps its place, in rows of pixels.

    What :func:`draw_letters` draws with ``fill=False`` has its lines there, give or take the
    accidents of the moment and half the width of the pen.
    """

    top: Tensor  # (W,) of capitals and ascenders
    x_line: Tensor  # (W,) of small letters
    baseline: Tensor  # (W,) that all stand on
    foot: Tensor  # (W,) of tails


@single_precision()
def draw_digits(
    digits: Tensor | Sequence[int],
    generator: torch.Generator,
    *,
    writers: Tensor | Sequence[int] | None = None,
    book: str = "school",
) -> Tensor:
    """Write digits by hand.

    Parameters
    ----------
    digits : Tensor or sequence of int
        (M,) the digits to write, 0 to 9.
    generator : torch.Generator
        The source of all randomness, on the CPU.
    writers : Tensor or sequence of int, optional
        (M,) who writes each glyph. Glyphs with the same number share one hand. The hand follows
        from that number and the generator's seed alone, so it stays the same from call to call.
        Without it every glyph has a writer of its own.
    book : {"school", "hurried", "careless"}
        The forms to choose from: those of the copybook, or also those of people who write
        amounts all day, or also what is left of digits when nobody has time. The latter two keep
        their size: a bar that flies off to the right makes the glyph wider, not the digit smaller.
        Of the writers of the last one, some write careless forms of all digits, others of few.

    Returns
    -------
    Tensor
        (M, 28, 28) uint8, ink bright on black.

    Raises
    ------
    TypeError
        If the digits or writers are not integers, or the generator is no CPU ``torch.Generator``.
    ValueError
        If a digit is not 0 to 9, or a shape is wrong.

    Examples
    --------
    >>> glyphs = draw_digits([5, 5, 2, 0, 7], torch.Generator().manual_seed(0))
    >>> glyphs.shape, glyphs.dtype
    (torch.Size([5, 28, 28]), torch.uint8)
    """
    if book not in DIGIT_BOOKS:
        raise ValueError(f"book is 'school', 'hurried' or 'careless'; got {book!r}.")
    _check_generator(generator)
    digits = _integers(digits, "digits")
    for digit in digits[(digits < 0) | (digits > 9)][:1].tolist():
        raise ValueError(f"The pen writes the digits 0 to 9; digits contains {digit}.")
    return _draw_glyphs(digits, generator, writers, book)


@single_precision()
def draw_marks(
    marks: str | Sequence[str],
    generator: torch.Generator,
    *,
    writers: Tensor | Sequence[int] | None = None,
    book: str = "marks",
) -> Tensor:
    """Write the marks that stand around the digits of an amount, at their place beside a digit.

    Parameters
    ----------
    marks : str or sequence of str
        The M marks to write: characters of ``MARK_CHARACTERS``.
    generator, writers
        As in :func:`draw_digits`; the same writer and seed have the same hand.
    book : {"marks", "careless marks"}
        The forms to choose from; the second has slashes and dashes of all leans and lengths.

    Returns
    -------
    Tensor
        (M, 28, 28) uint8, ink bright on black. A digit would fill the height of the box but for
        its margin; a dot lies at its bottom, a dash at half its height.
    """
    if book not in MARK_BOOKS:
        raise ValueError(f"book is 'marks' or 'careless marks'; got {book!r}.")
    _check_generator(generator)
    for mark in marks:
        if len(mark) != 1 or mark not in MARK_CHARACTERS:
            raise ValueError(f"The pen writes the marks {MARK_CHARACTERS!r}; marks has {mark!r}.")
    places = torch.tensor([MARK_CHARACTERS.index(mark) for mark in marks], dtype=torch.int64)
    return _draw_glyphs(places, generator, writers, book)


@single_precision()
def draw_letters(
    letters: str | Sequence[str],
    generator: torch.Generator,
    *,
    writers: Tensor | Sequence[int] | None = None,
    fill: bool = True,
    book: LetterBook | None = None,
) -> Tensor:
    """Write letters, and the digits and marks that stand between them.

    A writer prints, or has the forms of a joined hand: ``hands(...).joins`` says which.

    Parameters
    ----------
    letters : str or sequence of str
        The M characters to write, of ``TEXT_CHARACTERS``. A space has no ink, so it is none.
    generator, writers
        As in :func:`draw_digits`; the same writer and seed have the same hand.
    fill : bool
        Whether each letter and digit fills the picture, as EMNIST's do: then nothing but the
        shape tells o from O. Without it all of a writer's are to one scale and stand on one line,
        which :func:`letter_metrics` knows. Marks keep their place beside a capital either way.
    book : LetterBook, optional
        The forms to choose from; the pen's own by default.

    Returns
    -------
    Tensor
        (M, 28, 28) uint8, ink bright on black.

    Raises
    ------
    ValueError
        If the pen does not know a character, or there are more or fewer writers than letters.

    Examples
    --------
    >>> glyphs = draw_letters("Quay", torch.Generator().manual_seed(0), writers=[7] * 4)
    >>> glyphs.shape, glyphs.dtype
    (torch.Size([4, 28, 28]), torch.uint8)
    """
    _check_generator(generator)
    places = _text_places(letters, "letters")
    return _draw_glyphs(places, generator, writers, book or "letters", fill)


def letter_metrics(writers: Tensor | Sequence[int], generator: torch.Generator) -> LetterMetrics:
    """Where the letters of some writers stand, as ``draw_letters(..., fill=False)`` draws them.

    Parameters
    ----------
    writers : Tensor or sequence of int
        (W,) numbers of the writers.
    generator : torch.Generator
        Only its seed is used; nothing is drawn from it.

    Examples
    --------
    >>> metrics = letter_metrics([7], torch.Generator().manual_seed(0))
    >>> bool(metrics.top < metrics.x_line < metrics.baseline < metrics.foot)
    True
    """
    hand = hands(writers, generator)
    scale = LINE_SCALE * (hand.size - 2 * hand.radius.clamp_max(2))
    heights = (torch.zeros_like(scale), 1 - hand.x_height, torch.ones_like(scale))
    top, x_line, baseline, foot = (
        (SIZE - 1) / 2 + (height - LINE_MIDDLE) * scale
        for height in (*heights, 1 + 0.45 * hand.tail)
    )
    return LetterMetrics(top, x_line, baseline, foot)


def _text_places(text: str | Sequence[str], name: str) -> Tensor:
    """The place of each character in the book of letters, (M,)."""
    if not isinstance(text, Iterable) or isinstance(text, (set, frozenset)):
        raise TypeError(f"{name} is a str or a list of characters; got {text!r:.80}.")
    for character in text:
        if (
            not isinstance(character, str)
            or len(character) != 1
            or character not in TEXT_CHARACTERS
        ):
            raise ValueError(f"The pen writes {TEXT_CHARACTERS!r}; {name} has {character!r}.")
    return torch.tensor([TEXT_CHARACTERS.index(c) for c in text], dtype=torch.int64)


def _draw_glyphs(
    digits: Tensor,
    generator: torch.Generator,
    writers: Tensor | Sequence[int] | None,
    book: Book,
    fill: bool = True,
) -> Tensor:
    if writers is None:
        writers = torch.randint(2**62, digits.shape, generator=generator)
    writers = _integers(writers, "writers")
    if writers.shape != digits.shape:
        what = "letters" if _has_letters(book) else "marks" if book in MARK_BOOKS else "digits"
        raise ValueError(
            f"Each glyph needs one writer: {len(digits)} {what} but {len(writers)} writers."
        )
    glyphs = torch.empty((len(digits), SIZE, SIZE), dtype=torch.uint8)  # (M, 28, 28)
    for start in range(0, len(digits), CHUNK):
        part = slice(start, start + CHUNK)
        glyphs[part] = _write_glyphs(digits[part], writers[part], generator, book, fill)
    return glyphs


def hands(writers: Tensor | Sequence[int], generator: torch.Generator) -> Hand:
    """The hands of some writers, as :func:`draw_digits` uses them with this generator.

    Parameters
    ----------
    writers : Tensor or sequence of int
        (W,) numbers of the writers.
    generator : torch.Generator
        Only its seed is used; nothing is drawn from it.
    """
    _check_generator(generator)
    return _hands(_integers(writers, "writers"), generator.initial_seed(), "school")


def _hands(writers: Tensor, seed: int, book: Book, joins: Tensor | None = None) -> Hand:
    """The hands of (W,) writers; ``joins`` says who has a joined hand's forms, if not they."""
    u = _hash_uniform(seed, writers, slots=13 + len(_names_of(book)))  # (W, slots)
    z = _normal(u[:, :13])
    # The habits that letters need came later: of another shelf, they leave the digits' alone.
    v = _hash_uniform(seed, writers, torch.full_like(writers, 1 << 20), slots=14)  # (W, 14)
    joining = (2.2 * v[:, 2] - 0.7).clamp(0, 1)  # a third prints, a quarter always joins
    table = form_tables(book)
    weights = table.weights[(joining > 0.5 if joins is None else joins).long()]  # (W, forms)
    gumbel = -torch.log(-torch.log(u[:, 13:]))  # (W, forms); log-weight + Gumbel, argmax: a draw
    counts = [len(forms) for forms in _book_forms(book).values()]
    scores = (gumbel + torch.log(weights)).split(counts, 1)
    favourite = torch.stack([ours.argmax(1) for ours in scores], 1)  # (W, D)
    faithful = 0.85 if book == "careless" else 0.6
    return Hand(
        form=favourite,
        loyalty=faithful + (1 - faithful) * u[:, 0],
        slant=0.16 + 0.24 * z[:, 1],
        width=torch.exp(0.19 * z[:, 2]),
        turn=0.08 * z[:, 3],
        roundness=1.5 * u[:, 4],
        looseness=0.015 + 0.035 * u[:, 5] ** 2,
        tremor=0.02 + 0.22 * u[:, 6] ** 3,
        radius=(1.35 * torch.exp(0.32 * z[:, 7])).clamp(0.7, 2.8),
        softness=0.9 + 1.5 * u[:, 8],
        pressure=0.04 + 0.14 * u[:, 9],
        nib=0.10 * z[:, 10],
        size=(20.5 + 1.0 * z[:, 11]).clamp(18, 23),
        x_height=(0.52 + 0.08 * _normal(v[:, 0])).clamp(0.4, 0.74),
        tail=torch.exp(0.18 * _normal(v[:, 1])).clamp(0.6, 1.4),
        joining=joining,
        lead_in=v[:, 3] ** 2,
        gap=0.3 * torch.exp(0.45 * _normal(v[:, 4])) - 0.07,
        wander=0.008 + 0.026 * v[:, 5] ** 2,
        capital=torch.exp(0.1 * _normal(v[:, 6])).clamp(0.8, 1.25),
        figure=torch.exp(0.1 * _normal(v[:, 7])).clamp(0.72, 1.2),
        spread=1 + 2 * v[:, 8] ** 3,
        space=torch.exp(0.3 * _normal(v[:, 9])),
        fade=0.35 * v[:, 10] ** 2,
        sway=0.025 + 0.08 * v[:, 11] ** 2,
        climb=0.012 * _normal(v[:, 12]),
        edge=(1.6 * v[:, 13] - 1).clamp_min(0),  # most pens are round
    )


def _write_glyphs(
    digits: Tensor, writers: Tensor, generator: torch.Generator, book: Book, fill: bool = True
) -> Tensor:
    """Write one chunk of glyphs: (M,) digits or marks and writers -> (M, 28, 28) uint8."""
    table = form_tables(book)
    hand, row, curve, z = _write_curves(digits, writers, generator, book)
    joined = table.joined[row]  # (M, P - 1)
    if _has_letters(book):
        u = torch.rand((len(row), 2), generator=generator)
        curve, joined = _begin_at(curve, joined, table.enter[row] * (u[:, 0] > hand.lead_in))
        curve = _end_at(curve, table.leave[row], u[:, 1] * table.tail[row])

    # Width, slant and turn act about the middle of the box.
    width = hand.width * torch.exp(0.06 * z[:, 1])
    slant = hand.slant + 0.05 * z[:, 2]
    turn = hand.turn + 0.04 * z[:, 3]
    cos, sin = torch.cos(turn), torch.sin(turn)
    of_x = torch.stack([width * cos, width * sin], 1)  # (M, 2)
    of_y = torch.stack([-slant * cos - sin, -slant * sin + cos], 1)  # (M, 2)
    curve = torch.bmm(curve - 0.5, torch.stack([of_x, of_y], 1))

    radius = (hand.radius * torch.exp(0.06 * z[:, 4])).clamp(0.65, 2.9)
    size = (hand.size + 0.6 * z[:, 5]).clamp(16, 24) - 2 * radius
    if book == "school":
        curve = _place_points(curve, size, offset=0.6 * z[:, 6:8])
    elif _has_letters(book):
        curve, radius = _place_letters(curve, digits, hand, size, radius, 0.6 * z[:, 6:8], fill)
    else:
        radius = (0.9 * radius).clamp_max(2.2)  # ballpoints, no felt pens
        radius = radius.minimum(table.thickest[digits])
        sway = 1.2 if book in MARK_BOOKS else 0.6  # marks stand where the moment puts them
        curve = _settle_points(curve, size, sway * z[:, 6:8], radius)

    # Waves along the line: quick ones shake it, slow ones press it.
    quick, slow = table.shake.shape[1], table.swell.shape[1]
    z = torch.randn((len(row), 2 * quick + slow), generator=generator, dtype=torch.float32)
    shake = table.shake @ z[:, slow:].unflatten(1, (quick, 2))  # (M, P, 2)
    curve = curve + hand.tremor[:, None, None] * shake
    down = torch.diff(curve[..., 1], dim=1, append=curve[:, -1:, 1])  # (M, P)
    swell = 1 + hand.pressure[:, None] * (z[:, :slow] @ table.swell.T)  # (M, P)
    swell = swell + hand.nib[:, None] * (2 * down).clamp(-1, 1)
    radii = radius[:, None] * swell
    if _has_letters(book):
        radii = (radii**2 + table.dots[row]).sqrt()
    return _ink(curve, joined, radii, radius, hand.softness)


def _write_curves(
    digits: Tensor,
    writers: Tensor,
    generator: torch.Generator,
    book: Book,
    joins: Tensor | None = None,
) -> tuple[Hand, Tensor, Tensor, Tensor]:
    """What (M,) writers do to the forms of (M,) digits, in the units of the writing box.

    Their hands, one for each glyph, the row of each form (M,), the curve (M, P, 2), and normal
    numbers (M, 8) for the accidents of the moment, of which the curve has used the first.
    """
    table = form_tables(book)
    count, seed = len(digits), generator.initial_seed()
    key = writers if joins is None else torch.stack([writers, joins.long()])
    unique, owner = torch.unique(key, return_inverse=True, dim=-1 if joins is not None else None)
    ours = _hands(unique, seed, book) if joins is None else _hands(unique[0], seed, book, unique[1])
    hand = Hand(**{k: v[owner] for k, v in vars(ours).items()})
    if _has_letters(book):  # a digit bears more than a letter, which others resemble
        slant = (0.16 + 0.8 * (hand.slant - 0.16)).clamp(-0.3, 0.55)
        width, roundness = hand.width.clamp(0.74, 1.4), 0.7 * hand.roundness
        hand = replace(hand, slant=slant, width=width, roundness=roundness)

    # Which form: the favourite, or now and then any other.
    u = torch.rand((count, 2), generator=generator, dtype=torch.float32)
    style = hand.joins if joins is None else joins
    any_form = (u[:, :1] > table.cumulative[style.long(), digits]).sum(1)  # (M,)
    place = torch.where(u[:, 1] < hand.loyalty, hand.form[torch.arange(count), digits], any_form)
    row = table.first[digits] + place  # (M,)

    # What the writer always does to this form, and what happened this time.
    parts = [2 * table.points.shape[1], 2 * 9, 2 * table.stroke.shape[2]]
    shelf = SHELVES.index(book if isinstance(book, str) else "a letterbook")
    shelf <<= 16  # a row of another book is another habit
    habit = _normal(_hash_uniform(seed, writers, row + shelf, slots=sum(parts)))
    moment = torch.randn((count, sum(parts)), generator=generator, dtype=torch.float32)
    by_point, by_place, by_stroke = (
        part.unflatten(1, (-1, 2)) for part in (0.75 * habit + 0.65 * moment).split(parts, 1)
    )  # (M, K, 2), (M, 9, 2), (M, S, 2)
    loose = hand.looseness[:, None, None]
    points = table.points[row]  # (M, K, 2)
    if _has_letters(book):
        points = _set_heights(points, table.small[row], hand)
        loose = loose * torch.where(table.small[row], 0.6, 0.8)[:, None, None]
    points = points + loose * table.freedom[row] * by_point
    points = points + 1.2 * loose * _bend_points(points, by_place)
    points = points + loose * torch.bmm(table.stroke[row], by_stroke)

    z = torch.randn((count, 8), generator=generator, dtype=torch.float32)
    curves = torch.bmm(table.basis[row], points)  # (M, 2P, 2): as written, and with worn corners
    worn = (hand.roundness + 0.2 * z[:, 0]).clamp(0, 1.8)[:, None, None]
    curve = torch.lerp(curves[:, :SAMPLES], curves[:, SAMPLES:], worn)  # (M, P, 2)
    return hand, row, curve, z


def _set_heights(points: Tensor, small: Tensor, hand: Hand) -> Tensor:
    """Points (M, K, 2) of letters at the hand's own height of small letters and depth of tails."""
    x, y = points.unbind(2)  # (M, K) each
    share = 2 * hand.x_height[:, None]
    above = y.clamp_max(0.5) * (2 - share)
    within = (y - 0.5).clamp(0, 0.5) * share
    low = torch.where(small[:, None], above + within, y.clamp_max(1))
    low = low + (y - 1).clamp_min(0) * hand.tail[:, None]
    return torch.stack([torch.where(small[:, None], x * share.sqrt(), x), low], 2)


def _begin_at(curve: Tensor, joined: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Curves (M, P, 2) without what comes before the sample ``start`` (M,)."""
    places = torch.arange(SAMPLES).maximum(start[:, None])  # (M, P)
    curve = curve.gather(1, places[..., None].expand(-1, -1, 2))
    return curve, joined * (places[:, 1:] > start[:, None])


def _end_at(curve: Tensor, leave: Tensor, cut: Tensor) -> Tensor:
    """Curves (M, P, 2) without the last ``cut`` samples (M,) before the sample ``leave`` (M,)."""
    places = torch.arange(SAMPLES).expand(len(curve), -1)  # (M, P)
    last = (leave - cut.long())[:, None]
    places = torch.where(places <= leave[:, None], places.minimum(last), places)
    return curve.gather(1, places[..., None].expand(-1, -1, 2))


def _bend_points(points: Tensor, coefficients: Tensor) -> Tensor:
    """Smooth displacement: cosines of the place, (M, K, 2) and (M, 9, 2) -> (M, K, 2)."""
    c1 = torch.cos(math.pi * points)
    waves = torch.stack([torch.ones_like(c1), c1, 2 * c1 * c1 - 1], -1)  # (M, K, 2, 3)
    products = waves[:, :, 0, :, None] * waves[:, :, 1, None, :]  # (M, K, 3, 3)
    return torch.bmm(products.flatten(2), coefficients)


def _place_points(points: Tensor, size: Tensor, offset: Tensor) -> Tensor:
    """Scale the larger side of (M, P, 2) points to ``size`` pixels and centre them."""
    low, high = points.amin(1, keepdim=True), points.amax(1, keepdim=True)  # (M, 1, 2)
    scale = size[:, None, None] / (high - low).amax(2, keepdim=True)
    middle = 0.5 * (low + high)
    middle = middle + 0.5 * (points.mean(1, keepdim=True) - middle)  # towards the mass, as MNIST
    return (points - middle) * scale + (SIZE - 1) / 2 + offset[:, None, :]


def _settle_points(points: Tensor, size: Tensor, offset: Tensor, radius: Tensor) -> Tensor:
    """Scale (M, P, 2) points about their writing box, of ``size`` pixels; they keep their place.

    What is wider or higher than the picture is made to fit, and what sticks out is moved in.
    """
    low, high = points.amin(1), points.amax(1)  # (M, 2)
    room = SIZE - 2 - 2 * radius  # (M,)
    scale = torch.minimum(size, room / (high - low).amax(1))[:, None]  # (M, 1)
    middle = 0.25 * (low + high) + 0.5 * points.mean(1)
    shift = offset - scale * middle * torch.tensor([1.0, 0.0])  # sideways nothing has a place
    edge = ((SIZE - 2) / 2 - radius)[:, None]
    shift = shift.maximum(-edge - scale * low).minimum(edge - scale * high)
    return points * scale[..., None] + (SIZE - 1) / 2 + shift[:, None]


def _place_letters(
    curve: Tensor,
    places: Tensor,
    hand: Hand,
    size: Tensor,
    radius: Tensor,
    offset: Tensor,
    fill: bool,
) -> tuple[Tensor, Tensor]:
    """Letters (M, P, 2) on the picture, and the radius of the pen (M,) at their scale."""
    scale = LINE_SCALE * size
    thin = (LINE_SCALE * radius).minimum(0.16 * hand.x_height * scale).clamp_min(0.6)
    low = curve - torch.tensor([0.0, LINE_MIDDLE - 0.5])  # the line is higher than with digits
    settled = _settle_points(low, scale, offset * torch.tensor([1.0, 0.3]), thin)
    if not fill:
        return settled, thin
    alone = torch.tensor([c.isalnum() for c in TEXT_CHARACTERS])[places]  # (M,)
    filled = _place_points(curve, size, offset)
    curve = torch.where(alone[:, None, None], filled, settled)
    thick = (0.9 * radius).minimum(form_tables("letters").thickest[places])
    return curve, torch.where(alone, thick, thin)


def _ink(points: Tensor, joined: Tensor, radii: Tensor, radius: Tensor, softness: Tensor) -> Tensor:
    """Ink of the curves on the pixels.

    A Gaussian of radius s around every point of the curve, weighted by the length it stands for,
    adds up to ``s sqrt(2 pi) exp(-d^2 / 2 s^2)`` at distance d from the line. The logarithm gives
    d back: a soft minimum of the distances. As a Gaussian is a product over x and y, the sum over
    the points is one matrix product per glyph.

    Parameters
    ----------
    points : Tensor
        (M, P, 2) in pixels.
    joined : Tensor
        (M, P - 1) 1 where the pen draws from a point to the next, 0 where it is lifted.
    radii : Tensor
        (M, P) half the width of the line at each point, in pixels.
    radius, softness : Tensor
        (M,) the pen's own half width, and the width of the grey edge, in pixels.
    """
    weight = _weigh(points, joined, radii, radius)  # (M, P)
    pixels = torch.arange(SIZE, dtype=torch.float32)
    gauss = points[..., None] - pixels  # (M, P, 2, 28)
    gauss = gauss.square_().mul_(-0.5 / BLUR**2).clamp_(min=-35).exp_()  # no slow denormals
    across, along = gauss.unbind(2)  # (M, P, 28) each
    mass = torch.bmm((along * weight[..., None]).transpose(1, 2), across)  # (M, 28, 28)
    return _shade(mass, radius[:, None, None], softness[:, None, None])  # (M, 28, 28)


def _weigh(points: Tensor, joined: Tensor, radii: Tensor, radius: Tensor) -> Tensor:
    """The weight of every point, (M, P): the length that it stands for, and the pen's width."""
    steps = torch.linalg.vector_norm(torch.diff(points, dim=1), dim=2) * joined  # (M, P - 1)
    lengths = 0.5 * (pad(steps, (1, 0)) + pad(steps, (0, 1)))  # (M, P)
    return lengths * torch.exp((radii**2 - radius[:, None] ** 2) / (2 * BLUR**2))


def _shade(mass: Tensor, radius: Tensor, softness: Tensor) -> Tensor:
    """Grey values, uint8, of what all points have spread on a pixel; changes ``mass``."""
    mass = mass.mul_(1 / (BLUR * math.sqrt(2 * math.pi))).clamp_(1e-12, 1.0)
    distance = mass.log_().mul_(-2 * BLUR**2).sqrt_()
    edge = (radius - distance).div_(softness).add_(0.5).clamp_(0, 1)
    return (255 * (edge * edge * (3 - 2 * edge))).round_().to(torch.uint8)


def _check_generator(generator: torch.Generator) -> None:
    if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
        raise TypeError(
            "The pen needs a torch.Generator on the CPU, such as torch.Generator().manual_seed(0); "
            f"got {generator!r}."
        )


def _integers(values: Tensor | Sequence[int], name: str) -> Tensor:
    if isinstance(values, np.ndarray):
        values = values.copy()  # torch takes no view from the end
    try:
        tensor = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError):  # texts, None, rows of unequal length
        raise TypeError(f"{name} needs integers; got {values!r:.80}.") from None
    if tensor.dim() == 1 and len(tensor) == 0:
        return torch.empty(0, dtype=torch.int64)
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"{name} needs integers; got a tensor of {tensor.dtype}.")
    if tensor.dim() != 1:
        raise ValueError(f"{name} needs one dimension, (M,); got the shape {tuple(tensor.shape)}.")
    return tensor.to("cpu", torch.int64)


def _hash_uniform(seed: int, *ids: Tensor, slots: int) -> Tensor:
    """Uniform numbers in (0, 1), (M, slots), that depend on the seed and the ids (M,) alone.

    A generator would give a writer other habits when other glyphs are drawn before; a hash of
    who and what does not. The mixing function is SplitMix64's (Steele, Lea and Flood, 2014).
    """
    state = _mix_bits(np.array([seed % 2**64], dtype=np.uint64))  # (1,)
    for part in ids:
        state = _mix_bits(state ^ part.numpy().astype(np.uint64))  # (M,)
    steps = np.arange(1, slots + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = _mix_bits(state[:, None] + steps)  # (M, slots)
    top = (bits >> np.uint64(41)).astype(np.float32)  # 23 bits: exact in float32, halves too
    return torch.from_numpy((top + 0.5) * np.float32(2**-23))


def _normal(uniform: Tensor) -> Tensor:
    """Normal numbers from uniform ones in (0, 1)."""
    return math.sqrt(2) * torch.erfinv(2 * uniform - 1)


def _mix_bits(x: np.ndarray) -> np.ndarray:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
