"""Run the benchmarks and write benchmarks/RESULTS.md.

    python benchmarks/run.py                      all of them (about an hour on two cores)
    python benchmarks/run.py speed reading        only these; the others' results stay

Figures of speed are medians, and ratios are taken side by side in one process: the machine may
be shared. Figures of quality give n and the seed.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import re
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the benchmarks import each other by name

RESULTS = Path(__file__).with_name("RESULTS.md")
SECTIONS = (
    "protocol",
    "reading",
    "words",
    "pretraining",
    "paper",
    "pages",
    "detector",
    "speed",
    "latency",
    "ctc",
    "decoders",
    "streams",
    "lexicon",
    "in_page",
    "notebooks",
    "archive",
    "endurance",
)


def versions() -> str:
    """One line on what the figures were measured with."""
    import numpy
    import torch

    return (
        f"{date.today()}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"numpy {numpy.__version__}, {processor()}"
    )


def processor() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf8")
    except OSError:
        return platform.processor() or platform.machine()
    model = re.search(r"model name\s*: (.*)", info)
    cores = info.count("processor\t:")
    return f"{model.group(1) if model else platform.machine()}, {cores} cores"


def stored_sections() -> dict[str, str]:
    """The sections that RESULTS.md holds now: name -> text."""
    if not RESULTS.exists():
        return {}
    text = RESULTS.read_text(encoding="utf8")
    return dict(re.findall(r"<!-- (\w+) -->\n(.*?)\n<!-- end -->", text, flags=re.DOTALL))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    chosen = parser.parse_args().sections or SECTIONS
    unknown = set(chosen) - set(SECTIONS)
    if unknown:
        parser.error(f"no benchmark named {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    for name in SECTIONS:
        if name in chosen:
            print(f"== {name}", flush=True)
            module = importlib.import_module(name)
            body, measured = module.run(), getattr(module, "measured", versions)
            text = f"{body.strip()}\n\n*{measured()}*"
            print(text, flush=True)
            store(name, text)


def store(name: str, text: str) -> None:
    """Put one section into RESULTS.md; the others stay as they are."""
    texts = stored_sections() | {name: text}
    parts = ["# Measured", "Made by `make bench`.", ""]
    for section in SECTIONS:
        if section in texts:
            parts += [f"<!-- {section} -->", texts[section], "<!-- end -->", ""]
    RESULTS.write_text("\n".join(parts), encoding="utf8")


if __name__ == "__main__":
    main()
