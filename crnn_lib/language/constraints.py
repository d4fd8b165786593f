"""What a string may be: check digits, dates, amounts, word lists, as automata.

Every function takes the characters of the network's alphabet and returns a
:class:`~crnn_lib.language.WeightedAutomaton` whose weights are 0: it says what may be, not how
likely it is. Characters that take several code points are read one code point after the other,
except where characters are counted. :func:`crnn_lib.language.intersect` combines several,
:func:`crnn_lib.language.parse_constraint` makes them from a line of text.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, overload

import numpy as np

from crnn_lib.alphabet import Alphabet, as_number, distinct_characters, is_whole
from crnn_lib.language._tries import Trie, add_word
from crnn_lib.language.algebra import explore, minimise, respell, union
from crnn_lib.language.automata import NOWHERE, Automaton, WeightedAutomaton, intersect
from crnn_lib.language.sparse import SparseAutomaton
from crnn_lib.language.vocabulary import with_capitals, word_counts, word_log_probs

DIGITS = "0123456789"
MANY_CELLS = 1 << 22  # of a lexicon's tables, 12 bytes each
LONGEST = 10_000  # characters: an automaton that counts them has a state for each

# Length and shape ---------------------------------------------------------------------------------


def fixed_length(characters: Sequence[str], length: int) -> WeightedAutomaton:
    """Any string of exactly this many characters.

    >>> fixed_length("0123456789", 5).accepts("55207")
    True
    """
    return length_between(characters, length, length)


def length_between(
    characters: Sequence[str], least: int, most: int | None = None
) -> WeightedAutomaton:
    """Any string of ``least`` to ``most`` characters, both included; None means without end.

    >>> two_or_three = length_between("0123456789", 2, 3)
    >>> [two_or_three.accepts(text) for text in ("5", "55", "552", "5520")]
    [False, True, True, False]
    """
    characters = distinct_characters(characters, "a constraint")
    ends = least, least if most is None else most
    if not all(map(is_whole, ends)) or not 0 <= ends[0] <= ends[1]:
        raise ValueError(
            "A length is a whole number from least to most, 0 <= least <= most; got "
            f"{least!r:.80} to {most!r:.80}."
        )
    if max(ends) > LONGEST:
        raise ValueError(f"A length is at most {LONGEST} characters; got {max(ends)}.")

    # State s has read s characters; the last one of an open end has read that many or more.
    states = (least if most is None else most) + 1
    after = np.minimum(np.arange(states) + 1, states - 1)
    if most is not None:
        after[-1] = NOWHERE
    next_state = np.repeat(after[:, None], len(characters), 1)  # (S, K)
    final = np.where(np.arange(states) >= least, 0.0, -math.inf)
    return WeightedAutomaton(characters, next_state, np.zeros(next_state.shape), final)


def pattern(characters: Sequence[str], wildcard: str) -> WeightedAutomaton:
    """Strings of a shape: ``?`` is any one character, ``*`` any number of them, also none.

    >>> shape = pattern("0123456789", "55*7")
    >>> [shape.accepts(text) for text in ("55207", "557", "5520")]
    [True, True, False]
    """
    characters = distinct_characters(characters, "a constraint")
    if not isinstance(wildcard, str):
        raise TypeError(f"A pattern is a text, such as '55?07'; got {wildcard!r:.80}.")
    if clash := set("*?") & set("".join(characters)):
        raise ValueError(
            f"In a pattern * and ? are wildcards, but {sorted(clash)} are among the characters."
        )
    _require(characters, set(wildcard) - set("*?"), f"the pattern {wildcard!r}")

    def passed(places: Iterable[int]) -> frozenset[int]:
        """These places of the pattern, and those behind a * that takes nothing."""
        found = set()
        for place in places:
            found.add(place)
            while wildcard[place : place + 1] == "*":
                place += 1
                found.add(place)
        return frozenset(found)

    def step(places: frozenset[int], character: str) -> frozenset[int] | None:
        after = set()
        for place in places:
            wanted = wildcard[place : place + 1]
            if wanted == "*":
                after.add(place)
            elif wanted == "?":
                after.add(place + 1)
            elif wildcard.startswith(character, place):
                after.add(place + len(character))
        return passed(after) if after else None

    return explore(characters, passed([0]), step, lambda places: len(wildcard) in places)


@overload
def lexicon(characters: str | Path, /) -> Automaton: ...


@overload
def lexicon(characters: Sequence[str], words: Iterable[str] | Mapping[str, float]) -> Automaton: ...


def lexicon(characters, words=None):
    """One of some words; a mapping gives each word its log-weight.

    ``lexicon("english")``, or a file in place of the name, is a list of words with counts as
    :func:`~crnn_lib.language.word_counts` reads it. A word weighs the logarithm of its share of all
    counts; 0.15 of that go to the word with a capital in front, as where a sentence begins, and
    0.05 to the word ALL IN CAPITALS (:func:`~crnn_lib.language.with_capitals`).

    Words that begin alike share states, and so do those that end alike: the smallest automaton
    that accepts them, found from the words' ends backwards (Revuz 1992). A word's weight is given
    out as early as can be: each step weighs what the likeliest word loses by it. A decoder sees so
    at once that a beginning is rare, and the ends of words are shared as if there were no weights
    (Mohri 1997, weight pushing).

    It is a :class:`~crnn_lib.language.WeightedAutomaton`, whose tables hold all states and all
    characters. Where these would be large, as for thousands of words over thousands of characters,
    it is a :class:`~crnn_lib.language.SparseAutomaton`.

    >>> months = lexicon("abcdefghijklmnopqrstuvwxyz", {"may": -1.0, "march": -2.0, "august": -3.0})
    >>> months.accepts("march"), months.accepts("mar"), months.score("march")
    (True, False, -2.0)
    >>> english = lexicon("english")
    >>> [english.accepts(text) for text in ("hand", "Hand", "HAND", "hAND", "London", "london")]
    [True, True, True, False, True, False]
    """
    if words is None:
        words = _words_of_list(characters)
        characters = "".join(sorted(set("".join(words))))
    _check_words(words)
    weights = words if isinstance(words, Mapping) else dict.fromkeys(words, 0.0)
    if not weights:
        raise ValueError("A lexicon needs at least one word; this one is empty.")
    characters = distinct_characters(characters, "a lexicon")
    letters = "".join(dict.fromkeys("".join(characters)))
    place = {letter: k for k, letter in enumerate(letters)}
    trie: Trie = [{}]
    ends = {}  # by the node where a word ends, its weight
    for word, weight in weights.items():
        if not isinstance(word, str):
            raise TypeError(f"A lexicon holds texts; got {type(word).__name__}: {word!r}.")
        if not -math.inf < as_number(weight) < math.inf:
            raise ValueError(f"A log-weight is a finite number; {word!r} has {weight!r}.")
        if not place.keys() >= set(word):
            _require(characters, set(word), f"the word {word!r}")
        if isinstance(characters, tuple):
            Alphabet(characters).split(word)  # can it be spelled?
        ends[add_word(trie, map(place.__getitem__, word))[-1]] = float(weight)
    found = _smallest(trie, ends, letters)
    if isinstance(characters, tuple):
        return minimise(respell(found.automaton(), characters))
    return found.automaton() if len(found.final) * len(letters) <= MANY_CELLS else found


def _words_of_list(source: str | Path) -> dict[str, float]:
    """The words of a list with their log-weights, also with capitals."""
    if not isinstance(source, str | Path):
        raise TypeError(
            "A lexicon is characters and words, or the name of a list alone; got "
            f"{source!r:.80} alone."
        )
    try:
        counts = word_counts(source)
    except FileNotFoundError:
        raise ValueError(
            f"There is no list of words {str(source)!r}: write 'english', or the name of a text "
            "file. Words of your own go behind the characters: lexicon(characters, words)."
        ) from None
    return with_capitals(word_log_probs(counts))


def _smallest(trie: Trie, ends: Mapping[int, float], letters: str) -> SparseAutomaton:
    """The smallest automaton of a trie's words, whose weights are given out as early as can be."""
    # Children stand after their parents. Backwards, equal ends of words become one state.
    known: dict[tuple, int] = {}
    state = [0] * len(trie)
    best = [0.0] * len(trie)  # weight of the likeliest word through each node
    for node in reversed(range(len(trie))):
        leads, end = trie[node].items(), ends.get(node, -math.inf)
        if node:  # nothing comes before the first: its steps weigh all
            best[node] = max(end, *(best[child] for _, child in leads), -math.inf)
        steps = tuple(sorted((k, state[child], best[child] - best[node]) for k, child in leads))
        state[node] = known.setdefault((end - best[node], steps), len(known))
    first = np.cumsum([0, *(len(steps) for _, steps in known)])
    listed = np.array([step for _, steps in known for step in steps]).reshape(-1, 3)
    column, target, weight = listed.T  # numbers below 2**53 are whole in float64, too
    final = np.array([end for end, _ in known])
    return SparseAutomaton(letters, first, column, target, weight, final, state[0])


def _check_words(words: object, forms: str = "or a mapping of them") -> None:
    """Raise a TypeError if this is no list of words and none of the other forms."""
    if isinstance(words, str):
        raise TypeError(f"words is a list of words, such as [{words!r}]; got a str.")
    if not isinstance(words, Iterable):
        raise TypeError(f"words is a list of words, {forms}; got {words!r:.80}.")


# Check digits -------------------------------------------------------------------------------------


def luhn(characters: Sequence[str], length: int | None = None) -> WeightedAutomaton:
    """Digits whose last one is the check digit of Luhn (ISO/IEC 7812-1): card numbers.

    From the right, every second digit is doubled, and 9 is taken off if that gives two digits. The
    sum of all must end in 0. Read from the left, it is not known which digits are doubled, so the
    automaton keeps two sums: one in case that the last digit read is doubled, one in case it is
    not.

    Parameters
    ----------
    characters : str or sequence of str
        Must contain the ten digits. Others are forbidden.
    length : int, optional
        Number of digits, at least 2. Any from 2 on by default.

    Examples
    --------
    55207 becomes 5, 2 * 5 - 9, 2, 2 * 0, 7. The sum is 15. With a 2 in the end it is 10:

    >>> [luhn("0123456789").accepts(text) for text in ("55207", "55202")]
    [False, True]
    """
    characters = _with_digits(characters, "luhn")
    if length is not None and (not is_whole(length) or length < 2):
        raise ValueError(
            f"A number with a check digit has 2 digits or more; got length {length!r:.80}."
        )

    def step(state: tuple[int, int, int], character: str) -> tuple[int, int, int] | None:
        plain, doubled, count = state
        if character not in DIGITS:
            return None
        digit = int(character)
        twice = 2 * digit - 9 * (digit > 4)
        return (doubled + digit) % 10, (plain + twice) % 10, min(count + 1, 2)

    found = _explore(characters, (0, 0, 0), step, lambda state: state[0] == 0 and state[2] == 2)
    if length is None:
        return found
    return minimise(intersect(found, respell(fixed_length(DIGITS, length), characters)))


def isbn13(characters: Sequence[str]) -> WeightedAutomaton:
    """ISBN of 13 digits: 978 or 979, nine more, and the check digit. No hyphens.

    The digits are weighed 1, 3, 1, 3, ...; the sum must end in 0.

    >>> isbn13("0123456789").accepts("9780306406157")
    True
    """
    characters = _with_digits(characters, "isbn13")

    def step(state: tuple[int, int], character: str) -> tuple[int, int] | None:
        place, total = state
        allowed = ("9", "7", "89")[place] if place < 3 else DIGITS
        if place == 13 or character not in allowed:
            return None
        return place + 1, (total + (3 if place % 2 else 1) * int(character)) % 10

    return _explore(characters, (0, 0), step, lambda state: state == (13, 0))


def isbn10(characters: Sequence[str]) -> WeightedAutomaton:
    """ISBN of 10 digits, the last of which is the check digit. No hyphens.

    The digits are weighed 10, 9, ..., 1; the sum must be a multiple of 11. The check digit may be
    ten, written X. If X is not among the characters, those numbers cannot be written and are left
    out.

    >>> isbn10("0123456789X").accepts("080442957X")
    True
    """
    characters = _with_digits(characters, "isbn10")

    def step(state: tuple[int, int], character: str) -> tuple[int, int] | None:
        place, total = state
        allowed = DIGITS + "X" if place == 9 else DIGITS
        if place == 10 or character not in allowed:
            return None
        value = 10 if character == "X" else int(character)
        return place + 1, (total + (10 - place) * value) % 11

    return _explore(characters, (0, 0), step, lambda state: state == (10, 0))


def isbn(characters: Sequence[str]) -> WeightedAutomaton:
    """:func:`isbn10` or :func:`isbn13`."""
    characters = distinct_characters(characters, "a constraint")
    return union(isbn10(characters), isbn13(characters))


# Dates and amounts --------------------------------------------------------------------------------


def iso_date(
    characters: Sequence[str], *, first_year: int = 1900, last_year: int = 2099
) -> WeightedAutomaton:
    """Days of the calendar, YYYYMMDD, and YYYY-MM-DD if ``-`` is among the characters (ISO 8601).

    Every month has its days, and February 29 only in leap years. The calendar is today's,
    Gregorian, also for the years before it was in use, as in Python's ``datetime``.

    Parameters
    ----------
    characters : str or sequence of str
        Must contain the ten digits.
    first_year, last_year : int
        Both included, from 1 to 9999.

    Examples
    --------
    >>> dates = iso_date("0123456789-")
    >>> [dates.accepts(text) for text in ("20240229", "2024-02-29", "2023-02-29", "2024-0229")]
    [True, True, False, False]
    """
    characters = _with_digits(characters, "a date")
    _require_years(first_year, last_year)
    # Only what matters later is kept: of a year, whether it is a leap year; of a month, its days.
    # A state is the part that is being read, what is known, and the part's digits so far.
    days_of = {
        leap: [0, *(calendar.monthrange(2000 if leap else 2001, m)[1] for m in range(1, 13))]
        for leap in (False, True)
    }

    def step(state: tuple, character: str) -> tuple | None:
        part, known, so_far = state
        if character == "-":
            if part == "form":
                return "month", (*known, True), ""
            return ("day", (known[0], False), "") if part == "dash" else None
        if character not in DIGITS:
            return None
        if part == "form":  # no dash after the year, so none after the month
            part, known = "month", (*known, False)
        so_far += character
        if part == "year" and len(so_far) == 4:
            if not first_year <= int(so_far) <= last_year:
                return None
            return "form", (calendar.isleap(int(so_far)),), ""
        if part == "month" and len(so_far) == 2:
            if not 1 <= int(so_far) <= 12:
                return None
            leap, dashed = known
            return "dash" if dashed else "day", (days_of[leap][int(so_far)], dashed), ""
        if part == "day" and len(so_far) == 2:
            return ("end", (), "") if 1 <= int(so_far) <= known[0] else None
        return (part, known, so_far) if part in ("year", "month", "day") else None

    return _explore(characters, ("year", (), ""), step, lambda state: state[0] == "end")


def amount(
    characters: Sequence[str], maximum: int | str | Decimal | None = None, *, decimals: int = 2
) -> WeightedAutomaton:
    """Amounts of money: no leading zeros, and cents if there is a character to part them.

    5, 55 and 0 are amounts; 05 and the empty string are not. With ``.`` or ``,`` among the
    characters (either, if both are), 5.20 is one too, with exactly so many ``decimals``.

    Parameters
    ----------
    characters : str or sequence of str
        Must contain the ten digits.
    maximum : int, str or Decimal, optional
        The largest amount, as ``552`` or ``"552.07"``. Without it amounts may be of any length.
    decimals : int
        Digits after the separator, at least 1.

    Examples
    --------
    >>> bill = amount("0123456789.", "552.07")
    >>> [bill.accepts(text) for text in ("552", "552.07", "552.08", "99.90", "0.50", ".50", "7.5")]
    [True, True, False, True, True, False, False]
    """
    characters = _with_digits(characters, "an amount")
    if not is_whole(decimals) or decimals < 1:
        raise ValueError(f"decimals is a number of digits, 1 or more; got {decimals!r:.80}.")

    def step(state: tuple[str, int], character: str) -> tuple[str, int] | None:
        part, count = state
        if character in ".,":
            return ("cents", 0) if part in ("zero", "whole") else None
        if character not in DIGITS or part == "zero" or count == decimals:
            return None
        if part == "cents":
            return part, count + 1
        return ("zero" if part == "empty" and character == "0" else "whole"), 0

    ends = ("zero", 0), ("whole", 0), ("cents", decimals)
    found = _explore(characters, ("empty", 0), step, lambda state: state in ends)
    if maximum is None:
        return found
    return minimise(intersect(found, _at_most(characters, maximum, decimals)))


def _at_most(
    characters: Sequence[str], maximum: int | str | Decimal, decimals: int
) -> WeightedAutomaton:
    """Numbers up to a maximum, if they have no leading zeros."""
    try:
        limit = Decimal(str(maximum).replace(",", "."))
    except InvalidOperation:
        limit = Decimal("NaN")
    # 1,000 is no 1 with three decimals, but what somebody writes for a thousand
    if not limit.is_finite() or limit < 0 or -int(limit.as_tuple().exponent) > decimals:
        raise ValueError(
            f"maximum is an amount such as 552 or '552.07', with at most {decimals} decimals; "
            f"got {maximum!r}."
        )
    whole, _, cents = f"{limit:.{decimals}f}".partition(".")

    # A state is the part, how many of its digits were read, and how they compare with as many of
    # the maximum's: -1, 0 or 1. Fewer digits than the maximum's make a smaller number.
    def step(state: tuple[str, int, int], character: str) -> tuple[str, int, int] | None:
        part, count, compared = state
        if character in ".,":
            return None if above(state) else ("cents", 0, compared if count == len(whole) else -1)
        wanted = whole if part == "whole" else cents
        if count == len(wanted):
            return None
        if compared == 0:
            compared = (character > wanted[count]) - (character < wanted[count])
        return None if part == "cents" and compared > 0 else (part, count + 1, compared)

    def above(state: tuple[str, int, int]) -> bool:
        part, count, compared = state
        return part == "whole" and count == len(whole) and compared > 0

    return _explore(characters, ("whole", 0, 0), step, lambda state: not above(state))


def _explore(
    characters: Sequence[str],
    start: Hashable,
    step: Callable[[Any, str], Hashable | None],
    accepts: Callable[[Any], bool],
) -> WeightedAutomaton:
    """:func:`explore`, with a step for each code point of a character."""

    def read(state: Hashable, character: str) -> Hashable | None:
        after: Hashable | None = state
        for letter in character:
            after = step(after, letter)
            if after is None:
                return None
        return after

    return explore(characters, start, read, accepts)


def _with_digits(characters: Sequence[str], what: str) -> str | tuple[str, ...]:
    """The characters of a constraint that needs the ten digits."""
    known = distinct_characters(characters, "a constraint")
    _require(known, set(DIGITS), what)
    return known


def _require_years(first: int, last: int) -> None:
    """Raise a ValueError if they are no years, or in the wrong order."""
    if not is_whole(first) or not is_whole(last) or not 1 <= first <= last <= 9999:
        raise ValueError(
            "Years are whole numbers from 1 to 9999, the first not after the last; got "
            f"{first!r:.80} to {last!r:.80}."
        )


def _require(characters: Sequence[str], needed: set[str], what: str) -> None:
    if missing := "".join(sorted(needed - set("".join(characters)))):
        raise ValueError(
            f"{what} needs characters that are not there: {missing!r} is not in {characters!r}."
        )
