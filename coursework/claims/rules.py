"""Decision rules: evidence in, two one-sided p-values and an estimate out.

A rule is committed before the evidence that decides it.  ``Above`` is a claim
of superiority: a mean paired difference above a margin.  ``Within`` is a
claim of practical equivalence: two one-sided tests against plus and minus
the margin :cite:p:`schuirmann1987`; ``Beyond`` is its opposite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from coursework import stats
from coursework.claims.measures import MEASURES
from coursework.recipe import named
from coursework.records import Record, best, by_seed, grouped, main_score

Lookup = Callable[[str], Sequence[Record]]


class NoEvidenceError(LookupError):
    """An arm that the committed profile of its grid leaves out."""


@dataclass(frozen=True)
class Finding:
    """What the evidence says about one rule.

    ``estimate`` is the mean difference with its 95 % interval; ``support``
    and ``refute`` are one-sided p-values; ``what`` says what was compared.
    """

    what: str
    estimate: stats.Paired
    support: float
    refute: float
    margin: float
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Above:
    """``first`` exceeds ``second`` by more than ``margin``.

    ``second`` is another variant of the grid, or a number.
    """

    grid: str
    first: str
    second: str | float
    margin: float = 0.0
    measure: str = "accuracy"

    def find(self, lookup: Lookup) -> Finding:
        """Test the paired difference against the margin, both ways."""
        difference, used = _difference(self, lookup)
        return Finding(
            _what(self),
            difference,
            difference.p_above(self.margin),
            difference.p_below(self.margin),
            self.margin,
            used,
        )


@dataclass(frozen=True)
class Within:
    """``first`` and ``second`` differ by less than ``margin``."""

    grid: str
    first: str
    second: str | float
    margin: float
    measure: str = "accuracy"

    def find(self, lookup: Lookup) -> Finding:
        """Test equivalence, and difference beyond the margin."""
        difference, used = _difference(self, lookup)
        above = difference.p_above(-self.margin)
        below = difference.p_below(self.margin)
        outside = min(
            difference.p_above(self.margin), difference.p_below(-self.margin)
        )
        return Finding(
            _what(self),
            difference,
            max(above, below),
            min(1.0, 2 * outside),
            math.copysign(self.margin, difference.mean),
            used,
        )


@dataclass(frozen=True)
class Beyond:
    """``first`` and ``second`` differ by more than ``margin``."""

    grid: str
    first: str
    second: str | float
    margin: float
    measure: str = "accuracy"

    def find(self, lookup: Lookup) -> Finding:
        """Test the opposite of :class:`Within`."""
        same = Within(
            self.grid, self.first, self.second, self.margin, self.measure
        ).find(lookup)
        return replace(same, support=same.refute, refute=same.support)


@dataclass(frozen=True)
class Gain:
    """``first`` gains more over its control than ``second`` over its own.

    Each is a pair: a variant and its control; paired over shared seeds.
    """

    grid: str
    first: tuple[str, str]
    second: tuple[str, str]
    margin: float = 0.0
    measure: str = "accuracy"

    def find(self, lookup: Lookup) -> Finding:
        """Test the difference of both differences against the margin."""
        measure = named(MEASURES, self.measure, "measure")
        runs = grouped(lookup(self.grid))
        used: list[Record] = []
        gains = []
        for pair in (self.first, self.second):
            ours, control = (_variant(runs, n, self.grid) for n in pair)
            values, base = by_seed(ours, control, measure)
            gains.append([a - b for a, b in zip(values, base, strict=True)])
            used += [*ours, *control]
        difference = stats.paired(gains[0], gains[1])
        return Finding(
            f"gain in {self.measure}, {self.first[0]} against {self.second[0]}",
            difference,
            difference.p_above(self.margin),
            difference.p_below(self.margin),
            self.margin,
            tuple(used),
        )


@dataclass(frozen=True)
class Every:
    """All of several rules hold; one that fails refutes the whole."""

    rules: tuple[Above | Within | Beyond | Gain, ...]

    def find(self, lookup: Lookup) -> Finding:
        """Combine: the weakest support, the strongest refutation."""
        findings = [rule.find(lookup) for rule in self.rules]
        support = max(finding.support for finding in findings)
        refute = min(finding.refute for finding in findings) * len(findings)
        weakest = max(findings, key=lambda finding: finding.support)
        return Finding(
            weakest.what,
            weakest.estimate,
            support,
            min(1.0, refute),
            weakest.margin,
            tuple(record for f in findings for record in f.records),
        )


Rule = Above | Within | Beyond | Gain | Every


def _what(rule: Above | Within) -> str:
    return f"{rule.measure}, {rule.first} against {rule.second}"


def _difference(
    rule: Above | Within, lookup: Lookup
) -> tuple[stats.Paired, tuple[Record, ...]]:
    measure = named(MEASURES, rule.measure, "measure")
    runs = grouped(lookup(rule.grid))
    first = _variant(runs, rule.first, rule.grid)
    values = [measure(record) for record in first]
    if not isinstance(rule.second, str):
        return stats.paired(values, [rule.second] * len(values)), tuple(first)
    second = _variant(runs, rule.second, rule.grid)
    return stats.paired(*by_seed(first, second, measure)), (*first, *second)


def _variant(
    runs: Mapping[str, Sequence[Record]], name: str, grid: str
) -> Sequence[Record]:
    """Find a variant; one run at several rates is taken at the best one.

    The best is the rate with the highest mean validation accuracy, or mean
    average precision where pictures show several classes.
    """
    tuned = [
        run
        for variant, group in runs.items()
        if variant.startswith(f"{name}, rate ")
        for run in group
    ]
    if tuned:
        return runs[best(tuned, main_score(tuned[0]))]
    if name not in runs:
        raise NoEvidenceError(f"{name!r} is not among the arms of {grid}")
    return runs[name]
