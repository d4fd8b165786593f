"""Image files of clean lines: whatever the file is like, the network sees the same line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crnn_lib import images, photo_files
from crnn_lib.glyphs import load_glyphs
from crnn_lib.images import frame_edges, load_line, separate_ink
from crnn_lib.lines import LineStyle, compose_lines
from crnn_lib.models import CRNN, CRNNConfig, SlidingWindowRNN
from crnn_lib.photo_files import ImageError


@pytest.fixture(scope="module")
def ink():
    """How much ink is where on a line that says 55207: (H, W) in [0, 1], 4 x enlarged."""
    glyphs = load_glyphs("pen", "test", count=100)
    generator = torch.Generator().manual_seed(0)
    line = compose_lines(glyphs, 1, LineStyle(), generator, texts=["55207"])
    image = Image.fromarray(line.images[0, 0].numpy())
    return np.clip(np.asarray(image.resize((4 * image.width, 4 * image.height))), 0, 1)


def grey(share):
    return Image.fromarray((255 * np.clip(share, 0, 1)).astype(np.uint8))


def between(ink, paper_colour, ink_colour):
    paper_colour, ink_colour = np.array(paper_colour), np.array(ink_colour)
    colours = paper_colour + ink[..., None] * (ink_colour - paper_colour)
    return Image.fromarray(colours.astype(np.uint8))


def transparent(ink, colour):
    layers = np.zeros((*ink.shape, 4), np.uint8)
    layers[..., :3], layers[..., 3] = colour, 255 * ink
    return Image.fromarray(layers)


def noisy(ink):
    noise = np.random.default_rng(0).normal(0, 0.02, ink.shape)
    return grey(0.9 - 0.8 * ink + noise)


def padded(ink):
    return grey(1 - np.pad(ink, ((100, 300), (500, 50))))


VARIANTS = {
    "dark on light.png": lambda ink: grey(1 - ink),
    "light on dark.png": grey,
    "colour.png": lambda ink: between(ink, (250, 240, 210), (40, 60, 160)),
    "equally bright colours.png": lambda ink: between(ink, (30, 150, 30), (200, 76, 30)),
    "palette.png": lambda ink: between(ink, (250, 240, 210), (40, 60, 160)).quantize(64),
    "transparent.png": lambda ink: transparent(ink, 0),
    "transparent light.png": lambda ink: transparent(ink, 255),
    "transparent palette.png": lambda ink: transparent(ink, 0).quantize(64),
    "grey and alpha.png": lambda ink: transparent(ink, 0).convert("LA"),
    "16 bits.png": lambda ink: Image.fromarray((65535 * (1 - ink)).astype(np.uint16)),
    "12 bits.png": lambda ink: Image.fromarray((4095 * (1 - ink)).astype(np.uint16)),
    "floats.tiff": lambda ink: Image.fromarray((1 - ink).astype(np.float32)),
    "cmyk.jpg": lambda ink: grey(1 - ink).convert("CMYK"),
    "quality 60.jpg": lambda ink: grey(1 - ink),
    "faint.png": lambda ink: grey(0.8 - 0.2 * ink),
    "noisy.png": noisy,
    "padded.png": padded,
    "tight.png": lambda ink: grey(1 - ink).crop(grey((ink > 0.3) * 1.0).getbbox()),
    "small.png": lambda ink: grey(1 - ink).resize((ink.shape[1] // 3, ink.shape[0] // 3)),
    "large.png": lambda ink: grey(1 - ink).resize((ink.shape[1] * 7, ink.shape[0] * 7)),
    "webp.webp": lambda ink: grey(1 - ink),
    "gif.gif": lambda ink: grey(1 - ink),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_kind_of_file_gives_the_same_line(name, ink, tmp_path):
    grey(1 - ink).save(tmp_path / "plain.png")
    VARIANTS[name](ink).save(tmp_path / name, quality=60)
    plain = load_line(tmp_path / "plain.png").image
    line = load_line(tmp_path / name).image
    assert line.shape[:2] == (1, 32) and abs(line.shape[2] - plain.shape[2]) <= 2
    line = torch.nn.functional.interpolate(line[None], plain.shape[1:], mode="bilinear")[0]
    assert float(torch.corrcoef(torch.stack([plain.flatten(), line.flatten()]))[0, 1]) > 0.98
    assert float((plain - line).abs().mean()) < 0.02


@pytest.mark.parametrize("height", [28, 32])
def test_line_has_the_networks_height_and_its_ink_in_the_middle(height, ink, tmp_path):
    padded(ink).save(tmp_path / "line.png")
    line = load_line(tmp_path / "line.png", height).image
    assert line.dtype == torch.float32 and line.shape[1] == height
    assert float(line.min()) == 0 and float(line.max()) == pytest.approx(1)
    rows = (line[0] > 0.3).any(1).nonzero()
    above, below = int(rows[0]), height - 1 - int(rows[-1])
    assert abs(above - below) <= 2 and above >= 3
    columns = (line[0] > 0.4).any(0).nonzero()
    margins = int(columns[0]), line.shape[2] - 1 - int(columns[-1])
    assert all(abs(margin - images.MARGIN) <= 1 for margin in margins)


def test_proportions_stay(tmp_path):
    canvas = Image.new("L", (600, 200), 255)
    canvas.paste(0, (100, 50, 400, 110))  # ink of 300 x 60 pixels
    canvas.save(tmp_path / "bar.png")
    line = load_line(tmp_path / "bar.png").image[0] > 0.5
    wide, tall = int(line.any(0).sum()), int(line.any(1).sum())
    assert wide / tall == pytest.approx(300 / 60, rel=0.02)


@pytest.mark.parametrize("enlarged", [1, 12])
def test_columns_lead_back_to_the_file(enlarged, tmp_path):
    canvas = Image.new("L", (600 * enlarged, 200 * enlarged), 255)
    canvas.paste(0, (100 * enlarged, 50 * enlarged, 400 * enlarged, 110 * enlarged))
    canvas.save(tmp_path / "bar.png")
    line = load_line(tmp_path / "bar.png")
    columns = (line.image[0] > 0.5).any(0).nonzero()
    assert line.to_file(int(columns[0])) == pytest.approx(100 * enlarged, abs=3 * enlarged)
    assert line.to_file(int(columns[-1]) + 1) == pytest.approx(400 * enlarged, abs=3 * enlarged)
    assert line.to_file(-1000) == 0 and line.to_file(10**6) == 600 * enlarged


def test_a_photo_lying_on_its_side_is_turned(ink, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to see it upright
    grey(1 - ink).rotate(90, expand=True).save(tmp_path / "side.jpg", exif=exif, quality=95)
    grey(1 - ink).save(tmp_path / "plain.png")
    side, plain = (load_line(tmp_path / name) for name in ("side.jpg", "plain.png"))
    assert side.size == plain.size
    assert abs(side.image.shape[2] - plain.image.shape[2]) <= 1


# ------------------------------------------------------------------ what cannot be read


def files(tmp_path, ink):
    line = grey(1 - ink)
    line.save(tmp_path / "line.png")
    line.save(tmp_path / "line.jpg")
    png, jpg = (tmp_path / "line.png").read_bytes(), (tmp_path / "line.jpg").read_bytes()
    contents = {
        "half.png": png[: len(png) // 2],
        "head.png": png[:20],
        "half.jpg": jpg[: len(jpg) // 2],
        "bent.png": png[:100] + bytes(64) + png[164:],
        "text.png": b"hello",
        "empty.png": b"",
        "drawing.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    Image.new("L", (1, 1)).save(tmp_path / "pixel.png")
    Image.new("L", (300, 60), 255).save(tmp_path / "blank.png")
    Image.new("L", (300, 60), 0).save(tmp_path / "black.png")
    grey(0.5 + 0.02 * np.random.default_rng(0).normal(size=(60, 300))).save(tmp_path / "noise.png")
    rule = np.full((40, 30_000), 255, np.uint8)
    rule[20, 10:-10] = 0
    Image.fromarray(rule).save(tmp_path / "rule.png")


@pytest.mark.parametrize(
    "name, reason",
    {
        "half.png": "damaged or cut off",
        "head.png": "damaged or cut off",
        "half.jpg": "damaged or cut off",
        "bent.png": "damaged or cut off",
        "text.png": "not an image",
        "empty.png": "the file is empty",
        "drawing.eps": "not an image",
        "pixel.png": "1 x 1 pixels are too few",
        "blank.png": "no ink",
        "black.png": "no ink",
        "noise.png": "no ink",
        "rule.png": "29980 pixels wide and 1 high",
    }.items(),
)
def test_what_cannot_be_read_is_said_in_one_line(name, reason, ink, tmp_path):
    files(tmp_path, ink)
    with pytest.raises(ImageError, match=reason) as raised:
        load_line(tmp_path / name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("side", [10_000, 20_000])  # beyond our limit, and beyond Pillow's too
def test_a_huge_image_is_refused_before_it_is_decoded(side, tmp_path, monkeypatch):
    Image.new("1", (side, side)).save(tmp_path / "huge.png")
    decoded = []
    monkeypatch.setattr(photo_files, "_colours", decoded.append)
    with pytest.raises(ImageError, match="more than 64 million pixels"):
        load_line(tmp_path / "huge.png")
    assert decoded == []


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_line(tmp_path / "none.png")
    with pytest.raises(IsADirectoryError):
        load_line(tmp_path)


# ------------------------------------------------------------------ ink


@settings(deadline=None)
@given(
    paper=st.tuples(*[st.floats(0, 1)] * 3),
    colour=st.tuples(*[st.floats(0, 1)] * 3),
    seed=st.integers(0, 99),
)
def test_ink_is_what_differs_from_the_paper(paper, colour, seed):
    drawn = np.random.default_rng(seed).random((12, 40)) < 0.3
    drawn[:2] = drawn[-2:] = False  # paper around it
    drawn[5, 5] = True
    colours = np.where(drawn[..., None], np.array(colour), np.array(paper))
    if max(abs(a - b) for a, b in zip(paper, colour, strict=True)) < images.CONTRAST:
        with pytest.raises(ImageError, match="no ink"):
            separate_ink(colours)
    else:
        assert np.allclose(separate_ink(colours), drawn)


# ------------------------------------------------------------------ frames


@pytest.mark.parametrize(
    "model", [CRNN(), CRNN(CRNNConfig.article()), SlidingWindowRNN()], ids=["crnn", "old", "window"]
)
def test_frames_stand_in_the_middle_of_what_they_see(model):
    edges = frame_edges(model, 5)
    assert len(edges) == 6 and np.allclose(np.diff(edges), 4)
    for frame in range(5):
        start, end = model.receptive_field(frame)
        assert (edges[frame] + edges[frame + 1]) / 2 == pytest.approx((start + end) / 2)
