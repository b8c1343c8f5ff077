"""Verdicts: planted evidence flips them, both ways."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats as oracle

from coursework import experiment
from coursework.claims import (
    Claim,
    Verdict,
    best_evidence,
    catalogue,
    decide,
)
from coursework.claims.measures import MEASURES
from coursework.claims.rules import (
    Above,
    Beyond,
    Every,
    Gain,
    Rule,
    Within,
)
from coursework.experiment import Declare
from coursework.launch.notebooks import notebooks
from tests import trials
from tests.trials import planted

BASE = np.array([0.80, 0.83, 0.79, 0.82, 0.81])
STEADY = np.array([0.0, 1e-3, -1e-3, 2e-3, -2e-3])  # mean 0


def claim(rule: Rule | None, number: int = 1, **options: Any) -> Claim:
    return Claim(
        id=number,
        source="R0",
        practical="p",
        statement="A beats B.",
        reported="+1",
        runs=1,
        rule=rule,
        **options,
    )


def verdict(rule: Rule | None, **options: Any) -> Verdict:
    return decide([claim(rule, **options)], best_evidence)[0]


def plant(difference: float, grid: str = "g", spread: float = 1.0) -> None:
    gaps = difference + spread * STEADY
    trials.evidence(grid, {"a": list(BASE + gaps), "b": list(BASE)})


def p_value(
    difference: float, margin: float, side: Literal["greater", "less"]
) -> float:
    gap = margin - difference
    return float(oracle.ttest_1samp(STEADY, gap, alternative=side).pvalue)


@pytest.mark.parametrize(
    ("difference", "margin", "status"),
    [
        (0.01, 0.0, "supported"),
        (-0.01, 0.0, "refuted"),
        (0.001, 0.0, "undecided"),
        (0.01, 0.02, "refuted"),
        (0.01, 0.0099, "undecided"),
    ],
)
def test_superiority(difference: float, margin: float, status: str) -> None:
    plant(difference)
    seen = verdict(Above("g", "a", "b", margin=margin))
    assert seen.status == status
    above = p_value(difference, margin, "greater")
    assert seen.finding is not None and seen.p is not None
    assert seen.finding.support == pytest.approx(above)
    assert seen.finding.refute == pytest.approx(1 - above)
    assert seen.p == pytest.approx(2 * min(above, 1 - above))
    assert seen.finding.estimate.mean == pytest.approx(difference)
    assert len(seen.finding.records) == 10


@pytest.mark.parametrize(
    ("difference", "status"),
    [
        (0.0, "supported"),
        (0.0045, "undecided"),  # above -0.005, but not below 0.005
        (-0.0045, "undecided"),
        (0.02, "refuted"),
        (-0.02, "refuted"),
    ],
)
def test_equivalence_needs_both_sides(difference: float, status: str) -> None:
    plant(difference)
    seen = verdict(Within("g", "a", "b", margin=0.005))
    assert seen.status == status
    sides = (
        p_value(difference, -0.005, "greater"),
        p_value(difference, 0.005, "less"),
    )
    assert seen.finding is not None
    assert seen.finding.support == pytest.approx(max(sides))


def test_a_number_in_place_of_a_second_variant() -> None:
    trials.evidence("g", {"a": list(0.95 + STEADY)})
    assert verdict(Above("g", "a", 0.94)).status == "supported"
    assert verdict(Above("g", "a", 0.96)).status == "refuted"
    assert verdict(Within("g", "a", 0.951, 0.01)).status == "supported"


def test_one_part_that_fails_refutes_the_whole() -> None:
    plant(0.02, "good")
    plant(-0.02, "bad")
    plant(0.0, "open")
    good, bad, still_open = (
        Above(g, "a", "b") for g in ("good", "bad", "open")
    )
    assert verdict(Every((good, good))).status == "supported"
    assert verdict(Every((good, bad))).status == "refuted"
    assert verdict(Every((good, still_open))).status == "undecided"
    weakest = verdict(Every((good, still_open))).finding
    assert weakest is not None
    assert weakest.estimate.mean == pytest.approx(0.0, abs=1e-12)
    assert weakest.support == pytest.approx(0.5)
    one = verdict(bad).finding
    one_of_two = verdict(Every((good, bad))).finding
    assert one is not None and one_of_two is not None
    assert one_of_two.refute == pytest.approx(2 * one.refute)
    assert len(weakest.records) == 20


def test_no_evidence_and_no_rule() -> None:
    plant(0.02, "good")
    missing = Every((Above("good", "a", "b"), Above("none", "a", "b")))
    assert verdict(missing).status == "no evidence yet"
    assert verdict(missing).estimate == ""
    seen = verdict(None, reason="needs a GPU cluster")
    assert seen.status == "not testable here"
    assert seen.estimate == "needs a GPU cluster"


def test_one_run_decides_nothing() -> None:
    trials.evidence("g", {"a": [0.9], "b": [0.1]})
    assert verdict(Above("g", "a", "b")).status == "undecided"


def test_the_number_of_claims_changes_a_verdict() -> None:
    difference = 0.0022
    assert 0.025 < 2 * p_value(difference, 0, "greater") < 0.05
    plant(difference, "one")
    plant(0.0, "other")
    one, other = claim(Above("one", "a", "b")), claim(Above("other", "a", "b"))
    assert decide([one], best_evidence)[0].status == "supported"
    both = decide([one, other], best_evidence)
    assert [seen.status for seen in both] == ["undecided", "undecided"]
    untested = claim(Above("nowhere", "a", "b"))
    assert decide([one, untested], best_evidence)[0].status == "supported"
    # five seeds did not decide it, so more are needed
    enough = int(both[0].estimate.split("about ")[1].split()[0])
    assert enough == 6


def test_the_number_of_parts_counts_in_what_would_decide() -> None:
    """One of two parts fails, but for their number not clearly enough."""
    plant(0.02, "good")
    plant(-0.0022, "low")
    low, good = (Above(grid, "a", "b") for grid in ("low", "good"))
    assert verdict(low).status == "refuted"
    seen = verdict(Every((low, good)))
    assert seen.status == "undecided"
    assert "about 6 seeds" in seen.estimate


def test_the_estimate_quotes_interval_and_number() -> None:
    plant(0.01)
    text = verdict(Above("g", "a", "b")).estimate
    assert text == (
        "accuracy, a against b: "
        "+0.0100 (95 % interval +0.0080 to +0.0120, n = 5)"
    )
    plant(0.0)
    assert "even a thousand seeds" in verdict(Above("g", "a", "b")).estimate


def test_full_evidence_comes_before_standard() -> None:
    plant(0.02)
    values = {"a": list(BASE - 0.02 + STEADY), "b": list(BASE)}
    trials.evidence("g", values, "full")
    assert verdict(Above("g", "a", "b")).status == "refuted"


def test_an_arm_run_at_several_rates_is_taken_as_validation_says() -> None:
    tuned = [
        planted(f"{arm}, rate {rate}", seed, test, grid="g", validation=[valid])
        for arm, rate, test, valid in (
            ("a", 0.1, 0.9, 0.5),
            ("a", 0.3, 0.7, 0.6),
            ("a b", 0.1, 0.1, 0.9),
            ("b", 0.1, 0.8, 0.9),
        )
        for seed in range(5)
    ]
    seen = decide([claim(Above("g", "a", "b"))], lambda _: tuned)[0]
    assert seen.finding is not None
    used = {record.variant for record in seen.finding.records}
    assert used == {"a, rate 0.3", "b, rate 0.1"}
    assert seen.finding.estimate.mean == pytest.approx(-0.1)


def test_an_arm_that_was_left_out_is_no_evidence() -> None:
    plant(0.02)
    assert verdict(Above("g", "a", "c")).status == "no evidence yet"


def declared() -> dict[str, set[str]]:
    """Collect each grid's arms in ``full``, as the notebooks declare them."""
    found: dict[str, set[str]] = {}

    def run(grid: str, declare: Declare, **_: Any) -> list[Any]:
        found[grid] = set(declare("full"))
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "run", run)
        for book in notebooks().values():
            names: dict[str, Any] = {}
            for cell in book.node.cells:
                # What draws results fails without runs, and doesn't matter.
                with contextlib.suppress(Exception):
                    if cell.cell_type == "code":
                        exec(cell.source, names)
    plt.close("all")
    return found


def test_every_arm_that_a_rule_names_is_declared() -> None:
    arms = declared()
    rules = [claim.rule for claim in catalogue.CLAIMS if claim.rule]
    for rule in rules:
        for part in rule.rules if isinstance(rule, Every) else (rule,):
            for name in (part.first, part.second):
                if isinstance(name, str):
                    assert any(
                        arm == name or arm.startswith(f"{name}, rate ")
                        for arm in arms[part.grid]
                    ), (part.grid, name)


def test_an_unknown_measure_is_named() -> None:
    plant(0.02)
    with pytest.raises(ValueError, match=r"measure 'speed'.*'accuracy'"):
        verdict(Above("g", "a", "b", measure="speed"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy", 0.9),
        ("first accuracy", 0.1),
        ("late rise", 0.4),
        ("seconds", 2.0),
        ("log seconds", np.log(2.0)),
    ],
)
def test_measures(name: str, value: float) -> None:
    curve = [0.1, 0.8, 0.2, 0.3, 0.7, 0.6]
    record = planted("a", 0, 0.9, validation=curve)
    assert MEASURES[name](record) == pytest.approx(value)


def parts(rule: Rule) -> Sequence[Above | Within | Beyond | Gain]:
    return rule.rules if isinstance(rule, Every) else (rule,)


def test_every_claim_has_a_number_and_a_rule_or_a_reason() -> None:
    claims = catalogue.CLAIMS
    assert len({c.id for c in claims}) == len(claims)
    for c in claims:
        assert bool(c.rule and c.how) != bool(c.reason), c.id
        for part in parts(c.rule) if c.rule else ():
            assert part.measure in MEASURES, c.id


def test_the_catalogue_without_evidence() -> None:
    expected = {"no evidence yet", "not testable here"}
    verdicts = catalogue.verdicts()
    assert {v.status for v in verdicts} <= expected
    assert [v.claim for v in verdicts] == list(catalogue.CLAIMS)


def test_the_catalogue_corrects_within_a_practical(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(0.0022)
    rule = Above("g", "a", "b")
    one, two = claim(rule), replace(claim(rule, 2), practical="q")
    monkeypatch.setattr(catalogue, "CLAIMS", (one, two))
    statuses = [v.status for v in catalogue.verdicts()]
    assert statuses == ["supported", "supported"]
    monkeypatch.setattr(catalogue, "CLAIMS", (one, replace(two, practical="p")))
    statuses = [v.status for v in catalogue.verdicts()]
    assert statuses == ["undecided", "undecided"]


def test_beyond_is_the_opposite_of_within() -> None:
    plant(0.02, "apart")
    plant(0.0, "alike")
    plant(0.0045, "open")
    found = [
        verdict(Beyond(grid, "a", "b", margin=0.005)).status
        for grid in ("apart", "alike", "open")
    ]
    assert found == ["supported", "refuted", "undecided"]


@pytest.mark.parametrize(
    ("gap", "status"),
    [(0.02, "supported"), (-0.02, "refuted"), (0.0, "undecided")],
)
def test_gain_compares_two_paired_differences(gap: float, status: str) -> None:
    trials.evidence(
        "g",
        {
            "control a": list(BASE),
            "a": list(BASE + 0.01 + gap + STEADY),
            "control b": list(BASE[::-1]),
            "b": list(BASE[::-1] + 0.01),
        },
    )
    seen = verdict(Gain("g", ("a", "control a"), ("b", "control b")))
    assert seen.status == status
    assert seen.finding is not None
    above = p_value(gap, 0.0, "greater")
    assert seen.finding.support == pytest.approx(above)
    assert len(seen.finding.records) == 20


def test_measures_of_costs_and_losses() -> None:
    record = planted("a", 0, 0.9, validation=[0.5, 0.9])
    record.history[-1]["train_loss"] = 0.25  # type: ignore[index]
    measured = {
        name: MEASURES[name](record)
        for name in (
            "overfitting",
            "train loss",
            "log seconds per multiply-add",
        )
    }
    assert measured == pytest.approx(
        {
            "overfitting": 0.75,
            "train loss": 0.25,
            "log seconds per multiply-add": -np.log(50 * 11),
        }
    )
