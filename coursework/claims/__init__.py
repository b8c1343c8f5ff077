"""Statements of the reference reports and the verdicts of our own runs.

A verdict is computed when a page is built, never typed.  Within a practical
the p-values are adjusted by Holm's steps, twice the smaller of both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from coursework import records, stats
from coursework.claims.rules import (
    Every,
    Finding,
    Lookup,
    NoEvidenceError,
    Rule,
)
from coursework.records import Record

Status = Literal[
    "supported", "refuted", "undecided", "no evidence yet", "not testable here"
]
ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a report says, in our words, and how our runs decide it.

    ``reported`` is what the report gives for it, ``runs`` its number of runs
    (None where there is none).  A claim without a rule says in ``reason``
    why it can't be tested here; or that no practical has taken it up yet, and
    then ``practical`` is empty.
    """

    id: int
    source: str
    practical: str
    statement: str
    reported: str
    runs: int | None
    rule: Rule | None = None
    how: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A claim with what our runs say of it."""

    claim: Claim
    status: Status
    finding: Finding | None = None
    p: float | None = None

    @property
    def estimate(self) -> str:
        """Mean difference, interval and n; what would decide it if open."""
        if self.finding is None:
            return self.claim.reason
        seen = self.finding.estimate
        text = (
            f"{self.finding.what}: {seen.mean:+.4f} (95 % interval "
            f"{seen.low:+.4f} to {seen.high:+.4f}, n = {seen.n})"
        )
        if self.status == "undecided":
            # what both sides, other parts and claims leave of 5 % to one test
            margin = self.finding.margin
            single = min(seen.p_above(margin), seen.p_below(margin))
            level = ALPHA * single / (self.p or 1)
            enough = stats.runs_to_decide(seen, margin, level)
            text += (
                f"; about {enough} seeds would decide it"
                if enough
                else "; even a thousand seeds would not decide it"
            )
        return text


def decide(claims: Sequence[Claim], lookup: Lookup) -> list[Verdict]:
    """Give each claim its verdict, with Holm's adjustment over all given.

    ``lookup`` maps a grid's name to its evidence, empty where there is none.
    """
    findings = [_finding(claim, lookup) for claim in claims]
    tested = [i for i, finding in enumerate(findings) if finding]
    raw = [_both_sides(f) for f in findings if f]
    adjusted = dict(zip(tested, stats.holm(raw), strict=True))
    return [
        Verdict(
            claim=claim,
            finding=finding,
            p=adjusted.get(i),
            status=_status(claim, finding, adjusted.get(i)),
        )
        for i, (claim, finding) in enumerate(zip(claims, findings, strict=True))
    ]


def best_evidence(grid: str) -> list[Record]:
    """Read a grid's committed records, ``full`` before ``standard``."""
    return records.evidence(grid, "full") or records.evidence(grid, "standard")


def _finding(claim: Claim, lookup: Lookup) -> Finding | None:
    if claim.rule is None or not all(map(lookup, _grids(claim.rule))):
        return None
    try:
        return claim.rule.find(lookup)
    except NoEvidenceError:
        return None


def _grids(rule: Rule) -> set[str]:
    parts = rule.rules if isinstance(rule, Every) else (rule,)
    return {part.grid for part in parts}


def _both_sides(finding: Finding) -> float:
    return min(1.0, 2 * min(finding.support, finding.refute))


def _status(claim: Claim, finding: Finding | None, p: float | None) -> Status:
    if claim.rule is None and claim.practical:
        return "not testable here"
    if finding is None or p is None:
        return "no evidence yet"
    if not p < ALPHA:
        return "undecided"
    return "supported" if finding.support < finding.refute else "refuted"
