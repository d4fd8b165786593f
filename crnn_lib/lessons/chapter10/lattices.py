"""Lattices without case and marks, how probable a text is on each, and a name in strokes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import ctc_loss
from crnn_lib.lessons.chapter10.exercises import folded


def fold_lattice(log_probs: Tensor, alphabet: Alphabet) -> tuple[Tensor, Alphabet]:
    """The lattice of the folded text: A and a are one class, a mark is a blank.

    In each frame the probabilities of what folds to the same are added up. A text that is read
    from it has no case and no marks, and all ways of writing it count together. (``Aa`` becomes
    ``aa`` without a blank in between, which collapses to one ``a``. No word has that.)

    Parameters
    ----------
    log_probs : Tensor, (N, T, C)
    alphabet : Alphabet
        Its C classes.

    Returns
    -------
    log_probs : Tensor, (N, T, C')
        In double precision.
    alphabet : Alphabet
        Of the C' classes: blank, digits and small letters, as far as the first one has them.

    Examples
    --------
    >>> letters = Alphabet("aAb!")
    >>> probs = torch.tensor([[[0.1, 0.3, 0.4, 0.1, 0.1]]])  # blank, a, A, b, !
    >>> lattice, plain = fold_lattice(probs.log(), letters)
    >>> plain.characters, [round(p, 2) for p in lattice.exp()[0, 0].tolist()]
    ('ab', [0.2, 0.7, 0.1])
    """
    kept = "".join(sorted({folded(c) for c in alphabet.characters}))
    plain = Alphabet(kept)
    classes = torch.zeros(alphabet.num_classes, dtype=torch.long)  # 0: the blank
    for number, symbol in enumerate(alphabet.symbols):
        if number != alphabet.blank and folded(symbol):
            classes[number] = plain.encode(folded(symbol))[0]
    probs = torch.zeros(*log_probs.shape[:2], plain.num_classes, dtype=torch.float64)
    return probs.index_add(2, classes, log_probs.double().exp()).log(), plain


def log_chances(log_probs: Tensor, frame_lengths: Tensor, alphabet: Alphabet, text: str) -> Tensor:
    """log P(text | picture) of one text on each of N lines: (N,), ``-inf`` where it does not fit.

    Parameters
    ----------
    log_probs : Tensor, (N, T, C)
    frame_lengths : Tensor, (N,)
    alphabet : Alphabet
    text : str

    Examples
    --------
    >>> probs = torch.tensor([[[0.2, 0.5, 0.3], [0.2, 0.5, 0.3]]])  # blank, a, b
    >>> round(log_chances(probs.log(), torch.tensor([2]), Alphabet("ab"), "a").exp().item(), 2)
    0.45
    """
    label = torch.tensor([alphabet.encode(text)] * len(log_probs))  # (N, L)
    return -ctc_loss(
        log_probs.double(),
        label,
        frame_lengths,
        torch.full((len(label),), label.shape[1]),
        blank=alphabet.blank,
        reduction="none",
    )


def strokes_of_a_name() -> list[list[list[float]]]:
    """Lina, as a pen writes it on a drawing pad: each stroke a list of points."""

    def arc(x: float, y: float, wide: float, high: float, start: float, end: float):
        turns = [start + (end - start) * k / 24 for k in range(25)]
        return [[x + wide * math.cos(t), y + high * math.sin(t)] for t in turns]

    capital = [[100.0, 60.0], [100.0, 200.0], [170.0, 200.0]]
    stem, dot = [[210.0, 130.0], [210.0, 200.0]], [[210.0, 95.0], [211.0, 96.0]]
    arch = [[250.0, 150.0], *arc(280, 155, 30, 25, -math.pi, 0), [310.0, 200.0]]
    ring = arc(370, 165, 32, 35, -0.6, -0.6 - 2 * math.pi)
    down = [[402.0, 130.0], [402.0, 200.0]]
    return [capital, stem, dot, [[250.0, 130.0], [250.0, 200.0]], arch, ring, down]
