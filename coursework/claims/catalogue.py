"""All claims of all practicals; a practical adds its file's here."""

from __future__ import annotations

from coursework.claims import (
    Claim,
    Verdict,
    activations,
    best_evidence,
    decide,
    mnist_zoo,
    numpy_mlp,
    residual,
    triplet,
)

CLAIMS: tuple[Claim, ...] = (
    *numpy_mlp.CLAIMS,
    *activations.CLAIMS,
    *mnist_zoo.CLAIMS,
    *residual.CLAIMS,
    *triplet.CLAIMS,
)


def verdicts() -> list[Verdict]:
    """Decide every claim from committed evidence, practical by practical."""
    practicals = dict.fromkeys(claim.practical for claim in CLAIMS)
    return [
        verdict
        for practical in practicals
        for verdict in decide(
            [claim for claim in CLAIMS if claim.practical == practical],
            best_evidence,
        )
    ]
