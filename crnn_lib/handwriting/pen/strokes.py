"""The built-in pen: digits and marks drawn from strokes, with nothing to download.

A *form* is one way to write a digit, kept as the few points its strokes run through. A *hand* is
what a writer does to every form: slant, width, pen, tremor, favourite forms. A glyph is a form,
written by a hand, with the small accidents of the moment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from crnn_lib.handwriting._precision import single_precision
from crnn_lib.handwriting.pen.forms import BOOKS, MARK_CHARACTERS, NAMES, SAMPLES, form_tables

SIZE = 28  # pixels on a side of a glyph
CHUNK = 256  # glyphs drawn at once: their arrays then fit in the processor's cache
BLUR = 0.9  # pixels; radius of the soft minimum over the points of a stroke


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
    book : {"school", "hurried"}
        The forms to choose from: those of the copybook, or also those of people who write
        amounts all day. The latter keep their size: a bar that flies off to the right makes the
        glyph wider, not the digit smaller.

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
    if book not in ("school", "hurried"):
        raise ValueError(f"book is 'school' or 'hurried'; got {book!r}.")
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
) -> Tensor:
    """Write the marks that stand around the digits of an amount, at their place beside a digit.

    Parameters
    ----------
    marks : str or sequence of str
        The M marks to write: characters of ``MARK_CHARACTERS``.
    generator, writers
        As in :func:`draw_digits`; the same writer and seed have the same hand.

    Returns
    -------
    Tensor
        (M, 28, 28) uint8, ink bright on black. A digit would fill the height of the box but for
        its margin; a dot lies at its bottom, a dash at half its height.
    """
    _check_generator(generator)
    for mark in marks:
        if len(mark) != 1 or mark not in MARK_CHARACTERS:
            raise ValueError(f"The pen writes the marks {MARK_CHARACTERS!r}; marks has {mark!r}.")
    places = torch.tensor([MARK_CHARACTERS.index(mark) for mark in marks], dtype=torch.int64)
    return _draw_glyphs(places, generator, writers, "marks")


def _draw_glyphs(
    digits: Tensor,
    generator: torch.Generator,
    writers: Tensor | Sequence[int] | None,
    book: str,
) -> Tensor:
    if writers is None:
        writers = torch.randint(2**62, digits.shape, generator=generator)
    writers = _integers(writers, "writers")
    if writers.shape != digits.shape:
        raise ValueError(
            f"Each glyph needs one writer: {len(digits)} {'marks' if book == 'marks' else 'digits'}"
            f" but {len(writers)} writers."
        )
    glyphs = torch.empty((len(digits), SIZE, SIZE), dtype=torch.uint8)  # (M, 28, 28)
    for start in range(0, len(digits), CHUNK):
        part = slice(start, start + CHUNK)
        glyphs[part] = _write_glyphs(digits[part], writers[part], generator, book)
    return glyphs


def draw_form(digit: int | str, name: str, book: str = "school") -> Tensor:
    """Draw one form as a copybook would: no slant, no shaking, no accidents.

    Parameters
    ----------
    digit : int or str
        The digit, 0 to 9, or the mark.
    name : str
        A key of ``BOOKS[book][digit]``.
    book : {"school", "hurried", "marks"}
        The forms to choose from.

    Returns
    -------
    Tensor
        (28, 28) uint8, ink bright on black.
    """
    forms = BOOKS[book].get(digit, {})
    if name not in forms:
        known = ", ".join(forms) or "no forms"
        raise ValueError(f"The pen has no form {name!r} of {digit!r}; it knows {known}.")
    row = torch.tensor([NAMES[book].index((digit, name))])
    table = form_tables(book)
    curve = (table.basis[row] @ table.points[row])[:, :SAMPLES]  # (1, P, 2)
    size, radius, softness = torch.tensor([[17.0], [1.4], [1.4]], dtype=torch.float32)  # (1,) each
    if book == "school":
        curve = _place_points(curve, size, torch.zeros_like(curve[:, 0]))
    else:
        curve = _settle_points(curve - 0.5, size, torch.zeros_like(curve[:, 0]), radius)
    ink = _ink(curve, table.joined[row], radius.expand(1, SAMPLES), radius, softness)
    return ink[0]  # (28, 28)


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


def _hands(writers: Tensor, seed: int, book: str) -> Hand:
    u = _hash_uniform(seed, writers, slots=13 + len(NAMES[book]))  # (W, slots)
    z = _normal(u[:, :13])
    favourite = torch.empty((len(writers), len(BOOKS[book])), dtype=torch.int64)
    gumbel = -torch.log(-torch.log(u[:, 13:]))  # (W, forms); log-weight + Gumbel, argmax: a draw
    first = 0
    for key, forms in enumerate(BOOKS[book].values()):
        weights = torch.tensor([form.weight for form in forms.values()], dtype=torch.float32)
        scores = gumbel[:, first : first + len(weights)] + torch.log(weights)
        favourite[:, key] = scores.argmax(1)
        first += len(weights)
    return Hand(
        form=favourite,
        loyalty=0.6 + 0.4 * u[:, 0],
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
    )


def _write_glyphs(digits: Tensor, writers: Tensor, generator: torch.Generator, book: str) -> Tensor:
    """Write one chunk of glyphs: (M,) digits or marks and writers -> (M, 28, 28) uint8."""
    table = form_tables(book)
    count, seed = len(digits), generator.initial_seed()
    unique, owner = torch.unique(writers, return_inverse=True)
    hand = Hand(**{k: v[owner] for k, v in vars(_hands(unique, seed, book)).items()})

    # Which form: the favourite, or now and then any other.
    u = torch.rand((count, 2), generator=generator, dtype=torch.float32)
    any_form = (u[:, :1] > table.cumulative[digits]).sum(1)  # (M,)
    place = torch.where(u[:, 1] < hand.loyalty, hand.form[torch.arange(count), digits], any_form)
    row = table.first[digits] + place  # (M,)

    # What the writer always does to this form, and what happened this time.
    parts = [2 * table.points.shape[1], 2 * 9, 2 * table.stroke.shape[2]]
    shelf = list(BOOKS).index(book) << 16  # a row of another book is another habit
    habit = _normal(_hash_uniform(seed, writers, row + shelf, slots=sum(parts)))
    moment = torch.randn((count, sum(parts)), generator=generator, dtype=torch.float32)
    by_point, by_place, by_stroke = (
        part.unflatten(1, (-1, 2)) for part in (0.75 * habit + 0.65 * moment).split(parts, 1)
    )  # (M, K, 2), (M, 9, 2), (M, S, 2)
    loose = hand.looseness[:, None, None]
    points = table.points[row]  # (M, K, 2)
    points = points + loose * table.freedom[row] * by_point
    points = points + 1.2 * loose * _bend_points(points, by_place)
    points = points + loose * torch.bmm(table.stroke[row], by_stroke)

    z = torch.randn((count, 8), generator=generator, dtype=torch.float32)
    curves = torch.bmm(table.basis[row], points)  # (M, 2P, 2): as written, and with worn corners
    worn = (hand.roundness + 0.2 * z[:, 0]).clamp(0, 1.8)[:, None, None]
    curve = torch.lerp(curves[:, :SAMPLES], curves[:, SAMPLES:], worn)  # (M, P, 2)

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
    else:
        radius = (0.9 * radius).clamp_max(2.2)  # ballpoints, no felt pens
        radius = radius.minimum(table.thickest[digits])
        sway = 1.2 if book == "marks" else 0.6  # marks stand where the moment puts them
        curve = _settle_points(curve, size, sway * z[:, 6:8], radius)

    # Waves along the line: quick ones shake it, slow ones press it.
    quick, slow = table.shake.shape[1], table.swell.shape[1]
    z = torch.randn((count, 2 * quick + slow), generator=generator, dtype=torch.float32)
    shake = table.shake @ z[:, slow:].unflatten(1, (quick, 2))  # (M, P, 2)
    curve = curve + hand.tremor[:, None, None] * shake
    down = torch.diff(curve[..., 1], dim=1, append=curve[:, -1:, 1])  # (M, P)
    swell = 1 + hand.pressure[:, None] * (z[:, :slow] @ table.swell.T)  # (M, P)
    swell = swell + hand.nib[:, None] * (2 * down).clamp(-1, 1)
    return _ink(curve, table.joined[row], radius[:, None] * swell, radius, hand.softness)


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
    steps = torch.linalg.vector_norm(torch.diff(points, dim=1), dim=2) * joined  # (M, P - 1)
    lengths = 0.5 * (pad(steps, (1, 0)) + pad(steps, (0, 1)))  # (M, P)
    weight = lengths * torch.exp((radii**2 - radius[:, None] ** 2) / (2 * BLUR**2))
    pixels = torch.arange(SIZE, dtype=torch.float32)
    gauss = points[..., None] - pixels  # (M, P, 2, 28)
    gauss = gauss.square_().mul_(-0.5 / BLUR**2).clamp_(min=-35).exp_()  # no slow denormals
    across, along = gauss.unbind(2)  # (M, P, 28) each
    mass = torch.bmm((along * weight[..., None]).transpose(1, 2), across)  # (M, 28, 28)
    mass = mass.mul_(1 / (BLUR * math.sqrt(2 * math.pi))).clamp_(1e-12, 1.0)
    distance = mass.log_().mul_(-2 * BLUR**2).sqrt_()  # (M, 28, 28)
    edge = (radius[:, None, None] - distance).div_(softness[:, None, None]).add_(0.5).clamp_(0, 1)
    return (255 * (edge * edge * (3 - 2 * edge))).round_().to(torch.uint8)  # (M, 28, 28)


def _check_generator(generator: torch.Generator) -> None:
    if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
        raise TypeError(
            "The pen needs a torch.Generator on the CPU, such as torch.Generator().manual_seed(0); "
            f"got {generator!r}."
        )


def _integers(values: Tensor | Sequence[int], name: str) -> Tensor:
    tensor = torch.as_tensor(values)
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
