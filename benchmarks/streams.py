"""Long lines, lines in pieces, large lexica, and what a decoder costs when it is used first."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import torch
from lexicon import ALPHABET as TEXT
from lexicon import word_lattices
from table import interleaved_medians, markdown_table

from crnn_lib import Alphabet, best_path, exact_search, prefix_beam_search
from crnn_lib.decoders import BestPath, PrefixBeam
from crnn_lib.language import Automaton, lexicon, read_arpa, word_language

SEED, REPEATS, CLASSES, NOISE = 1, 5, 48, 1.0
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ALPHABET = Alphabet("".join(map(chr, range(0x100, 0x100 + CLASSES - 1))))

# In a process of its own, with nothing compiled. CPU time: the machine may be shared.
FIRST = """
import json, time
before = time.process_time()
import torch
from peaky import workloads
from crnn_lib import exact_search, prefix_beam_search
load = workloads()[0]
lines = torch.from_numpy(load.log_probs[:20])
marks = [time.process_time()]
for decoder in (prefix_beam_search, exact_search):
    decoder(lines, alphabet=load.alphabet)
    marks.append(time.process_time())
print(json.dumps([marks[0] - before, marks[1] - marks[0], marks[2] - marks[1]]))
"""


def first_use() -> str:
    rows = []
    kinds = {
        "nothing compiled, and a process beside does it": "beside",
        "compiled by that process": "beside",
        "nothing compiled, and CRNN_COMPILE=first": "first",
    }
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        for name, kind in kinds.items():
            folder = one if kind == "beside" else other
            environment = dict(
                os.environ, NUMBA_CACHE_DIR=folder, OMP_NUM_THREADS="1", CRNN_COMPILE=kind,
                PYTHONPATH=str(Path(__file__).parent),
            )  # fmt: skip
            run = subprocess.run(
                [sys.executable, "-c", FIRST], env=environment, check=True, capture_output=True,
                text=True,
            )  # fmt: skip
            imports, beam, exact = json.loads(run.stdout)
            rows.append(
                [name, f"{imports:.1f}", f"{beam:.1f}", f"{exact:.1f}", f"{beam + exact:.1f}"]
            )
            while len(list(Path(folder).rglob("*_batch*.nbc"))) < 2:  # two processes beside go on
                time.sleep(1.0)
    header = ["seconds of CPU time", "import", "first beam", "first exact search", "both"]
    return "20 lines of five digits (W1).\n\n" + markdown_table(header, rows)


def noisy_line(frames: int) -> torch.Tensor:
    """A line that nobody could read: every class rivals every other, (T, C)."""
    random = np.random.default_rng(SEED)
    return torch.from_numpy(random.gumbel(size=(frames, CLASSES)) / NOISE).log_softmax(1).float()


def long_lines() -> str:
    short, long = noisy_line(1_000), noisy_line(10_000)

    def fed(stream, line: torch.Tensor) -> None:
        for rows in line.split(100):
            stream.feed(rows)
        stream.finish()

    kinds = {
        "best_path": lambda line: best_path(line, alphabet=ALPHABET),
        "beam of 10": lambda line: prefix_beam_search(line, alphabet=ALPHABET),
        "beam of 100": lambda line: prefix_beam_search(line, alphabet=ALPHABET, beam_width=100),
        "BestPath, 100 frames at a time": lambda line: fed(BestPath(ALPHABET), line),
        "PrefixBeam, 100 frames at a time": lambda line: fed(PrefixBeam(ALPHABET), line),
    }
    rows = []
    for name, read in kinds.items():
        tasks = {"short": partial(read, short), "long": partial(read, long)}
        read(short)
        seconds = interleaved_medians(tasks, REPEATS)
        ratio = seconds["long"] / seconds["short"]
        rows.append([name, f"{seconds['short']:.3f}", f"{seconds['long']:.3f}", f"{ratio:.1f}"])
        print(rows[-1], flush=True)
    header = ["decoder", "1,000 frames, s", "10,000 frames, s", "times as long"]
    return f"Noise of {CLASSES} classes, seed {SEED}.\n\n" + markdown_table(header, rows)


def random_words() -> tuple[list[str], np.random.Generator]:
    """100,000 of four to nine letters, and the generator that goes on."""
    random = np.random.default_rng(SEED)
    words = {"".join(random.choice(list(LETTERS), n)) for n in random.integers(4, 10, 110_000)}
    return sorted(words)[:100_000], random


def large_lexicon() -> str:
    """What a lexicon of 100,000 words adds to a call, and what it costs to make."""
    words, random = random_words()
    began = time.process_time()
    language = lexicon(LETTERS, words)
    made = time.process_time() - began
    noise = torch.from_numpy(random.normal(size=(1, 30, 27)) * 3).log_softmax(2)
    read, frames = word_lattices([words[50_000]], 0.7, SEED)
    lines = {"a word": (read[:, : int(frames)], TEXT), "noise": (noise, Alphabet(LETTERS))}
    decoders = {"beam of 10": prefix_beam_search, "exact_search": exact_search}
    rows = []
    for (line, (lattice, alphabet)), name in itertools.product(lines.items(), decoders):
        plain, known = (
            partial(decoders[name], lattice, alphabet=alphabet, language=x)
            for x in (None, language)
        )
        began = time.process_time()
        known()
        first = time.process_time() - began
        plain()
        seconds = interleaved_medians({"plain": plain, "known": known}, 20)
        times = (1e3 * seconds[way] for way in ("plain", "known"))
        rows.append([line, name, f"{first:.2f}", *(f"{time_:.2f}" for time_ in times)])
        print(rows[-1], flush=True)
    header = ["line", "decoder", "first call, s", "without, ms", "with the lexicon, ms"]
    return (
        f"100,000 random words, {made:.1f} s to make; calls of one line: a word as in the section "
        f"on a lexicon, readable, and noise of 30 frames.\n\n{markdown_table(header, rows)}"
    )


def trigrams(words: list[str], random: np.random.Generator) -> tuple[Automaton, list[list[str]]]:
    """A model of words from random sentences of five, and the sentences.

    Common words are much commoner than rare ones (Zipf). Behind each context all that was seen
    there is equally likely, and as likely as all the rest together.
    """
    shares = 1 / np.arange(1, len(words) + 1)
    numbers = random.choice(len(words), (30_000, 5), p=shares / shares.sum())
    shuffled = random.permutation(words).tolist()
    texts = [[shuffled[k] for k in row] for row in numbers.tolist()]
    grams = [dict.fromkeys((word,) for word in ("<s>", "</s>", *words))]
    for n in (2, 3):
        grams.append(dict.fromkeys(tuple(t[i : i + n]) for t in texts for i in range(6 - n)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trigrams.arpa")
        with path.open("w") as file:
            sizes = (f"ngram {n}={len(rows)}" for n, rows in enumerate(grams, 1))
            print("\\data\\", *sizes, sep="\n", file=file)
            for n, rows in enumerate(grams, 1):
                print(f"\n\\{n}-grams:", file=file)
                after = Counter(row[:-1] for row in rows)
                for row in rows:
                    chance = np.log10(0.5 / after[row[:-1]])
                    price = "\t-0.301" if n < len(grams) else ""
                    print(f"{chance:.4f}\t{' '.join(row)}{price}", file=file)
            print("\n\\end\\", file=file)
        return read_arpa(path), texts


def word_model() -> str:
    """A lexicon and a model of words, whose states are made when a line reaches them."""
    words, random = random_words()
    model, sentences = trigrams(words, random)
    texts = [" ".join(sentence[:4]) for sentence in sentences[:200]]
    alphabet = Alphabet(LETTERS + " ")
    lattices, frames = word_lattices(texts, 0.7, SEED, alphabet, longest=160)
    read = partial(prefix_beam_search, lattices, frames, alphabet=alphabet)
    read(language=word_language(words[:9], model))  # compiles
    seconds = []
    for _ in range(REPEATS):
        language = word_language(words, model)
        began = time.process_time()
        read(language=language)
        read_once = time.process_time()
        read(language=language)
        seconds.append((read_once - began, time.process_time() - read_once))
    cold, warm = np.median(seconds, axis=0)
    return (
        f"`word_language` of these words and {model!r}, a trigram; beam of "
        f"10, {len(texts)} lines of four words: {len(texts) / cold:,.0f} lines/s the first time, "
        f"when all states are made that the lines reach, {len(texts) / warm:,.0f} the second."
    )


def run() -> str:
    torch.set_num_threads(1)
    return "\n\n".join(
        [
            "## First use, long lines, large lexica",
            first_use(),
            long_lines(),
            large_lexicon(),
            word_model(),
        ]
    )


if __name__ == "__main__":
    print(run())
