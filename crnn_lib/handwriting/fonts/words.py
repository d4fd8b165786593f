"""Words written whole in a font: joins and kerning are the font's, the rest is varied."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from crnn_lib.handwriting.fonts.packages import Font, load_fonts
from crnn_lib.handwriting.pen import WrittenWords

_FINER = 2  # drawn so many times as large, then sampled
_MARGIN = 2  # pixels beside the ink


def draw_words(
    texts: Sequence[str],
    generator: torch.Generator,
    *,
    split: str = "train",
    fonts: Sequence[Font] | None = None,
    height: int = 48,
) -> WrittenWords:
    """Write words, or whole lines of them, each in a font.

    The font draws the word, so joins and kerning are its own. Size, slant, width, weight of the
    stroke, slope and wander of the baseline vary from word to word; so do the gaps between
    letters, where the font does not join them.

    Parameters
    ----------
    texts : sequence of str
        The N texts. Each is written in one of the fonts that have all its characters.
    generator : torch.Generator
        The source of all randomness, on the CPU.
    split : str
        ``"train"`` or ``"test"``: which fonts of :func:`load_fonts`.
    fonts : sequence of Font, optional
        These instead.
    height : int
        Rows of every image: capitals take about half of them.

    Returns
    -------
    WrittenWords
        As the pen's. The columns of a character are those of its ink at half its height.

    Raises
    ------
    FileNotFoundError
        If no font of this split is on this disk.
    ValueError
        If a text is empty, begins or ends with a space, or no font has all its characters.

    Examples
    --------
    With a font that matplotlib brings; it is no hand, but it is there:

    >>> from crnn_lib.handwriting.fonts import load_font, printed_faces
    >>> font = load_font(printed_faces()[0])
    >>> written = draw_words(["Quay", "7 boats"], torch.Generator().manual_seed(0), fonts=[font])
    >>> [len(image) for image in written.images], [len(span) for span in written.spans]
    ([48, 48], [4, 7])
    """
    if isinstance(texts, str):
        raise TypeError(f"texts needs a sequence of texts; got the text {texts!r} itself.")
    if height < 16:
        raise ValueError(f"height must be at least 16 rows; got {height}.")
    fonts = load_fonts(split) if fonts is None else list(fonts)
    if not fonts:
        raise ValueError("fonts needs at least one Font; got none.")
    images, spans, baselines = [], [], []
    for text in texts:
        if not text or text != text.strip():
            raise ValueError(f"A text needs ink at both ends; got {text!r}. Strip its spaces.")
        able = [font for font in fonts if font.characters >= set(text)]
        if not able:
            lacking = {c for c in text if not any(c in font.characters for font in fonts)}
            what = f"{''.join(sorted(lacking))!r}" if lacking else "all its characters together"
            raise ValueError(f"No font of the {len(fonts)} can write {text!r}: none has {what}.")
        font = able[int(torch.randint(len(able), (1,), generator=generator))]
        image, columns, baseline = _write(text, font, height, generator)
        images.append(image)
        spans.append(columns)
        baselines.append(baseline)
    return WrittenWords(images, spans, torch.tensor(baselines), list(texts))


def _write(
    text: str, font: Font, height: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, float]:
    """Image (H, W) uint8, spans (L, 2) and the row of the baseline."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    z = torch.randn(8, generator=generator).clamp(-2.5, 2.5).tolist()
    u = torch.rand(6, generator=generator).tolist()
    wide = math.exp(0.13 * z[0])
    slant = 0.14 * z[1] - 0.02
    slope = 0.02 * z[2] * min(1.0, 6 / len(text))
    # A hand whose small letters are small writes larger. Others have capitals of 1.9 x-heights.
    unit = math.sqrt(font.capital * 1.9 * font.x_height)
    capital = 0.47 * height * math.exp(0.12 * z[3])  # rows of a capital letter of such a hand

    # The word as the font has it, larger than it will be.
    size = max(8, round(_FINER * capital / unit))
    drawn = font._at_size(size)
    loose = 0.0 if font.joined or u[0] < 0.5 else size * (0.12 * u[1] - 0.03)
    starts = [drawn.getlength(text[:n]) for n in range(len(text))]
    starts = [x + n * loose for n, x in enumerate(starts)]
    boxes = np.array([drawn.getbbox(c, anchor="ls") for c in text], float)  # (L, 4)
    boxes[:, [0, 2]] += np.array(starts)[:, None]
    pad = 4 + size // 8
    left, top, right, bottom = drawn.getbbox(text, anchor="ls")
    left, right = min(left, boxes[:, 0].min()), max(right, boxes[:, 2].max())
    top, bottom = min(top, boxes[:, 1].min()), max(bottom, boxes[:, 3].max())
    origin = pad - left, pad - top
    canvas = (int(right - left) + 2 * pad, int(bottom - top) + 2 * pad)
    image = Image.new("L", canvas)
    draw = ImageDraw.Draw(image)
    if loose:
        for character, x in zip(text, starts, strict=True):
            draw.text((origin[0] + x, origin[1]), character, font=drawn, fill=255, anchor="ls")
    else:
        draw.text(origin, text, font=drawn, fill=255, anchor="ls")

    # The stroke: blurred and cut again at another height it is thicker or thinner, and rounder.
    ink = np.asarray(image, np.float32) / 255
    blur = 0.04 * _FINER * capital
    small = font.x_height / unit * min(1.0, wide)  # thick strokes would blot small letters
    wanted = min(0.06 + 0.08 * u[2], 0.24 * small)
    own = font.stroke / unit
    change = max(-0.3 * own, min(0.6 * (wanted - own), 0.05)) * _FINER * capital  # pixels
    cut = 0.5 * math.erfc(change / 2 / blur / math.sqrt(2))
    soft = gaussian_filter(ink, blur)
    ridge = math.erf(font.stroke * size / 2 / blur / math.sqrt(2))  # how high a stroke is then
    ink = np.clip((soft / ridge - cut) * max(blur, 0.5 / cut) + 0.5, 0, 1)  # where no ink is: 0

    # Where each pixel of the result comes from.
    wave, length, phase = 0.02 * abs(z[4]) * capital, (3 + 4 * u[3]) * capital, 6.3 * u[4]

    def lift(x: np.ndarray) -> np.ndarray:
        """Rows by which the line is higher at these columns."""
        return slope * x + wave * np.sin(2 * math.pi * x / length + phase)

    scale = 1 / _FINER
    corners = np.array([[left, top], [left, bottom], [right, top], [right, bottom]])
    across = (corners[:, 0] - slant * corners[:, 1]) * scale * wide
    x0, x1 = across.min() - _MARGIN, across.max() + _MARGIN
    columns = np.arange(x0, x1)  # (W,)
    rise = lift(columns)
    above, below = rise.max() - top * scale, bottom * scale - rise.min()
    shrink = min(1.0, (height - 2) / (above + below))
    above, below, rise = above * shrink, below * shrink, rise * shrink
    room = height - above - below
    baseline = min(max(0.66 * height + 0.05 * height * z[5], above + 1), height - 1 - below)
    baseline = baseline if room > 2 else above + room / 2
    columns = np.arange(x0, x1, 1 / shrink)
    rise = lift(columns) * shrink
    y = (np.arange(height)[:, None] - baseline + rise) / (scale * shrink)  # (H, W)
    x = columns / (scale * wide) + slant * y
    rows = np.stack([y + origin[1], x + origin[0]])  # (2, H, W)
    found = map_coordinates(ink, rows, order=1, mode="constant", prefilter=False)

    middle = slant * (boxes[:, 1] + boxes[:, 3]) / 2
    edges = ((boxes[:, [0, 2]] - middle[:, None]) * scale * wide - x0) * shrink  # (L, 2)
    spaces = np.array([c == " " for c in text])
    for n in spaces.nonzero()[0]:
        edges[n] = edges[n - 1, 1], max(edges[n - 1, 1], edges[n + 1, 0])
    inked = np.flatnonzero(found.max(0) > 0.1)
    first = max(0, inked[0] - _MARGIN)
    last = min(found.shape[1], inked[-1] + 1 + _MARGIN)
    spans = np.stack([np.floor(edges[:, 0]), np.ceil(edges[:, 1])], 1) - first
    spans = np.clip(spans, 0, last - first).astype(np.int64)
    pixels = torch.from_numpy(np.rint(255 * found[:, first:last]).astype(np.uint8))  # (H, W)
    return pixels, torch.from_numpy(spans), float(baseline - rise[first])
