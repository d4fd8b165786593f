from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import length_mask
from crnn_lib.handwriting import (
    AmountStyle,
    Glyphs,
    LineBatch,
    LineStyle,
    LineVariation,
    NumberStyle,
    compose_lines,
    load_glyphs,
    pen_people,
)
from crnn_lib.training import (
    Alternating,
    LineSet,
    LineStream,
    Mixed,
    TextlessStream,
    WordStream,
    batches,
    seeded_generator,
)
from crnn_lib.training.streams import _labels_of


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return load_glyphs("pen", count=200)


@pytest.fixture
def stream(glyphs) -> LineStream:
    return LineStream(glyphs, LineStyle(length=(1, 4)), batch_size=5, seed=3, pool=4)


def same(a: LineBatch, b: LineBatch) -> bool:
    tensors = ("images", "widths", "targets", "target_lengths", "spans")
    return a.texts == b.texts and all(torch.equal(getattr(a, t), getattr(b, t)) for t in tensors)


def fresh(stream: LineStream, **change) -> LineStream:
    return replace(stream, **change)


# ---------------------------------------------------------------------------- fresh lines


def test_a_batch_depends_on_seed_and_step_alone(stream):
    in_order = [stream.batch(step) for step in range(9)]
    backwards = fresh(stream)
    for step in reversed(range(9)):
        assert same(backwards.batch(step), in_order[step])
    torch.manual_seed(99)  # the global state plays no part
    for step in (8, 0, 5, 5):
        assert same(fresh(stream).batch(step), in_order[step])


@pytest.mark.parametrize("workers", (0, 1, 2))
def test_batches_do_not_depend_on_workers(stream, workers):
    lines = LineSet(stream.batch(0), batch_size=2)
    turns = Alternating((stream, fresh(stream, seed=4, pool=3)))
    for source in (stream, lines, turns):
        state = torch.get_rng_state()
        composed = list(batches(source, 3, 10, workers))  # 3 is in the middle of a pool
        assert torch.equal(torch.get_rng_state(), state)
        assert [step for step, _ in composed] == list(range(3, 10))
        assert all(same(batch, source.batch(step)) for step, batch in composed)
    assert list(batches(stream, 5, 5, workers)) == []


def test_batches_do_not_depend_on_threads(stream):
    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(stream.batch, [0, 5, 1, 8, 0, 4, 7, 2]))
    for step, batch in zip([0, 5, 1, 8, 0, 4, 7, 2], batches, strict=True):
        assert same(batch, fresh(stream).batch(step))


def test_a_used_stream_can_be_pickled(stream):
    expected = stream.batch(6)
    copy = pickle.loads(pickle.dumps(stream))
    assert same(copy.batch(6), expected) and same(copy.batch(1), stream.batch(1))


def test_a_stream_of_amounts():
    people = pen_people(8, seeded_generator(1), each=1, marks=1)
    stream = LineStream(
        people,
        LineStyle.amounts(),
        batch_size=6,
        seed=3,
        pool=2,
        amounts=AmountStyle(digits_only=0),
    )
    for step in (3, 0):
        batch = stream.batch(step)
        assert same(fresh(stream).batch(step), batch)
        assert all(text.isdigit() for text in batch.texts)
        assert _labels_of(batch) == [*map(Alphabet().encode, batch.texts)]
    plain = fresh(stream, amounts=None, alphabet=Alphabet(people.characters))
    assert any(not text.isdigit() for text in plain.batch(0).texts)  # marks are labelled there


def test_no_two_batches_are_alike(stream):
    texts = [tuple(stream.batch(step).texts) for step in range(12)]
    texts += [tuple(fresh(stream, seed=4).batch(step).texts) for step in range(12)]
    assert len(set(texts)) == 24


def test_a_pool_is_sorted_by_width(stream):
    spread = []
    for turn in range(10):
        batches = [stream.batch(4 * turn + place) for place in range(4)]
        ranges = sorted((int(b.widths.min()), int(b.widths.max())) for b in batches)
        assert all(before[1] <= here[0] for before, here in pairwise(ranges))
        assert all(len(b) == 5 and b.images.shape[-1] == int(b.widths.max()) for b in batches)
        spread.append([int(b.widths.max()) for b in batches])
    # the widest batch is not always in the same place
    assert len({widths.index(max(widths)) for widths in spread}) > 1


def test_a_pool_is_what_compose_lines_writes(stream):
    lines = compose_lines(stream.glyphs, 20, stream.style, seeded_generator(3, 2))
    texts = [text for place in range(4) for text in stream.batch(8 + place).texts]
    assert sorted(texts) == sorted(lines.texts)


@pytest.mark.parametrize("blank", (0, 10))
def test_the_blank_of_the_targets(stream, blank):
    alphabet = Alphabet(blank=blank)
    lines = fresh(stream, alphabet=alphabet).batch(0)
    assert _labels_of(lines) == [*map(alphabet.encode, lines.texts)]
    padding = ~length_mask(lines.target_lengths, lines.targets.shape[1])
    assert padding.any() and (lines.targets[padding] == blank).all()


def test_streams_take_turns(stream):
    other = fresh(stream, seed=4, pool=3)
    both = Alternating((stream, other))
    for step in (5, 0, 3, 2):
        assert same(both.batch(step), (stream, other)[step % 2].batch(step // 2))
    # a worker composes `pool` batches: each stream's share is a whole number of its own pools
    assert both.pool % (2 * 4) == 0 and both.pool % (2 * 3) == 0


# ---------------------------------------------------------------------------- fixed lines


def test_an_epoch_shows_each_line_once(stream):
    lines = compose_lines(stream.glyphs, 11, stream.style, seeded_generator(0))
    names = {(text, int(width)) for text, width in zip(lines.texts, lines.widths, strict=True)}
    assert len(names) == 11
    line_set = LineSet(lines, batch_size=4, seed=1)
    assert line_set.steps_per_epoch == 3
    orders = []
    for epoch in range(4):
        batches = [line_set.batch(3 * epoch + place) for place in range(3)]
        assert [len(batch) for batch in batches] == [4, 4, 3]
        seen = [(t, int(w)) for b in batches for t, w in zip(b.texts, b.widths, strict=True)]
        assert len(seen) == 11 and set(seen) == names
        orders.append(tuple(seen))
    assert len(set(orders)) == 4  # shuffled anew
    again, other = LineSet(lines, 4, 1), LineSet(lines, 4, 2)
    assert same(again.batch(7), line_set.batch(7))
    assert not same(other.batch(7), line_set.batch(7))


# ---------------------------------------------------------------------------- seeds, bad input


def test_seeded_generators_are_unrelated():
    seeds = [(0, 0), (0, 1), (1, 0), (1, 1), (55207, 0), (55207, 1)]
    draws = torch.stack([torch.rand(2000, generator=seeded_generator(*s)) for s in seeds])
    correlation = torch.corrcoef(draws) - torch.eye(len(seeds))
    assert correlation.abs().max() < 0.08
    assert torch.equal(torch.rand(2000, generator=seeded_generator(55207, 1)), draws[-1])


def test_bad_input(stream):
    lines = stream.batch(0)
    makers = {
        "batch_size": (partial(fresh, stream), partial(LineSet, lines)),
        "pool": (partial(fresh, stream),),
        "height": (),
    }
    for name, streams in makers.items():
        for make in (*streams, TextlessStream, partial(WordStream, Alphabet("ab"))):
            for size in (0, -1, True, 2.5, "3"):
                with pytest.raises(ValueError, match=f"{name} is a whole .* 1; got .?{size}"):
                    make(**{name: size})
    asked = [fresh(stream, seed=seed).batch for seed in (-1, 1.5, "7", None)]
    for ask, step in (*((ask, 0) for ask in asked), (stream.batch, -1), (seeded_generator, "7")):
        with pytest.raises(ValueError, match="Seeds and steps are whole numbers, 0 or more; got"):
            ask(step)
    for wrong in (lines.select([]), "lines", None):
        with pytest.raises(ValueError, match="A LineSet is of a LineBatch with lines; got"):
            LineSet(wrong)
    for glyphs, style in (("pen", stream.style), (stream.glyphs, None)):
        with pytest.raises(TypeError, match="A LineStream has Glyphs and a LineStyle, such as"):
            LineStream(glyphs, style)
    for make in (lambda known: fresh(stream, alphabet=known), WordStream):
        with pytest.raises(TypeError, match="alphabet is an Alphabet"):
            make("0123456789")
    with pytest.raises(TypeError, match="alphabet is an Alphabet"):
        TextlessStream(alphabet="0123456789")


# ---------------------------------------------------------------------------- marks, and nothing


def test_marks_of_the_alphabet_are_labelled_and_each_label_has_its_frames():
    people, alphabet = pen_people(8, seeded_generator(1)), Alphabet("0123456789./,-")
    style = LineStyle.amounts()
    stream = LineStream(people, style, 32, 3, 2, alphabet, amounts=NumberStyle())
    lines = stream.batch(0)
    assert any("/" in text for text in lines.texts) and any("." in text for text in lines.texts)
    assert not any(" " in text or "'" in text for text in lines.texts)
    assert (lines.widths >= 8 * lines.target_lengths).all()
    assert lines.images.shape[3] >= int(lines.widths.max())


def test_varied_lines_keep_their_texts_and_the_frames_of_their_labels(stream):
    narrow = LineVariation(width=(0.1, 0.2), plain=0.5)
    varied = fresh(stream, variation=narrow)
    for step in range(4):
        lines, plain = varied.batch(step), stream.batch(step)
        assert (lines.widths >= 8 * lines.target_lengths).all()
        assert float(lines.images.amax((1, 2, 3)).min()) > 0.5  # no line has lost its ink
        assert plain.widths.sum() != lines.widths.sum()
    texts = [sorted(t for s in range(4) for t in of.batch(s).texts) for of in (varied, stream)]
    assert texts[0] == texts[1]


def test_a_stream_that_stands_several_times_gives_its_next_batch_each_time(stream):
    other = fresh(stream, seed=8)
    turns = Alternating((stream, other, stream, stream))
    in_order = [turns.batch(step) for step in range(turns.pool)]
    expected = iter(range(turns.pool))
    for step, lines in enumerate(in_order):
        own = other.batch(step // 4) if step % 4 == 1 else stream.batch(next(expected))
        assert same(lines, own), step
    assert turns.pool == 16  # 4 turns: 4 batches of one stream, 12 of the other
    again = pickle.loads(pickle.dumps(turns))
    assert all(same(again.batch(step), in_order[step]) for step in (9, 2, 15))


def test_a_stream_that_is_mixed_in_twice_gives_twice_as_many_lines(stream):
    other = fresh(stream, seed=8)
    mixed = Mixed((stream, other, stream), seed=4)
    assert mixed.pool == 12
    texts = sorted(text for step in range(12) for text in mixed.batch(step).texts)
    parts = [*(stream.batch(s) for s in range(8)), *(other.batch(s) for s in range(4))]
    assert texts == sorted(text for lines in parts for text in lines.texts)


def test_mixed_streams_deal_every_line_once(stream):
    textless = TextlessStream(batch_size=5, seed=1, pool=2)
    mixed = Mixed((stream, textless, fresh(stream, seed=9)), seed=4)
    assert mixed.pool == 12
    dealt = [mixed.batch(step) for step in range(12)]
    assert [len(lines) for lines in dealt] == [5] * 12
    texts = sorted(text for lines in dealt for text in lines.texts)
    parts = [
        *(stream.batch(s) for s in range(4)),
        *(fresh(stream, seed=9).batch(s) for s in range(4)),
    ]
    written = sorted(text for lines in parts for text in lines.texts)
    assert texts == [""] * 20 + written
    assert sum(len(set(map(bool, lines.texts))) == 2 for lines in dealt) > 3  # of both kinds
    again = Mixed((fresh(stream), textless, fresh(stream, seed=9)), seed=4)
    assert same(again.batch(17), mixed.batch(17)) and same(again.batch(3), dealt[3])
    widths = [lines.widths for lines in dealt]
    spread = sum(float(w.max() - w.min()) for w in widths) / 12
    assert spread < 0.5 * float(torch.cat(widths).max() - torch.cat(widths).min())


@pytest.mark.parametrize("several", [Alternating, Mixed])
@pytest.mark.parametrize("streams", [(), [], None, ("pen",), (None,)])
def test_what_is_no_stream_is_named(several, streams):
    with pytest.raises(ValueError, match=f"{several.__name__}.streams is a tuple of streams"):
        several(streams)
