"""Fonts of single strokes: their letters become forms, which the pen's own writers then write.

An SVG font keeps a letter as lines through many points. A form needs the few that matter, on the
copybook's lines, upright, and drawn from left to right, as a hand does.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from crnn_lib.handwriting.pen.forms import TEXT_FORMS, Form, LetterBook

STRAY = 0.022  # heights of a capital by which a form may leave the font's own line
CORNER = math.radians(65)  # a turn that is sharper is a corner
MOST = 32  # points of a form
STROKES = 4


def read_stroke_font(path: str | Path) -> dict[str, Form]:
    """Forms of the letters that a single-stroke SVG font has.

    Digits and marks are left out: the pen's own suit the amounts that they stand in. Capitals are
    as high as the font's H, small letters as its x; a slant is taken out, as each hand has its own.
    A small letter that begins low on the left and ends on the right is a joined hand's.

    Parameters
    ----------
    path : str or Path
        The font: ``glyph`` elements with ``unicode`` and a path ``d`` of M, L and C.

    Returns
    -------
    dict of str to Form

    Raises
    ------
    ValueError
        If it is no such font, or lacks letters.
    """
    path = Path(path)
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} is no SVG font: {error}.") from None
    glyphs = {}
    for element in root.iter():
        character = element.get("unicode", "")
        if element.tag.rpartition("}")[2] == "glyph" and len(character) == 1:
            if character.isascii() and character.isalpha() and element.get("d"):
                glyphs[character] = _polylines(element.get("d", ""), f"{path}, {character!r}")
    lacking = sorted(set("HxlnIi") - set(glyphs))
    if lacking:
        raise ValueError(f"{path} is no font of strokes that has letters: {lacking} are not there.")
    slant = _slant([glyphs[c] for c in "HIlin"])
    capital, small, tall = (max(line[:, 1].max() for line in glyphs[c]) for c in "Hxl")
    forms = {}
    for character, lines in glyphs.items():
        high, low = (tall, small) if character.islower() else (capital, capital)
        placed = [_on_lines(line, slant, high, low) for line in lines]
        form = _form(placed, character.islower())
        if form is not None:
            forms[character] = form
    return forms


def add_stroke_fonts(fonts: Mapping[str, str | Path]) -> LetterBook:
    """The pen's letterbook, and beside its own forms those of single-stroke fonts.

    Parameters
    ----------
    fonts : mapping of str to str or Path
        Name and file of each font, as for :func:`read_stroke_font`.

    Returns
    -------
    LetterBook
        For :func:`draw_letters` and :func:`draw_words`.
    """
    forms = {character: dict(ours) for character, ours in TEXT_FORMS.items()}
    for name, path in fonts.items():
        for character, form in read_stroke_font(path).items():
            title = f"school {name}" if ">" in form.path else name
            forms[character][title] = form
    return LetterBook(forms)


def _polylines(path: str, where: str) -> list[np.ndarray]:
    """The strokes of a glyph, (P, 2) each, y upwards."""
    lines: list[list[tuple[float, float]]] = []
    words = re.findall(r"[A-Za-z]|-?[\d.]+(?:e-?\d+)?", path)
    at, command = 0, "M"
    while at < len(words):
        if words[at].isalpha():
            command, at = words[at], at + 1
            if command not in "MLC":
                raise ValueError(f"{where}: the pen knows the commands M, L and C; got {command}.")
        count = 6 if command == "C" else 2
        numbers = [float(word) for word in words[at : at + count]]
        at += count
        if len(numbers) < count or (not lines and command != "M"):
            raise ValueError(f"{where}: the path breaks off in {path[-40:]!r}.")
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command == "M":
            lines.append(points)
            command = "L"
        elif command == "L":
            lines[-1] += points
        else:
            a, (b, c, d) = lines[-1][-1], points
            for t in (0.25, 0.5, 0.75, 1.0):
                s = 1 - t
                weights = (s**3, 3 * s * s * t, 3 * s * t * t, t**3)
                place = np.dot(weights, [a, b, c, d])
                lines[-1].append((float(place[0]), float(place[1])))
    return [np.array(line) for line in lines if len(line) > 1]


def _slant(glyphs: list[list[np.ndarray]]) -> float:
    """The slant without which these letters are narrowest."""
    slants = np.linspace(-0.1, 0.9, 51)
    widths = np.zeros(len(slants))
    for lines in glyphs:
        points = np.concatenate(lines)  # (P, 2)
        places = points[:, 0] - slants[:, None] * points[:, 1]  # (slants, P)
        widths += np.ptp(places, axis=1)
    return float(slants[widths.argmin()])


def _on_lines(line: np.ndarray, slant: float, high: float, low: float) -> np.ndarray:
    """A stroke on the copybook's lines: what is ``low`` high there is 0.5 high here, if not all."""
    x, y = line.T
    x = x - slant * y
    if low == high:  # a capital
        return np.stack([x / high, 1 - y / high], 1)
    scale = 0.5 / low
    above = (y - low).clip(0) * 0.5 / max(high - low, 0.3 * low)
    below = y.clip(None, 0) * 0.5 * (scale + 1 / high)
    return np.stack([x * scale, 1 - (y.clip(0, low) * scale + above + below)], 1)


def _form(lines: list[np.ndarray], is_small: bool) -> Form | None:
    """The form of a letter, or None if it is too rich for one."""
    lines = _connected(lines)
    lines = [line if _rightwards(line) else line[::-1] for line in lines]
    lines.sort(key=lambda line: -np.ptp(line, axis=0).max())  # bars and dots come last
    left = min(line[:, 0].min() for line in lines)
    lines = [line - [left - 0.04, 0] for line in lines]
    stray = STRAY
    few = [_few_points(line, stray) for line in lines]
    while sum(map(len, few)) > MOST and stray < 0.06:
        stray *= 1.25
        few = [_few_points(line, stray) for line in lines]
    everything = np.concatenate(few)
    if len(few) > STROKES or len(everything) > MOST:
        return None
    x, y = everything.T
    if x.max() > 1.45 or y.min() < -0.3 or y.max() > 1.75:
        return None
    first = few[0]
    joined = is_small and _can_join(first, x)
    path = " / ".join(_words(line) for line in few)
    if joined:
        head, _, rest = path.partition(" / ")
        start, tail = head.split(" ", 1)
        path = f"{start} > {tail} >" + (f" / {rest}" if rest else "")
    return Form(0.6, path)


def _can_join(first: np.ndarray, x: np.ndarray) -> bool:
    """Whether a neighbour reaches the second point of a stroke, and the next one its end."""
    if len(first) < 4:
        return False
    (x0, y0), (x1, y1) = first[1], first[-1]
    starts = 0.5 < y0 < 0.88 and first[0, 0] < x0 and first[0, 1] > y0 and first[0, 0] < 0.2
    ends = 0.55 < y1 < 1.0 and x1 > x0 + 0.12 and x1 > x.max() - 0.02
    return starts and ends


def _connected(lines: list[np.ndarray]) -> list[np.ndarray]:
    """Strokes that go on where another has ended become one."""
    lines = list(lines)
    for i in range(len(lines)):
        for j in range(len(lines)):
            if i == j or not len(lines[i]) or not len(lines[j]):
                continue
            for a in (lines[i], lines[i][::-1]):
                for b in (lines[j], lines[j][::-1]):
                    if len(lines[j]) and np.abs(a[-1] - b[0]).max() < 1e-3:
                        lines[i], lines[j] = np.concatenate([a, b[1:]]), lines[j][:0]
    return [line for line in lines if len(line)]


def _rightwards(line: np.ndarray) -> bool:
    """Whether a stroke goes to the right, or, if neither way, down."""
    dx, dy = line[-1] - line[0]
    return bool(dx > 0 if abs(dx) > 0.6 * abs(dy) else dy > 0)


def _few_points(line: np.ndarray, stray: float) -> np.ndarray:
    """The points of a line without which it would go astray (Ramer, 1972)."""
    line = line[np.append(True, np.abs(np.diff(line, axis=0)).max(1) > 1e-6)]
    if len(line) < 3:
        return line
    a, b = line[0], line[-1]
    along = b - a
    length = math.hypot(*along)
    if length < 1e-6:
        distance = np.hypot(*(line - a).T)
    else:
        distance = np.abs((line - a) @ [-along[1], along[0]]) / length
    farthest = int(distance.argmax())
    if distance[farthest] < stray:
        return line[[0, -1]]
    head, tail = _few_points(line[: farthest + 1], stray), _few_points(line[farthest:], stray)
    return np.concatenate([head, tail[1:]])


def _words(line: np.ndarray) -> str:
    """A stroke as a copybook writes it, corners marked."""
    steps = np.diff(line, axis=0)
    heading = np.arctan2(steps[:, 1], steps[:, 0])
    turn = np.abs((np.diff(heading) + math.pi) % (2 * math.pi) - math.pi)
    sharp = [False, *(turn > CORNER).tolist(), False]
    return " ".join(
        f"{100 * x:.0f},{100 * y:.0f}{'!' * corner}"
        for (x, y), corner in zip(line.tolist(), sharp, strict=True)
    )
