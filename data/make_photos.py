"""Make the sample photos in data/photos: numbers written by the built-in pen, on paper.

python data/make_photos.py

They are rendered. No camera took them, and no data set's digits are in them. They are examples to
try the reader on, not a measurement: the seeds 0, 1, 2, ... are tried in turn, and the first at
which crnn-photos reads all ten right is kept. How many seeds that took, and how many photos of
those tried were read, is printed and stands in the README beside the photos.
"""

from __future__ import annotations

import argparse
import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from crnn_lib import LineStyle, Reader, compose_lines
from crnn_lib.handwriting import LineBatch, pen_people
from crnn_lib.handwriting.paper import Effect, PaperStyle, photograph
from crnn_lib.photos import ImageError
from crnn_lib.training import seeded_generator

PHOTOS = Path(__file__).parent / "photos"
CROPS = ("55207", "18", "9074421", "640", "2026", "35000", "773", "1000000")
PHONE = ("55207", "48016")
HEIGHTS = (50, 54, 58, 60, 62, 64, 66, 70)  # of the crops
SEEDS = 100
# what happens to the crops: of the effects of PaperStyle.cheque() the frequent ones
STYLE = replace(
    PaperStyle.scanner(),
    rules=Effect(0.4, 0.1, 0.7),
    frame=Effect(0.4, 0.1, 0.8),
    guilloche=Effect(0.3, 0.1, 0.6),
    light=Effect(0.6, 0.2, 0.9),
    contrast=Effect(0.4, 0.0, 0.6),
)


def write(texts, generator: torch.Generator) -> LineBatch:
    """Numbers as people write them, each by one person who wrote no line of training."""
    people = pen_people(40, generator, marks=0, split="test")
    style = replace(LineStyle.amounts(), one_hand=1.0, margin=(3, 8))
    return compose_lines(people, len(texts), style, generator, texts=list(texts))


def enlarge(lines: LineBatch, n: int, height: int) -> LineBatch:
    """One line, so high, with edges as sharp as before."""
    ink = lines.images[n, 0, :, : lines.widths[n]].numpy()
    size = (round(ink.shape[1] * height / ink.shape[0]), height)
    image = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC))
    steep = (height / ink.shape[0]) ** 0.8
    image = torch.from_numpy(np.clip((image - 0.5) * steep + 0.5, 0, 1).astype(np.float32))
    one = lines.select([n])
    return replace(one, images=image[None, None], widths=torch.tensor([size[0]]))


def crops(seed: int) -> list[Image.Image]:
    """Crops that hold one number, as they are cut out of a scanned form."""
    generator = seeded_generator(seed, 0)
    lines = write(CROPS, generator)
    made = []
    for n, height in enumerate(HEIGHTS):
        photo = photograph(enlarge(lines, n, height), STYLE, generator)
        made.append(_image(photo.images[0, 0, :, : photo.widths[0]].numpy()))
    return made


def phone_photos(seed: int) -> list[Image.Image]:
    """A number on a sheet of paper under a lamp, held a little askew."""
    generator = seeded_generator(seed, 1)
    lines = write(PHONE, generator)
    return [_phone(enlarge(lines, n, 150), generator, ruled=n == 1) for n in range(len(PHONE))]


def _phone(line: LineBatch, generator: torch.Generator, ruled: bool) -> Image.Image:
    height, width = 400, 1200
    chance = torch.rand(8, generator=generator).tolist()
    ink = np.zeros((height, width), np.float32)
    number = line.images[0, 0].numpy()[:, : width - 160]
    top = 110 + round(30 * chance[0])
    left = 60 + round((width - 120 - number.shape[1]) * chance[1])
    ink[top : top + number.shape[0], left : left + number.shape[1]] = number
    page = 1 - 0.78 * ink
    if ruled:
        for y in (top - 32, top + 142):
            page[y : y + 2] *= 0.72
    degrees = 6 * chance[2] - 3
    page = ndimage.rotate(page, degrees, reshape=False, order=1, mode="nearest")
    y, x = np.mgrid[:height, :width]
    light = 0.9 - 0.3 * np.hypot(x / width - chance[3], 0.5 * (y / height - chance[4]))
    edge = x - width * (0.3 + 0.4 * chance[5]) + (y - height / 2) * (chance[6] - 0.5)
    light = light * (1 - 0.25 / (1 + np.exp(-edge / 12)))  # the shadow of the hand
    page = ndimage.gaussian_filter(page * light, 1.0)
    grain = torch.randn(height, width, generator=generator).numpy()
    return _image(page + 0.015 * grain)


def _image(grey: np.ndarray) -> Image.Image:
    return Image.fromarray(np.round(255 * np.clip(grey, 0, 1)).astype(np.uint8))


def files(seed: int) -> dict[str, tuple[str, bytes]]:
    """Names of the files, with what is written on each and its bytes."""
    made = {}
    for text, image in zip(CROPS, crops(seed), strict=True):
        made[f"{text}.png"] = text, _bytes(image, "PNG")
    for text, image in zip(PHONE, phone_photos(seed), strict=True):
        made[f"{text}-phone.jpg"] = text, _bytes(image, "JPEG", quality=85)
    return made


def _bytes(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def count_right(reader: Reader, made: dict[str, tuple[str, bytes]]) -> int:
    """How many of the photos are read without a mistake."""
    right = 0
    for text, content in made.values():
        try:
            right += reader.read(Image.open(io.BytesIO(content))).text == text
        except ImageError:
            pass
    return right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--look", type=int, help="only show how many each of so many seeds gets")
    options = parser.parse_args()
    torch.set_num_threads(1)
    reader, total, photos = Reader.pretrained("crnn-photos"), 0, 0
    for seed in range(options.look or SEEDS):
        made = files(seed)
        right = count_right(reader, made)
        total, photos = total + right, photos + len(made)
        if options.look:
            print(f"seed {seed}: {right} of {len(made)}")
        elif right == len(made):
            break
    print(f"{total} of {photos} photos were read right, with the seeds 0 to {seed}.")
    if options.look:
        return
    if right < len(made):
        raise SystemExit(f"No seed below {SEEDS} has photos that are all read right.")
    PHOTOS.mkdir(exist_ok=True)
    for name, (_, content) in made.items():
        (PHOTOS / name).write_bytes(content)
    print(f"Wrote the {len(made)} of seed {seed} to {os.path.relpath(PHOTOS)}.")


if __name__ == "__main__":
    main()
