"""Days of the calendar in the order in which people write them, as automata."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence

from crnn_lib.language.automata import WeightedAutomaton
from crnn_lib.language.constraints import _explore, _require_years, _with_digits

PARTS = re.compile(r"D{1,2}|M{1,2}|Y{4}|Y{2}")
EXAMPLES = "DD/MM/YYYY, MM/DD/YYYY, YYYY-MM-DD, D.M.YY or DDMMYYYY"


def date_in_order(
    characters: Sequence[str],
    order: str = "DD/MM/YYYY",
    *,
    first_year: int = 1900,
    last_year: int = 2099,
) -> WeightedAutomaton:
    """Days of the calendar as an order of day, month and year has them, such as ``DD/MM/YYYY``.

    The separators are those of the order, all of them or none: 24/12/2025 and 24122025. If a
    separator is not among the characters, it cannot be written. Every month has its days, and
    February 29 only in leap years, those of today's calendar.

    Parameters
    ----------
    characters : str or sequence of str
        Must contain the ten digits.
    order : str
        ``DD``, ``MM`` and ``YYYY`` or ``YY``, each once, and what stands between them. ``D`` and
        ``M`` alone are written without a leading zero. Two digits of a year stand for any year
        between the first and the last.
    first_year, last_year : int
        Both included, from 1 to 9999.

    Returns
    -------
    WeightedAutomaton
        Its weights are 0.

    Raises
    ------
    ValueError
        If the order lacks a part or has one twice, or the years are none.

    Examples
    --------
    >>> days = date_in_order("0123456789/", "DD/MM/YYYY")
    >>> [days.accepts(text) for text in ("29/02/2024", "29022024", "29/02/2023", "2902/2024")]
    [True, True, False, False]
    >>> date_in_order("0123456789.", "D.M.YY").accepts("1.4.26")
    True
    """
    characters = _with_digits(characters, "a date")
    _require_years(first_year, last_year)
    if not isinstance(order, str):
        raise TypeError(f"order is a str, such as {EXAMPLES}; got {order!r:.80}.")
    parts, between = PARTS.findall(order), PARTS.split(order)
    if sorted(part[0] for part in parts) != ["D", "M", "Y"] or between[0] or between[3]:
        raise ValueError(
            f"{order!r} is no order of a date: day, month and year stand in it once each, as in "
            f"{EXAMPLES}."
        )
    values = [_values(part, first_year, last_year) for part in parts]
    begun = [{text[:k] for text in known for k in range(1, len(text) + 1)} for known in values]
    separators = between[1:3]

    # A state holds all that may be meant so far: which part is read, its digits, whether separators
    # are written (None before the first), how much of one, and what is known of the day.
    def step(states: frozenset, letter: str) -> frozenset | None:
        after = set()
        for part, so_far, written, place, known in states:
            if part == 3:
                continue
            gap = separators[part - 1] if part and not so_far else ""
            if place < len(gap) and written is not False and gap[place] == letter:
                after.add((part, "", True, place + 1, known))
            if place < len(gap) and (written or place):
                continue  # what was begun is written to its end, and between all parts
            text = so_far + letter
            if text not in begun[part]:
                continue
            now = written if written or not gap else False
            after.add((part, text, now, 0, known))
            if text in values[part]:
                found = _known({**dict(known), **values[part][text]})
                if found is not None:
                    after.add((part + 1, "", now, 0, found))
        return frozenset(after) or None

    start = frozenset({(0, "", None, 0, ())})
    return _explore(characters, start, step, lambda states: any(s[0] == 3 for s in states))


def _values(part: str, first_year: int, last_year: int) -> dict[str, dict[str, int]]:
    """How a part may be written, and what that says: the day, a month's days, the leap year."""
    width = 2 if len(part) == 2 else 1
    if part[0] == "D":  # what is at most 28 exists in any month
        return {f"{day:0{width}}": {"day": max(day, 28)} for day in range(1, 32)}
    if part[0] == "M":
        days = [calendar.monthrange(2000, month)[1] for month in range(1, 13)]
        return {f"{month:0{width}}": {"days": days[month - 1]} for month in range(1, 13)}
    years: dict[str, dict[str, int]] = {}
    for year in range(first_year, last_year + 1):
        entry = years.setdefault(f"{year:04}"[-len(part) :], {"leap": 0})
        entry["leap"] = max(entry["leap"], int(calendar.isleap(year)))
    return years


def _known(facts: dict[str, int]) -> tuple | None:
    """What matters later of that which is known; None if there is no such day."""
    if "day" in facts and "days" in facts:
        day, days = facts.pop("day"), facts.pop("days")
        if day > days:
            return None
        facts["needs_leap"] = int(day == days == 29)
    if "needs_leap" in facts and "leap" in facts:
        if facts.pop("needs_leap") > facts.pop("leap"):
            return None
    return tuple(sorted(facts.items()))
