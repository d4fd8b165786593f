"""Wrong answers to the exercises of notebook 13: what only hides a symptom, tests too weak."""

from __future__ import annotations

import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

# 13.1 ---------------------------------------------------------------------------------------------


def _losses(log_probs, labels, frame_lengths, L=None, **options):
    targets = pad_sequence([torch.tensor(label) for label in labels], batch_first=True)
    L = torch.tensor([*map(len, labels)]) if L is None else L.clamp(max=targets.shape[1])
    options = {"reduction": "none"} | options
    return F.ctc_loss(log_probs.transpose(0, 1), targets, frame_lengths, L, **options)


def raw(scores, labels, frame_lengths):
    return _losses(scores, labels, frame_lengths)


def cut_at_zero(*arguments):
    return raw(*arguments).clamp(min=0)


def without_its_sign(*arguments):
    return raw(*arguments).abs()


def over_frames(scores, labels, frame_lengths):
    return _losses(scores.log_softmax(1), labels, frame_lengths)


def probabilities(scores, labels, frame_lengths):
    return _losses(scores.softmax(-1), labels, frame_lengths)


def padding_counted(scores, labels, frame_lengths):
    longest = torch.full((len(labels),), max(map(len, labels)))
    return _losses(scores.log_softmax(-1), labels, frame_lengths, longest)


def frames_of_the_batch(scores, labels, frame_lengths):
    return _losses(scores.log_softmax(-1), labels, torch.full((len(labels),), scores.shape[1]))


def nought_for_inf(scores, labels, frame_lengths):
    return _losses(scores.log_softmax(-1), labels, frame_lengths, zero_infinity=True)


def left_out(scores, labels, frame_lengths):
    losses = _losses(scores.log_softmax(-1), labels, frame_lengths)
    return losses[losses.isfinite()]


def averaged(scores, labels, frame_lengths):
    return _losses(scores.log_softmax(-1), labels, frame_lengths, reduction="mean")


def over_lengths(scores, labels, frame_lengths):
    lengths = torch.tensor([*map(len, labels)])
    return _losses(scores.log_softmax(-1), labels, frame_lengths) / lengths


# 13.2 ---------------------------------------------------------------------------------------------


def _batch(blank=0, classes=3):
    """Four lines with all there is: unequal lengths, a double, one that does not fit."""
    chance = torch.Generator().manual_seed(5)
    one, two = (c for c in range(classes) if c != blank)
    log_probs = torch.randn(4, 6, classes, generator=chance).log_softmax(-1)
    targets = torch.tensor([[one, one, two], [one, two, two], [two, one, one], [one] * 3])
    return log_probs, targets, torch.tensor([6, 5, 3, 4]), torch.tensor([3, 2, 1, 3])


def _agrees(loss_of, x, y, T, L, blank=0):
    right = F.ctc_loss(x.transpose(0, 1), y, T, L, blank=blank, reduction="none")
    return torch.allclose(loss_of(x, y, T, L, blank), right, rtol=1e-3)


def only_not_negative(loss_of):
    return bool((loss_of(*_batch(), 0) >= 0).all())


def only_blank_first(loss_of):
    return _agrees(loss_of, *_batch())


def only_blank_last(loss_of):
    return _agrees(loss_of, *_batch(2), 2)


def only_equal_lengths(loss_of):
    for blank in (0, 2):
        x, y, _, _ = _batch(blank)
        if not _agrees(loss_of, x, y, torch.full((4,), 6), torch.full((4,), 3), blank):
            return False
    return True


def only_what_fits(loss_of):
    for blank in (0, 2):
        x, y, T, L = (value[:3] for value in _batch(blank))
        assert _agrees(loss_of, x, y, T, L, blank)


def no_doubles(loss_of):
    for blank in (0, 2):
        x, y, T, L = _batch(blank)
        one, two = (c for c in range(3) if c != blank)
        y = torch.tensor([[one, two, one], [one, two, two], [two, one, one], [one, two, one]])
        assert _agrees(loss_of, x, y, torch.tensor([6, 5, 3, 2]), L, blank)


def only_short_lines(loss_of):
    return all(_agrees(loss_of, *_batch(blank), blank) for blank in (0, 2))


def to_the_last_digit(loss_of):
    x, y, T, L = _batch()
    right = F.ctc_loss(x.transpose(0, 1), y, T, L, reduction="none")
    return loss_of(x, y, T, L, 0).tolist() == right.tolist()


def with_scores(loss_of):
    x, *rest = _batch()
    return _agrees(loss_of, x + 1, *rest)


def without_return(loss_of):
    only_blank_first(loss_of)


# 13.3 ---------------------------------------------------------------------------------------------


def _read(read, paths, lengths=None, blank=0):
    lengths = [len(path) for path in paths] if lengths is None else lengths
    longest = max(map(len, paths))
    paths = torch.tensor([path + [blank] * (longest - len(path)) for path in paths])
    return read(F.one_hot(paths, 5).float().log_softmax(-1), torch.tensor(lengths), blank)


def no_double(read):
    return _read(read, [[1, 1, 0, 2, 3, 0]]) == [[1, 2, 3]]


def one_frame_each(read):
    return _read(read, [[1, 0, 1, 0, 2, 3]]) == [[1, 1, 2, 3]]


def short_runs(read):
    return _read(read, [[1, 1, 0, 1, 2, 2]]) == [[1, 1, 2]]


def reader_blank_first(read):
    assert _read(read, [[1, 1, 1, 1, 1, 0, 1, 2, 2]]) == [[1, 1, 2]]


def ends_unused(read):
    for blank in (0, 4):
        assert _read(read, [[1] * 5 + [blank, 1, 2, 2]], blank=blank) == [[1, 1, 2]]


def all_frames_used(read):
    for blank, end in ((0, 4), (4, 0)):
        assert _read(read, [[1] * 5 + [blank, 1, 2, end]], blank=blank) == [[1, 1, 2, end]]


def one_line_at_a_time(read):
    for blank, end in ((0, 4), (4, 0)):
        path = [1] * 5 + [blank, 1, 2, end, end, blank, 3]
        assert _read(read, [path], [9], blank) == [[1, 1, 2, end]]


def no_return(read):
    short_runs(read)


# 13.4 ---------------------------------------------------------------------------------------------


def as_it_was(a, b):
    return torch.logaddexp(a, b)


def chosen_afterwards(a, b):
    both = a.isinf() & b.isinf()
    return torch.where(both, a, torch.logaddexp(a, b))


def cleaned_afterwards(a, b):
    return torch.logaddexp(a, b).nan_to_num(nan=-1e30, neginf=-1e30)


def plus_something_small(a, b):
    return (a.exp() + b.exp() + 1e-30).log()


def as_defined(a, b):
    return (a.exp() + b.exp()).log()


def floor_too_high(a, b):
    return torch.logaddexp(a.clamp(min=-1e4), b.clamp(min=-1e4))


def detached(a, b):
    return torch.logaddexp(a.detach(), b.detach())


def larger(a, b):
    return torch.maximum(a.clamp(min=-1e30), b.clamp(min=-1e30))


# 13.5 ---------------------------------------------------------------------------------------------


def _images(*widths):
    chance = torch.Generator().manual_seed(5)
    images = torch.rand(len(widths), 1, 32, max(widths), generator=chance)
    return images, torch.tensor(widths)


def _as_alone(network, images, widths, n, lengths=True, log_probs=True, atol=1e-4):
    beside, beside_lengths = network(images, widths)
    alone, (T,) = network(images[n : n + 1, :, :, : widths[n]], widths[n : n + 1])
    if lengths and beside_lengths[n] != T:
        return False
    return not log_probs or torch.allclose(beside[n, :T], alone[0, :T], rtol=0, atol=atol)


def same_batch_twice(network):
    images, widths = _images(48, 80)
    return torch.allclose(network(images, widths)[0], network(images, widths)[0], atol=1e-4)


def first_line_only(network):
    return _as_alone(network, *_images(48, 80), 0)


def equal_widths(network):
    images, widths = _images(64, 64, 64)
    return all(_as_alone(network, images, widths, n) for n in (0, 1))


def only_lengths(network):
    return all(_as_alone(network, *_images(48, 80), n, log_probs=False) for n in (0, 1))


def only_log_probs(network):
    images, widths = _images(80, 48, 40)
    return all(_as_alone(network, images, widths, n, lengths=False) for n in (1, 0))


def exactly_alike(network):
    return all(_as_alone(network, *_images(48, 80, 40), n, atol=0) for n in (0, 1, 2))


def nothing_returned(network):
    first_line_only(network)
