"""How fast lines are made and learned."""

from __future__ import annotations

import math
import time
from functools import partial

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from skimage import filters
from skimage.filters import rank
from table import interleaved_medians, markdown_table
from torch import nn
from torch.nn import functional as F
from torchvision import transforms

from crnn_lib import (
    CRNN,
    Alphabet,
    LineStyle,
    best_path,
    compose_lines,
    load_glyphs,
    load_model,
    photos,
)
from crnn_lib.handwriting import TextStyle, fonts, pen, random_texts
from crnn_lib.handwriting.pen import draw_digits
from crnn_lib.training import WordStream, ctc_loss_of, seeded_generator

SEED = 1


class PublishedNetwork(nn.Module):
    """The article's layers, run as it ran them: plain norms, and a read-out line by line."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, o, stride in (
            (1, 32, 1),
            (32, 32, 1),
            (32, 32, 2),
            (32, 64, 1),
            (64, 64, 1),
            (64, 64, 2),
        ):
            layers += [nn.Conv2d(i, o, 3, stride), nn.LeakyReLU(), nn.InstanceNorm2d(o)]
        self.look = nn.Sequential(*layers)
        self.gru = nn.GRU(192, 128, 2, batch_first=True, bidirectional=True)
        self.classify = nn.Linear(256, 11)

    def forward(self, images):
        features = self.look(images).permute(0, 3, 2, 1).flatten(2)  # (N, T, 192)
        states, _ = self.gru(features)  # (N, T, 256)
        return torch.stack([F.log_softmax(self.classify(line), -1) for line in states])


def training_step() -> str:
    lines = compose_lines(load_glyphs("pen"), 64, LineStyle.article(), seeded_generator(SEED, 0))
    published = PublishedNetwork()
    ours = CRNN().to(memory_format=torch.channels_last)
    optimizers = {m: torch.optim.Adam(m.parameters(), 1e-3) for m in (published, ours)}
    frames = torch.full((64,), 31)

    def published_step():
        log_probs = published(lines.images)
        loss = F.ctc_loss(log_probs.permute(1, 0, 2), lines.targets, frames, lines.target_lengths)
        update(published, loss)

    def our_step(precision):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            losses, _, _ = ctc_loss_of(ours, lines)
        update(ours, losses.mean())

    def update(model, loss):
        optimizers[model].zero_grad()
        loss.backward()
        optimizers[model].step()

    seconds = interleaved_medians(
        {
            "published": published_step,
            "float32": lambda: our_step("float32"),
            "bfloat16": lambda: our_step("bfloat16"),
        },
        repeats=7,
    )
    rows = [
        [name, f"{1000 * seconds[key]:.0f} ms", f"{seconds[key] / seconds['published']:.2f}"]
        for name, key in (
            ("the article's network as published", "published"),
            ("crnn_lib's CRNN, float32", "float32"),
            ("crnn_lib's CRNN, bfloat16 convolutions", "bfloat16"),
        )
    ]
    return "A training step, batch of 64 strips of 28 x 140, one thread, CPU time:\n\n" + (
        markdown_table(["network", "step", "ratio"], rows)
    )


def making_lines() -> str:
    glyphs = load_glyphs("pen")
    five = LineStyle(length=(5, 5))
    jitter = transforms.Compose(
        [
            transforms.ToPILImage(),
            transforms.RandomAffine(10, (0.2, 0.15), (0.8, 1.1)),
            transforms.ToTensor(),
        ]
    )
    singles = list(glyphs.images[:100])

    def loop():
        for first in range(0, 100, 5):
            torch.cat([jitter(image) for image in singles[first : first + 5]], -1)

    def compose(style):
        compose_lines(glyphs, 512, style, seeded_generator(SEED, 1))

    digits = torch.arange(2_000) % 10
    seconds = interleaved_medians(
        {
            "loop": loop,
            "article": lambda: compose(LineStyle.article()),
            "five": lambda: compose(five),
            "default": lambda: compose(LineStyle()),
            "pen": lambda: draw_digits(digits, seeded_generator(SEED, 2)),
        },
        repeats=7,
    )
    per_second = {
        "loop": 20 / seconds["loop"],
        "article": 512 / seconds["article"],
        "five": 512 / seconds["five"],
        "default": 512 / seconds["default"],
    }
    rows = [
        [name, f"{per_second[key]:,.0f}", f"{per_second[key] / per_second['loop']:.0f}"]
        for name, key in (
            ("a loop over torchvision's RandomAffine, article's strips", "loop"),
            ("compose_lines, article's strips", "article"),
            ("compose_lines, default style, five digits", "five"),
            ("compose_lines, default style, 1 to 10 digits", "default"),
        )
    ]
    return (
        "Lines per second of CPU time, one thread:\n\n"
        + markdown_table(["how", "lines/s", "ratio"], rows)
        + f"\n\nThe pen draws {2_000 / seconds['pen']:,.0f} glyphs per second of CPU time."
    )


def making_words() -> str:
    """Letters drawn one by one, words written whole, and words photographed and made ink again."""
    alphabet = Alphabet(pen.TEXT_CHARACTERS + " ")
    letters = [c for c in pen.TEXT_CHARACTERS if c.isalpha()]
    some = [letters[n % len(letters)] for n in range(1_000)]
    texts = random_texts(256, seeded_generator(SEED, 4), TextStyle(), characters=letters)
    streams = {"pen": WordStream(alphabet, batch_size=32, pool=8, seed=SEED)}
    if fonts.count_fonts()["train"]:
        streams["fonts"] = WordStream(alphabet, hands=(("fonts", 1.0),), seed=SEED)
    tasks = {
        "letters": lambda: pen.draw_letters(some, seeded_generator(SEED, 5)),
        "words": lambda: pen.draw_words(texts, seeded_generator(SEED, 6)),
    }
    turns = dict.fromkeys(streams, 0)

    def pool_of(name: str) -> None:
        turns[name] += 1  # never the pool that is still held
        streams[name].batch(turns[name] * streams[name].pool)

    for name in streams:
        tasks[name] = partial(pool_of, name)
    seconds = interleaved_medians(tasks, repeats=5)
    rows = [
        ["letters by the pen", f"{len(some) / seconds['letters']:,.0f}"],
        ["words by the pen", f"{len(texts) / seconds['words']:,.0f}"],
    ]
    for name in streams:
        rows.append([f"a stream to learn from, hands: {name}", f"{256 / seconds[name]:,.0f}"])
    return "Written per second of CPU time, one thread; a stream photographs each word:\n\n" + (
        markdown_table(["what", "a second"], rows)
    )


def cleaning() -> str:
    """The steps from a photo to a mask, beside general filters that do the same."""
    lines = compose_lines(
        load_glyphs("pen"), 1, LineStyle(), seeded_generator(SEED, 3), texts=["48016"]
    )
    ink = lines.images[0, 0, :, : lines.widths[0]].numpy()
    shown = {}
    for name, height in (("a crop, 96 rows", 96), ("a photo of 1 megapixel", 580)):
        image = Image.fromarray(ink).resize((3 * height, height), Image.Resampling.BILINEAR)
        grain = np.random.default_rng(SEED).normal(0, 0.01, (height, 3 * height))
        grey = 0.85 - 0.6 * np.asarray(image).clip(0, 1) + grain
        shown[name] = grey.clip(0, 1).astype(np.float32)
    rows = []
    for name, grey in shown.items():
        repeats = 15 if grey.size < 100_000 else 5
        seconds = interleaved_medians(
            {"ours": lambda g=grey: clean_mask(g), "general": lambda g=grey: general_mask(g)},
            repeats,
        )
        share = seconds["ours"] / seconds["general"]
        times = (f"{1000 * seconds[key]:.1f} ms" for key in ("ours", "general"))
        rows.append([name, *times, f"{share:.2f}"])
    grown = []
    for megapixels in (3, 12, 50):
        side = int(math.sqrt(megapixels * 1e6))
        grey = np.tile(shown["a photo of 1 megapixel"], (20, 8))[:side, :side].copy()
        started = time.process_time()
        clean_mask(grey)
        grown.append(f"{(time.process_time() - started) / megapixels * 1000:.0f} ms")
    return (
        "From grey to a mask of ink without rules and specks, one thread, CPU time; beside it rank "
        "filters of scikit-image, two passes of Niblack, openings with bars and an exact distance "
        "transform, which do the same:\n\n"
        + markdown_table(["what", "crnn_lib", "general filters", "ratio"], rows)
        + "\n\nFor each megapixel of 3, 12 and 50: "
        + ", ".join(grown)
        + "."
    )


def clean_mask(grey: np.ndarray) -> np.ndarray:
    grey, _ = photos.polarity(grey)
    mask = photos.binarise(photos.flatten(grey))
    return photos.denoise(photos.remove_rules(mask))


def general_mask(grey: np.ndarray) -> np.ndarray:
    """The same steps, each with the filter that its textbook names."""

    def local(share: float, pixels: int, reach: float) -> np.ndarray:
        factor = math.ceil(math.sqrt(grey.size / pixels))
        small = np.asarray(Image.fromarray(grey).reduce(factor))
        side = max(int(reach * min(small.shape)), 15) | 1
        levels = np.round(255 * small).astype(np.uint8)
        return rank.percentile(levels, np.ones((side, side), np.uint8), p0=share) / 255

    for reach in (1.0, 0.5, 0.25):
        local(0.5, 6_000, reach)
    paper = Image.fromarray(local(0.75, 30_000, 0.5).astype(np.float32))
    flat = (grey / np.asarray(paper.resize(grey.shape[::-1]))).clip(0, 1)
    window = min(max(min(grey.shape) // 3, 15), 61) | 1
    mean = filters.threshold_niblack(flat, window, k=0)
    spread = filters.threshold_niblack(flat, window, k=-1) - mean
    largest = np.percentile(spread, 99)
    mask = (flat < mean * (1 + 0.2 * (spread / largest - 1))) & (flat < mean - 0.5 * largest)
    for turned in (mask, mask.T):
        joined = ndimage.binary_closing(turned, np.ones((1, 5)))
        ndimage.binary_opening(joined, np.ones((1, 24)))
    width = 4 * ndimage.distance_transform_edt(mask)[mask].mean() - 2
    patches, _ = ndimage.label(mask, np.ones((3, 3)))
    keep = np.bincount(patches.ravel()) >= 2 * width**2
    keep[0] = False
    return keep[patches]


def latency() -> float:
    """Median seconds of CPU time from one line's image to its text."""
    model = load_model("crnn-digits")
    lines = compose_lines(
        load_glyphs("pen", "test"), 200, LineStyle(length=(5, 5)), seeded_generator(SEED, 99)
    )
    seconds = []
    with torch.inference_mode():
        for index in range(len(lines)):
            image = lines.images[index : index + 1, :, :, : lines.widths[index]]
            started = time.process_time()
            best_path(*model(image), alphabet=model.alphabet)
            seconds.append(time.process_time() - started)
    return sorted(seconds[20:])[len(seconds[20:]) // 2]


def run() -> str:
    torch.set_num_threads(1)
    return (
        f"## Speed\n\n{training_step()}\n\n{making_lines()}\n\n{making_words()}\n\n{cleaning()}\n\n"
        f"`crnn-digits` reads one line of five digits, image to text with its "
        f"probability, in {1000 * latency():.1f} ms of CPU time."
    )
