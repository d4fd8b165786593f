"""Prefix beam search: read from left to right, and keep the most probable beginnings.

:func:`prefix_beams` is the algorithm, :func:`prefix_beam_search` runs it on a batch by compiled
code, gives what the beam holds its true probability, and takes a language along.

Hannun, Maas, Jurafsky, Ng, "First-Pass Large Vocabulary Continuous Speech Recognition using
Bi-Directional Recurrent DNNs", 2014, algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from operator import index

import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet, check_whole
from crnn_lib.ctc import NEVER, ctc_loss, forced_alignment, length_mask
from crnn_lib.decoders import _windows
from crnn_lib.decoders._blocks import (
    Decoded,
    as_hypotheses,
    beam_lists,
    beam_room,
    compiles,
    empty_page,
    empty_results,
    filled,
    in_blocks,
    make_hypotheses,
    refuse,
    sums_allowed,
    widest,
)
from crnn_lib.decoders._compiled.records import FINE, MISSING, RISKY, WRONG
from crnn_lib.decoders._lattices import check_blank, check_lattices, frame_log_sums
from crnn_lib.decoders._open_lines import BeamLine
from crnn_lib.decoders._parts import best_of_parts
from crnn_lib.decoders._windows import BLOCK
from crnn_lib.decoders.fusion import Fusion, _no_arcs, fuse
from crnn_lib.decoders.hypothesis import ROUNDING, Hypothesis, _keep_frames
from crnn_lib.language import Automaton, Mixture, Rule

NODES = 1 << 20  # of the tries of beams that are taken side by side: 20 bytes each


def prefix_beams(
    log_probs: Tensor | np.ndarray,
    *,
    blank: int = 0,
    beam_width: int = 10,
    fusion: Fusion | None = None,
) -> dict[tuple[int, ...], float]:
    """The most probable prefixes of one line, found frame by frame (Hannun et al. 2014).

    A prefix is what an alignment collapses to so far. Many alignments have the same prefix, and all
    that matters of them is whether they end in a blank: then the prefix's last character may
    come again as a new one, else it would be merged. So two numbers per prefix go from frame to
    frame. Only ``beam_width`` prefixes do, and what falls out of the beam is lost.

    This is the definition that :func:`prefix_beam_search` keeps to, and far slower. Ties, which are
    scores that agree to nine decimals, go to the prefix that was in the beam before, in the beam's
    order; then to the longer one of the better prefix; then to the lower class.

    Parameters
    ----------
    log_probs : Tensor or ndarray, (T, C)
    blank, beam_width : int
    fusion : Fusion, optional
        A language over the classes, from :func:`~crnn_lib.decoders.fuse`.

    Returns
    -------
    dict
        Label -> logarithm of the probability that the beam has seen of it, the best first. It is
        at most the label's true log-probability. The language's weights are in it, but not the one
        of the end.

    Examples
    --------
    >>> lattice = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    >>> {label: round(math.exp(p), 2) for label, p in prefix_beams(lattice).items()}
    {(1,): 0.64, (): 0.36}
    """
    log_probs, _ = check_lattices(log_probs, None)
    count, _, classes = log_probs.shape
    if count != 1:
        raise ValueError(f"prefix_beams reads one line, (T, C); got {(*log_probs.shape,)}.")
    check_blank(blank, classes)
    check_whole(1, beam_width=beam_width)
    # prefix: alignments that end in a blank, and those that do not
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, NEVER)}
    rows = log_probs[0].tolist()
    for t, frame in enumerate(rows):
        grown: dict[tuple[int, ...], tuple[float, float]] = {}
        for prefix, (at_blank, at_char) in beam.items():  # a blank, or the last character again
            held = at_char + frame[prefix[-1]] if prefix else NEVER
            grown[prefix] = (_log_add(at_blank, at_char) + frame[blank], held)
        for prefix, (at_blank, at_char) in beam.items():  # one character more
            weights = fusion.weights_after(prefix) if fusion else [0.0] * len(frame)
            for c, weight in enumerate(weights):
                if c != blank:
                    repeats = prefix[-1:] == (c,)  # then only a blank in between makes it new
                    before = at_blank if repeats else _log_add(at_blank, at_char)
                    longer = *prefix, c
                    same, held = grown.get(longer, (NEVER, NEVER))
                    grown[longer] = same, _log_add(held, before + frame[c] + weight)
        left = len(rows) - 1 - t
        ranked = [
            (_log_add(*both), prefix)
            for prefix, both in grown.items()
            if max(both) > NEVER and (not fusion or fusion.fits(prefix, both[0] > NEVER, left))
        ]
        ranked.sort(key=lambda pair: -round(pair[0], 9))  # of equals, the first stays first
        beam = {prefix: grown[prefix] for _, prefix in ranked[:beam_width]}
    return {prefix: _log_add(*both) for prefix, both in beam.items()}


def _log_add(x: float, y: float) -> float:
    low, high = min(x, y), max(x, y)
    return high if low == NEVER else high + math.log1p(math.exp(low - high))


@torch.no_grad()
def prefix_beam_search(
    log_probs: Tensor | np.ndarray,
    frame_lengths: Tensor | np.ndarray | Sequence[int] | None = None,
    *,
    alphabet: Alphabet | None = None,
    beam_width: int = 10,
    n_best: int | None = None,
    language: Automaton | Mixture | Rule | None = None,
    language_weight: float = 1.0,
    length_bonus: float = 0.0,
    threads: int = 1,
    reference: bool = False,
    words: bool = False,
) -> list:
    """Read each line with a beam of prefixes, and a language if there is one.

    The prefixes of :func:`prefix_beams`, by compiled code. No class and no frame is left out to
    save time. What is in the beam after the last frame gets its true probability from a forward
    pass, and is ranked by it:

        score = log_prob + language_weight * (language's log-weight) + length_bonus * length

    Parameters
    ----------
    log_probs, frame_lengths, alphabet
        As for :func:`best_path`.
    beam_width : int
        Prefixes that are kept from frame to frame.
    n_best : int, optional
        How many hypotheses per line; then a list is returned for each line.
    language : Automaton, Mixture or Rule, optional
        What strings there may be, and their log-weights. Only such strings come out, and a prefix
        that cannot become one in the frames that are left takes no place in the beam. Each part of
        a mixture has a beam of its own.
    language_weight, length_bonus : float
        See above. Without a language, any string may be.
    threads : int
        Threads to share the lines among.
    reference : bool
        Use the plain Python of :func:`prefix_beams`. Without numba it is used anyway.
    words : bool
        Keep the frames, so that ``words`` of a hypothesis can say how sure each word is.

    Returns
    -------
    list of Hypothesis, or list of list of Hypothesis
        One per line; None where the beam holds no string that the language accepts, for instance
        because none fits the frames. With ``n_best`` a list per line, the best first, with fewer
        or no entries if there are no more. The spans are those of the best alignment.
        ``proven`` is set if what the beam has not seen is too little to matter.

    Raises
    ------
    ValueError
        As :func:`best_path`; and if a number is out of its range, or the language shares no
        character with the alphabet.

    Examples
    --------
    >>> lattice = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    >>> (hypothesis,) = prefix_beam_search(lattice, alphabet=Alphabet("0"))
    >>> hypothesis.text, round(math.exp(hypothesis.log_prob), 4), hypothesis.spans
    ('0', 0.64, (Span(1 in [0, 1), log_prob=-0.9163),))
    """
    alphabet = Alphabet() if alphabet is None else alphabet
    log_probs, frame_lengths = check_lattices(log_probs, frame_lengths, alphabet)
    check_whole(1, beam_width=beam_width, n_best=1 if n_best is None else n_best, threads=threads)
    beam_width, threads = index(beam_width), index(threads)  # of a tensor's number, too
    n_best = None if n_best is None else index(n_best)
    if isinstance(language, Mixture):
        by_part = [
            prefix_beam_search(
                log_probs,
                frame_lengths,
                alphabet=alphabet,
                beam_width=beam_width,
                n_best=n_best or 1,
                language=part,
                language_weight=language_weight,
                length_bonus=length_bonus,
                threads=threads,
                reference=reference,
            )
            for part in language.parts
        ]
        merged = [best_of_parts(rows) for rows in zip(*by_part, strict=True)]
        best = [line[:n_best] if n_best else next(iter(line), None) for line in merged]
        return _keep_frames(best, log_probs, frame_lengths, alphabet) if words else best
    fusion = fuse(language, alphabet, language_weight, length_bonus)
    lines: list = [None] * len(log_probs)
    long = frame_lengths > _windows.LONG
    if reference or not compiles() or (fusion and not fusion.fits_floats):
        frame_log_sums(log_probs, length_mask(frame_lengths, log_probs.shape[1]))
        left = list(range(len(log_probs)))
    else:
        short = min(_windows.LONG, log_probs.shape[1])  # long lines have other code, and come later
        lines, left = _compiled_search(
            log_probs[:, :short], frame_lengths.masked_fill(long, 0), alphabet, fusion,
            beam_width, n_best, threads,
        )  # fmt: skip
        for n in long.nonzero()[:, 0].tolist():
            row = log_probs[n : n + 1, : int(frame_lengths[n])]
            found = _long_search(row, alphabet, fusion, beam_width, min(n_best or 1, beam_width))
            if found is None:
                left = [*left, n]
            else:
                lines[n] = found if n_best else next(iter(found), None)
    for n in left:
        line = log_probs[n, : int(frame_lengths[n])].double()
        seen = prefix_beams(line, blank=alphabet.blank, beam_width=beam_width, fusion=fusion)
        ranked = _rescore(line, seen, alphabet, fusion)
        lines[n] = ranked[:n_best] if n_best else next(iter(ranked), None)
    return _keep_frames(lines, log_probs, frame_lengths, alphabet) if words else lines


def _compiled_search(
    log_probs: Tensor,
    frame_lengths: Tensor,
    alphabet: Alphabet,
    fusion: Fusion | None,
    beam_width: int,
    n_best: int | None,
    threads: int,
) -> tuple[list, list[int]]:
    """What each line holds, and the lines whose numbers products of floats cannot hold."""
    from crnn_lib.decoders._compiled.beam import beam_batch  # numba: slow to import
    from crnn_lib.decoders._compiled.jit import first_use

    sums = sums_allowed(log_probs)
    upper = 0.0 if fusion is None else fusion.most(log_probs.shape[1])

    def decode(kernel: Callable, block: np.ndarray, lengths: np.ndarray) -> Decoded:
        lines, frames, classes = block.shape
        width = widest(beam_width, frames, classes)
        keep = min(n_best or 1, width)
        # Where states are made when they are reached, lines wait for each other's.
        many = 1 if fusion is None or fusion.whole else NODES // (width * frames + 1)
        many = max(1, min(many, lines))
        rooms, page = beam_room(width, frames, classes, many), empty_page(frames, classes, many)
        lists, results = beam_lists(width, keep, frames, many), empty_results(lines, keep, frames)
        while (
            kernel(
                block, lengths, alphabet.blank, width, keep, *sums,
                fusion.arcs if fusion else _no_arcs(), upper, page, rooms, lists, results,
            ) == MISSING
        ):  # fmt: skip
            if fusion:
                waiting = (results.statuses == MISSING).nonzero()[0] % many
                pairs = zip(rooms.ints[waiting], rooms.at[waiting].tolist(), strict=True)
                fusion.reach(np.concatenate([x[2 + now, :size] for x, (_, _, size, now) in pairs]))
        rows = filled(results)
        proven = rows[1][:, 1] > rows[1][:, 2] + ROUNDING
        hypotheses = make_hypotheses(alphabet, proven, *rows)
        return Decoded(results.counts, results.statuses, results.statuses != RISKY, hypotheses)

    most = None if n_best is None else min(n_best, beam_width)

    def read(kernel: Callable) -> tuple[list, list[int]]:
        return in_blocks(partial(decode, kernel), log_probs, frame_lengths, threads, most)

    # what plain Python takes, roughly
    seconds = 1e-5 * int(frame_lengths.sum()) * (beam_width + 0.4 * log_probs.shape[2])
    return first_use(beam_batch, "the beam", read, seconds)


def _long_search(
    line: Tensor, alphabet: Alphabet, fusion: Fusion | None, beam_width: int, keep: int
) -> list[Hypothesis] | None:
    """What a line (1, T, C) holds; None if products of floats cannot hold it."""
    sums = sums_allowed(line)
    beam = BeamLine(alphabet.num_classes, alphabet.blank, beam_width, fusion, sums)
    for rows in line[0].split(BLOCK):
        if beam.add(rows.detach().cpu().double().contiguous().numpy()) == WRONG:
            refuse(line, torch.tensor([line.shape[1]]))
    rows = beam.finish(keep, line[0].detach().cpu().double().numpy())
    return as_hypotheses(alphabet, rows) if beam.status == FINE else None


def _rescore(
    line: Tensor,
    seen: dict[tuple[int, ...], float],
    alphabet: Alphabet,
    fusion: Fusion | None,
) -> list[Hypothesis]:
    """Give the labels that a beam has seen on a line (T, C) their true scores, and rank them.

    What the labels lack to the whole probability is the most that any other can have.
    """
    upper = fusion.most(len(line)) if fusion else 0.0
    scored, rest = [], float(line.logsumexp(1).sum().exp()) + 1e-12
    for label, mass in seen.items():
        weight = fusion.weight(label) if fusion else 0.0
        rest -= math.exp(mass - (fusion.weight(label, end=False) if fusion else 0.0))
        log_prob = 0.0
        if len(line):
            frames = torch.tensor([len(line)])
            size, label_row = torch.tensor([len(label)]), torch.tensor([label], dtype=torch.long)
            batch = (label_row, frames, size)
            loss = ctc_loss(line[None], *batch, blank=alphabet.blank, reduction="none")
            log_prob = min(0.0, -float(loss))  # above 0 by rounding only
        if weight > NEVER:
            scored.append((log_prob + weight, log_prob, label))
    scored.sort(key=lambda row: -round(row[0], 9))
    unseen = math.log(max(rest, 1e-12)) + upper
    hypotheses = []
    for rank, (score, log_prob, label) in enumerate(scored):
        rivals = [other for other, _, _ in scored[:rank] + scored[rank + 1 :]]
        bound = max([unseen, *rivals])
        spans = tuple(forced_alignment(line, label, blank=alphabet.blank)) if label else ()
        proven = score > bound + ROUNDING
        text = alphabet.decode(label)
        hypotheses.append(Hypothesis(label, text, log_prob, spans, proven, bound, score))
    return hypotheses
