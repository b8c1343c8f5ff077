"""Claims that no practical of this book has taken up: no rule, no verdict.

A practical that takes one up moves it into a module of its own, with a rule
that is committed before the evidence.
"""

from __future__ import annotations

from coursework.claims import Claim

REGULARISATION = "losses, optimisers and regularisation in transfer learning"
GENERATION = "generated pictures"
REMARK = "a remark, no numbers"


def _awaiting(
    number: int,
    topic: str,
    statement: str,
    *,
    source: str = "R3",
    reported: str = REMARK,
    runs: int | None = None,
) -> Claim:
    return Claim(
        id=number,
        source=source,
        practical="",
        statement=statement,
        reported=reported,
        runs=runs,
        reason=f"Its practical, on {topic}, is not part of this book yet; so "
        "it has no rule.",
    )


CLAIMS = (
    _awaiting(54, REGULARISATION, "Batch norm makes dropout needless."),
    _awaiting(
        55,
        REGULARISATION,
        "Batch norm speeds convergence, dropout slows it.",
    ),
    _awaiting(
        56,
        REGULARISATION,
        "Focal loss helps where classes are unequally frequent; label "
        "smoothing reduces overfitting.",
    ),
    _awaiting(
        57,
        REGULARISATION,
        "Adam converges fast and generalises well on large sets, SGD is "
        "steadier on small ones, AdamW suits networks with batch norm.",
    ),
    _awaiting(
        58,
        REGULARISATION,
        "Ensembles gain only from members that are good and err differently.",
    ),
    _awaiting(
        59,
        REGULARISATION,
        "Leave-one-out validation has high variance and high cost.",
    ),
    _awaiting(
        60,
        GENERATION,
        "Pictures that a conditional generator makes, with their labels, are "
        "useful augmentation.",
    ),
    _awaiting(
        82,
        REGULARISATION,
        "Focal loss and cutout lower the result.",
        source="R4",
        reported="mAP of 88.46 with focal loss, 86.58 with cutout",
        runs=1,
    ),
)
