"""The strip maker: a line that is written anew while its writer's habits are dragged."""

from __future__ import annotations

import html
import math
from dataclasses import replace

import torch
from ipywidgets import HTML, FloatSlider, Image, IntSlider, Layout, Text, VBox
from torch import nn

from crnn_lib.decoders import Hypothesis, best_path
from crnn_lib.glyphs import Glyphs, load_glyphs
from crnn_lib.lines import LineBatch, LineStyle, compose_lines
from crnn_lib.plots import plot_lines, to_png

LONGEST = 12  # characters
PEN_GLYPHS = 300


class StripMaker(VBox):
    """A number, written as the sliders say, and read if there is a network to read it.

    The glyphs stay while a slider moves: only what it names changes. ``hand`` takes other glyphs.
    Sliders and text field need a running kernel.

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
        wide = {"style": {"description_width": "70px"}, "layout": Layout(width="420px")}

        def slider(value: float, low: float, high: float, name: str) -> FloatSlider:
            return FloatSlider(
                value=value, min=low, max=high, step=0.05, description=name, readout=True, **wide
            )

        self.text = Text(value=text, description="number", **wide)
        self.spacing = slider(0.15, -0.6, 0.6, "spacing")
        self.slant = slider(0.1, -0.5, 0.8, "slant")
        self.stroke = slider(0.0, -0.8, 1.0, "stroke")
        self.hand = IntSlider(value=5, min=0, max=99, description="hand", **wide)
        self.picture = Image(format="png", layout=Layout(max_width="100%", align_self="flex-start"))
        self.words = HTML()
        controls = (self.text, self.spacing, self.slant, self.stroke, self.hand)
        super().__init__((*controls, self.picture, self.words))
        for control in controls:
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

    def _rewrite(self, change: object = None) -> None:
        text = self.text.value.strip()
        if not 1 <= len(text) <= LONGEST or set(text) - set(self.glyphs.characters):
            known = html.escape(self.glyphs.characters)
            self.words.value = f"Write 1 to {LONGEST} of these characters: {known}"
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
        self.words.value = html.escape(words)
