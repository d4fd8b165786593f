"""What an augmentation shows a network, and what runs of training read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from crnn_lib.handwriting import LineBatch


def flipped(lines: LineBatch, axes: Sequence[int]) -> LineBatch:
    """The same lines with other images, and the same texts: each flipped within its own width.

    Parameters
    ----------
    lines : LineBatch
    axes : sequence of int
        Of an image (1, H, W): 2 is a mirror at its side, 1 one below it, both are half a turn.
    """
    images = lines.images.clone()
    for image, width in zip(images, lines.widths.tolist(), strict=True):
        image[..., :width] = image[..., :width].flip(tuple(axes))
    return replace(lines, images=images)


def told_runs(record: Mapping) -> str:
    """A table of what ``data/make_pretraining.py`` has measured, in words.

    Parameters
    ----------
    record : mapping
        As for :func:`crnn_lib.plots.plot_pretraining`.

    Returns
    -------
    str
        Lines: for each run its steps, and for both kinds of test words the CER with its 95 %
        interval and how many are right.
    """
    kinds = {"fonts": "in other fonts", "people": "by other people"}
    lines = [f"Each was tested on {record['test_words']:,} words of either kind; 95 % intervals."]
    for run in record["runs"]:
        lines.append(
            f"{run['start']}: {run['words']:,} words, seed {run['seed']}, {run['steps']:,} steps"
        )
        for kind, name in kinds.items():
            found = run[kind]
            rate, low, high = (100 * v for v in (found["cer"], *found["cer_interval"]))
            lines.append(
                f"    {name}: CER {rate:.1f} % ({low:.1f} to {high:.1f}), {found['exact']} right"
            )
    return "\n".join(lines)
