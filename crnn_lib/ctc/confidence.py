"""How sure is a reading, and which of its characters is the doubtful one?

A label's CTC probability says how sure the whole reading is, if the network is honest. Two things
are missing, and they are here:

1. :func:`character_posteriors`: a number for each character. A reading of sixteen digits with
   probability 0.6 usually has fifteen that are certain.
2. :func:`fit_temperature`: honesty. Networks that have seen their training data many times are
   often surer than they are right (Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural
   Networks", ICML 2017). One number, fitted on lines that were held out, takes that back. A network
   that never saw a line twice may need none: measure first, with
   :mod:`crnn_lib.evaluation.calibration`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from crnn_lib.alphabet import as_number
from crnn_lib.ctc._checks import check_batch, check_line
from crnn_lib.ctc._sweep import LOG_SUM, mirror_repeats, pick_emissions, sweep_frames
from crnn_lib.ctc.definition import NEVER
from crnn_lib.ctc.lengths import length_mask
from crnn_lib.ctc.loss import ctc_loss

# 1. One character at a time -----------------------------------------------------------------------


def character_posteriors(log_probs: Tensor, label: Sequence[int], *, blank: int = 0) -> Tensor:
    """What else each character of a label could be, given that all others are right.

    Hold all characters but one fixed. That one may be any of the C - 1 characters, or be missing:
    C labels in all, the given one among them. Each has its exact CTC probability. The character's
    posterior is the given label's share of their sum,

        P(label) / sum over c of P(label with c in this place),

    where "the blank in this place" stands for the label without the character. The sum is at most
    1, so no character is less sure than the whole reading. It says nothing about characters that
    were left out between two others.

    Parameters
    ----------
    log_probs : Tensor, (T, C)
        One line.
    label : sequence of int
        Class indices, such as a hypothesis's ``label``.
    blank : int

    Returns
    -------
    Tensor, (L, C), float64
        Log-posteriors; each row sums to one. In row i, column ``label[i]`` is how sure that
        character is, column c is the same for c in its place, and the blank's column for the label
        without it. A row is NaN if all of its labels have probability 0.

    Raises
    ------
    ValueError, TypeError
        As :func:`crnn_lib.ctc.ctc_loss`.

    Examples
    --------
    One frame says "a" 0.7, "b" 0.2, nothing 0.1. There is no other way to read one of them:

    >>> log_probs = torch.tensor([[0.1, 0.7, 0.2]]).log()
    >>> character_posteriors(log_probs, [1]).exp()
    tensor([[0.1000, 0.7000, 0.2000]], dtype=torch.float64)

    Two such frames. The label "a" has 0.7 * 0.7 + 2 * 0.7 * 0.1 = 0.63, "b" has 0.08, "" has 0.01.
    Their sum is 0.72, as "ab" and "ba" (0.14 each) do not hold the place. So "a" has 0.63 / 0.72:

    >>> log_probs = torch.tensor([[0.1, 0.7, 0.2], [0.1, 0.7, 0.2]]).log()
    >>> character_posteriors(log_probs, [1]).exp()
    tensor([[0.0139, 0.8750, 0.1111]], dtype=torch.float64)
    """
    batch = check_line(log_probs, label, blank)
    return label_variants(log_probs[None], *batch, blank=blank)[0].log_softmax(1)


def character_confidences(
    log_probs: Tensor,
    targets: Tensor,
    frame_lengths: Tensor,
    target_lengths: Tensor,
    *,
    blank: int = 0,
) -> Tensor:
    """The log-posterior of each character of a batch of labels; see :func:`character_posteriors`.

    Parameters
    ----------
    log_probs, targets, frame_lengths, target_lengths, blank
        As for :func:`crnn_lib.ctc.ctc_loss`.

    Returns
    -------
    Tensor, (N, L), float64
        -inf for the characters of a label with probability 0, 0 after the target length.

    Examples
    --------
    >>> log_probs = torch.tensor([[[0.1, 0.7, 0.2], [0.1, 0.7, 0.2]]]).log()
    >>> character_confidences(log_probs, [[1]], [2], [1]).exp()
    tensor([[0.8750]], dtype=torch.float64)
    """
    targets, frame_lengths, target_lengths = batch = check_batch(
        log_probs, targets, frame_lengths, target_lengths, blank
    )
    variants = label_variants(log_probs, *batch, blank=blank)  # (N, L, C)
    own = variants.gather(2, targets[:, :, None])[:, :, 0]  # (N, L)
    total = variants.logsumexp(2)  # (N, L)
    inside = length_mask(target_lengths, targets.shape[1])  # (N, L)
    return (own - total).where(own > NEVER, NEVER).where(inside, 0.0)


@torch.no_grad()
def label_variants(
    log_probs: Tensor,
    targets: Tensor,
    frame_lengths: Tensor,
    target_lengths: Tensor,
    *,
    blank: int = 0,
) -> Tensor:
    """CTC log-probability of every label that differs from a given one in at most one place.

    One sweep forwards and one backwards give, for each place, the sum over all ways that lead up to
    it and all that lead on from it. A third sweep runs any character c between the two: frame by
    frame it enters c, stays in c, or goes on. That costs O(T C) for each place, where scoring each
    of the C labels by itself would cost O(T L C).

    Parameters
    ----------
    log_probs, targets, frame_lengths, target_lengths, blank
        As for :func:`crnn_lib.ctc.ctc_loss`. The memory is some three times (N, L, C), and
        (T, 2 L, N) for the two sweeps, in float64.

    Returns
    -------
    Tensor, (N, L, C), float64
        At ``[n, i, c]`` the log-probability of line n's target with c in place i, and at
        ``[n, i, blank]`` that of the target without place i. -inf after the target length, and for
        a label that does not fit into the frames.
    """
    targets, frame_lengths, target_lengths = batch = check_batch(
        log_probs, targets, frame_lengths, target_lengths, blank
    )
    (N, T, C), L = log_probs.shape, targets.shape[1]
    before, after = _ways(log_probs, *batch, blank)  # (T + 1, 2L + 1, N) each
    emitted = log_probs.detach().permute(1, 0, 2).to(torch.float64)  # (T, N, C)
    beyond = ~length_mask(frame_lengths, T).T  # (T, N)
    emitted = emitted.masked_fill(beyond[:, :, None], NEVER)

    # Neighbours of each place, -1 at the ends; c may touch them if it differs from them.
    places = torch.arange(L, device=targets.device)
    inside = length_mask(target_lengths, L)  # (N, L)
    labels = targets.masked_fill(~inside, -1)
    left, right = pad(labels, (1, 0), value=-1)[:, :-1], pad(labels, (0, 1), value=-1)[:, 1:]
    classes = torch.arange(C, device=targets.device)
    touches_left = classes != left[:, :, None]  # (N, L, C)
    touches_right = classes != right[:, :, None]
    joins = (left != right) & (right >= 0)  # (N, L) the neighbours may touch if c is gone

    # Ways to the gap of each place and on from it: the blanks, and the characters beside them.
    edge = before.new_full((T + 1, 1, N), NEVER)
    to_blank = before[:, 0:-1:2].transpose(1, 2)  # (T + 1, N, L)
    to_left = torch.cat([edge, before[:, 1:-2:2]], 1).transpose(1, 2)
    from_blank = after[:, 2::2].transpose(1, 2)
    from_right = torch.cat([after[:, 3::2], edge], 1).transpose(1, 2)

    now = before.new_full((N, L, C), NEVER)  # ways that stand in c
    total = now.clone()  # ways that have left c and go on to the end
    gone = before.new_full((N, L), NEVER)
    for t in range(T + 1):
        leave = torch.logaddexp(
            from_blank[t, :, :, None], from_right[t, :, :, None].where(touches_right, NEVER)
        )
        total = torch.logaddexp(total, now + leave)
        passed = torch.logaddexp(to_blank[t], to_left[t].where(joins, NEVER)) + from_right[t]
        gone = torch.logaddexp(gone, passed)
        if t < T:
            enter = torch.logaddexp(
                to_blank[t, :, :, None], to_left[t, :, :, None].where(touches_left, NEVER)
            )
            now = torch.logaddexp(now, enter) + emitted[t, :, None]

    # The last place has no neighbour to go on to: without it the line ends where its gap ends.
    last = places == target_lengths[:, None] - 1  # (N, L)
    ended = torch.logaddexp(to_blank[T], to_left[T])
    total[:, :, blank] = ended.where(last, gone)
    return total.masked_fill(~inside[:, :, None], NEVER)


def _ways(
    log_probs: Tensor, targets: Tensor, frame_lengths: Tensor, target_lengths: Tensor, blank: int
) -> tuple[Tensor, Tensor]:
    """Ways to and from each state of the label with blanks around its characters.

    Both are (T + 1, 2L + 1, N). ``before[t, s]`` sums the ways of t frames that end in s, and
    ``after[t, s]`` those of the frames from t on that begin in s. Before the first frame and after
    the last one stands a blank that takes no frame.
    """
    L = targets.shape[1]
    picked, repeats, _ = pick_emissions(
        log_probs, targets, frame_lengths, blank
    )  # (T, 1 + L, N), (L, N)
    T, _, N = picked.shape
    emitted = picked.new_empty(T, 2 * L + 1, N)  # (T, S, N)
    emitted[:, 0::2], emitted[:, 1::2] = picked[:, :1], picked[:, 1:]
    sides = []
    for frames, repeated, first in (
        (emitted, repeats, torch.zeros_like(target_lengths)),
        (emitted.flip(0, 1), mirror_repeats(repeats), L - target_lengths),
    ):
        entered, _ = sweep_frames(frames, repeated, first, LOG_SUM)  # (T, S, N)
        start = picked.new_full((1, 2 * L + 1, N), NEVER)
        start[0].scatter_(0, 2 * first[None], 0.0)
        sides.append(torch.cat([start, entered + frames]))  # (T + 1, S, N)
    return sides[0], sides[1].flip(0, 1)


# 2. Temperature -----------------------------------------------------------------------------------

COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True)
class Temperature:
    """One number by which a network's scores are divided: above 1 it makes them less sure.

    ``Temperature(2.0)(log_probs)`` applies it. All classes keep their order in each frame, so
    :func:`crnn_lib.decoders.best_path` reads the same text as before; only its probability changes.

    Attributes
    ----------
    value : float
        The temperature. 1 changes nothing.
    loss_before, loss_after : float
        Mean CTC loss of the labels it was fitted on, in nats per line, at 1 and at ``value``. NaN
        if it was not fitted.

    Examples
    --------
    Dividing by 2 takes square roots: 0.9 and 0.1 are 9 to 1, and become 3 to 1.

    >>> Temperature(2.0)(torch.tensor([[0.1, 0.9]]).log()).exp()
    tensor([[0.2500, 0.7500]])
    """

    value: float
    loss_before: float = math.nan
    loss_after: float = math.nan

    def __post_init__(self) -> None:
        if not 0 < as_number(self.value) < math.inf:
            raise ValueError(f"A temperature is a number above 0; got {self.value!r:.80}.")

    def __call__(self, log_probs: Tensor) -> Tensor:
        """``log_probs / value``, normalised over the classes, the last dimension."""
        return (log_probs / self.value).log_softmax(-1)


@torch.no_grad()
def fit_temperature(
    log_probs: Tensor,
    targets: Tensor,
    frame_lengths: Tensor,
    target_lengths: Tensor,
    *,
    blank: int = 0,
    tolerance: float = 1e-3,
) -> Temperature:
    """Find the temperature at which the true labels are most probable.

    Guo et al. (2017) divide the scores of a classifier by the number that minimises the loss on
    held-out data. The same here, with the CTC loss, and for the scores of each frame. Take lines
    that neither trained the network nor will be used to judge it.

    The loss is not the calibration error. A few lines that are surely wrong weigh much in the loss,
    and can ask for a temperature that makes all others too modest. So look at both.

    The loss need not have one minimum only: it is first tried at steps of a factor 1.5, then the
    best of these is refined by golden sections (Kiefer 1953).

    Parameters
    ----------
    log_probs, targets, frame_lengths, target_lengths, blank
        As for :func:`crnn_lib.ctc.ctc_loss`; the true labels.
    tolerance : float
        Relative precision of the temperature.

    Returns
    -------
    Temperature
        Between 0.05 and 20.

    Raises
    ------
    ValueError
        As :func:`crnn_lib.ctc.ctc_loss`; and if a label has probability 0, which no temperature
        can mend.

    Examples
    --------
    One frame each, always 0.9 sure, and right in 3 of 4 lines. The honest number is 0.75, which is
    the square root's:

    >>> log_probs = torch.tensor([[[1e-9, 0.9, 0.1]]] * 4).log()
    >>> temperature = fit_temperature(log_probs, [[1], [1], [1], [2]], [1] * 4, [1] * 4)
    >>> round(temperature.value, 2)
    2.0
    """
    if not 0 < as_number(tolerance) < 1:
        raise ValueError(
            f"tolerance is a relative precision between 0 and 1; got {tolerance!r:.80}."
        )
    batch = check_batch(log_probs, targets, frame_lengths, target_lengths, blank)
    log_probs = log_probs.detach().double()

    def loss(log_value: float) -> float:
        scaled = Temperature(math.exp(log_value))(log_probs)
        return float(ctc_loss(scaled, *batch, blank=blank, reduction="none").mean())

    before = loss(0.0)
    if before == math.inf:
        raise ValueError(
            "A label has probability 0: log_probs is -inf where it needs a class. No temperature "
            "changes that; leave the line out."
        )
    step = math.log(1.5)
    tried = {k: loss(k * step) for k in range(-7, 8) if k} | {0: before}
    middle = min(tried, key=lambda k: (tried[k], abs(k)))
    low, high = math.log(COLDEST), math.log(HOTTEST)
    low, high = max(low, (middle - 1) * step), min(high, (middle + 1) * step)
    best = _golden_section(loss, low, high, tolerance)
    after = loss(best)
    if after > tried[middle]:
        best, after = middle * step, tried[middle]
    return Temperature(math.exp(best), before, after)


def _golden_section(function, low: float, high: float, tolerance: float) -> float:
    """Where a function with one minimum between ``low`` and ``high`` has it."""
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > tolerance:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2
