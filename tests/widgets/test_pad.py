"""The drawing pad without a browser: strokes to pixels, reading, saving, and what the page gets."""

from __future__ import annotations

import base64
import io
import json
import math
import re

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import avg_pool2d

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import best_path
from crnn_lib.models import fold_marks
from crnn_lib.photos import Reader, load_test_set
from crnn_lib.widgets import DrawingPad, InkSpan, PadReading, divide_ink, draw, write_line
from crnn_lib.widgets.pad_ink import HEIGHT, ROWS, WIDTH


def stroke(*points, width=14, erase=False):
    return {"points": [list(p) for p in points], "width": width, "erase": erase}


SEVEN = [stroke((100, 70), (185, 66), (130, 230))]
CROSS = [stroke((115, 150), (180, 146))]
ONE = [stroke((250, 110), (285, 66), (283, 230))]
TURNS = [math.radians(12 * i) for i in range(31)]
ZERO = [stroke(*((395 + 45 * math.sin(a), 148 - 80 * math.cos(a)) for a in TURNS))]
NUMBER = SEVEN + ONE + ZERO


@pytest.fixture(scope="module")
def reading_pad():
    return DrawingPad()


@pytest.fixture
def pad(reading_pad, tmp_path):
    reading_pad.clear()
    reading_pad.folder = tmp_path / "mine"
    return reading_pad


# ------------------------------------------------------------------ strokes to pixels


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(20, 80), st.floats(20, 60)), min_size=1, max_size=4),
    st.floats(1.5, 12),
)
@example([(48.875, 35.75), (70, 48.875), (26, 30.5)], 1.5)  # comes back on a pixel's other side
def test_pixels_are_those_near_the_stroke(points, width):
    """Against distances worked out at 16 places in each pixel."""
    image = draw([stroke(*points, width=width)], (80, 100))
    fine = (np.arange(400) + 0.5) / 4
    x, y = np.meshgrid(fine, fine[:320])
    nearest = np.full(x.shape, np.inf)
    for (x0, y0), (x1, y1) in zip(points, points[1:] or points, strict=False):
        dx, dy = x1 - x0, y1 - y0
        length = dx * dx + dy * dy
        t = np.clip(((x - x0) * dx + (y - y0) * dy) / length, 0, 1) if length > 0 else 0 * x
        nearest = np.minimum(nearest, np.hypot(x - x0 - t * dx, y - y0 - t * dy))
    share = (nearest <= width / 2).reshape(80, 4, 100, 4).mean((1, 3))
    assert np.abs(image - share).max() < 0.5  # on edges, half a pixel of blur
    assert np.abs(image - share).mean() < 0.01
    assert ((image == 1) <= (share > 0.4)).all() and ((image == 0) <= (share < 0.6)).all()


def test_eraser_takes_away_only_what_was_there_before():
    across, wipe = stroke((10, 20), (90, 20), width=6), stroke((50, 5), (50, 35), width=10)
    wipe["erase"] = True
    left = draw([across, wipe], (40, 100))
    assert left[20, 30] == left[20, 70] == 1 and left[:, 47:53].max() == 0
    assert draw([wipe, across], (40, 100))[20, 50] == 1


def test_strokes_may_leave_the_image():
    image = draw([stroke((-50, 10), (500, 10), width=4)], (20, 30))
    assert (image[9:11] == 1).all() and image[:7].max() == 0
    assert draw([stroke((-50, -50), (-20, -9))], (20, 30)).max() == 0


@pytest.mark.parametrize("width", [5, 14, 24])
@pytest.mark.parametrize("zoom", [0.4, 0.7, 1.0])
@pytest.mark.parametrize("erase", [False, True])
def test_line_is_normal_whatever_was_written(width, zoom, erase):
    """Its height, its margins and the weight of its strokes are those of training."""
    strokes = [
        stroke(*((60 + zoom * x, 20 + zoom * y) for x, y in s["points"]), width=width)
        for s in SEVEN + ONE
    ]
    if erase:  # far from the ink: changes nothing but the way to the box around it
        strokes.append(stroke((700, 290), width=8, erase=True))
    line = write_line(strokes)
    dark = line.image >= 0.4
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    assert len(line.image) == ROWS
    assert abs(rows[-1] + 1 - rows[0] - 0.8 * ROWS) <= 4
    assert abs(rows[0] - (ROWS - rows[-1] - 1)) <= 4
    assert 15 <= columns[0] <= 21 and 15 <= line.image.shape[1] - columns[-1] - 1 <= 21
    stem = line.image[ROWS * 6 // 10, columns[-1] - 30 :].sum()  # the one's, upright
    assert 3 * 2.5 - 1 <= stem <= 3 * 3.5 + 1
    seen = np.flatnonzero((draw(strokes, (HEIGHT, WIDTH)) >= 0.4).any(0))
    assert abs(line.to_pad(columns[0]) - seen[0]) < 10
    assert abs(line.to_pad(columns[-1]) - seen[-1]) < 10


def test_no_ink_is_no_line():
    assert write_line([]) is None
    assert write_line([stroke((50, 50), (60, 60), erase=True)]) is None
    assert write_line([stroke((50, 50)), stroke((50, 50), width=40, erase=True)]) is None


def test_a_dot_and_a_long_dash_stay_small():
    for strokes in ([stroke((50, 50))], [stroke((10, 100), (710, 104))]):
        image = write_line(strokes).image
        assert image.shape[1] < 3000 and (image.max(1) > 0.4).sum() < 0.5 * ROWS


# ------------------------------------------------------------------ which ink is whose


def test_ink_is_parted_in_the_gaps():
    image = np.zeros((4, 30))
    for start, end in ((2, 8), (12, 14), (20, 28)):
        image[1:3, start:end] = 1
    assert divide_ink(image, [5, 13, 24]) == [(2, 8), (12, 14), (20, 28)]
    assert divide_ink(image, []) == []
    assert divide_ink(image, [13]) == [(2, 28)]


def test_a_spike_before_its_ink_keeps_it():
    image = np.zeros((4, 30))
    for start, end in ((4, 10), (13, 15), (20, 26)):
        image[1:3, start:end] = 1
    assert divide_ink(image, [1, 11, 17]) == [(4, 10), (13, 15), (20, 26)]
    assert divide_ink(image, [9, 14, 29]) == [(4, 10), (13, 15), (20, 26)]


def test_touching_ink_is_parted_where_it_is_thin():
    image = np.zeros((10, 21))
    image[1:9, 2:9] = image[1:9, 12:19] = 1
    image[5, 9:12] = 1
    (_, first), (second, _) = divide_ink(image, [5, 15])
    assert 9 <= first <= second <= 12


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 40), max_size=6), st.integers(0, 2**20))
def test_parts_do_not_overlap(peaks, seed):
    image = (np.random.default_rng(seed).random((6, 40)) > 0.8).astype(float)
    extents = divide_ink(image, sorted(peaks))
    assert len(extents) == len(peaks)
    full = [(start, end) for start, end in extents if start < end]
    assert all(a[1] <= b[0] for a, b in zip(full, full[1:], strict=False))


# ------------------------------------------------------------------ reading


def test_reads_what_is_written(pad):
    pad.strokes = NUMBER
    assert pad.text == pad.answer["text"] == "710"
    assert pad.answer["error"] == "" and 0.5 < pad.answer["sure"] <= 1
    spans = [(s["points"], mark) for s, mark in zip(NUMBER, pad.answer["marks"], strict=True)]
    for points, mark in spans:  # each character stands below its own ink
        xs = [x for x, _ in points]
        assert abs(mark["start"] - min(xs)) < 16 and abs(mark["end"] - max(xs)) < 16
    assert [mark["text"] for mark in pad.answer["marks"]] == ["7", "1", "0"]


def test_posteriors_stand_below_their_columns(pad):
    pad.strokes = NUMBER
    answer = pad.answer
    levels = np.frombuffer(base64.b64decode(answer["probs"]), np.uint8)
    levels = levels.reshape(answer["frames"], 11)
    np.testing.assert_allclose(levels / 255, pad.reading.log_probs.exp(), atol=0.003)
    step = (answer["right"] - answer["left"]) / answer["frames"]
    for mark in answer["marks"]:  # where a character is likeliest, its ink is
        t = levels[:, pad.alphabet.encode(mark["text"])[0]].argmax()
        middle = answer["left"] + step * (t + 0.5)
        assert mark["start"] - step <= middle <= mark["end"] + step


def test_crossed_seven_and_image(pad):
    pad.strokes = SEVEN + CROSS + ONE + ZERO
    assert pad.text == "710"
    assert pad.image.shape == (HEIGHT, WIDTH) and pad.image.dtype == np.float32
    assert pad.image[70, 140] == 1 and pad.image[0].max() == 0


def test_nothing_written_reads_nothing(pad):
    pad.strokes = NUMBER
    pad.clear()
    assert pad.text == "" and pad.reading is None and pad.line is None
    assert pad.answer["text"] == pad.answer["error"] == ""


def test_each_revision_gets_its_answer_once():
    calls = []

    def read(image):
        calls.append(image.shape)
        return reading("7", [(0, 5)])

    pad = DrawingPad(read)
    pad.set_state({"strokes": SEVEN, "revision": 1})  # as the page sends it
    assert len(calls) == 1 and pad.answer["revision"] == 1
    pad.set_state({"revision": 2})  # drawn and undone before Python heard of it
    assert len(calls) == 2 and pad.answer["revision"] == 2


def reading(text, spans, classes=11):
    spans = tuple(InkSpan(start, end, -0.1) for start, end in spans)
    log_probs = np.full((4, classes), -math.log(classes))
    return PadReading(text, 0.5, spans, log_probs, np.linspace(0, 80, 5))


def test_any_reader_will_do():
    pad = DrawingPad(lambda image: reading("ba", [(0, 20), (20, 60)], 3), alphabet=Alphabet("ab"))
    pad.strokes = NUMBER
    line = pad.line
    assert [m["text"] for m in pad.answer["marks"]] == ["b", "a"]
    assert pad.answer["marks"][1]["end"] == pytest.approx(line.to_pad(60))
    assert pad.answer["right"] == pytest.approx(line.to_pad(80))
    assert pad.symbols == ["-", "a", "b"]


def test_a_reader_may_refuse(pad):
    reader = pad._reader().reader
    careful = Reader(reader.model, refuse_below=1.0)
    for read in (careful, careful.read):
        other = DrawingPad(read)
        other.strokes = NUMBER
        assert other.answer["refused"] and other.text == "710" and not other.answer["error"]
    pad.strokes = NUMBER
    assert not pad.answer["refused"]


def test_what_a_reader_raises_is_shown():
    def fail(image):
        raise RuntimeError("no weights")

    pad = DrawingPad(fail)
    pad.strokes = NUMBER
    assert pad.answer["error"] == "Reading failed. RuntimeError: no weights"
    assert pad.text == "" and "marks" not in pad.answer
    other = DrawingPad(lambda image: reading("7", [(0, 5)], 5))
    other.strokes = NUMBER
    assert "(T, 11)" in other.answer["error"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        stroke(),
        stroke((1, 2, 3)),
        stroke((1, math.nan)),
        stroke((1, 2), width=0),
        {"points": "x", "width": 2, "erase": False},
        stroke(*[(1, 1)] * 20_001),
    ],
)
def test_other_strokes_are_refused(wrong):
    pad = DrawingPad(lambda image: reading("7", [(0, 5)]))
    with pytest.raises(ValueError, match="stroke"):
        pad.strokes = [wrong]
    assert pad.strokes == []


# ------------------------------------------------------------------ photos


def as_photo(image, orientation=1):
    picture = Image.fromarray(image)
    exif = picture.getexif()
    exif[0x0112] = orientation
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=95, exif=exif)
    return base64.b64encode(content.getvalue()).decode()


def written_on_paper():
    ink = draw(NUMBER, (HEIGHT, WIDTH))[..., None]
    return (225 - ink * np.array([180, 170, 120])).astype(np.uint8)


def test_photo_is_read(pad):
    pad.photo = as_photo(written_on_paper())
    assert pad.text == "710", pad.answer
    for points, mark in zip(NUMBER, pad.answer["marks"], strict=True):
        xs = [x for x, _ in points["points"]]  # this photo fills the pad exactly
        assert abs(mark["start"] - min(xs)) < 25 and abs(mark["end"] - max(xs)) < 25


def test_photo_lies_in_the_middle_of_the_pad():
    pad = DrawingPad(lambda image: reading("7", [(0, image.width)]))
    pad.photo = as_photo(np.full((100, 50, 3), 200, np.uint8), orientation=6)  # turned: 100 wide
    assert pad.picture.size == (100, 50)
    mark = pad.answer["marks"][0]
    assert (mark["start"], mark["end"]) == pytest.approx((60, 660))


@pytest.mark.parametrize(
    "text, words",
    [
        ("no base64!", "no image"),
        (base64.b64encode(b"a text").decode(), "no image"),
        (as_photo(written_on_paper())[:4000], "damaged|no image"),
    ],
)
def test_what_is_no_photo_is_said_so(pad, text, words):
    pad.photo = text
    assert re.search(words, pad.answer["error"]) and pad.text == ""


def test_blank_paper_is_said_so(pad):
    pad.photo = as_photo(np.full((200, 300, 3), 200, np.uint8))
    assert pad.answer["error"].startswith("Nothing can be read here")


# ------------------------------------------------------------------ saving


def test_saves_what_the_network_reads(pad):
    pad.strokes = NUMBER
    pad.wish = {"text": " 710 ", "count": 1}
    assert pad.saved["done"] and pad.saved["count"] == 1
    lines = load_test_set(pad.folder)
    assert lines.texts == ["710"]
    np.testing.assert_allclose(lines.images[0], pad.line.image, atol=0.003)
    assert f"Saved as {lines.paths[0].name}. 1 line in" in pad.saved["words"]
    reader = pad._reader().reader  # so the test set measures what was seen
    assert reader.read(lines.paths[0]).text == pad.text == "710"
    image = torch.as_tensor(lines.images[0])[:, : len(lines.images[0][0]) // 3 * 3]
    with torch.no_grad():
        log_probs, _ = reader.model(avg_pool2d(image[None, None], 3))
    folded, alphabet = fold_marks(log_probs, reader.model.alphabet)
    (again,) = best_path(folded, alphabet=alphabet)
    assert again.text == "710"
    assert math.exp(again.log_prob) == pytest.approx(pad.reading.confidence, abs=0.02)


def test_saves_each_drawing_once(pad):
    pad.strokes = NUMBER
    pad.save("710")
    pad.wish = {"text": "710", "count": 7}
    assert not pad.saved["done"] and "saved already" in pad.saved["words"]
    pad.strokes = SEVEN
    pad.save("7")
    assert sorted(load_test_set(pad.folder).texts) == ["7", "710"]


def test_saves_photos(pad):
    pixels = written_on_paper()
    pad.photo = as_photo(pixels)
    path = pad.save("710")
    with Image.open(path) as stored:
        assert stored.size == (WIDTH, HEIGHT)
        assert np.abs(np.asarray(stored).astype(int) - pixels).mean() < 3


@pytest.mark.parametrize("text, words", [("", "empty"), ("71o", "“o”"), ("7 1", "“ ”")])
def test_asks_for_what_is_written(pad, text, words):
    pad.strokes = NUMBER
    with pytest.raises(ValueError, match=words):
        pad.save(text)
    assert not pad.folder.exists()


def test_empty_pad_is_not_saved(pad):
    with pytest.raises(ValueError, match="nothing on the pad"):
        pad.save("710")
    pad.folder.parent.joinpath("file").write_text("")
    pad.folder = pad.folder.parent / "file"  # no folder can be made there
    pad.strokes = NUMBER
    pad.wish = {"text": "710", "count": 2}
    assert not pad.saved["done"] and pad.saved["words"]


# ------------------------------------------------------------------ the page


def test_repr_is_short_and_fixed(pad):
    pad.strokes = NUMBER
    assert repr(pad) == "DrawingPad()"
    assert repr(DrawingPad()) == "DrawingPad()"


def test_state_is_json_and_reading_waits_for_the_first_stroke():
    pad = DrawingPad()
    assert pad._read is None
    html = pad.static_html()
    assert html == DrawingPad().static_html()
    json.dumps(pad.state, allow_nan=False)
    assert pad._read is None
    data, _ = pad._repr_mimebundle_()
    assert pad._read is not None and data["text/plain"] == "DrawingPad()"


def test_wants_a_function():
    with pytest.raises(TypeError, match="Reader or a function"):
        DrawingPad("crnn-digits")
