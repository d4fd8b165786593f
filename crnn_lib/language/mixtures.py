"""A lexicon that is open: its words are likely, and other strings stay possible.

Names and numbers are in no lexicon. A mixture of two models has both: with one weight, the *share*,

    P(text) = share * P(text | words) + (1 - share) * P(text | n-grams of characters).

A word has a part of its probability from either side, any other string from the n-grams alone. So
two automata hold the mixture exactly: one with the words and their sums, one with the n-grams times
1 - share. Of a string that both accept the first weight is the greater, and it is the right one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crnn_lib.alphabet import as_number, distinct_characters, listed_texts
from crnn_lib.language.automata import Automaton, _Operators
from crnn_lib.language.constraints import lexicon
from crnn_lib.language.ngrams import NGram
from crnn_lib.language.vocabulary import (
    _check_counts,
    _check_log_probs,
    with_capitals,
)

SHARE = 0.9  # of the words, where nothing was fitted: about what a lexicon covers of a text
MARKS = ".,;:!?"  # that stand right behind a word


@dataclass(frozen=True, eq=False)
class Mixture(_Operators):
    """Several automata side by side: a string weighs what the best of them says.

    The decoders take it where they take a :class:`~crnn_lib.language.WeightedAutomaton`. Like one,
    it can be combined with an automaton, ``mixture & automaton``, and weighed, ``0.5 * mixture``:
    each part is.

    Parameters
    ----------
    parts : tuple of Automaton
        At least one.

    Examples
    --------
    >>> words = lexicon("abn", {"ban": -1.0}), lexicon("abn", {"nab": -2.0, "ban": -3.0})
    >>> either = Mixture(words)
    >>> either.score("ban"), either.score("nab"), either.accepts("bab")
    (-1.0, -2.0, False)
    """

    parts: tuple[Automaton, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.parts, Iterable):
            raise TypeError(
                f"A mixture is of several automata, Mixture((first, second)); got one "
                f"{type(self.parts).__name__} that stands in no tuple."
            )
        object.__setattr__(self, "parts", tuple(self.parts))
        for part in self.parts:
            if not isinstance(part, Automaton):
                raise TypeError(f"A mixture is of automata; got {type(part).__name__}.")
        if not self.parts:
            raise ValueError("A mixture has at least one part; got none.")

    def score(self, text: str | Sequence[str]) -> float:
        """Log-weight of a string; ``-inf`` if no part accepts it."""
        return max(part.score(text) for part in self.parts)

    def accepts(self, text: str | Sequence[str]) -> bool:
        """Whether the string may be at all."""
        return self.score(text) > -math.inf

    def __and__(self, other: Automaton) -> Mixture:
        if not isinstance(other, Automaton):
            return NotImplemented
        return Mixture(tuple(part & other for part in self.parts))

    __rand__ = __and__

    def __rmul__(self, factor: float) -> Mixture:
        return Mixture(tuple(factor * part for part in self.parts))


def open_lexicon(log_probs: Mapping[str, float], model: NGram, *, share: float = SHARE) -> Mixture:
    """The mixture of some words and of an n-gram model of characters, which adds up to 1.

    Parameters
    ----------
    log_probs : mapping of str to float
        The words' log-probabilities, as :func:`~crnn_lib.language.word_log_probs` and
        :func:`~crnn_lib.language.with_capitals` return them.
    model : NGram
        What other strings look like, such as :func:`spelling_model`. The characters are its own.
    share : float
        Of the words, above 0 and below 1; :func:`fit_share` finds it.

    Examples
    --------
    >>> model = NGram.fit(["no", "on"], order=1, characters="no")
    >>> language = open_lexicon({"on": 0.0}, model, share=0.5)
    >>> round(math.exp(language.score("on")) - 0.5 * math.exp(model.log_prob("on")), 9)
    0.5
    >>> language.accepts("noon")
    True
    """
    if not 0 < as_number(share) < 1:
        raise ValueError(f"The share of the words is above 0 and below 1; got {share!r:.80}.")
    _check_parts(log_probs, model)
    words = {
        word: float(
            np.logaddexp(math.log(share) + chance, math.log1p(-share) + model.log_prob(word))
        )
        for word, chance in log_probs.items()
    }
    others = model.automaton()
    others = replace(others, final=others.final + math.log1p(-share))
    return Mixture((lexicon(model.characters, words), others))


def fit_share(log_probs: Mapping[str, float], model: NGram, texts: Iterable[str]) -> float:
    """The share of the words under which some texts are likeliest: those of lines held out.

    Expectation and maximisation (Dempster, Laird and Rubin 1977): how much of each text's
    probability comes from the words, on average, is the next share. Two texts more are counted, one
    of either kind, so that the share is never 0 or 1.

    Parameters
    ----------
    log_probs, model
        As for :func:`open_lexicon`.
    texts : iterable of str
        What lines say that neither was made from. At least one.

    Examples
    --------
    >>> model = NGram.fit(["no", "on"], order=1, characters="no")
    >>> round(fit_share({"on": 0.0}, model, ["on", "on", "noon"]), 2)
    0.59
    """
    texts = listed_texts(texts)
    _check_parts(log_probs, model)
    if not texts:
        raise ValueError("There is no text to fit the share to.")
    # how much likelier the words make each text than the n-grams do
    ratios = np.exp(
        [min(log_probs.get(text, -math.inf) - model.log_prob(text), 700.0) for text in texts]
    )
    share, before = 0.5, 0.0
    while abs(share - before) > 1e-12:
        before = share
        parts = share * ratios / (share * ratios + 1 - share)
        share = float((parts.sum() + 1) / (len(texts) + 2))
    return share


def _check_parts(log_probs: Mapping[str, float], model: NGram) -> None:
    _check_log_probs(log_probs)
    if not isinstance(model, NGram):
        raise TypeError(f"model is an NGram, such as spelling_model(...); got {model!r:.80}.")


def spelling_model(
    counts: Mapping[str, int], *, order: int = 4, characters: Sequence[str] | None = None
) -> NGram:
    """What strings look like that are in no lexicon: n-grams of its words, of numbers and of marks.

    Names are spelled more like rare words than like common ones. So a word counts as the number of
    binary digits of its count says. Of ten times it has small letters six times, a capital in front
    three times, and is ALL CAPITALS once. To that come all numbers of up to four digits, amounts
    with two decimals up to 99.99, and the commonest thousand words with a mark behind them.

    Parameters
    ----------
    counts : mapping of str to int
        As :func:`~crnn_lib.language.word_counts` returns them.
    order : int
        Of the n-grams, 1 to 5.
    characters : str or sequence of str, optional
        What may occur: those of the network. What these cannot spell is left out. By default the
        words' own, digits and marks.

    Examples
    --------
    >>> model = spelling_model({"hand": 9, "land": 3, "Helen": 2})
    >>> model.log_prob("Handel") > model.log_prob("dneHal") > -math.inf
    True
    """
    _check_counts(counts)
    texts: dict[str, int] = {}
    for word, count in counts.items():
        for form, share in with_capitals({word: 0.0}, capitalised=0.3, capitals=0.1).items():
            many = round(10 * math.exp(share)) * int(count).bit_length()
            texts[form] = texts.get(form, 0) + many
    for digits in range(1, 5):
        for number in range(10**digits):
            texts[f"{number:0{digits}}"] = 1
    for cents in range(10_000):
        texts[f"{cents // 100}.{cents % 100:02}"] = 1
    for word in sorted(counts, key=lambda word: -counts[word])[:1000]:
        for mark in MARKS:
            texts[word + mark] = 1
    if characters is None:
        characters = "".join(sorted(set("".join(texts))))
    known = set("".join(distinct_characters(characters, "a spelling model")))
    texts = {text: many for text, many in texts.items() if known >= set(text)}
    return NGram.fit(texts, order=order, characters=characters)
