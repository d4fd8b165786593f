"""The loss: minus the log-probability of each line's label, for a batch, with the gradient.

:mod:`crnn_lib.ctc._sweep` does the work. The gradient of a line is minus its occupancy, which
:func:`crnn_lib.ctc.forward_backward` gets for one line in a way that one can read.
"""

from __future__ import annotations

import torch
from torch import Tensor

from crnn_lib.ctc._checks import check_batch
from crnn_lib.ctc._sweep import CTCLoss


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    frame_lengths: Tensor,
    target_lengths: Tensor,
    *,
    blank: int = 0,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-probability of each line's label.

    The value is :func:`torch.nn.functional.ctc_loss`'s, and so is the gradient for the logits under
    a ``log_softmax``. The gradient for ``log_probs`` is the true partial derivative, minus the
    occupancy. torch adds ``exp(log_probs)`` to it: wrong there, but ``log_softmax`` cancels it.

    Parameters
    ----------
    log_probs : Tensor, (N, T, C)
        float32 or float64; sums run in float64. Batch first, where torch has (T, N, C).
    targets : Tensor, (N, L)
        Class indices. Anything may stand after a line's target length.
    frame_lengths, target_lengths : Tensor, (N,)
        Frames and characters of each line. The frames after them have the gradient 0.
    reduction : {"mean", "sum", "none"}
        "mean" divides each line's loss by its target length, or by 1 if that is 0, and averages
        over the lines, as torch does. "none" gives one loss per line, (N,).

    Returns
    -------
    Tensor
        In the dtype of ``log_probs``. A label that fits but has probability 0, by ``-inf`` in
        ``log_probs``, has the loss ``inf`` and the gradient 0.

    Raises
    ------
    ValueError
        If a target does not fit (fewer frames than :func:`minimum_frames`), or holds the blank or
        an unknown class; for a wrong shape or length; for NaN or +inf in the frames of a line.
    TypeError
        For a wrong kind of number.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none'; got {reduction!r}.")
    batch = check_batch(log_probs, targets, frame_lengths, target_lengths, blank)
    if not torch.is_grad_enabled():
        log_probs = log_probs.detach()  # so that the backward pass is left out
    losses = CTCLoss.apply(log_probs, *batch, blank)  # (N,)
    if reduction == "mean":
        losses = (losses / batch[2].clamp(min=1)).mean()
    return losses.sum() if reduction == "sum" else losses
