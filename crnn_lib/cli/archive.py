"""What ``crnn read --engine ray`` does: folders of scans in, Parquet files of texts out."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from crnn_lib.cli._messages import tell_skipped

UNFIT = (
    *("json", "csv", "table", "show"),  # a million lines are neither printed nor drawn
    *("workers", "threads"),  # Ray shares out the cores, one thread to each reader
)


def read_with_ray(options: argparse.Namespace, weights: str, how: dict[str, Any]) -> int:
    """Read folders, lists and addresses into ``options.out``; what is there is not read again.

    ``weights`` and ``how`` are the network and the options of a :class:`crnn_lib.photos.Reader`.
    """
    if not options.out:
        raise ValueError("--engine ray writes Parquet files into a folder; add --out FOLDER.")
    unfit = [f"--{name}" for name in UNFIT if getattr(options, name) not in (None, False)]
    if unfit:
        raise ValueError(
            f"--engine ray writes Parquet files into --out; {' and '.join(unfit)} is for reading "
            "without it."
        )
    from crnn_lib.archive import read_archive

    try:
        report = read_archive(
            options.images, options.out, weights=weights, options=how, progress=sys.stderr.isatty()
        )
    except ImportError as error:
        raise ValueError(str(error)) from None
    tell_skipped(" ".join(options.images), report.skipped)
    print(
        f"{report.files} files read, {report.errors} of them with an error, {report.rows} rows in "
        f"{report.parts} new parts of {options.out}; {report.done_before} files were there before"
    )
    return 1 if report.errors else 0
