"""Words and how often people write them: a list that ships, or one's own file."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

_SHIPPED = Path(__file__).parent / "words"


def word_counts(source: str | Path = "english") -> dict[str, int]:
    """The words of a list and their counts, the commonest first.

    Parameters
    ----------
    source : str or Path
        ``"english"``, 20,000 words that ship, or a text file in UTF-8 with a word and its count in
        each row. It may be compressed, as its name ``.gz`` says. Empty rows are skipped.

    Returns
    -------
    dict of str to int
        Words of equal counts stand in the file's order.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If a row is no word and count, a word comes twice, or there are none.

    Examples
    --------
    >>> english = word_counts("english")
    >>> len(english), english["hand"] > english["handwriting"] > 0
    (20000, True)
    """
    path = _SHIPPED / "english.txt.gz" if source == "english" else Path(source)
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is not a text file in UTF-8, or .gz of one ({error}).") from None
    counts: dict[str, int] = {}
    for number, row in enumerate(text.splitlines(), 1):
        if not row.strip():
            continue
        found = re.fullmatch(r"(\S+)\s+([0-9]+)", row.strip())
        if not found or not int(found[2]):
            raise ValueError(
                f"{path}, row {number}: a row is a word and its count, 1 or more, such as "
                f"'hand 207'; got {row!r:.80}."
            )
        if found[1] in counts:
            raise ValueError(f"{path}, row {number}: {found[1]!r} stands there twice.")
        counts[found[1]] = int(found[2])
    if not counts:
        raise ValueError(f"{path} holds no words.")
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


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
    if characters is not None:
        known = set(characters)
        counts = {word: count for word, count in counts.items() if known >= set(word)}
    if not counts:
        raise ValueError(f"None of the words can be spelled with {characters!r}.")
    total = math.log(sum(counts.values()))
    return {word: math.log(count) - total for word, count in counts.items()}
