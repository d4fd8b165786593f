"""The pen writes words: letters side by side on one line, joined by those who join them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from crnn_lib.alphabet import as_number, is_whole
from crnn_lib.handwriting._precision import single_precision
from crnn_lib.handwriting.pen.forms import SAMPLES, TEXT_CHARACTERS, Book, LetterBook, form_tables
from crnn_lib.handwriting.pen.strokes import (
    BLUR,
    _begin_at,
    _check_generator,
    _end_at,
    _hands,
    _integers,
    _shade,
    _text_places,
    _weigh,
    _write_curves,
)

JOIN = 20  # points on the line from one letter to the next
REACH = 7  # pixels from a line beyond which its ink is nothing
HASTY = 0.6  # of the hands write in haste, if any do
HASTIEST = 14.0  # samples of a letter: how far they cut its corners
LETTERS = 256  # written at once, if no word is longer


@dataclass(frozen=True)
class WrittenWords:
    """Words that the pen has written.

    Attributes
    ----------
    images : list of Tensor, (H, W_i) uint8
        Ink bright on black; each is as wide as its word.
    spans : list of Tensor, (L_i, 2)
        Pixel columns ``[start, end)`` of each character's ink, without the line that leads to the
        next. A space has the columns between its neighbours.
    baselines : Tensor, (N,)
        The row on which each word stands at its beginning.
    texts : list of str
    """

    images: list[Tensor]
    spans: list[Tensor]
    baselines: Tensor
    texts: list[str]


@single_precision()
def draw_words(
    texts: Sequence[str],
    generator: torch.Generator,
    *,
    writers: Tensor | Sequence[int] | None = None,
    height: int = 48,
    book: LetterBook | None = None,
    haste: float = 0.0,
) -> WrittenWords:
    """Write words, or whole lines of them, each by one hand.

    Letters stand as near as their shapes allow, on a baseline that the hand keeps as well as it
    can. Who joins goes on from where one letter ends to where the next begins, where both forms
    allow it; a word in capitals is printed by everybody.

    Parameters
    ----------
    texts : sequence of str
        The N texts, of ``TEXT_CHARACTERS`` and spaces between them.
    generator : torch.Generator
        The source of all randomness, on the CPU.
    writers : Tensor or sequence of int, optional
        (N,) who writes each text; the hands are those of :func:`draw_letters`. Without it every
        text has a writer of its own.
    height : int
        Rows of every image: capitals take about half of them.
    book : LetterBook, optional
        The forms to choose from; the pen's own by default.
    haste : float
        How hurried the hastiest hands are: a quick pen cuts corners, so that arches and loops
        grow flat. 0 for hands that take their time, 1 for some that are hard to read.

    Returns
    -------
    WrittenWords

    Raises
    ------
    ValueError
        If a text is empty, begins or ends with a space, or has a character that the pen does not
        know; if there are more or fewer writers than texts.

    Examples
    --------
    >>> written = draw_words(["Quay", "7 boats"], torch.Generator().manual_seed(0))
    >>> [len(image) for image in written.images], [len(span) for span in written.spans]
    ([48, 48], [4, 7])
    """
    _check_generator(generator)
    if isinstance(texts, str):
        raise TypeError(f"texts needs a sequence of texts; got the text {texts!r} itself.")
    if not is_whole(height) or height < 16:
        raise ValueError(f"height must be at least 16 rows; got {height!r:.80}.")
    if not 0 <= as_number(haste) <= 1:
        raise ValueError(f"haste is a number from 0 to 1; got {haste!r:.80}.")
    texts = list(texts) if isinstance(texts, Iterable) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"texts needs a sequence of texts; got {texts!r:.80}.")
    for text in texts:
        if not text or text != text.strip(" "):
            raise ValueError(f"A text needs ink at both ends; got {text!r}. Strip its spaces.")
        _text_places(text.replace(" ", ""), "texts")
    if writers is None:
        writers = torch.randint(2**62, (len(texts),), generator=generator)
    writers = _integers(writers, "writers")
    if len(writers) != len(texts):
        raise ValueError(f"Each text needs one writer: {len(texts)} texts, {len(writers)} writers.")
    parts: list[tuple[list[Tensor], list[Tensor], Tensor]] = []
    first, letters = 0, 0
    for end, text in enumerate(texts, 1):
        letters += len(text)
        if letters >= LETTERS or end == len(texts):
            words = texts[first:end], writers[first:end]
            parts.append(_write_words(*words, generator, height, book or "letters", haste))
            first, letters = end, 0
    return WrittenWords(
        images=[image for images, _, _ in parts for image in images],
        spans=[span for _, spans, _ in parts for span in spans],
        baselines=torch.cat([base for *_, base in parts]) if parts else torch.zeros(0),
        texts=texts,
    )


def _write_words(
    texts: list[str],
    writers: Tensor,
    generator: torch.Generator,
    height: int,
    book: Book,
    haste: float,
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Images, spans and baselines of some words; M letters in all, N words."""
    table = form_tables(book)
    inked = [[c for c in text if c != " "] for text in texts]
    counts = torch.tensor([len(letters) for letters in inked])
    word = torch.arange(len(texts)).repeat_interleave(counts)  # (M,)
    place = torch.tensor([TEXT_CHARACTERS.index(c) for letters in inked for c in letters])
    after = torch.tensor(  # spaces before each letter
        [n for text in texts for n in _spaces(text)], dtype=torch.float32
    )
    last = torch.ones(len(word), dtype=torch.bool)  # (M,) of its word or line
    last[:-1] = (word[1:] != word[:-1]) | (after[1:] > 0)

    # Words in capitals are printed.
    capital = torch.tensor([t for text in texts for t in _in_capitals(text)])  # (M,)
    joining = _hands(writers, generator.initial_seed(), "school").joins[word]  # (M,)
    hand, row, curve, z = _write_curves(
        place, writers[word], generator, book, joins=joining & ~capital
    )
    u = torch.rand((len(word), 3), generator=generator)
    enter, leave = table.enter[row], table.leave[row]
    joint = (leave >= 0) & ~last & (u[:, 0] < hand.joining)  # (M,) goes on to the next
    joint[:-1] &= enter[1:] >= 0
    entered = torch.zeros_like(joint)
    entered[1:] = joint[:-1]
    bare = entered | (u[:, 1] > hand.lead_in)
    joined = table.joined[row]  # (M, P - 1)
    start = enter.clamp_min(0) * bare
    curve, joined = _begin_at(curve, joined, start)
    curve = _end_at(curve, leave, u[:, 2] * table.tail[row] * ~joint)
    if haste:
        who, how_much = torch.rand((len(texts), 2), generator=generator).unbind(1)  # (N,) each
        reach = HASTIEST * haste * (who < HASTY) * how_much
        curve = _cut_corners(curve, joined, reach[word] * (0.5 + 0.5 * _progress(last)))

    # Each letter: narrower or higher, tilted a little, with its foot near the line. A word's last
    # letters are the flattest.
    per_word = torch.randn((len(texts), 4), generator=generator)[word]  # (M, 4)
    size = 1 - hand.fade * _progress(last) * table.small[row]
    size = torch.where(table.capital[row], hand.capital, size)
    size = torch.where(table.figure[row], hand.figure, size)
    width = hand.width * size * torch.exp(0.05 * z[:, 1])
    rise = size * torch.exp(0.03 * z[:, 5])
    tilt = hand.sway * z[:, 2]
    x, y = curve[..., 0], curve[..., 1] - 1  # (M, P) each; the line is 0
    x, y = width[:, None] * x - tilt[:, None] * y, rise[:, None] * y
    y = y + (0.7 * hand.wander * z[:, 6])[:, None]

    thick = (0.78 * hand.radius / 20.5).minimum(0.13 * hand.x_height)  # (M,) no blots
    gap = hand.gap * hand.x_height * torch.where(joint, 0.8, 1.0) + 1.6 * thick
    gap = torch.where(capital, gap * hand.spread, gap)
    space = (0.42 * hand.width + hand.gap) * hand.space * after
    x = x + _positions(x, y, hand.x_height, gap, space, word)[:, None]

    # The word: slant, slope and a slow wave of the line. Over a long line the eye keeps the slope.
    index = word[:, None].expand_as(y)
    length = _by_word(x, index, len(texts), "amax")[word]  # (M,)
    slant = hand.slant + 0.04 * per_word[:, 0]
    slope = 0.15 * hand.turn + hand.climb + 0.012 * per_word[:, 1]
    slope = slope * 5 / length.clamp_min(5)
    wave = hand.wander[:, None] * torch.sin(0.9 * x + 3 * per_word[:, 2:3])
    x, y = x - slant[:, None] * y, y + slope[:, None] * x + wave

    # To pixels: as large as the hand writes, or as fits.
    top = _by_word(y, index, len(texts), "amin")
    foot = _by_word(y, index, len(texts), "amax")
    margin = 2.0
    natural = torch.zeros(len(texts)).index_copy_(0, word, 0.47 * height * hand.size / 20.5)
    scale = torch.minimum(natural, (height - 1 - 2 * margin - 0.08 * height) / (foot - top))
    thick = (scale[word] * thick).clamp_min(0.55)  # (M,)
    edge = torch.zeros(len(texts)).scatter_reduce_(0, word, thick, "amax") + margin
    base = torch.full((len(texts),), 0.68 * height)
    base = base.minimum(height - 1 - edge - scale * foot).maximum(edge - scale * top)
    x, y = scale[word][:, None] * x, scale[word][:, None] * y + base[word][:, None]
    left = _by_word(x, index, len(texts), "amin") - edge
    x = x - left[word][:, None]
    right = _by_word(x, index, len(texts), "amax") + edge
    columns = right.ceil().long()  # (N,) widths of the images

    # The line shakes and swells as on a digit; then the joins, which start from where it is.
    curve = torch.stack([x, y], 2)  # (M, P, 2)
    quick, slow = table.shake.shape[1], table.swell.shape[1]
    noise = torch.randn((len(word), 2 * quick + slow), generator=generator)
    shake = table.shake @ noise[:, slow:].unflatten(1, (quick, 2))  # (M, P, 2)
    shaken = (0.6 * hand.tremor * scale[word] / 20.5)[:, None, None] * shake
    curve = _begin_at(curve + shaken, joined, start)[0]
    swell = 1 + hand.pressure[:, None] * (noise[:, :slow] @ table.swell.T)  # (M, P)
    down = torch.diff(curve[..., 1], dim=1, append=curve[:, -1:, 1])
    swell = swell + hand.nib[:, None] * (2 * down).clamp(-1, 1)
    right = torch.diff(curve[..., 0], dim=1, append=curve[:, -1:, 0])
    up = (right - down) * torch.rsqrt(2 * (right**2 + down**2) + 1e-6)  # thin when it is 1
    swell = swell + hand.edge[:, None] * (0.4 - up.abs())
    links = _links(curve, enter, leave)  # (M, J, 2)
    points = torch.cat([curve, links], 1)  # (M, P + J, 2)
    lifted = torch.zeros(len(word), 1)
    going = joint[:, None].expand(-1, JOIN - 1).float()
    drawn = torch.cat([joined, lifted, going], 1)  # (M, P + J - 1)
    radii = thick[:, None] * swell.clamp(0.5, 1.5)
    radii = (radii**2 + table.dots[row]).sqrt()
    radii = torch.cat([radii, thick[:, None].expand(-1, JOIN)], 1)  # (M, P + J)
    points = torch.where(  # what is not drawn must not widen the picture
        joint[:, None, None] | (torch.arange(SAMPLES + JOIN) < SAMPLES)[:, None],
        points,
        points[:, :1],
    )
    soft = hand.softness * (scale[word] / 20.5).clamp(0.6, 1.2)
    images = _ink_words(points, drawn, radii, thick, soft, word, columns, height)
    low = (curve[..., 0].amin(1) - thick).floor().long().clamp_min(0)
    high = (curve[..., 0].amax(1) + thick).ceil().long() + 1
    high = high.minimum(columns[word])
    spans = torch.stack([low, high], 1).split(counts.tolist())
    return images, [_with_spaces(t, s) for t, s in zip(texts, spans, strict=True)], base


def _positions(
    x: Tensor, y: Tensor, x_height: Tensor, gap: Tensor, space: Tensor, word: Tensor
) -> Tensor:
    """How far to the right each letter (M,) goes, from the left end of its word.

    Two letters come as near as they can above small letters, beside them and below the line, each
    on its own: a bar passes over a small letter. The gap stands after a letter, the space before.
    """
    above, below = y < -0.02 - x_height[:, None], y > 0.12  # (M, P) each
    low, high = x.amin(1), x.amax(1)
    overlap = (0.45 * (high - low)).clamp_max(0.3)  # (M,) that a letter bears at the most
    near = high[:-1] - low[1:] - torch.minimum(overlap[:-1], overlap[1:])  # (M - 1,)
    for band in (above, ~(above | below), below):
        right, left = torch.where(band, x, -9.0).amax(1), torch.where(band, x, 9.0).amin(1)  # (M,)
        near = near.maximum(right[:-1] - left[1:])
    step = pad(near + gap[:-1] + space[1:], (1, 0)).double()  # (M,)
    first = torch.diff(word, prepend=torch.tensor([-1])) > 0
    place = torch.where(first, 0.0, step).cumsum(0)
    return (place - place[first][word]).float()


def _cut_corners(curve: Tensor, joined: Tensor, reach: Tensor) -> Tensor:
    """Curves (M, P, 2) as a hand in haste writes them: each point drawn towards those around it.

    It is diffusion along the stroke, which is as good as a mean with Gaussian weights; ``reach``
    (M,) is their deviation in samples. Where a stroke begins or ends it stays.
    """
    most = float(reach.max())
    if most <= 0:
        return curve
    rounds = math.ceil(most**2 / 0.8)
    both = (joined[:, 1:] * joined[:, :-1])[..., None]  # (M, P - 2, 1) drawn to and from
    rate = 0.4 * (reach / most).square()[:, None, None] * both
    curve = curve.clone()
    for _ in range(rounds):
        curve[:, 1:-1] += rate * (curve[:, 2:] + curve[:, :-2] - 2 * curve[:, 1:-1])
    return curve


def _links(curve: Tensor, enter: Tensor, leave: Tensor) -> Tensor:
    """Lines (M, J, 2) from where each letter is left to where the next is entered.

    Cubics that go on in the direction of the one and arrive in that of the other.
    """
    following = torch.roll(torch.arange(len(curve)), -1)
    rows = torch.arange(len(curve))
    leave, enter = leave.clamp_min(4), enter[following].clamp_min(0)
    a, b = curve[rows, leave], curve[following, enter]  # (M, 2) each
    out = a - curve[rows, leave - 4]
    into = curve[following, enter + 4] - b
    reach = torch.linalg.vector_norm(b - a, dim=1, keepdim=True)
    out = reach * normalize(out, dim=1)
    into = reach * normalize(into, dim=1)
    t = torch.linspace(0, 1, JOIN)[:, None]
    return (
        (1 + 2 * t) * (1 - t) ** 2 * a[:, None]
        + t * (1 - t) ** 2 * out[:, None]
        + t**2 * (3 - 2 * t) * b[:, None]
        + t**2 * (t - 1) * into[:, None]
    )


def _ink_words(
    points: Tensor,
    drawn: Tensor,
    radii: Tensor,
    radius: Tensor,
    softness: Tensor,
    word: Tensor,
    columns: Tensor,
    height: int,
) -> list[Tensor]:
    """Ink of all letters (M, P, 2) on the pictures of their words, (H, W_i) uint8 each.

    Every letter spreads its ink in a window of its own, as wide as the widest; the windows add up
    on one long canvas, where the words lie side by side.
    """
    weight = _weigh(points, drawn, radii, radius)  # (M, P)
    x, y = points.unbind(2)  # (M, P) each
    first = x.amin(1).floor().long() - REACH  # (M,) column where the window begins
    width = int((x.amax(1).ceil().long() + REACH - first).amax()) + 1
    across = _bell(x - first[:, None], width)  # (M, P, Q)
    along = _bell(y, height) * weight[..., None]  # (M, P, H)
    mass = torch.bmm(across.transpose(1, 2), along)  # (M, Q, H)
    offsets = columns.cumsum(0) - columns  # (N,)
    at = first[:, None] + torch.arange(width)  # (M, Q) columns of the word's picture
    outside = (at < 0) | (at >= columns[word][:, None])
    total = int(columns.sum())
    canvas = torch.zeros(total + 1, height)
    places = (at + offsets[word][:, None]).masked_fill(outside, total)
    canvas.index_add_(0, places.flatten(), mass.flatten(0, 1))
    first_letter = torch.searchsorted(word, torch.arange(len(columns)))
    per_column = first_letter.repeat_interleave(columns)  # (sum W,)
    ink = _shade(canvas[:total], radius[per_column][:, None], softness[per_column][:, None])
    return [part.T.contiguous() for part in ink.split(columns.tolist())]


def _bell(places: Tensor, pixels: int) -> Tensor:
    """Gaussians about (M, P) places on that many pixels, (M, P, pixels)."""
    gauss = places[..., None] - torch.arange(pixels, dtype=torch.float32)
    return gauss.square_().mul_(-0.5 / BLUR**2).clamp_(min=-35).exp_()


def _by_word(values: Tensor, index: Tensor, words: int, reduce: str) -> Tensor:
    """The least or greatest of (M, P) values in each word, (N,)."""
    start = torch.zeros(words)
    return start.scatter_reduce_(0, index.flatten(), values.flatten(), reduce, include_self=False)


def _progress(last: Tensor) -> Tensor:
    """How far into its word each letter (M,) is: 0 to 1, and less in short words."""
    ends = last.nonzero()[:, 0]
    lengths = torch.diff(ends, prepend=ends.new_tensor([-1]))  # of the words
    first = (ends + 1 - lengths).repeat_interleave(lengths)  # (M,)
    steps = (lengths - 1).clamp_min(5).repeat_interleave(lengths)
    return (torch.arange(len(last)) - first) / steps


def _spaces(text: str) -> list[int]:
    """How many spaces stand before each character that is none."""
    counts, spaces = [], 0
    for character in text:
        if character == " ":
            spaces += 1
        else:
            counts.append(spaces)
            spaces = 0
    return counts


def _in_capitals(text: str) -> list[bool]:
    """Whether each character that is no space stands in a word of capitals."""
    return [
        part.upper() == part and sum(c.isalpha() for c in part) > 1
        for part in text.split(" ")
        for _ in part
    ]


def _with_spaces(text: str, spans: Tensor) -> Tensor:
    """Spans of a text from those of its ink, (M, 2) -> (L, 2)."""
    if " " not in text:
        return spans
    every = torch.zeros((len(text), 2), dtype=torch.int64)
    inked = torch.tensor([c != " " for c in text])
    every[inked] = spans
    for i in (~inked).nonzero()[:, 0].tolist():
        after = int(inked[i:].int().argmax()) + i
        every[i, 0] = every[i - 1, 1]
        every[i, 1] = every[after, 0].maximum(every[i, 0])
    return every
