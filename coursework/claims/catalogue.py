"""All claims of all practicals; a practical adds its file's here."""

from __future__ import annotations

from coursework.claims import (
    Claim,
    Verdict,
    activations,
    best_evidence,
    decide,
    fine_grained,
    generated,
    mnist_zoo,
    numpy_mlp,
    residual,
    tiny_voc,
    tricks,
    triplet,
)

CLAIMS: tuple[Claim, ...] = (
    *numpy_mlp.CLAIMS,
    *activations.CLAIMS,
    *mnist_zoo.CLAIMS,
    *residual.CLAIMS,
    *tiny_voc.CLAIMS,
    *fine_grained.CLAIMS,
    *tricks.CLAIMS,
    *generated.CLAIMS,
    *triplet.CLAIMS,
)


def verdicts(practical: str | None = None) -> list[Verdict]:
    """Decide claims from committed evidence: all, or those of a practical.

    Practical by practical, for what is adjusted for their number is adjusted
    within one.
    """
    practicals = dict.fromkeys(claim.practical for claim in CLAIMS)
    found = {
        verdict.claim.id: verdict
        for name in practicals
        if practical in (None, name)
        for verdict in decide(
            [claim for claim in CLAIMS if claim.practical == name],
            best_evidence,
        )
    }
    return [found[claim.id] for claim in CLAIMS if claim.id in found]
