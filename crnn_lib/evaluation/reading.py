"""Read lines with a model, and compare with what is written on them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from crnn_lib.decoders import best_path
from crnn_lib.evaluation.metrics import Report, evaluate_texts
from crnn_lib.handwriting import LineBatch


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
    model : CRNN or SlidingWindowRNN
    lines : LineBatch
    decoder : callable
        ``decoder(log_probs, frame_lengths, alphabet=...)`` -> list of :class:`Hypothesis`.
    batch_size : int
        Lines read at once. Lines of like width are read together.

    Returns
    -------
    Report
    """
    read = read_lines(model, lines, decoder, batch_size)
    texts = [hypothesis.text if hypothesis else "" for hypothesis in read]  # None: nothing fits
    return evaluate_texts(texts, lines.texts)


def read_lines(
    model: nn.Module,
    lines: LineBatch,
    decoder: Callable = best_path,
    batch_size: int = 128,
) -> list:
    """One hypothesis per line, in the order of the lines. See :func:`evaluate`."""
    was_training = model.training
    device = next(model.parameters()).device
    hypotheses: list = [None] * len(lines)
    model.eval()
    try:
        with torch.inference_mode():
            for chunk in torch.argsort(lines.widths, stable=True).split(batch_size):
                part = lines.select(chunk)
                log_probs, frame_lengths = model(part.images.to(device), part.widths.to(device))
                read = decoder(log_probs.cpu(), frame_lengths.cpu(), alphabet=model.alphabet)
                for index, hypothesis in zip(chunk.tolist(), read, strict=True):
                    hypotheses[index] = hypothesis
    finally:
        model.train(was_training)
    return hypotheses
