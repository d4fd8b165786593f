"""How well words are read: in hands that trained nothing, and in any folder with labels.

    python benchmarks/run.py words            held-out fonts and people, and other readers:
                                              Tesseract where it is installed, RapidOCR where
                                              CRNN_PEERS names a Python that has it
    python benchmarks/words.py FOLDER         the images of a folder; its labels.csv says what is
                                              written on them (columns file, text)

No set of real words comes with this project. Who has one makes such a table of it. IAM
(https://fki.tic.heia-fr.ch/databases/iam-handwriting-database) is free for research that is not
commercial, after registration, and may not be handed on: a row of its words.txt that is marked "ok"
holds an image's name first and its word last. Rimes, Bentham and CVL have terms of their own.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from table import markdown_table

from crnn_lib import Alphabet, Reader, prefix_beam_search
from crnn_lib.evaluation import edit_counts, wilson_interval
from crnn_lib.handwriting import TextStyle, fonts, lines_of_words, pen, random_texts
from crnn_lib.handwriting.paper import PaperStyle, photograph
from crnn_lib.language import lexicon
from crnn_lib.photos import files_of
from crnn_lib.training import seeded_generator

TESTED, OTHERS, SEED, HEIGHT = 1000, 300, 4242, 64  # others read the first of each set
LEXICON_WEIGHT = 0.5
HASTE = {"pen": 0.0, "pen in haste": 1.0}  # of hands that are no fonts
ALPHABET = Alphabet(pen.TEXT_CHARACTERS + " ")
WORDS = TextStyle(words=1, names=0, numbers=0, letters=0, phrases=0)
CAPITALS = TextStyle(words=0, names=1, numbers=0, letters=0, phrases=0, capitals=1)
NUMBERS = TextStyle(words=0, names=0, numbers=1, letters=0, phrases=0)
LETTERS = TextStyle(words=0, names=0, numbers=0, letters=1, phrases=0, longest=1)


# ---------------------------------------------------------------------------- what is read


def write_images(
    folder: Path, count: int, style: TextStyle, hands: str, seed: int, lean: float = 0.0
) -> None:
    """Photographs of words as grey PNG files, and their labels.csv.

    They lean by so many pixels to the right per pixel upwards more than they were written.
    """
    generator = seeded_generator(SEED, seed)
    texts = random_texts(count, generator, style, characters=ALPHABET.characters)
    if hands in HASTE:
        written = pen.draw_words(texts, generator, height=2 * HEIGHT, haste=HASTE[hands])
    else:
        written = fonts.draw_words(texts, generator, split="test", height=2 * HEIGHT)
    lines = lines_of_words(written, ALPHABET, height=HEIGHT)
    photos = photograph(lines, PaperStyle.page(), generator)
    rows = [("file", "text")]
    for n, (image, width) in enumerate(zip(photos.images, photos.widths.tolist(), strict=True)):
        pixels = (255 * image[0, :, :width]).round().to(torch.uint8).numpy()
        leaning(Image.fromarray(pixels), lean).save(folder / f"{n:05d}.png")
        rows.append((f"{n:05d}.png", photos.texts[n]))
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def leaning(image: Image.Image, lean: float) -> Image.Image:
    """A word that leans; what comes in at the corners is as bright as its paper."""
    if not lean:
        return image
    width, height = image.size
    more = round(abs(lean) * height)
    shear = (1, lean, -max(lean, 0) * height, 0, 1, 0)
    paper = int(np.quantile(image, 0.8))
    return image.transform(
        (width + more, height), Image.Transform.AFFINE, shear, Image.Resampling.BICUBIC,
        fillcolor=paper,
    )  # fmt: skip


def labelled(folder: Path) -> tuple[list[str], list[str]]:
    """The images of a folder and their texts."""
    with open(folder / "labels.csv", newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if len(row) >= 2]
    if rows and rows[0][:2] == ["file", "text"]:
        rows = rows[1:]
    return [str(folder / row[0]) for row in rows], [row[1] for row in rows]


# ---------------------------------------------------------------------------- who reads


def crnn_words(paths: Sequence[str]) -> list[str]:
    """The network that ships."""
    return [row.text for row in Reader.pretrained("crnn-words").read_many(paths)]


def with_lexicon(paths: Sequence[str]) -> list[str]:
    """The same in a beam that knows 20,000 English words, and no others."""
    decoder = partial(
        prefix_beam_search,
        language=lexicon("english"),
        language_weight=LEXICON_WEIGHT,
        beam_width=10,
    )
    reader = Reader.pretrained("crnn-words", decoder=decoder)
    return [row.text for row in reader.read_many(paths)]


def tesseract(paths: Sequence[str]) -> list[str]:
    """Tesseract's LSTM for English, told that an image is one word."""
    texts = []
    for path in paths:
        command = ["tesseract", path, "-", "--psm", "8", "-l", "eng"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        texts.append(done.stdout.strip())
    return texts


def rapidocr(paths: Sequence[str]) -> list[str]:
    """The recogniser of RapidOCR (PP-OCR), without its detector; empty if it is not there."""
    python = os.environ.get("CRNN_PEERS", sys.executable)
    script = Path(__file__).with_name("word_peers.py")
    done = subprocess.run(
        [python, script], input="\n".join(paths), capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()  # it may log before
    return json.loads(lines[-1]) if lines else []


def readers() -> dict[str, Callable[[Sequence[str]], list[str]]]:
    """All that may read here."""
    chosen: dict[str, Callable[[Sequence[str]], list[str]]] = {
        "crnn-words": crnn_words,
        "crnn-words, 20,000 words": with_lexicon,
    }
    if shutil.which("tesseract"):
        chosen["Tesseract"] = tesseract
    chosen["RapidOCR"] = rapidocr
    return chosen


# ---------------------------------------------------------------------------- how well


def folded(text: str) -> str:
    """Letters and digits alone, all of them small: what a search needs.

    >>> folded("It's: 'OK'")
    'itsok'
    """
    return "".join(character for character in text.lower() if character.isalnum())


def score(texts: Sequence[str], truths: Sequence[str]) -> list[str]:
    """Character error rate and exact and folded matches, each with its 95 % interval."""
    edits = np.array([sum(edit_counts(t, p)) for t, p in zip(truths, texts, strict=True)])
    lengths = np.array([len(truth) for truth in truths])
    drawn = np.random.default_rng(SEED).integers(len(truths), size=(2000, len(truths)))
    rates = edits[drawn].sum(1) / lengths[drawn].sum(1)
    cells = ["{:.1%} ({:.1%} to {:.1%})".format(edits.sum() / lengths.sum(), *_middle(rates))]
    for right in (
        [t == p for t, p in zip(truths, texts, strict=True)],
        [folded(t) == folded(p) for t, p in zip(truths, texts, strict=True)],
    ):
        interval = wilson_interval(sum(right), len(right))
        cells.append("{:.1%} ({:.1%} to {:.1%})".format(sum(right) / len(right), *interval))
    return cells


def _middle(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


HEADER = ["images", "n", "reader", "character error rate", "right", "right, folded"]


def run(count: int = TESTED) -> str:
    torch.set_num_threads(1)
    sets = {
        "words, held-out people of the pen": (WORDS, "pen", 0.0),
        "names in capitals, held-out people": (CAPITALS, "pen", 0.0),
        "numbers, held-out people": (NUMBERS, "pen", 0.0),
        "single letters and digits, held-out people": (LETTERS, "pen", 0.0),
    }
    if fonts.count_fonts()["test"]:
        sets["words, held-out fonts"] = (WORDS, "fonts", 0.0)
        sets["names in capitals, held-out fonts"] = (CAPITALS, "fonts", 0.0)
    for lean in (0.6, -0.6):
        sets[f"words, held-out people, leaning by {lean} more"] = (WORDS, "pen", lean)
    sets["words, held-out people in haste"] = (WORDS, "pen in haste", 0.0)
    rows = []
    for number, (name, (style, hands, lean)) in enumerate(sets.items()):
        with tempfile.TemporaryDirectory() as place:
            write_images(Path(place), count, style, hands, number, lean)
            paths, truths = labelled(Path(place))
            for reader, read in readers().items():
                if reader == "crnn-words, 20,000 words" and style is not WORDS:
                    continue
                n = count if reader.startswith("crnn") else min(count, OTHERS)
                if texts := read(paths[:n]):
                    rows.append([name, str(n), reader, *score(texts, truths[:n])])
                    print(rows[-1], flush=True)
    return (
        f"## Words\n\nPhotographs of words that nobody trained on, seed {SEED}; 95 % intervals. "
        "Folded: letters and digits alone, case ignored. None of these is a real hand: what the "
        "figures say of other people's writing, `python benchmarks/words.py FOLDER` "
        "measures. Leaning: pixels to the right per pixel upwards, beyond what the hand has."
        f"\n\n{markdown_table(HEADER, rows)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="images and their labels.csv")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N wrong readings")
    options = parser.parse_args()
    paths, truths = labelled(options.folder)
    if not paths:
        sys.exit(
            f"{options.folder} has no labelled images; there are {len(files_of(options.folder))}."
        )
    rows = []
    for reader, read in readers().items():
        texts = read(paths)
        if not texts:
            continue
        rows.append([options.folder.name, str(len(paths)), reader, *score(texts, truths)])
        wrong = [(t, p) for t, p in zip(truths, texts, strict=True) if t != p]
        for truth, text in wrong[: options.show]:
            print(f"{reader}: {truth!r} read as {text!r}")
    print(markdown_table(HEADER, rows))


if __name__ == "__main__":
    main()
