"""What is printed on the worksheets of notebooks 13 and 14. Every answer is computed."""

from __future__ import annotations

import math
from itertools import groupby

import torch
from paper import Gap, Lines, Sheet, Table, Task, Words, gaps
from tasks_first import number
from torch.nn import functional as F

from crnn_lib import CRNN, ctc
from crnn_lib.lessons import chapter14
from crnn_lib.lessons.chapter13 import CASES, cures
from crnn_lib.lessons.chapter13 import specimens as wild
from crnn_lib.models import CRNNConfig

# ------------------------------------------------------------------ 13

CHANGES = {  # a case's symptom: changes, in words and as code
    "the loss is negative": {
        "clamp(min=0)": cures.cut_at_zero(wild.line_loss),
        "abs()": cures.without_its_sign(wild.line_loss),
        "log_softmax in front": cures.normalised_first,
    },
    "it is negative again": {
        "clamp(min=0)": cures.cut_at_zero(wild.batch_losses),
        "each label's own length": cures.with_true_lengths,
    },
    "characters too many": {
        "drop class 0 and class C - 1": cures.dropping_both_ends,
        "drop the blank that is given": cures.dropping_the_given_blank,
    },
    "missing double letters": {
        "never merge": cures.never_merged,
        "merge once": cures.merged_once,
        "take long runs for doubles": cures.long_runs_are_doubles,
    },
}


def bugs() -> Sheet:
    flat = torch.zeros(2, 3, 3).log_softmax(-1)
    labels, names = [[1], [1, 2]], ("a", "ab")
    ways = [ctc.count_alignments(label, 3) for label in labels]
    losses = [math.log(27 / count) for count in ways]
    divided = [loss / len(label) for loss, label in zip(losses, labels, strict=True)]
    assert math.isclose(wild.reported_loss(flat, labels), sum(divided) / 2, rel_tol=1e-5)
    said = ("5-5-2-0-7-", "55-55222-07", "1---1", "00-7")
    readings = []
    for text in said:
        path = torch.tensor([10 if c == "-" else int(c) for c in text])  # digits first, blank last
        wrong = wild.read_frames(F.one_hot(path, 11), 10)
        right = "".join(ctc.collapse(text, blank="-"))
        twice = "".join(c for c, _ in groupby(right))
        first = "".join(c for c, _ in groupby(text.replace("-", "")))
        readings.append([text, *gaps([right, "".join("0123456789-"[c] for c in wrong)])])
        readings[-1] += gaps([twice, first])
    cases = {case.symptom: case for case in CASES}
    changes = [
        [symptom, words, Gap("cures" if cases[symptom].passes(function) else "hides")]
        for symptom, tried in CHANGES.items()
        for words, function in tried.items()
    ]
    lines, size = 1000, 64
    batches = [[True] * min(size, lines - n) for n in range(0, lines, size)]
    return Sheet(
        "13_bugs_in_the_wild",
        "13 · Bugs in the wild",
        [
            Task(
                "Two programs, two losses",
                [
                    Words(
                        "Three flat frames, three classes: the blank, a and b. All 27 alignments "
                        "are equally likely. Count those of a and of ab. The loss is log(27 / "
                        "count)."
                    ),
                    Table(
                        ["text", "alignments", "loss", "loss / length"],
                        [
                            [name, *gaps([count, number(loss), number(share)])]
                            for name, count, loss, share in zip(
                                names, ways, losses, divided, strict=True
                            )
                        ]
                        + [
                            ["mean", "", *gaps([number(sum(losses) / 2), number(sum(divided) / 2)])]
                        ],
                    ),
                    Lines(
                        [
                            (
                                "Which of the two does torch's reduction='mean' report?",
                                Gap("the second"),
                            )
                        ]
                    ),
                ],
            ),
            Task(
                "Four readers",
                [
                    Words(
                        "The blank is the last class. Right: merge, then drop blanks. A drops "
                        "class 0 and not the blank. B merges the finished text once more. C "
                        "drops blanks first."
                    ),
                    Table(["frames", "right", "A", "B", "C"], readings),
                    Lines([("Which two cannot be told apart from outside?", Gap("B and C"))]),
                ],
            ),
            Task(
                "Cure, or cover-up?",
                [
                    Words("Each change makes the number look right. Does it cure, or only hide?"),
                    Table(["symptom", "change", ""], changes, widths=[62, 70, 40]),
                ],
            ),
            Task(
                "Never above 97.7 %",
                [
                    Words(
                        f"A reader gets all of {lines:,} lines right. They come in batches of "
                        f"{size}; a program divides by batches × batch size."
                    ),
                    Lines(
                        [
                            ("Batches:", Gap(str(len(batches)))),
                            ("Lines in the last one:", Gap(str(len(batches[-1])))),
                            ("Reported:", Gap(f"{wild.accuracy(batches, size):.1%}")),
                            (
                                "It should be:",
                                Gap(f"{cures.counting_the_lines(batches, size):.1%}"),
                            ),
                        ],
                        columns=2,
                    ),
                ],
            ),
        ],
    )


# ------------------------------------------------------------------ 14


def capstone() -> Sheet:
    network = CRNN(CRNNConfig(channels=(4, 8), strides=((2, 2), (2, 2)), hidden=3))
    rows = network.rnn.input_size // 8
    parts = {
        "convolution 1 to 4, 3 x 3, with bias": sum(
            p.numel() for p in network.convolutions[0].parameters()
        ),
        "its norm: scale and shift": sum(p.numel() for p in network.norms[0].parameters()),
        "convolution 4 to 8, 3 x 3, with bias": sum(
            p.numel() for p in network.convolutions[1].parameters()
        ),
        "its norm": sum(p.numel() for p in network.norms[1].parameters()),
        f"GRU, both ways: {rows} x 8 numbers in, 3 out": sum(
            p.numel() for p in network.rnn.parameters()
        ),
        "linear, 6 to 11": sum(p.numel() for p in network.classify.parameters()),
    }
    assert sum(parts.values()) == chapter14.crnn_parameters((4, 8), rows, 3, 11)
    counts = [(1, 1), (50, 50), (95, 100), (950, 1000)]
    pairs = [(15, 0), (60, 45), (3, 1), (5, 5)]
    entries = [(20_000, 950), (8_000, 951), (30_000, 960), (8_000, 940), (2_000, 700)]
    best = chapter14.front(entries)
    return Sheet(
        "14_capstone",
        "14 · Capstone",
        [
            Task(
                "Parameters before building",
                [
                    Words(
                        "A tiny CRNN. The GRU has three gates in each direction; each gate has "
                        "weights for its inputs and for its state, and two biases per number."
                    ),
                    Table(
                        ["part", "parameters"],
                        [[words, Gap(f"{count:,}")] for words, count in parts.items()]
                        + [["together", Gap(f"{sum(parts.values()):,}")]],
                        widths=[90, 40],
                    ),
                ],
            ),
            Task(
                "How sure is a score?",
                [
                    Words(
                        "Wilson's 95 % interval, from the notebook's function. Guess first, then "
                        "look it up: how wide is it?"
                    ),
                    Table(
                        ["right", "of", "share", "from", "to"],
                        [
                            [str(k), str(n), Gap(f"{k / n:.1%}")]
                            + [Gap(f"{end:.1%}") for end in chapter14.exact_match_interval(k, n)]
                            for k, n in counts
                        ],
                    ),
                ],
            ),
            Task(
                "Better, or luck?",
                [
                    Words(
                        "Only lines that one network reads and the other misses tell them apart. "
                        "If a fair coin decided each of those: how likely is a split so uneven, "
                        "or more so? For the second take the notebook's function."
                    ),
                    Table(
                        ["only A reads", "only B reads", "luck", "a difference?"],
                        [
                            [
                                str(a),
                                str(b),
                                Gap(f"{chapter14.luck(a, b):.3g}"),
                                Gap("yes" if chapter14.luck(a, b) < 0.05 else "not shown"),
                            ]
                            for a, b in pairs
                        ],
                    ),
                ],
            ),
            Task(
                "Who is beaten by nobody?",
                [
                    Words(
                        "An entry is beaten if another one is no larger, reads no less, and "
                        "differs."
                    ),
                    Table(
                        ["entry", "parameters", "lines read", "beaten?"],
                        [
                            [chr(65 + k), f"{size:,}", str(read), Gap("no" if k in best else "yes")]
                            for k, (size, read) in enumerate(entries)
                        ],
                    ),
                ],
            ),
        ],
    )


SHEETS = {"13": bugs, "14": capstone}
