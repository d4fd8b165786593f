"""What a command says, one line at a time, and names of files that have no place on one."""

from __future__ import annotations

import sys
from collections.abc import Mapping

NAMED = 5  # files that a folder skips, by name; of more only the number is said


def say(line: str) -> None:
    """One line of the output, at once: whoever reads it through a pipe does not wait."""
    print(line, flush=True)


def tell(line: str) -> None:
    """One line of the error output."""
    print(line, file=sys.stderr, flush=True)


def tell_skipped(place: str, skipped: Mapping[str, str]) -> None:
    """Tell which files of a place are not read, and why: a line for each reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in skipped.items():
        reasons.setdefault(reason, []).append(plain(name))
    for reason, names in reasons.items():
        shown = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
        tell(f"{plain(place)}: {len(names)} left out ({reason}): {shown}")


def plain(name: str) -> str:
    """A file's name on one line, in characters that can be printed.

    >>> plain("scan 7.png"), plain("a\\tb.png")
    ('scan 7.png', 'a\\\\tb.png')
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
