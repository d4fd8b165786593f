"""Lines that go on: a decoder that is fed frame by frame, and says what is settled already.

While a line is written, or recorded, nobody waits for its end. A beam of prefixes can tell what
will not change any more: what all its prefixes begin with. For whatever comes, only they go on.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet, check_alphabet, check_whole
from crnn_lib.decoders import _windows
from crnn_lib.decoders._blocks import as_hypotheses, refuse, sums_allowed
from crnn_lib.decoders._compiled.records import FINE, RISKY, WRONG
from crnn_lib.decoders._lattices import check_lattices
from crnn_lib.decoders._open_lines import BeamLine, PathLine
from crnn_lib.decoders._parts import best_of_parts
from crnn_lib.decoders.beam import prefix_beam_search
from crnn_lib.decoders.best import best_path
from crnn_lib.decoders.fusion import fuse
from crnn_lib.decoders.hypothesis import Hypothesis
from crnn_lib.language import Automaton, Mixture, Rule


@dataclass(frozen=True)
class Progress:
    """What a chunk of frames has brought.

    Attributes
    ----------
    settled : str
        The text that has become certain with this chunk: it goes behind what was settled before,
        and never changes.
    guess : str
        The most probable text behind all that is settled, if the line ended here. It may change.
    """

    settled: str
    guess: str


class _Stream:
    """What both decoders share: chunks are checked, and kept while the line is short."""

    def __init__(self, alphabet: Alphabet | None) -> None:
        self.alphabet = Alphabet() if alphabet is None else alphabet
        check_alphabet(self.alphabet)
        self._lines: list = []
        self._dtype: torch.dtype | None = None
        self._finished = False
        self._told = 0  # classes that were given out as settled

    def _begin(self, sums: tuple[float, float]) -> list:
        raise NotImplementedError

    def _take(self, log_probs: Tensor | np.ndarray) -> None:
        if self._finished:
            raise ValueError("This line is finished. Make another stream for the next one.")
        chunk, _ = check_lattices(log_probs, None, self.alphabet)
        if len(chunk) != 1:
            raise ValueError(
                f"feed takes the frames of one line, (T, C); got {(*chunk.shape,)}. A batch of "
                "lines takes a stream for each."
            )
        if self._dtype is None:
            self._dtype = chunk.dtype
            self._lines = self._begin(sums_allowed(chunk))
        elif chunk.dtype != self._dtype:
            raise ValueError(f"This line's frames are {self._dtype}; got {chunk.dtype}.")
        rows = chunk[0].detach().cpu().double().contiguous().numpy()
        for line in self._lines:
            before = line.window.fed
            if line.add(rows) == WRONG:
                self._finished = True
                try:
                    refuse(chunk, torch.tensor([len(rows)]))
                except ValueError as error:
                    raise ValueError(f"In the chunk after {before} frames: {error}") from None
            if line.window.status == RISKY and line.window.fed > _windows.LONG:
                self._finished = True
                raise ValueError(
                    f"This line has more than {_windows.LONG} frames, and log-probabilities below "
                    "-460 that are not -inf, or nothing but prefixes as improbable. Products of "
                    "floats cannot hold them: set such classes to -inf, or read the line whole."
                )

    def _short(self) -> Tensor | None:
        """All frames as they came, if they are few."""
        if not self._lines:
            return torch.zeros(0, self.alphabet.num_classes)
        window = self._lines[0].window
        if window.fed > _windows.LONG:
            return None
        frames = window.between(0, window.fed)[1]
        return torch.from_numpy(frames.copy()).to(self._dtype)

    def _warn(self) -> None:
        """Say if what was forgotten could matter."""
        if not all(line.sure for line in self._lines):
            warnings.warn(
                "This long line is so improbable that what was forgotten of it could matter: its "
                "log_prob may be too low, and its spans not the best. Read the line whole to be "
                "sure.",
                RuntimeWarning,
                stacklevel=4,
            )

    def _text(self, label: list[int]) -> str:
        """A label in characters, unchecked: where nothing is settled it is long, in each chunk."""
        return "".join(map(self.alphabet.symbols.__getitem__, label))

    def _end(self) -> None:
        if self._finished:
            raise ValueError("This line is finished already.")
        self._finished = True


class PrefixBeam(_Stream):
    """Prefix beam search of one line that comes in pieces.

    The answer in the end is that of :func:`prefix_beam_search` for the whole line, to the last bit,
    wherever it was cut. Memory grows with what is not settled: frames are forgotten when no prefix
    in the beam needs them for its probability or its spans. What is settled takes five numbers a
    character.

    What is forgotten is improbable by 1e200 and more. It can matter nevertheless, if all frames
    that follow favour it: where a language accepts a phrase once, and two are written, or in more
    than a thousand frames of noise. A whole line is then looked at again. Here ``finish`` warns
    that it could not be.

    With a language, a prefix that comes to no accepted end in the frames that are left loses its
    place. How many are left is not known yet. So the beam stays behind, by as many frames as any
    beginning needs to its end; the guess looks through them as if the line ended there.

    Parameters
    ----------
    alphabet, beam_width, n_best, language, language_weight, length_bonus
        As for :func:`prefix_beam_search`.

    Examples
    --------
    >>> line = torch.full((6, 3), 0.01)
    >>> line[range(6), [0, 1, 0, 2, 2, 0]] = 0.98
    >>> stream = PrefixBeam(Alphabet("ab"), beam_width=2)
    >>> stream.feed(line[:2].log())
    Progress(settled='', guess='a')
    >>> stream.feed(line[2:].log())
    Progress(settled='ab', guess='')
    >>> stream.finish() == prefix_beam_search(line.log(), alphabet=Alphabet("ab"), beam_width=2)[0]
    True
    """

    def __init__(
        self,
        alphabet: Alphabet | None = None,
        *,
        beam_width: int = 10,
        n_best: int | None = None,
        language: Automaton | Mixture | Rule | None = None,
        language_weight: float = 1.0,
        length_bonus: float = 0.0,
    ) -> None:
        super().__init__(alphabet)
        check_whole(1, beam_width=beam_width, n_best=1 if n_best is None else n_best)
        parts = language.parts if isinstance(language, Mixture) else (language,)
        self._fusions = [fuse(p, self.alphabet, language_weight, length_bonus) for p in parts]
        if any(fusion is not None and not fusion.fits_floats for fusion in self._fusions):
            raise ValueError(
                "A step of this language changes a score by more than 400, which products of "
                "floats cannot hold. Scale it down, or read the line whole."
            )
        self.n_best = None if n_best is None else index(n_best)
        self._options: dict[str, Any] = {
            "alphabet": self.alphabet, "beam_width": index(beam_width), "language": language,
            "language_weight": language_weight, "length_bonus": length_bonus,
        }  # fmt: skip

    def _begin(self, sums: tuple[float, float]) -> list[BeamLine]:
        classes, blank = self.alphabet.num_classes, self.alphabet.blank
        width = self._options["beam_width"]
        return [BeamLine(classes, blank, width, fusion, sums) for fusion in self._fusions]

    @torch.no_grad()
    def feed(self, log_probs: Tensor | np.ndarray) -> Progress:
        """Take the next frames.

        Parameters
        ----------
        log_probs : Tensor or ndarray, (T, C)
            As for :func:`prefix_beam_search`; any number of frames, all of one dtype.

        Raises
        ------
        ValueError
            As :func:`prefix_beam_search`; if the line is finished; and for numbers of a long line
            that products of floats cannot hold.
        """
        self._take(log_probs)
        if any(line.status != FINE for line in self._lines):  # left to slower code, in the end
            return Progress("", "")
        told, certain = self._told, None
        best: tuple[float, list[int]] = -math.inf, []
        for line in self._lines:
            own, rest, score = line.guess()
            own = line.label[told:] + own[max(0, told - len(line.label)) :]
            if not rest and score == -math.inf and not len(line.beam()[0]):
                continue  # this part accepts nothing that begins so
            certain = own if certain is None else _shared(certain, own)
            best = max(best, (score, own + rest))
        certain = certain or []
        self._told += len(certain)
        return Progress(self._text(certain), self._text(best[1][len(certain) :]))

    @torch.no_grad()
    def finish(self) -> Hypothesis | list[Hypothesis] | None:
        """What :func:`prefix_beam_search` gives for the line; with ``n_best`` a list."""
        self._end()
        frames = self._short()
        if frames is not None:
            return prefix_beam_search(frames, n_best=self.n_best, **self._options)[0]
        keep = min(self.n_best or 1, self._options["beam_width"])
        rows = [as_hypotheses(self.alphabet, line.finish(keep)) for line in self._lines]
        if any(line.status != FINE for line in self._lines):
            raise ValueError(
                "All prefixes in the beam have become so improbable that floats cannot hold them. "
                "Read the line whole."
            )
        self._warn()
        found = best_of_parts(rows)[: self.n_best or 1] if len(rows) > 1 else rows[0]
        return found if self.n_best else next(iter(found), None)


class BestPath(_Stream):
    """The best path of one line that comes in pieces: :func:`best_path`, to the last bit.

    All that it has read is settled at once. A warning is given as by :class:`PrefixBeam`.

    Parameters
    ----------
    alphabet : Alphabet, optional

    Examples
    --------
    >>> line = torch.full((6, 3), 0.01)
    >>> line[range(6), [0, 1, 1, 2, 2, 0]] = 0.98
    >>> stream = BestPath(Alphabet("ab"))
    >>> [stream.feed(frames).settled for frames in line.log().split(2)]
    ['a', 'b', '']
    >>> stream.finish() == best_path(line.log(), alphabet=Alphabet("ab"))[0]
    True
    """

    def __init__(self, alphabet: Alphabet | None = None) -> None:
        super().__init__(alphabet)

    def _begin(self, sums: tuple[float, float]) -> list[PathLine]:
        return [PathLine(self.alphabet.num_classes, self.alphabet.blank, sums)]

    @torch.no_grad()
    def feed(self, log_probs: Tensor | np.ndarray) -> Progress:
        """Take the next frames, (T, C): as for :class:`PrefixBeam`. The guess is always empty."""
        self._take(log_probs)
        label = self._lines[0].label
        new = label[self._told :]
        self._told = len(label)
        return Progress(self._text(new), "")

    @torch.no_grad()
    def finish(self) -> Hypothesis:
        """What :func:`best_path` gives for the line."""
        self._end()
        frames = self._short()
        if frames is not None:
            return best_path(frames, alphabet=self.alphabet)[0]
        row = self._lines[0].finish()
        self._warn()
        return as_hypotheses(self.alphabet, [row])[0]


def _shared(one: list[int], other: list[int]) -> list[int]:
    """What two labels begin with."""
    size = 0
    while size < min(len(one), len(other)) and one[size] == other[size]:
        size += 1
    return one[:size]
