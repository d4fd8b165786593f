"""Measure what pretraining buys: data/runs/pretraining.json, some hours of a core in slices.

    python -m crnn_lib glyphs download fonts
    python data/make_pretraining.py --minutes 10

Networks learn to read words, from 50, 500, 5,000 and 50,000 of them, all for the same time: how
many batches that is follows from what one costs, measured first on one core. Some begin with random
weights, some with what others learned: on ImageNet's photographs, or on lines of digits. Each is
tested on 1,000 words in fonts and 1,000 words of people that wrote none of its training. With
--hands all words of training come from one source, which tells what each source is good for.

Each run is saved as it goes, in the folder of the data, and goes on where it was cut off. One that
is finished is not run again, so slices may be as short as one likes, and several processes may take
some of the runs each:

    python data/make_pretraining.py --minutes 10 --starts imagenet random --words 50000 --seeds 0
    python data/make_pretraining.py --minutes 10 --stop-after 60
    python data/make_pretraining.py --minutes 10 --hands pen fonts --starts imagenet --words 5000
    python data/make_pretraining.py --minutes 10 --record    writes the file, from what is finished
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from crnn_lib import CRNN, Alphabet, load_model
from crnn_lib.ctc import frames_needed
from crnn_lib.evaluation import edit_counts, read_lines, wilson_interval
from crnn_lib.handwriting import LineBatch, data_root, pen
from crnn_lib.models import BackboneRNN, BackboneRNNConfig, CRNNConfig
from crnn_lib.training import (
    TrainConfig,
    WordStream,
    ctc_loss_of,
    learning_mode,
    seeded_generator,
    train,
)

FILE = Path(__file__).parent / "runs" / "pretraining.json"
ALPHABET = Alphabet(pen.TEXT_CHARACTERS + " ")
HEIGHT, BATCH, POOL, COLUMNS = 32, 32, 8, 4  # a frame is four columns in all of these networks
SIZES, SEEDS, TEST_WORDS, LOOKS, FROZEN = (50, 500, 5_000, 50_000), (0, 1, 2), 1_000, 10, 3
# Who writes the words of training, and how large a share.
HANDS = {
    "both": (("pen", 0.5), ("fonts", 0.5)),
    "pen": (("pen", 1.0),),
    "stroke-fonts": (("stroke-fonts", 1.0),),
    "fonts": (("fonts", 1.0),),
}
TESTS = {"fonts": 7001, "people": 7002}  # hands that trained nothing, and the seed
MADE = 50  # words made at once
COSTED = 12  # batches by which time is measured, each three times: the least counts
# What a network begins with, and that of the same shape whose time is measured.
SHAPE_OF = {
    "random": "random",
    "imagenet": "random",
    "imagenet frozen": "imagenet frozen",
    "crnn": "crnn",
    "crnn-digits": "crnn",
}
STARTS = tuple(SHAPE_OF)
# The largest learning rate; each network has the best of three (see --rates).
RATES = dict.fromkeys(STARTS, 4e-3)


def network(start: str) -> torch.nn.Module:
    """A network that has not seen a word."""
    if start == "crnn-digits":
        return load_model("crnn-digits", alphabet=ALPHABET)
    if start == "crnn":
        return CRNN(CRNNConfig.large(), ALPHABET)
    return BackboneRNN(
        BackboneRNNConfig(height=HEIGHT),
        ALPHABET,
        weights=None if start == "random" else "imagenet",
        frozen=FROZEN if start.endswith("frozen") else 0,
    )


# ---------------------------------------------------------------------------- words


@dataclass(frozen=True)
class Words:
    """Words in little memory: bytes, each as wide as it is. It serves them as a LineSet does."""

    images: list[torch.Tensor] = field(repr=False)  # (H, W_i) uint8 each
    texts: list[str] = field(repr=False)
    count: int
    seed: int
    _epoch: dict = field(default_factory=dict, repr=False, compare=False)

    def lines(self, chosen: Iterable[int]) -> LineBatch:
        """Some of the words, padded to one width."""
        chosen = list(chosen)
        columns = [self.images[n].T for n in chosen]  # (W_i, H)
        widths = torch.tensor([len(image) for image in columns])
        images = pad_sequence(columns, batch_first=True).transpose(1, 2)[:, None] / 255
        texts = [self.texts[n] for n in chosen]
        labels = [torch.tensor(ALPHABET.encode(text), dtype=torch.long) for text in texts]
        lengths = torch.tensor([len(label) for label in labels])
        targets = pad_sequence(labels, batch_first=True, padding_value=ALPHABET.blank)
        spans = torch.zeros(*targets.shape, 2, dtype=torch.long)  # which nothing here asks for
        return LineBatch(images, widths, targets, lengths, texts, spans)

    def batch(self, step: int) -> LineBatch:
        """The words of one training step: of like width, so that little is padding."""
        epoch, place = divmod(step, -(-self.count // BATCH))
        if epoch not in self._epoch:
            generator = seeded_generator(self.seed, epoch)
            batches: list[list[int]] = []
            for pool in torch.randperm(self.count, generator=generator).split(BATCH * POOL):
                by_width = sorted(pool.tolist(), key=lambda n: self.images[n].shape[1])
                batches += [by_width[n : n + BATCH] for n in range(0, len(pool), BATCH)]
            order = torch.randperm(len(batches), generator=generator).tolist()
            self._epoch.clear()
            self._epoch[epoch] = [batches[n] for n in order]
        return self.lines(self._epoch[epoch][place])


def words_of(
    folder: Path, count: int, seed: int, hands="both", split="train", variety=1.0
) -> Words:
    """The first words of a seed, written once and kept in a file. Those too narrow are left out."""
    name = f"{split}-{hands}-{seed}"
    kept = sorted(folder.glob(f"{name}-*.npz"), key=lambda path: int(path.stem.split("-")[-1]))
    enough = [path for path in kept if int(path.stem.split("-")[-1]) >= count]
    if not enough:
        stream = WordStream(
            ALPHABET, hands=HANDS[hands], split=split, height=HEIGHT, variety=variety,
            batch_size=MADE, pool=1, seed=seed,
        )  # fmt: skip
        images, texts, step = [], [], 0
        while len(texts) < count:
            made = stream.batch(step)
            step += 1
            fits = -(-made.widths // COLUMNS) >= frames_needed(made.targets, made.target_lengths)
            # a pool is sorted by width; its first words must be like the others
            for n in torch.randperm(MADE, generator=seeded_generator(seed, step)).tolist():
                if fits[n]:
                    image = made.images[n, 0, :, : made.widths[n]]
                    images.append((image * 255).round().to(torch.uint8).numpy())
                    texts.append(made.texts[n])
        partial = folder / f".{name}-{count}-{time.time_ns()}.npz"
        np.savez(
            partial,
            pixels=np.concatenate(images, 1),
            ends=np.cumsum([image.shape[1] for image in images]),
            texts=np.array(texts),
        )
        enough = [partial.replace(folder / f"{name}-{len(texts)}.npz")]
    with np.load(enough[0]) as stored:
        ends, texts = stored["ends"][:count], stored["texts"][:count].tolist()
        pixels = torch.from_numpy(stored["pixels"][:, : ends[-1]])
    images = [pixels[:, a:b] for a, b in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)]
    return Words(images, texts, count, seed)


def test_words(folder: Path) -> dict[str, LineBatch]:
    """The test words of each kind of hand, written as a person writes, without more variety."""
    hands = {"fonts": "fonts", "people": "pen"}
    return {
        name: words_of(folder, TEST_WORDS, seed, hands[name], "test", 0.0).lines(range(TEST_WORDS))
        for name, seed in TESTS.items()
    }


# ---------------------------------------------------------------------------- runs


def folded(text: str) -> str:
    """Letters and digits alone, all of them small."""
    return "".join(character for character in text.lower() if character.isalnum())


def score(model: torch.nn.Module, lines: LineBatch) -> dict:
    """Errors and words right, with 95 % intervals: over words drawn again, and Wilson's."""
    texts = [h.text if h else "" for h in read_lines(model, lines)]
    pairs = list(zip(lines.texts, texts, strict=True))
    edits = np.array([edit_counts(text, truth).total for truth, text in pairs])
    lengths = np.array([len(truth) for truth, _ in pairs])
    drawn = np.random.default_rng(0).integers(len(pairs), size=(2000, len(pairs)))
    rates = edits[drawn].sum(1) / lengths[drawn].sum(1)
    exact = sum(truth == text for truth, text in pairs)
    low, high = np.quantile(rates, (0.025, 0.975))
    return {
        "cer": round(float(edits.sum() / lengths.sum()), 4),
        "cer_interval": [round(float(low), 4), round(float(high), 4)],
        "exact": exact,
        "exact_interval": [round(p, 4) for p in wilson_interval(exact, len(pairs))],
        "folded": sum(folded(truth) == folded(text) for truth, text in pairs),
    }


def costs(folder: Path) -> dict[str, dict[str, float]]:
    """Milliseconds of a core that a word takes: to learn from, and to be read alone.

    Networks of one shape cost the same, whatever they begin with.
    """
    file = folder / "costs.json"
    if file.is_file():
        return json.loads(file.read_text())
    words = words_of(folder, 500, SEEDS[0])
    shapes = sorted({*SHAPE_OF.values()})
    models = {shape: network(shape).to(memory_format=torch.channels_last) for shape in shapes}
    least: dict[tuple[str, int], np.ndarray] = {}  # seconds to learn from a batch, to read one word
    # By turns: whatever else the machine does falls upon all of them. Each has a batch of its own,
    # so that none finds what torch has just prepared for the widths of another.
    for turn, (number, (shape, model)) in product(range(3 * COSTED), enumerate(models.items())):
        step = (turn + 5 * number) % COSTED
        batch = words.batch(step)
        optimizer = torch.optim.AdamW(model.parameters())
        learning_mode(model)
        began = time.process_time()
        losses, _, _ = ctc_loss_of(model, batch)
        losses.mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        learned = time.process_time()
        model.zero_grad(set_to_none=True)
        model.eval()
        one = batch.images[:1, :, :, : batch.widths[0]]
        reads = time.process_time()
        with torch.inference_mode():
            model(one)
        taken = np.array([learned - began, time.process_time() - reads])
        least[shape, step] = np.minimum(least.get((shape, step), np.inf), taken)
    count = sum(len(words.batch(step)) for step in range(COSTED))
    measured = {}
    for start, shape in SHAPE_OF.items():
        learn, read = (1e3 * sum(least[shape, step] for step in range(COSTED))).tolist()
        measured[start] = {"learn": round(learn / count, 2), "read": round(read / COSTED, 2)}
    file.write_text(json.dumps(measured))
    return measured


def run(
    folder: Path, start: str, hands: str, count: int, seed: int, minutes: float, rate: float
) -> dict:
    """Train one network, or go on with it, and test it."""
    steps = round(minutes * 60e3 / (costs(folder)[start]["learn"] * BATCH))
    name = f"{start.replace(' ', '-')}-{count}-{seed}-{minutes:g}-{rate:g}"
    if hands != "both":
        name = f"{hands}-{name}"
    file = folder / f"{name}.json"
    if file.is_file():
        return json.loads(file.read_text())
    words, tests = words_of(folder, count, seed, hands), test_words(folder)
    torch.manual_seed(seed)
    model = network(start)
    few = {"fonts": tests["fonts"].select(range(250))}
    config = TrainConfig(
        steps=steps, learning_rate=rate, precision="float32", device="cpu", seed=seed,
        log_every=max(steps // 100, 1), validate_every=max(steps // LOOKS, 1),
        checkpoint=str(folder / f"{name}.pt"), checkpoint_every=200,
    )  # fmt: skip
    history = train(model, words, config, validation=few["fonts"])
    result = {
        "start": start, "hands": hands, "words": count, "seed": seed, "minutes": minutes,
        "rate": rate, "steps": steps, "loss": round(float(np.mean(history.loss[-5:])), 4),
        "curve": list(zip(history.validation_step, history.validation_error_rate, strict=True)),
        **{name: score(model, lines) for name, lines in tests.items()},
    }  # fmt: skip
    file.write_text(json.dumps(result))
    (folder / f"{name}.pt").unlink()
    return result


def record(folder: Path, minutes: float) -> None:
    """Write all runs of so many minutes, with the learning rates that were chosen."""
    found = [json.loads(path.read_text()) for path in folder.glob("*-*-*-*.json")]
    runs = [r for r in found if r["minutes"] == minutes and r["rate"] == RATES[r["start"]]]
    runs.sort(key=lambda r: (r["words"], STARTS.index(r["start"]), r["hands"], r["seed"]))
    story = {
        "minutes": minutes, "batch": BATCH, "height": HEIGHT, "hands": dict(HANDS["both"]),
        "test_words": TEST_WORDS, "frozen_stages": FROZEN, "rates": RATES,
        "milliseconds_a_word": costs(folder),
        "runs": [r for r in runs if r["hands"] == "both"],
        "one_source": [r for r in runs if r["hands"] != "both"],
    }  # fmt: skip
    FILE.write_text(json.dumps(story, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="of a core, for each run")
    parser.add_argument("--starts", nargs="+", default=STARTS, choices=STARTS)
    parser.add_argument("--hands", nargs="+", default=["both"], choices=HANDS)
    parser.add_argument("--words", nargs="+", type=int, default=SIZES)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--rates", nargs="+", type=float, help="learning rates to compare instead")
    parser.add_argument("--record", action="store_true", help="write what is finished, run nothing")
    parser.add_argument("--stop-after", type=float, help="minutes; the run then under way ends")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = data_root() / "pretraining"
    folder.mkdir(parents=True, exist_ok=True)
    if options.record:
        record(folder, options.minutes)
        return
    began = time.monotonic()
    for seed, count, start, hands in product(
        options.seeds, options.words, options.starts, options.hands
    ):
        for rate in options.rates or [RATES[start]]:
            if options.stop_after and time.monotonic() - began > 60 * options.stop_after:
                return
            done = run(folder, start, hands, count, seed, options.minutes, rate)
            told = {name: (done[name]["cer"], done[name]["exact"]) for name in TESTS}
            print(start, hands, count, seed, rate, done["steps"], done["loss"], told, flush=True)


if __name__ == "__main__":
    main()
