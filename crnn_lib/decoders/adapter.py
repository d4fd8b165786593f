"""Decoding what a network of any making gives: other layouts, logits, probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet, check_alphabet
from crnn_lib.ctc import length_mask
from crnn_lib.decoders._lattices import as_tensor, check_lattices, tolerance
from crnn_lib.decoders.beam import prefix_beam_search
from crnn_lib.decoders.best import best_path
from crnn_lib.decoders.exact import exact_search


def decode(
    values: Tensor | np.ndarray,
    frame_lengths: Tensor | np.ndarray | Sequence[int] | None = None,
    *,
    alphabet: Alphabet | None = None,
    layout: str = "NTC",
    kind: str = "logits",
    decoder: str = "beam",
    **options,
) -> list:
    """Decode what a network of any making gives, with any of the decoders.

    Parameters
    ----------
    values : Tensor or ndarray
        In the order that ``layout`` says.
    layout : {"NTC", "TNC", "NCT"}
        The axes: N lines, T frames, C classes. torch's loss has "TNC". One line, (T, C), is taken
        under each of them; for "NCT" it is (C, T).
    kind : {"logits", "log_probs", "probs"}
        Scores before the softmax, or log-probabilities, or probabilities.
    decoder : {"best-path", "beam", "exact"}
    frame_lengths, alphabet, **options
        Those of the decoder, such as ``beam_width`` or ``language``.

    Raises
    ------
    ValueError
        If the classes do not fit the alphabet; if values given as logits are probabilities, values
        given as probabilities are below 0, or any is NaN, within a line; and what the decoder
        raises.
    TypeError
        If the values are no floating-point numbers.

    Examples
    --------
    >>> logits = np.array([[[0.0, 9.0]], [[9.0, 0.0]], [[0.0, 9.0]]])  # three frames of one line
    >>> decode(logits, layout="TNC", alphabet=Alphabet("5"))[0].text
    '55'
    """
    decoders: dict[str, Callable] = {
        "best-path": best_path,
        "beam": prefix_beam_search,
        "exact": exact_search,
    }
    if decoder not in decoders:
        raise ValueError(f"decoder is one of {', '.join(decoders)}; got {decoder!r}.")
    alphabet = Alphabet() if alphabet is None else alphabet
    check_alphabet(alphabet)
    log_probs = _as_log_probs(values, frame_lengths, layout, kind, alphabet.num_classes)
    return decoders[decoder](log_probs, frame_lengths, alphabet=alphabet, **options)


def _as_log_probs(values, frame_lengths, layout: str, kind: str, classes: int) -> Tensor:
    """Log-probabilities (N, T, C), of what is in another order or not normalised yet."""
    if layout not in ("NTC", "TNC", "NCT"):
        raise ValueError(f"layout is NTC, TNC or NCT; got {layout!r}.")
    if kind not in ("logits", "log_probs", "probs"):
        raise ValueError(f"kind is logits, log_probs or probs; got {kind!r}.")
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        values = as_tensor(values)
    if not isinstance(values, Tensor) or not values.is_floating_point():
        given = getattr(values, "dtype", type(values).__name__)
        raise TypeError(f"values is a tensor or an array of floating-point numbers; got {given}.")
    if values.ndim not in (2, 3):
        raise ValueError(
            f"values is {layout}, or two-dimensional for one line; got {(*values.shape,)}."
        )
    shape = (*values.shape,)
    if layout == "NCT":
        values = values.transpose(-1, -2)  # (N, T, C)
    elif layout == "TNC" and values.ndim == 3:
        values = values.transpose(0, 1)  # (N, T, C)
    if values.shape[-1] != classes:
        hint = " Another axis has that size: is the layout right?" if classes in shape else ""
        raise ValueError(
            f"values has {values.shape[-1]} classes as {layout}, in the shape {shape}; the "
            f"alphabet has {classes}, the blank included.{hint}"
        )
    if frame_lengths is not None:  # beyond a line's end anything may stand
        _, lengths = check_lattices(values, frame_lengths)
        frames = values.shape[-2]
        if bool((lengths < frames).any()):
            inside = length_mask(lengths, frames).reshape(*values.shape[:-1], 1)
            values = values.where(inside, 0.0)
    if bool(values.isnan().any()):
        raise ValueError(f"values holds NaN at index {values.isnan().nonzero()[0].tolist()}.")
    if kind == "log_probs":
        return values
    if kind == "logits":
        if _are_probabilities(values):
            raise ValueError(
                "values are given as logits, and are probabilities: all from 0 to 1, and each "
                "frame sums to 1. Another softmax would blur them. Say kind='probs'."
            )
        # In half precision a frame would sum to 1 less exactly.
        return values.log_softmax(-1, dtype=torch.promote_types(values.dtype, torch.float32))
    if bool((values < 0).any()):
        place = (values < 0).nonzero()[0].tolist()
        raise ValueError(
            f"probabilities are below 0: values has {float(values[tuple(place)]):.4g} at index "
            f"{place}. For their logarithms say kind='log_probs', before the softmax kind='logits'."
        )
    return values.log()


def _are_probabilities(values: Tensor) -> bool:
    """Whether no number is below 0 and every frame sums to 1, or is padding: all 0."""
    if not values.numel() or bool((values < 0).any()):
        return False
    sums = values.sum(-1, dtype=torch.float64)
    frames = sums[sums != 0]
    return bool(len(frames)) and bool(((frames - 1).abs() <= tolerance(values)).all())
