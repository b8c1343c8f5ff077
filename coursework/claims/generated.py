"""Practical 6c: what report R3 expects of generated pictures.

The margin: a point of accuracy is the smallest difference worth talking about.
"""

from __future__ import annotations

from coursework.claims import Claim
from coursework.claims.rules import Above, Every

POINT = 0.01
GRID = "generated-few"
FEW = (5, 10, 50)

CLAIMS = (
    Claim(
        id=60,
        source="R3",
        practical="06c_generated_data",
        statement="Pictures that a conditional generator makes, with their "
        "labels, are useful augmentation.",
        reported="a remark, no numbers",
        runs=None,
        rule=Every(
            tuple(
                Above(GRID, f"{k} real, generated", other, POINT)
                for k in FEW
                for other in (f"{k} real", f"{k} real, augmented")
            )
        ),
        how="With 5, with 10 and with 50 real pictures a class: adding "
        "pictures that a conditional GAN drew, which saw the same real ones "
        "only, gains more than a point of accuracy over the real ones alone, "
        "and beats as many changed real ones by more than a point.",
    ),
)
