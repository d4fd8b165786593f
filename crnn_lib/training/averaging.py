"""Averages that a training run ends with: of its weights, and of what its layers see."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from crnn_lib.alphabet import as_number
from crnn_lib.handwriting import LineBatch
from crnn_lib.models import unwrap_model


def moving_average(decay: float) -> Callable:
    """How averaged weights take in new ones, for torch's AveragedModel.

    The decay grows towards its value, so that the first weights, which know nothing, are soon
    forgotten (as in TensorFlow's ExponentialMovingAverage).
    """

    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], times: Tensor) -> None:
        keep = min(decay, (1 + int(times)) / (10 + int(times)))
        for old, new in zip(averaged, current, strict=True):
            if old.is_floating_point():
                old.lerp_(new, 1 - keep)
            else:
                old.copy_(new)

    return update


@torch.no_grad()
def interpolate_weights(model: nn.Module, other: nn.Module, share: float) -> None:
    """Move a model's weights towards another's, in place: (1 - share) of its own, share of those.

    Between a network and what it became by further training, the mean of the weights often reads
    better than either: it keeps what the first could do (Wortsman et al. 2022, "Robust fine-tuning
    of zero-shot models", section 3).

    Parameters
    ----------
    model, other : nn.Module
        Of the same layers. Counters and other whole numbers stay the model's own.
    share : float
        From 0, which changes nothing, to 1.

    Raises
    ------
    ValueError
        If the two differ in their layers, or the share is none.
    """
    if not 0 <= as_number(share) <= 1:
        raise ValueError(f"share is from 0 to 1; got {share!r:.80}.")
    own, others = model.state_dict(), other.state_dict()
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in others.items()}:
        raise ValueError("Both networks need the same layers, and these two differ in theirs.")
    for name, weights in own.items():
        if weights.is_floating_point():
            weights.lerp_(others[name].to(weights), share)


def learning_mode(model: nn.Module) -> list[nn.Module]:
    """Training mode for all but frozen batch normalisation; the norms that are not frozen.

    A norm is frozen if it has weights and none of them requires a gradient. It then normalises by
    the statistics that it has, which stay as they are.
    """
    model.train()
    learning: list[nn.Module] = []
    for norm in model.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            weights = list(norm.parameters())
            if weights and not any(weight.requires_grad for weight in weights):
                norm.eval()
            else:
                learning.append(norm)
    return learning


def settle_norms(model: nn.Module, batches: Iterable[LineBatch]) -> None:
    """Take the statistics of batch normalisation anew, with the weights as they are now.

    The running averages lag behind: after a short run they still remember the first weights, and
    a network that reads its training lines without a mistake fails on them in eval mode. Frozen
    norms keep theirs, see :func:`learning_mode`.
    """
    network: Any = unwrap_model(model)
    norms: list[Any] = learning_mode(network)
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over all batches from here on
    with torch.no_grad():
        for batch in batches:
            network.features(batch.images, batch.widths)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
