"""What is written on the images of a folder: tables called labels.csv, read row by row.

Nothing is given up at the first fault: a row that says nothing useful carries its reason, so that
all of them can be named together.
"""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from crnn_lib.alphabet import Alphabet
from crnn_lib.models import atomic_write
from crnn_lib.photos.files import SUFFIXES, natural_order, page_of

TABLE = "labels.csv"
COLUMNS = ("file", "text")
LONGEST = 200  # characters of a line; no hand writes more in one
NAMED = re.compile(r"([0-9A-Za-z]+)-[0-9a-f]{8}\.png")  # what save_line calls an image
NO_TEXT = "it has no text"
SEPARATORS = (",", ";", "\t")
FORM = (
    f"Such a table has a first row that names the columns {' and '.join(COLUMNS)}, or starts at "
    "once with rows of an image's name and its text."
)


@dataclass(frozen=True)
class Label:
    """One image and its text, as a table or the image's own name has it.

    ``row`` counts the lines of ``table`` from 1, as a spreadsheet does. ``reason`` says why the
    row is of no use; it is None if it is.
    """

    path: Path
    text: str
    table: Path | None = None
    row: int | None = None
    reason: str | None = None


def labels_in(folder: Path) -> list[Label]:
    """The labels of a folder and of the folders in it; hidden ones are left out.

    They have the order of the tables' rows. An image in no table may have its text in its name.
    """
    found: list[Label] = []
    for root, inner, files in os.walk(folder):
        inner[:] = sorted((n for n in inner if not n.startswith(".")), key=natural_order)
        place = Path(root)
        listed = sorted(files, key=natural_order)
        named = {place / name: match[1] for name in listed if (match := NAMED.fullmatch(name))}
        if TABLE in files:
            for label in _rows(place / TABLE):
                said = named.pop(label.path, "")
                # a spreadsheet takes 007 for a number and stores 7
                zeros = said.startswith("0") and label.text != ""
                if zeros and said.lstrip("0") == label.text.lstrip("0"):
                    label = replace(label, text=said)
                found.append(label)
        found += [Label(path, text) for path, text in named.items()]
    return found


def folder_of(folder: str | os.PathLike[str]) -> Path:
    """The path of a folder that is there."""
    if not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"folder is the path of a folder; got {folder!r:.80}.")
    if not os.path.isdir(folder):
        raise ValueError(f"There is no folder {str(folder)!r}.")
    return Path(folder)


def labels_of(folder: str | os.PathLike[str]) -> list[Label]:
    """The labels of a folder that has some."""
    labels = labels_in(folder_of(folder))
    if not labels:
        raise ValueError(
            f"The folder {str(folder)!r} holds no labelled line: no {TABLE} with rows, and no "
            "image named like 55207-0123abcd.png."
        )
    return labels


def tidy(text: str) -> str:
    """A text as labels hold it: composed (NFC), single spaces, none at the ends.

    >>> tidy("  re\\u0301sume\\u0301  of\\tit ")
    'résumé of it'
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def fault_of(text: str) -> str | None:
    """Why a tidy text can be no line's, if so."""
    if not text:
        return NO_TEXT
    if len(text) > LONGEST:
        return f"its text has {len(text)} characters; a line has at most {LONGEST}"
    control = next((c for c in text if unicodedata.category(c) == "Cc"), None)
    return None if control is None else f"its text holds {control!r}, which nobody can write"


def unknown_in(text: str, alphabet: Alphabet) -> list[str]:
    """The characters of a text that an alphabet lacks, each once."""
    known = set(alphabet.characters)
    return list(dict.fromkeys(c for c in alphabet.split(text, strict=False) if c not in known))


def lack_of(unknown: list[str], alphabet: Alphabet) -> str:
    """What to say of characters that an alphabet lacks."""
    listed = ", ".join(map(repr, unknown[:8])) + (" ..." if len(unknown) > 8 else "")
    known = alphabet.characters
    shown = known if isinstance(known, str) else " ".join(known)
    shown = shown if len(shown) <= 120 else shown[:120] + " ..."
    return f"the alphabet ({shown}) lacks {listed}"


def _rows(table: Path) -> Iterator[Label]:
    lines = _lines_of(table)
    if not lines:
        raise ValueError(f"{table} is empty. {FORM}")
    separator, columns = form_of(lines[0], table)
    last = 2 if columns is None else len(cells_of(lines[0], separator))
    file, text = columns or (0, 1)
    for number, line in enumerate(lines, 1):
        if not line.strip(separator + " ") or (number == 1 and columns is not None):
            continue
        try:
            cells = cells_of(line, separator)
        except csv.Error:
            yield Label(
                table.parent, line.strip(), table, number, "its quotes do not close in the row"
            )
            continue
        while len(cells) > last and not cells[-1]:
            cells.pop()
        name, said = (cells[k] if k < len(cells) else "" for k in (file, text))
        said = tidy(said)
        path = table.parent / name
        if not os.path.exists(path):  # unlike the path's method, it bears any name
            path = table.parent / name.replace("\\", "/")  # written on Windows
        uncut = next(csv.reader([line], delimiter=separator), [])[file:][:1]
        if uncut and os.path.isfile(page_of(table.parent / uncut[0])[0]):
            path = table.parent / uncut[0]  # its name begins or ends with a space
        if not name:
            reason: str | None = "it names no file"
        elif len(cells) > last:
            reason = (
                f"it has {len(cells)} cells instead of {last}: put a text with {separator!r} in "
                "it into double quotes"
            )
        elif not os.path.isfile(page_of(path)[0]):
            reason = "it names a file which is not there"
        else:
            reason = fault_of(said)
        yield Label(path, said, table, number, reason)


def put_texts(labels: list[Label], texts: Mapping[Label, str]) -> list[Label]:
    """Write texts into rows of one table that have none; the labels whose rows got theirs.

    All other rows stay to the byte. The table is read again, so that what was written into it since
    the labels were read is kept; a row that is another one by now is left alone.
    """
    table = labels[0].table
    assert table is not None
    content = table.read_bytes().decode("utf-8")
    mark = content[: content.startswith("\ufeff")]  # that spreadsheets write first
    pieces = re.split("(\r\n|\r|\n)", content[len(mark) :])  # rows, and what ends each
    separator, columns = form_of(pieces[0], table)
    file_at, text_at = columns or (0, 1)
    now = {label.row: label for label in _rows(table)}
    filled = []
    for label in labels:
        assert label.row is not None
        row = now.get(label.row)
        if row is not None and (row.path, row.reason) == (label.path, NO_TEXT):
            place = 2 * (label.row - 1)
            line = pieces[place]
            cells = next(csv.reader([line], delimiter=separator, skipinitialspace='"' in line))
            cells += [""] * (1 + max(file_at, text_at) - len(cells))
            cells[text_at] = texts[label]
            written = io.StringIO()
            csv.writer(written, delimiter=separator, lineterminator="").writerow(cells)
            pieces[place] = written.getvalue()
            filled.append(label)
    atomic_write(table, (mark + "".join(pieces)).encode("utf-8"))
    return filled


def append_row(table: Path, name: str, text: str) -> None:
    """Add a row to a table, which is made if it is not there, in the form that it has."""
    try:
        with table.open("x", encoding="utf-8") as file:
            file.write(",".join(COLUMNS) + "\n")
    except FileExistsError:
        pass
    with table.open("rb+") as file:
        start = file.readline()
        file.seek(0, os.SEEK_END)
        broken = False
        if file.tell():
            file.seek(-1, os.SEEK_END)
            broken = file.read(1) != b"\n"  # an editor may leave the last line open
    first = start.decode("utf-8-sig", "replace").strip()
    separator, columns = form_of(first, table)
    name_at, text_at = columns or (0, 1)
    cells = [""] * (len(cells_of(first, separator)) if columns else 2)
    cells[name_at], cells[text_at] = name, text
    row = io.StringIO()
    csv.writer(row, delimiter=separator, lineterminator="\n").writerow(cells)
    with table.open("a", encoding="utf-8", newline="") as file:
        file.write("\n" * broken + row.getvalue())  # one write: nothing comes between


def _lines_of(table: Path) -> list[str]:
    try:
        text = table.read_bytes().decode("utf-8-sig")  # spreadsheets write a mark first
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{table} is not in UTF-8 (byte {error.start} of it is no text): save it as UTF-8, "
            "which spreadsheets offer as “CSV UTF-8”."
        ) from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def form_of(first: str, table: Path) -> tuple[str, tuple[int, int] | None]:
    """What separates the cells, and in which columns file and text stand, if a header says it."""
    for separator in SEPARATORS:
        try:
            cells = cells_of(first, separator)
        except csv.Error:
            continue
        names = [cell.lower() for cell in cells]
        if set(COLUMNS) <= set(names):
            return separator, (names.index(COLUMNS[0]), names.index(COLUMNS[1]))
        if len(cells) > 1 and Path(page_of(cells[0])[0]).suffix.lower() in SUFFIXES:
            return separator, None
    raise ValueError(f"{table} starts with {first[:80]!r}. {FORM}")


def cells_of(line: str, separator: str) -> list[str]:
    reader = csv.reader([line], delimiter=separator, strict=True, skipinitialspace=True)
    return [cell.strip() for cell in next(reader, [])]


def without_doubles(labels: list[Label]) -> list[Label]:
    """The same labels; of a file that is named twice the later one has that as its reason."""
    rows: dict[str, Label] = {}
    checked = []
    for label in labels:
        if label.reason is None:
            first = rows.setdefault(os.path.realpath(label.path), label)
            if first is not label:
                label = replace(label, reason=f"the same file stands in {_place_of(first)} already")
        checked.append(label)
    return checked


def _place_of(label: Label) -> str:
    return f"row {label.row}" if label.row else label.path.name
