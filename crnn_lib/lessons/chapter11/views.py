"""What an augmentation shows a network, and what runs of training read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from crnn_lib.handwriting import LineBatch
from crnn_lib.lessons.chapter05.strips import flip_images


def flipped(lines: LineBatch, axes: Sequence[int]) -> LineBatch:
    """The same lines with other images, and the same texts: each flipped within its own width.

    Parameters
    ----------
    lines : LineBatch
    axes : sequence of int
        Of an image (1, H, W): 2 is a mirror at its side, 1 one below it, both are half a turn.
    """
    return replace(lines, images=flip_images(lines, axes))


def told_runs(record: Mapping) -> str:
    """A table of what ``data/make_pretraining.py`` has measured, in words.

    Parameters
    ----------
    record : mapping
        As for :func:`crnn_lib.plots.plot_pretraining`; ``one_source`` holds more such runs, each
        with the ``hands`` that wrote all words of its training.

    Returns
    -------
    str
        A line for each start and number of words, then for each source of hands: the CER for both
        kinds of test words. Of several seeds it is the mean, with the least and the greatest; of
        one seed the rate, with its 95 % interval.
    """
    runs, alone = record["runs"], record.get("one_source", [])
    lines = [f"CER in per cent, {record['test_words']:,} test words of either kind", HEADER]
    for words, start in dict.fromkeys((run["words"], run["start"]) for run in runs):
        same = [run for run in runs if (run["words"], run["start"]) == (words, start)]
        lines.append(_row(f"{words:,}", start, same))
    if alone:
        start, words = alone[0]["start"], alone[0]["words"]
        both = [run for run in runs if (run["words"], run["start"]) == (words, start)]
        lines += ["", f"{start}, {words:,} words, by who wrote them"]
        for hands in dict.fromkeys(run["hands"] for run in alone):
            lines.append(_row("", hands, [run for run in alone if run["hands"] == hands]))
        lines.append(_row("", "pen and fonts", both))
    return "\n".join(lines)


HEADER = f"{'words':>6}  {'':16}{'seeds':>6}  {'in other fonts':<22}by other people"


def _row(words: str, name: str, runs: Sequence[Mapping]) -> str:
    told = []
    for kind in ("fonts", "people"):
        rates = [run[kind]["cer"] for run in runs]
        low, high = runs[0][kind]["cer_interval"] if len(runs) == 1 else (min(rates), max(rates))
        mean = sum(rates) / len(rates)
        told.append(f"{100 * mean:.1f} ({100 * low:.1f} to {100 * high:.1f})")
    return f"{words:>6}  {name:16}{len(runs):>6}  {told[0]:<22}{told[1]}"
