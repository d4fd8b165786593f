"""What all explorers share: one ES module each, and two ways to live, with a kernel or without.

An explorer is an `anywidget <https://anywidget.dev>`_ whose ES module holds all of its logic. In a
notebook with a kernel, its traits travel to Python and back. Anywhere else (an exported page, a
book, a file on disk) :meth:`Explorer.static_html` carries the same module and the traits' values,
and needs no kernel, no widget manager and no network.

Displayed, an explorer offers both. A front end with a live kernel prefers the widget; whoever
reads a saved notebook without one gets the page.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crnn_lib.handwriting import LineBatch

FOLDER = Path(__file__).parent / "js"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)


def bundle(*names: str) -> str:
    """ES modules of this folder as one text: what a module imports comes before it, once.

    The files are modules of their own, so that an editor and node understand them. A notebook
    gets one text, because its front ends load no second file.

    Parameters
    ----------
    *names : str
        File names. An import names a neighbour in one statement at the start of a line:
        ``import { a, b } from "./common.js";``, without renaming. No two modules may declare the
        same name.

    >>> bundle("static.js").startswith("// A model")
    True
    """
    parts: dict[str, str] = {}

    def add(name: str) -> None:
        if name not in parts:
            text = (FOLDER / name).read_text(encoding="utf-8")
            for imported in _IMPORT.findall(text):
                add(imported)
            parts[name] = _IMPORT.sub("", text)

    for name in names:
        add(name)
    return "\n".join(parts.values())


def stylesheet(*names: str) -> str:
    """CSS files of this folder as one text: the common one, then those named."""
    return "\n".join((FOLDER / n).read_text(encoding="utf-8") for n in ("common.css", *names))


def encode(array, kind: str = "<f4") -> str:
    """An array as base64 text: float32, or bytes with the kind ``"u1"``.

    Text, because binary traits get lost in some front ends. The module reads it with
    ``decodeFloats`` or ``decodeBytes``.

    >>> encode([1.0, 0.5])
    'AACAPwAAAD8='
    """
    data = np.ascontiguousarray(array, dtype=kind).tobytes()
    return base64.b64encode(data).decode("ascii")


def decode(text: str, kind: str = "<f4") -> np.ndarray:
    """The numbers in such a text, in one row.

    >>> decode("AACAPwAAAD8=")
    array([1. , 0.5], dtype=float32)
    """
    return np.frombuffer(base64.b64decode(text), kind)


def draw_small(figure: Figure) -> bytes:
    """A figure as a PNG file of few colours: it travels inside a notebook, beside the explorer."""
    from PIL import Image

    from crnn_lib.plots import to_png

    with Image.open(io.BytesIO(to_png(figure))) as picture:
        small = picture.convert("RGB").resize((picture.width * 2 // 3, picture.height * 2 // 3))
        file = io.BytesIO()
        small.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()


def line_image(image) -> Tensor:
    """The picture of one line, (1, H, W) or (H, W), as (H, W); something else is refused."""
    image = torch.as_tensor(image).detach().cpu()
    one = image[0] if image.ndim == 3 and len(image) == 1 else image
    if one.ndim != 2 or not one.numel():
        raise ValueError(f"image is one line, (1, H, W); got the shape {tuple(image.shape)}.")
    return one


def text_of(lines: Sequence[LineBatch]) -> str:
    """What the first line of each batch says: the same in all of them."""
    texts = sorted({line.texts[0] for line in lines})
    if len(texts) > 1:
        raise ValueError(f"All lines say the same; got {', '.join(texts)}.")
    return texts[0]


def alphabet_of(symbols: Sequence[str], blank: int) -> Alphabet:
    """The alphabet with these symbols, one for each class, as an explorer sends them to the page.

    >>> alphabet_of(["-", "th", "e"], 0)
    Alphabet(characters=('th', 'e'), blank=0)
    """
    return Alphabet((*symbols[:blank], *symbols[blank + 1 :]), blank)


def place_of(name: str, lines: Sequence[dict]) -> int:
    """Where the line of a name stands among those that an explorer offers."""
    names = [line["name"] for line in lines]
    if name not in names:
        raise ValueError(f"There is no line {name!r} here; there are {', '.join(names)}.")
    return names.index(name)


class Explorer(anywidget.AnyWidget):
    """Base class of the explorers.

    A subclass sets ``_esm = bundle("name.js")``, ``_css = stylesheet("name.css")`` and its traits,
    which hold JSON-able values and carry ``sync=True``. The module ends in
    ``export default { render };``, with a function ``render({ model, el })``.
    """

    _ipython_display_ = None  # of ipywidgets 7: it would show the live widget alone
    #: What stands in the explorer's place where no script runs.
    words = "An interactive figure. Run the notebook in JupyterLab or Colab to use it."

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @property
    def state(self) -> dict:
        """Name and value of each trait that the explorer's own class declares."""
        names = [
            name
            for name, trait in self.traits(sync=True).items()
            if not name.startswith("_") and issubclass(trait.this_class, Explorer)
        ]
        return {name: getattr(self, name) for name in sorted(names)}

    def still(self) -> Figure | None:
        """The explorer as it is now, as a figure for where no script runs; None if it has none."""
        return None

    def static_html(self, picture: bytes | None = None) -> str:
        """The explorer as it is now, as HTML that lives without kernel, manager and network.

        Equal states give equal text, so that a second run of a notebook changes nothing.

        Parameters
        ----------
        picture : bytes, optional
            A PNG file that stands in the explorer's place where no script runs, its words in
            place of a sight of it. Without it, its words stand there alone.
        """
        place = f"<p>{self.words}</p>"
        if picture is not None:
            data = base64.b64encode(picture).decode("ascii")
            words = html.escape(self.words, quote=True)
            place = f'<img src="data:image/png;base64,{data}" alt="{words}"/>'
        # "<" would end or open something in HTML; in the state it stands inside strings only
        state = json.dumps(self.state, sort_keys=True, allow_nan=False).replace("<", "\\u003c")
        code = bundle("static.js") + str(self._esm)
        if "</script" in code or "<!--" in code:
            raise ValueError(f"The module of {self!r} contains HTML that would end its script.")
        key = hashlib.sha256((code + state).encode()).hexdigest()[:12]
        # The same explorer may stand on a page twice: each script takes the first free place.
        return (
            f'<style>{self._css}</style><div data-explorer="{key}">{place}</div>'
            f'<script type="module">{code}\n'
            f"showStatic('{key}', {state}, render);</script>"
        )

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        if "google.colab" not in sys.modules:  # Colab always has a kernel
            add_page(self, data, metadata)
        return data, metadata


def add_page(explorer: Explorer, data: dict, metadata: dict) -> None:
    """Put the page of an explorer, and its picture if it has one, into what a notebook keeps."""
    figure = explorer.still()
    picture = None if figure is None else draw_small(figure)
    data["text/html"] = explorer.static_html(picture)
    if picture is not None:
        data["image/png"] = base64.b64encode(picture).decode("ascii")
        metadata["image/png"] = {"alt": explorer.words}
