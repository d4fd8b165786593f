"""What ``python -m crnn_lib read`` does: photos in, texts out."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

import torch

from crnn_lib.checkpoints import shipped_models
from crnn_lib.decoder_options import chosen_decoder
from crnn_lib.reader import DIGITS, PHOTOS, Reader, Reading, Row, files_of

COLUMNS = ("file", "line", "text", "confidence", "error")


def read(options: argparse.Namespace) -> int:
    """Read photos, in the order given: every line of each."""
    if options.threads:
        torch.set_num_threads(options.threads)
    files, failures = _files(options.images)
    for option, target in (("--csv", options.csv), ("--show", options.show or None)):
        _check_target(option, target, options.images)
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
        _tell(row, options)
        if options.csv:
            rows += _table(row)
        if options.show is not None and row.readings:
            _draw(row, options.show or f"{Path(row.path).stem}-read.png")
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


def _tell(row: Row, options: argparse.Namespace) -> None:
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


def _table(row: Row) -> list[tuple]:
    if row.error is not None:
        return [(row.path, "", "", "", row.error)]
    return [
        (row.path, n, reading.text or "", f"{reading.confidence:.6f}", "")
        for n, reading in enumerate(row.readings, 1)
    ]


def _draw(row: Row, target: str) -> None:
    from crnn_lib.figures import to_png
    from crnn_lib.photo_plots import plot_reading

    Path(target).write_bytes(to_png(plot_reading(row.readings, row.path)))


def _check_target(option: str, target: str | None, images: list[str]) -> None:
    """Find out before the work, not after it, that its file cannot or must not be written."""
    if target is None:
        return
    folder = Path(target).parent
    if Path(target).is_dir():
        raise IsADirectoryError(f"{option} {target} is a folder; name a file.")
    if not folder.is_dir():
        raise FileNotFoundError(f"{option} {target}: there is no folder {folder}.")
    if any(Path(name).resolve() == Path(target).resolve() for name in images):
        raise ValueError(f"{option} {target} would overwrite an image that is to be read.")
