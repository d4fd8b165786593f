"""The loss: minus the log-probability of each line's label, for a batch, with the gradient.

:mod:`crnn_lib.ctc._sweep` does the work. The gradient of a line is minus its occupancy, which
:func:`crnn_lib.ctc.forward_backward` gets for one line in a way that one can read.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from crnn_lib.ctc._checks import check_batch, unnormalised, warn_of_scores
from crnn_lib.ctc._sweep import LOG_SUM, SUM, losses_and_occupancies
from crnn_lib.ctc.trellis import _enter_states

MOST_WAYS = 300.0  # as a logarithm: beyond it float64 has too little room for plain sums
FAR = -1e30  # in place of NEVER where derivatives are taken: -inf has none


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    frame_lengths: Tensor,
    target_lengths: Tensor,
    *,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Negative log-probability of each line's label.

    The value is :func:`torch.nn.functional.ctc_loss`'s, and so is the gradient for the logits under
    a ``log_softmax``. The gradient for ``log_probs`` is the true partial derivative, minus the
    occupancy. torch adds ``exp(log_probs)`` to it: wrong there, but ``log_softmax`` cancels it.
    Second derivatives are right too, by a slower way.

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
    zero_infinity : bool
        Lines whose loss is infinite count 0 and have the gradient 0, as in torch: those whose
        target does not fit, which are an error without it, and those of probability 0.

    Returns
    -------
    Tensor
        In the dtype of ``log_probs``. A label that fits but has probability 0, by ``-inf`` in
        ``log_probs``, has the loss ``inf`` and the gradient 0. The loss of probabilities is 0 or
        more: where their rounded sum is above 1, and so would be the label's, it is 0. A loss below
        0 is one of scores that are no probabilities, such as logits; there is a warning then.

    Raises
    ------
    ValueError
        If a target does not fit (fewer frames than :func:`minimum_frames`), or holds the blank or
        an unknown class; for a wrong shape or length; for NaN or +inf in the frames of a line.
    TypeError
        For a wrong kind of number.

    Examples
    --------
    Two frames, the blank at 0.6 and "a" at 0.4: aa, a- and -a have 0.64 together.

    >>> log_probs = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    >>> ctc_loss(log_probs, [[1]], [2], [1]).exp()  # 1 / 0.64
    tensor(1.5625)
    >>> ctc_loss(log_probs, [[1, 1]], [2], [2], zero_infinity=True)  # 1-1 needs three frames
    tensor(0.)
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none'; got {reduction!r}.")
    batch = check_batch(
        log_probs, targets, frame_lengths, target_lengths, blank, must_fit=not zero_infinity
    )
    if not torch.is_grad_enabled():
        log_probs = log_probs.detach()  # so that the backward pass is left out
    losses, some_below = _CTCLoss.apply(log_probs, *batch, blank)  # (N,)
    if some_below:
        warn_of_scores(log_probs, batch[1], losses.detach() < 0, 2)
    if zero_infinity:
        losses = losses.where(losses < math.inf, 0.0)
    if reduction == "mean":
        losses = (losses / batch[2].clamp(min=1)).mean()
    return losses.sum() if reduction == "sum" else losses


class _CTCLoss(torch.autograd.Function):
    """Losses (N,) of a checked batch, with minus the occupancy as their gradient.

    And whether one of them is below 0: then its line holds no probabilities.
    """

    @staticmethod
    def forward(ctx, log_probs, targets, frame_lengths, target_lengths, blank):
        batch = (log_probs, targets, frame_lengths, target_lengths)
        with_gradient = ctx.needs_input_grad[0]
        T, S = log_probs.shape[1], 2 * targets.shape[1] + 1
        most_ways = math.lgamma(T + S) - math.lgamma(T + 1) - math.lgamma(S)  # log C(T + 2L, 2L)
        if most_ways > MOST_WAYS:
            losses, occupancies, _ = losses_and_occupancies(batch, blank, LOG_SUM, with_gradient)
        else:
            losses, occupancies, total = losses_and_occupancies(batch, blank, SUM, with_gradient)
            # At each of T S places float64 may lose what weighs less than 1e-308 so far. The ways
            # on from there weigh 1 at most, each. If the sum is above this, all that can be lost
            # is less than its 16th digit. If not, take logarithms.
            risky = total < math.exp(-708 + 37 + most_ways + math.log(T * S))
            if bool(risky.any()):
                losses[risky], rest, _ = losses_and_occupancies(
                    tuple(x[risky] for x in batch), blank, LOG_SUM, with_gradient
                )
                if occupancies is not None and rest is not None:
                    occupancies[risky] = rest
        ctx.save_for_backward(occupancies, *batch)
        ctx.blank = blank
        return _without_rounding(losses, log_probs, frame_lengths)

    @staticmethod
    def backward(ctx, grad, _):
        occupancies, *batch = ctx.saved_tensors
        if torch.is_grad_enabled():  # by create_graph=True: this gradient will be differentiated
            losses = _differentiable_losses(tuple(batch), ctx.blank)
            (gradient,) = torch.autograd.grad(losses, batch[0], grad, create_graph=True)
        else:
            gradient = occupancies * -grad[:, None, None]
        return gradient, None, None, None, None


def _without_rounding(
    losses: Tensor, log_probs: Tensor, frame_lengths: Tensor
) -> tuple[Tensor, bool]:
    """0 in place of a loss below it, if the line holds probabilities: only rounding makes it so.

    And whether a line is left that holds none.
    """
    below = losses < 0
    if not bool(below.any()):
        return losses, False
    scores = unnormalised(log_probs[below], frame_lengths[below]).any(1)  # (n,)
    losses[below] = losses[below].where(scores, 0.0)
    return losses, bool(scores.any())


def _differentiable_losses(batch: tuple[Tensor, ...], blank: int) -> Tensor:
    """The same losses (N,), step by step in operations that torch can differentiate twice.

    As :func:`crnn_lib.ctc.forward_backward` gets alpha, but before the first frame all lines stand
    in the blank that begins their label.
    """
    log_probs, targets, frame_lengths, target_lengths = batch
    (N, T, _), L = log_probs.shape, targets.shape[1]
    states = targets.new_full((N, 2 * L + 1), blank)  # (N, S)
    states[:, 1::2] = targets
    emitted = log_probs.double().gather(2, states[:, None].expand(N, T, 2 * L + 1))  # (N, T, S)
    alpha = pad(emitted.new_zeros(N, 1), (0, 2 * L), value=FAR)  # (N, S)
    for t, frame in enumerate(emitted.clamp(min=FAR).unbind(1)):
        on = _enter_states(alpha, states, FAR) + frame
        alpha = on.where((t < frame_lengths)[:, None], alpha)
    ends = torch.stack([2 * target_lengths, 2 * target_lengths + 1], 1)  # (N, 2)
    total = pad(alpha, (1, 0), value=FAR).gather(1, ends).logsumexp(1)  # (N,)
    return torch.where(total > FAR / 2, -total, math.inf).to(log_probs.dtype)
