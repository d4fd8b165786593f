"""The command line: ``crnn read | label | train ...``, or ``python -m crnn_lib ...``.

Only the arguments are dealt with here, and nothing is imported that takes time, so that --help and
a wrong argument are answered at once. The work is done in the rooms beside this one.
"""

from __future__ import annotations

import argparse
import importlib
import io
import math
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from crnn_lib import __version__

# what the user called: the script that an install makes, or the module
CALLED = Path("".join(sys.argv[:1])).stem.removesuffix("-script")
PROG = "crnn" if CALLED == "crnn" else "python -m crnn_lib"
ROOMS = {  # where each command is at work; imported when it is called
    "read": "read",
    "label": "label",
    "train": "train",
    "evaluate": "train",
    "export": "export",
    "glyphs_list": "glyphs",
    "glyphs_download": "glyphs",
    "glyphs_preview": "glyphs",
}
SOURCES = (
    "emnist",
    "emnist-mnist",
    "emnist-balanced",
    "emnist-letters",
    "emnist-byclass",
    "emnist-bymerge",
    "mnist",
    "pen",
)
DEFAULT_WEIGHTS = "crnn-digits"
WEIGHTS = "a network that ships, or a .safetensors file (default: {})"
LONGEST = 1000  # characters of a line; a network reads some 400

EXIT = """\
exit status: 0 all done; 1 a file could not be read or the task failed; 2 wrong arguments;
  130 stopped by Ctrl-C
"""
EXIT_READ = """\
exit status: 0 all lines were read; 1 a file could not be read or the task failed; 2 wrong
  arguments; 3 all files were read, and a line has no text to rely on; 130 stopped by Ctrl-C
"""
READ = f"""\
examples:
  {PROG} read photo.jpg
  {PROG} read scans/ --csv texts.csv > texts.tsv
  {PROG} read photo.jpg --show read.png
  {PROG} read scans/*.png --show
  {PROG} read --constraint luhn+length:16 photo.jpg
  {PROG} read --constraint date:DD/MM/YYYY form.pdf
  {PROG} read --json --refuse-below 0.9 photo.jpg
  {PROG} read --model words --constraint open:english my_words/
  {PROG} read table.jpg --csv table.csv --table
  {PROG} read --weights mine.safetensors line.png
  {PROG} read scans/ --engine ray --out texts/

An image holds one or more lines of digits: a phone's photo, a scan, a crop of a form, as PNG, JPEG,
GIF, BMP, TIFF, WebP or PPM, as HEIC (pip install pillow-heif) or PDF (pip install pypdfium2). The
pages of a PDF or TIFF are read one after the other; form.pdf#page=2 is a second one. Of a folder
all of these are read, and what is left out is said. With --model words an image holds one word or
short line; a page of several is read word by word.

For each line the file's name, a tab and the text are printed, from top to bottom. A line without a
text to rely on has a word in its place: [nothing] if there is none on it, [refused] if the text is
less probable than --refuse-below, or if --constraint allows none that is probable. With --json it
is an object with the text, its probability, the status, row and column on a page, for each
character the columns of the image in which the network saw it, and the corners of the line. First
comes, for each folder that holds other files, {{"file": FOLDER, "skipped": {{NAME: REASON, ...}}}}.
What cannot be read is {{"file": NAME, "error": REASON}}. Why a line or a file has no text is said
on the error output, too.

A date is 8 digits, or 10 with separators: date:DD/MM/YYYY, date:MM/DD/YYYY, date:YYYY-MM-DD; D and
M take no leading zeros, YY two digits; date:DD/MM/YYYY:1990-2030 has these years only. Separators
are read with --marks keep, by networks that know them; without them 24/12/2025 reads 24122025.

{EXIT_READ}"""
LABEL = f"""\
examples:
  {PROG} label my_words/
      then fill in my_words/labels.csv, in any editor or spreadsheet
  {PROG} label my_words/ --model photos
      with what that network reads, to be corrected; also in rows that have no text yet

Each image that has no row yet gets one; texts that are there stay as they are. An image holds one
line or one word. What is labelled is learned by {PROG} train --lines.

{EXIT}"""
TRAIN = f"""\
examples:
  {PROG} train --out mine.safetensors
      a first network, from what is on this disk: a few minutes on a laptop
  {PROG} train --glyphs mnist:3,pen:1 --steps 20000 --average 0.999 --seed 1 \\
      --checkpoint run.ckpt --out mine.safetensors --history run.json --half
      three glyphs of MNIST for each of the pen; give the same command again to resume
  {PROG} train --lines my_words/ --start crnn-photos --alphabet auto \\
      --out mine.safetensors
      from images of one's own: my_words/labels.csv has a row for each, such as 1.png,Anna

With --lines a fifth of the images is held out, and training stops when these are read no better.
Lines that --start learned from are mixed in. Rows that cannot be learned are named first.

The command itself is stored in the weights. Ctrl-C stops a run; with --checkpoint it can go on.

{EXIT}"""
EVALUATE = f"""\
examples:
  {PROG} evaluate
  {PROG} evaluate --weights mine.safetensors --glyphs mnist --count 2000
  {PROG} evaluate --style article --length 5
  {PROG} evaluate --decoder beam --constraint length:5 --length 5

Prints the exact match with its 95 % interval, the character error rate, both by length, and what
was confused most.

{EXIT}"""
EXPORT = f"""\
examples:
  {PROG} export --weights photos --out photos.onnx
  {PROG} export --weights mine.safetensors --half --out mine.onnx

Whatever reads ONNX files reads lines with it: a phone, a page, a program in C++. Lines of any width
go in, a batch at a time, with the width of each. The characters and the blank are in the metadata.

{EXIT}"""
GLYPHS = f"""\
examples:
  {PROG} glyphs list
  {PROG} glyphs download mnist
  {PROG} glyphs download fonts
      43 fonts that look handwritten, and 48 faces of print, by the npm client; words and
      composed pages are drawn with them
  {PROG} glyphs preview pen -o pen.png

{EXIT}"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        0, or 1 if something could not be done, 3 if a line has no text to rely on, or 130 after
        Ctrl-C. Wrong arguments exit with 2.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(arguments)
    options.arguments = arguments
    for stream in (sys.stdout, sys.stderr):  # whatever a file is called, its name can be printed
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        if getattr(options, "threads", None):  # of the commands that have some
            importlib.import_module("torch").set_num_threads(options.threads)
        room = importlib.import_module(f"crnn_lib.cli.{ROOMS[options.command]}")
        return getattr(room, options.command)(options)
    except KeyboardInterrupt as stop:
        _print_error(str(stop) or "Stopped.")
        return 130
    except BrokenPipeError:  # whoever read our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError) as error:
        _print_error(f"{PROG} {arguments[0]}: {error}")
        return 1


def _print_error(message: str) -> None:
    print(message, file=sys.stderr)


# ---------------------------------------------------------------------------- kinds of values


def _whole(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {least}, got {text!r}"
            )
        return int(text)

    return number


def _number(least: float, below: float = math.inf) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value < below:
            upper = f" and below {below:g}" if below < math.inf else ""
            raise argparse.ArgumentTypeError(
                f"expected a number of at least {least:g}{upper}, got {text!r}"
            )
        return value

    return number


def _length(text: str) -> tuple[int, int]:
    """``5`` or ``1-10``: the shortest and the longest line."""
    low, dash, high = text.partition("-")
    ends = [low, high] if dash else [low, low]
    if not all(end.isascii() and end.isdecimal() for end in ends):
        raise argparse.ArgumentTypeError(f"expected a length such as 5 or 1-10, got {text!r}")
    shortest, longest = map(int, ends)
    if not 1 <= shortest <= longest:
        raise argparse.ArgumentTypeError(f"expected a length such as 5 or 1-10, got {text!r}")
    if longest > LONGEST:
        raise argparse.ArgumentTypeError(f"a line has at most {LONGEST} characters, got {text!r}")
    return shortest, longest


def _shares(text: str) -> dict[str, float]:
    """``mnist:3,pen:1``: how many glyphs of one source for how many of the others."""
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, colon, share = part.partition(":")
        if name not in (*SOURCES, "auto"):
            names = ", ".join(("auto", *SOURCES))
            raise argparse.ArgumentTypeError(f"{name!r} is no source of glyphs; there are {names}")
        if name in shares:
            raise argparse.ArgumentTypeError(f"{name} is named twice in {text!r}")
        shares[name] = _number(0)(share) if colon else 1.0
        if not shares[name]:
            raise argparse.ArgumentTypeError(f"the share of {name} is 0; leave it out")
    return shares


def _shipped_name(text: str) -> str:
    """``digits`` for ``crnn-digits``, unless a file has that name."""
    shipped = Path(__file__).parents[1] / "weights" / f"crnn-{text}.safetensors"
    return f"crnn-{text}" if shipped.is_file() and not Path(text).exists() else text


# ---------------------------------------------------------------------------- the arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        PROG,
        description="Read lines of handwriting, and train the networks that do.",
        epilog=f"{PROG} COMMAND --help tells more, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"crnn_lib {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_read(commands)
    _add_label(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_export(commands)
    _add_glyphs(commands)
    return parser


def _command(commands, name: str, does: str, epilog: str = EXIT) -> argparse.ArgumentParser:
    width = min(shutil.get_terminal_size().columns, 100)
    sub = commands.add_parser(
        name,
        help=does,
        description=does[0].upper() + does[1:] + ".",
        epilog=epilog,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=30, width=width
        ),
    )
    sub.set_defaults(command=name)
    return sub


def _add_weights(add: Callable, default: str | None, does: str) -> None:
    names = ("--weights", "--model")
    add(*names, type=_shipped_name, default=default, metavar="NAME_OR_FILE", help=does)


def _add_threads(add: Callable) -> None:
    add("--threads", type=_whole(1), metavar="N", help="CPU threads (default: all)")


def _add_decoder(add: Callable) -> None:
    add(
        "--decoder",
        choices=("best-path", "beam", "exact"),
        help="how texts are found (default: best-path, or beam with a constraint)",
    )
    add("--beam-width", type=_whole(1), metavar="N", help="prefixes that --decoder beam keeps (10)")
    add(
        "--constraint",
        metavar="WHAT",
        help="only such texts: luhn, date:DD/MM/YYYY, length:5, pattern:55*, lexicon:FILE, "
        "words:english, open:english, ngram:FILE or, with +, several at once (default: any)",
    )


def _add_style(add: Callable, *more: tuple[str, str]) -> None:
    """The styles, and those that only one command knows, each with a word on it."""
    add(
        "--style",
        choices=("default", "article", *(name for name, _ in more)),
        default="default",
        help="how lines are written: freely, in the article's five fixed cells"
        + "".join(f", {words}" for _, words in more)
        + " (default: default)",
    )
    add(
        "--length",
        type=_length,
        metavar="LOW-HIGH",
        help="characters per line, such as 5 or 1-10 (default: what the style has)",
    )


def _add_read(commands) -> None:
    sub = _command(commands, "read", "read photos and scans of lines", READ)
    sub.add_argument("images", nargs="+", metavar="IMAGE", help="image file, or a folder of them")
    sub.add_argument("--json", action="store_true", help="print one JSON object per line")
    sub.add_argument("--csv", metavar="FILE", help="write a table as well: a row for each line")
    sub.add_argument(
        "--table",
        action="store_true",
        help="make --csv what stands on the page: its rows and columns",
    )
    sub.add_argument(
        "--show",
        nargs="?",
        const="",
        metavar="FILE",
        help="draw what was read where: one image to this PNG file, or each to NAME-read.png here "
        "(no picture of another photo is overwritten)",
    )
    sub.add_argument(
        "--refuse-below",
        type=_number(0, 1),
        metavar="P",
        help="refuse a line whose text is less probable than this (0: read all; default: 0.1 for "
        "a crop, 0.15 for a line on a page, 0 with a network that knows letters)",
    )
    sub.add_argument(
        "--marks",
        choices=("keep", "drop"),
        help="points, commas, slashes and dashes between digits: in the text, or left out "
        "(default: drop; keep by networks that know letters)",
    )
    names = "crnn-photos, or crnn-digits where that is not installed"
    _add_weights(sub.add_argument, None, WEIGHTS.format(names))
    sub.add_argument(
        "--engine",
        choices=("here", "ray"),
        default="here",
        help="ray: an archive of any size, on all cores or on a cluster, into --out "
        '(pip install "crnn_lib[archive]")',
    )
    sub.add_argument(
        "--out",
        metavar="FOLDER",
        help="where --engine ray writes its Parquet files",
    )
    sub.add_argument(
        "--workers",
        type=_whole(0),
        default=0,
        metavar="N",
        help="processes that read at the same time, one thread each (default: 0, read here)",
    )
    _add_decoder(sub.add_argument)
    _add_threads(sub.add_argument)


def _add_label(commands) -> None:
    sub = _command(commands, "label", "list a folder's images in its labels.csv", LABEL)
    sub.add_argument("folder", metavar="FOLDER", help="images of one line or word each")
    does = "a network that proposes the texts (default: none, they stay empty)"
    _add_weights(sub.add_argument, None, does)
    _add_threads(sub.add_argument)


def _add_train(commands) -> None:
    sub = _command(
        commands, "train", "train a network, on fresh lines or on your own images", TRAIN
    )
    add = sub.add_argument
    add("--out", required=True, metavar="FILE", help="where the weights go (.safetensors)")
    add("--half", action="store_true", help="store the weights in half precision")
    add("--history", metavar="FILE", help="where loss and accuracy by step go (JSON)")
    add("--checkpoint", metavar="FILE", help="saves the run; if it is there, the run goes on")
    add("--checkpoint-every", type=_whole(1), default=500, metavar="N", help="steps (500)")

    add = sub.add_argument_group("lines").add_argument
    add(
        "--glyphs",
        type=_shares,
        default="auto",
        metavar="SOURCE[:SHARE],...",
        help="auto (the best on this disk), " + ", ".join(SOURCES) + " (default: auto)",
    )
    _add_style(
        add,
        ("varied", "in both, varied, turn by turn"),
        ("photos", "or mostly as amounts, photographed on paper"),
        ("words", "or words, names and numbers by the pen and in fonts, photographed"),
    )
    add(
        "--batch-size",
        type=_whole(1),
        metavar="N",
        help="lines per step (64; --lines 32; --detector 8, of pages)",
    )
    add(
        "--as-emnist",
        action="store_true",
        help="resize MNIST's digits and place them as EMNIST does",
    )
    add(
        "--held-out",
        type=_number(0, 1),
        metavar="SHARE",
        help="share of the glyphs, or of --lines, to keep from training and to validate with "
        "(0; --lines 0.2)",
    )
    add(
        "--validate-every",
        type=_whole(0),
        metavar="N",
        help="steps; 0 is at the end (0; --lines 25)",
    )
    add("--validation-lines", type=_whole(1), default=1000, metavar="N", help="how many (1000)")

    add = sub.add_argument_group("lines of one's own").add_argument
    add("--lines", metavar="FOLDER", help="images, and what they say in its labels.csv (file,text)")
    add(
        "--alphabet",
        metavar="CHARACTERS",
        help="what the network shall read; auto: what --start reads and what the labels hold "
        "(default: what --start reads)",
    )
    add(
        "--keep-old",
        type=_number(0, 1),
        metavar="SHARE",
        help="share of the lines that --start learned from in every batch (0.5, where they can "
        "be written)",
    )
    add("--skip-bad", action="store_true", help="leave out rows that cannot be learned")
    add(
        "--patience",
        type=_whole(0),
        metavar="N",
        help="stop after N validations without fewer errors, and keep the best; 0: never (8)",
    )

    add = sub.add_argument_group("network and optimiser").add_argument
    add("--detector", action="store_true", help="train the one that finds writing on pages instead")
    add(
        "--network",
        choices=("crnn", "large", "photos", "words", "article", "window"),
        help="CRNN, larger ones, one for words, the article's, or a window without convolutions "
        "(crnn); with --start, a wider network that begins by reading as that one does",
    )
    add(
        "--start",
        metavar="NAME_OR_FILE",
        type=_shipped_name,
        help="weights to go on from, instead of a new --network: crnn-digits, or a file (--lines: "
        "crnn-words)",
    )
    add(
        "--keep-start",
        type=_number(0, 1),
        default=0.0,
        metavar="SHARE",
        help="share of --start's weights in the result, such as 0.3: keeps what they could do (0)",
    )
    add(
        "--steps",
        type=_whole(1),
        metavar="N",
        help="batches to learn from (1000; --lines at most 600)",
    )
    add(
        "--learning-rate",
        type=_number(1e-9),
        metavar="X",
        help="peak (0.004; --lines 0.001)",
    )
    add(
        "--warmup",
        type=_number(0, 1),
        default=0.2,
        metavar="SHARE",
        help="share of the steps in which the learning rate rises (0.2)",
    )
    add(
        "--average",
        type=_number(0, 1),
        metavar="X",
        help="decay of the weights' moving average, such as 0.999; 0: none (0; --detector 0.998)",
    )
    add("--seed", type=_whole(0), default=0, metavar="N", help="of weights and lines (0)")

    add = sub.add_argument_group("machine").add_argument
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--workers", type=_whole(0), default=0, metavar="N", help="processes that write lines (0)")
    add("--log-every", type=_whole(1), default=10, metavar="N", help="steps (10)")
    _add_threads(add)


def _add_evaluate(commands) -> None:
    sub = _command(commands, "evaluate", "measure a network on lines of test glyphs", EVALUATE)
    add = sub.add_argument
    _add_weights(add, DEFAULT_WEIGHTS, WEIGHTS.format(DEFAULT_WEIGHTS))
    names = ("auto", *SOURCES)
    text = "where they come from: " + ", ".join(names) + " (default: auto)"
    add("--glyphs", choices=names, default="auto", metavar="SOURCE", help=text)
    add("--split", choices=("train", "test"), default="test", help="of the glyphs (test)")
    _add_style(add)
    add("--count", type=_whole(1), default=1000, metavar="N", help="lines (1000)")
    add("--seed", type=_whole(0), default=0, metavar="N", help="of the lines (0)")
    _add_decoder(sub.add_argument)
    _add_threads(sub.add_argument)


def _add_export(commands) -> None:
    sub = _command(commands, "export", "write a network as an ONNX file", EXPORT)
    _add_weights(sub.add_argument, DEFAULT_WEIGHTS, WEIGHTS.format(DEFAULT_WEIGHTS))
    sub.add_argument("--out", required=True, metavar="FILE", help="where it goes (.onnx)")
    sub.add_argument("--half", action="store_true", help="store the weights in half precision")
    sub.add_argument("--features", action="store_true", help="give what the convolutions find, too")


def _add_glyphs(commands) -> None:
    glyphs = _command(commands, "glyphs", "list, download and look at glyphs", GLYPHS)
    commands = glyphs.add_subparsers(metavar="COMMAND", required=True)
    sub = _command(commands, "list", "show which glyphs are on this disk")
    sub.set_defaults(command="glyphs_list")
    sub = _command(commands, "download", "fetch glyphs; a broken download is resumed")
    sub.set_defaults(command="glyphs_download")
    fetched = [*(source for source in SOURCES if source != "pen"), "fonts"]
    sub.add_argument("source", choices=fetched, metavar="SOURCE", help=", ".join(fetched))
    sub.add_argument("--split", choices=("train", "test"), help="only one (default: both)")
    sub = _command(commands, "preview", "draw a grid of glyphs as a PNG file")
    sub.set_defaults(command="glyphs_preview")
    names = ("auto", *SOURCES)
    sub.add_argument("source", choices=names, metavar="SOURCE", help=", ".join(names))
    sub.add_argument("-o", "--out", required=True, metavar="FILE", help="where the PNG file goes")
    sub.add_argument("--split", choices=("train", "test"), default="train", help="(train)")
    sub.add_argument(
        "--count",
        type=_whole(1),
        default=100,
        metavar="N",
        help="about so many, 1 to 14 of each (100)",
    )
