"""The strip maker: a line that is written anew while its writer's habits are dragged."""

from __future__ import annotations

import asyncio
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
from crnn_lib.widgets.base import Explorer, add_page, bundle, encode, stylesheet
from crnn_lib.widgets.frozen import FrozenReader, describe, pack

LONGEST = 12  # characters
PEN_GLYPHS = 300
TIGHTEST, WIDEST, APART = -0.6, 0.6, 0.05  # of the spacing's stops
STOPS = [round(TIGHTEST + APART * k, 2) + 0.0 for k in range(25)]  # no -0.0
QUIET = 0.3  # seconds without a change, after which the stops are read
NOTE = "Number, slant, stroke and hand move in a running notebook: open it in Colab or JupyterLab."


class StripMaker(VBox):
    """A number, written as the sliders say: its ink, and how a network reads it, on one axis.

    The glyphs stay while a slider moves: only what it names changes. ``hand`` takes other glyphs.
    What the page has not got is drawn at once and read by the kernel. Once the sliders rest, the
    kernel reads the line at every stop of the spacing, so that this slider needs it no longer. A
    saved notebook shows a frozen reader, in which the spacing still moves.

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
        self.words = HTML()
        controls = (self.text, self.spacing, self.slant, self.stroke, self.hand)
        sliders = controls[1:]
        self._due: asyncio.TimerHandle | None = None
        known = {} if model is None else {"symbols": list(model.alphabet.symbols)}
        self.view = StripView(
            ranges=[[s.description, s.min, s.max, s.step] for s in sliders],
            longest=LONGEST,
            blank=0 if model is None else model.alphabet.blank,
            **known,
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
        lines = [self._written(stop) for stop in STOPS]
        nearest = min(range(len(STOPS)), key=lambda k: abs(STOPS[k] - self.spacing.value))
        return FrozenReader(self.model, lines, STOPS, note=NOTE, step=nearest)

    @property
    def picture(self) -> Image:
        """The strip and its reading as a PNG image, drawn when it is asked for."""
        assert self.line is not None
        readings = None if self.hypothesis is None else [self.hypothesis.text]
        return Image(value=to_png(plot_lines(self.line, readings=readings)), format="png")

    def _written(self, spacing: float) -> LineBatch:
        """The strip that is shown, with that spacing."""
        assert self.line is not None
        generator = torch.Generator().manual_seed(self.hand.value)
        style = replace(self.style(), spacing=(spacing, spacing))
        return compose_lines(self.glyphs, 1, style, generator, texts=self.line.texts)

    def _settings(self, spacing: float) -> dict:
        assert self.line is not None
        habits = {s.description: s.value for s in (self.slant, self.stroke, self.hand)}
        return {"text": self.line.texts[0], "spacing": spacing, **habits}

    def _read_stops(self, found: list[dict]) -> None:
        """Read one stop more, and come back for the next: what is dragged meanwhile comes first."""
        if len(found) < len(STOPS):
            stop = STOPS[len(found)]
            found.append(describe(self.model, self._written(stop)) | self._settings(stop))
            self._due = asyncio.get_running_loop().call_later(0.01, self._read_stops, found)
        else:
            self._due, self.view.stops = None, found

    def _rest(self) -> None:
        """Read the stops as soon as nothing has changed for a moment; never without a kernel."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        stands = self.view.stops[:1]
        here = self._settings(STOPS[0])
        if self.model is not None and not (stands and {**stands[0], **here} == stands[0]):
            self._due = loop.call_later(QUIET, self._read_stops, [])

    def _repr_mimebundle_(self, **kwargs):
        shown = super()._repr_mimebundle_(**kwargs)
        # of ipywidgets 8, a bundle alone; else with its metadata
        data, metadata = shown if isinstance(shown, tuple) else (shown, {})
        if self.model is not None and self.line is not None and "google.colab" not in sys.modules:
            frozen = self.frozen()
            add_page(frozen, data, metadata)
            self.view.stops = [
                {**step, **self._settings(step["stop"])} for step in frozen.steps
            ]  # they are read already
        return data, metadata

    def _rewrite(self, change: object = None) -> None:
        text = self.text.value.strip()
        if not 1 <= len(text) <= LONGEST or set(text) - set(self.glyphs.characters):
            known = html.escape(self.glyphs.characters)
            self._say(f"Write 1 to {LONGEST} of these characters: {known}")
            return
        generator = torch.Generator().manual_seed(self.hand.value)
        self.line = compose_lines(self.glyphs, 1, self.style(), generator, texts=[text])
        width, words = int(self.line.widths[0]), f"{int(self.line.widths[0])} pixel columns"
        now = {
            "width": width,
            "image": encode(pack(self.line.images[0, 0, :, :width].numpy()), "u1"),
        }
        if self.model is not None:
            with torch.no_grad():
                (self.hypothesis,) = best_path(
                    *self.model(self.line.images, self.line.widths), alphabet=self.model.alphabet
                )
            now = describe(self.model, self.line)
            sure = math.exp(self.hypothesis.log_prob)
            words += f" · read as {self.hypothesis.text or 'nothing'}, probability {sure:.2f}"
        with self.view.hold_sync():
            self.view.height = self.line.images.shape[2]
            self.view.widest = max(self.view.widest, width)
            self.view.now = now | self._settings(self.spacing.value)
            self._say(html.escape(words))
        self._rest()

    def _say(self, words: str) -> None:
        self.words.value, self.view.said = words, html.unescape(words)


class StripView(Explorer):
    """Controls and picture of a :class:`~crnn_lib.widgets.StripMaker`.

    The sliders of ipywidgets have no name that a screen reader could say, and a letter typed on
    one of them is a command to the notebook. So the maker shows these.

    Parameters
    ----------
    ranges : list of [name, low, high, step]
        One for each slider; the names are those of the traits.
    longest : int
        How many characters the field takes.
    """

    _esm = bundle("strip_view.js")
    _css = stylesheet("line_view.css", "strip_view.css")
    words = "The strip maker. Run the notebook in JupyterLab or Colab to use it."

    text = traitlets.Unicode().tag(sync=True)
    spacing = traitlets.Float().tag(sync=True)
    slant = traitlets.Float().tag(sync=True)
    stroke = traitlets.Float().tag(sync=True)
    hand = traitlets.Int().tag(sync=True)
    ranges = traitlets.List().tag(sync=True)
    longest = traitlets.Int(12).tag(sync=True)
    symbols = traitlets.List(traitlets.Unicode()).tag(sync=True)
    blank = traitlets.Int().tag(sync=True)
    height = traitlets.Int(32).tag(sync=True)
    widest = traitlets.Int(160).tag(sync=True)
    #: The line as it was written and read, and as it is at each stop of the spacing; with the
    #: settings of each. `said` is the sentence about it.
    now = traitlets.Dict().tag(sync=True)
    stops = traitlets.List(traitlets.Dict()).tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
