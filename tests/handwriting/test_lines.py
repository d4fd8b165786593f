from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import minimum_frames
from crnn_lib.handwriting import (
    SILENT,
    Glyphs,
    LineStyle,
    compose_lines,
    encode_texts,
    join_batches,
    load_glyphs,
    pen_people,
)
from crnn_lib.handwriting._warping import INK
from crnn_lib.models import CRNN

BLANKS = (0, 10)
APART = LineStyle(spacing=(0.1, 0.5), spacing_jitter=0.0)  # inks never meet


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return load_glyphs("pen", count=600)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blocks(rows: slice, columns: slice, characters: str = "0123456789") -> Glyphs:
    """One glyph per character, all of them the same full block of ink."""
    images = torch.zeros(len(characters), 28, 28, dtype=torch.uint8)
    images[:, rows, columns] = 255
    return Glyphs(images, torch.arange(len(characters)), "blocks", "train", characters)


def ink_columns(image: torch.Tensor) -> torch.Tensor:
    """Whether each column of a line (1, H, W) has ink: (W,)."""
    return image.amax((0, 1)) >= INK


def pairs(lines) -> tuple[torch.Tensor, torch.Tensor]:
    """The spans of all neighbours: two tensors (P, 2)."""
    both = torch.arange(1, lines.spans.shape[1]) < lines.target_lengths[:, None]  # (N, L - 1)
    return lines.spans[:, :-1][both], lines.spans[:, 1:][both]


# ---------------------------------------------------------------------------- seeds and truth


@pytest.mark.parametrize("style", [LineStyle(), LineStyle.article()], ids=["default", "article"])
def test_the_seed_decides_everything(glyphs, style):
    first, again, other = (compose_lines(glyphs, 20, style, generator(s)) for s in (1, 1, 2))
    assert first.texts == again.texts
    for name in ("images", "widths", "targets", "target_lengths", "spans"):
        assert torch.equal(getattr(first, name), getattr(again, name)), name
    assert first.texts != other.texts
    assert first.images.shape != other.images.shape or not first.images.equal(other.images)


def test_the_global_random_state_plays_no_part(glyphs):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = compose_lines(glyphs, 5, LineStyle(), generator())
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(compose_lines(glyphs, 5, LineStyle(), generator()).images, first.images)


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("style", [LineStyle(), LineStyle.article()], ids=["default", "article"])
def test_shapes_and_ground_truth(glyphs, style, blank):
    alphabet = Alphabet(blank=blank)
    lines = compose_lines(glyphs, 300, style, generator(), alphabet=alphabet)
    width, longest = int(lines.widths.max()), int(lines.target_lengths.max())
    assert len(lines) == 300
    assert lines.images.shape == (300, 1, style.height, width)
    assert lines.images.dtype == torch.float32
    assert lines.targets.shape == (300, longest) and lines.spans.shape == (300, longest, 2)
    low, high = style.length
    assert set(lines.target_lengths.tolist()) == set(range(low, high + 1))
    assert set("".join(lines.texts)) == set("0123456789")
    for n, text in enumerate(lines.texts):
        length = int(lines.target_lengths[n])
        assert len(text) == length
        assert lines.targets[n, :length].tolist() == alphabet.encode(text)
        assert bool((lines.targets[n, length:] == blank).all())
        assert not lines.spans[n, length:].any()
        assert not lines.images[n, ..., lines.widths[n] :].any()
    assert lines.images.min() >= 0 and lines.images.max() <= 1


def test_the_blank_changes_the_targets_only(glyphs):
    first, last = (
        compose_lines(glyphs, 20, LineStyle(), generator(), alphabet=Alphabet(blank=blank))
        for blank in BLANKS
    )
    assert torch.equal(first.images, last.images) and torch.equal(first.spans, last.spans)
    written = torch.arange(first.targets.shape[1]) < first.target_lengths[:, None]
    assert torch.equal(first.targets[written] - 1, last.targets[written])


def test_lengths_and_characters_are_uniform(glyphs):
    lines = compose_lines(glyphs, 3000, LineStyle(length=(1, 4)), generator())
    lengths = torch.bincount(lines.target_lengths, minlength=5)[1:] / 3000
    assert lengths.sub(0.25).abs().max() < 0.04  # 5 standard deviations
    text = "".join(lines.texts)
    shares = torch.tensor([text.count(c) / len(text) for c in "0123456789"])
    assert shares.sub(0.1).abs().max() < 0.02


def test_each_glyph_of_a_character_is_used():
    images = torch.zeros(3, 28, 28, dtype=torch.uint8)
    for i, image in enumerate(images):
        image[10:18, 10:18] = 85 * (i + 1)
    glyphs = Glyphs(images, torch.tensor([1, 1, 0]), "greys", "train", "01")
    plain = dataclasses.replace(LineStyle.article(), length=(1, 1))
    lines = compose_lines(glyphs, 60, plain, generator(), texts=["1"] * 60)
    assert {round(x, 2) for x in lines.images.amax((1, 2, 3)).tolist()} == {0.33, 0.67}


def test_given_texts(glyphs):
    texts = ("55207", "1", "0000000000000")
    lines = compose_lines(glyphs, 3, LineStyle(), generator(), texts=texts)
    assert lines.texts == list(texts)
    assert lines.target_lengths.tolist() == [5, 1, 13]
    assert lines.targets[0].tolist() == [6, 6, 3, 1, 8] + [0] * 8
    assert compose_lines(glyphs, 0, LineStyle(), generator(), texts=[]).texts == []


def test_letters():
    glyphs = blocks(slice(4, 24), slice(6, 22), "abc")
    lines = compose_lines(glyphs, 50, LineStyle(), generator())
    assert set("".join(lines.texts)) == set("abc")
    assert lines.targets.max() == 3
    alphabet = Alphabet("cab", blank=3)
    lines = compose_lines(glyphs, 1, LineStyle(), generator(), texts=["abc"], alphabet=alphabet)
    assert lines.targets.tolist() == [[1, 2, 0]]


# ---------------------------------------------------------------------------- silent characters


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("style", [LineStyle(), LineStyle.article(), LineStyle.amounts()])
def test_silent_characters_are_drawn_and_not_labelled(style, blank):
    pile = blocks(slice(4, 24), slice(8, 20), "0123456789.-")
    texts = ["150.000.-", "-7", "55207"]
    alphabet = Alphabet(blank=blank)
    lines = compose_lines(pile, 3, style, generator(), texts=texts, alphabet=alphabet, silent=".- ")
    assert lines.texts == ["150000", "7", "55207"]
    assert lines.target_lengths.tolist() == [6, 1, 5]
    for n, text in enumerate(lines.texts):
        assert lines.targets[n].tolist() == alphabet.encode(text) + [blank] * (6 - len(text))
        spans = lines.spans[n, : len(text)]
        assert (spans[:, 1] > spans[:, 0]).all() and not lines.spans[n, len(text) :].any()
    # before the 7 a dash is drawn: there is ink, and it is nobody's span
    first = int(lines.spans[1, 0, 0])
    assert ink_columns(lines.images[1])[: first - 1].any()


def test_random_texts_hold_no_silent_characters():
    pile = blocks(slice(4, 24), slice(8, 20), "01.2-")
    lines = compose_lines(pile, 100, LineStyle(), generator(), silent=".-")
    assert set("".join(lines.texts)) == set("012")
    assert set(lines.targets.unique().tolist()) == {0, 1, 2, 3}  # the alphabet holds the others


def test_a_typo_is_no_silent_character():
    pile = blocks(slice(4, 24), slice(8, 20), "0123456789.-")

    def write(text, silent=".- ", alphabet=None):
        compose_lines(
            pile, 1, LineStyle(), generator(), texts=[text], silent=silent, alphabet=alphabet
        )

    with pytest.raises(ValueError, match="'12,5' has the character ','"):
        write("12,5")
    with pytest.raises(ValueError, match="has the character ','"):
        write("12,5", silent=",")  # silent, but there is no glyph of it
    with pytest.raises(ValueError, match="has the character '.'"):
        write("1.2", silent="-", alphabet=Alphabet())  # drawn, but neither silent nor labelled
    with pytest.raises(ValueError, match="at least one character that is labelled; got '-.-'"):
        write("-.-")
    with pytest.raises(ValueError, match="must be labelled"):
        write("1", silent="0123456789.-")


# ---------------------------------------------------------------------------- spans


@pytest.mark.parametrize("style", [LineStyle(), LineStyle.article()], ids=["default", "article"])
def test_the_span_of_a_single_glyph_is_its_ink(glyphs, style):
    style = dataclasses.replace(style, length=(1, 1))
    lines = compose_lines(glyphs, 300, style, generator(3))
    shares = []
    for image, (start, end) in zip(lines.images, lines.spans[:, 0].tolist(), strict=True):
        columns = torch.nonzero(ink_columns(image))[:, 0]
        assert (start, end) == (int(columns[0]), int(columns[-1]) + 1)
        shares.append((image[..., start:end].sum() / image.sum()).item())
    assert min(shares) > 0.8 and sum(shares) / 300 > 0.98  # what is left out is faint


def test_ink_that_does_not_overlap_lies_exactly_inside_the_spans(glyphs):
    lines = compose_lines(glyphs, 200, APART, generator(4))
    before, here = pairs(lines)
    assert bool((before[:, 1] <= here[:, 0]).all())
    for n, image in enumerate(lines.images):
        ink = ink_columns(image)
        outside = torch.ones_like(ink)
        for start, end in lines.spans[n, : lines.target_lengths[n]].tolist():
            assert ink[start] and ink[end - 1]
            outside[start:end] = False
        assert not (ink & outside).any()


def test_ink_that_overlaps_lies_inside_the_spans(glyphs):
    lines = compose_lines(glyphs, 200, LineStyle(spacing=(-0.3, 0.0)), generator(5))
    for n, image in enumerate(lines.images):
        ink = ink_columns(image)
        covered = torch.zeros_like(ink)
        for start, end in lines.spans[n, : lines.target_lengths[n]].tolist():
            assert ink[start] and ink[end - 1]  # what lies on top never hides it
            covered[start:end] = True
        assert not (ink & ~covered).any()


def test_margins(glyphs):
    lines = compose_lines(glyphs, 300, LineStyle(margin=(2, 10)), generator(6))
    left = lines.spans[:, 0, 0]
    right = lines.widths - lines.spans[..., 1].amax(1)
    for margin in (left, right):
        assert set(margin.tolist()) == set(range(2, 11))


def test_a_glyph_without_ink_takes_a_place():
    glyphs = blocks(slice(0, 0), slice(0, 0))
    for style in (LineStyle(), LineStyle.article()):
        lines = compose_lines(glyphs, 3, style, generator())
        width = (lines.spans[..., 1] - lines.spans[..., 0])[lines.spans[..., 1] > 0]
        assert set(width.tolist()) == {1}
        assert not lines.images.any()


def test_a_turned_glyph_keeps_its_corners():
    glyphs = blocks(slice(0, 28), slice(0, 28))
    style = LineStyle(
        height=64, length=(1, 1), size=(1, 1), glyph_size=(1, 1), slant=(0, 0), glyph_slant=0,
        rotation=45, stroke=(0, 0), glyph_stroke=0, wander=0,
    )  # fmt: skip
    lines = compose_lines(glyphs, 300, style, generator())
    widths = lines.spans[:, 0, 1] - lines.spans[:, 0, 0]
    assert 37 <= int(widths.max()) <= 40  # the diagonal is 28 * sqrt(2) = 39.6


# ---------------------------------------------------------------------------- spacing


def test_overlap_never_exceeds_thirty_percent_of_the_narrower_ink(glyphs):
    lines = compose_lines(glyphs, 2000, LineStyle(), generator(7))
    before, here = pairs(lines)
    overlap = before[:, 1] - here[:, 0]
    narrower = torch.minimum(before[:, 1] - before[:, 0], here[:, 1] - here[:, 0])
    share = overlap / narrower
    assert share.max() <= 0.3
    assert share.max() > 0.25  # it does get that far
    assert (overlap > 0).float().mean() > 0.05
    assert (overlap < 0).float().mean() > 0.3
    # and ink meets its neighbours only
    assert bool((lines.spans[:, 2:, 0] >= lines.spans[:, :-2, 1])[lines.spans[:, 2:, 1] > 0].all())


def test_neighbours_keep_their_minimum_pitch(glyphs):
    style = LineStyle(spacing=(-0.9, -0.9))
    before, here = pairs(compose_lines(glyphs, 500, style, generator(8)))
    pitch = here.double().mean(1) - before.double().mean(1)
    least = style.minimum_pitch * style.height
    assert pitch.min() >= least - 0.5  # starts are whole pixels
    assert (pitch <= least + 1).any()


def test_one_line_has_one_spacing(glyphs):
    # blocks of one width, no jitter: all gaps of a line are equal, those of two lines differ
    style = dataclasses.replace(
        LineStyle(length=(6, 6), spacing_jitter=0.0), glyph_size=(1, 1), glyph_slant=0.0,
        rotation=0.0, glyph_stroke=0.0, wander=0.0,
    )  # fmt: skip
    lines = compose_lines(blocks(slice(4, 24), slice(6, 22)), 50, style, generator(9))
    gaps = lines.spans[:, 1:, 0] - lines.spans[:, :-1, 1]  # (50, 5)
    assert bool((gaps == gaps[:, :1]).all())
    assert gaps[:, 0].unique().numel() > 5


def test_all_lines_fit_the_default_crnn(glyphs):
    model = CRNN()
    thin = blocks(slice(4, 24), slice(14, 15))  # the narrowest ink there can be
    repeats = [c * 10 for c in "0123456789"]
    long = LineStyle(length=(10, 10))
    for style in (long, dataclasses.replace(long, spacing=(-0.3, -0.3)), long.varied()):
        for source in (glyphs, thin):
            for texts in (None, repeats * 30):
                lines = compose_lines(source, 300, style, generator(10), texts=texts)
                needed = torch.tensor(
                    [minimum_frames(Alphabet().encode(text)) for text in lines.texts]
                )
                assert "1111111111" in lines.texts or texts is None
                assert bool((model.frame_lengths(lines.widths) >= needed).all())


# ---------------------------------------------------------------------------- the article


def test_article_strips_are_five_cells(glyphs):
    lines = compose_lines(glyphs, 200, LineStyle.article(), generator(11))
    assert lines.images.shape == (200, 1, 28, 140)
    assert set(lines.widths.tolist()) == {140}
    assert {len(text) for text in lines.texts} == {5}
    cells = lines.spans - 28 * torch.arange(5)[:, None]
    assert cells.min() >= 0 and cells.max() <= 28


def test_what_leaves_its_cell_is_lost():
    images = torch.zeros(2, 28, 28, dtype=torch.uint8)
    images[1] = 255  # fills its cell, so that every shift drives ink out
    glyphs = Glyphs(images, torch.tensor([0, 1]), "blocks", "train", "01")
    lines = compose_lines(glyphs, 100, LineStyle.article(), generator(), texts=["01010"] * 100)
    cells = lines.images.unflatten(3, (5, 28))  # (N, 1, 28, 5, 28)
    assert not cells[..., ::2, :].any()
    assert bool((cells[..., 1::2, :].sum((1, 2, 4)) > 100).all())


def test_article_style_draws_as_random_affine_does():
    """Shift, size and turn of a bar, measured on its ink, are distributed as torchvision's."""
    from scipy.stats import ks_2samp  # not when it is collected: both take seconds
    from torchvision.transforms import InterpolationMode, RandomAffine

    count = 3000
    bar = torch.zeros(28, 28, dtype=torch.uint8)
    bar[7:21, 12:16] = 255
    glyphs = Glyphs(bar[None], torch.tensor([0]), "bar", "train", "0")
    lines = compose_lines(glyphs, count // 5, LineStyle.article(), generator(12))
    ours = lines.images.squeeze(1).unflatten(2, (5, 28)).permute(0, 2, 1, 3).flatten(0, 1)
    affine = RandomAffine(10, (0.2, 0.15), (0.8, 1.1), interpolation=InterpolationMode.NEAREST)
    with torch.random.fork_rng():
        torch.manual_seed(12)
        theirs = torch.cat([affine(bar[None]) for _ in range(count)]).float() / 255

    def measure(images):
        """Centre right and down, ink, turn: (4, M)."""
        x, y = torch.arange(28) - 13.5, (torch.arange(28) - 13.5)[:, None]
        ink = images.sum((1, 2))
        right, down = ((images * v).sum((1, 2)) / ink for v in (x, y))
        dx, dy = x - right[:, None, None], y - down[:, None, None]
        xx, yy, xy = ((images * v).sum((1, 2)) / ink for v in (dx * dx, dy * dy, dx * dy))
        return torch.stack([right, down, ink, torch.rad2deg(torch.atan2(2 * xy, yy - xx) / 2)])

    assert set(ours.unique().tolist()) == {0.0, 1.0}  # nearest: no greys
    a, b = measure(ours), measure(theirs)
    for name, x, y in zip(("right", "down", "ink", "turn"), a, b, strict=True):
        # 0.05 is what two samples of 3000 exceed once in a thousand times
        assert ks_2samp(x.round(decimals=4), y.round(decimals=4)).statistic < 0.05, name
        assert (x.std() / y.std()).item() == pytest.approx(1, abs=0.05), name
    for right_or_down in (0, 1):
        assert a[right_or_down].abs().max().item() == pytest.approx(
            b[right_or_down].abs().max().item(), abs=0.6
        )


@pytest.mark.parametrize("style", [LineStyle(), LineStyle.article()], ids=["default", "article"])
def test_a_varied_style_has_more_variety_and_no_other_layout(glyphs, style):
    varied = style.varied()
    for name in ("size", "stroke", "slant"):
        (low, high), (lower, higher) = getattr(style, name), getattr(varied, name)
        assert lower <= low <= high <= higher, name
    for name in ("height", "length", "spacing", "margin", "cell", "translation", "interpolation"):
        assert getattr(varied, name) == getattr(style, name)
    lines = compose_lines(glyphs, 50, varied, generator())
    assert lines.images.shape[2] == style.height
    assert style.cell is None or set(lines.widths.tolist()) == {140}


def test_silent_characters_that_the_alphabet_has_are_labelled_where_they_stand():
    people = pen_people(20, generator(3), marks=2)
    texts, alphabet = ["3/12,-", "40.5#", "$1-1"], Alphabet("0123456789./-", blank=4)
    style = LineStyle.amounts()
    lines = compose_lines(
        people, 3, style, generator(4), texts=texts, alphabet=alphabet, silent=SILENT
    )
    assert lines.texts == ["3/12-", "40.5", "1-1"]
    for row, length, text in zip(lines.targets, lines.target_lengths, lines.texts, strict=True):
        assert row[:length].tolist() == alphabet.encode(text)
    starts, ends = lines.spans.unbind(-1)
    assert ((starts < ends).sum(1) == lines.target_lengths).all()
    silently = compose_lines(people, 3, style, generator(4), texts=texts, silent=SILENT)
    assert torch.equal(silently.images, lines.images)  # what is labelled changes no ink
    assert silently.texts == ["312", "405", "11"]


# ---------------------------------------------------------------------------- a batch


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_select(glyphs, data):
    lines = compose_lines(glyphs, 8, LineStyle(length=(1, 5)), generator(13))
    indices = data.draw(st.lists(st.integers(-8, 7), min_size=1, max_size=10))
    some = lines.select(indices)
    assert some.texts == [lines.texts[i] for i in indices]
    assert some.images.shape[-1] == int(some.widths.max())
    assert some.targets.shape[1] == some.spans.shape[1] == max(map(len, some.texts))
    for place, i in enumerate(indices):
        width, length = int(lines.widths[i]), int(lines.target_lengths[i])
        assert torch.equal(some.images[place, ..., :width], lines.images[i, ..., :width])
        assert some.targets[place, :length].tolist() == lines.targets[i, :length].tolist()
        assert torch.equal(some.spans[place, :length], lines.spans[i, :length])


def test_select_by_slice_mask_and_nothing(glyphs):
    lines = compose_lines(glyphs, 8, LineStyle(length=(1, 3)), generator(13))
    assert lines.select(slice(1, None, 3)).texts == lines.texts[1::3]
    mask = lines.target_lengths == 3
    assert lines.select(mask).texts == [t for t in lines.texts if len(t) == 3]
    assert lines.select(mask.tolist()).texts == lines.select(mask).texts
    nothing = lines.select([])
    assert len(nothing) == 0 and nothing.images.shape == (0, 1, 32, 0)
    with pytest.raises(ValueError, match="A mask has 8 values"):
        lines.select(mask[:3])
    assert repr(lines) == f"LineBatch(8 lines of 32 x up to {int(lines.widths.max())} pixels)"


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "change, message",
    [
        ({"length": (5, 1)}, r"LineStyle.length is \(low, high\); got \(5, 1\)"),
        ({"spacing": 0.3}, r"LineStyle.spacing is \(low, high\); got 0.3"),
        ({"size": (1.0, 0.5)}, "LineStyle.size"),
        ({"length": (0, 3)}, "at least one character"),
        ({"interpolation": "cubic"}, "'bilinear' or 'nearest'; got 'cubic'"),
        ({"height": 0}, "at least 1 pixel high"),
        ({"margin": (-1, 3)}, "margins at least 0"),
        ({"height": True}, "at least 1 pixel high .* got height=True"),
        ({"height": 20.5}, "got height=20.5"),
        ({"height": "32"}, "got height=32"),
        ({"length": (1.5, 3)}, r"LineStyle.length is of whole numbers; got \(1.5, 3\)"),
        ({"length": "12"}, r"LineStyle.length is \(low, high\); got '12'"),
        ({"spacing": (math.nan, 1.0)}, r"LineStyle.spacing is \(low, high\); got \(nan, 1.0\)"),
        ({"size": (0.5, math.inf)}, "LineStyle.size"),
        ({"one_hand": "1"}, "LineStyle.one_hand is a share from 0 to 1; got '1'"),
    ],
)
def test_bad_styles(change, message):
    with pytest.raises(ValueError, match=message):
        LineStyle(**change)


def test_bad_calls(glyphs):
    def write(**change):
        arguments = {"count": 2, "style": LineStyle(), "generator": generator(), **change}
        return compose_lines(glyphs, **arguments)

    for count in (True, 2.0, "2", -1):
        with pytest.raises(ValueError, match="count is a number of lines, 0 or more; got "):
            write(count=count)
    with pytest.raises(TypeError, match=r"style is a LineStyle, such as LineStyle\(\); got None"):
        write(style=None)
    with pytest.raises(TypeError, match=r"glyphs is a Glyphs, such as load_glyphs\('pen'\); got"):
        compose_lines("pen", 2, LineStyle(), generator())
    with pytest.raises(TypeError, match="alphabet is an Alphabet"):
        write(alphabet="0123456789")
    with pytest.raises(TypeError, match="needs a torch.Generator.*got int"):
        write(generator=0)
    with pytest.raises(ValueError, match="count is a number of lines, 0 or more; got -1"):
        write(count=-1)
    with pytest.raises(ValueError, match="one text per line: 2 expected, got 1"):
        write(texts=["55207"])
    with pytest.raises(ValueError, match="one of the texts is empty"):
        write(texts=["55207", ""])
    with pytest.raises(ValueError, match="'55a' has the character 'a'"):
        write(texts=["55207", "55a"])
    with pytest.raises(TypeError, match=r"one text per line, such as \['55'\]; got a str"):
        write(texts="55")
    lines = write()
    for parts in (lines, None, [lines, None], ["55207"]):
        with pytest.raises(TypeError, match="parts is a list of LineBatch; got "):
            join_batches(parts)
    low = write(style=LineStyle(height=20))
    for parts, heights in (([], r"\[\]"), ([lines.select([])], r"\[\]"), ([lines, low], "20, 32")):
        with pytest.raises(ValueError, match=f"all of one height; got the heights .*{heights}"):
            join_batches(parts)
    with pytest.raises(ValueError, match="blank is a whole number of at least 0; got '0'"):
        join_batches([lines], "0")
    with pytest.raises(ValueError, match=r"These glyphs \(pen\) have no image of '0123467'"):
        fives = Glyphs.concat([glyphs.of(c) for c in "589"])
        fives = dataclasses.replace(
            fives, characters="0123456789", labels=torch.tensor([5, 8, 9])[fives.labels * 0]
        )
        compose_lines(fives, 1, LineStyle(), generator(), texts=["01234567"])


# ---------------------------------------------------------------------------- long characters


@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("silent", ["", ".", ". "])
def test_a_character_may_take_several_glyphs(blank, silent):
    """The same ink as with single characters; labels and spans are those of the pieces."""
    glyphs = load_glyphs("pen", count=200)
    if silent:
        dots = glyphs.of("0")
        dots = dataclasses.replace(dots, labels=torch.zeros_like(dots.labels), characters=".")
        glyphs = Glyphs.concat([glyphs, dots])
    texts = ["5520", "7", "0552"] if not silent else ["5.520", "7", "05.52"]
    if " " in silent:
        texts[0] = "5. 520"
    alphabet = Alphabet(("55", "20", "7", "0", "2", *"134689"), blank=blank)

    def write(alphabet):
        generator = torch.Generator().manual_seed(4)
        more = {"texts": texts, "alphabet": alphabet, "silent": silent}
        return compose_lines(glyphs, 3, LineStyle(), generator, **more)

    single, lines = write(Alphabet("0123456789")), write(alphabet)
    assert torch.equal(lines.images, single.images) and lines.texts == ["5520", "7", "0552"]
    labels = [["55", "20"], ["7"], ["0", "55", "2"]]
    for n, label in enumerate(labels):
        target = lines.targets[n, : lines.target_lengths[n]].tolist()
        assert [alphabet.symbols[c] for c in target] == label
        assert (lines.targets[n, len(label) :] == blank).all()
        assert not lines.spans[n, len(label) :].any()
    first, last = single.spans[0, :2], single.spans[0, 2:4]
    for span, glyph_spans in zip(lines.spans[0, :2], (first, last), strict=True):
        assert span.tolist() == [int(glyph_spans[:, 0].min()), int(glyph_spans[:, 1].max())]


def test_a_text_that_long_characters_cannot_spell_is_refused():
    glyphs, alphabet = load_glyphs("pen", count=50), Alphabet(("55", "20", "7"))
    with pytest.raises(ValueError, match="'5207' has the character '5', which this alphabet"):
        compose_lines(glyphs, 1, LineStyle(), torch.Generator(), texts=["5207"], alphabet=alphabet)
    assert len(compose_lines(glyphs, 0, LineStyle(), torch.Generator(), alphabet=alphabet)) == 0


# ---------------------------------------------------------------------------- spaces


WITH_SPACE = Alphabet("0123456789 ")


def test_a_space_is_a_gap_and_a_label():
    glyphs = load_glyphs("pen", count=200)
    texts = ["55 207", "1 2 3", "90", "7 77"]
    lines = compose_lines(glyphs, 4, LineStyle(), generator(3), texts=texts, alphabet=WITH_SPACE)
    assert lines.texts == texts
    assert lines.target_lengths.tolist() == [6, 5, 2, 4]
    for n, text in enumerate(texts):
        label = lines.targets[n, : len(text)].tolist()
        assert WITH_SPACE.decode(label) == text
        for place, character in enumerate(text):
            start, end = lines.spans[n, place].tolist()
            if character == " ":
                assert start == lines.spans[n, place - 1, 1]
                assert end == max(start, int(lines.spans[n, place + 1, 0]))
            else:
                assert lines.images[n, 0, :, start:end].max() > 0.25


def test_a_space_keeps_words_further_apart_than_their_digits():
    glyphs = load_glyphs("pen", count=200)
    texts = ["12 34"] * 60
    lines = compose_lines(glyphs, 60, LineStyle(), generator(), texts=texts, alphabet=WITH_SPACE)
    gap = (lines.spans[:, 3, 0] - lines.spans[:, 1, 1]).float().mean()
    within = (lines.spans[:, 1, 0] - lines.spans[:, 0, 1]).float().mean()
    assert gap > within + 4


def test_spaces_that_no_label_could_tell_are_refused():
    glyphs = load_glyphs("pen", count=100)
    for text in (" 12", "12 ", "1  2"):
        with pytest.raises(ValueError, match="stands alone between two characters"):
            compose_lines(glyphs, 1, LineStyle(), generator(), texts=[text], alphabet=WITH_SPACE)
    with pytest.raises(ValueError, match="' '"):
        compose_lines(glyphs, 1, LineStyle(), generator(), texts=["1 2"])
    options = {"texts": ["1 2"], "alphabet": WITH_SPACE}
    with pytest.raises(ValueError, match="fixed cells has no gaps"):
        compose_lines(glyphs, 1, LineStyle.article(), generator(), **options)


@pytest.mark.parametrize(
    "name", ["spacing_jitter", "minimum_pitch", "glyph_slant", "rotation", "glyph_stroke", "wander"]
)
@pytest.mark.parametrize("value", [None, "1", -0.1, math.nan, math.inf, (0, 1), True])
def test_single_habits_are_finite_numbers(name, value):
    """NaN went into every pixel, and a text came to torch as it was."""
    with pytest.raises(ValueError, match=f"LineStyle.{name} is a finite number, 0 or more; got "):
        LineStyle(**{name: value})


@pytest.mark.parametrize(
    "change, message",
    [
        ({"size": (0.0, 1.0)}, r"LineStyle.size is of scales above 0; got \(0.0, 1.0\)"),
        ({"glyph_size": (-1.0, 1.0)}, "LineStyle.glyph_size is of scales above 0"),
        ({"small_zero_size": (0, 1)}, "LineStyle.small_zero_size is of scales above 0"),
        ({"margin": (0.5, 3)}, r"LineStyle.margin is of whole numbers; got \(0.5, 3\)"),
        ({"margin": (True, True)}, r"LineStyle.margin is \(low, high\)"),
        ({"kerning": (0.0, 1.5)}, r"LineStyle.kerning is from 0 to 1; got \(0.0, 1.5\)"),
        ({"cut_rows": -1}, "LineStyle.cut_rows is a number of rows, 0 or more; got -1"),
        ({"cut_rows": 2.5}, "LineStyle.cut_rows is a number of rows, 0 or more; got 2.5"),
        ({"cell": 0}, "LineStyle.cell is a number of pixels, at least 1, or None; got 0"),
        ({"cell": 2.5}, "LineStyle.cell is a number of pixels, at least 1, or None; got 2.5"),
        ({"cell": "28"}, "LineStyle.cell is a number of pixels, at least 1, or None; got '28'"),
        ({"translation": 0.2}, "LineStyle.translation is the largest shift .* got 0.2"),
        ({"translation": (-0.1, 0.1)}, "LineStyle.translation is the largest shift"),
        ({"translation": (0.1, math.nan)}, "LineStyle.translation is the largest shift"),
        ({"translation": (0.1, 0.1, 0.1)}, "LineStyle.translation is the largest shift"),
        ({"spacing": ("0", "1")}, r"LineStyle.spacing is \(low, high\); got \('0', '1'\)"),
        ({"one_hand": None}, "LineStyle.one_hand is a share from 0 to 1; got None"),
        ({"one_hand": [1.0]}, "LineStyle.one_hand is a share from 0 to 1; got"),
    ],
)
def test_styles_that_draw_nothing_sensible(change, message):
    with pytest.raises(ValueError, match=message):
        LineStyle(**change)
    assert LineStyle(translation=(0.2, 0.15)).translation == (0.2, 0.15)


def test_texts_may_be_read_once_and_are_texts(glyphs):
    def write(texts, **change):
        return compose_lines(glyphs, 2, LineStyle(), generator(), texts=texts, **change)

    assert write(iter(["55", "7"])).texts == write(np.array(["55", "7"])).texts == ["55", "7"]
    for texts in (5, [5, 7], [None, "5"], [["5"], ["7"]]):
        with pytest.raises(TypeError, match="texts is a list with one text per line; got "):
            write(texts)
    for silent in (None, [".", ","], 5):
        with pytest.raises(TypeError, match="silent is a str of characters, such as"):
            write(["55", "7"], silent=silent)


def test_texts_become_targets_with_the_blank_beyond_their_ends():
    known = Alphabet("0123456789", blank=10)
    targets, lengths = encode_texts(["55207", "", "8"], known)
    assert targets.tolist() == [[5, 5, 2, 0, 7], [10] * 5, [8, 10, 10, 10, 10]]
    assert lengths.tolist() == [5, 0, 1] and targets.dtype == lengths.dtype == torch.int64
    targets, lengths = encode_texts([], known)
    assert targets.shape == (0, 0) and lengths.shape == (0,)
    with pytest.raises(TypeError, match="texts is a list of texts, such as"):
        encode_texts("55207", known)
    with pytest.raises(TypeError, match="alphabet is an Alphabet"):
        encode_texts(["55207"], "0123456789")
    with pytest.raises(ValueError, match="'x'"):
        encode_texts(["5x"], known)


def test_lines_are_chosen_by_whole_numbers_of_any_kind(glyphs):
    lines = compose_lines(glyphs, 4, LineStyle(), generator(3))
    expected = [lines.texts[i] for i in (3, 2, 1, 0)]
    for indices in (
        np.arange(4)[::-1],
        torch.arange(4).flip(0),
        range(3, -1, -1),
        slice(None, None, -1),
        iter([3, 2, 1, 0]),
        np.array([3, 2, 1, 0], np.uint8),
        [np.int64(3), -2, 1, 0],
    ):
        assert lines.select(indices).texts == expected
    assert lines.select(np.array([True, False, False, True])).texts == [
        lines.texts[0],
        lines.texts[3],
    ]
    for wrong in ([0.7], np.array([1.0]), 3, "3", None, [[0], [1]], ["a"], [None], torch.ones(2)):
        with pytest.raises(TypeError, match="indices are whole numbers"):
            lines.select(wrong)
        with pytest.raises(TypeError, match="indices are whole numbers"):
            glyphs.subset(wrong)
    for beyond in (4, -5):
        with pytest.raises(IndexError, match=f"There are 4 lines, 0 to 3, .* got {beyond}"):
            lines.select([0, beyond])
