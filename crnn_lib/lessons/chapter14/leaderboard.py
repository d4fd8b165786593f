"""A leaderboard in a file of one's own: how small a model is, and which lines it reads.

An entry keeps *which* lines were read, not only how many. So two entries can be compared line by
line, and a difference told from luck. Nothing goes over a network: a class puts its files into
one folder, and :func:`load_board` shows them together.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from torch import nn

from crnn_lib.evaluation import wilson_interval
from crnn_lib.handwriting import LineBatch
from crnn_lib.lessons.chapter14.challenge import (
    BAR,
    count_multiplications,
    count_parameters,
    digest_of_lines,
    digest_of_weights,
    hard_digest,
    hard_lines,
    which_are_read,
)
from crnn_lib.lessons.classroom import (
    append_row,
    merge_rows,
    read_rows,
    require_date,
    require_name,
    today,
)
from crnn_lib.lessons.engine import plural

KIND = "leaderboard"  # of these rows
LONGEST_NOTE = 200
BEST_PATH = "best path"


@dataclass(frozen=True)
class Entry:
    """One model, measured on one set of lines.

    Attributes
    ----------
    name : str
        Who, or what.
    parameters : int
    multiplications : int
        To read a line of 200 columns.
    lines : str
        Which lines, as twelve hex digits of their content. Only equal lines are compared.
    count : int
        How many lines.
    read : str
        Which of them were read without a mistake: a bit for each line, in hex digits.
    weights : str
        Which model, as twelve hex digits of its weights.
    seed : int
        Of the training.
    date : str
        As in ``2026-11-21T16:30:00Z``.
    note : str
    decoder : str
        What read the lattices: ``"best path"``, as the challenge asks, or something else.
    """

    name: str
    parameters: int
    multiplications: int
    lines: str
    count: int
    read: str
    weights: str
    seed: int
    date: str
    note: str = ""
    decoder: str = BEST_PATH

    def __post_init__(self) -> None:
        require_name(self.name)
        for field in ("parameters", "multiplications", "count"):
            _require_count(getattr(self, field), field, 1)
        _require_count(self.seed, "seed", 0)
        for field in ("lines", "weights"):
            if not re.fullmatch("[0-9a-f]{12}", str(getattr(self, field))):
                raise ValueError(f"{field} has twelve hex digits, and this has none such")
        digits = math.ceil(self.count / 4)
        whole = isinstance(self.read, str) and re.fullmatch("[0-9a-f]*", self.read)
        if not whole or len(self.read) != digits or int(self.read, 16) >> self.count:
            raise ValueError(f"read marks {self.count} lines in {digits} hex digits, and this not")
        require_date(self.date)
        if not isinstance(self.note, str) or len(self.note) > LONGEST_NOTE:
            raise ValueError(f"a note has up to {LONGEST_NOTE} characters")
        require_name(self.decoder)

    @property
    def right(self) -> int:
        """How many lines were read without a mistake."""
        return int(self.read, 16).bit_count()

    @property
    def exact_match(self) -> float:
        return self.right / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the exact match, after Wilson."""
        return wilson_interval(self.right, self.count)

    def __repr__(self) -> str:
        return f"Entry({self.name!r}, {self.parameters:,} parameters, {self.right} of {self.count})"


@dataclass(frozen=True, repr=False)
class Board:
    """The entries of some files, those that read enough first, the smallest of them at the top.

    Attributes
    ----------
    entries : tuple of Entry
        Measured on the hard lines.
    decoded : tuple of Entry
        Measured on the hard lines, and read by another decoder than best path.
    others : tuple of Entry
        Measured on other lines, so not to be compared with these.
    problems : tuple of str
        A sentence for each row that could not be read.
    bar : float
    """

    entries: tuple[Entry, ...]
    others: tuple[Entry, ...] = ()
    problems: tuple[str, ...] = ()
    bar: float = BAR
    decoded: tuple[Entry, ...] = ()

    @property
    def winner(self) -> Entry | None:
        """The smallest model that reads enough."""
        return next((entry for entry in self.entries if entry.exact_match >= self.bar), None)

    def __repr__(self) -> str:
        return f"Board({len(self.entries)} entries)"

    def __str__(self) -> str:
        if not self.entries:
            rows = ["Nobody has entered yet."]
        else:
            wide = max(len("name"), *(len(entry.name) for entry in self.entries))
            rows = [f"   {'name':{wide}}  parameters  exact match   95 % interval     seed  date"]
            for entry in self.entries:
                low, high = entry.interval
                mark = "*" if entry is self.winner else "+" if entry.exact_match >= self.bar else ""
                rows.append(
                    f"{mark:2} {entry.name:{wide}}  {entry.parameters:10,}  "
                    f"{100 * entry.exact_match:9.1f} %   {100 * low:4.1f} to {100 * high:5.1f} %  "
                    f"{entry.seed:6}  {entry.date[:10]}"
                )
            rows.append(f"+ reads {100 * self.bar:.0f} % or more; * the smallest of these")
        for entry in self.decoded:
            rows.append(
                f"{entry.name}, {entry.parameters:,} parameters, read by {entry.decoder}: "
                f"{entry.right} of {entry.count}"
            )
        if self.others:
            names = ", ".join(dict.fromkeys(entry.name for entry in self.others))
            rows.append(f"Measured on other lines, so not compared: {names}.")
        return "\n".join([*rows, *self.problems])


def measure(
    model: nn.Module,
    name: str,
    *,
    seed: int,
    note: str = "",
    lines: LineBatch | None = None,
    decoder: Callable[..., list] | None = None,
) -> Entry:
    """Read the hard lines with a model: its entry.

    Parameters
    ----------
    model : CRNN, SlidingWindowRNN or ResNetRNN
    name : str
        Yours, or your model's, 1 to 40 characters.
    seed : int
        Of the training: whoever repeats it needs it.
    note : str
        What else one has to know: the command, how many attempts there were.
    lines : LineBatch, optional
        Other lines. An entry made on them is not compared with entries made on the hard lines.
    decoder : callable, optional
        In place of best path: takes log-probabilities (N, T, C) and frames (N,), and returns a
        hypothesis or a text for each line. Its name goes into the entry, which stands below the
        board, for the challenge is read by best path.
    """
    name = require_name(name)
    here = hard_digest() if lines is None else digest_of_lines(lines)
    lines = hard_lines() if lines is None else lines
    return Entry(
        name=name,
        parameters=count_parameters(model),
        multiplications=count_multiplications(model),
        lines=here,
        count=len(lines),
        read=to_bits(which_are_read(model, lines, decoder)),
        weights=digest_of_weights(model),
        seed=seed,
        date=today(),
        note=note,
        decoder=BEST_PATH if decoder is None else getattr(decoder, "__name__", "another"),
    )


def enter(path: str | os.PathLike[str], entry: Entry) -> None:
    """Append an entry to a file, such as ``my_results/leaderboard.jsonl``."""
    append_row(path, KIND, asdict(entry))


def load_board(
    *paths: str | os.PathLike[str], also: Iterable[Entry] = (), bar: float = BAR
) -> Board:
    """The entries of files and folders, side by side, and some that are in no file.

    Rows that cannot be read are named in ``problems`` and left where they are.
    """
    found = read_rows(paths, KIND, parse_entry)
    entries = dict.fromkeys([*found.values, *also])
    here = hard_digest()
    same = sorted((e for e in entries if e.lines == here), key=lambda entry: rank(entry, bar))
    others = tuple(entry for entry in entries if entry.lines != here)
    ours = tuple(entry for entry in same if entry.decoder == BEST_PATH)
    decoded = tuple(entry for entry in same if entry.decoder != BEST_PATH)
    return Board(ours, others, found.problems, bar, decoded)


def merge_boards(into: str | os.PathLike[str], *paths: str | os.PathLike[str]) -> str:
    """Append to one file the entries of others that it lacks; a sentence about what was done."""
    done = merge_rows(into, paths, KIND, parse_entry, asdict)
    return "\n".join([f"{plural(len(done.values), 'entry')} added.", *done.problems])


def parse_entry(row: dict[str, Any]) -> Entry:
    """An entry from a row of a file. Fields of a later version are left out."""
    known = {field.name for field in fields(Entry)}
    missing = sorted(known - {"note", "decoder"} - row.keys())
    if missing:
        raise ValueError(f"an entry needs {missing[0]}, and this row has none")
    return Entry(**{name: value for name, value in row.items() if name in known})


def rank(entry: Entry, bar: float = BAR) -> tuple:
    """A key for sorting: who reads enough comes first, small ones before large ones."""
    if entry.exact_match >= bar:
        return 0, entry.parameters, -entry.exact_match
    return 1, -entry.exact_match, entry.parameters


def front(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that no other one beats, the smallest first.

    One entry beats another if it is no larger and reads no fewer lines, and is better in one of
    the two. Equal entries do not beat each other.
    """
    kept, best = [], -1
    for entry in sorted(entries, key=lambda entry: (entry.parameters, -entry.right)):
        equal = kept and (entry.parameters, entry.right) == (kept[-1].parameters, kept[-1].right)
        if entry.right > best or equal:
            kept.append(entry)
        best = max(best, entry.right)
    return kept


def disagreements(one: Entry, other: Entry) -> tuple[int, int]:
    """Lines that only the first has read, and lines that only the second has read."""
    if one.lines != other.lines:
        raise ValueError(
            f"{one.name} and {other.name} have read different lines; measure both on the same."
        )
    a, b = int(one.read, 16), int(other.read, 16)
    return (a & ~b).bit_count(), (b & ~a).bit_count()


def sign_test(only_one: int, only_other: int) -> float:
    """How often luck alone would split the disagreements as unevenly as this, or more so.

    On lines that both read, or both miss, two models do not differ. Were they equally good, each
    of the others would go to one of them as a coin falls. Dixon and Mood (1946).

    >>> sign_test(5, 0), sign_test(0, 0), sign_test(9, 11) > 0.8
    (0.0625, 1.0, True)
    """
    total, less = only_one + only_other, min(only_one, only_other)
    ways = sum(math.comb(total, k) for k in range(less + 1))
    return min(1.0, 2 * ways / 2**total)


def to_bits(flags: Sequence[bool]) -> str:
    """One bit for each line, the first line in the lowest bit, as hex digits.

    >>> to_bits([True, False, False, False, True, True])
    '31'
    """
    number = sum(1 << n for n, flag in enumerate(flags) if flag)
    return f"{number:0{math.ceil(len(flags) / 4)}x}"


def _require_count(value: object, name: str, least: int) -> None:
    if type(value) is not int or not least <= value < 10**15:
        raise ValueError(f"{name} is a whole number from {least} on, and this is {value!r:.60}")
