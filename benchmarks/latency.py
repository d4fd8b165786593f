"""How long one image takes to be read, where that time goes, and what the views of a line cost."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from pages import page_of
from table import markdown_table

from crnn_lib import Alphabet, LineStyle, Reader, compose_lines, load_glyphs, load_model
from crnn_lib.handwriting import LineBatch, TextStyle, lines_of_words, pen, random_texts
from crnn_lib.handwriting.paper import PaperStyle, photograph
from crnn_lib.photos import ImageError
from crnn_lib.training import seeded_generator

SEED, TIMED, PAGES = 6061, 40, 5
WORDS, CROPS = 300, 100  # on which the views of a line are compared
RUNS = Path(__file__).resolve().parents[1] / "data" / "runs" / "pretraining.json"
CHARACTERS = pen.TEXT_CHARACTERS + " "


Photos = list[tuple[np.ndarray, str]]  # each (H, W) in [0, 1], and what is written there


def words(count: int) -> Photos:
    """Photographs of words by people who wrote no training line."""
    generator = seeded_generator(SEED, 1)
    style = TextStyle(words=1, names=0, numbers=0, letters=0, phrases=0)
    texts = random_texts(count, generator, style, characters=CHARACTERS)
    written = pen.draw_words(texts, generator, height=128)
    lines = lines_of_words(written, Alphabet(CHARACTERS), height=64)
    return photos_of(photograph(lines, PaperStyle.page(), generator))


def crops(count: int) -> Photos:
    """Photographs of numbers of five digits on the paper of cheques."""
    generator = seeded_generator(SEED, 2)
    style = LineStyle(length=(5, 5))
    lines = compose_lines(load_glyphs("auto", "test"), count, style, generator)
    return photos_of(photograph(lines, PaperStyle.cheque(), generator))


def photos_of(lines: LineBatch) -> Photos:
    rows = zip(lines.images, lines.widths.tolist(), lines.texts, strict=True)
    return [(image[0, :, :width].numpy(), text) for image, width, text in rows]


class Stages:
    """Processor time of a reader: its first half, its networks, all of it."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.network = 0.0
        reader.model.register_forward_pre_hook(lambda *_: self._count(-1))
        reader.model.register_forward_hook(lambda *_: self._count(1))

    def _count(self, sign: int) -> None:
        self.network += sign * time.process_time()

    def seconds(self, image, *, whole_page: bool = False) -> tuple[float, float, float]:
        """Of one image: to find and clean its lines, in the network that reads, and in all."""
        start = time.process_time()
        lines = self.reader.find_lines(image, whole=False if whole_page else None)
        found = time.process_time()
        self.network = 0.0
        self.reader.read_lines(lines)
        return found - start, self.network, time.process_time() - start


def one_image() -> str:
    """Where the time goes, for a word, a crop and a page."""
    readers = {name: Stages(Reader.pretrained(name)) for name in ("crnn-words", "crnn-photos")}
    kinds = [
        ("a word", "crnn-words", words(TIMED), False),
        ("a crop of five digits", "crnn-photos", crops(TIMED), False),
        ("a page of a megapixel, ten lines", "crnn-photos", [(page_of(10), "")] * PAGES, True),
    ]
    rows = []
    for name, weights, photos, whole_page in kinds:
        stages, seconds = readers[weights], []
        for image, _ in [*photos[:3], *photos]:  # the first ones warm up
            try:
                seconds.append(stages.seconds(image, whole_page=whole_page))
            except ImageError:
                continue
        finding, network, total = np.array(seconds[3:]).T
        parts = (total, finding, network, total - finding - network)
        cells = [f"{1000 * statistics.median(part):.1f} ms" for part in parts]
        rows.append([name, weights, str(len(total)), *cells])
        print(rows[-1], flush=True)
    header = ["what", "weights", "n", "in all", "finding, cleaning", "network", "the rest"]
    return markdown_table(header, rows)


def parameters() -> str:
    """Why a word takes longer than a number: how large the networks are, and how high a line."""
    told = []
    for name in ("crnn-words", "crnn-photos", "crnn-digits"):
        model = load_model(name)
        count = sum(parameter.numel() for parameter in model.parameters())
        told.append(f"`{name}` {count / 1e6:.2f} million, {model.config.height} rows")
    runs = json.loads(RUNS.read_text(encoding="utf-8"))["milliseconds_a_word"]
    return (
        f"Parameters, and the height of a line: {'; '.join(told)}. 8 ms a "
        "word, with all that is around it, would take one like `crnn` of "
        f"data/runs/pretraining.json, {runs['crnn']['read']:g} ms a word at 32 rows."
    )


def views_left_out(photos: Photos, weights: str) -> list[str]:
    """How many lines need one view, what the others would change, and the time as a ratio."""
    usual, all_views = Reader.pretrained(weights), Reader.pretrained(weights, sure=1)
    calls: list[int] = []
    usual.model.register_forward_pre_hook(lambda *_: calls.append(1))
    seconds = {"usual": 0.0, "all": 0.0}
    right = {"usual": 0, "all": 0}
    count = sure = changed = 0
    for n, (image, text) in enumerate(photos):
        calls.clear()
        texts = {}
        order = [("usual", usual), ("all", all_views)]
        try:
            for name, reader in order if n % 2 else order[::-1]:
                start = time.process_time()
                texts[name] = reader.read(image).text
                seconds[name] += time.process_time() - start
        except ImageError:
            continue
        count += 1
        for name, read in texts.items():
            right[name] += read == text
        if len(calls) == 1:
            sure += 1
            changed += texts["usual"] != texts["all"]
    ratio = f"{seconds['usual'] / seconds['all']:.2f}"
    sure_of = f"{sure / count:.1%}", f"{changed} of {sure:,}"
    return [weights, f"{count:,}", *sure_of, f"{right['usual']:,}", f"{right['all']:,}", ratio]


def run() -> str:
    torch.set_num_threads(1)
    rows = [
        views_left_out(words(WORDS), "crnn-words"),
        views_left_out(crops(CROPS), "crnn-photos"),
    ]
    changed = "texts of these that the others change"
    header = ["weights", "n", "sure at one view", changed, "right", "right by all", "time"]
    return (
        f"## One image\n\nFrom pixels to text, boxes and confidence: processor time of one thread, "
        f"medians, seed {SEED}.\n\n{one_image()}\n\n{parameters()}\n\n"
        "A line has three views; the others are asked where the middle one leaves a doubt. Beside "
        "it a reader that always asks all; time as the ratio of both."
        f"\n\n{markdown_table(header, rows)}"
    )


if __name__ == "__main__":
    print(run())
