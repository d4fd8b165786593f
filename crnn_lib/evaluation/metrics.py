"""How well were the lines read? Exact match, character error rate, and what went wrong.

A character is a code point, unless an alphabet or a sequence says otherwise: then it is what one
class of a network stands for, a piece of a word or a letter of several code points.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from crnn_lib.alphabet import Alphabet, as_number, check_alphabet, check_whole, is_whole


class EditCounts(NamedTuple):
    """The edits that separate a prediction from the truth; see :func:`edit_counts`."""

    substitutions: int
    insertions: int
    deletions: int

    @property
    def total(self) -> int:
        """All edits together: the edit distance of Levenshtein (1966)."""
        return sum(self)


def edit_counts(prediction: str | Sequence[str], truth: str | Sequence[str]) -> EditCounts:
    """Count the edits of a shortest way from the truth to the prediction.

    A substitution is a character read as another one. An insertion is a character in the
    prediction that the truth does not have. A deletion is a character of the truth that the
    prediction lacks. Their sum is the edit distance.

    Several shortest ways may differ in kind: 52 becomes 25 by two substitutions, or by one
    insertion and one deletion. The way with the most substitutions is counted, so the result is
    unique, and swapping the two texts only swaps insertions and deletions.

    Parameters
    ----------
    prediction, truth : str or sequence of str
        What was read, and what is written there: two texts, or the characters of each.

    Examples
    --------
    >>> edit_counts("55201", "55207")
    EditCounts(substitutions=1, insertions=0, deletions=0)
    >>> edit_counts("5207", "55207")
    EditCounts(substitutions=0, insertions=0, deletions=1)
    >>> edit_counts("555207", "55207")
    EditCounts(substitutions=0, insertions=1, deletions=0)
    >>> edit_counts("25", "52")
    EditCounts(substitutions=2, insertions=0, deletions=0)
    >>> edit_counts("cate", "thecat").total, edit_counts(["cat", "e"], ["th", "e", "cat"]).total
    (4, 2)
    """
    _require_characters(prediction, "prediction")
    _require_characters(truth, "truth")
    # Each edit costs `unit`, and an insertion or deletion one more. A path has fewer than `unit`
    # edits, so the cheapest path is a shortest one, and among those has the fewest of that kind.
    unit = len(prediction) + len(truth) + 1
    cost = Levenshtein.distance(truth, prediction, weights=(unit + 1, unit + 1, unit))
    total, unpaired = divmod(cost, unit)
    surplus = len(prediction) - len(truth)  # insertions - deletions, on every path
    return EditCounts(total - unpaired, (unpaired + surplus) // 2, (unpaired - surplus) // 2)


def substituted_characters(
    prediction: str | Sequence[str], truth: str | Sequence[str]
) -> list[tuple[str, str]]:
    """Pair each substituted character of the truth with the one it was read as.

    Of all alignments with the counts of :func:`edit_counts`, the one is taken that keeps
    substitutions as far left as it can.

    Examples
    --------
    >>> substituted_characters("53201", "55207")
    [('5', '3'), ('7', '1')]
    """
    _require_characters(prediction, "prediction")
    _require_characters(truth, "truth")
    if len(prediction) == len(truth):  # the usual case needs no table
        pairs = [(t, p) for t, p in zip(truth, prediction, strict=True) if t != p]
        if len(pairs) <= 1 or len(pairs) == edit_counts(prediction, truth).total:
            return pairs
    # cost[i][j]: from truth[i:] to prediction[j:], with the costs of edit_counts.
    rows, columns = len(truth), len(prediction)
    unit = rows + columns + 1
    cost = [
        [(unit + 1) * (rows - i + columns - j) for j in range(columns + 1)] for i in range(rows + 1)
    ]
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            aligned = cost[i + 1][j + 1] + (unit if truth[i] != prediction[j] else 0)
            unpaired = min(cost[i + 1][j], cost[i][j + 1]) + unit + 1
            cost[i][j] = min(aligned, unpaired)
    pairs, i, j = [], 0, 0
    while i < rows and j < columns:
        differ = truth[i] != prediction[j]
        if cost[i][j] == cost[i + 1][j + 1] + (unit if differ else 0):
            if differ:
                pairs.append((truth[i], prediction[j]))
            i, j = i + 1, j + 1
        elif cost[i][j] == cost[i + 1][j] + unit + 1:
            i += 1
        else:
            j += 1
    return pairs


def wilson_interval(successes: int, trials: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Interval for a proportion, after Wilson (1927).

    Unlike ``p ± z · sqrt(p (1 - p) / n)`` it never leaves [0, 1], and it stays honest for few
    trials and for proportions near 0 or 1.

    Parameters
    ----------
    successes, trials : int
        ``successes`` of ``trials`` went well.
    z : float
        Standard deviations to each side; the default gives 95 %.

    Examples
    --------
    >>> low, high = wilson_interval(10, 10)
    >>> round(low, 3), round(high, 3)
    (0.722, 1.0)
    """
    whole = is_whole(successes) and is_whole(trials)
    if not whole or trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(
            "An interval needs at least one trial and 0 to trials successes, whole numbers; got "
            f"{successes!r:.40} of {trials!r:.40}."
        )
    if not 0 <= as_number(z) < math.inf:
        raise ValueError(f"z is a number of standard deviations, 0 or more; got {z!r:.80}.")
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    scale = 1 + z * z / trials
    # Rounding must not push the ends past the proportion itself.
    low = 0.0 if successes == 0 else min(share, (centre - spread) / scale)
    high = 1.0 if successes == trials else max(share, (centre + spread) / scale)
    return low, high


class LengthRow(NamedTuple):
    """The results for the lines whose truth has one length."""

    length: int
    n: int
    exact_match: float
    character_error_rate: float


class Confusion(NamedTuple):
    """How often a character of the truth was read as another one."""

    truth: str
    prediction: str
    count: int  # type: ignore[assignment]  # a tuple has a method of that name


class WrongLine(NamedTuple):
    """A line that was not read exactly; ``index`` is its place in the lists given."""

    index: int  # type: ignore[assignment]  # a tuple has a method of that name
    truth: str
    prediction: str


@dataclass(frozen=True)
class Report:
    """What :func:`evaluate_texts` found. ``print(report)`` shows it as a table.

    Attributes
    ----------
    n, n_exact : int
        Number of lines, and of those that were read without any error.
    characters : int
        Number of characters in all truths together. What a character is: see
        :func:`evaluate_texts`.
    substitutions, insertions, deletions : int
        Edits over all lines, as :func:`edit_counts` counts them.
    by_length : tuple of LengthRow
        The same by length of the truth, shortest first.
    confusions : tuple of Confusion
        Substituted characters, the most frequent first; their counts sum to ``substitutions``.
    wrong : tuple of WrongLine
        The first lines that were not read exactly, at most ``max_wrong`` of them.
    """

    n: int
    n_exact: int
    characters: int
    substitutions: int
    insertions: int
    deletions: int
    by_length: tuple[LengthRow, ...]
    confusions: tuple[Confusion, ...]
    wrong: tuple[WrongLine, ...]

    @property
    def exact_match(self) -> float:
        """Fraction of the lines that were read without any error."""
        return self.n_exact / self.n

    @property
    def exact_match_interval(self) -> tuple[float, float]:
        """95 % interval of :attr:`exact_match`; see :func:`wilson_interval`."""
        return wilson_interval(self.n_exact, self.n)

    @property
    def edits(self) -> int:
        """Substitutions, insertions and deletions together."""
        return self.substitutions + self.insertions + self.deletions

    @property
    def character_error_rate(self) -> float:
        """Edits per character of the truth: (S + I + D) / characters.

        Both are summed over all lines before the division, so each character weighs the same;
        it is not the mean of the lines' own rates. Insertions can push it above 1. If all truths
        are empty, it is 0 without any edit and infinite with one.
        """
        return _rate(self.edits, self.characters)

    def __str__(self) -> str:
        low, high = self.exact_match_interval
        rows = [
            f"lines          {self.n:9d}",
            f"exact match    {_percent(self.exact_match)}   "
            f"95 % interval {100 * low:.2f} to {100 * high:.2f} %",
            f"character error{_percent(self.character_error_rate)}   "
            f"{self.edits} edits on {self.characters} characters: {self.substitutions} "
            f"substituted, {self.insertions} inserted, {self.deletions} deleted",
            "",
            "length     lines   exact match   character error",
        ]
        rows += [
            f"{row.length:6d} {row.n:9d}   {_percent(row.exact_match)}   "
            f"    {_percent(row.character_error_rate)}"
            for row in self.by_length
        ]
        if self.confusions:
            most = ", ".join(f"{t!r} as {p!r} {n}x" for t, p, n in self.confusions[:5])
            rows += ["", f"most often confused: {most}"]
        if self.wrong:
            n_wrong = self.n - self.n_exact
            shown = self.wrong[:5]
            rows += ["", f"wrong lines ({len(shown)} of {n_wrong})"]
            rows += [f"{w.index:6d}   {w.truth!r} read as {w.prediction!r}" for w in shown]
        return "\n".join(rows)


def evaluate_texts(
    predictions: Sequence[str],
    truths: Sequence[str],
    *,
    alphabet: Alphabet | None = None,
    max_wrong: int = 20,
) -> Report:
    """Compare what was read with what is written there, line by line.

    Parameters
    ----------
    predictions, truths : sequence of str
        One text per line, in the same order; at least one line. A text may be empty.
    alphabet : Alphabet, optional
        Count its characters, which may take several code points. What it cannot spell counts one
        for each code point. Without it every code point is a character.
    max_wrong : int
        How many of the wrong lines the report lists.

    Returns
    -------
    Report

    Examples
    --------
    >>> report = evaluate_texts(["55207", "55201", "5207"], ["55207", "55207", "55207"])
    >>> report.exact_match == 1 / 3, report.character_error_rate == 2 / 15
    (True, True)
    >>> report.confusions
    (Confusion(truth='7', prediction='1', count=1),)
    >>> print(report)
    lines                  3
    exact match      33.33 %   95 % interval 6.15 to 79.23 %
    character error  13.33 %   2 edits on 15 characters: 1 substituted, 0 inserted, 1 deleted
    <BLANKLINE>
    length     lines   exact match   character error
         5         3     33.33 %         13.33 %
    <BLANKLINE>
    most often confused: '7' as '1' 1x
    <BLANKLINE>
    wrong lines (2 of 2)
         1   '55207' read as '55201'
         2   '55207' read as '5207'

    Three of six code points are wrong here, and one of three characters:

    >>> evaluate_texts(["thee"], ["thecat"]).character_error_rate
    0.5
    >>> report = evaluate_texts(["thee"], ["thecat"], alphabet=Alphabet(("th", "e", "cat")))
    >>> report.characters, report.confusions
    (3, (Confusion(truth='cat', prediction='e', count=1),))
    """
    for texts, name in ((predictions, "predictions"), (truths, "truths")):
        if isinstance(texts, str):
            raise TypeError(f"{name} is one text, {texts!r}; pass a list with one text per line.")
        if not isinstance(texts, Iterable) or isinstance(texts, (set, frozenset)):
            raise TypeError(f"{name} is a list with one text per line; got {texts!r:.80}.")
    if alphabet is not None:
        check_alphabet(alphabet)
    predictions, truths = list(predictions), list(truths)
    if len(predictions) != len(truths):
        raise ValueError(
            f"Each line needs one prediction and one truth; got {len(predictions)} predictions "
            f"and {len(truths)} truths."
        )
    if not truths:
        raise ValueError("There is nothing to evaluate: both lists are empty.")
    check_whole(0, max_wrong=max_wrong)

    def cut(text: str) -> str | list[str]:
        return text if alphabet is None else alphabet.split(text, strict=False)

    edits = [0, 0, 0]
    lines: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0])  # n, n_exact, edits
    confusions: Counter[tuple[str, str]] = Counter()
    wrong: list[WrongLine] = []
    for index, (prediction, truth) in enumerate(zip(predictions, truths, strict=True)):
        _require_text(prediction, f"predictions[{index}]")
        _require_text(truth, f"truths[{index}]")
        written = cut(truth)
        row = lines[len(written)]
        row[0] += 1
        if prediction == truth:
            row[1] += 1
            continue
        read = cut(prediction)
        counts = edit_counts(read, written)
        row[2] += counts.total
        edits = [total + count for total, count in zip(edits, counts, strict=True)]
        if counts.substitutions:
            confusions.update(substituted_characters(read, written))
        if len(wrong) < max_wrong:
            wrong.append(WrongLine(index, truth, prediction))

    by_count = sorted(confusions.items(), key=lambda item: (-item[1], item[0]))
    return Report(
        n=len(truths),
        n_exact=sum(row[1] for row in lines.values()),
        characters=sum(length * row[0] for length, row in lines.items()),
        substitutions=edits[0],
        insertions=edits[1],
        deletions=edits[2],
        by_length=tuple(
            LengthRow(length, n, exact / n, _rate(wrong_characters, length * n))
            for length, (n, exact, wrong_characters) in sorted(lines.items())
        ),
        confusions=tuple(Confusion(*pair, count) for pair, count in by_count),
        wrong=tuple(wrong),
    )


def _rate(edits: int, characters: int) -> float:
    if characters:
        return edits / characters
    return math.inf if edits else 0.0


def _percent(fraction: float) -> str:
    return f"{100 * fraction:7.2f} %" if math.isfinite(fraction) else f"{'inf':>7} %"


def _require_text(text: str, name: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str; got {type(text).__name__}: {text!r}.")


def _require_characters(text: str | Sequence[str], name: str) -> None:
    characters = text if isinstance(text, (list, tuple)) else (text,)
    for character in characters:
        _require_text(character, name if character is text else f"A character of {name}")
