"""The leaderboard: the same lines for everybody, entries that keep, files that lose nothing."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import threading
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn_lib.decoders import prefix_beam_search
from crnn_lib.lessons.chapter14 import (
    Entry,
    challenge,
    disagreements,
    enter,
    load_board,
    measure,
    merge_boards,
    sign_test,
    to_bits,
)
from crnn_lib.lessons.chapter14 import charts as capstone_charts
from crnn_lib.lessons.chapter14.leaderboard import front
from crnn_lib.lessons.classroom import rows
from crnn_lib.models import CRNN, CRNNConfig, ResNetRNN, ResNetRNNConfig, SlidingWindowRNN

HERE = challenge.digest_of_lines(challenge.hard_lines())


def entry(name="anna", parameters=1000, read=(True, False), **more):
    fields = {"count": len(read), "read": to_bits(read), "lines": HERE, "weights": "0123456789ab"}
    fields |= {"multiplications": 10, "seed": 0, "date": "2026-11-21T16:30:00Z"}
    return Entry(name=name, parameters=parameters, **{**fields, **more})


def one_of(parameters, right, of=10):
    return entry(parameters=parameters, read=[n < right for n in range(of)])


# ------------------------------------------------------------------ the hard lines


def test_hard_lines_are_a_batch_like_any_other():
    lines = challenge.hard_lines()
    assert len(lines) == 1000 and lines.images.shape[1:3] == (1, 32)
    assert lines.images.min() == 0 and lines.images.max() == 1
    low, high = challenge.HARD.length
    for n, text in enumerate(lines.texts):
        assert low <= len(text) <= high
        assert [c - 1 for c in lines.targets[n, : len(text)].tolist()] == [int(d) for d in text]
        width = int(lines.widths[n])
        assert not lines.images[n, :, :, width:].any()
        starts, ends = lines.spans[n, : len(text)].T
        assert (starts < ends).all() and ends.max() <= width
        assert lines.images[n, 0, :, int(starts[0])].max() > 0.1, "the span begins where ink does"
    assert {len(text) for text in lines.texts} == set(range(low, high + 1))


def test_many_neighbours_overlap():
    lines = challenge.hard_lines()
    pairs = [
        lines.spans[n, i, 1] > lines.spans[n, i + 1, 0]
        for n, text in enumerate(lines.texts)
        for i in range(len(text) - 1)
    ]
    assert 0.2 < torch.stack(pairs).float().mean() < 0.9


def test_no_practice_line_is_a_hard_line():
    hard, practice = challenge.hard_lines(), challenge.practice_lines(20, seed=3)
    assert practice.texts == challenge.practice_lines(20, seed=3).texts
    assert practice.texts != challenge.practice_lines(20, seed=4).texts
    for n, width in enumerate(practice.widths.tolist()):
        line = practice.images[n, :, :, :width]
        others = [hard.images[k, :, :, :width] for k in (hard.widths == width).nonzero().flatten()]
        assert all((line - other).abs().max() > 0.1 for other in others)


def test_packing_keeps_all_greys():
    ink = np.random.default_rng(0).integers(0, 16, (32, 57)).astype(np.uint8)
    assert (challenge.unpack(challenge.pack(ink)) == ink).all()


def test_digest_sees_one_pixel_one_text_and_one_width():
    lines = challenge.practice_lines(3)
    pixel = lines.images.clone()
    pixel[1, 0, 5, 5] = 1 - pixel[1, 0, 5, 5].round()
    changed = [
        dataclasses.replace(lines, images=pixel),
        dataclasses.replace(lines, texts=[*lines.texts[:2], "1"]),
        dataclasses.replace(lines, widths=lines.widths - 1),
    ]
    digests = {challenge.digest_of_lines(batch) for batch in [lines, *changed]}
    assert len(digests) == 4


# ------------------------------------------------------------------ sizes


def test_small_config_is_small():
    assert challenge.count_parameters(CRNN(challenge.small_config())) == 90_419
    assert challenge.count_parameters(CRNN(challenge.small_config(4, 8))) < 7_000


def test_multiplications_counted_by_hand():
    config = CRNNConfig(height=4, channels=(2, 3), strides=((2, 2), (1, 1)), hidden=5, dropout=0.0)
    model = CRNN(config)
    model.train()
    frames = 10  # of 20 columns; 2 of 4 rows are left
    by_hand = 2 * frames * (9 * 1 * 2) + 2 * frames * (9 * 2 * 3)
    by_hand += frames * 2 * (3 * 5 * (2 * 3) + 3 * 5 * 5) + frames * 2 * 5 * 11
    assert challenge.count_multiplications(model, 20) == by_hand
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("make", [SlidingWindowRNN, lambda: ResNetRNN(ResNetRNNConfig())])
def test_multiplications_of_other_networks(make):
    model = make()
    assert challenge.count_multiplications(model) > challenge.count_parameters(model)
    wide = challenge.count_multiplications(model, 400)
    assert wide > 1.7 * challenge.count_multiplications(model, 200)


# ------------------------------------------------------------------ entries


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return CRNN(challenge.small_config(4, 4))


def test_an_entry_says_which_lines_were_read(tiny):
    lines = challenge.practice_lines(5)
    made = measure(tiny, " the owls ", seed=7, note="one attempt", lines=lines)
    assert made.name == "the owls" and made.count == 5 and made.seed == 7
    assert made.parameters == challenge.count_parameters(tiny)
    expected = challenge.which_are_read(tiny, lines)
    assert made.right == sum(expected) and made.read == to_bits(expected)
    assert made.lines != HERE
    assert load_board(also=[made]).others == (made,)


def test_weights_are_recognised_in_half_precision_too(tiny):
    torch.manual_seed(1)
    other = CRNN(challenge.small_config(4, 4))
    half = CRNN(challenge.small_config(4, 4))
    half.load_state_dict({k: v.half() for k, v in tiny.state_dict().items()})
    assert challenge.digest_of_weights(half) == challenge.digest_of_weights(tiny)
    assert challenge.digest_of_weights(other) != challenge.digest_of_weights(tiny)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_bits_keep_every_line(flags):
    made = entry(read=flags)
    assert made.right == sum(flags)
    assert [bool(int(made.read, 16) >> n & 1) for n in range(len(flags))] == flags


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"name": ""}, "a name has 1 to 40"),
        ({"name": "a\nb"}, "printable"),
        ({"name": 5}, "a name has 1 to 40"),
        ({"parameters": 0}, "parameters is a whole number"),
        ({"parameters": 1000.0}, "parameters is a whole number"),
        ({"parameters": True}, "parameters is a whole number"),
        ({"parameters": 10**30}, "parameters is a whole number"),
        ({"count": 5}, "read marks 5 lines in 2 hex digits"),
        ({"bits": "7"}, "read marks 2 lines"),
        ({"bits": "01"}, "read marks 2 lines"),
        ({"bits": "x"}, "read marks 2 lines"),
        ({"bits": 1}, "read marks 2 lines"),
        ({"lines": "ABC"}, "twelve hex digits"),
        ({"date": "yesterday"}, "a date looks like"),
        ({"seed": -1}, "seed is a whole number"),
        ({"note": "x" * 201}, "200 characters"),
    ],
)
def test_what_is_no_entry_is_refused(change, reason):
    row = dataclasses.asdict(entry())
    row |= {"read" if name == "bits" else name: value for name, value in change.items()}
    with pytest.raises(ValueError, match=reason):
        Entry(**row)


# ------------------------------------------------------------------ files


def test_entries_come_back(tmp_path):
    made = [entry("anna"), entry("bärbel", 90), entry("陳", 5, note="“first”")]
    for each in made:
        enter(tmp_path / "new" / "board.jsonl", each)
    board = load_board(tmp_path)
    assert set(board.entries) == set(made) and board.problems == ()
    assert load_board(tmp_path / "nobody.jsonl").entries == ()
    assert str(load_board(tmp_path / "nobody.jsonl")) == "Nobody has entered yet."


BROKEN = [
    b'{"name": "anna", "para',
    b"not json at all",
    b"\xff\xfe\x00 broken bytes",
    b"[1, 2]",
    b"5",
    b'{"name": "anna"}',
    b'{"name": "x", "parameters": ' + b"9" * 5000 + b"}",
    b"[" * 5000,
    b"x" * (rows.LONGEST_ROW + 1),
]


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_row_is_named_and_nothing_is_lost(tmp_path, broken):
    path = tmp_path / "board.jsonl"
    enter(path, entry("anna"))
    with path.open("ab") as file:
        file.write(broken)  # cut off: no end of line
    enter(path, entry("ben"))
    board = load_board(path)
    assert {e.name for e in board.entries} == {"anna", "ben"}
    (problem,) = board.problems
    assert problem.startswith("board.jsonl, line 2: ") and problem.endswith("is left out.")
    assert problem in str(board) and len(problem) < 300
    assert broken in path.read_bytes()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_no_bytes_stop_the_reading(chunks):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "board.jsonl"
        enter(path, entry("anna"))
        with path.open("ab") as file:
            file.write(b"\n".join(chunks))
        enter(path, entry("ben"))
        names = [e.name for e in load_board(path).entries]
        assert {"anna", "ben"} <= set(names)


def test_editors_marks_and_fields_of_later_versions_are_understood(tmp_path):
    path = tmp_path / "board.jsonl"
    row = json.dumps({**dataclasses.asdict(entry("anna")), "colour": "red"})
    path.write_bytes(b"\xef\xbb\xbf" + row.encode() + b"\r\n\r\n")
    board = load_board(path)
    assert [e.name for e in board.entries] == ["anna"] and not board.problems


def test_a_class_is_put_together_and_copies_count_once(tmp_path):
    for name in ("anna", "ben"):
        enter(tmp_path / name / "leaderboard.jsonl", entry(name))
        enter(tmp_path / name / "leaderboard.jsonl", entry("both"))
    with (tmp_path / "ben" / "leaderboard.jsonl").open("a") as file:
        file.write("half a ro")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.jsonl")}
    assert len(load_board(tmp_path).entries) == 3
    together = tmp_path / "class.jsonl"
    said = merge_boards(together, tmp_path)
    assert said.startswith("3 entries added.\nleaderboard.jsonl, line 3: ")
    assert merge_boards(together, tmp_path).startswith("0 entries added.")
    assert len(load_board(together).entries) == 3
    assert {p: p.read_bytes() for p in before} == before, "the others' files stay as they are"


def test_two_programs_may_write_at_once(tmp_path):
    path = tmp_path / "board.jsonl"

    def write(number):
        for k in range(20):
            enter(path, entry(f"{number}-{k}"))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    board = load_board(path)
    assert len(board.entries) == 80 and not board.problems


def test_a_writer_that_is_killed_leaves_whole_rows(tmp_path):
    path = tmp_path / "board.jsonl"
    code = (
        "import sys, importlib.util as u\n"
        f"spec = u.spec_from_file_location('rows', {rows.__file__!r})\n"
        "rows = u.module_from_spec(spec); sys.modules['rows'] = rows\n"
        "spec.loader.exec_module(rows)\n"
        "k = 0\n"
        "while True:\n"
        f"    rows.append_row({str(path)!r}, 'k', {{'k': k}}); k += 1\n"
        "    print(k, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    for _ in range(30):
        said = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    found = rows.read_rows([path], "k", lambda row: row["k"])
    assert list(found.values) == list(range(len(found.values)))
    assert len(found.values) >= said >= 30 and not found.problems


def test_a_file_of_another_kind_is_not_written_to(tmp_path):
    with pytest.raises(ValueError, match="ends in .jsonl"):
        enter(tmp_path / "thesis.docx", entry())
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ who wins


def test_the_smallest_that_reads_enough_wins():
    many = [one_of(900, 10), one_of(500, 10), one_of(100, 9), one_of(50, 10, of=12)]
    board = load_board(also=many)
    assert board.winner == many[1]
    assert board.entries == (many[1], many[0], many[2], many[3])
    assert [row[0] for row in str(board).splitlines()[1:5]] == ["*", "+", " ", " "]
    assert load_board(also=many[2:]).winner is None


def test_another_decoder_stands_below_the_board(tiny):
    lines = challenge.practice_lines(6)

    def prophet(log_probs, frames):
        assert log_probs.shape[0] == len(frames) == 6
        return lines.texts

    told = measure(tiny, "told", seed=0, lines=lines, decoder=prophet)
    assert (told.right, told.decoder) == (6, "prophet")
    beam = measure(tiny, "beam", seed=0, lines=lines, decoder=prefix_beam_search)
    assert beam.right == measure(tiny, "plain", seed=0, lines=lines).right
    with pytest.raises(ValueError, match="0 readings of 6 lines"):
        measure(tiny, "mute", seed=0, lines=lines, decoder=lambda *_: [])
    small, large = entry("anna", 1000, decoder="prophet"), entry("ben", 2000)
    board = load_board(also=[small, large])
    assert board.entries == (large,) and board.decoded == (small,)
    assert "anna, 1,000 parameters, read by prophet: 1 of 2" in str(board)


def test_entries_on_other_lines_are_not_compared():
    other = dataclasses.replace(one_of(1, 10), lines="0" * 12, name="elsewhere")
    board = load_board(also=[one_of(900, 10), other])
    assert board.winner.parameters == 900
    assert "Measured on other lines, so not compared: elsewhere." in str(board)
    with pytest.raises(ValueError, match="have read different lines"):
        disagreements(board.entries[0], other)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), min_size=1, max_size=7))
def test_front_by_brute_force(pairs):
    entries = [one_of(*pair) for pair in pairs]
    beaten = [any(a[0] <= b[0] and a[1] >= b[1] and a != b for a in pairs) for b in pairs]
    expected = sorted(pair for pair, lost in zip(pairs, beaten, strict=True) if not lost)
    kept = front(entries)
    assert [(e.parameters, e.right) for e in kept] == expected


def test_disagreements_line_by_line():
    a = entry("a", read=[True, True, False, False, True])
    b = entry("b", read=[True, False, True, False, False])
    assert disagreements(a, b) == (2, 1) and disagreements(b, a) == (1, 2)


@pytest.mark.parametrize("a, b", [(a, b) for a in range(6) for b in range(6)])
def test_sign_test_by_throwing_all_coins(a, b):
    throws = [sum(coins) for coins in product((0, 1), repeat=a + b)]
    uneven = [abs(2 * heads - a - b) >= abs(a - b) for heads in throws]
    assert sign_test(a, b) == pytest.approx(sum(uneven) / len(uneven))


# ------------------------------------------------------------------ the figure


def test_figure_says_who_wins_and_draws_every_entry():
    board = load_board(also=[one_of(900, 10), dataclasses.replace(one_of(100, 9), name="ben")])
    figure = capstone_charts.plot_leaderboard(board)
    assert figure.get_label() == (
        "2 entries by size and by lines read. Beaten by nobody: ben, anna. The smallest that reads "
        "95 %: anna, with 900 parameters."
    )
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"anna", "ben", "95 %"} <= set(texts)
    with pytest.raises(ValueError, match="no entry"):
        capstone_charts.plot_leaderboard(load_board())
    assert (
        "Nobody reads 95 % yet."
        in capstone_charts.plot_leaderboard(load_board(also=[one_of(1, 1)])).get_label()
    )
