"""From an alignment to its label, and from a label to its alignments."""

from __future__ import annotations

import traitlets
from matplotlib.figure import Figure

from crnn_lib.alphabet import BLANK_SYMBOL
from crnn_lib.ctc import collapse, count_alignments
from crnn_lib.widgets.base import Explorer, bundle, stylesheet

MOST_FRAMES, MOST_CHARACTERS = 40, 12  # up to these, JavaScript counts exactly


class CollapseExplorer(Explorer):
    """Type or click an alignment; watch repeats merge, then blanks fall.

    Below it, the way back: count and browse the alignments that collapse to a text.

    Parameters
    ----------
    alignment : str
        One symbol per frame, the blank drawn as ``-``; at most 40.
    text : str
        The label whose alignments are counted; at most 12 characters.
    frames : int
        T of the alignments that are counted, 1 to 40.
    characters : str
        The alphabet.

    Attributes
    ----------
    frame : int
        The selected frame, from 0.
    step : int
        0 shows the alignment, 1 the result of the first rule, 2 that of both. It opens at 0.
    drop_first : bool
        The classic mistake: drop blanks, then merge repeats.
    number : int
        Which alignment of the text is shown, from 0, in the order of
        :func:`crnn_lib.ctc.alignments`.

    >>> explorer = CollapseExplorer()
    >>> explorer.alignment, explorer.label, explorer.count
    ('55-55222--07', '55207', 8008)
    >>> explorer.drop_first = True
    >>> explorer.label
    '5207'
    """

    _esm = bundle("collapse.js")
    _css = stylesheet("collapse.css")
    words = (
        "The collapse explorer: an alignment such as 55-55222--07 loses its repeats, then its "
        "blanks, and becomes 55207. Run the notebook in JupyterLab or Colab to use it."
    )

    characters = traitlets.Unicode("0123456789").tag(sync=True)
    alignment = traitlets.Unicode("55-55222--07").tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    drop_first = traitlets.Bool(False).tag(sync=True)
    text = traitlets.Unicode("55207").tag(sync=True)
    frames = traitlets.Int(12).tag(sync=True)
    number = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        alignment: str = "55-55222--07",
        text: str = "55207",
        frames: int = 12,
        *,
        characters: str = "0123456789",
    ) -> None:
        if BLANK_SYMBOL in characters:
            raise ValueError(
                f"The characters {characters!r} contain {BLANK_SYMBOL!r}, which draws the blank."
            )
        super().__init__(characters=characters, alignment=alignment, text=text, frames=frames)

    def still(self) -> Figure:
        """The explorer as it is now, as a figure."""
        from crnn_lib.widgets.stills import plot_collapse

        return plot_collapse(self.alignment, drop_first=self.drop_first)

    @property
    def label(self) -> str:
        """What the alignment becomes, in the order that is set."""
        if self.drop_first:
            return "".join(collapse(self.alignment.replace(BLANK_SYMBOL, ""), blank=BLANK_SYMBOL))
        return "".join(collapse(self.alignment, blank=BLANK_SYMBOL))

    @property
    def count(self) -> int:
        """Number of alignments of ``frames`` frames that collapse to ``text``."""
        return count_alignments([ord(c) for c in self.text], self.frames)

    @traitlets.validate("alignment", "text")
    def _known(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        known, most = self.characters, MOST_CHARACTERS
        if name == "alignment":
            known, most = BLANK_SYMBOL + known, MOST_FRAMES
        unknown = [symbol for symbol in value if symbol not in known]
        if unknown:
            raise ValueError(f"{name} {value!r} has {unknown[0]!r}; it is made of {known!r}.")
        if len(value) > most:
            raise ValueError(f"{name} has at most {most} symbols here; got {len(value)}.")
        return value

    @traitlets.validate("frames")
    def _within(self, proposal):
        if not 1 <= proposal["value"] <= MOST_FRAMES:
            raise ValueError(f"frames is 1 to {MOST_FRAMES} here; got {proposal['value']}.")
        return proposal["value"]
