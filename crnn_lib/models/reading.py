"""Lines through a network and a decoder, batch by batch: the one loop of all that reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

WRAPPERS = (DataParallel, DistributedDataParallel, AveragedModel)


def unwrap_model(model: Any) -> Any:
    """The network itself, of what torch wraps around it.

    ``DataParallel``, ``DistributedDataParallel``, ``AveragedModel`` and ``torch.compile`` hide the
    alphabet and the config of the network that they hold.

    >>> from crnn_lib.models import CRNN
    >>> unwrap_model(torch.nn.DataParallel(CRNN())).alphabet.characters
    '0123456789'
    """
    while True:
        if isinstance(model, WRAPPERS):
            model = model.module
        elif hasattr(model, "_orig_mod"):  # of torch.compile; its class has no public name
            model = model._orig_mod
        else:
            return model


def read_batches(
    model: nn.Module,
    batches: Iterable[list[int]],
    load: Callable[[list[int]], tuple[Tensor, Tensor]],
    decoder: Callable,
) -> Iterator[tuple[int, object, Tensor]]:
    """Read lines in the batches that are asked for.

    The network reads in evaluation mode, on its own device; every module is left as it was. A
    wrapped network reads without its wrapper: one process can then read while others train.

    Parameters
    ----------
    model : nn.Module
        A network of :mod:`crnn_lib.models`, wrapped or not.
    batches : iterable of list of int
        Numbers of lines. Lines of like width waste the least on padding.
    load : callable
        ``load(numbers)`` -> images (N, 1, H, W) and widths (N,) of these lines, on any device.
    decoder : callable
        ``decoder(log_probs, frame_lengths, alphabet=...)`` -> one result per line.

    Yields
    ------
    number : int
        Of the line, in the order of the batches.
    result : Hypothesis or None
        What the decoder makes of the line.
    log_probs : Tensor, (T, C)
        Its lattice, on the CPU: its own frames only.
    """
    network = unwrap_model(model)
    device = next(network.parameters()).device
    for numbers in batches:
        with _evaluation_mode(network), torch.inference_mode():
            images, widths = load(numbers)
            log_probs, lengths = network(images.to(device), widths.to(device))  # (N, T, C), (N,)
            log_probs, lengths = log_probs.cpu(), lengths.cpu()
            results = decoder(log_probs, lengths, alphabet=network.alphabet)
        for line in zip(numbers, results, log_probs, lengths.tolist(), strict=True):
            number, result, frames, length = line
            yield number, result, frames[:length]


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; then each module is as it was, a frozen one still frozen."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
