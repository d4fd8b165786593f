"""Measure the memory that each notebook's kernel needs, and write it into book/jupyterhub.md.

    python benchmarks/memory.py                                 the whole series (some minutes)
    python benchmarks/memory.py notebooks/03_*.ipynb            only these; the others' rows stay

Linux tells a process what its largest resident size was (VmHWM), so nothing has to be sampled. A
part of it are pages of PyTorch's libraries, which all kernels of one machine share; the private
part is what one more student costs. The notebooks' files are not written.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from run import versions
from table import markdown_table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "jupyterhub.md"
START, END = "<!-- memory -->", "<!-- end of memory -->"
SERVER = "JupyterLab alone"
HEADER = ("notebook", "largest, MB", "private at its end, MB", "processor time, s")

# The last cell of the copy that is run.
LOOK = """\
import json, time
status, rollup = (open(f"/proc/self/{name}").read() for name in ("status", "smaps_rollup"))
print(json.dumps({"status": status, "rollup": rollup, "seconds": time.process_time()}))
"""


def megabytes(pattern: str, text: str) -> int:
    """Kilobytes of the lines that match, added up, in MB.

    >>> megabytes("Private_.*", "Rss: 9 kB\\nPrivate_Clean: 2048 kB\\nPrivate_Dirty: 1024 kB")
    3
    """
    return round(sum(map(int, re.findall(rf"^{pattern}:\s*(\d+) kB$", text, re.M))) / 1024)


def row(name: str, status: str, rollup: str, seconds: float) -> tuple[str, ...]:
    peak, private = megabytes("VmHWM", status), megabytes("Private_.*", rollup)
    return name, str(peak), str(private), f"{seconds:.0f}"


def kernel(path: Path) -> tuple[str, ...]:
    """Run one notebook as a learner's Run All does, and look at its kernel before it goes."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(LOOK))
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )
    client.execute(env={**os.environ, "OMP_NUM_THREADS": "1"})  # as on a hub
    return row(path.stem, **json.loads(notebook.cells[-1].outputs[0].text))


def server() -> tuple[str, ...]:
    """JupyterLab's own process, with no notebook open."""
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.port=8941", "--IdentityProvider.token="]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen("http://127.0.0.1:8941/lab", timeout=10).read()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
        folder = Path(f"/proc/{process.pid}")
        ticks = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]
        seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        texts = ((folder / name).read_text() for name in ("status", "smaps_rollup"))
        return row(SERVER, *texts, seconds)
    finally:
        process.terminate()
        process.wait()


def stored(page: str) -> dict[str, tuple[str, ...]]:
    """The rows that the page has now: name -> row."""
    rows = re.findall(r"^\| (.+) \| (\d+) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    return {cells[0]: cells for cells in rows}


def with_table(page: str, rows: dict[str, tuple[str, ...]]) -> str:
    """The page with these rows between its marks."""
    before, _, rest = page.partition(START)
    after = rest.partition(END)[2]
    body = markdown_table(HEADER, [rows[name] for name in sorted(rows)])
    return f"{before}{START}\n{body}\n\n*{versions()}*\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: the whole series")
    paths = parser.parse_args().notebooks
    if not Path("/proc/self/smaps_rollup").exists():
        sys.exit("This needs Linux: it reads /proc/self/status and smaps_rollup.")
    rows = {}
    if paths:
        rows = stored(PAGE.read_text(encoding="utf-8"))
    else:
        paths = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
        rows[SERVER] = server()
    for path in paths:
        rows[path.stem] = kernel(path)
        print(*rows[path.stem], sep="  ", flush=True)
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")


if __name__ == "__main__":
    main()
