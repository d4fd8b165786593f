"""The first of the decoders: each frame's best class, and what that amounts to.

See :mod:`crnn_lib.decoders` for the others, which look at more than one alignment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import NEVER, ctc_loss, length_mask
from crnn_lib.decoders import _windows
from crnn_lib.decoders._blocks import as_hypotheses, make_hypotheses, sums_allowed
from crnn_lib.decoders._compiled.records import FINE
from crnn_lib.decoders._lattices import (
    check_blank,
    check_lattices,
    first_frame,
    frame_log_sums,
    tolerance,
)
from crnn_lib.decoders._open_lines import PathLine
from crnn_lib.decoders.hypothesis import ROUNDING, Hypothesis, _keep_frames

BLOCK = 1 << 20  # numbers that are looked at together: 8 MB, which a cache may hold


@torch.no_grad()
def best_path(
    log_probs: Tensor | np.ndarray,
    frame_lengths: Tensor | np.ndarray | Sequence[int] | None = None,
    *,
    alphabet: Alphabet | None = None,
    scores: bool = True,
    words: bool = False,
) -> list[Hypothesis]:
    """Read each line along its most probable alignment.

    The most probable class of each frame, repeats merged, blanks dropped (Graves et al. 2006,
    section 3.2). If classes tie in a frame, the lowest class index wins.

    The label's log-probability then comes from one forward pass for the whole batch. It also
    settles some lines for good: all other labels share what is left, log(1 - p), so a label with
    more than half of the probability is the most probable one. That sets ``proven``.

    Parameters
    ----------
    log_probs : Tensor or ndarray, (N, T, C) or (T, C)
        Natural logarithms of normalised probabilities. ``(T, C)`` is a batch of one line.
    frame_lengths : (N,) integers, optional
        Frames of each line; what stands beyond them is ignored. Without it every line has T.
    alphabet : Alphabet, optional
        The characters and the blank; ``Alphabet()`` by default.
    scores : bool
        False skips the forward pass: ``log_prob`` and ``bound`` are NaN, ``proven`` is False.
    words : bool
        Keep the frames, so that ``words`` of a hypothesis can say how sure each word is.

    Returns
    -------
    list of Hypothesis
        One per line. The spans are the runs of the alignment; a span's log-probability is the
        sum over its frames. A line without frames reads ``""``.

    Raises
    ------
    ValueError
        If the shapes do not fit each other or the alphabet, or a frame holds NaN or is not
        normalised.

    Examples
    --------
    Two frames, and a blank with probability 0.6 in each. The best alignment is all blank. It has
    probability 0.36, but the label ``0`` has 0.64:

    >>> log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    >>> (hypothesis,) = best_path(log_probs, alphabet=Alphabet("0"))
    >>> hypothesis.text, round(math.exp(hypothesis.log_prob), 4), hypothesis.proven
    ('', 0.36, False)
    >>> round(math.exp(hypothesis.bound), 4)
    0.64
    """
    alphabet = Alphabet() if alphabet is None else alphabet
    log_probs, frame_lengths = check_lattices(log_probs, frame_lengths, alphabet)
    count, frames, classes = log_probs.shape
    lines: list = [None] * count
    long = frame_lengths > (_windows.LONG if scores else frames)
    short = (~long).nonzero()[:, 0].tolist()
    some = log_probs, frame_lengths
    if len(short) < count:
        some = log_probs[~long, : _windows.LONG], frame_lengths[~long]
    step = max(1, BLOCK // max(1, frames * classes))
    blocks = zip(some[0].split(step), some[1].split(step), strict=True)
    most = tolerance(log_probs)
    try:
        found = [h for block in blocks for h in _short_paths(*block, alphabet, scores, most)]
        frame_log_sums(log_probs[long], length_mask(frame_lengths[long], frames), most)
    except ValueError:  # of one line among others: say which one it is of all
        frame_log_sums(log_probs, length_mask(frame_lengths, frames), most)
        raise
    for n, line in zip(short, found, strict=True):
        lines[n] = line
    for n in long.nonzero()[:, 0].tolist():
        lines[n] = _long_path(log_probs[n, : int(frame_lengths[n])], alphabet)
    return _keep_frames(lines, log_probs, frame_lengths, alphabet) if words else lines


def _short_paths(
    log_probs: Tensor, frame_lengths: Tensor, alphabet: Alphabet, scores: bool, most: float
) -> list[Hypothesis]:
    """The same for some lines. With scores, the whole table of each label is filled."""
    count, frames, _ = log_probs.shape
    within = length_mask(frame_lengths, frames)  # (N, T)
    path, best = _best_classes(log_probs, within, alphabet.blank)  # (N, T), (N, T)
    log_probs = log_probs.double()
    log_sums = frame_log_sums(log_probs, within, most)  # (N, T)
    starts, ends = _runs(path, alphabet.blank)  # (N, T), (N, T)
    labels = path[starts]  # all lines' labels, end to end
    lengths = starts.sum(1)  # (N,)

    if scores and count and frames:
        log_prob = _label_log_probs(log_probs, labels, frame_lengths, lengths, alphabet.blank)
        # The lattice's whole mass: 1, but for the rounding of whoever normalised it.
        mass = log_sums.sum(1).exp()  # (N,)
        prob = log_prob.exp()
        rest = (mass - prob).clamp_min(0)
        proven, bound = prob > rest + ROUNDING, rest.log()
    else:  # not asked for; or no frames, and "" is all that they can say
        certain = scores and not frames
        log_prob = best.new_full((count,), 0.0 if certain else math.nan)
        bound = best.new_full((count,), NEVER if certain else math.nan)
        proven = torch.full((count,), certain)

    summed = torch.cat([best.new_zeros(count, 1), best.cumsum(1)], dim=1)  # (N, T + 1)
    row, start = starts.nonzero(as_tuple=True)
    end = ends.nonzero()[:, 1] + 1  # runs do not nest: the k-th end closes the k-th start
    return make_hypotheses(
        alphabet,
        sizes=lengths.numpy(force=True),
        scores=torch.stack([log_prob, log_prob, bound], 1).numpy(force=True),
        proven=proven.numpy(force=True),
        labels=labels.numpy(force=True),
        spans=torch.stack([start, end]).numpy(force=True),
        span_scores=(summed[row, end] - summed[row, start]).numpy(force=True),
    )


def _long_path(line: Tensor, alphabet: Alphabet) -> Hypothesis:
    """One line (T, C), in time that grows with the frames alone."""
    path = PathLine(alphabet.num_classes, alphabet.blank, sums_allowed(line[None]))
    log_p = line.detach().cpu().double().contiguous().numpy()
    path.add(log_p)
    row = path.finish(log_p)
    if path.window.status != FINE:  # the sums are of logarithms then
        frames, length = torch.tensor([len(line)]), torch.tensor([len(row[0])])
        label = torch.tensor(row[0], device=line.device)
        log_prob = float(_label_log_probs(line[None], label, frames, length, alphabet.blank))
        rest = max(path.window.mass - math.exp(log_prob), 0.0)
        bound = math.log(rest) if rest > 0.0 else NEVER
        row = *row[:2], min(log_prob, 0.0), min(log_prob, 0.0), bound
    return as_hypotheses(alphabet, [row])[0]


@torch.no_grad()
def best_path_labels(
    log_probs: Tensor | np.ndarray,
    frame_lengths: Tensor | np.ndarray | Sequence[int] | None = None,
    *,
    blank: int = 0,
) -> list[list[int]]:
    """Only the labels of :func:`best_path`, for evaluation while training.

    Scores of any scale will do: they need not be normalised.

    Parameters
    ----------
    log_probs : Tensor or ndarray, (N, T, C) or (T, C)
    frame_lengths : (N,) integers, optional
    blank : int
        Class index of the blank.

    Examples
    --------
    >>> alignment = torch.tensor([6, 6, 0, 6, 3, 3, 1, 8])  # 55-5220 7 -> 55207
    >>> best_path_labels(torch.nn.functional.one_hot(alignment, 11).float())
    [[6, 6, 3, 1, 8]]
    """
    log_probs, frame_lengths = check_lattices(log_probs, frame_lengths)
    check_blank(blank, log_probs.shape[2])
    path, _ = _best_classes(log_probs, length_mask(frame_lengths, log_probs.shape[1]), blank)
    starts, _ = _runs(path, blank)
    labels, lengths = path[starts].tolist(), starts.sum(1).tolist()
    result, done = [], 0
    for length in lengths:
        result.append(labels[done : done + length])
        done += length
    return result


def _best_classes(log_probs: Tensor, within: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """Each frame's best class and its float64 score, (N, T) each; beyond a line: blank and 0."""
    best, path = log_probs.max(2)  # of equals the first; NaN wins over every number
    best = best.double().masked_fill(~within, 0)
    if bool(best.isnan().any()):
        raise ValueError(f"log_probs holds NaN in {first_frame(best.isnan())}.")
    return path.masked_fill(~within, blank), best


def _runs(path: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """Where runs of one character start and where they end, (N, T) each."""
    edge = path.new_full((len(path), 1), blank)
    changes = torch.cat([edge, path], 1) != torch.cat([path, edge], 1)  # (N, T + 1)
    character = path != blank
    return changes[:, :-1] & character, changes[:, 1:] & character


def _label_log_probs(
    log_probs: Tensor, labels: Tensor, frame_lengths: Tensor, lengths: Tensor, blank: int
) -> Tensor:
    """CTC log-probability of one label per line: (N,)."""
    longest = int(lengths.max())
    targets = labels.new_full((len(lengths), longest), blank)  # (N, L), padded with the blank
    targets[length_mask(lengths, longest)] = labels
    log_probs = log_probs.double()  # the loss comes in the dtype of its input
    return 0 - ctc_loss(log_probs, targets, frame_lengths, lengths, blank=blank, reduction="none")
