"""From whatever holds an image to brightness: kinds of arrays, kinds of files, and refusals."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crnn_lib.photos import ImageError, grey_and_size, to_grey
from crnn_lib.photos import files as photo_files


def picture(height=40, width=60):
    """A gradient with a dark stroke: brightness in [0, 1]."""
    y, x = np.mgrid[:height, :width]
    grey = 0.6 + 0.2 * x / width + 0.1 * y / height
    grey[height // 4 : height // 2, width // 3 : width // 2] = 0.2
    return grey


BYTES = np.round(255 * picture()).astype(np.uint8)

FORMS = {
    "bytes": BYTES,
    "one channel": BYTES[..., None],
    "three channels": np.stack([BYTES] * 3, 2),
    "opaque": np.stack([BYTES] * 3 + [np.full_like(BYTES, 255)], 2),
    "grey and alpha": np.stack([BYTES, np.full_like(BYTES, 255)], 2),
    "channels first": np.stack([BYTES] * 3),
    "16 bits": (257 * BYTES.astype(np.uint16)),
    "16 bits, colour": np.stack([257 * BYTES.astype(np.uint16)] * 3, 2),
    "16 bits, big end first": (257 * BYTES.astype(np.uint16)).astype(">u2"),
    "16 bits in 32": 257 * BYTES.astype(np.int32),
    "bytes in 16 bits, colour": np.stack([BYTES.astype(np.uint16)] * 3, 2),
    "float32": (BYTES / 255).astype(np.float32),
    "float64": BYTES / 255,
    "float16": (BYTES / 255).astype(np.float16),
    "floats, colour": np.stack([BYTES / 255] * 3, 2),
    "int64": BYTES.astype(np.int64),
    "fortran order": np.asfortranarray(BYTES),
    "reversed view": BYTES[::-1][::-1],
    "tensor": torch.from_numpy(BYTES),
    "tensor, bfloat16": torch.from_numpy(BYTES / 255).bfloat16(),
    "tensor (1, H, W)": torch.from_numpy(BYTES)[None] / 255,
    "tensor (3, H, W)": torch.from_numpy(BYTES).expand(3, -1, -1),
    "pillow": Image.fromarray(BYTES),
    "pillow, 16 bits": Image.fromarray(257 * BYTES.astype(np.uint16)),
    "pillow, palette": Image.fromarray(BYTES).convert("P"),
    "pillow, CMYK": Image.fromarray(BYTES).convert("CMYK"),
    "pillow, premultiplied": Image.fromarray(BYTES).convert("LA").convert("La"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_picture_has_the_same_brightness(form):
    grey, size = grey_and_size(FORMS[form])
    assert grey.shape == BYTES.shape and grey.dtype == np.float32 and size == (60, 40)
    assert np.abs(grey - BYTES / 255).max() < 0.01


@settings(deadline=None)
@given(
    height=st.integers(1, 12),
    width=st.integers(5, 12),
    channels=st.sampled_from([None, 1, 2, 3, 4]),
    dtype=st.sampled_from([bool, np.uint8, np.uint16, np.float16, np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_any_array_becomes_floats_between_0_and_1(height, width, channels, dtype, seed):
    shape = (height, width) if channels is None else (height, width, channels)
    values = np.random.default_rng(seed).random(shape)
    top = 1 if np.dtype(dtype).kind in "bf" else np.iinfo(dtype).max
    grey = to_grey((values * top).round(2).astype(dtype))
    assert grey.shape == (height, width) and grey.dtype == np.float32
    assert 0 <= grey.min() and grey.max() <= 1


@pytest.mark.parametrize(
    "given, complaint",
    [
        (np.zeros((2, 3, 4, 5)), "(2, 3, 4, 5)"),
        (np.zeros(7), "(7,)"),
        (np.zeros((0, 5)), "empty"),
        (np.full((5, 5), 255.0), "0, 1]; got 255 to 255"),
        (np.full((5, 5), np.nan), "got nan"),
        (np.full((5, 5), -3), "0 to 255, or to 65535; got int64 (5, 5) from -3 to -3"),
        (np.full((5, 5), 70_000), "from 70000 to 70000"),
        (np.eye(5, dtype=np.uint8), "0 and 1 are a mask: give them as booleans"),
        (np.zeros((5, 5), complex), "complex128"),
        (torch.zeros(2, 3, 20, 20), "(2, 3, 20, 20)"),
        (Image.new("L", (0, 5)), "empty: 0 x 5 pixels"),
        ("55207\0.png", "no file's name"),
    ],
)
def test_what_is_no_image_is_refused_with_what_was_given(given, complaint):
    with pytest.raises(ImageError) as raised:
        to_grey(given)
    assert complaint in str(raised.value) and "\n" not in str(raised.value)


def test_other_types_are_refused():
    for held in (b"png", io.BytesIO(b"png")):
        with pytest.raises(TypeError, match="PIL.Image.open opens a file, and with io.BytesIO"):
            to_grey(held)
    with pytest.raises(TypeError, match="got list.$"):
        to_grey([[0, 1]])


def test_colours_of_equal_brightness_are_told_apart():
    colours = np.full((20, 30, 3), (30, 150, 30), np.uint8)
    colours[5:10, 5:10] = (200, 99, 30)
    grey = to_grey(colours)
    assert abs(grey[7, 7] - grey[0, 0]) > 0.5


def test_light_on_nothing_is_laid_on_black_and_dark_on_white():
    layers = np.zeros((20, 30, 4), np.uint8)
    layers[5:10, 5:10, 3] = 255
    assert to_grey(layers)[[0, 7], [0, 7]] == pytest.approx([1, 0])
    layers[..., :3] = 255
    assert to_grey(layers)[[0, 7], [0, 7]] == pytest.approx([0, 1])


@pytest.mark.parametrize("kind", ["jpg", "png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_way_of_holding_the_camera_gives_an_upright_photo(kind, orientation, tmp_path):
    steps = {2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}  # Pillow's transpositions
    image = Image.fromarray(BYTES)
    for method in steps.get(orientation, []):
        image = image.transpose(Image.Transpose(method))
    exif = Image.Exif()
    exif[photo_files.ORIENTATION] = orientation
    image.save(tmp_path / f"photo.{kind}", exif=exif, quality=95)
    grey, size = grey_and_size(tmp_path / f"photo.{kind}")
    assert size == (60, 40) and grey.shape == (40, 60)
    assert np.abs(grey - BYTES / 255).mean() < 0.02


def test_a_large_photo_is_shrunk_and_its_size_kept(tmp_path, monkeypatch):
    large = Image.fromarray(BYTES).resize((1200, 800))
    large.save(tmp_path / "a.jpg", quality=95)
    large.save(tmp_path / "a.png")
    monkeypatch.setattr(photo_files, "WORK_PIXELS", 60 * 40)
    for image in (tmp_path / "a.jpg", tmp_path / "a.png", large, np.asarray(large)):
        grey, size = grey_and_size(image)
        assert size == (1200, 800) and 0.95 * 60 * 40 <= grey.size <= 60 * 40
        back = Image.fromarray(grey).resize((60, 40), Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(back) - BYTES / 255).mean() < 0.02


def test_a_decompression_bomb_is_refused_unopened(tmp_path, monkeypatch):
    Image.new("1", (9_000, 9_000)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(photo_files, "_colours", None)
    with pytest.raises(ImageError, match="more than 64 million pixels"):
        to_grey(tmp_path / "bomb.png")
    with pytest.raises(ImageError, match="more than 64 million pixels"):
        to_grey(Image.new("1", (9_000, 9_000)))


PNG, JPEG = (io.BytesIO() for _ in range(2))
Image.fromarray(BYTES).save(PNG, "PNG")
Image.fromarray(BYTES).save(JPEG, "JPEG")
PNG, JPEG = PNG.getvalue(), JPEG.getvalue()


@pytest.mark.parametrize(
    "content, reason",
    [
        (PNG[: len(PNG) // 2], "damaged or cut off"),
        (PNG[:20], "damaged or cut off"),
        (JPEG[: len(JPEG) // 2], "damaged or cut off"),
        (PNG[:60] + bytes(64) + PNG[124:], "damaged or cut off"),
        (b"hello", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"", "the file is empty"),
    ],
    ids=["half a png", "its head", "half a jpeg", "bent", "text", "postscript", "empty"],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(content, reason, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ImageError, match=reason) as raised:
        to_grey(tmp_path / "file")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        to_grey(tmp_path / "none.png")
    with pytest.raises(IsADirectoryError):
        to_grey(tmp_path)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_file_is_an_error_of_one_line_or_a_picture(tmp_path_factory, data):
    file = io.BytesIO()
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]))
    Image.fromarray(BYTES).save(file, kind)
    content = bytearray(file.getvalue())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damaged") / "file"
    path.write_bytes(content)
    try:
        grey = to_grey(path)
    except ImageError as error:
        assert "\n" not in str(error)
    else:
        assert grey.ndim == 2 and 0 <= grey.min() and grey.max() <= 1
