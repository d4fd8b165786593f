"""What notebook 06 types before its exercises: a network without its ``forward``."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from crnn_lib.handwriting import LineBatch


def block(inputs, outputs, stride):
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
    return nn.Sequential(convolution, nn.ReLU(), nn.BatchNorm2d(outputs))


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.look = nn.Sequential(
            block(1, 16, (2, 2)),
            block(16, 32, (2, 2)),
            block(32, 48, (2, 1)),
        )
        self.remember = nn.GRU(48 * 4, 64, batch_first=True, bidirectional=True)
        self.classify = nn.Linear(2 * 64, 11)


def frames_of(widths):  # (N,)
    for stride in (2, 2, 1):  # across, of the three blocks
        widths = (widths - 1) // stride + 1
    return widths


def erase(x, widths):  # (N, C', H', W'): 0 in all columns beyond a line's width
    inside = torch.arange(x.shape[-1]) < widths[:, None, None, None]
    return torch.where(inside, x, 0.0)


def recur(rnn, frames, lengths):  # (N, T, F): each line starts and ends at its own borders
    packed = pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
    states, _ = rnn(packed)
    return pad_packed_sequence(states, batch_first=True, total_length=frames.shape[1])[0]


def pad(lines: LineBatch, columns: int, old_ink: bool) -> LineBatch:
    """The lines with more columns on the right: black, or with the ink of another of the lines."""
    images = nn.functional.pad(lines.images, (0, columns))
    beyond = torch.arange(images.shape[-1]) - lines.widths[:, None]  # (N, W)
    ink = images.roll(1, 0)[:, 0].gather(2, beyond.clamp_min(0)[:, None].expand_as(images[:, 0]))
    padding = ink[:, None] if old_ink else torch.zeros_like(images)
    return replace(lines, images=torch.where(beyond[:, None, None] >= 0, padding, images))
