"""Connectionist temporal classification (CTC): how likely is a label, wherever it may stand?

A network gives one distribution over C classes for each of T frames. One class, the blank, means
"no character here". An *alignment* picks one class per frame; :func:`collapse` turns it into a
*label*. The probability of a label is the sum over all alignments that collapse to it.

1. :func:`label_probability_brute_force` adds them up one by one: the definition, far too slow.
2. :func:`forward_backward` gets the same sum in T steps over 2L+1 states.
3. :func:`ctc_loss` does that for a batch, with the gradient.
4. :func:`forced_alignment` puts a maximum in place of the sum: the one best alignment.

A. Graves, S. Fernandez, F. Gomez, J. Schmidhuber, "Connectionist Temporal Classification", ICML
2006. Its section 4.1 is part 2, its section 4.2 is the gradient of part 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
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

    Examples
    --------
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

    Examples
    --------
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

    Examples
    --------
    >>> count_alignments([1], 3)  # 1--  11-  111  -1-  -11  --1
    6
    >>> count_alignments([6, 6, 3, 1, 8], 31)
    183579396
    """
    spare = frames - minimum_frames(label)
    return math.comb(spare + 2 * len(label), spare) if spare >= 0 else 0


def alignments(label: Sequence[int], frames: int, *, blank: int = 0) -> Iterator[tuple[int, ...]]:
    """All alignments of T ``frames`` that collapse to the label, lazily, each once.

    Raises
    ------
    ValueError
        If the label contains the blank.

    Examples
    --------
    >>> for alignment in alignments([1, 1], 4):
    ...     print(*alignment)
    1 0 1 0
    1 0 1 1
    1 0 0 1
    1 1 0 1
    0 1 0 1
    """
    label = _plain(label)
    if blank in label:
        raise ValueError(f"Label {label} contains the blank, class {blank}. {_COLLAPSE_FIRST}")
    classes = _with_blanks(label, blank)
    shortest = [s % 2 for s in range(len(classes))]  # a character takes a frame, a blank need not,
    for k, (a, b) in enumerate(pairwise(label)):
        shortest[2 * k + 2] = int(a == b)  # unless it keeps two equal ones apart
    slots = frames - sum(shortest) + len(classes) - 1

    def expand(bars: tuple[int, ...]) -> tuple[int, ...]:
        spare = [right - left - 1 for left, right in pairwise((-1, *bars, slots))]
        runs = zip(classes, shortest, spare, strict=True)
        return tuple(c for c, least, more in runs for _ in range(least + more))

    # Frames to spare in a row, with 2L bars among them: what stands between two bars goes to one run.
    return map(expand, combinations(range(slots), len(classes) - 1) if slots >= 0 else ())


def label_probability_brute_force(
    log_probs: Tensor, label: Sequence[int], *, blank: int = 0
) -> float:
    """Probability (not its logarithm) of a label, by adding up all of its alignments.

    The oracle for all that follows. Keep T, the frames of ``log_probs`` (T, C), below ten or so.
    A label that does not fit into T frames has probability 0.

    Examples
    --------
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


# 2. One line: forwards and backwards --------------------------------------------------------------


@dataclass(frozen=True)
class Lattice:
    """What forward-backward finds out about a line and a label. All float64 natural logarithms.

    A state is a place in the label with blanks around its characters; there are S = 2L+1.

    Attributes
    ----------
    states : Tensor, (S,)
        The class index of each state.
    alpha : Tensor, (T, S)
        Sum over all ways to state s at frame t. The emission at t is included.
    beta : Tensor, (T, S)
        Sum over all ways from state s at frame t to the end. The emission at t is NOT included,
        so ``alpha + beta`` sums all alignments through (t, s).
    state_occupancy : Tensor, (T, S)
        Posterior of state s at frame t, given the label: ``alpha + beta - log_prob``.
    occupancy : Tensor, (T, C)
        The same for classes. Its exponential is the gamma of the gradient: d loss = -gamma.
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
    """Sum over all alignments of a label without listing them.

    Alignments that meet in a state share their past, so one number per frame and state is enough.

    Parameters
    ----------
    log_probs : Tensor, (T, C)
    label : sequence of int
        Class indices without blanks; may be empty.

    Raises
    ------
    ValueError, TypeError
        As :func:`ctc_loss`.

    Examples
    --------
    >>> log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    >>> lattice = forward_backward(log_probs, [1])
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
    occupancy = through.new_zeros(log_probs.shape).index_add(1, states, through.exp())  # (T, C)
    return Lattice(states, alpha, beta, through, occupancy.log(), log_prob.item())


def _enter(last: Tensor, states: Tensor) -> Tensor:
    """Sum of the ways into each state: from itself, the one before, and past a blank between.

    Only a blank between different characters can be passed; between equal ones it is needed.
    """
    one_before, two_before = (
        pad(last, (1, 0), value=NEVER)[:-1],
        pad(last, (2, 0), value=NEVER)[:-2],
    )
    may_pass = states != pad(states, (2, 0), value=-1)[:-2]
    may_pass[0::2] = False  # what stands two before a blank is a blank
    return torch.stack([last, one_before, two_before.where(may_pass, NEVER)]).logsumexp(0)


def _with_blanks(label: list[int], blank: int) -> list[int]:
    return [blank, *(c for character in label for c in (character, blank))]


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

    The value is that of :func:`torch.nn.functional.ctc_loss`, and so is the gradient with respect to
    the logits under a ``log_softmax``. The gradient with respect to ``log_probs`` is the true
    partial derivative, minus the occupancy. torch's has ``exp(log_probs)`` added to it, which is
    wrong there and makes no difference under ``log_softmax``.

    Parameters
    ----------
    log_probs : Tensor, (N, T, C)
        float32 or float64; sums run in float64. Batch first, where torch has (T, N, C).
    targets : Tensor, (N, L)
        Class indices. Anything may stand after a line's target length.
    frame_lengths, target_lengths : Tensor, (N,)
        Frames and characters of each line. Frames after them change nothing; their gradient is 0.
    blank : int
        Class index of the blank.
    reduction : {"mean", "sum", "none"}
        "none" keeps one loss per line (N,). "mean" divides each by its target length, or by 1 if
        that is 0, and averages over the lines, as torch does.

    Returns
    -------
    Tensor
        In the dtype of ``log_probs``. A label that fits but has probability 0, by ``-inf`` in
        ``log_probs``, has the loss ``inf`` and the gradient 0.

    Raises
    ------
    ValueError
        If a target does not fit (its line has fewer frames than :func:`minimum_frames`) or holds
        the blank or an unknown class; if a length exceeds its tensor; if a shape is wrong; if
        ``log_probs`` has NaN or +inf in a line's frames.
    TypeError
        If something is not a tensor of the right kind of number.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none'; got {reduction!r}.")
    batch = _check(log_probs, targets, frame_lengths, target_lengths, blank)
    wants_gradient = torch.is_grad_enabled() and log_probs.requires_grad
    losses = _CTCLoss.apply(log_probs, *batch, blank, wants_gradient)  # (N,)
    if reduction == "mean":
        return (losses / batch[2].clamp(min=1)).mean()
    return losses.sum() if reduction == "sum" else losses


class _CTCLoss(torch.autograd.Function):
    """The batched kernel, in log space and float64: no line is too long or too unlikely for it.

    Its time goes into the number of torch calls. So the backward pass is the forward pass of the
    mirrored line, and both run side by side, as one batch of 2N lines.
    """

    @staticmethod
    def forward(ctx, log_probs, targets, frame_lengths, target_lengths, blank, wants_gradient):
        N, T, _ = log_probs.shape
        emitted, repeats = _emissions(log_probs, targets, frame_lengths, blank)
        first, last = torch.zeros_like(target_lengths), 2 * target_lengths  # blanks at both ends
        if wants_gradient:
            mirrored = pad(repeats, (0, 0, 0, 1))[1:].flip(0)  # (L, N)
            entered = _sweep(
                torch.cat([emitted, emitted.flip(0, 1)], 2),  # (T, S, 2N)
                torch.cat([repeats, mirrored], 1),  # (L, 2N)
                torch.cat([first, emitted.shape[1] - 1 - last]),  # (2N,)
                torch.logaddexp,
            )  # (T + 1, S, 2N)
        else:
            entered = _sweep(emitted, repeats, first, torch.logaddexp)  # (T + 1, S, N)
        log_prob = entered[T, :, :N].gather(0, last[None])[0]  # (N,)

        if wants_gradient:
            # Into a state from the past, the frame itself, and into the state from the future.
            gamma = entered[:T, :, N:].flip(0, 1)  # (T, S, N)
            gamma += entered[:T, :, :N]
            gamma += emitted
            gamma -= log_prob.where(log_prob > NEVER, 0.0)
            gamma = gamma.to(log_probs.dtype).exp_()
            occupancy = torch.zeros_like(log_probs, memory_format=torch.contiguous_format)
            where = targets[:, None].expand(N, T, -1)
            occupancy.scatter_add_(2, where, gamma[:, 1::2].permute(2, 0, 1))  # (N, T, C)
            occupancy[:, :, blank] += gamma[:, 0::2].sum(1).T
            padding = _padding(frame_lengths, T)
            if padding is not None:
                occupancy.masked_fill_(padding[:, :, None], 0.0)
            ctx.save_for_backward(occupancy)
        return -log_prob.to(log_probs.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        (occupancy,) = ctx.saved_tensors
        return occupancy * -grad[:, None, None], None, None, None, None, None


def _emissions(
    log_probs: Tensor, targets: Tensor, frame_lengths: Tensor, blank: int
) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the states (T, S, N); which characters repeat the last one (L, N).

    States come before lines: neighbours are then whole rows. Padding frames turn into certain
    blanks. Only the last state goes through them, in one way, for nothing: all lines end at T.
    """
    (N, T, _), L = log_probs.shape, targets.shape[1]
    classes = pad(targets, (1, 0), value=blank)  # (N, 1 + L)
    picked = log_probs.detach().gather(2, classes[:, None].expand(N, T, 1 + L))  # (N, T, 1 + L)
    padding = _padding(frame_lengths, T)
    if padding is not None:
        picked[:, :, 0].masked_fill_(padding, 0.0)
        picked[:, :, 1:].masked_fill_(padding[:, :, None], NEVER)
    picked = picked.permute(1, 2, 0)  # (T, 1 + L, N)
    emitted = torch.empty(T, 2 * L + 1, N, dtype=torch.float64, device=log_probs.device)
    emitted[:, 0::2] = picked[:, :1]
    emitted[:, 1::2] = picked[:, 1:]
    repeats = targets.T == pad(targets, (1, 0), value=blank)[:, :L].T
    return emitted, repeats


def _padding(frame_lengths: Tensor, frames: int) -> Tensor | None:
    """Which frames are padding (N, T); None if there are none."""
    padding = torch.arange(frames, device=frame_lengths.device) >= frame_lengths[:, None]
    return padding if bool(padding.any()) else None


def _sweep(emitted: Tensor, repeats: Tensor, first: Tensor, combine: Callable) -> Tensor:
    """One pass over the frames: ``logaddexp`` to sum the ways, ``maximum`` for the best of them.

    Each line starts in the state ``first``, a blank, before frame 0. Returns (T + 1, S, N): what
    enters a state at frame t, before its emission. Row T holds the blanks only: a line ends in one.
    """
    T, S, N = emitted.shape
    entered = emitted.new_empty(T + 1, S, N)
    rows = emitted.new_full((1 + S, N), NEVER)  # on top, a character before the first blank
    before, blanks, characters, now = rows[:-1:2], rows[1::2], rows[2::2], rows[1:]
    now.scatter_(0, first[None], 0.0)
    via = torch.empty_like(characters) if bool(repeats.any()) else None
    # Views are made before the loop, results go where they stay: a step is four calls and no more.
    views = (entered, entered[:, 0::2], entered[:, 0:-1:2], entered[:, 1::2])
    for (into, into_blanks, passed, into_characters), emission in zip(
        zip(*(view.unbind() for view in views), strict=True), emitted.unbind(), strict=False
    ):
        combine(blanks, before, out=into_blanks)  # from the blank itself, from the character before
        # The same two lead past that blank into the next character, unless this is a repeat.
        if via is not None:
            passed = torch.where(repeats, blanks[:-1], passed, out=via)
        combine(characters, passed, out=into_characters)
        torch.add(into, emission, out=now)
    combine(blanks, before, out=entered[T, 0::2])
    return entered


# 4. The one best alignment ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """The frames of one character, half-open: ``start`` is its first, ``end`` the one after its last.

    ``label`` is its class index, ``log_prob`` the sum of its log-probabilities over these frames.

    Examples
    --------
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
    """Where each character of a known label is, in its most probable alignment.

    One line, ``log_probs`` of shape (T, C); :func:`forced_alignments` does a batch and has the rules.

    Examples
    --------
    >>> probs = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    >>> forced_alignment(probs.log(), [1])
    [Span(1 in [1, 3), log_prob=-0.5798)]
    """
    spans, scores = forced_alignments(
        log_probs[None], *_check_line(log_probs, label, blank), blank=blank
    )
    spans, scores = spans[0].tolist(), scores[0].tolist()
    return [Span(c, *span, p) for c, span, p in zip(_plain(label), spans, scores, strict=True)]


def forced_alignments(
    log_probs: Tensor,
    targets: Tensor,
    frame_lengths: Tensor,
    target_lengths: Tensor,
    *,
    blank: int = 0,
) -> tuple[Tensor, Tensor]:
    """Where each character of each line is, in the line's most probable alignment (Viterbi).

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
    targets, frame_lengths, target_lengths = _check(
        log_probs, targets, frame_lengths, target_lengths, blank
    )
    emitted, repeats = _emissions(log_probs, targets, frame_lengths, blank)
    (T, S, N), last = emitted.shape, 2 * target_lengths[None]
    best = _sweep(emitted, repeats, torch.zeros_like(target_lengths), torch.maximum)
    impossible = (best[T].gather(0, last)[0] == NEVER).nonzero()
    if len(impossible):
        raise ValueError(
            f"Sample {int(impossible[0])}: its label has probability 0, so there is no alignment. "
            "log_probs is -inf where the label needs a class."
        )

    # How many states back the best way into each state came from, for all frames at once.
    reached = best[:T] + emitted  # (T, S, N)
    blanks, characters = reached[:, 0::2], reached[:, 1::2]
    over = blanks[:, 1:] < characters  # into the blank after a character: from that character
    moved = characters < best[1:, 1::2]  # into a character: from elsewhere
    back = torch.zeros(T, S, N, dtype=torch.int8, device=emitted.device)
    back[:, 2::2] = over
    back[:, 1::2] = moved
    back[:, 3::2] += moved[:, 1:] & over[:, :-1] & ~repeats[1:]  # from the character before

    path = last.new_empty(T, N)
    for step, row in zip(reversed(back.unbind()), reversed(path.split(1)), strict=True):
        last = torch.sub(last, step.gather(0, last), out=row)  # (1, N)

    frames = path.new_zeros(S, N).scatter_add_(0, path, torch.ones_like(path))
    ends = frames.cumsum(0)[1::2].T  # (N, L)
    spans = torch.stack([ends - frames[1::2].T, ends], 2)  # (N, L, 2)
    spans[spans[:, :, 0] == spans[:, :, 1]] = 0  # characters that are padding
    visited = emitted.gather(1, path[:, None])[:, 0]  # (T, N)
    return spans, emitted.new_zeros(S, N).scatter_add_(0, path, visited)[1::2].T


# Input, checked -----------------------------------------------------------------------------------

_COLLAPSE_FIRST = "A label has no blanks: collapse an alignment first; give the right blank."


def check_targets_fit(targets: Tensor, frame_lengths: Tensor, target_lengths: Tensor) -> None:
    """Raise if a line has too few frames for its target, whose loss would be infinite.

    Parameters
    ----------
    targets : Tensor, (N, L)
    frame_lengths, target_lengths : Tensor, (N,)

    Raises
    ------
    ValueError
        With the sample's index, its frames and the frames it needs.
    """
    inside = torch.arange(1, targets.shape[1], device=targets.device) < target_lengths[:, None]
    repeats = ((targets[:, 1:] == targets[:, :-1]) & inside).sum(1)
    needed = target_lengths + repeats  # (N,)
    short = frame_lengths < needed
    if bool(short.any()):
        n = int(short.nonzero()[0])
        raise ValueError(
            f"Sample {n} has {int(frame_lengths[n])} frames and its target needs {int(needed[n])}: "
            f"one for each of {int(target_lengths[n])} characters, one more for each of "
            f"{int(repeats[n])} repeats. Make the line wider, the stride smaller or the target shorter."
        )


def _check(
    log_probs: Tensor, targets: Tensor, frame_lengths: Tensor, target_lengths: Tensor, blank: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Targets (the blank as padding), frame_lengths, target_lengths as int64, or a clear error."""
    if not isinstance(log_probs, Tensor) or log_probs.dtype not in (torch.float32, torch.float64):
        given = getattr(log_probs, "dtype", type(log_probs).__name__)
        raise TypeError(f"log_probs must be a float32 or float64 tensor; got {given}.")
    if log_probs.ndim != 3 or 0 in log_probs.shape:
        raise ValueError(f"log_probs must be (N, T, C), none 0; got {tuple(log_probs.shape)}.")
    N, T, C = log_probs.shape
    if not 0 <= blank < C:
        raise ValueError(f"blank must be one of the classes 0 to {C - 1}; got {blank}.")
    targets = _integers("targets", targets, (N, -1), log_probs.device)
    L = targets.shape[1]
    frame_lengths = _integers("frame_lengths", frame_lengths, (N,), log_probs.device, T)
    target_lengths = _integers("target_lengths", target_lengths, (N,), log_probs.device, L)

    inside = torch.arange(L, device=targets.device) < target_lengths[:, None]  # (N, L)
    unknown = (targets < 0) | (targets >= C)
    wrong = ((targets == blank) | unknown) & inside
    if bool(wrong.any()):
        n, i = wrong.nonzero()[0].tolist()
        label = targets[n, : target_lengths[n]].tolist()
        if label[i] == blank:
            raise ValueError(
                f"Sample {n}: target {label} contains the blank, class {blank}. {_COLLAPSE_FIRST}"
            )
        raise ValueError(
            f"Sample {n}: target {label} has class {label[i]}; there are 0 to {C - 1}."
        )
    check_targets_fit(targets, frame_lengths, target_lengths)

    if not bool(log_probs.detach().amax() < math.inf):  # NaN is not smaller either
        inside_line = torch.arange(T, device=log_probs.device) < frame_lengths[:, None]  # (N, T)
        wrong = ~(log_probs.detach() < math.inf).all(2) & inside_line
        if bool(wrong.any()):
            n, t = wrong.nonzero()[0].tolist()
            raise ValueError(f"Sample {n}: log_probs has NaN or +inf at frame {t}.")
    return targets.where(inside, blank), frame_lengths, target_lengths


def _integers(name: str, values, shape: tuple, device, most: int | None = None) -> Tensor:
    """An int64 tensor of that shape, -1 for any size; values from 0 to ``most``."""
    values = torch.as_tensor(values, device=device)
    if values.is_floating_point() or values.dtype == torch.bool:
        raise TypeError(f"{name} must hold integers; got {values.dtype}.")
    if values.ndim != len(shape) or any(w not in (-1, g) for w, g in zip(shape, values.shape)):
        wanted = str(shape).replace("-1", "L")
        raise ValueError(f"{name} must have the shape {wanted}; got {tuple(values.shape)}.")
    if most is not None and bool((wrong := (values < 0) | (values > most)).any()):
        n = int(wrong.nonzero()[0])
        raise ValueError(f"Sample {n}: {name} must be 0 to {most}; got {int(values[n])}.")
    return values.long()


def _check_line(log_probs: Tensor, label: Sequence[int], blank: int) -> tuple[Tensor, ...]:
    """One line and its label as a batch of one, checked."""
    if isinstance(log_probs, Tensor) and log_probs.ndim != 2:
        raise ValueError(f"log_probs of one line must be (T, C); got {tuple(log_probs.shape)}.")
    target = torch.tensor([_plain(label)], dtype=torch.int64)  # (1, L)
    T = len(log_probs)
    lengths = torch.tensor([T]), torch.tensor([target.shape[1]])
    return _check(log_probs[None], target, *lengths, blank)


def _plain(label: Sequence[int]) -> list[int]:
    """A label as a list of Python integers."""
    try:
        return [index(c) for c in (label.tolist() if hasattr(label, "tolist") else label)]
    except TypeError:
        raise TypeError(
            f"A label is a sequence of class indices; got {label!r}. "
            "For a text: Alphabet().encode(text)."
        ) from None
