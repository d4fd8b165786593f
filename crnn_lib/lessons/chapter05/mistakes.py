"""Wrong answers to the exercises of notebook 05, as people give them."""

from __future__ import annotations

import torch

from crnn_lib.lessons.chapter05.strips import BECOMES


def quarter_turn(stored):
    return torch.rot90(stored, 1, (1, 2))


def mirrored(stored):
    return stored.flip(2)


def upside_down(stored):
    return stored.flip(1)


def all_axes(stored):
    return stored.permute(2, 1, 0)


def first_two_axes(stored):
    return stored.transpose(0, 1)


def reshaped(stored):
    return stored.reshape(stored.shape[0], stored.shape[2], stored.shape[1])


def at_the_same_place(train, test):
    return sum(bool((a == b).all()) for a, b in zip(train, test, strict=False))


def equal_pairs(train, test):
    return sum(bool((a == b).all()) for a in train for b in test)


def different_ones(train, test):
    return len({a.numpy().tobytes() for a in train} & {b.numpy().tobytes() for b in test})


def training_glyphs(train, test):
    known = {image.numpy().tobytes() for image in test}
    return sum(image.numpy().tobytes() in known for image in train)


def equally_bright(train, test):
    return sum(int(image.sum()) in {int(other.sum()) for other in train} for image in test)


def added(line, glyph, column):
    line = line.clone()
    line[:, column : column + glyph.shape[1]] += glyph
    return line


def added_and_clipped(line, glyph, column):
    line = line.int()
    line[:, column : column + glyph.shape[1]] += glyph
    return line.clamp(max=255)


def overwritten(line, glyph, column):
    line = line.clone()
    line[:, column : column + glyph.shape[1]] = glyph
    return line


def averaged(line, glyph, column):
    line, end = line.int(), column + glyph.shape[1]
    line[:, column:end] = (line[:, column:end] + glyph) // 2
    return line


def only_the_overlap(line, glyph, column):
    return torch.maximum(line[:, column : column + glyph.shape[1]], glyph)


def order_kept(text, flip):
    becomes = [BECOMES[flip].get(digit) for digit in text]
    return None if None in becomes else "".join(becomes)


def always_reversed(text, flip):
    kept = order_kept(text, flip)
    return None if kept is None else kept[::-1]


def unreadable_kept(text, flip):
    digits = "".join(BECOMES[flip].get(digit, digit) for digit in text)
    return digits if flip == "upside-down" else digits[::-1]


def unreadable_dropped(text, flip):
    digits = "".join(BECOMES[flip].get(digit, "") for digit in text)
    return digits if flip == "upside-down" else digits[::-1]


def digits_unchanged(text, flip):
    if any(digit not in BECOMES[flip] for digit in text):
        return None
    return text if flip == "upside-down" else text[::-1]


def only_survivors(text, flip):
    if any(BECOMES[flip].get(digit) != digit for digit in text):
        return None
    return text if flip == "upside-down" else text[::-1]
