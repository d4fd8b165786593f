"""What Sphinx and its theme do not do by themselves.

Words for figures, the launch menu, and the ways from notebooks and docstrings to the reference.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import re
from base64 import b64decode
from pathlib import Path, PurePosixPath

from badges import BRANCH, doors, repository
from docutils import nodes
from reference import homes
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
        caption_figures(doctree, set(words.values()))


def caption_figures(doctree: nodes.document, words: set[str]) -> None:
    """Make a caption of the words that a notebook printed under a figure.

    They are a figure's own sentence, the same that is saved with it; what else was printed stays
    as it was printed.
    """
    for block in list(doctree.findall(nodes.literal_block)):
        said = [line for line in block.astext().splitlines() if line in words]
        if not said:
            continue
        rest = [line for line in block.astext().splitlines() if line not in words]
        captions = [nodes.paragraph(line, line, classes=["figure-words"]) for line in said]
        place, parent = block.parent.index(block), block.parent
        if any(line.strip() for line in rest):
            text = "\n".join(rest)
            kept = nodes.literal_block(
                text, text, **{k: v for k, v in block.attributes.items() if v}
            )
            captions.append(kept)
        parent[place : place + 1] = captions


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


def name_defaults(app: Sphinx, what, name, of, options, signature: str, returns: str):
    """A function that is a default is its name, not where it lies in memory."""
    if signature:  # what is no function or class has none
        return re.sub(r"<function (\w+) at 0x\w+>", r"\1", signature), returns
    return None


def find_by_last_name(app: Sphinx, env, node: nodes.Element, contnode: nodes.Element):
    """Lead a name of the library that is written in another way to the entry of its wing."""
    last = node.get("reftarget", "").rpartition(".")[2]
    if node.get("refdomain") != "py":
        return None
    if not hasattr(env, "crnn_entries"):
        env.crnn_entries = {}
        for name, entry in env.get_domain("py").objects.items():
            if not entry.aliased and entry.objtype != "module":
                env.crnn_entries.setdefault(name.rpartition(".")[2], []).append(entry)
    if len(env.crnn_entries.get(last, ())) != 1:
        return None
    (entry,) = env.crnn_entries[last]
    address = app.builder.get_relative_uri(node["refdoc"], entry.docname) + f"#{entry.node_id}"
    return nodes.reference("", "", contnode, internal=True, refuri=address)


IMPORT = re.compile(
    r'<span class="kn">from</span><span class="w"> </span><span class="nn">(crnn_lib[\w.]*)</span>'
    r'<span class="w"> </span><span class="kn">import</span>'
    r'(?: <span class="p">\(</span>.*?<span class="p">\)</span>|[^\n]*)',
    re.DOTALL,
)
NAME = re.compile(r'<span class="n">(\w+)</span>')


def link_first_uses(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Where a notebook imports a name for the first time, lead from it to its entry."""
    if context.get("page_source_suffix") != ".ipynb":
        return
    objects, seen = app.env.get_domain("py").objects, set()
    handed_on = homes(Path(__file__).resolve().parent.parent)

    def link(wing: str, match: re.Match) -> str:
        name = f"{wing}.{match[1]}"
        name = handed_on.get(name, name)
        if name not in objects or name in seen:
            return match[0]
        seen.add(name)
        address = app.builder.get_relative_uri(page, objects[name].docname)
        return f'<a class="entry" href="{address}#{objects[name].node_id}">{match[0]}</a>'

    context["body"] = IMPORT.sub(
        lambda found: NAME.sub(lambda name: link(found[1], name), found[0]), context["body"]
    )


def linkcode_resolve(domain: str, info: dict) -> str | None:
    """The lines of the repository that define what an entry is about."""
    part = importlib.import_module(info["module"])
    try:
        for name in info["fullname"].split("."):
            part = getattr(part, name)
        part = inspect.unwrap(part.fget if isinstance(part, property) else part)
        lines, first = inspect.getsourcelines(part)
        file = Path(inspect.getsourcefile(part)).resolve()
    except (AttributeError, OSError, TypeError):
        return None  # a constant, or what another package wrote
    root = Path(__file__).resolve().parent.parent
    if not file.is_relative_to(root / "crnn_lib"):
        return None
    where = f"{repository()}/blob/{BRANCH}/{file.relative_to(root).as_posix()}"
    return f"{where}#L{first}-L{first + len(lines) - 1}"


def _inline(translator, node: nodes.Element) -> None:
    translator.body.append(f'<code class="math">{translator.encode(node.astext())}</code>')
    raise nodes.SkipNode


def _block(translator, node: nodes.Element) -> None:
    translator.body.append(f'<pre class="math">{translator.encode(node.astext())}</pre>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    """Connect to Sphinx."""
    app.connect("doctree-read", name_figures)
    app.connect("autodoc-process-signature", name_defaults)
    app.connect("missing-reference", find_by_last_name)
    app.connect("html-page-context", link_first_uses)
    app.connect("html-page-context", add_launch_menu, priority=502)  # after the theme's buttons
    app.add_html_math_renderer("source", (_inline, None), (_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
