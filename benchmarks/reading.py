"""How well the shipped weights read."""

from __future__ import annotations

import dataclasses

import torch
from table import markdown_table
from twins import has_twin

from crnn_lib import LineStyle, compose_lines, evaluate, load_glyphs, load_model
from crnn_lib.training import seeded_generator

TESTED, SEED = 10_000, 2026


def styles() -> dict[str, LineStyle]:
    article = LineStyle.article()
    still = dataclasses.replace(
        article, rotation=0.0, translation=(0.0, 0.0), glyph_size=(1.0, 1.0)
    )
    return {
        "the article's strips, five digits": article,
        "the same without jitter": still,
        "default style, 1 to 10 digits": LineStyle(),
        "default style, five digits": LineStyle(length=(5, 5)),
    }


def run() -> str:
    torch.set_num_threads(1)
    model, test = load_model("crnn-digits"), load_glyphs("auto", "test")
    twin = has_twin(test, load_glyphs("auto", "train"))
    strangers = test.subset(~twin)
    rows = []
    for number, (name, style) in enumerate(styles().items()):
        lines = compose_lines(test, TESTED, style, seeded_generator(SEED, number))
        others = compose_lines(strangers, TESTED, style, seeded_generator(SEED, number))
        report = evaluate(model, lines)
        rows.append(
            [
                name,
                f"{report.exact_match:.2%}",
                "{:.2%} to {:.2%}".format(*report.exact_match_interval),
                f"{report.character_error_rate:.2%}",
                f"{evaluate(model, others).exact_match:.2%}",
            ]
        )
        print(rows[-1], flush=True)
    header = [
        "lines",
        "exact match",
        "95 % interval",
        "character error rate",
        "exact match without twins",
    ]
    return (
        f"## Reading\n\n`crnn-digits` on {test.source} ({test.split}) glyphs, n = {TESTED:,} lines "
        f"a row, seed {SEED}, best path.\n\n{markdown_table(header, rows)}\n\n"
        f"{twin.float().mean():.1%} of the test glyphs have a near-twin among the training glyphs "
        "(benchmarks/twins.py): both sets were cut from the same forms. The last column leaves "
        f"them out."
    )
