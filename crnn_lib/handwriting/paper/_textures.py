"""What paper looks like before anyone writes on it: banks of textures, made once per process.

Each bank holds images larger than a line; a line gets a window of one of them. The banks have a
seed of their own, so the same window is the same picture in every process.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.handwriting._faces import load_face

HEIGHT, WIDTH = 96, 768  # pixels of a bank's images
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral", "cmr10")
SIGNS = ("$", "€", "£", "¥", "U$S", "EUR", "CHF", "R$", "kr", "Fr.", "USD", "#", "*", "$:", "Bs")
WORDS = (
    "AMOUNT DATE PAY TO THE ORDER OF DOLLARS BANK PESOS Pesos Nuevos SUMA LA CANTIDAD DE Fecha "
    "Betrag EUR Euro payez contre ce montant en chiffres No. Serie Signature Total Sum form "
    "cheque CHECK VALUE Authorised Firma RUT Cuenta Account Payable branch at sight the sum of"
).split()
SIGN_ROWS, SIGN_COLUMNS = 28, 64
WORD_ROWS = 20


def windows(bank: Tensor, size: tuple[int, int], which: Tensor, down: Tensor, right: Tensor):
    """Windows of a bank's images: (K, B, C) and three index tensors (M,) -> (M, *size).

    ``down`` and ``right`` are shares in [0, 1) of the room that a window has.
    """
    height, width = size
    below, across = (math.ceil(n / m) for n, m in zip(size, bank.shape[1:], strict=True))
    if below > 1 or across > 1:
        bank = bank.repeat(1, below, across)
    top = (down * (bank.shape[1] - height + 1)).long()
    left = (right * (bank.shape[2] - width + 1)).long()
    # each window is a view; indexing copies those that are wanted
    return bank.unfold(1, height, 1).unfold(2, width, 1)[which, top, left]


def _generator(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(71_000 + number)


def _smooth_noise(count: int, grain: float, generator: torch.Generator, stretch: float = 1.0):
    """Noise with features of about ``grain`` pixels, mean 0, deviation 1: (count, B, C)."""
    rows, columns = math.ceil(HEIGHT / grain) + 2, math.ceil(WIDTH / grain / stretch) + 2
    noise = torch.randn(count, 1, rows, columns, generator=generator)
    noise = F.interpolate(noise, size=(HEIGHT, WIDTH), mode="bicubic", align_corners=False)[:, 0]
    return (noise - noise.mean((1, 2), True)) / noise.std((1, 2), keepdim=True)


@functools.cache
def grain() -> Tensor:
    """White noise, as a sensor adds it: (8, B, C), deviation 1, cut at 3."""
    return torch.randn(8, HEIGHT, WIDTH, generator=_generator(0)).clamp_(-3, 3)


@functools.cache
def fibre() -> Tensor:
    """Grain, fibres that lie across each other, clouds: (12, B, C), deviation 1, cut at 3."""
    g = _generator(1)
    layers = torch.stack(
        [
            _smooth_noise(12, 1.4, g),
            _smooth_noise(12, 1.2, g, stretch=5.0),
            _smooth_noise(12, 5.0, g, stretch=0.25),
            _smooth_noise(12, 9.0, g),
        ]
    )  # (4, 12, B, C)
    shares = torch.rand(4, 12, 1, 1, generator=g) ** 2 + 0.05
    paper = (layers * shares / (shares**2).sum(0).sqrt()).sum(0)
    return paper.clamp_(-3, 3)


@functools.cache
def clouds() -> Tensor:
    """Smooth noise, fine to coarse: (16, B, C), deviation 1."""
    g = _generator(2)
    return torch.cat([_smooth_noise(4, size, g) for size in (2.0, 3.5, 6.0, 14.0)])


def _grid() -> tuple[Tensor, Tensor]:
    return torch.arange(HEIGHT)[:, None].float(), torch.arange(WIDTH)[None].float()


def _curves(phase: Tensor, spacing: float, half: float) -> Tensor:
    """Lines where a phase is whole. The phase's slope gives the distance to the nearest one."""
    steep = torch.stack(torch.gradient(phase)).square().sum(0).sqrt().clamp_min(0.2 / spacing)
    away = (phase - phase.round()).abs() / steep  # pixels
    return (half + 0.5 - away).clamp_(0, 1)


@functools.cache
def guilloche() -> Tensor:
    """Security print: waves, rosettes, fine straight lines: (40, B, C), cover in [0, 1]."""
    g = _generator(3)
    y, x = _grid()

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=g))

    def waves() -> Tensor:
        spacing = uniform(2.5, 9)
        bend = torch.zeros(HEIGHT, WIDTH)
        for _ in range(2):
            length, turn = uniform(12, 120), uniform(0, 6.3)
            drift = uniform(-0.25, 0.25)
            size = uniform(0.08, 0.22) * min(length, 60)
            bend = bend + size * torch.sin(2 * math.pi * (x + drift * y) / length + turn)
        return _curves((y + bend + uniform(-0.4, 0.4) * x) / spacing, spacing, uniform(0, 0.5))

    def rosettes() -> Tensor:
        pitch, spacing = uniform(50, 160), uniform(2.5, 6)
        across = (x + uniform(0, pitch)) % pitch - pitch / 2
        down = (y + uniform(0, pitch)) % pitch - pitch / 2
        radius, angle = (across**2 + down**2).sqrt(), torch.atan2(down, across)
        petals = round(uniform(4, 16))
        bend = uniform(1, 6) * torch.sin(petals * angle + uniform(0, 0.2) * radius)
        return _curves((radius + bend) / spacing, spacing, uniform(0, 0.5))

    def straight() -> Tensor:
        turn, spacing = uniform(0, math.pi), uniform(2.2, 6)
        phase = (math.cos(turn) * y + math.sin(turn) * x) / spacing
        # a motif shows where the lines grow thicker
        motif = _smooth_noise(1, uniform(8, 25), g)[0]
        return _curves(phase, spacing, 0.15) * (0.6 + 0.4 * torch.tanh(2 * motif))

    images = []
    for _ in range(40):
        kinds = [(waves, waves), (waves, rosettes), (straight,), (waves,), (rosettes,)]
        chosen = kinds[int(uniform(0, len(kinds)))]
        images.append(torch.stack([make() for make in chosen]).amax(0))
    return torch.stack(images)


@functools.cache
def raster() -> Tensor:
    """Halftone print: rows of dots whose size follows a picture: (24, B, C), cover in [0, 1]."""
    g = _generator(4)
    y, x = _grid()
    images = []
    for number in range(24):
        period = 2.2 + 4 * float(torch.rand((), generator=g)) ** 1.5
        turn = math.pi * (number % 6) / 12 + 0.1 * float(torch.rand((), generator=g))
        u = 2 * math.pi * (math.cos(turn) * x + math.sin(turn) * y) / period
        v = 2 * math.pi * (math.cos(turn) * y - math.sin(turn) * x) / period
        screen = (torch.cos(u) + torch.cos(v)) / 4 + 0.5  # (B, C) in [0, 1]
        picture = _smooth_noise(1, (10.0, 25.0, 60.0)[number % 3], g)[0]
        level = 0.3 + 0.12 * picture
        images.append(((level - screen) * period * 1.2 + 0.5).clamp_(0, 1))
    return torch.stack(images)


def _text(text: str, font: str, size: int) -> np.ndarray:
    """A printed text, cut to its ink: 2-D array in [0, 1]."""
    face = load_face(font, size)
    left, top, right, bottom = (math.floor(v) for v in face.getbbox(text))
    canvas = Image.new("L", (max(right - left, 1) + 4, max(bottom - top, 1) + 4))
    ImageDraw.Draw(canvas).text((2 - left, 2 - top), text, fill=255, font=face)
    pixels = np.asarray(canvas, dtype=np.float32) / 255
    inked = pixels > 0.1
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    if not len(rows):
        return pixels[:1, :1]
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@functools.cache
def signs() -> tuple[Tensor, Tensor]:
    """Printed signs of currencies, at the left and in the middle: (K, 28, 64), and widths (K,)."""
    images, widths = [], []
    for font in FONTS[:5]:
        for sign in SIGNS:
            ink = _text(sign, font, 26)
            shrink = min(SIGN_ROWS / ink.shape[0], SIGN_COLUMNS / ink.shape[1], 1.0)
            if shrink < 1:
                size = (max(int(ink.shape[1] * shrink), 1), max(int(ink.shape[0] * shrink), 1))
                picture = Image.fromarray(ink).resize(size, Image.Resampling.BILINEAR)
                ink = np.asarray(picture)
            canvas = np.zeros((SIGN_ROWS, SIGN_COLUMNS), dtype=np.float32)
            top = (SIGN_ROWS - ink.shape[0]) // 2
            canvas[top : top + ink.shape[0], : ink.shape[1]] = ink
            images.append(canvas)
            widths.append(ink.shape[1])
    return torch.from_numpy(np.stack(images)), torch.tensor(widths)


@functools.cache
def printed_words(height: int) -> Tensor:
    """Strips of small printed words, 20 rows of them between ``height`` empty rows on both sides.

    (24, 20 + 2 * height, C), cover in [0, 1].
    """
    g = _generator(5)
    strips = np.zeros((24, WORD_ROWS, WIDTH), dtype=np.float32)
    for number, strip in enumerate(strips):
        font, size = FONTS[number % len(FONTS)], 8 + 3 * (number % 5)
        column = 0
        while column < WIDTH - 30:
            word = WORDS[int(torch.randint(len(WORDS), (), generator=g))]
            ink = _text(word, font, size)[:WORD_ROWS, : WIDTH - column]
            strip[WORD_ROWS - ink.shape[0] :, column : column + ink.shape[1]] = ink
            gap = size if int(torch.randint(3, (), generator=g)) else 8 * size
            column += ink.shape[1] + max(gap // 2, 3)
    return F.pad(torch.from_numpy(strips), (0, 0, height, height))
