"""Practical 5: what report R1 says of networks that tell several classes.

Margins: a point of mean average precision, or of F1, is the smallest
difference worth talking about; a tenth of a nat is a large part of a loss
that, for a class that half of the pictures show, can't exceed ln 2 unless a
network is surer than it should be.
"""

from __future__ import annotations

from coursework.claims import Claim
from coursework.claims.rules import Above, Every, Gain

POINT = 0.01
OVERFIT = 0.1  # nats
DROP = 0.1  # of the loss at half time
PRACTICAL = "05_tiny_voc"
REMEDIES = "05b_tiny_voc_ablations"
CAUSES = "05c_tiny_voc_vit"


def _more_for_vit(what: str, *, worse: bool = False) -> Gain:
    """ViT gains more by something (or loses more by it) than VGG does."""
    pairs = [
        (name, f"{name}, {what}") if worse else (f"{name}, {what}", name)
        for name in ("ViT", "VGG")
    ]
    return Gain("voc-vit", pairs[0], pairs[1], POINT, measure="mAP")


CLAIMS = (
    Claim(
        id=14,
        source="R1",
        practical=PRACTICAL,
        statement="On Tiny-VOC ResNet-18 beats LeNet, VGG and ViT.",
        reported="F1 of 0.83, against 0.76, 0.75 and 0.70",
        runs=1,
        rule=Every(
            tuple(
                Above(
                    "voc-networks",
                    "ResNet-18",
                    other,
                    POINT,
                    measure="macro F1",
                )
                for other in ("LeNet", "VGG", "ViT")
            )
        ),
        how="F1, the mean over classes with thresholds chosen on validation, "
        "more than a point above that of each other network, all from "
        "scratch and each at the best of three rates.",
    ),
    Claim(
        id=15,
        source="R1",
        practical=CAUSES,
        statement="Convnets may beat ViT on small multi-label data because it "
        "is small, ViT needs more epochs, is sensitive to hyper-parameters, or "
        "must be larger.",
        reported="four causes, none tested",
        runs=1,
        rule=Every(
            (
                _more_for_vit("quarter of the data", worse=True),
                _more_for_vit("twice the epochs"),
                _more_for_vit("ten times the rate", worse=True),
                Above("voc-vit", "ViT, larger", "ViT", POINT, measure="mAP"),
            )
        ),
        how="Each cause its own part, and all must hold: mean average "
        "precision of ViT falls more than a point further than VGG's with a "
        "quarter of the pictures and with ten times the rate, gains more than "
        "a point more than VGG's by twice the epochs, and rises by more "
        "than a point with twice the width.",
    ),
    Claim(
        id=16,
        source="R1",
        practical=REMEDIES,
        statement="Facing overfitting, better regularisation beats a smaller "
        "network.",
        reported="no numbers",
        runs=None,
        rule=Above(
            "voc-regularised", "all three", "half the width", measure="mAP"
        ),
        how="Mean average precision of the VGG with augmentation, batch norm "
        "and dropout above that of one of half the width with none of them.",
    ),
    Claim(
        id=17,
        source="R1",
        practical=CAUSES,
        statement="Trained on and on, an overfitting large network's test loss "
        "drops suddenly late.",
        reported="seen once, no numbers",
        runs=None,
        rule=Above("voc-long", "VGG, on and on", DROP, measure="late drop"),
        how="Validation loss of a VGG without any regularisation, on a quarter "
        "of the pictures for a hundred epochs at a constant rate, falls in the "
        "second half by more than a tenth of its value at half time.",
    ),
    Claim(
        id=18,
        source="R1",
        practical=CAUSES,
        statement="ResNet's and ViT's losses oscillate in training; the "
        "learning rate is the cause.",
        reported="no numbers",
        runs=None,
        rule=Every(
            tuple(
                Above(
                    "voc-long",
                    f"{name}, constant rate",
                    f"{name}, a tenth of the rate",
                    POINT,
                    measure="loss rises",
                )
                for name in ("ResNet-18", "ViT")
            )
        ),
        how="For both networks, at a constant rate: the rises of the training "
        "loss from epoch to epoch add up to more, by a hundredth of a nat, "
        "than at a tenth of the rate.",
    ),
    Claim(
        id=19,
        source="R1",
        practical=REMEDIES,
        statement="Networks overfit Tiny-VOC easily, so augmentation, batch "
        "norm and dropout are needed.",
        reported="no numbers",
        runs=None,
        rule=Every(
            (
                Above(
                    "voc-regularised",
                    "none of them",
                    OVERFIT,
                    measure="overfitting",
                ),
                *(
                    Above("voc-regularised", arm, "none of them", measure="mAP")
                    for arm in ("augmentation", "batch norm", "dropout")
                ),
            )
        ),
        how="Without any of the three, validation loss ends more than a tenth "
        "of a nat above training loss; and each alone raises mean average "
        "precision.",
    ),
)
