"""What ``crnn read`` does: photos in, texts out."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.cli._targets import check_target
from crnn_lib.decoders import best_path, exact_search, prefix_beam_search
from crnn_lib.language import parse_constraint
from crnn_lib.models import shipped_models
from crnn_lib.photos import DIGITS, PHOTOS, Reader, Reading, Row, files_of

COLUMNS = ("file", "line", "text", "confidence", "error")


def read(options: argparse.Namespace) -> int:
    """Read photos, in the order given: every line of each."""
    if options.threads:
        torch.set_num_threads(options.threads)
    files, failures = _files(options.images)
    for option, target in (("--csv", options.csv), ("--show", options.show or None)):
        check_target(option, target, keep=options.images)
    if options.show and (len(files) != 1 or Path(options.show).suffix.lower() != ".png"):
        raise ValueError(
            f"--show {options.show} draws one image, to a .png file; {len(files)} images are given."
        )
    # until weights for photos are there, those for clean lines read what they can
    weights = options.weights or (PHOTOS if PHOTOS in shipped_models() else DIGITS)
    reader = Reader.pretrained(weights, refuse_below=options.refuse_below)
    reader.decoder = chosen_decoder(options, reader.model.alphabet)
    rows = []
    for row in reader.read_many(files, progress=len(files) > 20 and sys.stderr.isatty()):
        failures += row.error is not None
        _print_row(row, options)
        if options.csv:
            rows += _table_rows(row)
        if options.show is not None and row.readings:
            _draw_row(row, options.show or f"{Path(row.path).stem}-read.png")
    if options.csv:
        with open(options.csv, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(rows)
    return 1 if failures else 0


def _files(names: list[str]) -> tuple[list[str], int]:
    """All files, folders opened, and how many folders hold none."""
    files, failures = [], 0
    for name in names:
        try:
            files += files_of(name)
        except (OSError, ValueError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failures += 1
    return files, failures


def _print_row(row: Row, options: argparse.Namespace) -> None:
    """A file's lines on the output; what cannot be read, and what is refused, on the other."""
    if row.error is not None:
        print(f"{row.path}: {row.error}", file=sys.stderr)
        return
    for reading in row.readings:
        if options.json:
            print(json.dumps(_as_object(row.path, reading)), flush=True)
        else:
            print(f"{row.path}\t{reading.text or ''}", flush=True)
        if reading.text is None:
            guess = reading.hypothesis.text if reading.hypothesis else ""
            print(
                f"{row.path}: refused {guess!r}: its probability is {reading.confidence:.2g}",
                file=sys.stderr,
            )


def _as_object(name: str, reading: Reading) -> dict:
    return {
        "file": name,
        "text": reading.text,
        "confidence": round(reading.confidence, 6),
        "spans": [
            {"character": span.character, "start": span.start, "end": span.end}
            for span in reading.spans
        ],
        "box": [[round(x), round(y)] for x, y in reading.line.corners().tolist()],
    }


def _table_rows(row: Row) -> list[tuple]:
    if row.error is not None:
        return [(row.path, "", "", "", row.error)]
    return [
        (row.path, n, reading.text or "", f"{reading.confidence:.6f}", "")
        for n, reading in enumerate(row.readings, 1)
    ]


def _draw_row(row: Row, target: str) -> None:
    from crnn_lib.plots import plot_reading, to_png

    Path(target).write_bytes(to_png(plot_reading(row.readings, row.path)))


def chosen_decoder(options: argparse.Namespace, alphabet: Alphabet) -> Callable:
    """The decoder that ``options.decoder``, ``.constraint`` and ``.beam_width`` describe.

    Without a name it is the best path, or a beam if there is a constraint to keep to.

    >>> options = argparse.Namespace(decoder=None, constraint="length:5", beam_width=None)
    >>> chosen_decoder(options, Alphabet()).func.__name__
    'prefix_beam_search'
    """
    name = options.decoder
    if name is None:
        name = "beam" if options.constraint or options.beam_width else "best-path"
    if options.beam_width and name != "beam":
        raise ValueError(f"--beam-width is for --decoder beam; {name} has no beam.")
    language = None
    if options.constraint:
        if name == "best-path":
            raise ValueError(
                "--decoder best-path cannot keep to a constraint; use --decoder beam or exact."
            )
        language = parse_constraint(options.constraint, alphabet.characters)
    if name == "best-path":
        return best_path
    if name == "exact":
        return partial(exact_search, language=language)
    return partial(prefix_beam_search, language=language, beam_width=options.beam_width or 10)
