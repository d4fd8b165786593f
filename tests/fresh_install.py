"""Build the wheel and try it where nothing else is: what ``make wheel`` runs.

    python tests/fresh_install.py             into dist/, tried in a new environment that is deleted
    python tests/fresh_install.py --keep DIR  the environment stays in DIR

The environment is empty, so all that the wheel needs must be declared; PyTorch is fetched, some GB.
On Linux PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu spares the CUDA part of it. The
trial runs in a folder of its own, so nothing comes from the checkout but two images to read.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = {"data/lines/55207.png": "55207", "data/photos/48016-phone.jpg": "48016"}
# What somebody does first: each public name is there, a lattice is decoded, help is found.
TRIAL = """
import importlib, pkgutil, sys
import crnn_lib

assert crnn_lib.__file__.startswith(sys.prefix), crnn_lib.__file__
found = [crnn_lib.__name__]
found += [m.name for m in pkgutil.walk_packages(crnn_lib.__path__, "crnn_lib.") if m.ispkg]
faces = [importlib.import_module(name) for name in found]
names = [getattr(face, name) for face in faces for name in getattr(face, "__all__", ())]
assert len(names) > 300, len(names)

import torch
from crnn_lib import Alphabet, exact_search, prefix_beam_search

lattice = torch.tensor([[[0.8, 0.2], [0.5, 0.5], [0.6, 0.4]]]).log()  # (1, T, C), by hand: 0.72
(best,) = prefix_beam_search(lattice, alphabet=Alphabet("a"))
(proven,) = exact_search(lattice, alphabet=Alphabet("a"))
assert best.text == proven.text == "a" and proven.proven, (best, proven)
assert abs(best.log_prob - torch.tensor(0.72).log()) < 1e-6, best
print(f"{len(names)} public names, and a lattice that says {best.text!r}")
"""


def build_wheel(folder: Path, *options: str) -> Path:
    """The wheel of this checkout, in a folder; built from a copy, so nothing stale gets in."""
    with tempfile.TemporaryDirectory() as copy:
        left = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "crnn_lib", Path(copy) / "crnn_lib", ignore=left)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy)
        command = [sys.executable, "-m", "pip", "wheel", ".", "-w", str(folder.resolve())]
        subprocess.run([*command, "--no-deps", "--quiet", *options], cwd=copy, check=True)
    return max(folder.glob("crnn_lib-*.whl"), key=lambda wheel: wheel.stat().st_mtime)


def try_out(python: Path, folder: Path) -> None:
    """Run what is installed beside a Python, in a folder, with nothing of the checkout."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "CRNN_"))}

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout.strip()

    run(str(python), "-m", "pip", "check")
    crnn = str(python.with_name("crnn"))
    version = run(crnn, "--version")
    assert version == run(str(python), "-m", "crnn_lib", "--version"), version
    print(version)
    print(run(str(python), "-c", TRIAL))
    for sample, text in SAMPLES.items():
        image = shutil.copy(ROOT / sample, folder)
        said = run(crnn, "read", str(image))
        assert text in said.split(), f"{sample} says {text}; read: {said}"
        print(f"{sample}: {text}")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, build, install, try, and say how large the wheel is."""
    parser = argparse.ArgumentParser(description="Build the wheel and try it where nothing is.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--keep", type=Path, help="where the environment is made, and stays")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    wheel = build_wheel(options.output)
    with tempfile.TemporaryDirectory() as folder:
        home = options.keep.resolve() if options.keep else Path(folder) / "environment"
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
        install = [str(python), "-m", "pip", "install", "--quiet", "--prefer-binary", str(wheel)]
        subprocess.run(install, check=True, env={**os.environ, "PIP_REQUIRE_VIRTUALENV": "1"})
        (Path(folder) / "elsewhere").mkdir()
        try_out(python, Path(folder) / "elsewhere")
    print(f"{wheel}: {wheel.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
