"""Practical 1: what report R1 says of its numpy MLP on MNIST.

Margins: 0.002 is a fifth of a point of accuracy, twice the standard error of
one test score near 98 % on 10,000 pictures; less is "hardly matters".
"""

from __future__ import annotations

from coursework.claims import Claim
from coursework.claims.rules import Above, Every, Within

HARDLY = 0.002

CLAIMS = (
    Claim(
        id=1,
        source="R1",
        practical="01_numpy_mlp",
        statement="The multiclass hinge loss beats cross-entropy and squared "
        "error for the numpy MLP on MNIST.",
        reported="one curve each",
        runs=1,
        rule=Every(
            (
                Above(
                    "numpy-loss-activation",
                    "hinge, relu",
                    "cross-entropy, relu",
                ),
                Above(
                    "numpy-loss-activation",
                    "hinge, relu",
                    "squared-error, relu",
                ),
            )
        ),
        how="Test accuracy with hinge above that with either other loss, "
        "each loss at the rate that validation chose for it.",
    ),
    Claim(
        id=2,
        source="R1",
        practical="01_numpy_mlp",
        statement="ReLU converges far faster than sigmoid and ends best.",
        reported="one curve each",
        runs=1,
        rule=Every(
            (
                Above(
                    "numpy-loss-activation",
                    "cross-entropy, relu",
                    "cross-entropy, sigmoid",
                    margin=0.01,
                    measure="first accuracy",
                ),
                Above(
                    "numpy-loss-activation",
                    "cross-entropy, relu",
                    "cross-entropy, sigmoid",
                ),
                Above(
                    "numpy-loss-activation",
                    "cross-entropy, relu",
                    "cross-entropy, tanh",
                ),
            )
        ),
        how="Validation accuracy after one epoch more than a point above "
        "sigmoid's, and final test accuracy above sigmoid's and tanh's.",
    ),
    Claim(
        id=3,
        source="R1",
        practical="01_numpy_mlp",
        statement="Too large a learning rate does not converge; too small a "
        "one is slow and shows a sudden late drop of the loss.",
        reported="one curve each",
        runs=1,
        rule=Every(
            (
                Above("numpy-rate", "0.2", "5", margin=0.5),
                Above(
                    "numpy-rate",
                    "0.2",
                    "0.002",
                    margin=0.05,
                    measure="first accuracy",
                ),
                Above(
                    "numpy-rate",
                    "0.002",
                    0.0,
                    margin=0.05,
                    measure="late rise",
                ),
            )
        ),
        how="In R1's setting made small (full batch, hinge on ReLU'd scores), "
        "a rate of 5 ends more than 50 points below 0.2; 0.002 is more than 5 "
        "points behind after 20 steps; and in the second half of training its "
        "accuracy rises by more than 5 points within 20 steps.",
    ),
    Claim(
        id=4,
        source="R1",
        practical="01_numpy_mlp",
        statement="Learning-rate decay hardly matters.",
        reported="one curve each",
        runs=1,
        rule=Every(
            (
                Within("numpy-schedule", "cosine", "constant", HARDLY),
                Within("numpy-schedule", "exponential", "constant", HARDLY),
            )
        ),
        how="Test accuracy with cosine and with exponential decay within a "
        "fifth of a point of a constant rate's.",
    ),
    Claim(
        id=5,
        source="R1",
        practical="01_numpy_mlp",
        statement="Too much weight decay keeps the network from its optimum.",
        reported="one curve each",
        runs=1,
        rule=Above("numpy-weight-decay", "0", "0.1", margin=HARDLY),
        how="Test accuracy without weight decay more than a fifth of a point "
        "above that with 0.1.",
    ),
    Claim(
        id=6,
        source="R1",
        practical="01_numpy_mlp",
        statement="Beyond a point more hidden units only cost time; too few "
        "lower the optimum.",
        reported="one curve each",
        runs=1,
        rule=Every(
            (
                Above("numpy-width", "1024", "16", margin=0.01),
                Within("numpy-width", "2048", "1024", HARDLY),
                Above(
                    "numpy-width",
                    "2048",
                    "1024",
                    margin=0.4,
                    measure="log seconds",
                ),
            )
        ),
        how="16 units more than a point below 1024; 2048 within a fifth of a "
        "point of 1024, at more than 1.5 times the seconds.",
    ),
    Claim(
        id=7,
        source="R1",
        practical="01_numpy_mlp",
        statement="95.68 % test accuracy after 400 full-batch steps with hinge "
        "loss, warm-up and cosine schedule.",
        reported="95.68 %",
        runs=1,
        rule=Within("r1-mnist", "R1's setting", 0.9568, margin=0.01),
        how="Mean test accuracy of the exact setting, over all seeds, within "
        "a point of the reported one. Seeds with a dead output count too: the "
        "claim is about the setting, not about a lucky run of it.",
    ),
)
