"""Words and how often people write them: a list that ships, or one's own file."""

from __future__ import annotations

import gzip
import math
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

from crnn_lib.alphabet import as_number, distinct_characters, is_whole

MOST = 1e-6  # of a log-probability: what rounding may add to that of a certain word
_SHIPPED = Path(__file__).parent / "words"


def word_counts(source: str | Path = "english") -> dict[str, int]:
    """The words of a list and their counts, the commonest first.

    Parameters
    ----------
    source : str or Path
        ``"english"``, 20,000 words that ship, or a text file in UTF-8 with a word in each row, and
        its count after it. Where no row has a count, each word counts once. The file may be
        compressed, as its name ``.gz`` says. Empty rows are skipped.

    Returns
    -------
    dict of str to int
        Words of equal counts stand in the file's order.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If a row is no word and count, only some rows have counts, a word comes twice, or there are
        none.

    Examples
    --------
    >>> english = word_counts("english")
    >>> len(english), english["hand"] > english["handwriting"] > 0
    (20000, True)
    """
    if not isinstance(source, (str, os.PathLike)) or not os.fspath(source):
        raise TypeError(f"source is 'english' or the path of a text file; got {source!r:.80}.")
    path = _SHIPPED / "english.txt.gz" if source == "english" else Path(source)
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is not a text file in UTF-8, or .gz of one ({error}).") from None
    counts: dict[str, int] = {}
    rows = [(number, row) for number, row in enumerate(text.splitlines(), 1) if row.strip()]
    counted = any(len(row.split()) > 1 for _, row in rows)
    for number, row in rows:
        found = re.fullmatch(r"(\S+)\s+([0-9]+)", row.strip() if counted else f"{row.strip()} 1")
        if not found or not int(found[2]):
            raise ValueError(
                f"{path}, row {number}: a row is a word and its count, 1 or more, such as "
                f"'hand 207', or every row is a word alone; got {row!r:.80}."
            )
        if found[1] in counts:
            raise ValueError(f"{path}, row {number}: {found[1]!r} stands there twice.")
        counts[found[1]] = int(found[2])
    if not counts:
        raise ValueError(f"{path} holds no words.")
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


def _check_counts(counts: Mapping[str, int]) -> None:
    """Raise an error if one of the counts is not whole or below 0, as a log-probability is."""
    _check_mapping("counts", counts, "word_counts")
    for text, count in counts.items():
        if not is_whole(count) or count < 0:
            raise ValueError(
                f"Counts are whole numbers, 0 or more; {text!r:.80} has {count!r}. Of shares or "
                "log-probabilities, give the counts that they were made of."
            )


def _check_mapping(name: str, words: Mapping[str, float], maker: str) -> None:
    """Raise a TypeError if it is no mapping, such as a list of words."""
    if not isinstance(words, Mapping):
        raise TypeError(
            f"{name} is a mapping of words to numbers, as {maker} returns it; got {words!r:.80}."
        )


def _check_log_probs(log_probs: Mapping[str, float]) -> None:
    """Raise an error if it is no mapping of words to log-probabilities, but to counts perhaps."""
    _check_mapping("log_probs", log_probs, "word_log_probs")
    for word, value in log_probs.items():
        if not as_number(value) <= MOST:
            raise ValueError(
                f"Log-probabilities are 0 or less; {word!r:.80} has {value!r:.80}. Of counts, "
                "word_log_probs makes them."
            )


def word_log_probs(counts: Mapping[str, int], characters: str | None = None) -> dict[str, float]:
    """Log-probability of each word, its share of all counts: what ``lexicon`` takes as weights.

    Parameters
    ----------
    counts : mapping of str to int
        As :func:`word_counts` returns them.
    characters : str, optional
        Leave out what these cannot spell, such as names where there are only small letters.

    Examples
    --------
    >>> chances = word_log_probs({"the": 3, "hand": 1, "I": 4}, "adehnt")
    >>> {word: round(math.exp(chance), 2) for word, chance in chances.items()}
    {'the': 0.75, 'hand': 0.25}
    """
    _check_counts(counts)
    counts = {word: count for word, count in counts.items() if count}
    if not counts:
        raise ValueError("There are no words: all counts are 0, or none is given.")
    if characters is not None:
        known = set("".join(distinct_characters(characters, "words")))
        counts = {word: count for word, count in counts.items() if known >= set(word)}
    if not counts:
        raise ValueError(
            f"None of the words can be spelled with {characters!r}. Take a network that reads "
            "letters, such as crnn-words."
        )
    total = math.log(sum(counts.values()))
    return {word: math.log(count) - total for word, count in counts.items()}


def with_capitals(
    log_probs: Mapping[str, float], *, capitalised: float = 0.15, capitals: float = 0.05
) -> dict[str, float]:
    """The words also with a capital in front, as where a sentence begins, and ALL IN CAPITALS.

    A word gives these shares of its probability to those forms, and keeps the rest; what several
    words give to one form, such as Bill and bill, is added up. So the sum stays what it was.

    Parameters
    ----------
    log_probs : mapping of str to float
        As :func:`word_log_probs` returns them.
    capitalised, capitals : float
        The shares, 0 or more, together below 1.

    Examples
    --------
    >>> found = with_capitals({"hand": math.log(0.5), "I": math.log(0.5)})
    >>> {form: round(math.exp(chance), 3) for form, chance in found.items()}
    {'hand': 0.4, 'Hand': 0.075, 'HAND': 0.025, 'I': 0.5}
    """
    first, all_of_it = as_number(capitalised), as_number(capitals)
    if not (first >= 0 and all_of_it >= 0 and first + all_of_it < 1):
        raise ValueError(
            "The shares of capitals are 0 or more, together below 1; got "
            f"capitalised={capitalised!r:.40} and capitals={capitals!r:.40}."
        )
    _check_log_probs(log_probs)
    found: dict[str, float] = {}
    for word, log_prob in log_probs.items():
        shares = (1.0 - capitalised - capitals, capitalised, capitals)
        for form, share in zip(
            (word, word[:1].upper() + word[1:], word.upper()), shares, strict=True
        ):
            if share > 0:
                found[form] = found.get(form, 0.0) + share * math.exp(log_prob)
    return {form: math.log(prob) for form, prob in found.items() if prob > 0}
