"""Are the confidences honest, and what is gained by refusing the doubtful lines?

A reader that says 0.9 should be right nine times out of ten. :func:`reliability` holds what it says
against how often it is right. :func:`risk_coverage` asks less, and often what matters: whether the
lines it is least sure of are the ones it gets wrong, so that a person can look at those.

Throughout, ``confidences`` holds one number in [0, 1] for each line, such as ``exp(log_prob)`` of a
hypothesis, and ``correct`` whether the line was read without any error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from crnn_lib.alphabet import as_number, is_whole
from crnn_lib.evaluation.metrics import wilson_interval


class Bin(NamedTuple):
    """The lines with a confidence from ``low`` to ``high``: (low, high], the first [0, high].

    ``confidence`` is their mean confidence and ``accuracy`` the share of them that is right; both
    are NaN if there are none (``n`` is 0).
    """

    low: float
    high: float
    n: int
    n_correct: int
    confidence: float

    @property
    def accuracy(self) -> float:
        """Share of what is right; NaN if there is nothing in it."""
        return self.n_correct / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy; see :func:`crnn_lib.evaluation.wilson_interval`."""
        return wilson_interval(self.n_correct, self.n) if self.n else (0.0, 1.0)


@dataclass(frozen=True)
class Reliability:
    """What :func:`reliability` found: the bins, from unsure to sure."""

    bins: tuple[Bin, ...]

    @property
    def n(self) -> int:
        """Number of lines."""
        return sum(b.n for b in self.bins)

    @property
    def expected_error(self) -> float:
        """Mean distance of confidence and accuracy, each bin weighed by its lines."""
        return math.fsum(b.n * abs(b.confidence - b.accuracy) for b in self.bins if b.n) / self.n


def reliability(
    confidences: Sequence[float] | np.ndarray,
    correct: Sequence[bool] | np.ndarray,
    *,
    bins: int = 15,
    equal_counts: bool = False,
) -> Reliability:
    """Sort lines into bins by confidence, and compare confidence with accuracy in each.

    Parameters
    ----------
    confidences : sequence of float in [0, 1], (N,)
    correct : sequence of bool, (N,)
    bins : int
        Number of bins.
    equal_counts : bool
        False: bins of equal width, the usual choice (Naeini et al. 2015). True: bins of about equal
        numbers of lines, which says more where nearly all lines are sure. Lines of equal
        confidence are never parted, so a bin may stay empty; it is left out.

    Returns
    -------
    Reliability

    Examples
    --------
    Four lines at 0.9, of which three are right, and one at 0.4 that is wrong:

    >>> found = reliability([0.9, 0.9, 0.9, 0.9, 0.4], [True, True, True, False, False], bins=2)
    >>> [(b.n, b.confidence, b.accuracy) for b in found.bins]
    [(1, 0.4, 0.0), (4, 0.9, 0.75)]
    >>> round(found.expected_error, 4)  # (1 * 0.4 + 4 * 0.15) / 5
    0.2
    """
    confidences, correct = _lines(confidences, correct)
    if not is_whole(bins) or bins < 1:
        raise ValueError(f"bins is a number of bins, 1 or more; got {bins!r:.80}.")
    if equal_counts:
        ordered = np.sort(confidences)
        ends = np.arange(1, bins) * len(ordered) // bins
        edges = np.unique(np.concatenate([[0.0], ordered[ends[ends > 0] - 1], [1.0]]))
    else:
        edges = np.linspace(0, 1, bins + 1)
    which = np.searchsorted(edges[1:-1], confidences, side="left")  # (N,)
    found = []
    for k, (low, high) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        mine = which == k
        n = int(mine.sum())
        mean = float(confidences[mine].mean()) if n else math.nan
        found.append(Bin(low, high, n, int(correct[mine].sum()), mean))
    return Reliability(tuple(found))


def expected_calibration_error(
    confidences: Sequence[float] | np.ndarray,
    correct: Sequence[bool] | np.ndarray,
    *,
    bins: int = 15,
) -> float:
    """How far confidence is from accuracy, on average (Guo et al. 2017, equation 3).

    The bins have equal width. 0 is honest, but not yet useful: always to say the mean accuracy is
    honest too. :func:`brier_score` and :func:`risk_coverage` tell the two apart.

    Examples
    --------
    >>> round(expected_calibration_error([0.9, 0.9, 0.9, 0.9], [True, True, True, False]), 4)
    0.15
    """
    return reliability(confidences, correct, bins=bins).expected_error


def brier_score(
    confidences: Sequence[float] | np.ndarray, correct: Sequence[bool] | np.ndarray
) -> float:
    """Mean squared distance of the confidence from what happened, 0 or 1 (Brier 1950).

    Only honest confidences minimise it, and among those it prefers the ones that tell right lines
    from wrong ones.

    Examples
    --------
    >>> round(brier_score([0.9, 0.4], [True, False]), 4)  # (0.01 + 0.16) / 2
    0.085
    """
    confidences, correct = _lines(confidences, correct)
    return float(np.mean((confidences - correct) ** 2))


@dataclass(frozen=True)
class RiskCoverage:
    """What is left wrong if only the surest lines are kept.

    One entry for each distinct confidence, from the surest down: lines of equal confidence are kept
    or refused together.

    Attributes
    ----------
    threshold : tuple of float
        Lines with at least this confidence are kept.
    coverage : tuple of float
        The share of all lines that is.
    risk : tuple of float
        The share of those that is wrong.
    area : float
        Mean risk over keeping the 1, 2, ..., N surest lines (Geifman and El-Yaniv 2017). Where a
        number of lines parts equal ones, chance decides between them, and the mean is taken.
    best_area : float
        The area if all right lines were surer than all wrong ones: the least there can be.
    """

    threshold: tuple[float, ...]
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    area: float
    best_area: float


def risk_coverage(
    confidences: Sequence[float] | np.ndarray, correct: Sequence[bool] | np.ndarray
) -> RiskCoverage:
    """Trade how many lines are read for how many of those are wrong.

    Parameters
    ----------
    confidences : sequence of float in [0, 1], (N,)
    correct : sequence of bool, (N,)

    Returns
    -------
    RiskCoverage

    Examples
    --------
    Of four lines the one at 0.6 is wrong:

    >>> curve = risk_coverage([0.9, 0.8, 0.6, 0.7], [True, True, False, True])
    >>> curve.coverage, curve.risk
    ((0.25, 0.5, 0.75, 1.0), (0.0, 0.0, 0.0, 0.25))
    >>> curve.area == curve.best_area == 0.0625  # (0 + 0 + 0 + 1/4) / 4
    True
    """
    confidences, correct = _lines(confidences, correct)
    total = len(confidences)
    values, group = np.unique(-confidences, return_inverse=True)  # the surest first
    group = group.reshape(-1)  # numpy 2.0 shapes it otherwise
    sizes = np.bincount(group)
    wrong = np.bincount(group, weights=~correct)
    kept, kept_wrong = sizes.cumsum(), wrong.cumsum()
    # Within a group each next line is wrong with the group's own rate.
    rates = np.repeat(wrong / sizes, sizes)
    counts = np.arange(1, total + 1)
    area = float(np.mean(rates.cumsum() / counts))
    n_correct = int(correct.sum())
    best = float(np.mean(np.maximum(counts - n_correct, 0) / counts))
    return RiskCoverage(
        threshold=tuple((0.0 - values).tolist()),
        coverage=tuple((kept / total).tolist()),
        risk=tuple((kept_wrong / kept).tolist()),
        area=area,
        best_area=best,
    )


@dataclass(frozen=True)
class Refusal:
    """What a threshold does: lines with a confidence below it are refused.

    Attributes
    ----------
    threshold : float
    n, n_wrong : int
        All lines, and those read wrong.
    n_refused, n_refused_wrong : int
        The same among the refused lines.
    """

    threshold: float
    n: int
    n_wrong: int
    n_refused: int
    n_refused_wrong: int

    @property
    def error_before(self) -> float:
        """Share of wrong lines when all are read."""
        return self.n_wrong / self.n

    @property
    def error_after(self) -> float:
        """Share of wrong lines among those still read; NaN if all are refused."""
        kept = self.n - self.n_refused
        return (self.n_wrong - self.n_refused_wrong) / kept if kept else math.nan

    @property
    def caught(self) -> float:
        """Share of the wrong lines that is refused; NaN if none is wrong."""
        return self.n_refused_wrong / self.n_wrong if self.n_wrong else math.nan

    def __str__(self) -> str:
        return (
            f"Below {self.threshold:.4f}, {self.n_refused} of {self.n} lines are refused. "
            f"{self.n_refused_wrong} of the {self.n_wrong} wrong lines are among them. "
            f"Lines read wrong: {100 * self.error_before:.2f} % before, "
            f"{100 * self.error_after:.2f} % of those still read."
        )


def refusal_threshold(
    confidences: Sequence[float] | np.ndarray,
    correct: Sequence[bool] | np.ndarray,
    *,
    refuse: float = 0.05,
) -> Refusal:
    """Refuse the least sure lines: where to put the threshold, and what that does.

    Parameters
    ----------
    confidences : sequence of float in [0, 1], (N,)
    correct : sequence of bool, (N,)
    refuse : float
        Largest share of the lines to refuse. Lines of equal confidence are not parted, so it may be
        fewer.

    Returns
    -------
    Refusal
        Choose the threshold on some lines and judge it on others: :func:`refuse_below`.

    Examples
    --------
    >>> confidences, correct = [0.99, 0.9, 0.95, 0.3], [True, True, True, False]
    >>> print(refusal_threshold(confidences, correct, refuse=0.25))
    Below 0.9000, 1 of 4 lines are refused. 1 of the 1 wrong lines are among them. Lines read
    wrong: 25.00 % before, 0.00 % of those still read.
    """
    confidences, correct = _lines(confidences, correct)
    if not 0 <= as_number(refuse) < 1:
        raise ValueError(f"refuse is a share of the lines, from 0 to below 1; got {refuse!r:.80}.")
    # 0.29 * 100 is 28.999999999999996
    most = min(math.floor(refuse * len(confidences) * (1 + 1e-12)), len(confidences) - 1)
    return refuse_below(confidences, correct, float(np.sort(confidences)[most]))


def refuse_below(
    confidences: Sequence[float] | np.ndarray,
    correct: Sequence[bool] | np.ndarray,
    threshold: float,
) -> Refusal:
    """What a given threshold does to these lines.

    >>> refuse_below([0.9, 0.3, 0.2], [True, True, False], 0.25).caught
    1.0
    """
    confidences, correct = _lines(confidences, correct)
    if math.isnan(as_number(threshold)):
        raise ValueError(
            f"threshold is a number, from which on lines are kept; got {threshold!r:.80}."
        )
    refused = confidences < float(threshold)
    return Refusal(
        threshold=float(threshold),
        n=len(correct),
        n_wrong=int((~correct).sum()),
        n_refused=int(refused.sum()),
        n_refused_wrong=int((refused & ~correct).sum()),
    )


def _column(values, name: str) -> np.ndarray:
    """Numbers as an array, whatever holds them; texts are none."""
    if hasattr(values, "detach"):  # a tensor, perhaps with a gradient, or in half precision
        values = values.detach().cpu()
        values = values.double().numpy() if values.is_floating_point() else values.numpy()
    try:
        given = np.asarray(values)
        if given.dtype.kind == "O" and not any(v is None or isinstance(v, str) for v in given.flat):
            given = given.astype(np.float64)
    except (TypeError, ValueError):
        given = np.asarray("none")
    if given.dtype.kind not in "biuf":
        raise TypeError(f"{name} is a list of numbers, one for each line; got {values!r:.80}.")
    return given


def _lines(confidences, correct) -> tuple[np.ndarray, np.ndarray]:
    """Confidences (N,) in float64 and whether each line is right (N,), checked."""
    confidences = _column(confidences, "confidences").astype(np.float64)
    correct = _column(correct, "correct")
    if confidences.ndim != 1 or confidences.shape != correct.shape:
        raise ValueError(
            "Each line needs one confidence and one answer whether it is right; got the shapes "
            f"{confidences.shape} and {correct.shape}."
        )
    if not len(confidences):
        raise ValueError("There is nothing to judge: there are no lines.")
    if correct.dtype != np.bool_:
        if not np.isin(correct, (0, 1)).all():
            raise ValueError(f"correct holds True and False; got {correct[:4].tolist()} ...")
        correct = correct.astype(np.bool_)
    # just above 1 is what rounding does to a certain line
    confidences = np.where((confidences > 1) & (confidences <= 1 + 1e-6), 1.0, confidences)
    low, high = confidences.min(), confidences.max()
    if not 0 <= low <= high <= 1:
        what = "They look like log-probabilities: take exp()." if high <= 0 else ""
        raise ValueError(
            f"A confidence is from 0 to 1; these go from {low:.4g} to {high:.4g}. {what}".rstrip()
        )
    return confidences, correct
