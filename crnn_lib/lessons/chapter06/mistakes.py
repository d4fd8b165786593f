"""Wrong answers to the exercises of notebook 06, as people give them."""

from __future__ import annotations

import math

import torch
from torch import nn

from crnn_lib.lessons.chapter06.network import Layers, erase, frames_of, recur

# 6.1 ----------------------------------------------------------------------------------------------


def divided(width, strides, padding):
    return width // math.prod(strides)


def divided_and_rounded_up(width, strides, padding):
    return math.ceil(width / math.prod(strides))


def padded_on_one_side(width, strides, padding):
    for stride in strides:
        width = (width + padding - 3) // stride + 1
    return width


def never_padded(width, strides, padding):
    for stride in strides:
        width = (width - 3) // stride + 1
    return width


def first_place_forgotten(width, strides, padding):
    for stride in strides:
        width = (width + 2 * padding - 3) // stride
    return width


def rounded_up(width, strides, padding):
    for stride in strides:
        width = math.ceil((width + 2 * padding - 3) / stride) + 1
    return width


def strides_at_the_end(width, strides, padding):
    for _ in strides:
        width = width + 2 * padding - 2
    return math.ceil(width / math.prod(strides))


# 6.2 ----------------------------------------------------------------------------------------------


def side_by_side(x):  # (N, C', H', T) -> (N, T, C' * H'): the frames, as they should be
    return x.permute(0, 3, 1, 2).flatten(2)


class Steps(Layers):
    """The right answer in three steps, to be broken one by one."""

    def frames(self, images):  # (N, T, F)
        return side_by_side(self.look(images))

    def scores(self, images):  # (N, T, C)
        return self.classify(self.remember(self.frames(images))[0])

    def forward(self, images):
        return self.scores(images).log_softmax(-1)


class Reshaped(Steps):
    def frames(self, images):
        x = self.look(images)
        return x.reshape(x.shape[0], x.shape[3], -1)


class Mixed(Steps):
    def frames(self, images):
        x = self.look(images)
        return x.reshape(x.shape[3], x.shape[0], -1).transpose(0, 1)


class RowsFirst(Steps):
    def frames(self, images):
        return self.look(images).permute(0, 3, 2, 1).flatten(2)


class RowsAveraged(Steps):
    def frames(self, images):
        return self.look(images).mean(2).transpose(1, 2)


class TupleKept(Steps):
    def scores(self, images):
        return self.classify(self.remember(self.frames(images)))


class LastState(Steps):
    def scores(self, images):
        return self.classify(self.remember(self.frames(images))[0][:, -1])


class StatesReturned(Steps):
    def scores(self, images):
        return self.remember(self.frames(images))[0]


class Scores(Steps):
    def forward(self, images):
        return self.scores(images)


class Probabilities(Steps):
    def forward(self, images):
        return self.scores(images).softmax(-1)


class OverTheFrames(Steps):
    def forward(self, images):
        return self.scores(images).log_softmax(1)


class OverTheLines(Steps):
    def forward(self, images):
        return self.scores(images).log_softmax(0)


class TimeFirst(Steps):
    def forward(self, images):
        return super().forward(images).transpose(0, 1)


class TimeFirstInside(Steps):
    def frames(self, images):
        return self.look(images).permute(3, 0, 1, 2).flatten(2)


class TimeFirstAndBack(TimeFirstInside):
    def forward(self, images):
        return super().forward(images).transpose(0, 1)


# 6.3 ----------------------------------------------------------------------------------------------


def poke(images, x):
    poked = images.clone()
    poked[0, :, :, x] += 1
    return poked


def differ(columns, images, poked):  # (N, T, F)
    return columns(poked) != columns(images)


def not_cloned(columns, images, x):
    images[0, :, :, x] += 1
    return differ(columns, images, images).any(2)


def blackened(columns, images, x):
    poked = images.clone()
    poked[0, :, :, x] = 0
    return differ(columns, images, poked).any(2)


def all_lines_poked(columns, images, x):
    poked = images.clone()
    poked[:, :, :, x] += 1
    return differ(columns, images, poked).any(2)


def row_poked(columns, images, x):
    poked = images.clone()
    poked[0, :, x] += 1
    return differ(columns, images, poked).any(2)


def all_numbers(columns, images, x):
    return differ(columns, images, poke(images, x)).all(2)


def summed(columns, images, x):
    return (columns(poke(images, x)) - columns(images)).sum(2).abs() > 1e-4


def first_number(columns, images, x):
    return differ(columns, images, poke(images, x))[..., 0]


def line_0_only(columns, images, x):
    return differ(columns, images, poke(images, x)).any(2)[0]


def every_number_told(columns, images, x):
    return differ(columns, images, poke(images, x))


def other_axis(columns, images, x):
    return differ(columns, images, poke(images, x)).any(1)


def unmoved(columns, images, x):
    return ~differ(columns, images, poke(images, x)).any(2)


# 6.4 ----------------------------------------------------------------------------------------------


def loss_of(network, lines, lengths=None, training=True, **options):
    log_probs = network.train(training)(lines.images).transpose(0, 1)
    lengths = frames_of(lines.widths) if lengths is None else lengths
    return nn.CTCLoss(**options)(log_probs, lines.targets, lengths, lines.target_lengths)


def step(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def gradients_kept(network, optimizer, lines):
    loss = loss_of(network, lines)
    loss.backward()
    optimizer.step()
    return loss.item()


def gradients_dropped(network, optimizer, lines):
    loss = loss_of(network, lines)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


def never_stepped(network, optimizer, lines):
    loss = loss_of(network, lines)
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


def stepped_first(network, optimizer, lines):
    loss = loss_of(network, lines)
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


def uphill(network, optimizer, lines):
    return -step(optimizer, -loss_of(network, lines))


def in_eval_mode(network, optimizer, lines):
    return step(optimizer, loss_of(network, lines, training=False))


def summed_up(network, optimizer, lines):
    return step(optimizer, loss_of(network, lines, reduction="sum"))


def longest_for_all(network, optimizer, lines):
    lengths = torch.full_like(lines.widths, (lines.images.shape[-1] + 3) // 4)
    return step(optimizer, loss_of(network, lines, lengths))


def widths_for_frames(network, optimizer, lines):
    return step(optimizer, loss_of(network, lines, lines.widths))


def lengths_swapped(network, optimizer, lines):
    log_probs, lengths = network.train()(lines.images).transpose(0, 1), frames_of(lines.widths)
    loss = nn.CTCLoss()(log_probs, lines.targets, lines.target_lengths, lengths)
    return step(optimizer, loss)


def tensor_returned(network, optimizer, lines):
    loss = loss_of(network, lines)
    step(optimizer, loss)
    return loss


def rounded_down(network, optimizer, lines):
    return step(optimizer, loss_of(network, lines, lines.widths // 4))


def not_transposed(network, optimizer, lines):
    lengths = frames_of(lines.widths)
    log_probs = network.train()(lines.images)
    loss = nn.CTCLoss()(log_probs, lines.targets, lengths, lines.target_lengths)
    return step(optimizer, loss)


def blank_last(network, optimizer, lines):
    return step(optimizer, loss_of(network, lines, blank=10))


def softmax_again(network, optimizer, lines):
    lengths = frames_of(lines.widths)
    probabilities = network.train()(lines.images).exp().transpose(0, 1)
    loss = nn.CTCLoss()(probabilities, lines.targets, lengths, lines.target_lengths)
    return step(optimizer, loss)


# 6.5 ----------------------------------------------------------------------------------------------


class Ignored(Layers):
    def forward(self, images, widths):
        frames = side_by_side(self.look(images))
        states, _ = self.remember(frames)
        return self.classify(states).log_softmax(-1), frames_of(widths)


class OnlyImages(Layers):
    def forward(self, images, widths):
        frames = side_by_side(self.look(erase(images, widths)))
        states = recur(self.remember, frames, frames_of(widths))
        return self.classify(states).log_softmax(-1), frames_of(widths)


class OnlyTheEnd(Layers):
    def forward(self, images, widths):
        widths = frames_of(widths)
        frames = side_by_side(erase(self.look(images), widths))
        states, _ = self.remember(frames)
        return self.classify(states).log_softmax(-1), widths


class BothEnds(Layers):
    def forward(self, images, widths):
        x = self.look(erase(images, widths))
        widths = frames_of(widths)
        frames = side_by_side(erase(x, widths))
        states, _ = self.remember(frames)
        return self.classify(states).log_softmax(-1), widths


def through_blocks(blocks, x, widths):
    """Block by block, the padding erased after each: what comes out, and how wide each line is."""
    for block, stride in zip(blocks, (2, 2, 1), strict=True):
        widths = (widths - 1) // stride + 1
        x = erase(block(x), widths)
    return x, widths


class NotImages(Layers):
    def forward(self, images, widths):
        x, widths = through_blocks(self.look, images, widths)
        states = recur(self.remember, side_by_side(x), widths)
        return self.classify(states).log_softmax(-1), widths


class NotPacked(Layers):
    def forward(self, images, widths):
        x, widths = through_blocks(self.look, erase(images, widths), widths)
        states, _ = self.remember(side_by_side(x))
        return self.classify(states).log_softmax(-1), widths


class OnlyPacked(Layers):
    def forward(self, images, widths):
        frames = side_by_side(self.look(images))
        states = recur(self.remember, frames, frames_of(widths))
        return self.classify(states).log_softmax(-1), frames_of(widths)


class PixelsForFrames(Layers):
    def forward(self, images, widths):
        x = erase(images, widths)
        for block in self.look:
            x = erase(block(x), widths)
        states = recur(self.remember, side_by_side(x), frames_of(widths))
        return self.classify(states).log_softmax(-1), frames_of(widths)


class RoundedDown(Layers):
    def forward(self, images, widths):
        x = erase(images, widths)
        for block, stride in zip(self.look, (2, 2, 1), strict=True):
            widths = widths // stride
            x = erase(block(x), widths)
        states = recur(self.remember, side_by_side(x), widths)
        return self.classify(states).log_softmax(-1), widths


class WidthsReturned(Layers):
    def forward(self, images, widths):
        x, own = through_blocks(self.look, erase(images, widths), widths)
        states = recur(self.remember, side_by_side(x), own)
        return self.classify(states).log_softmax(-1), widths


class NoLengths(Layers):
    def forward(self, images, widths):
        x, widths = through_blocks(self.look, erase(images, widths), widths)
        return self.classify(recur(self.remember, side_by_side(x), widths)).log_softmax(-1)


# 6.6 ----------------------------------------------------------------------------------------------


def settle(network, batches, *, reset=True, momentum=None, train=True, finish=True):
    """The right answer, each step of which can be left out; torch's own momentum is 0.1."""
    for norm in norms_of(network):
        if reset:
            norm.reset_running_stats()
        norm.momentum = momentum
    network.train(train)
    look_at(network, batches)
    if finish:
        network.eval()


def norms_of(network):
    return [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]


def look_at(network, batches):
    with torch.no_grad():
        for images in batches:
            network(images)


def never_reset(network, batches):
    settle(network, batches, reset=False, momentum=0.1)


def plain_but_not_reset(network, batches):
    settle(network, batches, reset=False)


def momentum_kept(network, batches):
    settle(network, batches, momentum=0.1)


def last_batch_only(network, batches):
    settle(network, batches, momentum=1.0)


def looked_in_eval_mode(network, batches):
    settle(network, batches, train=False)


def nothing_looked_at(network, batches):
    network.eval()


def left_in_train_mode(network, batches):
    settle(network, batches, finish=False)


def reset_each_time(network, batches):
    for images in batches:
        settle(network, [images])
