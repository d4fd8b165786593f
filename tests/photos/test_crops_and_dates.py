"""What a reader makes of whole crops, of slashes between groups, and of pages on their heads."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from drawn_faults import Sheet

from crnn_lib import CRNN, Alphabet, Reader
from crnn_lib.decoders import Hypothesis
from crnn_lib.handwriting.pen import draw_words
from crnn_lib.photos import ImageError, PhotoLine, Reading, find_regions
from crnn_lib.photos._dates import with_slashes
from crnn_lib.photos.reader import certainty

KNOWN = Alphabet("0123456789/")


@pytest.fixture(scope="module")
def reader():
    return Reader.pretrained()


def lattice(text: str, slash: float) -> torch.Tensor:
    """A lattice (T, C) of one line that says a text, and of each of its 1s that it may be /."""
    frames = []
    for character in text:
        frame = torch.full((KNOWN.num_classes,), 1e-4)
        frame[KNOWN.encode(character)[0]] = 1.0
        if character == "1":
            frame[KNOWN.encode("/")[0]] = slash
        blank = torch.full((KNOWN.num_classes,), 1e-4)
        blank[KNOWN.blank] = 1.0
        frames += [frame / frame.sum(), blank / blank.sum()]
    return torch.stack(frames).log()


@pytest.mark.parametrize("seed", [95, 120, 152])
def test_a_number_alone_on_a_square_is_read_though_the_detector_is_not_sure(reader, seed):
    image = draw_words(["8104"], torch.Generator().manual_seed(seed), height=72).images[0]
    ink = image.numpy() / 255
    rows, columns = (np.flatnonzero((ink > 0.25).any(axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    photo = np.float32(0.8 - 0.6 * np.pad(ink, ((36, 36), (12, 12))))
    assert not find_regions(photo, reader.detector)
    reading = reader.read(photo)
    assert reading.text == "8104" and reading.line.crop and reading.confidence < 0.9
    with pytest.raises(ImageError, match="no line"):  # two are more than a crop
        reader.read(np.concatenate([photo, photo]))


@pytest.mark.parametrize(
    ("text", "slash", "date"),
    [
        ("20132142", 0.3, None),  # one 1: no date has one slash
        ("2013142019", 0.3, None),  # 20/3/42019 has no year
        ("4514132", 0.3, None),  # no day
        ("231412019", 1e-4, None),  # the network has no doubt
        ("231412019", 0.01, "23/4/2019"),  # some, where hardly a number looks like such a date
        ("2314119", 0.01, None),  # many numbers look like one with a short year
        ("2314119", 0.3, "23/4/19"),
        ("231412049", 0.3, "23/4/2049"),
        ("121111971", 0.01, "12/1/1971"),  # of five ones the two that make a date
    ],
)
def test_ones_become_slashes_only_in_a_date_and_in_doubt(text, slash, date):
    before = lattice(text, slash)
    after = with_slashes(before, KNOWN)
    assert (after is not before) == (date is not None)
    if date is not None:
        assert torch.allclose(after.exp().sum(1), torch.ones(len(after)))
        read = [KNOWN.symbols[k] for k in after.argmax(1).tolist() if k != KNOWN.blank]
        assert "".join(read) == date


def test_a_slash_that_was_seen_stays_one():
    line = lattice("231412019", 0.01)
    slash, one = (KNOWN.encode(c)[0] for c in "/1")
    line[4, [slash, one]] = line[4, [one, slash]]  # 23/412019
    after = with_slashes(line, KNOWN)
    read = [KNOWN.symbols[k] for k in after.argmax(1).tolist() if k != KNOWN.blank]
    assert "".join(read) == "23/4/2019"


def test_a_network_without_slashes_keeps_its_lattice():
    plain = torch.zeros(3, 11)
    assert with_slashes(plain, Alphabet("0123456789")) is plain


def test_a_crop_is_one_line_however_far_its_digits_stand_apart(reader):
    sheet = Sheet(np.random.default_rng(5), 420, 80)
    for x, digit in zip((20, 160, 300), "283", strict=True):
        sheet.write(digit, x, 40, 44)
    assert len(reader.find_lines(np.asarray(sheet.image))) == 1


def test_two_rows_of_a_wide_image_are_two_lines(reader):
    sheet = Sheet(np.random.default_rng(5), 640, 300)
    sheet.write("28306", 60, 80, 70)
    sheet.write("94753", 60, 220, 70)
    assert len(reader.find_lines(np.asarray(sheet.image))) == 2


def test_paper_with_a_stripe_is_no_number_with_confidence(reader):
    sheet = np.full((70, 240), 0.85, np.float32)
    sheet[:, 118:124] = 0.2
    assert reader.read(sheet).confidence < 0.5


@pytest.mark.parametrize(("later", "turned"), [(3.0, True), (-3.0, False)])
def test_more_lines_are_asked_while_the_first_leave_a_doubt(monkeypatch, later, turned):
    """Of 60 lines every third is asked first, and these are read alike both ways."""
    lines = [
        (PhotoLine(torch.zeros(1, 32, 50), np.eye(3), (900, 900), row=k, column=0),)
        for k in range(60)
    ]
    asked = []

    def worth(reader, some):
        rows = [line[0].row for line in some]
        upside = some[0][0].degrees() > 90
        asked.append(len(rows))
        first = (59 - rows[0] if upside else rows[0]) % 3 == 0
        return -9.0 * len(rows) + (0.0 if first or not upside else later)

    monkeypatch.setattr(Reader, "_worth", worth)
    reader = Reader(CRNN().eval())
    found = reader._upright(lines)
    assert asked == [20] * 6, "6 is not reached before all were asked"
    assert (found is not lines) == turned
    if turned:
        assert all(abs(line[0].degrees()) > 179 for line in found)


def test_a_line_that_is_read_is_worth_more_than_one_that_is_not(monkeypatch):
    """Where a number stands, as is likely, the way up that reads as nothing is the wrong one."""
    line = PhotoLine(torch.zeros(1, 32, 50), np.eye(3), (90, 90), score=0.76)
    reader = Reader(CRNN().eval())

    def worth(text: str, probability: float) -> float:
        said = Hypothesis((), text, math.log(probability), ())
        reading = Reading(text, probability, (), line, torch.zeros(1, 11), said)
        monkeypatch.setattr(Reader, "_read_views", lambda reader, views: [reading] * len(views))
        return reader._worth([(line,)])

    assert certainty(0.76) == pytest.approx(0.614, abs=1e-3)
    assert worth("514", 0.33) == pytest.approx(math.log(0.614 * 0.33 + 0.386 * 0.5), abs=1e-3)
    assert worth("514", 0.33) > worth("", 0.84) == pytest.approx(math.log(0.386 / 2), abs=3e-3)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_page_that_is_turned_is_read_as_if_it_stood(reader, quarters):
    sheet = Sheet(np.random.default_rng(3), 700, 520)
    texts = ["74235", "25774", "43527", "57342"]
    for n, text in enumerate(texts):
        sheet.write(text, 80, 80 + 120 * n, 48)
    page = np.asarray(sheet.image)
    upright = reader.read_page(page)
    turned = reader.read_page(np.rot90(page, quarters).copy())
    assert sum(reading.text in texts for reading in turned) >= 3
    for one, other in zip(upright, turned, strict=True):  # found as on the page that stands
        assert one.text == other.text and (one.row, one.column) == (other.row, other.column)
        corners, (width, height) = one.line.corners(), (700, 520)
        for _ in range(quarters):  # to the left
            corners = np.stack([corners[:, 1], width - corners[:, 0]], 1)
            width, height = height, width
        assert other.line.size == (width, height)
        assert np.allclose(other.line.corners(), corners, atol=1)
        turn = (one.line.degrees() - other.line.degrees()) % 360
        assert turn == pytest.approx(90 * quarters, abs=0.1)
        for span, same in zip(one.spans, other.spans, strict=True):
            assert span.character == same.character
