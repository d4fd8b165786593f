from __future__ import annotations

import dataclasses
import math
import pickle

import pytest
import torch
from conftest import seeded
from scipy.fft import dctn, idctn

from crnn_lib.alphabet import Alphabet
from crnn_lib.handwriting import LineBatch, LineStyle, compose_lines, join_batches, load_glyphs
from crnn_lib.handwriting.paper import Effect, PaperStyle, photograph
from crnn_lib.handwriting.paper import _effects_camera as camera
from crnn_lib.handwriting.paper import _textures as textures
from crnn_lib.handwriting.paper._sheet import Sheet, columns_of_ink, rows_of_ink, stroke
from crnn_lib.handwriting.paper.scanner import HARM, LIMIT, PLACING, _strengths
from crnn_lib.handwriting.paper.styles import EFFECTS, LATER
from crnn_lib.models import CRNN
from crnn_lib.training import Alternating, LineStream, PaperStream, TrainConfig, batches, train

TENSORS = ("images", "widths", "targets", "target_lengths", "spans")
KEEP_PLACE = [name for name in EFFECTS if name not in (*PLACING, "scribble", "currency")]


@pytest.fixture(scope="module")
def glyphs():
    return load_glyphs("pen", count=300)


@pytest.fixture(scope="module")
def lines(glyphs) -> LineBatch:
    style = LineStyle(length=(1, 6), spacing=(0.2, 0.5), size=(0.7, 0.9))
    return compose_lines(glyphs, 40, style, seeded(1))


def same(a: LineBatch, b: LineBatch) -> bool:
    return a.texts == b.texts and all(torch.equal(getattr(a, t), getattr(b, t)) for t in TENSORS)


def beyond(batch: LineBatch) -> torch.Tensor:
    columns = torch.arange(batch.images.shape[3]) >= batch.widths[:, None]
    return columns[:, None, None].expand_as(batch.images)


def changed(lines: LineBatch, style: PaperStyle, seed: int = 0) -> torch.Tensor:
    """Mean change of each line against clean paper; for effects that move nothing."""
    clean = photograph(lines, PaperStyle.clean(), seeded(0)).images
    return (photograph(lines, style, seeded(seed)).images - clean).abs().mean((1, 2, 3))


# ---------------------------------------------------------------------------- photographs


def test_clean_paper_is_the_line_in_black_on_white(lines):
    photos = photograph(lines, PaperStyle.clean(), seeded(0))
    torch.testing.assert_close(photos.images, 1 - 0.9 * lines.images, atol=1e-4, rtol=0)
    assert photos.texts == lines.texts
    for name in TENSORS[1:]:
        assert torch.equal(getattr(photos, name), getattr(lines, name)), name


@pytest.mark.parametrize("style", (PaperStyle.cheque(), PaperStyle.scanner()))
def test_the_generator_decides_all(lines, style):
    torch.manual_seed(1)
    state, before = torch.get_rng_state(), lines.images.clone()
    first = photograph(lines, style, seeded(3))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(lines.images, before), "the lines themselves are left alone"
    torch.manual_seed(2)
    assert same(photograph(lines, style, seeded(3)), first)
    assert not same(photograph(lines, style, seeded(4)), first)


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_alone(lines, name):
    for severity in (1, 5):
        photos = photograph(lines, PaperStyle.only(name, severity), seeded(2))
        assert photos.texts == lines.texts
        assert torch.equal(photos.targets, lines.targets)
        assert photos.images.shape[:3] == lines.images.shape[:3]
        assert photos.images.shape[3] == int(photos.widths.max())
        assert photos.images.isfinite().all()
        assert 0 <= photos.images.min() and photos.images.max() <= 1
        assert (photos.images[beyond(photos)] == 1).all()
        starts, ends = photos.spans.unbind(-1)
        written = torch.arange(photos.spans.shape[1]) < photos.target_lengths[:, None]
        assert ((starts < ends) == written).all()
        assert (ends <= photos.widths[:, None]).all()
    clean = photograph(lines, PaperStyle.clean(), seeded(2))
    assert not torch.equal(photos.images, clean.images)


@pytest.mark.parametrize("name", KEEP_PLACE)
def test_severity_5_does_more_than_severity_1(lines, name):
    little, much = (changed(lines, PaperStyle.only(name, s), seed=5).mean() for s in (1, 5))
    assert much > 1.05 * little > 0


@pytest.mark.parametrize("name", ("tone", "fibre", "noise", "light"))
def test_share_is_the_share_of_lines_that_have_it(lines, name):
    many = lines.select(torch.arange(400) % len(lines))
    style = PaperStyle(**{name: Effect(0.3, 0.6, 1.0)})
    touched = changed(many, style) > 1e-4
    assert 0.2 < touched.float().mean() < 0.4
    assert not (changed(many, PaperStyle(**{name: Effect(0.0, 1.0, 1.0)})) > 1e-4).any()


def test_no_line_gets_more_harm_than_a_person_can_bear(lines):
    worst = {name: Effect(1.0, 1.0, 1.0) for name in HARM}
    drawn = {name: _strengths(worst[name], 1, seeded(0)) for name in HARM}
    assert sum(drawn.values()) > LIMIT
    photos = photograph(lines, PaperStyle(**worst), seeded(0))
    ink = lines.images > 0.9
    clear = [
        float(photo[~mask].median() - photo[mask].median())
        for photo, mask in zip(photos.images, ink, strict=True)
    ]
    assert min(clear) > 0.02


@pytest.mark.parametrize("height", (20, 32, 47))
def test_other_heights_and_long_lines(glyphs, height):
    style = LineStyle(height=height, length=(1, 90), size=(0.5, 0.7))
    lines = compose_lines(glyphs, 6, style, seeded(0), texts=["0", "7" * 90, *["123"] * 4])
    assert lines.images.shape[3] > textures.WIDTH
    photos = photograph(lines, PaperStyle.cheque(), seeded(0))
    assert photos.images.shape[2] == height and photos.texts == lines.texts


def test_one_line_and_none(lines):
    for seed in range(8):
        one = lines.select([seed])
        assert photograph(one, PaperStyle.cheque(), seeded(seed)).texts == one.texts
    assert len(photograph(lines.select([]), PaperStyle.cheque(), seeded(0))) == 0


def test_a_generator_is_needed(lines):
    with pytest.raises(TypeError, match="torch.Generator"):
        photograph(lines, PaperStyle.clean(), 7)


# ---------------------------------------------------------------------------- where writing goes


def test_margins_move_writing_and_spans_alike(lines):
    photos = photograph(lines, PaperStyle.only("margins", 5), seeded(0))
    first, last = columns_of_ink((1 - photos.images[:, 0]) / 0.9)
    was = columns_of_ink(lines.images[:, 0])[0] - lines.spans[:, 0, 0]
    ends = photos.spans[..., 1].amax(1)
    assert ((first - photos.spans[:, 0, 0] - was).abs() <= 1).all()
    assert ((last - ends).abs() <= 2).all()
    extra = photos.widths - lines.widths
    assert (extra >= 0).all() and 32 < extra.max() <= 4 * 32 + 1


def test_writing_fills_45_to_95_percent_of_the_height(lines):
    photos = photograph(lines, PaperStyle.only("size", 5), seeded(0))
    top, bottom = rows_of_ink((1 - photos.images[:, 0]) / 0.9)
    fill = (bottom - top) / 32
    assert 0.4 <= fill.min() < 0.55 and 0.85 < fill.max() <= 1.0


def test_small_ones_have_the_frames_that_ctc_needs(glyphs):
    ones = glyphs.only("1")
    thin = ones.subset((ones.images.float().amax(1) > 64).sum(1).argsort()[:3])
    style = dataclasses.replace(LineStyle.amounts(), spacing=(-0.1, 0.0), margin=(0, 0))
    lines = compose_lines(thin, 64, style, torch.Generator().manual_seed(0), texts=["111"] * 64)
    small = PaperStyle(size=Effect(1.0, 1.0, 1.0))
    photos = photograph(lines, small, torch.Generator().manual_seed(0))
    assert int(photos.widths.min()) == 24  # 6 frames of 4 pixels: three 1s, two blanks between


def test_shift_cuts_little(lines):
    clean = photograph(lines, PaperStyle.clean(), seeded(0))
    photos = photograph(lines, PaperStyle.only("shift", 5), seeded(0))
    kept = (1 - photos.images).sum((1, 2, 3)) / (1 - clean.images).sum((1, 2, 3))
    assert kept.min() > 0.85
    tops = rows_of_ink((1 - photos.images[:, 0]) / 0.9)[0]
    assert tops.max() - tops.min() > 4


@pytest.mark.parametrize("name", ("turn", "curve", "shear", "perspective", "size"))
def test_a_moved_line_keeps_its_ink_and_its_spans(lines, name):
    photos = photograph(lines, PaperStyle.only(name, 5), seeded(0))
    clean = photograph(lines, PaperStyle.clean(), seeded(0))
    if name != "size":
        kept = (1 - photos.images).sum((1, 2, 3)) / (1 - clean.images).sum((1, 2, 3))
        assert 0.8 < kept.min() and kept.max() < 1.2
    inside = 0.0
    for photo, spans in zip(photos.images, photos.spans, strict=True):
        columns = torch.arange(photo.shape[2])
        near = ((columns >= spans[:, :1] - 2) & (columns < spans[:, 1:] + 2)).any(0)
        ink = (1 - photo[0]).sum(0)
        inside += float(ink[near].sum() / ink.sum()) / len(photos)
    assert inside > 0.9


# ---------------------------------------------------------------------------- single effects


def test_bars_of_cells_stand_between_digits(lines):
    clean = photograph(lines, PaperStyle.clean(), seeded(0)).images
    barred = photograph(lines, PaperStyle.only("cells", 5), seeded(0)).images
    bars = (clean - barred).amax((1, 2)) > 0.15  # (N, W)
    assert bars.any(1).sum() > 20
    for found, spans in zip(bars, lines.spans, strict=True):
        columns = torch.nonzero(found)[:, 0]
        start, end = spans[:, :1], spans[:, 1:]
        assert not ((columns > start) & (columns < end - 1)).any()


def test_scribbles_stand_beside_the_number(lines):
    photos = photograph(lines, PaperStyle.only("scribble", 5), seeded(0))
    wider = photos.widths - lines.widths
    assert (wider >= 0.6 * 32).all() and (wider <= 2.5 * 32 + 1).all()
    for n, photo in enumerate(photos.images):
        moved = int(photos.spans[n, 0, 0] - lines.spans[n, 0, 0])
        start, end = int(lines.spans[n, 0, 0]), int(lines.spans[n, :, 1].max())
        there = photo[:, :, start + moved : end + moved]
        ink = lines.images[n, :, :, start:end]
        torch.testing.assert_close(there, 1 - 0.9 * ink, atol=0.95, rtol=0)
        assert (there - (1 - 0.9 * ink)).abs().mean() < 0.06
        rest = torch.cat([photo[..., : start + moved - 2], photo[..., end + moved + 2 :]], 2)
        assert rest.min() < 0.6, "there is a stroke beside the number"


def test_pieces_of_neighbours_stay_at_the_border(lines):
    clean = photograph(lines, PaperStyle.clean(), seeded(0)).images
    cut = photograph(lines, PaperStyle.only("neighbours", 5), seeded(0)).images
    added = (clean - cut) > 0.1
    assert added.flatten(1).any(1).float().mean() > 0.4
    for n, found in enumerate(added[:, 0]):
        rows, columns = torch.nonzero(found).T
        far = (rows >= 10) & (rows < 22)
        width = int(lines.widths[n])
        assert ((columns[far] < 8) | (columns[far] >= width - 8)).all()


def test_currency_stands_before_the_amount(lines):
    photos = photograph(lines, PaperStyle.only("currency", 5), seeded(0))
    for photo, spans in zip(photos.images, photos.spans, strict=True):
        assert photo[..., : int(spans[0, 0]) - 1].min() < 0.75


def test_faint_pens_are_faint(lines):
    dark = [1 - photograph(lines, PaperStyle.only("faint", s), seeded(0)).images for s in (1, 5)]
    assert dark[1].amax() < 0.55 < dark[0].amax()


def test_blur_keeps_the_light(lines):
    for name in ("blur", "motion"):
        clean = photograph(lines, PaperStyle.clean(), seeded(0)).images
        soft = photograph(lines, PaperStyle.only(name, 5), seeded(0)).images
        assert (soft.mean((1, 2, 3)) - clean.mean((1, 2, 3))).abs().max() < 0.02


def test_weights_of_a_blur_sum_to_1():
    weights = camera._bell(torch.tensor([0.0, 0.4, 1.5]).view(3, 1, 1))
    torch.testing.assert_close(2 * weights.sum(1) - weights[:, 0], torch.ones(3))
    assert weights[0, 0] == pytest.approx(1)


@pytest.mark.parametrize("size", (5, 6, 8))
def test_cosine_transform_is_scipys(size):
    block = torch.rand(size, size, generator=seeded(0))
    matrix = camera._cosines(size)
    waves = matrix @ block @ matrix.T
    torch.testing.assert_close(waves, torch.from_numpy(dctn(block.numpy(), norm="ortho")))
    back = matrix.T @ waves @ matrix
    torch.testing.assert_close(back, torch.from_numpy(idctn(waves.numpy(), norm="ortho")))


def test_jpeg_of_even_paper_is_even_paper():
    sheet = Sheet(
        torch.zeros(4, 32, 50), torch.full((4,), 50), torch.zeros(4, 1, 2).long(), seeded(0)
    )
    sheet.grey[:] = 0.7
    camera.jpeg(sheet, torch.arange(4), torch.ones(4, 1, 1))
    assert (sheet.grey - 0.7).abs().max() < 0.01


def test_stroke_has_the_width_it_says():
    x = torch.arange(40.0)
    for half in (0.5, 1.0, 2.3):
        cover = stroke(x - 17.3, torch.tensor(half))
        assert float(cover.sum()) == pytest.approx(2 * half, abs=0.05)


# ---------------------------------------------------------------------------- textures


def test_windows_are_pieces_of_the_bank():
    bank = torch.rand(3, 20, 30, generator=seeded(0))
    which, down = torch.tensor([2, 0]), torch.tensor([0.0, 0.999])
    found = textures.windows(bank, (8, 11), which, down, torch.tensor([0.5, 0.999]))
    assert torch.equal(found[0], bank[2, :8, 10:21])
    assert torch.equal(found[1], bank[0, 12:, 19:])
    large = textures.windows(bank, (25, 70), which, down, down)
    assert large.shape == (2, 25, 70)
    assert torch.equal(large[0, :20, 30:60], bank[2])


@pytest.mark.parametrize("name", ("grain", "fibre", "clouds", "guilloche", "raster"))
def test_banks_are_made_from_a_seed_of_their_own(name):
    make = getattr(textures, name)
    bank = make()
    torch.manual_seed(5)
    assert torch.equal(make.__wrapped__(), bank)
    assert bank.isfinite().all() and bank.shape[1:] == (textures.HEIGHT, textures.WIDTH)
    if name in ("guilloche", "raster"):
        assert 0 <= bank.min() and bank.max() <= 1
        covered = bank.mean((1, 2))
        assert covered.min() > 0.02 and covered.max() < 0.75, "no image is empty or full"
    else:
        assert (bank.mean((1, 2)).abs() < 0.1).all() and (bank.std((1, 2)) > 0.7).all()


def test_printed_signs_and_words_are_there():
    signs, widths = textures.signs()
    assert len(signs) == len(widths) == 5 * len(textures.SIGNS)
    assert (signs.amax((1, 2)) > 0.7).all()
    for sign, width in zip(signs, widths.tolist(), strict=True):
        assert not sign[:, width:].any()
    words = textures.printed_words(10)
    assert not words[:, :10].any() and not words[:, -10:].any()
    assert (words.mean((1, 2)) > 0.02).all()


# ---------------------------------------------------------------------------- styles


def test_only_names_the_effects_there_are():
    style = PaperStyle.only("border", 4)
    assert style.border == Effect(1.0, 0.8, 0.8)
    assert all(getattr(style, name).share == 0 for name in EFFECTS if name != "border")
    with pytest.raises(ValueError, match="'fog'.*blur"):
        PaperStyle.only("fog")
    for severity in (0, 6, 2.5):
        with pytest.raises(ValueError, match="severity is 1, 2, 3, 4 or 5"):
            PaperStyle.only("blur", severity)


def test_photo_has_every_effect_and_clean_none():
    assert all(getattr(PaperStyle.photo(), name).share > 0 for name in EFFECTS)
    older = [name for name in EFFECTS if name not in LATER]
    assert all(getattr(PaperStyle.cheque(), name).share > 0 for name in older)
    assert all(getattr(PaperStyle.clean(), name).share == 0 for name in EFFECTS)


@pytest.mark.parametrize("values", [(1.2,), (-0.1,), (0.5, 0.6, 0.4), (0.5, 0.0, 1.1)])
def test_effects_out_of_range_are_refused(values):
    with pytest.raises(ValueError, match="share in"):
        Effect(*values)


def test_an_effect_must_be_one():
    with pytest.raises(TypeError, match="PaperStyle.blur is an Effect"):
        PaperStyle(blur=0.5)


# ---------------------------------------------------------------------------- the stream


@pytest.fixture
def stream(glyphs) -> PaperStream:
    inner = LineStream(glyphs, LineStyle(length=(1, 4)), batch_size=6, seed=3, pool=4)
    return PaperStream(inner, PaperStyle.cheque(), clean=0.25, seed=5)


def test_a_batch_depends_on_seed_and_step_alone(stream):
    in_order = [stream.batch(step) for step in range(9)]
    copy = dataclasses.replace(stream, lines=dataclasses.replace(stream.lines))
    for step in reversed(range(9)):
        assert same(copy.batch(step), in_order[step])
    assert same(pickle.loads(pickle.dumps(stream)).batch(2), in_order[2])
    other = dataclasses.replace(stream, seed=6)
    assert not same(other.batch(2), in_order[2])


@pytest.mark.parametrize("workers", (0, 1))
def test_workers_make_the_same_batches(stream, workers):
    turns = PaperStream(Alternating((stream.lines, stream.lines)), PaperStyle.scanner())
    for source in (stream, turns):
        made = list(batches(source, 2, 7, workers))
        assert [step for step, _ in made] == [2, 3, 4, 5, 6]
        assert all(same(batch, source.batch(step)) for step, batch in made)


def test_batches_are_ink_on_black(stream):
    for step in range(4):
        batch = stream.batch(step)
        assert len(batch) == 6 and batch.images.dtype == torch.float32
        assert not batch.images[beyond(batch)].any()
        assert (batch.images.amax((1, 2, 3)) > 0.8).all()
        assert batch.images.median() < 0.2


def test_a_share_of_the_lines_stays_clean(stream):
    written = join_batches([stream.lines.batch(step) for step in range(4)])
    made = join_batches([stream.batch(step) for step in range(4)])
    assert sorted(made.texts) == sorted(written.texts)
    known = {
        image[..., :width].numpy().tobytes()
        for image, width in zip(written.images, written.widths.tolist(), strict=True)
    }
    clean = [
        image[..., :width].numpy().tobytes() in known
        for image, width in zip(made.images, made.widths.tolist(), strict=True)
    ]
    assert 0 < sum(clean) < 16
    for share, expected in ((0.0, 0), (1.0, 24)):
        part = dataclasses.replace(stream, clean=share)
        made = join_batches([part.batch(step) for step in range(4)])
        count = sum(
            image[..., :width].numpy().tobytes() in known
            for image, width in zip(made.images, made.widths.tolist(), strict=True)
        )
        assert count == expected


def test_targets_are_padded_with_the_blank(glyphs):
    alphabet = Alphabet(blank=10)
    inner = LineStream(glyphs, LineStyle(length=(1, 5)), batch_size=8, pool=2, alphabet=alphabet)
    stream = PaperStream(inner, PaperStyle.scanner())
    for step in range(2):
        batch = stream.batch(step)
        for target, length, text in zip(
            batch.targets.tolist(), batch.target_lengths.tolist(), batch.texts, strict=True
        ):
            assert target[:length] == alphabet.encode(text)
            assert set(target[length:]) <= {10}


def test_a_share_is_a_share(stream):
    with pytest.raises(ValueError, match="clean is a share"):
        dataclasses.replace(stream, clean=1.5)


def test_a_network_learns_from_it(stream):
    torch.manual_seed(0)
    history = train(CRNN(), stream, TrainConfig(steps=8, log_every=4, learning_rate=2e-3))
    assert history.loss[-1] < history.loss[0]


# ---------------------------------------------------------------------------- what came later


def test_effects_that_came_later_draw_nothing_where_they_are_off(lines):
    """Older pictures stay as they were: the later effects take no number of the generator."""
    a, b = seeded(3), seeded(3)
    photograph(lines, PaperStyle.cheque(), a)
    strengths = {name: Effect() for name in LATER}
    photograph(lines, dataclasses.replace(PaperStyle.cheque(), **strengths), b)
    assert torch.equal(a.get_state(), b.get_state())
    before = seeded(5)
    for name in EFFECTS:
        if name not in LATER:
            _strengths(Effect(), len(lines), before)
    count = seeded(5)
    torch.rand(2, len(lines) * (len(EFFECTS) - len(LATER)), generator=count)
    assert torch.rand(1, generator=before) == torch.rand(1, generator=count)


def test_a_tight_crop_leaves_no_paper_at_an_end_and_keeps_every_digit(lines):
    many = lines.select(torch.arange(200) % len(lines))
    photos = photograph(many, PaperStyle.only("crop", 5), seeded(4))
    first, last = columns_of_ink(1 - photos.images[:, 0])
    room = (first <= 1) | (photos.widths - last <= 1)
    assert room.float().mean() > 0.6
    starts, ends = photos.spans.unbind(-1)
    written = torch.arange(photos.spans.shape[1]) < photos.target_lengths[:, None]
    lost = (photos.spans[..., 1] - photos.spans[..., 0])[written]
    assert (lost > 0).all()
    top, bottom = rows_of_ink(1 - photos.images[:, 0])
    assert ((bottom - top) >= 0.9 * photos.images.shape[2]).float().mean() > 0.35
    assert (starts[written] < ends[written]).all()


def test_a_hollow_stroke_is_dark_at_its_edges_and_chalk_has_crumbs():
    bar = torch.zeros(1, 1, 32, 64)
    bar[..., 8:24, 20:44] = 1.0
    whole = LineBatch(
        bar,
        torch.tensor([64]),
        torch.tensor([[1]]),
        torch.tensor([1]),
        ["0"],
        torch.tensor([[[20, 44]]]),
    )
    paper = photograph(whole, PaperStyle.only("hollow", 5), seeded(0)).images[0, 0]
    assert paper[16, 30] > paper[5:10, 30].min() + 0.3
    chalk = photograph(whole, PaperStyle.only("chalk", 5), seeded(0)).images[0, 0, 10:22, 22:42]
    assert chalk.std() > 0.1 and (chalk < 0.3).any()


@pytest.mark.parametrize("number", [None, "1", math.nan, True, [0.5]])
@pytest.mark.parametrize("name", ["share", "low", "high"])
def test_an_effect_is_of_numbers(name, number):
    with pytest.raises(ValueError, match="An effect has a share in"):
        Effect(**{name: number})


def test_what_is_photographed_is_named():
    with pytest.raises(TypeError, match="lines is a LineBatch; got "):
        photograph(["55"], PaperStyle(), torch.Generator())
