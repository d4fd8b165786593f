"""A language as a user writes it: ``luhn+length:16``.

A language is a :class:`~crnn_lib.language.WeightedAutomaton`: it gives each string a log-weight,
-inf to those that cannot be. The decoders add it to what the network says.

>>> card = parse_constraint("luhn+length:16", "0123456789")
>>> card.accepts("4111111111111111"), card.accepts("4111111111111112")
(True, False)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crnn_lib.alphabet import distinct_characters
from crnn_lib.language.algebra import is_empty, minimise, respell
from crnn_lib.language.automata import Automaton, WeightedAutomaton, intersect
from crnn_lib.language.constraints import (
    amount,
    isbn,
    isbn10,
    isbn13,
    iso_date,
    length_between,
    lexicon,
    luhn,
    pattern,
)
from crnn_lib.language.dates import date_in_order
from crnn_lib.language.mixtures import Mixture, open_lexicon, spelling_model
from crnn_lib.language.ngrams import NGram
from crnn_lib.language.vocabulary import with_capitals, word_counts, word_log_probs

#: How each constraint is written, for messages and for a command line's help.
CONSTRAINTS = {
    "luhn": "luhn: a number with a check digit, as on cards",
    "date": "date:DD/MM/YYYY, date:MM/DD/YYYY, date:D.M.YY, date:YYYY-MM-DD:1990-2030 or other "
    "orders, with the separators or without; date alone is YYYY-MM-DD; years are 1900-2099 or "
    "those behind the colon",
    "length": "length:5, length:2-7 or length:2-: so many characters",
    "isbn": "isbn: isbn10 or isbn13",
    "isbn10": "isbn10: a book number of ten digits",
    "isbn13": "isbn13: a book number of thirteen digits",
    "amount": "amount or amount:500: money without leading zeros, up to a maximum",
    "pattern": "pattern:55?07: ? is any character, * any number of them",
    "lexicon": "lexicon:FILE: one of the words of a text file, one a line",
    "words": "words:english or words:FILE: one of these words, likelier if its count is higher",
    "open": "open:english or open:FILE: these words, and less likely any other string",
    "ngram": "ngram:FILE: likely strings, by a model that NGram.save wrote",
}
MANY_STATES = 20_000  # beyond it, to merge some would take seconds


def parse_constraint(constraint: str, characters: Sequence[str]) -> Automaton | Mixture:
    """Make a language from what a user typed.

    Parameters
    ----------
    constraint : str
        One of :data:`CONSTRAINTS`, or several that must all hold: ``"luhn+length:16"``. A file's
        name cannot contain a ``+``.
    characters : str or sequence of str
        Those of the network's alphabet.

    Returns
    -------
    Automaton, or Mixture
        A mixture for ``open``, which is for one part of the constraint only.

    Raises
    ------
    ValueError
        If it cannot be understood, needs other characters, or no string at all satisfies it.
    OSError
        If a file cannot be read.

    Examples
    --------
    >>> parse_constraint("length:5+pattern:55*", "0123456789").accepts("55207")
    True
    >>> parse_constraint("luhn+length:1", "0123456789")
    Traceback (most recent call last):
    ...
    ValueError: No string satisfies 'luhn+length:1'.
    """
    if not isinstance(constraint, str):
        raise TypeError(
            f"A constraint is a text, such as 'luhn+length:16'; got {constraint!r:.80}."
        )
    characters = distinct_characters(characters, "a network")
    parsed = [_parse_readable(part.strip(), characters) for part in constraint.split("+")]
    mixed = [part for part in parsed if isinstance(part, Mixture)]
    if len(mixed) > 1:
        raise ValueError(f"{constraint!r} has more than one open lexicon.")
    plain = [part for part in parsed if not isinstance(part, Mixture)]
    if not mixed:
        language = _all_of(plain)
        if is_empty(language):
            raise ValueError(f"No string satisfies {constraint!r}.")
        return language
    # what is in two parts weighs more in the first, with or without a constraint on both
    parts = [_all_of([part, *plain]) for part in mixed[0].parts]
    parts = [part for part in parts if not is_empty(part)]
    if not parts:
        raise ValueError(f"No string satisfies {constraint!r}.")
    return Mixture(tuple(parts))


def _all_of(parts: Sequence[Automaton]) -> Automaton:
    language = parts[0]
    for part in parts[1:]:
        language = intersect(language, part)
        if isinstance(language, WeightedAutomaton) and language.num_states <= MANY_STATES:
            language = minimise(language)  # smaller tables for the decoders
    return language


def _parse_readable(part: str, characters: Sequence[str]) -> Automaton | Mixture:
    try:
        return _parse(part, characters)
    except OSError as error:
        name, _, path = part.partition(":")
        raise type(error)(
            f"{part!r}: {path!r} cannot be read ({error.strerror}). Write {CONSTRAINTS[name]}."
        ) from None


def _parse(part: str, characters: Sequence[str]) -> Automaton | Mixture:
    name, colon, argument = part.partition(":")
    plain = {"luhn": luhn, "isbn": isbn, "isbn10": isbn10, "isbn13": isbn13}
    if name not in CONSTRAINTS:
        raise ValueError(
            f"{part!r} is not a constraint. There are: {'; '.join(CONSTRAINTS.values())}."
        )
    if name in plain:
        if colon:
            hint = " For its length, write luhn+length:16." if name == "luhn" else ""
            raise ValueError(f"{name} takes no argument; got {part!r}.{hint}")
        return plain[name](characters)
    if colon and not argument or not colon and name not in ("date", "amount"):
        raise ValueError(f"{part!r} lacks what comes after the colon. Write {CONSTRAINTS[name]}.")
    if name == "length":
        return length_between(characters, *_range(part, argument, open_end=True))
    if name == "date":
        return _date(part, argument, characters)
    if name == "amount":
        return amount(characters, argument if colon else None)
    if name == "pattern":
        return pattern(characters, argument)
    if name == "ngram":
        return _with_characters(NGram.load(argument), characters, argument)
    if name == "words":
        chances = word_log_probs(word_counts(argument), "".join(characters))
        return lexicon(characters, chances)
    if name == "open":
        counts = word_counts(argument)
        chances = word_log_probs(counts, "".join(characters))
        known = set("".join(characters))
        forms = {f: c for f, c in with_capitals(chances).items() if known >= set(f)}
        return open_lexicon(forms, spelling_model(counts, characters=characters))
    return lexicon(characters, _words(argument))


def _date(part: str, argument: str, characters: Sequence[str]) -> WeightedAutomaton:
    """``DD/MM/YYYY``, ``1990-2030``, or both with a colon in between; nothing is YYYY-MM-DD."""
    order, _, years = argument.rpartition(":")
    if not order and not set(argument) <= set("0123456789-"):
        order, years = argument, ""
    first, last = _range(part, years) if years else (1900, 2099)
    span = {"first_year": first, "last_year": first if last is None else last}
    if not order:
        return iso_date(characters, **span)
    return date_in_order(characters, order, **span)


def _range(part: str, argument: str, *, open_end: bool = False) -> tuple[int, int | None]:
    """``5`` is 5 to 5, ``2-7`` is 2 to 7, ``2-`` has no end."""
    low, dash, high = argument.partition("-")
    ends = (low, high or None) if dash and open_end else (low, high if dash else low)
    if not all(end is None or (end.isascii() and end.isdigit()) for end in ends):
        raise ValueError(f"{part!r} cannot be understood. Write {CONSTRAINTS[part.split(':')[0]]}.")
    return int(ends[0]), None if ends[1] is None else int(ends[1])


def _words(path: str) -> list[str]:
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path!r} is not a text file in UTF-8 ({error.reason}).") from None
    words = [line.strip() for line in lines if line.strip()]
    if not words:
        raise ValueError(f"{path!r} holds no words.")
    return words


def _with_characters(model: NGram, characters: Sequence[str], path: str) -> WeightedAutomaton:
    if model.characters == characters:
        return model.automaton()
    if isinstance(model.characters, str) and set("".join(characters)) == set(model.characters):
        return respell(model.automaton(), characters)
    raise ValueError(
        f"{path!r} was trained on the characters {model.characters!r}; the network reads "
        f"{characters!r}."
    )
