"""What ``crnn train --detector`` does: a network learns where on a page somebody has written."""

from __future__ import annotations

import argparse
import dataclasses

import torch

from crnn_lib.cli._training import facts_of, given_settings, write_results
from crnn_lib.handwriting import Glyphs
from crnn_lib.handwriting.pages import PageStyle, compose_pages
from crnn_lib.models import Detector, load_detector
from crnn_lib.training import (
    PageStream,
    TrainConfig,
    interpolate_weights,
    map_scores,
    seeded_generator,
    train_detector,
)

BATCH_SIZE = 8
AVERAGE = 0.998
CLIP = 5.0  # of the gradient's norm, which the sum of many losses has larger than a line's
VALIDATION_PAGES = 64
SIZE = (384, 384)  # pixels
DIGITS = "0123456789"
LINES_ONLY = {  # options that have no meaning for pages; their defaults
    "lines": None,
    "style": "default",
    "length": None,
    "network": None,
    "held_out": None,
    "validation_lines": 1000,
    "alphabet": None,
    "keep_old": None,
    "patience": None,
    "skip_bad": False,
    "workers": 0,
    "device": "auto",
}


def train_on_pages(options: argparse.Namespace, scanned: Glyphs | None, command: str) -> int:
    """Train a detector of writing on fresh pages and write its weights.

    ``scanned`` are the digits in which half of the numbers are written, if there are any; the pen
    writes the others.
    """
    config = TrainConfig(**{"average": AVERAGE, **given_settings(options), "clip": CLIP})
    if scanned is not None:
        source, scanned = scanned.source, scanned.only(DIGITS)
        if not len(scanned):
            raise ValueError(f"--glyphs: {source} has no digits, and --detector asks for them.")
    torch.manual_seed(options.seed)  # of the first weights
    detector = load_detector(options.start) if options.start else Detector()
    pages = PageStream(
        batch_size=options.batch_size or BATCH_SIZE, size=SIZE, seed=options.seed, glyphs=scanned
    )
    others = PageStyle(split="test")  # other people write what it is validated with
    validation = compose_pages(VALIDATION_PAGES, others, seeded_generator(options.seed, 2), SIZE)
    written = "" if scanned is None else f" and from {len(scanned):,} digits of {scanned.source}"
    parameters = sum(parameter.numel() for parameter in detector.parameters())
    print(
        f"Training Detector ({options.start or 'new'}, {parameters:,} parameters): {config.steps} "
        f"steps of {pages.batch_size} pages of {pages.size[0]} x {pages.size[1]} pixels, written "
        f"by the pen{written}.",
        flush=True,
    )
    history = train_detector(detector, pages, config, validation=validation)
    metrics = {name: values[-1] for name, values in history.validation_f1.items()}
    if options.keep_start:
        interpolate_weights(detector, load_detector(options.start), options.keep_start)
        metrics = map_scores(detector, validation)
    provenance = {
        "command": command,
        "glyphs": facts_of(scanned),
        "pages": repr(pages.style),
        "batch_size": pages.batch_size,
        "size": list(pages.size),
        "training": dataclasses.asdict(dataclasses.replace(config, checkpoint=None)),
        "metrics": metrics,
    }
    told = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())
    write_results(options, detector, provenance, history, told)
    return 0
