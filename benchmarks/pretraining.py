"""What pretraining buys, and what each source of hands adds: the runs that are recorded.

Hours of a core are not spent again here: data/make_pretraining.py makes the runs, and writes them
to data/runs/pretraining.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from table import markdown_table

RECORD = Path(__file__).resolve().parents[1] / "data" / "runs" / "pretraining.json"


def rates(runs: list[dict], kind: str) -> str:
    """Mean of the seeds, from the least to the greatest; of one seed with its 95 % interval."""
    found = [run[kind]["cer"] for run in runs]
    low, high = runs[0][kind]["cer_interval"] if len(runs) == 1 else (min(found), max(found))
    return f"{sum(found) / len(found):.1%} ({low:.1%} to {high:.1%})"


def rows(runs: list[dict], names: Iterable[str]) -> list[list[str]]:
    """One row for all runs that agree in ``names``."""
    keys = dict.fromkeys(tuple(run[name] for name in names) for run in runs)
    table = []
    for key in keys:
        same = [run for run in runs if tuple(run[name] for name in names) == key]
        told = [f"{value:,}" if isinstance(value, int) else value for value in key]
        steps = f"{same[0]['steps']:,}"
        table.append([*told, str(len(same)), steps, rates(same, "fonts"), rates(same, "people")])
    return table


def run() -> str:
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    runs, alone = record["runs"], record["one_source"]
    found = ["seeds", "steps", "CER, held-out fonts", "CER, held-out people"]
    parts = [
        "## Pretraining",
        f"Networks that learned words for {record['minutes']:g} minutes of a core each, in batches "
        f"of {record['batch']}, half of them by the pen and half in fonts; tested on "
        f"{record['test_words']:,} words each of fonts and people that wrote none of them. Means "
        "of the seeds, and from the least to the greatest; of one seed its 95 % interval. "
        "`random`, `imagenet` and `imagenet frozen` are EfficientNet-Lite0's first stages, `crnn` "
        "and `crnn-digits` the CRNN.",
        markdown_table(["words", "begins with", *found], rows(runs, ("words", "start"))),
    ]
    if alone:
        start, words = alone[0]["start"], alone[0]["words"]
        both = [r for r in runs if (r["start"], r["words"]) == (start, words)]
        parts += [
            f"By who wrote the words of training (`{start}`, {words:,} words); `both` is the row "
            "above.",
            markdown_table(["hands", *found], rows([*alone, *both], ("hands",))),
        ]
    return "\n\n".join(parts)


def measured() -> str:
    """In place of a date: where the runs are."""
    return "data/runs/pretraining.json, made by data/make_pretraining.py"


if __name__ == "__main__":
    print(run())
