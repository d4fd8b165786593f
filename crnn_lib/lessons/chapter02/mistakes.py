"""Wrong answers to the exercises of notebook 02, as people give them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def whole_windows_only(width, window, stride):
    return 1 + max(width - window, 0) // stride


def no_narrow_lines(width, window, stride):
    return 1 + math.ceil((width - window) / stride)


def windows_without_width(width, window, stride):
    return math.ceil(width / stride)


def steps_without_width(width, window, stride):
    return max(width // stride, 1)


def without_the_first(width, window, stride):
    return math.ceil(max(width - window, 0) / stride)


def side_by_side(width, window, stride):
    return math.ceil(width / window)


def end_included(frame, width, window, stride):
    return frame * stride, min(frame * stride + window, width) - 1


def beyond_the_line(frame, width, window, stride):
    return frame * stride, frame * stride + window


def steps_of_a_window(frame, width, window, stride):
    return frame * window, min((frame + 1) * window, width)


def as_wide_as_the_stride(frame, width, window, stride):
    return frame * stride, min((frame + 1) * stride, width)


def frames_from_one(frame, width, window, stride):
    return (frame - 1) * stride, min((frame - 1) * stride + window, width)


def start_and_length(frame, width, window, stride):
    return frame * stride, min(window, width - frame * stride)


def centred(frame, width, window, stride):
    start = frame * stride - window // 2
    return max(start, 0), min(start + window, width)


class CarryingReader(nn.Module):
    """Reads columns from left to right. Exercise 2.3 is to find what is wrong with it."""

    def __init__(self, height: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(height, hidden, batch_first=True)
        self.classify = nn.Linear(hidden, classes)
        self.state = None

    def forward(self, columns: Tensor) -> Tensor:  # (N, T, height)
        states, state = self.rnn(columns, self.state)  # (N, T, hidden)
        self.state = state.detach()  # the next gradient ends here
        return self.classify(states).log_softmax(-1)  # (N, T, C)


class FreshForOtherSizes(CarryingReader):
    def forward(self, columns):
        if self.state is not None and self.state.shape[1] != len(columns):
            self.state = None
        return super().forward(columns)


class FreshInEvaluation(CarryingReader):
    def forward(self, columns):
        if not self.training:
            self.state = None
        return super().forward(columns)


class FreshForEachColumn(CarryingReader):
    def forward(self, columns):
        states = [self.rnn(columns[:, t : t + 1])[0] for t in range(columns.shape[1])]
        return self.classify(torch.cat(states, 1)).log_softmax(-1)


class FromLineToLine(CarryingReader):
    def forward(self, columns):
        state, lines = None, []
        for line in columns:
            states, state = self.rnn(line[None], state)
            lines.append(states)
        return self.classify(torch.cat(lines)).log_softmax(-1)


class WithoutGradients(CarryingReader):
    @torch.no_grad()
    def forward(self, columns):
        return self.classify(self.rnn(columns)[0]).log_softmax(-1)


class StatesDetached(CarryingReader):
    def forward(self, columns):
        return self.classify(self.rnn(columns)[0].detach()).log_softmax(-1)


class WithoutLogSoftmax(CarryingReader):
    def forward(self, columns):
        return self.classify(self.rnn(columns)[0])


def never_reversed(rightwards, leftwards, columns):
    return torch.cat([rightwards(columns)[0], leftwards(columns)[0]], 2)


def not_turned_back(rightwards, leftwards, columns):
    return torch.cat([rightwards(columns)[0], leftwards(columns.flip(1))[0]], 2)


def only_turned_back(rightwards, leftwards, columns):
    return torch.cat([rightwards(columns)[0], leftwards(columns)[0].flip(1)], 2)


def batch_reversed(rightwards, leftwards, columns):
    return torch.cat([rightwards(columns)[0], leftwards(columns.flip(0))[0].flip(0)], 2)


def features_reversed(rightwards, leftwards, columns):
    return torch.cat([rightwards(columns)[0], leftwards(columns.flip(2))[0].flip(1)], 2)


def one_after_the_other(rightwards, leftwards, columns):
    return torch.cat([rightwards(columns)[0], leftwards(columns.flip(1))[0].flip(1)], 1)


def added(rightwards, leftwards, columns):
    return rightwards(columns)[0] + leftwards(columns.flip(1))[0].flip(1)


def leftwards_first(rightwards, leftwards, columns):
    return torch.cat([leftwards(columns.flip(1))[0].flip(1), rightwards(columns)[0]], 2)


def networks_swapped(rightwards, leftwards, columns):
    return torch.cat([leftwards(columns)[0], rightwards(columns.flip(1))[0].flip(1)], 2)


def carried_over(rightwards, leftwards, columns):
    states, last = rightwards(columns)
    return torch.cat([states, leftwards(columns.flip(1), last)[0].flip(1)], 2)


def one_on_the_other(rightwards, leftwards, columns):
    states = rightwards(columns)[0]
    return torch.cat([states, leftwards(states.flip(1))[0].flip(1)], 2)


def last_state_only(rightwards, leftwards, columns):
    left = leftwards(columns.flip(1))[1].transpose(0, 1)
    return torch.cat([rightwards(columns)[0], left.expand(-1, columns.shape[1], -1)], 2)
