"""What a place knows: a list of names, and a shop's orders, in which words follow words."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from crnn_lib.evaluation import lattices_of
from crnn_lib.handwriting import TextStyle, lines_of_words, pen, random_texts
from crnn_lib.models import CRNN

#: What is ordered of which stuff. Many of the things look like another that is made of other stuff.
THINGS = {
    "steel": ("bolts", "nuts", "pins", "springs"),
    "leather": ("belts", "boots", "bags"),
    "wool": ("nets", "balls", "socks"),
    "brass": ("bells", "nails", "locks"),
    "iron": ("rails", "bars", "hooks"),
    "glass": ("bulbs", "bowls", "jars"),
    "felt": ("caps", "pens", "hats"),
    "paper": ("cups", "maps", "bows"),
    "cotton": ("robes", "bibs", "cords"),
    "hemp": ("ropes", "mats", "rags"),
}
NUMBERS = ("two", "ten", "three", "five", "six", "nine", "eleven", "forty")


def draw_orders(count: int, generator: torch.Generator) -> list[str]:
    """Orders such as ``"two brass bells"``: a number, a stuff, and a thing made of it."""
    stuffs = list(THINGS)
    orders = []
    for _ in range(count):
        number, stuff, thing = torch.rand(3, generator=generator).tolist()
        kind = stuffs[int(stuff * len(stuffs))]
        things = THINGS[kind]
        some = NUMBERS[int(number * len(NUMBERS))]
        orders.append(f"{some} {kind} {things[int(thing * len(things))]}")
    return orders


def save_arpa(texts: Iterable[str]) -> Path:
    """A model of words that follow each other, as an ARPA file in a folder for temporary files.

    What was seen c times after a word that c(v) words of t kinds followed has the probability
    c / (c(v) + t); what is left goes to all other words, by how frequent they are (Witten and Bell,
    1991).

    Parameters
    ----------
    texts : iterable of str
        Words with one space between two.
    """
    sentences = [["<s>", *text.split(), "</s>"] for text in texts]
    pairs = Counter(pair for row in sentences for pair in pairwise(row))
    words = Counter(word for row in sentences for word in row[1:])
    total = sum(words.values()) + len(words)
    alone = {word: count / total for word, count in words.items()}
    alone["<unk>"] = len(words) / total
    after: dict[str, Counter[str]] = {}
    for (before, word), count in pairs.items():
        after.setdefault(before, Counter())[word] = count
    single, double = [], []
    for word in ["<s>", *alone]:
        follow = after.get(word, Counter())
        seen = sum(follow.values()) + len(follow)
        rest = len(follow) / seen if seen else 1.0
        rest /= 1 - sum(alone[other] for other in follow)
        log = math.log10(alone[word]) if word in alone else -99
        single.append(f"{log:.6f}\t{word}\t{math.log10(rest):.6f}")
        double += [
            f"{math.log10(count / seen):.6f}\t{word} {other}" for other, count in follow.items()
        ]
    head = ["\\data\\", f"ngram 1={len(single)}", f"ngram 2={len(double)}"]
    rows = [*head, "", "\\1-grams:", *single, "", "\\2-grams:", *double, "", "\\end\\", ""]
    path = Path(tempfile.mkdtemp(), "pairs.arpa")
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def write_names(
    reader: CRNN, generator: torch.Generator
) -> tuple[list[str], list[str], tuple[Tensor, Tensor]]:
    """A list of 200 made-up names, 120 to be read, and what a network says of these.

    The first 60 are on the list, the others are on none. Each is written by the pen, in an unruly
    hand of its own. Lattices are (N, T, C), with their frames (N,).
    """
    style = TextStyle(words=0, numbers=0, letters=0, phrases=0, marks=0)
    names = list(dict.fromkeys(random_texts(300, generator, style)))
    texts = names[:60] + names[200:260]
    return names[:200], texts, _lattices(texts, reader, generator, 2.0)


def write_orders(
    reader: CRNN, generator: torch.Generator
) -> tuple[list[str], set[str], list[str], tuple[Tensor, Tensor]]:
    """500 old orders, their words, 60 new orders, and what a network says of these."""
    old, new = draw_orders(500, generator), draw_orders(60, generator)
    words = {word for order in old for word in order.split()}
    return old, words, new, _lattices(new, reader, generator, 1.5)


def _lattices(texts: list[str], reader: CRNN, generator: torch.Generator, variety: float):
    written = pen.draw_words(texts, generator, height=64)
    known, height = reader.alphabet, reader.config.height
    return lattices_of(
        reader,
        lines_of_words(written, known, height=height, variety=variety, generator=generator),
    )
