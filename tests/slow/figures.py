"""What the slow tests measured, kept for benchmarks/endurance.py.

Only runs in full count (CRNN_CASES=10000 or more) are kept; each figure comes with its date and the
machine it was measured on.
"""

from __future__ import annotations

import json
import platform
from datetime import date
from pathlib import Path

import torch

from crnn_lib.models import atomic_write
from slow.trials import CASES, FULL

FILE = Path(__file__).resolve().parents[2] / "data" / "runs" / "endurance.json"


def record(section: str, name: str, figures: dict) -> None:
    if CASES < FULL:
        return
    kept = json.loads(FILE.read_text(encoding="utf8")) if FILE.exists() else {}
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    measured = {"date": str(date.today()), "with": versions}
    kept.setdefault(section, {})[name] = {**figures, **measured}
    atomic_write(FILE, (json.dumps(kept, indent=1, sort_keys=True) + "\n").encode())
