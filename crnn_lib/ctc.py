"""Connectionist temporal classification (CTC): how likely is a label, wherever it may stand?

A network gives one distribution over C classes for each of T frames. One class, the blank, means
"no character here". An *alignment* picks one class per frame; :func:`collapse` turns it into a
*label*. The probability of a label is the sum over all alignments that collapse to it.

Part 1 lists and adds them, which is the definition and far too slow. Part 2 gets the same sum in T
steps over 2L+1 states. Part 3 does so for a batch, with the gradient: the loss. Part 4 puts a
maximum in place of the sum and finds the one best alignment. Part 5 checks what is given.

Graves, Fernandez, Gomez, Schmidhuber, "Connectionist Temporal Classification", ICML 2006.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby, pairwise
from operator import index

import torch
from torch import Tensor
from torch.nn.functional import pad

NEVER = -math.inf  # log 0

# 1. Alignments and labels -------------------------------------------------------------------------


def collapse(alignment: Iterable[int], *, blank: int = 0) -> list[int]:
    """Merge repeats, then drop blanks: alignment -> label.

    The order matters: a blank between two equal characters keeps them apart.

    >>> collapse([6, 6, 0, 6, 6, 3, 3, 3, 0, 0, 1, 8])
    [6, 6, 3, 1, 8]
    >>> "".join(collapse("55-55222--07", blank="-"))  # any symbols will do
    '55207'
    """
    if hasattr(alignment, "tolist"):  # tensors and arrays
        alignment = alignment.tolist()
    return [c for c, _ in groupby(alignment) if c != blank]


def minimum_frames(label: Sequence[int]) -> int:
    """Frames of the shortest alignment: one per character, and a blank between equal neighbours.

    >>> minimum_frames([6, 6, 3, 1, 8])  # 5-5207
    6
    """
    label = _plain(label)
    return len(label) + sum(a == b for a, b in pairwise(label))


def count_alignments(label: Sequence[int], frames: int) -> int:
    """Number of alignments of T ``frames`` that collapse to the label; 0 if it does not fit.

    An alignment is a row of 2L+1 runs: blank, character, blank, ..., blank. The shortest one takes
    L + R frames, R being the number of repeats. The other T - L - R frames go to any of the runs,
    which is a choice of C(T + L - R, T - L - R).

    >>> count_alignments([1], 3)  # 1--  11-  111  -1-  -11  --1
    6
    >>> count_alignments([6, 6, 3, 1, 8], 31)
    183579396
    """
    spare = frames - minimum_frames(label)
    return math.comb(spare + 2 * len(label), spare) if spare >= 0 else 0


def alignments(label: Sequence[int], frames: int, *, blank: int = 0) -> Iterator[tuple[int, ...]]:
    """All alignments of T ``frames`` that collapse to the label, lazily, each once.

    >>> [*alignments([1, 1], 4)]
    [(1, 0, 1, 0), (1, 0, 1, 1), (1, 0, 0, 1), (1, 1, 0, 1), (0, 1, 0, 1)]
    """
    label = _plain(label)
    if blank in label:
        raise ValueError(f"Label {label} contains the blank, class {blank}. {_COLLAPSE_FIRST}")
    classes = _with_blanks(label, blank)
    shortest = [s % 2 for s in range(len(classes))]  # a character takes a frame, a blank need not,
    shortest[2:-1:2] = [int(a == b) for a, b in pairwise(label)]  # unless it parts equal ones
    slots = frames - sum(shortest) + len(classes) - 1

    def expand(bars: tuple[int, ...]) -> tuple[int, ...]:
        spare = [right - left - 1 for left, right in pairwise((-1, *bars, slots))]
        runs = zip(classes, shortest, spare, strict=True)
        return tuple(c for c, least, more in runs for _ in range(least + more))

    # The spare frames in a row, 2L bars among them: what stands between two bars goes to one run.
    return map(expand, combinations(range(slots), len(classes) - 1) if slots >= 0 else ())


def label_probability_brute_force(
    log_probs: Tensor, label: Sequence[int], *, blank: int = 0
) -> float:
    """Probability (not its logarithm) of a label under ``log_probs`` (T, C), by its definition.

    The oracle for all that follows; keep T below ten or so. 0 for a label that does not fit.
    Two frames, the blank at 0.6 and "a" at 0.4: aa 0.16, a- 0.24, -a 0.24.

    >>> log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    >>> round(label_probability_brute_force(log_probs, [1]), 6)
    0.64
    """
    if minimum_frames(label) > len(log_probs):
        return 0.0
    _check_line(log_probs, label, blank)
    frames = log_probs.tolist()
    return math.fsum(
        math.exp(sum(frame[c] for frame, c in zip(frames, alignment, strict=True)))
        for alignment in alignments(label, len(frames), blank=blank)
    )


def _with_blanks(label: list[int], blank: int) -> list[int]:
    """The label with a blank before, between and after its characters."""
    return [blank, *(c for character in label for c in (character, blank))]


# 2. One line: forwards and backwards --------------------------------------------------------------


@dataclass(frozen=True)
class Lattice:
    """What forward-backward finds out about a line and a label. All float64 natural logarithms.

    Attributes
    ----------
    states : Tensor, (S,)
        The label with blanks around its characters, as class indices. S = 2L + 1.
    alpha : Tensor, (T, S)
        Sum over all ways to state s at frame t. The emission at t is included.
    beta : Tensor, (T, S)
        Sum over all ways from state s at frame t to the end. The emission at t is NOT included,
        so ``alpha + beta`` sums all alignments through (t, s).
    state_occupancy : Tensor, (T, S)
        Posterior of state s at frame t, given the label: ``alpha + beta - log_prob``.
    occupancy : Tensor, (T, C)
        The same for classes; the literature's log gamma.
    log_prob : float
        Log-probability of the label. If it is -inf, so are the occupancies.
    """

    states: Tensor
    alpha: Tensor
    beta: Tensor
    state_occupancy: Tensor
    occupancy: Tensor
    log_prob: float


def forward_backward(log_probs: Tensor, label: Sequence[int], *, blank: int = 0) -> Lattice:
    """Sum over all alignments of a label without listing them (Graves et al., section 4.1).

    Alignments that meet in a state share their past, so one number per frame and state is enough.
    ``log_probs`` is one line, (T, C). Raises what :func:`ctc_loss` raises.

    >>> lattice = forward_backward(torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log(), [1])
    >>> round(math.exp(lattice.log_prob), 6)
    0.64
    >>> lattice.occupancy.exp()  # "a" in the first frame: aa and a-, 0.4 of the 0.64
    tensor([[0.3750, 0.6250],
            [0.3750, 0.6250]], dtype=torch.float64)
    """
    _check_line(log_probs, label, blank)
    states = torch.tensor(_with_blanks(_plain(label), blank), device=log_probs.device)  # (S,)
    emitted = log_probs.detach().double()[:, states]  # (T, S)

    alpha = torch.full_like(emitted, NEVER)
    alpha[0, :2] = emitted[0, :2]
    for t in range(1, len(emitted)):
        alpha[t] = _enter(alpha[t - 1], states) + emitted[t]

    beta = torch.full_like(emitted, NEVER)
    beta[-1, -2:] = 0.0
    for t in reversed(range(len(emitted) - 1)):  # the same, reading from the right
        beta[t] = _enter((beta[t + 1] + emitted[t + 1]).flip(0), states.flip(0)).flip(0)

    log_prob = alpha[-1, -2:].logsumexp(0)
    through = alpha + beta - log_prob.where(log_prob > NEVER, 0.0)  # (T, S)
    occupancy = through.new_full(log_probs.shape, NEVER)  # (T, C)
    for s, c in enumerate(states):
        occupancy[:, c] = torch.logaddexp(occupancy[:, c], through[:, s])
    return Lattice(states, alpha, beta, through, occupancy, log_prob.item())


def _enter(last: Tensor, states: Tensor) -> Tensor:
    """Sum of the ways into each state: from itself, from the one before, and past a blank.

    Only a blank between different characters can be passed; between equal ones it is needed.
    """
    one_before, two_before = (pad(last, (k, 0), value=NEVER)[:-k] for k in (1, 2))
    may_pass = states != pad(states, (2, 0), value=-1)[:-2]
    may_pass[0::2] = False  # a blank is entered from its neighbour only
    return torch.stack([last, one_before, two_before.where(may_pass, NEVER)]).logsumexp(0)


# 3. A batch of lines, and the gradient ------------------------------------------------------------


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
    batch = _check(log_probs, targets, frame_lengths, target_lengths, blank)
    if not torch.is_grad_enabled():
        log_probs = log_probs.detach()  # so that the backward pass is left out
    losses = _CTCLoss.apply(log_probs, *batch, blank)  # (N,)
    if reduction == "mean":
        losses = (losses / batch[2].clamp(min=1)).mean()
    return losses.sum() if reduction == "sum" else losses


class _CTCLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, log_probs, targets, frame_lengths, target_lengths, blank):
        batch = (log_probs, targets, frame_lengths, target_lengths)
        with_gradient = ctx.needs_input_grad[0]
        T, S = log_probs.shape[1], 2 * targets.shape[1] + 1
        most_ways = math.lgamma(T + S) - math.lgamma(T + 1) - math.lgamma(S)  # log C(T + 2L, 2L)
        if most_ways > _MOST_WAYS:
            losses, occupancy, _ = _losses(*batch, blank, _LOG_SUM, with_gradient)
        else:
            losses, occupancy, total = _losses(*batch, blank, _SUM, with_gradient)
            # At each of T S places float64 may lose what weighs less than 1e-308 so far. The ways
            # on from there weigh 1 at most, each. If the sum is above this, all that can be lost
            # is less than its 16th digit. If not, take logarithms.
            risky = total < math.exp(-708 + 37 + most_ways + math.log(T * S))
            if bool(risky.any()):
                losses[risky], rest, _ = _losses(
                    *(x[risky] for x in batch), blank, _LOG_SUM, with_gradient
                )
                if with_gradient:
                    occupancy[risky] = rest
        ctx.save_for_backward(occupancy)
        return losses

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return ctx.saved_tensors[0] * -grad[:, None, None], None, None, None, None


# How to add up ways, how to go one frame on, no way, and the way of no frames. One sweep serves all
# three: plain sums are fastest, sums of logarithms have no limits, a maximum finds the best way.
_SUM = torch.add, torch.mul, 0.0, 1.0
_LOG_SUM = torch.logaddexp, torch.add, NEVER, 0.0
_BEST = torch.maximum, torch.add, NEVER, 0.0
_MOST_WAYS = 300.0  # as a logarithm: beyond it float64 has too little room for plain sums


def _losses(log_probs, targets, frame_lengths, target_lengths, blank, ways, with_gradient):
    """Losses (N,), occupancy (N, T, C) or None, and the scaled sum over all alignments (N,).

    Most of the time goes into the number of torch calls. So the backward pass is the forward pass
    of the mirrored lines, and both run side by side, as one batch of 2N lines.
    """
    (N, T, _), L = log_probs.shape, targets.shape[1]
    picked, repeats, padding = _pick(log_probs, targets, frame_lengths, blank)  # (T, 1 + L, N)
    scale = picked.new_zeros(T, N)
    if ways is _SUM:  # nothing above 1: per frame and line, by the most likely class of the label
        scale = picked.amax(1).clamp(min=torch.finfo(picked.dtype).min)  # (T, N)
        picked = picked.sub_(scale[:, None]).exp_()
    emitted = picked.new_empty(T, 2 * L + 1, 2 * N if with_gradient else N)  # (T, S, N)
    emitted[:, 0::2, :N], emitted[:, 1::2, :N] = picked[:, :1], picked[:, 1:]
    first = torch.zeros_like(target_lengths)
    if with_gradient:
        emitted[:, :, N:] = emitted[:, :, :N].flip(0, 1)
        mirrored = torch.cat([repeats, torch.zeros_like(repeats[:1])])[1:].flip(0)
        repeats = torch.cat([repeats, mirrored], 1)  # (L, 2N)
        first = torch.cat([first, L - target_lengths])  # (2N,)
    entered, ends = _sweep(emitted, repeats, first, ways)  # (T, S, 2N), (L + 1, 2N)
    total = ends[:, :N].gather(0, target_lengths[None])[0]  # (N,)
    log_prob = (total.log() if ways is _SUM else total) + scale.sum(0)  # (N,)
    losses = (0.0 - log_prob).to(log_probs.dtype)  # 0, not -0, for certainty
    if not with_gradient:
        return losses, None, total

    # Into a state from the past, the frame itself, and into the state from the future.
    times = ways[1]
    gamma = entered[:, :, N:].flip(0, 1)  # (T, S, N)
    times(gamma, entered[:, :, :N], out=gamma)
    times(gamma, emitted[:, :, :N], out=gamma)
    if ways is _SUM:
        gamma = gamma.div_(total).to(log_probs.dtype)
    else:
        gamma = gamma.sub_(total.where(total > NEVER, 0.0)).to(log_probs.dtype).exp_()
    occupancy = torch.zeros_like(log_probs, memory_format=torch.contiguous_format)
    where = targets[:, None].expand(N, T, L)
    occupancy.scatter_add_(2, where, gamma[:, 1::2].permute(2, 0, 1))  # (N, T, C)
    occupancy[:, :, blank] += gamma[:, 0::2].sum(1).T
    if padding is not None:
        occupancy.masked_fill_(padding, 0.0)
    return losses, occupancy, total


def _pick(log_probs, targets, frame_lengths, blank) -> tuple[Tensor, Tensor, Tensor | None]:
    """Log-probabilities of blank and characters (T, 1 + L, N); which ones are repeats (L, N).

    Padding frames become certain blanks. Only the last state goes through them, in one way, for
    nothing: so all lines end at T. Third comes their mask (N, T, 1), None if there are none.
    """
    (N, T, _), L = log_probs.shape, targets.shape[1]
    classes = torch.cat([targets.new_full((N, 1), blank), targets], 1)  # (N, 1 + L)
    picked = log_probs.detach().gather(2, classes[:, None].expand(N, T, 1 + L))  # (N, T, 1 + L)
    padding = None
    if bool((frame_lengths < T).any()):
        padding = (torch.arange(T, device=targets.device) >= frame_lengths[:, None])[:, :, None]
        picked.masked_fill_(padding, NEVER)[:, :, :1].masked_fill_(padding, 0.0)
    picked = picked.permute(1, 2, 0).to(torch.float64, memory_format=torch.contiguous_format)
    return picked, (targets == classes[:, :-1]).T, padding


def _sweep(emitted: Tensor, repeats: Tensor, first: Tensor, ways: tuple) -> tuple[Tensor, Tensor]:
    """One pass over the frames, from the blank before character ``first`` of each line.

    Returns what enters each state at each frame, before its emission (T, S, N), and what there is
    after the last frame for labels that end before character 0 to L (L + 1, N).
    """
    plus, times, zero, one = ways
    T, S, N = emitted.shape
    rows = emitted.new_full((1 + S, N), zero)  # on top, a character that never was
    before, blanks, characters, now = rows[:-1:2], rows[1::2], rows[2::2], rows[1:]
    blanks.scatter_(0, first[None], one)
    into = emitted.new_empty(S, N)
    into_blanks, into_characters = into[0::2], into[1::2]
    blank_itself, blank_passed, via = blanks[:-1], into_blanks[:-1], into_blanks[:-1]
    any_repeats = bool(repeats.any())
    if any_repeats:
        via = torch.empty_like(characters)
    entered = torch.empty_like(emitted)
    for saved, emission in zip(entered.unbind(), emitted.unbind(), strict=True):
        plus(blanks, before, out=into_blanks)  # from the blank itself, from the character before
        if any_repeats:  # both ways lead past the blank too, but to a repeat the first one only
            torch.where(repeats, blank_itself, blank_passed, out=via)
        plus(characters, via, out=into_characters)
        saved.copy_(into)
        times(into, emission, out=now)
    return entered, plus(blanks, before)


# 4. The one best alignment ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """The frames of one character, half-open: ``start`` is the first, ``end`` is after the last.

    ``label`` is its class index, ``log_prob`` the sum of its log-probabilities over these frames.

    >>> Span(6, 3, 5, -0.25)
    Span(6 in [3, 5), log_prob=-0.25)
    """

    label: int
    start: int
    end: int
    log_prob: float

    def __repr__(self) -> str:
        return f"Span({self.label} in [{self.start}, {self.end}), log_prob={self.log_prob:.4g})"


def forced_alignment(log_probs: Tensor, label: Sequence[int], *, blank: int = 0) -> list[Span]:
    """Where each character of a known label is in one line (T, C): see :func:`forced_alignments`.

    >>> probs = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    >>> forced_alignment(probs.log(), [1])
    [Span(1 in [1, 3), log_prob=-0.5798)]
    """
    batch = _check_line(log_probs, label, blank)
    spans, scores = (x[0].tolist() for x in forced_alignments(log_probs[None], *batch, blank=blank))
    return [Span(c, *span, p) for c, span, p in zip(_plain(label), spans, scores, strict=True)]


def forced_alignments(
    log_probs: Tensor,
    targets: Tensor,
    frame_lengths: Tensor,
    target_lengths: Tensor,
    *,
    blank: int = 0,
) -> tuple[Tensor, Tensor]:
    """Where each character is, in the most probable alignment of each line (Viterbi).

    Ties go to the alignment that is further along the label, compared from the last frame
    backwards: a frame that could go to either of two neighbours goes to the later one.

    Parameters
    ----------
    log_probs, targets, frame_lengths, target_lengths, blank
        As for :func:`ctc_loss`.

    Returns
    -------
    spans : Tensor, (N, L, 2)
        Frames of each character, half-open. Zeros after the target length.
    span_log_probs : Tensor, (N, L)
        Sum of the character's log-probabilities over its span, float64. Zeros as above.

    Raises
    ------
    ValueError, TypeError
        As :func:`ctc_loss`; and if a label has probability 0, for it has no alignment.
    """
    batch = _check(log_probs, targets, frame_lengths, target_lengths, blank)
    (N, T, _), (targets, frame_lengths, target_lengths) = log_probs.shape, batch
    picked, repeats, _ = _pick(log_probs, targets, frame_lengths, blank)  # (T, 1 + L, N), (L, N)
    L = len(repeats)
    emitted = picked.new_empty(T, 2 * L + 1, N)  # (T, S, N)
    emitted[:, 0::2], emitted[:, 1::2] = picked[:, :1], picked[:, 1:]
    best, ends = _sweep(emitted, repeats, torch.zeros_like(target_lengths), _BEST)
    impossible = (ends.gather(0, target_lengths[None])[0] == NEVER).nonzero()
    if len(impossible):
        raise ValueError(
            f"Sample {int(impossible[0])}: its label has probability 0, so there is no alignment. "
            "log_probs is -inf where the label needs a class."
        )

    # How many states back the best way into each state of the next frame came from.
    reached = emitted.add_(best)  # (T, S, N)
    blanks, characters = reached[:, 0::2], reached[:, 1::2]
    over = blanks[:, 1:] < characters  # into the blank after a character: from that character
    moved = characters[:-1] < best[1:, 1::2]  # into a character: from elsewhere
    back = torch.zeros_like(emitted, dtype=torch.int8)
    back[:, 2::2] = over
    back[:-1, 1::2] = moved
    past = (moved[:, 1:] & over[:-1, :-1]).logical_and_(~repeats[1:])  # past the blank
    back[:-1, 3::2] += past.view(torch.int8)

    state = 2 * target_lengths[None]  # (1, N)
    path = state.new_empty(T, N)
    for steps, frame in zip(reversed(back.unbind()), reversed(path.split(1)), strict=True):
        state = torch.sub(state, steps.gather(0, state), out=frame)

    counts = path.new_zeros(2 * L + 1, N).scatter_add_(0, path, torch.ones_like(path))  # (S, N)
    ends = counts.cumsum(0)[1::2].T  # (N, L)
    spans = torch.stack([ends - counts[1::2].T, ends], 2)  # (N, L, 2)
    spans[spans[:, :, 0] == spans[:, :, 1]] = 0  # padding: every character has a frame
    visited = picked.gather(1, (path[:, None] + 1) // 2)[:, 0]  # (T, N), right for characters only
    return spans, picked.new_zeros(counts.shape).scatter_add_(0, path, visited)[1::2].T


# 5. Input, checked --------------------------------------------------------------------------------

_COLLAPSE_FIRST = "A label has no blanks: collapse an alignment first; give the right blank."


def check_targets_fit(targets: Tensor, frame_lengths: Tensor, target_lengths: Tensor) -> None:
    """Raise a ValueError if a line has too few frames for its target: its loss would be infinite.

    It names the sample, its frames and the frames it needs. Shapes as for :func:`ctc_loss`.
    """
    positions = torch.arange(targets.shape[1], device=targets.device)[1:]
    inside = positions < target_lengths[:, None]  # (N, L - 1)
    repeats = ((targets[:, 1:] == targets[:, :-1]) & inside).sum(1)
    needed = target_lengths + repeats  # (N,)
    short = frame_lengths < needed
    if bool(short.any()):
        n = int(short.nonzero()[0])
        raise ValueError(
            f"Sample {n} has {int(frame_lengths[n])} frames and its target needs {int(needed[n])}: "
            f"one for each of {int(target_lengths[n])} characters, one more for each of "
            f"{int(repeats[n])} repeats. Make the line wider, or the stride or the target smaller."
        )


def _check(log_probs, targets, frame_lengths, target_lengths, blank) -> tuple[Tensor, ...]:
    """Targets (the blank as padding), frame_lengths, target_lengths as int64, or a clear error."""
    if getattr(log_probs, "dtype", None) not in (torch.float32, torch.float64):
        given = getattr(log_probs, "dtype", type(log_probs).__name__)
        raise TypeError(f"log_probs must be a float32 or float64 tensor; got {given}.")
    if log_probs.ndim != 3 or 0 in log_probs.shape:
        raise ValueError(f"log_probs must be (N, T, C), none 0; got {tuple(log_probs.shape)}.")
    (N, T, C), device = log_probs.shape, log_probs.device
    if not 0 <= blank < C:
        raise ValueError(f"blank must be one of the classes 0 to {C - 1}; got {blank}.")
    targets = _integers("targets", targets, (N, None), device)
    L = targets.shape[1]
    frame_lengths = _integers("frame_lengths", frame_lengths, (N,), device, T)
    target_lengths = _integers("target_lengths", target_lengths, (N,), device, L)

    inside = torch.arange(L, device=device) < target_lengths[:, None]  # (N, L)
    wrong = ((targets == blank) | (targets < 0) | (targets >= C)) & inside
    if bool(wrong.any()):
        n, i = wrong.nonzero()[0].tolist()
        label = targets[n, : target_lengths[n]].tolist()
        fault = f"has class {label[i]}; there are classes 0 to {C - 1}."
        if label[i] == blank:
            fault = f"contains the blank, class {blank}. {_COLLAPSE_FIRST}"
        raise ValueError(f"Sample {n}: target {label} {fault}")
    check_targets_fit(targets, frame_lengths, target_lengths)

    if not bool(log_probs.detach().amax() < math.inf):  # NaN is not smaller either
        wrong = ~(log_probs.detach() < math.inf).all(2)  # (N, T)
        wrong &= torch.arange(T, device=device) < frame_lengths[:, None]
        if bool(wrong.any()):
            n, t = wrong.nonzero()[0].tolist()
            raise ValueError(f"Sample {n}: log_probs has NaN or +inf at frame {t}.")
    return targets.where(inside, blank), frame_lengths, target_lengths


def _integers(name: str, values, shape: tuple, device, most: int | None = None) -> Tensor:
    """An int64 tensor of that shape (None: any size), its values from 0 to ``most``."""
    values = torch.as_tensor(values, device=device)
    if values.is_floating_point() or values.dtype == torch.bool:
        raise TypeError(f"{name} must hold integers; got {values.dtype}.")
    if values.ndim != len(shape) or shape[0] != len(values):
        wanted = str(shape).replace("None", "L")
        raise ValueError(f"{name} must have the shape {wanted}; got {tuple(values.shape)}.")
    if most is not None and not 0 <= int(values.min()) <= int(values.max()) <= most:
        n = int(((values < 0) | (values > most)).nonzero()[0])
        raise ValueError(f"Sample {n}: {name} must be 0 to {most}; got {int(values[n])}.")
    return values.long()


def _check_line(log_probs: Tensor, label: Sequence[int], blank: int) -> tuple[Tensor, ...]:
    """One line and its label, checked, as targets and lengths of a batch of one."""
    if isinstance(log_probs, Tensor) and log_probs.ndim != 2:
        raise ValueError(f"log_probs of one line must be (T, C); got {tuple(log_probs.shape)}.")
    target = torch.tensor([_plain(label)], dtype=torch.int64)  # (1, L)
    return _check(log_probs[None], target, [len(log_probs)], [target.shape[1]], blank)


def _plain(label: Sequence[int]) -> list[int]:
    """A label as a list of Python integers."""
    try:
        return [index(c) for c in (label.tolist() if hasattr(label, "tolist") else label)]
    except TypeError:
        raise TypeError(
            f"A label is class indices, got {label!r}. For a text: Alphabet().encode(text)."
        ) from None
