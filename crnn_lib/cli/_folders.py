"""What ``crnn train --lines`` does: a network learns from a folder of labelled images."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.cli._training import given_settings, refuse_given, write_results
from crnn_lib.handwriting import LineBatch
from crnn_lib.models import load_model, shipped_models
from crnn_lib.photos import BadRows, alphabet_of_folder, lines_of_folder
from crnn_lib.training import FINE_TUNING, TrainConfig, fine_tune, old_name

KEEP_OLD = 0.5
HELD_OUT = 0.2
BATCH_SIZE = 32
START = ("crnn-words", "crnn-photos")  # the first that ships
FRESH_ONLY = {  # options that have no meaning for lines that are there; their defaults
    "glyphs": {"auto": 1.0},
    "as_emnist": False,
    "style": "default",
    "length": None,
    "network": None,
    "validation_lines": 1000,
    "keep_start": 0.0,
}


def train_on_folder(options: argparse.Namespace, command: str) -> int:
    """Fine-tune the weights of ``--start`` on ``--lines`` and write the result."""
    refuse_given(options, FRESH_ONLY, "is for lines that are written afresh; leave out --lines.")
    start = options.start or next(name for name in START if name in shipped_models())
    folder = options.lines
    first = load_model(start)
    alphabet = _alphabet(options.alphabet, folder, first.alphabet)
    model = load_model(start, alphabet=alphabet, seed=options.seed)
    lines = _good_lines(folder, model, options.skip_bad)
    old, keep_old = _old(options.keep_old, start, first, alphabet)
    hold_out = HELD_OUT if options.held_out is None else options.held_out
    batch_size = options.batch_size or BATCH_SIZE
    config = _config(options, hold_out)

    parameters = sum(parameter.numel() for parameter in model.parameters())
    new = [c for c in alphabet.characters if c not in first.alphabet.characters]
    print(
        f"Training {type(model).__name__} ({start}, {parameters:,} parameters) on {len(lines)} "
        f"lines of {folder}: {len(alphabet.characters)} characters, {len(new)} of them new. "
        f"At most {config.steps} steps of {batch_size} lines"
        + (f", {keep_old:.0%} of them such as {old} learned from." if old else "."),
        flush=True,
    )
    tuning = fine_tune(
        model,
        lines,
        config,
        old=old,
        keep_old=keep_old,
        hold_out=hold_out,
        batch_size=batch_size,
        seed=options.seed,
    )
    print(tuning)
    provenance = {"command": command, "weights": Path(start).name, **tuning.provenance}
    write_results(options, model, provenance, tuning.history)
    return 0


def _alphabet(wanted: str | None, folder: str, known: Alphabet) -> Alphabet:
    if wanted is None:
        return known
    if wanted == "auto":
        return alphabet_of_folder(folder, known)
    try:
        return Alphabet(wanted)
    except ValueError as error:
        raise ValueError(f"--alphabet: {error}") from None


def _good_lines(folder: str, model: torch.nn.Module, skip_bad: bool) -> LineBatch:
    try:
        return lines_of_folder(folder, model)
    except BadRows as found:
        if not skip_bad or found.lines is None:
            raise
        print(str(found).rpartition("\n")[0], file=sys.stderr)
        return found.lines


def _old(
    share: float | None, start: str, model: Any, alphabet: Alphabet
) -> tuple[str | None, float]:
    """The name of the old lines and their share of a batch."""
    name = old_name(start, getattr(model, "provenance", {}))
    shared = set(alphabet.characters) & set(model.alphabet.characters)
    if share is None:
        share = KEEP_OLD if name and shared else 0.0
    elif share and name is None:
        raise ValueError(
            f"--keep-old: what {start} learned from cannot be written again; that is known of the "
            "networks that ship, and of what was trained from them with --lines."
        )
    elif share and not shared:
        raise ValueError(
            f"--keep-old: the alphabet shares no character with what {start} reads. Take "
            "--alphabet auto, which keeps those, or --keep-old 0."
        )
    return (name, share) if share else (None, 0.0)


def _config(options: argparse.Namespace, hold_out: float) -> TrainConfig:
    config = dataclasses.replace(FINE_TUNING, **{**given_settings(options), "patience": 0})
    if not hold_out or not config.validate_every:
        if options.patience:
            raise ValueError("--patience needs lines that are held out, and --validate-every.")
        return config
    patience = FINE_TUNING.patience if options.patience is None else options.patience
    return dataclasses.replace(config, patience=patience)
