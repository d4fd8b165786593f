"""Who writes: piles of glyphs by people, and the choice of one person for a line."""

from __future__ import annotations

import torch
from torch import Tensor

from crnn_lib.alphabet import check_generator, check_whole
from crnn_lib.handwriting.glyphs import SPLITS, Glyphs
from crnn_lib.handwriting.pen import MARK_CHARACTERS, draw_digits, draw_marks


def pen_people(
    count: int,
    generator: torch.Generator,
    *,
    each: int = 4,
    marks: int = 2,
    split: str = "train",
    book: str = "hurried",
) -> Glyphs:
    """Digits and marks of some writers of the pen, by default of people who write amounts.

    Parameters
    ----------
    count : int
        Number of writers.
    generator : torch.Generator
        Source of all chance.
    each, marks : int
        How often a writer writes each digit and each mark.
    split : {"train", "test"}
        No writer belongs to both.
    book : {"hurried", "careless", "school"}
        The forms to choose from, as in :func:`crnn_lib.handwriting.pen.draw_digits`. Who writes
        careless digits writes careless marks.

    Examples
    --------
    >>> pen_people(3, torch.Generator().manual_seed(0))
    Glyphs(180 of "0123456789.,-=/#$'*~", source='pen', split='train')
    """
    check_generator(generator, "pen_people")
    check_whole(0, count=count, marks=marks)
    check_whole(1, each=each)
    if split not in SPLITS:  # else its people would belong to the training
        raise ValueError(f"split is 'train' or 'test'; got {split!r:.80}.")
    writers = _people(count, generator, split)
    digits = torch.arange(10).repeat_interleave(each).repeat(count)
    owners = writers.repeat_interleave(10 * each)
    images = draw_digits(digits, generator, writers=owners, book=book)
    written = Glyphs(images, digits, "pen", split, writers=owners)
    return (
        Glyphs.concat([written, _marks(writers, generator, marks, split, book)])
        if marks
        else written
    )


def choose_glyphs(
    glyphs: Glyphs,
    characters: Tensor,
    written: Tensor,
    silent: Tensor,
    one_hand: float,
    generator: torch.Generator,
) -> Tensor:
    """One glyph for each character that is written: (N, L) -> (M, 28, 28) uint8.

    Parameters
    ----------
    glyphs : Glyphs
        What is chosen from.
    characters : Tensor, (N, L)
        Their places in ``glyphs.characters``.
    written, silent : Tensor, (N, L), bool
        Which of the characters are written at all, and which are marks that no label has.
    one_hand : float
        See below.
    generator : torch.Generator

    Notes
    -----
    A share of ``one_hand`` of the lines is written by one person, the one who wrote a glyph drawn
    at random: who has many glyphs writes many lines. What that person has never written, such as
    the marks where only the digits are of unknown hands, a second person adds.
    """
    by_character, counts = glyphs.by_character
    line = torch.nonzero(written)[:, 0]  # (M,)
    wanted = characters[written]  # (M,)
    missing = torch.unique(wanted[counts[wanted] == 0]).tolist()
    if missing:
        names = "".join(glyphs.characters[i] for i in missing)
        raise ValueError(f"These glyphs ({glyphs.source}) have no image of {names!r}.")
    chance = torch.rand(len(wanted), generator=generator, dtype=torch.float64)
    within = (chance * counts[wanted]).long()
    chosen = by_character[(counts.cumsum(0) - counts)[wanted] + within]
    if one_hand and glyphs.writers is not None and len(wanted):
        rows, by_writer, has = glyphs.by_writer  # (G,), (G,), (W, C)
        firsts = (has.flatten().cumsum(0) - has.flatten()).view_as(has)
        spoken = (written & ~silent).to(torch.uint8).argmax(1)  # (N,) the first digit of each line
        lengths = written.sum(1)
        first = rows[chosen[lengths.cumsum(0) - lengths + spoken]]  # (N,)
        able = has[:, torch.unique(characters[silent])].gt(0).sum(1)  # (W,) marks of each person
        versatile = torch.nonzero(able == able.max())[:, 0]
        pick = torch.rand((len(written), 2), generator=generator)
        second = versatile[(pick[:, 0] * len(versatile)).long()]  # (N,)
        alone = (pick[:, 1] < one_hand)[line]
        for person in (second[line], first[line]):
            own = has[person, wanted]
            at = firsts[person, wanted] + (chance * own).long()
            theirs = by_writer[at.clamp_max(len(by_writer) - 1)]
            chosen = torch.where(alone & (own > 0), theirs, chosen)
    return glyphs.images.index_select(0, chosen)


def _marks(
    writers: Tensor, generator: torch.Generator, each: int, split: str, digits: str
) -> Glyphs:
    places = torch.arange(len(MARK_CHARACTERS)).repeat_interleave(each).repeat(len(writers))
    owners = writers.repeat_interleave(each * len(MARK_CHARACTERS))
    marks = [MARK_CHARACTERS[place] for place in places.tolist()]
    book = "careless marks" if digits == "careless" else "marks"
    images = draw_marks(marks, generator, writers=owners, book=book)
    return Glyphs(images, places, "pen", split, MARK_CHARACTERS, owners)


def _people(count: int, generator: torch.Generator, split: str) -> Tensor:
    # even numbers write for training, odd ones for testing, whatever the seed
    return 2 * torch.randint(2**61, (count,), generator=generator) + (split == "test")
