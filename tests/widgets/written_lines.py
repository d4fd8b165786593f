"""Lines of strokes as a hand leaves them on the pad: forms of the pen's books, side by side."""

from __future__ import annotations

import math
import random

from crnn_lib.handwriting.pen import form_tables
from crnn_lib.handwriting.pen.forms import NAMES
from crnn_lib.widgets.pad_ink import HEIGHT, WIDTH

NEAR = 2.0  # units; the page leaves out points that are nearer to the last one


def strokes_of(text: str, seed: int, book: str = "hurried") -> list[dict]:
    """What somebody writes on a pad: strokes in its units, to a tenth, as the page sends them."""
    chance, table, names = random.Random(f"{text} {seed}"), form_tables(book), NAMES[book]
    letters = book == "letters"
    size, slant = chance.uniform(60, 150), chance.gauss(0.12, 0.12)
    gap, climb = chance.uniform(0.12, 0.4), chance.gauss(0, 0.02)
    tremor, pen = chance.uniform(0, 0.012), round(chance.uniform(6, 20), 1)
    x, strokes = 0.0, []
    for character in text:
        key = character if letters else int(character)
        rows = [k for k, (one, _) in enumerate(names) if one == key]
        row = chance.choices(rows, [float(table.weights[0, k]) for k in rows])[0]
        curve = (table.basis[row] @ table.points[row])[: len(table.joined[row]) + 1]  # (P, 2)
        joined = [*(table.joined[row] > 0.5).tolist(), False]
        scale, lean, lift = chance.gauss(1, 0.06), chance.gauss(slant, 0.05), chance.gauss(0, 0.04)
        points = [
            (scale * (a - lean * b) + chance.gauss(0, tremor), scale * b + lift)
            for a, b in curve.tolist()
        ]
        left = min(a for a, _ in points)
        pieces: list[list[tuple[float, float]]] = [[]]
        for (a, b), on in zip(points, joined, strict=True):
            pieces[-1].append((a - left + x, b))
            if not on:
                pieces.append([])
        strokes += [piece for piece in pieces if piece]
        x = max(a for piece in strokes for a, _ in piece) + gap * chance.uniform(0.6, 1.4)
    wide = max(a for piece in strokes for a, _ in piece)
    low = min(b for piece in strokes for _, b in piece)
    size = min(size, (WIDTH - 60) / max(wide, 0.2), (HEIGHT - 90) / 1.4)
    start = chance.uniform(30, max(31, WIDTH - 30 - size * wide))
    top = chance.uniform(30, max(31.0, HEIGHT - 40 - 1.4 * size)) - size * low
    return [
        {
            "points": _thinned(
                [(start + size * a, top + size * (b + climb * a)) for a, b in piece]
            ),
            "width": pen,
            "erase": False,
        }
        for piece in strokes
    ]


def numbers(count: int, seed: int = 0) -> list[tuple[str, list[dict]]]:
    """Numbers of one to eight digits, and their strokes."""
    chance = random.Random(seed)
    texts = ["".join(chance.choices("0123456789", k=chance.randint(1, 8))) for _ in range(count)]
    return [(text, strokes_of(text, seed)) for text in texts]


def _thinned(points: list[tuple[float, float]]) -> list[list[float]]:
    kept = [points[0]]
    for point in points[1:]:
        if math.dist(point, kept[-1]) >= NEAR:
            kept.append(point)
    return [[round(min(max(x, 0), WIDTH), 1), round(min(max(y, 0), HEIGHT), 1)] for x, y in kept]
