"""Exact search: the most probable label of each line, with a proof."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from operator import index

import numpy as np
import torch
from torch import Tensor

from crnn_lib.alphabet import Alphabet, check_whole
from crnn_lib.decoders._blocks import (
    Decoded,
    compiles,
    empty_page,
    empty_results,
    filled,
    in_blocks,
    make_hypotheses,
    search_room,
    sums_allowed,
    view_of,
)
from crnn_lib.decoders._compiled.records import ROOM, Outlook
from crnn_lib.decoders._lattices import check_lattices
from crnn_lib.decoders._parts import best_of_parts
from crnn_lib.decoders.beam import prefix_beam_search
from crnn_lib.decoders.fusion import Fusion, fuse
from crnn_lib.decoders.hypothesis import ROUNDING, Hypothesis, _keep_frames
from crnn_lib.language import Automaton, Mixture, Rule


@torch.no_grad()
def exact_search(
    log_probs: Tensor | np.ndarray,
    frame_lengths: Tensor | np.ndarray | Sequence[int] | None = None,
    *,
    alphabet: Alphabet | None = None,
    budget: int = 10_000,
    language: Automaton | Mixture | Rule | None = None,
    language_weight: float = 1.0,
    length_bonus: float = 0.0,
    threads: int = 1,
    words: bool = False,
) -> list[Hypothesis | None]:
    """Find each line's most probable label, with a proof.

    The best path comes first. If its label has more than half of the probability, nothing can beat
    it. Else the labels are split by their first character, then by their second, and so on
    (prefix search, Graves et al. 2006, section 3.2): the probability that a label *begins* with a
    prefix bounds every such label. The prefix with the most left is split next, and those that
    cannot beat the best label so far are dropped. On the output of a trained network that is soon
    over. In general it takes time exponential in T, hence the budget.

    With a language, probabilities times weights take the place of probabilities. What the best of
    the accepted labels with a prefix can have is bounded by one pass from the last frame to the
    first, over a coarser language which knows only the last one or two characters. Where the coarse
    bounds do not suffice, the pass is made again, over the language as it is: on lattices that are
    hard to read, most of the time goes there.

    Parameters
    ----------
    log_probs, frame_lengths, alphabet
        As for :func:`best_path`.
    budget : int
        Prefixes to split per line; fewer if a line is so long that they would take more than 64 MB.
    language, language_weight, length_bonus, threads, words
        As for :func:`prefix_beam_search`. It is the score whose maximum is found and proven. Of a
        mixture each part is searched for what beats the parts before.

    Returns
    -------
    list of Hypothesis
        One per line; None where no string that the language accepts was found. If the
        budget did not suffice, the best label that this search or a beam of 10 came across, with
        ``proven=False``. In any case ``bound`` holds: no other label has a higher score.

    Raises
    ------
    ValueError
        As :func:`prefix_beam_search`.

    Examples
    --------
    >>> import math
    >>> lattice = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    >>> (hypothesis,) = exact_search(lattice, alphabet=Alphabet("0"))
    >>> hypothesis.text, hypothesis.proven, round(math.exp(hypothesis.bound), 4)
    ('0', True, 0.36)
    """
    alphabet = Alphabet() if alphabet is None else alphabet
    log_probs, frame_lengths = check_lattices(log_probs, frame_lengths, alphabet)
    check_whole(0, budget=budget)
    check_whole(1, threads=threads)
    budget, threads = min(index(budget), ROOM), index(threads)  # more is never split
    parts = language.parts if isinstance(language, Mixture) else (language,)
    rows: list = [[] for _ in log_probs]  # of each line what the parts have found
    bounds = np.zeros((len(parts), len(log_probs)))  # of those that have found nothing
    floors = np.full(len(log_probs), -math.inf)  # what the parts before have found
    for part, bound in zip(parts, bounds, strict=True):
        fusion = fuse(part, alphabet, language_weight, length_bonus)
        found: list = [None] * len(log_probs)
        left, bound[:] = list(range(len(log_probs))), math.inf
        if fusion is None:
            found, left = _compiled_search(log_probs, frame_lengths, alphabet, budget, threads)
        elif fusion.whole and fusion.fits_floats:
            found, left, bound[:] = _fused_search(
                log_probs, frame_lengths, alphabet, fusion, budget, threads, floors.copy()
            )
        if left:  # perhaps a beam comes across something better
            others = prefix_beam_search(
                log_probs[left],
                frame_lengths[left],
                alphabet=alphabet,
                language=part,
                language_weight=language_weight,
                length_bonus=length_bonus,
                threads=threads,
            )
            for n, other in zip(left, others, strict=True):
                one = found[n]
                if other is not None and (one is None or other.score > one.score + ROUNDING):
                    found[n] = (
                        other if one is None else replace(other, bound=one.bound, proven=False)
                    )
        for n, one in enumerate(found):
            if one is not None:
                rows[n].append((one,))
                # a little less, so that the next part's search comes across this label too
                floors[n] = max(floors[n], one.score - 2 * ROUNDING)
            else:
                rows[n].append(())
    if len(parts) == 1:
        lines = [row[0][0] if row[0] else None for row in rows]
    else:
        merged = (best_of_parts(row, b) for row, b in zip(rows, bounds.T.tolist(), strict=True))
        lines = [line[0] if line else None for line in merged]
    return _keep_frames(lines, log_probs, frame_lengths, alphabet) if words else lines


def _compiled_search(
    log_probs: Tensor, frame_lengths: Tensor, alphabet: Alphabet, budget: int, threads: int
) -> tuple[list, list[int]]:
    """Each line's hypothesis, if any, and the lines of which nothing is proven yet."""
    from crnn_lib.decoders._compiled.exact import exact_batch  # numba: slow to import
    from crnn_lib.decoders._compiled.jit import LITTLE, first_use

    compiles()  # warns if nothing does
    sums = sums_allowed(log_probs)

    def decode(kernel: Callable, most: int, block: np.ndarray, lengths: np.ndarray) -> Decoded:
        lines, frames, classes = block.shape
        results, page = empty_results(lines, 1, frames), empty_page(frames, classes)
        room = search_room(most, frames, classes)
        proven = np.zeros(lines, np.bool_)
        kernel(block, lengths, alphabet.blank, most, *sums, page, room, results, proven)
        rows = filled(results)
        hypotheses = make_hypotheses(alphabet, proven[results.counts > 0], *rows)
        return Decoded(results.counts, results.statuses, proven, hypotheses)

    def read(kernel: Callable) -> tuple[list, list[int]] | None:
        most = budget if kernel is exact_batch else min(budget, few)
        lines, left = in_blocks(
            partial(decode, kernel, most), log_probs, frame_lengths, threads, None
        )
        # what is not proven yet may be with more prefixes
        return None if left and most < budget else (lines, left)

    # what plain Python takes to split one prefix of each line, roughly, and how many it may split
    split = 1e-6 * int(frame_lengths.sum()) * log_probs.shape[2] + 1e-9
    few = int(LITTLE / split)
    return first_use(exact_batch, "exact search", read, 30 * split)


def _fused_search(
    log_probs: Tensor,
    frame_lengths: Tensor,
    alphabet: Alphabet,
    fusion: Fusion,
    budget: int,
    threads: int,
    floors: np.ndarray,
) -> tuple[list, list[int], np.ndarray]:
    """Each line's best hypothesis with a language, if it is above the line's floor, (N,).

    Also the lines whose search did not come to its end, and bounds on the scores of all labels but
    the one that was found, (N,).

    A coarse outlook is soon computed, and does for most lines. Where it does not, the search goes
    on for about as long as the fine one would take, then starts again with that.
    """
    from crnn_lib.decoders._compiled.fused import fused_batch  # numba: slow to import
    from crnn_lib.decoders._compiled.jit import compiling

    compiles()
    sums, steps = sums_allowed(log_probs), fusion.steps
    found: list = [None] * len(log_probs)
    bounds = np.full(len(log_probs), math.inf)
    left = list(range(len(log_probs)))
    for outlook, most in fusion.outlooks(budget):
        if not left:
            break

        def decode(
            block: np.ndarray,
            lengths: np.ndarray,
            floors: np.ndarray,
            bounds: np.ndarray,
            outlook: Outlook = outlook,
            most: int = most,
        ) -> Decoded:
            lines, frames, classes = block.shape
            results, page = empty_results(lines, 1, frames), empty_page(frames, classes)
            room, view = search_room(most, frames, classes), view_of(outlook, frames, classes)
            complete, proven = np.zeros((2, lines), np.bool_)
            fused_batch(
                block, lengths, alphabet.blank, most, *sums, floors, steps, outlook, page, room,
                view, results, complete, proven, bounds,
            )  # fmt: skip
            rows = filled(results)
            hypotheses = make_hypotheses(alphabet, proven[results.counts > 0], *rows)
            return Decoded(results.counts, results.statuses, complete, hypotheses)

        bounded = np.full(len(left), math.inf)
        with compiling(fused_batch, "exact search with a language"):
            lines, again = in_blocks(
                decode, log_probs[left], frame_lengths[left], threads, None, floors[left], bounded
            )
        for n, line, bound in zip(left, lines, bounded.tolist(), strict=True):
            if line is not None:
                found[n], bounds[n] = line, bound
                # a little less, so that the next search comes across this label too
                floors[n] = line.score - 2 * ROUNDING
            elif found[n] is None:
                bounds[n] = bound
        left = [left[n] for n in again]
    return found, left, bounds
