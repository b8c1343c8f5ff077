"""Practicals 1b and 1f: what the reports say of activations.

On two moons the rules count networks, not runs: one run holds a whole stack
of them.  A network fits if it gets every training point right.  An activation
"lets a network fit" if more than half of its networks do: the linear control,
which no training helps, has none.  Margins of accuracy: half a point where two
activations that both fit are told apart, five points above the linear
control.

In networks of pictures they count runs.  Half a point is what "no accuracy"
or "not always" may hide, a point what a cure must gain, five points what
"works well" may stay behind; units die by the rate if it costs five in a
hundred of them, and weights are held back if they grow by 1 % less.
"""

from __future__ import annotations

from dataclasses import dataclass

from coursework.claims import Claim
from coursework.claims.rules import Above, Every, Finding, Lookup
from coursework.stacks import networks

GRID, PRACTICAL = "moons-activations", "01b_what_is_an_activation"
SWAPS, DEEP = "activations-swapped", "activations-deep"
IN_NETWORKS = "01f_activations_in_networks"
POINT, PER_CENT = 0.01, 0.01
FAST = "ten times the rate"
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
    Claim(
        id=70,
        source="R0",
        practical=IN_NETWORKS,
        statement="ReLU runs much faster than leaky ReLU and GELU.",
        reported="a remark",
        runs=None,
        reason="No run can tell: a run's seconds hold all other work, too. The "
        "benchmark of activations compares them alone, and the practical's "
        "page says what it found.",
    ),
    Claim(
        id=74,
        source="R4",
        practical=IN_NETWORKS,
        statement="SiLU stabilises itself: its minimum is a soft floor that "
        "regularises large weights.",
        reported="a remark",
        runs=None,
        rule=Above(
            SWAPS, "LeNet, relu", "LeNet, silu", PER_CENT, "weight growth"
        ),
        how="In LeNet the weights grow, on average over layers, by 1 % less "
        "with SiLU than with ReLU, which has a floor but no minimum.",
    ),
    Claim(
        id=75,
        source="R4",
        practical=IN_NETWORKS,
        statement="Hard versions of activations lose no accuracy and cost "
        "less.",
        reported="a remark",
        runs=None,
        rule=Every(
            tuple(
                Above(
                    SWAPS,
                    f"{network}, hard-swish",
                    f"{network}, silu",
                    -HALF_A_POINT,
                )
                for network in ("LeNet", "ResNet-18")
            )
        ),
        how="In LeNet and in ResNet-18 hard-swish is less than half a point "
        "below SiLU. What it costs is left to the benchmark of activations.",
    ),
    Claim(
        id=76,
        source="R4",
        practical=IN_NETWORKS,
        statement="Sigmoid works well for inputs from -3 to 3.",
        reported="a remark",
        runs=None,
        rule=Every(
            (
                Above(
                    DEEP,
                    "sigmoid, glorot",
                    1 - FIVE_POINTS,
                    measure="inside",
                ),
                Above(DEEP, "sigmoid, glorot", "tanh, glorot", -FIVE_POINTS),
            )
        ),
        how="In 20 layers that begin with more than 95 % of a sigmoid's "
        "inputs from -3 to 3, it is less than five points below tanh.",
    ),
    Claim(
        id=77,
        source="R4",
        practical=IN_NETWORKS,
        statement="Dead ReLU units come from large learning rates; a smaller "
        "rate or a leaky variant cures it.",
        reported="a remark",
        runs=None,
        rule=Every(
            (
                Above(
                    DEEP,
                    f"relu, he, {FAST}",
                    "relu, he",
                    FIVE_POINTS,
                    "dead units",
                ),
                Above(DEEP, "relu, he", f"relu, he, {FAST}", POINT),
                Above(
                    DEEP,
                    f"leaky-relu, he, {FAST}",
                    f"relu, he, {FAST}",
                    POINT,
                ),
            )
        ),
        how="In 20 layers ten times the rate leaves five in a hundred units "
        "more dead, and there the smaller rate and, at the large rate, leaky "
        "ReLU both gain more than a point of accuracy.",
    ),
    Claim(
        id=78,
        source="R4",
        practical=IN_NETWORKS,
        statement="ELU's negative values bring gradients nearer the natural "
        "gradient, but it does not always beat ReLU.",
        reported="a remark",
        runs=None,
        rule=Every(
            (
                Above(DEEP, "relu, he", "elu, he", FIVE_POINTS, "mean shift"),
                Above(
                    SWAPS, "ResNet-18, relu", "ResNet-18, elu", -HALF_A_POINT
                ),
            )
        ),
        how="By the authors' own reason, which is means nearer to zero: the "
        "share of the mean square that units' means have is five points "
        "lower with ELU, in 20 layers after training. And in ResNet-18 ReLU "
        "is less than half a point below ELU.",
    ),
    Claim(
        id=79,
        source="R4",
        practical=IN_NETWORKS,
        statement="FReLU raises accuracy over SiLU and ReLU at little cost.",
        reported="+4.96 points of mAP over SiLU in a detector",
        runs=1,
        rule=Every(
            tuple(
                Above(SWAPS, f"{network}, frelu", f"{network}, {other}")
                for network in ("LeNet", "ResNet-18")
                for other in ("relu", "silu")
            )
        ),
        how="In LeNet and in ResNet-18 test accuracy with FReLU is above that "
        "with ReLU and with SiLU. What it costs is left to the benchmark.",
    ),
)
