"""Reading by cutting: the classical way, in which a line is taken apart before it is read.

One function for each step: find the connected pieces of ink, join the parts of broken digits,
split what is too wide for one digit, bring each piece into MNIST's form, name it. It is made with
care, because notebook 01 compares it with a network that never cuts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from skimage.measure import label, regionprops
from skimage.segmentation import expand_labels
from torch import Tensor, nn
from torch.nn import functional as F

from crnn_lib.handwriting import SIZE, Glyphs, LineBatch, LineStyle, compose_lines

LEVEL = 0.5  # a pixel at least this bright is ink; what is fainter is the edge of a stroke
SPECK = 6  # pixels; smaller pieces are dirt
BROKEN = 0.48  # share of the height of the line's tallest piece; what is lower is part of a digit
WIDE = 1.2  # width over height; one digit is rarely wider
TYPICAL = 0.74  # width over height, on average
SEARCH = 0.3  # share of a digit's width; so far from equal parts a cut looks for a valley
BOX = 20  # pixels; MNIST's digits fill a square of this side


@dataclass(frozen=True, eq=False)
class Cut:
    """What cutting makes of a line.

    Attributes
    ----------
    components : ndarray, (H, W), int
        The number of each ink pixel's connected piece, from 1; 0 is background.
    joined : ndarray, (H, W), int
        The same after parts of broken digits are joined.
    pieces : ndarray, (H, W), int
        And after wide ones are split, numbered from left to right: to be read as digits.
    columns : tuple of int
        Where wide pieces were split: the first column of what lies to the right.
    """

    components: np.ndarray
    joined: np.ndarray
    pieces: np.ndarray
    columns: tuple[int, ...]


def column_profile(image) -> np.ndarray:
    """Ink pixels of each column: (H, W) -> (W,).

    >>> column_profile(np.array([[0.9, 0.0, 0.7], [0.8, 0.1, 0.0]])).tolist()
    [2, 0, 1]
    """
    return (_one_line(image) >= LEVEL).sum(0)


def _one_line(image) -> np.ndarray:
    line = np.asarray(image)
    if line.ndim != 2 or line.dtype.kind not in "biuf":
        raise ValueError(
            f"A line is one image, (H, W), of numbers in [0, 1]; got {line.dtype}, {line.shape}. "
            "Of a LineBatch it is lines.images[n, 0]."
        )
    return line


def find_components(image, *, speck: int = SPECK) -> np.ndarray:
    """Connected pieces of ink, numbered from 1: (H, W) -> (H, W).

    Pixels that share a side or a corner are connected. Pieces of fewer than ``speck`` pixels are
    left out.

    >>> find_components(np.array([[1, 0, 0, 1], [0, 1, 0, 1.0]]), speck=1).tolist()
    [[1, 0, 0, 2], [0, 1, 0, 2]]
    """
    found = label(_one_line(image) >= LEVEL, connectivity=2)
    kept = np.bincount(found.ravel()) >= speck
    kept[0] = False
    return (np.cumsum(kept) * kept)[found]


def join_parts(components: np.ndarray) -> np.ndarray:
    """Give each low piece to the tall one whose ink is nearest: (H, W) -> (H, W).

    Digits of a line are about equally high. A piece that is much lower is the bar of a 5 or some
    other part that the pen left apart.
    """
    found = regionprops(components)
    tallest = max((p.image.shape[0] for p in found), default=0)
    low = [p for p in found if p.image.shape[0] < BROKEN * tallest]
    tall = [p for p in found if p.image.shape[0] >= BROKEN * tallest]
    joined = components.copy()
    for part in low:
        nearest = min(tall, key=lambda other: _distance(part.coords, other.coords))
        joined[components == part.label] = nearest.label
    return joined


def _distance(a: np.ndarray, b: np.ndarray) -> int:
    """Square of the least distance between two sets of pixels, (P, 2) and (Q, 2)."""
    return int(((a[:, None] - b) ** 2).sum(-1).min())


def split_wide(joined: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """Split pieces that are too wide for one digit at the valleys of their profile.

    The width says how many digits there are. Each cut begins where equal parts would have it, and
    looks near by for the column with least ink.

    Returns
    -------
    pieces : ndarray, (H, W), int
        Numbered from left to right.
    columns : tuple of int
    """
    found = regionprops(joined)
    height = np.median([p.image.shape[0] for p in found]) if found else 1.0
    parts, columns = [], []  # each part: its middle, and its pixels
    for piece in found:
        _, left, _, right = piece.bbox
        shape = (right - left) / height
        count = max(2, round(shape / TYPICAL)) if shape > WIDE else 1
        cuts = find_valleys(piece.image.sum(0), count)
        edges = [left, *(left + cut for cut in cuts), right]
        for start, end in zip(edges, edges[1:], strict=False):
            mask = joined == piece.label
            mask[:, :start] = mask[:, end:] = False
            if mask.any():  # a cut through the gap beside a joined part may leave nothing
                parts.append((np.nonzero(mask)[1].mean(), mask))
        columns += edges[1:-1]
    pieces = np.zeros_like(joined)
    for number, (_, mask) in enumerate(sorted(parts, key=lambda part: part[0]), 1):
        pieces[mask] = number
    return pieces, tuple(sorted(columns))


def find_valleys(profile, count: int) -> list[int]:
    """Where to cut a profile into so many parts: the column with least ink near each equal part.

    >>> find_valleys([3, 4, 4, 1, 4, 4, 4, 3], 2)
    [3]
    """
    profile = np.asarray(profile)
    part = len(profile) / count
    reach, cuts = max(1, int(SEARCH * part)), []
    for k in range(1, count):
        middle = round(k * part)
        low, high = max(middle - reach, 1), min(middle + reach + 1, len(profile))
        near = np.arange(low, high)
        # of equally deep columns the one nearest to the middle
        cuts.append(int(min(near, key=lambda c: (profile[c], abs(c - middle)))))
    return cuts


def cut_line(image) -> Cut:
    """Take a line apart: (H, W) in [0, 1], ink bright."""
    components = find_components(image)
    joined = join_parts(components)
    pieces, columns = split_wide(joined)
    return Cut(components, joined, pieces, columns)


def boxes_of(image, pieces: np.ndarray) -> Tensor:
    """The pieces of a line in MNIST's form: (M, 28, 28).

    Each keeps its proportions, fills a square of 20 pixels, and has its centre of mass in the
    middle. The faint edges of a stroke belong to the nearest piece.
    """
    image = _one_line(image).astype(np.float32)
    owner = expand_labels(pieces, distance=1.5)
    count = int(pieces.max(initial=0))
    masks = np.arange(1, count + 1)[:, None, None]
    return normalise_digits(torch.from_numpy(image * (owner == masks)))


def normalise_digits(inks: Tensor) -> Tensor:
    """Scale and centre the ink of images as MNIST's was: (M, H, W) -> (M, 28, 28)."""
    count, height, width = inks.shape
    if not count:
        return inks.new_zeros(0, SIZE, SIZE)
    inside = inks >= LEVEL
    extents = []
    for axis in (1, 2):  # over rows: which columns have ink; over columns: which rows
        there = inside.any(axis).int()  # (M, W) or (M, H)
        first, last = there.argmax(1), there.shape[1] - there.flip(1).argmax(1)
        extents.append((last - first).clamp_min(1))
    sides = torch.stack(extents).amax(0).to(inks.dtype)
    scale = sides / BOX  # (M,) pixels of the line per pixel of the box
    mass = inks.sum((1, 2)).clamp_min(1e-6)
    centres = [
        (inks.sum(axis) * torch.arange(n)).sum(1) / mass for axis, n in ((1, width), (2, height))
    ]
    steps = torch.arange(SIZE, dtype=inks.dtype) - (SIZE - 1) / 2
    across, down = (c[:, None] + scale[:, None] * steps for c in centres)  # (M, 28)
    grid = torch.stack(
        [
            ((2 * across + 1) / width - 1)[:, None].expand(-1, SIZE, -1),
            ((2 * down + 1) / height - 1)[:, :, None].expand(-1, -1, SIZE),
        ],
        -1,
    )  # (M, 28, 28, 2)
    return F.grid_sample(inks[:, None], grid, align_corners=False)[:, 0]  # (M, 28, 28)


class DigitNet(nn.Sequential):
    """A small convolutional network that names single digits: (M, 28, 28) -> (M, 10)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Unflatten(1, (1, SIZE)),
            *_convolved(1, 16, 5, 2),  # (M, 16, 14, 14)
            *_convolved(16, 32, 3, 1),
            nn.MaxPool2d(2),  # (M, 32, 7, 7)
            *_convolved(32, 48, 3, 1),
            nn.MaxPool2d(2),  # (M, 48, 3, 3)
            nn.Flatten(),
            nn.Linear(48 * 9, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )


def _convolved(before: int, after: int, kernel: int, stride: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(after), nn.ReLU()


def train_digit_net(
    glyphs: Glyphs,
    generator: torch.Generator,
    *,
    style: LineStyle | None = None,
    count: int = 6_000,
    epochs: int = 3,
) -> DigitNet:
    """Train a network on single digits, written in a line's style and brought into MNIST's form.

    Parameters
    ----------
    glyphs : Glyphs
    generator : torch.Generator
        Draws the digits, their augmentation, their order and the first weights.
    style : LineStyle, optional
        How they are written: turned, slanted, thick or thin.
    count, epochs : int
        How many digits, and how often each is shown.
    """
    style = replace(style or LineStyle(), length=(1, 1))
    lines = compose_lines(glyphs, count, style, generator)
    if set(glyphs.characters) - set("0123456789"):
        raise ValueError(
            f"A DigitNet names digits, and these glyphs are {glyphs.characters!r:.80}. Take the "
            'digits among them: glyphs.only("0123456789").'
        )
    boxes = normalise_digits(lines.images[:, 0])  # (M, 28, 28)
    digits = torch.tensor([int(text) for text in lines.texts])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        network = DigitNet().float()
    steps = epochs * -(-count // 64)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
    for _ in range(epochs):
        for batch in torch.randperm(count, generator=generator).split(64):
            loss = F.cross_entropy(network(boxes[batch]), digits[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


class CutReader:
    """Reads lines by cutting them."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    @torch.no_grad()
    def read(self, lines: LineBatch) -> list[str]:
        """The text of each line."""
        boxes = []
        for image, width in zip(lines.images[:, 0].numpy(), lines.widths.tolist(), strict=True):
            image = image[:, :width]
            boxes.append(boxes_of(image, cut_line(image).pieces))
        digits = self.network(torch.cat(boxes)).argmax(1).tolist() if boxes else []
        texts, at = [], 0
        for line in boxes:
            texts.append("".join(map(str, digits[at : at + len(line)])))
            at += len(line)
        return texts
