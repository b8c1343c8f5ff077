"""Practical 1b: what report R1 says of activations on two moons.

The rules count networks, not runs: one run holds a whole stack of them.  A
network fits if it gets every training point right.  An activation "lets a
network fit" if more than half of its networks do: the linear control, which
no training helps, has none.  Margins of accuracy: half a point where two
activations that both fit are told apart, five points above the linear
control.
"""

from __future__ import annotations

from dataclasses import dataclass

from coursework.claims import Claim
from coursework.claims.rules import Above, Every, Finding, Lookup
from coursework.stacks import networks

GRID, PRACTICAL = "moons-activations", "01b_what_is_an_activation"
HALF, HALF_A_POINT, FIVE_POINTS = 0.5, 0.005, 0.05
FIT = ("abs", "exp", "exp × cos", "sin", "x²", "ReLU", "sigmoid", "sort")
FAIL = ("1/x", "tan", "sign")


@dataclass(frozen=True)
class Networks(Above):
    """Decide over networks: pairs are those that began with equal weights."""

    def find(self, lookup: Lookup) -> Finding:
        """Test as :class:`Above` does, with a record of each network."""
        return super().find(lambda grid: networks(lookup(grid)))


def most(arm: str, measure: str) -> Networks:
    """More than half of an arm's networks do what is measured."""
    return Networks(GRID, arm, HALF, measure=measure)


CLAIMS = (
    Claim(
        id=20,
        source="R1",
        practical=PRACTICAL,
        statement="abs, exp, exp × cos, sin, x², ReLU, sigmoid, sort and "
        "permute let a 2-10-10-1 network fit two moons.",
        reported="one animation each",
        runs=1,
        rule=Every(tuple(most(arm, "fits") for arm in (*FIT, "permute"))),
        how="For each of the nine, more than half of the networks get every "
        "training point right.",
    ),
    Claim(
        id=21,
        source="R1",
        practical=PRACTICAL,
        statement="With 1/x, tan and sign the network does not fit.",
        reported="one animation each",
        runs=1,
        rule=Every(tuple(most(arm, "misses") for arm in FAIL)),
        how="For each of the three, more than half of the networks get at "
        "least one training point wrong.",
    ),
    Claim(
        id=22,
        source="R1",
        practical=PRACTICAL,
        statement="Sorting a layer's values is non-linearity enough.",
        reported="one animation",
        runs=1,
        rule=Every(
            (
                most("sort", "fits"),
                Networks(GRID, "sort", "linear", FIVE_POINTS),
            )
        ),
        how="With sort after the first layer and nothing after the second, "
        "more than half of the networks fit, and test accuracy is more than "
        "five points above the linear control's.",
    ),
    Claim(
        id=23,
        source="R1",
        practical=PRACTICAL,
        statement="A network whose second layer is put in the order of the "
        "first layer's values converges too.",
        reported="one animation",
        runs=1,
        rule=Every(
            (
                most("permute", "fits"),
                Networks(GRID, "permute", "linear", FIVE_POINTS),
            )
        ),
        how="As for sort, with nothing but the new order between the layers.",
    ),
    Claim(
        id=24,
        source="R1",
        practical=PRACTICAL,
        statement="The activation decides how a network generalises; that it "
        "fits comes from back-propagation.",
        reported="a remark",
        runs=None,
        rule=Every(
            (
                Networks(GRID, "sigmoid", "exp", HALF_A_POINT),
                Networks(
                    GRID,
                    "sigmoid",
                    "sigmoid, readout only",
                    HALF,
                    measure="fits",
                ),
                Networks(
                    GRID, "exp", "exp, readout only", HALF, measure="fits"
                ),
            )
        ),
        how="Two activations with which networks fit differ by more than "
        "half a point on held-out points (sigmoid above exp); and where the "
        "hidden layers stay as drawn, so that back-propagation does not reach "
        "them, the share of networks that fit is lower by more than half.",
    ),
)
