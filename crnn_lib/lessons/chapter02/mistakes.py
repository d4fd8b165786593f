"""Wrong answers to the exercises of notebook 02, as people give them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def whole_windows_only(width, window, stride):
    return 1 + max(width - window, 0) // stride


def no_narrow_lines(width, window, stride):
    return 1 + math.ceil((width - window) / stride)


def none_for_narrow_lines(width, window, stride):
    return 0 if width < window else 1 + math.ceil((width - window) / stride)


def windows_without_width(width, window, stride):
    return math.ceil(width / stride)


def steps_without_width(width, window, stride):
    return max(width // stride, 1)


def without_the_first(width, window, stride):
    return math.ceil(max(width - window, 0) / stride)


def side_by_side(width, window, stride):
    return math.ceil(width / window)


def whole_ones_side_by_side(width, window, stride):
    return width // window


def one_too_many(width, window, stride):
    return 2 + max(width - window, 0) // stride


def changed_places(width, window, stride):
    return 1 + math.ceil(max(width - stride, 0) / window)


def end_included(frame, width, window, stride):
    return frame * stride, min(frame * stride + window, width) - 1


def beyond_the_line(frame, width, window, stride):
    return frame * stride, frame * stride + window


def last_column_lost(frame, width, window, stride):
    return frame * stride, min(frame * stride + window, width - 1)


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


def pushed_back(frame, width, window, stride):
    start = max(min(frame * stride, width - window), 0)
    return start, min(start + window, width)


def to_the_end(frame, width, window, stride):
    return frame * stride, width


def columns_from_one(frame, width, window, stride):
    return frame * stride + 1, min(frame * stride + window, width) + 1


def always_the_first(frame, width, window, stride):
    return 0, min(window, width)


def start_only(frame, width, window, stride):
    return frame * stride


def every_column(frame, width, window, stride):
    return list(range(frame * stride, min(frame * stride + window, width)))


def centred_anywhere(frame, width, window, stride):
    return frame * stride - window // 2, frame * stride + window // 2


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


class Probabilities(CarryingReader):
    def forward(self, columns):
        return self.classify(self.rnn(columns)[0]).softmax(-1)


class OverTheFrames(CarryingReader):
    def forward(self, columns):
        return self.classify(self.rnn(columns)[0]).log_softmax(1)


class OneAnswerForTheLine(CarryingReader):
    def forward(self, columns):
        return self.classify(self.rnn(columns)[1][0]).log_softmax(-1)


class LastStateEverywhere(CarryingReader):
    def forward(self, columns):
        states, _ = self.rnn(columns)
        return self.classify(states[:, -1:].expand_as(states)).log_softmax(-1)


class ByChance(CarryingReader):
    def forward(self, columns):
        state = torch.randn(1, len(columns), self.rnn.hidden_size)
        return self.classify(self.rnn(columns, state)[0]).log_softmax(-1)


class NewNetwork(CarryingReader):
    def forward(self, columns):
        rnn = nn.GRU(columns.shape[-1], self.rnn.hidden_size, batch_first=True)
        return self.classify(rnn(columns)[0]).log_softmax(-1)


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


def never_joined(rightwards, leftwards, columns):
    return rightwards(columns)[0], leftwards(columns.flip(1))[0].flip(1)


def along_a_new_dimension(rightwards, leftwards, columns):
    return torch.stack([rightwards(columns)[0], leftwards(columns.flip(1))[0].flip(1)], -1)


def averaged(rightwards, leftwards, columns):
    return (rightwards(columns)[0] + leftwards(columns.flip(1))[0].flip(1)) / 2


def last_states(rightwards, leftwards, columns):
    return torch.cat([rightwards(columns)[1], leftwards(columns.flip(1))[1]], -1)


def rightwards_twice(rightwards, leftwards, columns):
    return torch.cat([rightwards(columns)[0], rightwards(columns.flip(1))[0].flip(1)], 2)


def leftwards_twice(rightwards, leftwards, columns):
    return torch.cat([leftwards(columns)[0], leftwards(columns.flip(1))[0].flip(1)], 2)


def features_reversed_and_back(rightwards, leftwards, columns):
    return torch.cat([rightwards(columns)[0], leftwards(columns.flip(2))[0].flip(2)], 2)


def state_reversed_too(rightwards, leftwards, columns):
    return torch.cat([rightwards(columns)[0], leftwards(columns.flip(1))[0].flip(1, 2)], 2)


def all_turned_back(rightwards, leftwards, columns):
    return torch.cat([rightwards(columns)[0], leftwards(columns.flip(1))[0].flip(1)], 2).flip(1)
