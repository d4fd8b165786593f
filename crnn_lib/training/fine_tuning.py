"""A network that reads learns from a few lines of somebody's own, and forgets little of the rest.

Fine-tuning has three dangers, and each has its part here. Few lines are learned by heart: they are
varied anew in every batch, and training stops when lines that it never saw are read no better.
What the network could read before is lost while it learns the new: lines of the kind that it
learned from are mixed into every batch. And nobody sees whether it helped: both kinds are read
before and after.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crnn_lib.alphabet import Alphabet, as_number, check_whole
from crnn_lib.ctc import frames_needed
from crnn_lib.evaluation import Report, evaluate
from crnn_lib.handwriting import (
    LineBatch,
    LineStyle,
    LineVariation,
    encode_texts,
    join_batches,
    load_glyphs,
    vary_lines,
)
from crnn_lib.models import MARKS, reading_network
from crnn_lib.training.loop import TrainConfig, _check_labels_fit, train
from crnn_lib.training.mixtures import TEXT, PhotoMixture, photo_lines, word_lines
from crnn_lib.training.runs import History
from crnn_lib.training.streams import (
    Alternating,
    LineStream,
    Stream,
    _labels_of,
    seeded_generator,
)

#: How :func:`fine_tune` learns unless it is told otherwise: briefly, and it stops early.
FINE_TUNING = TrainConfig(
    steps=600, learning_rate=1e-3, validate_every=25, patience=8, log_every=25
)
_OLD_TEST = 200  # old lines that are read before and after


@dataclass(frozen=True, eq=False, repr=False)
class FineTuning:
    """What became of a network, and of what it could read before.

    Attributes
    ----------
    history : History
    learned_from, held_out : LineBatch
        The lines that were learned from, and those that were not. The latter also chose the
        moment to stop, so that their figures are a little too good.
    before, after : Report or None
        How the held-out lines were read; None if there are none.
    old_before, old_after : Report or None
        How fresh lines of the old kind were read, if any were mixed in.
    provenance : dict
        The whole story, for :func:`crnn_lib.models.save_model`.
    """

    history: History
    learned_from: LineBatch
    held_out: LineBatch
    before: Report | None
    after: Report | None
    old_before: Report | None
    old_after: Report | None
    provenance: dict[str, Any]

    def __repr__(self) -> str:
        steps = max([*self.history.step, *self.history.validation_step])
        rates = self.history.validation_error_rate
        parts = [f"{len(self.learned_from)} lines learned from in {steps} steps"]
        if rates and self.after is self.before:
            parts[0] += "; none of the weights were better than the first"
        elif rates:
            best = self.history.validation_step[rates.index(min(rates))]
            parts[0] += f"; the best weights were there after {best}"
        parts += [_told("held-out", self.before, self.after)] if self.before else []
        parts += [_told("old", self.old_before, self.old_after)] if self.old_before else []
        return "\n".join(parts)


def fine_tune(
    model: nn.Module,
    lines: LineBatch,
    config: TrainConfig | None = None,
    *,
    old: str | Stream | None = None,
    keep_old: float = 0.5,
    hold_out: float = 0.2,
    batch_size: int = 32,
    variation: LineVariation | None = None,
    seed: int = 0,
) -> FineTuning:
    """Teach a network a few more lines, in place.

    Parameters
    ----------
    model : nn.Module
        A network that reads lines, wrapped or not. Most often one that ships, loaded with the
        alphabet of the lines: ``load_model("crnn-photos", alphabet=...)``.
    lines : LineBatch
        Such as :func:`crnn_lib.photos.lines_of_folder` makes them, labelled in the model's
        alphabet.
    config : TrainConfig, optional
        By default 600 steps at most, at a rate of 0.001; a look at the held-out lines every 25
        steps, and an end after 8 looks without fewer errors.
    old : str or Stream, optional
        Lines of the kind that the model learned from: a name that :func:`old_lines` knows, or a
        stream labelled in the model's alphabet.
    keep_old : float
        Share of the old lines in every batch, if there are old ones.
    hold_out : float
        Share of the lines to validate with. Each image is on one side only. With 0 training goes
        on to the last step.
    batch_size : int
        Lines in a batch, old ones included.
    variation : LineVariation, optional
        How far the lines are changed each time they come up.
    seed : int
        Of the choice of the held-out lines, of their order and their variations.

    Returns
    -------
    FineTuning
        If the network read the held-out lines better before, it is given back as it was.

    Raises
    ------
    ValueError
        If there are too few lines to hold some out, a label does not fit or is one of another
        alphabet, or none of the old lines can be written in the model's.

    Examples
    --------
    From a folder with a ``labels.csv`` to weights that read it::

        alphabet = alphabet_of_folder("my_words")
        model = load_model("crnn-photos", alphabet=alphabet)
        tuning = fine_tune(model, lines_of_folder("my_words", model))
        print(tuning)
        save_model(model, "mine.safetensors", provenance=tuning.provenance)
        print(Reader(model).read("my_words/another.png"))
    """
    if not 0 <= as_number(keep_old) < 1 or not 0 <= as_number(hold_out) < 1:
        raise ValueError(
            "keep_old and hold_out are shares, from 0 to below 1; got "
            f"{keep_old!r:.80} and {hold_out!r:.80}."
        )
    check_whole(1, batch_size=batch_size)
    network: Any = reading_network(model)
    if not isinstance(lines, LineBatch):
        raise TypeError(
            f"lines is a LineBatch, as lines_of_folder returns it; got {type(lines).__name__}."
        )
    alphabet, height = network.alphabet, network.config.height
    for n, (label, text) in enumerate(zip(_labels_of(lines), lines.texts, strict=True)):
        if alphabet.encode(text) != label:
            raise ValueError(
                f"Line {n}, {text!r}, is not labelled in the model's alphabet, {alphabet}. Make "
                "the lines with it: lines_of_folder(folder, model)."
            )
    _check_labels_fit(lines, network.frame_lengths(lines.widths))
    config = config or replace(FINE_TUNING, seed=seed)
    name = old if isinstance(old, str) else None
    learned_from, held_out = _split(lines, hold_out, seed)
    n_old = round(keep_old * batch_size) if old is not None else 0
    n_old = min(n_old, batch_size - 1)
    stream: Any = None
    test = None
    if n_old:
        stream = old
        if isinstance(old, str):
            stream = old_lines(old, alphabet, n_old, seed, height=height)
        test = _some(stream, config.steps, alphabet)
    if not len(held_out):
        config = replace(config, patience=0, validate_every=0)
    own: Any = _OwnLines(
        learned_from,
        _least_widths(network, learned_from),
        variation or LineVariation(),
        batch_size - n_old,
        stream,
        alphabet.blank,
        seed,
    )

    before = evaluate(network, held_out) if len(held_out) else None
    old_before = evaluate(network, test) if test is not None else None
    start = {key: value.clone() for key, value in network.state_dict().items()}
    history = train(network, own, config, validation=held_out if len(held_out) else None)
    after = evaluate(network, held_out) if len(held_out) else None
    if before and after and after.character_error_rate > before.character_error_rate:
        network.load_state_dict(start)
        after = before
    old_after = evaluate(network, test) if test is not None else None

    reports = {"held_out": (before, after), "old": (old_before, old_after)}
    provenance = {
        "start": getattr(network, "provenance", {}),
        "old": name,
        "keep_old": n_old / batch_size,
        "lines": {"learned_from": len(learned_from), "held_out": len(held_out)},
        "seed": seed,
        "batch_size": batch_size,
        "variation": dataclasses.asdict(own.variation),
        "training": dataclasses.asdict(replace(config, checkpoint=None)),
        "metrics": {
            f"{kind}_{when}": {
                "n": report.n,
                "exact_match": round(report.exact_match, 6),
                "character_error_rate": round(report.character_error_rate, 6),
            }
            for kind, pair in reports.items()
            for when, report in zip(("before", "after"), pair, strict=True)
            if report is not None
        },
    }
    return FineTuning(
        history, learned_from, held_out, before, after, old_before, old_after, provenance
    )


def old_lines(
    name: str, alphabet: Alphabet, batch_size: int, seed: int = 0, *, height: int = 32
) -> Stream:
    """Lines of the kind that a shipped network learned from, labelled in another alphabet.

    Parameters
    ----------
    name : str
        ``"crnn-digits"``, ``"crnn-photos"`` or ``"crnn-words"``.
    alphabet : Alphabet
        Only what it can spell is written.
    batch_size : int
    seed : int
    height : int
        Of the lines, in pixels.

    Returns
    -------
    Stream
        The digits are the best on this disk, the pen's if there are no others.

    Raises
    ------
    ValueError
        If the name is unknown, or the alphabet shares no character with those lines.
    """
    if name not in _OLD_LINES:
        raise ValueError(f"Old lines are those of {', '.join(_OLD_LINES)}; got {name!r}.")
    written, write = _OLD_LINES[name]
    known = "".join(character for character in written if character in alphabet.characters)
    if not known.strip():
        raise ValueError(
            f"The lines that {name} learned from cannot be written with this alphabet: it shares "
            "no character with them. Add theirs, or keep no old lines (keep_old=0, on the command "
            "line --keep-old 0)."
        )
    return _Respelled(write(known, batch_size, seed, height), alphabet, height)


def old_name(start: str, provenance: dict[str, Any]) -> str | None:
    """Which old lines belong to weights: those of a shipped name, or of what they came from.

    >>> old_name("crnn-photos", {}), old_name("mine.safetensors", {"old": "crnn-words"})
    ('crnn-photos', 'crnn-words')
    """
    name = start if start in _OLD_LINES else provenance.get("old")
    return name if name in _OLD_LINES else None


# ---------------------------------------------------------------------------- old lines


def _digits(known: str, batch_size: int, seed: int, height: int) -> Alternating:
    glyphs = load_glyphs("auto", "train").only(known)
    bases = LineStyle(height=height), replace(LineStyle.article(), height=min(height, 28))
    streams = (
        LineStream(glyphs, style.varied(), batch_size, seed + k, alphabet=Alphabet(known))
        for k, style in enumerate(bases)
    )
    return Alternating(tuple(streams))


def _photos(known: str, batch_size: int, seed: int, height: int) -> Alternating:
    # amounts are written with all digits; what an alphabet lacks is left out afterwards
    glyphs = load_glyphs("auto", "train")
    marks = "".join(mark for mark in MARKS if mark in known)
    mixture = PhotoMixture(writers=_OLD_WRITERS, marks=marks, pages=0)  # which take long to compose
    return photo_lines(glyphs, batch_size, seed, mixture)


def _words(known: str, batch_size: int, seed: int, height: int) -> Alternating:
    return word_lines(Alphabet(known), batch_size, seed, height=height)


_OLD_WRITERS = 200  # of the pen; fewer than a network learned from at first, and enough to remember
_DIGITS = "0123456789"
_OLD_LINES: dict[str, tuple[str, Callable[[str, int, int, int], Alternating]]] = {
    "crnn-digits": (_DIGITS, _digits),
    "crnn-photos": (_DIGITS + MARKS, _photos),
    "crnn-words": (TEXT, _words),
}


@dataclass(frozen=True)
class _Respelled:
    """A stream in another alphabet and height; lines that cannot be spelled are left out."""

    lines: Alternating
    alphabet: Alphabet
    height: int

    @property
    def pool(self) -> int:
        """Batches that are made at once."""
        return self.lines.pool

    def batch(self, step: int) -> LineBatch:
        """The lines of one training step; there may be fewer, and even none."""
        lines, known = self.lines.batch(step), set(self.alphabet.characters)
        split = [self.alphabet.split(text, strict=False) for text in lines.texts]
        lines = lines.select(torch.tensor([known.issuperset(pieces) for pieces in split]))
        return _relabelled(_of_height(lines, self.height), self.alphabet)


@dataclass(frozen=True)
class _OwnLines:
    """Few lines, varied anew in every batch, and old lines beside them.

    A batch depends on ``(seed, step)`` alone.
    """

    lines: LineBatch
    least: Tensor
    variation: LineVariation
    count: int
    old: Stream | None
    blank: int
    seed: int

    @property
    def pool(self) -> int:
        """Batches that are made at once."""
        return self.old.pool if self.old is not None else 1

    def __repr__(self) -> str:
        return (
            f"_OwnLines({self.lines}, {self.lines.texts}, {self.variation}, count={self.count}, "
            f"old={self.old}, seed={self.seed})"
        )

    def batch(self, step: int) -> LineBatch:
        """The lines of one training step."""
        generator = seeded_generator(self.seed, step, 6)
        chosen = torch.tensor([self._number(self.count * step + k) for k in range(self.count)])
        own = vary_lines(
            self.lines.select(chosen), self.variation, generator, least=self.least[chosen]
        )
        parts = [own] if self.old is None else [own, self.old.batch(step)]
        return join_batches(parts, self.blank)

    def _number(self, turn: int) -> int:
        """Which line comes up: each once in an epoch, in an order of its own."""
        epoch, place = divmod(turn, len(self.lines))
        order = torch.randperm(len(self.lines), generator=seeded_generator(self.seed, epoch, 7))
        return int(order[place])


# ---------------------------------------------------------------------------- pieces


def _split(lines: LineBatch, hold_out: float, seed: int) -> tuple[LineBatch, LineBatch]:
    """Lines to learn from, and lines held out."""
    count = len(lines)
    held = max(round(hold_out * count), 1) if hold_out else 0
    if count - held < 1:
        raise ValueError(
            f"{count} lines are too few to hold {held} of them out: give more, or hold none out "
            "(hold_out=0, on the command line --held-out 0)."
        )
    order = torch.randperm(count, generator=seeded_generator(seed, 5))
    return lines.select(order[held:].sort().values), lines.select(order[:held].sort().values)


def _least_widths(network: Any, lines: LineBatch) -> Tensor:
    """Columns that each label needs: (N,)."""
    widths = torch.arange(1, int(lines.widths.max()) + 1)
    frames = network.frame_lengths(widths)  # rises with the width
    needed = frames_needed(lines.targets, lines.target_lengths)
    return 1 + torch.searchsorted(frames, needed)


def _of_height(lines: LineBatch, height: int) -> LineBatch:
    """Lower lines, centred as a network centres them."""
    above = height - lines.images.shape[2]
    if above <= 0:
        return lines
    return replace(lines, images=F.pad(lines.images, (0, 0, above // 2, above - above // 2)))


def _relabelled(lines: LineBatch, alphabet: Alphabet) -> LineBatch:
    targets, lengths = encode_texts(lines.texts, alphabet)
    spans = targets.new_zeros(*targets.shape, 2)
    return replace(lines, targets=targets, target_lengths=lengths, spans=spans)


def _some(stream: Any, steps: int, alphabet: Alphabet) -> LineBatch:
    """A fixed set of a stream's lines, from beyond the steps of training."""
    first = stream.pool * math.ceil(steps / stream.pool)
    parts: list[LineBatch] = []
    for step in range(first, first + stream.pool):  # of every kind
        parts.append(stream.batch(step))
        if sum(map(len, parts)) >= _OLD_TEST:
            break
    return join_batches(parts, alphabet.blank)


def _told(kind: str, before: Report | None, after: Report | None) -> str:
    assert before is not None and after is not None
    rates = [100 * report.character_error_rate for report in (before, after)]
    right = [round(report.exact_match * report.n) for report in (before, after)]
    return (
        f"{before.n} {kind} lines: CER {rates[0]:.1f} % before, {rates[1]:.1f} % after; "
        f"{right[0]} right before, {right[1]} after"
    )
