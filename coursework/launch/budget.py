"""How long runs take, going by the records of others, and which go first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from coursework import paths, records
from coursework.claims.catalogue import CLAIMS
from coursework.claims.rules import Every
from coursework.experiment import Run
from coursework.records import Record


@dataclass
class Costs:
    """Seconds of runs, by the records of this machine and of the evidence.

    A variant that was trained here before takes as long again.  Of another
    one a record from wherever says how many multiply-adds it has; they take
    as long as those of other runs here did, or where the evidence was made.
    """

    here: Sequence[Record]
    anywhere: Sequence[Record]

    @staticmethod
    def known() -> Costs:
        """Read this machine's records and all evidence."""
        here = [
            records.parse(path.read_bytes(), path)
            for path in sorted(paths.runs().glob("*.json"))
        ]
        evidence = [
            record
            for grid, profiles in records.grids().items()
            for profile in profiles
            for record in records.evidence(grid, profile)
        ]
        return Costs(here, [*here, *evidence])

    def __post_init__(self) -> None:
        """Sum the records up."""
        self.seconds = _gathered((r.key, r.seconds) for r in self.here)
        self.multiply_adds = _gathered(
            ((r.grid, r.variant), r.multiply_adds) for r in self.anywhere
        )
        rates = [
            r.seconds / work
            for r in self.here or self.anywhere
            if (work := r.multiply_adds * _examples(r.spec))
        ]
        self.rate = median(rates) if rates else math.nan

    def guess(self, run: Run) -> float:
        """Return the seconds a run will take; NaN where nothing tells."""
        if run.key in self.seconds:
            return self.seconds[run.key]
        operations = self.multiply_adds.get((run.grid, run.variant), math.nan)
        return operations * _examples(run.spec) * self.rate or math.nan

    def table(self, runs: Iterable[Run]) -> dict[str, float]:
        """Return what is known of runs by their names."""
        found = {run.name: self.guess(run) for run in runs}
        return {k: v for k, v in found.items() if not math.isnan(v)}

    def left(self, runs: Sequence[Run]) -> float:
        """Sum the seconds of runs up; unknown ones take the mean of all.

        NaN where none is known.
        """
        known = list(self.table(runs).values())
        return sum(known) * len(runs) / len(known) if known else math.nan


def order(runs: Sequence[Run], costs: Costs) -> list[Run]:
    """Put runs that decide a claim first, then the cheapest.

    A run that nothing is known of comes last, for it may take all the time.
    """
    wanted = claimed()
    guesses = costs.table(runs)
    return sorted(
        runs,
        key=lambda r: (r.grid not in wanted, guesses.get(r.name, math.inf)),
    )


def claimed() -> set[str]:
    """Name the grids that the rules of claims look at."""
    found = set()
    for claim in CLAIMS:
        rule = claim.rule
        parts = rule.rules if isinstance(rule, Every) else (rule,)
        found |= {part.grid for part in parts if part}
    return found


def _gathered(pairs: Iterable[tuple[Any, float]]) -> dict[Any, float]:
    lists: dict[Any, list[float]] = {}
    for key, value in pairs:
        lists.setdefault(key, []).append(value)
    return {key: median(values) for key, values in lists.items()}


def _examples(spec: Any) -> float:
    """Count the examples a training sees: its epochs times its pictures.

    Zero where the spec has no epochs; a set taken whole counts as MNIST's.
    """
    args = spec["args"]
    recipe = (args.get("recipe") or {}).get("args", args)
    data = (args.get("data") or {}).get("args", {})
    return float(recipe.get("epochs") or 0) * (data.get("train") or 60_000)
