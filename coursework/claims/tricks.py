"""Practicals 6b and 6g: what R3 and R4 say of losses, optimisers and the like.

Margins: a point of accuracy is the smallest difference worth talking about, a
tenth of a nat a large part of a loss.
"""

from __future__ import annotations

import math
from functools import partial

from coursework.claims import Claim
from coursework.claims.rules import Above, Every

POINT = 0.01
NATS = 0.1
PRACTICAL = "06b_training_tricks"
SEVERAL = "06g_ensembles_and_estimates"
GRID = "tricks"

remark = partial(Claim, source="R3", reported="a remark, no numbers", runs=None)

CLAIMS = (
    remark(
        id=54,
        practical=PRACTICAL,
        statement="Batch norm makes dropout needless.",
        rule=Every(
            (
                Above(GRID, "baseline", "dropout", -POINT),
                Above(GRID, "no batch norm, dropout", "no batch norm"),
            )
        ),
        how="With batch norm dropout adds less than a point of accuracy; "
        "without batch norm it adds something.",
    ),
    remark(
        id=55,
        practical=PRACTICAL,
        statement="Batch norm speeds convergence, dropout slows it.",
        rule=Every(
            (
                Above(
                    GRID,
                    "no batch norm",
                    "baseline",
                    NATS,
                    measure="early loss",
                ),
                Above(GRID, "dropout", "baseline", NATS, measure="early loss"),
            )
        ),
        how="After a quarter of the epochs training loss is higher by more "
        "than a tenth of a nat without batch norm, and with dropout, with "
        "which that loss is taken.",
    ),
    remark(
        id=56,
        practical=SEVERAL,
        statement="Focal loss helps where classes are unequally frequent; "
        "label smoothing reduces overfitting.",
        rule=Every(
            (
                Above(
                    "tricks-imbalanced",
                    "focal loss",
                    "cross-entropy",
                    POINT,
                    measure="macro recall",
                ),
                Above(
                    GRID,
                    "baseline",
                    "label smoothing",
                    NATS,
                    measure="overfitting",
                ),
            )
        ),
        how="Where the rarest class has a tenth of the pictures of the most "
        "frequent one, focal loss raises the mean recall over classes by more "
        "than a point; and label smoothing lowers, by more than a tenth of a "
        "nat, how far validation loss lies above training loss, both smoothed.",
    ),
    remark(
        id=57,
        practical=PRACTICAL,
        statement="Adam converges fast and generalises well on large sets, SGD "
        "is steadier on small ones, AdamW suits networks with batch norm.",
        rule=Every(
            (
                Above(GRID, "SGD", "Adam", NATS, measure="early loss"),
                Above(GRID, "Adam", "SGD", NATS, measure="loss rises"),
                Above(GRID, "baseline", "Adam"),
            )
        ),
        how="On this small set: Adam's training loss is lower than SGD's after "
        "a quarter of the epochs; Adam's rises more from epoch to epoch; and "
        "AdamW, on a network with batch norm, beats Adam.  Large sets are not "
        "tested here.",
    ),
    remark(
        id=58,
        practical=SEVERAL,
        statement="Ensembles gain only from members that are good and err "
        "differently.",
        rule=Every(
            (
                Above(
                    "tricks-ensembles",
                    "five sizes",
                    "five copies",
                    POINT,
                    measure="ensemble gain",
                ),
                Above(
                    "tricks-ensembles",
                    "five sizes",
                    "one good, four bad",
                    POINT,
                    measure="ensemble gain",
                ),
            )
        ),
        how="Over their best member, five heads on features of five picture "
        "sizes gain more than a point more than five copies of one head, and "
        "than one head on ImageNet's features with four on random ones.",
    ),
    remark(
        id=59,
        practical=SEVERAL,
        statement="Leave-one-out validation has high variance and high cost.",
        rule=Every(
            (
                Above(
                    "tricks-folds",
                    "leave one out",
                    "four folds",
                    POINT,
                    measure="estimate error",
                ),
                Above(
                    "tricks-folds",
                    "leave one out",
                    "four folds",
                    math.log(2),
                    measure="log seconds",
                ),
            )
        ),
        how="Its estimate of accuracy is wrong by a point more than that of "
        "four folds, on average, and it takes more than twice as long.",
    ),
    Claim(
        id=82,
        source="R4",
        practical=PRACTICAL,
        statement="Focal loss and cutout lower the result.",
        reported="mAP of 88.46 with focal loss, 86.58 with cutout",
        runs=1,
        rule=Every(
            (
                Above(GRID, "baseline", "focal loss"),
                Above(GRID, "baseline", "random erasing"),
            )
        ),
        how="Of a classifier, not of a detector: accuracy is lower with focal "
        "loss, and with a random rectangle of each picture erased.",
    ),
)
