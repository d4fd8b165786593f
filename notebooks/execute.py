"""Run notebooks from top to bottom and write them back in one canonical form.

    python notebooks/execute.py                      every numbered notebook of the series
    python notebooks/execute.py notebooks/03_*.ipynb  only these
    python notebooks/execute.py --check              write nothing; exit 1 if a fresh run would

A second run gives the same bytes: cells are numbered, and what an editor or a machine leaves
behind (timestamps, widget states, the version of Python) is dropped. A notebook is replaced in
one step, and only after all of its cells have run.

Where CRNN_DATA names a folder of real data, the figures show them; what is printed stays the same.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent

# The last digits of a sum depend on the number of threads, the order of a set on the hash seed,
# tqdm has to be silenced before it is imported, and that a kernel compiles on a new machine is said
# beside what it prints. tests/conftest.py sets the same for nbval.
KERNEL_ENV = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "TQDM_DISABLE": "1",
    "CRNN_PATIENCE": "600",
}
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # names a model that dies with the kernel
KEPT_CELL_METADATA = ("tags", "jupyter", "collapsed")  # the last two fold sources and outputs
ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def series() -> list[Path]:
    """The numbered notebooks, in their order."""
    return sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def canonical(notebook: NotebookNode) -> NotebookNode:
    """Keep what a reader sees, in one fixed form; changes and returns the notebook."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = NotebookNode(
        kernelspec=NotebookNode(KERNELSPEC), language_info=NotebookNode(name="python")
    )
    count = 0
    for position, cell in enumerate(notebook.cells):
        cell.id = f"c{position:03d}"
        cell.metadata = NotebookNode(
            {k: cell.metadata[k] for k in KEPT_CELL_METADATA if cell.metadata.get(k)}
        )
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = _canonical_outputs(cell.outputs, count)
    return notebook


def _canonical_outputs(outputs: list[NotebookNode], count: int) -> list[NotebookNode]:
    kept: list[NotebookNode] = []
    for output in outputs:
        if "data" in output:
            output.data.pop(WIDGET_VIEW, None)
            if not output.data:
                continue
        if "execution_count" in output:
            output.execution_count = count
        # The kernel sends a text in as many pieces as it happens to flush.
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def to_text(notebook: NotebookNode) -> str:
    """The notebook as the text of its file."""
    return nbformat.writes(notebook) + "\n"


def sanitizers() -> list[tuple[re.Pattern[str], str]]:
    """The patterns of tests/sanitize.cfg: what may differ from run to run."""
    text = (ROOT / "tests" / "sanitize.cfg").read_text(encoding="utf-8")
    pairs = re.findall(r"^regex: (.*)\nreplace: (.*)$", text, flags=re.MULTILINE)
    return [(re.compile(pattern), replacement) for pattern, replacement in pairs]


def keep_unchanged_outputs(new: NotebookNode, old: NotebookNode) -> None:
    """Give a cell its old outputs where the new ones differ only in times and addresses."""
    patterns = sanitizers()

    def sanitized(value):
        if isinstance(value, dict):
            return {key: sanitized(item) for key, item in value.items()}
        if isinstance(value, list):
            return [sanitized(item) for item in value]
        if isinstance(value, str):
            for pattern, replacement in patterns:
                value = pattern.sub(replacement, value)
        return value

    for new_cell, old_cell in zip(new.cells, old.cells, strict=True):
        if new_cell.cell_type == "code":
            if sanitized(new_cell.outputs) == sanitized(old_cell.outputs):
                new_cell.outputs = old_cell.outputs


def execute(path: Path, timeout: float = 600) -> str:
    """Run a notebook in a fresh kernel; return the text that its file should hold.

    Parameters
    ----------
    path : Path
        The notebook. Its cells run in its folder.
    timeout : float
        Seconds that one cell may take.
    """
    notebook = nbformat.read(path, as_version=4)
    # Clearing MPLBACKEND lets the kernel choose its own, which draws into the notebook.
    inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name=KERNELSPEC["name"],
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],  # not the note that its TCP port is unencrypted
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )
    client.execute(env={**inherited, **KERNEL_ENV})
    notebook = canonical(notebook)
    # The old outputs in canonical form too, so that the two can be told apart by content alone.
    keep_unchanged_outputs(notebook, canonical(nbformat.read(path, as_version=4)))
    return to_text(notebook)


def changed_cells(new: str, old: str) -> list[str]:
    """The ids of the cells whose content differs between two texts of one notebook."""
    a, b = (canonical(nbformat.reads(text, as_version=4)).cells for text in (new, old))
    return [one.id for one, other in zip(a, b, strict=True) if one != other]


def replace(path: Path, text: str) -> None:
    """Write a file in one step: a reader finds the old text or the new one, never half of it."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def process(path: Path, *, check: bool, timeout: float) -> bool:
    """Execute one notebook, write or compare it, say so in a line; True if all is well."""
    start = time.perf_counter()
    try:
        new = execute(path, timeout)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        # nbclient puts the cell's source into the first two, above the traceback.
        print(f"failed     {path}\n{ANSI_COLOUR.sub('', str(error))}", file=sys.stderr)
        return False
    seconds = time.perf_counter() - start
    old = path.read_bytes().decode("utf-8")
    if new == old:
        verdict = "unchanged"
    elif check:
        verdict = "differs"
    else:
        replace(path, new)
        verdict = "written"
    cells = "" if new == old else ": " + (", ".join(changed_cells(new, old)) or "form only")
    print(f"{verdict:<10} {path} ({seconds:.1f} s){cells}", flush=True)
    return verdict != "differs"


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, execute, and return the exit status."""
    parser = argparse.ArgumentParser(
        description="Run notebooks and write them back in canonical form."
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: the whole series")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on a change")
    parser.add_argument("--timeout", type=float, default=600, help="seconds a cell may take")
    options = parser.parse_args(arguments)
    paths = options.notebooks or series()
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        parser.error(f"no such notebook: {', '.join(missing)}")
    start = time.perf_counter()
    fine = [process(path, check=options.check, timeout=options.timeout) for path in paths]
    print(f"{sum(fine)} of {len(fine)} notebooks in {time.perf_counter() - start:.1f} s")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
