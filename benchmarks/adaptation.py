"""How many lines of a new style does a network need? From scratch, half frozen, fine-tuned.

    python benchmarks/adaptation.py data/runs/adaptation.json

`crnn-digits` has learned from clean lines. The new style is amounts on paper. Each network sees
50, 200 or 1,000 photographed lines, always in the same number of steps, and is then measured on
photographs of other glyphs by other hands.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from tqdm.auto import tqdm

from crnn_lib import CRNN, evaluate, load_glyphs, load_model, train
from crnn_lib.models import atomic_write
from crnn_lib.training import LineSet, TrainConfig, photo_sample

SIZES = (50, 200, 1000)
WAYS = ("from scratch", "frozen", "fine-tuned")
STEPS, BATCH, TEST_LINES, SEED = 200, 32, 1000, 1


def network(way: str) -> CRNN:
    """A CRNN before it has seen the new style."""
    model = load_model("crnn-digits")
    if way == "from scratch":
        torch.manual_seed(SEED)
        return CRNN(model.config, model.alphabet)
    # frozen: the convolutions keep what they look for, the GRU and the read-out learn
    model.convolutions.requires_grad_(way == "fine-tuned")
    model.norms.requires_grad_(way == "fine-tuned")
    return model


def run(sizes=SIZES, steps: int = STEPS, test_lines: int = TEST_LINES) -> dict:
    """Exact match on photographs for each way and size; and before any adaptation."""
    test = photo_sample(_glyphs("test"), test_lines, SEED)
    before = evaluate(load_model("crnn-digits"), test).exact_match
    results = {
        "test_lines": test_lines,
        "seed": SEED,
        "steps": steps,
        "batch_size": BATCH,
        "lines": list(sizes),
        "before": before,
        "exact_match": {way: [] for way in WAYS},
    }
    rate = {"from scratch": 4e-3, "frozen": 2e-3, "fine-tuned": 1e-3}
    for way in WAYS:
        for size in tqdm(sizes, desc=way):
            lines = photo_sample(_glyphs("train"), size, SEED + 1)
            model = network(way)
            config = TrainConfig(
                steps=steps, learning_rate=rate[way], precision="bfloat16", seed=SEED
            )
            train(model, LineSet(lines, BATCH, SEED), config)
            results["exact_match"][way].append(evaluate(model, test).exact_match)
    return results


def _glyphs(split: str):
    for source in ("emnist-mnist", "mnist") if split == "test" else ("mnist",):
        try:
            return load_glyphs(source, split)
        except FileNotFoundError:
            continue
    return load_glyphs("pen", split)


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = json.dumps(run(), indent=1)
    if len(sys.argv) > 1:
        atomic_write(Path(sys.argv[1]), (found + "\n").encode())
    else:
        print(found)
