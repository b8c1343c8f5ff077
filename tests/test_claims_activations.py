"""Claims on activations: decided over the networks of a stack."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from coursework import records
from coursework.claims import Verdict, activations, best_evidence, decide
from tests.trials import planted

FITS = 19 * [1.0] + [0.0]
FAILS = 19 * [0.0] + [1.0]
GOOD = [0.99 + 1e-4 * (i % 3) for i in range(20)]
POOR = [0.87] * 20
ARMS = {
    **dict.fromkeys((*activations.FIT, "permute"), (FITS, GOOD)),
    **dict.fromkeys(activations.FAIL, (FAILS, POOR)),
    "linear": (20 * [0.0], POOR),
    "sigmoid": (FITS, [value + 0.009 for value in GOOD]),
    "sigmoid, readout only": (FAILS, POOR),
    "exp, readout only": (FAILS, POOR),
}
Arms = Mapping[str, tuple[list[float], list[float]]]


def verdicts(changes: Arms) -> dict[int, Verdict]:
    """Decide from one record an arm, each with twenty networks."""
    records.promote(
        [
            planted(
                arm,
                0,
                0.0,  # what the record says of all networks decides nothing
                grid=activations.GRID,
                notes={
                    "networks": {
                        "accuracy": tests,
                        "fits": fits,
                        "beyond linear": tests,
                    }
                },
            )
            for arm, (fits, tests) in {**ARMS, **changes}.items()
        ]
    )
    moons = [
        claim
        for claim in activations.CLAIMS
        if claim.practical == activations.PRACTICAL
    ]
    seen = decide(moons, best_evidence)
    return {verdict.claim.id: verdict for verdict in seen}


def test_all_hold_and_n_counts_networks() -> None:
    seen = verdicts({})
    assert set(seen) == {20, 21, 22, 23, 24}
    assert {verdict.status for verdict in seen.values()} == {"supported"}
    for verdict in seen.values():
        assert verdict.finding is not None
        assert verdict.finding.estimate.n == 20
    assert seen[20].finding is not None
    assert seen[20].finding.estimate.mean == pytest.approx(0.95 - 0.5)


@pytest.mark.parametrize(
    ("arm", "fits", "tests", "refuted"),
    [
        ("abs", FAILS, GOOD, {20}),
        ("tan", FITS, POOR, {21}),
        ("sort", FAILS, GOOD, {20, 22}),
        ("sort", FITS, POOR, {22}),
        ("permute", FAILS, GOOD, {20, 23}),
        ("permute", FITS, POOR, {23}),
        ("sigmoid", FITS, GOOD, {24}),
        ("exp, readout only", FITS, GOOD, {24}),
    ],
)
def test_each_claim_can_be_refuted(
    arm: str, fits: list[float], tests: list[float], refuted: set[int]
) -> None:
    seen = verdicts({arm: (fits, tests)})
    wrong = {i for i, verdict in seen.items() if verdict.status != "supported"}
    assert wrong == refuted
    assert {seen[i].status for i in refuted} == {"refuted"}


def test_half_of_the_networks_decide_nothing() -> None:
    half = 10 * [1.0] + 10 * [0.0]
    assert verdicts({"sin": (half, GOOD)})[20].status == "undecided"
