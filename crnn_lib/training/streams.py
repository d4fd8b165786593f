"""Batches of lines for training: fresh ones without end, or a fixed set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from crnn_lib.alphabet import Alphabet, as_number, check_alphabet, check_whole, is_whole
from crnn_lib.handwriting import (
    SILENT,
    AmountStyle,
    Glyphs,
    LineBatch,
    LineStyle,
    LineVariation,
    NumberStyle,
    TextStyle,
    compose_lines,
    data_root,
    fonts,
    join_batches,
    lines_of_words,
    lines_without_text,
    pen,
    random_amounts,
    random_numbers,
    random_texts,
    vary_lines,
)
from crnn_lib.handwriting.paper import PaperStyle, photograph
from crnn_lib.photos import ink_of

HANDS = ("pen", "fonts", "stroke-fonts")
ROOM = 8  # pixels of a line per character: two frames of 4, so that CTC can spell 111


class Stream(Protocol):
    """A source of fresh lines without end: a batch depends on its step alone."""

    @property
    def pool(self) -> int:
        """Batches that are made at once."""

    def batch(self, step: int) -> LineBatch:
        """The lines of one training step."""


class _LastPool:
    """The pool of batches that was made last.

    The batches of a pool are asked for one after another, and are made together.
    """

    def __init__(self) -> None:
        self._made: tuple[int, list[LineBatch]] | None = None

    def batch(self, step: int, size: int, make: Callable[[int], list[LineBatch]]) -> LineBatch:
        """The batch of a step, where pools have this size; ``make(turn)`` makes one of them."""
        turn, place = divmod(step, size)
        made = self._made  # other threads may put theirs in its place meanwhile
        if made is None or made[0] != turn:
            self._made = made = turn, make(turn)
        return made[1][place]


def _deal_by_width(
    lines: LineBatch, sizes: list[int], generator: torch.Generator
) -> list[LineBatch]:
    """Lines in batches of like width, of these sizes, in any order."""
    dealt = torch.argsort(lines.widths, stable=True).split(sizes)
    order = torch.randperm(len(sizes), generator=generator).tolist()
    return [lines.select(dealt[place]) for place in order]


@dataclass(frozen=True)
class LineStream:
    """Fresh lines for training, without end. A batch depends on ``(seed, step)`` alone.

    So workers need no coordination, and a training run that was cut off goes on with exactly the
    lines it would have seen.

    Parameters
    ----------
    glyphs : Glyphs
    style : LineStyle
    batch_size : int
    seed : int
    pool : int
        Batches composed at once and sorted by width, so that little of a batch is padding.
    alphabet : Alphabet, optional
    amounts : AmountStyle or NumberStyle, optional
        Write amounts or other numbers with their marks, in which only digits are labelled, and the
        marks that the alphabet has; without it, lengths and characters are drawn uniformly. The
        glyphs hold the marks too, as those of :func:`crnn_lib.handwriting.pen_people` do.
    variation : LineVariation, optional
        What is done to lines afterwards: other slants, widths and strokes than their glyphs have.
    """

    glyphs: Glyphs
    style: LineStyle
    batch_size: int = 64
    seed: int = 0
    pool: int = 8
    alphabet: Alphabet | None = None
    amounts: AmountStyle | NumberStyle | None = None
    variation: LineVariation | None = None
    _last_pool: _LastPool = field(default_factory=_LastPool, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.glyphs, Glyphs) or not isinstance(self.style, LineStyle):
            raise TypeError(
                "A LineStream has Glyphs and a LineStyle, such as load_glyphs('pen') and "
                f"LineStyle(); got {self.glyphs!r:.80} and {self.style!r:.80}."
            )
        check_whole(1, batch_size=self.batch_size, pool=self.pool)
        if self.alphabet is not None:
            check_alphabet(self.alphabet)

    def batch(self, step: int) -> LineBatch:
        """The lines of one training step."""
        return self._last_pool.batch(step, self.pool, self._compose_pool)

    def _compose_pool(self, turn: int) -> list[LineBatch]:
        generator = seeded_generator(self.seed, turn)
        count = self.batch_size * self.pool
        texts = None
        if isinstance(self.amounts, NumberStyle):
            texts = random_numbers(count, generator, self.amounts)
        elif self.amounts is not None:
            texts = random_amounts(count, generator, self.amounts)
        lines = compose_lines(
            self.glyphs,
            count,
            self.style,
            generator,
            texts=texts,
            alphabet=self.alphabet,
            silent=SILENT if self.amounts is not None else "",
        )
        if self.amounts is not None:
            lines = _with_room(lines)
        if self.variation is not None:
            least = ROOM * lines.target_lengths
            lines = vary_lines(lines, self.variation, generator, least=least)
        return _deal_by_width(lines, [self.batch_size] * self.pool, generator)


@dataclass(frozen=True)
class WordStream:
    """Fresh words for training, without end: on paper, photographed, and as ink again.

    A batch depends on ``(seed, step)`` and on the fonts of this disk alone.

    Parameters
    ----------
    alphabet : Alphabet
        Texts that it cannot spell are not written.
    texts : TextStyle
    hands : tuple of (str, float)
        Who writes, and how large a share: ``"pen"``, ``"fonts"``, or ``"stroke-fonts"``, the pen
        with the letters of single-stroke fonts beside its own.
    split : str
        Of the fonts, ``"train"`` or ``"test"``. Each seed has people of the pen of its own.
    height : int
        Of a line, in pixels.
    variety : float
        As that of :func:`crnn_lib.handwriting.lines_of_words`.
    haste : float
        Of the pen's hands, as :func:`crnn_lib.handwriting.pen.draw_words` has it.
    variation : LineVariation, optional
        What is done to lines afterwards: other slants, widths and strokes than their hands have.
    paper : PaperStyle
    clean : float
        Share of the lines that stay as they were written.
    batch_size : int
    seed : int
    pool : int
        Batches made at once and sorted by width, so that little of a batch is padding.
    """

    alphabet: Alphabet
    texts: TextStyle = TextStyle()
    hands: tuple[tuple[str, float], ...] = (("pen", 1.0),)
    split: str = "train"
    height: int = 40
    variety: float = 1.0
    haste: float = 0.0
    variation: LineVariation | None = None
    paper: PaperStyle = PaperStyle.page()
    clean: float = 0.1
    batch_size: int = 32
    seed: int = 0
    pool: int = 8
    _last_pool: _LastPool = field(default_factory=_LastPool, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_alphabet(self.alphabet)
        check_whole(1, height=self.height, batch_size=self.batch_size, pool=self.pool)
        _check_clean(self.clean)
        shares = [as_number(share) for _, share in self.hands]
        if not all(share >= 0 for share in shares) or not sum(shares):
            raise ValueError(f"hands are shares, not all of them 0; got {self.hands}.")
        unknown = {name for name, _ in self.hands} - set(HANDS)
        if unknown:
            raise ValueError(
                f"hands are {', '.join(map(repr, HANDS))}; got {', '.join(sorted(unknown))}."
            )

    def batch(self, step: int) -> LineBatch:
        """The lines of one training step."""
        return self._last_pool.batch(step, self.pool, self._write_pool)

    def _write_pool(self, turn: int) -> list[LineBatch]:
        generator = seeded_generator(self.seed, turn)
        count = self.batch_size * self.pool
        known = self.alphabet.characters
        texts = random_texts(count, generator, self.texts, characters=known)
        shares = torch.tensor([share for _, share in self.hands])
        hand = torch.multinomial(shares, count, replacement=True, generator=generator)
        parts = []
        for number, (name, _) in enumerate(self.hands):
            chosen = [texts[n] for n in (hand == number).nonzero()[:, 0].tolist()]
            tall = round(1.6 * self.height)  # capitals are then nearly as high as on the line
            if name == "fonts":
                written = fonts.draw_words(chosen, generator, split=self.split, height=tall)
            else:
                book = None if name == "pen" else _letterbook(data_root())
                written = pen.draw_words(
                    chosen, generator, height=tall, book=book, haste=self.haste
                )
            parts.append(
                lines_of_words(
                    written,
                    self.alphabet,
                    height=self.height,
                    variety=self.variety,
                    generator=generator,
                )
            )
        lines = join_batches(parts, self.alphabet.blank)
        if self.variation is not None:
            least = ROOM * lines.target_lengths
            lines = vary_lines(lines, self.variation, generator, least=least)
        untouched = torch.rand(count, generator=generator) < self.clean
        made = [
            photograph(lines.select(~untouched), self.paper, generator),
            photograph(lines.select(untouched), PaperStyle.clean(), generator),
        ]
        photos = join_batches(made, self.alphabet.blank)
        batches = _deal_by_width(photos, [self.batch_size] * self.pool, generator)
        return [replace(b, images=ink_of(b.images, b.widths)) for b in batches]


@lru_cache(maxsize=1)
def _letterbook(root: Path) -> pen.LetterBook:
    """The pen with stroke fonts, loaded once: it works out its arrays anew for each book."""
    return fonts.load_letterbook(root)


@dataclass(frozen=True)
class TextlessStream:
    """Fresh lines on which no number stands, without end; their labels are empty.

    A batch depends on ``(seed, step)`` alone.

    Parameters
    ----------
    height : int
        Of a line, in pixels.
    batch_size : int
    seed : int
    pool : int
        Batches made at once.
    """

    height: int = 32
    batch_size: int = 64
    seed: int = 0
    pool: int = 4
    alphabet: Alphabet = Alphabet()
    _last_pool: _LastPool = field(default_factory=_LastPool, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_alphabet(self.alphabet)
        check_whole(1, height=self.height, batch_size=self.batch_size, pool=self.pool)

    def batch(self, step: int) -> LineBatch:
        """The lines of one training step."""
        return self._last_pool.batch(step, self.pool, self._draw_pool)

    def _draw_pool(self, turn: int) -> list[LineBatch]:
        generator = seeded_generator(self.seed, turn)
        lines = lines_without_text(self.batch_size * self.pool, generator, height=self.height)
        order = torch.argsort(lines.widths, stable=True).view(self.pool, self.batch_size)
        return [lines.select(chosen) for chosen in order]


@dataclass(frozen=True)
class PaperStream:
    """A stream of lines that have gone through paper and camera, as ink again, for training.

    A batch depends on ``(seed, step)`` and the inner stream's seed alone.

    Parameters
    ----------
    lines : stream
        Writes the lines.
    style : PaperStyle
    clean : float
        Share of the lines that stay as they were written.
    seed : int
    """

    lines: Stream
    style: PaperStyle
    clean: float = 0.08
    seed: int = 0
    _last_pool: _LastPool = field(default_factory=_LastPool, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_clean(self.clean)

    @property
    def pool(self) -> int:
        """Batches that are made at once and sorted by width."""
        return self.lines.pool

    def batch(self, step: int) -> LineBatch:
        """The lines of one training step."""
        return self._last_pool.batch(step, self.pool, self._make_pool)

    def _make_pool(self, turn: int) -> list[LineBatch]:
        steps = range(turn * self.pool, (turn + 1) * self.pool)
        parts = [self.lines.batch(step) for step in steps]
        blank = _blank(self.lines)
        lines = join_batches(parts, blank)
        generator = seeded_generator(self.seed, turn, 1)
        untouched = torch.rand(len(lines), generator=generator) < self.clean
        photos = photograph(lines.select(~untouched), self.style, generator)
        written = lines.select(untouched)
        whole = join_batches([photos, written], blank)
        clean = torch.arange(len(whole)) >= len(photos)
        order = torch.argsort(whole.widths, stable=True).split([len(part) for part in parts])
        made = []
        for chosen in torch.randperm(len(parts), generator=generator).tolist():
            batch = whole.select(order[chosen])
            ink = ink_of(batch.images, batch.widths)
            kept = clean[order[chosen]][:, None, None, None]
            images = torch.where(kept, batch.images, ink)
            made.append(replace(batch, images=images))
        return made


@dataclass(frozen=True)
class Alternating:
    """Several streams that take turns: the first batch of each, then the second of each.

    Parameters
    ----------
    streams : tuple of streams
        One that stands several times gives its next batch each time.

    Raises
    ------
    ValueError
        If there is none, or something is no stream.
    """

    streams: tuple[Stream, ...]

    def __post_init__(self) -> None:
        _check_streams(self)

    @property
    def pool(self) -> int:
        """Batches in which each stream uses up what it composes at once."""
        return len(self.streams) * _turns(self.streams)

    def batch(self, step: int) -> LineBatch:
        """The lines of one training step."""
        return _batch_at(self.streams, *divmod(step, len(self.streams)))


def _check_streams(several: Alternating | Mixed) -> None:
    """Raise a ValueError unless there are streams, one at least, and each is one."""
    streams = several.streams
    if (
        not isinstance(streams, tuple)
        or not streams
        or not all(hasattr(stream, "batch") and hasattr(stream, "pool") for stream in streams)
    ):
        raise ValueError(
            f"{type(several).__name__}.streams is a tuple of streams such as LineStream, one at "
            f"least; got {streams!r:.80}."
        )


def _batch_at(streams: tuple, turn: int, place: int) -> LineBatch:
    """What the stream at a place gives in a turn: its next batch, wherever else it stands."""
    stream = streams[place]
    earlier = sum(other is stream for other in streams[:place])
    return stream.batch(turn * _times(streams, stream) + earlier)


def _times(streams: tuple, stream) -> int:
    return sum(other is stream for other in streams)


def _turns(streams: tuple) -> int:
    """Turns in which each stream uses up what it composes at once."""
    return math.lcm(*(s.pool // math.gcd(s.pool, _times(streams, s)) for s in streams))


@dataclass(frozen=True)
class Mixed:
    """Several streams dealt anew: each batch holds lines of all of them, of like width.

    Parameters
    ----------
    streams : tuple of streams
        Of one height and one batch size. One that stands twice gives twice as many lines.
    seed : int
        Of the order of the batches.

    Raises
    ------
    ValueError
        If there is no stream, or something is none.
    """

    streams: tuple[Stream, ...]
    seed: int = 0
    _last_pool: _LastPool = field(default_factory=_LastPool, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_streams(self)

    @property
    def pool(self) -> int:
        """Batches that are dealt at once."""
        return len(self.streams) * _turns(self.streams)

    def batch(self, step: int) -> LineBatch:
        """The lines of one training step."""
        return self._last_pool.batch(step, self.pool, self._deal)

    def _deal(self, turn: int) -> list[LineBatch]:
        each = self.pool // len(self.streams)
        turns = range(turn * each, (turn + 1) * each)
        places = range(len(self.streams))
        parts = [_batch_at(self.streams, inner, place) for place in places for inner in turns]
        lines = join_batches(parts, _blank(self.streams[0]))
        sizes = [len(part) for part in parts]
        return _deal_by_width(lines, sizes, seeded_generator(self.seed, turn, 2))


@dataclass(frozen=True)
class LineSet:
    """A fixed set of lines for training, in batches, shuffled anew in each epoch.

    Parameters
    ----------
    lines : LineBatch
    batch_size : int
    seed : int
    """

    lines: LineBatch
    batch_size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.lines, LineBatch) or not len(self.lines):
            raise ValueError(f"A LineSet is of a LineBatch with lines; got {self.lines!r:.80}.")
        check_whole(1, batch_size=self.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        """Batches that show each line once; the last one may be smaller."""
        return math.ceil(len(self.lines) / self.batch_size)

    def batch(self, step: int) -> LineBatch:
        """The lines of one training step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = torch.randperm(len(self.lines), generator=seeded_generator(self.seed, epoch))
        return self.lines.select(order[place * self.batch_size : (place + 1) * self.batch_size])


class _Pools(Dataset):
    """Pools of batches, for a DataLoader's workers: a pool is composed at once, by one worker."""

    def __init__(self, lines: Stream | LineSet, steps: int) -> None:
        self.lines, self.steps = lines, steps
        self.size = 1 if isinstance(lines, LineSet) else lines.pool

    def __len__(self) -> int:
        return math.ceil(self.steps / self.size)

    def __getitem__(self, turn: int) -> list[LineBatch]:
        start = turn * self.size
        return [self.lines.batch(s) for s in range(start, min(start + self.size, self.steps))]


def batches(
    lines: Stream | LineSet, first: int, last: int, workers: int = 0
) -> Iterator[tuple[int, LineBatch]]:
    """The steps ``first`` to ``last - 1`` with their lines.

    Parameters
    ----------
    lines : Stream or LineSet
    first, last : int
        Half-open, as a range.
    workers : int
        Processes that compose lines ahead; 0 composes them here. The lines are the same.
    """
    if not workers:
        yield from ((step, lines.batch(step)) for step in range(first, last))
        return
    pools = _Pools(lines, last)
    turns = range(first // pools.size, len(pools))
    # a loader seeds its workers by chance; with a generator of its own it leaves that of dropout be
    loader = DataLoader(
        pools,
        batch_size=None,
        sampler=turns,
        num_workers=workers,
        generator=torch.Generator(),
    )
    for turn, pool in zip(turns, loader, strict=True):
        for step, batch in enumerate(pool, start=turn * pools.size):
            if step >= first:
                yield step, batch


def seeded_generator(*seeds: int) -> torch.Generator:
    """A generator for a tuple of numbers; neighbouring tuples give unrelated streams."""
    if not all(is_whole(seed) and seed >= 0 for seed in seeds):
        raise ValueError(f"Seeds and steps are whole numbers, 0 or more; got {seeds!r:.80}.")
    (state,) = np.random.SeedSequence(seeds).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state) & 0x7FFF_FFFF_FFFF_FFFF)


def _labels_of(lines: LineBatch) -> list[list[int]]:
    """The label of each line, without its padding."""
    pairs = zip(lines.targets.tolist(), lines.target_lengths.tolist(), strict=True)
    return [target[:length] for target, length in pairs]


def _check_clean(clean: float) -> None:
    if not 0 <= as_number(clean) <= 1:
        raise ValueError(f"clean is a share of the lines, 0 to 1; got {clean!r:.80}.")


def _blank(lines: Any) -> int:
    """The class with which targets are padded."""
    if isinstance(lines, Alternating | Mixed):
        return _blank(lines.streams[0])
    if isinstance(lines, PaperStream):
        return _blank(lines.lines)
    return lines.alphabet.blank if lines.alphabet else 0


def _with_room(lines: LineBatch) -> LineBatch:
    """Lines with paper behind those that are too short for the frames of their label."""
    widths = lines.widths.maximum(ROOM * lines.target_lengths)
    more = int(widths.max()) - lines.images.shape[3]
    if more > 0:
        lines = replace(lines, images=F.pad(lines.images, (0, more)))
    return replace(lines, widths=widths)
