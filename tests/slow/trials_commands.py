"""Trials of the command line: arguments that fit, that do not, and files of all kinds.

Each is a call of ``main`` in a folder of its own; nothing may reach a network. A clean end is one
of the exit statuses that --help names, with a word on the error output wherever something failed.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
from urllib.error import URLError

import numpy as np
import torch
from PIL import Image

from crnn_lib.cli.arguments import ROOMS, main
from crnn_lib.handwriting import downloads
from crnn_lib.handwriting import glyphs as glyph_module
from crnn_lib.language import NGram
from crnn_lib.models import CRNN, CRNNConfig, save_model
from slow.trials import why_unclean

REFUSALS = ()  # main answers; it never raises
SECONDS, MEGABYTES = 30, 1500

TINY = CRNNConfig(channels=(4, 8), strides=((2, 2), (2, 2)), hidden=8)
IMAGES = ["good.png", "page.png", "cut.png", "text.png", "blank.png", "pixel.png", "scans"]
IMAGES += ["nothing.png", "empty", ".", "", "-", "wide.tif", "tiny.safetensors", "a.pdf#page=2"]
WEIGHTS = ["tiny.safetensors", "tiny.safetensors", "tiny.safetensors", "crnn-digits"]
WEIGHTS += ["damaged.safetensors", "pickle.pt", "nothing.safetensors", "", "scans", "text.png"]
CONSTRAINTS = [
    "luhn",
    "length:5",
    "length:2-7+luhn",
    "date",
    "date:DD/MM/YYYY",
    "date:D.M.YY:1990-2030",
    "pattern:5*",
    "amount:552.07",
    "isbn13",
]
CONSTRAINTS += ["ngram:digits.ngram", "lexicon:words.txt", "length:0", "pattern:"]
WRONG = [
    "luhn:3",
    "length",
    "length:x",
    "lexicon:nothing",
    "ngram:text.png",
    "pattern:5+luhn+x",
    "+",
]
WRONG += ["length:7-2", "amount:-1", "amount:NaN", "date:0-9", "isbn10+length:3", "lexicon:scans"]
WRONG += [
    "pattern:" + "*?" * 30,
    "length:99999999999",
    "date:1-9999",
    "date:DD/MM",
    "date:YYYY:MM:DD",
    "amount:1e9",
    "lexicon:cut.png",
]
NUMBERS = ["1", "2", "7", "0", "-1", "1.5", "x", "", "nan", "1e3", "999999999999999999999", "٣"]
TARGETS = ["out/a", "nowhere/a", "scans", "out", "", "good.png", "a" * 300]


def write_files(folder) -> None:
    """All that the commands may be pointed at."""
    torch.manual_seed(0)
    draw = np.random.default_rng(0)
    for name in ("scans", "empty", "out"):
        (folder / name).mkdir()
    page = np.full((120, 200), 200, np.uint8)
    page[20:50, 30:150:20] = page[20:50, 31:151:20] = page[20:50, 32:152:20] = 40
    Image.fromarray(page[:64]).save(folder / "good.png")
    page[70:100, 40:160:24] = page[70:100, 41:161:24] = 30
    Image.fromarray(page).save(folder / "page.png")
    for name in ("a.png", "b.jpg"):
        Image.fromarray(page[:64]).save(folder / "scans" / name)
    Image.new("L", (200, 50), 255).save(folder / "blank.png")
    Image.new("L", (1, 1)).save(folder / "pixel.png")
    Image.fromarray(draw.integers(0, 255, (12, 400)).astype(np.uint8)).save(folder / "wide.tif")
    good = (folder / "good.png").read_bytes()
    (folder / "cut.png").write_bytes(good[: len(good) // 2])
    (folder / "text.png").write_text("no image")
    weights = save_model(CRNN(TINY), folder / "tiny.safetensors", provenance={})
    (folder / "damaged.safetensors").write_bytes(weights.read_bytes()[:-9])
    torch.save({"weight": torch.zeros(3)}, folder / "pickle.pt")
    NGram.fit(["55207", "552"], order=2).save(folder / "digits.ngram")
    (folder / "words.txt").write_text("55207\n7\n", encoding="utf8")


def prepare(folder):
    write_files(folder)
    os.chdir(folder)
    os.environ["CRNN_DATA"] = str(folder / "data")
    os.environ["TQDM_DISABLE"] = "1"
    for split in ("train", "test"):
        glyph_module.PEN_COUNT[split] = 60
    downloads.urlopen = no_network
    downloads._PAUSE = 0.0
    unclean: list[str] = []
    for name, room in ROOMS.items():
        commands = importlib.import_module(f"crnn_lib.cli.{room}")
        setattr(commands, name, watched(getattr(commands, name), unclean))
    return folder, unclean


def no_network(*_, **__):
    raise URLError("there is no network")


def watched(command, unclean: list[str]):
    """The command; what it raises on its way to ``main`` is judged like any refusal."""

    def run(options):
        try:
            return command(options)
        except (ValueError, OSError) as error:
            if why := why_unclean(error):
                unclean.append(f"{type(error).__name__}: {error} ({why})")
            raise

    return run


def attempt(chance, state) -> str:
    folder, unclean = state
    unclean.clear()
    arguments = some_arguments(chance)
    said, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
        try:
            status = main(arguments)
        except SystemExit as stop:
            status = stop.code
    torch.set_num_threads(1)
    check(arguments, status, said.getvalue(), told.getvalue())
    assert not unclean, (arguments, unclean)
    for path in (folder / "out").iterdir():
        path.unlink()
    for path in folder.glob("*-read.png"):
        path.unlink()
    return {0: "done", 1: "refused: 1", 2: "refused: 2", 3: "unsure"}[status]


def check(arguments: list[str], status, said: str, told: str) -> None:
    """What holds of each end, in this process and as a program."""
    assert status in ((0, 1, 2, 3) if arguments[:1] == ["read"] else (0, 1, 2)), (arguments, status)
    assert "Traceback" not in said + told, (arguments, told)
    assert len(told) < 20_000, arguments
    if status == 2:
        assert told.startswith("usage: python -m crnn_lib") and ": error: " in told, (
            arguments,
            told,
        )
    if status in (1, 3):
        assert told.strip(), arguments
    if (
        status == 0
        and "--json" in arguments
        and "--help" not in arguments
        and "-h" not in arguments
    ):
        assert all(isinstance(json.loads(line), dict) for line in said.splitlines()), arguments


# ---------------------------------------------------------------------------- what is given


def some_arguments(chance) -> list[str]:
    kind = chance.random()
    if kind < 0.05:
        return chance.choice(
            [[], ["--help"], ["--version"], ["nonsense"], ["glyphs"], ["read"], [""]]
        )
    if kind < 0.85:
        arguments = ["read", *chance.choices(IMAGES, k=chance.choice([1, 1, 2, 4]))]
        options = READ
    elif kind < 0.90:
        arguments, options = ["evaluate", "--count", chance.choice(["1", "3", "20"])], EVALUATE
    elif kind < 0.97:
        arguments = ["glyphs", *chance.choice(GLYPHS)]
        options = {"--split": ["train", "test", "all"], "--count": ["5", *NUMBERS[3:8]]}
    else:
        out = chance.choice(["out/a.safetensors"] * 4 + TARGETS)
        arguments = ["train", "--out", out, "--steps", "1", "--batch-size", "2"]
        arguments += ["--network", "window", "--validation-lines", "2"]
        options = TRAIN
    for option in chance.sample([*options], min(len(options), chance.choice([0, 1, 1, 2, 3]))):
        values = options[option]
        arguments.append(option)
        if values:
            arguments.append(chance.choice(values))
    if arguments[0] == "read" and "--weights" not in arguments and chance.random() < 0.95:
        arguments += ["--weights", "tiny.safetensors"]  # large ones take their time
    if chance.random() < 0.06:
        arguments.insert(
            chance.randint(1, len(arguments)), chance.choice(["--nonsense", "-5", "\u2028"])
        )
    if chance.random() < 0.03:
        del arguments[chance.randrange(len(arguments))]
    if chance.random() < 0.02:
        arguments.append("--help")
    return arguments


FEW = ["1", "1", *NUMBERS]
DECODING = {
    "--decoder": ["best-path", "beam", "exact", "exact", "worst"],
    "--beam-width": ["1", "3", "50", *NUMBERS[3:9]],
    "--constraint": CONSTRAINTS * 3 + WRONG,
    "--threads": ["1", "1", "1", *NUMBERS[3:7]],
}
READ = {
    "--weights": WEIGHTS,
    "--json": [],
    "--table": [],
    "--marks": ["keep", "drop", "both"],
    "--csv": ["out/a.csv", "out/a.csv", *TARGETS],
    "--show": ["out/a.png", *TARGETS],
    "--refuse-below": ["0", "0.5", "0.999", *NUMBERS[3:8]],
    **DECODING,
}
EVALUATE = {
    "--weights": WEIGHTS,
    "--glyphs": ["pen", "pen", "auto", "mnist", "emnist", "x"],
    "--split": ["train", "test", "all"],
    "--style": ["default", "article", "photos"],
    "--length": ["5", "1-3", "40", "0", "7-2", "-", "x", "999999999"],
    "--seed": FEW,
    **DECODING,
}
TRAIN = {
    "--glyphs": [
        "pen",
        "auto",
        "mnist",
        "pen:2",
        "pen,pen",
        "pen:0",
        "pen:x",
        "mnist:3,pen:1",
        ",",
    ],
    "--style": ["default", "article", "varied", "x"],  # photos: 4,000 hands write for minutes
    "--length": ["1", "1-3", "0", "x"],
    "--held-out": ["0.2", "0.001", "0.999", "1", "-1", "x"],
    "--start": WEIGHTS,
    "--keep-start": ["0.3", "0", "1", "-1", "x"],
    "--seed": FEW,
    "--half": [],
    "--history": ["out/a.json", *TARGETS],
    "--checkpoint": ["out/a.ckpt", "pickle.pt", "text.png", *TARGETS],
    "--learning-rate": ["0.01", "1", "1e30", *NUMBERS[3:9]],
    "--average": ["0.5", "0.999", *NUMBERS[3:8]],
    "--validate-every": ["0", "1", "x"],
    "--precision": ["float32", "bfloat16", "auto", "x"],
    "--device": ["cpu", "auto", "x"],
}
GLYPHS = [
    *(["list"], ["list", "x"], ["download", "mnist"], ["download", "emnist"], ["download", "x"]),
    *(["preview", "pen", "-o", "out/a.png"], ["preview", "pen", "-o", "scans"], ["preview", "pen"]),
    *(["preview", "mnist", "-o", "out/a.png"], ["preview", "auto", "-o", "out/a.txt"], ["x"]),
]
