"""Networks and decoders of other libraries: their labels, and what one changes to decode here.

What a network's classes stand for is written down in a list of labels, and everyone has conventions
for what is no letter: the blank, the space, an unknown character. :func:`alphabet_from` knows four.
A decoder of pyctcdecode becomes one of this library by :func:`from_pyctcdecode`.

The lines to change:

==================  ===================================================  ====================
library             there                                                here
==================  ===================================================  ====================
pyctcdecode         ``decoder = build_ctcdecoder(labels, "lm.arpa")``    ``decoder = from_pyctcdecode(labels, "lm.arpa")``
                    ``text = decoder.decode(log_probs)``                 ``text = decoder.decode(log_probs)``
torchaudio          ``decoder = ctc_decoder(lexicon=None, tokens=t)``    ``alphabet = alphabet_from(t, "torchaudio")``
                    ``decoder(emission)[0][0].tokens``                   ``prefix_beam_search(emission, alphabet=alphabet)[0].label``
NeMo                ``model.decoder.vocabulary``                         ``alphabet_from(model.decoder.vocabulary, "nemo")``
Hugging Face        ``processor.batch_decode(logits.argmax(-1))``        ``decode(logits, alphabet=alphabet_from("vocab.json", "huggingface"))``
==================  ===================================================  ====================
"""  # noqa: E501

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from crnn_lib.alphabet import Alphabet, as_number
from crnn_lib.decoders._lattices import check_lattices
from crnn_lib.decoders.beam import prefix_beam_search
from crnn_lib.decoders.hypothesis import Hypothesis
from crnn_lib.language import (
    Automaton,
    Rule,
    WeightedAutomaton,
    hot_words,
    read_arpa,
    word_language,
)

UNKNOWN_CHARACTER = "\u2047"  # two question marks: what SentencePiece, too, writes for <unk>
PRIVATE = 0xE000  # code points that mean nothing; for tokens that are no text

_LABEL = re.compile(r"\[[^\[\]\"',]+\]")  # what a file of rows may begin with, and JSON does not
_BLANKS = {
    "pyctcdecode": re.compile(r"|_|[<\[]pad[>\]]", re.IGNORECASE),
    "torchaudio": re.compile(r"-"),
    "huggingface": re.compile(r"[<\[]pad[>\]]", re.IGNORECASE),
}


def alphabet_from(
    labels: Sequence[str] | Mapping[str, int] | str | os.PathLike[str], convention: str
) -> Alphabet:
    """The alphabet of a network that was made for another library.

    Parameters
    ----------
    labels : sequence of str, mapping of str to int, or path
        What each class stands for, in the order of the classes; a mapping says the class of each.
        A path is a JSON file with one of these, or a text file with a label in each row.
    convention : {"pyctcdecode", "torchaudio", "nemo", "huggingface"}
        What is no letter:

        ===============  ==========================================  =============
        convention       blank                                       space
        ===============  ==========================================  =============
        pyctcdecode      ``""``, else ``_`` or ``[PAD]``;            ``" "``, else ``|``
                         if there is none, one class more, last
        torchaudio       ``-``                                       ``|``
        nemo             not in the list: one class more, last       ``" "``
        huggingface      ``[PAD]`` or ``<pad>``                      ``|``
        ===============  ==========================================  =============

    Returns
    -------
    Alphabet
        Its characters are one code point each where the labels are letters. ``[UNK]`` and ``<unk>``
        are U+2047; other labels in brackets, such as ``<s>``, which is no text, are code points of
        the private use area.

    Raises
    ------
    ValueError
        If the convention is none of these, there is no blank or more than one, a class is missing,
        or a label stands there twice.

    Examples
    --------
    >>> alphabet_from(["-", "|", "e", "t"], "torchaudio")
    Alphabet(characters=' et', blank=0)
    >>> alphabet_from({"a": 1, "|": 0, "[PAD]": 3, "[UNK]": 2}, "huggingface")
    Alphabet(characters=' a⁇', blank=3)
    """
    if convention not in (*_BLANKS, "nemo"):
        raise ValueError(
            f"convention is one of {', '.join([*_BLANKS, 'nemo'])}; got {convention!r}."
        )
    listed = _listed(labels)
    if convention == "nemo":
        blanks = [len(listed)]
        listed.append("")
    else:
        blanks = [k for k, label in enumerate(listed) if _BLANKS[convention].fullmatch(label)]
        if convention == "pyctcdecode":
            if "" in listed:  # then the others are characters
                blanks = [k for k in blanks if listed[k] == ""]
            elif not blanks:
                blanks = [len(listed)]
                listed.append("")
    if len(blanks) != 1:
        raise ValueError(
            f"By the convention of {convention} one label is the blank, one that matches "
            f"{_BLANKS[convention].pattern!r}; {len(blanks)} of {listed!r:.200} do."
        )
    spaced = convention != "nemo" and " " not in listed
    characters, private = [], PRIVATE
    for k, label in enumerate(listed):
        if k == blanks[0]:
            continue
        if spaced and label == "|":
            label = " "
        elif re.fullmatch(r"[<\[]unk[>\]]", label, re.IGNORECASE):
            label = UNKNOWN_CHARACTER
        elif re.fullmatch(r"<.+>|\[.+\]", label):
            label, private = chr(private), private + 1
        characters.append(label)
    return Alphabet(tuple(characters), blanks[0])


def _listed(labels) -> list[str]:
    """Labels in the order of their classes."""
    if isinstance(labels, str | os.PathLike):
        labels = _written(Path(labels))
    if isinstance(labels, Mapping):
        try:  # a class in quotes is one, too
            by_class = {
                int(number) if isinstance(number, str) else index(number): label
                for label, number in labels.items()
            }
        except (TypeError, ValueError):
            by_class = {}
        if sorted(by_class) != list(range(len(labels))):
            raise ValueError(
                f"The {len(labels)} labels have the classes 0 to {len(labels) - 1}, each once; got "
                f"{list(labels.values())!r:.200}."
            )
        labels = [by_class[k] for k in range(len(labels))]
    ordered = isinstance(labels, Iterable) and not isinstance(labels, (set, frozenset, bytes))
    listed = list(labels) if ordered else []
    if not listed or not all(isinstance(label, str) for label in listed):
        raise ValueError(f"labels are texts, one for each class; got {labels!r:.200}.")
    return listed


def _written(path: Path) -> Any:
    """What a file of labels holds: JSON, or a label in each row."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8 ({error.reason}).") from None
    rows = text.splitlines()
    if text.lstrip()[:1] not in ("{", "[") or _LABEL.fullmatch(rows[0].strip()):
        return rows
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"{path} begins as JSON does, and is none ({error}). A file of labels is JSON, or has "
            "a label in each row."
        ) from None


@dataclass(frozen=True, eq=False)
class PortedDecoder:
    """A decoder with the settings of another one: what :func:`from_pyctcdecode` returns.

    Attributes
    ----------
    alphabet : Alphabet
    language : Automaton, Rule or None
        For :func:`prefix_beam_search` or :func:`exact_search`, with their weight 1.
    """

    alphabet: Alphabet
    language: Automaton | Rule | None

    def decode(self, log_probs: Tensor | np.ndarray, beam_width: int = 100) -> str:
        """The text of one line, (T, C); what no text of the language fits gives ``""``."""
        lattices, _ = check_lattices(log_probs, None, self.alphabet)
        if len(lattices) != 1:
            raise ValueError(
                f"decode reads one line, (T, C); got {(*lattices.shape,)}. decode_batch reads many."
            )
        (best,) = self.decode_batch(lattices, beam_width)
        return best.text if best else ""

    def decode_batch(
        self, log_probs: Tensor | np.ndarray, beam_width: int = 100
    ) -> list[Hypothesis | None]:
        """What lines say, (N, T, C): hypotheses, with their scores and spans."""
        return prefix_beam_search(
            log_probs, alphabet=self.alphabet, beam_width=beam_width, language=self.language
        )


def from_pyctcdecode(
    labels: Sequence[str],
    kenlm_model_path: str | os.PathLike[str] | None = None,
    unigrams: Iterable[str] | None = None,
    alpha: float = 0.5,
    beta: float = 1.5,
    unk_score_offset: float = -10.0,
    *,
    hotwords: Iterable[str] | None = None,
    hotword_weight: float = 10.0,
) -> PortedDecoder:
    """What ``build_ctcdecoder`` of pyctcdecode builds, by this library's beam and languages.

    A text scores its CTC log-probability, and for each of its words

        alpha * log p(word | words before) + beta,

    where p is the model's, the end of the text counts as a word without beta, and a word that the
    unigrams lack is ``<unk>`` with ``unk_score_offset``, in powers of ten, added to its logarithm.
    A hot word adds ``hotword_weight``.

    What differs, on purpose: the score is that of the text, not of the alignments that a beam has
    seen, and no token and no beam is cut before the language has spoken, so it finds what scores
    higher; there is one space between two words, none at the ends. Only ARPA files are read, plain
    or gzipped, not KenLM's binary ones. Hot words count with the whole beam, not with a call.

    Parameters
    ----------
    labels : sequence of str
        See :func:`alphabet_from`.
    kenlm_model_path : path, optional
        An ARPA file. Without it there is no language but hot words.
    unigrams : iterable of str, optional
        The words that are known; by default those of the model.
    alpha, beta, unk_score_offset, hotwords, hotword_weight
        See above; they mean what they mean there, and have the same defaults.

    Raises
    ------
    ValueError
        As :func:`alphabet_from` and :func:`~crnn_lib.language.read_arpa`.

    Examples
    --------
    >>> decoder = from_pyctcdecode(["", "5", "7"], hotwords=["57"])
    >>> line = np.log([[0.2, 0.6, 0.2], [0.9, 0.05, 0.05], [0.2, 0.6, 0.2]])
    >>> decoder.decode(line), from_pyctcdecode(["", "5", "7"]).decode(line)
    ('57', '55')
    """
    for name, given in (("unigrams", unigrams), ("hotwords", hotwords)):
        if isinstance(given, str):
            raise TypeError(f"{name} is a list of words, such as [{given!r}]; got a str.")
    unigrams, hotwords = _words(unigrams, "unigrams"), _words(hotwords, "hotwords")
    for name, number in (("alpha", alpha), ("beta", beta), ("unk_score_offset", unk_score_offset)):
        if not math.isfinite(as_number(number)):
            raise ValueError(f"{name} is a finite number; got {number!r:.80}.")
    alphabet = alphabet_from(labels, "pyctcdecode")
    characters = alphabet.characters
    language: Automaton | Rule | None = None
    if kenlm_model_path is not None:
        if not isinstance(characters, str):
            raise ValueError(
                "A model of words needs labels of one code point each; got "
                f"{[c for c in characters if len(c) > 1][:5]!r}."
            )
        model = read_arpa(kenlm_model_path)
        known = set(characters)
        listed = model.characters if unigrams is None else unigrams
        words = [w for w in listed if w != "<unk>" and known >= set(w)]
        words = list(dict.fromkeys(words))
        spelled = "".join(c for c in characters if c != " ")
        letters = np.zeros((1, len(spelled)), np.int32)
        anything = WeightedAutomaton(spelled, letters, np.zeros(letters.shape), np.zeros(1))
        opened = "<unk>" in model.characters
        language = alpha * word_language(
            words,
            model,
            characters if " " in characters else characters + " ",
            spelling=anything if opened else None,
            unknown_weight=unk_score_offset * math.log(10) if opened else 0.0,
        )
        if beta:
            language = language & _bonus_per_word(language.characters, beta)
    if hotwords is not None:
        hot = {word: hotword_weight for phrase in hotwords for word in phrase.split()}
        if hot:
            language = hot_words(hot) if language is None else language & hot_words(hot)
    return PortedDecoder(alphabet, language)


def _words(given: Iterable[str] | None, name: str) -> list[str] | None:
    """Words as a list, checked."""
    if given is None:
        return None
    words = list(given) if isinstance(given, Iterable) else [None]
    if not all(isinstance(word, str) for word in words):
        raise TypeError(f"{name} is a list of words; got {given!r:.80}.")
    return words


def _bonus_per_word(characters, bonus: float) -> WeightedAutomaton:
    """Each word adds a bonus with its first character."""
    space = np.array([c == " " for c in characters])
    step = np.where(space, 0, 1)[None].repeat(2, 0)
    weight = np.zeros(step.shape)
    weight[0, ~space] = bonus
    return WeightedAutomaton(characters, step, weight, np.zeros(2))
