from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn_lib.evaluation import (
    brier_score,
    expected_calibration_error,
    refusal_threshold,
    refuse_below,
    reliability,
    risk_coverage,
)
from crnn_lib.plots import plot_reliability, plot_risk_coverage, to_png

# Few different confidences, the ends and bin edges among them, so that ties are common.
confidence = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.6, 0.75, 0.9, 0.999, 1.0])
lines = st.lists(st.tuples(confidence, st.booleans()), min_size=1, max_size=25)
few = settings(max_examples=60, deadline=None)


def parted(some):
    return [c for c, _ in some], [right for _, right in some]


@few
@given(lines, st.integers(1, 12), st.booleans())
def test_every_line_is_in_the_one_bin_it_belongs_to(some, bins, equal_counts):
    found = reliability(*parted(some), bins=bins, equal_counts=equal_counts)
    assert found.n == len(some)
    assert len(found.bins) == bins or (equal_counts and len(found.bins) < bins)
    assert found.bins[0].low == 0 and found.bins[-1].high == 1
    for k, b in enumerate(found.bins):
        mine = [(c, r) for c, r in some if (b.low < c or k == 0) and c <= b.high]
        assert b.n == len(mine)
        if mine:
            assert b.confidence == pytest.approx(sum(c for c, _ in mine) / len(mine))
            assert b.accuracy == sum(r for _, r in mine) / len(mine)
            assert b.interval[0] <= b.accuracy <= b.interval[1]
        else:
            assert math.isnan(b.confidence) and math.isnan(b.accuracy)
            assert b.interval == (0.0, 1.0)


@few
@given(lines, st.integers(1, 12))
def test_the_calibration_error_is_the_textbooks(some, bins):
    total = 0.0
    for k in range(bins):
        mine = [(c, r) for c, r in some if max(0, math.ceil(round(c * bins, 9)) - 1) == k]
        if mine:
            total += abs(sum(c for c, _ in mine) - sum(r for _, r in mine))
    found = reliability(*parted(some), bins=bins)
    assert found.expected_error == pytest.approx(total / len(some))
    assert expected_calibration_error(*parted(some), bins=bins) == found.expected_error


def test_honest_confidences_have_a_small_error_and_boasting_has_a_large_one():
    noise = np.random.default_rng(3)
    honest = noise.uniform(0.5, 1, 20_000)
    correct = noise.uniform(0, 1, 20_000) < honest
    assert expected_calibration_error(honest, correct) < 0.01
    assert expected_calibration_error(honest**0.25, correct) > 0.1
    assert brier_score(honest, correct) < brier_score(honest**0.25, correct)
    # Always to say the mean is honest, and useless: Brier's score tells.
    mean = np.full(20_000, correct.mean())
    assert expected_calibration_error(mean, correct) < 1e-9
    assert brier_score(honest, correct) < brier_score(mean, correct)


def test_bins_of_equal_counts_split_where_the_lines_are():
    confidences = [0.99 + k * 1e-5 for k in range(100)]
    found = reliability(confidences, [True] * 100, bins=4, equal_counts=True)
    assert [b.n for b in found.bins] == [25, 25, 25, 25]
    assert [b.n for b in reliability(confidences, [True] * 100, bins=4).bins] == [0, 0, 0, 100]
    tied = reliability([0.5] * 10, [True, False] * 5, bins=5, equal_counts=True)
    assert [b.n for b in tied.bins if b.n] == [10] and tied.expected_error == 0


@few
@given(lines)
def test_the_curve_is_what_keeping_the_surest_lines_gives(some):
    curve = risk_coverage(*parted(some))
    assert list(curve.threshold) == sorted({c for c, _ in some}, reverse=True)
    for threshold, coverage, risk in zip(curve.threshold, curve.coverage, curve.risk, strict=True):
        kept = [right for c, right in some if c >= threshold]
        assert coverage == len(kept) / len(some)
        assert risk == kept.count(False) / len(kept)
    assert curve.best_area <= curve.area + 1e-12


@few
@given(lines)
def test_the_area_is_the_mean_over_all_orders_of_equal_lines(some):
    area = 0.0
    for k in range(1, len(some) + 1):  # lines kept; of equal ones each is as likely
        wrong = 0.0
        for c, right in some:
            surer = sum(other > c for other, _ in some)
            equal = sum(other == c for other, _ in some)
            wrong += (not right) * min(max((k - surer) / equal, 0), 1)
        area += wrong / k / len(some)
    assert risk_coverage(*parted(some)).area == pytest.approx(area)
    ordered = sorted((right for _, right in some), reverse=True)
    wrong = np.cumsum([not right for right in ordered])
    best = np.mean(wrong / np.arange(1, len(some) + 1))
    assert risk_coverage(*parted(some)).best_area == pytest.approx(best)


@few
@given(lines, st.sampled_from([0.0, 0.05, 0.1, 0.29, 0.5, 0.9, 0.999]))
def test_as_many_as_may_be_are_refused_and_no_more(some, refuse):
    found = refusal_threshold(*parted(some), refuse=refuse)
    refused = [(c, right) for c, right in some if c < found.threshold]
    assert (found.n, found.n_refused) == (len(some), len(refused))
    assert len(refused) <= refuse * len(some) + 1e-9
    kept = [line for line in some if line[0] >= found.threshold]
    next_ones = sum(c == min(c for c, _ in kept) for c, _ in kept)
    assert len(refused) + next_ones > refuse * len(some)
    wrong = [right for _, right in refused].count(False)
    all_wrong = [right for _, right in some].count(False)
    assert (found.n_refused_wrong, found.n_wrong) == (wrong, all_wrong)
    assert found.error_before == all_wrong / len(some)
    assert found.error_after == (all_wrong - wrong) / len(kept)
    assert found == refuse_below(*parted(some), found.threshold)


def test_refusing_five_percent_of_a_hundred_lines():
    confidences = [k / 100 for k in range(1, 101)]
    correct = [k not in (1, 3, 50) for k in range(1, 101)]
    found = refusal_threshold(confidences, correct)
    assert (found.threshold, found.n_refused, found.n_refused_wrong) == (0.06, 5, 2)
    assert (found.error_after, found.caught) == (1 / 95, 2 / 3)
    assert "5 of 100 lines are refused. 2 of the 3 wrong lines" in str(found)
    assert refusal_threshold(confidences, correct, refuse=0.29).n_refused == 29


def test_what_cannot_be_divided_is_not_a_number():
    none = refusal_threshold([0.5, 0.5], [True, True])
    assert (none.n_refused, none.error_before, none.error_after) == (0, 0.0, 0.0)
    assert math.isnan(none.caught)
    assert math.isnan(refuse_below([0.5], [False], 0.9).error_after)


def test_tensors_arrays_and_lists_are_the_same():
    confidences, correct = [0.875, 0.25, 0.75], [True, False, False]
    expected = reliability(confidences, correct)
    assert str(reliability(torch.tensor(confidences).double(), torch.tensor(correct))) == str(
        expected
    )
    assert str(reliability(np.array(confidences), np.array([1, 0, 0]))) == str(expected)
    assert reliability([1 + 1e-9], [True]).bins[-1].confidence == 1.0


@pytest.mark.parametrize(
    "confidences, correct, message",
    [
        ([], [], "there are no lines"),
        ([0.5], [True, False], r"shapes \(1,\) and \(2,\)"),
        ([[0.5]], [[True]], r"shapes \(1, 1\)"),
        ([0.5, 1.2], [True, True], "from 0 to 1; these go from 0.5 to 1.2"),
        ([-0.5, -0.1], [True, True], "log-probabilities: take exp"),
        ([0.5, math.nan], [True, True], "from 0 to 1"),
        ([0.5, 0.6], [0.3, 1.0], "True and False"),
    ],
)
def test_bad_lines_are_refused(confidences, correct, message):
    for judge in (reliability, risk_coverage, brier_score, refusal_threshold):
        with pytest.raises(ValueError, match=message):
            judge(confidences, correct)


# ---------------------------------------------------------------- charts


def some_lines(count: int = 400, seed: int = 0):
    noise = np.random.default_rng(seed)
    confidences = 1 - noise.uniform(0, 1, count) ** 3 * 0.8
    return confidences, noise.uniform(0, 1, count) < confidences


def test_the_reliability_chart_draws_every_bin_that_has_lines():
    found = reliability(*some_lines(), bins=8)
    figure = plot_reliability({"CRNN": found, "window": found})
    assert figure.get_label().startswith("CRNN: confidence and accuracy are")
    assert f"{100 * found.expected_error:.1f} points apart" in figure.get_label()
    upper, _, lower, _ = figure.axes
    points = upper.containers[0].lines[0].get_xydata()
    expected = [(b.confidence, b.accuracy) for b in found.bins if b.n]
    assert points.tolist() == [list(pair) for pair in expected]
    assert [bar.get_height() for bar in lower.patches] == [b.n for b in found.bins]
    assert to_png(figure).startswith(b"\x89PNG")


def test_the_risk_chart_marks_what_refusing_gives():
    confidences, correct = some_lines()
    curve = risk_coverage(confidences, correct)
    figure = plot_risk_coverage(curve, refuse=0.1)
    (axes,) = figure.axes
    marked = next(line for line in axes.lines if line.get_marker() == "o")
    kept = refusal_threshold(confidences, correct, refuse=0.1)
    assert marked.get_ydata()[0] == pytest.approx(100 * kept.error_after)
    assert f"{100 * kept.error_after:.1f} % once the least sure 10 % are refused" in (
        figure.get_label()
    )
    assert figure.get_label()[0].isdigit()
    assert to_png(figure).startswith(b"\x89PNG")


def test_charts_of_the_smallest_cases():
    sure = [1.0], [True]
    assert to_png(plot_reliability(reliability(*sure, bins=1)))
    assert "0.0 % of all lines" in plot_risk_coverage(risk_coverage(*sure)).get_label()
    two = plot_risk_coverage({"a": risk_coverage(*sure), "b": risk_coverage(*sure)}, refuse=None)
    assert two.get_label() == "a: 0.0 % of all lines are read wrong; b: 0.0 % of all lines are " + (
        "read wrong."
    )
    with pytest.raises(ValueError, match="One to three"):
        plot_reliability({})
    with pytest.raises(ValueError, match="One to 4"):
        plot_risk_coverage({})
    with pytest.raises(ValueError, match="from 0 to below 1"):
        plot_risk_coverage(risk_coverage(*sure), refuse=1)


def test_a_share_just_below_one_leaves_a_line():
    found = refusal_threshold([0.5, 0.9], [True, True], refuse=1 - 1e-13)
    assert (found.threshold, found.n_refused) == (0.9, 1)


@pytest.mark.parametrize("judge", [reliability, risk_coverage, brier_score, refusal_threshold])
def test_what_holds_no_numbers_is_named(judge):
    """The text "0" is true to numpy: all lines counted as right."""
    for confidences in (["0.5", "0.6"], "ab", None, [None, "a"], iter([0.5, 0.6]), [[0.5], [1, 2]]):
        with pytest.raises(TypeError, match="confidences is a list of numbers, one for each line"):
            judge(confidences, [True, False])
    for correct in (["1", "0"], ["True", ""], None, iter([True, False])):
        with pytest.raises(TypeError, match="correct is a list of numbers, one for each line"):
            judge([0.5, 0.6], correct)


def test_tensors_of_any_kind_are_numbers():
    confidences = torch.tensor([0.75, 0.5], requires_grad=True)
    for some in (confidences, confidences.bfloat16(), confidences.half().flip(0).flip(0)):
        assert brier_score(some, torch.tensor([True, False])) == brier_score([0.75, 0.5], [1, 0])


@pytest.mark.parametrize("number", [None, "2", [2], np.ones(2), math.nan, {}])
def test_numbers_of_calibration_are_numbers(number):
    with pytest.raises(ValueError, match="bins is a number of bins, 1 or more; got "):
        reliability([0.5], [True], bins=number)
    with pytest.raises(ValueError, match="from 0 to below 1; got "):
        refusal_threshold([0.5], [True], refuse=number)
    with pytest.raises(ValueError, match="threshold is a number, from which on lines are kept"):
        refuse_below([0.5], [True], number)
    for bins in (0, True, 2.5):
        with pytest.raises(ValueError, match=f"bins is a number of bins, 1 or more; got {bins}"):
            reliability([0.5], [True], bins=bins)
    for refuse in (-0.1, 1.0):
        with pytest.raises(ValueError, match=f"from 0 to below 1; got {refuse}"):
            refusal_threshold([0.5], [True], refuse=refuse)
