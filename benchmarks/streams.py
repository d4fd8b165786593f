"""Long lines, lines in pieces, large lexica, and what a decoder costs when it is used first."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from lexicon import ALPHABET as TEXT
from lexicon import word_lattices
from table import interleaved_medians, markdown_table

from crnn_lib import Alphabet, best_path, exact_search, prefix_beam_search
from crnn_lib.decoders import BestPath, PrefixBeam
from crnn_lib.language import lexicon

SEED, REPEATS, CLASSES, NOISE = 1, 5, 48, 1.0
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


def large_lexicon() -> str:
    """What a lexicon of 100,000 words adds to a call, and what it costs to make."""
    random = np.random.default_rng(SEED)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = {"".join(random.choice(list(letters), n)) for n in random.integers(4, 10, 110_000)}
    began = time.process_time()
    language = lexicon(letters, sorted(words)[:100_000])
    made = time.process_time() - began
    noise = torch.from_numpy(random.normal(size=(1, 30, 27)) * 3).log_softmax(2)
    read, frames = word_lattices([sorted(words)[50_000]], 0.7, SEED)
    lines = {"a word": (read[:, : int(frames)], TEXT), "noise": (noise, Alphabet(letters))}
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


def run() -> str:
    torch.set_num_threads(1)
    return "\n\n".join(
        ["## First use, long lines, large lexica", first_use(), long_lines(), large_lexicon()]
    )


if __name__ == "__main__":
    print(run())
