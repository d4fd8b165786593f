"""Where the sheet lies in the photo, what lies under it, and the light that falls on both."""

from __future__ import annotations

import functools
import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.spatial import cKDTree

from crnn_lib.handwriting.pages._page import FINER, Layers

TEXTURE, TEXTURES = 640, 55  # pixels of a texture's side, and how many there are


def place_sheet(r: np.random.Generator, style, size, turn: int):
    """A camera (3, 3), the sheet's rectangle and the area to write on, in the sheet's pixels.

    ``turn`` is the number of quarter turns clockwise.
    """
    height, width = size
    wide, high = (width, height) if turn % 2 == 0 else (height, width)
    skew = math.radians(float(np.clip(r.normal(0, style.skew), -25, 25)))
    if r.random() < style.edges:  # the sheet ends within the photo, on some sides
        inset = r.uniform(0.01, 0.2, 4) * (r.random(4) < 0.75) - 0.02
        sheet = (inset[0] * wide, inset[1] * high, wide * (1 - inset[2]), high * (1 - inset[3]))
        pad = 0.02 * min(wide, high) + 3
        area = (sheet[0] + pad, sheet[1] + pad, sheet[2] - pad, sheet[3] - pad)
    else:
        sheet = (-0.4 * wide, -0.4 * high, 1.4 * wide, 1.4 * high)
        area = (2.0, 2.0, wide - 2.0, high - 2.0)
    angle = skew + turn * math.pi / 2
    c, s = math.cos(angle), math.sin(angle)
    to_middle = np.array([[1, 0, -wide / 2], [0, 1, -high / 2], [0, 0, 1.0]])
    turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    tilt = np.eye(3)
    tilt[2, :2] = r.uniform(-1, 1, 2) * style.perspective / max(size) * (r.random() < 0.6)
    back = np.array([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1.0]])
    return back @ tilt @ turned @ to_middle, sheet, area


# ---------------------------------------------------------------------------- what is underneath


@functools.cache
def texture(number: int) -> np.ndarray:
    """Wood, cloth, tiles, brick, stone and what else lies under sheets: (S, S) in [0, 1]."""
    makers = (_wood, _weave, _checks, _brick, _brick, _stone, _patches, _pebbles, _strokes, _blobs)
    r = np.random.default_rng((90_001, number))
    return _levelled((*makers, _stripes)[number % 11](r)).astype(np.float16)


def _levelled(image: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image, (1, 99))
    return np.clip((image - low) / max(high - low, 1e-6), 0, 1)


def clouds(r: np.random.Generator, shape, grain: float, stretch: float = 1.0) -> np.ndarray:
    """Smooth noise of deviation 1 with features of about ``grain`` pixels."""
    rows, columns = int(shape[0] / grain) + 2, int(shape[1] / grain / stretch) + 2
    noise = Image.fromarray(r.standard_normal((rows, columns), dtype=np.float32))
    return np.asarray(noise.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def _wood(r):
    side = (TEXTURE, TEXTURE)
    veins = clouds(r, side, r.uniform(2, 6), r.uniform(20, 60))
    return veins + 0.8 * np.sin(clouds(r, side, 60, 6) * r.uniform(3, 9)) + clouds(r, side, 1.5)


def _weave(r):
    y, x = np.mgrid[:TEXTURE, :TEXTURE] * (2 * np.pi / r.uniform(4, 12))
    return np.sin(x) * np.sin(y) + 0.5 * clouds(r, (TEXTURE, TEXTURE), 3) + r.uniform() * np.sin(x)


def _checks(r):
    y, x = np.mgrid[:TEXTURE, :TEXTURE] / r.uniform(12, 60)
    return np.floor(x) % 2 + np.floor(y) % 2 + 0.2 * clouds(r, (TEXTURE, TEXTURE), 2)


def _brick(r):
    high, wide = r.uniform(14, 60), r.uniform(30, 140)
    y, x = np.mgrid[:TEXTURE, :TEXTURE].astype(float)
    row = np.floor(y / high)
    column = np.floor(x / wide + row % 2 / 2)
    joint = np.minimum(y % high, (x + wide / 2 * (row % 2)) % wide) < r.uniform(2, 6)
    tone = r.uniform(0.3, 0.8, 4096)[(row * 57 + column).astype(int) % 4096]
    rough = 0.12 * clouds(r, (TEXTURE, TEXTURE), 2) + 0.1 * clouds(r, (TEXTURE, TEXTURE), 9)
    return np.where(joint, r.uniform(0, 1.2), tone) + rough


def _stone(r):
    side = (TEXTURE, TEXTURE)
    return sum(g**0.5 * clouds(r, side, g) for g in (1.5, 4, 11, 40)) * r.uniform(0.5, 2)


def _patches(r):
    """Woven patches, leaves, gravel: spots of one size and every tone, with edges soft or hard."""
    grain = r.uniform(3, 30)
    spots = clouds(r, (TEXTURE, TEXTURE), grain, r.uniform(0.5, 2))
    hard = r.uniform(0, 1)
    return (1 - hard) * spots + hard * np.sign(spots) + 0.1 * clouds(r, spots.shape, 1.5)


def _pebbles(r):
    """Cells of one tone each, with joints between them: stones, tiles, leather, cracked paint."""
    count = int(r.integers(60, 1500))
    places = r.uniform(0, TEXTURE, (count, 2))
    y, x = np.mgrid[:TEXTURE:2, :TEXTURE:2]
    distances, owner = cKDTree(places).query(np.stack([x.ravel(), y.ravel()], 1), 2)
    tones = r.uniform(0, 1, count)[owner[:, 0]]
    joint = (distances[:, 1] - distances[:, 0]) < r.uniform(1, 7)
    cells = np.where(joint, r.uniform(-0.5, 1.5), tones).reshape(x.shape)
    return np.kron(cells, np.ones((2, 2))) + 0.1 * clouds(r, (TEXTURE, TEXTURE), 3)


def _strokes(r):
    """Hair, grass, scratches: short curved strokes that might be writing, and are none."""
    image = Image.new("L", (TEXTURE, TEXTURE), 128)
    draw = ImageDraw.Draw(image)
    length, width, turn = r.uniform(6, 60), int(r.integers(1, 6)), r.uniform(0, np.pi)
    for _ in range(int(r.integers(200, 2500))):
        x, y = r.uniform(0, TEXTURE, 2)
        a, bend = turn + r.normal(0, 0.5), r.normal(0, 0.5)
        middle = x + length / 2 * math.cos(a), y + length / 2 * math.sin(a)
        end = (
            middle[0] + length / 2 * math.cos(a + bend),
            middle[1] + length / 2 * math.sin(a + bend),
        )
        draw.line([x, y, *middle, *end], fill=int(r.integers(256)), width=width)
    return np.asarray(image, np.float32) + 4 * clouds(r, (TEXTURE, TEXTURE), 2)


def _stripes(r):
    y, x = np.mgrid[:TEXTURE, :TEXTURE]
    turn = r.uniform(0, np.pi)
    phase = (x * math.cos(turn) + y * math.sin(turn)) / r.uniform(4, 40)
    return np.sign(np.sin(phase)) + 0.4 * np.sin(phase / 3) + 0.1 * clouds(r, phase.shape, 2)


def _blobs(r):
    """Things out of focus, with hard edges here and there."""
    ground = 128 + 40 * clouds(r, (TEXTURE, TEXTURE), 70)
    image = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        x, y = r.uniform(0, TEXTURE, 2)
        w, h = r.uniform(10, 250, 2)
        tone = int(r.integers(256))
        form = (draw.ellipse, draw.rectangle)[r.integers(2)]
        form([x, y, x + w, y + h], fill=tone if r.random() < 0.6 else None, outline=255 - tone)
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(r.uniform(0.6, 3))), np.float32)
    return blurred + 3 * clouds(r, (TEXTURE, TEXTURE), 2)


def under(r: np.random.Generator, size) -> np.ndarray:
    """A window of a texture, as something under the sheet: (H, W) in [0, 1]."""
    image = texture(int(r.integers(TEXTURES))).astype(np.float32)
    if r.random() < 0.5:
        image = image.T
    zoom = r.uniform(0.6, 1.6)
    rows, columns = (min(int(n * zoom), TEXTURE) for n in size)
    top, left = r.integers(0, TEXTURE - rows + 1), r.integers(0, TEXTURE - columns + 1)
    part = Image.fromarray(np.ascontiguousarray(image[top : top + rows, left : left + columns]))
    window = np.asarray(part.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    middle, strength = r.uniform(0.05, 0.9), r.uniform(0.03, 0.7)
    return np.clip(middle + strength * (window - 0.5), 0, 1)


# ---------------------------------------------------------------------------- the photo


def sheet_mask(size, corners: np.ndarray) -> np.ndarray:
    """How much of each pixel is sheet: (H, W) in [0, 1]."""
    mask = Image.new("L", (FINER * size[1], FINER * size[0]))
    ImageDraw.Draw(mask).polygon((FINER * corners).ravel().tolist(), fill=255)
    return np.asarray(mask.reduce(FINER), np.float32) / 255


def expose(r, style, layers: Layers, mask: np.ndarray | None, bare: bool) -> np.ndarray:
    """The photo of what lies on the layers: (H, W) float32 in [0, 1]."""
    size = layers.size[1], layers.size[0]
    dark = r.random() < style.dark
    paper = r.uniform(0.05, 0.35) if dark else r.uniform(0.6, 1.0)
    paper = 1.0 if style.noises == 0 else paper
    photo: np.ndarray = np.full(size, paper, np.float32)
    if style.noises and r.random() < 0.4:
        photo += clouds(r, size, r.uniform(1.5, 80)) * r.uniform(0.004, 0.03)
    if bare:
        photo = under(r, size)
    photo = _printed(r, photo, layers, dark)
    photo = _written(r, style, photo, layers, dark, paper)
    if layers.tiles.getbbox() is not None:
        photo = photo + _cover(layers.tiles, layers.size) * (1 - 2 * photo)
    if style.folds and r.random() < style.folds:
        photo *= _folds(r, size)
    if mask is not None:
        table = under(r, size)
        table = table * (1 - r.uniform(0, 0.6) * _around(mask, r.uniform(0.5, 2)))
        photo = photo * mask + table * (1 - mask)
    if style.shadows and r.random() < style.shadows:
        photo *= _light(r, size)
        brightest = float(np.percentile(photo[::8, ::8], 98))
        photo *= r.uniform(0.6, 1.0) / max(brightest, 0.1)  # a camera looks for enough light
    return _through_lens(r, style, photo)


def _around(mask: np.ndarray, reach: float) -> np.ndarray:
    """Where a sheet shades what lies beside it: (H, W) in [0, 1]."""
    size = mask.shape[1], mask.shape[0]
    eighth = Image.fromarray((255 * mask).astype(np.uint8)).reduce(8)
    soft = eighth.filter(ImageFilter.GaussianBlur(reach))
    return np.asarray(soft.resize(size, Image.Resampling.BILINEAR), np.float32) / 255


def _cover(image: Image.Image, size) -> np.ndarray:
    return np.asarray(image if image.size == size else image.reduce(FINER), np.float32) / 255


def _printed(r, photo, layers: Layers, dark: bool) -> np.ndarray:
    for layer in (layers.print, layers.rules):
        if layer.getbbox() is not None:
            tone = r.uniform(0.5, 1.0) if dark else photo.mean() * r.uniform(0.05, 0.75)
            cover = _cover(layer, layers.size)
            photo = photo + cover * (tone - photo)
    return photo


def _written(r, style, photo, layers: Layers, dark: bool, paper: float) -> np.ndarray:
    pencil = r.random() < style.pencils
    if dark:
        tone = r.uniform(min(paper + 0.35, 0.8), 1.0)
    else:
        tone = paper * (r.uniform(0.45, 0.75) if pencil else r.uniform(0.02, 0.45))
    cover = np.maximum(
        np.maximum(_cover(layers.pen, layers.size), _cover(layers.crossed, layers.size)),
        _cover(layers.strokes, layers.size),
    )
    if pencil or (dark and r.random() < 0.6):  # graphite and chalk catch on the paper's grain
        grain = clouds(r, cover.shape, r.uniform(1.0, 2.2))
        cover = cover * np.clip(1 + r.uniform(0.1, 0.45) * grain, 0.25, 1.2).clip(0, 1)
    return photo + cover * (tone - photo)


def _folds(r, size) -> np.ndarray:
    """Creases: on either side the paper leans differently to the light."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    light = np.ones(size, np.float32)
    for _ in range(r.integers(1, 4)):
        turn = r.choice([0, np.pi / 2]) + r.normal(0, 0.1)
        away = (x - r.uniform(0, size[1])) * math.cos(turn) + (
            y - r.uniform(0, size[0])
        ) * math.sin(turn)
        reach = r.uniform(15, 120)
        light *= 1 + r.uniform(-0.15, 0.15) * np.tanh(away / 2) * np.exp(-np.abs(away) / reach)
        light *= 1 - r.uniform(0, 0.25) * np.exp(-((away / r.uniform(0.6, 1.5)) ** 2))
    return light


def _light(r, size) -> np.ndarray:
    """Light from one side, and a shadow or two with edges hard or soft."""
    small = (size[0] // 4, size[1] // 4)
    y, x = np.mgrid[: small[0], : small[1]].astype(np.float32)
    x, y = x / small[1] - 0.5, y / small[0] - 0.5
    turn = r.uniform(0, 2 * np.pi)
    light = 1 - r.uniform(0, 0.5) * (0.5 + x * math.cos(turn) + y * math.sin(turn))
    for _ in range(r.integers(0, 3)):
        turn, at, edge = r.uniform(0, 2 * np.pi), r.uniform(-0.4, 0.4), r.uniform(0.005, 0.25)
        bend = r.uniform(-1, 1)
        away = x * math.cos(turn) + y * math.sin(turn) + bend * x * y - at
        light *= 1 - r.uniform(0.1, 0.55) / (1 + np.exp(-np.clip(away / edge, -30, 30)))
    whole = Image.fromarray(light.astype(np.float32))
    return np.asarray(whole.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _through_lens(r, style, photo: np.ndarray) -> np.ndarray:
    if style.blurs and r.random() < style.blurs:
        eight = Image.fromarray((255 * photo).clip(0, 255).astype(np.uint8))
        eight = eight.filter(ImageFilter.GaussianBlur(0.3 + 1.2 * r.random() ** 3))
        photo = np.asarray(eight, np.float32) / 255
    if style.noises and r.random() < style.noises:
        noise = r.standard_normal(photo.shape, dtype=np.float32)
        photo = photo + (0.002 + 0.05 * r.random() ** 3) * noise
    photo = np.clip(photo, 0, 1).astype(np.float32)
    if style.thresholded and r.random() < style.thresholded:
        photo = _thresholded(r, photo)
    if style.compressed and r.random() < style.compressed:
        photo = _compressed(photo, int(r.integers(20, 85)))
    return photo


def _thresholded(r, photo: np.ndarray) -> np.ndarray:
    """Black and white, by the mean around; a narrow window leaves wide strokes hollow."""
    eight = Image.fromarray((255 * photo).astype(np.uint8))
    around = np.asarray(eight.filter(ImageFilter.BoxBlur(r.uniform(6, 40))), np.float32) / 255
    return (photo > around * r.uniform(0.75, 0.95)).astype(np.float32)


def _compressed(photo: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray((255 * photo).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), np.float32) / 255
