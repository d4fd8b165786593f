"""What Sphinx and its theme do not do by themselves: words for figures, and the launch menu."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from pathlib import PurePosixPath

from badges import doors, repository
from docutils import nodes
from sphinx.application import Sphinx

ICONS = {"Colab": "_static/images/logo_colab.png", "Binder": "_static/images/logo_binder.svg"}
ICONS["Kaggle"] = "fab fa-kaggle"


def alternatives(notebook: dict) -> dict[str, str]:
    """The words of each figure in a notebook's outputs, by the hash of its file's content."""
    found = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            for kind, content in output.get("data", {}).items():
                words = output.get("metadata", {}).get(kind, {}).get("alt")
                if kind.startswith("image/") and words:
                    found[hashlib.sha256(b64decode("".join(content))).hexdigest()] = words
    return found


def name_figures(app: Sphinx, doctree: nodes.document) -> None:
    """Give the images of a notebook the words that were saved with them."""
    path = app.env.doc2path(app.env.docname)
    if str(path).endswith(".ipynb"):
        with open(path, encoding="utf-8") as file:
            words = alternatives(json.load(file))
        for image in doctree.findall(nodes.image):
            stem = PurePosixPath(image["uri"]).stem  # myst-nb names files by their hash
            if stem in words:
                image["alt"] = words[stem]


def add_launch_menu(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Put the menu on the pages of notebooks, left of the theme's own buttons."""
    if context.get("page_source_suffix") != ".ipynb":
        return
    name = page.rpartition("/")[2] + ".ipynb"
    buttons = []
    for words, address in doors(name, repository()).items():  # where the badges lead, too
        service = words.split()[-1]
        look = {"type": "link", "text": service, "tooltip": words, "icon": ICONS[service]}
        buttons.append({**look, "url": address})
    context["header_buttons"].insert(
        0,
        {
            "type": "group",
            "tooltip": "Run this notebook",
            "icon": "fas fa-rocket",
            "buttons": buttons,
            "label": "launch-buttons",
        },
    )


def _inline(translator, node: nodes.Element) -> None:
    translator.body.append(f'<code class="math">{translator.encode(node.astext())}</code>')
    raise nodes.SkipNode


def _block(translator, node: nodes.Element) -> None:
    translator.body.append(f'<pre class="math">{translator.encode(node.astext())}</pre>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    """Connect to Sphinx."""
    app.connect("doctree-read", name_figures)
    app.connect("html-page-context", add_launch_menu, priority=502)  # after the theme's buttons
    app.add_html_math_renderer("source", (_inline, None), (_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
