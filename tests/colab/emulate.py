"""Run the series as it runs on Colab: Colab's versions, the notebooks, and no checkout.

    python tests/colab/emulate.py                              every numbered notebook
    python tests/colab/emulate.py notebooks/03_collapsing_alignments.ipynb

Into .venv-colab goes what requirements.txt beside this file pins. A server on this machine stands
in for GitHub and gives out this checkout: the archive that the setup cell fetches, and the files
that some notebooks ask for. The notebooks run in a folder of their own, one after the other, and
nbval compares what they print. At the end, each pin must still hold.

This is Colab's Python half. Its own browser half, its drives and its GPUs are not here.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = Path(__file__).with_name("requirements.txt")
VENV = ROOT / ".venv-colab"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
COLABS_PYTHON = "3.13"
ARCHIVE = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+(?=/archive/(\w+)\.zip)")

LIST_VERSIONS = """\
import importlib.metadata, json
print(json.dumps({d.name.lower(): d.version for d in importlib.metadata.distributions()}))
"""


def run(*command: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run([str(part) for part in command], text=True, **options)


def version_of(python: str) -> str | None:
    """The version of an interpreter that can make environments, or None."""
    code = "import ensurepip, sys, venv; print('{}.{}'.format(*sys.version_info))"
    try:
        return run(python, "-c", code, capture_output=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def make_environment() -> None:
    """Install the pins into .venv-colab, the first time and whenever they change."""
    stamp = VENV / f".installed-{zlib.crc32(PINS.read_bytes())}"
    if stamp.exists() and version_of(str(PYTHON)):
        return
    if not version_of(str(PYTHON)):
        wanted = (os.environ.get("COLAB_PYTHON"), f"python{COLABS_PYTHON}", sys.executable)
        python = next(name for name in wanted if name and version_of(name))
        print(f"Installing Colab's versions into {VENV.name}: some minutes, some GB.", flush=True)
        run(python, "-m", "venv", "--clear", VENV, check=True)
    for old in VENV.glob(".installed-*"):
        old.unlink()
    run(PYTHON, "-m", "pip", "install", "--prefer-binary", "-q", "-r", PINS, check=True)
    stamp.touch()


def versions() -> dict[str, str]:
    """What is installed: name -> version."""
    # In the checkout, its egg-info would count as an installed package.
    with tempfile.TemporaryDirectory() as empty:
        listed = run(PYTHON, "-c", LIST_VERSIONS, cwd=empty, capture_output=True, check=True)
    return json.loads(listed.stdout)


def pins() -> dict[str, str]:
    """What must stay as it is: name -> version."""
    lines = re.findall(r"^([\w-]+)==(\S+)$", PINS.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.lower(): version for name, version in lines}


def broken_pins() -> list[str]:
    """A line for each package that is not as Colab has it; local parts such as +cpu may differ."""
    have = versions()
    return [
        f"{name} is {have.get(name)}; Colab has {version}"
        for name, version in pins().items()
        if have.get(name, "").split("+")[0] != version
    ]


def make_archive(target: Path, branch: str, address: str) -> None:
    """The package of this checkout as GitHub packs it; its address is this machine's."""
    files = [ROOT / "README.md", ROOT / "LICENSE"]
    files += [path for path in (ROOT / "crnn_lib").rglob("*") if "__pycache__" not in path.parts]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = re.sub(r"(?m)^(Repository = ).*$", rf'\1"{address}"', project)
    top = Path(f"crnn_lib-{branch}")
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr((top / "pyproject.toml").as_posix(), project)
        for path in files:
            archive.write(path, top / path.relative_to(ROOT))


class Repository(http.server.SimpleHTTPRequestHandler):
    """Answers as GitHub does: /archive/main.zip is the checkout, /raw/main/... one of its files."""

    archive: Path

    def translate_path(self, path: str) -> str:
        kind, _, name = path.strip("/").partition("/")
        if kind == "archive":
            return str(self.archive)
        return str(ROOT / name.partition("/")[2])

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def repository(branch: str):
    """A server that stands in for GitHub; its address."""
    with (
        tempfile.TemporaryDirectory() as folder,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Repository) as server,
    ):
        address = f"http://127.0.0.1:{server.server_port}"
        Repository.archive = Path(folder) / f"{branch}.zip"
        make_archive(Repository.archive, branch, address)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield address
        server.shutdown()


def run_setup_cell(cell: str, address: str, content: Path) -> None:
    """Let the setup cell fetch the package, and then find it there."""
    run(PYTHON, "-m", "pip", "uninstall", "-q", "-y", "crnn_lib", check=True)
    run(PYTHON, "-c", ARCHIVE.sub(address, cell), cwd=content, check=True)
    # A second run must not fetch anything: nobody listens to port 1.
    run(PYTHON, "-c", ARCHIVE.sub("http://127.0.0.1:1", cell), cwd=content, check=True)


def run_notebook(path: Path, content: Path) -> tuple[bool, float, str]:
    """Compare one notebook's outputs in Colab's environment: passed, seconds, what pytest says."""
    shutil.copy(path, content)
    command = [PYTHON, "-m", "pytest", "-q", "--color=no", "--nbval", "--nbval-current-env"]
    command += ["--nbval-sanitize-with", content / "sanitize.cfg", "--nbval-cell-timeout=120"]
    own = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(own, "1"), "PYTHONHASHSEED": "0"}
    environment |= {"TQDM_DISABLE": "1", "CRNN_DATA": ""}
    environment.pop("MPLBACKEND", None)  # the kernel chooses its own
    start = time.perf_counter()
    result = run(*command, path.name, cwd=content, env=environment, capture_output=True)
    return result.returncode == 0, time.perf_counter() - start, result.stdout + result.stderr


def shortened(said: str) -> str:
    """The beginning and the end of what pytest says; explorers differ by thousands of lines."""
    lines = [line if len(line) <= 160 else f"{line[:157]}..." for line in said.splitlines()]
    return "\n".join(lines if len(lines) <= 60 else [*lines[:30], "...", *lines[-30:]])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: the whole series")
    paths = parser.parse_args(arguments).notebooks
    paths = paths or sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    make_environment()
    have = version_of(str(PYTHON))
    note = "" if have == COLABS_PYTHON else f", where Colab has {COLABS_PYTHON}"
    print(f"Colab's versions on Python {have}{note}.", flush=True)
    failed = []
    cell = "".join(json.loads(paths[0].read_text(encoding="utf-8"))["cells"][1]["source"])
    fetched = ARCHIVE.search(cell)
    if not fetched:
        sys.exit("The setup cell fetches no archive/BRANCH.zip from GitHub: look at both.")
    with (
        repository(fetched.group(1)) as address,
        tempfile.TemporaryDirectory(prefix="content-") as folder,
    ):
        content = Path(folder)
        shutil.copy(ROOT / "tests" / "sanitize.cfg", content)
        run_setup_cell(cell, address, content)
        for path in paths:
            passed, seconds, said = run_notebook(path, content)
            print(f"{'passed' if passed else 'FAILED'}  {seconds:6.1f} s  {path.name}", flush=True)
            if not passed:
                failed.append(path.name)
                print(shortened(said), flush=True)
    changed = broken_pins()
    print("\n".join(changed) or f"All {len(pins())} pins hold after the setup cell.")
    print(f"{len(paths) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or changed else 0


if __name__ == "__main__":
    sys.exit(main())
