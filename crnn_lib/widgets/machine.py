"""The machine: a number is written, and every stage of its reading stands below it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import traitlets

from crnn_lib.models import frame_edges
from crnn_lib.widgets.base import Explorer, bundle, encode, stylesheet

SHOWN = 4  # features
PEN = 14.0  # units of the sheet

#: 55207 as somebody wrote it: strokes, and the places x,y of each on the sheet.
WRITTEN = """
96,80 94,89 92,99 87,109 87,119 83,129 81,138 92,133 101,129 109,127 119,128 129,132 139,136
146,141 151,149 152,160 150,171 146,182 139,193 132,202 123,209 111,215 99,215 88,213 80,211
67,207 60,206;
96,81 106,80 114,80 123,79 135,79 146,78 159,77 167,77;
294,72 282,72 272,73 260,73 249,73 239,73 230,73 227,82 225,91 220,103 220,114 216,126 225,122
234,119 242,117 253,120 262,123 269,128 277,135 281,145 283,153 278,165 275,173 270,183
263,190 257,196 247,201 236,201 222,199 209,195 198,193;
310,120 317,115 322,107 328,100 337,93 345,91 357,89 369,91 380,97 386,104 390,111 391,120
390,129 385,140 381,149 375,158 367,168 362,174 356,184 348,191 342,198 334,205 326,212
319,219 312,225 322,225 334,224 347,223 359,223 374,223 384,223 396,224 402,224;
494,81 485,83 473,84 462,86 453,91 444,99 436,109 431,116 427,123 422,134 420,142 420,150
419,158 422,170 425,180 430,190 436,200 442,205 451,209 459,213 468,214 478,214 488,212
497,209 504,206 513,198 519,192 526,185 532,178 537,168 539,156 542,148 542,140 541,132
540,121 534,111 526,101 519,90 512,85 502,82 491,82 485,81;
560,102 562,94 565,86 565,77 575,78 587,78 600,79 609,79 618,79 628,78 640,77 651,76 660,76
657,84 650,92 647,101 640,111 638,120 630,131 624,139 620,151 613,160 611,168 607,177 604,186
598,195 594,204 589,216 583,228;
578,149 589,149 600,148 613,147 621,147 633,146 642,145 646,145
"""


class ReadingMachine(Explorer):
    """Write a number, and see ink become windows, features, posteriors, a path, a collapse, a text.

    All stages stand on one axis, the columns of the line, and each digit keeps its colour from the
    first to the last. A frame that is pointed at in one of them is shown in all. Until somebody
    writes, a line is shown that was read beforehand; then the network reads in the page, in pages
    of the book.

    Parameters
    ----------
    reader : crnn_lib.photos.Reader, optional
        By default, one with the weights that ship, and only with these can a page read by itself.

    Examples
    --------
    >>> machine = ReadingMachine()
    >>> machine.text, machine
    ('55207', ReadingMachine())
    """

    _esm = bundle("machine.js")
    _css = stylesheet("machine.css")
    words = (
        "The machine: a handwritten 55207 becomes windows, features, posteriors, a path and a "
        "text, one below the other. It works in a browser that runs scripts."
    )

    #: What is on the sheet at first, as :class:`DrawingPad` has it.
    strokes = traitlets.List(traitlets.Dict()).tag(sync=True)
    #: What the network makes of it: image, features and lattice.
    example = traitlets.Dict().tag(sync=True)
    #: Numbers of the features that are shown.
    channels = traitlets.List(traitlets.Int()).tag(sync=True)
    #: Columns of the first frame's window, ``[start, end)``, and how far the next one is.
    field = traitlets.List(traitlets.Int()).tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    rows = traitlets.Int().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    symbols = traitlets.List(traitlets.Unicode()).tag(sync=True)
    blank = traitlets.Int().tag(sync=True)
    network = traitlets.Unicode("").tag(sync=True)

    def __init__(self, reader: Any = None) -> None:
        # imported late: what reads drawings would delay every other explorer
        from crnn_lib.widgets.pad import _shipped_name
        from crnn_lib.widgets.pad_reading import PadReader

        pad = PadReader(reader)
        network = pad.reader.model
        strokes = [
            {"points": _points(stroke), "width": PEN, "erase": False}
            for stroke in WRITTEN.split(";")
        ]
        reading, line = pad.read_drawing(strokes)
        with torch.inference_mode():
            features, _ = network.features(torch.from_numpy(line.image)[None, None])
        columns = features[0].unflatten(1, (network.config.channels[-1], -1)).numpy()  # (T, C', H')
        chosen = _different(columns, SHOWN)
        shown = _loudness(columns)[:, chosen]  # (T, K, H')
        edges = frame_edges(network, len(columns))
        start, end = network.receptive_field(0)
        following, _ = network.receptive_field(1)
        self.text = reading.text
        alphabet = pad.alphabet
        super().__init__(
            strokes=strokes,
            example={
                "image": encode(np.rint(255 * line.image), "u1"),
                "logProbs": encode(reading.log_probs),
                "features": encode(np.rint(255 * shown), "u1"),
                "frames": len(columns),
                "first": float(edges[0]),
                "step": float(edges[1] - edges[0]),
            },
            channels=chosen,
            field=[start, end, following - start],
            width=columns.shape[1],
            rows=columns.shape[2],
            height=network.config.height,
            symbols=list(alphabet.symbols),
            blank=alphabet.blank,
            network=_shipped_name(reader),
        )


def _points(stroke: str) -> list[list[int]]:
    """
    >>> _points("96,80 94,89")
    [[96, 80], [94, 89]]
    """
    return [[int(number) for number in place.split(",")] for place in stroke.split()]


def _loudness(columns: np.ndarray) -> np.ndarray:
    """How loud each feature is, from 0, silent, to 1, its loudest on this line: (T, C', H')."""
    least, most = (end((0, 2), keepdims=True) for end in (columns.min, columns.max))
    return (columns - least) / np.maximum(most - least, 1e-6)


def _different(columns: np.ndarray, count: int) -> list[int]:
    """Features that change most along the line, and differ from each other: of (T, C', H')."""
    loudness = _loudness(columns).transpose(1, 0, 2)
    curves = loudness.reshape(len(loudness), -1)  # (C', T * H')
    centred = curves - curves.mean(1, keepdims=True)
    sizes = np.linalg.norm(centred, axis=1)  # (C',)
    units = centred / np.maximum(sizes, 1e-6)[:, None]
    chosen = [int(sizes.argmax())]
    while len(chosen) < count:
        alike = np.abs(units @ units[chosen].T).max(1)  # (C',)
        chosen.append(int((sizes**2 * (1 - alike)).argmax()))
    return sorted(chosen)
