"""Practicals 3 and 4: what reports R2 and R4 say of residual networks.

Margins: half a point of test accuracy "hardly" matters at these budgets, ten
points are a collapse.
"""

from __future__ import annotations

import itertools
import math

from coursework.claims import Claim
from coursework.claims.rules import Above, Every, Gain, Within

HARDLY = 0.005
COLLAPSE = 0.1
PRACTICAL = "03_residual_operations"
DEEPER = tuple(itertools.pairwise((18, 34, 50, 101)))

CLAIMS = (
    Claim(
        id=27,
        source="R2",
        practical=PRACTICAL,
        statement="Deeper ResNets are worse from 34 layers on.",
        reported="98.75, 98.85, 98.81 and 98.38 % with 18, 34, 50 and 101",
        runs=1,
        rule=Every(
            tuple(
                Above("residual-depth", "add, depth 34", f"add, depth {deep}")
                for deep in (50, 101)
            )
        ),
        how="Test accuracy with 34 layers above that with 50 and with 101.",
    ),
    Claim(
        id=28,
        source="R2",
        practical=PRACTICAL,
        statement="Without shortcuts accuracy falls with depth.",
        reported="98.74, 98.39, 97.82 and 96.77 %; again 98.66 to 96.89 %",
        runs=2,
        rule=Every(
            tuple(
                Above(
                    "residual-depth",
                    f"plain, depth {less}",
                    f"plain, depth {more}",
                )
                for less, more in DEEPER
            )
        ),
        how="Test accuracy falls at each step from 18 over 34 and 50 to 101 "
        "layers.",
    ),
    Claim(
        id=29,
        source="R2",
        practical=PRACTICAL,
        statement="The fall is not overfitting: training loss does not go down "
        "with depth either.",
        reported="one curve each",
        runs=1,
        rule=Every(
            tuple(
                Above(
                    "residual-depth",
                    f"plain, depth {more}",
                    f"plain, depth {less}",
                    measure="train loss",
                )
                for less, more in DEEPER
            )
        ),
        how="The last epoch's training loss without shortcuts rises at each "
        "step of depth.",
    ),
    Claim(
        id=30,
        source="R2",
        practical=PRACTICAL,
        statement="With shortcuts there is no such fall.",
        reported="98.82, 98.82, 98.19 and 98.56 %",
        runs=1,
        rule=Every(
            tuple(
                Above(
                    "residual-depth",
                    f"add, depth {more}",
                    "add, depth 18",
                    margin=-HARDLY,
                )
                for more in (34, 50, 101)
            )
        ),
        how="Test accuracy with 34, 50 and 101 layers at most half a point "
        "below that with 18.",
    ),
    Claim(
        id=31,
        source="R2",
        practical=PRACTICAL,
        statement="Subtraction in the shortcut does as well as addition.",
        reported="98.77 against 98.82 %",
        runs=1,
        rule=Every(
            tuple(
                Within(
                    "residual-operations", f"{skip}, norm", "add, norm", HARDLY
                )
                for skip in ("subtract", "reverse-subtract")
            )
        ),
        how="Test accuracy of s - h, as in R2's code, and of h - s, as in its "
        "text, within half a point of s + h.",
    ),
    Claim(
        id=32,
        source="R2",
        practical=PRACTICAL,
        statement="Multiplication makes accuracy collapse.",
        reported="87.75 % with 18 layers, 11.11 and 9.68 % with more",
        runs=1,
        rule=Above(
            "residual-operations", "add, norm", "multiply, norm", COLLAPSE
        ),
        how="With 18 layers and batch norm, test accuracy more than ten points "
        "below addition's.",
    ),
    Claim(
        id=33,
        source="R2",
        practical=PRACTICAL,
        statement="Multiplication collapses because gradients explode or "
        "vanish, and batch norm makes it worse.",
        reported="no measurement",
        runs=None,
        rule=Every(
            (
                Above(
                    "residual-operations",
                    "multiply, norm",
                    "add, norm",
                    math.log(10),
                    measure="gradient spread",
                ),
                Above(
                    "residual-operations",
                    "multiply, norm",
                    "multiply, no norm",
                    measure="gradient spread",
                ),
                Above(
                    "residual-operations", "multiply, no norm", "multiply, norm"
                ),
            )
        ),
        how="Before training, first and last unit's gradients lie apart more "
        "than ten times further than with addition, and further with batch "
        "norm than without; and test accuracy with batch norm is below that "
        "without.",
    ),
    Claim(
        id=34,
        source="R2",
        practical=PRACTICAL,
        statement="Without batch norm multiplication hardly converges.",
        reported="11.18 % with all depths, flat loss",
        runs=1,
        rule=Above(
            "residual-operations", "add, no norm", "multiply, no norm", COLLAPSE
        ),
        how="With 18 layers and no batch norm in the branches, test accuracy "
        "more than ten points below addition's.",
    ),
    Claim(
        id=36,
        source="R2",
        practical=PRACTICAL,
        statement="A trained SE network gives channels clearly different "
        "weights.",
        reported="range of the gates 0.005 to 0.491 by block",
        runs=1,
        rule=Every(
            tuple(
                Above(
                    "se-depth",
                    f"SE-ResNet-{depth}",
                    0.1,
                    measure="gate range",
                )
                for depth in (18, 34)
            )
        ),
        how="Largest minus smallest gate of a block above 0.1 in the mean over "
        "blocks and pictures, with 18 and with 34 layers.",
    ),
    Claim(
        id=37,
        source="R2",
        practical=PRACTICAL,
        statement="SE-ResNet-18's gates range wider than SE-ResNet-34's, which "
        "is why it gains more over its ResNet.",
        reported="one picture; gains of 0.38 and 0.03 points",
        runs=1,
        rule=Every(
            (
                Above(
                    "se-depth",
                    "SE-ResNet-18",
                    "SE-ResNet-34",
                    measure="gate range",
                ),
                Gain(
                    "se-depth",
                    ("SE-ResNet-18", "ResNet-18"),
                    ("SE-ResNet-34", "ResNet-34"),
                ),
            )
        ),
        how="Mean range of the gates wider with 18 layers, and SE's gain in "
        "test accuracy larger. (Both together would not yet make one the "
        "cause of the other.)",
    ),
    Claim(
        id=81,
        source="R4",
        practical=PRACTICAL,
        statement="1×1 filters and drop mechanisms keep a deeper network light "
        "without losing accuracy.",
        reported="no run",
        runs=None,
        rule=Every(
            tuple(
                Above("residual-light", deeper, "depth 18", margin=-HARDLY)
                for deeper in (
                    "depth 50, 1×1 bottlenecks",
                    "depth 34, stochastic depth",
                    "depth 34, DropBlock",
                )
            )
        ),
        how="At about equal multiply-adds, test accuracy of the deeper network "
        "at most half a point below that of ResNet-18.",
    ),
)
