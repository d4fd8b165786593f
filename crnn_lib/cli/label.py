"""What ``crnn label`` does: a row for each image of a folder, to be filled in."""

from __future__ import annotations

import argparse
from pathlib import Path

from crnn_lib.cli._messages import plain, tell, tell_skipped
from crnn_lib.cli._pictures import DRAWN, is_picture
from crnn_lib.photos import (
    Reader,
    fill_texts,
    list_images,
    reason_of,
    unlabelled_in,
    unlisted_in,
)


def label(options: argparse.Namespace) -> int:
    """List a folder's images in its table, with the texts that a network proposes, if one does.

    It proposes them for rows that are there and have no text, too.
    """
    skipped = unlisted_in(options.folder)
    reader = Reader.pretrained(options.weights) if options.weights else None
    failures = 0

    def proposed(path: Path) -> str:
        nonlocal failures
        assert reader is not None
        try:
            return reader.read(path).text or ""
        except (OSError, ValueError) as error:
            tell(f"{plain(str(path))}: {reason_of(error)}")
            failures += 1
            return ""

    def is_drawn(path: Path) -> bool:
        drawn = is_picture(str(path))
        if drawn:
            skipped[str(path.relative_to(options.folder))] = DRAWN
        return drawn

    filled = fill_texts(options.folder, proposed) if reader else []
    new = list_images(options.folder, proposed if reader else None, skip=is_drawn)
    tell_skipped(options.folder, skipped)
    table = Path(options.folder) / "labels.csv"
    rows = "1 image is new" if len(new) == 1 else f"{len(new)} images are new"
    if filled:
        had = (
            "1 row that had no text has"
            if len(filled) == 1
            else (f"{len(filled)} rows that had no text have")
        )
        rows += f", {had} one now"
    todo = "correct its texts" if reader else "fill in its texts"
    print(f"{table}: {rows}." + (f" Open it and {todo}." if new or filled else ""))
    left = len(unlabelled_in(options.folder))
    if left and (reader or not new):
        have = "1 row has" if left == 1 else f"{left} rows have"
        why = (
            f"{options.weights} read nothing there"
            if reader
            else ("fill them in, or let --model NAME propose them")
        )
        print(f"{table}: {have} no text: {why}.")
    return 1 if failures else 0
