"""Trials of the CTC loss, its gradient and the alignments."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch.nn import functional as F

from crnn_lib import ctc

REFUSALS = (ValueError, TypeError)
SECONDS, MEGABYTES = 20, 1000


def prepare(folder):
    return None


def attempt(chance, _) -> str:
    draw = np.random.default_rng(chance.getrandbits(64))
    name = chance.choice(
        ["loss", "loss", "loss", "forward-backward", "align", "align all", "label"]
    )
    if name == "label":
        return labels(chance, draw)
    batch, blank, spoiled = batches(chance, draw)
    if name == "loss":
        return loss(chance, batch, blank, spoiled)
    if name == "align all":
        spans, scores = ctc.forced_alignments(*batch, blank=blank)
        for n, length in enumerate(map(int, batch[3])):
            check_spans(spans[n, :length], int(batch[2][n]))
            assert not spans[n, length:].any() and not scores[n, length:].any()
        return "alignments"
    try:
        line, label = batch[0][0][: int(batch[2][0])], batch[1][0][: int(batch[3][0])]
    except (TypeError, ValueError, IndexError):  # spoiled so much that there is no line to cut out
        line, label = batch[0], batch[1]
    if chance.random() < 0.05:
        label = chance.choice([[10**30], "55207", None, [[1]], [1.0], [True], [0, None], 5])
    if name == "align":
        found = ctc.forced_alignment(line, label, blank=blank)
        assert [span.label for span in found] == [int(c) for c in label]
        check_spans([(span.start, span.end) for span in found], len(line))
        return "alignment"
    lattice = ctc.forward_backward(line, label, blank=blank)
    assert len(lattice.states) == 2 * len(label) + 1
    assert not math.isnan(lattice.log_prob)
    if lattice.log_prob > -1e9:  # sums of larger numbers have no digits left for occupancies
        total = lattice.occupancy.exp().sum(1)  # each frame is somewhere
        assert torch.allclose(total, torch.ones_like(total), atol=1e-6), total
    return "forward-backward"


def loss(chance, batch, blank: int, spoiled: bool) -> str:
    """Value and gradient: finite where they must be, those of torch where torch has any."""
    reduction = chance.choice(["mean", "sum", "none", "none", "average"])
    log_probs = batch[0]
    learns = isinstance(log_probs, torch.Tensor) and log_probs.is_floating_point()
    learns = learns and chance.random() < 0.7
    if learns:
        log_probs = log_probs.detach().requires_grad_()
    value = ctc.ctc_loss(log_probs, *batch[1:], blank=blank, reduction=reduction)
    assert value.dtype == log_probs.dtype and not value.isnan().any()
    each = ctc.ctc_loss(log_probs.detach(), *batch[1:], blank=blank, reduction="none")
    if not spoiled:
        assert (each >= -1e-3 * log_probs.shape[1]).all() and each.isfinite().all()
        theirs = torch_loss(log_probs.detach(), *batch[1:], blank)
        assert torch.allclose(each.double(), theirs, rtol=1e-4, atol=1e-4), (each, theirs)
    if learns:
        value.sum().backward()
        gradient = log_probs.grad
        assert gradient.shape == log_probs.shape and gradient.isfinite().all()
        frames = torch.arange(log_probs.shape[1])
        beyond = frames >= torch.as_tensor(batch[2])[:, None]
        assert not gradient[beyond].any(), "frames beyond a line have a gradient"
        if reduction in ("none", "sum"):  # each frame is somewhere: occupancies sum to 1
            sums = -gradient.double().sum(2)
            known = each < 1e9  # sums of larger numbers have no digits left for occupancies
            assert torch.allclose(sums[known], (~beyond).double()[known], atol=1e-3), sums
    return "loss" if each.isfinite().all() else "loss of inf"


def torch_loss(log_probs, targets, frame_lengths, target_lengths, blank: int) -> torch.Tensor:
    """The same from torch, in float64; it wants sound classes also beyond a target's length."""
    targets, target_lengths = (
        torch.as_tensor(targets).long(),
        torch.as_tensor(target_lengths).long(),
    )
    within = torch.arange(targets.shape[1]) < target_lengths[:, None]
    targets = targets.where(within, torch.tensor((blank + 1) % log_probs.shape[2]))
    return F.ctc_loss(
        log_probs.double().transpose(0, 1),  # (T, N, C)
        targets,
        torch.as_tensor(frame_lengths).long(),
        target_lengths,
        blank,
        reduction="none",
    )


def check_spans(spans, frames: int) -> None:
    edges = [int(edge) for span in spans for edge in span]
    assert edges == sorted(edges), edges
    assert all(a < b for a, b in zip(edges[::2], edges[1::2], strict=True)), edges
    assert all(0 <= edge <= frames for edge in edges), edges


def labels(chance, draw) -> str:
    """Functions of alignments and labels alone."""
    alignment = draw.integers(0, 4, chance.choice([0, 1, 5, 30])).tolist()
    blank = chance.choice([0, 3])
    label = ctc.collapse(chance.choice([alignment, np.array(alignment, int)]), blank=blank)
    assert blank not in label and ctc.minimum_frames(label) <= len(alignment)
    if chance.random() < 0.2:
        wrong = chance.choice([["5", 5], "55207", [1.5], 7, None, [blank, 1], [-1, 10**30]])
        return f"counted {ctc.count_alignments(wrong, 9) >= 0 and ctc.minimum_frames(wrong) > -1}"
    frames = chance.choice([0, 1, len(label), len(alignment), 10_000])
    count = ctc.count_alignments(label, frames)
    some = [*itertools.islice(ctc.alignments(label, frames, blank=blank), 5)]
    assert len(some) == min(count, 5)
    assert all(len(a) == frames and ctc.collapse(a, blank=blank) == label for a in some)
    return "labels"


# ---------------------------------------------------------------------------- what is given


def batches(chance, draw):
    """log_probs, targets, frame_lengths, target_lengths; the blank; whether anything is odd."""
    count, frames = chance.choice([1, 1, 2, 5]), chance.choice([1, 2, 5, 12, 30])
    classes = chance.choice([2, 3, 11, 11, 11, 40])
    if chance.random() < 0.02:
        count, frames = 1, chance.choice([500, 2000])
    blank = chance.choice([0, classes - 1])
    logits = draw.normal(size=(count, frames, classes)) * chance.choice([0, 1, 10, 100])
    values = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    frame_lengths = draw.integers(1, frames + 1, count)
    longest = max(1, min(int(frame_lengths.min()), chance.choice([0, 1, 5, 20])))
    characters = [c for c in range(classes) if c != blank]
    targets = draw.choice(characters, (count, longest))
    target_lengths = np.empty(count, int)
    for n in range(count):  # as long as it fits
        length = int(draw.integers(0, longest + 1))
        while ctc.minimum_frames(targets[n, :length]) > frame_lengths[n]:
            length -= 1
        target_lengths[n] = length
    spoiled = spoil(chance, draw, values)
    single = chance.random() < 0.5
    batch = [
        torch.from_numpy(values).to(torch.float32 if single else torch.float64),
        torch.from_numpy(targets),
        torch.from_numpy(frame_lengths),
        torch.from_numpy(target_lengths),
    ]
    if chance.random() < 0.2:  # numbers beyond the lengths are nobody's business
        batch[0][torch.arange(frames) >= batch[2][:, None]] = chance.choice([math.nan, math.inf])
        batch[1][torch.arange(longest) >= batch[3][:, None]] = chance.choice([blank, -1, 10**9])
        spoiled = True
    if chance.random() < 0.15:
        spoiled = True
        break_something(chance, batch, blank)
    if chance.random() < 0.2 and isinstance(batch[0], torch.Tensor):
        batch[0] = batch[0].mT.contiguous().mT  # not contiguous
    return batch, blank, spoiled


def spoil(chance, draw, values: np.ndarray) -> bool:
    """Now and then, odd numbers in place."""
    if chance.random() < 0.7:
        return False
    kind = chance.choice(["never", "many never", "nan", "inf", "scaled", "huge", "frame of never"])
    n, t, c = (int(draw.integers(0, size)) for size in values.shape)
    if kind == "many never":
        values[draw.random(values.shape) < 0.5] = -np.inf
    elif kind == "frame of never":
        values[n, t] = -np.inf
    elif kind == "scaled":
        values *= chance.choice([2.0, -1.0, 0.0])
    elif kind == "huge":
        values[n, t] = chance.choice([-1e30, -3e38, 1e30])
    else:
        values[n, t, c] = {"never": -np.inf, "nan": np.nan, "inf": np.inf}[kind]
    return True


def break_something(chance, batch: list, blank: int) -> None:
    """One of the four does not fit the others."""
    log_probs, targets, frame_lengths, target_lengths = batch
    k = chance.randrange(10)
    if k == 0:
        batch[0] = chance.choice([log_probs.half(), log_probs.long(), log_probs.numpy(), None])
    elif k == 1:
        batch[0] = chance.choice([log_probs[0], log_probs[:, :0], log_probs[None], log_probs[:0]])
    elif k == 2:
        batch[1] = chance.choice([targets.double(), targets[0], targets[:0], targets.bool()])
    elif k == 3:
        targets[0, 0] = chance.choice([blank, -1, 1000])
    elif k == 4:
        batch[2] = frame_lengths + chance.choice([-1, 1, 10**6, -(10**12)])
    elif k == 5:
        batch[3] = target_lengths + chance.choice([-1, 1, 10**6])
    elif k == 6:
        batch[2] = chance.choice([frame_lengths.tolist(), frame_lengths.double(), [0]])
    elif k == 7:
        batch[3] = chance.choice([target_lengths.tolist(), target_lengths[None], "5"])
    elif k == 8:
        batch[1] = targets.repeat(1, 50)
        batch[3] = target_lengths * 50
    else:
        batch[1] = targets.int()
