"""What is printed on the worksheets of notebooks 06 to 12. Every answer is computed."""

from __future__ import annotations

import math
from itertools import product

import torch
from paper import Gap, Lines, Pixels, Sheet, Space, Table, Task, Words, gaps
from tasks_first import DIGITS, number

from crnn_lib import Alphabet, best_path, ctc, prefix_beam_search
from crnn_lib.ctc import character_posteriors
from crnn_lib.lessons import (
    chapter06,
    chapter07,
    chapter08,
    chapter09,
    chapter10,
    chapter11,
    chapter12,
)
from crnn_lib.models import ResNet18

# ------------------------------------------------------------------ 06


def crnn() -> Sheet:
    look = chapter06.Layers().look.eval()
    x, shapes = torch.zeros(1, 1, 32, 160), []
    with torch.no_grad():
        for block in look:
            x = block(x)
            shapes.append([str(block[0].stride), str(x.shape[1]), *gaps(x.shape[2:])])
    _, channels, rows, frames = x.shape
    across, needs = [[1, 1, 1], [2, 1, 1], [2, 2, 1], [2, 2, 2]], ctc.minimum_frames([1] * 5)
    x = torch.tensor([[[[10, 11, 12]], [[20, 21, 22]]]])  # (N, C', H', T)
    moved, dealt = x.permute(0, 3, 1, 2).flatten(2)[0].tolist(), x.reshape(1, 3, 2)[0].tolist()
    behind_1, columns = _seen(look[1:]), _seen(look)
    return Sheet(
        "06_the_crnn",
        "06 · The CRNN",
        [
            Task(
                "A table of shapes",
                [
                    Words(
                        "A line is 32 pixels high and 160 wide. Three blocks follow, each with a 3 "
                        "x 3 convolution, padded, so a stride of 1 keeps a side as it is."
                    ),
                    Table(["stride (down, across)", "channels", "high", "wide"], shapes),
                    Lines(
                        [
                            ("Frames:", Gap(str(frames))),
                            ("Numbers in a frame:", Gap(str(channels * rows))),
                        ],
                        columns=2,
                    ),
                ],
            ),
            Task(
                "What a frame sees",
                [
                    Words(
                        "Start at one frame, behind block 3 (stride 1). Its filter looks at some "
                        "columns behind block 2 (stride 2); each of these looks at columns behind "
                        "block 1 (stride 2). Draw them as dots, row above row, and count."
                    ),
                    Space([], 6),
                    Lines(
                        [
                            ("Columns behind block 2:", Gap("3")),
                            ("behind block 1:", Gap(str(behind_1))),
                            ("of the line:", Gap(str(columns))),
                        ],
                        columns=3,
                    ),
                ],
            ),
            Task(
                "Is there room?",
                [
                    Words(
                        "11111 is written on 50 columns. How many frames does it need? How many "
                        "are left with these strides across, with a padding of 1?"
                    ),
                    Lines([("11111 needs", Gap(f"{needs} frames"))]),
                    Table(
                        ["strides across", "frames", "fits?"],
                        [
                            [
                                str(s),
                                Gap(str(left := chapter06.stack_frames(50, s, 1))),
                                Gap("yes" if left >= needs else "no"),
                            ]
                            for s in across
                        ],
                        widths=[50, 34, 34],
                    ),
                ],
            ),
            Task(
                "The shape is right",
                [
                    Words(
                        "Two channels, one row, three columns. In memory the numbers lie as 10 "
                        "11 12 20 21 22. Frame t is to hold column t of both channels."
                    ),
                    Table(
                        ["", "frame 0", "frame 1", "frame 2"],
                        [
                            ["permute", *gaps(moved)],
                            ["reshape to (3, 2)", *gaps(dealt)],
                        ],
                        widths=[40, 34, 34, 34],
                    ),
                    Lines([("Which frames of reshape mix columns?", Gap(_mixed(moved, dealt)))]),
                ],
            ),
            Task(
                "Who reads the padding?",
                [
                    Words(
                        "Something stands in the columns beyond a line's end. Which of these can "
                        "carry it into the line's own columns, while reading?"
                    ),
                    Table(
                        ["", "yes or no"],
                        [
                            [
                                "a convolution, 3 columns wide",
                                Gap("yes: it looks to the right"),
                            ],
                            ["a norm, in eval mode", Gap("no: each column by itself")],
                            ["a GRU from left to right", Gap("no: the line comes first")],
                            ["a GRU from right to left", Gap("yes: the padding comes first")],
                            ["the read-out", Gap("no: each frame by itself")],
                        ],
                        widths=[60, 70],
                    ),
                ],
            ),
        ],
    )


def _seen(blocks) -> int:
    """Columns on which one frame depends, as torch's gradient finds them."""
    x = torch.rand(1, blocks[0][0].in_channels, 32, 80, requires_grad=True)
    y = x
    for block in blocks:
        y = block[0](y)  # the convolution alone: a ReLU hides what it sets to 0
    y[..., y.shape[-1] // 2].sum().backward()
    return int((x.grad[0].abs().amax((0, 1)) > 0).sum())


def _mixed(moved: list, dealt: list) -> str:
    columns = [{n % 10 for n in frame} for frame in dealt]
    assert all(len({n % 10 for n in frame}) == 1 for frame in moved)
    return ", ".join(str(t) for t, seen in enumerate(columns) if len(seen) > 1)


# ------------------------------------------------------------------ 07


def beam_search() -> Sheet:
    two = torch.tensor([[0.6, 0.4, 0.0], [0.6, 0.4, 0.0]], dtype=torch.float64)  # -, a, b
    three = torch.tensor([[0.3, 0.5, 0.2], [0.35, 0.25, 0.4]], dtype=torch.float64)
    letters = Alphabet("ab")
    (greedy,) = best_path(three.log(), alphabet=letters)
    (narrow,) = prefix_beam_search(three.log(), alphabet=letters, beam_width=1)
    beginnings = {
        start: chapter07.begins_with(three, letters.encode(start)) for start in ("b", "ab")
    }
    listed, sums = [], {}
    for alignment in product(range(2), repeat=2):
        p = math.prod(two[t, c].item() for t, c in enumerate(alignment))
        text = "".join(letters.symbols[c] for c in ctc.collapse(alignment)) or "(nothing)"
        sums[text] = sums.get(text, 0.0) + p
        drawn_ = "".join(letters.symbols[c] for c in alignment)
        listed.append([drawn_, *gaps([number(p), text])])
    label = chapter07.most_probable_label(two.log())
    best = "".join(letters.symbols[c] for c in label)
    found = [(0.5, 0.2, 0.1), (0.4, 0.3, 0.2), (0.6,), (0.3, 0.3), (0.45, 0.05)]
    return Sheet(
        "07_beam_search",
        "07 · Beam search",
        [
            Task(
                "The best alignment, the best text",
                [
                    Words(
                        "Two frames, three classes: the blank 0.6, a 0.4, b 0. Both frames alike."
                    ),
                    Table(["alignment", "probability", "text"], listed),
                    Lines(
                        [(f"P({text.strip('()')}) =", Gap(number(p))) for text, p in sums.items()]
                        + [("The best text:", Gap(f"{best}, {number(max(sums.values()))}"))],
                        columns=3,
                    ),
                ],
            ),
            Task(
                "The same by prefix beam search",
                [
                    Words(
                        "Keep apart, for each prefix, the alignments that end in a blank and those "
                        "that end in its last character."
                    ),
                    _beam_table(two, letters, ["", "a"]),
                    Lines(
                        [
                            (
                                "P(a), both numbers of the last frame together:",
                                Gap(number(_ends(two, "a", 2, letters)[2])),
                            ),
                            ("Why keep them apart?", Gap("after a blank, another a is a new one")),
                        ],
                    ),
                ],
            ),
            Task(
                "A beam of width 1",
                [
                    Words(
                        "Frame 0: blank 0.3, a 0.5, b 0.2. Frame 1: blank 0.35, a 0.25, b 0.4. "
                        "Fill in the table with a beam so wide that nothing falls out."
                    ),
                    _beam_table(three, letters, ["", "a", "b", "ab", "ba"]),
                    Lines(
                        [
                            ("Best path reads", Gap(_said(greedy))),
                            ("A beam of width 1 reads", Gap(_said(narrow))),
                            *(
                                (f"P(begins with {start}) =", Gap(number(begun, 3)))
                                for start, begun in beginnings.items()
                            ),
                        ],
                        columns=2,
                    ),
                ],
            ),
            Task(
                "Is it proven?",
                [
                    Words(
                        "A search has seen labels with these probabilities. How much can any "
                        "label but the best have at most? If that is less than the best, the "
                        "best is proven."
                    ),
                    Table(
                        ["seen", "rest", "most of a rival", "proven?"],
                        [
                            [
                                "  ".join(map(str, seen)),
                                Gap(number(1 - sum(seen))),
                                Gap(number(rival := chapter07.most_of_any_other(list(seen)))),
                                Gap("yes" if max(seen) > rival + 1e-9 else "no"),
                            ]
                            for seen in found
                        ],
                        widths=[44, 34, 34, 34],
                    ),
                ],
            ),
        ],
    )


def _said(hypothesis) -> str:
    return f"{hypothesis.text}, {number(math.exp(hypothesis.log_prob), 3)}"


def _ends(probs, prefix: str, frames: int, letters: Alphabet) -> tuple[float, float, float]:
    """What a prefix has after so many frames: ending in a blank, in its character, and both."""
    blank = other = 0.0
    for alignment in product(range(probs.shape[1]), repeat=frames):
        if ctc.collapse(alignment) == letters.encode(prefix):
            p = math.prod(probs[t, c].item() for t, c in enumerate(alignment))
            blank, other = (blank + p, other) if alignment[-1] == 0 else (blank, other + p)
    return blank, other, blank + other


def _beam_table(probs, letters: Alphabet, prefixes: list[str]) -> Table:
    rows = []
    for prefix in prefixes:
        row = [prefix or "(nothing)"]
        for frames in (1, 2):
            row += gaps([number(value, 3) for value in _ends(probs, prefix, frames, letters)])
        rows.append(row)
    head = ["prefix"]
    for t in (0, 1):
        head += [f"frame {t}: blank", f"frame {t}: char.", f"frame {t}: sum"]
    return Table(head, rows, widths=[24, *[25] * 6])


# ------------------------------------------------------------------ 08


def language() -> Sheet:
    candidates = [("55201", 0.55, 0.001), ("55207", 0.40, 0.020)]
    logs = [(text, math.log(p), math.log(q)) for text, p, q in candidates]
    weights = (0.0, 0.1, 0.2, 1.0)
    code = "552026"
    doubled = [k % 2 == 0 for k in range(len(code))]
    values = [
        2 * int(c) - 9 * (int(c) > 4) if twice else int(c)
        for c, twice in zip(code, doubled, strict=True)
    ]
    assert (sum(values) % 10 == 0) == chapter08.passes_luhn(code)
    completed = [
        (start, next(d for d in "0123456789" if chapter08.passes_luhn(start + d)))
        for start in ("5520", "7992739871", "123")
    ]
    texts = ["500", "505", "50"]
    table = chapter08.bigram_table(texts, "05")
    counts = [
        [1 + sum(t[k : k + 2] == a + b for t in texts for k in range(len(t) - 1)) for b in "05"]
        for a in "05"
    ]
    return Sheet(
        "08_language_and_constraints",
        "08 · Language and constraints",
        [
            Task(
                "Two opinions",
                [
                    Words(
                        "score = log P of the network + weight · log P of the language. Two "
                        "decimals do."
                    ),
                    Table(
                        [
                            "text",
                            "log P network",
                            "log P language",
                            *(f"weight {w:g}" for w in weights),
                        ],
                        [
                            [
                                text,
                                number(p),
                                number(q),
                                *gaps([number(p + w * q) for w in weights]),
                            ]
                            for text, p, q in logs
                        ],
                        widths=[24] * 7,
                    ),
                    Lines(
                        [
                            (
                                f"Read at weight {w:g}:",
                                Gap(chapter08.rerank(logs, w, 0.0)[0]),
                            )
                            for w in weights
                        ],
                        columns=2,
                    ),
                ],
            ),
            Task(
                "A check digit by hand",
                [
                    Words(
                        "From the right, double every second digit; take 9 off what then has two "
                        "digits. The sum of all must end in 0."
                    ),
                    Table(
                        [],
                        [
                            ["digit", *code],
                            ["doubled?", *gaps(["x" if twice else "" for twice in doubled])],
                            ["counts as", *gaps(values)],
                        ],
                        widths=[30, *[18] * len(code)],
                    ),
                    Lines(
                        [
                            ("Sum:", Gap(str(sum(values)))),
                            ("Passes?", Gap("yes" if chapter08.passes_luhn(code) else "no")),
                            (
                                "55207 passes?",
                                Gap("yes" if chapter08.passes_luhn("55207") else "no"),
                            ),
                            (
                                "55202 passes?",
                                Gap("yes" if chapter08.passes_luhn("55202") else "no"),
                            ),
                        ],
                        columns=2,
                    ),
                    Words("Which last digit makes these numbers pass?"),
                    Lines(
                        [(f"{start} _", Gap(start + digit)) for start, digit in completed],
                        columns=3,
                    ),
                ],
            ),
            Task(
                "An automaton for multiples of 7",
                [
                    Words(
                        "Read the number from the left. The state is the remainder by 7 of what "
                        "was read so far. It starts at 0 and accepts at 0."
                    ),
                    Table([], _remainders("55207")),
                    Table([], _remainders("55209")),
                    Lines([("How does 5520 come from 552 and 0?", Gap("10 · 552 + 0"))]),
                ],
            ),
            Task(
                "What follows what",
                [
                    Words(
                        f"Texts: {', '.join(texts)}. How often does which character follow which? "
                        "Each count begins at 1. How likely is each, after a 0 and after a 5?"
                    ),
                    Table(
                        ["after", "0: count", "5: count", "0: share", "5: share"],
                        [
                            [first, *gaps(counts[i]), *gaps([number(x) for x in table[i].tolist()])]
                            for i, first in enumerate("05")
                        ],
                    ),
                ],
            ),
        ],
    )


def _remainders(text: str) -> list[list]:
    states = [0]
    for digit in text:
        states.append(chapter08.next_state(states[-1], int(digit)))
    accepted = "accepted" if states[-1] == 0 else "not accepted"
    return [
        ["digit", *text, "multiple of 7?"],
        ["remainder", *gaps(states[1:]), Gap(accepted)],
    ]


# ------------------------------------------------------------------ 09


def where_and_how_sure() -> Sheet:
    alignments = ("55-5-2", "--1-1-", "-00-07")
    spans = [chapter09.spans_of(["-0123456789".index(c) for c in text]) for text in alignments]
    written = [
        ", ".join(f"{DIGITS.symbols[c]} [{start}, {end})" for c, start, end in found)
        for found in spans
    ]
    by_hand = torch.tensor([[0.1, 0.7, 0.2]] * 2, dtype=torch.float64).log()
    posterior = character_posteriors(by_hand, [1]).exp()[0].tolist()
    masses = [ctc.label_probability_brute_force(by_hand, label) for label in ([], [1], [2])]
    confidences = (0.95, 0.9, 0.9, 0.85, 0.7, 0.45, 0.4, 0.25)
    correct = (True, True, True, False, True, False, True, False)
    bins = [(0.0, 0.5), (0.5, 1.0)]
    rows = []
    for low, high in bins:
        inside = [k for k, c in enumerate(confidences) if low < c <= high]
        sure = sum(confidences[k] for k in inside) / len(inside)
        right = sum(correct[k] for k in inside) / len(inside)
        values = [len(inside), number(sure, 3), number(right, 3), number(abs(sure - right), 3)]
        rows.append([f"above {low:g}, up to {high:g}", *gaps(values)])
    error = chapter09.calibration_error(list(confidences), list(correct), bins=2)
    return Sheet(
        "09_where_and_how_sure",
        "09 · Where, and how sure",
        [
            Task(
                "Spans",
                [
                    Words(
                        "Write the span of each character as digit [start, end). Frames count from "
                        "0, the end does not belong to the span."
                    ),
                    Lines(
                        [
                            (text, Gap(found))
                            for text, found in zip(alignments, written, strict=True)
                        ]
                    ),
                    Words(
                        "A frame is 4 pixel columns wide; frame 0 begins at column 0. The "
                        "columns of each span:"
                    ),
                    Lines(
                        [
                            (
                                text,
                                Gap(
                                    ", ".join(
                                        f"{DIGITS.symbols[c]} [{4 * start}, {4 * end})"
                                        for c, start, end in found
                                    )
                                ),
                            )
                            for text, found in zip(alignments, spans, strict=True)
                        ]
                    ),
                ],
            ),
            Task(
                "How sure is a character?",
                [
                    Words(
                        "Two frames; in each the blank has 0.1, a has 0.7, b has 0.2. The "
                        "network reads a. Add up the alignments of each text, then divide by the "
                        "sum of all three."
                    ),
                    Table(
                        ["text", "its alignments", "together", "share"],
                        [
                            [text, *gaps([found, number(mass), number(share, 3)])]
                            for text, found, mass, share in zip(
                                ("(nothing)", "a", "b"),
                                ("--", "aa, a-, -a", "bb, b-, -b"),
                                masses,
                                posterior,
                                strict=True,
                            )
                        ],
                    ),
                    Lines(
                        [
                            (
                                "What is left of 1, and which texts have it?",
                                Gap(f"{number(1 - sum(masses))}: ab and ba"),
                            )
                        ]
                    ),
                ],
            ),
            Task(
                "Is it honest?",
                [
                    Words(
                        "Eight lines, how sure the reader was of each, and whether it was right."
                    ),
                    Table(
                        [],
                        [
                            ["sure", *map(str, confidences)],
                            ["right", *("yes" if ok else "no" for ok in correct)],
                        ],
                        widths=[22, *[18] * 8],
                    ),
                    Table(
                        ["bin", "lines", "mean confidence", "share right", "distance"],
                        rows,
                        widths=[40, *[32] * 4],
                    ),
                    Lines(
                        [
                            (
                                "Expected calibration error (weigh each distance by its lines):",
                                Gap(number(error, 3)),
                            )
                        ]
                    ),
                ],
            ),
            Task(
                "Refuse the least sure",
                [
                    Words("The same eight lines. What share of those that are left is wrong?"),
                    Table(
                        ["refused", "left", "wrong", "risk"],
                        [
                            [
                                str(n),
                                Gap(str(8 - n)),
                                Gap(str(round(risk * (8 - n)))),
                                Gap(number(risk, 3)),
                            ]
                            for n in (0, 1, 3, 5)
                            if (
                                risk := chapter09.risk_after_refusal(
                                    list(confidences), list(correct), n
                                )
                            )
                            is not None
                        ],
                    ),
                ],
            ),
        ],
    )


# ------------------------------------------------------------------ 10


def letters_and_words() -> Sheet:
    pairs = (("hand", "Hand"), ("its", "it's"), ("0ld", "Old"), ("1530", "15:30"), ("no9", "No. 9"))
    same = [
        [read, written, *gaps(["no", "yes" if one == other else "no"])]
        for read, written in pairs
        for one, other in [(chapter10.folded(read), chapter10.folded(written))]
    ]
    distant = (("modem", "modern"), ("dean", "clean"), ("hnad", "hand"), ("aword", "a word"))
    rows = [("the old cat", "the cat"), ("a cup often", "a cup of tea")]
    edits = [[read, written, Gap(str(chapter10.edits(read, written)))] for read, written in distant]
    in_words = [
        [read, written, Gap(str(chapter10.edits(read.split(), written.split())))]
        for read, written in rows
    ]
    spans = [("I", 4, 6), (" ", 9, 13), ("a", 15, 24), ("m", 26, 40), (" ", 44, 50), ("7", 52, 60)]
    words = chapter10.words_of(spans)
    seen, counts = {"wear": -1.0, "were": -4.0}, {"wear": 10, "were": 1000}
    scores = []
    for weight in (0.0, 1.0, 2.0):
        row = {word: seen[word] + weight * math.log10(counts[word]) for word in seen}
        best = max(row, key=row.__getitem__)
        scores.append([f"{weight:g}", *gaps([*(f"{s:g}" for s in row.values()), best])])
    return Sheet(
        "10_letters_and_words",
        "10 · Letters and words",
        [
            Task(
                "Which one is it?",
                [
                    Words(
                        "Write O, 0, o, l, I and 1 below, mixed, and let a neighbour read them "
                        "aloud. Then say what could help with each of these."
                    ),
                    Space([], 1),
                    Table(
                        ["written", "could be", "what decides?"],
                        [
                            ["O, alone", *gaps(["0 or o", "nothing on the paper"])],
                            ["l0 cm", *gaps(["10 or l0", "a number stands there"])],
                            ["corner", *gaps(["comer", "how wide this hand writes its n"])],
                        ],
                        widths=[34, 40, 100],
                    ),
                ],
            ),
            Task(
                "Exact and folded",
                [
                    Words(
                        "Folded, only letters and digits count, and a capital is like a small "
                        "letter. Are the two texts the same?"
                    ),
                    Table(["read", "written", "exact?", "folded?"], same),
                ],
            ),
            Task(
                "How many edits?",
                [
                    Words(
                        "An edit puts one character in the place of another, adds one, or takes "
                        "one away. Find the fewest. In the last two rows count words."
                    ),
                    Table(["read", "written", "edits"], [*edits, *in_words]),
                    Lines(
                        [
                            (
                                "One character in ten is wrong. Right, of 100 words of 4 letters:",
                                Gap(f"{100 * 0.9**4:.0f}"),
                            )
                        ]
                    ),
                ],
            ),
            Task(
                "Where are the words?",
                [
                    Words("A line was read, with the columns of each character, half-open."),
                    Table(
                        ["character", *(repr(c) for c, _, _ in spans)],
                        [["columns", *(f"{start} to {end}" for _, start, end in spans)]],
                        widths=[24, *[25] * 6],
                    ),
                    Space([", ".join(f"{w}: {start} to {end}" for w, start, end in words)], 1),
                ],
            ),
            Task(
                "The picture and the list",
                [
                    Words(
                        "A picture says wear with log P = -1 and were with -4 (logarithms to the "
                        "base 10). People write wear 10 times, were 1,000 times. Add the weight "
                        "times the logarithm of the count. Which word wins?"
                    ),
                    Table(["weight", "wear", "were", "read"], scores),
                    Lines(
                        [
                            (
                                "Someone's name is Wera. What does a list without it read?",
                                Gap("another word"),
                            )
                        ]
                    ),
                ],
            ),
        ],
    )


# ------------------------------------------------------------------ 11


def pretrained() -> Sheet:
    needed = ctc.minimum_frames(Alphabet("cefo").encode("coffee"))
    widths, halved = (76, 160, 320), []
    for width in widths:
        row = [width]
        for _ in range(5):
            row.append(-(-row[-1] // 2))
        halved.append([str(width), *gaps(row[1:]), Gap("yes" if row[-1] >= needed else "no")])
    counts = [(frames, chapter11.count_texts(frames, 2)) for frames in (1, 2, 3)]
    fitting = [
        "".join("ab"[c] for c in label)
        for length in range(4)
        for label in product(range(2), repeat=length)
        if ctc.minimum_frames([c + 1 for c in label]) <= 3
    ]
    photo = [
        [(pixel - mean) / deviation for pixel in (0.0, 0.5, 1.0)]
        for mean, deviation in zip(ResNet18.MEAN, ResNet18.DEVIATION, strict=True)
    ]
    texts = ("18", "609", "pod", "sun", "55207", "mow")
    return Sheet(
        "11_a_pretrained_network_reads",
        "11 · A pretrained network reads",
        [
            Task(
                "Five halvings",
                [
                    Words(
                        "A ResNet halves the width five times, rounded up. How wide is the image "
                        "after each halving? How many frames does coffee need, and does it fit?"
                    ),
                    Table(["columns", "1", "2", "3", "4", "5", "fits?"], halved, widths=[24] * 7),
                    Lines(
                        [
                            ("Frames that coffee needs:", Gap(str(needed))),
                            ("Columns of 160 after two halvings:", Gap("40")),
                        ],
                        columns=2,
                    ),
                ],
            ),
            Task(
                "Which texts can so many frames say?",
                [
                    Words(
                        "Two characters, a and b, and the blank. List all texts that fit into "
                        "three frames, the empty one included. Remember: equal neighbours need a "
                        "blank."
                    ),
                    Space([", ".join(t or "(nothing)" for t in fitting)], 2),
                    Lines([(f"T = {t}:", Gap(str(n))) for t, n in counts], columns=3),
                ],
            ),
            Task(
                "Half a turn",
                [
                    Words(
                        "What do these lines say when the paper is turned by half? Where a "
                        "character is none any more, write a dash."
                    ),
                    Table(
                        ["label", *texts],
                        [["turned", *gaps([chapter11.turned(text) or "–" for text in texts])]],
                        widths=[24] * 7,
                    ),
                ],
            ),
            Task(
                "As in pretraining",
                [
                    Words(
                        "Subtract the mean, then divide by the deviation. Mean 0.485, 0.456, "
                        "0.406; deviation 0.229, 0.224, 0.225."
                    ),
                    Table(
                        ["pixel", "0", "0.5", "1"],
                        [
                            [f"channel {k}", *gaps([number(value) for value in row])]
                            for k, row in enumerate(photo)
                        ],
                    ),
                ],
            ),
            Task(
                "Symptom and cause",
                [
                    Words("Write the cause beside the symptom."),
                    Table(
                        ["symptom", "cause"],
                        [
                            ["all lines give one vector", Gap("pooling over the columns")],
                            ["one character per line", Gap("read out at the last step only")],
                            ["the loss is negative", Gap("scores where log-probabilities belong")],
                            ["6 is read as 9", Gap("flips as augmentation")],
                            ["frozen layers drift", Gap("averages of norms in train mode")],
                        ],
                        widths=[70, 100],
                    ),
                ],
            ),
        ],
    )


# ------------------------------------------------------------------ 12


def read_your_own() -> Sheet:
    pixels = [10, 12, 14, 90, 200, 205, 210, 215]
    rows = []
    for level in sorted(set(pixels))[:-1]:
        ink, paper = ([p for p in pixels if (p <= level) == dark] for dark in (True, False))
        difference = sum(paper) / len(paper) - sum(ink) / len(ink)
        spread = len(ink) * len(paper) * difference**2
        rows.append(
            [str(level), *gaps([len(ink), len(paper), number(difference, 1), f"{spread:,.0f}"])]
        )
    best = chapter12.best_threshold(pixels)
    art = (
        "..#.....",
        "........",
        ".####...",
        ".#..#...",
        ".####.#.",
        "....#...",
        "....#...",
        "........",
    )
    mask = torch.tensor([[c == "#" for c in row] for row in art])
    bands = [(least, chapter12.band(mask, least)) for least in (1, 2, 3)]
    line = torch.tensor([[9.0, 9, 0, 9, 9, 9, 0, 9]] * 4)
    nearest = chapter12.scale_to(line, 2)[0].tolist()
    averaged = line.view(2, 2, 4, 2).mean((1, 3))[0].tolist()
    return Sheet(
        "12_read_your_own",
        "12 · Read your own",
        [
            Task(
                "One threshold",
                [
                    Words(
                        f"Grey levels: {', '.join(map(str, pixels))}. For each level t, ink is p "
                        "<= t. Compute n · m · (difference of the means)². The largest wins."
                    ),
                    Table(["t", "n (ink)", "m (paper)", "difference", "n · m · d²"], rows),
                    Lines([("Best threshold:", Gap(str(best)))], columns=2),
                ],
            ),
            Task(
                "The band of a line",
                [
                    Words(
                        "Count the ink of each row. Then give the longest run of rows with at "
                        "least so many pixels, as half-open rows (top, bottom)."
                    ),
                    Pixels(tuple(tuple(int(c == "#") for c in row) for row in art)),
                    Lines(
                        [("Ink per row:", Gap(", ".join(map(str, mask.sum(1).tolist()))))]
                        + [(f"least = {least}:", Gap(str(tuple(found)))) for least, found in bands],
                    ),
                ],
            ),
            Task(
                "Shrinking",
                [
                    Words(
                        "A row of eight pixels, 9 is paper and 0 a thin stroke; the rows above "
                        "and below are the same. Scale it to half, by the cheap way (new pixel i "
                        "is the old pixel int((i + 0.5) · 2)) and by averaging two neighbours."
                    ),
                    Table(
                        [], [["old", *(f"{v:g}" for v in line[0].tolist())]], widths=[28, *[18] * 8]
                    ),
                    Table(
                        [],
                        [
                            ["cheap", *gaps([f"{v:g}" for v in nearest])],
                            ["averaged", *gaps([f"{v:g}" for v in averaged])],
                        ],
                        widths=[28, *[36] * 4],
                    ),
                ],
            ),
            Task(
                "Three numbers, three meanings",
                [
                    Words("A class fine-tunes on its own lines. What does each number say?"),
                    Table(
                        ["measured on", "what it says"],
                        [
                            ["the lines it learned from", Gap("nothing: they are known by heart")],
                            ["other lines, same hand", Gap("what was gained")],
                            ["lines by other hands", Gap("what it cost")],
                        ],
                        widths=[70, 100],
                    ),
                ],
            ),
        ],
    )


SHEETS = {
    "06": crnn,
    "07": beam_search,
    "08": language,
    "09": where_and_how_sure,
    "10": letters_and_words,
    "11": pretrained,
    "12": read_your_own,
}
