"""Claims that no practical of this book has taken up: no rule, no verdict.

A practical that takes one up moves it into a module of its own, with a rule
that is committed before the evidence.
"""

from __future__ import annotations

from coursework.claims import Claim

TRANSFER = "transfer learning on photographs of birds"
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
    _awaiting(
        43,
        TRANSFER,
        "Mixed precision halves memory and speeds training without losing "
        "accuracy.",
    ),
    _awaiting(
        44,
        TRANSFER,
        "Smaller batches generalise worse and need more updates.",
    ),
    _awaiting(45, TRANSFER, "Too large a batch hardly reaches a good result."),
    _awaiting(
        46, TRANSFER, "Freezing saves memory and guards against overfitting."
    ),
    _awaiting(
        47,
        TRANSFER,
        "ResNet-50 with its last stage and head trained does well; ViT-B/16 "
        "with one block trained does worse, for too little of it is trained.",
        reported="one run each, no accuracy given",
        runs=1,
    ),
    _awaiting(
        48,
        TRANSFER,
        "Pictures resized to 256 and cropped to 224 do better than larger "
        "ones.",
        reported="one run each, no accuracy given",
        runs=1,
    ),
    _awaiting(
        49,
        TRANSFER,
        "Features extracted once do as well as the frozen network in the loop.",
    ),
    _awaiting(
        50,
        TRANSFER,
        "Early layers are general and late ones specific to the task, so the "
        "late ones are those to train.",
    ),
    _awaiting(
        51,
        TRANSFER,
        "In a ViT, tuning attention and freezing the MLPs loses nothing and "
        "saves memory.",
    ),
    _awaiting(
        52,
        TRANSFER,
        "ViT lacks locality and translation equivariance, so it needs more "
        "data than a ResNet of its size.",
    ),
    _awaiting(
        53,
        TRANSFER,
        "Another image size hurts a ViT through its position embedding, the "
        "more the further it is from the first.",
    ),
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
        61,
        TRANSFER,
        "Many zeros in the training accuracy at the start mean that something "
        "is wrong.",
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
