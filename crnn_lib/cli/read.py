"""What ``crnn read`` does: photos in, texts out."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from crnn_lib.alphabet import Alphabet
from crnn_lib.cli._messages import plain, say, tell, tell_skipped
from crnn_lib.cli._pictures import (
    DRAWN,
    check_picture,
    free_name,
    is_picture,
    save_picture,
)
from crnn_lib.cli._targets import check_distinct, check_target
from crnn_lib.cli.archive import read_with_ray
from crnn_lib.decoders import best_path, exact_search, prefix_beam_search
from crnn_lib.language import parse_constraint
from crnn_lib.models import shipped_models
from crnn_lib.photos import (
    DIGITS,
    PHOTOS,
    Reader,
    Reading,
    Row,
    files_of,
    natural_order,
    page_of,
    reason_of,
    skipped_in,
)

COLUMNS = ("file", "line", "text", "confidence", "status", "error")
READ, EMPTY, REFUSED = "read", "nothing", "refused"  #: what became of a line
UNSURE = 3  # exit status: all files were read, and some line has no text to rely on
LEAST = 1e-3  # a text that a constraint forces on a line is less probable: it says something else
ESCAPED = "backslashreplace"  # of a file's name, what is no text


def read(options: argparse.Namespace) -> int:
    """Read photos, in the order given: every line of each."""
    # until weights for photos are there, those for clean lines read what they can
    weights = options.weights or (PHOTOS if PHOTOS in shipped_models() else DIGITS)
    how: dict[str, Any] = {}
    if options.refuse_below is not None:
        how["refuse_below"] = options.refuse_below
    if options.marks is not None:
        how["marks"] = options.marks
    if options.engine == "ray":
        how["decoder"] = chosen_decoder(options, Reader.pretrained(weights, **how).alphabet)
        return read_with_ray(options, weights, how)
    if options.out:
        raise ValueError("--out is the folder of --engine ray; without it add --csv FILE.")
    if options.table and not options.csv:
        raise ValueError("--table says how --csv writes; add --csv FILE.")
    keep = [page_of(name)[0] for name in options.images]
    check_target("--csv", options.csv, keep)
    check_target("--show", options.show or None, keep, picture=True)
    check_distinct({"--csv": options.csv, "--show": options.show or None})
    files, rows = _files(options)
    if options.show:
        if Path(options.show).suffix.lower() != ".png":
            raise ValueError(f"--show {options.show} is no .png file; a PNG picture is drawn.")
        check_picture(options.show)
        if len(files) > 1:
            raise ValueError(
                f"--show {options.show} draws one image, and {len(files)} are given; --show alone "
                "draws each to a file of its own."
            )
    reader = Reader.pretrained(weights, **how)
    reader.decoder = chosen_decoder(options, reader.alphabet)
    failures, unsure = len(rows), 0
    try:
        shown = len(files) > 20 and sys.stderr.isatty()
        for row in reader.read_many(files, progress=shown, workers=options.workers):
            failures += row.error is not None
            unsure += sum(status_of(reading, options)[0] != READ for reading in row.readings)
            rows.append(row)
            _print_row(row, options)
            if options.show is not None and row.readings:
                _draw_row(row, options.show or free_name(row.path))
    finally:  # what was read before a Ctrl-C or the end of a pipe is kept
        if options.csv:
            _write_csv(rows, options)
    return 1 if failures else UNSURE if unsure else 0


def status_of(reading: Reading, options: argparse.Namespace) -> tuple[str, str]:
    """What became of a line, and why it has no text to rely on."""
    guess = reading.hypothesis.text if reading.hypothesis else None
    chance = f"its probability is {reading.confidence:.2g}"
    if options.constraint and (guess is None or reading.confidence < LEAST):
        found = "no text" if guess is None else f"{guess!r} at best, and {chance}"
        return REFUSED, f"--constraint {options.constraint} allows {found}"
    if reading.text is None:
        given = options.refuse_below
        limit = "which is too little" if given is None else f"below --refuse-below {given:g}"
        return REFUSED, f"{chance}, {limit}: {guess!r}"
    if not reading.text:
        return EMPTY, f"no text was seen on it; {chance}"
    return READ, ""


def _files(options: argparse.Namespace) -> tuple[list[str], list[Row]]:
    """All files, folders opened; a row for each name that leads to none. Both are said, and so is
    what folders skip."""
    files: list[str] = []
    failed: list[Row] = []
    for name in options.images:
        try:
            skipped = {}
            if os.path.isdir(name):
                drawn = [file for file in os.listdir(name) if is_picture(os.path.join(name, file))]
                skipped = skipped_in(name) | dict.fromkeys(sorted(drawn, key=natural_order), DRAWN)
            if skipped:
                if options.json:
                    say(json.dumps({"file": name, "skipped": skipped}))
                tell_skipped(name, skipped)
            files += [file for file in files_of(name) if os.path.basename(file) not in skipped]
        except (OSError, ValueError) as error:
            failed.append(Row(name, (), reason_of(error)))
            _print_row(failed[-1], options)
    return files, failed


def shown_text(reading: Reading, options: argparse.Namespace) -> str:
    """A line's text, or a word in brackets that no reader of numbers writes."""
    status, _ = status_of(reading, options)
    return reading.text or "" if status == READ else f"[{status}]"


def _print_row(row: Row, options: argparse.Namespace) -> None:
    """A file's lines on the output; what cannot be read, and what is unsure, on the other."""
    name = plain(row.path)
    if row.error is not None:
        if options.json:
            say(json.dumps({"file": row.path, "error": row.error}))
        tell(f"{name}: {row.error}")
        return
    for n, reading in enumerate(row.readings, 1):
        if options.json:
            say(json.dumps(_as_object(row.path, reading, options)))
        else:
            say(f"{name}\t{shown_text(reading, options)}")
        status, reason = status_of(reading, options)
        if status != READ:
            line = f", line {n}" if len(row.readings) > 1 else ""
            tell(f"{name}{line}: {status}: {reason}")


def _as_object(name: str, reading: Reading, options: argparse.Namespace) -> dict:
    status, reason = status_of(reading, options)
    return {
        "file": name,
        "text": reading.text if status != REFUSED else None,
        "confidence": round(reading.confidence, 6),
        "status": status,
        **({"reason": reason} if reason else {}),
        "kind": reading.kind,
        "row": reading.row,
        "column": reading.column,
        "spans": [
            {"character": span.character, "start": span.start, "end": span.end}
            for span in reading.spans
        ],
        "box": [[round(x), round(y)] for x, y in reading.line.corners().tolist()],
    }


def _write_csv(rows: Sequence[Row], options: argparse.Namespace) -> None:
    try:
        with open(options.csv, "w", newline="", encoding="utf-8", errors=ESCAPED) as file:
            writer = csv.writer(file, lineterminator="\n")
            if options.table:
                writer.writerows(_tables(rows, options))
                return
            writer.writerow(COLUMNS)
            for row in rows:
                writer.writerows(_csv_rows(row, options))
    except OSError as error:
        raise OSError(f"--csv {options.csv} cannot be written ({error.strerror}).") from None


def _csv_rows(row: Row, options: argparse.Namespace) -> list[tuple]:
    if row.error is not None:
        return [(row.path, "", "", "", "", row.error)]
    lines = []
    for n, reading in enumerate(row.readings, 1):
        status, _ = status_of(reading, options)
        text = reading.text or "" if status == READ else ""
        lines.append((row.path, n, text, f"{reading.confidence:.6f}", status, ""))
    return lines


def _tables(rows: Sequence[Row], options: argparse.Namespace) -> list[list[str]]:
    """The cells as they stand on the pages; with several files the first of each row is its name.

    A line that belongs to no row is a row by itself.
    """
    table = []
    for row in rows:
        if row.error is not None:
            continue
        cells: dict[tuple[int, int], dict[int, str]] = {}
        for n, reading in enumerate(row.readings):
            line = cells.setdefault((0, n) if reading.row is None else (1, reading.row), {})
            column = reading.column or 0
            text = shown_text(reading, options)
            line[column] = f"{line[column]} {text}" if column in line else text
        for line in cells.values():
            texts = [line.get(k, "") for k in range(max(line) + 1)]
            table.append([row.path, *texts] if len(rows) > 1 else texts)
    width = max(map(len, table), default=0)
    return [line + [""] * (width - len(line)) for line in table]


def _draw_row(row: Row, target: str) -> None:
    from crnn_lib.plots import plot_reading, to_png

    save_picture(to_png(plot_reading(row.readings, row.path)), target, row.path)


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
