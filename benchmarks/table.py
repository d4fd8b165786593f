"""Tables and clocks that the benchmarks share."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def interleaved_medians(
    tasks: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float] | None = None
) -> dict[str, float]:
    """Median seconds of each task. They take turns, so that a slow spell hits all of them."""
    clock = clock or time.process_time
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()  # warm up
    for _ in range(repeats):
        for name, task in tasks.items():
            started = clock()
            task()
            seconds[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}
