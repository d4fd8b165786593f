"""What Sphinx is told. The pages it reads are staged by build.py, which also calls it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

BOOK = Path(__file__).resolve().parent
sys.path[:0] = [str(BOOK), str(BOOK.parent / "notebooks")]

from badges import BRANCH, repository  # noqa: E402

VENDOR = os.environ.get("BOOK_VENDOR", "")  # JavaScript from npm, if there is any

project = "How does a machine read handwriting?"
copyright = "crnn_lib contributors, MIT licence"
extensions = ["myst_nb", "extras"]

# Notebooks are committed with their outputs, and tested. Nothing runs here.
nb_execution_mode = "off"
nb_render_markdown_format = "myst"
myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "deflist", "dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # a glossary may go from its title to its terms
myst_links_external_new_tab = True

html_theme = "sphinx_book_theme"
html_static_path = ["_static", *([VENDOR] if VENDOR else [])]
html_css_files = ["book.css"]
html_js_files = [("book.js", {"priority": 300})]  # after documentation_options.js
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

html_math_renderer = "mathjax" if VENDOR else "source"
mathjax_path = "mathjax/tex-svg.js"
# The menu would ask for files that the book does not have.
mathjax3_config = {"options": {"enableMenu": False}}
