"""What ``crnn label`` does: a row for each image of a folder, to be filled in."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from crnn_lib.cli._pictures import DRAWN, is_picture
from crnn_lib.photos import Reader, list_images


def label(options: argparse.Namespace) -> int:
    """List a folder's images in its table, with the texts that a network proposes, if one does."""
    if options.threads:
        torch.set_num_threads(options.threads)
    reader = Reader.pretrained(options.weights) if options.weights else None

    def proposed(path: Path) -> str:
        assert reader is not None
        try:
            return reader.read(path).text or ""
        except (OSError, ValueError):  # named when it is to be learned from
            return ""

    drawn: list[Path] = []

    def is_drawn(path: Path) -> bool:
        if is_picture(str(path)):
            drawn.append(path)
            return True
        return False

    new = list_images(options.folder, proposed if reader else None, skip=is_drawn)
    if drawn:
        print(f"{options.folder}: {len(drawn)} left out ({DRAWN})", file=sys.stderr)
    table = Path(options.folder) / "labels.csv"
    rows = "1 image is new" if len(new) == 1 else f"{len(new)} images are new"
    todo = "correct its texts" if reader else "fill in its texts"
    print(f"{table}: {rows}." + (f" Open it and {todo}." if new else ""))
    return 0
