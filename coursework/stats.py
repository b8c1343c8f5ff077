"""Intervals over seeds, paired differences, Holm; arrays in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit


@dataclass(frozen=True)
class Interval:
    """A mean over n seeds, its standard deviation and 95 % interval."""

    mean: float
    sd: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Paired(Interval):
    """A mean difference over shared seeds, and how correlated they are."""

    correlation: float

    def p_above(self, margin: float) -> float:
        """One-sided p of a mean difference above ``margin``."""
        return _upper_tail(self, margin)

    def p_below(self, margin: float) -> float:
        """One-sided p of a mean difference below ``margin``."""
        return 1 - _upper_tail(self, margin)


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's interval for the mean over runs :cite:p:`student1908`.

    One value has no interval: standard deviation and limits are NaN then,
    and a table shows them as missing.
    """
    array = np.asarray(values, float)
    n, mean = len(array), float(array.mean())
    if n < 2:
        return Interval(mean, math.nan, math.nan, math.nan, n)
    sd = float(array.std(ddof=1))
    half = float(stdtrit(n - 1, (1 + level) / 2)) * sd / math.sqrt(n)
    return Interval(mean, sd, mean - half, mean + half, n)


def paired(
    values: Sequence[float], baseline: Sequence[float], level: float = 0.95
) -> Paired:
    """Compare runs with a baseline, seed by seed.

    Raises ValueError if the two differ in length.
    """
    a, b = np.asarray(values, float), np.asarray(baseline, float)
    if len(a) != len(b):
        raise ValueError(
            f"{len(a)} runs can't be paired with {len(b)}; the same seeds "
            "must have run in both"
        )
    interval = t_interval(list(a - b), level)
    spread = len(a) > 1 and a.std() > 0 and b.std() > 0
    correlation = float(np.corrcoef(a, b)[0, 1]) if spread else math.nan
    return Paired(
        interval.mean,
        interval.sd,
        interval.low,
        interval.high,
        interval.n,
        correlation,
    )


def wilson(
    successes: float, n: int, level: float = 0.95
) -> tuple[float, float]:
    """Interval of a share from sampling n cases :cite:p:`wilson1927`."""
    z = float(ndtri((1 + level) / 2))
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = (
        z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    )
    return centre - half, centre + half


def wilson_half_width(share: float, n: int) -> float:
    """Half the Wilson interval of an accuracy on n test examples."""
    low, high = wilson(share * n, n)
    return (high - low) / 2


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number by Holm's steps :cite:p:`holm1979`."""
    order = np.argsort(p_values, kind="stable")
    adjusted, worst = [0.0] * len(order), 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = worst
    return adjusted


def runs_to_decide(
    interval: Interval, margin: float, alpha: float = 0.025, most: int = 1000
) -> int | None:
    """Find the smallest n that would tell the mean from ``margin``.

    Takes the mean and standard deviation seen as the true ones and a
    one-sided test at ``alpha``, half of 5 % because a verdict looks at both
    sides.  None where
    even ``most`` runs would not do.
    """
    gap = abs(interval.mean - margin)
    for n in range(max(2, interval.n), most + 1):
        if gap * math.sqrt(n) > stdtrit(n - 1, 1 - alpha) * interval.sd:
            return n
    return None


def _upper_tail(interval: Interval, margin: float) -> float:
    if interval.n < 2:
        return math.nan
    gap = interval.mean - margin
    if interval.sd == 0:
        return 0.5 if gap == 0 else float(gap < 0)
    t = gap * math.sqrt(interval.n) / interval.sd
    return float(stdtr(interval.n - 1, -t))


def best_of(
    values: Sequence[float], variants: int, draws: int = 20_000
) -> tuple[float, float]:
    """Measure what the best of several identical variants seems to gain.

    Deals runs of one and the same variant out to a baseline and to
    ``variants`` others, one each, without replacement.  Returns the share of
    deals in which the best beats the baseline, and its mean lead.
    """
    array = np.asarray(values, float)
    if len(array) <= variants:
        raise ValueError(
            f"{len(array)} runs can't be dealt to {variants} variants and a "
            f"baseline; at least {variants + 1} are needed"
        )
    rng = np.random.default_rng(0)
    deals = rng.permuted(np.tile(array, (draws, 1)), axis=1)
    lead = deals[:, 1 : variants + 1].max(axis=1) - deals[:, 0]
    return float(np.mean(lead > 0)), float(lead.mean())


def coverage(
    values: Sequence[float], n: int, draws: int = 2000
) -> tuple[float, float]:
    """Count how often 95 % intervals from n runs hold the mean of all.

    Takes ``values`` as the population, draws n with replacement, and returns
    the shares for Student's t and for the percentile bootstrap.
    """
    rng = np.random.default_rng(0)
    population = np.asarray(values, float)
    samples = rng.choice(population, (draws, n))
    truth, means = population.mean(), samples.mean(axis=1)
    half = stdtrit(n - 1, 0.975) * samples.std(axis=1, ddof=1) / math.sqrt(n)
    picks = rng.integers(n, size=(draws, 400, n))
    again = np.take_along_axis(samples[:, None, :], picks, axis=2).mean(axis=2)
    low, high = np.percentile(again, [2.5, 97.5], axis=1)
    return (
        float(np.mean(abs(means - truth) <= half)),
        float(np.mean((low <= truth) & (truth <= high))),
    )
