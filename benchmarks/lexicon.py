"""A lexicon in the decoders: how fast, how often proven, and when a prior lies."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import torch
from table import interleaved_medians, markdown_table

from crnn_lib import Alphabet, exact_search, prefix_beam_search
from crnn_lib.handwriting.pen import TEXT_CHARACTERS
from crnn_lib.language import (
    fit_share,
    lexicon,
    open_lexicon,
    spelling_model,
    with_capitals,
    word_counts,
    word_log_probs,
)

SEED, REPEATS, COUNT, WEIGHT = 1, 3, 200, 0.6
NOISES = {"sharp": 0.3, "readable": 0.7, "noisy": 1.0, "hard": 1.3}
ALPHABET = Alphabet(TEXT_CHARACTERS)


def word_lattices(
    texts: list[str], noise: float, seed: int, alphabet: Alphabet = ALPHABET, longest: int = 40
) -> tuple[torch.Tensor, torch.Tensor]:
    """Made-up lattices of words (N, T, C), 25 to 40 frames: peaks, rivals beside them, and noise.

    A character's peak is near the middle of its share of the line. Three random classes rival it,
    each up to 1.1 times as high; every score has noise of Gumbel's distribution.
    """
    random = np.random.default_rng(seed)
    frames = np.array([min(longest, max(25, 4 * len(text))) for text in texts])
    logits = noise * random.gumbel(size=(len(texts), longest, alphabet.num_classes))
    logits[:, :, alphabet.blank] += 6.0
    for line, text, length in zip(logits, texts, frames, strict=True):
        for i, label in enumerate(alphabet.encode(text)):
            centre = (i + 0.5 + random.uniform(-0.25, 0.25)) * length / len(text)
            peak = np.exp(-(((np.arange(longest) - centre) / 0.6) ** 2) / 2)
            line[:, alphabet.blank] -= 6.0 * peak
            line[:, label] += 8.0 * peak
            for _ in range(3):
                line[:, random.choice(alphabet.num_classes)] += random.uniform(4, 8.8) * peak
    return torch.from_numpy(logits).log_softmax(2).float(), torch.from_numpy(frames)


def as_written(words: list[str], random: np.random.Generator) -> list[str]:
    """One in seven with a capital in front, one in twenty ALL IN CAPITALS."""
    forms = []
    for word, chance in zip(words, random.random(len(words)), strict=True):
        capital = word[0].upper() + word[1:]
        forms.append(word.upper() if chance < 0.05 else capital if chance < 0.2 else word)
    return forms


def share_right(found: list, texts: list[str]) -> str:
    read = [h is not None and h.text == text for h, text in zip(found, texts, strict=True)]
    return f"{np.mean(read):.1%}"


def speed() -> str:
    counts = word_counts()
    language = lexicon("english")
    random = np.random.default_rng(SEED)
    words = [word for word in counts if 2 <= len(word) <= 14]
    shares = np.sqrt([counts[word] for word in words])
    written = as_written(list(random.choice(words, COUNT, p=shares / shares.sum())), random)
    rows = []
    for name, noise in NOISES.items():
        lattices, frames = word_lattices(written, noise, SEED)
        given = {"frame_lengths": frames, "alphabet": ALPHABET}
        exact_search(lattices[:1], frames[:1], alphabet=ALPHABET)  # compiles
        began = time.process_time()
        plain = exact_search(lattices, **given)  # some hundred times as slow: one turn
        plain_seconds = time.process_time() - began
        tasks = {
            "exact": partial(exact_search, lattices, language=language, **given),
            "beam": partial(prefix_beam_search, lattices, language=language, **given),
        }
        seconds = interleaved_medians(tasks, REPEATS)
        exact, beam = (task() for task in tasks.values())
        right = [share_right(found, written) for found in (plain, exact, beam)]
        rows.append(
            [
                f"{name}, {noise}",
                f"{COUNT / seconds['exact']:,.0f}",
                f"{plain_seconds / seconds['exact']:.1f}",
                f"{seconds['beam'] / seconds['exact']:.2f}",
                f"{np.mean([h.proven for h in exact]):.1%}",
                f"{np.mean([h.proven for h in plain]):.1%}",
                *right,
            ]
        )
        print(rows[-1], flush=True)
    header = ["lattices, noise", "words/s", "times plain search", "times beam of 10", "proven",
              "plain: proven", "plain: right", "exact: right", "beam: right"]  # fmt: skip
    return (
        f'{COUNT} words, {len(language.final):,} states of `lexicon("english")`, seed {SEED}. '
        "*Plain* is `exact_search` without a lexicon, timed once.\n\n"
        + markdown_table(header, rows)
    )


def when_a_prior_lies() -> str:
    """Every tenth word is taken out of the lexicon, and stands for names that are in none."""
    counts = word_counts()
    held_out = set(list(counts)[5::10])
    known = {word: count for word, count in counts.items() if word not in held_out}
    random = np.random.default_rng(SEED)
    words = [word for word in known if 3 <= len(word) <= 12]
    shares = np.sqrt([known[word] for word in words])
    names = [w for w in counts if w in held_out and 3 <= len(w) <= 12]
    kinds = {
        "in the lexicon": as_written(
            list(random.choice(words, 2 * COUNT, p=shares / shares.sum())), random
        ),
        "not in it": [w[0].upper() + w[1:] for w in random.choice(names, 2 * COUNT, replace=False)],
        "numbers": [
            str(random.integers(10 ** int(digits - 1), 10 ** int(digits)))
            for digits in random.integers(2, 6, 2 * COUNT)
        ],
    }
    chances = with_capitals(word_log_probs(known))
    model = spelling_model(known, characters=TEXT_CHARACTERS)
    # One half of each kind is to fit the share, as if a text were four fifths known words.
    lines = [
        *kinds["in the lexicon"][:COUNT] * 4,
        *kinds["not in it"][: COUNT // 2],
        *kinds["numbers"][: COUNT // 2],
    ]
    share = fit_share(chances, model, lines)
    languages = {
        "none": None,
        "lexicon only": lexicon(TEXT_CHARACTERS, chances),
        "mixture": open_lexicon(chances, model, share=share),
    }
    rows = []
    for kind, texts in kinds.items():
        for name in ("readable", "noisy"):
            lattices, frames = word_lattices(texts[COUNT:], NOISES[name], SEED + 1)
            row = [kind, name]
            for language in languages.values():
                found = exact_search(
                    lattices, frames, alphabet=ALPHABET, language=language, language_weight=WEIGHT
                )
                proven = np.mean([h is not None and h.proven for h in found])
                row.append(f"{share_right(found, texts[COUNT:])} ({proven:.0%})")
            rows.append(row)
            print(row, flush=True)
    return (
        f"*When a prior lies.* Right, and in brackets proven, of {COUNT} words each, seed {SEED}, "
        f"language weight {WEIGHT}. Not in the lexicon: every tenth of its words, taken out, with "
        f"a capital. Share of the words in the mixture, fitted on other lines: {share:.3f}.\n\n"
        + markdown_table(["", "lattices", *languages], rows)
    )


def run() -> str:
    torch.set_num_threads(1)
    return "\n\n".join(
        [
            "## A lexicon of 20,000 words",
            "Words per second of CPU time, one thread; medians of "
            f"{REPEATS} turns, side by side. The lattices are made up: 25 to 40 frames, "
            f"{ALPHABET.num_classes} classes, rivals beside each peak, and more or less noise.",
            speed(),
            when_a_prior_lies(),
        ]
    )


if __name__ == "__main__":
    print(run())
