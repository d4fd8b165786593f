"""Pieces of lines, from the maps that a detector makes of a page.

A detector says for each small cell of a page what is there: the middle of a line of digits, of
words, the gap between two lines, print; and which way the writing runs and how high it is.
Connected cells are a piece of a line, pieces in a row are joined, and what runs across a table's
rule is parted (Zhou et al. 2017, "EAST", and Liao et al. 2020, "DB", find words in scenes from
such maps).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from crnn_lib.photos.places import Place

CELL = 4  #: pixels of the page for one cell of the maps, along and across
CORE = 0.5  # probability from which a cell belongs to a line
PARTED = 0.45  # probability from which a cell parts two lines
LEAST_CELLS = 2  # of a piece of a line
FIRM = 0.5  # length of the mean of a piece's directions from which it is believed
ELONGATED = 3.0  # times the variance across a piece: that along it, from which its cells show it
OBLONG = 1.3  # heights: how long it must be for that, for a single digit is higher than wide
BODY = 0.6  # of a line's height: how high its cells reach
TRUSTED = 2.0  # times what its cells say: a height that differs more is theirs
GAP = 0.7  # heights of a line: pieces no further apart may be one line
MOSTLY = 0.35  # share of a line by hand, from which on the rest of it is by hand, too
LEVEL = 0.35  # heights: how far pieces of one line may stand above each other
ALIKE = 0.6  # the lower piece's height as a share of the higher one's
STEEP = 20.0  # degrees between the directions of two pieces of one line
LONG = 2.0  # heights: from this length on, a piece's own cells say which way it runs
SAME_HEIGHT = 0.25  # in the logarithm: how far the heights of a page's numbers differ
FEW = 1.5  # the others of a page say less of a line where they are fewer than three sure ones
RULED = 0.7  # of a line's height, and beyond it: marks so high across it are a rule of a table
BEYOND = 1.25  # heights from a line's middle to where a table's rule still is, above or below
SLIVER = 0.7  # heights: what of a line is beyond such a rule and shorter than that, is blurred
UPRIGHT, THICK = 0.5, 3.0  # of a line's height, or cells: no rule across it is thicker
ASIDE = 8.0  # heights: how far beyond a line's ends another rule is looked for
FEWEST = 6  # numbers of a table, be it ruled or not
RARELY = 0.25  # of a table's numbers: more of them than that are not taken for print
HINT = 0.1  # probability of a number that some cell of what is taken for print must have
AMONG = 0.45  # in the logarithm: how far the heights of a table's numbers differ
AWAY = 12.0, 6.0  # heights: the next cell of a table is no further away, along and across
SAME_LINE = 0.5  # heights: how far numbers of one row stand above each other
COMMON = 0.3  # of the shorter one: so much of their length numbers of one column share
GRID = 1.6  # heights: cells of a grid, whose rules go on above or below its row
ROW = 1.3, 2.0  # heights from a line's middle: so far away, the row above or below is ruled
WIDE = 1.69  # heights: cells of tables and grids are no narrower; boxes of a digit and squares are


@dataclass(frozen=True, eq=False)
class Piece:
    """Connected cells of one line: their middles (M, 2), and what the maps say there."""

    points: np.ndarray
    weights: np.ndarray  # (M, 2): the probabilities of number and of word
    direction: np.ndarray  # (2,): a unit vector
    height: float  # in cells
    axis: np.ndarray = field(init=False)  # (2,): the direction as its cells show it
    start: float = field(init=False)  # its ends along the axis, and its middle across it, in cells
    end: float = field(init=False)
    level: float = field(init=False)

    def __post_init__(self) -> None:
        along = self.points @ self.direction
        across = self.points @ [-self.direction[1], self.direction[0]]
        slope = 0.0
        if np.ptp(along) > LONG * self.height:
            slope = float(np.polynomial.polynomial.polyfit(along, across, 1)[1])
            slope = min(max(slope, -0.4), 0.4)
        turned = self.direction + slope * np.array([-self.direction[1], self.direction[0]])
        axis = turned / np.linalg.norm(turned)
        along = self.points @ axis
        across = self.points @ [-axis[1], axis[0]]
        # a cell reaches half a cell beyond its middle
        object.__setattr__(self, "axis", axis)
        object.__setattr__(self, "start", float(along.min()) - 0.5)
        object.__setattr__(self, "end", float(along.max()) + 0.5)
        object.__setattr__(self, "level", (float(across.min()) + float(across.max())) / 2)

    def at(self, along: float) -> np.ndarray:
        """A point of its middle line."""
        return along * self.axis + self.level * np.array([-self.axis[1], self.axis[0]])

    def place(self) -> Place:
        """Its band, in cells."""
        degrees = math.degrees(math.atan2(self.axis[1], self.axis[0]))
        half = self.height / 2
        return Place(self.start, self.end, self.level - half, self.level + half, degrees)


def pieces_of(maps: Mapping[str, np.ndarray], core: float) -> list[Piece]:
    """The lines of a page: what is connected, then joined, and parted between a table's cells."""
    joined = _join(_connected(_mostly_by_hand(maps, core), core), maps)
    return [part for piece in joined for part in _cells_of(piece, maps["marks"])]


def _mostly_by_hand(maps: Mapping[str, np.ndarray], core: float) -> dict[str, np.ndarray]:
    """The maps, with all of a line by hand where some of it looks printed.

    One neat digit among others is often taken for print, and without it the number would be
    another one. How sure the line is, what looks written says alone.
    """
    written = maps["number"] + maps["word"] > core
    text = (maps["number"] + maps["word"] + maps["print"] > core) & (maps["ends"] < PARTED)
    labels, count = ndimage.label(text, np.ones((3, 3)))
    sizes, by_hand = (
        np.bincount(labels[where], minlength=count + 1) for where in (text, text & written)
    )
    mostly = by_hand >= np.maximum(MOSTLY * sizes, 1)
    filled = mostly[labels] & text & ~written
    means = {
        name: np.bincount(labels.ravel(), (maps[name] * written).ravel(), count + 1)
        / np.maximum(by_hand, 1)
        for name in ("number", "word")
    }
    return {
        **maps,
        **{name: np.where(filled, mean[labels], maps[name]) for name, mean in means.items()},
    }


def _connected(
    maps: Mapping[str, np.ndarray], core: float, where: np.ndarray | None = None
) -> list[Piece]:
    """Connected cells that belong to a line, of all or of those that are chosen."""
    both = np.stack([maps["number"], maps["word"]], -1)  # (h, w, 2)
    # writing of which it is not clear whether it is a number or a word is writing all the same
    written = (both.sum(-1) > core) & (maps["ends"] < PARTED)
    written = written if where is None else written & where
    labels, _ = ndimage.label(written, np.ones((3, 3)))
    rows, columns = np.nonzero(labels)
    order = np.argsort(labels[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    edges = np.flatnonzero(np.diff(labels[rows, columns])) + 1
    groups = [
        (y, x)
        for y, x in zip(np.split(rows, edges), np.split(columns, edges), strict=True)
        if len(x) >= LEAST_CELLS
    ]
    points = [np.stack([x + 0.5, y + 0.5], 1) for y, x in groups]
    said = np.array([[maps["cos"][g].mean(), maps["sin"][g].mean()] for g in groups])
    heights = [math.exp(min(float(maps["height"][g].mean()), 9.0)) / CELL for g in groups]
    directions = _directions(points, said, heights)
    pieces = []
    for group, own, direction, height in zip(groups, points, directions, heights, strict=True):
        length = float(np.ptp(own @ direction)) + 1
        seen = max(len(own) / length / BODY, 1.0)
        if not seen / TRUSTED < height < seen * TRUSTED:
            height = seen
        pieces.append(Piece(own, both[group], direction, height))
    return pieces


def _directions(
    points: Sequence[np.ndarray], said: np.ndarray, heights: Sequence[float]
) -> list[np.ndarray]:
    """Unit vectors along P pieces, from their cells, (M, 2) each, and what the maps say, (P, 2).

    Where a detector cannot tell which of both ends comes first, its means of cosine and sine
    cancel out. Then the cells say along which line a piece lies, short pieces lie as the others
    do, and all begin at the end at which most of the page does. So do those that are sure of the
    opposite: few digits hardly tell which way up they are.
    """
    count, norms = len(said), np.linalg.norm(said, axis=1) if len(said) else np.empty(0)
    axes = np.zeros((count, 2))
    for k in range(count):
        if norms[k] >= FIRM:
            axes[k] = said[k] / norms[k]
        elif len(points[k]) > 2:
            (low, high), vectors = np.linalg.eigh(np.cov(points[k].T))
            long = np.ptp(points[k] @ vectors[:, 1]) + 1 > OBLONG * heights[k]
            if long and high >= ELONGATED * low:
                axes[k] = vectors[:, 1]
    # as long as a piece is beside its height, so that no blot speaks for a page of digits
    sizes = np.array([len(own) / high**2 for own, high in zip(points, heights, strict=True)])
    turn = np.arctan2(axes[:, 1], axes[:, 0])
    known = sizes * axes.any(1)
    # twice the angle is the same for both ways along a line
    twice = math.atan2(known @ np.sin(2 * turn), known @ np.cos(2 * turn))
    usual = np.array([math.cos(twice / 2), math.sin(twice / 2)])
    most = sizes @ said if count else usual
    most /= max(float(np.linalg.norm(most)), 1e-6)
    directions = []
    for axis, mean, norm in zip(axes, said, norms, strict=True):
        if norm < FIRM:
            axis = axis if axis.any() else usual if known.any() else mean / max(norm, 1e-6)
        opposite = -math.cos(math.radians(STEEP)) if norm >= FIRM else 0.0
        axis = -axis if axis @ most < opposite else axis
        directions.append(axis if axis.any() else np.array([1.0, 0.0]))
    return directions


def _join(pieces: list[Piece], maps: Mapping[str, np.ndarray]) -> list[Piece]:
    """Pieces that follow each other on one line become one, the nearest first, until none do."""
    barrier = np.maximum(maps["ends"], maps["marks"])
    pieces, count = list(pieces), len(pieces)
    rows = np.zeros((2 * count, 8))  # each joint takes two pieces and makes one
    there = np.zeros(2 * count, bool)
    queue: list[tuple[float, int, int]] = []  # the gap, and the pieces before and behind it

    def enter(k: int) -> None:
        piece = pieces[k]
        kind = float(piece.weights.mean(0).argmax())
        ends = *piece.at(piece.start), *piece.at(piece.end)
        rows[k] = *piece.axis, *ends, piece.height, kind
        others = np.flatnonzero(there)
        before, behind = _gaps(rows[others], rows[k]), _gaps(rows[k], rows[others])
        for n in np.flatnonzero(np.isfinite(before)):
            heapq.heappush(queue, (float(before[n]), int(others[n]), k))
        for n in np.flatnonzero(np.isfinite(behind)):
            heapq.heappush(queue, (float(behind[n]), k, int(others[n])))
        there[k] = True

    for k in range(count):
        enter(k)
    while queue:
        _, a, b = heapq.heappop(queue)
        if there[a] and there[b] and _is_open(rows[a, 4:6], rows[b, 2:4], barrier):
            there[[a, b]] = False
            pieces.append(_joined(pieces[a], pieces[b]))
            enter(len(pieces) - 1)
    return [pieces[k] for k in np.flatnonzero(there)]


def _gaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """From the ends of pieces to the starts of others, in cells; infinite where no line has both.

    Pieces are rows (M, 8): axis, start, end, height, kind.
    """
    way = second[..., 2:4] - first[..., 4:6]  # (M, 2)
    mean = first[..., :2] + second[..., :2]
    mean = mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-6)
    gap = (way * mean).sum(-1)
    aside = np.abs(way[..., 1] * mean[..., 0] - way[..., 0] * mean[..., 1])
    low = np.minimum(first[..., 6], second[..., 6])
    high = np.maximum(first[..., 6], second[..., 6])
    fits = (gap <= GAP * low) & (gap >= -0.5 * low) & (aside <= LEVEL * high)
    fits &= (low >= ALIKE * high) & (first[..., 7] == second[..., 7])
    fits &= (first[..., :2] * second[..., :2]).sum(-1) > math.cos(math.radians(STEEP))
    return np.where(fits, gap, np.inf)


def _is_open(end: np.ndarray, start: np.ndarray, barrier: np.ndarray) -> bool:
    """Whether nothing parts two pieces between the end of one and the start of the other."""
    between = end + np.linspace(0, 1, 9)[:, None] * (start - end)
    x, y = (np.clip(between[:, n].astype(int), 0, barrier.shape[1 - n] - 1) for n in (0, 1))
    return bool(barrier[y, x].max() < PARTED)


def _joined(a: Piece, b: Piece) -> Piece:
    sizes = np.array([len(a.points), len(b.points)], float)
    share = sizes / sizes.sum()
    direction = share[0] * a.axis + share[1] * b.axis
    return Piece(
        np.concatenate([a.points, b.points]),
        np.concatenate([a.weights, b.weights]),
        direction / np.linalg.norm(direction),
        float(share @ [a.height, b.height]),
    )


# ---------------------------------------------------------------------------- cells of a table


def _cells_of(piece: Piece, marks: np.ndarray) -> list[Piece]:
    """A piece, parted where a rule between two cells of a table runs across it.

    Such a rule goes on above or below the line, and there is another one beside it, a cell away.
    Boxes for single digits end at their digits, squared paper is narrow: across these a number is
    written. So it is across the one rule of a margin. Where rules go on across the next row, they
    are those of a grid, whose cells may be nearly as narrow as boxes.
    """
    height, start, end = piece.height, piece.start, piece.end
    if end - start < WIDE * height:
        return [piece]
    found = np.empty(0)
    for touched in (False, True):
        if not len(_rules(piece, marks, start, end, touched)):
            continue
        rules = _rules(piece, marks, start - ASIDE * height, end + ASIDE * height, touched)
        gaps = np.diff(rules, prepend=-np.inf, append=np.inf)
        beside = np.minimum(gaps[1:], gaps[:-1]) / height  # of each rule, to the next one
        wide = beside >= np.where(_go_on(piece, marks, rules), GRID, WIDE)
        cuts = rules[wide & np.isfinite(beside) & (rules > start) & (rules < end)]
        fresh = (np.abs(cuts[:, None] - found) > SLIVER * height).all(1)
        found = np.concatenate([found, cuts[fresh]])
    if not len(found):
        return [piece]
    cuts = np.sort(found)
    place = piece.points @ piece.axis
    clear = (np.abs(place[:, None] - cuts) > 0.5).all(1)
    cell = np.searchsorted(cuts, place)
    groups = [clear & (cell == k) for k in range(len(cuts) + 1)]
    return [
        Piece(piece.points[group], piece.weights[group], piece.axis, height)
        for group in groups
        if group.any() and np.ptp(place[group]) + 1 >= SLIVER * height
    ]


def _rules(piece: Piece, marks: np.ndarray, start: float, end: float, touched: bool) -> np.ndarray:
    """Where rules of a table run across the line of a piece, from one place along it to another.

    Of a rule that a digit touches or crosses, what is above and below the line is seen, no more.
    """
    along = np.arange(start, end, 0.5)
    across = np.linspace(-BEYOND, BEYOND, 11) * piece.height
    down = np.array([-piece.axis[1], piece.axis[0]])
    points = along[:, None] * piece.axis + (piece.level + across)[:, None, None] * down
    x, y = np.moveaxis(points.astype(int), 2, 0)  # (11, S)
    inside = (points.min(2) >= 0) & (x < marks.shape[1]) & (y < marks.shape[0])
    marked = np.zeros(inside.shape, bool)
    marked[inside] = marks[y[inside], x[inside]] > PARTED
    marked = ndimage.maximum_filter1d(marked, 5, axis=1)  # a rule need not be upright on a line
    above, below = marked[:4].mean(0), marked[-4:].mean(0)
    ruled = (marked[3:8].mean(0) >= RULED) & (np.maximum(above, below) >= RULED)
    if touched:
        runs, count = ndimage.label(np.minimum(above, below) >= RULED)
        lengths = np.bincount(runs, minlength=count + 1)
        upright = lengths <= 2 * max(UPRIGHT * piece.height, THICK)  # one along the line is longer
        ruled |= (runs > 0) & upright[runs]
    runs, count = ndimage.label(ruled)
    return np.array([along[runs == k].mean() for k in range(1, count + 1)])


def _go_on(piece: Piece, marks: np.ndarray, rules: np.ndarray) -> np.ndarray:
    """Whether rules across a line, where they are along it, go on across the row above or below."""
    across = np.linspace(*ROW, 5) * piece.height
    down = np.array([-piece.axis[1], piece.axis[0]])
    near = (rules[:, None] + np.arange(-1, 1.5, 0.5))[:, :, None] * piece.axis  # (R, 5, 2)
    marked = []
    for way in (-1, 1):
        points = near[:, :, None] + (piece.level + way * across)[:, None] * down  # (R, 5, 5, 2)
        x, y = (np.clip(points[..., n].astype(int), 0, marks.shape[1 - n] - 1) for n in (0, 1))
        marked.append((marks[y, x] > PARTED).any(1).mean(-1))
    return np.maximum(*marked) >= RULED


# ---------------------------------------------------------------------------- a line among others


def in_company(pieces: Sequence[Piece], maps: Mapping[str, np.ndarray]) -> np.ndarray:
    """How probable it is that each piece is a number, and a word: (P, 2).

    That is the mean of its cells, and whether the others of the page are of the same kind and
    about as high: where one hand wrote many numbers, one more of them is no surprise. Among print
    of its height, it is one: of a calendar's days, one that looks written is printed as well. At
    most, the odds are multiplied by e or divided by it.
    """
    if not pieces:
        return np.empty((0, 2))
    means = np.array([piece.weights.mean(0) for piece in pieces])  # (P, 2)
    heights = np.log([piece.height for piece in pieces])
    sure = np.where(means == means.max(1, keepdims=True), means - CORE, 0).clip(0)
    alike = np.abs(heights[:, None] - heights) < SAME_HEIGHT
    np.fill_diagonal(alike, False)
    others = sure.sum() - sure.sum(1, keepdims=True)
    printed, printed_heights = _printed(maps)
    print_ = (np.abs(heights[:, None] - printed_heights) < SAME_HEIGHT) @ printed[:, None]  # (P, 1)
    company = (2 * (alike @ sure) - others - print_) / (others + print_ + FEW)  # -1 to 1
    means = means.clip(1e-9, 1 - 1e-9)
    return 1 / (1 + (1 / means - 1) * np.exp(-company))


def taken_for_print(
    pieces: Sequence[Piece], maps: Mapping[str, np.ndarray], core: float
) -> list[Piece]:
    """Numbers of a table that a detector takes for print, though all around them are by hand.

    It does so where the digits are few and neat. Their neighbours in their row and in their column
    are numbers by hand, about as high; nothing printed is among these.

    Parameters
    ----------
    pieces : sequence of Piece
        The numbers of which a detector is sure.
    maps, core
        As for :func:`pieces_of`.
    """
    if len(pieces) < FEWEST:
        return []
    written = maps["number"] + maps["word"]
    labels, count = ndimage.label(written + maps["print"] > core, np.ones((3, 3)))
    every = np.arange(1, count + 1)
    by_hand = np.atleast_1d(ndimage.mean(written > core, labels, every))
    printed = np.concatenate([[False], by_hand < CORE])
    text = _connected({**maps, "number": written + maps["print"]}, core, printed[labels])
    likeness = np.atleast_1d(ndimage.maximum(maps["number"], labels, every))
    turn = np.sum([len(piece.points) * piece.axis for piece in pieces], 0)
    turn /= max(float(np.linalg.norm(turn)), 1e-9)
    boxes = np.array([_box(piece, turn) for piece in (*pieces, *text)])
    cells = [piece.points[0].astype(int) for piece in text]
    doubted = [
        n for n, (x, y) in enumerate(cells, len(pieces)) if likeness[labels[y, x] - 1] >= HINT
    ]
    found = [n for n in doubted if _is_cell_of(boxes, n, len(pieces), doubted)]
    return [text[n - len(pieces)] for n in found]


def _box(piece: Piece, turn: np.ndarray) -> tuple[float, ...]:
    """Along a page: a piece's ends, its middle across, and its height."""
    along, across = piece.points @ turn, piece.points @ [-turn[1], turn[0]]
    return along.min() - 0.5, along.max() + 0.5, across.mean(), piece.height


def _is_cell_of(boxes: np.ndarray, n: int, numbers: int, doubted: Sequence[int]) -> bool:
    """Whether the neighbours of a box are numbers, one in its row and one in its column at least.

    The first boxes are those of numbers, the others of print; of some there is a doubt.
    """
    start, end, level, height = boxes.T
    alike = np.abs(np.log(height / height[n])) < AMONG
    if alike[list(doubted)].sum() > RARELY * alike[:numbers].sum():
        return False
    gap = np.maximum(start - end[n], start[n] - end)
    beside = (np.abs(level - level[n]) < SAME_LINE * height[n]) & (gap < AWAY[0] * height[n])
    shared = np.minimum(end, end[n]) - np.maximum(start, start[n])
    shared /= np.minimum(end - start, end[n] - start[n])
    near = (shared > COMMON) & (np.abs(level - level[n]) < AWAY[1] * height[n])
    sides = (
        (beside & (start > end[n] - 1), gap),
        (beside & (end < start[n] + 1), gap),
        (near & (level > level[n] + SAME_LINE * height[n]), level),
        (near & (level < level[n] - SAME_LINE * height[n]), -level),
    )
    next_ = []
    for there, distance in sides:
        there[n] = False
        who = np.flatnonzero(there)
        next_.append(int(who[distance[who].argmin()]) if len(who) else -1)
    if any(k >= numbers or (k >= 0 and not alike[k]) for k in next_):
        return False
    return max(next_[:2]) >= 0 and max(next_[2:]) >= 0


def _printed(maps: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Of each line of print, how much surer than ``CORE`` it is, and its log height in cells."""
    written = maps["number"] + maps["word"] > CORE
    labels, count = ndimage.label((maps["print"] > CORE) & ~written)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    known = np.flatnonzero(sizes[1:] >= LEAST_CELLS) + 1
    sure, height = (
        np.atleast_1d(ndimage.mean(maps[m], labels, known)) for m in ("print", "height")
    )
    return sure - CORE, height - math.log(CELL)
