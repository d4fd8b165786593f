"""What Sphinx is told. The pages it reads are staged by build.py, which also calls it."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

# Nearly all that Sphinx makes stays to the end; to look through it for garbage, again and again,
# takes a fifth of the time. Without that the build needs 1.3 GB of memory instead of 0.9.
gc.disable()

BOOK = Path(__file__).resolve().parent
sys.path[:0] = [str(BOOK), str(BOOK.parent / "notebooks"), str(BOOK.parent)]

from badges import BRANCH, repository  # noqa: E402
from extras import linkcode_resolve  # noqa: E402, F401

VENDOR = os.environ.get("BOOK_VENDOR", "")  # JavaScript from npm, if there is any

project = "How does a machine read handwriting?"
copyright = "crnn_lib contributors, MIT licence"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "sphinx.ext.napoleon",
    "extras",
]

# The reference: what autodoc finds stands under the name that one imports, as it is written.
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
maximum_signature_line_length = 70
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
python_use_unqualified_type_names = True
html_domain_indices = False
add_module_names = False

# Notebooks are committed with their outputs, and tested. Nothing runs here.
nb_execution_mode = "off"
nb_render_markdown_format = "myst"
myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "deflist", "dollarmath"]
myst_heading_anchors = 4
# A glossary may go from its title to its terms; two classes may have a field of the same name.
suppress_warnings = ["myst.header", "ref.python"]
myst_links_external_new_tab = True

html_theme = "sphinx_book_theme"
html_static_path = ["_static", *([VENDOR] if VENDOR else [])]
html_css_files = ["book.css", "icons.css"]
html_js_files = [("book.js", {"priority": 300})]  # after documentation_options.js
if VENDOR and (Path(VENDOR) / "reading").is_dir():
    html_js_files.append("reading/here.js")
html_context = {"default_mode": "auto"}
html_title = "Reading handwriting"  # behind each page's own title
html_favicon = "_static/logo.svg"
html_logo = "_static/logo.svg"
html_copy_source = True
html_show_sphinx = False
html_theme_options = {
    "repository_url": repository(),
    "repository_branch": BRANCH,
    "path_to_docs": "",
    "use_repository_button": True,
    "use_download_button": True,
    "navbar_persistent": [],
    "footer_content_items": ["copyright.html"],
    "show_toc_level": 2,
    "show_navbar_depth": 1,
    "toc_title": "On this page",
    "logo": {"text": "How does a machine read handwriting?", "alt_text": "To the front page"},
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

html_math_renderer = "mathjax" if VENDOR and (Path(VENDOR) / "mathjax").is_dir() else "source"
mathjax_path = "mathjax/tex-svg.js"
# The menu would ask for files that the book does not have.
mathjax3_config = {"options": {"enableMenu": False}}
