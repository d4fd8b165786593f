"""How far the article's strips can be read at all: five digits, each read alone.

A strip's digits stand in fixed cells, and each is cut to its own. So a network for single digits,
told where the cells are, reads a strip as well as it can be read without knowing which numbers are
likely. What a reader of whole strips misses beyond that, it misses because it has to find the
digits, too.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from crnn_lib import LineStyle, compose_lines
from crnn_lib.handwriting import Glyphs, LineBatch
from crnn_lib.training import seeded_generator

CELL, DIGITS = 28, 5  # pixels on a side of a cell, cells of a strip
BATCH, POOL = 64, 32  # digits of a step, and steps whose digits are written at once
CHANNELS = ((1, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128))
HALVED = (1, 3, 5)  # convolutions with a stride of 2


class DigitNetwork(nn.Module):
    """Six convolutions and a linear layer: (N, 1, 28, 28) to (N, 10) scores."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n, (i, o) in enumerate(CHANNELS):
            stride = 2 if n in HALVED else 1
            layers += [nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
        side = math.ceil(CELL / 2 ** len(HALVED))
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Dropout(0.4), nn.Linear(CHANNELS[-1][1] * side**2, 10)
        )

    def forward(self, cells: Tensor) -> Tensor:
        return self.layers(cells)


def train_on_cells(glyphs: Glyphs, style: LineStyle, seen: int, seed: int) -> nn.Module:
    """A network that has seen so many digits, each freshly jittered as a strip's are."""
    torch.manual_seed(seed)
    network = DigitNetwork().to(memory_format=torch.channels_last)
    steps, single = seen // BATCH, dataclasses.replace(style, length=(1, 1))
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    average = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998),
        use_buffers=True,
    )
    for pool in range(math.ceil(steps / POOL)):
        cells = compose_lines(glyphs, POOL * BATCH, single, seeded_generator(seed, 9, pool))
        count = min(POOL, steps - POOL * pool)
        images = cells.images.contiguous(memory_format=torch.channels_last).split(BATCH)[:count]
        for batch, labels in zip(images, cells.targets[:, 0].split(BATCH), strict=False):
            optimizer.zero_grad()
            functional.cross_entropy(network(batch), labels - 1).backward()  # class 0 is the blank
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
    return average.module.eval()


@torch.no_grad()
def exact_match_of_cells(network: nn.Module, strips: LineBatch) -> float:
    """Share of the strips of which all five cells are read right."""
    cells = strips.images.unflatten(3, (DIGITS, CELL)).permute(0, 3, 1, 2, 4)  # (N, 5, 1, 28, 28)
    labels = torch.cat([network(part).argmax(1) for part in cells.flatten(0, 1).split(1000)])
    return (labels.view(-1, DIGITS) == strips.targets - 1).all(1).double().mean().item()
