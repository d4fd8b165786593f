"""What the project has measured once, for notebooks that have no time to measure it again."""

from __future__ import annotations

import tempfile
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from urllib.request import urlopen


def _address() -> str:
    """Where the repository's files are served. pyproject.toml says it, and an install keeps it."""
    try:
        urls = metadata("crnn_lib").get_all("Project-URL") or []
    except PackageNotFoundError:  # a folder that somebody copied
        urls = []
    return dict(url.split(", ", 1) for url in urls).get("Repository", "") + "/raw/main/"


ROOT = Path(__file__).resolve().parents[3]
ADDRESS = _address()


def project_file(name: str) -> Path:
    """A file of the project, such as ``"data/runs/crnn-digits.json"``.

    An installed package brings no such files along, for example on Colab. Then it is downloaded.

    Raises
    ------
    FileNotFoundError
        If it is not in the checkout, or if there is no checkout and the download fails.
    """
    path = ROOT / name
    if path.is_file():
        return path
    if (ROOT / "pyproject.toml").is_file():
        raise FileNotFoundError(f"{name} is missing from this checkout: git checkout {name}.")
    try:
        with urlopen(ADDRESS + name, timeout=30) as answer:
            content = answer.read()
    except (OSError, ValueError) as error:  # ValueError: there is no address
        raise FileNotFoundError(
            f"{name} is not here, and {ADDRESS + name} could not be fetched ({error}). "
            "Check the network and run the cell again."
        ) from error
    path = Path(tempfile.mkdtemp(prefix="crnn_lib-")) / Path(name).name
    path.write_bytes(content)
    return path


def measured(title: str) -> str:
    """One section of benchmarks/RESULTS.md as Markdown, without its title.

    Where it has not been measured, a sentence says so.
    """
    text = project_file("benchmarks/RESULTS.md").read_text(encoding="utf-8")
    for section in text.split("\n## ")[1:]:
        name, _, body = section.partition("\n")
        if name.strip() == title:
            return body.split("<!-- end -->")[0].strip()
    return f"{title}: not measured yet. `make bench` does it."
