"""The strip maker: a line that is written anew while its writer's habits are dragged."""

from __future__ import annotations

import base64
import html
import math
import sys
from dataclasses import replace

import torch
import traitlets
from ipywidgets import HTML, FloatSlider, Image, IntSlider, Text, VBox
from torch import nn

from crnn_lib.decoders import Hypothesis, best_path
from crnn_lib.handwriting import Glyphs, LineBatch, LineStyle, compose_lines, load_glyphs
from crnn_lib.plots import plot_lines, to_png
from crnn_lib.widgets.base import Explorer, bundle, stylesheet
from crnn_lib.widgets.frozen import FrozenReader

LONGEST = 12  # characters
PEN_GLYPHS = 300
TIGHTEST, WIDEST, APART = -0.6, 0.6, 0.05  # of the spacing's stops
NOTE = "Number, slant, stroke and hand move in a running notebook: open it in Colab or JupyterLab."


class StripMaker(VBox):
    """A number, written as the sliders say, and read if there is a network to read it.

    The glyphs stay while a slider moves: only what it names changes. ``hand`` takes other glyphs.
    Sliders and text field need a running kernel. A saved notebook shows a frozen reader in their
    place, in which the spacing still moves.

    Parameters
    ----------
    text : str
        What to write first.
    glyphs : Glyphs, optional
        What to write with; test digits of the built-in pen by default.
    model : CRNN or SlidingWindowRNN, optional
        Reads the strip. Without it the strip is only written.

    Attributes
    ----------
    line : LineBatch
        The strip that is shown: one line.
    hypothesis : Hypothesis or None
        How it was read.

    Examples
    --------
    >>> maker = StripMaker("55207")
    >>> maker
    StripMaker('55207')
    >>> maker.spacing.value = -0.4  # as the slider does
    >>> maker.line.texts
    ['55207']
    """

    def __init__(
        self, text: str = "55207", *, glyphs: Glyphs | None = None, model: nn.Module | None = None
    ) -> None:
        self.glyphs = load_glyphs("pen", "test", count=PEN_GLYPHS) if glyphs is None else glyphs
        self.model = model
        self.line: LineBatch | None = None
        self.hypothesis: Hypothesis | None = None

        def slider(value: float, low: float, high: float, name: str) -> FloatSlider:
            return FloatSlider(value=value, min=low, max=high, step=APART, description=name)

        # These hold the values, and may be watched and set; what is seen is the view.
        self.text = Text(value=text, description="text")
        self.spacing = slider(0.15, TIGHTEST, WIDEST, "spacing")
        self.slant = slider(0.1, -0.5, 0.8, "slant")
        self.stroke = slider(0.0, -0.8, 1.0, "stroke")
        self.hand = IntSlider(value=5, min=0, max=99, description="hand")
        self.picture = Image(format="png")
        self.words = HTML()
        controls = (self.text, self.spacing, self.slant, self.stroke, self.hand)
        sliders = controls[1:]
        self.view = StripView(
            ranges=[[s.description, s.min, s.max, s.step] for s in sliders], longest=LONGEST
        )
        super().__init__((self.view,))
        for control in controls:
            traitlets.link((control, "value"), (self.view, control.description))
            control.observe(self._rewrite, names="value")
        self._rewrite()

    def __repr__(self) -> str:
        return f"StripMaker({self.text.value!r})"

    def style(self) -> LineStyle:
        """The style that the sliders describe. Digits may overlap as far as the spacing says."""
        spacing, slant, stroke = (s.value for s in (self.spacing, self.slant, self.stroke))
        return replace(
            LineStyle(),
            spacing=(spacing, spacing),
            spacing_jitter=0.0,
            minimum_pitch=0.0,
            slant=(slant, slant),
            stroke=(stroke, stroke),
        )

    def frozen(self) -> FrozenReader:
        """The strip as it stands, at every stop of the spacing: an explorer without a kernel.

        Raises
        ------
        ValueError
            If the strip has no network to read it, or nothing that can be written.
        """
        if self.model is None or self.line is None:
            raise ValueError("A frozen reader needs a strip, and a model that reads it.")
        count = round((WIDEST - TIGHTEST) / APART) + 1
        stops = [round(WIDEST - APART * k, 2) + 0.0 for k in range(count)]  # no -0.0
        lines = []
        for stop in stops:
            generator = torch.Generator().manual_seed(self.hand.value)
            style = replace(self.style(), spacing=(stop, stop))
            lines.append(compose_lines(self.glyphs, 1, style, generator, texts=self.line.texts))
        nearest = min(range(count), key=lambda k: abs(stops[k] - self.spacing.value))
        return FrozenReader(self.model, lines, stops, note=NOTE, step=nearest)

    def _repr_mimebundle_(self, **kwargs):
        data = super()._repr_mimebundle_(**kwargs)
        if self.model is not None and self.line is not None and "google.colab" not in sys.modules:
            data["text/html"] = self.frozen().static_html()
        return data

    def _rewrite(self, change: object = None) -> None:
        text = self.text.value.strip()
        if not 1 <= len(text) <= LONGEST or set(text) - set(self.glyphs.characters):
            known = html.escape(self.glyphs.characters)
            self._say(f"Write 1 to {LONGEST} of these characters: {known}")
            return
        generator = torch.Generator().manual_seed(self.hand.value)
        self.line = compose_lines(self.glyphs, 1, self.style(), generator, texts=[text])
        readings, words = None, f"{int(self.line.widths[0])} pixel columns"
        if self.model is not None:
            with torch.no_grad():
                (self.hypothesis,) = best_path(
                    *self.model(self.line.images, self.line.widths), alphabet=self.model.alphabet
                )
            readings = [self.hypothesis.text]
            sure = math.exp(self.hypothesis.log_prob)
            words += f" · read as {self.hypothesis.text or 'nothing'}, probability {sure:.2f}"
        self.picture.value = to_png(plot_lines(self.line, readings=readings))
        self.view.picture = base64.b64encode(self.picture.value).decode("ascii")
        self._say(html.escape(words))

    def _say(self, words: str) -> None:
        self.words.value, self.view.said = words, html.unescape(words)


class StripView(Explorer):
    """Controls and picture of a :class:`~crnn_lib.widgets.StripMaker`.

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
