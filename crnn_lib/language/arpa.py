r"""Models of the ARPA form, which SRILM, KenLM, IRSTLM and others write.

A text file. After ``\data\`` it says how many n-grams of each length there are; then they come, a
row each: the logarithm, to base 10, of the probability, the n-gram, and, except for the longest
ones, a back-off weight, which is 0 where it is left out.

    \data\
    ngram 1=4
    ngram 2=1

    \1-grams:
    -99   <s>   -0.3
    -0.5  </s>
    -0.5  5     -0.2
    -0.5  7

    \2-grams:
    -0.1  <s> 5

    \end\

``<s>`` stands before the first token, ``</s>`` after the last, and ``<unk>`` for every token that
is not in the list. What the numbers mean, :mod:`crnn_lib.language.sparse` says.

Stolcke, "SRILM - An Extensible Language Modeling Toolkit", 2002; Heafield, "KenLM: Faster and
Smaller Language Model Queries", 2011.
"""

from __future__ import annotations

import codecs
import gzip
import math
import os
import re
import zlib
from collections.abc import Sequence
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from crnn_lib.alphabet import distinct_characters
from crnn_lib.language.automata import NOWHERE, _entries
from crnn_lib.language.sparse import SparseAutomaton

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
LN10 = math.log(10)
WHITE = b" \t\n\r\v\f"
PART = 1 << 16  # rows that are taken apart at a time


def read_arpa(
    path: str | os.PathLike[str],
    characters: Sequence[str] | None = None,
    *,
    space: str | None = None,
) -> SparseAutomaton:
    r"""Read a back-off model of n-grams from a file of the ARPA form, plain or gzipped.

    A text scores what KenLM says of it, with ``<s>`` before it and ``</s>`` after it, in natural
    logarithms: log10 of it times 2.3026. Contexts that a pruned model lacks are handled as there.

    Parameters
    ----------
    path : path
        A file in UTF-8, or such a file compressed by gzip.
    characters : str or sequence of str, optional
        What it is to read: the network's characters for a model of characters, in any order. Those
        that the file does not list are read as ``<unk>``, or forbidden if that is not listed
        either. By default the file's own tokens, in its order; of a model of words ``<unk>`` too.
    space : str, optional
        The token that the file writes for a space, such as ``"<space>"`` or ``"|"``, as no token
        can contain one. By default there is none.

    Returns
    -------
    SparseAutomaton
        Its log-weights are natural logarithms. Over the tokens of the file: a model of characters
        goes to a decoder as it is, a model of words to :func:`~crnn_lib.language.word_language`.

    Raises
    ------
    ValueError
        If the file is no ARPA file or is damaged: with the number of the line, and what was
        expected there.
    OSError
        If it cannot be read.

    Notes
    -----
    A model without ``</s>`` does not weigh the end of a text, one without ``<s>`` does not know the
    beginning. Probabilities above 1 are refused, as KenLM refuses them.

    Examples
    --------
    >>> import tempfile
    >>> rows = r'''
    ... \data\
    ... ngram 1=4
    ... ngram 2=1
    ...
    ... \1-grams:
    ... -99 <s> -0.3
    ... -0.5 </s>
    ... -0.5 5 -0.2
    ... -0.5 7
    ...
    ... \2-grams:
    ... -0.1 <s> 5
    ...
    ... \end\
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "digits.arpa"
    ...     _ = path.write_text(rows)
    ...     model = read_arpa(path)
    >>> model.characters
    '57'
    >>> [round(model.score(text) / math.log(10), 6) for text in ("5", "7", "57")]
    [-0.8, -1.3, -1.3]
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path is that of a file, such as 'words.arpa'; got {path!r:.80}.")
    reading = _Reading(os.fspath(path), _lines(path))
    sections = reading.sections()
    words = sections[0].names
    number = {word: k for k, word in enumerate(words)}
    unknown = next((number[w] for w in (UNKNOWN, "<UNK>") if w in number), None)
    marks = {BEGIN, END, UNKNOWN, "<UNK>"}
    if space is not None and space not in number:
        raise ValueError(
            f"{str(path)!r} does not list the token {space!r}, which is said to be its space."
        )
    spelled = {" " if word == space else word: k for word, k in number.items() if word not in marks}
    if characters is None:
        characters = tuple(spelled)
        if unknown is not None and max(map(len, spelled), default=0) > 1:
            characters = (*characters, UNKNOWN)
    characters = distinct_characters(characters, "a language")
    if not set(characters) & spelled.keys():
        raise ValueError(
            f"{str(path)!r} lists none of the characters {characters!r:.200}, but tokens such as "
            f"{list(spelled)[:5]!r}. A model of words goes through word_language."
        )
    columns = [spelled.get(character, unknown) for character in characters]
    contexts = _Contexts(reading, sections)
    return _automaton(contexts, characters, columns, number.get(BEGIN), number.get(END))


class _Section(NamedTuple):
    """The R n-grams of one length n."""

    names: list[str]  # of the tokens; of n = 1 alone
    tokens: np.ndarray  # (n, R) numbers of tokens
    log_probs: np.ndarray  # (R,) natural logarithms
    prices: np.ndarray  # (R,)
    line: int  # of the first


def _lines(path) -> list[bytes]:
    data = Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{str(path)!r} is gzipped, and damaged ({error}).") from None
    return data.removeprefix(codecs.BOM_UTF8).split(b"\n")


class _Reading:
    """A walk through the lines of a file."""

    def __init__(self, path: str, lines: list[bytes]) -> None:
        self.path, self.lines, self.at = path, lines, 0

    def refuse(self, line: int, expected: str) -> NoReturn:
        """Say what is wrong; lines count from 0 here, and from 1 in the message."""
        if line >= len(self.lines):
            raise ValueError(f"{self.path!r} ends in line {line}; expected was {expected}.")
        text = self.lines[line].decode("utf-8", "replace").rstrip("\r")
        raise ValueError(f"{self.path!r}, line {line + 1}: expected {expected}; got {text!r:.80}.")

    def next(self, expected: str) -> bytes:
        """The next line that is not empty, without white space around it."""
        while self.at < len(self.lines):
            line = self.lines[self.at].strip()
            if line:
                return line
            self.at += 1
        self.refuse(self.at, expected)

    def sections(self) -> list[_Section]:
        begins = (i for i, line in enumerate(self.lines) if line.strip() == b"\\data\\")
        self.at = next(begins, -1) + 1  # what stands before is for people
        if not self.at:
            self.refuse(0, r"an ARPA file, in which a line is '\data\'")
        counts: list[int] = []
        expected = "'ngram 1=' and the number of its 1-grams"
        while (line := self.next(expected)).startswith(b"ngram"):
            found = re.fullmatch(rb"ngram\s+(\d+)\s*=\s*(\d+)", line)
            if not found or int(found[1]) != len(counts) + 1:
                self.refuse(self.at, f"'ngram {len(counts) + 1}=' and a number")
            counts.append(int(found[2]))
            self.at += 1
            expected = r"'\1-grams:'"
        if not counts or not counts[0]:
            self.refuse(self.at, expected)
        names: dict[bytes, int] = {}
        sections = []
        for n, count in enumerate(counts, 1):
            if self.next(rf"'\{n}-grams:'") != b"\\%d-grams:" % n:
                self.refuse(self.at, rf"'\{n}-grams:'")
            self.at += 1
            sections.append(self.section(n, count, n == len(counts), names))
        if self.next(r"'\end\'") != b"\\end\\":
            self.refuse(self.at, r"'\end\'")
        return sections

    def section(self, n: int, count: int, last: bool, names: dict[bytes, int]) -> _Section:
        """The n-grams of one length, a part after the other so that not all rows are in pieces."""
        start, stop = self.at, self.at + count
        room = min(count, len(self.lines) - start)  # whatever the file claims to hold
        tokens = np.empty((n, room), np.int64)
        log_probs, prices = np.empty((2, room))
        texts: list[str] = []
        for first in range(start, stop, PART):
            lines = self.lines[first : min(first + PART, stop)]
            part = slice(first - start, first - start + len(lines))
            sizes, fields = _fields(lines)
            if not set(sizes.tolist()) <= {n + 1, n + 2} or len(lines) < min(PART, stop - first):
                what = f"a logarithm, {n} token{'s' * (n > 1)}" + ", perhaps a back-off weight" * (
                    not last
                )
                odd = (i for i, size in enumerate(sizes) if size not in (n + 1, n + 2))
                self.refuse(first + next(odd, len(lines)), f"one of {count} {n}-grams: {what}")
            begin = sizes.cumsum() - sizes
            log_probs[part] = self.numbers(first, "a logarithm", fields[begin])
            priced = (sizes == n + 2).nonzero()[0]
            ends = np.full(len(lines), b"0", object)
            ends[priced] = fields[begin[priced] + n + 1]
            prices[part] = self.numbers(first, "a back-off weight", ends)
            if n == 1:
                for i, name in enumerate(fields[begin + 1], len(names)):
                    if names.setdefault(name, i) != i:
                        self.refuse(start + i, "a token that was not listed before")
                    try:
                        texts.append(name.decode("utf-8"))
                    except UnicodeDecodeError:
                        self.refuse(start + i, "a token in UTF-8")
            for k in range(n):
                numbers = map(names.get, fields[begin + 1 + k].tolist(), repeat(NOWHERE))
                tokens[k, part] = np.fromiter(numbers, np.int64, len(lines))
        self.at = stop
        for wrong, expected in (
            (~(log_probs <= 0), "a logarithm of a probability, 0 or less, in front"),
            (~np.isfinite(prices), "a back-off weight, a finite number, at the end"),
            ((prices != 0) & last, f"a logarithm and {n} tokens, for the longest do not back off"),
            ((tokens < 0).any(0), "tokens that are among the 1-grams"),
        ):
            if wrong.any():
                self.refuse(start + int(wrong.argmax()), expected)
        return _Section(texts, tokens, log_probs * LN10, prices * LN10, start)

    def numbers(self, first: int, what: str, texts: np.ndarray) -> np.ndarray:
        try:
            return np.fromiter(map(float, texts.tolist()), np.float64, len(texts))
        except ValueError:
            for i, text in enumerate(texts):
                try:
                    float(text)
                except ValueError:
                    self.refuse(
                        first + i, f"{what}, a number, not {text.decode(errors='replace')!r}"
                    )
            raise


def _fields(lines: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """How many fields each line has, and all of them, end to end."""
    text = b"\n".join([b"", *lines, b""])
    letters = np.frombuffer(text, np.uint8)
    ink = ~np.isin(letters, np.frombuffer(WHITE, np.uint8))
    ends = (letters == ord("\n")).nonzero()[0]
    begins = np.append(0, (ink[1:] & ~ink[:-1]).cumsum())  # fields that began up to each letter
    fields = np.empty(int(begins[-1]), object)
    fields[:] = text.split()
    return np.diff(begins[ends]), fields


class _Contexts:
    """The contexts of a model as states, and what its n-grams say in them.

    A context is a state if a longer n-gram begins with it, or if it has a price. From any other
    one everything is as from its end, so that this can stand for it. State 0 has no context; the
    others have rising keys: the state before the last token, times the number of tokens, and it.
    """

    def __init__(self, reading: _Reading, sections: list[_Section]) -> None:
        self.size = len(sections[0].names)
        # Of each n-gram the state of its first tokens: in the end, of all but the last.
        paths = [np.zeros(section.tokens.shape[1], np.int64) for section in sections]
        keys: list[np.ndarray] = []
        firsts = [0, 1]  # states of each length
        for n, section in enumerate(sections, 1):
            key = paths[n - 1] * self.size + section.tokens[n - 1]
            longer = [
                path * self.size + s.tokens[n - 1]
                for path, s in zip(paths[n:], sections[n:], strict=True)
            ]
            found = _rising(np.concatenate([key[section.prices != 0], *longer]))
            for i, long in enumerate(longer, n):
                paths[i] = firsts[-1] + found.searchsorted(long)
            keys.append(found)
            firsts.append(firsts[-1] + len(found))
        self.keys = np.concatenate(keys)
        self.states = firsts[-1]
        self._list(reading, sections, paths)

        self.price = np.zeros(self.states)
        for path, section in zip(paths, sections, strict=True):
            where, there = _find(self.keys, path * self.size + section.tokens[-1])
            self.price[1 + where[there]] = section.prices[there]
        # The shorter context of each state, by the states before: as Aho and Corasick do.
        parent, token = np.divmod(self.keys, self.size)
        self.shorter = np.full(self.states, NOWHERE, np.int64)
        for low, high in zip(firsts[1:-1], firsts[2:], strict=True):
            rows = np.arange(low, high)
            self.shorter[rows] = self.after(self.shorter[parent[rows - 1]], token[rows - 1])

    def _list(self, reading: _Reading, sections: list[_Section], paths: list[np.ndarray]) -> None:
        """The keys of all n-grams, rising, and their log-probabilities."""
        pairs = zip(paths, sections, strict=True)
        listed = np.concatenate([path * self.size + s.tokens[-1] for path, s in pairs])
        order = listed.argsort(kind="stable")
        self.listed = listed[order]
        if (np.diff(self.listed) == 0).any():
            again = int(order[1:][np.diff(self.listed) == 0][0])
            lines = np.concatenate([s.line + np.arange(len(s.log_probs)) for s in sections])
            reading.refuse(int(lines[again]), "an n-gram that was not listed before")
        self.log_probs = np.concatenate([s.log_probs for s in sections])[order]

    def after(self, state: np.ndarray, token: np.ndarray) -> np.ndarray:
        """The longest context that is a state, after a token read in a state (or in none, -1)."""
        found, left = np.zeros(len(state), np.int64), (state >= 0).nonzero()[0]
        state = state.copy()
        while len(left):
            where, there = _find(self.keys, state[left] * self.size + token[left])
            found[left[there]] = 1 + where[there]
            left = left[~there]
            state[left] = self.shorter[state[left]]
            left = left[state[left] >= 0]
        return found

    def weigh(self, state: np.ndarray, token: np.ndarray) -> np.ndarray:
        """The log-probability of a token in a state, what it backs off to included."""
        total, left = np.zeros(len(state)), np.arange(len(state))
        state = state.copy()
        while len(left):
            where, there = _find(self.listed, state[left] * self.size + token[left])
            total[left[there]] += self.log_probs[where[there]]
            left = left[~there]
            total[left] += self.price[state[left]]
            state[left] = self.shorter[state[left]]
            total[left[state[left] < 0]] = -math.inf
            left = left[state[left] >= 0]
        return total


def _automaton(
    contexts: _Contexts,
    characters: str | tuple[str, ...],
    columns: list[int | None],
    begin: int | None,
    end: int | None,
) -> SparseAutomaton:
    """Contexts and what is listed as states and steps. ``columns`` has each character's token."""
    # Steps: what is listed, and what leads to a longer context although it is not (pruned models).
    step = _rising(np.concatenate([contexts.listed, contexts.keys]))
    source, token = np.divmod(step, contexts.size)
    weight, target = contexts.weigh(source, token), contexts.after(source, token)
    final = np.zeros(contexts.states)
    if end is not None:
        final = contexts.weigh(np.arange(contexts.states), np.full(contexts.states, end))
    start = np.zeros(1, np.int64)
    if begin is not None:
        start = contexts.after(start, np.array([begin]))

    # From tokens to characters; several may be read as <unk>.
    used = sorted((number, k) for k, number in enumerate(columns) if number is not None)
    numbers, places = np.array(used, np.int64).T
    low, high = numbers.searchsorted(token), numbers.searchsorted(token, side="right")
    many = high - low
    taken = np.repeat(np.arange(len(step)), many)
    column = places[_entries(low, many)]
    order = np.lexsort((column, source[taken]))
    taken, column = taken[order], column[order]
    first = source[taken].searchsorted(np.arange(contexts.states + 1))
    tables = first, column, target[taken], weight[taken], final
    return SparseAutomaton(characters, *tables, int(start[0]), contexts.shorter, contexts.price)


def _rising(numbers: np.ndarray) -> np.ndarray:
    """Each number once, sorted: what numpy.unique does, which is slow with millions."""
    numbers = np.sort(numbers)
    return numbers[np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)]]


def _find(rising: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each wanted number stands among rising ones, and whether it does."""
    if not len(rising):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    where = np.minimum(rising.searchsorted(wanted), len(rising) - 1)
    return where, rising[where] == wanted
