"""The built-in pen: digits drawn from strokes, with nothing to download.

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

from crnn_lib.forms import DIGITS, FORMS, NAMES, SAMPLES, form_tables

SIZE = 28  # pixels on a side of a glyph
CHUNK = 256  # glyphs drawn at once: their arrays then fit in the processor's cache
BLUR = 0.9  # pixels; radius of the soft minimum over the points of a stroke


@dataclass(frozen=True)
class Hand:
    """The habits of W writers, one tensor entry each.

    A length is in pixels, a share is relative to the height or the radius.
    """

    form: Tensor  # (W, 10) int64, favourite form of each digit: its place in FORMS[digit]
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


def draw_digits(
    digits: Tensor | Sequence[int],
    generator: torch.Generator,
    *,
    writers: Tensor | Sequence[int] | None = None,
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
    _check_generator(generator)
    digits = _integers(digits, "digits")
    for digit in digits[(digits < 0) | (digits > 9)][:1].tolist():
        raise ValueError(f"The pen writes the digits 0 to 9; digits contains {digit}.")
    if writers is None:
        writers = torch.randint(2**62, digits.shape, generator=generator)
    writers = _integers(writers, "writers")
    if writers.shape != digits.shape:
        raise ValueError(
            f"Each glyph needs one writer: {len(digits)} digits but {len(writers)} writers."
        )
    glyphs = torch.empty((len(digits), SIZE, SIZE), dtype=torch.uint8)  # (M, 28, 28)
    for start in range(0, len(digits), CHUNK):
        part = slice(start, start + CHUNK)
        glyphs[part] = _write(digits[part], writers[part], generator)
    return glyphs


def draw_form(digit: int, name: str) -> Tensor:
    """Draw one form as a copybook would: no slant, no shaking, no accidents.

    Parameters
    ----------
    digit : int
        The digit, 0 to 9.
    name : str
        A key of ``FORMS[digit]``.

    Returns
    -------
    Tensor
        (28, 28) uint8, ink bright on black.
    """
    if digit not in FORMS or name not in FORMS[digit]:
        known = ", ".join(FORMS[digit]) if digit in FORMS else "no forms"
        raise ValueError(f"The pen has no form {name!r} of {digit!r}; it knows {known}.")
    row = torch.tensor([NAMES.index((digit, name))])
    table = form_tables()
    curve = (table.basis[row] @ table.points[row])[:, :SAMPLES]  # (1, P, 2)
    size, radius, softness = torch.tensor([[17.0], [1.4], [1.4]], dtype=torch.float32)  # (1,) each
    curve = _place(curve, size, torch.zeros_like(curve[:, 0]))
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
    return _hands(_integers(writers, "writers"), generator.initial_seed())


def _hands(writers: Tensor, seed: int) -> Hand:
    u = _hash_uniform(seed, writers, slots=13 + len(NAMES))  # (W, slots)
    z = _normal(u)
    favourite = torch.empty((len(writers), len(DIGITS)), dtype=torch.int64)
    gumbel = -torch.log(-torch.log(u[:, 13:]))  # (W, forms); log-weight + Gumbel, argmax: a draw
    first = 0
    for digit in DIGITS:
        weights = torch.tensor([form.weight for form in FORMS[digit].values()], dtype=torch.float32)
        scores = gumbel[:, first : first + len(weights)] + torch.log(weights)
        favourite[:, digit] = scores.argmax(1)
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


def _write(digits: Tensor, writers: Tensor, generator: torch.Generator) -> Tensor:
    """Write one chunk of glyphs: (M,) digits and writers -> (M, 28, 28) uint8."""
    table = form_tables()
    count, seed = len(digits), generator.initial_seed()
    unique, owner = torch.unique(writers, return_inverse=True)
    hand = Hand(**{k: v[owner] for k, v in vars(_hands(unique, seed)).items()})

    # Which form: the favourite, or now and then any other.
    u = torch.rand((count, 2), generator=generator, dtype=torch.float32)
    any_form = (u[:, :1] > table.cumulative[digits]).sum(1)  # (M,)
    place = torch.where(u[:, 1] < hand.loyalty, hand.form[torch.arange(count), digits], any_form)
    row = table.first[digits] + place  # (M,)

    # What the writer always does to this form, and what happened this time.
    parts = [2 * table.points.shape[1], 2 * 9, 2 * 3]
    habit = _normal(_hash_uniform(seed, writers, row, slots=sum(parts)))
    moment = torch.randn((count, sum(parts)), generator=generator, dtype=torch.float32)
    by_point, by_place, by_stroke = (
        part.unflatten(1, (-1, 2)) for part in (0.75 * habit + 0.65 * moment).split(parts, 1)
    )  # (M, K, 2), (M, 9, 2), (M, 3, 2)
    loose = hand.looseness[:, None, None]
    points = table.points[row]  # (M, K, 2)
    points = points + loose * table.freedom[row] * by_point
    points = points + 1.2 * loose * _bend(points, by_place)
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
    curve = _place(curve, size, offset=0.6 * z[:, 6:8])

    # Waves along the line: quick ones shake it, slow ones press it.
    quick, slow = table.shake.shape[1], table.swell.shape[1]
    z = torch.randn((count, 2 * quick + slow), generator=generator, dtype=torch.float32)
    shake = table.shake @ z[:, slow:].unflatten(1, (quick, 2))  # (M, P, 2)
    curve = curve + hand.tremor[:, None, None] * shake
    down = torch.diff(curve[..., 1], dim=1, append=curve[:, -1:, 1])  # (M, P)
    swell = 1 + hand.pressure[:, None] * (z[:, :slow] @ table.swell.T)  # (M, P)
    swell = swell + hand.nib[:, None] * (2 * down).clamp(-1, 1)
    return _ink(curve, table.joined[row], radius[:, None] * swell, radius, hand.softness)


def _bend(points: Tensor, coefficients: Tensor) -> Tensor:
    """Smooth displacement: cosines of the place, (M, K, 2) and (M, 9, 2) -> (M, K, 2)."""
    c1 = torch.cos(math.pi * points)
    waves = torch.stack([torch.ones_like(c1), c1, 2 * c1 * c1 - 1], -1)  # (M, K, 2, 3)
    products = waves[:, :, 0, :, None] * waves[:, :, 1, None, :]  # (M, K, 3, 3)
    return torch.bmm(products.flatten(2), coefficients)


def _place(points: Tensor, size: Tensor, offset: Tensor) -> Tensor:
    """Scale the larger side of (M, P, 2) points to ``size`` pixels and centre them."""
    low, high = points.amin(1, keepdim=True), points.amax(1, keepdim=True)  # (M, 1, 2)
    scale = size[:, None, None] / (high - low).amax(2, keepdim=True)
    middle = 0.5 * (low + high)
    middle = middle + 0.5 * (points.mean(1, keepdim=True) - middle)  # towards the mass, as MNIST
    return (points - middle) * scale + (SIZE - 1) / 2 + offset[:, None, :]


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


def _hash_uniform(seed: int, *ids: Tensor, slots: int) -> Tensor:
    """Uniform numbers in (0, 1), (M, slots), that depend on the seed and the ids (M,) alone.

    A generator would give a writer other habits when other glyphs are drawn before; a hash of
    who and what does not. The mixing function is SplitMix64's (Steele, Lea and Flood, 2014).
    """
    state = _mix(np.array([seed % 2**64], dtype=np.uint64))  # (1,)
    for part in ids:
        state = _mix(state ^ part.numpy().astype(np.uint64))  # (M,)
    steps = np.arange(1, slots + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = _mix(state[:, None] + steps)  # (M, slots)
    top = (bits >> np.uint64(41)).astype(np.float32)  # 23 bits: exact in float32, halves too
    return torch.from_numpy((top + 0.5) * np.float32(2**-23))


def _mix(x: np.ndarray) -> np.ndarray:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _normal(uniform: Tensor) -> Tensor:
    return math.sqrt(2) * torch.erfinv(2 * uniform - 1)


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
