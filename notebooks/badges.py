"""Write the badges and the setup cell of each notebook, and such links in the README and the book.

    python notebooks/badges.py            rewrite them; all else stays as it is, byte for byte
    python notebooks/badges.py --check    write nothing; exit 1 where one is out of date

Where the repository lives is said once, as its address in pyproject.toml: a school that teaches
from a copy of its own changes that line and runs this. It needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
BRANCH = "main"
FIRST = "00_start_here.ipynb"  # what the badges of the README open
IMAGES = {
    "Open in Colab": "https://colab.research.google.com/assets/colab-badge.svg",
    "Launch Binder": "https://mybinder.org/badge_logo.svg",
    "Open in Kaggle": "https://kaggle.com/static/images/open-in-kaggle.svg",
}

# Eight lines at most, in which a learner can see what happens. Nothing, wherever crnn_lib is at
# hand: installed, one folder up as in a checkout, or in a clone beside the notebook. Colab and
# Kaggle have all that it needs but one or two small packages; --no-deps keeps pip away from their
# torch and ipywidgets. An archive needs no git. A folder of that name without a package in it, as
# a removed install leaves it, has no origin. The last sentence must hold for a Kaggle notebook
# whose internet is switched off, for a school that blocks GitHub, and for a laptop on a train.
SETUP = """\
import sys
from importlib.util import find_spec
from subprocess import call

sys.path += ["..", "crnn_lib"]  # a checkout has it there; others fetch it, and keep their torch:
fetch = "-m pip install -q --no-deps rapidfuzz safetensors {repository}/archive/{branch}.zip"
if not getattr(find_spec("crnn_lib"), "origin", None) and call([sys.executable, *fetch.split()]):
    raise RuntimeError("No crnn_lib. Turn the internet on, or put its folder beside this notebook.")
"""


def repository() -> str:
    """The address of the repository, as pyproject.toml gives it."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^Repository = "(https://github\.com/[\w.-]+/[\w.-]+)"$', text, re.MULTILINE)
    if not found:
        raise SystemExit(
            "pyproject.toml has no line like\n"
            '    Repository = "https://github.com/OWNER/NAME"\n'
            "under [project.urls]. Colab, Binder and Kaggle fetch the notebooks from there."
        )
    return found.group(1).removesuffix(".git")


def doors(name: str, address: str) -> dict[str, str]:
    """What each badge opens: its words -> a link.

    >>> for words, link in doors("03_x.ipynb", "https://github.com/o/r").items():
    ...     print(words, link)
    Open in Colab https://colab.research.google.com/github/o/r/blob/main/notebooks/03_x.ipynb
    Launch Binder https://mybinder.org/v2/gh/o/r/main?labpath=notebooks%2F03_x.ipynb
    Open in Kaggle https://kaggle.com/kernels/welcome?src=https://github.com/o/r/blob/main/notebooks/03_x.ipynb
    """
    place = address.removeprefix("https://github.com/")
    path = f"notebooks/{name}"
    links = (
        f"https://colab.research.google.com/github/{place}/blob/{BRANCH}/{path}",
        f"https://mybinder.org/v2/gh/{place}/{BRANCH}?labpath={quote(path, safe='')}",
        f"https://kaggle.com/kernels/welcome?src={address}/blob/{BRANCH}/{path}",
    )
    return dict(zip(IMAGES, links, strict=True))


def badges(name: str, address: str) -> str:
    """The line of badges for one notebook, in Markdown."""
    links = doors(name, address).items()
    return " ".join(f"[![{words}]({IMAGES[words]})]({link})" for words, link in links)


def hub_link(address: str) -> str:
    """What students of a JupyterHub click: nbgitpuller fetches the repository and opens 00.

    >>> hub_link("https://github.com/o/r")
    'https://HUB/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fo%2Fr&branch=main&urlpath=lab%2Ftree%2Fr%2Fnotebooks%2F00_start_here.ipynb'
    """
    opened = f"lab/tree/{address.rpartition('/')[2]}/notebooks/{FIRST}"
    query = f"repo={quote(address, safe='')}&branch={BRANCH}&urlpath={quote(opened, safe='')}"
    return f"https://HUB/hub/user-redirect/git-pull?{query}"


def with_badges(text: str, line: str) -> str:
    """The text with this line of badges: in the place of the old ones, or else above all.

    >>> with_badges("[![Old](a.svg)](b)\\n\\n# Lines", "[![New](c.svg)](d)")
    '[![New](c.svg)](d)\\n\\n# Lines'
    >>> with_badges("# Lines", "[![New](c.svg)](d)")
    '[![New](c.svg)](d)\\n\\n# Lines'
    """
    old, _, rest = text.partition("\n")
    return f"{line}\n{rest}" if old.startswith("[![") else f"{line}\n\n{text}"


def setup_cell(address: str) -> str:
    """The code of the setup cell."""
    return SETUP.strip().format(repository=address, branch=BRANCH)


def as_text(notebook: dict) -> str:
    """A notebook as the text of its file, in the form that notebooks/execute.py writes."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def renewed_notebook(text: str, name: str, address: str) -> str:
    """The text of a notebook's file with its badges and its setup cell renewed.

    Raises
    ------
    ValueError
        If the file's form or its first two cells are not as in the rest of the series: then more
        would change than the badges and the setup.
    """
    notebook = json.loads(text)
    if as_text(notebook) != text:
        raise ValueError("was saved by an editor, in another form. Run: make notebooks")
    first, second = notebook["cells"][:2]
    if first["cell_type"] != "markdown":
        raise ValueError("does not begin with a text, so there is no place for the badges")
    if second["cell_type"] != "code" or "crnn_lib" not in "".join(second["source"]):
        raise ValueError("has no setup cell: its second cell must be code that fetches crnn_lib")
    title = with_badges("".join(first["source"]), badges(name, address))
    first["source"] = title.splitlines(keepends=True)
    second["source"] = setup_cell(address).splitlines(keepends=True)
    return as_text(notebook)


def renewed_readme(text: str, address: str) -> str:
    """The README with its badges renewed: they stand between its title and its first sentence."""
    title, _, rest = text.partition("\n\n")
    return f"{title}\n\n{with_badges(rest, badges(FIRST, address))}"


def renewed_page(text: str, address: str) -> str:
    """A page of the book with its nbgitpuller links and its addresses for pip renewed.

    >>> renewed_page("pip install git+https://github.com/o/old", "https://github.com/o/new")
    'pip install git+https://github.com/o/new'
    """
    link = hub_link(address)
    text = re.sub(r"https://HUB/hub/user-redirect/git-pull\?[^\s)`]*", lambda _: link, text)
    return re.sub(r"git\+https://github\.com/[\w./-]+", lambda _: f"git+{address}", text)


def replace(path: Path, text: str) -> None:
    """Write a file in one step: a reader finds the old text or the new one, never half of it."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(text.encode("utf-8"))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, write or compare, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on a change")
    check = parser.parse_args(arguments).check
    address = repository()
    fine = True
    pages = {path: renewed_page for path in sorted((ROOT / "book").glob("*.md"))}
    pages[ROOT / "README.md"] = renewed_readme
    for path in [*pages, *sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]:
        old = path.read_bytes().decode("utf-8")
        try:
            if path in pages:
                new = pages[path](old, address)
            else:
                new = renewed_notebook(old, path.name, address)
        except ValueError as error:
            print(f"{path.name} {error}.", file=sys.stderr)
            fine = False
            continue
        if new != old and check:
            print(f"{path.name} is out of date: links or setup cell. Run: make badges")
            fine = False
        elif new != old:
            replace(path, new)
            print(f"written    {path.relative_to(ROOT)}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
