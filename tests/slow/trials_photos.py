"""Trials of all that looks at images: files, arrays, the steps of cleaning, the reader."""

from __future__ import annotations

import io
import math
import warnings

import numpy as np
import torch
from PIL import Image

from crnn_lib import photos
from crnn_lib.models import CRNN, CRNNConfig, shipped_models
from crnn_lib.photos import ImageError, Reader, clean_photo, find_band, find_lines, ink_of, to_grey

REFUSALS = (ImageError, OSError, TypeError, ValueError)
SECONDS, MEGABYTES = 20, 1500

SIDES = (1, 2, 3, 5, 6, 7, 16, 28, 31, 64, 100, 101, 150)
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16")


def prepare(folder):
    torch.manual_seed(0)
    tiny = CRNN(CRNNConfig(channels=(4, 8), strides=((2, 2), (2, 2)), hidden=8)).eval()
    readers = [Reader(tiny), Reader(tiny, fills=(0.72,)), Reader(tiny, refuse_below=0.5, turn=True)]
    if shipped_models():
        readers.append(Reader.pretrained(fills=(0.72,)))
    return folder, readers


def attempt(chance, state) -> str:
    folder, readers = state
    draw = np.random.default_rng(chance.getrandbits(64))
    grey = pictures(chance, draw)
    what = chance.choice(["step", "step", "grey", "clean", "read", "read", "page", "many"])
    if what == "step":
        return step(chance, grey)
    image = in_some_form(chance, draw, grey, folder)
    if what == "grey":
        found = to_grey(image)
        assert found.dtype == np.float32 and found.ndim == 2 and found.size
        assert found.min() >= 0 and found.max() <= 1
        return "grey"
    if what == "clean":
        trace = clean_photo(image, chance.choice([16, 28, 32, 64]), trace=True)
        assert trace.lines and len(trace.places) == len(trace.lines)
        for line in trace.lines:
            assert 0 <= line.image.min() and line.image.max() <= 1
            corners = line.corners()
            assert (corners >= 0).all() and (corners <= line.size).all()
        return "cleaned"
    reader = chance.choice(readers)
    if what == "read":
        check(reader.read(image))
        return "read"
    if what == "page":
        for reading in reader.read_page(image):
            check(reading)
        return "page read"
    paths = [as_file(chance, grey, folder), str(folder / "nothing.png"), str(folder)]
    for row in reader.read_many(chance.sample(paths[:2], 2)):
        assert (row.error is None) != (not row.readings), row
        assert row.error is None or 10 < len(row.error) < 500
        for reading in row.readings:
            check(reading)
    return "many read"


def check(reading) -> None:
    assert reading.text is None or isinstance(reading.text, str)
    assert 0 <= reading.confidence <= 1 + 1e-6, reading.confidence
    width = reading.line.size[0]
    for span in reading.spans:
        assert 0 <= span.start < span.end <= width, (span, width)
        assert np.isfinite(span.box).all()


def step(chance, grey: np.ndarray) -> str:
    """One function of :mod:`crnn_lib.photos` on a sound image of any size."""
    grey = grey.astype(chance.choice([np.float32, np.float32, np.float64]))
    mask = grey < 0.5
    angle, slant = chance.uniform(-20, 20), chance.uniform(-0.9, 0.9)
    same = {
        "flatten": lambda: photos.flatten(grey),
        "paper": lambda: photos.paper_of(grey),
        "polarity": lambda: photos.polarity(grey)[0],
        "sauvola": lambda: photos.binarise(grey),
        "otsu": lambda: photos.binarise(grey, "otsu"),
        "window": lambda: photos.binarise(grey, window=chance.randint(1, 99), k=slant),
        "denoise": lambda: photos.denoise(mask),
        "rules": lambda: photos.find_rules(mask, vertical=chance.random() < 0.5),
        "no rules": lambda: photos.remove_rules(mask, chance.choice([None, 1, 20])),
        "erase": lambda: photos.erase(grey, mask),
    }
    other = {
        "skew": lambda: photos.skew_of(mask),
        "stroke": lambda: photos.stroke_width(mask),
        "deskew": lambda: photos.deskew(grey, angle),
        "scale": lambda: photos.scale_to(grey, chance.randint(1, 64)),
        "lines": lambda: find_lines(mask),
        "band": lambda: find_band(mask),
        "ink": lambda: ink_of(torch.from_numpy(grey)[None]),
    }
    name = chance.choice([*same, *other])
    if name in same:
        found = same[name]()
        assert found.shape == grey.shape and np.isfinite(found).all()
        return name
    found = other[name]()
    if isinstance(found, float):
        assert math.isfinite(found)
    elif name in ("deskew", "scale", "ink"):
        found = np.asarray(found)
        assert found.size and np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1
    return name


# ---------------------------------------------------------------------------- what is given


def pictures(chance, draw) -> np.ndarray:
    """A grey image in [0, 1] of odd proportions: (H, W)."""
    height, width = chance.choice(SIDES), chance.choice(SIDES) * chance.choice([1, 1, 1, 2, 4])
    extreme = chance.random()
    if extreme < 0.03:
        height, width = chance.choice([(1, 5000), (5000, 1), (3, 4000), (30, 6000), (4000, 30)])
    elif extreme < 0.05:
        height, width = chance.choice([(900, 1200), (1500, 700)])
    y, x = np.mgrid[:height, :width]
    kind = chance.choice(
        [
            "flat",
            "noise",
            "bits",
            "stripes",
            "checks",
            "shade",
            "strokes",
            "strokes",
            "strokes",
            "page",
        ]
    )
    if kind == "flat":
        return np.full((height, width), chance.choice([0.0, 1.0, 0.5, 1e-6, chance.random()]))
    if kind == "noise":
        return draw.random((height, width))
    if kind == "bits":
        return (draw.random((height, width)) < chance.random()).astype(float)
    if kind == "stripes":
        return ((chance.choice([x, y, x + y]) // chance.randint(1, 9)) % 2).astype(float)
    if kind == "checks":
        return ((x // 4 + y // 4) % 2).astype(float)
    if kind == "shade":
        return (x + y) / max(height + width - 2, 1)
    grey = 0.8 + draw.normal(0, chance.choice([0, 0.01, 0.1]), (height, width))
    if kind == "page":
        grey -= 0.3 * x / width
    for _ in range(chance.randint(1, 30)):  # strokes of some length, thickness and lean
        left, top = chance.random() * width, chance.random() * height
        long, thick = chance.random() * height * 0.6, chance.choice([0.6, 1.5, 3, 10])
        lean = chance.gauss(0, 0.4)
        near = np.abs(x - left - lean * (y - top)) < thick
        grey[near & (y >= top) & (y < top + long)] = chance.uniform(0, 0.6)
    return 1 - grey.clip(0, 1) if chance.random() < 0.2 else grey.clip(0, 1)


def in_some_form(chance, draw, grey: np.ndarray, folder):
    """The picture as anything that may hold one, or nearly."""
    form = chance.choice(["file", "file", "pillow", "array", "array", "tensor", "odd"])
    if form == "file":
        return as_file(chance, grey, folder)
    if form == "pillow":
        return as_pillow(chance, grey)
    if form == "odd":
        return odd(chance, draw, grey, folder)
    kind = chance.choice([np.uint8, np.uint16, np.float16, np.float32, np.float64, bool, np.int64])
    top = 1 if np.dtype(kind).kind in "bf" else 65535 if kind is np.uint16 else 255
    array = np.round(grey * top).astype(kind) if top > 1 else grey.astype(kind)
    channels = chance.choice([0, 0, 1, 2, 3, 4])
    if channels:
        array = np.stack([array] * channels, chance.choice([0, 2]))
    if chance.random() < 0.2:
        array = array[::-1, ::-1]
    if form == "tensor" and kind is not np.uint16:
        return torch.from_numpy(np.ascontiguousarray(array))
    return array


def odd(chance, draw, grey, folder):
    """What is no image, or one that no camera makes."""
    spoiled = grey.copy()
    spoiled[draw.integers(0, grey.shape[0]), draw.integers(0, grey.shape[1])] = chance.choice(
        [math.nan, math.inf, -math.inf, 1e30, -0.5]
    )
    return chance.choice(
        [
            *(spoiled, grey * 300, grey - 0.5, grey[:0], grey[None, None], grey[0], 1j * grey),
            *(
                np.zeros(0),
                np.array(0.5),
                np.array(["55207"]),
                grey.tolist(),
                None,
                55207,
                b"55207",
            ),
            *(torch.zeros(3, 3, 3, 3), torch.rand(7, 9, 9), torch.rand(8, 8).bfloat16()),
            *(torch.tensor(0.5), grey.astype(object), np.longdouble(grey), ""),
            *(str(folder), str(folder / "nothing.png"), "\0.png", Image.new("L", (0, 0))),
            Image.new("1", (9000, 9000)),
        ]
    )


def as_pillow(chance, grey: np.ndarray) -> Image.Image:
    mode = chance.choice(MODES)
    if mode == "F":
        return Image.fromarray((grey * chance.choice([1, 255, 1e9, -1])).astype(np.float32))
    if mode == "I":
        return Image.fromarray((grey * chance.choice([1, 255, 65535, 2**30])).astype(np.int32))
    if mode == "I;16":
        return Image.fromarray((grey * 65535).astype(np.uint16))
    image = Image.fromarray(np.round(255 * grey).astype(np.uint8))
    if mode == "LAB":
        return Image.merge("LAB", [image] * 3)
    image = image.convert("RGB").convert(mode) if mode in ("HSV", "YCbCr") else image.convert(mode)
    if mode in ("RGBA", "LA") and chance.random() < 0.5:
        image.putalpha(chance.choice([0, 1, 128, 255]))
    if chance.random() < 0.1:
        image.getexif()[0x0112] = chance.choice([0, 3, 6, 8, 99])
    return image


def as_file(chance, grey: np.ndarray, folder) -> str:
    """A file of the picture, in any format, now and then damaged."""
    kind = chance.choice(FORMATS)
    image, buffer = as_pillow(chance, grey), io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.save(buffer, kind)
    except (OSError, ValueError, KeyError):  # this format does not hold this mode
        image.convert("RGB").save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    damage = chance.random()
    if damage < 0.15:
        del content[chance.randrange(len(content)) :]
    elif damage < 0.4:
        for _ in range(chance.choice([1, 3, 30])):  # often in the header
            place = chance.randrange(min(len(content), chance.choice([40, 200, 10**9])))
            content[place] = chance.getrandbits(8)
    elif damage < 0.43:
        content += chance.randbytes(chance.choice([1, 5000]))
    elif damage < 0.46:
        content = chance.randbytes(chance.choice([0, 1, 300]))
    path = folder / f"image.{chance.choice(['png', 'jpg', 'tif', 'txt', 'webp'])}"
    path.write_bytes(content)
    return str(path)
