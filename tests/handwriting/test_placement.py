"""Where a hand puts its glyphs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from conftest import seeded
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from crnn_lib.handwriting import Glyphs, LineStyle, compose_lines, pen_people, random_amounts
from crnn_lib.handwriting import _warping as warping
from crnn_lib.handwriting._warping import INK
from crnn_lib.handwriting.amounts import SILENT

CALM = LineStyle(
    spacing=(0.1, 0.1), spacing_jitter=0.0, minimum_pitch=0.0, size=(1, 1), glyph_size=(1, 1),
    slant=(0, 0), glyph_slant=0.0, rotation=0.0, stroke=(0, 0), glyph_stroke=0.0, wander=0.0,
    margin=(2, 2),
)  # fmt: skip


@pytest.fixture(scope="module")
def shapes() -> Glyphs:
    """A bar with a stem on its left (7), a ring (0), a thin stroke (1), a dot, a dash."""
    images = torch.zeros(5, 28, 28, dtype=torch.uint8)
    images[0, 4:7, 6:22] = images[0, 4:24, 6:9] = 255
    images[1, 4:24, 8:20] = 255
    images[1, 7:21, 11:17] = 0
    images[2, 4:24, 13:15] = 255
    images[3, 21:24, 13:16] = 255
    images[4, 12:15, 8:20] = 255
    return Glyphs(images, torch.arange(5), "shapes", "train", "701.-")


@pytest.fixture(scope="module")
def people() -> Glyphs:
    return pen_people(60, seeded(), each=2, marks=1)


def write(glyphs, texts, style, seed=0, silent=SILENT):
    return compose_lines(glyphs, len(texts), style, seeded(seed), texts=texts, silent=silent)


def pieces(image: torch.Tensor) -> int:
    return label((image[0] >= INK).numpy(), structure=torch.ones(3, 3).numpy())[1]


def extent(image: torch.Tensor, start: int, end: int) -> tuple[int, int]:
    rows = (image[0, :, start:end] >= INK).any(1).nonzero()[:, 0]
    return int(rows[0]), int(rows[-1]) + 1


def test_with_kerning_a_dot_lies_under_the_bar(shapes):
    texts = ["7.1"]
    apart, under = (
        write(shapes, texts, replace(CALM, kerning=(k, k)), silent="") for k in (0.0, 1.0)
    )
    assert apart.spans[0, 1, 0] >= apart.spans[0, 0, 1]
    assert under.spans[0, 1, 1] <= under.spans[0, 0, 1]
    assert pieces(under.images[0]) == pieces(apart.images[0]) == 3  # nothing touches


def test_a_bar_may_cut_into_its_neighbour(shapes):
    style = replace(CALM, kerning=(1, 1), cut_rows=9, spacing=(0.0, 0.0))
    lines = write(shapes, ["71"] * 40, style)
    overlap = lines.spans[:, 0, 1] - lines.spans[:, 1, 0]
    assert overlap.min() == 0 and overlap.max() > 3


def test_marks_do_not_force_a_wide_pitch_and_digits_keep_theirs(shapes):
    style = replace(CALM, minimum_pitch=0.5, spacing=(-0.5, -0.5), kerning=(1, 1))
    lines = write(shapes, ["1.1", "11", "1..1", "0-0"], style)
    first, second = lines.spans[:, 0].double().mean(1), lines.spans[:, 1].double().mean(1)
    assert (second - first >= 0.5 * 32 - 0.5).all()
    assert (second - first)[0] < 0.5 * 32 + 2  # a dot is no column of its own


def test_a_space_leaves_a_gap(shapes):
    lines = write(shapes, ["10", "1 0"], CALM)
    gaps = lines.spans[:, 1, 0] - lines.spans[:, 0, 1]
    assert lines.texts == ["10", "10"] and gaps[1] >= gaps[0] + 2


def test_noughts_hang_together(shapes):
    style = replace(CALM, spacing=(0.3, 0.3), joined_zeros=1.0)
    for seed in range(10):
        joined = write(shapes, ["000", "1000.000", "0 0"], style, seed)
        assert [pieces(image) for image in joined.images] == [1, 4, 2]
        assert joined.texts == ["000", "1000000", "00"]
    apart = write(shapes, ["000"], replace(style, joined_zeros=0.0))
    assert pieces(apart.images[0]) == 3


def test_only_the_last_noughts_are_smaller(shapes):
    style = replace(CALM, small_zeros=1.0, small_zero_size=(0.6, 0.6))
    lines = write(shapes, ["01000"] * 60, style)
    raised = 0
    for image, spans in zip(lines.images, lines.spans.tolist(), strict=True):
        extents = [extent(image, *span) for span in spans]
        heights = [bottom - top for top, bottom in extents]
        small = [height < 15 for height in heights]
        assert small[:2] == [False, False] and small[3:] == [True, True]
        raised += extents[-1][1] < extents[0][1] - 2
    assert 10 < raised < 45  # some stand on the line, some above it


def test_lines_grow_and_climb(shapes):
    texts = ["1111"]
    grown = write(shapes, texts, replace(CALM, growth=(0.4, 0.4)))
    heights = [b - a for a, b in (extent(grown.images[0], *s) for s in grown.spans[0].tolist())]
    assert heights == sorted(heights) and heights[-1] / heights[0] == pytest.approx(1.49, abs=0.15)
    climbing = write(shapes, texts, replace(CALM, climb=(6.0, 6.0)))
    bottoms = [extent(climbing.images[0], *s)[1] for s in climbing.spans[0].tolist()]
    assert bottoms == sorted(bottoms, reverse=True) and bottoms[0] - bottoms[-1] == 6


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**60))
def test_spans_are_right_whatever_is_written(people, seed):
    texts = random_amounts(20, seeded(seed))
    lines = write(people, texts, LineStyle.amounts(), seed)
    for n, text in enumerate(lines.texts):
        assert text == "".join(c for c in texts[n] if c.isdigit())
        spans = lines.spans[n, : len(text)]
        assert spans.min() >= 0 and spans.max() <= lines.widths[n]
        assert (spans[:, 1] > spans[:, 0]).all()
        middles = spans.double().mean(1)
        assert (middles.diff() >= 0.25 * 32 - 0.5).all()  # so a reader has the frames it needs
        assert not lines.spans[n, len(text) :].any()
        assert not lines.images[n, ..., lines.widths[n] :].any()
    again = write(people, texts, LineStyle.amounts(), seed)
    assert torch.equal(lines.images, again.images) and torch.equal(lines.spans, again.spans)


def test_all_ink_between_digits_is_marks(people):
    """Without marks and joining strokes, ink lies in the spans; with marks, some lies outside."""
    style = replace(LineStyle.amounts(), joined_zeros=0.0)
    outside = []
    for texts in (["15000", "250"] * 10, ["15.000,-", "$ 250="] * 10):
        lines = write(people, texts, style)
        covered = torch.zeros(lines.images.shape[-1])
        count = 0
        for image, spans in zip(lines.images, lines.spans.tolist(), strict=True):
            covered = torch.zeros(image.shape[-1], dtype=torch.bool)
            for start, end in spans:
                covered[start:end] = True
            count += int(((image.amax((0, 1)) >= INK) & ~covered).sum())
        outside.append(count)
    assert outside[0] == 0 and outside[1] > 100


def test_without_numba_the_lines_are_the_same(people, monkeypatch):
    texts = random_amounts(60, seeded(2))
    compiled = write(people, texts, LineStyle.amounts(), 2)
    monkeypatch.setattr(warping, "_kernels", lambda: None)
    plain = write(people, texts, LineStyle.amounts(), 2)
    assert torch.equal(compiled.spans, plain.spans) and torch.equal(compiled.widths, plain.widths)
    assert torch.allclose(compiled.images, plain.images, atol=1e-3)
