"""The decoders: how right, how fast, and beside those of others.

The others need an environment of their own. Where there is one, name its Python:

    CRNN_PEERS=peers/bin/python python benchmarks/run.py decoders
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from peaky import Workload, workloads
from table import interleaved_medians, markdown_table

from crnn_lib import (
    LineStyle,
    best_path,
    compose_lines,
    ctc_loss,
    exact_search,
    load_glyphs,
    load_model,
    prefix_beam_search,
)
from crnn_lib.language import NGram
from crnn_lib.lessons.chapter07 import beam_search
from crnn_lib.training import seeded_generator

SEED, REPEATS, WIDTH, HARD, PLAIN = 1, 9, 10, 2000, 100


def decoders(alphabet) -> dict:
    """Ours by name. The bigrams are of random texts: what counts is that there are some."""
    random = np.random.default_rng(SEED)
    texts = ["".join(random.choice(list(alphabet.characters), 12)) for _ in range(300)]
    bigram = NGram.fit(texts, order=2, characters=alphabet.characters).automaton()
    beam = partial(prefix_beam_search, alphabet=alphabet)
    return {
        "best_path": partial(best_path, alphabet=alphabet),
        "beam of 10": partial(beam, beam_width=10),
        "beam of 25": partial(beam, beam_width=25),
        "beam of 100": partial(beam, beam_width=100),
        "beam of 10, bigrams": partial(beam, beam_width=10, language=bigram),
        "exact_search": partial(exact_search, alphabet=alphabet),
        "exact_search, bigrams": partial(exact_search, alphabet=alphabet, language=bigram),
    }


def true_log_probs(log_probs, labels, blank: int) -> torch.Tensor:
    """What the labels have, by the loss in float64."""
    log_probs = torch.as_tensor(log_probs)[: len(labels)].double()
    sizes = torch.tensor([len(label) for label in labels])
    targets = torch.full((len(labels), max(1, int(sizes.max()))), blank)
    for n, label in enumerate(labels):
        targets[n, : len(label)] = torch.tensor(label, dtype=torch.long)
    frames = torch.full((len(labels),), log_probs.shape[1])
    return -ctc_loss(log_probs, targets, frames, sizes, blank=blank, reduction="none")


def share_right(scores, truth) -> str:
    """Share of the scores within 1e-5 of the label's true log-probability."""
    if any(score is None for score in scores):
        return "no score"
    return f"{np.mean(np.abs(np.array(scores) - truth.numpy()) < 1e-5):.1%}"


def ours(load: Workload) -> tuple[list[list[str]], list[str]]:
    """Rows of the table, and the most probable texts, where they are proven."""
    log_probs, blank = torch.from_numpy(load.log_probs), load.alphabet.blank
    tasks = {name: partial(d, log_probs) for name, d in decoders(load.alphabet).items()}
    seconds = interleaved_medians(tasks, REPEATS)
    exact = [h.text if h.proven else None for h in tasks["exact_search"]()]
    rows = []
    for name, task in tasks.items():
        read = task()
        truth = true_log_probs(log_probs, [h.label for h in read], blank)
        agree = [h.text == text for h, text in zip(read, exact, strict=True) if text is not None]
        rows.append(
            [
                name,
                f"{len(read) / seconds[name]:,.0f}",
                "-" if "bigrams" in name else f"{np.mean(agree):.2%}",
                share_right([h.log_prob for h in read], truth),
                f"{np.mean([h.proven for h in read]):.1%}",
                f"{len(read):,}",
            ]
        )
        print(rows[-1], flush=True)
    return rows, exact


def learners_row(load: Workload, exact: list[str | None]) -> list[str]:
    """The beam of notebook 07 in plain Python, as its learner writes it: on probabilities."""
    blank = load.alphabet.blank
    probs = torch.from_numpy(load.log_probs[:PLAIN]).double().exp()
    probs = torch.cat([probs[..., blank:], probs[..., :blank]], -1)  # its blank is class 0
    others = [*range(blank, load.log_probs.shape[2]), *range(blank)]

    def task() -> list[tuple]:
        found = [beam_search(line, WIDTH) for line in probs]
        return [max(seen.items(), key=lambda pair: pair[1]) for seen in found]

    seconds = interleaved_medians({"plain": task}, REPEATS)["plain"]
    labels = [[others[c] for c in label] for label, _ in task()]
    scores = [math.log(seen) for _, seen in task()]
    texts = [load.alphabet.decode(label) for label in labels]
    agree = [text == best for text, best in zip(texts, exact, strict=False) if best is not None]
    return [
        f"beam of {WIDTH} in plain Python, from notebook 07",
        f"{PLAIN / seconds:,.0f}",
        f"{np.mean(agree):.2%}",
        share_right(scores, true_log_probs(load.log_probs, labels, blank)),
        "-",
        f"{PLAIN:,}",
    ]


def peers(loads: list[Workload]) -> tuple[dict, str]:
    """What other packages do with the same lattices, and a line on those that are not there."""
    python = os.environ.get("CRNN_PEERS", sys.executable)
    arrays = {"names": [load.name for load in loads], "width": WIDTH}
    for load in loads:
        arrays[load.name] = load.log_probs
        arrays[f"{load.name}_symbols"] = "".join(load.alphabet.symbols)
        arrays[f"{load.name}_blank"] = load.alphabet.blank
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "lattices.npz"), Path(folder, "results.json")
        np.savez(source, **arrays)
        script = Path(__file__).with_name("decoder_peers.py")
        subprocess.run([python, script, source, target], check=True, stderr=subprocess.DEVNULL)
        found = json.loads(target.read_text(encoding="utf8"))
    missing = ", ".join(sorted(set(found["missing"])))
    return found["results"], f"Not installed, so left out: {missing}." if missing else ""


def peer_rows(results: dict, load: Workload, exact: list[str | None]) -> list[list[str]]:
    rows = []
    for name, by_load in results.items():
        result = by_load[load.name]
        labels = [load.alphabet.encode(text) for text in result["texts"]]
        truth = true_log_probs(load.log_probs, labels, load.alphabet.blank)
        agree = [
            text == best
            for text, best in zip(result["texts"], exact, strict=False)
            if best is not None
        ]
        rows.append(
            [
                name,
                f"{result['per_second']:,.0f}",
                f"{np.mean(agree):.2%}",
                share_right(result["scores"], truth),
                "-",
                f"{result['lines']:,}",
            ]
        )
    return rows


def on_the_network() -> str:
    """The shipped network's own lattices, of lines that are hard for it."""
    model = load_model("crnn-digits")
    glyphs = load_glyphs("auto", "test")
    lines = compose_lines(glyphs, HARD, LineStyle().varied(), seeded_generator(SEED, 7))
    parts, frames = [], []
    with torch.inference_mode():
        for start in range(0, HARD, 100):
            images = lines.images[start : start + 100]
            log_probs, lengths = model(images, lines.widths[start : start + 100])
            parts.append(log_probs)
            frames.append(lengths)
    log_probs, frames = torch.cat(parts), torch.cat(frames)
    tasks = {
        name: partial(decoder, log_probs, frames)
        for name, decoder in decoders(model.alphabet).items()
        if "bigrams" not in name
    }
    seconds = interleaved_medians(tasks, REPEATS)
    rows = []
    for name, task in tasks.items():
        read = task()
        right = np.mean([h.text == text for h, text in zip(read, lines.texts, strict=True)])
        proven = np.mean([h.proven for h in read])
        rows.append(
            [
                name,
                f"{HARD / seconds[name]:,.0f}",
                f"{right:.2%}",
                f"{proven:.2%}",
            ]
        )
    return (
        f"`crnn-digits` on {HARD:,} lines of 1 to 10 digits in a style more varied than its own "
        f"(`LineStyle().varied()`, {glyphs.source} test glyphs, {log_probs.shape[1]} frames at "
        f"most, seed {SEED}).\n\n"
        + markdown_table(["decoder", "lines/s", "exact match", "proven"], rows)
    )


def run() -> str:
    torch.set_num_threads(1)
    loads = list(workloads())
    results, missing = peers(loads)
    header = ["decoder", "lines/s", "finds the best label", "score right", "proven", "n"]
    parts = [
        "## Decoders",
        "Lines per second of CPU time, one thread, from float32 log-probabilities to texts; "
        f"medians of {REPEATS} turns. The lattices are made up, peaked like a trained network's "
        "(benchmarks/peaky.py, seeds 1 and 2). Other packages run in a process of their own, with "
        f"a beam of {WIDTH}. *Finds the best label*: agrees with the one that `exact_search` "
        "proves to be the most probable. *Score right*: within 1e-5 of the label's true "
        "log-probability. Compiling takes some ten seconds, once per installation.",
    ]
    titles = {
        "W1": "W1: five digits on 31 frames, 11 classes",
        "W2": "W2: twelve letters on 100 frames, 48 classes",
    }
    for load in loads:
        rows, exact = ours(load)
        rows.append(learners_row(load, exact))
        rows += peer_rows(results, load, exact)
        parts += [f"**{titles[load.name]}**", markdown_table(header, rows)]
    return "\n\n".join([*parts, *([missing] if missing else []), on_the_network()])


if __name__ == "__main__":
    print(run())
