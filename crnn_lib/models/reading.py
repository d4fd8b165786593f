"""Lines through a network and a decoder, batch by batch: the one loop of all that reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from crnn_lib.alphabet import Alphabet, check_alphabet
from crnn_lib.models.detector import Detector

MARKS = ".,/-"  #: what may stand between the digits of a number, and is no digit

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


def reading_network(model: Any) -> Any:
    """:func:`unwrap_model`, of a network that reads lines; anything else is an error.

    Raises
    ------
    TypeError
        If it is no network, or one without an alphabet, such as a detector.

    Examples
    --------
    >>> reading_network("crnn-digits")
    Traceback (most recent call last):
    TypeError: model is a network that reads lines, and 'crnn-digits' a name:
    load_model('crnn-digits') loads one.
    """
    if isinstance(model, (str, os.PathLike)):
        name = os.fspath(model)
        raise TypeError(
            f"model is a network that reads lines, and {name!r} a name: load_model({name!r}) loads "
            "one."
        )
    network = unwrap_model(model)
    if isinstance(network, Detector):
        raise TypeError(
            "model is a network that reads lines, and a detector only finds them. Reader(model, "
            "detector=...) takes both; load_model('crnn-photos') loads one that reads."
        )
    if not isinstance(getattr(network, "alphabet", None), Alphabet):
        raise TypeError(
            "model is a network that reads lines, with an alphabet, such as CRNN() or "
            f"load_model('crnn-photos'); got {type(network).__name__}."
        )
    return network


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

    Raises
    ------
    ValueError
        If the network makes NaN of a line, or the decoder has not one result for each.
    """
    network = reading_network(model)
    device = next(network.parameters()).device
    for numbers in batches:
        with _evaluation_mode(network), torch.inference_mode():
            images, widths = load(numbers)
            log_probs, lengths = network(images.to(device), widths.to(device))  # (N, T, C), (N,)
            log_probs, lengths = log_probs.cpu(), lengths.cpu()
            if bool(log_probs.isnan().any()):  # beyond a line's own frames there may be anything
                _check_numbers(numbers, log_probs, lengths.tolist())
            results = list(decoder(log_probs, lengths, alphabet=network.alphabet))
            if len(results) != len(numbers):
                raise ValueError(
                    f"A decoder gives one result per line, {len(numbers)}; got {len(results)}."
                )
        for line in zip(numbers, results, log_probs, lengths.tolist(), strict=True):
            number, result, frames, length = line
            yield number, result, frames[:length]


def _check_numbers(numbers: list[int], log_probs: Tensor, lengths: list[int]) -> None:
    for number, frames, length in zip(numbers, log_probs, lengths, strict=True):
        if bool(frames[:length].isnan().any()):
            raise ValueError(
                f"The network makes NaN of line {number}: its image holds NaN or infinity, or the "
                "network's weights do."
            )


def fold_marks(
    log_probs: Tensor, alphabet: Alphabet, marks: str = MARKS
) -> tuple[Tensor, Alphabet]:
    """The lattice of a line as one that knows no marks: they count as blank.

    The probability of a text is then that of all texts that differ from it by marks alone. With
    the marks M, the blank b and the classes c that stay, frame by frame::

        p'(b) = p(b) + sum of p(m) over m in M,    p'(c) = p(c)

    Why this is exact: a digit is read wherever a run of its class begins. To call the marks of an
    alignment blank neither joins two runs nor parts one, so each alignment spells the digits that
    it spelled before. A dash between two equal digits keeps them apart, as a blank does.

    Parameters
    ----------
    log_probs : Tensor, (..., C)
        Log-probabilities of a line (T, C), or of many (N, T, C).
    alphabet : Alphabet
        Of the C classes.
    marks : str
        The characters to leave out. Those that the alphabet does not have are none of its classes.

    Returns
    -------
    log_probs : Tensor, (..., C')
        Of the classes that stay. The very tensor that was given if no class goes.
    alphabet : Alphabet
        The characters that stay, in their order, with the blank where it stood among them.

    Raises
    ------
    ValueError
        If C is not the alphabet's number of classes, or every character is a mark.

    Examples
    --------
    Two frames of the classes blank, 1 and slash:

    >>> lattice = torch.tensor([[0.1, 0.5, 0.4], [0.2, 0.7, 0.1]]).log()
    >>> folded, alphabet = fold_marks(lattice, Alphabet("1/"))
    >>> alphabet.characters, [round(p, 2) for p in folded[0].exp().tolist()]
    ('1', [0.5, 0.5])
    """
    check_alphabet(alphabet)
    if not isinstance(log_probs, Tensor) or not log_probs.is_floating_point():
        got = log_probs.dtype if isinstance(log_probs, Tensor) else type(log_probs).__name__
        raise TypeError(f"log_probs is a tensor of floating-point numbers; got {got}.")
    if log_probs.ndim < 1 or log_probs.shape[-1] != alphabet.num_classes:
        raise ValueError(
            f"log_probs holds one number for each of the alphabet's {alphabet.num_classes} "
            f"classes, (..., {alphabet.num_classes}); got the shape {tuple(log_probs.shape)}."
        )
    folded_alphabet = without_marks(alphabet, marks)
    if folded_alphabet == alphabet:
        return log_probs, alphabet
    silent = _are_marks(alphabet, marks)
    silent.insert(alphabet.blank, True)
    goes = torch.tensor(silent, device=log_probs.device)  # (C,) the marks, and the blank
    none = log_probs[..., goes].logsumexp(-1, keepdim=True)  # (..., 1)
    stays = log_probs[..., ~goes]  # (..., C' - 1)
    blank = folded_alphabet.blank
    folded = torch.cat([stays[..., :blank], none, stays[..., blank:]], -1)  # (..., C')
    return folded, folded_alphabet


def without_marks(alphabet: Alphabet, marks: str = MARKS) -> Alphabet:
    """The alphabet of what :func:`fold_marks` returns.

    Parameters
    ----------
    alphabet : Alphabet
    marks : str
        The characters to leave out.

    Returns
    -------
    Alphabet
        An equal one if it has none of the marks.

    Raises
    ------
    ValueError
        If every character is a mark.

    Examples
    --------
    >>> without_marks(Alphabet("0123456789/-")).characters
    '0123456789'
    """
    check_alphabet(alphabet)
    if not isinstance(marks, str):
        raise TypeError(f"marks is a str of characters, such as './'; got {marks!r:.80}.")
    return _without_marks(alphabet, marks)


@lru_cache(maxsize=16)
def _without_marks(alphabet: Alphabet, marks: str) -> Alphabet:
    silent = _are_marks(alphabet, marks)
    if not any(silent):
        return alphabet
    if all(silent):
        raise ValueError(
            f"Some character must stay; the alphabet {alphabet.characters!r} has marks only."
        )
    kept = [c for c, leaves in zip(alphabet.characters, silent, strict=True) if not leaves]
    characters = "".join(kept) if isinstance(alphabet.characters, str) else tuple(kept)
    return Alphabet(characters, alphabet.blank - sum(silent[: alphabet.blank]))


def _are_marks(alphabet: Alphabet, marks: str) -> list[bool]:
    """Of each character, whether it is a mark; one of several code points is none."""
    single = set(marks)
    return [character in single for character in alphabet.characters]


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; then each module is as it was, a frozen one still frozen."""
    training = [module for module in model.modules() if module.training]
    if training:
        model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
