"""The notebooks: CPU seconds that each takes from top to bottom, and their sum.

Wall time says more about the machine than about the notebook, so it is not given.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from table import markdown_table

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 60  # CPU seconds that a notebook may take


def cpu_seconds(path: Path) -> float:
    """Run a notebook in a process of its own, without writing it back."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, str(ROOT / "notebooks" / "execute.py"), "--check", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "failed" in done.stdout + done.stderr:
        raise RuntimeError(f"{path.name} does not run:\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run() -> str:
    spent = {path.name: cpu_seconds(path) for path in sorted(ROOT.glob("notebooks/[0-9]*.ipynb"))}
    rows = [[name, f"{seconds:.0f}"] for name, seconds in spent.items()]
    rows.append(["**together**", f"**{sum(spent.values()):.0f}**"])
    slow = [name for name, seconds in spent.items() if seconds > LIMIT]
    words = (
        f"None takes more than {LIMIT} s." if not slow else f"Over {LIMIT} s: {', '.join(slow)}."
    )
    table = markdown_table(["notebook", "CPU seconds"], rows)
    return (
        f"## Notebooks\n\nFrom a fresh kernel to the last cell, one thread.\n\n{table}\n\n{words}"
    )
