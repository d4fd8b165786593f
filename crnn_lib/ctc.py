"""Connectionist temporal classification (CTC): how likely is a label, wherever it may stand?

A network gives one distribution over C classes for each of T frames. One class, the blank, means
"no character here". An *alignment* picks one class per frame; :func:`collapse` turns it into a
*label*. The probability of a label is the sum over all alignments that collapse to it.

Part 1 lists and adds them, which is the definition and far too slow. Part 2 gets the same sum in T
steps over 2L+1 states. Part 3 does so for a batch, with the gradient: the loss. Part 4 puts a
maximum in place of the sum and finds the one best alignment.

Graves, Fernandez, Gomez, Schmidhuber, "Connectionist Temporal Classification", ICML 2006.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby, pairwise

import torch
from torch import Tensor
from torch.nn.functional import pad

from crnn_lib.ctc_batch import (
    BEST,
    COLLAPSE_FIRST,
    NEVER,
    CTCLoss,
    check_batch,
    check_line,
    pick,
    plain_label,
    sweep,
)

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
    label = plain_label(label)
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
    label = plain_label(label)
    if blank in label:
        raise ValueError(f"Label {label} contains the blank, class {blank}. {COLLAPSE_FIRST}")
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
    check_line(log_probs, label, blank)
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
    check_line(log_probs, label, blank)
    states = torch.tensor(_with_blanks(plain_label(label), blank), device=log_probs.device)  # (S,)
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
    batch = check_batch(log_probs, targets, frame_lengths, target_lengths, blank)
    if not torch.is_grad_enabled():
        log_probs = log_probs.detach()  # so that the backward pass is left out
    losses = CTCLoss.apply(log_probs, *batch, blank)  # (N,)
    if reduction == "mean":
        losses = (losses / batch[2].clamp(min=1)).mean()
    return losses.sum() if reduction == "sum" else losses


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
    batch = check_line(log_probs, label, blank)
    spans, scores = (x[0].tolist() for x in forced_alignments(log_probs[None], *batch, blank=blank))
    return [Span(c, *span, p) for c, span, p in zip(plain_label(label), spans, scores, strict=True)]


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
    batch = check_batch(log_probs, targets, frame_lengths, target_lengths, blank)
    (N, T, _), (targets, frame_lengths, target_lengths) = log_probs.shape, batch
    picked, repeats, _ = pick(log_probs, targets, frame_lengths, blank)  # (T, 1 + L, N), (L, N)
    L = len(repeats)
    emitted = picked.new_empty(T, 2 * L + 1, N)  # (T, S, N)
    emitted[:, 0::2], emitted[:, 1::2] = picked[:, :1], picked[:, 1:]
    best, ends = sweep(emitted, repeats, torch.zeros_like(target_lengths), BEST)
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
