"""Practical 7: what report R0, and R4 of detectors, say of attention.

Margins: ``HARDLY`` is a point of test accuracy; with 10,000 test pictures and
an accuracy near one half, sampling alone makes that of one run uncertain by
as much.  All rules but the chain's compare arms that differ in one thing.
"""

from __future__ import annotations

import itertools

from coursework.claims import Claim
from coursework.claims.rules import Above, Every, Within

PRACTICAL = "07_triplet_ablations"
KINDS, FACTORS, CHAIN = "triplet-attention", "triplet-factors", "triplet-chain"
HARDLY = 0.01
COLLAPSE = 0.1
BLOCKS = ("CBAM", "SE", "CA", "ECA")

CLAIMS = (
    Claim(
        id=62,
        source="R0",
        practical=PRACTICAL,
        statement="ELU/CELU after the 7×7 convolution beat ReLU, GELU and "
        "sigmoid.",
        reported="65.72 and 64.86 against 64.36, 64.11 and 64.16 %",
        runs=1,
        rule=Every(
            tuple(
                Above(FACTORS, "activation elu", f"activation {other}")
                for other in ("relu", "gelu", "sigmoid")
            )
        ),
        how="Test accuracy with ELU above that with each of the others; R0's "
        "CELU, with torch's default, is ELU.",
    ),
    Claim(
        id=63,
        source="R0",
        practical=PRACTICAL,
        statement="Sigmoid is the best gate, tanh loses two points, softmax "
        "collapses.",
        reported="63.02, 61.32 and 44.86 %; the softmax ran over the batch",
        runs=1,
        rule=Every(
            (
                Above(FACTORS, "Triplet", "gate tanh", HARDLY),
                Above(FACTORS, "Triplet", "gate softmax", COLLAPSE),
            )
        ),
        how="Test accuracy with sigmoid more than a point above tanh and more "
        "than ten points above softmax over the map.",
    ),
    Claim(
        id=64,
        source="R0",
        practical=PRACTICAL,
        statement="l2 and max are the best pools; adding the median changes "
        "nothing.",
        reported="65.24 % against 64.2 (avg, max), 64.29 (l1, max) and 64.02 % "
        "(avg, max, median)",
        runs=1,
        rule=Every(
            (
                Above(FACTORS, "pools l2, max", "Triplet"),
                Above(FACTORS, "pools l2, max", "pools max, avg, median"),
                Within(FACTORS, "pools max, avg, median", "Triplet", HARDLY),
            )
        ),
        how="Test accuracy with l2 and max above avg and max, and above these "
        "with the median; and with the median within a point of without. "
        "(l1 is in `full` alone.)",
    ),
    Claim(
        id=65,
        source="R0",
        practical=PRACTICAL,
        statement="TripletCA beats Triplet, and Triplet beats CA.",
        reported="65.71, 64.6 and 63.09 %",
        runs=1,
        rule=Every(
            (
                Above(KINDS, "TripletCA", "Triplet"),
                Above(KINDS, "Triplet", "CA"),
            )
        ),
        how="Test accuracy in this order, with the paper's gates in both "
        "(R0's TripletCA also had other pools and CELU).",
    ),
    Claim(
        id=66,
        source="R0",
        practical=PRACTICAL,
        statement="TripletLKA does not beat Triplet.",
        reported="63.02 against 64.6 %",
        runs=1,
        rule=Above(KINDS, "Triplet", "TripletLKA", margin=-HARDLY),
        how="Test accuracy of Triplet at most a point below TripletLKA's.",
    ),
    Claim(
        id=67,
        source="R0",
        practical=PRACTICAL,
        statement="Triplet adds twelve points.",
        reported="54 against 42 %, read off a figure; the baseline had "
        "ImageNet's stem",
        runs=1,
        rule=Above(KINDS, "Triplet", "none", 0.06),
        how="Test accuracy more than six points, half of what is claimed, "
        "above the same network without attention, on the same stem.",
    ),
    Claim(
        id=68,
        source="R0",
        practical=PRACTICAL,
        statement="Choosing activation, gate and pools one after another finds "
        "the best combination.",
        reported="no run of another combination",
        runs=None,
        rule=Every(
            (
                Above(CHAIN, "chain's", "paper's"),
                Above(CHAIN, "chain's", "each factor's", margin=-HARDLY),
            )
        ),
        how="Test accuracy of what the chain ends at above the paper's module, "
        "and at most a point below the values that are each best alone. (The "
        "best of all combinations would need all of them.)",
    ),
    Claim(
        id=69,
        source="R0",
        practical=PRACTICAL,
        statement="Kernel 7 is the right size.",
        reported="no run of another size",
        runs=None,
        rule=Above(FACTORS, "Triplet", "kernel 3"),
        how="Test accuracy with kernel 7 above that with 3. (5 is in `full` "
        "alone.)",
    ),
    Claim(
        id=71,
        source="R0",
        practical=PRACTICAL,
        statement="GELU's accuracy is below leaky ReLU's after the first epoch "
        "and above after the second.",
        reported="22.05 against 24.48, then 35.26 against 34.32 %",
        runs=1,
        rule=Every(
            (
                Above(
                    FACTORS,
                    "activation leaky-relu",
                    "activation gelu",
                    measure="first accuracy",
                ),
                Above(
                    FACTORS,
                    "activation gelu",
                    "activation leaky-relu",
                    measure="second accuracy",
                ),
            )
        ),
        how="Validation accuracy after one epoch and after two.",
    ),
    Claim(
        id=72,
        source="R0",
        practical=PRACTICAL,
        statement="A learned or convolutional fusion of the three branches "
        "beats their mean.",
        reported="no run",
        runs=None,
        rule=Every(
            (
                Above(FACTORS, "fusion weights", "Triplet"),
                Above(FACTORS, "fusion convolution", "Triplet"),
            )
        ),
        how="Test accuracy with either above that with the mean; both start "
        "as the mean.",
    ),
    Claim(
        id=73,
        source="R0",
        practical=PRACTICAL,
        statement="VAN-B0 reaches 51.8 % on CIFAR-100 in the same budget, with "
        "GELU a little more, with batch norm less.",
        reported="51.79, 53.15 and 47.45 %",
        runs=1,
        reason="R0 does not say where its GELU and batch norm go (VAN-B0 has "
        "both already), and 51.8 % is a number of CIFAR-100 and fifty epochs. "
        "VAN-B0 as published is an arm of `full`; its costs are on the page.",
    ),
    Claim(
        id=80,
        source="R4",
        practical=PRACTICAL,
        statement="SE, CBAM, ECA and CA each add to the same network, in the "
        "order CBAM, SE, CA, ECA.",
        reported="mAP of a detector: 88.57, 89.10, 87.64, 88.29",
        runs=1,
        rule=Every(
            (
                *(Above(KINDS, block, "none") for block in BLOCKS),
                *(
                    Above(KINDS, first, second)
                    for first, second in itertools.pairwise(BLOCKS)
                ),
            )
        ),
        how="Test accuracy of a classifier, not a detector's mAP: each above "
        "no attention, and each above the next in this order.",
    ),
)
