"""Safety and endurance: what `make test-slow` counted, from data/runs/endurance.json."""

from __future__ import annotations

import json
from pathlib import Path

from table import markdown_table

FILE = Path(__file__).resolve().parents[1] / "data" / "runs" / "endurance.json"


def run() -> str:
    found = json.loads(FILE.read_text(encoding="utf8"))
    parts = ["## Safety and endurance\n\nCounted by `make test-slow`; `tests/slow` says how."]
    parts += [part(found[name]) for name, part in PARTS.items() if name in found]
    parts.append(
        "The full counts are 10,000 inputs, 50 kills and 100,000 lines. Where n is less, the run "
        "was cut short on a busy machine (CRNN_MINUTES)."
    )
    return "\n\n".join(parts)


def measured() -> str:
    """When and with what, instead of when this table was written."""
    found = json.loads(FILE.read_text(encoding="utf8"))
    rows = [row for section in found.values() for row in section.values()]
    dates = sorted({row["date"] for row in rows})
    versions = ", ".join(sorted({row["with"] for row in rows}))
    return f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}, {versions}"


def trials(found: dict) -> str:
    rows = [
        [
            name,
            f"{row['trials']:,}",
            f"{row['answered']:,}",
            f"{row['refused']:,}",
            row["faults"],
            f"{row['slowest_cpu_seconds']} s",
            f"{row['megabytes_grown']} MB",
        ]
        for name, row in found.items()
        if name != "programs"
    ]
    header = ["generated inputs to", "n", "answered", "cleanly refused", "faults"]
    text = markdown_table([*header, "slowest, CPU", "most memory above the start"], rows)
    text += (
        "\n\nA clean refusal is one of the documented exceptions, raised on purpose and in the "
        "library's own words. A fault is anything else but a right answer: another exception, a "
        "crash, a hang, too much memory."
    )
    if "programs" in found:
        row = found["programs"]
        ends = ", ".join(f"{n} with status {end}" for end, n in row["exit_status"].items())
        text += (
            f" Of n = {row['programs']} such commands run as programs, {ends} ended, none badly."
        )
    return text


def kills(found: dict) -> str:
    told = {
        "training": "`train` killed and started again: {kills} kills in {runs} runs, {resumed} of "
        "them after a checkpoint was there. Each checkpoint found was, bit by bit, one of those of "
        "an uninterrupted run, and so were the weights in the end.",
        "writing": "{kills} kills while two checkpoints were written in turn under one name, "
        "{in_the_middle_of_a_write} of them in the middle of a write: one of the two was there "
        "each time, whole.",
        "downloading": "{kills} kills in {downloads} downloads of an archive of {bytes:,} bytes "
        "from a slow server on the same machine: {resumed} went on at the byte where they stood, "
        "and every md5 was right.",
    }
    rows = [f"- {told[name].format(**row)}" for name, row in found.items()]
    return "`kill -9` at random moments:\n\n" + "\n".join(rows)


def reading(found: dict) -> str:
    row = found["lines"]
    return (
        f"`Reader.read_many` over n = {row['lines']:,} lines on small pages ({row['network']}, one "
        "view, one thread): what stays in memory grows by "
        f"{row['bytes_per_line']:+.0f} bytes a line "
        "(the slope after the first fifth; while a batch is read up to "
        f"{row['megabytes_grown']:.0f} MB more than at the start are in use); "
        f"{row['cpu_milliseconds_per_line']} ms of CPU time a line."
    )


PARTS = {"trials": trials, "kills": kills, "reading": reading}
