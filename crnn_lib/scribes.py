"""Who writes: piles of glyphs by people, and the choice of one person for a line."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from crnn_lib.forms import MARK_CHARACTERS
from crnn_lib.glyphs import Glyphs
from crnn_lib.pen import draw_digits, draw_marks


def pen_people(
    count: int,
    generator: torch.Generator,
    *,
    each: int = 4,
    marks: int = 2,
    split: str = "train",
) -> Glyphs:
    """Digits and marks of some writers of the pen, in the forms of people who write amounts.

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

    Examples
    --------
    >>> pen_people(3, torch.Generator().manual_seed(0))
    Glyphs(180 of "0123456789.,-=/#$'*~", source='pen', split='train')
    """
    writers = _people(count, generator, split)
    digits = torch.arange(10).repeat_interleave(each).repeat(count)
    owners = writers.repeat_interleave(10 * each)
    images = draw_digits(digits, generator, writers=owners, book="hurried")
    written = Glyphs(images, digits, "pen", split, writers=owners)
    return Glyphs.concat([written, _marks(writers, generator, marks, split)]) if marks else written


def pen_marks(
    count: int, generator: torch.Generator, *, each: int = 2, split: str = "train"
) -> Glyphs:
    """The marks of some writers of the pen, ``each`` of every one, to go with other digits."""
    return _marks(_people(count, generator, split), generator, each, split)


def guess_writers(glyphs: Glyphs, strokes: int = 6, slants: int = 4) -> Glyphs:
    """Let glyphs of like stroke and slant pass for one person's, where nobody knows the writers.

    Parameters
    ----------
    glyphs : Glyphs
        MNIST's, for example. Writers that are known stay as they are.
    strokes, slants : int
        Into how many groups of equal size the stroke widths and the slants are sorted.

    Returns
    -------
    Glyphs
        The same glyphs. Their writers are numbered from -2 downwards, a number for each group.
    """
    images = glyphs.images
    pieces = [look(images[i : i + 4096].float() / 255) for i in range(0, len(images), 4096)]
    widths, leans = (torch.cat(values) for values in zip(*pieces, strict=True))
    place = [
        torch.argsort(torch.argsort(values, stable=True)) * groups // max(len(values), 1)
        for values, groups in ((widths, strokes), (leans, slants))
    ]
    guessed = -2 - (place[0] * slants + place[1])  # (M,)
    if glyphs.writers is not None:
        guessed = torch.where(glyphs.writers == -1, guessed, glyphs.writers)
    return replace(glyphs, writers=guessed)


def look(ink: Tensor) -> tuple[Tensor, Tensor]:
    """Stroke width in pixels and slant of some glyphs: (M, 28, 28) -> (M,), (M,)."""
    steps = ink.diff(dim=1)[:, :, :-1].square() + ink.diff(dim=2)[:, :-1].square()
    mass = ink.sum((1, 2)).clamp_min(1e-3)
    width = 2 * mass / steps.sqrt().sum((1, 2)).clamp_min(1e-3)  # a stroke has two edges
    place = torch.arange(ink.shape[1], dtype=torch.float32)
    x = (ink.sum(1) @ place / mass)[:, None] - place  # (M, 28)
    y = (ink.sum(2) @ place / mass)[:, None] - place
    xy = torch.einsum("myx,my,mx->m", ink, y, x)
    yy = (ink.sum(2) * y.square()).sum(1)
    return width, -xy / yy.clamp_min(1e-3)


def choose_glyphs(
    glyphs: Glyphs,
    characters: Tensor,
    written: Tensor,
    silent: Tensor,
    one_hand: float,
    generator: torch.Generator,
) -> Tensor:
    """One glyph for each character that is written: (N, L) -> (M, 28, 28) uint8.

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


def _marks(writers: Tensor, generator: torch.Generator, each: int, split: str) -> Glyphs:
    places = torch.arange(len(MARK_CHARACTERS)).repeat_interleave(each).repeat(len(writers))
    owners = writers.repeat_interleave(each * len(MARK_CHARACTERS))
    marks = [MARK_CHARACTERS[place] for place in places.tolist()]
    images = draw_marks(marks, generator, writers=owners)
    return Glyphs(images, places, "pen", split, MARK_CHARACTERS, owners)


def _people(count: int, generator: torch.Generator, split: str) -> Tensor:
    # even numbers write for training, odd ones for testing, whatever the seed
    return 2 * torch.randint(2**61, (count,), generator=generator) + (split == "test")
