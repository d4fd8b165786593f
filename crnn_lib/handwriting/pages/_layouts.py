"""How pages are laid out: a function for each of :data:`~.styles.LAYOUTS`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crnn_lib.handwriting.pages import _writing as w
from crnn_lib.handwriting.pages._page import FINER, Page, band_at
from crnn_lib.handwriting.pages.styles import PageStyle


def notes(page: Page, style: PageStyle) -> None:
    """Numbers here and there, on blank paper."""
    r = page.r
    left, top, right, bottom = page.area
    for _ in range(int(r.integers(2, 30))):
        height = w.between(r, *style.height)
        x = r.uniform(left, max(right - height, left + 1))
        y = r.uniform(top, max(bottom - height, top + 1))
        widest = min(right - x, height * r.choice([2.5, 99]))
        chance = r.random()
        if chance < 0.1:
            w.put_beside(page, x, y, height, widest=right - x)
        elif chance < 0.2:
            w.put_quantity(page, x, y, height, free=True, widest=right - x)
        else:
            w.put_number(page, x, y, height, widest=widest)
    w.clutter(page, style.clutter * r.choice([0, 0.7, 2.0]))


def lined(page: Page, style: PageStyle) -> None:
    """Ruled or squared paper, numbers and words on its lines, in one or two columns."""
    r = page.r
    left, top, right, bottom = page.area
    pitch = w.between(r, 1.3 * style.height[0], 1.5 * min(style.height[1], 60))
    line, cover = w.between(r, 0.5, 1.8), int(r.uniform(50, 220))
    squared = r.random() < 0.45
    step = pitch / (r.integers(1, 3) if squared else 1)
    for y in np.arange(top + r.uniform(0, pitch), bottom, step):
        page.stroke([(left - 40, y), (right + 40, y)], line, pen=False, cover=cover)
    if squared:
        for x in np.arange(left - 40, right + 40, step):
            page.stroke([(x, top - 40), (x, bottom + 40)], line, pen=False, cover=cover)
    elif r.random() < 0.4:
        page.stroke([(left + 30, top - 40), (left + 30, bottom + 40)], line, pen=False, cover=cover)
    height = pitch * r.uniform(0.55, 0.95)
    words = r.choice([0, 0.15, 0.5])
    for y in np.arange(top + r.uniform(0, pitch), bottom - pitch, pitch * r.integers(1, 3)):
        x = left + r.uniform(0.05, 0.3) * (right - left) * r.random()
        for _ in range(r.integers(1, 5)):
            if x > right - height:
                break
            at = y + pitch - height + r.normal(0, 0.04) * height
            if r.random() < words:
                small = 0.6 * height
                wide = w.put_word(page, x, at + height - small, small, free=False)
            else:
                wide = w.put_number(page, x, at, height, free=False, widest=right - x)
            page.room(x, at, wide or height, height)
            x += (wide or 0) + height * r.uniform(1.1, 4)
    w.clutter(page, 0.3 * style.clutter)


def table(page: Page, style: PageStyle) -> None:
    """Rows and columns, ruled or not; each cell's row and column is kept."""
    r = page.r
    left, top, right, bottom = page.area
    height = w.between(r, style.height[0], min(style.height[1], 34))
    pitch, wide = height * r.uniform(1.2, 2.4), height * r.uniform(1.6, 7)
    x0 = left + r.uniform(0, 0.15) * (right - left)
    y0 = top + r.uniform(0, 0.15) * (bottom - top)
    columns = int(min((right - r.uniform(0, 30) - x0) // wide, 14))
    rows = int(min((bottom - r.uniform(0, 30) - y0) // pitch, 24))
    if rows < 1 or columns < 1:
        return notes(page, style)
    heads = r.random() < 0.6, r.random() < 0.5  # of columns, of rows
    full, longest = r.choice([0.5, 0.8, 1.0]), int(r.integers(1, 6))
    by_hand, numbered = r.random() < 0.3, r.random() < 0.25  # the heads
    printed = r.random(columns) < r.choice([0, 0, 0.3, 0.7])  # columns that were filled before
    set_high = height * r.uniform(0.45, 0.85)
    for i in range(rows):
        for j in range(columns):
            x, y = x0 + j * wide, y0 + i * pitch
            if (i == 0 and heads[0]) or (j == 0 and heads[1]):
                small = 0.5 * height
                if by_hand:
                    w.put_word(page, x + 0.1 * wide, y + pitch - 1.5 * small, small, free=False,
                               widest=0.9 * wide)  # fmt: skip
                elif numbered:
                    w.put_figure(page, x + 0.1 * wide, y + (pitch - 1.4 * small) / 2, 1.4 * small,
                                 free=False, widest=0.9 * wide)  # fmt: skip
                else:
                    w.put_print(page, x + 0.1 * wide, y + pitch - 1.6 * small, small, free=False,
                                label=True, widest=0.9 * wide)  # fmt: skip
                continue
            if r.random() > full:
                continue
            if printed[j]:
                w.put_figure(page, x + r.uniform(0.2, 0.4) * height, y + (pitch - set_high) / 2,
                             set_high, free=False, widest=wide - 0.5 * height)  # fmt: skip
                continue
            if r.random() < 0.04:
                w.put_word(page, x + 0.1 * wide, y + 0.4 * pitch, 0.5 * height, free=False,
                           widest=0.9 * wide)  # fmt: skip
                continue
            w.put_number(
                page,
                x + r.uniform(0.05, 0.3) * height,
                y + (pitch - height) * r.uniform(0.3, 0.7),
                height * r.uniform(0.85, 1.0),
                free=False,
                digits=min(int(r.integers(1, longest + 1)), 8) if r.random() < 0.85 else None,
                widest=wide - 0.5 * height,
                cell=(i, j),
            )
    page.room(x0, y0, columns * wide, rows * pitch)
    rules = r.random()
    if rules < 0.8:
        line, cover = w.between(r, 0.6, 2.5), int(r.uniform(80, 255))
        pen = r.random() < 0.12
        for i in range(rows + 1):
            y = y0 + i * pitch
            page.stroke([(x0, y), (x0 + columns * wide, y)], line, pen=pen, cover=cover)
        for j in range(columns + 1) if rules < 0.65 else ():
            x = x0 + j * wide
            page.stroke([(x, y0), (x, y0 + rows * pitch)], line, pen=pen, cover=cover)
    w.clutter(page, 0.3 * style.clutter)


def form(page: Page, style: PageStyle) -> None:
    """Printed labels with boxes or lines beside them; some are filled in, with numbers or words."""
    r = page.r
    left, top, right, bottom = page.area
    height = w.between(r, style.height[0], min(style.height[1], 30))
    small = height * r.uniform(0.35, 0.7)
    columns = int(r.integers(1, 4))
    wide = (right - left) / columns
    y = top + r.uniform(0.2, 1.5) * height
    line, cover = w.between(r, 0.6, 2.2), int(r.uniform(90, 255))
    boxed, above = r.random() < 0.5, r.random() < 0.5
    if r.random() < 0.6:
        w.put_print(
            page, left + r.uniform(0, 0.4) * (right - left), y, height * r.uniform(0.6, 1.3)
        )
        y += 2.2 * height
    while y < bottom - 2.2 * height:
        for j in range(columns):
            x = left + j * wide + 0.3 * height
            label = w.put_print(page, x, y + (0 if above else 0.3 * height), small, label=True)
            label = label or 0
            at = (x, y + 1.6 * small) if above else (x + label + 0.4 * height, y)
            end = left + (j + 1) * wide - 0.4 * height
            if end - at[0] < 1.2 * height:
                continue
            if boxed:
                page.frame(
                    at[0] - 0.15 * height, at[1] - 0.2 * height, end - at[0], 1.4 * height, line,
                    cover=cover,
                )  # fmt: skip
            else:
                foot = at[1] + r.uniform(0.85, 1.2) * height
                page.stroke([(at[0], foot), (end, foot)], line, pen=False, cover=cover)
            filled = r.random()
            if filled < 0.45:
                w.put_number(page, at[0] + 0.3 * height * r.random(), at[1], height, free=False,
                             widest=end - at[0] - 0.5 * height)  # fmt: skip
            elif filled < 0.75:
                word = page.store.words[r.integers(len(page.store.words))]
                if word.aspect * 0.55 * height < end - at[0]:
                    page.write("word", word, at[0] + 0.2 * height, at[1] + 0.4 * height,
                               0.55 * height)  # fmt: skip
            elif filled < 0.85:  # typed
                typed = height * r.uniform(0.5, 0.9)
                w.put_figure(page, at[0] + 0.3 * height, at[1] + height - typed, typed, free=False,
                             widest=end - at[0] - 0.5 * height)  # fmt: skip
        page.room(left, y - 0.2 * height, right - left, 1.9 * height)
        y += height * r.uniform(1.7, 3.0) + (1.6 * small if above else 0)
    w.clutter(page, 0.6 * style.clutter)


def cheque(page: Page, style: PageStyle) -> None:
    """A cheque: a printed frame, the payee in words, the amount in a box, a date, a signature."""
    r = page.r
    left, top, right, bottom = page.area
    wide = min(right - left - 8, 2.2 * (bottom - top)) * r.uniform(0.75, 1.0)
    high = wide * r.uniform(0.38, 0.48)
    x0 = left + r.uniform(0, max(right - left - wide, 1))
    y0 = top + r.uniform(0, max(bottom - top - high, 1))
    unit = high / 12
    height = unit * r.uniform(0.9, 1.5)
    cover = int(r.uniform(90, 255))
    if r.random() < 0.6:
        page.frame(x0, y0, wide, high, w.between(r, 0.7, 2.5), cover=cover)
    if r.random() < 0.5:
        for k in range(int(r.integers(6, 24))):  # the security print
            y = y0 + high * (k + 0.5) / 24
            x = np.linspace(x0, x0 + wide, 40)
            page.stroke(np.stack([x, y + unit * 0.4 * np.sin(x / unit / 2 + k)], 1), 0.6, pen=False,
                        cover=int(r.uniform(20, 80)))  # fmt: skip
    w.put_print(page, x0 + unit, y0 + unit, unit * 0.6, free=False)
    w.put_print(page, x0 + 0.62 * wide, y0 + 1.2 * unit, 0.45 * unit, free=False, label=True)
    w.put_groups(page, x0 + 0.72 * wide, y0 + unit, height * 0.8, free=False)
    for k, (y, share) in enumerate(((3.6, 0.68), (5.6, 0.95), (9.6, 0.35))):
        foot = y0 + (y + 1.2) * unit
        page.stroke([(x0 + unit, foot), (x0 + share * wide, foot)], 0.8, pen=False, cover=cover)
        w.put_print(page, x0 + unit, y0 + y * unit, 0.4 * unit, free=False, label=True)
        x = x0 + r.uniform(4, 7) * unit
        for _ in range((2, 4, 1)[k]):
            x += (w.put_word(page, x, y0 + (y + 0.2) * unit, 0.75 * unit, free=False) or 0) + unit
            if x > x0 + share * wide - 4 * unit:
                break
    box = (x0 + 0.73 * wide, y0 + 3.2 * unit, 0.25 * wide, 2.0 * unit)
    page.frame(*box, w.between(r, 0.7, 2), cover=cover)
    w.put_number(page, box[0] + 0.3 * height, box[1] + (box[3] - height) / 2, height, free=False,
                 widest=box[2] * 1.1)  # fmt: skip
    w.put_signature(page, x0 + 0.6 * wide, y0 + 7.8 * unit, 2 * unit)
    w.put_print(page, x0 + 2 * unit, y0 + 11 * unit, 0.6 * unit, free=False)
    page.room(x0, y0, wide, high)
    w.clutter(page, 0.2 * style.clutter)


def exam(page: Page, style: PageStyle) -> None:
    """Printed questions, answers by hand, ticks and crosses, circled scores in the margin."""
    r = page.r
    left, top, right, bottom = page.area
    height = w.between(r, style.height[0], min(style.height[1], 32))
    small = w.between(r, 4, 0.6 * height + 2)
    y = top + height
    while y < bottom - 3 * height:
        for _ in range(r.integers(1, 3)):
            w.put_print(page, left + 4, y, small)
            y += 2.4 * small
        x = left + r.uniform(0.3, 3) * height
        for _ in range(r.integers(1, 4)):
            kind = r.random()
            if kind < 0.2:  # beside a printed exercise
                set_high = height * r.uniform(0.5, 1.0)
                x += w.put_figure(page, x, y + 1.3 * height - set_high, set_high, free=False,
                                  widest=right - x) or 0  # fmt: skip
                x += height * r.uniform(0.25, 0.8)
            if kind < 0.5:
                wide = w.put_number(page, x, y + 0.3 * height, height)
            elif kind < 0.65:
                wide = w.put_beside(page, x, y + 0.3 * height, height, widest=right - x)
            else:
                wide = w.put_word(page, x, y + 0.6 * height, 0.6 * height)
            x += (wide or 0) + height * r.uniform(1.2, 3)
            if x > right - 3 * height:
                break
        if r.random() < 0.4:
            w.put_shape(page, x, y, height * r.uniform(0.8, 1.6))
        if r.random() < 0.35:  # a score
            big = height * r.uniform(0.9, 1.6)
            at = right - 2.4 * big, y
            wide = w.put_number(
                page, at[0], at[1], big, digits=int(r.integers(1, 3)), widest=2 * big
            )
            if wide and r.random() < 0.7:
                page.ring(at[0] + wide / 2, at[1] + big / 2, wide + 1.1 * big, 1.9 * big,
                          page.thick * big)  # fmt: skip
        y += height * r.uniform(1.6, 2.6)
    w.clutter(page, 0.3 * style.clutter)


def calendar(page: Page, style: PageStyle) -> None:
    """A printed month; by hand some numbers, words, circles and crosses in its fields."""
    r = page.r
    left, top, right, bottom = page.area
    wide = (right - left) * r.uniform(0.8, 1.0) / 7
    pitch = (bottom - top) * r.uniform(0.6, 0.9) / 6
    x0, y0 = left + 3, top + 0.6 * pitch
    line, cover = w.between(r, 0.5, 2), int(r.uniform(60, 255))
    ruled = r.random() < 0.7
    small = min(wide, pitch) * w.between(r, 0.12, 0.5)
    first = int(r.integers(7))
    days = [s for s in page.figures if len(s.text) <= 2]
    for n in range(35):
        i, j = divmod(n, 7)
        x, y = x0 + j * wide, y0 + i * pitch
        if ruled:
            page.frame(x, y, wide, pitch, line, cover=cover)
        if n >= first:
            day = days[r.integers(len(days))]
            if day.aspect * small < 0.6 * wide:
                page.write("print", day, x + 0.1 * wide, y + 0.1 * pitch, small)
        chance = r.random()
        height = min(0.45 * pitch, 0.4 * wide) * r.uniform(0.7, 1.0)
        if chance < 0.2 and height > 7:
            w.put_number(page, x + 0.2 * wide, y + 0.45 * pitch, height, free=False,
                         digits=int(r.integers(1, 4)), widest=0.8 * wide, cell=(i, j))  # fmt: skip
        elif chance < 0.3:
            w.put_word(page, x + 0.1 * wide, y + 0.6 * pitch, 0.4 * height, free=False,
                       widest=0.9 * wide)  # fmt: skip
        elif chance < 0.38:
            page.ring(x + 0.2 * wide, y + 0.2 * pitch, 0.5 * wide, 0.5 * pitch, 1.5)
        elif chance < 0.42:
            page.stroke([(x, y), (x + wide, y + pitch)], 1.5)
    w.put_print(page, left + 0.3 * (right - left), top + 2, 0.25 * pitch, free=False)
    page.room(x0, y0, 7 * wide, 5 * pitch)


def boxes(page: Page, style: PageStyle) -> None:
    """Rows of boxes for one digit each: all of a row is one number."""
    r = page.r
    for _ in range(int(r.integers(1, 7))):
        height = w.between(r, style.height[0], min(style.height[1], 50))
        side = height * r.uniform(1.1, 1.7)
        gap = side * r.choice([0, 0, 0, 0.12])
        most = int((page.area[2] - page.area[0] - 4) // (side + gap))
        count = int(min(r.integers(1, 12), most))
        place = page.anywhere(count * (side + gap), 1.4 * side) if count else None
        if not place:
            continue
        x, y = place[0], place[1] + 0.2 * side
        kind, line, cover = r.integers(3), w.between(r, 0.6, 2.5), int(r.uniform(80, 255))
        for k in range(count):
            at = x + k * (side + gap)
            if kind == 2:  # a comb: open above
                page.stroke([(at, y + side / 2), (at, y + side), (at + side, y + side),
                             (at + side, y + side / 2)], line, pen=False, cover=cover)  # fmt: skip
            else:
                page.frame(at, y, side, side, line, cover=cover)
        filled = count if r.random() < 0.7 else int(r.integers(0, count + 1))
        text, ends = "", [0.0, 0.0]
        for k in range(filled):
            sprite = page.store.number(r, 1)
            high = height * r.uniform(0.8, 1.0)
            wide = sprite.aspect * high
            at = x + k * (side + gap) + (side - wide) / 2 + r.normal(0, 0.06) * side
            page.write("number", sprite, at, y + (side - high) / 2 + r.normal(0, 0.05) * side,
                       high, text="")  # fmt: skip
            text += sprite.text
            ends = [ends[0] or at, at + wide]
        for k in range(filled, count):
            if r.random() < 0.15:  # a form's own letters
                w.put_print(page, x + k * (side + gap) + 0.2 * side, y + 0.25 * side, 0.5 * side,
                            free=False, widest=0.8 * side)  # fmt: skip
        if filled:
            band = band_at(ends[0], y + (side - 0.9 * height) / 2, ends[1] - ends[0], 0.9 * height)
            page.register("number", text, band)
        if r.random() < 0.5:
            w.put_print(page, x, y - 0.8 * height, 0.35 * height, free=False, label=True)
    w.clutter(page, style.clutter * r.choice([0.3, 1.5]))


def grid(page: Page, style: PageStyle) -> None:
    """Squares with a number each, printed or by hand: puzzles, bingo, times tables.

    Some are dark tiles with a printed title each; some have neither tiles nor rules.
    """
    r = page.r
    left, top, right, bottom = page.area
    height = w.between(r, style.height[0], min(style.height[1], 50))
    side = height * r.uniform(1.25, 2.2)
    columns, rows = (
        min(int((r.uniform(0.5, 0.98) * room) // side), 14) for room in (right - left, bottom - top)
    )
    if min(columns, rows) < 2:
        return scattered(page, style)
    x0 = left + r.random() * (right - left - columns * side)
    y0 = top + r.random() * (bottom - top - rows * side)
    printed, by_hand = r.choice([0, 0.3, 0.6, 1.0]), r.choice([0, 0.4, 0.8])
    heads, shaded = r.random() < 0.25, r.choice([0, 0.2], p=[0.8, 0.2])
    chosen = r.choice([0, 0.2], p=[0.7, 0.3])  # printed squares that are ringed or crossed
    longest = 1 if r.random() < 0.6 else 2
    figures = [s for s in page.figures if s.text.isdigit() and len(s.text) <= longest]
    set_high = side * r.uniform(0.35, 0.7)
    tiled, ruled = r.random() < 0.25, r.random() < 0.75
    if tiled or not ruled:  # mostly by hand
        printed, by_hand = r.choice([0.0, 0.0, printed]), r.choice([0.6, 1.0])
    titled = tiled and r.random() < 0.5
    edge = side * r.choice([0.0, r.uniform(0.02, 0.12)])  # between two tiles
    title, spare = side * r.uniform(0.06, 0.14), (0.25 * side if titled else 0.0)
    if not tiled:
        edge = 0.0
    else:
        height = min(height, 0.8 * (side - spare - 2 * edge))
        if not edge and not titled:  # one for all of them
            page.tile(x0, y0, columns * side, rows * side)
    for i in range(rows):
        for j in range(columns):
            x, y = x0 + j * side, y0 + i * side
            if edge or titled:
                inner = side - 2 * edge
                page.tile(x + edge, y + edge + spare, inner, inner - spare)
            if titled:
                w.put_print(page, x + 0.15 * side, y + 0.5 * (spare - title) + edge, title,
                            free=False, label=True, widest=0.7 * side)  # fmt: skip
                y += spare / 2
            if not tiled and r.random() < shaded:
                corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
                seen = FINER * page.seen(corners)
                page.layers.draw_rules.polygon(seen.ravel().tolist(), fill=255)
            elif figures and ((heads and not i * j) or r.random() < printed):
                sprite = figures[r.integers(len(figures))]
                high = min(set_high, 0.85 * side / sprite.aspect)
                at = x + (side - sprite.aspect * high) / 2, y + (side - high) / 2
                page.write("print", sprite, *at, high)
                if r.random() < chosen:
                    _mark_square(page, x, y, side)
            elif r.random() < by_hand:
                sprite = page.store.number(r, int(r.integers(1, longest + 1)))
                high = min(height * r.uniform(0.85, 1.05), 0.95 * side / sprite.aspect)
                off = r.normal(0, 0.06, 2) * side
                at = x + (side - sprite.aspect * high) / 2, y + (side - high) / 2
                page.write("number", sprite, at[0] + off[0], at[1] + off[1], high, cell=(i, j))
    page.room(x0, y0, columns * side, rows * side)
    if ruled and not tiled:
        _rule_squares(page, x0, y0, side, columns, rows)
    w.clutter(page, 0.3 * style.clutter)


def _mark_square(page: Page, x, y, side) -> None:
    """A ring or a cross by the pen on a printed square, as on a lottery's ticket."""
    r, line = page.r, page.thick * side * page.r.uniform(0.4, 1.2)
    if r.random() < 0.5:
        wide, high = side * r.uniform(0.6, 0.95, 2)
        page.ring(x + side / 2, y + side / 2, wide, high, line)
        return
    edge = side * r.uniform(0.05, 0.25)
    for left, right in ((edge, side - edge), (side - edge, edge)):
        ends = np.array([(x + left, y + edge), (x + right, y + side - edge)])
        page.stroke(ends + r.normal(0, 0.04 * side, (2, 2)), line)


def _rule_squares(page: Page, x0, y0, side, columns: int, rows: int) -> None:
    """The lines of a grid; every third may be thicker, as in puzzles."""
    r = page.r
    line, cover = w.between(r, 0.6, 3), int(r.uniform(80, 255))
    thicker, every = r.uniform(1, 3), int(r.choice([1, 3]))
    for count, along, across in ((rows, 1, 0), (columns, 0, 1)):
        for k in range(count + 1):
            ends = np.array([(x0, y0), (x0, y0)])
            ends[:, along] += k * side
            ends[1, across] += (columns, rows)[across] * side
            width = line * (thicker if k % every == 0 else 1)
            page.stroke(ends, width, pen=False, cover=cover)


def scattered(page: Page, style: PageStyle) -> None:
    """Single digits among shapes, some in circles and boxes."""
    r = page.r
    usual = w.between(r, max(14, style.height[0]), style.height[1])
    for _ in range(int(r.integers(3, 18))):
        height = usual * r.uniform(0.7, 1.3)
        edge = height * r.uniform(0.25, 0.8)
        size = 1.4 * height + 2 * edge
        place = page.anywhere(size, size)
        if not place:
            continue
        x, y = place[0] + edge, place[1] + edge
        if r.random() < 0.3:
            w.put_shape(page, x, y, height)
            continue
        if r.random() < 0.2:
            other = (w.put_word, w.put_figure, w.put_print)[r.choice(3, p=[0.6, 0.25, 0.15])]
            other(page, x, y + 0.2 * height, 0.7 * height, free=False, widest=1.6 * height)
            continue
        digits = 1 if r.random() < 0.75 else 2
        wide = w.put_number(page, x, y, height, free=False, digits=digits, widest=1.4 * height)
        if wide and r.random() < 0.45:
            line = height * page.thick * r.uniform(0.5, 2)
            pen = r.random() < 0.6
            if r.random() < 0.5:
                middle = x + wide / 2, y + height / 2
                page.ring(*middle, wide + 1.8 * edge, height + 1.8 * edge, line, pen=pen)
            else:
                page.frame(x - edge * 0.8, y - edge * 0.8, wide + 1.6 * edge, height + 1.6 * edge,
                           line, pen=pen)  # fmt: skip
    w.clutter(page, style.clutter * r.choice([0, 0.6]))


def sums(page: Page, style: PageStyle) -> None:
    """Numbers below each other, a sign beside the last, a stroke, and what comes out.

    Or exercises in lines, numbers and signs by turns.
    """
    r = page.r
    if r.random() < 0.5:
        return equations(page, style)
    for _ in range(int(r.integers(1, 6))):
        height = w.between(r, style.height[0], min(style.height[1], 48))
        count = int(r.integers(2, 5))
        pitch = height * r.uniform(1.15, 1.6)
        wide = height * r.uniform(2, 5)
        place = page.anywhere(wide + height, (count + 1.4) * pitch)
        if not place:
            continue
        end, y = place[0] + wide + height, place[1] + 0.2 * height
        line = page.thick * height
        printed = r.random() < 0.25  # an exercise: by hand only what comes out
        figures = [s for s in page.figures if s.text.isdigit() and len(s.text) <= 4]
        for k in range(count + 1):
            sprite = page.store.number(r, int(r.integers(1, 5)))
            if printed and k < count:
                sprite = figures[r.integers(len(figures))]
            size = sprite.aspect * height
            if size < wide:
                kind = "print" if printed and k < count else "number"
                page.write(kind, sprite, end - size, y + k * pitch, height)
            if k == count - 1:
                foot = y + k * pitch + height + 0.5 * (pitch - height)
                page.stroke([(end - wide - height, foot), (end + 0.2 * height, foot)], line)
                x, middle = end - wide - 0.6 * height, y + k * pitch + 0.5 * height
                half = 0.25 * height
                page.stroke([(x - half, middle), (x + half, middle)], line)
                if r.random() < 0.6:
                    page.stroke([(x, middle - half), (x, middle + half)], line)
    w.clutter(page, 0.4 * style.clutter)


def equations(page: Page, style: PageStyle) -> None:
    """Exercises in lines, one or a few beside each other, some with an item's number before."""
    r = page.r
    left, top, right, bottom = page.area
    height = w.between(r, style.height[0], min(style.height[1], 60))
    pitch, numbered = height * r.uniform(1.4, 2.6), r.random() < 0.2
    y = top + height * r.uniform(0.2, 1.5)
    while y < bottom - 1.2 * height:
        x = left + height * r.uniform(0.2, 2)
        while x < right - 3 * height:
            if numbered:
                x += w.put_item(page, x, y, height) + height
            wide = w.put_equation(page, x, y, height * r.uniform(0.85, 1.05), widest=right - x)
            x += (wide or 3 * height) + height * r.uniform(1.5, 5)
        y += pitch
    page.room(left, top, right - left, bottom - top)
    w.clutter(page, 0.2 * style.clutter)


def items(page: Page, style: PageStyle) -> None:
    """A list by hand: items with their numbers, words, quantities with units, counts at the end."""
    r = page.r
    left, top, right, bottom = page.area
    height = w.between(r, style.height[0], min(style.height[1], 50))
    pitch = height * r.uniform(1.5, 2.6)
    counts, numbered, marked = r.choice([0, 0.5, 1.0]), r.choice([0, 1.0]), r.choice([0, 0.2, 0.5])
    dots, ticks = r.random() < 0.25, r.random() < 0.3
    indent = left + height * r.uniform(0.2, 2)
    x_count = left + (right - left) * r.uniform(0.55, 0.85)
    y = top + height * r.uniform(0.6, 1.5)
    while y < bottom - 1.3 * height:
        x = indent
        if r.random() < numbered:
            x += w.put_item(page, x, y, height * r.uniform(0.85, 1.05)) + 0.5 * height
        for _ in range(int(r.integers(0, 3))):
            small = height * r.uniform(0.5, 0.65)
            wide = w.put_word(page, x, y + height - small, small, free=False,
                              widest=x_count - x - height)  # fmt: skip
            x += (wide or 0) + height * r.uniform(0.5, 1.0)
        chance = r.random()
        if chance < 0.45:
            wide = w.put_quantity(page, x, y, height, widest=x_count - x - height)
            x += (wide or 0) + height
        elif chance < 0.45 + marked:
            wide = w.put_marked(page, x, y, height, widest=x_count - x - height)
            x += (wide or 0) + height
        if r.random() < counts and x < x_count:
            if dots:
                for at in np.arange(x, x_count - 0.6 * height, 0.35 * height):
                    foot = y + 0.9 * height
                    page.stroke([(at, foot), (at + 1, foot)], page.thick * height)
            w.put_number(page, x_count, y, height, free=False, widest=right - x_count,
                         digits=int(r.integers(1, 5)))  # fmt: skip
            if ticks and r.random() < 0.6:
                w.put_shape(page, min(x_count + 3.5 * height, right - height), y, 0.8 * height)
        y += pitch
    page.room(left, top, right - left, bottom - top)
    w.clutter(page, 0.2 * style.clutter)


def axes(page: Page, style: PageStyle) -> None:
    """A graph by hand: two axes, numbers at their ticks, a curve, bars or points between them."""
    r = page.r
    left, top, right, bottom = page.area
    height = w.between(r, max(style.height[0], 12), min(style.height[1], 36))
    line, pen = height * page.thick * r.uniform(0.5, 1.2), bool(r.random() < 0.8)
    x0, y0 = left + height * r.uniform(2.5, 4.5), bottom - height * r.uniform(2.2, 4)
    wide, high = right - height - x0, y0 - top - height * r.uniform(0.5, 2)
    if min(wide, high) < 4 * height:
        return notes(page, style)
    page.stroke([(x0, y0 - high), (x0, y0 + height * r.uniform(0, 0.5))], line, pen=pen)
    page.stroke([(x0 - height * r.uniform(0, 0.5), y0), (x0 + wide, y0)], line, pen=pen)
    longest, tick = int(r.integers(1, 4)), height * r.uniform(0.1, 0.35)
    by_hand = r.random() < 0.85
    for along, size in ((0, wide), (1, high)):
        step = height * (r.uniform(1.4, 4) if along else r.uniform(0.9, 1.6) * (1 + longest))
        for at in np.arange(step, size - 0.4 * height, step):
            x, y = (x0, y0 - at) if along else (x0 + at, y0)
            ends = ((x - tick, y), (x + tick, y)) if along else ((x, y - tick), (x, y + tick))
            page.stroke(ends, line, pen=pen)
            if r.random() < 0.1:
                continue
            sprite = page.store.number(r, int(r.integers(1, longest + 1)))
            if not by_hand:
                sprite = page.figures[r.integers(len(page.figures))]
            tall = height * r.uniform(0.85, 1.05)
            size_ = sprite.aspect * tall
            away = tick + height * r.uniform(0.15, 0.5)
            corner = (x - away - size_, y - tall / 2) if along else (x - size_ / 2, y + away)
            if corner[0] > left and size_ < 3.5 * height:
                page.write("number" if by_hand else "print", sprite, *corner, tall)
    count = int(r.integers(3, 12))
    x = x0 + wide * (np.arange(count) + 0.5) / count
    y = y0 - high * np.clip(np.cumsum(r.normal(0.05, 0.15, count)) + r.uniform(0.1, 0.6), 0.03, 1)
    how = r.random()
    if how < 0.6:
        page.stroke(np.stack([x, y], 1), line, pen=pen)
    for at in zip(x.tolist(), y.tolist(), strict=True) if how > 0.3 else ():
        if how > 0.85:  # bars
            page.frame(at[0] - wide / count / 3, at[1], wide / count / 1.5, y0 - at[1], line,
                       pen=pen)  # fmt: skip
            continue
        for way in (-1, 1):
            page.stroke([(at[0] - 0.2 * height, at[1] - 0.2 * way * height),
                         (at[0] + 0.2 * height, at[1] + 0.2 * way * height)], line)  # fmt: skip
    small = 0.55 * height
    w.put_word(page, x0 + 0.8 * wide, y0 + 2.2 * height, small, free=False, widest=0.3 * wide)
    w.put_word(page, left + 2, top + 2, small, free=False, widest=3 * height)
    if r.random() < 0.4:
        w.put_quantity(page, x0 + 0.6 * wide, top + height, height, widest=0.35 * wide)
    page.room(left, top, right - left, bottom - top)


def crop(page: Page, style: PageStyle) -> None:
    """One line that somebody has cut out: large, near the borders or cut by them, or no number.

    The photo is as high as the line; what is left of the square below is another line's.
    """
    r = page.r
    left, top, right, bottom = page.area
    wide, high = right - left, bottom - top
    y, count = top, 0
    while y < bottom - 14 and count < 4:
        strip = min(w.between(r, 22, 0.6 * high), bottom - y)
        height = strip * (r.uniform(0.4, 0.8) if r.random() < 0.6 else r.uniform(0.8, 1.0))
        at = y + (strip - height) * r.random()
        x = left + max(r.uniform(-0.05, 0.4), 0) * 0.4 * wide
        if r.random() < 0.75:
            w.put_number(page, x, at, height, free=False, widest=(right - x) * r.uniform(0.9, 1.15))
        elif r.random() < 0.6:
            w.put_word(page, x, at + 0.3 * height, 0.5 * height, free=False)
        else:
            w.put_print(page, x, at + 0.3 * height, 0.5 * height, free=False)
        if r.random() < 0.4:
            foot = at + height * r.uniform(0.9, 1.2)
            page.stroke([(left - 30, foot), (right + 30, foot + r.normal(0, 3))],
                        w.between(r, 0.6, 3), pen=False, cover=int(r.uniform(80, 255)))  # fmt: skip
        if r.random() < 0.3:
            page.frame(left + 1, y + 1, wide - 2, strip - 2, w.between(r, 0.7, 4))
        y += strip * r.uniform(1.0, 1.6)
        count += 1


def large(page: Page, style: PageStyle) -> None:
    """A number as high as half of the page, or nearly all of it; or a letter, or a word."""
    r = page.r
    left, top, right, bottom = page.area
    height = (bottom - top) * r.uniform(0.25, 0.9)
    kind = "word" if r.random() < 0.3 else "number"
    sprite = page.store.number(r, 1 if height > 0.5 * (bottom - top) else int(r.integers(1, 4)))
    if kind == "word":
        height *= 0.5
        sprite = page.store.words[r.integers(len(page.store.words))]
    height = min(height, 0.95 * (right - left) / sprite.aspect)
    x = left + r.random() * max(right - left - sprite.aspect * height, 0)
    y = top + r.random() * max(bottom - top - height, 0)
    page.write(kind, sprite, x, y, height, stretch=r.uniform(0.8, 1.1))
    page.room(x, y, sprite.aspect * height, height)
    w.clutter(page, style.clutter * r.choice([0, 0.5]))


def letter(page: Page, style: PageStyle) -> None:
    """A letter by hand: words with numbers among them, single digits too, each line by one hand."""
    r = page.r
    left, top, right, bottom = page.area
    height = w.between(r, style.height[0], min(style.height[1], 50))  # of the digits
    y = top + 1.5 * height
    while y < bottom - 0.5 * height:
        passage = page.store.passages[r.integers(len(page.store.passages))]
        tall = [piece.height * (1 if piece.kind == "number" else 1.6) for piece in passage]
        scale = height * r.uniform(0.9, 1.1) / float(np.median(tall))
        x = left + r.uniform(0, 2) * height
        for piece in passage:
            end = x + scale * (piece.x + piece.sprite.aspect * piece.height)
            if end > right:
                break
            page.write(piece.kind, piece.sprite, x + scale * piece.x, y + scale * piece.y,
                       scale * piece.height, slope=piece.slope)  # fmt: skip
        y += height * r.uniform(1.4, 2.4)
    w.clutter(page, 0.3 * style.clutter)


def text(page: Page, style: PageStyle) -> None:
    """A letter by hand: words and no number."""
    r = page.r
    left, top, right, bottom = page.area
    height = w.between(r, 7, 40)
    y = top + height
    while y < bottom - 2 * height:
        x = left + r.uniform(0, 2) * height
        while x < right - 2 * height:
            wide = w.put_word(page, x, y, height * r.uniform(0.9, 1.1), free=False)
            x += (wide or 0) + height * r.uniform(0.8, 1.6)
        y += height * r.uniform(2.4, 3.4)
    w.clutter(page, 0.3 * style.clutter)


def print_only(page: Page, style: PageStyle) -> None:
    """Printed matter: text, numbers, tables, logos, and nothing by hand."""
    r = page.r
    left, top, right, bottom = page.area
    height = w.between(r, 4, 34 if r.random() < 0.75 else 110)
    y, label = top + height, r.random() < 0.3
    figures = r.choice([0, 0.3, 1.0], p=[0.5, 0.3, 0.2])
    while y < bottom - 2 * height:
        x = left + r.uniform(0, 1) * height
        while x < right - 2 * height:
            if r.random() < figures:
                wide = w.put_figure(page, x, y, height, free=False, widest=right - x)
            else:
                wide = w.put_print(page, x, y, height, free=False, label=label)
            x += (wide or 0) + height * r.uniform(0.6, 4)
        y += height * r.uniform(1.9, 3.0)
    for _ in range(int(r.integers(0, 3))):
        size = w.between(r, 30, 120)
        (w.put_stamp, w.put_logo)[r.integers(2)](
            page, r.uniform(left, right), r.uniform(top, bottom), size
        )
    for _ in range(int(r.integers(0, 4))):
        w.rule(page)


def bare(page: Page, style: PageStyle) -> None:
    """Nothing is written: a wall, a cloth, a table; at the most somebody's scribble."""
    r = page.r
    if r.random() < 0.3:
        w.clutter(page, 0.3 * style.clutter)


BY_NAME: dict[str, Callable[[Page, PageStyle], None]] = {
    **{f.__name__: f for f in (notes, lined, table, form, cheque, exam, calendar, boxes, grid)},
    **{f.__name__: f for f in (scattered, sums, items, axes, crop, large, letter, text, bare)},
    "print": print_only,
}
