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
HANDS = 10  # so many on either side are read beforehand
QUIET = 0.3  # seconds without a change, after which the stops are read
REMEMBERED = 1000  # readings of lines
NOTE = "Number, slant, stroke and hand move in a running notebook: open it in Colab or JupyterLab."


class StripMaker(VBox):
    """A number, written as the sliders say: its ink, and how a network reads it, on one axis.

    The glyphs stay while a slider moves: only what it names changes. ``hand`` takes other glyphs.
    Once the sliders rest, the kernel reads the line at every stop of each of them, so that a step
    shows ink, posteriors and text at once. What the page has not got yet is drawn at once and read
    by the kernel. A saved notebook shows a frozen reader, in which the spacing still moves.

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
        sliders = self.sliders = (self.spacing, self.slant, self.stroke, self.hand)
        self._due: asyncio.TimerHandle | None = None
        self._readings: dict[tuple, dict] = {}  # settings -> what was written and read
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
        self.view.observe(lambda change: self._rest(), names="seen")
        self._rewrite()

    def __repr__(self) -> str:
        return f"StripMaker({self.text.value!r})"

    def style(self) -> LineStyle:
        """The style that the sliders describe. Digits may overlap as far as the spacing says."""
        return _style(self._settings())

    def frozen(self) -> FrozenReader:
        """The strip as it stands, at every stop of the spacing: an explorer without a kernel.

        Raises
        ------
        ValueError
            If the strip has no network to read it, or nothing that can be written.
        """
        if self.model is None or self.line is None:
            raise ValueError("A frozen reader needs a strip, and a model that reads it.")
        lines = [self._written(self._settings(spacing=stop)) for stop in STOPS]
        nearest = min(range(len(STOPS)), key=lambda k: abs(STOPS[k] - self.spacing.value))
        return FrozenReader(self.model, lines, STOPS, note=NOTE, step=nearest)

    @property
    def picture(self) -> Image:
        """The strip and its reading as a PNG image, drawn when it is asked for."""
        assert self.line is not None
        readings = None if self.hypothesis is None else [self.hypothesis.text]
        return Image(value=to_png(plot_lines(self.line, readings=readings)), format="png")

    def _settings(self, **others: float) -> dict:
        """What the text and the sliders say, but for those that are named."""
        text = self.text.value.strip() if self.line is None else self.line.texts[0]
        return {"text": text, **{s.description: s.value for s in self.sliders}, **others}

    def _written(self, settings: dict) -> LineBatch:
        generator = torch.Generator().manual_seed(settings["hand"])
        return compose_lines(self.glyphs, 1, _style(settings), generator, texts=[settings["text"]])

    def _around(self) -> list[dict]:
        """Settings that one slider can reach from here, the nearest of each first."""
        found = []
        for s in self.sliders:
            stops = [round(s.min + s.step * k, 2) + 0 for k in range(_steps(s) + 1)]
            stops.sort(key=lambda stop: abs(stop - s.value))
            if s is self.hand:
                stops = [stop for stop in stops if abs(stop - s.value) <= HANDS]
            found += [self._settings(**{s.description: stop}) for stop in stops]
        return found

    def _read(self, settings: dict) -> dict:
        """A line, written and read, with the settings that it was written with."""
        key = tuple(settings.values())
        if key not in self._readings:
            if len(self._readings) >= REMEMBERED:
                self._readings.clear()
            self._readings[key] = describe(self.model, self._written(settings)) | settings
        return self._readings[key]

    def _read_stops(self, settings: list[dict], next_one: int) -> None:
        """Read one stop more, and come back for the next: what is dragged meanwhile comes first."""
        if next_one < len(settings):
            self._read(settings[next_one])
            loop = asyncio.get_running_loop()
            self._due = loop.call_later(0.01, self._read_stops, settings, next_one + 1)
        else:
            self._due, self.view.stops = None, [self._read(each) for each in settings]

    def _rest(self) -> None:
        """Read the stops once nothing has changed for a moment, if a page shows them."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self.model is not None and self.view.seen:
            self._due = loop.call_later(QUIET, lambda: self._read_stops(self._around(), 0))

    def _repr_mimebundle_(self, **kwargs):
        shown = super()._repr_mimebundle_(**kwargs)
        # of ipywidgets 8, a bundle alone; else with its metadata
        data, metadata = shown if isinstance(shown, tuple) else (shown, {})
        if self.model is not None and self.line is not None and "google.colab" not in sys.modules:
            frozen = self.frozen()
            add_page(frozen, data, metadata)
            self.view.stops = [
                {**step, **self._settings(spacing=step["stop"])} for step in frozen.steps
            ]
            for read in self.view.stops:  # already
                self._readings[tuple(read[name] for name in self._settings())] = read
        return data, metadata

    def _rewrite(self, change: object = None) -> None:
        text = self.text.value.strip()
        if not 1 <= len(text) <= LONGEST or set(text) - set(self.glyphs.characters):
            known = html.escape(self.glyphs.characters)
            self._say(f"Write 1 to {LONGEST} of these characters: {known}")
            return
        self.line = self._written(self._settings() | {"text": text})
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
            self.view.now = now | self._settings()
            self._say(html.escape(words))
        self._rest()

    def _say(self, words: str) -> None:
        self.words.value, self.view.said = words, html.unescape(words)


def _style(settings: dict) -> LineStyle:
    """How a line is written with these settings. Digits may overlap as far as the spacing says."""
    spacing, slant, stroke = (settings[name] for name in ("spacing", "slant", "stroke"))
    return replace(
        LineStyle(),
        spacing=(spacing, spacing),
        spacing_jitter=0.0,
        minimum_pitch=0.0,
        slant=(slant, slant),
        stroke=(stroke, stroke),
    )


def _steps(slider: FloatSlider | IntSlider) -> int:
    """How many steps a slider has from its lower to its upper end."""
    return round((slider.max - slider.min) / slider.step)


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
    #: The line as it was written and read, and as it is at the stops of the sliders; with the
    #: settings of each. `said` is the sentence about it.
    now = traitlets.Dict().tag(sync=True)
    stops = traitlets.List(traitlets.Dict()).tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    #: Whether a page shows it.
    seen = traitlets.Bool(False).tag(sync=True)
