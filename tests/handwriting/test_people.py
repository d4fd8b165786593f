"""Who writes a line."""

from __future__ import annotations

import pytest
import torch
from conftest import seeded

from crnn_lib.handwriting import (
    Glyphs,
    choose_glyphs,
    load_glyphs,
    pen_people,
)
from crnn_lib.handwriting.pen.forms import MARK_CHARACTERS


def shades(owners: list[tuple[int, str]], characters: str = "01.") -> Glyphs:
    """A glyph for each (writer, character), its brightness the number of its place."""
    labels = torch.tensor([characters.index(c) for _, c in owners])
    images = torch.arange(len(owners), dtype=torch.uint8)[:, None, None].expand(-1, 28, 28)
    writers = torch.tensor([writer for writer, _ in owners])
    return Glyphs(images.clone(), labels, "shades", "train", characters, writers)


def choose(glyphs: Glyphs, characters: torch.Tensor, one_hand: float, seed: int = 0) -> list[int]:
    written = torch.ones(characters.shape, dtype=torch.bool)
    silent = characters == len(glyphs.characters) - 1
    inks = choose_glyphs(glyphs, characters, written, silent, one_hand, seeded(seed))
    return inks[:, 0, 0].view(characters.shape).tolist()


def test_people_write_everything_and_are_known():
    glyphs = pen_people(5, seeded(), each=3, marks=2)
    assert glyphs.characters == "0123456789" + MARK_CHARACTERS
    writers, counts = glyphs.writers.unique(return_counts=True)
    assert len(writers) == 5 and set(counts.tolist()) == {30 + 2 * len(MARK_CHARACTERS)}
    _, _, has = glyphs.by_writer
    assert (has[:, :10] == 3).all() and (has[:, 10:] == 2).all()
    assert pen_people(2, seeded(), marks=0).characters == "0123456789"


def test_no_writer_of_training_writes_for_the_test():
    train, test = (pen_people(50, seeded(3), each=1, marks=1, split=s) for s in ("train", "test"))
    assert not set(train.writers.tolist()) & set(test.writers.tolist())
    assert (train.split, test.split) == ("train", "test")


def test_a_line_keeps_to_one_hand():
    glyphs = shades([(w, c) for w in (7, 8, 9) for c in "01." for _ in range(2)])
    characters = torch.tensor([[0, 1, 2, 0, 1]]).expand(200, -1)
    lines = choose(glyphs, characters, one_hand=1.0)
    for line in lines:
        assert {place // 6 for place in line} == {line[0] // 6}
    assert {line[0] // 6 for line in lines} == {0, 1, 2}
    assert len(set(map(tuple, lines))) > 3  # a hand has more than one glyph of each
    several = [len({place // 6 for place in line}) > 1 for line in choose(glyphs, characters, 0.5)]
    assert sum(several) / 200 == pytest.approx(0.5, abs=0.18)
    loose = choose(glyphs, characters, one_hand=0.0)
    assert sum(len({place // 6 for place in line}) > 1 for line in loose) > 180


def test_who_has_many_glyphs_writes_many_lines():
    glyphs = shades([(1, c) for c in "01" for _ in range(30)] + [(2, c) for c in "01." * 10])
    lines = choose(glyphs, torch.tensor([[0, 1, 2]]).expand(600, -1), one_hand=1.0)
    first = sum(line[0] < 60 for line in lines) / 600
    assert first == pytest.approx(0.75, abs=0.09)


def test_what_a_writer_never_wrote_a_second_one_adds():
    unknown = [(-1, c) for c in "0011"]
    glyphs = shades([*unknown, *((w, ".") for w in (4, 4, 5, 5))])
    for line in choose(glyphs, torch.tensor([[0, 2, 1, 2, 2]]).expand(100, -1), one_hand=1.0):
        assert line[0] in (0, 1) and line[2] in (2, 3)
        assert len({line[i] // 2 for i in (1, 3, 4)}) == 1  # all marks by the same one


def test_without_writers_every_glyph_is_anybodys():
    glyphs = load_glyphs("pen", count=100)
    characters = torch.arange(10)[None]
    written = torch.ones(characters.shape, dtype=torch.bool)
    first, second = (
        choose_glyphs(glyphs, characters, written, ~written, share, seeded())
        for share in (0.0, 1.0)
    )
    assert torch.equal(first, second)


def test_people_are_asked_for_in_whole_numbers_of_one_split():
    generator = torch.Generator().manual_seed(0)
    before = torch.get_rng_state()
    with pytest.raises(TypeError, match="pen_people needs a torch.Generator"):
        pen_people(2, None)
    assert torch.equal(torch.get_rng_state(), before)
    for change in ({"count": 2.5}, {"count": -1}, {"marks": "2"}, {"each": 0}, {"each": None}):
        with pytest.raises(ValueError, match="is a whole number of at least [01]; got "):
            pen_people(**{"count": 2, "generator": generator, **change})
    for split in ("dev", None, 5):
        with pytest.raises(ValueError, match="split is 'train' or 'test'; got "):
            pen_people(2, generator, split=split)
