"""What the strip maker looks like: its field, sliders and picture, for eyes, keys and ears."""

from __future__ import annotations

import traitlets

from crnn_lib.widgets.base import Explorer, bundle, stylesheet


class StripView(Explorer):
    """Controls and picture of a :class:`~crnn_lib.widgets.strip_maker.StripMaker`.

    The sliders of ipywidgets have no name that a screen reader could say, its pictures no text,
    and a letter typed on one of them is a command to the notebook. So the maker shows these.

    Parameters
    ----------
    ranges : list of [name, low, high, step]
        One for each slider; the names are those of the traits.
    longest : int
        How many characters the field takes.
    """

    _esm = bundle("strip_view.js")
    _css = stylesheet("strip_view.css")
    words = "The strip maker. Run the notebook in JupyterLab or Colab to use it."

    text = traitlets.Unicode().tag(sync=True)
    spacing = traitlets.Float().tag(sync=True)
    slant = traitlets.Float().tag(sync=True)
    stroke = traitlets.Float().tag(sync=True)
    hand = traitlets.Int().tag(sync=True)
    ranges = traitlets.List().tag(sync=True)
    longest = traitlets.Int(12).tag(sync=True)
    #: Base64 text of a PNG file, and the sentence below it.
    picture = traitlets.Unicode().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
