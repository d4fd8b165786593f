"""Read lines with a model, and compare with what is written on them."""

from __future__ import annotations

from collections.abc import Callable
from operator import index

import torch
from torch import Tensor, nn

from crnn_lib.alphabet import Alphabet, check_whole
from crnn_lib.decoders import best_path
from crnn_lib.evaluation.metrics import Report, evaluate_texts
from crnn_lib.handwriting import LineBatch
from crnn_lib.models import MARKS, fold_marks, read_batches, reading_network

_DIGITS = set("0123456789")
_NUMBERS = _DIGITS | set(MARKS)


def evaluate(
    model: nn.Module,
    lines: LineBatch,
    decoder: Callable = best_path,
    *,
    batch_size: int = 128,
) -> Report:
    """Read lines and compare with what is written on them.

    Parameters
    ----------
    model : nn.Module
        A network that reads lines, wrapped or not. Of one that reads digits and marks, the marks
        that no text of the lines has count as blank: it is not asked for them
        (:func:`crnn_lib.models.fold_marks`).
    lines : LineBatch
    decoder : callable
        ``decoder(log_probs, frame_lengths, alphabet=...)`` -> list of :class:`Hypothesis`.
    batch_size : int
        Lines read at once. Lines of like width are read together.

    Returns
    -------
    Report
    """
    alphabet = reading_network(model).alphabet
    read = read_lines(model, lines, decoder, batch_size)
    texts = [hypothesis.text if hypothesis else "" for hypothesis in read]  # None: nothing fits
    # Letters can be counted without it, which is faster.
    several = alphabet if isinstance(alphabet.characters, tuple) else None
    return evaluate_texts(texts, lines.texts, alphabet=several)


def read_lines(
    model: nn.Module,
    lines: LineBatch,
    decoder: Callable = best_path,
    batch_size: int = 128,
) -> list:
    """One hypothesis per line, in the order of the lines.

    Parameters
    ----------
    model, lines, decoder
        As in :func:`evaluate`.
    batch_size : int
        Lines that are read at once; those of like width are.
    """
    _check_lines(lines, decoder, batch_size)
    characters = {c for text in lines.texts for c in text}

    def decode(log_probs: Tensor, frame_lengths: Tensor, *, alphabet: Alphabet) -> list:
        if set(alphabet.characters) <= _NUMBERS:
            unasked = _NUMBERS - _DIGITS - characters
            log_probs, alphabet = fold_marks(log_probs, alphabet, "".join(unasked))
        return decoder(log_probs, frame_lengths, alphabet=alphabet)

    return _read_in_order(model, lines, decode, batch_size)


def _check_lines(lines: LineBatch, decoder: Callable, batch_size: int) -> None:
    if not isinstance(lines, LineBatch):
        raise TypeError(
            "lines is a LineBatch, as compose_lines and lines_of_folder return it; got "
            f"{type(lines).__name__}."
        )
    if not callable(decoder):
        raise TypeError(
            "decoder is a function such as crnn_lib.decoders.prefix_beam_search; got "
            f"{decoder!r:.80}."
        )
    check_whole(1, batch_size=batch_size)


def _read_in_order(model: nn.Module, lines: LineBatch, decoder: Callable, batch_size: int) -> list:
    _check_lines(lines, decoder, batch_size)
    hypotheses: list = [None] * len(lines)
    at_once = min(index(batch_size), max(len(lines), 1))  # torch takes no other kind of number
    batches = torch.argsort(lines.widths, stable=True).split(at_once)

    def load(numbers: list[int]) -> tuple[Tensor, Tensor]:
        part = lines.select(numbers)
        return part.images, part.widths

    for number, hypothesis, _ in read_batches(model, (b.tolist() for b in batches), load, decoder):
        hypotheses[number] = hypothesis
    return hypotheses


def lattices_of(model: nn.Module, lines: LineBatch, batch_size: int = 128) -> tuple[Tensor, Tensor]:
    """What a model says of each line, for several decoders to read: (N, T, C) and (N,).

    Log-probabilities on the CPU, in the order of the lines, and how many frames of each count.
    """

    def keep(log_probs: Tensor, frame_lengths: Tensor, **_) -> list[Tensor]:
        counts = frame_lengths.tolist()
        return [line[:n].cpu() for line, n in zip(log_probs, counts, strict=True)]

    found = _read_in_order(model, lines, keep, batch_size)
    if not found:
        classes = reading_network(model).alphabet.num_classes
        return torch.zeros(0, 0, classes), torch.zeros(0, dtype=torch.int64)
    frame_lengths = torch.tensor([len(line) for line in found])
    return nn.utils.rnn.pad_sequence(found, batch_first=True), frame_lengths  # (N, T, C)
