"""The lab log's computed part: what the records and timings speak against."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from coursework import paths, records
from coursework.claims import Verdict, catalogue
from coursework.launch.answers import plain

SHOWN = ("peer", "ratio", "low", "high", "n", "kept")  # not what is compared


def page() -> str:
    """Write what did not stand, did not train or was not the fastest."""
    refuted = [v for v in catalogue.verdicts() if v.status == "refuted"]
    return "\n".join(
        [
            *("### Claims that did not stand", ""),
            *(map(_claim, refuted) if refuted else ["None so far."]),
            *("", "### Runs that diverged", ""),
            *(list(_diverged()) or ["None so far."]),
            *("", "### Where another is faster than ours", ""),
            *(list(_slower()) or ["Nowhere, in what was measured."]),
            "",
        ]
    )


def _claim(verdict: Verdict) -> str:
    claim = verdict.claim
    return (
        f'- <a href="claims.html#claim-{claim.id}">Claim {claim.id}</a>, '
        f"{claim.source}: {plain(claim.statement)} "
        f"*{plain(verdict.estimate)}*"
    )


def _diverged() -> Iterator[str]:
    """Name the arms of the evidence in which training ended early."""
    for grid, profiles in records.grids().items():
        for profile in profiles:
            runs = records.evidence(grid, profile)
            lost = Counter(r.variant for r in runs if r.diverged)
            of = Counter(r.variant for r in runs)
            for arm, count in lost.items():
                yield (
                    f'- <a href="evidence.html#{records.slug(grid)}">'
                    f"{plain(grid)}</a>, {plain(arm)}: {count} of {of[arm]} "
                    f"runs, profile {plain(profile)}"
                )


def _slower() -> Iterator[str]:
    """Name the timings in which a peer took less time in most rounds."""
    folder = paths.PROJECT / "benchmarks/results"
    for path in sorted(folder.glob("*.json")):
        for row in json.loads(path.read_text())["rows"]:
            if row["high"] < 1:
                of = [f"{k} {v}" for k, v in row.items() if k not in SHOWN]
                yield (
                    f'- <a href="benchmarks.html#{path.stem}">{path.stem}</a>'
                    f", {plain(', '.join(of))}: {plain(row['peer'])} takes "
                    f"{row['ratio']:.2f} of our time"
                )
