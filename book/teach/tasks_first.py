"""What is printed on the worksheets of notebooks 00 to 05. Every answer is computed."""

from __future__ import annotations

import math
from itertools import groupby, product

import torch
from paper import Gap, Lines, Picture, Pixels, Sheet, Space, Table, Task, Words, gaps
from skimage.measure import label

from crnn_lib import Alphabet, LineStyle, compose_lines, ctc, load_glyphs
from crnn_lib.lessons import chapter00, chapter01, chapter02, chapter03, chapter04, chapter05

DIGITS = Alphabet()


def drawn(alignment) -> str:
    """Class indices as they are written in the notebooks."""
    return "".join(DIGITS.symbols[c] for c in alignment)


def number(value: float, digits: int = 2) -> str:
    return f"{float(value):.{digits}f}"


# ------------------------------------------------------------------ 00


def start_here() -> Sheet:
    pen, chance = load_glyphs("pen", "test"), torch.Generator().manual_seed(21)
    line = compose_lines(pen, 1, LineStyle(spacing=(-0.25, -0.25)), chance, texts=["55207"])
    spans = tuple((start, end) for start, end in line.spans[0].tolist())
    shared = sum(one[1] > other[0] for one, other in zip(spans, spans[1:], strict=False))
    said = "---5-------5-----2------0----7---"
    runs = [(symbol, len(list(run))) for symbol, run in groupby(said)]
    texts = ("31", "55207", "0071", "8800")
    counted = [
        [text, *gaps([f(text) for f in (len, chapter00.each_digit_once, chapter00.as_a_number)])]
        for text in texts
    ]
    return Sheet(
        "00_start_here",
        "00 · Start here",
        [
            Task(
                "Four cuts",
                [
                    Words(
                        "The line says 55207. Draw four straight, upright cuts that separate the "
                        "five digits. Then look: which cuts take a piece off a digit?"
                    ),
                    Picture(line.images[0, 0, :, : int(line.widths[0])].numpy(), spans),
                    Lines(
                        [("Neighbours that share pixel columns, of 4 pairs:", Gap(str(shared)))],
                    ),
                ],
            ),
            Task(
                "What the frames say",
                [
                    Words(
                        f"A network has read a line and said, frame by frame:   {said}   "
                        "A dash is the blank: nothing new here."
                    ),
                    Lines(
                        [
                            ("Number of frames:", Gap(str(len(said)))),
                            ("Frames that name a digit:", Gap(str(len(said) - said.count("-")))),
                            ("Frames that say blank:", Gap(str(said.count("-")))),
                            (
                                "Longest run of blanks:",
                                Gap(str(max(n for symbol, n in runs if symbol == "-"))),
                            ),
                        ],
                        columns=2,
                    ),
                    Lines([("Which number does the line say?", Gap(said.replace("-", "")))]),
                ],
            ),
            Task(
                "Three ways to count digits",
                [
                    Words(
                        "A counts the characters of the text. B counts different digits only. C "
                        "turns the text into a number first. Fill in what each of them gets. Who "
                        "counts the digits that stand on the line?"
                    ),
                    Table(["text", "A", "B", "C"], counted),
                    Lines([("Always right:", Gap("A"))], columns=2),
                ],
            ),
        ],
    )


# ------------------------------------------------------------------ 01

THREE_DIGITS = (
    "..########....",
    ".........#..#.",
    ".###....#...#.",
    ".##....#....#.",
    "...#..#.....#.",
    ".##..#......#.",
)
SCORES = {(0, 1): -0.4, (0, 2): -0.9, (0, 3): -4.0, (1, 2): -3.0, (1, 3): -2.5, (2, 3): -0.3}


def why_not_cut() -> Sheet:
    image = torch.tensor([[float(c == "#") for c in row] for row in THREE_DIGITS])
    profile = chapter01.column_profile(image).tolist()
    pieces = int(label((image > 0).numpy(), connectivity=2).max())
    broken = [(2, 6), (7, 8), (10, 15), (18, 19)]
    score = [[SCORES.get((i, j), 0.0) for j in range(4)] for i in range(4)]
    ways = [
        (0, *(k for k, cut in zip((1, 2), cuts, strict=True) if cut), 3)
        for cuts in product((1, 0), repeat=2)
    ]
    sums = {way: sum(SCORES[pair] for pair in zip(way, way[1:], strict=False)) for way in ways}
    best = max(sums, key=sums.get)
    assert math.isclose(sums[best], chapter01.best_total(score))
    chances = [(0.9, 1.0, 2), (1.0, 0.5, 4), (0.9, 0.9, 2), (0.99, 0.95, 5)]
    return Sheet(
        "01_why_not_cut",
        "01 · Why not cut?",
        [
            Task(
                "Profile and pieces",
                [
                    Words(
                        "Count the ink of each column, and write the counts below. Then write the "
                        "runs of columns with ink as pairs (start, end). Columns count from 0, the "
                        "end does not belong to the run."
                    ),
                    Pixels(
                        tuple(tuple(int(c == "#") for c in row) for row in THREE_DIGITS),
                        below=gaps(profile),
                        side=7.0,
                    ),
                    Lines(
                        [
                            ("Runs:", Gap(str(chapter01.pieces(profile)))),
                            ("Connected pieces (ink that hangs together):", Gap(str(pieces))),
                        ]
                    ),
                ],
            ),
            Task(
                "Join what is broken",
                [
                    Words(
                        f"These runs were found: {broken}. Join those with at most gap empty "
                        "columns between."
                    ),
                    Lines(
                        [
                            (f"gap = {gap}:", Gap(str(chapter01.merge_close(broken, gap))))
                            for gap in (0, 1, 2)
                        ]
                    ),
                ],
            ),
            Task(
                "How often a whole line is right",
                [
                    Words(
                        "Each digit is named right with probability p, each cut between neighbours "
                        "is right with probability q. What share of lines of n digits is right?"
                    ),
                    Table(
                        ["p", "q", "n", "share"],
                        [
                            [f"{p}", f"{q}", f"{n}"]
                            + [Gap(number(chapter01.expected_match(p, q, n), 3))]
                            for p, q, n in chances
                        ],
                    ),
                ],
            ),
            Task(
                "The best of all ways to cut",
                [
                    Words(
                        "A line may be cut at 1 and at 2; 0 and 3 are its ends. The table says how "
                        "much the ink between two cuts looks like a digit (a log-probability)."
                    ),
                    Table(
                        ["piece", *(f"{i} to {j}" for i, j in SCORES)],
                        [["score", *map(str, SCORES.values())]],
                        widths=[24] * 7,
                    ),
                    Table(
                        ["way", "sum of its scores", "the best?"],
                        [
                            [" - ".join(map(str, way)), *gaps([number(sums[way], 1)])]
                            + [Gap("best" if way == best else "")]
                            for way in ways
                        ],
                        widths=[40, 45, 30],
                    ),
                    Words(
                        "A program takes at each cut the best next piece. Which way does it find, "
                        "and what does that cost?"
                    ),
                    Lines([("", Gap(_greedy(sums, best)))]),
                ],
            ),
        ],
    )


def _greedy(sums: dict[tuple, float], best: tuple) -> str:
    way = [0]
    while way[-1] < 3:
        way.append(max(range(way[-1] + 1, 4), key=lambda j: SCORES[way[-1], j]))
    found = " - ".join(map(str, way))
    return f"{found}: {number(sums[tuple(way)], 1)} in the place of {number(sums[best], 1)}"


# ------------------------------------------------------------------ 02


def windows() -> Sheet:
    lines = [(128, 8, 4), (130, 8, 4), (132, 8, 4), (5, 8, 4), (100, 8, 9), (140, 28, 14)]
    width, window, stride = 130, 8, 4
    last = chapter02.count_frames(width, window, stride) - 1
    frames = (0, 1, 7, last)
    seen = [chapter02.columns_of(t, width, window, stride) for t in frames]
    at_20 = [
        t
        for t in range(last + 1)
        if (r := chapter02.columns_of(t, width, window, stride))[0] <= 20 < r[1]
    ]
    inputs = (4, 0, 2, 8)
    right, left = _states(inputs), _states(inputs[::-1])[::-1]
    other = (2, 6)
    return Sheet(
        "02_sliding_windows_and_rnns",
        "02 · Sliding windows and RNNs",
        [
            Task(
                "How many frames?",
                [
                    Words(
                        "A window slides over the line until it has seen the last column. The "
                        "last window may reach beyond the line, and a line always has one. How "
                        "many frames, T, are there?"
                    ),
                    Table(
                        ["W", "window", "stride", "T"],
                        [
                            [*map(str, line), *gaps([chapter02.count_frames(*line)])]
                            for line in lines
                        ],
                    ),
                    Lines(
                        [
                            (
                                "In one of them there are columns that no frame sees. Which, and "
                                "why?",
                                Gap("stride 9 > window 8"),
                            )
                        ]
                    ),
                ],
            ),
            Task(
                "Which columns?",
                [
                    Words(
                        f"W = {width}, window {window}, stride {stride}. Frames and columns count "
                        "from 0; the end does not belong to the span."
                    ),
                    Table(
                        ["frame", *map(str, frames)],
                        [["columns", *gaps([f"[{a}, {b})" for a, b in seen])]],
                    ),
                    Lines([("Which frames see column 20?", Gap(", ".join(map(str, at_20))))]),
                ],
            ),
            Task(
                "A memory by hand",
                [
                    Words(
                        "A very small recurrent network:  new state = old state / 2 + input.  Each "
                        "line begins with the state 0. Read the inputs from the left; then read "
                        "them from the right, and write each state under its own frame."
                    ),
                    Table(
                        ["frame", "0", "1", "2", "3"],
                        [
                            ["input", *map(str, inputs)],
                            ["from the left", *gaps([f"{s:g}" for s in right])],
                            ["from the right", *gaps([f"{s:g}" for s in left])],
                        ],
                    ),
                    Lines(
                        [
                            (
                                "In which frame does the left one know all inputs?",
                                Gap("3, the last"),
                            ),
                            ("And the right one?", Gap("0, the first")),
                        ]
                    ),
                ],
            ),
            Task(
                "A memory that leaks",
                [
                    Words(
                        "The next line has the inputs 2 and 6. One network begins anew; another "
                        "one keeps the last state of task 3, read from the left. What are their "
                        "states?"
                    ),
                    Table(
                        ["frame", "0", "1"],
                        [
                            ["input", *map(str, other)],
                            ["begins anew", *gaps([f"{s:g}" for s in _states(other)])],
                            [
                                "keeps its state",
                                *gaps([f"{s:g}" for s in _states(other, right[-1])]),
                            ],
                        ],
                    ),
                    Lines(
                        [
                            (
                                "Which test finds it?",
                                Gap("the order test: other order, other states"),
                            )
                        ]
                    ),
                ],
            ),
        ],
    )


def _states(inputs, state: float = 0.0) -> list[float]:
    states = []
    for x in inputs:
        state = state / 2 + x
        states.append(state)
    return states


# ------------------------------------------------------------------ 03


def collapsing() -> Sheet:
    shown = ("-----55-----55-----2", "--5555-----22-", "-7--7--7-0")
    told = ", ".join(f"{row} says {''.join(ctc.collapse(row, blank='-'))}" for row in shown)
    said = ("55-55222--07", "5-5", "55", "--1-1-11", "1-1-1", "7", "----", "00-0011-")
    rows = []
    for text in said:
        label = "".join(ctc.collapse(text, blank="-"))
        other = "".join(symbol for symbol, _ in groupby(text.replace("-", "")))
        rows.append([text, *gaps([label or "(nothing)", other or "(nothing)"])])
    four = [drawn(a) for a in ctc.alignments(DIGITS.encode("11"), 4)]
    texts = ("52075", "55207", "11111", "8800", "100000", "7")
    seven = [drawn(a) for a in ctc.alignments(DIGITS.encode("55207"), 7)]
    assert len(seven) == chapter03.count_alignments(DIGITS.encode("55207"), 7)
    counts = [("55207", 6), ("55207", 7), ("55207", 12), ("52075", 7), ("11111", 8)]
    return Sheet(
        "03_collapsing_alignments",
        "03 · Collapsing alignments",
        [
            Task(
                "Collapse",
                [
                    Words(
                        f"{told}. Which rule makes the text out of each row? Apply yours. "
                        "It has two "
                        "steps: in the last column, do them in the other order."
                    ),
                    Table(
                        ["alignment", "says", "in the other order"],
                        rows,
                        widths=[56, 56, 56],
                    ),
                ],
            ),
            Task(
                "All alignments of 11 in four frames",
                [
                    Words("List them all. How many are there?"),
                    Space([f"{len(four)}:   " + "    ".join(four)], 2),
                ],
            ),
            Task(
                "The fewest frames",
                [
                    Words("Write a shortest alignment of each text, and count its frames."),
                    Table(
                        ["text", "a shortest alignment", "fewest frames"],
                        [
                            [
                                text,
                                Gap(drawn(_shortest(text))),
                                Gap(str(chapter03.minimum_frames(DIGITS.encode(text)))),
                            ]
                            for text in texts
                        ],
                        widths=[40, 70, 40],
                    ),
                ],
            ),
            Task(
                "How many?",
                [
                    Words(
                        "How many frames are left over when each text has the fewest that "
                        "it needs? "
                        "To how many runs may they go, and in how many ways?"
                    ),
                    Table(
                        ["text", "frames", "left over", "alignments"],
                        [
                            [
                                text,
                                str(frames),
                                Gap(str(frames - ctc.minimum_frames(DIGITS.encode(text)))),
                                Gap(f"{chapter03.count_alignments(DIGITS.encode(text), frames):,}"),
                            ]
                            for text, frames in counts
                        ],
                    ),
                    Words("Write three of the alignments of 55207 in seven frames."),
                    Space(["for example  " + "    ".join(seven[::4])], 1),
                ],
            ),
        ],
    )


def _shortest(text: str):
    label = DIGITS.encode(text)
    return next(ctc.alignments(label, ctc.minimum_frames(label)))


# ------------------------------------------------------------------ 04


def ctc_loss() -> Sheet:
    probs = ((0.8, 0.2), (0.5, 0.5), (0.6, 0.4))
    line = torch.tensor(probs, dtype=torch.float64).log()
    rows, total = [], {}
    for alignment in product(range(2), repeat=3):
        probability = math.exp(chapter04.alignment_log_prob(line, alignment))
        label = "".join(ctc.collapse("".join("-a"[c] for c in alignment), blank="-"))
        total[label] = total.get(label, 0.0) + probability
        text = "".join("-a"[c] for c in alignment)
        rows.append([text, *gaps([number(probability), label or "(nothing)"])])
    trellis = ctc.forward_backward(line, [1])
    alpha, beta = trellis.alpha.exp(), trellis.beta.exp()  # (T, S)
    gamma = trellis.occupancy.exp()[:, 1]  # (T,)
    assert math.isclose(total["a"], math.exp(trellis.log_prob))
    states = [0, *(c for d in DIGITS.encode("55207") for c in (d, 0))]
    skips = [s >= 2 and states[s] not in (0, states[s - 2]) for s in range(len(states))]
    half = len(rows) // 2
    given = Table(
        ["", "frame 0", "frame 1", "frame 2"],
        [
            ["-", *(str(p[0]) for p in probs)],
            ["a", *(str(p[1]) for p in probs)],
        ],
    )

    def three(name: str, table: torch.Tensor) -> list:
        return [
            [f"{name}, frame {t}", *gaps([number(x) for x in table[t].tolist()])] for t in range(3)
        ]

    return Sheet(
        "04_the_ctc_loss",
        "04 · The CTC loss",
        [
            Task(
                "List all alignments",
                [
                    Words("A network says, for the blank and for the character a:"),
                    given,
                    Words("Write the probability of each alignment, and what it collapses to."),
                    Table(
                        ["alignment", "probability", "text"] * 2,
                        [[*rows[k], *rows[k + half]] for k in range(half)],
                        widths=[27, 30, 30] * 2,
                    ),
                    Lines(
                        [
                            (f"P({label or 'nothing'}) =", Gap(number(p)))
                            for label, p in sorted(total.items(), key=lambda pair: -pair[1])
                        ],
                        columns=3,
                    ),
                ],
            ),
            Task(
                "Alpha",
                [
                    Words(
                        "The states of the text a are  -  a  - . Frame 0 is given. Fill in "
                        "alpha of "
                        "the other two frames, and P(a)."
                    ),
                    Table(
                        ["", "state 0: -", "state 1: a", "state 2: -"],
                        [["alpha, frame 0", *(number(x) for x in alpha[0].tolist())]]
                        + three("alpha", alpha)[1:],
                    ),
                    Lines([("P(a) =", Gap(number(alpha[2, 1:].sum())))], columns=3),
                ],
            ),
            Task(
                "Where may one skip?",
                [
                    Words(
                        "The states of 55207. A skip leads from two states before, past the one "
                        "between. Put a cross under each state into which it is allowed."
                    ),
                    Table(
                        ["state", *map(str, range(11))],
                        [
                            ["class", *drawn(states)],
                            ["skip", *gaps(["x" if skip else "" for skip in skips])],
                        ],
                        widths=[20, *[13.5] * 11],
                    ),
                    Lines(
                        [
                            (
                                "One character has no cross. Why?",
                                Gap("state 3: the two 5s would merge"),
                            )
                        ]
                    ),
                ],
            ),
            Task(
                "Beta, and what comes of both",
                [
                    Words(
                        "Fill in beta, from the last frame upwards. Then multiply, and add up each "
                        "row of alpha × beta."
                    ),
                    Table(
                        ["", "state 0: -", "state 1: a", "state 2: -", "sum"],
                        [
                            [*row, "" if name == "beta" else Gap(number(row_sum))]
                            for name, table in (("beta", beta), ("alpha × beta", alpha * beta))
                            for row, row_sum in zip(three(name, table), table.sum(1), strict=True)
                        ],
                    ),
                ],
            ),
            Task(
                "Said, and what it should have said",
                [
                    Words(
                        "Which share of P(a) has an a in this frame? How much more than that did "
                        "the network say, or how much less? What does training want of it?"
                    ),
                    Table(
                        ["", "said", "share of P(a)", "said − share", "training wants"],
                        [
                            [
                                f"frame {t}",
                                str(probs[t][1]),
                                *gaps([number(gamma[t], 4), number(probs[t][1] - gamma[t], 4)]),
                                Gap("more a" if gamma[t] > probs[t][1] else "less a"),
                            ]
                            for t in range(3)
                        ],
                    ),
                ],
            ),
        ],
    )


# ------------------------------------------------------------------ 05

STORED = ("#....", "#....", "#..##", "#.#..", "##...")


def lines_from_emnist() -> Sheet:
    stored = torch.tensor([[int(c == "#") for c in row] for row in STORED], dtype=torch.uint8)
    upright = chapter05.upright(stored[None])[0]
    line, glyph = [0, 200, 90, 0, 255, 130], [100, 100, 0, 40, 10, 130]
    first, second = (torch.tensor([row], dtype=torch.uint8) for row in (line, glyph))
    summed, pasted = (first + second)[0].tolist(), chapter05.paste(first, second, 0)[0].tolist()
    widths = [12, 4, 14, 10]
    closest = chapter05.ink_starts(widths, -0.5, 3)
    shared = f"[{closest[1]:g}, {closest[0] + widths[0]:g})"
    pools = [(100, 100), (1000, 1000), (240_000, 40_000)]
    return Sheet(
        "05_lines_from_emnist",
        "05 · Making lines from EMNIST",
        [
            Task(
                "Upright",
                [
                    Words(
                        "On the left a digit as EMNIST's file stores it. Exchange rows and "
                        "columns: the first row becomes the first column. Which digit is it?"
                    ),
                    Pixels(
                        tuple(map(tuple, stored.tolist())),
                        answer=tuple(map(tuple, upright.tolist())),
                    ),
                    Lines([("It is a", Gap("7"))], columns=3),
                ],
            ),
            Task(
                "Ink on ink",
                [
                    Words(
                        "Two rows of pixels are laid over each other. Pixels are bytes: a sum "
                        "above 255 begins again at 0. Which rule leaves holes in the ink?"
                    ),
                    Table(
                        [],
                        [
                            ["line", *map(str, line)],
                            ["glyph", *map(str, glyph)],
                            ["sum in bytes", *gaps(summed)],
                            ["brighter stays", *gaps(pasted)],
                        ],
                        widths=[36, *[20] * 6],
                    ),
                ],
            ),
            Task(
                "Seen before",
                [
                    Words(
                        "n glyphs are drawn at random from a pool, each time from all of them. "
                        "With which probability has a certain glyph been drawn at least "
                        "once? Think "
                        "first of the probability that it never was."
                    ),
                    Table(
                        ["pool", "n", "seen"],
                        [
                            [f"{pool:,}", f"{n:,}", Gap(number(1 - (1 - 1 / pool) ** n))]
                            for pool, n in pools
                        ],
                    ),
                ],
            ),
            Task(
                "From gap to overlap",
                [
                    Words(
                        f"Four inks are {widths[0]}, {widths[1]}, {widths[2]} and {widths[3]} "
                        f"columns wide, their mean is {sum(widths) // 4}. The first begins at "
                        "column 3. Where do the others begin? Above 0 the spacing is a "
                        "gap, in mean "
                        "widths; below 0 it is an overlap, in widths of the narrower neighbour."
                    ),
                    Table(
                        ["spacing", "first", "second", "third", "fourth"],
                        [
                            [f"{spacing}", f"{starts[0]:g}", *gaps([f"{x:g}" for x in starts[1:]])]
                            for spacing in (0.0, 0.5, -0.5)
                            for starts in [chapter05.ink_starts(widths, spacing, 3)]
                        ],
                    ),
                    Lines(
                        [
                            (
                                "At -0.5, which columns does the second ink take, end excluded?",
                                Gap(f"[{closest[1]:g}, {closest[1] + widths[1]:g})"),
                            ),
                            ("And which of these does the first one take as well?", Gap(shared)),
                        ]
                    ),
                ],
            ),
        ],
    )


SHEETS = {
    "00": start_here,
    "01": why_not_cut,
    "02": windows,
    "03": collapsing,
    "04": ctc_loss,
    "05": lines_from_emnist,
}
