"""The challenge of notebook 14: the smallest model that still reads the hard lines.

The hard lines are pictures in a file, not a recipe: rounding differs between processors, and all
who compete have to read the same pixels. ``data/make_hard_lines.py`` drew them once.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import replace
from importlib import resources

import numpy as np
import torch
from torch import Tensor, nn

from crnn_lib.alphabet import Alphabet
from crnn_lib.evaluation import lattices_of, read_lines
from crnn_lib.handwriting import LineBatch, LineStyle, compose_lines, load_glyphs
from crnn_lib.models import CRNNConfig

BAR = 0.95  # share of the hard lines that a model has to read
HARD = replace(LineStyle(), length=(5, 8), spacing=(-0.3, 0.0))  # no gap, up to 30 % overlap
FILE = "hard_lines.npz"
GREYS = 15  # levels of ink in the file
WIDTH = 200  # columns of the line whose multiplications are counted: about the mean


@functools.lru_cache(maxsize=1)
def hard_lines() -> LineBatch:
    """The 1,000 lines on which all models of a leaderboard are measured.

    Digits of the pen by hands that write no training line, five to eight on a line, neighbours
    touching or overlapping. Look at them, measure on them, and tune on :func:`practice_lines`.
    """
    with (
        (resources.files("crnn_lib.lessons.chapter14") / FILE).open("rb") as file,
        np.load(file) as stored,
    ):
        packed, widths, spans = (stored[name] for name in ("ink", "widths", "spans"))
        texts = stored["texts"].tolist()
    ink = unpack(packed)  # (H, sum of the widths)
    height, most = len(ink), int(widths.max())
    images = torch.zeros(len(texts), 1, height, most)
    for n, columns in enumerate(np.split(ink, np.cumsum(widths)[:-1], axis=1)):
        images[n, 0, :, : columns.shape[1]] = torch.from_numpy(columns / np.float32(GREYS))
    lengths = torch.tensor([len(text) for text in texts])
    targets = torch.zeros(len(texts), int(lengths.max()), dtype=torch.long)
    for n, text in enumerate(texts):
        targets[n, : len(text)] = torch.tensor(Alphabet().encode(text))
    places = torch.from_numpy(spans.astype(np.int64))  # (N, L, 2)
    return LineBatch(
        images, torch.from_numpy(widths.astype(np.int64)), targets, lengths, texts, places
    )


def practice_lines(count: int, seed: int = 0) -> LineBatch:
    """Lines in the style of the hard ones, by hands that write training lines: to tune on."""
    glyphs = load_glyphs("pen", "train")
    return compose_lines(glyphs, count, HARD, torch.Generator().manual_seed(seed))


def small_config(width: int = 16, hidden: int = 48) -> CRNNConfig:
    """A CRNN with few parameters: ``width`` channels at first, three times as many at last.

    Two rows are left at the end instead of four, for most weights of a CRNN stand where the
    convolutions hand over to the GRU.
    """
    channels = (width * 3 // 4, width, width * 3 // 2, 2 * width, 3 * width, 3 * width)
    strides = ((2, 2), (1, 1), (2, 2), (1, 1), (2, 1), (2, 1))
    return CRNNConfig(channels=channels, strides=strides, hidden=hidden, dropout=0.0)


def count_parameters(model: nn.Module) -> int:
    """Numbers that training changes."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_multiplications(model: nn.Module, width: int = WIDTH) -> int:
    """Multiplications with weights when one line of so many columns is read.

    Convolutions, recurrent layers and linear layers are counted; the rest is small beside them.
    """
    total = 0

    def note(layer: nn.Module, inputs: tuple, output: Tensor | tuple) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += output[0].numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Linear):
            total += output.numel() // output.shape[-1] * layer.weight.numel()
        else:  # each frame meets each weight matrix once
            weights = [p.numel() for p in layer.parameters() if p.ndim == 2]
            total += frames * sum(weights)

    counted = (nn.Conv2d, nn.Linear, nn.GRU, nn.LSTM)
    hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, counted)]
    was_training = model.training
    lengths = torch.tensor([width])
    frames = int(model.frame_lengths(lengths))
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 1, model.config.height, width), lengths)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return total


def which_are_read(
    model: nn.Module, lines: LineBatch, decoder: Callable[..., list] | None = None
) -> list[bool]:
    """For each line, whether best path reads it without any mistake; or another decoder.

    One's own takes log-probabilities (N, T, C) and frames (N,), and returns a hypothesis or a text
    for each line.
    """
    read = read_lines(model, lines) if decoder is None else decoder(*lattices_of(model, lines))
    if len(read) != len(lines):
        raise ValueError(f"The decoder gave {len(read)} readings of {len(lines)} lines.")
    texts = [getattr(reading, "text", reading) for reading in read]
    return [text == true for text, true in zip(texts, lines.texts, strict=True)]


def digest_of_lines(lines: LineBatch) -> str:
    """Twelve hex digits that differ between two sets of lines: of pixels, widths and texts."""
    pixels = (GREYS * lines.images).round().to(torch.uint8).numpy()
    parts = pixels.tobytes(), str(lines.images.shape), str(lines.widths.tolist()), str(lines.texts)
    return _digest(*parts)


@functools.lru_cache(maxsize=1)
def hard_digest() -> str:
    """The digest of the hard lines."""
    return digest_of_lines(hard_lines())


def digest_of_weights(model: nn.Module) -> str:
    """Twelve hex digits that differ between two models: who has the file can check an entry."""
    parts = []
    for name, tensor in sorted(model.state_dict().items()):
        if tensor.is_floating_point():
            tensor = tensor.half()  # stored in half precision or not, it is the same model
        parts += [name, str(tuple(tensor.shape)), tensor.cpu().contiguous().numpy().tobytes()]
    return _digest(*parts)


def pack(ink: np.ndarray) -> np.ndarray:
    """Two rows of four bits each in one row of bytes: (H, W) of 0 to 15 -> (H / 2, W)."""
    return (ink[::2] << 4 | ink[1::2]).astype(np.uint8)


def unpack(packed: np.ndarray) -> np.ndarray:
    """What :func:`pack` packed: (H / 2, W) -> (H, W)."""
    rows = np.stack([packed >> 4, packed & 15], 1)  # (H / 2, 2, W)
    return rows.reshape(-1, packed.shape[1])


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()[:12]
