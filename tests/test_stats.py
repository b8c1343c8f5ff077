"""Intervals, tests and corrections against scipy and cases on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as oracle

from coursework import metrics, stats

A = [0.91, 0.93, 0.92, 0.95, 0.90]
B = [0.90, 0.90, 0.91, 0.93, 0.89]


@pytest.mark.parametrize("n", [2, 3, 5, 20])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_t_interval_against_scipy(n: int, level: float) -> None:
    values = np.random.default_rng(n).normal(3, 2, n)
    seen = stats.t_interval(list(values), level)
    error = values.std(ddof=1) / math.sqrt(n)
    expected = oracle.t.interval(level, n - 1, values.mean(), error)
    assert (seen.low, seen.high) == pytest.approx(expected)
    assert seen.n == n
    assert seen.sd == pytest.approx(values.std(ddof=1))


def test_one_value_has_no_interval() -> None:
    seen = stats.t_interval([0.5])
    assert (seen.mean, seen.n) == (0.5, 1)
    assert all(map(math.isnan, (seen.sd, seen.low, seen.high)))
    assert math.isnan(stats.paired([0.5], [0.4]).p_above(0))


def test_paired_difference_against_scipy() -> None:
    seen = stats.paired(A, B)
    interval = oracle.ttest_rel(A, B).confidence_interval()
    assert (seen.low, seen.high) == pytest.approx(tuple(interval))
    assert seen.correlation == pytest.approx(oracle.pearsonr(A, B)[0])
    for margin in (0.0, 0.01, 0.02):
        gaps = np.subtract(A, B)
        more = oracle.ttest_1samp(gaps, margin, alternative="greater").pvalue
        less = oracle.ttest_1samp(gaps, margin, alternative="less").pvalue
        assert seen.p_above(margin) == pytest.approx(more)
        assert seen.p_below(margin) == pytest.approx(less)
        assert seen.p_above(margin) + seen.p_below(margin) == 1


@pytest.mark.parametrize(("gap", "p"), [(0.1, 0.0), (0.0, 0.5), (-0.1, 1.0)])
def test_differences_that_are_all_the_same(gap: float, p: float) -> None:
    seen = stats.paired([0.5 + gap] * 3, [0.5] * 3)
    assert (seen.p_above(0), seen.p_below(0)) == (p, 1 - p)
    assert math.isnan(seen.correlation)


def test_runs_that_can_not_be_paired_are_refused() -> None:
    with pytest.raises(ValueError, match="2 runs can't be paired with 3"):
        stats.paired([1, 2], [1, 2, 3])


@pytest.mark.parametrize(("k", "n"), [(0, 10), (7, 10), (9800, 10_000)])
def test_wilson_against_scipy(k: int, n: int) -> None:
    expected = oracle.binomtest(k, n).proportion_ci(method="wilson")
    assert stats.wilson(k, n) == pytest.approx(tuple(expected), abs=1e-12)
    half = stats.wilson_half_width(k / n, n)
    assert half == pytest.approx((expected.high - expected.low) / 2)


def test_holm_by_hand() -> None:
    # 4 × 0.01, 3 × 0.02, then 2 × 0.025 < 0.06 keeps 0.06, and 1 × 0.3
    adjusted = stats.holm([0.02, 0.3, 0.01, 0.025])
    assert adjusted == pytest.approx([0.06, 0.3, 0.04, 0.06])
    assert stats.holm([0.6, 0.7]) == [1.0, 1.0]
    assert stats.holm([0.04]) == [0.04]
    assert stats.holm([]) == []


@pytest.mark.parametrize("gap", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.005])
def test_runs_to_decide_is_the_smallest_number(
    gap: float, alpha: float
) -> None:
    def p(n: int) -> float:
        return float(oracle.t.sf(gap * math.sqrt(n), n - 1))

    seen = stats.Interval(3 - gap, 1.0, math.nan, math.nan, 2)
    enough = stats.runs_to_decide(seen, 3.0, alpha)
    assert enough is not None and enough > 3
    assert p(enough) < alpha <= p(enough - 1)


def test_what_no_number_of_runs_decides() -> None:
    level = stats.Interval(1.0, 1.0, 0.0, 2.0, 5)
    assert stats.runs_to_decide(level, 1.0) is None
    assert stats.runs_to_decide(level, 1.01, most=100) is None


@pytest.mark.parametrize("variants", [1, 4, 13])
def test_best_of_identical_variants(variants: int) -> None:
    """Of variants + 1 draws each is the highest equally often."""
    values = list(np.random.default_rng(1).normal(size=20))
    share, lead = stats.best_of(values, variants)
    assert share == pytest.approx(variants / (variants + 1), abs=0.012)
    assert (lead > 0.1) == (variants > 1)
    with pytest.raises(ValueError, match="at least 21"):
        stats.best_of(values, 20)


def test_best_of_deals_without_replacement() -> None:
    share, lead = stats.best_of([0.0, 1.0], 1)
    assert share == pytest.approx(0.5, abs=0.02)
    assert lead == pytest.approx(0.0, abs=0.03)
    assert stats.best_of([1.0] * 14, 13) == (0.0, 0.0)


def test_coverage_of_both_intervals() -> None:
    population = list(np.random.default_rng(2).normal(size=5000))
    student, bootstrap = stats.coverage(population, 5)
    assert student == pytest.approx(0.95, abs=0.02)
    assert bootstrap < student - 0.05


def test_accuracy_and_confusion_by_hand() -> None:
    predicted, targets = np.array([0, 1, 1, 2]), np.array([0, 2, 1, 2])
    assert metrics.accuracy(predicted, targets) == 0.75
    table = metrics.confusion(predicted, targets, 3)
    assert table.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
